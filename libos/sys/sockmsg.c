// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * sendmsg, recvmsg and their many-message forms: scattered data goes between guest and host as it
 * is; what is said beside it (descriptors, credentials, addresses) is translated in a copy.
 */
#include "libos/sys/sockaddr.h"
#include "libos/sys/sockmsg.h"
#include "libos/sys/wait_end.h"
#include "libos/mm/mm.h"

#define IOV_INLINE 8
#define CONTROL_MAX 65536

/* One message on its way: the guest's header, and the host's that stands for it. */
struct message {
	struct msghdr guest;
	struct msghdr host;
	struct sock_addr addr;
	struct iovec iov_inline[IOV_INLINE];
	struct iovec *iov;
	void *control;
};

static void message_free(struct message *m)
{
	if (m->iov != m->iov_inline)
		base_free(m->iov);
	base_free(m->control);
}

static int message_iov(struct message *m)
{
	size_t n = m->guest.msg_iovlen, total = 0;

	if (n > IOV_MAX)
		return -EMSGSIZE;
	if (n > IOV_INLINE) {
		m->iov = base_alloc(n * sizeof(*m->iov));
		if (!m->iov) {
			m->iov = m->iov_inline;
			return -ENOMEM;
		}
	}
	if (n && user_read(m->iov, m->guest.msg_iov, n * sizeof(*m->iov)) < 0)
		return -EFAULT;
	for (size_t i = 0; i < n; i++) {
		if ((ssize_t)m->iov[i].iov_len < 0 || (ssize_t)(total += m->iov[i].iov_len) < 0)
			return -EINVAL;
		if (!guest_range(m->iov[i].iov_base, m->iov[i].iov_len))
			return -EFAULT;
	}
	m->host.msg_iov = m->iov;
	m->host.msg_iovlen = n;
	return 0;
}

/* Take the guest's header apart. On error message_free is still due. */
static int message_read(struct message *m, const void *guest)
{
	m->iov = m->iov_inline;
	m->control = NULL;
	m->host = (struct msghdr){ 0 };
	m->addr.len = 0;
	if (user_read(&m->guest, guest, sizeof(m->guest)) < 0)
		return -EFAULT;
	if (!m->guest.msg_name)
		m->guest.msg_namelen = 0;
	if (m->guest.msg_namelen < 0)
		return -EINVAL;
	return message_iov(m);
}

static int message_control(struct message *m)
{
	size_t n = m->guest.msg_controllen;

	if (!n)
		return 0;
	if (n > CONTROL_MAX)
		return -ENOBUFS;
	m->control = base_zalloc(n + CONTROL_ROOM);
	if (!m->control)
		return -ENOMEM;
	m->host.msg_control = m->control;
	m->host.msg_controllen = n;
	return 0;
}

/* ---- sending ---- */

static long send_one(struct file *f, const void *guest, int flags)
{
	struct control_files held = { 0 };
	struct message m;
	long r = message_read(&m, guest);

	if (r == 0 && m.guest.msg_namelen) {
		r = sockaddr_read(&m.addr, m.guest.msg_name,
				  MIN((unsigned)m.guest.msg_namelen, SOCK_ADDR_MAX));
		if (r == 0)
			r = sock_addr_to_host(f, &m.addr);
		m.host.msg_name = m.addr.bytes;
		m.host.msg_namelen = (int)m.addr.len;
	}
	if (r == 0)
		r = message_control(&m);
	if (r == 0 && m.control)
		r = user_read(m.control, m.guest.msg_control, m.guest.msg_controllen);
	if (r == 0 && m.control)
		r = control_to_host(&m.host, &held);
	if (r == 0)
		r = sock_sendmsg(f, &m.host, flags | MSG_NOSIGNAL);
	control_files_put(&held);
	message_free(&m);
	return r;
}

long sys_sendmsg(int fd, const void *msg, int flags)
{
	cleanup_file struct file *f = sock_get(fd);

	return IS_ERR(f) ? PTR_ERR(f) : sent(send_one(f, msg, flags), flags);
}

