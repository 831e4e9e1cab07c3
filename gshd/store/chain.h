/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A version of a sandbox's tree is a chain of layers above a base, as open directories.
 *
 * For readers on the host's side: status, diff, cp, export and the like. A reader takes a version,
 * walks it and closes it; a layer that is squashed, undone or swept meanwhile stays readable
 * through the descriptors for as long as it is not deleted, and who finds a file gone reads the
 * version again.
 *
 * Layers hold what a sandbox wrote and perhaps is writing now: open relative to the directories
 * here, follow no link (O_NOFOLLOW, openat2 with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS), believe no
 * depth. What a layer means is in libos/union/union.h.
 *
 * Version words:
 *
 *	base        what lies below the sandbox: no layer at all; of an image, its lowest layer
 *	now         all of it, with the top, which is being written if the sandbox runs
 *	N           as it was after op number N (a decimal number)
 *	NAME        a snapshot
 *
 * Nothing here takes a lock; several threads may use different chains.
 */
#ifndef GSHD_CHAIN_H
#define GSHD_CHAIN_H

#include <stdbool.h>
#include <stdint.h>
#include "gshd/store/store.h"

/* A layer. The number is its own: never used twice in a sandbox, and growing towards the top. */
struct chain_layer {
	int fd; /* owned: O_RDONLY | O_DIRECTORY */
	uint64_t number;
	char path[32]; /* below the sandbox's directory: "tree/top/0007" */
};

struct chain {
	int base;   /* owned: the base's directory; the host lets the user read what it lets */
	unsigned n; /* layers; 0: the version is the base */
	struct chain_layer layer[GRANT_LAYERS_MAX]; /* from the top down: 0 hides what lies in 1 */
	/* layer[0] is the live top: the one layer that a caller may write, under the sandbox's lock
	 * (store_lock) if it does not run. */
	bool now;
	int64_t op; /* the op after which this was the tree; 0: none */
	char base_path[PATH_MAX];
	bool image; /* the base is empty, and the version "base" is the lowest layer */
};

/* Find a version of sandbox `box` and open it. 0; -ENOENT: no such sandbox or version; -EPROTO: the
 * store is damaged; -errno. Then `why` (STORE_WHY bytes) has a sentence and nothing is open. */
int chain_open(int store, const char *box, const char *version, struct chain *c, char *why)
	__attribute__((warn_unused_result));
void chain_close(struct chain *c);

/* Is this a word that chain_open may find? Else a sentence for the user is not worth a look into
 * the store: words are "base", "now", a number, or a name as paths_name_ok() has it. */
bool chain_word_ok(const char *version);

#endif
