/* SPDX-License-Identifier: MIT */
/* pthread_create honours every attribute, and pthread_getattr_np tells what the thread got. */
#include "prog.h"
#include <limits.h>
#include <sys/mman.h>

struct want {
	size_t stack, guard;
	void *addr;		/* NULL: the library's own choice */
	int detach;
};

static void *
look(void *arg)
{
	struct want *w = arg;
	pthread_attr_t a;
	void *addr;
	size_t size, guard;
	int detach;
	char local;

	OK(pthread_getattr_np(pthread_self(), &a));
	OK(pthread_attr_getstack(&a, &addr, &size));
	OK(pthread_attr_getguardsize(&a, &guard));
	OK(pthread_attr_getdetachstate(&a, &detach));
	CHECK((char *)addr <= &local && &local < (char *)addr + size);
	EQ(detach, w->detach);
	if(w->addr != NULL) {
		CHECK(addr == w->addr);
		EQ(size, w->stack);
	} else {
		CHECK(size >= w->stack - w->guard - 4096 && size <= w->stack + 65536);
		EQ(guard, w->guard);
	}
	OK(pthread_attr_destroy(&a));

	/* Nearly all of it can be used. */
	size_t depth = &local - (char *)addr - 8192;
	volatile char *deep = __builtin_alloca(depth);
	for(size_t i = 0; i < depth; i += 1024)
		deep[i] = 1;
	deep[0] = 2;
	return (void *)(intptr_t)(deep[0] + 40);
}

static void
withsize(size_t stack, size_t guard)
{
	pthread_attr_t a;
	pthread_t t;
	struct want w = { stack, guard, NULL, PTHREAD_CREATE_JOINABLE };
	size_t got;

	OK(pthread_attr_init(&a));
	OK(pthread_attr_setstacksize(&a, stack));
	OK(pthread_attr_setguardsize(&a, guard));
	OK(pthread_attr_getstacksize(&a, &got));
	EQ(got, stack);
	OK(pthread_create(&t, &a, look, &w));
	OK(pthread_attr_destroy(&a));
	EQ((intptr_t)join(t), 42);
}

static void
ownstack(size_t stack)
{
	pthread_attr_t a;
	pthread_t t;
	char *mem = mmap(NULL, stack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct want w = { stack, 0, mem, PTHREAD_CREATE_JOINABLE };

	CHECK(mem != MAP_FAILED);
	OK(pthread_attr_init(&a));
	OK(pthread_attr_setstack(&a, mem, stack));
	/* The same memory again and again: it is free once the thread is joined. */
	for(int i = 0; i < 20; i++) {
		OK(pthread_create(&t, &a, look, &w));
		EQ((intptr_t)join(t), 42);
		memset(mem, 0x5a, stack);
	}
	OK(pthread_attr_destroy(&a));
	EQ(munmap(mem, stack), 0);
}

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int done;

static void *
lookdetached(void *arg)
{
	EQ((intptr_t)look(arg), 42);
	OK(pthread_mutex_lock(&m));
	done++;
	OK(pthread_cond_signal(&c));
	OK(pthread_mutex_unlock(&m));
	return NULL;
}

static void
detached(void)
{
	pthread_attr_t a, def;
	pthread_t t;
	static struct want w;
	int state;

	OK(pthread_getattr_default_np(&def));
	OK(pthread_attr_getstacksize(&def, &w.stack));
	OK(pthread_attr_getguardsize(&def, &w.guard));
	OK(pthread_attr_destroy(&def));
	w.detach = PTHREAD_CREATE_DETACHED;
	if(w.stack > 64 << 20)	/* unlimited, or as good as */
		w.stack = 1 << 20;
	OK(pthread_attr_init(&a));
	OK(pthread_attr_setstacksize(&a, w.stack));
	OK(pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED));
	OK(pthread_attr_getdetachstate(&a, &state));
	EQ(state, PTHREAD_CREATE_DETACHED);
	for(int i = 0; i < 10; i++)
		OK(pthread_create(&t, &a, lookdetached, &w));
	OK(pthread_attr_destroy(&a));
	OK(pthread_mutex_lock(&m));
	while(done < 10)
		OK(pthread_cond_wait(&c, &m));
	OK(pthread_mutex_unlock(&m));
}

static void *
lookdefault(void *arg)
{
	pthread_attr_t a, def;
	size_t size, want;
	void *addr;

	OK(pthread_getattr_np(pthread_self(), &a));
	OK(pthread_attr_getstack(&a, &addr, &size));
	OK(pthread_attr_destroy(&a));
	OK(pthread_getattr_default_np(&def));
	OK(pthread_attr_getstacksize(&def, &want));
	OK(pthread_attr_destroy(&def));
	CHECK(size + 65536 >= want && size <= want + 65536);
	return arg;
}

int
main(void)
{
	pthread_attr_t a;
	pthread_t t;

	withsize(PTHREAD_STACK_MIN + 16384, 4096);
	withsize(64 << 10, 4096);
	withsize(256 << 10, 0);
	withsize(1 << 20, 64 << 10);
	withsize(8 << 20, 4096);
	withsize(64 << 20, 4096);
	ownstack(64 << 10);
	ownstack(1 << 20);
	detached();
	OK(pthread_create(&t, NULL, lookdefault, NULL));
	join(t);

	OK(pthread_attr_init(&a));
	EQ(pthread_attr_setstacksize(&a, 1), EINVAL);
	EQ(pthread_attr_setdetachstate(&a, 77), EINVAL);
	OK(pthread_attr_destroy(&a));

	/* A stack that cannot be had: an error, and nothing else changes. */
	OK(pthread_attr_init(&a));
	OK(pthread_attr_setstacksize(&a, (size_t)1 << 50));
	EQ(pthread_create(&t, &a, lookdefault, NULL), EAGAIN);
	OK(pthread_attr_destroy(&a));
	OK(pthread_create(&t, NULL, lookdefault, &done));
	CHECK(join(t) == &done);
	puts("ok");
	return 0;
}
