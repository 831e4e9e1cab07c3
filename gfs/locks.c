// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Locks of flock(2) and fcntl(2): those taken through the mount and those of programs inside meet.
 *
 * Inside, a file of a lower layer, or one that was before it was copied up, is locked at an empty file on the sandbox's
 * tmpfs that its number names, others as they are (libos/fs/union_lock.c). Here each is locked at both: a file that
 * lies in the top is of a lower layer when the next op begins. Where nothing runs, memory of our own stands in; what
 * is held of that is taken over when somebody starts the sandbox (locks_follow). Files of the base are never locked
 * themselves: the host's users are no concern of a sandbox.
 *
 * Who locks is an owner: a process for F_SETLK, an open file for F_OFD_SETLK and flock(2); FUSE has a number for each.
 * To the kernel below, each is an open file description of ours per thing that is locked, with its OFD locks. It ends
 * when the process closes the file (FLUSH), or when the open file that it came by does (RELEASE).
 *
 * A lock is when memory is to agree, too (share.c): maps are brought up to date after it was got and before it is given
 * up. Who has to wait for either does so in a thread of his own, and one that is interrupted is sent a signal until he
 * has noticed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "gfs/gfs.h"

#define WAITERS_MAX 256 /* more: ENOLCK */
#define WAITER_STACK 131072
#define KICK_NS 5000000

enum { STAND_IN, ITSELF, PLACES };

/* Guarded by lock, but that who has one counted uses the descriptors. */
struct owner {
	struct owner *next;
	uint64_t id;
	struct box *box;	/* borrowed: a file of it is open as long. NULL: of no tree */
	uint64_t number;	/* of the file locked */
	struct open_file *via;	/* by which it came */
	int fd[PLACES];		/* -1: none */
	struct stat itself;
	uint64_t life;		/* of the sandbox, when the stand-in was opened */
	pid_t pid;
	int whole;		/* flock's: LOCK_UN, LOCK_SH or LOCK_EX */
	unsigned refs;
	bool gone; /* closed while it waits */
};

/* Memory that stands in for a file of what does not run, as long as there are owners. */
struct memory {
	struct memory *next;
	const struct box *box;
	uint64_t number;
	int fd;
	unsigned refs;
};

/* What is asked for. */
struct ask {
	bool whole; /* flock(2) */
	bool wait;
	int op;		    /* of flock(2), without LOCK_NB */
	struct flock range; /* of fcntl(2) */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* outside of pen.c's */
static struct owner *owners;
static struct memory *memories;
static unsigned waiters;

/* ---- owners; the caller holds the lock ---- */

static int open_memory(const struct box *b, uint64_t number)
{
	struct memory *m = memories;

	while (m && (m->box != b || m->number != number))
		m = m->next;
	if (!m) {
		m = calloc(1, sizeof(*m));
		if (!m)
			return -1;
		*m = (struct memory){.next = memories, .box = b, .number = number};
		m->fd = memfd_create("lock", MFD_CLOEXEC);
		memories = m;
	}
	m->refs++;
	return data_reopen(m->fd, O_RDWR);
}

static void put_memory(const struct owner *o)
{
	struct memory **p = &memories, *m;

	while (*p && ((*p)->box != o->box || (*p)->number != o->number))
		p = &(*p)->next;
	m = *p;
	if (o->life || !m || --m->refs)
		return;
	*p = m->next;
	if (m->fd >= 0)
		close(m->fd);
	free(m);
}

static int open_stand_in(struct owner *o)
{
	struct stat st;
	int fd = o->box ? pens_stand_in(o->box, o->number, &o->life) : -1;

	/* What is there is the sandbox's to spoil. */
	if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode))) {
		close(fd);
		fd = -1;
	}
	if (fd >= 0)
		return fd;
	o->life = 0;
	return open_memory(o->box, o->number);
}

static void put_locked(struct owner *o)
{
	if (--o->refs)
		return;
	for (int i = 0; i < PLACES; i++)
		if (o->fd[i] >= 0)
			close(o->fd[i]);
	put_memory(o);
	free(o);
}

static uint64_t number_of(const struct open_file *f)
{
	return f->node ? f->number : (uint64_t)(uintptr_t)f; /* a text of this view: nobody competes for it */
}

