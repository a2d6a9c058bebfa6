/* SPDX-License-Identifier: MIT */
/*
 * What is known of each descriptor number: the table, and how its entries change as numbers come and go.
 *
 * The table has two levels, grows with the numbers in use, and its entries are never freed: looking one up takes no
 * lock.
 *
 * Numbers and descriptions
 * ------------------------
 * epoll knows (description, number); here there is the number. The wrappers of the calls that make
 * numbers call pollreset, so what an entry says is about the present description, if
 * that was made in view of the wrappers: PD_OWN. Numbers that were inherited, received,
 * dup'ed, given to stdio (which closes behind our back), or existed when the process
 * forked are not PD_OWN, and nothing that is kept about them is relied upon: each wait
 * registers them again (EPOLL_CTL_MOD, which ends in ENOENT if the description is another one),
 * and shim/ asks for O_NONBLOCK and time-outs anew. kind is used without
 * that, as a wrong one shows by ENOTSOCK, EOPNOTSUPP or EPERM.
 *
 * gen numbers the uses of a number. It travels in the event's data, and events of earlier uses
 * are ignored. Only waste depends on that.
 *
 * close
 * -----
 * A blocking call outlives the close of its descriptor by another thread: netpoll_keep.c. Between
 * pollclosing and pollclosed nobody parks on the number, so that none is left behind on an entry whose
 * registration dies with the description.
 */
#include "netpoll.h"

enum {
	CHUNK = 512,    /* entries in a block of the table */
	NCHUNK = 32768, /* blocks: descriptors up to 16,777,215 */
};
static struct polldesc *chunks[NCHUNK]; /* atomic; set once */

uint32_t forkepoch = 1, forkbase = 1;
bool vforkused;

struct polldesc *
pollfind(int fd)
{
	unsigned n = (unsigned)fd;
	struct polldesc *c;

	if(n >= (unsigned)NCHUNK * CHUNK)
		return NULL;
	c = load_acquire(&chunks[n / CHUNK]); /* pairs with the cas in pollgetslow */
	return c != NULL ? &c[n % CHUNK] : NULL;
}

/* Without a lock, as this may be called by a signal handler. Who loses the race wastes its block. */
static struct polldesc *
pollgetslow(int fd)
{
	unsigned n = (unsigned)fd;
	struct polldesc *c;

	if(n >= (unsigned)NCHUNK * CHUNK || (c = persistentalloc(CHUNK * sizeof *c, CACHELINE)) == NULL)
		return NULL;
	for(unsigned i = 0; i < CHUNK; i++){
		c[i].fd = (int32_t)(n / CHUNK * CHUNK + i);
		c[i].rseq = c[i].wseq = 1;
	}
	cas(&chunks[n / CHUNK], NULL, c); /* pairs with the load_acquire in pollfind */
	return pollfind(fd);
}

struct polldesc *
pollget(int fd)
{
	struct polldesc *pd = pollfind(fd);

	return likely(pd != NULL) ? pd : pollgetslow(fd);
}

/* ---- numbers come and go ---- */

static void
wakeup(struct wakes *l)
{
	netpollwoken(l);
	if(l->l.head != NULL)
		injectglist(&l->l);
}

static bool
waitedfor(struct polldesc *pd)
{
	return slotwaits(&pd->rg) || slotwaits(&pd->wg) || (pd->more & (MORE_R | MORE_W | MORE_P));
}

/*
 * A wait in pollmany goes over to the entry k. Both are locked, k second: it is a number that
 * has just been made, and nobody who holds its lock waits for that of an older one.
 */
static void
moveto(struct polldesc *k, struct pollwait *w)
{
	struct wakes uncounted = {0};

	polldequeue(w, &uncounted);
	pollappend(k, &k->pq, w);
	store_release(&w->pd, k); /* pairs with unqueue */
}

/* The waiters of pd, which is about to be closed, are to go on with k. pd->lock. */
static void
waitonwith(struct polldesc *pd, struct keep *keep)
{
	struct pollq *const qs[] = {&pd->rq, &pd->wq};
	struct polldesc *k = keptdesc(keep);
	struct pollwait *w, *next;

	if(slotwaits(&pd->rg))
		keepfor(pd->rg, pd, keep);
	if(slotwaits(&pd->wg))
		keepfor(pd->wg, pd, keep);
	for(size_t i = 0; i < nelem(qs); i++)
		for(w = qs[i]->head; w != NULL; w = w->next)
			keepfor(w->gp, pd, keep);
	if(pd->pq.head == NULL)
		return;
	lock(&k->lock);
	for(w = pd->pq.head; w != NULL; w = next){
		next = w->next;
		if(w->woken == WOKEN_READY)
			keepfor(w->gp, pd, keep);
		else if(!w->woken && pollregistered(k) == 0 && keepfor(w->gp, NULL, keep))
			moveto(k, w);
	}
	unlock(&k->lock);
}

