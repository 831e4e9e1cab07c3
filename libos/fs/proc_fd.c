// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * /proc/PID/fd and fdinfo, and the other magic links: exe, cwd, root. Another process's links are
 * followed by their text; what has no path is asked for over the coordination stream.
 */
#include "libos/fs/proc.h"
#include "libos/fs/kinds.h"

static const struct pseudo_desc fd_desc, fdinfo_desc;

static bool is_self(const struct pseudo_node *n)
{
	return n->pid == this_process()->pid;
}

/* ---- names ---- */

static int find(struct pseudo_node *dir, const char *name, const struct pseudo_desc *d,
		struct pseudo_ref *ref)
{
	s64 fd = pseudo_number(name);
	struct file *f;

	if (fd < 0)
		return -ENOENT;
	*ref = (struct pseudo_ref){ .desc = d, .pid = dir->pid, .key = fd };
	if (!is_self(dir))
		return proc_ask_fd(dir, fd) ? 0 : -ENOENT;
	f = fdtab_get_path((int)fd);
	if (IS_ERR(f))
		return -ENOENT;
	file_put(f);
	return 0;
}

static bool next(struct pseudo_node *dir, s64 *cursor, char name[24], const struct pseudo_desc *d,
		 struct pseudo_ref *ref)
{
	int fd;

	if (*cursor > INT_MAX)
		return false;
	if (is_self(dir))
		fd = fdtab_next(this_process()->files, (int)*cursor);
	else
		fd = (int)proc_ask_next(dir, dir->desc->name, *cursor);
	if (fd < 0)
		return false;
	*cursor = fd;
	base_snprintf(name, 24, "%d", fd);
	*ref = (struct pseudo_ref){ .desc = d, .pid = dir->pid, .key = fd };
	return true;
}

int proc_fd_find(struct pseudo_node *dir, const char *name, struct pseudo_ref *ref)
{
	return find(dir, name, &fd_desc, ref);
}

bool proc_fd_next(struct pseudo_node *dir, s64 *cursor, char name[24], struct pseudo_ref *ref)
{
	return next(dir, cursor, name, &fd_desc, ref);
}

int proc_fdinfo_find(struct pseudo_node *dir, const char *name, struct pseudo_ref *ref)
{
	return find(dir, name, &fdinfo_desc, ref);
}

bool proc_fdinfo_next(struct pseudo_node *dir, s64 *cursor, char name[24], struct pseudo_ref *ref)
{
	return next(dir, cursor, name, &fdinfo_desc, ref);
}

/* ---- fd/N ---- */

static struct file *file_of(struct pseudo_node *n)
{
	struct file *f = is_self(n) ? fdtab_get_path((int)n->key) : ERR_PTR(-ENOENT);

	return IS_ERR(f) ? ERR_PTR(-ENOENT) : f;
}

static ssize_t fd_readlink(struct pseudo_node *n, char *buf, size_t size)
{
	cleanup_file struct file *f = NULL;
	char *text, name[24];
	ssize_t r;

	if (!is_self(n)) {
		base_snprintf(name, sizeof(name), "fd/%ld", (long)n->key);
		return proc_ask_link(n, name, buf, size);
	}
	f = file_of(n);
	if (IS_ERR(f))
		return PTR_ERR(f);
	text = base_alloc(PATH_MAX_LEN);
	if (!text)
		return -ENOMEM;
	r = file_text(f, text, PATH_MAX_LEN);
	if (r >= 0) {
		r = MIN(r, (ssize_t)size);
		memcpy(buf, text, (size_t)r);
	}
	base_free(text);
	return r;
}

/* Another process's link leads where its text says, if that is a path: a resolved one, whose last name is a
 * symlink only where the symlink itself is open (O_PATH). */
static int follow_text(struct pseudo_node *n, const char *name, struct path *out)
{
	char *text = base_alloc(PATH_MAX_LEN);
	struct walk w = { 0 };
	ssize_t r;

	if (!text)
		return -ENOMEM;
	r = proc_ask_link(n, name, text, PATH_MAX_LEN - 1);
	if (r >= 0) {
		text[r] = '\0';
		r = text[0] == '/' ? path_walk(AT_FDCWD, text, 0, &w) : -EACCES;
	}
	if (r == 0)
		*out = w.path;
	base_free(text);
	return (int)r;
}

static int fd_follow(struct pseudo_node *n, struct path *out)
{
	cleanup_file struct file *f = NULL;
	char name[24];
	int r;

	if (is_self(n)) {
		f = file_of(n);
	} else {
		/* By name if there is one: then it is the file itself, not another look at its host descriptor. */
		base_snprintf(name, sizeof(name), "fd/%ld", (long)n->key);
		r = follow_text(n, name, out);
		if (r != -EACCES && r != -ENOENT)
			return r;
		f = proc_ask_file(n, (int)n->key);
	}

	return IS_ERR(f) ? PTR_ERR(f) : anon_path(f, out);
}

/* How another process's file is open, out of its fdinfo. */
static int flags_of(struct pseudo_node *n)
{
	static const char key[] = "\nflags:\t";
	struct buf b = { 0 };
	int flags = -EACCES;
	char name[24];

	base_snprintf(name, sizeof(name), "fdinfo/%ld", (long)n->key);
	if (proc_ask_named(n, name, &b) == 0) {
		base_buf_put(&b, "", 1);
		for (const char *s = b.err ? "" : b.data; *s; s++) {
			if (strncmp(s, key, sizeof(key) - 1) != 0)
				continue;
			flags = 0;
			for (s += sizeof(key) - 1; *s >= '0' && *s <= '7'; s++)
				flags = flags << 3 | (*s - '0');
			break;
		}
	}
	base_buf_free(&b);
	return flags;
}

