// SPDX-License-Identifier: LGPL-3.0-or-later
/* ioctl: the few commands that mean the same for every file, then the file's own. */
#include "libos/sys/sys.h"
#include "libos/fs/kinds.h"
#include "libos/task/task.h"

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

/*
 * Inode flags (chattr, lsattr). Their calls are not on the list of host calls, but statx tells of those that say
 * something, by the same bits; that ext4 keeps extents is true of what it has made since 2008. To change one is not
 * to be had: set to what it is, all is well.
 */
#define FLAGS_TOLD                                                                                  \
	(FS_COMPR_FL | FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_ENCRYPT_FL | FS_VERITY_FL | FS_DAX_FL)
#define FLAGS_PRIVILEGED (FS_IMMUTABLE_FL | FS_APPEND_FL)

static int inode_flags(struct file *f)
{
	struct statfs fs;
	struct statx st;
	int r;

	_Static_assert(STATX_ATTR_NODUMP == FS_NODUMP_FL && STATX_ATTR_VERITY == FS_VERITY_FL, "the same bits");
	if (f->host_fd < 0)
		return 0;
	r = pal_statx(f->host_fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &st);
	if (r < 0)
		return r;
	r = (int)(st.stx_attributes & FLAGS_TOLD);
	return pal_fstatfs(f->host_fd, &fs) == 0 && fs.f_type == EXT4_SUPER_MAGIC ? r | FS_EXTENT_FL : r;
}

static long set_inode_flags(struct file *f, u64 arg)
{
	int want, flags = inode_flags(f);
	struct attr a;
	int r;

	if (user_read(&want, (const void *)arg, sizeof(want)))
		return -EFAULT;
	r = flags < 0 ? flags : file_getattr(f, &a);
	if (r < 0)
		return r;
	if (a.uid != this_process()->cred.fsuid && !capable(this_process()))
		return -EPERM;
	if ((want ^ flags) & FLAGS_PRIVILEGED)
		return -EPERM;
	return want == flags ? 0 : -EOPNOTSUPP;
}

static long get_xflags(struct file *f, u64 arg)
{
	int flags = inode_flags(f);
	struct fsxattr x = { 0 };

	if (flags < 0)
		return flags;
	x.fsx_xflags = (flags & FS_IMMUTABLE_FL ? FS_XFLAG_IMMUTABLE : 0) |
		       (flags & FS_APPEND_FL ? FS_XFLAG_APPEND : 0) |
		       (flags & FS_NODUMP_FL ? FS_XFLAG_NODUMP : 0) | (flags & FS_DAX_FL ? FS_XFLAG_DAX : 0);
	return user_write((void *)arg, &x, sizeof(x));
}

/* Of files and directories that lie on a disk or a tmpfs. */
static long ioctl_inode(struct file *f, unsigned cmd, u64 arg)
{
	int flags;

	switch (cmd) {
	case FS_IOC_GETFLAGS:
		flags = inode_flags(f);
		return flags < 0 ? flags : user_write((void *)arg, &flags, sizeof(flags));
	case FS_IOC_SETFLAGS:
		return set_inode_flags(f, arg);
	case FS_IOC_FSGETXATTR:
		return get_xflags(f, arg);
	case FIFREEZE:
	case FITHAW:
		return -EPERM;
	}
	return -ENOTTY;
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
	case FIBMAP:
		return -EPERM;
	}
	return ioctl_inode(f, cmd, arg);
}

static bool is_regular(struct file *f)
{
	return f->ops == &host_file_ops ||
	       (f->path.dentry && path_node(&f->path) && S_ISREG(path_node(&f->path)->mode) &&
		f->ops != &pseudo_file_ops);
}

long sys_ioctl(int fd, unsigned cmd, u64 arg)
{
	cleanup_file struct file *f = fdtab_get(fd);
	long r;

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
	r = f->ops->ioctl ? f->ops->ioctl(f, cmd, arg) : -ENOTTY;
	if (r != -ENOTTY)
		return r;
	if (f->ops == &union_dir_ops)
		return ioctl_inode(f, cmd, arg);
	return is_regular(f) ? ioctl_regular(f, cmd, arg) : -ENOTTY;
}
