// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * The store looked over, for gsh doctor.
 *
 * What a crash leaves is no damage: whoever opens the sandbox next puts it right. It is told all the same, and
 * with repair it is done at once. Damage is what no crash of ours makes: a disk that lost something, a hand that
 * moved something. A sandbox that runs is its monitor's and is not looked at.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "gshd/store/check.h"
#include "gshd/store/history_impl.h"
#include "gshd/wire/json.h"

#define REPAIR "gsh doctor --repair"

struct check {
	int store;
	bool repair;
	struct json_object *items;
	const char *only; /* this one alone, or NULL */
	const char *name; /* the sandbox at hand */
	int box;	  /* its directory */
	unsigned looked, running, found;
};

static struct json_object *__attribute__((format(printf, 4, 5)))
say(struct check *c, const char *level, const char *hint, const char *fmt, ...)
{
	struct json_object *o = json_object_new_object();
	char text[600];
	size_t n = 0;
	va_list ap;

	if (c->name)
		n = (size_t)snprintf(text, sizeof(text), "%s: ", c->name);
	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - n, fmt, ap);
	va_end(ap);
	json_put_str(o, "check", c->name ? "sandbox" : "sandboxes");
	json_put_str(o, "level", level);
	json_put_str(o, "text", text);
	if (hint)
		json_put_str(o, "hint", hint);
	json_object_array_add(c->items, o);
	c->found++;
	return o;
}

/* Something is so, and this puts it right, or would: err as the mending said, or 0. */
static void tell(struct check *c, const char *level, int err, const char *what, const char *done)
{
	struct json_object *o;

	if (!c->repair) {
		say(c, level, REPAIR, "%s", what);
		return;
	}
	if (err)
		o = say(c, "fail", NULL, "%s; this could not be put right: %s", what, strerror(-err));
	else
		o = say(c, "ok", NULL, "%s; %s", what, done);
	json_put_bool(o, "repaired", !err);
}

static bool there(const struct check *c, const char *path)
{
	struct stat st;

	return !fstatat(c->box, path, &st, AT_SYMLINK_NOFOLLOW);
}

/* ---- the directories ---- */

/* What its owner must have these rights to. */
static void check_owner(struct check *c, const char *path, const struct stat *st, mode_t needed)
{
	char what[400];
	int err = 0;

	if (st->st_uid != geteuid()) {
		say(c, "fail", "as root: chown -R it to yourself", "%s belongs to another user (%u)", path,
		    (unsigned)st->st_uid);
	} else if ((st->st_mode & needed) != needed) {
		snprintf(what, sizeof(what), "%s has a mode (%04o) that shuts out its owner", path,
			 (unsigned)st->st_mode & 07777);
		if (c->repair && fchmodat(c->box, path, (st->st_mode & 07777) | needed, 0))
			err = -errno;
		tell(c, "fail", err, what, "its owner may use it again");
	}
}

/* One that the store's owner must be able to use. */
static void check_dir(struct check *c, const char *path, bool layer)
{
	char what[400];
	struct stat st;
	int err = 0;

	if (fstatat(c->box, path, &st, AT_SYMLINK_NOFOLLOW)) {
		if (errno != ENOENT || layer)
			return;
		snprintf(what, sizeof(what), "its directory %s is missing", path);
		if (c->repair)
			err = layers_dir(c->box, path, 0700);
		tell(c, "fail", err, what, "it was made anew, empty");
	} else if (!S_ISDIR(st.st_mode)) {
		snprintf(what, sizeof(what), "%s is no directory", path);
		if (c->repair)
			err = layers_aside(c->box, path, false);
		if (c->repair && !err && !layer)
			err = layers_dir(c->box, path, 0700);
		tell(c, "fail", err, what, "it is in " LAYERS_ASIDE " now");
	} else {
		check_owner(c, path, &st, 0700);
	}
}

/* A file that only gsh writes: who cannot open it would take it for a damaged one. */
static void check_file(struct check *c, const char *path)
{
	char what[400];
	struct stat st;
	int err = 0;

	if (fstatat(c->box, path, &st, AT_SYMLINK_NOFOLLOW))
		return;
	if (S_ISREG(st.st_mode)) {
		check_owner(c, path, &st, 0600);
		return;
	}
	snprintf(what, sizeof(what), "%s is no file", path);
	if (c->repair)
		err = layers_aside(c->box, path, false);
	tell(c, "fail", err, what, "it is in " LAYERS_ASIDE " now");
}

