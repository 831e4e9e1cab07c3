// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * poll and ppoll: guest descriptors become host descriptors, and the host is asked once.
 */
#include "libos/sys/sys.h"
#include "libos/sys/poll.h"
#include "libos/fs/kinds.h"
#include "libos/fs/proc.h"

int poller_init(struct poller *w, unsigned n)
{
	w->n = n;
	w->ready = w->asked = 0;
	w->fds = w->fds_inline;
	w->slots = w->slots_inline;
	if (n <= POLLER_INLINE)
		return 0;
	w->fds = base_alloc(n * sizeof(*w->fds));
	w->slots = base_alloc(n * sizeof(*w->slots));
	if (w->fds && w->slots)
		return 0;
	base_free(w->fds);
	base_free(w->slots);
	return -ENOMEM;
}

void poller_free(struct poller *w)
{
	for (unsigned i = 0; i < w->n; i++) {
		if (w->slots[i].file)
			file_put(w->slots[i].file);
	}
	if (w->fds != w->fds_inline) {
		base_free(w->fds);
		base_free(w->slots);
	}
}

bool poller_add(struct poller *w, unsigned i, int fd, short events)
{
	struct poller_slot *s = &w->slots[i];

	w->fds[i] = (struct pollfd){ .fd = -1, .events = events };
	*s = (struct poller_slot){ 0 };
	if (fd < 0)
		return true; /* asks for nothing */
	s->file = fdtab_get(fd);
	if (IS_ERR(s->file)) {
		s->file = NULL;
		s->now = POLLNVAL;
		w->ready++;
		return false;
	}
	w->fds[i].fd = file_poll(s->file, events, &s->now);
	w->ready += s->now != 0;
	w->asked += w->fds[i].fd >= 0;
	return true;
}

static long poller_ask(struct poller *w, const struct wait_end *end)
{
	for (;;) {
		struct timespec left = { 0 };
		long r;

		if (!w->ready && !end->forever)
			left = wait_end_left(end);
		r = pal_ppoll(w->fds, w->n, w->ready || !end->forever ? &left : NULL);
		if (r != -EINTR || wait_interrupted())
			return r;
	}
}

long poller_wait(struct poller *w, const struct wait_end *end)
{
	long r, count = 0;

	proc_bundle_drop();
	if (w->asked || !w->ready) {
		r = poller_ask(w, end);
		if (r < 0)
			return r;
	}
	for (unsigned i = 0; i < w->n; i++) {
		short seen = w->fds[i].fd >= 0 ? w->fds[i].revents : 0;

		if (seen && w->slots[i].file->ops->polled)
			seen = w->slots[i].file->ops->polled(w->slots[i].file, seen);
		w->fds[i].revents = seen | w->slots[i].now;
		count += w->fds[i].revents != 0;
	}
	return count;
}

static int poll_collect(struct poller *w, struct pollfd *fds)
{
	if (user_read(w->fds, fds, w->n * sizeof(*fds)) < 0) {
		w->n = 0;
		return -EFAULT;
	}
	for (unsigned i = 0; i < w->n; i++)
		poller_add(w, i, w->fds[i].fd, w->fds[i].events);
	return 0;
}

/* Only revents is written: the guest's other threads may change the rest meanwhile. */
static int poll_answer(struct poller *w, struct pollfd *fds)
{
	for (unsigned i = 0; i < w->n; i++) {
		if (user_write(&fds[i].revents, &w->fds[i].revents, sizeof(short)) < 0)
			return -EFAULT;
	}
	return 0;
}

static long poll_until(struct pollfd *fds, unsigned n, const struct wait_end *end)
{
	struct poller w;
	long r;

	if (n > this_process()->rlimits[RLIMIT_NOFILE].rlim_cur)
		return -EINVAL;
	r = poller_init(&w, n);
	if (r < 0)
		return r;
	r = poll_collect(&w, fds);
	if (r == 0)
		r = poller_wait(&w, end);
	if (r >= 0 && poll_answer(&w, fds) < 0)
		r = -EFAULT;
	poller_free(&w);
	return r;
}

static long poll_again(struct thread *t)
{
	struct wait_end end = { .forever = t->restart.arg[2], .at = (s64)t->restart.arg[3] };
	long r = poll_until((struct pollfd *)t->restart.arg[0], (unsigned)t->restart.arg[1], &end);

	return r == -EINTR ? -ERESTART_RESTARTBLOCK : r;
}

long sys_poll(struct pollfd *fds, unsigned n, int timeout_ms)
{
	struct timespec ts = { .tv_sec = timeout_ms / 1000,
			       .tv_nsec = timeout_ms % 1000 * 1000000l };
	struct wait_end end = { .forever = timeout_ms < 0 };
	struct thread *t = current();
	long r;

	if (timeout_ms > 0)
		end = wait_end_after(&ts);
	r = poll_until(fds, n, &end);
	if (r != -EINTR)
		return r;
	t->restart.fn = poll_again;
	t->restart.arg[0] = (u64)fds;
	t->restart.arg[1] = n;
	t->restart.arg[2] = end.forever;
	t->restart.arg[3] = (u64)end.at;
	return -ERESTART_RESTARTBLOCK;
}

long sys_ppoll(struct pollfd *fds, unsigned n, struct timespec *timeout, const u64 *mask,
	       size_t size)
{
	struct wait_end end = { .forever = !timeout };
	struct timespec ts;
	long r;

	if (timeout) {
		if (user_read(&ts, timeout, sizeof(ts)) < 0)
			return -EFAULT;
		if (!timespec_valid(&ts))
			return -EINVAL;
		if (ts.tv_sec || ts.tv_nsec)
			end = wait_end_after(&ts);
	}
	r = wait_mask_enter(mask, size);
	if (r < 0)
		return r;
	r = poll_until(fds, n, &end);
	wait_mask_leave(mask, r == -EINTR);
	if (timeout && end.at) {
		ts = wait_end_left(&end);
		if (user_write(timeout, &ts, sizeof(ts)) < 0 && r == -EINTR)
			return -EINTR; /* the time passed cannot be told: do not start over */
	}
	return r == -EINTR ? -ERESTARTNOHAND : r;
}
