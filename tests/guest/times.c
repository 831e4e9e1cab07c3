// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * File times: who moves which, and how they are set. make rests on these. Access times are compared only where they
 * were set, since a mount may be noatime.
 */
#include "lib/t.h"

#include <sys/time.h>
#include <utime.h>

static struct stat of(const char *path)
{
	struct stat st;

	must(lstat(path, &st));
	return st;
}

static int cmp(struct timespec a, struct timespec b)
{
	if (a.tv_sec != b.tv_sec)
		return a.tv_sec < b.tv_sec ? -1 : 1;
	return (a.tv_nsec > b.tv_nsec) - (a.tv_nsec < b.tv_nsec);
}

/* File time stamps have the grain of the kernel's tick. */
static void tick(void)
{
	t_sleep_ms(20);
}

static void now(void)
{
	struct timespec before, after;

	clock_gettime(CLOCK_REALTIME, &before);
	t_sleep_ms(20);
	t_write_file("f", "x");
	t_sleep_ms(20);
	clock_gettime(CLOCK_REALTIME, &after);
	struct stat st = of("f");
	ok(cmp(before, st.st_mtim) < 0 && cmp(st.st_mtim, after) < 0);
	ok(cmp(before, st.st_ctim) < 0 && cmp(st.st_ctim, after) < 0);
	ok(cmp(before, st.st_atim) < 0 && cmp(st.st_atim, after) < 0);
}

#define MOVED(what, field) (cmp(before.field, after.field) < 0 ? #field " moved" : #field " same")

static void watch(const char *label, const char *path, void (*act)(void))
{
	tick();
	struct stat before = of(path);
	tick();
	act();
	struct stat after = of(path);
	say("%s: %s, %s", label, MOVED(0, st_mtim), MOVED(0, st_ctim));
}

static int wfd;
static void do_write(void) { must(write(wfd, "more", 4)); }
static void do_write0(void) { must(write(wfd, "", 0)); }
static void do_trunc_same(void) { must(ftruncate(wfd, of("f").st_size)); }
static void do_trunc(void) { must(ftruncate(wfd, 1)); }
static void do_open_trunc(void) { close(must(open("f", O_WRONLY | O_TRUNC))); }
static void do_open(void) { close(must(open("f", O_WRONLY))); }
static void do_chmod(void) { must(chmod("f", 0600)); }
static void do_link(void) { must(link("f", "f2")); }
static void do_unlink_link(void) { must(unlink("f2")); }
static void do_rename(void) { must(rename("f", "f")); must(rename("f", "g")); must(rename("g", "f")); }
static void do_mmap(void)
{
	char *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, wfd, 0);

	m[0] = 'Q';
	must(msync(m, 4096, MS_SYNC));
	munmap(m, 4096);
}
static void in_dir_create(void) { close(must(open("d/x", O_CREAT | O_WRONLY, 0644))); }
static void in_dir_write(void) { t_write_file("d/x", "y"); }
static void in_dir_rename(void) { must(rename("d/x", "d/y")); }
static void in_dir_unlink(void) { must(unlink("d/y")); }
static void in_dir_mkdir(void) { must(mkdir("d/s", 0755)); }
static void in_dir_deeper(void) { t_write_file("d/s/deep", "x"); }
static void do_setx(void) { must(utimensat(AT_FDCWD, "f", (struct timespec[2]){ { 5, 0 }, { 0, UTIME_OMIT } }, 0)); }

static void moves(void)
{
	t_write_file("f", "x");
	wfd = must(open("f", O_RDWR));
	watch("write", "f", do_write);
	watch("empty write", "f", do_write0);
	watch("ftruncate to the same size", "f", do_trunc_same);
	watch("ftruncate", "f", do_trunc);
	watch("open for writing", "f", do_open);
	watch("open O_TRUNC", "f", do_open_trunc);
	watch("chmod", "f", do_chmod);
	watch("link", "f", do_link);
	watch("unlink of the other name", "f", do_unlink_link);
	watch("utimensat of atime", "f", do_setx);
	must(ftruncate(wfd, 100));
	watch("shared mapping", "f", do_mmap);
	tick();
	struct stat before = of("f");
	tick();
	do_rename();
	ok(cmp(before.st_mtim, of("f").st_mtim) == 0);
	must(mkdir("d", 0755));
	watch("directory: create", "d", in_dir_create);
	watch("directory: write to a file", "d", in_dir_write);
	watch("directory: rename", "d", in_dir_rename);
	watch("directory: unlink", "d", in_dir_unlink);
	watch("directory: mkdir", "d", in_dir_mkdir);
	watch("directory: create deeper", "d", in_dir_deeper);
}

