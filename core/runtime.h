/* SPDX-License-Identifier: MIT */
/*
 * The runtime's types and the interface between its files, and to shim/.
 *
 *   G  a thread of the program: own stack, own TCB and TLS (its FS base), own errno.
 *   M  a kernel thread, with a scheduling stack ("on g0") and a TCB of its own.
 *   P  the right to run user code, with a run queue and timers. An M needs a P to run Gs.
 *
 * User mode and runtime mode
 * --------------------------
 * A G is in *user mode* while gp->locks == 0 and in *runtime mode* while it is
 * not. In user mode its P may be taken from it at any instant, by sysmon, and
 * it may be preempted or run signal handlers; without its P it goes on as a plain
 * kernel thread. rtenter() makes sure that the G has a P and keeps it; from there
 * until rtexit() the G is not preempted and its P and M do not change, except
 * through park(), gosched() and the like. A blocking system call is simply a
 * stretch of user mode with gp->insyscall set: see syscall.c. The handshake between
 * rtenter() and sysmon is an asymmetric Dekker lock: see retake in sysmon.c.
 *
 * Every G that is not running is in runtime mode (locks == 1).
 */
#ifndef HEDDLE_RUNTIME_H
#define HEDDLE_RUNTIME_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "atomic.h"
#include "os.h"
#include "stress.h"

#define nelem(a)     (sizeof(a) / sizeof((a)[0]))
#define CACHELINE    64
#define cachealigned __attribute__((aligned(CACHELINE)))
#define noinline     __attribute__((noinline))
#define noreturn     __attribute__((noreturn))

#define NSEC   1000000000LL
#define MSEC   1000000LL
#define USEC   1000LL
#define NOTIME (-1LL) /* no deadline */

#define MAXPROCS 1024

struct g;
struct m;
struct p;

/* ---- lock_futex.c: locks of the runtime itself; never held across a switch ---- */

struct mutex {
	uint32_t key;      /* 0 free, 1 held */
	uint32_t sleepers; /* who sleep, or are about to; atomic */
};

/* note: a one-shot event. At most one notewakeup per noteclear. */
struct note {
	uint32_t key;
};

void lockslow(struct mutex *);
void unlockslow(struct mutex *);
/* heavybarrier is a full barrier on every running thread of the process: the dear half of the protocols in
 * which the other half is a compiler barrier. */
void heavybarrier(void);
/* lightbarrier is the other half: it keeps the compiler from moving anything, and costs a look at lightslow. */
extern uint8_t lightslow; /* not 0: membarrier(2) is refused, so that both halves have to fence, or there is stress */
void lightbarrierslow(enum stresspoint);
static inline void
lightbarrier(enum stresspoint at)
{
	compiler_barrier();
	if(unlikely(load_relaxed(&lightslow)))
		lightbarrierslow(at);
}

static inline void
lock(struct mutex *l)
{
	if(unlikely(!cas(&l->key, 0, 1)))
		lockslow(l);
}

extern bool nomembarrier; /* membarrier(2) is refused */

static inline void
unlock(struct mutex *l)
{
	store_release(&l->key, 0);
	lightbarrier(ST_unlock); /* pairs with heavybarrier in lockslow */
	if(unlikely(load_relaxed(&l->sleepers) != 0))
		unlockslow(l);
}

static inline bool
trylock(struct mutex *l)
{
	return cas(&l->key, 0, 1);
}

void noteclear(struct note *);
void notewakeup(struct note *);
/* notesleep returns true if woken; false once deadline (absolute ns, NOTIME for none) has passed,
 * or with intr when a signal handler has run. */
bool notesleep(struct note *, int64_t deadline, bool intr);

extern int (*rtclock)(clockid_t, struct timespec *); /* nanotime's: host's, once there is one */

/* ---- timer.c ---- */

struct timer {
	int64_t when; /* absolute CLOCK_MONOTONIC ns */
	uint64_t seq; /* of the wait that it ends; see parkprep */
	struct p *pp; /* whose heap; changes only under both heaps' locks */
	int32_t idx;  /* place in the heap, -1 when in none; pp->timerslock */
};

/* addtimer puts a G's timer, whose when and seq are set, on the heap of the current P. Runtime mode. */
void addtimer(struct timer *t);
/* deltimer takes it off its heap. It returns false if it had fired already: the wake-up may still be
 * on its way, and is told to be stale by seq. */
bool deltimer(struct timer *t);

/* ---- G ---- */

enum gstatus {
	Gidle,     /* never used */
	Grunnable, /* on a run queue */
	Grunning,  /* on an M, in user or runtime mode, also in a system call */
	Gwaiting,  /* parked; only who claims its wakeword may ready() it */
	Gdead,     /* on a free list */
};

enum waitreason {
	Wnone,
	Wsleep,
	Wmutex, Wcond, Wrwlock, Wsem, Wbarrier, Wonce, Wspin, Wjoin, Wfutex,
	Wread, Wwrite, Waccept, Wconnect, Wpoll, Wepoll, /* waitobj: descriptor number */
	Wsignal, /* sigwait, pause, sigsuspend */
	Wblockq, /* for a kernel thread to block in */
	Wmax,
};
extern const char *const waitreasons[Wmax];

