// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * The order of a split: first all that can fail and change nothing, then what cannot be taken back.
 *
 * It is for a process of one thread that shares its memory with nobody and has no children: threads would stay outside
 * of the walls, and children behind in the old sandbox, where they could no longer be signalled.
 */
#include "libos/split/split.h"

static int is_alone(void)
{
	struct thread *t = current();
	struct process *p = t->proc;

	if (p->vfork_child || p->nthreads != 1 || t->tid != p->pid || p->pid == 1)
		return -EBUSY;
	for (s32 id = area_next(1, false); id; id = area_next(id + 1, false))
		if (atomic_load_relaxed(&area_slot(id)->ppid) == p->pid)
			return -EBUSY;
	return 0;
}

static void go(struct split_world *w, const struct split_policy *p, const struct node *control, int asker)
{
	int own[] = { w->walls, w->port[0], w->ipc, asker };
	u64 mask = pal_signals_off();

	split_world_enter(w);
	for (unsigned i = 0; i < 2; i++)
		if (w->monitor[i] >= 0)
			pal_close(w->monitor[i]);
	w->monitor[0] = w->monitor[1] = -1;
	split_files(p, control, own, ARRAY_SIZE(own));
	split_world_close(w, p);
	atomic_store(&current()->tcb.pending, 1);
	pal_signals_on(mask);
}

/* With the layers of one moment: -ESTALE if they changed meanwhile, and nothing was done. */
static int make_and_go(const struct split_policy *p, const struct node *control, int asker)
{
	struct split_world w;
	u32 stayed = chain_stay();
	int r = split_world_make(&w, p);

	if (!r)
		r = split_memory(p);
	if (!r)
		go(&w, p, control, asker);
	else
		split_world_undo(&w);
	split_world_drop(&w);
	return chain_go_on(stayed, r);
}

static int split_by(struct split_policy *p, const char *text, const struct node *control, int asker)
{
	int r = split_policy_parse(p, text);

	if (!r)
		r = split_policy_resolve(p);
	if (r && p->line)
		pal_log("split: line %u of the policy: error %d\n", p->line, -r);
	if (!r)
		r = is_alone();
	return r ?: make_and_go(p, control, asker);
}

int split_off(const char *text, const struct node *control, int asker, unsigned *line)
{
	struct split_policy *p = base_alloc(sizeof(*p));
	int r = -ESTALE;

	if (!p)
		return -ENOMEM;
	for (int i = 0; r == -ESTALE && i < STALE_TRIES; i++) {
		r = split_by(p, text, control, asker);
		*line = r ? p->line : 0;
		split_policy_free(p);
	}
	base_free(p);
	return r == -ESTALE ? -EACCES : r;
}
