// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * gsh diff: two versions of a sandbox compared, as git would show it.
 *
 * Everything is written as it is found: a sandbox in which a whole system was built costs no memory
 * here. On a terminal the contents of files are shown with their control characters made visible; a
 * pipe gets them as they are, for patch(1).
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gshd/tree/patch.h"
#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	{ OPT_NAME_STATUS, "name-status", NULL, "a letter and a path for each change", WORDS_NONE },
	{ OPT_STAT, "stat", NULL, "how many lines each change has", WORDS_NONE },
	{ OPT_EXIT_CODE, "exit-code", NULL, "end with 1 if there is a difference", WORDS_NONE },
	OPT_ROW_PROGRESS,
	OPT_ROW_JSON,
	OPT_ROW_END,
};

#define NAME_ROOM 65536
#define STAT_BAR 40

struct show {
	enum { PATCH, NAMES, STAT } form;
	bool json, stat; /* with --json: count lines, too */
	bool terminal, colour, paged;
	int painted; /* enum patch_kind of the colour that is on, or -1 */
	uint64_t files, added, deleted, unread;
	char name[NAME_ROOM];
};

/* ---- text ---- */

static void paint(struct show *s, int kind)
{
	static const char *const colours[] = {
		[PATCH_META] = "\033[1m", [PATCH_NOTE] = "\033[33m",   [PATCH_HUNK] = "\033[36m",
		[PATCH_ADD] = "\033[32m", [PATCH_DELETE] = "\033[31m", [PATCH_CONTEXT] = "",
	};

	if (!s->colour || s->painted == kind)
		return;
	if (s->painted >= 0 && s->painted != PATCH_CONTEXT)
		fputs("\033[m", stdout);
	if (kind >= 0)
		fputs(colours[kind], stdout);
	s->painted = kind;
}

/* What drives a terminal is shown as ^X. */
static void put_visible(const char *bytes, size_t size)
{
	const char *end = bytes + size;

	while (bytes < end) {
		size_t n = *bytes == '\n' || *bytes == '\t' ? 1 : quote_utf8(bytes, end);

		if (n) {
			fwrite(bytes, 1, n, stdout);
			bytes += n;
		} else if ((unsigned char)*bytes < 0x80) {
			printf("^%c", *bytes++ ^ 0x40);
		} else {
			printf("<%02x>", (unsigned char)*bytes++);
		}
	}
}

static int put(void *arg, enum patch_kind kind, const char *bytes, size_t size)
{
	struct show *s = arg;

	progress_clear();
	if (s->terminal && !s->paged) {
		/* How long it will be is not known yet: a pager lets pass what fits. From now on the screen is its
		 * own. */
		progress_end(1);
		fflush(stderr);
		ui_page(SIZE_MAX);
		s->paged = true;
	}
	paint(s, (int)kind);
	if (s->terminal)
		put_visible(bytes, size);
	else
		fwrite(bytes, 1, size, stdout);
	return ferror(stdout) ? -EIO : 0;
}

static int put_nothing(void *arg, enum patch_kind kind, const char *bytes, size_t size)
{
	(void)arg;
	(void)kind;
	(void)bytes;
	(void)size;
	return 0;
}

/* A bar of signs, in proportion but never none of what there is. */
static void put_bar(uint64_t added, uint64_t deleted)
{
	uint64_t all = added + deleted, plus = added, minus = deleted;

	if (all > STAT_BAR) {
		plus = (added * STAT_BAR + all - 1) / all;
		minus = deleted ? STAT_BAR - (plus < STAT_BAR ? plus : STAT_BAR - 1) : 0;
	}
	while (plus--)
		putchar('+');
	while (minus--)
		putchar('-');
	putchar('\n');
}

