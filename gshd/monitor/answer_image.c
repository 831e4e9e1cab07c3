/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The patched-image cache's door: a picoprocess passes an executable file and asks for its patched
 * copy (rewrite.h).
 *
 * What is there already is linked into the sandbox's view at once. What is not is built by a child
 * of the monitor, which runs the confined worker, publishes its output and answers: the monitor's
 * own loop never waits. A sandbox that asks for many at a time is told to try again.
 */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "gshd/log.h"
#include "gshd/monitor/monitor.h"

static void build(struct monitor *m, struct request *r, const struct image_key *key)
{
	int err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The loop's handlers would tell the monitor of our signals as if they were its own. */
	signal(SIGCHLD, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	err = image_cache_build(&m->images, r->fds[0], key);
	if (err && err != -ENOEXEC)
		log_line("an executable could not be rewritten: error %d", -err);
	r->reply.head.error = -err;
	port_reply(r);
	if (!err && image_cache_keep(&m->images, key))
		log_line("a rewritten executable could not be kept");
	_exit(0);
}

void answer_image(struct monitor *m, struct request *r)
{
	struct image_key key;
	pid_t pid;
	int err;

	r->reply.head.error = ENOSYS;
	if (m->images.view < 0)
		return;
	err = image_cache_find(&m->images, r->fds[0], &key);
	if (err == -ENOENT && m->nbuilders >= BUILDERS_MAX)
		err = -EAGAIN;
	r->reply.head.error = -err;
	if (err != -ENOENT)
		return;
	pid = fork();
	if (!pid)
		build(m, r, &key);
	if (pid < 0) {
		r->reply.head.error = EAGAIN;
		return;
	}
	m->builders[m->nbuilders++] = pid;
	r->later = true;
}

void image_reaped(struct monitor *m, pid_t pid)
{
	for (unsigned i = 0; i < m->nbuilders; i++)
		if (m->builders[i] == pid) {
			m->builders[i] = m->builders[--m->nbuilders];
			return;
		}
}
