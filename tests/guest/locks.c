// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * flock, record locks and open-file-description locks, across processes.
 */
#include "lib/t.h"

#include <sys/file.h>

#ifndef F_OFD_SETLK
#define F_OFD_GETLK 36
#define F_OFD_SETLK 37
#define F_OFD_SETLKW 38
#endif

static volatile sig_atomic_t got;

static void record(int sig)
{
	got++;
}

/* What a fresh process says to the same request: 0 or the errno. */
static int elsewhere(int (*fn)(void))
{
	pid_t pid = must(fork());
	int st;

	if (pid == 0)
		_exit(fn());
	must(waitpid(pid, &st, 0));
	return WEXITSTATUS(st);
}

static int try_flock_ex(void)
{
	int fd = open("f", O_RDWR);

	return flock(fd, LOCK_EX | LOCK_NB) ? errno : 0;
}

static int try_flock_sh(void)
{
	int fd = open("f", O_RDONLY);

	return flock(fd, LOCK_SH | LOCK_NB) ? errno : 0;
}

static void whole_file(void)
{
	int fd = must(open("f", O_RDWR | O_CREAT, 0644));

	eq(flock(fd, LOCK_EX), 0);
	eq(elsewhere(try_flock_ex), EAGAIN);
	eq(elsewhere(try_flock_sh), EAGAIN);
	eq(flock(fd, LOCK_SH), 0);
	eq(elsewhere(try_flock_sh), 0);
	eq(elsewhere(try_flock_ex), EAGAIN);
	eq(flock(fd, LOCK_UN), 0);
	eq(elsewhere(try_flock_ex), 0);
	/* It belongs to the open file: two opens in one process compete, a dup shares, fork shares. */
	int two = must(open("f", O_RDWR));
	must(flock(fd, LOCK_EX));
	fails(flock(two, LOCK_EX | LOCK_NB), EAGAIN);
	int d = must(dup(fd));
	eq(flock(d, LOCK_EX | LOCK_NB), 0);
	close(fd);
	fails(flock(two, LOCK_EX | LOCK_NB), EAGAIN);
	pid_t pid = must(fork());
	if (pid == 0)
		_exit(flock(d, LOCK_UN));
	t_wait(pid);
	eq(flock(two, LOCK_EX | LOCK_NB), 0);
	close(two);
	eq(flock(d, LOCK_EX | LOCK_NB), 0);
	close(d);
	eq(elsewhere(try_flock_ex), 0);
	fails(flock(300, LOCK_EX), EBADF);
	fd = must(open("f", O_RDONLY));
	fails(flock(fd, LOCK_NB), EINVAL);
	eq(flock(fd, LOCK_EX), 0);
	/* A waiter gets it when the holder dies. */
	struct gate g;
	gate_init(&g);
	flock(fd, LOCK_UN);
	pid = must(fork());
	if (pid == 0) {
		int own = open("f", O_RDWR);
		flock(own, LOCK_EX);
		gate_open(&g);
		t_sleep_ms(100);
		raise(SIGKILL);
	}
	gate_wait(&g);
	eq(flock(fd, LOCK_EX), 0);
	eqs(t_wait(pid), "killed by SIGKILL");
	eqs(t_status(system("flock -n f true")), "exit 1");
	flock(fd, LOCK_UN);
	eqs(t_status(system("flock -n f true")), "exit 0");
}

static struct flock region(short type, off_t start, off_t len)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
}

static int lock(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock fl = region(type, start, len);

	return fcntl(fd, cmd, &fl);
}

static int try_write_0(void)
{
	return lock(open("f", O_RDWR), F_SETLK, F_WRLCK, 0, 10) ? errno : 0;
}

static int try_read_0(void)
{
	return lock(open("f", O_RDWR), F_SETLK, F_RDLCK, 0, 10) ? errno : 0;
}

static int try_write_100(void)
{
	return lock(open("f", O_RDWR), F_SETLK, F_WRLCK, 100, 10) ? errno : 0;
}

static int who_holds(void)
{
	struct flock fl = region(F_WRLCK, 0, 0);

	must(fcntl(open("f", O_RDWR), F_GETLK, &fl));
	say("holder: %s, type %d, from %d, %d bytes", fl.l_pid == getppid() ? "the parent" : "another", fl.l_type,
	    (int)fl.l_start, (int)fl.l_len);
	return 0;
}

static void records(void)
{
	int fd = must(open("f", O_RDWR | O_CREAT, 0644));

	must(write(fd, "0123456789", 10));
	eq(lock(fd, F_SETLK, F_WRLCK, 0, 10), 0);
	eq(elsewhere(try_write_0), EAGAIN);
	eq(elsewhere(try_read_0), EAGAIN);
	eq(elsewhere(try_write_100), 0);
	elsewhere(who_holds);
	eq(lock(fd, F_SETLK, F_RDLCK, 0, 10), 0);
	eq(elsewhere(try_read_0), 0);
	eq(elsewhere(try_write_0), EAGAIN);
	/* Split: unlock the middle. */
	must(lock(fd, F_SETLK, F_WRLCK, 0, 300));
	must(lock(fd, F_SETLK, F_UNLCK, 100, 50));
	eq(elsewhere(try_write_100), 0);
	eq(elsewhere(try_write_0), EAGAIN);
	elsewhere(who_holds);
	struct flock fl = region(F_WRLCK, 0, 0);
	must(fcntl(fd, F_GETLK, &fl));
	eq(fl.l_type, F_UNLCK);
	/* Closing any descriptor of the file drops all the process's locks. */
	int other = must(open("f", O_RDONLY));
	close(other);
	eq(elsewhere(try_write_0), 0);
	fails(lock(fd, F_SETLK, 77, 0, 1), EINVAL);
	fails(lock(fd, F_SETLK, F_WRLCK, -5, 1), EINVAL);
	int ro = must(open("f", O_RDONLY));
	fails(lock(ro, F_SETLK, F_WRLCK, 0, 1), EBADF);
	fails(lock(300, F_SETLK, F_WRLCK, 0, 1), EBADF);
	fails(fcntl(fd, F_SETLK, 8), EFAULT);
	/* Not inherited by a child. */
	must(lock(fd, F_SETLK, F_WRLCK, 0, 0));
	pid_t pid = must(fork());
	if (pid == 0)
		_exit(lock(fd, F_SETLK, F_WRLCK, 0, 1) ? errno : 0);
	int st;
	must(waitpid(pid, &st, 0));
	eq(WEXITSTATUS(st), EAGAIN);
	eq(lockf(fd, F_TEST, 0), 0);
}

