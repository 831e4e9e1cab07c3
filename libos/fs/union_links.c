// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Other names of a file that was copied up from a sealed layer.
 *
 * A file that has several names in one of the sandbox's own layers keeps them when a later op changes it: its copy gets
 * them, too. All names of an object lie in one layer, since link() copies up first, but only a walk through that layer
 * finds them. It is taken for files with several names alone, and what it found is kept: who copies one such file up
 * copies thousands (git clone). A name that is not where its layer has it, below a directory that was renamed since,
 * stays with the old object. The names of a file of the base are found by another way (union_index.c).
 */
#include "libos/fs/union_impl.h"

#define READ_SIZE 32768

/* A regular file of a layer by one of its names. */
struct layer_file {
	u64 ino;
	u32 next;		/* in its hash chain: 1 + index, 0: end */
	u32 dir, name;		/* in text; its directory's path in the layer, "." first */
};

/* All regular files of a sealed layer. */
struct layer_files {
	u32 layer, epoch;	/* its number, and of which chain */
	struct buf file;	/* struct layer_file */
	struct buf dirs;	/* u32 in text: directories found, read in this order */
	struct buf text;	/* NUL-terminated */
	u32 nbuckets;		/* a power of two */
	u32 *bucket;		/* 1 + index in file */
};

/* Atomic: the last one made; who uses it takes it out, and puts it back. */
static struct layer_files *known;

struct search {
	struct unode *n;	/* copied up */
	unsigned layer;		/* where it was */
	u64 ino;		/* its number there */
	u32 left;		/* names to be found yet */
	struct statx st;	/* of the copy */
	struct attr a;
};

/* ---- what a layer has ---- */

static void layer_files_free(struct layer_files *f)
{
	if (!f)
		return;
	base_buf_free(&f->file);
	base_buf_free(&f->dirs);
	base_buf_free(&f->text);
	base_free(f->bucket);
	base_free(f);
}

static u32 add_text(struct layer_files *f, const char *dir, const char *name)
{
	u32 at = (u32)f->text.size;

	if (dir)
		base_buf_printf(&f->text, "%s/", dir);
	base_buf_put(&f->text, name, strlen(name) + 1);
	return at;
}

static void add_dir(struct layer_files *f, const char *parent, const char *name)
{
	u32 at = add_text(f, parent, name);

	base_buf_put(&f->dirs, &at, sizeof(at));
}

static void add_file(struct layer_files *f, u32 dir, const struct linux_dirent64 *e)
{
	struct layer_file one = { .ino = e->d_ino, .dir = dir, .name = add_text(f, NULL, e->d_name) };

	base_buf_put(&f->file, &one, sizeof(one));
}

/* path: the same text as at `dir`, where additions do not move it. */
static void read_dir(struct layer_files *f, int layer, u32 dir, const char *path, char *buf)
{
	int fd = pal_openat(layer, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	ssize_t n = 0;

	while (fd >= 0 && (n = pal_getdents(fd, buf, READ_SIZE)) > 0)
		for (ssize_t at = 0; at < n;) {
			struct linux_dirent64 *e = (struct linux_dirent64 *)(buf + at);

			at += e->d_reclen;
			if (e->d_type == DT_REG)
				add_file(f, dir, e);
			else if (e->d_type == DT_DIR && strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
				add_dir(f, path, e->d_name);
		}
	if (fd >= 0)
		pal_close(fd);
}

static u32 *bucket_of(const struct layer_files *f, u64 ino)
{
	return &f->bucket[(ino * 0x9e3779b97f4a7c15ull >> 32) & (f->nbuckets - 1)];
}

static struct layer_file *file_at(const struct layer_files *f, u32 index)
{
	return (struct layer_file *)f->file.data + index;
}

static bool hash_files(struct layer_files *f)
{
	u32 count = (u32)(f->file.size / sizeof(struct layer_file));

	for (f->nbuckets = 64; f->nbuckets < count;)
		f->nbuckets *= 2;
	f->bucket = base_zalloc(f->nbuckets * sizeof(*f->bucket));
	for (u32 i = 0; f->bucket && i < count; i++) {
		u32 *b = bucket_of(f, file_at(f, i)->ino);

		file_at(f, i)->next = *b;
		*b = i + 1;
	}
	return f->bucket;
}

/* NULL: no memory. */
static struct layer_files *layer_files_read(const struct ufs *u, unsigned layer)
{
	struct layer_files *f = base_zalloc(sizeof(*f));
	char *buf = base_alloc(READ_SIZE + PATH_MAX_LEN);
	bool good = f && buf;

	if (good)
		add_dir(f, NULL, ".");
	for (u32 at, i = 0; good && (i + 1) * sizeof(at) <= f->dirs.size; i++) {
		memcpy(&at, f->dirs.data + i * sizeof(at), sizeof(at));
		/* One that is too long for a call is left out, with all below it. */
		if (base_strlcpy(buf + READ_SIZE, f->text.data + at, PATH_MAX_LEN) < PATH_MAX_LEN)
			read_dir(f, layer_fd(u, layer), at, buf + READ_SIZE, buf);
		good = !f->text.err && !f->dirs.err && !f->file.err && f->text.size < UINT32_MAX;
	}
	base_free(buf);
	if (good && hash_files(f)) {
		f->layer = union_layer_mark(u, layer);
		f->epoch = u->epoch;
		return f;
	}
	layer_files_free(f);
	return NULL;
}

static struct layer_files *layer_files_get(const struct ufs *u, unsigned layer)
{
	struct layer_files *f = atomic_xchg(&known, NULL);

	if (f && f->layer == union_layer_mark(u, layer) && f->epoch == u->epoch)
		return f;
	layer_files_free(f);
	return layer_files_read(u, layer);
}

static void layer_files_put(struct layer_files *f)
{
	layer_files_free(atomic_xchg(&known, f));
}

/* ---- the names of one file ---- */

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
	if (r)
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

	if (path_from_root(path, &p))
		return;
	node = p.dentry->node;
	if (node && node->fs == s->n->node.fs && is_old_name(s, to_unode(node)))
		(void)link_there(s, to_unode(node)); /* it stays with the old object */
	path_put(&p);
}

void union_keep_links(struct unode *n, unsigned layer, u64 ino, const struct statx *st, const struct attr *a)
{
	struct search s = { .n = n, .layer = layer, .ino = ino, .left = a->nlink, .st = *st, .a = *a };
	struct layer_files *f = layer_files_get(ufs_of(n), layer);
	char *path = base_alloc(PATH_MAX_LEN);

	if (f && path)
		for (u32 i = *bucket_of(f, ino); i && s.left; i = file_at(f, i - 1)->next) {
			const struct layer_file *e = file_at(f, i - 1);
			const char *text = f->text.data;

			if (e->ino != ino)
				continue;
			s.left--;
			if (!strcmp(text + e->dir, "./" UNION_LINKS)) {
				base_snprintf(path, PATH_MAX_LEN, "%s/%s", UNION_LINKS, text + e->name);
				union_index_link(n, path);
				continue;
			}
			if (base_snprintf(path, PATH_MAX_LEN, "%s/%s", text + e->dir, text + e->name) < PATH_MAX_LEN)
				found(&s, path + 2); /* without "./" */
		}
	base_free(path);
	if (f)
		layer_files_put(f);
}
