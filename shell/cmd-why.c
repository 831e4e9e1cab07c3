// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * gsh why: what was refused to the last program that failed.
 *
 * The libOS keeps, for the last processes that ended badly, the calls with a path or an address that failed
 * (libos/task/why.h). Most programs also look for things that need not be there; what is known to be such is left out
 * unless all is asked for.
 */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gshd/client/client.h"
#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	{'a', "all", NULL, "all processes and calls that are remembered", WORDS_NONE},
	OPT_ROW_JSON,
	OPT_ROW_END,
};

/* \ooo, as libos/task/why.c writes it. */
static void unescape(char *text)
{
	char *to = text;

	while (*text) {
		if (text[0] == '\\' && text[1] && text[2] && text[3]) {
			*to++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

/* Looked for by nearly every program, and missed by none. */
static bool is_noise(const char *path, int err)
{
	static const char *const parts[] = {"/locale/", "/locale-langpack", "ld.so.", "glibc-hwcaps", "gconv",
					    "terminfo", "charset.alias", "/zoneinfo", "/nscd/", "selinux"};

	if (err == ENOENT)
		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
			if (strstr(path, parts[i]))
				return true;
	return false;
}

/* What of the sandbox's making it is, or NULL. */
static const char *reason(const char *call, const char *text, int err)
{
	bool here = *text == '/' && access(text, F_OK) == 0;

	switch (err) {
	case EACCES:
	case ENOENT:
	case EPERM:
		if (here && access(text, R_OK) == 0 && *call != 'm')
			return err == ENOENT ? "the host has it: it is removed or hidden in the sandbox"
					     : "you may on the host: the sandbox hides it ([Files] Inaccessible=), or "
					       "forbids this";
		if (err != EPERM)
			return NULL;
		return "nothing inside has more rights than you";
	case ENETUNREACH:
	case EAFNOSUPPORT:
	case EHOSTUNREACH:
		return "the network of a sandbox is its own loopback";
	case ECONNREFUSED:
		return strcmp(call, "connect") == 0 ? "nobody listens there inside; the host's services are not reached"
						    : NULL;
	case EROFS:
		return "that is not the sandbox's to change";
	case ENOSYS:
		return "gsh does not have this call";
	case EDQUOT:
	case ENOSPC:
		return "the store's file system is full, or the sandbox has what it may have";
	case EAGAIN:
		return "the sandbox has as many processes as it may ([Limits] Pids=)";
	}
	return NULL;
}

static struct json_object *new_call(const char *name, int err, const char *text)
{
	struct json_object *o = json_object_new_object();
	const char *why = reason(name, text, err), *word = strerrorname_np(err);

	json_object_object_add(o, "call", json_object_new_string(name));
	json_object_object_add(o, "errno", json_object_new_string(word ? word : "?"));
	json_object_object_add(o, "error", json_object_new_string(strerror(err)));
	show_add_path(o, "path", text);
	if (why)
		json_object_object_add(o, "why", json_object_new_string(why));
	return o;
}

static struct json_object *new_end(uint64_t number, uint64_t time_ns, int pid, int ppid, unsigned status,
				   const char *comm)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "number", json_object_new_int64((int64_t)number));
	json_object_object_add(o, "pid", json_object_new_int(pid));
	json_object_object_add(o, "ppid", json_object_new_int(ppid));
	json_object_object_add(o, "command", json_object_new_string(comm));
	json_object_object_add(o, "time", json_object_new_int64((int64_t)(time_ns / 1000000000)));
	if (WIFSIGNALED(status))
		json_object_object_add(o, "signal", json_object_new_int(WTERMSIG(status)));
	else
		json_object_object_add(o, "status", json_object_new_int(WEXITSTATUS(status)));
	json_object_object_add(o, "calls", json_object_new_array());
	return o;
}

/* The text of /proc/gsh/why as items, oldest first. */
static struct json_object *parse(char *text, bool all)
{
	struct json_object *items = json_object_new_array(), *end = NULL, *calls = NULL;
	char *line;

	while ((line = strsep(&text, "\n"))) {
		char name[40], what[512] = "";
		uint64_t number, when;
		unsigned status;
		int pid, ppid, err;

		if (sscanf(line, "end %" SCNu64 " %" SCNu64 " %d %d %u %39s", &number, &when, &pid, &ppid, &status,
			   name) == 6) {
			unescape(name);
			end = new_end(number, when, pid, ppid, status, name);
			json_object_array_add(items, end);
			json_object_object_get_ex(end, "calls", &calls);
		} else if (calls && sscanf(line, "call %39s %d %511s", name, &err, what) >= 2) {
			unescape(what);
			if (all || !is_noise(what, err))
				json_object_array_add(calls, new_call(name, err, what));
		}
	}
	return items;
}

static size_t ncalls(struct json_object *end)
{
	struct json_object *calls;

	return json_object_object_get_ex(end, "calls", &calls) ? json_object_array_length(calls) : 0;
}

#define SHOWN 3 /* calls, unless all are asked for: the last ones tell most */
static void print_end(struct json_object *end, bool all)
{
	struct json_object *calls = NULL;
	char a[128], b[64], c[4096];
	int sig = (int)reply_number(end, "signal", 0);

	if (sig)
		printf("%s (pid %d) was ended by SIG%s\n", show_field(end, "command", a, sizeof(a)),
		       (int)reply_number(end, "pid", 0), sigabbrev_np(sig) ? sigabbrev_np(sig) : "?");
	else
		printf("%s (pid %d) ended with status %d\n", show_field(end, "command", a, sizeof(a)),
		       (int)reply_number(end, "pid", 0), (int)reply_number(end, "status", 0));
	json_object_object_get_ex(end, "calls", &calls);
	for (size_t i = all || ncalls(end) < SHOWN ? 0 : ncalls(end) - SHOWN; i < ncalls(end); i++) {
		struct json_object *call = json_object_array_get_idx(calls, i);
		const char *why = reply_string(call, "why");

		printf("  %s %s: %s", show_field(call, "call", a, sizeof(a)), show_field(call, "path", c, sizeof(c)),
		       show_field(call, "error", b, sizeof(b)));
		printf("%s%s\n", *why ? "\n    " : "", why);
	}
}

/* The youngest that anything is known of; where a child of it failed before, that one, and so on down. */
static struct json_object *the_last(struct json_object *items)
{
	struct json_object *one = json_object_new_array(), *last = NULL;

	for (size_t i = json_object_array_length(items); i; i--) {
		struct json_object *end = json_object_array_get_idx(items, i - 1);

		if (ncalls(end) && (!last || reply_number(end, "ppid", 0) == reply_number(last, "pid", 0)))
			last = end;
	}
	if (last)
		json_object_array_add(one, json_object_get(last));
	return one;
}

static int show(struct json_object *items, bool json, bool all)
{
	struct json_object *o;

	if (json) {
		o = json_object_new_object();
		json_object_object_add(o, "items", json_object_get(items));
		for (size_t i = 0; i < json_object_array_length(items); i++)
			reply_date(json_object_array_get_idx(items, i), "time");
		return show_json("why", o);
	}
	for (size_t i = 0; i < json_object_array_length(items); i++)
		print_end(json_object_array_get_idx(items, i), all);
	return show_done();
}

struct json_object *why_list(const char *sandbox, bool all)
{
	struct json_object *p = json_object_new_object(), *reply = NULL, *items = NULL, *data;
	char *text = NULL;

	json_object_object_add(p, "path", json_object_new_string("gsh/why"));
	json_object_object_add(p, "offset", json_object_new_int(0));
	if (ask_box(sandbox, "ProcRead", p, &reply) == 0 && json_object_object_get_ex(reply, "data_b64", &data)) {
		size_t len = (size_t)json_object_get_string_len(data);

		text = malloc(len + 1);
		if (text)
			text[client_unbase64(json_object_get_string(data), len, text)] = '\0';
		items = parse(text, all);
	}
	json_object_put(reply);
	free(text);
	return items;
}

static int exec(const struct call *call)
{
	bool all = opt_given(call, 'a'), json = opt_given(call, OPT_JSON), runs;
	const char *sandbox = call_sandbox(call);
	struct json_object *items, *some;
	int result;

	result = sandbox ? ask_row(sandbox, NULL) : -FAIL_USAGE;
	if (result)
		return result;
	items = why_list(sandbox, all);
	runs = items != NULL;
	if (!items)
		items = json_object_new_array();
	some = all ? json_object_get(items) : the_last(items);
	result = json_object_array_length(some) ? 0 : -FAIL_NO;
	if (result && !json)
		note("%s", runs ? "nothing was refused to a program that failed"
				: "it does not run, so nothing is remembered");
	if (!result || json) {
		int shown = show(some, json, all);

		result = shown ? shown : result;
	}
	json_object_put(some);
	json_object_put(items);
	return result;
}

const struct cmd cmd_why = {
	.name = "why",
	.args = "[NAME]",
	.summary = "why the last program that failed did so",
	.help = "Shown are the calls that were refused it, and what of that is the sandbox's doing.\n"
		"Exit status: 1 if nothing is known.",
	.opts = opts,
	.max = 1,
	.words = WORDS_SANDBOX,
	.group = GROUP_SEE,
	.exec = exec,
};
