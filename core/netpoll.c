/* SPDX-License-Identifier: MIT */
/*
 * The netpoller's policy (Go: netpoll.go).
 *
 * Each descriptor number has a polldesc, in a table of two levels that grows with the
 * numbers in use and whose entries are never freed: looking one up takes no lock. It is
 * registered with epoll once, at the first call that would block, edge-triggered for
 * everything, and stays registered for as long as its description lives.
 *
 * Waiting
 * -------
 * rseq and wseq count the edges seen for reading and for writing.
 *
 *	waiter                                  netpoll, for an event
 *	s = rseq
 *	attempt: EAGAIN
 *	lock                                    lock
 *	rseq != s: unlock, try again            rseq++
 *	enqueue                                 dequeue and claim a waiter
 *	unlock                                  unlock
 *	park
 *
 * No wake-up is lost. Say the descriptor becomes ready after the attempt. The kernel queues an
 * event then, or had queued one that nobody has fetched yet; either way it is fetched after
 * the attempt, so rseq changes after s was read: before the waiter takes the lock (it
 * tries again) or after it has enqueued itself (it is claimed). The first wait registers under the
 * lock after the attempt: epoll reports a descriptor that is ready when it is
 * added. Events that come late, for data that has been read already, cost one attempt.
 *
 * Short reads
 * -----------
 * A TCP read that returns less than was asked for has found the queue empty at some moment
 * after s was read. That is kept: drained = s. While rseq is still s nothing has come
 * since that moment (what came would change rseq, or still will, as above), so the next
 * read takes its EAGAIN for granted. The fact stays true whoever else reads, in whatever
 * order the readers write it. What can end a read early with data behind
 * it, or give a result without data, is excluded: end of file, error and urgent data are seen
 * as events and set PD_NODRAIN for good (had the event come after s, rseq tells); MSG_PEEK
 * does not set the fact; SO_RCVLOWAT, TLS in the kernel and MSG_OOB set PD_NODRAIN in shim/.
 *
 * Many waiters
 * ------------
 * An edge wakes one of those who wait (accepters, readers), not the whole herd. It
 * may have announced more than one of them takes, so each G passes the baton (pollpass) when
 * it has done its read, whatever the result. Say data is there and W waits. W enqueued itself after an
 * EAGAIN, so the data came later, and its edge is still to be fetched (it will
 * wake somebody) or woke some R after W was on the queue. R is running, and when it is done it sees W. R's
 * attempt saying EAGAIN means that the data has gone to another reader, who sees W
 * too. A claim that fails (that waiter's time was up, a signal was first) moves on to the next.
 * Waiters in pollmany consume nothing: they are all woken and pass nothing on.
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

#include <poll.h>
#include <sys/epoll.h>

enum {
	CHUNK = 512,    /* entries in a block of the table */
	NCHUNK = 32768, /* blocks: descriptors up to 16,777,215 */
};
static struct polldesc *chunks[NCHUNK]; /* atomic; set once */

uint32_t forkepoch = 1;
bool vforkused;

/*
 * How many wait is the number of entries queued, which each P counts for itself, less those taken
 * off, counted once a batch. The reader takes the second first, so that it never misses one that is there.
 */
static uint64_t woken; /* atomic */

static void
countpark(struct g *gp)
{
	struct p *pp = gp->m->p;

	store_relaxed(&pp->npollpark, pp->npollpark + 1);
}

void
netpollwoken(struct wakes *w)
{
	if(w->n != 0)
		fetch_add(&woken, w->n);
}

int64_t
netpollnwaiters(void)
{
	uint64_t n = -load_acquire(&woken);

	for(int i = 0; i < gomaxprocs; i++)
		n += load_relaxed(&allp[i]->npollpark);
	return (int64_t)n;
}

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

/* ---- queues; all under pd->lock ---- */

static uint8_t
morebit(struct polldesc *pd, struct pollq *q)
{
	return q == &pd->rq ? MORE_R : q == &pd->wq ? MORE_W : MORE_P;
}

static void
setmore(struct polldesc *pd, uint8_t bit, bool on)
{
	store_relaxed(&pd->more, on ? pd->more | bit : pd->more & ~bit);
}

static void
append(struct polldesc *pd, struct pollq *q, struct pollwait *w)
{
	w->q = q;
	w->next = NULL;
	if(q->head != NULL){
		w->prev = q->head->prev;
		w->prev->next = w;
		q->head->prev = w;
	}else{
		w->prev = w;
		q->head = w;
		setmore(pd, morebit(pd, q), true);
	}
}

