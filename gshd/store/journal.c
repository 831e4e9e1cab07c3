/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The journal of a sandbox: one JSON object a line, only ever appended to.
 *
 *	{"op":7,"layer":8,"cmd":"make","cwd":"/src","start":1700000000123}
 *	{"end":7,"status":0,"ms":412}	(with "cmd" if that has grown since)
 *	{"undo":[8],"when":...}  {"redo":[8],...}  {"squash":[1,2],...}
 *
 * It says what layers were for; which there are, directories say. So a line that a crash or a full
 * disk took is an op without a name, and no more. The last line may be torn: it is cut off before
 * the next is written, and readers stop there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "gshd/store/history_impl.h"
#include "gshd/wire/json.h"

#define JOURNAL_MAX (256 << 20)
#define CMD_MAX 4096

/* ---- reading ---- */

/* All of it, NUL-terminated; *size is what ends with a whole line. NULL: none, or no memory. */
static char *load(int box, size_t *size)
{
	int fd = openat(box, "journal", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	char *text = NULL;
	size_t have = 0;

	*size = 0;
	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size < JOURNAL_MAX)
		text = malloc((size_t)st.st_size + 1);
	while (text && have < (size_t)st.st_size) {
		ssize_t n = pread(fd, text + have, (size_t)st.st_size - have, (off_t)have);
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	close(fd);
	while (text && have && text[have - 1] != '\n')
		have--;
	if (text)
		text[have] = '\0';
	*size = have;
	return text;
}

/* Call fn with each line that is an object. */
static void each_line(char *text, void (*fn)(struct json_object *o, void *arg), void *arg)
{
	for (char *next, *line = text; line && *line; line = next) {
		struct json_object *o;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		o = json_tokener_parse(line);
		if (json_object_is_type(o, json_type_object))
			fn(o, arg);
		json_object_put(o);
	}
}

static bool readable(const char *line, size_t n)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *o = tok ? json_tokener_parse_ex(tok, line, (int)n) : NULL;
	bool yes = json_object_is_type(o, json_type_object);

	json_object_put(o);
	if (tok)
		json_tokener_free(tok);
	return yes;
}

/* Squeeze out the lines that cannot be read: how many. What a crash leaves of a last line was no line before. */
static int squeeze(char *text, size_t size, size_t *left)
{
	char *to = text, *end = text + size;
	int bad = 0;

	for (char *next, *line = text; line < end; line = next) {
		next = (char *)memchr(line, '\n', (size_t)(end - line)) + 1;
		if (!readable(line, (size_t)(next - line))) {
			bad++;
			continue;
		}
		memmove(to, line, (size_t)(next - line));
		to += next - line;
	}
	*to = '\0';
	*left = (size_t)(to - text);
	return bad;
}

int journal_damaged(int box)
{
	size_t size, left;
	char *text = load(box, &size);
	int bad = text ? squeeze(text, size, &left) : 0;

	free(text);
	return bad;
}

int journal_mend(int box)
{
	size_t size, left;
	char *text = load(box, &size);
	int err;

	if (!text)
		return -EIO;
	squeeze(text, size, &left);
	err = layers_aside(box, "journal", true);
	if (!err)
		err = store_write_text(box, "journal", text);
	free(text);
	return err;
}

static void see_line(struct json_object *o, void *arg)
{
	struct history *h = arg;
	int64_t op = json_int(o, "op", 0), layer = json_int(o, "layer", 0);

	if (op > h->last_op)
		h->last_op = op;
	if (layer >= h->next && layer < 99999999)
		h->next = (uint32_t)layer + 1;
}

