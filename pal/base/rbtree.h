/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Intrusive red-black tree. The caller descends by itself and links; the tree balances. No locks. */
#ifndef PAL_BASE_RBTREE_H
#define PAL_BASE_RBTREE_H

#include "pal/base/types.h"

struct rb_node {
	struct rb_node *parent, *left, *right;
	bool red;
};
struct rb_root {
	struct rb_node *node;
};

/* Put n at *link below parent (as found by descending) and balance. */
void base_rb_insert(struct rb_root *root, struct rb_node *n, struct rb_node *parent, struct rb_node **link);
void base_rb_erase(struct rb_root *root, struct rb_node *n);
struct rb_node *base_rb_first(const struct rb_root *root);
struct rb_node *base_rb_last(const struct rb_root *root);
struct rb_node *base_rb_next(const struct rb_node *n);
struct rb_node *base_rb_prev(const struct rb_node *n);

#endif
