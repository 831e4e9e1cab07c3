// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Permissions and credentials: modes, access, the set-id family, what an ordinary user is refused. Refusals are tested
 * only as an ordinary user, as root is refused nothing.
 */
#include "lib/t.h"

#include <dirent.h>
#include <grp.h>
#include <spawn.h>
#include <sys/fsuid.h>

extern char **environ;

static mode_t mode(const char *path)
{
	struct stat st;

	must(lstat(path, &st));
	return st.st_mode & 07777;
}

static void masks(void)
{
	eq(umask(027), 022);
	eq(umask(0), 027);
	must(mkdir("a", 0777));
	eq(mode("a"), 0777);
	umask(077);
	must(mkdir("b", 0777));
	eq(mode("b"), 0700);
	must(mkfifo("p", 0666));
	eq(mode("p"), 0600);
	eq(umask(07777), 077);
	eq(umask(022), 0777);
	pid_t pid = must(fork());
	if (pid == 0)
		_exit(umask(0) != 022);
	eqs(t_wait(pid), "exit 0");
	eq(umask(022), 022);
}

static void chmods(void)
{
	t_write_file("f", "x");
	must(symlink("f", "l"));
	eq(chmod("f", 0), 0);
	eq(mode("f"), 0);
	eq(chmod("f", 04755), 0);
	eq(mode("f"), 04755);
	eq(chmod("f", 0111111), 0);
	eq(mode("f"), 01111);
	eq(chmod("l", 0640), 0);
	eq(mode("f"), 0640);
	int fd = must(open("f", O_RDONLY));
	eq(fchmod(fd, 0604), 0);
	eq(mode("f"), 0604);
	eq(fchmodat(AT_FDCWD, "f", 0600, 0), 0);
	eq(mode("f"), 0600);
	fails(chmod("gone", 0600), ENOENT);
	fails(chmod("f/x", 0600), ENOTDIR);
	fails(fchmod(77, 0600), EBADF);
	fails(chmod("", 0600), ENOENT);
	must(mkdir("d", 0755));
	eq(chmod("d", 01777), 0);
	eq(mode("d"), 01777);
	eq(chmod("d", 0755), 0);
	/* A write by its owner takes the set-id bits away. */
	must(chmod("f", 06777));
	int w = must(open("f", O_WRONLY));
	must(write(w, "y", 1));
	if (!t_root())
		eq(mode("f"), 0777);
}

static void asking(void)
{
	t_write_file("f", "x");
	must(chmod("f", 0640));
	eq(access("f", F_OK), 0);
	eq(access("f", R_OK | W_OK), 0);
	fails(access("f", X_OK), EACCES);
	must(chmod("f", 0500));
	eq(access("f", R_OK | X_OK), 0);
	fails(access("f", 8), EINVAL);
	fails(access("gone", F_OK), ENOENT);
	fails(access("f/x", F_OK), ENOTDIR);
	eq(faccessat(AT_FDCWD, "f", R_OK, AT_EACCESS), 0);
	eq(euidaccess("f", R_OK), 0);
	if (t_root())
		return;
	fails(access("f", W_OK), EACCES);
	must(chmod("f", 0));
	fails(access("f", R_OK), EACCES);
	eq(access("f", F_OK), 0);
	fails(access("/etc/passwd", W_OK), EACCES);
	eq(access("/etc/passwd", R_OK), 0);
	fails(access("/etc/shadow", R_OK), EACCES);
	fails(access("/usr/bin", W_OK), EACCES);
}

static void refused(void)
{
	if (t_root())
		return;
	t_write_file("f", "x");
	must(chmod("f", 0));
	fails(open("f", O_RDONLY), EACCES);
	fails(open("f", O_WRONLY), EACCES);
	eq(open("f", O_PATH) >= 0, 1);
	must(chmod("f", 0400));
	eq(open("f", O_RDONLY) >= 0, 1);
	fails(open("f", O_RDWR), EACCES);
	fails(truncate("f", 0), EACCES);
	fails(open("/etc/shadow", O_RDONLY), EACCES);
	fails(open("/etc/passwd", O_WRONLY), EACCES);
	fails(open("/etc/newfile", O_CREAT | O_WRONLY, 0644), EACCES);
	fails(mkdir("/usr/newdir", 0755), EACCES);
	fails(unlink("/etc/passwd"), EACCES);
	fails(rename("/etc/passwd", "/etc/passwd2"), EACCES);
	fails(chmod("/etc/passwd", 0666), EPERM);
	fails(utimensat(AT_FDCWD, "/etc/passwd", (struct timespec[2]){ { 1, 1 }, { 1, 1 } }, 0), EPERM);
	fails(utimensat(AT_FDCWD, "/etc/passwd", NULL, 0), EACCES);
	fails(symlink("x", "/etc/link"), EACCES);
	fails(opendir("/root") ? 0 : -1, EACCES);
	must(mkdir("d", 0755));
	t_write_file("d/f", "x");
	must(chmod("d", 0600));
	fails(open("d/f", O_RDONLY), EACCES);
	fails(access("d/f", F_OK), EACCES);
	fails(chdir("d"), EACCES);
	must(chmod("d", 0500));
	eqs(t_read_file("d/f"), "x");
	fails(unlink("d/f"), EACCES);
	fails(open("d/g", O_CREAT | O_WRONLY, 0644), EACCES);
	fails(rename("d/f", "out"), EACCES);
	must(chmod("d", 0300));
	eqs(t_read_file("d/f"), "x");
	fails(open("d", O_RDONLY), EACCES);
	must(chmod("d", 0755));
	eq(unlink("d/f"), 0);
	int fd = must(open("ex", O_CREAT | O_EXCL | O_RDWR, 0));
	eq(write(fd, "x", 1), 1);
	fails(open("ex", O_RDWR), EACCES);
}

