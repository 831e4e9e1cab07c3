/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* System V IPC and POSIX message queues: arguments in, one call into libos/ipc. */
#include "libos/sys/sys.h"
#include "libos/sys/wait_end.h"
#include "libos/ipc/mq.h"

#define OPS_ON_STACK 64

long sys_shmget(s32 key, size_t size, int flags)
{
	return ipc_shmget(key, size, flags);
}

long sys_shmat(s32 id, u64 addr, int flags)
{
	return ipc_shmat(id, addr, flags);
}

long sys_shmdt(u64 addr)
{
	return ipc_shmdt(addr);
}

long sys_shmctl(s32 id, int cmd, void *arg)
{
	return ipc_shmctl(id, cmd, arg);
}

long sys_msgget(s32 key, int flags)
{
	return ipc_msgget(key, flags);
}

long sys_msgctl(s32 id, int cmd, void *arg)
{
	return ipc_msgctl(id, cmd, arg);
}

long sys_msgsnd(s32 id, const void *msg, size_t size, int flags)
{
	return ipc_msgsnd(id, msg, size, flags);
}

long sys_msgrcv(s32 id, void *msg, size_t size, long type, int flags)
{
	return ipc_msgrcv(id, msg, size, type, flags);
}

long sys_semget(s32 key, int n, int flags)
{
	return ipc_semget(key, n, flags);
}

long sys_semctl(s32 id, int num, int cmd, u64 arg)
{
	return ipc_semctl(id, num, cmd, arg);
}

long sys_semtimedop(s32 id, const void *guest, unsigned n, const struct timespec *timeout)
{
	struct sembuf few[OPS_ON_STACK], *ops = few;
	struct timespec ts, end;
	long r;

	if (timeout && user_read(&ts, timeout, sizeof(ts)))
		return -EFAULT;
	if (n > SEMOPM)
		return -E2BIG;
	if (n < 1 || id < 0)
		return -EINVAL;
	if (n > OPS_ON_STACK)
		ops = base_alloc(n * sizeof(*ops));
	if (!ops)
		return -ENOMEM;
	r = user_read(ops, guest, n * sizeof(*ops));
	if (!r && timeout && !timespec_valid(&ts))
		r = -EINVAL;
	if (!r && timeout)
		end = ns_timespec(ns_add(clock_now(CLOCK_MONOTONIC), timespec_ns(&ts)));
	if (!r)
		r = ipc_semop(id, ops, n, timeout ? &end : NULL);
	if (ops != few)
		base_free(ops);
	return r;
}

long sys_semop(s32 id, const void *ops, unsigned n)
{
	return sys_semtimedop(id, ops, n, NULL);
}

/* ---- POSIX message queues ---- */

