/* SPDX-License-Identifier: MIT */
/* What libc keeps per thread stays per thread over switches: strerror, locale, resolver state, strtok_r, getenv, localtime, rand_r. */
#include "prog.h"
#include <ctype.h>
#include <locale.h>
#include <netdb.h>
#include <resolv.h>

#define N 30

static locale_t clocale;

static void
pause_(int k)
{
	if(k % 20 == 19)
		usleep(50);
	else
		sched_yield();
}

static void *
work(void *arg)
{
	int id = (intptr_t)arg;
	char buf[100], want[100], text[64], *save, *tok;
	struct tm tm;
	time_t when = 86400L * 365 * id + 3600 * id;

	_res.retrans = 1000 + id;	/* &_res is by thread */
	for(int k = 0; k < 20; k++) {
		/* strerror's buffer for unknown errors is the thread's own. */
		char *e = strerror(10000 + id);
		pause_(k);
		snprintf(want, sizeof want, "Unknown error %d", 10000 + id);
		CHECK(strcmp(e, want) == 0);
		CHECK(strcmp(strerror_r(EINTR, buf, sizeof buf), "Interrupted system call") == 0);

		h_errno = id;
		uselocale(id % 2 ? clocale : LC_GLOBAL_LOCALE);
		pause_(k);
		EQ(h_errno, id);
		CHECK(uselocale(0) == (id % 2 ? clocale : LC_GLOBAL_LOCALE));
		EQ(_res.retrans, 1000 + id);
		CHECK(isalpha('a' + id % 26) && !isalpha('0'));
		EQ(toupper('a' + id % 26), 'A' + id % 26);

		CHECK(gmtime_r(&when, &tm) == &tm);
		pause_(k);
		EQ(timegm(&tm), when);
		CHECK(strftime(buf, sizeof buf, "%Y-%m-%d %H", &tm) == 13);
		CHECK(localtime_r(&when, &tm) != NULL);
		EQ(mktime(&tm), when);

		snprintf(text, sizeof text, "a%d,b%d,c%d", id, id, id);
		tok = strtok_r(text, ",", &save);
		for(char ch = 'a'; ch <= 'c'; ch++) {
			snprintf(want, sizeof want, "%c%d", ch, id);
			CHECK(strcmp(tok, want) == 0);
			pause_(k);
			tok = strtok_r(NULL, ",", &save);
		}
		CHECK(tok == NULL);
		CHECK(strcmp(getenv("PROG_TEST"), "value") == 0);
		CHECK(strtod("3.25", NULL) == 3.25);
	}
	uselocale(LC_GLOBAL_LOCALE);
	return NULL;
}

int
main(void)
{
	pthread_t t[N];

	setenv("PROG_TEST", "value", 1);
	setenv("TZ", "CET-1CEST", 1);
	tzset();
	clocale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	CHECK(clocale != (locale_t)0);
	for(int round = 0; round < 2; round++) {
		for(intptr_t i = 0; i < N; i++)
			t[i] = spawn(work, (void *)(i + 1));
		for(int i = 0; i < N; i++)
			join(t[i]);
		CHECK(uselocale(0) == LC_GLOBAL_LOCALE);
	}
	freelocale(clocale);
	puts("ok");
	return 0;
}
