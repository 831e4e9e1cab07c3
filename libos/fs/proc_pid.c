// SPDX-License-Identifier: LGPL-3.0-or-later
/* /proc/PID: who it is about, the small files, the table of all. */
#include "libos/fs/kinds.h"
#include "libos/fs/proc.h"
#include "libos/split/split.h"
#include "libos/mm/mm.h"
#include "libos/sys/user.h"
#include "pal/grant.h"

int proc_who(const struct pseudo_node *n, struct proc_who *w)
{
	struct process *me = this_process();
	struct thread *t;

	*w = (struct proc_who){ .pid = (s32)n->pid, .tid = n->key ? (s32)n->key : (s32)n->pid };
	w->of_thread = n->key != 0;
	w->slot = area_process(w->pid);
	if (!w->slot)
		return -ESRCH;
	if (w->pid != me->pid)
		return 0;
	w->self = me;
	lock(&me->sig.lock);
	list_for_each (t, &me->threads, sibling) {
		if (t->tid == w->tid)
			w->thread = t;
	}
	unlock(&me->sig.lock);
	return w->thread ? 0 : -ESRCH;
}

int proc_owner(struct pseudo_node *n, struct attr *a)
{
	struct area_slot *s = area_process((s32)n->pid);
	struct timespec real = { 0 }, boot = { 0 };
	s64 age;

	if (!s)
		return -ENOENT;
	a->uid = s->euid;
	a->gid = s->egid;
	pal_clock_gettime(CLOCK_REALTIME, &real);
	pal_clock_gettime(CLOCK_BOOTTIME, &boot);
	age = boot.tv_sec - (s64)(s->start_ns / 1000000000);
	a->atime = a->mtime = a->ctime = a->btime =
		(struct timespec){ .tv_sec = real.tv_sec - age };
	return 0;
}

/* ---- small files ---- */

/* The guest's memory [from, to): what a program wrote over its arguments is what ps shows. */
static int show_memory(struct buf *b, uintptr_t from, uintptr_t to)
{
	size_t size = to > from ? MIN(to - from, 2ul << 20) : 0;
	char *copy;
	int r;

	if (!size)
		return 0;
	copy = base_alloc(size);
	if (!copy)
		return -ENOMEM;
	r = user_read(copy, (void *)from, size);
	if (r == 0)
		base_buf_put(b, copy, size);
	base_free(copy);
	return r < 0 ? 0 : r;
}

/* A program that has overwritten the end of its arguments means one string that may go on into the environment
 * (fs/proc/base.c, get_mm_proctitle). */
static int show_arguments(const struct mm *mm, struct buf *b)
{
	size_t start = b->size, n;
	char last = 0;
	int r;

	if (user_read(&last, (void *)(mm->arg_end - 1), 1) || !last)
		return show_memory(b, mm->arg_start, mm->arg_end);
	r = show_memory(b, mm->arg_start, MIN(MAX(mm->env_end, mm->arg_end), mm->arg_start + PAGE_SIZE));
	for (n = start; n < b->size && b->data[n]; n++)
		;
	if (r == 0)
		b->size = MIN(n + 1, b->size);
	return r;
}

int proc_show_cmdline(struct pseudo_node *n, struct buf *b)
{
	struct proc_who w;
	int r = proc_who(n, &w);

	if (r < 0)
		return r;
	if (w.slot->state == AREA_ZOMBIE)
		return 0;
	if (w.self && w.self->mm->arg_end)
		return show_arguments(w.self->mm, b);
	/* Programs write over their arguments, and the card holds but the beginning of them. */
	if (!w.self && w.slot->state == AREA_RUNNING && proc_ask_text(n, false, b) == 0)
		return 0;
	base_buf_put(b, w.slot->card, MIN(w.slot->card_size, (u16)AREA_CARD));
	return 0;
}

static int show_environ(struct pseudo_node *n, struct buf *b)
{
	struct proc_who w;
	int r = proc_who(n, &w);

	if (r < 0 || !w.self)
		return r < 0 ? r : proc_ask_text(n, true, b);
	return show_memory(b, w.self->mm->env_start, w.self->mm->env_end);
}

