/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A process on its way to a fresh address space: what of it is not in its slot of the area or on the host.
 *
 * The state travels as a string that the host copies for its exec (ckpt/text.h); what is too long for that is one memfd
 * at GRANT_FD_STATE. It is written and read by the same image within one exec, so it has no version of its own; it begins
 * with a magic word and ends with one, and a reader that does not arrive there gives up.
 */
#ifndef LIBOS_CKPT_EXEC_STATE_H
#define LIBOS_CKPT_EXEC_STATE_H

#include "libos/boot/boot.h"
#include "libos/ckpt/cursor.h"

struct exec_state {
	struct buf bytes; /* of the memfd */
	struct cursor at;
	u64 host_mask; /* signals are off until the state is loaded */
	u64 vvar;
};

/* Save the caller's process and the program it is to run, execute the image. Returns only on error. */
long exec_state_switch(struct program *prog);
/* In the fresh image: read the state and make the process, on the calling thread t. 0 or -errno. */
int exec_state_open(struct exec_state *s, struct thread *t);
/* With mounts up: its memory's books, cwd, descriptors, and the program. */
int exec_state_load(struct exec_state *s, struct thread *t, struct program *prog);

#endif
