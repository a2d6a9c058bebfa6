/* SPDX-License-Identifier: MIT */
/*
 * What can be asked of a thread and told it. libc would do this by the kernel's
 * thread id, and a G's is not the kernel's.
 *
 * Names are the G's. Main's is also its kernel thread's, which ps and top show as
 * that of the process.
 */
#include <errno.h>
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

void
setname(struct g *gp, const char *name)
{
	char path[64];
	size_t n = strnlen(name, sizeof gp->name - 1);
	long fd;

	memset(gp->name, 0, sizeof gp->name);
	memcpy(gp->name, name, n);
	namechanged(gp);
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

/* Policy, priority and processors as the thread has them now. Of other policies than POSIX's an attribute cannot tell. */
static int
nowscheduled(pthread_t th, pthread_attr_t *attr)
{
	struct sched_param param;
	uint8_t cpus[1024];
	int policy;

	if(pthread_getschedparam(th, &policy, &param) == 0 && pthread_attr_setschedpolicy(attr, policy) == 0)
		pthread_attr_setschedparam(attr, &param);
	if(pthread_getaffinity_np(th, sizeof cpus, (cpu_set_t *)cpus) != 0)
		return 0;
	return pthread_attr_setaffinity_np(attr, sizeof cpus, (cpu_set_t *)cpus);
}

EXPORT int
pthread_getattr_np(pthread_t th, pthread_attr_t *attr)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL;
	int e;

	if(gp == NULL || gp->flags & GF_MAIN)
		return libc.pthread_getattr_np(th, attr);
	if((e = pthread_attr_init(attr)) != 0)
		return e;
	pthread_attr_setstack(attr, (void *)gp->stack.lo, gp->stack.hi - gp->stack.lo);
	pthread_attr_setguardsize(attr, gp->stacksize ? gp->stack.lo - (gp->stack.hi - gp->stacksize) : 0);
	if((load_relaxed(&gp->exitstate) & JSTATE) == Jdetached)
		pthread_attr_setdetachstate(attr, PTHREAD_CREATE_DETACHED);
	if(gp->notinherit)
		pthread_attr_setinheritsched(attr, PTHREAD_EXPLICIT_SCHED);
	if((e = nowscheduled(th, attr)) != 0)
		pthread_attr_destroy(attr);
	return e;
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
ALSO(__sched_yield, sched_yield)

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
