/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Signal calls: arguments in, one call into libos/signal, results out. */
#include "libos/sys/sys.h"
#include "libos/task/ptrace.h"
#include "libos/entry/entry.h"

#define SIGSET_SIZE 8

long sys_rt_sigaction(int sig, const struct sig_action *set, struct sig_action *old, size_t size)
{
	struct sig_action new_action, old_action;
	long r;

	if (size != SIGSET_SIZE)
		return -EINVAL;
	if (set && user_read(&new_action, set, sizeof(new_action)))
		return -EFAULT;
	r = signal_action(sig, set ? &new_action : NULL, old ? &old_action : NULL);
	if (!r && old && user_write(old, &old_action, sizeof(old_action)))
		return -EFAULT;
	return r;
}

long sys_rt_sigprocmask(int how, const u64 *set, u64 *old, size_t size)
{
	struct thread *t = current();
	u64 before = t->sig.blocked, mask;

	if (size != SIGSET_SIZE)
		return -EINVAL;
	if (set) {
		if (user_read_u64(&mask, set))
			return -EFAULT;
		switch (how) {
		case SIG_BLOCK:
			mask |= before;
			break;
		case SIG_UNBLOCK:
			mask = before & ~mask;
			break;
		case SIG_SETMASK:
			break;
		default:
			return -EINVAL;
		}
		signal_set_mask(t, mask);
	}
	return old && user_write(old, &before, sizeof(before)) ? -EFAULT : 0;
}

long sys_rt_sigreturn(void)
{
	signal_return(current());
	if (unlikely(current()->traced))
		trace_returned(current());
	/* Every register is the frame's, rax, rcx and r11 too: not the way a call returns. */
	entry_leave();
}

long sys_rt_sigpending(u64 *set, size_t size)
{
	struct thread *t = current();
	u64 pending;

	if (size > SIGSET_SIZE)
		return -EINVAL;
	signal_drain(t);
	pending = (t->sig.pending.set | t->proc->sig.shared.set) & t->sig.blocked;
	return user_write(set, &pending, size);
}

long sys_rt_sigsuspend(const u64 *set, size_t size)
{
	struct thread *t = current();
	u64 mask;

	if (size != SIGSET_SIZE)
		return -EINVAL;
	if (user_read_u64(&mask, set))
		return -EFAULT;
	signal_swap_mask(t, mask);
	while (!signal_pending(t))
		pal_ppoll(NULL, 0, NULL);
	return -ERESTARTNOHAND;
}

long sys_pause(void)
{
	struct thread *t = current();

	while (!signal_pending(t))
		pal_ppoll(NULL, 0, NULL);
	return -ERESTARTNOHAND;
}

/* What is left of a relative timeout that began at start (CLOCK_MONOTONIC); false once it is over. */
static bool remaining(const struct timespec *start, const struct timespec *timeout, struct timespec *left)
{
	struct timespec now;

	pal_clock_gettime(CLOCK_MONOTONIC, &now);
	left->tv_sec = timeout->tv_sec - (now.tv_sec - start->tv_sec);
	left->tv_nsec = timeout->tv_nsec - (now.tv_nsec - start->tv_nsec);
	if (left->tv_nsec < 0) {
		left->tv_sec--;
		left->tv_nsec += 1000000000l;
	} else if (left->tv_nsec >= 1000000000l) {
		left->tv_sec++;
		left->tv_nsec -= 1000000000l;
	}
	return left->tv_sec > 0 || (left->tv_sec == 0 && left->tv_nsec > 0);
}

static long wait_for(struct thread *t, u64 set, struct siginfo *info, const struct timespec *timeout)
{
	struct timespec start, left;
	int sig = 0;

	pal_clock_gettime(CLOCK_MONOTONIC, &start);
	t->sig.waiting = set;
	for (;;) {
		atomic_store(&t->tcb.pending, 0);
		signal_drain(t);
		sig = signal_dequeue(t, set, info);
		if (sig)
			break;
		if (signal_drain(t) || atomic_load(&t->proc->exiting) ||
		    atomic_load(&t->proc->exec_by)) {
			atomic_store(&t->tcb.pending, 1);
			sig = -EINTR;
			break;
		}
		if (timeout && !remaining(&start, timeout, &left)) {
			sig = -EAGAIN;
			break;
		}
		pal_ppoll(NULL, 0, timeout ? &left : NULL);
	}
	t->sig.waiting = 0;
	return sig;
}

