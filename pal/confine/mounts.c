/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Rung A's root: a tmpfs that holds only the sandbox's trees.
 *
 *   /base   the base, recursively, read-only, nosuid, nodev; its proc, sys, dev, run and every
 *           hidden path are covered
 *           by an empty read-only tmpfs (sys keeps the description of processors and memory nodes)
 *   /tree   the sandbox's own directory of layers and work: one mount, so that rename works between
 *           them
 *   /bind   the places of the host's that the settings bind, at ro/N to be read and rw/N to be written, too, each a
 *           mount of its own without what is mounted below it; a file is N/file. More may come while the sandbox
 *           runs (bind.c)
 *   /cache  the patched-image cache, read-only
 *   /image  the picoprocess image, read-only: as its owner we could change its mode otherwise
 *   /shm    a tmpfs of its own; and the root directory of every picoprocess
 *   /pts    a devpts of its own; gone for the picoprocesses but for the terminals that the monitor
 *           hands in
 *
 * The trees are copied as detached mounts before the new root covers anything and are attached once
 * it stands: no directory of the host is ever written to. Picoprocesses hold descriptors of these
 * mounts; their root directory is /shm, whence no path reaches the base. That matters for
 * connect(2): it takes a path and no directory, and neither a read-only mount nor Landlock (before
 * ABI 9) keeps it from a host service's socket below the base.
 *
 * open_tree and mount_setattr are as old as Linux 5.12, older than the Landlock that this rung
 * needs in any case, so there is no second way with mount(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "pal/confine/impl.h"

/* <sys/mount.h> and <linux/mount.h> cannot both be included with this libc. */
#define MNT_DETACH 2

/* Must be there whatever the host is, and is done with: /proc was read for the id map. */
#define ROOT_GOES_ON "/proc"

static int sys_mount(const char *target, unsigned long flags)
{
	return syscall(SYS_mount, NULL, target, NULL, flags, NULL) ? -errno : 0;
}

static int sys_open_tree(int dir, const char *path, unsigned flags)
{
	int fd = (int)syscall(SYS_open_tree, dir, path, flags | OPEN_TREE_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int sys_setattr(int mnt, bool recursive, uint64_t set)
{
	struct mount_attr attr = {.attr_set = set, .propagation = MS_PRIVATE};
	unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);

	return syscall(SYS_mount_setattr, mnt, "", flags, &attr, sizeof(attr)) ? -errno : 0;
}

static int sys_attach(int mnt, int dir, const char *path)
{
	unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | (*path ? 0 : MOVE_MOUNT_T_EMPTY_PATH);

	return syscall(SYS_move_mount, mnt, "", dir, path, flags) ? -errno : 0;
}

/* A new file system, mounted nowhere yet; opts is a NULL-ended list of key, value. */
static int fresh(const char *type, const char *const *opts, unsigned attr)
{
	int mnt, err = 0;
	int fs = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);

	if (fs < 0)
		return -errno;
	for (; *opts && !err; opts += 2)
		if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, opts[0], opts[1], 0))
			err = -errno;
	if (!err && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		err = -errno;
	mnt = err ? err : (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attr);
	if (!err && mnt < 0)
		mnt = -errno;
	close(fs);
	return mnt;
}

#define SAFE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

static int fresh_tmpfs(const char *mode)
{
	const char *const opts[] = {"mode", mode, NULL};

	return fresh("tmpfs", opts, SAFE);
}

/* The copies that will be attached, taken while the host's root is still whole. */
struct trees {
	int base, tree, sys, cache, image;
	int bind[GRANT_BINDS_MAX];
};

/* The caller gave a descriptor, but one of the host's mount, whence ".." leads to all of the host.
 */
static int copy_given(struct confine_state *st, int fd, int *mnt)
{
	char link[32], path[PATH_MAX];
	ssize_t n;
	int err;

	*mnt = -1;
	if (fd < 0)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return confine_say(st, -errno, "finding descriptor %d", fd);
	path[n] = '\0';
	*mnt = sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE);
	err = *mnt < 0 ? *mnt : sys_setattr(*mnt, false, MOUNT_ATTR_RDONLY | SAFE);
	return err ? confine_say(st, err, "%.240s", path) : 0;
}

