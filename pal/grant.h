/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The grant: what a monitor hands to the first picoprocess of a sandbox.
 *
 * The monitor confines a child (namespaces, Landlock, rlimits, no_new_privs), lays its descriptors out at the fixed
 * numbers below, and executes the picoprocess image with argv = { "picoprocess", "grant", NULL }. Descriptor
 * GRANT_FD_GRANT is a sealed memfd that holds one struct grant followed by `bpf_count` instructions of classic BPF, the
 * seccomp filter, which the PAL installs before anything else runs, and by `nbinds` of struct grant_bind. Everything
 * after that is confined.
 *
 * The first picoprocess is the sandbox's leader: guest pid 1. All others are its descendants by clone, so the
 * descriptors below stay valid, at the same numbers, in every picoprocess of the sandbox. A picoprocess that needs a
 * fresh address space (a vfork child at exec) executes the image again with argv = { "picoprocess", "exec", NULL } and
 * its state in the environment (or in descriptor GRANT_FD_STATE); the filter is inherited and not installed again. A
 * process that splits off (libos/split/split.h) replaces area, ports, work and shm by its own, and starts a leader of
 * its own with argv = { "picoprocess", "lead", NULL }.
 *
 * Shared by freestanding and hosted code: fixed-width types only.
 */
#ifndef PAL_GRANT_H
#define PAL_GRANT_H

#ifdef __STDC_HOSTED__
#include <stdint.h>
#endif

#define GRANT_MAGIC 0x746e617267687367ull
#define GRANT_VERSION 4

/* Descriptor numbers, the same in every picoprocess. */
enum grant_fd {
	GRANT_FD_IMAGE = 3,   /* the picoprocess image, read-only; never closed, never replaced (seccomp sees to it) */
	GRANT_FD_GRANT = 4,   /* this grant, read-only */
	GRANT_FD_PORT = 5,    /* request port to the monitor, SOCK_SEQPACKET; see pal/monitor.h */
	GRANT_FD_CONTROL = 6, /* the monitor's orders to the leader, SOCK_SEQPACKET; closed in all but the leader */
	GRANT_FD_AREA = 7,    /* memfd of the sandbox area, mapped shared by all (libos/coord/area.h) */
	GRANT_FD_STATE = 8,   /* exec state of a vfork child; otherwise closed */
	GRANT_FD_CACHE = 9,   /* directory of the patched-image cache, read-only; may be closed */
	GRANT_FD_SHM = 10,    /* directory on a host tmpfs behind the guest's /dev/shm and tmpfs mounts */
	GRANT_FD_WORK = 11,   /* work directory on the top layer's file system: copy-up stages here, then renames */
	GRANT_FD_LEADER = 12, /* write end of the leader's port (libos/coord/coord.h); made by the leader */
	GRANT_FD_LEADER_READ = 13, /* its read end; in the leader only */
	GRANT_FD_STREAM = 14, /* this instance's own coordination stream, once it has one */
	GRANT_FD_LIFE = 15,   /* held by this instance until it ends: what pidfds hear the end of (libos/coord/life.c) */
	GRANT_FD_IPC = 16,    /* memfd of System V IPC and message queues (libos/ipc/ipc.h); made by the leader */
	GRANT_FD_BIND = 17,   /* rung A: directory of all places to bind at, ro/N and rw/N; else closed */
	GRANT_FD_LAYER = 20,  /* layer i is GRANT_FD_LAYER + i; 0 = base (read-only) ... nlayers - 1 = writable top;
				 bind i follows at GRANT_FD_LAYER + nlayers + i */
};

#define GRANT_LAYERS_MAX 64

/*
 * The chain of layers as it is now. The monitor writes it into the sandbox area, at GRANT_CHAIN_AT, while picoprocesses
 * run; they look at seq before they touch a layer, and open what is new below the directory that holds work, at
 * ../top/NUMBER or, once sealed, at ../layers/NUMBER (four digits at least). Nothing is believed of it outside: a
 * picoprocess that writes here misleads its own sandbox.
 */
struct grant_chain {
	uint32_t seq;	/* odd: it is being changed; 0: never written, layers are as in the grant */
	uint32_t epoch; /* counts the changes that were more than a layer put on top */
	uint32_t n;	/* layers above the base, 1..GRANT_LAYERS_MAX - 1 */
	uint32_t pad;
	uint32_t number[GRANT_LAYERS_MAX]; /* lowest first; number[n - 1] is the top's. Growing, never used twice */
};
#define GRANT_CHAIN_AT 8

/*
 * The names in a sealed layer (union_names_has in libos/union/union.h), so that a chain of many is not slower than one.
 * That of layer number N is at GRANT_NAMES_AT, N modulo GRANT_LAYERS_MAX, if `number` says so before and after a look.
 * The monitor writes it some time after the layer was sealed; until then nothing is known.
 */
struct grant_names {
	uint32_t number; /* 0: of none */
	uint8_t bits[8188];
};
#define GRANT_NAMES_AT 4096
#define GRANT_GROUPS_MAX 64
#define GRANT_BINDS_MAX 16
/* Descriptors below this number may be the grant's; those below its last layer or bind are (pal_fd_free in pal/pal.h). */
#define GRANT_FD_FIRST_FREE (GRANT_FD_LAYER + GRANT_LAYERS_MAX + GRANT_BINDS_MAX)

