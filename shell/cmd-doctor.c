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
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "gshd/client/paths.h"
#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	{ OPT_POLICY, "policy", NULL, "say instead what a sandbox may do", WORDS_NONE },
	{ OPT_REPAIR, "repair", NULL, "put right what is wrong with sandboxes, and say what was done", WORDS_NONE },
	{ 's', "sandbox", "NAME", "look at this sandbox alone (with --policy default: " DEFAULT_SANDBOX ")",
	  WORDS_SANDBOX },
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

/* What keeps gshd from serving a store, as far as it is to be seen from here. */
static void check_store(struct json_object *items)
{
	char why[1024], path[PATH_MAX + 16], said[64] = "", text[PATH_MAX + 300];
	struct paths paths;
	struct statvfs v;
	struct stat st;
	ssize_t n;
	int fd;

	if (paths_find(&paths, why, sizeof(why))) {
		add(items, "store", "fail", why, "");
		return;
	}
	if (stat(paths.store, &st) || statvfs(paths.store, &v)) {
		snprintf(text, sizeof(text), "%s: %s", paths.store, strerror(errno));
		add(items, "store", errno == ENOENT ? "ok" : "fail", text, "");
		return;
	}
	snprintf(path, sizeof(path), "%s/VERSION", paths.store);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, said, sizeof(said) - 1);
	said[n > 0 ? n : 0] = '\0';
	said[strcspn(said, "\n")] = '\0';
	if (fd >= 0)
		close(fd);
	if (!S_ISDIR(st.st_mode)) {
		snprintf(text, sizeof(text), "%s is no directory", paths.store);
		add(items, "store", "fail", text, "set GSH_STORE or [Store] Path= to a directory");
	} else if (st.st_uid != geteuid()) {
		snprintf(text, sizeof(text), "%s belongs to another user (%u)", paths.store, (unsigned)st.st_uid);
		add(items, "store", "fail", text, "as root: chown -R it to yourself, or set GSH_STORE");
	} else if (fd >= 0 && strcmp(said, STORE_VERSION) > 0) {
		snprintf(text, sizeof(text),
			 "%s was made by another version of gsh: its VERSION says '%s', this gsh knows '%s'",
			 paths.store, said, STORE_VERSION);
		add(items, "store", "fail", text, "use the gsh that made it, or set GSH_STORE to another directory");
	} else if (v.f_flag & ST_RDONLY) {
		snprintf(text, sizeof(text), "%s is on a file system that is mounted read-only", paths.store);
		add(items, "store", "fail", text, "remount it read-write, or set GSH_STORE");
	} else {
		snprintf(text, sizeof(text), "%s, %llu MiB free", paths.store,
			 (unsigned long long)v.f_bavail * v.f_frsize >> 20);
		add(items, "store", v.f_bavail ? "ok" : "fail", text, v.f_bavail ? "" : "free some space");
	}
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

/* gshd's findings; without it, what can be found out here of the likely causes. Of one sandbox nobody else knows:
 * then 0, or why not. */
static int add_daemons(struct json_object *items, bool repair, const char *only)
{
	struct json_object *params = json_object_new_object(), *reply, *theirs;
	int failure;
	size_t i;

	if (repair)
		json_object_object_add(params, "repair", json_object_new_boolean(true));
	if (only)
		json_object_object_add(params, "name", json_object_new_string(only));
	failure = ask_daemon("Doctor", params, &reply);
	if (failure && only)
		return failure;
	if (failure) {
		add(items, "daemon", "fail", "gshd cannot be reached", "see the message above");
		check_store(items);
		check_kernel(items);
		check_device(items, "/dev/ptmx", "terminals", "warn",
			     "as root: chmod 0666 /dev/ptmx");
		check_device(items, "/dev/fuse", "fuse", "warn",
			     "as root: modprobe fuse; chmod 0666 /dev/fuse");
		return 0;
	}
	theirs = reply_items(reply);
	for (i = 0; i < json_object_array_length(theirs); i++)
		json_object_array_add(items, json_object_get(json_object_array_get_idx(theirs, i)));
	json_object_put(reply);
	return 0;
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
	const char *only = opt_value(call, 's');
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
	if (!only) {
		check_program(items, "gshd");
		check_program(items, "gfs");
		check_mount(items);
	}
	result = add_daemons(items, opt_given(call, OPT_REPAIR), only);
	if (result) {
		json_object_put(items);
		return result;
	}
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
