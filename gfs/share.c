// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Memory that is shared through the mount: maps of files of sandboxes that run.
 *
 * What a host program maps are pages of FUSE's, which know nothing of the file below; what a program inside maps is
 * that file. A user can not have the two be one (FUSE's passthrough is root's), so they are brought together
 *
 *	at locks	got: pages are dropped, and read anew when they are touched. Given up: what was written to
 *			them is written to the file before (locks.c). So programs that lock what they share see each
 *			other;
 *	now and then	every PULSE_MIN_NS while something changes, and every PULSE_MAX_NS when it does not, for those
 *			that do not lock; a file that is only read, when its times tell that it was changed.
 *
 * Pages are whole, and two sides may write to one. Of a page that was given to the kernel a copy is kept, its twin:
 * when the kernel writes the page back, the bytes that differ from that are what was written, and the others are the
 * file's, whoever changed them since. They are written from the end: what heads a file or a page is last, as who
 * writes it last means it.
 *
 * Files that are open for writing are read and written by read(2) and write(2) without the kernel's cache (direct_io):
 * then a question that comes without an owner is a map's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "gfs/gfs.h"

#define PAGE 4096
#define TWINS_MAX 8192
#define SLOTS 4096
#define PULSE_MIN_NS 20000000ll
#define PULSE_MAX_NS 320000000ll
#define WATCHED_MAX 256

struct twin {
	struct twin *next;
	const struct node *node;
	uint64_t page;
	char data[PAGE];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* inside of no other; node.c's is inside of it */
static struct twin *twins[SLOTS];
static unsigned count;
static bool busy; /* something was written, or read, since the last pulse */
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;

/* ---- twins; the caller holds the lock ---- */

static struct twin **slot(const struct node *n, uint64_t page)
{
	struct twin **p = &twins[((uintptr_t)n / 64 + page * 31) % SLOTS];

