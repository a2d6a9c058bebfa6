/* SPDX-License-Identifier: MIT */
/*
 * Blocking calls and what a signal's handler does to each: signal(7), "Interruption
 * of system calls and library functions by signal handlers".
 *
 * For each call: begin makes it block, run makes it, finish makes it succeed,
 * end cleans up.  Without SA_RESTART every one gives EINTR; with it those that
 * restart go on as if nothing had been, and the others give EINTR. The pthread functions
 * never give EINTR.  (sem_timedwait is
 * among the others, whatever the manual says: the kernel does not restart a
 * futex wait with a time when a handler has run.)
 *
 * A helper thread sends the signal again and again, so that it does not matter
 * whether one arrives before the call has begun to wait.
 */
#include "sig_calls_more.h"

enum restarts { NEVER, RESTARTS, ALWAYS }; /* never EINTR */

static const struct call {
	const char *name;
	enum restarts restarts;
	void (*begin)(void);
	int (*run)(void);
	void (*finish)(void), (*end)(void);
} calls[] = {
	{ "read pipe", RESTARTS, mkpipe, doread, give, close2 },
	{ "readv pipe", RESTARTS, mkpipe, doreadv, give, close2 },
	{ "read unix", RESTARTS, mkunix, doread, give, close2 },
	{ "read tcp", RESTARTS, mktcp, doread, give, close2 },
	{ "recv unix", RESTARTS, mkunix, dorecv, give, close2 },
	{ "recv tcp", RESTARTS, mktcp, dorecv, give, close2 },
	{ "recvfrom", RESTARTS, mktcp, dorecvfrom, give, close2 },
	{ "recvmsg", RESTARTS, mkunix, dorecvmsg, give, close2 },
	{ "recv with timeout", NEVER, mktimeo, dorecv, give, close2 },
	{ "read eventfd", RESTARTS, mkevent, doread8, give8, close2 },
	{ "read timerfd", RESTARTS, mktimer, doread8, arm, close2 },
	{ "write pipe", RESTARTS, mkfull, dowrite, drain, close2 },
	{ "write unix", RESTARTS, mkfullsock, dowrite, drain, close2 },
	{ "send unix", RESTARTS, mkfullsock, dosend, drain, close2 },
	{ "accept", RESTARTS, mklisten, doaccept, dial, close2 },
	{ "connect", RESTARTS, mkbacklog, doconnect, acceptone, close2 },
	{ "open fifo", RESTARTS, mkfifo1, doopen, openother, rmfifo },
	{ "poll", NEVER, mkpipe, dopoll, give, close2 },
	{ "ppoll", NEVER, mkpipe, doppoll, give, close2 },
	{ "select", NEVER, mkpipe, doselect, give, close2 },
	{ "pselect", NEVER, mkpipe, dopselect, give, close2 },
	{ "epoll_wait", NEVER, mkpipe, doepoll, give, close2 },
	{ "nanosleep", NEVER, nothing, donanosleep, nothing, nothing },
	{ "clock_nanosleep", NEVER, nothing, doclocknanosleep, nothing, nothing },
	{ "clock_nanosleep absolute", NEVER, nothing, doabssleep, nothing, nothing },
	{ "usleep", NEVER, nothing, dousleep, nothing, nothing },
	{ "sleep", NEVER, nothing, dosleep, nothing, nothing },
	{ "sem_wait", RESTARTS, mksem, dosemwait, post, rmsem },
	{ "sem_timedwait", NEVER, mksem, dosemtimed, post, rmsem },
	{ "waitpid", RESTARTS, mkkid, dowaitpid, give, rmkid },
	{ "waitid", RESTARTS, mkkid, dowaitid, give, rmkid },
	{ "flock", RESTARTS, mklock, doflock, unlock, close2 },
	{ "F_OFD_SETLKW", RESTARTS, mklock, doofd, unlock, close2 },
	{ "pause", NEVER, nothing, dopause, nothing, nothing },
	{ "sigsuspend", NEVER, nothing, dosuspend, nothing, nothing },
	{ "sigtimedwait", NEVER, nothing, dosigtimed, nothing, nothing },
	{ "sigwaitinfo", NEVER, nothing, dosigwaitinfo, nothing, nothing },
	{ "read inotify", RESTARTS, mkinotify, doinotify, touch, rminotify },
	{ "recvmmsg", RESTARTS, mkunix, doreadmmsg, give, close2 },
	{ "sendmsg", RESTARTS, mkfullsock, dosendmsg, drain, close2 },
	{ "send with timeout", NEVER, mksndtimeo, dosend, drain, close2 },
	{ "accept with timeout", NEVER, mkaccepttimeo, doaccept, dial, close2 },
	{ "epoll_pwait", NEVER, mkpipe, doepollp, give, close2 },
	{ "wait4", RESTARTS, mkkid, dowait4, give, rmkid },
	{ "F_SETLKW", RESTARTS, mkposixlock, doposixlock, give, rmposixlock },
	{ "mq_receive", RESTARTS, mkmq, domqreceive, mqgive, rmmq },
	{ "mq_timedreceive", RESTARTS, mkmq, domqtimed, mqgive, rmmq },
	{ "mq_send", RESTARTS, mkfullmq, domqsend, mqtake, rmmq },
	{ "futex wait", RESTARTS, mkword, dofutex, wakeword, nothing },
	{ "futex wait with timeout", NEVER, mkword, dofutextimed, wakeword, nothing },
	{ "sem_clockwait", NEVER, mksem, dosemclock, post, rmsem },
	{ "sem_wait shared", RESTARTS, mksemshared, dosemwait, post, rmsem },
	{ "sem_timedwait shared", NEVER, mksemshared, dosemtimed, post, rmsem },
	{ "pthread_cond_wait", ALWAYS, mkcondprivate, docond, signalcond, rmcond },
	{ "pthread_cond_timedwait", ALWAYS, mkcondprivate, docondtimed, signalcond, rmcond },
	{ "pthread_cond_wait shared", ALWAYS, mkcondshared, docond, signalcond, rmcond },
	{ "pthread_cond_timedwait shared", ALWAYS, mkcondshared, docondtimed, signalcond, rmcond },
	{ "pthread_mutex_lock", ALWAYS, mkheld, domutex, letgo, rmheld },
	{ "pthread_mutex_timedlock", ALWAYS, mkheld, domutextimed, letgo, rmheld },
	{ "pthread_rwlock_rdlock", ALWAYS, mkheld, dordlock, letgo, rmheld },
	{ "pthread_rwlock_wrlock", ALWAYS, mkheld, dowrlock, letgo, rmheld },
	{ "pthread_rwlock_timedwrlock", ALWAYS, mkheld, dowrtimed, letgo, rmheld },
	{ "pthread_barrier_wait", ALWAYS, mkheld, dobarrier, meet, rmheld },
	{ "pthread_join", ALWAYS, mkheld, dojoin, letgo, rmjoined },
	{ "pthread_timedjoin_np", ALWAYS, mkheld, dojointimed, letgo, rmjoined },
	{ "semtimedop", NEVER, mksysvsem, dosemtimedop, nothing, rmsysvsem },
	{ "msgsnd", NEVER, mkfullmsg, domsgsnd, nothing, rmmsg },
	{ "msgrcv", NEVER, mkmsg, domsgrcv, nothing, rmmsg },
	{ "semop", NEVER, mksysvsem, dosemop, nothing, rmsysvsem },
	MORECALLS,
};

static bool
goeson(const struct call *c, bool restart)
{
	return c->restarts == ALWAYS || (restart && c->restarts == RESTARTS);
}

static atomic_int handled;
static atomic_bool returned;

/*
 * Sends until the call has returned, or, when it is to restart, until three
 * were handled; then lets the call succeed.  sender sends one signal.
 */
static void
pester(const struct call *c, bool restart, void (*sender)(void))
{
	struct timespec ts = { 0, 2 * MS };
	while(!returned) {
		sender();
		nanosleep(&ts, NULL);
		if(goeson(c, restart) && handled >= 3) {
			c->finish();
			break;
		}
	}
}

/* The outcome that signal(7) asks for. */
static void
verdict(const struct call *c, bool restart, int err)
{
	int want = goeson(c, restart) ? 0 : EINTR;
	if(err != want)
		die(__FILE__, __LINE__, "%s %s SA_RESTART: error %d, not %d", c->name,
		    restart ? "with" : "without", err, want);
	CHECK(handled > 0);
	pass("%s: %s", c->name, want ? "EINTR" : "restarts");
}