static void
enqueue(struct pollq *q, struct pollwait *w)
{
	append(w->pd, q, w);
	countpark(w->gp);
}

static void
dequeue(struct pollwait *w, struct wakes *l)
{
	struct pollq *q = w->q;

	if(w == q->head){
		q->head = w->next;
		if(q->head == NULL)
			setmore(w->pd, morebit(w->pd, q), false);
	}else
		w->prev->next = w->next;
	if(w->next != NULL)
		w->next->prev = w->prev;
	else if(q->head != NULL)
		q->head->prev = w->prev;
	w->q = NULL;
	l->n++;
}

static bool
wakeg(struct g *gp, uint64_t seq, enum wakewhy why, struct wakes *l)
{
	int r = claim(gp, seq, why);

	if(r == 2)
		glistpush(&l->l, gp);
	return r != 0;
}

/*
 * Takes w off its queue and claims it. The order matters: after a claim the G may run on, with w gone from
 * its stack. False if the wait was over already.
 */
static bool
wakewait(struct pollwait *w, enum wakewhy why, struct wakes *l)
{
	struct g *gp = w->gp;
	uint64_t seq = w->seq;

	dequeue(w, l);
	return wakeg(gp, seq, why, l);
}

static bool
wakefirst(struct g **slot, uint64_t seq, enum wakewhy why, struct wakes *l)
{
	struct g *gp = *slot;

	if(gp == NULL)
		return false;
	store_relaxed(slot, NULL);
	l->n++;
	return wakeg(gp, seq, why, l);
}

/* rg has waited longer than those on rq: the place is taken only while that is empty. */
static void
wakeone(struct polldesc *pd, enum pollmode mode, struct wakes *l)
{
	struct pollq *q;

	if(mode == POLLMODE_R){
		if(wakefirst(&pd->rg, pd->rpark, WAKE_READY, l) || likely(!(pd->more & MORE_R)))
			return;
		q = &pd->rq;
	}else{
		/* wpark is in the other cache line */
		if((pd->wg != NULL && wakefirst(&pd->wg, pd->wpark, WAKE_READY, l)) || likely(!(pd->more & MORE_W)))
			return;
		q = &pd->wq;
	}
	while(q->head != NULL && !wakewait(q->head, WAKE_READY, l))
		continue;
}

static void
wakeall(struct polldesc *pd, enum wakewhy why, struct wakes *l)
{
	struct pollq *const qs[] = {&pd->rq, &pd->wq, &pd->pq};

	wakefirst(&pd->rg, pd->rpark, why, l);
	wakefirst(&pd->wg, pd->wpark, why, l);
	for(size_t i = 0; i < nelem(qs); i++)
		while(qs[i]->head != NULL)
			wakewait(qs[i]->head, why, l);
}

static uint32_t
nextseq(uint32_t seq)
{
	return seq + 1 != 0 ? seq + 1 : 1;
}

static void
edge(struct polldesc *pd, enum pollmode mode, struct wakes *l)
{
	uint32_t *seq = mode == POLLMODE_R ? &pd->rseq : &pd->wseq;

	store_release(seq, nextseq(*seq)); /* pairs with pollseq */
	wakeone(pd, mode, l);
}

static void
wakepollers(struct polldesc *pd, uint32_t events, struct wakes *l)
{
	struct pollwait *w, *next;

	for(w = pd->pq.head; w != NULL; w = next){
		next = w->next;
		if((w->events | POLLERR | POLLHUP) & events)
			wakewait(w, WAKE_READY, l);
	}
}

/* An event from epoll for the use gen of pd's number. */
void
netpollready(struct polldesc *pd, uint32_t gen, uint32_t ev, struct wakes *l)
{
	lock(&pd->lock);
	if(pd->gen == gen){
		if(ev & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI))
			fetch_or(&pd->flags, PD_NODRAIN);
		if(ev & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
			edge(pd, POLLMODE_R, l);
		if(ev & (EPOLLOUT | EPOLLHUP | EPOLLERR))
			edge(pd, POLLMODE_W, l);
		if(unlikely(pd->more & MORE_P))
			wakepollers(pd, ev, l);
	}
	unlock(&pd->lock);
}

/* ---- waiting ---- */

static bool
trusted(struct polldesc *pd)
{
	return (load_relaxed(&pd->flags) & PD_OWN) && pd->epoch == load_relaxed(&forkepoch);
}

