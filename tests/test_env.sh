#!/bin/bash
# SPDX-License-Identifier: MIT
# test_env.sh: heddle in bad and in ordinary surroundings. Run at the top of the tree; needs
# build/libheddle.so and a C compiler.
#
# Wrong values of HEDDLE and HEDDLE_MAXPROCS, low limits, closed standard descriptors, a static
# program, and everyday commands: each runs natively and with the library preloaded, and must
# give the same standard output and the same exit status, and no message but the one expected.
. tests/cases.sh || exit 1
[ -e "$BUILD/libheddle.so" ] || { echo "not ok 1 - $BUILD/libheddle.so is not there"; exit 1; }
# A copy that another user can read, wherever the tree is.
LIB=$T/libheddle.so
install -m 755 "$BUILD/libheddle.so" "$LIB"
cd "$T" || exit 1

# Threads that talk over sockets and pipes, sleep, allocate, and are joined; "works" at the end.
cat >threads.c <<'C'
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void *
echo(void *arg)
{
	int fd = *(int *)arg;
	char b;
	usleep(1000);
	while(read(fd, &b, 1) == 1)
		if(write(fd, &b, 1) != 1)
			return "write";
	return malloc(100);
}

int
main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 3, made = 0, s[2], e = 0;
	pthread_t t[100];
	char b;

	if(socketpair(AF_UNIX, SOCK_STREAM, 0, s) < 0) {
		printf("socketpair: %s\n", strerror(errno));
		return 3;
	}
	for(; made < n && made < 100; made++)
		if((e = pthread_create(&t[made], NULL, echo, &s[1])) != 0)
			break;
	if(made == 0) {
		printf("pthread_create: %s\n", strerror(e));
		return 4;
	}
	for(int i = 0; i < 100; i++)
		if(write(s[0], &i, 1) != 1 || read(s[0], &b, 1) != 1 || b != (char)i)
			return 5;
	shutdown(s[0], SHUT_WR);
	for(int i = 0; i < made; i++)
		if((e = pthread_join(t[i], NULL)) != 0)
			return 6;
	puts("works");
	return fflush(stdout) == 0 ? 0 : 7;
}
C
$CC -O2 -pthread -o threads threads.c || { echo "not ok 1 - $CC cannot build the test program"; exit 1; }

# run NAME COMMAND...: under heddle; its output in NAME.out and NAME.err, status in rc.
run() {
	local name=$1
	shift
	{ LD_PRELOAD=$LIB timeout -s KILL 30 "$@" >"$name.out" 2>"$name.err" </dev/null; } 2>/dev/null
	rc=$?
}

