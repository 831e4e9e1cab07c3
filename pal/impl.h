/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Names private to the PAL, grouped by file. The libOS does not include this. */
#ifndef PAL_IMPL_H
#define PAL_IMPL_H

#include "pal/pal.h"
#include "pal/grant.h"
#include "pal/host_x86_64.h"
#include "pal/base/lock.h"

/* hostcall_x86_64.S */
extern const char pal_hostcall_start[], pal_hostcall_end[]; /* from the linker script */
extern const char pal_constant_end[];			    /* likewise: of text and constants */
extern const char pal_hot_end[];			    /* likewise: of the text that all execute, and constants */
extern char pal_first_written[];			    /* likewise: tables and heap that a start writes to */
extern const char pal_host_insn[], pal_cp_begin[], pal_cp_end[], pal_cp_eintr[];
extern const char pal_peek_insn[], pal_peek_fail[], pal_gs_probe_fail[];
void pal_restorer(void);
long pal_clone_onto(unsigned long flags, u64 stack, s32 *parent_tid, s32 *child_tid, u64 tls, struct pal_tcb *tcb,
		    void (*fn)(void *), void *arg);
void pal_exit_insn(int status) noreturn_fn;
u64 pal_peek(const void *p, bool *ok);

/* main.c */
static inline bool pal_lean(void)
{
	return pal_grant()->flags & GRANT_LEAN;
}
void pal_main(u64 *stack) noreturn_fn;
void pal_boot_stack_drop(void); /* unless the caller is on it */
/* End with status 125 and a sentence: the host or the grant does not allow a start. */
void pal_refuse(const char *fmt, ...) printf_like(1, 2) noreturn_fn;

/* request.c: pal_monitor with the request in at most two parts */
int pal_request(u32 type, const struct iovec *parts, int n, const int *fds, int nfds, void *reply, size_t reply_size,
		int *reply_fds, int *nreply_fds);

/* signal.c: to a process, or with a tid to a thread of it */
int pal_signal_send(int host_pid, int host_tid, int sig, const struct siginfo *info);

/* walls.c */
extern bool pal_walled; /* this process has walls of its own: attributes are the monitor's to change */

/* thread.c */
extern struct pal_tcb pal_boot_tcb; /* GS before the libOS adopts a control block */
void pal_thread_begin(struct pal_tcb *tcb, void (*fn)(void *), void *arg) noreturn_fn;
extern u8 pal_bases_by_call; /* GRANT_BASES; also for pal/hostcall_x86_64.S */
void pal_set_gs(struct pal_tcb *tcb);
struct pal_tcb *pal_gs_probe(void); /* pal/hostcall_x86_64.S */
struct pal_tcb *pal_gs_checked(void); /* NULL: GS is not ours */
/* Hold the PAL's locks over a fork, so that the child finds them free; child: other threads are gone. */
void pal_thread_fork_begin(void);
void pal_thread_fork_end(bool child);
bool pal_thread_unlocked(void);

/* memory.c */
/* Addresses of own pages, with nothing mapped there, or 0. */
uintptr_t pal_pages_reserve(size_t size);
void pal_pages_fork_begin(void);
void pal_pages_fork_end(void);
bool pal_pages_unlocked(void);

/* clock.c: find the host's vDSO; its text counts as the guest's. */
void pal_clock_init(void);
bool pal_in_vdso(uintptr_t rip);

/* trap.c */
void pal_trap_init(bool first);

#endif
