/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Resource limits, and a life that ends with the parent's.
 *
 * The libOS keeps descriptors of its own beside the guest's, so the soft limit is raised to the
 * hard one; the guest's own limit is the libOS's affair. A part of it is kept back: descriptors that are on the way in
 * sockets are counted for all of the user's processes, and held against the limit of each that passes one, as the
 * monitor must and its clients. In a user namespace of its own a sandbox's
 * processes are counted apart from the user's others: there RLIMIT_NPROC stands behind the libOS,
 * which keeps the count itself, with some room for what comes and goes. No core dumps: they would go where the
 * host's core_pattern says, outside; the limit that guests see stands in the grant.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include "pal/confine/impl.h"

#define PROCS_ROOM 64
#define KEPT_PART 8 /* of what is counted for all of the user's processes so much is not for one sandbox */

/* Queued signals and locked memory: the host's programs, an agent that keeps keys, have theirs of the same. */
static int keep_some(int which)
{
	struct rlimit r;

	if (getrlimit(which, &r))
		return -errno;
	if (r.rlim_max != RLIM_INFINITY)
		r.rlim_max -= r.rlim_max / KEPT_PART;
	if (r.rlim_cur > r.rlim_max)
		r.rlim_cur = r.rlim_max;
	return setrlimit(which, &r) ? -errno : 0;
}

int limits_set(struct confine_state *st)
{
	struct rlimit none = { 0, 0 }, files, procs;

	procs.rlim_max = (st->spec->pids > CONFINE_TASKS_LEAST ? st->spec->pids : CONFINE_TASKS_LEAST) + PROCS_ROOM;
	procs.rlim_cur = procs.rlim_max;
	if (getrlimit(RLIMIT_NOFILE, &files))
		return confine_say(st, -errno, "RLIMIT_NOFILE");
	if (st->spec->rung != GRANT_RUNG_NONE)
		files.rlim_max -= files.rlim_max / KEPT_PART;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files))
		return confine_say(st, -errno, "RLIMIT_NOFILE");
	if (st->spec->rung == GRANT_RUNG_A && st->spec->pids && setrlimit(RLIMIT_NPROC, &procs) && errno != EPERM)
		return confine_say(st, -errno, "RLIMIT_NPROC");
	if (st->spec->rung != GRANT_RUNG_NONE && (keep_some(RLIMIT_SIGPENDING) || keep_some(RLIMIT_MEMLOCK)))
		return confine_say(st, -EPERM, "RLIMIT_SIGPENDING, RLIMIT_MEMLOCK");
	if (st->spec->rung != GRANT_RUNG_NONE && setrlimit(RLIMIT_CORE, &none))
		return confine_say(st, -errno, "RLIMIT_CORE");
	return 0;
}

/*
 * The kernel kills us when our parent dies; if it died before we asked, nobody would. In a pid
 * namespace getppid() is 0 either way, so look whether the other end of the report is still held as
 * well.
 */
int limits_die_with_parent(struct confine_state *st)
{
	struct pollfd p = { .fd = st->report, .events = POLLOUT };
	pid_t parent;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return -errno;
	parent = getppid();
	if (parent && parent != st->parent)
		return confine_say(st, -ECHILD, "the parent is gone");
	if (poll(&p, 1, 0) < 0)
		return -errno;
	return p.revents & (POLLHUP | POLLERR) ? confine_say(st, -ECHILD, "the monitor is gone")
					       : 0;
}
