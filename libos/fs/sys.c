// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * /sys: the few corners that programs read: processors and nodes, huge pages, an empty cgroup tree.
 * Generated, so that it is the same on every rung and tells nothing of the host's devices.
 */
#include "libos/fs/proc.h"

#define CONST PSEUDO_CONST
#define TEXT PSEUDO_TEXT
#define DIR(n, t) PSEUDO_DIR(n, 0755, t)

static int show_cpus(struct pseudo_node *n, struct buf *b)
{
	cpu_list(b);
	return 0;
}

static int show_cpu_mask(struct pseudo_node *n, struct buf *b)
{
	unsigned count = cpu_count();

	base_buf_printf(b, "%x\n", count >= 32 ? ~0u : (1u << count) - 1);
	return 0;
}

static int show_own_number(struct pseudo_node *n, struct buf *b)
{
	base_buf_printf(b, "%ld\n", (long)n->key);
	return 0;
}

static int show_own_mask(struct pseudo_node *n, struct buf *b)
{
	base_buf_printf(b, "%lx\n", n->key < 64 ? 1ul << n->key : 0);
	return 0;
}

/* ---- processors ---- */

static const struct pseudo_desc topology_rows[] = {
	TEXT("core_cpus", show_own_mask),
	TEXT("core_cpus_list", show_own_number),
	TEXT("core_id", show_own_number),
	TEXT("core_siblings", show_cpu_mask),
	TEXT("core_siblings_list", show_cpus),
	CONST("die_id", "0\n"),
	TEXT("package_cpus", show_cpu_mask),
	TEXT("package_cpus_list", show_cpus),
	CONST("physical_package_id", "0\n"),
	TEXT("thread_siblings", show_own_mask),
	TEXT("thread_siblings_list", show_own_number),
	PSEUDO_END,
};
static const struct pseudo_desc cpu_rows[] = { CONST("online", "1\n"),
					       DIR("topology", topology_rows), PSEUDO_END };
static const struct pseudo_desc cpu_desc = PSEUDO_DIR("", 0755, cpu_rows);

static int cpu_find(struct pseudo_node *dir, const char *name, struct pseudo_ref *ref)
{
	s64 cpu = strncmp(name, "cpu", 3) ? -1 : pseudo_number(name + 3);

	if (cpu < 0 || cpu >= cpu_count())
		return -ENOENT;
	*ref = (struct pseudo_ref){ .desc = &cpu_desc, .key = cpu };
	return 0;
}

static bool cpu_next(struct pseudo_node *dir, s64 *cursor, char name[24], struct pseudo_ref *ref)
{
	if (*cursor >= cpu_count())
		return false;
	base_snprintf(name, 24, "cpu%ld", (long)*cursor);
	*ref = (struct pseudo_ref){ .desc = &cpu_desc, .key = *cursor };
	return true;
}

static const struct pseudo_desc cpus_rows[] = {
	CONST("isolated", "\n"),
	CONST("kernel_max", "8191\n"),
	CONST("offline", "\n"),
	TEXT("online", show_cpus),
	TEXT("possible", show_cpus),
	TEXT("present", show_cpus),
	PSEUDO_END,
};

/* ---- nodes ---- */

static int show_node_memory(struct pseudo_node *n, struct buf *b)
{
	struct sysinfo i;
	int r = pal_sysinfo(&i);
	u64 unit;

	if (r < 0)
		return r;
	unit = i.mem_unit ? i.mem_unit : 1;
	base_buf_printf(
		b,
		"Node 0 MemTotal:       %8lu kB\nNode 0 MemFree:        %8lu kB\nNode 0 MemUsed:        %8lu kB\n",
		i.totalram * unit >> 10, i.freeram * unit >> 10,
		(i.totalram - i.freeram) * unit >> 10);
	return 0;
}

