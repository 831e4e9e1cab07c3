/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The heap: size classes over an island and an arena that grows upwards.
 *
 * Both are cut into blocks; a run of blocks serves one class for ever, and a byte per block tells
 * which, so that objects carry no header. Freed objects go to their class's list, last in first
 * out. Classes are four to a doubling: at most a quarter of an object is lost. Objects above BIG
 * have pages of their own behind a small header.
 *
 * The island comes first. It is part of the image, so that its page tables are the image's, and its
 * blocks are small: what a process needs of some forty classes lies on a few pages, and each page
 * that a child writes is copied.
 */
#include "pal/base/heap.h"
#include "pal/base/lock.h"
#include "pal/pal.h"

#define SMALL_STEP 16
#define SMALL_MAX 128
#define BIG 32768
#define CLASSES 40
#define ISLAND_SIZE (1024ul << 10)
#define ISLAND_BLOCK 1024ul
#define ARENA_PAGES ((PAL_PAGES_BASE - PAL_HEAP_BASE) / PAGE_SIZE)
#define GROW_MIN (64ul << 10)
#define BIG_MAGIC 0x6769624fu

struct free_object {
	struct free_object *next;
};

struct big_header {
	size_t total; /* bytes of the block, this header included */
	u64 magic;
};

static struct mutex heap_lock = MUTEX_INIT;
/* All guarded by heap_lock. */
static struct free_object *free_list[CLASSES];
static size_t island_used;		     /* bytes given to classes */
static uintptr_t arena_next = PAL_HEAP_BASE; /* not yet given to a class */
static uintptr_t arena_end = PAL_HEAP_BASE;  /* mapped up to here */
static u8 island_class[ISLAND_SIZE / ISLAND_BLOCK] PAL_SPARSE;		 /* class + 1 */
static u8 page_class[ARENA_PAGES] __attribute__((section(".bss.last"))); /* class + 1 */
static u8 island[ISLAND_SIZE] __attribute__((section(".bss.island"), aligned(PAGE_SIZE)));

static unsigned class_of(size_t size)
{
	unsigned log;

	if (size <= SMALL_MAX)
		return (size + SMALL_STEP - 1) / SMALL_STEP - (size != 0);
	/* 2^log < size <= 2^(log + 1), four classes between. */
	log = 63 - __builtin_clzl(size - 1);
	return SMALL_MAX / SMALL_STEP + (log - 7) * 4 + ((size - 1 - (1ul << log)) >> (log - 2));
}

static size_t class_size(unsigned c)
{
	unsigned log;

	if (c < SMALL_MAX / SMALL_STEP)
		return (c + 1) * SMALL_STEP;
	c -= SMALL_MAX / SMALL_STEP;
	log = 7 + c / 4;
	return (1ul << log) + (c % 4 + 1) * (1ul << (log - 2));
}

/* Bytes of a run: whole blocks of which an eighth at most is lost. */
static size_t run_size(size_t size, size_t block)
{
	size_t run = ALIGN_UP(size, block);

	while (run % size > run / 8)
		run += block;
	return run;
}

/* A run for class c, or 0: the island is used up. */
static uintptr_t island_take(unsigned c, size_t run)
{
	size_t at = island_used;

	if (run > ISLAND_SIZE - at)
		return 0;
	island_used += run;
	memset(island_class + at / ISLAND_BLOCK, c + 1, run / ISLAND_BLOCK);
	return (uintptr_t)island + at;
}

static bool arena_grow(size_t need)
{
	size_t grow = MAX(GROW_MIN, need);

	if (arena_next + need <= arena_end)
		return true;
	if (grow > PAL_PAGES_BASE - arena_end)
		return false;
	if (pal_mmap(arena_end, grow, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
		     0) != (intptr_t)arena_end)
		return false;
	arena_end += grow;
	return true;
}

static uintptr_t arena_take(unsigned c, size_t run)
{
	uintptr_t start = arena_next;

	if (!arena_grow(run))
		return 0;
	arena_next += run;
	memset(page_class + (start - PAL_HEAP_BASE) / PAGE_SIZE, c + 1, run / PAGE_SIZE);
	return start;
}

