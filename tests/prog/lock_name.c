/* SPDX-License-Identifier: MIT */
/*
 * HEDDLE=lock=NAME: a thread named so stays on one kernel thread, whether it names itself, is named by another or
 * inherits the name; and heddle's own functions do the same. Natively every thread does.
 */
#include "prog.h"
#include <dlfcn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { LOCKED = 5 };

static volatile int stop, ready;
static pthread_t byother;
static int (*lockit)(void), (*unlockit)(void);

/* The kernel's id, not a C function's. */
static long
kernelid(void)
{
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "a"(SYS_gettid) : "rcx", "r11", "memory");
	return r;
}

static void
stays(void)
{
	long id = kernelid();

	for(int i = 0; i < 300; i++) {
		if(i % 10 == 0)
			msleep(1);
		else
			sched_yield();
		EQ(kernelid(), id);
	}
}

static void *
child(void *arg)
{
	stays();
	return arg;
}

static void *
named(void *arg)
{
	OK(pthread_setname_np(pthread_self(), "pinned"));
	join(spawn(child, NULL));
	stays();
	return arg;
}

static void *
prctlnamed(void *arg)
{
	EQ(prctl(PR_SET_NAME, "pinned", 0, 0, 0), 0);
	stays();
	return arg;
}

static void *
other(void *arg)
{
	while(!ready)
		msleep(1);
	sched_yield();
	stays();
	return arg;
}

static void *
byapi(void *arg)
{
	if(lockit != NULL) {
		OK(lockit());
		OK(lockit());
		OK(unlockit());
	}
	stays();
	if(unlockit != NULL) {
		OK(unlockit());
		EQ(unlockit(), EPERM);
	}
	return arg;
}

static void *
noise(void *arg)
{
	while(!stop)
		if(((intptr_t)arg & 1) != 0)
			msleep(1);
		else
			sched_yield();
	return arg;
}

int
main(void)
{
	pthread_t t[LOCKED], n[8];

	lockit = (int (*)(void))dlsym(RTLD_DEFAULT, "heddle_lock_os_thread");
	unlockit = (int (*)(void))dlsym(RTLD_DEFAULT, "heddle_unlock_os_thread");
	for(intptr_t i = 0; i < 8; i++)
		n[i] = spawn(noise, (void *)i);
	t[0] = spawn(named, NULL);
	t[1] = spawn(prctlnamed, NULL);
	byother = t[2] = spawn(other, NULL);
	OK(pthread_setname_np(byother, "pinned"));
	ready = 1;
	t[3] = spawn(byapi, NULL);
	t[4] = spawn(byapi, NULL);
	for(int i = 0; i < LOCKED; i++)
		join(t[i]);
	stop = 1;
	for(int i = 0; i < 8; i++)
		join(n[i]);
	puts("ok");
	return 0;
}
