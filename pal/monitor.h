/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The wire between a sandbox's picoprocesses and its monitor.
 *
 * Two sockets, both SOCK_SEQPACKET, so a message is whole or absent:
 *
 *   the control stream   monitor <-> leader. Orders (MON_START ...) and the leader's answers and events.
 *   the request port     any picoprocess -> monitor. All share it, so nothing is ever read from it by a picoprocess:
 *                        a request carries the descriptor of a fresh socketpair end for the answer (always the
 *                        first descriptor passed).
 *
 * A message is one struct mon_msg followed by `len` bytes of payload; integers are little endian, strings are counted
 * or NUL-terminated as said. A message above MON_MSG_MAX, of unknown type, or out of place is a protocol violation:
 * the monitor ends the sandbox.
 *
 * Who sent a request is never taken from the message. The whole sandbox is one trust domain to the monitor.
 *
 * type          direction           payload                                   descriptors
 * ------------- ------------------- ----------------------------------------- -----------------------------------
 * MON_START     monitor -> leader   struct mon_start + strings                stdin, stdout, stderr [, ctty]
 * MON_STARTED   leader -> monitor   struct mon_started                        -
 * MON_EXITED    leader -> monitor   struct mon_exited                         -
 * MON_SIGNAL    monitor -> leader   struct mon_signal                         -
 * MON_SHUTDOWN  monitor -> leader   -                                         -
 * MON_PROC      monitor -> leader   struct mon_proc + path below /proc        -
 * MON_PROC_DATA leader -> monitor   struct mon_proc_data + bytes              -
 * MON_READY     leader -> monitor   - (the leader has started)                -
 * MON_CONNECT   monitor -> leader   struct mon_connect                        a stream from outside
 * MON_STOPPING  monitor -> leader   - (all will be told to end; few may be born from now on)
 * MON_SPLIT_OFF monitor -> leader   struct mon_split_off                      an end at which the policy waits
 * MON_LIMITS    monitor -> leader   struct mon_limits (they changed, or what is used)
 *
 * MON_PTY       port                struct mon_pty                            reply end
 * MON_SETATTR   port                struct mon_setattr + value                reply end, the file
 * MON_IMAGE     port                -                                         reply end, an executable file (O_RDONLY)
 * MON_OPEN      port                -                                         reply end, a file of the base (O_PATH);
 *                                                                             the reply brings it back open for reading
 * MON_NET       port                struct mon_net                            reply end
 * MON_KICK      port                struct mon_kick                           reply end (GRANT_BROKER_SIGNAL only)
 * MON_QUOTA     port                -                                         reply end; answered when the layers are
 *                                                                             measured: struct mon_quota
 * MON_SPLIT     port                -                                         reply end, a port, 1 to 6 files
 * MON_DIAL      port                struct mon_dial                           reply end; the answer brings one end of a pair
 * MON_DEVICE    port                struct mon_device                         reply end; MON_DEVICE_OPEN's answer brings it
 * MON_HIDDEN    port                path below the base, NUL-terminated         reply end; somebody looked for what is hidden
 * MON_REPLY     monitor -> reply    struct mon_reply                          as the request says
 *
 * MON_SPLIT makes the passed socket the request port of a process that splits off (libos/split/split.h). What comes by it
 * is another trust domain's: only MON_SETATTR and, a few times, MON_SPLIT are answered, only for what lies below the files
 * that were passed with it, and what is wrong there closes that port and nothing else.
 */
#ifndef PAL_MONITOR_H
#define PAL_MONITOR_H

#ifdef __STDC_HOSTED__
#include <stdint.h>
#endif

#define MON_MSG_MAX (128u << 10) /* header and payload */
#define MON_FDS_MAX 8
#define MON_SPLIT_PLACES 6 /* files passed with MON_SPLIT */

enum mon_type {
	MON_START = 1,
	MON_STARTED,
	MON_EXITED,
	MON_SIGNAL,
	MON_SHUTDOWN,
	MON_PROC,
	MON_PROC_DATA,
	MON_READY,
	MON_CONNECT,
	MON_STOPPING,
	MON_SPLIT_OFF,
	MON_LIMITS,

