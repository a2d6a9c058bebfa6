/* SPDX-License-Identifier: MIT */
/* A thread inherits what its creator has changed of its own kernel thread, and nobody else does: as by clone(2). */
#include "deny.h"
#include <sched.h>
#include <semaphore.h>
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>

/* What one finds of it. */
struct found {
	int nice, nnp, persona, fsuid, policy, ioprio, cpus, seccomp, filtered, keepcaps;
	long slack;
	unsigned mask;
	char cwd[64], host[65];
};

static pthread_mutex_t umasking = PTHREAD_MUTEX_INITIALIZER;

static void
look(struct found *f, int withumask)
{
	struct utsname u;
	cpu_set_t set;

	f->nice = getpriority(PRIO_PROCESS, 0);
	f->nnp = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	f->persona = personality(0xffffffff);
	f->fsuid = setfsuid((uid_t)-1);
	f->policy = sched_getscheduler(0);
	f->ioprio = (int)syscall(SYS_ioprio_get, 1, 0);
	f->slack = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
	f->keepcaps = prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0);
	f->seccomp = prctl(PR_GET_SECCOMP, 0, 0, 0, 0);
	f->filtered = pgidfiltered();
	EQ(sched_getaffinity(0, sizeof set, &set), 0);
	f->cpus = CPU_COUNT(&set);
	EQ(uname(&u), 0);
	memcpy(f->host, u.nodename, sizeof f->host);
	CHECK(getcwd(f->cwd, sizeof f->cwd) != NULL);
	if(withumask) { /* siblings share it */
		OK(pthread_mutex_lock(&umasking));
		f->mask = umask(0);
		umask(f->mask);
		OK(pthread_mutex_unlock(&umasking));
	}
}

static void
same(const struct found *a, const struct found *b)
{
	EQ(a->nice, b->nice);
	EQ(a->nnp, b->nnp);
	EQ(a->persona, b->persona);
	EQ(a->fsuid, b->fsuid);
	EQ(a->policy, b->policy);
	EQ(a->ioprio, b->ioprio);
	EQ(a->slack, b->slack);
	EQ(a->keepcaps, b->keepcaps);
	EQ(a->seccomp, b->seccomp);
	EQ(a->filtered, b->filtered);
	EQ(a->cpus, b->cpus);
	EQ(strcmp(a->host, b->host), 0);
	EQ(strcmp(a->cwd, b->cwd), 0);
}

static struct found before, changer;
static int namespaces;

static void *
grandchild(void *arg)
{
	struct found f = { 0 };

	look(&f, 1);
	same(&f, &changer);
	EQ(f.mask, 077);
	return arg;
}

static void *
child(void *arg)
{
	struct found f = { 0 };
	pthread_t t[3];

	look(&f, 1);
	same(&f, &changer);
	EQ(f.mask, 077);
	for(int i = 0; i < 3; i++)
		t[i] = spawn(grandchild, NULL);
	for(int i = 0; i < 3; i++)
		join(t[i]);
	/* its own, no longer the creator's */
	EQ(setpriority(PRIO_PROCESS, 0, 7), 0);
	EQ(getpriority(PRIO_PROCESS, 0), 7);
	return arg;
}

static void
filter(void)
{
	struct sock_filter code[6];
	struct sock_fprog prog = pgidfilter(code);

	EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0), 0);
}

static void *
changes(void *arg)
{
	pthread_t t[4];
	cpu_set_t set;
	int cpu;

	EQ(sched_getaffinity(0, sizeof set, &set), 0);
	for(cpu = 0; !CPU_ISSET(cpu, &set); cpu++)
		;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	EQ(sched_setaffinity(0, sizeof set, &set), 0);
	errno = 0;
	EQ(nice(4), 4);
	EQ(prctl(PR_SET_TIMERSLACK, 123456, 0, 0, 0), 0);
	CHECK(personality((unsigned long)(before.persona | ADDR_NO_RANDOMIZE)) != -1);
	EQ(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 6), 0);
	EQ(unshare(CLONE_FS), 0);
	EQ(chdir("/"), 0);
	umask(077);
	if(namespaces) {
		EQ(unshare(CLONE_NEWUTS), 0);
		EQ(sethostname("inherit", 7), 0);
		setfsuid(12345);
		EQ(setfsuid((uid_t)-1), 12345);
		EQ(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), 0);
	}
	EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	filter();
	look(&changer, 1);
	EQ(changer.mask, 077);
	EQ(strcmp(changer.cwd, "/"), 0);
	EQ(changer.filtered, EXDEV);
	for(int i = 0; i < 4; i++)
		t[i] = spawn(child, NULL);
	for(int i = 0; i < 4; i++)
		join(t[i]);
	return arg;
}

static void *
unchanged(void *arg)
{
	struct found f = { 0 };

	look(&f, 1);
	same(&f, &before);
	EQ(f.mask, 022);
	return arg;
}

/* One that has a robust mutex, which other processes know it by, is changed by another thread meanwhile. */
static pthread_mutex_t shared;
static sem_t has, changed;

static void *
heir(void *arg)
{
	EQ(getpriority(PRIO_PROCESS, 0), 5);
	return arg;
}

static void *
holds(void *arg)
{
	OK(pthread_mutex_lock(&shared));
	*(pid_t *)arg = gettid();
	sem_post(&has);
	while(sem_wait(&changed) != 0)
		;
	join(spawn(heir, NULL));
	OK(pthread_mutex_unlock(&shared));
	join(spawn(heir, NULL));
	return arg;
}

static void
changesholder(void)
{
	pthread_mutexattr_t a;
	pthread_t t;
	pid_t tid;

	OK(pthread_mutexattr_init(&a));
	OK(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED));
	OK(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST));
	OK(pthread_mutex_init(&shared, &a));
	OK(sem_init(&has, 0, 0));
	OK(sem_init(&changed, 0, 0));
	t = spawn(holds, &tid);
	while(sem_wait(&has) != 0)
		;
	EQ(setpriority(PRIO_PROCESS, (id_t)tid, 5), 0);
	sem_post(&changed);
	join(t);
}

int
main(void)
{
	pthread_t t, u[8];

	usualnice();
	EQ(chdir("/tmp"), 0);
	umask(022);
	look(&before, 1);
	namespaces = geteuid() == 0 && fork() == 0;
	if(namespaces) /* may this be done here? */
		_exit(unshare(CLONE_NEWUTS) == 0 && sethostname("x", 1) == 0 ? 0 : 1);
	if(geteuid() == 0) {
		int status;

		CHECK(waitpid(-1, &status, 0) > 0);
		namespaces = status == 0;
	}
	t = spawn(changes, NULL);
	for(int i = 0; i < 8; i++)
		u[i] = spawn(unchanged, NULL);
	join(t);
	for(int i = 0; i < 8; i++)
		join(u[i]);
	changesholder();
	join(spawn(unchanged, NULL));
	unchanged(NULL);
	puts("ok");
	return 0;
}
