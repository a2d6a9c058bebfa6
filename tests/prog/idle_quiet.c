/* SPDX-License-Identifier: MIT */
/* A process whose threads all wait uses no CPU and is not woken: no kernel thread of it switches, but for main's one sleep. */
#include "prog.h"
#include <dirent.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/socket.h>

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

/* The voluntary and forced switches of all threads of this process so far. */
static long
switches(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	long sum = 0, n;
	char name[300], line[200];

	CHECK(d != NULL);
	while((e = readdir(d)) != NULL) {
		if(e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof name, "/proc/self/task/%s/status", e->d_name);
		FILE *f = fopen(name, "r");
		if(f == NULL)
			continue;
		while(fgets(line, sizeof line, f) != NULL)
			if(sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1)
				sum += n;
		fclose(f);
	}
	closedir(d);
	return sum;
}

int
main(void)
{
	long was, n;
	int64_t cpu;

	sem_init(&sem, 0, 0);
	EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), 0);
	for(intptr_t i = 0; i < N; i++)
		spawn(waits, (void *)i);
	msleep(500);		/* let all settle */
	was = switches();
	cpu = clockns(CLOCK_PROCESS_CPUTIME_ID);
	msleep(1000);
	cpu = clockns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	n = switches() - was;
	if(n > 10 || cpu > 5 * MS)
		fprintf(stderr, "%ld switches, %lld us of CPU in one idle second\n", n, (long long)cpu / 1000);
	CHECK(n <= 10);
	CHECK(cpu <= 5 * MS);
	puts("ok");
	return 0;
}
