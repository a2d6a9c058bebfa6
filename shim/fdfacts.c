/* SPDX-License-Identifier: MIT */
/*
 * What heddle keeps about descriptors, and waiting for them.
 *
 * The program's O_NONBLOCK, time-outs and the like decide what a call does that
 * would block, so they have to be known before a G parks, and natively each call looks
 * at them. Asking costs a system call each; it is saved for descriptors that are PD_OWN (see
 * core/netpoll.c): made by a wrapper, and never dup'ed, sent, inherited by another process or given to stdio, so
 * that every change comes through a wrapper here, which updates the entry or clears
 * PD_KNOWN. All others are asked each time before a G parks.
 *
 * Facts are written under pd->lock, and only for the use of the number for which they were asked.
 */
#include "fd.h"
#include "thread.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static long
sockopt(int fd, int name, void *val, socklen_t len)
{
	return rawsyscall(SYS_getsockopt, fd, SOL_SOCKET, name, val, &len);
}

static int
sockint(int fd, int name, int dflt)
{
	int v = 0;

	return sockopt(fd, name, &v, sizeof v) == 0 ? v : dflt;
}

static int64_t
socktimeo(int fd, int name)
{
	struct timeval tv = {0, 0};

	if(sockopt(fd, name, &tv, sizeof tv) != 0 || (tv.tv_sec == 0 && tv.tv_usec == 0))
		return NOTIME;
	if(tv.tv_sec > INT64_MAX / NSEC / 2)
		return INT64_MAX / 2;
	return tv.tv_sec * NSEC + tv.tv_usec * USEC;
}

bool
fdistcp(int fd)
{
	int dom = sockint(fd, SO_DOMAIN, -1);

	return (dom == AF_INET || dom == AF_INET6) && sockint(fd, SO_PROTOCOL, -1) == IPPROTO_TCP;
}

static bool
issock(int kind)
{
	return kind == Ksock || kind == Ktcp;
}

/* What a wait of this sort needs of a descriptor that others may change: asked each time. */
static void
asksome(struct polldesc *pd, struct fdfacts *f, enum waitreason why)
{
	long fl = rawsyscall(SYS_fcntl, pd->fd, F_GETFL);
	int fd = pd->fd;

	f->nb = fl >= 0 && (fl & O_NONBLOCK);
	if(!issock(fdkind(pd)))
		return;
	if(why == Waccept)
		f->listen = sockint(fd, SO_ACCEPTCONN, 0) != 0;
	if(why == Wread)
		f->lowat = sockint(fd, SO_RCVLOWAT, 1) > 1;
	if(why == Wread || why == Waccept)
		f->rtimeo = socktimeo(fd, SO_RCVTIMEO);
	else
		f->wtimeo = socktimeo(fd, SO_SNDTIMEO);
}

/* All that is to be kept; fl: pd's flags, in which O_NONBLOCK and listen() are right. Refines *kind. */
static void
askall(struct polldesc *pd, struct fdfacts *f, uint32_t fl, uint8_t *kind)
{
	int fd = pd->fd;

	f->nb = fl & PD_NB;
	f->listen = fl & PD_LISTEN;
	if(!issock(*kind))
		return;
	if(*kind != Ktcp)
		*kind = fdistcp(fd) ? Ktcp : Ksock;
	f->lowat = sockint(fd, SO_RCVLOWAT, 1) > 1;
	f->rtimeo = socktimeo(fd, SO_RCVTIMEO);
	f->wtimeo = socktimeo(fd, SO_SNDTIMEO);
}

static void
kept(struct polldesc *pd, uint32_t fl, struct fdfacts *f)
{
	f->nb = fl & PD_NB;
	f->lowat = fl & PD_LOWAT;
	f->listen = fl & PD_LISTEN;
	f->rtimeo = fl & PD_TIMEO ? load_relaxed(&pd->rtimeo) : NOTIME;
	f->wtimeo = fl & PD_TIMEO ? load_relaxed(&pd->wtimeo) : NOTIME;
}

static void
keep(struct polldesc *pd, uint32_t gen, const struct fdfacts *f, uint8_t kind)
{
	uint32_t fl = PD_KNOWN;

	if(f->lowat)
		fl |= PD_LOWAT | PD_NODRAIN;
	if(f->rtimeo != NOTIME || f->wtimeo != NOTIME)
		fl |= PD_TIMEO;
	lock(&pd->lock);
	if(pd->gen == gen && trusted(pd)){
		store_relaxed(&pd->kind, kind);
		store_relaxed(&pd->rtimeo, f->rtimeo);
		store_relaxed(&pd->wtimeo, f->wtimeo);
		fetch_and(&pd->flags, ~(uint32_t)(PD_LOWAT | PD_TIMEO));
		fetch_or(&pd->flags, fl);
	}
	unlock(&pd->lock);
}

