// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Locks on files that are there from the beginning: who opened them for reading before, and who opens them for writing
 * later, lock one and the same file.
 */
#include "lib/t.h"

#include <spawn.h>
#include <sys/file.h>

#ifndef F_OFD_SETLK
#define F_OFD_GETLK 36
#define F_OFD_SETLK 37
#define F_OFD_SETLKW 38
#endif

extern char **environ;

static char path[64];

/* Each test has a directory of its own; the base lies above. */
static const char *base(const char *name)
{
	snprintf(path, sizeof(path), "../base/%s", name);
	return path;
}

static int lock_at(int fd, int cmd, int type, int whence, long start, long len)
{
	struct flock fl = { .l_type = (short)type, .l_whence = (short)whence, .l_start = start, .l_len = len };

	return fcntl(fd, cmd, &fl);
}

static struct gate held, done;

static int holder(void *arg)
{
	int (*fn)(int) = (int (*)(int))arg, fd = open(path, O_RDONLY);

	if (fd < 0 || fn(fd))
		return 1;
	gate_open(&held);
	gate_wait(&done);
	return 0;
}

/* A child opens the file for reading and locks it. */
static pid_t hold(const char *name, int (*fn)(int))
{
	pid_t pid;

	base(name);
	gate_init(&held);
	gate_init(&done);
	pid = t_fork(holder, (void *)fn);
	ok(gate_wait(&held));
	return pid;
}

static void let_go(pid_t pid)
{
	gate_open(&done);
	eqs(t_wait(pid), "exit 0");
}

static int flock_whole(int fd)
{
	return flock(fd, LOCK_EX);
}

