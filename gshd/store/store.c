/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The store: see store.h for its shape and its promises. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include "gshd/store/history.h"
#include "gshd/wire/json.h"

#define VERSION_TEXT STORE_VERSION "\n"
#define VERSION_OLD "gsh-store 1\n" /* one layer a sandbox; brought up to date by history_open */
#define SPEC_MAX 65536

static int say(char *why, int err, const char *fmt, const char *arg)
{
	char what[STORE_WHY - 64];

	snprintf(what, sizeof(what), fmt, arg);
	snprintf(why, STORE_WHY, "%s: %s", what, strerror(-err));
	return err;
}

static int mkdir_p(const char *path)
{
	char part[PATH_MAX];

	for (const char *p = path + 1; *p; p++)
		if (*p == '/') {
			snprintf(part, sizeof(part), "%.*s", (int)(p - path), path);
			if (mkdir(part, 0755) && errno != EEXIST)
				return -errno;
		}
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

/* Write a file so that after a crash it is whole or absent: a temporary one, fsync, rename. That it
 * is there at all after a crash takes an fsync of a directory, which is the caller's to choose. */
int store_write_text(int dir, const char *name, const char *text)
{
	char temporary[80];
	size_t size = strlen(text);
	int err = 0;
	int fd;

	snprintf(temporary, sizeof(temporary), ".%s.new", name);
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	ssize_t n = write(fd, text, size);
	if (n != (ssize_t)size)
		err = n < 0 ? -errno : -ENOSPC;
	if (!err && fsync(fd))
		err = -errno;
	close(fd);
	if (!err && renameat(dir, temporary, dir, name))
		err = -errno;
	if (err)
		unlinkat(dir, temporary, 0);
	return err;
}

int store_read_text(int dir, const char *name, char *text, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	int err = n < 0 ? -errno : 0;
	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return err;
}

static int check_version(int store, char *why)
{
	char text[64];
	int err = store_read_text(store, "VERSION", text, sizeof(text));

	if (err == -ENOENT) {
		err = store_write_text(store, "VERSION", VERSION_TEXT);
		return err ? say(why, err, "cannot write to the store%s", "") : 0;
	}
	if (err)
		return say(why, err, "cannot read the store's VERSION%s", "");
	if (!strcmp(text, VERSION_OLD)) {
		err = store_write_text(store, "VERSION", VERSION_TEXT);
		return err ? say(why, err, "cannot write to the store%s", "") : 0;
	}
	if (strcmp(text, VERSION_TEXT)) {
		text[strcspn(text, "\n")] = '\0';
		snprintf(why, STORE_WHY,
			 "the store's VERSION says '%.60s', this gshd knows '" STORE_VERSION "': use the "
			 "gsh that made it",
			 text);
		return -EPROTO;
	}
	return 0;
}

int store_open(const char *path, char *why)
{
	struct stat st;
	int err = mkdir_p(path);
	int fd;

	if (err)
		return say(why, err, "cannot make the store %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return say(why, -errno, "cannot open the store %s", path);
	if (fstat(fd, &st) || st.st_uid != geteuid()) {
		close(fd);
		return say(why, -EPERM, "the store %s belongs to somebody else", path);
	}
	if ((st.st_mode & 0777) != 0700)
		(void)!fchmod(fd, 0700);
	err = check_version(fd, why);
	if (!err && mkdirat(fd, "boxes", 0700) && errno != EEXIST)
		err = say(why, -errno, "cannot write to the store %s", path);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static int open_boxes(int store)
{
	int fd = openat(store, "boxes", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Who makes or removes a directory with a dot holds its flock, so that one in use differs from one
 * left over. */
static int hold(int at, const char *name)
{
	struct stat st;
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	/* Swept between its making and now? */
	if (flock(fd, LOCK_EX | LOCK_NB) || fstat(fd, &st) || !st.st_nlink) {
		close(fd);
		return -EBUSY;
	}
	return fd;
}

int store_sweep(int store)
{
	int fd = open_boxes(store), err = 0, r;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return fd < 0 ? fd : -errno;
	while ((e = readdir(d))) {
		if (e->d_name[0] != '.' || !strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		int held = hold(fd, e->d_name);
		if (held < 0)
			continue;
		r = store_delete_tree(fd, e->d_name);
		err = err ? err : r;
		close(held);
	}
	closedir(d);
	return err;
}

/* ---- making ---- */

static struct json_object *spec_to_json(const struct box_spec *spec)
{
	struct json_object *o = json_object_new_object();
	char rung[2] = { spec->rung, '\0' };

	json_put_str(o, "schema", "gsh.box/2");
	json_put_str(o, "name", spec->name);
	if (spec->image)
		json_put_bool(o, "image", true);
	else
		json_put_str(o, "base", spec->base);
	json_put_bool(o, "ephemeral", spec->ephemeral);
	json_put_int(o, "created", spec->created);
	if (spec->hostname[0])
		json_put_str(o, "hostname", spec->hostname);
	if (spec->rung)
		json_put_str(o, "rung", rung);
	return o;
}

/* The file system must carry what the format needs, or the first `rm` inside would fail with an
 * errno nobody expects. */
static int check_format(int tree, char *why)
{
	if (mknodat(tree, "layers/.try", S_IFCHR, 0))
		return say(why, -errno,
			   "the store's file system cannot hold whiteouts (device 0/0)%s", "");
	unlinkat(tree, "layers/.try", 0);
	int fd = openat(tree, "layers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int err = fsetxattr(fd, "user.gsh.try", "y", 1, 0) ? -errno : 0;
	fremovexattr(fd, "user.gsh.try");
	close(fd);
	return err ? say(why, err, "the store's file system cannot hold user.* attributes%s", "")
		   : 0;
}

int store_write_spec(int dir, const struct box_spec *spec)
{
	struct json_object *o = spec_to_json(spec);
	int err = store_write_text(dir, "spec.json", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY));

	json_object_put(o);
	return err;
}

static int fill(int dir, const struct box_spec *spec, char *why)
{
	static const char *const dirs[] = { "tree", "tree/layers", "tree/top", "tree/work" };
	int tree, err = store_write_spec(dir, spec);

	if (!err && spec->settings)
		err = store_write_text(dir, "gsh.conf", spec->settings);
	for (int i = 0; i < 4 && !err; i++)
		if (mkdirat(dir, dirs[i], 0700))
			err = -errno;
	if (!err && mkdirat(dir, "tree/top/0001", 0755)) /* its mode is that of the guest's root directory */
		err = -errno;
	if (err)
		return say(why, err, "cannot make sandbox %s in the store", spec->name);
	tree = openat(dir, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tree < 0)
		return -errno;
	err = check_format(tree, why);
	close(tree);
	return err;
}

static int make_temporary(int boxes, char *name, size_t size)
{
	unsigned id;
	int fd = -EBUSY;

	for (int i = 0; i < 10 && (fd == -EBUSY || fd == -ENOENT); i++) {
		if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
			return -EIO;
		snprintf(name, size, ".making-%08x", id);
		if (mkdirat(boxes, name, 0700))
			return -errno;
		fd = hold(boxes, name);
	}
	return fd;
}

/* A directory gets another name, for good. What fails is as if it had not been begun. */
static int appear(int boxes, const char *from, const char *to)
{
	int err = 0;

	if (renameat2(boxes, from, boxes, to, RENAME_NOREPLACE))
		return -errno;
	if (fsync(boxes)) {
		err = -errno;
		(void)!renameat2(boxes, to, boxes, from, RENAME_NOREPLACE);
	}
	return err;
}

int store_create(int store, const struct box_spec *spec, char *why)
{
	char temporary[32];
	int boxes = open_boxes(store), dir, err;

	if (boxes < 0)
		return say(why, boxes, "cannot open the store%s", "");
	dir = make_temporary(boxes, temporary, sizeof(temporary));
	if (dir < 0) {
		close(boxes);
		return say(why, dir, "cannot make sandbox %s in the store", spec->name);
	}
	err = fill(dir, spec, why);
	if (!err) {
		err = appear(boxes, temporary, spec->name);
		if (err)
			say(why, err, "cannot make sandbox %s in the store", spec->name);
	}
	if (err)
		store_delete_tree(boxes, temporary);
	close(dir);
	close(boxes);
	return err;
}

/* What a client made is looked at no further than its history_open will. */
static int adopt(int boxes, int dir, const char *from, const struct box_spec *spec, char *why)
{
	int tree = openat(dir, "tree", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), err = tree < 0 ? -errno : 0;

	if (!err)
		err = check_format(tree, why);
	if (!err && mkdirat(tree, "work", 0700) && errno != EEXIST)
		err = -errno;
	if (!err && spec->image && mkdirat(dir, "base", 0755) && errno != EEXIST)
		err = -errno;
	if (!err)
		err = store_write_spec(dir, spec);
	if (!err && spec->settings)
		err = store_write_text(dir, "gsh.conf", spec->settings);
	if (!err && syncfs(dir))
		err = -errno;
	if (!err)
		err = appear(boxes, from, spec->name);
	if (tree >= 0)
		close(tree);
	return err;
}

int store_adopt(int store, const char *from, const struct box_spec *spec, char *why)
{
	int boxes = open_boxes(store), dir = -1, err = boxes < 0 ? boxes : 0;

	if (!err && (strncmp(from, ".making-", 8) || !from[8] || from[8 + strspn(from + 8, "0123456789abcdef")]))
		err = -ENOENT;
	if (!err) {
		dir = openat(boxes, from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		err = dir < 0 ? -errno : adopt(boxes, dir, from, spec, why);
	}
	if (dir >= 0)
		close(dir);
	if (boxes >= 0)
		close(boxes);
	return err ? say(why, err, "cannot make sandbox %s in the store", spec->name) : 0;
}

int store_rename(int store, const char *name, const char *to, char *why)
{
	int boxes = open_boxes(store), dir, err = boxes < 0 ? boxes : 0;
	struct box_spec spec;

	if (!err)
		err = store_read_spec(store, name, &spec, why);
	if (err)
		return err;
	if (!paths_name_ok(to))
		err = -EINVAL;
	if (!err)
		err = appear(boxes, name, to);
	dir = err ? -1 : openat(boxes, to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* What stands in the specification is for people: the directory's name counts. */
	snprintf(spec.name, sizeof(spec.name), "%s", to);
	if (dir >= 0)
		(void)!store_write_spec(dir, &spec);
	if (dir >= 0)
		close(dir);
	close(boxes);
	return err ? say(why, err, "cannot rename sandbox %s", name) : 0;
}

/* ---- finding ---- */

int store_open_box(int store, const char *name)
{
	int boxes, fd;

	if (!paths_name_ok(name))
		return -EINVAL;
	boxes = open_boxes(store);
	if (boxes < 0)
		return boxes;
	fd = openat(boxes, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int err = fd < 0 ? -errno : fd;
	close(boxes);
	return err;
}

/* What lies in the sandbox's directories of layers is its chain. */
static int read_layers(int dir, struct box_spec *spec)
{
	uint32_t number[GRANT_LAYERS_MAX];
	int tree = openat(dir, "tree", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int n = tree < 0 ? -errno : history_chain(tree, number);
	struct stat st;

	for (int i = 0; i < n; i++) {
		snprintf(spec->layers[i], sizeof(spec->layers[i]), "layers/%04u", number[i]);
		if (fstatat(tree, spec->layers[i], &st, AT_SYMLINK_NOFOLLOW))
			snprintf(spec->layers[i], sizeof(spec->layers[i]), "top/%04u", number[i]);
	}
	if (tree >= 0)
		close(tree);
	spec->nlayers = n < 0 ? 0 : (unsigned)n;
	return n == -ENOENT ? -EPROTO : n < 0 ? n : 0;
}

/* The store may be moved, so an image's base is where the sandbox is. */
static void own_base(int dir, struct box_spec *spec)
{
	char link[32], path[PATH_MAX - 8];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	snprintf(spec->base, sizeof(spec->base), "%s/base", path);
}

static int spec_from_json(struct json_object *o, struct box_spec *spec)
{
	const char *base = json_str(o, "base", "");
	const char *schema = json_str(o, "schema", "");

	spec->image = json_flag(o, "image", false);
	if ((strcmp(schema, "gsh.box/1") && strcmp(schema, "gsh.box/2")) || (base[0] != '/' && !spec->image) ||
	    strlen(base) >= sizeof(spec->base))
		return -EPROTO;
	if (!spec->image)
		strcpy(spec->base, base);
	spec->ephemeral = json_flag(o, "ephemeral", false);
	spec->created = json_int(o, "created", 0);
	snprintf(spec->hostname, sizeof(spec->hostname), "%s", json_str(o, "hostname", ""));
	spec->rung = json_str(o, "rung", "")[0];
	return 0;
}

int store_read_spec(int store, const char *name, struct box_spec *spec, char *why)
{
	static char text[SPEC_MAX];
	struct json_object *o;
	int dir = store_open_box(store, name), err;

	memset(spec, 0, sizeof(*spec));
	if (dir < 0)
		return say(why, dir, "sandbox %s", name);
	snprintf(spec->name, sizeof(spec->name), "%s", name);
	err = store_read_text(dir, "spec.json", text, sizeof(text));
	own_base(dir, spec);
	int layers = err ? 0 : read_layers(dir, spec);
	close(dir);
	if (err && err != -ENOENT)
		return say(why, err, "cannot read the specification of sandbox %s", name);
	o = err ? NULL : json_tokener_parse(text);
	err = o ? spec_from_json(o, spec) : -EPROTO;
	json_object_put(o);
	if (!err && layers)
		return say(why, layers, "the layers of sandbox %s are missing or damaged (gsh doctor --repair)", name);
	if (err)
		snprintf(why, STORE_WHY,
			 "the specification of sandbox %s (boxes/%s/spec.json) is missing or damaged "
			 "(gsh doctor --repair)",
			 name, name);
	return err;
}

int store_remove(int store, const char *name, char *why)
{
	char aside[80];
	unsigned id;
	int boxes, held, err = 0;

	if (!paths_name_ok(name))
		return say(why, -EINVAL, "sandbox %s", name);
	boxes = open_boxes(store);
	if (boxes < 0)
		return say(why, boxes, "cannot open the store%s", "");
	if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
		err = -EIO;
	snprintf(aside, sizeof(aside), ".removing-%08x", id);
	held = hold(boxes, name);
	if (!err)
		err = appear(boxes, name, aside);
	/* It is gone: what cannot be deleted now is swept later. */
	if (!err)
		(void)store_delete_tree(boxes, aside);
	if (held >= 0)
		close(held);
	close(boxes);
	return err ? say(why, err, "cannot remove sandbox %s", name) : 0;
}

int store_each(int store, int (*fn)(const char *name, void *arg), void *arg)
{
	struct dirent **names;
	int boxes = open_boxes(store), n, stop = 0;

	if (boxes < 0)
		return boxes;
	n = scandirat(boxes, ".", &names, NULL, alphasort);
	close(boxes);
	for (int i = 0; i < n; i++) {
		if (!stop && paths_name_ok(names[i]->d_name))
			stop = fn(names[i]->d_name, arg);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return n < 0 ? -errno : stop;
}

/* ---- the lock ---- */

static int open_lock(int store, const char *name, int flags)
{
	int dir = store_open_box(store, name), fd;

	if (dir < 0)
		return dir;
	fd = openat(dir, "lock", flags | O_NOFOLLOW | O_CLOEXEC, 0600);
	int err = fd < 0 ? -errno : fd;
	close(dir);
	return err;
}

/* Of the open file description, not of the process: a query does not disturb, and a fork does not
 * lose it. */
static struct flock whole_file(void)
{
	return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
}

/* Is this file still the lock of the sandbox of this name? It may have been removed or renamed, and another one made,
 * since it was opened. 1, 0 or -errno. */
static int is_lock_of(int store, const char *name, int fd)
{
	struct stat now, ours;
	int dir = store_open_box(store, name), err = 0;

	if (dir < 0)
		return dir;
	if (fstat(fd, &ours) || fstatat(dir, "lock", &now, AT_SYMLINK_NOFOLLOW))
		err = errno == ENOENT ? 0 : -errno;
	else
		err = ours.st_dev == now.st_dev && ours.st_ino == now.st_ino;
	close(dir);
	return err;
}

int store_lock(int store, const char *name)
{
	struct flock lock = whole_file();

	for (;;) {
		int fd = open_lock(store, name, O_RDWR | O_CREAT), is = 1;

		if (fd < 0)
			return fd;
		if (fcntl(fd, F_OFD_SETLK, &lock))
			is = errno == EACCES ? -EAGAIN : -errno;
		else
			is = is_lock_of(store, name, fd);
		if (is > 0)
			return fd;
		close(fd);
		if (is < 0)
			return is;
	}
}

int store_locked(int store, const char *name)
{
	struct flock lock = whole_file();
	int fd = open_lock(store, name, O_RDWR);

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	int err = fcntl(fd, F_OFD_GETLK, &lock) ? -errno : 0;
	close(fd);
	return err ? err : lock.l_type != F_UNLCK;
}

void store_lock_text(int store, const char *name, char *text, size_t size)
{
	int dir = store_open_box(store, name);

	text[0] = '\0';
	if (dir < 0)
		return;
	if (store_read_text(dir, "lock", text, size))
		text[0] = '\0';
	close(dir);
}
