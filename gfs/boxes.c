// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Which sandboxes there are: the daemon's answers, remembered.
 *
 * The daemon is asked at most twice a second, by one thread at a time, and never waited for longer
 * than RPC_TIMEOUT. While it does not run, what it said last stands: its death takes nothing from
 * the view.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include "gfs/gfs.h"
#include "gshd/client/client.h"

#define FRESH_NS ((long long)(NAMES_FRESH * 1e9))

pthread_mutex_t boxes_lock = PTHREAD_MUTEX_INITIALIZER;
static struct box *boxes; /* boxes_lock, as all below */
static struct timespec listed_at;
static bool asking; /* somebody is at it: others make do with what is known */

static bool is_fresh(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - then->tv_sec) * 1000000000ll + (now.tv_nsec - then->tv_nsec) <
	       FRESH_NS;
}

int boxes_ask(unsigned flags, const char *method, struct json_object *params, struct client_reply *reply)
{
	const struct timeval limit = {.tv_sec = RPC_TIMEOUT};
	struct client *c;
	char why[512];
	int err = client_daemon(&c, flags, why, sizeof(why));

	if (err) {
		json_object_put(params);
		return err;
	}
	setsockopt(client_fd(c), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(client_fd(c), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	err = client_call(c, method, params, NULL, 0, reply);
	client_close(c);
	if (!err && reply->error[0]) {
		client_reply_free(reply);
		err = -ENOENT;
	}
	return err;
}

static const char *string_of(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string)
		       ? json_object_get_string(v)
		       : "";
}

static int64_t number_of(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? json_object_get_int64(v) : 0;
}

/* ---- counts; caller holds the lock for those with _locked ---- */

struct box *box_get(struct box *b)
{
	pthread_mutex_lock(&boxes_lock);
	b->refs++;
	pthread_mutex_unlock(&boxes_lock);
	return b;
}

static void box_put_locked(struct box *b)
{
	if (--b->refs)
		return;
	for (struct box **p = &boxes; *p; p = &(*p)->next) {
		if (*p == b) {
			*p = b->next;
			break;
		}
	}
	stack_put_locked(b->stack);
	pens_free(b->pens);
	proc_door_free(b->door);
	json_object_put(b->info);
	past_free_locked(b->past);
	recent_free_locked(b->recent);
	free(b);
}

void box_put(struct box *b)
{
	pthread_mutex_lock(&boxes_lock);
	box_put_locked(b);
	pthread_mutex_unlock(&boxes_lock);
}

/* ---- the list ---- */

/* A box that is listed holds a count of itself. One that was removed and made anew is another. */
static struct box *find_locked(const char *name)
{
	struct box *b = boxes;

	while (b && (!b->listed || b->of || strcmp(b->name, name)))
		b = b->next;
	return b;
}

static struct box *add_locked(const char *name)
{
	static uint64_t last_id;
	struct box *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->door = proc_door_create();
	b->pens = pens_create();
	if (!b->door || !b->pens) {
		proc_door_free(b->door);
		pens_free(b->pens);
		free(b);
		return NULL;
	}
	snprintf(b->name, sizeof(b->name), "%s", name);
	b->refs = 1;
	b->id = ++last_id;
	b->listed = true;
	b->next = boxes;
	boxes = b;
	return b;
}

static void take_item(struct json_object *item)
{
	const char *name = string_of(item, "name");
	struct box *b;

	if (!paths_name_ok(name))
		return;
	b = find_locked(name);
	/* Removed and made again between two looks: its layers are others. */
	if (b && b->info && number_of(b->info, "created") != number_of(item, "created")) {
		b->listed = false;
		box_put_locked(b);
		b = NULL;
	}
	if (!b)
		b = add_locked(name);
	if (!b)
		return;
	json_object_put(b->info);
	b->info = json_object_get(item);
	b->running = !strcmp(string_of(item, "state"), "running");
}

static void take_list(struct json_object *items)
{
	struct box *b, *next;

	for (size_t i = 0; i < json_object_array_length(items); i++)
		take_item(json_object_array_get_idx(items, i));
	for (b = boxes; b; b = next) {
		bool found = false;

		next = b->next;
		for (size_t i = 0; i < json_object_array_length(items) && !found; i++)
			found = !strcmp(b->name,
					string_of(json_object_array_get_idx(items, i), "name"));
		if (b->listed && !b->of && !found) {
			b->listed = false;
			box_put_locked(b);
		}
	}
}

bool boxes_asking(const struct timespec *then, bool now)
{
	bool mine;

	pthread_mutex_lock(&boxes_lock);
	mine = !asking && (now || !is_fresh(then));
	asking |= mine;
	pthread_mutex_unlock(&boxes_lock);
	return mine;
}

/* now: what is remembered will not do. */
static void refresh_list(bool now)
{
	struct client_reply r = {0};
	struct json_object *items;
	int err;

	if (!boxes_asking(&listed_at, now))
		return;
	err = boxes_ask(0, "org.gsh.Daemon.List", NULL, &r);
	pthread_mutex_lock(&boxes_lock);
	if (!err && json_object_object_get_ex(r.params, "items", &items) &&
	    json_object_is_type(items, json_type_array))
		take_list(items);
	clock_gettime(CLOCK_MONOTONIC, &listed_at);
	asking = false;
	pthread_mutex_unlock(&boxes_lock);
	if (!err)
		client_reply_free(&r);
}

void boxes_asked(struct timespec *when)
{
	clock_gettime(CLOCK_MONOTONIC, when);
	asking = false;
}

int boxes_init(void)
{
	struct client *c;
	char why[512];
	int err = client_daemon(&c, CLIENT_START, why, sizeof(why));

	/* Without a daemon there is nothing to show yet; it may come. */
	if (!err)
		client_close(c);
	refresh_list(false);
	return 0;
}

struct box *box_find(const char *name)
{
	struct box *b = NULL;

	if (!paths_name_ok(name))
		return NULL;
	for (int now = 0; now < 2 && !b; now++) {
		refresh_list(now);
		pthread_mutex_lock(&boxes_lock);
		b = find_locked(name);
		if (b)
			b->refs++;
		pthread_mutex_unlock(&boxes_lock);
	}
	return b;
}

int boxes_each(int (*fn)(const char *name, void *arg), void *arg)
{
	int r = 0;

	refresh_list(true);
	pthread_mutex_lock(&boxes_lock);
	for (struct box *b = boxes; b && !r; b = b->next)
		if (b->listed && !b->of)
			r = fn(b->name, arg);
	pthread_mutex_unlock(&boxes_lock);
	return r;
}

bool box_running(struct box *b)
{
	bool r;

	refresh_list(false);
	pthread_mutex_lock(&boxes_lock);
	r = b->listed && b->running;
	pthread_mutex_unlock(&boxes_lock);
	return r;
}

struct box *box_version(struct box *b, const char *version)
{
	struct box *v;

	pthread_mutex_lock(&boxes_lock);
	for (v = boxes; v; v = v->next)
		if (v->of == b->id && !strcmp(v->version, version))
			break;
	if (v) {
		v->refs++;
	} else {
		v = add_locked(b->name);
		if (v) {
			/* Its one count is the caller's. */
			snprintf(v->version, sizeof(v->version), "%s", version);
			v->of = b->id;
		}
	}
	pthread_mutex_unlock(&boxes_lock);
	return v;
}

char *box_info(struct box *b)
{
	struct json_object *o = json_object_new_object();
	char *text;

	refresh_list(false);
	json_object_object_add(o, "schema", json_object_new_string("gsh.info/1"));
	pthread_mutex_lock(&boxes_lock);
	if (b->info) {
		json_object_object_foreach(b->info, key, value)
			json_object_object_add(o, key, json_object_get(value));
	}
	text = strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
								JSON_C_TO_STRING_NOSLASHESCAPE));
	pthread_mutex_unlock(&boxes_lock);
	json_object_put(o);
	return text;
}
