// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * snapshots/, ops/ and at/ of a sandbox: trees as they were, and what was done.
 *
 *	snapshots/NAME/		a tree like root/
 *	ops/N/			root/, the tree after op N; cmd, when, status; patch, what it changed
 *	at/TIME/		the tree after the last op that had ended by then
 *
 * A version's tree is that of a box of its own that is in no list: so all of root.c holds for it. What there is gshd
 * tells when the sandbox's journal or its snapshots have changed since it was last asked.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "gfs/gfs.h"
#include "gshd/client/client.h"

#define INO_OWN (3ull << 61)

static const char *const parts[] = { "cmd", "when", "status", "patch" };
#define PARTS (sizeof(parts) / sizeof(parts[0]))

/* ---- what gshd's Log says ---- */

/* Immutable but for the count, which boxes_lock guards. */
struct past {
	unsigned refs;
	struct json_object *log;
	struct timespec journal, snapshots; /* when they changed */
	off_t size;
};

void past_free_locked(struct past *p)
{
	if (!p || --p->refs)
		return;
	json_object_put(p->log);
	free(p);
}

static void past_put(struct past *p)
{
	pthread_mutex_lock(&boxes_lock);
	past_free_locked(p);
	pthread_mutex_unlock(&boxes_lock);
}

/* Journals are appended to, so their size tells a change within a tick of the clock, too. */
static void past_stamp(struct box *b, struct past *p)
{
	struct stack *s = box_stack(b);
	struct stat st;

	if (s && !fstatat(s->box, "journal", &st, AT_SYMLINK_NOFOLLOW)) {
		p->journal = st.st_mtim;
		p->size = st.st_size;
	}
	if (s && !fstatat(s->box, "snapshots", &st, AT_SYMLINK_NOFOLLOW))
		p->snapshots = st.st_mtim;
	if (s)
		stack_put(s);
}

static struct past *past_known(struct box *b, const struct past *stamp)
{
	struct past *p;

	pthread_mutex_lock(&boxes_lock);
	p = b->past;
	if (p && p->size == stamp->size && same_time(&p->journal, &stamp->journal) &&
	    same_time(&p->snapshots, &stamp->snapshots))
		p->refs++;
	else
		p = NULL;
	pthread_mutex_unlock(&boxes_lock);
	return p;
}

/* Counted, or NULL. */
static struct past *past_of(struct box *b)
{
	struct json_object *params;
	struct client_reply r = { .params = NULL };
	struct past stamp = { .refs = 2 }, *p;

	past_stamp(b, &stamp);
	p = past_known(b, &stamp);
	if (p)
		return p;
	params = json_object_new_object();
	json_object_object_add(params, "name", json_object_new_string(b->name));
	json_object_object_add(params, "brief", json_object_new_boolean(true));
	if (boxes_ask(0, "org.gsh.Daemon.Log", params, &r))
		return NULL;
	stamp.log = json_object_get(r.params);
	client_reply_free(&r);
	p = malloc(sizeof(*p));
	if (!p) {
		json_object_put(stamp.log);
		return NULL;
	}
	*p = stamp;
	pthread_mutex_lock(&boxes_lock);
	past_free_locked(b->past);
	b->past = p;
	pthread_mutex_unlock(&boxes_lock);
	return p;
}

/* Numbers of their own for what is no tree: by sandbox, op and part. */
static uint64_t ino_of(const struct node *n, uint64_t op, unsigned part)
{
	return INO_OWN | (n->box->id & 0xffffff) << 36 | (op & 0xffffffff) << 4 | part;
}

static uint64_t op_of(const char *name)
{
	size_t len = strlen(name);

	return len && len < 10 && name[0] != '0' && !name[strspn(name, "0123456789")] ? strtoull(name, NULL, 10) : 0;
}

static struct json_object *list_of(struct json_object *past, const char *key)
{
	struct json_object *list = NULL;

	return json_object_object_get_ex(past, key, &list) && json_object_is_type(list, json_type_array) ? list : NULL;
}

static int64_t number_of(struct json_object *o, const char *key, int64_t missing)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? json_object_get_int64(v) : missing;
}

static struct json_object *find_op(struct json_object *past, uint64_t op)
{
	struct json_object *list = list_of(past, "items");

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if ((uint64_t)number_of(o, "op", 0) == op)
			return o;
	}
	return NULL;
}

int enter_tree(struct node *n, const char *name, const char *version, struct fuse_entry_param *e)
{
	struct box *b = box_version(n->box, version);
	struct stack *s = b ? box_stack(b) : NULL;
	struct node *child = NULL;
	struct spot root;
	int err = b ? s ? spot_find(&s->tree, "", &root) : -ENOENT : -ENOMEM;

	if (!err) {
		spot_attr(&root, b, &e->attr);
		spot_put(&root);
		child = node_take(n, NODE_TREE, b, name, e->attr.st_ino);
		e->ino = child ? node_ino(child) : 0;
		err = child ? 0 : -ENOMEM;
	}
	if (s)
		stack_put(s);
	if (b)
		box_put(b);
	return err;
}