static int check_name(const char *name)
{
	if (!*name)
		return -ENOENT;
	if (strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EACCES;
	return strlen(name) > NAME_MAX_LEN ? -ENAMETOOLONG : 0;
}

static int mask_of(int flags)
{
	return flags & O_ACCMODE ? (flags & O_ACCMODE) == O_RDWR ? MAY_READ | MAY_WRITE : MAY_WRITE : MAY_READ;
}

/* The queue that is to be opened: found, or made. The caller holds the directory. */
static int find_or_make(struct ipc_thread *me, const char *name, int flags, u32 mode, const struct mq_attr *attr,
			u32 *index)
{
	int found = mq_find(name);

	if (found < 0 && (flags & O_CREAT))
		return mq_make(me, name, mode & ~atomic_load_relaxed(&this_process()->fs->umask), attr, index);
	if (found < 0)
		return found;
	if ((flags & O_CREAT) && (flags & O_EXCL))
		return -EEXIST;
	if ((flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	*index = (u32)found;
	return mq_permission(mq_at((u32)found), mask_of(flags));
}

static int open_queue(const char *name, int flags, u32 mode, const struct mq_attr *attr, struct file *f)
{
	struct ipc_thread *me = ipc_enter();
	u32 index;
	int r;

	if (IS_ERR(me))
		return -ENOSYS;
	lock(&ipc_holds_lock);
	ipc_lock(me, &the_ipc->mq_dir);
	r = find_or_make(me, name, flags, mode, attr, &index);
	if (!r)
		r = mq_open_file(f, index);
	ipc_unlock(me, &the_ipc->mq_dir);
	unlock(&ipc_holds_lock);
	return r;
}

long sys_mq_open(const char *guest, int flags, u32 mode, const void *attr)
{
	char *name cleanup_free = NULL;
	struct mq_attr a;
	struct file *f;
	int r;

	if (attr && user_read(&a, attr, sizeof(a)))
		return -EFAULT;
	name = user_path(guest);
	if (IS_ERR(name))
		return PTR_ERR(name);
	r = check_name(name);
	if (r)
		return r;
	f = file_create(&path_file_ops, -1, flags & (O_ACCMODE | O_NONBLOCK), NULL);
	if (IS_ERR(f))
		return PTR_ERR(f);
	r = open_queue(name, flags, mode & S_IALLUGO, attr ? &a : NULL, f);
	if (!r)
		return fdtab_add(f, 0, true);
	file_put(f);
	return r;
}

long sys_mq_unlink(const char *guest)
{
	struct ipc_thread *me = ipc_enter();
	char *name cleanup_free = user_path(guest);
	int r;

	if (IS_ERR(name))
		return PTR_ERR(name);
	if (IS_ERR(me))
		return -ENOSYS;
	r = check_name(name);
	if (r)
		return r;
	ipc_lock(me, &the_ipc->mq_dir);
	r = mq_find(name);
	if (r >= 0)
		r = mq_drop_name(me, (u32)r);
	ipc_unlock(me, &the_ipc->mq_dir);
	return r;
}

static struct file *queue_file(int fd, int need)
{
	struct file *f = fdtab_get(fd);

	if (IS_ERR(f) || (f->ops == &mq_file_ops && (mask_of(f->flags) & need) == need))
		return f;
	file_put(f);
	return ERR_PTR(-EBADF);
}

/* 0 or -errno; *end is for those that give a point in time. */
static int read_end(const struct timespec *guest, struct timespec *ts, const struct timespec **end)
{
	*end = NULL;
	if (!guest)
		return 0;
	if (user_read(ts, guest, sizeof(*ts)))
		return -EFAULT;
	*end = ts;
	return timespec_valid(ts) ? 0 : -EINVAL;
}

long sys_mq_timedsend(int fd, const void *msg, size_t size, unsigned prio, const struct timespec *timeout)
{
	struct file *f cleanup_file = NULL;
	const struct timespec *end;
	struct timespec ts;
	int r = read_end(timeout, &ts, &end);

	if (r || prio >= MQ_PRIO_MAX)
		return r ?: -EINVAL;
	f = queue_file(fd, MAY_WRITE);
	return IS_ERR(f) ? PTR_ERR(f) : mq_send(f, msg, size, prio, end);
}

long sys_mq_timedreceive(int fd, void *msg, size_t size, u32 *prio, const struct timespec *timeout)
{
	struct file *f cleanup_file = NULL;
	const struct timespec *end;
	struct timespec ts;
	int r = read_end(timeout, &ts, &end);

	if (r)
		return r;
	f = queue_file(fd, MAY_READ);
	return IS_ERR(f) ? PTR_ERR(f) : mq_receive(f, msg, size, prio, end);
}

long sys_mq_notify(int fd, const void *guest)
{
	struct file *f cleanup_file = NULL;
	struct sigevent how;

	if (guest && user_read(&how, guest, sizeof(how)))
		return -EFAULT;
	if (guest && (u32)how.sigev_notify > SIGEV_THREAD)
		return -EINVAL;
	f = queue_file(fd, 0);
	return IS_ERR(f) ? PTR_ERR(f) : mq_notify(f, guest ? &how : NULL);
}

long sys_mq_getsetattr(int fd, const void *set, void *old)
{
	struct file *f cleanup_file = NULL;
	struct mq_attr new, now;
	long r;

	if (set && user_read(&new, set, sizeof(new)))
		return -EFAULT;
	if (set && (new.mq_flags & ~O_NONBLOCK))
		return -EINVAL;
	f = queue_file(fd, 0);
	if (IS_ERR(f))
		return PTR_ERR(f);
	r = mq_get_attr(f, &now);
	if (!r && set)
		r = mq_setflags(f, (int)new.mq_flags);
	return r ?: old ? user_write(old, &now, sizeof(now)) : 0;
}
