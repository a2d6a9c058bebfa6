/* SPDX-License-Identifier: MIT */
/*
 * Locks inside libc that many threads want: streams', held while their owner computes, sleeps, or waits in the kernel; among hogs,
 * so that owners are preempted. Nobody waits for ever, nothing is torn, nothing lost.
 */
#include "io_util.h"

enum { N = 16, LINES = 40 };

static FILE *out;
static volatile int inlock; /* by who holds out's lock; the compiler thinks that flockfile changes nothing */
static atomic_bool over;
static atomic_int readers;

static void
spin(int64_t ns)
{
	for(int64_t t = now() + ns; now() < t;)
		;
}

static void *
hog(void *arg)
{
	volatile unsigned long n = 0;

	while(!over)
		n++;
	return arg;
}

/* Owners of the lock that do everything one can do meanwhile. */
static void *
owner(void *arg)
{
	int i = (intptr_t)arg;

	for(int k = 0; k < LINES; k++) {
		flockfile(out);
		EQ(inlock, 0);
		inlock = 1;
		fprintf(out, "begin %d ", i);
		if(k == i)
			spin(15 * MS); /* longer than a slice */
		else if(k == i + 5)
			usleep(500);
		else if(k % 3 == 0)
			sched_yield();
		fputs("middle ", out);
		fprintf(out, "%d end\n", k);
		EQ(inlock, 1);
		inlock = 0;
		funlockfile(out);
		if(k % 10 == 0 && ftrylockfile(out) == 0)
			funlockfile(out);
	}
	return NULL;
}

static void *
putter(void *arg)
{
	for(int k = 0; k < LINES; k++)
		switch(k % 3) {
		case 0: CHECK(fputs("begin -1 middle 0 end\n", out) >= 0); break;
		case 1: EQ(fprintf(out, "begin %d middle %d %s\n", -1, 0, "end"), 22); break;
		case 2: EQ(fwrite("begin -1 middle 0 end\n", 1, 22, out), 22); break;
		}
	return NULL;
}

static void
checkfile(void)
{
	char line[100], end[10];
	int i, k, next[N] = { 0 }, others = 0;

	rewind(out);
	while(fgets(line, sizeof line, out)) {
		EQ(sscanf(line, "begin %d middle %d %9s", &i, &k, end), 3);
		CHECK(strcmp(end, "end") == 0);
		if(i == -1)
			others++;
		else
			EQ(k, next[i]++);
	}
	for(i = 0; i < N; i++)
		EQ(next[i], LINES);
	EQ(others, N * LINES);
}

/* Many readers of one stream: each line goes to one of them. */
static FILE *in;
static atomic_int seen[N * LINES];

static void *
reader(void *arg)
{
	char line[40];
	int c, v;

	readers++;
	for(;;) {
		if((intptr_t)arg % 2) {
			if(fgets(line, sizeof line, in) == NULL)
				break;
		} else {
			int n = 0;
			flockfile(in);
			while((c = getc_unlocked(in)) != EOF && c != '\n')
				line[n++] = c;
			funlockfile(in);
			line[n] = 0;
			if(c == EOF)
				break;
		}
		EQ(sscanf(line, "%d", &v), 1);
		CHECK(v >= 0 && v < N * LINES);
		EQ(seen[v]++, 0);
	}
	return NULL;
}

/* A stream's lock held for long within libc, which cannot be preempted there. */
static FILE *mem;

static void *
bigwriter(void *arg)
{
	static char block[8 << 20];

	for(int k = 0; k < 3; k++)
		EQ(fwrite(block, 1, sizeof block, mem), sizeof block);
	return arg;
}

static void *
smallwriter(void *arg)
{
	for(int k = 0; k < 200; k++)
		CHECK(putc('x', mem) == 'x');
	return arg;
}

int
main(void)
{
	int p[2];
	char *buf;
	size_t size;

	CHECK((out = tmpfile()) != NULL);
	setvbuf(out, NULL, _IOFBF, 512);
	pthread_t *h = spawnall(2, hog), *o = spawnall(N, owner);
	joinall(spawnall(N, putter), N);
	joinall(o, N);
	checkfile();
	pass("one stream, many writers");
	OK(pipe(p));
	CHECK((in = fdopen(p[0], "r")) != NULL);
	pthread_t *r = spawnall(N, reader);
	while(readers < N)
		sched_yield();
	for(int i = 0; i < N * LINES; i++) {
		dprintf(p[1], "%d\n", i);
		if(i % 200 == 0)
			nudge();
	}
	OK(close(p[1]));
	joinall(r, N);
	for(int i = 0; i < N * LINES; i++)
		EQ(seen[i], 1);
	pass("one stream, many readers");
	over = true;
	joinall(h, 2);
	CHECK((mem = open_memstream(&buf, &size)) != NULL);
	pthread_t *b = spawnall(2, bigwriter);
	joinall(spawnall(N, smallwriter), N);
	joinall(b, 2);
	EQ(fclose(mem), 0);
	EQ(size, (size_t)6 * (8 << 20) + N * 200);
	free(buf);
	pass("long writes");
	return 0;
}
