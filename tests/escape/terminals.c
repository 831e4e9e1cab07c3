// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Other people's terminals: of the host's and of another sandbox, by name, by number, by the
 * monitor (MON_PTY); and what the own one can be made to do: to type, to answer, to become somebody
 * else's.
 *
 *   terminals NUMBER OTHER    /dev/pts/NUMBER of the host has a line of somebody's; so has OTHER of
 * another sandbox
 *
 * Whether anything came there, or was typed, the host's side sees.
 */
#include "way.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "pal/grant.h"
#include "pal/monitor.h"

#define MARK "escape-mark\n"

static long pty(uint32_t op, uint32_t number, const char *text, uint32_t *value)
{
	struct {
		struct mon_msg head;
		struct mon_pty q;
		char text[64];
	} m = { .head = { .type = MON_PTY, .len = (uint32_t)(sizeof(m.q) + strlen(text)) },
		.q = { .op = op, .number = number, .pid = 1, .shell = MON_SHELL_TELLS } };
	int fd, err;

	memcpy(m.text, text, strlen(text));
	err = way_ask(&m, sizeof(m.head) + m.head.len, -1, value, &fd);
	return err ? err : fd;
}

static long by_path(enum way w, const char *below, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/%s", below);
	return w == PAL ? call(w, SYS_openat, GRANT_FD_LAYER, below, flags)
			: call(w, SYS_openat, AT_FDCWD, path, flags);
}

static enum verdict write_by_name(enum way w, void *arg)
{
	char path[64];
	long fd;

	snprintf(path, sizeof(path), "dev/pts/%d", *(int *)arg);
	fd = by_path(w, path, O_WRONLY | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return REFUSED;
	/* By the libOS it may be one of ours that has that number: who got it looks. */
	return call(w, SYS_write, fd, MARK, sizeof(MARK) - 1) < 0 ? REFUSED : DONE;
}

static enum verdict read_by_name(enum way w, void *arg)
{
	char path[64], c[8];
	long fd;

	snprintf(path, sizeof(path), "dev/pts/%d", *(int *)arg);
	fd = by_path(w, path, O_RDONLY | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return REFUSED;
	return call(w, SYS_read, fd, c, sizeof(c)) > 0 ? ESCAPED : DONE;
}

static enum verdict makers(enum way w, void *arg)
{
	(void)arg;
	if (by_path(w, "dev/ptmx", O_RDWR | O_NOCTTY) >= 0 && w == PAL)
		return ESCAPED;
	return w == PAL && by_path(w, "dev/pts/ptmx", O_RDWR | O_NOCTTY) >= 0 ? ESCAPED : REFUSED;
}

/* Of all numbers the monitor opens those that it made for us. */
static enum verdict by_monitor(enum way w, void *arg)
{
	uint32_t own = 0, value = 0;
	long fd = pty(MON_PTY_NEW, 0, "", &own);

	(void)arg;
	if (fd < 0)
		return ESCAPED; /* nothing was tried */
	for (uint32_t n = 0; n < 300; n++) {
		fd = pty(MON_PTY_OPEN, n, "", &value);
		if (fd >= 0 && n != own) {
			/* Ours, too, if it is a session's: then it is our standard input. */
			unsigned is = ~0u;

			call(w, SYS_write, fd, MARK, sizeof(MARK) - 1);
			if (call(w, SYS_ioctl, fd, TIOCGPTN, &is) == 0)
				return ESCAPED; /* a master */
		}
		call(w, SYS_close, fd < 0 ? 1000 : fd);
	}
	for (uint32_t n = 0xfffffff0u; n; n++)
		if (pty(MON_PTY_OPEN, n, "", &value) >= 0)
			return ESCAPED;
	return DONE;
}

/* "What was read is a command of gsh's", of terminals that are not ours, and of ours. */
static enum verdict said(enum way w, void *arg)
{
	static const char *const lines[] = { ":undo\r", "\x04", "\x1d\x1d\x1d", "escape-mark\r" };
	bool taken = false;

	(void)w;
	for (uint32_t op = MON_PTY_WAIT; op <= MON_PTY_COOKED; op++)
		for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
			uint32_t value = 0;

			pty(op, (uint32_t) * (int *)arg, lines[i], &value);
			taken |= value;
		}
	return taken ? ESCAPED : REFUSED;
}

static long own_terminal(void)
{
	uint32_t number;

	return pty(MON_PTY_NEW, 0, "", &number);
}

static enum verdict control(enum way w, void *arg)
{
	static char what[4096] = "x";
	long fd = w == PAL ? own_terminal() : open("/dev/ptmx", O_RDWR | O_NOCTTY);

	if (fd < 0)
		return ESCAPED; /* nothing was tried */
	return must_fail(call(w, SYS_ioctl, fd, *(const unsigned long *)arg, what));
}

/* Another's controlling terminal is taken with an argument of 1, by who may. */
static enum verdict steal(enum way w, void *arg)
{
	(void)arg;
	return must_fail(call(w, SYS_ioctl, 0, TIOCSCTTY, 1));
}

/* Questions whose answers are typed: there is nobody who would read them for us but ourselves. */
static enum verdict questions(enum way w, void *arg)
{
	static const char ask[] = "\033[6n\033[c\033[>c\033]52;c;?\007\033P$qm\033\\\033[21t\033]0;"
				  "\n:undo\r\007\033[21t\005";

	(void)arg;
	return call(w, SYS_write, 1, ask, sizeof(ask) - 1) > 0 ? DONE : REFUSED;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		unsigned long number;
	} controls[] = { { "TIOCSTI", 0x5412 },	    { "TIOCLINUX", 0x541c },
			 { "TIOCCONS", 0x541d },    { "TIOCSETD", 0x5423 },
			 { "TIOCVHANGUP", 0x5437 }, { "TIOCSIG", 0x40045436 },
			 { "KDSETMODE", 0x4b3a },   { "VT_ACTIVATE", 0x5606 } };
	int numbers[2], escaped = 0;

	if (argc != 3)
		return 2;
	numbers[0] = atoi(argv[1]);
	numbers[1] = atoi(argv[2]);
	if (!way_pal()) {
		attempt("write by name", RAW, write_by_name, &numbers[0]);
		return attempt("read by name", RAW, read_by_name, &numbers[0]) ? 0 : 1;
	}
	for (enum way w = LIBC; w < WAYS; w++) {
		for (int i = 0; i < 2; i++) {
			escaped += attempt("write by name", w, write_by_name, &numbers[i]);
			escaped += attempt("read by name", w, read_by_name, &numbers[i]);
		}
		escaped += attempt("who makes terminals", w, makers, NULL);
		for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++)
			escaped +=
				attempt(controls[i].name, w, control, (void *)&controls[i].number);
		escaped += attempt("steal", w, steal, NULL);
	}
	escaped += attempt("by the monitor", PAL, by_monitor, NULL);
	for (int i = 0; i < 2; i++)
		escaped += attempt("said to be typed", PAL, said, &numbers[i]);
	attempt("questions", PAL, questions, NULL);
	return escaped ? 1 : 0;
}
