// SPDX-License-Identifier: GPL-3.0-or-later
/* Loading the editor of lines: built beside gsh, or where it is installed. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "shell/edit.h"

const struct edit_ops *editor_load(void)
{
	static const struct edit_ops *ops;
	static bool tried;
	char path[4096];
	void *object = NULL;

	if (tried)
		return ops;
	tried = true;
	if (place_beside("../libexec/gsh/edit.so", path, sizeof(path)) == 0)
		object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!object)
		object = dlopen(GSH_LIBEXEC "/edit.so", RTLD_NOW | RTLD_LOCAL);
	ops = object ? dlsym(object, "edit_ops") : NULL;
	if (!ops)
		note("lines are not edited: %s", dlerror());
	return ops;
}
