/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A commit: changes of a sandbox carried out on the host, all or none.
 *
 *	plan	what differs becomes actions; the caller leaves out and refuses
 *	journal	the actions are written down in the sandbox's folder
 *	stage	each new file is made beside its place, on the same file system, under a name of its own; all is
 *		synced, and its inode number written down
 *	apply	renames only: what is replaced changes places with what replaces it, and is then looked at once more;
 *		if it is not what was planned against, or anything fails, all that was done is taken back
 *	keep	what was replaced goes beside the journal, so that the commit can be undone
 *
 *	plan.c action.c commit.c journal.c
 *
 * What a crash leaves is taken back by commit_recover() from the journal: every action can be told to be done or not by
 * the inode numbers in it. On the host nothing is followed: every path is opened beneath the root with openat2(2).
 *
 *	BOX/commits/lock
 *	BOX/commits/N/journal.json	{"schema":"gsh.commit/1","state":STATE,"undoes":N,"root":..,"actions":[..]}
 *	BOX/commits/N/old/I		what action I replaced or deleted
 *
 * STATE goes from "staging" and "applying" (taken back after a crash) by "applied" (finished after one) to "done" and, once it was
 * undone, "undone"; that of a commit that undoes another is "undo" at the end.
 *
 * Functions return 0 or negative errno.
 */
#ifndef GSHD_TREE_COMMIT_H
#define GSHD_TREE_COMMIT_H

#include "gshd/tree/common.h"
#include "gshd/tree/copy.h"

enum commit_do {
	COMMIT_UNLOCK, /* a folder's mode, ahead of what is done in it */
	COMMIT_DELETE,
	COMMIT_RMDIR,
	COMMIT_MKDIR,
	COMMIT_PUT,
	COMMIT_ADD,
	COMMIT_CHMOD,
};

/* Had the host changed what an action replaces, and what became of that? */
enum commit_host {
	HOST_SAME,   /* it had not */
	HOST_TAKEN,  /* it was replaced even so */
	HOST_MERGED, /* it is in what replaces it: of the host's new file the sandbox knows a part only */
	HOST_BACK,   /* what is put there is that other side, by an undo */
};

struct commit_stamp {
	uint64_t dev, ino;
	int64_t size, sec, nsec; /* of the last change of contents */
};

struct commit_action {
	enum commit_do what;
	char *path;  /* absolute, below the root; owned */
	char *stage; /* where the staged object is made and the old one left: a path below the root; owned, or NULL */
	uint32_t mode_old, mode_new;
	struct commit_stamp was, is; /* of the object that is there, and of the staged one */
	unsigned id;		     /* its number in the journal */
	enum commit_host host;
	int content; /* what the file gets instead of the sandbox's contents; owned; -1: nothing */
};

struct commit_last {
	char *path; /* owned */
	unsigned number;
	bool is_there; /* it did not delete it */
};

struct commit {
	int root; /* of the host's tree: owned by the caller */
	char *root_path;
	struct commit_action *actions;
	size_t n, room;
	int dir;	 /* BOX/commits, locked; or -1 */
	int lock;
	unsigned number; /* of this commit */
	unsigned undoes; /* the number of the one that it takes back; 0: none */
	struct commit_stamp *known; /* of what earlier commits put on the host, sorted; owned */
	size_t nknown;
	struct commit_last *last;   /* of each path that commits put there, which did last; sorted; owned */
	size_t nlast;
	int box;		    /* the sandbox's folder; owned */
	struct touched touched;     /* of the layers of `now` */
	size_t failed;	 /* the action that failed, after an error of commit_run() */
};

/* Open (make) a sandbox's commits below its folder, and lock them. -EWOULDBLOCK: another commit is at work. */
int commit_open(struct commit *c, int box, int root, const char *root_path) tree_must_check;
void commit_close(struct commit *c);
/* Take back, or finish, what a crash left half done; how many commits that were. */
int commit_recover(struct commit *c) tree_must_check;

/* Learn when the layers of `now` first touched what they hold; before all below. */
int commit_watch(struct commit *c, const struct tree *now) tree_must_check;
/* Add what a difference asks for: one action or two. */
int commit_plan(struct commit *c, const struct diff_found *f) tree_must_check;
/* The file that was planned last gets these contents; takes the descriptor. */
void commit_content(struct commit *c, int content);
/* The host had changed what was planned last. mode: what the file gets if it is merged. */
void commit_host(struct commit *c, enum commit_host host, uint32_t mode);
/* The text that both had before the host changed it, and its mode then: a descriptor. -ENOENT: it was not kept. */
int commit_common(const struct commit *c, const struct tree *now, const char *path, uint32_t *mode) tree_must_check;
/* This stays: so do the folders above it that were to go. How many these are. */
size_t commit_spare(struct commit *c, const char *path);
/* Has the host changed the object since the sandbox first touched it, other than by a commit? It cannot be told: yes. */
bool commit_changed(const struct commit *c, const struct tree *now, const struct diff_found *f);

/* Stage, journal, apply, keep. source: the tree that the new files come from. -ESTALE: the host changed meanwhile. */
int commit_run(struct commit *c, const struct tree *source, const struct copy *copy) tree_must_check;

/* Make c the commit that takes back number N (0: the last that is done), and run it. -ENOENT: there is none; -ESTALE as
 * above. */
int commit_undo(struct commit *c, unsigned number) tree_must_check;

#endif
