// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * /proc: the root and the texts that concern the whole sandbox.
 *
 * The host's /proc cannot be seen from inside. Processes, uptime and mounts are the sandbox's;
 * memory is the machine's, as sysinfo(2) tells it; what neither knows (interrupts, disks) is empty
 * in the right form.
 */
#include "libos/fs/proc.h"
#include "libos/task/attend.h"
#include "pal/grant.h"

#define NSEC_TICK (1000000000ull / TICKS)

u64 proc_uptime_ns(void)
{
	struct timespec now = { 0 };

	pal_clock_gettime(CLOCK_BOOTTIME, &now);
	return (u64)now.tv_sec * 1000000000 + (u64)now.tv_nsec - the_area->boot_ns;
}

u64 proc_ticks(u64 boottime_ns)
{
	return boottime_ns > the_area->boot_ns ? (boottime_ns - the_area->boot_ns) / NSEC_TICK : 0;
}

/* ---- time and load ---- */

static int show_uptime(struct pseudo_node *n, struct buf *b)
{
	u64 cs = proc_uptime_ns() / 10000000, idle = cs * cpu_count();

	base_buf_printf(b, "%lu.%02lu %lu.%02lu\n", cs / 100, cs % 100, idle / 100, idle % 100);
	return 0;
}

static int show_loadavg(struct pseudo_node *n, struct buf *b)
{
	struct sysinfo info;
	int r = pal_sysinfo(&info);

	if (r < 0)
		return r;
	for (int i = 0; i < 3; i++) {
		u64 load = info.loads[i] + (1 << SI_LOAD_SHIFT) / 200;

		base_buf_printf(b, "%lu.%02lu ", load >> SI_LOAD_SHIFT,
				((load & ((1 << SI_LOAD_SHIFT) - 1)) * 100) >> SI_LOAD_SHIFT);
	}
	base_buf_printf(b, "1/%u %u\n", atomic_load_relaxed(&the_area->nthreads),
			MAX(atomic_load_relaxed(&the_area->cursor), 1u) - 1);
	return 0;
}

