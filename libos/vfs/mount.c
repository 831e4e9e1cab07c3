// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * The table of mounts. It is made at start and then only grows, by binds that the monitor tells of in the area:
 * mount(2) is not for guests. So it is read without a lock.
 *
 * A directory to be mounted on need not exist in the base; then a stub stands for it in the tree of names. The
 * mounted-on dentry is pinned in the cache, so that no lookup can replace it.
 */
#include "libos/vfs/impl.h"
#include "libos/fs/bind.h"
#include "libos/ckpt/cursor.h"
#include "libos/coord/area.h"
#include "libos/split/split.h"
#include "libos/task/task.h"

struct mutex binds_lock;
static u32 binds_mounted; /* of the grant's and the area's. binds_lock */
static bool binds_mounted_at_start; /* immutable once start is over */

struct list mount_list = { &mount_list, &mount_list };
struct mount *mount_root;

struct mount *mount_at(struct mount *mnt, struct dentry *d)
{
	struct mount *m;

	list_for_each(m, &mount_list, link)
		if (m->point == d && m->parent == mnt)
			return m;
	return NULL;
}

void mount_root_path(struct path *p)
{
	p->mnt = mount_root;
	p->dentry = dentry_get(mount_root->root);
}

const char *mount_name_below(struct dentry *dir, unsigned n)
{
	struct mount *m;

	list_for_each(m, &mount_list, link)
		if (m->point && m->point->parent == dir && !n--)
			return m->point->name;
	return NULL;
}

static struct mount *mount_create(struct fs *fs, unsigned flags)
{
	struct mount *m = base_zalloc(sizeof(*m));
	static int ids;

	if (!m)
		return NULL;
	m->root = dentry_root(fs->root);
	if (!m->root) {
		base_free(m);
		return NULL;
	}
	m->fs = fs;
	m->flags = flags;
	m->id = ++ids;
	list_add_tail(&mount_list, &m->link);
	return m;
}

/* The directory, or file, to mount on: the parent exists, the last name may need a stub. */
static int find_point(const char *where, bool dir, struct path *p)
{
	const char *name = strrchr(where, '/') + 1;
	char parent[PATH_MAX_LEN / 4];
	struct dentry *d;
	int r;

	base_strlcpy(parent, where, MIN((size_t)(name - where), sizeof(parent)));
	r = path_from_root(parent, p);
	if (r < 0)
		return r;
	d = dentry_lookup(p->dentry, name, strlen(name));
	if (!IS_ERR(d) && (!d->node || S_ISDIR(d->node->mode) != dir || !d->hashed)) {
		dentry_put(d);
		d = ERR_PTR(-ENOENT);
	}
	if (IS_ERR(d))
		d = dentry_stub(p->dentry, name);
	path_put(p);
	p->dentry = IS_ERR(d) ? NULL : d;
	return IS_ERR(d) ? PTR_ERR(d) : 0;
}

int mount_add(const char *where, struct fs *fs, unsigned flags)
{
	struct path p = { 0 };
	struct mount *m;
	int r = find_point(where, S_ISDIR(fs->root->mode), &p);

	if (r < 0)
		return r;
	m = mount_create(fs, flags);
	if (!m) {
		path_put(&p);
		return -ENOMEM;
	}
	lock(&dcache_lock);
	m->parent = p.mnt;
	m->point = p.dentry; /* keeps the count: pinned */
	p.dentry->mounted++;
	dcache_unlock();
	return 0;
}

static const struct {
	const char *where;
	struct fs *(*create)(void);
	struct fs *(*create_kept)(struct cursor *kept); /* instead of create */
	unsigned flags;
} plan[] = {
	{ "/proc", procfs_create, NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME },
	{ "/sys", sysfs_create, NULL, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME },
	{ "/dev", devfs_create, NULL, MS_NOSUID | MS_RELATIME },
	{ "/dev/pts", ptsfs_create, NULL, MS_NOSUID | MS_NOEXEC | MS_RELATIME },
	{ "/dev/mqueue", mqueuefs_create, NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME },
	{ "/dev/shm", NULL, tmpfs_create, MS_NOSUID | MS_NODEV },
};

