/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The keeper: what ends a sandbox as a whole. A parent-death signal alone would not do: a leader
 * that was taken over can take it back.
 *
 * A small process between the monitor and the leader. It is a subreaper, so every orphan of the
 * sandbox becomes its child and none can leave; it ends when the leader ends or when the lifeline,
 * a pipe whose other end only the monitor holds, reports end-of-file: a monitor killed with SIGKILL
 * included. Before it ends it kills all its descendants. It reads nothing from the sandbox and
 * shares no memory with it. Should the keeper itself be killed, the leader's parent-death signal
 * fires, and the monitor, a subreaper too, inherits the rest and kills it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "pal/confine/impl.h"

/* Of 2 ms each, for the kernel to end what is in the leader's namespace; for the leader to end what it leads. */
#define KERNEL_TRIES 1000
#define LEADER_TRIES 150

#define PROMPT_SLICE_NS 100000 /* the least; 3 ms by default */

void confine_be_prompt(void)
{
	struct sched_attr a = { .size = sizeof(a) };

	if (syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0) || a.sched_policy)
		return;
	a.sched_flags |= SCHED_FLAG_RESET_ON_FORK;
	a.sched_runtime = PROMPT_SLICE_NS;
	(void)!syscall(SYS_sched_setattr, 0, &a, 0);
}

/* The parent of a process by its stat file, or -1. The name in parentheses may hold anything: look
 * from behind. */
pid_t confine_parent_of(pid_t pid)
{
	char path[64], text[512], *p;
	int ppid = -1;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	p = strrchr(text, ')');
	if (!p || sscanf(p + 1, " %*c %d", &ppid) != 1)
		return -1;
	return ppid;
}

bool confine_descends(pid_t pid, pid_t from)
{
	/* Bounded: the tree may change while we climb. */
	for (int i = 0; i < 4096 && pid > 1; i++) {
		pid = confine_parent_of(pid);
		if (pid > 0 && pid == from) /* neither is there: no kin */
			return true;
	}
	return false;
}

/* Those still to be looked below. On the heap: how deep they are nested is the sandbox's choice. */
struct family {
	struct below {
		pid_t pid, parent;
	} *items;
	size_t count, room;
};

static void family_add(struct family *f, pid_t pid, pid_t parent)
{
	if (f->count == f->room) {
		size_t room = f->room ? 2 * f->room : 256;
		struct below *more = realloc(f->items, room * sizeof(*more));

		if (!more)
			return; /* once its parent is dead it is ours */
		f->items = more;
		f->room = room;
	}
	f->items[f->count++] = (struct below){ pid, parent };
}

/* Send sig to the children of pid, from the kernel's own lists; how many there were. */
static int signal_children(struct family *all, pid_t pid, int sig)
{
	char path[64];
	struct dirent *e;
	int count = 0, child;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		FILE *f;
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/children", pid, e->d_name);
		f = fopen(path, "re");
		while (f && fscanf(f, "%d", &child) == 1) {
			kill(child, sig);
			count++;
			family_add(all, child, pid);
		}
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	return count;
}

static int signal_below(pid_t from, int sig)
{
	struct family f = { 0 };
	int count = signal_children(&f, from, sig);

	while (f.count) {
		struct below b = f.items[--f.count];
		pid_t parent = confine_parent_of(b.pid);
		/* Its parent may be dead and it be ours; its number may be another's. */
		if (parent == b.parent || parent == from)
			count += signal_children(&f, b.pid, sig);
	}
	free(f.items);
	return count;
}

/* Send sig to all descendants; how many there were. */
static int signal_all(int sig)
{
	pid_t self = getpid();
	struct dirent *e;
	int count = 0;
	DIR *d;

	/* A host may have very many processes, and a kernel may be without these lists. */
	if (!access("/proc/thread-self/children", R_OK))
		return signal_below(self, sig);
	d = opendir("/proc");
	if (!d)
		return 0;
	while ((e = readdir(d))) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
		if (pid > 1 && pid != self && confine_descends(pid, self)) {
			kill(pid, sig);
			count++;
		}
	}
	closedir(d);
	return count;
}

void confine_kill_descendants(void)
{
	struct timespec pause = { .tv_nsec = 2000000 };

	if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
		return; /* the usual case: the leader has seen to it */
	int before = -1, count = signal_all(SIGSTOP);

	/* Stop before killing, until the number stands still: a fork bomb would outrun the killing
	 * alone. */
	for (int i = 0; i < 50 && count > before; i++) {
		before = count;
		count = signal_all(SIGSTOP);
	}
	for (;;) {
		signal_all(SIGKILL);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
			return;
		nanosleep(&pause, NULL);
	}
}

/* Reap what is dead; true once the leader is among it. */
static bool reap_all(pid_t leader, int *status)
{
	bool gone = false;
	int st;
	pid_t pid;

	while ((pid = waitpid(-1, &st, WNOHANG)) > 0)
		if (pid == leader) {
			*status = st;
			gone = true;
		}
	return gone;
}

/*
 * With the first process of a pid namespace the kernel ends all others, and does not let it be reaped before they are
 * gone. Without one, a leader that is loyal ends them best, for it can see to it that no more are born; it has heard of
 * the end by its stream.
 */
static void end_leader(pid_t leader, bool leads_namespace)
{
	struct timespec pause = { .tv_nsec = 2000000 };
	int status;

	if (leads_namespace)
		kill(leader, SIGKILL);
	for (int i = leads_namespace ? KERNEL_TRIES : LEADER_TRIES; i && !reap_all(leader, &status); i--)
		nanosleep(&pause, NULL);
}

int keeper_run(int lifeline, pid_t leader, bool leads_namespace)
{
	struct signalfd_siginfo si;
	int status = 0, children;
	bool gone = false;
	sigset_t chld;

	/* None of the monitor's descriptors: an open end here would keep a socket or a terminal
	 * alive. */
	if (dup2(lifeline, 0) < 0 || close_range(1, ~0u, 0))
		return 126;
	/* Not to be hit by who kills monitors by name: were both gone at once, on rung B the leader's
	 * descendants would be left to init. */
	prctl(PR_SET_NAME, "gsh-keeper");
	confine_be_prompt();
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	children = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	struct pollfd p[] = { { .fd = 0, .events = POLLIN }, { .fd = children, .events = POLLIN } };
	while (!(gone = reap_all(leader, &status))) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		/* The monitor sees the leader's streams close and lets go, before we have looked. */
		if (p[0].revents) {
			gone = reap_all(leader, &status);
			break;
		}
		while (read(children, &si, sizeof(si)) > 0)
			;
	}
	if (!gone)
		end_leader(leader, leads_namespace);
	confine_kill_descendants();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + (WTERMSIG(status) & 127);
}
