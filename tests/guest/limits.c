// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Resource limits and what happens at them.
 */
#include "lib/t.h"

#include <sched.h>
#include <sys/resource.h>

static volatile sig_atomic_t got;

static void record(int sig)
{
	got = sig;
}

static void set(int what, rlim_t soft)
{
	struct rlimit rl;

	must(getrlimit(what, &rl));
	rl.rlim_cur = soft;
	must(setrlimit(what, &rl));
}

static void calls(void)
{
	struct rlimit rl, old;

	must(getrlimit(RLIMIT_NOFILE, &rl));
	ok(rl.rlim_cur > 100 && rl.rlim_cur <= rl.rlim_max);
	rlim_t hard = rl.rlim_max;
	rl.rlim_cur = 100;
	eq(setrlimit(RLIMIT_NOFILE, &rl), 0);
	must(getrlimit(RLIMIT_NOFILE, &rl));
	eq(rl.rlim_cur, 100);
	ok(rl.rlim_max == hard);
	rl.rlim_cur = 200;
	rl.rlim_max = 150;
	fails(setrlimit(RLIMIT_NOFILE, &rl), EINVAL);
	rl.rlim_cur = 120;
	eq(setrlimit(RLIMIT_NOFILE, &rl), 0);
	rl.rlim_max = 151;
	if (!t_root())
		fails(setrlimit(RLIMIT_NOFILE, &rl), EPERM);
	fails(getrlimit(77, &rl), EINVAL);
	fails(setrlimit(77, &rl), EINVAL);
	eq(prlimit(0, RLIMIT_CORE, NULL, &old), 0);
	say("core: %lld of %lld", (long long)old.rlim_cur, (long long)old.rlim_max);
	rl = (struct rlimit){ 0, old.rlim_max };
	eq(prlimit(0, RLIMIT_CORE, &rl, &old), 0);
	fails(prlimit(0x7ffffff0, RLIMIT_CORE, NULL, &old), ESRCH);
	pid_t pid = must(fork());
	if (pid == 0) {
		struct rlimit in;
		getrlimit(RLIMIT_NOFILE, &in);
		_exit(in.rlim_cur == 120 ? 0 : 1);
	}
	eqs(t_wait(pid), "exit 0");
	eqs(t_status(system("test $(ulimit -n) = 120")), "exit 0");
	eq(sysconf(_SC_OPEN_MAX), 120);
}

static void descriptors(void)
{
	int fd, n = 0, p[2];

	set(RLIMIT_NOFILE, 50);
	while ((fd = open("/dev/null", O_RDONLY)) >= 0)
		n++;
	eq(errno, EMFILE);
	ok(n > 30 && n < 50);
	fails(dup(0), EMFILE);
	fails(pipe(p), EMFILE);
	fails(fcntl(0, F_DUPFD, 50), EINVAL);
	fails(dup2(0, 50), EBADF);
	eq(dup2(0, 49), 49);
	close(49);
	fails(pipe(p), EMFILE);
	eq(fcntl(49, F_GETFD), -1);
	eq(open("/dev/null", O_RDONLY), 49);
	set(RLIMIT_NOFILE, 20);
	eq(fcntl(45, F_GETFD), 0);
	close(10);
	eq(open("/dev/null", O_RDONLY), 10);
}