static void whole(void)
{
	pid_t pid = hold("dir/f", flock_whole);
	int fd = must(open(base("dir/f"), O_RDONLY)), w;

	fails(flock(fd, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	w = must(open(path, O_RDWR));
	fails(flock(w, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	eq(write(w, "F", 1), 1);
	fails(flock(w, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	let_go(pid);
	eq(flock(w, LOCK_EX | LOCK_NB), 0);
	fails(flock(fd, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	eq(flock(w, LOCK_UN), 0);
	eq(flock(fd, LOCK_SH | LOCK_NB), 0);
	eq(flock(w, LOCK_SH | LOCK_NB), 0);
	close(fd);
	close(w);
}

static int read_lock(int fd)
{
	/* "deeper\n": the last but one, from the end; and two from where it stands. */
	if (lseek(fd, 3, SEEK_SET) != 3)
		return 1;
	return lock_at(fd, F_SETLK, F_RDLCK, SEEK_END, -2, 1) || lock_at(fd, F_SETLK, F_RDLCK, SEEK_CUR, -3, 2);
}

static void records(void)
{
	pid_t pid = hold("dir/sub/g", read_lock);
	int fd = must(open(base("dir/sub/g"), O_RDWR)), r, w;
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0 };

	eq(write(fd, "D", 1), 1);
	fails(lock_at(fd, F_SETLK, F_WRLCK, SEEK_SET, 1, 1), EAGAIN);
	fails(lock_at(fd, F_SETLK, F_WRLCK, SEEK_SET, 5, 1), EAGAIN);
	eq(lock_at(fd, F_SETLK, F_WRLCK, SEEK_SET, 2, 3), 0);
	eq(lock_at(fd, F_SETLK, F_RDLCK, SEEK_SET, 0, 2), 0);
	eq(fcntl(fd, F_GETLK, &fl), 0);
	eq(fl.l_type, F_RDLCK);
	eq(fl.l_start, 0);
	eq(fl.l_len, 2);
	eq(fl.l_pid, pid);
	fl = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = 1, .l_len = 3 };
	eq(fcntl(fd, F_GETLK, &fl), 0);
	eq(fl.l_type, F_UNLCK);
	eq(fl.l_whence, SEEK_CUR);
	eq(fl.l_start, 1);
	let_go(pid);
	eq(lock_at(fd, F_SETLK, F_WRLCK, SEEK_SET, 0, 0), 0);
	/* What one opened it for counts, and closing any of its descriptors gives all up. */
	r = must(open(path, O_RDONLY));
	w = must(open(path, O_WRONLY));
	fails(lock_at(r, F_SETLK, F_WRLCK, SEEK_SET, 0, 1), EBADF);
	fails(lock_at(w, F_SETLK, F_RDLCK, SEEK_SET, 0, 1), EBADF);
	fails(lock_at(r, F_SETLK, F_RDLCK, SEEK_CUR, -1, 1), EINVAL);
	fails(lock_at(r, F_SETLK, 7, SEEK_SET, 0, 1), EINVAL);
	fails(lock_at(r, F_SETLK, F_RDLCK, 9, 0, 1), EINVAL);
	close(r);
	pid = fork();
	if (!pid)
		_exit(lock_at(w, F_SETLK, F_WRLCK, SEEK_SET, 0, 1) ? errno == EAGAIN ? 1 : 2 : 0);
	eqs(t_wait(pid), "exit 0");
	close(w);
	close(fd);
}

static void by_description(void)
{
	int r = must(open(base("keep"), O_RDONLY)), w;

	eq(lock_at(r, F_OFD_SETLK, F_RDLCK, SEEK_SET, 0, 2), 0);
	fails(lock_at(r, F_OFD_SETLK, F_WRLCK, SEEK_SET, 0, 2), EBADF);
	w = must(open(path, O_RDWR));
	fails(lock_at(w, F_OFD_SETLK, F_WRLCK, SEEK_SET, 1, 1), EAGAIN);
	eq(lock_at(w, F_OFD_SETLK, F_WRLCK, SEEK_SET, 2, 1), 0);
	close(r);
	eq(lock_at(w, F_OFD_SETLK, F_WRLCK, SEEK_SET, 0, 0), 0);
	close(w);
}

static int wait_for_it(void *arg)
{
	int fd = open(path, O_WRONLY | O_APPEND);

	gate_open(&held);
	if (lock_at(fd, F_SETLKW, F_WRLCK, SEEK_SET, 0, 0))
		return 1;
	return write(fd, "x", 1) != 1;
}

static void waits(void)
{
	int r = must(open(base("dir/f"), O_RDONLY));
	pid_t pid;

	eq(lock_at(r, F_SETLK, F_RDLCK, SEEK_SET, 0, 0), 0);
	gate_init(&held);
	pid = t_fork(wait_for_it, NULL);
	ok(gate_wait(&held));
	t_sleep_ms(100);
	eq(waitpid(pid, NULL, WNOHANG), 0);
	eq(lock_at(r, F_SETLK, F_UNLCK, SEEK_SET, 0, 0), 0);
	eqs(t_wait(pid), "exit 0");
	close(r);
}

static int helper(int argc, char **argv)
{
	(void)argv;
	if (argc > 2)
		return flock(3, LOCK_EX | LOCK_NB) ? 1 : 0;
	t_sleep_ms(300);
	return 0;
}

/* The open file has its lock over fork, vfork and exec. */
static void inherited(void)
{
	char *argv[] = { t_self, "helper", NULL }, *twice[] = { t_self, "helper", "lock", NULL };
	int fd = must(open(base("keep"), O_RDONLY)), w;
	pid_t pid;

	eq(dup2(fd, 3) >= 0, 1);
	if (fd != 3)
		close(fd);
	eq(flock(3, LOCK_EX), 0);
	zero(posix_spawn(&pid, t_self, NULL, NULL, twice, environ));
	eqs(t_wait(pid), "exit 0");
	zero(posix_spawn(&pid, t_self, NULL, NULL, argv, environ));
	close(3);
	w = must(open(path, O_RDWR));
	fails(flock(w, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	eqs(t_wait(pid), "exit 0");
	eq(flock(w, LOCK_EX | LOCK_NB), 0);
	pid = fork();
	if (!pid) {
		flock(w, LOCK_UN);
		_exit(0);
	}
	eqs(t_wait(pid), "exit 0");
	fd = must(open(path, O_RDONLY));
	eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
	close(w);
}

static int takes(void *arg)
{
	return flock(*(int *)arg, LOCK_EX | LOCK_NB) != 0;
}

/* As in `exec 9>>f; flock 9`: the child ends, the lock stays. */
static void taken_by_a_child(void)
{
	int w = must(open(base("keep"), O_RDWR)), other;
	pid_t pid = t_fork(takes, &w);

	eqs(t_wait(pid), "exit 0");
	other = must(open(path, O_RDWR));
	fails(flock(other, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	fails(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	close(w);
	eq(flock(other, LOCK_EX | LOCK_NB), 0);
	close(other);
}

T_MAIN_HELPER(helper, T(whole), T(records), T(by_description), T(waits), T(inherited), T(taken_by_a_child))