static void print_times(const char *label, const char *path)
{
	struct stat st = of(path);

	say("%s: atime %lld.%09ld mtime %lld.%09ld", label, (long long)st.st_atim.tv_sec, st.st_atim.tv_nsec,
	    (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static void set(void)
{
	struct timespec t[2] = { { 1000000000, 123456789 }, { 1234567890, 987654321 } };

	t_write_file("f", "x");
	must(symlink("f", "l"));
	eq(utimensat(AT_FDCWD, "f", t, 0), 0);
	print_times("utimensat", "f");
	t[0].tv_sec = 7;
	t[1].tv_nsec = UTIME_OMIT;
	eq(utimensat(AT_FDCWD, "f", t, 0), 0);
	print_times("mtime omitted", "f");
	t[0].tv_nsec = UTIME_OMIT;
	eq(utimensat(AT_FDCWD, "f", t, 0), 0);
	print_times("both omitted", "f");
	t[0] = (struct timespec){ 11, 12 };
	t[1] = (struct timespec){ 13, 14 };
	eq(utimensat(AT_FDCWD, "l", t, AT_SYMLINK_NOFOLLOW), 0);
	print_times("the link itself", "l");
	print_times("its target", "f");
	t[0].tv_sec = 21;
	eq(utimensat(AT_FDCWD, "l", t, 0), 0);
	print_times("through the link", "f");
	int fd = must(open("f", O_RDONLY));
	t[1] = (struct timespec){ -100, 5 };
	eq(futimens(fd, t), 0);
	print_times("before 1970", "f");
	t[1] = (struct timespec){ 4000000000LL, 0 };
	eq(futimens(fd, t), 0);
	print_times("after 2038", "f");
	eq(utimes("f", (struct timeval[2]){ { 1, 2 }, { 3, 4 } }), 0);
	print_times("utimes", "f");
	eq(utime("f", &(struct utimbuf){ 100, 200 }), 0);
	print_times("utime", "f");
	fails(utimes("f", (struct timeval[2]){ { 1, 1000000 }, { 3, 4 } }), EINVAL);
	t[1].tv_nsec = 1000000000;
	fails(utimensat(AT_FDCWD, "f", t, 0), EINVAL);
	t[1].tv_nsec = 0;
	fails(utimensat(AT_FDCWD, "gone", t, 0), ENOENT);
	fails(utimensat(AT_FDCWD, "f", t, 0x4000), EINVAL);
	fails(futimens(77, t), EBADF);
	must(mkdir("d", 0755));
	eq(utimensat(AT_FDCWD, "d", t, 0), 0);
	print_times("directory", "d");
	t_write_file("d/x", "");
	ok(of("d").st_mtim.tv_sec > 1600000000);
	tick();
	struct stat before = of("f");
	eq(utimensat(AT_FDCWD, "f", NULL, 0), 0);
	ok(cmp(before.st_mtim, of("f").st_mtim) < 0);
	t[0] = (struct timespec){ 5, UTIME_NOW };
	t[1] = (struct timespec){ 99, 0 };
	eq(utimensat(AT_FDCWD, "f", t, 0), 0);
	ok(of("f").st_atim.tv_sec > 1600000000);
	eq(of("f").st_mtim.tv_sec, 99);
}

static void survives(void)
{
	struct timespec t[2] = { { 50, 1 }, { 60, 2 } };

	t_write_file("f", "x");
	must(utimensat(AT_FDCWD, "f", t, 0));
	must(chmod("f", 0640));
	print_times("after chmod", "f");
	must(link("f", "g"));
	print_times("other name", "g");
	must(rename("f", "h"));
	print_times("renamed", "h");
	int fd = must(open("h", O_RDWR));
	close(fd);
	print_times("opened and closed", "h");
	pid_t pid = fork();
	if (pid == 0) {
		print_times("in a child", "h");
		_exit(0);
	}
	t_wait(pid);
}

/* What make asks: is the product older than its source? */
static void make_like(void)
{
	t_write_file("src.c", "1");
	tick();
	t_write_file("out.o", "1");
	ok(cmp(of("src.c").st_mtim, of("out.o").st_mtim) < 0);
	tick();
	int fd = must(open("src.c", O_WRONLY | O_APPEND));
	must(write(fd, "2", 1));
	close(fd);
	ok(cmp(of("src.c").st_mtim, of("out.o").st_mtim) > 0);
	tick();
	t_write_file("tmp.o", "2");
	must(rename("tmp.o", "out.o"));
	ok(cmp(of("src.c").st_mtim, of("out.o").st_mtim) < 0);
	tick();
	must(utimensat(AT_FDCWD, "src.c", NULL, 0));
	ok(cmp(of("src.c").st_mtim, of("out.o").st_mtim) > 0);
}

T_MAIN(T(now), T(moves), T(set), T(survives), T(make_like))
