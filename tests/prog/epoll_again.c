/* SPDX-License-Identifier: MIT */
/* stress: no, it counts context switches */
/*
 * An event loop that another thread has kept from its processor for a while has one context switch an event, as before, once
 * that thread has ended: no other thread of the process is woken by the events.
 */
#include "io_util.h"
#include <dirent.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { AMONG = 300, ALONE = 3000, FEW = 300 };

static int ep, fd[2];
static volatile int alone;

static void *
busy(void *arg)
{
	while(!alone)
		sched_yield();
	return arg;
}

static void *
naps(void *arg)
{
	for(;;)
		usleep(20000);
	return arg;
}

static void
rounds(int n)
{
	struct epoll_event ev;
	char c;

	while(n-- > 0){
		EQ(write(fd[0], "x", 1), 1);
		EQ(epoll_wait(ep, &ev, 1, -1), 1);
		EQ(read(fd[0], &c, 1), 1);
	}
}

static long
switchesof(const char *task)
{
	char line[256];
	long n = 0, v;
	FILE *f;

	snprintf(line, sizeof line, "/proc/self/task/%s/status", task);
	if((f = fopen(line, "r")) == NULL)
		return 0; /* it has ended */
	while(fgets(line, sizeof line, f) != NULL)
		if(sscanf(line, "voluntary_ctxt_switches: %ld", &v) == 1)
			n = v;
	fclose(f);
	return n;
}

static long
switches(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	long n = 0;

	CHECK(d != NULL);
	while((e = readdir(d)) != NULL)
		if(e->d_name[0] != '.')
			n += switchesof(e->d_name);
	closedir(d);
	return n;
}

int
main(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	pthread_t t;
	pid_t child;
	long before, n;
	char c;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	if((child = fork()) == 0){
		close(fd[0]);
		while(read(fd[1], &c, 1) == 1 && write(fd[1], &c, 1) == 1)
			continue;
		_exit(0);
	}
	close(fd[1]);
	CHECK((ep = epoll_create1(0)) >= 0);
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd[0], &ev) == 0);
	spawn(naps, NULL);
	t = spawn(busy, NULL);
	rounds(AMONG);
	alone = 1;
	join(t);
	rounds(FEW);
	before = switches();
	rounds(ALONE);
	n = switches() - before;
	if(n > ALONE + ALONE / 5 + FEW)
		die(__FILE__, __LINE__, "%ld context switches for %d events", n, ALONE);
	close(fd[0]);
	reap(child);
	pass("one switch an event");
	return 0;
}
