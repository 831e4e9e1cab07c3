// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * --timeout: the command is told to end, and ended if it does not.
 *
 * SIGTERM goes to its process group when the time is up, SIGKILL five seconds later, as a patient
 * user would do it; an interactive shell heeds only the latter. The timer is a descriptor to poll,
 * so that it costs nothing while it waits.
 */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "shell/client.h"

#define MERCY_S 5

/* "1.5", "90s", "2m", "1h", "1d" in seconds; negative if it is none of these. */
static double duration(const char *text)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = { { "", 1 },   { "ms", 0.001 }, { "s", 1 },
		      { "m", 60 }, { "h", 3600 },   { "d", 86400 } };
	double value;
	char *end;
	size_t i;

	if (!isdigit((unsigned char)*text) && *text != '.')
		return -1;
	value = strtod(text, &end);
	if (end == text || memchr(text, 'x', (size_t)(end - text)))
		return -1;
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(end, units[i].unit) == 0)
			return value * units[i].seconds;
	return -1;
}

static int arm(int fd, double seconds)
{
	struct itimerspec when = { .it_value.tv_sec = (time_t)seconds };

	when.it_value.tv_nsec = (long)((seconds - (double)when.it_value.tv_sec) * 1e9);
	return timerfd_settime(fd, 0, &when, NULL) < 0 ? -errno : 0;
}

int deadline_set(struct deadline *d, const char *text)
{
	double seconds = text ? duration(text) : 0;

	*d = (struct deadline){ .fd = -1 };
	if (!text)
		return 0;
	if (!(seconds >= 0.001) || seconds > 1e9)
		return fail(FAIL_USAGE, "--timeout",
			    "%s is no time: seconds, or a number with ms, s, m, h or d", text);
	d->seconds = seconds;
	return 0;
}

void deadline_at_most(struct deadline *d, int seconds)
{
	if (seconds > 0 && (d->seconds <= 0 || d->seconds > seconds))
		d->seconds = seconds;
}

int deadline_start(struct deadline *d)
{
	int err;

	if (d->seconds <= 0)
		return 0;
	d->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	err = d->fd < 0 ? -errno : arm(d->fd, d->seconds);
	return err ? fail(FAIL_NO, "--timeout", "%s", strerror(-err)) : 0;
}

void deadline_passed(struct deadline *d, const struct box *box)
{
	uint64_t times;

	if (read(d->fd, &times, sizeof(times)) < 0)
		return;
	/* If it has ended just now, or its sandbox has, that is what is learnt next. */
	if (box_signal(box, d->passed ? SIGKILL : SIGTERM) == 0)
		report_timeout(d->passed ? "KILL" : "TERM");
	/* One that is stopped takes SIGTERM when it is continued. */
	if (!d->passed && box_signal(box, SIGCONT) == 0 && arm(d->fd, MERCY_S))
		note("--timeout: the command cannot be killed later");
	d->passed = true;
}

void deadline_close(struct deadline *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}
