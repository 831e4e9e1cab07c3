// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Which sandbox a call is about.
 *
 * A name is also a file name in the store, in the runtime folder and in the mount, so it is plain:
 * letters, digits, dot, dash, underscore. gshd has the last word; this check gives a sentence
 * before anything is started.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gshd/client/paths.h"
#include "shell/cmd.h"

#define NAME_MAX_LEN 63

int sandbox_name_check(const char *name)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strlen(name);

	if (!len)
		return fail(FAIL_USAGE, "the name of a sandbox cannot be empty", NULL);
	if (len > NAME_MAX_LEN)
		return fail(FAIL_USAGE, name, "the name of a sandbox has at most %d letters",
			    NAME_MAX_LEN);
	if (strspn(name, allowed) != len || name[0] == '.' || name[0] == '-')
		return fail(FAIL_USAGE, name,
			    "the name of a sandbox is letters, digits, \"_\", \".\" and \"-\", the "
			    "last two not at its beginning");
	return 0;
}

const char *call_sandbox(const struct call *call)
{
	const char *name = opt_value(call, 's');

	if (call->cmd->words == WORDS_SANDBOX && call->argc) {
		if (name) {
			usage_fail(call->cmd, "two names: %s and %s", name, call->argv[0]);
			return NULL;
		}
		name = call->argv[0];
	}
	if (!name)
		name = DEFAULT_SANDBOX;
	return sandbox_name_check(name) ? NULL : name;
}

bool hint_sandbox(const char *word)
{
	char path[PATH_MAX + NAME_MAX_LEN + 16], why[512];
	struct paths paths;

	if (!*word || strlen(word) > NAME_MAX_LEN || strchr(word, '/') || *word == '.' ||
	    paths_find(&paths, why, sizeof(why)))
		return false;
	snprintf(path, sizeof(path), "%s/boxes/%s", paths.store, word);
	if (access(path, F_OK))
		return false;
	hint("%s is a sandbox: say -s %s", word, word);
	return true;
}