# works NAME [PATTERN]: the last run printed "works", exited with 0 and said nothing on stderr, or,
# with a pattern, what matches it; "any" stands for anything or nothing.
works() {
	if [ $rc != 0 ]; then
		notok "$1" "status $rc: $(head -c 300 run.out run.err | tr '\n' ' ')"
	elif [ "$(cat run.out)" != works ]; then
		notok "$1" "stdout: $(head -c 300 run.out)"
	elif [ "$2" = any ]; then
		ok "$1"
	elif [ $# -gt 1 ] && ! grep -Eq -- "$2" run.err; then
		notok "$1" "stderr does not match '$2': $(head -c 300 run.err)"
	elif [ $# = 1 ] && [ -s run.err ]; then
		notok "$1" "stderr: $(head -c 300 run.err)"
	else
		ok "$1"
	fi
}

# --- HEDDLE and HEDDLE_MAXPROCS

run run ./threads
works "no variables"
for v in abc 0 -1 99999 1.5 " 2" "2 " 0x4 99999999999999999999 1025; do
	run run env HEDDLE_MAXPROCS="$v" ./threads
	works "HEDDLE_MAXPROCS='$v'" "HEDDLE_MAXPROCS.*$v"
done
for v in 1 2 3 7 64 1024; do
	run run env HEDDLE_MAXPROCS=$v ./threads
	works "HEDDLE_MAXPROCS=$v"
done
run run env HEDDLE_MAXPROCS= ./threads
works "empty HEDDLE_MAXPROCS"

for v in nonsense nosuch=1 =5 = schedtrace schedtrace= schedtrace=abc schedtrace=-5 schedtrace=99999999999 \
    deadlock=maybe deadlock preempt=2 guard=yes guard dumpsig=NOSUCH dumpsig=0 dumpsig=99 log= "schedtrace =5" \
    stress stress= stress=x stress=-1 stress=seed: stress=7+fast stress=7+ stress=+move; do
	run run env HEDDLE="$v" ./threads
	works "HEDDLE='$v'" "HEDDLE.*${v%%=*}"
done
# A wrong entry does not take the others with it, and each wrong one is named.
run run env HEDDLE="first=1,deadlock=off,second,,preempt=0,third=3," ./threads
works "wrong entries among right ones" "first"
for w in first second third; do
	grep -q "$w" run.err && ok "names $w" || notok "names $w" "$(cat run.err)"
done
grep -Eq "deadlock|preempt" run.err && notok "does not name what is right" "$(cat run.err)" || ok "does not name what is right"
run run env HEDDLE="$(printf 'x%.0s' {1..20000})" ./threads
works "a value of 20,000 characters" "HEDDLE"
run run env HEDDLE="$(printf 'deadlock=off,%.0s' {1..200})" ./threads
works "the same entry 200 times"
run run env HEDDLE=$'\xff\xfe\x01,%s%n,\n' ./threads
works "bytes that are no text" "HEDDLE"
for v in deadlock=off deadlock=abort deadlock=report preempt=0 guard=0 dumpsig=USR1 dumpsig=SIGUSR2 dumpsig=12 \
    lock=worker off; do
	run run env HEDDLE=$v ./threads
	works "HEDDLE=$v"
done
for v in 7:7+preempt+move+delay+slow seed:7+slow:7+slow move+seed:3+preempt:3+preempt+move 0+delay:"[0-9]{2,}+delay"; do
	run run env HEDDLE=stress="${v%:*}" ./threads
	re=${v##*:}
	works "stress=${v%:*} says its seed" "^heddle: stress=seed:${re//+/\\+}\$"
done

# --- stress: what it says that it does, by its own count

cat >order.c <<'C'
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static sem_t sem;
static uint64_t hash;
static long turns;

static void
passes(uint64_t who)
{
	hash = (hash ^ who) * 0x100000001b3;
	turns++;
}

static void *
child(void *arg)
{
	passes((uintptr_t)arg);
	return NULL;
}

static void *
works(void *arg)
{
	uintptr_t me = (uintptr_t)arg;
	pthread_t t;

	for(int i = 0; i < 100; i++) {
		pthread_mutex_lock(&m);
		passes(me);
		if(i % 7 == (int)me)
			sched_yield();
		if(i % 5 == 0)
			pthread_cond_wait(&c, &m);
		pthread_mutex_unlock(&m);
		sem_post(&sem);
		pthread_cond_signal(&c);
		while(sem_wait(&sem) != 0)
			;
		passes(me + 100);
		if(i % 10 == 0 && pthread_create(&t, NULL, child, (void *)(me + 1000)) == 0)
			pthread_join(t, NULL);
	}
	pthread_mutex_lock(&m);
	pthread_cond_broadcast(&c);
	pthread_mutex_unlock(&m);
	return NULL;
}

static _Atomic int over;

/* Nobody may be left waiting for a signal. */
static void *
signals(void *arg)
{
	while(!over) {
		pthread_cond_signal(&c);
		sched_yield();
	}
	return arg;
}

int
main(void)
{
	pthread_t t[6], s;

	sem_init(&sem, 0, 0);
	for(uintptr_t i = 0; i < 6; i++)
		pthread_create(&t[i], NULL, works, (void *)(i + 1));
	pthread_create(&s, NULL, signals, NULL);
	for(int i = 0; i < 6; i++)
		pthread_join(t[i], NULL);
	over = 1;
	pthread_join(s, NULL);
	printf("%ld turns, order %016llx\n", turns, (unsigned long long)hash);
	return 0;
}
C
$CC -O2 -pthread -o order order.c || notok "building order.c"

# Threads that make calls which may block.
cat >calls.c <<'C'
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void *
calls(void *arg)
{
	struct stat st;
	int fd;

	for(int i = 0; i < 100; i++) {
		if((fd = open("/proc/self/status", O_RDONLY)) < 0 || fstat(fd, &st) != 0 || fsync(fd) == 0)
			return "a call";
		close(fd);
	}
	return NULL;
}

int
main(void)
{
	pthread_t t[4];
	void *r;

	for(int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, calls, NULL);
	for(int i = 0; i < 4; i++)
		if(pthread_join(t[i], &r) != 0 || r != NULL)
			return 1;
	puts("works");
	return 0;
}
C
$CC -O2 -pthread -o calls calls.c || notok "building calls.c"

# stressed SEED WORDS: one run of ./order with one P under these kinds of stress, nothing preempted by time.
stressed() {
	run order env HEDDLE_MAXPROCS=1 HEDDLE="stress=$1+$2+count,preempt=0" ./order
	[ $rc = 0 ] || echo "status $rc: $(cat order.err)"
}

# With one P the threads take turns in an order that the seed decides, and so do the decisions; whatever the machine does meanwhile.
rm -f orders
for seed in 1 2 3 4; do
	for i in 1 2 3; do
		stressed $seed move+delay+slow
		cat order.out
		grep -o "order .*" order.err
	done >repeated
	if [ "$(sort -u repeated | wc -l)" = 2 ]; then
		ok "stress: seed $seed is repeated"
	else
		notok "stress: seed $seed is repeated" "$(sort repeated | uniq -c | tr '\n' ' ')"
	fi
	head -n 2 repeated | tr '\n' ' ' >>orders
	echo >>orders
done
[ "$(sort -u orders | wc -l)" = 4 ] && ok "stress: each seed has another order" || notok "stress: each seed has another order" "$(cat orders)"

# counted FILE WHAT: the names in the line of that, each with how often it was done and could have been.
counted() {
	sed -n "s/^heddle: stress: $2: //p" "$1" | tr ' ' '\n' | paste -d ' ' - - | tr / ' '
}

: >delays
: >done
for seed in 1 2 3 4 5 6 7 8; do
	stressed $seed move+delay+slow
	counted order.err delays >>delays
	counted order.err done >>done
	for prog in threads calls; do
		run run env HEDDLE_MAXPROCS=4 HEDDLE=stress=$seed+count ./$prog
		works "stress: $prog with seed $seed" any
		counted run.err delays >>delays
		counted run.err done >>done
	done
done
# Half of the seeds delay at a point, each with its own frequency: of the many that these programs come by
# hardly any can be left out by all eight.
waited=$(awk '$2 > 0 {print $1}' delays | sort -u | wc -l)
passed=$(awk '{print $1}' delays | sort -u | wc -l)
[ "$passed" -ge 20 ] && [ "$waited" -ge $((passed * 2 / 3)) ] && ok "stress: delays at points" ||
    notok "stress: delays at points" "at $waited of $passed"
# What the mode is for is done each time under some seed, and each second time or so under others.
for what in passesp handsoff newstack norunnext shortqueue; do
	awk -v what=$what '$1 == what {if($2 == $3) all = 1; n += $2} END {exit !all || n < 8}' done && ok "stress: $what always" ||
	    notok "stress: $what always" "$(grep "^$what" done | tr '\n' ';')"
done
for what in yields spills wokenforno wantsmutex; do
	awk -v what=$what '$1 == what {n += $2} END {exit n == 0}' done && ok "stress: $what" || notok "stress: $what"
done

run run env HEDDLE=log=$T/log,nonsense ./threads
works "log=FILE"
grep -q nonsense log && ok "the log has the message" || notok "the log has the message" "$(cat log run.err)"
run run env HEDDLE=log=/nonexistent/dir/log,nonsense ./threads
works "a log that cannot be opened" "nonexistent"
ln -s "$T/elsewhere" link
run run env HEDDLE=log=$T/link,nonsense ./threads
works "a log that is a symbolic link" "link"
[ -e elsewhere ] && notok "the link is not followed" "it was" || ok "the link is not followed"

# --- a dump on a signal: every goroutine, in its state, with its stack; the program goes on

cat >states.c <<'C'
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER, waited = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t sem;
static int s[2], out;

void *
waits_for_mutex(void *arg)
{
	pthread_mutex_lock(&mu);
	pthread_mutex_unlock(&mu);
	return arg;
}

void *
waits_for_cond(void *arg)
{
	pthread_mutex_lock(&waited);
	while(!out)
		pthread_cond_wait(&cond, &waited);
	pthread_mutex_unlock(&waited);
	return arg;
}

void *
waits_for_sem(void *arg)
{
	sem_wait(&sem);
	return arg;
}

void *
waits_for_socket(void *arg)
{
	char b;

	return read(s[1], &b, 1) == 0 ? arg : NULL;
}

int
main(void)
{
	void *(*fns[])(void *) = {waits_for_mutex, waits_for_cond, waits_for_sem, waits_for_socket};
	pthread_t t[4];

	if(socketpair(AF_UNIX, SOCK_STREAM, 0, s) != 0)
		return 1;
	sem_init(&sem, 0, 0);
	pthread_mutex_lock(&mu);
	for(int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, fns[i], NULL);
	pthread_setname_np(t[3], "reader");
	usleep(100000);
	kill(getpid(), SIGUSR2);
	usleep(300000);
	pthread_kill(t[0], SIGUSR2); /* and while it waits for itself */
	usleep(300000);
	pthread_mutex_unlock(&mu);
	sem_post(&sem);
	close(s[0]);
	pthread_mutex_lock(&waited);
	out = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&waited);
	for(int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	printf("went on\n");
	return 0;
}
C
"$CC" -O1 -rdynamic -fno-optimize-sibling-calls -o states states.c -pthread || exit 1
for p in 1 3; do
	run run env HEDDLE=dumpsig=USR2 HEDDLE_MAXPROCS=$p ./states
	[ "$(cat run.out)" = "went on" ] && ok "a dump, $p Ps: the program goes on" || notok "a dump, $p Ps" "$(cat run.out run.err)"
	for w in "signal: 5 goroutines" '\[mutex' '\[cond' '\[semaphore' '\[IO read' reader main \
	    waits_for_mutex waits_for_cond waits_for_sem waits_for_socket; do
		[ "$(grep -c -e "$w" run.err)" -ge 2 ] && ok "both dumps tell of $w, $p Ps" ||
			notok "both dumps tell of $w, $p Ps" "$(cat run.err)"
	done
done

# --- other allocators, preloaded before or after: memory that another thread has allocated, dynamic thread-local storage

cat >tlslib.c <<'C'
static __thread char block[6000];

int
use(int n)
{
	block[n % sizeof block]++;
	return block[0];
}
C
cat >allocs.c <<'C'
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static int (*use)(int);
static void *pool[64];

static void *
work(void *arg)
{
	unsigned x = (unsigned)(long)arg;

	for(int i = 0; i < 2000; i++){
		void **slot = &pool[(x = x * 1103515245 + 12345) >> 20 & 63], *p = malloc(x >> 16 & 4095);

		if(p == NULL)
			abort();
		pthread_mutex_lock(&mu);
		void *was = *slot;
		*slot = p;
		pthread_mutex_unlock(&mu);
		free(was);
		if(i % 500 == 0)
			use(i);
	}
	return strdup("done");
}

int
main(void)
{
	for(int round = 0; round < 4; round++){
		pthread_t t[12];
		void *lib = dlopen("./tlslib.so", RTLD_NOW), *r;

		if(lib == NULL)
			return 1;
		*(void **)&use = dlsym(lib, "use");
		for(long i = 0; i < 12; i++)
			if(pthread_create(&t[i], NULL, work, (void *)(i + 1)) != 0)
				return 2;
		for(int i = 0; i < 12; i++){
			pthread_join(t[i], &r);
			if(strcmp(r, "done") != 0)
				return 3;
			free(r);
		}
		dlclose(lib);
	}
	printf("allocated\n");
	return 0;
}
C
"$CC" -O1 -shared -fPIC -o tlslib.so tlslib.c && "$CC" -O1 -o allocs allocs.c -pthread -ldl || exit 1
for a in libjemalloc.so.2 libtcmalloc_minimal.so.4 libmimalloc.so.2.0; do
	if [ "$(LD_PRELOAD=$a ./allocs 2>&1)" != allocated ]; then
		skip "$a" "not installed"
		continue
	fi
	for order in "$LIB $a" "$a $LIB"; do
		got=$(LD_PRELOAD=$order HEDDLE_MAXPROCS=3 timeout -s KILL 30 ./allocs 2>&1)
		[ "$got" = allocated ] && ok "preloaded: ${order//$T\//}" || notok "preloaded: ${order//$T\//}" "$got"
	done
done

# --- other allocators, linked: into the program itself, where malloc then is, or as libraries; and others preloaded on top. Threads, their data, children
# that go on.

cat >linked.c <<'C'
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static int (*use)(int);
static void *pool[64];
static __thread char *mine;
static pthread_key_t key;

static void
check(int ok, const char *what)
{
	if(!ok) {
		fprintf(stderr, "%s\n", what);
		abort();
	}
}

static void
drop(void *p)
{
	free(p);
}

static void *
work(void *arg)
{
	unsigned x = (unsigned)(long)arg;

	mine = strdup("mine");
	pthread_setspecific(key, malloc(77));
	for(int i = 0; i < 2000; i++) {
		size_t n = (x = x * 1103515245 + 12345) >> 16 & (i % 16 ? 4095 : 262143);
		void **slot = &pool[x >> 20 & 63], *p = i % 3 ? malloc(n) : i % 2 ? calloc(1, n) : aligned_alloc(64, (n + 63) & ~63UL);

		check(p != NULL, "malloc");
		memset(p, 1, n);
		pthread_mutex_lock(&mu);
		void *was = *slot;
		*slot = p;
		pthread_mutex_unlock(&mu);
		if(i % 5 == 0)
			was = realloc(was, 100 + n / 2);
		free(was);
		if(i % 500 == 0)
			use(i);
		if(i % 100 == 0)
			usleep(10);
	}
	check(strcmp(mine, "mine") == 0, "mine");
	free(mine);
	return strdup("done");
}

/* Children that allocate, and make threads that do. */
static void *
forks(void *arg)
{
	for(int i = 0; i < 5; i++) {
		pid_t pid;
		int st;

		pthread_mutex_lock(&mu); /* the child uses it, too */
		if((pid = fork()) != 0)
			pthread_mutex_unlock(&mu);

		check(pid >= 0, "fork");
		if(pid == 0) {
			pthread_t t;
			void *r;

			pthread_mutex_unlock(&mu);
			for(int k = 0; k < 1000; k++)
				free(malloc((size_t)k * 17));
			if(pthread_create(&t, NULL, work, (void *)7L) != 0 || pthread_join(t, &r) != 0 || strcmp(r, "done") != 0)
				_exit(1);
			_exit(0);
		}
		check(waitpid(pid, &st, 0) == pid && st == 0, "child");
	}
	return strdup("done");
}

int
main(void)
{
	pthread_key_create(&key, drop);
	for(int round = 0; round < 2; round++) {
		pthread_t t[12];
		void *lib = dlopen("./tlslib.so", RTLD_NOW), *r;

		check(lib != NULL, "dlopen");
		*(void **)&use = dlsym(lib, "use");
		for(long i = 0; i < 12; i++)
			check(pthread_create(&t[i], NULL, i % 6 == 5 ? forks : work, (void *)(i + 1)) == 0, "create");
		for(int i = 0; i < 12; i++) {
			pthread_join(t[i], &r);
			check(strcmp(r, "done") == 0, "done");
			free(r);
		}
		dlclose(lib);
	}
	printf("allocated\n");
	return 0;
}
C
# linkwith NAME FILE FLAGS...: builds ./NAME with the allocator in FILE.
linkwith() {
	local name=$1 file=$2
	shift 2
	[ -e "$(echo /usr/lib/*/"$file")" ] || { skip "linked: $file" "not installed"; return 1; }
	"$CC" -O1 -fno-builtin -pthread -o "$name" linked.c "${@//FILE/$(echo /usr/lib/*/"$file")}" 2>link.err && return 0
	notok "linked: $file" "$(head -n 3 link.err)"
	return 1
}

# alike NAME PRELOAD: what the allocators have said natively, if that was right, they say under heddle.
alike() {
	local p got
	[ "$(LD_PRELOAD=$2 timeout -s KILL 30 "./$1" 2>&1)" = allocated ] || { skip "linked: $1 with '$2'" "fails natively"; return; }
	for p in 1 3; do
		for order in "$LIB $2" "$2 $LIB"; do
			got=$(LD_PRELOAD=$order HEDDLE_MAXPROCS=$p timeout -s KILL 60 "./$1" 2>&1)
			[ "$got" = allocated ] && ok "linked: $1, ${order//$T\//}, $p Ps" || notok "linked: $1, ${order//$T\//}, $p Ps" "$got"
			[ -n "$2" ] || break
		done
	done
}

linkwith libjemalloc.a libjemalloc.a FILE -lm -lstdc++ -ldl && for a in "" libjemalloc.so.2 libmimalloc.so.2.0; do alike libjemalloc.a "$a"; done
linkwith libtcmalloc.a libtcmalloc_minimal.a -Wl,--whole-archive FILE -Wl,--no-whole-archive -lstdc++ -lm -ldl &&
    for a in "" libjemalloc.so.2 libtcmalloc_minimal.so.4; do alike libtcmalloc.a "$a"; done
linkwith libjemalloc.so libjemalloc.so -ljemalloc -ldl && alike libjemalloc.so ""
linkwith libtcmalloc.so libtcmalloc.so -ltcmalloc -ldl && alike libtcmalloc.so ""
linkwith libmimalloc.so libmimalloc.so -lmimalloc -ldl && for a in "" libtcmalloc_minimal.so.4; do alike libmimalloc.so "$a"; done

# --- low limits

# same NAME COMMAND...: natively and under heddle alike in standard output and status.
same() {
	local name=$1 native
	shift
	{ timeout -s KILL 60 "$@" >native.out 2>native.err </dev/null; } 2>/dev/null
	native=$?
	run heddle "$@"
	if [ $rc != $native ]; then
		notok "$name" "status $rc, natively $native: $(head -c 300 heddle.err)"
	elif ! cmp -s native.out heddle.out; then
		notok "$name" "stdout differs: $(diff native.out heddle.out | head -5)"
	elif ! cmp -s native.err heddle.err; then
		notok "$name" "stderr differs: $(diff native.err heddle.err | head -5)"
	else
		ok "$name"
	fi
}

for k in 3 4 5 6 7 8 10 12 16 20; do
	run run bash -c "ulimit -n $k; exec ./threads"
	if timeout 20 bash -c "ulimit -n $k; exec ./threads" >native.out 2>/dev/null; then
		# As good as natively, and a word of explanation is allowed.
		works "RLIMIT_NOFILE $k" any
	elif [ -s native.out ]; then
		[ $rc -gt 0 ] && [ $rc -lt 128 ] && cmp -s native.out run.out && ok "RLIMIT_NOFILE $k: fails as natively" ||
		    notok "RLIMIT_NOFILE $k: fails as natively" "status $rc: $(head -c 300 run.out run.err | tr '\n' ' ')"
	else
		# Not even the C library could be loaded.
		[ $rc -gt 0 ] && ok "RLIMIT_NOFILE $k: does not start, as natively" ||
		    notok "RLIMIT_NOFILE $k: does not start, as natively" "status $rc"
	fi
done

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	as="setpriv --reuid 64321 --regid 64321 --clear-groups"
	for k in 1 2 3 4 8 20; do
		# A thread more or none: an error from pthread_create, or it works; never a crash or a hang.
		run run $as bash -c "ulimit -u $k; exec ./threads"
		case $rc:$(cat run.out) in
		0:works) ok "RLIMIT_NPROC $k: works" ;;
		4:pthread_create:*Resource\ temporarily\ unavailable) ok "RLIMIT_NPROC $k: EAGAIN" ;;
		*) notok "RLIMIT_NPROC $k" "status $rc: $(head -c 300 run.out run.err | tr '\n' ' ')" ;;
		esac
	done
	run run $as ./threads
	works "another user"
