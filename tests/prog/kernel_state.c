/* SPDX-License-Identifier: MIT */
/*
 * What the kernel keeps for one thread only stays that thread's, whatever it waits for and whoever runs meanwhile: name, timer
 * slack, memory policy, I/O priority, fsuid, capabilities, namespaces, working directory and umask of its own, seccomp filters,
 * personality, the parent-death signal.
 */
#include "deny.h"
#include <asm/prctl.h>
#include <linux/capability.h>
#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>

static int root;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t bar;
static sem_t sem;

/* The kernel thread is left and come back to in every way. */
static void
waits(void)
{
	int fds[2];
	char ch;

	for(int i = 0; i < 5; i++) {
		sched_yield();
		usleep(200);
		OK(pthread_mutex_lock(&m));
		sched_yield();
		OK(pthread_mutex_unlock(&m));
		sem_post(&sem);
		while(sem_wait(&sem) != 0)
			;
	}
	EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	EQ(write(fds[0], "x", 1), 1);
	EQ(read(fds[1], &ch, 1), 1);
	close(fds[0]);
	close(fds[1]);
}

/* ---- one test each: set returns 0 if it may not be done here; get is a number that tells who has done it ---- */

static int setname(void) { return prctl(PR_SET_NAME, "of its own", 0, 0, 0) == 0; }
static long
getname(void)
{
	char name[16];

	EQ(prctl(PR_GET_NAME, name, 0, 0, 0), 0);
	return strcmp(name, "of its own") == 0;
}

static int setslack(void) { return prctl(PR_SET_TIMERSLACK, 77777, 0, 0, 0) == 0; }
static long getslack(void) { return prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0); }

static long getnnp(void) { return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); }
static int setnnp(void) { return getnnp() == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0; }

static int setdeath(void) { return prctl(PR_SET_PDEATHSIG, 10, 0, 0, 0) == 0; }
static long
getdeath(void)
{
	int sig = -1;

	EQ(prctl(PR_GET_PDEATHSIG, &sig, 0, 0, 0), 0);
	return sig;
}

static int setgs(void) { return syscall(SYS_arch_prctl, ARCH_SET_GS, 0x12345000UL) == 0; }
static long
getgs(void)
{
	unsigned long base = 0;

	EQ(syscall(SYS_arch_prctl, ARCH_GET_GS, &base), 0);
	return (long)base;
}

static int setio(void) { return syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 5) == 0; }
static long getio(void) { return syscall(SYS_ioprio_get, 1, 0); }

static int setnice(void) { return setpriority(PRIO_PROCESS, 0, 6) == 0; }
static long getnice(void) { return getpriority(PRIO_PROCESS, 0); }

static int
setmempolicy(void)
{
	unsigned long nodes = 1;

	return syscall(SYS_set_mempolicy, 2, &nodes, sizeof nodes * 8) == 0; /* bind */
}
static long
getmempolicy(void)
{
	int mode = -1;

	return syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0) == 0 ? mode : -1;
}

static int setpersona(void) { return personality(ADDR_NO_RANDOMIZE | (unsigned long)personality(0xffffffff)) != -1; }
static long getpersona(void) { return personality(0xffffffff) & ADDR_NO_RANDOMIZE; }

static int
setfs(void)
{
	if(!root)
		return 0;
	setfsuid(4321);
	return setfsuid((uid_t)-1) == 4321;
}
static long getfs(void) { return setfsuid((uid_t)-1); }
static int
setfsg(void)
{
	if(!root)
		return 0;
	setfsgid(4322);
	return setfsgid((gid_t)-1) == 4322;
}
static long getfsg(void) { return setfsgid((gid_t)-1); }

/* What it is for: files that it makes are that user's. */
static long
owner(void)
{
	char path[] = "/tmp/kernel_stateXXXXXX";
	struct stat st;
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	EQ(fstat(fd, &st), 0);
	unlink(path);
	close(fd);
	return st.st_uid;
}

static int
setcaps(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	if(!root || syscall(SYS_capget, &h, d) != 0)
		return 0;
	d[0].effective &= ~(1U << CAP_CHOWN);
	return syscall(SYS_capset, &h, d) == 0;
}
static long
getcaps(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	EQ(syscall(SYS_capget, &h, d), 0);
	return d[0].effective >> CAP_CHOWN & 1;
}

