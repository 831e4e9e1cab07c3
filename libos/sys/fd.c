/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Descriptors: duplicates, flags, locks. Record locks and flock are the host's, on host descriptors. */
#include "libos/sys/sys.h"
#include "libos/coord/area.h"
#include "libos/vfs/vfs.h"

long sys_close(int fd)
{
	return fdtab_close(fd);
}

long sys_close_range(unsigned first, unsigned last, unsigned flags)
{
	if (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) || first > last)
		return -EINVAL;
	return fdtab_close_range(first, last, flags);
}

static long duplicate(int fd, int min, bool cloexec)
{
	struct file *f = fdtab_get_path(fd);

	return IS_ERR(f) ? PTR_ERR(f) : fdtab_add(f, min, cloexec);
}

long sys_dup(int fd)
{
	return duplicate(fd, 0, false);
}

static long duplicate_to(int fd, int to, bool cloexec)
{
	struct file *f;

	if (to < 0 || (u64)to >= this_process()->rlimits[RLIMIT_NOFILE].rlim_cur)
		return -EBADF;
	f = fdtab_get_path(fd);
	return IS_ERR(f) ? PTR_ERR(f) : fdtab_set(to, f, cloexec);
}

long sys_dup2(int fd, int to)
{
	struct file *f;

	if (fd != to)
		return duplicate_to(fd, to, false);
	f = fdtab_get_path(fd);
	if (IS_ERR(f))
		return PTR_ERR(f);
	file_put(f);
	return to;
}

long sys_dup3(int fd, int to, int flags)
{
	if (flags & ~O_CLOEXEC || fd == to)
		return -EINVAL;
	return duplicate_to(fd, to, flags & O_CLOEXEC);
}

/* ---- locks ---- */

static bool is_get(unsigned cmd)
{
	return cmd == F_GETLK || cmd == F_OFD_GETLK;
}

/* Where the lock is taken at what stands for the file: that has no size, no position, and may be locked any way. 0 or
 * -errno. */
static int to_stand_in(struct file *f, unsigned cmd, struct flock *fl)
{
	int mode = f->flags & O_ACCMODE;
	struct stat st;
	s64 from = 0;

	if (!is_get(cmd) &&
	    ((fl->l_type == F_RDLCK && mode == O_WRONLY) || (fl->l_type == F_WRLCK && mode == O_RDONLY)))
		return -EBADF;
	if (fl->l_whence == SEEK_CUR)
		from = pal_lseek(f->host_fd, 0, SEEK_CUR);
	else if (fl->l_whence == SEEK_END)
		from = pal_fstat(f->host_fd, &st) ?: st.st_size;
	if (from < 0)
		return (int)from;
	if (fl->l_whence == SEEK_CUR || fl->l_whence == SEEK_END) {
		if (__builtin_add_overflow(fl->l_start, from, &fl->l_start))
			return -EOVERFLOW;
		fl->l_whence = SEEK_SET;
	}
	return 0;
}

/* struct flock passes through but for the holder's id. Bad access modes are the host's to refuse: its descriptor was
 * opened with the guest's. */
static long record_lock(struct file *f, unsigned cmd, struct flock *guest)
{
	struct flock fl, asked;
	int fd = f->host_fd;
	bool own;
	long r;

	if (user_read(&asked, guest, sizeof(asked)))
		return -EFAULT;
	fl = asked;
	/* What has nothing on the host (a device, /proc) nobody can compete for. */
	if (f->host_fd < 0) {
		if ((u16)fl.l_type > F_UNLCK)
			return -EINVAL;
		fl.l_type = F_UNLCK;
		return is_get(cmd) ? user_write(guest, &fl, sizeof(fl)) : 0;
	}
	if ((cmd == F_OFD_GETLK || cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW) && fl.l_pid)
		return -EINVAL;
	if (f->ops->lock_fd)
		fd = f->ops->lock_fd(f, &own);
	r = fd < 0 ? fd : fd != f->host_fd ? to_stand_in(f, cmd, &fl) : 0;
	if (!r)
		r = restartable(pal_fcntl(fd, cmd, (u64)&fl));
	if (r)
		return r;
	if (!is_get(cmd)) {
		if (cmd == F_SETLK || cmd == F_SETLKW)
			f->locked = true;
		return 0;
	}
	if (fl.l_type == F_UNLCK) {
		fl = asked;
		fl.l_type = F_UNLCK;
	} else if (fl.l_pid > 0) {
		fl.l_pid = task_guest_pid(fl.l_pid);
	}
	return user_write(guest, &fl, sizeof(fl));
}

