/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Peers outside the sandbox, where its policy has any (GRANT_DIAL): the monitor holds the socket and carries what is
 * said; the guest's end is one of a pair.
 *
 * A stream becomes one of the sandbox's own connected streams (net.h) with the peer's name. Datagrams have one peer at
 * a time, whether connected or only sent to: struct out says who it is, and whether the pair is there yet. A connect
 * makes it only if nobody has to be asked about it; else the first datagram does, since connect is also how programs
 * ask for routes.
 */
#ifndef LIBOS_NET_OUT_H
#define LIBOS_NET_OUT_H

#include "libos/net/net.h"

struct out {
	struct net_addr remote;
	bool connected; /* by the guest; else it sends to it */
	bool dialed;	/* the host socket is the end of a pair that leads to remote */
};

static inline struct out *to_out(const struct file *f)
{
	return to_sock(f)->out;
}

/* Is this for somebody outside, whatever the sandbox's own network would say? */
bool out_first(const struct file *f, const void *addr, unsigned len);
/* connect(2), once the sandbox's own network said r. The result that holds. */
int out_connect(struct file *f, const void *addr, unsigned len, int r);
/* How the connect of a stream went, that was not waited for: told once. 0, -errno; -EALREADY: it is under way. */
int out_outcome(struct file *f);
/* What its own network would say to a socket whose connect failed so: it knows nothing of it any more. -errno. */
int out_again(const struct net_addr *to);
/* The socket has such a peer: a connect to somebody else; 1: to whom it is, is not for us. */
int out_reconnect(struct file *f, const void *addr, unsigned len);
/* Before a datagram is sent, to addr or to the peer: 0, -errno, or 1 if it is not for us. */
int out_send(struct file *f, const void *addr, unsigned len);
void out_name(const struct file *f, bool peer, void *addr, unsigned *len);
int out_setsockopt(struct file *f, int level, int name, const void *value, unsigned len);
int out_getsockopt(struct file *f, int level, int name, void *value, unsigned *len);
void out_save(const struct file *f, struct buf *b);
struct out *out_load(struct cursor *c); /* ERR_PTR */

#endif
