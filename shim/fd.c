/* SPDX-License-Identifier: MIT */
/*
 * Calls that make, copy, change and close descriptors. Each does what libc does, and keeps
 * the table of core/netpoll.c true: a new number starts a new entry, a copy ends the trust in
 * both, a close wakes those who wait. That is done on every kind of thread, and before rtinit, too:
 * servers make their listeners before their first thread.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>

#include "fd.h"

/* Runtime mode for a G; foreign threads and g0 need none. */
static struct g *
enter(void)
{
	struct g *gp = getg();

	if(gp != NULL)
		rtenter(gp);
	return gp;
}

static void
leave(struct g *gp)
{
	if(gp != NULL)
		rtexit(gp);
}

/* ---- new descriptors ---- */

static uint32_t
ownflags(bool nb)
{
	return PD_OWN | PD_KNOWN | (nb ? PD_NB : 0);
}

EXPORT int
socket(int domain, int type, int protocol)
{
	bool tcp = (domain == AF_INET || domain == AF_INET6) && (type & 0xf) == SOCK_STREAM &&
		   (protocol == 0 || protocol == IPPROTO_TCP);

	return fdnew(libc.socket(domain, type, protocol), tcp ? Ktcp : Ksock, ownflags(type & SOCK_NONBLOCK));
}
ALSO(__socket, socket)

static int
newpair(int r, int fds[2], enum fdkind kind, bool nb)
{
	if(r == 0){
		fdnew(fds[0], kind, ownflags(nb));
		fdnew(fds[1], kind, ownflags(nb));
	}
	return r;
}

EXPORT int
socketpair(int domain, int type, int protocol, int fds[2])
{
	return newpair(libc.socketpair(domain, type, protocol, fds), fds, Ksock, type & SOCK_NONBLOCK);
}

EXPORT int
pipe(int fds[2])
{
	return newpair(libc.pipe(fds), fds, Knowait, false);
}
ALSO(__pipe, pipe)

EXPORT int
pipe2(int fds[2], int flags)
{
	return newpair(libc.pipe2(fds, flags), fds, Knowait, flags & O_NONBLOCK);
}

EXPORT int
eventfd(unsigned count, int flags)
{
	return fdnew(libc.eventfd(count, flags), Knowait, ownflags(flags & EFD_NONBLOCK) | PD_WPOLL);
}

EXPORT int
timerfd_create(clockid_t clock, int flags)
{
	return fdnew(libc.timerfd_create(clock, flags), Knowait, ownflags(flags & TFD_NONBLOCK));
}

EXPORT int
inotify_init(void)
{
	return fdnew(libc.inotify_init(), Kpollin, ownflags(false));
}

EXPORT int
inotify_init1(int flags)
{
	return fdnew(libc.inotify_init1(flags), Kpollin, ownflags(flags & IN_NONBLOCK));
}

EXPORT int
epoll_create(int size)
{
	return fdnew(libc.epoll_create(size), Knowait, ownflags(false));
}

EXPORT int
epoll_create1(int flags)
{
	return fdnew(libc.epoll_create1(flags), Knowait, ownflags(false));
}

/* ---- copies ---- */

/* fd is now also a name of old's description. */
static int
copied(int fd, int old)
{
	struct polldesc *pd;

	if(fd < 0 || !fdours(getg()))
		return fd;
	fdshared(old);
	pd = pollfind(old);
	return fdnew(fd, pd != NULL ? (enum fdkind)load_relaxed(&pd->kind) : Kunknown,
	    pd != NULL ? load_relaxed(&pd->flags) & (PD_NODRAIN | PD_LOWAT | PD_SLOW) : 0);
}

EXPORT int
dup(int old)
{
	return copied(libc.dup(old), old);
}

/* The number fd is to become another description: what waits for the old one ends as with close. */
static int
replace(int old, int fd, int flags, bool three)
{
	struct polldesc *pd = NULL;
	struct g *gp;
	uint32_t use = 0;
	int r;

	if(old == fd || fd < 0 || !fdours(getg()) || rawsyscall(SYS_fcntl, old, F_GETFD) < 0)
		return three ? libc.dup3(old, fd, flags) : libc.dup2(old, fd);
	gp = enter();
	if(unlikely(netpollowns(fd)))
		netpollyield(fd);
	if((pd = pollfind(fd)) != NULL)
		use = pollclosing(pd);
	r = three ? libc.dup3(old, fd, flags) : libc.dup2(old, fd);
	copied(r, old);
	if(pd != NULL)
		pollclosed(pd, use);
	leave(gp);
	return r;
}

