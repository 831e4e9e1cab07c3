// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * gsh events: what happens in a sandbox, as it happens.
 *
 * The monitor tells of sessions; what was refused to programs that failed stands in the libOS's memory and is looked at
 * twice a second (see cmd-why.c).
 */
#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "gshd/client/client.h"
#include "shell/client.h"
#include "shell/cmd.h"

#define LOOK_MS 500

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	{OPT_JSON, "jsonl", NULL, "one JSON object a line", WORDS_NONE},
	{OPT_COUNT, "count", "N", "end after so many", WORDS_NONE},
	OPT_ROW_END,
};

struct follow {
	const char *sandbox;
	struct client *conn;
	bool json;
	long left; /* events to show; -1: all */
	uint64_t seen; /* number of the youngest bad end that was told */
};

static void say_when(int64_t ms)
{
	time_t when = (time_t)(ms / 1000);
	char text[32];
	struct tm tm;

	if (localtime_r(&when, &tm) && strftime(text, sizeof(text), "%H:%M:%S", &tm))
		printf("%s.%03d ", text, (int)(ms % 1000));
}

static void print_event(struct json_object *o)
{
	struct json_object *list = json_object_new_array();
	int status = (int)reply_number(o, "status", -1);
	char text[512];

	json_object_array_add(list, json_object_get(o));
	show_words(list, "argv", NULL);
	json_object_put(list);
	say_when(reply_number(o, "ms", 0));
	printf("%-8s", show_field(o, "event", text, sizeof(text)));
	if (reply_number(o, "session", 0))
		printf(" session %d", (int)reply_number(o, "session", 0));
	if (reply_number(o, "pid", 0))
		printf(" pid %d", (int)reply_number(o, "pid", 0));
	if (status >= 0 && WIFSIGNALED(status))
		printf(" signal %d", WTERMSIG(status));
	else if (status >= 0)
		printf(" status %d", WEXITSTATUS(status));
	if (*reply_string(o, "argv"))
		printf("  %s", show_field(o, "argv", text, sizeof(text)));
	if (*reply_string(o, "call"))
		printf("  %s", show_field(o, "call", text, sizeof(text)));
	if (*reply_string(o, "path"))
		printf(" %s", show_field(o, "path", text, sizeof(text)));
	if (*reply_string(o, "error"))
		printf(": %s", show_field(o, "error", text, sizeof(text)));
	putchar('\n');
}

/* Takes o. */
static int tell(struct follow *f, struct json_object *o)
{
	if (f->left == 0) {
		json_object_put(o);
		return 0;
	}
	if (f->json)
		puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		print_event(o);
	json_object_put(o);
	if (f->left > 0)
		f->left--;
	return show_done();
}

/* What failed since the last look. */
static int look(struct follow *f, bool first)
{
	struct json_object *items = why_list(f->sandbox, false);
	int result = 0;

	for (size_t i = 0; items && !result && i < json_object_array_length(items); i++) {
		struct json_object *end = json_object_array_get_idx(items, i), *calls, *o, *call;
		uint64_t number = (uint64_t)reply_number(end, "number", 0);

		if (number <= f->seen)
			continue;
		f->seen = number;
		if (first || !json_object_object_get_ex(end, "calls", &calls) || !json_object_array_length(calls))
			continue;
		call = json_object_array_get_idx(calls, json_object_array_length(calls) - 1);
		o = json_object_new_object();
		json_object_object_foreach(call, key, value)
			json_object_object_add(o, key, json_object_get(value));
		json_object_object_add(o, "event", json_object_new_string("failed"));
		json_object_object_add(o, "sandbox", json_object_new_string(f->sandbox));
		json_object_object_add(o, "ms", json_object_new_int64(reply_number(end, "time", 0) * 1000));
		json_object_object_add(o, "pid", json_object_new_int64(reply_number(end, "pid", 0)));
		json_object_object_add(o, "command", json_object_new_string(reply_string(end, "command")));
		result = tell(f, o);
	}
	json_object_put(items);
	return result;
}

static int follow(struct follow *f)
{
	struct client_reply reply = {.continues = true};
	int err = client_send(f->conn, "org.gsh.Box.Events", NULL, CLIENT_MORE, NULL, 0), result = 0;
	bool told = false;

	if (!err)
		result = look(f, true);
	while (!err && !result && f->left && reply.continues) {
		struct pollfd p = {.fd = client_fd(f->conn), .events = POLLIN};

		if (!client_ready(f->conn) && poll(&p, 1, LOOK_MS) == 0) {
			result = look(f, false);
			continue;
		}
		err = client_receive(f->conn, &reply);
		if (err)
			break;
		if (reply.error[0])
			result = fail(FAIL_NO, f->sandbox, "%s", reply.error);
		else if (told && reply.continues)
			result = look(f, false) ?: tell(f, json_object_get(reply.params));
		told = true;
		client_reply_free(&reply);
	}
	return err && err != -EPIPE ? fail(FAIL_NO, f->sandbox, "%s", strerror(-err)) : result;
}

static int exec(const struct call *call)
{
	struct follow f = {.sandbox = call_sandbox(call), .json = opt_given(call, OPT_JSON), .left = -1};
	const char *count = opt_value(call, OPT_COUNT);
	struct box box;
	char *end;
	int result, err;

	if (!f.sandbox)
		return -FAIL_USAGE;
	if (count) {
		f.left = strtol(count, &end, 10);
		if (*end || f.left < 1 || f.left > 1000000)
			return usage_fail(call->cmd, "%s is no number of events", count);
	}
	result = box_open_running(&box, f.sandbox);
	if (result)
		return result;
	err = client_open(&f.conn, box.path);
	result = err ? fail(FAIL_NO, f.sandbox, "%s", strerror(-err)) : follow(&f);
	if (!err)
		client_close(f.conn);
	box_close(&box);
	return result;
}

const struct cmd cmd_events = {
	.name = "events",
	.args = "[NAME]",
	.summary = "follow what happens in a sandbox",
	.help = "Sessions that start, end, are attached to or detached from; programs that failed because\n"
		"something was refused. Ends with the sandbox.",
	.opts = opts,
	.max = 1,
	.words = WORDS_SANDBOX,
	.group = GROUP_SEE,
	.exec = exec,
};
