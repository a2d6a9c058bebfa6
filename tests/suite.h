/* SPDX-License-Identifier: MIT */
/* How the unit tests end: main returns what runsuite says. */
#ifndef HEDDLE_TESTS_SUITE_H
#define HEDDLE_TESTS_SUITE_H

#include <check.h>

/* runsuite runs the suite as CK_VERBOSITY and CK_FORK ask and frees it; the exit status, 0 if all is well. */
static int
runsuite(Suite *s)
{
	SRunner *r = srunner_create(s);
	int failed;

	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

#endif