void
fdask(struct polldesc *pd, struct fdfacts *f, enum waitreason why)
{
	uint32_t fl = load_relaxed(&pd->flags), gen = load_relaxed(&pd->gen);
	uint8_t kind;

	/* without the lock: who closes a number that others use changes rseq, too */
	if(likely(trusted(pd) && (fl & PD_KNOWN))){
		kept(pd, fl, f);
		return;
	}
	*f = (struct fdfacts){.rtimeo = NOTIME, .wtimeo = NOTIME};
	kind = fdkind(pd);
	if(trusted(pd)){
		askall(pd, f, fl, &kind);
		keep(pd, gen, f, kind);
	}else
		asksome(pd, f, why);
}

/* /dev/null, /dev/zero and /dev/full never wait, and poll() is not asked. */
static bool
ismem(dev_t dev)
{
	return major(dev) == 1 && (minor(dev) == 3 || minor(dev) == 5 || minor(dev) == 7);
}

/* A terminal's slave side has reads that time out, or that a job in the background must not make. */
static enum fdkind
chrkind(int fd, dev_t dev)
{
	struct termios2 { uint32_t flag[4]; unsigned char line, cc[19]; uint32_t speed[2]; } t;
	unsigned n;

	if(ismem(dev))
		return Kfile;
	if(rawsyscall(SYS_ioctl, fd, 0x5401 /* TCGETS */, &t) < 0)
		return Knowait;
	return rawsyscall(SYS_ioctl, fd, 0x80045430 /* TIOCGPTN: a pty's master */, &n) == 0 ? Kpoll : Kblock;
}

bool
fdstat(int fd, struct statx *st)
{
	return rawsyscall(SYS_statx, fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, st) == 0;
}

enum fdkind
fdkind(struct polldesc *pd)
{
	enum fdkind k = (enum fdkind)load_relaxed(&pd->kind);
	struct statx st;

	if(likely(k != Kunknown))
		return k;
	if(!fdstat(pd->fd, &st))
		return Kfile; /* a bad number: the call itself says so */
	switch(st.stx_mode & S_IFMT){
	case S_IFSOCK:
		k = Ksock;
		break;
	case S_IFREG:
	case S_IFDIR:
	case S_IFBLK:
	case S_IFLNK:
		k = Kfile;
		break;
	case S_IFCHR:
		k = chrkind(pd->fd, makedev(st.stx_rdev_major, st.stx_rdev_minor));
		break;
	default:
		k = Knowait;
		break;
	}
	fdsetkind(pd, k);
	return k;
}

bool
fdiseventfd(int fd)
{
	static const char name[] = "anon_inode:[eventfd]";
	char link[32] = "/proc/self/fd/", to[sizeof name];
	unsigned n = sizeof "/proc/self/fd/" - 1, d = 1;

	while(d <= (unsigned)fd / 10)
		d *= 10;
	for(; d > 0; d /= 10)
		link[n++] = (char)('0' + (unsigned)fd / d % 10);
	return rawsyscall(SYS_readlink, link, to, sizeof to) == sizeof name - 1 && memcmp(to, name, sizeof name - 1) == 0;
}

void
fdsetkind(struct polldesc *pd, enum fdkind kind)
{
	store_relaxed(&pd->kind, (uint8_t)kind);
}

static pid_t ourpid;

void
fdstart(void)
{
	ourpid = (pid_t)rawsyscall(SYS_getpid);
	forkbase = load_relaxed(&forkepoch);
}

/* Before fdstart the process runs its constructors and is alone. */
bool
fdoursslow(void)
{
	return ourpid == 0 || rawsyscall(SYS_getpid) == ourpid;
}

/* In runtime mode if this is a G. */
static void
enter(struct g *gp)
{
	if(gp != NULL)
		rtenter(gp);
}

static void
leave(struct g *gp)
{
	if(gp != NULL)
		rtexit(gp);
}

int
fdnew(int fd, enum fdkind kind, uint32_t flags)
{
	struct polldesc *pd;
	struct g *gp;

	gp = getg();
	if(fd < 0 || !fdours(gp))
		return fd;
	if(unlikely(!rtready))
		forkregister(); /* so that PD_OWN ends with a fork */
	enter(gp);
	if((pd = pollget(fd)) != NULL)
		pollreset(pd, kind, flags);
	leave(gp);
	return fd;
}

