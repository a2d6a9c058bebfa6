/* SPDX-License-Identifier: MIT */
/* setjmp and longjmp within threads, over frames in which the thread was switched and moved. */
#include "prog.h"
#include <setjmp.h>
#include <signal.h>

#define N 24

static void __attribute__((noinline))
deep(jmp_buf *env, int depth, int val)
{
	volatile char pad[64];

	pad[0] = depth;
	if(depth % 5 == 0)
		sched_yield();
	if(depth == 0)
		longjmp(*env, val);
	deep(env, depth - 1, val);
	pad[1] = pad[0];
}

static void *
work(void *arg)
{
	intptr_t id = (intptr_t)arg;
	jmp_buf env;
	sigjmp_buf senv;
	volatile int n = 0;

	for(volatile int k = 0; k < 50; k++) {
		volatile int seen = 0;

		switch(setjmp(env)) {
		case 0:
			deep(&env, 20, 1 + id);
			CHECK(!"jumped");
			break;
		default:
			seen = 1;
			n++;
		}
		EQ(seen, 1);
		if(k % 10 == 0)
			usleep(20);
		if(sigsetjmp(senv, 1) == 0) {
			sigset_t s;

			sigemptyset(&s);
			sigaddset(&s, SIGUSR1);
			OK(pthread_sigmask(SIG_BLOCK, &s, NULL));
			sched_yield();
			siglongjmp(senv, 1);
		} else {
			sigset_t s;

			OK(pthread_sigmask(SIG_BLOCK, NULL, &s));
			EQ(sigismember(&s, SIGUSR1), 0);
		}
	}
	EQ(n, 50);
	return NULL;
}

int
main(void)
{
	pthread_t t[N];

	for(intptr_t i = 0; i < N; i++)
		t[i] = spawn(work, (void *)i);
	work((void *)99);
	for(int i = 0; i < N; i++)
		join(t[i]);
	puts("ok");
	return 0;
}
