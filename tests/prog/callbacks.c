/* SPDX-License-Identifier: MIT */
/* Callbacks that libc calls may block, yield and leave: qsort, bsearch, twalk, ftw, scandir, dl_iterate_phdr, atexit-like keys. */
#include "prog.h"
#include <dirent.h>
#include <ftw.h>
#include <link.h>
#include <search.h>

#define N 12

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static __thread int calls;

static void
block(void)
{
	calls++;
	if(calls % 16 == 0)
		usleep(5);
	else if(calls % 4 == 0)
		sched_yield();
	OK(pthread_mutex_lock(&m));
	OK(pthread_mutex_unlock(&m));
}

static int
cmp(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	block();
	return x < y ? -1 : x > y;
}

static __thread int visited;

static void
visit(const void *node UNUSED, VISIT which, int depth UNUSED)
{
	block();
	if(which == postorder || which == leaf)
		visited++;
}

static int
entry(const char *path UNUSED, const struct stat *st UNUSED, int flag UNUSED, struct FTW *f UNUSED)
{
	block();
	visited++;
	return 0;
}

static int
phdr(struct dl_phdr_info *info UNUSED, size_t size UNUSED, void *n)
{
	sched_yield();
	(*(int *)n)++;
	return 0;
}

static int
keep(const struct dirent *d)
{
	block();
	return d->d_name[0] != '.';
}

static void *
work(void *arg)
{
	uint64_t seed = (intptr_t)arg + 1;
	int a[300], key, n = 0;
	void *root = NULL;
	struct dirent **list;

	for(int i = 0; i < 300; i++)
		a[i] = rnd(&seed) % 10000;
	qsort(a, 300, sizeof a[0], cmp);
	for(int i = 1; i < 300; i++)
		CHECK(a[i - 1] <= a[i]);
	key = a[123];
	int *p = bsearch(&key, a, 300, sizeof a[0], cmp);
	CHECK(p != NULL && *p == key);
	int distinct = 0;
	for(int i = 0; i < 100; i++) {
		distinct += i == 0 || a[i] != a[i - 1];
		CHECK(tsearch(&a[i], &root, cmp) != NULL);
	}
	twalk(root, visit);
	EQ(visited, distinct);
	while(root != NULL)
		tdelete(*(int **)root, &root, cmp);
	visited = 0;
	EQ(nftw("/proc/self/fd", entry, 4, FTW_PHYS), 0);
	CHECK(visited >= 4);
	n = scandir("/proc/self", &list, keep, alphasort);
	CHECK(n > 10);
	for(int i = 0; i < n; i++)
		free(list[i]);
	free(list);
	n = 0;
	dl_iterate_phdr(phdr, &n);
	CHECK(n >= 3);
	return NULL;
}

int
main(void)
{
	pthread_t t[N];

	for(intptr_t i = 0; i < N; i++)
		t[i] = spawn(work, (void *)i);
	for(int i = 0; i < N; i++)
		join(t[i]);
	puts("ok");
	return 0;
}
