/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* POSIX message queues: names, priorities, sleepers, notification, readiness; and /dev/mqueue where it is mounted. */
#include "lib/t.h"
#include <limits.h>
#include <mqueue.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

static char name[32];

static mqd_t fresh(int flags, long max, long size)
{
	struct mq_attr a = { .mq_maxmsg = max, .mq_msgsize = size };

	snprintf(name, sizeof(name), "/t%d", getpid());
	mq_unlink(name);
	return (mqd_t)must(mq_open(name, O_RDWR | O_CREAT | O_EXCL | flags, 0600, &a));
}

static void done(mqd_t q)
{
	must(mq_unlink(name));
	must(mq_close(q));
}

static const char *take(mqd_t q)
{
	static char out[64];
	char buf[9000];
	unsigned prio;
	ssize_t n = mq_receive(q, buf, sizeof(buf), &prio);

	if (n < 0)
		snprintf(out, sizeof(out), "%s", t_errname(errno));
	else
		snprintf(out, sizeof(out), "%u %zd %.*s", prio, n, (int)n, buf);
	return out;
}

static int put(mqd_t q, const char *text, unsigned prio)
{
	return mq_send(q, text, strlen(text), prio);
}

static void names(void)
{
	char longer[300];
	mqd_t a, b;

	snprintf(name, sizeof(name), "/t%d", getpid());
	fails(mq_open(name, O_RDWR), ENOENT);
	fails(syscall(SYS_mq_open, "a/b", O_RDWR | O_CREAT, 0600, NULL), EACCES);
	fails(syscall(SYS_mq_open, "", O_RDWR | O_CREAT, 0600, NULL), ENOENT);
	fails(syscall(SYS_mq_open, ".", O_RDWR | O_CREAT, 0600, NULL), EACCES);
	fails(syscall(SYS_mq_open, NULL, O_RDWR, 0, NULL), EFAULT);
	memset(longer, 'x', sizeof(longer));
	longer[256] = '\0';
	fails(syscall(SYS_mq_open, longer, O_RDWR | O_CREAT, 0600, NULL), ENAMETOOLONG);
	a = (mqd_t)must(mq_open(name, O_RDWR | O_CREAT, 0600, NULL));
	fails(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL), EEXIST);
	b = (mqd_t)must(mq_open(name, O_RDONLY));
	ok(fcntl(a, F_GETFD) & FD_CLOEXEC);
	eq(put(a, "x", 0), 0);
	fails(put(b, "x", 0), EBADF);
	eq(mq_unlink(name), 0);
	fails(mq_unlink(name), ENOENT);
	fails(mq_open(name, O_RDWR), ENOENT);
	say("%s", take(b));
	must(mq_close(a));
	must(mq_close(b));
	fails(put(a, "x", 0), EBADF);
	b = (mqd_t)must(mq_open(name, O_WRONLY | O_CREAT, 0400, NULL));
	if (!t_root())
		fails(mq_open(name, O_RDWR), EACCES);
	char buf[9000];
	fails(mq_receive(b, buf, sizeof(buf), NULL), EBADF);
	eq(put(b, "y", 0), 0);
	must(mq_close(b));
	/* It stays with its message. */
	b = (mqd_t)must(mq_open(name, O_RDONLY));
	say("%s", take(b));
	done(b);
	int fd = open("/dev/null", O_RDWR);
	fails(mq_send(fd, "x", 1, 0), EBADF);
}

