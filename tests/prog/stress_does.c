/* SPDX-License-Identifier: MIT */
/* native: no */
/* procs: 2 */
/* stress: no, it sets its own */
/*
 * HEDDLE=stress= does what it says: each kind by itself, in a process of its own, against one without. A thread that yields is moved from
 * kernel thread to kernel thread; two that compute take turns much more often than by time slices; memory of ended threads is not used again as it is.
 */
#include "prog.h"
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static _Atomic int over;

static void *
yields(void *arg)
{
	while(!over)
		sched_yield();
	return arg;
}

/* How often the kernel thread is another one than before. Others yield, too: nobody is alone on a processor for long. */
static void *
moves(void *arg)
{
	char was[64] = "", now[64];
	long n = 0;

	for(int i = 0; i < 20000; i++) {
		ssize_t len = readlink("/proc/thread-self", now, sizeof now - 1);

		CHECK(len > 0);
		now[len] = 0;
		n += i > 0 && strcmp(was, now) != 0;
		strcpy(was, now);
		sched_yield();
	}
	return (void *)n;
}

/* How many pages are new: those of a thread that has the memory of one before it are not. */
static void *
nothing(void *arg)
{
	return arg;
}

static long
pages(void)
{
	struct rusage before, after;

	join(spawn(nothing, NULL));
	OK(getrusage(RUSAGE_SELF, &before));
	for(int i = 0; i < 200; i++)
		join(spawn(nothing, NULL));
	OK(getrusage(RUSAGE_SELF, &after));
	return after.ru_minflt - before.ru_minflt;
}

/* How often another one computes than before, until the process has used so much CPU time. */
static _Atomic int last;
static _Atomic long turns;

static void *
computes(void *arg)
{
	int me = (int)(intptr_t)arg;

	while(!over)
		if(last != me) {
			last = me;
			turns++;
		}
	return NULL;
}

static long
switches(void)
{
	pthread_t t[2];

	for(intptr_t i = 0; i < 2; i++)
		t[i] = spawn(computes, (void *)(i + 1));
	while(clockns(CLOCK_PROCESS_CPUTIME_ID) < 300 * MS)
		usleep(2000);
	over = 1;
	for(int i = 0; i < 2; i++)
		join(t[i]);
	return turns;
}

static int
child(const char *what)
{
	pthread_t t;
	long n;

	if(strcmp(what, "switches") == 0) {
		n = switches();
	} else if(strcmp(what, "pages") == 0) {
		n = pages();
	} else {
		t = spawn(yields, NULL);
		for(int i = 0; i < 4; i++)
			pthread_detach(spawn(yields, NULL));
		n = (long)join(spawn(moves, NULL));
		over = 1;
		join(t);
	}
	printf("%ld\n", n);
	return 0;
}

static long
run(const char *what, const char *heddle, const char *procs)
{
	char text[32] = "";
	int fds[2], st, null;
	ssize_t n = 0, r;
	pid_t pid;

	OK(pipe(fds));
	CHECK((pid = fork()) >= 0);
	if(pid == 0) {
		setenv("HEDDLE", heddle, 1);
		setenv("HEDDLE_MAXPROCS", procs, 1);
		null = open("/dev/null", O_WRONLY);
		dup2(null, 2);
		dup2(fds[1], 1);
		execl("/proc/self/exe", "stress_does", what, (char *)NULL);
		_exit(99);
	}
	close(fds[1]);
	while((r = read(fds[0], text + n, sizeof text - 1 - (size_t)n)) > 0)
		n += r;
	close(fds[0]);
	EQ(waitpid(pid, &st, 0), pid);
	EQ(st, 0);
	return atol(text);
}

/* Three times as much, in one of three attempts: another process may have the CPUs. */
static void
more(const char *what, const char *stress, const char *procs)
{
	long plain = 0, much = 0;

	for(int i = 0; i < 3; i++) {
		plain = run(what, "", procs);
		much = run(what, stress, procs);
		if(much > 50 && much >= 3 * plain) {
			printf("%s: ok\n", what);
			return;
		}
	}
	dprintf(2, "%s: %ld with %s, %ld without\n", what, much, stress, plain);
	_exit(1);
}

int
main(int argc, char **argv)
{
	if(argc > 1)
		return child(argv[1]);
	more("moves", "stress=5+move", "2");
	more("switches", "stress=5+preempt", "1");
	more("pages", "stress=5+slow", "2");
	return 0;
}
