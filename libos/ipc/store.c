/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Messages of a queue, in blocks of its pool's window: a message is a chain of blocks, a queue a list of messages.
 * Blocks that were given back are chained at `free`; those from `fresh` on were never used. Bytes are written into
 * blocks that nothing leads to, links by the journal (lock.c).
 */
#include "libos/ipc/ipc.h"

#define BLOCK 128
#define BLOCKS (IPC_POOL_WINDOW / BLOCK)

struct rest {
	u32 rest;
	u8 data[BLOCK - sizeof(u32)];
};

_Static_assert(sizeof(struct ipc_msg) == BLOCK && sizeof(struct rest) == BLOCK, "all blocks are alike");

static void *block_at(u32 pool, u32 block)
{
	/* A number from shared memory: whatever it says, it stays within the window. */
	return (void *)(IPC_BASE + ipc_pool_offset(pool) + (u64)(block % BLOCKS) * BLOCK);
}

struct ipc_msg *ipc_msg(u32 pool, u32 block)
{
	return block_at(pool, block);
}

static u32 blocks_for(size_t size)
{
	size_t more = size > sizeof(((struct ipc_msg *)0)->data) ? size - sizeof(((struct ipc_msg *)0)->data) : 0;
	size_t each = sizeof(((struct rest *)0)->data);

	return 1 + (u32)((more + each - 1) / each);
}

/* As if nothing was free again: exact enough where queues are far smaller than their windows. */
bool ipc_store_room(const struct ipc_store *s, size_t size)
{
	u64 used = s->bytes / sizeof(((struct rest *)0)->data) + 2 * s->count;

	return used + blocks_for(size) + 1 < BLOCKS;
}

/* Where the next block comes from; 0 becomes block 1 at the first use. */
struct taker {
	u32 free, fresh;
};

static u32 take_block(struct taker *t, u32 pool)
{
	u32 block = t->free;

	if (block)
		t->free = ((struct rest *)block_at(pool, block))->rest;
	else
		block = t->fresh++;
	return block;
}

void ipc_store_put(struct ipc_thread *me, struct ipc_store *s, u32 pool, s64 type, const void *data, size_t size,
		   u32 before)
{
	struct taker t = { s->free, MAX(s->fresh, 1u) };
	u32 block = take_block(&t, pool), last = block, prev;
	struct ipc_msg *m = ipc_msg(pool, block);
	size_t done = MIN(size, sizeof(m->data));

	m->type = type;
	m->size = (u32)size;
	memcpy(m->data, data, done);
	while (done < size) {
		u32 more = take_block(&t, pool);
		struct rest *r = block_at(pool, more);
		size_t n = MIN(size - done, sizeof(r->data));

		memcpy(r->data, (const u8 *)data + done, n);
		done += n;
		/* Of blocks that were free the link is right already, and still theirs. */
		if (((struct rest *)block_at(pool, last))->rest != more)
			ipc_set32(me, &((struct rest *)block_at(pool, last))->rest, more);
		last = more;
	}
	ipc_set32(me, &((struct rest *)block_at(pool, last))->rest, 0);
	prev = before ? ipc_msg(pool, before)->prev : s->last;
	m->next = before;
	m->prev = prev;
	ipc_set32(me, prev ? &ipc_msg(pool, prev)->next : &s->first, block);
	ipc_set32(me, before ? &ipc_msg(pool, before)->prev : &s->last, block);
	ipc_set32(me, &s->free, t.free);
	ipc_set32(me, &s->fresh, t.fresh);
	ipc_set64(me, &s->count, s->count + 1);
	ipc_set64(me, &s->bytes, s->bytes + size);
}

void ipc_store_copy(const struct ipc_store *s, u32 pool, u32 block, void *data, size_t size)
{
	const struct ipc_msg *m = ipc_msg(pool, block);
	size_t done = MIN(size, sizeof(m->data));

	memcpy(data, m->data, done);
	for (u32 next = m->rest; done < size;) {
		const struct rest *r = block_at(pool, next);
		size_t n = MIN(size - done, sizeof(r->data));

		memcpy((u8 *)data + done, r->data, n);
		done += n;
		next = r->rest;
	}
}

void ipc_store_take(struct ipc_thread *me, struct ipc_store *s, u32 pool, u32 block)
{
	const struct ipc_msg *m = ipc_msg(pool, block);
	u32 last = block, n = blocks_for(m->size);

	while (--n)
		last = ((struct rest *)block_at(pool, last))->rest;
	ipc_set32(me, m->prev ? &ipc_msg(pool, m->prev)->next : &s->first, m->next);
	ipc_set32(me, m->next ? &ipc_msg(pool, m->next)->prev : &s->last, m->prev);
	ipc_set32(me, &((struct rest *)block_at(pool, last))->rest, s->free);
	ipc_set32(me, &s->free, block);
	ipc_set64(me, &s->count, s->count - 1);
	ipc_set64(me, &s->bytes, s->bytes - m->size);
}

void ipc_store_reset(u32 pool)
{
	ipc_discard(ipc_pool_offset(pool), IPC_POOL_WINDOW);
}
