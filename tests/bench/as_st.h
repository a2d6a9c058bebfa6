/* SPDX-License-Identifier: MIT */
/*
 * Build a benchmark program on State Threads instead of POSIX threads:
 *
 *	cc -include tests/bench/as_st.h tests/bench/micro.c tests/bench/bench.c -lst
 *
 * so that the same source is measured on both. Only what the programs use is mapped.
 * State Threads is one kernel thread with cooperative switches: it needs no atomics and
 * cannot use a second core. Threads that block outside its own calls block them all.
 */
#ifndef AS_ST_H
#define AS_ST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <st.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { AS_ST_STACK = 64 * 1024, AS_ST_MAXFD = 1 << 20 };

/* State Threads' handle of each descriptor that accept() gave; used from one kernel thread only. */
static st_netfd_t as_st_fd[AS_ST_MAXFD];

__attribute__((constructor)) static void
as_st_init(void)
{
	/*
	 * epoll if the library was built with it (Debian's is not: then the first call
	 * chooses nothing), else poll. select, its default, ends at 1024 descriptors.
	 */
	st_set_eventsys(ST_EVENTSYS_ALT);
	st_set_eventsys(ST_EVENTSYS_POLL);  /* fails if there is a choice already */
	if(st_init() != 0) {
		perror("st_init");
		exit(1);
	}
}

static inline int
as_st_create(st_thread_t *t, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	size_t stack = AS_ST_STACK;
	int detached = PTHREAD_CREATE_JOINABLE;

	if(attr != NULL) {
		pthread_attr_getstacksize(attr, &stack);
		pthread_attr_getdetachstate(attr, &detached);
	}
	*t = st_thread_create(start, arg, detached == PTHREAD_CREATE_JOINABLE, (int)stack);
	return *t == NULL ? errno : 0;
}

static inline int
as_st_cond_wait(st_cond_t *c, st_mutex_t *m)
{
	/* nobody runs between these two: the switch is in st_cond_wait */
	st_mutex_unlock(*m);
	st_cond_wait(*c);
	return st_mutex_lock(*m);
}

static inline st_netfd_t
as_st_lookup(int fd)
{
	if(as_st_fd[fd] == NULL)
		as_st_fd[fd] = st_netfd_open_socket(fd);
	return as_st_fd[fd];
}

static inline int
as_st_accept(int fd)
{
	st_netfd_t conn = st_accept(as_st_lookup(fd), NULL, NULL, ST_UTIME_NO_TIMEOUT);

	if(conn == NULL)
		return -1;
	int n = st_netfd_fileno(conn);
	as_st_fd[n] = conn;
	return n;
}

static inline int
as_st_close(int fd)
{
	st_netfd_t conn = as_st_fd[fd];

	as_st_fd[fd] = NULL;
	return conn == NULL ? close(fd) : st_netfd_close(conn);
}

#define pthread_t                   st_thread_t
#define pthread_mutex_t             st_mutex_t
#define pthread_cond_t              st_cond_t
#define pthread_create(t, a, f, x)  as_st_create(t, a, f, x)
#define pthread_join(t, r)          st_thread_join(t, r)
#define pthread_mutex_init(m, a)    ((void)(*(m) = st_mutex_new()))
#define pthread_mutex_lock(m)       st_mutex_lock(*(m))
#define pthread_mutex_unlock(m)     st_mutex_unlock(*(m))
#define pthread_cond_init(c, a)     ((void)(*(c) = st_cond_new()))
#define pthread_cond_wait(c, m)     as_st_cond_wait(c, m)
#define pthread_cond_signal(c)      st_cond_signal(*(c))
#define pthread_cond_broadcast(c)   st_cond_broadcast(*(c))
#define sched_yield()               st_usleep(0)
#define accept(fd, addr, len)       as_st_accept(fd)
#define read(fd, buf, n)            st_read(as_st_lookup(fd), buf, n, ST_UTIME_NO_TIMEOUT)
#define write(fd, buf, n)           st_write(as_st_lookup(fd), buf, n, ST_UTIME_NO_TIMEOUT)
#define close(fd)                   as_st_close(fd)

#endif
