/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The sandbox area: memory that all picoprocesses of a sandbox share (GRANT_FD_AREA), laid out by the leader.
 *
 * It holds what must be the same for all at every instant and fits in words: the table of guest ids and the generation
 * counters of the name cache. There is no lock in it, so that a picoprocess killed at any instruction leaves it usable:
 * every field is one atomic word with one writer at a time (said at the field). Whatever is longer than a word or is an
 * event travels by message (leader.c) or by the host's own queues (signal/send.c, wait.c).
 *
 * Guest ids index the table directly. An id is taken by compare-and-swap on its slot's state, at a cyclic cursor, so
 * that ids are not reused soon; no message is needed (leasing ranges from the leader would cost a round trip a lease
 * and bookkeeping at death, and gain nothing).
 */
#ifndef LIBOS_COORD_AREA_H
#define LIBOS_COORD_AREA_H

#include "pal/base/types.h"
#include "libos/task/why.h"
#include "pal/linux_abi.h"
#include "libos/net/record.h"
#include "libos/union/union.h"
#include "pal/grant.h"

#define AREA_MAGIC 0x6165726168736731ull
#define AREA_PIDS 32768	/* pid_max */
#define AREA_GENERATIONS UNION_COUNTERS
#define AREA_COMM 16
#define AREA_CARD 256
#define AREA_CPU_WORDS 4	/* 256 CPUs */

enum area_state {
	AREA_FREE = 0,
	AREA_RESERVED,	/* id taken, no process yet; the taker's pid stands above the state's byte */
	AREA_THREAD,	/* id of a thread other than the first; tgid says whose */
	AREA_RUNNING,
	AREA_STOPPED,	/* by a stop signal */
	AREA_ZOMBIE,	/* ended, not yet reaped */
};

/* Processor time used. */
struct area_usage {
	u64 user_us, system_us;
};

/* One guest id. Writer: the process itself, but where said. */
struct area_slot {
	u32 state;	/* enum area_state; reaper: to FREE; parent: to RESERVED */
	s32 host_pid;	/* host: written by clone before the child runs. For AREA_THREAD: the host tid */
	s32 tgid;	/* parent */
	s32 ppid;	/* parent; 1 once orphaned (leader) */
	s32 pgid;	/* parent at birth; itself, or parent by setpgid */
	s32 sid;
	s32 host_pgid;	/* host pid of the group's first process, for translating terminal groups */
	s32 host_sid;
	u32 ruid, euid, suid, egid;
	u32 tty;	/* controlling terminal's device number, 0 none */
	u32 flags;	/* AREA_DID_EXEC, ... */
	s32 exit_signal;
	s32 nice;
	u64 start_ns;	/* CLOCK_BOOTTIME */
	u64 exe_dev, exe_ino; /* the file it executes: opening it for writing is ETXTBSY (task/busy.c) */
	u32 exit_status; /* wait status, valid in AREA_ZOMBIE */
	u32 nthreads;
	u32 life;	/* host tid, from the guest's set_robust_list on; the host marks it FUTEX_OWNER_DIED as the thread dies */
	u32 awaits;	/* owner of the priority-inheriting lock that the thread sleeps for, 0 none */
	u64 robust;	/* guest address of the thread's robust list */
	char comm[AREA_COMM];	/* torn reads are possible and harmless */
	char card[AREA_CARD];	/* beginning of the command line, NUL separated, for those that can't answer */
	u16 card_size;
	u16 ioprio;	/* of this thread: anyone with the right, as the next */
	u16 oom_score_adj; /* + 1000; of the process */
	u16 rtprio;
	u32 policy;	/* SCHED_*, with SCHED_RESET_ON_FORK; of this thread */
	u32 queued;	/* signals in its queues, against RLIMIT_SIGPENDING */
	u32 attend;	/* atomic: ATTEND_*, what others want done (task/attend.h) */
	u64 standard;	/* atomic: signals that found the host's queue full; ATTEND_SIGNALS */
	u64 cpus[AREA_CPU_WORDS]; /* CPUs that this thread may run on */
	struct area_usage usage, thread_usage; /* as last noted, as the next */
	u64 vsize, rss;
	struct rlimit64 limits[RLIM_NLIMITS];
	/* Atomic: ids that the process took or was given, children and threads, and did not give back: this many at most.
	 * Itself, and whoever leaves it a child; 0: its end need not look for any. */
	u32 holds;
	/* The leader's last answer about a socket: to which question, what, and the record (net/ask.c). Leader. */
	u32 net_answered;
	s32 net_error;
	u32 net_index;
	u32 conts;	/* atomic: SIGCONTs that were sent to it */
	u32 silent;	/* milliseconds of CLOCK_MONOTONIC, 0 none: it left a question unanswered, and until then is asked
			 * no more. Who asked; itself, once it answers */
	s32 robust_offset; /* from an entry of the robust list to its word; outlives the id's owner, for its locks do */
	/* Atomic: the process that traces this thread, 0 none (task/ptrace.h). Outlives the id's owner until the tracer has
	 * waited for its end. Whoever makes it traced, by compare-and-swap; its tracer, or whoever sees that end. */
	s32 tracer;
	u32 trace_turn;	/* atomic, a futex: bumped when one that this process traces has something to tell */
};
#define AREA_STATE 0xffu /* of the state word: enum area_state */
#define AREA_DID_EXEC 0x1u
#define AREA_SUBREAPER 0x2u
/* A vfork child in its parent's memory: killed only where it holds no lock; answers no queries. */
#define AREA_BORROWS 0x4u
#define AREA_RUNG 0x8u /* the leader wants its stream, or has written to it */
#define AREA_UNSAID 0x10u /* it was killed: what a process does at its end, nobody did. Whoever noticed first */
#define AREA_IPC 0x20u /* takes part in IPC: its end is to be cleaned up after (ipc/refs.c) */
#define AREA_IPC_JOINED 0x40u /* and holds its record lock as long as it lives (ipc/area.c) */
#define AREA_THREADED 0x80u /* it has had threads: look for ids that died with them */
#define AREA_LEAVES 0x100u /* a borrower at its end or on its way to memory of its own: it holds no lock any more */
#define AREA_ASLEEP 0x200u /* its only thread waits for a vfork child: it answers nothing */
#define AREA_LENDS 0x800u /* children run in its memory: killed only where it holds no lock */
#define AREA_TRACES 0x1000u /* it has traced others: its waits and its end look for them */
#define AREA_UNDUMPABLE 0x2000u /* nobody but root may trace it */
#define AREA_SPLIT 0x400u /* it has split off: it hears signals, and is waited for, but answers no queries */

