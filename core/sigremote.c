/* SPDX-License-Identifier: MIT */
/*
 * tgkill(2) from another process. The id that a program has of a thread of its parent's, say, is a G's, of which the kernel knows
 * nothing; no kernel thread's is as great. So the heddle of the process that sends asks that of the other one: by signal 32, queued
 * with the G's id and the signal as its payload. No handler of the program's sees it, no G can block it, and the kernel checks as ever who
 * may signal whom. A process that has no handler for it would die of it: who has none has no G either, and is not sent any. libc's own
 * handler ignores what is not from within its process.
 *
 * As the kernel has it, the G has the signal before it runs any more of the program once tgkill has returned: a parent that waits
 * for the child which sends it does not miss it. Only the G's own thread can see to that, and only its own process knows which
 * that is. So all of that process's threads are asked. The first one to come to its handler queues the signal (`done`
 * tells the others that it has been), and the one that runs the G delivers it there and then. Of a parked G sysmon takes care.
 *
 *   si_value   MAGIC in the lower bits, then the G's id, then the signal
 *   si_errno   which of the sender's requests it is
 *   si_pid, si_uid  the sender's
 *
 * Nobody answers: of a G that has ended the sender is told nothing.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "sig.h"

enum { MAGIC = 0x2c69636, MAGICBITS = 27, TIDBITS = 30, STATUSSIZE = 8 << 10, NDONE = 64 };

/* ---- the sender ---- */

/* A set of signals from a file of /proc; key is what comes before it there. */
uint64_t
sigstatus(const char *path, const char *key)
{
	char text[STATUSSIZE], *p;
	uint64_t set = 0;
	long fd, n;

	if((fd = rawsyscall(SYS_open, path, O_RDONLY | O_CLOEXEC)) < 0)
		return 0;
	n = rawsyscall(SYS_read, fd, text, sizeof text - 1);
	rawsyscall(SYS_close, fd);
	text[n > 0 ? n : 0] = 0;
	if((p = strstr(text, key)) != NULL)
		for(p += strlen(key); *p > ' '; p++)
			set = set << 4 | (uint64_t)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
	return set;
}

/* Has the process a handler for signal 32? */
static bool
takeskicks(int32_t pid)
{
	char path[64];

	fmtbuf(path, sizeof path, "/proc/%d/status", pid);
	return sigstatus(path, "\nSigCgt:\t") & SIGBIT(SIGCANCELNO);
}

/* Sends info to all of the process's threads: 0 if one has got it. */
static long
sendall(int32_t pid, const siginfo_t *info)
{
	char path[64], buf[2048] __attribute__((aligned(8)));
	long fd, n, r = -ESRCH, e;
	struct dirent64 *d;
	int32_t tid;

	fmtbuf(path, sizeof path, "/proc/%d/task", pid);
	if((fd = rawsyscall(SYS_open, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return -ESRCH;
	while((n = rawsyscall(SYS_getdents64, fd, buf, sizeof buf)) > 0)
		for(long at = 0; at < n; at += d->d_reclen){
			d = (struct dirent64 *)(buf + at);
			tid = 0;
			for(const char *p = d->d_name; *p >= '0' && *p <= '9'; p++)
				tid = tid * 10 + (*p - '0');
			if(tid == 0)
				continue;
			e = rawsyscall(SYS_rt_tgsigqueueinfo, pid, tid, SIGCANCELNO, info);
			if(e == 0 || r != 0)
				r = e;
		}
	rawsyscall(SYS_close, fd);
	return r;
}

long
sigtoremote(int32_t pid, uint32_t tid, int sig)
{
	static uint32_t n;
	siginfo_t info = {.si_signo = SIGCANCELNO, .si_code = SI_QUEUE};

	if(sig < 0 || sig > NSIGS)
		return -EINVAL;
	if(!takeskicks(pid))
		return -ESRCH;
	if(sig == 0 || sig == SIGKILL || sig == SIGSTOP)
		return rawsyscall(SYS_kill, pid, sig);
	info.si_errno = (int)((uint32_t)nanotime() << 8 | (add_fetch(&n, 1) & 0xff));
	info.si_pid = (pid_t)rawsyscall(SYS_getpid);
	info.si_uid = (uid_t)rawsyscall(SYS_getuid);
	info.si_value.sival_ptr = (void *)((uintptr_t)sig << (MAGICBITS + TIDBITS) | (uintptr_t)tid << MAGICBITS | MAGIC);
	return sendall(pid, &info);
}

/* ---- the receiver; all in a handler ---- */

/* The last requests of other processes. Who has `busy` queues the signal as well: whoever finds a request here finds that, too. */
static struct {
	int32_t pid, n;
} done[NDONE];
static uint32_t ndone;
static uint32_t busy; /* a spin lock, taken with all signals blocked */

/* Is this request a new one? busy. */
static bool
isnew(const siginfo_t *asks)
{
	for(int i = 0; i < NDONE; i++)
		if(done[i].pid == asks->si_pid && done[i].n == asks->si_errno)
			return false;
	done[ndone % NDONE].pid = asks->si_pid;
	done[ndone++ % NDONE].n = asks->si_errno;
	return true;
}

static void
receive(struct g *to, const siginfo_t *info)
{
	switch(sigfate(to, info)){
	case SIGFATE_QUEUE:
		sigenqueue(to, info);
		fetch_or(&sched.sigwake, SIGWAKE_SENT);
		sysmonwake();
		break;
	case SIGFATE_KERNEL:
		rawsyscall(SYS_kill, sigpid, info->si_signo); /* some thread lets it through, as the G does */
		break;
	case SIGFATE_DONE:
		break;
	}
}

bool
sigremote(const siginfo_t *asks)
{
	uint64_t value = (uintptr_t)asks->si_value.sival_ptr;
	siginfo_t info = {.si_signo = (int)(value >> (MAGICBITS + TIDBITS)), .si_code = SI_TKILL};
	struct g *to;

	if(asks->si_code != SI_QUEUE || (value & ((1UL << MAGICBITS) - 1)) != MAGIC)
		return false;
	if(info.si_signo < 1 || info.si_signo > NSIGS || (to = gfromtid((value >> MAGICBITS) & ((1U << TIDBITS) - 1))) == NULL)
		return true;
	info.si_pid = asks->si_pid;
	info.si_uid = asks->si_uid;
	while(xchg(&busy, 1) != 0)
		rawsyscall(SYS_sched_yield);
	if(isnew(asks))
		receive(to, &info);
	store_release(&busy, 0);
	if(to == getg())
		fetch_or(&to->attn, ATTN_SIGNAL);
	return true;
}

void
sigremotefork(void)
{
	busy = 0;
}
