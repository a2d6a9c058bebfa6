/* SPDX-License-Identifier: MIT */
/*
 * The context of a G that has been preempted between two instructions of the program, for the handler of a signal that finds it so.
 *
 * Such a G runs asyncpreempt, as if it had called it, until it goes on; the signal comes while it waits for a CPU in there, or
 * as it goes in or out. The program knows nothing of that. Its handler is given what it would have natively: the registers at
 * the instruction where the program stands. It may look at them, as profilers and garbage collectors do, or change them: the frame
 * is the handler's alone from then on. It lies where the kernel would have put it, over that of asyncpreempt, which is not returned to: nothing
 * there is held that would have to be given back (rtexitslow delivers last).
 *
 * Where the registers are depends on how far asyncpreempt is. pc is the word with the address to go back to, pushed by inject, and
 * base is what rbp is then, 16 below it:
 *
 *   from                 pc is at     registers          floating point
 *   asyncpreempt         rsp          as they are        as it is
 *   asyncpreemptflags    rsp + 8      as they are        as it is
 *   asyncpreemptbase     rsp + 16     as they are        as it is
 *   asyncpreemptpush     rbp + 16     rbp at base        as it is
 *   asyncpreemptpushed   rbp + 16     below base         as it is
 *   asyncpreemptsaved    rbp + 16     below base         below these
 *   asyncpreempt2        gp.preempted below base         below these
 *   asyncpreemptloaded   rbp + 16     below base         as it is
 *   asyncpreemptpopped   rsp + 8      as they are        as it is
 *   asyncpreemptreturn   rsp          as they are        as it is
 *
 * The flags are in the word below pc, but for the first and the last. What has been popped is still there: our handlers start on
 * another stack. gp.preempted is set by inject and cleared before the last third, or when a handler runs: so it says whether
 * asyncpreempt2 is under way on the stack below.
 */
#include <string.h>

#include "sig.h"

enum { REDZONE = 128, NSAVED = 14, LEGACY = 464, XHEADER = 512, FPMAGIC = 0x46505853 };

/* asm/preempt_amd64.S */
extern const char asyncpreemptflags[], asyncpreemptbase[], asyncpreemptpush[], asyncpreemptpushed[], asyncpreemptsaved[],
    asyncpreemptloaded[], asyncpreemptpopped[], asyncpreemptreturn[], asyncpreemptend[];

/* In the order in which asyncpreempt pushes them, below rbp. */
static const uint8_t saved[NSAVED] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSI, REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12,
    REG_R13, REG_R14, REG_R15};

/* The kernel's frame says what it has kept of the state, and how long it is: that stays. */
static void
loadfp(uint8_t *fp, const uint8_t *from)
{
	struct {
		uint32_t magic, extended;
		uint64_t features;
		uint32_t size;
	} sw;
	size_t n;

	if(fp == NULL)
		return;
	memcpy(&sw, fp + LEGACY, sizeof sw);
	memcpy(fp, from, LEGACY);
	if(sw.magic != FPMAGIC)
		return;
	n = sw.size < xsavesize ? sw.size : xsavesize;
	memcpy(fp + XHEADER, from + XHEADER, n - XHEADER);
	*(uint64_t *)(fp + XHEADER) &= sw.features;
}

/* pc: the word's address. */
static void
load(struct ucontextk *uc, uintptr_t pc, bool flags, bool regs, bool fp)
{
	const uint64_t *base = (const uint64_t *)pc - 2;

	uc->gregs[REG_RIP] = *(const uint64_t *)pc;
	uc->gregs[REG_RSP] = pc + 8 + REDZONE;
	if(flags)
		uc->gregs[REG_EFL] = base[1];
	if(regs)
		for(int i = 0; i < NSAVED; i++)
			uc->gregs[saved[i]] = base[-1 - i];
	if(fp)
		loadfp(uc->fp, (const uint8_t *)(((uintptr_t)(base - NSAVED) - xsavesize) & ~63UL));
}

/* Within asyncpreempt itself. */
static void
loadat(struct ucontextk *uc, const char *at)
{
	uintptr_t sp = uc->gregs[REG_RSP], bp = uc->gregs[REG_RBP];

	if(at < asyncpreemptflags)
		load(uc, sp, false, false, false);
	else if(at < asyncpreemptbase)
		load(uc, sp + 8, true, false, false);
	else if(at < asyncpreemptpush)
		load(uc, sp + 16, true, false, false);
	else if(at < asyncpreemptpopped){
		uc->gregs[REG_RBP] = *(const uint64_t *)bp;
		load(uc, bp + 16, true, at >= asyncpreemptpushed, at >= asyncpreemptsaved && at < asyncpreemptloaded);
	}else if(at < asyncpreemptreturn)
		load(uc, sp + 8, true, false, false);
	else
		load(uc, sp, false, false, false);
}

void
preemptedcontext(struct g *gp, struct ucontextk *uc)
{
	const char *at = (const char *)uc->gregs[REG_RIP];
	uintptr_t pc = gp->preempted, sp = uc->gregs[REG_RSP];

	gp->preempted = 0;
	if(unlikely(gp->m->gsignal == 0))
		return; /* what is here is on the same stack as the frame to come */
	if(at >= (const char *)asyncpreempt && at < asyncpreemptend)
		loadat(uc, at);
	else if(unlikely(pc != 0) && sp < pc && sp >= gp->stack.lo){
		uc->gregs[REG_RBP] = *((const uint64_t *)pc - 2);
		load(uc, pc, true, true, true);
	}
}
