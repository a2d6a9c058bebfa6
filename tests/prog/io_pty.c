/* SPDX-License-Identifier: MIT */
/* build: -lutil */
/* Terminals: reads from a pty in line and raw mode, VMIN and VTIME, hang-up, tcdrain; inotify. */
#include "io_util.h"
#include <pty.h>
#include <sys/inotify.h>
#include <termios.h>

static int m, s;

static void *
typist(void *arg)
{
	const char *t = arg;
	for(; *t; t++) {
		EQ(write(m, t, 1), 1);
		if(*t == ' ')
			nudge();
	}
	return NULL;
}

static void
mode(bool raw, int vmin, int vtime)
{
	struct termios t;
	OK(tcgetattr(s, &t));
	t.c_lflag &= ~(ECHO | ICANON);
	if(!raw)
		t.c_lflag |= ICANON;
	t.c_cc[VMIN] = raw ? vmin : 4;
	t.c_cc[VTIME] = raw ? vtime : 0;
	if(!raw)
		t.c_cc[VEOF] = 4;
	OK(tcsetattr(s, TCSANOW, &t));
}

static void
lines(void)
{
	char b[64];
	mode(false, 0, 0);
	pthread_t t = spawn(typist, "first line\nsecond one\nrest\004\004");
	EQ(read(s, b, sizeof b), 11); /* a line, whole */
	CHECK(memcmp(b, "first line\n", 11) == 0);
	EQ(read(s, b, 6), 6);
	CHECK(memcmp(b, "second", 6) == 0);
	EQ(read(s, b, sizeof b), 5);
	EQ(read(s, b, sizeof b), 4); /* end of file after text is the text */
	CHECK(memcmp(b, "rest", 4) == 0);
	EQ(read(s, b, sizeof b), 0);
	join(t);
	pass("lines");
}

static void
raw(void)
{
	char b[64];
	mode(true, 5, 0);
	pthread_t t = spawn(typist, "a b c d e f");
	ssize_t n = OK(read(s, b, sizeof b));
	CHECK(n >= 5); /* no fewer than VMIN */
	for(ssize_t got = n; got < 11; got += n) {
		mode(true, 1, 0);
		n = OK(read(s, b, sizeof b));
		CHECK(n >= 1);
	}
	join(t);
	mode(true, 0, 1);
	int64_t t0 = now();
	EQ(read(s, b, sizeof b), 0); /* a tenth of a second, then nothing */
	TOOK(t0, 90 * MS, 100 * MS);
	mode(true, 0, 0);
	t0 = now();
	EQ(read(s, b, sizeof b), 0);
	TOOK(t0, 0, 0);
	pass("raw");
}

static void *
masterreader(void *arg)
{
	char b[64];
	size_t got = 0;
	ssize_t n;
	while((n = read(m, b, sizeof b)) > 0)
		got += n;
	EQ(n, -1);
	EQ(errno, EIO); /* the other side is closed */
	return (void *)got;
}

static void
output(void)
{
	char line[100];
	mode(true, 1, 0);
	struct termios tio;
	OK(tcgetattr(s, &tio));
	tio.c_oflag &= ~OPOST;
	OK(tcsetattr(s, TCSANOW, &tio));
	memset(line, 'o', sizeof line);
	pthread_t t = spawn(masterreader, NULL);
	/* Far more than a pty holds. */
	for(int i = 0; i < 1000; i++)
		EQ(write(s, line, sizeof line), sizeof line);
	OK(tcdrain(s));
	OK(close(s));
	EQ((intptr_t)join(t), 100000);
	OK(close(m));
	pass("output");
}

static void *
hungup(void *arg)
{
	char b;
	ssize_t n = read(s, &b, 1);
	CHECK(n == 0 || (n == -1 && errno == EIO));
	return NULL;
}

static void
hangup(void)
{
	OK(openpty(&m, &s, NULL, NULL, NULL));
	mode(false, 0, 0);
	pthread_t t = spawn(hungup, NULL);
	nudge();
	OK(close(m));
	join(t);
	FAILS(write(s, "x", 1), EIO);
	OK(close(s));
	pass("hang-up");
}

static char dir[] = "/tmp/io_pty.XXXXXX";

static void *
touches(void *arg)
{
	char name[64];
	nudge();
	snprintf(name, sizeof name, "%s/new", dir);
	OK(close(OK(open(name, O_CREAT | O_WRONLY, 0600))));
	OK(unlink(name));
	return NULL;
}

static void
notify(void)
{
	char b[1024] __attribute__((aligned(8)));
	CHECK(mkdtemp(dir));
	int fd = OK(inotify_init1(IN_CLOEXEC));
	OK(inotify_add_watch(fd, dir, IN_CREATE | IN_DELETE));
	pthread_t t = spawn(touches, NULL);
	int seen = 0;
	while(seen != (IN_CREATE | IN_DELETE)) {
		ssize_t n = OK(read(fd, b, sizeof b));
		for(char *p = b; p < b + n;) {
			struct inotify_event *e = (void *)p;
			CHECK(strcmp(e->name, "new") == 0);
			seen |= e->mask;
			p += sizeof *e + e->len;
		}
	}
	join(t);
	OK(close(fd));
	OK(rmdir(dir));
	pass("inotify");
}

int
main(void)
{
	OK(openpty(&m, &s, NULL, NULL, NULL));
	lines();
	raw();
	output();
	hangup();
	notify();
	return 0;
}
