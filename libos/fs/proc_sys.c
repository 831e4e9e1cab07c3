// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * /proc/sys: what programs read there. Values are those of a stock kernel, or the libOS's own where
 * it has one; all are read-only but where writing means nothing.
 */
#include "libos/fs/proc.h"
#include "pal/grant.h"

static int show_hostname(struct pseudo_node *n, struct buf *b)
{
	base_buf_printf(b, "%.64s\n", pal_grant()->hostname);
	return 0;
}

static int show_ngroups(struct pseudo_node *n, struct buf *b)
{
	base_buf_printf(b, "%d\n", 65536);
	return 0;
}

static int show_pid_max(struct pseudo_node *n, struct buf *b)
{
	base_buf_printf(b, "%d\n", AREA_PIDS);
	return 0;
}

static void put_uuid(struct buf *b, u8 u[16])
{
	u[6] = (u[6] & 0x0f) | 0x40;
	u[8] = (u[8] & 0x3f) | 0x80;
	for (int i = 0; i < 16; i++)
		base_buf_printf(b, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", u[i]);
	base_buf_puts(b, "\n");
}

static int show_uuid(struct pseudo_node *n, struct buf *b)
{
	u8 u[16];
	int r = pal_getrandom(u, sizeof(u), 0);

	if (r < 0)
		return r;
	put_uuid(b, u);
	return 0;
}

/* The same from start to stop of a sandbox. */
static int show_boot_id(struct pseudo_node *n, struct buf *b)
{
	u8 u[16];

	memcpy(u, pal_grant()->random, sizeof(u));
	/* the seed itself is not to be shown */
	for (unsigned i = 0; i < sizeof(u); i += 4) {
		u32 h = base_hash(u, sizeof(u));

		memcpy(u + i, &h, sizeof(h));
	}
	put_uuid(b, u);
	return 0;
}

static int show_threads_max(struct pseudo_node *n, struct buf *b)
{
	base_buf_printf(b, "%d\n", AREA_PIDS - 1);
	return 0;
}

static int show_overflow(struct pseudo_node *n, struct buf *b)
{
	base_buf_puts(b, "65534\n");
	return 0;
}

#define CONST PSEUDO_CONST
#define TEXT PSEUDO_TEXT
#define DIR(n, t) PSEUDO_DIR(n, 0555, t)

static const struct pseudo_desc random_rows[] = {
	TEXT("boot_id", show_boot_id),
	CONST("entropy_avail", "256\n"),
	CONST("poolsize", "256\n"),
	CONST("urandom_min_reseed_secs", "60\n"),
	TEXT("uuid", show_uuid),
	CONST("write_wakeup_threshold", "256\n"),
	PSEUDO_END,
};

static const struct pseudo_desc pty_rows[] = { CONST("max", "4096\n"), CONST("nr", "0\n"),
					       CONST("reserve", "1024\n"), PSEUDO_END };
static const struct pseudo_desc yama_rows[] = { CONST("ptrace_scope", "0\n"), PSEUDO_END };
static const struct pseudo_desc seccomp_rows[] = {
	CONST("actions_avail", "kill_process kill_thread trap errno trace log allow\n"),
	PSEUDO_END
};

static const struct pseudo_desc kernel_rows[] = {
	CONST("cap_last_cap", "40\n"),
	CONST("core_pattern", "core\n"),
	CONST("core_uses_pid", "0\n"),
	CONST("dmesg_restrict", "1\n"),
	CONST("domainname", "(none)\n"),
	TEXT("hostname", show_hostname),
	CONST("io_uring_disabled", "2\n"),
	CONST("kptr_restrict", "1\n"),
	CONST("modules_disabled", "1\n"),
	CONST("msgmax", "8192\n"),
	CONST("msgmnb", "16384\n"),
	CONST("msgmni", "32000\n"),
	CONST("numa_balancing", "0\n"),
	TEXT("ngroups_max", show_ngroups),
	TEXT("osrelease", proc_show_osrelease),
	CONST("ostype", "Linux\n"),
	TEXT("overflowgid", show_overflow),
	TEXT("overflowuid", show_overflow),
	CONST("panic", "0\n"),
	CONST("perf_event_paranoid", "3\n"),
	TEXT("pid_max", show_pid_max),
	CONST("printk", "4\t4\t1\t7\n"),
	DIR("pty", pty_rows),
	DIR("random", random_rows),
	CONST("randomize_va_space", "2\n"),
	CONST("sched_child_runs_first", "0\n"),
	DIR("seccomp", seccomp_rows),
	CONST("sem", "32000\t1024000000\t500\t32000\n"),
	CONST("shmall", "18446744073692774399\n"),
	CONST("shmmax", "18446744073692774399\n"),
	CONST("shm_rmid_forced", "0\n"),
	CONST("shmmni", "4096\n"),
	CONST("sysrq", "0\n"),
	CONST("tainted", "0\n"),
	TEXT("threads-max", show_threads_max),
	CONST("unprivileged_bpf_disabled", "2\n"),
	CONST("unprivileged_userns_clone", "0\n"),
	TEXT("version", proc_show_uts_version),
	DIR("yama", yama_rows),
	PSEUDO_END,
};

static const struct pseudo_desc vm_rows[] = {
	CONST("dirty_background_ratio", "10\n"),
	CONST("dirty_ratio", "20\n"),
	CONST("drop_caches", "0\n"),
	CONST("max_map_count", "65530\n"),
	CONST("min_free_kbytes", "67584\n"),
	CONST("mmap_min_addr", "65536\n"),
	CONST("nr_hugepages", "0\n"),
	CONST("overcommit_kbytes", "0\n"),
	CONST("overcommit_memory", "0\n"),
	CONST("overcommit_ratio", "50\n"),
	CONST("swappiness", "60\n"),
	CONST("unprivileged_userfaultfd", "0\n"),
	CONST("vfs_cache_pressure", "100\n"),
	PSEUDO_END,
};

static const struct pseudo_desc epoll_rows[] = { CONST("max_user_watches", "1048576\n"),
						 PSEUDO_END };
static const struct pseudo_desc inotify_rows[] = {
	CONST("max_queued_events", "16384\n"),
	CONST("max_user_instances", "128\n"),
	CONST("max_user_watches", "8192\n"),
	PSEUDO_END,
};
static const struct pseudo_desc mqueue_rows[] = {
	CONST("msg_default", "10\n"),	    CONST("msg_max", "10\n"),
	CONST("msgsize_default", "8192\n"), CONST("msgsize_max", "8192\n"),
	CONST("queues_max", "256\n"),	    PSEUDO_END,
};

static const struct pseudo_desc fs_rows[] = {
	CONST("aio-max-nr", "65536\n"),
	CONST("aio-nr", "0\n"),
	CONST("dentry-state", "0\t0\t45\t0\t0\t0\n"),
	DIR("epoll", epoll_rows),
	CONST("file-max", "9223372036854775807\n"),
	CONST("file-nr", "1024\t0\t9223372036854775807\n"),
	CONST("inode-nr", "1024\t0\n"),
	DIR("inotify", inotify_rows),
	CONST("leases-enable", "1\n"),
	DIR("mqueue", mqueue_rows),
	CONST("nr_open", "1048576\n"),
	CONST("overflowgid", "65534\n"),
	CONST("overflowuid", "65534\n"),
	CONST("pipe-max-size", "1048576\n"),
	CONST("pipe-user-pages-hard", "0\n"),
	CONST("pipe-user-pages-soft", "16384\n"),
	CONST("protected_fifos", "1\n"),
	CONST("protected_hardlinks", "1\n"),
	CONST("protected_regular", "2\n"),
	CONST("protected_symlinks", "1\n"),
	CONST("suid_dumpable", "0\n"),
	PSEUDO_END,
};

static const struct pseudo_desc core_rows[] = {
	CONST("default_qdisc", "pfifo_fast\n"),
	CONST("netdev_max_backlog", "1000\n"),
	CONST("optmem_max", "131072\n"),
	CONST("rmem_default", "212992\n"),
	CONST("rmem_max", "212992\n"),
	CONST("somaxconn", "4096\n"),
	CONST("wmem_default", "212992\n"),
	CONST("wmem_max", "212992\n"),
	PSEUDO_END,
};
static const struct pseudo_desc ipv4_rows[] = {
	CONST("ip_forward", "0\n"),
	CONST("ip_local_port_range", "32768\t60999\n"),
	CONST("ip_unprivileged_port_start", "1024\n"),
	CONST("ping_group_range", "1\t0\n"),
	CONST("tcp_fin_timeout", "60\n"),
	CONST("tcp_keepalive_intvl", "75\n"),
	CONST("tcp_keepalive_probes", "9\n"),
	CONST("tcp_keepalive_time", "7200\n"),
	CONST("tcp_max_syn_backlog", "512\n"),
	CONST("tcp_rmem", "4096\t131072\t6291456\n"),
	CONST("tcp_syncookies", "1\n"),
	CONST("tcp_wmem", "4096\t16384\t4194304\n"),
	PSEUDO_END,
};
static const struct pseudo_desc ipv6_all_rows[] = { CONST("disable_ipv6", "0\n"), PSEUDO_END };
static const struct pseudo_desc ipv6_conf_rows[] = { DIR("all", ipv6_all_rows),
						     DIR("default", ipv6_all_rows),
						     DIR("lo", ipv6_all_rows), PSEUDO_END };
static const struct pseudo_desc ipv6_rows[] = { CONST("bindv6only", "0\n"),
						DIR("conf", ipv6_conf_rows), PSEUDO_END };
static const struct pseudo_desc unix_rows[] = { CONST("max_dgram_qlen", "512\n"), PSEUDO_END };
static const struct pseudo_desc net_rows[] = { DIR("core", core_rows), DIR("ipv4", ipv4_rows),
					       DIR("ipv6", ipv6_rows), DIR("unix", unix_rows),
					       PSEUDO_END };
static const struct pseudo_desc none_rows[] = { PSEUDO_END };

const struct pseudo_desc proc_sys_rows[] = {
	DIR("abi", none_rows),	DIR("debug", none_rows),    DIR("dev", none_rows),
	DIR("fs", fs_rows),	DIR("kernel", kernel_rows), DIR("net", net_rows),
	DIR("user", none_rows), DIR("vm", vm_rows),	    PSEUDO_END,
};
