/* SPDX-License-Identifier: MIT */
/* Gs with a kernel thread of their own: own.c tells how. */
#ifndef HEDDLE_OWN_H
#define HEDDLE_OWN_H

/* LockOSThread: this G on this M, this M for this G only; counts. Runtime mode. */
void lockosthread(struct g *);
void unlockosthread(struct g *);
void ownloosen(struct g *);  /* the lock is only counted from now on, as nobody else could run there (alonelocked) */
void lockbyname(struct g *); /* on ATTN_LOCK: locks the current G, once and for good */
/* lockforgood locks the current G, whose kernel thread is going to be changed; its end ends that thread. Runtime mode. */
void lockforgood(struct g *gp);

/* The wish to change something that the kernel keeps of a G's thread. */
struct ownwish {
	int32_t tid;        /* the kernel thread to change */
	uint64_t goid;
	struct m *reserved; /* own.c's */
};

/* ownreserve finds, or makes, the kernel thread of another G that had this goid when the caller had found it; may block. 0, ESRCH
 * (it has ended), or EAGAIN. After the change, or if it failed (!done), ownreserved. User mode or foreign threads. */
int ownreserve(struct g *gp, uint64_t goid, struct ownwish *w);
void ownreserved(struct g *gp, struct ownwish *w, bool done);
/* owntid: the kernel thread that is gp's alone, or is going to be; 0: none. Any thread. */
int32_t owntid(struct g *gp);
/* ownerof: the G whose M alone this is, or is going to be, or NULL. Any thread, also in a handler: without a lock, so it may end. */
struct g *ownerof(struct m *mp);
/* plaintid: a kernel thread with nothing changed; 0: none such is known. */
int32_t plaintid(void);
/* owninherit has the caller's kernel thread make one for gp, which has not started, so that it inherits all that the
 * caller's has. 0 or EAGAIN. Runtime mode, on a G. */
int owninherit(struct g *gp);

/* Of the runtime: ownasked on ATTN_OWN; ownexit by goexit0, gp was goid; ownwait on a new M's own stack whose ownstate is not 0, false:
 * it is to end; ownfailed: there is no thread for it. */
void ownasked(struct g *gp);
void ownexit(struct g *gp, struct m *mp, uint64_t goid);
bool ownwait(struct m *mp);
void ownfailed(struct m *mp);
void ownfork(void);

#endif
