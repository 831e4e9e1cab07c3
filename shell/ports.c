// SPDX-License-Identifier: GPL-3.0-or-later
/* Ports of a sandbox on the host: what -p says, and asking the monitor for it. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell/client.h"

#define LOOPBACK "127.0.0.1"

struct port {
	char address[64];
	int host, inner;
};

/* All digits, at most 65535; -1 if not. */
static int number(const char *text, size_t len)
{
	int n = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' || n > 6553)
			return -1;
		n = n * 10 + text[i] - '0';
	}
	return len && n <= 65535 ? n : -1;
}

/* An IPv6 address has colons of its own and may stand in brackets; so the ports are taken from
 * the end. */
static bool parse(const char *text, struct port *p)
{
	const char *inner = strrchr(text, ':'), *host = inner;
	size_t len;

	if (!inner)
		return false;
	while (host > text && host[-1] != ':')
		host--;
	p->inner = number(inner + 1, strlen(inner + 1));
	p->host = number(host, (size_t)(inner - host));
	if (p->inner < 1 || p->host < 0)
		return false;
	snprintf(p->address, sizeof(p->address), LOOPBACK);
	if (host == text)
		return true;
	len = (size_t)(host - 1 - text);
	if (*text == '[' && len > 2 && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	return len && snprintf(p->address, sizeof(p->address), "%.*s", (int)len, text) <
			      (int)sizeof(p->address);
}

int ports_check(char *const *ports)
{
	struct port p;

	for (; ports && *ports; ports++)
		if (!parse(*ports, &p))
			return fail(FAIL_USAGE, "-p", "%s is not of the form [ADDRESS:]HOST:IN",
				    *ports);
	return 0;
}

int ports_publish(const struct box *box, char *const *ports)
{
	int result = 0;

	for (; ports && *ports && !result; ports++) {
		struct json_object *params = json_object_new_object(), *answer = NULL;
		struct port p;

		if (!parse(*ports, &p)) {
			json_object_put(params);
			return ports_check(ports);
		}
		json_object_object_add(params, "address", json_object_new_string(p.address));
		json_object_object_add(params, "host", json_object_new_int(p.host));
		json_object_object_add(params, "inner", json_object_new_int(p.inner));
		result = box_ask(box, "Publish", params, &answer);
		if (!result && !p.host)
			note("port %d is at %s port %d", p.inner, p.address,
			     (int)reply_number(answer, "host", 0));
		json_object_put(answer);
	}
	return result;
}
