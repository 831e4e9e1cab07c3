/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What one layer changed of what lies below it. Layers are hostile: nothing is followed (chain.h). */
#ifndef GSHD_EFFECTS_H
#define GSHD_EFFECTS_H

#include <limits.h>
#include "gshd/store/chain.h"

struct effects {
	unsigned added, changed, removed; /* files, links and the like; of directories only removed ones */
	unsigned dirs;			  /* directories that are new */
	char where[PATH_MAX];		  /* the deepest directory that holds all of it */
	/* May be NULL. change: 'A', 'M', 'D'; size of regular files, else 0. */
	void (*each)(const char *path, char change, mode_t mode, off_t size, void *arg);
	void *arg;
};

/* Of c->layer[0]. each and arg are set by the caller, the rest is filled in. */
void effects_find(const struct chain *c, struct effects *e);
/* "+1,204 files in /home/u/node_modules, 1 changed", "no changes". */
void effects_text(const struct effects *e, char *text, size_t size);

#endif
