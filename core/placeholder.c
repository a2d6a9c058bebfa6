/* SPDX-License-Identifier: MIT */
/* Weak definitions for what has not landed yet. */
#include "runtime.h"
__attribute__((weak)) void siginit(void){}
__attribute__((weak)) void minitsignals(struct m*m){}
__attribute__((weak)) void munitsignals(struct m*m){}
__attribute__((weak)) bool sigdispatch(struct m*m){ store_relaxed(&sched.sigwake,0); return false;}
__attribute__((weak)) bool sigdeliver(struct g*g){return true;}
__attribute__((weak)) void sigmaskfor(struct m*m, struct g*g){m->sigmask=g->sigmask;}
__attribute__((weak)) void sigmaskidle(struct m*m){}
__attribute__((weak)) bool sighandlers(void){return true;}
__attribute__((weak)) void preemptinit(void){}
__attribute__((weak)) void preemptm(struct m*m){}
__attribute__((weak)) void asyncpreempt2(void); void asyncpreempt2(void){}
__attribute__((weak)) size_t xsavesize=4096;
__attribute__((weak)) void rtexitslow(struct g*gp){ if(gp->attn&ATTN_PREEMPT){ fetch_and(&gp->attn,~(unsigned)ATTN_PREEMPT); rtenter(gp); gopreempt(); rtexit(gp);} }
__attribute__((weak)) void stackscavenge(int64_t n){}
