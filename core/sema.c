/* SPDX-License-Identifier: MIT */
/*
 * Address to waiters. See sema.h.
 *
 * A fixed table of buckets, each with a lock. In a bucket the first waiters of the different
 * addresses form a treap by address, with a hash of the address for priority, so that its
 * shape does not depend on the order in which they came; the other waiters of an address hang
 * on the first one in a list. A million Gs may wait for one condition variable or each
 * for its own: finding the first waiter costs at most about ten steps in the second
 * case, and none in the usual one, where a bucket has one address.
 *
 * The table does not grow: a resize would have to hold all locks. 1024 buckets are
 * 64 KiB, of which pages are touched as they are used.
 */
#include "sema.h"

struct semaroot semtable[1 << SEMABITS];
bool semasolo;
uint32_t semabusy, wordsmode;

static struct mutex otherslock;
static int32_t nothers; /* otherslock */

void
semainit(void)
{
	store_relaxed(&semasolo, gomaxprocs == 1 && !nomembarrier && !stresschance(SC_notsolo));
	store_relaxed(&wordsmode, semasolo ? WORDS_ALONE : WORDS_SHARED);
}

/* After heavybarrier: until who has the P has left what it was in the middle of. */
static void
awaitleave(void)
{
	for(int i = 0; load_acquire(&semabusy) != 0; i++)
		if(i < 100)
			cpurelax();
		else
			usleep_ns(10 * USEC); /* its M has been preempted by the kernel */
}

void
wordsothers(void)
{
	if(likely(load_acquire(&wordsmode) == WORDS_SHARED))
		return;
	lock(&otherslock);
	if(wordsmode != WORDS_SHARED){
		store_relaxed(&wordsmode, WORDS_ENDING);
		heavybarrier(); /* pairs with the compiler barrier in wordchange */
		awaitleave();
		store_release(&wordsmode, WORDS_SHARED);
	}
	unlock(&otherslock);
}

void
semaothersin(void)
{
	if(nomembarrier || gomaxprocs != 1)
		return;
	lock(&otherslock);
	if(nothers++ == 0){
		store_relaxed(&semasolo, false);
		heavybarrier(); /* pairs with the compiler barrier in semaenter */
		awaitleave();
	}
	unlock(&otherslock);
}

/* Who has the P may have locked buckets meanwhile: it unlocks them as it has locked them. */
void
semaothersout(void)
{
	if(nomembarrier || gomaxprocs != 1)
		return;
	lock(&otherslock);
	if(--nothers == 0)
		store_release(&semasolo, true);
	unlock(&otherslock);
}

void
semalock2(struct semaroot *a, struct semaroot *b)
{
	semalockroot(a < b ? a : b);
	if(a != b)
		semalockroot(a < b ? b : a);
}

void
semaunlock2(struct semaroot *a, struct semaroot *b)
{
	semaunlock(a);
	if(a != b)
		semaunlock(b);
}

/* ---- the treap; smaller priorities are nearer to the root ---- */

/* Where the pointer to t is. */
static struct semawait **
slot(struct semaroot *root, struct semawait *t)
{
	struct semawait *up = t->parent;

	if(up == NULL)
		return &root->tree;
	return up->left == t ? &up->left : &up->right;
}

static void
rotateup(struct semaroot *root, struct semawait *t)
{
	struct semawait *up = t->parent;
	struct semawait **sp = slot(root, up);
	struct semawait *mid;

	if(up->left == t){
		mid = t->right;
		up->left = mid;
		t->right = up;
	}else{
		mid = t->left;
		up->right = mid;
		t->left = up;
	}
	if(mid)
		mid->parent = up;
	t->parent = up->parent;
	up->parent = t;
	*sp = t;
}

static void
treeinsert(struct semaroot *root, struct semawait *w)
{
	struct semawait **sp = &root->tree;
	struct semawait *up = NULL;

	while(*sp){
		up = *sp;
		sp = w->key < up->key ? &up->left : &up->right;
	}
	w->prio = (uint32_t)(semahash(w->key) * 0xd6e8feb86659fd93 >> 32) | 1;
	w->parent = up;
	w->left = w->right = NULL;
	*sp = w;
	while(w->parent && w->parent->prio > w->prio)
		rotateup(root, w);
}

static void
treeremove(struct semaroot *root, struct semawait *w)
{
	while(w->left || w->right){
		if(w->right == NULL || (w->left && w->left->prio < w->right->prio))
			rotateup(root, w->left);
		else
			rotateup(root, w->right);
	}
	*slot(root, w) = NULL;
}

