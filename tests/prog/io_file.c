/* SPDX-License-Identifier: MIT */
/* Regular files: many threads read, write, append and seek, by every call, also past 2 GiB. */
#include "io_util.h"

enum { NT = 40, BLK = 4096, NBLK = 64 };

static int fd;
static char path[] = "/tmp/io_file.XXXXXX";

static void *
preader(void *arg)
{
	unsigned char b[BLK], c[BLK];
	uint32_t x = (intptr_t)arg + 1;
	for(int i = 0, n = scale(50); i < n; i++) {
		x = x * 1664525 + 1013904223;
		off_t o = (x >> 8) % NBLK * BLK;
		EQ(pread(fd, b, BLK, o), BLK);
		CHECK(filled(b, BLK, 3, o));
		struct iovec v[2] = { { b, 100 }, { c, BLK - 100 } };
		EQ(preadv(fd, v, 2, o), BLK);
		CHECK(filled(b, 100, 3, o) && filled(c, BLK - 100, 3, o + 100));
		EQ(preadv2(fd, v, 2, o, 0), BLK);
		int g = OK(open(path, O_RDONLY));
		EQ(lseek(g, o, SEEK_SET), o);
		EQ(read(g, b, BLK), BLK);
		CHECK(filled(b, BLK, 3, o));
		EQ(lseek(g, 0, SEEK_CUR), o + BLK);
		OK(close(g));
	}
	return NULL;
}

static void *
pwriter(void *arg)
{
	unsigned char b[BLK];
	for(int k = (intptr_t)arg; k < NBLK; k += NT / 4) {
		fill(b, BLK, 3, (size_t)k * BLK);
		struct iovec v[2] = { { b, 7 }, { b + 7, BLK - 7 } };
		if(k % 3 == 0)
			EQ(pwrite(fd, b, BLK, (off_t)k * BLK), BLK);
		else if(k % 3 == 1)
			EQ(pwritev(fd, v, 2, (off_t)k * BLK), BLK);
		else
			EQ(pwritev2(fd, v, 2, (off_t)k * BLK, RWF_DSYNC), BLK);
		if(k % 8 == 0)
			OK(fdatasync(fd));
	}
	return NULL;
}

static void *
appender(void *arg)
{
	char line[32];
	int g = OK(open(path, O_WRONLY | O_APPEND));
	for(int i = 0, n = scale(100); i < n; i++) {
		int len = sprintf(line, "%03d %06d\n", (int)(intptr_t)arg, i);
		EQ(write(g, line, len), len);
	}
	OK(fsync(g));
	OK(close(g));
	return NULL;
}

static _Atomic int64_t shared;

/* A shared file position: reads by many threads give each block once. */
static void *
sharedreader(void *arg)
{
	unsigned char b[BLK];
	ssize_t n;
	while((n = read(fd, b, BLK)) > 0) {
		EQ(n, BLK);
		/* Which block it is, its contents tell: find it. */
		int k = 0;
		while(k < NBLK && !filled(b, BLK, 3, (size_t)k * BLK))
			k++;
		CHECK(k < NBLK);
		int64_t old = atomic_fetch_or(&shared, 1ll << k);
		CHECK(!(old & 1ll << k));
	}
	EQ(n, 0);
	return NULL;
}

int
main(void)
{
	fd = OK(mkstemp(path));
	joinall(spawnall(NT / 4, pwriter), NT / 4);
	OK(fsync(fd));
	EQ(lseek(fd, 0, SEEK_END), NBLK * BLK);
	pass("writers");
	joinall(spawnall(NT, preader), NT);
	pass("readers");
	OK(lseek(fd, 0, SEEK_SET));
	joinall(spawnall(8, sharedreader), 8);
	EQ(shared, -1);
	pass("shared position");

	OK(ftruncate(fd, 0));
	joinall(spawnall(NT, appender), NT);
	int next[NT] = { 0 }, id, seq, lines = 0;
	FILE *f = fopen(path, "r");
	CHECK(f);
	while(fscanf(f, "%d %d\n", &id, &seq) == 2) {
		CHECK(id >= 0 && id < NT);
		EQ(seq, next[id]++);
		lines++;
	}
	CHECK(feof(f));
	fclose(f);
	EQ(lines, NT * scale(100));
	pass("appenders");

	OK(ftruncate(fd, 0));
	off_t far = (off_t)5 << 30;
	EQ(pwrite64(fd, "far", 3, far), 3);
	char b[8] = "";
	EQ(pread64(fd, b, 8, far), 3);
	CHECK(memcmp(b, "far", 3) == 0);
	EQ(lseek64(fd, 0, SEEK_END), far + 3);
	EQ(pread(fd, b, 8, far + 3), 0);
	FAILS(pread(fd, b, 8, -1), EINVAL);
	FAILS(read(HIDE(12345), b, 1), EBADF);
	int dfd = OK(open("/tmp", O_RDONLY | O_DIRECTORY));
	FAILS(read(dfd, b, 1), EISDIR);
	OK(close(dfd));
	OK(close(fd));
	OK(unlink(path));
	pass("far offsets");
	return 0;
}
