// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * /dev: a fixed tree. null, zero, full and random are answered here, without a host call where
 * nothing is needed from it; tty and ptmx lead to the terminals of tty.c and pty.c. What of the
 * host's devices the policy has comes beside them: device.c.
 */
#include "libos/fs/device.h"
#include "libos/fs/kinds.h"
#include "libos/fs/tty.h"
#include "libos/sys/user.h"
#include "libos/task/task.h"

/* clang-format off */
#define CHR(n, perm, major, minor, fn) \
	{ .name = (n), .mode = S_IFCHR | (perm), .rdev = dev_make(major, minor), .open = (fn) }
/* clang-format on */
#define RANDOM_CHUNK (1u << 20)

/* ---- null, zero, full ---- */

static ssize_t null_read(struct file *f, void *buf, size_t n)
{
	return 0;
}

static ssize_t null_pread(struct file *f, void *buf, size_t n, u64 off)
{
	return 0;
}

static ssize_t sink_write(struct file *f, const void *buf, size_t n)
{
	return (ssize_t)n;
}

static ssize_t sink_pwrite(struct file *f, const void *buf, size_t n, u64 off)
{
	return (ssize_t)n;
}

static s64 null_lseek(struct file *f, s64 off, int whence)
{
	return 0;
}

static ssize_t zero_read(struct file *f, void *buf, size_t n)
{
	return user_zero(buf, n) < 0 ? -EFAULT : (ssize_t)n;
}

static ssize_t zero_pread(struct file *f, void *buf, size_t n, u64 off)
{
	return zero_read(f, buf, n);
}

static ssize_t full_write(struct file *f, const void *buf, size_t n)
{
	return -ENOSPC;
}

static ssize_t full_pwrite(struct file *f, const void *buf, size_t n, u64 off)
{
	return -ENOSPC;
}

static int no_truncate(struct file *f, u64 size)
{
	return -EINVAL;
}

static int no_setflags(struct file *f, int flags)
{
	return 0;
}

static int no_fsync(struct file *f, bool data_only)
{
	return -EINVAL;
}

static int no_fallocate(struct file *f, int mode, u64 off, u64 len)
{
	return -ENODEV;
}

#define DEVICE_OPS                                                                                \
	.lseek = null_lseek, .truncate = no_truncate, .setflags = no_setflags, .fsync = no_fsync, \
	.fallocate = no_fallocate

const struct file_ops null_file_ops = {
	.name = "null",
	.read = null_read,
	.pread = null_pread,
	.write = sink_write,
	.pwrite = sink_pwrite,
	DEVICE_OPS,
};

/* Mapping /dev/zero is anonymous memory: mm/map.c knows this kind. */
const struct file_ops zero_file_ops = {
	.name = "zero",
	.read = zero_read,
	.pread = zero_pread,
	.write = sink_write,
	.pwrite = sink_pwrite,
	DEVICE_OPS,
};

const struct file_ops full_file_ops = {
	.name = "full",
	.read = zero_read,
	.pread = zero_pread,
	.write = full_write,
	.pwrite = full_pwrite,
	DEVICE_OPS,
};

/* ---- random, urandom ---- */

static ssize_t random_read(struct file *f, void *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		int r = pal_getrandom((char *)buf + done, MIN(n - done, RANDOM_CHUNK), 0);

		if (r == -EINTR && done)
			break;
		if (r < 0)
			return done ? (ssize_t)done : restartable(r);
		done += (size_t)r;
	}
	return (ssize_t)done;
}

static ssize_t random_pread(struct file *f, void *buf, size_t n, u64 off)
{
	return random_read(f, buf, n);
}

static long random_ioctl(struct file *f, unsigned cmd, u64 arg)
{
	int bits = 256;

	switch (cmd) {
	case RNDGETENTCNT:
		return user_write((void *)arg, &bits, sizeof(bits));
	case RNDADDTOENTCNT:
	case RNDADDENTROPY:
	case RNDZAPENTCNT:
	case RNDCLEARPOOL:
	case RNDRESEEDCRNG:
		return -EPERM;
	}
	return -EINVAL;
}

