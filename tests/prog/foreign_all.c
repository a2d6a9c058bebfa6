/* SPDX-License-Identifier: MIT */
/* build: -lanl -lrt */
/* timeout: 60 */
/*
 * Threads that libc makes for a notification (timers, aio, message queues, name look-ups) use every kind of object together with
 * the program's own threads, both ways; aio and getaddrinfo_a with each kind of notification, waited for, cancelled, and timed out.
 */
#include "prog.h"
#include "mq_util.h"
#include <aio.h>
#include <fcntl.h>
#include <netdb.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>

/* ---- a session between two threads, of whatever kind ---- */

static struct session {
	pthread_mutex_t m, rec, check, robust, inherit;
	pthread_cond_t c;
	pthread_rwlock_t rw;
	pthread_barrier_t b;
	pthread_spinlock_t spin;
	pthread_once_t once;
	sem_t there, back;
	int turn, n;
} s;
static pthread_key_t key;
static atomic_int given, destroyed, onces;
static __thread int mine;

static void
destroy(void *v)
{
	EQ(*(int *)v, 42);
	free(v);
	destroyed++;
}

static void
once(void)
{
	onces++;
	usleep(1000);
}

static void *
leaf(void *arg)
{
	mine++;
	return (void *)((intptr_t)arg + mine);
}

static void
prepare(void)
{
	pthread_mutexattr_t a;

	memset(&s, 0, sizeof s);
	OK(pthread_mutexattr_init(&a));
	OK(pthread_mutex_init(&s.m, NULL));
	OK(pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE));
	OK(pthread_mutex_init(&s.rec, &a));
	OK(pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK));
	OK(pthread_mutex_init(&s.check, &a));
	OK(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST));
	OK(pthread_mutex_init(&s.robust, &a));
	OK(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_STALLED));
	OK(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT));
	OK(pthread_mutex_init(&s.inherit, &a));
	OK(pthread_mutexattr_destroy(&a));
	OK(pthread_cond_init(&s.c, NULL));
	OK(pthread_rwlock_init(&s.rw, NULL));
	OK(pthread_barrier_init(&s.b, NULL, 2));
	OK(pthread_spin_init(&s.spin, 0));
	OK(sem_init(&s.there, 0, 0));
	OK(sem_init(&s.back, 0, 0));
	s.once = PTHREAD_ONCE_INIT;
	onces = 0;
}

/* Counts n up 100 times a kind of lock, against the other one. */
#define AGAINST(lock, unlock)                 \
	for(int i = 0; i < 100; i++) {        \
		int was;                      \
                                              \
		OK(lock);                     \
		was = s.n;                    \
		if(i % 10 == 0)               \
			sched_yield();        \
		s.n = was + 1;                \
		OK(unlock);                   \
	}

/* Gives the thread a value to destroy; libc may use one of its threads again, which then has one. */
static void
givevalue(void)
{
	int *v = pthread_getspecific(key);

	if(v == NULL) {
		v = malloc(sizeof *v);
		OK(pthread_setspecific(key, v));
		*v = 42;
		given++;
	}
	EQ(*v, 42);
}