static struct owner *find(uint64_t id, const struct open_file *f)
{
	struct owner *o = owners;

	while (o && (o->id != id || o->number != number_of(f) || o->box != (f->node ? f->node->box : NULL)))
		o = o->next;
	return o;
}

static struct owner *make(uint64_t id, struct open_file *f)
{
	struct owner *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	*o = (struct owner){.next = owners, .id = id, .box = f->node ? f->node->box : NULL, .via = f,
			    .number = number_of(f), .fd = {-1, -1}, .whole = LOCK_UN,
			    .refs = 1};
	o->fd[STAND_IN] = open_stand_in(o);
	if (o->fd[STAND_IN] < 0) {
		put_locked(o);
		return NULL;
	}
	return owners = o;
}

/* The file itself, where its number leads to now. Without the right to open it so the stand-in must do. */
static void open_itself(struct owner *o, const struct open_file *f)
{
	struct stat st;
	int fd;

	if (f->fd < 0 || f->base || !f->node || fstat(f->fd, &st))
		return;
	if (o->fd[ITSELF] >= 0 && st.st_ino == o->itself.st_ino && st.st_dev == o->itself.st_dev)
		return;
	fd = data_reopen(f->fd, (f->flags & O_ACCMODE) == O_RDONLY ? O_RDONLY : O_RDWR);
	if (fd < 0)
		return;
	if (o->fd[ITSELF] >= 0)
		close(o->fd[ITSELF]);
	o->fd[ITSELF] = fd;
	o->itself = st;
}

/* ---- one lock ---- */

static int take(int fd, const struct ask *a, bool wait)
{
	struct flock range = a->range;

	if (fd < 0)
		return 0;
	range.l_pid = 0;
	if (a->whole)
		return flock(fd, a->op | (wait ? 0 : LOCK_NB)) ? -errno : 0;
	return fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &range) ? -errno : 0;
}

static void give(int fd, const struct ask *a)
{
	struct ask all = *a;

	all.op = LOCK_UN;
	all.range.l_type = F_UNLCK;
	(void)take(fd, &all, false);
}

static bool gives(const struct ask *a)
{
	return a->whole ? a->op == LOCK_UN : a->range.l_type == F_UNLCK;
}

/* *done: how many places have it already. */
static int take_all(struct owner *o, const struct ask *a, bool wait, int *done)
{
	int err = 0;

	while (!err && *done < PLACES) {
		err = take(o->fd[*done], a, wait);
		/* A file that was opened for reading is locked for writing at its stand-in alone: flock(2) may. */
		if (err == -EBADF && *done == ITSELF)
			err = 0;
		*done += !err;
	}
	return err;
}

/* Locks of a range that an owner has at one place are taken at another. A kernel before 6.5 does not tell of them. */
static void take_over(int from, int to)
{
	struct flock have = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	while (!fcntl(from, F_OFD_GETLK, &have) && have.l_type != F_UNLCK) {
		off_t next = have.l_len ? have.l_start + have.l_len : 0;

		have.l_pid = 0;
		(void)!fcntl(to, F_OFD_SETLK, &have);
		if (!next)
			break;
		have = (struct flock){.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = next};
	}
}

/* The sandbox was started, or ended, since: what stands in for its files is elsewhere. */
static void follow(struct owner *o)
{
	struct owner now = *o;

	if (!o->box || pens_life(o->box) == o->life)
		return;
	now.fd[STAND_IN] = open_stand_in(&now);
	if (now.fd[STAND_IN] < 0)
		return;
	take_over(o->fd[STAND_IN], now.fd[STAND_IN]);
	if (o->whole != LOCK_UN)
		(void)!flock(now.fd[STAND_IN], o->whole | LOCK_NB);
	close(o->fd[STAND_IN]);
	put_memory(o);
	o->fd[STAND_IN] = now.fd[STAND_IN];
	o->life = now.life;
}

/* Who has this file locked must be where the next one looks, before he looks. */
static void follow_all(const struct open_file *f)
{
	for (struct owner *o = f->node ? owners : NULL; o; o = o->next)
		if (o->refs == 1 && o->box == f->node->box && o->number == number_of(f))
			follow(o);
}

