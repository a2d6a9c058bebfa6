/* SPDX-License-Identifier: MIT */
/* build: -lutil -lrt */
/* timeout: 90 */
/*
 * Calls that block without a descriptor to wait for, in the manner of mx.h:
 *
 *	calls (rows below)                              what happens to each while it waits
 *	file locks: flock, lockf, F_SETLKW, F_OFD_...   it gets what it waits for
 *	children: waitpid, waitid, wait4                a signal whose handler lacks SA_RESTART, and then that
 *	System V: msgrcv, semop, semtimedop             the same with SA_RESTART
 *	POSIX: mq_receive, sem_wait                     it is cancelled
 *	open of a FIFO for reading, for writing
 *	sigwait, sigwaitinfo, futex: shared, waitv
 *
 * All wait at once, and a thread that does not block goes on all the time.
 */
#include "mx.h"
#include <linux/futex.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

struct wait {
	const struct call *call;
	pthread_t t;
	int fd, other, id, nr;
	pid_t child;
	char path[64];
	sem_t sem;
	uint32_t *word;
	atomic_bool entered, done, joined;
	void *result;
	long r;
	int err;
};

struct call {
	const char *name;
	void (*make)(struct wait *);
	long (*fn)(struct wait *);
	void (*release)(struct wait *);
};

/* ---- file locks: held by a description of another; POSIX locks by a child ---- */

static void
mklock(struct wait *w)
{
	snprintf(w->path, sizeof w->path, "%s/lock.%d", dir, w->nr);
	w->fd = OK(open(w->path, O_RDWR | O_CREAT, 0600));
	w->other = OK(open(w->path, O_RDWR));
	OK(flock(w->other, LOCK_EX));
	OK(fcntl(w->other, F_OFD_SETLK, &(struct flock){ .l_type = F_WRLCK }));
}

static void
rellock(struct wait *w)
{
	OK(flock(w->other, LOCK_UN));
	OK(fcntl(w->other, F_OFD_SETLK, &(struct flock){ .l_type = F_UNLCK }));
}

static long doflock(struct wait *w) { return flock(w->fd, LOCK_EX); }
static long dolockf(struct wait *w) { return lockf(w->fd, F_LOCK, 0); }
static long dosetlkw(struct wait *w) { return fcntl(w->fd, F_SETLKW, &(struct flock){ .l_type = F_RDLCK }); }
static long doofd(struct wait *w) { return fcntl(w->fd, F_OFD_SETLKW, &(struct flock){ .l_type = F_WRLCK }); }

/* ---- children ---- */

static void
mkchild(struct wait *w)
{
	if((w->child = forkclean()) == 0) {
		close_range(0, ~0U, 0);
		for(;;)
			pause();
	}
}

static void relchild(struct wait *w) { OK(kill(w->child, SIGKILL)); }
static long dowaitpid(struct wait *w) { return waitpid(w->child, NULL, 0) == w->child ? 0 : -1; }
static long dowait4(struct wait *w) { return wait4(w->child, NULL, 0, NULL) == w->child ? 0 : -1; }

static long
dowaitid(struct wait *w)
{
	siginfo_t si = { 0 };

	return waitid(P_PID, w->child, &si, WEXITED) == 0 ? si.si_status : -1;
}

/* ---- System V and POSIX ---- */

struct msg {
	long type;
	int v;
};

static void mkmsg(struct wait *w) { w->id = OK(msgget(IPC_PRIVATE, 0600)); }
static void mksem(struct wait *w) { w->id = OK(semget(IPC_PRIVATE, 1, 0600)); }
static long domsgrcv(struct wait *w) { return msgrcv(w->id, &(struct msg){ 0 }, sizeof(int), 0, 0); }
static void relmsg(struct wait *w) { OK(msgsnd(w->id, &(struct msg){ 1, 2 }, sizeof(int), 0)); }
static long dosemop(struct wait *w) { return semop(w->id, &(struct sembuf){ 0, -1, 0 }, 1); }
static void relsem(struct wait *w) { OK(semop(w->id, &(struct sembuf){ 0, 1, 0 }, 1)); }

