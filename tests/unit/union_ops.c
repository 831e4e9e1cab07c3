/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Random work on a tree, the same for the same seed: union_ops DIR SEED COUNT [WORKERS].
 *
 * Every operation is printed with its result, then the tree: so that a run on the host and a run in a sandbox, on equal
 * trees, can be compared byte by byte. Names are few, so that operations meet. Worker processes share the operations in
 * turns, one after another, so that each works with what it knew before the others changed it.
 *
 * With PLAIN in the environment the tree is shown without what the kernel's own overlayfs cannot know of it: modes and
 * numbers. With STILL, directories are not renamed: an ordinary user's overlayfs follows no redirects.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define WORKERS_MAX 8

static unsigned long long state;
static int plain, still;

static unsigned rnd(unsigned n)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(state >> 33) % n;
}

static void name(char *out)
{
	static const char *const parts[] = { "a", "b", "c", "d", "e" };
	unsigned depth = 1 + rnd(3);

	*out = '\0';
	for (unsigned i = 0; i < depth; i++) {
		if (i)
			strcat(out, "/");
		strcat(out, parts[rnd(5)]);
	}
}

static void say(const char *op, const char *a, const char *b, long r)
{
	printf("%s %s %s: %ld %s\n", op, a, b, r < 0 ? -1 : r, r < 0 ? strerrorname_np(errno) : "");
}

static void op_write(const char *p)
{
	static const int flags[] = {
		O_CREAT, O_CREAT | O_EXCL, O_APPEND, O_TRUNC, O_CREAT | O_TRUNC, O_CREAT | O_APPEND, 0,
	};
	int f = flags[rnd(7)], fd = open(p, O_WRONLY | f, 0644);
	char text[32];
	int n = snprintf(text, sizeof(text), "%u\n", rnd(100000));

	say("open", p, "", fd < 0 ? fd : 0);
	if (fd < 0)
		return;
	say("write", p, "", write(fd, text, n));
	close(fd);
}

static void op_read(const char *p)
{
	char text[256];
	int fd = open(p, O_RDONLY | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n >= 0)
		text[n] = '\0';
	say("read", p, n >= 0 ? text : "", n);
	if (fd >= 0)
		close(fd);
}

static int is_dir(const char *p)
{
	struct stat st;

	return !lstat(p, &st) && S_ISDIR(st.st_mode);
}

static void op_rename(const char *a, const char *b)
{
	unsigned k = rnd(8), flags = k == 0 ? 2 : k == 1 ? 1 : 0;

	if (still && (is_dir(a) || is_dir(b)))
		return;
	say(flags == 2 ? "exchange" : flags ? "rename_new" : "rename", a, b,
	    syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, flags));
}

static void op_stat(const char *p)
{
	struct stat st;
	char text[64] = "";
	int r = lstat(p, &st);

	if (!r)
		snprintf(text, sizeof(text), "%o %ld", st.st_mode, S_ISDIR(st.st_mode) ? 0 : (long)st.st_size);
	say("stat", p, text, r);
}

