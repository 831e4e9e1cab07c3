// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Descriptor tables. Looking a descriptor up is in the path of every read and write: it takes no lock and, in a process
 * of one thread, no atomic operation.
 */
#include "libos/vfs/vfs.h"
#include "libos/task/task.h"
#include "libos/ckpt/cursor.h"

#define SIZE_FIRST 64

static size_t bitmap_bytes(unsigned size)
{
	return ALIGN_UP(size, 64) / 8;
}

/* With the bitmap behind it: what opens or closes a descriptor writes to both. */
static struct fdarray *array_create(unsigned size)
{
	struct fdarray *a = base_zalloc(sizeof(*a) + size * sizeof(a->files[0]) + bitmap_bytes(size));

	if (a)
		a->size = size;
	return a;
}

static u64 *bitmap_of(struct fdarray *a)
{
	return (u64 *)(a->files + a->size);
}

struct fdtab *fdtab_create(void)
{
	struct fdtab *t = base_zalloc(sizeof(*t));

	if (!t)
		return NULL;
	t->refs = 1;
	t->array = array_create(SIZE_FIRST);
	if (!t->array) {
		base_free(t);
		return NULL;
	}
	t->cloexec = bitmap_of(t->array);
	return t;
}

void fdtab_put(struct fdtab *t)
{
	struct fdarray *a = t->array, *old;

	if (atomic_sub(&t->refs, 1))
		return;
	for (unsigned i = 0; i < a->size; i++)
		if (a->files[i])
			file_put(a->files[i]);
	for (; a; a = old) {
		old = a->old;
		base_free(a);
	}
	base_free(t);
}

static bool get_cloexec(const struct fdtab *t, unsigned fd)
{
	return t->cloexec[fd / 64] >> fd % 64 & 1;
}

static void set_cloexec(struct fdtab *t, unsigned fd, bool on)
{
	u64 bit = 1ull << fd % 64;

	if (on)
		t->cloexec[fd / 64] |= bit;
	else
		t->cloexec[fd / 64] &= ~bit;
}

/* Make room for fd. Caller holds t->lock. */
static int grow(struct fdtab *t, unsigned fd)
{
	unsigned size = t->array->size;
	struct fdarray *a;

	if (fd < size)
		return 0;
	while (size <= fd)
		size *= 2;
	a = array_create(size);
	if (!a)
		return -ENOMEM;
	memcpy(a->files, t->array->files, t->array->size * sizeof(a->files[0]));
	memcpy(bitmap_of(a), t->cloexec, bitmap_bytes(t->array->size));
	t->cloexec = bitmap_of(a);
	a->old = t->array;
	atomic_store(&t->array, a);
	return 0;
}

static u64 nofile(void)
{
	return this_process()->rlimits[RLIMIT_NOFILE].rlim_cur;
}

/* Caller holds t->lock. The lowest free number >= min, with room for it. */
static int find_free(struct fdtab *t, unsigned min)
{
	unsigned fd = MAX(min, t->next);
	int r;

	while (fd < t->array->size && t->array->files[fd])
		fd++;
	if (fd >= nofile())
		return -EMFILE;
	r = grow(t, fd);
	return r < 0 ? r : (int)fd;
}

static void put_at(struct fdtab *t, unsigned fd, struct file *f, bool cloexec)
{
	atomic_store(&t->array->files[fd], f);
	set_cloexec(t, fd, cloexec);
}

int fdtab_add(struct file *f, int min, bool cloexec)
{
	struct fdtab *t = this_process()->files;
	int fd;

	lock(&t->lock);
	fd = find_free(t, min);
	if (fd >= 0) {
		put_at(t, fd, f, cloexec);
		if ((unsigned)min <= t->next)
			t->next = fd + 1;
	}
	unlock(&t->lock);
	if (fd < 0)
		file_put(f);
	return fd;
}

/* Linux gives up the whole process's record locks on a file when any descriptor of it is closed. The host does so too,
 * but sees only the last of those that share one struct file. */
static void drop_record_locks(struct file *f)
{
	struct flock all = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	if (f->lock_fd >= 0)
		(void)pal_fcntl(f->lock_fd, F_SETLK, (uintptr_t)&all);
	else if (f->host_fd >= 0)
		(void)pal_fcntl(f->host_fd, F_SETLK, (uintptr_t)&all);
}

static void let_go(struct file *f)
{
	if (unlikely(f->locked))
		drop_record_locks(f);
	file_put(f);
}

int fdtab_set(int fd, struct file *f, bool cloexec)
{
	struct fdtab *t = this_process()->files;
	struct file *old = NULL;
	int r;

	if (fd < 0 || (u64)fd >= nofile()) {
		file_put(f);
		return -EBADF;
	}
	lock(&t->lock);
	r = grow(t, fd);
	if (!r) {
		old = t->array->files[fd];
		put_at(t, fd, f, cloexec);
	}
	unlock(&t->lock);
	if (r < 0) {
		file_put(f);
		return r;
	}
	if (old)
		let_go(old);
	return fd;
}

/* With other threads about: take a count of what may be going away, then look whether it is still there. */
static struct file *get_shared(struct fdtab *t, int fd)
{
	for (;;) {
		struct fdarray *a = atomic_load(&t->array);
		struct file *f = (unsigned)fd < a->size ? atomic_load(&a->files[fd]) : NULL;
		u32 refs;

		if (!f)
			return NULL;
		refs = atomic_load(&f->refs);
		if (!refs || !atomic_cas(&f->refs, refs, refs + 1))
			continue;
		if (atomic_load(&t->array) == a && atomic_load(&a->files[fd]) == f)
			return f;
		file_put(f);
	}
}

