// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Attempts with what a picoprocess is given: its descriptors, and socket pairs, which it may make on any rung. What was handed
 * in as its input, a file of the user's, may be read and written; all else of it is the host's.
 *
 *   given [PATH]      a datagram socket of the host that must never hear from us
 *   given handed      only what is tried on the input
 *
 * Without a sandbox and a word it makes the socket itself and must reach it: the control.
 */
#include "way.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "pal/grant.h"
#include "pal/monitor.h"

static struct sockaddr_un addr = { .sun_family = AF_UNIX };

/* A pair is joined to itself, but its datagrams can be given an address. */
static enum verdict pair_sendto(enum way w, void *arg)
{
	int pair[2];

	if (call(w, SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, pair) < 0)
		return REFUSED;
	return must_fail(call(w, SYS_sendto, pair[0], "escape", 6, 0, &addr, sizeof(addr)));
}

/* With descriptors, which a service may take for its own. */
static enum verdict pair_sendmsg(enum way w, void *arg)
{
	static const int types[] = { SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM };
	struct iovec iov = { "escape", 6 };
	struct msghdr msg = { .msg_name = &addr, .msg_namelen = sizeof(addr), .msg_iov = &iov, .msg_iovlen = 1 };
	int pair[2];

	/* A sequenced pair ignores the address: its own other end hears it. */
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i] != SOCK_SEQPACKET && call(w, SYS_socketpair, AF_UNIX, types[i], 0, pair) >= 0 &&
		    call(w, SYS_sendmsg, pair[0], &msg, 0) >= 0)
			return ESCAPED;
	return REFUSED;
}

/* The image belongs to the user, as does every file of the host that came in by a mount of the host. */
static enum verdict image_mode(enum way w, void *arg)
{
	struct stat st;

	if (fstat(GRANT_FD_IMAGE, &st))
		st.st_mode = 0755;
	return must_fail(call(w, SYS_fchmod, GRANT_FD_IMAGE, st.st_mode & 0777));
}

static enum verdict image_attr(enum way w, void *arg)
{
	long r = call(w, SYS_fsetxattr, GRANT_FD_IMAGE, "user.escaped", "1", 1, 0);

	if (r >= 0)
		call(w, SYS_fremovexattr, GRANT_FD_IMAGE, "user.escaped");
	return must_fail(r);
}

/* Closed by an exec, its number would be free for another file to execute. */
static enum verdict image_cloexec(enum way w, void *arg)
{
	return must_fail(call(w, SYS_fcntl, GRANT_FD_IMAGE, F_SETFD, FD_CLOEXEC));
}

/* Whoever closes it last waits: if it was passed to the monitor, that is the monitor. */
static enum verdict linger(enum way w, void *arg)
{
	struct linger hour = { 1, 3600 };
	int pair[2];

