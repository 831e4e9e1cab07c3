/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Status: what a sandbox changed, by walking its layers beside the base.
 *
 *	A  is in the layers, and the base has nothing there D a whiteout, or hidden by an opaque
 *	   directory
 *	M  differs from the base's file T is of another type than the base's
 *
 * The layers are what a sandbox wrote, perhaps is writing now: everything is opened relative to
 * directory descriptors, no link is ever followed, no depth believed. A file copied up and not
 * changed is no change.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "gshd/store/chain.h"
#include "gshd/daemon.h"
#include "gshd/wire/json.h"
#include "libos/union/union.h"

#define BATCH 256
#define COMPARE_MAX (64 << 20) /* a larger file of the same size counts as modified */
#define DEPTH_MAX 512

struct walk {
	struct wire_call *call;
	struct json_object *items;
	char path[PATH_MAX];
	unsigned depth;
	bool stopped; /* the client has gone */
};

/* One directory of the merged tree: its copies in the layers, highest first, and the base's. */
struct place {
	int layer[GRANT_LAYERS_MAX];
	unsigned nlayers;
	int base;    /* -1: the base has no such directory */
	bool opaque; /* what only the base has is gone */
};

static void report(struct walk *w, char change, const struct stat *st)
{
	const char *kind = S_ISDIR(st->st_mode)	   ? "d"
			   : S_ISLNK(st->st_mode)  ? "l"
			   : S_ISREG(st->st_mode)  ? "f"
			   : S_ISFIFO(st->st_mode) ? "p"
			   : S_ISSOCK(st->st_mode) ? "s"
						   : "c";
	char letter[2] = { change, '\0' };
	struct json_object *o = json_object_new_object(), *p;

	json_put_str(o, "path", w->path);
	json_put_str(o, "change", letter);
	json_put_str(o, "kind", kind);
	json_put_int(o, "size", S_ISREG(st->st_mode) ? st->st_size : 0);
	json_object_array_add(w->items, o);
	if (json_object_array_length(w->items) < BATCH || !w->call->more)
		return;
	p = json_object_new_object();
	json_object_object_add(p, "items", w->items);
	w->items = json_object_new_array();
	if (!wire_reply_more(w->call, p))
		w->stopped = true;
}

