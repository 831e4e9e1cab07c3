/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Deleting trees that a sandbox made: for the daemon, and for gsh, which makes parts of the store itself. */
#ifndef GSHD_CLIENT_DELETE_H
#define GSHD_CLIENT_DELETE_H

/* Delete all below a directory, and it, whatever its modes. Never follows a symbolic link, never
 * leaves the mount. 0 or -errno. */
int store_delete_tree(int at, const char *name);
/* Empty a directory. 0 or -errno. */
int store_empty(int at, const char *name);

#endif
