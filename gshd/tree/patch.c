// SPDX-License-Identifier: LGPL-3.0-or-later
/* One difference as text; see patch.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "gshd/tree/patch.h"

#define NAME_ROOM 65536
#define VALUE_SHOWN 48
#define VALUE_MAX 65536

/* Names in their quotes, while one entry is written. */
struct text {
	const struct patch_sink *sink;
	int result;
	char name[NAME_ROOM], a[NAME_ROOM + 8], b[NAME_ROOM + 8];
	char line[2 * NAME_ROOM + 64];
};

static void say(struct text *t, enum patch_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void say(struct text *t, enum patch_kind kind, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(t->line, sizeof(t->line), format, ap);
	va_end(ap);
	if (!t->result)
		t->result = t->sink->put(t->sink->arg, kind, t->line, strlen(t->line));
}

char patch_letter(const struct diff_found *f)
{
	return f->what & DIFF_ADDED	? 'A'
	       : f->what & DIFF_DELETED ? 'D'
	       : f->what & DIFF_TYPE	? 'T'
					: 'M';
}

static const char *kind_name(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "directory";
	case S_IFCHR:
		return "character device";
	case S_IFBLK:
		return "block device";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	case S_IFLNK:
		return "symbolic link";
	default:
		return "file";
	}
}

/* Does git have words for it? */
static bool is_plain(uint32_t mode)
{
	return S_ISREG(mode) || S_ISLNK(mode);
}

static unsigned git_mode(uint32_t mode)
{
	return S_ISLNK(mode) ? 0120000 : S_IFREG | (mode & 07777);
}

/* ---- what git has no words for ---- */

static void note_other(struct text *t, const char *what, const struct union_attr *a)
{
	if (S_ISCHR(a->mode) || S_ISBLK(a->mode))
		say(t, PATCH_NOTE, "# %s %s: %s, %u:%u, mode %04o\n", kind_name(a->mode), what,
		    t->name, major(a->rdev), minor(a->rdev), a->mode & 07777);
	else
		say(t, PATCH_NOTE, "# %s %s: %s, mode %04o\n", kind_name(a->mode), what, t->name,
		    a->mode & 07777);
}

static void note_owner(struct text *t, const struct diff_found *f)
{
	if (f->what & DIFF_OWNER)
		say(t, PATCH_NOTE, "# owner: %s, %u:%u -> %u:%u\n", t->name, f->was.uid, f->was.gid,
		    f->is.uid, f->is.gid);
	else if (f->what & (DIFF_ADDED | DIFF_TYPE) && f->b &&
		 (f->is.uid != geteuid() || f->is.gid != getegid()))
		say(t, PATCH_NOTE, "# owner: %s, %u:%u\n", t->name, f->is.uid, f->is.gid);
}

static ssize_t get_value(const struct spot *s, const char *name, char *value)
{
	return s ? spot_xattr(s, name, value, VALUE_MAX) : -ENODATA;
}

static void note_xattr(struct text *t, const struct diff_found *f, const char *name, char *values)
{
	char shown[4 * VALUE_SHOWN + 32], quoted[2048];
	ssize_t was = get_value(f->a, name, values), is = get_value(f->b, name, values + VALUE_MAX);

	if (was == is && (was < 0 || !memcmp(values, values + VALUE_MAX, (size_t)was)))
		return;
	quote_bytes(name, strlen(name), 255, quoted, sizeof(quoted));
	if (is < 0)
		say(t, PATCH_NOTE, "# attribute removed: %s, %s\n", t->name, quoted);
	else
		say(t, PATCH_NOTE, "# attribute %s: %s, %s = %s\n", was < 0 ? "added" : "changed",
		    t->name, quoted,
		    quote_bytes(values + VALUE_MAX, (size_t)is, VALUE_SHOWN, shown, sizeof(shown)));
}

