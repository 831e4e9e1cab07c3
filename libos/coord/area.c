/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The sandbox area: mapping it, and the table of guest ids.
 *
 * An id is taken by compare-and-swap of its slot's state at a cyclic cursor; the bitmap of ids in use is only an index
 * for walkers: it may show an id that is free, and misses none that is taken for longer than an instant.
 *
 * Whoever takes an id may be killed at any instruction before there is a process or thread to it. So the word that
 * reserves it says for whom, and the bit is set before: who reaps the taker finds it and gives it back (task/wait.c).
 */
#include "libos/task/task.h"
#include "libos/coord/area.h"
#include "pal/grant.h"

/* Between image and heap, so that its page tables are theirs; the same in every picoprocess. */
#define AREA_ADDRESS 0x780008000000
_Static_assert(AREA_ADDRESS > PAL_BASE && AREA_ADDRESS + sizeof(struct area) <= PAL_HEAP_BASE, "room for the area");
/* Linux never gives out the ids below 300 again after the first round (kernel/pid.c, RESERVED_PIDS). */
#define AREA_ROUND_START 300
#define AREA_FIRST_ID 2

struct area *the_area;

static void area_lay_out(struct area *a)
{
	struct timespec ts;

	if (pal_clock_gettime(CLOCK_BOOTTIME, &ts) == 0)
		a->boot_ns = pal_grant()->boot_ns ?: (u64)ts.tv_sec * 1000000000ull + (u64)ts.tv_nsec;
	a->magic = AREA_MAGIC;
	a->cursor = AREA_FIRST_ID;
	a->limit = pal_grant()->pids ?: AREA_PIDS;
	a->memory_max = pal_grant()->memory;
	a->files_max = pal_grant()->files;
	a->quota = !!(pal_grant()->flags & GRANT_QUOTA); /* nothing is left until it is measured */
	a->inodes = 1;
	atomic_store(&a->ready, 1);
}

int area_map(bool create)
{
	size_t size = PAGE_UP(sizeof(struct area));
	struct stat st;
	intptr_t r;
	int err;

	/* The monitor made it large enough and sealed its size: nobody in the sandbox can shrink it
	 * under the others. */
	err = pal_fstat(GRANT_FD_AREA, &st);
	if (err)
		return err;
	if ((size_t)st.st_size < size)
		return -EINVAL;
	r = pal_mmap(AREA_ADDRESS, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, GRANT_FD_AREA, 0);
	if (r < 0)
		return (int)r;
	the_area = (struct area *)r;
	if (create)
		area_lay_out(the_area);
	return the_area->magic == AREA_MAGIC && atomic_load(&the_area->ready) ? 0 : -EINVAL;
}

static int put_at(int fd, const void *data, size_t size, size_t at)
{
	ssize_t n = pal_pwrite(fd, data, size, at);

	return n < 0 ? (int)n : (size_t)n == size ? 0 : -ENOSPC;
}

/* The names' counters, one further each: what is cached is looked up again. */
static int put_counters(int fd)
{
	u32 some[256];
	int r = 0;

	for (unsigned i = 0; i < AREA_GENERATIONS && !r; i += ARRAY_SIZE(some)) {
		for (unsigned k = 0; k < ARRAY_SIZE(some); k++)
			some[k] = atomic_load(&the_area->generation[i + k]) + 1;
		r = put_at(fd, some, sizeof(some), offsetof(struct area, generation) + i * sizeof(some[0]));
	}
	return r;
}

#define PUT(field, value)                                                                          \
	do {                                                                                        \
		__typeof__(the_area->field) v_ = (value);                                             \
                                                                                                    \
		if (!r)                                                                             \
			r = put_at(fd, &v_, sizeof(v_), offsetof(struct area, field));              \
	} while (0)

