// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Lies to the monitor: messages that are too short, too long, of unknown types, out of place, with
 * too many or wrong descriptors, on every inherited descriptor that is a socket. The sandbox may
 * die of it; nothing else may.
 *
 *   channel KIND      0 garbage, 1 headers that lie, 2 floods, 3 descriptors, 4 well-formed but for
 * others, 5 floods of what may be asked, whose answers nobody reads, 6 ends to answer to and files
 * that are neither, descriptors within descriptors, 7 halves of messages, and a port that is shut
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

/* Of each request thousands, in its right shape. The monitor has to bear that, and to answer who
 * asks next. */
static void flood(int fd)
{
	const struct mon_pty list = { .op = MON_PTY_LIST };
	const struct mon_net net = { .file = MON_NET_TCP };
	const struct mon_kick kick = { .pid = 2 };
	const struct mon_setattr attr = { .op = MON_ATTR_BUSY };
	const struct mon_pty terminal = { .op = MON_PTY_NEW },
			     wait = { .op = MON_PTY_WAIT, .pid = 1 };
	const struct mon_device look = { .op = MON_DEVICE_LOOK, .name = "null" },
				item = { .op = MON_DEVICE_LIST, .flags = 1 };
	const struct mon_device ours = { .op = MON_DEVICE_OPEN, .name = "gsh" };
	struct mon_dial dial = {
		.kind = MON_DIAL_GRAM,
		.addr = { [10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 1 }
	};
	const struct {
		uint32_t type, size;
		const void *payload;
		int nfds;
	} rows[] = {
		{ MON_PTY, sizeof(list), &list, 1 },
		{ MON_IMAGE, 0, "", 2 },
		{ MON_OPEN, 0, "", 2 },
		{ MON_NET, sizeof(net), &net, 1 },
		{ MON_KICK, sizeof(kick), &kick, 1 },
		{ MON_QUOTA, 0, "", 1 },
		{ MON_DIAL, sizeof(dial), &dial, 1 },
		{ MON_SPLIT, 0, "", 3 },
		{ MON_SETATTR, sizeof(attr), &attr, 2 },
		{ MON_PTY, sizeof(terminal), &terminal, 1 },
		{ MON_PTY, sizeof(wait), &wait, 1 },
		{ MON_DEVICE, sizeof(look), &look, 1 },
		{ MON_DEVICE, sizeof(item), &item, 1 },
		{ MON_DEVICE, sizeof(ours), &ours, 1 },
		{ MON_HIDDEN, 10, "home/.ssh", 1 },
	};
	int ends[2], file = open("/bin/true", O_RDONLY);

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends))
		return;
	for (unsigned i = 0; i < 6000; i++) {
		size_t r = i % (sizeof(rows) / sizeof(rows[0]));
		const int fds[] = { ends[1], rows[r].type == MON_SPLIT ? ends[0] : file, file };

		dial.port = (uint16_t)(i + 1);
		header(rows[r].type, rows[r].size, i);
		memcpy(bytes + 16, rows[r].payload, rows[r].size);
		send_bytes(fd, 16 + rows[r].size, fds, rows[r].nfds, 0);
	}
}

/* A socket with a socket in its queue, and so on, as deep as may be. */
static int nested(void)
{
	int inner = open("/dev/null", O_RDWR), pair[2];
	char saved[16];

	memcpy(saved, bytes, sizeof(saved));
	for (int i = 0; i < 8; i++) {
		if (call(PAL, SYS_socketpair, AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
			break;
		for (int k = 0; k < 8; k++)
			send_bytes(pair[0], 1, &inner, 1, MSG_DONTWAIT);
		inner = pair[1];
	}
	memcpy(bytes, saved, sizeof(saved));
	return inner;
}

/* Each request in its right shape, answered to what takes no answer, about what is no file. */
static void odd_ends(int fd)
{
	static const uint32_t sizes[][2] = { { MON_PTY, sizeof(struct mon_pty) },
					     { MON_SETATTR, sizeof(struct mon_setattr) },
					     { MON_IMAGE, 0 },
					     { MON_OPEN, 0 },
					     { MON_NET, sizeof(struct mon_net) },
					     { MON_QUOTA, 0 },
					     { MON_DIAL, sizeof(struct mon_dial) },
					     { MON_DEVICE, sizeof(struct mon_device) },
					     { MON_HIDDEN, 8 },
					     { MON_SPLIT, 0 } };
	int pipes[2] = { -1, -1 }, full[2];

	if (pipe(pipes) || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, full))
		return;
	while (send(full[0], bytes, 4096, MSG_DONTWAIT) > 0)
		continue;
	const int odd[] = { pipes[0],
			    pipes[1],
			    full[0],
			    GRANT_FD_PORT,
			    GRANT_FD_IMAGE,
			    GRANT_FD_LAYER,
			    GRANT_FD_WORK,
			    nested(),
			    open("/proc/self/mem", O_RDWR),
			    open("/dev/ptmx", O_RDWR | O_NOCTTY),
			    open("/", O_PATH),
			    (int)call(PAL, SYS_memfd_create, "x", 0) };
	const size_t n = sizeof(odd) / sizeof(odd[0]);

	for (size_t r = 0; r < sizeof(sizes) / sizeof(sizes[0]); r++)
		for (size_t i = 0; i < n; i++)
			for (size_t k = 0; k < n; k++) {
				const int fds[] = { odd[i], odd[k], odd[(i + k) % n] };
				bool file = sizes[r][0] == MON_SETATTR ||
					    sizes[r][0] == MON_IMAGE || sizes[r][0] == MON_OPEN;

				if (fds[0] < 0 || fds[1] < 0 || fds[2] < 0)
					continue;
				memset(bytes, 0, 1024);
				header(sizes[r][0], sizes[r][1], i);
				memset(bytes + 16, (int)(k % 5),
				       4); /* the op, where there is one */
				send_bytes(fd, 16 + sizes[r][1], fds,
					   sizes[r][0] == MON_SPLIT ? 3
					   : file		    ? 2
								    : 1,
					   MSG_DONTWAIT);
			}
}

static void halves(int fd)
{
	int end[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, end))
		return;
	for (uint32_t type = 0; type < 100; type++)
		for (size_t n = 0; n < 200; n += 7) {
			memset(bytes, (int)n, sizeof(bytes));
			header(type, (uint32_t)(n < 16 ? 0 : n - 16), n);
			send_bytes(fd, n, &end[1], n % 2, MSG_DONTWAIT | MSG_MORE);
			send_bytes(fd, n, &end[1], 1, MSG_DONTWAIT | MSG_EOR);
		}
	call(PAL, SYS_shutdown, fd, SHUT_RDWR);
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
		for (uint32_t type = MON_PTY; type <= MON_HIDDEN; type++)
			for (int n = 0; n < 64; n += 9) {
				header(type, 64, n);
				send_bytes(fd, 16 + 64, fds, n, MSG_DONTWAIT);
			}
		break;
	case 5:
		flood(fd);
		break;
	case 6:
		odd_ends(fd);
		break;
	case 7:
		halves(fd);
		break;
	case 4:
		/* Orders that only the monitor may give, and events that only the leader may tell.
		 */
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
		if (*(int *)arg == 5 || *(int *)arg == 6
			    ? fd == GRANT_FD_PORT
			    : way_fstat(PAL, fd, &st) >= 0 && S_ISSOCK(st.st_mode))
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
