/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A network for one sandbox, made of socket pairs. It serves where the host grants no network namespace and its filter
 * lets no socket be made but a pair (GRANT_BROKER_SOCK): then nothing in a picoprocess could reach a socket of the host.
 *
 *	socket()   a pair. One end is the guest's socket, for good; the other, the far end, goes to the leader with the
 *		   first question about the socket, or before another process gets a copy
 *	bind       the leader writes the name down; a name lives while the far end hears no hang-up
 *	connect    the leader sends the connecting socket's far end through the listener's, with a header
 *	accept     receives such a far end: the two processes are connected, the leader has nothing more to do
 *	send to    the leader lends the receiver's far end (a "door"), through which datagrams go with a header
 *
 *        connecting process           leader                 listening process
 *          A ====== B ....socket.....> B
 *                                      L <....listen........ L ====== M      M: the guest's socket
 *            CONNECT ----------------> B --through L-------> M  accept: B
 *          A ========================================================= B
 *
 * So blocking, poll, epoll, fork, SCM_RIGHTS, shutdown and the end of file are the host's own, and data never passes
 * through a third process. The leader is asked once for each connect and each new receiver; it answers in the area, in
 * the slot of the asking thread, which sleeps there, or, where a descriptor is asked for, by one that came along.
 *
 * What two holders of one socket must agree on lies in its record (record.h). A connected socket's record is nobody's to
 * take back, since no far end is left to hear its end: when records run out, those are used again that somebody let
 * go of, then the oldest. A holder keeps a copy of the names for that case.
 *
 *   addr.c    addresses in and out
 *   ask.c     asking the leader; making sockets
 *   stream.c  streams: connect, accept, and names of all; dgram.c: datagrams; option.c: options; file.c: as open files
 *   names.c   the leader: sockets and their names; door.c: the leader's connects and loans
 */
#ifndef LIBOS_NET_NET_H
#define LIBOS_NET_NET_H

#include "libos/fs/sock.h"
#include "libos/net/record.h"

/* ---- questions to the leader ---- */
enum net_op {
	NET_NEW = 1,	/* nothing else: note the socket */
	NET_BIND,
	NET_LISTEN,
	NET_CONNECT,	/* streams: to addr. Datagrams: note the peer; family 0: none */
	NET_DOOR,	/* datagrams: lend the far end of whoever is at addr */
};

struct net_ask {
	u32 op;
	u32 index;	/* the asker's record */
	u64 cookie;
	u64 ino;	/* first */
	u16 domain, type, protocol; /* first */
	u16 first;	/* not 0: the socket is new to the leader, and the descriptor is its far end */
	s32 tid;	/* who asks; the answer is that to question number */
	u32 number;
	u16 reuse;	/* NET_REUSE_* */
	u32 who[3];	/* pid, uid, gid of the asking process, as its guest sees them */
	u32 value;	/* LISTEN: backlog. CONNECT: not 0: a refusal is final, and told by the socket itself */
	struct net_addr addr;
};
#define NET_REUSE_ADDR 1u
#define NET_REUSE_PORT 2u
#define NET_V6ONLY 4u

struct net_answer {
	s32 error;
	u32 index;	/* first: of the new record, NET_RECORDS: none. DOOR: of the receiver's */
	u64 cookie;	/* DOOR: the receiver's */
};

/* What goes before the descriptor of a new connection; whole, or not at all. */
struct net_arrival {
	u32 index;	/* record of the accepted side */
	u32 pad;
	u64 cookie;
	struct net_addr local, remote;
};

/* What goes before each datagram. */
struct net_gram {
	struct net_addr from;
};

/* ---- one socket, in one process ---- */
#define NET_DOORS 4
struct net_door {
	int fd;		/* -1: none */
	u32 index;
	u64 cookie;
	struct net_addr to;
};

/* sock->net; f->lock guards the doors and is held over questions for them, and over the first */
struct net {
	u32 index;	/* of the record */
	u64 cookie;
	struct net_record *early; /* what stands for the record as long as the leader knows nothing; until release */
	int far;	/* till then: the far end. -1: the leader has been told. Guarded by f->lock, read by anyone */
	u32 ticket; /* atomic: of the connect that nobody waited for (out.c); 0: none, or it was told how it went */
	u16 protocol;
	bool settled;	/* a connected stream: the names below will not change */
	bool failed;	/* but its connect to a peer outside came to nothing, and that was told: it may try again */
	struct net_addr local, remote;
	struct net_door door[NET_DOORS];
	unsigned next_door;
};

extern const struct file_ops net_file_ops;   /* file.c: any state */
extern const struct file_ops net_stream_ops; /* a connected stream: reads and writes are the host's */

