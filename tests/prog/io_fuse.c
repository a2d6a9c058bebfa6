/* SPDX-License-Identifier: MIT */
/*
 * A file system that is slow: another process serves it (FUSE, include/uapi/linux/fuse.h), and asks threads of this one before each
 * of its answers. All calls on its files wait in the kernel, in ways that nobody can poll for, until those threads have run.
 */
#include "io_util.h"
#include <dirent.h>
#include <linux/fuse.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/select.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

enum { FILES = 8, CLIENTS = 16, SERVERS = 3, SIZE = 4096, ROUNDS = 3, WAYS = 7 };

static char dir[] = "/tmp/io_fuse.XXXXXX";
static unsigned char content[FILES][SIZE];
static int dev, ask[SERVERS][2];
static atomic_int counts[64]; /* requests, by kind */

/* ---- the server; inode 1 is the root, 2 + i is file i ---- */

static struct fuse_attr
attr(uint64_t ino)
{
	return (struct fuse_attr){ .ino = ino, .size = ino == 1 ? 0 : SIZE, .mode = ino == 1 ? S_IFDIR | 0700 : S_IFREG | 0600,
		.nlink = 1, .blksize = SIZE };
}

static void
reply(const struct fuse_in_header *h, int error, const void *data, size_t n)
{
	struct fuse_out_header o = { .len = sizeof o + n, .error = -error, .unique = h->unique };
	struct iovec v[2] = { { &o, sizeof o }, { (void *)data, n } };

	ssize_t r = writev(dev, v, n > 0 ? 2 : 1);

	if(r == -1 && errno == ENOENT)
		EQ(h->opcode, FUSE_RELEASE); /* for whose answer nobody waits: the file system is gone */
	else
		EQ(r, o.len);
}

#define REPLY(h, data) reply(h, 0, &(data), sizeof(data))

static void
lookup(const struct fuse_in_header *h, const char *name)
{
	struct fuse_entry_out o = { .nodeid = 2 + atoi(name) };

	o.attr = attr(o.nodeid);
	if(name[0] < '0' || name[0] >= '0' + FILES || name[1] != '\0')
		reply(h, ENOENT, NULL, 0);
	else
		REPLY(h, o);
}

static void
readdirs(const struct fuse_in_header *h, const struct fuse_read_in *in)
{
	char b[64 * FILES] = "";
	size_t n = 0;

	for(uint64_t i = in->offset; i < FILES; i++) {
		struct fuse_dirent *d = (void *)(b + n);
		*d = (struct fuse_dirent){ .ino = 2 + i, .off = i + 1, .namelen = 1, .type = DT_REG };
		d->name[0] = '0' + i;
		n += FUSE_DIRENT_SIZE(d);
	}
	reply(h, 0, b, n);
}

/* A file is ready from each write to the next read; whoever has asked when it was not is told. */
static pthread_mutex_t readylock = PTHREAD_MUTEX_INITIALIZER;
static bool ready[FILES], asked[FILES];
static uint64_t handle[FILES];

static void
polled(const struct fuse_in_header *h, const struct fuse_poll_in *in)
{
	int i = h->nodeid - 2;
	struct fuse_poll_out o = { 0 };

	pthread_mutex_lock(&readylock);
	if(in->flags & FUSE_POLL_SCHEDULE_NOTIFY) {
		handle[i] = in->kh;
		asked[i] = true;
	}
	o.revents = POLLOUT | (ready[i] ? POLLIN : 0);
	pthread_mutex_unlock(&readylock);
	REPLY(h, o);
}

static void
turns(int i, bool to)
{
	struct fuse_notify_poll_wakeup_out w;
	struct fuse_out_header o = { .len = sizeof o + sizeof w, .error = FUSE_NOTIFY_POLL };
	struct iovec v[2] = { { &o, sizeof o }, { &w, sizeof w } };

	pthread_mutex_lock(&readylock);
	ready[i] = to;
	w.kh = handle[i];
	if(to && asked[i])
		EQ(writev(dev, v, 2), o.len);
	pthread_mutex_unlock(&readylock);
}

