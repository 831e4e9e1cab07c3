// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * What one who is root in name (--root) may try that others need not: devices, owners, set-id
 * programs, mounts, the kernel's settings, modules, clocks, ports and processes of the host's.
 *
 *   root DIR PID     DIR: a directory of the host's with a file "victim"; PID: a process of the
 * host's
 *
 * The libOS may write such things down, and say that they were done: that is the sandbox's own
 * affair, and "done". By the PAL's instruction any success is an escape, as is whatever comes true.
 */
#include "way.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "pal/grant.h"

static const char *dir;
static int host_pid;

/* By the libOS it may have been written down; by the PAL nobody writes. */
static enum verdict judge(enum way w, long r)
{
	return r < 0 ? REFUSED : w == PAL ? ESCAPED : DONE;
}

static long open_at(enum way w, const char *below, int flags)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/%s", below);
	return w == PAL ? call(w, SYS_openat, GRANT_FD_LAYER, below, flags)
			: call(w, SYS_openat, AT_FDCWD, path, flags);
}

/* A node that the libOS wrote down leads to no driver, whatever its number. */
static enum verdict node(enum way w, void *arg)
{
	static const struct {
		mode_t type;
		unsigned major, minor;
	} nodes[] = { { S_IFBLK, 8, 0 }, { S_IFBLK, 254, 0 }, { S_IFBLK, 7, 0 },
		      { S_IFCHR, 1, 1 }, { S_IFCHR, 1, 11 },  { S_IFCHR, 10, 237 } };
	char name[64], c;
	bool made = false;

	(void)arg;
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		snprintf(name, sizeof(name), "root-node-%s-%zu", way_names[w], i);
		if (call(w, SYS_mknodat, w == PAL ? GRANT_FD_WORK : AT_FDCWD, name,
			 nodes[i].type | 0666, makedev(nodes[i].major, nodes[i].minor)))
			continue;
		made = true;
		long fd = call(w, SYS_openat, w == PAL ? GRANT_FD_WORK : AT_FDCWD, name,
			       O_RDONLY | O_NONBLOCK);
		if (fd >= 0 && call(w, SYS_read, fd, &c, 1) == 1)
			return ESCAPED;
		call(w, SYS_unlinkat, w == PAL ? GRANT_FD_WORK : AT_FDCWD, name, 0);
	}
	return judge(w, made ? 0 : -1);
}

static enum verdict read_kernel(enum way w, void *arg)
{
	static const char *const paths[] = { "dev/mem",
					     "dev/kmsg",
					     "dev/port",
					     "proc/kcore",
					     "proc/kallsyms.secret",
					     "etc/shadow",
					     "proc/1/environ",
					     "root/.bashrc.none",
					     "sys/kernel/security/lockdown" };
	const char *path = paths[*(int *)arg];
	char c;
	long fd = open_at(w, path, O_RDONLY | O_NONBLOCK);

	/* /proc/1 is the sandbox's own. */
	if (fd < 0 || call(w, SYS_read, fd, &c, 1) != 1)
		return REFUSED;
	return !strncmp(path, "proc/1/", 7) && w != PAL ? DONE : ESCAPED;
}

static enum verdict write_kernel(enum way w, void *arg)
{
	static const char *const paths[] = { "proc/sysrq-trigger",
					     "proc/sys/kernel/core_pattern",
					     "proc/sys/kernel/hostname",
					     "proc/sys/vm/drop_caches",
					     "sys/power/state",
					     "sys/kernel/uevent_helper",
					     "proc/self/uid_map",
					     "proc/self/oom_score_adj",
					     "sys/fs/cgroup/cgroup.procs",
					     "etc/passwd",
					     "etc/ld.so.preload",
					     "usr/bin/true" };
	const char *path = paths[*(int *)arg];
	long fd = open_at(w, path, O_WRONLY | (w == PAL ? 0 : O_APPEND));

	/* Nothing is written that would hurt if it got there: nothing at all. */
	return judge(w, fd);
}

