// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * rename(2) and renameat2(2): files, directories, exchange, and every refusal. base_dir renames directories that were
 * there before the program began, which in a sandbox lie in the layer below: the runner leaves base/ in the directory
 * that the programs start in.
 */
#include "lib/t.h"

#define NOREPLACE 1
#define EXCHANGE 2
#define WHITEOUT 4

static int renameat2_(const char *a, const char *b, unsigned flags)
{
	return syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, flags);
}

static ino_t inode(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? 0 : st.st_ino;
}

static void files(void)
{
	t_write_file("a", "A");
	t_write_file("b", "B");
	ino_t a = inode("a");
	eq(rename("a", "b"), 0);
	eqs(t_read_file("b"), "A");
	ok(inode("b") == a);
	fails(access("a", F_OK), ENOENT);
	eq(rename("b", "b"), 0);
	eqs(t_read_file("b"), "A");
	fails(rename("gone", "x"), ENOENT);
	fails(rename("b", "gone/x"), ENOENT);
	fails(rename("b", ""), ENOENT);
	fails(rename("", "b"), ENOENT);
	fails(rename("b", "b/x"), ENOTDIR);
	must(mkdir("d", 0755));
	fails(rename("b", "d"), EISDIR);
	fails(rename("d", "b"), ENOTDIR);
	fails(rename("b", "x/"), ENOTDIR);
	fails(rename("b/", "x"), ENOTDIR);
	eq(rename("b", "d/b"), 0);
	eqs(t_read_file("d/b"), "A");
	must(link("d/b", "same"));
	eq(rename("d/b", "same"), 0);
	eq(access("d/b", F_OK), 0);
	eq(access("same", F_OK), 0);
	/* An open file keeps its contents when another is renamed over it. */
	t_write_file("old", "old");
	int fd = must(open("old", O_RDONLY));
	t_write_file("new", "new");
	must(rename("new", "old"));
	char c[4] = "";
	must(read(fd, c, 3));
	eqs(c, "old");
	eqs(t_read_file("old"), "new");
}

static void dirs(void)
{
	must(mkdir("a", 0755));
	must(mkdir("a/sub", 0755));
	t_write_file("a/sub/f", "deep");
	must(mkdir("b", 0755));
	eq(rename("a", "b"), 0);
	eqs(t_read_file("b/sub/f"), "deep");
	must(mkdir("full", 0755));
	t_write_file("full/x", "");
	fails(rename("b", "full"), ENOTEMPTY);
	fails(rename("b", "b/sub/in"), EINVAL);
	fails(rename("b", "b/in"), EINVAL);
	fails(rename("b/sub", "b"), ENOTEMPTY);
	fails(rename(".", "x"), EBUSY);
	fails(rename("b/.", "x"), EBUSY);
	fails(rename("b/..", "x"), EBUSY);
	fails(rename("b", "full/.."), EBUSY);
	eq(rename("b/", "c/"), 0);
	eq(rename("c/sub", "full/sub"), 0);
	eqs(t_read_file("full/sub/f"), "deep");
	int d = must(open("full/sub", O_RDONLY | O_DIRECTORY));
	must(rename("full", "moved"));
	int f = must(openat(d, "f", O_RDONLY));
	char b[8] = "";
	eq(read(f, b, 7), 4);
	struct stat up, moved;
	must(fstatat(d, "..", &up, 0));
	must(stat("moved", &moved));
	ok(up.st_ino == moved.st_ino);
}

static void cwd_follows(void)
{
	char b[4096];

	must(mkdir("one", 0755));
	must(mkdir("one/two", 0755));
	must(chdir("one/two"));
	must(rename("../../one", "../../uno"));
	must((long)getcwd(b, sizeof(b)) ? 0 : -1);
	eqs(strrchr(b, '/'), "/two");
	ok(strstr(b, "/uno/two") != NULL);
	t_write_file("f", "x");
	must(chdir("../.."));
	eqs(t_read_file("uno/two/f"), "x");
	must(chdir("uno/two"));
	must(unlink("f"));
	must(rmdir("../two"));
	fails(getcwd(b, sizeof(b)) ? 0 : -1, ENOENT);
	fails(open("f", O_CREAT | O_WRONLY, 0644), ENOENT);
	fails(mkdir("x", 0755), ENOENT);
	eq(access(".", F_OK), 0);
	eq(chdir(".."), 0);
	eq(access("two", F_OK), -1);
	fails(syscall(SYS_getcwd, b, 3), ERANGE);
}

