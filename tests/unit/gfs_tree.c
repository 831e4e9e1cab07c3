/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * gfs's view of a stack of layers, without FUSE: merging, listing, links; then layers made by a
 * hostile hand at random, of which nothing is expected but that nobody crashes, hangs or leaves
 * them.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "gfs/gfs.h"
#include "libos/union/union.h"

#define NLAYERS 4

struct gfs gfs;
static char top[64];
static struct tree stack;
static struct box box = {.id = 1};
static int failures;

static void check(bool ok, const char *what)
{
	printf("%s %s\n", ok ? "ok" : "not ok", what);
	failures += !ok;
}

static char *at(unsigned layer, const char *path)
{
	static char buf[4][512];
	static unsigned i;
	char *p = buf[i++ % 4];

	snprintf(p, sizeof(buf[0]), "%s/%u/%s", top, layer, path);
	return p;
}

static void put_file(unsigned layer, const char *path, const char *text, mode_t mode)
{
	int fd = open(at(layer, path), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) < 0 || fchmod(fd, mode))
		exit(2);
	close(fd);
}

static void put_dir(unsigned layer, const char *path)
{
	if (mkdir(at(layer, path), 0755))
		exit(2);
}

static void put_whiteout(unsigned layer, const char *path)
{
	if (mknod(at(layer, path), S_IFCHR, makedev(0, 0)))
		exit(2);
}

static void put_xattr(unsigned layer, const char *path, const char *name, const char *value)
{
	if (setxattr(at(layer, path), name, value, strlen(value), 0))
		exit(2);
}

/* What is at path: 0 and its attributes, or -errno. */
static int look(const char *path, struct stat *st)
{
	struct spot s;
	int err = spot_find(&stack, path, &s);

	if (err)
		return err;
	spot_attr(&s, &box, st);
	spot_put(&s);
	return 0;
}

/* The text of a file in the merged tree; "" if there is none. */
static const char *text_of(const char *path)
{
	static char buf[256];
	struct spot s;
	int fd;
	ssize_t n;

	buf[0] = '\0';
	if (spot_find(&stack, path, &s))
		return buf;
	fd = spot_open(&s, O_RDONLY);
	spot_put(&s);
	n = fd < 0 ? 0 : read(fd, buf, sizeof(buf) - 1);
	buf[n > 0 ? n : 0] = '\0';
	close(fd);
	return buf;
}

static const char *link_of(const char *dir, const char *target)
{
	static char out[PATH_MAX];

	return link_inside(&stack, dir, target, out, sizeof(out)) ? "error" : out;
}

