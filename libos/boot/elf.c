/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * ELF headers: read from a file that may hold anything, checked before a byte of it is believed.
 *
 * The checks and their errno are those of Linux's fs/binfmt_elf.c, with two more that Linux leaves to the mapping
 * calls: the span of the segments must not wrap, and must lie where a guest may map.
 */
#include "libos/boot/boot.h"
#include "libos/mm/mm.h"

#define PHDRS_SIZE_MAX 65536

static bool header_ok(const struct elf64_hdr *h)
{
	if (memcmp(h->e_ident, ELFMAG, SELFMAG) || h->e_ident[EI_CLASS] != ELFCLASS64 ||
	    h->e_ident[EI_DATA] != ELFDATA2LSB)
		return false;
	if ((h->e_type != ET_EXEC && h->e_type != ET_DYN) || h->e_machine != EM_X86_64)
		return false;
	return h->e_phentsize == sizeof(struct elf64_phdr) && h->e_phnum &&
	       h->e_phnum * sizeof(struct elf64_phdr) <= PHDRS_SIZE_MAX;
}

static bool segment_ok(const struct elf64_phdr *p)
{
	u64 end;

	if (p->p_filesz > p->p_memsz || __builtin_add_overflow(p->p_vaddr, p->p_memsz, &end) || end > PAL_GUEST_TOP)
		return false;
	if (__builtin_add_overflow(p->p_offset, p->p_filesz, &end) || end > INT64_MAX)
		return false;
	return ((p->p_vaddr ^ p->p_offset) & (PAGE_SIZE - 1)) == 0 || !p->p_filesz;
}

/* Span and alignment of the segments. */
static int survey(struct elf_image *e)
{
	e->low = UINTPTR_MAX;
	e->high = 0;
	e->align = PAGE_SIZE;
	for (unsigned i = 0; i < e->hdr.e_phnum; i++) {
		const struct elf64_phdr *p = &e->phdrs[i];

		if (p->p_type != PT_LOAD)
			continue;
		if (!segment_ok(p))
			return -EINVAL;
		if (!p->p_memsz)
			continue;
		e->low = MIN(e->low, PAGE_DOWN(p->p_vaddr));
		e->high = MAX(e->high, PAGE_UP(p->p_vaddr + p->p_memsz));
		/* Only powers of two mean something: fs/binfmt_elf.c, maximum_alignment. */
		if (p->p_align && !(p->p_align & (p->p_align - 1)) && p->p_align <= (1ul << 30))
			e->align = MAX(e->align, p->p_align);
	}
	if (e->low >= e->high)
		return -EINVAL;
	if (e->hdr.e_type == ET_EXEC && !guest_mappable(e->low, e->high))
		return -ENOMEM;
	return 0;
}

int elf_open(struct elf_image *e, struct file *file)
{
	ssize_t n;

	memset(e, 0, offsetof(struct elf_image, head));
	e->phdrs = NULL;
	n = file_read_kernel(file, e->head, sizeof(e->head), 0);
	if (n < 0)
		return (int)n;
	e->head_size = (size_t)n;
	e->file = file_get(file);
	return 0;
}

/* Bytes of the file, from what was read already where they lie there. Bytes, or -errno. */
static ssize_t read_at(const struct elf_image *e, void *out, size_t n, u64 offset)
{
	if (offset > e->head_size || n > e->head_size - offset)
		return file_read_kernel(e->file, out, n, offset);
	memcpy(out, e->head + offset, n);
	return (ssize_t)n;
}

int elf_read(struct elf_image *e, bool interpreter)
{
	int bad = interpreter ? -ELIBBAD : -ENOEXEC, cut = interpreter ? -EIO : -ENOEXEC;
	size_t size;
	ssize_t n;

	if (e->head_size < sizeof(e->hdr))
		return cut;
	memcpy(&e->hdr, e->head, sizeof(e->hdr));
	if (!header_ok(&e->hdr))
		return bad;
	size = e->hdr.e_phnum * sizeof(struct elf64_phdr);
	e->phdrs = base_alloc(size);
	if (!e->phdrs)
		return -ENOMEM;
	n = read_at(e, e->phdrs, size, e->hdr.e_phoff);
	if (n != (ssize_t)size)
		return n < 0 ? (int)n : cut;
	return survey(e);
}

void elf_free(struct elf_image *e)
{
	if (e->file)
		file_put(e->file);
	base_free(e->phdrs);
	e->file = NULL;
	e->phdrs = NULL;
}

int elf_interpreter(const struct elf_image *e, char *out)
{
	for (unsigned i = 0; i < e->hdr.e_phnum; i++) {
		const struct elf64_phdr *p = &e->phdrs[i];
		ssize_t n;

		if (p->p_type != PT_INTERP)
			continue;
		if (p->p_filesz < 2 || p->p_filesz > PATH_MAX_LEN)
			return -ENOEXEC;
		n = read_at(e, out, p->p_filesz, p->p_offset);
		if (n != (ssize_t)p->p_filesz)
			return n < 0 ? (int)n : -EIO;
		return out[n - 1] ? -ENOEXEC : (int)strlen(out);
	}
	return 0;
}

bool elf_exec_stack(const struct elf_image *e)
{
	for (unsigned i = 0; i < e->hdr.e_phnum; i++)
		if (e->phdrs[i].p_type == PT_GNU_STACK)
			return e->phdrs[i].p_flags & PF_X;
	return false;
}
