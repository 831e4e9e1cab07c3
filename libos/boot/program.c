/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A program to be: its strings, its files, and loading them.
 *
 * Limits follow fs/exec.c: strings are counted against a quarter of the stack's limit (at least 128 KiB, at most 6
 * MiB), a single one against 128 KiB; "#!" leads to another file at most five times.
 */
#include "libos/boot/boot.h"
#include "libos/mm/mm.h"
#include "libos/entry/entry.h"
#include "libos/sys/user.h"
#include "libos/task/busy.h"

#define STRING_MAX (128ul << 10)	/* MAX_ARG_STRLEN */
#define TOTAL_MIN (128ul << 10)		/* ARG_MAX */
#define TOTAL_MAX (6ul << 20)		/* three quarters of _STK_LIM */
#define STRINGS_MAX 0x7fffffff		/* MAX_ARG_STRINGS */
#define REWRITES_MAX 5
#define PIE_BASE 0x555555554000ul	/* ELF_ET_DYN_BASE */
#define PIE_RANDOM (1ul << 40)
#define BRK_RANDOM (32ul << 20)

void program_init(struct program *p)
{
	memset(p, 0, offsetof(struct program, image));
	p->image.file = p->interp.file = NULL;
	p->image.phdrs = p->interp.phdrs = NULL;
	memset(&p->argv, 0, sizeof(*p) - offsetof(struct program, argv));
}

void program_free(struct program *p)
{
	elf_free(&p->image);
	elf_free(&p->interp);
	base_buf_free(&p->argv);
	base_buf_free(&p->envp);
	base_free(p->name);
	base_free(p->exe);
	program_init(p);
}

static size_t strings_limit(void)
{
	u64 quarter = this_process()->rlimits[RLIMIT_STACK].rlim_cur / 4;

	return MAX(MIN(quarter, TOTAL_MAX), TOTAL_MIN);
}

static int check_total(const struct program *p)
{
	size_t pointers = (MAX(p->argc, 1) + (size_t)p->envc) * sizeof(u64);

	return p->argv.size + p->envp.size + pointers > strings_limit() ? -E2BIG : 0;
}

static int copy_string(struct buf *b, const char *guest)
{
	char chunk[512];
	size_t total = 0;

	for (;;) {
		ssize_t n = user_string(chunk, guest + total, sizeof(chunk));

		if (n == -ENAMETOOLONG) {
			base_buf_put(b, chunk, sizeof(chunk));
			total += sizeof(chunk);
		} else if (n < 0) {
			return (int)n;
		} else {
			base_buf_put(b, chunk, (size_t)n + 1);
			return b->err;
		}
		if (total >= STRING_MAX)
			return -E2BIG;
		if (b->err)
			return b->err;
	}
}

static int copy_strings(struct program *p, const u64 *guest, struct buf *b, unsigned *count)
{
	for (unsigned i = 0; guest; i++) {
		u64 s;
		int err = user_read_u64(&s, guest + i);

		if (err || !s)
			return err;
		if (i == STRINGS_MAX)
			return -E2BIG;
		err = copy_string(b, (const char *)s);
		*count = i + 1;
		if (!err)
			err = check_total(p);
		if (err)
			return err;
	}
	return 0;
}

/* A program without argv[0] gets an empty one: since Linux 5.18, for those that take argc > 0 for granted. */
static int want_argv0(struct program *p)
{
	if (!p->argc) {
		base_buf_put(&p->argv, "", 1);
		p->argc = 1;
	}
	return p->argv.err ?: p->envp.err;
}

int program_strings_user(struct program *p, const u64 *argv, const u64 *envp)
{
	int err = copy_strings(p, argv, &p->argv, &p->argc);

	if (!err)
		err = copy_strings(p, envp, &p->envp, &p->envc);
	return err ?: want_argv0(p);
}

int program_strings(struct program *p, char **argv, char **envp)
{
	for (; *argv; argv++, p->argc++)
		base_buf_put(&p->argv, *argv, strlen(*argv) + 1);
	for (; *envp; envp++, p->envc++)
		base_buf_put(&p->envp, *envp, strlen(*envp) + 1);
	return check_total(p) ?: want_argv0(p);
}

/* argv becomes: interpreter, its argument if any, the script, the old argv without its first. */
static int script_argv(struct program *p, const char *interp, const char *arg, const char *script)
{
	size_t skip = strlen(p->argv.data) + 1;
	struct buf b = { 0 };

	base_buf_put(&b, interp, strlen(interp) + 1);
	if (arg)
		base_buf_put(&b, arg, strlen(arg) + 1);
	base_buf_put(&b, script, strlen(script) + 1);
	base_buf_put(&b, p->argv.data + skip, p->argv.size - skip);
	base_buf_free(&p->argv);
	p->argv = b;
	p->argc += arg ? 2 : 1;
	return b.err ?: check_total(p);
}

