// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Sandboxes made of what a client prepared (a clone, an image), and given another name. Runs in a child of gshd.
 *
 * What takes long, the copying, is the client's: it makes a directory in the store that nobody looks at, and what is
 * left of it after its end is swept.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "gshd/daemon.h"
#include "gshd/wire/json.h"
#include "gshd/settings.h"

static bool name_ok(struct wire_call *call, const char *name)
{
	if (paths_name_ok(name))
		return true;
	wire_fail(call, "org.gsh.BadRequest", name,
		  "a sandbox's name is 1 to 63 letters, digits, dots, underscores and dashes, and begins with a "
		  "letter, a "
		  "digit or an underscore",
		  NULL);
	return false;
}

static void no_such(struct wire_call *call, const char *name)
{
	struct json_object *p = json_object_new_object();

	json_put_str(p, "name", name);
	wire_error(call, "org.gsh.NoSuchSandbox", p);
}

static void fail(struct wire_call *call, const char *name, int err, const char *why)
{
	if (err == -EEXIST)
		wire_fail(call, "org.gsh.Conflict", name, "there is a sandbox of that name", "gsh rm removes it");
	else
		wire_fail(call, "org.gsh.Failed", name, why, err == -ENOSPC ? "free some space" : NULL);
}

void boxes_adopt(struct wire_call *call)
{
	const struct daemon *d = call->server->context;
	const char *name = daemon_name(call);
	const char *from = json_str(call->params, "from", ""), *like = json_str(call->params, "like", NULL);
	struct box_spec spec = { .image = like == NULL };
	static char settings[SETTINGS_MAX];
	char why[STORE_WHY] = "";
	int err = 0;

	if (!name || (like && !name_ok(call, like)))
		return;
	if (like)
		err = store_read_spec(d->store, like, &spec, why);
	/* What holds for the one holds for its clone: it may be there to be held. */
	if (like && !err)
		err = settings_get(&d->paths, like, settings, sizeof(settings));
	spec.settings = *settings ? settings : NULL;
	if (err == -ENOENT) {
		no_such(call, like);
		return;
	}
	snprintf(spec.name, sizeof(spec.name), "%s", name);
	spec.created = time(NULL);
	spec.ephemeral = false;
	if (!err)
		err = store_adopt(d->store, from, &spec, why);
	if (err)
		fail(call, name, err, why);
	else
		wire_reply(call, NULL);
}

void boxes_rename(struct wire_call *call)
{
	const struct daemon *d = call->server->context;
	const char *name = daemon_name(call), *to = json_str(call->params, "to", "");
	struct box_spec spec;
	char why[STORE_WHY];
	int lock, err;

	if (!name || !name_ok(call, to))
		return;
	err = store_read_spec(d->store, name, &spec, why);
	lock = err ? err : store_lock(d->store, name);
	if (err == -ENOENT || lock == -ENOENT)
		no_such(call, name);
	else if (err)
		fail(call, name, err, why);
	else if (spec.ephemeral)
		wire_fail(call, "org.gsh.Refused", name, "it is a throwaway sandbox", "gsh clone makes one that stays");
	else if (lock == -EAGAIN)
		wire_fail(call, "org.gsh.Conflict", name, "it is running", "stop it first: gsh stop");
	else if (lock < 0)
		fail(call, name, lock, strerror(-lock));
	else if ((err = store_rename(d->store, name, to, why)))
		fail(call, to, err, why);
	else
		wire_reply(call, NULL);
	if (lock >= 0)
		close(lock);
}
