/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * gshd: the per-user daemon.
 *
 *	gshd [--foreground] [--idle-exit SECONDS] [-v]
 *
 * One a runtime directory, kept so by a lock on RUNTIME/gshd.lock. It detaches itself unless told
 * not to; the process that was started ends with 0 when the socket answers, else with a sentence on
 * standard error and 1. Started by a service manager it takes the socket from there and says when
 * it is ready.
 *
 * `gshd --monitor NAME` is a sandbox's monitor (monitor.c), started by gshd only.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "conf/conf.h"
#include "gshd/daemon.h"
#include "gshd/log.h"
#include "gshd/monitor/monitor.h"

#define LOCK_PATIENCE_MS 3000 /* for one that ends */

struct options {
	bool foreground;
	unsigned idle_exit;
	const char *monitor;
	int ready;
};

static int say(const char *text)
{
	fprintf(stderr, "gshd: %s\n", text);
	return 1;
}

static int usage(void)
{
	fprintf(stderr, "usage: gshd [--foreground] [--idle-exit SECONDS] [-v]\n");
	return 2;
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
		{ "foreground", 0, NULL, 'f' }, { "idle-exit", 1, NULL, 'i' },
		{ "verbose", 0, NULL, 'v' },	{ "monitor", 1, NULL, 'm' },
		{ "ready", 1, NULL, 'r' },	{ "version", 0, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "qv", options, NULL)) != -1) {
		switch (c) {
		case 'f':
			o->foreground = true;
			break;
		case 'i':
			o->idle_exit = (unsigned)strtoul(optarg, &end, 10);
			if (*end || !*optarg || o->idle_exit > 86400 * 365)
				return usage();
			break;
		case 'v':
			log_verbose = 1;
			break;
		case 'q':
			break;
		case 'm':
			o->monitor = optarg;
			break;
		case 'r':
			o->ready = atoi(optarg);
			break;
		case 'V':
			printf("gshd %s\n", GSH_VERSION);
			exit(0);
		default:
			return usage();
		}
	}
	return optind < argc ? usage() : 0;
}

/* ---- events ---- */

static void idle_check(struct daemon *d)
{
	struct timeval t = { d->idle_exit, 0 };

	if (!d->idle_exit)
		return;
	if (d->server.nconns || d->workers)
		event_del(d->idle_ev);
	else
		event_add(d->idle_ev, &t);
}

static void on_conns_changed(struct wire_server *s)
{
	idle_check(s->context);
}

static void on_idle(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)fd, (void)what;
	event_base_loopbreak(d->base);
}

static void on_end(evutil_socket_t sig, short what, void *arg)
{
	struct daemon *d = arg;

	(void)sig, (void)what;
	event_base_loopbreak(d->base);
}

static void on_sigchld(evutil_socket_t sig, short what, void *arg)
{
	struct daemon *d = arg;
	int status;
	pid_t pid;

	(void)sig, (void)what;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		d->workers -= d->workers > 0;
		if (status)
			log_line("a request's process ended with wait status %#x", status);
		wire_resume(&d->server, pid, status == 0);
	}
	idle_check(d);
}

static int make_events(struct daemon *d)
{
	struct event *chld, *term, *intr;

	d->base = event_base_new();
	if (!d->base)
		return -ENOMEM;
	chld = evsignal_new(d->base, SIGCHLD, on_sigchld, d);
	term = evsignal_new(d->base, SIGTERM, on_end, d);
	intr = evsignal_new(d->base, SIGINT, on_end, d);
	d->idle_ev = event_new(d->base, -1, 0, on_idle, d);
	if (!chld || !term || !intr || !d->idle_ev || event_add(chld, NULL) ||
	    event_add(term, NULL) || event_add(intr, NULL))
		return -ENOMEM;
	return 0;
}

/* ---- start ---- */

/* Does the one that has the lock answer? One that ends does not any more, but has the lock until it is gone. */
static bool is_served(const struct daemon *d)
{
	char path[PATH_MAX + 16];
	int fd;

	snprintf(path, sizeof(path), "%s/gshd.sock", d->paths.runtime);
	fd = paths_connect(path);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int wait_for_lock(const struct daemon *d, int fd, struct flock *lock)
{
	static const struct timespec nap = { .tv_nsec = 20000000 };
	int tries = LOCK_PATIENCE_MS / 20;

	while (fcntl(fd, F_SETLK, lock)) {
		if (!tries-- || (errno != EAGAIN && errno != EACCES) || is_served(d))
			return -1;
		nanosleep(&nap, NULL);
	}
	return 0;
}

/* A lock of the process, not of the descriptor: a request's process that outlives us must not keep
 * it. */
static int take_lock(const struct daemon *d, char *why, size_t size)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[PATH_MAX + 16];
	int fd;

	snprintf(path, sizeof(path), "%s/gshd.lock", d->paths.runtime);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		snprintf(why, size, "cannot open %.400s: %s", path, strerror(errno));
		return -errno;
	}
	if (wait_for_lock(d, fd, &lock)) {
		lock.l_type = F_WRLCK;
		if (fcntl(fd, F_GETLK, &lock) || lock.l_type == F_UNLCK)
			lock.l_pid = 0;
		snprintf(why, size, "another gshd (process %d) already serves %.400s", lock.l_pid,
			 d->paths.runtime);
		close(fd);
		return -EAGAIN;
	}
	return fd;
}

