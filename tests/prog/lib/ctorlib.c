/* SPDX-License-Identifier: MIT */
/*
 * A library whose constructor and destructor make threads and wait for them, while the caller of dlopen or dlclose
 * holds ld.so's lock. One worker goes on until the library is unloaded.
 */
#include <pthread.h>
#include <stdlib.h>

static __thread int local = 5;
static __thread char big[3000];
static pthread_t worker;
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int stop, rounds;
int ctorlib_made, ctorlib_left; /* threads, in the constructor and the destructor of the library before */

static void *
once(void *arg)
{
	if(local != 5 || big[0] != 0 || big[sizeof big - 1] != 0)
		abort();
	local = 6;
	big[0] = big[sizeof big - 1] = 1;
	pthread_mutex_lock(&mu);
	++*(int *)arg;
	pthread_mutex_unlock(&mu);
	return arg;
}

static void *
work(void *arg)
{
	pthread_mutex_lock(&mu);
	while(!stop){
		rounds++;
		pthread_cond_broadcast(&cond);
		pthread_cond_wait(&cond, &mu);
	}
	pthread_mutex_unlock(&mu);
	return arg;
}

static void
crowd(int *count)
{
	pthread_t t[8];

	for(int i = 0; i < 8; i++)
		if(pthread_create(&t[i], NULL, once, count) != 0)
			abort();
	for(int i = 0; i < 8; i++)
		if(pthread_join(t[i], NULL) != 0)
			abort();
	if(*count != 8)
		abort();
}

__attribute__((constructor)) static void
init(void)
{
	crowd(&ctorlib_made);
	if(pthread_create(&worker, NULL, work, NULL) != 0)
		abort();
	pthread_mutex_lock(&mu);
	while(rounds == 0)
		pthread_cond_wait(&cond, &mu);
	pthread_mutex_unlock(&mu);
}

__attribute__((destructor)) static void
fini(void)
{
	pthread_mutex_lock(&mu);
	stop = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&mu);
	if(pthread_join(worker, NULL) != 0)
		abort();
	crowd(&ctorlib_left);
}

/* Wakes the worker and waits until it has gone round. */
int
ctorlib_round(void)
{
	int n;

	pthread_mutex_lock(&mu);
	n = rounds;
	pthread_cond_broadcast(&cond);
	while(rounds == n)
		pthread_cond_wait(&cond, &mu);
	pthread_mutex_unlock(&mu);
	return local++;
}
