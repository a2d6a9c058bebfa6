/* SPDX-License-Identifier: MIT */
/* Named semaphores: open, exclusive open, sharing between threads and with a child process, unlink. */
#include "prog.h"
#include <fcntl.h>
#include <semaphore.h>
#include <sys/wait.h>

static char name[64];

static void *
poster(void *arg)
{
	sem_t *s = sem_open(name, 0);	/* the same one again */
	int n = (intptr_t)arg;

	CHECK(s != SEM_FAILED);
	for(int i = 0; i < n; i++) {
		EQ(sem_post(s), 0);
		sched_yield();
	}
	EQ(sem_close(s), 0);
	return NULL;
}

int
main(void)
{
	sem_t *s, *back;
	pthread_t t[4];
	pid_t pid;
	int v, st;
	char name2[80];

	snprintf(name, sizeof name, "/heddle-test-%d", (int)getpid());
	snprintf(name2, sizeof name2, "%s-back", name);
	EQ(sem_open(name, 0) == SEM_FAILED, 1);
	EQ(errno, ENOENT);
	s = sem_open(name, O_CREAT | O_EXCL, 0600, 2);
	if(s == SEM_FAILED)
		SKIP("no named semaphores here");
	EQ(sem_open(name, O_CREAT | O_EXCL, 0600, 2) == SEM_FAILED, 1);
	EQ(errno, EEXIST);
	CHECK(sem_open(name, O_CREAT, 0600, 9) == s);
	EQ(sem_close(s), 0);
	EQ(sem_getvalue(s, &v), 0);
	EQ(v, 2);
	EQ(sem_trywait(s), 0);
	EQ(sem_wait(s), 0);

	for(int i = 0; i < 4; i++)
		t[i] = spawn(poster, (void *)100);
	for(int i = 0; i < 400; i++)
		while(sem_wait(s) != 0)
			EQ(errno, EINTR);
	for(int i = 0; i < 4; i++)
		join(t[i]);

	/* With another process, both ways. */
	back = sem_open(name2, O_CREAT | O_EXCL, 0600, 0);
	CHECK(back != SEM_FAILED);
	pid = fork();
	CHECK(pid >= 0);
	if(pid == 0) {
		for(int i = 0; i < 300; i++) {
			while(sem_wait(back) != 0)
				;
			sem_post(s);
		}
		_exit(7);
	}
	for(int i = 0; i < 300; i++) {
		EQ(sem_post(back), 0);
		while(sem_wait(s) != 0)
			EQ(errno, EINTR);
	}
	EQ(waitpid(pid, &st, 0), pid);
	EQ(WEXITSTATUS(st), 7);
	EQ(sem_unlink(name), 0);
	EQ(sem_unlink(name2), 0);
	EQ(sem_unlink(name), -1);
	EQ(errno, ENOENT);
	EQ(sem_close(s), 0);
	EQ(sem_close(back), 0);
	puts("ok");
	return 0;
}
