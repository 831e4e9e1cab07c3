// SPDX-License-Identifier: LGPL-3.0-or-later
/* Terminals, the master side: /dev/ptmx gives a host pty that the monitor opened, whose slave nobody has open yet. */
#include "libos/fs/tty.h"
#include "libos/fs/kinds.h"
#include "libos/fs/pseudo.h"
#include "libos/sys/user.h"
#include "libos/task/task.h"
#include "libos/ckpt/cursor.h"
#include "pal/monitor.h"

struct ptm {
	struct list link; /* in ptms */
	unsigned number;  /* immutable */
};

struct mutex ptm_lock = MUTEX_INIT; /* guards the list */
static struct list ptms = { &ptms, &ptms };

bool pty_is_ours(unsigned number)
{
	struct ptm *m;
	bool found = false;

	lock(&ptm_lock);
	list_for_each (m, &ptms, link)
		found |= m->number == number;
	unlock(&ptm_lock);
	return found;
}

int pty_open_slave(unsigned number)
{
	struct mon_pty req = { .op = MON_PTY_OPEN, .number = number };
	struct mon_reply reply;
	int r, n = 1, fd = -1;

	r = pal_monitor(MON_PTY, &req, sizeof(req), NULL, 0, &reply, sizeof(reply), &fd, &n);
	if (r < 0)
		return r;
	return n == 1 ? fd : -EIO;
}

static int ptm_register(struct file *f, unsigned number)
{
	struct ptm *m = base_zalloc(sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->number = number;
	lock(&ptm_lock);
	list_add(&ptms, &m->link);
	unlock(&ptm_lock);
	f->priv = m;
	return 0;
}

int ptm_open(struct pseudo_node *node, struct file *f)
{
	struct mon_pty req = { .op = MON_PTY_NEW };
	struct mon_reply reply;
	int fd = -1, n = 1;
	int r = pal_monitor(MON_PTY, &req, sizeof(req), NULL, 0, &reply, sizeof(reply), &fd, &n);

	if (r < 0)
		return r == -EINTR ? -ERESTARTSYS : r;
	r = n < 1 ? -EIO : ptm_register(f, reply.value);
	if (r < 0) {
		if (n)
			pal_close(fd);
		return r;
	}
	pts_made(reply.value);
	f->host_fd = fd;
	f->ops = &ptm_file_ops;
	if (f->flags & O_NONBLOCK && at_once(pal_fcntl(fd, F_SETFL, O_NONBLOCK)) < 0)
		pal_log("pty: cannot be made non-blocking");
	return 0;
}

static struct ptm *ptm_of(struct file *f)
{
	return f->priv;
}

/* TIOCGPTPEER: a new descriptor of the slave. */
static long ptm_peer(struct file *f, int flags)
{
	u64 how = (u64)((flags & O_ACCMODE) | O_NOCTTY | (flags & O_NONBLOCK));
	int fd = (int)at_once(pal_ioctl(f->host_fd, TIOCGPTPEER, how));

	if (fd < 0)
		return fd;
	return fd_install(&tty_file_ops, fd, flags & (O_ACCMODE | O_NONBLOCK | O_CLOEXEC),
			  (void *)(uintptr_t)ptm_of(f)->number);
}

/* TIOCSIG: a signal for the foreground group of the other side. */
static long ptm_signal(struct file *f, int sig)
{
	struct siginfo info = { .si_signo = sig, .si_code = SI_KERNEL };
	s32 host;
	long r;

	if (sig < 1 || sig >= _NSIG || (sig != SIGINT && sig != SIGQUIT && sig != SIGTSTP))
		return -EINVAL;
	r = at_once(pal_ioctl(f->host_fd, TIOCGPGRP, (u64)&host));
	if (r < 0)
		return r;
	return signal_send_pgid(task_guest_pgid(host), &info, sig);
}

static long ptm_ioctl(struct file *f, unsigned cmd, u64 arg)
{
	unsigned number = ptm_of(f)->number;
	int zero = 0;

	switch (cmd) {
	case TIOCGPTN:
		return user_write((void *)arg, &number, sizeof(number));
	case TIOCSPTLCK:
	case TIOCPKT:
	case TIOCGPKT:
		return at_once(pal_ioctl(f->host_fd, cmd, arg));
	case TIOCGPTLCK:
		return user_write((void *)arg, &zero, sizeof(zero));
	case TIOCGPTPEER:
		return ptm_peer(f, (int)arg);
	case TIOCSIG:
		return ptm_signal(f, (int)arg);
	}
	return tty_ioctl_common(f, cmd, arg);
}

static void ptm_release(struct file *f)
{
	struct ptm *m = f->priv;

	if (!m)
		return;
	lock(&ptm_lock);
	list_del(&m->link);
	unlock(&ptm_lock);
	base_free(m);
}

static void ptm_save(struct file *f, struct buf *b)
{
	put_u32(b, ptm_of(f)->number);
}

static int ptm_load(struct file *f, struct cursor *c)
{
	unsigned number = get_u32(c);

	return c->err ? c->err : ptm_register(f, number);
}

const struct file_ops ptm_file_ops = {
	.name = "ptmx",
	.ioctl = ptm_ioctl,
	.release = ptm_release,
	.save = ptm_save,
	.load = ptm_load,
};
