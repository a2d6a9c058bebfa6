/* SPDX-License-Identifier: MIT */
/*
 * The start: of the process, and of the runtime at the first pthread_create.
 *
 * Until then a program runs as if heddle were not there: getg() is NULL, and every wrapper goes
 * straight to libc. Of the process's start heddle keeps the HEDDLE variables, as programs
 * overwrite their environment, and puts a frame of its own below main (exit.c).
 */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/single_threaded.h>

#include "dynsym.h"
#include "fd.h"
#include "patch.h"
#include "sig.h"
#include "sync.h"
#include "thread.h"

struct privatelibc privatelibc;

/* ---- the environment at the start ---- */

/* A variable is kept up to this length: more than optionsinit reads, so that it sees and says that there is more. */
enum { LONGEST = 5000 };

static char envtext[3 * LONGEST];
static char *envlist[8];

static void
keepenv(char **envp)
{
	char *p = envtext;
	size_t n = 0, len, room;

	for(; *envp != NULL && n + 1 < nelem(envlist); envp++){
		if(strncmp(*envp, "HEDDLE", 6) != 0)
			continue;
		len = strnlen(*envp, LONGEST - 1);
		room = envtext + sizeof envtext - p;
		if(len >= room)
			continue;
		envlist[n++] = memcpy(p, *envp, len);
		p[len] = 0;
		p += len + 1;
	}
}

EXPORT int
__libc_start_main(int (*mainfn)(int, char **, char **), int argc, char **argv, int (*init)(int, char **, char **),
    void (*fini)(void), void (*rtldfini)(void), void *stackend)
{
	realmain = mainfn;
	keepenv(argv + argc + 1);
	fdstart();
	return libc.__libc_start_main(mainwrap, argc, argv, init, fini, rtldfini, stackend);
}

/* ---- kernel threads for the runtime, made by libc so that it knows them ---- */

/* All signals are blocked meanwhile but those that libc itself uses (it leaves these alone), and the kick. */
static int
makethread(const pthread_attr_t *attr, pthread_t *thp, void *(*fn)(void *), void *arg)
{
	sigset_t all, old;
	int e;

	sigfillset(&all);
	if(kicksig != SIGCANCELNO)
		sigdelset(&all, kicksig);
	libc.pthread_sigmask(SIG_SETMASK, &all, &old);
	e = libc.pthread_create(thp, attr, fn, arg);
	libc.pthread_sigmask(SIG_SETMASK, &old, NULL);
	return e;
}

static int
newthread(void *(*fn)(void *), void *arg, void *stack, size_t stacksize)
{
	pthread_attr_t attr;
	pthread_t th;
	int e;

	if((e = pthread_attr_init(&attr)) != 0)
		return e;
	if(stack != NULL)
		pthread_attr_setstack(&attr, stack, stacksize);
	else
		pthread_attr_setstacksize(&attr, stacksize);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	e = makethread(&attr, &th, fn, arg);
	pthread_attr_destroy(&attr);
	return e;
}

static int
runthread(void *stack, size_t size, void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t th;
	int e;

	if((e = pthread_attr_init(&attr)) != 0)
		return e;
	if((e = pthread_attr_setstack(&attr, stack, size)) == 0 && (e = makethread(&attr, &th, fn, arg)) == 0)
		e = libc.pthread_join(th, NULL);
	pthread_attr_destroy(&attr);
	return e;
}

static struct hostops hostops = {.newthread = newthread, .m0tcb = tlsm0, .testcancel = pthread_testcancel,
                                .started = pinstart};
static const struct tlsops tlsops = {.sym = libcsym, .free = free, .runthread = runthread};

/* ---- the runtime's start ---- */

static enum state { NOTYET, UP, OFF } state; /* atomic; main alone changes it */

static bool
privatesyms(void)
{
	privatelibc.ctypeinit = (void (*)(void))libcsym("__ctype_init");
	privatelibc.calltlsdtors = (void (*)(void))libcsym("__call_tls_dtors");
	privatelibc.resnclose = (void (*)(void *))libcsym("__res_nclose");
	return privatelibc.ctypeinit != NULL && privatelibc.calltlsdtors != NULL && privatelibc.resnclose != NULL;
}

/*
 * Thread sanitizer keeps account of each kernel thread, in its thread-local storage and with an idea of where its stack is;
 * a runtime that switches them below it would have to tell it of each switch. Its own threads come first, too.
 */
