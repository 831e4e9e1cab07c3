/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the files of a commit have between them. Functions return 0, a descriptor or negative errno. */
#ifndef GSHD_TREE_COMMIT_IMPL_H
#define GSHD_TREE_COMMIT_IMPL_H

#include "gshd/tree/commit.h"

/* ---- action.c ---- */
/* A path of the host below root, no link on the way followed. */
int host_open(int root, const char *path, int flags) tree_must_check;
/* The folder that holds it, and its last name. */
int host_parent(int root, const char *path, const char **last) tree_must_check;
int host_rename(int from, const char *a, int to, const char *b, unsigned flags) tree_must_check;
void stamp_take(const struct stat *st, struct commit_stamp *s);
/* Of a directory, whose times tell nothing of itself. */
void stamp_dir(const struct stat *st, uint32_t mode, struct commit_stamp *s);
bool stamp_is_dir(const struct commit_stamp *s);
int stamp_at(int dir, const char *name, struct commit_stamp *s) tree_must_check;
/* For sorting and searching. */
int stamp_order(const void *a, const void *b);
/* Has it a staged name beside its path? */
bool action_stages(enum commit_do what);
/* -ESTALE: the host is not as it was planned. */
int action_do(const struct commit *c, const struct commit_action *a) tree_must_check;
/* Take back the first n actions, those that are done, and remove what was staged. */
void commit_take_back(const struct commit *c, size_t n);
void commit_drop_stages(const struct commit *c);

/* ---- plan.c ---- */
struct commit_action *commit_add(struct commit *c, enum commit_do what, const char *path);

/* ---- commit.c ---- */
/* It is applied: keep what it replaced, and say that it is done. */
int commit_finish(struct commit *c) tree_must_check;

/* ---- journal.c ---- */
/* Give the commit its number, and write down that it stages. */
int journal_begin(struct commit *c) tree_must_check;
/* Write all of it anew. */
int journal_write(struct commit *c, const char *state) tree_must_check;
int journal_state(struct commit *c, unsigned number, const char *state) tree_must_check;
void journal_drop(struct commit *c, unsigned number);
int journal_old(const struct commit *c, unsigned number) tree_must_check;
int journal_load(struct commit *c, unsigned number) tree_must_check;
/* *number 0: that of the last commit that is done; else check that it is. */
int journal_find(struct commit *c, unsigned *number) tree_must_check;
void commit_free_actions(struct commit *c);

#endif
