// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * select and pselect6: three bit sets on top of the poller.
 *
 * As Linux (fs/select.c): numbers above the descriptor table are ignored, a bit for a closed
 * descriptor is EBADF, the sets are written only when the wait was not interrupted, and the timeout
 * is updated in any case.
 */
#include "libos/sys/sys.h"
#include "libos/sys/poll.h"

#define POLLIN_SET (POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR)
#define POLLOUT_SET (POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR)
#define POLLEX_SET POLLPRI

#define WORDS_INLINE 16 /* 1024 descriptors */
enum { SET_READ, SET_WRITE, SET_EXCEPT, SETS };

struct select_sets {
	unsigned n; /* descriptors looked at */
	unsigned words;
	u64 *bits[SETS]; /* what is asked, then what is answered */
	u64 fixed[SETS][WORDS_INLINE];
	u64 *heap;
};

static int sets_read(struct select_sets *s, int n, u64 *const guest[SETS])
{
	s->n = MIN((unsigned)n, ALIGN_UP(atomic_load(&this_process()->files->array)->size, 64u));
	s->words = ALIGN_UP(s->n, 64u) / 64;
	s->heap = NULL;
	if (s->words > WORDS_INLINE) {
		s->heap = base_alloc(SETS * s->words * sizeof(u64));
		if (!s->heap)
			return -ENOMEM;
	}
	for (int k = 0; k < SETS; k++) {
		s->bits[k] = s->heap ? s->heap + (size_t)k * s->words : s->fixed[k];
		if (!guest[k])
			memset(s->bits[k], 0, s->words * sizeof(u64));
		else if (user_read(s->bits[k], guest[k], s->words * sizeof(u64)) < 0)
			return -EFAULT;
	}
	return 0;
}

static unsigned sets_asked(const struct select_sets *s, unsigned fd)
{
	unsigned word = fd / 64, bit = fd % 64;

	return (s->bits[SET_READ][word] >> bit & 1) | (s->bits[SET_WRITE][word] >> bit & 1) << 1 |
	       (s->bits[SET_EXCEPT][word] >> bit & 1) << 2;
}

/* Next descriptor >= fd that any set asks about, or n. */
static unsigned sets_next(const struct select_sets *s, unsigned fd)
{
	while (fd < s->n) {
		unsigned word = fd / 64;
		u64 any = s->bits[SET_READ][word] | s->bits[SET_WRITE][word] |
			  s->bits[SET_EXCEPT][word];

		any &= ~0ull << fd % 64;
		if (any)
			return MIN(s->n, word * 64 + (unsigned)__builtin_ctzll(any));
		fd = (word + 1) * 64;
	}
	return s->n;
}

static int sets_ask(const struct select_sets *s, struct poller *w)
{
	unsigned count = 0, i = 0;
	int r;

	for (unsigned fd = sets_next(s, 0); fd < s->n; fd = sets_next(s, fd + 1))
		count++;
	r = poller_init(w, count);
	if (r < 0)
		return r;
	for (unsigned fd = sets_next(s, 0); fd < s->n; fd = sets_next(s, fd + 1), i++) {
		unsigned asked = sets_asked(s, fd);
		short events =
			(short)((asked & 1 ? POLLIN_SET : 0) | (asked & 2 ? POLLOUT_SET : 0) |
				(asked & 4 ? POLLEX_SET : 0));

		if (!poller_add(w, i, (int)fd, events)) {
			w->n = i;
			poller_free(w);
			return -EBADF;
		}
	}
	return 0;
}

/* Keep the bits that came true; how many. */
static long sets_answer(struct select_sets *s, const struct poller *w)
{
	static const short events[SETS] = { POLLIN_SET, POLLOUT_SET, POLLEX_SET };
	long count = 0;
	unsigned i = 0, next;

	for (unsigned fd = sets_next(s, 0); fd < s->n; fd = next, i++) {
		next = sets_next(s, fd + 1);
		for (int k = 0; k < SETS; k++) {
			u64 bit = 1ull << fd % 64;

			if (!(s->bits[k][fd / 64] & bit))
				continue;
			if (w->fds[i].revents & events[k])
				count++;
			else
				s->bits[k][fd / 64] &= ~bit;
		}
	}
	return count;
}

static long sets_write(const struct select_sets *s, u64 *const guest[SETS])
{
	for (int k = 0; k < SETS; k++) {
		/* whole longs, as the kernel writes them; bits from n on are cleared */
		if (!guest[k])
			continue;
		if (s->n % 64)
			s->bits[k][s->words - 1] &= ~(~0ull << s->n % 64);
		if (user_write(guest[k], s->bits[k], s->words * sizeof(u64)) < 0)
			return -EFAULT;
	}
	return 0;
}

static long select_until(int n, u64 *const guest[SETS], const struct wait_end *end)
{
	struct select_sets s;
	struct poller w;
	long r;

	if (n < 0)
		return -EINVAL;
	r = sets_read(&s, n, guest);
	if (r == 0)
		r = sets_ask(&s, &w);
	if (r == 0) {
		r = poller_wait(&w, end);
		if (r >= 0) {
			r = sets_answer(&s, &w);
			if (sets_write(&s, guest) < 0)
				r = -EFAULT;
		}
		poller_free(&w);
	}
	base_free(s.heap);
	return r;
}

long sys_select(int n, u64 *r, u64 *w, u64 *e, void *timeout)
{
	u64 *const guest[SETS] = { r, w, e };
	struct wait_end end = { .forever = !timeout };
	struct timespec left;
	s64 tv[2];
	long result;

	if (timeout) {
		if (user_read(tv, timeout, sizeof(tv)) < 0)
			return -EFAULT;
		/* glibc's own select normalises; the kernel takes microseconds above a million */
		left = (struct timespec){ .tv_sec = tv[0] + tv[1] / 1000000,
					  .tv_nsec = tv[1] % 1000000 * 1000 };
		if (!timespec_valid(&left))
			return -EINVAL;
		if (left.tv_sec || left.tv_nsec)
			end = wait_end_after(&left);
	}
	result = select_until(n, guest, &end);
	if (timeout && end.at) {
		left = wait_end_left(&end);
		tv[0] = left.tv_sec;
		tv[1] = left.tv_nsec / 1000;
		if (user_write(timeout, tv, sizeof(tv)) < 0 && result == -EINTR)
			return -EINTR;
	}
	return result == -EINTR ? -ERESTARTNOHAND : result;
}

long sys_pselect6(int n, u64 *r, u64 *w, u64 *e, void *timeout, void *sig)
{
	u64 *const guest[SETS] = { r, w, e };
	struct wait_end end = { .forever = !timeout };
	struct {
		const u64 *mask;
		size_t size;
	} arg = { 0 };
	struct timespec left;
	long result;

	if (sig && user_read(&arg, sig, sizeof(arg)) < 0)
		return -EFAULT;
	if (timeout) {
		if (user_read(&left, timeout, sizeof(left)) < 0)
			return -EFAULT;
		if (!timespec_valid(&left))
			return -EINVAL;
		if (left.tv_sec || left.tv_nsec)
			end = wait_end_after(&left);
	}
	result = wait_mask_enter(arg.mask, arg.size);
	if (result < 0)
		return result;
	result = select_until(n, guest, &end);
	wait_mask_leave(arg.mask, result == -EINTR);
	if (timeout && end.at) {
		left = wait_end_left(&end);
		if (user_write(timeout, &left, sizeof(left)) < 0 && result == -EINTR)
			return -EINTR;
	}
	return result == -EINTR ? -ERESTARTNOHAND : result;
}
