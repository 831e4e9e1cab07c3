// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * gsh top: the processes of a sandbox, busiest first, drawn anew until q.
 *
 * All comes from the sandbox's own /proc, by its monitor. Without a terminal, with --json or -n there is no
 * drawing: what was measured is printed so many times.
 */
#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "gshd/client/client.h"
#include "shell/client.h"
#include "shell/cmd.h"

#define PROCS_MAX 512

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	{'d', "delay", "SECONDS", "between two measurements (default: 1)", WORDS_NONE},
	{'n', "times", "N", "print N times and end", WORDS_NONE},
	OPT_ROW_JSON,
	OPT_ROW_END,
};

/* clang-format off */
static const struct column columns[] = {
	{ "PID", "pid", true },
	{ "TTY", "tty", false },
	{ "S", "state", false },
	{ "CPU%", "cpu", true },
	{ "RSS", "rss", true },
	{ "TIME", "time", true },
	{ "COMMAND", "cmdline", false },
};
/* clang-format on */

/* What a process had used at the measurement before. */
struct used {
	int pid;
	uint64_t ticks;
};

struct top {
	const char *sandbox;
	struct used before[PROCS_MAX];
	size_t nbefore;
	double at; /* of that measurement, in seconds; 0: none */
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t ticks_before(const struct top *t, int pid, uint64_t otherwise)
{
	for (size_t i = 0; i < t->nbefore; i++)
		if (t->before[i].pid == pid)
			return t->before[i].ticks;
	return otherwise;
}

/* Of /proc/PID/stat: processor time in ticks, resident pages. */
static bool read_stat(struct client *c, int pid, uint64_t *ticks, long *pages)
{
	struct json_object *p = json_object_new_object(), *data;
	struct client_reply reply = {0};
	char path[32], text[1024], *at;
	unsigned long user, system;
	bool ok = false;

	snprintf(path, sizeof(path), "%d/stat", pid);
	json_object_object_add(p, "path", json_object_new_string(path));
	json_object_object_add(p, "offset", json_object_new_int(0));
	if (client_call(c, "org.gsh.Box.ProcRead", p, NULL, 0, &reply) == 0 && !reply.error[0] &&
	    json_object_object_get_ex(reply.params, "data_b64", &data)) {
		size_t len = (size_t)json_object_get_string_len(data);

		if (len < sizeof(text)) {
			text[client_unbase64(json_object_get_string(data), len, text)] = '\0';
			at = strrchr(text, ')');
			ok = at && sscanf(at + 1,
					  " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d "
					  "%*d %*u %*u %ld",
					  &user, &system, pages) == 3;
			*ticks = ok ? user + system : 0;
		}
	}
	client_reply_free(&reply);
	return ok;
}

static int by_use(const void *a, const void *b)
{
	struct json_object *x = *(struct json_object *const *)a, *y = *(struct json_object *const *)b;
	double d = json_object_get_double(json_object_object_get(y, "cpu")) -
		   json_object_get_double(json_object_object_get(x, "cpu"));

	return d > 0 ? 1 : d < 0 ? -1 : (int)(reply_number(x, "pid", 0) - reply_number(y, "pid", 0));
}

static void add_number(struct json_object *o, const char *key, double value, const char *form)
{
	char text[32];

	snprintf(text, sizeof(text), form, value);
	json_object_object_add(o, key, json_object_new_double_s(value, text));
}

/* The processes with what they used since the measurement before; NULL with a failure in *result. */
static struct json_object *measure(struct top *t, struct client *c, int *result)
{
	struct json_object *reply = NULL, *items;
	double when = now(), per = (double)sysconf(_SC_CLK_TCK), share;
	struct used used[PROCS_MAX];
	size_t n = 0;

