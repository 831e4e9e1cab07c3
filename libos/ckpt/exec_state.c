/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * exec of a vfork child: save, execute the image, load. See exec_state.h.
 *
 * The program's own files travel as descriptors of the guest's table, opened for the trip only.
 */
#include "libos/ckpt/exec_state.h"
#include "libos/ckpt/cursor.h"
#include "libos/ckpt/text.h"
#include "libos/coord/area.h"
#include "libos/coord/coord.h"
#include "libos/entry/images.h"
#include "libos/fs/timer.h"
#include "libos/mm/mm.h"
#include "libos/task/ptrace.h"
#include "libos/task/seccomp.h"
#include "libos/vfs/file.h"
#include "pal/grant.h"

#define STATE_MAGIC 0x65746174736f7369ull
#define STATE_MAX (64u << 20)
#define STATE_TEXT_MAX (64ul << 10)
_Static_assert(TEXT_SIZE(STATE_TEXT_MAX) <= PAL_EXEC_TEXT, "a string that the host takes");

/* Plain words of struct process, in the order of the image. */
struct scalars {
	u64 magic;
	s32 pid;
	u32 personality;
	u64 start_ns;
	s32 pdeathsig, ctty_fd;
	u32 dumpable, no_new_privs, thp_disabled, subreaper, had_clone_children, mce;
	struct cred cred;
	struct open_chain layers;
	struct rusage children_usage;
	u64 ignored, blocked;
	u64 host_mask;	/* what pal_signals_off gave */
	u64 vvar;	/* the same in all address spaces of a host */
};

static u64 ignored_set(struct process *p)
{
	u64 set = 0;

	for (int sig = 1; sig <= SIG_COUNT; sig++)
		if (p->sig.action[sig - 1].handler == (u64)SIG_IGN)
			set |= SIG_BIT(sig);
	return set;
}

static void save_scalars(struct buf *b, struct thread *t, u64 host_mask)
{
	struct process *p = t->proc;
	struct scalars s = {
		.magic = STATE_MAGIC,
		.pid = p->pid,
		.personality = p->personality,
		.start_ns = p->start_ns,
		.pdeathsig = p->pdeathsig,
		.ctty_fd = p->ctty_fd,
		.dumpable = p->dumpable,
		.no_new_privs = p->no_new_privs,
		.thp_disabled = p->thp_disabled,
		.mce = current()->mce,
		.subreaper = p->child_subreaper,
		.had_clone_children = p->had_clone_children,
		.cred = p->cred,
		.layers = p->layers,
		.children_usage = p->children_usage,
		.ignored = ignored_set(p),
		.blocked = t->sig.restore_mask ? t->sig.saved_mask : t->sig.blocked,
		.host_mask = host_mask,
		.vvar = mm_vvar(p->mm),
	};

	put_bytes(b, &s, sizeof(s));
}

/* Pending signals stay pending over exec. */
static void save_pending(struct buf *b, struct sigpending *q)
{
	struct sigqueue *e;

	list_for_each(e, &q->queue, link)
		put_bytes(b, &e->info, sizeof(e->info));
	put_bytes(b, &(struct siginfo){ 0 }, sizeof(struct siginfo));
}

static void save_strings(struct buf *b, const struct buf *strings, unsigned count)
{
	put_u32(b, count);
	put_u64(b, strings->size);
	put_bytes(b, strings->data, strings->size);
}

/* Headers that lie in what was read of the file already. */
static void save_head(struct buf *b, const struct elf_image *e)
{
	u64 end = e->hdr.e_phoff + e->hdr.e_phnum * sizeof(struct elf64_phdr);
	u32 size = end <= e->head_size ? (u32)MAX(end, sizeof(e->hdr)) : 0;

	put_u32(b, size);
	put_bytes(b, e->head, size);
}

static int save_program(struct buf *b, const struct program *prog)
{
	int image = fdtab_add(file_get(prog->image.file), 0, false), interp = -1;

	if (image < 0)
		return image;
	if (prog->interp.file) {
		interp = fdtab_add(file_get(prog->interp.file), 0, false);
		if (interp < 0) {
			fdtab_close(image);
			return interp;
		}
	}
	put_u32(b, (u32)image);
	save_head(b, &prog->image);
	put_u32(b, (u32)interp);
	if (interp >= 0)
		save_head(b, &prog->interp);
	put_u32(b, prog->exec_stack);
	put_str(b, prog->name);
	put_str(b, prog->exe);
	save_strings(b, &prog->argv, prog->argc);
	save_strings(b, &prog->envp, prog->envc);
	return 0;
}

/* As a string, if it is not too long: no file is made then. It is the parent's memory, who frees it. */
static char *state_text(struct process *p, const struct buf *b)
{
	if (b->size > STATE_TEXT_MAX)
		return NULL;
	p->exec_text = base_alloc(TEXT_SIZE(b->size));
	if (p->exec_text)
		(void)text_from_bytes(p->exec_text, b->data, b->size);
	return p->exec_text;
}

