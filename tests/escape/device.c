// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * More of the host's devices than the policy has (MON_DEVICE): other names, other rights, other
 * kinds; and of one that it has, what is no reading or writing.
 *
 *   device NAME...    in /dev: the first is granted for reading, the others are not; none granted:
 * the control, on the host
 *
 * What the driver of the first does by ioctl, the control does by the same numbers on the host.
 */
#include "way.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pal/grant.h"
#include "pal/monitor.h"

static const char *granted;

/* The descriptor that came back, or -errno. name has 64 bytes. */
static long ask(uint32_t op, uint32_t flags, const char *name)
{
	struct {
		struct mon_msg head;
		struct mon_device q;
	} m = { .head = { .type = MON_DEVICE, .len = sizeof(m.q) },
		.q = { .op = op, .flags = flags } };
	int fd, err;

	memcpy(m.q.name, name, strnlen(name, sizeof(m.q.name)));
	err = way_ask(&m, sizeof(m), -1, NULL, &fd);
	return err ? err : op == MON_DEVICE_OPEN && fd < 0 ? -EIO : fd;
}

static long reading(void)
{
	char path[80];

	if (way_pal())
		return ask(MON_DEVICE_OPEN, O_RDONLY, granted);
	snprintf(path, sizeof(path), "/dev/%s", granted);
	return open(path, O_RDONLY);
}

static enum verdict read_it(enum way w, void *arg)
{
	long fd = reading();
	char c;

	(void)arg;
	return fd >= 0 && call(w, SYS_read, fd, &c, 1) == 1 ? DONE : REFUSED;
}

/* Rights that it was not given, and flags that make, cut, or only look. */
static enum verdict rights(enum way w, void *arg)
{
	long fd = ask(MON_DEVICE_OPEN, *(const uint32_t *)arg, granted);

	return fd >= 0 && call(w, SYS_write, fd, "", 1) == 1 ? ESCAPED : REFUSED;
}

static enum verdict other(enum way w, void *arg)
{
	(void)w;
	return must_fail(ask(MON_DEVICE_OPEN, O_RDONLY | O_NONBLOCK, arg));
}

static enum verdict look_at(enum way w, void *arg)
{
	(void)w;
	return must_fail(ask(MON_DEVICE_LOOK, 0, arg));
}

static enum verdict by_number(enum way w, void *arg)
{
	static const uint32_t numbers[] = { 2, 3, 64, 0x7fffffff, 0xffffffff };

	(void)w;
	(void)arg;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (ask(MON_DEVICE_LIST, numbers[i], "") >= 0)
			return ESCAPED;
	return REFUSED;
}

static enum verdict odd(enum way w, void *arg)
{
	(void)w;
	(void)arg;
	for (uint32_t op = 4; op < 64; op++)
		if (ask(op, 0, granted) >= 0)
			return ESCAPED;
	return must_fail(ask(0, 0, granted));
}

/* Without asking anybody: by the base's own directory. */
static enum verdict plainly(enum way w, void *arg)
{
	char path[96];
	long fd;

	snprintf(path, sizeof(path), w == PAL ? "dev/%s" : "/dev/%s", (const char *)arg);
	fd = call(w, SYS_openat, w == PAL ? GRANT_FD_LAYER : AT_FDCWD, path, O_RDONLY | O_NONBLOCK);
	return must_fail(fd);
}

