/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Two changes of one text put together. */
#ifndef GSHD_TREE_MERGE_H
#define GSHD_TREE_MERGE_H

#include "gshd/tree/patch.h"

/* What both made of `base`: a descriptor with the merged text, and in *conflicts how many parts both changed in their own
 * way; these stand in it between marks. -EMEDIUMTYPE: one of the three is not text; -EFBIG: too large; -ENOPKG: there is
 * no diff3(1). */
int merge_texts(int base, int sandbox, int host, unsigned *conflicts) tree_must_check;
/* The parts of a merged text that are in conflict, and only these. */
int merge_show(int merged, const struct patch_sink *sink) tree_must_check;

#endif