/* What woke a parked G: park()'s result. */
enum wakewhy {
	WAKE_READY = 0,   /* what it waited for */
	WAKE_TIMEOUT = 1, /* its deadline */
	WAKE_SIGNAL = 2,  /* a signal handler has to run, or the G is cancelled */
	WAKE_CLOSE = 3,   /* the descriptor was closed */
};

/*
 * wakeword: who may make a parked G run again. Written by the G (to Wprep), by
 * its M on g0 (Wprep -> Wparked) and by one waker (Wprep or Wparked -> Wclaimed).
 *
 *            parkprep           park0 on g0
 *   Wrun -----------> Wprep ------------------> Wparked
 *    ^                  | claim                   | claim, then ready()
 *    '-- park() returns-'-------- Wclaimed <------'
 *
 * The sequence number in the upper bits makes stale wakers (a timer that fired
 * late, an entry left on a queue) lose. Several wakers race by compare-and-swap and
 * one wins: so a wait on many descriptors, with a time-out and a signal, needs
 * no common lock. A claim between Wprep and the switch is not lost, since park0
 * then finds Wclaimed and runs the G on.
 */
enum { Wrun = 0, Wprep = 1, Wparked = 2, Wclaimed = 3, WSTATE = 3, WWHYSHIFT = 2, WWHY = 3 << 2, WSEQSHIFT = 4 };

enum { /* bits of g.attn, looked at by rtexit(); set by attnset() by who then looks at wakeword */
	ATTN_PREEMPT = 1, /* yield */
	ATTN_SIGNAL = 2,  /* a signal is to be delivered to this G */
	ATTN_CANCEL = 4,
	ATTN_LOCK = 8,    /* its name says that it is to lock itself to its M */
	ATTN_SLOW = 16,   /* always set: a foreign thread, or there is stress */
	ATTN_IDLE = ATTN_PREEMPT | ATTN_SLOW, /* those that end no wait */
};

enum { RETAKE_NO = 0, RETAKE_ASKED = 1, RETAKE_TAKEN = 2, RETAKE_SLEEP = 3 };

struct stack {
	uintptr_t lo; /* lowest usable address, above the guard */
	uintptr_t hi; /* end of the mapping, above the TCB */
};

struct g {
	/* The first cache line is what a switch touches. asm/ knows the offsets of the first three (offsets.h). */
	uintptr_t sp;        /* saved stack pointer; valid while not running */
	uintptr_t fsbase;    /* TCB */
	struct m *m;         /* where it runs; NULL when it does not */
	uint32_t locks;      /* runtime-mode depth; only the G itself writes */
	uint32_t attn;       /* ATTN_*; atomic */
	uint32_t retake;     /* RETAKE_*; atomic, sysmon.c */
	uint8_t status;      /* enum gstatus; written by whoever owns the G at that moment */
	uint8_t waitreason;
	uint8_t insyscall;   /* in a blocking call, 2: entersyscallblock; only the G writes */
	uint8_t flags;       /* GF_*; fixed at creation */
	uint64_t wakeword;   /* atomic; see above */
	struct g *schedlink; /* next on a run queue, free list or glist; owned by the list */
	uint64_t sigmask;    /* the program's mask for this G; the G itself writes */

	/* The second is touched by a park. */
	union {
		const void *waitobj; /* what it waits for, for dumps */
		struct g *ahead;     /* on a gqueue: a later one, or NULL; owned by the queue */
		void *libctls;       /* tls.c: libc's own TLS block of a dead G without a stack */
	};
	struct m *lockedm;    /* locked to this M, or NULL; only the G writes */
	uint32_t syscalltick; /* entersyscall calls; only the G writes */
	uint16_t nlocked;     /* depth of lockosthread; only the G */
	uint8_t nointr;       /* this wait is not ended by signals; the G writes before it parks */
	uint8_t tidgen;       /* tls.c */
	uint64_t goid;
	struct timer timer;   /* park's deadline */

	uint32_t tid;         /* stable fake thread id, the same as in its TCB */
	uint32_t exitstate;   /* join protocol, shim/thread.c; atomic */
	struct stack stack;

	/* shim/thread.c */
	union {
		void *(*fn)(void *); /* until it has returned */
		void *result;
	};
	void *arg; /* with GF_KSTART a struct kstart, which has the argument */
	struct g *joiner;
	uint64_t joinseq;
	char name[16]; /* plain: whoever sets a name while another reads it gets what it gets */

	/* signal.c */
	struct sigdata *sigdata; /* what few Gs have (sig.h): made at need, kept by dead Gs */
	uint16_t nsig;           /* counts the program's handlers that ran; only the G */
	uint8_t nsigintr;        /* of these, those without SA_RESTART; only the G */
	uint8_t sigclass;        /* sigmask.c */

