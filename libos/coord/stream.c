/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * An instance's side of the coordination streams: asking another for its /proc, and answering for one's own.
 *
 * Answers are made by this instance's own procfs, by walking /proc/self as its guest would: whoever owns the data
 * serves it, in one format, from one piece of code.
 */
#include "libos/task/ptrace.h"
#include "libos/task/task.h"
#include "libos/ckpt/cursor.h"
#include "libos/coord/area.h"
#include "libos/coord/wire.h"
#include "libos/vfs/vfs.h"
#include "libos/fs/kinds.h"
#include "libos/fs/proc.h"
#include "libos/split/split.h"
#include "libos/sys/user.h"
#include "pal/grant.h"

static u32 stream_open;		/* atomic: GRANT_FD_STREAM is this process's */
static u32 life_open;		/* atomic: GRANT_FD_LIFE is, too */
static struct mutex serve_lock; /* one thread answers at a time */
static s32 serving_tid;		/* which one; written under serve_lock */

void coord_forked(void)
{
	/* Written only where it differs: a page that is not written is not copied. */
	if (stream_open) {
		pal_close(GRANT_FD_STREAM);
		stream_open = 0;
	}
	if (life_open) {
		pal_close(GRANT_FD_LIFE);
		life_open = 0;
	}
	split_forget();
	if (serve_lock.word)
		mutex_init(&serve_lock);
}

void coord_borrowed(void)
{
	/* The words are the parent's; only the copies of its descriptors are this process's. */
	if (stream_open)
		pal_close(GRANT_FD_STREAM);
	if (life_open)
		pal_close(GRANT_FD_LIFE);
	split_borrowed();
}

void coord_save(struct buf *b)
{
	/* A borrower's is its parent's word, and its own copy is closed. */
	bool keep = life_open && !this_process()->vfork_child;

	if (keep)
		(void)pal_fcntl(GRANT_FD_LIFE, F_SETFD, 0);
	put_u32(b, keep);
}

void coord_load(struct cursor *c)
{
	life_open = get_u32(c);
	if (life_open)
		(void)pal_fcntl(GRANT_FD_LIFE, F_SETFD, FD_CLOEXEC);
}

/* ---- answering ---- */

static ssize_t list_names(struct file *f, u64 skip, char *out, size_t size, bool *eof)
{
	u8 dents[1024];
	size_t used = 0;
	ssize_t n;

	*eof = true;
	while ((n = f->ops->getdents(f, dents, sizeof(dents))) > 0) {
		for (ssize_t at = 0; at < n;) {
			struct linux_dirent64 *d = (void *)(dents + at);
			size_t len = strlen(d->d_name) + 1;

			at += d->d_reclen;
			if (skip) {
				skip--;
				continue;
			}
			if (used + len > size) {
				*eof = false;
				return used;
			}
			memcpy(out + used, d->d_name, len);
			used += len;
		}
	}
	return n < 0 ? n : (ssize_t)used;
}

/* Page by page, so that what lies before a hole is moved. */
ssize_t coord_copy_own(u64 addr, void *buf, size_t n, bool write)
{
	size_t done = 0;

	while (done < n) {
		size_t step = MIN(n - done, PAGE_SIZE - ((addr + done) & (PAGE_SIZE - 1)));
		void *guest = (void *)(uintptr_t)(addr + done);
		u8 *at = (u8 *)buf + done;

		if (write ? user_write(guest, at, step) : user_read(at, guest, step))
			break;
		done += step;
	}
	return done || !n ? (ssize_t)done : -EFAULT;
}

static ssize_t touch_own(const struct coord_query *q, char *buf, bool write)
{
	if (q->op == COORD_DEBUG_PEEK || q->op == COORD_DEBUG_POKE)
		return peek_own(this_process()->mm, q->offset, buf, q->size, write);
	return coord_copy_own(q->offset, buf, q->size, write);
}

