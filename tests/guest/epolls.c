// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * epoll in all its modes, over everything that can be polled, within and between processes.
 */
#include "lib/t.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

static int add(int ep, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = { .events = events, .data.u64 = data };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

static int mod(int ep, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = { .events = events, .data.u64 = data };

	return epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev);
}

static int compare(const void *a, const void *b)
{
	const struct epoll_event *x = a, *y = b;

	return x->data.u64 < y->data.u64 ? -1 : x->data.u64 > y->data.u64;
}

static int wait_say(const char *what, int ep, int ms)
{
	struct epoll_event ev[32];
	int n = epoll_wait(ep, ev, 32, ms);

	say("%s: %d", what, n);
	if (n > 0)
		qsort(ev, n, sizeof(ev[0]), compare);
	for (int i = 0; i < n; i++)
		say("  %d: events %x", (int)ev[i].data.u64, ev[i].events);
	return n;
}

static void errors(void)
{
	int ep = must(epoll_create1(EPOLL_CLOEXEC)), p[2], f = must(open("f", O_RDWR | O_CREAT, 0644));
	int d = must(open(".", O_RDONLY)), n = must(open("/dev/null", O_RDWR)), pr = must(open("/proc/self/stat", O_RDONLY));
	struct epoll_event ev = { .events = EPOLLIN };

	must(pipe(p));
	eq(fcntl(ep, F_GETFD), FD_CLOEXEC);
	fails(syscall(SYS_epoll_create, 0), EINVAL);
	fails(epoll_create1(1), EINVAL);
	fails(add(ep, f, EPOLLIN, 0), EPERM);
	fails(add(ep, d, EPOLLIN, 0), EPERM);
	fails(add(ep, n, EPOLLIN, 0), EPERM);
	fails(add(ep, pr, EPOLLIN, 0), EPERM);
	fails(add(ep, ep, EPOLLIN, 0), EINVAL);
	fails(add(p[0], p[1], EPOLLIN, 0), EINVAL);
	fails(add(300, p[1], EPOLLIN, 0), EBADF);
	fails(add(ep, 300, EPOLLIN, 0), EBADF);
	fails(mod(ep, p[0], EPOLLIN, 0), ENOENT);
	fails(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL), ENOENT);
	fails(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], NULL), EFAULT);
	fails(epoll_ctl(ep, 7, p[0], &ev), EINVAL);
	eq(add(ep, p[0], EPOLLIN, 0), 0);
	fails(add(ep, p[0], EPOLLIN, 0), EEXIST);
	fails(epoll_wait(ep, &ev, 0, 0), EINVAL);
	fails(epoll_wait(ep, &ev, -1, 0), EINVAL);
	fails(epoll_wait(p[0], &ev, 1, 0), EINVAL);
	fails(epoll_wait(300, &ev, 1, 0), EBADF);
	fails(read(ep, &ev, 8), EINVAL);
	fails(write(ep, &ev, 8), EINVAL);
	fails(add(ep, p[1], EPOLLOUT | EPOLLEXCLUSIVE | EPOLLONESHOT, 0), EINVAL);
	eq(add(ep, p[1], EPOLLOUT | EPOLLEXCLUSIVE, 1), 0);
	fails(mod(ep, p[1], EPOLLOUT, 1), EINVAL);
	wait_say("exclusive", ep, 0);
}

static void modes(void)
{
	int ep = must(epoll_create1(0)), p[2];

	must(pipe(p));
	eq(add(ep, p[0], EPOLLIN, 1), 0);
	must(write(p[1], "a", 1));
	wait_say("level", ep, 0);
	wait_say("level", ep, 0);
	eq(mod(ep, p[0], EPOLLIN | EPOLLET, 2), 0);
	wait_say("edge", ep, 0);
	wait_say("edge again", ep, 0);
	must(write(p[1], "b", 1));
	wait_say("edge after a write", ep, 0);
	eq(mod(ep, p[0], EPOLLIN | EPOLLONESHOT, 3), 0);
	wait_say("once", ep, 0);
	wait_say("once again", ep, 0);
	eq(mod(ep, p[0], EPOLLIN | EPOLLONESHOT, 4), 0);
	wait_say("rearmed", ep, 0);
	eq(mod(ep, p[0], 0, 5), 0);
	wait_say("nothing", ep, 0);
	close(p[1]);
	wait_say("hung up", ep, 0);
	close(p[0]);
	wait_say("closed", ep, 0);
	must(pipe(p));
	eq(add(ep, p[1], EPOLLOUT | EPOLLERR, 6), 0);
	close(p[0]);
	wait_say("reader gone", ep, 0);
}

