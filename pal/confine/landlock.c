/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Landlock: what may be done with files, and, from ABI 6, to whom signals may be sent.
 *
 *   base        read files, list directories; on rung A cut files, which its mounts refuse (allow_base)
 *   tree        read, list: the layers of commands that are over
 *   top, work, shm   everything but making block devices (a whiteout is a character device 0/0) and
 *               executing. A layer that the monitor moves out of the directory of the top becomes
 *               read-only by that: the kernel asks where a file lies when it is opened
 *   binds       as the base, or as tree where they may be written, but for devices: whiteouts are the layers'
 *   image       read and execute: the one file that the host may execute
 *
 * A rule holds for a directory and all below it, so on rung B nothing can be carved out of a larger
 * rule. Rules go to the entries of a directory instead, but for those that lead to a hidden path,
 * into which the same is done again. The directories on such a path may be listed (`ls` of a home
 * directory works); that right reaches into the hidden directory: on rung B the names there can be
 * learnt, the contents not.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "pal/confine/impl.h"
#include "pal/landlock_abi.h"

/*
 * Without REFER (ABI 1) no file could be moved between directories: useless to us. What a later ABI would hold on
 * rung B is withheld where it is missing (confine_flags): before scopes (6) no signal is a picoprocess's own to send,
 * before TRUNCATE (3) it may not cut a file by opening it, which is not a right to write to it. TCP and abstract
 * sockets need a socket, of which rung B makes pairs only; ioctls of devices are few by seccomp.
 */
#define HINT "boot a kernel of 5.19 or later with Landlock enabled (lsm=landlock,...)"

int confine_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
	const char *less = getenv("GSH_LANDLOCK_ABI");

	/* For tests: an older kernel's. Only ever less. */
	if (less && *less && atoi(less) < abi)
		abi = atoi(less);
	return abi < 0 ? 0 : (int)abi;
}

static struct ruleset_attr handled(enum grant_rung rung, int abi)
{
	struct ruleset_attr a = { .fs = ((FS_MAKE_SYM << 1) - 1) | FS_REFER };

	if (abi >= LANDLOCK_ABI_TRUNCATE)
		a.fs |= FS_TRUNCATE;
	if (abi >= LANDLOCK_ABI_IOCTL)
		a.fs |= FS_IOCTL_DEV;
	if (abi >= LANDLOCK_ABI_NET && rung == GRANT_RUNG_B) /* rung A has a network namespace */
		a.net = NET_BIND_TCP | NET_CONNECT_TCP;
	if (abi >= LANDLOCK_ABI_SCOPES)
		a.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
	return a;
}

static size_t attr_size(int abi)
{
	return abi >= LANDLOCK_ABI_SCOPES ? 24 : abi >= LANDLOCK_ABI_NET ? 16 : 8;
}

#define FS_BOUND (FS_OWN & ~FS_MAKE_CHAR)
#define NEAR_RULES_MAX 64

struct rules {
	int fd;
	uint64_t fs; /* handled */
};

static int allow(const struct rules *r, int fd, uint64_t access)
{
	struct path_beneath rule = { .allowed = access & r->fs, .parent = fd };
	struct stat stat;

	if (fd < 0)
		return 0;
	if (fstat(fd, &stat))
		return -errno;
	if (!S_ISDIR(stat.st_mode)) /* the kernel refuses directory rights for a file */
		rule.allowed &= FS_OF_FILES;
	return syscall(SYS_landlock_add_rule, r->fd, RULE_PATH_BENEATH, &rule, 0) ? -errno : 0;
}

static bool is_host_dir(const char *name)
{
	for (unsigned i = 0; confine_host_dirs[i]; i++)
		if (!strcmp(name, confine_host_dirs[i]))
			return true;
	return false;
}

/* 2: path is hidden; 1: it leads to a hidden one; 0: neither. */
static int hides(const struct confine_spec *spec, const char *path)
{
	size_t n = strlen(path);

	for (unsigned i = 0; i < spec->nhidden; i++) {
		const char *h = spec->hidden[i];
		if (!strcmp(h, path))
			return 2;
		if (!strncmp(h, path, n) && h[n] == '/')
			return 1;
	}
	return 0;
}

static int allow_entries(struct confine_state *st, const struct rules *r, const char *dir,
			 int depth);

static int allow_entry(struct confine_state *st, const struct rules *r, const char *path, int depth)
{
	int hidden = hides(st->spec, path);
	int err = 0, fd;

	if (hidden == 2)
		return 0;
	if (hidden == 1)
		return allow_entries(st, r, path, depth + 1);
	fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return 0; /* gone meanwhile, or closed to us anyway */
	err = allow(r, fd, FS_READ);
	close(fd);
	/* Not every object takes a rule (a mount point that hangs): it is then simply not
	 * allowed. */
	if (err == -EBADFD || err == -EINVAL || err == -EACCES)
		err = 0;
	return err;
}

static int allow_entries(struct confine_state *st, const struct rules *r, const char *dir,
			 int depth)
{
	char path[PATH_MAX];
	struct dirent *e;
	int err = 0;
	DIR *d = opendir(dir);

	if (!d)
		return 0;
	if (depth > 0)
		err = allow(r, dirfd(d), FS_READ_DIR);
	while (!err && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (depth == 0 && is_host_dir(e->d_name))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", strcmp(dir, "/") ? dir : "", e->d_name) <
		    (int)sizeof(path))
			err = allow_entry(st, r, path, depth);
	}
	closedir(d);
	return err;
}

