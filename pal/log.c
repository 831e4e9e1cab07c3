/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Diagnostics for the monitor's log, and the end of a picoprocess that found itself broken. */
#include "pal/impl.h"
#include "pal/base/str.h"

#define LOG_LINE 512

void pal_log(const char *fmt, ...)
{
	char line[LOG_LINE];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = base_vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	n = MIN(n, LOG_LINE - 1);
	if (n > 0 && line[n - 1] != '\n' && n < LOG_LINE)
		line[n++] = '\n';
	HOST(3, write, 2, line, n);
}

void pal_bug(const char *file, int line, const char *what)
{
	pal_log("picoprocess %d: bug at %s:%d: %s", pal_gettid(), file, line, what);
	pal_die_by_signal(SIGABRT);
}