static int enter(struct node *n, enum node_kind kind, const char *name, struct fuse_entry_param *e)
{
	struct node *child = node_take(n, kind, n->box, name, e->attr.st_ino);

	e->ino = child ? node_ino(child) : 0;
	return child ? 0 : -ENOMEM;
}

/* ---- snapshots ---- */

static int snapshots_lookup(struct node *n, const char *name, struct fuse_entry_param *e)
{
	if (!paths_name_ok(name) || op_of(name) || !strcmp(name, "now") || !strcmp(name, "base"))
		return -ENOENT;
	return enter_tree(n, name, name, e);
}

static int snapshots_getattr(struct node *n, struct stat *st)
{
	fill_dir(st, ino_of(n, 0, 1));
	return 0;
}

static int add_all(struct node *n, const char *key, const char *field, struct listing *l)
{
	struct past *past = past_of(n->box);
	struct json_object *list = past ? list_of(past->log, key) : NULL;
	int err = 0;

	for (size_t i = 0; list && i < json_object_array_length(list) && !err; i++) {
		struct json_object *v = NULL;

		if (json_object_object_get_ex(json_object_array_get_idx(list, i), field, &v))
			err = listing_add(l, json_object_get_string(v), DT_DIR, 0);
	}
	if (past)
		past_put(past);
	return err;
}

static int list_all(struct node *n, const char *key, const char *field, struct listing **out)
{
	struct listing *l = listing_empty();
	int err = l ? add_all(n, key, field, l) : -ENOMEM;

	if (err)
		listing_free(l);
	else
		*out = l;
	return err;
}

static int snapshots_list(struct node *n, struct listing **out)
{
	return list_all(n, "snapshots", "name", out);
}

/* ---- ops ---- */

static int ops_lookup(struct node *n, const char *name, struct fuse_entry_param *e)
{
	struct past *past = op_of(name) ? past_of(n->box) : NULL;
	bool there = past && find_op(past->log, op_of(name));

	if (past)
		past_put(past);
	if (!there)
		return -ENOENT;
	fill_dir(&e->attr, ino_of(n, op_of(name), 2));
	return enter(n, NODE_OP, name, e);
}

static int ops_getattr(struct node *n, struct stat *st)
{
	fill_dir(st, ino_of(n, 0, 2));
	return 0;
}

static int ops_list(struct node *n, struct listing **out)
{
	return list_all(n, "items", "op", out);
}

/* ---- an op ---- */

/* What a file of an op says; the caller frees. NULL: there is no such op or file (any more), or no memory. */
static char *text_of(struct node *op, const char *part)
{
	struct past *past = past_of(op->box);
	struct json_object *o = past ? find_op(past->log, op_of(op->name)) : NULL, *cmd = NULL;
	time_t when = (time_t)(number_of(o, "start", 0) / 1000);
	int64_t status = number_of(o, "status", -1);
	char date[64] = "", *text = NULL;
	struct tm tm;
	int n = -1;

	if (o && !strcmp(part, "cmd") && json_object_object_get_ex(o, "cmd", &cmd))
		n = asprintf(&text, "%s\n", json_object_get_string(cmd));
	else if (o && !strcmp(part, "when") && gmtime_r(&when, &tm) && strftime(date, sizeof(date), "%FT%TZ", &tm))
		n = asprintf(&text, "%s\n", date);
	else if (o && !strcmp(part, "status") && status < 0)
		n = asprintf(&text, "running\n");
	else if (o && !strcmp(part, "status"))
		/* As a shell would have it. */
		n = asprintf(&text, "%d\n", (int)(status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff));
	else if (o && !strcmp(part, "patch"))
		n = asprintf(&text, "%s", ""); /* made when it is opened */
	if (past)
		past_put(past);
	return n < 0 ? NULL : text;
}

static unsigned part_of(const char *name)
{
	unsigned i = 0;

	while (i < PARTS && strcmp(parts[i], name))
		i++;
	return i;
}

static int op_lookup(struct node *n, const char *name, struct fuse_entry_param *e)
{
	char *text;

	if (!strcmp(name, "root"))
		return enter_tree(n, name, n->name, e);
	if (part_of(name) == PARTS)
		return -ENOENT;
	text = text_of(n, name);
	if (!text)
		return -ENOENT;
	fill_file(&e->attr, ino_of(n, op_of(n->name), 3 + part_of(name)), strlen(text));
	free(text);
	return enter(n, NODE_OP_TEXT, name, e);
}

static int op_getattr(struct node *n, struct stat *st)
{
	fill_dir(st, ino_of(n, op_of(n->name), 2));
	return 0;
}