int area_prepare(int fd, s32 pid)
{
	struct area_slot self = the_area->slot[pid];
	const struct open_chain *own = &this_process()->layers;
	struct grant_chain chain = { .seq = own->seq, .epoch = own->epoch, .n = own->count - 1 };
	u32 in_use = 1u << (pid % 32);
	int r = put_counters(fd);

	self.state = AREA_RUNNING;
	self.flags &= AREA_DID_EXEC | AREA_SUBREAPER;
	self.attend = self.holds = 0;
	self.ppid = 0; /* outside, as over the edge of a pid namespace */
	self.nthreads = 1;
	PUT(magic, AREA_MAGIC);
	PUT(ready, 1);
	/* Ids go on behind the caller's, in the rounds in which none is taken that still names a group. */
	PUT(cursor, AREA_PIDS + (u32)MAX(pid + 1 - AREA_ROUND_START, 0));
	PUT(limit, the_area->limit);
	/* No quota: a split process may not ask the monitor to measure. It looks by itself. */
	PUT(memory_max, the_area->memory_max);
	PUT(files_max, the_area->files_max);
	PUT(cpus, the_area->cpus);
	PUT(boot_ns, the_area->boot_ns);
	PUT(inodes, the_area->inodes);
	/* Who splits off keeps the layers of this moment: doors lead into those. */
	for (u32 i = 0; i < chain.n; i++)
		chain.number[i] = own->number[i + 1];
	PUT(chain, chain);
	if (!r)
		r = put_at(fd, own->fd, sizeof(own->fd), offsetof(struct area, split.layer_fd));
	PUT(forks, the_area->forks);
	PUT(nprocs, 1);
	PUT(nthreads, 1);
	PUT(split_on, 1);
	PUT(split_others, 1);
	if (!r)
		r = put_at(fd, the_area->cpuid, sizeof(the_area->cpuid), offsetof(struct area, cpuid));
	if (!r)
		r = put_at(fd, &in_use, sizeof(in_use),
			   offsetof(struct area, in_use) + (size_t)pid / 32 * sizeof(in_use));
	if (!r)
		r = put_at(fd, the_area->named, sizeof(the_area->named), offsetof(struct area, named));
	return r ?: put_at(fd, &self, sizeof(self), offsetof(struct area, slot) + (size_t)pid * sizeof(self));
}

void area_switch(void)
{
	intptr_t r = pal_mmap(AREA_ADDRESS, PAGE_UP(sizeof(struct area)), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_FIXED, GRANT_FD_AREA, 0);

	BUG_ON(r != AREA_ADDRESS);
}

/*
 * Does a process still name id as its group or session? Then it must not become another process's id. Most ids never
 * led a group, which the bitmap knows without a walk.
 */
static bool area_id_named(s32 id)
{
	if (!bit_is_set(the_area->named, (u32)id))
		return false;
	for (s32 i = area_next(1, false); i; i = area_next(i + 1, false)) {
		const struct area_slot *s = &the_area->slot[i];

		if (s->pgid == id || s->sid == id)
			return true;
	}
	bit_clear(the_area->named, (u32)id);
	return false;
}

static s32 area_next_candidate(bool *again)
{
	u32 c = __atomic_fetch_add(&the_area->cursor, 1, __ATOMIC_RELAXED);
	u32 round = AREA_PIDS - AREA_ROUND_START;

	*again = c >= AREA_PIDS;
	return (s32)(*again ? AREA_ROUND_START + (c - AREA_PIDS) % round : c);
}

static u32 bits_set(u32 v)
{
	v -= v >> 1 & 0x55555555;
	v = (v & 0x33333333) + (v >> 2 & 0x33333333);
	return ((v + (v >> 4)) & 0x0f0f0f0f) * 0x01010101 >> 24;
}

/* The running count is quick, and may be too high when somebody was killed between counting and being: then all are. */
static bool area_full(void)
{
	u64 last = atomic_load_relaxed(&the_area->last_birth);
	u32 n = 0;

	if (unlikely(last) && atomic_load_relaxed(&the_area->forks) >= last)
		return true;
	if (likely(atomic_load_relaxed(&the_area->nthreads) < the_area->limit))
		return false;
	for (unsigned i = 0; i < ARRAY_SIZE(the_area->in_use); i++)
		n += bits_set(atomic_load_relaxed(&the_area->in_use[i]));
	return n >= the_area->limit;
}