/* me: 0 or 1. */
static void
meet(int me)
{
	struct timespec ts;
	void *r;

	givevalue();
	CHECK(pthread_equal(pthread_self(), pthread_self()));
	pthread_barrier_wait(&s.b);
	OK(pthread_once(&s.once, once));
	EQ(onces, 1);

	/* turns by a condition variable */
	OK(pthread_mutex_lock(&s.m));
	for(int i = 0; i < 50; i++) {
		while(s.turn != me) {
			ts = deadline(CLOCK_REALTIME, 20 * SEC);
			OK(i % 2 ? pthread_cond_wait(&s.c, &s.m) : pthread_cond_timedwait(&s.c, &s.m, &ts));
		}
		s.turn = !me;
		OK(pthread_cond_signal(&s.c));
	}
	OK(pthread_mutex_unlock(&s.m));

	/* turns by semaphores */
	for(int i = 0; i < 50; i++) {
		ts = deadline(CLOCK_REALTIME, 20 * SEC);
		EQ(sem_post(me ? &s.there : &s.back), 0);
		if(i % 2)
			EQ(sem_timedwait(me ? &s.back : &s.there, &ts), 0);
		else
			EQ(sem_wait(me ? &s.back : &s.there), 0);
	}

	pthread_barrier_wait(&s.b);
	s.n = 0;
	pthread_barrier_wait(&s.b);
	AGAINST(pthread_mutex_lock(&s.m), pthread_mutex_unlock(&s.m))
	pthread_barrier_wait(&s.b);
	AGAINST(pthread_mutex_lock(&s.rec), pthread_mutex_unlock(&s.rec))
	pthread_barrier_wait(&s.b);
	AGAINST(pthread_mutex_lock(&s.check), pthread_mutex_unlock(&s.check))
	pthread_barrier_wait(&s.b);
	AGAINST(pthread_mutex_lock(&s.robust), pthread_mutex_unlock(&s.robust))
	pthread_barrier_wait(&s.b);
	AGAINST(pthread_mutex_lock(&s.inherit), pthread_mutex_unlock(&s.inherit))
	pthread_barrier_wait(&s.b);
	AGAINST(pthread_rwlock_wrlock(&s.rw), pthread_rwlock_unlock(&s.rw))
	pthread_barrier_wait(&s.b);
	AGAINST(pthread_spin_lock(&s.spin), pthread_spin_unlock(&s.spin))
	if(pthread_barrier_wait(&s.b) == PTHREAD_BARRIER_SERIAL_THREAD)
		EQ(s.n, 7 * 200);

	/* the one holds what the other tries */
	for(int i = 0; i < 2; i++) {
		if(i == me) {
			OK(pthread_mutex_lock(&s.check));
			EQ(pthread_mutex_lock(&s.check), EDEADLK);
			OK(pthread_rwlock_rdlock(&s.rw));
			pthread_barrier_wait(&s.b);
			pthread_barrier_wait(&s.b);
			OK(pthread_rwlock_unlock(&s.rw));
			OK(pthread_mutex_unlock(&s.check));
		}else {
			pthread_barrier_wait(&s.b);
			EQ(pthread_mutex_trylock(&s.check), EBUSY);
			EQ(pthread_mutex_unlock(&s.check), EPERM);
			ts = deadline(CLOCK_REALTIME, 3 * MS);
			EQ(pthread_mutex_timedlock(&s.check, &ts), ETIMEDOUT);
			EQ(pthread_rwlock_timedwrlock(&s.rw, &ts), ETIMEDOUT);
			OK(pthread_rwlock_tryrdlock(&s.rw));
			OK(pthread_rwlock_unlock(&s.rw));
			pthread_barrier_wait(&s.b);
		}
		pthread_barrier_wait(&s.b);
	}

	/* either makes threads and joins them */
	for(intptr_t i = 0; i < 10; i++) {
		r = join(spawn(leaf, (void *)i));
		EQ((intptr_t)r, i + 1);
	}
	mine++;
	OK(pthread_mutex_lock(&s.robust));
	OK(pthread_mutex_unlock(&s.robust));
	pthread_barrier_wait(&s.b);
}

static void
notified(union sigval v)
{
	EQ(v.sival_int, 77);
	EQ(mine, 0);
	meet(1);
}

static struct sigevent
bythread(void)
{
	struct sigevent ev;

	memset(&ev, 0, sizeof ev);
	ev.sigev_notify = SIGEV_THREAD;
	ev.sigev_notify_function = notified;
	ev.sigev_value.sival_int = 77;
	return ev;
}

static atomic_int sigs, code, value;

static void
onsig(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)uc;
	code = si->si_code;
	value = si->si_value.sival_int;
	sigs++;
}

static struct sigevent
bysignal(void)
{
	struct sigevent ev;

	memset(&ev, 0, sizeof ev);
	ev.sigev_notify = SIGEV_SIGNAL;
	ev.sigev_signo = SIGRTMIN + 2;
	ev.sigev_value.sival_int = 78;
	return ev;
}

static void
awaitsig(int n)
{
	while(sigs < n)
		usleep(200);
	EQ(value, 78);
}

/* ---- who notifies ---- */

static void
timers(void)
{
	struct itimerspec it = { .it_value = { 0, 1000000 } };
	struct sigevent ev = bythread();
	timer_t t;

	prepare();
	EQ(timer_create(CLOCK_MONOTONIC, &ev, &t), 0);
	EQ(timer_settime(t, 0, &it, NULL), 0);
	meet(0);
	EQ(timer_delete(t), 0);
	puts("timer ok");
}

