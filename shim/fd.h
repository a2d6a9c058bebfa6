/* SPDX-License-Identifier: MIT */
/*
 * Waiting for descriptors: what the wrappers in io.c, socket.c, poll.c share.
 */
#ifndef HEDDLE_FD_H
#define HEDDLE_FD_H

#include "cancel.h"
#include "libc.h"
#include "netpoll.h"
#include "stopped.h"

/* What a call that would block has to know. */
struct fdfacts {
	bool nb;     /* O_NONBLOCK is set */
	bool lowat;  /* SO_RCVLOWAT is more than 1 */
	bool listen; /* SO_ACCEPTCONN */
	int64_t rtimeo, wtimeo; /* SO_RCVTIMEO, SO_SNDTIMEO in ns; NOTIME none */
};

/* fdask fills *f: from what is kept, if that can be relied upon, else by system calls; then only as far as the wait needs. */
void fdask(struct polldesc *pd, struct fdfacts *f, enum waitreason why);
/* fdkind returns what kind of thing pd's number names, with one fstat the first time. May be out
 * of date; a wrong one shows by the error of what is tried. */
enum fdkind fdkind(struct polldesc *pd);
/* fdsetkind corrects it. */
void fdsetkind(struct polldesc *pd, enum fdkind kind);

/*
 * fdpollslow: to look at pd's number by poll(2) and the like may take long, as its file system's server has to be asked (FUSE_POLL), or
 * it is an epoll instance with such in it. So nobody may look who holds a P, nor may it be registered with the runtime's
 * instance, for which the kernel looks at each event. Of other file systems' files nobody asks, as they are always ready.
 */
static inline bool
fdpollslow(struct polldesc *pd)
{
	if(unlikely(load_relaxed(&pd->kind) == Kunknown))
		fdkind(pd);
	return unlikely(load_relaxed(&pd->kind) == Kfile || (load_relaxed(&pd->flags) & PD_SLOW)); /* a bad number is unknown still */
}

/* fdiseventfd: /proc says that fd is an eventfd; false, too, where it says nothing. */
bool fdiseventfd(int fd);

/* fdstat: what sort of file fd is, without asking those who serve slow file systems: it does not wait. False: none. */
struct statx;
bool fdstat(int fd, struct statx *st);

/* fdistcp: fd is a TCP socket. */
bool fdistcp(int fd);

/* fdnew: a call has just made fd (nothing happens if fd < 0). flags: PD_*. It returns fd. */
int fdnew(int fd, enum fdkind kind, uint32_t flags);
/* fdshared: fd's description has got another name, in this process or another; or stdio may close fd. */
void fdshared(int fd);
/* fdsent: fdshared for the descriptors that m carries. */
void fdsent(const struct msghdr *m);
/* fdlistens: fd takes connections from now on, which inherit what is known of it. */
void fdlistens(int fd);
/* fdchanged: ask again at the next wait, a time-out or the like has been set. flags are added. */
void fdchanged(int fd, uint32_t flags);

/* fcntl's F_SETOWN_EX and F_GETOWN_EX: fdowner.c. */
struct f_owner_ex;
int fdsetowner(int fd, const struct f_owner_ex *own);
int fdgetowner(int fd, struct f_owner_ex *own);

/*
 * fdours: the descriptors are those of the table. In the child of a vfork they are not, though it runs in our
 * memory; nor in that of a clone with CLONE_VM, which runs without a G. gp: getg().
 */
bool fdoursslow(void);
static inline bool
fdours(struct g *gp)
{
	return gp != NULL || likely(!load_relaxed(&vforkused) && !rtready) || fdoursslow();
}
void fdstart(void); /* the process starts, or is the child of a fork */

/* fdnonblock: pd's O_NONBLOCK is known to be set, from when it was made or from fcntl: the kernel may be asked directly. */
static inline bool
fdnonblock(struct polldesc *pd)
{
	return (load_relaxed(&pd->flags) & (PD_OWN | PD_NB)) == (PD_OWN | PD_NB);
}

