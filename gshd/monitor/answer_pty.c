/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Terminals: made by the monitor, handed to the sandbox as descriptors.
 *
 * On rung A they come from the sandbox's own devpts, on rung B from the host's. To find a terminal
 * again by number the monitor keeps an O_PATH descriptor of its slave: that keeps neither end open,
 * so that both sides see the other hang up, and it never leads to another terminal that got the
 * number later (devpts unlinks the node of a dead one). It is got by name, not by opening the slave: of
 * a slave that was open and closed again the master would read as hung up, and one that was kept open
 * for that would keep it from reading so when the guest's own are closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include "gshd/log.h"
#include "gshd/monitor/monitor.h"

struct held_pty {
	struct held_pty *next;
	unsigned number;
	int slave; /* O_PATH */
};

/* Forget terminals that are no more. */
static void prune(struct monitor *m)
{
	struct held_pty **p = &m->ptys;

	while (*p) {
		struct held_pty *h = *p;
		struct stat st;
		if (!fstat(h->slave, &st) && st.st_nlink) {
			p = &h->next;
			continue;
		}
		*p = h->next;
		close(h->slave);
		free(h);
		m->nptys--;
	}
}

void pty_close_all(struct monitor *m)
{
	while (m->ptys) {
		struct held_pty *h = m->ptys;
		m->ptys = h->next;
		close(h->slave);
		free(h);
	}
	m->nptys = 0;
}

static int reopen(int fd, int flags)
{
	char path[32];
	int new;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	new = open(path, flags | O_CLOEXEC);
	return new < 0 ? -errno : new;
}

/* A name in the sandbox's devpts, or in the host's. */
static int open_pts(struct monitor *m, const char *name, int flags)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/pts/%s", name);
	fd = m->child.pts >= 0 ? openat(m->child.pts, name, flags | O_CLOEXEC) : open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int hold(struct monitor *m, unsigned number)
{
	struct held_pty *h = calloc(1, sizeof(*h));
	char name[16];

	if (!h)
		return -ENOMEM;
	h->number = number;
	snprintf(name, sizeof(name), "%u", number);
	h->slave = open_pts(m, name, O_PATH | O_NOFOLLOW);
	if (h->slave < 0) {
		int err = h->slave;
		free(h);
		return err;
	}
	h->next = m->ptys;
	m->ptys = h;
	m->nptys++;
	return (int)number;
}

static int open_master(struct monitor *m)
{
	int fd;

	if (m->child.pts >= 0)
		return open_pts(m, "ptmx", O_RDWR | O_NOCTTY);
	fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int pty_new(struct monitor *m, int *master)
{
	unsigned number;
	int unlock = 0, err;

	prune(m);
	if (m->nptys >= PTYS_MAX)
		return -ENOSPC;
	*master = open_master(m);
	if (*master < 0)
		return *master;
	err = ioctl(*master, TIOCSPTLCK, &unlock) || ioctl(*master, TIOCGPTN, &number) ? -errno : hold(m, number);
	if (err < 0)
		close(*master);
	return err;
}

static void answer_new(struct monitor *m, struct request *r)
{
	int number = pty_new(m, &r->reply.fds[0]);

	if (number < 0) {
		r->reply.head.error = -number;
		return;
	}
	r->reply.nfds = 1;
	r->reply.head.value = (uint32_t)number;
}

static void open_number(struct monitor *m, struct request *r, unsigned number)
{
	int fd = -ENOENT;

	prune(m);
	for (struct held_pty *h = m->ptys; h; h = h->next)
		if (h->number == number)
			fd = reopen(h->slave, O_RDWR | O_NOCTTY);
	if (fd < 0) {
		r->reply.head.error = -fd;
		return;
	}
	r->reply.fds[r->reply.nfds++] = fd;
}

static void answer_list(struct monitor *m, struct request *r)
{
	prune(m);
	for (struct held_pty *h = m->ptys;
	     h && r->reply.nmore < sizeof(r->reply.more) / sizeof(r->reply.more[0]); h = h->next)
		r->reply.more[r->reply.nmore++] = h->number;
	r->reply.head.value = r->reply.nmore;
}

void answer_pty(struct monitor *m, struct request *r)
{
	const char *text = (const char *)r->data + sizeof(struct mon_pty);
	struct mon_pty q;

	memcpy(&q, r->data, sizeof(q));
	if (q.op == MON_PTY_NEW)
		answer_new(m, r);
	else if (q.op == MON_PTY_OPEN)
		open_number(m, r, q.number);
	else if (q.op == MON_PTY_LIST)
		answer_list(m, r);
	else if (q.op == MON_PTY_WAIT)
		r->reply.head.value = session_waits(m, &q);
	else if (q.op == MON_PTY_DONE)
		r->reply.head.value = session_waited(m, q.number, text, r->size - sizeof(q));
	else if (q.op == MON_PTY_RAW || q.op == MON_PTY_COOKED)
		session_modes(m, &q, text, r->size - sizeof(q), r);
	else
		r->reply.head.error = EINVAL;
}
