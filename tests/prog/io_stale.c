/* SPDX-License-Identifier: MIT */
/*
 * A file lives on after its number is closed, in a message that nobody has
 * received, and things keep happening to it: a thread that waits on the new
 * file of that number must hear of the new file only.
 */
#include "io_util.h"

enum { SLOTS = 8 };

static int hold[2], rounds;
static atomic_bool over;
static int oldpeer[SLOTS];
static pthread_mutex_t peers = PTHREAD_MUTEX_INITIALIZER; /* noise must not write to a number that is another's by now */

/* Keeps fd's file alive without a number, as long as hold lives. */
static void
keep(int fd)
{
	passfd(hold[0], fd, 0);
}

/* Throws away what is kept. */
static void
letgo(void)
{
	char x[64];
	while(recv(hold[1], x, sizeof x, MSG_DONTWAIT) > 0)
		;
}

/* Writes to the old files' peers all the time. */
static void *
noise(void *arg)
{
	while(!over) {
		pthread_mutex_lock(&peers);
		for(int i = 0; i < SLOTS; i++)
			if(oldpeer[i] >= 0)
				send(oldpeer[i], "n", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		pthread_mutex_unlock(&peers);
		usleep(50);
	}
	return NULL;
}

static void *
late(void *arg)
{
	nudge();
	EQ(write((intptr_t)arg, "late", 4), 4);
	return NULL;
}

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;

static void *
user(void *arg)
{
	int i = (intptr_t)arg, slot = 600 + i, s[2];
	char b[8];
	for(int k = 0; k < rounds; k++) {
		/* The old file: known to be waited for, under this number. */
		OK(socketpair(AF_UNIX, k % 2 ? SOCK_SEQPACKET : SOCK_STREAM, 0, s));
		EQ(dup2(s[0], slot), slot);
		OK(close(s[0]));
		pthread_t t = spawn(late, (void *)(intptr_t)s[1]);
		EQ(recv(slot, b, 4, 0), 4);
		join(t);
		pthread_mutex_lock(&mu);
		keep(slot);
		pthread_mutex_unlock(&mu);
		OK(close(slot));
		pthread_mutex_lock(&peers);
		if(oldpeer[i] >= 0)
			OK(close(oldpeer[i]));
		oldpeer[i] = s[1];
		pthread_mutex_unlock(&peers);

		/* The new one. */
		int q[2];
		if(k % 3 == 0)
			OK(pipe(q));
		else if(k % 3 == 1)
			OK(socketpair(AF_UNIX, SOCK_STREAM, 0, q));
		else
			tcppair(q);
		EQ(dup2(q[0], slot), slot);
		OK(close(q[0]));
		struct pollfd p = { slot, POLLIN, 0 };
		int64_t t0 = now();
		EQ(poll(&p, 1, 12), 0);
		TOOK(t0, 12 * MS, 12 * MS);
		if(k % 3) {
			struct timeval tv = { 0, 22000 }, z = { 0, 0 };
			OK(setsockopt(slot, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
			t0 = now();
			FAILS(recv(slot, b, 8, 0), EAGAIN);
			TOOK(t0, 22 * MS - TICK, 22 * MS);
			OK(setsockopt(slot, SOL_SOCKET, SO_RCVTIMEO, &z, sizeof z));
		}
		t = spawn(late, (void *)(intptr_t)q[1]);
		EQ(read(slot, b, 8), 4);
		CHECK(memcmp(b, "late", 4) == 0);
		join(t);
		OK(close(q[1]));
		EQ(read(slot, b, 8), 0);
		if(k % 2)
			OK(close(slot));
	}
	return NULL;
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	rounds = scale(6);
	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, hold));
	int big = 1 << 20;
	OK(setsockopt(hold[0], SOL_SOCKET, SO_SNDBUF, &big, sizeof big));
	for(int i = 0; i < SLOTS; i++)
		oldpeer[i] = -1;
	pthread_t n = spawn(noise, NULL), *t = spawnall(SLOTS, user);
	for(int k = 0; k < 20; k++) {
		nudge();
		letgo(); /* now and then the old files die after all */
	}
	joinall(t, SLOTS);
	over = true;
	join(n);
	pass("old files with new numbers");
	return 0;
}
