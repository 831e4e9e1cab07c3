// SPDX-License-Identifier: LGPL-3.0-or-later
/* Extended attributes of the guest's: the host's user.* but for those that are ours. Changing one
 * copies the file up. */
#include "libos/fs/union_impl.h"

static int open_highest(struct unode *n)
{
	int fd = unode_open(n, (unsigned)highest(unode_layers(n)), O_RDONLY | O_NONBLOCK);

	return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ? -ESTALE : fd;
}

ssize_t union_getxattr(struct node *node, const char *name, void *value, size_t size)
{
	ssize_t r;
	int fd;

	if (union_is_hidden_xattr(name))
		return -ENODATA;
	fd = open_highest(to_unode(node));
	if (fd < 0)
		return fd;
	r = pal_fgetxattr(fd, name, value, size);
	pal_close(fd);
	return r;
}

static int open_copied(struct node *node)
{
	struct unode *n = to_unode(node);
	int r = union_copy_up(n, true);

	return r < 0 ? r : open_highest(n);
}

int union_setxattr(struct node *node, const char *name, const void *value, size_t size, int flags)
{
	int fd, r;

	if (union_is_hidden_xattr(name))
		return -EPERM;
	fd = open_copied(node);
	if (fd < 0)
		return fd;
	r = pal_fsetxattr(fd, name, value, size, flags);
	pal_close(fd);
	return r;
}

int union_removexattr(struct node *node, const char *name)
{
	int fd, r;

	if (union_is_hidden_xattr(name))
		return -EPERM;
	fd = open_highest(to_unode(node));
	if (fd < 0)
		return fd;
	r = (int)pal_fgetxattr(fd, name, NULL, 0);
	pal_close(fd);
	if (r < 0)
		return r;
	fd = open_copied(node);
	if (fd < 0)
		return fd;
	r = pal_fremovexattr(fd, name);
	pal_close(fd);
	return r;
}

/* The names a guest may see, from all the host has. Size 0 asks how much room they take. */
ssize_t union_list_fd(int fd, char *list, size_t size)
{
	ssize_t n = pal_flistxattr(fd, NULL, 0), out = 0;
	char *all;

	if (n <= 0)
		return n == -EOPNOTSUPP ? 0 : n;
	all = base_alloc(n);
	if (!all)
		return -ENOMEM;
	n = pal_flistxattr(fd, all, n);
	for (ssize_t i = 0; i < n;) {
		size_t len = strlen(all + i) + 1;

		if (!strncmp(all + i, "user.", 5) && !union_is_hidden_xattr(all + i)) {
			if (size && out + len > size) {
				out = -ERANGE;
				break;
			}
			if (size)
				memcpy(list + out, all + i, len);
			out += (ssize_t)len;
		}
		i += (ssize_t)len;
	}
	base_free(all);
	return n < 0 ? n : out;
}

ssize_t union_listxattr(struct node *node, char *list, size_t size)
{
	ssize_t r;
	int fd;

	if (!S_ISREG(node->mode) && !S_ISDIR(node->mode))
		return 0;
	fd = open_highest(to_unode(node));
	if (fd < 0)
		return fd;
	r = union_list_fd(fd, list, size);
	pal_close(fd);
	return r;
}
