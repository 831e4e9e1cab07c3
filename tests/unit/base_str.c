/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Formatting against libc's, numbers, copies, the growing buffer, and the memory functions against
 * libc's.
 */
#include <stdlib.h>
#include "tests/unit/base_test.h"
#include "pal/base/str.h"

/* pal/base/mem.c, renamed */
void *base_memcpy(void *dst, const void *src, size_t n);
void *base_memmove(void *dst, const void *src, size_t n);
void *base_memset(void *dst, int c, size_t n);
int base_memcmp(const void *a, const void *b, size_t n);
void *base_memchr(const void *s, int c, size_t n);
size_t base_strlen(const char *s);
size_t base_strnlen(const char *s, size_t max);
int base_strcmp(const char *a, const char *b);
int base_strncmp(const char *a, const char *b, size_t n);
char *base_strchr(const char *s, int c);
char *base_strrchr(const char *s, int c);

#define SAME(...)                                                                               \
	do {                                                                                    \
		char want[200], got[200];                                                       \
		int x = snprintf(want, sizeof(want), __VA_ARGS__);                              \
		int y = base_snprintf(got, sizeof(got), __VA_ARGS__);                           \
                                                                                                \
		if (x != y || strcmp(want, got)) {                                              \
			printf("FAIL line %d: '%s' (%d) against '%s' (%d)\n", __LINE__, got, y, \
			       want, x);                                                        \
			test_failed++;                                                          \
		}                                                                               \
	} while (0)

#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-overflow"
#pragma GCC diagnostic ignored "-Wformat-truncation"

static const char *const number_formats[] = {
	"%l[",	  "%5l[",   "%-5l[|",	"%05l[",   "%+l[",   "% l[",	"%#l[",
	"%.3l[",  "%8.3l[", "%-8.3l[|", "%08.3l[", "%#10l[", "%#010l[", "%.0l[",
	"%+.0l[", "%#.0l[", "%+08l[",	"% 8l[",   "%ll[",   "%zl[",
};

static void test_numbers(void)
{
	static const long values[] = { 0,
				       1,
				       -1,
				       7,
				       8,
				       42,
				       255,
				       4096,
				       -4096,
				       2147483647,
				       -2147483648l,
				       4294967295l,
				       9223372036854775807l,
				       -9223372036854775807l - 1 };
	static const char convs[] = "diuxXo";

	for (unsigned f = 0; f < ARRAY_SIZE(number_formats); f++)
		for (unsigned c = 0; c < sizeof(convs) - 1; c++)
			for (unsigned v = 0; v < ARRAY_SIZE(values); v++) {
				char fmt[32];

				strcpy(fmt, number_formats[f]);
				if (!strncmp(fmt, "%z", 2))
					strcpy(fmt, "%z[");
				*strchr(fmt, '[') = convs[c];
				SAME(fmt, values[v]);
			}
	SAME("%d %u %x", -5, 7u, 0xdeadu);
	SAME("%hhd %hhu %hd %hu %hhx", -1, 300, 70000, 70000, 511);
	SAME("%*d|%-*d|%.*d", 6, 42, 6, 42, 4, 42);
	SAME("%*d|", -6, 42);
	SAME("%p", (void *)0x1234);
	test_case("format: numbers as libc prints them");
}

static void test_text(void)
{
	char b[8];

	SAME("%s|%10s|%-10s|%.2s|%10.3s|%-5.1s|", "abc", "abc", "abc", "abc", "abcdef", "xyz");
	SAME("%c|%4c|%-4c|%%", 'a', 'b', 'c');
	SAME("%.*s", 3, "abcdef");
	SAME("plain");
	CHECK(base_snprintf(b, sizeof(b), "%s", "0123456789") == 10 && !strcmp(b, "0123456"));
	CHECK(base_snprintf(b, 1, "xyz") == 3 && !b[0]);
	CHECK(base_snprintf(NULL, 0, "%d", 12345) == 5);
	CHECK(base_snprintf(b, sizeof(b), "%s", (char *)NULL) == 6 && !strcmp(b, "(null)"));
	test_case("format: text and bounds");
}