	/* stack.c and tls.c; who makes or frees the G */
	uint32_t tidindex;     /* its part of the fake tid, given for good */
	size_t stacksize;      /* of the mapping, for the caches; 0: user-supplied or main's */
	struct region *region; /* where its stack is from; NULL: none, user-supplied or main's */
	uint32_t linkgen;      /* on libc's list of threads if it is the current one */
	uint32_t tlsgen;       /* ld.so's generation when its TLS was made */
	struct g *alllink;     /* allgs, append only */
};
_Static_assert(sizeof(struct g) <= 5 * CACHELINE, "a parked G costs two pages and this");

enum {
	GF_MAIN = 1,      /* the process's main thread */
	GF_FOREIGN = 2,   /* a kernel thread that heddle did not make: parks on a futex */
	GF_USERSTACK = 4, /* stack given by the program */
	GF_C11 = 8,       /* made by thrd_create: the result is an int */
	GF_KERNEL = 16,   /* locked for good, and has changed its kernel thread; the G itself sets it */
	GF_NAMED = 64,    /* locked for good by its name; the G itself sets it */
	GF_LEFT = 128,    /* ended by exit(2): never used again; the G itself sets it */
	GF_KSTART = 32,   /* starts on a kernel thread with attributes, shim/kthread.c */
};

struct glist {
	struct g *head, *tail;
	uint32_t n;
};

static inline void
glistpush(struct glist *l, struct g *gp)
{
	gp->schedlink = NULL;
	if(l->tail)
		l->tail->schedlink = gp;
	else
		l->head = gp;
	l->tail = gp;
	store_relaxed(&l->n, l->n + 1);
}

static inline struct g *
glistpop(struct glist *l)
{
	struct g *gp = l->head;

	if(gp){
		l->head = gp->schedlink;
		if(l->head == NULL)
			l->tail = NULL;
		store_relaxed(&l->n, l->n - 1);
	}
	return gp;
}

/*
 * A list that may be long, whose Gs have left the cache by the time they are taken off. To follow the links would be
 * one cache miss after another. So each G on it also points to the one that was put on GQAHEAD later, and to take one off
 * prefetches that.
 */
enum { GQAHEAD = 4 };
struct gqueue {
	struct glist l;
	struct g *last[GQAHEAD]; /* those put on last, round and round */
	uint32_t at;             /* the oldest of them */
};

static inline void
gqput(struct gqueue *q, struct g *gp)
{
	/* with so many on the queue, the last ones are among them */
	if(q->l.n >= GQAHEAD)
		q->last[q->at]->ahead = gp;
	q->last[q->at] = gp;
	q->at = (q->at + 1) % GQAHEAD;
	gp->ahead = NULL;
	glistpush(&q->l, gp);
}

static inline struct g *
gqget(struct gqueue *q)
{
	struct g *gp = glistpop(&q->l);

	if(gp != NULL && gp->ahead != NULL)
		for(int i = 0; i < 4; i++)
			__builtin_prefetch((char *)gp->ahead + i * CACHELINE, 1);
	return gp;
}

/* ---- M ---- */

struct m {
	/* asm/ knows the offsets of these two */
	uintptr_t g0sp;   /* where the scheduling stack starts */
	uintptr_t fsbase; /* the M's own TCB */

	struct g *curg;    /* atomic for sysmon; NULL on g0 */
	struct p *p;       /* written by the M, or by sysmon once it has won the handshake */
	struct p *nextp;   /* handed over before notewakeup(&park) */
	struct g *lockedg; /* G locked to this M, or NULL */
	bool dirty;        /* the program has changed its kernel thread: it is that G's alone and ends with it */
	bool spinning;
	bool insetxid;     /* in libc's setuid or its handler of signal 33, with another descriptor in force; only the M */
	struct note park;
	struct m *schedlink; /* idle list; sched.lock */
	struct m *alllink;   /* allm, append only */
	uint32_t id;
	int32_t tid;         /* the kernel's */
	uint64_t fastrand;
	uint64_t stress;     /* stress.c: its place in the sequence of decisions */
	uint8_t stressedat;  /* enum stresspoint of its last delay */
	uint64_t sigmask;    /* what the kernel has for this thread; the M writes, see sigmask.c */
	uint32_t signalpending; /* atomic: KICK_*; preempt.c */
	int32_t sigreraise;  /* signal that its G is sending to it in sigdeliver, 0 none; only that G */
	uintptr_t gsignal;   /* signal stack's lowest address */
	size_t gsignalsize;
	int64_t cpulast;     /* sysmon's: the thread's CPU clock when last looked at */
	struct g *cpug;      /* this and the next three: cputime.c */
	int64_t cpustamp;
	uint64_t cpugoid;
	uint32_t cpuseq;
	void *exitctx[5];    /* mstart's frame, for __builtin_longjmp */
};

/* ---- P ---- */

enum { KICK_NONE = 0, KICK_ASKED = 1, KICK_SENT = 2 }; /* is a kick on its way to the M? */

