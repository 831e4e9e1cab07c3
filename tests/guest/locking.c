// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Locks between processes: deadlock, whose they are, when they end, and files that were opened before they were copied.
 */
#include "lib/t.h"

#include <sys/file.h>

static int lk(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	return fcntl(fd, cmd, &fl);
}

static void ask(int fd, int cmd, short type, off_t start, off_t len, pid_t who)
{
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
	int r = fcntl(fd, cmd, &fl);

	say("asked %d: %d type %d from %d len %d by %s", cmd, r, fl.l_type, (int)fl.l_start, (int)fl.l_len,
	    fl.l_pid == who ? "whom we think" : fl.l_pid == -1 ? "a description" : fl.l_pid == 0 ? "nobody" : "another");
}

static int gate[2];

static void open_gate(void)
{
	must(write(gate[1], "g", 1));
}

static void pass_gate(void)
{
	char c;

	must(read(gate[0], &c, 1));
}

static void deadlock(void)
{
	int fd = must(open("f", O_RDWR | O_CREAT, 0644));

	must(pipe(gate));
	eq(lk(fd, F_SETLK, F_WRLCK, 0, 1), 0);
	pid_t pid = must(fork());
	if (pid == 0) {
		must(lk(fd, F_SETLK, F_WRLCK, 1, 1));
		open_gate();
		_exit(lk(fd, F_SETLKW, F_WRLCK, 0, 1) ? errno : 0);
	}
	pass_gate();
	t_sleep_ms(100);
	ask(fd, F_GETLK, F_WRLCK, 1, 1, pid);
	fails(lk(fd, F_SETLKW, F_WRLCK, 1, 1), EDEADLK);
	eq(lk(fd, F_SETLK, F_UNLCK, 0, 1), 0);
	eqs(t_wait(pid), "exit 0");
	eq(lk(fd, F_SETLKW, F_WRLCK, 1, 1), 0);
}

static void ends(void)
{
	int fd = must(open("f", O_RDWR | O_CREAT, 0644)), two, d;

	must(pipe(gate));
	/* By close of any descriptor of the file, not of a child's. */
	eq(lk(fd, F_SETLK, F_WRLCK, 0, 10), 0);
	pid_t pid = must(fork());
	if (pid == 0) {
		close(fd);
		fd = open("f", O_RDWR);
		ask(fd, F_GETLK, F_WRLCK, 0, 0, getppid());
		fails(lk(fd, F_SETLK, F_RDLCK, 5, 1), EAGAIN);
		eq(lk(fd, F_SETLK, F_WRLCK, 10, 1), 0);
		_exit(0);
	}
	eqs(t_wait(pid), "exit 0");
	two = must(open("f", O_RDONLY));
	close(two);
	pid = must(fork());
	if (pid == 0)
		_exit(lk(fd, F_SETLK, F_WRLCK, 0, 0) ? errno : 0);
	eqs(t_wait(pid), "exit 0");
	/* By death; kept by exec. */
	pid = must(fork());
	if (pid == 0) {
		lk(fd, F_SETLK, F_WRLCK, 0, 0);
		execl("/bin/sh", "sh", "-c", "echo >&$0; exec sleep 30", gate[1] < 10 ? (char[]){ '0' + gate[1], 0 } : "9", NULL);
		_exit(1);
	}
	pass_gate();
	fails(lk(fd, F_SETLK, F_RDLCK, 0, 0), EAGAIN);
	ask(fd, F_GETLK, F_RDLCK, 0, 0, pid);
	kill(pid, SIGKILL);
	eqs(t_wait(pid), "killed by SIGKILL");
	eq(lk(fd, F_SETLK, F_RDLCK, 0, 0), 0);
	/* Those of a description go with its last descriptor, whoever has it. */
	two = must(open("f", O_RDWR));
	eq(lk(fd, F_SETLK, F_UNLCK, 0, 0), 0);
	eq(lk(two, F_OFD_SETLK, F_WRLCK, 0, 0), 0);
	fails(lk(fd, F_OFD_SETLK, F_RDLCK, 0, 0), EAGAIN);
	ask(fd, F_OFD_GETLK, F_WRLCK, 0, 0, -1);
	ask(fd, F_GETLK, F_WRLCK, 0, 0, -1);
	pid = must(fork());
	if (pid == 0) {
		pass_gate();
		_exit(0);
	}
	close(two);
	fails(lk(fd, F_OFD_SETLK, F_RDLCK, 0, 0), EAGAIN);
	open_gate();
	eqs(t_wait(pid), "exit 0");
	eq(lk(fd, F_OFD_SETLK, F_RDLCK, 0, 0), 0);
	eq(lk(fd, F_OFD_SETLK, F_UNLCK, 0, 0), 0);
	/* flock, by dup and by a child. */
	d = must(dup(fd));
	eq(flock(fd, LOCK_EX), 0);
	close(fd);
	two = must(open("f", O_RDWR));
	fails(flock(two, LOCK_SH | LOCK_NB), EAGAIN);
	close(d);
	eq(flock(two, LOCK_EX | LOCK_NB), 0);
}

