// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * --status-fd: how a command fared, for a program that runs gsh.
 *
 * An exit status of 125 may be gsh's or the command's own; and one of 143 does not say who sent the
 * signal. Here each event is a JSON object in a line of its own, written at once:
 *
 *	{"event":"started","sandbox":NAME,"session":N,"pid":N}
 *	{"event":"timeout","signal":"TERM"}	--timeout has sent a signal
 *	{"event":"detached","session":N}	the command goes on
 *	{"event":"exited","origin":"command","code":N[,"signal":N]}
 *	{"event":"failed","origin":"gsh","code":N}	it could not be started, or its end not
 *learnt
 *
 * The last three end the report. A reader that goes away is no reason to end a command.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shell/shell.h"

static int report_fd = -1;

int report_open(const char *word)
{
	char *end;
	long fd;

	errno = 0;
	fd = strtol(word, &end, 10);
	if (!*word || *end || errno || fd < 0 || fd > 0xffffff)
		return fail(FAIL_USAGE, "--status-fd", "%s is no number of a descriptor", word);
	/* Not for gshd, should it be started now. */
	if (fcntl((int)fd, F_GETFD) < 0 || (fd > 2 && fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0))
		return fail(FAIL_USAGE, "--status-fd", "descriptor %ld is not open", fd);
	report_fd = (int)fd;
	return 0;
}

static void report(const char *event, struct json_object *fields)
{
	struct json_object *line = json_object_new_object();
	char text[1024];
	void (*old)(int);
	size_t len;

	json_object_object_add(line, "event", json_object_new_string(event));
	json_object_object_foreach(fields, key, value)
		json_object_object_add(line, key, json_object_get(value));
	len = (size_t)snprintf(text, sizeof(text), "%s\n",
			       json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN));
	json_object_put(line);
	json_object_put(fields);
	if (report_fd < 0 || len >= sizeof(text))
		return;
	old = signal(SIGPIPE, SIG_IGN);
	if (write(report_fd, text, len) != (ssize_t)len)
		report_fd = -1;
	signal(SIGPIPE, old);
}

void report_started(const char *sandbox, int session, int pid)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "sandbox", json_object_new_string(sandbox));
	json_object_object_add(o, "session", json_object_new_int(session));
	json_object_object_add(o, "pid", json_object_new_int(pid));
	report("started", o);
}

void report_timeout(const char *signal)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "signal", json_object_new_string(signal));
	report("timeout", o);
}

void report_detached(int session)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "session", json_object_new_int(session));
	report("detached", o);
}

void report_exited(int status)
{
	struct json_object *o = json_object_new_object();
	int code = WIFSIGNALED(status) ? EXIT_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);

	json_object_object_add(o, "origin", json_object_new_string("command"));
	json_object_object_add(o, "code", json_object_new_int(code));
	if (WIFSIGNALED(status))
		json_object_object_add(o, "signal", json_object_new_int(WTERMSIG(status)));
	report("exited", o);
}

void report_failed(int code)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "origin", json_object_new_string("gsh"));
	json_object_object_add(o, "code", json_object_new_int(code));
	report("failed", o);
}
