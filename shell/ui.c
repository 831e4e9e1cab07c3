// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * How gsh looks to its user: colours, remarks, pager. Settled once, by the options that every verb
 * has, before the verb runs.
 *
 * Colour is never the sole carrier of a meaning. It is used on a terminal that is not "dumb",
 * unless NO_COLOR says no; --color and CLICOLOR_FORCE overrule both. The sixteen colours of ANSI
 * are all that is used: they are the user's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shell/cmd.h"

static struct {
	enum { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER } color;
	bool quiet, nul, no_pager;
	unsigned int reader;
	pid_t pager;
	void (*on_int)(int), (*on_pipe)(int); /* what the signals did before the pager */
} ui;

int ui_settle(const struct call *call)
{
	const char *when = opt_value(call, OPT_COLOR);
	const struct opt *o;
	size_t i;

	for (i = 0; i < call->ngiven; i++) {
		o = call->given[i].opt;
		if (o < common_opts || !opt_common_for(call->cmd, o))
			continue;
		ui.quiet |= o->id == OPT_QUIET;
		ui.nul |= o->id == OPT_NULL;
		ui.no_pager |= o->id == OPT_NO_PAGER;
	}
	if (!when || strcmp(when, "auto") == 0)
		return 0;
	if (strcmp(when, "always") && strcmp(when, "never"))
		return usage_fail(call->cmd, "--color is always, never or auto, not %s", when);
	ui.color = strcmp(when, "always") == 0 ? COLOR_ALWAYS : COLOR_NEVER;
	return 0;
}

void ui_reader(unsigned int how)
{
	ui.reader = how;
}

bool ui_person(void)
{
	return ui.reader & READER_PERSON || isatty(1);
}

bool ui_quiet(void)
{
	return ui.quiet;
}

bool ui_null(void)
{
	return ui.nul;
}

static bool set_to_something(const char *name)
{
	const char *value = getenv(name);

	return value && *value;
}

bool ui_color(int fd)
{
	const char *force = getenv("CLICOLOR_FORCE"), *term = getenv("TERM");

	if (ui.color != COLOR_AUTO)
		return ui.color == COLOR_ALWAYS;
	if (ui.reader & (fd == 1 ? READER_COLORS : READER_COLORED_ERRORS))
		return true;
	if (set_to_something("NO_COLOR"))
		return false;
	if (force && *force && strcmp(force, "0") != 0)
		return true;
	return isatty(fd) && term && *term && strcmp(term, "dumb") != 0;
}

/* What shows long lists; NULL: nothing. */
static const char *pager_command(void)
{
	const char *pager = getenv("GSH_PAGER");

	if (!pager)
		pager = getenv("PAGER");
	if (!pager) /* not every machine has it, and what was to be shown would be lost */
		pager = "if command -v less >/dev/null; then exec less; else exec cat; fi";
	return *pager && strcmp(pager, "cat") != 0 ? pager : NULL;
}

void ui_page_never(void)
{
	ui.no_pager = true;
}

void ui_page(size_t lines)
{
	const char *command = pager_command();
	struct winsize ws = { 0 };
	int pipefd[2];
	pid_t pid;

	if (ui.no_pager || ui.pager || !command || !isatty(1) || ioctl(1, TIOCGWINSZ, &ws) ||
	    !ws.ws_row || lines < ws.ws_row || fflush(stdout) || pipe2(pipefd, O_CLOEXEC))
		return;
	pid = fork();
	if (pid == 0) {
		/* What fits is printed, colours pass, and the screen stays when it ends. */
		if (dup2(pipefd[0], 0) < 0 || setenv("LESS", "FRX", 0))
			_exit(127);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(pipefd[0]);
	if (pid > 0 && dup2(pipefd[1], 1) >= 0) {
		ui.pager = pid;
		/* The pager takes ^C for itself; one that is left early is no failure of ours. */
		ui.on_int = signal(SIGINT, SIG_IGN);
		ui.on_pipe = signal(SIGPIPE, SIG_IGN);
	}
	close(pipefd[1]);
}

bool ui_page_end(void)
{
	int null;

	if (!ui.pager)
		return false;
	fflush(stdout);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null >= 0)
		dup2(null, 1);
	close(null);
	while (waitpid(ui.pager, NULL, 0) < 0 && errno == EINTR)
		;
	ui.pager = 0;
	/* What follows is ours to be ended. */
	signal(SIGINT, ui.on_int);
	signal(SIGPIPE, ui.on_pipe);
	return true;
}
