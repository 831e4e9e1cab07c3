// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Who writes a sandbox's top from the host, through the mount, holds the sandbox's lock `pens` shared for the moment of
 * each change; who changes the chain of layers holds it alone. So no layer is put on a change that is half made, and
 * none is written that was sealed. A lock that the kernel keeps: it goes with its holder, however that ends.
 *
 * The first byte of the same file is locked, too, by those who told somebody what the tree is like and will take that
 * back, hearing that the file is opened (gfs/lease.c). They are waited for a moment only: they write nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>
#include "gshd/store/history.h"

#define NAP_NS 200000
#define LEASE_TRIES 2500
#define TRIES 1000 /* a change through the mount takes microseconds; one that copies a big file up may take longer */

static const struct timespec nap = { .tv_nsec = NAP_NS };

static void wait_for_leases(int fd)
{
	struct flock alone = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };

	for (int i = 0; i < LEASE_TRIES && fcntl(fd, F_OFD_SETLK, &alone) && errno == EAGAIN; i++)
		nanosleep(&nap, NULL);
}

int pens_wait(int box)
{
	int fd = openat(box, "pens", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	wait_for_leases(fd);
	for (int i = 0; i < TRIES; i++) {
		if (!flock(fd, LOCK_EX | LOCK_NB))
			return fd;
		if (errno != EWOULDBLOCK && errno != EINTR)
			break;
		nanosleep(&nap, NULL);
	}
	close(fd);
	return -EBUSY;
}
