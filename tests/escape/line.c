// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Typing on the host's side: who reads a terminal whose lines gsh edits hands back, for keys, what nobody typed: lines
 * that gsh itself carries out, its editor, an end, a detach (MON_PTY_DONE).
 *
 * It must be the session's own program. It says how many of its lies were taken; whether the host did anything, the
 * host's side sees.
 */
#include "way.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pal/grant.h"
#include "pal/monitor.h"

/* The value of the reply. */
static uint32_t ask(unsigned terminal, uint32_t op, const char *text)
{
	struct {
		struct mon_msg head;
		struct mon_pty pty;
		char text[64];
	} m = { .head = { .type = MON_PTY, .len = (uint32_t)(sizeof(m.pty) + strlen(text)) },
		.pty = { .op = op, .number = terminal, .pid = getpid() } };
	uint32_t value;

	memcpy(m.text, text, strlen(text));
	if (way_ask(&m, sizeof(m.head) + m.head.len, -1, &value, NULL))
		exit(2);
	return value;
}

int main(void)
{
	static const char *const lies[] = { ":undo\rx", ":undo\nx", ":undo\r", "\x18\x05", "\x04", "\x1d\x1d\x1d", "x" };
	const char *name = ttyname(0);
	unsigned terminal, taken = 0;

	if (!way_pal() || !name || sscanf(name, "/dev/pts/%u", &terminal) != 1)
		return 2;
	printf("liar> ");
	fflush(stdout);
	ask(terminal, MON_PTY_WAIT, "");
	sleep(2); /* for the host's side to edit */
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		taken += ask(terminal, MON_PTY_DONE, lies[i]);
		ask(terminal, MON_PTY_WAIT, "");
		usleep(300000);
	}
	printf("\ntaken: %u\n", taken);
	return 0;
}
