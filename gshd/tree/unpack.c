// SPDX-License-Identifier: LGPL-3.0-or-later
/* One tar into a layer; see unpack.h. Runs confined. */
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "gshd/tree/layer.h"
#include "gshd/tree/patch.h"
#include "gshd/tree/unpack.h"

#define BLOCK 65536
#define ROOM_LEAST (64ull << 20) /* of the disk that an archive may not take */
#define CHECK_EACH (8ull << 20)
#define DIRS_MAX 4000000
#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"

int unpack_say(struct unpacker *p, int err, const char *name, const char *what)
{
	char shown[UNPACK_WHY / 2];

	snprintf(p->why, UNPACK_WHY, "%s: %s", *name ? quote_name(name, shown, sizeof(shown)) : "the archive", what);
	return err;
}

int unpack_step(struct unpacker *p, uint64_t files, uint64_t bytes)
{
	struct statvfs v;

	p->files += files;
	p->bytes += bytes;
	if (p->bytes + p->files * 4096 - p->told > (1u << 20)) {
		uint64_t so_far[2] = { p->files, p->bytes };

		p->told = p->bytes + p->files * 4096;
		(void)!write(p->out, so_far, sizeof(so_far));
	}
	if (p->bytes + p->files * 4096 - p->checked < CHECK_EACH)
		return 0;
	p->checked = p->bytes + p->files * 4096;
	if (!fstatvfs(p->u->dir, &v) && (uint64_t)v.f_bavail * v.f_frsize < ROOM_LEAST)
		return unpack_say(p, -ENOSPC, "", "it does not fit on the disk of the store");
	return 0;
}

struct archive *unpack_open(struct unpacker *p, int fd)
{
	struct archive *a = archive_read_new();

	if (!a || archive_read_support_format_tar(a) || archive_read_support_filter_gzip(a) ||
	    archive_read_support_filter_zstd(a) || archive_read_support_filter_xz(a) ||
	    archive_read_support_filter_bzip2(a)) {
		(void)unpack_say(p, -ENOSYS, "", "the library of archives lacks a format");
	} else {
		/* Names are bytes. */
		archive_read_set_options(a, "hdrcharset=BINARY");
		if (archive_read_open_fd(a, fd, BLOCK) == ARCHIVE_OK)
			return a;
		(void)unpack_say(p, -EINVAL, "", archive_error_string(a) ? archive_error_string(a) : "no archive");
	}
	archive_read_free(a);
	return NULL;
}

void unpack_first_name(int fd, char *name, size_t size)
{
	char why[UNPACK_WHY];
	struct unpacker p = { .why = why };
	struct archive *a = unpack_open(&p, fd);
	struct archive_entry *e;
	const char *path;

	*name = '\0';
	if (a && archive_read_next_header(a, &e) >= ARCHIVE_WARN && (path = archive_entry_pathname(e)))
		snprintf(name, size, "%s", !strncmp(path, "./", 2) ? path + 2 : path);
	archive_read_free(a);
}

/* ---- names ---- */

/* A copy without "." and doubled slashes, "" for the root. NULL: why was said. */
static char *clean(struct unpacker *p, const char *path)
{
	char *copy = path ? malloc(strlen(path) + 1) : NULL, *to = copy;

	if (!path || *path == '/') {
		free(copy);
		(void)unpack_say(p, -EPERM, path ? path : "", "a name in it is absolute, or none");
		return NULL;
	}
	for (const char *from = path; copy && *from;) {
		size_t n = strcspn(from, "/");

		if ((n == 2 && from[0] == '.' && from[1] == '.') || n > NAME_MAX) {
			free(copy);
			(void)unpack_say(p, -EPERM, path, "the name leads out of the image, or is too long");
			return NULL;
		}
		if (n && !(n == 1 && *from == '.')) {
			if (to > copy)
				*to++ = '/';
			to = mempcpy(to, from, n);
		}
		from += n + (from[n] == '/');
	}
	if (copy)
		*to = '\0';
	return copy;
}

static int open_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* The directory that a name lies in; with make, those on the way are made. Never through a link. */
static int parent(struct unpacker *p, char *path, bool make, const char **last)
{
	int fd = open_dir(p->u->dir, "."), next;
	char *name = path, *slash;

	while (fd >= 0 && (slash = strchr(name, '/'))) {
		*slash = '\0';
		next = open_dir(fd, name);
		if (next == -ENOENT && make)
			next = mkdirat(fd, name, 0755) ? -errno : open_dir(fd, name);
		*slash = '/';
		close(fd);
		fd = next;
		name = slash + 1;
	}
	*last = name;
	if (fd == -ELOOP || fd == -ENOTDIR)
		return unpack_say(p, -EPERM, path, "it lies below a link or a file");
	return fd;
}

