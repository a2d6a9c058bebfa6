/* SPDX-License-Identifier: MIT */
/*
 * When the threads of this process have come to rest: each has ended or waits in the kernel. A nap does not say that on
 * a loaded machine, where a thread may be late for its call by more than any nap.
 *
 * Says the same under heddle: as long as a G can run some kernel thread of the process does, or is about to.
 */
#ifndef MX_REST_H
#define MX_REST_H

#include "io_util.h"
#include <dirent.h>

__attribute__((unused)) static void
mxnap(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * MS };

	while(nanosleep(&ts, &ts) < 0)
		;
}

/* Whether a kernel thread runs, or would if it had a processor. */
static bool
runs(long tid)
{
	char b[512], *p;
	ssize_t n;
	int fd;

	snprintf(b, sizeof b, "/proc/self/task/%ld/stat", tid);
	if((fd = open(b, O_RDONLY | O_CLOEXEC)) < 0)
		return false; /* it has ended */
	n = read(fd, b, sizeof b - 1);
	close(fd);
	if(n <= 0)
		return false;
	b[n] = '\0';
	p = strrchr(b, ')'); /* of its name */
	return p != NULL && (p[2] == 'R' || p[2] == 'D');
}

/* The kernel thread that asks. */
static long
myself(void)
{
	char b[64], *p;
	ssize_t n = OK(readlink("/proc/thread-self", b, sizeof b - 1));

	b[n] = '\0';
	CHECK((p = strrchr(b, '/')) != NULL);
	return atol(p + 1);
}

/* The kernel threads that run but the one that asks: how many. */
static int
running(long *tid, int max)
{
	DIR *d = opendir("/proc/self/task");
	long me = myself(), id;
	struct dirent *e;
	int n = 0;

	CHECK(d != NULL);
	while(n < max && (e = readdir(d)) != NULL)
		if((id = atol(e->d_name)) > 0 && id != me && runs(id))
			tid[n++] = id;
	closedir(d);
	return n;
}

/*
 * Until each has been seen at rest three times, not all at once: on a loaded machine the runtime's own are often waiting for
 * a processor. Some may never be: ten seconds at most.
 */
__attribute__((unused)) static void
mxrest(void)
{
	static long tid[4096];
	int64_t end = now() + 10 * SEC;

	for(int seen = 0; seen < 3; seen++) {
		for(int n = running(tid, nelem(tid)); n > 0 && now() < end;)
			if(tid[n - 1] == myself() || !runs(tid[n - 1]))
				n--;
			else
				mxnap(5);
		mxnap(5);
	}
}

#endif
