/* SPDX-License-Identifier: MIT */
/*
 * New kernel threads (Go: proc.go newm, templateThread).
 *
 * libc makes them, and to do so it calls malloc, which may be the program's: jemalloc's locks are pthread mutexes. The
 * G that holds such a lock may wait for a P. So who has a P, or who may hold the lock itself, must not call libc, and no
 * P may be promised to a thread that is still to be made. One thread does nothing but make others, and nobody waits for it:
 *
 *   startm, with no idle M               maker                        the new M
 *   P's Gs to the global queue,          takes newms,                 takes any idle P, or
 *   P idle, one sched.lock               calls libc                   goes to sleep as idle
 *   push on newms, count asked
 *
 * Until the new M is there the work waits where every M sees it that comes to look for some, and the P where every G sees it that
 * comes back from a call: the holder of the lock is one of these. The maker sleeps on `asked`, read before it takes
 * newms: a request that it did not see has changed it.
 *
 * Can the maker wait for a lock of malloc's for good? Its holder would have to be a G that waits for an M, while all Ms block
 * in calls that end by nothing but what that G does. libc's own locks are not held so: a G is not preempted within libc
 * (preempt.c), and if its P is taken in malloc it goes on without (lll.c). The lock of another malloc can be, as its holder may
 * be preempted, or park with it. But the last able M does not block (blockq.c): there is one
 * that runs what waits, the holder included. What is left are calls that nobody knew would block: these take Ms that are not counted.
 *
 * A kernel thread inherits affinity, priority, capabilities, seccomp filters and more from the one that makes it. The
 * maker is as the process was when it made its first thread, whatever Ms have become since (kthread.c).
 *
 * The maker ends when main is alone (alone.c): it changes newms from NULL to NOMAKER, so that who comes later makes the thread
 * himself. Whether it is to end, and has, is decided under makerlock; makerstay finds that it will stay, or that it has ended.
 *
 * When the kernel refuses another thread, the work waits on: it runs as soon as any M comes back from what it
 * does. entersyscallblock keeps a reserve so that this is not for ever (blockq.c).
 */
#include "runtime.h"
#include "sig.h"

enum { MAKERSTACK = 64 << 10 };
#define NOMAKER ((struct m *)-1UL) /* in newms: nobody looks there */

__thread bool tls_helper __attribute__((tls_model("initial-exec")));

static struct m *newms = NOMAKER; /* atomic; to be made, by schedlink */
static uint32_t asked;  /* atomic; requests, and changes of leaves */
static uint32_t watch;  /* atomic; 1: the lookout is to be made */
static int32_t makertid; /* atomic; 0 when it ends */
static int32_t lasttid;  /* atomic */
static struct mutex makerlock;
static bool leaves;      /* makerlock */

/* The thread's first function, on its native stack and TCB. */
static void *
mentry(void *arg)
{
	struct m *mp = arg;

	tls_helper = true;
	tls_m = mp;
	mp->fsbase = getfsbase();
	mp->tid = (int32_t)rawsyscall(SYS_gettid);
	mstart(mp);
	return NULL;
}

static void
failed(struct m *mp, int e)
{
	static uint32_t said;
	bool spinning = mp->spinning;

	if(xchg(&said, 1) == 0)
		rtlog("cannot make another kernel thread (error %d); %d run. Gs wait for one to come free. "
		      "Raise RLIMIT_NPROC (ulimit -u) or the cgroup's pids.max.", e, sched.mcount - 1);
	mp->spinning = false;
	ownfailed(mp);
	blockrefused(mp);
	lock(&sched.lock);
	sched.refusedat = nanotime();
	mcame(mp);
	mdrop(mp);
	unlock(&sched.lock);
	if(spinning)
		add_fetch(&sched.nmspinning, -1);
}

/* mp's thread; NULL: the lookout's. 0 or an errno. */
static int
makethread(struct m *mp)
{
	void *(*fn)(void *) = mp ? mentry : lookout, *stack = mstackget(mp);

	return host->newthread(fn, mp, stack, kstacksize(MSTACK));
}

