/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* /proc/PID: small files that say one thing each. */
#include "libos/fs/proc.h"
#include "libos/task/attend.h"

#define OOM_BASE 1000	 /* the slot's words start at 0 */
#define OOM_ADJ_MAX 15	 /* of the older file */
#define OOM_DISABLE (-17)

/* ---- lack of memory ----
 * Nobody here is ended for it but by the host, which is not asked; the wish is kept and shown. */

static int oom_of(const struct proc_who *w)
{
	return (int)w->slot->oom_score_adj - OOM_BASE;
}

static ssize_t oom_set(struct pseudo_node *n, s64 value, size_t size)
{
	struct process *me = this_process();
	struct proc_who w;
	int r = proc_who(n, &w);

	if (r < 0)
		return r;
	if (value < -OOM_BASE || value > OOM_BASE)
		return -EINVAL;
	if (value < 0 && value < oom_of(&w) && !(me->cred.cap_effective & (1ull << CAP_SYS_RESOURCE)))
		return -EACCES;
	w.slot->oom_score_adj = (u16)(value + OOM_BASE);
	return (ssize_t)size;
}

int proc_show_oom_score(struct pseudo_node *n, struct buf *b)
{
	struct proc_who w;
	int r = proc_who(n, &w);

	/* mm/oom_kill.c, of a small process; fs/proc/base.c scales it so. */
	if (r == 0)
		base_buf_printf(b, "%d\n", (OOM_BASE + oom_of(&w)) * 2 / 3);
	return r;
}

int proc_show_oom_score_adj(struct pseudo_node *n, struct buf *b)
{
	struct proc_who w;
	int r = proc_who(n, &w);

	if (r == 0)
		base_buf_printf(b, "%d\n", oom_of(&w));
	return r;
}

static bool parse_int(const char *text, s64 *out)
{
	char digits[16];
	bool minus;
	size_t len;
	u64 v;

	while (*text == ' ' || *text == '\t')
		text++;
	minus = *text == '-';
	text += minus || *text == '+';
	for (len = 0; text[len] >= '0' && text[len] <= '9'; len++)
		;
	if (!len || len >= sizeof(digits) || (text[len] && text[len] != '\n' && text[len] != ' '))
		return false;
	memcpy(digits, text, len);
	digits[len] = '\0';
	if (!base_parse_u64(digits, 10, &v) || v > INT_MAX)
		return false;
	*out = minus ? -(s64)v : (s64)v;
	return true;
}

ssize_t proc_store_oom_score_adj(struct pseudo_node *n, const char *text, size_t size)
{
	s64 v;

	return parse_int(text, &v) ? oom_set(n, v, size) : -EINVAL;
}

int proc_show_oom_adj(struct pseudo_node *n, struct buf *b)
{
	struct proc_who w;
	int r = proc_who(n, &w), adj;

	if (r < 0)
		return r;
	adj = oom_of(&w);
	base_buf_printf(b, "%d\n", adj == OOM_BASE ? OOM_ADJ_MAX : adj * -OOM_DISABLE / OOM_BASE);
	return 0;
}

ssize_t proc_store_oom_adj(struct pseudo_node *n, const char *text, size_t size)
{
	s64 v;

	if (!parse_int(text, &v) || ((v <= OOM_DISABLE || v > OOM_ADJ_MAX) && v != OOM_DISABLE))
		return -EINVAL;
	return oom_set(n, v == OOM_ADJ_MAX ? OOM_BASE : v * OOM_BASE / -OOM_DISABLE, size);
}

/* ---- what a thread does, and whose children there are ---- */

int proc_show_children(struct pseudo_node *n, struct buf *b)
{
	struct proc_who w;
	int r = proc_who(n, &w);

	/* The host does not tell which thread made a child: all are the first one's. */
	for (s32 id = r == 0 && w.tid == w.pid ? area_next(1, false) : 0; id; id = area_next(id + 1, false))
		if (atomic_load_relaxed(&area_slot(id)->ppid) == w.pid)
			base_buf_printf(b, "%d ", id);
	return r;
}

int proc_show_syscall(struct pseudo_node *n, struct buf *b)
{
	const struct pal_regs *regs;
	struct proc_who w;
	int r = proc_who(n, &w);

	if (r < 0 || !w.self)
		return r < 0 ? r : proc_ask_text(n, true, b);
	regs = pal_frame(&w.thread->tcb);
	if ((s64)regs->orig_rax == -1)
		base_buf_puts(b, "running\n");
	else
		base_buf_printf(b, "%ld 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx\n",
				(long)regs->orig_rax, regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8,
				regs->r9, regs->rsp, regs->rip);
	return 0;
}

/* Kernel stacks are shown to those who administer the kernel. */
int proc_show_stack(struct pseudo_node *n, struct buf *b)
{
	return -EACCES;
}

int proc_show_attr(struct pseudo_node *n, struct buf *b)
{
	return -EINVAL; /* no security module that labels processes */
}

ssize_t proc_store_refused(struct pseudo_node *n, const char *text, size_t size)
{
	return -EINVAL;
}

ssize_t proc_store_ignored(struct pseudo_node *n, const char *text, size_t size)
{
	return (ssize_t)size;
}

int proc_show_schedstat(struct pseudo_node *n, struct buf *b)
{
	struct area_usage u = { 0 };
	struct proc_who w;
	int r = proc_who(n, &w);

	if (r < 0)
		return r;
	(void)attend_cpu(w.tid, w.of_thread || area_slot(w.tid)->state == AREA_THREAD, &u);
	base_buf_printf(b, "%lu 0 1\n", (u.user_us + u.system_us) * 1000);
	return 0;
}

int proc_show_autogroup(struct pseudo_node *n, struct buf *b)
{
	struct proc_who w;
	int r = proc_who(n, &w);

	if (r == 0)
		base_buf_printf(b, "/autogroup-%d nice 0\n", w.slot->sid);
	return r;
}
