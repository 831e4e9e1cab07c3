/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Open message queues. What can be waited for must be a descriptor of the host's that every instance can get: a fifo
 * on the sandbox's tmpfs, two pages large, one of them filled while the queue holds messages, both while it is full.
 * So it reads as readable and writable just when the queue is. It is kept in step only once somebody has asked:
 * until then sending and receiving cost nothing of it.
 */
#include "libos/ipc/mq.h"
#include "libos/fs/at_once.h"
#include "libos/ckpt/cursor.h"
#include "libos/sys/user.h"
#include "pal/grant.h"

enum { EMPTY, SOME, FULL };
#define FIFO_SIZE (2 * PAGE_SIZE)

void mq_fifo_name(u32 index, u32 generation, char name[32])
{
	base_snprintf(name, 32, ".gsh-mq-%u-%u", index, generation);
}

int mq_permission(const struct ipc_mq *q, int mask)
{
	const struct cred *c = &this_process()->cred;

	return attr_permission(c, q->mode, q->uid, q->gid, c->fsuid, c->fsgid, mask);
}

/* ---- readiness ---- */

static const u8 page[PAGE_SIZE];

/* One more page in use: a byte begins the first, a whole page never joins another. */
static void fill_one(int fd, bool first)
{
	(void)!at_once(pal_write(fd, page, first ? 1 : PAGE_SIZE));
}

/* One fewer: of both, all but a byte goes. */
static void empty_one(int fd, bool last)
{
	u8 sink[PAGE_SIZE];
	ssize_t n;

	do
		n = at_once(pal_read(fd, sink, sizeof(sink)));
	while (last && n > 0);
}

static u32 level_of(const struct ipc_mq *q)
{
	return !q->store.count ? EMPTY : q->store.count < q->maxmsg ? SOME : FULL;
}

static void keep_in_step(struct ipc_mq *q, int fd)
{
	u32 want = level_of(q);

	for (; q->level < want; q->level++)
		fill_one(fd, q->level == EMPTY);
	for (; q->level > want; q->level--)
		empty_one(fd, q->level == SOME);
}

/* ---- the queue behind a descriptor ---- */

/* A file that came over an exec has no ref yet. */
static int take_ref(struct ipc_thread *me, struct mq_file *m)
{
	int r = -EBADF;

	lock(&ipc_holds_lock);
	ipc_lock(me, &the_ipc->mq_dir);
	if (mq_at(m->index)->generation == m->generation)
		r = ipc_hold(&m->hold, IPC_MQ, m->index);
	ipc_unlock(me, &the_ipc->mq_dir);
	unlock(&ipc_holds_lock);
	return r;
}

struct ipc_mq *mq_lock(struct ipc_thread *me, struct file *f)
{
	struct mq_file *m = f->priv;
	struct ipc_mq *q = mq_at(m->index);

	if (unlikely(!m->hold.ref && !this_process()->vfork_child) && take_ref(me, m))
		return ERR_PTR(-EBADF);
	ipc_lock(me, &q->lock);
	if (unlikely(q->generation != m->generation)) {
		ipc_unlock(me, &q->lock);
		return ERR_PTR(-EBADF);
	}
	if (unlikely(q->senders.first))
		mq_settle(me, q);
	if (unlikely(q->telling))
		mq_announce(q);
	return q;
}

void mq_unlock(struct ipc_thread *me, struct file *f)
{
	struct ipc_mq *q = mq_at(((struct mq_file *)f->priv)->index);

	if (unlikely(q->polled))
		keep_in_step(q, f->host_fd);
	ipc_unlock(me, &q->lock);
}

int mq_open_file(struct file *f, u32 index)
{
	struct mq_file *m = base_zalloc(sizeof(*m));
	char name[32];
	int fd, r;

	if (!m)
		return -ENOMEM;
	m->index = index;
	m->generation = mq_at(index)->generation;
	mq_fifo_name(index, m->generation, name);
	fd = host_fd_move(pal_openat(GRANT_FD_SHM, name,
				     O_RDWR | O_NONBLOCK | (f->flags & O_NONBLOCK ? O_APPEND : 0), 0));
	r = fd < 0 ? fd : ipc_hold(&m->hold, IPC_MQ, index);
	if (r) {
		if (fd >= 0)
			pal_close(fd);
		base_free(m);
		return r;
	}
	(void)at_once(pal_fcntl(fd, F_SETPIPE_SZ, FIFO_SIZE));
	f->host_fd = fd;
	f->priv = m;
	f->ops = &mq_file_ops;
	return 0;
}

/* ---- file operations ---- */

/* Its process is not to be told any more. The caller holds the directory. */
static bool take_notice_off(struct ipc_thread *me, struct ipc_mq *q)
{
	bool thread = false;

	if (q->notify_pid != this_process()->pid)
		return false;
	ipc_lock(me, &q->lock);
	if (q->notify_pid == this_process()->pid) {
		thread = q->notify == IPC_NOTIFY_THREAD;
		q->notify_pid = 0;
		q->notify = IPC_NOTIFY_OFF;
	}
	ipc_unlock(me, &q->lock);
	return thread;
}

static void mq_release(struct file *f)
{
	struct mq_file *m = f->priv;
	struct ipc_thread *me = m ? ipc_enter() : NULL;
	bool thread = false;

	if (!m || IS_ERR(me))
		return;
	lock(&ipc_holds_lock);
	ipc_lock(me, &the_ipc->mq_dir);
	if (ipc_let_go(&m->hold)) {
		thread = take_notice_off(me, mq_at(m->index));
		ipc_mq_lost(me, m->index);
	}
	ipc_unlock(me, &the_ipc->mq_dir);
	unlock(&ipc_holds_lock);
	if (thread)
		mq_thread_removed(m);
	base_free(m);
}