/* How a script that was opened by descriptor is named to its interpreter. */
static char *name_of(int dirfd, const char *path)
{
	char buf[PATH_MAX_LEN];

	if (dirfd == AT_FDCWD || path[0] == '/')
		return base_strdup(path);
	if (base_snprintf(buf, sizeof(buf), *path ? "/dev/fd/%d/%s" : "/dev/fd/%d", dirfd, path) >= (int)sizeof(buf))
		return NULL;
	return base_strdup(buf);
}

static int set_exe(struct program *p, struct file *f)
{
	char buf[PATH_MAX_LEN], *text = f->path.dentry ? path_text(&f->path, buf, sizeof(buf)) : p->name;

	base_free(p->exe);
	p->exe = base_strdup(IS_ERR(text) ? p->name : text);
	return p->exe ? 0 : -ENOMEM;
}

static int open_interpreter(struct program *p)
{
	char path[PATH_MAX_LEN];
	struct file *f;
	int err = elf_interpreter(&p->image, path);

	p->exec_stack = elf_exec_stack(&p->image);
	if (err <= 0)
		return err;
	err = vfs_open_exec(AT_FDCWD, path, 0, &f);
	if (err)
		return err;
	err = elf_open(&p->interp, f);
	file_put(f);
	return err ?: elf_read(&p->interp, true);
}

/* A file of the chain that is a script: *next becomes the path to go on with. */
static int open_script(struct program *p, struct elf_image *e, const char *path, char **next)
{
	char *interp, *arg;
	int err = script_parse((char *)e->head, e->head_size, &interp, &arg);

	if (!err)
		err = script_argv(p, interp, arg, path);
	if (err)
		return err;
	*next = base_strdup(interp);
	return *next ? 0 : -ENOMEM;
}

/* One file of the chain: it is the program itself, or *next is set. */
static int open_one(struct program *p, struct file *f, const char *path, char **next)
{
	struct elf_image *e = &p->image;
	int err = elf_open(e, f);

	if (err)
		return err;
	if (e->head_size >= 2 && e->head[0] == '#' && e->head[1] == '!') {
		err = open_script(p, e, path, next);
		elf_free(e);
		return err;
	}
	err = elf_read(e, false);
	return err ?: set_exe(p, f);
}

int program_open(struct program *p, int dirfd, const char *path, int at_flags)
{
	cleanup_free char *at = NULL;
	int r;

	p->name = name_of(dirfd, path);
	at = base_strdup(p->name ?: "");
	if (!p->name || !at)
		return -ENOMEM;
	for (unsigned depth = 0;; depth++) {
		struct file *f;
		char *next = NULL;

		r = depth ? vfs_open_exec(AT_FDCWD, at, 0, &f) : vfs_open_exec(dirfd, path, at_flags, &f);
		if (r)
			return r;
		r = busy_written(f) ?: open_one(p, f, at, &next);
		file_put(f);
		if (r || !next)
			break;
		base_free(at);
		at = next;
		if (depth == REWRITES_MAX)
			return -ELOOP;
	}
	return r ?: open_interpreter(p);
}

/* The heap begins somewhere after the program, and may grow until something is in the way. */
static void set_brk(struct mm *mm, const struct elf_image *e)
{
	uintptr_t start = e->high + e->bias;

	/* A program at the start of the mappings' area (static-pie run as its own loader) has no room above it. */
	if (start > PAL_END)
		start = PIE_BASE;
	mm_lock(mm);
	start = sites_above(mm, start);
	mm_unlock(mm);
	start += PAGE_DOWN(mm_random(mm) % BRK_RANDOM);
	mm->brk_start = mm->brk = start;
	mm->brk_limit = start < PAL_BASE ? PAL_BASE : PAL_GUEST_TOP;
}

int program_load(struct program *p, uintptr_t *rip, uintptr_t *rsp)
{
	struct mm *mm = this_process()->mm;
	uintptr_t base;
	int err;

	mm_stir(mm);
	/* A loader run by hand goes where libraries go, so that the program it loads finds its
	 * usual place: binfmt_elf. */
	base = p->interp.file ? PIE_BASE + PAGE_DOWN(mm_random(mm) % PIE_RANDOM) : 0;
	err = mm_layout(mm, p->exec_stack);

	if (!err)
		err = elf_map(mm, &p->image, base);
	if (!err && p->interp.file)
		err = elf_map(mm, &p->interp, 0);
	if (err)
		return err;
	elf_note_bounds(mm, &p->image);
	set_brk(mm, &p->image);
	*rip = p->interp.file ? p->interp.hdr.e_entry + p->interp.bias : p->image.hdr.e_entry + p->image.bias;
	return stack_build(mm, p, rsp);
}
