/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The leader of a world that split off: its port, and the ids of its orphans.
 *
 * It has no stream to the monitor, starts nothing and is nobody's parent: orphans fall to the old leader on the host,
 * who reaps what it does not know. What is left is to see that they are gone, and give back their ids. It ends when
 * nobody holds the other end of its port any more.
 */
#include "libos/coord/leader.h"
#include "libos/coord/area.h"
#include "libos/coord/coord.h"
#include "libos/net/net.h"
#include "pal/grant.h"

#define LOOK_NS 100000000l

static void remove_all(int dir, const char *name)
{
	char buf[4096];
	ssize_t n;
	int fd = pal_openat(dir, name, O_RDONLY | O_DIRECTORY, 0);

	while (fd >= 0 && (n = pal_getdents(fd, buf, sizeof(buf))) > 0)
		for (ssize_t at = 0; at < n;) {
			struct linux_dirent64 *e = (void *)(buf + at);

			at += e->d_reclen;
			(void)pal_unlinkat(fd, e->d_name, e->d_type == DT_DIR ? AT_REMOVEDIR : 0);
		}
	if (fd >= 0)
		pal_close(fd);
}

/* What the world kept for itself; what is left of splits of the split, as far as it is empty. The directory
 * itself lies where we may not remove: the next split does, or the monitor at start. */
static void tidy(void)
{
	remove_all(GRANT_FD_WORK, "shm");
	remove_all(GRANT_FD_WORK, ".");
}

void split_leader_run(void)
{
	struct timespec look = { .tv_nsec = LOOK_NS };
	struct thread *t = current();

	for (;;) {
		struct pollfd p[] = { { .fd = coord_port_fd(), .events = POLLIN },
				      { .fd = net_leader_fd(), .events = POLLIN } };
		bool soon;

		atomic_store(&t->tcb.pending, 0);
		(void)signal_drain(t);
		soon = leader_bury_orphans(true) | coord_port_tick();
		if (pal_ppoll(p, ARRAY_SIZE(p), soon ? &look : NULL) <= 0)
			continue;
		coord_port_serve();
		if (p[1].revents)
			net_leader_serve();
		if (p[0].revents & (POLLHUP | POLLERR))
			break;
	}
	tidy();
	pal_exit(0);
}