struct file *fdtab_get_path(int fd)
{
	struct process *p = this_process();
	struct fdarray *a = p->files->array;
	struct file *f;

	if (unlikely(p->nthreads != 1)) {
		f = get_shared(p->files, fd);
	} else {
		f = likely((unsigned)fd < a->size) ? a->files[fd] : NULL;
		if (f)
			f->refs++;
	}
	return likely(f) ? f : ERR_PTR(-EBADF);
}

struct file *fdtab_get(int fd)
{
	struct file *f = fdtab_get_path(fd);

	if (unlikely(!IS_ERR(f) && f->flags & O_PATH)) {
		file_put(f);
		return ERR_PTR(-EBADF);
	}
	return f;
}

/* Caller holds t->lock. */
static struct file *take_out(struct fdtab *t, unsigned fd)
{
	struct file *f = t->array->files[fd];

	if (!f)
		return NULL;
	atomic_store(&t->array->files[fd], NULL);
	set_cloexec(t, fd, false);
	t->next = MIN(t->next, fd);
	return f;
}

int fdtab_close(int fd)
{
	struct fdtab *t = this_process()->files;
	struct file *f;

	lock(&t->lock);
	f = fd >= 0 && (unsigned)fd < t->array->size ? take_out(t, fd) : NULL;
	unlock(&t->lock);
	if (!f)
		return -EBADF;
	let_go(f);
	return 0;
}

int fdtab_flags(int fd, int set)
{
	struct fdtab *t = this_process()->files;
	int r = -EBADF;

	lock(&t->lock);
	if (fd >= 0 && (unsigned)fd < t->array->size && t->array->files[fd]) {
		r = set < 0 ? get_cloexec(t, fd) : 0;
		if (set >= 0)
			set_cloexec(t, fd, set & FD_CLOEXEC);
	}
	unlock(&t->lock);
	return r;
}

int fdtab_close_range(unsigned first, unsigned last, unsigned flags)
{
	struct fdtab *t = this_process()->files;

	if (first > last || flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))
		return -EINVAL;
	for (unsigned fd = first; fd <= last; fd++) {
		struct file *f = NULL;

		lock(&t->lock);
		if (fd >= t->array->size) {
			unlock(&t->lock);
			break;
		}
		if (t->array->files[fd] && flags & CLOSE_RANGE_CLOEXEC)
			set_cloexec(t, fd, true);
		else
			f = take_out(t, fd);
		unlock(&t->lock);
		if (f)
			let_go(f);
	}
	return 0;
}

void fdtab_close_exec(struct fdtab *t)
{
	for (unsigned fd = 0; fd < t->array->size; fd++) {
		struct file *f;

		if (!t->cloexec[fd / 64]) {
			fd |= 63;
			continue;
		}
		if (!get_cloexec(t, fd))
			continue;
		lock(&t->lock);
		f = take_out(t, fd);
		unlock(&t->lock);
		if (f)
			let_go(f);
	}
}

int fdtab_next(struct fdtab *t, int fd)
{
	int found = -1;

	lock(&t->lock);
	for (unsigned i = MAX(fd, 0); i < t->array->size && found < 0; i++)
		if (t->array->files[i])
			found = (int)i;
	unlock(&t->lock);
	return found;
}

/* ---- copies ---- */

/* f again, for another process that has the same host descriptors: its own struct file with the same number. */
static struct file *file_twin(struct file *f)
{
	struct file *n = file_create(f->ops, f->host_fd, f->flags, &f->path);
	struct buf b = { 0 };
	int r = 0;

	if (IS_ERR(n))
		return n;
	n->lock_fd = f->lock_fd;
	n->pos = f->pos;
	n->priv = f->ops->save ? NULL : f->priv;
	n->seals = f->seals;
	n->owner = f->owner;
	n->owner_sig = f->owner_sig;
	if (f->ops->save) {
		f->ops->save(f, &b);
		r = b.err;
		if (!r && f->ops->load) {
			struct cursor c = { .data = (u8 *)b.data, .size = b.size };

			r = f->ops->load(n, &c);
		}
		base_buf_free(&b);
	}
	if (r < 0) {
		n->host_fd = n->lock_fd = -1; /* still f's */
		file_put(n);
		return ERR_PTR(r);
	}
	return n;
}

/* Its host descriptors are another table's: they are forgotten, not closed. */
void fdtab_forget(struct fdtab *t)
{
	for (unsigned i = 0; i < t->array->size; i++)
		if (t->array->files[i])
			t->array->files[i]->host_fd = t->array->files[i]->lock_fd = -1;
	fdtab_put(t);
}

struct fdtab *fdtab_copy(struct fdtab *from)
{
	struct fdtab *t = fdtab_create();
	struct fdarray *a = from->array;

	if (!t)
		return NULL;
	if (grow(t, a->size - 1) < 0)
		goto fail;
	for (unsigned i = 0; i < a->size; i++) {
		unsigned j = 0;

		if (!a->files[i])
			continue;
		/* What dup() made one stays one. */
		if (a->files[i]->refs > 1)
			while (a->files[j] != a->files[i])
				j++;
		else
			j = i;
		t->array->files[i] = j < i ? file_get(t->array->files[j]) : file_twin(a->files[i]);
		if (IS_ERR(t->array->files[i])) {
			t->array->files[i] = NULL;
			goto fail;
		}
	}
	memcpy(t->cloexec, from->cloexec, bitmap_bytes(a->size));
	t->next = from->next;
	return t;
fail:
	fdtab_forget(t);
	return NULL;
}
