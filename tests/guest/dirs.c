// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Directories: what readdir gives, merged trees included, and how paths are walked.
 */
#include "lib/t.h"

#include <dirent.h>

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static const char *type_name(int t)
{
	switch (t) {
	case DT_DIR:
		return "dir";
	case DT_REG:
		return "file";
	case DT_LNK:
		return "link";
	case DT_FIFO:
		return "fifo";
	default:
		return "other";
	}
}

/* The entries, sorted, with their types, and whether d_ino agrees with lstat. */
static void list(const char *path)
{
	char *names[2000];
	int n = 0;
	DIR *d = opendir(path);
	struct dirent *e;
	bool agree = true;

	if (!d) {
		say("opendir %s: %s", path, t_errname(errno));
		return;
	}
	while (n < 2000 && (e = readdir(d))) {
		char text[600];
		struct stat st;
		snprintf(text, sizeof(text), "%s %s", e->d_name, type_name(e->d_type));
		names[n++] = strdup(text);
		if (strcmp(e->d_name, "..") && (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
						st.st_ino != e->d_ino))
			agree = false;
	}
	closedir(d);
	qsort(names, n, sizeof(names[0]), by_name);
	say("%s: %d entries", path, n);
	for (int i = 0; i < n; i++)
		say("  %s", names[i]);
	ok(agree);
}

static void simple(void)
{
	list(".");
	must(mkdir("d", 0755));
	t_write_file("f", "");
	must(symlink("f", "l"));
	must(mkfifo("p", 0600));
	list(".");
	must(unlink("f"));
	must(rename("l", "d/l"));
	list(".");
	list("d");
	list("gone");
	list("p");
}

static void many(void)
{
	char name[64];
	int n = 0;
	bool seen[1000] = { 0 };
	struct dirent *e;

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "file-with-a-rather-long-name-%04d", i);
		close(must(open(name, O_CREAT | O_WRONLY, 0644)));
	}
	DIR *d = opendir(".");
	while ((e = readdir(d))) {
		int i;
		if (sscanf(e->d_name, "file-with-a-rather-long-name-%d", &i) == 1 && i >= 0 && i < 1000) {
			n += !seen[i];
			seen[i] = true;
		}
	}
	eq(n, 1000);
	/* Back to a place remembered by telldir. */
	rewinddir(d);
	for (int i = 0; i < 500; i++)
		readdir(d);
	long where = telldir(d);
	e = readdir(d);
	char after[256];
	snprintf(after, sizeof(after), "%s", e->d_name);
	for (int i = 0; i < 100; i++)
		readdir(d);
	seekdir(d, where);
	e = readdir(d);
	eqs(e->d_name, after);
	/* Removing while reading: everything goes, nothing is skipped. */
	rewinddir(d);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			must(unlink(e->d_name));
	rewinddir(d);
	n = 0;
	while (readdir(d))
		n++;
	eq(n, 2);
	closedir(d);
}

static void raw_getdents(void)
{
	char buf[4096];

	t_write_file("f", "");
	int d = must(open(".", O_RDONLY | O_DIRECTORY));
	fails(syscall(SYS_getdents64, d, buf, 10), EINVAL);
	fails(syscall(SYS_getdents64, d, (void *)8, 4096), EFAULT);
	ok(syscall(SYS_getdents64, d, buf, sizeof(buf)) > 0);
	eq(syscall(SYS_getdents64, d, buf, sizeof(buf)), 0);
	eq(lseek(d, 0, SEEK_SET), 0);
	ok(syscall(SYS_getdents64, d, buf, sizeof(buf)) > 0);
	int f = must(open("f", O_RDONLY));
	fails(syscall(SYS_getdents64, f, buf, sizeof(buf)), ENOTDIR);
	must(mkdir("gone", 0755));
	int g = must(open("gone", O_RDONLY | O_DIRECTORY));
	must(rmdir("gone"));
	fails(syscall(SYS_getdents64, g, buf, sizeof(buf)), ENOENT);
	/* A shared offset: the child goes on where the parent stopped. */
	must(lseek(d, 0, SEEK_SET));
	pid_t pid = must(fork());
	if (pid == 0)
		_exit(syscall(SYS_getdents64, d, buf, sizeof(buf)) <= 0);
	eqs(t_wait(pid), "exit 0");
	eq(syscall(SYS_getdents64, d, buf, sizeof(buf)), 0);
}

