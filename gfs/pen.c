// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * The right to write to a sandbox, and what goes with it.
 *
 * gfs changes layers itself, by the rules that the libOS follows (gshd/tree/change.h), and so stands beside the
 * sandbox's processes as one more of them:
 *
 *	layers	no layer is put on top, or taken away, while a change is under way: `pens`, a lock in the sandbox's
 *		directory that gfs holds shared for each change and the monitor alone (gshd/store/pens.c). The kernel
 *		frees it when gfs is killed.
 *	ops	what is written through the mount is an op of its own. One begins with the first write after somebody
 *		else's op, or after QUIET_S without any; while a file is open for writing it goes on.
 *	names	what processes remember is valid while counters stand that they share; they are in a piece of memory
 *		that the monitor gives. They are bumped before gfs answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "gfs/gfs.h"
#include "gshd/client/client.h"

#define QUIET_S 5
#define VERSION_FRESH 1.0
#define TRIES 100
#define NAP_NS 5000000
#define COUNTERS_SIZE (UNION_COUNTERS * sizeof(uint32_t))

/* All guarded by lock but gate, which is outside of it. */
struct pens {
	pthread_mutex_t gate; /* to the lock of the sandbox's directory: held while that is waited for */
	pthread_mutex_t lock;
	uint32_t own_top; /* the layer that our op has its changes in; 0: none */
	time_t last;	  /* CLOCK_MONOTONIC: of the last change */
	int writers;	  /* files open for writing */
	struct client *monitor; /* whom the counters are of */
	uint32_t *counters;	/* NULL: nothing runs */
	int locks;		/* directory of what files are locked at inside; -1: nothing runs, or it is not told */
	struct old *old;	/* counters of sandboxes that ended: somebody may look at them still */
	uint64_t life, changes;	/* struct view */
};

struct old {
	struct old *next;
	uint32_t *counters;
};

struct pens *pens_create(void)
{
	struct pens *p = calloc(1, sizeof(*p));

	if (p) {
		pthread_mutex_init(&p->gate, NULL);
		pthread_mutex_init(&p->lock, NULL);
		p->locks = -1;
	}
	return p;
}

static void drop_counters(struct pens *p)
{
	struct old *o = p->counters ? malloc(sizeof(*o)) : NULL;

	/* No memory: these stay mapped. */
	if (o) {
		*o = (struct old){p->old, p->counters};
		p->old = o;
	}
	p->counters = NULL;
	if (p->locks >= 0)
		close(p->locks);
	p->locks = -1;
	p->life++;
	client_close(p->monitor);
	p->monitor = NULL;
}

void pens_free(struct pens *p)
{
	if (!p)
		return;
	drop_counters(p);
	while (p->old) {
		struct old *o = p->old;

		p->old = o->next;
		munmap(o->counters, COUNTERS_SIZE);
		free(o);
	}
	pthread_mutex_destroy(&p->lock);
	pthread_mutex_destroy(&p->gate);
	free(p);
}

void pens_count(struct box *b, int more)
{
	pthread_mutex_lock(&b->pens->lock);
	b->pens->writers += more;
	pthread_mutex_unlock(&b->pens->lock);
}

static time_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* ---- ops ---- */

static bool is_own(struct pens *p, uint32_t top)
{
	time_t now = seconds();
	bool own;

	pthread_mutex_lock(&p->lock);
	own = p->own_top == top && (p->writers || now - p->last < QUIET_S);
	if (own)
		p->last = now;
	pthread_mutex_unlock(&p->lock);
	return own;
}

static void set_own(struct pens *p, uint32_t top)
{
	pthread_mutex_lock(&p->lock);
	p->own_top = top;
	p->last = seconds();
	pthread_mutex_unlock(&p->lock);
}

