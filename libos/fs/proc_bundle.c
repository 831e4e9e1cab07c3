/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The files of a process that ps and top read one after the other come with one answer: of four
 * questions that would wake the leader, the owner and the asker each, three are saved. Each text is
 * given out once, within a millisecond, and only while nothing was sent to anybody in between: who
 * reads a file again, or after a signal, asks again.
 */
#include "libos/fs/proc.h"
#include "libos/coord/coord.h"
#include "libos/sys/user.h"

#define USE_NS 1000000ull
#define ROOM 12288

static struct mutex bundle_lock; /* never waited for: a fork may have left it held */
static struct {
	s32 pid;
	u32 stamp;
	u64 at;
	u32 given; /* bits of those that were given out */
	struct coord_bundle sizes;
	char text[ROOM];
} *kept; /* guarded by bundle_lock; allocated at first use */

static const char *const names[COORD_BUNDLE_FILES] = { "stat", "status", "statm", "cmdline" };
_Static_assert(COORD_BUNDLE_FILES == PROC_LOOKS + 1, "what one look tells, then cmdline");

static u64 now_ns(void)
{
	struct timespec ts = { 0 };

	(void)pal_clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}

static int which(const char *name)
{
	for (int i = 0; i < COORD_BUNDLE_FILES; i++)
		if (!strcmp(name, names[i]))
			return i;
	return -1;
}

static bool fetch(s32 pid, u32 stamp)
{
	struct coord_query q = { .op = COORD_ALL };
	size_t size = sizeof(kept->sizes) + sizeof(kept->text), sum = 0;
	char *in = base_alloc(size);
	ssize_t n = -ENOMEM;
	bool eof;

	kept->pid = 0;
	if (in)
		n = coord_ask(pid, &q, in, size, &eof);
	if (n >= (ssize_t)sizeof(kept->sizes)) {
		memcpy(&kept->sizes, in, sizeof(kept->sizes));
		for (int i = 0; i < COORD_BUNDLE_FILES; i++)
			sum += kept->sizes.size[i] == COORD_BUNDLE_NONE ? 0 : kept->sizes.size[i];
		if (sum == (size_t)n - sizeof(kept->sizes)) {
			memcpy(kept->text, in + sizeof(kept->sizes), sum);
			kept->pid = pid;
			kept->stamp = stamp;
			kept->at = now_ns();
			kept->given = 0;
		}
	}
	base_free(in);
	return kept->pid;
}

static bool usable(s32 pid, u32 stamp)
{
	return kept->pid == pid && kept->stamp == stamp && now_ns() - kept->at < USE_NS;
}

void proc_bundle_drop(void)
{
	if (likely(!kept) || !trylock(&bundle_lock))
		return;
	kept->pid = 0;
	unlock(&bundle_lock);
}

bool proc_bundle_text(s32 pid, const char *name, struct buf *b)
{
	struct area_slot *s = area_process(pid);
	int n = which(name), i;
	const char *text;
	bool got = false;
	u32 stamp;

	if (n < 0 || !s || !trylock(&bundle_lock))
		return false;
	stamp = coord_life_stamp(s);
	kept = kept ? kept : base_zalloc(sizeof(*kept));
	if (kept && ((usable(pid, stamp) && !(kept->given & 1u << n)) || fetch(pid, stamp)))
		got = kept->sizes.size[n] != COORD_BUNDLE_NONE;
	if (got) {
		for (text = kept->text, i = 0; i < n; i++)
			text += kept->sizes.size[i] == COORD_BUNDLE_NONE ? 0 : kept->sizes.size[i];
		base_buf_put(b, text, kept->sizes.size[n]);
		kept->given |= 1u << n;
	}
	unlock(&bundle_lock);
	return got;
}

ssize_t proc_bundle_make(char *out, size_t size)
{
	struct pseudo_node me = { .pid = (u64)this_process()->pid };
	struct coord_bundle *head = (void *)out;
	u32 ends[COORD_BUNDLE_FILES], from = 0;
	struct buf b = { 0 };
	size_t used = sizeof(*head);
	int r = proc_show_looks(&me, &b, ends);

	if (r == 0)
		r = proc_show_cmdline(&me, &b);
	ends[PROC_LOOKS] = (u32)b.size;
	r = r < 0 ? r : b.err;
	size = MIN(size, sizeof(*head) + ROOM);
	for (int i = 0; r == 0 && i < COORD_BUNDLE_FILES; from = ends[i++]) {
		u32 n = ends[i] - from;

		head->size[i] = n < size - used ? n : COORD_BUNDLE_NONE;
		if (head->size[i] == COORD_BUNDLE_NONE)
			continue;
		memcpy(out + used, b.data + from, n);
		used += n;
	}
	base_buf_free(&b);
	return r < 0 ? r : (ssize_t)used;
}
