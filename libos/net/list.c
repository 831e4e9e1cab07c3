// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Lists of sockets. Those of the sandbox's own network are read from their records; where the
 * sockets are the host's, in a network namespace, the monitor reads the host's list of that
 * namespace (MON_NET). Unix sockets with a path have an abstract name on the host (fs/sock_unix.c),
 * which is shown as the path again.
 */
#include "libos/net/list.h"
#include "libos/net/net.h"
#include "libos/coord/area.h"
#include "pal/base/heap.h"
#include "pal/grant.h"
#include "pal/monitor.h"

enum { STATE_ESTABLISHED = 1, STATE_CLOSE = 7, STATE_LISTEN = 10 };

/* ---- from records ---- */

/* Words of the address as the kernel prints them: as they lie in memory. */
static void put_address(struct buf *b, int domain, const struct net_addr *a)
{
	u32 word;

	for (int i = domain == AF_INET ? 3 : 0; i < 4; i++) {
		memcpy(&word, a->ip + 4 * i, sizeof(word));
		base_buf_printf(b, "%08X", word);
	}
	base_buf_printf(b, ":%04X", a->port);
}

static int state_of(const struct net_record *r)
{
	u32 flags = atomic_load_relaxed(&r->flags);

	return flags & NET_LISTENING ? STATE_LISTEN : flags & NET_CONNECTED ? STATE_ESTABLISHED : STATE_CLOSE;
}

static void put_inet(struct buf *b, int number, const struct net_record *r)
{
	base_buf_printf(b, r->type == SOCK_DGRAM ? "%5d: " : "%4d: ", number);
	put_address(b, r->domain, &r->local);
	base_buf_puts(b, " ");
	put_address(b, r->domain, &r->remote);
	base_buf_printf(b, " %02X 00000000:00000000 00:00000000 00000000 %5u        0 %lu %s\n",
			state_of(r), r->uid, r->ino,
			r->type == SOCK_DGRAM ? "2 0000000000000000 0"
					      : "1 0000000000000000 100 0 0 10 0");
}

/* Let go of: whether somebody holds it still, nobody knows. Not named: the host's list has none of those either. */
static bool is_listed(const struct net_record *r, int domain, int type)
{
	return atomic_load(&r->cookie) && r->domain == domain && (!type || r->type == type) &&
	       !(atomic_load_relaxed(&r->flags) & NET_RELEASED) && (domain == AF_UNIX || r->local.family);
}

static int inet_records(struct buf *b, int domain, int type)
{
	int n = 0;

	for (u32 i = 0; i < NET_RECORDS; i++)
		if (is_listed(&the_area->net[i], domain, type))
			put_inet(b, n++, &the_area->net[i]);
	return b->err;
}

/* The text after the inode: a path, or @ and an abstract name. */
static void put_name(struct buf *b, const char *name, size_t len)
{
	struct sock_addr a = { .len = (unsigned)(offsetof(struct sockaddr_un, sun_path) + len) };
	size_t n;

	a.family = AF_UNIX;
	memcpy(a.un.sun_path, name, len);
	sock_name_to_guest(&a);
	n = a.len - offsetof(struct sockaddr_un, sun_path);
	if (!n)
		return;
	base_buf_puts(b, " ");
	for (size_t i = 0; i < n; i++) {
		char c = a.un.sun_path[i];

		if (!c && a.un.sun_path[0])
			break;
		base_buf_printf(b, "%c", c ?: '@');
	}
}

static int unix_records(struct buf *b)
{
	for (u32 i = 0; i < NET_RECORDS; i++) {
		const struct net_record *r = &the_area->net[i];
		u32 flags = atomic_load_relaxed(&r->flags);

		if (!is_listed(r, AF_UNIX, 0))
			continue;
		base_buf_printf(b, "0000000000000000: 00000002 00000000 %08X %04X %02X %5lu",
				flags & NET_LISTENING ? 0x10000 : 0, r->type, flags & NET_CONNECTED ? 3 : 1, r->ino);
		if (r->local.family)
			put_name(b, r->local.path, MIN(r->local.len, sizeof(r->local.path)));
		base_buf_puts(b, "\n");
	}
	return b->err;
}

/* ---- from the host ---- */

/* The file's text, NUL-terminated; ERR_PTR. */
static char *host_text(u32 file)
{
	struct mon_net q = { .file = file };
	struct mon_reply reply;
	int fd = -1, n = 1, r = pal_monitor(MON_NET, &q, sizeof(q), NULL, 0, &reply, sizeof(reply), &fd, &n);
	struct stat st;
	char *text;
	ssize_t got;

	if (r < 0 || n != 1)
		return ERR_PTR(r < 0 ? r : -EIO);
	r = pal_fstat(fd, &st);
	text = r ? NULL : base_zalloc((size_t)st.st_size + 1);
	got = text ? pal_pread(fd, text, (size_t)st.st_size, 0) : -ENOMEM;
	pal_close(fd);
	if (got >= 0)
		return text;
	base_free(text);
	return ERR_PTR((int)got);
}

/* All but the head. */
static int host_lines(struct buf *b, u32 file, void (*put)(struct buf *, const char *, size_t))
{
	char *text = host_text(file), *s, *end;

	if (IS_ERR(text))
		return PTR_ERR(text) == -ENOMEM ? -ENOMEM : 0;
	s = strchr(text, '\n');
	while (s && *++s && (end = strchr(s, '\n'))) {
		put(b, s, (size_t)(end - s));
		base_buf_puts(b, "\n");
		s = end;
	}
	base_free(text);
	return b->err;
}

static void put_line(struct buf *b, const char *line, size_t len)
{
	base_buf_put(b, line, len);
}

/* "...: ref proto flags type state inode[ @name]" */
static void put_unix_line(struct buf *b, const char *line, size_t len)
{
	const char *at = memchr(line, '@', len);
	char name[sizeof(((struct sockaddr_un *)0)->sun_path)];
	size_t n = at ? (size_t)(line + len - at) : 0;

	if (!at || n > sizeof(name)) {
		base_buf_put(b, line, len);
		return;
	}
	base_buf_put(b, line, (size_t)(at - line) - 1);
	memcpy(name, at, n);
	name[0] = '\0';
	put_name(b, name, n);
}

static bool own(void)
{
	return pal_grant()->flags & GRANT_BROKER_SOCK;
}

int net_list_inet(struct buf *b, int domain, int type)
{
	u32 file = type == SOCK_STREAM ? (domain == AF_INET ? MON_NET_TCP : MON_NET_TCP6)
				       : (domain == AF_INET ? MON_NET_UDP : MON_NET_UDP6);

	return own() ? inet_records(b, domain, type) : host_lines(b, file, put_line);
}

int net_list_unix(struct buf *b)
{
	return own() ? unix_records(b) : host_lines(b, MON_NET_UNIX, put_unix_line);
}
