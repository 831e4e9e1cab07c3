/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * MON_DEVICE: devices of the host's that the policy has by name ([Files] DeviceAllow=).
 *
 * The monitor opens them, as it may, and passes what is open; whatever is done by ioctl is then the filter's to
 * allow, which knows terminals. Character devices in /dev only: a block device is a disk. Never those that are
 * memory or messages of the kernel's, or a way to more terminals. The directory is the host's own, so a name is
 * looked up when it is asked for.
 *
 * A name that is a device of the host's and not granted is noted as refused. One more is there always:
 * /dev/gsh, inside.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "conf/conf.h"
#include "gshd/monitor/monitor.h"

int device_add(struct monitor *m, const char *value)
{
	struct device d = { 0 };

	conf_device(value, d.name, &d.read, &d.write);
	device_remove(m, value);
	if (m->ndevices == DEVICES_MAX)
		return -ENOSPC;
	m->devices[m->ndevices++] = d;
	return 0;
}

int device_remove(struct monitor *m, const char *value)
{
	char name[CONF_DEVICE_MAX];
	bool ignored;

	conf_device(value, name, &ignored, &ignored);
	for (unsigned i = 0; i < m->ndevices; i++)
		if (!strcmp(m->devices[i].name, name)) {
			m->devices[i] = m->devices[--m->ndevices];
			return 0;
		}
	return -ENOENT;
}

int devices_find(struct monitor *m, const struct conf *conf)
{
	const char *list = conf->devices;
	char value[CONF_VALUE_MAX];
	int err = 0;

	while (!err && conf_next(&list, value, sizeof(value)))
		err = device_add(m, value);
	return err;
}

/* mem, kmem, port, kmsg; tty, console, ptmx: ours, the machine's, all. */
static bool never(dev_t dev)
{
	unsigned minor = minor(dev);

	return (major(dev) == 1 && (minor == 1 || minor == 2 || minor == 4 || minor == 11)) ||
	       (major(dev) == 5 && minor <= 2);
}

/* Looked up, not opened: that would wake a driver. The descriptor, or -errno. */
static int look(const char *name, struct stat *st)
{
	char path[CONF_DEVICE_MAX + 8];
	int fd;

	snprintf(path, sizeof(path), "/dev/%s", name);
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!fstat(fd, st) && S_ISCHR(st->st_mode) && !never(st->st_rdev))
		return fd;
	close(fd);
	return -ENOENT;
}

static int open_device(const struct device *d, int pinned, uint32_t flags)
{
	int access = (int)flags & O_ACCMODE, fd;
	char link[32];

	if (access == O_ACCMODE || (access != O_WRONLY && !d->read) || (access != O_RDONLY && !d->write))
		return -EACCES;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", pinned);
	/* A serial line waits for a carrier otherwise, and we with it. */
	fd = open(link, access | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && !(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, access)) {
		close(fd);
		return -EIO;
	}
	return fd < 0 ? -errno : fd;
}

static const struct device *granted(const struct monitor *m, const char *name)
{
	for (unsigned i = 0; i < m->ndevices; i++)
		if (!strcmp(m->devices[i].name, name))
			return &m->devices[i];
	return NULL;
}

static void note(struct monitor *m, const char *name)
{
	char path[CONF_DEVICE_MAX + 8], value[CONF_DEVICE_MAX];
	bool ignored;

	snprintf(path, sizeof(path), "/dev/%s", name);
	if (conf_device(path, value, &ignored, &ignored))
		return; /* no name that could be granted */
	denial_note(m, "device", path);
}

/* The way to gsh, which is no device of the host's: of the numbers for local use. */
static const struct device own = { "gsh", true, true };
#define OWN_DEV makedev(240, 0)

/* The answer's words: the device's number, who may do what with it, its name. */
static void describe(struct request *r, const struct device *d, const struct stat *st)
{
	r->reply.more[0] = major(st->st_rdev);
	r->reply.more[1] = minor(st->st_rdev);
	r->reply.more[2] = (d->read ? 0444u : 0) | (d->write ? 0222u : 0);
	memcpy(&r->reply.more[3], d->name, sizeof(d->name));
	r->reply.nmore = 3 + sizeof(d->name) / sizeof(r->reply.more[0]);
}

static void answer_own(struct monitor *m, struct request *r, uint32_t op)
{
	struct stat st = { .st_rdev = OWN_DEV };
	int fd;

	if (op != MON_DEVICE_OPEN) {
		describe(r, &own, &st);
		return;
	}
	fd = inside_open(m);
	if (fd < 0)
		r->reply.head.error = -fd;
	else
		r->reply.fds[r->reply.nfds++] = fd;
}

void answer_device(struct monitor *m, struct request *r)
{
	const struct device *d = NULL;
	struct mon_device q;
	struct stat st = { 0 };
	int pinned, fd = 0;

	memcpy(&q, r->data, sizeof(q));
	q.name[sizeof(q.name) - 1] = '\0';
	if (q.op == MON_DEVICE_LIST ? q.flags == m->ndevices : !strcmp(q.name, own.name)) {
		answer_own(m, r, q.op);
		return;
	}
	if (q.op == MON_DEVICE_LIST)
		d = q.flags < m->ndevices ? &m->devices[q.flags] : NULL;
	else if (!strchr(q.name, '/'))
		d = granted(m, q.name);
	pinned = look(d ? d->name : q.name, &st);
	if (!d && pinned >= 0 && q.op == MON_DEVICE_LOOK)
		note(m, q.name);
	if (d && pinned >= 0 && q.op == MON_DEVICE_OPEN)
		fd = open_device(d, pinned, q.flags);
	else if (d && pinned >= 0)
		describe(r, d, &st);
	if (d && q.op == MON_DEVICE_LIST && pinned < 0)
		r->reply.head.error = ENODEV; /* this one is not there now; others may be */
	else
		r->reply.head.error = !d || pinned < 0 ? ENOENT : fd < 0 ? -fd : 0;
	if (fd > 0)
		r->reply.fds[r->reply.nfds++] = fd;
	if (pinned >= 0)
		close(pinned);
}
