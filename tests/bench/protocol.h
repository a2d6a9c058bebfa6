/* SPDX-License-Identifier: MIT */
/*
 * What the load generator asks of each kind of server.
 *
 * All answers of a server are equally long and, but for the date in a HTTP header, the
 * same. So only the first is parsed, to learn its length; of the others the
 * length, the beginning and the end are compared.
 */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT100 "a hundred bytes of text, which is what is kept in caches more often than anything else, as is said:"

struct protocol {
	const char *name;
	const char *prepare;    /* sent once before all else, or NULL; prepared is the whole answer */
	const char *prepared;
	const char *request;
	/* The length of the answer that buf[0..n) begins with, 0 if there is too little to say. */
	size_t (*length)(const char *buf, size_t n);
};

static size_t
length_echo(const char *buf, size_t n)
{
	(void)buf;
	(void)n;
	return 64;
}

/* One value: a line with its length as the last word, the value, an empty end, "END". */
static size_t
length_memcached(const char *buf, size_t n)
{
	char key[32];
	int flags, size, header;

	if(memchr(buf, '\n', n) == NULL)
		return 0;
	if(sscanf(buf, "VALUE %31s %d %d%n", key, &flags, &size, &header) != 3)
		die(0, "not a value of memcached's: %.40s", buf);
	return (size_t)header + 2 + (size_t)size + strlen("\r\nEND\r\n");
}

static size_t
length_redis(const char *buf, size_t n)
{
	int size, header;

	if(memchr(buf, '\n', n) == NULL)
		return 0;
	if(sscanf(buf, "$%d%n", &size, &header) != 1 || size < 0)
		die(0, "not a value of Redis's: %.40s", buf);
	return (size_t)header + 2 + (size_t)size + 2;
}

static size_t
length_http(const char *buf, size_t n)
{
	const char *end = memmem(buf, n, "\r\n\r\n", 4), *field;

	if(end == NULL)
		return 0;
	if(strncmp(buf, "HTTP/1.1 200", 12) != 0 || (field = strcasestr(buf, "\ncontent-length:")) == NULL || field > end)
		die(0, "not the answer of an HTTP server: %.40s", buf);
	return (size_t)(end + 4 - buf) + strtoul(strchr(field, ':') + 1, NULL, 10);
}

static const struct protocol protocols[] = {
	{"echo", NULL, NULL, "sixty-four bytes of text that the server is to send back as is..", length_echo},
	{"memcached", "set key 0 0 100\r\n" TEXT100 "\n\r\n", "STORED\r\n", "get key\r\n", length_memcached},
	{"redis", "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$100\r\n" TEXT100 "\n\r\n", "+OK\r\n",
	    "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n", length_redis},
	{"http", NULL, NULL, "GET /file HTTP/1.1\r\nHost: localhost\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n", length_http},
};

static inline const struct protocol *
find_protocol(const char *name)
{
	for(size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++)
		if(strcmp(name, protocols[i].name) == 0)
			return &protocols[i];
	die(0, "unknown protocol \"%s\"", name);
}

#endif
