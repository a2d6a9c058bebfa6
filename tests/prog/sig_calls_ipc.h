/* SPDX-License-Identifier: MIT */
/* Of the calls in sig_calls.h those that wait for a time, a process, a lock on a file, a message, a semaphore or a futex. */
#ifndef SIG_CALLS_IPC_H
#define SIG_CALLS_IPC_H

#include "sig_calls_fd.h"
#include "mq_util.h"
#include <linux/futex.h>
#include <semaphore.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/sem.h>

static sem_t sem;
static int sysv;
static pid_t kid;

static void nothing(void) { }

static int
donanosleep(void)
{
	struct timespec ts = { 20, 0 }, rem = { 0, 0 };
	int e = res(nanosleep(&ts, &rem));
	if(e == EINTR)
		CHECK(rem.tv_sec <= 20 && rem.tv_sec >= 10);
	return e;
}

static int
doclocknanosleep(void)
{
	struct timespec ts = { 20, 0 }, rem = { 0, 0 };
	int e = clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &rem);
	if(e == EINTR)
		CHECK(rem.tv_sec <= 20 && rem.tv_sec >= 10);
	return e;
}

static int
doabssleep(void)
{
	struct timespec ts;
	OK(clock_gettime(CLOCK_REALTIME, &ts));
	ts.tv_sec += 20;
	return clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL);
}

static int dousleep(void) { return res(usleep(20000000)); }
static int dosleep(void) { int left = sleep(20); return left >= 10 && left <= 20 ? EINTR : -left; }

static void mksem(void) { OK(sem_init(&sem, 0, 0)); }
static void rmsem(void) { OK(sem_destroy(&sem)); }
static void post(void) { OK(sem_post(&sem)); }
static int dosemwait(void) { return res(sem_wait(&sem)); }

static int
dosemtimed(void)
{
	struct timespec ts;
	OK(clock_gettime(CLOCK_REALTIME, &ts));
	ts.tv_sec += 20;
	return res(sem_timedwait(&sem, &ts));
}

static void
mkkid(void)
{
	mkpipe();
	if((kid = OK(fork())) == 0) {
		char b;
		close(a[1]);
		while(read(a[0], &b, 1) < 0)
			;
		_exit(0);
	}
}

static void
rmkid(void)
{
	close2();
	int st;
	while(waitpid(kid, &st, 0) < 0 && errno == EINTR)
		;
}

static int dowaitpid(void) { return res(waitpid(kid, NULL, 0)); }
static int dowaitid(void) { siginfo_t si; return res(waitid(P_PID, kid, &si, WEXITED)); }

static void
mklock(void)
{
	a[0] = OK(mkstemp(tmpname));
	a[1] = OK(open(tmpname, O_RDWR));
	OK(unlink(tmpname));
	strcpy(tmpname + strlen(tmpname) - 6, "XXXXXX");
	struct flock l = { .l_type = F_WRLCK };
	OK(flock(a[0], LOCK_EX));
	OK(fcntl(a[0], F_OFD_SETLK, &l));
}

static int doflock(void) { return res(flock(a[1], LOCK_EX)); }
static int doofd(void) { struct flock l = { .l_type = F_WRLCK }; return res(fcntl(a[1], F_OFD_SETLKW, &l)); }

static void
unlock(void)
{
	struct flock l = { .l_type = F_UNLCK };
	OK(flock(a[0], LOCK_UN));
	OK(fcntl(a[0], F_OFD_SETLK, &l));
}

static int dopause(void) { return res(pause()); }
static int dosuspend(void) { sigset_t s; sigemptyset(&s); return res(sigsuspend(&s)); }

static int
dosigtimed(void)
{
	sigset_t s;
	struct timespec ts = { 20, 0 };
	sigemptyset(&s);
	sigaddset(&s, SIGRTMIN + 5);
	return res(sigtimedwait(&s, NULL, &ts));
}

