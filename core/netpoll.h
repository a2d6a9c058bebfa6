/* SPDX-License-Identifier: MIT */
/*
 * Descriptors: what heddle knows of each number, and who waits for it.
 *
 * netpoll.c has the policy (queues, edges, closing), netpoll_epoll.c the mechanism,
 * shim/ the system calls. The protocol is described in netpoll.c.
 */
#ifndef HEDDLE_NETPOLL_H
#define HEDDLE_NETPOLL_H

#include "runtime.h"

/* What a number refers to, as far as it decides how to read and write it. */
enum fdkind {
	Kunknown,
	Kfile,   /* regular file, directory...: not pollable, plain blocking calls */
	Ktcp,    /* TCP stream: a short read means drained */
	Ksock,   /* any other socket: MSG_DONTWAIT */
	Knowait, /* pipe, eventfd...: preadv2 and pwritev2 with RWF_NOWAIT */
	Kpoll,   /* pollable, but without RWF_NOWAIT: poll first */
	Kpollin, /* the same, but poll() may say nothing of room: writes are the kernel's */
	Kblock,  /* what polling cannot stand for, like a terminal: block in the kernel */
};

enum { /* polldesc.flags; PD_NODRAIN under lock or by the G that uses the descriptor, see shim/fdfacts.c */
	PD_OWN = 1,     /* a wrapper saw this number made, and its description has had no other name since */
	PD_KNOWN = 2,   /* kind and the time-outs have been asked for or set; worth something with PD_OWN only */
	PD_NB = 4,      /* the program's O_NONBLOCK; true with PD_OWN alone */
	PD_NODRAIN = 8, /* a short read of this stream need not mean that it is drained */
	PD_LOWAT = 16,  /* SO_RCVLOWAT > 1: block in the kernel */
	PD_LISTEN = 32, /* SO_ACCEPTCONN */
	PD_ERR = 256,   /* err is the next call's */
	PD_TIMEO = 128, /* rtimeo or wtimeo is set */
	PD_KEPT = 512,  /* a number of netpoll_keep.c's, which the program does not know */
	PD_SLOW = 1024, /* an epoll instance that has, or had, descriptors of which shim/ says that to poll them is slow: fdpollslow */
	PD_WPOLL = 64,  /* a Knowait that has RWF_NOWAIT for reading only: poll before a write */
};

struct pollwait;

struct pollq {
	struct pollwait *head; /* head->prev is the last */
};

enum { /* polldesc.more: what the first cache line does not show */
	MORE_R = 1, /* rq, wq, pq are not empty */
	MORE_W = 2,
	MORE_P = 4,
	MORE_CLOSING = 8, /* closing != 0 */
};

/*
 * rg and wg are the one G that waits for reading or writing, or the first of several: most descriptors
 * have no more. A call that reads and parks, and the event that wakes it, touch the first cache line only.
 * A G that an event has woken stays in its slot, marked WOKENG, until it has run and another needs the place: a close that comes before it
 * has run must find it (netpoll_keep.c). That the mark is there says nothing else, it may have been for long.
 */
enum { WOKENG = 1 };
bool pollslotbusy(struct g *other, uint64_t seq); /* who is marked in a slot, in its wait seq, has not made its attempt */
static inline bool
slotwaits(struct g *const *slot)
{
	uintptr_t v = (uintptr_t)load_relaxed(slot);

	return v != 0 && !(v & WOKENG);
}

/* May gp, which is to wait, not take the slot? pd->lock. */
static inline bool
slottaken(struct g *gp, struct g *const *slot, const uint64_t *seq)
{
	uintptr_t v = (uintptr_t)load_relaxed(slot);

	return v != 0 && v != ((uintptr_t)gp | WOKENG) &&
	       (!(v & WOKENG) || pollslotbusy((struct g *)(v & ~(uintptr_t)WOKENG), *seq));
}

struct polldesc {
	struct mutex lock;
	int32_t fd;
	uint32_t gen;        /* changes whenever what is known is forgotten; lock */
	uint32_t rseq, wseq; /* edges so far; written under lock, atomic reads. Never 0 */
	uint32_t drained;    /* rseq before a read that drained the stream, 0 none; atomic */
	uint32_t flags;      /* PD_*; atomic */
	uint32_t epoch;      /* forkepoch when PD_OWN was set */
	uint16_t regepoch;   /* registered with the instance of this number, 0 not; lock */
	uint8_t kind;        /* enum fdkind; atomic */
	uint8_t more;        /* MORE_*; lock, atomic reads */
	struct g *rg;        /* lock; whether it is NULL is read without */
	uint64_t rpark;      /* seq of rg's park; lock */
	struct g *wg;        /* as rg */

	uint64_t wpark;      /* as rpark */
	struct pollq rq, wq; /* further waiters; lock */
	struct pollq pq;     /* waits in pollmany, which each edge wakes all; lock */
	int64_t rtimeo, wtimeo; /* ns, NOTIME none; valid with PD_KNOWN and PD_TIMEO */
	uint32_t use;        /* which use of the number, counted by pollreset; lock */
	int32_t err;         /* with PD_ERR: an error that the kernel gave while part was done already; atomic */
	uint16_t closing;    /* close()s under way in this use; lock */
	uint8_t unparked;    /* waits in the kernel since a G has parked: shim/epoll.c. A hint, atomic */
} cachealigned;

