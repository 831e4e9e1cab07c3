// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * What is open and not allowed: closed, or cut off.
 *
 * The last step looks at the host's descriptors themselves: whatever is open there and belongs to no file that stays is
 * replaced by a descriptor of nothing. So a descriptor that the libOS keeps for purposes of its own, and that nobody
 * thought of here, is lost, not kept.
 */
#include "libos/split/split.h"
#include "libos/entry/entry.h"
#include "libos/entry/images.h"
#include "libos/fs/kinds.h"
#include "libos/ipc/ipc.h"
#include "libos/ipc/mq.h"
#include "libos/fs/tty.h"
#include "libos/mm/mm.h"
#include "libos/net/net.h"
#include "libos/sys/user.h"
#include "pal/grant.h"

#define CHUNK (256ul << 10)
#define BATCH 64

/* ---- memory ---- */

static bool may_stay(const struct split_policy *p, const struct vma *v)
{
	if (!v->file)
		return p->streams;
	if (v->file->ops == &shm_file_ops)
		return false; /* the table of segments stays behind */
	if (!v->file->path.dentry || !union_owns(path_node(&v->file->path)))
		return p->streams;
	return split_allows(p, &v->file->path, !(v->flags & VMA_NOWRITE));
}

/* [at, at + size) of one mapping becomes private, with the contents it has now. */
static int own_copy(struct mm *mm, uintptr_t at, size_t size, int prot, char *buf)
{
	intptr_t r = mm_protect(mm, at, size, PROT_READ);

	for (size_t i = 0; i < size && !r; i += PAGE_SIZE)
		if (user_read(buf + i, (void *)(at + i), PAGE_SIZE))
			memset(buf + i, 0, PAGE_SIZE); /* behind the end of the file */
	if (!r)
		r = mm_map(mm, at, size, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, NULL, 0);
	if (r < 0)
		return (int)r;
	if (user_write((void *)at, buf, size))
		return -EFAULT;
	return mm_protect(mm, at, size, prot);
}

int split_memory(const struct split_policy *p)
{
	struct mm *mm = this_process()->mm;
	char *buf = pal_pages_alloc(CHUNK);
	uintptr_t at = 0;
	int r = buf ? 0 : -ENOMEM;

	while (!r) {
		size_t size = 0;
		struct vma *v;
		int prot = 0;

		mm_lock(mm);
		v = vma_next_from(mm, at);
		while (v && (!(v->flags & MAP_SHARED) || v->kind != VMA_PLAIN || may_stay(p, v)))
			v = vma_next(v);
		if (v) {
			at = MAX(at, v->start);
			size = MIN(v->end - at, CHUNK);
			prot = v->prot;
		}
		mm_unlock(mm);
		if (!v)
			break;
		r = own_copy(mm, at, size, prot, buf);
		at += size;
	}
	if (buf)
		pal_pages_free(buf, CHUNK);
	return r;
}

/* ---- open files ---- */

static bool is_named(const struct split_policy *p, const struct file *f)
{
	for (unsigned i = 0; i < p->nkeeps; i++) {
		struct file *k = fdtab_get_path(p->keep[i]);
		bool is = k == f;

		if (!IS_ERR(k))
			file_put(k);
		if (is)
			return true;
	}
	return false;
}

