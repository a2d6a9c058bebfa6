// SPDX-License-Identifier: MIT
// pthread_once and std::call_once whose function throws: the exception arrives, and the next thread has its turn.
#include <atomic>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "prog.h"

static pthread_once_t once = PTHREAD_ONCE_INIT, inner = PTHREAD_ONCE_INIT;
static std::once_flag flag;
static std::atomic<int> tries, caught, destroyed, done;

struct Noisy {
	~Noisy() { destroyed++; }
};

static void
init()
{
	Noisy n;

	sched_yield();
	if(++tries < 5)
		throw std::runtime_error("not yet");
	done++;
}

static void
work()
{
	for(;;){
		try {
			Noisy n;
			pthread_once(&once, init);
			break;
		} catch(const std::runtime_error &e) {
			CHECK(e.what() == std::string("not yet"));
			caught++;
		}
	}
	EQ(done, 1);
}

static void
outer()
{
	pthread_once(&inner, [] { throw 42; });
}

int
main()
{
	std::vector<std::thread> t;
	pthread_once_t nest = PTHREAD_ONCE_INIT;
	int n = 0, calls = 0;

	for(int i = 0; i < 20; i++)
		t.emplace_back(work);
	for(auto &th : t)
		th.join();
	EQ(tries, 5);
	EQ(caught, 4);
	EQ(destroyed, 5 + 20 + 4);

	// Through two of them at once: both are as before.
	for(int i = 0; i < 3; i++)
		try {
			pthread_once(&nest, outer);
			CHECK(false);
		} catch(int v) {
			EQ(v, 42);
			n++;
		}
	EQ(n, 3);
	EQ(nest, PTHREAD_ONCE_INIT);
	EQ(inner, PTHREAD_ONCE_INIT);

	for(int i = 0; i < 4; i++)
		try {
			std::call_once(flag, [&] { if(++calls < 3) throw 1; });
		} catch(int) {
		}
	EQ(calls, 3);
	puts("ok");
	return 0;
}
