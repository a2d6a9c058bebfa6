/* SPDX-License-Identifier: MIT */
/*
 * Priority-inheriting futexes by syscall(2): the word holds the owner's thread id, the kernel queues who waits, hands the lock
 * over, and frees it if its owner ends; conditions are requeued to it.
 */
#include "io_util.h"
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

enum { N = 4, ROUNDS = 300 };

static uint32_t word;
static long counted;

static long
pi(int op, struct timespec *ts)
{
	return syscall(SYS_futex, &word, op | FUTEX_PRIVATE_FLAG, 0, ts, NULL, 0);
}

static void
lockit(void)
{
	uint32_t nobody = 0;

	if(!__atomic_compare_exchange_n(&word, &nobody, (uint32_t)gettid(), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		while(pi(FUTEX_LOCK_PI, NULL) != 0)
			CHECK(errno == EINTR || errno == EAGAIN);
	EQ(word & FUTEX_TID_MASK, gettid());
}

static void
unlockit(void)
{
	uint32_t me = gettid();

	if(!__atomic_compare_exchange_n(&word, &me, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		OK(pi(FUTEX_UNLOCK_PI, NULL));
}

static void *
worker(void *arg)
{
	for(int i = 0; i < ROUNDS; i++) {
		lockit();
		long c = counted;
		if(i % 10 == 0)
			sched_yield();
		counted = c + 1;
		unlockit();
	}
	return NULL;
}

/* What who does not own it is told. */
static void *
stranger(void *arg)
{
	struct timespec ts;

	FAILS(pi(FUTEX_UNLOCK_PI, NULL), EPERM);
	FAILS(pi(FUTEX_TRYLOCK_PI, NULL), EAGAIN);
	OK(clock_gettime(CLOCK_REALTIME, &ts));
	ts = tspec(ts.tv_sec * SEC + ts.tv_nsec + 20 * MS);
	FAILS(pi(FUTEX_LOCK_PI, &ts), ETIMEDOUT);
	return NULL;
}

static void *
waiter(void *arg)
{
	lockit();
	unlockit();
	return NULL;
}

/* ---- an owner that ends ---- */

static void *
leaves(void *arg)
{
	lockit();
	if(arg != NULL)
		while(!(__atomic_load_n(&word, __ATOMIC_SEQ_CST) & FUTEX_WAITERS))
			usleep(1000);
	return NULL;
}

static void *
inherits(void *arg)
{
	while(__atomic_load_n(&word, __ATOMIC_SEQ_CST) == 0)
		usleep(1000);
	OK(pi(FUTEX_LOCK_PI, NULL));
	EQ(word & FUTEX_TID_MASK, gettid());
	CHECK(word & FUTEX_OWNER_DIED);
	OK(pi(FUTEX_UNLOCK_PI, NULL));
	return NULL;
}

static void
ends(void)
{
	pthread_t heirs[2], t;

	join(spawn(leaves, NULL)); /* nobody waits: it is lost */
	FAILS(pi(FUTEX_LOCK_PI, NULL), ESRCH);
	word = 0;
	t = spawn(leaves, &word);
	heirs[0] = spawn(inherits, NULL);
	join(t);
	join(heirs[0]);
	EQ(word & FUTEX_TID_MASK, 0);
	word = 0;
	pass("owners that end");
}

/* ---- handlers ---- */

static atomic_int handled, blocks;

static void
onsig(int sig)
{
	handled++;
}

static void *
interrupted(void *arg)
{
	blocks = 1;
	OK(pi(FUTEX_LOCK_PI, NULL)); /* goes on, even after a handler without SA_RESTART */
	EQ(handled, 1);
	OK(pi(FUTEX_UNLOCK_PI, NULL));
	return NULL;
}

static void
handlers(void)
{
	struct sigaction sa = { .sa_handler = onsig };
	pthread_t t;

	OK(sigaction(SIGUSR1, &sa, NULL));
	lockit();
	t = spawn(interrupted, NULL);
	while(!(__atomic_load_n(&word, __ATOMIC_SEQ_CST) & FUTEX_WAITERS))
		usleep(1000);
	usleep(5000);
	OK(pthread_kill(t, SIGUSR1));
	while(handled == 0)
		usleep(1000);
	usleep(5000);
	EQ(word, (uint32_t)gettid() | FUTEX_WAITERS);
	unlockit();
	join(t);
	EQ(word, 0);
	pass("handlers");
}

/* ---- conditions ---- */

static uint32_t cond;
static atomic_int waiting, through;

static void *
condwaits(void *arg)
{
	uint32_t seen = __atomic_load_n(&cond, __ATOMIC_SEQ_CST);

	waiting++;
	OK(syscall(SYS_futex, &cond, FUTEX_WAIT_REQUEUE_PI | FUTEX_PRIVATE_FLAG, seen, NULL, &word, 0));
	EQ(word & FUTEX_TID_MASK, gettid());
	through++;
	unlockit();
	return NULL;
}

static long
requeue(int nr, uint32_t seen)
{
	return syscall(SYS_futex, &cond, FUTEX_CMP_REQUEUE_PI | FUTEX_PRIVATE_FLAG, 1, (long)nr, &word, seen);
}

static void
conditions(void)
{
	struct timespec ts = tspec(now() + 10 * MS);
	pthread_t t[N];
	long n = 0;

	EQ(syscall(SYS_futex, &cond, FUTEX_WAIT_REQUEUE_PI | FUTEX_PRIVATE_FLAG, 1, NULL, &word, 0), -1);
	EQ(errno, EAGAIN);
	EQ(syscall(SYS_futex, &cond, FUTEX_WAIT_REQUEUE_PI | FUTEX_PRIVATE_FLAG, 0, &ts, &word, 0), -1);
	EQ(errno, ETIMEDOUT);
	FAILS(requeue(0, 1), EAGAIN);
	EQ(requeue(INT32_MAX, 0), 0);
	/* with the lock held: all move, and get it in turn */
	for(int i = 0; i < N; i++)
		t[i] = spawn(condwaits, NULL);
	lockit();
	while(n < N) {
		n += requeue(INT32_MAX, 0);
		CHECK(n >= 0);
		usleep(1000);
	}
	EQ(n, N);
	EQ(through, 0);
	EQ(word, (uint32_t)gettid() | FUTEX_WAITERS);
	unlockit();
	for(int i = 0; i < N; i++)
		join(t[i]);
	EQ(through, N);
	EQ(word & FUTEX_TID_MASK, 0);
	word = 0;
	/* with the lock free: the first one gets it */
	t[0] = spawn(condwaits, NULL);
	while((n = requeue(0, 0)) == 0)
		usleep(1000);
	EQ(n, 1);
	join(t[0]);
	EQ(word & FUTEX_TID_MASK, 0);
	pass("conditions");
}

/* ---- times and what is wrong ---- */

static void *
late(void *arg)
{
	struct timespec ts = tspec(now() + 10 * MS), bad = { 0, 1000000000 }, past = { 1, 0 };
	long r = pi(FUTEX_LOCK_PI2, &ts);

	EQ(r, -1);
	CHECK(errno == ETIMEDOUT || errno == ENOSYS);
	FAILS(pi(FUTEX_LOCK_PI, &past), ETIMEDOUT);
	FAILS(pi(FUTEX_LOCK_PI, &bad), EINVAL);
	FAILS(syscall(SYS_futex, (char *)&word + 1, FUTEX_LOCK_PI | FUTEX_PRIVATE_FLAG, 0, NULL, NULL, 0), EINVAL);
	FAILS(pi(FUTEX_LOCK_PI | FUTEX_CLOCK_REALTIME, NULL), ENOSYS);
	FAILS(syscall(SYS_futex, &cond, FUTEX_WAIT_REQUEUE_PI | FUTEX_PRIVATE_FLAG, cond, NULL, &cond, 0), EINVAL);
	return NULL;
}

int
main(void)
{
	joinall(spawnall(N, worker), N);
	EQ(counted, N * ROUNDS);
	EQ(word, 0);
	pass("exclusion");
	lockit();
	FAILS(pi(FUTEX_LOCK_PI, NULL), EDEADLK);
	join(spawn(stranger, NULL));
	pass("strangers");
	pthread_t t = spawn(waiter, NULL);
	while(!(__atomic_load_n(&word, __ATOMIC_SEQ_CST) & FUTEX_WAITERS))
		usleep(1000);
	EQ(word & FUTEX_TID_MASK, gettid());
	unlockit();
	join(t);
	EQ(word & FUTEX_TID_MASK, 0);
	pass("waiter");
	lockit();
	join(spawn(late, NULL));
	unlockit();
	pass("times");
	ends();
	handlers();
	conditions();
	return 0;
}
