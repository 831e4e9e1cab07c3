/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Versions of a sandbox's tree: see chain.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "gshd/chain.h"

static bool is_number(const char *word)
{
	return *word && strlen(word) < 10 && !word[strspn(word, "0123456789")];
}

bool chain_word_ok(const char *version)
{
	return is_number(version) || paths_name_ok(version);
}

void chain_close(struct chain *c)
{
	if (c->base >= 0)
		close(c->base);
	for (unsigned i = 0; i < c->n; i++)
		close(c->layer[i].fd);
	c->base = -1;
	c->n = 0;
}

static int open_layer(int tree, struct chain *c, const char *layer)
{
	int fd = openat(tree, layer, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	c->layer[c->n].fd = fd;
	c->layer[c->n].number = strtoul(layer + strlen("layers/"), NULL, 10);
	snprintf(c->layer[c->n].path, sizeof(c->layer[c->n].path), "%s", layer);
	c->n++;
	return 0;
}

static int open_layers(int store, const struct box_spec *spec, struct chain *c)
{
	char path[128];
	int tree, err = 0;

	snprintf(path, sizeof(path), "boxes/%s/tree", spec->name);
	tree = openat(store, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (tree < 0)
		return -errno;
	for (unsigned i = spec->nlayers; i-- > 0 && !err;)
		err = open_layer(tree, c, spec->layers[i]);
	close(tree);
	return err;
}

int chain_open(int store, const char *box, const char *version, struct chain *c, char *why)
{
	struct box_spec spec;
	int err;

	*c = (struct chain){ .base = -1 };
	err = store_read_spec(store, box, &spec, why);
	if (err)
		return err;
	c->now = !strcmp(version, "now");
	if (!c->now && strcmp(version, "base")) {
		snprintf(why, STORE_WHY, "sandbox %s has no op or snapshot %.64s", box, version);
		return -ENOENT;
	}
	snprintf(c->base_path, sizeof(c->base_path), "%s", spec.base);
	c->base = open(spec.base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = c->base < 0 ? -errno : 0;
	if (err) {
		snprintf(why, STORE_WHY, "cannot open the base %.300s: %s", spec.base,
			 strerror(-err));
		return err;
	}
	err = c->now ? open_layers(store, &spec, c) : 0;
	if (err) {
		snprintf(why, STORE_WHY, "cannot open the layers of sandbox %s: %s", box,
			 strerror(-err));
		chain_close(c);
	}
	return err;
}