else
	skip "RLIMIT_NPROC" "needs root and setpriv"
fi

# From what a program cannot start with to plenty: it works, or says which call failed.
works0=0
for k in 5000 10000 20000 40000 80000 160000 320000 640000 1280000 16000000; do
	run run bash -c "ulimit -v $k; exec ./threads"
	case $rc:$(cat run.out) in
	0:works) works0=$((works0 + 1)); ok "RLIMIT_AS $k KiB: works" ;;
	4:pthread_create:*Resource\ temporarily\ unavailable) ok "RLIMIT_AS $k KiB: EAGAIN" ;;
	127:* | 126:*) ok "RLIMIT_AS $k KiB: does not start" ;;
	*) if timeout 20 bash -c "ulimit -v $k; exec ./threads" >native.out 2>/dev/null; then
		notok "RLIMIT_AS $k KiB" "status $rc: $(head -c 300 run.out run.err | tr '\n' ' ')"
	   else
		ok "RLIMIT_AS $k KiB: fails natively too"
	   fi ;;
	esac
done
[ $works0 -ge 2 ] && ok "enough address space is enough" || notok "enough address space is enough" "$works0 of 10 worked"
for k in 64 128 512 8192; do
	run run bash -c "ulimit -s $k; exec ./threads 20"
	works "RLIMIT_STACK $k KiB"
