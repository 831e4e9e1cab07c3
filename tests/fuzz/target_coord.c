/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Coordination messages as a hostile instance sends them: what wire_receive lets through is well
 * formed, and no descriptor is lost, whatever is dropped. Free-standing like what it tests; the few
 * host calls are played here. Of the input: flags, number of descriptors, then the message.
 */
#include "pal/pal.h"
#include "libos/coord/trace.h"
#include "libos/coord/wire.h"
#include "libos/task/task.h"
#include "tests/fuzz/fuzz.h"

#define ARCH_SET_GS 0x1001
#define SYS_arch_prctl 158
#define FD_FIRST 100
#define FDS_MAX 12

__attribute__((visibility("default"))) long syscall(long nr, ...); /* of the driver's libc */

static struct area area; /* nobody watches */
struct area *the_area = &area;

static const uint8_t *input;
static size_t input_size;
static unsigned sent, closed, flags;

int pal_close(int fd)
{
	must(fd >= FD_FIRST && fd < FD_FIRST + (int)sent);
	closed++;
	return 0;
}

u64 trace_take(void)
{
	must(false);
	return 0;
}

void trace_end(u64 number, s64 r, struct area_event e)
{
	must(!number && r <= 0 && e.kind == TRACE_MESSAGE);
}

int pal_fd_free(void)
{
	return FD_FIRST;
}

int pal_ppoll(struct pollfd *fds, unsigned n, const struct timespec *limit)
{
	return 0;
}

int pal_dup(int fd, int min)
{
	return -EMFILE;
}

int pal_socketpair(int type, int fds[2])
{
	return -EMFILE;
}

ssize_t pal_sendmsg(int fd, const struct msghdr *msg, int how)
{
	return -EPIPE;
}

/* As the kernel does it: what does not fit is cut off and said. */
ssize_t pal_recvmsg(int fd, struct msghdr *msg, int how)
{
	size_t head = ALIGN_UP(sizeof(struct cmsghdr), 8), room = (msg->msg_controllen - head) / sizeof(int);
	size_t n = MIN(input_size, msg->msg_iov->iov_len);
	struct cmsghdr *c = msg->msg_control;
	int one;

	memcpy(msg->msg_iov->iov_base, input, n);
	msg->msg_flags = n < input_size ? MSG_TRUNC : 0;
	if (sent > room) {
		msg->msg_flags |= MSG_CTRUNC;
		sent = room;
	}
	msg->msg_controllen = 0;
	if (!sent)
		return n;
	*c = (struct cmsghdr){ .cmsg_len = head + sent * sizeof(int), SOL_SOCKET, SCM_RIGHTS };
	for (unsigned i = 0; i < sent; i++) {
		one = FD_FIRST + (int)i;
		memcpy((u8 *)c + head + i * sizeof(int), &one, sizeof(int));
	}
	msg->msg_controllen = ALIGN_UP(c->cmsg_len, 8);
	return n;
}

/* wire.c looks for the thread's block behind GS. */
static void set_gs(void)
{
	static struct process process = { .pid = 7 };
	static struct thread thread = { .proc = &process };
	static struct pal_tcb *tcb;

	if (tcb)
		return;
	tcb = &thread.tcb;
	must(!syscall(SYS_arch_prctl, ARCH_SET_GS, &tcb));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static union {
		struct coord_msg msg;
		u8 bytes[COORD_MSG_MAX];
	} buf;
	size_t room = sizeof(buf);
	ssize_t n;
	int fd;

	set_gs();
	flags = take(&data, &size);
	sent = take(&data, &size) % (FDS_MAX + 1);
	closed = 0;
	input = data;
	input_size = size;
	if (flags & 1)
		room = sizeof(struct coord_msg) + (flags >> 1);
	n = wire_receive(3, &buf, room, &fd);
	must(closed + (fd >= 0) == sent);
	if (n < 0) {
		must(n == -EBADMSG || n == -EPIPE);
		must(fd < 0 || n == -EPIPE);
		return 0;
	}
	must((size_t)n == size && n >= (ssize_t)sizeof(struct coord_msg));
	must(buf.msg.version == COORD_VERSION && buf.msg.len == n - sizeof(struct coord_msg));
	must(sent <= 1);
	return 0;
}