static void
serve(const struct fuse_in_header *h)
{
	const void *in = h + 1;
	const struct fuse_read_in *rd = in;
	const struct fuse_write_in *wr = in;
	unsigned char *file = h->nodeid > 1 ? content[h->nodeid - 2] : NULL;

	switch(h->opcode) {
	case FUSE_INIT:
		REPLY(h, ((struct fuse_init_out){ .major = 7, .minor = 31, .max_write = SIZE, .max_background = 8, .flags = FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS }));
		break;
	case FUSE_LOOKUP:
		lookup(h, in);
		break;
	case FUSE_GETATTR:
		REPLY(h, ((struct fuse_attr_out){ .attr = attr(h->nodeid) }));
		break;
	case FUSE_OPEN:
		REPLY(h, ((struct fuse_open_out){ .open_flags = FOPEN_DIRECT_IO }));
		break;
	case FUSE_OPENDIR:
		REPLY(h, ((struct fuse_open_out){ .fh = 0 }));
		break;
	case FUSE_POLL:
		polled(h, in);
		break;
	case FUSE_READ:
		turns(h->nodeid - 2, false);
		reply(h, 0, file + rd->offset, rd->offset + rd->size > SIZE ? SIZE - rd->offset : rd->size);
		break;
	case FUSE_READDIR:
		readdirs(h, rd);
		break;
	case FUSE_WRITE:
		CHECK(wr->offset + wr->size <= SIZE);
		memcpy(file + wr->offset, wr + 1, wr->size);
		REPLY(h, ((struct fuse_write_out){ .size = wr->size }));
		turns(h->nodeid - 2, true);
		break;
	case FUSE_STATFS:
		REPLY(h, ((struct fuse_statfs_out){ .st = { .bsize = 512, .namelen = 77, .frsize = 512 } }));
		break;
	case FUSE_SETLK:
	case FUSE_SETLKW:
	case FUSE_FSYNC:
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		reply(h, 0, NULL, 0);
		break;
	case FUSE_IOCTL:
		REPLY(h, ((struct fuse_ioctl_out){ .result = 42 }));
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break; /* no answer is due */
	default:
		reply(h, ENOSYS, NULL, 0);
	}
}

static void *
server(void *arg)
{
	char *b = malloc(1 << 16);
	struct fuse_in_header *h = (void *)b;
	ssize_t n;

	while((n = read(dev, b, 1 << 16)) > 0) {
		EQ(n, h->len);
		if(h->opcode < nelem(counts))
			counts[h->opcode]++;
		talkto(ask[(intptr_t)arg][1], 1);
		serve(h);
	}
	EQ(errno, ENODEV); /* it is no longer mounted */
	free(b);
	return NULL;
}

/* The process that serves. With it ends the file system, even if the other one is killed and cannot end before. */
static void
serves(void)
{
	for(int i = 0; i < SERVERS; i++)
		OK(close(ask[i][0]));
	joinall(spawnall(SERVERS, server), SERVERS);
	EQ(counts[FUSE_FSYNC], CLIENTS * ROUNDS);
	EQ(counts[FUSE_IOCTL], CLIENTS * ROUNDS);
	EQ(counts[FUSE_STATFS], 3 * CLIENTS * ROUNDS);
	CHECK(counts[FUSE_SETLK] + counts[FUSE_SETLKW] >= CLIENTS * ROUNDS);
	EQ(counts[FUSE_OPEN], CLIENTS * ROUNDS + WAYS);
	CHECK(counts[FUSE_FLUSH] >= CLIENTS * ROUNDS);
	_exit(0);
}

/* ---- clients: two for each file, a half each ---- */

static void
name(char b[64], int i)
{
	snprintf(b, 64, "%s/%d", dir, i % FILES);
}

static void
data(int fd, int i, int round)
{
	unsigned char b[SIZE / 2];
	off_t o = i < FILES ? 0 : SIZE / 2;
	struct iovec v = { b, sizeof b };

	fill(b, sizeof b, i, round);
	EQ(round % 2 ? pwritev(fd, &v, 1, o) : pwrite(fd, b, sizeof b, o), sizeof b);
	memset(b, 0, sizeof b);
	OK(lseek(fd, o, SEEK_SET));
	EQ(round % 2 ? read(fd, b, sizeof b) : readv(fd, &v, 1), sizeof b);
	CHECK(filled(b, sizeof b, i, round));
	memset(b, 0, sizeof b);
	EQ(pread(fd, b, sizeof b, o), sizeof b);
	CHECK(filled(b, sizeof b, i, round));
}

static void
files(const char *path)
{
	struct stat st;
	struct statfs fs;
	struct statvfs vfs;

	OK(stat(path, &st));
	EQ(st.st_size, SIZE);
	OK(statfs(path, &fs));
	EQ(fs.f_namelen, 77);
	OK(statvfs(path, &vfs));
	EQ(vfs.f_namemax, 77);
}

static void
list(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int seen = 0;

	CHECK(d);
	while((e = readdir(d)))
		seen |= 1 << (e->d_name[0] - '0');
	EQ(seen, (1 << FILES) - 1);
	OK(closedir(d));
}