static const struct pseudo_desc node0_rows[] = {
	TEXT("cpulist", show_cpus),
	TEXT("cpumap", show_cpu_mask),
	CONST("distance", "10\n"),
	TEXT("meminfo", show_node_memory),
	PSEUDO_END,
};
static const struct pseudo_desc nodes_rows[] = {
	CONST("has_cpu", "0\n"),
	CONST("has_memory", "0\n"),
	CONST("has_normal_memory", "0\n"),
	DIR("node0", node0_rows),
	CONST("online", "0\n"),
	CONST("possible", "0\n"),
	PSEUDO_END,
};

/* ---- the rest ---- */

static const struct pseudo_desc system_rows[] = {
	{ .name = "cpu",
	  .mode = S_IFDIR | 0755,
	  .children = cpus_rows,
	  .find = cpu_find,
	  .next = cpu_next },
	DIR("node", nodes_rows),
	PSEUDO_END,
};
static const struct pseudo_desc none_rows[] = { PSEUDO_END };
static const struct pseudo_desc devices_rows[] = { DIR("system", system_rows),
						   DIR("virtual", none_rows), PSEUDO_END };
static const struct pseudo_desc cgroup_rows[] = {
	CONST("cgroup.controllers", "\n"),
	CONST("cgroup.events", "populated 1\nfrozen 0\n"),
	CONST("cgroup.procs", ""),
	CONST("cgroup.subtree_control", "\n"),
	PSEUDO_END,
};
static const struct pseudo_desc fs_rows[] = { DIR("cgroup", cgroup_rows), PSEUDO_END };
static const struct pseudo_desc thp_rows[] = {
	CONST("defrag", "always defer defer+madvise [madvise] never\n"),
	CONST("enabled", "always [madvise] never\n"),
	CONST("hpage_pmd_size", "2097152\n"),
	CONST("shmem_enabled", "always within_size advise [never] deny force\n"),
	PSEUDO_END,
};
static const struct pseudo_desc mm_rows[] = { DIR("hugepages", none_rows),
					      DIR("transparent_hugepage", thp_rows), PSEUDO_END };
static const struct pseudo_desc kernel_rows[] = { DIR("debug", none_rows), DIR("mm", mm_rows),
						  DIR("security", none_rows), PSEUDO_END };
static const struct pseudo_desc lo_rows[] = {
	CONST("address", "00:00:00:00:00:00\n"),
	CONST("carrier", "1\n"),
	CONST("flags", "0x9\n"),
	CONST("ifindex", "1\n"),
	CONST("mtu", "65536\n"),
	CONST("operstate", "unknown\n"),
	CONST("type", "772\n"),
	PSEUDO_END,
};
static const struct pseudo_desc net_rows[] = { DIR("lo", lo_rows), PSEUDO_END };
static const struct pseudo_desc class_rows[] = { DIR("block", none_rows), DIR("net", net_rows),
						 DIR("tty", none_rows), PSEUDO_END };
static const struct pseudo_desc dev_rows[] = { DIR("block", none_rows), DIR("char", none_rows),
					       PSEUDO_END };
static const struct pseudo_desc bus_rows[] = { DIR("cpu", none_rows), DIR("pci", none_rows),
					       DIR("usb", none_rows), PSEUDO_END };

static const struct pseudo_desc root_rows[] = {
	DIR("block", none_rows),  DIR("bus", bus_rows),		DIR("class", class_rows),
	DIR("dev", dev_rows),	  DIR("devices", devices_rows), DIR("firmware", none_rows),
	DIR("fs", fs_rows),	  DIR("hypervisor", none_rows), DIR("kernel", kernel_rows),
	DIR("module", none_rows), DIR("power", none_rows),	PSEUDO_END,
};
static const struct pseudo_desc sys_root = PSEUDO_DIR("sys", 0555, root_rows);

struct fs *sysfs_create(void)
{
	return pseudo_fs_create("sysfs", dev_make(0, 20), SYSFS_MAGIC, true, &sys_root);
}