/* A registration is of the description: it lives as long as that. */
static void closing(void)
{
	int ep = must(epoll_create1(0)), p[2], d;

	must(pipe(p));
	must(write(p[1], "x", 1));
	eq(add(ep, p[0], EPOLLIN, 1), 0);
	d = must(dup(p[0]));
	eq(add(ep, d, EPOLLIN, 2), 0);
	wait_say("two numbers", ep, 0);
	close(d);
	wait_say("the second number closed", ep, 0);
	d = must(dup(p[0]));
	close(p[0]);
	wait_say("the first too", ep, 0);
	close(d);
	wait_say("all closed", ep, 0);
	/* A child's copy keeps it alive. */
	must(pipe(p));
	must(write(p[1], "x", 1));
	eq(add(ep, p[0], EPOLLIN, 3), 0);
	pid_t pid = must(fork());
	if (pid == 0) {
		pause();
		_exit(0);
	}
	close(p[0]);
	wait_say("held by a child", ep, 0);
	kill(pid, SIGKILL);
	t_wait(pid);
	wait_say("child gone", ep, 0);
}

static void nesting(void)
{
	int e[8], a = must(epoll_create1(0)), b = must(epoll_create1(0)), p[2];

	must(pipe(p));
	eq(add(a, p[0], EPOLLIN, 1), 0);
	eq(add(b, a, EPOLLIN, 2), 0);
	wait_say("nested, nothing", b, 0);
	must(write(p[1], "x", 1));
	wait_say("nested", b, 1000);
	struct pollfd pf = { b, POLLIN, 0 };
	eq(poll(&pf, 1, 0), 1);
	fails(add(a, b, EPOLLIN, 3), ELOOP);
	e[0] = must(epoll_create1(0));
	for (int i = 1; i < 8; i++) {
		e[i] = must(epoll_create1(0));
		show("deeper", add(e[i], e[i - 1], EPOLLIN, i));
	}
}

static void kinds(void)
{
	int ep = must(epoll_create1(0)), p[2], s[2], ev = must(eventfd(0, 0)), in = must(inotify_init());
	int tf = must(timerfd_create(CLOCK_MONOTONIC, 0)), m = must(posix_openpt(O_RDWR | O_NOCTTY)), sl, sf;
	struct itimerspec it = { .it_value = { 0, 1000000 } };
	uint64_t one = 1;
	sigset_t set;

	must(pipe(p));
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	must(grantpt(m));
	must(unlockpt(m));
	sl = must(open(ptsname(m), O_RDWR | O_NOCTTY));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sf = must(signalfd(-1, &set, 0));
	must(mkdir("w", 0755));
	must(inotify_add_watch(in, "w", IN_CREATE));
	eq(add(ep, p[0], EPOLLIN, 1), 0);
	eq(add(ep, s[0], EPOLLIN | EPOLLRDHUP, 2), 0);
	eq(add(ep, ev, EPOLLIN, 3), 0);
	eq(add(ep, tf, EPOLLIN, 4), 0);
	eq(add(ep, in, EPOLLIN, 5), 0);
	eq(add(ep, m, EPOLLIN, 6), 0);
	eq(add(ep, sl, EPOLLIN, 7), 0);
	eq(add(ep, sf, EPOLLIN, 8), 0);
	wait_say("quiet", ep, 0);
	pid_t pid = must(fork());
	if (pid == 0) {
		write(p[1], "x", 1);
		shutdown(s[1], SHUT_WR);
		write(ev, &one, 8);
		timerfd_settime(tf, 0, &it, NULL);
		t_write_file("w/f", "");
		write(sl, "t", 1);
		write(m, "line\n", 5);
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	eqs(t_wait(pid), "exit 0");
	/* A terminal is served by a kernel thread in its own time, and the timer has its own. */
	for (int i = 0; i < 3; i++)
		poll(&(struct pollfd){ .fd = (int[]){ m, sl, tf }[i], .events = POLLIN }, 1, 10000);
	wait_say("all", ep, 1000);
}

/* Of many who wait for one event exclusively, few are woken, and the event is taken once. */
static volatile int woken;

static void *waiter(void *arg)
{
	struct epoll_event ev;
	int ep = must(epoll_create1(0)), fd = (int)(intptr_t)arg;
	uint64_t v;

	must(add(ep, fd, EPOLLIN | EPOLLEXCLUSIVE, 0));
	if (epoll_wait(ep, &ev, 1, 5000) == 1 && read(fd, &v, 8) == 8)
		__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void exclusive(void)
{
	int fd = must(eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK));
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		zero(pthread_create(&t[i], NULL, waiter, (void *)(intptr_t)fd));
	t_sleep_ms(50);
	for (int i = 0; i < 4; i++) {
		uint64_t v = 1;

		must(write(fd, &v, 8));
		t_sleep_ms(20);
	}
	for (int i = 0; i < 4; i++)
		zero(pthread_join(t[i], NULL));
	eq(woken, 4);
}

static volatile sig_atomic_t got;

static void note(int sig)
{
	got++;
}

static void masks(void)
{
	int ep = must(epoll_create1(0));
	struct sigaction sa = { .sa_handler = note };
	struct epoll_event ev;
	sigset_t set, none;

	sigaction(SIGUSR1, &sa, NULL);
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	eq(epoll_wait(ep, &ev, 1, 0), 0);
	eq(got, 0);
	fails(epoll_pwait(ep, &ev, 1, 1000, &none), EINTR);
	eq(got, 1);
	raise(SIGUSR1);
	eq(epoll_pwait(ep, &ev, 1, 10, &set), 0);
	eq(got, 1);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	eq(got, 2);
}

/* One epoll used by two processes: both see what either registers. */
static void shared(void)
{
	int ep = must(epoll_create1(0)), p[2];

	must(pipe(p));
	pid_t pid = must(fork());
	if (pid == 0)
		_exit(add(ep, p[0], EPOLLIN, 9));
	eqs(t_wait(pid), "exit 0");
	must(write(p[1], "x", 1));
	wait_say("registered by a child", ep, 1000);
	fails(add(ep, p[0], EPOLLIN, 9), EEXIST);
	eq(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL), 0);
	wait_say("gone", ep, 0);
}

