/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What passed descriptors are: the host carries a description of its own over SCM_RIGHTS, but not what the libOS
 * knows of it (its kind, its name, its state). So behind the descriptors of a message goes one more, a memory file
 * that tells of each, in order, what exec after vfork would tell (vfs/state.c):
 *
 *	16 bytes MANIFEST_MAGIC, u32 count, each: u32 told, and if it is 1 the file
 *
 * What the host's own answers suffice for is not told of, and a message that has nothing else has no manifest. A
 * message full to the brim has none either, nor has one whose end the receiver cut off: then passed.c guesses.
 */
#include "libos/fs/kinds.h"
#include "libos/ckpt/cursor.h"
#include "libos/vfs/file.h"
#include "pal/base/heap.h"

static const char MANIFEST_MAGIC[16] = "gsh manifest 1\r\n";
#define MANIFEST_MAX (SCM_MAX_FD * (2 * PATH_MAX_LEN + 1024))

static bool tells(const struct file *f)
{
	if (f->ops == &pseudo_file_ops || f->ops == &pseudo_dir_ops || f->ops == &anon_file_ops ||
	    f->ops == &sock_file_ops)
		return false;
	return f->path.dentry || (f->ops != &pipe_file_ops && f->ops != &host_file_ops);
}

int manifest_make(struct file **files, unsigned n)
{
	struct buf b = { 0 };
	bool any = false;
	int fd;

	for (unsigned i = 0; i < n && !any; i++)
		any = tells(files[i]);
	if (!any)
		return -ENOENT;
	put_bytes(&b, MANIFEST_MAGIC, sizeof(MANIFEST_MAGIC));
	put_u32(&b, n);
	for (unsigned i = 0; i < n; i++) {
		put_u32(&b, tells(files[i]));
		if (tells(files[i]))
			file_save(&b, files[i]);
	}
	fd = b.err ?: pal_memfd("manifest", 0);
	if (fd >= 0 && pal_pwrite(fd, b.data, b.size, 0) != (ssize_t)b.size) {
		pal_close(fd);
		fd = -ENOMEM;
	}
	base_buf_free(&b);
	return fd;
}

bool manifest_open(int fd, unsigned n, struct cursor *c)
{
	struct stat st;
	u8 *data;

	if (pal_fstat(fd, &st) || (st.st_mode & S_IFMT) != S_IFREG || st.st_nlink || st.st_size > MANIFEST_MAX ||
	    st.st_size < (s64)sizeof(MANIFEST_MAGIC) + 4)
		return false;
	data = base_alloc((size_t)st.st_size);
	if (!data)
		return false;
	*c = (struct cursor){ .data = data, .size = (size_t)st.st_size };
	if (pal_pread(fd, data, c->size, 0) == st.st_size &&
	    !memcmp(get_bytes(c, sizeof(MANIFEST_MAGIC)), MANIFEST_MAGIC, sizeof(MANIFEST_MAGIC)) && get_u32(c) == n)
		return true;
	manifest_close(c);
	return false;
}

void manifest_close(struct cursor *c)
{
	base_free((void *)c->data);
}

struct file *manifest_file(struct cursor *c, int fd)
{
	struct file *f;

	if (!get_u32(c))
		return file_from_host(fd);
	f = file_load(c, fd);
	if (IS_ERR(f))
		pal_close(fd);
	return f;
}
