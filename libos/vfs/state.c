// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Descriptors across exec of a vfork child: the process goes on in a fresh address space with the same host
 * descriptors.
 *
 *   table   u32 entries, each: u32 fd, u32 cloexec, u32 same
 *           same: 1 + the earlier entry whose struct file it shares, or 0: a file follows
 *   file    str kind, u32 host_fd, u32 flags, str path (none: nameless), u64 pos, u32 seals, owner, owner_sig,
 * locked, lock_fd, u32 size and bytes of the kind's own
 *
 * The host descriptors lose their close-on-exec flag for the passage. Names are found again by text; what has none
 * any more (unlinked) keeps working through its host descriptor.
 */
#include "libos/vfs/vfs.h"
#include "libos/task/task.h"
#include "libos/ckpt/cursor.h"

static void save_path(struct buf *b, const struct path *p)
{
	char *tmp, *text;

	if (!p->dentry || p->dentry->unlinked) {
		put_str(b, NULL);
		return;
	}
	tmp = base_alloc(2 * PATH_MAX_LEN);
	text = tmp ? path_text_from(p, NULL, tmp, 2 * PATH_MAX_LEN) : ERR_PTR(-ENOMEM);
	put_str(b, IS_ERR(text) ? NULL : text);
	base_free(tmp);
}

void file_save(struct buf *b, struct file *f)
{
	struct buf own = { 0 };

	put_str(b, f->ops->name);
	put_u32(b, f->host_fd);
	put_u32(b, f->flags);
	save_path(b, &f->path);
	put_u64(b, f->pos);
	put_u32(b, f->seals);
	put_u32(b, f->owner);
	put_u32(b, f->owner_sig);
	put_u32(b, f->locked);
	put_u32(b, f->lock_fd);
	if (f->ops->save)
		f->ops->save(f, &own);
	if (own.err)
		b->err = own.err;
	put_u32(b, (u32)own.size);
	put_bytes(b, own.data, own.size);
	base_buf_free(&own);
}

void fdtab_save(struct buf *b, struct fdtab *t)
{
	struct fdarray *a = t->array;
	u32 count = 0;

	for (unsigned fd = 0; fd < a->size; fd++)
		count += a->files[fd] != NULL;
	put_u32(b, count);
	count = 0;
	for (unsigned fd = 0; fd < a->size; fd++) {
		u32 same = 0, n = 0;

		if (!a->files[fd])
			continue;
		for (unsigned i = 0; i < fd && !same && a->files[fd]->refs > 1; i++) {
			n += a->files[i] != NULL;
			if (a->files[i] == a->files[fd])
				same = n;
		}
		put_u32(b, fd);
		put_u32(b, t->cloexec[fd / 64] >> fd % 64 & 1);
		put_u32(b, same);
		if (!same) {
			file_save(b, a->files[fd]);
			if (a->files[fd]->host_fd >= 0)
				(void)pal_fcntl(a->files[fd]->host_fd, F_SETFD, 0);
			if (a->files[fd]->lock_fd >= 0)
				(void)pal_fcntl(a->files[fd]->lock_fd, F_SETFD, 0);
		}
		count++;
	}
}

static int load_own(struct cursor *c, struct file *f)
{
	u32 size = get_u32(c);
	struct cursor own = { .data = get_bytes(c, size), .size = size };

	if (c->err)
		return c->err;
	return f->ops->load ? f->ops->load(f, &own) : 0;
}

/* received: the host descriptor by which it came, taken if the file is made; -1: it stands at its old number. */
struct file *file_load(struct cursor *c, int received)
{
	const char *kind = get_str(c), *text;
	int host_fd = (int)get_u32(c), flags = (int)get_u32(c), r;
	const struct file_ops *ops = kind ? file_ops_by_name(kind) : NULL;
	struct path path = { 0 };
	struct file *f;

	text = get_str(c);
	if (c->err || !ops)
		return ERR_PTR(-EINVAL);
	if (text)
		(void)path_from_root(text, &path); /* not found: nameless from now on */
	if (received >= 0 && host_fd >= 0)
		host_fd = received;
	f = file_create(ops, host_fd, flags, &path);
	path_put(&path);
	if (IS_ERR(f))
		return f;
	f->pos = get_u64(c);
	f->seals = get_u32(c);
	f->owner = (int)get_u32(c);
	f->owner_sig = (int)get_u32(c);
	f->locked = get_u32(c);
	f->lock_fd = (int)get_u32(c);
	if (received >= 0)
		f->lock_fd = -1; /* the sender's number */
	r = load_own(c, f);
	if (r < 0) {
		if (received >= 0)
			f->host_fd = -1; /* stays the caller's */
		file_put(f);
		return ERR_PTR(r);
	}
	if (received >= 0)
		f->locked = false;
	else if (host_fd >= 0)
		(void)pal_fcntl(host_fd, F_SETFD, FD_CLOEXEC);
	if (f->lock_fd >= 0)
		(void)pal_fcntl(f->lock_fd, F_SETFD, FD_CLOEXEC);
	/* A stand-in came for what has nothing on the host. */
	if (received >= 0 && f->host_fd < 0)
		pal_close(received);
	return f;
}

/* One entry; fds[] remembers where each went, for those that share. */
static int load_entry(struct cursor *c, unsigned i, int *fds)
{
	int fd = (int)get_u32(c);
	bool cloexec = get_u32(c);
	u32 same = get_u32(c);
	struct file *f;
	int r;

	if (c->err || same > i)
		return -EINVAL;
	f = same ? fdtab_get_path(fds[same - 1]) : file_load(c, -1);
	if (IS_ERR(f))
		return PTR_ERR(f);
	fds[i] = fd;
	r = fdtab_set(fd, f, cloexec);
	return r < 0 ? r : 0;
}

int fdtab_load(struct cursor *c, struct fdtab **out)
{
	struct process *p = this_process();
	u32 count = get_u32(c);
	int *fds, r = 0;

	if (c->err || count > c->size)
		return -EINVAL;
	p->files = fdtab_create();
	fds = base_alloc(count * sizeof(*fds) + 1);
	if (!p->files || !fds)
		r = -ENOMEM;
	for (u32 i = 0; i < count && !r; i++)
		r = load_entry(c, i, fds);
	base_free(fds);
	*out = p->files;
	return r;
}
