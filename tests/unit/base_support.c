/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The PAL's part for the freestanding base in a hosted test: memory and futexes straight from the
 * host.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "tests/unit/base_test.h"

intptr_t pal_mmap(uintptr_t addr, size_t size, int prot, int flags, int fd, u64 offset);
void *pal_pages_alloc(size_t size);
void pal_pages_free(void *p, size_t size);
int pal_futex_plain(u32 *word, int op, u32 val, const void *timeout, u32 *word2, u32 val3);
void pal_bug(const char *file, int line, const char *what) __attribute__((noreturn));

unsigned test_failed;
static unsigned failed_before;

intptr_t pal_mmap(uintptr_t addr, size_t size, int prot, int flags, int fd, u64 offset)
{
	void *p = mmap((void *)addr, size, prot, flags, fd, offset);

	return p == MAP_FAILED ? -errno : (intptr_t)p;
}

/* Above PAL_PAGES_BASE, as the heap expects. */
void *pal_pages_alloc(size_t size)
{
	static uintptr_t next = 0x780100000000;
	void *p = mmap((void *)next, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	next += PAGE_UP(size) + PAGE_SIZE;
	return p == MAP_FAILED ? NULL : p;
}

void pal_pages_free(void *p, size_t size)
{
	munmap(p, size);
}

int pal_futex_plain(u32 *word, int op, u32 val, const void *timeout, u32 *word2, u32 val3)
{
	return syscall(SYS_futex, word, op, val, timeout, word2, val3);
}

void pal_bug(const char *file, int line, const char *what)
{
	printf("bug at %s:%d: %s\n", file, line, what);
	abort();
}

u64 test_random(void)
{
	static u64 x = 0x9e3779b97f4a7c15;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

void test_case(const char *name)
{
	printf("%s %s\n", test_failed == failed_before ? "ok" : "not ok", name);
	failed_before = test_failed;
}

int test_end(void)
{
	return test_failed ? 1 : 0;
}
