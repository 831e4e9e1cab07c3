// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Devices of the host's in /dev that the policy grants by name: the monitor knows which, opens them, and passes what is
 * open. Nothing of them is kept here, so that what is granted or taken back holds at once.
 */
#include "libos/fs/device.h"
#include "libos/coord/area.h"
#include "libos/fs/kinds.h"
#include "libos/fs/tty.h"
#include "pal/monitor.h"

struct device {
	struct mon_reply reply;
	u32 major, minor, mode;
	char name[sizeof(((struct mon_device *)0)->name)];
};

static int ask(u32 op, const char *name, u32 flags, struct device *d, int *fd)
{
	struct mon_device q = { .op = op, .flags = flags };
	int n = fd ? 1 : 0, r;

	if (the_area->split_on || strlen(name) >= sizeof(q.name))
		return -ENOENT;
	base_strlcpy(q.name, name, sizeof(q.name));
	r = pal_monitor(MON_DEVICE, &q, sizeof(q), NULL, 0, d, sizeof(*d), fd, &n);
	if (r < 0)
		return r;
	d->name[sizeof(d->name) - 1] = '\0';
	return fd ? (n == 1 ? 0 : -ENXIO) : r < (int)sizeof(*d) ? -ENOENT : 0;
}

/* One number for all that a node has to keep. */
static s64 key_of(const struct device *d)
{
	return (s64)(((u64)d->mode << 40) | dev_make(d->major, d->minor));
}

static int device_attr(struct pseudo_node *n, struct attr *a)
{
	a->rdev = (u64)n->key & ((1ull << 40) - 1);
	a->mode = S_IFCHR | (u32)(n->key >> 40);
	return 0;
}

static long device_ioctl(struct file *f, unsigned cmd, u64 arg)
{
	return tty_ioctl_common(f, cmd, arg);
}

const struct file_ops device_file_ops = {
	.name = "device",
	.ioctl = device_ioctl,
};

static int device_open(struct pseudo_node *n, struct file *f)
{
	struct device d;
	int fd = -1, r;

	/* Nothing in here is ever renamed. */
	r = ask(MON_DEVICE_OPEN, f->path.dentry->name, (u32)f->flags & (O_ACCMODE | O_NONBLOCK), &d, &fd);
	if (r < 0)
		return r;
	fd = host_fd_move(fd);
	if (fd < 0)
		return fd;
	f->host_fd = fd;
	f->ops = &device_file_ops;
	return 0;
}

static const struct pseudo_desc device_row = {
	.name = "",
	.mode = S_IFCHR,
	.fleeting = true,
	.attr = device_attr,
	.open = device_open,
};

int device_find(struct pseudo_node *dir, const char *name, struct pseudo_ref *ref)
{
	struct device d;
	int r = ask(MON_DEVICE_LOOK, name, 0, &d, NULL);

	if (r < 0)
		return r;
	*ref = (struct pseudo_ref){ .desc = &device_row, .key = key_of(&d) };
	return 0;
}

bool device_next(struct pseudo_node *dir, s64 *cursor, char name[24], struct pseudo_ref *ref)
{
	struct device d;
	int r;

	while ((r = ask(MON_DEVICE_LIST, "", (u32)*cursor, &d, NULL)) == -ENODEV || (!r && strlen(d.name) >= 24))
		++*cursor;
	if (r < 0)
		return false;
	base_strlcpy(name, d.name, 24);
	*ref = (struct pseudo_ref){ .desc = &device_row, .key = key_of(&d) };
	return true;
}