void
fdshared(int fd)
{
	struct polldesc *pd;

	if((pd = pollfind(fd)) != NULL && fdours(getg()))
		fetch_and(&pd->flags, ~(uint32_t)(PD_OWN | PD_KNOWN));
}

void
fdlistens(int fd)
{
	struct polldesc *pd;

	if((pd = pollfind(fd)) != NULL && fdours(getg()))
		fetch_or(&pd->flags, PD_LISTEN); /* means nothing without PD_KNOWN */
}

void
fdchanged(int fd, uint32_t flags)
{
	struct polldesc *pd;

	if((pd = pollfind(fd)) == NULL || !fdours(getg()))
		return;
	fetch_and(&pd->flags, ~(uint32_t)PD_KNOWN);
	if(flags != 0)
		fetch_or(&pd->flags, flags);
}

void
iofailed(struct g *gp, long r)
{
	if(r == -EPIPE || r == -EFBIG)
		sigkeep(gp, r == -EPIPE ? SIGPIPE : SIGXFSZ);
}

noinline long
rawerror(void)
{
	struct g *gp = getg();
	int e = errno;

	if(gp != NULL)
		iofailed(gp, -e);
	return -e;
}

noinline ssize_t
ioatonceslow(struct g *gp, long r)
{
	if(r < 0)
		iofailed(gp, r);
	r = ioreturn(r);
	if(load_relaxed(&gp->attn) != 0 && gp->locks == 0)
		rtexitslow(gp);
	return r;
}

void
keeperr(struct polldesc *pd, long r)
{
	if(r != -EAGAIN && r != -EINTR && r != -EPIPE && r != -EBADF && trusted(pd)){
		store_relaxed(&pd->err, (int)-r);
		fetch_or(&pd->flags, PD_ERR);
	}
}

int
pollnow(int fd, short events)
{
	struct pollfd p = {fd, events, 0};

	return rawsyscall(SYS_poll, &p, 1, 0) > 0 ? p.revents : 0;
}

/* ---- waiting ---- */

bool
interrupted(struct g *gp, bool mayrestart)
{
	uint32_t n = gp->nsig;
	bool restart;

	store_relaxed(&gp->redo, 0); /* what runs now is not the call */
	restart = sigdeliver(gp);

	cancelpointrt(gp);
	return gp->nsig != n && !(mayrestart && restart);
}

static int
firstwait(struct iowait *w)
{
	struct fdfacts f;
	int64_t timeo;

	fdask(w->pd, &f, (enum waitreason)w->why);
	if(w->why == Waccept && !f.listen)
		return IO_BLOCK;
	if(f.nb)
		return -EAGAIN;
	if(w->why == Wread && f.lowat)
		return IO_BLOCK;
	if(alone())
		return IO_BLOCK;
	timeo = w->mode == POLLMODE_R ? f.rtimeo : f.wtimeo;
	w->asked = true;
	w->gen = load_relaxed(&w->pd->gen);
	w->timed = timeo != NOTIME;
	w->stops = load_acquire(&nstops);
	stopmatters();
	w->deadline = w->timed ? nanotime() + timeo : NOTIME;
	return IO_RETRY;
}

/*
 * The call goes on with another number, or on this one, which may have become another file's while the call was between its attempt
 * and its wait: the facts of that are to be asked for.
 */
static int
retry(struct iowait *w)
{
	struct polldesc *k = pollkept(w->gp, w->pd);

	if(unlikely(k != NULL)){
		w->pd = k;
		w->gen = load_relaxed(&k->gen);
	}else if(unlikely(load_relaxed(&w->pd->gen) != w->gen))
		w->asked = false;
	return IO_RETRY;
}

int
iowait(struct iowait *w)
{
	struct polldesc *k;
	int r;

	if(!w->asked && (r = firstwait(w)) != IO_RETRY)
		return r;
	switch(pollblock(w->gp, w->pd, w->mode, w->seq, w->why, w->deadline)){
	case POLL_RETRY:
		return retry(w);
	case WAKE_TIMEOUT:
		return -EAGAIN;
	case WAKE_CLOSE:
		if((k = pollkept(w->gp, w->pd)) == NULL)
			return -EBADF;
		w->pd = k;
		w->gen = load_relaxed(&k->gen);
		return IO_RETRY;
	case WAKE_SIGNAL:
		if(interrupted(w->gp, !w->timed && !w->part) || ((w->timed || w->part) && stopsince(w->stops)))
			return -EINTR;
		return retry(w);
	default:
		return IO_BLOCK;
	}
}
