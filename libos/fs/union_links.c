// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Other names of a file that was copied up from a sealed layer.
 *
 * A file that has several names in one of the sandbox's own layers keeps them when a later op changes it: its copy gets
 * them, too. All names of an object lie in one layer, since link() copies up first, but only a walk through that layer
 * finds them; it is taken for files with several names alone, and ends with the last of them. A name that is not where
 * its layer has it, below a directory that was renamed since, stays with the old object. So do all names of a file of
 * the base: the host's other names are not the sandbox's business.
 */
#include "libos/fs/union_impl.h"

#define READ_SIZE 32768

/* Directories still to be read, by their paths in the layer; "." is first. */
struct todo {
	char **dir;
	u32 count, room;
};

struct search {
	struct unode *n;	/* copied up */
	unsigned layer;		/* where it was */
	u64 ino;		/* its number there */
	u32 left;		/* names to be found yet */
	struct statx st;	/* of the copy */
	struct attr a;
};

static bool add_dir(struct todo *w, const char *path)
{
	char **more;

	if (w->count == w->room) {
		more = base_realloc(w->dir, (w->room ? w->room * 2 : 64) * sizeof(*more));
		if (!more)
			return false;
		w->dir = more;
		w->room = w->room ? w->room * 2 : 64;
	}
	w->dir[w->count] = base_strdup(path);
	if (!w->dir[w->count])
		return false;
	w->count++;
	return true;
}

static bool is_old_name(const struct search *s, struct unode *o)
{
	return o != s->n && S_ISREG(o->node.mode) && !o->gone && highest(unode_layers(o)) == (int)s->layer &&
	       o->host_ino == s->ino;
}

/* The copy at o's place in the top. */
static int link_there(struct search *s, struct unode *o)
{
	struct ufs *u = ufs_of(o);
	struct hpath from, to;
	int r = union_copy_up_dir(o->parent);

	if (!r)
		r = unode_path(s->n, u->top, &from);
	if (r < 0)
		return r;
	r = unode_path(o, u->top, &to);
	if (!r) {
		r = pal_linkat(from.dir, from.path, to.dir, to.path, 0);
		hpath_done(&to);
	}
	hpath_done(&from);
	if (!r)
		union_adopt_copy(o, &s->st, &s->a, true);
	return r;
}

static void found(struct search *s, const char *path)
{
	struct path p;
	struct node *node;

	s->left--;
	if (path_from_root(path, &p))
		return;
	node = p.dentry->node;
	if (node && node->fs == s->n->node.fs && is_old_name(s, to_unode(node)))
		(void)link_there(s, to_unode(node)); /* it stays with the old object */
	path_put(&p);
}

static bool look_through(struct search *s, struct todo *w, const char *dir, char *buf, char *path)
{
	struct ufs *u = ufs_of(s->n);
	int fd = pal_openat(layer_fd(u, s->layer), dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	bool going = true;
	ssize_t n = 0;

	while (fd >= 0 && going && s->left && (n = pal_getdents(fd, buf, READ_SIZE)) > 0)
		for (ssize_t at = 0; at < n && going && s->left;) {
			struct linux_dirent64 *e = (struct linux_dirent64 *)(buf + at);

			at += e->d_reclen;
			if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
				continue;
			if (base_snprintf(path, PATH_MAX_LEN, "%s/%s", dir, e->d_name) >= PATH_MAX_LEN)
				continue;
			if (e->d_type == DT_DIR)
				going = add_dir(w, path);
			else if (e->d_type == DT_REG && e->d_ino == s->ino)
				found(s, path + 2);
		}
	if (fd >= 0)
		pal_close(fd);
	return going;
}

void union_keep_links(struct unode *n, unsigned layer, u64 ino, const struct statx *st, const struct attr *a)
{
	struct search s = { .n = n, .layer = layer, .ino = ino, .left = a->nlink, .st = *st, .a = *a };
	char *buf = base_alloc(READ_SIZE + PATH_MAX_LEN);
	struct todo w = { 0 };

	if (!buf)
		return;
	if (add_dir(&w, "."))
		for (u32 i = 0; i < w.count && s.left; i++)
			if (!look_through(&s, &w, w.dir[i], buf, buf + READ_SIZE))
				break;
	for (u32 i = 0; i < w.count; i++)
		base_free(w.dir[i]);
	base_free(w.dir);
	base_free(buf);
}
