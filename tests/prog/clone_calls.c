/* SPDX-License-Identifier: MIT */
/*
 * clone(2) with a function, as sandboxes and the like call it: copies, children that share the memory while the caller waits or
 * goes on, bare kernel threads. And system calls by number that fork, and that end a thread.
 */
#include "io_util.h"
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>

enum { STACK = 256 << 10, WORKERS = 6, ROUNDS = 12 };

static __thread int mine = 5;
static atomic_int shared, stop;
static sem_t sem;
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static long work;

static int
status(pid_t pid)
{
	int st;

	CHECK(pid > 0);
	EQ(waitpid(pid, &st, __WALL), pid);
	return WIFEXITED(st) ? WEXITSTATUS(st) : 1000 + WTERMSIG(st);
}

static void *
inc(void *arg)
{
	shared++;
	return arg;
}

/* In a copy of the memory: it has threads of its own. */
static int
copychild(void *arg)
{
	pthread_t t[3];

	if(arg != &sem || mine != 7)
		return 1;
	for(int i = 0; i < 3; i++)
		t[i] = spawn(inc, NULL);
	for(int i = 0; i < 3; i++)
		join(t[i]);
	mine = 8;
	return shared >= 3 ? 21 : 2;
}

static int
waitchild(void *arg)
{
	if(arg != &sem || mine != 7)
		return 1;
	mine = 9; /* the caller's */
	shared++;
	return 22;
}

static int
execchild(void *arg)
{
	execl("/bin/sh", "sh", "-c", "exit 23", (char *)NULL);
	_exit(1);
}

static int
besidechild(void *arg)
{
	if(arg != &sem || mine != 7)
		return 1;
	shared++;
	if(sem_post(&sem) != 0)
		return 2;
	return 24;
}

static int
barethread(void *arg)
{
	shared++;
	sem_post(arg);
	return 0;
}

static void
children(char *stack)
{
	char *top = stack + STACK;
	int was;
	_Atomic pid_t ctid;

	mine = 7;
	EQ(status(clone(copychild, top, SIGCHLD, &sem)), 21);
	EQ(mine, 7);
	was = shared;
	EQ(status(clone(waitchild, top, CLONE_VM | CLONE_VFORK | SIGCHLD, &sem)), 22);
	EQ(mine, 9);
	CHECK(shared > was);
	mine = 7;
	EQ(status(clone(execchild, top, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL)), 23);
	EQ(status(clone(besidechild, top, CLONE_VM | CLONE_FS | CLONE_FILES | SIGCHLD, &sem)), 24);
	OK(sem_wait(&sem));
	ctid = 1;
	CHECK(clone(barethread, top, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
	    CLONE_CHILD_CLEARTID, &sem, NULL, NULL, (pid_t *)&ctid) > 0);
	OK(sem_wait(&sem));
	while(ctid != 0)
		syscall(SYS_futex, &ctid, FUTEX_WAIT, 1, NULL, NULL, 0);
	mine = 5;
}

static void
bynumber(void)
{
	struct clone_args a = {.exit_signal = SIGCHLD};
	long pid;

	if((pid = syscall(SYS_fork)) == 0)
		_exit(copychild(mine == 7 ? &sem : NULL));
	EQ(status(pid), 1);
	mine = 7;
	if((pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL)) == 0)
		_exit(copychild(&sem));
	EQ(status(pid), 21);
	if((pid = syscall(SYS_clone3, &a, sizeof a)) == 0)
		_exit(copychild(&sem));
	EQ(status(pid), 21);
	mine = 5;
}

static void *
leaves(void *arg)
{
	pthread_mutex_lock(&mu);
	work++;
	pthread_mutex_unlock(&mu);
	syscall(SYS_exit, 0);
	return arg;
}

static void *
worker(void *arg)
{
	while(!stop){
		OK(pthread_mutex_lock(&mu));
		work++;
		OK(pthread_mutex_unlock(&mu));
		usleep(200);
	}
	return arg;
}

static void *
child(void *arg)
{
	char *stack = malloc(STACK);

	for(int i = 0; i < ROUNDS; i++){
		children(stack);
		bynumber();
	}
	free(stack);
	return arg;
}

/* Main's own end by exit(2): the others go on, and the last exit() counts. */
static void *
lastone(void *arg)
{
	join(*(pthread_t *)arg);
	usleep(20000);
	puts("ok");
	fflush(stdout);
	exit(0);
}

int
main(void)
{
	pthread_t t[WORKERS], c;
	static pthread_t w;

	OK(sem_init(&sem, 0, 0));
	child(NULL); /* before there is any thread */
	for(int i = 0; i < WORKERS; i++)
		t[i] = spawn(worker, NULL);
	child(NULL);
	c = spawn(child, NULL);
	join(c);
	for(int i = 0; i < 50; i++)
		CHECK(join(spawn(leaves, NULL)) == NULL);
	stop = 1;
	for(int i = 0; i < WORKERS; i++)
		join(t[i]);
	w = spawn(leaves, NULL);
	spawn(lastone, &w);
	syscall(SYS_exit, 3);
}
