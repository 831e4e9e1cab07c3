/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Exceptions that the host's side makes while a sandbox runs: gsh allow.
 *
 *	net           HOST:PORT[/udp], in force at once
 *	device        /dev/NAME, in force at once
 *	read, write   a directory or file as it is: a bind (binds.c); on rung A in force at once, on rung B, whose
 *		      Landlock rules nobody can add to, from the next start on
 *
 * What is not said to be for once is written into the sandbox's own settings, so that the next start has it, too.
 * What is taken back goes from there; what the user's settings or a profile grant is theirs to say.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gshd/wire/json.h"
#include "gshd/log.h"
#include "gshd/monitor/monitor.h"
#include "gshd/reach/reach.h"
#include "gshd/settings.h"

struct grant_kind {
	const char *name, *key, *section;
};

static const struct grant_kind kinds[] = {
	{ "net", "Allow", "Network" },
	{ "read", "BindReadOnly", "Files" },
	{ "write", "Bind", "Files" },
	{ "device", "DeviceAllow", "Files" },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const struct grant_kind *kind_of(struct wire_call *call)
{
	const char *name = json_str(call->params, "kind", "");

	for (size_t i = 0; i < KINDS; i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	wire_fail(call, "org.gsh.BadRequest", call->method->name, "kind must be net, read, write or device", NULL);
	return NULL;
}

static bool is_device(const struct grant_kind *kind)
{
	return !strcmp(kind->name, "device");
}

static bool is_path(const struct grant_kind *kind)
{
	return !strcmp(kind->section, "Files") && !is_device(kind);
}

/* The value in the form in which settings have it; false: the call was answered. */
static bool normal(struct wire_call *call, const struct grant_kind *kind, char *value, size_t size)
{
	const char *what = json_str(call->params, "what", ""), *wrong = NULL;
	char line[CONF_VALUE_MAX + 64], why[1024];
	static struct conf conf;
	struct conf_rule rule;

	if (strlen(what) >= CONF_VALUE_MAX || !*what || strpbrk(what, "\n\r") || strstr(what, " ;"))
		wrong = "it is nothing that settings could hold";
	else if (!strcmp(kind->name, "net"))
		wrong = conf_rule(what, &rule);
	if (!wrong) {
		snprintf(line, sizeof(line), "[%s]\n%s=%s\n", kind->section, kind->key, what);
		conf_defaults(&conf);
		if (conf_read_text(&conf, "what", line, why, sizeof(why)))
			wrong = why;
	}
	if (wrong) {
		wire_fail(call, "org.gsh.BadRequest", what, wrong, NULL);
		return false;
	}
	if (!strcmp(kind->name, "net"))
		conf_rule_text(&rule, value, size);
	else
		snprintf(value, size, "%s", what);
	return true;
}

static int keep(struct monitor *m, const struct grant_kind *kind, const char *value)
{
	char more[CONF_VALUE_MAX + 64];

	snprintf(more, sizeof(more), "[%s]\n%s=%s\n", kind->section, kind->key, value);
	return settings_add(&m->paths, m->spec.name, more);
}

/* A bind that a start would refuse is refused now. */
static int check_bind(struct monitor *m, const struct grant_kind *kind, const char *value, struct confine_note *note)
{
	static struct monitor trial;
	static struct conf conf;
	int err;

	trial = (struct monitor){ .paths = m->paths, .spec = m->spec, .nhidden = m->nhidden, .nown = m->nown };
	memcpy(trial.hidden, m->hidden, sizeof(trial.hidden));
	conf_defaults(&conf);
	snprintf(!strcmp(kind->key, "Bind") ? conf.bind : conf.bind_ro, CONF_LIST_MAX, "%s\n", value);
	err = binds_find(&trial, &conf, note);
	binds_free(&trial);
	return err;
}

static bool read_only(const struct grant_kind *kind)
{
	return !strcmp(kind->key, "BindReadOnly");
}

/* What is hidden by a mount that covers it stays so while that stands. */
static bool can_be_live(const struct monitor *m, const struct grant_kind *kind, const char *value)
{
	char from[2 * CONF_VALUE_MAX], at[2 * CONF_VALUE_MAX];

	return !is_path(kind) || (m->rung == GRANT_RUNG_A && m->state == BOX_RUNNING &&
				  conf_bind(value, from, at, sizeof(at)) != CONF_BIND_COW);
}

static int make_live(struct monitor *m, const struct grant_kind *kind, const char *value, bool live,
		     struct confine_note *note)
{
	struct conf_rule rule;
	int err;

	if (is_device(kind))
		return device_add(m, value);
	if (is_path(kind))
		return live ? bind_live(m, value, read_only(kind), note) : check_bind(m, kind, value, note);
	if (m->reach->none) {
		snprintf(note->text, sizeof(note->text), "its network is none: nobody is to be reached");
		snprintf(note->hint, sizeof(note->hint), "gsh stop it, and start it with --net private");
		return -EPERM;
	}
	conf_rule(value, &rule);
	err = reach_add(m->reach, &rule);
	return err == -EEXIST ? 0 : err;
}

void box_allow(struct wire_call *call)
{
	struct monitor *m = call->server->context;
	const struct grant_kind *kind = kind_of(call);
	bool once = json_flag(call->params, "once", false), live;
	struct confine_note note = { 0 };
	char value[CONF_VALUE_MAX], refused[CONF_VALUE_MAX];
	struct json_object *p;
	int err;

	if (!kind || !normal(call, kind, value, sizeof(value)))
		return;
	live = can_be_live(m, kind, value);
	if (once && !live) {
		wire_fail(call, "org.gsh.Refused", value, "it cannot be had at once, but from the next start on",
			  "without --once");
		return;
	}
	err = make_live(m, kind, value, live, &note);
	if (!err && !once)
		err = keep(m, kind, value);
	if (err) {
		wire_fail(call, err == -EPERM ? "org.gsh.Refused" : "org.gsh.Failed", value,
			  note.text[0] ? note.text : strerror(-err), note.hint[0] ? note.hint : NULL);
		return;
	}
	snprintf(refused, sizeof(refused), "%.*s", (int)strcspn(value, " \t"), value); /* without a device's rights */
	denials_forget(m, is_path(kind) ? "path" : kind->name, is_path(kind) ? value : refused);
	log_line("allowed: %s %s%s", kind->name, value, once ? ", once" : "");
	p = json_object_new_object();
	json_put_str(p, "kind", kind->name);
	json_put_str(p, "what", value);
	json_put_bool(p, "live", live);
	json_put_bool(p, "kept", !once);
	wire_reply(call, p);
}

void box_revoke(struct wire_call *call)
{
	struct monitor *m = call->server->context;
	const struct grant_kind *kind = kind_of(call);
	char value[CONF_VALUE_MAX];
	struct json_object *p;
	struct conf_rule rule;
	bool live = false;
	int kept;

	if (!kind || !normal(call, kind, value, sizeof(value)))
		return;
	kept = settings_drop(&m->paths, m->spec.name, kind->key, value);
	if (!strcmp(kind->name, "net")) {
		conf_rule(value, &rule);
		live = !reach_remove(m->reach, &rule);
		if (live)
			dial_close_refused(m);
	}
	if (is_device(kind))
		live = !device_remove(m, value);
	if (is_path(kind))
		live = !bind_end(m, value, read_only(kind));
	if (kept < 0) {
		wire_fail(call, "org.gsh.Failed", value, strerror(-kept), NULL);
	} else if (!kept && !live) {
		wire_fail(call, "org.gsh.BadRequest", value, "nothing of this kind was granted", "gsh allow --list");
	} else {
		log_line("taken back: %s %s", kind->name, value);
		p = json_object_new_object();
		json_put_bool(p, "live", live);
		wire_reply(call, p);
	}
}

static void add_grant(struct json_object *list, const char *kind, const char *what, const char *state)
{
	struct json_object *o = json_object_new_object();

	json_put_str(o, "kind", kind);
	json_put_str(o, "what", what);
	json_put_str(o, "state", state);
	json_object_array_add(list, o);
}

static bool bound(const struct monitor *m, const char *value, bool readonly)
{
	char from[2 * CONF_VALUE_MAX], at[2 * CONF_VALUE_MAX];

	readonly |= conf_bind(value, from, at, sizeof(at)) != CONF_BIND_RW;
	for (unsigned i = 0; i < m->nbinds; i++)
		if (!m->binds[i].gone && !strcmp(m->binds[i].at, at) && m->binds[i].readonly == readonly)
			return true;
	return false;
}

static bool kept_bind(const struct conf *conf, const struct bind *b)
{
	char value[CONF_VALUE_MAX], from[2 * CONF_VALUE_MAX], at[2 * CONF_VALUE_MAX];

	for (int ro = 0; ro < 2; ro++) {
		const char *list = ro ? conf->bind_ro : conf->bind;

		while (conf_next(&list, value, sizeof(value))) {
			bool readonly = (conf_bind(value, from, at, sizeof(at)) != CONF_BIND_RW) | ro;

			if (!strcmp(at, b->at) && readonly == b->readonly)
				return true;
		}
	}
	return false;
}

/* Those that are for once. */
static void add_binds(struct json_object *list, const struct monitor *m, const struct conf *conf)
{
	char text[2 * PATH_MAX];

	for (unsigned i = 0; i < m->nbinds; i++) {
		const struct bind *b = &m->binds[i];

		if (b->gone || kept_bind(conf, b))
			continue;
		snprintf(text, sizeof(text), strcmp(b->from, b->at) ? "%s:%s" : "%s", b->from, b->at);
		add_grant(list, b->readonly ? "read" : "write", text, "once");
	}
}

/* Each with its state: kept and in force; once: until it ends; next: from the next start on. */
void box_grants(struct wire_call *call)
{
	struct monitor *m = call->server->context;
	struct json_object *p = json_object_new_object(), *list = json_object_new_array();
	static struct conf conf;
	static struct reach kept;
	char why[1024], text[CONF_VALUE_MAX];
	const char *paths[2];

	if (settings_load(&m->paths, m->spec.name, NULL, &conf, why, sizeof(why)))
		conf_defaults(&conf);
	reach_set(&kept, &conf);
	for (unsigned i = 0; i < m->reach->nrules; i++) {
		bool is = reach_add(&kept, &m->reach->rules[i]) == -EEXIST;

		conf_rule_text(&m->reach->rules[i], text, sizeof(text));
		add_grant(list, "net", text, is ? "kept" : "once");
	}
	paths[0] = conf.bind;
	paths[1] = conf.bind_ro;
	for (int ro = 0; ro < 2; ro++)
		while (conf_next(&paths[ro], text, sizeof(text)))
			add_grant(list, ro ? "read" : "write", text, bound(m, text, ro) ? "kept" : "next");
	add_binds(list, m, &conf);
	paths[0] = conf.devices;
	while (conf_next(&paths[0], text, sizeof(text)))
		add_grant(list, "device", text, "kept");
	json_object_object_add(p, "items", list);
	wire_reply(call, p);
}

void box_denials(struct wire_call *call)
{
	struct json_object *p = json_object_new_object();

	json_object_object_add(p, "items", denials_list(call->server->context));
	wire_reply(call, p);
}
