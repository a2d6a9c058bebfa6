/* SPDX-License-Identifier: MIT */
/*
 * The netpoller's policy (Go: netpoll.go).
 *
 * Each descriptor number has a polldesc (polldesc.c). It is registered with epoll once, at the first call that
 * would block, edge-triggered for everything, and stays registered for as long as its description lives.
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
 */
#include "netpoll.h"

#include <poll.h>
#include <sys/epoll.h>

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

void
netpollcountfork(void)
{
	woken = 0;
	for(unsigned i = 0; i < MAXPROCS; i++)
		if(allp[i] != NULL)
			allp[i]->npollpark = 0;
}

/* ---- queues; all under pd->lock ---- */

static uint8_t
morebit(struct polldesc *pd, struct pollq *q)
{
	return q == &pd->rq ? MORE_R : q == &pd->wq ? MORE_W : MORE_P;
}

void
pollappend(struct polldesc *pd, struct pollq *q, struct pollwait *w)
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
	pollappend(w->pd, q, w);
	countpark(w->gp);
}

void
polldequeue(struct pollwait *w, struct wakes *l)
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

	polldequeue(w, l);
	return wakeg(gp, seq, why, l);
}

static bool
wakefirst(struct g **slot, uint64_t seq, enum wakewhy why, struct wakes *l)
{
	struct g *gp = *slot;

	if(!slotwaits(slot))
		return false;
	store_relaxed(slot, (struct g *)((uintptr_t)gp | WOKENG));
	l->n++;
	return wakeg(gp, seq, why, l);
}

/* The same for one that waits on rq or wq. It takes itself off pq when it runs. */
static bool
wakequeued(struct polldesc *pd, struct pollwait *w, struct wakes *l)
{
	struct wakes uncounted = {0};

	polldequeue(w, l);
	pollappend(pd, &pd->pq, w);
	w->woken = WOKEN_READY;
	if(wakeg(w->gp, w->seq, WAKE_READY, l))
		return true;
	polldequeue(w, &uncounted);
	return false;
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
	while(q->head != NULL && !wakequeued(pd, q->head, l))
		continue;
}

void
pollwakeall(struct polldesc *pd, enum wakewhy why, struct wakes *l)
{
	struct pollq *const qs[] = {&pd->rq, &pd->wq};
	struct pollwait *w, *next;

	wakefirst(&pd->rg, pd->rpark, why, l);
	wakefirst(&pd->wg, pd->wpark, why, l);
	for(w = pd->pq.head; w != NULL; w = next){
		next = w->next;
		if(!w->woken)
			wakewait(w, why, l);
	}
	for(size_t i = 0; i < nelem(qs); i++)
		while(qs[i]->head != NULL)
			if(why == WAKE_READY)
				wakequeued(pd, qs[i]->head, l);
			else
				wakewait(qs[i]->head, why, l);
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
		if(((w->events | POLLERR | POLLHUP) & events) && !w->woken)
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

/* Sees that pd is registered; pd->lock. 0, POLL_PLAIN or POLL_FALLBACK. */
int
pollregistered(struct polldesc *pd)
{
	uint16_t now = netpollepoch();
	bool reg = pd->regepoch == now;
	int r;

	if(reg && trusted(pd))
		return 0;
	if(unlikely(load_relaxed(&filesshared)))
		return POLL_FALLBACK;
	r = netpollctl(pd, reg);
	if(r == 0){
		pd->regepoch = now;
		return 0;
	}
	pd->regepoch = 0;
	/* EPERM: has no poll method. EBADF and the like: the next attempt says so. */
	return r == -EPERM || r == -EBADF ? POLL_PLAIN : POLL_FALLBACK;
}

/* w->pd may change under the old entry's lock: see moveto. Who has been woken from rq or wq is counted off already. */
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
		polldequeue(w, &l);
	unlock(&pd->lock);
	if(!w->woken)
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
	/* this comes from who took w off the queue for good */
	if(r != WAKE_CLOSE)
		unqueue(&w);
	return r;
}

int
pollpark(struct g *gp, struct polldesc *pd, enum pollmode mode, uint32_t seq, enum waitreason why, int64_t deadline)
{
	int r;

	stressat(ST_pollpark);
	lock(&pd->lock);
	if((mode == POLLMODE_R ? pd->rseq : pd->wseq) != seq){
		unlock(&pd->lock);
		return POLL_RETRY;
	}
	if(unlikely(pd->more & MORE_CLOSING))
		return letclose(pd);
	if(unlikely((r = pollregistered(pd)) != 0)){
		unlock(&pd->lock);
		return r;
	}
	if(mode == POLLMODE_R){
		if(unlikely(slottaken(gp, &pd->rg, &pd->rpark) || (pd->more & MORE_R)))
			return parkqueued(gp, pd, mode, why, deadline);
		pd->rpark = parkprep(gp);
		store_relaxed(&pd->rg, gp);
	}else{
		if(unlikely(slottaken(gp, &pd->wg, &pd->wpark) || (pd->more & MORE_W)))
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
		store_relaxed(slot, (struct g *)((uintptr_t)gp | WOKENG)); /* it may go on waiting */
		l.n++;
	}
	unlock(&pd->lock);
	netpollwoken(&l);
}

void
pollmark(struct g *gp, struct polldesc *pd, enum pollmode mode)
{
	struct g **slot = mode == POLLMODE_R ? &pd->rg : &pd->wg;

	lock(&pd->lock);
	if(!slottaken(gp, slot, mode == POLLMODE_R ? &pd->rpark : &pd->wpark)){
		*(mode == POLLMODE_R ? &pd->rpark : &pd->wpark) = gp->wakeword >> WSEQSHIFT;
		store_relaxed(slot, (struct g *)((uintptr_t)gp | WOKENG));
	}
	unlock(&pd->lock);
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

/* Enqueues w. 0, EDGE if one has come since its rseq and wseq, CLOSING, or what pollregistered() says. */
static int
addwait(struct pollwait *w)
{
	struct polldesc *pd = w->pd;
	int r;

	lock(&pd->lock);
	if(unlikely(pd->more & MORE_CLOSING))
		r = CLOSING;
	else if((r = pollregistered(pd)) == 0){
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
		w[i].woken = WOKEN_NO;
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
	sigcatchup(gp);
	return r;
}
