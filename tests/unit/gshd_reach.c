/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Whom outside a sandbox may speak to: rules as text, what they allow, what a name is worth. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "gshd/reach/reach.h"
#include "tests/unit/gshd_test.h"

static struct reach r;
static const char *closed = "";

static void rules(const char *access, const char *list)
{
	static struct conf conf;

	memset(&r, 0, sizeof(r));
	conf_defaults(&conf);
	strcpy(conf.net_access, access);
	strcpy(conf.net_deny, closed);
	strcpy(conf.net_allow, list);
	reach_set(&r, &conf);
}

static void address(const char *text, uint8_t addr[16])
{
	memcpy(addr, (uint8_t[16]){ [10] = 0xff, [11] = 0xff }, 16);
	if (inet_pton(AF_INET, text, addr + 12) != 1)
		CHECK(inet_pton(AF_INET6, text, addr) == 1);
}

static bool may(const char *text, uint16_t port, bool udp)
{
	struct peer p = { .port = port, .udp = udp };

	address(text, p.addr);
	return reach_allows(&r, &p);
}

static bool pin(const char *name, const char *text)
{
	uint8_t addr[16];

	address(text, addr);
	return reach_pin(&r, name, addr);
}

static const char *form(const char *text)
{
	static char out[300];
	struct conf_rule rule;

	if (conf_rule(text, &rule))
		return "bad";
	conf_rule_text(&rule, out, sizeof(out));
	return out;
}

static void case_text(void)
{
	static const char *const good[][2] = {
		{ "Example.ORG.:443", "example.org:443" }, { "*.a_b.c:*", "*.a_b.c:*" },
		{ "*:80/udp", "*:80/udp" },		   { "10.0.0.1:1/tcp", "10.0.0.1:1" },
		{ "[2001:DB8::1]:65535", "[2001:db8::1]:65535" }, { "[::ffff:1.2.3.4]:5", "1.2.3.4:5" },
		{ "x:1", "x:1" },
	};
	static const char *const bad[] = {
		"",	  ":",	    "x",      "x:",	 ":1",	     "x:0",	  "x:65536",  "x:-1",	 "x:1x",
		"x:1/",	  "x:1/ud", "1.2.3:4", "1:2",	 "::1:80",   "[::1:80",	  "[::1]",    "x..y:1",	 ".x:1",
		"a b:1",  "a*:1",   "*.*:1",  "x/y:1",    "\xc3\xa4:1", "x:99999999999", "[]:1", "[1.2.3.4]:1",
		"x,y:1",
	};
	char name[300];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK(!strcmp(form(good[i][0]), good[i][1]) && !strcmp(form(good[i][1]), good[i][1]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!strcmp(form(bad[i]), "bad"));
	memset(name, 'a', sizeof(name));
	strcpy(name + 64, ":1");
	CHECK(!strcmp(form(name), "bad"));
	strcpy(name + 63, ":1");
	CHECK(strcmp(form(name), "bad"));
	test_case("rules as text: good and bad ones, and the one form of each");
}

static void case_addresses(void)
{
	rules("private", "1.2.3.4:80\n[2001:db8::1]:*\n127.0.0.1:5432\n8.8.8.8:53/udp\n");
	CHECK(may("1.2.3.4", 80, false) && !may("1.2.3.4", 81, false) && !may("1.2.3.4", 80, true) && !may("1.2.3.5", 80, false));
	CHECK(may("2001:db8::1", 7, false) && !may("2001:db8::2", 7, false) && !may("2001:db8::1", 0, false));
	CHECK(may("127.0.0.1", 5432, false) && !may("127.0.0.1", 5433, false) && !may("::1", 5432, false));
	CHECK(may("8.8.8.8", 53, true) && !may("8.8.8.8", 53, false));
	rules("none", "1.2.3.4:80\n*:*\n");
	CHECK(!may("1.2.3.4", 80, false) && !reach_knows(&r, "x"));
	rules("private", "");
	CHECK(!may("1.2.3.4", 80, false) && !reach_knows(&r, "x"));
	test_case("addresses");
}

static void case_special(void)
{
	static const char *const special[] = {
		"127.0.0.1", "127.9.9.9", "0.0.0.0", "0.1.2.3", "169.254.169.254", "224.0.0.1", "255.255.255.255",
		"192.0.0.8", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
		"::ffff:0:7f00:1", "::ffff:0:a9fe:a9fe", "64:ff9b:1::7f00:1", "64:ff9b:1:fffe::a01:203",
		"2002:7f00:1::", "2002:a9fe:a9fe::1", "2001::1", "fe80::1", "febf::1", "fec0::1", "ff02::1",
	};
	static const char *const plain[] = { "1.1.1.1", "10.0.0.1", "192.168.1.1", "192.0.2.1", "2001:db8::1", "64:ff9b::101:101",
					     "2002:101:101::", "fd00::1" };

	rules("host", "");
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		CHECK(!may(special[i], 80, false) && !may(special[i], 80, true) && !pin("any.name", special[i]));
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		CHECK(may(plain[i], 80, false) && may(plain[i], 80, true) && pin("any.name", plain[i]));
	rules("private", "*:*\n");
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		CHECK(!may(special[i], 80, false));
	CHECK(may("1.1.1.1", 80, false) && !may("1.1.1.1", 80, true));
	test_case("the host itself, its link and many at once are no peers unless they are named");
}

/* Whom Deny= names is reached by his address only, in whatever form; and no name leads there. */
static void case_denied(void)
{
	static const char *const in[] = { "10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1", "fd00::1",
					  "64:ff9b::a01:203", "::ffff:0:a01:203", "2002:a01:203::1", "198.51.100.7", "2001:db8::7" };
	static const char *const out[] = { "11.0.0.1", "172.32.0.1", "192.169.0.1", "100.128.0.1", "198.51.100.8",
					   "2001:db8::8", "2002:b01:203::1" };
	static struct confine_prefix prefixes[CONFINE_CLOSED_MAX];
	unsigned n, had;

	closed = "private 198.51.100.7 2001:db8::7/128";
	rules("host", "10.1.2.3:80\n");
	CHECK(may(in[0], 80, false) && !may(in[0], 81, false));
	for (size_t i = 1; i < sizeof(in) / sizeof(in[0]); i++)
		CHECK(!may(in[i], 80, false) && !pin("any.name", in[i]));
	for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++)
		CHECK(may(out[i], 80, false) && pin("any.name", out[i]));
	rules("private", "*:*\n");
	CHECK(!may(in[0], 80, false) && may(out[0], 80, false));
	rules("nat", "");
	CHECK(!may(out[0], 80, false) && may("2001:db8::8", 80, false) && !may("2001:db8::7", 80, false) &&
	      reach_knows(&r, "any.name"));
	n = reach_closed(&r, prefixes, CONFINE_CLOSED_MAX);
	closed = "";
	rules("nat", "");
	had = reach_closed(&r, prefixes, CONFINE_CLOSED_MAX);
	CHECK(had && n == had + 5); /* those of IPv4 */
	CHECK(reach_closed(&r, prefixes, 1) == 1);
	closed = "host";
	rules("host", "");
	CHECK(may("198.51.100.7", 80, false) && reach_closed(&r, prefixes, CONFINE_CLOSED_MAX) > had);
	closed = "";
	test_case("what is denied is reached by being named only");
}

