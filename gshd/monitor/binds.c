/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Places of the host's that a sandbox has as they are: [Files] Bind= and BindReadOnly=. One with :cow is no mount:
 * of a base that is the host's tree everything is copy-on-write already, so it is just not hidden.
 *
 * What is bound is the sandbox's to read or write, all of it: neither a mount nor Landlock can carve a hole into it.
 * So nothing can be bound that holds something hidden; what is hidden itself can, that being an exception somebody
 * asks for. Never bound are gsh's own places and settings, in which a sandbox would write its own rules, and what is
 * no files but the kernel's: /proc and its kin.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "conf/conf.h"
#include "gshd/monitor/monitor.h"

#ifndef DEVPTS_SUPER_MAGIC
#define DEVPTS_SUPER_MAGIC 0x1cd1
#endif

static const long kernels[] = { PROC_SUPER_MAGIC,   SYSFS_MAGIC,	CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
				DEBUGFS_MAGIC,	    TRACEFS_MAGIC,	SECURITYFS_MAGIC,   BPF_FS_MAGIC,
				DEVPTS_SUPER_MAGIC, EFIVARFS_MAGIC,	NSFS_MAGIC };

static int refuse(struct confine_note *note, int err, const char *from, const char *why, const char *what)
{
	snprintf(note->text, sizeof(note->text), "%.120s cannot be bound: %s%.120s", from, why, what);
	snprintf(note->hint, sizeof(note->hint), "gsh config show --origin tells where it is asked for");
	note->err = -err;
	return err;
}

/* Whoever made it: what is behind it is bound by its own name, or not at all. */
#define PLANTED "a link on the way may be a sandbox's: "

static bool at_or_below(const char *path, const char *dir)
{
	return !strcmp(path, dir) || path_below(path, dir);
}

/* Where the user's and the host's settings lie, and our programs. */
static const char *ruled_by(const char *from)
{
	static char place[PATH_MAX];
	const char *one = getenv("GSH_CONFIG"), *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char text[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", text, sizeof(text) - 1);

	if (n > 0) {
		text[n] = '\0';
		*strrchr(text, '/') = '\0';
		if (at_or_below(from, text) || path_below(text, from))
			return strcpy(place, text);
	}
	if (one && *one)
		snprintf(text, sizeof(text), "%s", one);
	else if (xdg && *xdg == '/')
		snprintf(text, sizeof(text), "%s/gsh", xdg);
	else
		snprintf(text, sizeof(text), "%s/.config/gsh", home ? home : "");
	if (!realpath(text, place))
		strcpy(place, text);
	return at_or_below(from, place) || path_below(place, from) ? place : NULL;
}

static int check(struct monitor *m, const struct bind *b, struct confine_note *note)
{
	const char *place;
	struct statfs fs;

	for (unsigned i = 0; i < m->nhidden; i++) {
		if (path_below(m->hidden[i], b->from))
			return refuse(note, -EPERM, b->from, "it holds what is hidden: ", m->hidden[i]);
		if (i < m->nown && at_or_below(b->from, m->hidden[i]))
			return refuse(note, -EPERM, b->from, "it is of gsh's own: ", m->hidden[i]);
	}
	place = b->readonly ? NULL : ruled_by(b->from);
	if (place)
		return refuse(note, -EPERM, b->from, "a sandbox that writes there makes its own rules: ", place);
	if (statfs(b->from, &fs))
		return refuse(note, -errno, b->from, strerror(errno), "");
	for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++)
		if (fs.f_type == kernels[i])
			return refuse(note, -EPERM, b->from, "it is of the kernel's, not of files", "");
	return 0;
}

static void drop_last(struct monitor *m)
{
	struct bind *b = &m->binds[--m->nbinds];

	free(b->from);
	free(b->at);
}

/* What was hidden is a part of the base like any other from now on. */
static int show(struct monitor *m, const char *path, struct confine_note *note)
{
	if (strcmp(m->spec.base, "/"))
		return refuse(note, -EPERM, path, "with :cow it must lie in the sandbox's base, which is ",
			      m->spec.base);
	for (unsigned i = m->nown; i < m->nhidden; i++) {
		if (path_below(path, m->hidden[i]))
			return refuse(note, -EPERM, path, "with :cow all of what hides it must be named: ",
				      m->hidden[i]);
		if (strcmp(path, m->hidden[i]))
			continue;
		m->hidden[i] = m->hidden[--m->nhidden]; /* not freed: a trial (grants.c) borrows them */
		return 0;
	}
	return 0;
}