/* An asker has the right to trace us; one that is not dumpable nobody may trace. */
static ssize_t touch_memory(const struct coord_query *q, char *buf, size_t size, int reply)
{
	struct iovec iov = { buf, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	u32 moved;
	ssize_t n;

	if (q->size > size || q->size > COORD_MEMORY_MAX)
		return -EINVAL;
	if (!this_process()->dumpable)
		return -EPERM;
	if (q->op == COORD_PEEK || q->op == COORD_DEBUG_PEEK)
		return touch_own(q, buf, false);
	n = at_once(pal_recvmsg(reply, &msg, MSG_DONTWAIT));
	if (n != (ssize_t)q->size)
		return -EINVAL;
	n = touch_own(q, buf, true);
	if (n < 0)
		return n;
	moved = (u32)n;
	memcpy(buf, &moved, sizeof(moved));
	return sizeof(moved);
}

static ssize_t produce(const struct coord_query *q, char *out, size_t size, bool *eof)
{
	char path[300];
	struct file *f;
	ssize_t n;
	int r;

	*eof = true;
	if (q->op == COORD_ALL)
		return proc_bundle_make(out, size);
	base_snprintf(path, sizeof(path), "/proc/self/%s", q->name);
	if (q->op == COORD_LINK)
		return vfs_readlink(AT_FDCWD, path, out, size);
	r = vfs_open(AT_FDCWD, path, q->op == COORD_LIST ? O_RDONLY | O_DIRECTORY : O_RDONLY, 0, 0, &f);
	if (r)
		return r;
	if (q->op == COORD_LIST) {
		n = f->ops->getdents ? list_names(f, q->offset, out, size, eof) : -ENOTDIR;
	} else {
		n = file_read_kernel(f, out, size, q->offset);
		*eof = n < (ssize_t)size;
	}
	file_put(f);
	return n;
}

/* A file of this process's for another, as SCM_RIGHTS carries it; nothing is said where there is none. */
static void answer_fd(const struct coord_msg *m, const struct coord_query *q, int reply)
{
	struct coord_msg head = { .version = COORD_VERSION, .type = COORD_FILE, .pid = m->pid, .seq = m->seq };
	struct file *f = fdtab_get_path((int)q->offset);
	struct coord_answer a = { 0 };
	bool made = false;
	int fd;

	fd = IS_ERR(f) ? -EBADF : file_to_host(f, &made);
	if (fd >= 0) {
		head.len = sizeof(a);
		wire_send(reply, &head, &a, NULL, 0, fd);
	} else {
		head.type = COORD_ANSWER;
		head.len = sizeof(a);
		a.error = fd;
		wire_send(reply, &head, &a, NULL, 0, -1);
	}
	if (made)
		pal_close(fd);
	if (!IS_ERR(f))
		file_put(f);
}

static void answer(const struct coord_msg *m, const struct coord_query *q, int reply)
{
	size_t room = COORD_MSG_MAX - sizeof(*m) - sizeof(struct coord_answer);
	struct coord_msg head = { .version = COORD_VERSION, .type = COORD_ANSWER, .pid = m->pid, .seq = m->seq };
	struct coord_answer a = { 0 };
	char *out = base_alloc(room);
	bool eof = true;
	ssize_t n = -ENOMEM;

	if (out && q->op >= COORD_PEEK && q->op <= COORD_DEBUG_POKE)
		n = touch_memory(q, out, room, reply);
	else if (out)
		n = q->name[sizeof(q->name) - 1] || strchr(q->name, '.') ? -EINVAL : produce(q, out, room, &eof);
	a.error = n < 0 ? n : 0;
	a.size = n < 0 ? 0 : n;
	a.eof = eof;
	head.len = sizeof(a) + a.size;
	wire_send(reply, &head, &a, out, a.size, -1);
	base_free(out);
}

static int open_stream(void)
{
	struct coord_msg hello = { .version = COORD_VERSION, .type = COORD_HELLO, .pid = this_process()->pid };
	int ends[2], r;

	r = wire_pair(ends);
	if (r)
		return r;
	r = pal_dup_to(ends[0], GRANT_FD_STREAM);
	pal_close(ends[0]);
	if (r >= 0)
		r = wire_send(GRANT_FD_LEADER, &hello, NULL, NULL, 0, ends[1]);
	pal_close(ends[1]);
	if (r >= 0)
		stream_open = 1;
	return r;
}

void coord_serve(void)
{
	struct {
		struct coord_msg m;
		struct coord_query q;
	} in;
	ssize_t n;
	int reply;

	if (this_process()->vfork_child || !trylock(&serve_lock))
		return;
	serving_tid = current()->tid;
	atomic_and(&this_process()->slot->flags, ~AREA_RUNG);
	if (this_process()->slot->silent)
		atomic_store(&this_process()->slot->silent, 0);
	if (!stream_open)
		open_stream();
	while (stream_open && (n = wire_receive(GRANT_FD_STREAM, &in, sizeof(in), &reply)) != -EAGAIN) {
		if (n == -EBADMSG || n == -EINTR)
			continue;
		if (n < 0)
			break;
		if (in.m.type == COORD_QUERY && in.q.op == COORD_FD) {
			answer_fd(&in.m, &in.q, reply);
		} else if (in.m.type == COORD_QUERY) {
			answer(&in.m, &in.q, reply);
		} else if (in.m.type == COORD_SPLIT) {
			split_ask(reply);
			reply = -1;
		} else if (in.m.type == COORD_HOLD && pal_dup_to(reply, GRANT_FD_LIFE) >= 0) {
			life_open = 1;
		}
		if (reply >= 0)
			pal_close(reply);
	}
	serving_tid = 0;
	unlock(&serve_lock);
}

bool coord_answering(void)
{
	return serving_tid && serving_tid == current()->tid;
}

/* ---- asking ---- */

/* *file: a descriptor that came with the answer, or -1. */
static ssize_t await(int fd, void *buf, size_t size, bool *eof, int *file)
{
	struct timespec limit = { 0, COORD_WAIT_MS * 1000000l };
	/* The leader passes its own question on, and hears of the other side's stream, by its port:
	 * nobody else will. */
	bool leader = this_process()->pid == 1;
	struct pollfd p[] = { { .fd = fd, .events = POLLIN },
			      { .fd = leader ? coord_port_fd() : -1, .events = POLLIN } };
	struct coord_msg *m;
	struct coord_answer *a;
	char *in = base_alloc(COORD_MSG_MAX);
	struct thread *t = current();
	ssize_t n = -ENOMEM;
	bool kicked = false;

	*file = -1;
	while (in && (n = wire_receive(fd, in, COORD_MSG_MAX, file)) == -EAGAIN) {
		int r = pal_ppoll(p, leader ? 2 : 1, &limit);

		if (r == 0) {
			n = -ETIMEDOUT;
			break;
		}
		if (r == -EINTR) {
			/* Someone may be asking us, and waiting for it: answer, or the two would
			 * wait for each other. Signals wait: reading a file is not broken off. */
			kicked = true;
			atomic_store(&t->tcb.pending, 0);
			(void)signal_drain(t);
		}
		if (r > 0 && p[1].revents)
			coord_port_serve();
	}
	if (kicked)
		atomic_store(&t->tcb.pending, 1);
	if (n == -EPIPE)
		n = -ESRCH; /* it ended, and the question with it */
	m = (void *)in;
	a = (void *)(m + 1);
	if (n > 0 && m->type != COORD_ANSWER && m->type != COORD_FILE)
		n = -ESRCH;
	if (n > 0) {
		*eof = a->eof;
		n = a->error;
		if (!n && a->size <= m->len - sizeof(*a)) {
			n = MIN(size, a->size);
			memcpy(buf, a + 1, n);
		}
	}
	base_free(in);
	return n;
}

/* Of what is to be written, buf holds size bytes. */
static int send_along(int to, const struct coord_query *q, void *buf)
{
	struct iovec iov = { buf, q->size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n = at_once(pal_sendmsg(to, &msg, MSG_DONTWAIT | MSG_NOSIGNAL));

	return n < 0 ? (int)n : 0;
}

static u32 now_ms(void)
{
	struct timespec ts = { 0 };

	(void)pal_clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u32)(ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
}

/* Stopped by the host, or starved: ps is not to wait for it again for each of its files. */
static bool is_silent(const struct area_slot *s)
{
	u32 until = atomic_load_relaxed(&s->silent);

	return unlikely(until) && (s32)(until - now_ms()) > 0;
}

static ssize_t ask(s32 pid, const struct coord_query *q, void *buf, size_t size, bool *eof, int *file)
{
	static u32 seq;
	struct coord_msg m = { .version = COORD_VERSION, .type = COORD_QUERY, .pid = pid, .len = sizeof(*q) };
	struct area_slot *s = area_process(pid);
	int ends[2];
	ssize_t r;

	if (!s || s->state != AREA_RUNNING || (s->flags & (AREA_BORROWS | AREA_ASLEEP | AREA_SPLIT)) ||
	    is_silent(s))
		return -ESRCH;
	r = wire_pair(ends);
	if (r)
		return r;
	m.seq = atomic_add(&seq, 1);
	r = q->op == COORD_POKE || q->op == COORD_DEBUG_POKE ? send_along(ends[0], q, buf) : 0;
	r = r ?: wire_send(GRANT_FD_LEADER, &m, q, NULL, 0, ends[1]);
	pal_close(ends[1]);
	if (!r)
		r = await(ends[0], buf, size, eof, file);
	if (r == -ETIMEDOUT)
		atomic_store(&s->silent, (now_ms() + COORD_SILENT_MS) | 1);
	pal_close(ends[0]);
	return r;
}

ssize_t coord_ask(s32 pid, const struct coord_query *q, void *buf, size_t size, bool *eof)
{
	int file = -1;
	ssize_t r = ask(pid, q, buf, size, eof, &file);

	if (file >= 0)
		pal_close(file);
	return r;
}

int coord_take_fd(s32 pid, int fd)
{
	struct coord_query q = { .op = COORD_FD, .offset = (u32)fd };
	int file = -1;
	bool eof;
	ssize_t r = ask(pid, &q, NULL, 0, &eof, &file);

	if (r >= 0 && file >= 0)
		return file;
	return r == -ETIMEDOUT || r == -ESRCH || r >= 0 ? -EPERM : (int)r;
}

/* Ask by one of the operations on memory. */
static ssize_t ask_memory(s32 pid, u32 op, u64 addr, void *buf, size_t n, bool write)
{
	struct coord_query q = { .op = op, .size = (u32)n, .offset = addr };
	u32 moved;
	ssize_t r = coord_ask(pid, &q, buf, MAX(n, sizeof(moved)), &(bool){ false });

	if (r < 0 || !write)
		return r;
	memcpy(&moved, buf, sizeof(moved));
	return r == sizeof(moved) ? (ssize_t)MIN(moved, n) : -EIO;
}

ssize_t coord_memory(s32 pid, u64 addr, void *buf, size_t n, bool write)
{
	return ask_memory(pid, write ? COORD_POKE : COORD_PEEK, addr, buf, n, write);
}

ssize_t coord_debug(s32 pid, u64 addr, void *buf, size_t n, bool write)
{
	return ask_memory(pid, write ? COORD_DEBUG_POKE : COORD_DEBUG_PEEK, addr, buf, n, write);
}
