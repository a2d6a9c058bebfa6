/* SPDX-License-Identifier: MIT */
/*
 * Coroutines of the program's own making: a switch of stacks in assembly, as libraries have it. They wait in every kind of call on
 * their own stacks, take signals there, run long without a call, and are passed from thread to thread.
 */
#include "prog.h"
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>

#ifdef __x86_64__
enum { THREADS = 8, COROS = 64, STEPS = 60, STACK = 64 << 10 };

/* Saves the callee's registers on the stack, the stack in *from, and takes `to`. */
void coroswitch(void **from, void *to);
__asm__(".text\n.globl coroswitch\n.type coroswitch, @function\ncoroswitch:\n"
        "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
        "movq %rsp, (%rdi)\nmovq %rsi, %rsp\n"
        "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n"
        ".size coroswitch, . - coroswitch\n");

struct coro {
	void *sp, *back;
	char *stack;
	int id, steps, fds[2];
	double sum;
	volatile int signalled;
	struct coro *next;
};

static struct coro coros[COROS], *queue;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER, shared = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int left = COROS;
static long total;
static atomic_long handled;
static __thread struct coro *current;
static __thread long resumed;

/* Not inlined: the thread, and so its variables, are others after each switch. */
__attribute__((noinline)) static struct coro *
running(void)
{
	__asm__ volatile("");
	return current;
}

__attribute__((noinline)) static void
yield(void)
{
	struct coro *co = running();

	coroswitch(&co->sp, co->back);
}

static void
handler(int sig)
{
	char on;

	(void)sig;
	/* on the stack of the coroutine that runs */
	CHECK(current != NULL && &on >= current->stack && &on < current->stack + STACK);
	current->signalled++;
	handled++;
}

static void
body(void)
{
	for(;;) {
		struct coro *co = running();
		struct pollfd p = { .fd = co->fds[1], .events = POLLIN };
		pthread_t self = pthread_self();
		int was = co->signalled;
		char ch = (char)co->id;

		co->sum += co->id * 0.5;
		switch((co->id + co->steps) % 9) {
		case 0: usleep(200); break;
		case 1: sched_yield(); break;
		case 2:
			OK(pthread_mutex_lock(&shared));
			total++;
			sched_yield();
			OK(pthread_mutex_unlock(&shared));
			break;
		case 3:
			EQ(write(co->fds[0], &ch, 1), 1);
			EQ(poll(&p, 1, -1), 1);
			EQ(read(co->fds[1], &ch, 1), 1);
			EQ(ch, co->id);
			break;
		case 4:
			for(volatile int i = 0; i < 200000; i++)
				co->sum += 0;
			break;
		case 5:
			OK(pthread_kill(pthread_self(), SIGUSR1));
			EQ(co->signalled, was + 1);
			break;
		case 6: {
			char *s = malloc(3000);

			CHECK(snprintf(s, 3000, "%d %f", co->id, co->sum) > 0);
			free(s);
			break;
		}
		case 7:
			errno = co->id + 1;
			sched_yield();
			EQ(errno, co->id + 1);
			break;
		}
		CHECK(pthread_equal(self, pthread_self()));
		co->steps++;
		yield();
	}
}

static void
make(struct coro *co)
{
	void **sp;

	co->stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(co->stack != MAP_FAILED);
	EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, co->fds), 0);
	sp = (void **)(co->stack + STACK);
	*--sp = NULL; /* keeps the stack as after a call */
	*--sp = (void *)body;
	for(int i = 0; i < 6; i++)
		*--sp = NULL;
	co->sp = sp;
}

static void *
resumes(void *arg)
{
	for(;;) {
		struct coro *co;

		OK(pthread_mutex_lock(&m));
		while(queue == NULL && left > 0)
			OK(pthread_cond_wait(&c, &m));
		if((co = queue) != NULL)
			queue = co->next;
		OK(pthread_mutex_unlock(&m));
		if(co == NULL)
			break;
		current = co;
		coroswitch(&co->back, co->sp);
		current = NULL;
		resumed++;
		OK(pthread_mutex_lock(&m));
		if(co->steps < STEPS) {
			co->next = NULL;
			struct coro **at = &queue;
			while(*at)
				at = &(*at)->next;
			*at = co;
			OK(pthread_cond_signal(&c));
		}else if(--left == 0)
			OK(pthread_cond_broadcast(&c));
		OK(pthread_mutex_unlock(&m));
	}
	return (void *)resumed;
	(void)arg;
}

int
main(void)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART };
	pthread_t t[THREADS];
	long n = 0;

	EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	for(int i = 0; i < COROS; i++) {
		coros[i].id = i;
		make(&coros[i]);
		coros[i].next = queue;
		queue = &coros[i];
	}
	for(int i = 0; i < THREADS; i++)
		t[i] = spawn(resumes, NULL);
	for(int i = 0; i < THREADS; i++)
		n += (long)join(t[i]);
	EQ(n, COROS * STEPS);
	for(int i = 0; i < COROS; i++) {
		EQ(coros[i].steps, STEPS);
		CHECK(coros[i].sum == i * 0.5 * STEPS);
	}
	printf("%ld %ld\n", total, (long)handled);
	return 0;
}
#else
int
main(void)
{
	SKIP("its switch of stacks is for amd64");
}
#endif
