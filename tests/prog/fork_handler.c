/* SPDX-License-Identifier: MIT */
/*
 * fork in a signal handler, of a thread that waits in one call or another. The handler returns in the child too, where the call
 * goes on or fails with EINTR as in the parent, with nobody else there.
 */
#include "io_util.h"

enum { IDLE = 12 };

static int p[2], toparent[2];
static sem_t sem;
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pid_t self, kid;
static bool go;
static atomic_int handled;

static void
onusr(int sig)
{
	int e = errno;

	if(handled == 0){
		kid = fork();
		if(kid != 0)
			handled++;
	}
	errno = e;
}

static int
doread(void)
{
	char b;

	return read(p[0], &b, 1) == 1 ? b : -errno;
}

static int
dosem(void)
{
	return sem_wait(&sem) == 0 ? 'x' : -errno;
}

static int
dosleep(void)
{
	struct timespec ts = {0, 600 * MS};

	return nanosleep(&ts, NULL) == 0 ? 'x' : -errno;
}

static int
dopoll(void)
{
	struct pollfd f = {p[0], POLLIN, 0};

	return poll(&f, 1, 20000) == 1 ? 'x' : -errno;
}

/* Without the signal, which never comes in the child, its time passes. */
static int
docond(void)
{
	struct timespec ts;
	int e = 0;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += getpid() == self ? 2 : 0;
	OK(pthread_mutex_lock(&mu));
	while(!go && e == 0)
		e = pthread_cond_timedwait(&cond, &mu, &ts);
	OK(pthread_mutex_unlock(&mu));
	return go ? 'x' : -e;
}

static void
give(void)
{
	EQ(write(p[1], "xx", 2), 2); /* one for the child, which has the same pipe */
}

static void
post(void)
{
	OK(sem_post(&sem));
}

static void
signalcond(void)
{
	OK(pthread_mutex_lock(&mu));
	go = true;
	OK(pthread_cond_signal(&cond));
	OK(pthread_mutex_unlock(&mu));
}

static void
nothing(void)
{
}

static const struct {
	const char *name;
	int (*run)(void);
	void (*finish)(void);
	int flags, want, childwant;
} calls[] = {
	{"read", doread, give, 0, -EINTR, -EINTR},
	{"read, SA_RESTART", doread, give, SA_RESTART, 'x', 'x'},
	{"sem_wait", dosem, post, 0, -EINTR, -EINTR},
	{"nanosleep", dosleep, nothing, SA_RESTART, -EINTR, -EINTR},
	{"poll", dopoll, give, SA_RESTART, -EINTR, -EINTR},
	{"cond", docond, signalcond, 0, 'x', -ETIMEDOUT},
};

static void *
idler(void *arg)
{
	char b;

	EQ(read(toparent[0], &b, 1), 0);
	return NULL;
}

struct job {
	int k;
	atomic_bool begun, done;
};

static void *
waiter(void *arg)
{
	struct job *j = arg;
	int r;

	j->begun = true;
	r = calls[j->k].run();

	if(getpid() != self)
		_exit(r == calls[j->k].childwant ? 17 : 18);
	j->done = true;
	if(r != calls[j->k].want)
		die(__FILE__, __LINE__, "%s: %d, not %d", calls[j->k].name, r, calls[j->k].want);
	return NULL;
}

static void
try(int k)
{
	struct sigaction sa = {.sa_handler = onusr, .sa_flags = calls[k].flags};
	struct job j = {.k = k};
	pthread_t t;
	int st;

	handled = 0;
	OK(pipe(p));
	OK(sigaction(SIGUSR1, &sa, NULL));
	t = spawn(waiter, &j);
	while(!j.begun)
		usleep(1000);
	usleep(100000); /* it waits by now */
	EQ(pthread_kill(t, SIGUSR1), 0);
	while(!handled && !j.done)
		usleep(1000);
	usleep(30000);
	if(!j.done)
		calls[k].finish();
	join(t);
	EQ(waitpid(kid, &st, 0), kid);
	EQ(st, 17 << 8);
	OK(close(p[0])), OK(close(p[1]));
	go = false;
	pass("%s", calls[k].name);
}

int
main(void)
{
	pthread_t *t;

	self = getpid();
	OK(pipe(toparent));
	OK(sem_init(&sem, 0, 0));
	t = spawnall(IDLE, idler);
	for(size_t k = 0; k < nelem(calls); k++)
		try((int)k);
	OK(close(toparent[1]));
	joinall(t, IDLE);
	return 0;
}
