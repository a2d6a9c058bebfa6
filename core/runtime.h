/* SPDX-License-Identifier: MIT */
/*
 * The runtime's types. What its files offer each other and shim/ stands in a header for each; this one includes those that
 * most need.
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
#include "lock.h"
#include "os.h"
#include "timer.h"

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
	Wmutex, Wcond, Wrwlock, Wsem, Wbarrier, Wonce, Wspin, Wjoin, Wlibc, Wfutex,
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
	ATTN_OWN = 32,    /* an M is reserved for it (own.c), where it is to go */
	ATTN_NOTED = 64,  /* of a dead G: its descriptor is not to be used again (shim/pin.c) */
	ATTN_IDLE = ATTN_PREEMPT | ATTN_LOCK | ATTN_SLOW | ATTN_OWN | ATTN_NOTED, /* those that end no wait */
};

/* INBLOCK: entersyscallblock. INBLOCKOWN: that of a G that had an M of its own then. */
enum { INNONE = 0, INCALL = 1, INBLOCK = 2, INBLOCKOWN = 3 };

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
	uint8_t insyscall;   /* IN*: in a call that may block; only the G writes */
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
	struct m *lockedm;    /* locked to this M, or NULL; only the G writes, own.c */
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
	union {
		void *arg;           /* until it has started; with GF_KSTART a struct kstart, which has the argument */
		uintptr_t preempted; /* from then on; preempted.c: where asyncpreempt's frame begins, or 0; only the G */
		void *ending;        /* a void (*)(struct g *), what goexit is to do on g0 */
	};
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
	uint8_t notinherit;    /* its attributes said PTHREAD_EXPLICIT_SCHED: shim/attr.c; fixed at creation */
	uint8_t redo;          /* netpoll_keep.c: a call that has begun makes attempts in user mode; only the G writes */
};
_Static_assert(sizeof(struct g) <= 4 * CACHELINE, "a parked G costs two pages and this");

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

#include "glist.h"

/* ---- M ---- */

struct m {
	/* asm/ knows the offsets of these two */
	uintptr_t g0sp;   /* where the scheduling stack starts */
	uintptr_t fsbase; /* the M's own TCB */

	struct g *curg;    /* atomic for sysmon; NULL on g0 */
	struct p *p;       /* written by the M, or by sysmon once it has won the handshake */
	struct p *nextp;   /* handed over before notewakeup(&park) */
	struct g *lockedg; /* G locked to this M, or NULL */
	struct g *reservedfor; /* this and the next four: own.c */
	uint64_t reservedgoid;
	uint32_t wishes;
	uint8_t ownstate;
	bool wished;
	bool dirty;        /* the program has changed its kernel thread: it is that G's alone and ends with it */
	bool spinning;
	bool coming;       /* one of sched.mcoming; sched.lock */
	bool able;         /* runs any G and is counted so: blockq.c */
	bool dozes;        /* sleeps, on g0, and looks at its mask before it runs a G again; only the M */
	bool insetxid;     /* in libc's setuid or its handler of signal 33, with another descriptor in force; only the M */
	struct note park;
	struct m *schedlink; /* idle list; sched.lock */
	struct m *alllink;   /* allm, append only */
	uint32_t id;
	int32_t tid;         /* the kernel's */
	uint64_t fastrand;
	uint8_t stressedat;  /* enum stresspoint of its last delay */
	uint64_t sigmask;    /* what the kernel has for this thread; the M writes, see sigmask.c */
	uint32_t signalpending; /* atomic: KICK_*; preempt.c */
	uint32_t nhandled;   /* our signal handlers that have run on its thread; only these */
	int32_t sigreraise;  /* signal that its G is sending to it in sigdeliver, 0 none; only that G */
	siginfo_t reraised;  /* what was sent so last; only that G */
	uintptr_t gsignal;   /* signal stack's lowest address */
	size_t gsignalsize;
	int64_t cpulast;     /* sysmon's: the thread's CPU clock when last looked at */
	uint32_t cpulooks;   /* sysmon's: in so many looks in a row it had moved */
	struct g *cpug;      /* this and the next three: cputime.c */
	int64_t cpustamp;
	uint64_t cpugoid;
	uint32_t cpuseq;
	void *exitctx[5];    /* mstart's frame, for __builtin_longjmp */
};

/* ---- P ---- */

enum { KICK_NONE = 0, KICK_ASKED = 1, KICK_SENT = 2 }; /* is a kick on its way to the M? */

