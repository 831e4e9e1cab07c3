// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Directories that other picoprocesses rename.
 *
 * A renamed file needs no care: whoever has it open has its descriptor. But a process may stand in a renamed directory,
 * or have it open to look names up in, and on Linux it goes along. Here every picoprocess has its own tree of names. So
 * each rename of a directory is appended to a file in the work directory, and a counter (one of the names' counters,
 * under a name that no directory has) tells that there is something to read. Who finds a cached directory out of date
 * first reads on in that file and moves in its own tree what was moved; only then it looks the name up again.
 *
 * What is appended is a struct union_moved (libos/union/union.h). Who writes from the host appends, too.
 *
 * The file begins empty with the sandbox (the monitor sweeps work) and is only appended to: a forked picoprocess goes
 * on reading where its parent was.
 */
#include "libos/vfs/impl.h"
#include "libos/task/task.h"
#include "libos/union/union.h"
#include "pal/grant.h"

struct mutex moves_lock;
static u64 moves_pos;	/* read so far. moves_lock */
static u32 moves_seen;	/* the counter then. atomic */
static u32 *counter;	/* immutable once the mounts are made; NULL before */

void moves_forked(void)
{
	mutex_init(&moves_lock);
}

void moves_init(void)
{
	struct stat st;
	int fd = pal_openat(GRANT_FD_WORK, UNION_MOVES, O_RDONLY | O_NOFOLLOW, 0);

	counter = names_slot(mount_root->fs->root, UNION_MOVES_NAME);
	moves_seen = atomic_load(counter);
	moves_pos = 0;
	if (fd < 0)
		return;
	if (!pal_fstat(fd, &st))
		moves_pos = (u64)st.st_size;
	pal_close(fd);
}

bool moves_keep(u64 *pos, u32 *seen)
{
	if (!counter || !trylock(&moves_lock))
		return false;
	*pos = moves_pos;
	*seen = atomic_load(&moves_seen);
	unlock(&moves_lock);
	return true;
}

void moves_recall(u64 pos, u32 seen)
{
	counter = names_slot(mount_root->fs->root, UNION_MOVES_NAME);
	moves_pos = pos;
	moves_seen = seen;
}

