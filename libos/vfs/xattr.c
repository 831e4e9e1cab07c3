// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Extended attributes: which namespaces a guest has, and who may touch them. Linux: fs/xattr.c, xattr_permission().
 *
 * user.* is real, on regular files and directories. The rest is what an ordinary disk answers to somebody without
 * capabilities: trusted.* is invisible, security.* can't be set, access control lists are not supported. A socket has
 * one attribute, the name of its protocol (fs/sock.c).
 */
#include "libos/vfs/impl.h"
#include "libos/vfs/notify.h"
#include "libos/fs/kinds.h"
#include "libos/fs/sock.h"
#include "libos/task/task.h"

static bool begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

static int name_allowed(const char *name, bool write)
{
	if (begins(name, "user."))
		return 0;
	if (begins(name, "trusted."))
		return write ? -EPERM : -ENODATA;
	if (begins(name, "security."))
		return write ? -EPERM : -ENODATA;
	return -EOPNOTSUPP;
}

static int target_permission(const struct target *t, int mask)
{
	const struct cred *c = &this_process()->cred;
	struct attr a;
	int r;

	if (mask & MAY_WRITE && t->path.dentry && t->path.mnt->flags & MS_RDONLY)
		return -EROFS;
	r = vfs_target_getattr(t, &a);
	if (r < 0)
		return r;
	if (!S_ISREG(a.mode) && !S_ISDIR(a.mode))
		return mask & MAY_WRITE ? -EPERM : -ENODATA;
	if (S_ISDIR(a.mode) && a.mode & S_ISVTX && mask & MAY_WRITE && !attr_owner(&a))
		return -EPERM;
	return attr_permission(c, a.mode, a.uid, a.gid, c->fsuid, c->fsgid, mask);
}

static int mode_permission(const struct target *t, int mask)
{
	const struct cred *c = &this_process()->cred;
	struct attr a;
	int r = vfs_target_getattr(t, &a);

	return r < 0 ? r : attr_permission(c, a.mode, a.uid, a.gid, c->fsuid, c->fsgid, mask);
}

static int allowed(const struct target *t, const char *name, int mask)
{
	int r = name_allowed(name, mask & MAY_WRITE), denied;

	if (!r)
		return target_permission(t, mask);
	/* Of a name that nobody knows the handler says so, and who may not write does not get that far. */
	denied = r == -EOPNOTSUPP && !begins(name, "system.") ? mode_permission(t, mask) : 0;
	return denied ? denied : r;
}

/* The operation through the open file if there is one, else through the node. */
#define DISPATCH(t, op, ...)                                                                        \
	((t)->file && (t)->file->ops->op ? (t)->file->ops->op((t)->file, ##__VA_ARGS__) :           \
	 (t)->path.dentry && path_node(&(t)->path)->ops->op ?                                       \
	 path_node(&(t)->path)->ops->op(path_node(&(t)->path), ##__VA_ARGS__) : -EOPNOTSUPP)

#define PROTOCOL "system.sockprotoname"

/* The open socket that t is, also through its link in /proc; else NULL. */
static struct file *target_socket(const struct target *t)
{
	struct file *f = t->file ? t->file : anon_file(&t->path);

	return f && file_is_sock(f) ? f : NULL;
}

/* Text with its NUL, as much as it takes with size 0. */
static ssize_t give(const char *text, char *out, size_t size)
{
	size_t n = strlen(text) + 1;

	if (size && size < n)
		return -ERANGE;
	if (size)
		memcpy(out, text, n);
	return (ssize_t)n;
}

ssize_t vfs_getxattr(const struct target *t, const char *name, void *value, size_t size)
{
	struct file *socket = target_socket(t);
	int r;

	if (socket && !strcmp(name, PROTOCOL))
		return give(sock_protocol_name(socket), value, size);
	r = allowed(t, name, MAY_READ);
	return r < 0 ? r : DISPATCH(t, getxattr, name, value, size);
}

int vfs_setxattr(const struct target *t, const char *name, const void *value, size_t size, int flags)
{
	int r = allowed(t, name, MAY_WRITE);

	if (!r)
		r = DISPATCH(t, setxattr, name, value, size, flags);
	if (!r)
		notify_object(t->path.dentry, IN_ATTRIB);
	return r;
}

ssize_t vfs_listxattr(const struct target *t, char *list, size_t size)
{
	ssize_t r;

	if (target_socket(t))
		return give(PROTOCOL, list, size);
	r = DISPATCH(t, listxattr, list, size);
	return r == -EOPNOTSUPP ? 0 : r;
}

int vfs_removexattr(const struct target *t, const char *name)
{
	int r = allowed(t, name, MAY_WRITE);

	if (!r)
		r = DISPATCH(t, removexattr, name);
	if (!r)
		notify_object(t->path.dentry, IN_ATTRIB);
	return r;
}