EXPORT int
dup2(int old, int fd)
{
	return replace(old, fd, 0, false);
}
ALSO(__dup2, dup2)

EXPORT int
dup3(int old, int fd, int flags)
{
	return replace(old, fd, flags, true);
}

/* stdio will close the number, without us. */
EXPORT FILE *
fdopen(int fd, const char *mode)
{
	fdshared(fd);
	return libc.fdopen(fd, mode);
}

EXPORT DIR *
fdopendir(int fd)
{
	fdshared(fd);
	return libc.fdopendir(fd);
}

/* ---- flags ---- */

static void
setnb(int fd, bool nb)
{
	struct polldesc *pd;

	if((pd = pollfind(fd)) == NULL || !fdours(getg()))
		return;
	if(nb)
		fetch_or(&pd->flags, PD_NB);
	else
		fetch_and(&pd->flags, ~(uint32_t)PD_NB);
}

/* A lock that is not free at once is waited for without the P. */
static int
filelock(int fd, int cmd, void *arg)
{
	struct g *gp = getg();
	int try = cmd == F_SETLKW ? F_SETLK : F_OFD_SETLK, r;
	long e;

	if(gp == NULL)
		return libc.fcntl(fd, cmd, (long)arg);
	cancelpoint(gp);
	rtenter(gp);
	e = iononblock(gp, rawsyscall(SYS_fcntl, fd, try, arg)); /* a server may have to be asked */
	if(e == -EAGAIN || e == -EACCES)
		r = iosyscallblock(gp, libc.fcntl(fd, cmd, (long)arg));
	else
		r = (int)ioreturn(e);
	rtexit(gp);
	return r;
}

static int
dofcntl(int fd, int cmd, long arg)
{
	int r;

	switch(cmd){
	case F_SETLKW:
	case F_OFD_SETLKW:
		return filelock(fd, cmd, (void *)arg);
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return copied(libc.fcntl(fd, cmd, arg), fd);
	case F_SETFL:
		r = libc.fcntl(fd, cmd, arg);
		if(r == 0)
			setnb(fd, arg & O_NONBLOCK);
		return r;
	case F_SETOWN_EX:
		return fdsetowner(fd, (const struct f_owner_ex *)arg);
	case F_GETOWN_EX:
		return fdgetowner(fd, (struct f_owner_ex *)arg);
	default:
		return libc.fcntl(fd, cmd, arg);
	}
}

int __fcntl(int, int, ...);

#define FCNTL(name)                                  \
	EXPORT int name(int fd, int cmd, ...)        \
	{                                            \
		va_list ap;                          \
		long arg;                            \
                                                     \
		va_start(ap, cmd);                   \
		arg = va_arg(ap, long);              \
		va_end(ap);                          \
		return dofcntl(fd, cmd, arg);        \
	}
FCNTL(fcntl)
FCNTL(__fcntl)
FCNTL(fcntl64)

EXPORT int
ioctl(int fd, unsigned long req, ...)
{
	struct g *gp = getg();
	va_list ap;
	void *arg;
	int r;

	va_start(ap, req);
	arg = va_arg(ap, void *);
	va_end(ap);
	if(gp == NULL)
		r = libc.ioctl(fd, req, arg);
	else{
		rtenter(gp);
		r = iosyscall(gp, libc.ioctl(fd, req, arg));
		rtexit(gp);
	}
	if(req == FIONBIO && r == 0)
		setnb(fd, *(int *)arg != 0);
	return r;
}

EXPORT int
setsockopt(int fd, int level, int name, const void *val, socklen_t len)
{
	int r = libc.setsockopt(fd, level, name, val, len);

	if(r != 0)
		return r;
	if(level == SOL_SOCKET){
		if(name == SO_RCVTIMEO || name == SO_SNDTIMEO || name == SO_RCVTIMEO_NEW || name == SO_SNDTIMEO_NEW)
			fdchanged(fd, 0);
		else if(name == SO_RCVLOWAT)
			fdchanged(fd, PD_NODRAIN | PD_LOWAT);
	}else if(level == IPPROTO_TCP && name == TCP_ULP)
		fdchanged(fd, PD_NODRAIN);
	return r;
}

