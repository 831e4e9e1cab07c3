// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Which bytes of the text are system call or CPUID instructions, and which are dead padding.
 *
 * The pairs 0f 05 and 0f a2 occur inside other instructions and in data, so searching for them
 * finds candidates and no more. One counts if decoding from the start of its function arrives
 * there. Only functions that hold a candidate, and what lies within a short jump of a site, are
 * decoded: that is a small part of the text.
 *
 * Padding is a run of NOP or INT3 directly behind an instruction that never falls through. Where
 * two decodings contradict each other, or a branch goes, nothing is touched.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <Zydis/Zydis.h>
#include "gshd/rewrite/rewrite.h"

/* The two bytes of SYSCALL and of CPUID. */
#define FIRST 0x0f
#define SYSCALL_SECOND 0x05
#define CPUID_SECOND 0xa2
/* How far padding that a site could use may lie from it, with room for the run it is in. */
#define REACH 160
/* How far a loop round a CPUID may go to either side; longer jumps back are hardly loops. */
#define LOOP_MAX 64
/* How far behind the known end of a function code is looked for that no table knows. */
#define STRAY_MAX 4096
/* How far before data, where no table says that there is code, what looked like code is not believed to be any. */
#define DOUBT 256

struct candidate {
	struct segment *seg;
	u64 at; /* in its bytes */
};

struct decoder {
	ZydisDecoder zydis;
	struct image *img;
	struct candidate *candidates;
	size_t count, room, syscalls;
};

static bool never_falls_through(const ZydisDecodedInstruction *in)
{
	return in->meta.category == ZYDIS_CATEGORY_RET ||
	       in->meta.category == ZYDIS_CATEGORY_UNCOND_BR ||
	       in->mnemonic == ZYDIS_MNEMONIC_UD2 || in->mnemonic == ZYDIS_MNEMONIC_HLT;
}

static bool is_padding(const ZydisDecodedInstruction *in)
{
	return in->mnemonic == ZYDIS_MNEMONIC_NOP || in->mnemonic == ZYDIS_MNEMONIC_INT3;
}

/* What no program executes stands for data between functions: zeros, and what only a kernel may do. */
static bool is_data(const ZydisDecodedInstruction *in, const u8 *bytes)
{
	if (in->length == 2 && !bytes[0] && !bytes[1])
		return true;
	if (in->meta.category == ZYDIS_CATEGORY_IO || in->meta.category == ZYDIS_CATEGORY_IOSTRINGOP)
		return true;
	return in->attributes & ZYDIS_ATTRIB_IS_PRIVILEGED && in->mnemonic != ZYDIS_MNEMONIC_HLT;
}

static void mark_branch(struct decoder *d, const ZydisDecodedInstruction *in, u64 vaddr)
{
	for (int i = 0; i < 2; i++) {
		struct segment *to;
		u64 target;

		if (!in->raw.imm[i].is_relative)
			continue;
		target = vaddr + in->length + (u64)in->raw.imm[i].value.s;
		to = image_segment(d->img, target, 1);
		if (to)
			to->marks[target - to->vaddr] |= MARK_TARGET;
	}
}

static void mark(struct segment *seg, u64 at, unsigned length, u8 kind)
{
	seg->marks[at] |= MARK_START | kind;
	for (unsigned i = 1; i < length; i++)
		seg->marks[at + i] |= MARK_BODY | kind;
}

/* Been here before, and knowing no less? */
static bool merged(u8 marks, bool dead)
{
	return marks & MARK_START && (dead || marks & MARK_LIVE);
}

/* Data was found at `at`: sites shortly before it, but not before `from`, are none. */
static void distrust(struct segment *seg, u64 from, u64 at)
{
	for (u64 i = MAX(from, at - MIN(at, DOUBT)); i < at; i++)
		seg->marks[i] &= (u8)~MARK_SITE;
}

/*
 * Decode from one instruction onwards, up to `stop`, where the next function starts. Between `end`,
 * where this one ends, and there lies padding, but possibly also a function that no table knows:
 * static ones of musl, assembly. Or there lies data: the Haskell compiler puts a table before each piece of code and
 * names few of them, and a table read as code may have the two bytes of a system call. So nothing behind data counts.
 */
static void decode_chain(struct decoder *d, struct segment *seg, u64 start, u64 end, u64 stop)
{
	u64 at = start - seg->vaddr;
	bool dead = false;

	stop = MIN(stop - seg->vaddr, seg->size);
	if (end && stop > end - seg->vaddr + STRAY_MAX)
		stop = end - seg->vaddr + STRAY_MAX;
	while (at < stop && !merged(seg->marks[at], dead)) {
		ZydisDecodedInstruction in;

		if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(&d->zydis, NULL, seg->bytes + at,
							      stop - at, &in)) ||
		    is_data(&in, seg->bytes + at)) {
			distrust(seg, (end ? end : start) - seg->vaddr, at);
			return;
		}
		dead = dead && is_padding(&in) && rewrite_is_padding(seg->bytes + at, in.length);
		mark(seg, at, in.length, dead ? MARK_PAD : MARK_LIVE);
		mark_branch(d, &in, seg->vaddr + at);
		if ((in.mnemonic == ZYDIS_MNEMONIC_SYSCALL || in.mnemonic == ZYDIS_MNEMONIC_CPUID) &&
		    in.length == 2)
			seg->marks[at] |= MARK_SITE;
		if (never_falls_through(&in))
			dead = true;
		at += in.length;
	}
}