/* By no link: a sandbox that may write on the way could put one there. */
static int open_place(const char *path, int flags)
{
	struct open_how how = { .flags = (unsigned)flags | O_NOFOLLOW | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS };
	long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

int mounts_copy_bind(const struct confine_bind *b, int *mnt)
{
	int err, place = open_place(b->from, O_PATH);

	if (place < 0)
		return place;
	*mnt = sys_open_tree(place, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
	close(place);
	if (*mnt < 0)
		return *mnt;
	err = sys_setattr(*mnt, false, SAFE | (b->readonly ? MOUNT_ATTR_RDONLY : 0));
	if (err)
		close(*mnt);
	return err;
}

void mounts_bind_at(const struct confine_bind *b, unsigned slot, char at[32])
{
	snprintf(at, 32, "bind/%s/%u%s", b->readonly ? "ro" : "rw", slot, b->file ? "/file" : "");
}

int mounts_attach(int mnt, const char *at)
{
	return sys_attach(mnt, AT_FDCWD, at);
}

int mounts_detach(const char *at)
{
	return syscall(SYS_umount2, at, MNT_DETACH) ? -errno : 0;
}

int mounts_id(int fd, uint64_t *id)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx))
		return -errno;
	*id = stx.stx_mnt_id;
	return 0;
}

int confine_memory_dir(const struct confine_child *child)
{
	char path[64];
	uint64_t id = 0;
	int fd, err;

	snprintf(path, sizeof(path), "/proc/%d/root", child->leader);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* The mount tells that it is the leader's, and not that of whoever has its number by now. */
	err = mounts_id(fd, &id);
	if (!err && id != child->shm_mount)
		err = -ESRCH;
	if (err)
		close(fd);
	return err ? err : fd;
}

static int copy_trees(struct confine_state *st, struct trees *t)
{
	const struct confine_spec *spec = st->spec;
	char path[PATH_MAX];
	int err;

	*t = (struct trees){ .base = -1, .tree = -1, .sys = -1, .cache = -1, .image = -1 };
	err = sys_mount("/", MS_REC | MS_PRIVATE);
	if (err)
		return confine_say(st, err, "making the mounts private");
	t->base = sys_open_tree(AT_FDCWD, spec->base, OPEN_TREE_CLONE | AT_RECURSIVE);
	if (t->base < 0)
		return confine_say(st, t->base, "base %.200s", spec->base);
	err = sys_setattr(t->base, true, MOUNT_ATTR_RDONLY | SAFE);
	if (err)
		return confine_say(st, err, "making the base %.200s read-only", spec->base);
	t->tree = sys_open_tree(AT_FDCWD, spec->tree, OPEN_TREE_CLONE | AT_RECURSIVE);
	if (t->tree < 0)
		return confine_say(st, t->tree, "%.240s", spec->tree);
	err = sys_setattr(t->tree, true, SAFE);
	if (err)
		return confine_say(st, err, "%.240s", spec->tree);
	/* Only what the host shows of its processors. Not there: an imported base, or no sysfs;
	 * fine. */
	t->sys = -1;
	if (snprintf(path, sizeof(path), "%s/sys/devices/system", spec->base) < (int)sizeof(path)) {
		t->sys = sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE);
		if (t->sys >= 0)
			err = sys_setattr(t->sys, false, MOUNT_ATTR_RDONLY | SAFE);
	}
	if (!err)
		err = copy_given(st, spec->cache, &t->cache);
	if (!err)
		err = copy_given(st, spec->image, &t->image);
	for (unsigned i = 0; i < spec->nbinds && !err; i++) {
		err = mounts_copy_bind(&spec->binds[i], &t->bind[i]);
		if (err)
			return confine_say(st, err, "binding %.240s", spec->binds[i].from);
	}
	return err;
}