/*
 * Calls on a descriptor whose O_NONBLOCK is known to be set, and cannot have been cleared behind our back: those of event loops.
 * Nothing waits here, so nothing needs a P or has to be kept from being preempted. The kernel is asked in user mode, at the cost of
 * a look at the number's entry; libc is left out, too, which would open the call to cancellation, with two locked instructions.
 *
 *	pd = pollfind(fd);
 *	if(fdatonce(pd))
 *		return ioatonce(gp, rawsyscall(...));
 */
static inline bool
fdatonce(struct polldesc *pd)
{
	return pd != NULL && fdnonblock(pd) && pd->epoch == load_relaxed(&forkepoch);
}

/* ioatonce returns the raw result r of such a call as libc does; what is asked of the G meanwhile is done as by rtexit. */
ssize_t ioatonceslow(struct g *gp, long r);
static inline ssize_t
ioatonce(struct g *gp, long r)
{
	if(unlikely(r < 0 || load_relaxed(&gp->attn) != 0))
		return ioatonceslow(gp, r);
	return r;
}

/* fddrained: nothing has come since a read that emptied the stream; see netpoll.c. seq: pollseq() for reading. */
static inline bool
fddrained(struct polldesc *pd, uint32_t seq)
{
	return load_relaxed(&pd->drained) == seq && trusted(pd) &&
	       (load_relaxed(&pd->flags) & (PD_NODRAIN | PD_KNOWN)) == PD_KNOWN;
}

/*
 * fdplain: nothing is special about a wait: the facts are known, no O_NONBLOCK, no time-out, no low-water mark,
 * nothing to hold up but others. The usual case, in which a call parks without a look at anything but flags.
 */
static inline bool
fdplain(struct polldesc *pd)
{
	uint32_t fl = load_relaxed(&pd->flags);

	return (fl & (PD_OWN | PD_KNOWN | PD_NB | PD_TIMEO | PD_LOWAT | PD_LISTEN)) == (PD_OWN | PD_KNOWN) &&
	       pd->epoch == load_relaxed(&forkepoch);
}

/* A wait within one call. Set gp, pd, mode, why; the rest 0. After a wait the call goes on with pd, which
 * changes if the number is closed meanwhile: polldrop() at the end of the call. */
struct iowait {
	struct g *gp;
	struct polldesc *pd;
	uint32_t seq; /* pollseq() before the attempt; by the caller each time */
	uint8_t mode; /* enum pollmode */
	uint8_t why;  /* enum waitreason */
	bool asked;
	bool timed;
	bool part;       /* part of the call's work is done: a handler, or a stop, ends it; by the caller */
	uint32_t stops;  /* nstops at its start */
	uint32_t gen; /* pd's when that was asked */
	int64_t deadline;
};

/* iowait results, besides a negative errno. */
enum { IO_RETRY = 0, IO_BLOCK = 1 };

/*
 * iowait is called after an attempt that said EAGAIN. IO_RETRY: try again. IO_BLOCK: make the call as the
 * program did, within iosyscall(): it may block in the kernel. Else the program's call fails with that
 * errno: -EAGAIN (O_NONBLOCK, or the time-out has passed), -EINTR, -EBADF (closed, and the description is lost).
 */
int iowait(struct iowait *);

/* iowaitfor is iowait by a caller that leaves all of w but asked, part and seq to be set when it comes to a wait; *pd may change. */
static inline int
iowaitfor(struct iowait *w, struct g *gp, struct polldesc **pd, enum pollmode mode, enum waitreason why)
{
	int r;

	w->gp = gp;
	w->pd = *pd;
	w->mode = mode;
	w->why = why;
	r = iowait(w);
	*pd = w->pd;
	return r;
}

/* interrupted is called when park() returned WAKE_SIGNAL: it runs the handlers and returns whether the call ends
 * with EINTR. mayrestart: SA_RESTART applies to the call. It does not return if the G is cancelled. */
bool interrupted(struct g *gp, bool mayrestart);

/* iosyscall(gp, call): the call, which may block in the kernel; the P can be taken meanwhile. Runtime mode. */
#define iosyscall(gp, call)                          \
	({                                           \
		__typeof__(call) io_r;               \
		unwindsyscall();                     \
		entersyscall(gp);                    \
		io_r = (call);                       \
		exitsyscall(gp);                     \
		io_r;                                \
	})
