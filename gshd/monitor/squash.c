/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See squash.h. */
#include "gshd/monitor/squash.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "gshd/store/contents.h"
#include "gshd/store/held.h"
#include "gshd/store/history_impl.h"
#include "gshd/log.h"
#include "gshd/monitor/monitor.h"

static void begin_child(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	setpriority(PRIO_PROCESS, 0, 10);
}

int squash_sweep(int box, int pid)
{
	struct stat st;

	if (fstatat(box, "trash", &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	if (time(NULL) - st.st_mtime < SQUASH_GRACE_S || held_stopped(pid))
		return 0;
	return store_empty(box, "trash");
}

static void sweep(struct monitor *m)
{
	int monitor = getpid();

	m->squash.n = 0;
	m->squash.swept = ops_clock();
	m->squash.pid = fork();
	if (m->squash.pid == 0) {
		begin_child();
		_exit(squash_sweep(m->history.box, monitor) != 0);
	}
	if (m->squash.pid < 0)
		m->squash.pid = 0;
}

static void join(struct monitor *m, unsigned first, unsigned n)
{
	struct squash *s = &m->squash;

	s->n = n;
	memcpy(s->number, m->history.number + first, n * sizeof(s->number[0]));
	/* It gets names that it is said to lack. */
	contents_withhold(m->contents, s->number[n - 1]);
	s->pid = fork();
	if (s->pid == 0) {
		begin_child();
		_exit(join_prepare(&m->history, s->number, s->n) != 0);
	}
	if (s->pid < 0) {
		s->pid = 0;
		contents_withhold(m->contents, 0);
	}
}

void squash_look(struct monitor *m)
{
	struct squash *s = &m->squash;
	unsigned first = m->history.image, n = 0;

	if (s->pid)
		return;
	/* Who split off has layers of its own, and rules that hang on them. */
	if (m->history.n > HISTORY_JOIN_ABOVE && !m->nsplits)
		n = join_range(&m->history, HISTORY_JOIN_KEEP, &first);
	if (n)
		join(m, first, n);
	else if (s->trash && ops_clock() - s->swept > SQUASH_GRACE_S * 1000)
		sweep(m);
}

void squash_cancel(struct monitor *m)
{
	m->squash.n = 0;
}

void squash_end(struct monitor *m)
{
	m->squash.n = 0;
	if (m->squash.pid <= 0)
		return;
	kill(m->squash.pid, SIGKILL);
	while (waitpid(m->squash.pid, NULL, 0) < 0 && errno == EINTR)
		;
	m->squash.pid = 0;
}

static bool are_there(const struct history *h, const struct squash *s)
{
	unsigned found = 0;

	for (unsigned i = 0; i + 1 < h->n && found < s->n; i++)
		found += h->number[i] == s->number[found];
	return s->n && found == s->n;
}

void squash_reaped(struct monitor *m, pid_t pid, int status)
{
	struct squash *s = &m->squash;
	int err;

	if (pid != s->pid)
		return;
	s->pid = 0;
	s->trash = !layers_dir_empty(m->history.box, "trash");
	contents_withhold(m->contents, 0);
	if (status || m->state != BOX_RUNNING || m->nsplits || !are_there(&m->history, s))
		return;
	err = join_finish(&m->history, s->number, s->n);
	if (err)
		log_line("old layers cannot be joined: %s", strerror(-err));
	s->trash = true;
	s->swept = ops_clock();
}
