/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The monitor's life: gshd --monitor NAME.
 *
 * It takes the sandbox's lock, which makes it the only one; opens its socket; launches the leader;
 * serves until the leader is gone; then answers what is open, removes what it made and ends. gshd
 * may die and come back meanwhile.
 *
 * Stopping is in steps: the leader is told, so that a storm of births dies down; SIGHUP, SIGTERM, SIGCONT to all; wait
 * until only pid 1 is left, and order it to end, or until patience is over: then SIGKILL. The keeper sees to that.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "gshd/store/ended.h"
#include "gshd/wire/json.h"
#include "gshd/log.h"
#include "gshd/monitor/monitor.h"
#include "gshd/monitor/shm.h"

#define BOOT_MS 10000
#define STEP_MS 20
#define SHUTDOWN_MS 1000
#define FAREWELL_MS 2000
#define HANGUP_MS 1000	/* to end after SIGHUP, before SIGTERM */
#define UNUSED_MS 60000 /* an ephemeral sandbox in which nothing was ever started */

static int64_t monotonic_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void timer_in(struct monitor *m, int ms)
{
	struct timeval t = { ms / 1000, ms % 1000 * 1000 };

	event_add(m->timer_ev, &t);
}

/* What gshd may tell of a running sandbox without asking it. Empty while it is not ready, or no
 * longer. */
static void write_lock(struct monitor *m)
{
	struct json_object *o = json_object_new_object();
	char rung[2] = { (char)m->rung, '\0' };
	const char *text;

	json_put_int(o, "pid", getpid());
	json_put_str(o, "rung", rung);
	json_put_str(o, "calls", m->grant_flags & GRANT_LEAN ? "lean" : "full");
	json_put_int(o, "started", m->started);
	text = json_object_to_json_string(o);
	if (ftruncate(m->lock, 0) || pwrite(m->lock, text, strlen(text), 0) < 0)
		log_line("cannot write the lock file: %s", strerror(errno));
	json_object_put(o);
}

static void clear_lock(struct monitor *m)
{
	if (m->lock >= 0 && ftruncate(m->lock, 0))
		log_line("cannot write the lock file: %s", strerror(errno));
}

void monitor_ready(struct monitor *m, const struct confine_note *failure)
{
	struct json_object *o;
	const char *text;

	if (!failure) {
		ended_clear(m->store, m->spec.name);
		write_lock(m);
		timer_in(m, UNUSED_MS);
	}
	if (m->ready < 0)
		return;
	o = json_object_new_object();
	json_put_bool(o, "ok", failure == NULL);
	if (failure) {
		json_put_str(o, "error",
			     failure->host_lacks ? "org.gsh.HostLacks" : "org.gsh.Failed");
		json_put_str(o, "why", failure->text);
		json_put_str(o, "hint", failure->hint);
		json_put_int(o, "errno", failure->err);
	}
	text = json_object_to_json_string(o);
	(void)!write(m->ready, text, strlen(text));
	json_object_put(o);
	close(m->ready);
	m->ready = -1;
}

/* ---- the end ---- */

void monitor_kill(struct monitor *m)
{
	clear_lock(m); /* whoever wants to start it waits until it is gone */
	if (m->child.lifeline >= 0)
		close(m->child.lifeline);
	if (m->nat.lifeline >= 0)
		close(m->nat.lifeline);
	m->child.lifeline = m->nat.lifeline = -1;
}

void monitor_violation(struct monitor *m, const char *what)
{
	log_line("sandbox %s broke the protocol and is ended: %s", m->spec.name, what);
	if (!m->why[0])
		snprintf(m->why, sizeof(m->why), "it broke the protocol: %s", what);
	control_close(m);
	port_close(m);
	monitor_kill(m);
}

