// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * epoll: a host epoll descriptor; the guest's data goes through it untouched.
 *
 * Linux keys a registration by (file, descriptor number), the host here sees one descriptor per
 * file. So a second number of the same file (stdin and stdout of one terminal) is registered by a
 * duplicate of the host descriptor. The duplicate would keep the host's description alive when the
 * guest closes the file: epoll_forget closes it then. A plain registration needs no such care: the
 * host drops it with the file.
 *
 * What is written down per number only tells which host descriptor stands for it; the host's own
 * table is the truth.
 */
#include "libos/fs/epoll.h"
#include "libos/fs/kinds.h"
#include "libos/task/task.h"

struct registration {
	struct file *file; /* not held: only compared. NULL: none */
	int host_fd;
	bool own; /* host_fd is our duplicate */
	struct epoll_event event; /* as it was asked for last */
};

struct epoll {
	struct list link;	   /* in epolls */
	struct file *file;	   /* this epoll itself */
	struct registration *regs; /* by guest number */
	unsigned size;
};

struct mutex epoll_lock = MUTEX_INIT; /* guards everything here; innermost but for the heap */
static struct list epolls = { &epolls, &epolls };
static unsigned duplicates; /* registrations with .own, over all */

static void registration_drop(struct registration *r)
{
	if (r->own) {
		pal_close(r->host_fd);
		duplicates--;
	}
	*r = (struct registration){ .host_fd = -1 };
}

static int epoll_room(struct epoll *e, unsigned fd)
{
	unsigned size = MAX(16u, e->size);
	struct registration *regs;

	while (size <= fd)
		size *= 2;
	if (size == e->size)
		return 0;
	regs = base_realloc(e->regs, size * sizeof(*regs));
	if (!regs)
		return -ENOMEM;
	memset(regs + e->size, 0, (size - e->size) * sizeof(*regs));
	e->regs = regs;
	e->size = size;
	return 0;
}

static struct registration *epoll_find(struct epoll *e, int fd, const struct file *f)
{
	struct registration *r = (unsigned)fd < e->size ? &e->regs[fd] : NULL;

	return r && r->file == f ? r : NULL;
}

static bool epoll_knows(struct epoll *e, const struct file *f)
{
	for (unsigned i = 0; i < e->size; i++) {
		if (e->regs[i].file == f)
			return true;
	}
	return false;
}

/* The host has f's descriptor already, for another number of the guest: register a duplicate. */
static int epoll_add_again(struct epoll *e, int fd, struct file *f, int host_fd,
			   struct epoll_event *ev)
{
	int r, copy = host_fd_move(pal_dup(host_fd, 0));

	if (copy < 0)
		return copy;
	r = pal_epoll_ctl(e->file->host_fd, EPOLL_CTL_ADD, copy, ev);
	if (r < 0) {
		pal_close(copy);
		return r;
	}
	registration_drop(&e->regs[fd]);
	e->regs[fd] = (struct registration){ .file = f, .host_fd = copy, .own = true, .event = *ev };
	duplicates++;
	return 0;
}

static int epoll_add(struct epoll *e, int fd, struct file *f, int host_fd, struct epoll_event *ev)
{
	struct registration *known = epoll_find(e, fd, f);
	int r = epoll_room(e, (unsigned)fd);

	if (r < 0)
		return r;
	if (known && known->own)
		return -EEXIST;
	r = pal_epoll_ctl(e->file->host_fd, EPOLL_CTL_ADD, host_fd, ev);
	/* If no other number is known here, another process that shares the epoll has registered this one. */
	if (r == -EEXIST && !known && epoll_knows(e, f))
		return epoll_add_again(e, fd, f, host_fd, ev);
	if (r == 0) {
		registration_drop(&e->regs[fd]);
		e->regs[fd] = (struct registration){ .file = f, .host_fd = host_fd, .event = *ev };
	}
	return r;
}

static int epoll_change(struct epoll *e, int op, int fd, struct file *f, int host_fd,
			struct epoll_event *ev)
{
	struct registration *known = epoll_find(e, fd, f);
	int r;

	if (!known && epoll_knows(e, f))
		return -ENOENT; /* the file is here, but by another number */
	r = pal_epoll_ctl(e->file->host_fd, op, known ? known->host_fd : host_fd, ev);
	if (r == 0 && op == EPOLL_CTL_DEL && known)
		registration_drop(known);
	else if (r == 0 && known)
		known->event = *ev;
	return r;
}