/* ---- objects ---- */

static int put_data(struct unpacker *p, struct archive *a, int fd)
{
	const void *block;
	size_t size;
	off_t at;
	int r, err = 0;

	while (!err && (r = archive_read_data_block(a, &block, &size, &at)) >= ARCHIVE_WARN && r != ARCHIVE_EOF) {
		for (size_t done = 0; done < size && !err;) {
			ssize_t n = pwrite(fd, (const char *)block + done, size - done, at + (off_t)done);

			if (n < 0)
				err = -errno;
			else
				done += (size_t)n;
		}
		if (!err)
			err = unpack_step(p, 0, size);
	}
	return err ? err : r == ARCHIVE_EOF ? 0 : -EBADMSG;
}

static int put_xattrs(struct archive_entry *e, int fd)
{
	const char *name;
	const void *value;
	size_t size;

	archive_entry_xattr_reset(e);
	while (archive_entry_xattr_next(e, &name, &value, &size) == ARCHIVE_OK)
		/* Capabilities and the like are not a user's to give. */
		if (!strncmp(name, "user.", 5) && !union_is_hidden_xattr(name) && fsetxattr(fd, name, value, size, 0))
			return -errno;
	return 0;
}

static void attr_of(struct archive_entry *e, struct union_attr *a)
{
	*a = (struct union_attr){ .mode = archive_entry_mode(e),
				  .uid = (uint32_t)archive_entry_uid(e),
				  .gid = (uint32_t)archive_entry_gid(e) };
	if (S_ISCHR(a->mode) || S_ISBLK(a->mode))
		a->rdev = makedev(archive_entry_rdevmajor(e), archive_entry_rdevminor(e));
}

static void times_of(struct archive_entry *e, struct timespec times[2])
{
	times[0] = times[1] = (struct timespec){ archive_entry_mtime(e), archive_entry_mtime_nsec(e) };
}

/* Attributes of what is open; a directory's time comes when all is in it. */
static int finish(struct unpacker *p, struct archive_entry *e, int fd, const char *path)
{
	struct timespec times[2];
	struct union_attr a;
	int err = put_xattrs(e, fd);

	attr_of(e, &a);
	times_of(e, times);
	if (!err)
		err = layer_set_attr(fd, &a, 0);
	if (err || !S_ISDIR(a.mode))
		return err ? err : futimens(fd, times) ? -errno : 0;
	if (p->ntimes == p->room) {
		struct dir_time *more =
			p->room < DIRS_MAX ? reallocarray(p->times, p->room * 2 + 64, sizeof(*more)) : NULL;

		if (!more)
			return -ENOMEM;
		p->times = more;
		p->room = p->room * 2 + 64;
	}
	p->times[p->ntimes] = (struct dir_time){ strdup(path), times[0] };
	return p->times[p->ntimes++].path ? 0 : -ENOMEM;
}

int unpack_times(struct unpacker *p)
{
	int err = 0;

	for (size_t i = 0; i < p->ntimes && !err; i++) {
		struct timespec times[2] = { p->times[i].time, p->times[i].time };
		const char *last;
		int dir = parent(p, p->times[i].path, false, &last),
		    fd = dir < 0 ? dir : open_dir(dir, *last ? last : ".");

		/* A later layer may have removed it. */
		if (fd >= 0 && futimens(fd, times))
			err = -errno;
		if (fd >= 0)
			close(fd);
		if (dir >= 0)
			close(dir);
		free(p->times[i].path);
	}
	free(p->times);
	return err;
}

static int put_dir(struct unpacker *p, struct archive_entry *e, int dir, const char *name, const char *path)
{
	int fd = open_dir(dir, name), err;

	if (fd == -ENOTDIR || fd == -ELOOP)
		fd = unlinkat(dir, name, 0) ? -errno : -ENOENT;
	if (fd == -ENOENT)
		fd = mkdirat(dir, name, 0700) ? -errno : open_dir(dir, name);
	err = fd < 0 ? fd : finish(p, e, fd, path);
	if (fd >= 0)
		close(fd);
	return err;
}

static int put_file(struct unpacker *p, struct archive *a, struct archive_entry *e, int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), err = 0;
	off_t size = archive_entry_size(e);

	if (fd < 0)
		return -errno;
	if (S_ISREG(archive_entry_mode(e)))
		err = put_data(p, a, fd);
	/* A hole at the end. */
	if (!err && S_ISREG(archive_entry_mode(e)) && size > 0 && ftruncate(fd, size))
		err = -errno;
	if (!err)
		err = finish(p, e, fd, "");
	close(fd);
	return err;
}

