// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * inotify for the whole sandbox.
 *
 * An instance is a fifo on the sandbox's tmpfs. Whoever makes a watch writes it into the sandbox
 * area; whoever does something to a file looks there (vfs/notify.h) and writes the event, ready
 * made, into the fifo. So events come from every process, whatever its relation to the watcher;
 * readiness, blocking and sharing over fork are the host's; and no process has to do anything for
 * another.
 *
 * The reader keeps its fifo open for reading and writing, so that it never reads as hung up. A
 * writer that finds nobody reading takes the instance and its watches away: that is how one whose
 * owner was killed is cleaned up.
 *
 * No lock but on the reader's side: records of the area are taken by compare-and-swap, a fifo's
 * write of up to PIPE_BUF bytes is atomic. Unlike Linux, a descriptor inherited over fork reports
 * its closing once for each process that closes it.
 */
#include "libos/fs/inotify.h"
#include "libos/fs/kinds.h"
#include "libos/ckpt/cursor.h"
#include "libos/sys/user.h"
#include "libos/sys/wait_end.h"
#include "libos/task/task.h"
#include "libos/vfs/notify.h"
#include "pal/grant.h"

#define QUEUE_SIZE (1u << 20) /* bytes of a fifo */
#define QUEUE_EVENTS 16384    /* fs.inotify.max_queued_events */
#define NAME_ROOM ALIGN_UP(NAME_MAX_LEN + 1, sizeof(struct inotify_event))

enum { WATCH_NEVER, WATCH_BUSY, WATCH_LIVE, WATCH_GONE };

struct event {
	struct inotify_event head;
	char name[NAME_ROOM];
};

/* f->priv of an instance. */
struct instance {
	u32 slot, generation; /* immutable */
	bool holding;	      /* an event's head was read, and its name did not fit: f->lock */
	struct inotify_event held;
};

/* ---- fifos ---- */

static void fifo_name(u32 slot, u32 generation, char name[32])
{
	base_snprintf(name, 32, ".gsh-inotify-%u-%u", slot, generation);
}

/*
 * Fifos open for writing, by slot: generation in the high half, descriptor + 1 in the low. A vfork
 * child has a host descriptor table of its own but shares this memory: it uses what it finds and
 * adds nothing.
 */
static u64 senders[AREA_INSTANCES] PAL_SPARSE;

static int sender_open(u32 slot, u32 generation)
{
	char name[32];

	fifo_name(slot, generation, name);
	return host_fd_move(pal_openat(GRANT_FD_SHM, name, O_WRONLY | O_NONBLOCK, 0));
}

/* *keep: the caller closes it. */
static int sender_get(u32 slot, u32 generation, bool *keep)
{
	u64 have = atomic_load(&senders[slot]), want;
	int fd;

	*keep = false;
	if (have && have >> 32 == generation)
		return (int)(u32)have - 1;
	fd = sender_open(slot, generation);
	if (fd < 0)
		return fd;
	want = (u64)generation << 32 | (u32)(fd + 1);
	*keep = this_process()->vfork_child || !atomic_cas(&senders[slot], have, want);
	if (!*keep && have)
		pal_close((int)(u32)have - 1);
	return fd;
}

/* ---- watches ---- */

static u32 watch_hash(u64 dev, u64 ino)
{
	u64 key[2] = { dev, ino };

	return base_hash(key, sizeof(key)) % AREA_WATCHES;
}

static void watch_drop(struct area_watch *w)
{
	if (atomic_cas(&w->state, WATCH_LIVE, WATCH_GONE))
		atomic_sub(&the_area->watches, 1);
}

static bool watch_of(const struct area_watch *w, u32 slot, u32 generation)
{
	return atomic_load(&w->state) == WATCH_LIVE && w->instance == slot &&
	       w->generation == generation;
}

/* Nobody reads it any more. */
static void instance_bury(u32 slot, u32 generation)
{
	char name[32];

	for (u32 i = 0; i < AREA_WATCHES; i++) {
		if (watch_of(&the_area->watch[i], slot, generation))
			watch_drop(&the_area->watch[i]);
	}
	fifo_name(slot, generation, name);
	if (atomic_cas(&the_area->inotify[slot].generation, generation, generation + 1))
		(void)pal_unlinkat(GRANT_FD_SHM, name, 0);
}

/* ---- sending ---- */

static u32 event_size(const struct event *e)
{
	return (u32)sizeof(e->head) + e->head.len;
}

static void event_fill(struct event *e, s32 wd, u32 mask, u32 cookie, const char *name)
{
	size_t n = name ? strlen(name) + 1 : 0;

	e->head = (struct inotify_event){ .wd = wd, .mask = mask, .cookie = cookie };
	e->head.len = (u32)ALIGN_UP(n, sizeof(e->head));
	memset(e->name, 0, e->head.len);
	if (name)
		memcpy(e->name, name, n);
}

