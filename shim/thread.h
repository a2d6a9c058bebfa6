/* SPDX-License-Identifier: MIT */
/* What the files about threads share: init.c, thread.c, exit.c, join.c, attr.c, key.c. */
#ifndef HEDDLE_THREAD_H
#define HEDDLE_THREAD_H

#include "libc.h"
#include "runtime.h"
#include "sema.h"
#include "tls.h"

/* ---- init.c ---- */

/* bootstrap makes the process's main thread the main G if the caller is that and it is not done. It returns true
 * if the runtime runs; if not, the caller goes straight to libc. Keeps errno. */
bool bootstrap(void);
void initfork(void); /* in the child of a fork: as if it had never been called */
void setxidfork(void);

/* Functions of libc's that its headers do not declare; valid once bootstrap has returned true. */
extern struct privatelibc {
	void (*ctypeinit)(void);
	void (*calltlsdtors)(void);
	void (*resnclose)(void *);
} privatelibc;

/* ---- thread.c ---- */
void threadinit(void);

/* ---- exit.c ---- */

/* threadexit ends the current G, whose result is set, in user mode, at the bottom of its stack. */
noreturn void threadexit(struct g *gp);
/* threadvanish is exit(2) of a thread: nothing of the program's or of libc's is run. User mode. */
noreturn void threadvanish(struct g *gp, int status);
/* threadfree takes back a G that has ended and that nobody can name any more. Any thread. */
void threadfree(struct g *gp);
int mainwrap(int argc, char **argv, char **envp);
extern int (*realmain)(int, char **, char **);

/* ---- fork.c ---- */
extern __thread bool forking __attribute__((tls_model("initial-exec"))); /* this thread is within fork, in parent or child */
void forkregister(void); /* registers heddle's handlers with libc, before the program's */
/* Around the making of a child with a copy of the memory: before; after, in the parent; in the child, first of all. */
void forkprepare(void);
void forkparent(void);
void forkchild(void);

/* ---- futex.c ---- */
void futexbykernel(const void *addr); /* the kernel itself will wake who waits there */

/* ---- clone.c ---- */
enum forkkind { FORK_NOT, FORK_COPY, FORK_WAIT };
/* forkkind says what system call n with these arguments makes on the caller's stack: a fork, a vfork, or neither. */
enum forkkind forkkind(long n, long a, long b);
long vforksyscall(void); /* asm/: the system call, to be jumped to */
long forksyscall(long n, long a, long b, long c, long d, long e);

/* ---- signal.c ---- */

/* sigours: is heddle in charge of the caller's signals? Not in the child of vfork, nor before the runtime has started. */
bool sigours(void);
enum { PIDMAX = 1 << 22 }; /* the kernel's greatest: a greater one is a G's */
/* sigqueueto sends sig to a G, with this siginfo, which must be complete; 0 or a positive errno. */
int sigqueueto(struct g *to, int sig, const siginfo_t *);
/* signalfdof: the program has, or is about to have, a signalfd for these signals. User mode, any thread. */
void signalfdof(uint64_t set);

/* ---- sigbynumber.c ---- */

/* sigsyscall is syscall() for the calls about signals, with -1 and errno; false if heddle has nothing to do with this one. */
bool sigsyscall(long n, long a, long b, long c, long d, long *r);

/* ---- pidfd.c ---- */

/* pidfdsignal sends sig to the process itself if that is what fd means; false if it is the kernel's to do. */
bool pidfdsignal(int fd, int sig, const siginfo_t *info);
/* pidfdget is pidfd_getfd(2): a descriptor, or -1 and errno. */
int pidfdget(int fd, int target, unsigned flags);

/* ---- key.c ---- */
void tsdexit(struct g *gp);

/* ---- join.c ---- */

/*
 * g.exitstate: who waits for the end of a thread, and who frees it.
 *
 *              detached              somebody begins to join
 *   Jdetached <-------- Jrun <-----------------------------> Jclaimed <------> Jwaiting
 *     |                  |        ... gives up (time-out)        |               |
 *     | ends             | ends                                  | ends          | ends: wakes the joiner
 *     v                  v                                       |               |
 *    free              Jended <----------------------------------'---------------'
 *                        | joined or detached
 *                        v
 *                      Jgone: free
 *
 * Every change is a compare-and-swap that also counts up the bits above the state: by the thread
 * itself at its end, on g0, and by who joins or detaches. Exactly one side frees the G: the
 * thread if it finds Jdetached, else whoever changes Jended to Jgone.
 *
 * Jclaimed and Jwaiting belong to one joiner; others are refused. It writes g.joiner and
 * g.joinseq in Jclaimed only. In Jwaiting it is parked, or about to be; while it runs a signal
 * handler or looks whether it is cancelled it goes back to Jclaimed. The ending thread reads the
 * state, then both fields, then changes the state; thanks to the count that succeeds only if
 * nothing has changed in between, so the fields are of one wait, and the current one.
 *
 * No wake-up is lost: a joiner that cannot set Jwaiting finds Jended; a thread that
 * finds Jwaiting claims the joiner's wait, which fails only if a time-out or a signal has claimed
 * it, and then that joiner fails to leave Jwaiting and finds Jended.
 */
