/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Rewritten system calls at work, without a libOS: a second copy of libc is loaded and replaced,
 * where it lies, by its patched image. Trampolines lead to a stub that makes the call and counts
 * it.
 *
 * Usage: rewrite_live [FILE...]: also builds and checks the images of these.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "gshd/rewrite/rewrite.h"
#include "pal/tcb.h"

#define ARCH_SET_GS 0x1001

/* What GS points at: the head of struct pal_tcb, and room for the stub. */
static struct {
	u64 self, stack_top, guest_rsp, exit_rip;
	void (*entry)(void);
	u64 pad;
	void (*cpuid)(void);
	u64 back, count;
} block __attribute__((aligned(64)));
static u8 stack[16384] __attribute__((aligned(64)));

void stub(void);
void stub_cpuid(void);
__asm__(".globl stub, stub_cpuid\n"
	"stub:\n"
	"	mov %rcx, %gs:56\n"
	"	incq %gs:64\n"
	"	mov %gs:16, %rsp\n"
	"	syscall\n"
	"	jmp *%gs:56\n"
	"stub_cpuid:\n"
	"	mov %rdx, %gs:56\n"
	"	mov %gs:16, %rsp\n"
	"	cpuid\n"
	"	jmp *%gs:56\n");

static int failures;

static void check(bool ok, const char *what)
{
	printf("%s %s\n", ok ? "ok" : "not ok", what);
	failures += !ok;
}

/* A system call instruction outside libc, for before and after. */
static long raw3(long nr, long a, long b, long c)
{
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return r;
}

static void *raw_mmap(u64 at, u64 size, int prot, int flags, int fd, u64 off)
{
	register long r10 __asm__("r10") = flags, r8 __asm__("r8") = fd,
			  r9 __asm__("r9") = (long)off;
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(SYS_mmap), "D"(at), "S"(size), "d"(prot), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return (void *)r;
}

static bool in_block(const struct image_block *b, s64 at)
{
	return at >= b->at && at < b->at + (s64)b->size;
}

/* This process is laid out by the host, so a far block may be in something's way: its sites become
 * system calls again. (Those of CPUID lie near.) */
static void unpatch_block(const struct image_head *h, int fd, u64 base, const struct image_block *b)
{
	struct image_site s;

	for (u32 i = 0; i < h->nsites; i++)
		if (pread(fd, &s, sizeof(s), (off_t)(h->sites + i * sizeof(s))) == sizeof(s) &&
		    in_block(b, s.trampoline))
			memcpy((void *)(base + (s.vaddr - h->vaddr)), "\x0f\x05", 2);
}

/* Map blocks, then ranges, as the libOS does. How many blocks had no place. */
static int apply(const struct image_head *h, int fd, u64 base)
{
	int prot = PROT_READ | PROT_EXEC, n = 0;
	bool taken[IMAGE_BLOCKS_MAX];

	for (u32 i = 0; i < h->nblocks; i++) {
		const struct image_block *b = &image_blocks(h)[i];
		u64 at = base + (u64)b->at;

		taken[i] = raw_mmap(at, b->size, prot, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd,
				    b->cache_offset) != (void *)at;
		n += taken[i];
	}
	for (u32 i = 0; i < h->nranges; i++) {
		const struct image_range *r = &image_ranges(h)[i];
		u64 at = base + (r->vaddr - h->vaddr);

		if (raw_mmap(at, r->size, prot | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd,
			     r->cache_offset) != (void *)at)
			exit(99);
	}
	for (u32 i = 0; i < h->nblocks; i++)
		if (taken[i])
			unpatch_block(h, fd, base, &image_blocks(h)[i]);
	return n;
}

static struct image_head *build(const char *path, int *out)
{
	struct image_head *h = malloc(1 << 16);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char name[] = "/tmp/rewrite-XXXXXX";
	struct image_key key;
	int err;