void moves_record(u64 ino, const char *from, const char *to)
{
	size_t a = strlen(from) + 1, b = strlen(to) + 1;
	struct union_moved *r;
	int fd;

	if (a > PATH_MAX_LEN || b > PATH_MAX_LEN)
		return; /* nobody's cwd can be told by such a name */
	r = base_alloc(sizeof(*r) + a + b);
	fd = pal_openat(GRANT_FD_WORK, UNION_MOVES, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
	if (r && fd >= 0) {
		*r = (struct union_moved){ .size = (u32)(sizeof(*r) + a + b), .pid = this_process()->pid, .ino = ino };
		memcpy(r->text, from, a);
		memcpy(r->text + a, to, b);
		if (pal_pwrite(fd, r, r->size, 0) == (ssize_t)r->size)
			atomic_add(counter, 1);
	}
	if (fd >= 0)
		pal_close(fd);
	base_free(r);
}

/* The dentry of a path from the sandbox's root, as far as it is cached, out of date or not. Caller
 * holds dcache_lock. */
static struct dentry *peek_path(const char *path)
{
	struct dentry *d = mount_root->root;

	while (d && *path) {
		size_t n = 0;

		while (*path == '/')
			path++;
		while (path[n] && path[n] != '/')
			n++;
		if (n)
			d = dentry_peek(d, path, n);
		path += n;
	}
	return d;
}

/* Path as later records left it: where a prefix of it was renamed, the new name stands. Heap, or NULL. */
static char *follow_later(const char *path, const u8 *later, const u8 *end)
{
	char *now = base_strdup(path);

	while (now && later < end) {
		const struct union_moved *r = (const void *)later;
		const char *to = r->text + strlen(r->text) + 1;
		size_t n = strlen(r->text);

		if (!strncmp(now, r->text, n) && (now[n] == '/' || !now[n])) {
			size_t size = strlen(to) + strlen(now + n) + 1;
			char *next = base_alloc(size);

			if (next)
				base_snprintf(next, size, "%s%s", to, now + n);
			base_free(now);
			now = next;
		}
		later += r->size;
	}
	return now;
}

/* The directory that holds the new name: cached, or found where it is by now. Counted, or NULL. */
static struct dentry *new_parent(const char *to, const u8 *later, const u8 *end)
{
	char *dir = base_strdup(to);
	struct dentry *d = NULL;
	struct path p;
	char *now;

	if (!dir)
		return NULL;
	*strrchr(dir, '/') = '\0';
	lock(&dcache_lock);
	d = peek_path(dir);
	if (d && d->node && S_ISDIR(d->node->mode))
		dentry_get(d);
	else
		d = NULL;
	dcache_unlock();
	if (!d) {
		now = follow_later(dir, later, end);
		if (now && !path_from_root(now, &p)) {
			if (S_ISDIR(p.dentry->node->mode))
				d = p.dentry;
			else
				path_put(&p);
		}
		base_free(now);
	}
	base_free(dir);
	return d;
}

static void apply(const struct union_moved *r, const u8 *later, const u8 *end)
{
	const char *to = r->text + strlen(r->text) + 1;
	struct dentry *d, *parent;

	if (r->pid == this_process()->pid)
		return;
	lock(&dcache_lock);
	d = peek_path(r->text);
	if (d && d->node && d->node->ino == r->ino)
		dentry_get(d);
	else
		d = NULL;
	dcache_unlock();
	if (!d)
		return;
	parent = new_parent(to, later, end);
	if (parent) {
		dentry_follow(d, parent, strrchr(to, '/') + 1);
		dentry_put(parent);
	}
	dentry_put(d);
}

/* Is it a whole, well-formed record? The file is the guest's own to spoil. */
static bool is_record(const u8 *at, const u8 *end)
{
	const struct union_moved *r = (const void *)at;
	size_t n, text;

	if ((size_t)(end - at) < sizeof(*r) || r->size > (size_t)(end - at) || r->size < sizeof(*r) + 4)
		return false;
	text = r->size - sizeof(*r);
	n = strnlen(r->text, text);
	return n + 1 < text && strnlen(r->text + n + 1, text - n - 1) + n + 2 == text && r->text[0] == '/' &&
	       r->text[n + 1] == '/';
}

static void apply_all(const u8 *at, const u8 *end)
{
	const u8 *whole = at;

	while (is_record(whole, end))
		whole += ((const struct union_moved *)(const void *)whole)->size;
	moves_pos += whole - at;
	for (; at < whole; at += ((const struct union_moved *)(const void *)at)->size)
		apply((const void *)at, at + ((const struct union_moved *)(const void *)at)->size, whole);
}

void moves_apply(void)
{
	u32 now;
	struct stat st;
	size_t size;
	u8 *data;
	int fd;

	if (!counter || atomic_load(counter) == atomic_load(&moves_seen) || !trylock(&moves_lock))
		return; /* taken: we come from the lookups below, or another thread is at it */
	now = atomic_load(counter);
	fd = pal_openat(GRANT_FD_WORK, UNION_MOVES, O_RDONLY | O_NOFOLLOW, 0);
	if (fd >= 0 && !pal_fstat(fd, &st) && (u64)st.st_size > moves_pos) {
		size = (u64)st.st_size - moves_pos;
		data = base_alloc(size);
		if (data && pal_pread(fd, data, size, moves_pos) == (ssize_t)size)
			apply_all(data, data + size);
		base_free(data);
	}
	if (fd >= 0)
		pal_close(fd);
	atomic_store(&moves_seen, now);
	unlock(&moves_lock);
}
