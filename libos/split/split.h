/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Splitting off: a process leaves its sandbox for a smaller one, with its future children, and does not come back.
 *
 * It asks for it by a policy (policy.c), a few lines that name what it will still have. While it carries the split out it
 * is honest; afterwards it may be anybody's, libOS and all. So the libOS only prepares, and closes what is open; what
 * holds from then on is outside of it:
 *
 *   files     a Landlock domain inside the sandbox's: doors for the allowed objects in each layer, nothing else
 *   others    the domain's scopes: signals and abstract sockets end at it, inwards only they come; the new area
 *             instead of the shared one, new ports instead of the shared ones
 *   network   a second seccomp filter
 *   monitor   a port of its own, where it may ask for attribute changes below what it may write (gshd/monitor/split_port.c)
 *
 * The new world has its own leader (coord/split_leader.c), a fresh execution of the image inside the domain, and its own
 * staging directory in work; its first process keeps its guest id. In the old sandbox the slot stays: the parent waits
 * for the host process as before, and may signal it.
 *
 *   policy.c   what is said, and whether it is less than what is had
 *   close.c    open files and shared memory that the policy does not name
 *   world.c    area, ports, directories, leader, walls
 *   split.c    the order of it all
 *   asked.c    when somebody else asks for it
 */
#ifndef LIBOS_SPLIT_SPLIT_H
#define LIBOS_SPLIT_SPLIT_H

#include "libos/task/task.h"
#include "libos/coord/area.h"
#include "libos/vfs/vfs.h"

#define SPLIT_GRANTS 32
#define SPLIT_KEEPS 64
#define SPLIT_TEXT_MAX 4095

struct split_grant {
	const char *name;	/* as given */
	char *text;		/* free of links, from the sandbox's root; on the heap */
	struct path at;		/* counted */
	bool write;
	unsigned line;
};

struct split_policy {
	struct split_grant grant[SPLIT_GRANTS];
	unsigned ngrants;
	bool network, streams;
	int keep[SPLIT_KEEPS];
	unsigned nkeeps;
	unsigned line;	/* what is wrong, if something is */
	char *text;	/* of the names; on the heap */
};

/* ---- policy.c ---- */
/* 0, or -EINVAL with p->line; split_policy_free in any case. */
int split_policy_parse(struct split_policy *p, const char *text);
/* Find the named objects, and see that all is less than what the caller has: -EPERM. p->line as above. */
int split_policy_resolve(struct split_policy *p);
void split_policy_free(struct split_policy *p);
/* The policy in full, as it will be shown. Without a split: all there is. */
int split_policy_show(struct buf *b, const struct split_policy *p);
/* Is what lies at p allowed? */
bool split_allows(const struct split_policy *p, const struct path *at, bool write);

/* ---- close.c ---- */
/* Shared memory that is not allowed becomes the caller's own copy. 0 or -ENOMEM. */
int split_memory(const struct split_policy *p);
/* Close what is not allowed. What stays: control, the file by which the split was asked for, and these host descriptors. */
void split_files(const struct split_policy *p, const struct node *control, const int *own, unsigned nown);

/* ---- world.c ---- */
struct split_world {
	int walls, area, work, shm;	/* host descriptors, -1; shm: -1 where the old one is allowed */
	int ipc;			/* memory of System V IPC and message queues, -1: none */
	int port[2];			/* of the leader: its reading end, the others' */
	int monitor[2];			/* our end, the monitor's */
	int place[6];			/* what may be written */
	unsigned nplaces;
	char name[32];			/* of work in the old one */
};
/* All that can fail. 0 or -errno; split_world_drop in any case. */
int split_world_make(struct split_world *w, const struct split_policy *p);
/* From here on nothing fails but by the end of the process. Leave what is shared; then, with all else closed, raise the
 * walls and start the leader. */
void split_world_enter(struct split_world *w);
void split_world_close(struct split_world *w, const struct split_policy *p);
void split_world_undo(struct split_world *w); /* instead of entering it */
void split_world_drop(struct split_world *w);

/* ---- split.c ---- */
/* By control, the file that was written to, or NULL; or by asker, a host descriptor, or -1: it stays open. 0 or -errno,
 * then with the number of the policy's line that is wrong, or 0. */
int split_off(const char *text, const struct node *control, int asker, unsigned *line);

/* ---- asked.c ---- */
void split_ask(int fd);	    /* takes fd; from coord_serve */
bool split_asked(void);	    /* is one to be carried out? */
void split_as_asked(void);  /* no lock held, no file in use */
void split_forget(void);    /* in a forked child: it was not asked */
void split_borrowed(void);  /* in a vfork child */

/* ---- fs/union_split.c ---- */
bool union_owns(const struct node *n);
/* So that the object stays reachable when others write to it: directories, and what is to be written, come to the top. */
int union_split_prepare(struct node *n, bool write);
/* A door for the object in each layer. *top: the highest, if it may be written (O_PATH, the caller's to close). */
int union_split_doors(struct node *n, int walls, bool write, int *top);
/* The object of a nameless file, which its node keeps open; -1. */
int union_split_nameless(const struct node *n);
/* Note what n and the directories above it say of themselves. -ENOSPC: too much. */
int union_split_marks(struct node *n, struct area_mark *marks, u32 *count);
/* Layers by descriptors that lead on to names, but can themselves neither be read nor be moved. */
int union_split_layers(void);
/* Directories that were kept open are not what their descriptors are from now on. */
void union_split_dirs(void);

#endif
