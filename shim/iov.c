/* SPDX-License-Identifier: MIT */
/* What is left to do of an array of buffers. See fd.h. */
#include <string.h>
#include <sys/mman.h>

#include "fd.h"

void
iovinit(struct iovcur *v, const struct iovec *iov, int cnt)
{
	v->iov = (struct iovec *)iov;
	v->cnt = cnt;
	v->copied = false;
	v->map = NULL;
}

static bool
copy(struct iovcur *v)
{
	size_t size = (size_t)v->cnt * sizeof *v->iov;
	struct iovec *to = v->small;
	long p;

	if(v->cnt > (int)nelem(v->small)){
		p = rawsyscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if(p < 0 && p > -4096)
			return false;
		to = v->map = (struct iovec *)p;
		v->mapsize = size;
	}
	memcpy(to, v->iov, size);
	v->iov = to;
	v->copied = true;
	return true;
}

long
iovadvance(struct iovcur *v, size_t n)
{
	size_t left = 0;

	if(!v->copied && !copy(v))
		return -ENOMEM;
	while(v->cnt > 0 && n >= v->iov->iov_len){
		n -= v->iov->iov_len;
		v->iov++;
		v->cnt--;
	}
	if(v->cnt > 0){
		v->iov->iov_base = (char *)v->iov->iov_base + n;
		v->iov->iov_len -= n;
	}
	for(int i = 0; i < v->cnt; i++)
		left += v->iov[i].iov_len;
	return (long)left;
}

void
iovdone(struct iovcur *v)
{
	if(v->map != NULL)
		rawsyscall(SYS_munmap, v->map, v->mapsize);
}
