/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Places of the host's, mounted as they are. */
#ifndef LIBOS_FS_BIND_H
#define LIBOS_FS_BIND_H

#include "pal/grant.h"

struct fs;
/* The i-th of the grant, described in *b. NULL: it cannot be had. */
struct fs *bind_create(unsigned i, struct grant_bind *b);

#endif
