// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Functions as the unwind tables know them: .eh_frame, found through PT_GNU_EH_FRAME.
 *
 * A frame description entry says where a function begins and how long it is, for stripped files
 * too. The tables are a sequence of records; a common information entry (CIE) says how the pointers
 * of those that refer to it are encoded. Only the encoding that every linker on x86-64 makes is
 * understood: four bytes, relative to their own place. Records of another kind are passed over.
 * (Linux Standard Base, "Exception Frames".)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "gshd/rewrite/rewrite.h"

#define ENC_ABSPTR 0x00
#define ENC_UDATA4 0x03
#define ENC_SDATA4 0x0b
#define ENC_PCREL 0x10
#define ENC_OMIT 0xff

struct frame {
	const u8 *bytes;
	u64 size, vaddr;
};

static u32 get32(const u8 *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static bool skip_leb(const u8 **p, const u8 *end)
{
	while (*p < end)
		if (!(*(*p)++ & 0x80))
			return true;
	return false;
}

static unsigned pointer_size(u8 enc)
{
	switch (enc & 0x0f) {
	case 0x00:
	case 0x04:
	case 0x0c:
		return 8;
	case 0x02:
	case 0x0a:
		return 2;
	case 0x03:
	case 0x0b:
		return 4;
	}
	return 0;
}

/* The encoding of code pointers in entries that refer to the CIE at `at`; ENC_OMIT if it can't be
 * told. Is it of signal frames? */
static u8 cie_encoding(const struct frame *f, u64 at, bool *signal)
{
	const u8 *p = f->bytes + at, *end, *aug;
	u32 size;

	if (at > f->size || f->size - at < 9)
		return ENC_OMIT;
	size = get32(p);
	if (size < 5 || size > f->size - at - 4 || get32(p + 4))
		return ENC_OMIT;
	end = p + 4 + size;
	p += 9;
	aug = p;
	p = memchr(p, 0, (size_t)(end - p));
	if (!p++)
		return ENC_OMIT;
	*signal = strchr((const char *)aug, 'S');
	if (*aug != 'z')
		return *aug ? ENC_OMIT : ENC_ABSPTR;
	/* Code and data alignment, return address register, length of the augmentation. */
	for (int i = 0; i < 4; i++)
		if (!skip_leb(&p, end))
			return ENC_OMIT;
	for (aug++; *aug; aug++) {
		if (p >= end)
			return ENC_OMIT;
		if (*aug == 'R')
			return *p;
		if (*aug == 'L')
			p++;
		else if (*aug == 'P')
			p += 1 + pointer_size(*p);
		else if (*aug != 'S' && *aug != 'B')
			return ENC_OMIT;
	}
	return ENC_ABSPTR;
}

static int walk(struct image *img, const struct frame *f)
{
	u64 at = 0, cie_at = ~0ull;
	bool signal = false;
	u8 enc = ENC_OMIT;

	while (at <= f->size && f->size - at >= 16) {
		const u8 *p = f->bytes + at;
		u32 size = get32(p), back = get32(p + 4);
		u64 start;
		int err;

		/* The end; or a 64-bit record, which nobody makes. */
		if (!size || size == 0xffffffff || size > f->size - at - 4)
			break;
		if (back && back <= at + 4 && size >= 12) {
			if (cie_at != at + 4 - back) {
				cie_at = at + 4 - back;
				enc = cie_encoding(f, cie_at, &signal);
			}
			if (enc == (ENC_PCREL | ENC_SDATA4)) {
				start = f->vaddr + at + 8 + (u64)(s64)(s32)get32(p + 8);
				/* What a handler returns to has a byte of the NOP before it in its entry: unwinders
				 * look for the caller one byte before where it goes on. */
				err = function_add(img, start + signal, start + get32(p + 12));
				if (err)
					return err;
			}
		}
		at += 4 + (u64)size;
	}
	return 0;
}

/* .eh_frame's address stands in .eh_frame_hdr; it ends with its terminator or the segment. */
int unwind_functions(struct image *img)
{
	for (unsigned i = 0; i < img->head.e_phnum; i++) {
		const Elf64_Phdr *p = &img->phdrs[i];
		struct frame f = {.size = REWRITE_TEXT_MAX};
		u64 size = 8;
		u8 *hdr;
		int err;

		if (p->p_type != PT_GNU_EH_FRAME)
			continue;
		hdr = image_copy(img, p->p_vaddr, &size);
		if (hdr && size == 8 && hdr[0] == 1 && hdr[1] == (ENC_PCREL | ENC_SDATA4)) {
			f.vaddr = p->p_vaddr + 4 + (u64)(s64)(s32)get32(hdr + 4);
			f.bytes = image_copy(img, f.vaddr, &f.size);
		}
		free(hdr);
		if (!f.bytes)
			return 0;
		err = walk(img, &f);
		free((void *)f.bytes);
		return err;
	}
	return 0;
}
