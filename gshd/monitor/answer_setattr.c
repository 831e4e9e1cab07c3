/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Attribute changes by descriptor. Neither Landlock nor a filter sees what a descriptor is of: the base's on rung B,
 * and on both a file or a terminal of the host's that was handed in as standard input or output. So seccomp forbids
 * them.
 *
 * The picoprocess passes an open descriptor. Whether the file is the sandbox's own is asked of the kernel: on rung A
 * by the mount that it was opened through, on rung B by its path. The path that /proc/self/fd gives must lie in the
 * sandbox's tree (top and work), its shared-memory directory, or a place that is bound for writing. A file outside
 * cannot get such a path: to link or rename one into the tree takes Landlock's REFER on the directory it is in, which
 * only the sandbox's own directories and those bound for writing have.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "gshd/monitor/monitor.h"

/* Sealed layers are not the sandbox's to change. */
static bool below_tree(const struct monitor *m, const char *path, const char *part)
{
	char dir[PATH_MAX + 8];

	snprintf(dir, sizeof(dir), "%s/%s", m->tree, part);
	return path_below(path, dir);
}

static int check_place(struct monitor *m, int fd, uint32_t op)
{
	char path[PATH_MAX];
	struct stat st;

	/* The place first: elsewhere a stat may wait for a FUSE server, and gfs's would ask us. */
	if (path_of_fd(fd, path) || (!below_tree(m, path, "top") && !below_tree(m, path, "work") &&
				     !path_below(path, m->shm) && !binds_writable(m, path)))
		return -EPERM;
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISFIFO(st.st_mode) &&
	    !S_ISSOCK(st.st_mode) && !(S_ISLNK(st.st_mode) && op == MON_ATTR_TIMES))
		return -EPERM;
	return 0;
}

/* The same on rung A, where our own paths mean nothing: a file is the sandbox's if it was opened through its mount. */
static int check_mount(struct monitor *m, int fd, bool regular)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_MNT_ID, &stx))
		return -errno;
	if (regular && !S_ISREG(stx.stx_mode))
		return -EPERM;
	if (stx.stx_mnt_id == m->child.tree_mount || (!regular && stx.stx_mnt_id == m->child.shm_mount))
		return 0;
	for (unsigned i = 0; i < m->nbinds; i++)
		if (m->child.bind_mount[i] && stx.stx_mnt_id == m->child.bind_mount[i])
			return 0;
	return -EPERM;
}

/* Of a memory file the mode means nothing to anybody who has no descriptor of it; all of them are of one mount. */
static bool is_memory(int fd)
{
	static struct statx own; /* of one of ours: its mount may well have the number 0 */
	struct statx stx;
	int made;

	if (!(own.stx_mask & STATX_MNT_ID) && (made = memfd_create("mount", MFD_CLOEXEC)) >= 0) {
		(void)!statx(made, "", AT_EMPTY_PATH, STATX_MNT_ID, &own);
		close(made);
	}
	return own.stx_mask & STATX_MNT_ID &&
	       !statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_MNT_ID, &stx) &&
	       stx.stx_mnt_id == own.stx_mnt_id && S_ISREG(stx.stx_mode);
}

int setattr_check(struct monitor *m, int fd, uint32_t op)
{
	if (op == MON_ATTR_CHMOD && is_memory(fd))
		return 0;
	return m->rung == GRANT_RUNG_B ? check_place(m, fd, op) : check_mount(m, fd, false);
}

/* A read lease is refused while anybody has the file open for writing. Ours is given up at once. */
static int ask_busy(int fd)
{
	if (fcntl(fd, F_SETLEASE, F_RDLCK))
		return errno == EAGAIN ? -ETXTBSY : -errno;
	return fcntl(fd, F_SETLEASE, F_UNLCK) ? -errno : 0;
}

static int set_xattr(int fd, const struct mon_setattr *q, const void *value, size_t size)
{
	if (!memchr(q->name, '\0', sizeof(q->name)) || strncmp(q->name, "user.", 5) || !q->name[5])
		return -EINVAL;
	if (q->op == MON_ATTR_DELX)
		return size ? -EINVAL : fremovexattr(fd, q->name) ? -errno : 0;
	return fsetxattr(fd, q->name, value, size, (int)q->mode) ? -errno : 0;
}

/* Of a fifo or a socket there may be no descriptor but O_PATH, whose mode is changed by its name in /proc only. */
static int change_mode(int fd, mode_t mode)
{
	char name[32];

	if (!fchmod(fd, mode))
		return 0;
	if (errno != EBADF)
		return -errno;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return chmod(name, mode) ? -errno : 0;
}

static int perform(int fd, const struct mon_setattr *q, const void *value, size_t size)
{
	struct timespec times[2] = { { q->atime_s, q->atime_ns }, { q->mtime_s, q->mtime_ns } };

	switch (q->op) {
	case MON_ATTR_CHMOD:
		if (size || (q->mode & ~01777u))
			return -EINVAL;
		return change_mode(fd, q->mode);
	case MON_ATTR_TIMES:
		/* The descriptor may be O_PATH: a symlink has no other. */
		return size ? -EINVAL : utimensat(fd, "", times, AT_EMPTY_PATH) ? -errno : 0;
	case MON_ATTR_BUSY:
		return size ? -EINVAL : ask_busy(fd);
	case MON_ATTR_SETX:
	case MON_ATTR_DELX:
		return set_xattr(fd, q, value, size);
	}
	return -EINVAL;
}

int setattr_perform(int fd, const void *data, size_t size)
{
	struct mon_setattr q;

	memcpy(&q, data, sizeof(q));
	return perform(fd, &q, (const char *)data + sizeof(q), size - sizeof(q));
}

void answer_setattr(struct monitor *m, struct request *r)
{
	struct mon_setattr q;
	int err;

	memcpy(&q, r->data, sizeof(q));
	if (q.op == MON_ATTR_BUSY && m->rung != GRANT_RUNG_B)
		err = check_mount(m, r->fds[0], true);
	else
		err = setattr_check(m, r->fds[0], q.op);
	if (!err)
		err = setattr_perform(r->fds[0], r->data, r->size);
	r->reply.head.error = -err;
}