static int describe(struct file *f, char *text, size_t size)
{
	struct ipc_thread *me = ipc_enter();
	struct ipc_mq *q = IS_ERR(me) ? ERR_PTR(-ENOSYS) : mq_lock(me, f);
	static const int kinds[] = { [IPC_NOTIFY_NONE] = SIGEV_NONE, [IPC_NOTIFY_THREAD] = SIGEV_THREAD };
	int n;

	if (IS_ERR(q))
		return PTR_ERR(q);
	n = base_snprintf(text, size, "QSIZE:%-10lu NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n", q->store.bytes,
			  kinds[q->notify % ARRAY_SIZE(kinds)], q->notify == IPC_NOTIFY_SIGNAL ? (int)q->notify_sig : 0,
			  q->notify ? q->notify_pid : 0);
	(void)pal_clock_gettime(CLOCK_REALTIME, &q->ctime);
	q->atime = q->ctime;
	mq_unlock(me, f);
	return n;
}

static ssize_t mq_pread(struct file *f, void *buf, size_t n, u64 off)
{
	char text[96];
	int len = describe(f, text, sizeof(text));

	if (len < 0 || off >= (u64)len)
		return MIN(len, 0);
	n = MIN(n, (u64)len - off);
	return user_write(buf, text + off, n) ?: (ssize_t)n;
}

static ssize_t mq_read(struct file *f, void *buf, size_t n)
{
	ssize_t r;

	lock(&f->lock);
	r = mq_pread(f, buf, n, f->pos);
	if (r > 0)
		f->pos += (u64)r;
	unlock(&f->lock);
	return r;
}

static ssize_t mq_write(struct file *f, const void *buf, size_t n)
{
	return -EINVAL;
}

static ssize_t mq_pwrite(struct file *f, const void *buf, size_t n, u64 off)
{
	return -EINVAL;
}

static s64 mq_lseek(struct file *f, s64 off, int whence)
{
	s64 r = -EINVAL;

	lock(&f->lock);
	if (whence == SEEK_SET)
		r = off;
	else if (whence == SEEK_CUR)
		r = (s64)f->pos + off;
	if (r >= 0)
		f->pos = (u64)r;
	unlock(&f->lock);
	return r < 0 ? -EINVAL : r;
}

static int mq_poll(struct file *f, short events, short *now)
{
	struct ipc_thread *me = ipc_enter();
	struct ipc_mq *q = IS_ERR(me) ? ERR_PTR(-ENOSYS) : mq_lock(me, f);

	if (IS_ERR(q))
		return f->host_fd;
	if (!q->polled) {
		empty_one(f->host_fd, true);
		q->level = EMPTY;
		q->polled = 1;
	}
	mq_unlock(me, f);
	return f->host_fd;
}

static int mq_getattr(struct file *f, struct attr *a)
{
	const struct mq_file *m = f->priv;

	if (mq_at(m->index)->generation != m->generation)
		return -EBADF;
	mq_attr_of(m->index, a);
	return 0;
}

static int mq_setattr_file(struct file *f, const struct attr *a)
{
	return mq_set_attr(((struct mq_file *)f->priv)->index, a);
}

/*
 * O_NONBLOCK belongs to the open file description, which others share over fork and SCM_RIGHTS. The fifo's never
 * blocks, whatever the queue does: so the guest's flag is the host's O_APPEND, which means nothing to a fifo.
 */
bool mq_nonblock(struct file *f)
{
	long host = at_once(pal_fcntl(f->host_fd, F_GETFL, 0));

	return host < 0 ? f->flags & O_NONBLOCK : (host & O_APPEND) != 0;
}

static int mq_getflags(struct file *f)
{
	return (f->flags & ~O_NONBLOCK) | (mq_nonblock(f) ? O_NONBLOCK : 0);
}

int mq_setflags(struct file *f, int flags)
{
	return (int)at_once(pal_fcntl(f->host_fd, F_SETFL, O_NONBLOCK | (flags & O_NONBLOCK ? O_APPEND : 0)));
}

static int mq_mmap(struct file *f, int prot, int flags, u64 *off)
{
	return -ENODEV;
}

static int mq_truncate(struct file *f, u64 size)
{
	return 0;
}

static int mq_fsync(struct file *f, bool data_only)
{
	return -EINVAL;
}

static long mq_ioctl(struct file *f, unsigned cmd, u64 arg)
{
	return -ENOTTY;
}

static void mq_save(struct file *f, struct buf *b)
{
	const struct mq_file *m = f->priv;

	put_u32(b, m->index);
	put_u32(b, m->generation);
}

static int mq_load(struct file *f, struct cursor *c)
{
	struct mq_file *m = base_zalloc(sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->index = get_u32(c);
	m->generation = get_u32(c);
	f->priv = m;
	return c->err;
}

const struct file_ops mq_file_ops = {
	.name = "mqueue",
	.read = mq_read,
	.pread = mq_pread,
	.write = mq_write,
	.pwrite = mq_pwrite,
	.lseek = mq_lseek,
	.poll = mq_poll,
	.mmap = mq_mmap,
	.truncate = mq_truncate,
	.fsync = mq_fsync,
	.ioctl = mq_ioctl,
	.setflags = mq_setflags,
	.getflags = mq_getflags,
	.getattr = mq_getattr,
	.setattr = mq_setattr_file,
	.release = mq_release,
	.save = mq_save,
	.load = mq_load,
};

ssize_t mq_file_text(const struct file *f, char *buf, size_t size)
{
	const struct ipc_mq *q = mq_at(((const struct mq_file *)f->priv)->index);

	return base_snprintf(buf, size, "/%s%s", q->name, q->linked ? "" : " (deleted)");
}
