/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Mappings, and the faults of touching them.
 */
#include "tests/bench/micro.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096
#define MIB (1 << 20)

static char *kept;

static char *map(size_t size, int fd)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_PRIVATE;
	char *p = mmap(NULL, size, fd < 0 ? PROT_READ | PROT_WRITE : PROT_READ, flags, fd, 0);

	must(p != MAP_FAILED, "mmap");
	return p;
}

static void do_page(void)
{
	char *p = map(PAGE, -1);

	*p = 1;
	must(!munmap(p, PAGE), "munmap");
}

static void do_mib(void)
{
	char *p = map(MIB, -1);

	for (size_t i = 0; i < MIB; i += PAGE)
		p[i] = 1;
	must(!munmap(p, MIB), "munmap");
}

static void open_file(void)
{
	fds[0] = open("/bin/sh", O_RDONLY);
	must(fds[0] >= 0, "/bin/sh");
}

static void do_file(void)
{
	char *p = map(PAGE, fds[0]);

	must(*(volatile char *)p == 0x7f, "an ELF file");
	must(!munmap(p, PAGE), "munmap");
}

static void map_kept(void)
{
	kept = map(PAGE, -1);
	*kept = 1;
}

static void do_protect(void)
{
	must(!mprotect(kept, PAGE, PROT_READ) && !mprotect(kept, PAGE, PROT_READ | PROT_WRITE),
	     "mprotect");
}

static void do_brk(void)
{
	char *p = sbrk(PAGE);

	must(p != (char *)-1, "sbrk");
	*p = 1;
	must(sbrk(-PAGE) != (char *)-1, "sbrk");
}

/* clang-format off */
const struct row memory_rows[] = {
	{ "mmap", 0, CPU, "mmap a page, touch, munmap", NULL, do_page },
	{ "mmap-mib", 0, CPU, "mmap 1 MiB, touch, munmap", NULL, do_mib },
	{ "mmap-file", 0, CPU, "mmap a page of a file, touch, munmap", open_file, do_file },
	{ "mprotect", 0, CPU, "mprotect there and back", map_kept, do_protect },
	{ "brk", 0, CPU, "brk, touch, and back", NULL, do_brk },
	{ NULL, 0, NULL, NULL, NULL, NULL },
};
