// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * A world for one: everything that a process of the sandbox shares with the others, made anew for the one that leaves.
 *
 *   area           a fresh memory file: ids, counters of names
 *   work           a directory in the old one, and in it shm, where /dev/shm and what hides there lie from now on (unless
 *                  the policy names /dev/shm). Nobody in the new world can move or open what lies beside it
 *   leader's port  a fresh pair; its other end goes to the new leader
 *   monitor's port a fresh pair, made known to the monitor together with what may still be written
 *   layers         descriptors that lead on to names and are good for nothing else
 */
#include "libos/split/split.h"
#include "libos/coord/coord.h"
#include "libos/coord/wire.h"
#include "libos/entry/entry.h"
#include "libos/mm/mm.h"
#include "libos/entry/images.h"
#include "pal/grant.h"
#include "pal/monitor.h"

static int make_area(struct split_world *w, const struct split_policy *p)
{
	struct buf text = { 0 };
	int r;

	w->area = host_fd_move(pal_memfd("area", MFD_ALLOW_SEALING));
	if (w->area < 0)
		return w->area;
	r = pal_ftruncate(w->area, PAGE_UP(sizeof(struct area)));
	if (!r)
		r = pal_fcntl(w->area, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	if (!r)
		r = area_prepare(w->area, this_process()->pid);
	if (!r)
		r = split_policy_show(&text, p);
	if (!r && text.size >= AREA_POLICY)
		r = -E2BIG;
	if (!r && pal_pwrite(w->area, text.data, text.size, offsetof(struct area, split.policy)) != (ssize_t)text.size)
		r = -ENOSPC;
	base_buf_free(&text);
	return r;
}

static int make_dir(int at, const char *name)
{
	int r = pal_mkdirat(at, name, 0700);

	return r ? r : host_fd_move(pal_openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0));
}

static bool names_shm(const struct split_policy *p)
{
	for (unsigned i = 0; i < p->ngrants; i++)
		if (!strcmp(p->grant[i].text, "/dev/shm"))
			return true;
	return false;
}

static int make_dirs(struct split_world *w, const struct split_policy *p)
{
	char name[32];
	u64 salt = 0;

	(void)pal_getrandom(&salt, sizeof(salt), 0);
	base_snprintf(name, sizeof(name), "split-%x-%lx", (unsigned)this_process()->pid, (unsigned long)salt);
	w->work = make_dir(GRANT_FD_WORK, name);
	if (w->work < 0 || names_shm(p))
		return MIN(w->work, 0);
	w->shm = make_dir(w->work, "shm");
	return MIN(w->shm, 0);
}

static int add_grant(struct split_world *w, const struct split_grant *g, struct area_mark *marks, u32 *nmarks)
{
	int top, r;

	if (g->write && w->nplaces == ARRAY_SIZE(w->place))
		return -E2BIG;
	r = union_split_doors(path_node(&g->at), w->walls, g->write, &top);
	if (top >= 0)
		w->place[w->nplaces++] = top;
	return r ?: union_split_marks(path_node(&g->at), marks, nmarks);
}

/* The patched images of what is mapped: what is executed from now on, most of it this program's own libraries, may use
 * them again; what others have executed is none of our business. */
static int add_images(struct split_world *w)
{
	struct mm *mm = this_process()->mm;
	int r = 0;

	mm_lock(mm);
	for (struct patched *i = mm->patched; i && !r; i = i->next)
		if (i->image->fd >= 0)
			r = pal_walls_door(w->walls, i->image->fd, PAL_DOOR_READ);
	mm_unlock(mm);
	return r;
}

