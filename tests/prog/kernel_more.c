/* SPDX-License-Identifier: MIT */
/*
 * More of what the kernel keeps for each thread (kernel_state has the rest), by number and by name: changed by one thread, it is found by that, over waits,
 * and by those that it makes afterwards where clone(2) copies it; by nobody else, nor by whom others make. Each kind in a process of its own; what may
 * not be done here says so, natively, too.
 */
#include "prog.h"
#include <asm/prctl.h>
#include <cpuid.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- a kind: set returns 0, or is refused; get tells what the caller has ---- */

static int setpersona(void) { return syscall(SYS_personality, ADDR_NO_RANDOMIZE | 0x0100000) == -1; }
static long getpersona(void) { return syscall(SYS_personality, 0xffffffff) & 0x0100000; }

static __thread sigjmp_buf jump;

static void
onsegv(int sig)
{
	siglongjmp(jump, 1);
}

/* May it read that port? */
static long
port(void)
{
	unsigned char v;

	if(sigsetjmp(jump, 1) != 0)
		return 0;
	__asm__ volatile("inb $0x80, %0" : "=a"(v));
	return 1;
}

static int setioperm(void) { return ioperm(0x80, 1, 1); }
static int setiopermno(void) { return (int)syscall(SYS_ioperm, 0x80, 1, 1); }
static int setiopl(void) { return iopl(3); }

static int pku; /* the processor has protection keys, and the kernel lets them be used */

static int
setpkey(void)
{
	if(!pku)
		return -1;
	return syscall(SYS_pkey_alloc, 0, PKEY_DISABLE_WRITE) == 1 ? 0 : -1; /* the first that there is to be had */
}
static long
getpkey(void)
{
	unsigned a, d;

	if(!pku)
		return 0;
	__asm__ volatile(".byte 0x0f, 0x01, 0xee" : "=a"(a), "=d"(d) : "c"(0));
	return a >> 2 & 3;
}

static int setthreadkeys(void) { return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_THREAD_KEYRING, 1) == -1; }
static long getthreadkeys(void) { return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_THREAD_KEYRING, 0) != -1; }
static int setaddkey(void) { return syscall(SYS_add_key, "user", "kernel_more", "x", 1, KEY_SPEC_THREAD_KEYRING) == -1; }
static int setprockeys(void) { return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1) == -1; }
static long getprockeys(void) { return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 0) != -1; }
static long session;
static int setsession(void) { return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) == -1; }
static long getsession(void) { return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0) != session; }

static int settsc(void) { return prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0); }
static long
gettsc(void)
{
	int v = -1;

	prctl(PR_GET_TSC, &v, 0, 0, 0);
	return v;
}
static int setmce(void) { return prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0); }
static long getmce(void) { return prctl(PR_MCE_KILL_GET, 0, 0, 0, 0); }
static int setflusher(void) { return prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0); }
static long getflusher(void) { return prctl(PR_GET_IO_FLUSHER, 0, 0, 0, 0); }
static int setspec(void) { return prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_DISABLE, 0, 0); }
static long getspec(void) { return prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0); }
static int setbits(void) { return prctl(PR_SET_SECUREBITS, 1 << 4 /* keep capabilities */, 0, 0, 0); }
static long getbits(void) { return prctl(PR_GET_SECUREBITS, 0, 0, 0, 0); }
static int setbound(void) { return prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT, 0, 0, 0); }
static long getbound(void) { return prctl(PR_CAPBSET_READ, CAP_SYS_BOOT, 0, 0, 0); }
static int setcore(void) { return prctl(62 /* PR_SCHED_CORE */, 1 /* create */, 0, 0 /* one thread */, 0); }
static long
getcore(void)
{
	unsigned long cookie = 0;

	prctl(62, 0 /* get */, 0, 0, &cookie);
	return cookie != 0;
}

static int setcpuid(void) { return (int)syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0); }
static long getcpuid(void) { return syscall(SYS_arch_prctl, ARCH_GET_CPUID, 0); }

/* As struct sched_attr has it: a child starts with the usual priority. */
struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};
static int
setreset(void)
{
	struct attr a = { sizeof a, SCHED_OTHER, 1 /* reset on fork */, 7, 0, 0, 0, 0 };

	return (int)syscall(SYS_sched_setattr, 0, &a, 0);
}
static long
getreset(void)
{
	struct attr a = { 0 };

	syscall(SYS_sched_getattr, 0, &a, sizeof a, 0);
	return a.nice * 10 + (long)a.flags;
}

static int
setland(void)
{
	uint64_t handled = 1 << 3; /* read directories */
	int fd = (int)syscall(444 /* landlock_create_ruleset */, &handled, sizeof handled, 0), r;

	if(fd < 0)
		return -1;
	r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? (int)syscall(446 /* landlock_restrict_self */, fd, 0) : -1;
	close(fd);
	return r;
}
static long
getland(void)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY);

	close(fd);
	return fd < 0;
}

