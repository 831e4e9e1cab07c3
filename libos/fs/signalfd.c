// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * signalfd: a window on the pending queues, with a host event counter that is readable while
 * something is in it.
 *
 * The counter follows the queues lazily: a signal that arrives sets it (signalfd_notify); reads and
 * polls through this file set it right. A signal taken by someone else leaves it set for a moment,
 * so an epoll may report readiness that a read then answers with EAGAIN, as programs must expect of
 * any descriptor.
 *
 * What a signalfd shows are the signals of whoever reads it. After a fork the child therefore gets
 * a counter of its own, at its first use (signalfd_own): the inherited one goes on to mean the
 * parent's signals.
 */
#include "libos/fs/signalfd.h"
#include "libos/fs/kinds.h"
#include "libos/sys/user.h"
#include "libos/sys/wait_end.h"
#include "libos/ckpt/cursor.h"

struct signalfd {
	struct list link; /* in owner's sig.watchers */
	u64 mask;	  /* sig.lock */
	s32 owner;	  /* pid in whose watchers this is, 0: none yet */
	int counter;	  /* host eventfd: the file's host_fd */
};

/* Caller holds p->sig.lock. */
static u64 pending_signals(struct process *p)
{
	u64 set = p->sig.shared.set;
	struct thread *t;

	list_for_each (t, &p->threads, sibling)
		set |= t->sig.pending.set;
	return set;
}

static void counter_set(int fd, bool on)
{
	u64 n = 1;
	ssize_t r =
		on ? at_once(pal_write(fd, &n, sizeof(n))) : at_once(pal_read(fd, &n, sizeof(n)));

	(void)r; /* full or empty already: as wanted */
}

void signalfd_notify(struct process *p, int sig)
{
	struct signalfd *s;

	lock(&p->sig.lock);
	list_for_each (s, &p->sig.watchers, link) {
		if (s->mask & SIG_BIT(sig))
			counter_set(s->counter, true);
	}
	unlock(&p->sig.lock);
}

static void signalfd_refresh(struct process *p, struct signalfd *s)
{
	lock(&p->sig.lock);
	counter_set(s->counter, pending_signals(p) & s->mask);
	unlock(&p->sig.lock);
}

/* Make f this process's own (see above). */
static struct signalfd *signalfd_own(struct file *f)
{
	struct signalfd *s = f->priv;
	struct process *p = this_process();
	int fd;

	if (s->owner == p->pid)
		return s;
	fd = pal_eventfd(0, O_NONBLOCK);
	if (fd >= 0) {
		if (pal_dup_to(fd, f->host_fd) < 0)
			pal_log("signalfd: the inherited counter stays");
		pal_close(fd);
	}
	lock(&p->sig.lock);
	s->owner = p->pid;
	s->counter = f->host_fd;
	list_add(&p->sig.watchers, &s->link);
	unlock(&p->sig.lock);
	return s;
}

static void info_fill(struct signalfd_siginfo *o, const struct siginfo *i)
{
	*o = (struct signalfd_siginfo){ .ssi_signo = (u32)i->si_signo,
					.ssi_errno = i->si_errno,
					.ssi_code = i->si_code };
	if (i->si_code == SI_TIMER) {
		o->ssi_tid = (u32)i->si_tid;
		o->ssi_overrun = (u32)i->si_overrun;
		o->ssi_ptr = (u64)i->si_ptr;
		o->ssi_int = i->si_int;
		return;
	}
	if (i->si_code > 0 && (SIG_BIT(i->si_signo) & SIG_SYNCHRONOUS)) {
		o->ssi_addr = (u64)i->si_addr;
		return;
	}
	o->ssi_pid = (u32)i->si_pid;
	o->ssi_uid = i->si_uid;
	if (i->si_signo == SIGCHLD && i->si_code > 0) {
		o->ssi_status = i->si_status;
		o->ssi_utime = (u64)i->si_utime;
		o->ssi_stime = (u64)i->si_stime;
	} else if (i->si_code < 0) {
		o->ssi_ptr = (u64)i->si_ptr;
		o->ssi_int = i->si_int;
	}
}

