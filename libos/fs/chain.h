/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The layers that a process has open: which of the sandbox's layers lies at which place of the stack, and behind which
 * host descriptor. Of each process, not of memory: a vfork child has its parent's memory and descriptors of its own.
 */
#ifndef LIBOS_FS_CHAIN_H
#define LIBOS_FS_CHAIN_H

#include "pal/base/types.h"
#include "pal/grant.h"

struct open_chain {
	u32 seq, epoch;			/* of struct grant_chain when these were opened */
	u32 count;			/* with the base */
	u32 number[GRANT_LAYERS_MAX];	/* 0: the base */
	s32 fd[GRANT_LAYERS_MAX];
};

/* Guards a switch to another chain; fork takes it. */
extern struct mutex chain_lock;
void chain_forked(void);	/* in a forked child of several threads: they are in no layer any more */
void chain_abandoned(void);	/* a vfork child was killed, or did an exec, while it was in a layer */
/* Between the two the caller's process stays with the layers that it has open, which are the newest at the first. An exec
 * in between is as good as the second. Its result: r, or -ESTALE for a failure that the layers' changing may have made. */
u32 chain_stay(void);
int chain_go_on(u32 stayed, int r);
/* The number of the chain that both this process and its memory are at; 1: they are not at the same. */
u32 chain_shared(void);
/* Is a host descriptor one of the layers' own? */
bool chain_holds(const struct open_chain *c, int fd);
/* Other descriptions of the same directories behind the same numbers; for who splits off. */
int chain_reopen(struct open_chain *c);

#endif
