// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * gsh allow: exceptions that the host's side makes for a sandbox, running or not, and takes back (grants.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "shell/cmd.h"

enum { OPT_LIST = 740, OPT_REVOKE, OPT_ONCE };

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	{'r', "read", NULL, "a path to be read (the default), a device to be read only", WORDS_NONE},
	{'w', "write", NULL, "a path to be written, too; a device to be written only", WORDS_NONE},
	{OPT_ONCE, "once", NULL, "until the sandbox ends; otherwise it is kept in its settings", WORDS_NONE},
	{OPT_REVOKE, "revoke", NULL, "take it back", WORDS_NONE},
	{OPT_LIST, "list", NULL, "what was granted", WORDS_NONE},
	OPT_ROW_JSON,
	OPT_ROW_END,
};

/* With the rights that -r and -w say; both without. */
static int normal_device(const struct call *call, const char *what, struct grant *w)
{
	bool read = opt_given(call, 'r'), write = opt_given(call, 'w');
	char text[CONF_VALUE_MAX], name[CONF_DEVICE_MAX];
	const char *wrong;

	snprintf(text, sizeof(text), "%.*s%s%s%s", CONF_DEVICE_MAX * 2, what, read || write ? " " : "", read ? "r" : "",
		 write ? "w" : "");
	wrong = conf_device(text, name, &read, &write);
	if (wrong)
		return usage_fail(call->cmd, "%s: %s", what, wrong);
	w->what = strdup(text);
	return w->what ? 0 : fail(FAIL_NO, "out of memory", NULL);
}

/* The rule in its one form, so that it is found again; a path as an absolute one. */
static int normal(const struct call *call, const char *what, struct grant *w)
{
	char text[CONF_VALUE_MAX];
	const char *wrong;
	struct conf_rule rule;

	if (strcmp(w->kind, "net") == 0) {
		wrong = conf_rule(what, &rule);
		if (wrong)
			return usage_fail(call->cmd, "%s: %s", what, wrong);
		conf_rule_text(&rule, text, sizeof(text));
		w->what = strdup(text);
		return w->what ? 0 : fail(FAIL_NO, "out of memory", NULL);
	}
	if (strcmp(w->kind, "device") == 0)
		return normal_device(call, what, w);
	return grant_path(what, &w->what);
}

static int exec(const struct call *call)
{
	bool write = opt_given(call, 'w');
	struct grant w = {NULL};
	const char *sandbox = call_sandbox(call);
	int result;

	if (!sandbox)
		return -FAIL_USAGE;
	if (opt_given(call, OPT_LIST))
		return call->argc ? usage_fail(call->cmd, "--list takes no words")
				  : grant_list(sandbox, false, opt_given(call, OPT_JSON));
	if (opt_given(call, OPT_JSON))
		return usage_fail(call->cmd, "--json is for --list");
	if (call->argc != 2)
		return usage_fail(call->cmd, "needs net HOST:PORT, path PATH or device /dev/NAME");
	if (strcmp(call->argv[0], "net") == 0 && !write && !opt_given(call, 'r'))
		w = (struct grant){"net", "Allow", "Network", NULL, false, false};
	else if (strcmp(call->argv[0], "device") == 0)
		w = (struct grant){"device", "DeviceAllow", "Files", NULL, false, false};
	else if (strcmp(call->argv[0], "path") == 0 && !(write && opt_given(call, 'r')))
		w = write ? (struct grant){"write", "Bind", "Files", NULL, false, false}
			  : (struct grant){"read", "BindReadOnly", "Files", NULL, false, false};
	else
		return usage_fail(call->cmd, "needs net HOST:PORT, device /dev/NAME, or path PATH with -r or -w");
	w.once = opt_given(call, OPT_ONCE);
	w.revoke = opt_given(call, OPT_REVOKE);
	result = normal(call, call->argv[1], &w);
	if (!result)
		result = grant_change(sandbox, &w);
	free(w.what);
	return result;
}

const struct cmd cmd_allow = {
	.name = "allow",
	.args = "net HOST:PORT[/udp] | path PATH[:INSIDE] | device /dev/NAME",
	.summary = "make an exception for a sandbox, or take it back",
	.help = "net: it may speak to that host and port, at once. path: it has that directory or file\n"
		"of the host as it is: on rung A at once, on rung B from its next start on. device: it has\n"
		"that character device, at once; -r and -w to read or write only. HOST is a name, *.NAME, an\n"
		"address or *; PORT a number or *. What was refused so far: gsh denials.",
	.opts = opts,
	.max = 2,
	.words = WORDS_GRANT,
	.group = GROUP_SHAPE,
	.exec = exec,
};
