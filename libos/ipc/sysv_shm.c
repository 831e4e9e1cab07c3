/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * System V shared memory: segment i is the i-th window of the sandbox's IPC file, attached by mapping that part of
 * it.
 *
 * An attachment is a struct file that only VMAs refer to, one for each shmat: when the last of its ranges goes, by
 * shmdt, munmap, exec or a mapping over it, the file goes and the attachment is counted no more. All entries are
 * guarded by the table's lock: what takes time here is the host's mmap.
 */
#include "libos/ipc/ipc.h"
#include "libos/fs/kinds.h"
#include "libos/mm/mm.h"
#include "libos/sys/user.h"
#include "pal/grant.h"

#define HUGE_SHIFT 26 /* SHM_HUGE_SHIFT */

/* f->priv of an attachment. */
struct attachment {
	struct ipc_hold hold;
	s32 id, key;
	u64 size;
	bool mapped;
};

static u64 window(u32 index)
{
	return (index + 1ul) * IPC_SHM_WINDOW;
}

void ipc_shm_lock(struct ipc_thread *me)
{
	ipc_lock(me, &ipc_table(IPC_SHM)->lock);
}

/* Giving back memory takes the host as long as there is of it: others need not wait for that. */
void ipc_shm_unlock(struct ipc_thread *me)
{
	u32 going = me->going;

	ipc_unlock(me, &ipc_table(IPC_SHM)->lock);
	if (likely(!going))
		return;
	me->going = 0;
	ipc_discard(window(going - 1), IPC_SHM_WINDOW);
	ipc_lock(me, &ipc_table(IPC_SHM)->lock);
	ipc_key_set(me, IPC_SHM, going - 1, 0);
	ipc_commit(me);
	ipc_unlock(me, &ipc_table(IPC_SHM)->lock);
}

void ipc_shm_quit(struct ipc_thread *me, s32 pid)
{
	for (u32 i = 0; i < ipc_table(IPC_SHM)->top; i++) {
		if (atomic_load(&the_ipc->shm_key[i]) != (IPC_KEY_GOING | (u32)pid))
			continue;
		ipc_shm_lock(me);
		if (the_ipc->shm_key[i] == (IPC_KEY_GOING | (u32)pid))
			ipc_key_set(me, IPC_SHM, i, 0);
		ipc_commit(me);
		ipc_shm_unlock(me);
	}
}

static bool has_cap(unsigned cap)
{
	return this_process()->cred.cap_effective & (1ull << cap);
}

/* ---- making ---- */

static int fits(u32 index, u64 size)
{
	return the_ipc->shm[index].size < size ? -EINVAL : 0;
}

/* As a host whose pool of huge pages is empty. */
static int refuse_huge(u64 size, int flags)
{
	unsigned log = (unsigned)flags >> HUGE_SHIFT & 63;

	if (log && log != 21 && log != 30)
		return -EINVAL;
	return has_cap(CAP_IPC_LOCK) || size <= this_process()->rlimits[RLIMIT_MEMLOCK].rlim_cur ? -ENOMEM : -EPERM;
}

/* mm/util.c, __vm_enough_memory: what is obviously too much. */
static bool enough_memory(u64 pages)
{
	struct sysinfo i;

	return pal_sysinfo(&i) < 0 || pages <= (i.totalram + i.totalswap) * (i.mem_unit ?: 1) / PAGE_SIZE;
}

static int make(struct ipc_thread *me, u32 index, const struct ipc_maker *m, int flags)
{
	struct ipc_table *t = ipc_table(IPC_SHM);
	struct ipc_shm *s = &the_ipc->shm[index];
	u64 pages = PAGE_UP(m->size) / PAGE_SIZE;

	if (!m->size || m->size > IPC_SHMMAX)
		return -EINVAL;
	if (t->total + pages > IPC_SHMALL)
		return -ENOSPC;
	if (flags & SHM_HUGETLB)
		return refuse_huge(m->size, flags);
	if (m->size > IPC_SHM_WINDOW || (!(flags & SHM_NORESERVE) && !enough_memory(pages)))
		return -ENOMEM;
	/* Its last user may have been killed before the memory was given back. */
	ipc_discard(window(index), IPC_SHM_WINDOW);
	s->cpid = this_process()->pid;
	s->lpid = 0;
	s->size = m->size;
	s->atime = s->dtime = 0;
	s->ctime = ipc_now();
	ipc_set64(me, &t->total, t->total + pages);
	return 0;
}

long ipc_shmget(s32 key, size_t size, int flags)
{
	struct ipc_maker m = { .kind = IPC_SHM, .size = size, .fits = fits, .make = make };

	return ipc_get(key, flags, &m);
}

