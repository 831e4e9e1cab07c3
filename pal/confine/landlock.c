/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Landlock: what may be done with files, and, from ABI 6, to whom signals may be sent.
 *
 *   base        read files, list directories
 *   tree, shm   everything but making block devices (a whiteout is a character device 0/0) and
 *               executing
 *   image       read and execute: the one file that the host may execute
 *
 * A rule holds for a directory and all below it, so on rung B nothing can be carved out of a larger
 * rule. Rules go to the entries of a directory instead, but for those that lead to a hidden path,
 * into which the same is done again. The directories on such a path may be listed (`ls` of a home
 * directory works); that right reaches into the hidden directory: on rung B the names there can be
 * learnt, the contents not.
 *
 * Constants are the kernel's (include/uapi/linux/landlock.h of 6.15): the build host's headers are
 * older.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "pal/confine/impl.h"

#define FS_EXECUTE (1ull << 0)
#define FS_WRITE_FILE (1ull << 1)
#define FS_READ_FILE (1ull << 2)
#define FS_READ_DIR (1ull << 3)
#define FS_REMOVE_DIR (1ull << 4)
#define FS_REMOVE_FILE (1ull << 5)
#define FS_MAKE_CHAR (1ull << 6)
#define FS_MAKE_DIR (1ull << 7)
#define FS_MAKE_REG (1ull << 8)
#define FS_MAKE_SOCK (1ull << 9)
#define FS_MAKE_FIFO (1ull << 10)
#define FS_MAKE_BLOCK (1ull << 11)
#define FS_MAKE_SYM (1ull << 12)
#define FS_REFER (1ull << 13)	  /* ABI 2, Linux 5.19 */
#define FS_TRUNCATE (1ull << 14)  /* ABI 3, Linux 6.2 */
#define FS_IOCTL_DEV (1ull << 15) /* ABI 5, Linux 6.10 */
#define NET_BIND_TCP (1ull << 0)  /* ABI 4, Linux 6.7 */
#define NET_CONNECT_TCP (1ull << 1)
#define SCOPE_ABSTRACT_UNIX (1ull << 0) /* ABI 6, Linux 6.12 */
#define SCOPE_SIGNAL (1ull << 1)

#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH 1

struct ruleset_attr {
	uint64_t fs, net, scoped;
};

struct path_beneath {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

#define READ (FS_READ_FILE | FS_READ_DIR)
#define OWN                                                                                   \
	(READ | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_CHAR | FS_MAKE_DIR | \
	 FS_MAKE_REG | FS_MAKE_SOCK | FS_MAKE_FIFO | FS_MAKE_SYM | FS_REFER | FS_TRUNCATE)

/* Without REFER (ABI 1) no file could be moved between directories: useless to us. */
#define ABI_NEEDED_A 2
/* Without scopes nothing on rung B keeps a picoprocess from signalling the user's other
 * processes. */
#define ABI_NEEDED_B 6

#define HINT_A "boot a kernel of 5.19 or later with Landlock enabled (lsm=landlock,...)"
#define HINT_B "allow unprivileged user namespaces, or boot Linux 6.12 or later with Landlock enabled"

int confine_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);

	return abi < 0 ? 0 : (int)abi;
}

static struct ruleset_attr handled(enum grant_rung rung, int abi)
{
	struct ruleset_attr a = { .fs = ((FS_MAKE_SYM << 1) - 1) | FS_REFER };

	if (abi >= 3)
		a.fs |= FS_TRUNCATE;
	if (abi >= 5)
		a.fs |= FS_IOCTL_DEV;
	if (abi >= 4 && rung == GRANT_RUNG_B) /* rung A has a network namespace */
		a.net = NET_BIND_TCP | NET_CONNECT_TCP;
	if (abi >= 6)
		a.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
	return a;
}

static size_t attr_size(int abi)
{
	return abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
}

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
		rule.allowed &=
			FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV;
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
	err = allow(r, fd, READ);
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

static int allow_all(struct confine_state *st, const struct rules *r)
{
	int err;

	if (st->spec->rung == GRANT_RUNG_A) {
		err = allow(r, st->base, READ); /* what must not be seen is covered */
	} else {
		err = allow_entries(st, r, st->spec->base, 0);
		if (!err)
			err = allow(r, st->sys, READ);
	}
	if (err)
		return confine_say(st, err, "base");
	err = allow(r, st->tree, OWN);
	if (!err)
		err = allow(r, st->shm, OWN);
	if (!err)
		err = allow(r, st->spec->cache, READ);
	if (!err)
		err = allow(r, st->spec->image, FS_READ_FILE | FS_EXECUTE);
	return err ? confine_say(st, err, "own trees") : 0;
}

static int abi_check(struct confine_state *st, int abi)
{
	int need = st->spec->rung == GRANT_RUNG_A ? ABI_NEEDED_A : ABI_NEEDED_B;

	if (abi >= need)
		return 0;
	st->note->host_lacks = true;
	confine_hint(st, need == ABI_NEEDED_A ? HINT_A : HINT_B);
	return confine_say(st, -EOPNOTSUPP, "Landlock ABI %d, %d is needed", abi, need);
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