static int show_stat(struct show *s, const struct diff_found *f)
{
	const struct patch_sink sink = { put_nothing, NULL };
	struct patch_count count = { 0 };
	int r = patch_entry(f, &sink, &count);

	if (r)
		return r;
	s->added += count.added;
	s->deleted += count.deleted;
	printf("%c %s | ", patch_letter(f), quote_name(f->path, s->name, sizeof(s->name)));
	if (count.binary) {
		printf("Bin %lld -> %lld bytes\n", f->a ? (long long)f->a->st.st_size : 0,
		       f->b ? (long long)f->b->st.st_size : 0);
	} else {
		printf("%llu ", (unsigned long long)(count.added + count.deleted));
		put_bar(count.added, count.deleted);
	}
	return 0;
}

static int show_name(struct show *s, const struct diff_found *f)
{
	struct json_object *o = json_object_new_object();

	/* As in every list: escapes as in C, and nothing around them. */
	json_object_object_add(o, "path", json_object_new_string(f->path));
	printf("%c\t%s\n", patch_letter(f), show_field(o, "path", s->name, sizeof(s->name)));
	json_object_put(o);
	return 0;
}

/* ---- JSON ---- */

static const char *kind_of(uint32_t mode)
{
	return S_ISDIR(mode)	? "directory"
	       : S_ISLNK(mode)	? "link"
	       : S_ISREG(mode)	? "file"
	       : S_ISFIFO(mode) ? "fifo"
	       : S_ISSOCK(mode) ? "socket"
	       : S_ISBLK(mode)	? "block"
				: "character";
}

static struct json_object *side(const struct spot *spot, const struct union_attr *a)
{
	struct json_object *o = json_object_new_object();
	char mode[16];

	snprintf(mode, sizeof(mode), "%04o", a->mode & 07777);
	json_object_object_add(o, "kind", json_object_new_string(kind_of(a->mode)));
	json_object_object_add(o, "mode", json_object_new_string(mode));
	json_object_object_add(o, "uid", json_object_new_int64(a->uid));
	json_object_object_add(o, "gid", json_object_new_int64(a->gid));
	if (S_ISREG(a->mode))
		json_object_object_add(o, "size", json_object_new_int64(spot->st.st_size));
	return o;
}

