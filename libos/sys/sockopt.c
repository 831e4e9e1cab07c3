// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Socket options. What the host's filter lets through is passed on; the rest gets the answer of a
 * kernel that lacks the option or the caller's privilege, since the filter's own answer would be
 * death.
 */
#include "libos/sys/sockaddr.h"
#include "libos/coord/area.h"
#include "libos/mm/mm.h"
#include "libos/net/link.h"
#include "libos/net/net.h"
#include "libos/net/out.h"
#include "libos/sys/sockmsg.h"
#include "pal/grant.h"

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#define SO_PEERPIDFD 77
#endif

static int option_socket(int name, unsigned len)
{
	switch (name) {
	case SO_MARK:
	case SO_SNDBUFFORCE:
	case SO_RCVBUFFORCE:
	case SO_BINDTODEVICE:
		return -EPERM;
	case SO_DEBUG ... SO_OOBINLINE:
	case SO_REUSEPORT:
	case SO_PASSCRED:
	case SO_RCVLOWAT:
	case SO_SNDLOWAT:
	case SO_RCVTIMEO_OLD:
	case SO_SNDTIMEO_OLD:
	case SO_TIMESTAMP_OLD:
	case SO_PEEK_OFF:
		return 1;
	case SO_NO_CHECK:
	case SO_PRIORITY:
	case SO_BSDCOMPAT:
		return 0; /* advice that nothing here depends on */
	case SO_LINGER:
		return len < sizeof(struct linger) ? -EINVAL : 0; /* the libOS's: pal/confine/seccomp.def */
	}
	return -ENOPROTOOPT;
}

/* 1: ask the host. 0: done. Else the error. */
static int option_set(const struct sock *s, int level, int name, unsigned len)
{
	if (level == SOL_SOCKET)
		return option_socket(name, len);
	if (s->domain == AF_UNIX)
		return -EOPNOTSUPP;
	if (level == IPPROTO_TCP && name == TCP_ULP)
		return -ENOENT; /* as on a kernel that has none */
	if (name >= 0 &&
	    ((level == IPPROTO_TCP && name <= 36) || (level == IPPROTO_IP && name <= 50) ||
	     (level == IPPROTO_IPV6 && name <= 78)))
		return 1;
	return -ENOPROTOOPT;
}

static long set_linger(struct sock *s, const struct linger *guest)
{
	struct linger l;

	if (user_read(&l, guest, sizeof(l)))
		return -EFAULT;
	s->linger.l_onoff = !!l.l_onoff;
	if (l.l_onoff)
		s->linger.l_linger = l.l_linger;
	return 0;
}

static long get_linger(const struct sock *s, void *value, unsigned *len)
{
	unsigned n = sizeof(s->linger);
	int room;

	if (user_read(&room, len, sizeof(room)))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	n = MIN(n, (unsigned)room);
	return user_write(value, &s->linger, n) || user_write(len, &n, sizeof(n)) ? -EFAULT : 0;
}

long sys_setsockopt(int fd, int level, int name, const void *value, unsigned len)
{
	cleanup_file struct file *f = sock_get(fd);
	int r;

	if (IS_ERR(f))
		return PTR_ERR(f);
	if ((int)len < 0)
		return -EINVAL;
	if (!guest_range(value, len))
		return -EFAULT;
	if (to_sock(f)->netlink)
		return 0; /* they ask for more or fewer answers than there will be */
	if (to_net(f))
		return net_setsockopt(f, level, name, value, len);
	if (to_out(f) && to_out(f)->dialed)
		return out_setsockopt(f, level, name, value, len);
	r = option_set(to_sock(f), level, name, len);
	if (!r && level == SOL_SOCKET && name == SO_LINGER)
		return set_linger(to_sock(f), value);
	return r > 0 ? pal_setsockopt(f->host_fd, level, name, value, len) : r;
}

void ucred_to_guest(struct ucred *c)
{
	s32 pid = c->pid ? task_guest_pid((s32)c->pid) : 0;
	struct area_slot *slot = area_process(pid);

	c->pid = (u32)pid;
	c->uid = slot ? slot->euid : pal_grant()->uid;
	c->gid = slot ? slot->egid : pal_grant()->gid;
}

static long get_peercred(struct file *f, void *value, unsigned *len)
{
	struct ucred c;
	unsigned n = sizeof(c);
	int room, r;

	if (user_read(&room, len, sizeof(room)) < 0)
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	r = pal_getsockopt(f->host_fd, SOL_SOCKET, SO_PEERCRED, &c, &n);
	if (r < 0)
		return r;
	if ((s32)c.pid > 0)
		ucred_to_guest(&c);
	n = MIN((unsigned)room, (unsigned)sizeof(c));
	return user_write(value, &c, n) < 0 || user_write(len, &n, sizeof(n)) < 0 ? -EFAULT : 0;
}

long sys_getsockopt(int fd, int level, int name, void *value, unsigned *len)
{
	cleanup_file struct file *f = sock_get(fd);

	if (IS_ERR(f))
		return PTR_ERR(f);
	if (!guest_range(len, sizeof(*len)) || !guest_range(value, 0))
		return -EFAULT;
	if (to_sock(f)->netlink)
		return netlink_getsockopt(f, level, name, value, len);
	if (to_net(f))
		return net_getsockopt(f, level, name, value, len);
	if (to_out(f) && to_out(f)->dialed)
		return out_getsockopt(f, level, name, value, len);
	if (level == SOL_SOCKET && name == SO_PEERCRED)
		return get_peercred(f, value, len);
	if (level == SOL_SOCKET && name == SO_LINGER)
		return get_linger(to_sock(f), value, len);
	if (level == SOL_SOCKET && (name == SO_PEERPIDFD || name == SO_PASSPIDFD))
		return -ENOPROTOOPT;
	return pal_getsockopt(f->host_fd, level, name, value, len);
}