/* A watched object (fs/inotify.c). Found by hashing dev and ino; probing ends at a record that was never used. */
struct area_watch {
	u32 state;	/* WATCH_*; whoever makes or drops the watch */
	u32 mask;
	u64 dev, ino;
	u32 instance, generation; /* whose it is */
	s32 wd;
	u32 pad;
};
#define AREA_WATCHES 8192
/* What CPUID says (entry/cpuid.c). state: whoever asked; a free one is claimed, filled, and known then. */
struct area_cpuid {
	u32 state;
	u32 leaf, sub, cpu;
	u32 a, b, c, d;
};
#define AREA_CPUID 96
#define AREA_INSTANCES 128

/* An inotify instance. */
struct area_inotify {
	u32 generation;	/* odd: in use */
	u32 last;	/* hash of the youngest event that may be unread still, 0 none: the same again is not queued */
	u32 next_wd;	/* atomic */
	u32 queued;	/* atomic: events that may be unread; about right, for whoever sends may die */
	u32 lost;	/* atomic: events were dropped since the reader last had read all */
	u32 pad;
};

/*
 * Splits (split/split.h). A directory that leads to what a split process may reach, but that it cannot open itself: what
 * the directory says of itself in a layer.
 */
struct area_mark {
	u64 dev, ino;
	u16 opaque, attr_size, origin_size, pad; /* sizes 0: none */
	char attr[64], origin[64]; /* UNION_VALUE_MAX */
	char redirect[256];	/* "": none */
};
#define AREA_MARKS 96
#define AREA_POLICY 4096
struct area_split {
	u32 no_network; /* no sockets but pairs; for those the libOS itself makes */
	u32 nmarks;
	s32 layer_fd[GRANT_LAYERS_MAX]; /* host descriptors of its layers, as in area.chain */
	char policy[AREA_POLICY]; /* what is allowed, as text; what holds is in the kernel */
	struct area_mark mark[AREA_MARKS];
};

/* Something that one process did to another (coord/trace.h). Writer: whoever took the number. */
struct area_event {
	u64 number;	/* written last; else the record is not whole */
	u64 time_ns;
	s32 from, to;
	u32 size;	/* of the payload */
	u16 type;
	u8 kind;	/* enum trace_kind */
	u8 fds;
};
#define AREA_EVENTS 16384
#define AREA_BORN 65536

