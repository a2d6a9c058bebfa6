/* SPDX-License-Identifier: MIT */
/*
 * Functions of libc's looked up by handles of libc, of the program, of libraries that need libc, and as the next ones, from the
 * program and from a library: they are those that the program is linked with. Interposers, the program's own and a library's, stay.
 */
#include "prog.h"
#include <dlfcn.h>
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* What libraries bind this way. */
#define NAMES(X) \
	X(pthread_create) X(pthread_join) X(pthread_mutex_lock) X(pthread_mutex_unlock) X(pthread_cond_wait) \
	X(pthread_cond_signal) X(pthread_cond_timedwait) X(pthread_rwlock_wrlock) X(sem_wait) X(sem_post) X(pthread_kill) \
	X(pthread_setschedparam) X(read) X(write) X(poll) X(recv) X(usleep) X(fork) X(execve) X(sigaction) \
	X(pthread_sigmask) X(gettid) X(syscall) X(epoll_wait) X(close) X(pthread_exit)


static const struct name {
	const char *name;
	void *linked;
} names[] = {
#define X(n) { #n, (void *)n },
	NAMES(X)
};
enum { NNAMES = sizeof names / sizeof names[0] };

/* The program's own interposer. */
static atomic_int slept;
static int (*nextnanosleep)(const struct timespec *, struct timespec *);

int
nanosleep(const struct timespec *t, struct timespec *left)
{
	slept++;
	return nextnanosleep(t, left);
}

static void
object(const char *what, void *h)
{
	int same = 0;

	for(int i = 0; i < NNAMES; i++) {
		void *f = dlsym(h, names[i].name);

		if(f == names[i].linked)
			same++;
		else
			dprintf(2, "%s: %s is %p, linked with %p\n", what, names[i].name, f, names[i].linked);
	}
	printf("%s: %d of %d\n", what, same, NNAMES);
}

/* A whole program of what was looked up. */
static struct {
	int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	int (*join)(pthread_t, void **);
	int (*lock)(pthread_mutex_t *), (*unlock)(pthread_mutex_t *);
	int (*wait)(pthread_cond_t *, pthread_mutex_t *), (*broadcast)(pthread_cond_t *);
	ssize_t (*read)(int, void *, size_t);
	pid_t (*gettid)(void);
} f;

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int turn, fds[2];

static void *
found(void *arg)
{
	intptr_t me = (intptr_t)arg;
	char ch;

	EQ(f.gettid(), gettid());
	for(int i = 0; i < 50; i++) {
		OK(i % 2 ? f.lock(&m) : pthread_mutex_lock(&m));
		while(turn % 4 != me)
			OK(i % 3 ? f.wait(&c, &m) : pthread_cond_wait(&c, &m));
		turn++;
		OK(i % 4 ? f.broadcast(&c) : pthread_cond_broadcast(&c));
		OK(i % 5 ? f.unlock(&m) : pthread_mutex_unlock(&m));
	}
	EQ(f.read(fds[0], &ch, 1), 1);
	return (void *)(me + ch);
}

static void
use(void *h)
{
	pthread_t t[4];
	void *r;

	f.create = dlsym(h, "pthread_create");
	f.join = dlsym(h, "pthread_join");
	f.lock = dlsym(h, "pthread_mutex_lock");
	f.unlock = dlsym(h, "pthread_mutex_unlock");
	f.wait = dlsym(h, "pthread_cond_wait");
	f.broadcast = dlsym(h, "pthread_cond_broadcast");
	f.read = dlsym(h, "read");
	f.gettid = dlsym(h, "gettid");
	EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	turn = 0;
	for(intptr_t i = 0; i < 4; i++)
		OK(i % 2 ? f.create(&t[i], NULL, found, (void *)i) : pthread_create(&t[i], NULL, found, (void *)i));
	msleep(2);
	EQ(write(fds[1], "\1\1\1\1", 4), 4);
	for(intptr_t i = 0; i < 4; i++) {
		OK(i < 2 ? f.join(t[i], &r) : pthread_join(t[i], &r));
		EQ((intptr_t)r, i + 1);
	}
	close(fds[0]);
	close(fds[1]);
}

