// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * process_vm_readv and process_vm_writev. Another process's memory is out of reach by design, so the instance that owns
 * it copies (coord/stream.c), a message full at a time; one's own is copied here. As on Linux the right to trace is
 * asked for, and what was copied before a fault counts. A process that cannot answer, stopped or asleep in vfork,
 * cannot be read: EPERM, which Linux would not say.
 */
#include "libos/sys/sys.h"
#include "libos/coord/area.h"
#include "libos/coord/coord.h"
#include "libos/sys/user.h"
#include "libos/task/task.h"

#define PIECE 1024

struct cursor_iov {
	const struct iovec *guest;
	u64 left;
	struct iovec now;
};

static int next_piece(struct cursor_iov *c)
{
	while (!c->now.iov_len && c->left) {
		if (user_read(&c->now, c->guest, sizeof(c->now)))
			return -EFAULT;
		c->guest++;
		c->left--;
	}
	return c->now.iov_len ? 1 : 0;
}

/* Up to n bytes between buf and where it points, and on by what was moved. Bytes, or -EFAULT if that is none. */
static ssize_t move(struct cursor_iov *c, u8 *buf, size_t n, bool write)
{
	size_t done = 0;

	while (done < n && next_piece(c) > 0) {
		size_t step = MIN(n - done, c->now.iov_len);
		ssize_t got = coord_copy_own((uintptr_t)c->now.iov_base, buf + done, step, write);

		if (got < 0)
			break;
		done += (size_t)got;
		c->now.iov_base = (char *)c->now.iov_base + got;
		c->now.iov_len -= (size_t)got;
		if ((size_t)got < step)
			break;
	}
	return done ? (ssize_t)done : -EFAULT;
}

/* One piece between our memory and that at `addr` of pid, own if 0. */
static ssize_t copy_piece(s32 pid, struct cursor_iov *ours, uintptr_t addr, u8 *buf, size_t n, bool write)
{
	ssize_t got = write ? move(ours, buf, n, false) : (ssize_t)n;

	if (got <= 0)
		return got;
	got = pid ? coord_memory(pid, addr, buf, (size_t)got, write) : coord_copy_own(addr, buf, (size_t)got, write);
	return got <= 0 || write ? got : move(ours, buf, (size_t)got, true);
}

static long copy_all(s32 pid, struct cursor_iov *ours, struct cursor_iov *theirs, u8 *buf, size_t room, bool write)
{
	ssize_t done = 0;

	for (;;) {
		int x = next_piece(ours), y = next_piece(theirs);
		size_t n = MIN(theirs->now.iov_len, room);
		ssize_t got;

		if (x <= 0 || y <= 0)
			return done ?: MIN(x, y) < 0 ? -EFAULT : 0;
		/* Within one of our pieces: what a fault leaves over is none of the other side's then. */
		n = MIN(n, ours->now.iov_len);
		got = copy_piece(pid, ours, (uintptr_t)theirs->now.iov_base, buf, n, write);
		if (got <= 0)
			return done ?: got ?: -EFAULT;
		done += got;
		if ((size_t)got < n)
			return done;
		theirs->now.iov_base = (char *)theirs->now.iov_base + n;
		theirs->now.iov_len -= n;
	}
}

/* The process that id is, or is a thread of, if this one may look into it; 0: this one. */
static s32 owner_of(s32 id)
{
	struct area_slot *s = area_slot(id);
	s32 pid;

	if (!s || !area_named(s->state))
		return -ESRCH;
	pid = s->state == AREA_THREAD ? s->tgid : id;
	if (pid == this_process()->pid)
		return 0;
	s = area_process(pid);
	if (!s || s->state == AREA_ZOMBIE)
		return -ESRCH;
	if (!task_may_trace(s))
		return -EPERM;
	return task_shares_memory(s) ? 0 : pid;
}

static long vm_copy(s32 id, const struct iovec *l, u64 nl, const struct iovec *r, u64 nr, u64 flags, bool write)
{
	struct cursor_iov ours = { .guest = l, .left = nl }, theirs = { .guest = r, .left = nr };
	u8 few[PIECE];
	u8 *buf;
	long ret;
	s32 pid;

	if (flags || nl > IOV_MAX || nr > IOV_MAX)
		return -EINVAL;
	if (!next_piece(&ours))
		return 0;
	pid = owner_of(id);
	if (pid < 0)
		return pid;
	buf = pid ? base_alloc(COORD_MEMORY_MAX) : few;
	if (!buf)
		return -ENOMEM;
	ret = copy_all(pid, &ours, &theirs, buf, pid ? COORD_MEMORY_MAX : sizeof(few), write);
	if (pid)
		base_free(buf);
	return ret == -ETIMEDOUT || (ret == -ESRCH && area_process(pid)) ? -EPERM : ret;
}

long sys_process_vm_readv(s32 pid, const struct iovec *l, u64 nl, const struct iovec *r, u64 nr, u64 flags)
{
	return vm_copy(pid, l, nl, r, nr, flags, false);
}

long sys_process_vm_writev(s32 pid, const struct iovec *l, u64 nl, const struct iovec *r, u64 nr, u64 flags)
{
	return vm_copy(pid, l, nl, r, nr, flags, true);
}