/* A system call, or a signal or end between them (task/calls.h). Writer: whoever took the number. */
#define CALL_PATH 128
struct area_call {
	u64 number;	/* written last; else the record is not whole */
	u64 time_ns;
	u64 began_ns;
	s64 result;
	u64 arg[6];
	s32 pid;
	u32 nr;
	u8 endless;	/* recorded as it began, for it may not return */
	u8 has_path;	/* bitmap of arguments: the next of path[] is this one's */
	u8 kind;	/* CALL_* */
	char path[2][CALL_PATH];
};
#define AREA_CALLS 4096

/* What became of a pty's mode and owner (fs/pts.c), by the low bits of its number. Atomic words. */
struct area_pts {
	u64 mode;	/* whose: AREA_PTS_SET, the number << 32, and the permissions; 0: nobody's */
	u64 owner;	/* uid + 1 << 32, gid + 1; 0 in either: as it was made */
};
#define AREA_PTS 256
#define AREA_PTS_SET (1ull << 63)

/* What goes on between a traced thread and its tracer (task/ptrace.h). */
#define TRACE_REGS 27 /* struct user_regs_struct */
#define TRACE_DATA 512
struct area_trace {
	u32 state;	/* atomic, a futex: TRACE_* */
	u32 options;	/* tracer: PTRACE_O_* */
	u8 seized;	/* tracer; parent at birth, as the next */
	u8 newborn;	/* begins with a stop */
	u8 call;	/* tracee: PTRACE_SYSCALL_INFO_*: the stop is at a call */
	u8 has_info;	/* tracee: it stopped for the signal in info */
	u32 unseen;	/* atomic: a stop, or the end, that the tracer has not waited for */
	u32 status;	/* tracee: how it stopped, signal and event << 8; whoever sees the end: wait status */
	u32 interrupt;	/* atomic: a stop is wished for */
	u32 stopped;	/* tracer: the stop signal that held it when it was attached */
	u32 resume;	/* tracer: how it goes on, TRACEE_* */
	u32 sig;	/* tracer: and with which signal */
	u64 message;	/* tracee: PTRACE_GETEVENTMSG */
	u64 regs[TRACE_REGS]; /* tracee as it stops; tracer while it is stopped */
	u64 mask;	/* likewise: blocked signals */
	struct siginfo info; /* likewise */
	/* A request that only the tracee can carry out. The tracer writes, then the tracee. */
	u32 what, size;
	s32 result;
	u64 addr;
	u8 data[TRACE_DATA];
};

struct area {
	u64 magic;
	struct grant_chain chain; /* the monitor (fs/union_chain.c) */
	/*
	 * Words, all in the first page with the chain: a fork copies no page tables of what is shared, so each page of the
	 * area that a process looks at costs it a fault. First what hardly changes.
	 */
	u32 ready;	/* leader: layout done */
	u32 limit;	/* leader: ids that may be in use at a time */
	u64 boot_ns;
	u32 split_on;	/* this is the area of a process that split off; set before anybody else maps it */
	u32 split_others; /* atomic: others change the same files without bumping our counters: names are good for a second */
	/* Limits of the sandbox as a whole; leader, 0: none. How much memory is in use the monitor says now and then. */
	u64 memory_max, memory_used;
	u32 files_max;	/* descriptors of a process: what a new session begins with */
	u32 cpus;	/* processors that the first process may use: all that there are, to the others */
	u32 quota;	/* what the changes take on the disk is limited, too (fs/quota.h) */
	u64 calls_until; /* atomic: system calls are recorded until then (task/calls.h); 0: they are not */
	u64 watched_until; /* atomic: coordination is recorded until then (coord/trace.h); 0: it is not */
	u64 full_until;	/* atomic: CLOCK_MONOTONIC; nobody need measure before, nothing is left */
	u64 last_birth; /* leader: number of the last process that may be forked, while the sandbox is ended; 0: no last */
	u32 watches;	/* atomic: watches that are live. 0: nobody need be told of anything */
	u32 ipc_used; /* some process ever took part in IPC */
	/* What processes write. */
	u32 cursor __attribute__((aligned(64))); /* atomic: next id to try */
	u32 cookie;	/* atomic: pairs the two events of a rename */
	u64 inodes;	/* atomic: next number for objects without a host inode */
	u64 forks;	/* atomic: processes since start, /proc/stat */
	u32 nprocs, nthreads; /* atomic */
	/* Atomic: processor time of those that ended; the most that /proc/stat has said. */
	struct area_usage ended, shown;
	u64 idle;
	s64 bytes_left, inodes_left; /* atomic: what may be added before somebody measures */
	/* Atomic: of which layer and from when the shared whiteout is, and how many names it has (fs/union_whiteout.c). */
	u64 whiteout;
	u32 whiteout_names;
	u32 orphans;	/* atomic: some fell to the leader that it has not looked at */
	u32 net_asked;	/* atomic: number of the last question about a socket, of anybody's */
	/* The monitor: what lies in sealed layers (fs/union_chain.c). */
	struct grant_names names[GRANT_LAYERS_MAX] __attribute__((aligned(GRANT_NAMES_AT)));
	/* Atomic: bumped after a change to a directory that hashes here (vfs/dentry.c; and who writes from the host). */
	u32 generation[AREA_GENERATIONS] __attribute__((aligned(4096)));
	struct grant_binds binds __attribute__((aligned(4096))); /* the monitor (vfs/mount.c) */
	struct grant_dials dials __attribute__((aligned(4096))); /* the monitor (net/out.c) */
	u32 in_use[AREA_PIDS / 32];	  /* atomic bitmap: slots that are not FREE, for walking */
	u32 killed[AREA_PIDS / 32];	  /* atomic bitmap: ids whose last owner was killed (task/robust.c) */
	struct area_cpuid cpuid[AREA_CPUID];
	struct area_inotify inotify[AREA_INSTANCES];
	struct area_watch watch[AREA_WATCHES];
	struct area_split split;
	struct area_slot slot[AREA_PIDS];
	struct net_record net[NET_RECORDS]; /* sockets of the sandbox's own network */
	u64 events;	/* atomic: number of the youngest record */
	struct area_event event[AREA_EVENTS];
	u32 named[AREA_PIDS / 32]; /* atomic bitmap: ids that may be named as a group or session */
	/* Guest ids by host pid, hashed. Only a hint, for whoever writes it may be killed before (task/group.c). */
	u16 born[AREA_BORN];
	u64 calls;	/* atomic: number of the youngest record */
	u64 calls_read;	/* leader: the reader has what lies before */
	u32 calls_turn;	/* atomic, a futex: the reader took some */
	struct area_call call[AREA_CALLS];
	u64 whys; /* atomic: number of the youngest record of a bad end */
	struct area_why why[WHY_ENDS];
	struct area_pts pts[AREA_PTS];
	u32 traced[AREA_PIDS / 32]; /* atomic bitmap: ids whose slots name a tracer */
	struct area_trace trace[AREA_PIDS];
};
_Static_assert(AREA_PIDS <= 65536, "ids fit the index");

