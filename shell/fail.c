// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What went wrong, in a sentence.
 *
 * stderr gets "gsh: what: why", lower case and without a full stop, and at most one line "hint:".
 * The exit status says the same to a script. Two families are never mixed: a verb that runs a
 * command keeps 0..124 and 128.. for the command and puts all its own failures on 125; the other
 * verbs use the numbers of enum fail.
 */
#include <stdarg.h>
#include <stdio.h>

#include "shell/shell.h"

/* Text from outside must not drive the user's terminal: control bytes are shown as "?". */
static void say(const char *text)
{
	for (; *text; text++)
		putc((unsigned char)*text < ' ' || *text == 127 ? '?' : *text, stderr);
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
	fputs("gsh: ", stderr);
	say(what);
	if (why) {
		fputs(": ", stderr);
		va_start(ap, why);
		say_format(why, ap);
		va_end(ap);
	}
	putc('\n', stderr);
	return -(int)code;
}

void hint(const char *text, ...)
{
	va_list ap;

	fputs("hint: ", stderr);
	va_start(ap, text);
	say_format(text, ap);
	va_end(ap);
	putc('\n', stderr);
}

void note(const char *text, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("gsh: ", stderr);
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