/* top: where changes go if there is no op: a throwaway sandbox keeps none. */
static int begin_op(struct box *b, uint32_t top)
{
	static const char *const command[] = {"written", "through", "the", "mount"};
	struct json_object *p = json_object_new_object(), *argv = json_object_new_array(), *v;
	struct client_reply r = {0};
	char why[512];
	struct client *c;
	int err = client_daemon(&c, CLIENT_START, why, sizeof(why));

	json_object_object_add(p, "name", json_object_new_string(b->name));
	/* As the log has it; words need no quotes there. */
	for (size_t i = 0; i < sizeof(command) / sizeof(command[0]); i++)
		json_object_array_add(argv, json_object_new_string(command[i]));
	json_object_object_add(p, "argv", argv);
	json_object_object_add(p, "cwd", json_object_new_string("/"));
	json_object_object_add(p, "done", json_object_new_boolean(true));
	if (err) {
		json_object_put(p);
		return -EIO;
	}
	err = client_call(c, "org.gsh.Daemon.PushOp", p, NULL, 0, &r);
	client_close(c);
	if (err)
		return -EIO;
	if (!r.error[0] && json_object_object_get_ex(r.params, "layer", &v))
		set_own(b->pens, (uint32_t)json_object_get_int64(v));
	else if (!strcmp(r.error, "org.gsh.Refused"))
		set_own(b->pens, top);
	else
		err = strcmp(r.error, "org.gsh.Conflict") ? -EIO : -EAGAIN; /* it is being started or stopped */
	client_reply_free(&r);
	return err;
}

/* ---- the lock ---- */

/* Shared by all of our changes, and opened once: to open it is to say that the layers will change (lease.c). */
static int take_lock(struct box *b, struct stack *s)
{
	int err = 0;

	pthread_mutex_lock(&b->pens->gate);
	if (s->pens < 0)
		s->pens = openat(s->box, "pens", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->pens < 0 || (!s->writing && flock(s->pens, LOCK_SH)))
		err = -errno;
	s->writing += !err;
	pthread_mutex_unlock(&b->pens->gate);
	return err;
}

static void give_lock(struct box *b, struct stack *s)
{
	pthread_mutex_lock(&b->pens->gate);
	if (!--s->writing)
		flock(s->pens, LOCK_UN);
	pthread_mutex_unlock(&b->pens->gate);
}

/* True: it is done with, *err says how. */
static bool try_take(struct box *b, struct pen *p, int *err)
{
	struct stack *s = box_stack_now(b);

	*err = -EIO;
	if (!s || s->work < 0 || !s->top) {
		if (s)
			stack_put(s);
		return false;
	}
	if (!is_own(b->pens, s->top)) {
		*err = begin_op(b, s->top);
		stack_put(s);
		return *err && *err != -EAGAIN;
	}
	*err = take_lock(b, s);
	if (!*err && stack_holds(s)) {
		p->stack = s;
		return true;
	}
	if (!*err) {
		give_lock(b, s);
		*err = -EIO;
	}
	stack_put(s);
	return false;
}

static void told(const struct change *c, const struct spot *dir, const char *name);

int pen_take(struct box *b, struct pen *p)
{
	static const struct timespec nap = {.tv_nsec = NAP_NS};
	bool listed;
	int err = -EIO;

	*p = (struct pen){.box = b};
	if (b->version[0])
		return -EROFS;
	for (int i = 0; i < TRIES && !try_take(b, p, &err); i++) {
		pthread_mutex_lock(&boxes_lock);
		listed = b->listed;
		pthread_mutex_unlock(&boxes_lock);
		if (!listed)
			return -ESTALE;
		if (i)
			nanosleep(&nap, NULL);
	}
	if (err)
		return err;
	p->change = (struct change){.tree = &p->stack->writes, .work = p->stack->work, .told = told, .arg = p};
	return 0;
}

void pen_done(struct pen *p)
{
	give_lock(p->box, p->stack);
	stack_put(p->stack);
}

/* ---- the counters ---- */

