// SPDX-License-Identifier: LGPL-3.0-or-later
/* ioctl: the few commands that mean the same for every file, then the file's own. */
#include "libos/sys/sys.h"
#include "libos/fs/kinds.h"

/* include/uapi/linux/fiemap.h; its size is part of the number */
#define IOC_FIEMAP 0xc020660bu

static long set_flag(struct file *f, int flag, bool on)
{
	int r, flags = on ? f->flags | flag : f->flags & ~flag;

	if (f->ops->setflags)
		r = f->ops->setflags(f, flags);
	else
		r = f->host_fd < 0
			    ? 0
			    : (int)at_once(pal_fcntl(f->host_fd, F_SETFL,
						     (u64)(flags & (O_APPEND | O_NONBLOCK))));
	if (r >= 0)
		atomic_store(&f->flags, flags);
	return MIN(r, 0);
}

static long ioctl_nonblock(struct file *f, u64 arg)
{
	int on;

	return user_read(&on, (const void *)arg, sizeof(on)) < 0 ? -EFAULT
								 : set_flag(f, O_NONBLOCK, on);
}

/* Remembered, as by F_SETFL. */
static long ioctl_async(struct file *f, u64 arg)
{
	int on;

	if (user_read(&on, (const void *)arg, sizeof(on)) < 0)
		return -EFAULT;
	atomic_store(&f->flags, on ? f->flags | FASYNC : f->flags & ~FASYNC);
	return 0;
}

static long ioctl_block_size(u64 arg)
{
	int size = PAGE_SIZE;

	return user_write((void *)arg, &size, sizeof(size));
}

/* FIONREAD of a regular file is the rest of it. */
static long ioctl_rest(struct file *f, u64 arg)
{
	struct attr a;
	s64 at = file_lseek(f, 0, SEEK_CUR);
	int r = file_getattr(f, &a), rest;

	if (r < 0 || at < 0)
		return r < 0 ? r : at;
	rest = (int)((s64)a.size - at);
	return user_write((void *)arg, &rest, sizeof(rest));
}

static long ioctl_regular(struct file *f, unsigned cmd, u64 arg)
{
	switch (cmd) {
	case FIONREAD:
		return ioctl_rest(f, arg);
	case FICLONE:
	case FICLONERANGE:
	case FIDEDUPERANGE:
	case IOC_FIEMAP:
		return -EOPNOTSUPP;
	}
	return -ENOTTY;
}

static bool is_regular(struct file *f)
{
	return f->ops == &host_file_ops ||
	       (f->path.dentry && path_node(&f->path) && S_ISREG(path_node(&f->path)->mode));
}

long sys_ioctl(int fd, unsigned cmd, u64 arg)
{
	cleanup_file struct file *f = fdtab_get(fd);

	if (IS_ERR(f))
		return PTR_ERR(f);
	switch (cmd) {
	case FIOCLEX:
	case FIONCLEX:
		return MIN(fdtab_flags(fd, cmd == FIOCLEX ? FD_CLOEXEC : 0), 0);
	case FIONBIO:
		return ioctl_nonblock(f, arg);
	case FIGETBSZ:
		return ioctl_block_size(arg);
	case FIOASYNC:
		return is_regular(f) ? -ENOTTY : ioctl_async(f, arg);
	}
	if (f->ops->ioctl)
		return f->ops->ioctl(f, cmd, arg);
	return is_regular(f) ? ioctl_regular(f, cmd, arg) : -ENOTTY;
}