/* SO_ERROR may be with us: see keeperr. */
EXPORT int
getsockopt(int fd, int level, int name, void *val, socklen_t *len)
{
	struct polldesc *pd;
	int r = libc.getsockopt(fd, level, name, val, len);

	if(r == 0 && level == SOL_SOCKET && name == SO_ERROR && *len == sizeof(int) && *(int *)val == 0 &&
	   (pd = pollfind(fd)) != NULL && fdours(getg()))
		*(int *)val = -takeerr(pd);
	return r;
}

EXPORT int
shutdown(int fd, int how)
{
	int r = libc.shutdown(fd, how);
	struct polldesc *pd;
	struct g *gp;

	if(r == 0 && (pd = pollfind(fd)) != NULL && fdours(getg())){
		gp = enter();
		pollkick(pd);
		leave(gp);
	}
	return r;
}

EXPORT int
listen(int fd, int backlog)
{
	int r = libc.listen(fd, backlog);

	if(r == 0)
		fdlistens(fd);
	return r;
}

/* ---- close ---- */

EXPORT int
close(int fd)
{
	struct g *gp = getg();
	struct polldesc *pd;
	uint32_t use;
	int r;

	if(!fdours(gp))
		return libc.close(fd);
	if(unlikely(netpollowns(fd) || pollhidden(fd))){
		errno = EBADF;
		return -1;
	}
	if(gp != NULL){
		cancelpoint(gp);
		rtenter(gp);
	}
	pd = pollfind(fd);
	if(gp == NULL && !rtready && (pd == NULL || pollunused(pd)))
		return libc.close(fd); /* a file of a process without threads: nobody waits for it */
	use = pd != NULL ? pollclosing(pd) : 0;
	r = gp != NULL ? iosyscall(gp, libc.close(fd)) : libc.close(fd);
	if(pd != NULL)
		pollclosed(pd, use);
	leave(gp);
	return r;
}
ALSO(__close, close)

/* The lowest of the numbers that the program does not know of, from `from` on; ~0U none. */
static unsigned
nexthidden(unsigned from)
{
	int own[3];
	unsigned next = ~0U;

	netpollfds(own);
	own[2] = from <= INT32_MAX ? keptnext((int)from) : -1;
	for(size_t i = 0; i < nelem(own); i++)
		if(own[i] >= 0 && (unsigned)own[i] >= from && (unsigned)own[i] < next)
			next = (unsigned)own[i];
	return next;
}

static void
closeone(struct polldesc *pd, void *arg)
{
	uint32_t use;

	if(nexthidden((unsigned)pd->fd) == (unsigned)pd->fd)
		return;
	use = pollclosing(pd);
	rawsyscall(SYS_close, pd->fd);
	pollclosed(pd, use);
}

/* Closes lo to hi but for the hidden numbers; those that somebody may wait for have been closed. */
static int
closerest(unsigned lo, unsigned hi, int flags)
{
	unsigned skip;
	int r;

	for(;;){
		skip = nexthidden(lo);
		if(skip > hi)
			return libc.close_range(lo, hi, flags);
		if(skip > lo && (r = libc.close_range(lo, skip - 1, flags)) != 0)
			return r;
		if(skip == hi)
			return 0;
		lo = skip + 1;
	}
}

EXPORT int
close_range(unsigned lo, unsigned hi, int flags)
{
	struct g *gp;
	int r;

	/* the last test: whether this kernel can, and knows the flags, before anything is closed */
	if(!fdours(getg()) || lo > hi || (flags & CLOSE_RANGE_UNSHARE) || libc.close_range(~0U, ~0U, flags) != 0)
		return libc.close_range(lo, hi, flags);
	gp = enter();
	if(!(flags & CLOSE_RANGE_CLOEXEC))
		pollrange(lo, hi, closeone, NULL);
	r = closerest(lo, hi, flags);
	leave(gp);
	return r;
}

EXPORT void
closefrom(int lo)
{
	if(close_range(lo > 0 ? (unsigned)lo : 0, ~0U, 0) != 0)
		libc.closefrom(lo);
}
