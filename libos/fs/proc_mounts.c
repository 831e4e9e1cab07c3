// SPDX-License-Identifier: LGPL-3.0-or-later
/* /proc/PID/mounts, mountinfo, mountstats: the sandbox's mounts, which are the same for all of its
 * processes. */
#include "libos/fs/proc.h"

static void put_options(const struct mount *m, struct buf *b)
{
	static const struct {
		unsigned flag;
		const char *text;
	} rows[] = {
		{ MS_NOSUID, ",nosuid" },   { MS_NODEV, ",nodev" },	  { MS_NOEXEC, ",noexec" },
		{ MS_NOATIME, ",noatime" }, { MS_RELATIME, ",relatime" },
	};

	base_buf_puts(b, m->flags & MS_RDONLY ? "ro" : "rw");
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		if (m->flags & rows[i].flag)
			base_buf_puts(b, rows[i].text);
	}
}

/* Where m is mounted, blanks and backslashes in octal as getmntent(3) wants them. */
static void put_point(const struct mount *m, struct buf *b, char *text)
{
	struct path p = { m->parent, m->point };
	const char *s = "/";

	if (m->point) {
		s = path_text(&p, text, PATH_MAX_LEN);
		if (IS_ERR(s))
			s = "?";
	}
	for (; *s; s++) {
		if (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\\')
			base_buf_printf(b, "\\%03o", *s);
		else
			base_buf_put(b, s, 1);
	}
}

enum form { MOUNTS, MOUNTINFO, MOUNTSTATS };

static void put_mount(const struct mount *m, struct buf *b, char *text, enum form form)
{
	const char *type = m->fs->type;

	switch (form) {
	case MOUNTS:
		base_buf_printf(b, "%s ", type);
		put_point(m, b, text);
		base_buf_printf(b, " %s ", type);
		put_options(m, b);
		base_buf_puts(b, " 0 0\n");
		break;
	case MOUNTINFO:
		base_buf_printf(b, "%d %d %u:%u / ", m->id, m->parent ? m->parent->id : 0,
				dev_major(m->fs->dev), dev_minor(m->fs->dev));
		put_point(m, b, text);
		base_buf_puts(b, " ");
		put_options(m, b);
		base_buf_printf(b, " - %s %s %s\n", type, type, m->flags & MS_RDONLY ? "ro" : "rw");
		break;
	case MOUNTSTATS:
		base_buf_printf(b, "device %s mounted on ", type);
		put_point(m, b, text);
		base_buf_printf(b, " with fstype %s\n", type);
		break;
	}
}

static int show(struct buf *b, enum form form)
{
	char *text = base_alloc(PATH_MAX_LEN);
	struct mount *m;

	if (!text)
		return -ENOMEM;
	list_for_each (m, &mount_list, link)
		put_mount(m, b, text, form);
	base_free(text);
	return 0;
}

int proc_show_mounts(struct pseudo_node *n, struct buf *b)
{
	return show(b, MOUNTS);
}

int proc_show_mountinfo(struct pseudo_node *n, struct buf *b)
{
	return show(b, MOUNTINFO);
}

int proc_show_mountstats(struct pseudo_node *n, struct buf *b)
{
	return show(b, MOUNTSTATS);
}