static int show_auxv(struct pseudo_node *n, struct buf *b)
{
	struct proc_who w;
	int r = proc_who(n, &w);

	if (r < 0 || !w.self)
		return r < 0 ? r : proc_ask_text(n, true, b);
	base_buf_put(b, w.self->mm->auxv, MIN(w.self->mm->auxv_count, 64u) * sizeof(u64));
	return 0;
}

static int show_comm(struct pseudo_node *n, struct buf *b)
{
	struct proc_who w;
	int r = proc_who(n, &w);

	if (r == 0)
		base_buf_printf(b, "%.*s\n", AREA_COMM - 1, area_slot(w.tid)->comm);
	return r;
}

static ssize_t store_comm(struct pseudo_node *n, const char *text, size_t size)
{
	char comm[TASK_COMM];
	struct proc_who w;
	int r = proc_who(n, &w);

	if (r < 0 || !w.self)
		return r < 0 ? r : -EINVAL; /* as Linux: not of the same thread group */
	base_strlcpy(comm, text, sizeof(comm));
	process_set_comm(w.self, w.thread, comm);
	return (ssize_t)size;
}

static int show_personality(struct pseudo_node *n, struct buf *b)
{
	struct proc_who w;
	int r = proc_who(n, &w);

	if (r < 0 || !w.self)
		return r < 0 ? r : proc_ask_text(n, true, b);
	base_buf_printf(b, "%08x\n", w.self->personality);
	return 0;
}

static int show_sched(struct pseudo_node *n, struct buf *b)
{
	struct proc_who w;
	int r = proc_who(n, &w);

	if (r < 0)
		return r;
	base_buf_printf(b, "%.*s (%d, #threads: %u)\n", AREA_COMM - 1, w.slot->comm, w.pid,
			w.slot->nthreads);
	base_buf_puts(b, "-------------------------------------------------------------------\n");
	base_buf_printf(b, "policy                                       :                    0\n");
	base_buf_printf(b, "prio                                         :                  %3d\n",
			120 + w.slot->nice);
	return 0;
}

/* ---- sandbox: what is allowed, and a way to less of it (split/split.h) ---- */

static int show_sandbox(struct pseudo_node *n, struct buf *b)
{
	struct proc_who w;
	int r = proc_who(n, &w);

	if (r < 0)
		return r;
	if (!the_area->split_on)
		return split_policy_show(b, NULL);
	base_buf_put(b, the_area->split.policy, strnlen(the_area->split.policy, AREA_POLICY));
	return b->err;
}

static ssize_t store_sandbox(struct pseudo_node *n, const char *text, size_t size)
{
	struct proc_who w;
	int r = proc_who(n, &w);

	if (r < 0)
		return r;
	if (!w.self || strlen(text) != size)
		return w.self ? -EINVAL : -EPERM;
	return split_off(text, &n->node, -1, &(unsigned){ 0 }) ?: (ssize_t)size;
}

/* ---- ns ---- */

#define NS_LINK(fn, kind, number)                                        \
	static ssize_t fn(struct pseudo_node *n, char *buf, size_t size) \
	{                                                                \
		return pseudo_text(buf, size, kind ":[" number "]");     \
	}
NS_LINK(ns_cgroup, "cgroup", "4026531835")
NS_LINK(ns_ipc, "ipc", "4026531839")
NS_LINK(ns_mnt, "mnt", "4026531841")
NS_LINK(ns_net, "net", "4026531840")
NS_LINK(ns_pid, "pid", "4026531836")
NS_LINK(ns_time, "time", "4026531834")
NS_LINK(ns_user, "user", "4026531837")
NS_LINK(ns_uts, "uts", "4026531838")

static int no_follow(struct pseudo_node *n, struct path *out)
{
	return -EACCES;
}

/* clang-format off */
#define OWNED .attr = proc_owner
#define NS(n, fn) { .name = (n), .mode = S_IFLNK | 0777, .readlink = (fn), .follow = no_follow, OWNED }

