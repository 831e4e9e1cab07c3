// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Which files have a patched image.
 *
 * A file is looked up by what fstat says of it: first in memory, where what the parent knew is
 * inherited by fork; then in the cache directory; then the monitor is asked to have one made, which
 * is answered when it is there. So an exec of programs that were executed before costs no more than
 * fstat, and a new sandbox asks once for each image.
 */
#include "libos/entry/images.h"
#include "libos/ckpt/cursor.h"
#include "libos/coord/area.h"
#include "libos/mm/mm.h"
#include "libos/task/task.h"
#include "libos/vfs/file.h"
#include "pal/base/heap.h"
#include "pal/grant.h"
#include "pal/monitor.h"

#define KNOWN_MAX 256
#define OPEN_MAX 32	   /* images that stay open */
#define HEAD_MAX 4096	   /* ranges and blocks are few: they fit the first page */
#define SMALL (64ul << 10) /* a file that is scanned here rather than by a worker */
#define SECOND 1000000000ll
#define FRESH (10 * SECOND)
#define KEEP_MAX 4

_Static_assert(sizeof(struct image_head) + IMAGE_RANGES_MAX * sizeof(struct image_range) +
			       IMAGE_BLOCKS_MAX * sizeof(struct image_block) <=
		       HEAD_MAX,
	       "one page");

static struct known_image *known;
static unsigned known_count, open_count;

static int key_of(int fd, struct image_key *key)
{
	struct stat st;
	int err = pal_fstat(fd, &st);

	if (err)
		return err;
	if ((st.st_mode & S_IFMT) != S_IFREG)
		return -EINVAL;
	*key = (struct image_key){.dev = st.st_dev,
				  .ino = st.st_ino,
				  .size = (u64)st.st_size,
				  .mtime_ns = (s64)st.st_mtime * SECOND + (s64)st.st_mtime_nsec,
				  .ctime_ns = (s64)st.st_ctime * SECOND + (s64)st.st_ctime_nsec};
	return 0;
}

/* The entry moves to the front: the next exec looks for the same few. */
static struct known_image *find(const struct image_key *key)
{
	for (struct known_image **p = &known, *i; (i = *p); p = &i->next) {
		if (memcmp(&i->key, key, sizeof(*key)))
			continue;
		*p = i->next;
		i->next = known;
		known = i;
		return i;
	}
	return NULL;
}

static void forget(struct known_image **at)
{
	struct known_image *i = *at;

	*at = i->next;
	if (i->fd >= 0) {
		(void)pal_close(i->fd);
		open_count--;
	}
	base_free(i->head);
	base_free(i);
	known_count--;
}

/* Make room by forgetting the one that was longest not looked for and is not in use. */
static void make_room(bool open)
{
	struct known_image **last = NULL;

	if (known_count < KNOWN_MAX && !(open && open_count >= OPEN_MAX))
		return;
	for (struct known_image **p = &known; *p; p = &(*p)->next)
		if (!(*p)->uses && (!open || (*p)->fd >= 0))
			last = p;
	if (last)
		forget(last);
}

void images_trim(void)
{
	for (struct known_image **p = &known; *p;)
		if ((*p)->uses)
			p = &(*p)->next;
		else
			forget(p);
}

static struct known_image *remember(const struct image_key *key, int fd, struct image_head *head)
{
	struct known_image *i;

	make_room(fd >= 0);
	i = known_count < KNOWN_MAX && !(fd >= 0 && open_count >= OPEN_MAX)
		    ? base_zalloc(sizeof(*i))
		    : NULL;
	if (!i)
		return NULL;
	*i = (struct known_image){.next = known, .key = *key, .fd = fd, .head = head};
	known = i;
	known_count++;
	open_count += fd >= 0;
	return i;
}

/* The libOS's descriptors lie above the grant's numbers. */
static int move_up(int fd)
{
	int up;

	if (fd < 0 || fd >= pal_fd_free())
		return fd;
	up = pal_dup(fd, pal_fd_free());
	(void)pal_close(fd);
	return up;
}

static int load(const struct image_key *key, struct known_image **out)
{
	struct image_head *h, *shrunk;
	char name[IMAGE_NAME_SIZE];
	ssize_t n;
	int fd;

	image_name(key, name);
	fd = move_up(pal_openat(GRANT_FD_CACHE, name, O_RDONLY | O_NOFOLLOW, 0));
	if (fd < 0)
		return fd;
	h = base_alloc(HEAD_MAX);
	n = h ? pal_pread(fd, h, HEAD_MAX, 0) : -ENOMEM;
	if (n < 0 || !image_head_valid(h, (size_t)n, key)) {
		base_free(h);
		(void)pal_close(fd);
		return n < 0 ? (int)n : -EINVAL;
	}
	if (!h->nsites) {
		base_free(h);
		(void)pal_close(fd);
		*out = remember(key, -1, NULL);
		return 0;
	}
	shrunk = base_realloc(h, h->size);
	if (shrunk)
		h = shrunk;
	*out = remember(key, fd, h);
	if (!*out) {
		base_free(h);
		(void)pal_close(fd);
	}
	return *out ? 0 : -ENOMEM;
}

/* Does a small file that is fresh hold a system call instruction at all? Most programs that were
 * just built do not, and having an image made of each would cost more than it can bring. */