/* Directories that lead to where something is bound are made, as far as there are none; they are changes of the
 * sandbox's. */
static int make_way(char *where)
{
	struct path p = { 0 };
	struct node *made;
	int r = 0;

	for (char *slash = strchr(where + 1, '/'), *from = where + 1; slash && !r; from = slash + 1,
		  slash = strchr(from, '/')) {
		*slash = '\0';
		r = path_from_root(where, &p);
		if (!r) {
			path_put(&p);
		} else if (r == -ENOENT) {
			from[-1] = '\0';
			r = path_from_root(from - 1 == where ? "/" : where, &p);
			from[-1] = '/';
			if (!r) {
				struct node *n = p.dentry->node;

				r = n->ops->mkdir ? n->ops->mkdir(n, from, 0755, &made) : -EROFS;
				if (!r) {
					node_put(made);
					atomic_add(names_slot(n, from), 1);
				}
				path_put(&p);
			}
		}
		*slash = '/';
	}
	return r;
}

/* What cannot be mounted is left out, with a line in the log: it went after the sandbox was given it. */
static void mount_bind(unsigned i, int fd, struct grant_bind *b)
{
	struct fs *fs = bind_create(i, fd, b);
	unsigned flags = MS_NOSUID | MS_NODEV | MS_RELATIME;
	int r = fs ? make_way(b->at) : -ENOENT;

	if (!r)
		r = mount_add(b->at, fs, flags | (b->flags & GRANT_BIND_RDONLY ? MS_RDONLY : 0));
	if (r)
		pal_log("bind at %s: error %d\n", b->at, -r);
}

static void mount_binds(void)
{
	for (unsigned i = 0; i < pal_grant()->nbinds; i++) {
		struct grant_bind b;

		mount_bind(i, pal_grant_bind(i, &b), &b);
	}
	binds_mounted = pal_grant()->nbinds;
}

/* Descriptors are of a process, the table is of memory, which a vfork child shares. */
void binds_follow(void)
{
	const struct grant_binds *all = &the_area->binds;
	struct process *p = this_process();
	struct grant_bind b;

	if (!binds_mounted_at_start || the_area->split_on)
		return;
	lock(&binds_lock);
	p->binds_seq = atomic_load(&all->seq); /* first: the walks below look, too */
	for (u32 i = pal_grant()->nbinds, n = MIN(all->n, (u32)GRANT_BINDS_MAX); i < n; i++) {
		int fd;

		memcpy(&b, &all->bind[i], sizeof(b));
		b.name[sizeof(b.name) - 1] = b.at[sizeof(b.at) - 1] = '\0';
		fd = bind_open(i, &b);
		if (i < binds_mounted)
			continue;
		binds_mounted = i + 1;
		if (*b.at == '/')
			mount_bind(i, fd, &b);
	}
	unlock(&binds_lock);
}

struct fs *mount_tmpfs(void)
{
	struct mount *m;

	list_for_each(m, &mount_list, link)
		if (m->fs->magic == TMPFS_MAGIC && union_owns(m->fs->root))
			return m->fs;
	return NULL;
}

static void init_moves(struct cursor *kept)
{
	u64 pos;

	if (kept) {
		pos = get_u64(kept);
		moves_recall(pos, get_u32(kept));
	} else {
		moves_init();
	}
}

int mount_init(struct cursor *kept)
{
	struct fs *fs;

	if (kept && !get_u32(kept))
		kept = NULL;
	fs = union_fs_create(kept);
	if (!fs)
		return -ENOMEM;
	mount_root = mount_create(fs, MS_RELATIME);
	if (!mount_root)
		return -ENOMEM;
	if (kept && names_recall(kept))
		return -EINVAL;
	for (unsigned i = 0; i < ARRAY_SIZE(plan); i++) {
		int r = 0;

		fs = plan[i].create_kept ? plan[i].create_kept(kept) : plan[i].create();
		if (fs)
			r = mount_add(plan[i].where, fs, plan[i].flags);
		if (r < 0)
			return r;
	}
	mount_binds();
	binds_mounted_at_start = true;
	init_moves(kept);
	return kept ? kept->err : 0;
}
