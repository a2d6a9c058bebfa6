/* SPDX-License-Identifier: MIT */
/*
 * pthread_once.
 *
 * The word: 0 not begun, 2 done as in glibc; in between 1 and, above it, the number of the process
 * that runs the function. A child of fork finds there the number of a process that it is not, hence
 * that the thread which ran the function does not exist in it, and begins anew. (glibc counts forks for
 * that. Its count is hidden; this one needs nobody to keep it.) So no object that has been begun
 * may be libc's: even before the bootstrap all are handled here.
 *
 * The function may end by an exception, by pthread_exit or by cancellation. Then the object is as before and
 * another thread has its turn. The two last are libc's to tell: oncerun registers with it as a cleanup handler
 * does, which works also in a program without unwind tables. To notice an exception without libgcc, whose
 * cleanup routine would make the library depend on it, oncerun has a personality routine of its own, which the
 * unwinder calls as it passes; the frames of oncerun are on a list, the innermost one first. One
 * that was left by longjmp is found by its address and dropped.
 */
#include <unwind.h>

#include "sync.h"

enum { ONCERUNNING = 1, ONCEDONE = 2 };

struct oncerun {
	pthread_once_t *once;
	struct oncerun *outer;
	bool over;
	__pthread_unwind_buf_t buf;
};

static __thread struct oncerun *runs __attribute__((tls_model("initial-exec")));

static uint32_t kernelwaits; /* atomic: threads that have waited in the kernel, before the bootstrap */

/* onceend: the function is over; value says with what success. */
static void
onceend(pthread_once_t *once, int value)
{
	struct g *gp = syncg();
	struct glist list = {0};
	struct semaroot *root;
	struct semawait *w;

	store_release(once, value); /* pairs with the load in pthread_once */
	fence_seqcst();             /* pairs with the exchange in oncekernelwait */
	if(load_relaxed(&kernelwaits) != 0)
		kernelwake(once, INT_MAX);
	if(gp == NULL)
		return;
	rtenter(gp);
	root = semalock((uintptr_t)once);
	while((w = semafirst(root, (uintptr_t)once)) != NULL)
		semawake(root, w, &list);
	semaunlock(root);
	semaready(&list);
	rtexit(gp);
}

_Unwind_Reason_Code oncepersonality(int version, _Unwind_Action actions, _Unwind_Exception_Class, struct _Unwind_Exception *,
    struct _Unwind_Context *);

/*
 * The unwinder comes by oncerun's frame: for an exception in the second phase too. A forced unwind goes to buf first, and
 * comes here when it goes on from there.
 */
_Unwind_Reason_Code
oncepersonality(int version, _Unwind_Action actions, _Unwind_Exception_Class class, struct _Unwind_Exception *e,
    struct _Unwind_Context *context)
{
	struct oncerun *run = runs;

	if((actions & _UA_CLEANUP_PHASE) && run != NULL){
		runs = run->outer;
		if(!run->over){
			__pthread_unregister_cancel(&run->buf);
			onceend(run->once, 0);
		}
	}
	return _URC_CONTINUE_UNWIND;
}

/* oncerun runs the function. In one piece, so that the call is covered by the personality routine. */
static noinline void
oncerun(pthread_once_t *once, void (*fn)(void))
{
	struct oncerun run = {.once = once, .outer = runs};

	__asm__ volatile(".cfi_personality 0x1b, oncepersonality"); /* pc-relative, 32 bits */
	while(run.outer && (uintptr_t)run.outer < (uintptr_t)&run)
		run.outer = run.outer->outer;
	runs = &run;
	if(__sigsetjmp_cancel(run.buf.__cancel_jmp_buf, 0) != 0){
		run.over = true;
		onceend(once, 0);
		__pthread_unwind_next(&run.buf);
	}
	__pthread_register_cancel(&run.buf);
	fn();
	__pthread_unregister_cancel(&run.buf);
	runs = run.outer;
	onceend(once, ONCEDONE);
}

/* Without the runtime whoever else runs the function can only be a thread that heddle does not know. */
static void
oncekernelwait(pthread_once_t *once, int val)
{
	xchg(&kernelwaits, 1);
	rawsyscall(SYS_futex, once, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, val, NULL);
}

/* oncewait waits for the end of the function that another thread runs, if the word is still val. */
static void
oncewait(struct g *gp, pthread_once_t *once, int val)
{
	struct semawait w;
	struct semaroot *root;

	semawaitinit(&w, gp, (uintptr_t)once);
	rtenter(gp);
	root = semalock(w.key);
	if(load_acquire(once) != val){
		semaunlock(root);
		rtexit(gp);
		return;
	}
	w.seq = parkprep(gp);
	semaenqueue(root, &w, false);
	semaunlock(root);
	if(semasleep(gp, Wonce, once, NULL) != WAKE_READY){
		if((root = semacancel(&w)) != NULL)
			semaunlock(root);
		runhandlers(gp);
	}
	rtexit(gp);
}

static noinline int
onceslow(pthread_once_t *once, void (*fn)(void))
{
	int mine = (int)((uint32_t)rawsyscall(SYS_getpid) << 2) | ONCERUNNING;
	struct g *gp;
	int v;

	for(;;){
		v = load_acquire(once);
		if(v & ONCEDONE)
			return 0;
		if(v != mine){
			if(!cas(once, v, mine))
				continue;
			oncerun(once, fn);
			return 0;
		}
		gp = syncg();
		if(gp)
			oncewait(gp, once, mine);
		else
			oncekernelwait(once, mine);
	}
}

EXPORT int
pthread_once(pthread_once_t *once, void (*fn)(void))
{
	return likely(load_acquire(once) & ONCEDONE) ? 0 : onceslow(once, fn);
}
ALSO(__pthread_once, pthread_once)