int journal_open(struct history *h)
{
	struct stat st;
	size_t size;
	char *text;

	h->journal = openat(h->box, "journal", O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (h->journal < 0)
		return -errno;
	text = load(h->box, &size);
	if (text && !fstat(h->journal, &st) && (size_t)st.st_size > size && ftruncate(h->journal, (off_t)size)) {
		free(text);
		return -errno;
	}
	if (text)
		each_line(text, see_line, h);
	free(text);
	return 0;
}

struct search {
	uint32_t layer;
	bool found;
};

static void match_layer(struct json_object *o, void *arg)
{
	struct search *s = arg;
	struct json_object *joined = json_get(o, "squash", json_type_array);

	s->found |= json_int(o, "op", 0) > 0 && json_int(o, "layer", 0) == s->layer;
	/* One that ops were joined in is nobody's any more. */
	for (size_t i = 0; joined && i < json_object_array_length(joined); i++)
		s->found &= json_object_get_int64(json_object_array_get_idx(joined, i)) != s->layer;
}

bool journal_has_layer(const struct history *h, uint32_t layer)
{
	struct search s = { .layer = layer };
	size_t size;
	char *text = load(h->box, &size);

	if (text)
		each_line(text, match_layer, &s);
	free(text);
	return s.found;
}

/* ---- writing ---- */

static int append(struct history *h, struct json_object *o)
{
	const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	size_t n = strlen(text);
	char *line = malloc(n + 2);
	off_t before = lseek(h->journal, 0, SEEK_END);
	ssize_t wrote;
	int err = 0;

	if (!line || before < 0) {
		free(line);
		return -ENOMEM;
	}
	memcpy(line, text, n);
	line[n] = '\n';
	wrote = write(h->journal, line, n + 1);
	if (wrote != (ssize_t)n + 1) {
		err = wrote < 0 ? -errno : -ENOSPC;
		if (wrote > 0 && ftruncate(h->journal, before))
			err = -EIO;
	}
	free(line);
	return err;
}

static bool plain_word(const char *s)
{
	return *s && !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				  "_-+=./:,@%^")];
}

/* A command as a person would type it: what a shell was given, or the words. */
static void command_text(struct json_object *argv, char text[CMD_MAX])
{
	size_t n = argv ? json_object_array_length(argv) : 0, used = 0;
	const char *word;

	text[0] = '\0';
	if (n == 3 && !strcmp(json_object_get_string(json_object_array_get_idx(argv, 1)), "-c")) {
		word = json_object_get_string(json_object_array_get_idx(argv, 2));
		snprintf(text, CMD_MAX, "%s", word);
		return;
	}
	for (size_t i = 0; i < n && used < CMD_MAX; i++) {
		word = json_object_get_string(json_object_array_get_idx(argv, i));
		used += (size_t)snprintf(text + used, CMD_MAX - used, plain_word(word) ? "%s%s" : "%s'%s'",
					 i ? " " : "", word);
	}
}

int journal_begin(struct history *h, int64_t op, uint32_t layer, struct json_object *argv, const char *cwd,
		  int64_t when)
{
	struct json_object *o = json_object_new_object();
	char text[CMD_MAX];
	int err;

	command_text(argv, text);
	json_put_int(o, "op", op);
	json_put_int(o, "layer", layer);
	json_put_str(o, "cmd", text);
	json_put_str(o, "cwd", cwd);
	json_put_int(o, "start", when);
	err = append(h, o);
	json_object_put(o);
	return err;
}

int journal_end(struct history *h, int64_t op, int status, int64_t ms, struct json_object *argv)
{
	struct json_object *o = json_object_new_object();
	char text[CMD_MAX];
	int err;

	json_put_int(o, "end", op);
	json_put_int(o, "status", status);
	json_put_int(o, "ms", ms);
	if (argv) {
		command_text(argv, text);
		json_put_str(o, "cmd", text);
	}
	err = append(h, o);
	json_object_put(o);
	return err;
}

int journal_note(struct history *h, const char *what, const uint32_t *layer, unsigned n)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	int err;

	for (unsigned i = 0; i < n; i++)
		json_object_array_add(list, json_object_new_int64(layer[i]));
	json_object_object_add(o, what, list);
	json_put_int(o, "when", time(NULL));
	err = append(h, o);
	json_object_put(o);
	return err;
}