static void refused(void)
{
	int fd = must(open("f", O_RDWR | O_CREAT, 0644)), ro = must(open("f", O_RDONLY)), wo = must(open("f", O_WRONLY));
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_pid = 5 };
	int p[2];

	must(pipe(p));
	fails(lk(ro, F_SETLK, F_WRLCK, 0, 0), EBADF);
	fails(lk(wo, F_SETLK, F_RDLCK, 0, 0), EBADF);
	fails(lk(fd, F_SETLK, 7, 0, 0), EINVAL);
	fails(lk(fd, F_SETLK, F_WRLCK, -1, 0), EINVAL);
	fails(lk(fd, F_SETLK, F_WRLCK, 0, -5), EINVAL);
	eq(lk(fd, F_SETLK, F_WRLCK, 10, -5), 0);
	fails(fcntl(fd, F_OFD_SETLK, &fl), EINVAL);
	fails(fcntl(fd, F_SETLK, (void *)8), EFAULT);
	show("lock of a pipe", lk(p[1], F_SETLK, F_WRLCK, 0, 0));
	show("flock of a pipe", flock(p[1], LOCK_EX));
	show("lock of a device", lk(open("/dev/null", O_RDWR), F_SETLK, F_WRLCK, 0, 0));
	show("flock of a directory", flock(open(".", O_RDONLY), LOCK_EX));
	fails(fcntl(fd, F_GETLK, (struct flock[]){ { .l_type = F_UNLCK } }), EINVAL);
	eq(lk(fd, F_SETLK, F_UNLCK, 0, 0), 0);
	ask(fd, F_GETLK, F_WRLCK, 0, 0, 0);
	fails(lk(300, F_SETLK, F_WRLCK, 0, 0), EBADF);
	/* By lseek's position and the end. */
	must(pwrite(fd, "0123456789", 10, 0));
	must(lseek(fd, 4, SEEK_SET));
	fl = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = 1, .l_len = 2 };
	eq(fcntl(fd, F_SETLK, &fl), 0);
	fl = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -1, .l_len = 0 };
	eq(fcntl(fd, F_SETLK, &fl), 0);
	pid_t pid = must(fork());
	if (pid == 0) {
		ask(fd, F_GETLK, F_WRLCK, 0, 0, getppid());
		ask(fd, F_GETLK, F_WRLCK, 8, 0, getppid());
		_exit(0);
	}
	eqs(t_wait(pid), "exit 0");
}

/* Files of the layer below, opened for reading. */
static void below(void)
{
	int a = must(open("../base/keep", O_RDONLY)), b = must(open("../base/keep", O_RDONLY));

	eq(flock(a, LOCK_EX), 0);
	fails(flock(b, LOCK_EX | LOCK_NB), EAGAIN);
	eq(flock(a, LOCK_UN), 0);
	eq(lk(a, F_SETLK, F_RDLCK, 0, 0), 0);
	pid_t pid = must(fork());
	if (pid == 0) {
		ask(b, F_GETLK, F_WRLCK, 0, 0, getppid());
		eq(lk(b, F_SETLK, F_RDLCK, 0, 0), 0);
		_exit(0);
	}
	eqs(t_wait(pid), "exit 0");
}

static void leases(void)
{
	int fd = must(open("f", O_RDWR | O_CREAT, 0644));

	eq(fcntl(fd, F_GETLEASE), F_UNLCK);
	fails(fcntl(fd, F_SETLEASE, F_RDLCK), EAGAIN);
	fails(fcntl(fd, F_SETLEASE, 9), EINVAL);
	fails(fcntl(fd, F_SETLEASE, F_UNLCK), EAGAIN);
	fails(fcntl(open(".", O_RDONLY), F_SETLEASE, F_RDLCK), EINVAL);
	fails(fcntl(300, F_SETLEASE, F_RDLCK), EBADF);
}

T_MAIN(T(deadlock), T(ends), T(refused), T(below), T(leases))
