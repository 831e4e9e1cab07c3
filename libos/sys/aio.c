/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * io_setup, io_submit and their kin. An operation is made when it is submitted, as Linux makes most of them too,
 * and its completion waits in the context until it is fetched; only a poll that is not ready waits, for whoever
 * fetches.
 *
 * A context's number is the address of a page of the guest's, for libaio looks there for a ring of completions. It
 * finds none (no magic number), and calls. Contexts are a process's own: a fork's child has none, an exec drops
 * them.
 */
#include "libos/sys/aio.h"
#include "libos/sys/sys.h"
#include "libos/sys/wait_end.h"
#include "libos/fs/kinds.h"
#include "libos/mm/mm.h"
#include <linux/aio_abi.h>

#define AIO_MAX_NR 65536 /* fs.aio-max-nr */
#define AIO_NR_LIMIT 0x10000000u
#define POLL_SLICE_NS 10000000l /* between two looks for completions while polls wait */

/* A poll that was not ready yet. */
struct waiting {
	struct file *file;
	u64 data, obj;
	short events;
};

struct aio {
	struct aio *next;
	u64 id;
	u32 refs;	/* calls that use it; with the process */
	u32 completed;	/* atomic: futex, counts what was completed ever */
	bool dead;	/* destroyed: goes with the last call */
	unsigned size, used, reserved; /* events: room, completed, to come */
	unsigned first;
	unsigned polls;
	struct waiting *poll;	/* [size] */
	struct io_event event[];
};

/* All fields are guarded by the process's lock. */
static struct aio *aio_get(u64 id)
{
	struct process *p = this_process();
	struct aio *a;

	lock(&p->lock);
	for (a = p->aio; a && a->id != id; a = a->next)
		;
	if (a)
		a->refs++;
	unlock(&p->lock);
	return a;
}

static void aio_free(struct aio *a)
{
	for (unsigned i = 0; i < a->polls; i++)
		file_put(a->poll[i].file);
	base_free(a->poll);
	base_free(a);
}

static void aio_put(struct aio *a)
{
	struct process *p = this_process();
	bool last;

	lock(&p->lock);
	last = !--a->refs && a->dead;
	unlock(&p->lock);
	if (last)
		aio_free(a);
}

void aio_drop(struct process *p)
{
	while (p->aio) {
		struct aio *a = p->aio;

		p->aio = a->next;
		aio_free(a);
	}
}

long sys_io_setup(unsigned nr, u64 *ctx)
{
	struct process *p = this_process();
	u64 id;
	struct aio *a;
	intptr_t page;

	if (user_read(&id, ctx, sizeof(id)))
		return -EFAULT;
	if (id || !nr || nr > AIO_NR_LIMIT)
		return -EINVAL;
	if (nr > AIO_MAX_NR)
		return -EAGAIN;
	a = base_zalloc(sizeof(*a) + nr * sizeof(struct io_event));
	if (a)
		a->poll = base_alloc(nr * sizeof(*a->poll));
	page = -ENOMEM;
	if (a && a->poll)
		page = mm_map(p->mm, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, NULL, 0);
	if (page >= 0 && user_write(ctx, &page, sizeof(page))) {
		(void)mm_unmap(p->mm, (uintptr_t)page, PAGE_SIZE);
		page = -EFAULT;
	}
	if (page < 0) {
		if (a)
			aio_free(a);
		return page;
	}
	a->id = (u64)page;
	a->size = nr;
	lock(&p->lock);
	a->next = p->aio;
	p->aio = a;
	unlock(&p->lock);
	return 0;
}

long sys_io_destroy(u64 ctx)
{
	struct process *p = this_process();
	struct aio *a = aio_get(ctx);
	bool mine = false;

	if (!a)
		return -EINVAL;
	lock(&p->lock);
	for (struct aio **at = &p->aio; *at; at = &(*at)->next) {
		if (*at == a) {
			*at = a->next;
			a->dead = mine = true;
			break;
		}
	}
	unlock(&p->lock);
	if (mine) {
		(void)mm_unmap(p->mm, a->id, PAGE_SIZE);
		atomic_add(&a->completed, 1);
		(void)pal_futex_plain(&a->completed, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX, NULL, NULL, 0);
	}
	aio_put(a);
	return mine ? 0 : -EINVAL;
}