static enum verdict own_victim(enum way w, void *arg)
{
	char path[PATH_MAX];
	long r;

	(void)arg;
	snprintf(path, sizeof(path), "%s/victim", dir);
	r = w == PAL ? call(w, SYS_fchownat, GRANT_FD_LAYER, path + 1, 0, 0, 0)
		     : call(w, SYS_fchownat, AT_FDCWD, path, 0, 0, 0);
	return judge(w, r);
}

/* A program of root's that anybody becomes root by: on the host it must be neither root's nor
 * set-id. */
static enum verdict set_id(enum way w, void *arg)
{
	int at = w == PAL ? GRANT_FD_WORK : AT_FDCWD;
	char name[64];
	long fd;

	(void)arg;
	snprintf(name, sizeof(name), "root-set-id-%s", way_names[w]);
	fd = call(w, SYS_openat, at, name, O_RDWR | O_CREAT, 0755);
	if (fd < 0)
		return REFUSED;
	call(w, SYS_fchown, fd, 0, 0);
	return judge(w, call(w, SYS_fchmod, fd, 06755));
}

static enum verdict capability(enum way w, void *arg)
{
	static const unsigned char cap[20] = {
		[3] = 2, [4] = 0xff, [5] = 0xff
	}; /* security.capability, version 2 */
	int at = w == PAL ? GRANT_FD_WORK : AT_FDCWD;
	long fd = call(w, SYS_openat, at, "root-cap", O_RDWR | O_CREAT, 0755);

	(void)arg;
	return judge(
		w, fd < 0 ? fd
			  : call(w, SYS_fsetxattr, fd, "security.capability", cap, sizeof(cap), 0));
}

struct row {
	const char *name;
	long nr, a, b, c, d, e;
};

static char area[4096];

static enum verdict plain(enum way w, void *arg)
{
	const struct row *r = arg;

	return judge(w, call(w, r->nr, r->a, r->b, r->c, r->d, r->e));
}

/* Whom the host's process would hear. */
static enum verdict kill_host(enum way w, void *arg)
{
	siginfo_t info = { .si_signo = SIGUSR1, .si_code = SI_QUEUE };

	(void)arg;
	return w == PAL ? judge(w, call(w, SYS_rt_sigqueueinfo, host_pid, SIGUSR1, &info))
			: judge(w, call(w, SYS_kill, host_pid, SIGUSR1));
}

static enum verdict raw_socket(enum way w, void *arg)
{
	static const int kinds[][3] = { { AF_PACKET, SOCK_RAW, 0x300 },
					{ AF_INET, SOCK_RAW, 1 },
					{ AF_INET, SOCK_RAW, 255 },
					{ AF_NETLINK, SOCK_RAW, 9 },
					{ AF_KEY, SOCK_RAW, 2 } };
	const int *k = kinds[*(int *)arg];
	long fd = call(w, SYS_socket, k[0], k[1], k[2]);

	return judge(w, fd);
}