static void note_xattrs(struct text *t, const struct diff_found *f)
{
	char *x = NULL, *y = NULL, *values;
	ssize_t n, m;

	if (!(f->what & (DIFF_XATTRS | DIFF_ADDED | DIFF_TYPE)) || !f->b)
		return;
	n = f->a && !(f->what & DIFF_TYPE) ? spot_xattrs(f->a, &x) : 0;
	m = spot_xattrs(f->b, &y);
	values = n > 0 || m > 0 ? malloc((size_t)2 * VALUE_MAX) : NULL;
	for (char *p = y; values && m > 0 && p < y + m; p += strlen(p) + 1)
		note_xattr(t, f, p, values);
	/* Names that only a has. */
	for (char *p = x; values && n > 0 && p < x + n; p += strlen(p) + 1)
		if (spot_xattr(f->b, p, NULL, 0) < 0)
			note_xattr(t, f, p, values);
	free(values);
	free(x);
	free(y);
}

/* ---- contents ---- */

static int open_text(const struct spot *s)
{
	return s && S_ISREG(s->st.st_mode) ? spot_open(s, O_RDONLY) : -1;
}

/* The target of a link as a file's contents, as git sees it. */
static int link_text(const struct spot *s)
{
	char target[PATH_MAX];
	int fd = memfd_create("link", MFD_CLOEXEC);
	ssize_t n = spot_readlink(s, target, sizeof(target));

	if (fd >= 0 && (n < 0 || write(fd, target, (size_t)n) != n)) {
		close(fd);
		return -EIO;
	}
	return fd < 0 ? -errno : fd;
}

static int open_contents(const struct spot *s, uint32_t mode)
{
	return S_ISLNK(mode) ? link_text(s) : open_text(s);
}

/* Hunks are preceded by the names, and these only come if there are hunks. */
struct hunks {
	struct text *t;
	bool headed, named, from, to;
};

static void put_head(struct hunks *h)
{
	if (!h->headed)
		say(h->t, PATCH_META, "diff --git %s %s\n", h->t->a, h->t->b);
	h->headed = true;
}

static int put_hunk(void *arg, enum patch_kind kind, const char *bytes, size_t size)
{
	struct hunks *h = arg;

	if (!h->named) {
		h->named = true;
		put_head(h);
		/* A name with a blank is ended by a tab, or patch(1) takes what follows the blank
		 * for a date. */
		say(h->t, PATCH_META, "--- %s%s\n", h->from ? h->t->a : "/dev/null",
		    h->from && strchr(h->t->a, ' ') ? "\t" : "");
		say(h->t, PATCH_META, "+++ %s%s\n", h->to ? h->t->b : "/dev/null",
		    h->to && strchr(h->t->b, ' ') ? "\t" : "");
	}
	if (!h->t->result)
		h->t->result = h->t->sink->put(h->t->sink->arg, kind, bytes, size);
	return h->t->result;
}

/* git's lines about what is not contents. text: its contents will follow, or it has none. */
static void put_modes(struct hunks *h, const struct union_attr *was, const struct union_attr *is,
		      bool text)
{
	struct text *t = h->t;

	if (h->from && h->to && (was->mode & 07777) == (is->mode & 07777))
		return;
	/* A file that comes or goes without its contents is nothing to apply. */
	if ((!h->from || !h->to) && !text) {
		note_other(t, h->to ? "added" : "deleted", h->to ? is : was);
		return;
	}
	put_head(h);
	if (!h->from)
		say(t, PATCH_META, "new file mode %06o\n", git_mode(is->mode));
	else if (!h->to)
		say(t, PATCH_META, "deleted file mode %06o\n", git_mode(was->mode));
	else
		say(t, PATCH_META, "old mode %06o\nnew mode %06o\n", git_mode(was->mode),
		    git_mode(is->mode));
}

/* Why lines_diff() compared nothing. */
static void note_why(struct text *t, int err, struct patch_count *count)
{
	if (err == -EFBIG)
		say(t, PATCH_NOTE, "# too large to be compared by lines: %s\n", t->name);
	else if (err == -ENOPKG)
		say(t, PATCH_NOTE, "# diff(1) is not installed: %s\n", t->name);
	else if (!t->result)
		t->result = err;
	if (count)
		count->binary = true;
}

