/* SPDX-License-Identifier: MIT */
/*
 * Looking for work on other Ps (Go: proc.go stealWork, checkRunqsNoP, Go 1.22). Why none is overlooked: sched.c.
 */
#include "runtime.h"

enum { STEALTRIES = 4 };

static uint32_t
fastrand(struct m *mp)
{
	uint64_t x = mp->fastrand;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	mp->fastrand = x;
	return (uint32_t)(x >> 32);
}

static uint32_t
gcd(uint32_t a, uint32_t b)
{
	while(b != 0){
		uint32_t t = a % b;

		a = b;
		b = t;
	}
	return a;
}

struct g *
stealwork(struct m *mp, struct p *pp, int64_t *now, int64_t *polluntil, bool *again)
{
	uint32_t n = (uint32_t)gomaxprocs, r = fastrand(mp), step;
	struct g *gp;
	bool inherit;

	for(step = r % n + 1; gcd(step, n) != 1; step = step % n + 1)
		;
	for(int pass = 0; pass < STEALTRIES; pass++){
		uint32_t at = r % n;

		for(uint32_t i = 0; i < n; i++, at = (at + step) % n){
			struct p *v = allp[at];

			if(v == pp)
				continue;
			if(pass == STEALTRIES - 1 && load_relaxed(&v->timer0when) != 0){
				bool ran = false;
				int64_t w;

				if(*now == 0)
					*now = nanotime();
				w = checktimers(v, *now, &ran);
				if(w != 0 && (*polluntil == 0 || w < *polluntil))
					*polluntil = w;
				if(ran){
					/* what fired went to our own queue */
					if((gp = runqget(pp, &inherit)) != NULL)
						return gp;
					*again = true;
				}
			}
			/* also when no M has it: it may be on its way to one that the kernel lets wait, with Gs that we see in recheckrunqs */
			if((gp = runqsteal(pp, v, pass == STEALTRIES - 1)) != NULL)
				return gp;
		}
	}
	return NULL;
}

struct p *
recheckrunqs(void)
{
	struct p *pp;

	for(int i = 0; i < gomaxprocs; i++){
		if(runqempty(allp[i]))
			continue;
		lock(&sched.lock);
		pp = pidleget();
		if(pp == NULL)
			store_relaxed(&sched.needspinning, 1);
		unlock(&sched.lock);
		return pp;
	}
	return NULL;
}
