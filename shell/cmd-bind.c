// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh bind: places of the host's that a sandbox has as they are, while it runs and from then on (grants.c). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shell/cmd.h"

enum { OPT_REMOVE = 750, OPT_ONCE };

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	{OPT_ONCE, "once", NULL, "until the sandbox ends; otherwise it is kept in its settings", WORDS_NONE},
	{OPT_REMOVE, "remove", NULL, "take it away again", WORDS_NONE},
	OPT_ROW_JSON,
	OPT_ROW_END,
};

/* Takes ":ro" off: that is a setting of its own, and rw what holds without a word. */
static bool read_only(char *what)
{
	char *last = strrchr(what, ':');

	if (!last || (strcmp(last, ":ro") != 0 && strcmp(last, ":rw") != 0))
		return false;
	*last = '\0';
	return last[2] == 'o';
}

/* Is there what is to be bound? A sandbox that does not run would say so at its next start only. */
static int look_at(const char *what)
{
	char *path = strndup(what, strcspn(what, ":"));
	int err = path && *path == '/' && access(path, F_OK) ? errno : 0;

	if (err)
		fail(FAIL_NO, path, "%s", strerror(err));
	free(path);
	return err ? -FAIL_NO : 0;
}

static int exec(const struct call *call)
{
	const char *sandbox = call_sandbox(call);
	struct grant g = {"write", "Bind", "Files", NULL, opt_given(call, OPT_ONCE), opt_given(call, OPT_REMOVE)};
	int result;

	if (!sandbox)
		return -FAIL_USAGE;
	if (!call->argc)
		return g.once || g.revoke ? usage_fail(call->cmd, "needs HOST[:INSIDE]")
					  : grant_list(sandbox, true, opt_given(call, OPT_JSON));
	if (opt_given(call, OPT_JSON))
		return usage_fail(call->cmd, "--json is for the list");
	result = grant_path(call->argv[0], &g.what);
	if (result)
		return result;
	if (!g.revoke && (result = look_at(g.what))) {
		free(g.what);
		return result;
	}
	if (read_only(g.what)) {
		g.kind = "read";
		g.key = "BindReadOnly";
	}
	result = grant_change(sandbox, &g);
	free(g.what);
	return result;
}

const struct cmd cmd_bind = {
	.name = "bind",
	.args = "[HOST[:INSIDE][:ro|rw|cow]]",
	.summary = "have a directory or file of the host in a sandbox, as it is",
	.help = "At once where it runs on rung A, on rung B from its next start on. To be written, too, unless\n"
		":ro is said; :cow shows what is hidden, changes stay inside. Without words: what is bound.",
	.opts = opts,
	.max = 1,
	.words = WORDS_FILE,
	.group = GROUP_SHAPE,
	.exec = exec,
};
