/* SPDX-License-Identifier: MIT */
/*
 * A process whose threads all wait uses no CPU and is not woken: seen from outside, no kernel thread of it switches for a
 * second. On a loaded machine it comes to rest late: one of ten seconds has to be so.
 */
#include "prog.h"
#include <dirent.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define N 40

static sem_t sem;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int socks[2];

static void *
waits(void *arg)
{
	char ch;

	switch((intptr_t)arg % 5) {
	case 0:
		while(sem_wait(&sem) != 0)
			;
		break;
	case 1:
		OK(pthread_mutex_lock(&m));
		for(;;)
			OK(pthread_cond_wait(&c, &m));
	case 2:
		EQ(recv(socks[0], &ch, 1, 0), 1);
		break;
	case 3:
		sleep(1000);
		break;
	case 4:
		poll(NULL, 0, -1);
		break;
	}
	return NULL;
}

static void
idle(void)
{
	sem_init(&sem, 0, 0);
	EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), 0);
	for(intptr_t i = 0; i < N; i++)
		spawn(waits, (void *)i);
	sleep(1000);
	_exit(1);
}

/* A number of /proc/PID/task/TID/FILE, after the key, summed over the process's threads. */
static long
total(pid_t pid, const char *file, const char *key)
{
	char name[600], line[1024], *at;
	struct dirent *e;
	long sum = 0;
	DIR *d;

	snprintf(name, sizeof name, "/proc/%d/task", (int)pid);
	d = opendir(name);
	CHECK(d != NULL);
	while((e = readdir(d)) != NULL) {
		if(e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof name, "/proc/%d/task/%s/%s", (int)pid, e->d_name, file);
		FILE *f = fopen(name, "r");
		if(f == NULL)
			continue;
		while(fgets(line, sizeof line, f) != NULL)
			if((at = strstr(line, key)) != NULL)
				sum += atol(at + strlen(key));
		fclose(f);
	}
	closedir(d);
	return sum;
}

int
main(void)
{
	long was, n, ns;
	bool quiet = false;
	pid_t pid;
	int st;

	pid = fork();
	CHECK(pid >= 0);
	if(pid == 0)
		idle();
	msleep(500);		/* let all settle */
	for(int i = 0; i < 10 && !quiet; i++) {
		was = total(pid, "status", "voluntary_ctxt_switches:");	/* the forced ones too */
		ns = total(pid, "schedstat", "");
		msleep(1000);
		n = total(pid, "status", "voluntary_ctxt_switches:") - was;
		ns = total(pid, "schedstat", "") - ns;
		if(!(quiet = n <= 2 && ns <= MS))
			fprintf(stderr, "%ld switches, %ld us of CPU in one idle second\n", n, ns / 1000);
	}
	CHECK(quiet);
	EQ(kill(pid, SIGKILL), 0);
	EQ(waitpid(pid, &st, 0), pid);
	CHECK(WIFSIGNALED(st));
	puts("ok");
	return 0;
}
