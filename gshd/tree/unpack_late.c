// SPDX-License-Identifier: LGPL-3.0-or-later
/* Times of links and fifos; see unpack.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "gshd/tree/unpack.h"

/* As it is written; path ends with NUL. */
struct late {
	int64_t sec;
	uint32_t nsec, size; /* of the path */
};

int unpack_late_file(void)
{
	int fd = memfd_create("late", MFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int unpack_late_add(const struct unpacker *p, const char *path, const struct timespec *time)
{
	struct late l = { time->tv_sec, (uint32_t)time->tv_nsec, (uint32_t)strlen(path) + 1 };

	if (write(p->late, &l, sizeof(l)) != (ssize_t)sizeof(l) || write(p->late, path, l.size) != (ssize_t)l.size)
		return -EIO;
	return 0;
}

static void set_one(int dir, const char *path, const struct late *l)
{
	struct timespec times[2] = { { l->sec, l->nsec }, { l->sec, l->nsec } };
	struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
	struct stat st;

	if (fd < 0)
		return;
	if (!fstat(fd, &st) && (S_ISLNK(st.st_mode) || S_ISFIFO(st.st_mode)))
		(void)!utimensat(fd, "", times, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW); /* where the kernel can */
	close(fd);
}

void unpack_late_set(int late, int dir)
{
	char path[PATH_MAX];
	struct late l;

	if (lseek(late, 0, SEEK_SET))
		return;
	while (read(late, &l, sizeof(l)) == (ssize_t)sizeof(l) && l.size && l.size <= sizeof(path) &&
	       read(late, path, l.size) == (ssize_t)l.size && !path[l.size - 1])
		if (l.nsec < 1000000000)
			set_one(dir, path, &l);
}
