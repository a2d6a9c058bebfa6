/* SPDX-License-Identifier: MIT */
/* A thread that binds itself to a processor, or changes other things of its own, does so for nobody else, nor after its end. */
#include "prog.h"
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define N 8

static cpu_set_t all, one;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static int held, lockfds[2], nnp; /* the program may have begun without new privileges */

/* What the kernel has for whatever runs this thread now. */
static void
unbound(void)
{
	cpu_set_t got;

	CPU_ZERO(&got);
	CHECK(syscall(SYS_sched_getaffinity, 0, sizeof got, &got) > 0);
	CHECK(CPU_EQUAL(&got, &all));
	EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), nnp);
}

static void *
bound(void *arg)
{
	cpu_set_t got;

	OK(pthread_setaffinity_np(pthread_self(), sizeof one, &one));
	EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	for(int i = 0; i < 20; i++) {
		switch(i % 4) {
		case 0: sched_yield(); break;
		case 1: usleep(200); break;
		case 2:
			OK(pthread_mutex_lock(&m));
			held++;
			OK(pthread_mutex_unlock(&m));
			break;
		case 3: free(malloc(1000)); break;
		}
		OK(pthread_getaffinity_np(pthread_self(), sizeof got, &got));
		CHECK(CPU_EQUAL(&got, &one));
		EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	}
	return arg;
}

static void *
other(void *arg)
{
	char ch;

	for(int i = 0; i < 30; i++) {
		unbound();
		switch(i % 4) {
		case 0: sched_yield(); break;
		case 1: usleep(100); break;
		case 2: CHECK(read(lockfds[0], &ch, 1) == 1); break;
		case 3:
			OK(pthread_mutex_lock(&m));
			held++;
			OK(pthread_mutex_unlock(&m));
			break;
		}
	}
	return arg;
}

int
main(void)
{
	pthread_t b[N], o[N];
	int cpu = 0;

	EQ(sched_getaffinity(0, sizeof all, &all), 0);
	if(CPU_COUNT(&all) < 2)
		SKIP("one processor only");
	while(!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_SET(cpu, &one);
	EQ(pipe(lockfds), 0);
	nnp = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	for(int round = 0; round < 5; round++) {
		for(int i = 0; i < N; i++)
			b[i] = spawn(bound, NULL);
		for(int i = 0; i < N; i++)
			o[i] = spawn(other, NULL);
		for(int i = 0; i < N * 8; i++) {
			usleep(50);
			EQ(write(lockfds[1], "x", 1), 1);
		}
		for(int i = 0; i < N; i++) {
			join(b[i]);
			join(o[i]);
		}
		unbound();
		for(int i = 0; i < N; i++)
			join(spawn(other, write(lockfds[1], "12345678", 8) == 8 ? NULL : &all));
	}
	puts("ok");
	return 0;
}