/* The directory that the top lies in, below tree: there the monitor makes the next ones. */
static int allow_tops(struct confine_state *st, const struct rules *r)
{
	const char *top = st->spec->layers[st->spec->nlayers - 1], *slash = strrchr(top, '/');
	char path[PATH_MAX];
	int err, fd;

	snprintf(path, sizeof(path), "%.*s", slash ? (int)(slash - top) : 1, slash ? top : ".");
	fd = openat(st->tree, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = allow(r, fd, FS_OWN);
	close(fd);
	return err;
}

/* Whatever is mounted below them, now or later. */
static int allow_binds(struct confine_state *st, const struct rules *r)
{
	static const struct {
		const char *name;
		uint64_t access;
	} kinds[] = { { "ro", FS_READ }, { "rw", FS_BOUND } };
	int err = 0;

	for (size_t i = 0; i < 2 && !err; i++) {
		int fd = openat(st->binds, kinds[i].name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		err = fd < 0 ? -errno : allow(r, fd, kinds[i].access);
		if (fd >= 0)
			close(fd);
	}
	return err;
}

/* Below what files are opened most: Landlock walks from a file up to the first rule that grants
 * all, and each directory on the way costs as much as the search for a rule. */
static const char *const often[] = { "usr/bin", "usr/include", "usr/lib", "usr/lib/x86_64-linux-gnu", "usr/share" };

static int open_below(int dir, const char *path, uint64_t resolve)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | resolve,
	};

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

/* The rule of the base again, nearer to the files. It grants nothing, so it may fail. */
static void repeat_at(const struct rules *r, int fd)
{
	struct path_beneath rule = { .allowed = (FS_READ | FS_TRUNCATE) & r->fs, .parent = fd };

	syscall(SYS_landlock_add_rule, r->fd, RULE_PATH_BENEATH, &rule, 0);
}

/* At the directories in one, but for what is mounted there: it may be slow, or gone. */
static void repeat_in(const struct rules *r, int dir)
{
	int at = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = at < 0 ? NULL : fdopendir(at);
	unsigned room = NEAR_RULES_MAX;
	struct dirent *e;

	while (d && room && (e = readdir(d))) {
		int fd = e->d_type == DT_DIR && strcmp(e->d_name, ".") && strcmp(e->d_name, "..")
				 ? open_below(dir, e->d_name, RESOLVE_NO_XDEV)
				 : -1;
		if (fd < 0)
			continue;
		repeat_at(r, fd);
		close(fd);
		room--;
	}
	if (d)
		closedir(d);
	else if (at >= 0)
		close(at);
}

static void repeat_base(const struct confine_state *st, const struct rules *r)
{
	const char *home = st->spec->home;

	for (size_t i = 0; i < sizeof(often) / sizeof(often[0]) + !!home; i++) {
		bool is_home = i == sizeof(often) / sizeof(often[0]);
		int fd = open_below(st->base, is_home ? home + strspn(home, "/") : often[i], 0);

		if (fd < 0)
			continue;
		repeat_at(r, fd);
		if (is_home)
			repeat_in(r, fd);
		close(fd);
	}
}

/* All of it: what must not be seen is covered. To open asks for the right to cut the file, too,
 * whether it can do without or not, and a rule that lacks it does not end the walk. It has no weight
 * here: all mounts of the base are read-only. */
static int allow_base(struct confine_state *st, const struct rules *r)
{
	int err = allow(r, st->base, FS_READ | FS_TRUNCATE);

	if (!err)
		repeat_base(st, r);
	return err;
}

static int allow_all(struct confine_state *st, const struct rules *r)
{
	int err;

	if (st->spec->rung == GRANT_RUNG_A) {
		err = allow_base(st, r);
	} else {
		err = allow_entries(st, r, st->spec->base, 0);
		if (!err)
			err = allow(r, st->sys, FS_READ);
	}
	if (err)
		return confine_say(st, err, "base");
	err = allow(r, st->tree, FS_READ);
	if (!err)
		err = allow_tops(st, r);
	if (!err)
		err = allow(r, st->work, FS_OWN);
	if (!err)
		err = allow(r, st->shm, FS_OWN);
	if (!err)
		err = allow(r, st->spec->cache, FS_READ);
	if (!err)
		err = allow(r, st->spec->image, FS_READ_FILE | FS_EXECUTE);
	if (err)
		return confine_say(st, err, "own trees");
	if (!err && st->binds >= 0)
		err = allow_binds(st, r);
	for (unsigned i = 0; i < st->spec->nbinds && st->binds < 0 && !err; i++)
		err = allow(r, st->bound[i], st->spec->binds[i].readonly ? FS_READ : FS_BOUND);
	return err ? confine_say(st, err, "binds") : 0;
}

static int abi_check(struct confine_state *st, int abi)
{
	if (abi >= LANDLOCK_ABI_REFER)
		return 0;
	st->note->host_lacks = true;
	confine_hint(st, HINT);
	return confine_say(st, -EOPNOTSUPP, "Landlock ABI %d, %d is needed", abi, LANDLOCK_ABI_REFER);
}

int landlock_enter(struct confine_state *st)
{
	int abi = confine_landlock_abi();
	struct ruleset_attr attr = handled(st->spec->rung, abi);
	struct rules r = { .fs = attr.fs };
	int err = abi_check(st, abi);

	if (err)
		return err;
	r.fd = (int)syscall(SYS_landlock_create_ruleset, &attr, attr_size(abi), 0);
	if (r.fd < 0)
		return -errno;
	err = allow_all(st, &r);
	if (!err && syscall(SYS_landlock_restrict_self, r.fd, 0))
		err = -errno;
	close(r.fd);
	return err;
}
