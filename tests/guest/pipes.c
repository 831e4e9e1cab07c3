// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Pipes and fifos: ends, atomic writes, SIGPIPE, non-blocking forms, and opening order.
 */
#include "lib/t.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

static volatile sig_atomic_t got;

static void on_signal(int sig)
{
	got = sig;
}

static void basics(void)
{
	int p[2];
	char b[16] = "";

	eq(pipe(p), 0);
	eq(p[1], p[0] + 1);
	eq(write(p[1], "hello", 5), 5);
	eq(read(p[0], b, 3), 3);
	eqs(b, "hel");
	memset(b, 0, sizeof(b));
	eq(read(p[0], b, 16), 2);
	eqs(b, "lo");
	fails(read(p[1], b, 1), EBADF);
	fails(write(p[0], b, 1), EBADF);
	eq(write(p[1], "", 0), 0);
	close(p[1]);
	eq(read(p[0], b, 1), 0);
	eq(read(p[0], b, 1), 0);
	fails(pipe2(p, 0x10), EINVAL);
	eq(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
	eq(fcntl(p[0], F_GETFD), FD_CLOEXEC);
	eq(fcntl(p[1], F_GETFL) & (O_NONBLOCK | O_ACCMODE), O_NONBLOCK | O_WRONLY);
	fails(read(p[0], b, 1), EAGAIN);
	eq(fcntl(p[0], F_GETPIPE_SZ), 65536);
	eq(fcntl(p[0], F_SETPIPE_SZ, 4096), 4096);
	eq(fcntl(p[1], F_GETPIPE_SZ), 4096);
	char page[4097];
	memset(page, 'p', sizeof(page));
	eq(write(p[1], page, 4096), 4096);
	fails(write(p[1], page, 1), EAGAIN);
	eq(fcntl(p[0], F_SETPIPE_SZ, 0), 4096);
	int avail;
	eq(ioctl(p[0], FIONREAD, &avail), 0);
	eq(avail, 4096);
	eq(read(p[0], page, 100), 100);
	fails(write(p[1], page, 4096), EAGAIN);
	eq(read(p[0], page, 4096), 3996);
	eq(fcntl(p[0], F_SETPIPE_SZ, 10000), 16384);
	eq(write(p[1], page, 4097), 4097);
}

static void broken(void)
{
	int p[2];

	must(pipe(p));
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	fails(write(p[1], "x", 1), EPIPE);
	got = 0;
	signal(SIGPIPE, on_signal);
	fails(write(p[1], "x", 1), EPIPE);
	eq(got, SIGPIPE);
	struct iovec v = { "abc", 3 };
	got = 0;
	fails(writev(p[1], &v, 1), EPIPE);
	eq(got, SIGPIPE);
	pid_t pid = must(fork());
	if (pid == 0) {
		signal(SIGPIPE, SIG_DFL);
		if (write(p[1], "x", 1) == 1)
			_exit(1);
		_exit(2);
	}
	eqs(t_wait(pid), "killed by SIGPIPE");
	struct pollfd pf = { p[1], POLLOUT, 0 };
	eq(poll(&pf, 1, 0), 1);
	eq(pf.revents & POLLERR, POLLERR);
	eqs(t_status(system("yes | head -1 >/dev/null; test ${PIPESTATUS:-x} = x")), "exit 0");
}

static void atomic(void)
{
	enum { WRITERS = 4, RECORDS = 400, SIZE = 512 };
	int p[2];
	char rec[SIZE];
	int count[WRITERS] = { 0 };
	bool whole = true;

	must(pipe(p));
	for (int w = 0; w < WRITERS; w++) {
		if (must(fork()) == 0) {
			memset(rec, 'A' + w, SIZE);
			for (int i = 0; i < RECORDS; i++)
				if (write(p[1], rec, SIZE) != SIZE)
					_exit(1);
			_exit(0);
		}
	}
	close(p[1]);
	for (;;) {
		size_t have = 0;
		ssize_t n;
		while (have < SIZE && (n = read(p[0], rec + have, SIZE - have)) > 0)
			have += n;
		if (have < SIZE)
			break;
		for (int i = 1; i < SIZE; i++)
			whole = whole && rec[i] == rec[0];
		if (rec[0] >= 'A' && rec[0] < 'A' + WRITERS)
			count[rec[0] - 'A']++;
	}
	ok(whole);
	for (int w = 0; w < WRITERS; w++)
		eq(count[w], RECORDS);
	while (wait(NULL) > 0)
		;
}

static void big(void)
{
	int p[2];
	static char data[1 << 20];
	unsigned long sum = 0, n = 0;

	must(pipe(p));
	pid_t pid = must(fork());
	if (pid == 0) {
		close(p[0]);
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = i * 7;
		_exit(write(p[1], data, sizeof(data)) != sizeof(data));
	}
	close(p[1]);
	ssize_t k;
	while ((k = read(p[0], data, 10007)) > 0) {
		for (ssize_t i = 0; i < k; i++)
			sum += (unsigned char)data[i];
		n += k;
	}
	eq(n, 1 << 20);
	say("sum %lu", sum);
	eqs(t_wait(pid), "exit 0");
}

static void interrupted(void)
{
	int p[2];
	char b[4];
	struct sigaction sa = { .sa_handler = on_signal };
	static char data[200000];

	must(pipe(p));
	must(sigaction(SIGALRM, &sa, NULL));
	alarm(1);
	fails(read(p[0], b, 1), EINTR);
	eq(got, SIGALRM);
	/* A write that has already moved something reports how much. */
	alarm(1);
	ssize_t n = write(p[1], data, sizeof(data));
	eq(n, 65536);
	alarm(1);
	fails(write(p[1], data, 10), EINTR);
	sa.sa_flags = SA_RESTART;
	must(sigaction(SIGALRM, &sa, NULL));
	pid_t pid = must(fork());
	if (pid == 0) {
		t_sleep_ms(1500);
		static char drain[65536];
		_exit(read(p[0], drain, sizeof(drain)) <= 0);
	}
	alarm(1);
	eq(write(p[1], data, 10), 10);
	eqs(t_wait(pid), "exit 0");
	alarm(20);
}

static void fifos(void)
{
	char b[16] = "";

	eq(mkfifo("f", 0600), 0);
	fails(mkfifo("f", 0600), EEXIST);
	fails(open("f", O_WRONLY | O_NONBLOCK), ENXIO);
	int r = must(open("f", O_RDONLY | O_NONBLOCK));
	eq(read(r, b, 1), 0);
	int w = must(open("f", O_WRONLY | O_NONBLOCK));
	fails(read(r, b, 1), EAGAIN);
	eq(write(w, "abc", 3), 3);
	eq(read(r, b, 10), 3);
	close(w);
	eq(read(r, b, 10), 0);
	close(r);
	pid_t pid = must(fork());
	if (pid == 0) {
		int fd = open("f", O_WRONLY);
		_exit(write(fd, "from child", 10) != 10);
	}
	r = must(open("f", O_RDONLY));
	size_t have = 0;
	ssize_t n;
	while ((n = read(r, b + have, 15 - have)) > 0)
		have += n;
	b[have] = 0;
	eqs(b, "from child");
	eqs(t_wait(pid), "exit 0");
	int rw = must(open("f", O_RDWR));
	eq(write(rw, "x", 1), 1);
	eq(read(rw, b, 1), 1);
	fails(lseek(rw, 0, SEEK_SET), ESPIPE);
	must(rename("f", "g"));
	eq(unlink("g"), 0);
	eq(write(rw, "x", 1), 1);
	eqs(t_status(system("mkfifo p; (echo through > p) & cat p; wait")), "exit 0");
}

static void polling(void)
{
	int p[2];
	char b[70000];

	must(pipe2(p, O_NONBLOCK));
	struct pollfd f[2] = { { p[0], POLLIN, 0 }, { p[1], POLLOUT, 0 } };
	eq(poll(f, 2, 0), 1);
	eq(f[0].revents, 0);
	eq(f[1].revents, POLLOUT);
	eq(write(p[1], b, sizeof(b)), 65536);
	eq(poll(f, 2, 0), 1);
	eq(f[0].revents, POLLIN);
	eq(f[1].revents, 0);
	eq(read(p[0], b, 65536), 65536);
	close(p[1]);
	eq(poll(f, 1, 0), 1);
	eq(f[0].revents, POLLHUP);
	eq(poll(f + 1, 1, 0), 1);
	eq(f[1].revents, POLLNVAL);
}

/* Opening a pipe again through /proc, as "cat /dev/stdin" and process substitution do. */
static void reopened(void)
{
	int p[2];
	char name[64], b[8] = "";

	must(pipe(p));
	snprintf(name, sizeof(name), "/dev/fd/%d", p[1]);
	int w = must(open(name, O_WRONLY));
	eq(write(w, "via", 3), 3);
	eq(read(p[0], b, 8), 3);
	eqs(b, "via");
	snprintf(name, sizeof(name), "/proc/self/fd/%d", p[0]);
	int r = must(open(name, O_RDONLY | O_NONBLOCK));
	fails(read(r, b, 1), EAGAIN);
	eq(fcntl(p[0], F_GETFL) & O_NONBLOCK, 0);
	char target[64] = "";
	must(readlink(name, target, 63));
	eq(strncmp(target, "pipe:[", 6), 0);
	eqs(t_status(system("echo text | cat /dev/stdin -")), "exit 0");
}

T_MAIN(T(basics), T(broken), T(atomic), T(big), T(interrupted), T(fifos), T(polling), T(reopened))
