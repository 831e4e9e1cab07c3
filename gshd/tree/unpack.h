/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Archives made into a layer: tar, and OCI image layouts as a directory or a tar of one; gzip, zstd, xz, bzip2.
 *
 * An archive is hostile, and so may be what reads it make of it: all of it is done by a child that has Landlock rights to
 * the directory that it fills and to the layout it reads, and a seccomp list without programs, sockets or processes. No name
 * leads out of the directory, no link is followed on the way in. Owners and modes that the user can't give go where the
 * union keeps them, a device is an empty file with its number beside it.
 *
 *	unpack.c	one tar; names in the tree that is made
 *	unpack_oci.c	index, manifests, layers, their digests
 *	unpack_jail.c	the child, and what it says
 *	unpack_late.c	times of what cannot be opened
 */
#ifndef GSHD_TREE_UNPACK_H
#define GSHD_TREE_UNPACK_H

#include <signal.h>
#include "gshd/tree/tree.h"

struct unpack {
	int dir;   /* that is filled */
	int blobs; /* an empty directory for what is needed in between */
	/* So much was done, in the calling process. */
	void (*step)(uint64_t files, uint64_t bytes, void *arg);
	void *arg;
	const volatile sig_atomic_t *stop; /* as in struct copy */
};

#define UNPACK_WHY 512

/* Fill u->dir from a file, or from a directory with an image layout. 0, -EINTR, or -errno with a sentence, printable. */
int unpack_run(const struct unpack *u, int from, char *why) tree_must_check;

/* ---- between the three ---- */

struct unpacker {
	const struct unpack *u;
	char *why; /* UNPACK_WHY bytes */
	uint64_t bytes, files, told, checked;
	int out; /* where progress is told */
	int late; /* see unpack_late_add */
	struct dir_time {
		char *path;
		struct timespec time;
	} *times;
	size_t ntimes, room;
};

/* Say what is wrong with an entry; returns err. */
int unpack_say(struct unpacker *p, int err, const char *name, const char *what);
/* So much is there: tells, and fails when the disk is all but full. */
int unpack_step(struct unpacker *p, uint64_t files, uint64_t bytes) tree_must_check;
/* whiteouts: only they are carried out, and nothing else; else all but they. */
int unpack_tar(struct unpacker *p, int fd, bool whiteouts) tree_must_check;
int unpack_times(struct unpacker *p) tree_must_check;
/*
 * Links and fifos cannot be opened, and what could give them their times by name could do so outside. So the child writes
 * names and times to a file of memory, and its parent, who trusts none of it, gives what it finds there without leaving
 * the directory its time. What is not there, or is something else, is passed over.
 */
int unpack_late_file(void);
int unpack_late_add(const struct unpacker *p, const char *path, const struct timespec *time) tree_must_check;
void unpack_late_set(int late, int dir);
/* The first name in an archive, or "". */
void unpack_first_name(int fd, char *name, size_t size);
/* from: a directory with a layout, or a tar of one. */
int unpack_oci(struct unpacker *p, int from, bool is_dir) tree_must_check;
struct archive;
struct archive *unpack_open(struct unpacker *p, int fd);

#endif
