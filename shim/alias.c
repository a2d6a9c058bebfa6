/* SPDX-License-Identifier: MIT */
/* Second names of functions, by which programs and libraries of old import them. */
#include "libc.h"

EXPORT int
__pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *attr)
{
	return pthread_mutex_init(m, attr);
}

EXPORT int
__pthread_mutex_lock(pthread_mutex_t *m)
{
	return pthread_mutex_lock(m);
}

EXPORT int
__pthread_mutex_trylock(pthread_mutex_t *m)
{
	return pthread_mutex_trylock(m);
}

EXPORT int
__pthread_mutex_unlock(pthread_mutex_t *m)
{
	return pthread_mutex_unlock(m);
}

EXPORT int
__pthread_rwlock_rdlock(pthread_rwlock_t *l)
{
	return pthread_rwlock_rdlock(l);
}

EXPORT int
__pthread_rwlock_tryrdlock(pthread_rwlock_t *l)
{
	return pthread_rwlock_tryrdlock(l);
}

EXPORT int
__pthread_rwlock_wrlock(pthread_rwlock_t *l)
{
	return pthread_rwlock_wrlock(l);
}

EXPORT int
__pthread_rwlock_trywrlock(pthread_rwlock_t *l)
{
	return pthread_rwlock_trywrlock(l);
}

EXPORT int
__pthread_rwlock_unlock(pthread_rwlock_t *l)
{
	return pthread_rwlock_unlock(l);
}

EXPORT int
__pthread_once(pthread_once_t *once, void (*fn)(void))
{
	return pthread_once(once, fn);
}

EXPORT int
__sched_getscheduler(pid_t pid)
{
	return sched_getscheduler(pid);
}

EXPORT int
__sched_setscheduler(pid_t pid, int policy, const struct sched_param *param)
{
	return sched_setscheduler(pid, policy, param);
}

EXPORT int
__sched_getparam(pid_t pid, struct sched_param *param)
{
	return sched_getparam(pid, param);
}
