// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Asking the host's gsh by /dev/gsh for what is not for somebody inside: other verbs, other
 * sandboxes, files of the host's, and requests that are none.
 *
 *   asked OTHER HIDDEN     OTHER: a sandbox that is not ours; HIDDEN: a directory that is hidden
 * here, with a file "escape-hidden" in it
 *
 * A request is refused by a status that is not 0, or by silence. An answer that names OTHER or what
 * is in HIDDEN is an escape whatever its status.
 */
#include "way.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pal/monitor.h"

static char frames[256 << 10], answer[sizeof(frames)];
static size_t size; /* of answer: what was said, without the frames */

static long open_device(enum way w)
{
	struct {
		struct mon_msg head;
		struct mon_device q;
	} m = { .head = { .type = MON_DEVICE, .len = sizeof(m.q) },
		.q = { .op = MON_DEVICE_OPEN, .name = "gsh" } };
	int fd = -1, err = 0;

	if (w != PAL)
		return call(w, SYS_openat, AT_FDCWD, "/dev/gsh", O_RDWR);
	/* A few at a time are answered: the one before may not have ended. */
	for (int i = 0; i < 50; i++) {
		err = way_ask(&m, sizeof(m), -1, NULL, &fd);
		if (err != -EBUSY)
			break;
		usleep(100000);
	}
	return err ? err : fd;
}

/* Send it, and read all that comes. The status that was said, -1: none. */
static int ask(enum way w, const char *request, size_t n)
{
	long fd = open_device(w), r;
	size_t at = 0, got = 0;
	int status = -1;

	size = 0;
	if (fd < 0)
		return -1;
	call(w, SYS_write, fd, request, n);
	while (got < sizeof(frames) &&
	       (r = call(w, SYS_read, fd, frames + got, sizeof(frames) - got)) > 0)
		got += (size_t)r;
	call(w, SYS_close, fd);
	while (at + 5 <= got) {
		uint32_t len;

		memcpy(&len, frames + at + 1, sizeof(len));
		if (len > got - at - 5)
			break;
		if (frames[at] == 's')
			status = (unsigned char)frames[at + 5];
		else
			memcpy(answer + size, frames + at + 5, len);
		size += frames[at] == 's' ? 0 : len;
		at += 5 + len;
	}
	return status;
}

static size_t put_words(char *request, const char *words)
{
	uint32_t n = 0;

	/* Words of a line: blanks become ends. */
	for (const char *p = words; *p; p++)
		request[4 + n++] = *p == ' ' ? '\0' : *p;
	request[4 + n++] = '\0';
	memcpy(request, &n, sizeof(n));
	return 4 + n;
}

/* The control: it does answer. */
static enum verdict log_is_told(enum way w, void *arg)
{
	char request[64];

	(void)arg;
	return ask(w, request, put_words(request, "log")) == 0 && size > 0 ? DONE : REFUSED;
}

static const char *other;

static enum verdict forbidden(enum way w, void *arg)
{
	char request[4096];
	int status = ask(w, request, put_words(request, arg));

	if (memmem(answer, size, "escape-hidden", 13))
		return ESCAPED;
	/* Where the question itself names it, the answer may. */
	if (!strstr(arg, other) && memmem(answer, size, other, strlen(other)))
		return ESCAPED;
	return status == 0 ? ESCAPED : REFUSED;
}

struct bytes {
	uint32_t length; /* as the head says */
	size_t sent;
	char fill;
};

static enum verdict nonsense(enum way w, void *arg)
{
	static char request[128 << 10];
	const struct bytes *b = arg;

	memset(request + 4, b->fill, sizeof(request) - 4);
	memcpy(request, &b->length, sizeof(b->length));
	return ask(w, request, b->sent) == 0 ? ESCAPED : REFUSED;
}

/* Half a request each, as many as there may be: who comes after them is told so, and not held up.
 */
static enum verdict crowd(enum way w, void *arg)
{
	long fd;
	int n = 0;

	(void)arg;
	for (int i = 0; i < 64; i++) {
		struct {
			struct mon_msg head;
			struct mon_device q;
		} m = { .head = { .type = MON_DEVICE, .len = sizeof(m.q) },
			.q = { .op = MON_DEVICE_OPEN, .name = "gsh" } };
		int got = -1;

		if (w == PAL)
			fd = way_ask(&m, sizeof(m), -1, NULL, &got) ? -1 : got;
		else
			fd = call(w, SYS_openat, AT_FDCWD, "/dev/gsh", O_RDWR);
		if (fd >= 0)
			n++;
		if (fd >= 0)
			call(w, SYS_write, fd, "\x40\0\0\0x", 5);
	}
	return n > 8 ? ESCAPED : REFUSED;
}

