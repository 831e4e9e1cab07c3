// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * The sandbox's root: the layers of the grant as one file system. See union_impl.h for the map, union/union.h for the
 * rules.
 */
#include "libos/fs/union_impl.h"
#include "libos/split/split.h"

static void union_release(struct node *node)
{
	struct unode *n = to_unode(node), *parent = n->parent;

	union_fresh_drop(n);
	union_drop_redirects(n->redirects);
	if (n->tmp_fd >= 0)
		pal_close(n->tmp_fd);
	base_free(n->kept);
	base_free(n->name);
	base_free(n);
	if (parent)
		node_put(&parent->node);
}

static int union_statfs(struct node *n, struct statfs *st)
{
	struct ufs *u = ufs_of(to_unode(n));
	int r = pal_fstatfs(u->layer[u->top], st);

	if (!r && u->root_mode)
		st->f_type = (long)u->fs.magic;
	return r;
}

static const struct node_ops union_node_ops = {
	.lookup = union_lookup,
	.update = union_update,
	.getattr = union_getattr,
	.setattr = union_setattr,
	.permission = union_permission,
	.readlink = union_readlink,
	.open = union_open,
	.pin = union_pin,
	.create = union_create,
	.tmpfile = union_tmpfile,
	.mkdir = union_mkdir,
	.mknod = union_mknod,
	.symlink = union_symlink,
	.link = union_link,
	.unlink = union_unlink,
	.unlink_unseen = union_unlink_unseen,
	.rmdir = union_rmdir,
	.rename = union_rename,
	.getxattr = union_getxattr,
	.setxattr = union_setxattr,
	.listxattr = union_listxattr,
	.removexattr = union_removexattr,
	.statfs = union_statfs,
	.sock_at = union_sock_at,
	.moved = union_moved,
	.release = union_release,
};

bool union_owns(const struct node *n)
{
	return n && n->ops == &union_node_ops;
}

static struct unode *make_root(struct ufs *u)
{
	struct unode *root = unode_create(NULL, "", 0);

	if (!root)
		return NULL;
	root->node.ops = &union_node_ops;
	root->node.fs = &u->fs;
	root->layers = u->nlayers == 64 ? ~0ull : (1ull << u->nlayers) - 1;
	u->fs.root = &root->node;
	return root;
}

static int look_at_root(struct ufs *u, struct unode *root)
{
	struct statx st;
	struct attr a;
	int r = pal_statx(u->layer[0], "", AT_EMPTY_PATH, UNION_STATX, &st);
	if (r < 0)
		return r;
	u->main_dev = statx_dev(&st);
	union_adopt(root, 0, &st);
	/* The top's root may have attributes of its own. */
	if (!union_getattr_now(&root->node, &a)) {
		root->node.mode = a.mode;
		root->node.uid = a.uid;
		root->node.gid = a.gid;
	}
	return 0;
}

/* Who are we to the host? The owner of what we write. */
static int find_identity(struct ufs *u, int dir)
{
	struct stat st;
	int r = pal_fstat(dir, &st);

	if (r < 0)
		return r;
	u->host_uid = st.st_uid;
	u->host_gid = st.st_gid;
	return 0;
}

int union_setup(struct ufs *u, const int *layers, unsigned nlayers, int work, struct cursor *kept)
{
	const struct grant *g = pal_grant();
	struct unode *root;
	int r;

	u->nlayers = nlayers;
	u->top = nlayers - 1;
	u->work = work;
	u->has_base = nlayers > 1;
	for (unsigned i = 0; i < nlayers; i++)
		u->layer[i] = layers[i];
	u->uid = g->uid;
	u->gid = g->gid;
	u->guest_root = g->uid == 0;
	root = make_root(u);
	if (!root)
		return -ENOMEM;
	if (kept)
		return union_recall_root(kept, u, root) ? 0 : -EINVAL;
	r = find_identity(u, layers[nlayers - 1]);
	return r < 0 ? r : look_at_root(u, root);
}

struct fs *union_fs_create(struct cursor *kept)
{
	static struct ufs u = { .fs = { .type = "overlay", .dev = dev_make(0, 40), .magic = OVERLAYFS_SUPER_MAGIC } };
	const struct grant *g = pal_grant();
	int layers[GRANT_LAYERS_MAX] = { -1 };

	for (unsigned i = 0; i < g->nlayers; i++)
		layers[i] = GRANT_FD_LAYER + (int)i;
	return union_setup(&u, layers, g->nlayers, GRANT_FD_WORK, kept) < 0 ? NULL : &u.fs;
}
