/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Why a program failed. See why.h. */
#include "libos/task/why.h"
#include "libos/fs/proc.h"
#include "libos/sys/sys.h"
#include "libos/sys/user.h"
#include "libos/task/task.h"

/* Which argument is a path; 0: none. */
static unsigned path_argument(u64 nr)
{
	switch (nr) {
	case __NR_open:
	case __NR_stat:
	case __NR_lstat:
	case __NR_access:
	case __NR_execve:
	case __NR_truncate:
	case __NR_chdir:
	case __NR_rename:
	case __NR_mkdir:
	case __NR_rmdir:
	case __NR_creat:
	case __NR_unlink:
	case __NR_readlink:
	case __NR_chmod:
	case __NR_chown:
	case __NR_lchown:
	case __NR_mknod:
	case __NR_statfs:
	case __NR_chroot:
	case __NR_mount:
	case __NR_umount2:
		return 1;
	case __NR_openat:
	case __NR_mkdirat:
	case __NR_mknodat:
	case __NR_fchownat:
	case __NR_newfstatat:
	case __NR_unlinkat:
	case __NR_renameat:
	case __NR_readlinkat:
	case __NR_fchmodat:
	case __NR_faccessat:
	case __NR_utimensat:
	case __NR_renameat2:
	case __NR_execveat:
	case __NR_statx:
	case __NR_openat2:
	case __NR_faccessat2:
	case __NR_symlink:
	case __NR_link:
		return 2;
	case __NR_symlinkat:
		return 3;
	case __NR_linkat:
		return 4;
	}
	return 0;
}

/* What has no path and yet a reason that is the sandbox's. */
static bool is_plain(u64 nr)
{
	switch (nr) {
	case __NR_socket:
	case __NR_ptrace:
	case __NR_kill:
	case __NR_unshare:
	case __NR_setns:
	case __NR_bpf:
	case __NR_clone:
	case __NR_fork:
	case __NR_vfork:
	case __NR_io_uring_setup:
	case __NR_perf_event_open:
	case __NR_init_module:
	case __NR_reboot:
	case __NR_swapon:
	case __NR_settimeofday:
	case __NR_sethostname:
		return true;
	}
	return false;
}

/* An address of the network as text; others are not told. */
static void put_address(char *text, u64 guest, u64 size)
{
	union {
		struct {
			u16 family, port;
			u8 in[4];
		};
		struct {
			u16 family6, port6;
			u32 flow;
			u16 in6[8];
		};
		struct {
			u16 family1;
			char path[WHY_TEXT];
		};
	} a = { 0 };

	if (user_read(&a, (const void *)guest, MIN(size, sizeof(a) - 1)) < 0)
		return;
	if (a.family == AF_INET)
		base_snprintf(text, WHY_TEXT, "%u.%u.%u.%u port %u", a.in[0], a.in[1], a.in[2], a.in[3],
			      __builtin_bswap16(a.port));
	else if (a.family == AF_UNIX)
		base_snprintf(text, WHY_TEXT, "%s%s", a.path[0] ? "" : "@", a.path[0] ? a.path : a.path + 1);
	else
		base_snprintf(text, WHY_TEXT, "family %u", a.family);
}

/* A path, or its end if it is long: the name tells more than where. */
static void put_path(char *text, u64 guest)
{
	char path[512];
	ssize_t n = user_string(path, (const char *)guest, sizeof(path));

	if (n < 0)
		return;
	memcpy(text, n < WHY_TEXT ? path : path + n - (WHY_TEXT - 1), MIN((size_t)n, (size_t)WHY_TEXT - 1) + 1);
}

void why_note(const struct pal_regs *regs, long err)
{
	const u64 arg[] = { regs->rdi, regs->rsi, regs->rdx, regs->r10 };
	struct why *w = &current()->why;
	struct why_call *c = &w->call[w->n % WHY_CALLS];
	u32 nr = (u32)regs->orig_rax;
	unsigned at = path_argument(nr);
	s32 pid = this_process()->pid;

	if (!at && nr != __NR_connect && nr != __NR_bind && !is_plain(nr))
		return;
	if (w->pid != pid) {
		w->pid = pid;
		w->n = 0;
		c = w->call;
	}
	c->nr = (u16)nr;
	c->err = (u16)err;
	c->text[0] = '\0';
	if (at)
		put_path(c->text, arg[at - 1]);
	else if (nr == __NR_connect || nr == __NR_bind)
		put_address(c->text, regs->rsi, regs->rdx);
	w->n++;
}

void why_forget(void)
{
	current()->why.n = 0;
}

void why_end(u32 status)
{
	struct why *w = &current()->why;
	struct process *p = this_process();
	struct timespec ts = { 0 };
	struct area_why *to;
	u64 number;

	if (!status || w->pid != p->pid || !w->n)
		return;
	number = atomic_add(&the_area->whys, 1);
	to = &the_area->why[number % WHY_ENDS];
	atomic_store(&to->number, 0);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	(void)pal_clock_gettime(CLOCK_REALTIME, &ts);
	to->time_ns = (u64)ts.tv_sec * 1000000000ull + (u64)ts.tv_nsec;
	to->pid = p->pid;
	to->ppid = p->slot->ppid;
	to->status = status;
	memcpy(to->comm, p->slot->comm, sizeof(to->comm));
	to->calls = *w;
	atomic_store(&to->number, number);
}

/* Control characters and blanks of names as \ooo, so that a line stays one. */
static void put_text(struct buf *b, const char *text, size_t room)
{
	for (size_t i = 0; i < room && text[i]; i++) {
		u8 c = (u8)text[i];

		if (c <= ' ' || c == '\\' || c == 127)
			base_buf_printf(b, "\\%u%u%u", c >> 6, c >> 3 & 7, c & 7);
		else
			base_buf_put(b, &text[i], 1);
	}
}

/*
 * /proc/gsh/why: the processes that ended badly, oldest first: "end NUMBER TIME PID PPID STATUS COMM", then the calls
 * that failed, "call NAME ERRNO TEXT", in their order.
 */
int why_show(struct pseudo_node *node, struct buf *b)
{
	u64 last = atomic_load(&the_area->whys), first = last > WHY_ENDS ? last - WHY_ENDS : 0;

	for (u64 number = first + 1; number <= last; number++) {
		const struct area_why *from = &the_area->why[number % WHY_ENDS];
		struct area_why e;

		if (atomic_load(&from->number) != number)
			continue;
		e = *from;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (atomic_load(&from->number) != number)
			continue;
		base_buf_printf(b, "end %lu %lu %d %d %u ", number, e.time_ns, e.pid, e.ppid, e.status);
		put_text(b, e.comm, sizeof(e.comm));
		base_buf_printf(b, "\n");
		for (u32 i = e.calls.n > WHY_CALLS ? e.calls.n - WHY_CALLS : 0; i < e.calls.n; i++) {
			const struct why_call *c = &e.calls.call[i % WHY_CALLS];

			base_buf_printf(b, "call %s %u ", syscall_name(c->nr) ?: "?", c->err);
			put_text(b, c->text, sizeof(c->text));
			base_buf_printf(b, "\n");
		}
	}
	return 0;
}
