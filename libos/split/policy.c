/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A policy: lines of words; '#' begins a comment.
 *
 *   files PATH ro|rw    the object there, and all below it. PATH is absolute; links in it are followed now
 *   network keep|none   sockets as before; none: none but pairs, and those that are open are closed
 *   streams keep|none   pipes, sockets, terminals, event counters that are open; none: they are closed
 *   keep N...           these descriptors stay open, whatever they are
 *
 * What is not said is not allowed. Names are compared as objects and component by component, never as strings, so that
 * neither links, "..", slashes nor a common beginning of two names make anything larger than it is.
 */
#include "libos/split/split.h"
#include "pal/base/heap.h"

/* ---- parsing ---- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of *s, NUL-terminated in place; NULL at the end. */
static char *word(char **s)
{
	char *w = *s;

	while (is_space(*w))
		w++;
	if (!*w)
		return NULL;
	*s = w;
	while (**s && !is_space(**s))
		++*s;
	if (**s)
		*(*s)++ = '\0';
	return w;
}

/* Names may hold spaces: the last word is the mode, the name all before it. */
static bool parse_files(struct split_policy *p, char *s)
{
	struct split_grant *g = &p->grant[p->ngrants];
	char *end, *mode;

	while (is_space(*s))
		s++;
	end = s + strlen(s);
	while (end > s && is_space(end[-1]))
		*--end = '\0';
	mode = end;
	while (mode > s && !is_space(mode[-1]))
		mode--;
	if (mode == s || *s != '/' || p->ngrants == SPLIT_GRANTS)
		return false;
	g->write = !strcmp(mode, "rw");
	if (!g->write && strcmp(mode, "ro"))
		return false;
	while (mode > s && is_space(mode[-1]))
		*--mode = '\0';
	g->name = s;
	g->line = p->line;
	p->ngrants++;
	return true;
}

static bool parse_switch(bool *on, char *s)
{
	char *w = word(&s);

	if (!w || word(&s))
		return false;
	*on = !strcmp(w, "keep");
	return *on || !strcmp(w, "none");
}

static bool parse_keep(struct split_policy *p, char *s)
{
	char *w;
	u64 n;

	while ((w = word(&s))) {
		if (p->nkeeps == SPLIT_KEEPS || !base_parse_u64(w, 10, &n) || n > INT32_MAX)
			return false;
		p->keep[p->nkeeps++] = (int)n;
	}
	return true;
}

static bool parse_line(struct split_policy *p, char *s)
{
	char *verb = word(&s);

	if (!verb || *verb == '#')
		return true;
	if (!strcmp(verb, "files"))
		return parse_files(p, s);
	if (!strcmp(verb, "network"))
		return parse_switch(&p->network, s);
	if (!strcmp(verb, "streams"))
		return parse_switch(&p->streams, s);
	return !strcmp(verb, "keep") && parse_keep(p, s);
}

int split_policy_parse(struct split_policy *p, const char *text)
{
	char *s, *next;

	memset(p, 0, sizeof(*p));
	p->text = base_strdup(text);
	if (!p->text)
		return -ENOMEM;
	for (s = p->text; s; s = next) {
		next = strchr(s, '\n');
		if (next)
			*next++ = '\0';
		p->line++;
		if (!parse_line(p, s))
			return -EINVAL;
	}
	p->line = 0;
	return 0;
}

void split_policy_free(struct split_policy *p)
{
	for (unsigned i = 0; i < p->ngrants; i++) {
		path_put(&p->grant[i].at);
		base_free(p->grant[i].text);
	}
	base_free(p->text);
	p->text = NULL;
	p->ngrants = 0;
}

/* ---- meaning ---- */

static int resolve(struct split_grant *g)
{
	char *buf, *text;
	struct walk w;
	int r = path_walk(AT_FDCWD, g->name, WALK_FOLLOW | WALK_NO_MAGIC, &w);

	if (r)
		return r;
	g->at = w.path;
	/* What the libOS generates is its own, and there in any case. */
	if (!union_owns(path_node(&g->at)))
		return -EINVAL;
	buf = base_alloc(PATH_MAX_LEN);
	if (!buf)
		return -ENOMEM;
	text = path_text_from(&g->at, NULL, buf, PATH_MAX_LEN);
	r = IS_ERR(text) ? PTR_ERR(text) : 0;
	if (!r && strchr(text, '\n'))
		r = -EINVAL;
	if (!r) {
		g->text = base_strdup(text);
		r = g->text ? 0 : -ENOMEM;
	}
	base_free(buf);
	return r;
}

/* Is name `inner` what `outer` names, or below it? Both are absolute and free of links and dots. */
static bool below(const char *inner, const char *outer)
{
	size_t n = strlen(outer);

	if (!strcmp(outer, "/"))
		return true;
	return !strncmp(inner, outer, n) && (!inner[n] || inner[n] == '/');
}

static bool had(const struct split_policy *old, const struct split_grant *g)
{
	for (unsigned i = 0; i < old->ngrants; i++)
		if (below(g->text, old->grant[i].name) && (old->grant[i].write || !g->write))
			return true;
	return false;
}

/* Against what a former split left; its policy's names are clean. Without one the sandbox's own walls stand anyway. */
static int compare(struct split_policy *p)
{
	struct split_policy old;
	int r;

	if (!the_area->split_on)
		return 0;
	r = split_policy_parse(&old, the_area->split.policy);
	for (unsigned i = 0; i < p->ngrants && !r; i++)
		if (!had(&old, &p->grant[i])) {
			p->line = p->grant[i].line;
			r = -EPERM;
		}
	if (!r && p->network && !old.network)
		r = -EPERM;
	split_policy_free(&old);
	return r;
}

int split_policy_resolve(struct split_policy *p)
{
	for (unsigned i = 0; i < p->ngrants; i++) {
		int r = resolve(&p->grant[i]);

		if (r) {
			p->line = p->grant[i].line;
			return r;
		}
	}
	return compare(p);
}

int split_policy_show(struct buf *b, const struct split_policy *p)
{
	for (unsigned i = 0; p && i < p->ngrants; i++)
		base_buf_printf(b, "files %s %s\n", p->grant[i].text, p->grant[i].write ? "rw" : "ro");
	if (!p)
		base_buf_puts(b, "files / rw\n");
	base_buf_printf(b, "network %s\n", !p || p->network ? "keep" : "none");
	base_buf_printf(b, "streams %s\n", !p || p->streams ? "keep" : "none");
	return b->err;
}

static bool same(const struct dentry *a, const struct dentry *b)
{
	return a == b || (a->node && b->node && a->node->ino && a->node->ino == b->node->ino &&
			  a->node->fs == b->node->fs);
}

bool split_allows(const struct split_policy *p, const struct path *at, bool write)
{
	bool found = false;

	/* Not over the edge of a mount: /dev/shm is not part of "/". */
	lock(&dcache_lock);
	for (struct dentry *d = at->dentry; d && !found; d = d->parent)
		for (unsigned i = 0; i < p->ngrants && !found; i++)
			found = same(d, p->grant[i].at.dentry) && (p->grant[i].write || !write);
	dcache_unlock();
	return found;
}
