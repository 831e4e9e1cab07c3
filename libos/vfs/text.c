// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * From an object back to its name, as getcwd, /proc/PID/fd and /proc/PID/maps show it.
 */
#include "libos/vfs/vfs.h"
#include "libos/task/task.h"

#define UNREACHABLE "(unreachable)"

static bool put_front(char **at, char *low, const char *s, size_t n)
{
	if ((size_t)(*at - low) < n)
		return false;
	*at -= n;
	memcpy(*at, s, n);
	return true;
}

/* Components of p up to root (NULL: the sandbox's), from the back. dcache_lock is held. */
static char *text_locked(const struct path *p, const struct path *root, char *low, char *at)
{
	const struct mount *mnt = p->mnt;
	const struct dentry *d = p->dentry;
	char *end = at;
	bool fits = true;

	while (fits && !(root && d == root->dentry && mnt == root->mnt)) {
		if (!d->parent) {
			if (!mnt->parent)
				break;
			d = mnt->point;
			mnt = mnt->parent;
			continue;
		}
		fits = put_front(&at, low, d->name, d->len) && put_front(&at, low, "/", 1);
		d = d->parent;
	}
	if (fits && at == end)
		fits = put_front(&at, low, "/", 1);
	if (fits && root && !(d == root->dentry && mnt == root->mnt))
		fits = put_front(&at, low, UNREACHABLE, sizeof(UNREACHABLE) - 1);
	return fits ? at : ERR_PTR(-ENAMETOOLONG);
}

char *path_text_from(const struct path *p, const struct path *root, char *buf, size_t size)
{
	char *at = buf + size;
	bool gone = !dentry_refresh(p->dentry) || p->dentry->unlinked;

	if (!put_front(&at, buf, "", 1) || (gone && !put_front(&at, buf, DELETED, sizeof(DELETED) - 1)))
		return ERR_PTR(-ENAMETOOLONG);
	lock(&dcache_lock);
	at = text_locked(p, root, buf, at);
	dcache_unlock();
	return at;
}

char *path_text(const struct path *p, char *buf, size_t size)
{
	struct path root;
	char *text;

	lock(&dcache_lock);
	root = this_process()->fs->root;
	path_get(&root);
	dcache_unlock();
	text = path_text_from(p, &root, buf, size);
	path_put(&root);
	return text;
}

static int walk_from_root(const char *text, struct path *p)
{
	struct path at;

	mount_root_path(&at);
	while (*text) {
		char name[NAME_MAX_LEN + 1];
		struct dentry *d;
		struct mount *m;
		size_t n = 0;

		while (*text == '/')
			text++;
		while (text[n] && text[n] != '/')
			n++;
		if (!n)
			break;
		if (n > NAME_MAX_LEN) {
			path_put(&at);
			return -ENAMETOOLONG;
		}
		memcpy(name, text, n);
		name[n] = '\0';
		d = dentry_lookup(at.dentry, name, n);
		path_put(&at);
		if (IS_ERR(d))
			return PTR_ERR(d);
		at.dentry = d;
		if (!d->node) {
			path_put(&at);
			return -ENOENT;
		}
		m = d->mounted ? mount_at(at.mnt, d) : NULL;
		if (m) {
			path_put(&at);
			at = (struct path){ m, dentry_get(m->root) };
		}
		text += n;
	}
	*p = at;
	return 0;
}

int path_from_root(const char *text, struct path *p)
{
	int r = -ESTALE;

	for (int i = 0; r == -ESTALE && i < STALE_TRIES; i++)
		r = walk_from_root(text, p);
	return r == -ESTALE ? -ENOENT : r;
}
