/* SPDX-License-Identifier: MIT */
/*
 * Descriptions outlive the close of their number for as long as somebody waits on them.
 *
 * Natively a blocked call holds a reference to the open file: a close of the descriptor by another thread does
 * not end it, what arrives later goes to it, and the peer sees no end until it has returned. A
 * parked G holds nothing. So when a number is closed, or given to another file, while Gs wait on it, the
 * description gets another number first, high up and close-on-exec, and the waiters go on with that:
 *
 *	closer (pollclosing)                         waiter
 *	finds waiters; dup: entry k                  parked on pd
 *	holds k itself
 *	under pd->lock, for each reader and writer:
 *	  notes (G, pd, k), then wakes it with WAKE_CLOSE
 *	for each that polls: notes (G, pd, k),
 *	  moves its entry to k's queue
 *	drops its own hold                           WAKE_CLOSE: pollkept(G, pd) is k; tries again with k,
 *	the program's close()                        parks on k
 *	                                             its call ends: polldrop(G); the last one closes k
 *
 * The note is made before the wake-up, since a G that is claimed may run at once. Notes are made for all who are on a
 * queue, those whose wait has ended otherwise included: these have yet to take pd->lock to leave the queue, and
 * may go on waiting after a handler has run. Who polls is not woken: natively poll() sleeps on, too, and looks at the number
 * only when something has happened to the file.
 *
 * Woken, but not there yet
 * ------------------------
 * A G that an event has woken is on no queue, and has yet to run and to make its call again, which natively would have its data by
 * now. It is found all the same: its slot names it still (WOKENG in netpoll.h), or its entry is among pd's.
 *
 *	closer                                       G, woken (Wclaimed)
 *	note, heavybarrier                           park returns: Wrun
 *	its wakeword: Wclaimed?                      nkept != 0? pollkept(G, pd)
 *	  yes: it will see the note                  tries again
 *	  no: it may have missed it, and is in
 *	    runtime mode until its attempt is
 *	    made: wait for that, then look again
 *
 * Of the two looks after the two stores one sees the other's store. Where the attempt is made in user mode (pipes, accept) the P may
 * be taken, or another G run on it, before the system call begins; so the wrapper sets gp->redo before it leaves runtime mode, and
 * clears it when the attempt is over. A handler of the program's clears it, too: natively the call begins anew
 * after one, with the number. The closer lets other Gs run while it waits for that. In rare cases the kernel puts the attempt to sleep
 * (the pipe's lock is held by a splice that waits, or another has taken the connection): that cannot be told from a
 * thread that has not come to its call, but by asking the kernel (keepasleep). The attempt has its file then, and the G
 * keeps its note: if it waits once more it finds pd changed, and looks for that. Where there is no /proc to ask, the close waits for
 * the end of such an attempt.
 *
 * A pipe's write of more than PIPE_BUF bytes is seen by others when its first part is there. It marks the slot
 * before that (pollmark), so that a close finds it between its parts.
 *
 * What costs: a close under waiters. Elsewhere one look at nkept where a call is slow, or a thread ends.
 *
 * Without a number or memory for this the waiters get EBADF, and so may those who are between their first attempt and its
 * wait: natively they might have come too late, too.
 */
#include <fcntl.h>

#include "netpoll.h"

enum {
	/* Where the numbers are: the kernel's table must not grow much, but few programs have numbers there that they close. */
	KEPTTOP = 16384 - 256,
	NBUCKET = 1024,
};

/* A description's other number. */
struct keep {
	struct keep *next, **at; /* all of them */
	struct polldesc *pd;
	uint32_t use;     /* of pd's number */
	uint32_t holders; /* notes, and the closer */
};

/* gp is to go on with k where it was on pd. Once it does, or if it polls, pd is NULL and this no more than a hold. */
struct going {
	struct going *next; /* in gp's bucket */
	struct g *gp;
	struct polldesc *pd;
	struct keep *k;
};

static struct mutex keptlock; /* taken with a polldesc's held; only persistentalloc is called under it. All of these: */
static struct going *notes[NBUCKET];
static struct keep *keeps;
static struct going *freenotes;
static struct keep *freekeeps;
uint32_t nkept; /* keeps; atomic reads */

static struct going **
bucket(struct g *gp)
{
	return &notes[(uintptr_t)gp / sizeof *gp % NBUCKET];
}

/* gp's note for pd. */
static struct going **
find(struct g *gp, struct polldesc *pd)
{
	struct going **at = bucket(gp);

	while(*at != NULL && ((*at)->gp != gp || (*at)->pd != pd))
		at = &(*at)->next;
	return at;
}

bool
keepfor(struct g *gp, struct polldesc *pd, struct keep *k)
{
	struct going **at = bucket(gp), *n;

	lock(&keptlock);
	if(pd == NULL || (n = *find(gp, pd)) == NULL){
		if((n = freenotes) != NULL)
			freenotes = n->next;
		else
			n = persistentalloc(sizeof *n, 8);
		if(n != NULL){
			*n = (struct going){*at, gp, pd, k};
			*at = n;
			k->holders++;
		}
	}
	unlock(&keptlock);
	return n != NULL;
}

struct polldesc *
pollkept(struct g *gp, struct polldesc *pd)
{
	struct polldesc *k = NULL;
	struct going *n;

	if(likely(load_relaxed(&nkept) == 0))
		return NULL;
	lock(&keptlock);
	if((n = *find(gp, pd)) != NULL){
		n->pd = NULL;
		k = n->k->pd;
	}
	unlock(&keptlock);
	return k;
}

/* Takes a hold off k; keptlock. True if it was the last: k is then the caller's, to release. */
static bool
unhold(struct keep *k)
{
	if(--k->holders != 0)
		return false;
	*k->at = k->next;
	if(k->next != NULL)
		k->next->at = k->at;
	return true;
}