static void walking(void)
{
	char b[4096], here[4096];
	struct stat a, c;

	must(getcwd(here, sizeof(here)) ? 0 : -1);
	must(mkdir("a", 0755));
	must(mkdir("a/b", 0755));
	must(symlink("/", "root"));
	must(symlink("a/b", "ab"));
	eq(stat("a//b///.", &a), 0);
	eq(stat("a/./b/../b/../../a/b", &c), 0);
	ok(a.st_ino == c.st_ino);
	eq(stat("ab/..", &a), 0);
	eq(stat("a", &c), 0);
	ok(a.st_ino == c.st_ino);
	eq(stat("/..", &a), 0);
	eq(stat("/", &c), 0);
	ok(a.st_ino == c.st_ino);
	eq(stat("/../../../..", &a), 0);
	eq(stat("root/", &a), 0);
	ok(a.st_ino == c.st_ino);
	fails(stat("a/gone/..", &a), ENOENT);
	t_write_file("f", "");
	fails(stat("f/..", &a), ENOTDIR);
	fails(stat("f/.", &a), ENOTDIR);
	must(chdir("ab"));
	must(getcwd(b, sizeof(b)) ? 0 : -1);
	eqs(b + strlen(here), "/a/b");
	fails(chdir("gone"), ENOENT);
	fails(chdir("../../f"), ENOTDIR);
	must(chdir(here));
	int d = must(open("a", O_RDONLY));
	eq(fchdir(d), 0);
	must(getcwd(b, sizeof(b)) ? 0 : -1);
	eqs(b + strlen(here), "/a");
	must(chdir(here));
	int f = must(open("f", O_RDONLY));
	fails(fchdir(f), ENOTDIR);
	fails(fchdir(77), EBADF);
	pid_t pid = must(fork());
	if (pid == 0)
		_exit(chdir("a"));
	eqs(t_wait(pid), "exit 0");
	must(getcwd(b, sizeof(b)) ? 0 : -1);
	eqs(b + strlen(here), "");
}

static void deep(void)
{
	int depth = 0;

	/* 30 levels of 200 bytes: the whole path is longer than PATH_MAX, which is allowed step by step. */
	char name[201];
	memset(name, 'd', 200);
	name[200] = 0;
	for (int i = 0; i < 30; i++) {
		must(mkdir(name, 0755));
		must(chdir(name));
		depth++;
	}
	char b[16384];
	fails(syscall(SYS_getcwd, b, sizeof(b)), ENAMETOOLONG);
	t_write_file("f", "bottom");
	eqs(t_read_file("f"), "bottom");
	must(unlink("f"));
	for (int i = 0; i < 30; i++) {
		must(chdir(".."));
		must(rmdir(name));
	}
	eq(depth, 30);
	must(getcwd(b, sizeof(b)) ? 0 : -1);
	eqs(strrchr(b, '/'), "/deep");
}

/* A directory of the base: entries added above and removed below must merge. */
static void merged(void)
{
	struct stat st;

	if (stat("../base", &st)) {
		must(mkdir("../base", 0755));
		t_write_file("../base/keep", "keep\n");
		must(mkdir("../base/dir", 0755));
		t_write_file("../base/dir/f", "from the base\n");
		must(mkdir("../base/dir/sub", 0755));
		t_write_file("../base/dir/sub/g", "deeper\n");
	}
	list("../base");
	t_write_file("../base/added", "");
	must(unlink("../base/keep"));
	list("../base");
	t_write_file("../base/keep", "again");
	list("../base");
	eqs(t_read_file("../base/keep"), "again");
	fails(rmdir("../base/dir"), ENOTEMPTY);
	must(unlink("../base/dir/f"));
	must(unlink("../base/dir/sub/g"));
	must(rmdir("../base/dir/sub"));
	list("../base/dir");
	eq(rmdir("../base/dir"), 0);
	list("../base");
	eq(mkdir("../base/dir", 0700), 0);
	list("../base/dir");
	must(stat("../base/dir", &st));
	eq(st.st_mode & 07777, 0700);
	DIR *d = opendir("../base");
	struct dirent *e;
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && e->d_name[0] != 'd')
			must(unlinkat(dirfd(d), e->d_name, 0));
	closedir(d);
	list("../base");
	must(rmdir("../base/dir"));
	eq(rmdir("../base"), 0);
	fails(access("../base", F_OK), ENOENT);
}

