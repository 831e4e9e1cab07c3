// SPDX-License-Identifier: LGPL-3.0-or-later
/* What gfs itself puts into the tree: the top with README, and for each sandbox a folder with
 * info.json. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "gfs/gfs.h"

static const char readme[] =
	"The sandboxes of gsh. In each: root/ is its merged tree, live, and may be written to, which is an op;\n"
	"proc/ its processes; info.json what it is; base/ what it began with; changes/ what became of that: tree/,\n"
	"deleted, patch; snapshots/NAME/ its tree as it was; ops/N/ what the commands were, their patch, and root/\n"
	"the tree after each; at/TIME/ as it was then (2026-11-28T03:14:15Z).\n"
	"Absolute symbolic links are shown relative to root/ (the stored "
	"target: extended attribute gsh.link); everything\n"
	"belongs to you here, devices are empty files. \"gsh umount\" takes "
	"this view away; it disturbs no sandbox.\n";

/* Inode numbers of our own, apart from those of the host: README, then three for each sandbox. */
#define INO_OWN (1ull << 62)
#define INO_README (INO_OWN | 1)

static uint64_t ino_of(const struct box *b, enum node_kind kind)
{
	return INO_OWN | b->id << 8 | (uint64_t)kind;
}

/* These names are no fresher than what boxes.c remembers, so the kernel may remember them too: it
 * saves two questions for every path. Attributes of root/ are live. */
static int fill_entry(struct fuse_entry_param *e, struct node *child)
{
	if (!child)
		return -ENOMEM;
	e->ino = node_ino(child);
	e->entry_timeout = NAMES_FRESH;
	e->attr_timeout = child->kind == NODE_TREE || child->kind == NODE_INFO ? 0 : NAMES_FRESH;
	return 0;
}

/* ---- the top ---- */

static int top_lookup(struct node *n, const char *name, struct fuse_entry_param *e)
{
	struct box *b;
	int err;

	if (!strcmp(name, "README")) {
		fill_file(&e->attr, INO_README, sizeof(readme) - 1);
		return fill_entry(e, node_take(n, NODE_README, NULL, name, INO_README));
	}
	b = box_find(name);
	if (!b)
		return -ENOENT;
	fill_dir(&e->attr, ino_of(b, NODE_BOX));
	err = fill_entry(e, node_take(n, NODE_BOX, b, name, b->id));
	box_put(b);
	return err;
}

static int top_getattr(struct node *n, struct stat *st)
{
	(void)n;
	fill_dir(st, FUSE_ROOT_ID);
	return 0;
}

static int add_name(const char *name, void *arg)
{
	return listing_add(arg, name, DT_DIR, 0);
}

static int top_list(struct node *n, struct listing **out)
{
	struct listing *l = listing_empty();
	int err = l ? listing_add(l, "README", DT_REG, INO_README) : -ENOMEM;

	(void)n;
	if (!err)
		err = boxes_each(add_name, l);
	if (err)
		listing_free(l);
	else
		*out = l;
	return err;
}

static int readme_getattr(struct node *n, struct stat *st)
{
	(void)n;
	fill_file(st, INO_README, sizeof(readme) - 1);
	return 0;
}

static int readme_open(struct node *n, struct fuse_file_info *fi)
{
	(void)n;
	return open_text(fi, strdup(readme), sizeof(readme) - 1);
}

/* ---- a sandbox ---- */

static const struct {
	const char *name;
	enum node_kind kind;
	unsigned char type;
} parts[] = {
	{"root", NODE_TREE, DT_DIR},
	{"proc", NODE_PROC, DT_DIR},
	{"snapshots", NODE_SNAPSHOTS, DT_DIR},
	{"ops", NODE_OPS, DT_DIR},
	{"at", NODE_AT, DT_DIR},
	{"base", NODE_TREE, DT_DIR},
	{"changes", NODE_CHANGES, DT_DIR},
	{"info.json", NODE_INFO, DT_REG},
};

/* Is it still there? A kernel that holds a folder of a removed sandbox learns so here. */
static int check_listed(struct box *b)
{
	struct box *now = box_find(b->name);
	int err = now == b ? 0 : -ENOENT;

	if (now)
		box_put(now);
	return err;
}

static int part_attr(struct node *n, const char *name, struct fuse_entry_param *e)
{
	char *text;

	if (!strcmp(name, "root")) {
		struct stack *s = box_stack(n->box);
		struct spot root;
		int err = s ? spot_find(&s->tree, "", &root) : -ENOENT;

		if (!err) {
			spot_attr(&root, n->box, &e->attr);
			spot_put(&root);
		}
		if (s)
			stack_put(s);
		return err;
	}
	if (strcmp(name, "info.json")) {
		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
			if (!strcmp(name, parts[i].name))
				fill_dir(&e->attr, ino_of(n->box, parts[i].kind));
		return 0;
	}
	text = box_info(n->box);
	if (!text)
		return -ENOMEM;
	fill_file(&e->attr, ino_of(n->box, NODE_INFO), strlen(text) + 1);
	free(text);
	return 0;
}

static int box_lookup(struct node *n, const char *name, struct fuse_entry_param *e)
{
	int err = check_listed(n->box);

	if (!err && !strcmp(name, "base"))
		return enter_tree(n, name, name, e);
	for (size_t i = 0; !err && i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strcmp(name, parts[i].name))
			continue;
		err = part_attr(n, name, e);
		if (err)
			return err;
		return fill_entry(e, node_take(n, parts[i].kind, n->box, name, 0));
	}
	return err ? err : -ENOENT;
}

static int box_getattr(struct node *n, struct stat *st)
{
	fill_dir(st, ino_of(n->box, NODE_BOX));
	return check_listed(n->box);
}

static int box_list(struct node *n, struct listing **out)
{
	struct listing *l = listing_empty();
	int err = l ? check_listed(n->box) : -ENOMEM;

	for (size_t i = 0; !err && i < sizeof(parts) / sizeof(parts[0]); i++)
		err = listing_add(l, parts[i].name, parts[i].type, 0);
	if (err)
		listing_free(l);
	else
		*out = l;
	return err;
}

static int info_getattr(struct node *n, struct stat *st)
{
	struct fuse_entry_param e = {0};
	int err = part_attr(n, "info.json", &e);

	*st = e.attr;
	return err;
}

static int info_open(struct node *n, struct fuse_file_info *fi)
{
	char *text = box_info(n->box);
	size_t len = text ? strlen(text) : 0;

	if (text)
		text[len++] = '\n'; /* in place of the NUL: it is counted bytes from here on */
	return open_text(fi, text, len);
}

const struct kind kind_top = {.lookup = top_lookup, .getattr = top_getattr, .list = top_list};
const struct kind kind_readme = {.getattr = readme_getattr, .open = readme_open};
const struct kind kind_box = {.lookup = box_lookup, .getattr = box_getattr, .list = box_list};
const struct kind kind_info = {.getattr = info_getattr, .open = info_open};