enum pstatus { Pidle, Prunning, Pdead };

#define RUNQSIZE 256

struct p {
	int32_t id;
	uint32_t status;    /* sched.lock, or the owner */
	struct m *m;        /* back link; NULL if idle */
	struct p *link;     /* idle list; sched.lock */
	uint32_t schedtick; /* each execute that did not inherit its slice; owner writes, sysmon reads */

	uint32_t runqhead cachealigned; /* atomic: owner and thieves */
	uint32_t runqtail;              /* atomic: owner writes */
	struct g *runnext;              /* atomic: the owner sets non-NULL, thieves may take */
	uint32_t runqcap;               /* RUNQSIZE, or less under stress; fixed */
	struct g *runq[RUNQSIZE];       /* relaxed atomic slots */

	struct mutex timerslock cachealigned;
	uint32_t ntimers;      /* timerslock; atomic reads */
	uint32_t captimers;
	struct timer **timers; /* 4-ary heap; timerslock */
	int64_t timer0when;    /* atomic copy of the first one's when; 0 none */

	struct glist gfree;    /* dead Gs that keep their stacks; owner */
	uint64_t goidcache, goidcacheend; /* owner */
	uint32_t runnextrun;   /* runnext Gs run in a row; owner */
	uint32_t yields;       /* calls of gosched; owner */
	uint32_t fairtick;     /* schedtick of the last look at the global queue first; owner */
	uint32_t looptick;     /* schedtick when an event loop was first seen to keep others waiting, shim/epoll.c; owner */
	int64_t loopsince;     /* and the time */
	uint64_t npollpark;    /* waits on descriptors begun here, netpoll.c; owner writes, atomic reads */
	uint64_t nexec, nsteal; /* statistics; owner writes */

	/* sysmon's */
	uint32_t sysschedtick, syssystick, systries, syslooks;
	struct g *sysg;
	int64_t sysschedwhen, syssyswhen, syscpu;
};

/* ---- the scheduler's state ---- */

struct sched {
	struct mutex lock cachealigned; /* sched.lock */
	struct m *midle;                /* LIFO; lock */
	int32_t nmidle;                 /* lock */
	int32_t mcount;                 /* Ms alive; lock */
	int32_t maxmcount;
	struct p *pidle;                /* lock */
	int32_t npidle;                 /* written under lock; atomic */
	struct gqueue runq;             /* lock; l.n is read atomically */
	int32_t nmspinning cachealigned; /* atomic */
	uint32_t needspinning;          /* atomic */
	int64_t lastpoll cachealigned;  /* atomic; 0: an M is blocked in netpoll */
	uint32_t polled;                /* atomic; 1: a running P has polled since sysmon looked */
	int64_t polluntil;              /* atomic; that one's deadline, 0 none */
	uint32_t sysmonwait;            /* atomic: SYSMON_* */
	struct note sysmonnote;
	struct mutex gflock;
	struct gqueue gfree;            /* gflock */
	uint32_t gfshare;               /* atomic, set for good: memory for stacks has run out once, Ps keep no dead Gs */
	struct glist gfnostack;         /* those without a stack; gflock */
	uint64_t goidgen;               /* atomic */
	int32_t ngs, ngs1;              /* Gs that have not ended, in two parts: atomic, and counted by the only P */
	struct mutex blocklock;
	int32_t nblocked;               /* Ms in entersyscallblock; blocklock */
	int32_t maxblocked;             /* blocklock */
	int32_t nblockq;                /* Gs that queue for that; blocklock */
	int32_t nforeign;               /* pseudo-Gs of foreign threads; atomic */
	uint32_t sigwake;               /* atomic: SIGWAKE_*, what handlers have queued for findrunnable */
};

enum { SYSMON_AWAKE = 0, SYSMON_NAPS = 1, SYSMON_RESTS = 2, SYSMON_DEEP = 3 }; /* NAPS: not to be woken by entersyscall */
enum { SIGWAKE_SIGNAL = 1, SIGWAKE_DUMP = 2, SIGWAKE_LOCKED = 4 };

extern struct sched sched;

static inline int32_t
ngs(void)
{
	return load_relaxed(&sched.ngs) + load_relaxed(&sched.ngs1);
}

extern struct p *allp[MAXPROCS];
extern int32_t gomaxprocs;
extern struct g *allgs;   /* newest first, append only: load_acquire */
extern struct m *allm;
extern struct g *maing;
extern bool rtready;      /* the runtime runs: set once, by rtinit */

/* ---- current G and M ---- */

/*
 * tls_g is the current G in a G's TLS, and NULL in the TLS of an M (on g0) and of
 * foreign threads: a wrapper called there goes straight to libc. tls_m is set in
 * Ms' TLS only. A G's own tls_g never changes, so the compiler may cache its
 * address across a switch.
 */
