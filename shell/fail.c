// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What went wrong, in a sentence.
 *
 * stderr gets "gsh: what: why [CODE]", lower case and without a full stop, and at most one line
 * "hint:". The code is for searching and for scripts, and stays when a sentence is worded anew.
 * The exit status says the same to a script. Two families are never mixed: a verb that runs a
 * command keeps 0..124 and 128.. for the command and puts all its own failures on 125; the other
 * verbs use the numbers of enum fail.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gshd/tree/patch.h"
#include "shell/shell.h"

static const char *code_name(enum fail code)
{
	switch (code) {
	case FAIL_USAGE:
		return "E_USAGE";
	case FAIL_NOSUCH:
		return "E_NOSUCH";
	case FAIL_CONFLICT:
		return "E_CONFLICT";
	case FAIL_REFUSED:
		return "E_REFUSED";
	case FAIL_HOST:
		return "E_HOST";
	case FAIL_NOEXEC:
		return "E_NOEXEC";
	case FAIL_NOTFOUND:
		return "E_NOTFOUND";
	case FAIL_NO:
		break;
	}
	return "E_FAILED";
}

static void say_head(const char *head, const char *color)
{
	bool colors = ui_color(2);

	fprintf(stderr, "%s%s:%s ", colors ? color : "", head, colors ? "\033[0m" : "");
}

/* Text from outside must not drive the user's terminal: what would is shown as "?". */
static void say(const char *text)
{
	const char *end = text + strlen(text);

	while (text < end) {
		size_t whole = quote_utf8(text, end);

		if (whole)
			fwrite(text, 1, whole, stderr);
		else
			putc('?', stderr);
		text += whole ? whole : 1;
	}
}

static void say_format(const char *format, va_list ap) __attribute__((format(printf, 1, 0)));
static void say_format(const char *format, va_list ap)
{
	char text[2048];

	vsnprintf(text, sizeof(text), format, ap);
	say(text);
}

int fail(enum fail code, const char *what, const char *why, ...)
{
	va_list ap;

	fflush(stdout);
	say_head("gsh", "\033[1;31m");
	say(what);
	if (why) {
		fputs(": ", stderr);
		va_start(ap, why);
		say_format(why, ap);
		va_end(ap);
	}
	fprintf(stderr, " [%s]\n", code_name(code));
	return -(int)code;
}

void hint(const char *text, ...)
{
	va_list ap;

	if (ui_quiet())
		return;
	say_head("hint", "\033[1;36m");
	va_start(ap, text);
	say_format(text, ap);
	va_end(ap);
	putc('\n', stderr);
}

void note(const char *text, ...)
{
	va_list ap;

	if (ui_quiet())
		return;
	fflush(stdout);
	say_head("gsh", "\033[1m");
	va_start(ap, text);
	say_format(text, ap);
	va_end(ap);
	putc('\n', stderr);
}

int exit_status(int result, bool runs)
{
	if (result >= 0)
		return result;
	return runs ? EXIT_SELF : -result;
}
