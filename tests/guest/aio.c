// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * io_setup and its kin, raw, as libaio calls them. (musl: no, it comes without the kernel's headers)
 */
#include "lib/t.h"

#include <linux/aio_abi.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

static aio_context_t ctx;

static long submit(struct iocb **cbs, long n)
{
	return syscall(SYS_io_submit, ctx, n, cbs);
}

static long get(long min, long nr, struct io_event *e, int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	return syscall(SYS_io_getevents, ctx, min, nr, e, ms < 0 ? NULL : &ts);
}

static struct iocb request(int fd, int op, void *buf, size_t n, long long off)
{
	static int serial;

	return (struct iocb){ .aio_data = ++serial, .aio_fildes = fd, .aio_lio_opcode = op, .aio_buf = (uintptr_t)buf,
			      .aio_nbytes = n, .aio_offset = off };
}

static void contexts(void)
{
	aio_context_t none = 0, other = 0;
	struct io_event e;

	fails(syscall(SYS_io_setup, 0, &none), EINVAL);
	fails(syscall(SYS_io_setup, 1, 8), EFAULT);
	eq(syscall(SYS_io_setup, 8, &ctx), 0);
	ok(ctx != 0);
	fails(syscall(SYS_io_setup, 8, &ctx), EINVAL);
	eq(syscall(SYS_io_setup, 8, &other), 0);
	ok(other != ctx);
	fails(get(1, 0, &e, 0), EINVAL);
	fails(get(-1, 1, &e, 0), EINVAL);
	eq(get(0, 1, &e, 0), 0);
	eq(get(1, 1, &e, 20), 0);
	eq(syscall(SYS_io_destroy, other), 0);
	fails(syscall(SYS_io_destroy, other), EINVAL);
	fails(syscall(SYS_io_submit, other, 0, NULL), EINVAL);
	fails(syscall(SYS_io_submit, ctx, -1l, NULL), EINVAL);
	eq(syscall(SYS_io_submit, ctx, 0, NULL), 0);
	fails(syscall(SYS_io_submit, ctx, 1, 8), EFAULT);
	/* They are the process's own. */
	pid_t pid = must(fork());
	if (pid == 0)
		_exit(syscall(SYS_io_destroy, ctx) == -1 ? errno : 0);
	eqs(t_wait(pid), "exit 22");
	eq(syscall(SYS_io_destroy, ctx), 0);
}

static void transfers(void)
{
	int fd = must(open("f", O_RDWR | O_CREAT, 0644)), ro = must(open("f", O_RDONLY)), ev = must(eventfd(0, 0));
	char buf[16] = "", a[4] = "", b[4] = "";
	struct iovec iov[2] = { { a, 3 }, { b, 3 } };
	struct iocb cb[6], *cbs[6] = { &cb[0], &cb[1], &cb[2], &cb[3], &cb[4], &cb[5] };
	struct io_event e[8];
	uint64_t v = 0;

	eq(syscall(SYS_io_setup, 4, &ctx), 0);
	cb[0] = request(fd, IOCB_CMD_PWRITE, "0123456789", 10, 0);
	cb[0].aio_flags = IOCB_FLAG_RESFD;
	cb[0].aio_resfd = ev;
	eq(submit(cbs, 1), 1);
	eq(read(ev, &v, 8), 8);
	eq(v, 1);
	eq(get(1, 8, e, -1), 1);
	eq(e[0].data, cb[0].aio_data);
	ok(e[0].obj == (uintptr_t)&cb[0]);
	eq(e[0].res, 10);
	eq(e[0].res2, 0);
	cb[0] = request(fd, IOCB_CMD_PREAD, buf, 4, 3);
	cb[1] = request(fd, IOCB_CMD_PREADV, iov, 2, 0);
	cb[2] = request(fd, IOCB_CMD_FSYNC, NULL, 0, 0);
	eq(submit(cbs, 3), 3);
	for (int n = 0; n < 3;)
		n += must(get(1, 8, e + n, 1000));
	eqs(buf, "3456");
	eqs(a, "012");
	eqs(b, "345");
	/* What can't be begun is refused, and all behind it. */
	cb[0] = request(fd, IOCB_CMD_PREAD, buf, 1, 0);
	cb[1] = request(ro, IOCB_CMD_PWRITE, buf, 1, 0);
	eq(submit(cbs, 2), 1);
	fails(submit(cbs + 1, 1), EBADF);
	cb[1] = request(300, IOCB_CMD_PREAD, buf, 1, 0);
	fails(submit(cbs + 1, 1), EBADF);
	cb[1] = request(fd, 77, buf, 1, 0);
	fails(submit(cbs + 1, 1), EINVAL);
	cb[1] = request(fd, IOCB_CMD_PREAD, buf, -1, 0);
	fails(submit(cbs + 1, 1), EINVAL);
	cb[1] = request(fd, IOCB_CMD_PREAD, buf, 1, 0);
	cb[1].aio_reserved2 = 1;
	fails(submit(cbs + 1, 1), EINVAL);
	cb[1] = request(fd, IOCB_CMD_PREAD, buf, 1, 0);
	cb[1].aio_flags = IOCB_FLAG_RESFD;
	cb[1].aio_resfd = fd;
	fails(submit(cbs + 1, 1), EINVAL);
	eq(get(1, 8, e, -1), 1);
	/* An error of the operation is its result. */
	cb[0] = request(fd, IOCB_CMD_PREAD, (void *)8, 1, 0);
	eq(submit(cbs, 1), 1);
	eq(get(1, 1, e, -1), 1);
	eq(e[0].res, -EFAULT);
	cb[0] = request(fd, IOCB_CMD_PREAD, buf, 16, 100);
	eq(submit(cbs, 1), 1);
	eq(get(1, 1, e, -1), 1);
	eq(e[0].res, 0);
	fails(syscall(SYS_io_cancel, ctx, &cb[0], e), EINVAL);
	eq(syscall(SYS_io_destroy, ctx), 0);
}

static void polls(void)
{
	int p[2];
	struct iocb cb, *cbs[1] = { &cb };
	struct io_event e[2];

	must(pipe(p));
	eq(syscall(SYS_io_setup, 4, &ctx), 0);
	cb = request(p[1], IOCB_CMD_POLL, (void *)POLLOUT, 0, 0);
	eq(submit(cbs, 1), 1);
	eq(get(1, 2, e, 1000), 1);
	eq(e[0].res & POLLOUT, POLLOUT);
	cb = request(p[0], IOCB_CMD_POLL, (void *)POLLIN, 0, 0);
	eq(submit(cbs, 1), 1);
	eq(get(1, 2, e, 20), 0);
	pid_t pid = must(fork());
	if (pid == 0) {
		t_sleep_ms(50);
		_exit(write(p[1], "x", 1) != 1);
	}
	eq(get(1, 2, e, 5000), 1);
	eq(e[0].res & POLLIN, POLLIN);
	eqs(t_wait(pid), "exit 0");
	eq(syscall(SYS_io_destroy, ctx), 0);
}

static volatile sig_atomic_t got;

static void note(int sig)
{
	got++;
}

static void interrupted(void)
{
	struct sigaction sa = { .sa_handler = note };
	struct io_event e;

	sigaction(SIGALRM, &sa, NULL);
	eq(syscall(SYS_io_setup, 4, &ctx), 0);
	alarm(1);
	fails(get(1, 1, &e, -1), EINTR);
	eq(got, 1);
	alarm(20);
}

T_MAIN(T(contexts), T(transfers), T(polls), T(interrupted))
