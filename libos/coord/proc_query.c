/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * MON_PROC: the host side looks at the sandbox's /proc. The leader walks its own mount of it, as a guest would, so
 * there is one source of what /proc says.
 */
#include "libos/coord/leader.h"
#include "libos/vfs/vfs.h"

#define CHUNK (64u << 10)

static int query_stat(const char *path, struct mon_proc_data *d)
{
	struct attr a;
	int err = vfs_stat(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, &a);

	if (err)
		return err;
	d->mode = a.mode;
	d->uid = a.uid;
	d->gid = a.gid;
	d->size = a.size;
	d->eof = 1;
	return 0;
}

static ssize_t query_read(const char *path, u64 offset, struct mon_proc_data *d, u8 *out)
{
	struct file *f;
	ssize_t n;
	int err = vfs_open(AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0, 0, &f);

	if (err)
		return err;
	n = file_read_kernel(f, out, CHUNK, offset);
	file_put(f);
	d->eof = n >= 0 && n < (ssize_t)CHUNK;
	return n;
}

/* One entry into out: mode (its type), length, name. False if it does not fit. */
static bool put_entry(const struct linux_dirent64 *e, u8 *out, size_t *used)
{
	u32 head[2] = { (u32)e->d_type << 12, (u32)strlen(e->d_name) };

	if (*used + sizeof(head) + head[1] > CHUNK)
		return false;
	memcpy(out + *used, head, sizeof(head));
	memcpy(out + *used + sizeof(head), e->d_name, head[1]);
	*used += sizeof(head) + head[1];
	return true;
}

static ssize_t query_list(const char *path, u64 skip, struct mon_proc_data *d, u8 *out)
{
	u8 dents[2048];
	size_t used = 0;
	struct file *f;
	ssize_t n;
	int err = vfs_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, 0, &f);

	if (err)
		return err;
	while ((n = f->ops->getdents ? f->ops->getdents(f, dents, sizeof(dents)) : -ENOTDIR) > 0) {
		for (ssize_t at = 0; at < n;) {
			struct linux_dirent64 *e = (struct linux_dirent64 *)(dents + at);

			at += e->d_reclen;
			if (skip) {
				skip--;
			} else if (!put_entry(e, out, &used)) {
				n = (ssize_t)used;
				goto out;
			}
		}
	}
	d->eof = n == 0;
	n = n < 0 ? n : (ssize_t)used;
out:
	file_put(f);
	return n;
}

static ssize_t query(const struct mon_proc *q, const char *path, struct mon_proc_data *d, u8 *out)
{
	int err = query_stat(path, d);

	if (err)
		return err;
	switch (q->op) {
	case MON_PROC_STAT:
		return 0;
	case MON_PROC_READ:
		return query_read(path, q->offset, d, out);
	case MON_PROC_LIST:
		return query_list(path, q->offset, d, out);
	case MON_PROC_LINK:
		return vfs_readlink(AT_FDCWD, path, (char *)out, PATH_MAX_LEN);
	}
	return -EINVAL;
}

void answer_proc(const struct order *o)
{
	struct mon_proc_data d = { 0 };
	char path[PATH_MAX_LEN];
	struct mon_proc q;
	size_t size = o->head.len - sizeof(q);
	u8 *out = base_alloc(CHUNK);
	ssize_t n = -EINVAL;

	if (!out) {
		n = -ENOMEM;
	} else if (o->head.len >= sizeof(q) && size < sizeof(path) - sizeof("/proc/")) {
		memcpy(&q, o->payload, sizeof(q));
		base_snprintf(path, sizeof(path), "/proc/%.*s", (int)size, (const char *)o->payload + sizeof(q));
		n = query(&q, path, &d, out);
	}
	if (n < 0)
		d = (struct mon_proc_data){ .error = (s32)-n };
	control_send(MON_PROC_DATA, o->head.id, &d, sizeof(d), out, n > 0 ? (size_t)n : 0);
	base_free(out);
}
