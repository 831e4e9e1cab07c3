// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What the user's terminal is told of where it is: a title, a context, and directories that it can open.
 *
 * The title is put on the terminal's stack of titles and taken off again. The context is OSC 3008 as systemd's tools
 * send it (uapi-group.org, "Hierarchical Context Signalling"): start and end of a container of this name, with the same
 * identifier for the same session each time one attaches. Terminals that know neither show nothing of it.
 *
 * A shell's OSC 7 names its directory, "file://HOST/PATH", so that a new tab opens there: a path inside is none of the
 * host's. Where the sandboxes are mounted it is rewritten to the path at which the host sees the same directory.
 */
#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gshd/client/paths.h"
#include "shell/shell.h"

#define FIELD_MAX 255

/* A value of OSC 3008: what would end it, or drive a terminal, as \\xNN. */
static void put_value(FILE *to, const char *key, const char *value)
{
	int room = FIELD_MAX;

	fprintf(to, ";%s=", key);
	for (; *value && room > 4; value++)
		if ((unsigned char)*value < 32 || *value == 127 || *value == ';' || *value == '\\')
			room -= fprintf(to, "\\x%02x", (unsigned char)*value);
		else
			room -= fputc(*value, to) != EOF;
}

static void put_id(FILE *to, const char *sandbox, int session)
{
	fprintf(to, "gsh.%d.%.40s.%d", (int)getuid(), sandbox, session);
}

bool context_speaks(void)
{
	const char *term = getenv("TERM");

	return term && strcmp(term, "dumb") != 0 && strcmp(term, "linux") != 0;
}

size_t context_enter(char *text, size_t size, const char *sandbox, int session)
{
	const struct passwd *user = getpwuid(getuid());
	FILE *to = fmemopen(text, size, "w");
	char host[256] = "";
	size_t n;

	if (!to)
		return 0;
	(void)gethostname(host, sizeof(host) - 1);
	fprintf(to, "\033[22;0t\033]2;gsh: %s\007\033]3008;start=", sandbox);
	put_id(to, sandbox, session);
	fputs(";type=container", to);
	put_value(to, "container", sandbox);
	put_value(to, "user", user ? user->pw_name : "");
	put_value(to, "hostname", host);
	fprintf(to, ";pid=%d\033\\", (int)getpid());
	n = (size_t)ftell(to);
	return fclose(to) ? 0 : n;
}

size_t context_leave(char *text, size_t size, const char *sandbox, int session)
{
	FILE *to = fmemopen(text, size, "w");
	size_t n;

	if (!to)
		return 0;
	fputs("\033]3008;end=", to);
	put_id(to, sandbox, session);
	fputs("\033\\\033[23;0t", to);
	n = (size_t)ftell(to);
	return fclose(to) ? 0 : n;
}

/* ---- OSC 7 ---- */

static const char lead[] = "\033]7;file://";
#define LEAD (sizeof(lead) - 1)

/* In a path of a URI. */
static bool plain(char c)
{
	return isalnum((unsigned char)c) || strchr("/-._~", c);
}

void context_mounted(struct here *h, const char *sandbox)
{
	struct paths paths;
	char why[512], host[256] = "";
	size_t n;

	h->prefix_size = 0;
	if (paths_find(&paths, why, sizeof(why)) || place_mounted(paths.mount) <= 0)
		return;
	(void)gethostname(host, sizeof(host) - 1);
	n = (size_t)snprintf(h->prefix, sizeof(h->prefix), "%s", host);
	for (const char *p = paths.mount; *p && n + 4 < sizeof(h->prefix); p++)
		n += (size_t)snprintf(h->prefix + n, sizeof(h->prefix) - n,
				      plain(*p) ? "%c" : "%%%02X", (unsigned char)*p);
	n += (size_t)snprintf(h->prefix + n, sizeof(h->prefix) - n, "/%s/root", sandbox);
	h->prefix_size = n < sizeof(h->prefix) ? n : 0;
}

size_t context_here(struct here *h, const unsigned char *in, size_t len, unsigned char *out)
{
	size_t n = 0;

	if (!h->prefix_size) {
		memcpy(out, in, len);
		return len;
	}
	for (unsigned left = HERE_TIMES; len; in++, len--) {
		if (h->at == LEAD && *in > ' ' && *in < 127 && *in != '/')
			continue; /* the sandbox's name for itself */
		if (h->at == LEAD && *in == '/' && left) {
			memcpy(out + n, h->prefix, h->prefix_size);
			n += h->prefix_size;
			left--;
		}
		h->at = h->at < LEAD && *in == (unsigned char)lead[h->at] ? h->at + 1 : *in == 27;
		out[n++] = *in;
	}
	return n;
}