done
run run bash -c "ulimit -s unlimited; exec ./threads 20"
works "RLIMIT_STACK unlimited"
run run bash -c "ulimit -l 0; ulimit -i 0; ulimit -q 0; exec ./threads 20"
works "RLIMIT_MEMLOCK, SIGPENDING, MSGQUEUE 0"
run run bash -c "ulimit -c 0; ulimit -f 0; exec ./threads >/dev/null && echo works >&2"
[ $rc = 0 ] && ok "RLIMIT_FSIZE 0" || notok "RLIMIT_FSIZE 0" "status $rc"

# --- standard descriptors

for how in "<&-" ">&-" "2>&-" "<&- >&-" "<&- 2>&-" ">&- 2>&-" "<&- >&- 2>&-"; do
	native=$(bash -c "./threads $how"' 2>/dev/null; echo $?' 2>/dev/null)
	got=$(LD_PRELOAD=$LIB timeout -s KILL 30 bash -c "./threads $how"' 2>/dev/null; echo $?' 2>/dev/null)
	[ "$native" = "$got" ] && ok "closed: $how" || notok "closed: $how" "'$got', natively '$native'"
done
# A message about a wrong value must not land in a file that the program opened as descriptor 2.
cat >opens.c <<'C'
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>
static void *f(void *a) { return a; }
int
main(void)
{
	pthread_t t;
	int fd = open("data", O_RDWR | O_CREAT | O_TRUNC, 0600);
	if(pthread_create(&t, 0, f, 0) != 0 || pthread_join(t, 0) != 0)
		return 2;
	return fd == 2 && lseek(fd, 0, SEEK_END) == 0 ? 0 : 3;
}
C
$CC -O2 -pthread -o opens opens.c
run run bash -c './opens 2>&-'
[ $rc = 0 ] && ok "descriptor 2 is the program's own file" || notok "descriptor 2 is the program's own file" "status $rc: $(cat data)"
run run bash -c './threads >/dev/full'
[ $rc = 7 ] && ok "a full device" || notok "a full device" "status $rc"

