/* SPDX-License-Identifier: MIT */
/* What the scheduler's files have for each other and the rest of core. */
#ifndef HEDDLE_SCHEDULE_H
#define HEDDLE_SCHEDULE_H

/* ---- sched.c ---- */
struct g *schedule(struct m *);
struct g *execute(struct m *, struct g *gp, bool inherit);
void wakep(void);
/* injectglist is ready() for a list of claimed Gs, in order. Any thread. */
void injectglist(struct glist *);
void injectto(struct p *, struct glist *); /* on that P, or globally if it is NULL, with as many idle Ps started */

/* ---- find.c ---- */
/* findrunnable waits for a G to run on mp, which has a P, and has one when it returns, perhaps another; spinning still if it was
 * while it found it. *inherit: within the time slice of the G before. On g0. */
struct g *findrunnable(struct m *, bool *inherit);
void pollfair(struct p *);
bool eventsfirst(struct p *, struct g *); /* of a G that computes: others go before it */

enum { FAIRTICK = 61, HOGLOOKS = 100 };

/* fairdue: has pp run so many Gs that it has to look at others' than its own first? */
static inline bool
fairdue(const struct p *pp)
{
	return pp->schedtick - pp->fairtick >= FAIRTICK;
}

/* ---- steal.c ---- */
/*
 * stealwork looks at every other P in a random order, four times; the last time also at timers and runnext. NULL: nothing; *again says
 * that timers have fired. *polluntil becomes the time of an earlier timer.
 */
struct g *stealwork(struct m *, struct p *, int64_t *now, int64_t *polluntil, bool *again);
struct p *recheckrunqs(void); /* after giving up spinning: is there work anywhere, and an idle P to run it on? */

/* ---- runq.c ---- */
void runqput(struct p *, struct g *, bool next);
struct g *runqget(struct p *, bool *inherit);
struct g *runqsteal(struct p *, struct p *victim, bool stealnext);
bool runqempty(struct p *);
uint32_t runqlen(struct p *);
void runqputbatch(struct p *, struct glist *);
void globrunqput(struct g *);               /* sched.lock */
struct g *globrunqget(struct p *, int max); /* sched.lock */

/* ---- p.c ---- */
void acquirep(struct m *, struct p *);
struct p *releasep(struct m *);
void pidleput(struct p *); /* sched.lock */
struct p *pidleget(void);  /* sched.lock */
bool takeidlep(struct m *);
void procinit(int n);

/* ---- mstack.c ---- */
enum { MSTACK = 128 << 10 };
size_t kstacksize(size_t need); /* of the stack of a kernel thread that needs so much of it for itself, in bytes, whole pages */
void mstackstart(void);      /* sets memory aside for the first Ms; gomaxprocs is known */
void *mstackget(struct m *); /* the stack for a new M, of kstacksize(MSTACK) bytes, and its signal stack if it has none; for the lookout if NULL. NULL: there is no more */
size_t sigstacksize(void);   /* of an M's signal stack, in whole pages */

/* ---- m.c, newm.c ---- */
void startm(struct p *, bool spinning);
void mdrop(struct m *); /* sched.lock */
void mcame(struct m *); /* it is on its way no more: it looks for a P, or the kernel has refused it. sched.lock */
void newm(struct m *);  /* has its kernel thread made; it runs mstart without a P */
void newmstart(void);
int newhelper(void *(*fn)(void *), size_t stack); /* a thread for good that is no M; 0 or an errno. Runtime mode, or without a G */
void makerleave(void);     /* the maker is to end when it has nothing to do */
void makerstay(void);      /* no more; if it has ended, there is a new one */
int32_t makerlast(void);   /* the last one's kernel thread, 0: none */
int newmhere(struct m *); /* has the caller's kernel thread make it; 0 or an errno. On a G in user mode */
void newmfork(void);
bool newlookout(void); /* has the lookout's thread made; false: nobody can */
void stopm(struct m *);
bool strandedwork(void); /* is there something to do for an idle P, and nobody who sees to it? sched.lock */
void handoffp(struct p *);
struct m *mnew(void); /* sched.lock */
noreturn void mretire(struct m *); /* on g0 with a P: a dirty M ends */
void mstart(struct m *);
void mfork(void);

/* midles: the M is going to sleep, on g0. */
static inline void
midles(struct m *mp)
{
	sigmaskidle(mp);
	if(unlikely(load_relaxed(&cputimeon)))
		cpuswitch(mp, NULL);
}

/* doze: from here on, or no more, a kick's handler may block what the program handles on the M's thread: sigkickg0. */
static inline void
doze(struct m *mp, bool on)
{
	compiler_barrier();
	store_relaxed(&mp->dozes, on);
	compiler_barrier();
}

/* Of the idle list, all sched.lock: on it at the end; off it, false if it is not there. */
void mput(struct m *);
bool munlink(struct m *);
bool mothersidle(void);       /* is every M idle but, perhaps, firstm? */
struct m *mtakeidle(void);    /* all, by schedlink; woken without a P they end */

/* ---- alone.c ---- */
bool alonetry(int64_t now);    /* sysmon's, each round: true, and sysmon is to end at once, without another step */
int64_t alonedue(int64_t now); /* sysmon's: when it is to look again, NOTIME: not because of this */
bool alonewished(void);        /* is there somebody who waits for it? */
bool alonepolls(struct m *, bool waits); /* on g0 without a P: is that M to poll? waits: there is something to poll for */
void gohome(struct g *);       /* main, in runtime mode, goes to firstm if sysmon wants that and firstm is idle */
bool isalone(void);            /* runtime mode; main only can rely on it */
bool alonelocked(struct g *);  /* the caller, to be locked to its M, with nlocked counted: is that firstm and so no other's for now? */
void alonefork(void);

/* ---- blockq.c ---- */
/* Permission to keep a kernel thread in a blocking call. Runtime mode; it may park. Who has it gives it back, own: as INBLOCKOWN. */
void blockacquire(struct g *);
void blockrelease(bool own);
void blockable(struct m *, bool able); /* m.able changes: from now on mp runs any G, or not. Of the M itself or the G on it */
void blockspare(struct m *);           /* mp is up, able */
void blockrefused(struct m *);         /* the kernel has refused mp its thread */
void blockretry(int64_t now);          /* sysmon's */
void blockqfork(void);

/* ---- sysmon.c ---- */
int sysmonstart(void); /* 0 or an errno, after a line on the log */
extern bool sysmonmade; /* there has been one */
void sysmonwake(void);
void wakenetpoller(int64_t when);

/* ---- lookout.c; the rest of it: sysmon.h ---- */
void *lookout(void *);    /* its thread */
void lookoutfailed(void); /* it could not be made */
void lookfork(void);
/* sysmon's: is it on its way? It is to end. */
bool lookcomes(void);
void lookleave(void);
int32_t looklast(void);   /* the last one's kernel thread, 0: none */

/* ---- netpoll_epoll.c; the rest of it: netpoll.h ---- */
bool netpollinited(void);
bool netpollanywaiters(void);
/* netpoll(delay ns; <0 blocks, 0 polls) returns the Gs that became ready, claimed with result 2.
 * On g0 or sysmon; needs no P. A signal ends a blocking one early. */
struct glist netpoll(int64_t delay);
void netpollbreak(void); /* makes a blocked netpoll return. Async-signal-safe. */

/* ---- cgroup.c, trace.c ---- */
int cgroupquota(void);           /* CPUs the cgroup's quota allows, rounded up; 0 for no limit */
void schedtrace(void);           /* one SCHED line to the log, with scheddetail all Ps, Ms and Gs */

#endif
