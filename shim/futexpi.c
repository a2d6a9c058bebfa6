/* SPDX-License-Identifier: MIT */
/*
 * futex(2) with priority inheritance, between Gs: FUTEX_LOCK_PI and its like.
 *
 * Program and kernel change the word together, as futex(2) and the kernel's pi-futex.rst have it:
 *
 *	0                     free: the program takes it, by writing its thread's id
 *	tid                   locked, and the program frees it by writing 0
 *	tid | FUTEX_WAITERS   someone waits: to unlock it is a system call
 *	FUTEX_OWNER_DIED      beside these: an owner has ended while it had it
 *
 * The id is what gettid() says, a G's, which the kernel does not know; so this is the kernel's part. (Gs have no kernel priority to inherit.
 * Memory that is shared with other processes stays the kernel's: it will say ESRCH of a G's id.)
 *
 * Waiters queue in sema.c, under the word's address plus PIKEY. The kernel hands the lock over, and so does this: an unlock writes
 * the first waiter's id into the word before it claims that G; if the claim fails, the next one's. A waiter that finds itself woken
 * has the lock. One whose time is up, or that has a signal to handle, was not claimed.
 * All changes here but those of the program itself are made under the lock of the word's bucket; while the word is locked the program changes
 * nothing but from its own id to 0, and not if FUTEX_WAITERS is set.
 *
 * No wake-up is lost: who queues has set FUTEX_WAITERS under the bucket's lock, and the word keeps it until an unlock, under that
 * lock, finds nobody.
 *
 * Owners that end. At the end of a G that has such a lock for which somebody waits it goes to the first of these, with FUTEX_OWNER_DIED;
 * if nobody waits whoever comes later is told ESRCH. Of waiter and owner at its end one sees the other:
 *
 *	first waiter                    goexit0, then piended
 *	npi++                           goid = 0
 *	heavybarrier                    compiler barrier
 *	goid 0? ESRCH                   npi? look at all who wait
 *
 * FUTEX_WAIT_REQUEUE_PI waits under the first word's address plus REQUEUEKEY, where only FUTEX_CMP_REQUEUE_PI finds it, which gives it the
 * second word or moves it to that one's queue.
 */
#include "futex.h"
#include "sig.h"
#include "thread.h"

enum { PIKEY = 2, REQUEUEKEY = 3 }; /* futex.c has 1, other objects 0 */

static uint32_t npi; /* who waits here; atomic */

static inline uintptr_t
pikey(const uint32_t *word)
{
	return (uintptr_t)word + PIKEY;
}

/* Is this the id of a thread that can unlock? */
static bool
living(uint32_t tid)
{
	struct g *gp = gfromtid(tid);

	if(gp != NULL)
		return load_relaxed(&gp->goid) != 0;
	return tid <= PIDMAX && rawsyscall(SYS_tgkill, sigpid, tid, 0) == 0;
}

/*
 * Takes the word for the thread tid, or marks it as waited for: 0, or -EAGAIN, -EDEADLK, -ESRCH. With wait false it is not marked.
 * The bucket is locked.
 */