/*
 * The same for a call that should not block, as the program asked for that: without the hint to sysmon, which would take
 * the P from a send that takes 20 us. If it blocks all the same it is treated like an unknown call.
 */
#define iononblock(gp, call)                         \
	({                                           \
		__typeof__(call) io_r;               \
		leaveruntime(gp);                    \
		io_r = (call);                       \
		rtenter(gp);                         \
		io_r;                                \
	})
/*
 * ioredo: gp is about to leave runtime mode for an attempt of a call that has begun in view of others, by waiting or otherwise; it stands
 * in a slot of the entry's. Until ioredone a close of the number by another lets the attempt begin (core/netpoll_keep.c).
 */
static inline void
ioredo(struct g *gp)
{
	store_relaxed(&gp->redo, 1);
}

static inline void
ioredone(struct g *gp)
{
	store_relaxed(&gp->redo, 0);
}

/* The same for a call known to block for long. */
#define iosyscallblock(gp, call)                     \
	({                                           \
		__typeof__(call) io_r;               \
		unwindsyscall();                     \
		entersyscallblock(gp);               \
		io_r = (call);                       \
		exitsyscallblock(gp);                \
		io_r;                                \
	})

/*
 * iokernel(gp, call): iosyscallblock for a call that any handler ends, be it SA_RESTART's: poll and its kin. It is
 * made again when what ended it was the runtime's own signal, but not if it was a stop. A result or a negative errno; call is a
 * libc function's, evaluated each time.
 */
#define iokernel(gp, call)                                                              \
	({                                                                              \
		uint16_t io_n = (gp)->nsig;                                             \
		struct stopwatch io_w;                                                  \
		bool io_s;                                                              \
		long io_k;                                                              \
		do{                                                                     \
			entersyscallblock(gp);                                          \
			io_w = stopwatch();                                             \
			io_k = -EINTR;                                                  \
			io_s = (gp)->nsig == io_n && stopended(&io_w, io_k = rawresult(call)); \
			exitsyscallblock(gp);                                           \
		}while(io_k == -EINTR && !interrupted(gp, false) && (gp)->nsig == io_n && !io_s); \
		io_k;                                                                   \
	})

/* rawresult: a result of a libc function, which the current G has just called, as the system call gives it. */
long rawerror(void);
static inline long
rawresult(long r)
{
	return unlikely(r < 0) ? rawerror() : r;
}

/* alone: there is no other G that a blocking call could hold up. */
static inline bool
alone(void)
{
	return ngs() <= 1;
}

/*
 * With some errors comes a signal, which is the G's (sigkeep), and is pending for the thread that made the call. So these are to be
 * told there, before the G may go on elsewhere: within iosyscall() and its kin, as rawresult does, or without having left runtime
 * mode. iofailed is told the raw error r of gp's call, iopipe a raw result, which it returns, of what may write but to no file.
 */
void iofailed(struct g *gp, long r);

static inline long
iopipe(struct g *gp, long r)
{
	if(unlikely(r == -EPIPE))
		sigkeep(gp, SIGPIPE);
	return r;
}

/* ioreturn: a result of a raw system call as libc returns it. */
static inline long
ioreturn(long r)
{
	if(unlikely(r < 0)){
		errno = (int)-r;
		return -1;
	}
	return r;
}

/* takeerr returns as a negative errno the error that an earlier call left for this one, or 0. */
static inline int
takeerr(struct polldesc *pd)
{
	if(likely(!(load_relaxed(&pd->flags) & PD_ERR)))
		return 0;
	fetch_and(&pd->flags, ~(uint32_t)PD_ERR);
	return -xchg(&pd->err, 0);
}

/* keeperr: a call that has done part of its work returns that; its error r is the next call's. */
void keeperr(struct polldesc *pd, long r);

/* pollnow: poll(2) of one descriptor without waiting; revents, or 0. */
int pollnow(int fd, short events);

/* kernelwaitbegin: may this G wait in the kernel though it could park? If so kernelwaitend comes after. */
bool kernelwaitbegin(void);
void pollshimfork(void); /* in the child of a fork nobody waits */
void kernelwaitend(void);

