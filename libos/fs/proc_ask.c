// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * /proc/PID of another process: asked of the process itself, over the coordination streams, so that
 * each text is made in one place by whoever knows. It may not answer (stopped, in vfork, dying):
 * the callers then do with the area's slot.
 */
#include "libos/fs/proc.h"
#include "libos/coord/coord.h"
#include "libos/fs/kinds.h"

#define CHUNK 8192
#define TEXT_MAX (1u << 20)

/* Linux asks for ptrace access: the same user, or root. */
static int may_look(const struct pseudo_node *n)
{
	struct area_slot *s = area_process((s32)n->pid);
	struct process *me = this_process();

	if (!s)
		return -ESRCH;
	return capable(me) || (s->euid == me->cred.fsuid && s->ruid == me->cred.fsuid) ? 0
										       : -EACCES;
}

/* The file's name below the owner's /proc/self. */
static int ask_name(const struct pseudo_node *n, const char *name, struct coord_query *q)
{
	int len = n->key ? base_snprintf(q->name, sizeof(q->name),
							     "task/%ld/%s", (long)n->key, name)
					     : base_snprintf(q->name, sizeof(q->name), "%s", name);

	return len < (int)sizeof(q->name) ? 0 : -ENAMETOOLONG;
}

static int ask_all(const struct pseudo_node *n, struct coord_query *q, struct buf *b)
{
	size_t start = b->size;
	bool eof = false;
	char *chunk;
	ssize_t r = 0;

	chunk = base_alloc(CHUNK);
	if (!chunk)
		return -ENOMEM;
	while (!eof && q->offset < TEXT_MAX) {
		r = coord_ask((s32)n->pid, q, chunk, CHUNK, &eof);
		if (r < 0)
			break;
		base_buf_put(b, chunk, (size_t)r);
		q->offset += (u64)r;
		eof |= r == 0;
	}
	base_free(chunk);
	if (r < 0)
		b->size = start;
	return r == -ETIMEDOUT || r == -ESRCH ? -EACCES : (int)MIN(r, 0);
}

int proc_ask_text(const struct pseudo_node *n, bool guarded, struct buf *b)
{
	struct coord_query q = { .op = COORD_READ };
	struct area_slot *s = area_process((s32)n->pid);
	int r = guarded ? may_look(n) : 0;

	/* What has ended has no memory, files or calls: such texts are empty. */
	if (r == 0 && s && s->state == AREA_ZOMBIE)
		return 0;
	if (r == 0 && !n->key && !guarded && proc_bundle_text((s32)n->pid, n->desc->name, b))
		return 0;
	if (r == 0)
		r = ask_name(n, n->desc->name, &q);
	return r < 0 ? r : ask_all(n, &q, b);
}

int proc_ask_named(const struct pseudo_node *n, const char *name, struct buf *b)
{
	struct coord_query q = { .op = COORD_READ };
	int r = may_look(n);

	base_strlcpy(q.name, name, sizeof(q.name));
	return r < 0 ? r : ask_all(n, &q, b);
}

ssize_t proc_ask_link(const struct pseudo_node *n, const char *name, char *buf, size_t size)
{
	struct coord_query q = { .op = COORD_LINK };
	bool eof;
	struct area_slot *s = area_process((s32)n->pid);
	ssize_t r = may_look(n);

	if (r == 0 && s->state == AREA_ZOMBIE)
		return -ENOENT;
	if (r == 0) {
		base_strlcpy(q.name, name, sizeof(q.name));
		r = coord_ask((s32)n->pid, &q, buf, size, &eof);
	}
	return r == -ETIMEDOUT || r == -ESRCH ? -EACCES : r;
}

bool proc_ask_fd(const struct pseudo_node *n, s64 fd)
{
	char name[24], text[8];

	base_snprintf(name, sizeof(name), "fd/%ld", (long)fd);
	return proc_ask_link(n, name, text, sizeof(text)) >= 0;
}

struct file *proc_ask_file(const struct pseudo_node *n, int fd)
{
	int r = may_look(n);

	if (r == 0)
		r = coord_take_fd((s32)n->pid, fd);
	return r < 0 ? ERR_PTR(r == -EPERM ? -EACCES : r == -EBADF ? -ENOENT : r) : file_from_host(r);
}

s64 proc_ask_next(const struct pseudo_node *n, const char *name, s64 from)
{
	struct coord_query q = { .op = COORD_LIST };
	s64 best = -1;
	bool eof = false;
	char *names;
	ssize_t r;

	if (may_look(n) < 0)
		return -1;
	names = base_alloc(CHUNK);
	if (!names)
		return -1;
	base_strlcpy(q.name, name, sizeof(q.name));
	while (!eof) {
		r = coord_ask((s32)n->pid, &q, names, CHUNK, &eof);
		if (r <= 0)
			break;
		for (char *s = names; s < names + r; s += strlen(s) + 1, q.offset++) {
			s64 v = pseudo_number(s);

			if (v >= from && (best < 0 || v < best))
				best = v;
		}
	}
	base_free(names);
	return best;
}
