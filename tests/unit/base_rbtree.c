/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The red-black tree against a sorted array, with its invariants looked at after every change. */
#include "tests/unit/base_test.h"
#include "pal/base/rbtree.h"

#define KEYS 512

struct item {
	struct rb_node node;
	int key;
};

static struct rb_root root;
static struct item items[KEYS];
static bool present[KEYS];

static struct item *item_of(struct rb_node *n)
{
	return container_of(n, struct item, node);
}

static void insert(int key)
{
	struct rb_node **link = &root.node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = key < item_of(parent)->key ? &parent->left : &parent->right;
	}
	items[key].key = key;
	base_rb_insert(&root, &items[key].node, parent, link);
	present[key] = true;
}

static void erase(int key)
{
	base_rb_erase(&root, &items[key].node);
	present[key] = false;
}

/* Black height, or -1 where an invariant is broken. */
static int height(const struct rb_node *n, const struct rb_node *parent)
{
	int l, r;

	if (!n)
		return 0;
	if (n->parent != parent || (n->red && parent && parent->red))
		return -1;
	l = height(n->left, n);
	r = height(n->right, n);
	return l < 0 || l != r ? -1 : l + !n->red;
}

static bool matches(void)
{
	struct rb_node *n = base_rb_first(&root), *last = NULL;

	if (height(root.node, NULL) < 0 || (root.node && root.node->red))
		return false;
	for (int k = 0; k < KEYS; k++) {
		if (!present[k])
			continue;
		if (!n || item_of(n)->key != k || base_rb_prev(n) != last)
			return false;
		last = n;
		n = base_rb_next(n);
	}
	return !n && base_rb_last(&root) == last;
}

static void test_order(int step)
{
	for (int i = 0; i < KEYS; i++)
		insert(i * step % KEYS);
	CHECK(matches());
	for (int i = 0; i < KEYS; i++) {
		erase(i * 77 % KEYS);
		CHECK(matches());
	}
	CHECK(!root.node);
}

int main(void)
{
	CHECK(matches());
	test_case("rbtree: empty");
	test_order(1);
	test_order(KEYS - 1);
	test_order(211);
	test_case("rbtree: rising, falling, scattered");
	for (int i = 0; i < 40000; i++) {
		int key = test_random() % KEYS;

		if (present[key])
			erase(key);
		else
			insert(key);
		if (i % 7 == 0)
			CHECK(matches());
	}
	CHECK(matches());
	test_case("rbtree: random changes");
	return test_end();
}
