// SPDX-License-Identifier: GPL-3.0-or-later
/* The list of commands, in the order in which the help shows them. */
#include <string.h>

#include "shell/cmd.h"

/* clang-format off */
const struct cmd *const cmd_list[] = {
	&cmd_shell,
	&cmd_run,
	&cmd_try,
	&cmd_trace,
	&cmd_attach,
	&cmd_ls,
	&cmd_ps,
	&cmd_top,
	&cmd_info,
	&cmd_denials,
	&cmd_status,
	&cmd_diff,
	&cmd_why,
	&cmd_events,
	&cmd_cat,
	&cmd_cp,
	&cmd_edit,
	&cmd_commit,
	&cmd_discard,
	&cmd_log,
	&cmd_show,
	&cmd_undo,
	&cmd_redo,
	&cmd_snapshot,
	&cmd_create,
	&cmd_allow,
	&cmd_bind,
	&cmd_restore,
	&cmd_start,
	&cmd_stop,
	&cmd_kill,
	&cmd_split,
	&cmd_set,
	&cmd_import,
	&cmd_export,
	&cmd_clone,
	&cmd_rename,
	&cmd_rm,
	&cmd_gc,
	&cmd_path,
	&cmd_mount,
	&cmd_umount,
	&cmd_config,
	&cmd_doctor,
	&cmd_daemon,
	&cmd_version,
	&cmd_help,
	&cmd_complete,
	&cmd_inside,
	NULL,
};
/* clang-format on */

const struct cmd *cmd_find(const char *name)
{
	size_t i;

	for (i = 0; cmd_list[i]; i++)
		if (*name && strcmp(cmd_list[i]->name, name) == 0)
			return cmd_list[i];
	return NULL;
}
