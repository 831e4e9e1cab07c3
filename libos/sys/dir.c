/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Listing directories: file systems give whole struct linux_dirent64 entries; the old call repacks them. */
#include "libos/sys/sys.h"
#include "libos/vfs/vfs.h"

#define BATCH 32768

static long list(int fd, void *buf, unsigned n)
{
	cleanup_file struct file *f = fdtab_get(fd);

	if (IS_ERR(f))
		return PTR_ERR(f);
	return f->ops->getdents ? f->ops->getdents(f, buf, n) : -ENOTDIR;
}

long sys_getdents64(int fd, void *buf, unsigned n)
{
	cleanup_free void *entries = NULL;
	long r;

	n = MIN(n, BATCH);
	entries = base_alloc(n ? n : 1);
	if (!entries)
		return -ENOMEM;
	/* A bad buffer is found before the position moves. */
	if (n && user_zero(buf, 1))
		return -EFAULT;
	r = list(fd, entries, n);
	return r > 0 && user_write(buf, entries, r) ? -EFAULT : r;
}

/* struct linux_dirent: ino, off, reclen, name, then the type in the last byte. Never longer than the new form. */
struct old_dirent {
	u64 ino, off;
	u16 reclen;
	char name[];
};

long sys_getdents(int fd, void *buf, unsigned n)
{
	cleanup_free u8 *entries = NULL;
	cleanup_free u8 *out = NULL;
	size_t used = 0;
	long r;

	n = MIN(n, BATCH);
	entries = base_alloc(n ? n : 1);
	out = base_zalloc(n ? n : 1);
	if (!entries || !out)
		return -ENOMEM;
	r = list(fd, entries, n);
	if (r <= 0)
		return r;
	for (long at = 0; at < r;) {
		const struct linux_dirent64 *d = (void *)(entries + at);
		struct old_dirent *o = (void *)(out + used);
		size_t len = strlen(d->d_name);

		at += d->d_reclen;
		o->ino = d->d_ino;
		o->off = d->d_off;
		o->reclen = ALIGN_UP(offsetof(struct old_dirent, name) + len + 2, 8);
		memcpy(o->name, d->d_name, len + 1);
		((u8 *)o)[o->reclen - 1] = d->d_type;
		used += o->reclen;
	}
	return user_write(buf, out, used) ? -EFAULT : (long)used;
}