static void test_parse(void)
{
	u64 v = 0;

	CHECK(base_parse_u64("0", 10, &v) && v == 0);
	CHECK(base_parse_u64("18446744073709551615", 10, &v) && v == ~0ul);
	CHECK(!base_parse_u64("18446744073709551616", 10, &v));
	CHECK(!base_parse_u64("99999999999999999999999", 10, &v));
	CHECK(base_parse_u64("0x1F", 0, &v) && v == 31);
	CHECK(base_parse_u64("017", 0, &v) && v == 15);
	CHECK(base_parse_u64("0", 0, &v) && v == 0);
	CHECK(base_parse_u64("ff", 16, &v) && v == 255);
	CHECK(!base_parse_u64("", 10, &v) && !base_parse_u64("0x", 0, &v) &&
	      !base_parse_u64("08", 0, &v));
	CHECK(!base_parse_u64("12a", 10, &v) && !base_parse_u64("-1", 10, &v) &&
	      !base_parse_u64(" 1", 10, &v));
	test_case("str: numbers from text");
}

static void test_copy(void)
{
	char b[4];
	struct buf out = { 0 };

	CHECK(base_strlcpy(b, "abcdef", sizeof(b)) == 6 && !strcmp(b, "abc"));
	CHECK(base_strlcpy(b, "", sizeof(b)) == 0 && !b[0]);
	CHECK(base_strlcpy(b, "x", 0) == 1);
	CHECK(base_hash("a", 1) == 0xe40c292c && base_hash("", 0) == 0x811c9dc5);
	for (int i = 0; i < 20000; i++)
		base_buf_printf(&out, "%05d,", i);
	base_buf_puts(&out, "end");
	base_buf_put(&out, "\0\1", 2);
	CHECK(!out.err && out.size == 20000 * 6 + 5 && !memcmp(out.data + 6 * 12345, "12345,", 6));
	CHECK(!memcmp(out.data + 20000 * 6, "end\0\1", 5));
	base_buf_free(&out);
	CHECK(!out.data && !out.size);
	test_case("str: copies, hash, growing buffer");
}

static int sign(int x)
{
	return (x > 0) - (x < 0);
}

static void test_memory(void)
{
	char a[600], b[600], c[600];

	for (int i = 0; i < 30000; i++) {
		size_t n = test_random() % (i % 3 ? 40 : 260), d = test_random() % 300,
		       s = test_random() % 300;

		for (unsigned k = 0; k < sizeof(a); k++)
			a[k] = b[k] = test_random() % 3;
		memmove(a + d, a + s, n);
		CHECK(base_memmove(b + d, b + s, n) == b + d && !memcmp(a, b, sizeof(a)));
		memset(a + d, i, n);
		CHECK(base_memset(b + d, i, n) == b + d && !memcmp(a, b, sizeof(a)));
		memcpy(c, a, sizeof(c));
		memcpy(c + d, a + s, n);
		memcpy(b, a, sizeof(b));
		CHECK(base_memcpy(b + d, a + s, n) == b + d && !memcmp(b, c, sizeof(b)));
		CHECK(sign(base_memcmp(a + d, a + s, n)) == sign(memcmp(a + d, a + s, n)));
		CHECK(base_memchr(a + d, 2, n) == memchr(a + d, 2, n));
	}
	test_case("mem: moves, fills, compares as libc does");
}

static void test_strings(void)
{
	char a[64], b[64];

	for (int i = 0; i < 20000; i++) {
		size_t n = test_random() % 20;

		for (unsigned k = 0; k < sizeof(a); k++) {
			a[k] = "\0abc\xff"[test_random() % 5];
			b[k] = test_random() % 4 ? a[k] : 'z';
		}
		a[63] = b[63] = 0;
		CHECK(base_strlen(a) == strlen(a) && base_strnlen(a, n) == strnlen(a, n));
		CHECK(sign(base_strcmp(a, b)) == sign(strcmp(a, b)));
		CHECK(sign(base_strncmp(a, b, n)) == sign(strncmp(a, b, n)));
		CHECK(base_strchr(a, 'b') == strchr(a, 'b') && base_strchr(a, 0) == strchr(a, 0));
		CHECK(base_strrchr(a, 'b') == strrchr(a, 'b') &&
		      base_strrchr(a, 0) == strrchr(a, 0));
	}
	test_case("mem: strings as libc does");
}

int main(void)
{
	test_numbers();
	test_text();
	test_parse();
	test_copy();
	test_memory();
	test_strings();
	return test_end();
}