int main(int argc, char **argv)
{
	static const struct row rows[] = {
		{ "mount tmpfs", SYS_mount, (long)"none", (long)"/mnt", (long)"tmpfs", 0, 0 },
		{ "mount proc", SYS_mount, (long)"proc", (long)"/mnt", (long)"proc", 0, 0 },
		{ "mount disk", SYS_mount, (long)"/dev/sda1", (long)"/mnt", (long)"ext4", 0, 0 },
		{ "mount bind", SYS_mount, (long)"/", (long)"/mnt", 0, MS_BIND, 0 },
		{ "umount", SYS_umount2, (long)"/", MNT_DETACH, 0, 0, 0 },
		{ "pivot_root", SYS_pivot_root, (long)".", (long)".", 0, 0, 0 },
		{ "chroot", SYS_chroot, (long)"/proc/1/root", 0, 0, 0, 0 },
		{ "unshare user", SYS_unshare, CLONE_NEWUSER, 0, 0, 0, 0 },
		{ "unshare mount", SYS_unshare, CLONE_NEWNS, 0, 0, 0, 0 },
		{ "setns", SYS_setns, 0, CLONE_NEWNS, 0, 0, 0 },
		{ "init_module", SYS_init_module, (long)area, sizeof(area), (long)"", 0, 0 },
		{ "finit_module", SYS_finit_module, 0, (long)"", 0, 0, 0 },
		{ "delete_module", SYS_delete_module, (long)"none", 0, 0, 0, 0 },
		{ "kexec_load", SYS_kexec_load, 0, 0, 0, 0, 0 },
		{ "kexec_file_load", SYS_kexec_file_load, -1, -1, 0, (long)"", 0 },
		{ "reboot", SYS_reboot, 0xfee1dead, 672274793, 0, 0, 0 }, /* CAD off: the mildest */
		{ "swapon", SYS_swapon, (long)"/dev/null", 0, 0, 0, 0 },
		{ "acct", SYS_acct, 0, 0, 0, 0, 0 },
		{ "sethostname", SYS_sethostname, (long)"escape", 6, 0, 0, 0 },
		{ "setdomainname", SYS_setdomainname, (long)"escape", 6, 0, 0, 0 },
		{ "settimeofday", SYS_settimeofday, (long)area, 0, 0, 0, 0 },
		{ "clock_settime", SYS_clock_settime, 0, (long)area, 0, 0, 0 },
		{ "clock_adjtime", SYS_clock_adjtime, 0, (long)area, 0, 0, 0 },
		{ "iopl", SYS_iopl, 3, 0, 0, 0, 0 },
		{ "ioperm", SYS_ioperm, 0x70, 2, 1, 0, 0 },
		{ "syslog", SYS_syslog, 3, (long)area, sizeof(area), 0, 0 },
		{ "vhangup", SYS_vhangup, 0, 0, 0, 0, 0 },
		{ "quotactl", SYS_quotactl, 0x80000700, 0, 0, 0, 0 },
		{ "bpf", SYS_bpf, 0, (long)area, 64, 0, 0 },
		{ "perf_event_open", SYS_perf_event_open, (long)area, -1, 0, -1, 0 },
		{ "ptrace of the first", SYS_ptrace, 16, 1, 0, 0, 0 },
		{ "open_by_handle_at", SYS_open_by_handle_at, 16, (long)area, 0, 0, 0 },
		{ "setpriority", SYS_setpriority, 0, 0, -20, 0, 0 },
		{ "sched_setscheduler", SYS_sched_setscheduler, 0, 1, (long)area, 0, 0 },
		{ "setresuid", SYS_setresuid, 0, 0, 0, 0, 0 },
		{ "setgroups", SYS_setgroups, 0, 0, 0, 0, 0 },
		{ "capset", SYS_capset, (long)area, 0, 0, 0, 0 },
		{ "keyctl", SYS_keyctl, 0, -3, 1, 0, 0 },
		{ "lookup_dcookie", 212, 0, (long)area, sizeof(area), 0, 0 },
	};
	int escaped = 0;

	if (argc != 3 || !way_pal() || getuid())
		return 2;
	dir = argv[1];
	host_pid = atoi(argv[2]);
	for (enum way w = LIBC; w < WAYS; w++) {
		escaped += attempt("device nodes", w, node, NULL);
		for (int i = 0; i < 9; i++)
			escaped += attempt("read the kernel's", w, read_kernel, &i);
		for (int i = 0; i < 12; i++)
			escaped += attempt("write the kernel's", w, write_kernel, &i);
		escaped += attempt("owner of the victim", w, own_victim, NULL);
		escaped += attempt("set-id program", w, set_id, NULL);
		escaped += attempt("file capability", w, capability, NULL);
		escaped += attempt("signal", w, kill_host, NULL);
		for (int i = 0; i < 5; i++)
			escaped += attempt("raw socket", w, raw_socket, &i);
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			escaped += attempt(rows[i].name, w, plain, (void *)&rows[i]);
	}
	return escaped ? 1 : 0;
}
