/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* ptrace(2): requests and their arguments. What they do: task/ptrace.h. Others fail with EIO, as on Linux. */
#include "libos/sys/sys.h"
#include "libos/entry/entry.h"
#include "libos/sys/user.h"
#include "libos/task/ptrace.h"

#define OPTIONS                                                                                                   \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | \
	 PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT | PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL)
#define USER_SIZE 912 /* sizeof(struct user) */
#define USER_DEBUG 848 /* its u_debugreg, of 8 words */
#define LEGACY_SIZE 512
#define HEADER_SIZE 64

enum { ORIG_RAX = 15, RIP = 16, RSP = 19, RAX = 10, RDI = 14, RSI = 13, RDX = 12, R10 = 7, R8 = 9, R9 = 8 };

static long peek(s32 pid, uintptr_t addr, u64 *to)
{
	u64 word;
	ssize_t n = trace_memory(pid, addr, &word, sizeof(word), false);

	if (n != sizeof(word))
		return n == -ESRCH ? -ESRCH : -EIO;
	return user_write(to, &word, sizeof(word));
}

static long poke(s32 pid, uintptr_t addr, u64 word)
{
	ssize_t n = trace_memory(pid, addr, &word, sizeof(word), true);

	return n == sizeof(word) ? 0 : n == -ESRCH ? -ESRCH : -EIO;
}

/* struct user: the registers, and debug registers that are none. */
static long peek_user(const struct area_trace *rec, uintptr_t at, u64 *to)
{
	u64 word;

	if (at & 7 || at >= USER_SIZE)
		return -EIO;
	word = at / 8 < TRACE_REGS ? rec->regs[at / 8] : 0;
	return user_write(to, &word, sizeof(word));
}

static long poke_user(struct area_trace *rec, uintptr_t at, u64 word)
{
	if (at & 7 || at >= USER_SIZE)
		return -EIO;
	if (at / 8 < TRACE_REGS) {
		rec->regs[at / 8] = word;
		return 0;
	}
	/* To clear what is clear is no change; watchpoints of the processor's are not to be had. */
	return at >= USER_DEBUG && at < USER_DEBUG + 64 && !word ? 0 : -EIO;
}

static ssize_t state_pieces(s32 pid, unsigned what, u8 *all, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = trace_request(pid, what, done, all + done, n - done);

		if (r <= 0)
			return r ?: -EIO;
		done += (size_t)r;
	}
	return (ssize_t)n;
}

/* The vector state as XSAVE leaves it; its first part is struct user_fpregs_struct. */
static long get_state(s32 pid, void *to, size_t n)
{
	cleanup_free u8 *all = base_zalloc(xstate_size);
	ssize_t r = all ? state_pieces(pid, TRACE_GET_XSTATE, all, MIN(n, (size_t)xstate_size)) : -ENOMEM;

	return r < 0 ? r : user_write(to, all, (size_t)r) ?: r;
}

static long set_state(s32 pid, const void *from, size_t n)
{
	cleanup_free u8 *all = base_zalloc(xstate_size);
	u64 present;
	ssize_t r = all ? state_pieces(pid, TRACE_GET_XSTATE, all, xstate_size) : -ENOMEM;

	if (r < 0)
		return r;
	n = MIN(n, (size_t)xstate_size);
	if (user_read(all, from, n))
		return -EFAULT;
	/* The legacy part says nothing of what is in use: both of its components are. */
	if (n <= LEGACY_SIZE) {
		memcpy(&present, all + LEGACY_SIZE, sizeof(present));
		present |= 3;
		memcpy(all + LEGACY_SIZE, &present, sizeof(present));
	}
	r = state_pieces(pid, TRACE_SET_XSTATE, all, xstate_size);
	return r < 0 ? r : (long)n;
}

static long regset(struct area_trace *rec, s32 pid, u64 type, struct iovec *guest, bool set)
{
	struct iovec v;
	size_t size = type == NT_PRSTATUS ? sizeof(rec->regs) : type == NT_PRFPREG ? LEGACY_SIZE : xstate_size;
	long r;

	if (type != NT_PRSTATUS && type != NT_PRFPREG && type != NT_X86_XSTATE)
		return -EINVAL;
	if (user_read(&v, guest, sizeof(v)))
		return -EFAULT;
	if (v.iov_len & 7 || (set && type == NT_X86_XSTATE && v.iov_len < LEGACY_SIZE + HEADER_SIZE))
		return -EINVAL;
	v.iov_len = MIN((size_t)v.iov_len, size);
	if (type != NT_PRSTATUS)
		r = set ? set_state(pid, v.iov_base, v.iov_len) : get_state(pid, v.iov_base, v.iov_len);
	else
		r = set ? user_read(rec->regs, v.iov_base, v.iov_len) : user_write(v.iov_base, rec->regs, v.iov_len);
	return r < 0 ? r : user_write(&guest->iov_len, &v.iov_len, sizeof(v.iov_len));
}

static long get_siginfo(const struct area_trace *rec, void *to)
{
	return rec->has_info ? user_write(to, &rec->info, sizeof(rec->info)) : -EINVAL;
}

static long set_siginfo(struct area_trace *rec, const void *from)
{
	struct siginfo info;

	if (user_read(&info, from, sizeof(info)))
		return -EFAULT;
	if (!rec->has_info)
		return -EINVAL;
	rec->info = info;
	return 0;
}