/* Sees that pd is registered; pd->lock. 0, POLL_PLAIN or POLL_FALLBACK. */
static int
registered(struct polldesc *pd)
{
	uint16_t now = netpollepoch();
	bool reg = pd->regepoch == now;
	int r;

	if(reg && trusted(pd))
		return 0;
	r = netpollctl(pd, reg);
	if(r == 0){
		pd->regepoch = now;
		return 0;
	}
	pd->regepoch = 0;
	/* EPERM: has no poll method. EBADF and the like: the next attempt says so. */
	return r == -EPERM || r == -EBADF ? POLL_PLAIN : POLL_FALLBACK;
}

/* w->pd may change under the old entry's lock: see moveto. */
static void
unqueue(struct pollwait *w)
{
	struct wakes l = {0};
	struct polldesc *pd;

	for(;;){
		pd = load_acquire(&w->pd); /* pairs with the release in moveto */
		lock(&pd->lock);
		if(likely(load_relaxed(&w->pd) == pd))
			break;
		unlock(&pd->lock);
	}
	if(w->q != NULL)
		dequeue(w, &l);
	unlock(&pd->lock);
	netpollwoken(&l);
}

/* The number is being closed: let that happen, then the attempt says what is there now. */
static int
letclose(struct polldesc *pd)
{
	unlock(&pd->lock);
	gosched();
	return POLL_RETRY;
}

/* Parks on a queue, where the slot is taken; pd is locked. */
static noinline int
parkqueued(struct g *gp, struct polldesc *pd, enum pollmode mode, enum waitreason why, int64_t deadline)
{
	struct pollwait w = {.pd = pd, .gp = gp, .seq = parkprep(gp)};
	int r;

	enqueue(mode == POLLMODE_R ? &pd->rq : &pd->wq, &w);
	unlock(&pd->lock);
	r = park(gp, why, (void *)(long)pd->fd, deadline);
	/* these two come from who took w off the queue; the others from elsewhere */
	if(r != WAKE_READY && r != WAKE_CLOSE)
		unqueue(&w);
	return r;
}

int
pollpark(struct g *gp, struct polldesc *pd, enum pollmode mode, uint32_t seq, enum waitreason why, int64_t deadline)
{
	int r;

	lock(&pd->lock);
	if((mode == POLLMODE_R ? pd->rseq : pd->wseq) != seq){
		unlock(&pd->lock);
		return POLL_RETRY;
	}
	if(unlikely(pd->more & MORE_CLOSING))
		return letclose(pd);
	if(unlikely((r = registered(pd)) != 0)){
		unlock(&pd->lock);
		return r;
	}
	if(mode == POLLMODE_R){
		if(unlikely(pd->rg != NULL || (pd->more & MORE_R)))
			return parkqueued(gp, pd, mode, why, deadline);
		pd->rpark = parkprep(gp);
		store_relaxed(&pd->rg, gp);
	}else{
		if(unlikely(pd->wg != NULL || (pd->more & MORE_W)))
			return parkqueued(gp, pd, mode, why, deadline);
		pd->wpark = parkprep(gp);
		store_relaxed(&pd->wg, gp);
	}
	countpark(gp);
	unlock(&pd->lock);
	return park(gp, why, (void *)(long)pd->fd, deadline);
}

/* The wait was ended by something else than an edge: nobody else need have emptied the place. */
void
pollunpark(struct g *gp, struct polldesc *pd, enum pollmode mode)
{
	struct g **slot = mode == POLLMODE_R ? &pd->rg : &pd->wg;
	struct wakes l = {0};

	lock(&pd->lock);
	if(*slot == gp){
		store_relaxed(slot, NULL);
		l.n++;
	}
	unlock(&pd->lock);
	netpollwoken(&l);
}

void
pollpassslow(struct polldesc *pd, enum pollmode mode)
{
	struct wakes l = {0};

	lock(&pd->lock);
	wakeone(pd, mode, &l);
	unlock(&pd->lock);
	netpollwoken(&l);
	if(l.l.head != NULL)
		ready(l.l.head);
}

/* Which edges a waiter of pollmany cares for. */
static bool
sawedge(struct pollwait *w)
{
	uint32_t both = POLLERR | POLLHUP;

	return ((w->events | both) & ~(uint32_t)(POLLOUT | POLLWRNORM | POLLWRBAND) && w->rseq != w->pd->rseq) ||
	       (w->events & (POLLOUT | POLLWRNORM | POLLWRBAND) && w->wseq != w->pd->wseq);
}

