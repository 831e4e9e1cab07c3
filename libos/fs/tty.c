// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Terminals, the slave side: a host pty slave behind each.
 *
 * The host's line discipline does the work: echo, editing, ^C and ^Z, SIGTTIN and SIGTTOU, hang-up,
 * window size. That works because guest sessions and process groups are repeated on the host
 * (task/group.c); what remains here is to translate the group and session numbers in ioctls, and to
 * keep the area's note of who has which controlling terminal.
 *
 * TIOCSTI, TIOCLINUX and TIOCSETD never reach the host: they are ways out of a sandbox.
 */
#include "libos/fs/tty.h"
#include "libos/fs/kinds.h"
#include "libos/fs/pseudo.h"
#include "libos/sys/user.h"
#include "libos/sys/wait_end.h"
#include "libos/task/task.h"
#include "libos/coord/area.h"
#include "libos/ckpt/cursor.h"
#include "pal/monitor.h"

unsigned tty_number(const struct file *f)
{
	return (unsigned)(uintptr_t)f->priv;
}

static u32 tty_device(unsigned number)
{
	return (u32)dev_make(PTS_MAJOR, number);
}

/* ---- the controlling terminal ---- */

static void controlling_keep(struct process *p, int fd, u32 device)
{
	int old, copy = host_fd_move(pal_dup(fd, 0));

	lock(&p->lock);
	old = p->ctty_fd;
	p->ctty_fd = copy < 0 ? -1 : copy;
	p->slot->tty = device;
	unlock(&p->lock);
	if (old >= 0)
		pal_close(old);
}

void tty_forget(struct process *p)
{
	int old;

	lock(&p->lock);
	old = p->ctty_fd;
	p->ctty_fd = -1;
	p->slot->tty = 0;
	unlock(&p->lock);
	if (old >= 0)
		pal_close(old);
}

int tty_set_controlling(struct process *p, int fd)
{
	struct stat st;
	int r = pal_fstat(fd, &st);

	if (r == 0)
		r = (int)at_once(pal_ioctl(fd, TIOCSCTTY, 0));
	if (r == 0)
		controlling_keep(p, fd, tty_device(dev_minor(st.st_rdev)));
	return r;
}

static bool session_leader(const struct process *p)
{
	return p->slot->sid == p->pid;
}

void tty_attach(struct file *f, int host_fd, unsigned number)
{
	struct process *p = this_process();

	f->host_fd = host_fd;
	f->ops = &tty_file_ops;
	f->priv = (void *)(uintptr_t)number;
	if (f->flags & O_NONBLOCK && at_once(pal_fcntl(host_fd, F_SETFL, O_NONBLOCK)) < 0)
		pal_log("tty: cannot be made non-blocking");
	/* drivers/tty/tty_jobctrl.c, tty_open_proc_set_tty; not if it is another session's: the
	 * host says */
	if (!(f->flags & O_NOCTTY) && session_leader(p) && !p->slot->tty &&
	    (f->flags & O_ACCMODE) != O_WRONLY && at_once(pal_ioctl(host_fd, TIOCSCTTY, 0)) == 0)
		controlling_keep(p, host_fd, tty_device(number));
}

int tty_open_controlling(struct pseudo_node *n, struct file *f)
{
	struct process *p = this_process();
	u32 device = p->slot->tty;
	int fd;

	if (!device)
		return -ENXIO;
	fd = pty_open_slave(dev_minor(device));
	if (fd < 0) {
		/* the monitor cannot open it anew: share the description we have */
		lock(&p->lock);
		fd = p->ctty_fd < 0 ? -ENXIO : host_fd_move(pal_dup(p->ctty_fd, 0));
		unlock(&p->lock);
	}
	if (fd < 0)
		return fd;
	tty_attach(f, fd, dev_minor(device));
	return 0;
}

/* TIOCNOTTY: a leader's session loses the terminal, whole; the host sends SIGHUP and SIGCONT to the
 * foreground. */
