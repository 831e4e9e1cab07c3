// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * An executable as the rewriter sees it: program headers and the bytes of executable segments.
 *
 * The file is hostile and may even change while it is read: whatever is looked at twice is copied
 * first, and every number of it is checked before it is used. What Linux would not load, or what
 * would be dubious to patch (text that is writable, or relocated at run time), is refused with
 * -ENOEXEC and traps.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "gshd/rewrite/rewrite.h"

#define PHDRS_MAX 128
#define VADDR_MAX (1ull << 47)

static int read_at(const struct image *img, void *buf, u64 size, u64 offset)
{
	u8 *p = buf;

	if (offset > img->file_size || size > img->file_size - offset)
		return -ENOEXEC;
	while (size) {
		ssize_t n = pread(img->fd, p, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -ENOEXEC;
		p += n;
		size -= (u64)n;
		offset += (u64)n;
	}
	return 0;
}

static int read_head(struct image *img)
{
	Elf64_Ehdr *h = &img->head;
	u64 size;
	int err = read_at(img, h, sizeof(*h), 0);

	if (err)
		return err;
	if (memcmp(h->e_ident, ELFMAG, SELFMAG) || h->e_ident[EI_CLASS] != ELFCLASS64 ||
	    h->e_ident[EI_DATA] != ELFDATA2LSB || h->e_machine != EM_X86_64 ||
	    (h->e_type != ET_EXEC && h->e_type != ET_DYN) || h->e_phentsize != sizeof(Elf64_Phdr) ||
	    !h->e_phnum || h->e_phnum > PHDRS_MAX)
		return -ENOEXEC;
	size = h->e_phnum * sizeof(Elf64_Phdr);
	img->phdrs = malloc(size);
	return img->phdrs ? read_at(img, img->phdrs, size, h->e_phoff) : -ENOMEM;
}

static int check_loads(struct image *img)
{
	u64 text = 0;

	img->lo = VADDR_MAX;
	for (unsigned i = 0; i < img->head.e_phnum; i++) {
		const Elf64_Phdr *p = &img->phdrs[i];

		if (p->p_type != PT_LOAD || !p->p_memsz)
			continue;
		if (p->p_filesz > p->p_memsz || p->p_vaddr >= VADDR_MAX ||
		    p->p_memsz >= VADDR_MAX - p->p_vaddr || p->p_offset > img->file_size ||
		    p->p_filesz > img->file_size - p->p_offset ||
		    (p->p_vaddr ^ p->p_offset) & (PAGE_SIZE - 1))
			return -ENOEXEC;
		img->lo = MIN(img->lo, PAGE_DOWN(p->p_vaddr));
		img->hi = MAX(img->hi, PAGE_UP(p->p_vaddr + p->p_memsz));
		if (!(p->p_flags & PF_X) || !p->p_filesz)
			continue;
		text += p->p_filesz;
		if (p->p_flags & PF_W || text > REWRITE_TEXT_MAX ||
		    img->nsegs == REWRITE_SEGMENTS_MAX)
			return -ENOEXEC;
		img->segs[img->nsegs++] = (struct segment){
			.offset = p->p_offset, .vaddr = p->p_vaddr, .size = p->p_filesz};
	}
	return img->nsegs && img->hi - img->lo < 1ull << 31 ? 0 : -ENOEXEC;
}

/* Text relocations would be applied to our bytes by the guest's loader. */
static int check_dynamic(struct image *img)
{
	for (unsigned i = 0; i < img->head.e_phnum; i++) {
		const Elf64_Phdr *p = &img->phdrs[i];
		u64 size = p->p_filesz;
		Elf64_Dyn *d;
		bool bad = false;

		if (p->p_type != PT_DYNAMIC)
			continue;
		d = (Elf64_Dyn *)image_copy(img, p->p_vaddr, &size);
		if (!d)
			return -ENOEXEC;
		for (u64 j = 0; j < size / sizeof(*d) && d[j].d_tag != DT_NULL; j++)
			bad |= d[j].d_tag == DT_TEXTREL ||
			       (d[j].d_tag == DT_FLAGS && d[j].d_un.d_val & DF_TEXTREL);
		free(d);
		if (bad)
			return -ENOEXEC;
	}
	return 0;
}

static int read_text(struct image *img)
{
	for (unsigned i = 0; i < img->nsegs; i++) {
		struct segment *s = &img->segs[i];
		int err;

		s->bytes = malloc(s->size);
		s->marks = calloc(1, s->size);
		if (!s->bytes || !s->marks)
			return -ENOMEM;
		err = read_at(img, s->bytes, s->size, s->offset);
		if (err)
			return err;
	}
	return 0;
}

int image_read(struct image *img, int fd)
{
	struct stat st;
	int err;

	memset(img, 0, sizeof(*img));
	img->fd = fd;
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	img->file_size = (u64)st.st_size;
	err = read_head(img);
	if (!err)
		err = check_loads(img);
	if (!err)
		err = check_dynamic(img);
	if (!err)
		err = read_text(img);
	return err;
}

struct segment *image_segment(struct image *img, u64 vaddr, u64 size)
{
	for (unsigned i = 0; i < img->nsegs; i++) {
		struct segment *s = &img->segs[i];

		if (vaddr >= s->vaddr && vaddr - s->vaddr < s->size &&
		    size <= s->size - (vaddr - s->vaddr))
			return s;
	}
	return NULL;
}

u8 *image_copy(struct image *img, u64 vaddr, u64 *size)
{
	for (unsigned i = 0; i < img->head.e_phnum; i++) {
		const Elf64_Phdr *p = &img->phdrs[i];
		u64 skip = vaddr - p->p_vaddr;
		u8 *copy;

		if (p->p_type != PT_LOAD || vaddr < p->p_vaddr || skip >= p->p_filesz)
			continue;
		*size = MIN(*size, p->p_filesz - skip);
		copy = malloc(*size ? *size : 1);
		if (copy && read_at(img, copy, *size, p->p_offset + skip)) {
			free(copy);
			return NULL;
		}
		return copy;
	}
	return NULL;
}

void image_free(struct image *img)
{
	for (unsigned i = 0; i < img->nsegs; i++) {
		free(img->segs[i].bytes);
		free(img->segs[i].marks);
	}
	for (size_t i = 0; i < img->ntpages; i++)
		free(img->tpages[i].bytes);
	free(img->phdrs);
	free(img->functions);
	free(img->sites);
	free(img->tpages);
	memset(img, 0, sizeof(*img));
}
