/* SPDX-License-Identifier: MIT */
/*
 * What can be asked of a thread and told it. libc would do all this by the
 * kernel's thread id, and a G's is not the kernel's.
 *
 * Names are the G's. Main's is also its kernel thread's, which ps and top show as
 * that of the process.
 *
 * Priority and affinity are the kernel's and belong to a kernel thread: a G that is
 * given any is locked to its M for good. One G cannot do that to another, unless the other is
 * locked already; then the answer is that it is not permitted.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

#include "thread.h"

/* ---- the thread id ---- */

EXPORT pid_t
gettid(void)
{
	struct g *gp = getg();

	return gp != NULL ? (pid_t)gp->tid : libc.gettid();
}

/* ---- names ---- */

void
nameinit(struct g *gp)
{
	rawsyscall(SYS_prctl, PR_GET_NAME, gp->name);
}

static void
setname(struct g *gp, const char *name)
{
	char path[64];
	size_t n = strnlen(name, sizeof gp->name - 1);
	long fd;

	memset(gp->name, 0, sizeof gp->name);
	memcpy(gp->name, name, n);
	if(!(gp->flags & GF_MAIN))
		return;
	fmtbuf(path, sizeof path, "/proc/self/task/%d/comm", (int)gp->tid);
	if((fd = rawsyscall(SYS_open, path, O_WRONLY | O_CLOEXEC)) < 0)
		return;
	rawsyscall(SYS_write, fd, name, n);
	rawsyscall(SYS_close, fd);
}

EXPORT int
pthread_setname_np(pthread_t th, const char *name)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL;

	if(gp == NULL)
		return libc.pthread_setname_np(th, name);
	if(strnlen(name, sizeof gp->name) == sizeof gp->name)
		return ERANGE;
	setname(gp, name);
	return 0;
}

EXPORT int
pthread_getname_np(pthread_t th, char *buf, size_t size)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL;

	if(gp == NULL)
		return libc.pthread_getname_np(th, buf, size);
	if(size < sizeof gp->name)
		return ERANGE;
	memcpy(buf, gp->name, sizeof gp->name);
	return 0;
}

/* ---- attributes ---- */

EXPORT int
pthread_getattr_np(pthread_t th, pthread_attr_t *attr)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL;
	cpu_set_t set[8];
	long n;
	int e;

	if(gp == NULL || gp->flags & GF_MAIN)
		return libc.pthread_getattr_np(th, attr);
	if((e = pthread_attr_init(attr)) != 0)
		return e;
	pthread_attr_setstack(attr, (void *)gp->stack.lo, gp->stack.hi - gp->stack.lo);
	pthread_attr_setguardsize(attr, gp->stacksize ? gp->stack.lo - (gp->stack.hi - gp->stacksize) : 0);
	if((load_relaxed(&gp->exitstate) & JSTATE) == Jdetached)
		pthread_attr_setdetachstate(attr, PTHREAD_CREATE_DETACHED);
	n = rawsyscall(SYS_sched_getaffinity, 0, sizeof set, set);
	if(n > 0 && (e = pthread_attr_setaffinity_np(attr, (size_t)n, set)) != 0)
		pthread_attr_destroy(attr);
	return e;
}

/* ---- what belongs to kernel threads ---- */

/* The kernel thread that gp is locked to, to which it is locked now if it is the caller: 0 is the caller's own, -1 none. */
static long
kernelthread(struct g *gp, bool lockit)
{
	struct m *mp;

	if(gp == getg()){
		if(lockit && gp->nlocked == 0){
			rtenter(gp);
			lockosthread(gp);
			rtexit(gp);
		}
		return 0;
	}
	mp = load_relaxed(&gp->lockedm);
	return mp != NULL ? mp->tid : -1;
}

static int
refuse(const char *what)
{
	static uint32_t said;

	if(xchg(&said, 1) == 0)
		rtlog("%s of another thread: refused with EPERM, as it has no kernel thread of its own", what);
	return EPERM;
}

static int
result(long r)
{
	return r < 0 ? (int)-r : 0;
}

EXPORT int
pthread_getaffinity_np(pthread_t th, size_t size, cpu_set_t *set)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL;
	long tid, r;

	if(gp == NULL)
		return libc.pthread_getaffinity_np(th, size, set);
	tid = kernelthread(gp, false);
	r = rawsyscall(SYS_sched_getaffinity, tid > 0 ? tid : 0, size < INT_MAX ? size : INT_MAX, set);
	if(r < 0)
		return (int)-r;
	memset((char *)set + r, 0, size - (size_t)r);
	return 0;
}

