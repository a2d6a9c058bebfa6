/* SPDX-License-Identifier: MIT */
/*
 * The process has been stopped (SIGSTOP, SIGTSTP, a debugger that attaches, a freezer) and goes on.
 *
 * No handler runs then, but on Linux some calls that wait end with EINTR all the same (signal(7), "Interruption of system calls and
 * library functions by stop signals"): epoll_wait and its kin, sigtimedwait and sigwaitinfo, io_getevents, semop, and on sockets with
 * SO_RCVTIMEO or SO_SNDTIMEO all that waits; a transfer of which a part is done returns that part. Measured on Linux 6.18; the others, read
 * on a pipe, poll, nanosleep, futex and so on, go on waiting. Where a G waits in the kernel it is so by itself. A parked G has to be
 * told, and the kernel tells nobody, but that very EINTR shows it:
 *
 *	a call of ours returns EINTR, and no handler has run on that kernel thread since before it (m.nhandled), nor has another
 *	thread taken the signal that it was to handle (sigsettle.c)
 *
 * Who waits so that a stop shows: the M that blocks in netpoll, as nearly always one does; Gs in epoll_wait or sigwait in the
 * kernel; where nobody polls, as all Ps are in use, sysmon when it rests, by waiting for its kick in sigtimedwait, not for its note. A
 * thread that runs, or waits for a CPU, sees no stop: while all Ps are in use one goes unnoticed if it finds sysmon so.
 *
 * Several may notice one stop. Each has taken nstops before its wait; who changes it from that value tells the Gs, the others
 * leave it at that: a G that waits anew by then is not disturbed.
 *
 *	who notices                              a G in such a wait
 *	nstops++                                 stops = nstops, at its start
 *	parked, for a descriptor: claims it      parks
 *	with WAKE_SIGNAL                         WAKE_SIGNAL: nstops is not stops? EINTR, if that ends its call; else waits on
 *
 * A G that is about to park when the others are told goes on waiting. Natively it would not have been asleep yet.
 *
 * In a process that has, or had, children and no handler for SIGCHLD no stop is noticed: see mayhavechildren.
 */
#include <sys/wait.h>

#include "netpoll.h"
#include "sig.h"
#include "stopped.h"

uint32_t nstops;
bool stopsmatter;

static uint32_t watching; /* atomic: sysmon sleeps in sigtimedwait, or is about to */

/* ---- those who are parked ---- */

static bool
waitsforfd(struct g *gp)
{
	uint8_t wr = gp->waitreason;

	return (wr >= Wread && wr <= Wconnect) || wr == Wepoll;
}

static void
tell(struct glist *l)
{
	for(struct g *gp = load_acquire(&allgs); gp != NULL; gp = gp->alllink){
		uint64_t w = load_acquire(&gp->wakeword);

		if((w & WSTATE) == Wparked && waitsforfd(gp) && claim(gp, w >> WSEQSHIFT, WAKE_SIGNAL) == 2)
			glistpush(l, gp);
	}
}

/*
 * SIGCHLD wakes a thread also if the action is the default, to ignore it: when the kernel thread that made the child has it blocked just
 * then, it is put on the process's queue, and the kernel wakes another for it, which finds that it is to be ignored. Natively that
 * thread is the parent's, and it is for the program to say what is blocked; here it may be in the middle of another G's posix_spawn.
 */
static bool
mayhavechildren(void)
{
	siginfo_t info;

	return load_relaxed(&forkepoch) != forkbase ||
	       rawsyscall(SYS_waitid, P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL, NULL) != -ECHILD;
}

static bool
unhandled(const struct stopwatch *w)
{
	return w->mp != NULL && getm() == w->mp && w->mp->nhandled == w->handled && !sigcaught(w->caught) &&
	       ((load_relaxed(&sighandledset) & SIGBIT(SIGCHLD)) || !mayhavechildren());
}

void
stopwakes(const struct stopwatch *w, long r, struct wakes *l)
{
	if(r == -EINTR && unhandled(w) && cas(&nstops, w->stops, w->stops + 1))
		tell(&l->l);
}

bool
stopendedslow(const struct stopwatch *w)
{
	struct wakes l = {0};

	if(!unhandled(w))
		return false;
	stopwakes(w, -EINTR, &l);
	if(l.l.head != NULL)
		injectglist(&l.l);
	return true;
}

/* ---- sysmon's sleep ---- */

bool
stopwatches(void)
{
	bool watch = load_relaxed(&stopsmatter) && load_acquire(&sched.lastpoll) != 0 && netpollanywaiters();

	store_relaxed(&watching, watch);
	return watch;
}

/* The store to watching lies before sysmon's exchange of sysmonwait, which who wakes it has changed since. */
void
stopring(void)
{
	if(load_relaxed(&watching))
		preemptm(&sysmonm);
}

/*
 * The kick is blocked before the look at the note: it comes after that, and ends the wait, or the note is set. One that was sent for
 * another reason ends the wait, too: sysmon's round brings its mask in line.
 */
bool
stopsleep(struct note *n, int64_t until)
{
	uint64_t kick = kickbit;
	struct stopwatch w = stopwatch();
	struct timespec ts;
	int64_t left;
	long r = -EINTR;

	rawsyscall(SYS_rt_sigprocmask, SIG_BLOCK, &kick, NULL, 8);
	while(r == -EINTR && load_acquire(&n->key) == 0 && (left = until - nanotime()) > 0){
		ts = (struct timespec){left / NSEC, left % NSEC};
		r = rawsyscall(SYS_rt_sigtimedwait, &kick, NULL, &ts, 8);
		stopended(&w, r);
		w = stopwatch();
	}
	if(r == kicksig)
		store_release(&sysmonm.signalpending, KICK_NONE);
	rawsyscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &kick, NULL, 8);
	return load_acquire(&n->key) != 0;
}

/* A wait for no signal at all is a sleep that shows a stop. */
void
stopnap(int64_t ns)
{
	struct timespec ts = {0, ns};
	struct stopwatch w = stopwatch();
	uint64_t none = 0;

	stopended(&w, rawsyscall(SYS_rt_sigtimedwait, &none, NULL, &ts, 8));
}