/*
 * Where the G is that was woken from a slot, in a wait of number seq: not there yet (its park has not returned), or perhaps about to
 * make its attempt, or past it. See netpoll_keep.c.
 */
enum wokenat { ISPAST, ISCOMING, ISTRYING };
static enum wokenat
wokenat(struct g *gp, uint64_t seq)
{
	uint64_t w = load_acquire(&gp->wakeword);
	bool inrt;

	if(w >> WSEQSHIFT != seq || gp == getg())
		return ISPAST;
	if((w & WSTATE) == Wclaimed)
		return ISCOMING;
	/* redo after locks: it is set before the G leaves runtime mode for its attempt, and until it is back for good */
	inrt = load_acquire(&gp->status) == Grunning && load_acquire(&gp->locks) != 0;
	return inrt || load_acquire(&gp->redo) ? ISTRYING : ISPAST;
}

bool
pollslotbusy(struct g *other, uint64_t seq)
{
	return wokenat(other, seq) != ISPAST;
}

/* Who was woken from one of pd's two slots. */
struct late {
	struct g *gp;
	uint64_t seq;
	bool noted; /* and will see that */
};

/* Fills in late; pd->lock. True if one of them may be about to make its attempt without having been noted. */
static bool
anylate(struct polldesc *pd, struct late late[2])
{
	struct g *const gs[] = {pd->rg, pd->wg};
	uint64_t const seqs[] = {pd->rpark, pd->wpark};
	bool any = false;

	for(int i = 0; i < 2; i++){
		struct g *gp = (struct g *)((uintptr_t)gs[i] & ~(uintptr_t)WOKENG);

		if(gp == gs[i] || wokenat(gp, seqs[i]) == ISPAST)
			late[i].gp = NULL;
		else if(late[i].gp != gp || late[i].seq != seqs[i] || !late[i].noted){
			late[i] = (struct late){gp, seqs[i], false};
			any = true;
		}
	}
	return any;
}

/* Waits until the G is past its attempt: true; or sleeps in it in the kernel. The G may need the caller's P for that. */
static bool
untilpast(struct late *l)
{
	for(int i = 0; wokenat(l->gp, l->seq) == ISTRYING; i++)
		if(i < 100)
			cpurelax();
		else if(i % 64 == 0 && keepasleep(l->gp) && wokenat(l->gp, l->seq) == ISTRYING)
			return false;
		else if(getg() != NULL)
			gosched();
		else
			rawsyscall(SYS_sched_yield);
	return true;
}

/* No lock is held, nor is pd closing: who is waited for here may wait again, on pd. */
static void
notelate(struct polldesc *pd, struct late late[2], struct keep *k)
{
	for(int i = 0; i < 2; i++)
		if(late[i].gp != NULL && !late[i].noted)
			late[i].noted = keepfor(late[i].gp, pd, k);
	heavybarrier(); /* pairs with the look at nkept after park() */
	for(int i = 0; i < 2; i++){
		if(late[i].gp == NULL || wokenat(late[i].gp, late[i].seq) == ISCOMING)
			continue;
		if(!untilpast(&late[i])){
			late[i].noted = true; /* it has its file, and comes by its note if it has to wait again */
			continue;
		}
		if(late[i].noted)
			keepunused(late[i].gp, pd);
		late[i].gp = NULL;
	}
}

/*
 * Before a close: gives those who wait, or are about to go on, another number. Returns it, NULL: none; with pd->lock held.
 * Who waits may be woken while the lock is not held, so the last look at both is under it.
 */
static struct keep *
keepwaiters(struct polldesc *pd)
{
	struct late late[2] = {0};
	struct keep *k;

	lock(&pd->lock);
	if(likely(!anylate(pd, late) && !waitedfor(pd)))
		return NULL;
	unlock(&pd->lock);
	k = keepopen(pd);
	lock(&pd->lock);
	while(k != NULL && anylate(pd, late)){
		unlock(&pd->lock);
		notelate(pd, late, k);
		lock(&pd->lock);
	}
	if(k != NULL)
		waitonwith(pd, k);
	return k;
}

/* Forgets everything; pd->lock. */
static void
forget(struct polldesc *pd, struct wakes *l)
{
	pd->gen++;
	pd->regepoch = 0;
	store_relaxed(&pd->drained, 0);
	store_relaxed(&pd->flags, 0);
	store_relaxed(&pd->kind, Kunknown);
	store_relaxed(&pd->err, 0);
	/* who is between an attempt and its wait has to look again */
	store_release(&pd->rseq, nextseq(pd->rseq));
	store_release(&pd->wseq, nextseq(pd->wseq));
	pollwakeall(pd, WAKE_CLOSE, l);
	store_relaxed(&pd->rg, NULL);
	store_relaxed(&pd->wg, NULL);
	for(struct pollwait *w = pd->pq.head; w != NULL; w = w->next)
		w->woken = WOKEN_PAST;
}

