// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * What was changed: changes/ of a sandbox, and the patches of its ops.
 *
 *	changes/tree/		what was added or changed, a tree without the base
 *	changes/deleted		names of the base that are gone, a line each
 *	changes/patch		as "gsh diff" prints it; ops/N/patch: what op N did
 *
 * Texts are made when they are opened, and are of that moment; how long they are is not known before.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gfs/gfs.h"
#include "gshd/tree/patch.h"

#define INO_OWN (5ull << 60)
#define TEXT_MAX (1ul << 30)

enum part { PART_TREE, PART_DELETED, PART_PATCH };

static const struct {
	const char *name;
	unsigned char type;
} parts[] = {
	[PART_TREE] = {"tree", DT_DIR},
	[PART_DELETED] = {"deleted", DT_REG},
	[PART_PATCH] = {"patch", DT_REG},
};
#define PARTS (sizeof(parts) / sizeof(parts[0]))

static uint64_t ino_of(const struct node *n, size_t part)
{
	return INO_OWN | n->box->id << 4 | part;
}

/* ---- texts ---- */

struct text {
	FILE *to;
	bool deleted; /* names of what is gone, and no more */
};

static int put(void *arg, enum patch_kind kind, const char *bytes, size_t size)
{
	struct text *t = arg;

	(void)kind;
	return fwrite(bytes, 1, size, t->to) == size && ftell(t->to) < (long)TEXT_MAX ? 0 : -EFBIG;
}

static int found(const struct diff_found *f, void *arg)
{
	const struct patch_sink sink = {put, arg};
	struct text *t = arg;
	char name[TREE_PATH_MAX];

	if (!t->deleted)
		return patch_entry(f, &sink, NULL);
	if (f->what & DIFF_DELETED && fprintf(t->to, "%s\n", quote_name(f->path, name, sizeof(name))) < 0)
		return -ENOMEM;
	return 0;
}

/* What may not be read is no part of it, as with gsh diff, which says so. */
static void lost(const char *path, int err, void *arg)
{
	(void)path;
	(void)err;
	(void)arg;
}

/* The caller frees. */
static int compare(const struct tree *a, const struct tree *b, bool deleted, char **out, size_t *size)
{
	struct text t = {.to = open_memstream(out, size), .deleted = deleted};
	const struct diff_calls calls = {.found = found, .lost = lost, .arg = &t};
	int err;

	if (!t.to)
		return -ENOMEM;
	err = tree_diff(a, b, NULL, &calls);
	if (fclose(t.to) && !err)
		err = -ENOMEM;
	if (err)
		free(*out);
	return err;
}

static int open_changes(struct node *n, struct fuse_file_info *fi)
{
	struct box *base = box_version(n->box, "base");
	struct stack *then = base ? box_stack(base) : NULL, *now = box_stack(n->box);
	char *text = NULL;
	size_t size = 0;
	bool deleted = !strcmp(n->name, parts[PART_DELETED].name);
	int err = then && now ? compare(&then->tree, &now->tree, deleted, &text, &size) : -ENOENT;

	if (now)
		stack_put(now);
	if (then)
		stack_put(then);
	if (base)
		box_put(base);
	return err ? err : open_text(fi, text, size);
}

int changes_open_patch(struct box *b, uint32_t layer, struct fuse_file_info *fi)
{
	struct stack *s = box_stack(b);
	char *text = NULL;
	size_t size = 0;
	struct tree before;
	int err = s ? 0 : -ENOENT;

	/* An op that changed nothing has no layer of its own. */
	if (!err && layer && layer == s->highest && s->tree.n > 1) {
		before = s->tree; /* borrowed */
		before.n--;
		err = compare(&before, &s->tree, false, &text, &size);
	} else if (!err) {
		text = strdup("");
	}
	if (s)
		stack_put(s);
	return err ? err : open_text(fi, text, size);
}

/* ---- the folder ---- */

static int changes_lookup(struct node *n, const char *name, struct fuse_entry_param *e)
{
	size_t part = 0;
	struct node *child;

	while (part < PARTS && strcmp(parts[part].name, name))
		part++;
	if (part == PARTS)
		return -ENOENT;
	if (part == PART_TREE)
		return enter_tree(n, name, VERSION_CHANGES, e);
	fill_file(&e->attr, ino_of(n, part + 1), 0);
	child = node_take(n, NODE_CHANGES_TEXT, n->box, name, e->attr.st_ino);
	e->ino = child ? node_ino(child) : 0;
	return child ? 0 : -ENOMEM;
}

static int changes_getattr(struct node *n, struct stat *st)
{
	fill_dir(st, ino_of(n, 0));
	return 0;
}

static int changes_list(struct node *n, struct listing **out)
{
	struct listing *l = listing_empty();
	int err = l ? 0 : -ENOMEM;

	(void)n;
	for (size_t i = 0; i < PARTS && !err; i++)
		err = listing_add(l, parts[i].name, parts[i].type, 0);
	if (err)
		listing_free(l);
	else
		*out = l;
	return err;
}

static int text_getattr(struct node *n, struct stat *st)
{
	fill_file(st, n->ident, 0);
	return 0;
}

const struct kind kind_changes = {.lookup = changes_lookup, .getattr = changes_getattr, .list = changes_list};
const struct kind kind_changes_text = {.getattr = text_getattr, .open = open_changes};