/* Never less than before: what an ended process used is added up a moment after its slot is free. */
static u64 grown(u64 *word, u64 value)
{
	u64 before = atomic_load(word);

	while (value > before &&
	       !__atomic_compare_exchange_n(word, &before, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	return MAX(value, before);
}

/* Processor time is the sandbox's, as its processes last noted it; the rest of the machine's counts as idle. */
static int show_stat(struct pseudo_node *n, struct buf *b)
{
	struct area_usage sum = { atomic_load(&the_area->ended.user_us), atomic_load(&the_area->ended.system_us) };
	u64 idle = proc_uptime_ns() / NSEC_TICK, user, system;
	struct timespec real = { 0 };
	unsigned cpus = cpu_count();

	attend_note_usage(this_process());
	for (s32 id = area_next(1, false); id; id = area_next(id + 1, false)) {
		const struct area_slot *s = area_slot(id);

		if (s->state != AREA_ZOMBIE) {
			sum.user_us += s->usage.user_us;
			sum.system_us += s->usage.system_us;
		}
	}
	user = grown(&the_area->shown.user_us, sum.user_us) / (1000000 / TICKS);
	system = grown(&the_area->shown.system_us, sum.system_us) / (1000000 / TICKS);
	pal_clock_gettime(CLOCK_REALTIME, &real);
	idle *= cpus;
	idle = grown(&the_area->idle, idle - MIN(user + system, idle));
	base_buf_printf(b, "cpu  %lu 0 %lu %lu 0 0 0 0 0 0\n", user, system, idle);
	for (unsigned i = 0; i < cpus; i++)
		base_buf_printf(b, "cpu%u %lu 0 %lu %lu 0 0 0 0 0 0\n", i, user / cpus, system / cpus,
				idle / cpus);
	base_buf_printf(
		b, "intr 0\nctxt 0\nbtime %lu\nprocesses %lu\nprocs_running %u\nprocs_blocked 0\n",
		(u64)real.tv_sec - proc_uptime_ns() / 1000000000,
		atomic_load_relaxed(&the_area->forks), 1);
	base_buf_puts(b, "softirq 0 0 0 0 0 0 0 0 0 0 0\n");
	return 0;
}

/* ---- memory ---- */

static void put_kb(struct buf *b, const char *name, u64 bytes)
{
	base_buf_printf(b, "%s:%*s%8lu kB\n", name, (int)(15 - MIN(strlen(name), 15ul)), "",
			bytes >> 10);
}

static int show_meminfo(struct pseudo_node *n, struct buf *b)
{
	static const char *const zero_before_swap[] = {
		"SwapCached",	"Active",	  "Inactive",	 "Active(anon)", "Inactive(anon)",
		"Active(file)", "Inactive(file)", "Unevictable", "Mlocked"
	};
	static const char *const zero[] = { "Dirty", "Writeback", "AnonPages", "Mapped" };
	static const char *const zero_after[] = { "KReclaimable",  "Slab",	   "SReclaimable",
						  "SUnreclaim",	   "KernelStack",  "PageTables",
						  "SecPageTables", "NFS_Unstable", "Bounce",
						  "WritebackTmp" };
	struct sysinfo i;
	int r = pal_sysinfo(&i);
	u64 unit;

	if (r < 0)
		return r;
	unit = i.mem_unit ? i.mem_unit : 1;
	put_kb(b, "MemTotal", i.totalram * unit);
	put_kb(b, "MemFree", i.freeram * unit);
	put_kb(b, "MemAvailable", (i.freeram + i.bufferram) * unit);
	put_kb(b, "Buffers", i.bufferram * unit);
	put_kb(b, "Cached", i.sharedram * unit);
	for (unsigned k = 0; k < ARRAY_SIZE(zero_before_swap); k++)
		put_kb(b, zero_before_swap[k], 0);
	put_kb(b, "SwapTotal", i.totalswap * unit);
	put_kb(b, "SwapFree", i.freeswap * unit);
	for (unsigned k = 0; k < ARRAY_SIZE(zero); k++)
		put_kb(b, zero[k], 0);
	put_kb(b, "Shmem", i.sharedram * unit);
	for (unsigned k = 0; k < ARRAY_SIZE(zero_after); k++)
		put_kb(b, zero_after[k], 0);
	put_kb(b, "CommitLimit", (i.totalram / 2 + i.totalswap) * unit);
	put_kb(b, "Committed_AS", (i.totalram - i.freeram) * unit);
	put_kb(b, "VmallocTotal", 34359738367ull << 10);
	put_kb(b, "VmallocUsed", 0);
	put_kb(b, "VmallocChunk", 0);
	put_kb(b, "Percpu", 0);
	base_buf_puts(
		b,
		"HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\n"
		"HugePages_Surp:        0\nHugepagesize:       2048 kB\nHugetlb:               0 kB\n");
	return 0;
}

static int show_vmstat(struct pseudo_node *n, struct buf *b)
{
	static const char *const zero[] = { "pgpgin",  "pgpgout",    "pswpin",	"pswpout",
					    "pgfault", "pgmajfault", "oom_kill" };
	struct sysinfo i;
	int r = pal_sysinfo(&i);

	if (r < 0)
		return r;
	base_buf_printf(b, "nr_free_pages %lu\n",
			i.freeram * (i.mem_unit ? i.mem_unit : 1) / PAGE_SIZE);
	for (unsigned k = 0; k < ARRAY_SIZE(zero); k++)
		base_buf_printf(b, "%s 0\n", zero[k]);
	return 0;
}

/* ---- the system's name ---- */

int proc_show_osrelease(struct pseudo_node *n, struct buf *b)
{
	struct new_utsname u;

	pal_uname(&u);
	base_buf_printf(b, "%s\n", u.release);
	return 0;
}

int proc_show_uts_version(struct pseudo_node *n, struct buf *b)
{
	struct new_utsname u;

	pal_uname(&u);
	base_buf_printf(b, "%s\n", u.version);
	return 0;
}

static int show_version(struct pseudo_node *n, struct buf *b)
{
	struct new_utsname u;

	pal_uname(&u);
	base_buf_printf(b, "%s version %s (gsh@%s) %s\n", u.sysname, u.release, pal_grant()->hostname,
			u.version);
	return 0;
}

/* ---- self, pids ---- */

static ssize_t self_text(struct pseudo_node *n, char *buf, size_t size)
{
	char text[16];

	base_snprintf(text, sizeof(text), "%d", this_process()->pid);
	return pseudo_text(buf, size, text);
}

static ssize_t thread_self_text(struct pseudo_node *n, char *buf, size_t size)
{
	char text[40];

	base_snprintf(text, sizeof(text), "%d/task/%d", this_process()->pid, current()->tid);
	return pseudo_text(buf, size, text);
}

static ssize_t mounts_text(struct pseudo_node *n, char *buf, size_t size)
{
	return pseudo_text(buf, size, "self/mounts");
}

static ssize_t net_text(struct pseudo_node *n, char *buf, size_t size)
{
	return pseudo_text(buf, size, "self/net");
}

static int pid_find(struct pseudo_node *dir, const char *name, struct pseudo_ref *ref)
{
	s64 id = pseudo_number(name);
	struct area_slot *s = id > 0 ? area_slot((s32)id) : NULL;

	if (!s)
		return -ENOENT;
	/* A thread's number finds its process, though listings leave it out. */
	if (!area_process((s32)id)) {
		if (s->state != AREA_THREAD || !area_process(s->tgid))
			return -ENOENT;
		*ref = (struct pseudo_ref){ .desc = &proc_pid_desc, .pid = s->tgid, .key = id };
		return 0;
	}
	*ref = (struct pseudo_ref){ .desc = &proc_pid_desc, .pid = id };
	return 0;
}

static bool pid_next(struct pseudo_node *dir, s64 *cursor, char name[24], struct pseudo_ref *ref)
{
	s32 id = area_next((s32)MAX(*cursor, 1), false);

	if (!id)
		return false;
	*cursor = id;
	base_snprintf(name, 24, "%d", id);
	*ref = (struct pseudo_ref){ .desc = &proc_pid_desc, .pid = id };
	return true;
}

static int root_attr(struct pseudo_node *n, struct attr *a)
{
	a->nlink += atomic_load_relaxed(&the_area->nprocs);
	return 0;
}

/* ---- the table ---- */

/* clang-format off */
#define LINK(n, fn) { .name = (n), .mode = S_IFLNK | 0777, .readlink = (fn) }
/* clang-format on */
#define FILESYSTEMS                                                                               \
	"nodev\tsysfs\nnodev\ttmpfs\nnodev\tbdev\nnodev\tproc\nnodev\tcgroup2\nnodev\tdevtmpfs\n" \
	"nodev\tsockfs\nnodev\tpipefs\nnodev\tramfs\nnodev\tdevpts\nnodev\tmqueue\nnodev\toverlay\n"

static const struct pseudo_desc tty_rows[] = {
	PSEUDO_CONST("drivers", "/dev/tty             /dev/tty        5       0 system:/dev/tty\n"
				"/dev/console         /dev/console    5       1 system:console\n"
				"/dev/ptmx            /dev/ptmx       5       2 system\n"
				"pty_slave            /dev/pts      136 0-1048575 pty:slave\n"
				"pty_master           /dev/ptm      128 0-1048575 pty:master\n"),
	PSEUDO_END,
};
static const struct pseudo_desc empty_rows[] = { PSEUDO_END };
#define PRESSURE "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
static const struct pseudo_desc pressure_rows[] = {
	PSEUDO_CONST("cpu", PRESSURE),
	PSEUDO_CONST("io", PRESSURE),
	PSEUDO_CONST("memory", PRESSURE),
	PSEUDO_END,
};

static const struct pseudo_desc root_rows[] = {
	PSEUDO_CONST("buddyinfo", ""),
	PSEUDO_DIR("bus", 0555, empty_rows),
	PSEUDO_CONST("cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"),
	PSEUDO_CONST("cmdline", "\n"),
	PSEUDO_CONST("consoles", ""),
	PSEUDO_TEXT("cpuinfo", proc_show_cpuinfo),
	PSEUDO_CONST("crypto", ""),
	PSEUDO_CONST(
		"devices",
		"Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n128 ptm\n136 pts\n\n"
		"Block devices:\n"),
	PSEUDO_CONST("diskstats", ""),
	PSEUDO_DIR("driver", 0555, empty_rows),
	PSEUDO_CONST("execdomains", "0-0\tLinux           \t[kernel]\n"),
	PSEUDO_CONST("filesystems", FILESYSTEMS),
	PSEUDO_DIR("fs", 0555, empty_rows),
	PSEUDO_DIR("gsh", 0555, proc_gsh_rows),
	PSEUDO_CONST("interrupts", ""),
	PSEUDO_CONST("iomem", ""),
	PSEUDO_CONST("ioports", ""),
	PSEUDO_DIR("irq", 0555, empty_rows),
	PSEUDO_TEXT("loadavg", show_loadavg),
	PSEUDO_CONST("locks", ""),
	PSEUDO_TEXT("meminfo", show_meminfo),
	PSEUDO_CONST("misc", ""),
	PSEUDO_CONST("modules", ""),
	LINK("mounts", mounts_text),
	LINK("net", net_text),
	PSEUDO_DIR("pressure", 0555, pressure_rows),
	PSEUDO_CONST("partitions", "major minor  #blocks  name\n\n"),
	LINK("self", self_text),
	PSEUDO_CONST("softirqs", ""),
	PSEUDO_TEXT("stat", show_stat),
	PSEUDO_CONST("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
	PSEUDO_DIR("sys", 0555, proc_sys_rows),
	PSEUDO_DIR("sysvipc", 0555, proc_ipc_rows),
	LINK("thread-self", thread_self_text),
	PSEUDO_DIR("tty", 0555, tty_rows),
	PSEUDO_TEXT("uptime", show_uptime),
	PSEUDO_TEXT("version", show_version),
	PSEUDO_TEXT("vmstat", show_vmstat),
	PSEUDO_CONST("zoneinfo", ""),
	PSEUDO_END,
};

static const struct pseudo_desc proc_root = {
	.name = "proc",
	.mode = S_IFDIR | 0555,
	.children = root_rows,
	.find = pid_find,
	.next = pid_next,
	.attr = root_attr,
};

struct fs *procfs_create(void)
{
	return pseudo_fs_create("proc", dev_make(0, 21), PROC_SUPER_MAGIC, true, &proc_root);
}