int epoll_control(struct file *ep, int op, int fd, struct file *f, struct epoll_event *ev)
{
	short now;
	int r, host_fd = file_poll(f, 0, &now);

	if (host_fd < 0)
		return -EPERM; /* always ready: cannot be waited for */
	if (ep == f || ep->ops != &epoll_file_ops)
		return -EINVAL;
	lock(&epoll_lock);
	if (op == EPOLL_CTL_ADD)
		r = epoll_add(ep->priv, fd, f, host_fd, ev);
	else if (op == EPOLL_CTL_MOD || op == EPOLL_CTL_DEL)
		r = epoll_change(ep->priv, op, fd, f, host_fd, ev);
	else
		r = -EINVAL;
	unlock(&epoll_lock);
	return r;
}

void epoll_forget(struct file *f)
{
	struct epoll *e;

	if (!atomic_load(&duplicates))
		return;
	lock(&epoll_lock);
	list_for_each (e, &epolls, link) {
		for (unsigned i = 0; i < e->size; i++) {
			if (e->regs[i].file == f)
				registration_drop(&e->regs[i]);
		}
	}
	unlock(&epoll_lock);
}

/* Take f's host descriptor out of the host's epoll. What stands here may be of a file that was closed since and lay at
 * the same place: the host knows. By hand, since somebody else may hold the old one, and it would go on telling. */
static void epoll_lift(struct epoll *e, const struct file *f)
{
	struct epoll_event none = { 0 };

	for (unsigned i = 0; i < e->size; i++) {
		struct registration *r = &e->regs[i];

		if (r->file == f && !r->own && pal_epoll_ctl(e->file->host_fd, EPOLL_CTL_DEL, f->host_fd, &none))
			registration_drop(r);
	}
}

static void epoll_lay(struct epoll *e, struct file *f)
{
	for (unsigned i = 0; i < e->size; i++) {
		struct epoll_event ev = e->regs[i].event;

		if (e->regs[i].file != f)
			continue;
		registration_drop(&e->regs[i]);
		if (pal_epoll_ctl(e->file->host_fd, EPOLL_CTL_ADD, f->host_fd, &ev))
			(void)epoll_add_again(e, (int)i, f, f->host_fd, &ev);
		else
			e->regs[i] = (struct registration){ .file = f, .host_fd = f->host_fd, .event = ev };
	}
}

/* A socket that has found its peer outside is another one to the host (net/out.c). The guest has registered this file,
 * and goes on waiting for it. What another process that shares the epoll has registered is not known here. */
int epoll_replace(struct file *f, int fd)
{
	struct epoll *e;
	int r;

	lock(&epoll_lock);
	list_for_each (e, &epolls, link)
		epoll_lift(e, f);
	r = pal_dup_to(fd, f->host_fd);
	list_for_each (e, &epolls, link)
		epoll_lay(e, f);
	unlock(&epoll_lock);
	return r;
}

static void epoll_release(struct file *f)
{
	struct epoll *e = f->priv;

	if (!e)
		return;
	lock(&epoll_lock);
	for (unsigned i = 0; i < e->size; i++)
		registration_drop(&e->regs[i]);
	list_del(&e->link);
	unlock(&epoll_lock);
	base_free(e->regs);
	base_free(e);
}

static int epoll_attach(struct file *f)
{
	struct epoll *e = base_zalloc(sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->file = f;
	f->priv = e;
	lock(&epoll_lock);
	list_add(&epolls, &e->link);
	unlock(&epoll_lock);
	return 0;
}

/* The table is not saved: what it says matters only for files with several numbers. */
static void epoll_save(struct file *f, struct buf *b)
{
}

static int epoll_load(struct file *f, struct cursor *c)
{
	return epoll_attach(f);
}

static ssize_t epoll_read(struct file *f, void *buf, size_t n)
{
	return -EINVAL;
}

static ssize_t epoll_write(struct file *f, const void *buf, size_t n)
{
	return -EINVAL;
}

const struct file_ops epoll_file_ops = {
	.name = "eventpoll",
	.read = epoll_read,
	.write = epoll_write,
	.release = epoll_release,
	.save = epoll_save,
	.load = epoll_load,
};

int epoll_create(int flags)
{
	int r, fd = host_fd_move(pal_epoll_create());
	struct file *f;

	if (fd < 0)
		return fd;
	f = file_create(&epoll_file_ops, fd, O_RDWR, NULL);
	if (IS_ERR(f)) {
		pal_close(fd);
		return PTR_ERR(f);
	}
	r = epoll_attach(f);
	if (r < 0) {
		file_put(f);
		return r;
	}
	return fdtab_add(f, 0, flags & O_CLOEXEC);
}
