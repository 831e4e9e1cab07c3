// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * What a name means in a stack of layers. From the highest layer down: the first entry decides; a directory takes in
 * the directories of that name below it, until one is opaque or redirected, or something that is no directory (a
 * whiteout, a file) is in the way. Linux: fs/overlayfs/namei.c, ovl_lookup().
 */
#if __STDC_HOSTED__
#include <string.h>
#endif
#include "libos/union/union.h"

#define IS_DIR(mode) (((mode) & 0170000) == 0040000)

void union_merge_init(struct union_merge *m)
{
	*m = (struct union_merge){ .top = -1 };
}

bool union_merge_feed(struct union_merge *m, unsigned layer, const struct union_entry *e)
{
	if (!e->mode)
		return true;
	if (layer > 0 && union_is_whiteout(e->mode, e->rdev)) {
		m->whiteout = m->top < 0;
		return false;
	}
	if (m->top >= 0 && !IS_DIR(e->mode))
		return false; /* a file below a directory is hidden */
	m->layers |= 1ull << layer;
	if (m->top < 0)
		m->top = (int)layer;
	if (!IS_DIR(e->mode) || e->opaque)
		return false;
	m->redirected = e->redirected;
	return !e->redirected;
}

static bool component_valid(const char *s, size_t n)
{
	if (!n || n > 255)
		return false;
	return !(s[0] == '.' && (n == 1 || (n == 2 && s[1] == '.')));
}

bool union_redirect_valid(const char *value, size_t size)
{
	size_t i = 0, begin;
	bool absolute = size && value[0] == '/';

	if (!size || size >= UNION_REDIRECT_MAX || memchr(value, '\0', size))
		return false;
	if (!absolute)
		return !memchr(value, '/', size) && component_valid(value, size);
	while (i < size) {
		begin = ++i;
		while (i < size && value[i] != '/')
			i++;
		if (!component_valid(value + begin, i - begin))
			return false;
	}
	return true;
}