static void event_send(u32 slot, u32 generation, const struct event *e)
{
	struct area_inotify *in = &the_area->inotify[slot];
	u32 hash = base_hash(e, event_size(e)) | 1;
	ssize_t r;
	bool keep;
	int fd;

	if (atomic_load(&in->last) == hash)
		return; /* the same as the one before, which is unread */
	if (atomic_load(&in->queued) >= QUEUE_EVENTS) {
		atomic_store(&in->lost, 1);
		return;
	}
	fd = sender_get(slot, generation, &keep);
	if (fd < 0) {
		if (fd == -ENXIO || fd == -ENOENT)
			instance_bury(slot, generation);
		return;
	}
	atomic_store(&in->last, hash);
	r = at_once(pal_write(fd, e, event_size(e)));
	if (keep)
		pal_close(fd);
	if (r == -EPIPE)
		instance_bury(slot, generation);
	else if (r < 0)
		atomic_store(&in->lost, 1);
	else
		atomic_add(&in->queued, 1);
}

/* Tell all who watch (dev, ino), but those who exclude what `except` says. What is told but once is then unwatched; so
 * is what is gone. */
static void tell_except(u64 dev, u64 ino, u32 mask, u32 cookie, const char *name, u32 except)
{
	u32 what = mask & (IN_ALL_EVENTS | IN_IGNORED);
	struct event e;

	for (u32 i = watch_hash(dev, ino), n = 0; n < AREA_WATCHES;
	     i = (i + 1) % AREA_WATCHES, n++) {
		struct area_watch *w = &the_area->watch[i];
		u32 state = atomic_load(&w->state);
		bool last = what == IN_IGNORED;

		if (state == WATCH_NEVER)
			break;
		if (state != WATCH_LIVE || w->dev != dev || w->ino != ino ||
		    !(what & (w->mask | IN_IGNORED)) || w->mask & except)
			continue;
		event_fill(&e, w->wd, mask, cookie, name);
		if (!last) {
			event_send(w->instance, w->generation, &e);
			last = w->mask & IN_ONESHOT;
			event_fill(&e, w->wd, IN_IGNORED, 0, NULL);
		}
		if (last) {
			event_send(w->instance, w->generation, &e);
			watch_drop(w);
		}
	}
}

static void tell(u64 dev, u64 ino, u32 mask, u32 cookie, const char *name)
{
	tell_except(dev, ino, mask, cookie, name, 0);
}

void inotify_self(const struct node *n, u32 mask)
{
	tell(n->fs->dev, n->ino, mask, 0, NULL);
}

void inotify_entry(const struct node *dir, const char *name, u32 mask, u32 cookie)
{
	tell(dir->fs->dev, dir->ino, mask, cookie, name);
}

void inotify_object(struct dentry *d, u32 mask)
{
	struct dentry *dir = NULL;
	char name[NAME_MAX_LEN + 1];
	u32 except = 0;

	if (!d->node)
		return;
	if (S_ISDIR(d->node->mode))
		mask |= IN_ISDIR;
	lock(&dcache_lock);
	if (d->parent && d->parent->node && !d->nameless) {
		dir = dentry_get(d->parent);
		memcpy(name, d->name, d->len + 1u);
		except = d->unlinked ? IN_EXCL_UNLINK : 0;
	}
	dcache_unlock();
	if (dir) {
		tell_except(dir->node->fs->dev, dir->node->ino, mask, 0, name, except);
		dentry_put(dir);
	}
	tell(d->node->fs->dev, d->node->ino, mask, 0, NULL);
}

void inotify_moved(const struct node *from, const char *a, const struct node *to, const char *b,
		   const struct node *moved)
{
	u32 cookie = atomic_add(&the_area->cookie, 1), is_dir = S_ISDIR(moved->mode) ? IN_ISDIR : 0;

	inotify_entry(from, a, IN_MOVED_FROM | is_dir, cookie);
	inotify_entry(to, b, IN_MOVED_TO | is_dir, cookie);
	tell(moved->fs->dev, moved->ino, IN_MOVE_SELF, 0, NULL);
}

u32 inotify_links(struct node *victim)
{
	struct attr a;

	if (S_ISDIR(victim->mode) || !victim->ops->getattr || victim->ops->getattr(victim, &a) < 0)
		return 1;
	return a.nlink;
}

void inotify_unlinked(struct node *victim, u32 links)
{
	if (!S_ISDIR(victim->mode))
		inotify_self(victim, IN_ATTRIB);
	if (links > 1)
		return;
	inotify_self(victim, IN_DELETE_SELF);
	inotify_self(victim, IN_IGNORED);
}