# --- other programs

if $CC -O2 -static -pthread -o static threads.c 2>/dev/null; then
	run run ./static
	works "a static program"
else
	skip "a static program" "no static C library"
fi
cp "$(command -v id)" suid 2>/dev/null && chmod 4755 suid
run run ./suid -u
[ $rc = 0 ] && ok "a set-user-ID program" || notok "a set-user-ID program" "status $rc: $(cat run.err)"
run run env -i ./threads
works "an empty environment"
run run /lib64/ld-linux-x86-64.so.2 ./threads
works "started by the dynamic linker"
run run env LD_BIND_NOW=1 ./threads
works "LD_BIND_NOW"
run run env LD_PRELOAD="$LIB $LIB" ./threads
works "preloaded twice"
run run env LD_PRELOAD="$LIB" bash -c 'exec ./threads'
works "through a shell"

# --- Go's runtime manages kernel threads by itself, so its programs, which have a note, keep theirs

cat >kernel.c <<'C'
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#ifdef GO
__asm__(".pushsection .note.go.buildid, \"a\", @note\n.long 4, 4, 4\n.ascii \"Go\\0\\0test\"\n.popsection");
#endif
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static void *
f(void *a)
{
	pthread_mutex_lock(&mu);
	pthread_mutex_unlock(&mu);
	return a;
}
int
main(void)
{
	pthread_t t[20];
	DIR *d;
	int n = 0;
	pthread_mutex_lock(&mu);
	for(int i = 0; i < 20; i++)
		if(pthread_create(&t[i], 0, f, 0) != 0)
			return 1;
	d = opendir("/proc/self/task");
	while(readdir(d) != NULL)
		n++;
	pthread_mutex_unlock(&mu);
	for(int i = 0; i < 20; i++)
		pthread_join(t[i], 0);
	puts(n == 23 ? "21 kernel threads" : n < 23 ? "fewer" : "more"); /* and . and .. */
	return 0;
}
C
$CC -O2 -pthread -o kernel kernel.c && $CC -O2 -DGO -pthread -o kernelgo kernel.c || exit 1
run run env HEDDLE_MAXPROCS=2 ./kernel
[ "$(cat run.out)" = fewer ] && ok "threads that wait have no kernel thread" || notok "threads that wait" "$(cat run.out run.err)"
same "a program made by Go keeps its kernel threads" ./kernelgo
grep -q 21 heddle.out && ok "all of them" || notok "all of them" "$(cat heddle.out)"

