/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Programs as an exec inside reads and places them: whatever the file holds, it is refused, or its segments are mapped in
 * the range that was found free for them, and nothing beside it. Free-standing like what it tests; the file and the
 * memory are played here. Of the input: flags, three bytes where other things lie in the memory, then the file.
 */
#include "libos/boot/boot.h"
#include "libos/mm/mm.h"
#include "libos/sys/user.h"
#include "pal/base/heap.h"
#include "tests/fuzz/fuzz.h"

#define HOST __attribute__((visibility("default"))) /* of the driver's libc */
HOST void *malloc(size_t size);
HOST void free(void *p);

static const uint8_t *input;
static size_t input_size;
static uintptr_t free_from, free_to; /* what elf_map may use */
static uintptr_t wanted, wall;
static struct file *const the_file = (struct file *)16;
static unsigned held;

void *base_alloc(size_t size)
{
	return malloc(size);
}

void base_free(void *p)
{
	free(p);
}

struct file *file_get(struct file *f)
{
	held++;
	return f;
}

void file_put(struct file *f)
{
	must(f == the_file && held);
	held--;
}

ssize_t file_read_kernel(struct file *f, void *buf, size_t n, u64 off)
{
	must(f == the_file);
	if (off > INT64_MAX)
		return -EINVAL;
	if (off >= input_size)
		return 0;
	n = MIN(n, input_size - (size_t)off);
	memcpy(buf, input + off, n);
	return (ssize_t)n;
}

void mm_lock(struct mm *mm)
{
}

void mm_unlock(struct mm *mm)
{
}

/* All is free below the wall, where others begin. */
bool vma_range_free(struct mm *mm, uintptr_t start, uintptr_t end)
{
	must(guest_mappable(start, end));
	if (end > wall)
		return false;
	free_from = start;
	free_to = end;
	return true;
}

uintptr_t mm_choose(struct mm *mm, size_t size, size_t align, int flags)
{
	must(size && !(size & (PAGE_SIZE - 1)) && align >= PAGE_SIZE && !(align & (align - 1)));
	if (size > wall)
		return 0;
	free_from = ALIGN_DOWN(wall - size, align);
	free_to = free_from + size;
	return free_from;
}

static void within(uintptr_t from, size_t size)
{
	must(from >= free_from && size <= free_to - free_from && from - free_from <= free_to - free_from - size);
}

intptr_t mm_map(struct mm *mm, uintptr_t addr, size_t size, int prot, int flags, struct file *file, u64 offset)
{
	must(size && !(addr & (PAGE_SIZE - 1)) && !(size & (PAGE_SIZE - 1)) && flags & MAP_FIXED);
	must(!(offset & (PAGE_SIZE - 1)) && (!file || file == the_file));
	within(addr, size);
	return (intptr_t)addr;
}

int user_zero(void *guest, size_t n)
{
	within((uintptr_t)guest, n);
	return 0;
}

static void place(struct elf_image *e)
{
	static struct mm mm;

	free_from = e->hdr.e_type == ET_EXEC ? e->low : 0;
	free_to = e->hdr.e_type == ET_EXEC ? e->high : 0;
	must(e->low < e->high);
	if (!elf_map(&mm, e, wanted)) {
		elf_note_bounds(&mm, e);
		(void)elf_phdr_address(e);
	}
}

static void script(const struct elf_image *e)
{
	char head[257], *interp, *arg;
	size_t n = MIN(e->head_size, sizeof(head) - 1);

	memcpy(head, e->head, n);
	if (script_parse(head, n, &interp, &arg))
		return;
	must(interp >= head && interp < head + sizeof(head) && *interp && strlen(interp) <= n);
	must(!arg || (arg > interp && arg + strlen(arg) < head + sizeof(head)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char name[PATH_MAX_LEN];
	static struct elf_image e;
	uint8_t flags = take(&data, &size);
	bool interpreter = flags & 1;
	int err, n;

	wanted = flags & 2 ? (uintptr_t)take(&data, &size) << 36 : 0;
	wall = ((uintptr_t)take(&data, &size) << 38 | (uintptr_t)take(&data, &size) << 12) & (PAL_BASE - 1);
	input = data;
	input_size = size;
	must(!elf_open(&e, the_file));
	script(&e);
	err = elf_read(&e, interpreter);
	must(err <= 0);
	if (!err) {
		n = elf_interpreter(&e, name);
		must(n <= 0 || (n < PATH_MAX_LEN && strlen(name) == (size_t)n));
		(void)elf_exec_stack(&e);
		place(&e);
	}
	elf_free(&e);
	must(!held);
	return 0;
}
