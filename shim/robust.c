/* SPDX-License-Identifier: MIT */
/*
 * The robust mutexes that a thread has locked.
 *
 * glibc has a list of them in the thread's TCB, of which the kernel knows the one that belongs to the
 * kernel thread; Gs have a list of their own in heddle's TLS, of the same form. So one that
 * was locked before the bootstrap is taken off libc's list just as well. Each link points to
 * the next one's link.
 */
#include "prionote.h"
#include "sync.h"
#include "thread.h"

struct head {
	void *last; /* where a __prev would be; never read */
	void *first;
};
static __thread struct head held __attribute__((tls_model("initial-exec")));

static inline __pthread_list_t *
nodeof(void *link)
{
	return (__pthread_list_t *)((char *)link - offsetof(__pthread_list_t, __next));
}

/* glibc marks the links of mutexes with priority inheritance in the lowest bit. */
static inline void *
linkof(void *p)
{
	return (void *)((uintptr_t)p & ~(uintptr_t)1);
}

void
robustadd(pthread_mutex_t *m)
{
	__pthread_list_t *l = &m->__data.__list;

	if(held.first == NULL)
		held.first = &held.first;
	nodeof(held.first)->__prev = (void *)&l->__next;
	l->__next = held.first;
	l->__prev = (void *)&held.first;
	held.first = &l->__next;
}

void
robustremove(pthread_mutex_t *m)
{
	__pthread_list_t *l = &m->__data.__list;

	nodeof(linkof(l->__next))->__prev = l->__prev;
	nodeof(linkof(l->__prev))->__next = l->__next;
	l->__next = l->__prev = NULL;
}

void
robustfork(void)
{
	held.first = NULL;
	pinfork();
	uringfork();
	prionotefork();
	pifork();
}

void
robustexit(struct g *gp)
{
	pthread_mutex_t *m;
	void *link;

	pinexit(gp);
	while((link = held.first) != NULL && link != &held.first){
		m = (pthread_mutex_t *)((char *)link - offsetof(pthread_mutex_t, __data.__list.__next));
		robustremove(m);
		mutexownerdied(gp, m);
	}
}