static int listen_at(struct daemon *d, const char *path, char *why, size_t size)
{
	int err, fd = activation_socket();

	if (fd < 0) {
		unlink(path); /* we hold the lock: whoever made it is dead */
		fd = paths_listen(path);
	}
	if (fd < 0) {
		snprintf(why, size, "cannot listen at %.400s: %s", path, strerror(-fd));
		return fd;
	}
	d->server.base = d->base;
	d->server.interface = &daemon_interface;
	d->server.context = d;
	d->server.changed = on_conns_changed;
	err = wire_serve(&d->server, fd);
	if (err)
		snprintf(why, size, "cannot serve: %s", strerror(-err));
	return err;
}

/* In a child: a large tree may be among what is left over. */
static void sweep(struct daemon *d)
{
	if (fork() == 0) {
		signal(SIGTERM, SIG_DFL);
		signal(SIGINT, SIG_DFL);
		close(d->server.listener);
		boxes_sweep(d);
		_exit(0);
	}
}

/* stderr becomes RUNTIME/log/gshd.log, unless a service manager or a person reads it. */
static void open_log(const struct daemon *d)
{
	char path[PATH_MAX + 32];
	int fd, null = open("/dev/null", O_RDWR);

	snprintf(path, sizeof(path), "%s/log/gshd.log", d->paths.runtime);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	dup2(null, 0);
	dup2(null, 1);
	dup2(fd >= 0 ? fd : null, 2);
	if (fd > 2)
		close(fd);
	if (null > 2)
		close(null);
}

static int prepare(struct daemon *d, char *socket, char *why, size_t size)
{
	struct conf conf;
	char store_why[STORE_WHY];
	int err = conf_load(&conf, why, size); /* the monitors need it: better said now */

	if (!err)
		err = paths_find(&d->paths, why, size);
	if (!err)
		err = paths_make_runtime(&d->paths, why, size);
	if (err)
		return err;
	d->store = store_open(d->paths.store, store_why);
	if (d->store < 0) {
		snprintf(why, size, "%s", store_why);
		return d->store;
	}
	err = take_lock(d, why, size);
	if (err < 0)
		return err;
	err = make_events(d);
	if (err) {
		snprintf(why, size, "cannot make an event loop");
		return err;
	}
	snprintf(socket, SOCKET_MAX, "%s/gshd.sock", d->paths.runtime);
	return listen_at(d, socket, why, size);
}

static int serve(const struct options *o, int told)
{
	static struct daemon d;
	char socket[SOCKET_MAX], why[1024];
	bool activated = getenv("LISTEN_FDS") != NULL;

	d.idle_exit = o->idle_exit;
	d.started = time(NULL);
	signal(SIGPIPE, SIG_IGN);
	umask(077);
	(void)!chdir("/");
	if (prepare(&d, socket, why, sizeof(why)))
		return say(why);
	if (!o->foreground) {
		open_log(&d);
		(void)!write(told, "", 1);
		close(told);
	}
	sweep(&d);
	activation_notify("READY=1");
	idle_check(&d);
	event_base_dispatch(d.base);
	activation_notify("STOPPING=1");
	if (!activated)
		unlink(socket);
	wire_close(&d.server);
	return 0;
}

/* Go on in a child, and end when it serves or has said why it does not. */
static int detach(const struct options *o)
{
	int told[2], status = 0;
	char byte;
	pid_t pid;

	if (pipe2(told, O_CLOEXEC))
		return say(strerror(errno));
	pid = fork();
	if (pid < 0)
		return say(strerror(errno));
	if (pid == 0) {
		close(told[0]);
		setsid();
		_exit(serve(o, told[1]));
	}
	close(told[1]);
	if (read(told[0], &byte, 1) == 1)
		return 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return 1;
}

int main(int argc, char **argv)
{
	struct options o = { .ready = -1 };
	int err = parse(argc, argv, &o);

	if (err)
		return err;
	/* A parent's mask or ignored SIGCHLD would make us deaf. */
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGCHLD, SIG_DFL);
	if (o.monitor) {
		if (o.ready >= 0)
			fcntl(o.ready, F_SETFD, FD_CLOEXEC);
		return paths_name_ok(o.monitor) ? monitor_main(o.monitor, o.ready) : usage();
	}
	return o.foreground ? serve(&o, -1) : detach(&o);
}
