// SPDX-License-Identifier: GPL-3.0-or-later
/* What gsh trace saw of a system call, a signal or an end: as a line, as strace(1) has it, as JSON,
 * or in a table of all. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "shell/shell.h"

#define SHOWN_MAX 4096

/* As strace has it: -1 and why, "?" for what did not return, or the value. */
static void format_result(char *text, size_t size, const char *word)
{
	static const struct {
		int err;
		const char *name, *when;
	} again[] = { { 512, "ERESTARTSYS", "To be restarted if SA_RESTART is set" },
		      { 513, "ERESTARTNOINTR", "To be restarted" },
		      { 514, "ERESTARTNOHAND", "To be restarted if no handler" },
		      { 516, "ERESTART_RESTARTBLOCK", "Interrupted by signal" } };
	long long result = atoll(word);
	const char *name = result < 0 && result >= -4095 ? strerrorname_np((int)-result) : NULL;

	snprintf(text, size, "?");
	for (size_t i = 0; i < sizeof(again) / sizeof(again[0]); i++)
		if (result == -again[i].err)
			snprintf(text, size, "? %s (%s)", again[i].name, again[i].when);
	if (name)
		snprintf(text, size, "-1 %s (%s)", name, strerrordesc_np((int)-result));
	else if (result > INT32_MAX || result < -4095)
		snprintf(text, size, "0x%llx", result);
	else if (*word != '?' && result >= 0)
		snprintf(text, size, "%lld", result);
}

static const char *code_name(int sig, int code, char *buf, size_t size)
{
	static const char *const child[] = { NULL,	     "CLD_EXITED",  "CLD_KILLED",
					     "CLD_DUMPED",   "CLD_TRAPPED", "CLD_STOPPED",
					     "CLD_CONTINUED" };
	static const char *const segv[] = { NULL, "SEGV_MAPERR", "SEGV_ACCERR" };
	const char *name = NULL;

	switch (code) {
	case SI_USER:
		name = "SI_USER";
		break;
	case SI_TKILL:
		name = "SI_TKILL";
		break;
	case SI_QUEUE:
		name = "SI_QUEUE";
		break;
	case SI_TIMER:
		name = "SI_TIMER";
		break;
	case SI_KERNEL:
		name = "SI_KERNEL";
		break;
	default:
		if (sig == SIGCHLD && code > 0 && code < (int)(sizeof(child) / sizeof(child[0])))
			name = child[code];
		if (sig == SIGSEGV && code > 0 && code < (int)(sizeof(segv) / sizeof(segv[0])))
			name = segv[code];
	}
	if (!name) {
		snprintf(buf, size, "%d", code);
		return buf;
	}
	return name;
}

/* "-CODE A B C", as libos/task/calls.c writes it. */
static void format_signal(char *text, size_t size, int sig, const char *rest)
{
	char name[32], number[16];
	uint64_t a = 0, uid = 0;
	int code = 0, status = 0, n;

	if (sscanf(rest, "-%d %" SCNu64 " %" SCNu64 " %d", &code, &a, &uid, &status) != 4)
		code = 0;
	trace_signal(sig, name, sizeof(name));
	n = snprintf(text, size, "--- %s {si_signo=%s, si_code=%s", name, name,
		     code_name(sig, code, number, sizeof(number)));
	if (code > 0 && sig != SIGCHLD)
		snprintf(text + n, size - (size_t)n,
			 code == SI_KERNEL ? "} ---" : ", si_addr=0x%" PRIx64 "} ---", a);
	else if (sig == SIGCHLD && code > 0)
		snprintf(text + n, size - (size_t)n, ", si_pid=%d, si_uid=%d, si_status=%d} ---",
			 (int)a, (int)uid, status);
	else
		snprintf(text + n, size - (size_t)n, ", si_pid=%d, si_uid=%d} ---", (int)a,
			 (int)uid);
}

static void format_end(char *text, size_t size, int status)
{
	char name[32];

	if (WIFSIGNALED(status))
		snprintf(text, size, "+++ killed by %s +++",
			 trace_signal(WTERMSIG(status), name, sizeof(name)));
	else
		snprintf(text, size, "+++ exited with %d +++", WEXITSTATUS(status));
}

/* ---- lines ---- */

static void put_time(const struct trace *t, FILE *to, uint64_t time_ns)
{
	static uint64_t last;
	struct timespec real, boot;
	int64_t ns;
	time_t seconds;
	struct tm tm;
	char text[16];

	if (t->when == 'r')
		fprintf(to, "%12.6f ",
			last && time_ns > last ? (double)(time_ns - last) / 1e9 : 0.0);
	last = time_ns;
	if (t->when != 't' || clock_gettime(CLOCK_REALTIME, &real) ||
	    clock_gettime(CLOCK_BOOTTIME, &boot))
		return;
	ns = (real.tv_sec - boot.tv_sec) * INT64_C(1000000000) + real.tv_nsec - boot.tv_nsec +
	     (int64_t)time_ns;
	seconds = (time_t)(ns / 1000000000);
	if (localtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%H:%M:%S", &tm))
		fprintf(to, "%s.%06d ", text, (int)(ns % 1000000000 / 1000));
}

static void put_json(FILE *to, const char *end, const struct trace_line *l, double seconds,
		     const char *key, const char *text, const char *result, double took)
{
	struct json_object *o = json_object_new_object();
	char digits[2][32];

	/* As many digits as it was measured by. */
	snprintf(digits[0], sizeof(digits[0]), "%.9f", seconds);
	snprintf(digits[1], sizeof(digits[1]), "%.9f", took);
	json_object_object_add(o, "time", json_object_new_double_s(seconds, digits[0]));
	json_object_object_add(o, "pid", json_object_new_int(l->pid));
	json_object_object_add(o, key, json_object_new_string(text));
	if (result)
		json_object_object_add(o, "result", json_object_new_string(result));
	if (took >= 0)
		json_object_object_add(o, "took", json_object_new_double_s(took, digits[1]));
	fprintf(to, "%s%s",
		json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE), end);
	json_object_put(o);
}

