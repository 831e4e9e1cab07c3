// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * /dev: the devices every program expects.
 */
#include "lib/t.h"

#include <dirent.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

static void null_zero_full(void)
{
	char b[64];
	struct stat st;
	int null = must(open("/dev/null", O_RDWR)), zero_fd = must(open("/dev/zero", O_RDWR));
	int full = must(open("/dev/full", O_RDWR));

	eq(read(null, b, 10), 0);
	eq(write(null, b, 10), 10);
	eq(lseek(null, 100, SEEK_SET), 0);
	memset(b, 1, sizeof(b));
	eq(read(zero_fd, b, 64), 64);
	bool all = true;
	for (int i = 0; i < 64; i++)
		all = all && !b[i];
	ok(all);
	eq(write(zero_fd, b, 10), 10);
	fails(write(full, b, 1), ENOSPC);
	eq(read(full, b, 5), 5);
	must(fstat(full, &st));
	eq(minor(st.st_rdev), 7);
	eq(open("/dev/null", O_WRONLY | O_TRUNC | O_CREAT, 0644) >= 0, 1);
	char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero_fd, 0);
	ok(m != MAP_FAILED && m[5000] == 0);
	m[5000] = 1;
	fails(ftruncate(null, 0), EINVAL);
	struct pollfd p = { zero_fd, POLLIN | POLLOUT, 0 };
	eq(poll(&p, 1, 0), 1);
	fails(ioctl(null, TIOCGWINSZ, b), ENOTTY);
	fails(mkdir("/dev/null/x", 0755), ENOTDIR);
	eqs(t_status(system("echo lost > /dev/null; cat /dev/null")), "exit 0");
	eqs(t_status(system("echo x > /dev/full 2>/dev/null")), t_status(system("exit 2")));
}

static void randomness(void)
{
	unsigned char a[32] = { 0 }, b[32] = { 0 }, c[32] = { 0 };
	int u = must(open("/dev/urandom", O_RDONLY)), r = must(open("/dev/random", O_RDONLY));

	eq(read(u, a, 32), 32);
	eq(read(r, b, 32), 32);
	eq(syscall(SYS_getrandom, c, 32, 0), 32);
	ok(memcmp(a, b, 32) && memcmp(b, c, 32) && memcmp(a, c, 32));
	eq(syscall(SYS_getrandom, c, 0, 0), 0);
	fails(syscall(SYS_getrandom, c, 8, 0x100), EINVAL);
	fails(syscall(SYS_getrandom, 8, 8, 0), EFAULT);
	pid_t pid = must(fork());
	if (pid == 0) {
		syscall(SYS_getrandom, a, 32, 0);
		_exit(a[0] ^ a[1] ^ a[2]);
	}
	waitpid(pid, NULL, 0);
	static unsigned char big[100000];
	eq(syscall(SYS_getrandom, big, sizeof(big), 0), 100000);
}

static void names(void)
{
	static const char *const list[] = { "null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "fd",
					    "stdin", "stdout", "stderr" };

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		char name[32];
		snprintf(name, sizeof(name), "/dev/%s", list[i]);
		struct stat st;
		say("%s: %s", name, lstat(name, &st) ? t_errname(errno) : "there");
	}
	/* No controlling terminal here. */
	pid_t pid = must(fork());
	if (pid == 0) {
		setsid();
		_exit(open("/dev/tty", O_RDWR) == -1 && errno == ENXIO ? 0 : 1);
	}
	eqs(t_wait(pid), "exit 0");
	eqs(t_status(system("echo in | cat /dev/stdin | cat /dev/fd/0 > out; echo err 2>&1 > /dev/stdout | cat")), "exit 0");
	eqs(t_read_file("out"), "in\n");
	eqs(t_status(system("bash -c 'diff <(echo a; echo b) <(echo a; echo b)'")), "exit 0");
	eqs(t_status(system("bash -c 'cat < <(echo sub) > out2; tee >(cat > out3) <<< text >/dev/null; sleep 0.1'")), "exit 0");
	eqs(t_read_file("out2"), "sub\n");
	for (int i = 0; i < 100 && strcmp(t_read_file("out3"), "text\n"); i++)
		t_sleep_ms(10);
	eqs(t_read_file("out3"), "text\n");
}

static void shared_memory(void)
{
	char name[64];
	struct stat st;

	/* The builds of this program run side by side. */
	snprintf(name, sizeof(name), "/dev/shm/gsh-test-%d", (int)getpid());
	int fd = must(open(name, O_RDWR | O_CREAT | O_TRUNC, 0600));

	must(ftruncate(fd, 8192));
	int *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	pid_t pid = must(fork());
	if (pid == 0) {
		int other = open(name, O_RDWR);
		int *n = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0);
		n[1000] = 77;
		_exit(0);
	}
	eqs(t_wait(pid), "exit 0");
	eq(m[1000], 77);
	must(stat("/dev/shm", &st));
	eq(st.st_mode, S_IFDIR | 01777);
	eq(unlink(name), 0);
	fails(access(name, F_OK), ENOENT);
}

T_MAIN(T(null_zero_full), T(randomness), T(names), T(shared_memory))
