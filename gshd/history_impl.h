/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What history.c and journal.c share. */
#ifndef GSHD_HISTORY_IMPL_H
#define GSHD_HISTORY_IMPL_H

#include "gshd/history.h"

/* The number that a layer's directory is named by (four digits at least), or 0. */
uint32_t layer_number(const char *name);

/* ---- history.c ---- */
/* Begin a change of several layers, do it, end it. For what runs nothing changes. */
int history_change(struct history *h, const char *what, const uint32_t *number, unsigned n)
	__attribute__((warn_unused_result));

/* ---- journal.c ---- */
/* Open for appending, without what a crash left of a last line; fills in last_op, raises next. */
int journal_open(struct history *h) __attribute__((warn_unused_result));
int journal_begin(struct history *h, int64_t op, uint32_t layer, struct json_object *argv, const char *cwd,
		  int64_t when) __attribute__((warn_unused_result));
int journal_end(struct history *h, int64_t op, int status, int64_t ms);
/* Layers that something was done to: "undo", "redo", "squash". */
int journal_note(struct history *h, const char *what, const uint32_t *layer, unsigned n);
/* Is the layer some op's? */
bool journal_has_layer(const struct history *h, uint32_t layer);
bool snapshot_needs(int box, uint32_t layer);

#endif
