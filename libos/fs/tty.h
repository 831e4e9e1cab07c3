/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Terminals: guest sessions on host ptys. See tty.c (slaves), pty.c (masters), pts.c (/dev/pts).
 */
#ifndef LIBOS_FS_TTY_H
#define LIBOS_FS_TTY_H

#include "libos/vfs/vfs.h"

struct pseudo_node;

#define PTS_MAJOR 136

/* ---- tty.c ---- */
/* Open row of /dev/tty: the caller's controlling terminal, or -ENXIO. */
int tty_open_controlling(struct pseudo_node *n, struct file *f);
/* Make f a file for the slave of pty `number` on host_fd; takes the terminal as controlling one
 * where Linux would. */
void tty_attach(struct file *f, int host_fd, unsigned number);
/* What is common to both ends: modes, window size, groups, queues. -ENOTTY for the rest. */
long tty_ioctl_common(struct file *f, unsigned cmd, u64 arg);
unsigned tty_number(const struct file *f);
/* setsid: the caller has no terminal any more. */
void tty_forget(struct process *p);
/* Session start (MON_START): the host descriptor becomes p's controlling terminal. 0 or -errno; fd
 * is not taken. */
int tty_set_controlling(struct process *p, int fd);

/* ---- shell.c: what the calling process says of itself, if it is a shell that does ---- */
struct shell_state {
	int status;	    /* as $? */
	bool in_the_middle; /* of a command that goes over several lines */
};
bool shell_state(struct shell_state *state);
/* The line that it has read, the guest's memory: NULL if it does not tell. *size: bytes, at most `room`. */
const char *shell_line(size_t room, size_t *size);

/* ---- pty.c ---- */
int ptm_open(struct pseudo_node *n, struct file *f);
/* A host descriptor for slave `number`, or -errno (-ENOENT: no such pty). */
int pty_open_slave(unsigned number);
bool pty_is_ours(unsigned number); /* this process has its master open */

/* ---- pts.c ---- */
void pts_attr(unsigned number, struct attr *a);
int pts_setattr(unsigned number, const struct attr *a);
void pts_made(unsigned number); /* a pty has this number anew */

/* ---- pty.c ---- */
extern struct mutex ptm_lock; /* for fork: task/fork_locks.c */

#endif
