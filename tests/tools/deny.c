/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * deny WHAT COMMAND [ARG...]: run a command on a host that refuses something, by a seccomp filter on top of all that may
 * come, the daemon that the command starts included. For tests of the ladder of confinement.
 *
 *	userns      new user namespaces are refused (a container's seccomp profile)
 *	caps        they are given, but what takes a capability in them is refused (Ubuntu 24.04's AppArmor)
 *	landlock    there is no Landlock
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define REFUSE(err) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (err))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define IF(call, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, n)
#define CALL(call, err) IF(call, 1), REFUSE(err)
/* The first argument has the bit. */
#define CALL_WITH(call, bit, err) \
	LOAD(nr), IF(call, 3), LOAD(args[0]), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bit, 0, 1), REFUSE(err)

static struct sock_filter userns[] = {
	LOAD(nr),
	CALL(SYS_clone3, ENOSYS), /* as profiles do, which cannot see its flags: libc takes clone instead */
	CALL_WITH(SYS_clone, CLONE_NEWUSER, EPERM),
	CALL_WITH(SYS_unshare, CLONE_NEWUSER, EPERM),
	ALLOW,
};

static struct sock_filter caps[] = {
	LOAD(nr),
	CALL(SYS_mount, EACCES),
	CALL(SYS_umount2, EPERM),
	CALL(SYS_pivot_root, EPERM),
	CALL(SYS_sethostname, EPERM),
	ALLOW,
};

static struct sock_filter landlock[] = {
	LOAD(nr),
	CALL(444 /* landlock_create_ruleset */, ENOSYS),
	CALL(445, ENOSYS),
	CALL(446, ENOSYS),
	ALLOW,
};

#define PROG(p) { sizeof(p) / sizeof((p)[0]), p }
static const struct {
	const char *name;
	struct sock_fprog prog;
} hosts[] = {
	{ "userns", PROG(userns) },
	{ "caps", PROG(caps) },
	{ "landlock", PROG(landlock) },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 2 && i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		if (strcmp(argv[1], hosts[i].name))
			continue;
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &hosts[i].prog)) {
			perror("seccomp");
			return 125;
		}
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		return 127;
	}
	fprintf(stderr, "usage: deny userns|caps|landlock COMMAND [ARG...]\n");
	return 2;
}
