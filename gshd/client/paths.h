/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Where things lie: the store, the runtime directory, the mount point.
 *
 *	store      $GSH_STORE, else [Store] Path=, else $XDG_DATA_HOME/gsh, else ~/.local/share/gsh
 *	runtime    $GSH_RUNTIME, else $XDG_RUNTIME_DIR/gsh, else /tmp/gsh-UID
 *	mount      $GSH_MOUNT, else $XDG_RUNTIME_DIR/gfs, else /tmp/gsh-UID/gfs
 */
#ifndef GSHD_CLIENT_PATHS_H
#define GSHD_CLIENT_PATHS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct sockaddr_un;

#define STORE_VERSION "gsh-store 2" /* what the file VERSION of a store says */

struct paths {
	char store[PATH_MAX];
	char runtime[PATH_MAX];
	char mount[PATH_MAX];
};

/* Fill in all three; nothing is made. 0, or -errno with a sentence in why. */
int paths_find(struct paths *p, char *why, size_t size) __attribute__((warn_unused_result));
/* Make the runtime directory and its parts (box, log), 0700 and ours, or say what is wrong with
 * it. */
int paths_make_runtime(const struct paths *p, char *why, size_t size)
	__attribute__((warn_unused_result));

/* A unix socket's address for path, however long: a path that does not fit goes by way of *dir, a
 * descriptor of its directory that must stay open as long as the address is used (-1: not needed).
 * Returns the length or -errno. */
int paths_address(const char *path, struct sockaddr_un *addr, int *dir);
/* Connect to, or listen at, a socket by path. A descriptor, or -errno. */
int paths_connect(const char *path) __attribute__((warn_unused_result));
int paths_listen(const char *path) __attribute__((warn_unused_result));

/* The path of a program of ours, or of what lies beside them: name, from the directory of our own executable. 0, or -errno
 * if it is not there or not to be executed. */
int paths_beside(const char *name, char *buf, size_t size) __attribute__((warn_unused_result));

/* [A-Za-z0-9._-]{1,63}, no leading dot or dash. */
bool paths_name_ok(const char *name);

#endif
