// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * /proc/self/maps and smaps: the tree of VMAs as Linux prints it.
 *
 * The tree is copied under its lock and printed without: printing a file's name takes locks that
 * come before mm.lock.
 */
#include "libos/fs/proc.h"
#include "libos/fs/kinds.h"
#include "libos/mm/mm.h"

#define NAME_COLUMN 73 /* fs/proc/task_mmu.c, show_vma_header_prefix: 25 + 6 * sizeof(void *) */

struct vma_list {
	struct vma *v;
	unsigned n;
};

static int list_take(struct mm *mm, struct vma_list *l)
{
	struct vma *v;

	lock(&mm->lock);
	l->n = 0;
	l->v = base_alloc((mm->count + 1) * sizeof(*l->v));
	for (v = l->v ? vma_next_from(mm, 0) : NULL; v && l->n <= mm->count;
	     v = vma_next_from(mm, v->end)) {
		if (v->kind == VMA_TRAMPOLINE)
			continue;
		if (v->file)
			file_get(v->file);
		l->v[l->n++] = *v;
	}
	unlock(&mm->lock);
	return l->v ? 0 : -ENOMEM;
}

static void list_free(struct vma_list *l)
{
	for (unsigned i = 0; i < l->n; i++) {
		if (l->v[i].file)
			file_put(l->v[i].file);
	}
	base_free(l->v);
}

static const char *name_of(const struct mm *mm, const struct vma *v, char *text, size_t size)
{
	if (v->file)
		return file_text(v->file, text, size) < 0 ? "" : text;
	switch (v->kind) {
	case VMA_STACK:
		return "[stack]";
	case VMA_HEAP:
		return "[heap]";
	case VMA_VDSO:
		return "[vdso]";
	case VMA_VVAR:
		return "[vvar]";
	default:
		break;
	}
	return v->flags & MAP_SHARED ? "/dev/zero (deleted)" : "";
}

static void show_line(struct buf *b, const struct mm *mm, const struct vma *v, char *text)
{
	struct attr a = { 0 };
	size_t start = b->size;
	const char *name;

	if (v->file && file_getattr(v->file, &a) < 0)
		a = (struct attr){ 0 };
	base_buf_printf(b, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu", v->start, v->end,
			v->prot & PROT_READ ? 'r' : '-', v->prot & PROT_WRITE ? 'w' : '-',
			v->prot & PROT_EXEC ? 'x' : '-', v->flags & MAP_SHARED ? 's' : 'p',
			v->file ? v->offset : 0, dev_major(a.dev), dev_minor(a.dev), a.ino);
	name = name_of(mm, v, text, PATH_MAX_LEN);
	base_buf_puts(b, " ");
	if (*name) {
		while (!b->err && b->size - start < NAME_COLUMN)
			base_buf_puts(b, " ");
		base_buf_puts(b, name);
	}
	base_buf_puts(b, "\n");
}

#define RESIDENT_WALKED (16ul << 30)
#define VEC_PAGES 4096ul

/*
 * Pages of v that are in memory. The host tells page cache and private pages alike. A mapping of terabytes (a
 * sanitizer's shadow) would take minutes to walk: it has what all of the process has at most.
 */
static u64 resident(const struct vma *v)
{
	struct rusage ru;
	u64 pages = 0;
	u8 vec[512];

	if (!(v->prot & (PROT_READ | PROT_WRITE | PROT_EXEC)))
		return 0;
	if (v->end - v->start > RESIDENT_WALKED)
		return pal_getrusage(RUSAGE_SELF, &ru) ? 0 :
							 MIN((u64)ru.ru_maxrss << 10, v->end - v->start) / PAGE_SIZE;
	for (uintptr_t at = v->start; at < v->end; at += sizeof(vec) * PAGE_SIZE) {
		size_t n = MIN((v->end - at) / PAGE_SIZE, sizeof(vec));

		if (pal_mincore(at, n * PAGE_SIZE, vec) < 0)
			break;
		for (size_t i = 0; i < n; i++)
			pages += vec[i] & 1;
	}
	return pages;
}

/* How many of the n mappings at v lie end to end and together fit one question of at most `most` pages. */
static unsigned neighbours(const struct vma *v, unsigned n, size_t most)
{
	unsigned i = 0;

	while (i < n && (v[i].prot & (PROT_READ | PROT_WRITE | PROT_EXEC)) && (!i || v[i].start == v[i - 1].end) &&
	       v[i].end - v[0].start <= most * PAGE_SIZE)
		i++;
	return i;
}

static void count(const struct vma *v, unsigned n, const u8 *vec, u64 *anon, u64 *file)
{
	for (; n; n--, v++) {
		for (uintptr_t at = v->start; at < v->end; at += PAGE_SIZE)
			*(v->file ? file : anon) += *vec++ & 1 ? PAGE_SIZE : 0;
	}
}

/* Programs and libraries are mapped in pieces, a dozen and more in all: the host is asked for neighbours at once. */
void proc_resident(struct mm *mm, u64 *anon, u64 *file)
{
	struct vma_list l;
	u8 *vec = base_alloc(VEC_PAGES);

	*anon = *file = 0;
	if (!vec || list_take(mm, &l)) {
		base_free(vec);
		return;
	}
	for (unsigned i = 0, n; i < l.n; i += n) {
		const struct vma *v = &l.v[i];

		n = neighbours(v, l.n - i, VEC_PAGES);
		if (n && pal_mincore(v->start, v[n - 1].end - v->start, vec) == 0) {
			count(v, n, vec, anon, file);
		} else {
			n = 1;
			*(v->file ? file : anon) += resident(v) * PAGE_SIZE;
		}
	}
	list_free(&l);
	base_free(vec);
}

