/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The patched-image cache, host side: executables whose system calls are jumps.
 * The format is libos/entry/image.h.
 *
 *   cache.c     names, views of sandboxes, the bound; has images built and publishes them
 *   worker.c    the confined process in which everything below runs
 *   elf.c       reads an executable's text
 *   functions.c where its functions start; unwind.c: by its unwind tables
 *   decode.c    which bytes are system call instructions, and which are dead padding
 *   plan.c      an encoding for each site
 *   tramp.c     trampolines and where they lie
 *   write.c     patches and writes the file
 *   verify.c    looks at what came out of the worker, without trusting it
 *
 * The executable is hostile input: it comes from inside a sandbox. All that reads its structure
 * runs in the worker, which may read that file, write one other and do nothing else. Results are 0
 * or negative errno.
 *
 * A site is an instruction of two bytes: SYSCALL, and in images that have one, CPUID, which leaves a
 * virtual machine (libos/entry/cpuid.c). Only these two bytes change. Let s be its address. s and s + 2 remain instruction
 * boundaries, so branches to either go on meaning what they meant:
 *
 *   short    eb XX at s   to an island: five bytes of dead alignment padding in reach, e9 rel32
 *   punned   e9 WW at s   the upper three displacement bytes are the unchanged bytes at s + 2 to
 *                         s + 4: it reaches one of 256 consecutive addresses, wherever they are
 */
#ifndef GSHD_REWRITE_H
#define GSHD_REWRITE_H

#include <elf.h>
#include <stdbool.h>
#include "libos/entry/image.h"

#define REWRITE_TEXT_MAX (512ull << 20)	 /* more executable text than this is left to trap */
#define REWRITE_CACHE_MAX (256ull << 20) /* bytes that the cache may take on disk */
#define REWRITE_SEGMENTS_MAX 16

/* ---- the image under work ---- */

/* What is known of a byte of text. */
enum {
	MARK_START = 1, /* a decoded instruction begins here */
	MARK_BODY = 2,	/* and goes on here; with START, two decodings contradict each other */
	MARK_LIVE = 4,	/* part of an instruction that may be reached */
	MARK_PAD = 8, /* part of a NOP or INT3 behind a jump or return, which nothing falls into */
	MARK_TARGET = 16, /* a branch or a function begins here */
	MARK_SITE = 32,	  /* a SYSCALL or CPUID begins here */
	MARK_FINAL = 64,  /* patched, or the encoding of a site rests on it */
	MARK_ISLAND = 128,
};

/* An executable PT_LOAD. */
struct segment {
	u64 offset, vaddr, size; /* file-backed part */
	u8 *bytes;		 /* of the file; patched in place at the end */
	u8 *marks;		 /* MARK_*, one byte each */
};

/* A stretch of code that begins with an instruction. end 0: unknown. */
struct function {
	u64 start, end;
};

struct site {
	u64 vaddr;
	struct segment *seg;
	bool cpuid;
	bool repeated;	/* a CPUID in a loop */
	u32 kind;	/* enum image_site_kind; 0: none, it is left as it is */
	u64 island;	/* SHORT: address */
	u64 trampoline; /* address; of a position-independent image it may be negative */
};

/* A page of trampolines: each is 33 bytes, begins at a multiple of 32 and so takes two of the
 * page's 128 granules. */
#define TRAMPOLINE_SIZE 33
#define TRAMPOLINE_ALIGN 32
#define TPAGE_GRANULES (PAGE_SIZE / TRAMPOLINE_ALIGN)
struct tpage {
	u64 vaddr;
	u8 *bytes;
	bool used[TPAGE_GRANULES];
};

struct image {
	int fd;
	u64 file_size;
	Elf64_Ehdr head;
	Elf64_Phdr *phdrs; /* head.e_phnum */
	u64 lo, hi;	   /* page-rounded span of all PT_LOADs */
	struct segment segs[REWRITE_SEGMENTS_MAX];
	unsigned nsegs;
	struct function *functions; /* sorted by start, one for each */
	size_t nfunctions, functions_room;
	struct site *sites; /* sorted by vaddr */
	size_t nsites;
	struct tpage *tpages; /* sorted by vaddr as a signed number */
	size_t ntpages, tpages_room;
	unsigned nfar; /* of the pages */
	u32 candidates;
};

/* ---- elf.c ---- */
/* Read fd into img. -ENOEXEC: not an executable of ours, or one that is left alone. img is zeroed
 * first. */
