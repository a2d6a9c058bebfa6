/* SPDX-License-Identifier: MIT */
/* C++ exceptions in many threads: thrown, caught, nested, rethrown in another thread, across yields and sleeps. */
#include "prog.h"
#include <atomic>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static std::atomic<int> guards;

struct Guard {
	Guard() { guards++; }
	~Guard() { guards--; }
};

static void
deep(int depth, int id)
{
	Guard g;

	if(depth % 7 == 0)
		sched_yield();
	if(depth == 0)
		throw std::runtime_error("from " + std::to_string(id));
	deep(depth - 1, id);
}

static void
work(int id, std::exception_ptr *out)
{
	for(int k = 0; k < 50; k++) {
		try {
			deep(20 + id % 10, id);
			CHECK(!"thrown");
		} catch(const std::runtime_error &e) {
			CHECK(std::uncaught_exceptions() == 0);
			CHECK(e.what() == "from " + std::to_string(id));
			sched_yield();	/* the caught exception stays this thread's */
			try {
				throw id;
			} catch(int n) {
				EQ(n, id);
				if(k % 10 == 0)
					msleep(1);
			}
			CHECK(e.what() == "from " + std::to_string(id));
			try {
				throw;		/* the outer one again */
			} catch(const std::exception &f) {
				CHECK(&f == &e);
			}
		}
	}
	try {
		deep(3, id);
	} catch(...) {
		*out = std::current_exception();
	}
}

int
main()
{
	enum { N = 40 };
	std::vector<std::exception_ptr> ptrs(N);
	std::vector<std::thread> ts;

	for(int i = 0; i < N; i++)
		ts.emplace_back(work, i, &ptrs[i]);
	for(auto &t : ts)
		t.join();
	EQ(guards, 0);
	for(int i = 0; i < N; i++) {
		try {
			std::rethrow_exception(ptrs[i]);
		} catch(const std::runtime_error &e) {
			CHECK(e.what() == "from " + std::to_string(i));
		}
	}
	puts("ok");
	return 0;
}
