/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Extended attributes: twelve calls, three ways to name the object, four things to do. */
#include "libos/sys/sys.h"
#include "libos/vfs/vfs.h"

#define XATTR_SIZE 65536 /* XATTR_SIZE_MAX, XATTR_LIST_MAX */
#define XATTR_NAME 256	 /* with NUL */

enum op { GET, SET, LIST, REMOVE };

struct request {
	enum op op;
	const char *name;	/* guest */
	void *value;		/* guest */
	size_t size;
	int flags;
};

static long perform(const struct target *t, const struct request *q, const char *name, void *buf)
{
	size_t room = q->size ? MIN(q->size, (size_t)XATTR_SIZE) : 0;
	ssize_t r;

	switch (q->op) {
	case SET:
		return vfs_setxattr(t, name, buf, q->size, q->flags);
	case REMOVE:
		return vfs_removexattr(t, name);
	case GET:
		r = vfs_getxattr(t, name, buf, room);
		break;
	default:
		r = vfs_listxattr(t, buf, room);
	}
	return r > 0 && room && user_write(q->value, buf, r) ? -EFAULT : r;
}

static long request(const struct target *t, const struct request *q)
{
	char name[XATTR_NAME];
	cleanup_free void *buf = NULL;
	ssize_t n;

	if (q->op != LIST) {
		n = user_string(name, q->name, sizeof(name));
		if (n == -ENAMETOOLONG || !n)
			return -ERANGE;
		if (n < 0)
			return n;
	}
	if (q->op == SET) {
		if (q->flags & ~(XATTR_CREATE | XATTR_REPLACE))
			return -EINVAL;
		if (q->size > XATTR_SIZE)
			return -E2BIG;
	}
	if (q->size && q->op != REMOVE) {
		buf = base_alloc(MIN(q->size, (size_t)XATTR_SIZE));
		if (!buf)
			return -ENOMEM;
		if (q->op == SET && user_read(buf, q->value, q->size))
			return -EFAULT;
	}
	return perform(t, q, name, buf);
}

static long by_path(const char *path, int at_flags, const struct request *q)
{
	cleanup_free char *p = user_path(path);
	unsigned tries = 0;
	struct target t;
	long r;

	if (IS_ERR(p))
		return PTR_ERR(p);
	do {
		r = target_find(AT_FDCWD, p, at_flags, &t);
		if (r)
			return r;
		r = request(&t, q);
	} while (target_put_stale(&t, &r, &tries));
	return r;
}

static long by_fd(int fd, const struct request *q)
{
	struct target t;
	long r = target_fd(fd, &t);

	if (r)
		return r;
	r = request(&t, q);
	target_put(&t);
	return r;
}

long sys_setxattr(const char *path, const char *name, const void *value, size_t n, int flags)
{
	return by_path(path, 0, &(struct request){ SET, name, (void *)value, n, flags });
}

long sys_lsetxattr(const char *path, const char *name, const void *value, size_t n, int flags)
{
	return by_path(path, AT_SYMLINK_NOFOLLOW, &(struct request){ SET, name, (void *)value, n, flags });
}

long sys_fsetxattr(int fd, const char *name, const void *value, size_t n, int flags)
{
	return by_fd(fd, &(struct request){ SET, name, (void *)value, n, flags });
}

long sys_getxattr(const char *path, const char *name, void *value, size_t n)
{
	return by_path(path, 0, &(struct request){ GET, name, value, n, 0 });
}

long sys_lgetxattr(const char *path, const char *name, void *value, size_t n)
{
	return by_path(path, AT_SYMLINK_NOFOLLOW, &(struct request){ GET, name, value, n, 0 });
}

long sys_fgetxattr(int fd, const char *name, void *value, size_t n)
{
	return by_fd(fd, &(struct request){ GET, name, value, n, 0 });
}

long sys_listxattr(const char *path, char *list, size_t n)
{
	return by_path(path, 0, &(struct request){ LIST, NULL, list, n, 0 });
}

long sys_llistxattr(const char *path, char *list, size_t n)
{
	return by_path(path, AT_SYMLINK_NOFOLLOW, &(struct request){ LIST, NULL, list, n, 0 });
}

long sys_flistxattr(int fd, char *list, size_t n)
{
	return by_fd(fd, &(struct request){ LIST, NULL, list, n, 0 });
}

long sys_removexattr(const char *path, const char *name)
{
	return by_path(path, 0, &(struct request){ REMOVE, name, NULL, 0, 0 });
}

long sys_lremovexattr(const char *path, const char *name)
{
	return by_path(path, AT_SYMLINK_NOFOLLOW, &(struct request){ REMOVE, name, NULL, 0, 0 });
}

long sys_fremovexattr(int fd, const char *name)
{
	return by_fd(fd, &(struct request){ REMOVE, name, NULL, 0, 0 });
}