static void case_names(void)
{
	char text[320], name[40];
	struct peer p = { .port = 8080 };

	rules("private", "a.example:443\n*.b.example:*\nc.example:53/udp\n");
	CHECK(reach_knows(&r, "a.example") && reach_knows(&r, "x.b.example") && reach_knows(&r, "x.y.b.example"));
	CHECK(!reach_knows(&r, "b.example") && !reach_knows(&r, "xb.example") && !reach_knows(&r, "a.example.evil") &&
	      !reach_knows(&r, "za.example") && !reach_knows(&r, ".b.example"));
	CHECK(!may("1.1.1.1", 443, false));
	CHECK(pin("a.example", "1.1.1.1") && may("1.1.1.1", 443, false) && !may("1.1.1.1", 80, false));
	CHECK(pin("x.b.example", "1.1.1.2") && may("1.1.1.2", 99, false) && !may("1.1.1.2", 99, true));
	CHECK(pin("c.example", "1.1.1.3") && may("1.1.1.3", 53, true) && !may("1.1.1.3", 53, false));
	CHECK(pin("evil.example", "1.1.1.4") && !may("1.1.1.4", 443, false));
	address("1.1.1.4", p.addr);
	reach_rule_for(&r, &p, text, sizeof(text));
	CHECK(!strcmp(text, "evil.example:8080"));
	address("1.1.1.5", p.addr);
	reach_rule_for(&r, &p, text, sizeof(text));
	CHECK(!strcmp(text, "1.1.1.5:8080"));
	/* However many are found, what is remembered is bounded; the oldest goes. */
	for (int i = 0; i < 3 * REACH_PINS_MAX; i++) {
		snprintf(name, sizeof(name), "10.1.%d.%d", i / 256, i % 256);
		CHECK(pin("x.b.example", name));
	}
	CHECK(r.npins == REACH_PINS_MAX && !may("1.1.1.1", 443, false) && may(name, 1, false));
	test_case("names are worth what was found for them");
}

static void case_changes(void)
{
	struct conf_rule rule;

	rules("private", "");
	CHECK(!conf_rule("1.2.3.4:*", &rule) && !reach_add(&r, &rule) && reach_add(&r, &rule) == -EEXIST);
	CHECK(may("1.2.3.4", 9, false) && !reach_remove(&r, &rule) && reach_remove(&r, &rule) == -ENOENT);
	CHECK(!may("1.2.3.4", 9, false));
	for (int i = 1; i <= REACH_RULES_MAX; i++) {
		rule.port = (uint16_t)i;
		CHECK(!reach_add(&r, &rule));
	}
	rule.port = 0;
	CHECK(reach_add(&r, &rule) == -ENOSPC && may("1.2.3.4", 1, false) && !may("1.2.3.4", 999, false));
	test_case("rules come and go");
}

int main(void)
{
	case_text();
	case_addresses();
	case_special();
	case_denied();
	case_names();
	case_changes();
	return test_end();
}
