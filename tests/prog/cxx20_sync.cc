/* SPDX-License-Identifier: MIT */
/* build: -std=c++20 */
/* C++20: atomic wait and notify, semaphores, latches, barriers, jthread with stop tokens; all on raw futexes in libstdc++. */
#include "prog.h"
#include <atomic>
#include <barrier>
#include <chrono>
#include <latch>
#include <semaphore>
#include <stop_token>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

int
main()
{
	enum { N = 16 };
	std::atomic<int> turn{0};
	std::vector<std::jthread> ts;

	for(int i = 0; i < N; i++)
		ts.emplace_back([&, i] {
			for(int lap = 0; lap < 30; lap++) {
				for(int t = turn; t != lap * N + i; t = turn)
					turn.wait(t);
				turn++;
				turn.notify_all();
			}
		});
	ts.clear();
	EQ(turn, 30 * N);

	std::counting_semaphore<3> sem(3);
	std::atomic<int> in{0}, passed{0};
	for(int i = 0; i < N; i++)
		ts.emplace_back([&] {
			for(int k = 0; k < 50; k++) {
				if(k % 2)
					sem.acquire();
				else
					while(!sem.try_acquire_for(1ms))
						;
				CHECK(++in <= 3);
				if(k % 10 == 0)
					std::this_thread::yield();
				in--;
				passed++;
				sem.release();
			}
		});
	ts.clear();
	EQ(passed, 50 * N);

	std::latch start(N + 1), end(N);
	std::atomic<int> phase{0}, sum{0};
	std::barrier bar(N, [&]() noexcept { phase++; });
	for(int i = 0; i < N; i++)
		ts.emplace_back([&] {
			start.arrive_and_wait();
			for(int k = 0; k < 50; k++) {
				EQ(phase, k);
				sum++;
				bar.arrive_and_wait();
				CHECK(sum >= (k + 1) * N);
			}
			end.count_down();
		});
	EQ(sum, 0);
	start.arrive_and_wait();
	end.wait();
	ts.clear();
	EQ(phase, 50);

	std::atomic<int> stopped{0};
	for(int i = 0; i < N; i++)
		ts.emplace_back([&](std::stop_token st) {
			while(!st.stop_requested())
				std::this_thread::sleep_for(100us);
			stopped++;
		});
	ts.clear();		/* asks each to stop and joins it */
	EQ(stopped, N);
	puts("ok");
	return 0;
}