	if (call(w, SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return REFUSED;
	return must_fail(call(w, SYS_setsockopt, pair[0], SOL_SOCKET, SO_LINGER, &hour, sizeof(hour)));
}

/* ---- the input ---- */

static enum verdict handed_mode(enum way w, void *arg)
{
	return must_fail(call(w, SYS_fchmod, 0, 0777));
}

static enum verdict handed_times(enum way w, void *arg)
{
	struct timespec t[2] = { { 1, 0 }, { 1, 0 } };

	return must_fail(call(w, SYS_utimensat, 0, NULL, t, 0));
}

/* The flag that the filter asks for: the kernel takes no descriptor with it. */
static enum verdict handed_times_flag(enum way w, void *arg)
{
	struct timespec t[2] = { { 1, 0 }, { 1, 0 } };

	if (call(w, SYS_utimensat, 0, NULL, t, AT_SYMLINK_NOFOLLOW) >= 0)
		return ESCAPED;
	return must_fail(call(w, SYS_utimensat, 0, "", t, AT_SYMLINK_NOFOLLOW));
}

static enum verdict handed_mode_empty(enum way w, void *arg)
{
	return must_fail(call(w, SYS_fchmodat, 0, "", 0777));
}

static enum verdict handed_attr(enum way w, void *arg)
{
	return must_fail(call(w, SYS_fsetxattr, 0, "user.escape-mark", "1", 1, 0));
}

static enum verdict handed_owner(enum way w, void *arg)
{
	return must_fail(call(w, SYS_fchown, 0, getuid(), getgid()));
}

/* Of a terminal this has the host's processes in its foreground signalled. */
static enum verdict handed_async(enum way w, void *arg)
{
	return must_fail(call(w, SYS_fcntl, 0, F_SETFL, O_ASYNC));
}

static enum verdict handed_lease(enum way w, void *arg)
{
	return must_fail(call(w, SYS_fcntl, 0, F_SETLEASE, F_UNLCK));
}

static enum verdict handed_flags(enum way w, void *arg)
{
	int flags = 0;

	return must_fail(call(w, SYS_ioctl, 0, 0x80086601 /* FS_IOC_GETFLAGS */, &flags));
}

/* The monitor makes such changes, but of the sandbox's own files. */
static enum verdict handed_asked(enum way w, void *arg)
{
	struct {
		struct mon_msg head;
		struct mon_setattr q;
		char value[1];
	} m = { .head = { .type = MON_SETATTR }, .q = { .mode = 0777, .name = "user.escape-mark" } };
	static const uint32_t ops[] = { MON_ATTR_CHMOD, MON_ATTR_TIMES, MON_ATTR_SETX, MON_ATTR_DELX };

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		size_t size = sizeof(m.head) + sizeof(m.q) + (ops[i] == MON_ATTR_SETX);

		m.q.op = ops[i];
		m.q.mode = ops[i] == MON_ATTR_CHMOD ? 0777 : 0;
		m.head.len = (uint32_t)(size - sizeof(m.head));
		if (way_ask(&m, size, 0, NULL, NULL) != -EPERM)
			return ESCAPED;
	}
	return REFUSED;
}

static const struct {
	const char *name;
	enum verdict (*fn)(enum way, void *);
} handed[] = {
	{ "mode of the input", handed_mode },
	{ "times of the input", handed_times },
	{ "times of the input, with the flag", handed_times_flag },
	{ "mode of the input by an empty name", handed_mode_empty },
	{ "attribute of the input", handed_attr },
	{ "owner of the input", handed_owner },
	{ "asynchronous input", handed_async },
	{ "lease of the input", handed_lease },
	{ "flags of the input's file", handed_flags },
};

static int on_input(void)
{
	int escaped = 0;

	for (size_t i = 0; i < sizeof(handed) / sizeof(handed[0]); i++)
		escaped += attempt(handed[i].name, way_pal() ? PAL : RAW, handed[i].fn, NULL);
	if (way_pal())
		escaped += attempt("input by the monitor", PAL, handed_asked, NULL);
	return escaped ? 1 : 0;
}

static const struct {
	const char *name;
	enum verdict (*fn)(enum way, void *);
} attempts[] = {
	{ "datagram of a pair", pair_sendto },	   { "message of a pair", pair_sendmsg }, { "mode of the image", image_mode },
	{ "attribute of the image", image_attr }, { "image close-on-exec", image_cloexec }, { "lingering socket", linger },
};

/* On the host, with a socket of our own: the attempt that is judged outside must reach it. */
static int control(void)
{
	char path[] = "/tmp/gsh-given-XXXXXX", got[16];
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	if (!mkdtemp(path))
		return 2;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/s", path);
	if (bind(s, (struct sockaddr *)&addr, sizeof(addr)))
		return 2;
	attempt("datagram of a pair", RAW, pair_sendto, NULL);
	bool heard = recv(s, got, sizeof(got), 0) == 6;
	unlink(addr.sun_path);
	rmdir(path);
	printf("control: %s\n", heard ? "reached" : "NOT reached");
	return heard ? 0 : 1;
}

int main(int argc, char **argv)
{
	int escaped = 0;

	if (argc == 2 && !strcmp(argv[1], "handed"))
		return on_input();
	if (!way_pal())
		return control();
	if (argc != 2 || strlen(argv[1]) >= sizeof(addr.sun_path))
		return 2;
	strcpy(addr.sun_path, argv[1]);
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
		escaped += attempt(attempts[i].name, PAL, attempts[i].fn, NULL);
	return escaped ? 1 : 0;
}