long sys_rt_sigtimedwait(const u64 *set, void *info, const struct timespec *timeout, size_t size)
{
	struct timespec ts;
	struct siginfo got;
	u64 mask;
	long r;

	if (size != SIGSET_SIZE)
		return -EINVAL;
	if (user_read_u64(&mask, set))
		return -EFAULT;
	if (timeout) {
		if (user_read(&ts, timeout, sizeof(ts)))
			return -EFAULT;
		if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= 1000000000l)
			return -EINVAL;
	}
	r = wait_for(current(), mask & ~SIG_UNBLOCKABLE, &got, timeout ? &ts : NULL);
	if (r > 0 && info && user_write(info, &got, sizeof(got)))
		return -EFAULT;
	return r;
}

static struct siginfo from_self(int sig, int code)
{
	struct siginfo info = { .si_signo = sig, .si_code = code };

	info.si_pid = this_process()->pid;
	info.si_uid = this_process()->cred.ruid;
	return info;
}

static bool valid_signal(int sig)
{
	return sig >= 0 && sig <= SIG_COUNT;
}

long sys_kill(s32 pid, int sig)
{
	struct siginfo info = from_self(sig, SI_USER);

	return valid_signal(sig) ? signal_kill(pid, &info, sig) : -EINVAL;
}

long sys_tgkill(s32 tgid, s32 tid, int sig)
{
	struct siginfo info = from_self(sig, SI_TKILL);

	if (!valid_signal(sig) || tgid <= 0 || tid <= 0)
		return -EINVAL;
	return signal_tgkill(tgid, tid, &info, sig);
}

long sys_tkill(s32 tid, int sig)
{
	struct siginfo info = from_self(sig, SI_TKILL);

	if (!valid_signal(sig) || tid <= 0)
		return -EINVAL;
	return signal_tgkill(0, tid, &info, sig);
}

/* Only the kernel may say that a signal is the kernel's or kill's, unless to oneself (sigqueue(3),
 * do_rt_sigqueueinfo). */
static long read_info(struct siginfo *info, const void *guest, int sig, s32 pid)
{
	if (user_read(info, guest, sizeof(*info)))
		return -EFAULT;
	info->si_signo = sig;
	if ((info->si_code >= 0 || info->si_code == SI_TKILL) && pid != this_process()->pid)
		return -EPERM;
	return valid_signal(sig) ? 0 : -EINVAL;
}

long sys_rt_sigqueueinfo(s32 pid, int sig, void *guest)
{
	struct siginfo info;
	long r = read_info(&info, guest, sig, pid);

	if (r)
		return r;
	return pid <= 0 ? -ESRCH : signal_kill(pid, &info, sig);
}

long sys_rt_tgsigqueueinfo(s32 tgid, s32 tid, int sig, void *guest)
{
	struct siginfo info;
	long r;

	if (tgid <= 0 || tid <= 0)
		return -EINVAL;
	r = read_info(&info, guest, sig, tgid);
	return r ? r : signal_tgkill(tgid, tid, &info, sig);
}

#define ALTSTACK_FLAGS (SS_AUTODISARM)

long sys_sigaltstack(const void *set, void *old)
{
	struct thread *t = current();
	stack_t before = t->sig.altstack, ss;
	u64 sp = guest_regs()->rsp;
	bool on = !(before.ss_flags & (SS_DISABLE | SS_AUTODISARM)) && sp > (u64)before.ss_sp &&
		  sp - (u64)before.ss_sp <= before.ss_size;

	if (set) {
		if (user_read(&ss, set, sizeof(ss)))
			return -EFAULT;
		if (on)
			return -EPERM;
		if ((ss.ss_flags & ~ALTSTACK_FLAGS) != SS_DISABLE && (ss.ss_flags & ~ALTSTACK_FLAGS) != SS_ONSTACK &&
		    (ss.ss_flags & ~ALTSTACK_FLAGS))
			return -EINVAL;
		if (ss.ss_flags & SS_DISABLE) {
			ss.ss_sp = NULL;
			ss.ss_size = 0;
		} else if (ss.ss_size < MINSIGSTKSZ) {
			return -ENOMEM;
		}
		ss.ss_flags &= ~SS_ONSTACK;
		t->sig.altstack = ss;
	}
	if (!old)
		return 0;
	if (on)
		before.ss_flags |= SS_ONSTACK;
	return user_write(old, &before, sizeof(before));
}

long sys_restart_syscall(void)
{
	struct thread *t = current();

	return t->restart.fn ? t->restart.fn(t) : -EINTR;
}
