// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * What changes a file takes its set-id bits away, whoever opened it when: each way of writing, truncating, and giving it
 * to an owner, of files in which the bits mean something and of those in which they do not.
 */
#include <sys/sendfile.h>
#include <sys/uio.h>
#include "lib/t.h"

static int early, source; /* "f" opened before it has the bits; something to copy from */

static void by_write(void)
{
	eq(write(early, "x", 1), 1);
}

static void by_nothing(void)
{
	eq(write(early, "x", 0), 0);
	int fd = must(open("f", O_RDWR));
	char c;
	eq(read(fd, &c, 1), 1);
	close(fd);
}

static void by_late_write(void)
{
	int fd = must(open("f", O_WRONLY));
	eq(write(fd, "y", 1), 1);
	close(fd);
}

static void by_append(void)
{
	int fd = must(open("f", O_WRONLY | O_APPEND));
	struct iovec iov[] = { { "ab", 2 }, { "c", 1 } };
	eq(writev(fd, iov, 2), 3);
	close(fd);
}

static void by_pwrite(void)
{
	eq(pwrite(early, "z", 1, 3), 1);
}

static void by_open(void)
{
	close(must(open("f", O_WRONLY | O_TRUNC)));
}

static void by_truncate(void)
{
	eq(truncate("f", 2), 0);
}

static void by_same_size(void)
{
	struct stat st;
	must(stat("f", &st));
	eq(truncate("f", st.st_size), 0);
}

static void by_ftruncate(void)
{
	eq(ftruncate(early, 9), 0);
}

static void by_fallocate(void)
{
	eq(fallocate(early, 0, 0, 4096), 0);
}

static void by_copy(void)
{
	loff_t from = 0;
	eq(copy_file_range(source, &from, early, NULL, 3, 0), 3);
}

static void by_sendfile(void)
{
	off_t from = 0;
	eq(sendfile(early, source, &from, 3), 3);
}

static void by_splice(void)
{
	int p[2];
	must(pipe(p));
	eq(write(p[1], "pipe", 4), 4);
	eq(splice(p[0], NULL, early, NULL, 4, 0), 4);
	close(p[0]);
	close(p[1]);
}

static void by_child(void)
{
	pid_t pid = must(fork());
	if (!pid) {
		eq(write(early, "child", 5), 5);
		_exit(0);
	}
	must(waitpid(pid, NULL, 0));
}

static void by_chown(void)
{
	eq(chown("f", getuid(), getgid()), 0);
}

static void by_chown_nobody(void)
{
	eq(chown("f", -1, -1), 0);
}

static void by_fchown(void)
{
	eq(fchown(early, -1, getgid()), 0);
}

static void by_link(void)
{
	/* With other bits than its reader's own a link may be refused (fs.protected_hardlinks): to its owner never. */
	eq(link("f", "l"), 0);
	must(unlink("l"));
}

static void by_rename(void)
{
	must(rename("f", "g"));
	must(rename("g", "f"));
}

static void by_times(void)
{
	must(utimensat(AT_FDCWD, "f", NULL, 0));
}

/* A file of each kind of mode, changed so. */
static void each(void (*way)(void))
{
	static const mode_t modes[] = { 04755, 02755, 06755, 06711, 02644, 04644, 06644, 0755 };
	struct stat st, open_st;

	t_write_file("source", "from here");
	source = must(open("source", O_RDONLY));
	for (unsigned m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
		t_write_file("f", "text");
		early = must(open("f", O_RDWR));
		must(chmod("f", modes[m]));
		way();
		must(stat("f", &st));
		must(fstat(early, &open_st));
		say("%o: %o, open %o", modes[m], st.st_mode & 07777, open_st.st_mode & 07777);
		close(early);
		must(unlink("f"));
	}
	close(source);
}

#define EACH(way) static void in_##way(void) { each(by_##way); }
EACH(nothing)
EACH(write)
EACH(late_write)
EACH(append)
EACH(pwrite)
EACH(open)
EACH(truncate)
EACH(same_size)
EACH(ftruncate)
EACH(fallocate)
EACH(copy)
EACH(sendfile)
EACH(splice)
EACH(child)
EACH(chown)
EACH(chown_nobody)
EACH(fchown)
EACH(link)
EACH(rename)
EACH(times)

T_MAIN(T(in_nothing), T(in_write), T(in_late_write), T(in_append), T(in_pwrite), T(in_open), T(in_truncate),
       T(in_same_size), T(in_ftruncate), T(in_fallocate), T(in_copy), T(in_sendfile), T(in_splice), T(in_child),
       T(in_chown), T(in_chown_nobody), T(in_fchown), T(in_link), T(in_rename), T(in_times))