if command -v valgrind >/dev/null; then
	run run valgrind -q ./threads
	works "valgrind" "^heddle: off: under valgrind"
	grep -q Invalid run.err && notok "valgrind finds nothing" "$(cat run.err)" || ok "valgrind finds nothing"
else
	skip "valgrind" "not installed"
fi

mkdir tree
(cd tree && for i in $(seq 30); do echo "line $i" >"file$i"; done)
same "true" true
same "false" false
same "ls" ls -l tree
same "ls of nothing" ls nothing-here
same "echo" echo a b c
same "cat" cat tree/file1 tree/file2
same "sort" bash -c 'cat tree/* | sort | uniq -c'
same "sort --parallel" bash -c 'seq 200000 | sort --parallel=4 -R --random-source=/bin/ls | md5sum'
same "bash loop" bash -c 'for i in 1 2 3; do echo $i | cat; done; exit 5'
same "bash jobs" bash -c '(sleep 0.05; echo a) & wait; echo b; kill -9 $$'
same "bash trap" bash -c 'trap "echo term; exit 3" TERM; kill $$; echo no'
same "find" bash -c 'find tree -type f | sort | xargs -P 4 -n 5 cat | sort'
same "tar and gzip" bash -c 'tar cf - --sort=name --mtime=@0 --owner=0 --group=0 tree | gzip -n | md5sum'
same "dd" dd if=/dev/zero of=/dev/null bs=1M count=10 status=none
same "timeout" timeout 0.1 sleep 10
same "env" bash -c 'env | grep -v -e LD_PRELOAD -e ^_= | sort'
if command -v python3 >/dev/null; then
	same "python3" python3 -c 'print(sum(range(1000)))'
	same "python3 exit" python3 -c 'import sys; sys.exit(9)'
	same "python3 error" python3 -c 'raise SystemExit("bye")'
	same "python3 threads" python3 -c '