/* Off with " <NS>" behind the call, if it is there: seconds, or -1. */
static double take_time(char *call)
{
	char *behind = strrchr(call, ')');
	uint64_t ns;
	int n = 0;

	if (!behind || sscanf(behind, ") <%" SCNu64 ">%n", &ns, &n) != 1 || !n || behind[n])
		return -1;
	behind[1] = '\0';
	return (double)ns / 1e9;
}

static void show_call(const struct trace *t, FILE *to, const char *end, const struct trace_line *l,
		      char *call, double seconds)
{
	double took = take_time(call);
	char text[SHOWN_MAX], result[128];

	if (!trace_shows(t->only, call))
		return;
	if (t->count) {
		trace_count(call, atoll(l->result) < 0 && atoll(l->result) >= -4095,
			    took < 0 ? 0 : took);
		return;
	}
	trace_translate(text, sizeof(text), call);
	format_result(result, sizeof(result), l->result);
	if (t->json) {
		put_json(to, end, l, seconds, "call", text, result, took);
		return;
	}
	fprintf(to, "%d ", l->pid);
	put_time(t, to, l->time_ns);
	fprintf(to, "%s = %s", text, result);
	if (t->took && took >= 0)
		fprintf(to, " <%.6f>", took);
	fputs(end, to);
}

void trace_show(const struct trace *t, FILE *to, const char *end, const struct trace_line *l,
		double seconds)
{
	bool signal = *l->call == '-';
	char *call, *p, text[256];

	if (signal || *l->call == '+') {
		if (t->count)
			return;
		if (signal)
			format_signal(text, sizeof(text), atoi(l->result), l->call);
		else
			format_end(text, sizeof(text), atoi(l->result));
		if (t->json) {
			put_json(to, end, l, seconds, signal ? "signal" : "end", text, NULL, -1);
			return;
		}
		fprintf(to, "%d ", l->pid);
		put_time(t, to, l->time_ns);
		fprintf(to, "%s%s", text, end);
		return;
	}
	call = strdup(l->call);
	if (!call)
		return;
	/* It comes from inside: nothing but printable ASCII is let through, whatever was to be
	 * escaped there. */
	for (p = call; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	show_call(t, to, end, l, call, seconds);
	free(call);
}

/* ---- the table ---- */

#define CALLS_MAX 512
static struct count {
	char name[32];
	unsigned long calls, errors;
	double seconds;
} counts[CALLS_MAX];
static size_t ncounts;

void trace_count(const char *call, bool failed, double seconds)
{
	size_t len = strcspn(call, "("), i = 0;

	if (len >= sizeof(counts[0].name))
		return;
	while (i < ncounts && (strncmp(counts[i].name, call, len) != 0 || counts[i].name[len]))
		i++;
	if (i == CALLS_MAX)
		return;
	if (i == ncounts)
		memcpy(counts[ncounts++].name, call, len);
	counts[i].calls++;
	counts[i].errors += failed;
	counts[i].seconds += seconds;
}

/* Most time first, as strace; then most calls. */
static int compare(const void *a, const void *b)
{
	const struct count *x = a, *y = b;

	if (x->seconds != y->seconds)
		return x->seconds < y->seconds ? 1 : -1;
	return x->calls != y->calls ? (x->calls < y->calls ? 1 : -1) : strcmp(x->name, y->name);
}

static void put_row(FILE *to, const char *end, const struct count *c, double percent)
{
	char errors[24] = "";

	if (c->errors)
		snprintf(errors, sizeof(errors), "%lu", c->errors);
	fprintf(to, "%6.2f %11.6f %11.0f %9lu %9s %s%s", percent, c->seconds,
		c->calls ? c->seconds * 1e6 / (double)c->calls : 0.0, c->calls, errors, c->name,
		end);
}

void trace_table(const struct trace *t, FILE *to, const char *end)
{
	static const char rule[] =
		"------ ----------- ----------- --------- --------- ----------------";
	struct count all = { .name = "total" };

	qsort(counts, ncounts, sizeof(counts[0]), compare);
	for (size_t i = 0; i < ncounts; i++) {
		all.calls += counts[i].calls;
		all.errors += counts[i].errors;
		all.seconds += counts[i].seconds;
	}
	if (!t->json)
		fprintf(to, "%% time     seconds  usecs/call     calls    errors syscall%s%s%s",
			end, rule, end);
	for (size_t i = 0; i < ncounts; i++)
		if (t->json)
			fprintf(to,
				"{\"call\": \"%s\", \"calls\": %lu, \"errors\": %lu, \"seconds\": "
				"%.9f}%s",
				counts[i].name, counts[i].calls, counts[i].errors,
				counts[i].seconds, end);
		else
			put_row(to, end, &counts[i],
				all.seconds > 0 ? counts[i].seconds * 100 / all.seconds : 0);
	if (!t->json) {
		fprintf(to, "%s%s", rule, end);
		put_row(to, end, &all, 100);
	}
}
