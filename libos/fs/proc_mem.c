// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * /proc/PID/mem: a process's memory by address, for who may trace it.
 *
 * It belongs to the process that it was opened of, in whichever it is read later; once that one has ended, there is
 * nothing in it. The process itself touches its memory (task/peek.c): it is asked, by the record of its trace where
 * it is stopped for the reader, else over the coordination streams, or it is us. Stopped by a signal it can't be
 * asked: EIO.
 */
#include "libos/fs/proc.h"
#include "libos/ckpt/cursor.h"
#include "libos/coord/coord.h"
#include "libos/fs/kinds.h"
#include "libos/sys/user.h"
#include "libos/task/ptrace.h"
#include "pal/base/heap.h"

struct proc_mem {
	s32 pid;
	u64 start_ns; /* tells it from a later one of the same number */
};

static int keep(struct file *f, s32 pid, u64 start_ns)
{
	struct proc_mem *m = base_alloc(sizeof(*m));

	if (!m)
		return -ENOMEM;
	*m = (struct proc_mem){ .pid = pid, .start_ns = start_ns };
	f->priv = m;
	return 0;
}

int proc_open_mem(struct pseudo_node *n, struct file *f)
{
	struct proc_who w;
	int r = proc_who(n, &w);

	if (r < 0)
		return r;
	if (!w.self && (w.pid == 1 || w.slot->flags & AREA_SPLIT || !task_may_trace(w.slot)))
		return -EACCES;
	f->ops = &proc_mem_ops;
	return keep(f, w.pid, w.slot->start_ns);
}

/* Bytes, 0: the process has ended; -EIO at a fault. */
static ssize_t touch(const struct proc_mem *m, u64 addr, u8 *buf, size_t n, bool write)
{
	struct process *me = this_process();
	struct area_slot *s = area_process(m->pid);
	ssize_t r;
	s32 tid;

	if (!s || s->state == AREA_ZOMBIE || s->start_ns != m->start_ns)
		return 0;
	if (m->pid == me->pid || task_shares_memory(s))
		return peek_own(me->mm, addr, buf, n, write);
	tid = trace_stopped_thread(m->pid);
	r = tid ? trace_memory(tid, addr, buf, n, write) : coord_debug(m->pid, addr, buf, n, write);
	return r == -ESRCH && !area_process(m->pid) ? 0 : r < 0 ? -EIO : r;
}

static ssize_t move(struct file *f, char *guest, size_t n, u64 addr, bool write)
{
	size_t done = 0;
	ssize_t r = 0;
	u8 *buf;

	if (!n)
		return 0;
	buf = base_alloc(MIN(n, COORD_MEMORY_MAX) + sizeof(u32)); /* and room for an answer */
	if (!buf)
		return -ENOMEM;
	while (done < n) {
		size_t step = MIN(n - done, COORD_MEMORY_MAX);

		r = -EFAULT;
		if (!write || !user_read(buf, guest + done, step))
			r = touch(f->priv, addr + done, buf, step, write);
		if (r > 0 && !write && user_write(guest + done, buf, (size_t)r))
			r = -EFAULT;
		if (r <= 0)
			break;
		done += (size_t)r;
		if ((size_t)r < step)
			break;
	}
	base_free(buf);
	return done ? (ssize_t)done : r;
}

static ssize_t mem_pread(struct file *f, void *buf, size_t n, u64 off)
{
	return move(f, buf, n, off, false);
}

static ssize_t mem_pwrite(struct file *f, const void *buf, size_t n, u64 off)
{
	return move(f, (char *)buf, n, off, true);
}

/* The lock is not held over the question: the owner may be asking us something itself. */
static ssize_t at_position(struct file *f, char *buf, size_t n, bool write)
{
	ssize_t r = move(f, buf, n, atomic_load(&f->pos), write);

	if (r > 0)
		atomic_add(&f->pos, (u64)r);
	return r;
}

static ssize_t mem_read(struct file *f, void *buf, size_t n)
{
	return at_position(f, buf, n, false);
}

static ssize_t mem_write(struct file *f, const void *buf, size_t n)
{
	return at_position(f, (char *)buf, n, true);
}

/* Addresses have no sign: what looks like an error need not be one. */
static s64 mem_lseek(struct file *f, s64 off, int whence)
{
	if (whence != SEEK_SET && whence != SEEK_CUR)
		return -EINVAL;
	off += whence == SEEK_CUR ? (s64)atomic_load(&f->pos) : 0;
	atomic_store(&f->pos, (u64)off);
	return off;
}

static int mem_truncate(struct file *f, u64 size)
{
	return 0; /* `>` opens with O_TRUNC */
}

static int mem_fallocate(struct file *f, int mode, u64 off, u64 len)
{
	return -ENODEV;
}

static void mem_release(struct file *f)
{
	base_free(f->priv);
}

static void mem_save(struct file *f, struct buf *b)
{
	const struct proc_mem *m = f->priv;

	put_u32(b, (u32)m->pid);
	put_u64(b, m->start_ns);
}

static int mem_load(struct file *f, struct cursor *c)
{
	s32 pid = (s32)get_u32(c);
	u64 start_ns = get_u64(c);

	return c->err ? c->err : keep(f, pid, start_ns);
}

const struct file_ops proc_mem_ops = {
	.name = "procmem",
	.read = mem_read,
	.write = mem_write,
	.pread = mem_pread,
	.pwrite = mem_pwrite,
	.lseek = mem_lseek,
	.truncate = mem_truncate,
	.fallocate = mem_fallocate,
	.release = mem_release,
	.save = mem_save,
	.load = mem_load,
};
