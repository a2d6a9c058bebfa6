/* SPDX-License-Identifier: MIT */
/*
 * exec. The process becomes another program, with this thread's mask and pending signals. A kick (core/preempt.c) that were pending
 * then would kill it: handlers do not outlive exec, and the default action of a real-time signal is to end
 * the process. So the thread is in runtime mode, waits for a kick that is on its way, and lets none be sent until the
 * call has failed.
 */
#include <alloca.h>
#include <errno.h>
#include <stdarg.h>

#include "libc.h"
#include "sig.h"

/* The caller's G, whose thread gets no kicks until execfailed; NULL: nobody kicks it. */
static struct g *
execbegin(void)
{
	struct g *gp = getg();

	if(gp == NULL)
		return NULL;
	rtenter(gp);
	sigtothread(gp, ~0ULL);
	kickhold(gp->m);
	return gp;
}

static int
execfailed(struct g *gp)
{
	if(gp != NULL){
		kickrelease(gp->m);
		rtexit(gp);
	}
	return -1;
}

/* EXEC: a call of libc's between the two. */
#define EXEC(call)                                   \
	({                                           \
		struct g *exec_g = execbegin();      \
		(void)(call);                        \
		execfailed(exec_g);                  \
	})

EXPORT int
execve(const char *path, char *const argv[], char *const envp[])
{
	return EXEC(libc.execve(path, argv, envp));
}

EXPORT int
execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

EXPORT int
execvpe(const char *file, char *const argv[], char *const envp[])
{
	return EXEC(libc.execvpe(file, argv, envp));
}

EXPORT int
execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

EXPORT int
fexecve(int fd, char *const argv[], char *const envp[])
{
	return EXEC(libc.fexecve(fd, argv, envp));
}

EXPORT int
execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
	return EXEC(libc.execveat(dir, path, argv, envp, flags));
}

/* The arguments up to the NULL that ends them, that included; arg0 is the first. */
static size_t
countargs(const char *arg0, va_list *ap)
{
	size_t n = 1;

	for(const char *a = arg0; a != NULL; a = va_arg(*ap, const char *))
		n++;
	return n;
}

static void
copyargs(char **argv, const char *arg0, va_list *ap)
{
	const char *a = arg0;

	for(; a != NULL; a = va_arg(*ap, const char *))
		*argv++ = (char *)a;
	*argv = NULL;
}

/* The list of a variadic caller's arguments, on its stack, as one that is to run in vfork's child must have it. */
#define ARGV(argv, arg0, ap)                                             \
	va_start(ap, arg0);                                              \
	char **argv = alloca(countargs(arg0, &(ap)) * sizeof(char *));   \
	va_end(ap);                                                      \
	va_start(ap, arg0);                                              \
	copyargs(argv, arg0, &(ap))

EXPORT int
execl(const char *path, const char *arg0, ...)
{
	va_list ap;
	ARGV(argv, arg0, ap);

	va_end(ap);
	return execve(path, argv, environ);
}

EXPORT int
execlp(const char *file, const char *arg0, ...)
{
	va_list ap;
	ARGV(argv, arg0, ap);

	va_end(ap);
	return execvpe(file, argv, environ);
}

EXPORT int
execle(const char *path, const char *arg0, ...)
{
	va_list ap;
	char *const *envp;
	ARGV(argv, arg0, ap);

	envp = va_arg(ap, char *const *);
	va_end(ap);
	return execve(path, argv, envp);
}
