/* SPDX-License-Identifier: MIT */
/* A million descriptors allowed, a few in use, some with high numbers: they work, and memory is what the few need. */
#include "io_util.h"

enum { N = 8 };

static long
rsskib(void)
{
	long size, rss;
	FILE *f = fopen("/proc/self/statm", "r");

	CHECK(f && fscanf(f, "%ld %ld", &size, &rss) == 2);
	fclose(f);
	return rss * (sysconf(_SC_PAGESIZE) / 1024);
}

static void *
echo(void *arg)
{
	int fd = (intptr_t)arg;
	char b[64];
	ssize_t r;

	while((r = read(fd, b, sizeof b)) > 0)
		EQ(write(fd, b, r), r);
	EQ(r, 0);
	OK(close(fd));
	return NULL;
}

static void
talk(int top)
{
	pthread_t t[N];
	int mine[N];
	char b[8];

	for(int i = 0; i < N; i++) {
		int s[2], high;
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
		high = OK(fcntl(s[0], F_DUPFD, top - 1 - i * (top / N)));
		OK(close(s[0]));
		mine[i] = s[1];
		t[i] = spawn(echo, (void *)(intptr_t)high);
	}
	for(int k = 0; k < 20; k++)
		for(int i = 0; i < N; i++) {
			struct pollfd p = { mine[i], POLLIN, 0 };
			EQ(write(mine[i], "hello", 5), 5);
			EQ(poll(&p, 1, 20000), 1);
			EQ(read(mine[i], b, sizeof b), 5);
		}
	for(int i = 0; i < N; i++) {
		OK(close(mine[i]));
		join(t[i]);
	}
}

int
main(void)
{
	struct rlimit rl = { 1000000, 1000000 };
	long before;

	if(setrlimit(RLIMIT_NOFILE, &rl) != 0) {
		OK(getrlimit(RLIMIT_NOFILE, &rl));
		rl.rlim_cur = rl.rlim_max;
		OK(setrlimit(RLIMIT_NOFILE, &rl));
	}
	talk(100);
	before = rsskib();
	talk(rl.rlim_cur > 1000000 ? 1000000 : (int)rl.rlim_cur);
	/* an entry is 128 bytes: all of them would be 128 MB */
	CHECK(rsskib() - before < 4096);
	closefrom(3);
	CHECK(rsskib() - before < 4096);
	pass("numbers");
	return 0;
}
