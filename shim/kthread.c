/* SPDX-License-Identifier: MIT */
/*
 * What the kernel keeps for each of its threads: affinity, priority, namespaces, and so on.
 *
 * A G that changes any of it is locked to its M, the change is made for real, and
 * when the G ends so does that kernel thread (mretire). A change that another thread makes is one of the kernel thread
 * that the G is locked to, or of one that is made for it (core/own.c): the kernel judges each, and the errors are its own.
 *
 * A thread that starts with such attributes locks itself first of all and tells its creator how that went, as pthread_create
 * returns the error. One whose creator has a changed kernel thread starts on a thread that this one has made.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "prionote.h"
#include "sync.h"
#include "thread.h"

enum { MAXCPUS = 8192 }; /* the kernel's most */

/*
 * The process's first kernel thread is never made another's than main's: it does not end with the G, so what has been changed would stay.
 * Where libc's setuid cannot change one thread's ids as all others' it aborts. And /proc/PID shows that thread's namespaces.
 */
bool
onfirst(struct g *gp)
{
	return gp != maing && gp->m->id == 0 && gp->lockedm == NULL;
}

void
own(void)
{
	struct g *gp = getg();
	struct ownwish w;
	bool first;

	if(gp == NULL || gp->flags & GF_KERNEL)
		return;
	rtenter(gp);
	if(!(first = onfirst(gp)))
		lockforgood(gp);
	rtexit(gp);
	if(!first)
		return;
	if(ownreserve(gp, gp->goid, &w) == 0)
		ownreserved(gp, &w, true); /* goes over to it on the way out */
	rtenter(gp);
	lockforgood(gp); /* there can be no other kernel thread */
	rtexit(gp);
}

/* The kernel thread for a question about gp: 0 is the caller's. */
static long
askthread(struct g *gp)
{
	struct g *self = getg();
	long tid;

	if(self != NULL && load_relaxed(&self->attn) & ATTN_OWN){
		rtenter(self); /* goes where it is to be */
		rtexit(self);
	}
	if(gp == self)
		return 0;
	if((tid = owntid(gp)) != 0)
		return tid;
	/* any that nobody has changed; the caller's is one if the caller has none of its own */
	return self != NULL && load_relaxed(&self->lockedm) == NULL ? 0 : plaintid();
}

/* change begins a change to gp, which was goid: w->tid is the kernel thread. 0 or a positive errno. changed ends it. */
static int
change(struct g *gp, uint64_t goid, struct ownwish *w)
{
	*w = (struct ownwish){0};
	if(gp != getg())
		return ownreserve(gp, goid, w);
	own();
	w->tid = owntid(gp);
	return 0;
}

static int
changed(struct g *gp, struct ownwish *w, int result)
{
	ownreserved(gp, w, result == 0);
	return result;
}

static int
result(long r)
{
	return r < 0 ? (int)-r : 0;
}

/* ---- threads that start with some of it ---- */

void
kstartparse(struct kstart *k, const pthread_attr_t *attr)
{
	struct sched_param param = {0};
	int inherit = PTHREAD_INHERIT_SCHED, policy = SCHED_OTHER;
	uint8_t any = 0, all = 0xff;

	k->what = 0;
	k->notinherit = false;
	if(attr == NULL)
		return;
	pthread_attr_getinheritsched(attr, &inherit);
	k->notinherit = inherit == PTHREAD_EXPLICIT_SCHED;
	if(k->notinherit){
		pthread_attr_getschedpolicy(attr, &policy);
		pthread_attr_getschedparam(attr, &param);
		if(policy != SCHED_OTHER || param.sched_priority != 0)
			k->what |= KSTART_SCHED;
		k->policy = policy;
		k->param = param;
	}
	/* libc says "all processors" of attributes without any */
	if(pthread_attr_getaffinity_np(attr, sizeof k->cpus, &k->cpus) != 0)
		return;
	for(size_t i = 0; i < sizeof k->cpus; i++){
		any |= ((uint8_t *)&k->cpus)[i];
		all &= ((uint8_t *)&k->cpus)[i];
	}
	if(any != 0 && all != 0xff)
		k->what |= KSTART_CPUS;
}