static int open_dir(int at, const char *name)
{
	return at < 0 ? -1
		      : openat(at, name,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

static bool has_flag(int dir, const char *name)
{
	char v[2];

	return fgetxattr(dir, name, v, sizeof(v)) == 1 && v[0] == 'y';
}

/* ---- is a file of a layer the base's? ---- */

static bool same_bytes(int a, int b, off_t size)
{
	static char x[65536], y[65536];

	for (off_t at = 0; at < size;) {
		ssize_t n = pread(a, x, sizeof(x), at);
		if (n <= 0 || pread(b, y, (size_t)n, at) != n || memcmp(x, y, (size_t)n))
			return false;
		at += n;
	}
	return true;
}

static bool same_file(int layer, int base, const char *name, const struct stat *a,
		      const struct stat *b)
{
	bool same;

	if (a->st_size != b->st_size || (a->st_mode & 07777) != (b->st_mode & 07777) ||
	    a->st_size > COMPARE_MAX)
		return false;
	int x = openat(layer, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int y = openat(base, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	same = x >= 0 && y >= 0 && same_bytes(x, y, a->st_size);
	if (x >= 0)
		close(x);
	if (y >= 0)
		close(y);
	return same;
}

static bool same_link(int layer, int base, const char *name)
{
	char x[PATH_MAX], y[PATH_MAX];
	ssize_t n = readlinkat(layer, name, x, sizeof(x));

	return n >= 0 && readlinkat(base, name, y, sizeof(y)) == n && !memcmp(x, y, (size_t)n);
}

/* ---- the walk ---- */

static void walk_place(struct walk *w, struct place *p);

/* Go down into `name`, a directory in layer number `first` and perhaps in lower ones and the
 * base. */
static void descend(struct walk *w, const struct place *p, const char *name, unsigned first)
{
	struct place *q = calloc(1, sizeof(*q));
	struct stat st;
	bool more = true;

	if (!q)
		return;
	q->base = -1;
	for (unsigned i = first; i < p->nlayers && more; i++) {
		int fd = open_dir(p->layer[i], name);
		if (fd >= 0) {
			q->layer[q->nlayers++] = fd;
			/* Opaque, or moved here from elsewhere: nothing of this name below
			 * counts. */
			more = !has_flag(fd, "user.overlay.opaque") &&
			       fgetxattr(fd, "user.overlay.redirect", NULL, 0) < 0;
		} else if (!fstatat(p->layer[i], name, &st, AT_SYMLINK_NOFOLLOW)) {
			more = false; /* a file or a whiteout hides all below */
		}
	}
	q->base = open_dir(p->base, name);
	q->opaque = !more || p->opaque;
	walk_place(w, q);
	for (unsigned i = 0; i < q->nlayers; i++)
		close(q->layer[i]);
	if (q->base >= 0)
		close(q->base);
	free(q);
}

static void compare(struct walk *w, const struct place *p, const char *name, unsigned layer,
		    const struct stat *st)
{
	struct stat base;
	bool there = p->base >= 0 && !fstatat(p->base, name, &base, AT_SYMLINK_NOFOLLOW);

	if (is_whiteout(st)) {
		if (there)
			report(w, 'D', &base);
		return;
	}
	if (!there)
		report(w, 'A', st);
	else if ((st->st_mode & S_IFMT) != (base.st_mode & S_IFMT))
		report(w, 'T', st);
	else if (S_ISREG(st->st_mode) && !same_file(p->layer[layer], p->base, name, st, &base))
		report(w, 'M', st);
	else if (S_ISLNK(st->st_mode) && !same_link(p->layer[layer], p->base, name))
		report(w, 'M', st);
	if (S_ISDIR(st->st_mode) && !w->stopped)
		descend(w, p, name, layer);
}

/* Is the name in a layer above? Then it was seen there. */
static bool seen_above(const struct place *p, unsigned layer, const char *name)
{
	struct stat st;

	for (unsigned i = 0; i < layer; i++)
		if (!fstatat(p->layer[i], name, &st, AT_SYMLINK_NOFOLLOW))
			return true;
	return false;
}

/* Append the name to the path; its old length, or 0 if there is no room. */
static size_t enter(struct walk *w, const char *name)
{
	size_t n = strlen(w->path);

	if (n + strlen(name) + 2 >= sizeof(w->path))
		return 0;
	snprintf(w->path + n, sizeof(w->path) - n, "%s%s", n > 1 ? "/" : "", name);
	return n;
}

static void walk_names(struct walk *w, const struct place *p, int dir, unsigned layer)
{
	struct dirent **names;
	struct stat st;
	int n = scandirat(dir, ".", &names, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;
		size_t length = 0;
		/* The index of names in a layer's root is no file of the sandbox. */
		bool index = !w->path[1] && layer < p->nlayers && union_is_links(name, strlen(name));
		if (!index && !w->stopped && strcmp(name, ".") && strcmp(name, "..") &&
		    !seen_above(p, layer, name) && !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
			length = enter(w, name);
		if (length && layer < p->nlayers)
			compare(w, p, name, layer, &st);
		else if (length)
			report(w, 'D', &st); /* the base's, below an opaque directory */
		if (length)
			w->path[length] = '\0';
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

static void walk_place(struct walk *w, struct place *p)
{
	if (++w->depth <= DEPTH_MAX) {
		for (unsigned i = 0; i < p->nlayers && !w->stopped; i++)
			walk_names(w, p, p->layer[i], i);
		if (p->opaque && p->base >= 0 && !w->stopped)
			walk_names(w, p, p->base, p->nlayers);
	}
	w->depth--;
}

void status_answer(struct wire_call *call)
{
	const struct daemon *d = call->server->context;
	const char *name = daemon_name(call);
	struct walk w = { .call = call, .path = "/" };
	struct json_object *p;
	static struct place top;
	static struct chain chain;
	char why[STORE_WHY];
	int err;

	if (!name)
		return;
	err = chain_open(d->store, name, "now", &chain, why);
	if (err == -ENOENT) {
		p = json_object_new_object();
		json_put_str(p, "name", name);
		wire_error(call, "org.gsh.NoSuchSandbox", p);
		return;
	}
	if (err) {
		wire_fail(call, "org.gsh.Failed", name, why, NULL);
		return;
	}
	/* Of an image the lowest layer is what the rest is held against. */
	top.base = chain.image && chain.n ? chain.layer[chain.n - 1].fd : chain.base;
	top.nlayers = chain.n - (chain.image && chain.n);
	for (unsigned i = 0; i < top.nlayers; i++)
		top.layer[i] = chain.layer[i].fd;
	w.items = json_object_new_array();
	walk_place(&w, &top);
	chain_close(&chain);
	p = json_object_new_object();
	json_object_object_add(p, "items", w.items);
	wire_reply(call, p);
}
