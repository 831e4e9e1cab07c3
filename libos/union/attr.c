// SPDX-License-Identifier: LGPL-3.0-or-later
/* Attributes on disk: encoding, decoding, and which of them the host holds itself. */
#if __STDC_HOSTED__
#include <string.h>
#endif
#include "libos/union/union.h"

/* The kernel's, whichever headers are about. */
#define TYPE(mode) ((mode) & 0170000)
#define TYPE_DIR 0040000
#define TYPE_REG 0100000
#define TYPE_CHR 0020000
#define TYPE_BLK 0060000

bool union_is_whiteout(u32 mode, u64 rdev)
{
	return TYPE(mode) == TYPE_CHR && rdev == 0;
}

bool union_is_marked(u32 mode)
{
	return (mode & UNION_MARK) && (TYPE(mode) == TYPE_REG || TYPE(mode) == TYPE_DIR);
}

static size_t put_number(char *at, u64 v, unsigned base)
{
	char digits[24];
	size_t n = 0, i = 0;

	do {
		digits[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	while (n)
		at[i++] = digits[--n];
	return i;
}

size_t union_attr_encode(char value[UNION_VALUE_MAX], const struct union_attr *a)
{
	size_t n = put_number(value, a->mode, 8);

	value[n++] = ' ';
	n += put_number(value + n, a->uid, 10);
	value[n++] = ' ';
	n += put_number(value + n, a->gid, 10);
	value[n++] = ' ';
	return n + put_number(value + n, a->rdev, 16);
}

size_t union_origin_encode(char value[UNION_VALUE_MAX], u64 ino)
{
	return put_number(value, ino, 16);
}

void union_link_path(char path[UNION_LINK_MAX], u64 ino, s64 seconds, u32 nanoseconds)
{
	size_t n = sizeof(UNION_LINKS) - 1;

	memcpy(path, UNION_LINKS, n);
	path[n++] = '/';
	n += put_number(path + n, ino, 16);
	path[n++] = '.';
	n += put_number(path + n, (u64)seconds, 16);
	path[n++] = '.';
	n += put_number(path + n, nanoseconds, 16);
	path[n] = '\0';
}

struct reader {
	const char *at, *end;
	bool bad;
};

static u64 get_number(struct reader *r, unsigned base, u64 max, char stop)
{
	u64 v = 0;
	const char *begin = r->at;

	for (; r->at < r->end && *r->at != stop; r->at++) {
		unsigned d = *r->at >= 'a' ? (unsigned)(*r->at - 'a') + 10 : (unsigned)(*r->at - '0');

		if (d >= base || v > (max - d) / base)
			r->bad = true;
		v = v * base + d;
	}
	if (r->at == begin || (stop && r->at == r->end))
		r->bad = true;
	if (r->at < r->end)
		r->at++;
	return v;
}

int union_attr_decode(const char *value, size_t size, struct union_attr *a)
{
	struct reader r = { .at = value, .end = value + size };

	a->mode = (u32)get_number(&r, 8, 0177777, ' ');
	a->uid = (u32)get_number(&r, 10, UINT32_MAX, ' ');
	a->gid = (u32)get_number(&r, 10, UINT32_MAX, ' ');
	a->rdev = get_number(&r, 16, UINT64_MAX, '\0');
	return r.bad || r.at != r.end ? -1 : 0;
}

bool union_attr_fits(u32 host_mode, const struct union_attr *a)
{
	u32 type = TYPE(a->mode);

	if (TYPE(host_mode) == TYPE_REG && (type == TYPE_CHR || type == TYPE_BLK))
		return true;
	return type == TYPE(host_mode);
}

int union_origin_decode(const char *value, size_t size, u64 *ino)
{
	struct reader r = { .at = value, .end = value + size };

	*ino = get_number(&r, 16, UINT64_MAX, '\0');
	return r.bad || r.at != r.end || !*ino ? -1 : 0;
}

u32 union_host_mode(u32 mode, bool all, bool *differs)
{
	u32 host = mode & 0777;

	if (TYPE(mode) == TYPE_DIR)
		host |= 0700;
	else
		host |= all ? 0600 : 0400;
	*differs = host != (mode & 07777) || TYPE(mode) == TYPE_CHR || TYPE(mode) == TYPE_BLK;
	return host;
}

u64 union_fold_ino(u64 ino, u64 dev, u64 main)
{
	u64 h;

	if (dev == main)
		return ino;
	/* The device's hash above the inode number: bits 40 to 61; what reaches into them is mixed in. */
	h = (dev ^ (ino >> 40) * 0xff51afd7ed558ccdull) * 0x9e3779b97f4a7c15ull;
	return (ino & ((1ull << 40) - 1)) | (h >> 42 << 40 & ((1ull << 62) - 1)) | 1ull << 61;
}

bool union_is_hidden_xattr(const char *name)
{
	return !strncmp(name, "user.overlay.", 13) || !strncmp(name, "user.gsh.", 9);
}
