/* SPDX-License-Identifier: MIT */
/* build: -O1 */
/* timeout: 60 */
/*
 * Every way to end a process, from main and from another thread, while threads are in every state: what is printed by which
 * handlers in which order, what becomes of buffered output, and the status. Each case is a process of its own.
 */
#include "prog.h"
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;

static const char *const states[] = {
	"none", "running", "runnable", "mutex", "cond", "recv", "sleep", "join", "poll", "syscall", "handler", "sem", "rwlock",
	"barrier", "pause", "all",
};
static const char *const ways[] = {
	"return", "exit", "_exit", "_Exit", "quick_exit", "abort", "kill", "term", "segv", "pthread_exit", "exit-in-atexit",
	"cancel", "exit-in-handler", "_exit-in-handler", "exit-in-tsd", "last", "exit_group", "pthread_exit-in-atexit",
};
enum { NSTATES = sizeof states / sizeof states[0], NWAYS = sizeof ways / sizeof ways[0] };

/* ---- the others ---- */

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER, m2 = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t bar;
static sem_t sem;
static int pipefd[2], sock[2], ready;
static pthread_t never;
static volatile sig_atomic_t inhandler;

static void
stay(int)
{
	inhandler = 1;
	for(;;)
		pause();
}

static void *
forever(void *arg)
{
	for(;;)
		pause();
	return arg;
}

/* A thread's own: must not be run when the process ends by exit in another thread. */
struct Local {
	const char *name = nullptr;
	~Local()
	{
		if(name)
			printf("thread_local of %s\n", name);
	}
};
static thread_local Local local;
static pthread_key_t key;

static void
tsd(void *v)
{
	printf("tsd of %s\n", (char *)v);
}

static void *
other(void *arg)
{
	const char *s = (const char *)arg;
	struct pollfd p = { pipefd[0], POLLIN, 0 };
	char ch;
#define IS(x) (strcmp(s, x) == 0)

	local.name = "another";
	OK(pthread_setspecific(key, "another"));
	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	if(IS("running"))
		for(volatile int i = 0;; i++)
			;
	else if(IS("runnable"))
		for(;;)
			sched_yield();
	else if(IS("mutex"))
		pthread_mutex_lock(&m);
	else if(IS("cond")) {
		pthread_mutex_lock(&m2);
		for(;;)
			pthread_cond_wait(&c, &m2);
	}else if(IS("recv"))
		recv(sock[0], &ch, 1, 0);
	else if(IS("sleep"))
		sleep(1000);
	else if(IS("join"))
		pthread_join(never, NULL);
	else if(IS("poll"))
		poll(&p, 1, -1);
	else if(IS("syscall"))
		syscall(SYS_read, pipefd[0], &ch, 1);
	else if(IS("handler"))
		pthread_kill(pthread_self(), SIGUSR1);
	else if(IS("sem"))
		sem_wait(&sem);
	else if(IS("rwlock"))
		pthread_rwlock_rdlock(&rw);
	else if(IS("barrier"))
		pthread_barrier_wait(&bar);
	else
		pause();
	for(;;)
		pause();
	return NULL;
}

static void
others(const char *state)
{
	struct sigaction sa = {};
	int n = 0;

	sa.sa_handler = stay;
	sigaction(SIGUSR1, &sa, NULL);
	OK(pthread_key_create(&key, tsd));
	OK(sem_init(&sem, 0, 0));
	OK(pthread_barrier_init(&bar, NULL, 2));
	OK(pthread_mutex_lock(&m));
	OK(pthread_rwlock_wrlock(&rw));
	EQ(pipe(pipefd), 0);
	EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sock), 0);
	never = spawn(forever, NULL);
	for(int i = 1; i < NSTATES - 1; i++)
		if(strcmp(state, "all") == 0 || strcmp(state, states[i]) == 0) {
			spawn(other, (void *)states[i]);
			n++;
		}
	while(__atomic_load_n(&ready, __ATOMIC_SEQ_CST) != n)
		sched_yield();
	msleep(2);
}

/* ---- one way to end ---- */

static const char *way;
#define WAY(x) (strcmp(way, x) == 0)

struct Global {
	~Global() { printf("global\n"); }
};
static Global *global()
{
	static Global g;
	return &g;
}

static void first() { printf("atexit 1\n"); }
static void
second()
{
	printf("atexit 2\n");
	if(WAY("exit-in-atexit"))
		exit(9);
	if(WAY("pthread_exit-in-atexit"))
		pthread_exit(NULL);
}
static void onexit(int status, void *arg) { printf("on_exit %d %s\n", status, (char *)arg); }
static void quick() { printf("at_quick_exit\n"); fflush(stdout); }
static void fork1() {}
__attribute__((destructor)) static void destructor() { if(way) printf("destructor\n"); }

