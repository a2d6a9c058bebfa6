/* SPDX-License-Identifier: MIT */
/* timeout: 90 */
/* stdio from many threads: whole lines, flockfile around several calls, recursive locks, ftrylockfile, all that was written is there. */
#include "prog.h"

#define N 30

static FILE *f;
static int lines;

static void *
work(void *arg)
{
	int id = (intptr_t)arg;

	for(int i = 0; i < lines; i++) {
		switch(i % 3) {
		case 0:
			fprintf(f, "%d %d %s\n", id, i, "one call");
			break;
		case 1:
			flockfile(f);
			fprintf(f, "%d ", id);
			sched_yield();	/* the lock is the thread's, wherever it runs */
			fprintf(f, "%d ", i);
			flockfile(f);
			fputs("several", f);
			funlockfile(f);
			putc_unlocked(' ', f);
			fputs("calls\n", f);
			funlockfile(f);
			break;
		case 2:
			while(ftrylockfile(f) != 0)
				sched_yield();
			fprintf(f, "%d %d try", id, i);
			if(i % 10 == 2)
				usleep(10);
			fputs("lock\n", f);
			funlockfile(f);
			break;
		}
	}
	return NULL;
}

int
main(void)
{
	static const char *const want[] = { "one call", "several calls", "trylock" };
	static unsigned char seen[N][4096];
	pthread_t t[N];
	char line[200];
	int id, i, n, total = 0;

	lines = scale(150);
	if(lines > 4096)
		lines = 4096;
	f = tmpfile();
	CHECK(f != NULL);
	for(intptr_t k = 0; k < N; k++)
		t[k] = spawn(work, (void *)k);
	for(int k = 0; k < N; k++)
		join(t[k]);
	rewind(f);
	while(fgets(line, sizeof line, f) != NULL) {
		EQ(sscanf(line, "%d %d %n", &id, &i, &n), 2);
		CHECK(id >= 0 && id < N && i >= 0 && i < lines);
		line[strcspn(line, "\n")] = '\0';
		CHECK(strcmp(line + n, want[i % 3]) == 0);
		EQ(seen[id][i]++, 0);
		total++;
	}
	EQ(total, N * lines);
	fclose(f);
	puts("ok");
	return 0;
}
