// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * eventfd, timerfd, signalfd, inotify, memfd: events as descriptors.
 */
#include "lib/t.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static void event_counter(void)
{
	uint64_t v = 3;
	int e = must(eventfd(5, EFD_NONBLOCK | EFD_CLOEXEC));

	eq(read(e, &v, 8), 8);
	eq(v, 5);
	fails(read(e, &v, 8), EAGAIN);
	v = 3;
	eq(write(e, &v, 8), 8);
	eq(write(e, &v, 8), 8);
	eq(read(e, &v, 8), 8);
	eq(v, 6);
	fails(read(e, &v, 4), EINVAL);
	fails(write(e, &v, 4), EINVAL);
	v = UINT64_MAX;
	fails(write(e, &v, 8), EINVAL);
	v = UINT64_MAX - 1;
	eq(write(e, &v, 8), 8);
	v = 1;
	fails(write(e, &v, 8), EAGAIN);
	struct pollfd pf = { e, POLLIN | POLLOUT, 0 };
	eq(poll(&pf, 1, 0), 1);
	eq(pf.revents, POLLIN);
	fails(eventfd(0, 0x12345), EINVAL);
	int s = must(eventfd(2, EFD_SEMAPHORE));
	eq(read(s, &v, 8), 8);
	eq(v, 1);
	eq(read(s, &v, 8), 8);
	pid_t pid = must(fork());
	if (pid == 0) {
		t_sleep_ms(30);
		v = 4;
		_exit(write(s, &v, 8) != 8);
	}
	eq(read(s, &v, 8), 8);
	eq(v, 1);
	eqs(t_wait(pid), "exit 0");
}

static void timers(void)
{
	struct itimerspec it = { { 0, 0 }, { 0, 50000000 } }, cur;
	uint64_t n = 0;
	int t = must(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));

	fails(read(t, &n, 8), EAGAIN);
	eq(timerfd_settime(t, 0, &it, NULL), 0);
	eq(timerfd_gettime(t, &cur), 0);
	ok(cur.it_value.tv_nsec > 0 && cur.it_value.tv_nsec <= 50000000 && cur.it_value.tv_sec == 0);
	struct pollfd pf = { t, POLLIN, 0 };
	long long t0 = t_now_ms();
	eq(poll(&pf, 1, 5000), 1);
	ok(t_now_ms() - t0 >= 40);
	eq(read(t, &n, 8), 8);
	eq(n, 1);
	fails(read(t, &n, 8), EAGAIN);
	it.it_interval.tv_nsec = 10000000;
	it.it_value.tv_nsec = 10000000;
	eq(timerfd_settime(t, 0, &it, &cur), 0);
	eq(cur.it_value.tv_sec + cur.it_value.tv_nsec, 0);
	t_sleep_ms(105);
	eq(read(t, &n, 8), 8);
	ok(n >= 9);
	fails(read(t, &n, 7), EINVAL);
	memset(&it, 0, sizeof(it));
	eq(timerfd_settime(t, 0, &it, &cur), 0);
	eq(cur.it_interval.tv_nsec, 10000000);
	/* Absolute. */
	clock_gettime(CLOCK_MONOTONIC, &it.it_value);
	it.it_value.tv_sec -= 1;
	eq(timerfd_settime(t, TFD_TIMER_ABSTIME, &it, NULL), 0);
	eq(poll(&pf, 1, 1000), 1);
	fails(timerfd_create(77, 0), EINVAL);
	fails(timerfd_create(CLOCK_MONOTONIC, 0x40), EINVAL);
	it.it_value.tv_nsec = 1000000000;
	fails(timerfd_settime(t, 0, &it, NULL), EINVAL);
	fails(timerfd_settime(0, 0, &it, NULL), EINVAL);
	int blocking = must(timerfd_create(CLOCK_REALTIME, 0));
	it = (struct itimerspec){ { 0, 0 }, { 0, 30000000 } };
	must(timerfd_settime(blocking, 0, &it, NULL));
	pid_t pid = must(fork());
	if (pid == 0)
		_exit(read(blocking, &n, 8) == 8 && n == 1 ? 0 : 1);
	eqs(t_wait(pid), "exit 0");
}