	MON_PTY = 64,
	MON_SETATTR,
	MON_IMAGE,
	MON_OPEN,
	MON_NET,
	MON_REPLY,
	MON_SPLIT,
	MON_QUOTA,
	MON_KICK,
	MON_DIAL,
	MON_DEVICE,
	MON_HIDDEN,
};

struct mon_msg {
	uint32_t type;	/* enum mon_type */
	uint32_t len;	/* of the payload */
	uint64_t id;	/* chosen by the asker, repeated in the answer */
};

/* Start a program as a child of pid 1. Strings follow, each NUL-terminated: cwd, argc arguments, envc variables. The
 * program is looked up by argv[0] in the guest's PATH (as given in envp) if it holds no slash. */
struct mon_start {
	uint32_t argc, envc;
	uint32_t flags;	/* MON_START_* */
	uint32_t umask;
};
#define MON_START_SESSION 0x1u /* setsid(); the last descriptor is the terminal that becomes its controlling tty */
#define MON_START_BIG 0x2u     /* the strings do not follow but are the contents of a memfd, the last descriptor */
#define MON_START_THERE 0x4u   /* in that directory or not at all; else at the root where the sandbox has not got it */

struct mon_started {
	int32_t pid;	/* guest pid, or 0 */
	int32_t error;	/* 0, or the errno with which exec failed (ENOENT, EACCES, ENOEXEC, ...) or fork did */
};
#define MON_STARTED_PLACE 0x10000 /* with the errno: the directory's, MON_START_THERE */

struct mon_exited {
	int32_t pid;
	int32_t status;	/* as wait4() gives it */
};

/* kill(2) on behalf of the host user: pid > 0 one process, < -1 a group, -1 all, as kill(2). Not answered. */
struct mon_signal {
	int32_t pid;
	int32_t sig;
};

/* Rung B: bring the stream to who listens at that TCP port, or close it. Not answered. */
struct mon_connect {
	uint32_t port;
};

/* That process is to split off from the sandbox (libos/split/split.h). It takes one message with the policy from the
 * descriptor and sends a struct mon_reply there: 0 or errno, value: the line of the policy that is wrong, or 0. The leader
 * does so for one that cannot: ESRCH, EALREADY (it has split off), EAGAIN (it is stopped). End of file: it has ended. */
struct mon_split_off {
	int32_t pid;
};

/* Read a file, list a directory or read a link below /proc; the path has no leading slash ("", "12/stat"). */
struct mon_proc {
	uint32_t op;	/* MON_PROC_* */
	uint32_t pad;
	uint64_t offset; /* READ: byte offset. LIST: entry to start from */
};
enum {
	MON_PROC_READ = 1, /* bytes */
	MON_PROC_LIST,	   /* entries: u32 mode (st_mode), u32 name length, name; repeated */
	MON_PROC_LINK,	   /* link text */
	MON_PROC_STAT,	   /* struct mon_proc_data only */
};
struct mon_proc_data {
	int32_t error;	/* 0 or errno */
	uint32_t mode;	/* st_mode of the object */
	uint32_t uid, gid;
	uint64_t size;	/* st_size, 0 for generated files */
	uint32_t eof;	/* nothing follows after these bytes */
	uint32_t pad;
};

/* op NEW: answer carries { master, slave }, value = its number. op OPEN: number given, answer carries { slave }.
 * op LIST: the payload of the reply is followed by u32 numbers.
 * op WAIT: process pid, in the foreground of terminal number, is about to wait for a line that the terminal edits and
 * echoes; value 1: the monitor wants to hear of the end of it, by op DONE, followed by what was read (nothing if that is
 * long, or an error); value 1 of that: the monitor has taken it, and the reader is to wait again. So the host's side can
 * edit the line in the terminal's stead (gshd/session/edit.c). */
struct mon_pty {
	uint32_t op;
	uint32_t number;
	int32_t pid; /* the guest's; WAIT and those behind it */
	int32_t status; /* as wait4() gives it: of the last command, if it is a shell that tells; or of the child reaped last */
	uint32_t shell; /* WAIT, RAW, COOKED: MON_SHELL_* */
};
enum {
	MON_SHELL_TELLS = 1,	     /* whether it is IN_THE_MIDDLE; of COOKED: the line, which follows */
	MON_SHELL_IN_THE_MIDDLE = 2, /* it waits for the rest of a command */
};
#define MON_PTY_TEXT_MAX 512
/* RAW, COOKED: a session's leader takes its terminal out of canonical mode, to edit a line itself, and puts it back, to
 * carry one out (gshd/session/lines.c). */
