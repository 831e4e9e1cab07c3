/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What all holders of a socket of the sandbox's own network must agree on: its record in the sandbox area. See net.h.
 *
 * The leader alone gives records out and takes them back, and writes names into them; the words said to be atomic are
 * anybody's who holds the socket. A record belongs to the host socket that has its cookie (SO_COOKIE: never used twice),
 * so a holder whose record was given to another notices.
 */
#ifndef LIBOS_NET_RECORD_H
#define LIBOS_NET_RECORD_H

#include "pal/base/types.h"

/* An address in one form for all: IPv4 is ::ffff:a.b.c.d, wildcards are ::ffff:0.0.0.0 and ::. */
struct net_addr {
	u16 family;	/* AF_UNIX, AF_INET6 for both internets, 0: none */
	u16 len;	/* unix: bytes of path */
	u16 port;	/* host order */
	union {
		u8 ip[16];
		char path[110];
	};
};

enum net_flags {
	NET_LISTENING = 1,
	NET_CONNECTED = 2,
	NET_CONNECTING = 4,  /* connected, but the guest has not been told: connect again, or SO_ERROR */
	NET_REFUSED = 8,     /* what was begun with O_NONBLOCK has failed */
	NET_SHUT_WRITE = 16, /* datagrams: none are sent any more */
	NET_RELEASED = 32,   /* somebody let go of it: a hint that the record may be wanted no longer */
};

#define NET_OPTIONS 32
#define NET_RECORDS 8192

struct net_record {
	u64 cookie;	/* atomic; 0: free */
	u64 ino;	/* of the socket, as fstat tells it */
	u16 domain, type, protocol, pad;
	u32 flags;	/* atomic: enum net_flags */
	s32 error;	/* atomic: errno that waits for SO_ERROR */
	u32 backlog;
	u32 uid;	/* whose it is */
	u32 peer[3];	/* listening: the listener's pid, uid, gid. Connected: the other side's */
	u32 linger[2];	/* SO_LINGER; atomic words, as the next */
	s32 option[NET_OPTIONS];
	struct net_addr local, remote; /* remote: written by connect only */
};

#endif
