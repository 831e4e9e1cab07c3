// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * The layers change while processes run.
 *
 * The monitor puts a fresh layer on top when a command begins, takes layers away for undo, and joins old ones; then it
 * says so in the area (struct grant_chain). Nobody is told: every operation on a layer begins here, sees by one word
 * that something changed, and follows first. To follow, nobody of this memory may be in an operation: places in the
 * stack would change their meaning under it. So operations are counted, and who follows keeps new ones out and waits
 * for those under way. Descriptors are of a process, the stack and the nodes of memory, which a vfork child shares:
 * each of the two follows for itself (struct open_chain).
 *
 *   a layer was added    nodes, names and attributes stay as they are: nothing has moved. What was the top is below now
 *   anything else        places mean other layers (epoch): every name is looked up again, and a node that was not
 *                        found again answers -ESTALE, as what was removed does
 *
 * An operation that was under way when the monitor acted ran on the old layers. Most of the time that is as good as
 * having run a moment earlier; where the host refused because the layer is no longer the sandbox's to write, or found
 * what it looked for gone, it is done again (chain_leave).
 */
#include "libos/fs/union_impl.h"
#include "libos/coord/area.h"

#define NAP_NS 20000
#define TRIES 5000	/* naps until a change that the monitor does not finish is no longer waited for */

struct mutex chain_lock;
static u32 inside;	/* atomic: operations under way, of all threads of this memory */
static u32 following;	/* atomic: somebody follows, with chain_lock */
static struct ufs *chained;	/* immutable once made: the sandbox's root */

u32 union_layer_mark(const struct ufs *u, unsigned layer)
{
	return u == chained ? this_process()->layers.number[layer] : ~0u;
}

bool union_mark_is_top(u32 mark)
{
	const struct open_chain *c = &this_process()->layers;

	return mark == ~0u || (mark && mark == c->number[c->count - 1]);
}

bool union_layer_lacks(const struct ufs *u, unsigned layer, const char *name)
{
	const struct grant_names *g;
	u32 number;

	if (u != chained || layer == 0 || layer == u->top)
		return false;
	number = this_process()->layers.number[layer];
	if (!number)
		return false;
	g = &the_area->names[number % GRANT_LAYERS_MAX];
	if (atomic_load(&g->number) != number || union_names_has(g->bits, name))
		return false;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return atomic_load_relaxed(&g->number) == number;
}

static void nap(void)
{
	static const struct timespec ts = { .tv_nsec = NAP_NS };
	u32 word = 0;

	(void)pal_futex_plain(&word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, &ts, NULL, 0); /* nobody wakes it */
}

/* ---- what the monitor wrote ---- */

static bool sane(const struct grant_chain *g)
{
	if (g->n < 1 || g->n >= GRANT_LAYERS_MAX)
		return false;
	for (u32 i = 0; i < g->n; i++)
		if (!g->number[i] || (i && g->number[i] <= g->number[i - 1]))
			return false;
	return true;
}

/* A copy that was not changed while it was made. False: there is none to be had. */
static bool read_chain(struct grant_chain *out)
{
	const struct grant_chain *g = &the_area->chain;

	for (unsigned i = 0; i < TRIES; i++) {
		u32 seq = atomic_load(&g->seq);

		if (!seq)
			return false;
		if (!(seq & 1)) {
			memcpy(out, g, sizeof(*out));
			__atomic_thread_fence(__ATOMIC_ACQUIRE);
			if (atomic_load(&g->seq) == seq)
				return sane(out);
		}
		nap();
	}
	return false;
}

/* ---- descriptors of this process ---- */

static int open_layer(u32 number, bool top)
{
	/* It may be moved from the first to the second just now, or back. */
	static const char *const places[] = { "layers", "top", "layers", "top", "layers" };
	char path[32];
	int fd = -ENOENT;

	for (unsigned i = top; i < ARRAY_SIZE(places) && fd == -ENOENT; i++) {
		base_snprintf(path, sizeof(path), "../%s/%04u", places[i], number);
		fd = host_fd_move(pal_openat(GRANT_FD_WORK, path, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0));
	}
	if (fd >= 0)
		(void)pal_fcntl(fd, F_SETFD, 0); /* it outlives the exec of a vfork child */
	return fd;
}

