/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * pidfd: readable once its process has ended. On the host it is the outer end of the process's life (coord/life.c),
 * which also says whose it is; so a pidfd works wherever it travels, and there is nothing here to be saved.
 */
#include "libos/fs/pidfd.h"
#include "libos/coord/area.h"
#include "libos/coord/coord.h"
#include "libos/task/task.h"

static ssize_t pidfd_read(struct file *f, void *buf, size_t n)
{
	return -EINVAL;
}

static ssize_t pidfd_write(struct file *f, const void *buf, size_t n)
{
	return -EINVAL;
}

static ssize_t pidfd_pread(struct file *f, void *buf, size_t n, u64 off)
{
	return -EINVAL;
}

static ssize_t pidfd_pwrite(struct file *f, const void *buf, size_t n, u64 off)
{
	return -EINVAL;
}

static s64 pidfd_lseek(struct file *f, s64 off, int whence)
{
	return -ESPIPE;
}

static int pidfd_fsync(struct file *f, bool data_only)
{
	return -EINVAL;
}

static int pidfd_truncate(struct file *f, u64 size)
{
	return -EOPNOTSUPP;
}

/* On the host all descriptors of one life are one description: whether this one blocks is kept here. */
static int pidfd_setflags(struct file *f, int flags)
{
	return 0;
}

static int pidfd_getattr(struct file *f, struct attr *a)
{
	struct stat st;
	int r = pal_fstat(f->host_fd, &st);

	if (r)
		return r;
	attr_from_stat(a, &st);
	a->mode = S_IFREG | 0700;
	a->uid = a->gid = 0;
	a->nlink = 1;
	a->size = 0;
	return 0;
}

static short pidfd_polled(struct file *f, short seen)
{
	/* The socket hangs up at the end; a pidfd only when the process is reaped, and it is never written to. */
	seen &= (short)~(POLLOUT | POLLWRNORM | POLLRDHUP);
	return pidfd_pid(f) < 0 ? seen : (short)(seen & ~POLLHUP);
}

static void pidfd_info(struct file *f, struct buf *b)
{
	s32 pid = pidfd_pid(f);

	base_buf_printf(b, "Pid:\t%d\nNSpid:\t%d\n", MAX(pid, -1), MAX(pid, -1));
}

const struct file_ops pidfd_file_ops = {
	.name = "pidfd",
	.read = pidfd_read,
	.write = pidfd_write,
	.pread = pidfd_pread,
	.pwrite = pidfd_pwrite,
	.lseek = pidfd_lseek,
	.fsync = pidfd_fsync,
	.truncate = pidfd_truncate,
	.setflags = pidfd_setflags,
	.getattr = pidfd_getattr,
	.polled = pidfd_polled,
	.info = pidfd_info,
};

s32 pidfd_pid(const struct file *f)
{
	struct coord_life l;
	struct area_slot *s;

	if (!coord_life_of(f->host_fd, &l))
		return -ESRCH;
	s = area_process(l.pid);
	return s && coord_life_stamp(s) == l.stamp ? l.pid : -ESRCH;
}

bool pidfd_over(const struct file *f)
{
	return coord_life_over(f->host_fd);
}

int pidfd_install(s32 pid, int flags)
{
	int fd = coord_life_open(pid);

	return fd < 0 ? fd : fd_install(&pidfd_file_ops, fd, flags | O_RDWR | O_CLOEXEC, NULL);
}

int pidfd_install_ended(s32 pid)
{
	struct coord_life l = { .pid = pid, .stamp = 1 };
	int fd = coord_life_ended(&l);

	return fd < 0 ? fd : fd_install(&pidfd_file_ops, fd, O_RDWR | O_CLOEXEC, NULL);
}

struct file *pidfd_from_host(int fd, int flags)
{
	struct coord_life l;

	return coord_life_of(fd, &l) ? file_create(&pidfd_file_ops, fd, flags, NULL) : NULL;
}
