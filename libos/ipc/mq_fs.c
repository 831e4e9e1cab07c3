/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * /dev/mqueue: the queues by their names. The names live in the shared memory (mqueue.c), so nothing is cached.
 */
#include "libos/ipc/mq.h"
#include "libos/fs/pseudo.h"

#define MQ_DEV dev_make(0, 19)
#define MQUEUE_MAGIC 0x19800202
#define QUEUE_TEXT_SIZE 80 /* FILENT_SIZE */
#define POS_FIRST 2

static const struct node_ops root_ops, queue_ops;
static const struct file_ops mq_dir_ops;

struct mq_node {
	struct node node;
	u32 index, generation;
};

static struct mq_node *to_mq(struct node *n)
{
	return container_of(n, struct mq_node, node);
}

static u64 ino_of(u32 index)
{
	return (u64)mq_at(index)->generation * IPC_MQ_MAX + index + 2;
}

static struct node *queue_node(struct fs *fs, u32 index)
{
	struct mq_node *m = base_zalloc(sizeof(*m));

	if (!m)
		return ERR_PTR(-ENOMEM);
	m->node = (struct node){ .refs = 1, .mode = S_IFREG, .ops = &queue_ops, .fs = fs, .ino = ino_of(index) };
	m->index = index;
	m->generation = mq_at(index)->generation;
	return &m->node;
}

/* With the directory locked. */
static struct ipc_thread *begin(void)
{
	struct ipc_thread *me = ipc_enter();

	if (IS_ERR(me))
		return me;
	lock(&ipc_holds_lock);
	ipc_lock(me, &the_ipc->mq_dir);
	return me;
}

static void end(struct ipc_thread *me)
{
	ipc_unlock(me, &the_ipc->mq_dir);
	unlock(&ipc_holds_lock);
}

/* ---- attributes ---- */

void mq_attr_of(u32 index, struct attr *a)
{
	const struct ipc_mq *q = mq_at(index);

	*a = (struct attr){ .ino = ino_of(index), .dev = MQ_DEV, .mode = q->mode, .nlink = q->linked, .uid = q->uid,
			    .gid = q->gid, .size = QUEUE_TEXT_SIZE, .blksize = PAGE_SIZE, .atime = q->atime,
			    .mtime = q->mtime, .ctime = q->ctime, .btime = q->ctime };
}

static void set_time(struct timespec *t, const struct timespec *to)
{
	if (to->tv_nsec == UTIME_NOW)
		(void)pal_clock_gettime(CLOCK_REALTIME, t);
	else if (to->tv_nsec != UTIME_OMIT)
		*t = *to;
}

int mq_set_attr(u32 index, const struct attr *a)
{
	struct ipc_mq *q = mq_at(index);

	if (a->valid & ATTR_MODE)
		q->mode = S_IFREG | (a->mode & S_IALLUGO);
	if (a->valid & ATTR_UID)
		q->uid = a->uid;
	if (a->valid & ATTR_GID)
		q->gid = a->gid;
	if (a->valid & ATTR_ATIME)
		set_time(&q->atime, &a->atime);
	if (a->valid & ATTR_MTIME)
		set_time(&q->mtime, &a->mtime);
	(void)pal_clock_gettime(CLOCK_REALTIME, &q->ctime);
	return 0;
}

static bool current_queue(const struct mq_node *m)
{
	return mq_at(m->index)->generation == m->generation;
}

static int queue_getattr(struct node *n, struct attr *a)
{
	if (!current_queue(to_mq(n)))
		return -ENOENT;
	mq_attr_of(to_mq(n)->index, a);
	return 0;
}

static int queue_setattr(struct node *n, const struct attr *a)
{
	return current_queue(to_mq(n)) ? mq_set_attr(to_mq(n)->index, a) : -ENOENT;
}

static int queue_open(struct node *n, struct file *f)
{
	struct ipc_thread *me = begin();
	int r;

	if (IS_ERR(me))
		return PTR_ERR(me);
	r = current_queue(to_mq(n)) ? mq_open_file(f, to_mq(n)->index) : -ENOENT;
	end(me);
	return r;
}

static void mq_node_release(struct node *n)
{
	base_free(to_mq(n));
}

static int mq_statfs(struct node *n, struct statfs *st)
{
	*st = (struct statfs){ .f_type = MQUEUE_MAGIC, .f_bsize = PAGE_SIZE, .f_frsize = PAGE_SIZE };
	st->f_namelen = NAME_MAX_LEN;
	return 0;
}

static const struct node_ops queue_ops = {
	.getattr = queue_getattr,
	.setattr = queue_setattr,
	.open = queue_open,
	.statfs = mq_statfs,
	.release = mq_node_release,
};

/* ---- the directory ---- */

