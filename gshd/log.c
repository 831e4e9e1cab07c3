/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The log: see log.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "gshd/log.h"

int log_verbose;

static void put(const char *fmt, va_list ap)
{
	char line[1024];
	struct tm tm;
	time_t now = time(NULL);
	int saved = errno;
	size_t n;

	localtime_r(&now, &tm);
	n = strftime(line, sizeof(line), "%F %T ", &tm);
	n += (size_t)snprintf(line + n, sizeof(line) - n, "gshd[%d] ", getpid());
	vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	/* What comes from outside must not look like a line of ours, nor talk to a terminal. */
	for (char *p = line + n; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = '?';
	strcat(line, "\n");
	if (write(2, line, strlen(line)) < 0)
		errno = saved; /* a log that is full or closed stops nobody */
	errno = saved;
}

void log_line(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(fmt, ap);
	va_end(ap);
}

void log_debug(const char *fmt, ...)
{
	va_list ap;

	if (!log_verbose)
		return;
	va_start(ap, fmt);
	put(fmt, ap);
	va_end(ap);
}