const struct file_ops random_file_ops = {
	.name = "random",
	.read = random_read,
	.pread = random_pread,
	.write = sink_write,
	.pwrite = sink_pwrite,
	.ioctl = random_ioctl,
	DEVICE_OPS,
};

ssize_t device_take(const struct file *f, void *buf, size_t n)
{
	if (f->ops == &random_file_ops)
		return pal_getrandom(buf, MIN(n, RANDOM_CHUNK), 0);
	if (f->ops != &zero_file_ops && f->ops != &full_file_ops)
		return -EINVAL;
	memset(buf, 0, n);
	return (ssize_t)n;
}

ssize_t device_give(const struct file *f, size_t n)
{
	bool takes = f->ops == &null_file_ops || f->ops == &zero_file_ops || f->ops == &random_file_ops;

	return takes ? (ssize_t)n : -EINVAL;
}

static int null_open(struct pseudo_node *n, struct file *f)
{
	f->ops = &null_file_ops;
	return 0;
}

static int zero_open(struct pseudo_node *n, struct file *f)
{
	f->ops = &zero_file_ops;
	return 0;
}

static int full_open(struct pseudo_node *n, struct file *f)
{
	f->ops = &full_file_ops;
	return 0;
}

static int random_open(struct pseudo_node *n, struct file *f)
{
	f->ops = &random_file_ops;
	return 0;
}

static int kmsg_open(struct pseudo_node *n, struct file *f)
{
	return -EPERM;
}

struct file *null_file_create(int flags)
{
	return file_create(&null_file_ops, -1, flags, NULL);
}

/* ---- links ---- */

/* clang-format off */
#define LINK(n, fn) { .name = (n), .mode = S_IFLNK | 0777, .readlink = (fn) }
/* clang-format on */
#define LINK_FN(fn, to)                                                  \
	static ssize_t fn(struct pseudo_node *n, char *buf, size_t size) \
	{                                                                \
		return pseudo_text(buf, size, to);                       \
	}

LINK_FN(link_fd, "/proc/self/fd")
LINK_FN(link_stdin, "/proc/self/fd/0")
LINK_FN(link_stdout, "/proc/self/fd/1")
LINK_FN(link_stderr, "/proc/self/fd/2")
LINK_FN(link_core, "/proc/kcore")

static const struct pseudo_desc dev_rows[] = {
	CHR("null", 0666, 1, 3, null_open),
	CHR("zero", 0666, 1, 5, zero_open),
	CHR("full", 0666, 1, 7, full_open),
	CHR("random", 0666, 1, 8, random_open),
	CHR("urandom", 0666, 1, 9, random_open),
	CHR("tty", 0666, 5, 0, tty_open_controlling),
	CHR("console", 0600, 5, 1, tty_open_controlling),
	CHR("ptmx", 0666, 5, 2, ptm_open),
	CHR("kmsg", 0600, 1, 11, kmsg_open),
	PSEUDO_DIR("pts", 0755, NULL),
	PSEUDO_DIR("shm", 01777, NULL),
	PSEUDO_DIR("mqueue", 01777, NULL),
	LINK("fd", link_fd),
	LINK("stdin", link_stdin),
	LINK("stdout", link_stdout),
	LINK("stderr", link_stderr),
	LINK("core", link_core),
	PSEUDO_END,
};
static const struct pseudo_desc dev_root = {
	.name = "dev",
	.mode = S_IFDIR | 0755,
	.fleeting = true,
	.children = dev_rows,
	.find = device_find,
	.next = device_next,
};

struct fs *devfs_create(void)
{
	return pseudo_fs_create("devtmpfs", dev_make(0, 5), TMPFS_MAGIC, false, &dev_root);
}
