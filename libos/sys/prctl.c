/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* prctl, arch_prctl, personality: switches of a process, kept here or, where only the host can act, passed on. */
#include "libos/sys/sys.h"
#include "libos/coord/area.h"
#include "libos/mm/mm.h"
#include "libos/task/seccomp.h"

#define SLACK_DEFAULT 50000

static long set_name(const char *guest)
{
	struct thread *t = current();
	char name[TASK_COMM] = { 0 };
	ssize_t n = user_string(name, guest, TASK_COMM - 1);

	if (n == -EFAULT)
		return n;
	name[TASK_COMM - 1] = 0;
	process_set_comm(t->proc, t, name);
	(void)pal_prctl(PR_SET_NAME, (u64)name, 0, 0, 0); /* for tools on the host */
	return 0;
}

static long set_pdeathsig(struct process *p, u64 sig)
{
	int r;

	if (sig > SIG_COUNT)
		return -EINVAL;
	/* The host tells of the parent's end by a bare kick, which signal/inbox.c takes for the signal wanted. */
	p->pdeathsig = (int)sig;
	r = pal_prctl(PR_SET_PDEATHSIG, sig && sig != SIGKILL ? PAL_SIG_KICK : sig, 0, 0, 0);
	return r;
}

static long set_subreaper(struct process *p, bool on)
{
	int r = pal_prctl(PR_SET_CHILD_SUBREAPER, on, 0, 0, 0);

	if (r)
		return r;
	p->child_subreaper = on;
	if (on)
		atomic_or(&p->slot->flags, AREA_SUBREAPER);
	else
		atomic_and(&p->slot->flags, ~AREA_SUBREAPER);
	return 0;
}

static long drop_bounding(struct process *p, u64 cap)
{
	long r = -EPERM;

	if (cap > CAP_LAST_CAP)
		return -EINVAL;
	lock(&p->lock);
	if (p->cred.cap_effective & (1ull << CAP_SETPCAP)) {
		p->cred.cap_bounding &= ~(1ull << cap);
		r = 0;
	}
	unlock(&p->lock);
	return r;
}

static long cap_ambient(u64 op, u64 cap)
{
	switch (op) {
	case PR_CAP_AMBIENT_CLEAR_ALL:
		return cap ? -EINVAL : 0;
	case PR_CAP_AMBIENT_IS_SET:
	case PR_CAP_AMBIENT_LOWER:
		return cap <= CAP_LAST_CAP ? 0 : -EINVAL;
	case PR_CAP_AMBIENT_RAISE:
		return cap <= CAP_LAST_CAP ? -EPERM : -EINVAL;
	}
	return -EINVAL;
}

/* Whether a thread hears of broken memory early; kept, as the host tells its own processes only. */
static long set_mce(struct thread *t, u64 op, u64 when)
{
	if (op == PR_MCE_KILL_CLEAR && !when)
		t->mce = 0;
	else if (op == PR_MCE_KILL_SET && when <= PR_MCE_KILL_EARLY)
		t->mce = (u8)(1 + when);
	else if (op == PR_MCE_KILL_SET && when == PR_MCE_KILL_DEFAULT)
		t->mce = 0;
	else
		return -EINVAL;
	return 0;
}

