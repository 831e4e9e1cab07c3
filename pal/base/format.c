/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Bounded formatting, after C99's printf without floating point (see str.h for what it knows). */
#include "pal/base/str.h"

#define NUMBER_MAX 24 /* 22 octal digits of 64 bits */

struct out {
	char *buf;
	size_t size, n; /* n counts what would have been written */
};

struct spec {
	bool minus, zero, plus, space, alt;
	int width, precision; /* precision -1: none */
	int length;	      /* in bytes: 1, 2, 4, 8 */
};

static void put(struct out *o, char c)
{
	if (o->n + 1 < o->size)
		o->buf[o->n] = c;
	o->n++;
}

static void put_many(struct out *o, char c, int n)
{
	while (n-- > 0)
		put(o, c);
}

static void put_text(struct out *o, const struct spec *s, const char *text, size_t n)
{
	int fill = s->width - (int)n;

	if (!s->minus)
		put_many(o, ' ', fill);
	for (size_t i = 0; i < n; i++)
		put(o, text[i]);
	if (s->minus)
		put_many(o, ' ', fill);
}

/* sign: '-', '+', ' ' or 0. */
static void put_number(struct out *o, const struct spec *s, u64 v, unsigned base, bool upper,
		       char sign)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	const char *prefix = s->alt && v && base == 16 ? (upper ? "0X" : "0x") : "";
	char text[NUMBER_MAX];
	int n = 0, zeros, fill;

	/* Ten is said twice: dividing by what is known is a multiplication. */
	if (base == 10)
		for (u64 rest = v; rest; rest /= 10)
			text[n++] = digits[rest % 10];
	else
		for (u64 rest = v, bits = base == 16 ? 4 : 3; rest; rest >>= bits)
			text[n++] = digits[rest & (base - 1)];
	zeros = (s->precision < 0 ? 1 : s->precision) - n;
	if (s->alt && base == 8 && zeros <= 0 && (n == 0 || text[n - 1] != '0'))
		zeros = 1;
	zeros = MAX(zeros, 0);
	fill = s->width - n - zeros - (sign != 0) - (int)strlen(prefix);
	if (s->zero && !s->minus && s->precision < 0 && fill > 0) {
		zeros += fill;
		fill = 0;
	}
	if (!s->minus)
		put_many(o, ' ', fill);
	if (sign)
		put(o, sign);
	while (*prefix)
		put(o, *prefix++);
	put_many(o, '0', zeros);
	while (n)
		put(o, text[--n]);
	if (s->minus)
		put_many(o, ' ', fill);
}

static int parse_int(const char **f)
{
	int v = 0;

	for (; **f >= '0' && **f <= '9'; (*f)++)
		v = v < 100000 ? v * 10 + (**f - '0') : v;
	return v;
}

static bool parse_flag(struct spec *s, char c)
{
	switch (c) {
	case '-':
		return s->minus = true;
	case '0':
		return s->zero = true;
	case '+':
		return s->plus = true;
	case ' ':
		return s->space = true;
	case '#':
		return s->alt = true;
	default:
		return false;
	}
}

static int parse_length(const char **f)
{
	switch (**f) {
	case 'h':
		(*f)++;
		if (**f != 'h')
			return 2;
		(*f)++;
		return 1;
	case 'l':
		(*f)++;
		if (**f == 'l')
			(*f)++;
		return 8;
	case 'z':
		(*f)++;
		return 8;
	default:
		return 4;
	}
}

static u64 take_unsigned(int length, va_list *ap)
{
	switch (length) {
	case 1:
		return (u8)va_arg(*ap, unsigned);
	case 2:
		return (u16)va_arg(*ap, unsigned);
	case 4:
		return va_arg(*ap, unsigned);
	default:
		return va_arg(*ap, u64);
	}
}

static s64 take_signed(int length, va_list *ap)
{
	switch (length) {
	case 1:
		return (s8)va_arg(*ap, int);
	case 2:
		return (s16)va_arg(*ap, int);
	case 4:
		return va_arg(*ap, int);
	default:
		return va_arg(*ap, s64);
	}
}

static void put_signed(struct out *o, const struct spec *s, s64 v)
{
	char sign = v < 0 ? '-' : s->plus ? '+' : s->space ? ' ' : 0;

	put_number(o, s, v < 0 ? -(u64)v : (u64)v, 10, false, sign);
}

static void convert(struct out *o, struct spec *s, char c, va_list *ap)
{
	const char *text;
	char one;

	switch (c) {
	case 'd':
	case 'i':
		put_signed(o, s, take_signed(s->length, ap));
		break;
	case 'u':
		put_number(o, s, take_unsigned(s->length, ap), 10, false, 0);
		break;
	case 'x':
	case 'X':
		put_number(o, s, take_unsigned(s->length, ap), 16, c == 'X', 0);
		break;
	case 'o':
		put_number(o, s, take_unsigned(s->length, ap), 8, false, 0);
		break;
	case 'p':
		s->alt = true;
		put_number(o, s, (u64)va_arg(*ap, void *), 16, false, 0);
		break;
	case 'c':
		one = va_arg(*ap, int);
		put_text(o, s, &one, 1);
		break;
	case 's':
		text = va_arg(*ap, const char *);
		if (!text)
			text = "(null)";
		put_text(o, s, text, s->precision < 0 ? strlen(text) : strnlen(text, s->precision));
		break;
	case '%':
		put(o, '%');
		break;
	default: /* not ours: show it as it stands */
		put(o, '%');
		put(o, c);
		break;
	}
}

static const char *parse_spec(struct spec *s, const char *f, va_list *ap)
{
	*s = (struct spec){ .precision = -1 };
	while (parse_flag(s, *f))
		f++;
	if (*f == '*') {
		f++;
		s->width = va_arg(*ap, int);
		if (s->width < 0) {
			s->minus = true;
			s->width = -s->width;
		}
	} else {
		s->width = parse_int(&f);
	}
	if (*f == '.') {
		f++;
		if (*f == '*') {
			f++;
			s->precision = va_arg(*ap, int);
		} else {
			s->precision = parse_int(&f);
		}
	}
	s->length = parse_length(&f);
	return f;
}

int base_vsnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
	struct out o = { buf, size, 0 };
	struct spec s;
	va_list ap;

	va_copy(ap, args);
	while (*fmt) {
		if (*fmt != '%') {
			put(&o, *fmt++);
			continue;
		}
		fmt = parse_spec(&s, fmt + 1, &ap);
		if (!*fmt)
			break;
		convert(&o, &s, *fmt++, &ap);
	}
	va_end(ap);
	if (size)
		buf[MIN(o.n, size - 1)] = '\0';
	return o.n;
}

int base_snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = base_vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}
