// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Signals as something to poll.
 *
 * A client that waits for a command stands in its place: what a shell, timeout(1) or a user sends
 * to the client is meant for the command. A signal that was ignored when gsh started (nohup, a
 * background job of a plain sh) stays ignored; it is not collected, since a blocked signal would be
 * queued in spite of being ignored.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "shell/shell.h"

int signals_open(void)
{
	static const int wanted[] = {SIGINT,  SIGTERM,	SIGHUP,	 SIGQUIT, SIGTSTP,
				     SIGCONT, SIGWINCH, SIGUSR1, SIGUSR2};
	struct sigaction act;
	sigset_t set;
	size_t i;
	int fd;

	sigemptyset(&set);
	for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (sigaction(wanted[i], NULL, &act) == 0 && act.sa_handler != SIG_IGN)
			sigaddset(&set, wanted[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

void signals_ignore(void)
{
	static const int sent[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGTTOU};
	size_t i;

	for (i = 0; i < sizeof(sent) / sizeof(sent[0]); i++)
		signal(sent[i], SIG_IGN);
}

int signals_next(int fd)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	return (int)info.ssi_signo;
}

void signals_stop_self(void)
{
	sigset_t stop, old;

	/* The default action, not SIGSTOP: the kernel leaves an orphaned process group running, as
	 * it must. */
	sigemptyset(&stop);
	sigaddset(&stop, SIGTSTP);
	raise(SIGTSTP);
	if (sigprocmask(SIG_UNBLOCK, &stop, &old) == 0)
		sigprocmask(SIG_SETMASK, &old, NULL);
}

int signal_number(const char *name)
{
	char *end;
	long n;
	int sig;

	if (*name >= '0' && *name <= '9') {
		n = strtol(name, &end, 10);
		return *end == '\0' && n > 0 && n < NSIG ? (int)n : 0;
	}
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (sig = 1; sig < SIGRTMIN; sig++) {
		const char *abbrev = sigabbrev_np(sig);

		if (abbrev && strcasecmp(name, abbrev) == 0)
			return sig;
	}
	return 0;
}
