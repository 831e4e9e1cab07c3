// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Trampolines: what they are and where they lie.
 *
 * A trampoline stands outside the image's own span, at a fixed distance from it. Those that punned
 * jumps land on take the place that their site dictates, within 256 bytes; all others lie together
 * right below the image, where neither its heap nor its zero pages follow.
 *
 * The code is known to pal/trap.c byte by byte: it begins at a multiple of 32, so that a signal
 * handler can tell an interrupted trampoline by the bytes at the start of the slot.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "gshd/rewrite/rewrite.h"
#include "pal/tcb.h"

void tramp_write(struct image *img, const struct site *s)
{
	static const u8 code[TRAMPOLINE_SIZE] = {
		0x65, 0x48, 0x89, 0x24, 0x25,	   TCB_GUEST_RSP,
		0,    0,    0, /* mov %rsp, %gs:TCB_GUEST_RSP */
		0x48, 0x8d, 0x0d, 0,	0,	   0,
		0, /* lea s+2(%rip), %rcx */
		0x65, 0x48, 0x8b, 0x24, 0x25,	   TCB_STACK_TOP,
		0,    0,    0, /* mov %gs:TCB_STACK_TOP, %rsp */
		0x65, 0xff, 0x24, 0x25, TCB_ENTRY, 0,
		0,    0, /* jmp *%gs:TCB_ENTRY */
	};
	s32 back = (s32)(s->vaddr + 2 - (s->trampoline + 16));

	for (size_t i = 0; i < img->ntpages; i++) {
		struct tpage *p = &img->tpages[i];
		u8 *at;

		if (p->vaddr != PAGE_DOWN(s->trampoline))
			continue;
		at = p->bytes + (s->trampoline - p->vaddr);
		memcpy(at, code, sizeof(code));
		memcpy(at + 12, &back, sizeof(back));
		if (s->cpuid) {
			at[11] = 0x15; /* lea s+2(%rip), %rdx: rcx is the instruction's input */
			at[29] = TCB_CPUID;
		}
	}
}

static struct tpage *page_find(struct image *img, u64 vaddr)
{
	for (size_t i = 0; i < img->ntpages; i++)
		if (img->tpages[i].vaddr == vaddr)
			return &img->tpages[i];
	return NULL;
}

/* May a page of trampolines lie there? Not in the image, nor where no mapping of this kind of image
 * can be. */
static bool page_allowed(const struct image *img, u64 vaddr)
{
	s64 at = (s64)vaddr;

	if (at < (s64)img->hi && at + (s64)PAGE_SIZE > (s64)img->lo)
		return false;
	return img->head.e_type == ET_DYN || at >= IMAGE_LOWEST;
}

static bool is_far(const struct image *img, u64 vaddr)
{
	s64 at = (s64)vaddr;

	return at < (s64)img->lo - IMAGE_NEAR || at + (s64)PAGE_SIZE > (s64)img->hi + IMAGE_NEAR;
}

static struct tpage *page_make(struct image *img, u64 vaddr)
{
	bool far = is_far(img, vaddr);
	struct tpage *p;

	if (!page_allowed(img, vaddr) || (far && img->nfar == IMAGE_FAR_MAX))
		return NULL;
	if (img->ntpages == img->tpages_room) {
		size_t room = img->tpages_room ? 2 * img->tpages_room : 64;
		struct tpage *more = realloc(img->tpages, room * sizeof(*more));

		if (!more)
			return NULL;
		img->tpages = more;
		img->tpages_room = room;
	}
	p = &img->tpages[img->ntpages];
	*p = (struct tpage){.vaddr = vaddr, .bytes = malloc(PAGE_SIZE)};
	if (!p->bytes)
		return NULL;
	memset(p->bytes, 0xcc, PAGE_SIZE);
	img->ntpages++;
	img->nfar += far;
	return p;
}

static bool granules_take(struct tpage *p, size_t i)
{
	if (i + 1 >= TPAGE_GRANULES || p->used[i] || p->used[i + 1])
		return false;
	p->used[i] = p->used[i + 1] = true;
	return true;
}

bool tramp_take_window(struct image *img, u64 from, u64 *at)
{
	for (int make = 0; make < 2; make++) {
		for (u64 a = ALIGN_UP(from, (u64)TRAMPOLINE_ALIGN); a < from + 256;
		     a += TRAMPOLINE_ALIGN) {
			struct tpage *p = page_find(img, PAGE_DOWN(a));

			if (!p && make)
				p = page_make(img, PAGE_DOWN(a));
			if (p && granules_take(p, (a - p->vaddr) / TRAMPOLINE_ALIGN)) {
				*at = a;
				return true;
			}
		}
	}
	return false;
}

bool tramp_take_near(struct image *img, u64 *at)
{
	for (u64 page = img->lo - PAGE_SIZE; page_allowed(img, page); page -= PAGE_SIZE) {
		struct tpage *p = page_find(img, page);

		if (!p)
			p = page_make(img, page);
		if (!p)
			return false;
		for (size_t i = 0; i + 1 < TPAGE_GRANULES; i++) {
			if (granules_take(p, i)) {
				*at = p->vaddr + i * TRAMPOLINE_ALIGN;
				return true;
			}
		}
	}
	return false;
}