	*result = ask_box(t->sandbox, "Processes", NULL, &reply);
	if (*result) {
		if (*result > 0)
			*result = fail(FAIL_CONFLICT, t->sandbox, "it does not run");
		return NULL;
	}
	items = json_object_get(reply_items(reply));
	json_object_put(reply);
	for (size_t i = 0; i < json_object_array_length(items) && n < PROCS_MAX; i++) {
		struct json_object *o = json_object_array_get_idx(items, i);
		int pid = (int)reply_number(o, "pid", 0);
		uint64_t ticks = 0, was;
		long pages = 0;

		if (!read_stat(c, pid, &ticks, &pages))
			continue; /* it ended meanwhile */
		was = ticks_before(t, pid, t->at > 0 ? 0 : ticks);
		share = t->at > 0 && ticks > was ? (double)(ticks - was) / per / (when - t->at) : 0;
		add_number(o, "cpu", 100 * share, "%.1f");
		add_number(o, "time", (double)ticks / per, "%.2f");
		json_object_object_add(o, "rss", json_object_new_int64(pages * sysconf(_SC_PAGESIZE)));
		used[n++] = (struct used){pid, ticks};
	}
	memcpy(t->before, used, n * sizeof(used[0]));
	t->nbefore = n;
	t->at = when;
	json_object_array_sort(items, by_use);
	return items;
}

/* For people: bytes in units. */
static void short_sizes(struct json_object *items)
{
	for (size_t i = 0; i < json_object_array_length(items); i++) {
		struct json_object *o = json_object_array_get_idx(items, i);
		double size = (double)reply_number(o, "rss", 0);
		char text[32];

		snprintf(text, sizeof(text), size >= 1e9 ? "%.1fG" : size >= 1e6 ? "%.1fM" : "%.0fK",
			 size >= 1e9 ? size / 1e9 : size >= 1e6 ? size / 1e6 : size / 1e3);
		json_object_object_add(o, "rss", json_object_new_string(text));
	}
}

static int print(struct json_object *items, bool json)
{
	if (!json) {
		short_sizes(items);
		show_words(items, "cmdline", "comm");
	}
	return show_list(json, "top", items, columns, sizeof(columns) / sizeof(columns[0]));
}

/* As many rows as fit. */
static int draw(const struct top *t, struct json_object *items)
{
	struct tty tty;
	uint16_t size[4];
	double cpu = 0;
	char text[64];

	tty_find(&tty);
	tty_size(&tty, size);
	short_sizes(items);
	show_words(items, "cmdline", "comm");
	for (size_t i = 0; i < json_object_array_length(items); i++)
		cpu += json_object_get_double(json_object_object_get(json_object_array_get_idx(items, i), "cpu"));
	printf("\033[H\033[1mgsh top: %s\033[m  %zu processes, %.1f%% of a processor   q leaves\033[K\r\n\033[7m",
	       t->sandbox, json_object_array_length(items), cpu);
	printf("%6s %-8s %s %6s %8s %9s %-40s\033[K\033[m\r\n", "PID", "TTY", "S", "CPU%", "RSS", "TIME", "COMMAND");
	for (size_t i = 0; i < json_object_array_length(items) && i + 3 < size[0]; i++) {
		struct json_object *o = json_object_array_get_idx(items, i);
		int room = size[1] > 45 ? size[1] - 45 : 1;

		printf("%6d ", (int)reply_number(o, "pid", 0));
		printf("%-8s ", show_field(o, "tty", text, sizeof(text)));
		printf("%s ", show_field(o, "state", text, sizeof(text)));
		printf("%6s ", show_field(o, "cpu", text, sizeof(text)));
		printf("%8s ", show_field(o, "rss", text, sizeof(text)));
		printf("%9s ", show_field(o, "time", text, sizeof(text)));
		printf("%.*s\033[K\r\n", room, show_field(o, "cmdline", text, sizeof(text)));
	}
	printf("\033[J");
	return show_done();
}

/* Until q, or ^C; the terminal is given back whatever happens to us (tty.c). */
static int live(struct top *t, struct client *c, struct tty *tty, int delay_ms)
{
	static const char on[] = "\033[?1049h\033[?25l", off[] = "\033[?25h\033[?1049l";
	struct pollfd p = {.fd = tty->in, .events = POLLIN};
	struct json_object *items;
	int result = 0;
	char key = 0;

	if (tty_raw(tty) < 0 || tty_paint(tty, (const unsigned char *)on, sizeof(on) - 1) < 0)
		return fail(FAIL_NO, "top", "the terminal cannot be set");
	while (!result && key != 'q' && key != 3 && key != 27) {
		items = measure(t, c, &result);
		if (items)
			result = draw(t, items);
		json_object_put(items);
		if (!result && poll(&p, 1, t->nbefore && t->at > 0 ? delay_ms : 100) > 0 && read(tty->in, &key, 1) <= 0)
			break;
	}
	if (tty_paint(tty, (const unsigned char *)off, sizeof(off) - 1) < 0)
		result = result ?: -FAIL_NO;
	tty_close(tty, true);
	return result;
}

static int exec(const struct call *call)
{
	const char *delay = opt_value(call, 'd'), *times = opt_value(call, 'n');
	struct top t = {.sandbox = call_sandbox(call)};
	double seconds = delay ? strtod(delay, NULL) : 1;
	long n = times ? strtol(times, NULL, 10) : 1;
	bool json = opt_given(call, OPT_JSON);
	struct client *c = NULL;
	struct tty tty;
	struct box box;
	int result, err;

	if (!t.sandbox)
		return -FAIL_USAGE;
	if (!(seconds >= 0.1 && seconds <= 3600) || n < 1)
		return usage_fail(call->cmd, "the delay is 0.1 to 3600 seconds, the number of times at least 1");
	result = box_open_running(&box, t.sandbox);
	if (result)
		return result;
	err = client_open(&c, box.path);
	if (err) {
		box_close(&box);
		return fail(FAIL_NO, t.sandbox, "%s", strerror(-err));
	}
	tty_find(&tty);
	if (!json && !times && tty.in >= 0 && isatty(1)) {
		result = live(&t, c, &tty, (int)(seconds * 1000));
	} else {
		/* The first one is what the others are measured against. */
		struct json_object *items = measure(&t, c, &result);

		while (!result && n--) {
			json_object_put(items);
			usleep((useconds_t)(seconds * 1e6));
			items = measure(&t, c, &result);
			if (!result)
				result = print(items, json);
		}
		json_object_put(items);
	}
	client_close(c);
	box_close(&box);
	return result;
}

const struct cmd cmd_top = {
	.name = "top",
	.args = "[NAME]",
	.summary = "watch the processes of a sandbox, busiest first",
	.opts = opts,
	.max = 1,
	.words = WORDS_SANDBOX,
	.group = GROUP_SEE,
	.exec = exec,
};
