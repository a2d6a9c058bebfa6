/* SPDX-License-Identifier: MIT */
/* build: -D_FORTIFY_SOURCE=2 */
/*
 * What programs built with _FORTIFY_SOURCE call: __read_chk and its kin, from
 * threads that wait.  Sizes that the compiler cannot know keep it from using
 * the plain names; the program looks into its own file to be sure.
 */
#include "io_util.h"
#include <setjmp.h>

#define FORTIFY_NAMES \
	{ "__read_chk", "__recv_chk", "__recvfrom_chk", "__poll_chk", "__ppoll_chk", "__pread_chk", "__pread64_chk", \
	  "__fdelt_chk", "__longjmp_chk", "__fgets_chk", "__fread_chk" }

static int s[2];
static volatile int eight = 8, one = 1;

static void *
sender(void *arg)
{
	nudge();
	EQ(write(s[1], arg, strlen(arg)), strlen(arg));
	return NULL;
}

static void
sockets(void)
{
	char b[16];
	pthread_t t = spawn(sender, "read");
	EQ(read(s[0], b, eight), 4);
	CHECK(memcmp(b, "read", 4) == 0);
	join(t);
	t = spawn(sender, "recv");
	EQ(recv(s[0], b, eight, 0), 4);
	CHECK(memcmp(b, "recv", 4) == 0);
	join(t);
	t = spawn(sender, "recvfrom");
	EQ(recvfrom(s[0], b, eight, MSG_WAITALL, NULL, NULL), 8);
	CHECK(memcmp(b, "recvfrom", 8) == 0);
	join(t);
	FAILS(recv(s[0], b, eight, MSG_DONTWAIT), EAGAIN);
	FAILS(recvfrom(s[0], b, eight, MSG_DONTWAIT, NULL, NULL), EAGAIN);
	OK(fcntl(s[0], F_SETFL, O_NONBLOCK));
	FAILS(read(s[0], b, eight), EAGAIN);
	OK(fcntl(s[0], F_SETFL, 0));
	FAILS(read(HIDE(-1), b, eight), EBADF);
	pass("sockets");
}

static void
polls(void)
{
	struct pollfd p[4] = { { .fd = s[0], .events = POLLIN } };
	struct timespec ts = { 0, 20 * MS };
	char b[16];
	int64_t t0 = now();
	EQ(poll(p, one, 20), 0);
	TOOK(t0, 20 * MS, 20 * MS);
	t0 = now();
	EQ(ppoll(p, one, &ts, NULL), 0);
	TOOK(t0, 20 * MS, 20 * MS);
	pthread_t t = spawn(sender, "p");
	EQ(poll(p, one, -1), 1);
	EQ(p[0].revents, POLLIN);
	EQ(read(s[0], b, eight), 1);
	join(t);
	t = spawn(sender, "q");
	p[0].revents = 0;
	EQ(ppoll(p, one, NULL, NULL), 1);
	EQ(p[0].revents, POLLIN);
	EQ(read(s[0], b, eight), 1);
	join(t);
	fd_set r;
	FD_ZERO(&r);
	FD_SET(HIDE(s[0]), &r);
	struct timeval tv = { 0, 0 };
	EQ(select(s[0] + 1, &r, NULL, NULL, &tv), 0);
	pass("poll");
}

static void
files(void)
{
	char b[16];
	FILE *f = tmpfile();
	CHECK(f);
	EQ(fputs("0123456789\nline\n", f) >= 0, 1);
	EQ(fflush(f), 0);
	EQ(pread(fileno(f), b, eight, 2), 8);
	CHECK(memcmp(b, "23456789", 8) == 0);
	EQ(pread64(fileno(f), b, eight, 12), 4);
	rewind(f);
	EQ(fread(b, one, eight, f), 8);
	CHECK(fgets(b, eight, f) && strcmp(b, "89\n") == 0);
	fclose(f);
	pass("files");
}

static void *
jumper(void *arg)
{
	jmp_buf env;
	volatile int n = 0;
	if(setjmp(env) < 5) {
		char b;
		EQ(write(s[1], "j", 1), 1);
		EQ(read(s[0], &b, one), 1);
		longjmp(env, ++n);
	}
	EQ(n, 5);
	return NULL;
}

static sigjmp_buf segv;

static void
onsegv(int sig)
{
	siglongjmp(segv, 1);
}

/* __longjmp_chk wants to see a jump up this stack, or off the alternate one. */
static void *
faulter(void *arg)
{
	stack_t ss = { .ss_sp = malloc(65536), .ss_size = 65536 };
	struct sigaction sa = { .sa_handler = onsegv, .sa_flags = SA_ONSTACK };
	OK(sigaltstack(&ss, NULL));
	OK(sigaction(SIGSEGV, &sa, NULL));
	for(volatile int i = 0; i < 3; i++)
		if(sigsetjmp(segv, 1) == 0) {
			*HIDE((volatile int *)16) = 1;
			CHECK(!"reached");
		}
	ss.ss_flags = SS_DISABLE;
	OK(sigaltstack(&ss, NULL));
	free(ss.ss_sp);
	return NULL;
}

/* The imports by which this program is what it says. */
static void
imports(void)
{
	static const char *name[] = FORTIFY_NAMES;
	int fd = OK(open("/proc/self/exe", O_RDONLY));
	struct stat st;
	OK(fstat(fd, &st));
	char *img = malloc(st.st_size);
	readn(fd, img, st.st_size);
	for(size_t i = 0; i < nelem(name); i++) {
		char want[40];
		/* As a string of the symbol table: between two NULs, unlike the list above with its version. */
		int n = sprintf(want + 1, "%s", name[i]) + 2;
		want[0] = 0;
		int count = 0;
		for(char *p = img; (p = memmem(p, img + st.st_size - p, want, n)); p++)
			count++;
		if(count < 2)
			die(__FILE__, __LINE__, "%s is not imported", name[i]);
	}
	free(img);
	OK(close(fd));
	pass("imports");
}

int
main(void)
{
	imports();
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	sockets();
	polls();
	files();
	join(spawn(jumper, NULL));
	pass("longjmp");
	join(spawn(faulter, NULL));
	pass("siglongjmp off the alternate stack");
	return 0;
}
