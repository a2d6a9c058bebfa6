/* SPDX-License-Identifier: MIT */
/*
 * Signals that have waited: in which order a thread gets those that it lets through at once, one's own and the process's, queued and
 * not, when handlers may interrupt each other and when not; by handlers, by sigwaitinfo, and by calls that wait with a mask for that
 * time. The sequences are the output, and what the handlers of such calls find blocked, and is blocked behind them.
 */
#include "prog.h"
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <ucontext.h>

enum { SELF, PROCESS, MIXED, HOWS };
static const char *const hows[] = { "to the thread", "to the process", "to both" };

static char text[2048];
static volatile sig_atomic_t len, depth, deepest, masks;
static const int sigs[] = { 10, 12, 15, 35, 36, 40, 64 }; /* USR1, USR2, TERM and real-time ones */
enum { NSIGS = sizeof sigs / sizeof sigs[0] };

static void
addmask(char c, const sigset_t *s)
{
	len += snprintf(text + len, sizeof text - (size_t)len, "%c", c);
	for(int i = 0; i < NSIGS; i++)
		len += snprintf(text + len, sizeof text - (size_t)len, "%d", sigismember(s, sigs[i]));
}

static void
handler(int sig, siginfo_t *si, void *uc)
{
	int d = ++depth;

	if(d > deepest)
		deepest = d;
	len += snprintf(text + len, sizeof text - (size_t)len, " %d.%d", sig, si->si_code == SI_QUEUE ? si->si_value.sival_int : 0);
	if(masks) {
		sigset_t s;

		OK(pthread_sigmask(SIG_BLOCK, NULL, &s));
		addmask('(', &s);
		memcpy(&s, &((ucontext_t *)uc)->uc_sigmask, 8);
		addmask(' ', &s);
		text[len++] = ')';
	}
	depth--;
}

static void
install(int flags, int full)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

	if(full)
		sigfillset(&sa.sa_mask);
	for(int i = 0; i < NSIGS; i++)
		OK(sigaction(sigs[i], &sa, NULL));
}

static void
sendone(int sig, int value, int process)
{
	union sigval v = { .sival_int = value };

	if(process)
		OK(sigqueue(getpid(), sig, v));
	else
		OK(pthread_sigqueue(pthread_self(), sig, v));
}

/* Each twice, from the highest number down. */
static void
sendall(int how)
{
	for(int k = 1; k <= 2; k++)
		for(int i = NSIGS - 1; i >= 0; i--)
			sendone(sigs[i], k, how == PROCESS || (how == MIXED && (i + k) % 2));
}

static void
block(sigset_t *old)
{
	sigset_t s;

	sigemptyset(&s);
	for(int i = 0; i < NSIGS; i++)
		sigaddset(&s, sigs[i]);
	OK(pthread_sigmask(SIG_BLOCK, &s, old));
}

static void
tell(const char *who, int how, const char *what)
{
	printf("%s, %s, %s:%s; depth %d\n", who, hows[how], what, text, (int)deepest);
	len = deepest = 0;
	text[0] = 0;
}

static void
byhandlers(const char *who, int how)
{
	static const struct {
		const char *name;
		int flags, full;
	} kinds[] = { { "handlers", 0, 0 }, { "handlers, SA_NODEFER", SA_NODEFER, 0 }, { "handlers that block all", 0, 1 } };
	sigset_t old;

	for(size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
		install(kinds[k].flags, kinds[k].full);
		block(&old);
		sendall(how);
		OK(len);
		OK(pthread_sigmask(SIG_SETMASK, &old, NULL));
		tell(who, how, kinds[k].name);
	}
}

enum { SUSPEND, PPOLL, PSELECT, EPOLL, CALLS };
static const char *const calls[] = { "sigsuspend", "ppoll", "pselect", "epoll_pwait" };

static void
waitwith(int call, const sigset_t *mask)
{
	struct timespec ts = { 20, 0 };
	struct epoll_event ev;
	int ep;

	switch(call) {
	case SUSPEND:
		EQ(sigsuspend(mask), -1);
		break;
	case PPOLL:
		EQ(ppoll(NULL, 0, &ts, mask), -1);
		break;
	case PSELECT:
		EQ(pselect(0, NULL, NULL, NULL, &ts, mask), -1);
		break;
	case EPOLL:
		CHECK((ep = epoll_create1(EPOLL_CLOEXEC)) >= 0);
		EQ(epoll_pwait(ep, &ev, 1, 20000, mask), -1);
		EQ(errno, EINTR);
		close(ep);
		break;
	}
	EQ(errno, EINTR);
}

/* One call returns after handlers of those that come before the first of them has returned; the rest waits. */
static void
bycalls(const char *who, int how)
{
	sigset_t old, most;

	for(int call = 0; call < CALLS; call++)
		for(int full = 0; full < 2; full++) {
			char name[64];

			install(0, full);
			block(&old);
			sendall(how);
			most = old;
			sigaddset(&most, 36);
			masks = 1;
			waitwith(call, &most);
			sigset_t now;
			OK(pthread_sigmask(SIG_BLOCK, NULL, &now));
			addmask('|', &now);
			masks = 0;
			snprintf(name, sizeof name, "%s, handlers that block %s", calls[call], full ? "all" : "themselves");
			tell(who, how, name);
			OK(pthread_sigmask(SIG_SETMASK, &old, NULL));
			tell(who, how, "and the rest");
		}
}

static void
bywaiting(const char *who, int how)
{
	struct timespec now = { 0, 0 };
	sigset_t s, old;
	siginfo_t si;

	block(&old);
	OK(pthread_sigmask(SIG_SETMASK, NULL, &s));
	sendall(how);
	while(sigtimedwait(&s, &si, &now) > 0)
		handler(si.si_signo, &si, NULL);
	tell(who, how, "waiting");
	OK(pthread_sigmask(SIG_SETMASK, &old, NULL));
	OK(len);
}

static void *
all(void *arg)
{
	for(int how = 0; how < HOWS; how++) {
		byhandlers(arg, how);
		bycalls(arg, how);
		bywaiting(arg, how);
	}
	return NULL;
}

static sem_t over;

static void *
parked(void *arg)
{
	while(sem_wait(&over) != 0)
		;
	return arg;
}

/* all() in a thread, while no other one lets the signals through. */
static void
inthread(void)
{
	pthread_attr_t a;
	pthread_t t;
	sigset_t old;

	block(&old);
	OK(pthread_attr_init(&a));
	OK(pthread_attr_setsigmask_np(&a, &old));
	OK(pthread_create(&t, &a, all, "a thread"));
	OK(pthread_attr_destroy(&a));
	join(t);
	OK(pthread_sigmask(SIG_SETMASK, &old, NULL));
}

int
main(void)
{
	pthread_t t;
	sigset_t old;

	all("alone");
	OK(sem_init(&over, 0, 0));
	block(&old); /* the other one takes none */
	t = spawn(parked, NULL);
	OK(pthread_sigmask(SIG_SETMASK, &old, NULL));
	all("main");
	inthread();
	sem_post(&over);
	join(t);
	return 0;
}
