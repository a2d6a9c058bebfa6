/* SPDX-License-Identifier: MIT */
/* Alone again and again: after the last join there is one kernel thread, for the kernel, too; and then there are others again. */
#include "prog.h"
#include "alone.h"

int
main(void)
{
	for(int i = 0; i < 200; i++) {
		someend(1 + i % 5, i % 3 ? nothing : naps);
		askalone();
	}
	for(int i = 0; i < 5; i++) {
		someend(1 + i, naps);
		waitalone();
	}
	/* now and then a thread, at any moment of the way to being alone */
	for(int i = 0; i < 30; i++) {
		usleep((useconds_t)(i % 10) * 6500);
		someend(1, nothing);
	}
	waitalone();
	printf("alone\n");
	return 0;
}
