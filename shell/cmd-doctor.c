// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * gsh doctor: what of this host gsh can use, and what to do where it lacks something.
 *
 * Most of it is gshd's, which knows the ladder of confinement. What the client can see it tells
 * even if gshd does not start: that is when a doctor is needed.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "gshd/client/paths.h"
#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	{ OPT_POLICY, "policy", NULL, "say instead what a sandbox may do", WORDS_NONE },
	{ OPT_REPAIR, "repair", NULL, "put right what is wrong with sandboxes, and say what was done", WORDS_NONE },
	OPT_ROW_SANDBOX,
	OPT_ROW_JSON,
	OPT_ROW_END,
};

static const struct column columns[] = {
	{"LEVEL", "level", false},
	{"CHECK", "check", false},
	{"FINDING", "text", false},
	{"WHAT TO DO", "hint", false},
};

static void add(struct json_object *items, const char *check, const char *level, const char *text,
		const char *advice)
{
	struct json_object *item = json_object_new_object();

	json_object_object_add(item, "check", json_object_new_string(check));
	json_object_object_add(item, "level", json_object_new_string(level));
	json_object_object_add(item, "text", json_object_new_string(text));
	json_object_object_add(item, "hint", json_object_new_string(advice));
	json_object_array_add(items, item);
}

static void check_kernel(struct json_object *items)
{
	struct utsname u;
	char text[200];

	if (uname(&u) < 0)
		return;
	snprintf(text, sizeof(text), "%s %s %s", u.sysname, u.release, u.machine);
	if (strcmp(u.machine, "x86_64") == 0)
		add(items, "kernel", "ok", text, "");
	else
		add(items, "kernel", "fail", text, "gsh needs Linux on x86-64");
}

static void check_program(struct json_object *items, const char *name)
{
	char path[4096];
	int err = paths_beside(name, path, sizeof(path));

	if (!err)
		add(items, name, "ok", path, "");
	else
		add(items, name, "fail", strerror(-err), "build or install it beside gsh: make");
}

static void check_device(struct json_object *items, const char *path, const char *use,
			 const char *level, const char *advice)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	char text[200];

	if (fd >= 0) {
		close(fd);
		snprintf(text, sizeof(text), "%s opens", path);
		add(items, use, "ok", text, "");
		return;
	}
	snprintf(text, sizeof(text), "%s: %s", path, strerror(errno));
	add(items, use, level, text, advice);
}

static void check_mount(struct json_object *items)
{
	char path[4096], text[4200];
	int mounted;

	if (place_mount(path, sizeof(path)) < 0)
		return;
	mounted = place_mounted(path);
	snprintf(text, sizeof(text), "%s %s", path,
		 mounted > 0   ? "is mounted"
		 : mounted < 0 ? "is a mount whose gfs is gone"
			       : "is not mounted");
	add(items, "mount", mounted < 0 ? "warn" : "ok", text, mounted < 0 ? "gsh umount" : "");
}

/* A finding that ends the verb with 1. */
static bool any_failed(struct json_object *items)
{
	size_t i;

	for (i = 0; i < json_object_array_length(items); i++)
		if (strcmp(reply_string(json_object_array_get_idx(items, i), "level"), "fail") == 0)
			return true;
	return false;
}

/* gshd's findings; without it, what can be found out here of the likely causes. */
static void add_daemons(struct json_object *items, bool repair)
{
	struct json_object *params = json_object_new_object(), *reply, *theirs;
	size_t i;

	if (repair)
		json_object_object_add(params, "repair", json_object_new_boolean(true));
	if (ask_daemon("Doctor", params, &reply)) {
		add(items, "daemon", "fail", "gshd cannot be reached", "see the message above");
		check_kernel(items);
		check_device(items, "/dev/ptmx", "terminals", "warn",
			     "as root: chmod 0666 /dev/ptmx");
		check_device(items, "/dev/fuse", "fuse", "warn",
			     "as root: modprobe fuse; chmod 0666 /dev/fuse");
		return;
	}
	theirs = reply_items(reply);
	for (i = 0; i < json_object_array_length(theirs); i++)
		json_object_array_add(items, json_object_get(json_object_array_get_idx(theirs, i)));
	json_object_put(reply);
}

