/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * /dev/gsh: a way for gsh inside to the host's gsh (shell/inside.h). For each open a client of the
 * host's is started, which reads from one end of a pair what is asked and writes what there is to
 * say; the monitor looks at neither. The client knows what it may do for somebody inside. Few at a
 * time, and not for long: whoever opens and does nothing is in his own way. And few a second, for
 * a process outside is nobody's that the sandbox's limits know.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "gshd/log.h"
#include "gshd/monitor/monitor.h"

#define CPU_S 60 /* of one answer */
#define EACH_MS 50 /* one more may be started, */
#define AT_ONCE 40 /* so many when there were none for a while */

/* Is there to be one more? Who is told to wait tries again (shell/inside.c). */
static bool is_due(struct monitor *m)
{
	int64_t now = ops_clock();

	if (m->inside_due < now - AT_ONCE * EACH_MS)
		m->inside_due = now - AT_ONCE * EACH_MS;
	if (m->inside_due > now)
		return false;
	m->inside_due += EACH_MS;
	return true;
}

static void run_client(const struct monitor *m, const char *path, int sock)
{
	char *argv[] = { "gsh", "inside", "-s", (char *)m->spec.name, NULL };
	struct rlimit cpu = { CPU_S, CPU_S };
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpriority(PRIO_PROCESS, 0, 5);
	setrlimit(RLIMIT_CPU, &cpu);
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(sock, 0) < 0 || dup2(sock, 1) < 0 || setenv("GSH_STORE", m->paths.store, 1) ||
	    setenv("GSH_RUNTIME", m->paths.runtime, 1) || setenv("GSH_MOUNT", m->paths.mount, 1) ||
	    unsetenv("GSH_SANDBOX") || chdir("/"))
		_exit(1);
	execv(path, argv);
	_exit(1);
}

int inside_open(struct monitor *m)
{
	char path[PATH_MAX];
	int pair[2], err = paths_beside("gsh", path, sizeof(path));
	unsigned i = 0;
	pid_t pid;

	while (i < INSIDE_MAX && m->inside[i])
		i++;
	if (i == INSIDE_MAX || !is_due(m))
		return -EBUSY;
	if (!err && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		err = -errno;
	if (err)
		return err;
	pid = fork();
	if (pid == 0)
		run_client(m, path, pair[1]);
	if (pid < 0)
		err = -errno;
	close(pair[1]);
	if (err) {
		close(pair[0]);
		return err;
	}
	m->inside[i] = pid;
	return pair[0];
}

void inside_reaped(struct monitor *m, pid_t pid)
{
	for (unsigned i = 0; i < INSIDE_MAX; i++)
		if (m->inside[i] == pid)
			m->inside[i] = 0;
}
