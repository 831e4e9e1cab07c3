/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What history.c, history_layers.c and journal.c share. */
#ifndef GSHD_HISTORY_IMPL_H
#define GSHD_HISTORY_IMPL_H

#include <sys/types.h>
#include "gshd/store/history.h"

/* The number that a layer's directory is named by (four digits at least), or 0. */
uint32_t layer_number(const char *name);

/* ---- history_layers.c ---- */
/* Sorted numbers of the layers in a directory: their count, or -errno. Beyond max: -E2BIG. */
int layers_list(int at, const char *dir, uint32_t *number, int max) __attribute__((warn_unused_result));
uint32_t layers_highest(int box); /* the highest number of a layer anywhere in a sandbox; 0: it has none */
int layers_dir(int at, const char *name, mode_t mode) __attribute__((warn_unused_result)); /* made, or there */
int layers_sync(int at, const char *name);
/* Out of the way, where it can be looked at: LAYERS_ASIDE and its last name, or with a number behind. It stays where it is,
 * too, if asked and if there are hard links. */
#define LAYERS_ASIDE "damaged"
int layers_aside(int box, const char *path, bool stays) __attribute__((warn_unused_result));
bool layers_dir_empty(int at, const char *name); /* one that is not there is, one that cannot be read is not */
/* A layer that is not there any more was moved before. */
int layer_move(int box, const char *from, const char *to, uint32_t number);
/* Carry out what `pending` says, if it is there. */
int layers_settle(int box) __attribute__((warn_unused_result));
/* Begin a change, do it, end it. The list is in the order of doing. */
enum touch { TOUCH_NOTHING, TOUCH_TAKES, TOUCH_JOINS /* takes all but the last */, TOUCH_ADDS }; /* how it touches the chain */
int layers_change(struct history *h, const char *what, const uint32_t *number, unsigned n, enum touch touch)
	__attribute__((warn_unused_result));
/* Carry through a change that failed and could not be taken back: before any other. */
int history_settle(struct history *h) __attribute__((warn_unused_result));
/* Processes that run shall use the chain of h from now on. */
void history_tell(struct history *h, bool pushed);
/* Whatever became of a change: the chain is what directories hold. */
void history_reread(struct history *h);
/* Begin a change of several layers, do it, end it. For what runs nothing changes. */
int history_change(struct history *h, const char *what, const uint32_t *number, unsigned n)
	__attribute__((warn_unused_result));

/* ---- join.c ---- */
/* The first layers, from the *first'th up, to be joined until `keep` are left: how many; 0: none (more). */
unsigned join_range(const struct history *h, unsigned keep, unsigned *first);
/* Have the last of these layers hold what all do. It may be ended at any time, processes may run, and others use the
 * history meanwhile but for taking these layers away. */
int join_prepare(struct history *h, const uint32_t *number, unsigned n) __attribute__((warn_unused_result));
/* Take the others away. */
int join_finish(struct history *h, const uint32_t *number, unsigned n) __attribute__((warn_unused_result));

/* ---- journal.c ---- */
/* Open for appending, without what a crash left of a last line; fills in last_op, raises next. */
int journal_open(struct history *h) __attribute__((warn_unused_result));
int journal_begin(struct history *h, int64_t op, uint32_t layer, struct json_object *argv, const char *cwd,
		  int64_t when) __attribute__((warn_unused_result));
int journal_end(struct history *h, int64_t op, int status, int64_t ms, struct json_object *argv);
/* Layers that something was done to: "undo", "redo", "squash". */
int journal_note(struct history *h, const char *what, const uint32_t *layer, unsigned n);
/* Is the layer some op's? */
bool journal_has_layer(const struct history *h, uint32_t layer);
bool snapshot_needs(int box, uint32_t layer);
/* How many whole lines are no objects; -errno. */
int journal_damaged(int box) __attribute__((warn_unused_result));
/* The journal without them; what it was is set aside. */
int journal_mend(int box) __attribute__((warn_unused_result));

#endif