extern __thread struct g *tls_g __attribute__((tls_model("initial-exec")));
/* tls_owner is the G whose TLS it is, also while a child of vfork runs there with tls_g NULL. */
extern __thread struct g *tls_owner __attribute__((tls_model("initial-exec")));
extern __thread struct m *tls_m __attribute__((tls_model("initial-exec")));

/* tls_foreign is a foreign thread's pseudo-G, once it has one. */
extern __thread struct g *tls_foreign __attribute__((tls_model("initial-exec")));

static inline struct g *
getg(void)
{
	return tls_g;
}

/* getm: the current M, in runtime mode or on g0; NULL on foreign threads. */
static inline struct m *
getm(void)
{
	struct g *gp = tls_g;

	return gp ? gp->m : tls_m;
}

void rtenterslow(struct g *);
void rtexitslow(struct g *);

/* rtenter: from user mode to runtime mode (they nest). gp is getg(), not NULL. */
static inline void
rtenter(struct g *gp)
{
	gp->locks++;
	lightbarrier(ST_rtenter); /* pairs with heavybarrier in sysmon.c take */
	if(unlikely(load_relaxed(&gp->retake) != RETAKE_NO))
		rtenterslow(gp);
}

/* rtexit: back. Pending preemption and signals are served here. Keeps errno. */
static inline void
rtexit(struct g *gp)
{
	compiler_barrier();
	gp->locks--;
	compiler_barrier(); /* a handler that saw locks > 0 has set attn before this load */
	if(unlikely(load_relaxed(&gp->attn) != 0) && gp->locks == 0)
		rtexitslow(gp);
}

/* leaveruntime: rtexit without looking at attn, for a short stretch of user mode that rtenter ends. */
static inline void
leaveruntime(struct g *gp)
{
	compiler_barrier();
	gp->locks--;
	compiler_barrier();
}

/* ---- proc.c; all in runtime mode unless it says otherwise ---- */

/*
 * Parking:
 *	uint64_t seq = parkprep(gp);
 *	... publish (gp, seq) where wakers find it: queue entries, under their locks ...
 *	why = park(gp, Wread, (void *)(long)fd, deadline);
 *	... take back the entries that are still published ...
 * A waker calls wake(gp, seq, why); or claim() under its lock and ready() after it.
 * An entry may be on gp's stack: who finds it on a queue and claims it must not
 * touch it once it has released that queue's lock.
 */
uint64_t parkprep(struct g *gp);
/* park returns what woke it. deadline: absolute CLOCK_MONOTONIC ns, NOTIME for none; one in the past times out
 * at once. With a signal to be delivered it returns WAKE_SIGNAL, always (callers that must not be
 * interrupted, like a mutex, park again; the handler runs at rtexit or by sigdeliver). */
enum wakewhy park(struct g *gp, enum waitreason, const void *obj, int64_t deadline);
enum wakewhy parknointr(struct g *gp, enum waitreason, const void *obj, int64_t deadline); /* never WAKE_SIGNAL */
/* parkabort ends a parkprep without park(). It returns true if nobody had claimed the wait;
 * else *why says what did: that wake-up has been consumed by this call. */
bool parkabort(struct g *gp, enum wakewhy *why);
/* claim returns 0 if that wait is over, 1 if the G has not switched yet (nothing else to do), 2 if the
 * caller now owns the parked G and must ready() it or glistpush() and injectglist() it. Any thread. */
int claim(struct g *gp, uint64_t seq, enum wakewhy why);
int claimalone(struct g *gp, uint64_t seq); /* see park.c; sema.c's */
/* attnset sets bits of gp->attn. After it a look at gp->wakeword sees a parked G, or the G, about to park, the bits. Any
 * thread, but not a signal handler. */
void attnset(struct g *gp, uint32_t bits);
/* ready makes a G whose claim returned 2 runnable. Any thread: a G in runtime mode, an M on g0, sysmon, foreign. */
void ready(struct g *gp);
static inline bool
wake(struct g *gp, uint64_t seq, enum wakewhy why)
{
	int r = claim(gp, seq, why);

	if(r == 2)
		ready(gp);
	return r != 0;
}
/* injectglist is ready() for a list of claimed Gs, in order. Any thread. */
void injectglist(struct glist *);

void gosched(void);                         /* yield */
void gopreempt(void);                       /* yield to everybody */
void sleepuntil(struct g *gp, int64_t when); /* park on a timer, not interruptible */
/* newproc makes a new G (locks == 1, laid out by ginitstack) runnable. Any thread in runtime mode or foreign. */
void newproc(struct g *gp);
void gstress(struct g *gp); /* marks a new G, whose attn is set, under stress */
/* glive adds d to the count of Gs and returns it. newproc counts a G in; who calls goexit counts it out before. */
int32_t glive(int32_t d);
/* goexit leaves gp for good; fn(gp) runs on g0, when gp's stack is no longer in use, then schedule(). */
noreturn void goexit(struct g *gp, void (*fn)(struct g *));
struct g *schedule(struct m *);
struct g *execute(struct m *, struct g *gp, bool inherit);
void wakep(void);
void lockosthread(struct g *); /* LockOSThread: this G on this M, this M for this G only; counts */
void unlockosthread(struct g *);
void lockbyname(struct g *); /* on ATTN_LOCK: locks the current G, once and for good */

