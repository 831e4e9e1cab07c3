/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Guests' own seccomp filters: sandboxes within the sandbox (sshd, man, apt, browsers). The libOS interprets them in its
 * dispatch, where the guest's calls are seen anyway; towards the host they are no boundary, and need not be: the guest
 * shares its libOS's memory. They keep honest programs to their own rules, which is all that a libOS can promise.
 */
#ifndef LIBOS_TASK_SECCOMP_H
#define LIBOS_TASK_SECCOMP_H

#include "libos/task/task.h"

struct buf;
struct cursor;

/* A filter, or a chain of them: the youngest first. Immutable; lives as long as the process, as nothing takes it off. */
struct seccomp_filter {
	const struct seccomp_filter *older;
	u32 count;	 /* instructions */
	u32 total, depth; /* of the chain: instructions with the kernel's surcharge, filters */
	struct sock_filter insn[];
};

/* bpf.c: Is this a program that the kernel would take? And what does it say of a call? */
bool seccomp_valid(const struct sock_filter *insn, unsigned count);
u32 seccomp_run(const struct seccomp_filter *f, const struct seccomp_data *d);

/* prctl(PR_SET_SECCOMP) and seccomp(2): prog is the guest's struct sock_fprog. */
long seccomp_strict(struct thread *t);
long seccomp_add(struct thread *t, const void *prog, u32 flags);
/* The call in regs is not to be made: its result is in regs, or a signal is on its way. May not return. */
bool seccomp_stops(struct thread *t, struct pal_regs *regs);
static inline void seccomp_inherit(struct thread *t, const struct thread *from)
{
	t->seccomp = from->seccomp;
	t->seccomp_mode = from->seccomp_mode;
}
void seccomp_save(struct buf *b, const struct thread *t);
int seccomp_load(struct cursor *c, struct thread *t);

#endif