enum pstatus { Pidle, Prunning };

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
	uint32_t yieldtick;    /* schedtick when they last went beyond the P; owner */
	struct g *hog;         /* the last one that kept others waiting here, or NULL; atomic: sysmon sets it, owner clears it */
	uint32_t hoglooks;     /* looks at the network on its account; owner */
	uint32_t fairtick;     /* schedtick of the last look at the global queue first; owner */
	uint32_t looptick;     /* schedtick when an event loop was first seen to keep others waiting, shim/epoll.c; owner writes */
	int64_t loopsince;     /* and the time */
	uint64_t npollpark;    /* waits on descriptors begun here, netpoll.c; owner writes, atomic reads */
	uint64_t nexec, nsteal; /* statistics; owner writes */
	bool stresspassed;      /* it comes from an M that has taken this turn's decisions; owner */

	/* sysmon's */
	uint32_t sysschedtick, syssystick, syswaittick, systries, syslooks;
	struct g *sysg;
	int64_t sysschedwhen, syssyswhen, syscpu;
	int64_t lookcpu, lookpause, looknext; /* lookout.c */
	uint64_t look;                        /* atomic; lookout.c */
};

/* ---- the scheduler's state ---- */

struct sched {
	struct mutex lock cachealigned; /* sched.lock */
	struct m *midle;                /* LIFO; lock */
	int32_t nmidle;                 /* lock */
	int32_t mcount;                 /* Ms alive; lock */
	int32_t maxmcount;
	int32_t mcoming;                /* Ms on their way that startm has asked for; lock */
	int64_t refusedat;              /* when the kernel last refused a thread, or 0; lock */
	struct p *pidle;                /* lock */
	int32_t npidle;                 /* written under lock; atomic */
	struct gqueue runq;             /* lock; l.n is read atomically */
	int32_t nmspinning cachealigned; /* atomic */
	uint32_t needspinning;          /* atomic */
	int64_t lastpoll cachealigned;  /* atomic; 0: an M is blocked in netpoll */
	uint32_t polled;                /* atomic; 1: a running P has polled since sysmon looked */
	int64_t polluntil;              /* atomic; that one's deadline, 0 none */
	struct m *poller;               /* that one, or the last; atomic */
	uint32_t sysmonwait;            /* atomic: SYSMON_* */
	uint32_t alone;                 /* atomic: ALONE_*; alone.c */
	struct note sysmonnote;
	struct mutex gflock;
	struct gqueue gfree;            /* gflock */
	uint32_t gfshare;               /* atomic, set for good: memory for stacks has run out once, Ps keep no dead Gs */
	struct glist gfnostack;         /* those without a stack; gflock */
	uint64_t goidgen;               /* atomic */
	int32_t ngs, ngs1;              /* Gs that have not ended, in two parts: atomic, and counted by the only P */
	struct mutex blocklock;
	int32_t nblocked;               /* calls in entersyscallblock, blockq.c; blocklock */
	int32_t nownblocked;            /* those of Gs that have an M of their own; blocklock */
	int32_t maxblocked;             /* blocklock */
	int32_t nblockq;                /* Gs that queue for that; blocklock, atomic reads */
	int32_t mable;                  /* Ms that run any G; blocklock */
	struct m *sparing;              /* has been asked for, for the first in that queue; blocklock */
	bool refused;                   /* the last thread asked for has been refused by the kernel; blocklock */
	int32_t nforeign;               /* pseudo-Gs of foreign threads; atomic */
	int32_t nhelpers;               /* and of our own, for which libc has called a malloc with locks of ours; atomic */
	uint32_t sigwake;               /* atomic: SIGWAKE_*, what handlers have queued for findrunnable */
};

enum { SYSMON_AWAKE = 0, SYSMON_NAPS = 1, SYSMON_RESTS = 2, SYSMON_DEEP = 3 }; /* NAPS: not to be woken by entersyscall */
enum { ALONE_NO = 0, ALONE_SOON = 1, ALONE_NOW = 2 };
enum { SIGWAKE_SIGNAL = 1, SIGWAKE_DUMP = 2, SIGWAKE_LOCKED = 4, SIGWAKE_SENT = 8 };

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
extern struct m *firstm;      /* the process's first kernel thread's */
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

/* tls_helper is set in the TLS of each kernel thread that the runtime has made, also while there is no M in force. What such a
 * thread locks, in the program's malloc for instance, it locks as a foreign one does; but it does not keep main from being alone. */
extern __thread bool tls_helper __attribute__((tls_model("initial-exec")));

/* tls_foreign is a foreign thread's pseudo-G, once it has one. */
extern __thread struct g *tls_foreign __attribute__((tls_model("initial-exec")));

static inline struct g *
getg(void)
{
	return tls_g;
}

/* getm: the current M, in runtime mode or on g0; NULL on foreign threads. */
static inlined struct m *
getm(void)
{
	struct g *gp = tls_g;

	return gp ? gp->m : tls_m;
}

/* These need the above, and the inline functions in some those before them. */
#include "asm.h"
#include "mode.h"
#include "park.h"
#include "proc.h"
#include "own.h"
#include "signals.h"
#include "cputime.h"
#include "schedule.h"
#include "preempt.h"
#include "stack.h"
#include "tls.h"
#include "fork.h"
#include "options.h"
#include "log.h"

#endif
