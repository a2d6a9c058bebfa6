/* SPDX-License-Identifier: MIT */
/*
 * Dumps of all Gs, and the detection of deadlocks (Go: proc.go checkdead, B8 of its notes).
 *
 * The stack of a G that does not run is read from its saved stack pointer: every word that points
 * behind a call instruction in executable memory is printed with its symbol.
 * That needs neither frame pointers nor unwind tables, which the program may lack,
 * and shows a few stale frames beside the real ones: these are marked "?" unless
 * the chain of frame pointers confirms them.
 */
#include <dlfcn.h>

#include "offsets.h"
#include "runtime.h"
#include "text.h"

enum { MAXFRAMES = 24, SCANWORDS = 512 };

static const char *
statusof(struct g *gp)
{
	switch(gp->status){
	case Grunnable: return "runnable";
	case Grunning: return gp->insyscall ? "syscall" : "running";
	case Gwaiting: return waitreasons[gp->waitreason];
	default: return "dead";
	}
}

/* Does addr stand behind a call instruction? Only addresses within a loaded object get here. */
static bool
aftercall(uintptr_t addr)
{
	const uint8_t *p = (const uint8_t *)addr;

	return p[-5] == 0xe8 || (p[-2] == 0xff && (p[-1] & 0xf8) == 0xd0) || (p[-3] == 0xff && (p[-2] & 0xf8) == 0x50) ||
	       (p[-6] == 0xff && ((p[-5] & 0xf8) == 0x90 || p[-5] == 0x15)) ||
	       (p[-3] == 0x41 && p[-2] == 0xff && (p[-1] & 0xf8) == 0xd0);
}

static bool
istext(uintptr_t addr)
{
	for(size_t i = 0; i < ntextranges; i++)
		if(addr - textranges[i].lo < textranges[i].hi - textranges[i].lo)
			return addr - textranges[i].lo > 8;
	return false;
}

static void
frame(int fd, uintptr_t pc, bool sure)
{
	Dl_info d = {0};

	if(dladdr((void *)(pc - 1), &d) && d.dli_sname != NULL)
		rtprint(fd, "\t%s%s+0x%lx (%s)\n", sure ? "" : "? ", d.dli_sname, (unsigned long)(pc - (uintptr_t)d.dli_saddr),
		    d.dli_fname);
	else
		rtprint(fd, "\t%s0x%lx (%s+0x%lx)\n", sure ? "" : "? ", (unsigned long)pc, d.dli_fname ? d.dli_fname : "?",
		    (unsigned long)(pc - (uintptr_t)d.dli_fbase));
}

static void
dumpstack(int fd, struct g *gp)
{
	uintptr_t *sp = (uintptr_t *)gp->sp, *end = sp + SCANWORDS, *fp;
	int n = 0;

	if(gp->stack.hi != 0 && (uintptr_t)end > gp->stack.hi)
		end = (uintptr_t *)gp->stack.hi;
	fp = sp + SWITCHFRAME / 8 - 1; /* mcall's saved rbp, its return address above */
	for(uintptr_t *p = fp + 1; p < end && n < MAXFRAMES; p++){
		bool sure = p == fp + 1;

		if(!istext(*p) || !aftercall(*p))
			continue;
		if(sure && *fp > (uintptr_t)fp && *fp < (uintptr_t)(end - 1))
			fp = (uintptr_t *)*fp;
		frame(fd, *p, sure);
		n++;
	}
}

void
dumpgs(int fd, const char *why)
{
	rtprint(fd, "heddle: %s: %d goroutines, %d Ps, %d kernel threads\n", why, ngs(), gomaxprocs,
	    load_relaxed(&sched.mcount));
	textrangesinit();
	for(struct g *gp = load_acquire(&allgs); gp != NULL; gp = gp->alllink){
		struct m *mp = load_relaxed(&gp->m);

		if(gp->status == Gidle || gp->status == Gdead || gp->goid == 0)
			continue;
		rtprint(fd, "\ngoroutine %lu [%s", (unsigned long)gp->goid, statusof(gp));
		if(gp->status == Gwaiting && gp->waitobj != NULL)
			rtprint(fd, (uintptr_t)gp->waitobj < 1 << 20 ? " on descriptor %ld" : " at 0x%lx", (long)gp->waitobj);
		rtprint(fd, "]%s \"%s\": pthread 0x%lx%s", gp->flags & GF_MAIN ? " main" : "", gp->name,
		    (unsigned long)gp->fsbase, gp->lockedm ? ", locked to its kernel thread" : "");
		if(mp != NULL)
			rtprint(fd, ", on m %u (thread %d)", mp->id, mp->tid);
		rtprint(fd, "\n");
		if(gp->status == Gwaiting || gp->status == Grunnable)
			dumpstack(fd, gp);
	}
}

/*
 * A G in pause(), sigsuspend() or sigwait() waits for a signal, be it one that ends the process. One that waits for a lock of
 * libc's own, malloc's above all, waits for whoever has it: it may be a thread of heddle's without a G, as sysmon giving back
 * stacks, or a kernel thread that ends.
 */
static bool
anyforothers(void)
{
	for(struct g *gp = load_acquire(&allgs); gp != NULL; gp = gp->alllink)
		if(gp->status == Gwaiting && (gp->waitreason == Wsignal || gp->waitreason == Wlibc))
			return true;
	return false;
}

/*
 * checkdead: no G runs or can run, and nothing outside can wake one. Called whenever an M goes idle.
 * An M blocked in netpoll or in a system call is not idle; a descriptor waited for, a timer, or a program's signal handler
 * may wake a G; and foreign threads that we know may, too. sched.lock.
 */
void
checkdead(void)
{
	static bool said;

	if(sched.nmidle != sched.mcount || sched.npidle != gomaxprocs || sched.runq.l.n != 0 || ngs() == 0 ||
	   options.deadlock == DEADLOCK_OFF || said || load_relaxed(&sched.nforeign) != 0 || load_relaxed(&sched.nhelpers) != 0 ||
	   netpollanywaiters() || load_relaxed(&sched.sigwake) || timesleepuntil() != 0 || sighandlers() || anyforothers())
		return;
	said = true;
	dumpgs(2, "all goroutines are asleep - deadlock!");
	if(options.deadlock == DEADLOCK_ABORT)
		throw("deadlock");
}