	while (*p && ((*p)->node != n || (*p)->page != page))
		p = &(*p)->next;
	return p;
}

static void keep(const struct node *n, uint64_t page, const char *data, size_t len)
{
	struct twin **p = slot(n, page), *t = *p;

	if (!t) {
		t = count < TWINS_MAX ? malloc(sizeof(*t)) : NULL;
		if (!t)
			return;
		*t = (struct twin){.node = n, .page = page};
		*p = t;
		count++;
	}
	memcpy(t->data, data, len);
	memset(t->data + len, 0, PAGE - len);
}

static void forget(const struct node *n)
{
	for (unsigned i = 0; i < SLOTS; i++)
		for (struct twin **p = &twins[i]; *p;) {
			struct twin *t = *p;

			if (t->node != n) {
				p = &t->next;
				continue;
			}
			*p = t->next;
			free(t);
			count--;
		}
}

/* ---- pages that come and go ---- */

void share_read(fuse_req_t req, struct open_file *f, size_t size, off_t off)
{
	char *buf = malloc(size);
	ssize_t n = buf ? pread(f->fd, buf, size, off) : -1;

	if (n < 0) {
		fuse_reply_err(req, buf ? errno : ENOMEM);
		free(buf);
		return;
	}
	pthread_mutex_lock(&lock);
	for (size_t at = 0; off % PAGE == 0 && at < (size_t)n; at += PAGE) {
		size_t len = (size_t)n - at < PAGE ? (size_t)n - at : PAGE;

		keep(f->node, ((uint64_t)off + at) / PAGE, buf + at, len);
	}
	f->node->mapped = true;
	busy = true;
	pthread_mutex_unlock(&lock);
	fuse_reply_buf(req, buf, (size_t)n);
	free(buf);
}

/* What differs, from the end. */
static int write_changed(int fd, const char *data, char *twin, size_t len, off_t off)
{
	size_t end = len, begin;

	while (end) {
		while (end && data[end - 1] == twin[end - 1])
			end--;
		for (begin = end; begin && data[begin - 1] != twin[begin - 1];)
			begin--;
		if (begin == end)
			break;
		if (pwrite(fd, data + begin, end - begin, off + (off_t)begin) != (ssize_t)(end - begin))
			return -EIO;
		memcpy(twin + begin, data + begin, end - begin);
		end = begin;
	}
	return 0;
}

static int write_page(const struct open_file *f, int fd, const char *data, size_t len, off_t off)
{
	struct twin *t;
	int err = -ENOENT;

	pthread_mutex_lock(&lock);
	t = *slot(f->node, (uint64_t)off / PAGE);
	if (t)
		err = write_changed(fd, data, t->data, len, off);
	pthread_mutex_unlock(&lock);
	if (err == -ENOENT)
		err = pwrite(fd, data, len, off) == (ssize_t)len ? 0 : -EIO;
	return err;
}

ssize_t share_write(struct open_file *f, int fd, const char *data, size_t size, off_t off)
{
	size_t at = (size + (size_t)(off % PAGE) + PAGE - 1) / PAGE;
	off_t first = off - off % PAGE;
	int err = 0;

	while (!err && at--) {
		off_t from = first + (off_t)(at * PAGE), to = from + PAGE;

		from = from < off ? off : from;
		to = to > off + (off_t)size ? off + (off_t)size : to;
		/* A part of a page has no twin that begins where it does. */
		if (from % PAGE)
			err = pwrite(fd, data + (from - off), (size_t)(to - from), from) == to - from ? 0 : -EIO;
		else
			err = write_page(f, fd, data + (from - off), (size_t)(to - from), from);
	}
	pthread_mutex_lock(&lock);
	busy = true;
	pthread_mutex_unlock(&lock);
	return err ? err : (ssize_t)size;
}

/* ---- bringing them together ---- */

static bool runs(struct box *b)
{
	return pens_view(b).counters;
}

bool share_mapped(const struct node *n)
{
	bool mapped;

	pthread_mutex_lock(&lock);
	mapped = n->mapped;
	pthread_mutex_unlock(&lock);
	return mapped && runs(n->box);
}

/* The kernel writes back what was written, and waits for our answers: not for a thread that gives them. */
void share_refresh(struct node *n)
{
	/* From the end, as above: what lies behind the first page is there when that is. */
	(void)fuse_lowlevel_notify_inval_inode(gfs.session, node_ino(n), PAGE, 0);
	(void)fuse_lowlevel_notify_inval_inode(gfs.session, node_ino(n), 0, PAGE);
}

void share_closed(struct node *n)
{
	pthread_mutex_lock(&lock);
	if (n->mapped) {
		n->mapped = false;
		forget(n);
	}
	pthread_mutex_unlock(&lock);
}

/* Is it to be refreshed? Under node.c's lock. */
static bool is_due(struct open_file *f, void *arg)
{
	bool *any = arg, changed;
	struct stat st;

	if (f->base || f->node->box->version[0] || fstat(f->fd, &st))
		return false;
	/* By whom ever. */
	changed = f->seen.tv_sec && !same_time(&f->seen, &st.st_ctim);
	f->seen = st.st_ctim;
	*any |= changed;
	return f->node->mapped || changed;
}

/* What is not of the op that is may be copied up inside. */
static bool is_read(struct open_file *f, void *arg)
{
	(void)arg;
	return !f->direct && !f->node->box->version[0];
}

static bool was_copied_up(struct node *n)
{
	struct spot s = {.n = 0};
	struct dir *dir = NULL;
	bool was = !dir_find(n, &dir, &s) && data_catch_up(n, &s);

	spot_put(&s);
	dir_put(dir);
	return was;
}

/* Returns whether something had changed. */
static bool pulse(void)
{
	struct node *due[64];
	bool changed = false;
	size_t n = node_files(is_due, &changed, WATCHED_MAX, due, sizeof(due) / sizeof(due[0]));

	for (size_t i = 0; i < n; i++) {
		if (runs(due[i]->box))
			share_refresh(due[i]);
		node_drop(due[i], 1);
	}
	n = node_files(is_read, NULL, WATCHED_MAX, due, sizeof(due) / sizeof(due[0]));
	for (size_t i = 0; i < n; i++) {
		if (runs(due[i]->box) && was_copied_up(due[i])) {
			share_refresh(due[i]);
			changed = true;
		}
		node_drop(due[i], 1);
	}
	locks_follow();
	return changed;
}

static void *beat(void *arg)
{
	long long nap = PULSE_MIN_NS;

	(void)arg;
	for (;;) {
		bool changed;

		nanosleep(&(struct timespec){.tv_nsec = nap}, NULL);
		changed = pulse();
		pthread_mutex_lock(&lock);
		changed |= busy;
		busy = false;
		/* Nobody has anything open: until somebody does. */
		while (!node_any_open())
			pthread_cond_wait(&work, &lock);
		pthread_mutex_unlock(&lock);
		nap = changed ? PULSE_MIN_NS : nap * 2 < PULSE_MAX_NS ? nap * 2 : PULSE_MAX_NS;
	}
	return NULL;
}

void share_opened(void)
{
	pthread_mutex_lock(&lock);
	pthread_cond_signal(&work);
	pthread_mutex_unlock(&lock);
}

void share_begin(void)
{
	pthread_t thread;

	if (!pthread_create(&thread, NULL, beat, NULL))
		pthread_detach(thread);
}