/* ---- going: the caller holds the table ---- */

static void destroy(struct ipc_thread *me, u32 index)
{
	struct ipc_table *t = ipc_table(IPC_SHM);

	ipc_set64(me, &t->total, t->total - PAGE_UP(the_ipc->shm[index].size) / PAGE_SIZE);
	ipc_retire(me, IPC_SHM, index, IPC_KEY_GOING | (u32)this_process()->pid);
	ipc_commit(me);
	me->going = index + 1;
}

void ipc_shm_touched(u32 index, s32 pid)
{
	struct ipc_shm *s = &the_ipc->shm[index];

	s->atime = ipc_now();
	s->lpid = pid;
}

static void gone_from(struct ipc_thread *me, u32 index)
{
	const struct ipc_access *p = &the_ipc->shm[index].perm;

	if (p->live && (p->mode & SHM_DEST) && !ipc_refs(IPC_SHM, index))
		destroy(me, index);
}

void ipc_shm_lost(struct ipc_thread *me, u32 index, s32 pid)
{
	struct ipc_shm *s = &the_ipc->shm[index];

	s->dtime = ipc_now();
	s->lpid = pid;
	gone_from(me, index);
}

static void attachment_release(struct file *f)
{
	struct attachment *a = f->priv;
	struct ipc_thread *me = a ? ipc_enter() : NULL;

	if (!a || IS_ERR(me))
		return;
	lock(&ipc_holds_lock);
	ipc_shm_lock(me);
	if (ipc_let_go(&a->hold)) {
		if (a->mapped)
			ipc_shm_lost(me, a->hold.index, this_process()->pid);
		else
			gone_from(me, a->hold.index);
	}
	ipc_shm_unlock(me);
	unlock(&ipc_holds_lock);
	base_free(a);
}

/* ---- attaching ---- */

static int attachment_mmap(struct file *f, int prot, int flags, u64 *off)
{
	*off += window(((struct attachment *)f->priv)->hold.index);
	return GRANT_FD_IPC;
}

static int attachment_getattr(struct file *f, struct attr *attr)
{
	const struct attachment *a = f->priv;

	*attr = (struct attr){ .ino = (u64)a->id, .dev = dev_make(0, 1), .mode = S_IFREG | 0600, .size = a->size };
	return 0;
}

const struct file_ops shm_file_ops = {
	.name = "shm",
	.mmap = attachment_mmap,
	.getattr = attachment_getattr,
	.release = attachment_release,
};

ssize_t shm_file_text(const struct file *f, char *buf, size_t size)
{
	return base_snprintf(buf, size, "/SYSV%08x (deleted)", (unsigned)((const struct attachment *)f->priv)->key);
}

struct wish {
	uintptr_t addr;
	int prot, access, flags; /* flags: MAP_* */
};

static int check_wish(uintptr_t addr, int flags, struct wish *w)
{
	*w = (struct wish){ .addr = addr, .prot = PROT_READ, .access = S_IRUGO, .flags = MAP_SHARED };
	if (addr & (PAGE_SIZE - 1)) {
		if (!(flags & SHM_RND))
			return -EINVAL;
		w->addr = PAGE_DOWN(addr);
		if (!w->addr && (flags & SHM_REMAP))
			return -EINVAL;
	}
	if (!addr && (flags & SHM_REMAP))
		return -EINVAL;
	if (addr)
		w->flags |= flags & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	if (!(flags & SHM_RDONLY)) {
		w->prot |= PROT_WRITE;
		w->access |= S_IWUGO;
	}
	if (flags & SHM_EXEC) {
		w->prot |= PROT_EXEC;
		w->access |= S_IXUGO;
	}
	return 0;
}

/* Count the attachment, before it is mapped. */
static int attach(struct ipc_thread *me, s32 id, const struct wish *w, struct attachment *a)
{
	const struct ipc_shm *s;
	int index, r;

	lock(&ipc_holds_lock);
	ipc_shm_lock(me);
	index = r = ipc_index(IPC_SHM, id);
	if (index >= 0) {
		s = &the_ipc->shm[index];
		a->id = id;
		a->key = s->perm.key;
		a->size = s->size;
		r = ipc_allowed(&s->perm, w->access);
		if (!r)
			r = ipc_hold(&a->hold, IPC_SHM, (u32)index) ? -ENOMEM : 0;
	}
	ipc_shm_unlock(me);
	unlock(&ipc_holds_lock);
	return r;
}

static void attached(struct ipc_thread *me, struct attachment *a)
{
	a->mapped = true;
	ipc_shm_lock(me);
	ipc_shm_touched(a->hold.index, this_process()->pid);
	ipc_shm_unlock(me);
}

