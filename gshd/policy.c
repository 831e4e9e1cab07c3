/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Policy: what a sandbox may do, in words. For one that runs, what it was given; for one that does
 * not, what a start now would give.
 *
 * Said by topic, each sentence of one thing, so that a reader can look for what matters to him.
 * What a rung does not stop is said in the same list.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "conf/conf.h"
#include "gshd/daemon.h"
#include "gshd/wire/json.h"
#include "gshd/settings.h"
#include "gshd/store/store.h"
#include "pal/confine/confine.h"

struct policy {
	const struct daemon *d;
	const char *name;
	struct box_spec spec;
	struct conf conf;
	char rung; /* 'A', 'B'; 0: none is to be had */
	bool running, lean;
	struct json_object *items;
};

static void __attribute__((format(printf, 3, 4)))
say(struct policy *p, const char *topic, const char *fmt, ...)
{
	struct json_object *o = json_object_new_object();
	char text[PATH_MAX + 512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_put_str(o, "topic", topic);
	json_put_str(o, "text", text);
	json_object_array_add(p->items, o);
}

static char rung_to_be(const struct policy *p)
{
	struct confine_note note;
	const char only = p->spec.rung;

	if ((!only || only == 'A') && !confine_probe(GRANT_RUNG_A, &note))
		return 'A';
	if ((only ? only == 'B' : p->conf.minimum_rung[0] != 'A') &&
	    !confine_probe(GRANT_RUNG_B, &note))
		return 'B';
	return 0;
}

static void say_profile(struct policy *p)
{
	say(p, "profile", "%s, with the settings that gsh config show -s %s tells", p->conf.profile, p->name);
}

static void say_rung(struct policy *p)
{
	const char *when = p->running ? "it runs on" : "it does not run; a start would take";

	if (p->rung == 'A')
		say(p, "rung",
		    "%s rung A: user, mount, process, network, IPC and UTS namespaces of its own, "
		    "Landlock, seccomp",
		    when);
	else if (p->rung == 'B')
		say(p, "rung", "%s rung B: Landlock and seccomp, no namespaces", when);
	else
		say(p, "rung",
		    "it does not run, and could not be started here: gsh doctor says what is "
		    "missing");
	if (p->rung == 'B' && confine_flags(GRANT_RUNG_B, false) & GRANT_BROKER_SIGNAL)
		say(p, "rung",
		    "Landlock here does not bound signals (Linux 6.12 does): the monitor sends them, and no process "
		    "can split off");
	say(p, "rung", "the settings accept %s",
	    p->conf.minimum_rung[0] == 'A' ? "rung A only"
					   : "rung B, too, where rung A is not to be had");
}

static void say_calls(struct policy *p)
{
	uint32_t flags = confine_flags(p->rung == 'B' ? GRANT_RUNG_B : GRANT_RUNG_A, p->lean);

	say(p, "calls",
	    "%u host calls, most with rules for their arguments (gsh-boundary(7)); any other ends "
	    "the process",
	    confine_calls(flags, NULL, NULL));
	if (p->lean)
		say(p, "calls",
		    "lean: nothing that only makes things faster or that few programs need");
}

static void say_binds(struct policy *p, const char *list, const char *what)
{
	char value[CONF_VALUE_MAX], from[2 * CONF_VALUE_MAX], at[2 * CONF_VALUE_MAX];

	while (conf_next(&list, value, sizeof(value))) {
		switch (conf_bind(value, from, at, sizeof(at))) {
		case CONF_BIND_COW:
			say(p, "files",
			    "reads the host's %s though it may be hidden; changes stay in its own layers", from);
			break;
		case CONF_BIND_RO:
			what = ", to read";
			/* fallthrough */
		default:
			say(p, "files", "has the host's %s as it is%s%s%s", from, strcmp(from, at) ? ", at " : "",
			    strcmp(from, at) ? at : "", what);
		}
	}
}

static void say_files(struct policy *p)
{
	char hosts[256] = "", value[CONF_VALUE_MAX];

	for (unsigned i = 0; confine_host_dirs[i]; i++)
		snprintf(hosts + strlen(hosts), sizeof(hosts) - strlen(hosts), "%s/%s",
			 i ? ", " : "", confine_host_dirs[i]);
	say(p, "files", "reads all below %s that the user may read", p->spec.base);
	say(p, "files", "does not read the host's %s, the store (%s), %s and the mount (%s)", hosts,
	    p->d->paths.store, p->d->paths.runtime, p->d->paths.mount);
	say(p, "files", "does not read what [Files] Inaccessible= names: %s", p->conf.inaccessible);
	say(p, "files", "writes nothing of the host's%s: changes go to its own layers in the store",
	    *p->conf.bind ? " but what is bound" : "");
	say_binds(p, p->conf.bind, ", and may write there");
	say_binds(p, p->conf.bind_ro, ", to read");
	for (const char *list = p->conf.devices; conf_next(&list, value, sizeof(value));)
		say(p, "files", "has the host's device %s; ioctls only as of terminals", value);
	say(p, "files",
	    "makes no device nodes and no set-id files; executes no program of the host's but its "
	    "own image");
	say(p, "files",
	    "what is handed in as standard input, output or error, it may use as the user may");
	if (p->rung == 'B')
		say(p, "files",
		    "not stopped on rung B: it learns names, sizes and times of hidden files");
}

static void say_reach(struct policy *p)
{
	const char *list = p->conf.net_allow;
	char value[CONF_VALUE_MAX];

	if (!strcmp(p->conf.net_access, "none")) {
		say(p, "network", "nobody outside is reached, and nobody can be asked for it");
		return;
	}
	if (!strcmp(p->conf.net_access, "host"))
		say(p, "network",
		    "may speak to anybody outside but the host's loopback and its link; the monitor carries it");
	else if (!strcmp(p->conf.net_access, "nat"))
		say(p, "network",
		    "may speak to anybody outside but the host's loopback and its link, through pasta(1); a datagram "
		    "to a group of the link leaves, too");
	else if (!*list)
		say(p, "network", "nobody outside is reached unless gsh allow says so");
	while (conf_next(&list, value, sizeof(value)))
		say(p, "network", "may speak to %s", value);
	if (*p->conf.net_deny)
		say(p, "network",
		    "may not speak to what [Network] Deny= names, unless its address is allowed: %s (host: the "
		    "addresses of this host)",
		    p->conf.net_deny);
}

static void say_network(struct policy *p)
{
	if (p->rung == 'A' && !p->lean)
		say(p, "network",
		    "a network of its own with nothing in it but a loopback%s: unix sockets, TCP, "
		    "UDP", !strcmp(p->conf.net_access, "nat") ? " and the way out" : "");
	else
		say(p, "network",
		    "no socket of the host's: sockets between its own processes are made of pairs");
	say_reach(p);
	say(p, "network", "from outside only ports opened by gsh -p are reached");
}

static void say_processes(struct policy *p)
{
	say(p, "processes", "at most %s processes and threads%s", p->conf.limit[LIMIT_TASKS],
	    p->rung == 'A' ? ", which the kernel sees to as well" : "");
	if (!strcmp(p->conf.user, "root"))
		say(p, "processes",
		    "are root inside, in name: owners, modes and identities are recorded in the sandbox, and to the "
		    "host all that they do is done by the user");
	say(p, "processes", "signals, traces and sees memory of its own processes only");
	if (p->rung == 'B')
		say(p, "processes",
		    "not stopped on rung B: it learns which processes the host has");
	say(p, "processes", "ends with gsh stop, or when its monitor ends");
	say(p, "terminal", "a terminal of its own; it cannot type into the user's");
	say(p, "variables",
	    "gets the caller's but those that carry secrets or lead to sockets of the host (gsh(1))%s%s",
	    *p->conf.unset_env ? ", and fewer: UnsetEnvironment=" : "",
	    *p->conf.pass_env ? "; PassEnvironment= lets some in" : "");
	say(p, "splits",
	    p->lean || (p->rung == 'B' && confine_flags(GRANT_RUNG_B, false) & GRANT_BROKER_SIGNAL)
		    ? "no process can split off"
		    : "a process may confine itself further (gsh-split(7))");
}

static bool load(struct policy *p, struct wire_call *call)
{
	char why[STORE_WHY];
	struct json_object *box;
	int err = store_read_spec(p->d->store, p->name, &p->spec, why);

	if (err) {
		struct json_object *o = json_object_new_object();
		json_put_str(o, "name", p->name);
		json_put_str(o, "what", p->name);
		json_put_str(o, "why", why);
		wire_error(call, err == -ENOENT ? "org.gsh.NoSuchSandbox" : "org.gsh.Failed", o);
		return false;
	}
	if (settings_load(&p->d->paths, p->name, NULL, &p->conf, why, sizeof(why))) {
		wire_fail(call, "org.gsh.Failed", "the settings", why, NULL);
		return false;
	}
	box = box_running(p->d, p->name);
	p->running = box;
	p->rung = box ? json_str(box, "rung", "")[0] : rung_to_be(p);
	p->lean = !strcmp(box ? json_str(box, "calls", "full") : p->conf.calls, "lean");
	json_object_put(box);
	return true;
}

static int add_call(const char *name, const char *why, void *arg)
{
	struct json_object *o = json_object_new_object();

	json_put_str(o, "call", name);
	json_put_str(o, "why", why);
	json_object_array_add(arg, o);
	return 0;
}

void policy_answer(struct wire_call *call)
{
	static struct policy p;
	struct json_object *reply, *calls;

	p = (struct policy){ .d = call->server->context, .name = daemon_name(call) };
	if (!p.name || !load(&p, call))
		return;
	p.items = json_object_new_array();
	say_profile(&p);
	say_rung(&p);
	say_calls(&p);
	say_files(&p);
	say_network(&p);
	say_processes(&p);
	calls = json_object_new_array();
	confine_calls(confine_flags(p.rung == 'B' ? GRANT_RUNG_B : GRANT_RUNG_A, p.lean), add_call,
		      calls);
	reply = json_object_new_object();
	json_object_object_add(reply, "items", p.items);
	json_object_object_add(reply, "calls", calls);
	wire_reply(call, reply);
}
