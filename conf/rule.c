/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A place of the network as text: HOST:PORT[/tcp|/udp]; and many, ADDRESS/BITS.
 *
 * HOST is a name, all names below one (*.NAME), an address (IPv6 in brackets) or anything (*). Names are compared as
 * they are written, in small letters, without a dot at the end.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "conf/conf.h"

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static const char *parse_port(const char *text, size_t n, uint16_t *port)
{
	unsigned v = 0;

	*port = 0;
	if (n == 1 && *text == '*')
		return NULL;
	if (!n || n > 5)
		return "its port must be a number from 1 to 65535, or *";
	for (size_t i = 0; i < n; i++) {
		if (!isdigit((unsigned char)text[i]))
			return "its port must be a number from 1 to 65535, or *";
		v = v * 10 + (unsigned)(text[i] - '0');
	}
	*port = (uint16_t)v;
	return v && v <= 65535 ? NULL : "its port must be a number from 1 to 65535, or *";
}

static bool parse_address(const char *text, size_t n, uint8_t addr[16])
{
	char copy[64];

	if (n >= sizeof(copy))
		return false;
	memcpy(copy, text, n);
	copy[n] = '\0';
	memcpy(addr, mapped, sizeof(mapped));
	if (inet_pton(AF_INET, copy, addr + 12) == 1)
		return true;
	if (n < 3 || copy[0] != '[' || copy[n - 1] != ']')
		return false;
	copy[n - 1] = '\0';
	return inet_pton(AF_INET6, copy + 1, addr) == 1;
}

/* Labels of letters, digits, dashes and underscores. What looks like a number is no name: it would be an address in
 * some form of old. */
static const char *parse_name(const char *text, size_t n, char *host)
{
	size_t label = 0, i = 0;
	bool letter = false;

	if (n > 1 && text[n - 1] == '.')
		n--;
	if (!n || n > 253)
		return "its host must be a name or an address";
	if (n == 1 && *text == '*')
		i = letter = true;
	else if (n > 2 && *text == '*' && text[1] == '.')
		i = 2;
	for (size_t k = 0; k < i; k++)
		host[k] = text[k];
	for (; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '.' ? !label : !isalnum(c) && c != '-' && c != '_')
			return "its host must be a name or an address (IPv6 in brackets)";
		label = c == '.' ? 0 : label + 1;
		if (label > 63)
			return "its host must be a name or an address";
		letter |= isalpha(c) != 0;
		host[i] = (char)tolower(c);
	}
	host[n] = '\0';
	return letter ? NULL : "its host must be a name or an address";
}

const char *conf_rule(const char *text, struct conf_rule *r)
{
	const char *slash = strchrnul(text, '/'), *colon = memrchr(text, ':', (size_t)(slash - text)), *wrong;

	memset(r, 0, sizeof(*r));
	if (*slash && strcmp(slash, "/tcp") && strcmp(slash, "/udp"))
		return "what stands behind the slash must be tcp or udp";
	r->udp = !strcmp(slash, "/udp");
	if (!colon)
		return "it must be HOST:PORT";
	wrong = parse_port(colon + 1, (size_t)(slash - colon - 1), &r->port);
	if (wrong || parse_address(text, (size_t)(colon - text), r->addr))
		return wrong;
	memset(r->addr, 0, sizeof(r->addr));
	return parse_name(text, (size_t)(colon - text), r->host);
}

const char *conf_prefix(const char *text, size_t n, struct conf_prefix *p)
{
	const char *slash = memchr(text, '/', n), *wrong = "it must be an address, or ADDRESS/BITS";
	size_t len = slash ? (size_t)(slash - text) : n;
	bool six = memchr(text, ':', len) != NULL;
	unsigned most = six ? 128 : 32, bits = most;
	char address[64];

	if (snprintf(address, sizeof(address), six ? "[%.*s]" : "%.*s", (int)len, text) >= (int)sizeof(address) ||
	    !parse_address(address, strlen(address), p->addr))
		return wrong;
	if (slash) {
		bits = 0;
		if (slash + 1 == text + n || n - len > 4)
			return wrong;
		for (const char *c = slash + 1; c < text + n; c++) {
			if (!isdigit((unsigned char)*c))
				return wrong;
			bits = bits * 10 + (unsigned)(*c - '0');
		}
	}
	if (bits > most)
		return "its bits must be at most 32, or 128";
	p->bits = bits + 128 - most;
	for (unsigned i = p->bits; i < 128; i++)
		if (p->addr[i / 8] >> (7 - i % 8) & 1)
			return "it has bits behind those that count";
	return NULL;
}

void conf_rule_text(const struct conf_rule *r, char *text, size_t size)
{
	char host[256], port[8] = "*";

	snprintf(host, sizeof(host), "%s", r->host);
	if (!*host && !memcmp(r->addr, mapped, sizeof(mapped))) {
		inet_ntop(AF_INET, r->addr + 12, host, sizeof(host));
	} else if (!*host) {
		host[0] = '[';
		inet_ntop(AF_INET6, r->addr, host + 1, sizeof(host) - 2);
		strcat(host, "]");
	}
	if (r->port)
		snprintf(port, sizeof(port), "%u", r->port);
	snprintf(text, size, "%s:%s%s", host, port, r->udp ? "/udp" : "");
}
