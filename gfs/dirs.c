// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Directories of trees, found once: a name in one costs a step, not a walk from the root.
 *
 * What was found of a directory holds while
 *
 *	the layers are the same, and nothing was written through the mount since;
 *	its parent was found as it was then;
 *	where the sandbox runs, the counter of its name stands, which processes inside bump when they change it
 *		(libos/vfs/dentry.c): a directory that is copied up, moved or removed inside is looked up again;
 *	the host cannot have changed it: of what lies in the base for a second only, as inside.
 *
 * A stopped sandbox changes by us alone, a version not at all. Descriptors are few: the longest unused go.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include "gfs/gfs.h"

#define BASE_FRESH_NS 1000000000ll
#define RECENT_NS 10000000ll
#define FDS_MAX 8192

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* outside of boxes_lock and node.c's */
static struct dir *oldest, *youngest;			  /* lock: those that nodes have */
static unsigned fds;					  /* lock: how many these hold */
static uint64_t serials;				  /* lock: the latest */

/* ---- counts; caller holds the lock for those with _locked ---- */

static void put_locked(struct dir *d)
{
	if (--d->refs)
		return;
	spot_put(&d->spot);
	stack_put(d->stack);
	free(d);
}

void dir_put(struct dir *d)
{
	if (!d)
		return;
	pthread_mutex_lock(&lock);
	put_locked(d);
	pthread_mutex_unlock(&lock);
}

static void unlist_locked(struct dir *d)
{
	*(d->before ? &d->before->after : &oldest) = d->after;
	*(d->after ? &d->after->before : &youngest) = d->before;
	d->before = d->after = NULL;
	fds -= d->spot.n;
}

/* A node's own is its no longer. */
static void drop_locked(struct node *n)
{
	struct dir *d = n->dir;

	if (!d)
		return;
	n->dir = NULL;
	d->node = NULL;
	unlist_locked(d);
	put_locked(d);
}

void dir_forget(struct node *n)
{
	pthread_mutex_lock(&lock);
	drop_locked(n);
	pthread_mutex_unlock(&lock);
}

static unsigned fds_limit(void)
{
	struct rlimit r;

	return !getrlimit(RLIMIT_NOFILE, &r) && r.rlim_cur / 4 < FDS_MAX ? (unsigned)(r.rlim_cur / 4) : FDS_MAX;
}

static void keep_locked(struct node *n, struct dir *d)
{
	drop_locked(n);
	while (oldest && fds + d->spot.n > fds_limit())
		drop_locked(oldest->node);
	n->dir = d;
	d->node = n;
	d->refs++;
	d->before = youngest;
	*(youngest ? &youngest->after : &oldest) = d;
	youngest = d;
	fds += d->spot.n;
}

/* ---- finding ---- */

static bool in_base(const struct spot *s)
{
	return s->n && s->at[s->n - 1].layer == 0;
}

/* Counted, or NULL. */
static struct dir *known(struct node *n, const struct dir *parent, const struct stack *stack, const struct view *v)
{
	struct dir *d;

	pthread_mutex_lock(&lock);
	d = n->dir;
	if (d && d->stack == stack && d->parent == (parent ? parent->serial : 0) &&
	    d->changes == v->changes && d->life == v->life &&
	    (!v->counters || __atomic_load_n(&v->counters[d->slot], __ATOMIC_SEQ_CST) == d->count) &&
	    (!in_base(&d->spot) || now_ns() - d->found < BASE_FRESH_NS))
		d->refs++;
	else
		d = NULL;
	pthread_mutex_unlock(&lock);
	return d;
}

/* name NULL: the root. A directory does not hold its parent, or there would be descriptors without number: each
 * change of a tree is a reason to find its root anew. */