static void file_size(void)
{
	/* Far above what this program prints, since its standard output may be a file. */
	enum { LIMIT = 1 << 20 };
	int fd = must(open("f", O_RDWR | O_CREAT, 0644));
	char b[200];
	struct stat st;

	memset(b, 'x', sizeof(b));
	signal(SIGXFSZ, record);
	set(RLIMIT_FSIZE, LIMIT);
	must(lseek(fd, LIMIT - 200, SEEK_SET));
	eq(write(fd, b, 150), 150);
	eq(write(fd, b, 100), 50);
	eq(got, 0);
	fails(write(fd, b, 1), EFBIG);
	eq(got, SIGXFSZ);
	got = 0;
	fails(ftruncate(fd, LIMIT + 1), EFBIG);
	eq(got, SIGXFSZ);
	eq(ftruncate(fd, LIMIT), 0);
	fails(pwrite(fd, b, 1, LIMIT + 5000), EFBIG);
	eq(pwrite(fd, b, 10, 0), 10);
	must(fstat(fd, &st));
	eq(st.st_size, LIMIT);
	fails(fallocate(fd, 0, 0, LIMIT * 2), EFBIG);
	pid_t pid = must(fork());
	if (pid == 0) {
		signal(SIGXFSZ, SIG_DFL);
		if (write(fd, b, 1) == 1)
			_exit(1);
		_exit(2);
	}
	eqs(t_wait(pid), "killed by SIGXFSZ");
	set(RLIMIT_FSIZE, 1000);
	int p[2];
	must(pipe(p));
	static char big[5000];
	ssize_t n = write(p[1], big, sizeof(big));
	set(RLIMIT_FSIZE, LIMIT);
	eq(n, 5000);
}

static int deep(int n)
{
	volatile char frame[4096];

	frame[0] = n;
	return n ? deep(n - 1) + (frame[0] == (char)n) : 0;
}

static void stack(void)
{
	/* The limit counts for the next program. */
	pid_t pid = must(fork());

	if (pid == 0) {
		set(RLIMIT_STACK, 1 << 20);
		execl(t_self, "me", "helper", "200", NULL);
		_exit(127);
	}
	eqs(t_wait(pid), "exit 0");
	pid = must(fork());
	if (pid == 0) {
		set(RLIMIT_STACK, 1 << 20);
		execl(t_self, "me", "helper", "1000", NULL);
		_exit(127);
	}
	eqs(t_wait(pid), "killed by SIGSEGV");
	pid = must(fork());
	if (pid == 0) {
		struct rlimit rl;
		getrlimit(RLIMIT_STACK, &rl);
		if (rl.rlim_max != RLIM_INFINITY && rl.rlim_max < (24 << 20))
			_exit(0);
		set(RLIMIT_STACK, 24 << 20);
		execl(t_self, "me", "helper", "5000", NULL);
		_exit(127);
	}
	eqs(t_wait(pid), "exit 0");
}

static void processor(void)
{
	pid_t pid = must(fork());

	if (pid == 0) {
		set(RLIMIT_CPU, 1);
		for (;;)
			;
	}
	eqs(t_wait(pid), "killed by SIGXCPU");
}

static void priorities(void)
{
	errno = 0;
	eq(getpriority(PRIO_PROCESS, 0), 0);
	eq(nice(5), 5);
	eq(getpriority(PRIO_PROCESS, getpid()), 5);
	eq(setpriority(PRIO_PROCESS, 0, 10), 0);
	pid_t pid = must(fork());
	if (pid == 0)
		_exit(getpriority(PRIO_PROCESS, 0));
	eqs(t_wait(pid), "exit 10");
	fails(getpriority(9, 0), EINVAL);
	fails(setpriority(PRIO_PROCESS, 0x7ffffff0, 5), ESRCH);
	if (!t_root()) {
		fails(setpriority(PRIO_PROCESS, 0, 3), EACCES);
		fails(nice(-3), EPERM);
	}
	eq(syscall(SYS_sched_getscheduler, 0), SCHED_OTHER);
	struct sched_param sp = { .sched_priority = 9 };
	eq(syscall(SYS_sched_getparam, 0, &sp), 0);
	eq(sp.sched_priority, 0);
	eq(sched_get_priority_max(SCHED_FIFO), 99);
	eq(sched_get_priority_min(SCHED_OTHER), 0);
	fails(syscall(SYS_sched_setscheduler, 0, 77, &sp), EINVAL);
}

static int helper(int argc, char **argv)
{
	int n = atoi(argv[2]);

	return deep(n) == n ? 0 : 1;
}

T_MAIN_HELPER(helper, T(calls), T(descriptors), T(file_size), T(stack), T(processor), T(priorities))
