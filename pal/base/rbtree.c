/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Red-black tree (Cormen, Leiserson, Rivest, Stein: Introduction to Algorithms, chapter 13), with
 * NULL for the black leaves. A red node has no red child, and every way down from a node passes
 * equally many black ones.
 */
#include "pal/base/rbtree.h"

static bool is_red(const struct rb_node *n)
{
	return n && n->red;
}

/* Let `to` take the place of `from` below its parent. */
static void replace_child(struct rb_root *root, struct rb_node *parent, struct rb_node *from,
			  struct rb_node *to)
{
	if (!parent)
		root->node = to;
	else if (parent->left == from)
		parent->left = to;
	else
		parent->right = to;
	if (to)
		to->parent = parent;
}

/* x's child on the other side rises above it. */
static void rotate(struct rb_root *root, struct rb_node *x, bool left)
{
	struct rb_node *y = left ? x->right : x->left, *inner = left ? y->left : y->right;

	replace_child(root, x->parent, x, y);
	if (left) {
		x->right = inner;
		y->left = x;
	} else {
		x->left = inner;
		y->right = x;
	}
	if (inner)
		inner->parent = x;
	x->parent = y;
}

void base_rb_insert(struct rb_root *root, struct rb_node *n, struct rb_node *parent,
		    struct rb_node **link)
{
	*n = (struct rb_node){ .parent = parent, .red = true };
	*link = n;
	while (is_red(n->parent)) {
		struct rb_node *p = n->parent, *g = p->parent;
		bool left = p == g->left;
		struct rb_node *uncle = left ? g->right : g->left;

		if (is_red(uncle)) {
			p->red = uncle->red = false;
			g->red = true;
			n = g;
			continue;
		}
		if (n == (left ? p->right : p->left)) {
			rotate(root, p, left);
			p = n;
		}
		p->red = false;
		g->red = true;
		rotate(root, g, !left);
		break;
	}
	root->node->red = false;
}

/* n (perhaps NULL) below parent lacks one black node on its ways down. */
static void erase_balance(struct rb_root *root, struct rb_node *n, struct rb_node *parent)
{
	while (n != root->node && !is_red(n)) {
		bool left = n == parent->left;
		struct rb_node *s = left ? parent->right : parent->left;
		struct rb_node *near, *far;

		if (is_red(s)) {
			s->red = false;
			parent->red = true;
			rotate(root, parent, left);
			s = left ? parent->right : parent->left;
		}
		near = left ? s->left : s->right;
		far = left ? s->right : s->left;
		if (!is_red(near) && !is_red(far)) {
			s->red = true;
			n = parent;
			parent = n->parent;
			continue;
		}
		if (!is_red(far)) {
			near->red = false;
			s->red = true;
			rotate(root, s, !left);
			far = s;
			s = near;
		}
		s->red = parent->red;
		parent->red = false;
		far->red = false;
		rotate(root, parent, left);
		n = root->node;
	}
	if (n)
		n->red = false;
}

void base_rb_erase(struct rb_root *root, struct rb_node *n)
{
	struct rb_node *child, *parent;
	bool black;

	if (n->left && n->right) {
		/* The next in order, which has no left child, moves into n's place and colour. */
		struct rb_node *next = base_rb_next(n);

		child = next->right;
		black = !next->red;
		parent = next->parent;
		if (parent == n) {
			parent = next;
		} else {
			replace_child(root, parent, next, child);
			next->right = n->right;
			next->right->parent = next;
		}
		next->left = n->left;
		next->left->parent = next;
		next->red = n->red;
		replace_child(root, n->parent, n, next);
	} else {
		child = n->left ? n->left : n->right;
		black = !n->red;
		parent = n->parent;
		replace_child(root, parent, n, child);
	}
	if (black)
		erase_balance(root, child, parent);
}

struct rb_node *base_rb_first(const struct rb_root *root)
{
	struct rb_node *n = root->node;

	while (n && n->left)
		n = n->left;
	return n;
}

struct rb_node *base_rb_last(const struct rb_root *root)
{
	struct rb_node *n = root->node;

	while (n && n->right)
		n = n->right;
	return n;
}

struct rb_node *base_rb_next(const struct rb_node *n)
{
	if (n->right) {
		n = n->right;
		while (n->left)
			n = n->left;
		return (struct rb_node *)n;
	}
	while (n->parent && n == n->parent->right)
		n = n->parent;
	return n->parent;
}

struct rb_node *base_rb_prev(const struct rb_node *n)
{
	if (n->left) {
		n = n->left;
		while (n->right)
			n = n->right;
		return (struct rb_node *)n;
	}
	while (n->parent && n == n->parent->left)
		n = n->parent;
	return n->parent;
}