static intptr_t map_attachment(struct ipc_thread *me, const struct wish *w, struct attachment *a)
{
	struct file *f = file_create(&shm_file_ops, -1, w->prot & PROT_WRITE ? O_RDWR : O_RDONLY, NULL);
	intptr_t r;

	if (IS_ERR(f))
		return PTR_ERR(f);
	f->priv = a;
	r = mm_map(this_process()->mm, w->addr, a->size, w->prot, w->flags, f, 0);
	if (r > 0)
		attached(me, a);
	file_put(f);
	return r == -EEXIST ? -EINVAL : r;
}

long ipc_shmat(s32 id, uintptr_t addr, int flags)
{
	struct ipc_thread *me = ipc_enter();
	struct attachment *a;
	struct wish w;
	int r;

	if (IS_ERR(me))
		return -ENOSYS;
	if (id < 0)
		return -EINVAL;
	r = check_wish(addr, flags, &w);
	if (r)
		return r;
	a = base_zalloc(sizeof(*a));
	if (!a)
		return -ENOMEM;
	r = attach(me, id, &w, a);
	if (!r)
		return map_attachment(me, &w, a);
	base_free(a);
	return r;
}

static bool part_of(const struct vma *v, uintptr_t addr, const struct file *f)
{
	return v->file && v->file->ops == &shm_file_ops && v->start - addr == v->offset && (!f || v->file == f);
}

/* The VMAs of one attachment, from the first one that lies where it would if all began at addr. */
long ipc_shmdt(uintptr_t addr)
{
	struct mm *mm = this_process()->mm;
	const struct file *f = NULL;
	uintptr_t end = UINTPTR_MAX;
	long r = -EINVAL;
	struct vma *v;

	if (addr & (PAGE_SIZE - 1))
		return -EINVAL;
	mm_lock(mm);
	for (v = vma_next_from(mm, addr); v && v->end <= end;) {
		uintptr_t stop = v->end;

		if (part_of(v, addr, f)) {
			f = v->file;
			end = addr + PAGE_UP(((struct attachment *)f->priv)->size);
			r = mm_unmap_locked(mm, v->start, stop - v->start);
			if (r)
				break;
		}
		v = vma_next_from(mm, stop);
	}
	mm_unlock(mm);
	return r;
}

/* ---- control ---- */

static void describe(u32 index, struct shmid64_ds *ds)
{
	const struct ipc_shm *s = &the_ipc->shm[index];

	ipc_perm_out(&s->perm, &ds->shm_perm);
	ds->shm_segsz = s->size;
	ds->shm_atime = s->atime;
	ds->shm_dtime = s->dtime;
	ds->shm_ctime = s->ctime;
	ds->shm_cpid = s->cpid;
	ds->shm_lpid = s->lpid;
	ds->shm_nattch = ipc_refs(IPC_SHM, index);
}

/* Bytes of a segment that are there. */
static u64 resident(u32 index)
{
	s64 at = (s64)window(index), end = at + (s64)PAGE_UP(the_ipc->shm[index].size);
	u64 sum = 0;

	while (at < end) {
		s64 from = pal_lseek(GRANT_FD_IPC, at, SEEK_DATA);

		if (from < 0 || from >= end)
			break;
		at = pal_lseek(GRANT_FD_IPC, from, SEEK_HOLE);
		if (at < 0)
			break;
		sum += (u64)(MIN(at, end) - from);
	}
	return sum;
}

static long do_stat(struct ipc_thread *me, s32 id, int cmd, void *arg)
{
	struct shmid64_ds ds = { 0 };
	long r = 0, index;

	ipc_shm_lock(me);
	index = cmd == IPC_STAT ? ipc_index(IPC_SHM, id) : ipc_index_any(IPC_SHM, id);
	if (index >= 0) {
		id = the_ipc->shm[index].perm.id;
		if (cmd != SHM_STAT_ANY)
			r = ipc_allowed(&the_ipc->shm[index].perm, S_IRUGO);
		describe((u32)index, &ds);
	}
	ipc_shm_unlock(me);
	if (index < 0 || r)
		return index < 0 ? index : r;
	return user_write(arg, &ds, sizeof(ds)) ?: cmd == IPC_STAT ? 0 : id;
}