/* Wait until the counter is set. 0, or -ERESTARTSYS. */
static int signalfd_wait(struct signalfd *s)
{
	struct pollfd p = { .fd = s->counter, .events = POLLIN };
	int r = pal_ppoll(&p, 1, NULL);

	if (r == -EINTR)
		return wait_interrupted() ? -ERESTARTSYS : 0;
	return r < 0 ? r : 0;
}

static ssize_t signalfd_read(struct file *f, void *buf, size_t n)
{
	struct signalfd *s = signalfd_own(f);
	struct thread *t = current();
	struct signalfd_siginfo out;
	struct siginfo info;
	size_t done = 0;

	if (n < sizeof(out))
		return -EINVAL;
	while (done + sizeof(out) <= n) {
		int r;

		signal_drain(t);
		if (signal_dequeue(t, s->mask, &info)) {
			info_fill(&out, &info);
			if (user_write((char *)buf + done, &out, sizeof(out)) < 0)
				return done ? (ssize_t)done : -EFAULT;
			done += sizeof(out);
			continue;
		}
		signalfd_refresh(t->proc, s);
		if (done)
			break;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		r = signalfd_wait(s);
		if (r < 0)
			return r;
	}
	return (ssize_t)done;
}

static ssize_t signalfd_write(struct file *f, const void *buf, size_t n)
{
	return -EINVAL;
}

static int signalfd_poll(struct file *f, short events, short *now)
{
	signal_drain(current());
	signalfd_refresh(this_process(), signalfd_own(f));
	return f->host_fd;
}

static int signalfd_setflags(struct file *f, int flags)
{
	return 0; /* the counter itself never blocks */
}

static void signalfd_release(struct file *f)
{
	struct signalfd *s = f->priv;
	struct process *p = this_process();

	if (s && s->owner == p->pid) {
		lock(&p->sig.lock);
		list_del(&s->link);
		unlock(&p->sig.lock);
	}
	base_free(s);
}

static void signalfd_save(struct file *f, struct buf *b)
{
	put_u64(b, ((struct signalfd *)f->priv)->mask);
}

static int signalfd_load(struct file *f, struct cursor *c)
{
	struct signalfd *s = base_zalloc(sizeof(*s));

	if (!s)
		return -ENOMEM;
	list_init(&s->link);
	s->mask = get_u64(c);
	f->priv = s;
	return c->err;
}

const struct file_ops signalfd_file_ops = {
	.name = "signalfd",
	.read = signalfd_read,
	.write = signalfd_write,
	.poll = signalfd_poll,
	.setflags = signalfd_setflags,
	.release = signalfd_release,
	.save = signalfd_save,
	.load = signalfd_load,
};

int signalfd_create(u64 mask, int flags)
{
	struct signalfd *s = base_zalloc(sizeof(*s));
	struct process *p = this_process();
	int fd;

	if (!s)
		return -ENOMEM;
	fd = host_fd_move(pal_eventfd(0, O_NONBLOCK));
	if (fd < 0) {
		base_free(s);
		return fd;
	}
	s->mask = mask;
	s->counter = fd;
	s->owner = p->pid;
	lock(&p->sig.lock);
	list_add(&p->sig.watchers, &s->link);
	unlock(&p->sig.lock);
	return fd_install(&signalfd_file_ops, fd, flags | O_RDWR, s);
}

int signalfd_set_mask(struct file *f, u64 mask)
{
	struct signalfd *s;

	if (f->ops != &signalfd_file_ops)
		return -EINVAL;
	s = signalfd_own(f);
	lock(&this_process()->sig.lock);
	s->mask = mask;
	unlock(&this_process()->sig.lock);
	signalfd_refresh(this_process(), s);
	return 0;
}
