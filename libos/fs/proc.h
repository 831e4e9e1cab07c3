/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * /proc: the map of its files.
 *
 *   proc.c        the root: system-wide texts, pids
 *   proc_cpu.c    cpuinfo, and how many processors there are
 *   proc_pid.c    /proc/PID: who it is; proc_stat.c: stat, status and their kin; proc_maps.c:
 * memory proc_fd.c     /proc/PID/fd, fdinfo, exe, cwd, root proc_mounts.c mounts, mountinfo,
 * mountstats proc_sys.c    /proc/sys; proc_net.c: /proc/net
 *
 * Of the process itself everything is known. Another is asked (proc_ask.c); where it can't answer,
 * its slot of the sandbox area says the essentials, and the rest of its files answers EACCES, as
 * for processes one may not look into.
 */
#ifndef LIBOS_FS_PROC_H
#define LIBOS_FS_PROC_H

#include "libos/fs/pseudo.h"
#include "libos/task/task.h"
#include "libos/coord/area.h"

#define TICKS 100 /* USER_HZ */

/* Who a node of /proc/PID (or PID/task/TID) is about. */
struct proc_who {
	s32 pid;
	s32 tid;		/* = pid but below task/ */
	struct area_slot *slot; /* of pid */
	bool of_thread;		/* below task/ */
	struct process *self;	/* NULL: another process */
	struct thread *thread;	/* self's thread tid; NULL: another process */
};

/* ---- proc_pid.c ---- */
int proc_who(const struct pseudo_node *n, struct proc_who *w); /* -ESRCH when it is gone */
int proc_owner(struct pseudo_node *n, struct attr *a);	       /* .attr of everything below a pid */
extern const struct pseudo_desc proc_pid_desc;
int proc_show_cmdline(struct pseudo_node *n, struct buf *b);
s32 proc_dir_pid(const struct file *f); /* the process whose directory f is (a pidfd, for signals); -EBADF: none */

/* ---- proc_mem.c ---- */
int proc_open_mem(struct pseudo_node *n, struct file *f);

/* ---- proc_ask.c: of another process ---- */
/* Append what the owner says of n's file. guarded: for who may look into it only. 0 or -errno; then
 * b is as it was. */
int proc_ask_text(const struct pseudo_node *n, bool guarded, struct buf *b);
int proc_ask_named(const struct pseudo_node *n, const char *name,
		   struct buf *b); /* by its name below /proc/self */
/* A link of the owner's by its name below /proc/self. Length or -errno. */
ssize_t proc_ask_link(const struct pseudo_node *n, const char *name, char *buf, size_t size);
/* Does the owner have descriptor fd open? */
bool proc_ask_fd(const struct pseudo_node *n, s64 fd);
/* A file that the owner has open, as if it had been sent here. ERR_PTR. */
struct file *proc_ask_file(const struct pseudo_node *n, int fd);
/* The lowest number >= from among the names in a directory of the owner's; -1: none. */
s64 proc_ask_next(const struct pseudo_node *n, const char *name, s64 from);

/* ---- proc_bundle.c ---- */
/* One of the files that are often read together, of another process: false, and it must be asked for by itself. */
bool proc_bundle_text(s32 pid, const char *name, struct buf *b);
void proc_bundle_drop(void); /* something happened that others may answer to */
ssize_t proc_bundle_make(char *out, size_t size); /* the owner's side: bytes */

/* ---- proc_small.c ---- */
int proc_show_oom_score(struct pseudo_node *n, struct buf *b);
int proc_show_oom_score_adj(struct pseudo_node *n, struct buf *b);
ssize_t proc_store_oom_score_adj(struct pseudo_node *n, const char *text, size_t size);
int proc_show_oom_adj(struct pseudo_node *n, struct buf *b);
ssize_t proc_store_oom_adj(struct pseudo_node *n, const char *text, size_t size);
int proc_show_children(struct pseudo_node *n, struct buf *b);
int proc_show_syscall(struct pseudo_node *n, struct buf *b);
int proc_show_stack(struct pseudo_node *n, struct buf *b);
int proc_show_attr(struct pseudo_node *n, struct buf *b);
ssize_t proc_store_refused(struct pseudo_node *n, const char *text, size_t size);
ssize_t proc_store_ignored(struct pseudo_node *n, const char *text, size_t size);
int proc_show_schedstat(struct pseudo_node *n, struct buf *b);
int proc_show_autogroup(struct pseudo_node *n, struct buf *b);