int image_read(struct image *img, int fd) __attribute__((warn_unused_result));
/* The segment whose file-backed part holds [vaddr, vaddr + size), or NULL. */
struct segment *image_segment(struct image *img, u64 vaddr, u64 size);
/* A copy of [vaddr, vaddr + *size) of any PT_LOAD's file-backed part, cut at its end; NULL: not
 * there, or no memory. */
u8 *image_copy(struct image *img, u64 vaddr, u64 *size);
void image_free(struct image *img);

/* ---- functions.c, unwind.c ---- */
/* Where functions start: from unwind tables, symbols and sections. */
int image_find_functions(struct image *img) __attribute__((warn_unused_result));
int function_add(struct image *img, u64 start, u64 end) __attribute__((warn_unused_result));
int unwind_functions(struct image *img) __attribute__((warn_unused_result));
/* Index of the last function that starts at or below vaddr; nfunctions if none does. */
size_t function_below(const struct image *img, u64 vaddr);

/* ---- decode.c ---- */
int image_find_sites(struct image *img) __attribute__((warn_unused_result));

/* ---- plan.c ---- */
/* Choose for every site, and patch the text in memory. */
int image_plan(struct image *img) __attribute__((warn_unused_result));
/* ---- tramp.c ---- */
/* Take a place for a trampoline that begins in [from, from + 256), pages that exist first; 0: none.
 * Needs memory: *err. */
bool tramp_take_window(struct image *img, u64 from, u64 *at) __attribute__((warn_unused_result));
/* Take one anywhere near the image, for a jump that can reach all of it. */
bool tramp_take_near(struct image *img, u64 *at) __attribute__((warn_unused_result));
void tramp_write(struct image *img, const struct site *s);

/* ---- write.c ---- */
int image_write(struct image *img, const struct image_key *key, int out)
	__attribute__((warn_unused_result));

/* ---- worker.c ---- */
/* Build out from fd in a confined child. -ETIMEDOUT, -ENOEXEC, -EIO (it died), ... */
int rewrite_run(int fd, const struct image_key *key, int out) __attribute__((warn_unused_result));
/* The same in this process, unconfined: for tests and the fuzzer. */
int rewrite_build(int fd, const struct image_key *key, int out) __attribute__((warn_unused_result));

/* ---- verify.c ---- */
/* Is `out` a well-formed image of fd that changes but sites and islands? -EBADMSG if not. */
int rewrite_verify(int out, int fd, const struct image_key *key)
	__attribute__((warn_unused_result));
/* Only bytes of the forms that assemblers pad with? Islands lie on nothing else. */
bool rewrite_is_padding(const u8 *p, u64 size);

/* ---- cache.c ---- */
/*
 *	STORE/cache/KEY             every image, once
 *	STORE/boxes/NAME/cache/KEY  hard links: those of files that this sandbox could read, and has
 *asked for
 *
 * A picoprocess sees its sandbox's view only (GRANT_FD_CACHE), read-only. Only a worker's verified
 * output gets in. A view goes with its sandbox.
 */
struct image_cache {
	int store;  /* borrowed */
	int images; /* directory descriptors */
	int view;
};
/* Open, making what is missing. cache->view is what confine_spec.cache wants. */
int image_cache_open(struct image_cache *cache, int store, const char *sandbox)
	__attribute__((warn_unused_result));
void image_cache_close(struct image_cache *cache);
/* Is there an entry for the file? 0 if so (now in the sandbox's view), -ENOENT if it must be built,
 * -EAGAIN if it changed too recently to tell it from its next version, or an errno by which the
 * request is refused. Does not block. */
int image_cache_find(struct image_cache *cache, int fd, struct image_key *key)
	__attribute__((warn_unused_result));
/* Build it in a worker and link it into the view: the sandbox may use it. Blocks. */
int image_cache_build(struct image_cache *cache, int fd, const struct image_key *key)
	__attribute__((warn_unused_result));
/* Then, by the same process: put it on disk and into the cache, for all. Blocks, for longer. */
int image_cache_keep(struct image_cache *cache, const struct image_key *key)
	__attribute__((warn_unused_result));
/* Delete what was not asked for longest until the cache is within bound bytes. */
void image_cache_trim(struct image_cache *cache, u64 bound);
int image_key_of(int fd, struct image_key *key) __attribute__((warn_unused_result));

#endif
