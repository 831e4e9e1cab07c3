/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Notification as libraries make SIGEV_THREAD of it: the registering process names a netlink socket of its own and 32
 * bytes, and reads those from the socket when a message has come, the last one saying why.
 *
 * The socket is that process's alone, so it delivers to itself: who sends the message leaves word in the queue and asks
 * the process to look (task/attend.h). The bytes never leave it.
 */
#include "libos/ipc/mq.h"
#include "libos/fs/kinds.h"
#include "libos/net/link.h"
#include "libos/sys/user.h"
#include "libos/task/attend.h"

struct registration {
	struct list link;
	u32 index, generation;
	s32 pid;
	struct file *sock;
	u8 cookie[NOTIFY_COOKIE_LEN];
};

static struct list registrations = { &registrations, &registrations }; /* ipc_holds_lock */

static void forget(struct registration *r)
{
	list_del(&r->link);
	file_put(r->sock);
	base_free(r);
}

static void deliver(struct registration *r, u8 why)
{
	r->cookie[NOTIFY_COOKIE_LEN - 1] = why;
	(void)netlink_post(r->sock, r->cookie, sizeof(r->cookie));
	forget(r);
}

static bool about(const struct registration *r, const struct mq_file *m)
{
	return r->pid == this_process()->pid && r->index == m->index && r->generation == m->generation;
}

/* net/netlink/af_netlink.c, netlink_getsockbyfd. */
static int check_socket(struct file *f)
{
	if (IS_ERR(f))
		return PTR_ERR(f);
	if (f->ops == &netlink_ops)
		return 0;
	return f->ops == &sock_file_ops ? -EINVAL : -ENOTSOCK;
}

int mq_thread_add(const struct mq_file *m, int fd, const void *guest)
{
	struct registration *r = base_zalloc(sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->index = m->index;
	r->generation = m->generation;
	r->pid = this_process()->pid;
	if (user_read(r->cookie, guest, sizeof(r->cookie))) {
		base_free(r);
		return -EFAULT;
	}
	r->sock = fdtab_get(fd);
	err = check_socket(r->sock);
	if (err) {
		if (!IS_ERR(r->sock))
			file_put(r->sock);
		base_free(r);
		return err;
	}
	lock(&ipc_holds_lock);
	list_add_tail(&registrations, &r->link);
	unlock(&ipc_holds_lock);
	return 0;
}

void mq_thread_cancel(const struct mq_file *m)
{
	struct registration *r, *last = NULL;

	lock(&ipc_holds_lock);
	list_for_each(r, &registrations, link)
		last = about(r, m) ? r : last;
	if (last)
		forget(last);
	unlock(&ipc_holds_lock);
}

void mq_thread_removed(const struct mq_file *m)
{
	struct registration *r, *next;

	lock(&ipc_holds_lock);
	list_for_each_safe(r, next, &registrations, link)
		if (about(r, m))
			deliver(r, NOTIFY_REMOVED);
	unlock(&ipc_holds_lock);
}

void mq_thread_tell(struct ipc_mq *q, s32 pid)
{
	q->told_pid = pid;
	atomic_store(&q->told, 1);
	if (pid != this_process()->pid) {
		attend_ask(pid, ATTEND_MQ);
		return;
	}
	/* On the way out, when no lock is held. */
	atomic_or(&this_process()->slot->attend, ATTEND_MQ);
	atomic_store(&current()->tcb.pending, 1);
}

void mq_thread_told(void)
{
	struct registration *r, *next;
	s32 pid = this_process()->pid;

	lock(&ipc_holds_lock);
	list_for_each_safe(r, next, &registrations, link) {
		struct ipc_mq *q = mq_at(r->index);

		if (r->pid != pid) {
			forget(r); /* inherited: the parent's affair */
			continue;
		}
		if (q->generation != r->generation || q->told_pid != pid || !atomic_xchg(&q->told, 0))
			continue;
		deliver(r, NOTIFY_WOKENUP);
	}
	unlock(&ipc_holds_lock);
}
