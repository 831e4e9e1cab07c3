// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Descriptors from elsewhere: a session's standard files, and what comes by SCM_RIGHTS.
 *
 * The host tells what a descriptor is (fstat, socket options), and that decides the kind; a name it
 *does not have. Files that the libOS makes have nothing to pass, so a small memory file goes in
 *their stead and says which name to open:
 *
 *	offset 0   16 bytes   CARRIER_MAGIC
 *	       16   4 bytes   open flags
 *	       20   n bytes   guest path, NUL-terminated
 */
#include "libos/fs/kinds.h"
#include "libos/fs/pidfd.h"
#include "libos/fs/sock.h"
#include "libos/fs/tty.h"
#include "libos/task/task.h"

static const char CARRIER_MAGIC[16] = "gsh carrier 1\r\n\xff";

struct carrier {
	char magic[16];
	u32 flags;
	char path[PATH_MAX_LEN];
};

#define REOPEN_FLAGS (O_ACCMODE | O_APPEND | O_NONBLOCK | O_DIRECTORY)

/* The file that a carrier stands for, NULL if fd is none. */
static struct file *carrier_open(int fd, const struct stat *st)
{
	struct carrier *c;
	struct file *f = NULL;
	ssize_t n;
	int r;

	if (st->st_nlink || st->st_size <= (s64)offsetof(struct carrier, path) ||
	    st->st_size > (s64)sizeof(*c))
		return NULL;
	c = base_alloc(sizeof(*c));
	if (!c)
		return ERR_PTR(-ENOMEM);
	n = pal_pread(fd, c, (size_t)st->st_size, 0);
	if (n == st->st_size && !memcmp(c->magic, CARRIER_MAGIC, sizeof(c->magic)) &&
	    !c->path[(size_t)n - offsetof(struct carrier, path) - 1]) {
		r = vfs_open(AT_FDCWD, c->path, (int)(c->flags & REOPEN_FLAGS) | O_NOCTTY, 0, 0,
			     &f);
		if (r < 0)
			f = ERR_PTR(r);
	}
	base_free(c);
	return f;
}

int file_to_host(struct file *f, bool *made)
{
	struct carrier *c;
	char *path;
	int fd;

	*made = false;
	if (f->host_fd >= 0 && f->ops != &pseudo_file_ops)
		return f->host_fd;
	if (!f->path.dentry)
		return -EINVAL;
	c = base_zalloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	memcpy(c->magic, CARRIER_MAGIC, sizeof(c->magic));
	c->flags = (u32)f->flags;
	path = path_text(&f->path, c->path, sizeof(c->path));
	fd = IS_ERR(path) ? PTR_ERR(path) : pal_memfd("carrier", 0);
	if (fd >= 0) {
		size_t len = strlen(path) + 1;
		ssize_t n;

		memmove(c->path, path, len);
		len += offsetof(struct carrier, path);
		n = pal_pwrite(fd, c, len, 0);
		if (n != (ssize_t)len) {
			pal_close(fd);
			fd = -ENOMEM;
		}
	}
	*made = fd >= 0;
	base_free(c);
	return fd;
}

static struct file *device_from_host(int fd, const struct stat *st, int flags)
{
	unsigned major = dev_major(st->st_rdev), minor = dev_minor(st->st_rdev);
	const struct file_ops *ops = NULL;

	if (major >= PTS_MAJOR && major < PTS_MAJOR + 8)
		return tty_file_from_host(fd);
	if (major == 5 && minor == 2)
		return NULL; /* a master: number unknown to TIOCGPTN only if it is none */
	if (major == 1)
		ops = minor == 3		 ? &null_file_ops
		      : minor == 5		 ? &zero_file_ops
		      : minor == 7		 ? &full_file_ops
		      : minor == 8 || minor == 9 ? &random_file_ops
						 : NULL;
	if (ops) {
		static const char *const names[] = { [3] = "/dev/null",
						     [5] = "/dev/zero",
						     [7] = "/dev/full",
						     [8] = "/dev/random",
						     [9] = "/dev/urandom" };
		struct file *f;
		int r = vfs_open(AT_FDCWD, names[minor], flags, 0, 0, &f);

		if (r < 0)
			f = file_create(ops, -1, flags, NULL);
		if (!IS_ERR(f))
			pal_close(fd);
		return f;
	}
	return NULL;
}

static struct file *classify(int fd)
{
	int flags = (int)at_once(pal_fcntl(fd, F_GETFL, 0));
	struct file *f = NULL;
	struct stat st;
	int r = pal_fstat(fd, &st);

	if (r < 0 || flags < 0)
		return ERR_PTR(r < 0 ? r : flags);
	flags &= O_ACCMODE | O_APPEND | O_NONBLOCK;
	switch (st.st_mode & S_IFMT) {
	case S_IFIFO:
		/* a fifo's name is not known either; as a pipe it does all a fifo does */
		return file_create(&pipe_file_ops, fd, flags, NULL);
	case S_IFSOCK:
		f = pidfd_from_host(fd, flags);
		return f ? f : sock_file_from_host(fd, flags);
	case S_IFCHR:
		f = device_from_host(fd, &st, flags);
		break;
	case S_IFREG:
		f = carrier_open(fd, &st);
		if (f && !IS_ERR(f))
			pal_close(fd);
		if (!f)
			f = file_create(&host_file_ops, fd, flags, NULL);
		return f;
	}
	return f ? f : file_create(&anon_file_ops, fd, flags, NULL);
}

struct file *file_from_host(int fd)
{
	struct file *f;

	fd = host_fd_move(fd);
	if (fd < 0)
		return ERR_PTR(fd);
	f = classify(fd);
	if (IS_ERR(f))
		pal_close(fd);
	return f;
}