/* A wait on one descriptor, on the stack of the G. */
struct pollwait {
	struct pollwait *next, *prev; /* pd->lock */
	struct pollq *q;              /* NULL when on no queue; pd->lock */
	struct polldesc *pd;
	struct g *gp;
	uint64_t seq;
	uint32_t events;     /* POLLIN...: what a waiter on pq wants */
	uint32_t rseq, wseq; /* edges before the attempt that failed */
	uint8_t woken;       /* WOKEN_*; pd->lock */
};

/* A reader or writer that was on rq or wq and has been woken, but has yet to run, is on pq: netpoll_keep.c. */
enum { WOKEN_NO, WOKEN_READY, WOKEN_PAST /* and pd is closed by now */ };

extern uint32_t forkepoch; /* atomic: 1 and one more for each fork, from which on others may share all descriptions */

extern uint32_t forkbase;  /* forkepoch when this process began: if it is another now, this process has made one */

extern bool vforkused;     /* atomic: set by vfork, whose child runs in our memory with descriptors of its own */

/* pollget returns fd's entry, NULL if fd is out of range or there is no memory. Any thread, no lock. */
struct polldesc *pollget(int fd);
/* pollfind is pollget that makes none. */
struct polldesc *pollfind(int fd);

/* Which queue: reading or writing. */
enum pollmode { POLLMODE_R, POLLMODE_W };

static inline uint32_t
pollseq(struct polldesc *pd, enum pollmode mode)
{
	/* pairs with the release in edge(): who sees an edge sees what came before it */
	return load_acquire(mode == POLLMODE_R ? &pd->rseq : &pd->wseq);
}

/* Results of pollblock besides enum wakewhy. */
enum { POLL_RETRY = WAKE_READY, POLL_PLAIN = -1, POLL_FALLBACK = -2 };

/*
 * pollblock parks gp until an edge for mode has come since seq = pollseq() was taken: at once if one has.
 * The caller's attempt, made after that pollseq(), said EAGAIN. Runtime mode. Returns
 * POLL_RETRY: try again; WAKE_TIMEOUT, WAKE_SIGNAL, WAKE_CLOSE;
 * POLL_PLAIN: epoll refuses this kind of descriptor (it never blocks for long);
 * POLL_FALLBACK: there is no epoll or no memory for a registration: block in poll(2).
 */
int pollpark(struct g *gp, struct polldesc *pd, enum pollmode mode, uint32_t seq, enum waitreason why, int64_t deadline);
void pollunpark(struct g *gp, struct polldesc *pd, enum pollmode mode);

/* Split so that pollpark, which ends in park(), leaves no frame of its own on the sleeping G's stack. */
static inline int
pollblock(struct g *gp, struct polldesc *pd, enum pollmode mode, uint32_t seq, enum waitreason why, int64_t deadline)
{
	int r = pollpark(gp, pd, mode, seq, why, deadline);

	if(unlikely(r == WAKE_TIMEOUT || r == WAKE_SIGNAL))
		pollunpark(gp, pd, mode);
	sigcatchup(gp);
	return r;
}

/* pollmark is for a call that makes several attempts, before the first of which others can see that it is under way: a close
 * by another thread comes after its next wait has begun. Runtime mode, without an end until that wait. */
void pollmark(struct g *gp, struct polldesc *pd, enum pollmode mode);

/* pollpass hands an edge on to the next waiter of the same mode: by a G that was woken, or might have
 * been, once it is done with the descriptor. */
void pollpassslow(struct polldesc *pd, enum pollmode mode);
static inline void
pollpass(struct polldesc *pd, enum pollmode mode)
{
	if(unlikely(slotwaits(mode == POLLMODE_R ? &pd->rg : &pd->wg) ||
	            (load_relaxed(&pd->more) & (mode == POLLMODE_R ? MORE_R : MORE_W))))
		pollpassslow(pd, mode);
}

/*
 * pollmany parks gp until one of n waits has had an edge. w[i].pd (NULL entries are skipped), events, rseq and
 * wseq are set by the caller. Results as pollblock; POLL_PLAIN if any entry is of that kind.
 */
int pollmany(struct g *gp, struct pollwait *w, int n, enum waitreason why, const void *obj, int64_t deadline);

/* pollreset forgets what was known of pd's number, which now names something else, and wakes those who
 * waited with WAKE_CLOSE. */
void pollreset(struct polldesc *pd, enum fdkind kind, uint32_t flags);
/* pollkick makes all who wait look again: after shutdown(), whose effect on writers poll() does not always show. */
void pollkick(struct polldesc *pd);
/* pollclosing begins a close or a replacement of pd's number: readers and writers are woken with WAKE_CLOSE and
 * nobody parks on it until pollclosed, which takes what pollclosing returned. */
