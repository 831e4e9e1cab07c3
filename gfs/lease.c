// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Leases: for how long the kernel may remember names and attributes of a sandbox that does not run.
 *
 * Such a sandbox changes through here alone until somebody starts it or changes its layers, and who does opens `pens`
 * in its directory first (gshd/store/pens.c). While gfs holds a lease
 *
 *	its lock on the first byte of `pens` is shared: who opens it waits for that, but not for long, as gfs may hang;
 *	inotify(7) tells of the opening: answers under way are waited for, the kernel is told to forget what it
 *		remembers of the sandbox, and the lock is given back.
 *
 * A listing that the kernel works up at that moment comes too late to be forgotten, so it is told
 * again after AGAIN_NS, and until then nothing is leased, and nothing remembered. To forget all names
 * at once the kernel knows since FUSE 7.44 (Linux 6.16): for one name after another it would wait for
 * directories, and whoever holds one may wait for us. Older ones get no leases.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>
#include "gfs/gfs.h"

#define AGAIN_NS 100000000ll
#define NOTIFY_INC_EPOCH 8 /* FUSE_NOTIFY_INC_EPOCH of linux/fuse.h, where it is of 2025 */

/* Guarded by lock; fd and watch are changed by who made it known, and by the thread that breaks it. */
struct lease {
	struct lease *next;
	struct box *box; /* counted */
	int fd, watch;
	unsigned answering;
	long long again; /* 0: it is held */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* inside of no other */
static pthread_cond_t answered = PTHREAD_COND_INITIALIZER;
static struct lease *leases;
static bool taking;
static int notices = -1; /* inotify; -1: no leases */

/* ---- taking one ---- */

static struct flock lock_of(short type)
{
	return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_len = 1};
}

/* Who starts it holds its lock before anything else, and keeps it while it runs. */
static bool is_started(int box)
{
	struct flock query = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = openat(box, "lock", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	bool started;

	if (fd < 0)
		return errno != ENOENT;
	started = fcntl(fd, F_OFD_GETLK, &query) || query.l_type != F_UNLCK;
	close(fd);
	return started;
}

/* False: it is to be freed. */
static bool get(struct lease *l, int box)
{
	struct flock shared = lock_of(F_RDLCK);
	char path[32];

	l->fd = openat(box, "pens", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (l->fd < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", l->fd);
	l->watch = inotify_add_watch(notices, path, IN_OPEN | IN_ATTRIB);
	if (l->watch >= 0 && !fcntl(l->fd, F_OFD_SETLK, &shared) && !is_started(box))
		return true;
	if (l->watch >= 0)
		inotify_rm_watch(notices, l->watch);
	close(l->fd);
	return false;
}

static struct lease *take(struct box *b)
{
	struct stack *s = box_stack(b);
	struct lease *l = s ? calloc(1, sizeof(*l)) : NULL;
	bool mine = false;

	if (l) {
		pthread_mutex_lock(&lock);
		mine = !taking && !b->lease;
		taking |= mine;
		pthread_mutex_unlock(&lock);
	}
	if (mine) {
		mine = get(l, s->box);
		pthread_mutex_lock(&lock);
		taking = false;
		if (mine) {
			l->box = box_get(b);
			l->answering = 1;
			l->next = leases;
			b->lease = leases = l;
		}
		pthread_mutex_unlock(&lock);
	}
	if (!mine)
		free(l);
	if (s)
		stack_put(s);
	return mine ? l : NULL;
}

bool leases_given(void)
{
	return notices >= 0;
}

bool lease_hold(struct box *b, struct lease **l)
{
	bool known;

	*l = NULL;
	if (b->version[0])
		return true;
	pthread_mutex_lock(&lock);
	known = notices < 0 || taking || b->lease;
	if (b->lease && !b->lease->again) {
		*l = b->lease;
		(*l)->answering++;
	}
	pthread_mutex_unlock(&lock);
	if (!known && pens_fresh(b) > 0)
		*l = take(b);
	return *l;
}

void lease_release(struct lease *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&lock);
	if (!--l->answering)
		pthread_cond_signal(&answered);
	pthread_mutex_unlock(&lock);
}

/* ---- giving it back ---- */

static void forget(struct box *b)
{
	const struct { uint32_t len; int32_t code; uint64_t unique; } names = {sizeof(names), NOTIFY_INC_EPOCH, 0};
	fuse_ino_t *numbers;
	size_t n;

	recent_forget(b);
	if (write(fuse_session_fd(gfs.session), &names, sizeof(names)) < 0 && errno != ENOTCONN)
		perror("gfs: the kernel forgets no names");
	n = node_numbers(b, &numbers);
	for (size_t i = 0; i < n; i++)
		(void)fuse_lowlevel_notify_inval_inode(gfs.session, numbers[i], -1, 0);
	free(numbers);
}

static void give_back(int watch)
{
	struct lease *l;

	pthread_mutex_lock(&lock);
	for (l = leases; l && (l->again || l->watch != watch); l = l->next)
		continue;
	if (l) {
		l->again = now_ns() + AGAIN_NS;
		while (l->answering)
			pthread_cond_wait(&answered, &lock);
	}
	pthread_mutex_unlock(&lock);
	if (!l)
		return;
	forget(l->box);
	inotify_rm_watch(notices, l->watch);
	close(l->fd);
}

/* Those whose time has come a second time. Returns milliseconds to the next; -1: there is none. */
static int forget_again(void)
{
	struct lease *due = NULL, **p = &leases;
	long long now = now_ns(), next = LLONG_MAX;

	pthread_mutex_lock(&lock);
	while (*p) {
		struct lease *l = *p;

		if (l->again && l->again <= now) {
			*p = l->next;
			l->next = due;
			due = l;
			continue;
		}
		if (l->again && l->again < next)
			next = l->again;
		p = &l->next;
	}
	pthread_mutex_unlock(&lock);
	while (due) {
		struct lease *l = due;

		due = l->next;
		forget(l->box);
		pthread_mutex_lock(&lock);
		l->box->lease = NULL;
		pthread_mutex_unlock(&lock);
		box_put(l->box);
		free(l);
	}
	return next == LLONG_MAX ? -1 : (int)((next - now) / 1000000 + 1);
}

static void *watch(void *arg)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct pollfd p = {.fd = notices, .events = POLLIN};

	(void)arg;
	for (;;) {
		ssize_t n = poll(&p, 1, forget_again()) > 0 ? read(notices, buf, sizeof(buf)) : 0;

		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e = (const void *)(buf + at);

			give_back(e->wd);
			at += (ssize_t)(sizeof(*e) + e->len);
		}
	}
	return NULL;
}

void leases_begin(unsigned minor)
{
	pthread_t thread;
	int fd = minor < 44 ? -1 : inotify_init1(IN_CLOEXEC);

	if (fd < 0)
		return;
	notices = fd;
	if (pthread_create(&thread, NULL, watch, NULL))
		notices = -1;
	else
		pthread_detach(thread);
}