static void make_layers(void)
{
	strcpy(top, "/tmp/gfs-tree-XXXXXX");
	if (!mkdtemp(top))
		exit(2);
	stack.n = NLAYERS;
	for (unsigned i = 0; i < NLAYERS; i++) {
		if (mkdir(at(i, ""), 0755))
			exit(2);
		stack.fd[i] = open(at(i, ""), O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)ftw;
	return type == FTW_DP ? rmdir(path) : unlink(path);
}

static void remove_layers(void)
{
	for (unsigned i = 0; i < NLAYERS; i++)
		close(stack.fd[i]);
	nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void test_merge(void)
{
	struct stat st;

	make_layers();
	put_dir(0, "d"), put_file(0, "d/low", "low", 0644), put_file(0, "d/both", "old", 0644);
	put_file(0, "gone", "x", 0644), put_dir(0, "proc"), put_dir(0, "d/proc");
	put_dir(2, "d"), put_file(2, "d/both", "new", 0644), put_file(2, "d/high", "high", 0644);
	put_whiteout(3, "gone");
	check(!strcmp(text_of("d/low"), "low") && !strcmp(text_of("d/both"), "new") &&
		      !strcmp(text_of("d/high"), "high"),
	      "the highest layer's file is seen, and those of all");
	check(look("gone", &st) == -ENOENT, "a whiteout hides");
	check(look("proc", &st) == -ENOENT && !look("d/proc", &st),
	      "the base's own proc is not shown, others are");
	check(look("d/low/x", &st) == -ENOTDIR && look("none/x", &st) == -ENOENT,
	      "ENOTDIR and ENOENT as they should be");

	put_dir(3, "d"), put_xattr(3, "d", UNION_OPAQUE, "y"), put_file(3, "d/only", "only", 0644);
	check(look("d/low", &st) == -ENOENT && !strcmp(text_of("d/only"), "only"),
	      "an opaque directory hides what is below");
	remove_layers();

	make_layers();
	put_dir(0, "a"), put_dir(0, "a/b"), put_file(0, "a/b/f", "deep", 0644), put_dir(0, "n"),
		put_file(0, "n/g", "g", 0644);
	put_whiteout(2, "a"), put_dir(2, "moved"), put_xattr(2, "moved", UNION_REDIRECT, "/a");
	put_whiteout(3, "n"), put_dir(3, "m"), put_xattr(3, "m", UNION_REDIRECT, "n");
	check(!strcmp(text_of("moved/b/f"), "deep") && look("a", &st) == -ENOENT,
	      "an absolute redirect is followed");
	check(!strcmp(text_of("m/g"), "g") && look("n", &st) == -ENOENT, "a relative redirect too");

	put_file(1, "marked", "x", 0600 | UNION_MARK);
	put_xattr(1, "marked", UNION_ATTR, "104755 0 0 0"),
		put_xattr(1, "marked", UNION_ORIGIN, "1234");
	check(!look("marked", &st) && st.st_mode == (S_IFREG | 04755) &&
		      (st.st_ino & 0xffffffff) == 0x1234 && st.st_uid == gfs.uid,
	      "stored attributes are shown, the owner is ours");
	put_file(1, "device", "x", 0600 | UNION_MARK),
		put_xattr(1, "device", UNION_ATTR, "20666 0 0 103");
	check(!look("device", &st) && S_ISREG(st.st_mode) && !st.st_size,
	      "a device is an empty file");
	put_file(1, "broken", "x", 0600 | UNION_MARK),
		put_xattr(1, "broken", UNION_ATTR, "nonsense");
	check(!look("broken", &st) && st.st_mode == (S_IFREG | 0600),
	      "attributes that make no sense are left aside");
	remove_layers();
}

static void test_links(void)
{
	make_layers();
	put_dir(0, "a"), put_dir(0, "a/b");
	check(!strcmp(link_of("a/b", "/usr/lib/x"), "../../usr/lib/x"), "an absolute link");
	check(!strcmp(link_of("", "/etc"), "etc") && !strcmp(link_of("", "/"), ".") &&
		      !strcmp(link_of("a", "/"), ".."),
	      "of and to the root");
	check(!strcmp(link_of("a/b", "c/d"), "c/d") && !strcmp(link_of("a/b", "../x"), "../x"),
	      "a tame one stays");
	check(!strcmp(link_of("a", "../../../../x"), "../x"), "too many dots are cut");
	if (symlink("/", at(2, "s")) || symlink("l2", at(2, "l1")) || symlink("l1", at(2, "l2")))
		exit(2);
	check(!strcmp(link_of("a", "../s/../../../etc"), "../etc"),
	      "dots behind a link to the root do not lead out");
	check(!strcmp(link_of("a", "b/../../../../x"), "../x"), "nor behind a directory");
	check(!strcmp(link_of("", "l1/../x"), "error"), "a loop is an error");
	remove_layers();
}

/* ---- hostile layers ---- */

#define CHAIN 100

/* name/name/..., each a directory of the layer; with redirect, each leads there. */
static const char *chain(unsigned layer, const char *name, const char *redirect)
{
	static char paths[NLAYERS][2 * CHAIN + 1];
	char *path = paths[layer];

	path[0] = '\0';
	for (int i = 0; i < CHAIN; i++) {
		strcat(strcat(path, "/"), name);
		put_dir(layer, path + 1);
		if (redirect)
			put_xattr(layer, path + 1, UNION_REDIRECT, redirect);
	}
	return path;
}

/* Each name of a redirect leads through another layer's, and each name of those: a million steps. */
static void test_explosion(void)
{
	struct stat st;

	make_layers();
	put_dir(3, "x");
	put_xattr(3, "x", UNION_REDIRECT, chain(2, "a", chain(1, "b", chain(0, "c", NULL))));
	check(look("x", &st) == -ELOOP, "redirects that multiply are given up");
	check(!look("c", &st) && !look("c/c/c", &st), "and nothing else is");
	remove_layers();
}

static uint64_t state = 88172645463325252ull;

static unsigned random_below(unsigned n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)((state >> 11) % n);
}

static const char *random_path(char *buf)
{
	static const char *const names[] = {"a", "b", "c", "l", "w"};
	unsigned n = 1 + random_below(4);

	buf[0] = '\0';
	for (unsigned i = 0; i < n; i++) {
		if (i)
			strcat(buf, "/");
		strcat(buf, names[random_below(5)]);
	}
	return buf;
}

static void random_xattr(unsigned layer, const char *path)
{
	static const char *const names[] = {UNION_OPAQUE, UNION_REDIRECT, UNION_REDIRECT,
					    UNION_ATTR, UNION_ORIGIN};
	static const char *const values[] = {"y",
					     "n",
					     "/",
					     "/a/b",
					     "/a",
					     "a",
					     "b",
					     "..",
					     "/../..",
					     "/a/../../etc",
					     "/etc",
					     "//a",
					     "a/b",
					     "100644 0 0 0",
					     "777777777777 0 0 0",
					     "120777 0 0 0",
					     "fff"};

	setxattr(at(layer, path), names[random_below(5)], values[random_below(17)],
		 strlen(values[random_below(17)]) % 5 + 1, 0);
}

static void random_object(unsigned layer)
{
	static const char *const targets[] = {"/",	"..", "/etc/passwd", "../../../../../etc",
					      "a/../b", "l",  "a/l/../../l"};
	char path[64];

	random_path(path);
	switch (random_below(7)) {
	case 0:
	case 1:
	case 2:
		mkdir(at(layer, path), 0755);
		break;
	case 3:
		if (mknod(at(layer, path), S_IFREG | (random_below(2) ? 01644 : 0644), 0))
			return;
		break;
	case 4:
		if (symlink(targets[random_below(7)], at(layer, path)))
			return;
		break;
	case 5:
		mknod(at(layer, path), S_IFCHR, 0);
		break;
	case 6:
		mkfifo(at(layer, path), 0644);
		break;
	}
	if (random_below(2))
		random_xattr(layer, path);
}

/* Every descriptor of a spot stands for something in its layer. */
static bool spot_inside(const struct spot *s)
{
	char link[64], path[PATH_MAX], *want;

	for (unsigned i = 0; i < s->n; i++) {
		ssize_t n;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", s->at[i].fd);
		n = readlink(link, path, sizeof(path) - 1);
		path[n > 0 ? n : 0] = '\0';
		want = at(s->at[i].layer, "");
		if (strncmp(path, want, strlen(want) - 1))
			return false;
	}
	return true;
}

static bool links_inside(const char *dir, const char *text)
{
	int depth = *dir != '\0';

	for (const char *p = dir; *p; p++)
		depth += *p == '/';
	if (*text == '/')
		return false;
	while (*text) {
		size_t len = strcspn(text, "/");

		if (len == 2 && !memcmp(text, "..", 2) && --depth < 0)
			return false;
		if (len != 2 || memcmp(text, "..", 2))
			depth += len && !(len == 1 && *text == '.');
		text += len + (text[len] == '/');
	}
	return true;
}

static bool hostile_round(void)
{
	char path[64], target[PATH_MAX], out[PATH_MAX], *slash;
	bool ok = true;

	make_layers();
	for (unsigned i = 0; i < 60; i++)
		random_object(random_below(NLAYERS));
	for (unsigned i = 0; i < 60; i++) {
		struct listing *l = NULL;
		struct spot s;
		struct stat st;

		if (spot_find(&stack, random_path(path), &s))
			continue;
		spot_attr(&s, &box, &st);
		ok &= spot_inside(&s) && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ||
					  S_ISLNK(st.st_mode) || S_ISFIFO(st.st_mode));
		if (S_ISDIR(st.st_mode) && !listing_make(&s, &l))
			listing_free(l);
		if (S_ISLNK(st.st_mode)) {
			ssize_t n = readlinkat(s.at[0].fd, "", target, sizeof(target) - 1);

			target[n > 0 ? n : 0] = '\0';
			slash = strrchr(path, '/');
			if (slash)
				*slash = '\0';
			if (n > 0 &&
			    !link_inside(&stack, slash ? path : "", target, out, sizeof(out)))
				ok &= links_inside(slash ? path : "", out);
		}
		spot_put(&s);
	}
	remove_layers();
	return ok;
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 300;
	bool ok = true;

	gfs.uid = geteuid();
	gfs.gid = getegid();
	test_merge();
	test_links();
	test_explosion();
	for (unsigned i = 0; i < rounds && ok; i++)
		ok = hostile_round();
	check(ok, "hostile layers: nobody leaves them");
	return failures != 0;
}