static long tty_give_up(struct file *f)
{
	struct process *p = this_process();
	long r;

	if (p->slot->tty != tty_device(tty_number(f)))
		return -ENOTTY;
	r = at_once(pal_ioctl(f->host_fd, TIOCNOTTY, 0));
	if (r < 0)
		return r;
	if (session_leader(p)) {
		for (s32 id = area_next(1, false); id; id = area_next(id + 1, false)) {
			if (area_slot(id)->sid == p->pid)
				area_slot(id)->tty = 0;
		}
	}
	tty_forget(p);
	return 0;
}

static long tty_take(struct file *f, u64 arg)
{
	struct process *p = this_process();
	u32 device = tty_device(tty_number(f));
	long r;

	if (session_leader(p) && p->slot->tty == device)
		return 0;
	if (!session_leader(p) || p->slot->tty || arg)
		return -EPERM;
	r = at_once(pal_ioctl(f->host_fd, TIOCSCTTY, 0));
	if (r == 0)
		controlling_keep(p, f->host_fd, device);
	return r;
}

/* ---- groups ---- */

static long tty_get_group(struct file *f, u64 arg, unsigned cmd)
{
	s32 host, guest;
	long r = at_once(pal_ioctl(f->host_fd, cmd, (u64)&host));

	if (r < 0)
		return r;
	guest = cmd == TIOCGSID ? task_guest_pid(host) : task_guest_pgid(host);
	return user_write((void *)arg, &guest, sizeof(guest));
}

static long tty_set_group(struct file *f, u64 arg)
{
	s32 guest, host;

	if (user_read(&guest, (const void *)arg, sizeof(guest)) < 0)
		return -EFAULT;
	if (guest < 0)
		return -EINVAL;
	host = task_host_pgid(guest);
	return host ? restartable(pal_ioctl(f->host_fd, TIOCSPGRP, (u64)&host)) : -ESRCH;
}

/* ---- reading ---- */

static bool in_foreground(const struct file *f)
{
	const struct process *p = this_process();
	s32 host = 0;

	return p->slot->tty == tty_device(tty_number(f)) &&
	       at_once(pal_ioctl(f->host_fd, TIOCGPGRP, (u64)&host)) == 0 && task_guest_pgid(host) == p->slot->pgid;
}

#define TEXT_MAX MON_PTY_TEXT_MAX
/* What the monitor answers; 0 if it does not. text: what was read. */
static u32 tell_monitor(const struct file *f, u32 op, const void *text, size_t size)
{
	struct process *p = this_process();
	struct {
		struct mon_pty head;
		char text[TEXT_MAX];
	} req = { .head = { .op = op, .number = tty_number(f), .pid = p->pid, .status = p->reaped }, .text = "" };
	struct mon_reply reply = { 0 };
	struct shell_state shell;

	if (op == MON_PTY_COOKED && text)
		req.head.shell = MON_SHELL_TELLS;
	if (op == MON_PTY_DONE || op == MON_PTY_COOKED)
		p->reaped = 0; /* what comes now is the line's */
	else if (p->pid == p->slot->sid && shell_state(&shell)) {
		req.head.status = W_EXIT(shell.status);
		req.head.shell = MON_SHELL_TELLS | (shell.in_the_middle ? MON_SHELL_IN_THE_MIDDLE : 0);
	}
	if (size > TEXT_MAX || (size && user_read(req.text, text, size) < 0))
		size = 0;
	return pal_monitor(MON_PTY, &req, sizeof(req.head) + size, NULL, 0, &reply, sizeof(reply), NULL, NULL) < 0
		       ? 0
		       : reply.value;
}

/*
 * A line is about to be waited for that the terminal edits and echoes: the monitor may have it edited by the user's own
 * editor instead. Not what is raw or silent, nor what is there already, nor what will be stopped by SIGTTIN.
 */