static void waiting(void)
{
	int fd = must(open("f", O_RDWR | O_CREAT, 0644));
	struct gate g;
	struct sigaction sa = { .sa_handler = record };

	gate_init(&g);
	pid_t pid = must(fork());
	if (pid == 0) {
		int own = open("f", O_RDWR);
		lock(own, F_SETLK, F_WRLCK, 0, 10);
		gate_open(&g);
		t_sleep_ms(150);
		_exit(0);
	}
	gate_wait(&g);
	fails(lock(fd, F_SETLK, F_WRLCK, 0, 1), EAGAIN);
	eq(lock(fd, F_SETLKW, F_WRLCK, 0, 1), 0);
	eqs(t_wait(pid), "exit 0");
	/* Interrupted. */
	must(sigaction(SIGALRM, &sa, NULL));
	must(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	pid = must(fork());
	if (pid == 0) {
		int own = open("f", O_RDWR);
		lock(own, F_SETLK, F_WRLCK, 0, 10);
		gate_open(&g);
		for (;;)
			pause();
	}
	gate_wait(&g);
	alarm(1);
	fails(lock(fd, F_SETLKW, F_WRLCK, 0, 1), EINTR);
	eq(got, 1);
	int f2 = must(open("g", O_RDWR | O_CREAT, 0644));
	kill(pid, SIGKILL);
	t_wait(pid);
	/* Two processes, two files, crosswise: the kernel sees the deadlock. */
	must(lock(fd, F_SETLK, F_WRLCK, 0, 1));
	alarm(20);
	pid = must(fork());
	if (pid == 0) {
		int a = open("f", O_RDWR), b = open("g", O_RDWR);
		lock(b, F_SETLK, F_WRLCK, 0, 1);
		gate_open(&g);
		_exit(lock(a, F_SETLKW, F_WRLCK, 0, 1) ? errno : 0);
	}
	gate_wait(&g);
	t_sleep_ms(100);
	fails(lock(f2, F_SETLKW, F_WRLCK, 0, 1), EDEADLK);
	lock(fd, F_SETLK, F_UNLCK, 0, 0);
	eqs(t_wait(pid), "exit 0");
}

static void by_description(void)
{
	int a = must(open("f", O_RDWR | O_CREAT, 0644));
	int b = must(open("f", O_RDWR));

	eq(lock(a, F_OFD_SETLK, F_WRLCK, 0, 0), 0);
	fails(lock(b, F_OFD_SETLK, F_WRLCK, 0, 0), EAGAIN);
	pid_t pid = must(fork());
	if (pid == 0)
		_exit(lock(a, F_OFD_SETLK, F_WRLCK, 0, 0) ? errno : 0);
	eqs(t_wait(pid), "exit 0");
	struct flock fl = region(F_WRLCK, 0, 0);
	must(fcntl(b, F_OFD_GETLK, &fl));
	eq(fl.l_pid, -1);
	eq(fl.l_type, F_WRLCK);
	close(must(open("f", O_RDONLY)));
	fails(lock(b, F_OFD_SETLK, F_WRLCK, 0, 0), EAGAIN);
	close(a);
	eq(lock(b, F_OFD_SETLK, F_WRLCK, 0, 0), 0);
	fl = region(F_WRLCK, 0, 0);
	fl.l_pid = 5;
	fails(fcntl(b, F_OFD_SETLK, &fl), EINVAL);
}

static void counters(void)
{
	/* Four processes add to a number in a file, under each kind of lock. */
	for (int kind = 0; kind < 2; kind++) {
		t_write_file("n", "0");
		for (int i = 0; i < 4; i++) {
			if (must(fork()) == 0) {
				int fd = open("n", O_RDWR);
				for (int k = 0; k < 100; k++) {
					char b[16] = "";
					if (kind ? flock(fd, LOCK_EX) : lock(fd, F_SETLKW, F_WRLCK, 0, 0))
						_exit(1);
					if (pread(fd, b, 15, 0) < 0)
						_exit(1);
					int n = snprintf(b, sizeof(b), "%d", atoi(b) + 1);
					if (pwrite(fd, b, n, 0) != n)
						_exit(1);
					if (kind)
						flock(fd, LOCK_UN);
					else
						lock(fd, F_SETLK, F_UNLCK, 0, 0);
				}
				_exit(0);
			}
		}
		while (wait(NULL) > 0)
			;
		eqs(t_read_file("n"), "400");
	}
}

T_MAIN(T(whole_file), T(records), T(waiting), T(by_description), T(counters))
