// SPDX-License-Identifier: LGPL-3.0-or-later
/* The directories of a stack, as gshd's answer to Layers names them: the base, then the layers,
 * lowest first. */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "gshd/tree/tree.h"

static int add(struct tree *tree, struct json_object *path)
{
	const char *text = json_object_get_string(path);
	int fd = open(text ? text : "", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	/* A layer's directory is called by its number. */
	tree->number[tree->n] = (uint32_t)strtoul(strrchr(text, '/') + 1, NULL, 10);
	tree->fd[tree->n++] = fd;
	return 0;
}

int tree_open_layers(struct tree *tree, struct json_object *params)
{
	struct json_object *base = NULL, *layers = NULL;
	struct stat st;
	int err;

	memset(tree, 0, sizeof(*tree));
	if (!json_object_object_get_ex(params, "base", &base) ||
	    !json_object_object_get_ex(params, "layers", &layers) ||
	    !json_object_is_type(layers, json_type_array) ||
	    json_object_array_length(layers) >= TREE_LAYERS_MAX)
		return -EPROTO;
	err = add(tree, base);
	for (size_t i = 0; i < json_object_array_length(layers) && !err; i++)
		err = add(tree, json_object_array_get_idx(layers, i));
	if (!err && fstat(tree->fd[0], &st))
		err = -errno;
	if (err) {
		tree_close(tree);
		return err;
	}
	tree->main_dev = st.st_dev;
	return 0;
}

void tree_close(struct tree *tree)
{
	while (tree->n)
		close(tree->fd[--tree->n]);
}