enum { MON_PTY_NEW = 1, MON_PTY_OPEN, MON_PTY_LIST, MON_PTY_WAIT, MON_PTY_DONE, MON_PTY_RAW, MON_PTY_COOKED };

/* Change an attribute of a file in the sandbox's own layers, or of a memory file its mode (never of the base, nor of a file
 * that was handed in: the monitor checks where it lies). */
struct mon_setattr {
	uint32_t op;	/* MON_ATTR_* */
	uint32_t mode;	/* CHMOD: permission bits without set-id bits. SETX: xattr flags */
	int64_t atime_s, atime_ns, mtime_s, mtime_ns; /* TIMES: as utimensat(2), with UTIME_NOW and UTIME_OMIT */
	char name[256];	/* SETX, DELX: a name beginning with "user." */
};
enum {
	MON_ATTR_CHMOD = 1,
	MON_ATTR_TIMES,
	MON_ATTR_SETX,
	MON_ATTR_DELX,
	/* No change but a question, on both rungs: ETXTBSY if somebody has the file open for writing. Only a lease
	 * can tell, and leases are not the sandbox's to take: they would hold up the user's own writers on the
	 * host. */
	MON_ATTR_BUSY,
};

/* Rung A: a file of /proc/net of the sandbox's own network; the answer carries a memory file with its text. */
struct mon_net {
	uint32_t file; /* MON_NET_* */
};
enum { MON_NET_TCP = 1, MON_NET_TCP6, MON_NET_UDP, MON_NET_UDP6, MON_NET_UNIX };

/* Whom outside the sandbox to speak to, if the policy has it: the monitor carries bytes (STREAM) or messages (GRAM)
 * between one end of a pair and a socket of its own, which does not come in. Port 53 is the monitor's own: it answers
 * questions for the addresses of names that the policy has. The answer waits until the connection stands; with NOWAIT it comes at
 * once, its value a ticket (grant_dials in pal/grant.h), and its end of the pair takes nothing before the connection stands. */
struct mon_dial {
	uint16_t kind;	/* MON_DIAL_* */
	uint16_t port;
	uint32_t flags; /* MON_DIAL_* */
	uint8_t addr[16]; /* IPv4 as ::ffff:a.b.c.d */
};
enum { MON_DIAL_STREAM = 1, MON_DIAL_GRAM };
#define MON_DIAL_QUIET 1u /* a refusal is nothing to tell anybody of: nobody may have meant it */
#define MON_DIAL_NOWAIT 2u

/* A device of the host's in /dev that the policy grants. LOOK, by name, and LIST, by number (flags), are answered by
 * three words behind the reply, its number's halves and permissions, and its name; LIST with ENODEV where that one is
 * not there now. OPEN: flags are O_ACCMODE's and O_NONBLOCK. */
struct mon_device {
	uint32_t op; /* MON_DEVICE_* */
	uint32_t flags;
	char name[64];
};
enum { MON_DEVICE_LOOK = 1, MON_DEVICE_LIST, MON_DEVICE_OPEN };

struct mon_reply {
	int32_t error;	/* 0 or errno */
	uint32_t value;
};

/* The limits of the sandbox as a whole that its libOS keeps; 0: none. Not answered. */
struct mon_limits {
	uint64_t memory_max, memory_used; /* bytes; the latter as the monitor saw it last */
	uint32_t tasks, files;
	uint32_t quota; /* 1: the disk's; the allowance is void and must be asked for */
	uint32_t memory_only; /* nothing but the memory in use changed */
};

/* Send a host signal, 0 to 64, to a process of the sandbox by host ids: tid 0 to whichever thread. fields: the beginning
 * of what a siginfo carries behind its head; its si_code is SI_QUEUE. ESRCH: it is none of the sandbox's. */
struct mon_kick {
	int32_t pid, tid, sig;
	uint32_t pad;
	uint64_t fields[6];
};

/* What may still be added to the layers; UINT64_MAX: no limit. */
struct mon_quota {
	struct mon_reply head;
	uint64_t bytes, inodes;
};

#endif