/* gfget returns a dead G: best one with a stack whose mapping is stacksize bytes, else one without (stacksize == 0),
 * else one with a stack of another size; NULL without memory. gfput gives it back. Any thread. */
struct g *gfget(size_t stacksize);
void gfput(struct g *gp);
uint64_t newgoid(void);

/* Foreign threads: a pseudo-G that parks on a futex (Go's needm), made on first use. Its locks and
 * rtenter()/rtexit() are harmless. NULL only without memory. */
struct g *getgforeign(void);

/* ---- stack.c; user mode or no G at all ---- */

/* stackmapsize is the stacksize of a G with that much usable stack and guard, in bytes; 0 if that is absurd. */
size_t stackmapsize(size_t size, size_t guardsize);
/* stackalloc gives a G without one a stack; 0 or EAGAIN. size includes the TCB and static TLS. */
int stackalloc(struct g *gp, size_t size, size_t guardsize);
void stackguard(struct g *gp, size_t guardsize); /* changes a dead G's guard */
void stackfree(struct g *gp);                    /* of a dead G after tlsfree */
/* stackexec is asked when gp, in user mode, has tried to execute code on its stack: true if a library that needs this has been
 * loaded since the stack was made. Then it can be. */
bool stackexec(struct g *gp, uintptr_t pc);
void stacktrim(struct g *gp);                    /* at the end of gp, on it */
void stackscavenge(int64_t now);                 /* sysmon, about once a second */
void stackfork(void);
bool stackspare(void);                           /* would stackscavenge find something, now or soon? */

/* ---- tls.c (layout of the TCB: tls.h); user mode or no G at all ---- */
struct tlsops;
/* tlsinit finds out how libc's threads look, on the main thread. ENOSYS after a line on the log if it cannot; EAGAIN if
 * it may be tried again. */
int tlsinit(const struct tlsops *);
int tlsnew(struct g *gp);    /* a TCB and TLS at the top of gp->stack; sets fsbase and tid; 0 or EAGAIN */
/* tlsprefetch asks the cache for the lines that a thread's start and end write. */
void tlsprefetch(struct g *gp);
bool tlsunstarted(struct g *gp); /* gp, which does not run, has yet to run its first function */
void tlsreset(struct g *gp); /* makes a dead G's as new, with another tid */
void tlsexit(struct g *gp);  /* the last thing gp does in user mode */
void tlsfree(struct g *gp);  /* of a dead G, before its stack goes */
uintptr_t tlsstacktop(struct g *gp);   /* where its first frame goes, 64-aligned */
struct g *gfrompthread(uintptr_t th);  /* NULL: a thread of libc's */
struct g *gfromtid(uint32_t tid);      /* NULL: no living G has it. Looks at all. */
/* tlsclone makes a TCB for a thread of clone(2): of thread-local variables it has the caller's values. *tid is the word that the
 * kernel is to clear at its end; tlsclonefailed says that there is no such thread. 0 without memory. User mode. */
uintptr_t tlsclone(uint32_t **tid);
void tlsclonefailed(uint32_t *tid);
uintptr_t tlsm0(void);                 /* hostops.m0tcb; takes main's TCB from its kernel thread */
void tlsfork(void); /* this and the other ...fork(): fork.c */

/* ---- runq.c, p.c, m.c ---- */
void runqput(struct p *, struct g *, bool next);
struct g *runqget(struct p *, bool *inherit);
struct g *runqsteal(struct p *, struct p *victim, bool stealnext);
bool runqempty(struct p *);
uint32_t runqlen(struct p *);
void runqputbatch(struct p *, struct glist *);
void globrunqput(struct g *);               /* sched.lock */
struct g *globrunqget(struct p *, int max); /* sched.lock */

void acquirep(struct m *, struct p *);
struct p *releasep(struct m *);
void pidleput(struct p *); /* sched.lock */
struct p *pidleget(void);  /* sched.lock */
void procinit(int n);
void startm(struct p *, bool spinning);
void mdrop(struct m *); /* sched.lock */
void newm(struct m *);  /* has its kernel thread made; it runs mstart without a P */
void newmstart(void);
void newmfork(void);
void stopm(struct m *);
bool strandedwork(void); /* is there something to do for an idle P, and nobody who sees to it? sched.lock */
void handoffp(struct p *);
struct m *mnew(void); /* sched.lock */
noreturn void mretire(struct m *); /* on g0 with a P: a dirty M ends */
void mstart(struct m *);
void mfork(void);
void procfork(void);

/* ---- syscall.c ---- */

/*
 * A call that may block:
 *	rtenter(gp); entersyscall(gp); r = libc.call(...); exitsyscall(gp); rtexit(gp);
 * Both keep errno. In between the G is in user mode and its P may be taken, after 20 us or more.
 */
