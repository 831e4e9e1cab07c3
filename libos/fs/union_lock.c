// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * What files are locked at.
 *
 * A file of the base is one thing to Linux's locks, its copy in the top another. Who locked the first would never
 * meet who locks the second, but would meet the users of the host, and other sandboxes. So a file that is of a lower
 * layer, or was before copy-up, is locked at an empty file on the sandbox's tmpfs, which its inode number names:
 * that is the same before and after. All others are locked as they are. The stand-in belongs to the open file, is
 * opened when it is first needed, and is inherited with it; what else is known of the file never touches it.
 *
 * A lock of flock(2) is the open file's and outlives who took it: `exec 9>f; flock 9` takes it in a child. The
 * stand-in that the child opened ends with it, so a file of the sandbox's own layers is locked as well. What is read
 * of the base has the stand-in alone: there, a lock that a child took ends with the child.
 */
#include "libos/fs/union_impl.h"
#include "libos/fs/kinds.h"
#include "libos/vfs/file.h"
#include "pal/grant.h"

/* 0: the file stands for itself. */
static u64 key_of(struct file *f)
{
	struct unode *n = f->path.dentry ? to_unode(path_node(&f->path)) : NULL;

	if (!n)
		return 0;
	if (union_file_in_top(f))
		return n->origin;
	return n->origin ?: n->node.ino;
}

int union_lock_fd(struct file *f, bool *own)
{
	int fd = atomic_load(&f->lock_fd);
	char name[40];
	u64 key;

	*own = f->priv != NULL; /* not of the base */
	if (fd >= 0)
		return fd;
	key = key_of(f);
	if (!key)
		return f->host_fd;
	base_snprintf(name, sizeof(name), ".gsh-lock-%lx", key);
	fd = host_fd_move(pal_openat(GRANT_FD_SHM, name, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
	if (fd < 0)
		return fd == -ENOSPC || fd == -EMFILE || fd == -ENFILE ? -ENOLCK : fd;
	if (atomic_cas(&f->lock_fd, -1, fd))
		return fd;
	pal_close(fd); /* another thread was first */
	return atomic_load(&f->lock_fd);
}