enum grant_rung {
	GRANT_RUNG_A = 'A',	/* user, mount, pid, net, ipc, uts namespaces + Landlock + seccomp */
	GRANT_RUNG_B = 'B',	/* Landlock + seccomp */
	GRANT_RUNG_NONE = 'N',	/* nothing: only for the developer's own tools, never offered to users */
};

/* What the rung does not confine by itself, or the settings withhold, and the libOS must ask the monitor for. */
#define GRANT_BROKER_ATTR 0x1u /* mode and times by name (rung B: Landlock does not cover them); else by descriptor only */
#define GRANT_BROKER_SOCK 0x2u /* no sockets but socketpair */
#define GRANT_BROKER_OPEN 0x4u /* files of the base that Landlock does not know yet: MON_OPEN */
/* The host calls that are a convenience are not listed (pal/boundary.h). */
#define GRANT_LEAN 0x8u
/* What an older Landlock leaves open on rung B (pal/confine/landlock.c): signals are the monitor's to send, MON_KICK; a file
 * is not cut by opening it. */
#define GRANT_BROKER_SIGNAL 0x20u
#define GRANT_NO_TRUNC 0x40u
/* What the sandbox's changes take on the disk is limited: MON_QUOTA says how much is left. */
#define GRANT_QUOTA 0x10u
#define GRANT_DIAL 0x80u /* who is not of the sandbox's own network may be asked of the monitor: MON_DIAL */
#define GRANT_NAT 0x100u /* its own network leads outside (pal/confine/nat.c): IPv4 is asked of the monitor once that refused */
#define GRANT_FAKE_ROOT 0x200u /* uid is 0, and the host's user is not: what the base refuses him is not there */
#define GRANT_BASES 0x400u /* the kernel lets no program set its FS and GS bases by instruction (FSGSBASE): it does so by a call */
#define GRANT_FLAGS 0x7ffu /* all of them */

/* Rung A: what covers hidden objects of the base was last modified so long after the epoch began. */
#define GRANT_COVER_NS 467395

struct grant {
	uint64_t magic;
	uint32_t version;
	uint32_t size;		/* of this struct */
	uint32_t rung;		/* enum grant_rung */
	uint32_t flags;		/* GRANT_* above */
	uint32_t nlayers;	/* 1..GRANT_LAYERS_MAX, counting the base */
	uint32_t uid, gid;	/* the guest's identity */
	uint32_t ngroups;
	uint32_t groups[GRANT_GROUPS_MAX];
	/* Host ids as a picoprocess sees them in stat() differ from these only on rung A with an id map; the monitor
	 * maps the user's own ids to themselves, all others appear as the overflow ids, and are shown as such. */
	uint64_t boot_ns;	/* CLOCK_BOOTTIME when the sandbox started: the zero of its uptime */
	uint64_t random[4];	/* seed */
	char sandbox[64];	/* name, NUL-terminated */
	char hostname[65];
	char release[65], version_text[65]; /* the kernel's, as uname(2) gives them */
	char pad[5];
	uint32_t bpf_count;	/* struct sock_filter instructions that follow this struct */
	uint32_t pids;		/* processes and threads that the sandbox may have; 0: as many as there are ids */
	uint32_t files;		/* descriptors that a process may have; 0: as many as the host grants */
	uint64_t core_soft, core_hard; /* RLIMIT_CORE as guests see it; the host's is 0 from confinement on */
	uint64_t memory;	/* bytes that all of them together may use; 0: no limit */
	uint32_t nbinds;	/* struct grant_bind that follow the filter, 0..GRANT_BINDS_MAX */
	uint32_t pad2;
};

/* A place of the host's that is mounted inside as it is. What is written there, the host has at once, and what the host
 * changes shows. The descriptor is the directory itself, or one that holds the file. */
struct grant_bind {
	uint32_t flags;	 /* GRANT_BIND_* */
	char name[252];	 /* of a file in the directory of the descriptor; "": the directory itself */
	char at[768];	 /* where it is mounted: an absolute path of the guest's */
};
#define GRANT_BIND_RDONLY 0x1u

/*
 * Those that came while the sandbox runs (rung A), written by the monitor into the sandbox area, at GRANT_BINDS_AT.
 * Picoprocesses look at seq before they look for a name. Entry i, from grant.nbinds on, is mounted below GRANT_FD_BIND at
 * ro/i or rw/i, and is opened as descriptor GRANT_FD_LAYER + nlayers + i. None is ever changed or reused: what is taken away is
 * refused from then on.
 */
struct grant_binds {
	uint32_t seq; /* 0: never written */
	uint32_t n;   /* counting the grant's */
	struct grant_bind bind[GRANT_BINDS_MAX];
};
#define GRANT_BINDS_AT 544768 /* behind the counters of names, UNION_COUNTERS_AT */

/*
 * How connections went that nobody waited for (MON_DIAL_NOWAIT), written by the monitor. A ticket is a count above the index of
 * a word; the word has the same count, and below it GRANT_DIAL_PENDING, 0 or an errno. With another count it is forgotten.
 */
#define GRANT_DIALS_MAX 512
struct grant_dials {
	uint32_t word[GRANT_DIALS_MAX];
};
#define GRANT_DIALS_AT 565248
#define GRANT_DIAL_PENDING 0xffffu

#endif
