/* SPDX-License-Identifier: MIT */
/* native: no */
/* procs: 1 4 */
/* timeout: 240 */
/* A hundred thousand threads (a million with TEST_SCALE=10 or more) made, parked, woken and joined; at most 12 KiB of memory each. */
#include "prog.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER, all = PTHREAD_COND_INITIALIZER;
static long n, parked, open_;
static _Atomic long sum;

static void *
work(void *arg)
{
	OK(pthread_mutex_lock(&m));
	if(++parked == n)
		OK(pthread_cond_signal(&all));
	while(!open_)
		OK(pthread_cond_wait(&c, &m));
	OK(pthread_mutex_unlock(&m));
	sum += (intptr_t)arg;
	return arg;
}

static long
kb(const char *file, const char *key)
{
	char line[200];
	FILE *f = fopen(file, "r");
	long v = -1;

	CHECK(f != NULL);
	while(fgets(line, sizeof line, f) != NULL)
		if(strncmp(line, key, strlen(key)) == 0)
			v = atol(line + strlen(key));
	fclose(f);
	return v;
}

int
main(void)
{
	pthread_attr_t a;
	pthread_t *t;
	long rss;

	n = scale(100000);
	if(n > 1000000)
		n = 1000000;
	if(kb("/proc/meminfo", "MemAvailable:") < n * 14)
		SKIP("not enough memory");
	t = malloc(n * sizeof *t);
	OK(pthread_attr_init(&a));
	OK(pthread_attr_setstacksize(&a, 64 << 10));
	rss = kb("/proc/self/status", "VmRSS:");
	for(intptr_t i = 0; i < n; i++)
		OK(pthread_create(&t[i], &a, work, (void *)i));
	OK(pthread_mutex_lock(&m));
	while(parked < n)
		OK(pthread_cond_wait(&all, &m));
	rss = kb("/proc/self/status", "VmRSS:") - rss;
	fprintf(stderr, "%ld threads, %ld bytes each\n", n, rss * 1024 / n);
	CHECK(rss < n * 12);
	open_ = 1;
	OK(pthread_cond_broadcast(&c));
	OK(pthread_mutex_unlock(&m));
	for(intptr_t i = 0; i < n; i++)
		CHECK(join(t[i]) == (void *)i);
	EQ(sum, n * (n - 1) / 2);
	puts("ok");
	return 0;
}
