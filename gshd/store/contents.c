/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See contents.h. */
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "gshd/store/contents.h"
#include "libos/union/union.h"

_Static_assert(UNION_NAMES_SIZE == sizeof(((struct grant_names *)0)->bits), "one size");

/* A name that was being made as the layer was sealed is in its place long before this. */
#define FIRST_S 1
#define NEXT_US 5000
#define NAMES_MAX 16000
#define DEPTH_MAX 64

struct contents {
	struct history *h;
	struct grant_names *names;
	struct event *timer;
	uint32_t withheld;
	uint32_t told[GRANT_LAYERS_MAX]; /* the numbers in the table: that is the sandbox's to write */
};

struct walk {
	uint8_t *bits;
	unsigned names;
};

static bool may_have(int fd, const char *attr)
{
	return fgetxattr(fd, attr, NULL, 0) >= 0 || (errno != ENODATA && errno != EOPNOTSUPP);
}

/* False: too much, or it cannot be read. Takes fd. */
static bool read_dir(struct walk *w, int fd, int depth)
{
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	bool all = d != NULL;

	if (!d && fd >= 0)
		close(fd);
	if (d && (may_have(fd, UNION_OPAQUE) || may_have(fd, UNION_REDIRECT)))
		union_names_add(w->bits, UNION_NAMES_MARKS);
	while (all && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		union_names_add(w->bits, e->d_name);
		all = ++w->names <= NAMES_MAX && e->d_type != DT_UNKNOWN;
		if (all && e->d_type == DT_DIR)
			all = depth < DEPTH_MAX &&
			      read_dir(w, openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
				       depth + 1);
	}
	if (d)
		closedir(d);
	return all;
}

static void tell(struct contents *c, uint32_t number)
{
	struct grant_names *g = &c->names[number % GRANT_LAYERS_MAX];
	uint8_t bits[UNION_NAMES_SIZE] = { 0 };
	struct walk w = { .bits = bits };
	char path[32];
	int fd = -1;

	if (!history_find(c->h->box, number, path))
		fd = openat(c->h->box, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (!read_dir(&w, fd, 0))
		memset(bits, 0xff, sizeof(bits));
	__atomic_store_n(&g->number, 0, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	memcpy(g->bits, bits, sizeof(bits));
	__atomic_store_n(&g->number, number, __ATOMIC_RELEASE);
	c->told[number % GRANT_LAYERS_MAX] = number;
}

/* Sealed and not told of yet, the newest first; 0: none. Where two have one place, the newer has it. */
static uint32_t untold(const struct contents *c)
{
	uint32_t taken[GRANT_LAYERS_MAX] = { 0 };

	for (unsigned i = c->h->n - 1; i-- > 0;) {
		uint32_t number = c->h->number[i], *place = &taken[number % GRANT_LAYERS_MAX];

		if (*place)
			continue;
		*place = number;
		if (number != c->withheld && c->told[number % GRANT_LAYERS_MAX] != number)
			return number;
	}
	return 0;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval next = { .tv_usec = NEXT_US };
	struct contents *c = arg;
	uint32_t number = untold(c);

	(void)fd;
	(void)what;
	if (!number)
		return;
	tell(c, number);
	if (untold(c))
		evtimer_add(c->timer, &next);
}

struct contents *contents_create(struct event_base *base, struct history *h, struct grant_names *names)
{
	struct contents *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct contents){ .h = h, .names = names, .timer = evtimer_new(base, on_timer, c) };
	if (!c->timer) {
		free(c);
		return NULL;
	}
	contents_changed(c, true);
	return c;
}

void contents_free(struct contents *c)
{
	if (!c)
		return;
	event_free(c->timer);
	free(c);
}

void contents_changed(struct contents *c, bool pushed)
{
	static const struct timeval first = { .tv_sec = FIRST_S };

	if (!c)
		return;
	for (unsigned i = 0; i < GRANT_LAYERS_MAX && !pushed; i++) {
		__atomic_store_n(&c->names[i].number, 0, __ATOMIC_SEQ_CST);
		c->told[i] = 0;
	}
	evtimer_add(c->timer, &first);
}

void contents_withhold(struct contents *c, uint32_t number)
{
	uint32_t place = number % GRANT_LAYERS_MAX;

	if (!c)
		return;
	c->withheld = number;
	if (number && c->told[place] == number) {
		__atomic_store_n(&c->names[place].number, 0, __ATOMIC_SEQ_CST);
		c->told[place] = 0;
	}
	if (!number)
		contents_changed(c, true);
}
