/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A world for tests of gshd and its monitors: everything in a scratch directory, the fake leader
 * for an image, and short forms of what a client does.
 */
#ifndef TESTS_UNIT_GSHD_BOX_H
#define TESTS_UNIT_GSHD_BOX_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "gshd/client/client.h"
#include "gshd/wire/json.h"
#include "pal/confine/confine.h"
#include "tests/unit/gshd_test.h"

static char scratch[] = "/tmp/gsh-life-XXXXXX", bin[PATH_MAX], why[1024];
static char rung;

static inline void nap(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

/* Until fn(arg) holds, at most 5 seconds. */
static inline bool until(bool (*fn)(int arg), int arg)
{
	for (int i = 0; i < 500; i++) {
		if (fn(arg))
			return true;
		nap(10);
	}
	return false;
}

static inline bool is_dead(int pid)
{
	char path[32], text[256] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return true;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	char *p = n > 0 ? strrchr(text, ')') : NULL;
	return !p || p[2] == 'Z' || p[2] == 'X';
}

/* Live processes that execute the fake leader, by whatever path they came to it. */
static inline int picoprocesses(void)
{
	char path[PATH_MAX + 32];
	struct stat image, exe;
	struct dirent *e;
	int n = 0;
	DIR *d = opendir("/proc");

	snprintf(path, sizeof(path), "%s/tests/fake_leader", bin);
	CHECK(!stat(path, &image));
	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/%s/exe", e->d_name);
		if (!stat(path, &exe) && exe.st_ino == image.st_ino && exe.st_dev == image.st_dev &&
		    !is_dead(atoi(e->d_name)))
			n++;
	}
	if (d)
		closedir(d);
	return n;
}

/* ---- short forms ---- */

static inline struct client *daemon_client(void)
{
	struct client *c;

	if (client_daemon(&c, CLIENT_START, why, sizeof(why))) {
		printf("# %s\n", why);
		return NULL;
	}
	return c;
}

static inline bool call(struct client *c, const char *method, struct json_object *params,
			struct client_reply *r)
{
	if (client_call(c, method, params, NULL, 0, r)) {
		r->params = NULL;
		return false;
	}
	if (r->error[0])
		printf("# %s: %s %s\n", method, r->error, json_object_to_json_string(r->params));
	return !r->error[0];
}

static inline struct json_object *named(const char *name)
{
	struct json_object *p = json_object_new_object();

	json_put_str(p, "name", name);
	return p;
}

/* Start a sandbox and connect to its monitor. It may end between the two: then again. */
static inline struct client *box(const char *name, bool ephemeral)
{
	struct client *b = NULL;

	for (int i = 0; i < 5 && !b; i++) {
		struct json_object *p = named(name);
		struct client *d = daemon_client();
		struct client_reply r = { .params = NULL };

		json_put_bool(p, "create", true);
		json_put_bool(p, "ephemeral", ephemeral);
		if (d && call(d, "org.gsh.Daemon.Start", p, &r)) {
			rung = json_str(r.params, "rung", "?")[0];
			if (client_open(&b, json_str(r.params, "socket", "")))
				b = NULL;
		}
		client_reply_free(&r);
		client_close(d);
	}
	if (!b) {
		printf("FAIL no sandbox\n");
		exit(1);
	}
	return b;
}

static inline int64_t box_int(struct client *b, const char *what)
{
	struct client_reply r;
	int64_t v = call(b, "org.gsh.Box.GetInfo", NULL, &r) ? json_int(r.params, what, -1) : -1;

	client_reply_free(&r);
	return v;
}

static inline struct json_object *run_params(const char *const *argv, bool tty)
{
	struct json_object *p = json_object_new_object(), *a = json_object_new_array();

	while (*argv)
		json_object_array_add(a, json_object_new_string(*argv++));
	json_object_object_add(p, "argv", a);
	json_object_object_add(p, "env", json_object_new_array());
	json_put_str(p, "cwd", "/");
	json_put_bool(p, "tty", tty);
	json_put_int(p, "rows", 31);
	json_put_int(p, "cols", 97);
	return p;
}

#define ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* Start a program; what it writes can be read from *out. */
static inline bool run(struct client *b, const char *const *argv, int *out)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), p[2];
	struct client_reply r;
	bool ok;

	if (pipe2(p, O_CLOEXEC))
		return false;
	int fds[3] = { null, p[1], null };
	ok = !client_send(b, "org.gsh.Box.Run", run_params(argv, false), CLIENT_MORE, fds, 3) &&
	     !client_receive(b, &r) && !r.error[0] && r.continues;
	close(null);
	close(p[1]);
	*out = p[0];
	client_reply_free(&r);
	return ok;
}

