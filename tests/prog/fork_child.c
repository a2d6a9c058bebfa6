/* SPDX-License-Identifier: MIT */
/* fork from main and from threads of a busy process: the child has one thread and works, makes threads of its own, runs atfork handlers. */
#include "prog.h"
#include <sys/wait.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int stop;
static __thread int tls = 5;
static int prepared, parented, childed;

static void
prepare(void)
{
	OK(pthread_mutex_lock(&m));
	prepared++;
}

static void
parent(void)
{
	parented++;
	OK(pthread_mutex_unlock(&m));
}

static void
child(void)
{
	childed++;
	OK(pthread_mutex_unlock(&m));
}

static void *
busy(void *arg)
{
	while(!stop) {
		free(malloc(300));
		OK(pthread_mutex_lock(&m));
		OK(pthread_mutex_unlock(&m));
		switch((intptr_t)arg % 3) {
		case 0: usleep(20); break;
		case 1: sched_yield(); break;
		}
	}
	return NULL;
}

static void *
addone(void *arg)
{
	usleep(100);
	OK(pthread_mutex_lock(&m));
	(*(int *)arg)++;
	OK(pthread_mutex_unlock(&m));
	return NULL;
}

/* What the child must be able to do. */
static void
inchild(int id, pthread_t self)
{
	pthread_t t[10];
	int n = 0, st;
	pid_t pid;

	CHECK(pthread_equal(self, pthread_self()));
	EQ(tls, id);
	EQ(childed, 1);
	free(malloc(100000));
	usleep(1000);
	for(int i = 0; i < 10; i++)
		t[i] = spawn(addone, &n);
	for(int i = 0; i < 10; i++)
		join(t[i]);
	EQ(n, 10);
	/* and a grandchild, from a process with threads again */
	pid = fork();
	CHECK(pid >= 0);
	if(pid == 0) {
		join(spawn(addone, &n));
		_exit(n);
	}
	EQ(waitpid(pid, &st, 0), pid);
	CHECK(WIFEXITED(st));
	EQ(WEXITSTATUS(st), 11);
	_exit(id);
}

static void *
forker(void *arg)
{
	int id = (intptr_t)arg, st;
	pthread_t self = pthread_self();
	pid_t pid;

	tls = id;
	for(int i = 0; i < 4; i++) {
		pid = fork();
		CHECK(pid >= 0);
		if(pid == 0)
			inchild(id, self);
		EQ(waitpid(pid, &st, 0), pid);
		CHECK(WIFEXITED(st));
		EQ(WEXITSTATUS(st), id);
		EQ(tls, id);
	}
	return NULL;
}

int
main(void)
{
	pthread_t b[6], f[4];

	OK(pthread_atfork(prepare, parent, child));
	for(intptr_t i = 0; i < 6; i++)
		b[i] = spawn(busy, (void *)i);
	for(intptr_t i = 0; i < 4; i++)
		f[i] = spawn(forker, (void *)(10 + i));
	forker((void *)50);
	for(int i = 0; i < 4; i++)
		join(f[i]);
	stop = 1;
	for(int i = 0; i < 6; i++)
		join(b[i]);
	EQ(prepared, 20);
	EQ(parented, 20);
	EQ(childed, 0);
	puts("ok");
	return 0;
}
