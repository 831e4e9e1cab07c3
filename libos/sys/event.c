// SPDX-License-Identifier: LGPL-3.0-or-later
/* eventfd, timerfd, signalfd, memfd_create: descriptors made out of nothing. */
#include "libos/sys/sys.h"
#include "libos/sys/wait_end.h"
#include "libos/fs/kinds.h"
#include "libos/fs/signalfd.h"

/* ---- eventfd ---- */

long sys_eventfd2(unsigned value, int flags)
{
	int fd;

	if (flags & ~(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK))
		return -EINVAL;
	fd = pal_eventfd(value, flags & (EFD_SEMAPHORE | EFD_NONBLOCK));
	return fd < 0 ? fd
		      : fd_install(&eventfd_file_ops, fd,
				   (flags & (O_CLOEXEC | O_NONBLOCK)) | O_RDWR, NULL);
}

long sys_eventfd(unsigned value)
{
	return sys_eventfd2(value, 0);
}

/* ---- timerfd ---- */

long sys_timerfd_create(int clock, int flags)
{
	int fd;

	if (flags & ~(TFD_CLOEXEC | TFD_NONBLOCK))
		return -EINVAL;
	if (clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM)
		return -EPERM; /* CAP_WAKE_ALARM */
	if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME && clock != CLOCK_BOOTTIME)
		return -EINVAL;
	fd = pal_timerfd_create(clock, flags & TFD_NONBLOCK);
	return fd < 0 ? fd : fd_install(&timerfd_file_ops, fd, flags | O_RDWR, NULL);
}

static struct file *timerfd_get(int fd)
{
	struct file *f = fdtab_get(fd);

	if (IS_ERR(f) || f->ops == &timerfd_file_ops)
		return f;
	file_put(f);
	return ERR_PTR(-EINVAL);
}

long sys_timerfd_settime(int fd, int flags, const void *value, void *old)
{
	cleanup_file struct file *f = NULL;
	struct itimerspec set, was;
	int r;

	if (user_read(&set, value, sizeof(set)) < 0)
		return -EFAULT;
	if (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) ||
	    !timespec_valid(&set.it_value) || !timespec_valid(&set.it_interval))
		return -EINVAL;
	f = timerfd_get(fd);
	if (IS_ERR(f))
		return PTR_ERR(f);
	r = pal_timerfd_settime(f->host_fd, flags, &set, &was);
	if (r < 0)
		return r;
	return old ? user_write(old, &was, sizeof(was)) : 0;
}

long sys_timerfd_gettime(int fd, void *value)
{
	cleanup_file struct file *f = timerfd_get(fd);
	struct itimerspec now;
	int r;

	if (IS_ERR(f))
		return PTR_ERR(f);
	r = pal_timerfd_gettime(f->host_fd, &now);
	return r < 0 ? r : user_write(value, &now, sizeof(now));
}

/* ---- signalfd ---- */

long sys_signalfd4(int fd, const u64 *mask, size_t size, int flags)
{
	cleanup_file struct file *f = NULL;
	u64 set;
	int r;

	if (flags & ~(SFD_CLOEXEC | SFD_NONBLOCK) || size != SIGSET_SIZE)
		return -EINVAL;
	if (user_read(&set, mask, sizeof(set)) < 0)
		return -EFAULT;
	set &= ~SIG_UNBLOCKABLE;
	if (fd == -1)
		return signalfd_create(set, flags);
	f = fdtab_get(fd);
	if (IS_ERR(f))
		return PTR_ERR(f);
	r = signalfd_set_mask(f, set);
	return r < 0 ? r : fd;
}

long sys_signalfd(int fd, const u64 *mask, size_t size)
{
	return sys_signalfd4(fd, mask, size, 0);
}

/* ---- memfd ---- */

#define MEMFD_NAME_MAX 249 /* NAME_MAX less "memfd:" */

long sys_memfd_create(const char *name, unsigned flags)
{
	char text[MEMFD_NAME_MAX + 1];
	unsigned size = flags & MFD_HUGETLB ? flags >> MFD_HUGE_SHIFT & MFD_HUGE_MASK : 0;
	ssize_t n;
	char *copy;
	int fd;

	flags &= ~(size << MFD_HUGE_SHIFT);
	if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC | MFD_HUGETLB))
		return -EINVAL;
	if ((flags & (MFD_EXEC | MFD_NOEXEC_SEAL)) == (MFD_EXEC | MFD_NOEXEC_SEAL))
		return -EINVAL;
	if (flags & MFD_HUGETLB)
		return -ENOSYS; /* no huge page pool here, of whatever size: as a kernel without hugetlbfs */
	n = user_string(text, name, sizeof(text));
	if (n < 0)
		return n == -ENAMETOOLONG ? -EINVAL : n;
	copy = base_strdup(text);
	if (!copy)
		return -ENOMEM;
	fd = pal_memfd(text, flags & ~(unsigned)MFD_CLOEXEC);
	if (fd < 0) {
		base_free(copy);
		return fd;
	}
	return fd_install(&memfd_file_ops, fd, O_RDWR | O_LARGEFILE | (flags & MFD_CLOEXEC ? O_CLOEXEC : 0),
			  copy);
}