/* The size of what there is is told, whatever there was room for. */
static long call_info(const struct area_trace *rec, size_t room, void *to)
{
	struct ptrace_syscall_info i = { .op = rec->call,
					 .arch = AUDIT_ARCH_X86_64,
					 .instruction_pointer = rec->regs[RIP],
					 .stack_pointer = rec->regs[RSP] };
	size_t size = offsetof(struct ptrace_syscall_info, entry);
	s64 r = (s64)rec->regs[RAX];

	if (rec->call == PTRACE_SYSCALL_INFO_ENTRY || rec->call == PTRACE_SYSCALL_INFO_SECCOMP) {
		i.entry.nr = rec->regs[ORIG_RAX];
		i.entry.args[0] = rec->regs[RDI], i.entry.args[1] = rec->regs[RSI], i.entry.args[2] = rec->regs[RDX];
		i.entry.args[3] = rec->regs[R10], i.entry.args[4] = rec->regs[R8], i.entry.args[5] = rec->regs[R9];
		size = offsetof(struct ptrace_syscall_info, entry) + sizeof(i.entry);
		if (rec->call == PTRACE_SYSCALL_INFO_SECCOMP) {
			i.seccomp.ret_data = (u32)rec->message;
			size = offsetof(struct ptrace_syscall_info, seccomp.ret_data) + sizeof(i.seccomp.ret_data);
		}
	} else if (rec->call == PTRACE_SYSCALL_INFO_EXIT) {
		i.exit.rval = r;
		i.exit.is_error = r < 0 && r >= -4095;
		size = offsetof(struct ptrace_syscall_info, exit.is_error) + sizeof(i.exit.is_error);
	}
	return user_write(to, &i, MIN(room, size)) ?: (long)size;
}

static long set_options(struct area_trace *rec, u64 options)
{
	if (options & ~(u64)OPTIONS)
		return -EINVAL;
	rec->options = (u32)options;
	return 0;
}

static long sigmask_of(struct area_trace *rec, size_t size, u64 *mask, bool set)
{
	if (size != sizeof(rec->mask))
		return -EINVAL;
	if (!set)
		return user_write(mask, &rec->mask, sizeof(rec->mask));
	if (user_read(&rec->mask, mask, sizeof(rec->mask)))
		return -EFAULT;
	rec->mask &= ~SIG_UNBLOCKABLE;
	return 0;
}

/* Of a tracee that is stopped. */
static long request(s64 op, s32 pid, struct area_trace *rec, uintptr_t addr, uintptr_t data)
{
	switch (op) {
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
		return peek(pid, addr, (u64 *)data);
	case PTRACE_POKETEXT:
	case PTRACE_POKEDATA:
		return poke(pid, addr, data);
	case PTRACE_PEEKUSR:
		return peek_user(rec, addr, (u64 *)data);
	case PTRACE_POKEUSR:
		return poke_user(rec, addr, data);
	case PTRACE_GETREGS:
		return user_write((void *)data, rec->regs, sizeof(rec->regs));
	case PTRACE_SETREGS:
		return user_read(rec->regs, (void *)data, sizeof(rec->regs));
	case PTRACE_GETFPREGS:
		return MIN(get_state(pid, (void *)data, LEGACY_SIZE), 0);
	case PTRACE_SETFPREGS:
		return MIN(set_state(pid, (void *)data, LEGACY_SIZE), 0);
	case PTRACE_GETREGSET:
	case PTRACE_SETREGSET:
		return regset(rec, pid, addr, (struct iovec *)data, op == PTRACE_SETREGSET);
	case PTRACE_GETSIGINFO:
		return get_siginfo(rec, (void *)data);
	case PTRACE_SETSIGINFO:
		return set_siginfo(rec, (void *)data);
	case PTRACE_GETSIGMASK:
	case PTRACE_SETSIGMASK:
		return sigmask_of(rec, addr, (u64 *)data, op == PTRACE_SETSIGMASK);
	case PTRACE_GETEVENTMSG:
		return user_write((void *)data, &rec->message, sizeof(rec->message));
	case PTRACE_GET_SYSCALL_INFO:
		return call_info(rec, addr, (void *)data);
	case PTRACE_SETOPTIONS:
		return set_options(rec, data);
	case PTRACE_CONT:
		return trace_resume(pid, 0, (int)data);
	case PTRACE_SYSCALL:
		return trace_resume(pid, TRACEE_CALLS, (int)data);
	case PTRACE_SINGLESTEP:
		return trace_resume(pid, TRACEE_STEPS, (int)data);
	case PTRACE_SYSEMU:
		return trace_resume(pid, TRACEE_EMULATES, (int)data);
	case PTRACE_SYSEMU_SINGLESTEP:
		return trace_resume(pid, TRACEE_EMULATES | TRACEE_STEPS, (int)data);
	case PTRACE_LISTEN:
		return trace_listen(pid);
	case PTRACE_DETACH:
		return trace_detach(pid, (int)data);
	}
	return -EIO;
}

long sys_ptrace(s64 op, s64 id, uintptr_t addr, uintptr_t data)
{
	static const struct siginfo killed = { .si_signo = SIGKILL };
	s32 pid = (s32)id;
	struct area_slot *s = area_slot(pid);
	struct area_trace *rec;

	switch (op) {
	case PTRACE_TRACEME:
		return trace_me();
	case PTRACE_ATTACH:
		return trace_attach(pid, false, 0);
	case PTRACE_SEIZE:
		return addr || data & ~(u64)OPTIONS ? -EIO : trace_attach(pid, true, (u32)data);
	case PTRACE_INTERRUPT:
		return trace_interrupt(pid);
	case PTRACE_KILL:
		if (!s || atomic_load(&s->tracer) != this_process()->pid)
			return -ESRCH;
		(void)signal_send_pid(s->tgid, &killed);
		return 0;
	}
	rec = trace_stopped(pid);
	return rec ? request(op, pid, rec, addr, data) : -ESRCH;
}
