/* SPDX-License-Identifier: MIT */
/* syslog from 50 threads to a daemon that is slow to read: all messages arrive, whole, in each thread's order; others go on. */
#include "io_util.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <syslog.h>

enum { N = 50, MSGS = 6 };

static atomic_bool over;
static atomic_long ticks;

static void
put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if(fd < 0 || write(fd, text, strlen(text)) < 0)
		fprintf(stderr, "cannot write %s\n", path);
	if(fd >= 0)
		close(fd);
}

__attribute__((noreturn)) static void
skip(const char *why)
{
	fprintf(stderr, "skipped: %s\n", why);
	exit(77);
}

/* A /dev of our own, which nobody else sees. */
static int
devlog(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	char map[40], gmap[40];
	int fd, size = 4096;

	snprintf(map, sizeof map, "0 %d 1", (int)getuid());
	snprintf(gmap, sizeof gmap, "0 %d 1", (int)getgid());

	if(unshare(CLONE_NEWNS) != 0) {
		if(unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
			skip("no mount namespace for an own /dev/log");
		put("/proc/self/uid_map", map);
		put("/proc/self/setgroups", "deny");
		put("/proc/self/gid_map", gmap);
	}
	if(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("tmpfs", "/dev", "tmpfs", 0, NULL) != 0)
		skip("cannot mount an own /dev");
	fd = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
	OK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size));
	OK(bind(fd, (struct sockaddr *)&sa, sizeof sa));
	return fd;
}

/* In a process of its own; its exit status says whether all was well. */
__attribute__((noreturn)) static void
daemon1(int fd)
{
	char buf[1000], *p;
	int next[N] = { 0 }, total = 0, i, k;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while(total < N * MSGS) {
		ssize_t n = OK(recv(fd, buf, sizeof buf - 1, 0));
		buf[n] = 0;
		CHECK(strncmp(buf, "<14>", 4) == 0 && (p = strstr(buf, "slow: ")) != NULL);
		EQ(sscanf(p, "slow: thread %d message %d of many", &i, &k), 2);
		CHECK(i >= 0 && i < N);
		EQ(k, next[i]++);
		total++;
		usleep(1000);
	}
	exit(0);
}

static void *
logs(void *arg)
{
	for(int k = 0; k < MSGS; k++)
		syslog(LOG_INFO, "thread %d message %d of many", (int)(intptr_t)arg, k);
	return NULL;
}

static void *
ticker(void *arg)
{
	while(!over) {
		usleep(1000);
		ticks++;
	}
	return arg;
}

int
main(void)
{
	int fd = devlog(), st;
	pid_t pid = OK(fork());

	if(pid == 0)
		daemon1(fd);
	OK(close(fd));
	openlog("slow", 0, LOG_USER);
	pthread_t t = spawn(ticker, NULL);
	joinall(spawnall(N, logs), N);
	CHECK(ticks > 0);
	over = true;
	join(t);
	EQ(OK(waitpid(pid, &st, 0)), pid);
	EQ(st, 0);
	closelog();
	pass("all messages");
	return 0;
}
