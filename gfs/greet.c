// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * The kernel's first question, INIT, and what libfuse has no word for in the answer.
 *
 * Files that bypass the kernel's cache may be mapped (share.c) where both sides say so, since Linux 6.6. libfuse
 * answers into a socket here, the bit is added, and the kernel gets it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "gfs/gfs.h"

#ifndef FUSE_DIRECT_IO_ALLOW_MMAP
#define FUSE_DIRECT_IO_ALLOW_MMAP (1ULL << 36)
#endif
#define FLAGS2(flag) ((uint32_t)((flag) >> 32))

struct answer {
	struct fuse_out_header head;
	struct fuse_init_out init;
};

static bool offers(const struct fuse_buf *question)
{
	const struct fuse_in_header *head = question->mem;
	const struct fuse_init_in *init = (const void *)(head + 1);

	return question->size >= sizeof(*head) + sizeof(*init) && head->opcode == FUSE_INIT &&
	       init->flags & FUSE_INIT_EXT && init->flags2 & FLAGS2(FUSE_DIRECT_IO_ALLOW_MMAP);
}

/* Have libfuse answer into the socket. */
static ssize_t answer_of(const struct fuse_buf *question, const int pair[2], struct answer *a)
{
	int fd = fuse_session_fd(gfs.session), kernel = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	ssize_t n = -1;

	if (kernel < 0)
		return -errno;
	if (dup3(pair[1], fd, O_CLOEXEC) >= 0) {
		fuse_session_process_buf(gfs.session, question);
		n = recv(pair[0], a, sizeof(*a), MSG_DONTWAIT);
	}
	if (dup3(kernel, fd, O_CLOEXEC) < 0 || n < 0)
		n = -EIO;
	close(kernel);
	return n;
}

static int answer_more(const struct fuse_buf *question)
{
	struct answer a = {.head.error = -EIO};
	int pair[2];
	ssize_t n;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	n = answer_of(question, pair, &a);
	close(pair[0]);
	close(pair[1]);
	if (n == sizeof(a) && !a.head.error && a.init.flags & FUSE_INIT_EXT) {
		a.init.flags2 |= FLAGS2(FUSE_DIRECT_IO_ALLOW_MMAP);
		gfs.shares = true;
	}
	return n < 0 ? (int)n : write(fuse_session_fd(gfs.session), &a, (size_t)n) == n ? 0 : -errno;
}

int greet(void)
{
	struct fuse_buf question = {.mem = NULL};
	int n, err = 0;

	do
		n = fuse_session_receive_buf(gfs.session, &question);
	while (n == -EINTR);
	if (n > 0 && offers(&question))
		err = answer_more(&question);
	else if (n > 0)
		fuse_session_process_buf(gfs.session, &question);
	free(question.mem);
	return n <= 0 ? -EIO : err;
}
