// SPDX-License-Identifier: LGPL-3.0-or-later
/* Attributes as the sandbox sees them: the host's, but for what user.gsh.attr says and without what
 * gsh itself keeps. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include "gshd/tree/tree.h"

#define NAMES_MAX 65536 /* XATTR_LIST_MAX */

ssize_t spot_xattr(const struct spot *s, const char *name, void *value, size_t size)
{
	char path[32];
	ssize_t n;

	/* An O_PATH descriptor has no attributes of its own to ask for; of a link nothing is asked
	 * that it could lead to. */
	if (S_ISLNK(s->st.st_mode))
		return -ENODATA;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->at[0].fd);
	n = getxattr(path, name, value, size);
	return n < 0 ? -errno : n;
}

bool spot_own_attr(const struct spot *s, struct union_attr *a)
{
	char value[UNION_VALUE_MAX];
	ssize_t n;

	if (s->at[0].layer == 0 || !union_is_marked(s->st.st_mode))
		return false;
	n = spot_xattr(s, UNION_ATTR, value, sizeof(value));
	return n > 0 && !union_attr_decode(value, (size_t)n, a) &&
	       union_attr_fits(s->st.st_mode, a);
}

uint64_t spot_origin(const struct spot *s)
{
	char value[UNION_VALUE_MAX];
	u64 origin;
	ssize_t n;

	if (s->at[0].layer == 0 || !union_is_marked(s->st.st_mode))
		return 0;
	n = spot_xattr(s, UNION_ORIGIN, value, sizeof(value));
	return n > 0 && !union_origin_decode(value, (size_t)n, &origin) ? origin : 0;
}

uint64_t spot_number(const struct spot *s)
{
	uint64_t origin = s->root ? 0 : spot_origin(s);
	struct stat base;

	if (origin)
		return origin;
	/* The root is the base's, whatever tops come and go. */
	if (s->root && !fstat(s->tree->fd[0], &base))
		return base.st_ino;
	return union_fold_ino(s->st.st_ino, s->st.st_dev, s->tree->main_dev);
}

void spot_attr_inside(const struct spot *s, struct union_attr *a)
{
	if (spot_own_attr(s, a))
		return;
	*a = (struct union_attr){
		.mode = s->st.st_mode,
		.uid = s->st.st_uid,
		.gid = s->st.st_gid,
		.rdev = S_ISCHR(s->st.st_mode) || S_ISBLK(s->st.st_mode) ? s->st.st_rdev : 0,
	};
	if (s->at[0].layer && union_is_marked(s->st.st_mode))
		a->mode &= ~UNION_MARK;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sort NUL-terminated names that lie one after another. */
static int sort_names(char *names, size_t size)
{
	size_t count = 0, i = 0;
	const char **at;
	char *copy, *to = names;

	for (size_t o = 0; o < size; o += strlen(names + o) + 1)
		count++;
	if (count < 2)
		return 0;
	copy = malloc(size);
	at = calloc(count, sizeof(*at));
	if (!copy || !at) {
		free(copy);
		free(at);
		return -ENOMEM;
	}
	memcpy(copy, names, size);
	for (size_t o = 0; o < size; o += strlen(copy + o) + 1)
		at[i++] = copy + o;
	qsort(at, count, sizeof(*at), by_name);
	for (i = 0; i < count; i++)
		to = stpcpy(to, at[i]) + 1;
	free(copy);
	free(at);
	return 0;
}

ssize_t spot_xattrs(const struct spot *s, char **names)
{
	char path[32], *all;
	size_t kept = 0;
	ssize_t size;
	int err;

	*names = NULL;
	if (S_ISLNK(s->st.st_mode))
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->at[0].fd);
	size = listxattr(path, NULL, 0);
	if (size <= 0)
		return size == 0 || errno == EOPNOTSUPP ? 0 : -errno;
	all = malloc(NAMES_MAX + 1);
	if (!all)
		return -ENOMEM;
	size = listxattr(path, all, NAMES_MAX);
	if (size < 0)
		size = 0;
	all[size] = '\0';
	for (char *p = all; p < all + size;) {
		size_t one = strlen(p) + 1;

		if (!strncmp(p, "user.", 5) && !union_is_hidden_xattr(p)) {
			memmove(all + kept, p, one);
			kept += one;
		}
		p += one;
	}
	err = sort_names(all, kept);
	if (err) {
		free(all);
		return err;
	}
	*names = all;
	return (ssize_t)kept;
}
