/* SPDX-License-Identifier: MIT */
/*
 * Cancellation of Gs.
 *
 * What is requested, disabled, asynchronous stands in the G's TCB, where libc has it: so libc's
 * pthread_testcancel, pthread_setcanceltype and the cancellation points that heddle does not know work as they
 * are, and libc unwinds. heddle's part is to make a G that waits look.
 *
 *   waits in heddle         ATTN_CANCEL ends the wait (WAKE_SIGNAL), the wrapper tidies up and calls
 *                           cancelpoint()
 *   is in a system call     libc's function has made cancellation asynchronous for that time: a kick injects a call of
 *                           pthread_testcancel there (preempt.c)
 *   is about to make one    libc's function sees the request and unwinds: unwindsyscall() has the state put right
 *   is asynchronous         the same, or on its next way out of the runtime
 *   runs otherwise          it acts at its next cancellation point
 *
 * ATTN_CANCEL is to be set if, and only if, the TCB says requested and not disabled, and not on its way out
 * already. Both sides change the TCB first and then call update(), which brings the flag in line under a
 * lock; whichever comes last sees what both have done. libc may disable cancellation within its own
 * functions without our knowing: then cancelnow() returns and clears the flag, so that waits do
 * not end at once again and again.
 *
 * libc's own pthread_cancel is for its own threads only. It sets its handler for the signal that heddle
 * uses too, so heddle's is put in front again.
 */
#include <unwind.h>

#include "cancel.h"
#include "libc.h"
#include "tls.h"

static struct mutex cancellock;

/* In runtime mode, or on no G. It returns true if the flag had to be set. */
static bool
update(struct g *gp)
{
	uint32_t ch;
	bool want;

	lock(&cancellock);
	ch = load_relaxed(&tcbword(gp, tcblayout.cancelhandling, uint32_t));
	want = (ch & (TCB_CANCELED | TCB_EXITING | TCB_TERMINATED)) == TCB_CANCELED &&
	       !(load_relaxed(&tcbword(gp, tcblayout.disabledat, uint8_t)) & tcblayout.disabledbit);
	if(want)
		cancelg(gp);
	else
		fetch_and(&gp->attn, ~(uint32_t)ATTN_CANCEL);
	unlock(&cancellock);
	return want;
}

void
cancelnow(struct g *gp)
{
	pthread_testcancel();
	rtenter(gp);
	update(gp);
	rtexit(gp);
}

_Unwind_Reason_Code syscallpersonality(int version, _Unwind_Action actions, _Unwind_Exception_Class,
    struct _Unwind_Exception *, struct _Unwind_Context *);

/* The unwinder comes by a frame that has made a system call, and leaves it. See once.c for why not __attribute__((cleanup)). */
_Unwind_Reason_Code
syscallpersonality(int version, _Unwind_Action actions, _Unwind_Exception_Class class, struct _Unwind_Exception *e,
    struct _Unwind_Context *context)
{
	struct g *gp = getg();

	if((actions & _UA_CLEANUP_PHASE) && gp != NULL)
		abandonsyscall(gp);
	return _URC_CONTINUE_UNWIND;
}

EXPORT int
pthread_cancel(pthread_t th)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL, *self = getg();
	uint32_t *ch;
	int e;

	if(gp == NULL){
		e = libc.pthread_cancel(th);
		cancelhandler();
		return e;
	}
	if(self == NULL && (self = getgforeign()) == NULL)
		return EAGAIN;
	ch = &tcbword(gp, tcblayout.cancelhandling, uint32_t);
	if(load_relaxed(ch) & (TCB_CANCELED | TCB_EXITING | TCB_TERMINATED))
		return 0;
	rtenter(self);
	fetch_or(ch, TCB_CANCELING | TCB_CANCELED);
	update(gp);
	rtexit(self);
	return 0;
}

EXPORT int
pthread_setcancelstate(int state, int *old)
{
	struct g *gp = getg();
	int e = libc.pthread_setcancelstate(state, old);

	if(gp != NULL && load_relaxed(&tcbword(gp, tcblayout.cancelhandling, uint32_t)) & TCB_CANCELED){
		rtenter(gp);
		update(gp);
		rtexit(gp);
	}
	return e;
}
