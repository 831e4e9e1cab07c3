/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* One line a happening, with the time; to the process's descriptor 2, which is its log file. */
#ifndef GSHD_LOG_H
#define GSHD_LOG_H

#include <stddef.h>

/* Errors and what an administrator would look for. */
void log_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Only with -v. */
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
extern int log_verbose;

#endif