static bool is_inet(const struct file *f)
{
	int domain = 0;
	unsigned n = sizeof(domain);

	if (f->ops == &net_stream_ops)
		return true;
	return f->ops == &sock_file_ops && pal_getsockopt(f->host_fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 &&
	       domain != AF_UNIX;
}

static bool file_stays(const struct split_policy *p, struct file *f, const struct node *control)
{
	bool write = (f->flags & O_ACCMODE) != O_RDONLY && !(f->flags & O_PATH);
	const struct node *n = f->path.dentry ? path_node(&f->path) : NULL;

	if (n && n == control)
		return true;
	/* They hold what others left in them: descriptors, places in the old sandbox. */
	if (f->ops == &epoll_file_ops || f->ops == &inotify_file_ops || f->ops == &mq_file_ops ||
	    f->ops == &net_file_ops)
		return false;
	if (is_named(p, f))
		return true;
	if (n && union_owns(n))
		return split_allows(p, &f->path, write);
	if (f->ops == &null_file_ops || f->ops == &zero_file_ops || f->ops == &full_file_ops ||
	    f->ops == &random_file_ops)
		return true;
	return p->streams && (p->network || !is_inet(f));
}

static void close_files(const struct split_policy *p, const struct node *control)
{
	struct fdtab *t = this_process()->files;

	for (int fd = fdtab_next(t, 0); fd >= 0; fd = fdtab_next(t, fd + 1)) {
		struct file *f = fdtab_get_path(fd);
		bool stays;

		if (IS_ERR(f))
			continue;
		stays = file_stays(p, f, control);
		file_put(f);
		if (!stays)
			fdtab_close(fd);
	}
}

/* ---- host descriptors ---- */

struct kept {
	int *fd;
	unsigned n, room;
};

static void keep(struct kept *k, int fd)
{
	if (fd < 0)
		return;
	if (k->n == k->room) {
		unsigned room = MAX(64u, 2 * k->room);
		int *more = base_realloc(k->fd, room * sizeof(int));

		if (!more)
			return; /* it is lost */
		k->fd = more;
		k->room = room;
	}
	k->fd[k->n++] = fd;
}

static bool is_kept(const struct kept *k, int fd)
{
	for (unsigned i = 0; i < k->n; i++)
		if (k->fd[i] == fd)
			return true;
	return false;
}

static void keep_files(struct kept *k)
{
	struct fdtab *t = this_process()->files;

	for (int fd = fdtab_next(t, 0); fd >= 0; fd = fdtab_next(t, fd + 1)) {
		struct file *f = fdtab_get_path(fd);

		if (IS_ERR(f))
			continue;
		keep(k, f->host_fd);
		if (f->path.dentry && union_owns(path_node(&f->path)))
			keep(k, union_split_nameless(path_node(&f->path)));
		file_put(f);
	}
}

/* A private mapping needs its file's descriptor no more; where the file is not allowed it must not have it. */
static void keep_mapped(struct kept *k, const struct split_policy *p)
{
	struct mm *mm = this_process()->mm;

	mm_lock(mm);
	for (struct vma *v = vma_next_from(mm, 0); v; v = vma_next(v)) {
		struct file *f = v->file;

		if (!f || f->host_fd < 0 || is_kept(k, f->host_fd))
			continue;
		if (may_stay(p, v)) {
			keep(k, f->host_fd);
			continue;
		}
		pal_close(f->host_fd);
		f->host_fd = -1;
	}
	images_trim();
	for (struct patched *i = mm->patched; i; i = i->next)
		keep(k, i->image->fd);
	mm_unlock(mm);
}

static void sweep_batch(const struct kept *k, struct pollfd *fds, int first)
{
	static const struct timespec at_once;

	for (int i = 0; i < BATCH; i++)
		fds[i] = (struct pollfd){ .fd = first + i };
	while (pal_ppoll(fds, BATCH, &at_once) == -EINTR)
		atomic_store(&current()->tcb.pending, 0);
	for (int i = 0; i < BATCH; i++)
		if (!(fds[i].revents & POLLNVAL) && !is_kept(k, first + i)) {
			/* Whoever in here still has the number must not meet another file there. */
			(void)pal_dup_to(GRANT_FD_GRANT, first + i);
		}
}

static int sweep(const struct kept *k)
{
	struct pollfd *fds = base_alloc(BATCH * sizeof(*fds));
	struct rlimit64 limit;
	u64 end = 1u << 16;

	if (!fds)
		return -ENOMEM;
	/* A limit that was lowered leaves what is open above it. */
	if (!pal_prlimit(RLIMIT_NOFILE, NULL, &limit))
		end = MIN(MAX(end, limit.rlim_max), 1u << 20);
	for (u64 first = (u64)pal_fd_free(); first < end; first += BATCH)
		sweep_batch(k, fds, (int)first);
	base_free(fds);
	return 0;
}

static bool has_terminal(void)
{
	struct fdtab *t = this_process()->files;
	bool found = false;

	for (int fd = fdtab_next(t, 0); fd >= 0 && !found; fd = fdtab_next(t, fd + 1)) {
		struct file *f = fdtab_get_path(fd);

		if (IS_ERR(f))
			continue;
		found = f->ops == &tty_file_ops;
		file_put(f);
	}
	return found;
}

void split_files(const struct split_policy *p, const struct node *control, const int *own, unsigned nown)
{
	struct process *self = this_process();
	struct kept k = { 0 };

	for (unsigned i = 0; i < nown; i++)
		keep(&k, own[i]);
	close_files(p, control);
	if (!has_terminal())
		tty_forget(self);
	keep_files(&k);
	keep(&k, self->ctty_fd);
	for (u32 i = 0; i < self->layers.count; i++)
		keep(&k, self->layers.fd[i]);
	keep_mapped(&k, p);
	union_split_dirs();
	BUG_ON(sweep(&k));
	base_free(k.fd);
}