static long do_info(struct ipc_thread *me, int cmd, void *arg)
{
	struct shminfo limits = { .shmmax = IPC_SHMMAX, .shmmin = 1, .shmmni = IPC_SHM_MAX, .shmseg = IPC_SHM_MAX,
				  .shmall = IPC_SHMALL };
	struct shm_info used = { 0 };
	int max;

	if (cmd == IPC_INFO)
		return user_write(arg, &limits, sizeof(limits)) ?: ipc_max_index(IPC_SHM);
	ipc_shm_lock(me);
	used.used_ids = (int)ipc_table(IPC_SHM)->in_use;
	used.shm_tot = ipc_table(IPC_SHM)->total;
	for (u32 i = 0; i < ipc_table(IPC_SHM)->top; i++)
		used.shm_rss += the_ipc->shm[i].perm.live ? resident(i) / PAGE_SIZE : 0;
	max = ipc_max_index(IPC_SHM);
	ipc_shm_unlock(me);
	return user_write(arg, &used, sizeof(used)) ?: max;
}

static int may_pin(const struct ipc_access *p, int cmd)
{
	u32 euid = this_process()->cred.euid;

	if (has_cap(CAP_IPC_LOCK))
		return 0;
	if (euid != p->uid && euid != p->cuid)
		return -EPERM;
	return cmd == SHM_LOCK && !this_process()->rlimits[RLIMIT_MEMLOCK].rlim_cur ? -EPERM : 0;
}

/* Caller holds the table; the changes are committed by it. */
static int change(struct ipc_thread *me, u32 index, int cmd, const struct shmid64_ds *ds)
{
	struct ipc_shm *s = &the_ipc->shm[index];
	int r = cmd == IPC_SET || cmd == IPC_RMID ? ipc_owner(&s->perm) : may_pin(&s->perm, cmd);

	if (r)
		return r;
	switch (cmd) {
	case SHM_LOCK:
		ipc_set32(me, &s->perm.mode, s->perm.mode | SHM_LOCKED);
		break;
	case SHM_UNLOCK:
		ipc_set32(me, &s->perm.mode, s->perm.mode & ~(u32)SHM_LOCKED);
		break;
	case IPC_SET:
		r = ipc_perm_set(me, &s->perm, &ds->shm_perm);
		if (!r)
			ipc_set64(me, &s->ctime, (u64)ipc_now());
		break;
	case IPC_RMID:
		if (!ipc_refs(IPC_SHM, index)) {
			destroy(me, index);
			break;
		}
		/* Still attached: it goes with the last one, and has no key until then. */
		ipc_set32(me, &s->perm.mode, s->perm.mode | SHM_DEST);
		ipc_set32(me, &s->perm.key, IPC_PRIVATE);
		ipc_key_set(me, IPC_SHM, index, IPC_KEY_USED | IPC_PRIVATE);
	}
	return r;
}

static long do_change(struct ipc_thread *me, s32 id, int cmd, const void *arg)
{
	struct shmid64_ds ds;
	int index;

	if (cmd == IPC_SET && user_read(&ds, arg, sizeof(ds)))
		return -EFAULT;
	ipc_shm_lock(me);
	index = ipc_index(IPC_SHM, id);
	if (index >= 0) {
		index = change(me, (u32)index, cmd, &ds);
		ipc_commit(me);
	}
	ipc_shm_unlock(me);
	return index;
}

long ipc_shmctl(s32 id, int cmd, void *arg)
{
	struct ipc_thread *me = ipc_enter();

	if (IS_ERR(me))
		return -ENOSYS;
	if (id < 0 || cmd < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
	case SHM_INFO:
		return do_info(me, cmd, arg);
	case IPC_STAT:
	case SHM_STAT:
	case SHM_STAT_ANY:
		return do_stat(me, id, cmd, arg);
	case IPC_SET:
	case IPC_RMID:
	case SHM_LOCK:
	case SHM_UNLOCK:
		return do_change(me, id, cmd, arg);
	}
	return -EINVAL;
}

void ipc_shm_show(struct buf *b)
{
	struct ipc_thread *me = ipc_enter();

	base_buf_puts(b, "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid"
			 "      atime      dtime      ctime                   rss                  swap\n");
	if (IS_ERR(me))
		return;
	ipc_shm_lock(me);
	for (u32 i = 0; i < ipc_table(IPC_SHM)->top; i++) {
		const struct ipc_shm *s = &the_ipc->shm[i];
		const struct ipc_access *p = &s->perm;

		if (!p->live)
			continue;
		base_buf_printf(b, "%10d %10d  %4o %21lu %5u %5u  %5lu ", p->key, p->id, p->mode, s->size, s->cpid,
				s->lpid, ipc_refs(IPC_SHM, i));
		base_buf_printf(b, "%5u %5u %5u %5u %10lu %10lu %10lu %21lu %21lu\n", p->uid, p->gid, p->cuid, p->cgid,
				(u64)s->atime, (u64)s->dtime, (u64)s->ctime, resident(i), 0ul);
	}
	ipc_shm_unlock(me);
}
