/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * ELF segments into memory: file pages private and straight from the host's page cache, then bss.
 */
#include "libos/boot/boot.h"
#include "libos/mm/mm.h"
#include "libos/sys/user.h"

static int prot_of(const struct elf64_phdr *p)
{
	return (p->p_flags & PF_R ? PROT_READ : 0) | (p->p_flags & PF_W ? PROT_WRITE : 0) |
	       (p->p_flags & PF_X ? PROT_EXEC : 0);
}

/* The tail of the last file page, whole, belongs to the bss (ld.so allocates from what follows its own). Linux leaves
 * it alone where the segment can't be written. */
static int clear_tail(uintptr_t from, uintptr_t to, int prot)
{
	if (from == to || !(prot & PROT_WRITE))
		return 0;
	return user_zero((void *)from, to - from);
}

/* The loader and small programs are executed from end to end: all of them is mapped at once. */
#define SMALL_IMAGE (256ul << 10)

static int map_segment(struct mm *mm, struct elf_image *e, const struct elf64_phdr *p)
{
	int flags = MAP_PRIVATE | MAP_FIXED | MAP_DENYWRITE | (e->high - e->low <= SMALL_IMAGE ? MAP_POPULATE : 0);
	uintptr_t start = PAGE_DOWN(p->p_vaddr) + e->bias, addr = p->p_vaddr + e->bias;
	uintptr_t file_end = PAGE_UP(addr + p->p_filesz), end = PAGE_UP(addr + p->p_memsz);
	int prot = prot_of(p), err = 0;
	intptr_t r;

	if (p->p_filesz) {
		/* The first segment must find its place free; later ones may share a page with the
		 * one before, as Linux. */
		r = mm_map(mm, start, file_end - start, prot, flags, e->file, PAGE_DOWN(p->p_offset));
		if (r < 0)
			return (int)r;
		if (p->p_memsz > p->p_filesz)
			err = clear_tail(addr + p->p_filesz, file_end, prot);
	} else {
		file_end = start;
	}
	if (err || end <= file_end)
		return err;
	r = mm_map(mm, file_end, end - file_end, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0);
	return r < 0 ? (int)r : 0;
}

/* Where a position-independent object goes: the base asked for, if all of it is free there, else
 * wherever mmap would. Of its lowest address, as linked, only what is below the alignment stays; that much is
 * to be free, too, or the end would lie on what others have mapped. */
static uintptr_t place(struct mm *mm, const struct elf_image *e, uintptr_t base)
{
	size_t size = e->high - ALIGN_DOWN(e->low, e->align);
	uintptr_t at = ALIGN_UP(base, e->align);

	mm_lock(mm);
	if (!base || !guest_mappable(at, at + size) || !vma_range_free(mm, at, at + size))
		at = mm_choose(mm, size, e->align, 0);
	mm_unlock(mm);
	return at;
}

int elf_map(struct mm *mm, struct elf_image *e, uintptr_t base)
{
	e->bias = 0;
	if (e->hdr.e_type == ET_DYN) {
		uintptr_t at = place(mm, e, base);

		if (!at)
			return -ENOMEM;
		e->bias = at - ALIGN_DOWN(e->low, e->align);
	}
	for (unsigned i = 0; i < e->hdr.e_phnum; i++) {
		int err = e->phdrs[i].p_type == PT_LOAD && e->phdrs[i].p_memsz ? map_segment(mm, e, &e->phdrs[i]) : 0;

		if (err)
			return err;
	}
	return 0;
}

void elf_note_bounds(struct mm *mm, const struct elf_image *e)
{
	uintptr_t code_start = UINTPTR_MAX, code_end = 0, data_start = 0, data_end = 0;

	for (unsigned i = 0; i < e->hdr.e_phnum; i++) {
		const struct elf64_phdr *p = &e->phdrs[i];
		uintptr_t start = p->p_vaddr + e->bias, end = start + p->p_filesz;

		if (p->p_type != PT_LOAD)
			continue;
		if (p->p_flags & PF_X) {
			code_start = MIN(code_start, start);
			code_end = MAX(code_end, end);
		}
		data_start = MAX(data_start, start);
		data_end = MAX(data_end, end);
	}
	mm->code_start = code_end ? code_start : 0;
	mm->code_end = code_end;
	mm->data_start = data_start;
	mm->data_end = data_end;
}

u64 elf_phdr_address(const struct elf_image *e)
{
	for (unsigned i = 0; i < e->hdr.e_phnum; i++)
		if (e->phdrs[i].p_type == PT_PHDR)
			return e->phdrs[i].p_vaddr + e->bias;
	for (unsigned i = 0; i < e->hdr.e_phnum; i++) {
		const struct elf64_phdr *p = &e->phdrs[i];

		if (p->p_type == PT_LOAD && p->p_offset <= e->hdr.e_phoff && e->hdr.e_phoff < p->p_offset + p->p_filesz)
			return e->hdr.e_phoff - p->p_offset + p->p_vaddr + e->bias;
	}
	return 0;
}