/* ---- ops ---- */

struct ops {
	struct json_object *list;
	struct json_object *squashed; /* object: numbers of layers that were joined with others */
};

static struct json_object *find_op(struct json_object *list, int64_t op)
{
	for (size_t i = json_object_array_length(list); i-- > 0;) {
		struct json_object *o = json_object_array_get_idx(list, i);
		if (json_int(o, "op", 0) == op)
			return o;
	}
	return NULL;
}

static void take_line(struct json_object *o, void *arg)
{
	struct ops *ops = arg;
	struct json_object *op, *joined = json_get(o, "squash", json_type_array);

	if (json_int(o, "op", 0) > 0) {
		json_object_array_add(ops->list, json_object_get(o));
		return;
	}
	for (size_t i = 0; joined && i < json_object_array_length(joined); i++)
		json_object_object_add(ops->squashed,
				       json_object_get_string(json_object_array_get_idx(joined, i)),
				       json_object_new_boolean(true));
	op = json_int(o, "end", 0) > 0 ? find_op(ops->list, json_int(o, "end", 0)) : NULL;
	if (op) {
		json_put_int(op, "status", json_int(o, "status", 0));
		json_put_int(op, "ms", json_int(o, "ms", 0));
		if (json_str(o, "cmd", NULL))
			json_put_str(op, "cmd", json_str(o, "cmd", NULL));
	}
}

/* The layer that an op left is that of the last op that began with it; an empty top is nobody's. */
static void judge(int box, struct ops *ops, struct json_object *op, bool last_of_layer)
{
	uint32_t layer = (uint32_t)json_int(op, "layer", 0);
	const char *state = "done";
	char path[32], number[16];

	snprintf(number, sizeof(number), "%u", layer);
	json_put_int(op, "at", layer);
	if (!last_of_layer)
		layer = 0;
	else if (json_object_object_get_ex(ops->squashed, number, NULL))
		state = "squashed";
	else if (!history_find(box, layer, path))
		state = !strncmp(path, "undone", 6) || !strncmp(path, "kept", 4) ? "undone" : "done";
	else
		state = "dropped";
	if (layer && !strcmp(state, "done") && layers_dir_empty(box, path))
		layer = 0;
	if (!json_object_object_get_ex(op, "ms", NULL) && !strcmp(state, "done"))
		state = "running";
	json_put_int(op, "layer", layer);
	json_put_str(op, "state", state);
}

struct json_object *history_ops(int box)
{
	struct ops ops = { json_object_new_array(), json_object_new_object() };
	size_t size, n;
	char *text = load(box, &size);

	if (text)
		each_line(text, take_line, &ops);
	free(text);
	n = json_object_array_length(ops.list);
	for (size_t i = 0; i < n; i++) {
		struct json_object *op = json_object_array_get_idx(ops.list, i),
				   *next = json_object_array_get_idx(ops.list, i + 1);
		judge(box, &ops, op, !next || json_int(next, "layer", 0) != json_int(op, "layer", 0));
	}
	json_object_put(ops.squashed);
	return ops.list;
}

/* ---- snapshots and versions ---- */

static struct json_object *read_snapshot(int box, const char *name)
{
	char text[8192];
	int dir = openat(box, "snapshots", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), err;

	if (dir < 0)
		return NULL;
	err = paths_name_ok(name) ? store_read_text(dir, name, text, sizeof(text)) : -EINVAL;
	close(dir);
	return err ? NULL : json_tokener_parse(text);
}