static void
make(struct m *mp)
{
	int e = makethread(mp);

	if(e != 0)
		failed(mp, e);
}

/* make on a G's stack: the new thread inherits from libc's idea of the caller, which must be the M's TCB. */
static void
makehere(struct m *mp)
{
	struct g *gp = getg();
	bool swap = gp != NULL && !(gp->flags & GF_FOREIGN);

	if(swap)
		setfsbase(gp->m->fsbase);
	make(mp);
	if(swap)
		setfsbase(gp->fsbase);
}

int
newmhere(struct m *mp)
{
	struct g *gp = getg();
	uint64_t old, most = ~SIGNEVER;
	int e;

	gsignalalloc(mp);
	/* no handler of the program's may find the M's TCB in force; libc's own signals know it */
	rawsyscall(SYS_rt_sigprocmask, SIG_SETMASK, &most, &old, 8);
	setfsbase(gp->m->fsbase);
	e = host->newthread(mentry, mp, NULL, kstacksize(MSTACK));
	setfsbase(gp->fsbase);
	sigsetkernelmask(old);
	return e;
}

int32_t
plaintid(void)
{
	return load_relaxed(&makertid);
}

int32_t
makerlast(void)
{
	return load_relaxed(&lasttid);
}

/* Is the maker to end, with nothing left to do? */
static bool
makerends(void)
{
	bool ends;

	lock(&makerlock);
	if((ends = leaves && cas(&newms, NULL, NOMAKER)))
		store_relaxed(&makertid, 0);
	unlock(&makerlock);
	return ends;
}

static void *
maker(void *arg)
{
	tls_helper = true;
	store_relaxed(&lasttid, (int32_t)rawsyscall(SYS_gettid));
	store_relaxed(&makertid, lasttid);
	for(;;){
		uint32_t seen = load_acquire(&asked);
		struct m *mp = xchg(&newms, NULL), *next;

		for(; mp != NULL; mp = next){
			next = mp->schedlink;
			make(mp);
		}
		if(xchg(&watch, 0) != 0 && makethread(NULL) != 0)
			lookoutfailed();
		if(makerends())
			return NULL;
		futexsleep(&asked, seen, NOTIME);
	}
	return NULL;
}

static void
tellmaker(void)
{
	add_fetch(&asked, 1);
	futexwakeup(&asked, 1);
}

void
newm(struct m *mp)
{
	struct m *old;

	do{
		if((old = load_relaxed(&newms)) == NOMAKER){
			makehere(mp); /* main is alone, or there was no memory or thread for the maker */
			return;
		}
		mp->schedlink = old;
	}while(!cas(&newms, old, mp));
	tellmaker();
}

bool
newlookout(void)
{
	if(load_acquire(&newms) == NOMAKER)
		return false;
	store_release(&watch, 1);
	tellmaker();
	return true;
}

int
newhelper(void *(*fn)(void *), size_t stack)
{
	struct g *gp = getg();
	int e;

	if(gp == NULL)
		return host->newthread(fn, NULL, NULL, kstacksize(stack));
	setfsbase(gp->m->fsbase);
	e = host->newthread(fn, NULL, NULL, kstacksize(stack));
	setfsbase(gp->fsbase);
	return e;
}

/* newms is what it finds when it starts. */
void
newmstart(void)
{
	store_release(&newms, NULL);
	if(newhelper(maker, MAKERSTACK) != 0)
		store_release(&newms, NOMAKER);
}

void
makerleave(void)
{
	lock(&makerlock);
	leaves = true;
	unlock(&makerlock);
	tellmaker();
}

void
makerstay(void)
{
	bool ended;

	lock(&makerlock);
	leaves = false;
	ended = load_acquire(&newms) == NOMAKER;
	unlock(&makerlock);
	if(ended)
		newmstart();
}

void
newmfork(void)
{
	newms = NOMAKER;
	watch = 0;
	makertid = lasttid = 0;
	makerlock = (struct mutex){0};
	leaves = false;
}
