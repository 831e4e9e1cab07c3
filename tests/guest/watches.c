// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * inotify, told of what other processes do: every event, in order, with masks, cookies and names.
 */
#include "lib/t.h"

#include <limits.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

static uint32_t cookies[64];
static int ncookies;

/* Cookies by order of appearance: their values are the host's affair. */
static int cookie(uint32_t c)
{
	if (!c)
		return 0;
	for (int i = 0; i < ncookies; i++)
		if (cookies[i] == c)
			return i + 1;
	cookies[ncookies++ % 64] = c;
	return ncookies;
}

static const char *mask_text(uint32_t m)
{
	static char text[256];
	static const char *const names[] = { "access", "modify", "attrib", "close_write", "close_nowrite", "open",
					     "moved_from", "moved_to", "create", "delete", "delete_self", "move_self" };

	*text = 0;
	for (unsigned i = 0; i < 12; i++)
		if (m & 1u << i)
			strcat(strcat(text, *text ? "," : ""), names[i]);
	if (m & IN_ISDIR)
		strcat(text, ",isdir");
	if (m & IN_IGNORED)
		strcat(text, ",ignored");
	if (m & IN_UNMOUNT)
		strcat(text, ",unmount");
	if (m & IN_Q_OVERFLOW)
		strcat(text, ",overflow");
	return text;
}

static int drain(int fd)
{
	char buf[8192] __attribute__((aligned(8)));
	int count = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (char *p = buf; p < buf + n;) {
			struct inotify_event *e = (void *)p;

			say("  wd %d %s cookie %d name %s", e->wd, mask_text(e->mask), cookie(e->cookie), e->len ? e->name : "-");
			p += sizeof(*e) + e->len;
			count++;
		}
	}
	return count;
}

static int fd;

