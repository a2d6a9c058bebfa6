/* SPDX-License-Identifier: MIT */
/*
 * The CPU quota of the process's cgroup (Go 1.25: internal/runtime/cgroup). More Ps than
 * the quota pays for would be throttled together, in the middle of each period.
 */
#include <fcntl.h>

#include "runtime.h"

static long
slurp(const char *path, char *b, long n)
{
	long fd = rawsyscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC), r;

	if(fd < 0)
		return -1;
	r = rawsyscall(SYS_read, fd, b, n - 1);
	rawsyscall(SYS_close, fd);
	b[r > 0 ? r : 0] = 0;
	return r;
}

static const char *
num(const char *s, long *v)
{
	for(*v = 0; *s >= '0' && *s <= '9'; s++)
		*v = *v * 10 + *s - '0';
	return s;
}

/* In v2 the group's path is in the line "0::/path" of /proc/self/cgroup; the tightest of it and its parents counts. */
static int
quotav2(char *path)
{
	char file[1200], b[64];
	int least = 0;
	size_t n = 0;

	while(path[n] && path[n] != '\n')
		n++;
	for(;;){
		long quota, period, cpus;

		path[n] = 0;
		fmtbuf(file, sizeof file, "/sys/fs/cgroup%s/cpu.max", path);
		if(slurp(file, b, sizeof b) > 0 && b[0] != 'm'){
			const char *s = num(b, &quota);

			num(*s == ' ' ? s + 1 : s, &period);
			if(period > 0 && (cpus = (quota + period - 1) / period) > 0 && (least == 0 || cpus < least))
				least = (int)cpus;
		}
		while(n > 0 && path[--n] != '/')
			;
		if(n == 0)
			return least;
	}
}

int
cgroupquota(void)
{
	char b[1024], q[64], p[64];
	long quota, period;

	if(slurp("/proc/self/cgroup", b, sizeof b) <= 0)
		return 0;
	for(char *s = b; *s; s++)
		if((s == b || s[-1] == '\n') && s[0] == '0' && s[1] == ':' && s[2] == ':')
			return quotav2(s + 3);
	/* v1, as seen from inside a container */
	if(slurp("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", q, sizeof q) <= 0 || q[0] == '-' ||
	   slurp("/sys/fs/cgroup/cpu/cpu.cfs_period_us", p, sizeof p) <= 0)
		return 0;
	num(q, &quota);
	num(p, &period);
	return period > 0 ? (int)((quota + period - 1) / period) : 0;
}