/* ---- counters and timers ---- */

static void counters(void)
{
	uint64_t v;
	int fd = must(eventfd(3, EFD_NONBLOCK)), s = must(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC));

	eq(read(fd, &v, 8), 8);
	eq(v, 3);
	fails(read(fd, &v, 8), EAGAIN);
	v = -2ull;
	eq(write(fd, &v, 8), 8);
	v = 1;
	fails(write(fd, &v, 8), EAGAIN);
	v = -1ull;
	fails(write(fd, &v, 8), EINVAL);
	fails(write(fd, &v, 7), EINVAL);
	fails(read(fd, &v, 7), EINVAL);
	struct pollfd p = { fd, POLLIN | POLLOUT, 0 };
	eq(poll(&p, 1, 0), 1);
	eq(p.revents, POLLIN);
	eq(read(fd, &v, 8), 8);
	eq(v, -2ull);
	eq(read(s, &v, 8), 8);
	eq(v, 1);
	eq(read(s, &v, 8), 8);
	fails(read(s, &v, 8), EAGAIN);
	fails(eventfd(0, 0x10), EINVAL);
	fails(pread(fd, &v, 8, 0), ESPIPE);
	/* A writer that would overflow it blocks until it is read. */
	int b = must(eventfd(0, 0));
	v = -2ull;
	must(write(b, &v, 8));
	pid_t pid = must(fork());
	if (pid == 0) {
		v = 5;
		_exit(write(b, &v, 8) != 8);
	}
	t_sleep_ms(50);
	eq(waitpid(pid, NULL, WNOHANG), 0);
	eq(read(b, &v, 8), 8);
	eqs(t_wait(pid), "exit 0");
	eq(read(b, &v, 8), 8);
	eq(v, 5);
}

