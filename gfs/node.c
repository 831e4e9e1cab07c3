// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Nodes: what the kernel's numbers stand for.
 *
 * The number is the node's address, or FUSE_ROOT_ID. A node is born by a lookup and dies when the
 * kernel has forgotten all lookups of it and no child holds it. One lock, held for a few
 * instructions.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "gfs/gfs.h"

#define BUCKETS 4096
#define FILLING_MAX 8 /* a fill may wait for a page that another thread has to answer for */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct node *buckets[BUCKETS];
static unsigned filling;				 /* lock: how many nodes */
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER; /* with lock */
static struct node top = {.kind = NODE_TOP, .count = 1};
static struct open_file *latest; /* lock: all that are open */

struct node *node_of(fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? &top : (struct node *)(uintptr_t)ino;
}

fuse_ino_t node_ino(const struct node *n)
{
	return n == &top ? FUSE_ROOT_ID : (fuse_ino_t)(uintptr_t)n;
}

static uint32_t hash_of(const struct node *parent, const char *name)
{
	uint32_t h = 2166136261u ^ (uint32_t)((uintptr_t)parent >> 4);

	while (*name)
		h = (h ^ (unsigned char)*name++) * 16777619u;
	return h;
}

static struct node *find(uint32_t hash, const struct node *parent, enum node_kind kind,
			 const struct box *box, const char *name, uint64_t ident)
{
	struct node *n = buckets[hash % BUCKETS];

	while (n && (n->hash != hash || n->parent != parent || n->kind != kind || n->box != box ||
		     n->ident != ident || n->gone || strcmp(n->name, name)))
		n = n->next;
	return n;
}

static struct node *make(uint32_t hash, struct node *parent, enum node_kind kind, struct box *box,
			 const char *name, uint64_t ident)
{
	struct node *n = malloc(sizeof(*n));
	char *copy = strdup(name);

	if (!n || !copy) {
		free(n);
		free(copy);
		return NULL;
	}
	*n = (struct node){.kind = kind,
			   .name = copy,
			   .box = box ? box_get(box) : NULL,
			   .parent = parent,
			   .ident = ident,
			   .hash = hash,
			   .next = buckets[hash % BUCKETS]};
	buckets[hash % BUCKETS] = n;
	parent->count++;
	return n;
}

void node_hold(struct node *n)
{
	pthread_mutex_lock(&lock);
	n->count++;
	pthread_mutex_unlock(&lock);
}

struct node *node_take(struct node *parent, enum node_kind kind, struct box *box, const char *name,
		       uint64_t ident)
{
	uint32_t hash = hash_of(parent, name);
	struct node *n;

	pthread_mutex_lock(&lock);
	n = find(hash, parent, kind, box, name, ident);
	if (!n)
		n = make(hash, parent, kind, box, name, ident);
	if (n)
		n->count++;
	pthread_mutex_unlock(&lock);
	return n;
}

static void unlink_node(struct node *n)
{
	struct node **p = &buckets[n->hash % BUCKETS];

	while (*p != n)
		p = &(*p)->next;
	*p = n->next;
}

void node_drop(struct node *n, uint64_t count)
{
	struct node *dead = NULL;

	pthread_mutex_lock(&lock);
	while (n && n != &top) {
		struct node *parent = n->parent;

		n->count -= count < n->count ? count : n->count;
		if (n->count)
			break;
		unlink_node(n);
		n->next = dead;
		dead = n;
		n = parent;
		count = 1;
	}
	pthread_mutex_unlock(&lock);
	while (dead) {
		n = dead;
		dead = n->next;
		dir_forget(n);
		if (n->box)
			box_put(n->box);
		free(n->name);
		free(n);
	}
}

size_t node_numbers(const struct box *b, fuse_ino_t **numbers)
{
	size_t n = 0, at = 0;

	pthread_mutex_lock(&lock);
	for (int count = 1; count >= 0; count--) {
		for (unsigned i = 0; i < BUCKETS; i++)
			for (struct node *o = buckets[i]; o; o = o->next) {
				if (o->box != b || o->kind != NODE_TREE)
					continue;
				if (count)
					n++;
				else
					(*numbers)[at++] = node_ino(o);
			}
		if (count && !(*numbers = calloc(n + 1, sizeof(**numbers))))
			break;
	}
	pthread_mutex_unlock(&lock);
	return at;
}

