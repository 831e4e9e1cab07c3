// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Answers on stdout.
 *
 * A list is a table for people when stdout is a terminal, its own or that of who asked inside (aligned, with a head),
 * lines of tab-separated fields for scripts when it is not (no head, nothing cut), and one JSON object with --json.
 * Names that come out of a sandbox are escaped, so that a file called "a\tb\n" neither breaks a table nor drives the
 * terminal; JSON carries them whole.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gshd/client/client.h"
#include "gshd/tree/patch.h"
#include "shell/shell.h"

#define FIELD_MAX 16384
#define COLUMNS_MAX 12

static const char *escape(const char *text, char *buf, size_t size)
{
	const char *end = text + strlen(text);
	size_t n = 0;

	while (text < end && n + 5 < size) {
		size_t whole = *text == '\\' ? 0 : quote_utf8(text, end);

		if (whole)
			memcpy(buf + n, text, whole);
		else if (*text == '\t')
			n += (size_t)sprintf(buf + n, "\\t");
		else if (*text == '\n')
			n += (size_t)sprintf(buf + n, "\\n");
		else if (*text == '\\')
			n += (size_t)sprintf(buf + n, "\\\\");
		else
			n += (size_t)sprintf(buf + n, "\\%03o", (unsigned char)*text);
		n += whole;
		text += whole ? whole : 1;
	}
	buf[n] = '\0';
	return buf;
}

const char *show_field(struct json_object *item, const char *key, char *buf, size_t size)
{
	struct json_object *value = NULL;
	const char *text = "-";

	json_object_object_get_ex(item, key, &value);
	if (value)
		text = json_object_get_string(value);
	return escape(text && *text ? text : "-", buf, size);
}