static long
dosemtimedop(struct wait *w)
{
	return semtimedop(w->id, &(struct sembuf){ 0, -1, 0 }, 1, &(struct timespec){ 60, 0 });
}

static void
mkmq(struct wait *w)
{
	struct mq_attr a = { .mq_maxmsg = 1, .mq_msgsize = 16 };

	snprintf(w->path, sizeof w->path, "/mxc.%d.%d", getpid(), w->nr);
	w->fd = mqmake(w->path, O_RDWR, &a);
	CHECK(w->fd >= 0 || errno == ENOSYS);
	mq_unlink(w->path);
}

static long domq(struct wait *w) { return mq_receive(w->fd, (char[16]){ 0 }, 16, NULL); }

static void
relmq(struct wait *w)
{
	if(w->fd >= 0)
		OK(mq_send(w->fd, "abcd", 4, 0));
}

static void mkpsem(struct wait *w) { OK(sem_init(&w->sem, 1, 0)); }
static long dopsem(struct wait *w) { return sem_wait(&w->sem); }
static void relpsem(struct wait *w) { OK(sem_post(&w->sem)); }

/* ---- open ---- */

static void
mkopen(struct wait *w)
{
	snprintf(w->path, sizeof w->path, "%s/open.%d", dir, w->nr);
	OK(mkfifo(w->path, 0600));
}

static long doopenr(struct wait *w) { return open(w->path, O_RDONLY) >= 0 ? 0 : -1; }
static long doopenw(struct wait *w) { return open(w->path, O_WRONLY) >= 0 ? 0 : -1; }
static void relopen(struct wait *w) { OK(open(w->path, O_RDWR)); }

/* ---- signals: one of its own for each ---- */

static void
mksig(struct wait *w)
{
	w->id = SIGRTMIN + 2 + w->nr % 20;
}

static sigset_t *
setof(struct wait *w, sigset_t *s)
{
	sigemptyset(s);
	sigaddset(s, w->id);
	return s;
}

static long
dosigwait(struct wait *w)
{
	sigset_t s;
	int sig = 0, e = sigwait(setof(w, &s), &sig);

	errno = e;
	return e != 0 ? -1 : sig == w->id ? 0 : 1;
}

static long
dosigwaitinfo(struct wait *w)
{
	sigset_t s;
	int r = sigwaitinfo(setof(w, &s), NULL);

	return r < 0 ? -1 : r == w->id ? 0 : 1;
}

static void relsig(struct wait *w) { OK(kill(getpid(), w->id)); }

/* ---- futexes ---- */

static void
mkfutex(struct wait *w)
{
	w->word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(w->word != MAP_FAILED);
}

static long dofutex(struct wait *w) { return syscall(SYS_futex, w->word, FUTEX_WAIT, 0, NULL, NULL, 0); }

static long
dobitset(struct wait *w)
{
	return syscall(SYS_futex, w->word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0, NULL, NULL, 4);
}

static long
dowaitv(struct wait *w)
{
	struct futex_waitv v = { .uaddr = (uintptr_t)w->word, .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG };

	return syscall(449 /* futex_waitv */, &v, 1, 0, NULL, 0);
}

static void
relfutex(struct wait *w)
{
	*w->word = 1;
	syscall(SYS_futex, w->word, FUTEX_WAKE, 10, NULL, NULL, 0);
	syscall(SYS_futex, w->word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 10, NULL, NULL, 0);
}

