/* SPDX-License-Identifier: MIT */
/* build: -lrt */
/* Message queues and semaphores of System V and POSIX: many threads wait in the kernel, others go on, times are kept. */
#include "others.h"
#include "mq_util.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

enum { N = 100 };

static int id;
static mqd_t mq;
static atomic_int begun;

static void
othersgo(void)
{
	while(begun < N)
		sched_yield();
	nudge();
	long w = work;
	while(work < w + 50)
		sched_yield();
}

struct msg {
	long type;
	int v;
};

static void *
msgreader(void *arg)
{
	struct msg m;
	long want = (intptr_t)arg + 1;
	begun++;
	EQ(msgrcv(id, &m, sizeof m.v, want, 0), sizeof m.v);
	EQ(m.type, want);
	EQ(m.v, want * 3);
	return NULL;
}

static void
sysvmsg(void)
{
	struct msg m;
	id = OK(msgget(IPC_PRIVATE, 0600));
	begun = 0;
	pthread_t *t = spawnall(N, msgreader);
	othersgo();
	FAILS(msgrcv(id, &m, sizeof m.v, 0, IPC_NOWAIT), ENOMSG);
	for(int i = N; i > 0; i--) {
		m = (struct msg){ i, i * 3 };
		OK(msgsnd(id, &m, sizeof m.v, 0));
	}
	joinall(t, N);
	/* Removed while others wait. */
	OK(msgctl(id, IPC_RMID, NULL));
	pass("msgrcv");
}

static void *
msgwaiter(void *arg)
{
	struct msg m;
	int e = msgrcv(id, &m, sizeof m.v, 0, 0) == -1 ? errno : 0;
	CHECK(e == EIDRM || e == EINVAL);
	return NULL;
}

static void
removed(void)
{
	id = OK(msgget(IPC_PRIVATE, 0600));
	pthread_t *t = spawnall(5, msgwaiter);
	nudge();
	OK(msgctl(id, IPC_RMID, NULL));
	joinall(t, 5);
	pass("queue removed");
}

static int counted;

static void *
semuser(void *arg)
{
	struct sembuf down = { 0, -1, SEM_UNDO }, up = { 0, 1, SEM_UNDO };
	begun++;
	OK(semop(id, &down, 1));
	int c = counted;
	sched_yield();
	counted = c + 1;
	OK(semop(id, &up, 1));
	return NULL;
}

static void
sysvsem(void)
{
	id = OK(semget(IPC_PRIVATE, 1, 0600));
	begun = 0;
	pthread_t *t = spawnall(N, semuser);
	othersgo();
	EQ(counted, 0);
	struct timespec ts = { 0, 20 * MS };
	struct sembuf down = { 0, -1, 0 }, up = { 0, 1, 0 };
	int64_t t0 = now();
	FAILS(semtimedop(id, &down, 1, &ts), EAGAIN);
	TOOK(t0, 20 * MS, 20 * MS);
	OK(semop(id, &up, 1));
	joinall(t, N);
	EQ(counted, N);
	OK(semctl(id, 0, IPC_RMID));
	pass("semop");
}

static void *
mqreader(void *arg)
{
	char b[16];
	unsigned prio;
	begun++;
	EQ(mq_receive(mq, b, sizeof b, &prio), 4);
	EQ(prio, 3);
	return (void *)(intptr_t)b[0];
}

static void *
mqwriter(void *arg)
{
	/* The queue holds four: most of these wait for room. */
	for(int i = 0; i < 50; i++)
		OK(mq_send(mq, (char[4]){ 'w' }, 4, 3));
	return NULL;
}

static void
posixmq(void)
{
	struct mq_attr a = { .mq_maxmsg = 4, .mq_msgsize = 16 };
	char name[64], b[16];
	snprintf(name, sizeof name, "/io_queue.%d", getpid());
	mq = mqmake(name, O_RDWR, &a);
	if(mq == (mqd_t)-1 && errno == ENOSYS) {
		pass("mq_receive");
		return;
	}
	CHECK(mq != (mqd_t)-1);
	OK(mq_unlink(name));
	begun = 0;
	pthread_t *t = spawnall(N, mqreader);
	othersgo();
	joinall(spawnall(2, mqwriter), 2);
	for(int i = 0; i < N; i++)
		EQ((intptr_t)join(t[i]), 'w');
	free(t);
	struct timespec ts;
	OK(clock_gettime(CLOCK_REALTIME, &ts));
	int64_t t0 = now(), at = ts.tv_sec * SEC + ts.tv_nsec + 20 * MS;
	ts = tspec(at);
	FAILS(mq_timedreceive(mq, b, sizeof b, NULL, &ts), ETIMEDOUT);
	TOOK(t0, 19 * MS, 20 * MS);
	OK(mq_close(mq));
	pass("mq_receive");
}

int
main(void)
{
	pthread_t w = spawn(worker, NULL);
	sysvmsg();
	removed();
	sysvsem();
	posixmq();
	over = true;
	join(w);
	return 0;
}
