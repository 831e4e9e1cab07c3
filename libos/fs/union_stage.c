// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Objects are made in the work directory, with all that belongs to them, and put in place by one rename: nobody ever
 * sees half of one, and a process killed in between leaves only a file in work, which the monitor sweeps at start.
 *
 * The work lock serialises what needs several host calls, between threads and picoprocesses alike, by flock(2) on a
 * descriptor opened for the purpose (one inherited over fork would be the same lock): the host releases it whatever
 * becomes of the holder.
 */
#include "libos/fs/union_impl.h"
#include "libos/coord/area.h"

#define LOCK_NAME "lock"

void stage_name(struct stage *s)
{
	static u32 count; /* atomic */

	base_snprintf(s->name, sizeof(s->name), "s%x.%x", (unsigned)this_process()->pid, atomic_add(&count, 1));
}

void stage_drop(const struct ufs *u, const struct stage *s)
{
	if (pal_unlinkat(u->work, s->name, 0) == -EISDIR)
		(void)pal_unlinkat(u->work, s->name, AT_REMOVEDIR);
}

int work_lock(const struct ufs *u)
{
	int r, fd = host_fd_move(pal_openat(u->work, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));

	if (fd < 0)
		return fd;
	r = pal_flock(fd, LOCK_EX);
	if (r < 0) {
		pal_close(fd);
		return r == -EINTR ? -ERESTARTNOINTR : r;
	}
	return fd;
}

void work_unlock(int lock)
{
	pal_close(lock);
}

static bool is_whiteout_at(const struct hpath *h)
{
	struct statx st;

	return !hpath_stat(h, &st) &&
	       union_is_whiteout(st.stx_mode, dev_make(st.stx_rdev_major, st.stx_rdev_minor));
}

/* Over a whiteout. Caller holds the work lock. */
static int replace_whiteout(const struct ufs *u, struct stage *s, const struct hpath *h, bool is_dir)
{
	int r;

	if (!is_whiteout_at(h))
		return -EEXIST;
	if (!is_dir)
		return pal_renameat2(u->work, s->name, h->dir, h->path, 0);
	r = pal_renameat2(u->work, s->name, h->dir, h->path, RENAME_EXCHANGE);
	if (!r)
		stage_drop(u, s);
	return r;
}

static int replace_locked(const struct ufs *u, struct stage *s, const struct hpath *h, bool is_dir)
{
	int r, held = work_lock(u);

	if (held < 0)
		return held;
	r = replace_whiteout(u, s, h, is_dir);
	work_unlock(held);
	return r;
}

static int placed(const struct ufs *u, const struct stage *s, struct hpath *h, int r)
{
	hpath_done(h);
	if (r < 0)
		stage_drop(u, s);
	return r == -ENOENT || r == -ENOTDIR ? -ESTALE : r;
}

int stage_place(const struct ufs *u, struct stage *s, struct unode *dir, const char *name, bool is_dir)
{
	struct hpath h = { 0 };
	int r = unode_child_path(dir, name, u->top, &h);

	if (!r)
		r = pal_renameat2(u->work, s->name, h.dir, h.path, RENAME_NOREPLACE);
	if (r == -EEXIST && is_whiteout_at(&h))
		r = replace_locked(u, s, &h, is_dir);
	return placed(u, s, &h, r);
}

int stage_replace(const struct ufs *u, struct stage *s, struct unode *dir, const char *name)
{
	struct hpath h = { 0 };
	int r = unode_child_path(dir, name, u->top, &h);

	if (!r)
		r = replace_locked(u, s, &h, false);
	return placed(u, s, &h, r);
}

/* ---- clearing away ---- */

static int clear_entries(int dir, char *buf, size_t size)
{
	ssize_t n;

	while ((n = pal_getdents(dir, buf, size)) > 0) {
		for (ssize_t at = 0; at < n;) {
			struct linux_dirent64 *e = (struct linux_dirent64 *)(buf + at);
			int r;

			at += e->d_reclen;
			if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
				continue;
			if (e->d_type != DT_CHR)
				return -ENOTEMPTY;
			r = pal_unlinkat(dir, e->d_name, 0);
			if (r < 0)
				return r;
		}
	}
	return (int)n;
}

int stage_clear_dir(const struct ufs *u, const struct stage *s)
{
	size_t size = 32768;
	char *buf;
	int r, fd = pal_openat(u->work, s->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd < 0)
		return fd;
	buf = base_alloc(size);
	r = buf ? clear_entries(fd, buf, size) : -ENOMEM;
	base_free(buf);
	pal_close(fd);
	return r < 0 ? r : pal_unlinkat(u->work, s->name, AT_REMOVEDIR);
}
