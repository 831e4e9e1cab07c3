// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Which variables enter a sandbox.
 *
 * A build must find CC, MAKEFLAGS, PYTHONPATH and whatever else a project has invented, so
 * everything enters but what is held back: names that carry secrets, names that lead to sockets and
 * displays of the host, and names that would change the loader under a program. The list is
 * documented in gsh(1); -e passes a single variable in spite of it, [Exec] PassEnvironment= whole families, and
 * UnsetEnvironment= holds more back.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/conf.h"
#include "shell/shell.h"

/* clang-format off */
static const char *const held_back[] = {
	/* secrets */
	"*TOKEN*", "*SECRET*", "*PASSWORD*", "*PASSWD*", "*PASSPHRASE*", "*CREDENTIAL*",
	"*_KEY", "*APIKEY*", "*_PAT", "AWS_*", "AZURE_*", "GOOGLE_*", "GCLOUD_*",
	"DOCKER_AUTH_CONFIG", "NETRC", "PGPASSFILE", "KUBECONFIG",
	/* agents, buses and displays of the host */
	"SSH_*", "GPG_*", "GNUPGHOME", "DBUS_*", "DISPLAY", "WAYLAND_*", "XAUTHORITY",
	"XDG_RUNTIME_DIR", "XDG_SESSION_*", "XDG_SEAT*", "XDG_VTNR", "SESSION_MANAGER",
	"ICEAUTHORITY", "PULSE_*", "PIPEWIRE_*", "AT_SPI_BUS_ADDRESS", "KRB5CCNAME",
	"DOCKER_HOST", "DOCKER_CERT_PATH", "CONTAINER_HOST", "TMUX", "TMUX_PANE", "STY",
	"WINDOWID", "VTE_VERSION", "KITTY_LISTEN_ON",
	/* systemd's hand-overs: descriptors and sockets that do not exist inside */
	"NOTIFY_SOCKET", "LISTEN_*", "WATCHDOG_*", "INVOCATION_ID", "JOURNAL_STREAM",
	"SYSTEMD_*", "CREDENTIALS_DIRECTORY",
	/* the loader of programs; ours */
	"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "GSH_*", "_",
};
/* clang-format on */

/* Letters alike in either case. Stars stand at the ends only: fnmatch() would be half of what a start computes. */
static bool fits(const char *pattern, const char *name, size_t len)
{
	bool before = *pattern == '*', behind;
	size_t n;

	pattern += before;
	n = strlen(pattern);
	behind = n && pattern[n - 1] == '*';
	n -= behind;
	if (n > len || (!before && !behind && n != len))
		return false;
	if (!before)
		return strncasecmp(name, pattern, n) == 0;
	for (size_t i = behind ? 0 : len - n; i + n <= len; i++)
		if (strncasecmp(name + i, pattern, n) == 0)
			return true;
	return false;
}

bool env_held_back(const char *name, size_t len)
{
	/* What is too long to be judged is kept out. */
	if (len >= 256)
		return true;
	for (size_t i = 0; i < sizeof(held_back) / sizeof(held_back[0]); i++)
		if (fits(held_back[i], name, len))
			return true;
	return false;
}

/* Is it among the words of a list of settings? */
static bool listed(const char *list, const char *name, size_t len)
{
	char copy[256], words[CONF_VALUE_MAX], *rest, *word;

	if (len >= sizeof(copy))
		return false;
	memcpy(copy, name, len);
	copy[len] = '\0';
	while (conf_next(&list, words, sizeof(words)))
		for (rest = words; (word = strsep(&rest, " \t"));)
			if (*word && fnmatch(word, copy, 0) == 0)
				return true;
	return false;
}

static int env_append(struct env *env, const char *assignment)
{
	char **grown = realloc(env->vars, (env->count + 2) * sizeof(*grown));
	char *copy = strdup(assignment);

	if (grown)
		env->vars = grown;
	if (!grown || !copy) {
		free(copy);
		return -ENOMEM;
	}
	env->vars[env->count++] = copy;
	env->vars[env->count] = NULL;
	return 0;
}

int env_collect(struct env *env, char *const *from, const struct conf *conf)
{
	int err;

	for (; *from; from++) {
		const char *eq = strchr(*from, '=');

		size_t len = eq ? (size_t)(eq - *from) : 0;

		if (!len || (!listed(conf->pass_env, *from, len) &&
			     (env_held_back(*from, len) || listed(conf->unset_env, *from, len))))
			continue;
		err = env_append(env, *from);
		if (err)
			return err;
	}
	return 0;
}

static size_t env_index(const struct env *env, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < env->count; i++)
		if (strncmp(env->vars[i], name, len) == 0 && env->vars[i][len] == '=')
			break;
	return i;
}

int env_set(struct env *env, const char *assignment)
{
	const char *eq = strchr(assignment, '=');
	size_t i;
	char *copy;

	if (!eq || eq == assignment)
		return -EINVAL;
	i = env_index(env, assignment, (size_t)(eq - assignment));
	if (i == env->count)
		return env_append(env, assignment);
	copy = strdup(assignment);
	if (!copy)
		return -ENOMEM;
	free(env->vars[i]);
	env->vars[i] = copy;
	return 0;
}

const char *env_get(const struct env *env, const char *name)
{
	size_t len = strlen(name), i = env_index(env, name, len);

	return i < env->count ? env->vars[i] + len + 1 : NULL;
}

void env_free(struct env *env)
{
	size_t i;

	for (i = 0; i < env->count; i++)
		free(env->vars[i]);
	free(env->vars);
	*env = (struct env){0};
}