void locks_follow(void)
{
	pthread_mutex_lock(&lock);
	for (struct owner *o = owners; o; o = o->next)
		if (o->refs == 1)
			follow(o);
	pthread_mutex_unlock(&lock);
}

/* ---- waiting ---- */

struct wait {
	fuse_req_t req;
	struct owner *owner;
	struct ask ask;
	struct node *node;
	int done;
	pthread_t thread;
	pthread_cond_t change; /* with lock, as what follows */
	bool cancelled, left;
};

static void woken(int sig)
{
	(void)sig;
}

/* The kernel's caller was interrupted. */
static void interrupted(fuse_req_t req, void *data)
{
	struct wait *w = data;
	struct timespec until;

	(void)req;
	pthread_mutex_lock(&lock);
	w->cancelled = true;
	while (!w->left && !pthread_equal(w->thread, pthread_self())) {
		pthread_kill(w->thread, SIGUSR1);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += KICK_NS;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		pthread_cond_timedwait(&w->change, &lock, &until);
	}
	pthread_mutex_unlock(&lock);
}

/* Under the lock: what is known of an owner after he was granted what he asked. */
static void granted(struct owner *o, const struct ask *a)
{
	if (a->whole)
		o->whole = a->op;
	if (o->gone) /* closed meanwhile: the lock is nobody's */
		for (int i = 0; i < PLACES; i++)
			give(o->fd[i], a);
}

static void *waiting(void *data)
{
	struct wait *w = data;
	int err;

	fuse_req_interrupt_func(w->req, interrupted, w);
	if (gives(&w->ask))
		share_refresh(w->node);
	pthread_mutex_lock(&lock);
	do {
		err = -EINTR;
		if (w->cancelled)
			break;
		pthread_mutex_unlock(&lock);
		err = take_all(w->owner, &w->ask, w->ask.wait, &w->done);
		pthread_mutex_lock(&lock);
	} while (err == -EINTR);
	if (err)
		for (int i = 0; i < w->done; i++)
			give(w->owner->fd[i], &w->ask);
	else
		granted(w->owner, &w->ask);
	w->left = true;
	pthread_cond_broadcast(&w->change);
	put_locked(w->owner);
	waiters--;
	pthread_mutex_unlock(&lock);
	if (!err && !gives(&w->ask))
		share_refresh(w->node);
	fuse_req_interrupt_func(w->req, NULL, NULL);
	fuse_reply_err(w->req, -err);
	node_drop(w->node, 1);
	pthread_cond_destroy(&w->change);
	free(w);
	return NULL;
}