static void check_place(struct check *c, const char *place)
{
	struct dirent **names;
	int n = scandirat(c->box, place, &names, NULL, alphasort);
	char path[300];

	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;

		snprintf(path, sizeof(path), "%s/%.250s", place, name);
		if (layer_number(name))
			check_dir(c, path, true);
		else if (name[0] != '.')
			say(c, "warn", "look at it and move it away", "%s is no layer and is not used", path);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

static void check_chain(struct check *c)
{
	uint32_t list[GRANT_LAYERS_MAX];
	int n = layers_list(c->box, "tree/top", list, GRANT_LAYERS_MAX), err = 0;
	char path[32];

	if (n == 0)
		n = layers_list(c->box, "tree/layers", list, GRANT_LAYERS_MAX);
	if (n)
		return;
	snprintf(path, sizeof(path), "tree/top/%04u", layers_highest(c->box) + 1);
	if (c->repair)
		err = layers_dir(c->box, path, 0755);
	tell(c, "fail", err, "it has no layer any more: what was changed in it is not where it was",
	     "it begins anew with an empty one");
}

/* ---- the files ---- */

static void check_spec(struct check *c)
{
	struct box_spec spec, made = { .base = "/" };
	char why[STORE_WHY] = "";
	struct stat st;
	int err = 0;

	if (!store_read_spec(c->store, c->name, &spec, why))
		return;
	if (c->repair) {
		made.image = there(c, "base");
		made.created = fstat(c->box, &st) ? 0 : st.st_mtime;
		snprintf(made.name, sizeof(made.name), "%s", c->name);
		if (there(c, "spec.json"))
			err = layers_aside(c->box, "spec.json", false);
		if (!err)
			err = store_write_spec(c->box, &made);
		if (!err && store_read_spec(c->store, c->name, &spec, why))
			err = -EPROTO;
	}
	tell(c, "fail", err, "spec.json, what it was made with, is missing or damaged",
	     made.image ? "it was written anew, with what the image held as its base"
			: "it was written anew, with the host's / as its base");
}

static void check_pending(struct check *c)
{
	char text[65536];
	struct json_object *o;
	int err;

	if (store_read_text(c->box, "pending", text, sizeof(text)))
		return;
	o = json_tokener_parse(text);
	if (json_object_is_type(o, json_type_object)) {
		err = c->repair ? layers_settle(c->box) : 0;
		tell(c, "warn", err,
		     "a change of several layers was cut short; the next command carries it through",
		     "it was carried through");
	} else {
		err = c->repair ? layers_aside(c->box, "pending", false) : 0;
		tell(c, "fail", err, "what says how far a change of layers came is damaged",
		     "it is in " LAYERS_ASIDE " now; the layers stay where they are");
	}
	json_object_put(o);
}

static void check_journal(struct check *c)
{
	int bad = journal_damaged(c->box), err = 0;
	char what[160];

	if (bad <= 0)
		return;
	snprintf(what, sizeof(what), "%d line%s of its journal cannot be read; `gsh log` lacks them", bad,
		 bad == 1 ? "" : "s");
	if (c->repair)
		err = journal_mend(c->box);
	tell(c, "warn", err, what, "what can be read was written anew, the old one is in " LAYERS_ASIDE);
}

static void check_snapshots(struct check *c)
{
	uint32_t number[GRANT_LAYERS_MAX];
	struct dirent **names;
	int n = scandirat(c->box, "snapshots", &names, NULL, alphasort);
	char what[400], path[300];

	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;
		int64_t op;
		int err = 0;

		snprintf(path, sizeof(path), "snapshots/%.250s", name);
		if (name[0] != '.' && history_version(c->box, name, number, &op) < 0) {
			snprintf(what, sizeof(what), "the snapshot %s is damaged, or layers of it are missing", name);
			if (c->repair)
				err = layers_aside(c->box, path, false);
			tell(c, "warn", err, what, "it is in " LAYERS_ASIDE " now");
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

/* ---- what was cut short ---- */

/* Nobody holds it. */
static bool left_over(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool left = fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB);

	if (fd >= 0)
		close(fd);
	return left;
}

static void check_leftovers(struct check *c)
{
	struct dirent **names;
	int n = scandirat(c->box, ".", &names, NULL, alphasort), err = 0, r;
	unsigned left = 0;
	char what[160];

	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;
		bool ours = !strcmp(name, "making") || !strcmp(name, "joining") || history_made_name(name);

		if (ours && left_over(c->box, name)) {
			left++;
			r = c->repair ? store_delete_tree(c->box, name) : 0;
			err = err ? err : r;
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	if (left) {
		snprintf(what, sizeof(what), "%u layer%s begun and never finished", left,
			 left == 1 ? " was" : "s were");
		tell(c, "warn", err, what, "no version has it, and it was deleted");
	}
	if (!layers_dir_empty(c->box, "trash"))
		tell(c, "warn", c->repair ? history_sweep(c->store, c->name) : 0,
		     "layers of no version wait to be deleted", "they were");
}

static void check_commits(struct check *c)
{
	struct dirent **names;
	int n = scandirat(c->box, "commits", &names, NULL, versionsort);
	static char text[1 << 20];
	char path[300], hint[120];

	snprintf(hint, sizeof(hint), "gsh commit -n -s %s", c->name);
	for (int i = 0; i < n; i++) {
		struct json_object *o = NULL;
		const char *state;

		snprintf(path, sizeof(path), "commits/%.200s/journal.json", names[i]->d_name);
		if (!store_read_text(c->box, path, text, sizeof(text)))
			o = json_tokener_parse(text);
		state = json_object_is_type(o, json_type_object) ? json_str(o, "state", "") : "";
		if (!strcmp(state, "staging") || !strcmp(state, "applying") || !strcmp(state, "applied"))
			say(c, "warn", hint,
			    "commit %s was cut short; the next `gsh commit` takes it back or finishes it",
			    names[i]->d_name);
		json_object_put(o);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

/* ---- all of it ---- */

/* What was mended must do; and what none of the above knows is told with its cause. */
static void check_history(struct check *c)
{
	char why[STORE_WHY];
	struct history h;

	if (!c->repair)
		return;
	if (history_open(c->store, c->name, &h, why))
		say(c, "fail", "gsh rm gives it up; its layers can be read as they lie (gsh-store(5))", "%s", why);
	else
		history_close(&h);
}

/* Nobody else holds it meanwhile. */
static void check_inside(struct check *c)
{
	static const char *const dirs[] = { "tree", "tree/layers", "tree/top", "tree/work" };
	static const char *const files[] = { "spec.json", "journal", "pending", "pens" };

	for (unsigned i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		check_dir(c, dirs[i], false);
	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		check_file(c, files[i]);
	check_pending(c);
	check_place(c, "tree/layers");
	check_place(c, "tree/top");
	check_chain(c);
	check_spec(c);
	check_journal(c);
	check_snapshots(c);
	check_leftovers(c);
	check_commits(c);
	check_history(c);
}

/* What stands in the way of opening and locking it may be looked at without its lock: a monitor would not mind. */
static void check_entry(struct check *c)
{
	char path[80];

	snprintf(path, sizeof(path), "boxes/%.63s", c->name);
	c->box = c->store;
	check_dir(c, path, true);
	c->box = store_open_box(c->store, c->name);
	if (c->box >= 0)
		check_file(c, "lock");
}

static int check_box(const char *name, void *arg)
{
	struct check *c = arg;
	unsigned before = c->found;
	int lock;

	if (c->only && strcmp(c->only, name))
		return 0;
	c->looked++;
	c->name = name;
	check_entry(c);
	lock = store_lock(c->store, name);
	if (lock == -EAGAIN)
		c->running++;
	else if (lock >= 0 && c->box >= 0)
		check_inside(c);
	else if (lock >= 0)
		say(c, "fail", NULL, "its directory cannot be opened: %s", strerror(-c->box));
	/* Removed a moment ago; or why is told already. */
	else if (lock != -ENOENT && before == c->found)
		say(c, "fail", NULL, "it cannot be locked, so it was not looked at: %s", strerror(-lock));
	if (lock >= 0)
		close(lock);
	if (c->box >= 0)
		close(c->box);
	c->name = NULL;
	return 0;
}

static void check_names(struct check *c)
{
	int boxes = openat(c->store, "boxes", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), n;
	unsigned left = 0;
	struct dirent **names;
	char what[160];

	n = boxes < 0 ? -1 : scandirat(boxes, ".", &names, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;

		if (name[0] == '.')
			left += strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && left_over(boxes, name);
		else if (!paths_name_ok(name))
			say(c, "warn", "rename it or move it away", "boxes/%s has no name that a sandbox can have",
			    name);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	if (boxes >= 0)
		close(boxes);
	if (left) {
		snprintf(what, sizeof(what), "%u sandbox%s half made or half removed", left,
			 left == 1 ? " is" : "es are");
		tell(c, "warn", c->repair ? store_sweep(c->store) : 0, what, "what was left was deleted");
	}
}

static void tell_well(struct check *c)
{
	unsigned n = c->looked - c->running;
	char running[80] = "";

	if (c->running)
		snprintf(running, sizeof(running), "; %u that run%s %s not looked at", c->running,
			 c->running == 1 ? "s" : "", c->running == 1 ? "was" : "were");
	say(c, "ok", NULL, "nothing is wrong with %u sandbox%s%s", n, n == 1 ? "" : "es", running);
}

int check_sandboxes(int store, const char *only, bool repair, struct json_object *items)
{
	struct check c = { .store = store, .only = only, .repair = repair, .items = items, .box = -1 };
	int err;

	if (!only)
		check_names(&c);
	err = store_each(store, check_box, &c);
	if (err < 0)
		say(&c, "fail", NULL, "its sandboxes cannot be listed: %s", strerror(-err));
	else if (only && !c.looked)
		return -ENOENT;
	if (!c.found)
		tell_well(&c);
	return 0;
}
