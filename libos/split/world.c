// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * A world for one: everything that a process of the sandbox shares with the others, made anew for
 * the one that leaves.
 *
 *   area           a fresh memory file: ids, counters of names
 *   ipc            another: no System V object and no message queue of the old sandbox is there
 *   work           a directory in the old one, and in it shm, where /dev/shm and what hides there
 * lie from now on (unless the policy names /dev/shm). Nobody in the new world can move or open what
 * lies beside it leader's port  a fresh pair; its other end goes to the new leader monitor's port a
 * fresh pair, made known to the monitor together with what may still be written layers descriptors
 * that lead on to names and are good for nothing else
 */
#include "libos/split/split.h"
#include "libos/coord/coord.h"
#include "libos/coord/wire.h"
#include "libos/entry/entry.h"
#include "libos/mm/mm.h"
#include "libos/entry/images.h"
#include "libos/ipc/ipc.h"
#include "pal/grant.h"
#include "pal/monitor.h"

static int make_area(struct split_world *w, const struct split_policy *p)
{
	struct buf text = { 0 };
	u32 on = 1;
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
	if (!r && !p->network && pal_pwrite(w->area, &on, sizeof(on), offsetof(struct area, split.no_network)) < 0)
		r = -ENOSPC;
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

#define DIR_PREFIX "split-"

/* Directories of worlds that ended: empty, since what they held was removed by their leader. One in use holds shm. */
static void sweep_dirs(void)
{
	char buf[4096];
	ssize_t n;
	int fd = pal_openat(GRANT_FD_WORK, ".", O_RDONLY | O_DIRECTORY, 0);

	while (fd >= 0 && (n = pal_getdents(fd, buf, sizeof(buf))) > 0)
		for (ssize_t at = 0; at < n;) {
			struct linux_dirent64 *e = (void *)(buf + at);

			at += e->d_reclen;
			if (!strncmp(e->d_name, DIR_PREFIX, sizeof(DIR_PREFIX) - 1))
				(void)pal_unlinkat(fd, e->d_name, AT_REMOVEDIR);
		}
	if (fd >= 0)
		pal_close(fd);
}

static int make_dirs(struct split_world *w, const struct split_policy *p)
{
	u64 salt = 0;

	sweep_dirs();
	(void)pal_getrandom(&salt, sizeof(salt), 0);
	base_snprintf(w->name, sizeof(w->name), DIR_PREFIX "%x-%lx", (unsigned)this_process()->pid,
		      (unsigned long)salt);
	w->work = make_dir(GRANT_FD_WORK, w->name);
	w->shm = w->work < 0 ? w->work : make_dir(w->work, "shm");
	if (w->shm < 0)
		return w->shm;
	if (names_shm(p)) {
		pal_close(w->shm);
		w->shm = -1;
	}
	return 0;
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

/* Where the caller stands it goes on standing, allowed or not. */
static int add_place(struct area_mark *marks, u32 *n)
{
	struct path cwd;
	int r = 0;

	lock(&dcache_lock);
	cwd = this_process()->fs->cwd;
	path_get(&cwd);
	dcache_unlock();
	if (union_owns(path_node(&cwd)))
		r = union_split_marks(path_node(&cwd), marks, n);
	path_put(&cwd);
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
	w->place[w->nplaces++] = pal_dup(w->work, pal_fd_free());
	for (unsigned i = 0; i < p->ngrants && !r; i++)
		r = add_grant(w, &p->grant[i], marks, &n);
	if (!r)
		r = add_place(marks, &n);
	/* Earlier notes hold on: what they are about may not be asked any more. */
	for (u32 i = 0; the_area->split_on && i < the_area->split.nmarks && !r; i++) {
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
	return r == -EPIPE ? -EIO : MIN(r, 0);
}

int split_world_make(struct split_world *w, const struct split_policy *p)
{
	int r;

	*w = (struct split_world){ -1, -1, -1, -1, -1, { -1, -1 }, { -1, -1 }, { 0 }, 0, "" };
	for (unsigned i = 0; i < p->ngrants; i++) {
		r = union_split_prepare(path_node(&p->grant[i].at), p->grant[i].write);
		if (r)
			return r;
	}
	w->walls = host_fd_move(pal_walls_begin(p->network));
	if (w->walls < 0)
		return w->walls;
	for (int tries = 0; (r = make_dirs(w, p)) == -ENOENT && tries < 3; tries++)
		if (w->work >= 0)
			pal_close(w->work); /* somebody swept it just now */
	if (!r)
		r = make_area(w, p);
	if (!r)
		r = make_walls(w, p);
	if (!r) {
		w->ipc = host_fd_move(ipc_memory());
		r = w->ipc == -ENOENT ? 0 : MIN(w->ipc, 0);
	}
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

	atomic_store(&the_area->split_others, 1);
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

#define LEADER_TRIES 200
#define LEADER_STEP_NS 50000000

/* It has its id: from then on the world is whole. */
static int start_leader(struct split_world *w)
{
	struct timespec step = { .tv_nsec = LEADER_STEP_NS };
	u32 *state = &area_slot(1)->state;
	int r = pal_start_image("lead", w->port[0]);

	if (r)
		return r;
	for (unsigned i = 0; i < LEADER_TRIES && atomic_load(state) == AREA_FREE; i++)
		(void)pal_futex_plain(state, FUTEX_WAIT, AREA_FREE, &step, NULL, 0);
	return atomic_load(state) == AREA_FREE ? -ETIMEDOUT : 0;
}

void split_world_close(struct split_world *w, const struct split_policy *p)
{
	int r;

	ipc_leave(w->ipc);
	w->ipc = -1;
	r = pal_walls_raise(w->walls, p->network);

	if (!r)
		r = start_leader(w);
	if (!r)
		return;
	pal_log("split: the walls do not stand: error %d\n", -r);
	task_exit_group(SIGKILL);
}

void split_world_undo(struct split_world *w)
{
	if (w->work < 0)
		return;
	(void)pal_unlinkat(w->work, "shm", AT_REMOVEDIR);
	(void)pal_unlinkat(GRANT_FD_WORK, w->name, AT_REMOVEDIR);
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
	drop(&w->ipc);
	for (int i = 0; i < 2; i++) {
		drop(&w->port[i]);
		drop(&w->monitor[i]);
	}
	while (w->nplaces)
		drop(&w->place[--w->nplaces]);
}