static int add(struct monitor *m, const char *value, bool readonly, struct confine_note *note)
{
	char from[2 * CONF_VALUE_MAX], at[2 * CONF_VALUE_MAX], real[PATH_MAX], planted[PATH_MAX];
	struct bind *b = &m->binds[m->nbinds];
	enum conf_bind mode = conf_bind(value, from, at, sizeof(at));
	struct stat st;
	int err;

	if (m->nbinds == GRANT_BINDS_MAX)
		return refuse(note, -E2BIG, from, "there are too many binds", "");
	err = bind_place(m, from, real, planted);
	if (err)
		return refuse(note, err, from, strerror(-err), "");
	if (*planted)
		return refuse(note, -EPERM, from, PLANTED, planted);
	if (lstat(real, &st))
		return refuse(note, -errno, from, strerror(errno), "");
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return refuse(note, -EPERM, from, "it is neither a directory nor a file", "");
	*b = (struct bind){ strdup(real), strdup(at), S_ISREG(st.st_mode), readonly || mode != CONF_BIND_RW,
			    false };
	err = b->from && b->at ? check(m, b, note) : -ENOMEM;
	if (!err && mode == CONF_BIND_COW)
		err = show(m, real, note);
	if (err || mode == CONF_BIND_COW) {
		free(b->from);
		free(b->at);
		return err;
	}
	m->nbinds++;
	return 0;
}

/* Now that all is known that the sandbox may write. */
static int look_again(struct monitor *m, const char *value, struct confine_note *note)
{
	char from[2 * CONF_VALUE_MAX], at[2 * CONF_VALUE_MAX], real[PATH_MAX], planted[PATH_MAX];
	int err;

	(void)conf_bind(value, from, at, sizeof(at));
	err = bind_place(m, from, real, planted);
	if (err)
		return refuse(note, err, from, strerror(-err), "");
	return *planted ? refuse(note, -EPERM, from, PLANTED, planted) : 0;
}

int binds_find(struct monitor *m, const struct conf *conf, struct confine_note *note)
{
	char value[CONF_VALUE_MAX];
	int err = 0;

	for (int pass = 0; pass < 2; pass++) {
		const char *list[] = { conf->bind, conf->bind_ro };

		for (int ro = 0; ro < 2; ro++)
			while (!err && conf_next(&list[ro], value, sizeof(value)))
				err = pass ? look_again(m, value, note) : add(m, value, ro, note);
	}
	return err;
}

void bind_describe(const struct bind *b, enum grant_rung rung, struct grant_bind *to)
{
	*to = (struct grant_bind){ .flags = b->readonly ? GRANT_BIND_RDONLY : 0 };
	snprintf(to->at, sizeof(to->at), "%s", b->at);
	if (b->file)
		snprintf(to->name, sizeof(to->name), "%s", rung == GRANT_RUNG_A ? "file" : strrchr(b->from, '/') + 1);
}

/* Picoprocesses look at seq, then at the rest. */
static void publish_bind(struct monitor *m, unsigned i)
{
	struct grant_binds *all = m->late_binds;
	static uint32_t seq;

	bind_describe(&m->binds[i], m->rung, &all->bind[i]);
	__atomic_store_n(&all->n, i + 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&all->seq, ++seq, __ATOMIC_SEQ_CST);
}

int bind_live(struct monitor *m, const char *value, bool readonly, struct confine_note *note)
{
	unsigned i = m->nbinds;
	int err = add(m, value, readonly, note);

	if (err || m->nbinds == i)
		return err;
	for (unsigned k = 0; k < i; k++)
		if (!m->binds[k].gone && !strcmp(m->binds[k].from, m->binds[i].from) &&
		    !strcmp(m->binds[k].at, m->binds[i].at) && m->binds[k].readonly == m->binds[i].readonly) {
			drop_last(m);
			return 0; /* it has it */
		}
	err = confine_bind(&m->child,
			   &(struct confine_bind){ m->binds[i].from, m->binds[i].file, m->binds[i].readonly }, i,
			   &m->child.bind_mount[i]);
	if (err) {
		refuse(note, err, m->binds[i].from, strerror(-err), "");
		drop_last(m);
		return err;
	}
	if (m->binds[i].readonly)
		m->child.bind_mount[i] = 0;
	publish_bind(m, i);
	return 0;
}

/* It stays in the list, so that its place is not given again: picoprocesses have it open. */
static int take_away(struct monitor *m, unsigned i)
{
	struct bind *b = &m->binds[i];
	int err = confine_unbind(&m->child, &(struct confine_bind){ b->from, b->file, b->readonly }, i);

	b->gone = !err;
	if (!err)
		m->child.bind_mount[i] = 0;
	return err;
}

int bind_end(struct monitor *m, const char *value, bool readonly)
{
	char from[2 * CONF_VALUE_MAX], at[2 * CONF_VALUE_MAX];
	int err = -ENOENT;

	readonly |= conf_bind(value, from, at, sizeof(at)) != CONF_BIND_RW;
	for (unsigned i = m->nbinds; m->rung == GRANT_RUNG_A && i-- && err == -ENOENT;)
		if (!m->binds[i].gone && !strcmp(m->binds[i].at, at) && m->binds[i].readonly == readonly)
			err = take_away(m, i);
	return err;
}

void binds_free(struct monitor *m)
{
	while (m->nbinds)
		drop_last(m);
}

bool binds_writable(const struct monitor *m, const char *path)
{
	for (unsigned i = 0; i < m->nbinds; i++)
		if (!m->binds[i].readonly &&
		    (m->binds[i].file ? !strcmp(path, m->binds[i].from) : at_or_below(path, m->binds[i].from)))
			return true;
	return false;
}