/* clang-format on */

static const struct pseudo_desc ns_rows[] = {
	NS("cgroup", ns_cgroup),
	NS("ipc", ns_ipc),
	NS("mnt", ns_mnt),
	NS("net", ns_net),
	NS("pid", ns_pid),
	NS("pid_for_children", ns_pid),
	NS("time", ns_time),
	NS("time_for_children", ns_time),
	NS("user", ns_user),
	NS("uts", ns_uts),
	PSEUDO_END,
};

/* ---- task ---- */

static const struct pseudo_desc task_desc;

static int task_find(struct pseudo_node *dir, const char *name, struct pseudo_ref *ref)
{
	s64 tid = pseudo_number(name);
	struct area_slot *s = tid > 0 ? area_slot((s32)tid) : NULL;

	if (!s || (tid != dir->pid && (s->state != AREA_THREAD || s->tgid != dir->pid)))
		return -ENOENT;
	*ref = (struct pseudo_ref){ .desc = &task_desc, .pid = dir->pid, .key = tid };
	return 0;
}

static bool task_next(struct pseudo_node *dir, s64 *cursor, char name[24], struct pseudo_ref *ref)
{
	s32 id = (s32)MAX(*cursor, dir->pid);

	for (id = area_next(id, true); id; id = area_next(id + 1, true)) {
		struct area_slot *s = area_slot(id);

		if (id != dir->pid && (s->state != AREA_THREAD || s->tgid != dir->pid))
			continue;
		*cursor = id;
		base_snprintf(name, 24, "%d", id);
		*ref = (struct pseudo_ref){ .desc = &task_desc, .pid = dir->pid, .key = id };
		return true;
	}
	return false;
}

/* ---- tables ---- */

/* clang-format off */
#define TEXT(n, perm, fn) { .name = (n), .mode = S_IFREG | (perm), .show = (fn), OWNED }
#define RW(n, perm, fn, st) { .name = (n), .mode = S_IFREG | (perm), .show = (fn), .store = (st), OWNED }
#define CONST(n, perm, s) { .name = (n), .mode = S_IFREG | (perm), .text = (s), OWNED }
#define MAGIC(n, fn) { .name = (n), .mode = S_IFLNK | 0777, .readlink = fn##_text, .follow = fn##_follow, OWNED }

/* Rows that a process and each of its threads have. */
#define COMMON_ROWS                                                                                 \
	TEXT("auxv", 0400, show_auxv), CONST("cgroup", 0444, "0::/\n"),                               \
	TEXT("cmdline", 0444, proc_show_cmdline),                                                         \
	{ .name = "comm", .mode = S_IFREG | 0644, .show = show_comm, .store = store_comm, OWNED },   \
	MAGIC("cwd", proc_cwd), TEXT("environ", 0400, show_environ), MAGIC("exe", proc_exe),         \
	CONST("gid_map", 0644, "         0          0 4294967295\n"), TEXT("io", 0400, proc_show_io), \
	TEXT("limits", 0444, proc_show_limits), CONST("loginuid", 0644, "4294967295"),               \
	TEXT("maps", 0444, proc_show_maps),                                                          \
	{ .name = "mem", .mode = S_IFREG | 0600, .open = proc_open_mem, OWNED },                     \
	TEXT("mountinfo", 0444, proc_show_mountinfo), TEXT("mounts", 0444, proc_show_mounts),        \
	RW("oom_adj", 0644, proc_show_oom_adj, proc_store_oom_adj), TEXT("oom_score", 0444, proc_show_oom_score), \
	RW("oom_score_adj", 0644, proc_show_oom_score_adj, proc_store_oom_score_adj),                \
	CONST("arch_status", 0444, ""), DIR("attr", 0555, attr_rows),                                \
	{ .name = "clear_refs", .mode = S_IFREG | 0200, .store = proc_store_ignored, OWNED },        \
	CONST("cpuset", 0444, "/\n"), TEXT("stack", 0400, proc_show_stack),                          \
	TEXT("syscall", 0400, proc_show_syscall),                                                    \
	TEXT("personality", 0400, show_personality),                                                 \
	CONST("projid_map", 0644, "         0          0 4294967295\n"),                             \
	MAGIC("root", proc_root), TEXT("sched", 0644, show_sched), TEXT("schedstat", 0444, proc_show_schedstat), \
	CONST("sessionid", 0444, "4294967295"), CONST("setgroups", 0644, "allow\n"),                 \
	TEXT("smaps", 0444, proc_show_smaps), TEXT("smaps_rollup", 0444, proc_show_smaps_rollup),    \
	TEXT("stat", 0444, proc_show_stat), TEXT("statm", 0444, proc_show_statm),                    \
	TEXT("status", 0444, proc_show_status),                                                      \
	CONST("uid_map", 0644, "         0          0 4294967295\n"), CONST("wchan", 0444, "0")