/* Columns on a screen, not bytes: bytes that continue a UTF-8 character take none. */
static int width(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void print_cell(const char *text, const struct column *col, int room, bool last)
{
	int pad = room - width(text);

	if (col->right)
		printf("%*s%s", pad > 0 ? pad : 0, "", text);
	else if (last)
		fputs(text, stdout);
	else
		printf("%s%*s", text, pad > 0 ? pad : 0, "");
	fputs(last ? "\n" : "  ", stdout);
}

/* With -z names are whole: a NUL ends each row, and nothing else can. */
static void rows_for_machines(struct json_object *items, const struct column *cols, size_t ncols)
{
	size_t rows = json_object_array_length(items), i, j;

	for (i = 0; i < rows; i++)
		for (j = 0; j < ncols; j++) {
			struct json_object *value = NULL;

			json_object_object_get_ex(json_object_array_get_idx(items, i), cols[j].key,
						  &value);
			fputs(value ? json_object_get_string(value) : "-", stdout);
			putchar(j + 1 == ncols ? '\0' : '\t');
		}
}

static void table_for_people(struct json_object *items, const struct column *cols, size_t ncols,
			     char *buf)
{
	size_t rows = json_object_array_length(items), i, j;
	bool colors = ui_color(1);
	int room[COLUMNS_MAX];

	for (j = 0; j < ncols; j++) {
		room[j] = width(cols[j].head);
		for (i = 0; i < rows; i++) {
			int w = width(show_field(json_object_array_get_idx(items, i), cols[j].key,
						 buf, FIELD_MAX));

			room[j] = w > room[j] ? w : room[j];
		}
	}
	ui_page(rows + 1);
	if (colors)
		fputs("\033[1m", stdout);
	for (j = 0; j < ncols; j++)
		print_cell(cols[j].head, &cols[j], room[j], j + 1 == ncols);
	if (colors)
		fputs("\033[0m", stdout);
	for (i = 0; i < rows; i++)
		for (j = 0; j < ncols; j++)
			print_cell(show_field(json_object_array_get_idx(items, i), cols[j].key, buf,
					      FIELD_MAX),
				   &cols[j], room[j], j + 1 == ncols);
}

static void table_for_scripts(struct json_object *items, const struct column *cols, size_t ncols,
			      char *buf)
{
	size_t rows = json_object_array_length(items), i, j;

	for (i = 0; i < rows; i++)
		for (j = 0; j < ncols; j++)
			printf("%s%c",
			       show_field(json_object_array_get_idx(items, i), cols[j].key, buf,
					  FIELD_MAX),
			       j + 1 == ncols ? '\n' : '\t');
}

void show_words(struct json_object *items, const char *key, const char *otherwise)
{
	char line[4096], name[64];
	size_t i, j;

	for (i = 0; i < json_object_array_length(items); i++) {
		struct json_object *item = json_object_array_get_idx(items, i), *words = NULL;
		size_t len = 0;

		if (!json_object_object_get_ex(item, key, &words) ||
		    !json_object_is_type(words, json_type_array))
			continue;
		line[0] = '\0';
		for (j = 0; j < json_object_array_length(words) && len < sizeof(line); j++) {
			struct json_object *word = json_object_array_get_idx(words, j);

			len += (size_t)snprintf(line + len, sizeof(line) - len, "%s%s",
						j ? " " : "", json_object_get_string(word));
		}
		if (!len && otherwise)
			snprintf(line, sizeof(line), "[%s]",
				 show_field(item, otherwise, name, sizeof(name)));
		json_object_object_add(item, key, json_object_new_string(line));
	}
}

/* The column that tells rows apart. */
static const struct column *identity(const struct column *cols, size_t ncols)
{
	static const char *const keys[] = {"path", "name", "id", "pid"};
	size_t i, j;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		for (j = 0; j < ncols; j++)
			if (strcmp(cols[j].key, keys[i]) == 0)
				return &cols[j];
	return cols;
}

int show_list(bool json, const char *schema, struct json_object *items, const struct column *cols,
	      size_t ncols)
{
	struct json_object *object;
	char *buf;
	int err;

	if (json) {
		object = json_object_new_object();
		json_object_object_add(object, "items", json_object_get(items));
		err = show_json(schema, object);
		json_object_put(object);
		return err;
	}
	if (ui_quiet()) {
		cols = identity(cols, ncols);
		ncols = 1;
	}
	buf = malloc(FIELD_MAX);
	if (!buf || ncols > COLUMNS_MAX) {
		free(buf);
		return fail(FAIL_NO, "out of memory", NULL);
	}
	if (ui_null())
		rows_for_machines(items, cols, ncols);
	else if (!ui_person() || ui_quiet())
		table_for_scripts(items, cols, ncols, buf);
	else if (json_object_array_length(items))
		table_for_people(items, cols, ncols, buf);
	free(buf);
	return show_done();
}

int show_json(const char *schema, struct json_object *object)
{
	struct json_object *whole = json_object_new_object();
	char name[64];

	/* The schema comes first, for people who look at the first line only. */
	snprintf(name, sizeof(name), "gsh.%s/1", schema);
	json_object_object_add(whole, "schema", json_object_new_string(name));
	json_object_object_foreach(object, key, value)
		json_object_object_add(whole, key, json_object_get(value));
	puts(json_object_to_json_string_ext(whole, JSON_C_TO_STRING_PLAIN |
							   JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(whole);
	return show_done();
}

static void add_bytes(struct json_object *object, const char *key, const char *bytes)
{
	char name[64], *text = client_base64(bytes, strlen(bytes));

	snprintf(name, sizeof(name), "%s_b64", key);
	if (text)
		json_object_object_add(object, name, json_object_new_string(text));
	free(text);
}

void show_add_path(struct json_object *object, const char *key, const char *path)
{
	size_t len = strlen(path), n = 0;
	const char *p = path, *end = path + len;
	char *text = calloc(1, len + 1);
	bool whole = true;

	while (text && p < end) {
		size_t one = (unsigned char)*p < 0x80 ? 1 : quote_utf8(p, end);

		whole &= one > 0;
		text[n] = '?';
		if (one)
			memcpy(text + n, p, one);
		n += one ? one : 1;
		p += one ? one : 1;
	}
	json_object_object_add(object, key, json_object_new_string_len(text ? text : "", (int)n));
	if (!whole)
		add_bytes(object, key, path);
	free(text);
}

int show_done(void)
{
	if (ui_page_end())
		return 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	return fail(FAIL_NO, "cannot write the answer", "%s", strerror(errno));
}