/* What is the process's: everybody finds it. */
static int setreaper(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }
static long
getreaper(void)
{
	int v = -1;

	prctl(PR_GET_CHILD_SUBREAPER, &v, 0, 0, 0);
	return v;
}
static int setdump(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }
static long getdump(void) { return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0); }
static int setthp(void) { return prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); }
static long getthp(void) { return prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0); }
static int setumask(void) { return umask(0135), 0; }
static long
getmode(void)
{
	unsigned v = umask(0135);

	umask(v);
	return (long)v;
}

/* A robust list of its own. */
static struct { void *next; long offset; void *pending; } head = { &head, 0, NULL };
static int setrobust(void) { return (int)syscall(SYS_set_robust_list, &head, sizeof head); }
static long
getrobust(void)
{
	void *at = NULL;
	size_t n = 0;

	syscall(SYS_get_robust_list, 0, &at, &n);
	return at == &head;
}

static const struct kind {
	const char *name;
	int (*set)(void);
	long (*get)(void);
} kinds[] = {
	{ "personality by number", setpersona, getpersona },
	{ "ioperm", setioperm, port }, { "ioperm by number", setiopermno, port }, { "iopl", setiopl, port },
	{ "protection key", setpkey, getpkey },
	{ "thread keyring", setthreadkeys, getthreadkeys }, { "key in it", setaddkey, getthreadkeys },
	{ "process keyring", setprockeys, getprockeys }, { "session keyring", setsession, getsession },
	{ "time stamps", settsc, gettsc }, { "machine checks", setmce, getmce }, { "I/O flusher", setflusher, getflusher },
	{ "speculation", setspec, getspec }, { "secure bits", setbits, getbits }, { "bounding set", setbound, getbound },
	{ "core cookie", setcore, getcore }, { "cpuid faults", setcpuid, getcpuid }, { "reset on fork", setreset, getreset },
	{ "landlock", setland, getland }, { "robust list", setrobust, getrobust },
	{ "subreaper", setreaper, getreaper }, { "dumpable", setdump, getdump }, { "huge pages", setthp, getthp },
	{ "umask", setumask, getmode },
};

static const struct kind *kind;
static pthread_barrier_t bar;
static long was, found[8];
static int refused;

/* The kernel thread is left and come back to. */
static void
waits(void)
{
	for(int i = 0; i < 2; i++) {
		sched_yield();
		usleep(300);
	}
}

static void *
looks(void *arg)
{
	long v;

	waits();
	v = kind->get();
	waits();
	*(long *)arg = kind->get() == v ? v : -99;
	return NULL;
}

static void *
bystander(void *arg)
{
	waits();
	pthread_barrier_wait(&bar);
	pthread_barrier_wait(&bar);
	return looks(arg);
}

static void *
heirs(void *arg)
{
	looks(&found[2]);
	join(spawn(looks, &found[3]));
	return NULL;
}

static void *
changes(void *arg)
{
	waits();
	pthread_barrier_wait(&bar);
	errno = 0;
	refused = kind->set() != 0 ? errno + 1 : 0;
	waits();
	pthread_barrier_wait(&bar);
	looks(&found[0]);
	join(spawn(heirs, NULL));
	looks(&found[1]);
	return NULL;
}

static void *
others(void *arg)
{
	join(spawn(looks, &found[6]));
	return NULL;
}

static void
one(void)
{
	struct sigaction sa = { .sa_handler = onsegv };
	pthread_t a, b, c;

	session = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
	sigaction(SIGSEGV, &sa, NULL);
	was = kind->get();
	OK(pthread_barrier_init(&bar, NULL, 2));
	b = spawn(bystander, &found[4]);
	a = spawn(changes, NULL);
	join(a);
	join(b);
	c = spawn(looks, &found[5]);
	join(c);
	join(spawn(others, NULL));
	looks(&found[7]);
	printf("%s: refused %d; was %ld; the thread %ld %ld; its child %ld, and that one's %ld; a bystander %ld; made later %ld %ld; main %ld\n", kind->name,
	    refused, was, found[0], found[1], found[2], found[3], found[4], found[5], found[6], found[7]);
	fflush(stdout);
}

int
main(void)
{
	unsigned a, b, c, d;

	if(__get_cpuid_count(7, 0, &a, &b, &c, &d))
		pku = c >> 4 & 1;
	for(kind = kinds; kind < kinds + sizeof kinds / sizeof kinds[0]; kind++) {
		pid_t pid = fork();
		int st;

		CHECK(pid >= 0);
		if(pid == 0) {
			one();
			_exit(0);
		}
		EQ(waitpid(pid, &st, 0), pid);
		if(st != 0)
			printf("%s: status %#x\n", kind->name, (unsigned)st);
		fflush(stdout);
	}
	return 0;
}