static void area_clear(s32 id)
{
	struct area_slot *s = &the_area->slot[id];

	bit_clear(the_area->in_use, (u32)id);
	memset((char *)s + sizeof(s->state), 0, offsetof(struct area_slot, robust_offset) - sizeof(s->state));
	atomic_store(&s->state, AREA_FREE);
}

s32 area_take_id(s32 taker)
{
	if (area_full())
		return -EAGAIN;
	atomic_add(&the_area->slot[taker].holds, 1);
	for (unsigned i = 0; i < AREA_PIDS; i++) {
		bool again;
		s32 id = area_next_candidate(&again);
		struct area_slot *s = &the_area->slot[id];

		if (atomic_load_relaxed(&s->state) != AREA_FREE)
			continue;
		bit_set(the_area->in_use, (u32)id);
		if (!atomic_cas(&s->state, AREA_FREE, area_reserved_by(taker)))
			continue;
		/* Its last owner may have cleared the bit just now. */
		bit_set(the_area->in_use, (u32)id);
		if (again && area_id_named(id)) {
			area_clear(id);
			continue;
		}
		s->host_pid = 0;
		if (bit_is_set(the_area->killed, (u32)id))
			bit_clear(the_area->killed, (u32)id);
		return id;
	}
	atomic_sub(&the_area->slot[taker].holds, 1);
	return -EAGAIN;
}

void area_claim(s32 id, u32 state)
{
	bit_set(the_area->in_use, (u32)id);
	bit_set(the_area->named, (u32)id);
	atomic_store(&the_area->slot[id].state, state);
}

/* Whose count the id is in. */
static s32 area_holder(const struct area_slot *s)
{
	u32 state = atomic_load(&s->state);

	switch (state & AREA_STATE) {
	case AREA_RESERVED:
		return (s32)(state >> 8);
	case AREA_THREAD:
		return s->tgid;
	}
	return atomic_load_relaxed(&s->ppid);
}

/*
 * Only the holder itself counts down: anyone else might be held up on the way, and find another process in the holder's
 * slot. So a count may be too high, which costs a walk, and never too low.
 */
void area_free_id(s32 id)
{
	struct area_slot *s = area_slot(id), *self = this_process()->slot;
	bool ours;

	if (!s)
		return;
	ours = area_holder(s) == this_process()->pid;
	area_clear(id);
	if (ours)
		atomic_sub(&self->holds, 1);
}

bool area_bury_id(s32 id, u32 state)
{
	if (!atomic_cas(&area_slot(id)->state, state, area_reserved_by(0)))
		return false;
	area_free_id(id);
	return true;
}

static bool area_is_process(u32 state)
{
	return state == AREA_RUNNING || state == AREA_STOPPED || state == AREA_ZOMBIE;
}

struct area_slot *area_process(s32 pid)
{
	struct area_slot *s = area_slot(pid);

	return s && area_is_process(atomic_load(&s->state)) ? s : NULL;
}

s32 area_next_used(s32 id)
{
	u32 word = (u32)MAX(id, 1) / 32;
	u32 bits;

	if (id >= AREA_PIDS)
		return 0;
	bits = atomic_load_relaxed(&the_area->in_use[word]) & (~0u << (MAX(id, 1) % 32));
	while (!bits) {
		if (++word == AREA_PIDS / 32)
			return 0;
		bits = atomic_load_relaxed(&the_area->in_use[word]);
	}
	return (s32)(word * 32 + (u32)__builtin_ctz(bits));
}

s32 area_next(s32 id, bool threads)
{
	for (id = area_next_used(id); id; id = area_next_used(id + 1)) {
		u32 state = atomic_load(&the_area->slot[id].state);

		if (area_is_process(state) || (threads && state == AREA_THREAD))
			break;
	}
	return id;
}