static int receive_fd(int sock)
{
	char byte, room[CMSG_SPACE(sizeof(int))] __attribute__((aligned(__alignof__(struct cmsghdr))));
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
	struct cmsghdr *c;
	int fd;

	if (recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
		return -EIO;
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
		return -EIO;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static int ask_fd(struct client *c, const char *method)
{
	struct client_reply r = {0};
	int pair[2], fd = -EIO;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	if (!client_call(c, method, NULL, &pair[1], 1, &r)) {
		if (!r.error[0])
			fd = receive_fd(pair[0]);
		client_reply_free(&r);
	}
	close(pair[0]);
	close(pair[1]);
	return fd;
}

/* The connection stays, to hear of the monitor's end. Caller holds the lock. */
static void find_counters(struct pens *p, const struct box *b)
{
	const struct timeval limit = {.tv_sec = RPC_TIMEOUT};
	char path[PATH_MAX + 80];
	void *at;
	int fd;

	snprintf(path, sizeof(path), "%s/box/%s.sock", gfs.paths.runtime, b->name);
	/* Asked for every question about a sandbox that does not run. */
	if (access(path, F_OK))
		return;
	if (client_open(&p->monitor, path)) {
		p->monitor = NULL;
		return;
	}
	setsockopt(client_fd(p->monitor), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	fd = ask_fd(p->monitor, "org.gsh.Box.Counters");
	at = fd < 0 ? MAP_FAILED
		    : mmap(NULL, COUNTERS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, UNION_COUNTERS_AT);
	if (fd >= 0)
		close(fd);
	if (at == MAP_FAILED) {
		drop_counters(p);
		return;
	}
	p->counters = at;
	p->locks = ask_fd(p->monitor, "org.gsh.Box.Locks");
	p->life++;
}

/* What is known of who runs becomes what is. Caller holds the lock. */
static void settle_counters(struct pens *p, const struct box *b)
{
	struct pollfd ended = {.events = 0};

	if (p->monitor) {
		ended.fd = client_fd(p->monitor);
		if (poll(&ended, 1, 0) > 0)
			drop_counters(p);
	}
	if (!p->counters)
		find_counters(p, b);
}

static void bump(const struct box *b, uint64_t number, const char *name)
{
	struct pens *p = b->pens;

	pthread_mutex_lock(&p->lock);
	p->changes++;
	settle_counters(p, b);
	if (p->counters)
		__atomic_add_fetch(&p->counters[union_counter(number, UNION_ROOT_DEV,
							      union_name_hash(name, strlen(name)))],
				   1, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&p->lock);
}

struct view pens_view(struct box *b)
{
	struct pens *p = b->pens;
	struct view v = {.counters = NULL};

	if (b->version[0])
		return v;
	pthread_mutex_lock(&p->lock);
	settle_counters(p, b);
	v = (struct view){p->counters, p->life, p->changes};
	pthread_mutex_unlock(&p->lock);
	return v;
}

int pens_stand_in(struct box *b, uint64_t number, uint64_t *life)
{
	struct pens *p = b->pens;
	char name[40];
	int fd = -1;

	if (b->version[0])
		return -1;
	snprintf(name, sizeof(name), ".gsh-lock-%llx", (unsigned long long)number);
	pthread_mutex_lock(&p->lock);
	settle_counters(p, b);
	*life = p->life;
	if (p->locks >= 0)
		fd = openat(p->locks, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	pthread_mutex_unlock(&p->lock);
	return fd;
}

uint64_t pens_life(struct box *b)
{
	struct pens *p = b->pens;
	uint64_t life = 0;

	if (b->version[0])
		return 0;
	pthread_mutex_lock(&p->lock);
	settle_counters(p, b);
	if (p->locks >= 0)
		life = p->life;
	pthread_mutex_unlock(&p->lock);
	return life;
}

uint64_t pens_changes(struct box *b)
{
	uint64_t n;

	pthread_mutex_lock(&b->pens->lock);
	n = b->pens->changes;
	pthread_mutex_unlock(&b->pens->lock);
	return n;
}

double pens_fresh(struct box *b)
{
	bool runs;

	if (b->version[0])
		return b->version[0] == ':' ? 0 : VERSION_FRESH;
	pthread_mutex_lock(&b->pens->lock);
	runs = b->pens->counters;
	pthread_mutex_unlock(&b->pens->lock);
	return runs ? 0 : STOPPED_FRESH;
}

static void told(const struct change *c, const struct spot *dir, const char *name)
{
	const struct pen *p = c->arg;

	bump(p->box, spot_number(dir), name);
}

/* The file is the sandbox's own to spoil. */
static void append(int work, const struct union_moved *m)
{
	int fd = openat(work, UNION_MOVES, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0)
		return;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		(void)!write(fd, m, m->size);
	close(fd);
}

void pen_tell_move(struct pen *p, uint64_t number, const char *from, const char *to)
{
	size_t a = strlen(from) + 2, b = strlen(to) + 2;
	struct union_moved *m = a > PATH_MAX || b > PATH_MAX ? NULL : calloc(1, sizeof(*m) + a + b);
	struct spot root;

	if (!m)
		return;
	*m = (struct union_moved){.size = (uint32_t)(sizeof(*m) + a + b), .ino = number};
	snprintf(m->text, a, "/%s", from);
	snprintf(m->text + a, b, "/%s", to);
	append(p->stack->work, m);
	free(m);
	if (spot_find(&p->stack->tree, "", &root))
		return;
	bump(p->box, spot_number(&root), UNION_MOVES_NAME);
	spot_put(&root);
}
