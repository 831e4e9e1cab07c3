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

	if (unlikely(n->kept_open)) {
		lock(&dcache_lock);
		union_dirs_forget(n);
		unlock(&dcache_lock);
	}
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
	int r = pal_fstatfs(layer_fd(u, u->top), st);

	if (!r && u->root_mode)
		st->f_type = (long)u->fs.magic;
	return r;
}

/* ---- every operation looks first whether the layers are still those that it knows ---- */

#define FRAMED(node, call)                                                                                  \
	struct passage passage = chain_enter(node);                                                         \
	long r = (call);                                                                                    \
                                                                                                            \
	return (__typeof__(call))chain_leave(&passage, r)

/* Whatever it found, it may have found in layers of two chains. One that came on top held nothing yet. */
static int op_lookup(struct node *dir, const char *name, size_t len, struct node **out)
{
	struct passage passage = chain_enter(dir);
	int r = union_lookup(dir, name, len, out);

	if (unlikely(chain_new_epoch(&passage))) {
		if (!r)
			node_put(*out);
		r = -ESTALE;
	}
	return (int)chain_leave(&passage, r);
}

static int op_glance(struct node *dir, const char *name, size_t len, struct attr *a)
{
	struct passage passage = chain_enter(dir);
	int r = union_glance(dir, name, len, a);

	if (unlikely(chain_new_epoch(&passage)))
		r = -ESTALE;
	return (int)chain_leave(&passage, r);
}

static void op_opening(struct node *dir, const char *name, size_t len)
{
	struct passage passage = chain_enter(dir);

	union_opening(dir, name, len);
	(void)chain_leave(&passage, 0);
}

static int op_setattr(struct node *n, const struct attr *a)
{
	FRAMED(n, union_setattr(n, a));
}

static ssize_t op_readlink(struct node *n, char *buf, size_t size)
{
	FRAMED(n, union_readlink(n, buf, size));
}

static int op_open(struct node *n, struct file *f)
{
	FRAMED(n, union_open(n, f));
}

static int op_pin(struct node *n, struct file *f)
{
	FRAMED(n, union_pin(n, f));
}

static int op_create(struct node *dir, const char *name, u32 mode, struct file *f, struct node **out)
{
	FRAMED(dir, union_create(dir, name, mode, f, out));
}

static int op_tmpfile(struct node *dir, u32 mode, struct file *f, struct node **out)
{
	FRAMED(dir, union_tmpfile(dir, mode, f, out));
}

static int op_mkdir(struct node *dir, const char *name, u32 mode, struct node **out)
{
	FRAMED(dir, union_mkdir(dir, name, mode, out));
}

static int op_mknod(struct node *dir, const char *name, u32 mode, u64 rdev)
{
	FRAMED(dir, union_mknod(dir, name, mode, rdev));
}

static int op_symlink(struct node *dir, const char *name, const char *target)
{
	FRAMED(dir, union_symlink(dir, name, target));
}

static int op_link(struct node *old, struct node *dir, const char *name)
{
	FRAMED(dir, union_link(old, dir, name));
}

static int op_unlink(struct node *dir, const char *name, struct node *victim)
{
	FRAMED(dir, union_unlink(dir, name, victim));
}

static int op_unlink_unseen(struct node *dir, const char *name)
{
	FRAMED(dir, union_unlink_unseen(dir, name));
}

static int op_rmdir(struct node *dir, const char *name, struct node *victim)
{
	FRAMED(dir, union_rmdir(dir, name, victim));
}

static int op_rename(struct node *from, const char *a, struct node *na, struct node *to, const char *b,
		     struct node *nb, unsigned flags)
{
	FRAMED(from, union_rename(from, a, na, to, b, nb, flags));
}

static ssize_t op_getxattr(struct node *n, const char *name, void *value, size_t size)
{
	FRAMED(n, union_getxattr(n, name, value, size));
}

static int op_setxattr(struct node *n, const char *name, const void *value, size_t size, int flags)
{
	FRAMED(n, union_setxattr(n, name, value, size, flags));
}

static ssize_t op_listxattr(struct node *n, char *list, size_t size)
{
	FRAMED(n, union_listxattr(n, list, size));
}

static int op_removexattr(struct node *n, const char *name)
{
	FRAMED(n, union_removexattr(n, name));
}

static int op_statfs(struct node *n, struct statfs *st)
{
	FRAMED(n, union_statfs(n, st));
}

static int op_sock_at(struct node *dir, const char *name, bool create, u32 mode, int *host_dir, char host_name[256])
{
	FRAMED(dir, union_sock_at(dir, name, create, mode, host_dir, host_name));
}

static const struct node_ops union_node_ops = {
	.lookup = op_lookup,
	.glance = op_glance,
	.opening = op_opening,
	.update = union_update,
	.getattr = union_getattr,
	.setattr = op_setattr,
	.permission = union_permission,
	.readlink = op_readlink,
	.open = op_open,
	.pin = op_pin,
	.create = op_create,
	.tmpfile = op_tmpfile,
	.mkdir = op_mkdir,
	.mknod = op_mknod,
	.symlink = op_symlink,
	.link = op_link,
	.unlink = op_unlink,
	.unlink_unseen = op_unlink_unseen,
	.rmdir = op_rmdir,
	.rename = op_rename,
	.getxattr = op_getxattr,
	.setxattr = op_setxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
	.statfs = op_statfs,
	.sock_at = op_sock_at,
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
	root->layers = layers_below(u->nlayers);
	root->epoch = u->epoch;
	u->fs.root = &root->node;
	return root;
}

static int look_at_root(struct ufs *u, struct unode *root)
{
	struct statx st;
	struct attr a;
	int r = pal_statx(layer_fd(u, 0), "", AT_EMPTY_PATH, UNION_STATX, &st);
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

/* Who are we to the host? The owner of what we write in the sandbox; a place of the host's may be another's. */
static int find_identity(struct ufs *u, int dir)
{
	const struct ufs *main = u->shared ? chain_union() : NULL;
	struct stat st = { .st_uid = main ? main->host_uid : 0, .st_gid = main ? main->host_gid : 0 };
	int r = main ? 0 : pal_fstat(dir, &st);

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
	u->layer = nlayers == 1 ? layers[0] : -1;
	u->guest_root = g->uid == 0;
	u->blind = u->has_base && g->flags & GRANT_FAKE_ROOT;
	root = make_root(u);
	if (!root)
		return -ENOMEM;
	if (kept && !union_recall_root(kept, u, root))
		return -EINVAL;
	r = kept ? 0 : find_identity(u, layers[nlayers - 1]);
	if (r < 0)
		return r;
	/* Who is root in name only is no owner of the user's files: what root makes there says so in its attributes. */
	u->uid = g->flags & GRANT_FAKE_ROOT ? u->host_uid : g->uid;
	u->gid = g->flags & GRANT_FAKE_ROOT ? u->host_gid : g->gid;
	return kept ? 0 : look_at_root(u, root);
}

struct fs *union_fs_create(struct cursor *kept)
{
	static struct ufs u = { .fs = { .type = "overlay", .dev = UNION_ROOT_DEV, .magic = OVERLAYFS_SUPER_MAGIC } };

	return chain_setup(&u, kept) < 0 ? NULL : &u.fs;
}
