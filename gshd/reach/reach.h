/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Whom outside a sandbox may speak to: decisions without doing (reach.c), so that they can be tested as they are.
 *
 * A name is worth as much as the addresses that we found for it ourselves (pins): what a sandbox connects to is an
 * address, and is allowed by a name's rule if we gave it that address for such a name. Addresses that mean the host
 * itself, its link or many at once are never reached by a name or by "*", whoever answered so; only by being named.
 */
#ifndef GSHD_REACH_H
#define GSHD_REACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "conf/conf.h"
#include "pal/confine/confine.h"

#define REACH_DENIED_MAX 64
#define REACH_RULES_MAX 256
#define REACH_PINS_MAX 1024

struct pin {
	uint8_t addr[16];
	char name[256];
};

struct reach {
	bool none, any, nat; /* [Network] Access=none, =host, =nat: of the last, what its own way out does not have */
	bool deny_host;	     /* [Network] Deny=: this host's addresses, as they are when it is asked */
	unsigned ndenied;
	struct conf_prefix denied[REACH_DENIED_MAX];
	unsigned nrules, npins, next_pin;
	struct conf_rule rules[REACH_RULES_MAX];
	struct pin pins[REACH_PINS_MAX]; /* the oldest is forgotten first */
};

struct peer {
	uint8_t addr[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint16_t port;
	bool udp;
};

/* From settings that were checked. */
void reach_set(struct reach *r, const struct conf *conf);
/* 0, -EEXIST, -ENOSPC; and back: 0, -ENOENT. */
int reach_add(struct reach *r, const struct conf_rule *rule);
int reach_remove(struct reach *r, const struct conf_rule *rule);
bool reach_allows(const struct reach *r, const struct peer *p);
/* May this name be asked for? In small letters. */
bool reach_knows(const struct reach *r, const char *name);
/* Remember what was found for a name. False: it is an address that no name may have. */
bool reach_pin(struct reach *r, const char *name, const uint8_t addr[16]);
/* The host itself, its link, nobody or many: addresses that are only meant where they are written. */
bool reach_special(const uint8_t addr[16]);
/* Is it of what Deny= names? */
bool reach_denied(const struct reach *r, const uint8_t addr[16]);
/* All of IPv4 that nat must not lead to, special ones first: how many. */
unsigned reach_closed(const struct reach *r, struct confine_prefix *to, unsigned most);
/* The rule that would allow it, by a name if it is known by one. */
void reach_rule_for(const struct reach *r, const struct peer *p, char *text, size_t size);

#endif