/* ---- submitting ---- */

/* Room for one more completion. */
static bool reserve(struct aio *a)
{
	struct process *p = this_process();
	bool room;

	lock(&p->lock);
	room = !a->dead && a->used + a->reserved + a->polls < a->size;
	a->reserved += room;
	unlock(&p->lock);
	return room;
}

static void complete(struct aio *a, u64 data, u64 obj, s64 res)
{
	struct process *p = this_process();

	lock(&p->lock);
	a->reserved--;
	a->event[(a->first + a->used++) % a->size] = (struct io_event){ .data = data, .obj = obj, .res = res };
	unlock(&p->lock);
	atomic_add(&a->completed, 1);
	(void)pal_futex_plain(&a->completed, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX, NULL, NULL, 0);
}

static void unreserve(struct aio *a)
{
	lock(&this_process()->lock);
	a->reserved--;
	unlock(&this_process()->lock);
}

static ssize_t move(struct file *f, const struct iovec *iov, size_t n, s64 off, int rwf, bool write)
{
	return write ? file_writev(f, iov, (int)n, off, rwf) : file_readv(f, iov, (int)n, off, rwf);
}

static ssize_t transfer(struct file *f, const struct iocb *cb, bool write, bool vector)
{
	struct iovec one = { (void *)cb->aio_buf, cb->aio_nbytes }, *iov = &one;
	cleanup_free struct iovec *many = NULL;
	size_t n = 1;
	ssize_t r;

	if (vector) {
		n = cb->aio_nbytes;
		many = base_alloc(n * sizeof(*many) + 1);
		if (!many)
			return -ENOMEM;
		if (user_read(many, (void *)cb->aio_buf, n * sizeof(*many)))
			return -EFAULT;
		iov = many;
	}
	for (size_t i = 0; i < n; i++)
		if (!guest_range(iov[i].iov_base, iov[i].iov_len))
			return -EFAULT;
	/* A disk is not interrupted. */
	if (f->ops->regular)
		return at_once(move(f, iov, n, cb->aio_offset, cb->aio_rw_flags, write));
	do {
		r = move(f, iov, n, cb->aio_offset, cb->aio_rw_flags, write);
		/* A stream has no positions. */
		if (r == -ESPIPE)
			r = move(f, iov, n, -1, 0, write);
	} while (r == -EINTR && !wait_interrupted());
	return r;
}

static long check_rw(const struct file *f, const struct iocb *cb, bool write, bool vector)
{
	if ((f->flags & O_ACCMODE) == (write ? O_RDONLY : O_WRONLY))
		return -EBADF;
	if (vector && cb->aio_nbytes > IOV_MAX)
		return -EINVAL;
	return cb->aio_offset < 0 ? -EINVAL : 0;
}

/* A poll: now, or put by for those who fetch. */
static long submit_poll(struct aio *a, struct file *f, const struct iocb *cb, u64 obj)
{
	short events = (short)(cb->aio_buf & (POLLIN | POLLOUT | POLLPRI | POLLRDHUP)), now = 0;
	struct pollfd pf = { .fd = file_poll(f, events, &now), .events = events };

	if (cb->aio_buf >> 16 || cb->aio_offset || cb->aio_nbytes || cb->aio_rw_flags)
		return -EINVAL;
	if (pf.fd < 0)
		now = events & (POLLIN | POLLOUT);
	else if (!now && at_once(pal_ppoll(&pf, 1, &(struct timespec){ 0 })) > 0)
		now = pf.revents;
	if (now) {
		complete(a, cb->aio_data, obj, now);
		return 0;
	}
	lock(&this_process()->lock);
	a->reserved--;
	a->poll[a->polls++] = (struct waiting){ file_get(f), cb->aio_data, obj, events };
	unlock(&this_process()->lock);
	return 0;
}

