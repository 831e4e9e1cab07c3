/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The steps of confinement, in order.
 *
 * confine_spawn() makes a child (in new namespaces on rung A) that walks down the table below and
 * then executes the image. The order is the point: what needs privilege comes before privilege
 * goes, what needs paths before the paths go, and what cannot be taken back comes last. seccomp is
 * not here: the image installs the program from its grant as the first thing it does, since the
 * program forbids the calls made here.
 *
 * The child tells its parent on a SOCK_SEQPACKET pair that exec closes: nothing but end-of-file
 * means success.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "pal/confine/impl.h"

/* What to do where user namespaces, or mounts in them, are refused. */
#define USERNS_HINT                                                                             \
	"allow unprivileged user namespaces: user.max_user_namespaces above 0, "                \
	"kernel.unprivileged_userns_clone=1 (older Debian), "                                   \
	"kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), or a container's seccomp profile"

#define ON_A 1u
#define ON_B 2u
#define ON_NONE 4u
#define ON_ALL (ON_A | ON_B | ON_NONE)

static int open_null(struct confine_state *st);
static int own_session(struct confine_state *st);
static int hand_over(struct confine_state *st);
static int lay_out(struct confine_state *st);

static const struct confine_step {
	const char *what;
	unsigned rungs;
	int (*run)(struct confine_state *);
} steps[] = {
	/* For descriptors 0 to 2, while there is a /dev. */
	{ "open /dev/null", ON_ALL, open_null },
	/* Away from the caller's terminal and process group: its ^C is not for us. */
	{ "start a session", ON_ALL, own_session },
	/* Without a map no file can be made and no mount attached: first. Reads the host's /proc,
	 * so before the root. */
	{ "map the user into a user namespace", ON_A, userns_map },
	{ "name the host and raise the loopback interface", ON_A, userns_names },
	/* The new root. From here no host path leads anywhere. */
	{ "build the sandbox's root", ON_A, mounts_enter },
	{ "open the sandbox's trees", ON_B | ON_NONE, paths_open },
	/* The monitor opens the sandbox's terminals from it. It is not handed on to the image. */
	{ "hand over the terminal multiplexer", ON_A, hand_over },
	/* The mounts needed capabilities; nothing below does. Landlock below needs no_new_privs,
	 * set here too. */
	{ "drop all capabilities", ON_ALL, caps_drop },
	{ "set resource limits", ON_ALL, limits_set },
	/* After caps_drop: a change of credentials clears the parent-death signal. */
	{ "tie the life to the monitor's", ON_ALL, limits_die_with_parent },
	/* Last but the descriptors: Landlock forbids mounting and most opening. */
	{ "restrict file access with Landlock", ON_A | ON_B, landlock_enter },
	/* Overwrites whatever the numbers held; the rest is closed. */
	{ "lay out the descriptors", ON_ALL, lay_out },
};

const char *const confine_host_dirs[] = { "proc", "sys", "dev", "run", NULL };

enum report_kind { REPORT_LEADER, REPORT_WORLD, REPORT_FAILED };
struct report {
	enum report_kind kind;
	pid_t leader;
	uint64_t tree_mount, shm_mount, bind_mount[GRANT_BINDS_MAX];
	struct confine_note note;
};

int confine_say(struct confine_state *st, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(st->note->text, sizeof(st->note->text), fmt, ap);
	va_end(ap);
	return err;
}

void confine_hint(struct confine_state *st, const char *hint)
{
	snprintf(st->note->hint, sizeof(st->note->hint), "%s", hint);
}

static unsigned rung_bit(enum grant_rung rung)
{
	return rung == GRANT_RUNG_A ? ON_A : rung == GRANT_RUNG_B ? ON_B : ON_NONE;
}

static int open_null(struct confine_state *st)
{
	st->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	return st->null < 0 ? -errno : 0;
}

static int own_session(struct confine_state *st)
{
	(void)st;
	return setsid() < 0 ? -errno : 0;
}

static int report_send(int sock, const struct report *r, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { (void *)r, sizeof(*r) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)sizeof(*r) ? 0 : -errno;
}

/* Also by which mount the monitor will know the sandbox's own files. */
static int hand_over(struct confine_state *st)
{
	struct report r = { .kind = REPORT_WORLD };
	int err = mounts_id(st->tree, &r.tree_mount);

	if (!err)
		err = mounts_id(st->shm, &r.shm_mount);
	for (unsigned i = 0; i < st->spec->nbinds && !err; i++)
		if (!st->spec->binds[i].readonly)
			err = mounts_id(st->bound[i], &r.bind_mount[i]);
	if (err)
		return err;
	return report_send(st->report, &r, st->pts);
}

