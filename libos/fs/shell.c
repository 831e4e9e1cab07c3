/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What an interactive shell says of itself.
 *
 * bash and zsh export the variables that what they load may use. Among them are the status of the last
 * command, the line that was typed, and whether the shell is in the middle of a command. They are read where the
 * monitor is told of a shell's terminal (tty.c): so an op has the status that $? has, and a loop over several
 * lines is one op, and nothing has to be put into the shell for it. A shell without them is judged from outside.
 *
 * All of it is the guest's own word about itself, good for a label and trusted with nothing else.
 */
#include <linux/elf.h>
#include "libos/fs/tty.h"
#include "libos/mm/mm.h"
#include "libos/sys/user.h"
#include "libos/task/task.h"

#define DT_GNU_HASH 0x6ffffef5
#define CHAIN_MAX 4096 /* more symbols in one bucket are none of a shell's */

/* Tables of the program's dynamic symbols; addresses of the guest's. */
struct symbols {
	u64 bias, names, table, hash;
};

static u64 auxv_value(const struct mm *mm, u64 type)
{
	for (unsigned i = 0; i + 1 < mm->auxv_count; i += 2)
		if (mm->auxv[i] == type)
			return mm->auxv[i + 1];
	return 0;
}

/* Where the segments lie, and PT_DYNAMIC among them: 0 without one. */
static u64 find_dynamic(const struct mm *mm, u64 *bias)
{
	u64 at = auxv_value(mm, AT_PHDR), n = auxv_value(mm, AT_PHNUM), dynamic = 0;
	struct elf64_phdr p;

	*bias = 0;
	for (u64 i = 0; i < n; i++) {
		if (user_read(&p, (const void *)(at + i * sizeof(p)), sizeof(p)) < 0)
			return 0;
		if (p.p_type == PT_PHDR)
			*bias = at - p.p_vaddr;
		else if (p.p_type == PT_DYNAMIC)
			dynamic = p.p_vaddr;
	}
	return dynamic ? *bias + dynamic : 0;
}

static u64 *table_of(struct symbols *s, s64 tag)
{
	switch (tag) {
	case DT_STRTAB:
		return &s->names;
	case DT_SYMTAB:
		return &s->table;
	case DT_GNU_HASH:
		return &s->hash;
	}
	return NULL;
}

static bool find_symbols(struct symbols *s)
{
	u64 at = find_dynamic(this_process()->mm, &s->bias), *to;
	Elf64_Dyn d;

	for (; at; at += sizeof(d)) {
		if (user_read(&d, (const void *)at, sizeof(d)) < 0)
			return false;
		if (d.d_tag == DT_NULL)
			break;
		to = table_of(s, d.d_tag);
		/* glibc's loader adds the bias in place, musl's does not. */
		if (to)
			*to = d.d_un.d_ptr < s->bias ? d.d_un.d_ptr + s->bias : d.d_un.d_ptr;
	}
	return s->names && s->table && s->hash;
}

static u32 gnu_hash(const char *name)
{
	u32 h = 5381;

	while (*name)
		h = h * 33 + (u8)*name++;
	return h;
}

static bool symbol_is(const struct symbols *s, u64 i, const char *name, u64 *address)
{
	char found[32]; /* longer than any name that is looked for */
	Elf64_Sym sym;

	if (user_read(&sym, (const void *)(s->table + i * sizeof(sym)), sizeof(sym)) < 0 || !sym.st_shndx ||
	    user_string(found, (const char *)(s->names + sym.st_name), sizeof(found)) < 0 || strcmp(found, name))
		return false;
	*address = s->bias + sym.st_value;
	return true;
}

/* The address of a variable; 0: it is not exported. */
static u64 symbol(const struct symbols *s, const char *name)
{
	struct {
		u32 buckets, first, bloom, shift;
	} head;
	u32 hash = gnu_hash(name), bucket, entry = 0;
	u64 at, address;

	if (user_read(&head, (const void *)s->hash, sizeof(head)) < 0 || !head.buckets)
		return 0;
	at = s->hash + sizeof(head) + 8ull * head.bloom;
	if (user_read(&bucket, (const void *)(at + 4ull * (hash % head.buckets)), sizeof(bucket)) < 0 ||
	    bucket < head.first)
		return 0;
	at += 4ull * head.buckets;
	for (u32 i = bucket; i < bucket + CHAIN_MAX && !(entry & 1); i++) {
		if (user_read(&entry, (const void *)(at + 4ull * (i - head.first)), sizeof(entry)) < 0)
			return 0;
		if ((entry | 1) == (hash | 1) && symbol_is(s, i, name, &address))
			return address;
	}
	return 0;
}

static bool int_of(const struct symbols *s, const char *name, int *value)
{
	u64 at = symbol(s, name);

	return at && user_read(value, (const void *)at, sizeof(*value)) == 0;
}

static bool pointer_of(const struct symbols *s, const char *name, u64 *value)
{
	u64 at = symbol(s, name);

	return at && user_read_u64(value, (const u64 *)at) == 0;
}

/* Where bash asks for the rest of a command it shows its second prompt; zsh counts. */
static bool in_the_middle(const struct symbols *s)
{
	u64 shown, second;
	int first;

	if (pointer_of(s, "current_prompt_string", &shown) && pointer_of(s, "ps2_prompt", &second))
		return shown && shown == second;
	return int_of(s, "isfirstln", &first) && !first;
}

bool shell_state(struct shell_state *state)
{
	struct symbols s = { 0 };
	int status;

	if (!find_symbols(&s) || (!int_of(&s, "last_command_exit_value", &status) && !int_of(&s, "lastval", &status)))
		return false;
	state->status = status & 255;
	state->in_the_middle = in_the_middle(&s);
	return true;
}

const char *shell_line(size_t room, size_t *size)
{
	struct symbols s = { 0 };
	u64 line;
	char c;

	*size = 0;
	if (!find_symbols(&s) || !pointer_of(&s, "rl_line_buffer", &line) || !line)
		return NULL;
	while (*size < room && user_read(&c, (const void *)(line + *size), 1) == 0 && c)
		++*size;
	return (const char *)line;
}
