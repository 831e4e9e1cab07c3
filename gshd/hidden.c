/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What of the base a sandbox must not read: gsh's own places always, and what [Files] Inaccessible= names. The word
 * "default" in it stands for the list below: keys, tokens and cookies in the user's home, which no build needs and
 * which would be worth carrying away.
 *
 * On rung A what is there when the sandbox starts is covered by an empty mount; on rung B Landlock and the monitor
 * refuse it whenever it came.
 */
#include <errno.h>
#include <json-c/json.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "gshd/daemon.h"
#include "gshd/log.h"
#include "gshd/monitor/monitor.h"

/* Below the home. */
static const char *const in_home[] = {
	/* keys and agents */
	".ssh", ".gnupg", ".pki", ".password-store", ".local/share/keyrings", ".local/share/kwalletd",
	".config/age", ".config/sops", ".putty", ".vault-token",
	/* clouds and clusters */
	".aws", ".azure", ".config/gcloud", ".boto", ".kube", ".config/doctl", ".oci", ".terraform.d", ".config/hcloud",
	".docker/config.json", ".config/containers/auth.json", ".config/rclone",
	/* tokens of forges and registries */
	".netrc", ".authinfo", ".authinfo.gpg", ".git-credentials", ".config/git/credentials", ".config/gh",
	".config/glab-cli", ".config/hub", ".npmrc", ".pypirc", ".cargo/credentials", ".cargo/credentials.toml",
	".gem/credentials",
	".composer/auth.json", ".m2/settings-security.xml", ".pgpass", ".my.cnf",
	/* browsers and mail */
	".mozilla", ".config/google-chrome", ".config/chromium", ".config/BraveSoftware", ".config/microsoft-edge",
	".config/vivaldi", ".config/opera", ".thunderbird", ".cache/mozilla", ".cache/google-chrome", ".cache/chromium",
	".cache/thunderbird", "snap/firefox", "snap/chromium", "snap/thunderbird", ".var/app",
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The parent directory resolved, the last name as it is: to resolve the mount point itself would
 * ask a file system that may not answer. */
static void resolve(const char *path, char *to)
{
	char parent[PATH_MAX], real[PATH_MAX];
	const char *slash = strrchr(path, '/');

	snprintf(parent, sizeof(parent), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	if (!realpath(parent, real))
		strcpy(real, parent);
	snprintf(to, PATH_MAX, "%.2000s/%.2000s", strcmp(real, "/") ? real : "", slash + 1);
}

static int add(struct monitor *m, const char *path, bool itself)
{
	char real[PATH_MAX];

	if (!itself || !realpath(path, real))
		resolve(path, real);
	for (unsigned i = 0; i < m->nhidden; i++)
		if (!strcmp(m->hidden[i], real))
			return 0;
	if (m->nhidden == HIDDEN_MAX)
		return -E2BIG;
	m->hidden[m->nhidden] = strdup(real);
	return m->hidden[m->nhidden] ? (m->nhidden++, 0) : -ENOMEM;
}

static const char *home(void)
{
	const char *set = getenv("HOME");
	const struct passwd *pw = set && *set == '/' ? NULL : getpwuid(getuid());

	return pw ? pw->pw_dir : set && *set == '/' ? set : "/nonexistent";
}

static int add_in_home(struct monitor *m, const char *name)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", home(), name);

	return n >= (int)sizeof(path) ? -ENAMETOOLONG : add(m, path, true);
}

static int add_word(struct monitor *m, const char *word)
{
	int err = 0;

	if (!strcmp(word, "default"))
		for (size_t i = 0; i < COUNT(in_home) && !err; i++)
			err = add_in_home(m, in_home[i]);
	else if (!strncmp(word, "~/", 2))
		err = add_in_home(m, word + 2);
	else
		err = add(m, word, true);
	return err;
}

int hidden_find(struct monitor *m, const char *inaccessible)
{
	char *words = strdup(inaccessible), *rest = words, *word;
	int err = words ? add(m, m->paths.store, true) : -ENOMEM;

	if (!err)
		err = add(m, m->paths.runtime, true);
	if (!err)
		err = add(m, m->paths.mount, false);
	m->nown = m->nhidden;
	while (!err && (word = strsep(&rest, " \t")))
		if (*word)
			err = add_word(m, word);
	free(words);
	return err;
}

struct json_object *hidden_list(const struct paths *paths, const char *inaccessible)
{
	struct json_object *list = json_object_new_array();
	struct monitor *m = calloc(1, sizeof(*m));
	int err = m ? 0 : -ENOMEM;

	if (m)
		m->paths = *paths;
	if (!err)
		err = hidden_find(m, inaccessible);
	for (unsigned i = m ? m->nown : 0; !err && i < m->nhidden; i++)
		json_object_array_add(list, json_object_new_string(m->hidden[i]));
	for (unsigned i = 0; m && i < m->nhidden; i++)
		free((void *)m->hidden[i]);
	free(m);
	if (!err)
		return list;
	json_object_put(list);
	return NULL;
}