/* Copies of everything above the fixed numbers first, so that no dup2 overwrites what a later one
 * needs. */
static int lay_out(struct confine_state *st)
{
	const struct confine_spec *spec = st->spec;
	struct {
		int from, to;
	} move[GRANT_FD_FIRST_FREE + 4];
	unsigned n = 0, i;
#define PUT(f, t) (move[n].from = (f), move[n++].to = (t))
	PUT(st->null, 0);
	PUT(st->null, 1);
	PUT(spec->log >= 0 ? spec->log : st->null, 2);
	PUT(st->image >= 0 ? st->image : spec->image, GRANT_FD_IMAGE);
	PUT(spec->grant, GRANT_FD_GRANT);
	PUT(spec->port, GRANT_FD_PORT);
	PUT(spec->control, GRANT_FD_CONTROL);
	PUT(spec->area, GRANT_FD_AREA);
	PUT(-1, GRANT_FD_STATE);
	PUT(st->cache >= 0 ? st->cache : spec->cache, GRANT_FD_CACHE);
	PUT(st->shm, GRANT_FD_SHM);
	PUT(st->work, GRANT_FD_WORK);
	for (i = GRANT_FD_WORK + 1; i < GRANT_FD_LAYER; i++)
		PUT(i == GRANT_FD_BIND ? st->binds : -1, (int)i);
	for (i = 0; i < GRANT_LAYERS_MAX + GRANT_BINDS_MAX; i++)
		PUT(i <= spec->nlayers			      ? st->layer[i]
		    : i <= spec->nlayers + spec->nbinds ? st->bind[i - spec->nlayers - 1]
							      : -1,
		    GRANT_FD_LAYER + (int)i);
#undef PUT
	for (i = 0; i < n; i++)
		if (move[i].from >= 0) {
			move[i].from = fcntl(move[i].from, F_DUPFD_CLOEXEC, GRANT_FD_FIRST_FREE);
			if (move[i].from < 0)
				return -errno;
		}
	st->report = fcntl(st->report, F_DUPFD_CLOEXEC, GRANT_FD_FIRST_FREE);
	if (st->report < 0)
		return -errno;
	for (i = 0; i < n; i++) {
		if (move[i].from < 0)
			close(move[i].to);
		else if (dup2(move[i].from, move[i].to) < 0)
			return -errno;
	}
	/* All copies, and what the caller never meant for us. The report goes when exec closes
	 * it. */
	if (close_range(GRANT_FD_FIRST_FREE, ~0u, CLOSE_RANGE_CLOEXEC))
		return -errno;
	return 0;
}

static void child_fail(struct confine_state *st, const char *what, int err)
{
	struct report r = { .kind = REPORT_FAILED };
	struct confine_note *n = st->note;

	r.note = *n;
	r.note.err = -err;
	if (n->host_lacks && !n->hint[0])
		snprintf(r.note.hint, sizeof(r.note.hint), "%s", USERNS_HINT);
	snprintf(r.note.text, sizeof(r.note.text), "cannot %s: %.200s%s%s", what, n->text,
		 n->text[0] ? ": " : "", strerror(-err));
	if (report_send(st->report, &r, -1))
		_exit(126);
	_exit(125);
}

/* Who started us, taken before the fork: in a new user namespace we can no longer tell. */
struct origin {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

static void child_run(const struct confine_spec *spec, int report, const struct origin *from)
{
	char *const argv[] = { (char *)"picoprocess", (char *)"grant", NULL };
	char *const envp[] = { NULL };
	struct confine_note note = { 0 };
	struct confine_state st = CONFINE_CLOSED_STATE;
	sigset_t none;

	st.spec = spec;
	st.note = &note;
	st.report = report;
	st.parent = from->pid;
	st.uid = from->uid;
	st.gid = from->gid;
	for (unsigned i = 0; i < GRANT_LAYERS_MAX; i++)
		st.layer[i] = -1;
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(0); /* modes are the libOS's to decide */
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (!(steps[i].rungs & rung_bit(spec->rung)))
			continue;
		int err = steps[i].run(&st);
		if (err)
			child_fail(&st, steps[i].what, err);
	}
	execveat(GRANT_FD_IMAGE, "", argv, envp, AT_EMPTY_PATH);
	child_fail(&st, "execute the picoprocess image", -errno);
}

/* A fork into the rung's namespaces. CLONE_NEWPID makes the child pid 1; the caller stays outside
 * and is its parent. */
