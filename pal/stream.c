/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Pipes, event counters, sockets. Everything is opened close-on-exec: an exec of the image keeps only what is meant. */
#include "pal/impl.h"
#include "pal/grant.h"

int pal_pipe(int fds[2], int flags)
{
	return HOST(2, pipe2, fds, flags | O_CLOEXEC);
}

int pal_eventfd(unsigned value, int flags)
{
	return HOST(2, eventfd2, value, flags | EFD_CLOEXEC);
}

int pal_socketpair(int type, int fds[2])
{
	return pal_socketpair_flags(AF_UNIX, type, 0, fds);
}

int pal_socketpair_flags(int domain, int type, int protocol, int fds[2])
{
	return HOST(4, socketpair, domain, type | SOCK_CLOEXEC, protocol, fds);
}

/* The filter answers calls it denies by ending the process, so the rung is asked first. */
static bool sockets_denied(void)
{
	return pal_grant()->flags & GRANT_BROKER_SOCK;
}

int pal_socket(int domain, int type, int protocol)
{
	return sockets_denied() ? -EPERM : HOST(3, socket, domain, type | SOCK_CLOEXEC, protocol);
}

int pal_bind(int fd, const void *addr, unsigned len)
{
	return sockets_denied() ? -EPERM : HOST(3, bind, fd, addr, len);
}

int pal_connect(int fd, const void *addr, unsigned len)
{
	return sockets_denied() ? -EPERM : CP(3, connect, fd, addr, len);
}

int pal_listen(int fd, int backlog)
{
	return sockets_denied() ? -EPERM : HOST(2, listen, fd, backlog);
}

int pal_accept(int fd, void *addr, unsigned *len, int flags)
{
	return sockets_denied() ? -EPERM : CP(4, accept4, fd, addr, len, flags | SOCK_CLOEXEC);
}

int pal_getsockname(int fd, void *addr, unsigned *len)
{
	return HOST(3, getsockname, fd, addr, len);
}

int pal_getpeername(int fd, void *addr, unsigned *len)
{
	return HOST(3, getpeername, fd, addr, len);
}

int pal_setsockopt(int fd, int level, int name, const void *value, unsigned len)
{
	return HOST(5, setsockopt, fd, level, name, value, len);
}

int pal_getsockopt(int fd, int level, int name, void *value, unsigned *len)
{
	return HOST(5, getsockopt, fd, level, name, value, len);
}

int pal_shutdown(int fd, int how)
{
	return HOST(2, shutdown, fd, how);
}

ssize_t pal_sendto(int fd, const void *buf, size_t size, int flags, const void *addr, unsigned len)
{
	return CP(6, sendto, fd, buf, size, flags, addr, len);
}

ssize_t pal_recvfrom(int fd, void *buf, size_t size, int flags, void *addr, unsigned *len)
{
	return CP(6, recvfrom, fd, buf, size, flags, addr, len);
}

ssize_t pal_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return CP(3, sendmsg, fd, msg, flags);
}

ssize_t pal_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return CP(3, recvmsg, fd, msg, flags);
}

/*
 * The working directory is the one way to give the kernel a directory together with a socket's name. It belongs to the
 * process, so a lock holds it from fchdir to the lookup. A connect that has to wait for room in the listener's backlog
 * must not wait under that lock: it is made non-blocking for the moment and tried again.
 */
static struct mutex cwd_lock = MUTEX_INIT;

static int unix_once(int fd, int dir, const struct sockaddr_un *addr, unsigned len, bool connect)
{
	int err;

	lock(&cwd_lock);
	err = HOST(1, fchdir, dir);
	if (!err)
		err = connect ? HOST(3, connect, fd, addr, len) : HOST(3, bind, fd, addr, len);
	unlock(&cwd_lock);
	return err;
}

static int unix_connect_waiting(int fd, int dir, const struct sockaddr_un *addr, unsigned len, int flags)
{
	struct timespec pause = { 0, 100000 };
	int err;

	for (;;) {
		HOST(3, fcntl, fd, F_SETFL, flags | O_NONBLOCK);
		err = unix_once(fd, dir, addr, len, true);
		HOST(3, fcntl, fd, F_SETFL, flags);
		if (err != -EAGAIN)
			return err;
		err = pal_clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
		if (err)
			return err;
		pause.tv_nsec = MIN(pause.tv_nsec * 2, 10000000);
	}
}

int pal_unix_at(int fd, int dir, const char *name, bool connect)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t n = strlen(name);
	unsigned len = offsetof(struct sockaddr_un, sun_path) + n + 1;
	int flags;

	if (sockets_denied())
		return -EPERM;
	if (!n || name[0] == '/')
		return -EINVAL;
	if (n >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, name, n);
	if (!connect)
		return unix_once(fd, dir, &addr, len, false);
	flags = HOST(3, fcntl, fd, F_GETFL, 0);
	if (flags < 0)
		return flags;
	if (flags & O_NONBLOCK)
		return unix_once(fd, dir, &addr, len, true);
	return unix_connect_waiting(fd, dir, &addr, len, flags);
}