_Static_assert(offsetof(struct area, chain) == GRANT_CHAIN_AT && offsetof(struct area, names) == GRANT_NAMES_AT &&
		       offsetof(struct area, generation) == UNION_COUNTERS_AT &&
		       offsetof(struct area, binds) == GRANT_BINDS_AT && offsetof(struct area, dials) == GRANT_DIALS_AT &&
		       offsetof(struct area, net_asked) < GRANT_NAMES_AT,
	       "the monitor writes there");

extern struct area *the_area; /* immutable after start; same address in every picoprocess */

int area_map(bool create);
/* A fresh area in memory file fd that holds process pid alone, as it is in this one. 0 or -errno. */
int area_prepare(int fd, s32 pid);
/* Have the area at GRANT_FD_AREA instead of the one that is mapped. */
void area_switch(void);
s32 area_take_id(s32 taker);		/* RESERVED; -EAGAIN when the table or the sandbox's share is full */
void area_claim(s32 id, u32 state);	/* the leader's own id, at start */
void area_free_id(s32 id);
/* The same for an id that died with its owner: only if it is still in that state, and only for one caller. */
bool area_bury_id(s32 id, u32 state);
/* Does the id belong to something that is there, or was until lately? */
static inline bool area_named(u32 state)
{
	return (state & AREA_STATE) > AREA_RESERVED;
}
static inline void bit_set(u32 *map, u32 i)
{
	atomic_or(&map[i / 32], 1u << (i % 32));
}
static inline void bit_clear(u32 *map, u32 i)
{
	atomic_and(&map[i / 32], ~(1u << (i % 32)));
}
static inline bool bit_is_set(const u32 *map, u32 i)
{
	return atomic_load_relaxed(&map[i / 32]) & (1u << (i % 32));
}
static inline u32 area_reserved_by(s32 taker)
{
	return AREA_RESERVED | (u32)taker << 8;
}
static inline struct area_slot *area_slot(s32 id)
{
	return id > 0 && id < AREA_PIDS ? &the_area->slot[id] : NULL;
}
/* A slot that is a process (not a thread, not free), or NULL. */
struct area_slot *area_process(s32 pid);
/* Walk ids in use: the first one >= id that is a process (threads too if asked), or 0. */
s32 area_next(s32 id, bool threads);
/* The first id >= id that is in use for anything. */
s32 area_next_used(s32 id);

#endif