void entersyscall(struct g *gp);
void exitsyscall(struct g *gp);
/* For calls known to block: the P is handed off at once. Queues (blockq) when kernel threads run out. */
void entersyscallblock(struct g *gp);
void exitsyscallblock(struct g *gp);
void abandonsyscall(struct g *gp);
void syscallfork(void);
bool handoffquiet(struct g *gp); /* entersyscallblock would leave the P idle, without waking anybody */

/* ---- sysmon.c, preempt.c ---- */
void sysmonstart(void);
void sysmonwake(void);
int64_t checktimers(struct p *, int64_t now, bool *ran); /* runs what is due; returns the next when, 0 for none */
void wakenetpoller(int64_t when);
int64_t timesleepuntil(void);
void stacktrim(struct g *gp);                    /* at the end of gp, on it */
int cgroupquota(void);           /* CPUs the cgroup's quota allows, rounded up; 0 for no limit */
void schedtrace(void);           /* one SCHED line to the log, with scheddetail all Ps, Ms and Gs */
void preemptinit(void);
void preemptm(struct m *); /* kicks it: its G looks at attn */
void preemptask(struct m *, struct g *); /* the same for preemption: not while gp is in a system call. sysmon */
void kickwait(struct m *);
void kickhold(struct m *);    /* no kicks to the caller, until */
void kickrelease(struct m *);
uintptr_t kerneltcb(struct m *); /* libc's descriptor of mp's kernel thread */
void cancelg(struct g *);  /* tells a G that it is cancelled, wherever it is; any thread, its TCB says so already */
bool asynccancels(struct g *); /* is the caller to be cancelled here and now, wherever that is? */
void cancelhandler(void);  /* after libc may have set its handler of signal 32 */

void sigmaskidle(struct m *);    /* sigmask.c; on g0, before blocking */

/* ---- cputime.c ---- */
extern uint32_t cputimeon; /* atomic: CPU time is counted */
void cputimestart(void);   /* in rtinit */
void cpuswitch(struct m *, struct g *); /* the M, on g0, is going to run the G, or none. If cputimeon */
int64_t cputime(struct g *); /* ns of CPU time that it has used; counts from the first call on. Runtime mode */

/* midles: the M is going to sleep, on g0. */
static inline void
midles(struct m *mp)
{
	sigmaskidle(mp);
	if(unlikely(load_relaxed(&cputimeon)))
		cpuswitch(mp, NULL);
}

/* ---- netpoll.c ---- */
bool netpollinited(void);
bool netpollanywaiters(void);
/* netpoll(delay ns; <0 blocks, 0 polls) returns the Gs that became ready, claimed with result 2.
 * On g0 or sysmon; needs no P. A signal ends a blocking one early. */
struct glist netpoll(int64_t delay);
void netpollbreak(void); /* makes a blocked netpoll return. Async-signal-safe. */

/* ---- signal.c, sigqueue.c, sigmask.c, fork.c ---- */
struct sigaction;
void siginit(void);
void minitsignals(struct m *);   /* signal stack; on the new M, whose signals are all blocked */
void munitsignals(struct m *);   /* the reverse; all signals stay blocked */
bool sigdispatch(struct m *);    /* finds a G for each signal that waits for one; true if there was any. On g0, sysmon or in runtime mode */
/* sigdeliver runs the handlers of gp's pending deliverable signals, in user mode, on gp's stack; locks == 1. It
 * returns whether all those that ran had SA_RESTART (gp->nsig tells whether any did). */
bool sigdeliver(struct g *);
bool sighandlers(void);          /* does the program have a handler, so that a signal could wake a G? */
void sigmaskfor(struct m *, struct g *); /* on g0, before gogo: brings the kernel's mask in line */
void sigsysmonstart(void);       /* on sysmon: it takes the signals that no running G can */
void sigmasksysmon(void);        /* on sysmon, each round and before it sleeps long */
void sigginit(struct g *gp, uint64_t mask); /* gives a new G its mask, before newproc */
void siggexit(struct g *);       /* gp's last moments, in user mode: it takes no more signals */
/* setsigmask sets the caller's mask; runtime mode. It returns the old one. What it lets through is delivered at rtexit(). */
uint64_t setsigmask(struct g *, uint64_t mask);
/* sigsend queues a signal for one G, or for the process (NULL), as if by pthread_kill or kill: si_signo, si_code and the rest are
 * set. Runtime mode or a thread without a G. It returns false if it is the kernel's to do: no handler to run, nobody to run it. */
bool sigsend(struct g *to, const siginfo_t *);
/* The program's view of a signal's action; flags and mask as the kernel has them. 0 or a positive errno. */
int sigact(int sig, const struct sigaction *act, struct sigaction *old);
int sigalt(struct g *, const stack_t *ss, stack_t *old);
/* sigwaitfor waits for a signal of `set`, until a time, NOTIME for ever, 0 not at all; runtime mode. It returns the signal's number;
 * -EAGAIN: time-out, -EINTR: a handler has run or the G is cancelled. */