/* Where the function after the i-th starts; an alias or an entry inside it does not end it. */
static u64 stop_of(const struct image *img, size_t i)
{
	u64 next = i + 1 < img->nfunctions ? img->functions[i + 1].start : ~0ull;

	return MAX(next, img->functions[i].end);
}

static void decode_function(struct decoder *d, size_t i)
{
	const struct function *f = &d->img->functions[i];
	struct segment *seg = image_segment(d->img, f->start, 1);

	if (seg)
		decode_chain(d, seg, f->start, f->end, stop_of(d->img, i));
}

/* Decode what may hold vaddr: the function that covers it, else from the last known place before
 * it. */
static void decode_candidate(struct decoder *d, u64 vaddr)
{
	const struct image *img = d->img;
	size_t below = function_below(img, vaddr);

	if (below == img->nfunctions)
		return;
	for (size_t i = below + 1, looked = 0; i-- > 0 && looked < 16; looked++) {
		if (img->functions[i].end > vaddr) {
			decode_function(d, i);
			return;
		}
	}
	decode_function(d, below);
}

static void decode_around(struct decoder *d, u64 vaddr)
{
	size_t i = function_below(d->img, vaddr - MIN(vaddr, REACH));

	if (i == d->img->nfunctions)
		i = 0;
	for (; i < d->img->nfunctions && d->img->functions[i].start < vaddr + REACH; i++)
		decode_function(d, i);
}

static bool is_site(const struct segment *seg, u64 at)
{
	u8 a = seg->marks[at], b = seg->marks[at + 1];

	return a & MARK_SITE && !(a & (MARK_BODY | MARK_PAD)) && !(b & (MARK_START | MARK_TARGET));
}

/* What may be an instruction of ours: a byte that may begin one, before the other. All of the text is looked at here,
 * once. */
static int find_candidates(struct decoder *d)
{
	for (unsigned i = 0; i < d->img->nsegs; i++) {
		struct segment *seg = &d->img->segs[i];
		const u8 *p = seg->bytes, *last = p + MAX(seg->size, 1) - 1;

		for (; p < last && (p = memchr(p, FIRST, (size_t)(last - p))); p++) {
			if (p[1] != SYSCALL_SECOND && p[1] != CPUID_SECOND)
				continue;
			if (d->count == d->room) {
				size_t room = d->room ? 2 * d->room : 256;
				struct candidate *more = realloc(d->candidates, room * sizeof(*more));

				if (!more)
					return -ENOMEM;
				d->candidates = more;
				d->room = room;
			}
			d->candidates[d->count++] = (struct candidate){seg, (u64)(p - seg->bytes)};
			d->syscalls += p[1] == SYSCALL_SECOND;
		}
	}
	return 0;
}

static void each_candidate(struct decoder *d,
			   void (*fn)(struct decoder *d, struct segment *seg, u64 at))
{
	for (size_t i = 0; i < d->count; i++)
		fn(d, d->candidates[i].seg, d->candidates[i].at);
}

static void decode_one(struct decoder *d, struct segment *seg, u64 at)
{
	decode_candidate(d, seg->vaddr + at);
}

static void decode_near(struct decoder *d, struct segment *seg, u64 at)
{
	if (is_site(seg, at))
		decode_around(d, seg->vaddr + at);
}

/* Does a branch soon behind it lead to before it? */
static bool is_in_loop(const struct decoder *d, const struct segment *seg, u64 at)
{
	ZydisDecodedInstruction in;

	for (u64 p = at; p < seg->size && p - at < LOOP_MAX; p += in.length) {
		if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(&d->zydis, NULL, seg->bytes + p, seg->size - p, &in)))
			return false;
		if (in.raw.imm[0].is_relative) {
			s64 target = (s64)(p + in.length) + in.raw.imm[0].value.s;

			if (target <= (s64)at && target > (s64)at - LOOP_MAX)
				return true;
		}
	}
	return false;
}

static void add_one(struct decoder *d, struct segment *seg, u64 at)
{
	bool cpuid = seg->bytes[at + 1] == CPUID_SECOND;

	if (is_site(seg, at))
		d->img->sites[d->img->nsites++] =
			(struct site){.vaddr = seg->vaddr + at, .seg = seg, .cpuid = cpuid,
				      .repeated = cpuid && is_in_loop(d, seg, at)};
}

static int compare(const void *a, const void *b)
{
	const struct site *x = a, *y = b;

	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

static int find_sites(struct decoder *d)
{
	struct image *img = d->img;
	int err = find_candidates(d);

	if (err || !d->syscalls)
		return err;
	img->candidates = (u32)d->count;
	if (ZYAN_FAILED(
		    ZydisDecoderInit(&d->zydis, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return -EINVAL;
	img->sites = calloc(d->count, sizeof(*img->sites));
	if (!img->sites)
		return -ENOMEM;
	err = image_find_functions(img);
	if (err)
		return err;
	each_candidate(d, decode_one);
	each_candidate(d, decode_near);
	each_candidate(d, add_one);
	qsort(img->sites, img->nsites, sizeof(*img->sites), compare);
	return 0;
}

int image_find_sites(struct image *img)
{
	struct decoder d = {.img = img};
	int err = find_sites(&d);

	free(d.candidates);
	return err;
}
