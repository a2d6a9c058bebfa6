/* SPDX-License-Identifier: MIT */
/*
 * An address of the loopback's that only this program uses.
 *
 * What all programs do at 127.0.0.1 meets there: the tens of thousands of connections that a busy one has left in TIME_WAIT
 * take all ports (bind says EADDRINUSE for a minute), a port that was closed is at once another's, and a connection to it
 * that should be refused gets through, even to itself.
 */
#ifndef LOOPBACK_H
#define LOOPBACK_H

#include <arpa/inet.h>
#include <unistd.h>

/* In network byte order; the same in children of who has asked. */
__attribute__((unused)) static in_addr_t
loopback(void)
{
	static in_addr_t mine;

	if(mine == 0)
		mine = htonl(0x7f000001 + (getpid() % 0xffff << 8));
	return mine;
}

#endif
