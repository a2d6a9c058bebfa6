/* SPDX-License-Identifier: MIT */
/*
 * Processors: creation, hand-over, idle list (Go: proc.go procresize, acquirep, pidleput).
 * A P's memory is never freed. Its owner is the M in p.m; an idle P belongs to sched.lock.
 */
#include "runtime.h"

struct p *allp[MAXPROCS];
int32_t gomaxprocs;

/* procinit makes n Ps, all idle. */
void
procinit(int n)
{
	gomaxprocs = n;
	lock(&sched.lock);
	for(int i = n - 1; i >= 0; i--){
		struct p *pp = allp[i];

		if(pp == NULL && (pp = persistentalloc(sizeof *pp, CACHELINE)) == NULL)
			throw("procinit: out of memory");
		pp->id = i;
		pp->status = Pidle;
		pp->runqcap = stresschance(SC_shortqueue) ? 2 + stressrand(SC_shortqueue) % 6 : RUNQSIZE;
		pp->sysschedtick = UINT32_MAX; /* no slice has been seen yet */
		allp[i] = pp;
		pidleput(pp);
	}
	unlock(&sched.lock);
}

/* acquirep gives pp, which the caller has taken off the idle list or been handed, to mp. */
void
acquirep(struct m *mp, struct p *pp)
{
	if(mp->p != NULL || pp->m != NULL || pp->status != Pidle)
		throw("acquirep: P in use");
	mp->p = pp;
	pp->m = mp;
	store_release(&pp->status, Prunning);
}

/* releasep takes mp's P from it; the P is then idle but on no list. */
struct p *
releasep(struct m *mp)
{
	struct p *pp = mp->p;

	if(pp == NULL || pp->m != mp || pp->status != Prunning)
		throw("releasep: no P");
	store_release(&pp->status, Pidle);
	pp->m = NULL;
	mp->p = NULL;
	return pp;
}

void
pidleput(struct p *pp)
{
	if(!runqempty(pp))
		throw("pidleput: P has Gs");
	pp->link = sched.pidle;
	sched.pidle = pp;
	store_release(&sched.npidle, sched.npidle + 1);
}

struct p *
pidleget(void)
{
	struct p **at = &sched.pidle, *pp;

	while(*at != NULL && (*at)->link != NULL && stresschance(SC_otherp))
		at = &(*at)->link;
	pp = *at;
	if(pp != NULL){
		*at = pp->link;
		store_release(&sched.npidle, sched.npidle - 1);
		if(unlikely(load_relaxed(&sched.sysmonwait) == SYSMON_DEEP))
			sysmonwake();
	}
	return pp;
}

/* takeidlep gives mp, which has none, an idle P. False: there is none. */
bool
takeidlep(struct m *mp)
{
	struct p *pp;

	lock(&sched.lock);
	pp = pidleget();
	unlock(&sched.lock);
	if(pp != NULL)
		acquirep(mp, pp);
	return pp != NULL;
}