/* The socket's record, NULL when it was given away. */
struct net_record *net_record(const struct file *f);
static inline struct net *to_net(const struct file *f)
{
	return to_sock(f)->net;
}
static inline bool net_is_gram(const struct file *f)
{
	return to_sock(f)->type == SOCK_DGRAM;
}
static inline u32 net_state(const struct file *f)
{
	struct net_record *r = net_record(f);

	return r ? atomic_load(&r->flags) : to_net(f)->settled && !to_net(f)->failed ? NET_CONNECTED : 0;
}
/* The error that waits, taken: 0 or -errno. */
int net_take_error(const struct file *f);

void net_save(struct file *f, struct buf *b); /* introduces it */
struct net *net_load(struct cursor *c); /* ERR_PTR */

/* ---- addr.c ---- */
/* A guest's address for a socket of f's domain; -EINVAL, -EAFNOSUPPORT. AF_UNSPEC gives family 0. */
int net_addr_read(const struct file *f, const void *addr, unsigned len, struct net_addr *out);
/* And back: the host's form, as for a host socket of that domain. */
void net_addr_write(int domain, const struct net_addr *a, void *out, unsigned *len);
bool net_is_v4(const struct net_addr *a);
bool net_is_any(const struct net_addr *a);
bool net_is_local(const struct net_addr *a); /* an address of the loopback, or a wildcard */
bool net_same(const struct net_addr *a, const struct net_addr *b);
/* Where a datagram or connection to a wildcard goes: the loopback of its family. */
void net_concrete(struct net_addr *a);
/* The address that others see of a socket bound to `local` that speaks to `to`. */
struct net_addr net_source(const struct net_addr *local, const struct net_addr *to);

/* ---- ask.c ---- */
/* Send q for f and await the answer; door, if not NULL, gets the descriptor that came. The answer's error. */
int net_ask(struct file *f, struct net_ask *q, struct net_answer *a, int *door);
int net_ask_op(struct file *f, u32 op, const struct net_addr *addr);
/* Tell the leader of the socket, if it has not been told. */
int net_introduce(struct file *f);
/* And of all the calling process's: before another process gets copies of its descriptors. */
void net_introduce_all(void);
/* A file for a new socket. ERR_PTR. */
struct file *net_create(int domain, int type, int protocol, int flags);
/* A file for a host socket that came from elsewhere, if it is one of ours; NULL if not. Takes fd only then. */
struct file *net_from_host(int fd, int flags);
/* A file for host socket fd with that record. Takes fd only on success. */
struct file *net_file_create(int fd, u32 index, u64 cookie, int flags);
void net_settle(struct file *f); /* it is a connected stream now */

/* ---- stream.c, dgram.c, option.c: as the host's calls of these names ---- */
int net_bind(struct file *f, const void *addr, unsigned len);
int net_listen(struct file *f, int backlog);
int net_connect(struct file *f, const void *addr, unsigned len);
/* ERR_PTR; *addr gets the peer's address. */
struct file *net_accept(struct file *f, void *addr, unsigned *len, int flags);
int net_getsockname(struct file *f, void *addr, unsigned *len);
int net_getpeername(struct file *f, void *addr, unsigned *len);
int net_shutdown(struct file *f, int how);
ssize_t net_sendmsg(struct file *f, const struct msghdr *m, int flags);
ssize_t net_recvmsg(struct file *f, struct msghdr *m, int flags);
int net_setsockopt(struct file *f, int level, int name, const void *value, unsigned len);
int net_getsockopt(struct file *f, int level, int name, void *value, unsigned *len);
/* dgram.c */
int net_gram_connect(struct file *f, const struct net_addr *to);
ssize_t net_gram_send(struct file *f, const struct msghdr *m, int flags);
ssize_t net_gram_receive(struct file *f, struct msghdr *m, int flags);
int net_gram_waiting(struct file *f); /* bytes of the first datagram there, FIONREAD */
void net_doors_close(struct net *n);
/* option.c */
u32 net_reuse(const struct file *f);

/* ---- the leader: names.c, door.c ---- */
int net_leader_fd(void);	/* to poll for reading, -1: no sockets yet */
void net_leader_serve(void);	/* sockets that are gone */
void net_leader_leave(void);	/* in a child of the leader */
struct coord_msg;
void net_leader_take(const struct coord_msg *m, const struct net_ask *q, int fd); /* takes fd, -1: none */
void net_leader_drop(const struct net_ask *q); /* its descriptor found no room */
/* A stream from outside the sandbox, to be accepted at that TCP port. Takes fd. 0 or -errno. */
int net_leader_publish(int fd, u16 port);

#endif
