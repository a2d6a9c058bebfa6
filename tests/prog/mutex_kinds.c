/* SPDX-License-Identifier: MIT */
/* What each kind of mutex answers: relock, unlock by another, trylock, static initialisers, destroy. */
#include "prog.h"

static pthread_mutex_t snormal = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t srec = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t serr = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_mutex_t sadapt = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;

struct probe {
	pthread_mutex_t *m;
	int trylock, unlock;
};

/* What another thread sees of a mutex that is held. */
static void *
other(void *arg)
{
	struct probe *p = arg;
	struct timespec ts = deadline(CLOCK_REALTIME, 10 * MS);

	EQ(pthread_mutex_trylock(p->m), p->trylock);
	EQ(pthread_mutex_timedlock(p->m, &ts), ETIMEDOUT);
	if(p->unlock >= 0)
		EQ(pthread_mutex_unlock(p->m), p->unlock);
	return NULL;
}

static void *
lockfree(void *arg)
{
	OK(pthread_mutex_trylock(arg));
	OK(pthread_mutex_unlock(arg));
	OK(pthread_mutex_lock(arg));
	OK(pthread_mutex_unlock(arg));
	return NULL;
}

static void
held(pthread_mutex_t *m, int unlock)
{
	struct probe p = { m, EBUSY, unlock };

	join(spawn(other, &p));
}

static void
tryit(pthread_mutex_t *m, int type)
{
	struct timespec ts;
	int depth = 1;

	for(int round = 0; round < 3; round++) {
		OK(pthread_mutex_lock(m));
		switch(type) {
		case PTHREAD_MUTEX_RECURSIVE:
			for(; depth < 10; depth++)
				OK(depth % 2 ? pthread_mutex_lock(m) : pthread_mutex_trylock(m));
			held(m, EPERM);
			for(; depth > 1; depth--) {
				OK(pthread_mutex_unlock(m));
				held(m, EPERM);
			}
			break;
		case PTHREAD_MUTEX_ERRORCHECK:
			EQ(pthread_mutex_lock(m), EDEADLK);
			ts = deadline(CLOCK_REALTIME, 10 * MS);
			EQ(pthread_mutex_timedlock(m, &ts), EDEADLK);
			EQ(pthread_mutex_trylock(m), EBUSY);
			held(m, EPERM);
			break;
		default:
			EQ(pthread_mutex_trylock(m), EBUSY);
			ts = deadline(CLOCK_REALTIME, 10 * MS);
			EQ(pthread_mutex_timedlock(m, &ts), ETIMEDOUT);
			held(m, -1);
			break;
		}
		OK(pthread_mutex_unlock(m));
		join(spawn(lockfree, m));
	}
	if(type == PTHREAD_MUTEX_RECURSIVE || type == PTHREAD_MUTEX_ERRORCHECK)
		EQ(pthread_mutex_unlock(m), EPERM);
	OK(pthread_mutex_lock(m));
	EQ(pthread_mutex_destroy(m), EBUSY);
	OK(pthread_mutex_unlock(m));
	OK(pthread_mutex_destroy(m));
}

static void *
ownerends(void *arg)
{
	OK(pthread_mutex_lock(arg));
	return NULL;
}

int
main(void)
{
	static const int types[] = { PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE,
	    PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_ADAPTIVE_NP };
	pthread_mutexattr_t a;
	pthread_mutex_t m;
	int got;

	/* Once before any other thread has been made, and once after. */
	for(int round = 0; round < 2; round++) {
		for(size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
			OK(pthread_mutexattr_init(&a));
			OK(pthread_mutexattr_settype(&a, types[i]));
			OK(pthread_mutexattr_gettype(&a, &got));
			EQ(got, types[i]);
			OK(pthread_mutex_init(&m, &a));
			OK(pthread_mutexattr_destroy(&a));
			tryit(&m, types[i]);
		}
		OK(pthread_mutex_init(&m, NULL));
		tryit(&m, PTHREAD_MUTEX_DEFAULT);
	}
	tryit(&snormal, PTHREAD_MUTEX_NORMAL);
	tryit(&srec, PTHREAD_MUTEX_RECURSIVE);
	tryit(&serr, PTHREAD_MUTEX_ERRORCHECK);
	tryit(&sadapt, PTHREAD_MUTEX_ADAPTIVE_NP);

	/* Left locked by a thread that ended: still locked; a normal one may be unlocked by main. */
	OK(pthread_mutex_init(&m, NULL));
	join(spawn(ownerends, &m));
	EQ(pthread_mutex_trylock(&m), EBUSY);
	OK(pthread_mutex_unlock(&m));
	OK(pthread_mutex_trylock(&m));
	OK(pthread_mutex_unlock(&m));
	OK(pthread_mutexattr_init(&a));
	EQ(pthread_mutexattr_settype(&a, 99), EINVAL);
	puts("ok");
	return 0;
}
