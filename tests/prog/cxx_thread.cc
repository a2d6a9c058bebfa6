/* SPDX-License-Identifier: MIT */
/* C++: thread, jthread-like joins, all mutexes, condition variables (any), shared_mutex, call_once, async, futures, packaged tasks. */
#include "prog.h"
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <numeric>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

static void
threads()
{
	std::vector<std::thread> ts;
	std::map<std::thread::id, int> ids;
	std::mutex m;

	for(int i = 0; i < 50; i++)
		ts.emplace_back([&, i](std::string s, std::unique_ptr<int> p) {
			CHECK(s == std::to_string(i) && *p == i);
			std::this_thread::sleep_for(std::chrono::microseconds(i * 10));
			std::lock_guard<std::mutex> g(m);
			ids[std::this_thread::get_id()] = i;
		}, std::to_string(i), std::make_unique<int>(i));
	for(auto &t : ts) {
		CHECK(t.joinable());
		t.join();
		CHECK(!t.joinable());
	}
	CHECK(!ids.empty());
	CHECK(std::thread::hardware_concurrency() >= 1);
	try {
		std::thread().join();
		CHECK(!"threw");
	} catch(const std::system_error &e) {
		CHECK(e.code() == std::errc::invalid_argument);
	}
}

template<class M> static void
exclusion(M &m)
{
	std::vector<std::thread> ts;
	int n = 0;

	for(int i = 0; i < 12; i++)
		ts.emplace_back([&] {
			for(int k = 0; k < 200; k++) {
				std::lock_guard<M> g(m);
				int was = n;
				if(k % 20 == 0)
					std::this_thread::yield();
				n = was + 1;
			}
		});
	for(auto &t : ts)
		t.join();
	EQ(n, 12 * 200);
}

static void
mutexes()
{
	std::mutex m, m2;
	std::recursive_mutex r;
	std::timed_mutex t;
	std::recursive_timed_mutex rt;
	std::shared_mutex s;
	std::shared_timed_mutex st;

	exclusion(m);
	exclusion(r);
	exclusion(t);
	exclusion(rt);
	exclusion(s);
	exclusion(st);
	{
		std::scoped_lock both(m, m2);
		t.lock();
		st.lock();
		std::thread([&] {
			auto t0 = Clock::now();
			CHECK(!m.try_lock());
			CHECK(!t.try_lock_for(5ms));
			CHECK(!t.try_lock_until(Clock::now() + 5ms));
			CHECK(!st.try_lock_shared_for(5ms));
			CHECK(!st.try_lock_until(std::chrono::system_clock::now() + 5ms));
			CHECK(Clock::now() - t0 >= 20ms);
		}).join();
		t.unlock();
		st.unlock();
	}
	/* Two locks taken in both orders. */
	std::thread x([&] { for(int i = 0; i < 500; i++) std::scoped_lock l(m, m2); });
	std::thread y([&] { for(int i = 0; i < 500; i++) std::scoped_lock l(m2, m); });
	x.join();
	y.join();
	/* Readers together, then a writer. */
	std::atomic<int> in{0};
	std::vector<std::thread> ts;
	for(int i = 0; i < 5; i++)
		ts.emplace_back([&] {
			std::shared_lock<std::shared_mutex> l(s);
			in++;
			while(in < 5)
				std::this_thread::yield();
		});
	for(auto &q : ts)
		q.join();
	std::unique_lock<std::shared_mutex> w(s);
	CHECK(w.owns_lock());
}

template<class CV, class M> static void
conditions()
{
	M m;
	CV cv, back;
	std::deque<int> q;
	bool closed = false;
	long sum = 0;
	std::vector<std::thread> ts;

	for(int i = 0; i < 8; i++)
		ts.emplace_back([&] {
			for(;;) {
				std::unique_lock<M> l(m);
				cv.wait(l, [&] { return closed || !q.empty(); });
				if(q.empty())
					return;
				sum += q.front();
				q.pop_front();
				back.notify_one();
			}
		});
	for(int i = 1; i <= 2000; i++) {
		std::unique_lock<M> l(m);
		back.wait(l, [&] { return q.size() < 10; });
		q.push_back(i);
		cv.notify_one();
	}
	{
		std::unique_lock<M> l(m);
		closed = true;
		cv.notify_all();
	}
	for(auto &t : ts)
		t.join();
	EQ(sum, 2000L * 2001 / 2);
	std::unique_lock<M> l(m);
	auto t0 = Clock::now();
	CHECK(!cv.wait_for(l, 5ms, [] { return false; }));
	while(cv.wait_until(l, t0 + 10ms) == std::cv_status::no_timeout)
		;
	CHECK(Clock::now() - t0 >= 10ms);
	auto t1 = std::chrono::system_clock::now() + 5ms;
	while(cv.wait_until(l, t1) == std::cv_status::no_timeout)
		;
	CHECK(std::chrono::system_clock::now() >= t1);
}

static int
fib(int n)
{
	if(n < 2)
		return n;
	auto f = std::async(n > 8 ? std::launch::async : std::launch::deferred, fib, n - 1);
	int b = fib(n - 2);
	return f.get() + b;
}

static void
futures()
{
	EQ(fib(13), 233);

	std::promise<int> p;
	std::shared_future<int> f = p.get_future().share();
	std::vector<std::future<int>> got;
	for(int i = 0; i < 20; i++)
		got.push_back(std::async(std::launch::async, [f, i] { return f.get() + i; }));
	CHECK(f.wait_for(5ms) == std::future_status::timeout);
	p.set_value(100);
	for(int i = 0; i < 20; i++)
		EQ(got[i].get(), 100 + i);

	auto bad = std::async(std::launch::async, []() -> int { throw std::out_of_range("x"); });
	try {
		bad.get();
		CHECK(!"threw");
	} catch(const std::out_of_range &) {
	}
	std::packaged_task<int(int)> task([](int x) { return x * 2; });
	auto r = task.get_future();
	std::thread(std::move(task), 21).join();
	EQ(r.get(), 42);
	std::promise<void> *broken = new std::promise<void>;
	auto bf = broken->get_future();
	delete broken;
	try {
		bf.get();
		CHECK(!"threw");
	} catch(const std::future_error &e) {
		CHECK(e.code() == std::future_errc::broken_promise);
	}
	std::promise<int> atexit;
	auto af = atexit.get_future();
	std::thread([&] { atexit.set_value_at_thread_exit(7); std::this_thread::yield(); }).join();
	EQ(af.get(), 7);
}

static void
once()
{
	std::once_flag flag;
	std::atomic<int> tries{0}, threw{0};
	std::vector<std::thread> ts;

	for(int i = 0; i < 20; i++)
		ts.emplace_back([&] {
			try {
				std::call_once(flag, [&] {
					if(++tries < 4)
						throw 1;
					std::this_thread::sleep_for(1ms);
				});
			} catch(int) {
				threw++;
			}
		});
	for(auto &t : ts)
		t.join();
	EQ(tries, 4);
	EQ(threw, 3);
	/* A static of a function is built once too. */
	static std::atomic<int> built;
	struct Slow {
		Slow() { std::this_thread::sleep_for(2ms); built++; }
	};
	ts.clear();
	for(int i = 0; i < 20; i++)
		ts.emplace_back([] { static Slow s; (void)s; CHECK(built == 1); });
	for(auto &t : ts)
		t.join();
}

int
main()
{
	threads();
	mutexes();
	conditions<std::condition_variable, std::mutex>();
	conditions<std::condition_variable_any, std::recursive_timed_mutex>();
	futures();
	once();
	puts("ok");
	return 0;
}
