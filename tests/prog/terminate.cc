/* SPDX-License-Identifier: MIT */
/* status: 134 */
/* An exception that no one catches in a thread ends the process by SIGABRT, through the terminate handler. */
#include "prog.h"
#include <exception>
#include <stdexcept>
#include <sys/resource.h>
#include <thread>

int
main()
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	std::set_terminate([] {
		puts("terminate");
		fflush(stdout);
		abort();
	});
	std::thread t([] {
		sched_yield();
		throw std::runtime_error("nobody catches this");
	});
	t.join();
	return 0;
}
