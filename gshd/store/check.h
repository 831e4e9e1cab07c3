/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What is wrong with the sandboxes of a store. */
#ifndef GSHD_CHECK_H
#define GSHD_CHECK_H

#include <stdbool.h>

struct json_object;

/* Look at each sandbox that does not run, and append what is found to items, {check, level, text, hint}, a sentence
 * each; where nothing is wrong, one that says so. With repair, put right what can be: then the text says what was done,
 * and "repaired" whether it could be. Nothing is thrown away but what no version of a sandbox has; what is replaced goes to
 * boxes/NAME/damaged. only: this sandbox alone, or NULL. -ENOENT: there is none of that name. */
int check_sandboxes(int store, const char *only, bool repair, struct json_object *items)
	__attribute__((warn_unused_result));

#endif
