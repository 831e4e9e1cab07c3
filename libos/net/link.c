// SPDX-License-Identifier: LGPL-3.0-or-later
/* Interfaces by ioctl: netdevice(7). */
#include "libos/net/link.h"
#include "libos/sys/user.h"

#define NAME_SIZE 16 /* IFNAMSIZ */
#define HARDWARE_LOOPBACK 772 /* ARPHRD_LOOPBACK */

/* struct ifreq and struct ifconf of the kernel, include/uapi/linux/if.h */
struct request {
	char name[NAME_SIZE];
	union {
		struct sockaddr_in in;
		struct sockaddr hw;
		short flags;
		int number;
		char room[24];
	};
};
struct config {
	int len;
	struct request *list;
};

static struct sockaddr_in address(u32 ip)
{
	struct sockaddr_in in = { .sin_family = AF_INET };

	in.sin_addr.s_addr = __builtin_bswap32(ip);
	return in;
}

static long list(struct config *guest)
{
	struct request r = { .name = LINK_NAME, .in = address(0x7f000001) };
	struct config c;

	if (user_read(&c, guest, sizeof(c)) < 0)
		return -EFAULT;
	if (c.list && c.len >= (int)sizeof(r)) {
		if (user_write(c.list, &r, sizeof(r)) < 0)
			return -EFAULT;
		c.len = sizeof(r);
	} else {
		c.len = c.list ? 0 : (int)sizeof(r);
	}
	return user_write(&guest->len, &c.len, sizeof(c.len));
}

static bool of_address(unsigned cmd)
{
	return cmd == SIOCGIFADDR || cmd == SIOCGIFDSTADDR || cmd == SIOCGIFBRDADDR || cmd == SIOCGIFNETMASK;
}

static int answer(unsigned cmd, struct request *r)
{
	switch (cmd) {
	case SIOCGIFADDR:
	case SIOCGIFDSTADDR:
		r->in = address(0x7f000001);
		return 0;
	case SIOCGIFBRDADDR:
		r->in = address(0);
		return 0;
	case SIOCGIFNETMASK:
		r->in = address(0xff000000);
		return 0;
	case SIOCGIFFLAGS:
		r->flags = LINK_FLAGS;
		return 0;
	case SIOCGIFMTU:
		r->number = LINK_MTU;
		return 0;
	case SIOCGIFINDEX:
		r->number = LINK_INDEX;
		return 0;
	case SIOCGIFMETRIC:
		r->number = 0;
		return 0;
	case SIOCGIFTXQLEN:
		r->number = LINK_QUEUE;
		return 0;
	case SIOCGIFHWADDR:
		memset(&r->hw, 0, sizeof(r->hw));
		r->hw.sa_family = HARDWARE_LOOPBACK;
		return 0;
	case SIOCGIFMAP:
		memset(r->room, 0, sizeof(r->room));
		return 0;
	}
	return -EPERM; /* the ones that change something */
}

long link_ioctl(const struct file *f, unsigned cmd, u64 arg)
{
	struct request r;
	int err;

	if (cmd == SIOCGIFCONF)
		return list((void *)arg);
	if (cmd < SIOCGIFNAME || cmd > SIOCSIFTXQLEN)
		return -ENOTTY;
	if (of_address(cmd) && to_sock(f)->domain != AF_INET)
		return -ENOTTY;
	if (user_read(&r, (void *)arg, sizeof(r)) < 0)
		return -EFAULT;
	if (cmd == SIOCGIFNAME) {
		if (r.number != LINK_INDEX)
			return -ENODEV;
		memset(r.name, 0, sizeof(r.name));
		memcpy(r.name, LINK_NAME, sizeof(LINK_NAME));
		return user_write((void *)arg, &r, sizeof(r));
	}
	r.name[NAME_SIZE - 1] = '\0';
	if (strcmp(r.name, LINK_NAME))
		return -ENODEV;
	err = answer(cmd, &r);
	return err ? err : user_write((void *)arg, &r, sizeof(r));
}