static int find_open(const struct open_chain *c, u32 number)
{
	for (u32 i = 1; i < c->count; i++)
		if (c->number[i] == number)
			return c->fd[i];
	return -1;
}

bool chain_holds(const struct open_chain *c, int fd)
{
	for (u32 i = 0; i < c->count; i++)
		if (c->fd[i] == fd)
			return true;
	return false;
}

/* Those of `old` that `kept` does without; those of the grant stay occupied. */
static void close_others(const struct open_chain *old, const struct open_chain *kept)
{
	for (u32 i = 1; i < old->count; i++)
		if (old->fd[i] >= pal_fd_free() && !chain_holds(kept, old->fd[i]))
			pal_close(old->fd[i]);
}

/* Have the layers of g open. 0 or -errno: nothing has changed. */
static int open_chain(struct open_chain *c, const struct grant_chain *g)
{
	struct open_chain *fresh = base_zalloc(sizeof(*fresh)), *old;
	int r = fresh ? 0 : -ENOMEM;

	if (r < 0)
		return r;
	fresh->seq = g->seq;
	fresh->epoch = g->epoch;
	for (u32 i = 0; i < GRANT_LAYERS_MAX; i++)
		fresh->fd[i] = -1;
	fresh->fd[0] = c->fd[0];
	fresh->count = 1;
	for (u32 i = 0; i < g->n && !r; i++) {
		int fd = find_open(c, g->number[i]);

		if (fd < 0)
			fd = open_layer(g->number[i], i == g->n - 1);
		r = MIN(fd, 0);
		if (r < 0)
			break;
		fresh->fd[fresh->count] = fd;
		fresh->number[fresh->count++] = g->number[i];
	}
	if (r < 0) {
		close_others(fresh, c);
		base_free(fresh);
		return r;
	}
	old = base_alloc(sizeof(*old));
	if (old) {
		*old = *c;
		*c = *fresh;
		close_others(old, c);
	} else {
		*c = *fresh; /* some descriptors are lost */
	}
	base_free(old);
	base_free(fresh);
	return 0;
}

int chain_reopen(struct open_chain *c)
{
	int r = 0;

	for (u32 i = 0; i < c->count && !r; i++) {
		int fd = host_fd_move(pal_openat(c->fd[i], ".", O_PATH | O_DIRECTORY, 0));

		if (fd < 0)
			return fd;
		r = pal_dup_to(fd, c->fd[i]);
		pal_close(fd);
		r = r < 0 ? r : pal_fcntl(c->fd[i], F_SETFD, 0);
	}
	return r;
}

/* ---- following ---- */

/* The stack is what this process has open. Nobody is inside. */
static void adopt_chain(struct ufs *u, const struct open_chain *c)
{
	struct unode *root = to_unode(u->fs.root);

	u->nlayers = c->count;
	u->top = c->count - 1;
	u->seq = c->seq;
	root->layers = layers_below(u->nlayers);
	if (u->epoch == c->epoch)
		return;
	u->epoch = root->epoch = c->epoch;
	dcache_new_epoch();
}

static void follow(struct ufs *u)
{
	struct open_chain *mine = &this_process()->layers;
	struct grant_chain *now = base_alloc(sizeof(*now));

	lock(&chain_lock);
	__atomic_store_n(&following, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&inside, __ATOMIC_SEQ_CST))
		nap();
	if (now && read_chain(now) && (mine->seq == now->seq || !open_chain(mine, now)) && u->seq != mine->seq)
		adopt_chain(u, mine);
	__atomic_store_n(&following, 0, __ATOMIC_SEQ_CST);
	unlock(&chain_lock);
	base_free(now);
}