static void print_for_people(struct json_object *items)
{
	char buf[4096];
	size_t i;

	for (i = 0; i < json_object_array_length(items); i++) {
		struct json_object *item = json_object_array_get_idx(items, i);
		const char *level = reply_string(item, "level");

		printf("%-5s ", strcmp(level, "fail") == 0 ? "FAIL" : level);
		printf("%-12s ", reply_string(item, "check"));
		printf("%s\n", show_field(item, "text", buf, sizeof(buf)));
		if (*reply_string(item, "hint"))
			printf("      %-12s to do: %s\n", "",
			       show_field(item, "hint", buf, sizeof(buf)));
	}
}

static const struct column policy_columns[] = {
	{"TOPIC", "topic", false},
	{"WHAT IT MAY DO", "text", false},
};

static void print_policy(struct json_object *items)
{
	const char *before = "";
	char buf[4096];
	size_t i;

	for (i = 0; i < json_object_array_length(items); i++) {
		struct json_object *item = json_object_array_get_idx(items, i);
		const char *topic = reply_string(item, "topic");

		printf("%-10s %s\n", strcmp(topic, before) == 0 ? "" : topic,
		       show_field(item, "text", buf, sizeof(buf)));
		before = topic;
	}
}

/* For programs: each host call as an item of its own. */
static void add_calls(struct json_object *items, struct json_object *reply)
{
	struct json_object *calls;
	size_t i;

	if (!json_object_object_get_ex(reply, "calls", &calls))
		return;
	for (i = 0; i < json_object_array_length(calls); i++) {
		struct json_object *theirs = json_object_array_get_idx(calls, i), *item = json_object_new_object();

		json_object_object_add(item, "topic", json_object_new_string("call"));
		json_object_object_add(item, "call", json_object_new_string(reply_string(theirs, "call")));
		json_object_object_add(item, "text", json_object_new_string(reply_string(theirs, "why")));
		json_object_array_add(items, item);
	}
}

static int tell_policy(const struct call *call)
{
	const char *name = opt_value(call, 's');
	struct json_object *params = json_object_new_object(), *reply;
	int failure;

	json_object_object_add(params, "name", json_object_new_string(name ? name : DEFAULT_SANDBOX));
	failure = ask_daemon("Policy", params, &reply);
	if (failure)
		return failure;
	if (opt_given(call, OPT_JSON))
		add_calls(reply_items(reply), reply);
	if (!opt_given(call, OPT_JSON) && isatty(1)) {
		print_policy(reply_items(reply));
		failure = show_done();
	} else {
		failure = show_list(opt_given(call, OPT_JSON), "policy", reply_items(reply), policy_columns,
				    sizeof(policy_columns) / sizeof(policy_columns[0]));
	}
	json_object_put(reply);
	return failure;
}

static int exec(const struct call *call)
{
	struct json_object *items = json_object_new_array();
	int result = 0;
	bool failed;

	if (opt_given(call, OPT_POLICY) && opt_given(call, OPT_REPAIR)) {
		json_object_put(items);
		return usage_fail(call->cmd, "--policy repairs nothing");
	}
	if (opt_given(call, OPT_POLICY)) {
		json_object_put(items);
		return tell_policy(call);
	}
	check_program(items, "gshd");
	check_program(items, "gfs");
	check_mount(items);
	add_daemons(items, opt_given(call, OPT_REPAIR));
	failed = any_failed(items);
	if (!opt_given(call, OPT_JSON) && isatty(1)) {
		print_for_people(items);
		result = show_done();
	} else {
		result = show_list(opt_given(call, OPT_JSON), "doctor", items, columns,
				   sizeof(columns) / sizeof(columns[0]));
	}
	json_object_put(items);
	return result ? result : failed ? FAIL_NO : 0;
}

const struct cmd cmd_doctor = {
	.name = "doctor",
	.args = "",
	.summary = "say what this host lacks, what is wrong with sandboxes, or what one may do",
	.help = "Sandboxes that run are not looked at. --repair loses nothing: what it replaces it puts into the "
		"sandbox's folder `damaged' (see gsh path). Exit status 1 if something that gsh cannot do without "
		"is missing, or a sandbox cannot be used.",
	.opts = opts,
	.group = GROUP_HOST,
	.exec = exec,
};
