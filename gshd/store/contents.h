/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What lies in the sealed layers of a running sandbox, told to its processes (struct grant_names in pal/grant.h): the
 * monitor reads each once, some time after it was sealed, one at a time. The layers are the sandbox's work: no link is
 * followed, and one with many names, or deep ones, is said to have all.
 */
#ifndef GSHD_CONTENTS_H
#define GSHD_CONTENTS_H

#include <stdbool.h>
#include "gshd/store/history.h"

struct event_base;
struct contents;

/* names: the table in the sandbox area. NULL: no memory; nothing is told then. */
struct contents *contents_create(struct event_base *base, struct history *h, struct grant_names *names);
void contents_free(struct contents *c);
/* Nothing is told of this sealed layer, as it gets names; 0: of all again. */
void contents_withhold(struct contents *c, uint32_t number);
/* The chain changed. pushed: by a layer on top and no more; else what was told is taken back first. */
void contents_changed(struct contents *c, bool pushed);

#endif
