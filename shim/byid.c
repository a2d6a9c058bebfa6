/* SPDX-License-Identifier: MIT */
/*
 * Functions that take a process's id. For the kernel any of its threads' will do, and it is the process that is meant; a G's is unknown to
 * the kernel. By number: bynumber.c.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "sig.h"
#include "sync.h"
#include "thread.h"

/* Is it the id of a G that has not ended, and not main's? */
static bool
ofg(pid_t id)
{
	struct g *gp = rtready && id > 0 ? gfromtid((uint32_t)id) : NULL;

	return gp != NULL && load_relaxed(&gp->goid) != 0 && !(gp->flags & GF_MAIN);
}

pid_t
processid(pid_t id)
{
	return ofg(id) ? sigpid : id;
}

EXPORT pid_t
getpgid(pid_t id)
{
	return libc.getpgid(processid(id));
}
ALSO(__getpgid, getpgid)

EXPORT pid_t
getsid(pid_t id)
{
	return libc.getsid(processid(id));
}

EXPORT int
prlimit64(pid_t id, __rlimit_resource_t what, const struct rlimit64 *new, struct rlimit64 *old)
{
	return libc.prlimit64(processid(id), what, new, old);
}

EXPORT int
prlimit(pid_t id, __rlimit_resource_t what, const struct rlimit *new, struct rlimit *old)
{
	return libc.prlimit(processid(id), what, new, old);
}

EXPORT ssize_t
process_vm_readv(pid_t id, const struct iovec *to, unsigned long nto, const struct iovec *from, unsigned long nfrom, unsigned long flags)
{
	return libc.process_vm_readv(processid(id), to, nto, from, nfrom, flags);
}

EXPORT ssize_t
process_vm_writev(pid_t id, const struct iovec *from, unsigned long nfrom, const struct iovec *to, unsigned long nto, unsigned long flags)
{
	return libc.process_vm_writev(processid(id), from, nfrom, to, nto, flags);
}

/* A descriptor is for a process's first thread only. The kernel says how it refuses another: of one that is never the first. Before any has begun
 * to run it is told as it long was. */
EXPORT int
pidfd_open(pid_t id, unsigned flags)
{
	struct m *mp = getm();

	if(!ofg(id))
		return libc.pidfd_open(id, flags);
	if((id = plaintid()) == 0 && mp != NULL && mp->id != 0)
		id = load_relaxed(&mp->tid);
	if(id != 0)
		return libc.pidfd_open(id, flags);
	errno = EINVAL;
	return -1;
}

/* Capabilities are each thread's. The kernel writes the version that it wants into the header. */
EXPORT int
capget(void *header, void *data)
{
	struct __user_cap_header_struct h, *to = header;
	int r;

	if(trycopy(&h, header, sizeof h) != 0 || !ofg(h.pid))
		return libc.capget(header, data);
	h.pid = kernelid(h.pid);
	r = libc.capget(&h, data);
	to->version = h.version;
	return r;
}
