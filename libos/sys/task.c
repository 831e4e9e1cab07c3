/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Making and ending processes and threads: arguments, then task/. */
#include "libos/sys/sys.h"
#include "libos/coord/area.h"

#define CLONE3_SIZE_MAX PAGE_SIZE
#define UNSHARE_PARTS (CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)
#define UNSHARE_NEW \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | \
	 CLONE_NEWTIME)

long sys_clone(u64 flags, u64 stack, s32 *parent_tid, s32 *child_tid, u64 tls)
{
	struct clone_request a = {
		.flags = (u32)flags & ~(u64)CSIGNAL,
		.stack = stack,
		.parent_tid = parent_tid,
		.child_tid = child_tid,
		.tls = tls,
		.exit_signal = (int)(flags & CSIGNAL),
		.pidfd = parent_tid,
	};

	if ((flags & CLONE_PIDFD) && (flags & CLONE_PARENT_SETTID))
		return -EINVAL;
	if (a.exit_signal > SIG_COUNT)
		return -EINVAL;
	return task_clone(&a);
}

/* copy_struct_from_user: a longer structure is fine as long as what we don't know is zero. */
static int read_args(struct clone_args *args, const void *guest, size_t size)
{
	memset(args, 0, sizeof(*args));
	if (size > CLONE3_SIZE_MAX)
		return -E2BIG;
	if (size < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	for (size_t at = sizeof(*args); at < size; at++) {
		u8 byte;

		if (user_read(&byte, (const u8 *)guest + at, 1))
			return -EFAULT;
		if (byte)
			return -E2BIG;
	}
	return user_read(args, guest, MIN(size, sizeof(*args)));
}

/* Choosing the id is for checkpoint tools with privilege: why not, in Linux's order. There is one level of ids. */
static long choose_id(const struct clone_args *args)
{
	s32 id;

	if (!args->set_tid || args->set_tid_size != 1)
		return -EINVAL;
	if (user_read(&id, (const void *)args->set_tid, sizeof(id)))
		return -EFAULT;
	return id < 1 || id >= AREA_PIDS ? -EINVAL : -EPERM;
}

long sys_clone3(const void *guest, size_t size)
{
	struct clone_args args;
	struct clone_request a;
	int err = read_args(&args, guest, size);

	if (err)
		return err;
	if (args.flags & (CLONE_DETACHED | (CSIGNAL & ~(u64)CLONE_NEWTIME)) || args.exit_signal > SIG_COUNT)
		return -EINVAL;
	if ((args.flags & (CLONE_THREAD | CLONE_PARENT)) && args.exit_signal)
		return -EINVAL;
	if (args.set_tid || args.set_tid_size)
		return choose_id(&args);
	/* A cgroup there is none to go into. */
	if (args.flags & CLONE_INTO_CGROUP)
		return -EBADF;
	if (!args.stack != !args.stack_size)
		return -EINVAL;
	a = (struct clone_request){
		.flags = args.flags,
		.stack = args.stack + args.stack_size,
		.parent_tid = (s32 *)args.parent_tid,
		.child_tid = (s32 *)args.child_tid,
		.tls = args.tls,
		.exit_signal = (int)args.exit_signal,
		.pidfd = (int *)args.pidfd,
	};
	return task_clone(&a);
}

long sys_fork(void)
{
	struct clone_request a = { .exit_signal = SIGCHLD };

	return task_clone(&a);
}

long sys_vfork(void)
{
	struct clone_request a = { .flags = CLONE_VM | CLONE_VFORK, .exit_signal = SIGCHLD };

	return task_clone(&a);
}

long sys_exit(int status)
{
	task_exit_thread(status);
}

long sys_exit_group(int status)
{
	task_exit_group(W_EXIT(status));
}

long sys_getpid(void)
{
	return this_process()->pid;
}

long sys_gettid(void)
{
	return current()->tid;
}

long sys_getppid(void)
{
	return atomic_load_relaxed(&this_process()->slot->ppid);
}

long sys_set_tid_address(s32 *tid)
{
	current()->clear_child_tid = (u32 *)tid;
	return current()->tid;
}

long sys_set_robust_list(void *head, size_t len)
{
	if (len != sizeof(struct robust_list_head))
		return -EINVAL;
	robust_list_set(current(), head);
	return 0;
}

/* Looking at another's list takes what ptrace(2) takes for reading: the same ids. */
static bool may_look(const struct area_slot *s)
{
	const struct cred *c = &this_process()->cred;

	return capable(this_process()) || (s->euid == c->ruid && s->suid == c->ruid && s->ruid == c->ruid &&
					   s->egid == c->rgid);
}

long sys_get_robust_list(s32 pid, void *head, size_t *len)
{
	static const size_t size = sizeof(struct robust_list_head);
	struct area_slot *s = area_slot(pid ?: current()->tid), *leader;
	u64 list;

	if (!s || !area_named(s->state))
		return -ESRCH;
	leader = area_process(s->tgid);
	if (pid && s->tgid != this_process()->pid && leader && !may_look(leader))
		return -EPERM;
	list = s->robust;
	return user_write(len, &size, sizeof(size)) ?: user_write(head, &list, sizeof(list));
}

/* Processes share nothing of what is not a namespace, so one with a single thread has it all to itself already. A
 * thread with a table of descriptors or a working directory of its own there is not. */
long sys_unshare(u64 flags)
{
	if (flags & ~(u64)(UNSHARE_PARTS | UNSHARE_NEW))
		return -EINVAL;
	if (flags & UNSHARE_NEW)
		return -EPERM;
	if (!flags || this_process()->nthreads == 1)
		return 0;
	return flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM) ? -EINVAL : -EPERM;
}
