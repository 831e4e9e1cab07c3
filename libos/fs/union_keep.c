// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * What was learnt about a union's root and objects, as bytes, for the same process in a fresh address space
 * (vfs/keep.c). Asking the host again would be right, too; this saves asking.
 */
#include "libos/fs/union_impl.h"
#include "libos/ckpt/cursor.h"

struct kept_object {
	u64 ino, layers, host_ino, host_dev, origin;
	s64 changed_s;
	u32 changed_ns;
	u32 mode, uid, gid, flags;
	u32 hollow, below;
	u32 over_valid;
	struct union_attr over;
};

struct kept_union {
	u64 main_dev;
	u32 host_uid, host_gid;
	struct kept_object root;
};

static struct kept_object describe(const struct unode *n)
{
	return (struct kept_object){ .ino = n->node.ino,
				     .layers = n->layers,
				     .host_ino = n->host_ino,
				     .host_dev = n->host_dev,
				     .origin = n->origin,
				     .changed_s = n->changed_s,
				     .changed_ns = n->changed_ns,
				     .mode = n->node.mode,
				     .uid = n->node.uid,
				     .gid = n->node.gid,
				     .flags = n->node.flags,
				     .hollow = n->hollow,
				     .below = below_hint(n),
				     .over_valid = n->over_valid,
				     .over = n->over };
}

static void become(struct unode *n, const struct kept_object *k)
{
	n->node.ino = k->ino;
	n->node.mode = k->mode;
	n->node.uid = k->uid;
	n->node.gid = k->gid;
	n->node.flags = k->flags;
	n->layers = k->layers;
	n->host_ino = k->host_ino;
	n->host_dev = k->host_dev;
	n->origin = k->origin;
	n->changed_s = k->changed_s;
	n->changed_ns = k->changed_ns;
	n->hollow = k->hollow;
	below_note(n, (u8)k->below);
	n->epoch = ufs_of(n)->epoch;
	n->over_valid = n->over_read = k->over_valid;
	n->over = k->over;
	if (k->over_valid)
		union_note_setid(&k->over);
}

void union_keep_root(struct buf *b, const struct fs *fs)
{
	const struct ufs *u = container_of(fs, struct ufs, fs);
	struct kept_union k = { .main_dev = u->main_dev, .host_uid = u->host_uid, .host_gid = u->host_gid };

	k.root = describe(to_unode(fs->root));
	put_bytes(b, &k, sizeof(k));
}

bool union_recall_root(struct cursor *c, struct ufs *u, struct unode *root)
{
	const struct kept_union *k = get_bytes(c, sizeof(*k));
	u64 layers = root->layers;

	if (!k)
		return false;
	u->main_dev = k->main_dev;
	u->host_uid = k->host_uid;
	u->host_gid = k->host_gid;
	become(root, &k->root);
	root->layers = layers;
	return true;
}

bool union_keep(struct buf *b, struct node *node)
{
	struct unode *n = to_unode(node);
	struct kept_object k;

	/* What takes more to describe is looked up again, as is what is of other layers. */
	if (n->epoch != ufs_of(n)->epoch || n->redirects || n->gone || n->tmp_fd >= 0)
		return false;
	k = describe(n);
	put_bytes(b, &k, sizeof(k));
	put_str(b, node->link);
	return true;
}

struct node *union_recall(struct cursor *c, struct node *dir, const char *name, size_t len)
{
	const struct kept_object *k = get_bytes(c, sizeof(*k));
	const char *link = get_str(c);
	struct unode *n = c->err ? NULL : unode_create(to_unode(dir), name, len);

	if (!n)
		return NULL;
	become(n, k);
	n->node.link = link ? base_strdup(link) : NULL;
	return &n->node;
}
