/* SPDX-License-Identifier: MIT */
/* build: -lresolv */
/* getaddrinfo in 100 threads at once against a server that takes 200 ms takes as long as in one; other threads go on meanwhile. */
#include "dns.h"

enum { N = 100, DELAY = 200 };

static atomic_bool over;
static int64_t longest; /* pause of the ticker */

static void *
ticker(void *arg)
{
	int64_t last = now(), t;

	while(!over) {
		usleep(1000);
		t = now();
		if(t - last > longest)
			longest = t - last;
		last = t;
	}
	return arg;
}

static void *
looksup(void *arg)
{
	int i = (intptr_t)arg;

	dnsuse();
	dnscheck(i, i % 2 ? AF_INET : AF_UNSPEC);
	return NULL;
}

static void *
alias(void *arg)
{
	struct hostent h, *r;
	char buf[2000];
	int e;

	dnsuse();
	EQ(gethostbyname_r("h77.test", &h, buf, sizeof buf, &r, &e), 0);
	CHECK(r != NULL && (unsigned char)h.h_addr_list[0][3] == 77);
	unsigned char answer[512];
	CHECK(res_query("h5.test", ns_c_in, ns_t_a, answer, sizeof answer) > 12);
	return NULL;
}

int
main(void)
{
	int64_t t0, one;

	dnsstart(DELAY);
	pthread_t tick = spawn(ticker, NULL);
	t0 = now();
	join(spawn(looksup, (void *)1));
	one = now() - t0;
	TOOK(t0, DELAY * MS, DELAY * MS);
	pass("one");
	t0 = now();
	joinall(spawnall(N, looksup), N);
	/* one after the other would be N times as long */
	CHECK(now() - t0 < one + 4 * SEC);
	if(getenv("VERBOSE"))
		fprintf(stderr, "one: %ld ms, %d: %ld ms\n", (long)(one / MS), N, (long)((now() - t0) / MS));
	pass("a hundred");
	joinall(spawnall(10, alias), 10);
	pass("other calls");
	over = true;
	join(tick);
	CHECK(longest < LATE);
	return 0;
}