static int
take(struct semaroot *root, uint32_t *word, uint32_t tid, bool wait)
{
	bool others = semafirst(root, pikey(word)) != NULL;
	uint32_t v = load_relaxed(word), owner, new;

	do{
		owner = v & FUTEX_TID_MASK;
		if(owner == tid)
			return -EDEADLK;
		new = v | FUTEX_WAITERS;
		if(owner == 0)
			new = tid | (v & FUTEX_OWNER_DIED) | (others ? FUTEX_WAITERS : 0);
		else if(!others && !living(owner))
			return -ESRCH;
		else if(!wait)
			return -EAGAIN;
	}while(!__atomic_compare_exchange_n(word, &v, new, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	return owner == 0 ? 0 : -EAGAIN;
}

/* Hands the word, whose owner gives it up, to the first waiter that is still there. The bucket is locked. */
static void
handover(struct semaroot *root, uint32_t *word, uint32_t died, struct glist *list)
{
	struct semawait *w;

	while((w = semafirst(root, pikey(word))) != NULL){
		store_release(word, w->gp->tid | died | (w->next != NULL ? FUTEX_WAITERS : 0));
		if(semawake(root, w, list))
			return;
	}
	store_release(word, died);
}

/* From here on ends of threads look for waiters; comes before the look at the owner. */
static void
piwaits(void)
{
	add_fetch(&npi, 1);
	heavybarrier(); /* pairs with the one in goexit0 */
}

/* Takes the word or queues w: 0, or -EAGAIN: it is queued, or what else keeps it from both. */
static int
takeorqueue(struct g *gp, uint32_t *word, struct semawait *w)
{
	struct semaroot *root = semalock(w->key);
	int r = take(root, word, gp->tid, true);

	if(r == -EAGAIN){
		w->seq = parkprep(gp);
		semaenqueue(root, w, false);
	}
	semaunlock(root);
	return r;
}

/* In runtime mode. As in the kernel the call is repeated after a handler, whatever that says of it. */
static long
lockwait(struct g *gp, uint32_t *word, struct deadline *d)
{
	struct semaroot *root;
	struct semawait w;
	enum wakewhy why;
	int r;

	semawaitinit(&w, gp, pikey(word));
	w.flags = SW_PI;
	for(;;){
		if((r = takeorqueue(gp, word, &w)) != -EAGAIN)
			return r;
		why = semasleep(gp, Wfutex, word, d);
		if(why == WAKE_READY)
			return 0;
		if((root = semacancel(&w)) != NULL)
			semaunlock(root);
		if(why == WAKE_SIGNAL)
			runhandlers(gp);
		else if(deadlinepast(d))
			return -ETIMEDOUT;
	}
}

static bool
misaligned(const uint32_t *word)
{
	return ((uintptr_t)word & 3) != 0;
}

long
futexlockpi(struct g *gp, const struct futexargs *f)
{
	struct futexargs absolute = *f;
	struct deadline d;
	long r;

	if(misaligned(f->addr))
		return -EINVAL;
	if(futexcmd(f) == FUTEX_LOCK_PI)
		absolute.op |= FUTEX_CLOCK_REALTIME;
	if(f->timeout && (r = futexdeadline(&absolute, &d)) != 0)
		return r;
	rtenter(gp);
	piwaits();
	r = lockwait(gp, f->addr, f->timeout ? &d : NULL);
	add_fetch(&npi, -1);
	rtexit(gp);
	return r;
}

long
futextrylockpi(struct g *gp, const struct futexargs *f)
{
	struct semaroot *root;
	int r;

	if(misaligned(f->addr))
		return -EINVAL;
	rtenter(gp);
	root = semalock(pikey(f->addr));
	r = take(root, f->addr, gp->tid, false);
	semaunlock(root);
	rtexit(gp);
	return r;
}

long
futexunlockpi(struct g *gp, const struct futexargs *f)
{
	struct glist list = {0};
	struct semaroot *root;
	bool mine;

	if(misaligned(f->addr))
		return -EINVAL;
	rtenter(gp);
	root = semalock(pikey(f->addr));
	mine = (load_relaxed(f->addr) & FUTEX_TID_MASK) == gp->tid;
	if(mine)
		handover(root, f->addr, 0, &list);
	semaunlock(root);
	semaready(&list);
	rtexit(gp);
	return mine ? 0 : -EPERM;
}

/* ---- a condition's wait, and its way to the lock ---- */

/* In runtime mode. */
static long
waitrequeue(struct g *gp, const struct futexargs *f, struct deadline *d)
{
	struct semaroot *root;
	struct semawait w;
	enum wakewhy why;

	semawaitinit(&w, gp, 0);
	w.arg = f->addr2;
	w.flags = SW_PI;
	for(;;){
		w.key = (uintptr_t)f->addr + REQUEUEKEY;
		if(!futexqueue(f, &w))
			return -EAGAIN;
		why = semasleep(gp, Wfutex, f->addr, d);
		if(why == WAKE_READY)
			return 0;
		if((root = semacancel(&w)) != NULL)
			semaunlock(root);
		if(why == WAKE_SIGNAL)
			runhandlers(gp); /* if it has been moved meanwhile the first word has changed: EAGAIN, as in the kernel */
		else if(deadlinepast(d))
			return -ETIMEDOUT;
	}
}

long
futexwaitrequeuepi(struct g *gp, const struct futexargs *f)
{
	struct deadline d;
	long r;

	if(misaligned(f->addr) || misaligned(f->addr2) || f->addr == f->addr2)
		return -EINVAL;
	if(f->timeout && (r = futexdeadline(f, &d)) != 0)
		return r;
	rtenter(gp);
	piwaits();
	r = waitrequeue(gp, f, f->timeout ? &d : NULL);
	add_fetch(&npi, -1);
	rtexit(gp);
	return r;
}

/* Gives the word to w's G, or moves w to its queue: 1, or 0: w had been woken by something else, or a negative errno. Both locked. */
static int
giveormove(struct semaroot *from, struct semaroot *to, struct semawait *w, uint32_t *word, struct glist *list)
{
	int r = take(to, word, w->gp->tid, true);

	if(r == -EAGAIN){
		semarequeue(from, to, w, pikey(word));
		return 1;
	}
	if(r != 0)
		return r;
	if(semawake(from, w, list))
		return 1;
	handover(to, word, 0, list);
	return 0;
}

long
futexcmprequeuepi(struct g *gp, const struct futexargs *f)
{
	uintptr_t key = (uintptr_t)f->addr + REQUEUEKEY;
	struct glist list = {0};
	struct semaroot *from, *to;
	struct semawait *w;
	int64_t n = 0, most = 1 + (int64_t)val2(f);
	int r = 0;

	if(misaligned(f->addr) || misaligned(f->addr2) || f->addr == f->addr2 || f->val != 1 || (int)val2(f) < 0)
		return -EINVAL;
	rtenter(gp);
	from = semarootof(key);
	to = semarootof(pikey(f->addr2));
	semalock2(from, to);
	if(load_relaxed(f->addr) != f->val3)
		r = -EAGAIN;
	while(r >= 0 && n < most && (w = semafirst(from, key)) != NULL){
		r = w->arg != f->addr2 ? -EINVAL : giveormove(from, to, w, f->addr2, &list);
		if(r > 0)
			n++;
	}
	semaunlock2(from, to);
	semaready(&list);
	rtexit(gp);
	return r < 0 && n == 0 ? r : n;
}

/* ---- owners that end ---- */

/* Among the words waited for below t: the first waiter for one that tid has, or NULL. */
static struct semawait *
waitsfor(struct semawait *t, uint32_t tid)
{
	struct semawait *w;
	uint32_t v;

	if(t == NULL)
		return NULL;
	if((t->flags & SW_PI) && (t->key & 3) == PIKEY && trycopy(&v, (void *)(t->key - PIKEY), sizeof v) == 0 &&
	   (v & FUTEX_TID_MASK) == tid)
		return t;
	w = waitsfor(t->left, tid);
	return w != NULL ? w : waitsfor(t->right, tid);
}

void
piended(struct g *gp)
{
	struct semaroot *root;
	struct semawait *w;

	if(likely(load_relaxed(&npi) == 0))
		return;
	for(root = semtable; root < semtable + nelem(semtable); root++){
		struct glist list = {0};

		semalockroot(root);
		while((w = waitsfor(root->tree, gp->tid)) != NULL)
			handover(root, (uint32_t *)(w->key - PIKEY), FUTEX_OWNER_DIED, &list);
		semaunlock(root);
		semaready(&list);
	}
}

/* Nobody waits in a child. */
void
pifork(void)
{
	npi = 0;
}