static int write_state(const struct buf *b)
{
	int fd = pal_memfd("exec", 0), err = 0;
	size_t done = 0;

	if (fd < 0)
		return fd;
	while (done < b->size && err >= 0) {
		ssize_t n = pal_pwrite(fd, b->data + done, b->size - done, done);

		if (n <= 0)
			err = n < 0 ? (int)n : -ENOSPC;
		else
			done += (size_t)n;
	}
	if (!err)
		err = pal_dup_to(fd, GRANT_FD_STATE);
	pal_close(fd);
	if (err >= 0)
		err = pal_fcntl(GRANT_FD_STATE, F_SETFD, 0);
	/* The host's exec keeps what is not marked: the grant's own, this, and what fdtab_save has unmarked. */
	return err;
}

/* The names that lead to where the program will run, and to its files. */
static void save_mounts(struct buf *b, struct process *p, const struct program *prog)
{
	struct dentry *wanted[3] = { p->fs->cwd.dentry, prog->image.file->path.dentry };
	unsigned n = 2;

	if (prog->interp.file)
		wanted[n++] = prog->interp.file->path.dentry;
	mount_keep(b, wanted, n);
}

/* Everything into b. An error means that nothing has changed yet. */
static int save(struct buf *b, struct thread *t, const struct program *prog, u64 host_mask)
{
	struct process *p = t->proc;
	struct rlimit64 *nofile = &p->rlimits[RLIMIT_NOFILE], limit = *nofile;
	int err;

	save_scalars(b, t, host_mask);
	save_mounts(b, p, prog);
	save_pending(b, &p->sig.shared);
	save_pending(b, &t->sig.pending);
	coord_save(b);
	timers_save(b, p);
	seccomp_save(b, t);
	fs_save(b, p->fs);
	/* The files of the trip are ours: the guest's limit is not meant for them. */
	nofile->rlim_cur = RLIM64_INFINITY;
	err = save_program(b, prog);
	*nofile = limit;
	return err ?: b->err;
}

long exec_state_switch(struct program *prog)
{
	struct thread *t = current();
	struct process *p = t->proc;
	struct buf b = { 0 };
	char *text = NULL;
	/* From here until the new image has its handlers, a signal would meet the host's default action. */
	u64 mask = pal_signals_off();
	u32 stayed;
	int err;

	/* What has come is saved below; the flag itself would only break off calls. */
	(void)signal_drain(t);
	atomic_store(&t->tcb.pending, 0);
	/* What is saved names layers by their place, and the descriptors that they are behind. */
	stayed = chain_stay();
	err = save(&b, t, prog, mask);
	if (err) {
		(void)chain_go_on(stayed, err);
		base_buf_free(&b);
		atomic_store(&t->tcb.pending, 1);
		pal_signals_on(mask);
		return err;
	}
	fdtab_close_exec(p->files);
	fdtab_save(&b, p->files);
	images_keep(&b, prog->image.file);
	put_u64(&b, STATE_MAGIC);
	err = b.err;
	if (!err) {
		text = state_text(p, &b);
		err = text ? 0 : write_state(&b);
	}
	if (!err && p->ctty_fd >= 0)
		err = pal_fcntl(p->ctty_fd, F_SETFD, 0);
	base_buf_free(&b);
	if (!err) {
		thread_release_user(t, false);
		p->left = true;
		atomic_or(&p->slot->flags, AREA_LEAVES);
		program_free(prog); /* this memory stays, as the parent's, who does not know of it */
		err = pal_exec_image(text);
	}
	/* Descriptors that exec closes are closed: there is nothing to return to, as on Linux past this point. */
	pal_log("exec: the host refuses to run the image: error %d\n", -err);
	task_exit_group(SIGKILL);
}

static int read_state(struct buf *b)
{
	struct stat st;
	char *data;
	ssize_t n = 0;
	int err = pal_fstat(GRANT_FD_STATE, &st);

	if (err)
		return err;
	if (st.st_size <= 0 || st.st_size > STATE_MAX)
		return -EINVAL;
	data = base_alloc((size_t)st.st_size);
	if (!data)
		return -ENOMEM;
	for (size_t done = 0; done < (size_t)st.st_size; done += (size_t)n) {
		n = pal_pread(GRANT_FD_STATE, data + done, (size_t)st.st_size - done, done);
		if (n <= 0) {
			base_free(data);
			return n < 0 ? (int)n : -EIO;
		}
	}
	pal_close(GRANT_FD_STATE);
	*b = (struct buf){ .data = data, .size = (size_t)st.st_size };
	return 0;
}

