// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh info: one sandbox in full, with its sessions. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	OPT_ROW_JSON,
	OPT_ROW_END,
};

/* What the monitor adds: its keys win, being first-hand. */
static int add_live(const char *sandbox, struct json_object *row)
{
	struct json_object *live = NULL;
	int result = ask_box(sandbox, "GetInfo", NULL, &live);

	if (result < 0)
		return result;
	if (!live)
		return 0;
	json_object_object_foreach(live, key, value)
		json_object_object_add(row, key, json_object_get(value));
	json_object_put(live);
	return 0;
}

/* Of one that does not run: those that will hold. */
static int add_limits(const char *sandbox, struct json_object *row)
{
	struct json_object *p = json_object_new_object(), *answer = NULL, *limits = NULL;
	int result;

	json_object_object_add(p, "name", json_object_new_string(sandbox));
	result = ask_daemon("Limits", p, &answer);
	if (!result && json_object_object_get_ex(answer, "limits", &limits))
		json_object_object_add(row, "limits", json_object_get(limits));
	json_object_put(answer);
	return result;
}

static void print_ports(struct json_object *row)
{
	struct json_object *ports = NULL;
	size_t i;

	if (!json_object_object_get_ex(row, "published", &ports))
		return;
	for (i = 0; i < json_object_array_length(ports); i++) {
		struct json_object *p = json_object_array_get_idx(ports, i);

		printf("published\t%s port %d leads to %d\n", reply_string(p, "address"),
		       (int)reply_number(p, "host", 0), (int)reply_number(p, "inner", 0));
	}
}

static int print_text(struct json_object *row)
{
	static const struct column columns[] = {
		{"SESSION", "id", true},     {"TTY", "tty", false},
		{"PID", "pid", true},	     {"ATTACHED", "attached", false},
		{"EXITED", "exited", false}, {"COMMAND", "argv", false},
	};
	struct json_object *sessions = NULL, *limits = NULL;
	char buf[4096];

	json_object_object_foreach(row, key, value) {
		if (json_object_is_type(value, json_type_array) || json_object_is_type(value, json_type_object))
			continue;
		printf("%s\t%s\n", key, show_field(row, key, buf, sizeof(buf)));
	}
	json_object_object_get_ex(row, "limits", &limits);
	limits_print(limits, false);
	print_ports(row);
	json_object_object_get_ex(row, "sessions", &sessions);
	if (!sessions || !json_object_array_length(sessions))
		return show_done();
	show_words(sessions, "argv", NULL);
	return show_list(false, "sessions", sessions, columns,
			 sizeof(columns) / sizeof(columns[0]));
}

static int exec(const struct call *call)
{
	const char *sandbox = call_sandbox(call);
	struct json_object *row = NULL;
	int result;

	if (!sandbox)
		return -FAIL_USAGE;
	result = ask_row(sandbox, &row);
	if (result)
		return result;
	reply_date(row, "created");
	if (strcmp(reply_string(row, "state"), "running") == 0)
		result = add_live(sandbox, row);
	else
		result = add_limits(sandbox, row);
	if (!result)
		result = opt_given(call, OPT_JSON) ? show_json("info", row) : print_text(row);
	json_object_put(row);
	return result;
}

const struct cmd cmd_info = {
	.name = "info",
	.args = "[NAME]",
	.summary = "show one sandbox and its sessions",
	.opts = opts,
	.group = GROUP_SEE,
	.max = 1,
	.words = WORDS_SANDBOX,
	.exec = exec,
};