static bool is_behind(const struct ufs *u)
{
	u32 seq = atomic_load(&the_area->chain.seq);

	return seq != u->seq || this_process()->layers.seq != seq;
}

struct passage chain_enter(const struct node *n)
{
	struct thread *t = current();
	struct passage p = { .in = chained && n->fs == &chained->fs };

	if (!p.in)
		return p;
	p.outermost = t->in_layers == 0;
	for (unsigned tries = 0; p.outermost; tries++) {
		__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
		if (likely(!__atomic_load_n(&following, __ATOMIC_SEQ_CST) && !is_behind(chained)))
			break;
		/* No descriptors or no memory: on with what there is. */
		if (tries >= STALE_TRIES && !atomic_load(&following))
			break;
		__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
		follow(chained);
	}
	t->in_layers++;
	p.seq = chained->seq;
	return p;
}

static void leave(const struct passage *p)
{
	struct thread *t = current();

	t->in_layers--;
	if (p->outermost)
		__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
}

long chain_leave(const struct passage *p, long r)
{
	if (!p->in)
		return r;
	if (unlikely(r < 0 && atomic_load(&the_area->chain.seq) != p->seq) &&
	    (r == -EACCES || r == -EXDEV || r == -ENOENT || r == -EROFS))
		r = -ESTALE;
	leave(p);
	return r;
}

const struct ufs *chain_union(void)
{
	return chained;
}

/* A change under way has an odd number, so none that anybody follows is 1. */
u32 chain_shared(void)
{
	u32 seq = chained ? atomic_load(&chained->seq) : 1;

	return this_process()->layers.seq == seq ? seq : 1;
}

bool chain_new_epoch(const struct passage *p)
{
	return p->in && atomic_load(&the_area->chain.epoch) != chained->epoch;
}

u32 chain_pause(void)
{
	struct thread *t = current();
	u32 depth = t->in_layers;

	t->in_layers = 0;
	if (depth)
		__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
	return depth;
}

void chain_resume(u32 depth)
{
	if (!depth)
		return;
	(void)chain_enter(chained->fs.root);
	current()->in_layers = depth;
}

u32 chain_stay(void)
{
	return chained ? chain_enter(chained->fs.root).seq : 0;
}

int chain_go_on(u32 stayed, int r)
{
	struct passage p = { .in = chained != NULL, .outermost = current()->in_layers == 1, .seq = stayed };

	return (int)chain_leave(&p, r);
}

void chain_forked(void)
{
	if (inside)
		inside = 0;
	union_dirs_forked();
}

void chain_abandoned(void)
{
	__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
}

/* ---- the beginning ---- */

/* As the grant has it: what a leader finds. */
static void open_granted(struct open_chain *c)
{
	const struct grant *g = pal_grant();
	struct grant_chain now = { 0 };

	c->count = g->nlayers;
	for (u32 i = 0; i < c->count; i++) {
		c->fd[i] = GRANT_FD_LAYER + (int)i;
		c->number[i] = i;
	}
	if (!read_chain(&now))
		return;
	if (the_area->split_on) {
		/* The layers of who split off. */
		c->count = now.n + 1;
		for (u32 i = 1; i < c->count; i++)
			c->fd[i] = the_area->split.layer_fd[i];
	} else if (now.n + 1 != c->count) {
		/* Changed since: the first operation follows. */
		for (u32 i = 1; i < c->count; i++)
			c->number[i] = ~0u;
		return;
	}
	c->seq = now.seq;
	c->epoch = now.epoch;
	for (u32 i = 1; i < c->count; i++)
		c->number[i] = now.number[i - 1];
}

int chain_setup(struct ufs *u, struct cursor *kept)
{
	struct open_chain *c = &this_process()->layers;
	int r;

	if (!c->count)
		open_granted(c);
	u->seq = c->seq;
	u->epoch = c->epoch;
	chained = u;
	r = union_setup(u, c->fd, c->count, GRANT_FD_WORK, kept);
	if (r < 0)
		chained = NULL;
	return r;
}
