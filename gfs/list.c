// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Directory listings: a snapshot taken at opendir, so that reading it in pieces neither repeats nor
 * skips names.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "gfs/gfs.h"
#include "libos/union/union.h"

#define ENTRIES_MAX (4u << 20)

struct listing {
	struct union_list list;
};

struct listing *listing_empty(void)
{
	return calloc(1, sizeof(struct listing));
}

void listing_free(struct listing *l)
{
	if (!l)
		return;
	union_list_free(&l->list);
	free(l);
}

int listing_add(struct listing *l, const char *name, unsigned char type, uint64_t ino)
{
	if (l->list.count >= ENTRIES_MAX)
		return -EOVERFLOW;
	return union_list_add(&l->list, 0, name, type, ino, false) ? -ENOMEM : 0;
}

int listing_make(const struct spot *s, struct listing **out)
{
	struct listing *l = listing_empty();
	int err = l ? 0 : -ENOMEM;

	for (unsigned i = 0; i < s->n && !err; i++)
		err = spot_list(s, i, &l->list);
	if (err) {
		listing_free(l);
		return err;
	}
	*out = l;
	return 0;
}

/* Offset 0 and 1 are the dots; a name's is its index + 2, and what is told is the offset of the
 * next. */
static const char *entry(const struct listing *l, uint64_t i, struct stat *st, bool *hidden)
{
	static const struct union_name directory = {.type = DT_DIR};
	static const char *const dots[] = {".", ".."};
	const struct union_name *n = i < 2 ? &directory : &l->list.names[i - 2];

	*st = (struct stat){.st_mode = (mode_t)n->type << 12, .st_ino = n->ino ? n->ino : 1};
	*hidden = n->hidden;
	return i < 2 ? dots[i] : union_list_text(&l->list, n);
}

size_t listing_fill(fuse_req_t req, const struct listing *l, char *buf, size_t size, off_t off)
{
	size_t used = 0, need;
	struct stat st;
	bool hidden;

	for (uint64_t i = off < 0 ? 0 : (uint64_t)off; i < l->list.count + 2ull; i++) {
		const char *name = entry(l, i, &st, &hidden);

		if (hidden)
			continue;
		need = fuse_add_direntry(req, buf + used, size - used, name, &st, (off_t)(i + 1));
		if (need > size - used)
			break;
		used += need;
	}
	return used;
}

size_t listing_fill_plus(fuse_req_t req, const struct listing *l, listing_look *look, struct node *n, char *buf,
			 size_t size, off_t off)
{
	size_t used = 0, need;
	bool hidden;

	for (uint64_t i = off < 0 ? 0 : (uint64_t)off; i < l->list.count + 2ull; i++) {
		struct fuse_entry_param e = {0}, found = {0};
		const char *name = entry(l, i, &e.attr, &hidden);

		if (hidden)
			continue;
		need = fuse_add_direntry_plus(req, NULL, 0, name, NULL, 0);
		if (need > size - used)
			break;
		if (look && i >= 2 && !look(n, name, &found))
			e = found;
		used += fuse_add_direntry_plus(req, buf + used, size - used, name, &e, (off_t)(i + 1));
	}
	return used;
}
