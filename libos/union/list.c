// SPDX-License-Identifier: LGPL-3.0-or-later
/* Merged listings, by a hash of names: linear in the number of entries. */
#if __STDC_HOSTED__
#include <stdlib.h>
#include <string.h>
#define list_realloc realloc
#define list_free free
#else
#include "pal/base/heap.h"
#define list_realloc base_realloc
#define list_free base_free
#endif
#include "libos/union/union.h"

static u32 hash_name(const char *s, size_t n)
{
	u32 h = 2166136261u;

	while (n--)
		h = (h ^ (u8)*s++) * 16777619u;
	return h;
}

static int grow(void **array, u32 *cap, u32 need, size_t size)
{
	u32 n = *cap ? *cap : 64;
	void *p;

	if (need <= *cap)
		return 0;
	while (n < need)
		n *= 2;
	p = list_realloc(*array, n * size);
	if (!p)
		return -1;
	*array = p;
	*cap = n;
	return 0;
}

/* Keep chains short: as many buckets as names there is room for. */
static int rehash(struct union_list *l)
{
	u32 *b;

	if (l->nbuckets >= l->names_cap)
		return 0;
	b = list_realloc(l->buckets, l->names_cap * sizeof(*b));
	if (!b)
		return -1;
	l->buckets = b;
	l->nbuckets = l->names_cap;
	memset(b, 0, l->nbuckets * sizeof(*b));
	for (u32 i = 0; i < l->count; i++) {
		struct union_name *n = &l->names[i];
		u32 *head = &b[hash_name(l->text + n->text, n->len) & (l->nbuckets - 1)];

		n->next = *head;
		*head = i + 1;
	}
	return 0;
}

const struct union_name *union_list_find(const struct union_list *l, const char *name)
{
	size_t len = strlen(name);
	u32 i;

	if (!l->nbuckets)
		return NULL;
	for (i = l->buckets[hash_name(name, len) & (l->nbuckets - 1)]; i; i = l->names[i - 1].next) {
		const struct union_name *n = &l->names[i - 1];

		if (n->len == len && !memcmp(l->text + n->text, name, len))
			return n;
	}
	return NULL;
}

int union_list_add(struct union_list *l, unsigned layer, const char *name, u8 type, u64 ino, bool whiteout)
{
	size_t len = strlen(name);
	struct union_name *n = (struct union_name *)union_list_find(l, name);
	u32 *head;

	if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
		return 0;
	if (n) {
		n->twice |= n->layer != layer;
		return 0;
	}
	if (grow((void **)&l->names, &l->names_cap, l->count + 1, sizeof(*l->names)) || rehash(l) ||
	    grow((void **)&l->text, &l->text_cap, l->text_size + (u32)len + 1, 1))
		return -1;
	head = &l->buckets[hash_name(name, len) & (l->nbuckets - 1)];
	n = &l->names[l->count];
	*n = (struct union_name){
		.ino = ino, .layer = (u8)layer, .type = type, .hidden = whiteout, .len = (u16)len, .next = *head,
		.text = l->text_size,
	};
	*head = ++l->count;
	memcpy(l->text + l->text_size, name, len + 1);
	l->text_size += (u32)len + 1;
	return 0;
}

void union_list_free(struct union_list *l)
{
	list_free(l->names);
	list_free(l->text);
	list_free(l->buckets);
	memset(l, 0, sizeof(*l));
}