#define DIR(n, perm, table) { .name = (n), .mode = S_IFDIR | (perm), .children = (table), OWNED }
/* clang-format on */

static const struct pseudo_desc attr_rows[] = {
	RW("current", 0666, proc_show_attr, proc_store_refused),
	RW("exec", 0666, proc_show_attr, proc_store_refused),
	RW("fscreate", 0666, proc_show_attr, proc_store_refused),
	RW("keycreate", 0666, proc_show_attr, proc_store_refused),
	TEXT("prev", 0444, proc_show_attr),
	RW("sockcreate", 0666, proc_show_attr, proc_store_refused),
	PSEUDO_END,
};

static const struct pseudo_desc task_rows[] = {
	COMMON_ROWS,
	TEXT("children", 0444, proc_show_children),
	{ .name = "fd", .mode = S_IFDIR | 0500, .find = proc_fd_find, .next = proc_fd_next, OWNED },
	{ .name = "fdinfo",
	  .mode = S_IFDIR | 0555,
	  .find = proc_fdinfo_find,
	  .next = proc_fdinfo_next,
	  OWNED },
	DIR("net", 0555, proc_net_rows),
	DIR("ns", 0511, ns_rows),
	PSEUDO_END,
};
static const struct pseudo_desc task_desc = DIR("", 0555, task_rows);

static const struct pseudo_desc pid_rows[] = {
	COMMON_ROWS,
	RW("autogroup", 0644, proc_show_autogroup, proc_store_ignored),
	CONST("timens_offsets", 0644, "monotonic           0         0\nboottime            0         0\n"),
	CONST("timers", 0444, ""),
	{ .name = "coredump_filter",
	  .mode = S_IFREG | 0644,
	  .text = "00000033\n",
	  .store = proc_store_ignored,
	  OWNED },
	{ .name = "fd", .mode = S_IFDIR | 0500, .find = proc_fd_find, .next = proc_fd_next, OWNED },
	{ .name = "fdinfo",
	  .mode = S_IFDIR | 0555,
	  .find = proc_fdinfo_find,
	  .next = proc_fdinfo_next,
	  OWNED },
	TEXT("mountstats", 0400, proc_show_mountstats),
	{ .name = "sandbox",
	  .mode = S_IFREG | 0644,
	  .show = show_sandbox,
	  .store = store_sandbox,
	  OWNED },
	DIR("net", 0555, proc_net_rows),
	DIR("ns", 0511, ns_rows),
	{ .name = "task", .mode = S_IFDIR | 0555, .find = task_find, .next = task_next, OWNED },
	CONST("timerslack_ns", 0666, "50000\n"),
	PSEUDO_END,
};
const struct pseudo_desc proc_pid_desc = DIR("", 0555, pid_rows);

s32 proc_dir_pid(const struct file *f)
{
	struct node *n = f->path.dentry ? path_node(&f->path) : NULL;
	const struct pseudo_node *p = n && f->ops == &pseudo_dir_ops ? to_pseudo(n) : NULL;

	return p && p->desc == &proc_pid_desc ? (s32)p->pid : -EBADF;
}