static void flags(void)
{
	t_write_file("a", "A");
	t_write_file("b", "B");
	fails(renameat2_("a", "b", NOREPLACE), EEXIST);
	eq(renameat2_("a", "c", NOREPLACE), 0);
	eqs(t_read_file("c"), "A");
	eq(renameat2_("b", "c", EXCHANGE), 0);
	eqs(t_read_file("c"), "B");
	eqs(t_read_file("b"), "A");
	fails(renameat2_("b", "gone", EXCHANGE), ENOENT);
	fails(renameat2_("b", "c", EXCHANGE | NOREPLACE), EINVAL);
	fails(renameat2_("b", "c", 0x80), EINVAL);
	must(mkdir("d", 0755));
	t_write_file("d/in", "in");
	eq(renameat2_("d", "b", EXCHANGE), 0);
	eqs(t_read_file("b/in"), "in");
	eqs(t_read_file("d"), "A");
	fails(renameat2_("b", "b/in", EXCHANGE), EINVAL);
	must(symlink("c", "l"));
	eq(renameat2_("l", "c", EXCHANGE), 0);
	struct stat st;
	must(lstat("c", &st));
	ok(S_ISLNK(st.st_mode));
	fails(renameat2_("c", "l", NOREPLACE), EEXIST);
}

static void symlinks(void)
{
	struct stat st;

	must(mkdir("d", 0755));
	t_write_file("d/f", "x");
	must(symlink("d", "l"));
	eq(rename("l", "m"), 0);
	must(lstat("m", &st));
	ok(S_ISLNK(st.st_mode));
	eq(rename("m/f", "m/g"), 0);
	eqs(t_read_file("d/g"), "x");
	t_write_file("f", "f");
	eq(rename("f", "m"), 0);
	must(lstat("m", &st));
	ok(S_ISREG(st.st_mode));
	must(symlink("d", "s"));
	fails(rename("s/", "t"), ENOTDIR);
	fails(rename("d", "s"), ENOTDIR);
	must(symlink("gone", "dangle"));
	eq(rename("m", "dangle"), 0);
	eqs(t_read_file("dangle"), "f");
	fails(access("gone", F_OK), ENOENT);
}

static void in_use_by_many(void)
{
	/* A stream of renames over one name: a reader sees always a whole file, never none. */
	t_write_file("f", "0000");
	pid_t pid = must(fork());
	if (pid == 0) {
		for (int i = 1; i <= 300; i++) {
			char text[8];
			snprintf(text, sizeof(text), "%04d", i);
			t_write_file("tmp", text);
			if (rename("tmp", "f"))
				_exit(1);
		}
		_exit(0);
	}
	bool whole = true, forward = true;
	int last = 0;
	while (last < 300) {
		const char *s = t_read_file("f");
		if (strlen(s) != 4) {
			whole = false;
			break;
		}
		int v = atoi(s);
		forward = forward && v >= last;
		last = v;
	}
	ok(whole);
	ok(forward);
	eqs(t_wait(pid), "exit 0");
}

/* base/ lies beside the tests' own directories: see the runner. */
static void base_dir(void)
{
	struct stat st;

	if (stat("../base", &st)) {
		must(mkdir("../base", 0755));
		must(mkdir("../base/dir", 0755));
		must(mkdir("../base/dir/sub", 0755));
		t_write_file("../base/dir/f", "from the base\n");
		t_write_file("../base/dir/sub/g", "deeper\n");
		t_write_file("../base/keep", "keep\n");
	}
	eqs(t_read_file("../base/dir/f"), "from the base\n");
	ino_t ino = inode("../base/dir/f");
	eq(rename("../base/dir", "../base/moved"), 0);
	eqs(t_read_file("../base/moved/f"), "from the base\n");
	eqs(t_read_file("../base/moved/sub/g"), "deeper\n");
	ok(inode("../base/moved/f") == ino);
	fails(access("../base/dir", F_OK), ENOENT);
	must(mkdir("../base/dir", 0755));
	fails(access("../base/dir/f", F_OK), ENOENT);
	t_write_file("../base/moved/new", "n");
	must(unlink("../base/moved/f"));
	eq(rename("../base/moved", "away"), 0);
	eqs(t_read_file("away/sub/g"), "deeper\n");
	eqs(t_read_file("away/new"), "n");
	fails(access("away/f", F_OK), ENOENT);
	eq(rename("../base/keep", "kept"), 0);
	eqs(t_read_file("kept"), "keep\n");
	fails(access("../base/keep", F_OK), ENOENT);
	eq(rename("away/sub", "../base/sub"), 0);
	eq(rmdir("../base/dir"), 0);
	eq(unlink("../base/sub/g"), 0);
	eq(rmdir("../base/sub"), 0);
	eq(rmdir("../base"), 0);
	fails(access("../base", F_OK), ENOENT);
}

T_MAIN(T(files), T(dirs), T(cwd_follows), T(flags), T(symlinks), T(in_use_by_many), T(base_dir))