enum { EDGE = 1, CLOSING = 2 };

/* Enqueues w. 0, EDGE if one has come since its rseq and wseq, CLOSING, or what registered() says. */
static int
addwait(struct pollwait *w)
{
	struct polldesc *pd = w->pd;
	int r;

	lock(&pd->lock);
	if(unlikely(pd->more & MORE_CLOSING))
		r = CLOSING;
	else if((r = registered(pd)) == 0){
		if(sawedge(w))
			r = EDGE;
		else
			enqueue(&pd->pq, w);
	}
	unlock(&pd->lock);
	return r;
}

int
pollmany(struct g *gp, struct pollwait *w, int n, enum waitreason why, const void *obj, int64_t deadline)
{
	uint64_t seq = parkprep(gp);
	enum wakewhy ww;
	bool closing = false;
	int i, r = 0;

	for(i = 0; i < n; i++){
		w[i].q = NULL;
		w[i].gp = gp;
		w[i].seq = seq;
	}
	for(i = 0; i < n; i++)
		if(w[i].pd != NULL && (r = addwait(&w[i])) != 0)
			break;
	if(r == 0)
		r = park(gp, why, obj, deadline);
	else{
		closing = r == CLOSING;
		if(r > 0)
			r = POLL_RETRY;
		if(!parkabort(gp, &ww) && r == POLL_RETRY)
			r = ww;
	}
	for(i = 0; i < n; i++)
		if(w[i].pd != NULL)
			unqueue(&w[i]);
	if(closing)
		gosched();
	return r;
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
	return pd->rg != NULL || pd->wg != NULL || (pd->more & (MORE_R | MORE_W | MORE_P));
}

/*
 * A wait in pollmany goes over to the entry k. Both are locked, k second: it is a number that
 * has just been made, and nobody who holds its lock waits for that of an older one.
 */
static void
moveto(struct polldesc *k, struct pollwait *w)
{
	struct wakes uncounted = {0};

	dequeue(w, &uncounted);
	append(k, &k->pq, w);
	store_release(&w->pd, k); /* pairs with unqueue */
}

/* The waiters of pd, which is about to be closed, are to go on with k. pd->lock. */
static void
waitonwith(struct polldesc *pd, struct polldesc *k)
{
	struct pollq *const qs[] = {&pd->rq, &pd->wq};
	struct pollwait *w, *next;

	if(pd->rg != NULL)
		keepfor(pd->rg, k);
	if(pd->wg != NULL)
		keepfor(pd->wg, k);
	for(size_t i = 0; i < nelem(qs); i++)
		for(w = qs[i]->head; w != NULL; w = w->next)
			keepfor(w->gp, k);
	if(pd->pq.head == NULL)
		return;
	lock(&k->lock);
	if(registered(k) == 0)
		for(w = pd->pq.head; w != NULL; w = next){
			next = w->next;
			if(keepfor(w->gp, k))
				moveto(k, w);
		}
	unlock(&k->lock);
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
	wakeall(pd, WAKE_CLOSE, l);
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
	wakeall(pd, WAKE_READY, l);
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
	struct polldesc *k = NULL;
	uint32_t use;

	lock(&pd->lock);
	if(unlikely(waitedfor(pd))){
		unlock(&pd->lock);
		k = keepopen(pd);
		lock(&pd->lock);
		if(k != NULL)
			waitonwith(pd, k);
	}
	/* another name of the description would keep the registration alive */
	if(pd->regepoch == netpollepoch() && (k != NULL || !trusted(pd)))
		netpolldel(pd);
	forget(pd, &l);
	pd->closing++;
	setmore(pd, MORE_CLOSING, true);
	use = pd->use;
	unlock(&pd->lock);
	wakeup(&l);
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

static bool
unused(struct polldesc *pd)
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
			if(!unused(&c[lo % CHUNK]))
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

/*
 * In the child of a fork: the waiters are threads of the parent, and the locks may have been
 * held by some. Entries that nobody used are only read, so that their pages stay shared.
 */
static void
forkone(struct polldesc *pd)
{
	if(pd->lock.key == 0 && unused(pd))
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
	woken = 0;
	keptfork();
	for(unsigned i = 0; i < MAXPROCS; i++)
		if(allp[i] != NULL)
			allp[i]->npollpark = 0;
	for(unsigned i = 0; i < NCHUNK; i++)
		if(chunks[i] != NULL)
			for(unsigned k = 0; k < CHUNK; k++)
				forkone(&chunks[i][k]);
}