static const struct {
	const char *name;
	unsigned long number;
} controls[] = {
	{ "RNDGETENTCNT", 0x80045200 }, /* answered to everybody on the host: the control */
	{ "RNDADDTOENTCNT", 0x40045201 },
	{ "RNDZAPENTCNT", 0x5204 },
	{ "RNDADDENTROPY", 0x40085203 },
	{ "TIOCSTI", 0x5412 },
	{ "TIOCLINUX", 0x541c },
	{ "TIOCCONS", 0x541d },
	{ "TIOCSETD", 0x5423 },
	{ "TIOCVHANGUP", 0x5437 },
	{ "TIOCSSERIAL", 0x541f },
	{ "KDSETMODE", 0x4b3a },
	{ "KDSKBENT", 0x4b47 },
	{ "KDSKBSENT", 0x4b49 },
	{ "PIO_FONT", 0x4b61 },
	{ "VT_ACTIVATE", 0x5606 },
	{ "VT_LOCKSWITCH", 0x560b },
	{ "BLKGETSIZE64", 0x80081272 },
	{ "BLKDISCARD", 0x1277 },
	{ "SG_IO", 0x2285 },
	{ "SCSI_IOCTL_SEND_COMMAND", 1 },
	{ "LOOP_CTL_ADD", 0x4c80 },
	{ "LOOP_SET_FD", 0x4c00 },
	{ "FUSE_DEV_IOC_CLONE", 0x8004e500 },
	{ "TUNSETIFF", 0x400454ca },
	{ "VHOST_SET_OWNER", 0xaf01 },
	{ "KVM_CREATE_VM", 0xae01 },
	{ "UI_DEV_CREATE", 0x5501 },
	{ "EVIOCGRAB", 0x40044590 },
	{ "DRM_IOCTL_SET_MASTER", 0x641e },
	{ "SNDRV_CTL_IOCTL_CARD_INFO", 0x81785501 },
	{ "FIBMAP", 1 },
	{ "FIONREAD high bits", 1ul << 32 | 0x541b },
	{ "FIOASYNC", 0x5452 },
	{ "FIFREEZE", 0xc0045877 },
	{ "FS_IOC_SETFLAGS", 0x40086602 },
	{ "NS_GET_PARENT", 0xb702 },
	{ "PIDFD_GET_NET_NAMESPACE", 0xff04 },
};

static enum verdict control(enum way w, void *arg)
{
	static char room[4096];
	long fd = reading();

	if (fd < 0)
		return REFUSED;
	return must_fail(call(w, SYS_ioctl, fd, *(const unsigned long *)arg, room));
}

int main(int argc, char **argv)
{
	static const uint32_t flags[] = { O_WRONLY,
					  O_RDWR,
					  O_ACCMODE,
					  O_RDWR | O_CREAT | O_TRUNC,
					  O_WRONLY | O_APPEND,
					  O_PATH | O_RDWR,
					  0xffffffff };
	static const char *const names[] = {
		"",
		".",
		"..",
		"../etc/passwd",
		"shm",
		"pts/0",
		"pts/ptmx",
		"fd/0",
		"stdin",
		"stdout",
		"mem",
		"kmem",
		"port",
		"kmsg",
		"tty",
		"console",
		"ptmx",
		"sda",
		"vda",
		"loop0",
		"loop-control",
		"net/tun",
		"snapshot",
		"mapper/control",
		"cpu/0/msr",
		"hpet",
		"uinput",
		"log",
		"gsh/../mem",
		"full/.",
		"a-name-that-fills-all-of-the-sixty-four-bytes-and-has-no-end----"
	};
	int escaped = 0;

	if (argc < 2)
		return 2;
	granted = argv[1];
	if (!way_pal())
		return attempt("RNDGETENTCNT", RAW, control, (void *)&controls[0].number) ? 0 : 1;
	attempt("read what is granted", PAL, read_it, NULL);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		escaped += attempt("rights", PAL, rights, (void *)&flags[i]);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		escaped += attempt(names[i], PAL, other, (void *)names[i]);
		escaped += attempt(names[i], PAL, look_at, (void *)names[i]);
	}
	for (int i = 2; i < argc; i++) {
		escaped += attempt(argv[i], PAL, other, argv[i]);
		escaped += attempt(argv[i], PAL, plainly, argv[i]);
	}
	escaped += attempt("by number", PAL, by_number, NULL);
	escaped += attempt("odd requests", PAL, odd, NULL);
	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++)
		for (enum way w = LIBC; w < WAYS; w++)
			if (w == PAL || controls[i].number >> 32 == 0)
				escaped += attempt(controls[i].name, w, control,
						   (void *)&controls[i].number);
	return escaped ? 1 : 0;
}
