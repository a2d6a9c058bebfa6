/* SPDX-License-Identifier: MIT */
/*
 * Does a kernel thread sleep, or does it wait for a CPU?
 *
 * The CPU clock of a thread that blocks in a call which we do not know stands still. So does that of one that computes, when other
 * processes have all the CPUs. The P of the first should go to another M at once. To give the second one's away helps nobody: one more
 * thread of ours waits for the same CPUs, soon a hundred. The state in /proc/self/task/TID/stat tells them apart.
 *
 * To read that takes a descriptor, and the lowest free number is what the program expects its next one to be. So a thread of its own reads, the
 * lookout, with a descriptor table of its own that starts empty, so that it holds none of the program's files open. It keeps nothing open between
 * two questions. It is made when there is the first one: most processes have none.
 *
 * sysmon asks and goes on; the answer is there in a later round. Both are one word, p.look, whose upper half is the thread's tid:
 *
 *        sysmon               lookout                          sysmon
 *   0 ------------> LOOK_ASKED ------> LOOK_SLEEPS, LOOK_RUNS, ------> 0
 *                                      LOOK_NONE
 *
 * Only the lookout changes a word that is LOOK_ASKED, and only sysmon another one. The answer is of some moment after the question. If the thread's
 * clock is still what it was before that, the thread has not run since, and cannot have left the call in which it slept.
 *
 * Neither misses the other: sysmon stores its question, then changes `asked`, which the lookout has read before it looks for questions. The
 * lookout stores its answer, sets `answered` and then looks whether sysmon rests; sysmon says that it rests and then looks at `answered`
 * (rest in sysmon.c; both sides exchange, which is a full barrier).
 *
 * Rejected: a descriptor with a high number, as the netpoller's, since openat takes the lowest one for an instant; io_uring, whose table of files is
 * its own, but which is often forbidden and opens by threads of its own. The scheduler's statistics of a thread (schedstat) need a
 * descriptor as well, and are brought up to date only when it gets its CPU; its time slice (sched_rr_get_interval) depends on CONFIG_HZ.
 */
#include <fcntl.h>
#include <linux/close_range.h>
#include <string.h>

#include "sysmon.h"

static const int64_t REPEAT = MSEC, SELDOM = 8 * MSEC, AGAIN = NSEC;

enum { NOTYET, COMING, UP, FAILED, NEVER, LEAVING };
static uint32_t is;       /* atomic: that. LEAVING: sysmon says so, and the lookout, with its last step, NOTYET again */
static int32_t looktid;   /* atomic; its thread or the last one's, 0: none */
static int64_t asksince;  /* sysmon's; when it was asked for */
static uint32_t asked;    /* atomic, a futex: questions */
static uint32_t answered; /* atomic: 1: one of the answers is LOOK_SLEEPS */

static uint64_t
question(int32_t tid, enum look l)
{
	return (uint64_t)tid << 32 | l;
}

/* ---- the lookout's ---- */

/* The letter for the state of one of our threads in /proc, or 0. */
static char
threadstate(int32_t tid)
{
	char b[128], *comm = NULL;
	long fd, n;

	fmtbuf(b, sizeof b, "/proc/self/task/%d/stat", tid);
	if((fd = rawsyscall(SYS_openat, AT_FDCWD, b, O_RDONLY | O_CLOEXEC)) < 0)
		return 0;
	n = rawsyscall(SYS_read, fd, b, sizeof b);
	rawsyscall(SYS_close, fd);
	/* "TID (NAME) STATE ...": a name of up to 15 bytes, any of which may be a parenthesis; none comes behind it */
	for(long i = 0; i + 2 < n; i++)
		if(b[i] == ')')
			comm = &b[i];
	return comm ? comm[2] : 0;
}

static void
answer(struct p *pp)
{
	uint64_t w = load_acquire(&pp->look);
	char c;

	if((w & LOOK_STATE) != LOOK_ASKED)
		return;
	c = threadstate((int32_t)(w >> 32));
	store_release(&pp->look, question((int32_t)(w >> 32), c == 0 ? LOOK_NONE : c == 'R' ? LOOK_RUNS : LOOK_SLEEPS));
	if(c != 0 && c != 'R'){
		xchg(&answered, 1);
		sysmonwake();
	}
}

/* Works only where /proc is of our PID namespace. */
void *
lookout(void *arg)
{
	int32_t self = (int32_t)rawsyscall(SYS_gettid);

	if(rawsyscall(SYS_close_range, 0, ~0U, CLOSE_RANGE_UNSHARE) != 0 || threadstate(self) != 'R'){
		store_release(&is, NEVER);
		return arg;
	}
	tls_helper = true;
	store_relaxed(&looktid, self);
	store_release(&is, UP);
	for(;;){
		uint32_t seen = load_acquire(&asked);

		if(load_acquire(&is) == LEAVING){
			store_release(&is, NOTYET);
			return arg;
		}
		for(int i = 0; i < gomaxprocs; i++)
			answer(allp[i]);
		futexsleep(&asked, seen, NOTIME);
	}
}

void
lookoutfailed(void)
{
	store_release(&is, FAILED);
}

int32_t
looklast(void)
{
	return load_relaxed(&looktid);
}

/* ---- sysmon's ---- */

bool
lookcomes(void)
{
	return load_acquire(&is) == COMING;
}

void
lookleave(void)
{
	if(!cas(&is, UP, LEAVING))
		return;
	add_fetch(&asked, 1);
	futexwakeup(&asked, 1);
}

bool
lookanswered(void)
{
	return load_acquire(&answered) != 0;
}

void
looksseen(void)
{
	if(unlikely(load_relaxed(&answered)))
		xchg(&answered, 0);
}

/*
 * Is there one to be asked? If not it is asked for, unless that is known to be in vain. Who makes it may wait for a lock of the
 * program's malloc, and its holder for a P: nobody waits for it for long.
 */
static bool
manned(int64_t now)
{
	switch(load_acquire(&is)){
	case UP:
		return true;
	case COMING:
		return now - asksince < SLICE;
	case FAILED:
		if(now - asksince < AGAIN)
			return false;
		/* fall through */
	case NOTYET:
		asksince = now;
		store_release(&is, COMING);
		if(newlookout())
			return true;
		store_release(&is, NEVER);
	}
	return false;
}

enum look
lookat(struct p *pp, struct m *mp, int64_t cpu, int64_t now)
{
	uint64_t w = load_acquire(&pp->look);
	enum look l = (enum look)(w & LOOK_STATE);

	if(l == LOOK_ASKED)
		return manned(now) ? l : LOOK_NONE;
	if(w != 0){
		store_relaxed(&pp->look, 0);
		if((int32_t)(w >> 32) == mp->tid && pp->lookcpu == cpu){
			pp->lookpause = pp->lookpause == 0 ? REPEAT : pp->lookpause < SELDOM ? 2 * pp->lookpause : SELDOM;
			pp->looknext = now + pp->lookpause;
			return l;
		}
	}
	if(now < pp->looknext)
		return LOOK_RUNS;
	if(!manned(now))
		return LOOK_NONE;
	pp->lookcpu = cpu;
	store_release(&pp->look, question(mp->tid, LOOK_ASKED));
	add_fetch(&asked, 1);
	futexwakeup(&asked, 1);
	return LOOK_ASKED;
}

void
lookforget(struct p *pp)
{
	pp->lookpause = pp->looknext = 0;
}

void
lookfork(void)
{
	is = NOTYET;
	looktid = 0;
}