static void
queues(void)
{
	struct mq_attr at = { .mq_maxmsg = 4, .mq_msgsize = 16 };
	struct sigevent ev = bythread();
	char name[32], msg[16];
	mqd_t q;

	snprintf(name, sizeof name, "/foreign_all.%d", getpid());
	if((q = mqmake(name, O_RDWR, &at)) == (mqd_t)-1) {
		printf("no message queues\n");
		return;
	}
	mq_unlink(name);
	for(int i = 0; i < 3; i++) {
		prepare();
		EQ(mq_notify(q, &ev), 0);
		EQ(mq_notify(q, &ev), -1);
		EQ(errno, EBUSY);
		EQ(mq_send(q, "x", 1, 0), 0);
		meet(0);
		EQ(mq_receive(q, msg, sizeof msg, NULL), 1);
	}
	ev = bysignal();
	sigs = 0;
	EQ(mq_notify(q, &ev), 0);
	EQ(mq_send(q, "x", 1, 0), 0);
	awaitsig(1);
	EQ(code, SI_MESGQ);
	EQ(mq_notify(q, NULL), 0);
	mq_close(q);
	puts("mq ok");
}

static void
cb(struct aiocb *a, int fd, void *buf, size_t n)
{
	memset(a, 0, sizeof *a);
	a->aio_fildes = fd;
	a->aio_buf = buf;
	a->aio_nbytes = n;
	a->aio_sigevent.sigev_notify = SIGEV_NONE;
}

static void
await(struct aiocb *a, int want)
{
	const struct aiocb *l[] = { a };
	int r;

	while(aio_error(a) == EINPROGRESS)
		while((r = aio_suspend(l, 1, NULL)) != 0)
			EQ(errno, EINTR);
	EQ(aio_error(a), 0);
	EQ(aio_return(a), want);
}

static void
aio(void)
{
	struct aiocb r, w, many[8], *list[9] = { NULL };
	const struct aiocb *lr[] = { NULL, &r };
	struct timespec ts = { 0, 5000000 };
	char in[64], out[64] = "over", path[] = "/tmp/foreign_allXXXXXX";
	struct sigevent ev;
	int fds[2], fd, e;

	/* a read that waits for a write, with each notification */
	EQ(pipe(fds), 0);
	cb(&r, fds[0], in, sizeof in);
	EQ(aio_read(&r), 0);
	EQ(aio_error(&r), EINPROGRESS);
	EQ(aio_suspend(lr, 2, &ts), -1);
	EQ(errno, EAGAIN);
	cb(&w, fds[1], out, 4);
	EQ(aio_write(&w), 0);
	await(&w, 4);
	await(&r, 4);
	EQ(memcmp(in, "over", 4), 0);

	for(int i = 0; i < 3; i++) {
		prepare();
		cb(&r, fds[0], in, sizeof in);
		r.aio_sigevent = bythread();
		EQ(aio_read(&r), 0);
		msleep(i);
		EQ(write(fds[1], "ab", 2), 2);
		meet(0);
		await(&r, 2);
	}
	sigs = 0;
	cb(&r, fds[0], in, sizeof in);
	r.aio_sigevent = bysignal();
	EQ(aio_read(&r), 0);
	EQ(write(fds[1], "abc", 3), 3);
	awaitsig(1);
	EQ(code, SI_ASYNCIO);
	await(&r, 3);
	puts("aio ok");

	/* cancelling: what waits behind another, what is at work, what is done */
	cb(&r, fds[0], in, 1);
	cb(&w, fds[0], out, 1);
	EQ(aio_read(&r), 0);
	EQ(aio_read(&w), 0);
	msleep(5); /* most likely r is at work */
	printf("cancel behind: %d\n", aio_cancel(fds[0], &w) == AIO_CANCELED);
	EQ(aio_error(&w), ECANCELED);
	EQ(aio_return(&w), -1);
	/* where it was not at work yet it is cancelled, too */
	if((e = aio_cancel(fds[0], &r)) == AIO_CANCELED)
		EQ(aio_error(&r), ECANCELED);
	else {
		EQ(e, AIO_NOTCANCELED);
		EQ(write(fds[1], "z", 1), 1);
		await(&r, 1);
	}
	printf("cancel done: %d\n", aio_cancel(fds[0], &r) == AIO_ALLDONE);
	EQ(aio_cancel(9999, NULL), -1);
	EQ(errno, EBADF);
	cb(&r, 9999, in, 1);
	e = aio_read(&r);
	if(e == 0) {
		while(aio_error(&r) == EINPROGRESS)
			usleep(100);
		EQ(aio_error(&r), EBADF);
		EQ(aio_return(&r), -1);
	}

	/* lists on a file */
	CHECK((fd = mkstemp(path)) >= 0);
	unlink(path);
	for(int mode = 0; mode < 4; mode++) {
		for(int i = 0; i < 8; i++) {
			cb(&many[i], fd, (char *)out + i, 1);
			many[i].aio_offset = i;
			many[i].aio_lio_opcode = i == 5 ? LIO_NOP : LIO_WRITE;
			list[i] = &many[i];
		}
		prepare();
		ev = mode == 2 ? bythread() : bysignal();
		sigs = 0;
		EQ(lio_listio(mode == 0 ? LIO_WAIT : LIO_NOWAIT, list, 9, mode == 0 || mode == 3 ? NULL : &ev), 0);
		if(mode == 1)
			awaitsig(1);
		if(mode == 2)
			meet(0);
		for(int i = 0; i < 8; i++)
			if(i != 5)
				await(&many[i], 1);
	}
	EQ(pread(fd, in, 8, 0), 8);
	EQ(memcmp(in, "over", 4), 0);
	cb(&r, fd, NULL, 0);
	EQ(aio_fsync(O_SYNC, &r), 0);
	await(&r, 0);
	close(fd);
	close(fds[0]);
	close(fds[1]);
	puts("lists ok");
}

