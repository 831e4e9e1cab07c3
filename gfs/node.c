// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Nodes: what the kernel's numbers stand for.
 *
 * The number is the node's address, or FUSE_ROOT_ID. A node is born by a lookup and dies when the
 * kernel has forgotten all lookups of it and no child holds it. One lock, held for a few
 * instructions.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "gfs/gfs.h"

#define BUCKETS 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct node *buckets[BUCKETS];
static struct node top = {.kind = NODE_TOP, .count = 1};

struct node *node_of(fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? &top : (struct node *)(uintptr_t)ino;
}

fuse_ino_t node_ino(const struct node *n)
{
	return n == &top ? FUSE_ROOT_ID : (fuse_ino_t)(uintptr_t)n;
}

static uint32_t hash_of(const struct node *parent, const char *name, uint64_t ident)
{
	uint32_t h =
		2166136261u ^ (uint32_t)((uintptr_t)parent >> 4) ^ (uint32_t)(ident * 0x9e3779b1u);

	while (*name)
		h = (h ^ (unsigned char)*name++) * 16777619u;
	return h;
}

static struct node *find(uint32_t hash, const struct node *parent, enum node_kind kind,
			 const struct box *box, const char *name, uint64_t ident)
{
	struct node *n = buckets[hash % BUCKETS];

	while (n && (n->hash != hash || n->parent != parent || n->kind != kind || n->box != box ||
		     n->ident != ident || strcmp(n->name, name)))
		n = n->next;
	return n;
}

static struct node *make(uint32_t hash, struct node *parent, enum node_kind kind, struct box *box,
			 const char *name, uint64_t ident)
{
	size_t len = strlen(name);
	struct node *n = malloc(sizeof(*n) + len + 1);

	if (!n)
		return NULL;
	*n = (struct node){.kind = kind,
			   .box = box ? box_get(box) : NULL,
			   .parent = parent,
			   .ident = ident,
			   .hash = hash,
			   .next = buckets[hash % BUCKETS]};
	memcpy(n->name, name, len + 1);
	buckets[hash % BUCKETS] = n;
	parent->count++;
	return n;
}

struct node *node_take(struct node *parent, enum node_kind kind, struct box *box, const char *name,
		       uint64_t ident)
{
	uint32_t hash = hash_of(parent, name, ident);
	struct node *n;

	pthread_mutex_lock(&lock);
	n = find(hash, parent, kind, box, name, ident);
	if (!n)
		n = make(hash, parent, kind, box, name, ident);
	if (n)
		n->count++;
	pthread_mutex_unlock(&lock);
	return n;
}

static void unlink_node(struct node *n)
{
	struct node **p = &buckets[n->hash % BUCKETS];

	while (*p != n)
		p = &(*p)->next;
	*p = n->next;
}

void node_drop(struct node *n, uint64_t count)
{
	struct node *dead = NULL;

	pthread_mutex_lock(&lock);
	while (n && n != &top) {
		struct node *parent = n->parent;

		n->count -= count < n->count ? count : n->count;
		if (n->count)
			break;
		unlink_node(n);
		n->next = dead;
		dead = n;
		n = parent;
		count = 1;
	}
	pthread_mutex_unlock(&lock);
	while (dead) {
		n = dead;
		dead = n->next;
		if (n->box)
			box_put(n->box);
		free(n);
	}
}

/* Written from the end; parents are held by their children, so no lock is needed. */
int node_path(const struct node *n, char *buf, size_t size)
{
	size_t at = size - 1;

	buf[at] = '\0';
	for (; n->parent && n->parent->kind == n->kind; n = n->parent) {
		size_t len = strlen(n->name);

		if (at < len + 1)
			return -ENAMETOOLONG;
		if (buf[at])
			buf[--at] = '/';
		at -= len;
		memcpy(buf + at, n->name, len);
	}
	memmove(buf, buf + at, size - at);
	return 0;
}