static void attributes(void)
{
	struct mq_attr a = { 0 }, set = { .mq_flags = O_NONBLOCK, .mq_maxmsg = 77 }, old;
	static const long bad[][2] = { { 0, 10 }, { 10, 0 }, { -1, 10 }, { 10, -1 } };
	mqd_t q;

	snprintf(name, sizeof(name), "/t%d", getpid());
	q = (mqd_t)must(mq_open(name, O_RDWR | O_CREAT, 0600, NULL));
	eq(mq_getattr(q, &a), 0);
	say("%ld %ld %ld %ld", a.mq_flags, a.mq_maxmsg, a.mq_msgsize, a.mq_curmsgs);
	done(q);
	for (int i = 0; i < 4; i++) {
		a = (struct mq_attr){ .mq_maxmsg = bad[i][0], .mq_msgsize = bad[i][1] };
		fails(mq_open(name, O_RDWR | O_CREAT, 0600, &a), EINVAL);
	}
	a = (struct mq_attr){ .mq_maxmsg = 11, .mq_msgsize = 8 };
	if (!t_root()) {
		fails(mq_open(name, O_RDWR | O_CREAT, 0600, &a), EINVAL);
		a = (struct mq_attr){ .mq_maxmsg = 10, .mq_msgsize = 8193 };
		fails(mq_open(name, O_RDWR | O_CREAT, 0600, &a), EINVAL);
	}
	q = fresh(0, 3, 16);
	eq(mq_setattr(q, &set, &old), 0);
	say("%ld %ld %ld", old.mq_flags, old.mq_maxmsg, old.mq_msgsize);
	eq(mq_getattr(q, &a), 0);
	ok(a.mq_flags == O_NONBLOCK && a.mq_maxmsg == 3);
	set.mq_flags = O_APPEND;
	fails(mq_setattr(q, &set, NULL), EINVAL);
	fails(mq_receive(q, (char *)&a, 15, NULL), EMSGSIZE);
	fails(mq_receive(q, (char *)&a, 16, NULL), EAGAIN);
	fails(mq_send(q, (char *)&a, 17, 0), EMSGSIZE);
	fails(mq_send(q, (char *)&a, 16, 32768), EINVAL);
	eq(mq_send(q, (char *)&a, 16, 32767), 0);
	eq(mq_send(q, (char *)&a, 0, 0), 0);
	eq(mq_send(q, (char *)&a, 1, 0), 0);
	fails(mq_send(q, (char *)&a, 1, 0), EAGAIN);
	done(q);
}

static void limit(void)
{
	struct rlimit lim = { 1000, 1000 };

	snprintf(name, sizeof(name), "/t%d", getpid());
	must(setrlimit(RLIMIT_MSGQUEUE, &lim));
	fails(mq_open(name, O_RDWR | O_CREAT, 0600, NULL), EMFILE);
	say("%s", t_read_file("/proc/sys/fs/mqueue/msg_max"));
	say("%s", t_read_file("/proc/sys/fs/mqueue/msgsize_max"));
	say("%s", t_read_file("/proc/sys/fs/mqueue/queues_max"));
}

static void order(void)
{
	static const unsigned prio[] = { 1, 5, 3, 5, 0, 3, 9 };
	char text[4];
	mqd_t q = fresh(0, 10, 16);

	for (int i = 0; i < 7; i++) {
		snprintf(text, sizeof(text), "m%d", i);
		eq(put(q, text, prio[i]), 0);
	}
	for (int i = 0; i < 7; i++)
		say("%s", take(q));
	done(q);
}

static int receive_one(void *arg)
{
	char buf[64];
	ssize_t n = mq_receive(*(mqd_t *)arg, buf, sizeof(buf), NULL);

	return n < 0 ? 100 + errno : buf[0];
}

static int send_one(void *arg)
{
	return put(*(mqd_t *)arg, "Z", 4) ? 100 + errno : 0;
}

static void sleepers(void)
{
	mqd_t q = fresh(0, 1, 16);
	pid_t a = t_fork(receive_one, &q), b;
	t_sleep_ms(50);
	b = t_fork(receive_one, &q);
	t_asleep(b, 50);
	eq(put(q, "\1", 0), 0);
	eq(put(q, "\2", 0), 0);
	say("%s", t_wait(a));
	say("%s", t_wait(b));
	eq(put(q, "first", 0), 0);
	a = t_fork(send_one, &q);
	t_asleep(a, 50);
	say("%s", take(q));
	say("%s", t_wait(a));
	say("%s", take(q));
	a = t_fork(receive_one, &q);
	t_asleep(a, 50);
	kill(a, SIGKILL);
	say("%s", t_wait(a));
	eq(put(q, "for us", 0), 0);
	say("%s", take(q));
	done(q);
}

static void timeouts(void)
{
	struct timespec t, bad = { 0, -1 };
	char buf[64];
	mqd_t q = fresh(0, 1, 16);

	clock_gettime(CLOCK_REALTIME, &t);
	fails(mq_timedreceive(q, buf, sizeof(buf), NULL, &t), ETIMEDOUT);
	fails(mq_timedreceive(q, buf, sizeof(buf), NULL, &bad), EINVAL);
	t.tv_nsec += 50000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	fails(mq_timedreceive(q, buf, sizeof(buf), NULL, &t), ETIMEDOUT);
	eq(put(q, "x", 0), 0);
	fails(mq_timedsend(q, "y", 1, 0, &t), ETIMEDOUT);
	eq(mq_timedreceive(q, buf, sizeof(buf), NULL, &t), 1);
	done(q);
}

static volatile int got_value, got_code, got_pid, got_count;

static void on_signal(int sig, siginfo_t *i, void *c)
{
	(void)sig, (void)c;
	got_value = i->si_value.sival_int;
	got_code = i->si_code;
	got_pid = i->si_pid;
	got_count++;
}

