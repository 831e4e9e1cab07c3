/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * gsh-boundary(7) from pal/confine/seccomp.def: `make boundary` writes contrib/man/gsh-boundary.7,
 * lint looks whether it is what the table says. Constants stay words: nothing here needs a header
 * of the kernel's.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct cond {
	const char *form; /* with %1 for the first, %2 for the second text */
	int arg;
	const char *a, *b;
};

struct row {
	const char *class, *call;
	struct cond cond[5];
};

#define EQ(arg, v)                     \
	{                              \
		"is %1", arg, #v, NULL \
	}
#define LE(arg, v)                             \
	{                                      \
		"is at most %1", arg, #v, NULL \
	}
#define BITS(arg, m)                                \
	{                                           \
		"has no bits but %1", arg, #m, NULL \
	}
#define FIELD(arg, m, v)                                   \
	{                                                  \
		"is %2, whatever its bits %1", arg, #m, #v \
	}
#define FD(arg)                                                  \
	{                                                        \
		"is a descriptor, not AT_FDCWD", arg, NULL, NULL \
	}
#define CALL(...)
#define ALLOW(class, call, ...) { #class, #call, { __VA_ARGS__ } },
#define GUARD(...)
static const struct row rows[] = {
#include "pal/confine/seccomp.def"
};
#undef CALL
#undef ALLOW
#undef GUARD

#define CALL(...)
#define ALLOW(...)
#define GUARD(call, arg, op, v) { #call, arg, #v },
static const struct {
	const char *call;
	int arg;
	const char *value;
} guards[] = {
#include "pal/confine/seccomp.def"
};
#undef CALL
#undef ALLOW
#undef GUARD

#define CALL(call, why) { #call, why },
#define ALLOW(...)
#define GUARD(...)
static const struct {
	const char *name, *why;
} calls[] = {
#include "pal/confine/seccomp.def"
};

static const struct {
	const char *name, *title, *about;
} classes[] = {
	{ "CORE", "Always", "What no process of a sandbox can do without." },
	{ "FAST", "For speed",
	  "What a call above does too, slower.\nNot where the calls are lean." },
	{ "RARE", "Seldom asked for",
	  "Programs can do without; inside, the call fails then.\nNot where the calls are lean." },
	{ "SPLIT", "Walls of its own", "For\n.Xr gsh-split 7 .\nNot where the calls are lean." },
	{ "SIGNAL", "Signals",
	  "Where the pid namespace or Landlock bounds whom they reach.\nOn rung B of a kernel "
	  "before Linux 6.12\nthe monitor sends them." },
	{ "TRUNC", "Opening files", "But on rung B of a kernel before Linux 6.2." },
	{ "NO_TRUNC", "Opening files, an older kernel",
	  "There, where Landlock does not say who may cut a file by opening it." },
	{ "FAST_TRUNC", "Opening files, for speed",
	  "Not where the calls are lean, and not on rung B of a kernel before Linux 6.2." },
	{ "ATTR", "Attributes of files",
	  "On rung A only, where mounts bound them.\nElse, and where the calls are lean, the "
	  "monitor makes them, of the\n"
	  "sandbox's own files." },
	{ "NET", "Sockets of the host's",
	  "On rung A only, in a network namespace with nothing in it but a loopback.\nElse, and "
	  "where the calls are lean,\n"
	  "sockets are made of pairs." },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void put_form(const struct cond *c)
{
	for (const char *p = c->form; *p; p++)
		if (*p == '%')
			fputs(*++p == '1' ? c->a : c->b, stdout);
		else
			putchar(*p);
}

static void put_row(const struct row *r)
{
	bool any = false;

	for (size_t i = 0; i < COUNT(r->cond); i++) {
		if (!r->cond[i].form)
			continue;
		printf("%s%s argument %d ", any ? ",\n" : "", any ? "and" : "if",
		       r->cond[i].arg + 1);
		put_form(&r->cond[i]);
		any = true;
	}
	puts(any ? "." : "with any arguments.");
}

static size_t rows_of(const char *class, const char *call)
{
	size_t n = 0;

	for (size_t i = 0; i < COUNT(rows); i++)
		n += !strcmp(rows[i].class, class) && !strcmp(rows[i].call, call);
	return n;
}

static void put_call(const char *class, size_t call)
{
	size_t n = rows_of(class, calls[call].name);

	if (!n)
		return;
	printf(".It Ic %s\n%c%s.\n", calls[call].name,
	       calls[call].why[0] -
		       ('a' <= calls[call].why[0] && calls[call].why[0] <= 'z' ? 'a' - 'A' : 0),
	       calls[call].why + 1);
	for (size_t i = 0; i < COUNT(rows); i++)
		if (!strcmp(rows[i].class, class) && !strcmp(rows[i].call, calls[call].name)) {
			printf(".br\nAllowed ");
			put_row(&rows[i]);
		}
	for (size_t i = 0; i < COUNT(guards); i++)
		if (!strcmp(guards[i].call, calls[call].name))
			printf(".br\nNever if argument %d is %s.\n", guards[i].arg + 1,
			       guards[i].value);
}

static size_t calls_of(const char *class)
{
	size_t n = 0;

	for (size_t i = 0; i < COUNT(calls); i++)
		n += rows_of(class, calls[i].name) > 0;
	return n;
}

int main(void)
{
	puts(".\\\" SPDX-License-Identifier: LGPL-3.0-or-later\n"
	     ".\\\" Made from pal/confine/seccomp.def by `make boundary'.\n"
	     ".Dd November 27, 2026\n.Dt GSH-BOUNDARY 7\n.Os\n.Sh NAME\n.Nm gsh-boundary\n"
	     ".Nd host calls that a sandbox of gsh may make\n.Sh DESCRIPTION\n"
	     "A program in a sandbox makes its system calls to a library in its own address "
	     "space.\n"
	     "What the library needs of the host it asks for by the calls below, from one page of "
	     "code; the kernel sees to it,\n"
	     "by a seccomp filter made from the same table, that there are no others.\n"
	     "Any other call from that page ends the process.\n"
	     "A call from anywhere else is the program's own, and goes to the library.\n"
	     ".Pp\n"
	     "So this is all that a program can ask of the host, even if it has taken over the "
	     "library.\n"
	     "What paths and descriptors it can name is a matter of namespaces, Landlock and of "
	     "what it was given.\n"
	     "All 64 bits of an argument count.\n"
	     ".Pp\n"
	     "A call stands under each class that has a rule for it.\n"
	     "Which classes are in force,\n.Ic gsh doctor --policy\ntells;\n.Cm Calls Ns = Ns Ql "
	     "lean\nof\n.Xr gsh.conf 5\n"
	     "leaves the first only.");
	for (size_t c = 0; c < COUNT(classes); c++) {
		printf(".Ss %s\n%s\nCalls: %zu.\n.Bl -tag -width Ds\n", classes[c].title,
		       classes[c].about, calls_of(classes[c].name));
		for (size_t i = 0; i < COUNT(calls); i++)
			put_call(classes[c].name, i);
		puts(".El");
	}
	puts(".Sh SEE ALSO\n.Xr gsh 1 ,\n.Xr gsh.conf 5 ,\n.Xr gsh-split 7 ,\n.Xr gshd 8");
	return 0;
}
