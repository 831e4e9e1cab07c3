/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Who holds files of a directory open, as the host's /proc tells. */
#ifndef GSHD_HELD_H
#define GSHD_HELD_H

#include <stdbool.h>

/* Does a descendant of the calling process have a file open for writing, locked, or mapped so that it may write it,
 * whose path has `place` ("/tree/top/0007/") in it? Not the path's beginning: from another mount namespace the kernel
 * shows it from the root of a mount. A file without a name does not count. Descendants beyond HELD_PROCESSES are not
 * looked at: true then. What cannot be read is taken as not held. Source: proc(5), PID/task/TID/children, fd, fdinfo,
 * maps. */
#define HELD_PROCESSES 256
bool held_below(const char *place);
/* Is a descendant of this process stopped, by a signal or a debugger? The same bounds. */
bool held_stopped(int root);

#endif