static int root_getattr(struct node *n, struct attr *a)
{
	*a = (struct attr){ .ino = n->ino, .dev = MQ_DEV, .mode = S_IFDIR | S_ISVTX | 0777, .nlink = 2 };
	a->blksize = PAGE_SIZE;
	a->atime.tv_sec = a->mtime.tv_sec = a->ctime.tv_sec = (s64)(the_area->boot_ns / 1000000000);
	return 0;
}

static int root_lookup(struct node *dir, const char *name, size_t len, struct node **out)
{
	char text[NAME_MAX_LEN + 1];
	struct ipc_thread *me;
	int index;

	if (len > NAME_MAX_LEN)
		return -ENAMETOOLONG;
	memcpy(text, name, len);
	text[len] = '\0';
	me = begin();
	if (IS_ERR(me))
		return -ENOENT;
	index = mq_find(text);
	*out = index < 0 ? NULL : queue_node(dir->fs, (u32)index);
	end(me);
	return index < 0 ? index : IS_ERR(*out) ? PTR_ERR(*out) : 0;
}

static int root_create(struct node *dir, const char *name, u32 mode, struct file *f, struct node **out)
{
	struct ipc_thread *me = begin();
	u32 index;
	int r;

	if (IS_ERR(me))
		return PTR_ERR(me);
	r = mq_find(name) >= 0 ? -EEXIST : mq_make(me, name, mode, NULL, &index);
	if (!r)
		r = mq_open_file(f, index);
	if (!r) {
		*out = queue_node(dir->fs, index);
		r = IS_ERR(*out) ? PTR_ERR(*out) : 0;
	}
	end(me);
	return r;
}

static int root_unlink(struct node *dir, const char *name, struct node *victim)
{
	struct ipc_thread *me = begin();
	int index;

	if (IS_ERR(me))
		return PTR_ERR(me);
	index = mq_find(name);
	if (index >= 0)
		index = mq_drop_name(me, (u32)index);
	end(me);
	return index;
}

static int root_open(struct node *n, struct file *f)
{
	f->ops = &mq_dir_ops;
	return 0;
}

static const struct node_ops root_ops = {
	.lookup = root_lookup,
	.getattr = root_getattr,
	.open = root_open,
	.create = root_create,
	.unlink = root_unlink,
	.statfs = mq_statfs,
	.release = mq_node_release,
};

/* The next entry at or after *pos, which then stands behind it. */
static const char *next_name(u64 *pos, u64 *ino, u8 *type)
{
	*ino = 1;
	*type = DT_DIR;
	if (*pos < POS_FIRST)
		return (*pos)++ ? ".." : ".";
	for (u32 i = (u32)(*pos - POS_FIRST); i < the_ipc->mq_top; i++) {
		if (!mq_at(i)->linked)
			continue;
		*pos = POS_FIRST + i + 1;
		*ino = ino_of(i);
		*type = DT_REG;
		return mq_at(i)->name;
	}
	return NULL;
}

static ssize_t fill(struct file *f, u8 *buf, size_t size)
{
	size_t used = 0;

	for (;;) {
		u64 pos = f->pos, ino;
		u8 type;
		const char *name = next_name(&pos, &ino, &type);
		size_t len = name ? ALIGN_UP(offsetof(struct linux_dirent64, d_name) + strlen(name) + 1, 8ul) : 0;
		struct linux_dirent64 *e = (void *)(buf + used);

		if (!name)
			return (ssize_t)used;
		if (used + len > size)
			return used ? (ssize_t)used : -EINVAL;
		memset(e, 0, len);
		e->d_ino = ino;
		e->d_off = (s64)pos;
		e->d_reclen = (u16)len;
		e->d_type = type;
		memcpy(e->d_name, name, strlen(name));
		used += len;
		f->pos = pos;
	}
}

static ssize_t mq_dir_getdents(struct file *f, void *buf, size_t size)
{
	struct ipc_thread *me;
	ssize_t r;

	lock(&f->lock);
	me = begin();
	r = IS_ERR(me) ? PTR_ERR(me) : fill(f, buf, size);
	if (!IS_ERR(me))
		end(me);
	unlock(&f->lock);
	return r;
}

static ssize_t mq_dir_read(struct file *f, void *buf, size_t n)
{
	return -EISDIR;
}

static const struct file_ops mq_dir_ops = {
	.name = "mqueuedir",
	.read = mq_dir_read,
	.lseek = pseudo_dir_lseek,
	.getdents = mq_dir_getdents,
};

struct fs *mqueuefs_create(void)
{
	struct fs *fs = base_zalloc(sizeof(*fs));
	struct mq_node *root = base_zalloc(sizeof(*root));

	if (!fs || !root) {
		base_free(fs);
		base_free(root);
		return NULL;
	}
	*fs = (struct fs){ .type = "mqueue", .dev = MQ_DEV, .magic = MQUEUE_MAGIC, .uncached = true };
	root->node = (struct node){ .refs = 1, .mode = S_IFDIR, .ops = &root_ops, .fs = fs, .ino = 1 };
	fs->root = &root->node;
	return fs;
}
