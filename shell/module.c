// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Parts of gsh that are objects of their own, loaded when they are wanted: what they are linked with would cost each
 * start of gsh milliseconds. They lie in libexec, beside gsh or where it is installed.
 */
#include <dlfcn.h>
#include <stdio.h>

#include "gshd/client/paths.h"
#include "shell/cmd.h"
#include "shell/edit.h"

static void *load(const char *name, const char *symbol)
{
	char rest[64], path[4096];
	void *object = NULL, *found;

	snprintf(rest, sizeof(rest), "../libexec/gsh/%s", name);
	if (paths_beside(rest, path, sizeof(path)) == 0)
		object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!object) {
		snprintf(path, sizeof(path), "%s/%s", GSH_LIBEXEC, name);
		object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	}
	found = object ? dlsym(object, symbol) : NULL;
	if (!found)
		note("%s cannot be loaded: %s", name, dlerror());
	return found;
}

const struct edit_ops *editor_load(void)
{
	static const struct edit_ops *ops;
	static bool tried;

	if (!tried)
		ops = load("edit.so", "edit_ops");
	tried = true;
	return ops;
}

unpack_fn *unpacker_load(void)
{
	void *p = load("image.so", "unpack_run");

	return (unpack_fn *)p;
}

pack_fn *packer_load(void)
{
	void *p = load("image.so", "pack_tree");

	return (pack_fn *)p;
}
