/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Calls that the libOS answers by itself, and the smallest that it hands on.
 */
#include "tests/bench/micro.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void do_getppid(void)
{
	syscall(SYS_getppid);
}

static void do_gettime(void)
{
	struct timespec t;

	must(!clock_gettime(CLOCK_MONOTONIC, &t), "clock_gettime");
}

static void open_zero(void)
{
	fds[0] = open("/dev/zero", O_RDONLY);
	fds[1] = open("/dev/null", O_WRONLY);
	must(fds[0] >= 0 && fds[1] >= 0, "/dev/zero, /dev/null");
}

static void do_zero(void)
{
	char c;

	must(read(fds[0], &c, 1) == 1, "read");
}

static void do_null(void)
{
	must(write(fds[1], "x", 1) == 1, "write");
}

static void on_signal(int sig)
{
}

static void set_handler(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	must(!sigaction(SIGUSR1, &sa, NULL), "sigaction");
}

static void do_sigaction(void)
{
	struct sigaction sa;

	must(!sigaction(SIGUSR1, NULL, &sa), "sigaction");
}

static void do_signal(void)
{
	raise(SIGUSR1);
}

static void open_file(void)
{
	char page[4096];

	memset(page, 'x', sizeof(page));
	fds[0] = open(in_scratch("file"), O_RDWR | O_CREAT | O_EXCL, 0600);
	must(fds[0] >= 0 && write(fds[0], page, sizeof(page)) == sizeof(page), "a file");
}

static void do_pread(void)
{
	char c;

	must(pread(fds[0], &c, 1, 7) == 1, "pread");
}

static void do_pwrite(void)
{
	must(pwrite(fds[0], "x", 1, 7) == 1, "pwrite");
}

static void do_lseek(void)
{
	must(lseek(fds[0], 0, SEEK_END) == 4096, "lseek");
}

static void open_pipe(void)
{
	must(!pipe(fds), "pipe");
}

static void do_pipe(void)
{
	char c = 0;

	must(write(fds[1], &c, 1) == 1 && read(fds[0], &c, 1) == 1, "pipe");
}

static void do_dup(void)
{
	int fd = dup(0);

	must(fd >= 0 && !close(fd), "dup");
}

/* clang-format off */
const struct row calls_rows[] = {
	{ "getppid", 0.15, CPU, "getppid", NULL, do_getppid },
	{ "gettime", 0, CPU, "clock_gettime", NULL, do_gettime },
	{ "sigaction", 0.15, CPU, "sigaction", set_handler, do_sigaction },
	{ "read-zero", 0.15, CPU, "read 1 byte of /dev/zero", open_zero, do_zero },
	{ "write-null", 0.15, CPU, "write 1 byte to /dev/null", open_zero, do_null },
	{ "signal", 0.2, CPU, "signal to self, handler and return", set_handler, do_signal },
	{ "dup", 0, CPU, "dup and close", NULL, do_dup },
	{ "lseek", 0, CPU, "lseek", open_file, do_lseek },
	{ "pread", 1.4, CPU, "pread 1 byte of a file", open_file, do_pread },
	{ "pwrite", 1.4, CPU, "pwrite 1 byte of a file", open_file, do_pwrite },
	{ "pipe", 1.4, CPU, "write and read 1 byte of a pipe", open_pipe, do_pipe },
	{ NULL, 0, NULL, NULL, NULL, NULL },
};
