// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Lies to the monitor: messages that are too short, too long, of unknown types, out of place, with too many or wrong
 * descriptors, on every inherited descriptor that is a socket. The sandbox may die of it; nothing else may.
 *
 *   channel KIND      0 garbage, 1 headers that lie, 2 floods, 3 descriptors, 4 well-formed but for others,
 *                     5 floods of what may be asked, whose answers nobody reads
 */
#include "way.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pal/grant.h"
#include "pal/monitor.h"

static char bytes[256 << 10];

static void send_bytes(int fd, size_t n, const int *fds, int nfds, int how)
{
	char c[512] = "";
	struct iovec iov = { bytes, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds) {
		m.msg_control = c;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(h), fds, nfds * sizeof(int));
	}
	call(PAL, SYS_sendmsg, fd, &m, how | MSG_NOSIGNAL);
}

static void header(uint32_t type, uint32_t len, uint64_t id)
{
	memcpy(bytes, &type, 4);
	memcpy(bytes + 4, &len, 4);
	memcpy(bytes + 8, &id, 8);
}

/* Of each request thousands, in its right shape. The monitor has to bear that, and to answer who asks next. */
static void flood(int fd)
{
	const struct mon_pty list = { .op = MON_PTY_LIST };
	const struct mon_net net = { .file = MON_NET_TCP };
	const struct mon_kick kick = { .pid = 2 };
	struct mon_dial dial = { .kind = MON_DIAL_GRAM, .addr = { [10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 1 } };
	const struct {
		uint32_t type, size;
		const void *payload;
		int nfds;
	} rows[] = {
		{ MON_PTY, sizeof(list), &list, 1 },   { MON_IMAGE, 0, "", 2 },
		{ MON_OPEN, 0, "", 2 },		       { MON_NET, sizeof(net), &net, 1 },
		{ MON_KICK, sizeof(kick), &kick, 1 },  { MON_QUOTA, 0, "", 1 },
		{ MON_DIAL, sizeof(dial), &dial, 1 },  { MON_SPLIT, 0, "", 3 },
	};
	int ends[2], file = open("/bin/true", O_RDONLY);

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends))
		return;
	for (unsigned i = 0; i < 16000; i++) {
		size_t r = i % (sizeof(rows) / sizeof(rows[0]));
		const int fds[] = { ends[1], rows[r].type == MON_SPLIT ? ends[0] : file, file };

		dial.port = (uint16_t)(i + 1);
		header(rows[r].type, rows[r].size, i);
		memcpy(bytes + 16, rows[r].payload, rows[r].size);
		send_bytes(fd, 16 + rows[r].size, fds, rows[r].nfds, 0);
	}
}

static void lie(int fd, int kind)
{
	int fds[64];
	int null = open("/dev/null", O_RDWR);

	for (int i = 0; i < 64; i++)
		fds[i] = null;
	switch (kind) {
	case 0:
		for (int n = 1; n < 40; n++) {
			for (size_t i = 0; i < sizeof(bytes); i++)
				bytes[i] = rand();
			send_bytes(fd, n * 7, NULL, 0, MSG_DONTWAIT);
		}
		break;
	case 1:
		for (uint32_t type = 0; type < 100; type++) {
			memset(bytes, 0xff, sizeof(bytes));
			header(type, 0xffffffff, type);
			send_bytes(fd, 16, NULL, 0, MSG_DONTWAIT);
			header(type, 64, type);
			send_bytes(fd, 20, NULL, 0, MSG_DONTWAIT);
			header(type, 16, type);
			send_bytes(fd, 16 + 64, &null, 1, MSG_DONTWAIT);
		}
		break;
	case 2:
		memset(bytes, 0, sizeof(bytes));
		for (int i = 0; i < 20000; i++) {
			header(65, 8, i);
			send_bytes(fd, 24, &null, 1, MSG_DONTWAIT);
		}
		header(64, sizeof(bytes) - 16, 1);
		send_bytes(fd, sizeof(bytes), NULL, 0, MSG_DONTWAIT);
		break;
	case 3:
		memset(bytes, 0, sizeof(bytes));
		for (uint32_t type = MON_PTY; type <= MON_DIAL; type++)
			for (int n = 0; n < 64; n += 9) {
				header(type, 64, n);
				send_bytes(fd, 16 + 64, fds, n, MSG_DONTWAIT);
			}
		break;
	case 5:
		flood(fd);
		break;
	case 4:
		/* Orders that only the monitor may give, and events that only the leader may tell. */
		memset(bytes, 0, sizeof(bytes));
		for (uint32_t type = 1; type < 9; type++) {
			header(type, 32, 7);
			send_bytes(fd, 48, NULL, 0, MSG_DONTWAIT);
		}
		break;
	}
}

static enum verdict tell_lies(enum way w, void *arg)
{
	for (int fd = 3; fd < GRANT_FD_FIRST_FREE; fd++) {
		struct stat st;
		if (*(int *)arg == 5 ? fd == GRANT_FD_PORT : way_fstat(PAL, fd, &st) >= 0 && S_ISSOCK(st.st_mode))
			lie(fd, *(int *)arg);
	}
	return DONE;
}

int main(int argc, char **argv)
{
	int kind = argc > 1 ? atoi(argv[1]) : 0;

	if (!way_pal())
		return 2;
	return attempt("lies", PAL, tell_lies, &kind);
}