static bool tty_wait(struct file *f)
{
	struct termios t;
	int there = 0;

	if (f->flags & O_NONBLOCK || at_once(pal_ioctl(f->host_fd, TCGETS, (u64)&t)) < 0 ||
	    (t.c_lflag & (ICANON | ECHO)) != (ICANON | ECHO) ||
	    at_once(pal_ioctl(f->host_fd, FIONREAD, (u64)&there)) < 0 || there > 0 || !in_foreground(f))
		return false;
	return tell_monitor(f, MON_PTY_WAIT, NULL, 0) == 1;
}

/* When editing begins on the host's side, what the terminal had of an unfinished line comes to us; it is the
 * editor's. */
static bool tty_waited(struct file *f, const void *buf, ssize_t r)
{
	return tell_monitor(f, MON_PTY_DONE, buf, buf && r > 0 ? (size_t)r : 0) == 1;
}

/* A shell that edits its lines itself says by this when it does. What a session's leader sets only. */
static void tell_modes(const struct file *f, u64 arg)
{
	struct process *p = this_process();
	struct termios t;
	const char *line = NULL;
	size_t size = 0;
	bool raw;

	if (p->pid != p->slot->sid || p->slot->tty != tty_device(tty_number(f)) ||
	    user_read(&t, (const void *)arg, sizeof(t)) < 0)
		return;
	raw = !(t.c_lflag & ICANON);
	if (raw != p->told_raw) {
		if (!raw)
			line = shell_line(TEXT_MAX, &size);
		(void)tell_monitor(f, raw ? MON_PTY_RAW : MON_PTY_COOKED, line, size);
	}
	p->told_raw = raw;
}

/* ---- ioctl ---- */

/* The monitor's flag is none of the guest's: what it reads does not have it, and what it sets clears it. */
static long tty_get_modes(struct file *f, unsigned cmd, u64 arg)
{
	struct termios2 t;
	long r = at_once(pal_ioctl(f->host_fd, cmd, (u64)&t));

	t.c_lflag &= ~(u32)EXTPROC;
	return r < 0 ? r : user_write((void *)arg, &t, cmd == TCGETS ? sizeof(struct termios) : sizeof(t));
}

/* The oldest form of terminal settings, half as wide, which the host's filter does not know. */
static long tty_termio(struct file *f, unsigned cmd, u64 arg)
{
	static const unsigned sets[] = { TCSETS, TCSETSW, TCSETSF };
	struct termios full = { 0 };
	struct termio t = { 0 };
	long r = at_once(pal_ioctl(f->host_fd, TCGETS, (u64)&full));

	if (r < 0)
		return r;
	full.c_lflag &= ~(u32)EXTPROC;
	if (cmd == TCGETA) {
		t.c_iflag = (u16)full.c_iflag;
		t.c_oflag = (u16)full.c_oflag;
		t.c_cflag = (u16)full.c_cflag;
		t.c_lflag = (u16)full.c_lflag;
		t.c_line = full.c_line;
		memcpy(t.c_cc, full.c_cc, sizeof(t.c_cc));
		return user_write((void *)arg, &t, sizeof(t));
	}
	if (user_read(&t, (const void *)arg, sizeof(t)) < 0)
		return -EFAULT;
	full.c_iflag = (full.c_iflag & 0xffff0000u) | t.c_iflag;
	full.c_oflag = (full.c_oflag & 0xffff0000u) | t.c_oflag;
	full.c_cflag = (full.c_cflag & 0xffff0000u) | t.c_cflag;
	full.c_lflag = (full.c_lflag & 0xffff0000u) | t.c_lflag;
	full.c_line = t.c_line;
	memcpy(full.c_cc, t.c_cc, sizeof(t.c_cc));
	return restartable(pal_ioctl(f->host_fd, sets[cmd - TCSETA], (u64)&full));
}

