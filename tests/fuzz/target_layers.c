/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Layers of a hostile hand, read and carried out by the host's side: found, listed, compared, copied, planned for a commit.
 * Nobody leaves the layers, and no descriptor is lost.
 *
 * Of the input: objects; a byte for the layer and the kind, four of the path (a letter each), for a link, a file and an
 * attribute a byte of length and the bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "gshd/client/delete.h"
#include "gshd/tree/commit_impl.h"
#include "gshd/tree/patch.h"
#include "tests/fuzz/files.h"

#define LAYERS 4
#define OBJECTS_MAX 48

static char place[] = "/tmp/fuzz-layers.XXXXXX";
static int dir = -1; /* place */

static void leave(void)
{
	(void)!store_empty(dir, ".");
	rmdir(place);
}

static void begin(void)
{
	if (dir < 0) {
		must(mkdtemp(place));
		dir = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		must(dir >= 0);
		atexit(leave);
	}
	must(!store_empty(dir, "."));
	for (int i = 0; i < LAYERS; i++) {
		const char name[2] = { (char)('0' + i), '\0' };

		must(!mkdirat(dir, name, 0755));
	}
	must(!mkdirat(dir, "out", 0755));
}

static size_t some(const uint8_t **data, size_t *size, char *out)
{
	size_t n = take(data, size);

	n = n < *size ? n : *size;
	memcpy(out, *data, n);
	out[n] = '\0';
	*data += n;
	*size -= n;
	return n;
}

static void object(const uint8_t **data, size_t *size)
{
	static const char *const attributes[] = { UNION_OPAQUE, UNION_REDIRECT, UNION_ATTR,
						  UNION_ORIGIN, UNION_IMPURE,	"user.x" };
	static const char letters[] = "abcdl";
	char path[32], text[256];
	uint8_t what = take(data, size), shape = take(data, size);
	int n = snprintf(path, sizeof(path), "%c", '0' + (what & 3)), fd;

	for (int i = 0; i < 1 + (shape & 3); i++)
		n += snprintf(path + n, sizeof(path) - (size_t)n, "/%c", letters[take(data, size) % 5]);
	switch (what >> 2 & 7) {
	case 0:
	case 1:
		(void)!mkdirat(dir, path, 0755);
		break;
	case 2:
		fd = openat(dir, path, O_WRONLY | O_CREAT | O_EXCL, shape & 8 ? 01644 : 0644);
		if (fd >= 0)
			(void)!write(fd, text, some(data, size, text));
		if (fd >= 0)
			close(fd);
		break;
	case 3:
		some(data, size, text);
		(void)!symlinkat(text, dir, path);
		break;
	case 4:
		(void)!mknodat(dir, path, S_IFCHR, 0);
		break;
	case 5:
		(void)!mkfifoat(dir, path, 0644);
		break;
	default:
		fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		n = (int)some(data, size, text);
		if (fd >= 0)
			(void)!fsetxattr(fd, attributes[(shape >> 2 & 15) % 6], text, (size_t)n, 0);
		if (fd >= 0 && shape & 64)
			(void)!fchmod(fd, 01644);
		if (fd >= 0)
			close(fd);
	}
}

/* ---- what is done with them ---- */

static bool inside(const struct spot *s)
{
	char link[32], path[PATH_MAX];

	for (unsigned i = 0; i < s->n; i++) {
		ssize_t n;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", s->at[i].fd);
		n = readlink(link, path, sizeof(path) - 1);
		path[n > 0 ? n : 0] = '\0';
		n = (ssize_t)strlen(place);
		if (strncmp(path, place, (size_t)n) || path[n] != '/' || path[n + 1] != (char)('0' + s->at[i].layer))
			return false;
	}
	return true;
}

static int put_text(void *arg, enum patch_kind kind, const char *bytes, size_t size)
{
	(void)arg;
	/* Only contents may hold what drives a terminal. */
	for (size_t i = 0; i < size && (kind == PATCH_META || kind == PATCH_NOTE); i++)
		must((unsigned char)bytes[i] >= ' ' || bytes[i] == '\n' || bytes[i] == '\t');
	return 0;
}

static int found(const struct diff_found *f, void *arg)
{
	const struct patch_sink sink = { put_text, NULL };
	struct commit *c = arg;

	must(f->path[0] == '/' && f->what && (f->a || f->b));
	must((!f->a || inside(f->a)) && (!f->b || inside(f->b)));
	/* Of both sides' lines another program would be asked, which is not what is tried here. */
	if (!f->a || !f->b)
		(void)!patch_entry(f, &sink, NULL);
	(void)!commit_plan(c, f);
	return 0;
}

static void lost(const char *path, int err, void *arg)
{
	(void)path, (void)arg;
	must(err < 0);
}

static void walk(const struct tree *base, const struct tree *all)
{
	static const char *const paths[] = { "", "/a", "/a/b/c", "/l/../a", "/l/l/d/", "/../l/a" };
	const struct copy copy = { .flags = COPY_RECURSIVE | COPY_ATTRS, .lost = lost };
	struct commit c = { .dir = -1, .lock = -1, .root = dir };
	const struct diff_calls calls = { found, lost, &c };
	int out = openat(dir, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char real[TREE_PATH_ROOM], **names;
	struct spot s;
	size_t n;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (!spot_resolve(all, paths[i], true, &s, real)) {
			must(inside(&s) && real[0] == '/' && !strstr(real, "/../"));
			spot_put(&s);
		}
	if (!tree_glob(all, "/*/[a-d]*/?", &names, &n))
		tree_glob_free(names, n);
	(void)!tree_diff(base, all, NULL, &calls);
	commit_free_actions(&c);
	if (!spot_find(all, "", &s)) {
		s.root = true;
		(void)!copy_spot(&copy, &s, out, "all");
		spot_put(&s);
	}
	close(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tree all = { .n = LAYERS }, base = { .n = 1 };
	unsigned before;

	begin();
	before = open_files();
	for (int i = 0; i < OBJECTS_MAX && size; i++)
		object(&data, &size);
	for (int i = 0; i < LAYERS; i++) {
		const char name[2] = { (char)('0' + i), '\0' };

		all.fd[i] = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		must(all.fd[i] >= 0);
	}
	base.fd[0] = all.fd[0];
	walk(&base, &all);
	tree_close(&all);
	must(open_files() == before);
	return 0;
}
