/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Walls inside the sandbox's: what a process that splits off raises round itself (libos/split/split.h).
 *
 * Two kinds, both the kernel's and both stacked on what is there already, so that nothing can be won by them:
 *
 *   Landlock   a domain in which files are reached by the doors only, with its scopes (no signals to and no abstract
 *              sockets of what is outside; outside may still signal inwards) and, without network, no TCP
 *   seccomp    attribute changes, which Landlock does not know, are refused: they would reach any file that can be
 *              opened for reading, or named. The monitor makes them, where the new policy lets one write.
 *              Without network: no sockets but pairs, no datagram with an address.
 *
 * The refusing filter answers with an errno, below the first one's trap in the kernel's order: the guest's own calls
 * still come to the libOS.
 */
#include "pal/impl.h"
#include "pal/grant.h"
#include "pal/landlock_abi.h"

bool pal_walled;

#define LOAD(field) { BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, field) }
#define LOAD_ARG_LOW(n) { BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, args) + 8 * (n) }
#define LOAD_ARG_HIGH(n) { BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, args) + 8 * (n) + 4 }
#define RETURN(v) { BPF_RET | BPF_K, 0, 0, (v) }
#define IS(nr, yes, no) { BPF_JMP | BPF_JEQ | BPF_K, (yes), (no), (nr) }
#define SOCK_TYPE_BITS 0xf
#define REFUSE(nr, err) IS(nr, 0, 1), RETURN(SECCOMP_RET_ERRNO | (err))

static const struct sock_filter attributes[] = {
	LOAD(nr),
	REFUSE(__NR_fchmod, EPERM),
	REFUSE(__NR_fchmodat, EPERM),
	REFUSE(__NR_utimensat, EPERM),
	REFUSE(__NR_fsetxattr, EPERM),
	REFUSE(__NR_fremovexattr, EPERM),
	REFUSE(__NR_setxattrat, EPERM),
	REFUSE(__NR_getxattrat, EPERM), /* of what it could not open */
	RETURN(SECCOMP_RET_ALLOW),
};

static const struct sock_filter sockets[] = {
	LOAD(nr),
	REFUSE(__NR_socket, EACCES),
	REFUSE(__NR_bind, EACCES),
	REFUSE(__NR_connect, EACCES),
	REFUSE(__NR_listen, EACCES),
	REFUSE(__NR_accept4, EACCES),
	/* A datagram pair (SOCK_RAW is another word for it) could be sent from to any name: by sendmsg, too, whose
	 * names cannot be seen here. */
	IS(__NR_socketpair, 0, 5),
	LOAD_ARG_LOW(1),
	{ BPF_ALU | BPF_AND | BPF_K, 0, 0, SOCK_TYPE_BITS },
	IS(SOCK_STREAM, 1, 0),
	IS(SOCK_SEQPACKET, 0, 7),
	RETURN(SECCOMP_RET_ALLOW),
	IS(__NR_sendto, 1, 0),
	RETURN(SECCOMP_RET_ALLOW),
	LOAD_ARG_LOW(4),
	IS(0, 0, 2),
	LOAD_ARG_HIGH(4),
	IS(0, 1, 0),
	RETURN(SECCOMP_RET_ERRNO | EACCES),
	RETURN(SECCOMP_RET_ALLOW),
};

int pal_walls_begin(bool network)
{
	struct ruleset_attr attr = {
		.fs = FS_OWN | FS_EXECUTE | FS_MAKE_BLOCK | FS_IOCTL_DEV,
		.net = network ? 0 : NET_BIND_TCP | NET_CONNECT_TCP,
		.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL,
	};
	int r = -EOPNOTSUPP;

	if (!pal_lean() && !(pal_grant()->flags & GRANT_BROKER_SIGNAL))
		r = HOST(3, landlock_create_ruleset, &attr, sizeof(attr), 0);
	/* An older ABI does not know the end of the structure. */
	return r == -E2BIG || r == -EINVAL || r == -ENOSYS ? -EOPNOTSUPP : r;
}

int pal_walls_door(int walls, int fd, enum pal_door door)
{
	static const u64 access[] = {
		[PAL_DOOR_READ] = FS_READ, [PAL_DOOR_OWN] = FS_OWN, [PAL_DOOR_RUN] = FS_READ_FILE | FS_EXECUTE,
	};
	struct path_beneath rule = { .allowed = access[door], .parent = fd };
	struct stat st;
	int r = pal_fstat(fd, &st);

	if (r)
		return r;
	if ((st.st_mode & S_IFMT) != S_IFDIR)
		rule.allowed &= FS_OF_FILES;
	return HOST(4, landlock_add_rule, walls, RULE_PATH_BENEATH, &rule, 0);
}

static int refuse(const struct sock_filter *code, unsigned n)
{
	struct sock_fprog prog = { .len = n, .filter = (struct sock_filter *)code };

	return HOST(5, prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);
}

int pal_walls_raise(int walls, bool network)
{
	int r = refuse(attributes, ARRAY_SIZE(attributes));

	if (!r && !network)
		r = refuse(sockets, ARRAY_SIZE(sockets));
	if (!r)
		r = HOST(2, landlock_restrict_self, walls, 0);
	pal_walled = true;
	return r;
}

void pal_walls_inside(void)
{
	pal_walled = true;
}
