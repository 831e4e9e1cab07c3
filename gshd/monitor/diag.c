/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Diagnostics: the monitor's log file, and what the sandbox may add to it.
 *
 * Picoprocesses have a pipe as descriptor 2. Anything in the sandbox can write to it, so it is cut
 * into lines, marked as the sandbox's, and stops counting after a while; the pipe is always
 * emptied, so that nobody blocks on it.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "gshd/log.h"
#include "gshd/monitor/monitor.h"

#define LOG_MAX (1u << 20)	 /* of the file; then it is rotated once at start */
#define SANDBOX_MAX (256u << 10) /* of a sandbox's lines in one life */

void diag_open_log(struct monitor *m)
{
	char path[128], old[128];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "boxes/%s/log", m->spec.name);
	snprintf(old, sizeof(old), "boxes/%s/log.1", m->spec.name);
	if (!fstatat(m->store, path, &st, AT_SYMLINK_NOFOLLOW) && st.st_size > LOG_MAX)
		renameat(m->store, path, m->store, old);
	fd = openat(m->store, path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return; /* the store is full or so: go on without */
	dup2(fd, 2);
	close(fd);
}

static void one_line(struct monitor *m, const char *line)
{
	if (!*line)
		return;
	snprintf(m->last_words, sizeof(m->last_words), "%s", line);
	if (m->logged > SANDBOX_MAX)
		return;
	m->logged += strlen(line);
	log_line("sandbox: %s", line);
	if (m->logged > SANDBOX_MAX)
		log_line("the sandbox has said enough; no more of it is logged");
}

static void on_text(evutil_socket_t fd, short what, void *arg)
{
	struct monitor *m = arg;
	char buf[4096], *line = buf, *end;
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		event_del(m->log_ev);
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		if (!buf[i])
			buf[i] = '?';
	buf[n] = '\0';
	while ((end = strchr(line, '\n'))) {
		*end = '\0';
		one_line(m, line);
		line = end + 1;
	}
	one_line(m, line);
}

int diag_start(struct monitor *m)
{
	fcntl(m->log_pipe, F_SETFL, O_NONBLOCK);
	m->log_ev = event_new(m->base, m->log_pipe, EV_READ | EV_PERSIST, on_text, m);
	return m->log_ev && !event_add(m->log_ev, NULL) ? 0 : -ENOMEM;
}

void diag_close(struct monitor *m)
{
	if (m->log_ev)
		event_free(m->log_ev);
	m->log_ev = NULL;
	if (m->log_pipe >= 0)
		close(m->log_pipe);
	m->log_pipe = -1;
}