static void interrupted(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	mqd_t q = fresh(0, 1, 16);
	char buf[16];
	pid_t p, self = getpid();

	must(sigaction(SIGUSR1, &sa, NULL));
	p = fork();
	if (!p) {
		t_sleep_ms(60);
		kill(self, SIGUSR1);
		_exit(0);
	}
	fails(mq_receive(q, buf, sizeof(buf), NULL), EINTR);
	say("%s", t_wait(p));
	/* With SA_RESTART it goes on waiting. */
	sa.sa_flags |= SA_RESTART;
	must(sigaction(SIGUSR1, &sa, NULL));
	p = fork();
	if (!p) {
		t_sleep_ms(60);
		kill(self, SIGUSR1);
		t_sleep_ms(60);
		_exit(put(q, "late", 0));
	}
	say("%s", take(q));
	say("%s", t_wait(p));
	done(q);
}

static void notification(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2, .sigev_value.sival_int = 42 };
	mqd_t q = fresh(0, 4, 16);
	pid_t p;

	must(sigaction(SIGUSR2, &sa, NULL));
	eq(mq_notify(q, &ev), 0);
	fails(mq_notify(q, &ev), EBUSY);
	eq(put(q, "a", 0), 0);
	eq(got_count, 1);
	ok(got_code == SI_MESGQ && got_value == 42 && got_pid == getpid());
	/* Once only, and only when the queue was empty. */
	eq(mq_notify(q, &ev), 0);
	eq(put(q, "b", 0), 0);
	eq(got_count, 1);
	say("%s", take(q));
	say("%s", take(q));
	p = t_fork(send_one, &q);
	say("%s", t_wait(p));
	for (int i = 0; i < 500 && got_count < 2; i++)
		t_sleep_ms(2);
	eq(got_count, 2);
	ok(got_pid == p && got_value == 42);
	say("%s", take(q));
	/* Taken back; and a process that ends takes its own with it. */
	eq(mq_notify(q, &ev), 0);
	eq(mq_notify(q, NULL), 0);
	eq(mq_notify(q, NULL), 0);
	p = fork();
	if (!p)
		_exit(mq_notify(q, &ev));
	say("%s", t_wait(p));
	eq(mq_notify(q, &ev), 0);
	eq(mq_notify(q, NULL), 0);
	/* Who waits in receive comes first: nobody is told. */
	eq(mq_notify(q, &ev), 0);
	p = t_fork(receive_one, &q);
	t_asleep(p, 500);
	eq(put(q, "\5", 0), 0);
	say("%s", t_wait(p));
	eq(got_count, 2);
	ev.sigev_notify = 77;
	fails(mq_notify(q, &ev), EINVAL);
	ev.sigev_notify = SIGEV_SIGNAL;
	ev.sigev_signo = 65;
	fails(mq_notify(q, &ev), EINVAL);
	done(q);
}

static mqd_t told_by;
static volatile int told;

static void on_thread(union sigval v)
{
	say("%d: %s", v.sival_int, take(told_by));
	told++;
}

/* As the C library makes threads of it. */
static void by_thread(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_thread };
	mqd_t q = fresh(0, 4, 16);
	pid_t p;

	told_by = q;
	for (int i = 0; i < 3; i++) {
		ev.sigev_value.sival_int = i;
		eq(mq_notify(q, &ev), 0);
		/* Not a second thread's: musl cancels that one, which may be gone, memory and all, before it is signalled. */
		fails(mq_notify(q, &(struct sigevent){ .sigev_notify = SIGEV_NONE }), EBUSY);
		p = i ? t_fork(send_one, &q) : 0;
		if (!i)
			must(put(q, "own", 1));
		for (int k = 0; k < 2500 && told <= i; k++)
			t_sleep_ms(2);
		eq(told, i + 1);
		if (p)
			say("%s", t_wait(p));
	}
	eq(mq_notify(q, &ev), 0);
	eq(mq_notify(q, NULL), 0);
	done(q);
}

