/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The stack that a program is born with, from the top: a zero word, the file's name, the strings of the environment and
 * of the arguments, platform and random bytes, auxiliary vector, pointers, argc. The layout is Linux's, down to what is
 * adjacent to what: ps and setproctitle rely on it.
 */
#include "libos/boot/boot.h"
#include "libos/mm/mm.h"
#include "libos/sys/user.h"

struct writer {
	uintptr_t sp;
	int err;
};

static uintptr_t push(struct writer *w, const void *data, size_t size)
{
	w->sp -= size;
	if (!w->err && size)
		w->err = user_write((void *)w->sp, data, size);
	return w->sp;
}

static void aux(struct mm *mm, u64 type, u64 value)
{
	BUG_ON(mm->auxv_count + 2 > ARRAY_SIZE(mm->auxv));
	mm->auxv[mm->auxv_count++] = type;
	mm->auxv[mm->auxv_count++] = value;
}

/* What the host says about the machine, if it says it. */
static void aux_host(struct mm *mm, u64 type)
{
	u64 v = pal_auxv(type);

	if (v)
		aux(mm, type, v);
}

static void build_auxv(struct mm *mm, const struct program *p, uintptr_t name, uintptr_t platform, uintptr_t random)
{
	const struct cred *c = &this_process()->cred;
	const struct elf_image *e = &p->image;

	mm->auxv_count = 0;
	if (pal_vdso())
		aux(mm, AT_SYSINFO_EHDR, pal_vdso());
	aux_host(mm, AT_MINSIGSTKSZ);
	aux_host(mm, AT_HWCAP);
	aux(mm, AT_PAGESZ, PAGE_SIZE);
	aux(mm, AT_CLKTCK, 100);
	aux(mm, AT_PHDR, elf_phdr_address(e));
	aux(mm, AT_PHENT, sizeof(struct elf64_phdr));
	aux(mm, AT_PHNUM, e->hdr.e_phnum);
	aux(mm, AT_BASE, p->interp.file ? p->interp.bias : 0);
	aux(mm, AT_FLAGS, 0);
	aux(mm, AT_ENTRY, e->hdr.e_entry + e->bias);
	aux(mm, AT_UID, c->ruid);
	aux(mm, AT_EUID, c->euid);
	aux(mm, AT_GID, c->rgid);
	aux(mm, AT_EGID, c->egid);
	aux(mm, AT_SECURE, 0);
	aux(mm, AT_RANDOM, random);
	aux_host(mm, AT_HWCAP2);
	aux(mm, AT_EXECFN, name);
	if (platform)
		aux(mm, AT_PLATFORM, platform);
	aux_host(mm, AT_RSEQ_FEATURE_SIZE);
	aux_host(mm, AT_RSEQ_ALIGN);
	aux(mm, AT_NULL, 0);
}

/* Addresses of n strings that follow each other at base; the array ends with NULL. */
static u64 *point(u64 *out, const struct buf *strings, unsigned n, uintptr_t base)
{
	const char *s = strings->data;

	for (unsigned i = 0; i < n; i++) {
		*out++ = base;
		base += strlen(s) + 1;
		s += strlen(s) + 1;
	}
	*out++ = 0;
	return out;
}

static int push_pointers(struct mm *mm, struct writer *w, const struct program *p)
{
	size_t words = 1 + p->argc + 1 + p->envc + 1;
	u64 *block = base_alloc(words * sizeof(u64)), *at = block;

	if (!block)
		return -ENOMEM;
	*at++ = p->argc;
	at = point(at, &p->argv, p->argc, mm->arg_start);
	point(at, &p->envp, p->envc, mm->env_start);
	w->sp -= mm->auxv_count * sizeof(u64) + words * sizeof(u64);
	w->sp = ALIGN_DOWN(w->sp, 16) + mm->auxv_count * sizeof(u64) + words * sizeof(u64);
	push(w, mm->auxv, mm->auxv_count * sizeof(u64));
	push(w, block, words * sizeof(u64));
	base_free(block);
	return w->err;
}

/* What is written here, and the loader's first frames, by one call instead of a fault a page. */
#define FRAMES (2 * PAGE_SIZE)
#define POPULATE_MAX (16 * PAGE_SIZE)

static void stack_populate(const struct mm *mm, const struct program *p, u64 gap)
{
	u64 size = p->argv.size + p->envp.size + gap + (p->argc + p->envc) * sizeof(u64) + FRAMES;
	uintptr_t from = PAGE_DOWN(mm->stack_top - MIN(size, POPULATE_MAX));

	(void)pal_madvise(from, mm->stack_top - from, MADV_POPULATE_WRITE);
}

int stack_build(struct mm *mm, const struct program *p, uintptr_t *rsp)
{
	static const u64 zero;
	struct writer w = { .sp = mm->stack_top };
	const char *platform = (const char *)pal_auxv(AT_PLATFORM);
	uintptr_t name, plat = 0, random;
	u64 gap = mm_random(mm) & 0x1ff0;
	int err;

	stack_populate(mm, p, gap);
	push(&w, &zero, sizeof(zero));
	name = push(&w, p->name, strlen(p->name) + 1);
	mm->env_end = name;
	mm->env_start = mm->arg_end = push(&w, p->envp.data, p->envp.size);
	mm->arg_start = push(&w, p->argv.data, p->argv.size);
	w.sp = ALIGN_DOWN(w.sp, 16) - gap;
	if (platform)
		plat = push(&w, platform, strlen(platform) + 1);
	random = push(&w, mm->random + MM_RANDOM, 2 * sizeof(u64));
	memset(mm->random, 0, sizeof(mm->random)); /* canaries are made of it */
	build_auxv(mm, p, name, plat, random);
	err = push_pointers(mm, &w, p);
	*rsp = w.sp;
	return err;
}