uint32_t pollclosing(struct polldesc *pd);
void pollclosed(struct polldesc *pd, uint32_t use);
bool pollunused(struct polldesc *pd); /* nothing is known of the number */
/* pollunregister ends pd's registration, if nobody waits for it: each event would interrupt the poller for nothing. The next
 * G that parks makes another. Runtime mode. */
void pollunregister(struct polldesc *pd);
/* pollrange calls fn for each entry in use with lo <= fd <= hi, in order. */
void pollrange(unsigned lo, unsigned hi, void (*fn)(struct polldesc *, void *), void *arg);

/*
 * Who waited on a number that was closed goes on with another: netpoll_keep.c. pollkept returns its entry after a wait
 * on pd, however that ended, NULL if there is none; it is good until polldrop, at the end of the call, and is
 * returned once. Runtime mode.
 */
struct polldesc *pollkept(struct g *gp, struct polldesc *pd);
void polldropslow(struct g *gp);
extern uint32_t nkept;
static inline void
polldrop(struct g *gp)
{
	if(unlikely(load_relaxed(&nkept) != 0))
		polldropslow(gp);
}
/* pollhidden: fd is such a number, of which the program does not know. keptnext returns the lowest one from `from` on, -1 none. */
bool pollhidden(int fd);
int keptnext(int from);

/* netpollowns: fd is one of the runtime's own descriptors. */
bool netpollowns(int fd);
/* netpollyield moves the runtime's own descriptors away from number fd, which the program wants. */
void netpollyield(int fd);
/* netpollfds returns the runtime's descriptors in ascending order, -1 for those not open. */
void netpollfds(int fds[2]);
/* netpollshare: from now on other processes may share every description; before fork and the like. */
void netpollshare(void);
/*
 * netpollsharefiles: from now on another process has not only the descriptions but the table itself (clone with CLONE_FILES): what
 * it does to a number is not seen here. Who waits goes on with another number, which that process does not
 * know; later waits are the kernel's. Before the clone; netpollshared after it, in both.
 */
void netpollsharefiles(void);
void netpollshared(void);
extern bool filesshared; /* atomic */
extern __thread bool sharingfiles __attribute__((tls_model("initial-exec"))); /* this thread is between the two */
/* netpollfork: in the child of a fork, its only thread: forgets the parent's epoll instance and all waiters. */
void netpollfork(void);

/* Between netpoll.c, which has the queues, and polldesc.c. pd->lock is held. */
static inline void
setmore(struct polldesc *pd, uint8_t bit, bool on)
{
	store_relaxed(&pd->more, on ? pd->more | bit : pd->more & ~bit);
}

static inline uint32_t
nextseq(uint32_t seq)
{
	return seq + 1 != 0 ? seq + 1 : 1;
}

/* trusted: what pd says about its number is true. */
static inline bool
trusted(struct polldesc *pd)
{
	return (load_relaxed(&pd->flags) & PD_OWN) && pd->epoch == load_relaxed(&forkepoch);
}

struct wakes;
void pollappend(struct polldesc *pd, struct pollq *q, struct pollwait *w); /* at the end of q, one of pd's; not counted */
void polldequeue(struct pollwait *w, struct wakes *);
void pollwakeall(struct polldesc *pd, enum wakewhy why, struct wakes *);
int pollregistered(struct polldesc *pd); /* sees that pd is registered: 0, POLL_PLAIN or POLL_FALLBACK */
void netpollcountfork(void);

/* Between netpoll.c and netpoll_epoll.c. Results are 0 or a negative errno. */
int netpollctl(struct polldesc *pd, bool verify); /* pd->lock; registers pd with the current gen */
void netpolldel(struct polldesc *pd);             /* pd->lock */
uint16_t netpollepoch(void);                      /* number of the instance, for regepoch; never 0 */
void pollfork(void);

/* Between netpoll.c and netpoll_keep.c. */
struct keep;
struct keep *keepopen(struct polldesc *pd);             /* another number for pd's description, held until */
void keepdone(struct keep *);                           /* keepdone; NULL: none to be had */
struct polldesc *keptdesc(struct keep *);               /* its entry */
/* gp goes on with it where it was on pd, NULL: only holds it. Nothing if there is such a note. False: no memory. */
bool keepfor(struct g *gp, struct polldesc *pd, struct keep *);
void keepunused(struct g *gp, struct polldesc *pd);     /* takes the note back, if gp has not seen it. The caller holds it, too */
bool keepasleep(struct g *gp);                          /* it sleeps in the kernel, in a call on a descriptor */
void keptfork(void);
int duphigh(int fd, int top); /* netpoll_epoll.c: a close-on-exec copy of fd just below top or the limit, -1 none */
struct wakes {
	struct glist l; /* Gs claimed */
	uint32_t n;     /* entries taken off queues */
};
void netpollready(struct polldesc *pd, uint32_t gen, uint32_t events, struct wakes *);
void pollkickto(struct polldesc *pd, struct wakes *); /* pollkick, but for making the Gs runnable */
/* netpollwoken counts w's entries off; by who has collected them. */
void netpollwoken(struct wakes *w);
/* netpollnwaiters returns how many entries are on all queues, while nothing changes. */
int64_t netpollnwaiters(void);

#endif