static void exiting(int) { exit(12); }
static void exitingnow(int) { _exit(13); }
static void exitingtsd(void *) { exit(14); }

static void
end()
{
	struct sigaction sa = {};
	pthread_key_t k;

	local.name = "the one";
	OK(pthread_setspecific(key, "the one"));
	printf("buffered;");
	if(WAY("exit"))
		exit(3);
	if(WAY("exit-in-atexit") || WAY("pthread_exit-in-atexit"))
		exit(4);
	if(WAY("_exit"))
		_exit(5);
	if(WAY("_Exit"))
		_Exit(6);
	if(WAY("quick_exit"))
		quick_exit(7);
	if(WAY("abort"))
		abort();
	if(WAY("kill"))
		kill(getpid(), SIGKILL);
	if(WAY("term"))
		raise(SIGTERM);
	if(WAY("segv"))
		*(volatile int *)8 = 1;
	if(WAY("exit_group"))
		syscall(SYS_exit_group, 8);
	if(WAY("pthread_exit") || WAY("last"))
		pthread_exit((void *)11);
	if(WAY("cancel")) {
		pthread_cancel(pthread_self());
		pthread_testcancel();
	}
	if(WAY("exit-in-handler") || WAY("_exit-in-handler")) {
		sa.sa_handler = way[0] == '_' ? exitingnow : exiting;
		sigaction(SIGUSR2, &sa, NULL);
		raise(SIGUSR2);
	}
	if(WAY("exit-in-tsd")) {
		OK(pthread_key_create(&k, exitingtsd));
		OK(pthread_setspecific(k, "x"));
		pthread_exit(NULL);
	}
}

static void *
ender(void *arg)
{
	end();
	return arg;
}

/* When the way ends only the thread, the process must end, too. */
static void *
closer(void *arg)
{
	pthread_join(*(pthread_t *)arg, NULL);
	msleep(2);
	printf("closer\n");
	exit(21);
}

static int
child(const char *how, const char *who, const char *state)
{
	struct rlimit core = { RLIM_INFINITY, RLIM_INFINITY };
	static pthread_t t;
	bool onlythread;

	way = how;
	setrlimit(RLIMIT_CORE, &core);
	onlythread = WAY("pthread_exit") || WAY("cancel") || WAY("pthread_exit-in-atexit") || (WAY("return") && strcmp(who, "main"));
	atexit(first);
	on_exit(onexit, (void *)"x");
	atexit(second);
	at_quick_exit(quick);
	pthread_atfork(fork1, fork1, fork1);
	global();
	if(!WAY("last"))
		others(state);
	else
		OK(pthread_key_create(&key, tsd));
	t = pthread_self();
	if(strcmp(who, "main") == 0) {
		if(onlythread)
			spawn(closer, &t);
		end();
		return 10;
	}
	t = spawn(ender, NULL);
	if(WAY("last"))
		pthread_exit(NULL);
	if(onlythread)
		closer(&t);
	for(;;)
		pause();
}

/* ---- the table ---- */

static void
run(const char *how, const char *who, const char *state)
{
	char out[4096], err[256] = "";
	int fds[2], st;
	ssize_t n, len = 0;
	pid_t pid;

	EQ(pipe(fds), 0);
	CHECK((pid = fork()) >= 0);
	if(pid == 0) {
		dup2(fds[1], 1);
		execl("/proc/self/exe", "exit_table", how, who, state, (char *)NULL);
		_exit(99);
	}
	close(fds[1]);
	while((n = read(fds[0], out + len, sizeof out - 1 - (size_t)len)) > 0)
		len += n;
	out[len] = 0;
	close(fds[0]);
	EQ(waitpid(pid, &st, 0), pid);
	if(WIFSIGNALED(st))
		sprintf(err, "signal %d%s", WTERMSIG(st), WCOREDUMP(st) ? ", core" : "");
	else
		sprintf(err, "status %d", WEXITSTATUS(st));
	for(char *p = out; *p; p++)
		if(*p == '\n')
			*p = ';';
	printf("%s in %s, others %s: %s: %s\n", how, who, state, err, out);
}

int
main(int argc, char **argv)
{
	static const char *const who[] = { "main", "a thread" };
	char dir[] = "/tmp/exit_tableXXXXXX";
	char cmd[64];

	if(argc == 4)
		return child(argv[1], argv[2], argv[3]);
	CHECK(mkdtemp(dir) != NULL);
	EQ(chdir(dir), 0); /* for core dumps */
	for(int w = 0; w < 2; w++) {
		for(int h = 0; h < NWAYS; h++)
			run(ways[h], who[w], "all");
		for(int s = 0; s < NSTATES - 1; s++)
			run("exit", who[w], states[s]);
	}
	EQ(chdir("/"), 0);
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	EQ(system(cmd), 0);
	return 0;
}