/* poll and the like with a signal mask: pollmask.c. timeout in ns, NOTIME none. The program's result. */
int maskedpoll(struct g *gp, struct pollfd *fds, nfds_t n, int64_t timeout, const sigset_t *set);
int maskedselect(struct g *gp, int n, fd_set *r, fd_set *w, fd_set *e, int64_t timeout, const sigset_t *set);
int maskedepoll(struct g *gp, int ep, struct epoll_event *ev, int n, int64_t timeout, const sigset_t *set);
/* The same with the caller's own mask: no kick that comes before the wait is lost, each ends it. Where the program has signalfds. Runtime
 * mode; a result or a negative errno. */
long kickedpoll(struct g *gp, struct pollfd *fds, nfds_t n, int64_t deadline);
long kickedselect(struct g *gp, int n, fd_set *r, fd_set *w, fd_set *e, int64_t deadline);
long kickedepoll(struct g *gp, int ep, struct epoll_event *ev, int n, int64_t deadline);

/* Times of the program's. */
static inline bool
goodtime(const struct timespec *ts)
{
	return ts->tv_sec >= 0 && ts->tv_nsec >= 0 && ts->tv_nsec < NSEC;
}

static inline int64_t
tonsec(const struct timespec *ts)
{
	return ts->tv_sec >= INT64_MAX / NSEC / 2 ? INT64_MAX / 2 : ts->tv_sec * NSEC + ts->tv_nsec;
}

/* deadlinens: ns from now; NOTIME for NOTIME. */
static inline int64_t
deadlinens(int64_t ns)
{
	return ns == NOTIME ? NOTIME : nanotime() + ns;
}

/* timeleft: what is left until deadline, for the kernel; NULL if there is none. */
static inline struct timespec *
timeleft(int64_t deadline, struct timespec *ts)
{
	int64_t ns;

	if(deadline == NOTIME)
		return NULL;
	ns = deadline - nanotime();
	*ts = ns > 0 ? (struct timespec){ns / NSEC, ns % NSEC} : (struct timespec){0, 0};
	return ts;
}

/*
 * What is left of an array of buffers. iovinit takes the program's array, which is copied when a part of it
 * has been done; iovdone gives the copy back.
 */
struct iovcur {
	struct iovec *iov;
	int cnt;
	bool copied;
	struct iovec *map; /* the copy if it did not fit in small */
	size_t mapsize;
	struct iovec small[4];
};
void iovinit(struct iovcur *, const struct iovec *iov, int cnt);
/* iovadvance: n bytes are done. The bytes left, or -ENOMEM. */
long iovadvance(struct iovcur *, size_t n);
void iovdone(struct iovcur *);

/* userdontwait: the program wants no wait for this transfer on a socket. */
static inline bool
userdontwait(struct polldesc *pd, int flags)
{
	return (flags & MSG_DONTWAIT) || fdnonblock(pd);
}

/* msglength returns the length of a message; the kernel has accepted m, so its pointers are good. */
static inline size_t
msglength(const struct msghdr *m)
{
	size_t n = 0;

	for(size_t i = 0; i < m->msg_iovlen; i++)
		n += m->msg_iov[i].iov_len;
	return n;
}

/* socket.c and send.c, for read() and the like on sockets; results as the kernel's */
long sockread(struct g *, struct polldesc *, void *buf, size_t n, int flags);
long sockwrite(struct g *, struct polldesc *, const void *buf, size_t n, int flags);
void sockdrained(struct polldesc *, uint32_t seq, long r, size_t n, int flags); /* seq: pollseq() before */
ssize_t sockrecv(struct g *, struct polldesc *, void *buf, size_t n, int flags, struct sockaddr *, socklen_t *);
ssize_t socksend(struct g *, struct polldesc *, const void *buf, size_t n, int flags, const struct sockaddr *, socklen_t);
ssize_t sockrecvmsg(struct g *, struct polldesc *, struct msghdr *, int flags);
ssize_t socksendmsg(struct g *, struct polldesc *, const struct msghdr *, int flags);

#endif
