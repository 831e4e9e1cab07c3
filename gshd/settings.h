/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A sandbox's own settings in the store. All return 0 or -errno. */
#ifndef GSHD_SETTINGS_H
#define GSHD_SETTINGS_H

#include <stddef.h>
#include "conf/conf.h"
#include "gshd/client/paths.h"

#define SETTINGS_MAX 65536 /* bytes of a sandbox's own settings */

/* All that holds for a sandbox, with `more` (text, or NULL) on top; a sentence in why. */
int settings_load(const struct paths *paths, const char *name, const char *more, struct conf *conf, char *why,
		  size_t size) __attribute__((warn_unused_result));
/* Its own text: "" if there is none. */
int settings_get(const struct paths *paths, const char *name, char *text, size_t size)
	__attribute__((warn_unused_result));
int settings_put(const struct paths *paths, const char *name, const char *text)
	__attribute__((warn_unused_result));
/* Those of the project that it is started in; "" for none. */
int settings_put_project(const struct paths *paths, const char *name, const char *text)
	__attribute__((warn_unused_result));
/* Take the lines KEY=VALUE out of it: 1 if there was one, 0, or -errno. */
int settings_drop(const struct paths *paths, const char *name, const char *key, const char *value)
	__attribute__((warn_unused_result));
/* Text at the end of it. */
int settings_add(const struct paths *paths, const char *name, const char *more)
	__attribute__((warn_unused_result));

#endif
