// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Attempts on processes of the host.
 *
 *   processes PID      PID must live on, unread, unsignalled, unchanged; its word `secret` lies at ADDRESS
 *   processes PID ADDRESS
 *
 * The process outside says what reached it; see outside.
 */
#include "way.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pal/grant.h"
#include "pal/monitor.h"

static long victim;
static unsigned long address;

static enum verdict kill_(enum way w, void *arg)
{
	return call(w, SYS_kill, victim, SIGUSR1) < 0 ? REFUSED : DONE;
}

static enum verdict kill_group(enum way w, void *arg)
{
	return call(w, SYS_kill, -victim, SIGUSR1) < 0 ? REFUSED : DONE;
}

static enum verdict tkill_(enum way w, void *arg)
{
	return call(w, SYS_tkill, victim, SIGUSR1) < 0 ? REFUSED : DONE;
}

static enum verdict tgkill_(enum way w, void *arg)
{
	/* 32 and 33 are what libcs keep for themselves, 64 is the last: a doorbell may use any. */
	static const int signals[] = { SIGUSR1, SIGURG, 34, 63, 64 };
	enum verdict v = REFUSED;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (call(w, SYS_tgkill, victim, victim, signals[i]) >= 0)
			v = DONE;
	return v;
}

/* Queue each of these signals by the two calls that are listed. */
static enum verdict queue_each(enum way w, const int *signals, size_t n)
{
	enum verdict v = REFUSED;

	for (size_t i = 0; i < n; i++) {
		siginfo_t si = { .si_signo = signals[i], .si_code = SI_QUEUE };
		if (call(w, SYS_rt_sigqueueinfo, victim, signals[i], &si) >= 0 ||
		    call(w, SYS_rt_tgsigqueueinfo, victim, victim, signals[i], &si) >= 0)
			v = DONE;
	}
	return v;
}

static enum verdict queueinfo(enum way w, void *arg)
{
	static const int signals[] = { SIGUSR1, SIGURG, 34, 63, 64 };

	return queue_each(w, signals, sizeof(signals) / sizeof(signals[0]));
}

/* Stop and kill. */
static enum verdict queue_end(enum way w, void *arg)
{
	static const int signals[] = { SIGSTOP, SIGKILL };

	return queue_each(w, signals, sizeof(signals) / sizeof(signals[0]));
}

static enum verdict pidfd(enum way w, void *arg)
{
	long fd = call(w, SYS_pidfd_open, victim, 0);

	if (fd < 0)
		return REFUSED;
	call(w, SYS_pidfd_send_signal, fd, SIGUSR1, 0, 0);
	return call(w, SYS_pidfd_getfd, fd, 1, 0) < 0 ? DONE : ESCAPED;
}

static enum verdict trace(enum way w, void *arg)
{
	/* Attaching would stop the victim for good, seizing does not. */
	static const long how[] = { 0x4206 /* SEIZE */, PTRACE_ATTACH };

	for (int i = 0; i < 2; i++)
		if (call(w, SYS_ptrace, how[i], victim, 0, 0) >= 0)
			return DONE;
	return REFUSED;
}

static enum verdict read_memory(enum way w, void *arg)
{
	char b[16] = "";
	struct iovec here = { b, 8 }, there = { (void *)address, 8 };

	call(w, SYS_process_vm_readv, victim, &here, 1, &there, 1, 0);
	return !strcmp(b, "secret!") ? ESCAPED : REFUSED;
}

static enum verdict write_memory(enum way w, void *arg)
{
	struct iovec here = { "changed", 8 }, there = { (void *)address, 8 };

	return call(w, SYS_process_vm_writev, victim, &here, 1, &there, 1, 0) < 0 ? REFUSED : DONE;
}

/* By the host's /proc, should it be in reach. */
static enum verdict proc_memory(enum way w, void *arg)
{
	char name[64], b[16] = "";
	struct iovec get = { b, 8 }, put = { "changed", 8 };

	for (int fd = -1; fd < 32; fd++) {
		int dir = fd < 0 ? AT_FDCWD : fd;
		snprintf(name, sizeof(name), "%sproc/%ld/mem", dir == AT_FDCWD ? "/" : "", victim);
		long f = call(w, SYS_openat, dir, name, O_RDWR);
		if (f < 0)
			continue;
		call(w, SYS_preadv2, f, &get, 1, address, 0, 0);
		/* "changed": by the attempt before this one. */
		if (!strcmp(b, "secret!") || !strcmp(b, "changed"))
			return ESCAPED;
		call(w, SYS_pwritev2, f, &put, 1, address, 0, 0);
		call(w, SYS_close, f);
	}
	return REFUSED;
}

static enum verdict limits(enum way w, void *arg)
{
	struct rlimit rl = { 17, 17 };

	return call(w, SYS_prlimit64, victim, RLIMIT_NOFILE, &rl, 0) < 0 ? REFUSED : DONE;
}

static enum verdict priority(enum way w, void *arg)
{
	return call(w, SYS_setpriority, PRIO_PROCESS, victim, 15) < 0 ? REFUSED : DONE;
}

static enum verdict scheduler(enum way w, void *arg)
{
	int p = 0;
	unsigned long mask = 1;
	enum verdict v = call(w, SYS_sched_setscheduler, victim, 3, &p) < 0 ? REFUSED : DONE;

	return call(w, SYS_sched_setaffinity, victim, 8, &mask) < 0 ? v : DONE;
}

static enum verdict move_group(enum way w, void *arg)
{
	return call(w, SYS_setpgid, victim, 0) < 0 && call(w, SYS_setpgid, 0, victim) < 0 ? REFUSED : DONE;
}