/* Goes on in a thread that answers. Caller holds the lock. */
static int go_on(fuse_req_t req, struct owner *o, const struct ask *a, struct node *n, int done)
{
	struct wait *w = waiters < WAITERS_MAX ? calloc(1, sizeof(*w)) : NULL;
	pthread_attr_t attr;
	int err;

	if (!w)
		return -ENOLCK;
	*w = (struct wait){.req = req, .owner = o, .ask = *a, .node = n, .done = done};
	pthread_cond_init(&w->change, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, WAITER_STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	node_hold(n);
	o->refs++;
	waiters++;
	err = pthread_create(&w->thread, &attr, waiting, w);
	pthread_attr_destroy(&attr);
	if (!err)
		return 0;
	o->refs--;
	waiters--;
	node_drop(n, 1);
	free(w);
	return -ENOLCK;
}

static void answer(fuse_req_t req, struct open_file *f, uint64_t id, pid_t pid, const struct ask *a)
{
	bool shared = f->node && share_mapped(f->node), later = false;
	struct owner *o;
	int err = 0, done = 0;

	pthread_mutex_lock(&lock);
	follow_all(f);
	o = find(id, f);
	if (!o && !gives(a)) {
		o = make(id, f);
		err = o ? 0 : -ENOLCK;
	}
	if (o && !gives(a)) {
		open_itself(o, f);
		o->pid = pid;
	}
	if (o && !shared) {
		err = take_all(o, a, false, &done);
		if (!err)
			granted(o, a);
		later = err == -EAGAIN && a->wait && f->node;
	}
	if (o && (shared || later)) {
		err = go_on(req, o, a, f->node, done);
		later = !err;
	}
	if (err && o)
		for (int i = 0; i < done; i++)
			give(o->fd[i], a);
	pthread_mutex_unlock(&lock);
	if (!later)
		fuse_reply_err(req, -err);
}

/* ---- FUSE's questions ---- */

static struct open_file *file_of(const struct fuse_file_info *fi)
{
	return (struct open_file *)(uintptr_t)fi->fh;
}

void locks_set(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *range, int sleep)
{
	struct ask a = {.wait = sleep, .range = *range};

	(void)ino;
	a.range.l_whence = SEEK_SET;
	answer(req, file_of(fi), fi->lock_owner, range->l_pid, &a);
}

void locks_whole(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, int op)
{
	struct ask a = {.whole = true, .wait = !(op & LOCK_NB), .op = op & ~LOCK_NB};

	(void)ino;
	answer(req, file_of(fi), fi->lock_owner, fuse_req_ctx(req)->pid, &a);
}

/* Whose lock of ours it is that another owner has in the range. */
static pid_t holder(const struct owner *asking, const struct flock *found)
{
	for (struct owner *o = owners; o; o = o->next) {
		struct flock have = *found;

		have.l_type = F_UNLCK;
		have.l_pid = 0;
		if (o != asking && o->box == asking->box && o->number == asking->number &&
		    !fcntl(o->fd[STAND_IN], F_OFD_GETLK, &have) && have.l_type != F_UNLCK)
			return o->pid;
	}
	return -1;
}

void locks_get(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *range)
{
	struct open_file *f = file_of(fi);
	struct flock found;
	struct owner *o;
	bool made = false;
	int err = -ENOLCK;

	(void)ino;
	pthread_mutex_lock(&lock);
	follow_all(f);
	o = find(fi->lock_owner, f);
	if (!o) {
		o = make(fi->lock_owner, f);
		made = o != NULL;
	}
	if (o) {
		open_itself(o, f);
		err = 0;
	}
	for (int i = 0; o && !err && i < PLACES; i++) {
		found = *range;
		found.l_whence = SEEK_SET;
		found.l_pid = 0;
		if (o->fd[i] < 0)
			continue;
		if (fcntl(o->fd[i], F_OFD_GETLK, &found))
			err = -errno;
		else if (found.l_type != F_UNLCK)
			break;
	}
	if (o && !err && found.l_type != F_UNLCK && found.l_pid <= 0)
		found.l_pid = holder(o, &found);
	if (made) {
		owners = o->next;
		put_locked(o);
	}
	pthread_mutex_unlock(&lock);
	if (err)
		fuse_reply_err(req, -err);
	else
		fuse_reply_lock(req, &found);
}

/* ---- their ends ---- */

static void end(bool (*ends)(const struct owner *o, const void *what, uint64_t id), const void *what, uint64_t id)
{
	pthread_mutex_lock(&lock);
	for (struct owner **p = &owners; *p;) {
		struct owner *o = *p;

		if (!ends(o, what, id)) {
			p = &o->next;
			continue;
		}
		*p = o->next;
		o->gone = true;
		/* Who waits by it keeps it, but not what it had. */
		for (int i = 0; o->refs > 1 && i < PLACES; i++) {
			give(o->fd[i], &(struct ask){.range = {.l_whence = SEEK_SET}});
			give(o->fd[i], &(struct ask){.whole = true});
		}
		put_locked(o);
	}
	pthread_mutex_unlock(&lock);
}

static bool ends_process(const struct owner *o, const void *what, uint64_t id)
{
	const struct open_file *f = what;

	return o->id == id && f->node && o->box == f->node->box && o->number == f->number;
}

static bool ends_file(const struct owner *o, const void *what, uint64_t id)
{
	(void)id;
	return o->via == what;
}

void locks_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	end(ends_process, file_of(fi), fi->lock_owner);
	fuse_reply_err(req, 0);
}

void locks_closed(const struct open_file *f)
{
	end(ends_file, f, 0);
}

bool locks_held(const struct box *b, uint64_t number)
{
	struct owner *o;

	pthread_mutex_lock(&lock);
	for (o = owners; o && (o->box != b || o->number != number); o = o->next)
		continue;
	pthread_mutex_unlock(&lock);
	return o;
}

void locks_begin(void)
{
	struct sigaction act = {.sa_handler = woken};

	sigaction(SIGUSR1, &act, NULL);
}
