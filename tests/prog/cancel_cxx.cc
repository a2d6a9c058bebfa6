/* SPDX-License-Identifier: MIT */
/* Cancellation and pthread_exit unwind C++ frames: destructors run, catch (...) must rethrow, thread_locals go last. */
#include "prog.h"
#include <atomic>
#include <cxxabi.h>

static std::atomic<int> dtors, tls, caught;
static std::atomic<bool> started;

struct D {
	~D() { dtors++; }
};

struct T {
	int x = 1;
	~T() { tls++; }
};

static thread_local T t;

static void
deep(int n, bool leave)
{
	D d;

	if(n > 0) {
		deep(n - 1, leave);
		return;
	}
	started = true;
	if(leave)
		pthread_exit(&dtors);
	for(;;)
		pause();
}

static void *
work(void *arg)
{
	t.x++;
	try {
		deep(10, arg != nullptr);
	} catch(abi::__forced_unwind &) {
		caught++;
		throw;
	} catch(...) {
		CHECK(!"a forced unwind is not any exception");
	}
	return nullptr;
}

int
main()
{
	for(int i = 0; i < 20; i++) {
		pthread_t id;

		started = false;
		id = spawn(work, i % 2 ? &dtors : nullptr);
		if(i % 2 == 0) {
			while(!started)
				sched_yield();
			OK(pthread_cancel(id));
			CHECK(join(id) == PTHREAD_CANCELED);
		} else
			CHECK(join(id) == &dtors);
		EQ(dtors, 11 * (i + 1));
		EQ(tls, i + 1);
		EQ(caught, i + 1);
	}
	puts("ok");
	return 0;
}