int
kstartapply(const struct kstart *k)
{
	long r = 0;

	own();
	if(k->what & KSTART_CPUS)
		r = rawsyscall(SYS_sched_setaffinity, 0, sizeof k->cpus, &k->cpus);
	if(r >= 0 && k->what & KSTART_SCHED)
		r = rawsyscall(SYS_sched_setscheduler, 0, k->policy, &k->param);
	return result(r);
}

/*
 * Are these the processors that every kernel thread may use anyway? To be given them needs no kernel thread of its own: LLVM's OpenMP
 * gives them to each of its threads. Processors that a set has no room for are not in it.
 */
static bool
ordinarycpus(struct g *gp, size_t size, const cpu_set_t *set)
{
	uint8_t asked[MAXCPUS / 8] = {0}, all[MAXCPUS / 8] = {0};

	return owntid(gp) == 0 && size <= sizeof asked && trycopy(asked, set, size) == 0 &&
	    rawsyscall(SYS_sched_getaffinity, plaintid(), sizeof all, all) > 0 && memcmp(asked, all, sizeof all) == 0;
}

/* ---- pthread_... ---- */

EXPORT int
pthread_getaffinity_np(pthread_t th, size_t size, cpu_set_t *set)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL;
	long r;

	if(gp == NULL)
		return libc.pthread_getaffinity_np(th, size, set);
	r = rawsyscall(SYS_sched_getaffinity, askthread(gp), size < INT_MAX ? size : INT_MAX, set);
	if(r < 0)
		return (int)-r;
	memset((char *)set + r, 0, size - (size_t)r);
	return 0;
}

EXPORT int
pthread_setaffinity_np(pthread_t th, size_t size, const cpu_set_t *set)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL;
	struct ownwish w;
	int e;

	if(gp == NULL)
		return libc.pthread_setaffinity_np(th, size, set);
	if(ordinarycpus(gp, size, set))
		return 0;
	if((e = change(gp, load_relaxed(&gp->goid), &w)) != 0)
		return e;
	return changed(gp, &w, result(rawsyscall(SYS_sched_setaffinity, w.tid, size, set)));
}

EXPORT int
pthread_getschedparam(pthread_t th, int *policy, struct sched_param *param)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL;

	if(gp == NULL)
		return libc.pthread_getschedparam(th, policy, param);
	if(gp == getg() && pinned()){
		priotake(gp);
		return libc.pthread_getschedparam(th, policy, param); /* its own, not what a mutex lends it */
	}
	return prioget(gp, (int32_t)askthread(gp), policy, param);
}

/*
 * libc keeps note of a thread's priority (prionote.c). So the caller's own is set by libc, in whose descriptor for that time the
 * kernel's tid stands (pin.c).
 */
#define LIBCS(gp, call)        \
	({                     \
		int l_r;       \
                               \
		own();         \
		libcnotes(gp); \
		pin(gp);       \
		priotake(gp);  \
		l_r = (call);  \
		unpin(gp);     \
		l_r;           \
	})

/* What every kernel thread has anyway needs none of its own. */
static bool
ordinary(struct g *gp, int policy, const struct sched_param *param)
{
	return owntid(gp) == 0 && policy == SCHED_OTHER && param->sched_priority == 0 &&
	    rawsyscall(SYS_sched_getscheduler, plaintid()) == SCHED_OTHER;
}

EXPORT int
pthread_setschedparam(pthread_t th, int policy, const struct sched_param *param)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL;
	struct ownwish w;
	int e;

	if(gp == NULL)
		return libc.pthread_setschedparam(th, policy, param);
	if(ordinary(gp, policy, param))
		return 0;
	if(gp == getg())
		return LIBCS(gp, libc.pthread_setschedparam(th, policy, param));
	if((e = change(gp, load_relaxed(&gp->goid), &w)) != 0)
		return e;
	return changed(gp, &w, prioset(gp, w.goid, w.tid, &policy, param));
}