/* Stand on a fresh tmpfs as the root of the namespace; the old root is gone. */
static int switch_root(struct confine_state *st)
{
	int err, mnt = fresh_tmpfs("0755");

	if (mnt < 0)
		return confine_say(st, mnt, "tmpfs");
	err = sys_attach(mnt, AT_FDCWD, ROOT_GOES_ON);
	if (err)
		return confine_say(st, err, "tmpfs on " ROOT_GOES_ON);
	if (fchdir(mnt))
		return -errno;
	close(mnt);
	/* With both on ".", the old root ends up stacked on the new and is taken off;
	 * pivot_root(2). */
	if (syscall(SYS_pivot_root, ".", "."))
		return confine_say(st, -errno, "pivot_root");
	if (syscall(SYS_umount2, ".", MNT_DETACH))
		return confine_say(st, -errno, "detaching the old root");
	return chdir("/") ? -errno : 0;
}

static int attach_at(struct confine_state *st, int mnt, const char *dir)
{
	int err = 0;

	if (mkdir(dir, 0755))
		err = -errno;
	if (!err)
		err = sys_attach(mnt, AT_FDCWD, dir);
	return err ? confine_say(st, err, "attaching %s", dir) : 0;
}

static int attach_image(struct confine_state *st, int mnt)
{
	int err = 0;

	if (mknod("image", S_IFREG | 0400, 0))
		err = -errno;
	if (!err)
		err = sys_attach(mnt, AT_FDCWD, "image");
	if (!err) {
		st->image = open("image", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (st->image < 0)
			err = -errno;
	}
	return err ? confine_say(st, err, "attaching the image") : 0;
}

/* Places to mount at: a directory, and a file in it, so that ".." of a file leads to nothing. */
static int make_slots(const char *kind)
{
	char at[32];

	snprintf(at, sizeof(at), "bind/%s", kind);
	if (mkdir(at, 0755))
		return -errno;
	for (unsigned i = 0; i < GRANT_BINDS_MAX; i++) {
		snprintf(at, sizeof(at), "bind/%s/%u", kind, i);
		if (mkdir(at, 0755))
			return -errno;
		strcat(at, "/file");
		if (mknod(at, S_IFREG | 0400, 0))
			return -errno;
	}
	return 0;
}

static int attach_binds(struct confine_state *st, const struct trees *t)
{
	const struct confine_spec *spec = st->spec;
	char at[32];
	int err = mkdir("bind", 0755) ? -errno : make_slots("ro");

	if (!err)
		err = make_slots("rw");
	for (unsigned i = 0; i < spec->nbinds && !err; i++) {
		mounts_bind_at(&spec->binds[i], i, at);
		err = mounts_attach(t->bind[i], at);
		close(t->bind[i]);
	}
	return err ? confine_say(st, err, "attaching binds") : 0;
}

#define BLANK_FILE "file" /* what covers files */

/* What covers: a mount that is empty, and one with a file in it. */
struct blanks {
	int dir, file;
};

/* Put a copy of the empty mount on a directory of the base, of the empty file on a file. A name that is not there, or a
 * symbolic link, needs none. */
static int cover(struct confine_state *st, const struct blanks *b, const char *path)
{
	int copy, err;
	struct statx stat;
	int dir = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
			       ? 0
			       : confine_say(st, -errno, "covering %.200s", path);
	/* Of its file system nothing is asked: it may hang, gfs itself does while it is stopped. */
	if (statx(dir, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &stat) || S_ISLNK(stat.stx_mode)) {
		close(dir);
		return 0;
	}
	copy = S_ISDIR(stat.stx_mode) ? sys_open_tree(b->dir, "", OPEN_TREE_CLONE | AT_EMPTY_PATH)
				     : sys_open_tree(b->file, BLANK_FILE, OPEN_TREE_CLONE);
	err = copy < 0 ? copy : sys_attach(copy, dir, "");
	if (copy >= 0)
		close(copy);
	close(dir);
	return err ? confine_say(st, err, "covering %.200s", path) : 0;
}

/* A tmpfs on sys with one thing in it; a directory cannot be made in the covered one. */
static int cover_sys(struct confine_state *st, int sys)
{
	int err, mnt;

	if (sys < 0)
		return 0;
	mnt = fresh_tmpfs("0755");
	if (mnt < 0)
		return mnt;
	if (mkdirat(mnt, "devices", 0755) || mkdirat(mnt, "devices/system", 0755))
		return -errno;
	err = sys_setattr(mnt, false, MOUNT_ATTR_RDONLY | SAFE);
	if (!err)
		err = sys_attach(mnt, AT_FDCWD, "base/sys");
	if (!err)
		err = sys_attach(sys, AT_FDCWD, "base/sys/devices/system");
	close(mnt);
	return err ? confine_say(st, err, "covering sys") : 0;
}

/* Where a host path is seen below /base, or NULL if the base does not contain it (or lies inside
 * it). */
static const char *below_base(const char *base, const char *path)
{
	size_t n = strlen(base);

	if (!strcmp(base, "/"))
		return path[1] ? path : NULL;
	if (strncmp(path, base, n) || path[n] != '/')
		return NULL;
	return path + n;
}

static int make_blanks(struct confine_state *st, struct blanks *b)
{
	static const struct timespec mark[2] = { { .tv_nsec = GRANT_COVER_NS }, { .tv_nsec = GRANT_COVER_NS } };
	int err;

	b->dir = fresh_tmpfs("0755"); /* read-only all the same: what the sandbox makes there, its layers hold */
	b->file = fresh_tmpfs("0555");
	if (b->dir < 0 || b->file < 0)
		return confine_say(st, b->dir < 0 ? b->dir : b->file, "tmpfs");
	if (mknodat(b->file, BLANK_FILE, S_IFREG | 0600, 0))
		return confine_say(st, -errno, "making an empty file");
	/* The mark by which picoprocesses know it. */
	if (utimensat(b->dir, ".", mark, 0) || utimensat(b->file, BLANK_FILE, mark, 0))
		return confine_say(st, -errno, "marking what covers");
	err = sys_setattr(b->dir, false, MOUNT_ATTR_RDONLY | SAFE);
	if (!err)
		err = sys_setattr(b->file, false, MOUNT_ATTR_RDONLY | SAFE);
	return err ? confine_say(st, err, "making what covers read-only") : 0;
}

static int cover_all(struct confine_state *st, int sys)
{
	const struct confine_spec *spec = st->spec;
	char path[PATH_MAX + 8];
	struct blanks b;
	int err = make_blanks(st, &b);

	for (unsigned i = 0; confine_host_dirs[i] && !err; i++) {
		snprintf(path, sizeof(path), "base/%s", confine_host_dirs[i]);
		err = cover(st, &b, path);
	}
	for (unsigned i = 0; i < spec->nhidden && !err; i++) {
		const char *tail = below_base(spec->base, spec->hidden[i]);
		if (!tail)
			continue;
		snprintf(path, sizeof(path), "base%s", tail);
		err = cover(st, &b, path);
	}
	if (b.dir >= 0)
		close(b.dir);
	if (b.file >= 0)
		close(b.file);
	return err ? err : cover_sys(st, sys);
}

/* The mounts that are made, not copied. devpts may be missing from a kernel; the monitor then uses
 * the host's. */
static int make_own(struct confine_state *st)
{
	const char *const pts[] = {"ptmxmode", "0666", "mode", "0600", NULL};
	char size[24];
	const char *const limited[] = {"mode", "0700", "size", size, NULL};
	int shm, err, mnt;

	snprintf(size, sizeof(size), "%llu", (unsigned long long)st->spec->memory);
	shm = st->spec->memory ? fresh("tmpfs", limited, SAFE) : fresh_tmpfs("0700");
	err = shm < 0 ? shm : attach_at(st, shm, "shm");
	if (err)
		return confine_say(st, err, "tmpfs for shared memory");
	close(shm);
	mnt = fresh("devpts", pts, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	if (mnt < 0)
		return 0;
	err = attach_at(st, mnt, "pts");
	close(mnt);
	if (!err)
		st->pts = open("pts", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return err;
}

static int open_dir(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* The directory and the object: the same but for a file. */
static int open_bind(struct confine_state *st, unsigned i)
{
	const struct confine_bind *b = &st->spec->binds[i];
	char dir[PATH_MAX], name[PATH_MAX], *slash;

	if (st->spec->rung == GRANT_RUNG_A) {
		dir[0] = '/';
		mounts_bind_at(b, i, dir + 1);
	} else {
		snprintf(dir, sizeof(dir), "%s", b->from);
	}
	strcpy(name, dir);
	slash = strrchr(dir, '/');
	if (b->file)
		slash[slash == dir] = '\0';
	st->bind[i] = open_place(dir, O_DIRECTORY | (b->file ? O_PATH : O_RDONLY));
	if (st->bind[i] < 0)
		return st->bind[i];
	st->bound[i] = open_place(name, O_PATH);
	return st->bound[i] < 0 ? st->bound[i] : 0;
}

/* Opened here, after the new root stands, so that the descriptors are of its mounts: the base's a
 * read-only one. */
static int open_all(struct confine_state *st, const char *base, const char *tree, const char *shm)
{
	const struct confine_spec *spec = st->spec;

	st->base = open_dir(AT_FDCWD, base);
	if (st->base < 0)
		return confine_say(st, st->base, "opening the base %.200s", spec->base);
	st->layer[0] = st->base;
	st->sys = open_dir(st->base, "sys/devices/system"); /* or none */
	st->tree = open_dir(AT_FDCWD, tree);
	if (st->tree < 0)
		return confine_say(st, st->tree, "opening %.240s", spec->tree);
	for (unsigned i = 0; i < spec->nlayers; i++) {
		st->layer[i + 1] = open_dir(st->tree, spec->layers[i]);
		if (st->layer[i + 1] < 0)
			return confine_say(st, st->layer[i + 1], "opening layer %.200s",
					   spec->layers[i]);
	}
	st->work = open_dir(st->tree, spec->work);
	if (st->work < 0)
		return confine_say(st, st->work, "opening %.200s", spec->work);
	for (unsigned i = 0; i < spec->nbinds; i++) {
		int err = open_bind(st, i);
		if (err)
			return confine_say(st, err, "opening %.240s", spec->binds[i].from);
	}
	st->shm = open_dir(AT_FDCWD, shm);
	return st->shm < 0 ? confine_say(st, st->shm, "opening %.200s", shm) : 0;
}

int mounts_enter(struct confine_state *st)
{
	struct trees t;
	int err, root;

	st->note->host_lacks = true;
	err = copy_trees(st, &t);
	if (!err)
		err = switch_root(st);
	if (!err)
		err = attach_at(st, t.base, "base");
	if (!err)
		err = attach_at(st, t.tree, "tree");
	if (!err && t.cache >= 0)
		err = attach_at(st, t.cache, "cache");
	if (!err && t.image >= 0)
		err = attach_image(st, t.image);
	if (!err)
		err = attach_binds(st, &t);
	if (!err)
		err = cover_all(st, t.sys);
	if (!err)
		err = make_own(st);
	if (err)
		return err;
	st->note->host_lacks = false;
	root = sys_open_tree(AT_FDCWD, "/", 0);
	if (root < 0)
		return root;
	err = sys_setattr(root, false, MOUNT_ATTR_RDONLY | SAFE);
	if (err)
		return confine_say(st, err, "making the root read-only");
	err = open_all(st, "/base", "/tree", "/shm");
	if (!err && t.cache >= 0) {
		st->cache = open_dir(AT_FDCWD, "/cache");
		err = st->cache < 0 ? confine_say(st, st->cache, "opening the image cache") : 0;
	}
	if (!err) {
		st->binds = open_dir(AT_FDCWD, "/bind");
		err = st->binds < 0 ? confine_say(st, st->binds, "opening the places of binds") : 0;
	}
	if (err)
		return err;
	return chroot("/shm") || chdir("/") ? -errno : 0;
}

/* Without a root of our own: the real paths. */
int paths_open(struct confine_state *st)
{
	return open_all(st, st->spec->base, st->spec->tree, st->spec->shm);
}