/* ---- proc_stat.c ---- */
int proc_show_stat(struct pseudo_node *n, struct buf *b);
int proc_show_statm(struct pseudo_node *n, struct buf *b);
int proc_show_status(struct pseudo_node *n, struct buf *b);
/* This process's stat, status and statm by one look, in this order; ends[i] is where in b each ends. */
#define PROC_LOOKS 3
int proc_show_looks(struct pseudo_node *n, struct buf *b, u32 ends[PROC_LOOKS]);
int proc_show_io(struct pseudo_node *n, struct buf *b);
int proc_show_limits(struct pseudo_node *n, struct buf *b);

/* ---- proc_maps.c ---- */
int proc_show_maps(struct pseudo_node *n, struct buf *b);
int proc_show_smaps(struct pseudo_node *n, struct buf *b);
int proc_show_smaps_rollup(struct pseudo_node *n, struct buf *b);
/* Bytes of this process's memory that are resident: its own, and of files as far as they are cached. */
void proc_resident(struct mm *mm, u64 *anon, u64 *file);

/* ---- proc_fd.c ---- */
int proc_fd_find(struct pseudo_node *dir, const char *name, struct pseudo_ref *ref);
bool proc_fd_next(struct pseudo_node *dir, s64 *cursor, char name[24], struct pseudo_ref *ref);
int proc_fdinfo_find(struct pseudo_node *dir, const char *name, struct pseudo_ref *ref);
bool proc_fdinfo_next(struct pseudo_node *dir, s64 *cursor, char name[24], struct pseudo_ref *ref);
ssize_t proc_exe_text(struct pseudo_node *n, char *buf, size_t size);
int proc_exe_follow(struct pseudo_node *n, struct path *out);
ssize_t proc_cwd_text(struct pseudo_node *n, char *buf, size_t size);
int proc_cwd_follow(struct pseudo_node *n, struct path *out);
ssize_t proc_root_text(struct pseudo_node *n, char *buf, size_t size);
int proc_root_follow(struct pseudo_node *n, struct path *out);

/* ---- proc_mounts.c ---- */
int proc_show_mounts(struct pseudo_node *n, struct buf *b);
int proc_show_mountinfo(struct pseudo_node *n, struct buf *b);
int proc_show_mountstats(struct pseudo_node *n, struct buf *b);

/* ---- proc_cpu.c ---- */
unsigned cpu_count(void);
int proc_show_cpuinfo(struct pseudo_node *n, struct buf *b);
void cpu_list(struct buf *b); /* "0-3" */

/* ---- proc_sys.c, proc_net.c ---- */
extern const struct pseudo_desc proc_sys_rows[];
extern const struct pseudo_desc proc_net_rows[];

/* ---- coord/trace.c ---- */
extern const struct pseudo_desc proc_gsh_rows[];
int why_show(struct pseudo_node *node, struct buf *b); /* task/why.c */
int calls_find(struct pseudo_node *dir, const char *name, struct pseudo_ref *ref); /* task/calls.c */

/* ---- proc_ipc.c ---- */
extern const struct pseudo_desc proc_ipc_rows[];

/* ---- proc.c ---- */
int proc_show_osrelease(struct pseudo_node *n, struct buf *b);
int proc_show_uts_version(struct pseudo_node *n, struct buf *b);
/* Ticks of USER_HZ since the sandbox started, at a CLOCK_BOOTTIME instant. */
u64 proc_ticks(u64 boottime_ns);
u64 proc_uptime_ns(void);

#endif