long sys_prctl(int op, u64 a, u64 b, u64 c, u64 d)
{
	struct process *p = this_process();

	switch (op) {
	case PR_SET_NAME:
		return set_name((const char *)a);
	case PR_GET_NAME:
		return user_write((void *)a, current()->comm, TASK_COMM);
	case PR_SET_PDEATHSIG:
		return set_pdeathsig(p, a);
	case PR_GET_PDEATHSIG:
		return user_write_u32((u32 *)a, (u32)p->pdeathsig);
	case PR_GET_DUMPABLE:
		return p->dumpable;
	case PR_SET_DUMPABLE:
		if (a > 1)
			return -EINVAL;
		process_set_dumpable(p, a);
		return 0;
	case PR_SET_NO_NEW_PRIVS:
		if (a != 1 || b || c || d)
			return -EINVAL;
		p->no_new_privs = true;
		return 0;
	case PR_GET_NO_NEW_PRIVS:
		return a || b || c || d ? -EINVAL : p->no_new_privs;
	case PR_SET_KEEPCAPS:
		if (a > 1)
			return -EINVAL;
		p->keep_caps = a;
		return 0;
	case PR_GET_KEEPCAPS:
		return p->keep_caps;
	case PR_SET_CHILD_SUBREAPER:
		return set_subreaper(p, a);
	case PR_GET_CHILD_SUBREAPER:
		return user_write_u32((u32 *)a, p->child_subreaper);
	case PR_CAPBSET_READ:
		return a > CAP_LAST_CAP ? -EINVAL : (long)(p->cred.cap_bounding >> a & 1);
	case PR_CAPBSET_DROP:
		return drop_bounding(p, a);
	case PR_CAP_AMBIENT:
		return cap_ambient(a, b);
	case PR_GET_SECUREBITS:
		return 0;
	case PR_SET_SECUREBITS:
		return !a && capable(p) ? 0 : -EPERM;
	case PR_GET_SECCOMP:
		return (long)current()->seccomp_mode;
	case PR_SET_SECCOMP:
		return a == SECCOMP_MODE_STRICT	  ? seccomp_strict(current())
		       : a == SECCOMP_MODE_FILTER ? seccomp_add(current(), (const void *)b, 0)
						  : -EINVAL;
	case PR_GET_TIMERSLACK:
		return current()->slack ? (long)current()->slack : SLACK_DEFAULT;
	case PR_SET_TIMERSLACK:
		current()->slack = (s64)a > 0 ? a : 0;
		return pal_prctl(PR_SET_TIMERSLACK, current()->slack, 0, 0, 0);
	case PR_GET_TSC:
		return user_write_u32((u32 *)a, PR_TSC_ENABLE);
	case PR_SET_TSC:
		return a == PR_TSC_ENABLE ? 0 : -EINVAL;
	case PR_GET_TIMING:
		return PR_TIMING_STATISTICAL;
	case PR_SET_TIMING:
		return a == PR_TIMING_STATISTICAL ? 0 : -EINVAL;
	case PR_GET_THP_DISABLE:
		return a || b || c || d ? -EINVAL : p->thp_disabled;
	case PR_SET_THP_DISABLE:
		if (b || c || d)
			return -EINVAL;
		p->thp_disabled = a;
		return 0;
	case PR_SET_MM:
		return -EPERM; /* a checkpoint tool's, with privilege */
	case PR_MCE_KILL:
		return c || d ? -EINVAL : set_mce(current(), a, b);
	case PR_MCE_KILL_GET:
		return a || b || c || d ? -EINVAL : current()->mce ? current()->mce - 1 : PR_MCE_KILL_DEFAULT;
	case PR_GET_SPECULATION_CTRL:
		return b || c || d ? -EINVAL : a > PR_SPEC_L1D_FLUSH ? -ENODEV : pal_prctl(op, a, 0, 0, 0);
	case PR_SET_SPECULATION_CTRL:
		return c || d ? -EINVAL : a > PR_SPEC_L1D_FLUSH ? -ENODEV : pal_prctl(op, a, b, 0, 0);
	case PR_TASK_PERF_EVENTS_DISABLE:
	case PR_TASK_PERF_EVENTS_ENABLE:
		return 0;
	case PR_SET_IO_FLUSHER:
	case PR_GET_IO_FLUSHER:
		return -EPERM;
	case PR_SET_SYSCALL_USER_DISPATCH:
		/* The libOS has the calls already: there is nothing to switch on. */
		return a || b || c || d ? -EINVAL : 0;
	case PR_GET_MDWE:
		return a || b || c || d ? -EINVAL : 0;
	case PR_SET_MDWE:
		return a || b || c || d ? -EINVAL : 0;
	case PR_GET_TID_ADDRESS:
		return user_write((void *)a, &current()->clear_child_tid, sizeof(void *));
	case PR_SET_VMA:
		/* Names are a kindness to readers of maps; the range must be sane, as on a host that keeps them. */
		return a != PR_SET_VMA_ANON_NAME || b & (PAGE_SIZE - 1) ? -EINVAL : 0;
	case PR_SET_PTRACER:
		return 0;
	}
	return -EINVAL;
}

long sys_arch_prctl(int op, u64 addr)
{
	u64 base;

	switch (op) {
	case ARCH_SET_FS:
		if (!guest_range((void *)addr, 0))
			return -EPERM;
		pal_set_fs(addr);
		return 0;
	case ARCH_GET_FS:
		base = pal_get_fs();
		return user_write((void *)addr, &base, sizeof(base));
	case ARCH_GET_GS:
		base = 0; /* GS is the libOS's, and a guest that uses it is not supported */
		return user_write((void *)addr, &base, sizeof(base));
	case ARCH_SET_GS:
		return -EPERM;
	}
	return -EINVAL;
}

long sys_personality(u32 persona)
{
	struct process *p = this_process();
	u32 old = p->personality;

	if (persona != 0xffffffff)
		p->personality = persona;
	return old;
}