/* w, of the same key, takes old's place. */
static void
treereplace(struct semaroot *root, struct semawait *old, struct semawait *w)
{
	*slot(root, old) = w;
	w->prio = old->prio;
	w->parent = old->parent;
	w->left = old->left;
	w->right = old->right;
	if(w->left)
		w->left->parent = w;
	if(w->right)
		w->right->parent = w;
}

/* ---- queues ---- */

static void
qinsert(struct semaroot *root, struct semawait *w, bool front)
{
	struct semawait *head = semafirst(root, w->key);

	store_relaxed(&root->nwait, root->nwait + 1);
	w->next = w->prev = NULL;
	if(root->tree == NULL){
		/* The usual case: the first in its bucket. Its priority is the highest, as it is the root. */
		w->tail = w;
		w->parent = w->left = w->right = NULL;
		w->prio = 0;
		root->tree = w;
	}else if(head == NULL){
		w->tail = w;
		treeinsert(root, w);
	}else if(front){
		w->next = head;
		head->prev = w;
		w->tail = head->tail;
		treereplace(root, head, w);
	}else{
		w->prev = head->tail;
		head->tail->next = w;
		head->tail = w;
	}
}

static void
qremove(struct semaroot *root, struct semawait *w)
{
	struct semawait *head;

	store_relaxed(&root->nwait, root->nwait - 1);
	if(root->nwait == 0){
		root->tree = NULL;
	}else if(w->prev){
		w->prev->next = w->next;
		if(w->next){
			w->next->prev = w->prev;
		}else{
			head = semafirst(root, w->key);
			head->tail = w->prev;
		}
	}else if(w->next){
		w->next->prev = NULL;
		w->next->tail = w->tail;
		treereplace(root, w, w->next);
	}else{
		treeremove(root, w);
	}
}

void
semaenqueue(struct semaroot *root, struct semawait *w, bool front)
{
	store_relaxed(&w->root, root);
	qinsert(root, w, front);
}

void
semadequeue(struct semaroot *root, struct semawait *w)
{
	qremove(root, w);
	store_release(&w->root, NULL); /* pairs with the load in semacancel; the last access to w */
}

void
semarequeue(struct semaroot *from, struct semaroot *to, struct semawait *w, uintptr_t key)
{
	qremove(from, w);
	w->key = key;
	store_relaxed(&w->root, to);
	qinsert(to, w, false);
}

bool
semawake(struct semaroot *root, struct semawait *w, struct glist *list)
{
	struct g *gp = w->gp;
	uint64_t seq = w->seq;

	semadequeue(root, w);
	switch(root->solo ? claimalone(gp, seq) : claim(gp, seq, WAKE_READY)){
	case 0:
		return false;
	case 2:
		glistpush(list, gp);
	}
	return true;
}

void
semaready(struct glist *list)
{
	struct g *gp;

	if(list->n == 1){
		gp = glistpop(list);
		ready(gp);
	}else if(list->n > 1){
		injectglist(list);
	}
}

/*
 * The bucket that w is on may change while we wait for its lock (semarequeue), and w may be
 * taken off. What has been read is right only if it is still so under the lock. Buckets
 * are never freed.
 */
struct semaroot *
semahold(struct semawait *w)
{
	struct semaroot *root;

	stressat(ST_semacancel);
	for(;;){
		root = load_acquire(&w->root); /* pairs with the store in semadequeue */
		if(root == NULL)
			return NULL;
		semalockroot(root);
		if(load_relaxed(&w->root) == root)
			return root;
		semaunlock(root);
	}
}

struct semaroot *
semacancel(struct semawait *w)
{
	struct semaroot *root = semahold(w);

	if(root != NULL)
		semadequeue(root, w);
	return root;
}

bool
semaidle(uintptr_t key)
{
	fence_seqcst(); /* pairs with the waiter's, after semaenqueue */
	return load_relaxed(&semarootof(key)->nwait) == 0;
}

void
semafork(void)
{
	size_t i;

	semasolo = false;
	semabusy = 0;
	wordsmode = WORDS_SHARED;
	nothers = 0;
	otherslock = (struct mutex){0};
	for(i = 0; i < nelem(semtable); i++)
		if(semtable[i].lock.key != 0 || semtable[i].tree != NULL)
			semtable[i] = (struct semaroot){0};
}