EXPORT int
pthread_setaffinity_np(pthread_t th, size_t size, const cpu_set_t *set)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL;
	long tid;

	if(gp == NULL)
		return libc.pthread_setaffinity_np(th, size, set);
	if((tid = kernelthread(gp, true)) < 0)
		return refuse("pthread_setaffinity_np");
	return result(rawsyscall(SYS_sched_setaffinity, tid, size, set));
}

EXPORT int
pthread_getschedparam(pthread_t th, int *policy, struct sched_param *param)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL;
	long tid, r;

	if(gp == NULL)
		return libc.pthread_getschedparam(th, policy, param);
	tid = kernelthread(gp, false);
	tid = tid > 0 ? tid : 0;
	if((r = rawsyscall(SYS_sched_getscheduler, tid)) < 0)
		return (int)-r;
	*policy = (int)r;
	return result(rawsyscall(SYS_sched_getparam, tid, param));
}

/* What every kernel thread has anyway needs none of its own. */
static bool
ordinary(struct g *gp, int policy, const struct sched_param *param)
{
	return load_relaxed(&gp->lockedm) == NULL && policy == SCHED_OTHER && param->sched_priority == 0 &&
	    rawsyscall(SYS_sched_getscheduler, 0) == SCHED_OTHER;
}

EXPORT int
pthread_setschedparam(pthread_t th, int policy, const struct sched_param *param)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL;
	long tid;

	if(gp == NULL)
		return libc.pthread_setschedparam(th, policy, param);
	if(ordinary(gp, policy, param))
		return 0;
	if((tid = kernelthread(gp, true)) < 0)
		return refuse("pthread_setschedparam");
	return result(rawsyscall(SYS_sched_setscheduler, tid, policy, param));
}

EXPORT int
pthread_setschedprio(pthread_t th, int prio)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL;
	struct sched_param param = {.sched_priority = prio};
	long tid;

	if(gp == NULL)
		return libc.pthread_setschedprio(th, prio);
	if((tid = kernelthread(gp, true)) < 0)
		return refuse("pthread_setschedprio");
	return result(rawsyscall(SYS_sched_setparam, tid, &param));
}

/* A G's CPU time is not counted: its own clock is that of the kernel thread it is on. */
EXPORT int
pthread_getcpuclockid(pthread_t th, clockid_t *clock)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL;
	long tid;

	if(gp == NULL)
		return libc.pthread_getcpuclockid(th, clock);
	if((tid = kernelthread(gp, false)) < 0)
		return ENOENT; /* POSIX: there are none for threads */
	*clock = tid == 0 ? CLOCK_THREAD_CPUTIME_ID : (clockid_t)(~(unsigned)tid << 3 | 6);
	return 0;
}

/* Operations of prctl that change the kernel thread, not the process. */
static bool
ofkernelthread(int op)
{
	switch(op){
	case PR_SET_KEEPCAPS:
	case PR_SET_SECCOMP:
	case PR_CAPBSET_DROP:
	case PR_SET_SECUREBITS:
	case PR_SET_TIMERSLACK:
	case PR_SET_NO_NEW_PRIVS:
	case PR_SET_TSC:
	case PR_CAP_AMBIENT:
	case PR_SET_SPECULATION_CTRL:
	case PR_MCE_KILL:
	case PR_SET_IO_FLUSHER:
	case PR_SET_SYSCALL_USER_DISPATCH:
		return true;
	}
	return false;
}

EXPORT int
prctl(int op, ...)
{
	struct g *gp = getg();
	unsigned long a, b, c, d;
	va_list ap;

	va_start(ap, op);
	a = va_arg(ap, unsigned long);
	b = va_arg(ap, unsigned long);
	c = va_arg(ap, unsigned long);
	d = va_arg(ap, unsigned long);
	va_end(ap);
	if(gp == NULL)
		return libc.prctl(op, a, b, c, d);
	if(op == PR_SET_NAME && a != 0){
		setname(gp, (const char *)a);
		return 0;
	}
	if(op == PR_GET_NAME && a != 0){
		memcpy((void *)a, gp->name, sizeof gp->name);
		return 0;
	}
	if(ofkernelthread(op))
		kernelthread(gp, true);
	return libc.prctl(op, a, b, c, d);
}

/* ---- yield ---- */

static int
yield(struct g *gp)
{
	rtenter(gp);
	gosched();
	rtexit(gp);
	return 0;
}

EXPORT int
sched_yield(void)
{
	struct g *gp = getg();

	return gp != NULL ? yield(gp) : libc.sched_yield();
}

EXPORT int
__sched_yield(void)
{
	return sched_yield();
}

/* The header makes sched_yield of the name; only old programs call this one. */
EXPORT int oldyield(void) __asm__("pthread_yield");
int
oldyield(void)
{
	return sched_yield();
}

EXPORT void
thrd_yield(void)
{
	sched_yield();
}