/* The sandbox is gone: say so to everybody, and leave when they have heard it. */
static void ended(struct monitor *m)
{
	struct confine_note note = { .err = EIO };

	if (m->state == BOX_ENDED)
		return;
	snprintf(note.text, sizeof(note.text), "the sandbox's first process ended at once%s%.200s",
		 m->last_words[0] ? ": " : "", m->last_words);
	monitor_ready(m, &note);
	if (m->why[0])
		ended_write(m->store, m->spec.name, m->why);
	m->state = BOX_ENDED;
	clear_lock(m);
	unlink(m->socket);
	control_close(m);
	port_close(m);
	publish_close(m);
	watch_close(m);
	measure_close(m);
	dial_close_all(m);
	names_close_all(m);
	session_end_all(m);
	event_tell(m, "ended", NULL);
	events_close(m);
	if (m->stop_call) {
		struct wire_call *call = m->stop_call;
		m->stop_call = NULL;
		wire_reply(call, NULL);
	}
	wire_shutdown(&m->server);
	if (m->server.nconns)
		timer_in(m, FAREWELL_MS);
	else
		event_base_loopbreak(m->base);
}

static void on_conns_changed(struct wire_server *s)
{
	struct monitor *m = s->context;

	if (m->state == BOX_ENDED && !s->nconns)
		event_base_loopbreak(m->base);
}

static void on_sigchld(evutil_socket_t sig, short what, void *arg)
{
	struct monitor *m = arg;
	bool gone = false;
	int status;
	pid_t pid;

	(void)sig, (void)what;
	/* On rung B others come to us if the keeper was killed. */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == m->child.pid) {
			gone = true;
			if (m->state == BOX_RUNNING && !m->why[0])
				ended_by_itself(m->why, sizeof(m->why), status, m->last_words);
			if (m->why[0])
				log_line("sandbox %s ended: %s", m->spec.name, m->why);
		} else if (pid == m->nat.keeper) {
			m->nat.keeper = -1;
			if (m->nat.lifeline >= 0)
				log_line("pasta has ended: sandbox %s has no way out any more", m->spec.name);
		} else {
			image_reaped(m, pid);
			keep_reaped(m, pid);
			inside_reaped(m, pid);
			squash_reaped(m, pid, status);
		}
	if (gone) {
		m->child.pid = -1;
		monitor_kill(m);
		ended(m);
	}
}

/* ---- stopping ---- */

static void order_shutdown(struct monitor *m)
{
	if (m->shutdown_sent)
		return;
	m->shutdown_sent = true;
	m->deadline = monotonic_ms() + SHUTDOWN_MS;
	if (control_send(m, MON_SHUTDOWN, 0, NULL, 0, NULL, 0))
		monitor_kill(m);
}

/* A listing of /proc: is anybody left but pid 1? */
static void on_listing(struct monitor *m, void *arg, const struct mon_msg *msg, const void *payload)
{
	const struct mon_proc_data *d = payload;
	const char *p = (const char *)(d + 1), *end = msg ? (const char *)payload + msg->len : p;
	unsigned count = 0;

	(void)arg;
	if (!msg || m->state != BOX_STOPPING)
		return;
	while (end - p > 8) {
		uint32_t len;
		memcpy(&len, p + 4, sizeof(len));
		if (len > (size_t)(end - p) - 8)
			break;
		if (len && p[8] >= '0' && p[8] <= '9')
			count++;
		p += 8 + len;
	}
	if (d->error ? m->nrunning == 0 : count <= 1)
		order_shutdown(m);
}

static void stop_step(struct monitor *m)
{
	static const struct mon_proc list = { .op = MON_PROC_LIST };
	char q[sizeof(list) + 1] = { 0 };

	memcpy(q, &list, sizeof(list));
	if (monotonic_ms() >= m->deadline) {
		order_shutdown(m);
		monitor_kill(m);
	} else if (!m->shutdown_sent &&
		   control_ask(m, MON_PROC, q, sizeof(q), NULL, 0, on_listing, NULL)) {
		log_debug("the leader does not take questions");
	}
	timer_in(m, STEP_MS);
}

static bool signal_everybody(struct monitor *m, int sig)
{
	struct mon_signal s = { -1, sig };

	return !control_send(m, MON_SIGNAL, 0, &s, sizeof(s), NULL, 0);
}

void monitor_stop(struct monitor *m, int patience)
{
	static const int signals[] = { SIGHUP, SIGTERM, SIGCONT };

	if (m->state != BOX_RUNNING && m->state != BOX_BOOTING)
		return;
	if (m->state == BOX_BOOTING)
		monitor_kill(m);
	m->state = BOX_STOPPING;
	event_tell(m, "stopping", NULL);
	clear_lock(m);
	m->deadline = monotonic_ms() + patience;
	if (control_send(m, MON_STOPPING, 0, NULL, 0, NULL, 0))
		m->deadline = 0;
	for (int i = 0; i < 3; i++)
		if (!signal_everybody(m, signals[i]))
			m->deadline = 0;
	stop_step(m);
}

