/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Finding gshd, or starting it, without a race.
 *
 * Two clients may find no daemon at the same moment. Each takes the lock RUNTIME/start.lock and
 * looks again; the one that has it second finds the daemon that the first has started. gshd
 * detaches itself and its foreground process ends when its socket answers, so when that has ended
 * well a connection succeeds; what it says on its standard error otherwise is the reason we hand
 * on. gshd keeps a lock of its own (gshd.lock): even one started by hand beside us is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>
#include "gshd/client/client.h"
#include "gshd/client/paths.h"

/* Beside our own executable, else in PATH. */
static void find_program(char *path, size_t size)
{
	if (paths_beside("gshd", path, size))
		snprintf(path, size, "gshd");
}

static void run_program(int said)
{
	char path[PATH_MAX];
	int null = open("/dev/null", O_RDWR);

	dup2(null, 0);
	dup2(null, 1);
	dup2(said, 2);
	/* What our caller has open beyond these, a pipe perhaps at whose end somebody waits, is
	 * nothing to a daemon. */
	close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	find_program(path, sizeof(path));
	execlp(path, "gshd", (char *)NULL);
	dprintf(2, "cannot execute %s: %s", path, strerror(errno));
	_exit(127);
}

/* Start gshd and wait until it serves or has said why not. */
static int start_daemon(char *why, size_t size)
{
	int said[2], status = 0;
	size_t have = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(said, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid == 0)
		run_program(said[1]);
	close(said[1]);
	if (pid < 0) {
		close(said[0]);
		return -EAGAIN;
	}
	while (have < size - 1 && (n = read(said[0], why + have, size - 1 - have)) != 0)
		if (n > 0)
			have += (size_t)n;
		else if (errno != EINTR)
			break;
	close(said[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	why[have] = '\0';
	why[strcspn(why, "\n")] = '\0';
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (!have)
		snprintf(why, size, "gshd ended with status %d", WEXITSTATUS(status));
	return -ECONNREFUSED;
}

static int try_connect(struct client **c, const struct paths *p)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/gshd.sock", p->runtime);
	return client_open(c, path);
}

int client_daemon(struct client **c, unsigned flags, char *why, size_t size)
{
	char path[PATH_MAX + 16];
	struct paths p;
	int lock, err = paths_find(&p, why, size);

	*c = NULL;
	if (err)
		return err;
	err = try_connect(c, &p);
	if (!err || !(flags & CLIENT_START)) {
		if (err)
			snprintf(why, size, "gshd does not answer at %.400s/gshd.sock: %s",
				 p.runtime, strerror(-err));
		return err;
	}
	err = paths_make_runtime(&p, why, size);
	if (err)
		return err;
	snprintf(path, sizeof(path), "%s/start.lock", p.runtime);
	lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (lock < 0) {
		snprintf(why, size, "cannot open %.400s: %s", path, strerror(errno));
		return -errno;
	}
	while (flock(lock, LOCK_EX) && errno == EINTR)
		;
	err = try_connect(c, &p);
	if (err)
		err = start_daemon(why, size);
	/* Ours may have been refused for one that was started by hand meanwhile. */
	if (!*c && !try_connect(c, &p))
		err = 0;
	else if (!*c && !err)
		err = -ECONNREFUSED;
	close(lock);
	return err;
}