/* The link's permissions say how the file is open. */
static int fd_attr(struct pseudo_node *n, struct attr *a)
{
	cleanup_file struct file *f = NULL;
	int r = proc_owner(n, a), flags;

	a->size = 64;
	if (r < 0)
		return r;
	if (is_self(n)) {
		f = file_of(n);
		if (IS_ERR(f))
			return PTR_ERR(f);
		flags = f->flags;
	} else {
		flags = flags_of(n);
		if (flags < 0)
			return 0; /* it cannot answer: as the row says */
	}
	a->mode = S_IFLNK;
	if (flags & O_PATH || (flags & O_ACCMODE) == O_ACCMODE)
		return 0;
	if ((flags & O_ACCMODE) != O_WRONLY)
		a->mode |= 0500;
	if ((flags & O_ACCMODE) != O_RDONLY)
		a->mode |= 0300;
	return 0;
}

static const struct pseudo_desc fd_desc = {
	.name = "fd",
	.mode = S_IFLNK | 0700,
	.readlink = fd_readlink,
	.follow = fd_follow,
	.attr = fd_attr,
};

/* ---- fdinfo/N ---- */

static int fdinfo_show(struct pseudo_node *n, struct buf *b)
{
	cleanup_file struct file *f = NULL;
	int flags, cloexec;
	char name[24];
	struct attr a;
	s64 pos;

	if (!is_self(n)) {
		base_snprintf(name, sizeof(name), "fdinfo/%ld", (long)n->key);
		return proc_ask_named(n, name, b);
	}
	f = file_of(n);
	if (IS_ERR(f))
		return PTR_ERR(f);
	cloexec = fdtab_flags((int)n->key, -1);
	flags = (f->flags & ~O_CLOEXEC) | (cloexec > 0 ? O_CLOEXEC : 0) |
		(f->path.dentry ? O_LARGEFILE : 0);
	pos = f->flags & O_PATH ? 0 : file_lseek(f, 0, SEEK_CUR);
	base_buf_printf(b, "pos:\t%lld\nflags:\t0%o\nmnt_id:\t%d\n", (long long)MAX(pos, 0), flags,
			f->path.mnt ? f->path.mnt->id : 0);
	if (file_getattr(f, &a) == 0)
		base_buf_printf(b, "ino:\t%llu\n", (unsigned long long)a.ino);
	if (f->ops->info)
		f->ops->info(f, b);
	return 0;
}

static const struct pseudo_desc fdinfo_desc = {
	.name = "fdinfo",
	.mode = S_IFREG | 0444,
	.show = fdinfo_show,
	.attr = proc_owner,
};

/* ---- exe, cwd, root ---- */

/* A counted copy of the program's path; ERR_PTR. */
static char *exe_of(struct pseudo_node *n)
{
	struct process *p = this_process();
	char *exe;

	lock(&p->lock);
	exe = p->exe ? base_strdup(p->exe) : NULL;
	unlock(&p->lock);
	return exe ? exe : ERR_PTR(-ENOENT);
}

ssize_t proc_exe_text(struct pseudo_node *n, char *buf, size_t size)
{
	char *exe;
	ssize_t r;

	if (!is_self(n))
		return proc_ask_link(n, "exe", buf, size);
	exe = exe_of(n);
	if (IS_ERR(exe))
		return PTR_ERR(exe);
	r = pseudo_text(buf, size, exe);
	base_free(exe);
	return r;
}

int proc_exe_follow(struct pseudo_node *n, struct path *out)
{
	struct walk w = { 0 };
	char *exe;
	int r;

	if (!is_self(n))
		return follow_text(n, "exe", out);
	exe = exe_of(n);
	if (IS_ERR(exe))
		return PTR_ERR(exe);
	r = path_walk(AT_FDCWD, exe, WALK_FOLLOW, &w);
	if (r == 0)
		*out = w.path;
	base_free(exe);
	return r;
}

static int place_of(struct pseudo_node *n, bool root, struct path *out)
{
	struct fs_context *fs = this_process()->fs;

	if (!is_self(n))
		return follow_text(n, root ? "root" : "cwd", out);
	lock(&dcache_lock);
	*out = root ? fs->root : fs->cwd;
	path_get(out);
	dcache_unlock();
	return 0;
}

static ssize_t place_text(struct pseudo_node *n, bool root, char *buf, size_t size)
{
	struct path p;
	char *text, *s;
	ssize_t r;

	if (!is_self(n))
		return proc_ask_link(n, root ? "root" : "cwd", buf, size);
	r = place_of(n, root, &p);
	if (r < 0)
		return r;
	text = base_alloc(PATH_MAX_LEN);
	if (!text) {
		path_put(&p);
		return -ENOMEM;
	}
	s = path_text(&p, text, PATH_MAX_LEN);
	r = IS_ERR(s) ? PTR_ERR(s) : pseudo_text(buf, size, s);
	base_free(text);
	path_put(&p);
	return r;
}

ssize_t proc_cwd_text(struct pseudo_node *n, char *buf, size_t size)
{
	return place_text(n, false, buf, size);
}

int proc_cwd_follow(struct pseudo_node *n, struct path *out)
{
	return place_of(n, false, out);
}

ssize_t proc_root_text(struct pseudo_node *n, char *buf, size_t size)
{
	return place_text(n, true, buf, size);
}

int proc_root_follow(struct pseudo_node *n, struct path *out)
{
	return place_of(n, true, out);
}