static void op_xattr(const char *p)
{
	char v[16] = "";

	if (rnd(2))
		say("setxattr", p, "", lsetxattr(p, "user.k", "value", rnd(6), 0));
	else {
		long n = lgetxattr(p, "user.k", v, sizeof(v) - 1);

		say("getxattr", p, v, n);
	}
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void op_list(const char *p)
{
	struct dirent **e;
	int n = scandir(p, &e, NULL, by_name);

	say("list", p, "", n);
	for (int i = 0; i < n; i++) {
		printf("  %s %d\n", e[i]->d_name, e[i]->d_type);
		free(e[i]);
	}
	if (n >= 0)
		free(e);
}

static void op_time(const char *p)
{
	struct timespec t[2] = { { 1000000 + rnd(1000), 5 }, { 2000000 + rnd(1000), 7 } };

	say("utimens", p, "", utimensat(AT_FDCWD, p, t, AT_SYMLINK_NOFOLLOW));
}

static void act(void)
{
	char a[64], b[64];
	static const char *const targets[] = { "a", "b/c", "c/d", "nowhere/x", "e" };
	static const mode_t modes[] = { 0644, 0600, 0755, 0444, 04755, 0664 };

	name(a);
	name(b);
	switch (rnd(22)) {
	case 0 ... 3: op_write(a); break;
	case 4: op_read(a); break;
	case 5 ... 6: say("unlink", a, "", unlink(a)); break;
	case 7 ... 8: say("mkdir", a, "", mkdir(a, 0755)); break;
	case 9 ... 10: say("rmdir", a, "", rmdir(a)); break;
	case 11 ... 14: op_rename(a, b); break;
	case 15: say("link", a, b, link(a, b)); break;
	case 16: { unsigned t = rnd(5); say("symlink", targets[t], a, symlink(targets[t], a)); break; }
	case 17: { unsigned m = rnd(6); struct stat st;
		if (!lstat(a, &st) && !S_ISLNK(st.st_mode))
			say("chmod", a, "", chmod(a, S_ISDIR(st.st_mode) ? modes[m] | 0700 : modes[m]));
		break; }
	case 18: op_stat(a); break;
	case 19: op_xattr(a); break;
	case 20: op_list(a); break;
	case 21: op_time(a); break;
	}
}

/* ---- the tree at the end ---- */

static void show_file(const char *p, const struct stat *st)
{
	char text[4096] = "";
	ssize_t n = 0;

	if (S_ISLNK(st->st_mode))
		n = readlink(p, text, sizeof(text) - 1);
	else if (S_ISREG(st->st_mode)) {
		int fd = open(p, O_RDONLY);

		if (fd >= 0) {
			n = read(fd, text, sizeof(text) - 1);
			close(fd);
		}
	}
	text[n < 0 ? 0 : n] = '\0';
	printf(" %lu %ld %s", (unsigned long)st->st_nlink, (long)st->st_size, text);
}

static void show(const char *p)
{
	struct dirent **e;
	struct stat st;
	char v[16] = "", child[4096];
	int n = scandir(p, &e, NULL, by_name);

	for (int i = 0; i < n; i++) {
		snprintf(child, sizeof(child), "%s/%s", p, e[i]->d_name);
		if (!strcmp(e[i]->d_name, ".") || !strcmp(e[i]->d_name, ".."))
			continue;
		if (lstat(child, &st)) {
			printf("%s: lstat %s\n", child, strerrorname_np(errno));
			continue;
		}
		printf("%s %o", child, plain ? st.st_mode & S_IFMT : st.st_mode);
		if (!plain && st.st_ino != e[i]->d_ino)
			printf(" (listed under another number)");
		if (st.st_mtim.tv_nsec == 7)
			printf(" mtime %ld", (long)st.st_mtim.tv_sec);
		if (lgetxattr(child, "user.k", v, sizeof(v)) >= 0)
			printf(" user.k");
		if (!S_ISDIR(st.st_mode))
			show_file(child, &st);
		printf("\n");
		if (S_ISDIR(st.st_mode))
			show(child);
	}
	while (n-- > 0)
		free(e[n]);
}

/* ---- taking turns ---- */

/* A worker does one operation for each byte that comes, and hands the byte back when it is done. */
static void work(int in, int out, unsigned long long seed)
{
	char c;

	while (read(in, &c, 1) == 1) {
		state = seed + (unsigned char)c * 7919ull;
		seed = seed * 31 + 1;
		act();
		fflush(stdout);
		if (write(out, &c, 1) != 1)
			_exit(1);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	int to[WORKERS_MAX], from[WORKERS_MAX], workers = argc > 4 ? atoi(argv[4]) : 0, count;

	if (argc < 4 || chdir(argv[1]) || workers > WORKERS_MAX) {
		fprintf(stderr, "usage: union_ops DIR SEED COUNT [WORKERS]\n");
		return 2;
	}
	umask(022);
	plain = getenv("PLAIN") != NULL;
	still = getenv("STILL") != NULL;
	state = strtoull(argv[2], NULL, 0);
	count = atoi(argv[3]);
	for (int i = 0; i < workers; i++) {
		int a[2], b[2];

		if (pipe(a) || pipe(b))
			return 2;
		if (!fork()) {
			close(a[1]);
			close(b[0]);
			for (int j = 0; j < i; j++) {
				close(to[j]);
				close(from[j]);
			}
			work(a[0], b[1], state + i);
		}
		close(a[0]);
		close(b[1]);
		to[i] = a[1];
		from[i] = b[0];
	}
	for (int i = 0; i < count; i++) {
		char c = (char)i;

		if (!workers) {
			act();
			continue;
		}
		unsigned w = rnd(workers);

		if (write(to[w], &c, 1) != 1 || read(from[w], &c, 1) != 1)
			return 2;
	}
	for (int i = 0; i < workers; i++)
		close(to[i]);
	while (wait(NULL) > 0)
		;
	printf("---- tree\n");
	show(".");
	return 0;
}
