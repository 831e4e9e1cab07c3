/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What remains: the system's name and state, random bytes, memory of other processes. */
#include "libos/sys/sys.h"
#include "libos/coord/area.h"
#include "libos/mm/mm.h"
#include "pal/grant.h"

#define NSEC 1000000000ull

long sys_uname(void *guest)
{
	struct new_utsname u = { 0 };
	int err = pal_uname(&u);

	if (err)
		return err;
	memset(u.nodename, 0, sizeof(u.nodename));
	memset(u.domainname, 0, sizeof(u.domainname));
	base_strlcpy(u.nodename, pal_grant()->hostname, sizeof(u.nodename));
	base_strlcpy(u.domainname, "(none)", sizeof(u.domainname));
	if (this_process()->personality & PER_LINUX32)
		base_strlcpy(u.machine, "i686", sizeof(u.machine));
	return user_write(guest, &u, sizeof(u));
}

long sys_sethostname(const char *name, size_t n)
{
	return -EPERM;
}

long sys_setdomainname(const char *name, size_t n)
{
	return -EPERM;
}

long sys_syslog(int type, char *buf, int n)
{
	return -EPERM;
}

long sys_sysinfo(void *guest)
{
	struct sysinfo info;
	struct timespec now;
	int err = pal_sysinfo(&info);

	if (!err)
		err = pal_clock_gettime(CLOCK_BOOTTIME, &now);
	if (err)
		return err;
	/* Rounded up: kernel/sys.c, do_sysinfo. */
	info.uptime = (long)(((u64)now.tv_sec * NSEC + (u64)now.tv_nsec - the_area->boot_ns + NSEC - 1) / NSEC);
	info.procs = (u16)MIN(atomic_load_relaxed(&the_area->nthreads), 65535u);
	return user_write(guest, &info, sizeof(info));
}

long sys_getrandom(void *buf, size_t n, unsigned flags)
{
	if (flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE) ||
	    (flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	if (!guest_range(buf, n))
		return -EFAULT;
	return pal_getrandom(buf, n, flags & ~GRND_RANDOM);
}

#define VM_CHUNK 4096

/* Both sides are this process: copy through a bounce buffer, so that a fault on either side ends the copy cleanly. */
static ssize_t copy_between(char *to, const char *from, size_t n)
{
	u8 bounce[VM_CHUNK];
	size_t done = 0;

	while (done < n) {
		size_t step = MIN(n - done, sizeof(bounce));

		if (user_read(bounce, from + done, step) || user_write(to + done, bounce, step))
			break;
		done += step;
	}
	return done || !n ? (ssize_t)done : -EFAULT;
}

struct cursor_iov {
	const struct iovec *guest;
	u64 left;
	struct iovec now;
};

static int next_piece(struct cursor_iov *c)
{
	while (!c->now.iov_len && c->left) {
		if (user_read(&c->now, c->guest, sizeof(c->now)))
			return -EFAULT;
		c->guest++;
		c->left--;
	}
	return c->now.iov_len ? 1 : 0;
}

/* Another picoprocess's memory is out of reach by design; one's own is not. */
static long vm_copy(s32 pid, const struct iovec *l, u64 nl, const struct iovec *r, u64 nr, u64 flags, bool write)
{
	struct cursor_iov a = { .guest = l, .left = nl }, b = { .guest = r, .left = nr };
	ssize_t done = 0;

	if (flags || nl > IOV_MAX || nr > IOV_MAX)
		return -EINVAL;
	if (pid != this_process()->pid && pid != current()->tid)
		return area_process(pid) ? -EPERM : -ESRCH;
	for (;;) {
		int x = next_piece(&a), y = next_piece(&b);
		size_t n = MIN(a.now.iov_len, b.now.iov_len);
		ssize_t got;

		if (x <= 0 || y <= 0)
			return done ?: MIN(x, y) < 0 ? -EFAULT : 0;
		got = write ? copy_between(b.now.iov_base, a.now.iov_base, n) :
			      copy_between(a.now.iov_base, b.now.iov_base, n);
		if (got < 0)
			return done ?: got;
		done += got;
		if ((size_t)got < n)
			return done;
		a.now.iov_base = (char *)a.now.iov_base + n;
		b.now.iov_base = (char *)b.now.iov_base + n;
		a.now.iov_len -= n;
		b.now.iov_len -= n;
	}
}

long sys_process_vm_readv(s32 pid, const struct iovec *l, u64 nl, const struct iovec *r, u64 nr, u64 flags)
{
	return vm_copy(pid, l, nl, r, nr, flags, false);
}

long sys_process_vm_writev(s32 pid, const struct iovec *l, u64 nl, const struct iovec *r, u64 nr, u64 flags)
{
	return vm_copy(pid, l, nl, r, nr, flags, true);
}