enum { Jrun, Jwaiting, Jclaimed, Jdetached, Jended, Jgone, JSTATE = 7 };

/*
 * jchange changes the state from what *s was when loaded; if that is no longer so it reloads *s. On g0 with a P or in runtime
 * mode, so that who is alone (semaenter) does it without an atomic operation.
 */
static inline bool
jchange(struct g *gp, uint32_t *s, uint32_t state)
{
	uint32_t old = *s, new = (old | JSTATE) + 1 + state;

	if(semaenter()){
		*s = load_acquire(&gp->exitstate);
		if(*s == old)
			store_release(&gp->exitstate, new);
		semaleave();
		return *s == old;
	}
	return __atomic_compare_exchange_n(&gp->exitstate, s, new, false, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE);
}

void joinended(struct g *gp);

/* ---- attr.c ---- */
void nameinit(struct g *gp);
/* setname: name is cut after 15 characters. */
void setname(struct g *gp, const char *name);

/* ---- lock.c ---- */
bool lockedname(const char *name);  /* HEDDLE=lock=NAME */
void namechanged(struct g *gp);
void lockinit(struct g *gp);        /* main, at the runtime's start */

/* ---- kthread.c ---- */

/* What a thread starts with that its kernel thread must have. Lives on the creator's stack until it has been woken. */
struct kstart {
	enum { KSTART_CPUS = 1, KSTART_SCHED = 2 } what;
	bool notinherit; /* PTHREAD_EXPLICIT_SCHED, whatever it is that is explicit */
	cpu_set_t cpus;
	int policy;
	struct sched_param param;
	void *arg; /* the thread's */
	struct g *creator;
	uint64_t seq;
	int err;
};
void kstartparse(struct kstart *, const pthread_attr_t *);
int kstartapply(const struct kstart *); /* on the new thread, in runtime mode */
/* own locks the current G, if there is one, to its M for good. */
void own(void);
void ownspaces(unsigned flags); /* before unshare or setns with these flags */
/* onfirst: gp, not main, runs on the process's first kernel thread, which does not end with it. */
bool onfirst(struct g *gp);

/* Threads with rings of their own: iouring.c. uringlock locks the caller for good, or main when the runtime starts. */
void uringlock(void);
unsigned uringlocked(void);        /* how often the caller is locked by that */
void uringstart(struct g *maing);  /* the runtime has started */
void uringexit(struct g *gp);      /* gp ends; user mode */
void uringfork(void);              /* in the child */
/* The kernel's id for one that the program has, to ask: 0 the caller itself, a G's, or the kernel's own. */
pid_t kernelid(pid_t id);
/* kernelown replaces *id by that of a kernel thread to be changed, which is that G's alone from now on. 0 or a positive errno. */
int kernelown(pid_t *id);

/* ---- attrmemo.c ---- */

/* What pthread_create makes of its attributes. */
struct startattr {
	size_t size, guard;
	uintptr_t stack; /* lowest address of the program's own, or 0 */
	bool detached;
	bool hasmask;
	sigset_t mask;
	struct kstart k;
};
/* attrrecall fills in a if self's P has seen attr before; attrkeep takes note of what they mean. User mode, not foreign threads. */
bool attrrecall(struct g *self, const pthread_attr_t *attr, struct startattr *a);
void attrkeep(struct g *self, const pthread_attr_t *attr, const struct startattr *a);
void attrmemoinit(void);

/* ---- byid.c ---- */

pid_t processid(pid_t id); /* the process's, for that of a thread of it */

/* ---- bynumber.c ---- */

/* tidsyscall prepares system call n, with its first arguments *a, *b and c. False: it must not be made, *r and errno are its result. */
bool tidsyscall(long n, long *a, long *b, long c, long *r);
void *tidaddress(struct g *gp); /* the current G's, for PR_GET_TID_ADDRESS */
void tidexit(void);             /* at the current G's end, in user mode */

#endif