struct json_object *history_snapshots(int box)
{
	struct json_object *list = json_object_new_array(), *o;
	struct dirent **names;
	int n = scandirat(box, "snapshots", &names, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		o = names[i]->d_name[0] == '.' ? NULL : read_snapshot(box, names[i]->d_name);
		if (o) {
			json_put_str(o, "name", names[i]->d_name);
			json_object_array_add(list, o);
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return list;
}

static int numbers_of(struct json_object *snapshot, uint32_t number[GRANT_LAYERS_MAX])
{
	struct json_object *layers = json_get(snapshot, "layers", json_type_array);
	size_t n = layers ? json_object_array_length(layers) : 0;

	if (n >= GRANT_LAYERS_MAX)
		return -EPROTO;
	for (size_t i = 0; i < n; i++)
		number[i] = (uint32_t)json_object_get_int64(json_object_array_get_idx(layers, i));
	return (int)n;
}

bool snapshot_needs(int box, uint32_t layer)
{
	struct json_object *all = history_snapshots(box);
	uint32_t number[GRANT_LAYERS_MAX];
	bool needed = false;

	for (size_t i = 0; i < json_object_array_length(all) && !needed; i++) {
		int n = numbers_of(json_object_array_get_idx(all, i), number);
		for (int k = 0; k < n; k++)
			needed |= number[k] == layer;
	}
	json_object_put(all);
	return needed;
}

static int snapshot_version(int box, const char *name, uint32_t number[GRANT_LAYERS_MAX], int64_t *op)
{
	struct json_object *o = read_snapshot(box, name);
	char path[32];
	int n, out = 0;

	if (!o)
		return -ENOENT;
	n = numbers_of(o, number);
	/* What was joined with others went into the next one of the list. */
	for (int i = 0; i < n; i++)
		if (!history_find(box, number[i], path))
			number[out++] = number[i];
		else if (i == n - 1)
			out = -EPROTO;
	*op = json_int(o, "op", 0);
	json_object_put(o);
	return n < 0 ? n : out;
}

/* The chain as far as `most`, with what was undone. Who wrote the layer `at` after that undo never
 * had it below: a layer of the chain between the two tells. */
static int chain_upto(int box, uint32_t at, uint32_t most, uint32_t number[GRANT_LAYERS_MAX])
{
	int tree = openat(box, "tree", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int n = tree < 0 ? -errno : history_chain(tree, number), out = 0;
	struct dirent **names;
	uint32_t kept = 0;
	int m;

	if (tree >= 0)
		close(tree);
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		if (number[i] <= at)
			kept = number[i];
		if (number[i] <= most)
			number[out++] = number[i];
	}
	m = scandirat(box, "undone", &names, NULL, alphasort);
	for (int i = 0; i < m; i++) {
		uint32_t v = layer_number(names[i]->d_name);
		if (v > kept && v <= most && out < GRANT_LAYERS_MAX - 1)
			number[out++] = v;
		free(names[i]);
	}
	if (m >= 0)
		free(names);
	return out;
}

static int op_version(int box, int64_t op, uint32_t number[GRANT_LAYERS_MAX])
{
	struct json_object *list = history_ops(box), *o = find_op(list, op);
	const char *state = o ? json_str(o, "state", "") : "";
	uint32_t at = o ? (uint32_t)json_int(o, "at", 0) : 0, most = at;
	int err = 0;

	if (!o || !strcmp(state, "squashed") || !strcmp(state, "dropped"))
		err = -ENOENT;
	else if (!json_int(o, "layer", 0))
		most--; /* it left none: that of its number is a later op's */
	json_object_put(list);
	return err ? err : chain_upto(box, at, most, number);
}

int history_version(int box, const char *word, uint32_t number[GRANT_LAYERS_MAX], int64_t *op)
{
	int tree, n;

	*op = 0;
	if (!strcmp(word, "now")) {
		tree = openat(box, "tree", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		n = tree < 0 ? -errno : history_chain(tree, number);
		if (tree >= 0)
			close(tree);
		return n;
	}
	/* Of an image: its lowest layer. */
	if (!strcmp(word, "base"))
		return chain_upto(box, 1, 1, number);
	if (word[strspn(word, "0123456789")])
		return snapshot_version(box, word, number, op);
	*op = strtoll(word, NULL, 10);
	return op_version(box, *op, number);
}