static void
names(void)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
	struct gaicb q[4], *list[4];
	const struct gaicb *cl[4];
	struct sigevent ev;

	for(int mode = 0; mode < 4; mode++) {
		for(int i = 0; i < 4; i++) {
			q[i] = (struct gaicb){ .ar_name = i == 2 ? "not a number" : "127.0.0.1", .ar_service = "80", .ar_request = &hints };
			list[i] = &q[i];
			cl[i] = &q[i];
		}
		prepare();
		ev = mode == 2 ? bythread() : bysignal();
		sigs = 0;
		EQ(getaddrinfo_a(mode == 0 ? GAI_WAIT : GAI_NOWAIT, list, 4, mode == 0 || mode == 3 ? NULL : &ev), 0);
		if(mode == 1)
			awaitsig(1);
		if(mode == 2)
			meet(0);
		for(int i = 0; i < 4; i++) {
			while(gai_error(&q[i]) == EAI_INPROGRESS) {
				int e = gai_suspend(cl + i, 1, NULL);

				CHECK(e == 0 || e == EAI_ALLDONE || e == EAI_INTR);
			}
			EQ(gai_error(&q[i]), i == 2 ? EAI_NONAME : 0);
			if(i != 2) {
				CHECK(q[i].ar_result != NULL);
				freeaddrinfo(q[i].ar_result);
			}
			int e = gai_cancel(&q[i]);
			CHECK(e == EAI_ALLDONE || e == EAI_NOTCANCELED); /* its thread may not be quite through with it */
		}
	}
	puts("names ok");
}

static atomic_int over;

static void *
works(void *arg)
{
	while(!over) {
		free(malloc(50));
		usleep(50);
	}
	return arg;
}

static void *
everything(void *arg)
{
	timers();
	queues();
	aio();
	names();
	return arg;
}

int
main(void)
{
	struct sigaction sa = { .sa_sigaction = onsig, .sa_flags = SA_SIGINFO | SA_RESTART };
	pthread_t t[4];

	EQ(sigaction(SIGRTMIN + 2, &sa, NULL), 0);
	OK(pthread_key_create(&key, destroy));
	for(int i = 0; i < 4; i++)
		t[i] = spawn(works, NULL);
	join(spawn(everything, NULL));
	everything(NULL);
	over = 1;
	for(int i = 0; i < 4; i++)
		join(t[i]);
	/* libc keeps one or another of its threads for later, and main goes on; the others have ended, or are about to */
	for(int i = 0; i < 5000 && destroyed < given / 2; i++)
		usleep(1000);
	CHECK(destroyed >= given / 2 && destroyed < given);
	return 0;
}
