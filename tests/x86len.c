/* SPDX-License-Identifier: MIT */
/*
 * heddle check's decoder against objdump: `objdump -d -w FILE | x86len` compares the length of each
 * instruction and prints how many there were and where they differ. Run by test_check.sh.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/x86len.h"

/* Bytes written as hexadecimal numbers. */
static unsigned
bytes(char *s, unsigned char *b, unsigned max)
{
	unsigned n = 0;
	char *end;

	for(;; s = end){
		unsigned long v = strtoul(s, &end, 16);

		if(end == s || n == max)
			return n;
		b[n++] = (unsigned char)v;
	}
}

int
main(void)
{
	static char line[4096];
	unsigned long count = 0, wrong = 0;

	while(fgets(line, sizeof line, stdin) != NULL){
		char *hex = strchr(line, '\t'), *text = hex != NULL ? strchr(hex + 1, '\t') : NULL;
		unsigned char b[32];
		struct insn in;
		unsigned n, len;

		if(text == NULL || strstr(text, "(bad)") != NULL || strncmp(text, "\trex", 4) == 0)
			continue;
		*text = '\0';
		memset(b, 0x90, sizeof b);
		n = bytes(hex + 1, b, 16);
		len = x86decode(b, sizeof b, &in);
		count++;
		if(len != n && wrong++ < 10)
			printf("%u bytes, not %u: %s%s", len, n, hex + 1, text + 1);
		if(n > 1 && x86decode(b, n - 1, &in) != 0 && wrong++ < 10)
			printf("cut off, not noticed: %s%s", hex + 1, text + 1);
	}
	printf("%lu instructions, %lu wrong\n", count, wrong);
	return wrong != 0 || count == 0;
}
