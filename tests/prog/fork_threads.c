/* SPDX-License-Identifier: MIT */
/* fork from main and from threads, with others in every state: the child has malloc, stdio, threads, sockets and its exit status. */
#include "io_util.h"

static int never[2];
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER, held = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cv = PTHREAD_COND_INITIALIZER;
static atomic_bool over;
static __thread int tls = 3;

/* The others: waiting, sleeping, computing, allocating, printing. */
static void *
other(void *arg)
{
	char b;
	struct timespec ts = { 0, MS };
	switch((intptr_t)arg % 6) {
	case 0:
		EQ(read(never[0], &b, 1), 0);
		break;
	case 1:
		pthread_mutex_lock(&mu);
		while(!over)
			pthread_cond_wait(&cv, &mu);
		pthread_mutex_unlock(&mu);
		break;
	case 2:
		while(!over)
			nanosleep(&ts, NULL);
		break;
	case 3:
		for(unsigned n = 1; !over; n = n * 5 + 1) {
			free(malloc(n % 5000));
			if(n % 16 == 1)
				usleep(100);
		}
		break;
	case 4: {
		FILE *f = fopen("/dev/null", "w");
		while(!over) {
			fprintf(f, "%d %s\n", 4711, "line");
			usleep(50);
		}
		fclose(f);
		break;
	}
	case 5: {
		int s[2];
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
		while(!over) {
			EQ(write(s[0], "x", 1), 1);
			EQ(read(s[1], &b, 1), 1);
			usleep(100);
		}
		OK(close(s[0])), OK(close(s[1]));
		break;
	}
	}
	return NULL;
}

static void *
adds(void *arg)
{
	pthread_mutex_lock(&held);
	++*(int *)arg;
	pthread_mutex_unlock(&held);
	struct timespec ts = { 0, 100000 };
	nanosleep(&ts, NULL);
	return arg;
}

/* All that a child of a threaded program may do, and more than POSIX lets it. */
static void
childwork(int id)
{
	int n = 0, s[2], p[2];
	char b = 0, *m[50];
	EQ(getppid() > 0, 1);
	EQ(tls, id);
	for(int i = 0; i < 50; i++)
		m[i] = memset(malloc(i * 100 + 1), i, i * 100 + 1);
	for(int i = 0; i < 50; i++)
		free(m[i]);
	pthread_t t[10];
	for(int i = 0; i < 10; i++)
		t[i] = spawn(adds, &n);
	for(int i = 0; i < 10; i++)
		CHECK(join(t[i]) == &n);
	EQ(n, 10);
	tcppair(s);
	pthread_t e = spawn(echofd, FDARG(s[1]));
	for(int i = 0; i < 10; i++) {
		EQ(write(s[0], &(char){ i }, 1), 1);
		EQ(read(s[0], &b, 1), 1);
		EQ(b, i);
	}
	OK(shutdown(s[0], SHUT_WR));
	join(e);
	/* A child of the child. */
	OK(pipe(p));
	pid_t pid = OK(fork());
	if(pid == 0) {
		n = 0;
		join(spawn(adds, &n));
		EQ(write(p[1], "g", 1), 1);
		_exit(n + 20);
	}
	EQ(read(p[0], &b, 1), 1);
	EQ(reap(pid), 21 << 8);
	char *text;
	CHECK(asprintf(&text, "child %d", id) > 0);
	free(text);
	FILE *f = tmpfile();
	CHECK(f && fprintf(f, "%d\n", id) > 0);
	fclose(f);
	pthread_mutex_lock(&held);
	pthread_mutex_unlock(&held);
}

static void
forkone(int id)
{
	tls = id;
	pid_t pid = OK(fork());
	if(pid == 0) {
		childwork(id);
		_exit(id);
	}
	EQ(reap(pid), id << 8);
	EQ(tls, id);
}

static void *
forker(void *arg)
{
	for(int i = 0, n = scale(3); i < n; i++)
		forkone((intptr_t)arg * 10 + i % 10 + 1);
	return NULL;
}

/* A child that ends by return from the thread's function, by pthread_exit, by exit. */
static void *
ends(void *arg)
{
	pid_t *pid = arg;
	fflush(stdout);
	if((*pid = OK(fork())) == 0)
		exit(5);
	return NULL;
}

int
main(void)
{
	enum { N = 12 };
	pid_t pid;
	OK(pipe(never));
	forkone(1); /* before any thread */
	pthread_t *t = spawnall(N, other);
	nudge();
	for(int i = 0, n = scale(5); i < n; i++)
		forkone(i % 100 + 2);
	pass("main");
	joinall(spawnall(4, forker), 4);
	pass("threads");
	join(spawn(ends, &pid));
	EQ(reap(pid), 5 << 8);
	pass("exit");
	pthread_mutex_lock(&mu);
	over = true;
	pthread_cond_broadcast(&cv);
	pthread_mutex_unlock(&mu);
	OK(close(never[1]));
	joinall(t, N);
	return 0;
}