static int load_scalars(struct exec_state *state, struct thread *t)
{
	const struct scalars *s = get_bytes(&state->at, sizeof(*s));
	struct process *p;

	if (!s || s->magic != STATE_MAGIC || !area_slot(s->pid))
		return -EINVAL;
	p = process_create(s->pid, NULL);
	if (!p)
		return -ENOMEM;
	t->proc = p;
	t->tid = s->pid;
	state->host_mask = s->host_mask;
	state->vvar = s->vvar;
	p->personality = s->personality;
	p->start_ns = s->start_ns;
	p->pdeathsig = s->pdeathsig;
	p->ctty_fd = s->ctty_fd;
	if (p->ctty_fd >= 0)
		(void)!pal_fcntl(p->ctty_fd, F_SETFD, FD_CLOEXEC);
	p->dumpable = s->dumpable;
	p->no_new_privs = s->no_new_privs;
	p->thp_disabled = s->thp_disabled;
	current()->mce = (u8)s->mce;
	p->child_subreaper = s->subreaper;
	p->had_clone_children = s->had_clone_children;
	p->cred = s->cred;
	p->layers = s->layers;
	p->children_usage = s->children_usage;
	t->sig.blocked = s->blocked;
	list_add(&p->threads, &t->sibling);
	p->nthreads = 1;
	trace_born(t);
	for (int sig = 1; sig <= SIG_COUNT; sig++) {
		struct sig_action ignore = { .handler = (u64)SIG_IGN };

		if (s->ignored & SIG_BIT(sig) & ~SIG_UNBLOCKABLE)
			(void)signal_action(sig, &ignore, NULL);
	}
	return 0;
}

static void load_pending(struct cursor *c, struct process *p, struct thread *t)
{
	const struct siginfo *info;

	while ((info = get_bytes(c, sizeof(*info))) && info->si_signo) {
		struct siginfo copy = *info;

		(void)(t ? signal_send_thread(t, &copy) : signal_send_process(p, &copy));
	}
}

static unsigned load_strings(struct cursor *c, struct buf *b)
{
	u32 count = get_u32(c);
	u64 size = get_u64(c);
	const void *data = get_bytes(c, size);

	if (data)
		base_buf_put(b, data, size);
	return count;
}

static void load_head(struct cursor *c, struct elf_image *e)
{
	u32 size = get_u32(c);
	const void *head = get_bytes(c, size);

	e->head_size = head && size <= sizeof(e->head) ? size : 0;
	if (e->head_size)
		memcpy(e->head, head, size);
}

static int take_file(int fd, struct elf_image *e, bool interpreter)
{
	struct file *f = fdtab_get(fd);
	int err = 0;

	if (IS_ERR(f))
		return PTR_ERR(f);
	if (e->head_size)
		e->file = file_get(f);
	else
		err = elf_open(e, f);
	file_put(f);
	if (!err)
		err = elf_read(e, interpreter);
	return fdtab_close(fd) ?: err;
}

int exec_state_open(struct exec_state *s, struct thread *t)
{
	size_t size;
	char *text = pal_exec_text(&size);
	int err;

	if (text) {
		s->at = (struct cursor){ .data = (const u8 *)text, .size = text_to_bytes(text, size) };
		return load_scalars(s, t);
	}
	err = read_state(&s->bytes);
	if (err)
		return err;
	s->at = (struct cursor){ .data = (const u8 *)s->bytes.data, .size = s->bytes.size };
	return load_scalars(s, t);
}

static int load_program(struct cursor *c, struct program *prog, int *image, int *interp)
{
	const char *name, *exe;

	*image = (int)get_u32(c);
	load_head(c, &prog->image);
	*interp = (int)get_u32(c);
	if (*interp >= 0)
		load_head(c, &prog->interp);
	prog->exec_stack = get_u32(c);
	name = get_str(c);
	exe = get_str(c);
	prog->name = base_strdup(name ?: "");
	prog->exe = base_strdup(exe ?: "");
	prog->argc = load_strings(c, &prog->argv);
	prog->envc = load_strings(c, &prog->envp);
	return prog->name && prog->exe ? prog->argv.err ?: prog->envp.err : -ENOMEM;
}

int exec_state_load(struct exec_state *s, struct thread *t, struct program *prog)
{
	struct process *p = t->proc;
	struct rlimit64 *nofile = &p->rlimits[RLIMIT_NOFILE], limit = *nofile;
	struct cursor *c = &s->at;
	int image, interp, err;

	p->mm = mm_create(s->vvar);
	if (!p->mm)
		return -ENOMEM;
	load_pending(c, p, NULL);
	load_pending(c, p, t);
	coord_load(c);
	err = timers_load(c, p);
	if (!err)
		err = seccomp_load(c, t);
	if (!err)
		err = fs_load(c, &p->fs);
	if (!err)
		err = load_program(c, prog, &image, &interp);
	/* What is open stays open, though the limit has been lowered since. */
	nofile->rlim_cur = RLIM64_INFINITY;
	if (!err)
		err = fdtab_load(c, &p->files);
	if (!err)
		err = images_recall(c);
	if (!err && (get_u64(c) != STATE_MAGIC || c->err))
		err = -EINVAL;
	if (!err)
		err = take_file(image, &prog->image, false);
	if (!err && interp >= 0)
		err = take_file(interp, &prog->interp, true);
	base_free(s->bytes.data);
	*nofile = limit;
	if (err)
		return err;
	/* A process with memory of its own, and handlers: signals may come. */
	atomic_and(&p->slot->flags, ~(AREA_BORROWS | AREA_LEAVES));
	pal_signals_on(s->host_mask);
	/* A bell that rang while the memory was another's could not be answered. */
	if (atomic_load(&p->slot->flags) & AREA_RUNG)
		coord_serve();
	return 0;
}