void monitor_look(struct monitor *m)
{
	if (m->state != BOX_RUNNING || !m->spec.ephemeral)
		return;
	if (m->had_session && !m->nrunning && !m->nholders) {
		monitor_stop(m, 500);
	} else if (!m->hung_up && session_all_hung_up(m)) {
		m->hung_up = true;
		signal_everybody(m, SIGHUP);
		signal_everybody(m, SIGCONT);
		timer_in(m, HANGUP_MS);
	}
}

static void on_sigterm(evutil_socket_t sig, short what, void *arg)
{
	(void)sig, (void)what;
	monitor_stop(arg, 3000);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct confine_note late = {
		.text = "the sandbox's first process is not ready after 10 seconds",
		.err = ETIMEDOUT
	};
	struct monitor *m = arg;

	(void)fd, (void)what;
	if (m->state == BOX_BOOTING) {
		monitor_ready(m, &late);
		log_line("%s", late.text);
		monitor_kill(m);
	} else if (m->state == BOX_STOPPING) {
		stop_step(m);
	} else if (m->state == BOX_ENDED) {
		event_base_loopbreak(m->base);
	} else if (m->hung_up) {
		m->hung_up = false; /* somebody may have come */
		if (session_all_hung_up(m))
			monitor_stop(m, 500);
	} else if (m->spec.ephemeral && !m->nsessions) {
		monitor_stop(m, 0);
	}
}

/* ---- the beginning ---- */

static int fail(struct confine_note *note, int err, const char *what)
{
	snprintf(note->text, sizeof(note->text), "%s: %s", what, strerror(-err));
	note->err = -err;
	return err;
}

/* What a crash left there; nothing of what somebody stages at this moment. */
static int empty_work(int store, const char *name, int tree)
{
	int box = store_open_box(store, name), pens = box < 0 ? box : pens_wait(box), err;

	err = pens < 0 ? pens : store_empty(tree, "work");
	if (pens >= 0)
		close(pens);
	if (box >= 0)
		close(box);
	return err;
}

static int take_box(struct monitor *m, const char *name, struct confine_note *note)
{
	char path[PATH_MAX + 128], why[STORE_WHY];
	int err = paths_find(&m->paths, note->text, sizeof(note->text));

	if (!err)
		err = paths_make_runtime(&m->paths, note->text, sizeof(note->text));
	if (err)
		return err;
	m->store = store_open(m->paths.store, why);
	err = m->store < 0 ? m->store : store_read_spec(m->store, name, &m->spec, why);
	if (err) {
		snprintf(note->text, sizeof(note->text), "%.300s", why);
		return err;
	}
	m->lock = store_lock(m->store, name);
	if (m->lock < 0)
		return fail(note, m->lock,
			    m->lock == -EAGAIN ? "it is running already" : "cannot lock it");
	snprintf(path, sizeof(path), "boxes/%s/tree", name);
	int tree = openat(m->store, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tree < 0)
		return fail(note, -errno, "its directory is damaged");
	err = empty_work(m->store, name, tree);
	close(tree);
	if (err)
		return fail(note, err, "cannot empty its work directory");
	err = history_open(m->store, name, &m->history, why);
	if (!err)
		err = store_read_spec(m->store, name, &m->spec, why); /* where its layers lie now */
	if (err) {
		snprintf(note->text, sizeof(note->text), "%.300s", why);
		return err;
	}
	snprintf(path, sizeof(path), "%s/boxes/%s/tree", m->paths.store, name);
	if (!realpath(path, m->tree))
		return fail(note, -errno, "its directory is damaged");
	return 0;
}

