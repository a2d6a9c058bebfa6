/* SPDX-License-Identifier: MIT */
/* Lists of Gs, linked through the Gs themselves. runtime.h includes this once it has them. */
#ifndef HEDDLE_GLIST_H
#define HEDDLE_GLIST_H

struct glist {
	struct g *head, *tail;
	uint32_t n;
};

static inline void
glistpush(struct glist *l, struct g *gp)
{
	gp->schedlink = NULL;
	if(l->tail)
		l->tail->schedlink = gp;
	else
		l->head = gp;
	l->tail = gp;
	store_relaxed(&l->n, l->n + 1);
}

static inline struct g *
glistpop(struct glist *l)
{
	struct g *gp = l->head;

	if(gp){
		l->head = gp->schedlink;
		if(l->head == NULL)
			l->tail = NULL;
		store_relaxed(&l->n, l->n - 1);
	}
	return gp;
}

/*
 * A list that may be long, whose Gs have left the cache by the time they are taken off. To follow the links would be
 * one cache miss after another. So each G on it also points to the one that was put on GQAHEAD later, and to take one off
 * prefetches that.
 */
enum { GQAHEAD = 4 };
struct gqueue {
	struct glist l;
	struct g *last[GQAHEAD]; /* those put on last, round and round */
	uint32_t at;             /* the oldest of them */
};

static inline void
gqput(struct gqueue *q, struct g *gp)
{
	/* with so many on the queue, the last ones are among them */
	if(q->l.n >= GQAHEAD)
		q->last[q->at]->ahead = gp;
	q->last[q->at] = gp;
	q->at = (q->at + 1) % GQAHEAD;
	gp->ahead = NULL;
	glistpush(&q->l, gp);
}

static inline struct g *
gqget(struct gqueue *q)
{
	struct g *gp = glistpop(&q->l);

	if(gp != NULL && gp->ahead != NULL)
		for(int i = 0; i < 4; i++)
			__builtin_prefetch((char *)gp->ahead + i * CACHELINE, 1);
	return gp;
}

#endif