static void mkmsg(void) { sysv = OK(msgget(IPC_PRIVATE, 0600)); }
static void rmmsg(void) { OK(msgctl(sysv, IPC_RMID, NULL)); }
static int domsgrcv(void) { struct { long t; char b[8]; } m; return res(msgrcv(sysv, &m, 8, 0, 0)); }
static void mksysvsem(void) { sysv = OK(semget(IPC_PRIVATE, 1, 0600)); }
static void rmsysvsem(void) { OK(semctl(sysv, 0, IPC_RMID)); }
static int dosemop(void) { struct sembuf o = { 0, -1, 0 }; return res(semop(sysv, &o, 1)); }

static int dowait4(void) { return res(wait4(kid, NULL, 0, NULL)); }

/* A POSIX lock keeps other processes out only. */
static void
mkposixlock(void)
{
	int ready[2];
	char b;

	mkpipe();
	sysv = OK(mkstemp(tmpname));
	OK(unlink(tmpname));
	strcpy(tmpname + strlen(tmpname) - 6, "XXXXXX");
	OK(pipe(ready));
	if((kid = OK(fork())) == 0) {
		struct flock l = { .l_type = F_WRLCK };
		close(a[1]);
		if(fcntl(sysv, F_SETLK, &l) != 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		while(read(a[0], &b, 1) < 0)
			;
		_exit(0);
	}
	while(read(ready[0], &b, 1) < 0)
		;
	OK(close(ready[0]));
	OK(close(ready[1]));
}

static int doposixlock(void) { struct flock l = { .l_type = F_WRLCK }; return res(fcntl(sysv, F_SETLKW, &l)); }
static void rmposixlock(void) { rmkid(); OK(close(sysv)); }

static mqd_t mq;

static void
mkmq(void)
{
	struct mq_attr at = { .mq_maxmsg = 1, .mq_msgsize = 8 };
	char name[40];

	snprintf(name, sizeof name, "/heddle-test-%d", getpid());
	if((mq = mqmake(name, O_RDWR, &at)) == (mqd_t)-1)
		SKIP("no message queues");
	OK(mq_unlink(name));
}

static void mqgive(void) { OK(mq_send(mq, "x", 1, 0)); }
static void mqtake(void) { char b[8]; EQ(mq_receive(mq, b, 8, NULL), 1); }
static void mkfullmq(void) { mkmq(); mqgive(); }
static void rmmq(void) { OK(mq_close(mq)); }
static int domqreceive(void) { char b[8]; return res(mq_receive(mq, b, 8, NULL)); }
static int domqsend(void) { return res(mq_send(mq, "y", 1, 0)); }

static struct timespec
far(clockid_t clock)
{
	struct timespec ts;
	OK(clock_gettime(clock, &ts));
	ts.tv_sec += 20;
	return ts;
}

static int
domqtimed(void)
{
	char b[8];
	struct timespec ts = far(CLOCK_REALTIME);
	return res(mq_timedreceive(mq, b, 8, NULL, &ts));
}

static int
dosemtimedop(void)
{
	struct sembuf o = { 0, -1, 0 };
	struct timespec ts = { 20, 0 };
	return res(semtimedop(sysv, &o, 1, &ts));
}

static void
mkfullmsg(void)
{
	struct { long t; char b[1024]; } m = { .t = 1 };
	mkmsg();
	while(msgsnd(sysv, &m, sizeof m.b, IPC_NOWAIT) == 0)
		;
	EQ(errno, EAGAIN);
}

static int domsgsnd(void) { struct { long t; char b[1024]; } m = { .t = 1 }; return res(msgsnd(sysv, &m, sizeof m.b, 0)); }

static uint32_t word;

static int
waitword(const struct timespec *ts)
{
	long r = syscall(SYS_futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, ts, NULL, 0);
	return r != 0 && errno == EAGAIN ? 0 : res(r);
}

static void mkword(void) { word = 0; }
static int dofutex(void) { return waitword(NULL); }
static int dofutextimed(void) { struct timespec ts = { 20, 0 }; return waitword(&ts); }

static void
wakeword(void)
{
	__atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
}

static int
dosemclock(void)
{
	struct timespec ts = far(CLOCK_MONOTONIC);
	return res(sem_clockwait(&sem, CLOCK_MONOTONIC, &ts));
}

static void mksemshared(void) { OK(sem_init(&sem, 1, 0)); }

static int
dosigwaitinfo(void)
{
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGRTMIN + 5);
	return res(sigwaitinfo(&s, NULL));
}

#endif