static bool worth_asking(int fd, const struct image_key *key)
{
	u8 *buf, last = 0;
	bool found = false;
	struct timespec now;

	if (key->size > SMALL || pal_clock_gettime(CLOCK_REALTIME, &now) ||
	    now.tv_sec * SECOND - key->ctime_ns > FRESH)
		return true;
	buf = base_alloc(HEAD_MAX);
	for (u64 at = 0; buf && !found && at < key->size; at += HEAD_MAX) {
		ssize_t n = pal_pread(fd, buf, HEAD_MAX, at);

		for (ssize_t i = 0; i < n && !found; i++) {
			found = last == 0x0f && buf[i] == 0x05;
			last = buf[i];
		}
	}
	base_free(buf);
	return found;
}

static int ask(int fd)
{
	struct mon_reply reply;

	return pal_monitor(MON_IMAGE, NULL, 0, &fd, 1, &reply, sizeof(reply), NULL, NULL);
}

struct known_image *image_lookup(struct file *f)
{
	struct known_image *i = NULL;
	struct image_key key;
	int err;

	if (f->host_fd < 0 || f->ops->mmap || this_process()->vfork_child ||
	    key_of(f->host_fd, &key))
		return NULL;
	i = find(&key);
	if (!i) {
		err = load(&key, &i);
		if (err == -ENOENT && !worth_asking(f->host_fd, &key)) {
			i = remember(&key, -1, NULL);
		} else if (err == -ENOENT) {
			err = ask(f->host_fd);
			/* EAGAIN: it changed a moment ago, and may yet. Else there will be none. */
			if (err >= 0)
				err = load(&key, &i);
			if (err < 0 && err != -EAGAIN)
				i = remember(&key, -1, NULL);
		} else if (err) {
			i = remember(&key, -1, NULL);
		}
	}
	return i && i->head ? i : NULL;
}

static bool says_nothing(const struct image_key *key)
{
	char name[IMAGE_NAME_SIZE];
	struct image_head h;
	ssize_t n;
	int fd;

	image_name(key, name);
	fd = pal_openat(GRANT_FD_CACHE, name, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return false;
	n = pal_pread(fd, &h, sizeof(h), 0);
	(void)pal_close(fd);
	return n == sizeof(h) && image_head_valid(&h, sizeof(h), key) && !h.nsites;
}

/*
 * Of the program that a vfork child is about to run: where there is nothing to patch, which is so
 * for most, the parent's next child need not look it up again. An image cannot be noted here, since
 * its descriptor would be the child's alone, nor may one be forgotten to make room. Caller holds
 * mm->lock.
 */
static struct known_image *nothing_to_patch(struct file *f)
{
	struct known_image *i;
	struct image_key key;

	if (f->host_fd < 0 || f->ops->mmap || key_of(f->host_fd, &key))
		return NULL;
	i = find(&key);
	if (i)
		return i->head ? NULL : i;
	return known_count < KNOWN_MAX && says_nothing(&key) ? remember(&key, -1, NULL) : NULL;
}

void images_keep(struct buf *b, struct file *program)
{
	const struct process *p = this_process();
	const struct area_slot *parent = area_process(p->slot->ppid);
	u32 flags = parent ? atomic_load(&parent->flags) : 0;
	bool asleep = (flags & (AREA_ASLEEP | AREA_BORROWS)) == AREA_ASLEEP;
	unsigned left = KEEP_MAX;
	struct known_image *none;

	mm_lock(p->mm);
	none = nothing_to_patch(program);
	put_u32(b, none != NULL);
	if (none)
		put_bytes(b, &none->key, sizeof(none->key));
	for (const struct known_image *i = known; asleep && i && left; i = i->next) {
		if (!i->uses || pal_fcntl(i->fd, F_SETFD, 0))
			continue;
		put_u32(b, (u32)i->fd);
		put_bytes(b, i->wanted, sizeof(i->wanted));
		put_bytes(b, i->head, i->head->size);
		left--;
	}
	mm_unlock(p->mm);
	put_u32(b, 0);
}

static int recall(struct cursor *c, int fd)
{
	const void *wanted = get_bytes(c, sizeof(known->wanted)), *at = c->data + c->pos;
	size_t left = c->size - c->pos;
	struct known_image *i;
	struct image_head h, *head;

	if (c->err || left < sizeof(h))
		return -EINVAL;
	memcpy(&h, at, sizeof(h));
	if (!image_head_valid(&h, left, &h.key))
		return -EINVAL;
	(void)get_bytes(c, h.size);
	head = base_alloc(h.size);
	i = head ? remember(&h.key, fd, head) : NULL;
	if (!i) {
		base_free(head);
		return -ENOMEM;
	}
	memcpy(head, at, h.size);
	memcpy(i->wanted, wanted, sizeof(i->wanted));
	return pal_fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int images_recall(struct cursor *c)
{
	const struct image_key *none = get_u32(c) ? get_bytes(c, sizeof(*none)) : NULL;
	int fd, r = 0;

	if (none) {
		struct image_key key;

		memcpy(&key, none, sizeof(key));
		(void)remember(&key, -1, NULL);
	}
	while (!r && (fd = (int)get_u32(c)))
		r = recall(c, fd);
	return r ?: c->err;
}