import threading, queue, time
q, out = queue.Queue(), []
def f():
    while (v := q.get()) is not None:
        time.sleep(0.001)
        out.append(v * v)
ts = [threading.Thread(target=f) for _ in range(20)]
[t.start() for t in ts]
[q.put(i) for i in range(200)]
[q.put(None) for _ in ts]
[t.join() for t in ts]
print(sum(out), threading.active_count())'
	same "python3 sockets" python3 -c '
import socket, threading
s = socket.create_server(("127.0.0.1", 0))
def serve():
    for _ in range(20):
        c, _ = s.accept()
        threading.Thread(target=lambda c=c: (c.sendall(c.recv(100)[::-1]), c.close())).start()
threading.Thread(target=serve).start()
for i in range(20):
    c = socket.create_connection(s.getsockname())
    c.sendall(b"hello%d" % i)
    print(c.recv(100))'
	same "python3 subprocess" python3 -c '
import subprocess, concurrent.futures as f
with f.ThreadPoolExecutor(8) as ex:
    print(sorted(ex.map(lambda i: subprocess.run(["sh", "-c", f"echo {i}; exit {i}"], capture_output=True).returncode, range(20))))'
	same "python3 multiprocessing" python3 -c '
import multiprocessing as m
if __name__ == "__main__":
    with m.get_context("fork").Pool(3) as p:
        print(p.map(abs, range(-20, 0)))'
	same "python3 asyncio" python3 -c '
