/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Confinement: start a picoprocess image in a world that holds nothing but its sandbox.
 *
 * Hosted code, used by the monitor (and by the developer's tool) and by nobody inside a sandbox. It
 * knows the host and the grant (pal/grant.h), and nothing of daemons, stores or guests.
 *
 *   rung A   user, mount, pid, net, ipc, uts namespaces; a new root on a tmpfs that holds the base
 *            (read-only), the
 *            sandbox's tree and a tmpfs for shared memory; Landlock; seccomp.
 *   rung B   no namespaces. Landlock on the real paths, with its TCP rules and scopes; seccomp
 *            without sockets and
 *            without the attribute calls that Landlock does not cover.
 *   none     no confinement: the trap filter only. For gdb and strace; never offered to users.
 *
 * Reading order: confine.c (the steps, in order, with reasons), mounts.c, landlock.c, seccomp.def.
 */
#ifndef PAL_CONFINE_CONFINE_H
#define PAL_CONFINE_CONFINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "pal/grant.h"

struct sock_filter;

/* A failure told to a person: what was tried and why it failed; what to do about it. Empty strings:
 * nothing to say. */
struct confine_note {
	char text[320];
	char hint[320];
	int err;	 /* the errno behind it */
	bool host_lacks; /* the host does not offer this rung; a weaker one may work */
};

/* The kernel holds rung A to no fewer processes, so that the limit can be raised while the sandbox runs. */
#define CONFINE_TASKS_LEAST 4096

/* A place of the host's that the sandbox has as it is. */
struct confine_bind {
	const char *from; /* a directory or a regular file */
	bool file, readonly;
};

/* All paths are absolute and free of symbolic links (realpath); strings are borrowed for the
 * duration of a call. */
struct confine_spec {
	enum grant_rung rung;
	const char *base; /* the tree below the sandbox: layer 0, never written */
	const char *
		tree; /* the one host directory that the sandbox may write: holds layers and work */
	const char *const
		*layers;  /* names below tree, lowest first; the last is the writable top */
	unsigned nlayers; /* 1..GRANT_LAYERS_MAX - 1 */
	const char *work; /* name below tree */
	const char *shm;  /* rung B and none: a directory on a host tmpfs. Rung A makes its own */
	const char *const *hidden; /* absolute host paths that must not be seen through the base */
	unsigned nhidden;
	const char *home; /* rung A: a directory below the base that much is opened in, or NULL */
	const struct confine_bind *binds;
	unsigned nbinds; /* 0..GRANT_BINDS_MAX */
	const char *hostname;		       /* rung A */
	unsigned pids; /* rung A: processes and threads that the kernel grants it; 0: no such limit */
	uint64_t memory; /* rung A: what its own tmpfs may hold, bytes; 0: the kernel's default */
	int cgroup; /* directory of a cgroup to start it in, or -1 */
	int image, grant, port, control, area; /* descriptors that become GRANT_FD_* */
	int cache;			       /* or -1 */
	int log;			       /* becomes descriptor 2; 0 and 1 are /dev/null */
};

/* What a started leader leaves in the caller's hands. */
struct confine_child {
	pid_t pid;    /* the leader's keeper (keeper.c), or without confinement the leader */
	pid_t leader; /* the leader itself */
	/* Rung A: ids, as statx() tells them, of the mounts that the sandbox may write: its tree, its tmpfs, and binds (0: read-only). */
	uint64_t tree_mount, shm_mount, bind_mount[GRANT_BINDS_MAX];
	int pts;      /* rung A: O_PATH descriptor of the sandbox's own devpts; else -1 */
	int lifeline; /* closing it ends the sandbox; without confinement -1 */
};

/* Start the image as a leader. 0 when it runs, else -errno with *note filled. The image is executed
 * already. */
int confine_spawn(const struct confine_spec *spec, struct confine_child *child,
		  struct confine_note *note) __attribute__((warn_unused_result));

/* Is the rung to be had here? Tries it for real, in a child that goes away. 0, else -errno with
 * *note filled. */
int confine_probe(enum grant_rung rung, struct confine_note *note)
	__attribute__((warn_unused_result));

/* The Landlock ABI of this kernel; 0: none. */
int confine_landlock_abi(void);

/* The address range of the host-call page in a picoprocess image: the one place where host calls
 * are made. */
struct confine_range {
	uint64_t start, end;
};
int confine_image_range(int image, struct confine_range *range) __attribute__((warn_unused_result));

/* What a rung does not confine by itself: GRANT_BROKER_*. lean: as few host calls as can be. */
uint32_t confine_flags(enum grant_rung rung, bool lean);
/* The seccomp program of a rung with these flags: malloc'ed, *count instructions. */
int confine_filter(enum grant_rung rung, uint32_t flags, const struct confine_range *range,
		   struct sock_filter **prog, uint32_t *count) __attribute__((warn_unused_result));

/* The host calls in force with these flags, each with what it is for; each may be NULL. How many there are. */
unsigned confine_calls(uint32_t flags, int (*each)(const char *name, const char *why, void *arg), void *arg);

/* A sealed, read-only memfd that holds the grant, the program and grant->nbinds of binds behind it; fills in magic,
 * version, size, count and the kernel's name. */
int confine_grant_fd(struct grant *grant, const struct sock_filter *prog, uint32_t count, const struct grant_bind *binds)
	__attribute__((warn_unused_result));

/* Is child->leader its leader still, and not somebody else's number by now? */
bool confine_leads(const struct confine_child *child);
/* Rung A: O_PATH descriptor of the root of the sandbox's own tmpfs, or -errno. */
int confine_memory_dir(const struct confine_child *child) __attribute__((warn_unused_result));
/* Rung A: a helper in the sandbox's network (dial.c). The descriptor to ask it by, or -errno; it ends when that is
 * closed. */
int confine_dialer(const struct confine_child *child) __attribute__((warn_unused_result));
/* A TCP socket of the sandbox's network, not blocking, or -errno. */
int confine_dial(int dialer, int family) __attribute__((warn_unused_result));

/* Rung A: have a place in a sandbox that runs, at that slot (of GRANT_BINDS_MAX; those of the spec are the first), and
 * take it away. *mount: as in confine_child. 0 or -errno (bind.c). */
int confine_bind(const struct confine_child *child, const struct confine_bind *bind, unsigned slot, uint64_t *mount)
	__attribute__((warn_unused_result));
int confine_unbind(const struct confine_child *child, const struct confine_bind *bind, unsigned slot)
	__attribute__((warn_unused_result));

/* Rung A: a way out of the sandbox's network (nat.c) that does not lead to the n prefixes closed. 0, or -errno with the
 * note filled. It ends when the lifeline is closed; the keeper, a child of the caller's, ends with it. */
struct confine_prefix {
	uint8_t addr[4];
	uint8_t bits;
};
#define CONFINE_CLOSED_MAX 256
struct confine_nat {
	pid_t keeper;
	int lifeline;
};
bool confine_nat_program(void); /* is pasta there? */
int confine_nat(const struct confine_child *child, const struct confine_prefix *closed, unsigned n,
		struct confine_nat *nat, struct confine_note *note) __attribute__((warn_unused_result));

/* Have the calling process run soon after it wakes, however many are runnable: who ends a storm of processes must not
 * queue up behind it. No more time than others get, and nothing for its children. An older kernel (before 6.12) just
 * does not do it. */
void confine_be_prompt(void);

/* Is a process below another, however far? Not itself. */
bool confine_descends(pid_t pid, pid_t from);
/* SIGKILL every descendant of the calling process until none is left and reap them; for
 * subreapers. */
void confine_kill_descendants(void);

/* Directories of the base's root that are never the host's, NULL-terminated. */
extern const char *const confine_host_dirs[];

#endif