long tty_ioctl_common(struct file *f, unsigned cmd, u64 arg)
{
	switch (cmd) {
	case TCGETS:
	case TCGETS2:
	case TIOCGWINSZ:
	case TIOCOUTQ:
	case FIONREAD:
	case TIOCEXCL:
	case TIOCNXCL:
	case TIOCGEXCL:
		return at_once(pal_ioctl(f->host_fd, cmd, arg));
	/* These may wait: for output to drain, or for the foreground. */
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
	case TCSETS2:
	case TCSETSW2:
	case TCSETSF2:
	case TCSBRK:
	case TCSBRKP:
	case TCXONC:
	case TCFLSH:
	case TIOCSWINSZ:
		return restartable(pal_ioctl(f->host_fd, cmd, arg));
	case TCGETA:
	case TCSETA:
	case TCSETAW:
	case TCSETAF:
		return tty_termio(f, cmd, arg);
	case TIOCGLCKTRMIOS: /* nothing is locked */
		return user_zero((void *)arg, sizeof(struct termios));
	case TIOCSLCKTRMIOS:
		return -EPERM;
	case TIOCGPGRP:
	case TIOCGSID:
		return tty_get_group(f, arg, cmd);
	case TIOCSPGRP:
		return tty_set_group(f, arg);
	case TIOCSTI:
		return -EIO; /* as with dev.tty.legacy_tiocsti=0 */
	case TIOCSETD:
	case TIOCCONS:
		return -EPERM;
	case TIOCGETD: {
		int discipline = 0; /* N_TTY */

		return user_write((void *)arg, &discipline, sizeof(discipline));
	}
	}
	return -ENOTTY;
}

static long tty_ioctl(struct file *f, unsigned cmd, u64 arg)
{
	long r;

	switch (cmd) {
	case TCGETS:
	case TCGETS2:
		return tty_get_modes(f, cmd, arg);
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
	case TCSETS2:
	case TCSETSW2:
	case TCSETSF2:
		r = tty_ioctl_common(f, cmd, arg);
		if (r == 0)
			tell_modes(f, arg);
		return r;
	case TIOCSCTTY:
		return tty_take(f, arg);
	case TIOCNOTTY:
		return tty_give_up(f);
	case TIOCGPTN:
	case TIOCSPTLCK:
		return -ENOTTY; /* the master's */
	}
	return tty_ioctl_common(f, cmd, arg);
}

/* fstat of a terminal, the name in /dev/pts and /proc/self/fd must agree, or ttyname() finds
 * nothing. */
static int tty_getattr(struct file *f, struct attr *a)
{
	struct node *n = f->path.dentry ? path_node(&f->path) : NULL;

	if (n)
		return n->ops->getattr(n, a);
	pts_attr(tty_number(f), a);
	return 0;
}

static int tty_setattr(struct file *f, const struct attr *a)
{
	struct node *n = f->path.dentry ? path_node(&f->path) : NULL;

	return n ? n->ops->setattr(n, a) : pts_setattr(tty_number(f), a);
}

static void tty_save(struct file *f, struct buf *b)
{
	put_u32(b, tty_number(f));
}

static int tty_load(struct file *f, struct cursor *c)
{
	f->priv = (void *)(uintptr_t)get_u32(c);
	return c->err;
}

const struct file_ops tty_file_ops = {
	.name = "tty",
	.ioctl = tty_ioctl,
	.wait = tty_wait,
	.waited = tty_waited,
	.getattr = tty_getattr,
	.setattr = tty_setattr,
	.save = tty_save,
	.load = tty_load,
};

struct file *tty_file_from_host(int fd)
{
	struct walk w = { 0 };
	char name[32];
	struct stat st;
	struct file *f;
	int r, flags = (int)at_once(pal_fcntl(fd, F_GETFL, 0));

	r = pal_fstat(fd, &st);
	if (r < 0 || flags < 0)
		return ERR_PTR(r < 0 ? r : flags);
	base_snprintf(name, sizeof(name), "/dev/pts/%u", dev_minor(st.st_rdev));
	r = path_walk(AT_FDCWD, name, WALK_FOLLOW, &w);
	f = file_create(&tty_file_ops, fd, flags & (O_ACCMODE | O_NONBLOCK | O_APPEND),
			r == 0 ? &w.path : NULL);
	if (r == 0)
		path_put(&w.path);
	if (!IS_ERR(f))
		f->priv = (void *)(uintptr_t)dev_minor(st.st_rdev);
	return f;
}