#define SETTABLE (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | FASYNC)
#define ON_HOST (O_APPEND | O_NONBLOCK)

static long set_flags(struct file *f, int flags)
{
	int r = 0;

	if (f->ops->setflags)
		r = f->ops->setflags(f, flags & SETTABLE);
	else if (f->host_fd >= 0)
		r = pal_fcntl(f->host_fd, F_SETFL, flags & ON_HOST);
	if (r)
		return r;
	atomic_store(&f->flags, (f->flags & ~SETTABLE) | (flags & SETTABLE));
	return 0;
}

/* Files say O_LARGEFILE; pipes, sockets and the like do not. */
static int large(const struct file *f)
{
	return f->path.dentry || f->ops->regular ? O_LARGEFILE : f->flags & O_LARGEFILE;
}

/* O_APPEND and O_NONBLOCK belong to the open file description, which other processes share: ask the host. */
static long get_flags(struct file *f)
{
	int own = f->flags & O_PATH ? f->flags & ~O_LARGEFILE : f->flags | large(f);
	long host;

	if (f->ops->getflags)
		return f->ops->getflags(f) | large(f);
	if (f->flags & O_PATH || f->ops->setflags || f->host_fd < 0)
		return own;
	host = pal_fcntl(f->host_fd, F_GETFL, 0);
	return host < 0 ? host : (own & ~ON_HOST) | (host & ON_HOST);
}

struct owner_ex {
	int type;
	s32 pid;
};

/* Whom signals of readiness go to: somebody, or a group (negative). A group may outlive the id it is named by. */
static long set_owner(struct file *f, s32 id)
{
	if (id == INT32_MIN)
		return -EINVAL;
	if (id > 0 && area_next_used(id) != id)
		return -ESRCH;
	f->owner = id;
	return 0;
}

static long owner_ex(struct file *f, unsigned cmd, struct owner_ex *guest)
{
	struct owner_ex o = { .type = f->owner < 0 ? 2 : 1, .pid = f->owner < 0 ? -f->owner : f->owner };

	if (cmd == F_GETOWN_EX)
		return user_write(guest, &o, sizeof(o));
	if (user_read(&o, guest, sizeof(o)))
		return -EFAULT;
	if (o.type < 0 || o.type > 2)
		return -EINVAL;
	if (o.pid < 0)
		return -ESRCH;
	return set_owner(f, o.type == 2 ? -o.pid : o.pid);
}

static long seals(struct file *f, unsigned cmd, u64 arg)
{
	return f->host_fd >= 0 ? pal_fcntl(f->host_fd, cmd, arg) : -EINVAL;
}