void inotify_exit(struct process *p)
{
	struct fdarray *a = atomic_load(&p->files->array);

	for (unsigned fd = 0; fd < a->size; fd++) {
		struct file *f = a->files[fd];

		if (f && f->path.dentry && !(f->flags & O_PATH))
			inotify_object(f->path.dentry, (f->flags & O_ACCMODE) == O_RDONLY
							       ? IN_CLOSE_NOWRITE
							       : IN_CLOSE_WRITE);
	}
}

/* ---- the reader ---- */

static bool more_waiting(struct file *f)
{
	struct pollfd p = { .fd = f->host_fd, .events = POLLIN };

	return at_once(pal_ppoll(&p, 1, &(struct timespec){ 0 })) > 0;
}

/* The next event: its head is held, its name read. 0 or -errno; -EINVAL when room is too small for
 * it. */
static ssize_t event_take(struct file *f, struct instance *in, struct event *e, size_t room)
{
	ssize_t r;

	if (!in->holding) {
		r = pal_read(f->host_fd, &in->held, sizeof(in->held));
		if (r < 0)
			return r;
		if (r != sizeof(in->held) || in->held.len > NAME_ROOM)
			return -EIO; /* not written by one of us */
		in->holding = true;
	}
	if (sizeof(in->held) + in->held.len > room)
		return -EINVAL;
	e->head = in->held;
	r = in->held.len ? at_once(pal_read(f->host_fd, e->name, in->held.len)) : 0;
	in->holding = false;
	if (atomic_load(&the_area->inotify[in->slot].queued))
		atomic_sub(&the_area->inotify[in->slot].queued, 1);
	return r == in->held.len ? 0 : -EIO;
}

/* All is read: what was dropped meanwhile is told of. */
static void drained(const struct instance *in)
{
	struct area_inotify *shared = &the_area->inotify[in->slot];
	struct event e;

	atomic_store(&shared->last, 0);
	atomic_store(&shared->queued, 0);
	if (!atomic_xchg(&shared->lost, 0))
		return;
	event_fill(&e, -1, IN_Q_OVERFLOW, 0, NULL);
	event_send(in->slot, in->generation, &e);
}

static ssize_t inotify_read(struct file *f, void *buf, size_t n)
{
	struct instance *in = f->priv;
	size_t done = 0;
	struct event e;
	ssize_t r;

	lock(&f->lock);
	do {
		r = event_take(f, in, &e, n - done);
		if (r == 0)
			r = user_write((char *)buf + done, &e, event_size(&e));
		if (r == 0)
			done += event_size(&e);
	} while (r == 0 && done + sizeof(e.head) <= n && (in->holding || more_waiting(f)));
	if (!in->holding && !more_waiting(f))
		drained(in);
	unlock(&f->lock);
	return done ? (ssize_t)done : r;
}

/* Not refused: noop_llseek. */
static s64 inotify_lseek(struct file *f, s64 off, int whence)
{
	return 0;
}

static ssize_t inotify_write(struct file *f, const void *buf, size_t n)
{
	return -EBADF;
}

static long inotify_ioctl(struct file *f, unsigned cmd, u64 arg)
{
	struct instance *in = f->priv;
	long r;
	int n;

	if (cmd != FIONREAD)
		return -ENOTTY;
	r = at_once(pal_ioctl(f->host_fd, FIONREAD, (u64)&n));
	n += in->holding ? (int)sizeof(in->held) : 0;
	return r < 0 ? r : user_write((void *)arg, &n, sizeof(n));
}

/* The last reader takes its watches along; as long as another process reads too, its fifo can be
 * opened for writing. */
static void inotify_release(struct file *f)
{
	struct instance *in = f->priv;
	int fd;

	if (!in)
		return;
	if (f->host_fd >= 0)
		pal_close(f->host_fd);
	f->host_fd = -1;
	fd = sender_open(in->slot, in->generation);
	if (fd >= 0)
		pal_close(fd);
	else
		instance_bury(in->slot, in->generation);
	base_free(in);
}

static void inotify_save(struct file *f, struct buf *b)
{
	put_bytes(b, f->priv, sizeof(struct instance));
}

static int inotify_load(struct file *f, struct cursor *c)
{
	const void *saved = get_bytes(c, sizeof(struct instance));
	struct instance *in = base_alloc(sizeof(*in));

	if (!saved || !in) {
		base_free(in);
		return c->err ? c->err : -ENOMEM;
	}
	memcpy(in, saved, sizeof(*in));
	/* It may come from another process, over a socket. */
	if (in->slot >= AREA_INSTANCES) {
		base_free(in);
		return -EINVAL;
	}
	f->priv = in;
	return 0;
}