/* Done by another process, and then told of. */
#define step(...)                                                                                                      \
	do {                                                                                                           \
		pid_t step_pid;                                                                                        \
		say("%s", #__VA_ARGS__);                                                                               \
		step_pid = must(fork());                                                                               \
		if (!step_pid) {                                                                                       \
			__VA_ARGS__;                                                                                   \
			_exit(0);                                                                                      \
		}                                                                                                      \
		eqs(t_wait(step_pid), "exit 0");                                                                       \
		drain(fd);                                                                                             \
	} while (0)

static void everything(void)
{
	char c;
	int f;

	fd = must(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
	must(mkdir("d", 0755));
	must(mkdir("e", 0755));
	eq(inotify_add_watch(fd, "d", IN_ALL_EVENTS), 1);
	eq(inotify_add_watch(fd, "e", IN_ALL_EVENTS), 2);
	step(close(open("d/f", O_CREAT | O_WRONLY, 0644)));
	step(f = open("d/f", O_RDWR); write(f, "abc", 3); close(f));
	step(f = open("d/f", O_RDONLY); read(f, &c, 1); close(f));
	step(f = open("d/f", O_RDONLY); pread(f, &c, 1, 0));
	step(chmod("d/f", 0600));
	step(truncate("d/f", 1));
	step(f = open("d/f", O_WRONLY); ftruncate(f, 5); futimens(f, NULL));
	step(f = open("d/f", O_RDWR); fallocate(f, 0, 0, 100));
	step(utimensat(AT_FDCWD, "d/f", NULL, 0));
	step(link("d/f", "e/hard"));
	step(symlink("f", "d/sym"));
	step(close(open("d/sym", O_RDONLY)));
	step(rename("d/f", "d/g"));
	step(rename("d/g", "e/g"));
	step(rename("e/g", "d/f"));
	step(rename("d/f", "e/hard"));
	step(unlink("e/hard"));
	step(mkdir("d/sub", 0755));
	step(close(open("d/sub", O_RDONLY | O_DIRECTORY)));
	step(mkdir("d/sub/deeper", 0755));
	step(rename("d/sub", "e/sub"));
	step(rmdir("e/sub/deeper"));
	step(chmod("e/sub", 0700));
	step(rmdir("e/sub"));
	step(mkfifo("d/fifo", 0600));
	step(unlink("d/fifo"));
	step(rename("d/sym", "outside"));
	step(rename("outside", "d/back"));
	step(close(open("d/x", O_CREAT | O_RDWR, 0644)); close(open("d/y", O_CREAT | O_RDWR, 0644));
	     syscall(SYS_renameat2, AT_FDCWD, "d/x", AT_FDCWD, "d/y", 2));
	step(unlink("d/x"));
	step(rename("e", "moved"));
	step(rmdir("moved"));
	step(execl("/bin/sh", "sh", "-c", "echo hello > d/file; cat d/file > /dev/null; mv d/file d/file2; rm d/file2", NULL));
}

static void on_files(void)
{
	int f, g;
	char c;

	fd = must(inotify_init1(IN_NONBLOCK));
	t_write_file("f", "text");
	eq(inotify_add_watch(fd, "f", IN_ALL_EVENTS), 1);
	step(f = open("f", O_RDWR); write(f, "x", 1); close(f));
	step(link("f", "f2"));
	step(unlink("f2"));
	step(rename("f", "g"));
	step(unlink("g"));
	fails(inotify_rm_watch(fd, 1), EINVAL);
	/* A file of the layer below, watched, then written. */
	eq(inotify_add_watch(fd, "../base/keep", IN_ALL_EVENTS), 2);
	step(close(open("../base/keep", O_RDONLY)));
	step(g = open("../base/keep", O_WRONLY | O_APPEND); write(g, "more", 4); close(g));
	step(g = open("../base/keep", O_RDONLY); read(g, &c, 1); close(g));
	step(unlink("../base/keep"));
}

static void kinds(void)
{
	int f;

	fd = must(inotify_init1(IN_NONBLOCK));
	must(mkdir("d", 0755));
	t_write_file("d/f", "x");
	/* Once. */
	eq(inotify_add_watch(fd, "d", IN_OPEN | IN_ONESHOT), 1);
	step(close(open("d/f", O_RDONLY)));
	step(close(open("d/f", O_RDONLY)));
	/* More, and instead of. */
	eq(inotify_add_watch(fd, "d", IN_OPEN), 2);
	eq(inotify_add_watch(fd, "d", IN_CLOSE | IN_MASK_ADD), 2);
	step(close(open("d/f", O_RDONLY)));
	eq(inotify_add_watch(fd, "d", IN_CLOSE), 2);
	step(close(open("d/f", O_RDONLY)));
	fails(inotify_add_watch(fd, "d", IN_CLOSE | IN_MASK_CREATE), EEXIST);
	fails(inotify_add_watch(fd, "d", IN_CLOSE | IN_MASK_CREATE | IN_MASK_ADD), EINVAL);
	fails(inotify_add_watch(fd, "d", 0), EINVAL);
	fails(inotify_add_watch(fd, "none", IN_OPEN), ENOENT);
	fails(inotify_add_watch(fd, "d/f", IN_OPEN | IN_ONLYDIR), ENOTDIR);
	fails(inotify_add_watch(0x7000, "d", IN_OPEN), EBADF);
	fails(inotify_add_watch(1, "d", IN_OPEN), EINVAL);
	fails(inotify_rm_watch(fd, 77), EINVAL);
	fails(inotify_init1(1), EINVAL);
	eq(inotify_rm_watch(fd, 2), 0);
	drain(fd);
	/* What is unlinked is watched on, or not. */
	for (int excl = 0; excl < 2; excl++) {
		say("excl %d", excl);
		int wd = inotify_add_watch(fd, "d", IN_MODIFY | IN_CLOSE | IN_DELETE | (excl ? IN_EXCL_UNLINK : 0));
		f = must(open("d/u", O_RDWR | O_CREAT, 0644));
		unlink("d/u");
		write(f, "x", 1);
		close(f);
		drain(fd);
		eq(inotify_rm_watch(fd, wd), 0);
		drain(fd);
	}
	/* Symlinks. */
	must(symlink("d/f", "s"));
	eq(inotify_add_watch(fd, "s", IN_ATTRIB), 5);
	step(chmod("d/f", 0600));
	eq(inotify_add_watch(fd, "s", IN_ALL_EVENTS | IN_DONT_FOLLOW), 6);
	step(close(open("s", O_RDONLY)));
	step(unlink("s"));
}

static void reading(void)
{
	char buf[64] __attribute__((aligned(8)));
	struct inotify_event *e = (void *)buf;
	struct pollfd p;
	int n = -1;

	fd = must(inotify_init1(IN_NONBLOCK));
	must(mkdir("d", 0755));
	must(inotify_add_watch(fd, "d", IN_CREATE));
	fails(read(fd, buf, sizeof(buf)), EAGAIN);
	fails(write(fd, buf, 1), EBADF);
	eq(lseek(fd, 0, SEEK_SET), 0);
	p = (struct pollfd){ fd, POLLIN, 0 };
	eq(poll(&p, 1, 0), 0);
	close(open("d/a_rather_long_name_for_a_file_as_such", O_CREAT | O_RDWR, 0644));
	close(open("d/b", O_CREAT | O_RDWR, 0644));
	eq(poll(&p, 1, 1000), 1);
	eq(p.revents, POLLIN);
	ioctl(fd, FIONREAD, &n);
	eq(n, 16 + 48 + 16 + 16);
	fails(read(fd, buf, 16), EINVAL);
	fails(read(fd, buf, 60), EINVAL);
	eq(read(fd, buf, 64), 64);
	eqs(e->name, "a_rather_long_name_for_a_file_as_such");
	eq(e->len, 48);
	eq(read(fd, buf, 64), 32);
	eqs(e->name, "b");
	/* The same again while unread is one. */
	must(inotify_add_watch(fd, "d", IN_ATTRIB));
	for (int i = 0; i < 3; i++)
		chmod("d/b", 0600);
	eq(read(fd, buf, 64), 32);
	fails(read(fd, buf, 64), EAGAIN);
	/* Blocking, and woken by another process. */
	int block = must(inotify_init());
	must(inotify_add_watch(block, "d", IN_DELETE));
	pid_t pid = must(fork());
	if (pid == 0) {
		t_sleep_ms(50);
		unlink("d/b");
		_exit(0);
	}
	eq(read(block, buf, 64), 32);
	eqs(e->name, "b");
	eqs(t_wait(pid), "exit 0");
}

static void overflow(void)
{
	char name[32], buf[65536] __attribute__((aligned(8)));
	struct inotify_event *e = NULL;
	int events = 0;
	FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
	int max = 0;
	ssize_t n;

	ok(f && fscanf(f, "%d", &max) == 1);
	fd = must(inotify_init1(IN_NONBLOCK));
	must(mkdir("d", 0755));
	must(inotify_add_watch(fd, "d", IN_CREATE | IN_DELETE));
	for (int i = 0; i < 9000; i++) {
		snprintf(name, sizeof(name), "d/%d", i);
		close(open(name, O_CREAT | O_WRONLY, 0644));
		unlink(name);
	}
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (char *p = buf; p < buf + n; p += sizeof(*e) + e->len, events++)
			e = (void *)p;
	}
	ok(events > 1000 && events <= max + 1);
	ok(e && e->wd == -1 && e->mask == IN_Q_OVERFLOW);
	/* Afterwards it goes on. */
	close(open("d/again", O_CREAT | O_WRONLY, 0644));
	drain(fd);
}

T_MAIN(T(everything), T(on_files), T(kinds), T(reading), T(overflow))