static long perform(struct aio *a, struct file *f, const struct iocb *cb, u64 obj)
{
	unsigned op = cb->aio_lio_opcode;
	bool write = op == IOCB_CMD_PWRITE || op == IOCB_CMD_PWRITEV, vector = op >= IOCB_CMD_PREADV;
	long r;

	switch (op) {
	case IOCB_CMD_PREAD:
	case IOCB_CMD_PWRITE:
	case IOCB_CMD_PREADV:
	case IOCB_CMD_PWRITEV:
		r = check_rw(f, cb, write, vector);
		if (!r)
			complete(a, cb->aio_data, obj, transfer(f, cb, write, vector));
		return r;
	case IOCB_CMD_FSYNC:
	case IOCB_CMD_FDSYNC:
		if (cb->aio_buf || cb->aio_offset || cb->aio_nbytes || cb->aio_rw_flags)
			return -EINVAL;
		r = f->ops->fsync ? f->ops->fsync(f, op == IOCB_CMD_FDSYNC) :
		    f->host_fd >= 0 ? pal_fsync(f->host_fd, op == IOCB_CMD_FDSYNC) : -EINVAL;
		if (r == -EINVAL)
			return r;
		complete(a, cb->aio_data, obj, r);
		return 0;
	case IOCB_CMD_POLL:
		return submit_poll(a, f, cb, obj);
	}
	return -EINVAL;
}

/* Who asked for it is told by an eventfd. */
static void notify(struct file *event)
{
	u64 one = 1;

	if (event)
		(void)at_once(pal_write(event->host_fd, &one, sizeof(one)));
}

static long submit_one(struct aio *a, u64 obj)
{
	cleanup_file struct file *f = NULL, *event = NULL;
	static const u32 submitted; /* aio_key of what cannot be cancelled */
	struct iocb cb;
	long r;

	if (user_read(&cb, (void *)obj, sizeof(cb)))
		return -EFAULT;
	if (cb.aio_reserved2 || (s64)cb.aio_nbytes < 0)
		return -EINVAL;
	f = fdtab_get((int)cb.aio_fildes);
	if (IS_ERR(f))
		return PTR_ERR(f);
	if (cb.aio_flags & IOCB_FLAG_RESFD) {
		event = fdtab_get((int)cb.aio_resfd);
		if (IS_ERR(event))
			return PTR_ERR(event);
		if (event->ops != &eventfd_file_ops)
			return -EINVAL;
	}
	if (user_write((u32 *)(obj + offsetof(struct iocb, aio_key)), &submitted, sizeof(submitted)))
		return -EFAULT;
	if (!reserve(a))
		return -EAGAIN;
	r = perform(a, f, &cb, obj);
	if (r)
		unreserve(a);
	else
		notify(event);
	return r;
}

long sys_io_submit(u64 ctx, s64 nr, u64 *cbs)
{
	struct aio *a;
	long r = 0;
	s64 i;

	if (nr < 0)
		return -EINVAL;
	a = aio_get(ctx);
	if (!a)
		return -EINVAL;
	nr = MIN(nr, (s64)a->size);
	for (i = 0; i < nr && !r; i += !r) {
		u64 obj;

		r = user_read(&obj, &cbs[i], sizeof(obj)) ?: submit_one(a, obj);
	}
	aio_put(a);
	return i ?: r;
}

long sys_io_cancel(u64 ctx, const void *cb, void *result)
{
	struct aio *a = aio_get(ctx);
	struct waiting found = { 0 };
	u32 key;

	if (user_read(&key, (const u32 *)((u64)cb + offsetof(struct iocb, aio_key)), sizeof(key))) {
		if (a)
			aio_put(a);
		return -EFAULT;
	}
	if (!a)
		return -EINVAL;
	lock(&this_process()->lock);
	for (unsigned i = 0; i < a->polls && !found.file; i++) {
		if (a->poll[i].obj == (u64)cb) {
			found = a->poll[i];
			a->poll[i] = a->poll[--a->polls];
			a->reserved++;
		}
	}
	unlock(&this_process()->lock);
	if (found.file) {
		complete(a, found.data, found.obj, 0);
		file_put(found.file);
	}
	aio_put(a);
	return found.file ? -EINPROGRESS : -EINVAL;
}

/* ---- fetching ---- */

