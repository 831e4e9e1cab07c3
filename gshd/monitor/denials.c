/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a sandbox was refused, for people: each thing once, with how often and when last, in the sandbox's log and in
 * boxes/NAME/denials.json of the store, which outlives it. gsh denials shows it, with the line that would allow it.
 *
 * The names in it are the sandbox's choice: they were parsed before they came here, and their number is bounded.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "gshd/wire/json.h"
#include "gshd/log.h"
#include "gshd/monitor/monitor.h"

struct denial {
	char kind[8], what[DENIAL_WHAT];
	uint64_t count;
	int64_t first, last; /* unix time */
};

static struct denial *find(struct monitor *m, const char *kind, const char *what)
{
	for (unsigned i = 0; i < m->ndenials; i++)
		if (!strcmp(m->denials[i].kind, kind) && !strcmp(m->denials[i].what, what))
			return &m->denials[i];
	return NULL;
}

static int file_at(struct monitor *m, char *path, size_t size, const char *tail)
{
	return snprintf(path, size, "boxes/%s/denials.json%s", m->spec.name, tail) < (int)size ? 0 : -ENAMETOOLONG;
}

static void write_down(struct monitor *m)
{
	char path[160], aside[160];
	struct json_object *list = denials_list(m);
	const char *text = json_object_to_json_string(list);
	int fd = -1;

	if (!file_at(m, path, sizeof(path), "") && !file_at(m, aside, sizeof(aside), ".new"))
		fd = openat(m->store, aside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0) {
		bool whole = write(fd, text, strlen(text)) == (ssize_t)strlen(text);

		close(fd);
		if (!whole || renameat(m->store, aside, m->store, path))
			unlinkat(m->store, aside, 0);
	}
	json_object_put(list);
}

void denial_note(struct monitor *m, const char *kind, const char *what)
{
	struct denial *d = find(m, kind, what);
	bool fresh = !d;

	if (!d && m->ndenials == DENIALS_MAX)
		return; /* so many different ones are no accident, and enough is known */
	if (!d) {
		if (!m->denials)
			m->denials = calloc(DENIALS_MAX, sizeof(*m->denials));
		if (!m->denials)
			return;
		d = &m->denials[m->ndenials++];
		snprintf(d->kind, sizeof(d->kind), "%s", kind);
		snprintf(d->what, sizeof(d->what), "%s", what);
		d->first = time(NULL);
	}
	d->count++;
	d->last = time(NULL);
	if (!fresh)
		return;
	log_line("refused: %s %s (gsh allow -s %s %s '%s')", kind, what, m->spec.name, kind, what);
	write_down(m);
}

struct json_object *denials_list(struct monitor *m)
{
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < m->ndenials; i++) {
		struct json_object *o = json_object_new_object();
		char line[DENIAL_WHAT + 128];

		snprintf(line, sizeof(line), "gsh allow -s %s %s '%s'", m->spec.name, m->denials[i].kind,
			 m->denials[i].what);
		json_put_str(o, "kind", m->denials[i].kind);
		json_put_str(o, "what", m->denials[i].what);
		json_put_int(o, "count", (int64_t)m->denials[i].count);
		json_put_int(o, "first", m->denials[i].first);
		json_put_int(o, "last", m->denials[i].last);
		json_put_str(o, "allow", line);
		json_object_array_add(list, o);
	}
	return list;
}

/* Those of earlier lives. */
static void take(struct monitor *m, struct json_object *o)
{
	struct denial *d;

	if (m->ndenials == DENIALS_MAX || (!m->denials && !(m->denials = calloc(DENIALS_MAX, sizeof(*m->denials)))))
		return;
	d = &m->denials[m->ndenials];
	snprintf(d->kind, sizeof(d->kind), "%s", json_str(o, "kind", ""));
	snprintf(d->what, sizeof(d->what), "%s", json_str(o, "what", ""));
	d->count = (uint64_t)json_int(o, "count", 1);
	d->first = json_int(o, "first", 0);
	d->last = json_int(o, "last", 0);
	m->ndenials += *d->kind && *d->what;
}

void denials_read(struct monitor *m)
{
	static char text[DENIALS_MAX * (2 * DENIAL_WHAT + 320)];
	struct json_object *list = NULL;
	char path[160];
	int fd = file_at(m, path, sizeof(path), "") ? -1 : openat(m->store, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (n > 0) {
		text[n] = '\0';
		list = json_tokener_parse(text);
	}
	for (size_t i = 0; json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++)
		take(m, json_object_array_get_idx(list, i));
	json_object_put(list);
}

void denials_forget(struct monitor *m, const char *kind, const char *what)
{
	struct denial *d = find(m, kind, what);

	if (!d)
		return;
	*d = m->denials[--m->ndenials];
	write_down(m);
}

void denials_close(struct monitor *m)
{
	if (m->ndenials)
		write_down(m); /* how often, as it stands now */
	free(m->denials);
	m->denials = NULL;
	m->ndenials = 0;
}