static void owners(void)
{
	t_write_file("f", "x");
	must(symlink("f", "l"));
	eq(chown("f", -1, -1), 0);
	eq(chown("f", geteuid(), getegid()), 0);
	eq(lchown("l", -1, getegid()), 0);
	int fd = must(open("f", O_RDONLY));
	eq(fchown(fd, -1, -1), 0);
	fails(chown("gone", -1, -1), ENOENT);
	fails(fchown(77, -1, -1), EBADF);
	fails(fchownat(AT_FDCWD, "f", -1, -1, 0x40), EINVAL);
	if (t_root())
		return;
	fails(chown("f", 0, -1), EPERM);
	fails(chown("f", -1, 0), EPERM);
	fails(fchown(fd, 0, 0), EPERM);
	fails(lchown("l", 0, 0), EPERM);
	fails(chown("/etc/passwd", geteuid(), -1), EPERM);
	fails(fchownat(AT_FDCWD, "f", 0, -1, 0), EPERM);
	/* chown to oneself takes the set-id bits of an executable away. */
	must(chmod("f", 06755));
	must(chown("f", geteuid(), getegid()));
	eq(mode("f"), 0755);
}

static void ids(void)
{
	uid_t r, e, s, u = getuid();
	gid_t g = getgid(), rg, eg, sg;

	eq(getresuid(&r, &e, &s), 0);
	ok(r == u && e == u && s == u && geteuid() == u);
	eq(getresgid(&rg, &eg, &sg), 0);
	ok(rg == g && eg == g && sg == g && getegid() == g);
	eq(setuid(u), 0);
	eq(seteuid(u), 0);
	eq(setgid(g), 0);
	eq(setegid(g), 0);
	eq(setreuid(-1, u), 0);
	eq(setregid(-1, g), 0);
	eq(setresuid(u, u, u), 0);
	eq(setresgid(g, g, g), 0);
	eq(setresuid(-1, -1, -1), 0);
	ok((uid_t)setfsuid(-1) == u);
	ok((gid_t)setfsgid(-1) == g);
	int n = getgroups(0, NULL);
	ok(n >= 0);
	gid_t groups[256];
	ok(getgroups(256, groups) == n);
	if (n > 1)
		fails(getgroups(1, groups), EINVAL);
	fails(syscall(SYS_getresuid, 8, 8, 8), EFAULT);
	if (t_root())
		return;
	fails(setuid(0), EPERM);
	fails(seteuid(0), EPERM);
	fails(setgid(0), EPERM);
	fails(setegid(0), EPERM);
	fails(setreuid(0, 0), EPERM);
	fails(setregid(0, -1), EPERM);
	fails(setresuid(-1, 0, -1), EPERM);
	fails(setresgid(-1, -1, 0), EPERM);
	fails(setgroups(0, NULL), EPERM);
	fails(chroot("."), EPERM);
	fails(setuid(-1), EINVAL);
	ok(setfsuid(0) == (int)u && (uid_t)setfsuid(-1) == u);
}

/* GNU make starts its children with this attribute. */
static void spawn_resets(void)
{
	posix_spawnattr_t a;
	pid_t pid;
	char *argv[] = { "sh", "-c", "exit 7", NULL };

	zero(posix_spawnattr_init(&a));
	zero(posix_spawnattr_setflags(&a, POSIX_SPAWN_RESETIDS | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
	eq(posix_spawn(&pid, "/bin/sh", NULL, &a, argv, environ), 0);
	eqs(t_wait(pid), "exit 7");
}

static void sticky(void)
{
	must(mkdir("d", 0755));
	must(chmod("d", 01777));
	t_write_file("d/f", "x");
	eq(rename("d/f", "d/g"), 0);
	eq(unlink("d/g"), 0);
	if (t_root())
		return;
	must(chmod("d", 02755));
	must(mkdir("d/sub", 0755));
	eq(mode("d/sub"), 02755);
	t_write_file("d/f", "");
	struct stat a, b;
	must(stat("d", &a));
	must(stat("d/f", &b));
	ok(a.st_gid == b.st_gid);
}

T_MAIN(T(masks), T(chmods), T(asking), T(refused), T(owners), T(ids), T(spawn_resets), T(sticky))