import asyncio
async def f(i):
    await asyncio.sleep(0.001 * (i % 5))
    return i
async def main():
    loop = asyncio.get_running_loop()
    print(sum(await asyncio.gather(*[f(i) for i in range(100)])))
    print(await loop.run_in_executor(None, lambda: 42))
asyncio.run(main())'
else
	skip "python3" "not installed"
fi
if command -v git >/dev/null; then
	same "git" bash -c 'rm -rf repo; git init -q repo && cd repo && cp -r ../tree . && git add . &&
	    GIT_AUTHOR_DATE=@0 GIT_COMMITTER_DATE=@0 git -c user.name=n -c user.email=e commit -qm m && git log --format=%H%s &&
	    git -c core.preloadIndex=true -c index.threads=4 status --short && git grep --threads=4 -c line 2>&1 | sort && git gc -q && git fsck'
	same "git error" git -C /nonexistent log
else
	skip "git" "not installed"
fi
if command -v gcc >/dev/null; then
	same "gcc" bash -c 'gcc -O2 -pthread -o built threads.c && ./built && md5sum <built'
	same "gcc error" gcc -c nothing.c
else
	skip "gcc" "not installed"
fi
command -v perl >/dev/null && same "perl" perl -e 'print "a" x 3, "\n"; print `echo sub`; exit 4' || skip "perl" "not installed"
command -v make >/dev/null && same "make -j" bash -c 'printf "all: a b c d\n%%:\n\t@sleep 0.01; echo \$@ >\$@.made\n" >mf; make -s -j3 -f mf && cat *.made' || skip "make" "not installed"
command -v go >/dev/null && same "go" go version || skip "go" "not installed"
command -v xz >/dev/null && same "xz -T" bash -c 'seq 300000 | xz -T3 --block-size=200000 | xz -dc -T3 | md5sum' || skip "xz" "not installed"

total
