// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh show: one op: the command, how it went, what it changed. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	OPT_ROW_JSON,
	OPT_ROW_END,
};

static const struct column columns[] = {
	{"CHANGE", "change", false},
	{"KIND", "kind", false},
	{"SIZE", "size", true},
	{"PATH", "path", false},
};

static void print_head(struct json_object *op)
{
	static const struct {
		const char *title, *key;
	} row[] = {
		{"op", "op"},	      {"command", "cmd"},  {"directory", "cwd"}, {"when", "when"},
		{"took", "took"},     {"status", "result"}, {"effects", "effects"},
	};
	char field[16384];

	op_describe(op);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		printf("%-10s %s\n", row[i].title, show_field(op, row[i].key, field, sizeof(field)));
}

static int exec(const struct call *call)
{
	const char *sandbox = opt_value(call, 's'), *word = call->argv[0];
	struct json_object *params, *op;
	int result;

	if (!sandbox)
		sandbox = DEFAULT_SANDBOX;
	result = sandbox_name_check(sandbox);
	if (result)
		return result;
	if (!*word || word[strspn(word, "0123456789")] || strlen(word) > 12)
		return usage_fail(call->cmd, "'%s' is not the number of an op", word);
	params = json_object_new_object();
	json_object_object_add(params, "name", json_object_new_string(sandbox));
	json_object_object_add(params, "op", json_object_new_int64(atoll(word)));
	result = ask_daemon("Show", params, &op);
	if (result)
		return result;
	if (opt_given(call, OPT_JSON)) {
		result = show_json("show", op);
	} else {
		print_head(op);
		if (json_object_array_length(reply_items(op)))
			result = show_list(false, "show", reply_items(op), columns,
					   sizeof(columns) / sizeof(columns[0]));
	}
	json_object_put(op);
	return result;
}

const struct cmd cmd_show = {
	.name = "show",
	.args = "OP",
	.summary = "show one op: the command, how it went, what it changed",
	.help = "OP is a number of gsh log. A added, M modified, D deleted.",
	.opts = opts,
	.min = 1,
	.max = 1,
	.words = WORDS_OP,
	.group = GROUP_SEE,
	.exec = exec,
};
