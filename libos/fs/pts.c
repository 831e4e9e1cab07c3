// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * /dev/pts: the sandbox's ptys by number, as the monitor lists them. What chmod and chown make of one (`mesg n`, a
 * login) stands in the area, for all of the sandbox to see; the host's own terminal keeps its mode.
 */
#include "libos/fs/pseudo.h"
#include "libos/fs/kinds.h"
#include "libos/coord/area.h"
#include "libos/fs/tty.h"
#include "libos/task/task.h"
#include "pal/grant.h"
#include "pal/monitor.h"

#define PTS_DEV dev_make(0, 24)
#define PTS_MAX 256
#define TTY_GID 5

static const struct pseudo_desc pts_slave;

struct pts_list {
	struct mon_reply reply;
	u32 numbers[PTS_MAX];
};

/* How many numbers; -errno. */
static int pts_read_list(struct pts_list *l)
{
	struct mon_pty req = { .op = MON_PTY_LIST };
	int n = 0, r = pal_monitor(MON_PTY, &req, sizeof(req), NULL, 0, l, sizeof(*l), NULL, &n);

	if (r < 0)
		return r;
	return (int)(((size_t)r - MIN((size_t)r, sizeof(l->reply))) / sizeof(u32));
}

static int pts_find(struct pseudo_node *dir, const char *name, struct pseudo_ref *ref)
{
	s64 number = pseudo_number(name);
	struct pts_list *l;
	int n, r = -ENOENT;

	if (number < 0)
		return -ENOENT;
	*ref = (struct pseudo_ref){ .desc = &pts_slave, .key = number };
	if (pty_is_ours((unsigned)number))
		return 0;
	l = base_alloc(sizeof(*l));
	if (!l)
		return -ENOMEM;
	n = pts_read_list(l);
	for (int i = 0; i < n; i++) {
		if (l->numbers[i] == number)
			r = 0;
	}
	base_free(l);
	return r;
}

/* The smallest number at or after the cursor. */
static bool pts_next(struct pseudo_node *dir, s64 *cursor, char name[24], struct pseudo_ref *ref)
{
	struct pts_list *l = base_alloc(sizeof(*l));
	s64 best = -1;
	int n;

	if (!l)
		return false;
	n = pts_read_list(l);
	for (int i = 0; i < n; i++) {
		if (l->numbers[i] >= *cursor && (best < 0 || l->numbers[i] < best))
			best = l->numbers[i];
	}
	base_free(l);
	if (best < 0)
		return false;
	*cursor = best;
	base_snprintf(name, 24, "%ld", (long)best);
	*ref = (struct pseudo_ref){ .desc = &pts_slave, .key = best };
	return true;
}

static struct area_pts *kept(unsigned number)
{
	return &the_area->pts[number % AREA_PTS];
}

static u64 tag(unsigned number)
{
	return AREA_PTS_SET | (u64)number << 32;
}

void pts_made(unsigned number)
{
	atomic_store(&kept(number)->mode, 0);
}

static void pts_attr_kept(unsigned number, struct attr *a)
{
	const struct area_pts *k = kept(number);
	u64 mode = atomic_load(&k->mode), owner = atomic_load(&k->owner);

	if ((mode & ~(u64)UINT32_MAX) != tag(number))
		return;
	a->mode = S_IFCHR | (u32)mode;
	if (owner >> 32)
		a->uid = (u32)(owner >> 32) - 1;
	if ((u32)owner)
		a->gid = (u32)owner - 1;
}

void pts_attr(unsigned number, struct attr *a)
{
	*a = (struct attr){ .dev = PTS_DEV,
			    .ino = number + 3,
			    .mode = S_IFCHR | 0620,
			    .nlink = 1,
			    .blksize = 1024 };
	a->rdev = dev_make(PTS_MAJOR, number);
	a->uid = pal_grant()->uid;
	a->gid = TTY_GID;
	pts_attr_kept(number, a);
	pal_clock_gettime(CLOCK_REALTIME, &a->mtime);
	a->atime = a->ctime = a->btime = a->mtime;
}

static int pts_slave_attr(struct pseudo_node *n, struct attr *a)
{
	pts_attr((unsigned)n->key, a);
	return 0;
}

int pts_setattr(unsigned number, const struct attr *a)
{
	struct area_pts *k = kept(number);
	struct attr now;
	u64 owner;

	pts_attr(number, &now);
	if ((atomic_load(&k->mode) & ~(u64)UINT32_MAX) != tag(number))
		atomic_store(&k->owner, 0);
	owner = atomic_load(&k->owner);
	if (a->valid & ATTR_UID)
		owner = (u64)(a->uid + 1) << 32 | (u32)owner;
	if (a->valid & ATTR_GID)
		owner = (owner & ~(u64)UINT32_MAX) | (a->gid + 1);
	atomic_store(&k->owner, owner);
	atomic_store(&k->mode, tag(number) | ((a->valid & ATTR_MODE ? a->mode : now.mode) & S_IALLUGO));
	return 0;
}

static int pts_slave_setattr(struct pseudo_node *n, const struct attr *a)
{
	return pts_setattr((unsigned)n->key, a);
}

static int pts_slave_open(struct pseudo_node *n, struct file *f)
{
	int fd = pty_open_slave((unsigned)n->key);

	if (fd < 0)
		return fd == -EINTR ? -ERESTARTSYS : fd;
	tty_attach(f, fd, (unsigned)n->key);
	return 0;
}

static const struct pseudo_desc pts_slave = {
	.name = "",
	.mode = S_IFCHR | 0620,
	.attr = pts_slave_attr,
	.setattr = pts_slave_setattr,
	.open = pts_slave_open,
};

static const struct pseudo_desc pts_rows[] = {
	{ .name = "ptmx", .mode = S_IFCHR | 0666, .rdev = dev_make(5, 2), .open = ptm_open },
	PSEUDO_END,
};
static const struct pseudo_desc pts_root = {
	.name = "pts",
	.mode = S_IFDIR | 0755,
	.children = pts_rows,
	.find = pts_find,
	.next = pts_next,
};

struct fs *ptsfs_create(void)
{
	return pseudo_fs_create("devpts", PTS_DEV, DEVPTS_SUPER_MAGIC, true, &pts_root);
}
