/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * From a file to a running program: what exec and the start of a picoprocess share.
 *
 * A struct program is all that is known about a program before the old one is given up: files open and checked, strings
 * copied. program_open and its kin may fail with an errno; program_load comes after the point of no return.
 */
#ifndef LIBOS_BOOT_BOOT_H
#define LIBOS_BOOT_BOOT_H

#include "libos/task/task.h"
#include "libos/vfs/vfs.h"

struct mm;
struct cursor;

#define ELF_HEAD 1024 /* holds headers and interpreter's name of nearly every program: one read instead of four */

/* One ELF object: the program or its interpreter. */
struct elf_image {
	struct file *file;	/* held; NULL: none */
	u8 head[ELF_HEAD];	/* the beginning of the file */
	size_t head_size;
	struct elf64_hdr hdr;
	struct elf64_phdr *phdrs; /* owned; hdr.e_phnum of them */
	uintptr_t low, high;	/* page-rounded span of its segments, as linked */
	uintptr_t align;	/* largest p_align of a segment */
	uintptr_t bias;		/* added to linked addresses, once mapped */
};

struct program {
	char *name;		/* as the caller named it; what comm and AT_EXECFN show */
	char *exe;		/* path of the file that is mapped: /proc/self/exe */
	struct elf_image image, interp;
	struct buf argv, envp;	/* strings, each with its NUL */
	unsigned argc, envc;
	bool exec_stack;
};

/* ---- elf.c ---- */
/* The beginning of file into e->head; takes a count of file. */
int elf_open(struct elf_image *e, struct file *file);
/* Read and check headers. -ENOEXEC, -ENOMEM, -EIO, as fs/binfmt_elf.c. elf_free whatever the result. */
int elf_read(struct elf_image *e, bool interpreter);
void elf_free(struct elf_image *e);
/* PT_INTERP's path into out (PATH_MAX_LEN): length, 0 if there is none, -ENOEXEC. */
int elf_interpreter(const struct elf_image *e, char *out);
/* Does it ask for an executable stack? */
bool elf_exec_stack(const struct elf_image *e);

/* ---- elf_map.c ---- */
/* Map the segments; base: where ET_DYN goes, 0: anywhere. Sets bias. */
int elf_map(struct mm *mm, struct elf_image *e, uintptr_t base);
/* Code, data and heap bounds of the program itself. */
void elf_note_bounds(struct mm *mm, const struct elf_image *e);
u64 elf_phdr_address(const struct elf_image *e);

/* ---- program.c ---- */
void program_init(struct program *p);
void program_free(struct program *p);
/* Strings from the guest (NULL-terminated arrays of pointers), or from the libOS. Do this first: E2BIG counts both. */
int program_strings_user(struct program *p, const u64 *argv, const u64 *envp);
int program_strings(struct program *p, char **argv, char **envp);
/* Find the file, through "#!" lines, its interpreter too. */
int program_open(struct program *p, int dirfd, const char *path, int at_flags);
/* Into the cleared address space of the caller; the guest's first instruction and stack. */
int program_load(struct program *p, uintptr_t *rip, uintptr_t *rsp);

/* ---- script.c ---- */
/* The "#!" line in head (n bytes of the file, room for 257): interpreter and optional argument within head.
 * -ENOEXEC if there is no usable one. */
int script_parse(char *head, size_t n, char **interp, char **arg);

/* ---- stack.c ---- */
/* Write argc, argv, envp, auxv and strings below mm->stack_top; *rsp points at argc. */
int stack_build(struct mm *mm, const struct program *p, uintptr_t *rsp);

/* ---- task/exec.c ---- */
/* Load into the cleared address space and go; what can't be loaded ends the process. */
void exec_start(struct program *prog) noreturn_fn;

#endif
