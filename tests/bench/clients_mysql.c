/* SPDX-License-Identifier: MIT */
/*
 * Asks a MariaDB or MySQL server for one row by its key. The table demo.t(id, v) holds the
 * ids 1 to ROWS, and v is "row " and the id; user root has no password.
 *
 * mariadb.com/kb/en/clientserver-protocol: a packet is a length of 3 bytes, little-endian,
 * a sequence number of one byte, and the payload. A result is five packets: number of
 * columns, a column's definition, EOF, a row, EOF.
 */
#include "bench.h"
#include "clients.h"

#include <stdio.h>
#include <string.h>

enum { ROWS = 10000, HEADER = 4, RESULT_PACKETS = 5, ROW_PACKET = 3 };
enum { COM_QUIT = 1, COM_QUERY = 3 };
enum { OK = 0x00, END = 0xfe, ERR = 0xff };       /* the first byte of a payload */
enum { LONG_PASSWORD = 1, PROTOCOL_41 = 0x200, SECURE_CONNECTION = 0x8000 };
enum { UTF8 = 33, MAX_PACKET = 1 << 24 };

static size_t
length(const unsigned char *packet)
{
	return packet[0] | (size_t)packet[1] << 8 | (size_t)packet[2] << 16;
}

/*
 * The payload of packet number wanted in the reply, and its length in n; NULL when it has
 * not come yet.
 */
static const unsigned char *
payload(const struct conn *c, int wanted, size_t *n)
{
	size_t at = 0;

	for(int i = 0; at + HEADER <= c->got; i++) {
		*n = length(c->reply + at);
		if(at + HEADER + *n > c->got)
			break;
		if(*n > 0 && c->reply[at + HEADER] == ERR)
			die(0, "the server says: %.*s", *n > 9 ? (int)*n - 9 : 0, c->reply + at + HEADER + 9);
		if(i == wanted)
			return c->reply + at + HEADER;
		at += HEADER + *n;
	}
	if(c->got == sizeof c->reply)
		die(0, "the server sent more than was asked for");
	return NULL;
}

/* One packet of the login, into reply; returns its first byte. */
static int
login_packet(struct conn *c)
{
	size_t n;

	receive_all(c, c->reply, HEADER);
	n = length(c->reply);
	if(n == 0 || n > sizeof c->reply - HEADER)
		die(0, "no MariaDB server listens there");
	receive_all(c, c->reply + HEADER, n);
	c->got = HEADER + n;
	payload(c, 0, &n);
	return c->reply[HEADER];
}

static void
login(struct conn *c)
{
	struct {
		unsigned char header[HEADER];
		uint32_t capabilities, max_packet;
		unsigned char charset, zero[23];
		char user[sizeof "root"];
		unsigned char password_length;
	} __attribute__((packed)) answer = {
		.header = {sizeof answer - HEADER, 0, 0, 1},
		.capabilities = LONG_PASSWORD | PROTOCOL_41 | SECURE_CONNECTION,
		.max_packet = MAX_PACKET, .charset = UTF8, .user = "root",
	};

	login_packet(c);
	send_all(c, &answer, sizeof answer);
	if(login_packet(c) != OK)
		die(0, "the server wants a password");
}

static void
request(struct conn *c, uint64_t random)
{
	char packet[128];
	int n;

	c->asked = random % ROWS + 1;
	n = snprintf(packet + HEADER, sizeof packet - HEADER, "%cselect v from demo.t where id=%u", COM_QUERY,
	    (unsigned)c->asked);
	memcpy(packet, (unsigned char[HEADER]){(unsigned char)n}, HEADER);
	send_all(c, packet, HEADER + (size_t)n);
}

static int
complete(const struct conn *c)
{
	size_t n;
	const unsigned char *row = payload(c, ROW_PACKET, &n);

	if(row != NULL && n < 9 && row[0] == END)
		die(0, "the server has no row %u", (unsigned)c->asked);
	return payload(c, RESULT_PACKETS - 1, &n) != NULL;
}

static void
check(const struct conn *c)
{
	char want[32];
	size_t n;
	const unsigned char *row = payload(c, ROW_PACKET, &n);
	int len = snprintf(want, sizeof want, "row %u", (unsigned)c->asked);

	if(n != (size_t)len + 1 || row[0] != len || memcmp(row + 1, want, (size_t)len) != 0)
		die(0, "wrong data in row %u", (unsigned)c->asked);
}

static void
logout(struct conn *c)
{
	send_all(c, (unsigned char[]){1, 0, 0, 0, COM_QUIT}, 5);
}

const struct protocol mysql = {"mysql", login, request, complete, check, logout};