/* The end that was given is one of a pair, whose other end is a process of the user's: nothing of
 * it can be had. */
static enum verdict peer(enum way w, void *arg)
{
	int cred[3] = { 0 }, domain = 0;
	socklen_t len = sizeof(cred), dlen = sizeof(domain);
	long fd = open_device(w);

	(void)arg;
	if (fd < 0)
		return REFUSED;
	if (call(w, SYS_getsockopt, fd, SOL_SOCKET, 77 /* SO_PEERPIDFD */, cred, &len) == 0)
		return ESCAPED;
	return call(w, SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &domain, &dlen) == 0 &&
			       domain != AF_UNIX
		       ? ESCAPED
		       : REFUSED;
}

int main(int argc, char **argv)
{
	static const char *const lines[] = {
		"__complete line stop ",
		"__complete line cat OTHER:HIDDEN/",
		"__complete line cp HIDDEN/",
		"__complete man",
		"help status",
		"version",
		"run -- id",
		"run -s OTHER -- id",
		"-c id",
		"shell",
		"ls",
		"ps",
		"info",
		"info OTHER",
		"stop OTHER",
		"stop --all",
		"rm -f OTHER",
		"commit -y",
		"cp /etc/hostname self:/tmp/x",
		"cp OTHER:HIDDEN/escape-hidden /tmp/x",
		"cat OTHER:HIDDEN/escape-hidden",
		"cat self:HIDDEN/escape-hidden",
		"export OTHER",
		"import /etc/passwd",
		"allow write /",
		"allow net *:*",
		"bind /",
		"set --memory 1T",
		"config",
		"config trust -y",
		"config set x y",
		"edit /etc/passwd",
		"daemon stop",
		"mount",
		"umount",
		"gc",
		"create x",
		"clone OTHER x",
		"restore base -- /",
		"discard -y",
		"try -- id",
		"split",
		"kill 1",
		"trace -- id",
		"events",
		"top",
		"path OTHER",
		"doctor",
		"rename OTHER x",
		"start x",
		"attach OTHER",
		"inside -s OTHER",
		"status -s OTHER",
		"-s OTHER status",
		"status OTHER",
		"status --sandbox=OTHER",
		"diff OTHER@1",
		"diff now OTHER@now",
		"diff -- ../HIDDEN",
		"diff --output=/tmp/x",
		"show -s OTHER 1",
		"show OTHER@1",
		"undo -s OTHER",
		"undo --all",
		"snapshot -s OTHER x",
		"snapshot ../../x",
		"snapshot x/y",
		"log -f",
		"why /etc/passwd",
		"denials -s OTHER",
		"no-such-verb",
		"",
		"-",
		"--",
		"-s",
		"status -- x",
		"log --number",
		"log --number=x y",
	};
	static const struct bytes wrong[] = { { 0, 4, 'x' },
					      { 1, 5, 'x' },
					      { 64 << 10, (64 << 10) + 4, 'x' },
					      { (64 << 10) + 1, 100000, 0 },
					      { 0xffffffff, 100000, 'x' },
					      { 60000, 60004, 0 } };
	enum way ways[] = { LIBC, PAL };
	int escaped = 0;

	if (argc != 3 || !way_pal())
		return 2;
	other = argv[1];
	for (size_t k = 0; k < 2; k++) {
		enum way w = ways[k];

		attempt("log", w, log_is_told, NULL);
		for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
			char line[4096] = "";

			for (const char *p = lines[i]; *p;) {
				const char *word = !strncmp(p, "OTHER", 5)    ? argv[1]
						   : !strncmp(p, "HIDDEN", 6) ? argv[2]
									      : NULL;
				size_t n = strlen(line);

				snprintf(line + n, sizeof(line) - n, "%.*s", word ? 2000 : 1,
					 word ? word : p);
				p += word ? (*p == 'O' ? 5 : 6) : 1;
			}
			escaped += attempt(lines[i], w, forbidden, line);
		}
		for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
			escaped += attempt("nonsense", w, nonsense, (void *)&wrong[i]);
		escaped += attempt("peer", w, peer, NULL);
		escaped += attempt("crowd", w, crowd, NULL);
	}
	return escaped ? 1 : 0;
}
