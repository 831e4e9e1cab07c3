/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * One wait for many guest descriptors, in the host's words: what poll and select share.
 *
 *   poller_init(&w, n); poller_add(&w, i, fd, events) for each; poller_wait(&w, &end); read
 * w.fds[i].revents; poller_free(&w)
 *
 * Files are held while the wait lasts, so another thread may close descriptors meanwhile.
 */
#ifndef LIBOS_SYS_POLL_H
#define LIBOS_SYS_POLL_H

#include "libos/sys/wait_end.h"
#include "libos/vfs/vfs.h"

#define POLLER_INLINE 16

struct poller_slot {
	struct file *file; /* held, or NULL */
	short now;	   /* events that are there without asking the host */
};

struct poller {
	unsigned n;
	unsigned ready;	    /* slots with `now` set */
	unsigned asked;	    /* slots the host is asked about */
	struct pollfd *fds; /* .fd: host descriptor or -1 */
	struct poller_slot *slots;
	struct pollfd fds_inline[POLLER_INLINE];
	struct poller_slot slots_inline[POLLER_INLINE];
};

int must_check poller_init(struct poller *w, unsigned n);
/* Slot i waits for events of guest descriptor fd. False: fd is not open (POLLNVAL is then what is
 * ready). */
bool poller_add(struct poller *w, unsigned i, int fd, short events);
/* Slots with events, 0 after the timeout, -EINTR, -errno. w->fds[i].revents is filled. */
long poller_wait(struct poller *w, const struct wait_end *end);
void poller_free(struct poller *w);

#endif
