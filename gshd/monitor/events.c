/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What happens in a sandbox, for those who follow it: one answer an event, as long as the connection is open.
 * Nothing is kept for who comes later, and who does not read is dropped by the wire's own bound.
 */
#include <json-c/json.h>
#include <stdlib.h>
#include <time.h>
#include "gshd/wire/json.h"
#include "gshd/monitor/monitor.h"

#define FOLLOWERS_MAX 32

struct follower {
	struct follower *next;
	struct monitor *m;
	struct wire_call *call;
};

static void forget(struct follower *f)
{
	struct follower **p = &f->m->followers;

	while (*p != f)
		p = &(*p)->next;
	*p = f->next;
	free(f);
}

static void follower_gone(struct wire_call *call)
{
	forget(call->data);
	wire_reply(call, NULL);
}

void box_events(struct wire_call *call)
{
	struct monitor *m = call->server->context;
	struct follower *f;
	unsigned n = 0;

	for (f = m->followers; f; f = f->next)
		n++;
	f = call->more && n < FOLLOWERS_MAX ? calloc(1, sizeof(*f)) : NULL;
	if (!f) {
		wire_fail(call, call->more ? "org.gsh.Failed" : "org.gsh.BadRequest", "Events",
			  call->more ? "too many follow already"
				     : "it is answered often, so the call must say more",
			  NULL);
		return;
	}
	f->m = m;
	f->call = call;
	f->next = m->followers;
	m->followers = f;
	call->data = f;
	call->gone = follower_gone;
	wire_reply_more(call, NULL);
}

void event_tell(struct monitor *m, const char *event, struct json_object *o)
{
	struct follower *f, *next;
	struct timespec ts;

	o = o ? o : json_object_new_object();
	clock_gettime(CLOCK_REALTIME, &ts);
	json_put_str(o, "event", event);
	json_put_str(o, "sandbox", m->spec.name);
	json_put_int(o, "ms", (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
	for (f = m->followers; f; f = next) {
		next = f->next; /* it may go */
		wire_reply_more(f->call, json_object_get(o));
	}
	json_object_put(o);
}

void events_close(struct monitor *m)
{
	while (m->followers) {
		struct wire_call *call = m->followers->call;

		forget(m->followers);
		wire_reply(call, NULL);
	}
}
