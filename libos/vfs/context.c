// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Where a process's walks begin: root, current directory, umask. dcache_lock guards the two paths, so that a walk takes
 * one lock and counts nothing.
 */
#include "libos/vfs/impl.h"
#include "libos/task/task.h"
#include "libos/ckpt/cursor.h"

struct fs_context *fs_context_copy(struct fs_context *from)
{
	struct fs_context *c = base_zalloc(sizeof(*c));

	if (!c)
		return NULL;
	if (!from) {
		mount_root_path(&c->root);
		mount_root_path(&c->cwd);
		c->umask = 022;
		return c;
	}
	lock(&dcache_lock);
	c->root = from->root;
	c->cwd = from->cwd;
	c->umask = from->umask;
	path_get(&c->root);
	path_get(&c->cwd);
	dcache_unlock();
	return c;
}

void fs_context_free(struct fs_context *c)
{
	path_put(&c->root);
	path_put(&c->cwd);
	base_free(c);
}

static void set_path(struct path *place, const struct path *p)
{
	struct path old;

	lock(&dcache_lock);
	old = *place;
	*place = *p;
	path_get(place);
	dcache_unlock();
	path_put(&old);
}

int fs_set_cwd(const struct path *p)
{
	set_path(&this_process()->fs->cwd, p);
	return 0;
}

int fs_set_root(const struct path *p)
{
	set_path(&this_process()->fs->root, p);
	return 0;
}

ssize_t fs_getcwd(char *buf, size_t size)
{
	char *tmp = base_alloc(PATH_MAX_LEN + 64), *text;
	struct path cwd;
	ssize_t n;

	if (!tmp)
		return -ENOMEM;
	lock(&dcache_lock);
	cwd = this_process()->fs->cwd;
	path_get(&cwd);
	dcache_unlock();
	text = path_text(&cwd, tmp, PATH_MAX_LEN + 64);
	if (IS_ERR(text))
		n = PTR_ERR(text);
	else if (cwd.dentry->unlinked)
		n = -ENOENT;
	else if ((n = (ssize_t)strlen(text) + 1) > (ssize_t)size)
		n = -ERANGE;
	else
		memcpy(buf, text, n);
	path_put(&cwd);
	base_free(tmp);
	return n;
}

/* Paths travel as text from the sandbox's own root: the loader has no other root yet. Of a directory that was removed
 * its attributes go along, for there is no place to ask for them; mode 0: it is there. */
static void save_path(struct buf *b, const struct path *p)
{
	char *tmp = base_alloc(PATH_MAX_LEN * 2), *text = NULL;
	struct attr a = { 0 };

	if (tmp)
		text = path_text_from(p, NULL, tmp, PATH_MAX_LEN * 2);
	if (text && !IS_ERR(text) && p->dentry->unlinked && vfs_getattr(p, &a) == 0)
		text[strlen(text) - strlen(DELETED)] = '\0';
	put_str(b, text && !IS_ERR(text) ? text : "/");
	put_u32(b, a.mode);
	put_u32(b, a.uid);
	put_u32(b, a.gid);
	put_u64(b, a.ino);
	base_free(tmp);
}

void fs_save(struct buf *b, struct fs_context *c)
{
	save_path(b, &c->root);
	save_path(b, &c->cwd);
	put_u32(b, c->umask);
}

/* A removed directory is made again below the nearest that is there. Its last name is not looked for: what has it
 * now is another one. */
static int path_from_gone(const char *text, const struct attr *a, struct path *p)
{
	char *names = base_strdup(text), *end, *name;
	int r = -ENOENT;

	if (!names)
		return -ENOMEM;
	for (end = names + strlen(names); r && end > names;) {
		while (*--end != '/' && end > names)
			;
		*end = '\0';
		r = path_from_root(names, p);
	}
	for (name = end + 1; !r && name < names + strlen(text); name += strlen(name) + 1) {
		r = gone_make(p, name, a);
		if (r)
			path_put(p);
	}
	base_free(names);
	return r;
}

static void load_path(struct cursor *c, struct path *p)
{
	const char *text = get_str(c);
	struct attr a = { .mode = get_u32(c) };
	int r = -ENOENT;

	a.uid = get_u32(c);
	a.gid = get_u32(c);
	a.ino = get_u64(c);
	if (text && !c->err)
		r = a.mode ? path_from_gone(text, &a, p) : path_from_root(text, p);
	if (r)
		mount_root_path(p);
}

int fs_load(struct cursor *c, struct fs_context **out)
{
	struct fs_context *fs = base_zalloc(sizeof(*fs));

	if (!fs)
		return -ENOMEM;
	load_path(c, &fs->root);
	load_path(c, &fs->cwd);
	fs->umask = get_u32(c);
	if (c->err) {
		fs_context_free(fs);
		return c->err;
	}
	*out = fs;
	return 0;
}