static int find(struct node *n, const struct dir *parent, const char *name, struct stack *stack, const struct view *v,
		struct dir **out)
{
	struct dir *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return -ENOMEM;
	*d = (struct dir){.refs = 1, .parent = parent ? parent->serial : 0, .stack = stack_get(stack),
			  .changes = v->changes, .life = v->life, .found = now_ns()};
	if (name) {
		d->slot = union_counter(parent->number, UNION_ROOT_DEV, union_name_hash(name, strlen(name)));
		d->count = v->counters ? __atomic_load_n(&v->counters[d->slot], __ATOMIC_SEQ_CST) : 0;
		err = spot_step(&parent->spot, name, &d->spot);
	} else {
		d->count = v->counters ? __atomic_load_n(&v->counters[0], __ATOMIC_SEQ_CST) : 0;
		err = spot_find(&stack->tree, "", &d->spot);
	}
	if (!err && !S_ISDIR(d->spot.st.st_mode))
		err = -ENOTDIR;
	if (err) {
		dir_put(d);
		return err;
	}
	d->number = spot_number(&d->spot);
	pthread_mutex_lock(&lock);
	d->serial = ++serials;
	keep_locked(n, d);
	pthread_mutex_unlock(&lock);
	*out = d;
	return 0;
}

static int get(struct node *n, struct stack *stack, const struct view *v, struct dir **out)
{
	char name[NAME_MAX + 1];
	struct dir *parent = NULL;
	struct node *up;
	int err = node_up(n, &up, name);

	if (err)
		return err;
	if (up) {
		err = get(up, stack, v, &parent);
		node_drop(up, 1);
		if (err)
			return err;
	}
	*out = known(n, parent, stack, v);
	if (!*out)
		err = find(n, parent, up ? name : NULL, stack, v, out);
	dir_put(parent);
	return err;
}

/* ---- what nobody changes ---- */

/* Layers that were looked at a moment ago, of what does not run: the kernel may remember more than that for longer. */
struct recent {
	struct stack *stack; /* counted */
	struct view view;
	long long until;
};

void recent_free_locked(struct recent *r)
{
	if (r)
		stack_put_locked(r->stack);
	free(r);
}

void recent_forget(struct box *b)
{
	pthread_mutex_lock(&boxes_lock);
	recent_free_locked(b->recent);
	b->recent = NULL;
	pthread_mutex_unlock(&boxes_lock);
}

/* Counted, or NULL. */
static struct stack *recent_get(struct box *b, struct view *v)
{
	uint64_t changes = pens_changes(b);
	struct stack *s = NULL;

	pthread_mutex_lock(&boxes_lock);
	if (b->recent && b->recent->until > now_ns() && b->recent->view.changes == changes) {
		*v = b->recent->view;
		s = b->recent->stack;
		s->refs++;
	}
	pthread_mutex_unlock(&boxes_lock);
	return s;
}

static void recent_put(struct box *b, struct stack *s, const struct view *v)
{
	struct recent *r = malloc(sizeof(*r));

	if (!r)
		return;
	*r = (struct recent){.stack = stack_get(s), .view = *v, .until = now_ns() + RECENT_NS};
	pthread_mutex_lock(&boxes_lock);
	recent_free_locked(b->recent);
	b->recent = r;
	pthread_mutex_unlock(&boxes_lock);
}

static struct stack *layers_of(struct box *b, struct view *v)
{
	struct stack *s = recent_get(b, v);

	if (s)
		return s;
	*v = pens_view(b);
	s = box_stack(b);
	if (s && !v->counters && pens_fresh(b) > 0)
		recent_put(b, s, v);
	return s;
}

int dir_get(struct node *n, struct dir **out)
{
	struct view v;
	struct stack *stack = layers_of(n->box, &v);
	int err = stack ? get(n, stack, &v, out) : -ENOENT;

	if (stack)
		stack_put(stack);
	return err;
}

int dir_find_then(struct node *n, struct dir **dir, struct spot *s)
{
	char path[TREE_PATH_MAX];
	struct node *root = n;
	int err = dir_find(n, dir, s);

	if (err != -ESTALE)
		return err;
	err = node_path_then(n, path, sizeof(path));
	/* Its parents are there as long as it is. */
	while (!err && root->parent->kind == root->kind)
		root = root->parent;
	if (!err)
		err = dir_get(root, dir);
	return err ? err : spot_find(&(*dir)->stack->tree, path, s);
}

int dir_find(struct node *n, struct dir **dir, struct spot *s)
{
	char name[NAME_MAX + 1];
	struct node *up;
	int err = node_up(n, &up, name);

	*dir = NULL;
	s->n = 0;
	if (err)
		return err;
	if (!up) {
		err = dir_get(n, dir);
		return err ? err : spot_find(&(*dir)->stack->tree, "", s);
	}
	err = dir_get(up, dir);
	node_drop(up, 1);
	return err ? err : spot_step(&(*dir)->spot, name, s);
}
