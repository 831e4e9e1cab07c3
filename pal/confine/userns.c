/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Inside fresh namespaces: the id map, the host name, the loopback interface.
 *
 * The map is one line, the user to itself, as user_namespaces(7) lets an ordinary user write it:
 * setgroups must be denied first, so that no group that is meant to take access away can be
 * dropped.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "pal/confine/impl.h"

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	int err = n == (ssize_t)strlen(text) ? 0 : n < 0 ? -errno : -EIO;
	close(fd);
	return err;
}

/* Until the map is written we appear as the overflow ids, so st->uid and st->gid were taken before
 * the fork. */
int userns_map(struct confine_state *st)
{
	char text[64];
	int err;

	st->note->host_lacks = true;
	err = put("/proc/self/setgroups", "deny");
	if (err)
		return confine_say(st, err, "/proc/self/setgroups");
	snprintf(text, sizeof(text), "%u %u 1", st->uid, st->uid);
	err = put("/proc/self/uid_map", text);
	if (err)
		return confine_say(st, err, "/proc/self/uid_map");
	snprintf(text, sizeof(text), "%u %u 1", st->gid, st->gid);
	err = put("/proc/self/gid_map", text);
	if (err)
		return confine_say(st, err, "/proc/self/gid_map");
	st->note->host_lacks = false;
	return 0;
}

static int loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int err = 0;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno == EAFNOSUPPORT
			       ? 0
			       : -errno; /* a kernel without IPv4 has nothing to raise */
	if (ioctl(fd, SIOCGIFFLAGS, &ifr)) {
		err = -errno;
	} else {
		ifr.ifr_flags |= IFF_UP;
		if (ioctl(fd, SIOCSIFFLAGS, &ifr))
			err = -errno;
	}
	close(fd);
	return err;
}

int userns_names(struct confine_state *st)
{
	const char *name = st->spec->hostname;

	/* Where AppArmor lets user namespaces be made but not used (Ubuntu 23.10 and later), this
	 * is the first call that is refused. */
	st->note->host_lacks = true;
	if (name && sethostname(name, strlen(name)))
		return confine_say(st, -errno, "sethostname");
	int err = loopback_up();
	if (err)
		return confine_say(st, err, "loopback");
	st->note->host_lacks = false;
	return 0;
}