static long control(struct file *f, int fd, unsigned cmd, u64 arg)
{
	switch (cmd) {
	case F_GETFL:
		return get_flags(f);
	case F_SETFL:
		return set_flags(f, arg);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return record_lock(f, cmd, (struct flock *)arg);
	case F_GETOWN:
		return f->owner;
	case F_SETOWN:
		return set_owner(f, (s32)arg);
	case F_GETOWN_EX:
	case F_SETOWN_EX:
		return owner_ex(f, cmd, (struct owner_ex *)arg);
	case F_GETSIG:
		return f->owner_sig;
	case F_SETSIG:
		if (arg > SIG_COUNT)
			return -EINVAL;
		f->owner_sig = arg;
		return 0;
	case F_ADD_SEALS:
	case F_GET_SEALS:
	case F_GETPIPE_SZ:
		return seals(f, cmd, arg);
	case F_SETPIPE_SZ:
		return f->host_fd >= 0 ? pal_fcntl(f->host_fd, cmd, arg) : -EBADF;
	case F_GETLEASE:
		return F_UNLCK;
	case F_SETLEASE:
		/* None is given: as if somebody always had the file open in the way of it. */
		if (arg != F_RDLCK && arg != F_WRLCK && arg != F_UNLCK)
			return -EINVAL;
		return f->ops->regular ? -EAGAIN : -EINVAL;
	case F_NOTIFY:
		/* As on a kernel without dnotify, where only "no event" can be asked for. */
		return arg & ~(u64)DN_MULTISHOT ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

long sys_fcntl(int fd, unsigned cmd, u64 arg)
{
	cleanup_file struct file *f = NULL;

	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		f = fdtab_get_path(fd);
		if (IS_ERR(f))
			return PTR_ERR(f);
		if ((int)arg < 0 || arg >= this_process()->rlimits[RLIMIT_NOFILE].rlim_cur)
			return -EINVAL;
		return duplicate(fd, arg, cmd == F_DUPFD_CLOEXEC);
	case F_GETFD:
		return fdtab_flags(fd, -1);
	case F_SETFD:
		return fdtab_flags(fd, arg & FD_CLOEXEC);
	}
	f = cmd == F_GETFL ? fdtab_get_path(fd) : fdtab_get(fd);
	return IS_ERR(f) ? PTR_ERR(f) : control(f, fd, cmd, arg);
}

long sys_flock(int fd, int op)
{
	cleanup_file struct file *f = fdtab_get(fd);
	int kind = op & ~LOCK_NB, host;
	bool own = false;
	long r;

	if (IS_ERR(f))
		return PTR_ERR(f);
	if (op & LOCK_MAND)
		return 0; /* Linux has forgotten them, and says so by doing nothing */
	if (kind != LOCK_SH && kind != LOCK_EX && kind != LOCK_UN)
		return -EINVAL;
	if (f->host_fd < 0)
		return 0;
	host = f->ops->lock_fd ? f->ops->lock_fd(f, &own) : f->host_fd;
	if (host < 0)
		return host;
	r = restartable(pal_flock(host, op));
	if (r || !own || host == f->host_fd)
		return r;
	r = restartable(pal_flock(f->host_fd, op));
	if (r)
		(void)pal_flock(host, LOCK_UN);
	return r;
}

static long order(u64 a, u64 b)
{
	return a == b ? 0 : a < b ? 1 : 2;
}

static long compare_files(u64 a, u64 b)
{
	cleanup_file struct file *f = fdtab_get_path((int)MIN(a, (u64)INT_MAX));
	cleanup_file struct file *g = fdtab_get_path((int)MIN(b, (u64)INT_MAX));

	return IS_ERR(f) || IS_ERR(g) ? -EBADF : order((u64)f, (u64)g);
}

/* Nobody has asynchronous I/O of the kernel's or undo lists that could be told apart. */
static long compare_processes(const struct area_slot *one, const struct area_slot *two, int type)
{
	const struct area_slot *p = area_process(one->tgid), *q = area_process(two->tgid);

	if (!p || !q)
		return -ESRCH;
	if (!task_may_trace(p) || !task_may_trace(q) || type == KCMP_FILE)
		return -EPERM;
	if (type == KCMP_IO || type == KCMP_SYSVSEM)
		return 0;
	if (type == KCMP_VM && (one->tgid == this_process()->pid ? task_shares_memory(q) :
				two->tgid == this_process()->pid && task_shares_memory(p)))
		return 0;
	return type == KCMP_EPOLL_TFD ? -EOPNOTSUPP : order((u64)one->tgid, (u64)two->tgid);
}

/* Threads of one process share everything. Other processes are others; of their files nothing is known. */
long sys_kcmp(s32 pid1, s32 pid2, int type, u64 a, u64 b)
{
	struct area_slot *one = area_slot(pid1), *two = area_slot(pid2);

	if (!one || !two || one->state == AREA_FREE || two->state == AREA_FREE)
		return -ESRCH;
	if (type < 0 || type >= KCMP_TYPES)
		return -EINVAL;
	if (one->tgid != two->tgid)
		return compare_processes(one, two, type);
	if (one->tgid != this_process()->pid && (type == KCMP_FILE || !task_may_trace(one)))
		return -EPERM;
	if (type == KCMP_FILE)
		return compare_files(a, b);
	return type == KCMP_EPOLL_TFD ? -EOPNOTSUPP : 0;
}