const struct file_ops inotify_file_ops = {
	.name = "inotify",
	.read = inotify_read,
	.write = inotify_write,
	.lseek = inotify_lseek,
	.ioctl = inotify_ioctl,
	.release = inotify_release,
	.save = inotify_save,
	.load = inotify_load,
};

/* ---- calls ---- */

/* A free record, marked in use; or -EMFILE. */
static int slot_take(u32 *generation)
{
	for (int i = 0; i < AREA_INSTANCES; i++) {
		u32 g = atomic_load(&the_area->inotify[i].generation);
		int fd;

		if (g & 1) {
			fd = sender_open((u32)i, g);
			if (fd >= 0) {
				pal_close(fd);
				continue;
			}
			instance_bury((u32)i, g);
			g++;
		}
		if (atomic_cas(&the_area->inotify[i].generation, g, g + 1)) {
			*generation = g + 1;
			return i;
		}
	}
	return -EMFILE;
}

int inotify_create(int flags)
{
	struct instance *in = base_zalloc(sizeof(*in));
	int slot, fd, r;
	char name[32];

	if (!in)
		return -ENOMEM;
	slot = slot_take(&in->generation);
	if (slot < 0) {
		base_free(in);
		return slot;
	}
	in->slot = (u32)slot;
	the_area->inotify[slot].last = the_area->inotify[slot].next_wd = 0;
	the_area->inotify[slot].queued = the_area->inotify[slot].lost = 0;
	fifo_name(in->slot, in->generation, name);
	r = pal_mknodat(GRANT_FD_SHM, name, S_IFIFO | 0600, 0);
	fd = r < 0 ? r
		   : host_fd_move(pal_openat(GRANT_FD_SHM, name, O_RDWR | (flags & O_NONBLOCK), 0));
	if (fd < 0) {
		instance_bury(in->slot, in->generation);
		base_free(in);
		return fd;
	}
	/* Less than the host grants is enough too. */
	(void)at_once(pal_fcntl(fd, F_SETPIPE_SZ, QUEUE_SIZE));
	return fd_install(&inotify_file_ops, fd, flags | O_RDONLY, in);
}

/* Change the watch that there is: its wd. A new one: -ENOENT. */
static int watch_change(const struct instance *in, u64 dev, u64 ino, u32 mask)
{
	for (u32 i = watch_hash(dev, ino), n = 0; n < AREA_WATCHES;
	     i = (i + 1) % AREA_WATCHES, n++) {
		struct area_watch *w = &the_area->watch[i];

		if (atomic_load(&w->state) == WATCH_NEVER)
			break;
		if (!watch_of(w, in->slot, in->generation) || w->dev != dev || w->ino != ino)
			continue;
		if (mask & IN_MASK_CREATE)
			return -EEXIST;
		atomic_store(&w->mask, mask & IN_MASK_ADD ? w->mask | (mask & ~IN_MASK_ADD) : mask);
		return w->wd;
	}
	return -ENOENT;
}

int inotify_add(struct file *f, const struct node *n, u32 mask)
{
	const struct instance *in = f->priv;
	u64 dev = n->fs->dev;
	int wd = watch_change(in, dev, n->ino, mask);

	if (wd != -ENOENT)
		return wd;
	for (u32 i = watch_hash(dev, n->ino), k = 0; k < AREA_WATCHES;
	     i = (i + 1) % AREA_WATCHES, k++) {
		struct area_watch *w = &the_area->watch[i];

		if (!atomic_cas(&w->state, WATCH_NEVER, WATCH_BUSY) &&
		    !atomic_cas(&w->state, WATCH_GONE, WATCH_BUSY))
			continue;
		w->mask = mask & ~(u32)(IN_MASK_ADD | IN_MASK_CREATE);
		w->dev = dev;
		w->ino = n->ino;
		w->instance = in->slot;
		w->generation = in->generation;
		wd = w->wd = (s32)atomic_add(&the_area->inotify[in->slot].next_wd, 1);
		atomic_store(&w->state, WATCH_LIVE);
		atomic_add(&the_area->watches, 1);
		return wd;
	}
	return -ENOSPC;
}

int inotify_remove(struct file *f, s32 wd)
{
	const struct instance *in = f->priv;
	struct event e;

	for (u32 i = 0; i < AREA_WATCHES; i++) {
		struct area_watch *w = &the_area->watch[i];

		if (!watch_of(w, in->slot, in->generation) || w->wd != wd)
			continue;
		watch_drop(w);
		event_fill(&e, wd, IN_IGNORED, 0, NULL);
		event_send(in->slot, in->generation, &e);
		return 0;
	}
	return -EINVAL;
}
