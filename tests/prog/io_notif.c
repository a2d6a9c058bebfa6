/* SPDX-License-Identifier: MIT */
/*
 * ioctl that waits: SECCOMP_IOCTL_NOTIF_RECV, by which threads receive the system calls that processes under a filter want to make,
 * and answer in the kernel's place. The descriptor of the filter is another kind to poll as well.
 */
#include "others.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

enum { N = 8, CALLS = 40 };

/* In the child: getppid is for the supervisor to answer. */
static int
filtered(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { nelem(f), f };

	OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
}

/* The child's end: its calls have the answers that the parent's threads give, plus one by its own count. */
static void
child(int sock)
{
	int fd = filtered();

	if(fd < 0)
		_exit(77);
	passfd(sock, fd, 'f');
	OK(close(fd));
	for(int i = 0; i < CALLS; i++)
		EQ(syscall(SYS_getppid, i), 1000 + i);
	_exit(0);
}

static int
received(int sock)
{
	union {
		struct cmsghdr h;
		char b[CMSG_SPACE(sizeof(int))];
	} u = { 0 };
	char tag;
	struct msghdr m = { .msg_iov = &(struct iovec){ &tag, 1 }, .msg_iovlen = 1, .msg_control = u.b, .msg_controllen = sizeof u.b };
	int fd;

	if(OK(recvmsg(sock, &m, 0)) == 0)
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
	return fd;
}

/* Some poll first: with the end of the process comes a hang-up. */
static bool
comes(int fd, bool first)
{
	struct pollfd p = { fd, POLLIN, 0 };

	if(!first)
		return true;
	EQ(poll(&p, 1, 20000), 1);
	CHECK(p.revents & (POLLIN | POLLHUP));
	return p.revents & POLLIN;
}

static void *
supervises(void *arg)
{
	int n = (intptr_t)arg, s[2], fd;
	pid_t pid;

	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	if((pid = forkclean()) == 0)
		child(s[1]);
	OK(close(s[1]));
	if((fd = received(s[0])) < 0) {
		EQ(reap(pid), 77 << 8);
		exit(77);
	}
	for(int i = 0; i < CALLS; i++) {
		struct seccomp_notif q = { 0 };
		CHECK(comes(fd, n % 2));
		OK(ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &q));
		EQ(q.pid, pid);
		EQ(q.data.nr, SYS_getppid);
		EQ(q.data.args[0], i);
		if(i % 8 == 0)
			nudge();
		struct seccomp_notif_resp r = { .id = q.id, .val = 1000 + i };
		OK(ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &r));
	}
	EQ(reap(pid), 0);
	CHECK(!comes(fd, true));
	OK(close(fd)), OK(close(s[0]));
	return NULL;
}

int
main(void)
{
	pthread_t w;

	workpause = 1000;
	w = spawn(worker, NULL);
	joinall(spawnall(N, supervises), N);
	over = true;
	join(w);
	pass("answered");
	return 0;
}
