/* SPDX-License-Identifier: MIT */
/*
 * Files that are slow to open and to read, because another thread of this process decides when: permission events of fanotify, and
 * leases. Those who wait are in the kernel; who lets them go on needs no more than any other thread.
 */
#include "others.h"
#include <sys/fanotify.h>
#include <sys/mman.h>

enum { N = 24 };

static char dir[] = "/tmp/io_perm.XXXXXX";
static int fan, stop[2];

static void
name(char b[64], int i)
{
	snprintf(b, 64, "%s/%d", dir, i);
}

/* ---- fanotify ---- */

/* Whether the file that the event is about may be opened and read, is for its number to say: those of 3 in 4. */
static bool
allowed(int fd)
{
	char link[64], path[64] = "";

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	CHECK(OK(readlink(link, path, sizeof path - 1)) > 0);
	return atoi(strrchr(path, '/') + 1) % 4 != 3;
}

static void
answer(const struct fanotify_event_metadata *e)
{
	struct fanotify_response r = { e->fd, allowed(e->fd) ? FAN_ALLOW : FAN_DENY };

	EQ(e->vers, FANOTIFY_METADATA_VERSION);
	EQ(write(fan, &r, sizeof r), sizeof r);
	OK(close(e->fd));
}

static void *
decides(void *arg)
{
	char b[4096] __attribute__((aligned(8)));
	struct pollfd p[2] = { { fan, POLLIN, 0 }, { stop[0], POLLIN, 0 } };
	struct timespec ts = { 0, MS };

	for(;;) {
		EQ(poll(p, 2, -1), 1);
		if(p[1].revents)
			return NULL;
		ssize_t n = OK(read(fan, b, sizeof b));
		nanosleep(&ts, NULL); /* slow */
		for(struct fanotify_event_metadata *e = (void *)b; FAN_EVENT_OK(e, n); e = FAN_EVENT_NEXT(e, n))
			answer(e);
	}
}

/* In each way that opens, and each that reads. */
static void *
opens(void *arg)
{
	int i = (intptr_t)arg, fd = -1;
	char b[64], c = 0;
	FILE *f = NULL;

	name(b, i);
	switch(i / 4 % 3) {
	case 0: fd = open(b, O_RDONLY); break;
	case 1: fd = openat(AT_FDCWD, b, O_RDONLY | O_CLOEXEC); break;
	case 2: f = fopen(b, "r"); fd = f ? fileno(f) : -1; break;
	}
	if(i % 4 == 3) {
		EQ(fd, -1);
		EQ(errno, EPERM);
		return NULL;
	}
	CHECK(fd >= 0);
	switch(i % 4) {
	case 0: EQ(read(fd, &c, 1), 1); break;
	case 1: EQ(pread(fd, &c, 1, 0), 1); break;
	case 2: EQ(readv(fd, &(struct iovec){ &c, 1 }, 1), 1); break;
	}
	EQ(c, 'a' + i);
	if(f)
		OK(fclose(f));
	else
		OK(close(fd));
	return NULL;
}

/* False: not here, or not for us. */
static bool
permissions(void)
{
	if((fan = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY)) < 0)
		return false;
	if(fanotify_mark(fan, FAN_MARK_ADD, FAN_OPEN_PERM | FAN_ACCESS_PERM | FAN_EVENT_ON_CHILD, AT_FDCWD, dir) < 0)
		return false;
	OK(pipe(stop));
	pthread_t d = spawn(decides, NULL);
	long before = work;
	joinall(spawnall(N, opens), N);
	while(work < before + 20)
		nudge();
	opens((void *)4);
	opens((void *)7); /* main as well */
	EQ(write(stop[1], "s", 1), 1);
	join(d);
	OK(close(fan)), OK(close(stop[0])), OK(close(stop[1]));
	return true;
}

/* ---- leases ---- */

static int leased[N];
static atomic_int going;

static void *
breaks(void *arg)
{
	char b[64];
	int i = (intptr_t)arg;

	name(b, i);
	FAILS(open(b, O_WRONLY | O_NONBLOCK), EAGAIN); /* somebody has it who does not answer yet */
	going++;
	int fd = OK(open(b, O_WRONLY));
	EQ(fcntl(leased[i], F_GETLEASE), F_UNLCK);
	OK(close(fd));
	return NULL;
}

static void
leases(void)
{
	char b[64];

	signal(SIGIO, SIG_IGN);
	for(int i = 0; i < N; i++) {
		name(b, i);
		leased[i] = OK(open(b, O_RDONLY));
		OK(fcntl(leased[i], F_SETLEASE, F_RDLCK));
	}
	pthread_t *t = spawnall(N, breaks);
	while(going < N)
		nudge();
	nudge();
	for(int i = 0; i < N; i++)
		OK(fcntl(leased[i], F_SETLEASE, F_UNLCK));
	joinall(t, N);
	for(int i = 0; i < N; i++)
		OK(close(leased[i]));
}

int
main(void)
{
	char b[64];
	pthread_t w;

	CHECK(mkdtemp(dir));
	for(int i = 0; i < N; i++) {
		name(b, i);
		int fd = OK(open(b, O_CREAT | O_WRONLY, 0600));
		EQ(write(fd, &(char){ 'a' + i }, 1), 1);
		OK(close(fd));
	}
	workpause = 1000;
	w = spawn(worker, NULL);
	pass("permission events: %s", permissions() ? "answered" : "absent");
	leases();
	pass("leases");
	over = true;
	join(w);
	for(int i = 0; i < N; i++) {
		name(b, i);
		OK(unlink(b));
	}
	OK(rmdir(dir));
	return 0;
}