void
pollreset(struct polldesc *pd, enum fdkind kind, uint32_t flags)
{
	struct wakes l = {0};

	lock(&pd->lock);
	forget(pd, &l);
	pd->use++;
	pd->closing = 0;
	setmore(pd, MORE_CLOSING, false);
	pd->epoch = load_relaxed(&forkepoch);
	pd->rtimeo = pd->wtimeo = NOTIME;
	store_relaxed(&pd->kind, (uint8_t)kind);
	store_relaxed(&pd->flags, flags);
	unlock(&pd->lock);
	wakeup(&l);
}

/* Something has happened that poll() need not show: all look again. */
void
pollkickto(struct polldesc *pd, struct wakes *l)
{
	lock(&pd->lock);
	fetch_or(&pd->flags, PD_NODRAIN);
	store_release(&pd->rseq, nextseq(pd->rseq));
	store_release(&pd->wseq, nextseq(pd->wseq));
	pollwakeall(pd, WAKE_READY, l);
	unlock(&pd->lock);
}

void
pollkick(struct polldesc *pd)
{
	struct wakes l = {0};

	pollkickto(pd, &l);
	wakeup(&l);
}

uint32_t
pollclosing(struct polldesc *pd)
{
	struct wakes l = {0};
	struct keep *k;
	uint32_t use;

	k = keepwaiters(pd);
	/* another name of the description would keep the registration alive */
	if(pd->regepoch == netpollepoch() && (k != NULL || !trusted(pd)))
		netpolldel(pd);
	forget(pd, &l);
	pd->closing++;
	setmore(pd, MORE_CLOSING, true);
	use = pd->use;
	unlock(&pd->lock);
	wakeup(&l);
	stressat(ST_pollclosing);
	if(k != NULL)
		keepdone(k);
	return use;
}

/* If the number has been made anew meanwhile, pollreset has ended the closing. */
void
pollclosed(struct polldesc *pd, uint32_t use)
{
	lock(&pd->lock);
	if(pd->use == use && --pd->closing == 0)
		setmore(pd, MORE_CLOSING, false);
	unlock(&pd->lock);
}

/* Who is between an attempt and its wait registers anew, after the attempt, as the first one ever does. */
void
pollunregister(struct polldesc *pd)
{
	lock(&pd->lock);
	if(pd->regepoch == netpollepoch() && !waitedfor(pd)){
		netpolldel(pd);
		pd->regepoch = 0;
	}
	unlock(&pd->lock);
}

bool
pollunused(struct polldesc *pd)
{
	return load_relaxed(&pd->kind) == Kunknown && load_relaxed(&pd->flags) == 0 && load_relaxed(&pd->regepoch) == 0;
}

void
pollrange(unsigned lo, unsigned hi, void (*fn)(struct polldesc *, void *), void *arg)
{
	struct polldesc *c;

	if(hi >= (unsigned)NCHUNK * CHUNK)
		hi = NCHUNK * CHUNK - 1;
	while(lo <= hi){
		c = load_acquire(&chunks[lo / CHUNK]);
		if(c == NULL)
			lo = (lo / CHUNK + 1) * CHUNK;
		else{
			if(!pollunused(&c[lo % CHUNK]))
				fn(&c[lo % CHUNK], arg);
			lo++;
		}
	}
}

void
netpollshare(void)
{
	add_fetch(&forkepoch, 1);
}

bool filesshared;
__thread bool sharingfiles __attribute__((tls_model("initial-exec")));

/* Who is about to wait takes pd->lock after this, and sees filesshared (pollregistered), or did so before, and is found here. */
static void
shareone(struct polldesc *pd, void *arg)
{
	struct late late[2] = {0};
	bool waits;

	lock(&pd->lock);
	waits = !(pd->flags & PD_KEPT) && (anylate(pd, late) || waitedfor(pd));
	unlock(&pd->lock);
	if(waits)
		pollclosed(pd, pollclosing(pd));
}

void
netpollsharefiles(void)
{
	sharingfiles = true;
	store_relaxed(&filesshared, true);
	netpollshare();
	pollrange(0, ~0U, shareone, NULL);
}

void
netpollshared(void)
{
	sharingfiles = false;
}

/*
 * In the child of a fork: the waiters are threads of the parent, and the locks may have been
 * held by some. Entries that nobody used are only read, so that their pages stay shared.
 */
static void
forkone(struct polldesc *pd)
{
	if(pd->lock.key == 0 && pollunused(pd))
		return;
	pd->lock.key = 0;
	pd->regepoch = 0;
	pd->drained = 0;
	pd->closing = 0;
	pd->more = 0;
	pd->rg = pd->wg = NULL;
	pd->rq = pd->wq = pd->pq = (struct pollq){0};
}

void
pollfork(void)
{
	netpollcountfork();
	keptfork();
	for(unsigned i = 0; i < NCHUNK; i++)
		if(chunks[i] != NULL)
			for(unsigned k = 0; k < CHUNK; k++)
				forkone(&chunks[i][k]);
}
