/* SPDX-License-Identifier: MIT */
/* What clients.c asks of a protocol. A protocol calls die() when the server breaks it. */
#ifndef CLIENTS_H
#define CLIENTS_H

#include <stddef.h>
#include <stdint.h>

struct conn {
	int fd;
	uint64_t asked, size;       /* the protocol's own */
	int64_t sent_at;
	size_t got;                 /* bytes of reply that have come */
	unsigned char reply[1024];
};

struct protocol {
	const char *name;
	void (*login)(struct conn *c);                    /* on a blocking socket */
	void (*request)(struct conn *c, uint64_t random); /* random chooses what is asked for */
	int (*complete)(const struct conn *c);            /* is the reply all there? */
	void (*check)(const struct conn *c);              /* is it right? */
	void (*logout)(struct conn *c);                   /* the server is to close then */
};

extern const struct protocol nbd, mysql;

/* Receive or send exactly n bytes, or die. */
void receive_all(struct conn *c, void *buf, size_t n);
void send_all(struct conn *c, const void *buf, size_t n);

#endif
