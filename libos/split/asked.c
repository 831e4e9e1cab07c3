// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * A split that somebody outside asks for (`gsh split PID`), on the way
 *
 *      monitor --MON_SPLIT_OFF--> leader --COORD_SPLIT--> the process
 *
 * with a descriptor at which the policy waits, and to which the process answers. It is heard wherever signals are,
 * in the middle of a call too, and carried out on the way back to the guest, where nothing is locked and no file in
 * use. Who asked may have given up meanwhile; then nothing is done.
 */
#include "libos/split/split.h"
#include "libos/coord/wire.h"
#include "pal/monitor.h"

static int asked = -1; /* host descriptor */

static void answer(int fd, int error, unsigned line)
{
	struct mon_reply reply = { .error = -error, .value = line };

	(void)wire_plain(fd, &reply, sizeof(reply), true);
	pal_close(fd);
}

void split_ask(int fd)
{
	if (asked >= 0) {
		answer(fd, -EBUSY, 0);
		return;
	}
	asked = fd;
	atomic_store(&current()->tcb.pending, 1);
}

void split_forget(void)
{
	if (asked < 0)
		return;
	pal_close(asked);
	asked = -1;
}

void split_borrowed(void)
{
	if (asked >= 0)
		pal_close(asked);
}

bool split_asked(void)
{
	return asked >= 0 && !this_process()->vfork_child;
}

static bool given_up(int fd)
{
	static const struct timespec at_once;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return wire_poll(&p, &at_once) != 1 || (p.revents & POLLHUP) || !(p.revents & POLLIN);
}

void split_as_asked(void)
{
	char *text = base_alloc(SPLIT_TEXT_MAX + 1);
	unsigned line = 0;
	int fd = asked;
	ssize_t n = -ENOMEM;

	asked = -1;
	if (given_up(fd)) {
		pal_close(fd);
		base_free(text);
		return;
	}
	if (text)
		n = wire_plain(fd, text, SPLIT_TEXT_MAX, false);
	if (n >= 0) {
		text[n] = '\0';
		n = strlen(text) == (size_t)n ? split_off(text, NULL, fd, &line) : -EINVAL;
	}
	answer(fd, (int)n, line);
	base_free(text);
}