/* Give a run to class c. Lists its objects so that the lowest goes out first. */
static bool class_refill(unsigned c)
{
	size_t size = class_size(c), run = run_size(size, ISLAND_BLOCK);
	uintptr_t start = island_take(c, run);

	if (!start) {
		run = run_size(size, PAGE_SIZE);
		start = arena_take(c, run);
	}
	if (!start)
		return false;
	for (size_t i = run / size; i-- > 0;) {
		struct free_object *o = (struct free_object *)(start + i * size);

		o->next = free_list[c];
		free_list[c] = o;
	}
	return true;
}

static unsigned class_at(const void *p)
{
	uintptr_t offset = (uintptr_t)p - (uintptr_t)island;
	unsigned c = 0;

	if (offset < ISLAND_SIZE) {
		c = island_class[offset / ISLAND_BLOCK];
	} else {
		offset = (uintptr_t)p - PAL_HEAP_BASE;
		if (offset < PAL_PAGES_BASE - PAL_HEAP_BASE)
			c = page_class[offset / PAGE_SIZE];
	}
	BUG_ON(!c);
	return c - 1;
}

static bool is_big(const void *p)
{
	return (uintptr_t)p >= PAL_PAGES_BASE && (uintptr_t)p < PAL_END;
}

static struct big_header *big_header(void *p)
{
	struct big_header *h = (struct big_header *)p - 1;

	BUG_ON(h->magic != BIG_MAGIC);
	return h;
}

static void *big_alloc(size_t size)
{
	struct big_header *h;

	if (size > SIZE_MAX - sizeof(*h) - PAGE_SIZE)
		return NULL;
	h = pal_pages_alloc(size + sizeof(*h));
	if (!h)
		return NULL;
	h->total = PAGE_UP(size + sizeof(*h));
	h->magic = BIG_MAGIC;
	return h + 1;
}

static size_t usable(void *p)
{
	return is_big(p) ? big_header(p)->total - sizeof(struct big_header)
			 : class_size(class_at(p));
}

void *base_alloc(size_t size)
{
	struct free_object *o = NULL;
	unsigned c;

	if (size > BIG)
		return big_alloc(size);
	c = class_of(size);
	lock(&heap_lock);
	if (free_list[c] || class_refill(c)) {
		o = free_list[c];
		free_list[c] = o->next;
	}
	unlock(&heap_lock);
	return o;
}

void *base_zalloc(size_t size)
{
	void *p = base_alloc(size);

	/* Own pages are zero as they come. */
	if (p && !is_big(p))
		memset(p, 0, size);
	return p;
}

void base_free(void *p)
{
	struct free_object *o = p;
	unsigned c;

	if (!p)
		return;
	if (is_big(p)) {
		struct big_header *h = big_header(p);

		h->magic = 0;
		pal_pages_free(h, h->total);
		return;
	}
	c = class_at(p);
	lock(&heap_lock);
	o->next = free_list[c];
	free_list[c] = o;
	unlock(&heap_lock);
}

void *base_realloc(void *p, size_t size)
{
	size_t have;
	void *q;

	if (!p)
		return base_alloc(size);
	have = usable(p);
	/* Stay while it fits and no more than half would be wasted. */
	if (size <= have && size >= have / 2)
		return p;
	q = base_alloc(size);
	if (!q)
		return size <= have ? p : NULL;
	memcpy(q, p, MIN(have, size));
	base_free(p);
	return q;
}

char *base_strndup(const char *s, size_t n)
{
	char *p;

	n = strnlen(s, n);
	p = base_alloc(n + 1);
	if (!p)
		return NULL;
	memcpy(p, s, n);
	p[n] = '\0';
	return p;
}

char *base_strdup(const char *s)
{
	return base_strndup(s, SIZE_MAX);
}

void base_heap_lock(void)
{
	lock(&heap_lock);
}

bool base_heap_trylock(void)
{
	return trylock(&heap_lock);
}

void base_heap_unlock(void)
{
	unlock(&heap_lock);
}
