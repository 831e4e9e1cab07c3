/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The history of a sandbox: its chain of layers, its ops, undo, redo, snapshots. gsh-store(5)
 * describes the files.
 *
 *	boxes/NAME/tree/layers/NUMBER   sealed layers, which the sandbox may only read
 *	boxes/NAME/tree/top/NUMBER      the layer that it writes
 *	boxes/NAME/undone/NUMBER        layers that undo took away
 *	boxes/NAME/kept/NUMBER          layers that only snapshots still need
 *	boxes/NAME/trash/               layers on their way out
 *	boxes/NAME/snapshots/NAME       which layers a snapshot is made of
 *	boxes/NAME/journal              ops and what was done to them, a line each
 *	boxes/NAME/.made-ID             a layer that a client is making (history_adopt)
 *	boxes/NAME/pending              a change of several layers that has begun
 *
 * The directories are the truth: the chain is what lies in layers and top, by number. A layer comes
 * and goes by one rename, so that a crash leaves it in one place or the other, and the journal only
 * tells what it was for. What takes several renames is written to `pending` first, and history_open
 * carries it through. Numbers are never used twice.
 *
 * All but history_read() and the like are for who holds the sandbox's lock. While processes run,
 * `publish` is called around every change of the chain.
 */
#ifndef GSHD_HISTORY_H
#define GSHD_HISTORY_H

#include <stdbool.h>
#include <stdint.h>
#include "gshd/store/store.h"

#define HISTORY_LAYERS_MAX (GRANT_LAYERS_MAX - 2) /* no more are put on top; one is for the base */
/* With more than so many layers the oldest are joined until so many are left: beside what runs (squash.h), or at the end
 * of a sandbox, when nobody waits for it. A start does it only where that never came about, and there is hardly room for
 * more ops. */
#define HISTORY_JOIN_ABOVE 40
#define HISTORY_JOIN_LATEST 56
#define HISTORY_JOIN_KEEP 24

#define HISTORY_ROOM_LEAST (32u << 20) /* bytes free on the disk; with less, ops share a layer */
#define HISTORY_COUNT_MAX 1000 /* ops that one call undoes or redoes, at most */

struct json_object;

struct history {
	int box, tree, journal; /* owned */
	unsigned n;
	uint32_t number[GRANT_LAYERS_MAX]; /* the chain, lowest first; the last is the top */
	uint32_t next;			   /* number of the next layer */
	int64_t last_op;
	bool image;  /* the lowest layer is what the sandbox was made of: it stays by itself */
	bool unsettled; /* a change failed, and could not be taken back */
	bool frozen; /* somebody needs the top to stay where it is: ops share it */
	/* number and n are what processes shall use from now on; pushed: a layer was put on top, and no
	 * more. Layers that go are still in place then, those that come already. NULL: nothing runs. */
	void (*publish)(struct history *h, bool pushed);
	void *arg; /* publish's */
};

/* Open a sandbox's history, finish or roll back what a crash interrupted, bring an older format up to
 * date. 0 or -errno with a sentence. */
int history_open(int store, const char *name, struct history *h, char *why)
	__attribute__((warn_unused_result));
void history_close(struct history *h);

/* An op begins: from now on, changes go to a layer of its own, unless the top is still empty, the
 * chain is full or the disk is (less than 32 MiB left: what is removed must give room again). argv: of strings. *op: its number. 0 or -errno: there is no op. */
int history_begin(struct history *h, struct json_object *argv, const char *cwd, int64_t *op)
	__attribute__((warn_unused_result));
/* It ended. status as wait4() gives it; ms: how long it took; argv: what the whole command was, if it has grown since it
 * began, or NULL. */
void history_end(struct history *h, int64_t op, int status, int64_t ms, struct json_object *argv);

/* Take the layers of the last `count` ops that changed something away, or put those that were taken
 * away last back. *done: how many there were. -EBUSY: something changed since the undo. */
int history_undo(struct history *h, unsigned count, unsigned *done) __attribute__((warn_unused_result));
int history_redo(struct history *h, unsigned count, unsigned *done) __attribute__((warn_unused_result));
/* The layers that an undo would take away, the highest first: how many. */
unsigned history_undoes(const struct history *h, unsigned count, uint32_t take[GRANT_LAYERS_MAX]);

/* Put a layer that was made by a client, a directory `made` of the sandbox's, on top as an op of its own. -ENOENT: there
 * is none of that name, or none that may be meant; -EBUSY as with undo. */
int history_adopt(struct history *h, const char *made, struct json_object *argv, const char *cwd, int64_t *op)
	__attribute__((warn_unused_result));
bool history_made_name(const char *name);
/* From now on the top is empty: all that was changed is in sealed layers. */
int history_seal(struct history *h) __attribute__((warn_unused_result));

/* The tree as it is now under a name: seals the top. -EEXIST. */
int history_snapshot(struct history *h, const char *name) __attribute__((warn_unused_result));

/* Join the oldest layers until there are `keep` (with the top), or as few as snapshots allow.
 * -EOPNOTSUPP: a directory was renamed there. */
int history_join(struct history *h, unsigned keep) __attribute__((warn_unused_result));
/* Join if there are more layers than that. Best effort: with too many, ops share a layer. */
void history_trim(struct history *h, unsigned above);

bool history_top_empty(const struct history *h);
/* Layers that only snapshots needed that are there no longer go to the trash. */
int history_forget_kept(struct history *h) __attribute__((warn_unused_result));

/* Empty the trash. May take long; nothing else is touched, and it may be killed at any time. */
int history_sweep(int store, const char *name);

/* ---- for readers, without the lock ---- */

/* The numbers of the chain as it is now, lowest first, the last is the top. Their count or -errno. */
int history_chain(int tree, uint32_t number[GRANT_LAYERS_MAX]);
/* Where a layer of this number lies below the sandbox's directory ("tree/layers/0003"), or -ENOENT. */
int history_find(int box, uint32_t number, char path[32]);
/* The layers that make up a version, lowest first; *op: the op after which it was. Their count,
 * -ENOENT: there is no such version, -errno. The word is "now", an op's number or a snapshot's name. */
int history_version(int box, const char *word, uint32_t number[GRANT_LAYERS_MAX], int64_t *op);
/* All ops, oldest first: {op, layer, cmd, cwd, start, ms?, status?, state: "done" | "running" |
 * "undone" | "squashed" | "dropped"}. layer is 0 where the op changed nothing. NULL: no memory. */
struct json_object *history_ops(int box);
struct json_object *history_snapshots(int box);

/* ---- pens.c ---- */
/* Nobody writes through the mount until what this returns is closed: a descriptor; -EBUSY: somebody did for too long. */
int pens_wait(int box) __attribute__((warn_unused_result));

/* ---- past.c: answers of the daemon's and the monitor's methods ---- */
struct wire_call;
void history_answer(struct wire_call *call, struct history *h,
		    int (*fn)(struct history *h, unsigned count, unsigned *done));
void history_answer_snapshot(struct wire_call *call, struct history *h);
/* The command of an op that a call begins, borrowed. NULL: it is none, and was answered. */
struct json_object *history_argv(struct wire_call *call);
void history_answer_adopt(struct wire_call *call, struct history *h);
void history_answer_seal(struct wire_call *call, struct history *h);
void history_answer_push(struct wire_call *call, struct history *h);

#endif