static void show_amounts(struct buf *b, u64 size_kb, u64 rss_kb, u64 private_kb, u64 locked_kb)
{
	static const char *const zero[] = { "Swap", "SwapPss" };

	if (size_kb)
		base_buf_printf(
			b,
			"Size:           %8lu kB\nKernelPageSize: %8u kB\nMMUPageSize:    %8u kB\n",
			size_kb, 4, 4);
	base_buf_printf(
		b, "Rss:            %8lu kB\nPss:            %8lu kB\nPss_Dirty:      %8lu kB\n",
		rss_kb, rss_kb, private_kb);
	base_buf_printf(b, "Shared_Clean:   %8lu kB\nShared_Dirty:   %8u kB\n", rss_kb - private_kb,
			0);
	base_buf_printf(b, "Private_Clean:  %8u kB\nPrivate_Dirty:  %8lu kB\n", 0, private_kb);
	base_buf_printf(
		b, "Referenced:     %8lu kB\nAnonymous:      %8lu kB\nKSM:            %8u kB\n",
		rss_kb, private_kb, 0);
	base_buf_printf(b,
			"LazyFree:       %8u kB\nAnonHugePages:  %8u kB\nShmemPmdMapped: %8u kB\n",
			0, 0, 0);
	base_buf_printf(b,
			"FilePmdMapped:  %8u kB\nShared_Hugetlb: %8u kB\nPrivate_Hugetlb: %7u kB\n",
			0, 0, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(zero); i++)
		base_buf_printf(b, "%s:%*s%8u kB\n", zero[i], (int)(15 - strlen(zero[i])), "", 0);
	base_buf_printf(b, "Locked:         %8lu kB\n", locked_kb);
}

/* The letters of fs/proc/task_mmu.c, in the order of the kernel's bits. */
static void show_flags(struct buf *b, const struct vma *v)
{
	bool shared = v->flags & MAP_SHARED, readonly = v->flags & VMA_NOWRITE;
	bool ours = v->kind == VMA_VVAR || v->kind == VMA_VDSO;
	const struct {
		bool set;
		char name[4];
	} flag[] = {
		{ v->prot & PROT_READ, "rd " },
		{ v->prot & PROT_WRITE, "wr " },
		{ v->prot & PROT_EXEC, "ex " },
		{ shared && !readonly, "sh " },
		{ true, "mr " },
		{ v->kind != VMA_VVAR && !readonly, "mw " },
		{ v->kind != VMA_VVAR, "me " },
		{ shared, "ms " },
		{ v->kind == VMA_STACK || (v->flags & MAP_GROWSDOWN), "gd " },
		{ v->kind == VMA_VVAR, "pf " },
		{ v->flags & VMA_LOCKED, "lo " },
		{ v->kind == VMA_VVAR, "io " },
		{ v->flags & VMA_DONTFORK, "dc " },
		{ ours, "de " },
		{ !ours && (v->prot & PROT_WRITE) && !(shared && v->file) && !(v->flags & MAP_NORESERVE), "ac " },
		{ v->flags & MAP_NORESERVE, "nr " },
		{ v->kind == VMA_VVAR, "dd " },
	};

	base_buf_puts(b, "VmFlags: ");
	for (unsigned i = 0; i < ARRAY_SIZE(flag); i++)
		if (flag[i].set)
			base_buf_puts(b, flag[i].name);
	base_buf_puts(b, "\n");
}

enum detail { LINES, EACH, SUM };

static int show(struct pseudo_node *n, struct buf *b, enum detail detail)
{
	u64 rss = 0, own = 0, locked = 0, first = 0, last = 0;
	struct vma_list l;
	struct proc_who w;
	char *text;
	int r = proc_who(n, &w);

	if (r < 0 || !w.self)
		return r < 0 ? r : proc_ask_text(n, true, b);
	text = base_alloc(PATH_MAX_LEN);
	if (!text)
		return -ENOMEM;
	r = list_take(w.self->mm, &l);
	for (unsigned i = 0; r == 0 && i < l.n; i++) {
		const struct vma *v = &l.v[i];
		u64 pages = detail == LINES ? 0 : resident(v) * 4;
		u64 pinned = v->flags & VMA_LOCKED ? pages : 0;
		u64 private = v->file && !(v->prot & PROT_WRITE) ? 0 : pages;

		if (detail != SUM)
			show_line(b, w.self->mm, v, text);
		if (detail == EACH) {
			show_amounts(b, (v->end - v->start) >> 10, pages, private, pinned);
			base_buf_puts(b, "THPeligible:           0\n");
			show_flags(b, v);
		}
		rss += pages;
		own += private;
		locked += pinned;
		first = i ? first : v->start;
		last = v->end;
	}
	if (r == 0) {
		list_free(&l);
		if (detail == SUM) {
			base_buf_printf(b, "%08lx-%08lx ---p 00000000 00:00 0 %*s[rollup]\n", first,
					last, 23, "");
			show_amounts(b, 0, rss, own, locked);
		}
	}
	base_free(text);
	return r;
}

int proc_show_maps(struct pseudo_node *n, struct buf *b)
{
	return show(n, b, LINES);
}

int proc_show_smaps(struct pseudo_node *n, struct buf *b)
{
	return show(n, b, EACH);
}

int proc_show_smaps_rollup(struct pseudo_node *n, struct buf *b)
{
	return show(n, b, SUM);
}
