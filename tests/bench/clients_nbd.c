/* SPDX-License-Identifier: MIT */
/*
 * Reads 512 bytes at a time from an NBD server (network block device) that exports
 * nbdkit's pattern: a disk on which every 8 bytes, big-endian, are their own offset.
 *
 * github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md: fixed newstyle handshake,
 * simple replies.
 */
#include "bench.h"
#include "clients.h"

#include <endian.h>
#include <string.h>

enum { BLOCK = 512 };

#define NBDMAGIC      0x4e42444d41474943ull
#define IHAVEOPT      0x49484156454f5054ull
#define REQUEST_MAGIC 0x25609513u
#define REPLY_MAGIC   0x67446698u

enum { FIXED_NEWSTYLE = 1, NO_ZEROES = 2 };     /* handshake flags */
enum { OPT_EXPORT_NAME = 1 };
enum { CMD_READ = 0, CMD_DISC = 2 };

struct request {
	uint32_t magic;
	uint16_t flags, type;
	uint64_t handle, offset;
	uint32_t length;
} __attribute__((packed));

struct reply {
	uint32_t magic, error;
	uint64_t handle;
	unsigned char data[BLOCK];
} __attribute__((packed));

static void
login(struct conn *c)
{
	struct { uint64_t magic, have; uint16_t flags; } __attribute__((packed)) greeting;
	struct { uint32_t flags; uint64_t have; uint32_t option, length; } __attribute__((packed)) choice;
	struct { uint64_t size; uint16_t flags; } __attribute__((packed)) export;
	const unsigned wanted = FIXED_NEWSTYLE | NO_ZEROES;

	receive_all(c, &greeting, sizeof greeting);
	if(be64toh(greeting.magic) != NBDMAGIC || be64toh(greeting.have) != IHAVEOPT)
		die(0, "no NBD server listens there");
	if((be16toh(greeting.flags) & wanted) != wanted)
		die(0, "an NBD server of an old kind");
	choice.flags = htobe32(wanted);
	choice.have = htobe64(IHAVEOPT);
	choice.option = htobe32(OPT_EXPORT_NAME);
	choice.length = 0;
	send_all(c, &choice, sizeof choice);
	receive_all(c, &export, sizeof export);
	c->size = be64toh(export.size);
	if(c->size < BLOCK)
		die(0, "the exported disk is too small");
}

/* The handle, which the reply repeats, is the offset. */
static void
request(struct conn *c, uint64_t random)
{
	struct request r;

	c->asked = random % (c->size / BLOCK) * BLOCK;
	r = (struct request){.magic = htobe32(REQUEST_MAGIC), .type = htobe16(CMD_READ),
	    .handle = htobe64(c->asked), .offset = htobe64(c->asked), .length = htobe32(BLOCK)};
	send_all(c, &r, sizeof r);
}

static int
complete(const struct conn *c)
{
	struct reply r;

	if(c->got > sizeof r)
		die(0, "the server sent more than was asked for");
	/* A reply that tells of an error has no data: do not wait for it. */
	if(c->got >= offsetof(struct reply, data)) {
		memcpy(&r, c->reply, offsetof(struct reply, data));
		if(r.error != 0)
			die((int)be32toh(r.error), "the server reports an error");
	}
	return c->got == sizeof r;
}

static void
check(const struct conn *c)
{
	struct reply r;
	uint64_t word;

	memcpy(&r, c->reply, sizeof r);
	if(be32toh(r.magic) != REPLY_MAGIC || be64toh(r.handle) != c->asked)
		die(0, "a reply to another request");
	for(uint64_t i = 0; i < BLOCK; i += sizeof word) {
		memcpy(&word, r.data + i, sizeof word);
		if(be64toh(word) != c->asked + i)
			die(0, "wrong data at offset %llu", (unsigned long long)(c->asked + i));
	}
}

static void
logout(struct conn *c)
{
	struct request bye = {.magic = htobe32(REQUEST_MAGIC), .type = htobe16(CMD_DISC)};

	send_all(c, &bye, sizeof bye);
}

const struct protocol nbd = {"nbd", login, request, complete, check, logout};
