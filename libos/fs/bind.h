/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Places of the host's, mounted as they are. */
#ifndef LIBOS_FS_BIND_H
#define LIBOS_FS_BIND_H

#include "pal/grant.h"

struct fs;
/* The i-th, described in *b, whose descriptor is fd. NULL: it cannot be had. */
struct fs *bind_create(unsigned i, int fd, const struct grant_bind *b);
/* One that came later, into this process: its descriptor or -errno. */
int bind_open(unsigned i, const struct grant_bind *b);

#endif