long sys_sendmmsg(int fd, void *msgs, unsigned n, int flags)
{
	cleanup_file struct file *f = sock_get(fd);
	struct mmsghdr *guest = msgs;
	unsigned i;
	long r = 0;

	if (IS_ERR(f))
		return PTR_ERR(f);
	n = MIN(n, (unsigned)IOV_MAX);
	for (i = 0; i < n; i++) {
		unsigned len;

		r = send_one(f, &guest[i].msg_hdr, flags);
		if (r < 0)
			break;
		len = (unsigned)r;
		if (user_write(&guest[i].msg_len, &len, sizeof(len)) < 0) {
			r = -EFAULT;
			break;
		}
	}
	return i ? (long)i : sent(r, flags);
}

/* ---- receiving ---- */

static int message_write(struct file *f, struct message *m, struct msghdr *guest)
{
	unsigned len = m->addr.len;

	if (m->guest.msg_name) {
		m->addr.len = MIN((unsigned)m->host.msg_namelen, SOCK_ADDR_MAX);
		sock_addr_to_guest(f, &m->addr);
		len = m->addr.len;
		if (user_write(m->guest.msg_name, m->addr.bytes,
			       MIN(len, (unsigned)m->guest.msg_namelen)) < 0)
			return -EFAULT;
		if (user_write(&guest->msg_namelen, &len, sizeof(int)) < 0)
			return -EFAULT;
	}
	if (m->control && m->host.msg_controllen &&
	    user_write(m->guest.msg_control, m->control, m->host.msg_controllen) < 0)
		return -EFAULT;
	if (user_write(&guest->msg_flags, &m->host.msg_flags, sizeof(unsigned)) < 0)
		return -EFAULT;
	return user_write(&guest->msg_controllen, &m->host.msg_controllen, sizeof(size_t));
}

static long receive_one(struct file *f, struct msghdr *guest, int flags)
{
	struct message m;
	long r = message_read(&m, guest);
	int err;

	if (r == 0)
		r = message_control(&m);
	if (r == 0 && m.control)
		m.host.msg_controllen += CONTROL_ROOM;
	if (r == 0 && m.guest.msg_name) {
		m.host.msg_name = m.addr.bytes;
		m.host.msg_namelen = SOCK_ADDR_MAX;
	}
	if (r == 0)
		r = sock_recvmsg(f, &m.host, flags | MSG_CMSG_CLOEXEC);
	if (r >= 0) {
		m.host.msg_flags &= ~(unsigned)MSG_CMSG_CLOEXEC;
		m.host.msg_flags |= flags & MSG_CMSG_CLOEXEC;
		if (m.control)
			control_to_guest(&m.host, m.guest.msg_controllen, flags & MSG_CMSG_CLOEXEC);
		err = message_write(f, &m, guest);
		if (err < 0)
			r = err;
	}
	message_free(&m);
	return r;
}

long sys_recvmsg(int fd, void *msg, int flags)
{
	cleanup_file struct file *f = sock_get(fd);

	return IS_ERR(f) ? PTR_ERR(f) : restartable(receive_one(f, msg, flags));
}

long sys_recvmmsg(int fd, void *msgs, unsigned n, int flags, struct timespec *timeout)
{
	cleanup_file struct file *f = sock_get(fd);
	struct wait_end end = { .forever = !timeout };
	struct mmsghdr *guest = msgs;
	struct timespec ts;
	unsigned i;
	long r = 0;

	if (IS_ERR(f))
		return PTR_ERR(f);
	if (timeout) {
		if (user_read(&ts, timeout, sizeof(ts)) < 0)
			return -EFAULT;
		if (!timespec_valid(&ts))
			return -EINVAL;
		end = wait_end_after(&ts);
	}
	n = MIN(n, (unsigned)IOV_MAX);
	for (i = 0; i < n; i++) {
		int wait = i && flags & MSG_WAITFORONE ? MSG_DONTWAIT : 0;
		unsigned len;

		r = receive_one(f, &guest[i].msg_hdr, (flags & ~MSG_WAITFORONE) | wait);
		if (r < 0)
			break;
		len = (unsigned)r;
		if (user_write(&guest[i].msg_len, &len, sizeof(len)) < 0) {
			r = -EFAULT;
			break;
		}
		if (timeout && end.at <= clock_now(CLOCK_MONOTONIC)) {
			i++;
			break;
		}
	}
	if (timeout) {
		ts = wait_end_left(&end);
		if (user_write(timeout, &ts, sizeof(ts)) < 0)
			return -EFAULT;
	}
	return i ? (long)i : restartable(r);
}