	*out = mkstemp(name);
	unlink(name);
	err = fd < 0 ? -errno : image_key_of(fd, &key);
	if (!err)
		err = rewrite_run(fd, &key, *out);
	if (!err)
		err = rewrite_verify(*out, fd, &key);
	if (!err && pread(*out, h, 1 << 16, 0) < (ssize_t)sizeof(*h))
		err = -EIO;
	close(fd);
	printf("%s %s: %s; %u sites, %u rewritten, %u by islands, %u ranges, %u blocks, %lu KiB\n",
	       err ? "not ok" : "ok", path, strerror(-err), h->found, h->nsites, h->short_jumps,
	       h->nranges, h->nblocks, (unsigned long)(h->file_size >> 10));
	failures += err != 0;
	return err ? NULL : h;
}

static void *lib;

/* The second libc's functions. */
#define LIBC(name) ((__typeof__(&name))dlsym(lib, #name))

static double ns_per_call(int n)
{
	pid_t (*call)(void) = LIBC(getppid);
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < n; i++)
		call();
	clock_gettime(CLOCK_MONOTONIC, &b);
	return ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / n;
}

static void patch(const char *path)
{
	struct link_map *map;
	struct image_head *h;
	int out, r;

	check(!dlinfo(lib, RTLD_DI_LINKMAP, &map), "the second libc is mapped");
	h = build(path, &out);
	if (!h)
		exit(1);
	r = apply(h, out, map->l_addr + h->vaddr);
	printf("# %d of %u blocks had no place\n", r, h->nblocks);
	check(r < (int)h->nblocks, "most trampolines have a place");
	free(h);
}

/* A good deal of libc, every result looked at. */
static void exercise(void)
{
	char path[] = "/tmp/rewrite-live-XXXXXX", buf[64] = "";
	u64 before = block.count;
	struct stat st;
	int fd, status, fds[2];
	pid_t pid;

	check(LIBC(getppid)() == raw3(SYS_getppid, 0, 0, 0),
	      "getppid says the same as the raw call");
	fd = LIBC(mkstemp)(path);
	check(fd >= 0 && LIBC(write)(fd, "hello", 5) == 5 && LIBC(pread)(fd, buf, 5, 0) == 5 &&
		      !strcmp(buf, "hello"),
	      "files");
	check(!LIBC(fstat)(fd, &st) && st.st_size == 5 && !LIBC(close)(fd) && LIBC(close)(fd) == -1,
	      "fstat, close");
	check(!LIBC(unlink)(path), "unlink");
	pid = LIBC(_Fork)();
	if (!pid)
		LIBC(_exit)(LIBC(getpid)() == raw3(SYS_getpid, 0, 0, 0) ? 7 : 1);
	check(LIBC(waitpid)(pid, &status, 0) == pid && WIFEXITED(status) &&
		      WEXITSTATUS(status) == 7,
	      "fork and wait");
	check(!LIBC(pipe)(fds) && LIBC(write)(fds[1], "x", 1) == 1 &&
		      LIBC(read)(fds[0], buf, 1) == 1 && *buf == 'x',
	      "pipe");
	check(block.count > before + 8, "the calls went through trampolines");
}

int main(int argc, char **argv)
{
	double native, rewritten;
	int out;

	for (int i = 1; i < argc; i++)
		build(argv[i], &out);
	block.self = (u64)&block;
	block.stack_top = (u64)(stack + sizeof(stack));
	block.entry = stub;
	block.cpuid = stub_cpuid;
	raw3(SYS_arch_prctl, ARCH_SET_GS, (long)&block, 0);
	lib = dlmopen(LM_ID_NEWLM, "libc.so.6", RTLD_NOW);
	check(lib != NULL, "a second libc");
	if (!lib)
		return 1;
	native = ns_per_call(200000);
	patch("/lib/x86_64-linux-gnu/libc.so.6");
	exercise();
	rewritten = ns_per_call(200000);
	printf("# getppid: %.1f ns before, %.1f ns through a trampoline and the same host call\n",
	       native, rewritten);
	return failures != 0;
}
