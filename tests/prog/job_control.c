/* SPDX-License-Identifier: MIT */
/*
 * Job control, on a terminal of its own: a job with threads is stopped by reading in the background (SIGTTIN), by writing there with
 * tostop (SIGTTOU), by ^Z (SIGTSTP, by default and from a handler that stops it as editors do) and by SIGSTOP; its parent is told how;
 * none of its threads runs meanwhile; all go on at SIGCONT, whose handler runs once; waits of its threads have not been disturbed.
 */
#include "prog.h"
#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <termios.h>

static struct shared {
	atomic_long count;   /* a thread of the job counts */
	atomic_int conts, tstps, again, lines, polite, ready;
	atomic_int order;    /* for the job's worker */
} *sh;
enum { NOTHING, READ, WRITE, END };

static int master, tty, pipefds[2];
static sem_t never;

/* ---- the job ---- */

static void *
counts(void *arg)
{
	for(;;) {
		sh->count++;
		sched_yield();
	}
	return NULL;
}

static void *
waits(void *arg)
{
	EQ(sem_wait(&never), 0); /* not ended by a stop, and restarted after the handler */
	return NULL;
}

static void *
readspipe(void *arg)
{
	char ch;

	EQ(read(pipefds[0], &ch, 1), 1);
	return NULL;
}

static void
oncont(int sig)
{
	sh->conts++;
}

static void
ontstp(int sig)
{
	sigset_t s;

	sh->tstps++;
	signal(SIGTSTP, SIG_DFL);
	sigemptyset(&s);
	sigaddset(&s, SIGTSTP);
	raise(SIGTSTP); /* blocked here */
	OK(pthread_sigmask(SIG_UNBLOCK, &s, NULL));
	/* goes on here */
	signal(SIGTSTP, ontstp);
	sh->again++;
}

static void *
works(void *arg)
{
	char line[64];
	int o;

	for(;;) {
		while((o = sh->order) == NOTHING)
			usleep(500);
		sh->order = NOTHING;
		if(o == READ) {
			CHECK(read(tty, line, sizeof line) == 6 && memcmp(line, "hello\n", 6) == 0);
			sh->lines++;
		} else if(o == WRITE) {
			EQ(write(tty, "bye", 3), 3);
			sh->lines++;
		} else {
			return NULL;
		}
	}
}

static void
job(void)
{
	struct sigaction sa = { .sa_handler = oncont, .sa_flags = SA_RESTART };
	pthread_t w, t, r;

	OK(setpgid(0, 0));
	signal(SIGTTOU, SIG_DFL);
	OK(sigaction(SIGCONT, &sa, NULL));
	if(sh->polite)
		signal(SIGTSTP, ontstp);
	OK(sem_init(&never, 0, 0));
	OK(pipe(pipefds));
	spawn(counts, NULL);
	t = spawn(waits, NULL);
	r = spawn(readspipe, NULL);
	w = spawn(works, NULL);
	sh->ready = 1;
	join(w);
	sem_post(&never);
	join(t);
	EQ(write(pipefds[1], "x", 1), 1);
	join(r);
	_exit(7);
}

/* ---- its parent, the session's leader ---- */

static void
stopped(pid_t pid, int sig)
{
	int status;
	long c;

	EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	EQ(WSTOPSIG(status), sig);
	c = sh->count;
	msleep(20);
	EQ(sh->count, c);
}

static void
goeson(pid_t pid, int conts)
{
	int status;
	long c = sh->count;

	OK(kill(-pid, SIGCONT));
	EQ(waitpid(pid, &status, WCONTINUED), pid);
	CHECK(WIFCONTINUED(status));
	while(sh->count < c + 10 || sh->conts < conts)
		usleep(500);
	EQ(sh->conts, conts);
}

static pid_t
start(int polite)
{
	pid_t pid;

	memset(sh, 0, sizeof *sh);
	sh->polite = polite;
	CHECK((pid = fork()) >= 0);
	if(pid == 0)
		job();
	setpgid(pid, pid);
	while(!sh->ready)
		usleep(500);
	return pid;
}

static void
await(int lines)
{
	while(sh->lines < lines)
		usleep(500);
}

static void
ends(pid_t pid)
{
	int status;

	sh->order = END;
	EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	EQ(WEXITSTATUS(status), 7);
}

static void
leader(void)
{
	struct termios t;
	char text[8];
	pid_t pid;

	CHECK(setsid() > 0);
	CHECK((master = posix_openpt(O_RDWR | O_NOCTTY)) >= 0);
	OK(grantpt(master));
	OK(unlockpt(master));
	CHECK((tty = open(ptsname(master), O_RDWR)) >= 0); /* becomes the controlling terminal */
	OK(tcgetattr(tty, &t));
	t.c_lflag &= ~ECHO;
	t.c_lflag |= TOSTOP | ICANON | ISIG;
	OK(tcsetattr(tty, TCSANOW, &t));
	signal(SIGTTOU, SIG_IGN);

	pid = start(0);
	sh->order = READ;
	stopped(pid, SIGTTIN);
	OK(tcsetpgrp(tty, pid));
	goeson(pid, 1);
	EQ(write(master, "hello\n", 6), 6);
	await(1);
	puts("background read: ok");
	EQ(write(master, "\032", 1), 1);
	stopped(pid, SIGTSTP);
	goeson(pid, 2);
	puts("^Z: ok");
	OK(kill(pid, SIGSTOP));
	stopped(pid, SIGSTOP);
	goeson(pid, 3);
	puts("SIGSTOP: ok");
	OK(tcsetpgrp(tty, getpgrp()));
	sh->order = WRITE;
	stopped(pid, SIGTTOU);
	OK(tcsetpgrp(tty, pid));
	goeson(pid, 4);
	await(2);
	EQ(read(master, text, sizeof text), 3);
	puts("background write: ok");
	ends(pid);

	pid = start(1);
	OK(tcsetpgrp(tty, pid));
	for(int i = 1; i <= 3; i++) {
		EQ(write(master, "\032", 1), 1);
		stopped(pid, SIGTSTP);
		EQ(sh->tstps, i);
		goeson(pid, i);
		while(sh->again < i) /* until then it has the default action */
			usleep(500);
	}
	ends(pid);
	puts("handled ^Z: ok");
	fflush(stdout);
	_exit(0);
}

int
main(void)
{
	int status;
	pid_t pid;

	sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(sh != MAP_FAILED);
	CHECK((pid = fork()) >= 0);
	if(pid == 0)
		leader();
	EQ(waitpid(pid, &status, 0), pid);
	EQ(status, 0);
	return 0;
}
