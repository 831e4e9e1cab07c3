/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Coordination streams: how the libOS instances of a sandbox ask each other for what does not fit in the area.
 *
 *      asker ----QUERY+reply end----> leader's port ----QUERY+reply end----> owner's stream
 *        ^                                                                      | kick = doorbell
 *        +------------------------------ANSWER----------------------------------+
 *
 * All instances inherit one end of the leader's port and only write to it. An instance gets a stream of its own when it
 * is first needed: the leader kicks it, it makes a socket pair and sends one end in a HELLO; from then on the leader
 * passes queries along, with the asker's reply descriptor, so that the answer goes straight back. So a fork costs no
 * message, and a process that is never asked has no stream.
 *
 * Every stream is a SOCK_SEQPACKET socket: a message is whole or absent, and never larger than COORD_MSG_MAX. Nobody
 * blocks on a full stream: the leader drops what an instance does not take (the asker's time limit answers for it), and
 * an asker serves its own queries while it waits. An instance that is stopped, in vfork, or dead is not waited for.
 */
#ifndef LIBOS_COORD_COORD_H
#define LIBOS_COORD_COORD_H

#include "pal/base/types.h"

#define COORD_VERSION 1
#define COORD_MSG_MAX 16384	/* header and payload */
#define COORD_WAIT_MS 300	/* an owner that does not answer by then is taken to be unable to */
#define COORD_SILENT_MS 30000	/* and is not asked again for so long, unless it answers meanwhile: as soon as it can */
#define COORD_QUEUE_MAX 32	/* queries the leader keeps for an instance that has no stream yet */

enum coord_type {
#define MSG(nr, name, direction, payload, fds) COORD_##name = nr,
#include "libos/coord/msgs.def"
#undef MSG
};

struct coord_msg {
	u16 version, type;
	u32 len;	/* of the payload */
	s32 pid;	/* HELLO: the sender; QUERY: the owner */
	u32 seq;
};

enum coord_op { COORD_READ = 1, COORD_LIST, COORD_LINK, COORD_FD, COORD_ALL, COORD_PEEK, COORD_POKE,
		COORD_DEBUG_PEEK, COORD_DEBUG_POKE };

struct coord_query {
	u32 op;		/* enum coord_op */
	u32 size;	/* PEEK, POKE and the same for debuggers: bytes. What is to be written waits at the descriptor for the answer */
	u64 offset;	/* READ: in bytes. LIST: entries to skip. FD: the guest's number. PEEK, POKE: the address */
	char name[256];	/* below /proc/self, NUL-terminated: "maps", "fd", "task/7/stat" */
};

struct coord_answer {
	s32 error;	/* 0 or -errno */
	u32 size;	/* bytes that follow */
	u32 eof;
	u32 pad;
};

#define COORD_MEMORY_MAX (COORD_MSG_MAX - sizeof(struct coord_msg) - sizeof(struct coord_answer))

/* What ALL is answered with: the sizes of stat, status, statm and cmdline, and the texts behind. */
#define COORD_BUNDLE_FILES 4
#define COORD_BUNDLE_NONE 0xffffffffu /* not there, or too long for one answer */
struct coord_bundle {
	u32 size[COORD_BUNDLE_FILES];
};

/* ---- stream.c: every instance ---- */
/* Ask pid's owner; buf gets up to size bytes of the answer from q->offset. Bytes, or -errno; -ETIMEDOUT, -ESRCH when it
 * can't be asked (use the area's slot instead). *eof says whether more follows. Never called with a lock held. */
ssize_t coord_ask(s32 pid, const struct coord_query *q, void *buf, size_t size, bool *eof);
/* A copy of another process's descriptor, for the host: pidfd_getfd. -errno; -EPERM when it can't be asked. */
int coord_take_fd(s32 pid, int fd);
/* Up to COORD_MEMORY_MAX bytes from or to another process's memory; whoever asks has the right to. buf has room for a
 * word at least. Bytes, fewer at a fault, or -errno: -EFAULT, and as coord_ask. */
ssize_t coord_memory(s32 pid, u64 addr, void *buf, size_t n, bool write);
/* The same as a debugger sees it: task/peek.c. -EIO at a fault. */
ssize_t coord_debug(s32 pid, u64 addr, void *buf, size_t n, bool write);
/* The same of one's own. */
ssize_t coord_copy_own(u64 addr, void *buf, size_t n, bool write);
/* Answer what has arrived; from signal_drain, after a kick that carries no signal. */
void coord_serve(void);
/* Is the calling thread answering another process just now? */
bool coord_answering(void);
/* A forked child must not answer for its parent, nor hold what only the parent may; nor a vfork child. */
void coord_forked(void);
void coord_borrowed(void);

struct buf;
struct cursor;
/* What of it goes on over an exec of the image: the end that pidfds hear of. */
void coord_save(struct buf *b);
void coord_load(struct cursor *c);

/* ---- life.c: every instance ---- */
/* Who a life's end is about; written on it by the leader, so that it is known wherever the descriptor travels. */
struct coord_life {
	s32 pid;
	u32 stamp; /* of the process's start: tells a later owner of the id apart */
};
/* A host descriptor that hangs up when the process ends, however it does. -ESRCH: it is gone. */
int coord_life_open(s32 pid);
/* A descriptor that has hung up already, for a process that is gone. */
int coord_life_ended(const struct coord_life *l);
bool coord_life_of(int fd, struct coord_life *l); /* false: it is something else */
bool coord_life_over(int fd);
struct area_slot;
u32 coord_life_stamp(const struct area_slot *s);
/* Leader: a pair; ends[0] is held by the process, ends[1] is handed out. */
int coord_life_pair(const struct coord_life *l, int ends[2]);

/* ---- port.c: the leader ---- */
int coord_port_create(void);	/* 0 or -errno; before the first fork */
int coord_port_fd(void);	/* to poll for reading */
void coord_port_serve(void);	/* take what has arrived; never blocks */
/* Pass on that pid is to split off; takes fd (COORD_SPLIT). 0, or -errno and fd is still the caller's: -ESRCH, -EALREADY:
 * it has split off, -EAGAIN: it is stopped. */
int coord_port_split(s32 pid, int fd);
void coord_port_gone(s32 pid);	/* a process ended: close its stream */
/* Look after what waits for instances that do not come: true while something does; then to be called again soon. */
bool coord_port_tick(void);

#endif