static int put_hard_link(struct unpacker *p, struct archive_entry *e, int dir, const char *name)
{
	char *target = clean(p, archive_entry_hardlink(e));
	const char *last;
	int from = target ? parent(p, target, false, &last) : -EPERM, err = 0;

	if (from < 0)
		err = from == -ENOENT ? unpack_say(p, -EPERM, target, "a link to it comes ahead of it") : from;
	else if (linkat(from, last, dir, name, 0))
		err = errno == ENOENT ? unpack_say(p, -EPERM, target, "a link to it comes ahead of it") : -errno;
	if (from >= 0)
		close(from);
	free(target);
	return err;
}

/* Its time comes later, too. */
static int later(struct unpacker *p, struct archive_entry *e, const char *path, bool made)
{
	struct timespec times[2];

	if (!made)
		return -errno;
	times_of(e, times);
	return unpack_late_add(p, path, times);
}

static int put_other(struct unpacker *p, struct archive *a, struct archive_entry *e, int dir, const char *name,
		     const char *path)
{
	mode_t mode = archive_entry_mode(e);

	if (archive_entry_hardlink(e))
		return put_hard_link(p, e, dir, name);
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFCHR:
	case S_IFBLK:
		return put_file(p, a, e, dir, name);
	case S_IFLNK:
		if (!archive_entry_symlink(e))
			return -EBADMSG;
		return later(p, e, path, !symlinkat(archive_entry_symlink(e), dir, name));
	case S_IFIFO:
		return later(p, e, path, !mknodat(dir, name, S_IFIFO | (mode & 0777), 0));
	default:
		return 0; /* a socket is nobody's without who listens */
	}
}

static int remove_any(int dir, const char *name);

/* Takes the descriptor. All directories are ours and may be emptied. */
static int empty(int fd)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;
	int err = d ? 0 : -errno;

	if (!d)
		close(fd);
	while (!err && (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			err = remove_any(dirfd(d), e->d_name);
	if (d)
		closedir(d);
	return err;
}

static int remove_any(int dir, const char *name)
{
	int err = unlinkat(dir, name, 0) ? -errno : 0, fd;

	if (err == -EISDIR) {
		fd = open_dir(dir, name);
		err = fd < 0 ? fd : empty(fd);
		if (!err && unlinkat(dir, name, AT_REMOVEDIR))
			err = -errno;
	}
	return err == -ENOENT ? 0 : err;
}

static int put(struct unpacker *p, struct archive *a, struct archive_entry *e, char *path)
{
	const char *name;
	int dir = parent(p, path, true, &name), err;

	if (dir < 0)
		return dir;
	if (S_ISDIR(archive_entry_mode(e)) && !archive_entry_hardlink(e)) {
		err = put_dir(p, e, dir, *name ? name : ".", path);
	} else if (!*name) {
		err = -EBADMSG;
	} else {
		err = remove_any(dir, name);
		if (!err)
			err = put_other(p, a, e, dir, name, path);
	}
	close(dir);
	return err ? err : unpack_step(p, 1, 0);
}

/* What a layer says is removed of those below it. */
static int white_out(struct unpacker *p, char *path)
{
	const char *name;
	int dir = parent(p, path, false, &name), err;

	if (dir == -ENOENT || dir == -EPERM)
		return 0;
	if (dir < 0)
		return dir;
	if (!strcmp(name, OPAQUE))
		err = empty(open_dir(dir, "."));
	else if (!strcmp(name + 4, ".") || !strcmp(name + 4, "..") || !name[4])
		err = -EPERM;
	else
		err = remove_any(dir, name + 4);
	close(dir);
	return err;
}

static int one(struct unpacker *p, struct archive *a, struct archive_entry *e, bool whiteouts)
{
	char *path = clean(p, archive_entry_pathname(e)), *slash;
	bool is_whiteout;
	int err;

	if (!path)
		return -EPERM;
	slash = strrchr(path, '/');
	is_whiteout = !strncmp(slash ? slash + 1 : path, WHITEOUT, sizeof(WHITEOUT) - 1);
	if (whiteouts)
		err = is_whiteout ? white_out(p, path) : 0;
	else
		err = is_whiteout ? 0 : put(p, a, e, path);
	if (err && !*p->why)
		(void)unpack_say(p, err, path, strerror(-err));
	free(path);
	return err;
}

int unpack_tar(struct unpacker *p, int fd, bool whiteouts)
{
	struct archive *a = unpack_open(p, fd);
	struct archive_entry *e;
	int r, err = a ? 0 : -EINVAL;

	while (!err && (r = archive_read_next_header(a, &e)) != ARCHIVE_EOF) {
		if (r < ARCHIVE_WARN)
			err = unpack_say(p, -EBADMSG, "",
					 archive_error_string(a) ? archive_error_string(a) : "it is damaged");
		else
			err = one(p, a, e, whiteouts);
	}
	archive_read_free(a);
	return err;
}