static int open_socket(struct monitor *m, struct confine_note *note)
{
	int fd;

	if (snprintf(m->socket, sizeof(m->socket), "%s/box/%s.sock", m->paths.runtime,
		     m->spec.name) >= (int)sizeof(m->socket))
		return fail(note, -ENAMETOOLONG, "its socket");
	unlink(m->socket); /* we hold the lock: it is a dead one's */
	fd = paths_listen(m->socket);
	if (fd < 0)
		return fail(note, fd, "cannot listen at its socket");
	m->server.base = m->base;
	m->server.interface = &box_interface;
	m->server.context = m;
	m->server.changed = on_conns_changed;
	return wire_serve(&m->server, fd);
}

static int make_events(struct monitor *m)
{
	m->sigchld_ev = evsignal_new(m->base, SIGCHLD, on_sigchld, m);
	m->sigterm_ev = evsignal_new(m->base, SIGTERM, on_sigterm, m);
	m->timer_ev = event_new(m->base, -1, 0, on_timer, m);
	if (!m->sigchld_ev || !m->sigterm_ev || !m->timer_ev || event_add(m->sigchld_ev, NULL) ||
	    event_add(m->sigterm_ev, NULL))
		return -ENOMEM;
	return 0;
}

static int begin(struct monitor *m, const char *name, struct confine_note *note)
{
	struct rlimit files;
	int err;

	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	err = take_box(m, name, note);
	if (err)
		return err;
	diag_open_log(m);
	denials_read(m);
	m->base = event_base_new();
	err = m->base ? make_events(m) : -ENOMEM;
	if (!err)
		err = open_socket(m, note);
	/* Orphans come to us, not to init: nothing of the sandbox may outlive us. */
	if (!err && prctl(PR_SET_CHILD_SUBREAPER, 1))
		err = -errno;
	if (!err)
		err = launch(m, note);
	if (err)
		return err;
	m->state = BOX_BOOTING;
	m->started = time(NULL);
	timer_in(m, BOOT_MS);
	err = control_start(m);
	if (!err)
		err = port_start(m);
	if (!err)
		err = diag_start(m);
	if (!err)
		err = watch_start(m);
	if (!err)
		err = measure_start(m);
	log_line("sandbox %s started, rung %c, leader %d", name, m->rung, m->child.leader);
	return err;
}

/* Tidy the layers of what has ended: it costs as much as the oldest of them hold, and nobody waits for it. */
static void tidy(struct monitor *m)
{
	struct history h;
	char why[STORE_WHY];

	squash_end(m);
	history_close(&m->history); /* as it was while processes ran */
	if (history_open(m->store, m->spec.name, &h, why)) {
		log_line("%s", why);
		return;
	}
	history_trim(&h, HISTORY_JOIN_ABOVE);
	history_close(&h);
}

/* Everything that this process made outside itself. */
static void clean_up(struct monitor *m)
{
	char why[STORE_WHY];

	monitor_kill(m);
	if (m->rung)
		confine_kill_descendants();
	pty_close_all(m);
	cgroup_remove(m->cgroup, m->spec.name);
	if (m->socket[0])
		unlink(m->socket);
	if (m->shm[0])
		shm_remove(m->shm);
	denials_close(m);
	clear_lock(m);
	if (m->state == BOX_ENDED && !m->spec.ephemeral)
		tidy(m);
	if (m->lock >= 0 && m->spec.ephemeral && store_remove(m->store, m->spec.name, why))
		log_line("%s", why);
}

int monitor_main(const char *name, int ready)
{
	static struct monitor m;
	struct confine_note note = { 0 };
	int err;

	m.ready = ready;
	m.lock = m.store = m.control = m.port = m.log_pipe = m.dialer = m.cgroup = m.nat.lifeline = m.nat.keeper = -1;
	m.child = (struct confine_child){ .pid = -1, .leader = -1, .pts = -1, .lifeline = -1 };
	prctl(PR_SET_NAME, "gsh-monitor"); /* it was executed by way of /proc/self/exe */
	confine_be_prompt();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGIO, SIG_IGN); /* a writer came while we held a lease (answer_setattr.c) */
	umask(077);
	(void)!chdir("/");
	err = begin(&m, name, &note);
	if (err) {
		if (!note.text[0])
			fail(&note, err, "cannot start the monitor");
		log_line("cannot start sandbox %s: %s", name, note.text);
		monitor_ready(&m, &note);
	} else {
		event_base_dispatch(m.base);
		log_line("sandbox %s ended", name);
	}
	clean_up(&m);
	return err ? 1 : 0;
}
