/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The values. A sandbox's own stand in boxes/NAME/limits, lines of KEY=VALUE; what is not there is the settings'.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "gshd/wire/json.h"
#include "gshd/monitor/limits.h"
#include "gshd/settings.h"
#include "gshd/log.h"
#include "gshd/monitor/monitor.h"
#include "gshd/store/store.h"

#define FILE_MAX 1024

/* The file's text; "" if there is none. */
static int read_own(int store, const char *name, char text[FILE_MAX])
{
	char path[128];
	ssize_t n;
	int fd;

	text[0] = '\0';
	snprintf(path, sizeof(path), "boxes/%s/limits", name);
	fd = openat(store, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	n = read(fd, text, FILE_MAX - 1);
	close(fd);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	return 0;
}

/* The value of a key in such a text, or false. */
static bool own_value(const char *text, const char *key, char *value, size_t size)
{
	size_t n = strlen(key);

	for (const char *line = text; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
		if (!strncmp(line, key, n) && line[n] == '=') {
			snprintf(value, size, "%.*s", (int)strcspn(line + n + 1, "\n"), line + n + 1);
			return true;
		}
	return false;
}

int limits_load(int store, const char *name, const struct conf *conf, struct limits *limits, char *why, size_t size)
{
	char text[FILE_MAX], value[CONF_VALUE_MAX];
	int err = read_own(store, name, text);

	if (err)
		snprintf(why, size, "cannot read the sandbox's limits: %s", strerror(-err));
	for (int i = 0; i < LIMITS && !err; i++) {
		bool own = own_value(text, limit_rows[i].key, value, sizeof(value));
		const char *wrong;

		if (limit_parse((enum limit)i, own ? value : conf->limit[i], &limits->value[i], &wrong)) {
			snprintf(why, size, "the sandbox's limit %s is bad: %s", limit_rows[i].key, wrong);
			err = -EINVAL;
		}
	}
	return err;
}

bool limits_valid(struct json_object *changes, char *why, size_t size)
{
	json_object_object_foreach(changes, key, value) {
		bool string = json_object_is_type(value, json_type_string);
		const char *wrong, *text = string ? json_object_get_string(value) : NULL;
		int which = limit_find(key);
		uint64_t number;

		if (which < 0) {
			snprintf(why, size, "there is no limit %.40s", key);
			return false;
		}
		if (!text || (*text && limit_parse((enum limit)which, text, &number, &wrong))) {
			snprintf(why, size, "%s: %s", key, text ? wrong : "it must be a string");
			return false;
		}
	}
	return true;
}

static int write_own(int store, const char *name, const char *text)
{
	char path[128], fresh[128];
	int err = 0, fd;

	snprintf(path, sizeof(path), "boxes/%s/limits", name);
	snprintf(fresh, sizeof(fresh), "boxes/%s/limits.new", name);
	fd = openat(store, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fsync(fd))
		err = -errno;
	close(fd);
	if (!err && renameat(store, fresh, store, path))
		err = -errno;
	return err;
}

int limits_change(int store, const char *name, struct json_object *changes, char *why, size_t size)
{
	char old[FILE_MAX], text[FILE_MAX] = "", value[CONF_VALUE_MAX];
	size_t n = 0;
	int err;

	if (!limits_valid(changes, why, size))
		return -EINVAL;
	err = read_own(store, name, old);
	for (int i = 0; i < LIMITS && !err; i++) {
		const char *set = json_str(changes, limit_rows[i].key, NULL);

		if (!set && own_value(old, limit_rows[i].key, value, sizeof(value)))
			set = value;
		if (set && *set && n < sizeof(text))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s=%s\n", limit_rows[i].key, set);
	}
	if (!err)
		err = write_own(store, name, text);
	if (err)
		snprintf(why, size, "cannot keep the sandbox's limits: %s", strerror(-err));
	return err;
}

/* ---- in the monitor ---- */

static uint64_t or_zero(uint64_t value)
{
	return value == LIMIT_NONE ? 0 : value;
}

void limits_tell(struct monitor *m, bool memory_only)
{
	const uint64_t *v = m->limits.value;
	struct mon_limits l = {
		.memory_max = or_zero(v[LIMIT_MEMORY]),
		.memory_used = m->memory_told,
		.tasks = (uint32_t)or_zero(v[LIMIT_TASKS]),
		.files = (uint32_t)or_zero(v[LIMIT_FILES]),
		.quota = v[LIMIT_DISK] != LIMIT_NONE || v[LIMIT_INODES] != LIMIT_NONE,
		.memory_only = memory_only,
	};

	/* A leader that does not listen keeps the old ones; what counts is not its word. */
	if (control_send(m, MON_LIMITS, 0, &l, sizeof(l), NULL, 0))
		log_debug("the leader does not take limits");
}

int limits_apply(struct monitor *m, char *why, size_t size)
{
	static struct conf conf;
	struct limits fresh;
	int err = settings_load(&m->paths, m->spec.name, NULL, &conf, why, size);

	if (!err)
		err = limits_load(m->store, m->spec.name, &conf, &fresh, why, size);
	if (err)
		return err;
	m->limits = fresh;
	cgroup_set(m->cgroup, &m->limits);
	limits_tell(m, false);
	watch_again(m);
	measure_again(m);
	return 0;
}

/* ---- in words ---- */

static const char *means(enum limit which, const struct monitor *m)
{
	if (cgroup_keeps(m->cgroup, which))
		return "cgroup";
	switch (which) {
	case LIMIT_MEMORY:
	case LIMIT_DISK:
	case LIMIT_INODES:
		return "libOS, monitor";
	case LIMIT_TASKS:
		return m->rung == GRANT_RUNG_A ? "libOS, monitor, kernel" : "libOS, monitor";
	case LIMIT_FILES:
		return "libOS";
	case LIMIT_CPU:
		return "not in force: no cgroup is delegated";
	default:
		return "monitor";
	}
}

static void put_used(struct json_object *o, enum limit which, const struct monitor *m)
{
	if (which == LIMIT_MEMORY && m->memory_used)
		json_put_int(o, "used", (int64_t)m->memory_used);
	if (which == LIMIT_MEMORY && m->oom_kills)
		json_put_int(o, "killed", m->oom_kills);
	if (which == LIMIT_DISK && m->disk_known)
		json_put_int(o, "used", (int64_t)m->disk.bytes);
	if (which == LIMIT_INODES && m->disk_known)
		json_put_int(o, "used", (int64_t)m->disk.inodes);
}

struct json_object *limits_describe(const struct limits *limits, struct monitor *m)
{
	struct json_object *all = json_object_new_object();
	char buf[LIMIT_TEXT_MAX];

	for (int i = 0; i < LIMITS; i++) {
		struct json_object *o = json_object_new_object();

		json_put_str(o, "value", limit_text((enum limit)i, limits->value[i], buf));
		if (m && limits->value[i] != LIMIT_NONE) {
			json_put_str(o, "means", means((enum limit)i, m));
			put_used(o, (enum limit)i, m);
		}
		json_object_object_add(all, limit_rows[i].key, o);
	}
	return all;
}
