/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Whom outside a sandbox may speak to; see reach.h. */
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "gshd/reach/reach.h"

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
static const uint8_t local64[6] = { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }; /* RFC 8215: where in it, its users decide */
static const uint8_t siit[12] = { [8] = 0xff, 0xff };			  /* RFC 7915 */
static const uint8_t zeros[16];

/* Networks that nobody outside the building knows. */
static const char *const privates[] = { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7" };

static void deny_one(struct reach *r, const char *text, size_t n)
{
	if (r->ndenied < REACH_DENIED_MAX && !conf_prefix(text, n, &r->denied[r->ndenied]))
		r->ndenied++;
}

/* The words were checked when they were read. */
static void deny(struct reach *r, const char *words)
{
	r->deny_host = false;
	r->ndenied = 0;
	while (*(words += strspn(words, " \t"))) {
		size_t n = strcspn(words, " \t");

		if (n == 4 && !strncmp(words, "host", n))
			r->deny_host = true;
		else if (n == 7 && !strncmp(words, "private", n))
			for (size_t i = 0; i < sizeof(privates) / sizeof(privates[0]); i++)
				deny_one(r, privates[i], strlen(privates[i]));
		else
			deny_one(r, words, n);
		words += n;
	}
}

void reach_set(struct reach *r, const struct conf *conf)
{
	const char *list = conf->net_allow;
	char value[CONF_VALUE_MAX];
	struct conf_rule rule;

	r->none = !strcmp(conf->net_access, "none");
	r->any = !strcmp(conf->net_access, "host");
	r->nat = !strcmp(conf->net_access, "nat");
	r->nrules = 0;
	deny(r, conf->net_deny);
	while (conf_next(&list, value, sizeof(value)))
		if (!conf_rule(value, &rule))
			(void)reach_add(r, &rule);
}

static bool same(const struct conf_rule *a, const struct conf_rule *b)
{
	return !strcmp(a->host, b->host) && !memcmp(a->addr, b->addr, sizeof(a->addr)) && a->port == b->port &&
	       a->udp == b->udp;
}

int reach_add(struct reach *r, const struct conf_rule *rule)
{
	for (unsigned i = 0; i < r->nrules; i++)
		if (same(&r->rules[i], rule))
			return -EEXIST;
	if (r->nrules == REACH_RULES_MAX)
		return -ENOSPC;
	r->rules[r->nrules++] = *rule;
	return 0;
}

int reach_remove(struct reach *r, const struct conf_rule *rule)
{
	for (unsigned i = 0; i < r->nrules; i++)
		if (same(&r->rules[i], rule)) {
			r->rules[i] = r->rules[--r->nrules];
			return 0;
		}
	return -ENOENT;
}

/* Nobody and this network, the host itself, its link, protocols' own, many and reserved. */
static const struct confine_prefix specials[] = {
	{ { 0 }, 8 }, { { 127 }, 8 }, { { 169, 254 }, 16 }, { { 192, 0, 0 }, 24 }, { { 224 }, 3 },
};
#define SPECIALS (sizeof(specials) / sizeof(specials[0]))

static bool begins(const uint8_t *addr, const uint8_t *prefix, unsigned bits)
{
	unsigned rest = bits % 8;

	return !memcmp(addr, prefix, bits / 8) &&
	       (!rest || !((addr[bits / 8] ^ prefix[bits / 8]) >> (8 - rest)));
}

static bool special4(const uint8_t a[4])
{
	for (size_t i = 0; i < SPECIALS; i++)
		if (begins(a, specials[i].addr, specials[i].bits))
			return true;
	return false;
}

/* The IPv4 address that an address stands for, or NULL. */
static const uint8_t *inner4(const uint8_t a[16])
{
	if (!memcmp(a, mapped, 12) || !memcmp(a, nat64, 12) || !memcmp(a, siit, 12) || !memcmp(a, zeros, 12))
		return a + 12; /* :: and ::1 among the last */
	return a[0] == 0x20 && a[1] == 0x02 ? a + 2 : NULL; /* 6to4 */
}

bool reach_special(const uint8_t a[16])
{
	const uint8_t *four = inner4(a);

	if (four)
		return special4(four);
	if (a[0] == 0x20 && a[1] == 0x01 && !a[2] && !a[3]) /* Teredo: somebody else's idea of an address */
		return true;
	if (!memcmp(a, local64, sizeof(local64)))
		return true;
	return a[0] == 0xff || (a[0] == 0xfe && (a[1] & 0xc0) >= 0x80); /* many; link-local, site-local */
}

/* An address of an interface's in our form; false: it is of another family. */
static bool form(const struct sockaddr *sa, uint8_t addr[16])
{
	if (!sa || (sa->sa_family != AF_INET && sa->sa_family != AF_INET6))
		return false;
	if (sa->sa_family == AF_INET6) {
		memcpy(addr, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
		return true;
	}
	memcpy(addr, mapped, sizeof(mapped));
	memcpy(addr + 12, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
	return true;
}

/* Asked anew each time: addresses come and go. Where they cannot be had, all may be this host's. */
static bool is_hosts(const uint8_t addr[16])
{
	struct ifaddrs *list;
	uint8_t own[16];
	bool is = false;

	if (getifaddrs(&list))
		return true;
	for (struct ifaddrs *i = list; i && !is; i = i->ifa_next)
		is = form(i->ifa_addr, own) && !memcmp(own, addr, sizeof(own));
	freeifaddrs(list);
	return is;
}

static bool denied(const struct reach *r, const uint8_t addr[16])
{
	for (unsigned i = 0; i < r->ndenied; i++)
		if (begins(addr, r->denied[i].addr, r->denied[i].bits))
			return true;
	return r->deny_host && is_hosts(addr);
}

bool reach_denied(const struct reach *r, const uint8_t addr[16])
{
	const uint8_t *four = inner4(addr);
	uint8_t plain[16];

	if (denied(r, addr))
		return true;
	if (!four || !memcmp(addr, mapped, sizeof(mapped)))
		return false;
	memcpy(plain, mapped, sizeof(mapped));
	memcpy(plain + 12, four, 4);
	return denied(r, plain);
}

unsigned reach_closed(const struct reach *r, struct confine_prefix *to, unsigned most)
{
	struct ifaddrs *list = NULL;
	uint8_t own[16];
	unsigned n = 0;

	for (size_t i = 0; i < SPECIALS && n < most; i++)
		to[n++] = specials[i];
	for (unsigned i = 0; i < r->ndenied && n < most; i++) {
		if (memcmp(r->denied[i].addr, mapped, sizeof(mapped)) || r->denied[i].bits < 96)
			continue;
		memcpy(to[n].addr, r->denied[i].addr + 12, 4);
		to[n++].bits = (uint8_t)(r->denied[i].bits - 96);
	}
	if (!r->deny_host || getifaddrs(&list))
		return n;
	for (struct ifaddrs *i = list; i && n < most; i = i->ifa_next) {
		if (!form(i->ifa_addr, own) || memcmp(own, mapped, sizeof(mapped)))
			continue;
		memcpy(to[n].addr, own + 12, 4);
		to[n++].bits = 32;
	}
	freeifaddrs(list);
	return n;
}

static bool name_fits(const char *pattern, const char *name)
{
	size_t n = strlen(name), m = strlen(pattern);

	if (!strcmp(pattern, "*"))
		return true;
	if (*pattern != '*')
		return !strcmp(pattern, name);
	return n > m - 1 && !strcmp(name + n - (m - 1), pattern + 1); /* ".NAME" at its end */
}

static bool rule_fits(const struct reach *r, const struct conf_rule *rule, const struct peer *p, bool closed)
{
	if (rule->udp != p->udp || (rule->port && rule->port != p->port))
		return false;
	if (!*rule->host)
		return !memcmp(rule->addr, p->addr, sizeof(p->addr));
	if (closed)
		return false;
	if (!strcmp(rule->host, "*"))
		return true;
	for (unsigned i = 0; i < r->npins; i++)
		if (!memcmp(r->pins[i].addr, p->addr, sizeof(p->addr)) && name_fits(rule->host, r->pins[i].name))
			return true;
	return false;
}

bool reach_allows(const struct reach *r, const struct peer *p)
{
	bool closed;

	if (r->none || !p->port)
		return false;
	closed = reach_special(p->addr) || reach_denied(r, p->addr);
	/* Of nat its own way out has IPv4. */
	if (!closed && (r->any || (r->nat && memcmp(p->addr, mapped, sizeof(mapped)))))
		return true;
	for (unsigned i = 0; i < r->nrules; i++)
		if (rule_fits(r, &r->rules[i], p, closed))
			return true;
	return false;
}

bool reach_knows(const struct reach *r, const char *name)
{
	if (r->none)
		return false;
	if (r->any || r->nat)
		return true;
	for (unsigned i = 0; i < r->nrules; i++)
		if (*r->rules[i].host && name_fits(r->rules[i].host, name))
			return true;
	return false;
}

bool reach_pin(struct reach *r, const char *name, const uint8_t addr[16])
{
	struct pin *pin;

	if (reach_special(addr) || reach_denied(r, addr) || strlen(name) >= sizeof(pin->name))
		return false;
	for (unsigned i = 0; i < r->npins; i++)
		if (!memcmp(r->pins[i].addr, addr, 16) && !strcmp(r->pins[i].name, name))
			return true;
	pin = &r->pins[r->npins < REACH_PINS_MAX ? r->npins++ : r->next_pin++ % REACH_PINS_MAX];
	memcpy(pin->addr, addr, 16);
	strcpy(pin->name, name);
	return true;
}

void reach_rule_for(const struct reach *r, const struct peer *p, char *text, size_t size)
{
	struct conf_rule rule = { .port = p->port, .udp = p->udp };

	memcpy(rule.addr, p->addr, sizeof(rule.addr));
	for (unsigned i = 0; i < r->npins; i++)
		if (!memcmp(r->pins[i].addr, p->addr, 16)) {
			memset(rule.addr, 0, sizeof(rule.addr));
			strcpy(rule.host, r->pins[i].name);
			break;
		}
	conf_rule_text(&rule, text, size);
}
