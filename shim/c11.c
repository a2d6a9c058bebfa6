/* SPDX-License-Identifier: MIT */
/* C11's mutexes, condition variables and call_once: in glibc POSIX's under other names, and so here. */
#include "sync.h"

static int
thrderr(int e)
{
	switch(e){
	case 0:
		return thrd_success;
	case ENOMEM:
		return thrd_nomem;
	case ETIMEDOUT:
		return thrd_timedout;
	case EBUSY:
		return thrd_busy;
	default:
		return thrd_error;
	}
}

EXPORT int
mtx_lock(mtx_t *m)
{
	return thrderr(pthread_mutex_lock((pthread_mutex_t *)m));
}

EXPORT int
mtx_trylock(mtx_t *m)
{
	return thrderr(pthread_mutex_trylock((pthread_mutex_t *)m));
}

EXPORT int
mtx_timedlock(mtx_t *m, const struct timespec *abstime)
{
	return thrderr(pthread_mutex_timedlock((pthread_mutex_t *)m, abstime));
}

EXPORT int
mtx_unlock(mtx_t *m)
{
	return thrderr(pthread_mutex_unlock((pthread_mutex_t *)m));
}

EXPORT void
cnd_destroy(cnd_t *c)
{
	pthread_cond_destroy((pthread_cond_t *)c);
}

EXPORT int
cnd_wait(cnd_t *c, mtx_t *m)
{
	return thrderr(pthread_cond_wait((pthread_cond_t *)c, (pthread_mutex_t *)m));
}

EXPORT int
cnd_timedwait(cnd_t *c, mtx_t *m, const struct timespec *abstime)
{
	return thrderr(pthread_cond_timedwait((pthread_cond_t *)c, (pthread_mutex_t *)m, abstime));
}

EXPORT int
cnd_signal(cnd_t *c)
{
	return thrderr(pthread_cond_signal((pthread_cond_t *)c));
}

EXPORT int
cnd_broadcast(cnd_t *c)
{
	return thrderr(pthread_cond_broadcast((pthread_cond_t *)c));
}

EXPORT void
call_once(once_flag *once, void (*fn)(void))
{
	pthread_once((pthread_once_t *)once, fn);
}
