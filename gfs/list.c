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
size_t listing_fill(fuse_req_t req, const struct listing *l, char *buf, size_t size, off_t off)
{
	static const struct union_name directory = {.type = DT_DIR};
	static const char *const dots[] = {".", ".."};
	uint64_t i = off < 0 ? 0 : (uint64_t)off;
	size_t used = 0;

	for (; i < l->list.count + 2ull; i++) {
		const struct union_name *n = i < 2 ? &directory : &l->list.names[i - 2];
		struct stat st = {.st_mode = (mode_t)n->type << 12,
				  .st_ino = n->ino ? n->ino : 1};
		const char *name = i < 2 ? dots[i] : union_list_text(&l->list, n);
		size_t need;

		if (n->hidden)
			continue;
		need = fuse_add_direntry(req, buf + used, size - used, name, &st, (off_t)(i + 1));
		if (need > size - used)
			break;
		used += need;
	}
	return used;
}