/* Written from the end. Caller holds the lock. */
static int path_locked(const struct node *n, char *buf, size_t size)
{
	size_t at = size - 1;

	buf[at] = '\0';
	for (; n->parent && n->parent->kind == n->kind; n = n->parent) {
		size_t len = strlen(n->name);

		if (n->gone)
			return -ESTALE;
		if (at < len + 1)
			return -ENAMETOOLONG;
		if (buf[at])
			buf[--at] = '/';
		at -= len;
		memcpy(buf + at, n->name, len);
	}
	memmove(buf, buf + at, size - at);
	return 0;
}

int node_path(const struct node *n, char *buf, size_t size)
{
	int err;

	pthread_mutex_lock(&lock);
	err = path_locked(n, buf, size);
	pthread_mutex_unlock(&lock);
	return err;
}

int node_path_then(const struct node *n, char *buf, size_t size)
{
	size_t len;
	int err;

	pthread_mutex_lock(&lock);
	err = !n->gone || n->parent->kind != n->kind ? path_locked(n, buf, size) : path_locked(n->parent, buf, size);
	len = err || !n->gone ? 0 : strlen(buf);
	if (!err && n->gone && (size_t)snprintf(buf + len, size - len, "%s%s", len ? "/" : "", n->name) >= size - len)
		err = -ENAMETOOLONG;
	pthread_mutex_unlock(&lock);
	return err;
}

int node_parent_path(const struct node *n, char *buf, size_t size, char name[NAME_MAX + 1])
{
	int err;

	name[0] = '\0';
	pthread_mutex_lock(&lock);
	if (n->parent->kind == n->kind) {
		snprintf(name, NAME_MAX + 1, "%s", n->name);
		err = n->gone ? -ESTALE : path_locked(n->parent, buf, size);
	} else {
		err = path_locked(n, buf, size);
	}
	pthread_mutex_unlock(&lock);
	return err;
}

int node_up(struct node *n, struct node **up, char name[NAME_MAX + 1])
{
	int err = 0;

	*up = NULL;
	pthread_mutex_lock(&lock);
	if (n->gone) {
		err = -ESTALE;
	} else if (n->parent->kind == n->kind) {
		*up = n->parent;
		n->parent->count++;
		snprintf(name, NAME_MAX + 1, "%s", n->name);
	}
	pthread_mutex_unlock(&lock);
	return err;
}

/* ---- names that change ---- */

/* The next node, after n or the first, that has this name. */
static struct node *next_named(struct node *n, uint32_t hash, const struct node *parent, const char *name)
{
	n = n ? n->next : buckets[hash % BUCKETS];
	while (n && (n->hash != hash || n->parent != parent || n->gone || strcmp(n->name, name)))
		n = n->next;
	return n;
}

void node_removed(const struct node *parent, const char *name)
{
	uint32_t hash = hash_of(parent, name);

	pthread_mutex_lock(&lock);
	for (struct node *n = next_named(NULL, hash, parent, name); n; n = next_named(n, hash, parent, name))
		n->gone = true;
	pthread_mutex_unlock(&lock);
}

/* Take those of a name out of the table, as a list. */
static struct node *take_named(const struct node *parent, const char *name)
{
	uint32_t hash = hash_of(parent, name);
	struct node *list = NULL, *n;

	while ((n = next_named(NULL, hash, parent, name))) {
		unlink_node(n);
		n->next = list;
		list = n;
	}
	return list;
}

static void put_named(struct node *list, struct node *parent, const char *name)
{
	while (list) {
		struct node *n = list, *old = n->parent;
		char *copy = strdup(name);

		list = n->next;
		/* No memory: it has no name that is known. */
		n->gone |= !copy;
		if (copy) {
			free(n->name);
			n->name = copy;
		}
		n->parent = parent;
		n->hash = hash_of(parent, n->name);
		n->next = buckets[n->hash % BUCKETS];
		buckets[n->hash % BUCKETS] = n;
		parent->count++;
		/* The kernel holds the old parent: its directory is in use by this very rename. */
		old->count--;
	}
}