/* Polls that are ready now are completed. Waits at most that long for one. */
static int look_at_polls(struct aio *a, const struct timespec *wait)
{
	struct process *p = this_process();
	cleanup_free struct pollfd *fds = NULL;
	struct waiting ready;
	unsigned n;
	int r;

	lock(&p->lock);
	n = a->polls;
	fds = base_alloc(n * sizeof(*fds) + 1);
	for (unsigned i = 0; fds && i < n; i++)
		fds[i] = (struct pollfd){ .fd = a->poll[i].file->host_fd, .events = a->poll[i].events };
	unlock(&p->lock);
	if (!fds)
		return -ENOMEM;
	r = pal_ppoll(fds, n, wait);
	for (unsigned i = n; r > 0 && i-- > 0;) {
		bool taken = false;

		if (!fds[i].revents)
			continue;
		lock(&p->lock);
		if (i < a->polls && a->poll[i].file->host_fd == fds[i].fd) {
			ready = a->poll[i];
			a->poll[i] = a->poll[--a->polls];
			a->reserved++;
			taken = true;
		}
		unlock(&p->lock);
		if (taken) {
			complete(a, ready.data, ready.obj, fds[i].revents);
			file_put(ready.file);
		}
	}
	return MIN(r, 0);
}

/* Move what is complete to the guest; how many, or -EFAULT. */
static long fetch(struct aio *a, struct io_event *to, s64 nr)
{
	struct process *p = this_process();
	long done = 0;

	while (done < nr) {
		struct io_event e;
		bool any;

		lock(&p->lock);
		any = a->used > 0;
		if (any) {
			e = a->event[a->first];
			a->first = (a->first + 1) % a->size;
			a->used--;
		}
		unlock(&p->lock);
		if (!any)
			break;
		if (user_write(&to[done], &e, sizeof(e)))
			return done ?: -EFAULT;
		done++;
	}
	return done;
}

/* Until something may have been completed since `seen`, or the end. 0, -ETIMEDOUT, -EINTR. */
static int aio_wait(struct aio *a, u32 seen, const struct wait_end *end)
{
	struct timespec left = end->forever ? ns_timespec(LONG_MAX) : wait_end_left(end);
	int r;

	if (!left.tv_sec && !left.tv_nsec)
		return -ETIMEDOUT;
	if (a->polls) {
		if (timespec_ns(&left) > POLL_SLICE_NS)
			left = ns_timespec(POLL_SLICE_NS);
		r = look_at_polls(a, &left);
	} else {
		r = pal_futex(&a->completed, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, seen, end->forever ? NULL : &left,
			      NULL, 0);
	}
	if (r == -EINTR)
		return wait_interrupted() ? -EINTR : 0;
	return r == -ETIMEDOUT || r == -EAGAIN ? 0 : r;
}

static long get_events(u64 ctx, s64 min, s64 nr, struct io_event *to, const struct timespec *timeout)
{
	static const struct timespec now;
	struct wait_end end = { .forever = !timeout };
	struct timespec ts;
	struct aio *a;
	long done = 0, r = 0;

	if (timeout && user_read(&ts, timeout, sizeof(ts)))
		return -EFAULT;
	if (timeout && !timespec_valid(&ts))
		return -EINVAL;
	a = aio_get(ctx);
	if (!a)
		return -EINVAL;
	if (min < 0 || min > nr) {
		aio_put(a);
		return -EINVAL;
	}
	if (timeout)
		end = wait_end_after(&ts);
	for (;;) {
		u32 seen = atomic_load(&a->completed);

		if (a->polls)
			(void)look_at_polls(a, &now);
		r = fetch(a, to + done, nr - done);
		done += MAX(r, 0l);
		if (r < 0 || done >= min)
			break;
		r = a->dead ? -EINVAL : aio_wait(a, seen, &end);
		if (r)
			break;
	}
	aio_put(a);
	if (done || r == -ETIMEDOUT)
		return done;
	return r == -EINTR ? -EINTR : MIN(r, 0l);
}

long sys_io_getevents(u64 ctx, s64 min, s64 nr, void *events, const struct timespec *timeout)
{
	return get_events(ctx, min, nr, events, timeout);
}

long sys_io_pgetevents(u64 ctx, s64 min, s64 nr, void *events, const struct timespec *timeout, const void *sig)
{
	struct {
		const u64 *mask;
		size_t size;
	} s = { 0 };
	long r;

	if (sig && user_read(&s, sig, sizeof(s)))
		return -EFAULT;
	r = wait_mask_enter(s.mask, s.size);
	if (r)
		return r;
	r = get_events(ctx, min, nr, events, timeout);
	wait_mask_leave(s.mask, r == -EINTR);
	return r;
}
