/* SPDX-License-Identifier: MIT */
/* native: no */
/* Descriptors that libc makes and closes by itself: pipes of popen where files have been. Who reads them needs no kernel thread. */
#include "io_util.h"
#include "kthreads.h"

enum { N = 24, FEW = 12 }; /* on a busy machine sysmon takes Ps from who does not get to run: more are made */

static FILE *pipes[N];
static atomic_int reading;

static void *
reads(void *arg)
{
	int i = (intptr_t)arg, v;
	char line[40];

	reading++;
	CHECK(fgets(line, sizeof line, pipes[i]));
	EQ(sscanf(line, "%d", &v), 1);
	EQ(v, i);
	EQ(pclose(pipes[i]), 0);
	return NULL;
}

static void *
nothing(void *arg)
{
	return arg;
}

int
main(void)
{
	FILE *f[N];
	char cmd[100];

	join(spawn(nothing, NULL));
	for(int i = 0; i < N; i++)
		CHECK((f[i] = fopen("/proc/self/exe", "r")) != NULL && getc(f[i]) == 0x7f);
	for(int i = 0; i < N; i++)
		EQ(fclose(f[i]), 0);
	for(int i = 0; i < N; i++) {
		snprintf(cmd, sizeof cmd, "sleep 1; echo %d", i);
		CHECK((pipes[i] = popen(cmd, "r")) != NULL);
	}
	pthread_t *t = spawnall(N, reads);
	while(reading < N)
		sched_yield();
	nudge();
	nudge();
	fewthreads(FEW);
	joinall(t, N);
	pass("popen");
	return 0;
}
