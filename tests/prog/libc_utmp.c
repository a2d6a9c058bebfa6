/* SPDX-License-Identifier: MIT */
/*
 * The functions of utmp on a file of the test's own, which another process has locked: who has to wait waits for the lock, the other
 * threads go on, and the entries are right afterwards.
 */
#include "io_util.h"
#include <utmpx.h>

int utmpxname(const char *);

enum { ENTRIES = 5 };

static char name[] = "/tmp/utmpXXXXXX";
static atomic_int done, turns, stop;

static struct utmpx
entry(int i)
{
	struct utmpx u = { .ut_type = USER_PROCESS, .ut_pid = 1000 + i };

	snprintf(u.ut_id, sizeof u.ut_id, "%d", i);
	snprintf(u.ut_line, sizeof u.ut_line, "line%d", i);
	snprintf(u.ut_user, sizeof u.ut_user, "user%d", i);
	return u;
}

static void *
putter(void *arg)
{
	struct utmpx u = entry((intptr_t)arg);

	setutxent();
	CHECK(pututxline(&u) != NULL);
	endutxent();
	done++;
	return NULL;
}

static void *
sleeper(void *arg)
{
	struct timespec ts = { 0, MS };

	while(!stop) {
		nanosleep(&ts, NULL);
		turns++;
	}
	return NULL;
}

/* Holds a lock on the whole file until told otherwise. */
static pid_t
holder(int ready, int go)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	pid_t pid = forkclean();
	char b;
	int fd;

	if(pid != 0)
		return pid;
	fd = OK(open(name, O_RDWR));
	OK(fcntl(fd, F_SETLKW, &l));
	EQ(write(ready, "r", 1), 1);
	_exit(read(go, &b, 1) != 1);
}

int
main(void)
{
	int ready[2], go[2], before;
	bool seen[ENTRIES] = { 0 };
	pthread_t t, s;
	struct utmpx *u, want;
	pid_t pid;
	char b;

	OK(close(OK(mkstemp(name))));
	OK(utmpxname(name));
	OK(pipe(ready));
	OK(pipe(go));
	t = spawn(putter, (void *)0);
	join(t);
	for(int i = 1; i < ENTRIES; i++) {
		pid = holder(ready[1], go[0]);
		EQ(read(ready[0], &b, 1), 1);
		stop = 0;
		s = spawn(sleeper, NULL);
		t = spawn(putter, (void *)(intptr_t)i);
		nudge();
		before = turns;
		while(turns < before + 20) /* it goes on */
			nudge();
		EQ(done, i); /* the other waits */
		EQ(write(go[1], "g", 1), 1);
		EQ(reap(pid), 0);
		join(t);
		EQ(done, i + 1);
		stop = 1;
		join(s);
	}
	setutxent();
	while((u = getutxent()) != NULL) {
		int i = u->ut_pid - 1000;
		CHECK(i >= 0 && i < ENTRIES && !seen[i]);
		seen[i] = true;
	}
	for(int i = 0; i < ENTRIES; i++) {
		CHECK(seen[i]);
		want = entry(i);
		setutxent();
		CHECK((u = getutxline(&want)) != NULL && u->ut_pid == 1000 + i);
	}
	endutxent();
	OK(unlink(name));
	pass("entries");
	return 0;
}