static pid_t fork_rung(enum grant_rung rung)
{
	unsigned long flags = SIGCHLD;

	if (rung == GRANT_RUNG_A)
		flags |= CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
			 CLONE_NEWUTS;
	return (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
}

static void leader_failed(enum grant_rung rung, struct report *r, int err)
{
	r->kind = REPORT_FAILED;
	r->note.err = err;
	r->note.host_lacks = rung == GRANT_RUNG_A;
	if (r->note.host_lacks)
		snprintf(r->note.hint, sizeof(r->note.hint), "%s", USERNS_HINT);
	/* clone(2): ENOSPC is the limit of user namespaces, which may be 0. */
	snprintf(r->note.text, sizeof(r->note.text), "cannot create a process%s: %s",
		 r->note.host_lacks ? " in new namespaces" : "",
		 r->note.host_lacks && err == ENOSPC ? "no more are allowed" : strerror(err));
}

/* Between the monitor and the leader: see keeper.c. */
static void keeper(const struct confine_spec *spec, int report, int lifeline)
{
	struct report r = { .kind = REPORT_LEADER };
	struct origin self = { getpid(), geteuid(), getegid() };

	/* Whatever happens to this process, nothing of the sandbox may be left to the host's
	 * init. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		_exit(126);
	r.leader = fork_rung(spec->rung);
	if (r.leader == 0) {
		close(lifeline);
		confine_be_prompt();
		child_run(spec, report, &self);
	}
	if (r.leader < 0)
		leader_failed(spec->rung, &r, errno);
	if (report_send(report, &r, -1) || r.kind == REPORT_FAILED)
		_exit(126);
	_exit(keeper_run(lifeline, r.leader, spec->rung == GRANT_RUNG_A));
}

static int hear_one(int sock, struct report *r, int *fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { r, sizeof(*r) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	ssize_t n;

	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : 0;
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(c), sizeof(int));
	return n == (ssize_t)sizeof(*r) ? 1 : -EPROTO;
}

/* Read reports until the child's exec closes the socket: 0, or the failure it told. */
static int hear_child(int sock, struct confine_child *child, struct confine_note *note)
{
	struct report r;
	int got;

	while ((got = hear_one(sock, &r, &child->pts)) == 1) {
		if (r.kind == REPORT_LEADER)
			child->leader = r.leader;
		if (r.kind == REPORT_WORLD) {
			child->tree_mount = r.tree_mount;
			child->shm_mount = r.shm_mount;
			memcpy(child->bind_mount, r.bind_mount, sizeof(r.bind_mount));
		}
		if (r.kind == REPORT_FAILED) {
			*note = r.note;
			return note->err ? -note->err : -EPROTO;
		}
	}
	return got;
}

static void reap(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Failing that there is less to hold the sandbox to, and who looks sees that the cgroup is empty. */
static void enter_cgroup(int cgroup)
{
	int fd = openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);

	(void)!write(fd, "0", 1);
	close(fd);
}

static pid_t start(const struct confine_spec *spec, int report[2], int life[2])
{
	struct origin self = { getpid(), geteuid(), getegid() };
	pid_t pid = fork();

	if (pid)
		return pid;
	close(report[0]);
	/* Whoever descends from us is in it, too. */
	if (spec->cgroup >= 0)
		enter_cgroup(spec->cgroup);
	if (spec->rung != GRANT_RUNG_NONE) {
		close(life[1]);
		keeper(spec, report[1], life[0]);
	}
	child_run(spec, report[1], &self);
	_exit(126);
}

int confine_spawn(const struct confine_spec *spec, struct confine_child *child,
		  struct confine_note *note)
{
	int report[2], life[2] = { -1, -1 };
	int err;

	*child = (struct confine_child){ .pid = -1, .leader = -1, .pts = -1, .lifeline = -1 };
	memset(note, 0, sizeof(*note));
	if (spec->nlayers < 1 || spec->nbinds > GRANT_BINDS_MAX || spec->nlayers >= GRANT_LAYERS_MAX)
		return -EINVAL;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, report))
		return -errno;
	if (spec->rung != GRANT_RUNG_NONE && pipe2(life, O_CLOEXEC)) {
		err = -errno;
		goto out_report;
	}
	child->pid = child->leader = start(spec, report, life);
	err = child->pid < 0 ? -errno : 0;
	if (err) {
		note->err = -err;
		snprintf(note->text, sizeof(note->text), "cannot create a process: %s",
			 strerror(-err));
		goto out_life;
	}
	close(report[1]);
	report[1] = -1;
	err = hear_child(report[0], child, note);
	if (err) {
		reap(child->pid);
		if (child->pts >= 0)
			close(child->pts);
		goto out_life;
	}
	child->lifeline = life[1];
	life[1] = -1;
out_life:
	if (life[0] >= 0)
		close(life[0]);
	if (life[1] >= 0)
		close(life[1]);
out_report:
	close(report[0]);
	if (report[1] >= 0)
		close(report[1]);
	return err;
}
