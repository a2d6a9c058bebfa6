/* SPDX-License-Identifier: MIT */
/* build: -lutil -lrt */
/* timeout: 90 */
/* Every descriptor kind x every operation, blocking: each becomes ready while the operation waits. See mx.h. */
#include "mx.h"

int
main(void)
{
	mxstart(60000, NULL);
	mxeach(mxfeed);
	mxfinish(NULL);
	mxprintall();
	return 0;
}