/* The status of what run() started: as wait4() gives it; -1 none. */
static inline int64_t finish(struct client *b)
{
	struct client_reply r;
	int64_t status = client_receive(b, &r) ? -1 : json_int(r.params, "status", -1);

	client_reply_free(&r);
	return status;
}

static inline int run_tty(struct client *b, const char *const *argv, struct frame_reader *reader,
			  int64_t *session)
{
	struct client_reply r;
	int master, slave, fd = -1;

	if (openpty(&master, &slave, NULL, NULL, NULL))
		return -1;
	int fds[3] = { slave, slave, slave };
	if (!client_send(b, "org.gsh.Box.Run", run_params(argv, true), CLIENT_UPGRADE, fds, 3) &&
	    !client_receive(b, &r) && !r.error[0]) {
		*session = json_int(r.params, "session", -1);
		fd = client_upgrade(b, reader);
	}
	client_reply_free(&r);
	close(master);
	close(slave);
	return fd;
}

/* Read frames to the end: bytes of output, the last of them in text, the status. */
static inline size_t read_frames(int fd, struct frame_reader *reader, char *text, size_t size,
				 uint32_t *status)
{
	struct frame f;
	size_t total = 0;

	*status = ~0u;
	text[0] = '\0';
	while (frame_read(reader, fd, &f) == 1) {
		if (f.type == FRAME_EXIT) {
			CHECK(!frame_get_u32(&f, status));
			break;
		}
		total += f.size;
		size_t n = f.size < size - 1 ? f.size : size - 1;
		memcpy(text, f.data + f.size - n, n);
		text[n] = '\0';
	}
	return total;
}

static inline bool no_picoprocess(int unused)
{
	(void)unused;
	return picoprocesses() == 0;
}

static inline void set(const char *name, const char *tail)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", scratch, tail);
	setenv(name, path, 1);
}

/* Make the world; its end is world_end(). */
static inline void world_begin(void)
{
	char path[2 * PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", bin, sizeof(bin) - 1);

	/* build/tests/unit/NAME -> build */
	bin[n > 0 ? n : 0] = '\0';
	for (int i = 0; i < 3; i++)
		*strrchr(bin, '/') = '\0';
	snprintf(path, sizeof(path), "%s/tests/fake_leader", bin);
	setenv("GSH_PICOPROCESS", path, 1);
	snprintf(path, sizeof(path), "%s/bin:%s", bin, getenv("PATH"));
	setenv("PATH", path, 1);
	if (!mkdtemp(scratch))
		exit(1);
	set("GSH_STORE", "store");
	set("GSH_RUNTIME", "run");
	set("GSH_MOUNT", "mnt");
	set("GSH_CONFIG", "none");
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* Run the cases on each rung that the host offers. */
static inline void world_rungs(const char *what, void (*cases)(void))
{
	static const char *const rungs[] = { "A", "B" };
	struct confine_note note;

	for (int i = 0; i < 2; i++) {
		if (confine_probe((enum grant_rung) * rungs[i], &note)) {
			printf("ok %s on rung %s # SKIP %s\n", what, rungs[i], note.text);
			continue;
		}
		printf("# rung %s\n", rungs[i]);
		setenv("GSH_RUNG", rungs[i], 1);
		cases();
		nap(200); /* the daemon ends after its answer */
	}
}

/* Stop and remove the sandbox "default", end the daemon. */
static inline void world_stop(void)
{
	struct client *d = daemon_client();
	struct client_reply r;

	CHECK(call(d, "org.gsh.Daemon.Stop", named("default"), &r));
	client_reply_free(&r);
	CHECK(call(d, "org.gsh.Daemon.Remove", named("default"), &r));
	client_reply_free(&r);
	CHECK(call(d, "org.gsh.Daemon.Shutdown", NULL, &r));
	client_reply_free(&r);
	client_close(d);
}

/* Nothing may be left. */
static inline int world_end(const char *what)
{
	char command[PATH_MAX];

	CHECK(no_picoprocess(0));
	snprintf(command, sizeof(command),
		 "test -z \"$(ls %s/store/boxes %s/run/box | grep -v :)\"", scratch, scratch);
	CHECK(system(command) == 0);
	test_case(what);
	snprintf(command, sizeof(command), "rm -rf %s", scratch);
	CHECK(system(command) == 0);
	return test_end();
}

#endif
