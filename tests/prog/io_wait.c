/* SPDX-License-Identifier: MIT */
/* 100 threads wait for a child process each, in all the calls for that, while others go on. */
#include "others.h"

enum { N = 100 };

static pid_t kids[N];
static int gate[2];
static atomic_int started;

static void *
waiter(void *arg)
{
	int i = (intptr_t)arg, st = -1, want = i % 4 == 3 ? SIGKILL : (i & 0x7f) << 8;
	struct rusage ru;
	siginfo_t si;
	started++;
	switch(i % 4) {
	case 0:
		EQ(waitpid(kids[i], &st, 0), kids[i]);
		break;
	case 1:
		EQ(wait4(kids[i], &st, 0, &ru), kids[i]);
		CHECK(ru.ru_maxrss > 0);
		break;
	case 2:
		memset(&si, 0, sizeof si);
		EQ(waitid(P_PID, kids[i], &si, WEXITED | WNOWAIT), 0);
		EQ(si.si_pid, kids[i]);
		EQ(si.si_code, CLD_EXITED);
		EQ(si.si_status, i & 0x7f);
		EQ(waitid(P_PID, kids[i], &si, WEXITED), 0);
		st = want;
		break;
	case 3:
		EQ(waitpid(kids[i], &st, 0), kids[i]);
		CHECK(WIFSIGNALED(st));
		break;
	}
	EQ(st, want);
	return NULL;
}

int
main(void)
{
	OK(pipe(gate));
	pthread_t w = spawn(worker, NULL);
	for(int i = 0; i < N; i++)
		if((kids[i] = forkclean()) == 0) {
			char b;
			close(gate[1]);
			if(read(gate[0], &b, 1) != 0)
				_exit(99);
			if(i % 4 == 3)
				kill(getpid(), SIGKILL);
			_exit(i & 0x7f);
		}
	pthread_t *t = spawnall(N, waiter);
	while(started < N)
		sched_yield();
	int st;
	EQ(waitpid(kids[0], &st, WNOHANG), 0);
	long p0 = work;
	while(work < p0 + 100)
		sched_yield();
	pass("others go on");
	OK(close(gate[1]));
	joinall(t, N);
	FAILS(waitpid(-1, &st, 0), ECHILD);
	FAILS(waitpid(kids[0], &st, 0), ECHILD);
	FAILS(wait(&st), ECHILD);
	FAILS(waitpid(-1, &st, 0x800), EINVAL);
	over = true;
	join(w);
	pass("all reaped");
	return 0;
}