static int events(mqd_t q)
{
	struct pollfd p = { .fd = q, .events = POLLIN | POLLOUT };

	return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

static int late(void *arg)
{
	t_sleep_ms(60);
	return put(*(mqd_t *)arg, "x", 0);
}

static void readiness(void)
{
	mqd_t q = fresh(0, 2, 16), other;
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = 7 }, out = { 0 };
	struct pollfd p = { .fd = q, .events = POLLIN };
	int ep = (int)must(epoll_create1(0));
	pid_t c;

	eq(events(q), POLLOUT);
	must(put(q, "a", 0));
	eq(events(q), POLLIN | POLLOUT);
	must(put(q, "b", 0));
	eq(events(q), POLLIN);
	other = (mqd_t)must(mq_open(name, O_RDWR));
	eq(events(other), POLLIN);
	say("%s", take(other));
	eq(events(q), POLLIN | POLLOUT);
	say("%s", take(q));
	eq(events(other), POLLOUT);
	for (int i = 0; i < 50; i++) {
		must(put(other, "c", 0));
		must(put(q, "d", 0));
		if (events(q) != POLLIN)
			say("FAIL at %d", i);
		take(q);
		if (events(q) != (POLLIN | POLLOUT))
			say("FAIL at %d", i);
		take(other);
		if (events(other) != POLLOUT)
			say("FAIL at %d", i);
	}
	c = t_fork(late, &q);
	eq(poll(&p, 1, 5000), 1);
	eq(p.revents, POLLIN);
	say("%s", t_wait(c));
	must(epoll_ctl(ep, EPOLL_CTL_ADD, q, &ev));
	eq(epoll_wait(ep, &out, 1, 0), 1);
	eq(out.data.u32, 7);
	say("%s", take(q));
	eq(epoll_wait(ep, &out, 1, 0), 0);
	c = t_fork(late, &other);
	eq(epoll_wait(ep, &out, 1, 5000), 1);
	say("%s", t_wait(c));
	must(mq_close(other));
	done(q);
}

static void as_file(void)
{
	mqd_t q = fresh(0, 4, 16);
	struct stat st;
	char buf[100];
	ssize_t n;

	eq(fstat(q, &st), 0);
	say("%o %ld", st.st_mode, (long)st.st_size);
	ok(st.st_uid == geteuid());
	must(put(q, "12345", 0));
	n = read(q, buf, sizeof(buf));
	say("%.*s", (int)n, buf);
	eq(read(q, buf, sizeof(buf)), 0);
	eq(lseek(q, 6, SEEK_SET), 6);
	eq(read(q, buf, 1), 1);
	say("%c", buf[0]);
	fails(write(q, "x", 1), EINVAL);
	must(fchmod(q, 0644));
	must(fstat(q, &st));
	say("%o", st.st_mode);
	done(q);
}

/* Blocking or not is the open file's, whoever has it: a child, or who got it by a socket. */
static int unblocks(void *arg)
{
	int q = *(int *)arg;

	return fcntl(q, F_SETFL, O_NONBLOCK);
}

union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static int gets_it(void *arg)
{
	union control control;
	struct iovec iov = { &(char){ 0 }, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct mq_attr a = { 0 };
	int q;

	if (recvmsg(*(int *)arg, &m, 0) != 1 || !CMSG_FIRSTHDR(&m))
		return 1;
	memcpy(&q, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(q));
	if (strcmp(take(q), "5 5 first") || strcmp(take(q), "EAGAIN"))
		return 2;
	return mq_setattr(q, &a, NULL) || put(q, "back", 1) ? 3 : 0;
}

static void pass(int to, int fd)
{
	union control control = { { 0 } };
	struct iovec iov = { "x", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_len = CMSG_LEN(sizeof(int));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	eq(sendmsg(to, &m, 0), 1);
}

static void shared(void)
{
	mqd_t q = fresh(0, 2, 16), again;
	struct mq_attr a;
	int ends[2];
	pid_t c;

	eq(fcntl(q, F_GETFL) & O_NONBLOCK, 0);
	c = t_fork(unblocks, &q);
	eqs(t_wait(c), "exit 0");
	eq(fcntl(q, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	eqs(take(q), "EAGAIN");
	must(mq_getattr(q, &a));
	eq(a.mq_flags, O_NONBLOCK);
	/* Another description of the same queue is another matter. */
	again = (mqd_t)must(mq_open(name, O_RDWR));
	eq(fcntl(again, F_GETFL) & O_NONBLOCK, 0);
	must(mq_close(again));
	again = (mqd_t)must(mq_open(name, O_RDWR | O_NONBLOCK));
	eq(fcntl(again, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	must(mq_close(again));
	must(put(q, "first", 5));
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	c = t_fork(gets_it, &ends[1]);
	pass(ends[0], q);
	eqs(t_wait(c), "exit 0");
	eq(fcntl(q, F_GETFL) & O_NONBLOCK, 0);
	eqs(take(q), "1 4 back");
	done(q);
}

T_MAIN(T(names), T(attributes), T(limit), T(order), T(sleepers), T(timeouts), T(interrupted), T(notification), T(by_thread), T(readiness), T(as_file), T(shared))
