/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Short forms for looking into and building json-c objects. A missing or ill-typed member gives the
 * fallback. */
#ifndef GSHD_JSON_H
#define GSHD_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

static inline struct json_object *json_get(struct json_object *o, const char *name,
					   enum json_type type)
{
	struct json_object *v;

	return json_object_object_get_ex(o, name, &v) && json_object_is_type(v, type) ? v : NULL;
}

static inline const char *json_str(struct json_object *o, const char *name, const char *fallback)
{
	struct json_object *v = json_get(o, name, json_type_string);

	return v ? json_object_get_string(v) : fallback;
}

static inline int64_t json_int(struct json_object *o, const char *name, int64_t fallback)
{
	struct json_object *v = json_get(o, name, json_type_int);

	return v ? json_object_get_int64(v) : fallback;
}

static inline bool json_flag(struct json_object *o, const char *name, bool fallback)
{
	struct json_object *v = json_get(o, name, json_type_boolean);

	return v ? json_object_get_boolean(v) : fallback;
}

static inline void json_put_str(struct json_object *o, const char *name, const char *value)
{
	json_object_object_add(o, name, json_object_new_string(value));
}

static inline void json_put_int(struct json_object *o, const char *name, int64_t value)
{
	json_object_object_add(o, name, json_object_new_int64(value));
}

static inline void json_put_bool(struct json_object *o, const char *name, bool value)
{
	json_object_object_add(o, name, json_object_new_boolean(value));
}

#endif
