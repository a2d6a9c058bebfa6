/* SPDX-License-Identifier: MIT */
/* timeout: 90 */
/*
 * A thousand forks from eight threads, while a hundred others lock, wait, allocate and talk. Some are made in an atfork handler's or
 * a signal handler's middle, some children make threads, fork again, or exec. Each one's status is its own, none is left over.
 */
#include "prog.h"
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { FORKERS = 8, FORKS = 125, OTHERS = 100, NMUTEX = 10 };

static atomic_bool over;
static atomic_long work, prepared, parents;
static pthread_mutex_t m[NMUTEX], atfork = PTHREAD_MUTEX_INITIALIZER;
static sem_t sems[OTHERS];
static __thread int nested;
static __thread pid_t inner;

static void
prepare(void)
{
	pid_t pid;

	prepared++;
	if(nested++ == 1) { /* a fork within fork */
		CHECK((pid = fork()) >= 0);
		if(pid == 0)
			_exit(44);
		inner = pid;
	}
	if(nested == 1)
		OK(pthread_mutex_lock(&atfork));
}

static void
after(void)
{
	if(nested == 1)
		OK(pthread_mutex_unlock(&atfork));
	nested--;
}

static void
parent(void)
{
	after();
	parents++;
}

static void *
leaf(void *arg)
{
	free(malloc(1000));
	return (void *)((intptr_t)arg + 1);
}

static void
child(int kind, int status)
{
	pthread_t t[2];
	int st;
	pid_t pid;

	/* no other thread is here, and nothing is locked but by them */
	free(malloc(5000));
	OK(pthread_mutex_lock(&atfork));
	OK(pthread_mutex_unlock(&atfork));
	switch(kind) {
	case 1:
		for(intptr_t i = 0; i < 2; i++)
			t[i] = spawn(leaf, (void *)i);
		for(intptr_t i = 0; i < 2; i++)
			EQ((intptr_t)join(t[i]), i + 1);
		break;
	case 2:
		CHECK((pid = fork()) >= 0);
		if(pid == 0)
			_exit(status ^ 1);
		EQ(waitpid(pid, &st, 0), pid);
		EQ(WEXITSTATUS(st), status ^ 1);
		break;
	case 3: {
		char text[32];

		snprintf(text, sizeof text, "exit %d", status);
		execl("/bin/sh", "sh", "-c", text, (char *)NULL);
		_exit(99);
	}
	}
	_exit(status);
}

static atomic_int gone; /* handlers run in several threads at once */

static void
handler(int sig)
{
	pid_t pid;
	int st, e = errno;

	(void)sig;
	if((pid = fork()) == 0)
		_exit(45);
	if(pid > 0 && waitpid(pid, &st, 0) == pid && WEXITSTATUS(st) == 45)
		gone++;
	errno = e;
}

static void *
forks(void *arg)
{
	int me = (int)(intptr_t)arg;

	for(int i = 0; i < FORKS; i++) {
		int kind = i % 25 == 0 ? 1 : i % 25 == 5 ? 2 : i % 25 == 10 ? 3 : 0, status = (me * FORKS + i) % 100 + 1, st;
		pid_t pid;

		if(i % 25 == 15) {
			OK(pthread_kill(pthread_self(), SIGUSR1));
			continue;
		}
		CHECK((pid = fork()) >= 0);
		if(pid == 0)
			child(kind, status);
		EQ(waitpid(pid, &st, 0), pid);
		CHECK(WIFEXITED(st));
		EQ(WEXITSTATUS(st), status);
	}
	return arg;
}

static void *
other(void *arg)
{
	int me = (int)(intptr_t)arg, fds[2];
	char ch = 0;

	EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	for(int i = 0; !over; i++) {
		switch((me + i) % 5) {
		case 0:
			OK(pthread_mutex_lock(&m[i % NMUTEX]));
			sched_yield();
			OK(pthread_mutex_unlock(&m[i % NMUTEX]));
			break;
		case 1: {
			void *p = malloc((size_t)(i % 5000) + 1);
			usleep(1000);
			free(p);
			break;
		}
		case 2:
			EQ(write(fds[0], &ch, 1), 1);
			EQ(read(fds[1], &ch, 1), 1);
			break;
		case 3: {
			struct timespec ts = deadline(CLOCK_REALTIME, 3 * MS);

			sem_timedwait(&sems[me], &ts);
			break;
		}
		case 4:
			sem_post(&sems[(me + 1) % OTHERS]);
			usleep(500);
			break;
		}
		work++;
	}
	close(fds[0]);
	close(fds[1]);
	return arg;
}

/* A fork whose prepare handler forks. */
static void
nest(void)
{
	pid_t pid;
	int st;

	nested = 1;
	CHECK((pid = fork()) >= 0);
	if(pid == 0)
		_exit(46);
	EQ(waitpid(pid, &st, 0), pid);
	EQ(WEXITSTATUS(st), 46);
	CHECK(inner > 0);
	EQ(waitpid(inner, &st, 0), inner);
	EQ(WEXITSTATUS(st), 44);
	nested = 0;
}

int
main(void)
{
	pthread_t f[FORKERS], o[OTHERS];

	OK(pthread_atfork(prepare, parent, after));
	signal(SIGUSR1, handler);
	for(int i = 0; i < NMUTEX; i++)
		OK(pthread_mutex_init(&m[i], NULL));
	for(int i = 0; i < OTHERS; i++) {
		OK(sem_init(&sems[i], 0, 0));
		o[i] = spawn(other, (void *)(intptr_t)i);
	}
	for(int i = 0; i < FORKERS; i++)
		f[i] = spawn(forks, (void *)(intptr_t)i);
	for(int i = 0; i < FORKERS; i++)
		join(f[i]);
	over = 1;
	for(int i = 0; i < OTHERS; i++)
		join(o[i]);
	EQ(gone, FORKERS * FORKS / 25);
	EQ(prepared, parents);
	EQ(prepared, FORKERS * FORKS);
	EQ(waitpid(-1, NULL, 0), -1);
	EQ(errno, ECHILD);
	CHECK(work > 0);
	nest();
	puts("ok");
	return 0;
}