/* A descriptor that signals its owner: the owner is chosen here. */
static enum verdict owner(enum way w, void *arg)
{
	int p[2];
	struct {
		int type, pid;
	} ex = { 1, victim };
	char c = 0;

	if (pipe(p))
		return REFUSED;
	call(w, SYS_fcntl, p[0], F_SETOWN, victim);
	call(w, SYS_fcntl, p[0], F_SETOWN_EX, &ex);
	call(w, SYS_fcntl, p[0], F_SETSIG, SIGUSR1);
	call(w, SYS_fcntl, p[0], F_SETFL, O_ASYNC | O_NONBLOCK);
	if (write(p[1], &c, 1) != 1)
		return REFUSED;
	return DONE;
}

static enum verdict timer(enum way w, void *arg)
{
	struct sigevent se = { .sigev_notify = 4 /* THREAD_ID */, .sigev_signo = SIGUSR1 };
	int t = 0;
	struct {
		long interval[2], value[2];
	} it = { { 0, 0 }, { 0, 1000 } };

	memcpy((char *)&se + 16, &(int){ victim }, 4);
	if (call(w, SYS_timer_create, 1, &se, &t) < 0)
		return REFUSED;
	call(w, SYS_timer_settime, t, 0, &it, 0);
	usleep(20000);
	return DONE;
}

static enum verdict execute(enum way w, void *arg)
{
	/* By libc, or raw, the libOS runs the program inside: that is no escape, and ends as "done". */
	char *argv[] = { "sh", "-c", w == PAL ? "exit 102" : "exit 101", NULL }, *envp[] = { NULL };

	call(w, SYS_execve, "/bin/sh", argv, envp);
	return REFUSED;
}

static enum verdict execute_memory(enum way w, void *arg)
{
	char *argv[] = { "true", NULL }, *envp[] = { NULL };
	static char b[4 << 20];
	long fd = call(w, SYS_memfd_create, "x", 0);
	int in = open("/bin/true", O_RDONLY);
	ssize_t n = read(in, b, sizeof(b));

	if (fd < 0 || n <= 0 || call(w, SYS_write, fd, b, n) != n)
		return REFUSED;
	call(w, SYS_execveat, fd, "", argv, envp, 0x1000);
	return REFUSED;
}

static enum verdict execute_image(enum way w, void *arg)
{
	/* The image may be executed again, but not with words of one's own choosing. */
	char *argv[] = { "picoprocess", "grant", NULL }, *envp[] = { "LD_PRELOAD=/tmp/x.so", NULL };

	call(w, SYS_execveat, 3, "", argv, envp, 0x1000);
	return REFUSED;
}

static enum verdict end(enum way w, void *arg)
{
	enum verdict v = call(w, SYS_tgkill, victim, victim, SIGSTOP) < 0 ? REFUSED : DONE;

	v = call(w, SYS_tgkill, victim, victim, SIGKILL) < 0 ? v : DONE;
	return call(w, SYS_kill, victim, SIGKILL) < 0 ? v : DONE;
}

/* All of the user's: not to be tried on the host itself. */
static enum verdict everyone(enum way w, void *arg)
{
	if (!way_pal())
		return REFUSED;
	call(w, SYS_setpriority, PRIO_USER, getuid(), 15);
	/* Spare ourselves: only what lies outside is of interest. */
	signal(SIGUSR1, SIG_IGN);
	return call(w, SYS_kill, -1, SIGUSR1) < 0 ? REFUSED : DONE;
}

/* The monitor sends signals where the kernel does not bound ours: to processes of the sandbox only. */
static enum verdict by_monitor(enum way w, void *arg)
{
	struct {
		struct mon_msg head;
		struct mon_kick kick;
	} m = { { MON_KICK, sizeof(m.kick), 1 }, { .pid = (int)victim, .sig = SIGUSR1 } };

	if (w != PAL || !way_pal())
		return REFUSED;
	for (int i = 0; i < 2; i++) {
		m.kick.tid = i ? (int)victim : 0;
		if (!way_ask(&m, sizeof(m), -1, NULL, NULL))
			return DONE;
	}
	return REFUSED;
}

static const struct {
	const char *name;
	enum verdict (*fn)(enum way, void *);
} attempts[] = {
	{ "kill", kill_ },
	{ "kill group", kill_group },
	{ "tkill", tkill_ },
	{ "tgkill", tgkill_ },
	{ "sigqueueinfo", queueinfo },
	{ "pidfd", pidfd },
	{ "ptrace", trace },
	{ "process_vm_readv", read_memory },
	{ "process_vm_writev", write_memory },
	{ "/proc/PID/mem", proc_memory },
	{ "prlimit", limits },
	{ "setpriority", priority },
	{ "scheduler", scheduler },
	{ "setpgid", move_group },
	{ "F_SETOWN", owner },
	{ "timer_create", timer },
	{ "signal by the monitor", by_monitor },
	{ "execve", execute },
	{ "execveat memfd", execute_memory },
	{ "execveat image", execute_image },
};

int main(int argc, char **argv)
{
	int escaped = 0;

	if (argc != 3)
		return 2;
	victim = atol(argv[1]);
	address = strtoul(argv[2], NULL, 0);
	signal(SIGUSR1, SIG_IGN);
	for (enum way w = LIBC; w < WAYS; w++) {
		if (w == PAL && !way_pal())
			continue;
		for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
			escaped += attempt(attempts[i].name, w, attempts[i].fn, NULL);
	}
	usleep(500000); /* the victim looks at itself now and then, which it must live to do */
	for (enum way w = LIBC; w < WAYS; w++) {
		escaped += attempt("stop and kill by sigqueueinfo", w, queue_end, NULL);
		escaped += attempt("SIGKILL", w, end, NULL);
		escaped += attempt("kill -1", w, everyone, NULL);
	}
	return escaped ? 1 : 0;
}
