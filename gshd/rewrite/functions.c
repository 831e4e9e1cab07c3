// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Where functions start: the places from which decoding may begin.
 *
 * Unwind tables say it best, for they give an end too. Symbols follow, for images that have no
 * unwind tables (musl, Go). The starts of executable sections and the entry point come last: from
 * them a decoder must find its own way.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "gshd/rewrite/rewrite.h"

#define SECTIONS_MAX 4096
#define SYMBOLS_MAX (8u << 20)

int function_add(struct image *img, u64 start, u64 end)
{
	struct segment *seg = image_segment(img, start, 1);

	if (!seg)
		return 0;
	if (end <= start || end - seg->vaddr > seg->size)
		end = 0;
	if (img->nfunctions == img->functions_room) {
		size_t room = img->functions_room ? 2 * img->functions_room : 1024;
		struct function *more = realloc(img->functions, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		img->functions = more;
		img->functions_room = room;
	}
	img->functions[img->nfunctions++] = (struct function){start, end};
	seg->marks[start - seg->vaddr] |= MARK_TARGET;
	return 0;
}

static int add_symbols(struct image *img, const Elf64_Shdr *sh, const u8 *file_part, u64 size)
{
	const Elf64_Sym *sym = (const Elf64_Sym *)file_part;

	(void)sh;
	for (u64 i = 0; i < size / sizeof(*sym) && i < SYMBOLS_MAX; i++) {
		unsigned type = ELF64_ST_TYPE(sym[i].st_info);
		int err;

		if (sym[i].st_shndx == SHN_UNDEF || (type != STT_FUNC && type != STT_GNU_IFUNC))
			continue;
		err = function_add(img, sym[i].st_value, sym[i].st_value + sym[i].st_size);
		if (err)
			return err;
	}
	return 0;
}

static u8 *read_file(struct image *img, u64 offset, u64 size)
{
	/* A view of the whole file as one segment, so that one function reads. */
	Elf64_Phdr all = {.p_type = PT_LOAD, .p_filesz = img->file_size};
	struct image view = {
		.fd = img->fd, .file_size = img->file_size, .phdrs = &all, .head.e_phnum = 1};
	u64 got = size;
	u8 *copy = image_copy(&view, offset, &got);

	if (copy && got != size) {
		free(copy);
		return NULL;
	}
	return copy;
}

static int add_section(struct image *img, const Elf64_Shdr *sh)
{
	u8 *part;
	int err;

	if (sh->sh_type == SHT_PROGBITS && sh->sh_flags & SHF_EXECINSTR)
		return function_add(img, sh->sh_addr, 0);
	if (sh->sh_type != SHT_SYMTAB && sh->sh_type != SHT_DYNSYM)
		return 0;
	if (sh->sh_entsize != sizeof(Elf64_Sym) || !sh->sh_size ||
	    sh->sh_size > SYMBOLS_MAX * sizeof(Elf64_Sym))
		return 0;
	part = read_file(img, sh->sh_offset, sh->sh_size);
	if (!part)
		return 0;
	err = add_symbols(img, sh, part, sh->sh_size);
	free(part);
	return err;
}

static int add_sections(struct image *img)
{
	const Elf64_Ehdr *h = &img->head;
	Elf64_Shdr *sh;
	int err = 0;

	if (!h->e_shoff || h->e_shentsize != sizeof(*sh) || !h->e_shnum ||
	    h->e_shnum > SECTIONS_MAX)
		return 0;
	sh = (Elf64_Shdr *)read_file(img, h->e_shoff, h->e_shnum * sizeof(*sh));
	if (!sh)
		return 0;
	for (unsigned i = 0; i < h->e_shnum && !err; i++)
		err = add_section(img, &sh[i]);
	free(sh);
	return err;
}

static int compare(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end > y->end ? -1 : x->end < y->end;
}

int image_find_functions(struct image *img)
{
	size_t kept = 0;
	int err = unwind_functions(img);

	if (!err)
		err = add_sections(img);
	if (!err)
		err = function_add(img, img->head.e_entry, 0);
	if (err)
		return err;
	/* Of several that start together the longest stands. */
	if (img->nfunctions)
		qsort(img->functions, img->nfunctions, sizeof(*img->functions), compare);
	for (size_t i = 0; i < img->nfunctions; i++)
		if (!kept || img->functions[i].start != img->functions[kept - 1].start)
			img->functions[kept++] = img->functions[i];
	img->nfunctions = kept;
	return 0;
}

size_t function_below(const struct image *img, u64 vaddr)
{
	size_t low = 0, high = img->nfunctions;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (img->functions[mid].start <= vaddr)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? low - 1 : img->nfunctions;
}