static int op_list(struct node *n, struct listing **out)
{
	struct listing *l = listing_empty();
	int err = l ? listing_add(l, "root", DT_DIR, 0) : -ENOMEM;

	(void)n;
	for (size_t i = 0; i < PARTS && !err; i++)
		err = listing_add(l, parts[i], DT_REG, 0);
	if (err)
		listing_free(l);
	else
		*out = l;
	return err;
}

static int op_text_getattr(struct node *n, struct stat *st)
{
	char *text = text_of(n->parent, n->name);

	if (!text)
		return -ENOENT;
	fill_file(st, ino_of(n, op_of(n->parent->name), 3 + part_of(n->name)), strlen(text));
	free(text);
	return 0;
}

static int open_patch(struct node *op, struct fuse_file_info *fi)
{
	struct past *past = past_of(op->box);
	struct json_object *o = past ? find_op(past->log, op_of(op->name)) : NULL;
	struct box *b = o ? box_version(op->box, op->name) : NULL;
	int err = b ? changes_open_patch(b, (uint32_t)number_of(o, "layer", 0), fi) : -ENOENT;

	if (b)
		box_put(b);
	if (past)
		past_put(past);
	return err;
}

static int op_text_open(struct node *n, struct fuse_file_info *fi)
{
	char *text;

	if (!strcmp(n->name, "patch"))
		return open_patch(n->parent, fi);
	text = text_of(n->parent, n->name);
	return text ? open_text(fi, text, strlen(text)) : -ENOENT;
}

/* ---- at ---- */

/* "2026-11-28T03:14:15Z", also with a fraction or without seconds; a day alone is its beginning. Milliseconds since
 * 1970, or -1. */
static int64_t time_of(const char *name)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d" };
	const char *rest = NULL;
	int64_t ms = 0;
	struct tm tm;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]) && !rest; i++) {
		memset(&tm, 0, sizeof(tm));
		rest = strptime(name, forms[i], &tm);
	}
	if (!rest)
		return -1;
	if (*rest == '.') {
		for (int64_t unit = 100; *++rest >= '0' && *rest <= '9'; unit /= 10)
			ms += (*rest - '0') * unit;
	}
	if (*rest == 'Z')
		rest++;
	return *rest ? -1 : (int64_t)timegm(&tm) * 1000 + ms;
}

static int64_t end_of(struct json_object *op)
{
	int64_t ms = number_of(op, "ms", -1);

	return ms < 0 ? -1 : number_of(op, "start", 0) + ms;
}

/* The last op that had ended: its number, 0: there was none. */
static int64_t op_at(struct json_object *log, int64_t when)
{
	struct json_object *list = list_of(log, "items");
	int64_t op = 0;

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (end_of(o) >= 0 && end_of(o) <= when && number_of(o, "op", 0) > op)
			op = number_of(o, "op", 0);
	}
	return op;
}

static int at_lookup(struct node *n, const char *name, struct fuse_entry_param *e)
{
	int64_t when = time_of(name), op;
	struct past *past = when < 0 ? NULL : past_of(n->box);
	char word[24];

	if (!past)
		return -ENOENT;
	op = op_at(past->log, when);
	past_put(past);
	snprintf(word, sizeof(word), "%lld", (long long)op);
	return enter_tree(n, name, op ? word : "base", e);
}

static int at_getattr(struct node *n, struct stat *st)
{
	fill_dir(st, ino_of(n, 0, 9));
	return 0;
}

/* Any time may be asked for; those are shown at which something ended. */
static int at_list(struct node *n, struct listing **out)
{
	struct past *past = past_of(n->box);
	struct json_object *list = past ? list_of(past->log, "items") : NULL;
	struct listing *l = listing_empty();
	int err = l ? 0 : -ENOMEM;

	for (size_t i = 0; list && i < json_object_array_length(list) && !err; i++) {
		int64_t end = end_of(json_object_array_get_idx(list, i));
		time_t seconds = (time_t)(end / 1000);
		char date[64], name[80];
		struct tm tm;

		if (end < 0 || !gmtime_r(&seconds, &tm) || !strftime(date, sizeof(date), "%FT%T", &tm))
			continue;
		snprintf(name, sizeof(name), "%s.%03dZ", date, (int)(end % 1000));
		err = listing_add(l, name, DT_DIR, 0);
	}
	if (past)
		past_put(past);
	if (err)
		listing_free(l);
	else
		*out = l;
	return err;
}

const struct kind kind_at = { .lookup = at_lookup, .getattr = at_getattr, .list = at_list };
const struct kind kind_snapshots = { .lookup = snapshots_lookup, .getattr = snapshots_getattr, .list = snapshots_list };
const struct kind kind_ops = { .lookup = ops_lookup, .getattr = ops_getattr, .list = ops_list };
const struct kind kind_op = { .lookup = op_lookup, .getattr = op_getattr, .list = op_list };
const struct kind kind_op_text = { .getattr = op_text_getattr, .open = op_text_open };