/* A directory that is removed under whoever stands in it can still be opened: it is empty. */
static void removed(void)
{
	char buf[1024];
	struct stat st;

	must(mkdir("here", 0750));
	int before = must(open("here", O_RDONLY | O_DIRECTORY));
	must(chdir("here"));
	must(rmdir("../here"));
	int after = must(open(".", O_RDONLY | O_DIRECTORY));
	fails(syscall(SYS_getdents64, before, buf, sizeof(buf)), ENOENT);
	fails(syscall(SYS_getdents64, after, buf, sizeof(buf)), ENOENT);
	DIR *d = opendir(".");
	ok(d && !readdir(d));
	closedir(d);
	must(fstat(after, &st));
	say("%o %d", st.st_mode, (int)st.st_nlink);
	eq(lseek(after, 0, SEEK_SET), 0);
	eq(fsync(after), 0);
	fails(read(after, buf, 1), EISDIR);
	fails(openat(after, "x", O_RDWR | O_CREAT, 0600), ENOENT);
	fails(openat(before, "x", O_RDONLY), ENOENT);
	eq(fchdir(before), 0);
	eq(fchdir(after), 0);
	int up = must(openat(after, "..", O_RDONLY | O_DIRECTORY));
	ok(openat(after, ".", O_RDONLY) >= 0);
	must(fchdir(up));
}

/* What another process made, and this one never looked at. */
static void made(const char *name, mode_t type)
{
	pid_t pid = must(fork());

	if (!pid) {
		int r = S_ISDIR(type)	? mkdir(name, 0755)
			: S_ISLNK(type) ? symlink("x", name)
					: mknod(name, type | 0644, 0);

		_exit(r != 0);
	}
	eqs(t_wait(pid), "exit 0");
}

static void unseen(void)
{
	must(mkdir("d", 0755));
	made("d/f", S_IFREG);
	eq(unlink("d/f"), 0);
	fails(unlink("d/f"), ENOENT);
	made("d/f", S_IFREG);
	eq(access("d/f", F_OK), 0);
	eq(unlink("d/f"), 0);
	made("d/l", S_IFLNK);
	fails(unlink("d/l/"), ENOTDIR);
	eq(unlink("d/l"), 0);
	made("d/p", S_IFIFO);
	eq(unlink("d/p"), 0);
	made("d/sub", S_IFDIR);
	fails(unlink("d/sub"), EISDIR);
	eq(rmdir("d/sub"), 0);
	fails(unlink("d/nothing"), ENOENT);
	list("d");
	/* Beside what lies in the base, and over what did. */
	made("../base/dir/new", S_IFREG);
	eq(unlink("../base/dir/new"), 0);
	fails(access("../base/dir/new", F_OK), ENOENT);
	made("../base/dir/sub/new", S_IFREG);
	eq(unlink("../base/dir/sub/g"), 0);
	made("../base/dir/sub/g", S_IFREG);
	eq(unlink("../base/dir/sub/g"), 0);
	fails(access("../base/dir/sub/g", F_OK), ENOENT);
	eq(unlink("../base/dir/sub/new"), 0);
	list("../base/dir/sub");
	t_write_file("../base/dir/sub/g", "deeper\n"); /* for the next test */
	/* Whoever had it open keeps it; the others see it gone. */
	made("d/open", S_IFREG);
	int there[2], back[2];
	char c = 0;
	must(pipe(there));
	must(pipe(back));
	pid_t pid = must(fork());
	if (!pid) {
		int fd = open("d/open", O_RDWR);
		struct stat st;

		if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
			_exit(2);
		_exit(fd < 0 || fstat(fd, &st) || st.st_nlink || write(fd, "x", 1) != 1 || !access("d/open", F_OK));
	}
	eq(read(there[0], &c, 1), 1);
	eq(unlink("d/open"), 0);
	eq(write(back[1], &c, 1), 1);
	eqs(t_wait(pid), "exit 0");
}

T_MAIN(T(simple), T(many), T(raw_getdents), T(walking), T(deep), T(unseen), T(merged),
       T(removed))
