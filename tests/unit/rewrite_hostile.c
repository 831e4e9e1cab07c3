/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Executables made by a hostile hand: real ones with bytes changed at random, above all in what
 * is parsed. Whatever comes of it, the rewriter must neither crash nor hang, and what it writes
 * must pass the look that does not trust it.
 *
 * Usage: rewrite_hostile [ROUNDS [FILE...]]
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "gshd/rewrite/rewrite.h"

static uint64_t state = 88172645463325252ull;

static uint64_t random_u64(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

struct victim {
	u8 *bytes;
	size_t size;
};

static struct victim load(const char *path)
{
	struct victim v = {0};
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st))
		return v;
	v.size = (size_t)st.st_size;
	v.bytes = malloc(v.size);
	if (!v.bytes || read(fd, v.bytes, v.size) != (ssize_t)v.size)
		v.size = 0;
	close(fd);
	return v;
}

/* Somewhere in the headers, the section table, the unwind tables, or anywhere. */
static size_t place(const struct victim *v)
{
	const Elf64_Ehdr *h = (const Elf64_Ehdr *)v->bytes;
	const Elf64_Phdr *p = (const Elf64_Phdr *)(v->bytes + sizeof(*h));
	uint64_t r = random_u64();

	switch (r % 8) {
	case 0:
		return r / 8 % sizeof(*h);
	case 1:
	case 2:
		return sizeof(*h) + r / 8 % (h->e_phnum * sizeof(*p));
	case 3:
		return h->e_shoff < v->size ? h->e_shoff + r / 8 % (v->size - h->e_shoff) : 0;
	case 4:
		for (unsigned i = 0; i < h->e_phnum; i++)
			if (p[i].p_type == PT_GNU_EH_FRAME)
				return p[i].p_offset + r / 8 % (p[i].p_filesz * 8);
	}
	return r / 8 % v->size;
}

static void damage(u8 *bytes, const struct victim *v)
{
	static const u8 values[] = {0, 1, 0x7f, 0x80, 0xff, 0x0f, 0x05, 0x90};
	unsigned n = 1 + (unsigned)(random_u64() % 12);

	memcpy(bytes, v->bytes, v->size);
	while (n--) {
		size_t at = place(v) % v->size;
		unsigned run = random_u64() % 4 ? 1 : 1 + (unsigned)(random_u64() % 8);

		for (unsigned i = 0; i < run && at + i < v->size; i++)
			bytes[at + i] = random_u64() % 2 ? values[random_u64() % sizeof(values)]
							 : (u8)random_u64();
	}
}

/* 0, or what went wrong. */
static int one_round(const struct victim *v, unsigned *built)
{
	int in = memfd_create("in", MFD_CLOEXEC), out = memfd_create("out", MFD_CLOEXEC), err;
	size_t size = random_u64() % 16 ? v->size : random_u64() % v->size;
	struct image_key key;
	u8 *bytes;

	if (in < 0 || out < 0 || ftruncate(in, (off_t)v->size))
		return -errno;
	bytes = mmap(NULL, v->size, PROT_READ | PROT_WRITE, MAP_SHARED, in, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	damage(bytes, v);
	munmap(bytes, v->size);
	err = ftruncate(in, (off_t)size) ? -errno : image_key_of(in, &key);
	if (!err && !rewrite_build(in, &key, out)) {
		(*built)++;
		err = rewrite_verify(out, in, &key);
	}
	close(in);
	close(out);
	return err;
}

int main(int argc, char **argv)
{
	static const char *const usual[] = {"/lib64/ld-linux-x86-64.so.2", "/bin/true",
					    "/lib/x86_64-linux-gnu/libdl.so.2"};
	unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 150, built = 0;
	const char *const *files = argc > 2 ? (const char *const *)argv + 2 : usual;
	int count = argc > 2 ? argc - 2 : 3, failures = 0;

	for (int f = 0; f < count; f++) {
		struct victim v = load(files[f]);

		for (unsigned i = 0; v.size && i < rounds; i++) {
			uint64_t before = state;
			int err = one_round(&v, &built);

			if (err) {
				printf("not ok %s, seed %lx: %s\n", files[f], (unsigned long)before,
				       strerror(-err));
				failures++;
			}
		}
		free(v.bytes);
	}
	printf("%s damaged executables: %u were rewritten all the same\n",
	       failures ? "not ok" : "ok", built);
	return failures != 0;
}