static void clocks(void)
{
	int fd = must(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK)), m;
	struct itimerspec it = { .it_value = { 1, 0 } }, old;
	struct timespec now;
	uint64_t v;

	fails(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0), EINVAL);
	fails(timerfd_create(99, 0), EINVAL);
	fails(timerfd_create(CLOCK_MONOTONIC, 1), EINVAL);
	if (!t_root()) /* who may wake the machine */
		fails(timerfd_create(CLOCK_REALTIME_ALARM, 0), EPERM);
	eq(timerfd_settime(fd, TFD_TIMER_ABSTIME, &it, &old), 0);
	eq(old.it_value.tv_sec, 0);
	eq(read(fd, &v, 8), 8);
	eq(v, 1);
	fails(read(fd, &v, 8), EAGAIN);
	fails(timerfd_settime(fd, 4, &it, NULL), EINVAL);
	it.it_value.tv_nsec = 1000000000;
	fails(timerfd_settime(fd, 0, &it, NULL), EINVAL);
	it = (struct itimerspec){ .it_value = { 100, 0 }, .it_interval = { 7, 5 } };
	fails(timerfd_settime(0, 0, &it, NULL), EINVAL);
	fails(timerfd_settime(300, 0, &it, NULL), EBADF);
	eq(timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &it, NULL), 0);
	ok(read(fd, &v, 8) == 8 && v > 1000);
	eq(timerfd_gettime(fd, &old), 0);
	eq(old.it_interval.tv_sec, 7);
	ok(old.it_value.tv_sec <= 7);
	m = must(timerfd_create(CLOCK_BOOTTIME, 0));
	clock_gettime(CLOCK_BOOTTIME, &now);
	it = (struct itimerspec){ .it_value = { now.tv_sec, now.tv_nsec }, .it_interval = { 0, 10000000 } };
	eq(timerfd_settime(m, TFD_TIMER_ABSTIME, &it, NULL), 0);
	t_sleep_ms(35);
	ok(read(m, &v, 8) == 8 && v >= 3 && v < 5000);
	it = (struct itimerspec){ 0 };
	eq(timerfd_settime(m, 0, &it, &old), 0);
	eq(old.it_interval.tv_nsec, 10000000);
	eq(timerfd_gettime(m, &old), 0);
	eq(old.it_value.tv_nsec + old.it_value.tv_sec, 0);
	fails(read(m, &v, 4), EINVAL);
	/* One timer, two processes. */
	it = (struct itimerspec){ .it_value = { 0, 20000000 } };
	eq(timerfd_settime(m, 0, &it, NULL), 0);
	pid_t pid = must(fork());
	if (pid == 0)
		_exit(!(read(m, &v, 8) == 8 && v == 1));
	eqs(t_wait(pid), "exit 0");
}

static void windows(void)
{
	struct signalfd_siginfo si[4];
	struct epoll_event ev;
	sigset_t set;
	int fd, ep = must(epoll_create1(0));
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = must(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
	eq(add(ep, fd, EPOLLIN, 1), 0);
	fails(read(fd, si, sizeof(si[0]) - 1), EINVAL);
	fails(read(fd, si, sizeof(si)), EAGAIN);
	pid = must(fork());
	if (pid == 0) {
		union sigval v = { .sival_int = 77 };

		sigqueue(getppid(), SIGRTMIN, v);
		v.sival_int = 78;
		sigqueue(getppid(), SIGRTMIN, v);
		kill(getppid(), SIGUSR1);
		kill(getppid(), SIGUSR1);
		/* The child's own queue is another. */
		_exit(read(fd, si, sizeof(si)) != -1 || errno != EAGAIN);
	}
	eq(epoll_wait(ep, &ev, 1, 2000), 1);
	eqs(t_wait(pid), "exit 0");
	eq(read(fd, si, sizeof(si)), 3 * sizeof(si[0]));
	eq(si[0].ssi_signo, SIGUSR1);
	ok(si[0].ssi_pid == (uint32_t)pid && si[0].ssi_uid == getuid());
	eq(si[0].ssi_code, SI_USER);
	eq(si[1].ssi_signo - SIGRTMIN, 0);
	eq(si[1].ssi_int, 77);
	eq(si[1].ssi_code, SI_QUEUE);
	eq(si[2].ssi_int, 78);
	eq(epoll_wait(ep, &ev, 1, 0), 0);
	/* Of SIGCHLD, SIGKILL's bit is dropped. */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGKILL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	eq(signalfd(fd, &set, 0), fd);
	pid = must(fork());
	if (pid == 0)
		_exit(5);
	eq(epoll_wait(ep, &ev, 1, 2000), 1);
	eq(read(fd, si, sizeof(si[0])), sizeof(si[0]));
	eq(si[0].ssi_signo, SIGCHLD);
	eq(si[0].ssi_status, 5);
	eq(si[0].ssi_code, CLD_EXITED);
	ok(si[0].ssi_pid == (uint32_t)pid);
	t_wait(pid);
	fails(signalfd(0, &set, 0), EINVAL);
	fails(signalfd(300, &set, 0), EBADF);
	fails(signalfd(-1, &set, 1), EINVAL);
}

T_MAIN(T(errors), T(modes), T(closing), T(nesting), T(kinds), T(exclusive), T(masks), T(shared), T(counters), T(clocks),
       T(windows))
