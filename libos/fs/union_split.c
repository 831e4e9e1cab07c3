// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * The union in the hands of a process that splits off (split/split.h).
 *
 * What it may reach are objects of the union; Landlock knows directories of the host. So each
 * allowed object gets a door in every layer that has it, writable in the top only, and lies in the
 * top from now on: what others change below it later is changed there. Names on the way are found
 * without doors, by statx; only the marks of directories (opaque, redirect) take opening them.
 * Those of the directories that lead to the doors are noted beforehand, in the area.
 */
#include "libos/fs/union_impl.h"
#include "libos/split/split.h"

int union_split_prepare(struct node *node, bool write)
{
	struct unode *n = to_unode(node);

	if (S_ISDIR(node->mode))
		return union_copy_up_dir(n);
	return write ? union_copy_up(n, true) : 0;
}

int union_split_doors(struct node *node, int walls, bool write, int *top)
{
	struct unode *n = to_unode(node);
	struct ufs *u = ufs_of(n);
	int r = 0;

	*top = -1;
	for (u64 layers = unode_layers(n); layers && !r; layers &= layers - 1) {
		unsigned layer = (unsigned)__builtin_ctzl(layers);
		bool own = write && layer == u->top;
		int fd = unode_open(n, layer, O_PATH);

		if (fd < 0)
			return fd == -ENOENT || fd == -ENOTDIR ? -ESTALE : fd;
		r = pal_walls_door(walls, fd, own ? PAL_DOOR_OWN : PAL_DOOR_READ);
		if (own && !r)
			*top = fd;
		else
			pal_close(fd);
	}
	return r;
}

int union_split_nameless(const struct node *n)
{
	return container_of(n, struct unode, node)->tmp_fd;
}

static u16 value_of(int fd, const char *name, char value[UNION_VALUE_MAX])
{
	ssize_t size = pal_fgetxattr(fd, name, value, UNION_VALUE_MAX);

	return (u16)MAX(size, 0);
}

/* 1: it says something. */
static int note(struct area_mark *m, int fd)
{
	struct statx st;
	ssize_t size;
	char y;
	int r = pal_statx(fd, "", AT_EMPTY_PATH, UNION_STATX, &st);

	if (r)
		return r;
	memset(m, 0, sizeof(*m));
	m->ino = st.stx_ino;
	m->dev = statx_dev(&st);
	m->opaque = pal_fgetxattr(fd, UNION_OPAQUE, &y, 1) == 1 && y == 'y';
	m->attr_size = value_of(fd, UNION_ATTR, m->attr);
	m->origin_size = value_of(fd, UNION_ORIGIN, m->origin);
	size = pal_fgetxattr(fd, UNION_REDIRECT, m->redirect, sizeof(m->redirect) - 1);
	if (size == -ERANGE)
		return -ENOSPC;
	if (size <= 0 || !union_redirect_valid(m->redirect, size))
		m->redirect[0] = '\0';
	return m->opaque || m->attr_size || m->origin_size || m->redirect[0];
}

static bool noted(const struct area_mark *marks, u32 count, const struct area_mark *m)
{
	for (u32 i = 0; i < count; i++)
		if (marks[i].ino == m->ino && marks[i].dev == m->dev)
			return true;
	return false;
}

int union_split_marks(struct node *node, struct area_mark *marks, u32 *count)
{
	struct ufs *u = ufs_of(to_unode(node));

	for (struct unode *n = to_unode(node); n && n->parent; n = n->parent)
		for (u64 layers = unode_layers(n); layers; layers &= layers - 1) {
			unsigned layer = (unsigned)__builtin_ctzl(layers);
			int fd, r;

			if (!layer_ours(u, layer))
				continue;
			fd = unode_open(n, layer, O_RDONLY | O_DIRECTORY);
			/* Not to be opened now either: as an earlier split left it noted. */
			if (fd < 0)
				continue;
			if (*count == AREA_MARKS) {
				pal_close(fd);
				return -ENOSPC;
			}
			r = note(&marks[*count], fd);
			pal_close(fd);
			if (r < 0)
				return r;
			*count += r && !noted(marks, *count, &marks[*count]);
		}
	return 0;
}

void union_split_mark(struct unode *n, const struct statx *st, struct union_entry *e, char *value)
{
	const struct area_split *s = &the_area->split;

	for (u32 i = 0; the_area->split_on && i < MIN(s->nmarks, AREA_MARKS); i++) {
		const struct area_mark *m = &s->mark[i];

		if (m->ino != st->stx_ino || m->dev != statx_dev(st))
			continue;
		if (n && union_is_marked(st->stx_mode))
			union_take_over(n, st, m->attr, MIN(m->attr_size, UNION_VALUE_MAX), m->origin,
					MIN(m->origin_size, UNION_VALUE_MAX));
		if (!e)
			continue;
		e->opaque = m->opaque;
		e->redirected = !m->opaque && m->redirect[0];
		if (e->redirected)
			base_strlcpy(value, m->redirect, sizeof(m->redirect));
	}
}

/* Another description of the same directory: its offset was everybody's, and it may have been open for reading. */
static int again(int number)
{
	int r, fd = host_fd_move(pal_openat(number, ".", O_PATH | O_DIRECTORY, 0));

	if (fd < 0)
		return fd;
	r = pal_dup_to(fd, number);
	pal_close(fd);
	return r < 0 ? r : pal_fcntl(number, F_SETFD, 0);
}

void union_split_dirs(void)
{
	lock(&dcache_lock);
	union_dirs_forget(NULL);
	unlock(&dcache_lock);
}

int union_split_layers(void)
{
	int r = again(GRANT_FD_CACHE);

	r = r == -ENOTDIR ? 0 : r; /* there is none */
	for (u32 i = 0; i < pal_grant()->nbinds && !r; i++)
		r = again(GRANT_FD_LAYER + (int)(pal_grant()->nlayers + i));
	return r ?: chain_reopen(&this_process()->layers);
}
