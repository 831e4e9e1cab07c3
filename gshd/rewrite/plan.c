// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * An encoding for each site.
 *
 * Islands are few. They go first to CPUIDs in loops, of which glibc's loader has one that alone makes seven of its
 * exits from a virtual machine, some microseconds each; then to the sites that no punned jump can serve, then to
 * those whose punned jump would land far away, on a page that no other site uses, then to all others; lowest address
 * first. What is left takes the punned jump, highest address first, because its displacement is made of the bytes
 * behind it, which must be final by then. A site that gets nothing stays a system call instruction, and traps.
 */
#include <errno.h>
#include <string.h>
#include "gshd/rewrite/rewrite.h"

#define ISLAND_SIZE 5

static u8 *mark_at(const struct site *s, u64 vaddr)
{
	return &s->seg->marks[vaddr - s->seg->vaddr];
}

static u8 *byte_at(const struct site *s, u64 vaddr)
{
	return &s->seg->bytes[vaddr - s->seg->vaddr];
}

static bool inside(const struct segment *seg, u64 vaddr, u64 size)
{
	return vaddr >= seg->vaddr && vaddr - seg->vaddr <= seg->size &&
	       size <= seg->size - (vaddr - seg->vaddr);
}

/* ---- punned jumps ---- */

/* Where the window of a punned jump at s begins; false if the bytes behind it are not to be relied
 * on. */
static bool window_of(const struct site *s, u64 *from)
{
	s32 rel = 0;

	if (!inside(s->seg, s->vaddr, 5))
		return false;
	for (int i = 0; i < 3; i++) {
		if (*mark_at(s, s->vaddr + 2 + i) & MARK_ISLAND)
			return false;
		rel |= (s32)((u32)*byte_at(s, s->vaddr + 2 + i) << (8 * (i + 1)));
	}
	*from = s->vaddr + 5 + (u64)(s64)rel;
	return true;
}

/* How well a punned jump would do. */
enum reach { REACH_NONE, REACH_FAR, REACH_NEAR };

static enum reach punned_reach(const struct image *img, const struct site *s, u64 *from)
{
	s64 a, low = (s64)img->lo, high = (s64)img->hi;

	if (!window_of(s, from))
		return REACH_NONE;
	a = (s64)*from;
	if (a < high && a + 256 + TRAMPOLINE_SIZE > low)
		return REACH_NONE;
	if (img->head.e_type != ET_DYN && a < IMAGE_LOWEST)
		return REACH_NONE;
	return a > low - IMAGE_NEAR && a < high + IMAGE_NEAR ? REACH_NEAR : REACH_FAR;
}

static void punned_take(struct image *img, struct site *s)
{
	u64 from;
	enum reach reach = punned_reach(img, s, &from);

	/* A page far away costs more than the few times that a CPUID is executed. */
	if (reach == REACH_NONE || (s->cpuid && reach == REACH_FAR) ||
	    !tramp_take_window(img, from, &s->trampoline))
		return;
	s->kind = IMAGE_SITE_PUNNED;
	*byte_at(s, s->vaddr) = 0xe9;
	*byte_at(s, s->vaddr + 1) = (u8)(s->trampoline - from);
	for (int i = 0; i < 5; i++)
		*mark_at(s, s->vaddr + i) |= MARK_FINAL;
}

/* ---- short jumps ---- */

static bool island_free(const struct site *s, u64 p)
{
	if (!inside(s->seg, p, ISLAND_SIZE))
		return false;
	for (int i = 0; i < ISLAND_SIZE; i++)
		if ((*mark_at(s, p + i) & (MARK_PAD | MARK_LIVE | MARK_TARGET | MARK_FINAL)) !=
		    MARK_PAD)
			return false;
	return true;
}

static void island_write(const struct site *s)
{
	s32 rel = (s32)(s->trampoline - (s->island + ISLAND_SIZE));
	u8 *p = byte_at(s, s->island);

	*p = 0xe9;
	memcpy(p + 1, &rel, sizeof(rel));
}

static void short_take(struct image *img, struct site *s)
{
	u64 from = s->vaddr + 2 - MIN(s->vaddr + 2, 128), to = s->vaddr + 2 + 127;

	for (u64 p = from; p <= to; p++) {
		if (!island_free(s, p))
			continue;
		if (!tramp_take_near(img, &s->trampoline))
			return;
		s->kind = IMAGE_SITE_SHORT;
		s->island = p;
		for (int i = 0; i < ISLAND_SIZE; i++)
			*mark_at(s, p + i) |= MARK_FINAL | MARK_ISLAND;
		*byte_at(s, s->vaddr) = 0xeb;
		*byte_at(s, s->vaddr + 1) = (u8)(p - (s->vaddr + 2));
		*mark_at(s, s->vaddr) |= MARK_FINAL;
		*mark_at(s, s->vaddr + 1) |= MARK_FINAL;
		island_write(s);
		return;
	}
}

int image_plan(struct image *img)
{
	u64 from;

	for (size_t i = 0; i < img->nsites; i++)
		if (img->sites[i].repeated && punned_reach(img, &img->sites[i], &from) != REACH_NEAR)
			short_take(img, &img->sites[i]);
	for (enum reach r = REACH_NONE; r <= REACH_NEAR; r++)
		for (size_t i = 0; i < img->nsites; i++)
			if (!img->sites[i].kind && punned_reach(img, &img->sites[i], &from) == r)
				short_take(img, &img->sites[i]);
	for (size_t i = img->nsites; i-- > 0;)
		if (!img->sites[i].kind)
			punned_take(img, &img->sites[i]);
	for (size_t i = 0; i < img->nsites; i++)
		if (img->sites[i].kind)
			tramp_write(img, &img->sites[i]);
	return 0;
}
