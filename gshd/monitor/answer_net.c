/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * MON_NET: /proc/net of the sandbox's own network namespace (rung A), which inside nobody can read.
 * The text is copied into a memory file, so that no descriptor of the host's /proc goes in. On rung
 * B the namespace is the host's: refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "gshd/monitor/monitor.h"

#define TEXT_MAX (4 << 20)

static const char *const names[] = {
	[MON_NET_TCP] = "tcp",	 [MON_NET_TCP6] = "tcp6", [MON_NET_UDP] = "udp",
	[MON_NET_UDP6] = "udp6", [MON_NET_UNIX] = "unix",
};
#define NAMES (sizeof(names) / sizeof(names[0]))

static int copy(int from, int to)
{
	char buf[16384];
	size_t all = 0;
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) > 0 && all < TEXT_MAX) {
		if (write(to, buf, (size_t)n) != n)
			return -EIO;
		all += (size_t)n;
	}
	return n < 0 ? -errno : 0;
}

/* A leader that has died leaves its number to others: who its parent is tells. */
static int text_of(struct monitor *m, const char *name)
{
	char path[64];
	int from, to, err;

	snprintf(path, sizeof(path), "/proc/%d/net/%s", m->child.leader, name);
	from = open(path, O_RDONLY | O_CLOEXEC);
	if (from < 0)
		return -errno;
	to = memfd_create("net", MFD_CLOEXEC);
	err = to < 0 ? -errno : confine_leads(&m->child) ? copy(from, to) : -ESRCH;
	close(from);
	if (err && to >= 0)
		close(to);
	return err ? err : to;
}

void answer_net(struct monitor *m, struct request *r)
{
	struct mon_net q;
	int fd;

	memcpy(&q, r->data, sizeof(q));
	if (m->grant_flags & GRANT_BROKER_SOCK || q.file >= NAMES || !names[q.file]) {
		r->reply.head.error = EPERM;
		return;
	}
	fd = text_of(m, names[q.file]);
	if (fd < 0)
		r->reply.head.error = -fd;
	else
		r->reply.fds[r->reply.nfds++] = fd;
}
