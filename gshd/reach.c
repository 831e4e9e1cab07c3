/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Whom outside a sandbox may speak to; see reach.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "gshd/reach.h"

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
static const uint8_t zeros[16];

void reach_set(struct reach *r, const struct conf *conf)
{
	const char *list = conf->net_allow;
	char value[CONF_VALUE_MAX];
	struct conf_rule rule;

	r->none = !strcmp(conf->net_access, "none");
	r->any = !strcmp(conf->net_access, "host");
	r->nrules = 0;
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

static bool special4(const uint8_t a[4])
{
	return a[0] == 0 || a[0] == 127 || (a[0] == 169 && a[1] == 254) || a[0] >= 224 ||
	       (a[0] == 192 && a[1] == 0 && a[2] == 0);
}

bool reach_special(const uint8_t a[16])
{
	if (!memcmp(a, mapped, 12) || !memcmp(a, nat64, 12) || !memcmp(a, zeros, 12))
		return special4(a + 12); /* :: and ::1 among the last */
	if (a[0] == 0x20 && a[1] == 0x02) /* 6to4 */
		return special4(a + 2);
	if (a[0] == 0x20 && a[1] == 0x01 && !a[2] && !a[3]) /* Teredo: somebody else's idea of an address */
		return true;
	return a[0] == 0xff || (a[0] == 0xfe && (a[1] & 0xc0) >= 0x80); /* many; link-local, site-local */
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

static bool rule_fits(const struct reach *r, const struct conf_rule *rule, const struct peer *p, bool special)
{
	if (rule->udp != p->udp || (rule->port && rule->port != p->port))
		return false;
	if (!*rule->host)
		return !memcmp(rule->addr, p->addr, sizeof(p->addr));
	if (special)
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
	bool special = reach_special(p->addr);

	if (r->none || !p->port)
		return false;
	if (r->any && !special)
		return true;
	for (unsigned i = 0; i < r->nrules; i++)
		if (rule_fits(r, &r->rules[i], p, special))
			return true;
	return false;
}

bool reach_knows(const struct reach *r, const char *name)
{
	if (r->none)
		return false;
	if (r->any)
		return true;
	for (unsigned i = 0; i < r->nrules; i++)
		if (*r->rules[i].host && name_fits(r->rules[i].host, name))
			return true;
	return false;
}

bool reach_pin(struct reach *r, const char *name, const uint8_t addr[16])
{
	struct pin *pin;

	if (reach_special(addr) || strlen(name) >= sizeof(pin->name))
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