static int show_object(struct show *s, const struct diff_found *f)
{
	static const struct {
		unsigned int bit;
		const char *name;
	} bits[] = { { DIFF_DATA, "data" },
		     { DIFF_MODE, "mode" },
		     { DIFF_OWNER, "owner" },
		     { DIFF_XATTRS, "xattrs" } };
	const struct patch_sink sink = { put_nothing, NULL };
	struct json_object *o = json_object_new_object(), *what = json_object_new_array();
	struct patch_count count = { 0 };
	char letter[2] = { patch_letter(f), '\0' };
	int r = s->stat ? patch_entry(f, &sink, &count) : 0;

	show_add_path(o, "path", f->path);
	json_object_object_add(o, "change", json_object_new_string(letter));
	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (f->what & bits[i].bit)
			json_object_array_add(what, json_object_new_string(bits[i].name));
	json_object_object_add(o, "differs", what);
	if (f->a)
		json_object_object_add(o, "was", side(f->a, &f->was));
	if (f->b)
		json_object_object_add(o, "is", side(f->b, &f->is));
	if (s->stat) {
		json_object_object_add(o, "added", json_object_new_int64((int64_t)count.added));
		json_object_object_add(o, "deleted", json_object_new_int64((int64_t)count.deleted));
		json_object_object_add(o, "binary", json_object_new_boolean(count.binary));
	}
	printf("%s%s", s->files > 1 ? "," : "",
	       json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
							 JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
	return r;
}

/* ---- all of it ---- */

static int found(const struct diff_found *f, void *arg)
{
	const struct patch_sink sink = { put, arg };
	struct show *s = arg;
	int r;

	s->files++;
	progress_add(1, f->b ? (uint64_t)f->b->st.st_size : 0);
	if (s->json)
		r = show_object(s, f);
	else if (s->form == NAMES)
		r = show_name(s, f);
	else if (s->form == STAT)
		r = show_stat(s, f);
	else
		r = patch_entry(f, &sink, NULL);
	/* The answer cannot be written, which show_done() says. */
	return ferror(stdout) ? -EPIPE : r == -EPIPE ? -EIO : r;
}

static void lost(const char *path, int err, void *arg)
{
	struct show *s = arg;

	s->unread++;
	progress_clear();
	fflush(stdout);
	fail(FAIL_NO, path, "cannot be looked into: %s", strerror(-err));
}

static int compare(struct show *s, const struct tree *a, const struct tree *b,
		   const struct diff_scope *scope)
{
	const struct diff_calls calls = { found, lost, s };
	int r;

	if (s->json)
		printf("{\"schema\":\"gsh.diff/1\",\"items\":[");
	r = tree_diff(a, b, scope, &calls);
	paint(s, -1);
	if (s->json)
		puts("]}");
	else if (s->form == STAT && s->files)
		printf("%llu changed, %llu lines added, %llu deleted\n",
		       (unsigned long long)s->files, (unsigned long long)s->added,
		       (unsigned long long)s->deleted);
	progress_end(r);
	if (r && r != -EPIPE)
		return fail(FAIL_NO, "diff", "%s", strerror(-r));
	r = show_done();
	return r ? r : s->unread ? -FAIL_NO : 0;
}

/* Words ahead of "--" are versions, but for what can only be a path. */
static int sort_words(const struct call *call, const char *versions[2], char **paths,
		      size_t *npaths)
{
	int nversions = 0;

	for (int i = 0; i < call->argc; i++) {
		const char *word = call->argv[i];

		if (i >= call->dash || *word == '/' || *word == '.') {
			paths[*npaths] = version_path(word);
			if (!paths[(*npaths)++])
				return -FAIL_USAGE;
		} else if (nversions == 2) {
			return usage_fail(call->cmd,
					  "more than two versions; paths come after \"--\"");
		} else {
			versions[nversions++] = word;
		}
	}
	return 0;
}

static int run(const struct call *call, const char *sandbox, struct show *s)
{
	const char *versions[2] = { "base", "now" };
	char **paths = calloc((size_t)call->argc + 1, sizeof(*paths));
	struct diff_scope scope = { .paths = (const char *const *)paths };
	struct version a, b;
	int result = paths ? sort_words(call, versions, paths, &scope.n) : -FAIL_NO;

	if (!result)
		result = version_open_word(&a, sandbox, versions[0]);
	if (!result) {
		result = version_open_word(&b, sandbox, versions[1]);
		if (!result) {
			result = compare(s, &a.tree, &b.tree, &scope);
			version_close(&b);
		}
		version_close(&a);
	}
	for (size_t i = 0; i < scope.n; i++)
		free(paths[i]);
	free(paths);
	return result;
}

static int exec(const struct call *call)
{
	const char *sandbox = call_sandbox(call);
	struct show *s;
	int result;

	if (!sandbox)
		return -FAIL_USAGE;
	result = progress_start("diff", opt_value(call, OPT_PROGRESS));
	s = result ? NULL : calloc(1, sizeof(*s));
	if (!s)
		return result ? result : fail(FAIL_NO, "out of memory", NULL);
	s->json = opt_given(call, OPT_JSON);
	s->stat = opt_given(call, OPT_STAT);
	s->form = s->stat ? STAT : opt_given(call, OPT_NAME_STATUS) ? NAMES : PATCH;
	s->terminal = ui_person();
	s->colour = ui_color(1);
	s->painted = -1;
	result = run(call, sandbox, s);
	if (!result && opt_given(call, OPT_EXIT_CODE) && s->files)
		result = 1;
	free(s);
	return result;
}

const struct cmd cmd_diff = {
	.name = "diff",
	.args = "[FROM [TO]] [-- PATH...]",
	.summary = "compare versions of a sandbox",
	.help = "FROM and TO are versions: base (what FROM is without a word), now (TO), the\n"
		"number of an op, a snapshot; OTHER@ or OTHER@VERSION is one of another sandbox.\n"
		"The output is git's, for patch -p1 and git apply. A added, M modified,\n"
		"D deleted, T another type of file.",
	.opts = opts,
	.max = -1,
	.words = WORDS_VERSIONS,
	.group = GROUP_SEE,
	.exec = exec,
};
