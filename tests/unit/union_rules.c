/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The union's rules against a model that is slow and obvious, over every small stack of layers; and their encodings. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "libos/union/union.h"

static unsigned failures;

#define CHECK(cond)                                                            \
	do {                                                                   \
		if (!(cond)) {                                                 \
			printf("FAIL %s:%d: %s\n", __FILE__, __LINE__, #cond); \
			failures++;                                            \
		}                                                              \
	} while (0)

#define DIR 0040755u
#define FILE_MODE 0100644u
#define WHITEOUT 0020000u

/* What a layer may have under a name. */
enum { NOTHING, A_FILE, A_WHITEOUT, A_DIR, AN_OPAQUE_DIR, A_REDIRECTED_DIR, KINDS };

static struct union_entry entry_of(int kind)
{
	struct union_entry e = { 0 };

	switch (kind) {
	case A_FILE: e.mode = FILE_MODE; break;
	case A_WHITEOUT: e.mode = WHITEOUT; break;
	case AN_OPAQUE_DIR: e.opaque = true; e.mode = DIR; break;
	case A_REDIRECTED_DIR: e.redirected = true; e.mode = DIR; break;
	case A_DIR: e.mode = DIR; break;
	}
	return e;
}

/* The model: what is seen is the highest entry; only directories that touch, without anything between, merge. */
static u64 model(const int *kinds, int n, int *top)
{
	int first = n - 1, l;
	u64 layers;

	while (first >= 0 && kinds[first] == NOTHING)
		first--;
	*top = -1;
	if (first < 0 || (kinds[first] == A_WHITEOUT && first > 0))
		return 0;
	*top = first;
	layers = 1ull << first;
	if (kinds[first] != A_DIR)
		return layers;
	for (l = first - 1; l >= 0; l--) {
		if (kinds[l] == NOTHING)
			continue;
		if (kinds[l] == A_FILE || kinds[l] == A_WHITEOUT)
			break;
		layers |= 1ull << l;
		if (kinds[l] != A_DIR)
			break;
	}
	return layers;
}

static void all_stacks(void)
{
	enum { LAYERS = 5 };
	int kinds[LAYERS], total = 1;

	for (int i = 0; i < LAYERS; i++)
		total *= KINDS;
	for (int code = 0; code < total; code++) {
		struct union_merge m;
		int rest = code, top;
		u64 layers;

		for (int i = 0; i < LAYERS; i++, rest /= KINDS)
			kinds[i] = rest % KINDS;
		union_merge_init(&m);
		for (int l = LAYERS - 1; l >= 0; l--) {
			struct union_entry e = entry_of(kinds[l]);

			if (!union_merge_feed(&m, (unsigned)l, &e))
				break;
		}
		layers = model(kinds, LAYERS, &top);
		if (m.layers != layers || m.top != top) {
			printf("FAIL stack %d: layers %lx, model %lx\n", code, (unsigned long)m.layers,
			       (unsigned long)layers);
			failures++;
		}
	}
}

static void encodings(void)
{
	struct union_attr a = { .mode = 0104755, .uid = 4294967294u, .gid = 0, .rdev = 0xfedcba9876543210ull }, b;
	char value[UNION_VALUE_MAX];
	static const char *const bad[] = {
		"", " ", "1", "1 2 3", "1 2 3 ", "1 2 3 4 5", "8 0 0 0", "777777777 0 0 0", "1 4294967296 0 0",
		"1 2 3 g", "-1 0 0 0", "1  2 3", "1 2 3 10000000000000000",
	};
	size_t n = union_attr_encode(value, &a);
	u64 ino;

	CHECK(!union_attr_decode(value, n, &b));
	CHECK(b.mode == a.mode && b.uid == a.uid && b.gid == a.gid && b.rdev == a.rdev);
	for (size_t i = 0; i < n; i++)
		CHECK(union_attr_decode(value, i, &b) || b.rdev != a.rdev);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(union_attr_decode(bad[i], strlen(bad[i]), &b));
	CHECK(union_attr_fits(0100644, &a) && !union_attr_fits(0040755, &a) && !union_attr_fits(0120777, &a));
	b.mode = 0060660;
	CHECK(union_attr_fits(0101644, &b) && !union_attr_fits(0040755, &b));
	n = union_origin_encode(value, 0x123456789abcdefull);
	CHECK(!union_origin_decode(value, n, &ino) && ino == 0x123456789abcdefull);
	CHECK(union_origin_decode("0", 1, &ino) && union_origin_decode("", 0, &ino) && union_origin_decode("x", 1, &ino));
}

static void modes(void)
{
	bool differs;

	CHECK(union_host_mode(0100644, false, &differs) == 0644 && !differs);
	CHECK(union_host_mode(0100444, false, &differs) == 0444 && !differs);
	CHECK(union_host_mode(0100444, true, &differs) == 0644 && differs);
	CHECK(union_host_mode(0100000, false, &differs) == 0400 && differs);
	CHECK(union_host_mode(0104755, false, &differs) == 0755 && differs);
	CHECK(union_host_mode(0040555, false, &differs) == 0755 && differs);
	CHECK(union_host_mode(0041777, false, &differs) == 0777 && differs);
	CHECK(union_host_mode(0060660, false, &differs) == 0660 && differs);
	CHECK(union_is_marked(0101644) && union_is_marked(0041755) && !union_is_marked(0100644) && !union_is_marked(0121777));
	CHECK(union_is_whiteout(0020000, 0) && !union_is_whiteout(0020000, 0x103) && !union_is_whiteout(0100644, 0));
	CHECK(union_is_hidden_xattr("user.overlay.opaque") && union_is_hidden_xattr("user.gsh.attr"));
	CHECK(!union_is_hidden_xattr("user.overlay") && !union_is_hidden_xattr("user.mine"));
}

static void redirects(void)
{
	static const char *const good[] = { "a", "/a", "/a/b c/d", "...", "/..a/.b" };
	static const char *const wrong[] = { "", "/", ".", "..", "a/b", "/a//b", "/a/", "/a/../b", "/.", "//a" };
	char longer[300];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK(union_redirect_valid(good[i], strlen(good[i])));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		CHECK(!union_redirect_valid(wrong[i], strlen(wrong[i])));
	CHECK(!union_redirect_valid("a\0b", 3));
	memset(longer, 'x', sizeof(longer));
	CHECK(union_redirect_valid(longer, 255) && !union_redirect_valid(longer, 256));
}

static void inode_numbers(void)
{
	u64 a = union_fold_ino(1234, 5, 5), b = union_fold_ino(1234, 6, 5), c = union_fold_ino(1234, 7, 5);

	CHECK(a == 1234 && b != a && c != a && b != c);
	CHECK(union_fold_ino(1234, 6, 5) == b && union_fold_ino(1235, 6, 5) != b);
	CHECK(union_fold_ino(1ull << 50 | 1, 6, 5) != union_fold_ino(1ull << 51 | 1, 6, 5));
}

static void listings(void)
{
	struct union_list l = { 0 };
	const struct union_name *n;
	char name[32];

	for (int layer = 2; layer >= 0; layer--)
		for (int i = layer; i < 20000; i += layer + 1) {
			snprintf(name, sizeof(name), "name%d", i);
			CHECK(!union_list_add(&l, (unsigned)layer, name, 8, (u64)i, layer == 2 && i % 5 == 0));
		}
	CHECK(!union_list_add(&l, 0, ".", 4, 1, false) && !union_list_add(&l, 0, "..", 4, 1, false));
	CHECK(l.count == 20000);
	n = union_list_find(&l, "name5");
	CHECK(n && n->layer == 2 && n->hidden && n->twice && !strcmp(union_list_text(&l, n), "name5"));
	n = union_list_find(&l, "name0");
	CHECK(n && n->layer == 0 && !n->hidden && !n->twice);
	CHECK(!union_list_find(&l, "name20000") && !union_list_find(&l, ""));
	union_list_free(&l);
}

/* Every name that was added is there, and few others are said to be. */
static void layer_names(void)
{
	static u8 bits[UNION_NAMES_SIZE];
	unsigned wrong = 0;
	char name[32];

	CHECK(!union_names_has(bits, "") && !union_names_has(bits, "a"));
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "file-%d.o", i);
		union_names_add(bits, name);
	}
	union_names_add(bits, UNION_NAMES_MARKS);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "file-%d.o", i);
		CHECK(union_names_has(bits, name));
		snprintf(name, sizeof(name), "other-%d.c", i);
		wrong += union_names_has(bits, name);
	}
	CHECK(union_names_has(bits, UNION_NAMES_MARKS) && wrong < 50);
}

int main(void)
{
	layer_names();
	all_stacks();
	encodings();
	modes();
	redirects();
	inode_numbers();
	listings();
	printf("union rules: %s\n", failures ? "failed" : "ok");
	return failures != 0;
}
