/* SPDX-License-Identifier: MIT */
/*
 * What the runtime has to say: messages, and the end when an invariant is broken.
 * No stdio, no malloc: called from signal handlers, with locks held, in the child of a fork.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "runtime.h"

struct out {
	char *p, *end;
	int n; /* what there would have been */
};

static void
putch(struct out *o, char c)
{
	if(o->p < o->end)
		*o->p++ = c;
	o->n++;
}

static void
putstr(struct out *o, const char *s, int width)
{
	int n = 0;

	for(; s != NULL && s[n]; n++)
		putch(o, s[n]);
	for(; n < width; n++)
		putch(o, ' ');
}

static void
putnum(struct out *o, unsigned long long v, unsigned base, bool neg, int width, char pad)
{
	char b[32];
	int n = 0;

	do
		b[n++] = "0123456789abcdef"[v % base];
	while((v /= base) != 0);
	if(neg && pad == ' ')
		b[n++] = '-';
	else if(neg)
		putch(o, '-');
	for(int i = n; i < width; i++)
		putch(o, pad);
	while(n > 0)
		putch(o, b[--n]);
}

/* One conversion after its '%'; returns the place behind it. */
static const char *
convert(struct out *o, const char *f, va_list *ap)
{
	char pad = ' ';
	int width = 0, longs = 0;
	long long v;
	unsigned long long u;

	if(*f == '-')
		f++;
	if(*f == '0')
		pad = *f++;
	while(*f >= '0' && *f <= '9')
		width = width * 10 + *f++ - '0';
	while(*f == 'l' || *f == 'z')
		f++, longs++;
	switch(*f){
	case 'd':
		v = longs ? va_arg(*ap, long) : va_arg(*ap, int);
		putnum(o, v < 0 ? 0ULL - (unsigned long long)v : (unsigned long long)v, 10, v < 0, width, pad);
		break;
	case 'u':
	case 'x':
		u = longs ? va_arg(*ap, unsigned long) : va_arg(*ap, unsigned);
		putnum(o, u, *f == 'x' ? 16 : 10, false, width, pad);
		break;
	case 'p':
		putstr(o, "0x", 0);
		putnum(o, (uintptr_t)va_arg(*ap, void *), 16, false, width, pad);
		break;
	case 's':
		putstr(o, va_arg(*ap, const char *), width);
		break;
	case 'c':
		putch(o, (char)va_arg(*ap, int));
		break;
	default:
		putch(o, *f);
	}
	return *f ? f + 1 : f;
}

static int
vfmt(char *buf, size_t n, const char *f, va_list *ap)
{
	struct out o = {buf, buf + n - 1, 0};

	while(*f)
		if(*f == '%')
			f = convert(&o, f + 1, ap);
		else
			putch(&o, *f++);
	*o.p = 0;
	return o.n;
}

int
fmtbuf(char *buf, size_t n, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vfmt(buf, n, fmt, &ap);
	va_end(ap);
	return r;
}

static void
writeall(int fd, const char *b, long n)
{
	while(n > 0){
		long r = rawsyscall(SYS_write, fd, b, n);

		if(r == -EINTR)
			continue;
		if(r <= 0)
			return;
		b += r;
		n -= r;
	}
}

/*
 * The log is opened afresh for each message, so that heddle keeps no descriptor that
 * the program could close or inherit. Refused: standard error, with a word about it, once.
 */
int
logfd(void)
{
	static uint32_t said;
	long fd;

	if(options.log == NULL || options.log[0] == 0)
		return 2;
	fd = rawsyscall(SYS_openat, AT_FDCWD, options.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY,
	    0600);
	if(fd >= 0)
		return (int)fd;
	if(xchg(&said, 1) == 0)
		rtprint(2, "heddle: cannot open log=%s (error %d); messages go to standard error\n", options.log, (int)-fd);
	return 2;
}

void
rtprint(int fd, const char *fmt, ...)
{
	char b[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vfmt(b, sizeof b, fmt, &ap);
	va_end(ap);
	writeall(fd, b, n < (int)sizeof b ? n : (int)sizeof b - 1);
}

void
rtlog(const char *fmt, ...)
{
	char b[1024] = "heddle: ";
	va_list ap;
	int fd = logfd(), n;

	va_start(ap, fmt);
	n = 8 + vfmt(b + 8, sizeof b - 9, fmt, &ap);
	va_end(ap);
	if(n > (int)sizeof b - 2)
		n = (int)sizeof b - 2;
	b[n++] = '\n';
	writeall(fd, b, n);
	if(fd != 2)
		rawsyscall(SYS_close, fd);
}

/* throw ends the process: an invariant of the runtime is broken. Says where, and dies by SIGABRT. */
void
throw(const char *msg)
{
	struct g *gp = getg();
	struct m *mp = getm();
	long pid = rawsyscall(SYS_getpid), tid = rawsyscall(SYS_gettid);
	struct {
		void *handler;
		unsigned long flags, restorer, mask;
	} dfl = {0};

	rtprint(2, "heddle: fatal: %s (goroutine %lu, m %d, thread %ld)\n", msg, gp ? (unsigned long)gp->goid : 0UL,
	    mp ? (int)mp->id : -1, tid);
	stresssaid();
	for(;;){
		unsigned long none = 0;

		rawsyscall(SYS_rt_sigaction, SIGABRT, &dfl, NULL, 8);
		rawsyscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8);
		rawsyscall(SYS_tgkill, pid, tid, SIGABRT);
	}
}