static void *
looks(void *arg)
{
	for(int i = 0; i < 200; i++) {
		CHECK(dlsym(arg, names[i % NNAMES].name) == names[i % NNAMES].linked);
		CHECK(dlsym(arg, "no_such_function") == NULL);
		CHECK(strstr(dlerror(), "no_such_function") != NULL);
	}
	return arg;
}

int
main(void)
{
	void *libc = dlopen("libc.so.6", RTLD_NOW), *self = dlopen(NULL, RTLD_NOW), *lib, *p, *q;
	char path[4096], *slash;
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 20);
	ssize_t (*libread)(int, void *, size_t);
	void *(*nextof)(const char *), *(*nextversion)(const char *, const char *);
	pthread_t t[4];
	char ch;

	CHECK(n > 0);
	path[n] = 0;
	slash = strrchr(path, '/');
	strcpy(slash, "/nextlib.so");
	nextnanosleep = dlsym(RTLD_NEXT, "nanosleep");
	CHECK(nextnanosleep != NULL && nextnanosleep != nanosleep);
	CHECK(libc != NULL && self != NULL);
	CHECK((lib = dlopen(path, RTLD_NOW | RTLD_LOCAL)) != NULL);
	nextof = dlsym(lib, "nextof");
	nextversion = dlsym(lib, "nextversion");
	libread = dlsym(lib, "read");

	object("libc", libc);
	object("program", self);
	object("default", RTLD_DEFAULT);
	object("next", RTLD_NEXT);
	for(int i = 0; i < NNAMES; i++) {
		if(strcmp(names[i].name, "read") == 0) {
			CHECK(libread != NULL && (void *)libread != names[i].linked);
		}else
			CHECK(dlsym(lib, names[i].name) == names[i].linked);
		CHECK(nextof(names[i].name) == names[i].linked);
	}
	puts("library ok");

	/* the library's own interposer finds the real one behind it, and so may call it */
	EQ(pipe(fds), 0);
	EQ(write(fds[1], "x", 1), 1);
	EQ(libread(fds[0], &ch, 1), 1);
	EQ(*(int *)dlsym(lib, "nextcalls"), 1);
	close(fds[0]);
	close(fds[1]);
	puts("interposers ok");

	/* the program's own */
	CHECK(dlsym(self, "nanosleep") == (void *)nanosleep);
	CHECK(dlsym(RTLD_DEFAULT, "nanosleep") == (void *)nanosleep);
	CHECK(dlsym(libc, "nanosleep") == (void *)nextnanosleep);
	CHECK(nextof("nanosleep") == (void *)nextnanosleep);
	msleep(1);
	EQ(slept, 1);

	/* versions, errors */
	CHECK(dlvsym(libc, "read", "GLIBC_2.2.5") == (void *)read);
	CHECK(dlvsym(libc, "read", "GLIBC_9.9") == NULL);
	CHECK(strstr(dlerror(), "GLIBC_9.9") != NULL);
	CHECK(dlerror() == NULL);
	CHECK(nextversion("read", "GLIBC_2.2.5") == (void *)read);
	CHECK(nextversion("read", "GLIBC_9.9") == NULL);
	p = dlvsym(libc, "pthread_cond_wait", "GLIBC_2.2.5"); /* another function: of another type */
	q = dlvsym(libc, "pthread_cond_wait", "GLIBC_2.3.2");
	CHECK(p != NULL && p != q && q == (void *)pthread_cond_wait);
	CHECK(dlsym(libc, "no_such_function") == NULL);
	CHECK(strstr(dlerror(), "no_such_function") != NULL);
	CHECK(dlsym(RTLD_NEXT, "no_such_function") == NULL);
	CHECK(strstr(dlerror(), "no_such_function") != NULL);
	CHECK(nextof("no_such_function") == NULL);
	CHECK(dlerror() != NULL);
	CHECK(dlsym(libc, "environ") != NULL);
	puts("versions and errors ok");

	use(libc);
	use(RTLD_NEXT);
	use(RTLD_DEFAULT);
	for(int i = 0; i < 4; i++)
		t[i] = spawn(looks, libc);
	for(int i = 0; i < 4; i++)
		join(t[i]);
	dlclose(lib);
	puts("ok");
	return 0;
}
