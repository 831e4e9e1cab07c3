/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What remains: the system's name and state, random bytes, memory of other processes. */
#include "libos/sys/sys.h"
#include "libos/coord/area.h"
#include "libos/mm/mm.h"
#include "pal/grant.h"

#define NSEC 1000000000ull

long sys_uname(void *guest)
{
	struct new_utsname u;

	pal_uname(&u);
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
