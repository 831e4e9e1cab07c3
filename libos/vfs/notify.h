/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Telling those who watch (fs/inotify.c) what happens to files. Everything costs one load while
 * nobody watches.
 */
#ifndef LIBOS_VFS_NOTIFY_H
#define LIBOS_VFS_NOTIFY_H

#include "libos/vfs/vfs.h"
#include "libos/coord/area.h"

/* The slow parts; see the wrappers below. */
void inotify_entry(const struct node *dir, const char *name, u32 mask, u32 cookie);
void inotify_object(struct dentry *d, u32 mask);
void inotify_moved(const struct node *from, const char *a, const struct node *to, const char *b,
		   const struct node *moved);
u32 inotify_links(struct node *victim);
void inotify_unlinked(struct node *victim, u32 links);
void inotify_self(const struct node *n, u32 mask);
void inotify_exit(struct process *p);

static inline bool notify_wanted(void)
{
	return unlikely(the_area && atomic_load_relaxed(&the_area->watches));
}

/* Something happened to name in dir: IN_CREATE and its kin; is_dir adds IN_ISDIR. */
static inline void notify_entry(const struct node *dir, const char *name, u32 mask, bool is_dir)
{
	if (notify_wanted())
		inotify_entry(dir, name, mask | (is_dir ? IN_ISDIR : 0), 0);
}

/* Something happened to the object at d: told to those who watch it, and with its name to those who
 * watch its directory. */
static inline void notify_object(struct dentry *d, u32 mask)
{
	if (notify_wanted() && d)
		inotify_object(d, mask);
}

/* a in from became b in to. */
static inline void notify_moved(const struct node *from, const char *a, const struct node *to,
				const char *b, const struct node *moved)
{
	if (notify_wanted())
		inotify_moved(from, a, to, b, moved);
}

/* Something happened to n itself that its directories are not told of. */
static inline void notify_self(const struct node *n, u32 mask)
{
	if (notify_wanted())
		inotify_self(n, mask);
}

/* Before a name of victim (NULL: none) is removed: how many it has, for notify_unlinked. */
static inline u32 notify_links(struct node *victim)
{
	return notify_wanted() && victim ? inotify_links(victim) : 0;
}

/* One of `links` names that led to victim is gone. */
static inline void notify_unlinked(struct node *victim, u32 links)
{
	if (notify_wanted())
		inotify_unlinked(victim, links);
}

/* The process ends and closes what it has open. */
static inline void notify_exit(struct process *p)
{
	if (notify_wanted())
		inotify_exit(p);
}

#endif
