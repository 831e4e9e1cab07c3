/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The two files that start a picoprocess: its image (where in it are host calls made?) and its
 * grant.
 *
 * The image is ours, but it is read with the same care as anybody's: offsets and counts are checked
 * against the file.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "pal/confine/impl.h"

#define SECTIONS_MAX 256

static int read_at(int fd, void *buf, size_t size, uint64_t at)
{
	ssize_t n = pread(fd, buf, size, (off_t)at);

	return n < 0 ? -errno : (size_t)n == size ? 0 : -ENOEXEC;
}

static int find_section(int fd, const Elf64_Ehdr *eh, const char *want, Elf64_Shdr *sh)
{
	Elf64_Shdr names;
	char name[16];
	int err = read_at(fd, &names, sizeof(names),
			  eh->e_shoff + (uint64_t)eh->e_shstrndx * sizeof(names));

	for (unsigned i = 1; i < eh->e_shnum && !err; i++) {
		err = read_at(fd, sh, sizeof(*sh), eh->e_shoff + i * sizeof(*sh));
		if (err)
			break;
		memset(name, 0, sizeof(name));
		if (pread(fd, name, sizeof(name) - 1, (off_t)(names.sh_offset + sh->sh_name)) < 0)
			return -errno;
		if (!strcmp(name, want))
			return 0;
	}
	return err ? err : -ENOEXEC;
}

int confine_image_range(int image, struct confine_range *range)
{
	Elf64_Ehdr eh;
	Elf64_Shdr sh;
	int err = read_at(image, &eh, sizeof(eh), 0);

	if (err)
		return err;
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_machine != EM_X86_64 || eh.e_type != ET_EXEC || eh.e_shentsize != sizeof(sh) ||
	    eh.e_shnum > SECTIONS_MAX || eh.e_shstrndx >= eh.e_shnum)
		return -ENOEXEC;
	err = find_section(image, &eh, ".hostcall", &sh);
	if (err)
		return err;
	if (!sh.sh_size || sh.sh_addr % 4096 || sh.sh_size % 4096)
		return -ENOEXEC;
	range->start = sh.sh_addr;
	range->end = sh.sh_addr + sh.sh_size;
	return 0;
}

static int write_all(int fd, const void *buf, size_t size)
{
	ssize_t n = write(fd, buf, size);

	return n < 0 ? -errno : (size_t)n == size ? 0 : -ENOSPC;
}

int confine_grant_fd(struct grant *grant, const struct sock_filter *prog, uint32_t count,
		     const struct grant_bind *binds)
{
	int err, fd = memfd_create("grant", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct utsname u;

	if (fd < 0)
		return -errno;
	if (!uname(&u)) {
		snprintf(grant->release, sizeof(grant->release), "%s", u.release);
		snprintf(grant->version_text, sizeof(grant->version_text), "%s", u.version);
	}
	grant->magic = GRANT_MAGIC;
	grant->version = GRANT_VERSION;
	grant->size = sizeof(*grant);
	grant->bpf_count = count;
	err = write_all(fd, grant, sizeof(*grant));
	if (!err)
		err = write_all(fd, prog, count * sizeof(*prog));
	if (!err && grant->nbinds)
		err = write_all(fd, binds, grant->nbinds * sizeof(*binds));
	if (!err &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE))
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}