static const struct call calls[] = {
	{ "flock", mklock, doflock, rellock }, { "lockf", mklock, dolockf, rellock },
	{ "F_SETLKW", mklock, dosetlkw, rellock }, { "F_OFD_SETLKW", mklock, doofd, rellock },
	{ "waitpid", mkchild, dowaitpid, relchild }, { "waitid", mkchild, dowaitid, relchild },
	{ "wait4", mkchild, dowait4, relchild }, { "msgrcv", mkmsg, domsgrcv, relmsg },
	{ "semop", mksem, dosemop, relsem }, { "semtimedop", mksem, dosemtimedop, relsem },
	{ "mq_receive", mkmq, domq, relmq }, { "sem_wait", mkpsem, dopsem, relpsem },
	{ "open to read", mkopen, doopenr, relopen }, { "open to write", mkopen, doopenw, relopen },
	{ "sigwait", mksig, dosigwait, relsig }, { "sigwaitinfo", mksig, dosigwaitinfo, relsig },
	{ "futex", mkfutex, dofutex, relfutex }, { "futex bitset", mkfutex, dobitset, relfutex },
	{ "futex_waitv", mkfutex, dowaitv, relfutex },
};
enum { NCALL = nelem(calls) };

static struct wait *waits;
static atomic_long progress;
static atomic_bool over;

static void *
waiter(void *arg)
{
	struct wait *w = arg;

	w->entered = true;
	errno = 0;
	w->r = w->call->fn(w);
	w->err = errno;
	w->done = true;
	return NULL;
}

static void *
goeson(void *arg)
{
	while(!over) {
		progress++;
		mxnap(1);
	}
	return NULL;
}

static void
begin(void)
{
	kindsinit();
	waits = calloc(NCALL, sizeof *waits);
	for(int i = 0; i < NCALL; i++) {
		waits[i].call = &calls[i];
		waits[i].nr = i;
		waits[i].fd = waits[i].other = -1;
		calls[i].make(&waits[i]);
	}
	for(int i = 0; i < NCALL; i++)
		waits[i].t = spawn(waiter, &waits[i]);
	for(int i = 0; i < NCALL; i++)
		while(!waits[i].entered)
			mxnap(1);
	mxrest();
	long p = progress;
	while(progress < p + 5)
		mxnap(1);
}

/* Joins those that ended, when nobody does any more. */
static void
settle(void)
{
	mxrest();
	for(int i = 0; i < NCALL; i++)
		waits[i].joined = pthread_tryjoin_np(waits[i].t, &waits[i].result) == 0;
}

/* Gives those who still wait what they wait for, and prints all. */
static void
finish(const char *name)
{
	printf("%s:\n", name);
	for(int i = 0; i < NCALL; i++) {
		struct wait *w = &waits[i];
		if(!w->joined) {
			w->call->release(w);
			OK(pthread_join(w->t, &w->result));
		} else if(w->child)
			OK(kill(w->child, SIGKILL));
		printf("%-14s", w->call->name);
		if(w->result == PTHREAD_CANCELED)
			puts("cancelled");
		else if(w->r < 0)
			puts(strerrorname_np(w->err));
		else
			printf("%ld\n", w->r);
		if(w->call->make == mkmsg)
			OK(msgctl(w->id, IPC_RMID, NULL));
		if(w->call->make == mksem)
			OK(semctl(w->id, 0, IPC_RMID));
	}
	kindsdone();
}

static void
nothing(int sig)
{
}

static void
signalled(int flags)
{
	struct sigaction sa = { .sa_handler = nothing, .sa_flags = flags };

	OK(sigaction(SIGUSR1, &sa, NULL));
	begin();
	for(int i = 0; i < NCALL; i++)
		if(!waits[i].done)
			OK(pthread_kill(waits[i].t, SIGUSR1));
	settle();
	finish(flags ? "with SA_RESTART" : "without SA_RESTART");
}

int
main(void)
{
	sigset_t rt;

	sigemptyset(&rt);
	for(int s = SIGRTMIN + 2; s <= SIGRTMAX; s++)
		sigaddset(&rt, s);
	pthread_sigmask(SIG_BLOCK, &rt, NULL);
	pthread_t t = spawn(goeson, NULL);
	begin();
	finish("released");
	signalled(0);
	signalled(SA_RESTART);
	begin();
	for(int i = 0; i < NCALL; i++)
		OK(pthread_cancel(waits[i].t));
	settle();
	finish("cancelled");
	over = true;
	join(t);
	return 0;
}