int sigwaitfor(struct g *, uint64_t set, siginfo_t *, int64_t until);
uint64_t sigqueued(struct g *);  /* signals that wait in heddle's queues for gp or for the process */
void sigunwound(struct g *, uintptr_t sp); /* the program jumps to a frame at sp, and may leave handlers; user mode */
/* sigkeep: a call that the current G has just made on this thread may have raised sig. User or runtime mode. */
void sigkeep(struct g *, int sig);
bool sigonalt(struct g *);       /* is the caller on its alternate stack? */
void forkinit(void); /* on the process's main thread, in rtinit */
/* rtfork: in the child of a fork, on its only thread, all signals blocked: back to the state before rtinit. */
void rtfork(void);

/* ---- options.c, log.c, trace.c, dump.c ---- */
enum { DEADLOCK_OFF, DEADLOCK_REPORT, DEADLOCK_ABORT };

struct stressoption {
	uint32_t kinds, seed; /* STRESS_*; 0: a seed by chance */
};

struct options {
	int schedtrace;  /* ms between lines; 0 off */
	int scheddetail;
	int deadlock;    /* DEADLOCK_* */
	int preempt, guard, patch, off;
	int dumpsig;     /* signal number, 0 none */
	struct stressoption stress;
	const char *lock; /* name of threads to lock to an M, "" none */
	const char *log; /* file, "" for standard error */
	int maxprocs;    /* HEDDLE_MAXPROCS, 0 unset */
};
extern struct options options;
/* optionsinit reads HEDDLE and HEDDLE_MAXPROCS from the environment; what is wrong is named on the log and ignored. */
void optionsinit(char **envp);
noreturn void throw(const char *msg);
/* rtlog writes one line "heddle: ..." to the log, in one write. Formats: %s %c %d %u %ld %lu %lld %llu %x %lx %llx %p, with a
 * width. Async-signal-safe. */
void rtlog(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* rtprint is rtlog without the prefix, to a descriptor. */
void rtprint(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* fmtbuf is snprintf for these formats. */
int fmtbuf(char *buf, size_t n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int logfd(void); /* descriptor of the log */
/* dumpgs prints every G: state, wait reason and object, stack. On g0 or anywhere in runtime mode. */
void dumpgs(int fd, const char *why);
void checkdead(void); /* sched.lock: reports a deadlock, once, when no G can ever run again */

/* ---- text.c ---- */
struct textrange {
	uintptr_t lo, hi;
};
extern struct textrange textranges[256]; /* executable segments of all objects */
extern size_t ntextranges;
extern bool textonstack; /* some object needs executable stacks (GCC's nested functions) */
bool textonstackask(void);
void textrangesinit(void);
bool textpreemptible(uintptr_t pc);
bool textours(uintptr_t pc); /* heddle's own */

/* ---- what core needs from libc, given by shim at rtinit ---- */
struct hostops {
	/* a detached kernel thread with all signals blocked; 0 or a positive errno. Never called on a G's TCB. */
	int (*newthread)(void *(*fn)(void *), void *arg, size_t stacksize);
	/* a TCB and TLS for M0, whose native one stays with the main G; returns its FS base or 0 */
	uintptr_t (*m0tcb)(void);
	/* libc's own, which makes no system call as a rule; NULL: the system call is made */
	int (*clockgettime)(clockid_t, struct timespec *);
	/* a cancellation point on a G, in user mode: unwinds for good if the G is cancelled */
	void (*testcancel)(void);
};
extern const struct hostops *host;

/* persistentalloc: zeroed memory for good, or NULL; for runtime structures (type-stable). size <= 64 KiB. */
void *persistentalloc(size_t size, size_t align);

/* rtinit: bootstrap, on the process's main thread in its own TLS, once. 0 or a positive errno, after which heddle
 * stays out of the way. On return the caller is the main G, in user mode. */
int rtinit(const struct hostops *);

/* ---- asm/ ---- */
void mcall(struct g *(*fn)(struct g *)); /* saves this G, runs fn(gp) on g0, then the G that fn returns; returns when gp is run again */
noreturn void gogo(struct g *gp);   /* from g0 to gp */
void gstart(void);                  /* a new G's first frame */
void asyncpreempt(void);
noreturn void g0call(uintptr_t sp, uintptr_t fsbase, void (*fn)(void *), void *arg); /* onto a scheduling stack for good */
/* trycopy copies from or to the program's memory: 0, or -EFAULT if it is not there. Once the runtime runs. */
long trycopy(void *dst, const void *src, size_t n);
void trycopyfault(void);
extern bool havefsgsbase;
void setfsbase(uintptr_t);
uintptr_t getfsbase(void);
/* ginitstack lays out gp->sp so that the first gogo(gp) calls fn(gp), with the frame just below top (16-aligned). */
void ginitstack(struct g *gp, uintptr_t top, void (*fn)(struct g *));

#endif