static void *
client(void *arg)
{
	int i = (intptr_t)arg, fd;
	char b[64];
	struct statfs fs;

	name(b, i);
	for(int round = 0; round < ROUNDS; round++) {
		fd = OK(open(b, O_RDWR));
		data(fd, i, round);
		EQ(i % 2 ? fsync(fd) : fdatasync(fd), 0);
		OK(fstatfs(fd, &fs));
		EQ(i % 2 ? flock(fd, LOCK_SH) : fcntl(fd, F_SETLK, &(struct flock){ .l_type = F_RDLCK }), 0);
		EQ(ioctl(fd, _IO('h', 1), NULL), 42);
		OK(close(fd));
		files(b);
		list();
	}
	snprintf(b, sizeof b, "%s/x", dir);
	FAILS(open(b, O_RDONLY), ENOENT);
	return NULL;
}

/* ---- polling: the server is asked at each look, also those of the kernel's for epoll ---- */

/* Looks at the file, with a time-out of ms milliseconds, in one of the ways there are: is it ready to be read? */
static bool
look(int way, int fd, int ep, int outer, int ms)
{
	struct pollfd p[2] = { { fd, POLLIN, 0 }, { ep, POLLIN, 0 } };
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };
	struct epoll_event ev;
	fd_set set;
	int n;

	switch(way) {
	case 0:
		return poll(p, 1, ms) == 1 && p[0].revents == POLLIN;
	case 1:
		FD_ZERO(&set);
		FD_SET(fd, &set);
		return select(fd + 1, &set, NULL, NULL, ms < 0 ? NULL : &tv) == 1;
	case 2:
		return epoll_wait(ep, &ev, 1, ms) == 1;
	case 3:
		return poll(p + 1, 1, ms) == 1;
	case 4:
		return epoll_wait(outer, &ev, 1, ms) == 1;
	case 5:
		return (n = poll(p, 2, ms)) > 0 && (p[0].revents | p[1].revents) == POLLIN;
	default:
		ep = OK(dup(ep));
		n = epoll_wait(ep, &ev, 1, ms);
		OK(close(ep));
		return n == 1;
	}
}

static void *
poller(void *arg)
{
	int way = (intptr_t)arg, fd, ep = OK(epoll_create1(0)), outer = OK(epoll_create1(0));
	struct epoll_event ev = { EPOLLIN, { 0 } };
	char b[64];

	name(b, way);
	fd = OK(open(b, O_RDWR));
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	OK(epoll_ctl(outer, EPOLL_CTL_ADD, ep, &ev));
	for(int round = 0; round < ROUNDS; round++) {
		EQ(pread(fd, b, 1, 0), 1);
		CHECK(!look(way, fd, ep, outer, 0));
		CHECK(!look(way, fd, ep, outer, 5));
		pthread_t t = spawn(kickfd, FDARG(fd));
		CHECK(look(way, fd, ep, outer, -1));
		join(t);
		CHECK(look(way, fd, ep, outer, 0));
		OK(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev));
	}
	OK(epoll_ctl(ep, EPOLL_CTL_DEL, fd, &ev));
	OK(close(outer)), OK(close(ep)), OK(close(fd));
	return NULL;
}

/* What is not there, or not for us, is skipped. */
static void
need(long r, const char *what)
{
	if(r >= 0)
		return;
	fprintf(stderr, "no %s here: %s\n", what, strerror(errno));
	exit(77);
}

int
main(void)
{
	char options[100];
	pthread_t t[SERVERS];
	pid_t pid;

	need(unshare(CLONE_NEWNS), "mount namespace");
	need(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "mount namespace");
	CHECK(mkdtemp(dir));
	if((dev = open("/dev/fuse", O_RDWR | O_CLOEXEC)) >= 0)
		snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=%d,group_id=%d", dev, getuid(), getgid());
	if(dev < 0 || mount("io_fuse", dir, "fuse", MS_NOSUID | MS_NODEV, options) != 0) {
		int e = errno;
		OK(rmdir(dir));
		errno = e;
		need(-1, "FUSE");
	}
	for(int k = 0; k < SERVERS; k++)
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ask[k]));
	if((pid = forkclean()) == 0)
		serves();
	OK(close(dev));
	for(int k = 0; k < SERVERS; k++) {
		OK(close(ask[k][1]));
		t[k] = spawn(echofd, FDARG(ask[k][0]));
	}
	joinall(spawnall(CLIENTS, client), CLIENTS);
	pass("served");
	joinall(spawnall(WAYS, poller), WAYS);
	pass("polled");
	OK(umount(dir));
	EQ(reap(pid), 0);
	for(int k = 0; k < SERVERS; k++) {
		join(t[k]);
		OK(close(ask[k][0]));
	}
	OK(rmdir(dir));
	pass("unmounted");
	return 0;
}
