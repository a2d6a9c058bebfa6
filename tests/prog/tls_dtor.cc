/* SPDX-License-Identifier: MIT */
/* C++ thread_local: built per thread on first use, destroyed in reverse order before the keys' destructors. */
#include "prog.h"
#include <atomic>
#include <string>
#include <thread>
#include <vector>

static std::atomic<int> made, dead;

struct Trace {
	std::string *log;
	const char *name;
	Trace(const char *n) : log(nullptr), name(n) { made++; }
	~Trace() { dead++; if(log != nullptr) *log += std::string("~") + name + " "; }
};

static thread_local Trace first("first");
static thread_local Trace second("second");
static thread_local std::vector<int> numbers;
static pthread_key_t key;

static void
keydtor(void *p)
{
	*static_cast<std::string *>(p) += "key ";
}

static void
body(std::string *log, int i)
{
	/* The two are of one unit: touching one builds both. */
	first.log = log;
	second.log = log;
	pthread_setspecific(key, log);
	for(int k = 0; k < 100; k++) {
		numbers.push_back(i * 100 + k);
		if(k % 10 == 0)
			sched_yield();
	}
	EQ(numbers.size(), 100);
	for(int k = 0; k < 100; k++)
		EQ(numbers[k], i * 100 + k);
	struct Local {
		std::string *log;
		~Local() { *log += "~local "; }
	};
	static thread_local Local local;
	local.log = log;
}

int
main()
{
	enum { N = 50 };
	std::vector<std::string> logs(N);
	std::vector<std::thread> ts;

	OK(pthread_key_create(&key, keydtor));
	for(int round = 0; round < 3; round++) {
		for(int i = 0; i < N; i++) {
			logs[i].clear();
			ts.emplace_back([&logs, i] {
				body(&logs[i], i);
				if(i % 2)
					pthread_exit(nullptr);
			});
		}
		for(auto &t : ts)
			t.join();
		ts.clear();
		for(int i = 0; i < N; i++)
			CHECK(logs[i] == "~local ~second ~first key ");
	}
	/* main's own have not been touched, so they were not built */
	EQ(made, 3 * 2 * N);
	EQ(dead, 3 * 2 * N);
	printf("%s\n", logs[0].c_str());
	return 0;
}