EXPORT int
pthread_setschedprio(pthread_t th, int prio)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL;
	struct sched_param param = {.sched_priority = prio};
	struct ownwish w;
	int e;

	if(gp == NULL)
		return libc.pthread_setschedprio(th, prio);
	if(gp == getg())
		return LIBCS(gp, libc.pthread_setschedprio(th, prio));
	if((e = change(gp, load_relaxed(&gp->goid), &w)) != 0)
		return e;
	return changed(gp, &w, prioset(gp, w.goid, w.tid, NULL, &param));
}

/* ---- by thread id ---- */

/* The G with that id; NULL: there is none. *goid is what it was then. */
static struct g *
gofid(pid_t id, uint64_t *goid)
{
	struct g *gp = !rtready ? NULL : id == 0 ? getg() : gfromtid((uint32_t)id);

	if(gp == NULL)
		return NULL;
	*goid = load_relaxed(&gp->goid);
	return gp == getg() || gfromtid((uint32_t)id) == gp ? gp : NULL;
}

pid_t
kernelid(pid_t id)
{
	uint64_t goid;
	struct g *gp = gofid(id, &goid);

	return gp == NULL ? id : (pid_t)askthread(gp);
}

int
kernelown(pid_t *id)
{
	uint64_t goid;
	struct g *gp = gofid(*id, &goid);
	struct ownwish w;
	int e;

	if(gp == NULL)
		return 0;
	if((e = change(gp, goid, &w)) != 0)
		return e;
	*id = w.tid;
	return changed(gp, &w, 0);
}

/* CHANGE makes a call of libc's that changes the thread pid, of which w.tid is the kernel thread. */
#define CHANGE(pid, call)                                             \
	({                                                            \
		uint64_t c_goid = 0;                                  \
		struct g *c_gp = gofid(pid, &c_goid);                 \
		struct ownwish w = {.tid = (pid)};                    \
		int e = c_gp != NULL ? change(c_gp, c_goid, &w) : 0;  \
		int r = -1;                                           \
                                                                      \
		if(e != 0)                                            \
			errno = e == EAGAIN ? ENOMEM : e;             \
		else if((r = (call)), e = errno, c_gp != NULL){       \
			changed(c_gp, &w, r);                         \
			errno = e;                                    \
		}                                                     \
		r;                                                    \
	})

EXPORT int
sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	return libc.sched_getaffinity(kernelid(pid), size, set);
}

EXPORT int
sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *set)
{
	uint64_t goid;
	struct g *gp = gofid(pid, &goid);

	if(gp != NULL && ordinarycpus(gp, size, set))
		return 0;
	return CHANGE(pid, libc.sched_setaffinity(w.tid, size, set));
}

EXPORT int
sched_getscheduler(pid_t pid)
{
	return libc.sched_getscheduler(kernelid(pid));
}
ALSO(__sched_getscheduler, sched_getscheduler)

EXPORT int
sched_setscheduler(pid_t pid, int policy, const struct sched_param *param)
{
	return CHANGE(pid, libc.sched_setscheduler(w.tid, policy, param));
}
ALSO(__sched_setscheduler, sched_setscheduler)

EXPORT int
sched_getparam(pid_t pid, struct sched_param *param)
{
	return libc.sched_getparam(kernelid(pid), param);
}
ALSO(__sched_getparam, sched_getparam)

EXPORT int
sched_setparam(pid_t pid, const struct sched_param *param)
{
	return CHANGE(pid, libc.sched_setparam(w.tid, param));
}

EXPORT int
sched_rr_get_interval(pid_t pid, struct timespec *t)
{
	return libc.sched_rr_get_interval(kernelid(pid), t);
}

EXPORT int
getpriority(__priority_which_t which, id_t who)
{
	return libc.getpriority(which, which == PRIO_PROCESS ? (id_t)kernelid((pid_t)who) : who);
}

EXPORT int
setpriority(__priority_which_t which, id_t who, int prio)
{
	if(which != PRIO_PROCESS)
		return libc.setpriority(which, who, prio);
	return CHANGE((pid_t)who, libc.setpriority(which, (id_t)w.tid, prio));
}
