// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Progress of long work, on stderr.
 *
 * Nothing is said in the first 300 ms. Then a terminal gets one line, written anew ten times a
 * second at most, with the rate, and the time left where the total is known; --progress=json gets
 * an object a line for programs, at the same pace. Who has neither a terminal nor asked for it gets
 * a plain line each ten seconds.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "shell/shell.h"

#define FIRST_MS 300
#define EACH_MS 100
#define PLAIN_MS 10000
#define FILE_COST 4096 /* bytes that take as long as making a file does */

static struct {
	enum { OFF, LINE, PLAIN, JSON } how;
	const char *what;
	uint64_t files, bytes;
	struct total all;
	progress_count_fn *count;
	void *arg;
	int64_t began, next; /* ms */
	bool shown;
} now;

static int64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int progress_start(const char *what, const char *how)
{
	memset(&now, 0, sizeof(now));
	if (!how || strcmp(how, "auto") == 0)
		now.how = isatty(2) ? LINE : PLAIN;
	else if (strcmp(how, "json") == 0)
		now.how = JSON;
	else if (strcmp(how, "none") != 0)
		return fail(FAIL_USAGE, how, "progress is shown as auto, none or json");
	now.what = what;
	now.began = clock_ms();
	now.next = now.began + (now.how == PLAIN ? PLAIN_MS : FIRST_MS);
	return 0;
}

static const char *amount(double bytes, char *buf, size_t size)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t i = 0;

	for (; bytes >= 1024 && i < 4; i++)
		bytes /= 1024;
	snprintf(buf, size, i ? "%.1f %s" : "%.0f %s", bytes, unit[i]);
	return buf;
}

static void say_json(double seconds, bool done)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "schema", json_object_new_string("gsh.progress/1"));
	json_object_object_add(o, "what", json_object_new_string(now.what));
	json_object_object_add(o, "files", json_object_new_int64((int64_t)now.files));
	json_object_object_add(o, "bytes", json_object_new_int64((int64_t)now.bytes));
	if (now.all.files)
		json_object_object_add(o, "total_files", json_object_new_int64((int64_t)now.all.files));
	if (now.all.bytes)
		json_object_object_add(o, "total_bytes", json_object_new_int64((int64_t)now.all.bytes));
	json_object_object_add(o, "seconds", json_object_new_double(seconds));
	json_object_object_add(o, "done", json_object_new_boolean(done));
	fprintf(stderr, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

/* How much of it is done, 0 to 1. A file costs something even if it is empty. */
static double part_done(void)
{
	double all = (double)now.all.bytes + (double)now.all.files * FILE_COST;
	double part = all > 0 ? ((double)now.bytes + (double)now.files * FILE_COST) / all : 0;

	/* It grew since it was counted. */
	return part > 1 ? 1 : part;
}

static void say_line(double seconds)
{
	char files[40] = "", done[32], rate[32], left[48] = "", line[256];
	double part = part_done();
	struct winsize w = { 0 };

	if (now.files)
		snprintf(files, sizeof(files), "%llu files, ", (unsigned long long)now.files);
	if (part > 0.01)
		snprintf(left, sizeof(left), ", %d %%, %.0f s left", (int)(part * 100), seconds / part - seconds);
	else if (part > 0)
		snprintf(left, sizeof(left), ", 0 %%");
	snprintf(line, sizeof(line), "%s: %s%s, %s/s%s", now.what, files, amount((double)now.bytes, done, sizeof(done)),
		 amount((double)now.bytes / seconds, rate, sizeof(rate)), left);
	if (now.how == PLAIN) {
		fprintf(stderr, "gsh: %s\n", line);
		return;
	}
	if (ioctl(2, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 && w.ws_col - 1u < strlen(line))
		line[w.ws_col - 1] = '\0';
	fprintf(stderr, "\r%s\033[K", line);
	now.shown = true;
}

void progress_count(progress_count_fn *count, void *arg)
{
	now.count = count;
	now.arg = arg;
}

void progress_turn(const struct total *total)
{
	now.files = now.bytes = 0;
	now.all = *total;
	now.began = clock_ms();
}

void progress_add(uint64_t files, uint64_t bytes)
{
	int64_t t;

	now.files += files;
	now.bytes += bytes;
	if (now.how == OFF)
		return;
	t = clock_ms();
	if (t < now.next)
		return;
	if (now.count) {
		progress_count_fn *count = now.count;

		now.count = NULL;
		count(&now.all, now.arg);
		t = clock_ms();
	}
	now.next = t + (now.how == PLAIN ? PLAIN_MS : EACH_MS);
	if (now.how == JSON)
		say_json((double)(t - now.began) / 1000, false);
	else
		say_line((double)(t - now.began) / 1000);
}

void progress_clear(void)
{
	if (now.shown)
		fputs("\r\033[K", stderr);
	now.shown = false;
}

void progress_end(int result)
{
	progress_clear();
	if (now.how == JSON && !result)
		say_json((double)(clock_ms() - now.began) / 1000, true);
	now.how = OFF;
}

void progress_hand_over(void)
{
	now.how = OFF;
}
