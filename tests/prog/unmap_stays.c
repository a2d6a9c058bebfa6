/* SPDX-License-Identifier: MIT */
/*
 * What a program has unmapped stays so while its other threads wait: nothing is mapped there by anybody else. Each round is
 * a child, which makes its first thread, so that whatever else comes with that has just been begun.
 */
#include "prog.h"
#include <semaphore.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { ROUNDS = 12, NTHREADS = 3, LOOK = 30 };

static sem_t up, never;

static void *
waits(void *arg)
{
	sem_post(&up);
	while(sem_wait(&never) != 0)
		;
	return arg;
}

static bool
unmapped(char *p, size_t size)
{
	unsigned char in[1];

	for(size_t at = 0; at < size; at += 4096)
		if(mincore(p + at, 4096, in) == 0 || errno != ENOMEM)
			return false;
	return true;
}

/* Is it so until LOOK milliseconds have gone by? */
static bool
stays(size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int64_t until = nowns() + LOOK * 1000000LL;

	CHECK(p != MAP_FAILED && munmap(p, size) == 0);
	do
		if(!unmapped(p, size))
			return false;
	while(nowns() < until);
	return true;
}

static int
child(int round)
{
	pthread_t th;

	for(int i = 0; i < NTHREADS; i++)
		CHECK(pthread_create(&th, NULL, waits, NULL) == 0);
	for(int i = 0; i < NTHREADS; i++)
		while(sem_wait(&up) != 0)
			;
	return stays(round % 2 ? 4096 : 64 << 10) ? 0 : 1;
}

int
main(void)
{
	int status, bad = 0;
	pid_t pid;

	for(int i = 0; i < ROUNDS; i++){
		CHECK((pid = fork()) >= 0);
		if(pid == 0)
			_exit(child(i));
		CHECK(waitpid(pid, &status, 0) == pid);
		bad += status != 0;
	}
	printf("mapped by another: %d of %d\n", bad, ROUNDS);
	return bad != 0;
}
