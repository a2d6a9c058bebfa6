/* SPDX-License-Identifier: MIT */
/* stdio on pipes and sockets from 100 threads: the waits are inside libc. */
#include "io_util.h"

enum { N = 100, LINES = 20 };

static int fds[N][2];
static atomic_int waiting;

static void *
liner(void *arg)
{
	int i = (intptr_t)arg, want;
	char *line = NULL, buf[128];
	size_t cap = 0;
	FILE *f = fdopen(fds[i][0], i % 2 ? "r+" : "r");
	CHECK(f);
	waiting++;
	for(int k = 0; k < LINES; k++) {
		switch(i % 4) {
		case 0: CHECK(fgets(buf, sizeof buf, f) == buf); break;
		case 1: CHECK(getline(&line, &cap, f) > 0); strcpy(buf, line); break;
		case 2: EQ(fscanf(f, "%127[^\n]", buf), 1); EQ(getc(f), '\n'); break;
		case 3: {
			int c, n = 0;
			while((c = getc(f)) != '\n') {
				CHECK(c != EOF);
				buf[n++] = c;
			}
			buf[n] = 0;
			break;
		}
		}
		EQ(sscanf(buf, "line %d", &want), 1);
		EQ(want, i * 1000 + k);
		/* Sockets answer, by stdio as well. */
		if(i % 2) {
			CHECK(fprintf(f, "reply %d\n", want + 1) > 0);
			EQ(fflush(f), 0);
		}
	}
	EQ(fgetc(f), EOF);
	CHECK(feof(f) && !ferror(f));
	EQ(fclose(f), 0);
	free(line);
	return NULL;
}

static void *
feeder(void *arg)
{
	int first = (intptr_t)arg * 10, v;
	FILE *f[10];
	char buf[64];
	for(int i = 0; i < 10; i++)
		CHECK((f[i] = fdopen(fds[first + i][1], (first + i) % 2 ? "r+" : "w")) != NULL);
	for(int k = 0; k < LINES; k++)
		for(int i = 0; i < 10; i++) {
			CHECK(fprintf(f[i], "line %d\n", (first + i) * 1000 + k) > 0);
			EQ(fflush(f[i]), 0);
			if((first + i) % 2) {
				CHECK(fgets(buf, sizeof buf, f[i]));
				EQ(sscanf(buf, "reply %d", &v), 1);
				EQ(v, (first + i) * 1000 + k + 1);
			}
		}
	for(int i = 0; i < 10; i++)
		EQ(fclose(f[i]), 0);
	return NULL;
}

static FILE *log1;

static void *
logger(void *arg)
{
	for(int k = 0; k < LINES; k++) {
		flockfile(log1);
		fprintf(log1, "%d ", (int)(intptr_t)arg);
		if(k % 5 == 0)
			sched_yield();
		fprintf(log1, "%d\n", k);
		funlockfile(log1);
	}
	return NULL;
}

static void *
logread(void *arg)
{
	int id, k, next[N] = { 0 }, total = 0;
	FILE *f = arg;
	while(fscanf(f, "%d %d\n", &id, &k) == 2) {
		EQ(k, next[id]++);
		total++;
	}
	EQ(total, N * LINES);
	fclose(f);
	return NULL;
}

int
main(void)
{
	int p[2];

	for(int i = 0; i < N; i++)
		if(i % 2)
			OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]));
		else
			OK(pipe(fds[i]));
	pthread_t *t = spawnall(N, liner);
	while(waiting < N)
		sched_yield();
	nudge();
	joinall(spawnall(N / 10, feeder), N / 10);
	joinall(t, N);
	pass("lines");

	/* One FILE for all, a full pipe behind it. */
	OK(pipe(p));
	OK(fcntl(p[1], F_SETPIPE_SZ, 4096));
	CHECK((log1 = fdopen(p[1], "w")) != NULL);
	setvbuf(log1, NULL, _IOLBF, 256);
	pthread_t r = spawn(logread, fdopen(p[0], "r"));
	joinall(spawnall(N, logger), N);
	EQ(fclose(log1), 0);
	join(r);
	pass("shared log");
	return 0;
}
