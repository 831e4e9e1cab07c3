// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Files without a name: how they get descriptors, what is waited for, and how a magic link reaches
 * them.
 *
 * /proc/self/fd/N of a pipe or a terminal must open (process substitution lives on it), yet the
 * host shows no /proc in which it could be opened anew. So the link leads to a node made on the
 * spot that holds the open file; reopen.c says what opening it gives.
 */
#include "libos/fs/kinds.h"
#include "libos/fs/sock.h"
#include "libos/task/task.h"
#include "pal/grant.h"

/* A host object of no known kind: everything goes to the host. */
static long anon_ioctl(struct file *f, unsigned cmd, u64 arg)
{
	return cmd == FIONREAD ? at_once(pal_ioctl(f->host_fd, cmd, arg)) : -ENOTTY;
}

const struct file_ops anon_file_ops = {
	.name = "anon",
	.ioctl = anon_ioctl,
};

int fd_install(const struct file_ops *ops, int host_fd, int flags, void *priv)
{
	struct file *f;

	host_fd = host_fd_move(host_fd);
	if (host_fd < 0)
		return host_fd;
	f = file_create(ops, host_fd, flags & ~O_CLOEXEC, NULL);
	if (IS_ERR(f)) {
		pal_close(host_fd);
		return PTR_ERR(f);
	}
	f->priv = priv;
	return fdtab_add(f, 0, flags & O_CLOEXEC);
}

int file_poll(struct file *f, short events, short *now)
{
	*now = 0;
	if (f->ops->poll)
		return f->ops->poll(f, events, now);
	if (f->host_fd < 0)
		*now = events & (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
	return f->host_fd;
}

/* ---- the node behind /proc/self/fd/N ---- */

struct anon_node {
	struct node node;
	struct file *file; /* held */
};

static struct anon_node *to_anon(struct node *n)
{
	return container_of(n, struct anon_node, node);
}

static int anon_getattr(struct node *n, struct attr *a)
{
	return file_getattr(to_anon(n)->file, a);
}

/* May a file open with flags `have` stand in for an open with flags `want`? */
static bool access_fits(int have, int want)
{
	int h = have & O_ACCMODE, w = want & O_ACCMODE;

	return h == O_RDWR || h == w;
}

static int anon_open(struct node *n, struct file *f)
{
	struct file *inner = to_anon(n)->file;
	const struct file_ops *ops = reopen_ops(inner);
	int fd;

	if (inner->host_fd < 0 || !ops)
		return -ENXIO; /* as Linux says of sockets and its nameless objects */
	if (!access_fits(inner->flags, f->flags))
		return -EACCES;
	fd = pal_dup(inner->host_fd, pal_fd_free());
	if (fd < 0)
		return fd;
	path_put(&f->path); /* a file without a name, like the other */
	f->host_fd = fd;
	f->ops = ops;
	if (inner->ops == &tty_file_ops)
		f->priv = inner->priv;
	return 0;
}

static void anon_release(struct node *n)
{
	file_put(to_anon(n)->file);
	base_free(to_anon(n));
}

static const struct node_ops anon_node_ops = {
	.getattr = anon_getattr,
	.open = anon_open,
	.release = anon_release,
};

static struct fs anon_fs = {
	.type = "anon_inodefs", .dev = dev_make(0, 14), .magic = 0x09041934, .uncached = true
};
static struct mount anon_mount = { .fs = &anon_fs, .link = { &anon_mount.link, &anon_mount.link } };

static struct dentry *anon_dentry(struct file *f)
{
	struct anon_node *a = base_zalloc(sizeof(*a));
	struct dentry *d;
	struct attr at;

	if (!a || file_getattr(f, &at) < 0) {
		base_free(a);
		return NULL;
	}
	a->node = (struct node){
		.refs = 1, .mode = at.mode, .ops = &anon_node_ops, .fs = &anon_fs, .ino = at.ino
	};
	a->file = file_get(f);
	d = dentry_root(&a->node);
	if (!d)
		node_put(&a->node);
	return d;
}

int anon_path(struct file *f, struct path *out)
{
	struct dentry *d = f->path.dentry;

	/* A directory that was removed still has one above it. */
	if (d && (!d->unlinked || d->nameless || (d->node && S_ISDIR(d->node->mode)))) {
		*out = f->path;
		path_get(out);
		return 0;
	}
	out->mnt = &anon_mount;
	out->dentry = anon_dentry(f);
	return out->dentry ? 0 : -ENOMEM;
}

struct file *anon_file(const struct path *p)
{
	struct node *n = p->dentry ? path_node(p) : NULL;

	return n && n->ops == &anon_node_ops ? to_anon(n)->file : NULL;
}

static ssize_t text_with_ino(struct file *f, const char *kind, char *buf, size_t size)
{
	struct stat st;
	int r = pal_fstat(f->host_fd, &st);

	return r < 0 ? r : base_snprintf(buf, size, "%s:[%lu]", kind, (unsigned long)st.st_ino);
}

ssize_t file_text(struct file *f, char *buf, size_t size)
{
	ssize_t n;

	if (f->path.dentry) {
		char *s = path_text(&f->path, buf, size);

		if (IS_ERR(s))
			return PTR_ERR(s);
		n = (ssize_t)strlen(s);
		memmove(buf, s, (size_t)n + 1);
		return n;
	}
	if (file_is_pipe(f))
		n = text_with_ino(f, "pipe", buf, size);
	else if (file_is_sock(f))
		n = text_with_ino(f, "socket", buf, size);
	else if (f->ops == &host_file_ops || f->ops == &regular_again_ops)
		n = text_with_ino(f, "file", buf, size);
	else if (f->ops == &memfd_file_ops)
		n = base_snprintf(buf, size, "/memfd:%s (deleted)", f->priv ? (char *)f->priv : "");
	else if (f->ops == &tty_file_ops)
		n = base_snprintf(buf, size, "/dev/pts/%u", (unsigned)(uintptr_t)f->priv);
	else if (f->ops == &ptm_file_ops)
		n = base_snprintf(buf, size, "/dev/ptmx");
	else if (f->ops == &shm_file_ops)
		n = shm_file_text(f, buf, size);
	else if (f->ops == &mq_file_ops)
		n = mq_file_text(f, buf, size);
	else
		n = base_snprintf(buf, size, "anon_inode:[%s]", f->ops->name);
	return MIN(n, (ssize_t)size - 1);
}