static bool
threadsanitizer(void)
{
	return libc.dlsym(RTLD_DEFAULT, "__tsan_init") != NULL;
}

enum { GOBUILDID = 4, GONAME = 'G' | 'o' << 8 }; /* the note's type, and its name as a word: two letters and two NULs */

/*
 * A program of Go's has threads by pthread_create if it uses cgo. They are for Go's scheduler what Ms are for heddle's: its runtime
 * calls the kernel by itself, and counts on its own signal stack, mask and tid on the kernel thread. Go's linker marks
 * programs and libraries with a note.
 */
static int
gonote(struct dl_phdr_info *info, size_t size, void *arg)
{
	bool *found = arg;

	for(int i = 0; i < info->dlpi_phnum && !*found; i++){
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		const ElfW(Nhdr) *n = (const ElfW(Nhdr) *)(info->dlpi_addr + ph->p_vaddr), *next;
		const char *end = (const char *)n + ph->p_memsz;

		for(; ph->p_type == PT_NOTE && (const char *)(n + 1) + sizeof(uint32_t) <= end; n = next){
			if(n->n_type == GOBUILDID && n->n_namesz == sizeof(uint32_t) && *(const uint32_t *)(n + 1) == GONAME)
				*found = true;
			next = (const void *)((const char *)(n + 1) + ((n->n_namesz + 3) & ~3U) + ((n->n_descsz + 3) & ~3U));
		}
	}
	return *found;
}

static bool
madebygo(void)
{
	bool found = false;

	eachobject(gonote, &found);
	return found;
}

/* Valgrind runs one thread at a time, and takes a switch of stacks for a write where nothing may be. */
static bool
valgrind(void)
{
	return dlsym(RTLD_DEFAULT, "_vgnU_freeres") != NULL;
}

/* The first time: what does not change from one attempt to the next. */
static bool
prepare(void)
{
	static bool done;

	if(done)
		return true;
	if(getauxval(AT_SECURE)){
		rtlog("off: the program has more rights than its user");
		return false;
	}
	/* a library's constructor may make a thread before __libc_start_main has been called */
	optionsinit(envlist[0] != NULL || realmain != NULL ? envlist : environ);
	if(options.off)
		return false;
	if(threadsanitizer()){
		rtlog("off: the program is built with thread sanitizer; every thread stays a kernel thread");
		return false;
	}
	if(valgrind()){
		rtlog("off: under valgrind every thread stays a kernel thread");
		return false;
	}
	if(madebygo())
		return false;
	libcresolve();
	if(!privatesyms()){
		rtlog("off: this libc is too old or not glibc");
		return false;
	}
	return done = true;
}

/* Without memory or a thread for it, it is tried again at the next pthread_create; this one will fail in libc. */
static enum state
start(void)
{
	bool threads = !__libc_single_threaded; /* libc's own, and before tlsinit makes one */
	int e;

	if(!prepare())
		return OFF;
	patchlibc(); /* before there is another thread */
	if((e = tlsinit(&tlsops)) != 0)
		return e == EAGAIN ? NOTYET : OFF;
	hostops.clockgettime = libc.clock_gettime;
	if((e = rtinit(&hostops)) != 0){
		rtlog("off: the runtime cannot start (error %d); every thread stays a kernel thread", e);
		return OFF;
	}
	/*
	 * A thread of libc's may be within libc's function for a mutex that is now ours. And a malloc of the program's own may lock
	 * mutexes: the runtime's threads call it when they make another, which a P may be waiting for. So nobody may wait for
	 * a P with such a mutex locked.
	 */
	if(threads || (void *)calloc != libcsym("calloc"))
		wordsothers();
	threadinit();
	forkregister();
	return UP;
}

/* In the child of a fork the runtime may start anew. */
void
initfork(void)
{
	store_relaxed(&state, NOTYET);
}

bool
bootstrap(void)
{
	int e;

	if(likely(load_acquire(&state) == UP))
		return true;
	e = errno;
	if(load_acquire(&state) == NOTYET && rawsyscall(SYS_gettid) == rawsyscall(SYS_getpid)){
		store_relaxed(&state, OFF); /* a thread that start() makes is libc's */
		store_release(&state, start());
		errno = e;
	}
	return load_acquire(&state) == UP;
}