static void signals(void)
{
	sigset_t s;
	struct signalfd_siginfo si[4];

	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigaddset(&s, SIGCHLD);
	sigprocmask(SIG_BLOCK, &s, NULL);
	int f = must(signalfd(-1, &s, SFD_NONBLOCK | SFD_CLOEXEC));
	fails(read(f, si, sizeof(si[0])), EAGAIN);
	sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 77 });
	eq(read(f, si, sizeof(si)), 128);
	eq(si[0].ssi_signo, SIGUSR1);
	eq(si[0].ssi_code, SI_QUEUE);
	eq(si[0].ssi_int, 77);
	ok(si[0].ssi_pid == (uint32_t)getpid() && si[0].ssi_uid == getuid());
	fails(read(f, si, 10), EINVAL);
	pid_t pid = must(fork());
	if (pid == 0)
		_exit(9);
	struct pollfd pf = { f, POLLIN, 0 };
	eq(poll(&pf, 1, 5000), 1);
	eq(read(f, si, sizeof(si)), 128);
	eq(si[0].ssi_signo, SIGCHLD);
	eq(si[0].ssi_status, 9);
	ok(si[0].ssi_pid == (uint32_t)pid);
	eqs(t_wait(pid), "exit 9");
	sigemptyset(&s);
	sigaddset(&s, SIGUSR2);
	sigprocmask(SIG_BLOCK, &s, NULL);
	eq(signalfd(f, &s, 0), f);
	raise(SIGUSR1);
	fails(read(f, si, sizeof(si)), EAGAIN);
	raise(SIGUSR2);
	int ep = must(epoll_create1(0));
	struct epoll_event ev = { .events = EPOLLIN };
	must(epoll_ctl(ep, EPOLL_CTL_ADD, f, &ev));
	eq(epoll_wait(ep, &ev, 1, 1000), 1);
	eq(read(f, si, sizeof(si)), 128);
	eq(si[0].ssi_signo, SIGUSR2);
	eq(si[0].ssi_code, SI_TKILL);
	fails(signalfd(0, &s, 0), EINVAL);
	fails(signalfd(-1, &s, 0x55), EINVAL);
}

static const char *mask_text(uint32_t m)
{
	static char b[128];
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = { { IN_CREATE, "create" }, { IN_DELETE, "delete" }, { IN_MODIFY, "modify" },
		      { IN_CLOSE_WRITE, "close_write" }, { IN_MOVED_FROM, "moved_from" }, { IN_MOVED_TO, "moved_to" },
		      { IN_ATTRIB, "attrib" }, { IN_ISDIR, "isdir" }, { IN_IGNORED, "ignored" },
		      { IN_DELETE_SELF, "delete_self" }, { IN_OPEN, "open" } };

	b[0] = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (m & names[i].bit) {
			strcat(b, " ");
			strcat(b, names[i].name);
		}
	return b;
}

static void print_events(int fd)
{
	char b[4096] __attribute__((aligned(8)));
	struct pollfd pf = { fd, POLLIN, 0 };

	while (poll(&pf, 1, 200) == 1) {
		ssize_t n = read(fd, b, sizeof(b));
		for (char *p = b; p < b + n;) {
			struct inotify_event *e = (struct inotify_event *)p;
			say("event%s%s%s", mask_text(e->mask), e->len ? ": " : "", e->len ? e->name : "");
			p += sizeof(*e) + e->len;
		}
	}
}

static void watching(void)
{
	int in = must(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
	char b[64];

	must(mkdir("d", 0755));
	int wd = must(inotify_add_watch(in, "d", IN_CREATE | IN_DELETE | IN_MOVE | IN_CLOSE_WRITE | IN_ATTRIB));
	fails(read(in, b, sizeof(b)), EAGAIN);
	t_write_file("d/a", "x");
	must(mkdir("d/sub", 0755));
	must(rename("d/a", "d/b"));
	must(chmod("d/b", 0600));
	must(unlink("d/b"));
	print_events(in);
	t_write_file("d/f", "x");
	print_events(in);
	int wf = must(inotify_add_watch(in, "d/f", IN_MODIFY | IN_DELETE_SELF));
	ok(wf != wd);
	pid_t pid = must(fork());
	if (pid == 0) {
		int fd = open("d/f", O_WRONLY);
		_exit(write(fd, "yy", 2) != 2);
	}
	t_wait(pid);
	print_events(in);
	eq(inotify_rm_watch(in, wd), 0);
	fails(inotify_rm_watch(in, wd), EINVAL);
	fails(inotify_add_watch(in, "gone", IN_CREATE), ENOENT);
	fails(inotify_add_watch(in, "d", 0), EINVAL);
	fails(inotify_add_watch(0, "d", IN_CREATE), EINVAL);
	print_events(in);
}

static void memory_files(void)
{
	char b[8] = "";
	int m = must(syscall(SYS_memfd_create, "name", 2 /* ALLOW_SEALING */));
	eq(fchown(m, getuid(), (gid_t)-1), 0);
	eq(fchown(m, (uid_t)-1, getgid()), 0);
	struct stat st;

	eq(write(m, "hello", 5), 5);
	eq(pread(m, b, 5, 0), 5);
	eqs(b, "hello");
	must(ftruncate(m, 4096));
	char *a = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0);
	eqs(a, "hello");
	munmap(a, 4096);
	must(fstat(m, &st));
	eq(st.st_mode & S_IFMT, S_IFREG);
	eq(st.st_nlink, 0);
	eq(fcntl(m, 1034 /* F_GET_SEALS */), 0);
	eq(fcntl(m, 1033 /* F_ADD_SEALS */, 8 | 4 /* WRITE, GROW */), 0);
	fails(write(m, "x", 1), EPERM);
	fails(ftruncate(m, 8192), EPERM);
	ok(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, m, 0) == MAP_FAILED && errno == EPERM);
	eq(ftruncate(m, 100), 0);
	fails(syscall(SYS_memfd_create, "x", 0x1000), EINVAL);
	char name[64], link[64] = "";
	snprintf(name, sizeof(name), "/proc/self/fd/%d", m);
	must(readlink(name, link, 63));
	eqs(link, "/memfd:name (deleted)");
}

T_MAIN(T(event_counter), T(timers), T(signals), T(watching), T(memory_files))
