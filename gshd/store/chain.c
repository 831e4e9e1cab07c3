/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Versions of a sandbox's tree: see chain.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "gshd/store/chain.h"
#include "gshd/store/history.h"

static bool is_number(const char *word)
{
	return *word && strlen(word) < 10 && !word[strspn(word, "0123456789")];
}

bool chain_word_ok(const char *version)
{
	return is_number(version) || paths_name_ok(version);
}

static void close_layers(struct chain *c)
{
	for (unsigned i = 0; i < c->n; i++)
		close(c->layer[i].fd);
	c->n = 0;
}

void chain_close(struct chain *c)
{
	if (c->base >= 0)
		close(c->base);
	close_layers(c);
	c->base = -1;
}

static int open_layer(int box, struct chain *c, uint32_t number)
{
	struct chain_layer *l = &c->layer[c->n];
	char path[32];
	int err = history_find(box, number, path);

	if (err)
		return err;
	l->fd = openat(box, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (l->fd < 0)
		return -errno;
	l->number = number;
	snprintf(l->path, sizeof(l->path), "%s", path);
	c->n++;
	return 0;
}

/* Layers may move while we look: then once more. */
static int open_layers(int box, const char *version, struct chain *c)
{
	uint32_t number[GRANT_LAYERS_MAX];
	int n, err = -ENOENT;

	for (int tries = 0; tries < 10 && err == -ENOENT; tries++) {
		close_layers(c);
		n = history_version(box, version, number, &c->op);
		if (n < 0)
			return n == -ENOENT ? -ESRCH : n;
		err = 0;
		while (n-- > 0 && !err)
			err = open_layer(box, c, number[n]);
	}
	return err;
}

static int open_base(const struct box_spec *spec, struct chain *c, char *why)
{
	int err;

	snprintf(c->base_path, sizeof(c->base_path), "%s", spec->base);
	c->image = spec->image;
	c->base = open(spec->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = c->base < 0 ? -errno : 0;
	if (err)
		snprintf(why, STORE_WHY, "cannot open the base %.300s: %s", spec->base, strerror(-err));
	return err;
}

int chain_open(int store, const char *box, const char *version, struct chain *c, char *why)
{
	struct box_spec spec;
	int err, dir;

	*c = (struct chain){ .base = -1 };
	err = store_read_spec(store, box, &spec, why);
	if (!err)
		err = open_base(&spec, c, why);
	if (err)
		return err;
	c->now = !strcmp(version, "now");
	if (!strcmp(version, "base") && !spec.image)
		return 0;
	dir = store_open_box(store, box);
	err = dir < 0 ? dir : open_layers(dir, version, c);
	if (dir >= 0)
		close(dir);
	if (!err)
		return 0;
	if (err == -ESRCH)
		snprintf(why, STORE_WHY, "it has no op or snapshot %.64s (any more)", version);
	else
		snprintf(why, STORE_WHY, "cannot open the layers of sandbox %s: %s", box, strerror(-err));
	chain_close(c);
	return err == -ESRCH ? -ENOENT : err;
}
