/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See keep.h. */
#include "gshd/monitor/keep.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include "gshd/store/effects.h"
#include "gshd/monitor/monitor.h"
#include "gshd/tree/common.h"

#define FILES_MAX 2000 /* of one op: who changes more does not merge by hand either */

struct keeping {
	struct common *common;
	unsigned files;
};

static void changed(const char *path, char change, mode_t mode, off_t size, void *arg)
{
	struct keeping *k = arg;

	if (change == 'M' && S_ISREG(mode) && size <= COMMON_FILE_MAX && k->files++ < FILES_MAX)
		(void)!common_keep(k->common, path);
}

/* The sandbox's tree with what belongs to it, for readers on this side. */
struct view {
	struct chain chain;
	struct tree tree; /* its descriptors are the chain's */
	struct touched touched;
	struct common common;
	int box;
};

static void view_close(struct view *v)
{
	if (!v)
		return;
	common_close(&v->common);
	touched_free(&v->touched);
	chain_close(&v->chain);
	if (v->box >= 0)
		close(v->box);
	free(v);
}

static int view_fill(struct view *v)
{
	int err = 0;

	v->tree.fd[v->tree.n++] = v->chain.base;
	for (unsigned i = v->chain.n; i-- > 0 && !err; v->tree.n++) {
		v->tree.fd[v->tree.n] = v->chain.layer[i].fd;
		v->tree.number[v->tree.n] = (uint32_t)v->chain.layer[i].number;
		err = touched_load(&v->touched, v->box, v->tree.number[v->tree.n]);
	}
	touched_sort(&v->touched);
	return err ? err : common_open(&v->common, v->box, &v->touched, &v->tree);
}

static struct view *view_open(int store, const char *name, int *err)
{
	struct view *v = calloc(1, sizeof(*v));
	char why[STORE_WHY];

	if (!v) {
		*err = -ENOMEM;
		return NULL;
	}
	v->chain.base = v->common.dir = -1;
	v->box = store_open_box(store, name);
	*err = v->box < 0 ? v->box : chain_open(store, name, "now", &v->chain, why);
	if (!*err)
		*err = view_fill(v);
	if (!*err)
		return v;
	view_close(v);
	return NULL;
}

/* Of the layers from `from` up. */
static void keep_all(struct view *v, uint32_t from)
{
	struct keeping k = { .common = &v->common };
	struct effects *e = calloc(1, sizeof(*e));
	struct chain c = v->chain;

	if (!e)
		return;
	e->each = changed;
	e->arg = &k;
	for (; c.n && c.layer[0].number >= from; c.n--) {
		effects_find(&c, e);
		memmove(&c.layer[0], &c.layer[1], (c.n - 1) * sizeof(c.layer[0]));
	}
	free(e);
}

static void in_child(const struct monitor *m, uint32_t from)
{
	struct view *v;
	int err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	setpriority(PRIO_PROCESS, 0, 10);
	v = view_open(m->store, m->spec.name, &err);
	if (v)
		keep_all(v, from);
	_exit(0);
}

void keep_common(struct monitor *m)
{
	struct keeper *k = &m->keeper;
	pid_t pid;

	if (k->pid) {
		k->again = true;
		return;
	}
	k->again = false;
	/* One that is made of an image commits nothing to the host. */
	if (m->spec.image || (k->from >= m->history.number[m->history.n - 1] && history_top_empty(&m->history)))
		return;
	pid = fork();
	if (pid == 0)
		in_child(m, k->from);
	if (pid < 0)
		return;
	k->pid = pid;
	k->from = m->history.number[m->history.n - 1];
}

void keep_reaped(struct monitor *m, pid_t pid)
{
	if (pid != m->keeper.pid)
		return;
	m->keeper.pid = 0;
	if (m->keeper.again)
		keep_common(m);
}

static int sweep_touched(int box)
{
	int dir = openat(box, "touched", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), err = 0;
	DIR *d = dir < 0 ? NULL : fdopendir(dir);
	struct dirent *e;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while (!err && (e = readdir(d))) {
		uint32_t number = (uint32_t)strtoul(e->d_name, NULL, 10);
		char path[32];

		if (number && history_find(box, number, path) == -ENOENT && unlinkat(dir, e->d_name, 0))
			err = -errno;
	}
	closedir(d);
	return err;
}

int keep_sweep(int store, const char *name)
{
	int err;
	struct view *v = view_open(store, name, &err);

	if (!v)
		return err;
	err = common_sweep(&v->common);
	if (!err)
		err = sweep_touched(v->box);
	view_close(v);
	return err;
}