static int setkeep(void) { return root && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0; }
static long getkeep(void) { return prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0); }

static int setfsown(void) { return unshare(CLONE_FS) == 0 && chdir("/proc") == 0 && (umask(0137), 1); }
static long
getfsown(void)
{
	char cwd[256];
	mode_t mask = umask(022);

	umask(mask);
	CHECK(getcwd(cwd, sizeof cwd) != NULL);
	return (strcmp(cwd, "/proc") == 0) * 1000 + (mask == 0137);
}

static int setfiles(void) { return unshare(CLONE_FILES) == 0 && dup2(0, 77) == 77; }
static long getfiles(void) { return fcntl(77, F_GETFD); }

static int setuts(void) { return root && unshare(CLONE_NEWUTS) == 0 && sethostname("kernelstate", 11) == 0; }
static long
getuts(void)
{
	struct utsname u;

	EQ(uname(&u), 0);
	return strcmp(u.nodename, "kernelstate") == 0;
}

static int utsfd = -1;
static int setbyfd(void) { return root && utsfd >= 0 && unshare(CLONE_NEWUTS) == 0 && sethostname("kernelstate", 11) == 0; }
static long
getbyfd(void)
{
	struct stat a, b;

	EQ(fstat(utsfd, &a), 0);
	EQ(stat("/proc/thread-self/ns/uts", &b), 0);
	return a.st_ino == b.st_ino;
}

static int
setfilter(void)
{
	struct sock_filter code[6];
	struct sock_fprog prog = pgidfilter(code);

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) == 0;
}
static long getfilter(void) { return pgidfiltered(); }

static const struct state {
	const char *name;
	int (*set)(void);
	long (*get)(void);
} table[] = {
#define S(n) { #n, set##n, get##n }
	S(name), S(slack), S(nnp), S(death), S(gs), S(io), S(nice), S(mempolicy), S(persona), S(fs), S(fsg), { "owner", setfs, owner },
	S(caps), S(keep), S(fsown), S(files), S(uts), S(byfd), S(filter),
};
enum { N = sizeof table / sizeof table[0] };
static long was[N];

static void
same(const struct state *s)
{
	long now = s->get(), then = was[s - table];

	if(now != then) {
		dprintf(2, "%s: %ld, was %ld\n", s->name, now, then);
		_exit(1);
	}
}

static void *
has(void *arg)
{
	const struct state *s = arg;
	long now;

	if(s->set()) {
		now = s->get();
		for(int i = 0; i < 4; i++) {
			waits();
			EQ(s->get(), now);
		}
		if(s->set == setbyfd && setns(utsfd, CLONE_NEWUTS) == 0) /* and back */
			EQ(s->get(), was[s - table]);
		else if(now == was[s - table]) {
			dprintf(2, "%s: still %ld\n", s->name, now);
			_exit(1);
		}
	}
	pthread_barrier_wait(&bar);
	return arg;
}

static void *
hasnot(void *arg)
{
	for(int i = 0; i < 10; i++) {
		waits();
		for(int k = 0; k < N; k++) {
			if(table[k].get == getdeath && syscall(SYS_gettid) == getpid())
				continue; /* of the process's first thread only it is inherited: nobody's matter here */
			same(&table[k]);
		}
	}
	pthread_barrier_wait(&bar);
	return arg;
}

int
main(void)
{
	pthread_t t[N], u[4];

	root = geteuid() == 0;
	utsfd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
	OK(sem_init(&sem, 0, 0));
	OK(pthread_barrier_init(&bar, NULL, N + 4));
	for(int k = 0; k < N; k++)
		was[k] = table[k].get();
	for(int k = 0; k < N; k++)
		t[k] = spawn(has, (void *)&table[k]);
	for(int k = 0; k < 4; k++)
		u[k] = spawn(hasnot, NULL);
	for(int k = 0; k < N; k++)
		join(t[k]);
	for(int k = 0; k < 4; k++)
		join(u[k]);
	for(int k = 0; k < N; k++)
		same(&table[k]);
	/* threads in the places of those */
	OK(pthread_barrier_destroy(&bar));
	OK(pthread_barrier_init(&bar, NULL, 4));
	for(int k = 0; k < 4; k++)
		u[k] = spawn(hasnot, NULL);
	for(int k = 0; k < 4; k++)
		join(u[k]);
	puts("ok");
	return 0;
}