static int make_walls(struct split_world *w, const struct split_policy *p)
{
	struct area_mark *marks = base_zalloc(sizeof(struct area_mark) * AREA_MARKS);
	u32 n = 0;
	int r = marks ? pal_walls_door(w->walls, GRANT_FD_IMAGE, PAL_DOOR_RUN) : -ENOMEM;

	if (!r)
		r = pal_walls_door(w->walls, w->work, PAL_DOOR_OWN);
	if (!r)
		r = add_images(w);
	w->place[w->nplaces++] = pal_dup(w->work, GRANT_FD_FIRST_FREE);
	for (unsigned i = 0; i < p->ngrants && !r; i++)
		r = add_grant(w, &p->grant[i], marks, &n);
	/* Earlier notes hold on: what they are about may not be asked any more. */
	for (u32 i = 0; the_area->split.on && i < the_area->split.nmarks && !r; i++) {
		if (n == AREA_MARKS)
			r = -ENOSPC;
		else
			marks[n++] = the_area->split.mark[i];
	}
	if (!r && pal_pwrite(w->area, marks, n * sizeof(*marks), offsetof(struct area, split.mark)) < 0)
		r = -ENOSPC;
	if (!r && pal_pwrite(w->area, &n, sizeof(n), offsetof(struct area, split.nmarks)) < 0)
		r = -ENOSPC;
	base_free(marks);
	return r;
}

static int tell_monitor(struct split_world *w)
{
	int fds[1 + ARRAY_SIZE(w->place)], r = wire_pair(w->monitor);

	if (r) {
		w->monitor[0] = w->monitor[1] = -1;
		return r;
	}
	fds[0] = w->monitor[1];
	for (unsigned i = 0; i < w->nplaces; i++)
		fds[1 + i] = w->place[i];
	r = pal_monitor(MON_SPLIT, NULL, 0, fds, 1 + (int)w->nplaces, NULL, 0, NULL, NULL);
	/* In a split already: nobody but the sandbox's own processes may ask for a port. Attributes stay as they are. */
	return r == -EPERM && the_area->split.on ? 0 : MIN(r, 0);
}

int split_world_make(struct split_world *w, const struct split_policy *p)
{
	int r;

	*w = (struct split_world){ -1, -1, -1, -1, { -1, -1 }, { -1, -1 }, { 0 }, 0 };
	for (unsigned i = 0; i < p->ngrants; i++) {
		r = union_split_prepare(path_node(&p->grant[i].at), p->grant[i].write);
		if (r)
			return r;
	}
	w->walls = host_fd_move(pal_walls_begin(p->network));
	if (w->walls < 0)
		return w->walls;
	r = make_dirs(w, p);
	if (!r)
		r = make_area(w, p);
	if (!r)
		r = make_walls(w, p);
	if (!r)
		r = wire_pair(w->port);
	return r ?: tell_monitor(w);
}

static void install(int fd, int number)
{
	if (fd < 0)
		return;
	BUG_ON(pal_dup_to(fd, number) < 0 || pal_fcntl(number, F_SETFD, 0));
}

void split_world_enter(struct split_world *w)
{
	struct process *self = this_process();

	atomic_store(&the_area->split.others, 1);
	atomic_or(&self->slot->flags, AREA_SPLIT);
	coord_forked(); /* our stream is the old leader's */
	BUG_ON(union_split_layers());
	install(w->area, GRANT_FD_AREA);
	install(w->work, GRANT_FD_WORK);
	install(w->shm, GRANT_FD_SHM);
	install(w->port[1], GRANT_FD_LEADER);
	install(w->monitor[0], GRANT_FD_PORT);
	area_switch();
	moves_init();
}

void split_world_close(struct split_world *w, const struct split_policy *p)
{
	int r = pal_walls_raise(w->walls, p->network);

	if (!r)
		r = MIN(pal_start_image("lead", w->port[0]), 0);
	if (!r)
		return;
	pal_log("split: the walls do not stand: error %d\n", -r);
	task_exit_group(SIGKILL);
}

static void drop(int *fd)
{
	if (*fd >= 0)
		pal_close(*fd);
	*fd = -1;
}

void split_world_drop(struct split_world *w)
{
	drop(&w->walls);
	drop(&w->area);
	drop(&w->work);
	drop(&w->shm);
	for (int i = 0; i < 2; i++) {
		drop(&w->port[i]);
		drop(&w->monitor[i]);
	}
	while (w->nplaces)
		drop(&w->place[--w->nplaces]);
}