void node_renamed(struct node *from, const char *name, struct node *to, const char *as, bool exchanged)
{
	struct node *moved, *other;

	if (!exchanged)
		node_removed(to, as);
	pthread_mutex_lock(&lock);
	moved = take_named(from, name);
	other = take_named(to, as);
	put_named(moved, to, as);
	put_named(other, from, name);
	pthread_mutex_unlock(&lock);
}

/* ---- open files ---- */

static void note_file(struct open_file *f)
{
	struct stat st;

	if (fstat(f->fd, &st))
		return;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
}

bool node_behind(const struct node *n, uint64_t number, const struct stat *st)
{
	const struct open_file *f;

	pthread_mutex_lock(&lock);
	for (f = n->files; f; f = f->next)
		if ((f->flags & O_ACCMODE) == O_RDONLY && f->number == number && f->fd >= 0 &&
		    (f->ino != st->st_ino || f->dev != st->st_dev))
			break;
	pthread_mutex_unlock(&lock);
	return f;
}

void node_opened(struct node *n, struct open_file *f)
{
	pthread_mutex_lock(&lock);
	note_file(f);
	f->node = n;
	f->next = n->files;
	n->files = f;
	n->direct += f->direct;
	f->after = latest;
	if (latest)
		latest->before = f;
	latest = f;
	pthread_mutex_unlock(&lock);
}

bool node_closed(struct open_file *f)
{
	bool last;

	pthread_mutex_lock(&lock);
	f->node->direct -= f->direct;
	*(f->before ? &f->before->after : &latest) = f->after;
	if (f->after)
		f->after->before = f->before;
	for (struct open_file **p = &f->node->files; *p; p = &(*p)->next) {
		if (*p == f) {
			*p = f->next;
			break;
		}
	}
	last = !f->node->files;
	pthread_mutex_unlock(&lock);
	return last;
}

bool node_any_open(void)
{
	bool any;

	pthread_mutex_lock(&lock);
	any = latest;
	pthread_mutex_unlock(&lock);
	return any;
}

size_t node_files(bool (*wanted)(struct open_file *f, void *arg), void *arg, unsigned look, struct node **out,
		  size_t room)
{
	size_t n = 0;

	pthread_mutex_lock(&lock);
	for (struct open_file *f = latest; f && look-- && n < room; f = f->after)
		if (wanted(f, arg)) {
			f->node->count++;
			out[n++] = f->node;
		}
	pthread_mutex_unlock(&lock);
	return n;
}

/* ---- what the kernel is given of files ---- */

bool node_fill_begin(struct node *n, const struct open_file *f, const struct timespec *changed)
{
	bool alone;

	pthread_mutex_lock(&lock);
	alone = n->files == f && !f->next && !n->writers && !n->filling && filling < FILLING_MAX &&
		!same_time(&n->filled, changed);
	if (alone) {
		n->filling = true;
		filling++;
	}
	pthread_mutex_unlock(&lock);
	return alone;
}

void node_fill_end(struct node *n, const struct timespec *changed)
{
	pthread_mutex_lock(&lock);
	n->filled = *changed;
	n->filling = false;
	filling--;
	pthread_cond_broadcast(&filled);
	pthread_mutex_unlock(&lock);
}

void node_writer(struct node *n)
{
	pthread_mutex_lock(&lock);
	n->writers++;
	while (n->filling)
		pthread_cond_wait(&filled, &lock);
	pthread_mutex_unlock(&lock);
}

void node_written(struct node *n)
{
	pthread_mutex_lock(&lock);
	n->writers--;
	pthread_mutex_unlock(&lock);
}

int node_file(const struct node *n, bool *base)
{
	int fd = -1;

	pthread_mutex_lock(&lock);
	if (n->files) {
		fd = fcntl(n->files->fd, F_DUPFD_CLOEXEC, 3);
		*base = n->files->base;
	}
	pthread_mutex_unlock(&lock);
	return fd;
}

void node_follow(const struct node *n, uint64_t number, int fd)
{
	pthread_mutex_lock(&lock);
	for (struct open_file *f = n->files; f; f = f->next)
		if ((f->flags & O_ACCMODE) == O_RDONLY && f->number == number && f->fd >= 0 &&
		    dup3(fd, f->fd, O_CLOEXEC) >= 0) {
			f->base = false;
			note_file(f);
		}
	pthread_mutex_unlock(&lock);
}