static bool is_empty(int fd)
{
	return lseek(fd, 0, SEEK_END) == 0;
}

/* One of: a file came, went, or changed. from or to may be NULL. data: its contents are of
 * interest. */
static void put_file(struct text *t, const struct spot *from, const struct spot *to,
		     const struct union_attr *was, const struct union_attr *is, bool data,
		     struct patch_count *count)
{
	struct hunks h = { .t = t, .from = from, .to = to };
	const struct patch_sink sink = { put_hunk, &h };
	int a = from && data ? open_contents(from, was->mode) : -1,
	    b = to && data ? open_contents(to, is->mode) : -1;
	bool unread = data && ((from && a < 0) || (to && b < 0));
	bool binary = data && !unread && (lines_binary(a) != 0 || lines_binary(b) != 0);
	int r = 0;

	/* Ahead of the header: below it, git would want to apply it. */
	if (unread)
		say(t, PATCH_NOTE, "# cannot be read: %s\n", t->name);
	if (binary)
		say(t, PATCH_NOTE, "Binary files %s and %s differ\n", from ? t->a : "/dev/null",
		    to ? t->b : "/dev/null");
	if (count)
		count->binary |= binary || unread;
	put_modes(&h, was, is, !binary && !unread);
	/* Only git's name of an empty file's contents tells patch(1) that one without hunks is
	 * meant to come or go. */
	if (to && !from && b >= 0 && is_empty(b))
		say(t, PATCH_META, "index 0000000..e69de29\n");
	else if (from && !to && a >= 0 && is_empty(a))
		say(t, PATCH_META, "index e69de29..0000000\n");
	if (data && !binary && !unread && !t->result)
		r = lines_diff(a, b, &sink, count);
	if (r && r != t->result)
		note_why(t, r, count);
	if (a >= 0)
		close(a);
	if (b >= 0)
		close(b);
}

/* An object that is on one side, or is taken to be. */
static void put_one(struct text *t, const struct spot *s, const struct union_attr *a, bool came,
		    struct patch_count *count)
{
	if (!is_plain(a->mode))
		note_other(t, came ? "added" : "deleted", a);
	else if (came)
		put_file(t, NULL, s, NULL, a, true, count);
	else
		put_file(t, s, NULL, a, NULL, true, count);
}

static void put_change(struct text *t, const struct diff_found *f, struct patch_count *count)
{
	if (is_plain(f->is.mode))
		put_file(t, f->a, f->b, &f->was, &f->is, f->what & DIFF_DATA, count);
	else if (f->what & DIFF_MODE)
		say(t, PATCH_NOTE, "# mode: %s, %04o -> %04o\n", t->name, f->was.mode & 07777,
		    f->is.mode & 07777);
	else if (f->what & DIFF_DATA)
		note_other(t, "changed", &f->is);
}

int patch_entry(const struct diff_found *f, const struct patch_sink *sink,
		struct patch_count *count)
{
	struct text *t = malloc(sizeof(*t));
	char *path = NULL;
	int r;

	if (!t)
		return -ENOMEM;
	t->sink = sink;
	t->result = asprintf(&path, "a%s", f->path) < 0 ? -ENOMEM : 0;
	if (!t->result) {
		quote_name(f->path, t->name, sizeof(t->name));
		quote_name(path, t->a, sizeof(t->a));
		path[0] = 'b';
		quote_name(path, t->b, sizeof(t->b));
		free(path);
		/* A link that leads elsewhere goes and comes, too: patch(1) would take its hunk for
		 * a file's. */
		bool both = f->a && f->b && !(f->what & DIFF_TYPE) &&
			    !(S_ISLNK(f->is.mode) && f->what & DIFF_DATA);

		if (f->a && !both)
			put_one(t, f->a, &f->was, false, count);
		if (f->b && !both)
			put_one(t, f->b, &f->is, true, count);
		if (both)
			put_change(t, f, count);
		note_owner(t, f);
		note_xattrs(t, f);
	}
	r = t->result;
	free(t);
	return r;
}