/* Closes a number that nobody holds any more, unless the program has made another of it. */
static void
release(struct keep *k)
{
	struct polldesc *pd = k->pd;
	uint32_t use = pollclosing(pd);

	if(use == k->use)
		rawsyscall(SYS_close, pd->fd);
	pollclosed(pd, use);
	lock(&keptlock);
	k->next = freekeeps;
	freekeeps = k;
	store_relaxed(&nkept, nkept - 1);
	unlock(&keptlock);
}

/* Takes the note at *at off; keptlock. Returns what is to be released, NULL if nothing is. */
static struct keep *
drop(struct going **at)
{
	struct going *n = *at;
	struct keep *k = n->k;

	*at = n->next;
	n->next = freenotes;
	freenotes = n;
	return unhold(k) ? k : NULL;
}

void
polldropslow(struct g *gp)
{
	struct going **at;
	struct keep *k;

	do{
		k = NULL;
		lock(&keptlock);
		for(at = bucket(gp); *at != NULL && k == NULL;)
			if((*at)->gp == gp)
				k = drop(at);
			else
				at = &(*at)->next;
		unlock(&keptlock);
		if(k != NULL)
			release(k);
	}while(k != NULL);
}

/* The caller holds k, so that this is not the last hold. */
void
keepunused(struct g *gp, struct polldesc *pd)
{
	struct going **at;

	lock(&keptlock);
	at = find(gp, pd);
	if(*at != NULL)
		drop(at);
	unlock(&keptlock);
}

struct keep *
keepopen(struct polldesc *pd)
{
	uint32_t fl = load_relaxed(&pd->flags);
	int fd = duphigh(pd->fd, KEPTTOP);
	struct polldesc *kd = fd < 0 ? NULL : pollget(fd);
	struct keep *k = NULL;

	if(kd != NULL){
		pollreset(kd, (enum fdkind)load_relaxed(&pd->kind), (fl & (PD_NODRAIN | PD_LOWAT)) | PD_KEPT);
		lock(&keptlock);
		if((k = freekeeps) != NULL)
			freekeeps = k->next;
		else
			k = persistentalloc(sizeof *k, 8);
		if(k != NULL){
			*k = (struct keep){keeps, &keeps, kd, kd->use, 1};
			if(keeps != NULL)
				keeps->at = &k->next;
			keeps = k;
			store_relaxed(&nkept, nkept + 1);
		}
		unlock(&keptlock);
	}
	if(k == NULL && fd >= 0)
		rawsyscall(SYS_close, fd);
	return k;
}

struct polldesc *
keptdesc(struct keep *k)
{
	return k->pd;
}

void
keepdone(struct keep *k)
{
	bool last;

	lock(&keptlock);
	last = unhold(k);
	unlock(&keptlock);
	if(last)
		release(k);
}

bool
pollhidden(int fd)
{
	struct polldesc *pd;

	return unlikely(load_relaxed(&nkept) != 0) && (pd = pollfind(fd)) != NULL && (load_relaxed(&pd->flags) & PD_KEPT);
}

int
keptnext(int from)
{
	int fd = -1;

	if(likely(load_relaxed(&nkept) == 0))
		return -1;
	lock(&keptlock);
	for(struct keep *k = keeps; k != NULL; k = k->next)
		if(k->pd->fd >= from && (fd < 0 || k->pd->fd < fd) && pollhidden(k->pd->fd))
			fd = k->pd->fd;
	unlock(&keptlock);
	return fd;
}

/* A raw read of a short file; "" if it cannot be had. */
static void
slurp(const char *name, char *buf, size_t size)
{
	long fd = rawsyscall(SYS_open, name, O_RDONLY | O_CLOEXEC), n = 0;

	if(fd >= 0){
		n = rawsyscall(SYS_read, fd, buf, size - 1);
		rawsyscall(SYS_close, fd);
	}
	buf[n > 0 ? n : 0] = '\0';
}

/*
 * The file says the number of the system call in which the thread sleeps, "running" if it does not, -1 outside any. Who sleeps in one of
 * these has looked its descriptor up.
 */
bool
keepasleep(struct g *gp)
{
	static const uint16_t calls[] = {SYS_read, SYS_readv, SYS_preadv2, SYS_write, SYS_writev, SYS_pwritev2, SYS_accept, SYS_accept4};
	struct m *mp = load_acquire(&gp->m);
	char name[64], buf[16];
	long nr = 0;

	if(mp == NULL)
		return false;
	fmtbuf(name, sizeof name, "/proc/self/task/%d/syscall", load_relaxed(&mp->tid));
	slurp(name, buf, sizeof buf);
	if(buf[0] < '0' || buf[0] > '9')
		return false;
	for(const char *p = buf; *p >= '0' && *p <= '9'; p++)
		nr = 10 * nr + (*p - '0');
	for(size_t i = 0; i < nelem(calls); i++)
		if(calls[i] == nr)
			return load_acquire(&gp->m) == mp;
	return false;
}

/* The child of a fork has copies of numbers for which nobody waits there. */
void
keptfork(void)
{
	struct going *n;
	struct keep *k;

	keptlock.key = 0;
	for(int i = 0; nkept != 0 && i < NBUCKET; i++)
		while((n = notes[i]) != NULL){
			notes[i] = n->next;
			n->next = freenotes;
			freenotes = n;
		}
	while((k = keeps) != NULL){
		if(!filesshared) /* else they are the parent's */
			rawsyscall(SYS_close, k->pd->fd);
		keeps = k->next;
		k->next = freekeeps;
		freekeeps = k;
	}
	nkept = 0;
}
