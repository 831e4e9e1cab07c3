/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The leader's side of the sandbox's network: what names.c and door.c share. See net.h. */
#ifndef LIBOS_NET_LEADER_H
#define LIBOS_NET_LEADER_H

#include "libos/net/net.h"
#include "libos/coord/area.h"

/* A socket whose far end is here. */
struct net_entry {
	struct net_entry *next;	/* of the same hash, once it has a name */
	u32 index;		/* of its record */
	int far;
	u16 reuse;		/* NET_REUSE_*, as it was bound */
	bool named, watched;
	bool auto_port;		/* the name was given by connect: it goes with the peer */
	bool was_any;		/* bound to a wildcard, which connect made one address */
	unsigned unit;		/* what one waiting connection counts for on the host; 0: not known yet */
};

static inline struct net_record *net_record_of(const struct net_entry *e)
{
	return &the_area->net[e->index];
}

/* ---- names.c ---- */
/* An entry by what a holder says of it; NULL. */
struct net_entry *net_entry_find(u32 index, u64 cookie);
/* The best receiver for what `from` sends to `to`; NULL: nobody. Those found dead are forgotten on the way. */
struct net_entry *net_entry_at(const struct net_record *asker, const struct net_addr *to, const struct net_addr *from);
void net_unname(struct net_entry *e); /* the record still says what its name was */
/* Forget e. keep_record: it goes on without a far end here. */
void net_entry_drop(struct net_entry *e, bool keep_record);
/* A free record for host socket fd, made like `like`; its index, or -ENFILE. */
int net_record_take(int fd, const struct net_record *like);
void net_record_give(u32 index);
/* A port of that kind that nobody has. 0: none. */
u16 net_port_free(const struct net_record *r);
int net_bind_entry(struct net_entry *e, const struct net_addr *addr, u16 reuse, u32 uid);

/* ---- door.c ---- */
int net_connect_entry(struct net_entry *e, const struct net_ask *q);
/* Whose far end e may have to send to `to`; NULL: nobody is there, or ERR_PTR. */
struct net_entry *net_door_find(struct net_entry *e, const struct net_addr *to);

#endif
