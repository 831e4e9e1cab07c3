/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The daemon and its monitors through the client library, with the fake leader: start, run,
 * terminals, detaching, flooding, stopping; and every party killed with SIGKILL in turn. On each
 * rung that the host offers.
 *
 * Everything lies in a scratch directory; nothing may be left behind.
 */
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
#include "gshd/json.h"
#include "pal/confine/confine.h"
#include "tests/unit/gshd_test.h"

static char scratch[] = "/tmp/gsh-life-XXXXXX", bin[PATH_MAX], why[1024];
static char rung;

static void nap(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

/* Until fn(arg) holds, at most 5 seconds. */
static bool until(bool (*fn)(int arg), int arg)
{
	for (int i = 0; i < 500; i++) {
		if (fn(arg))
			return true;
		nap(10);
	}
	return false;
}

static bool is_dead(int pid)
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

/* A client's sockets are close-on-exec and so are ours: count processes of the leader's image that
 * are alive. */
static int picoprocesses(void)
{
	struct dirent *e;
	DIR *d = opendir("/proc");
	int n = 0;

	while (d && (e = readdir(d))) {
		char path[300], exe[PATH_MAX];
		snprintf(path, sizeof(path), "/proc/%s/exe", e->d_name);
		ssize_t got = readlink(path, exe, sizeof(exe) - 1);
		exe[got > 0 ? got : 0] = '\0';
		if (got > 0 && !strncmp(exe, bin, strlen(bin)) && strstr(exe, "fake_leader") &&
		    !is_dead(atoi(e->d_name)))
			n++;
	}
	if (d)
		closedir(d);
	return n;
}

static bool no_picoprocess(int unused)
{
	(void)unused;
	return picoprocesses() == 0;
}

/* ---- short forms ---- */

static struct client *daemon_client(void)
{
	struct client *c;

	if (client_daemon(&c, CLIENT_START, why, sizeof(why))) {
		printf("# %s\n", why);
		return NULL;
	}
	return c;
}

static bool call(struct client *c, const char *method, struct json_object *params,
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

static struct json_object *named(const char *name)
{
	struct json_object *p = json_object_new_object();

	json_put_str(p, "name", name);
	return p;
}

/* Start a sandbox and connect to its monitor. It may end between the two: then again. */
static struct client *box(const char *name, bool ephemeral)
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

static int64_t box_int(struct client *b, const char *what)
{
	struct client_reply r;
	int64_t v = call(b, "org.gsh.Box.GetInfo", NULL, &r) ? json_int(r.params, what, -1) : -1;

	client_reply_free(&r);
	return v;
}

static struct json_object *run_params(const char *const *argv, bool tty)
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
static bool run(struct client *b, const char *const *argv, int *out)
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
static int64_t finish(struct client *b)
{
	struct client_reply r;
	int64_t status = client_receive(b, &r) ? -1 : json_int(r.params, "status", -1);

	client_reply_free(&r);
	return status;
}

static int run_tty(struct client *b, const char *const *argv, struct frame_reader *reader,
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
static size_t read_frames(int fd, struct frame_reader *reader, char *text, size_t size,
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

/* ---- cases ---- */

static void case_race(void)
{
	char lock[PATH_MAX];
	pid_t pids[8];
	int status;

	for (int i = 0; i < 8; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct client *c = daemon_client();
			struct client_reply r;
			_exit(!c || !call(c, "org.gsh.Daemon.GetInfo", NULL, &r));
		}
	}
	for (int i = 0; i < 8; i++) {
		waitpid(pids[i], &status, 0);
		CHECK(status == 0);
	}
	test_case("life eight clients start one daemon");
	snprintf(lock, sizeof(lock), "gshd 2>%s/said", scratch);
	CHECK(WEXITSTATUS(system(lock)) == 1);
	snprintf(lock, sizeof(lock),
		 "grep -q 'another gshd (process [0-9]*) already serves' %s/said", scratch);
	CHECK(system(lock) == 0);
	test_case("life a second gshd is refused in a sentence");
}

static void case_names(void)
{
	static const char *const bad[] = {
		"",	    ".x",
		"-x",	    "a/b",
		"a b",	    "..",
		"\xc3\xa9", "0123456789012345678901234567890123456789012345678901234567890123"
	};
	struct client *d = daemon_client();
	struct client_reply r;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct json_object *p = named(bad[i]);
		json_put_bool(p, "create", true);
		CHECK(!client_call(d, "org.gsh.Daemon.Start", p, NULL, 0, &r) &&
		      !strcmp(r.error, "org.gsh.BadRequest"));
		client_reply_free(&r);
	}
	CHECK(!client_call(d, "org.gsh.Daemon.Start", named("nope"), NULL, 0, &r) &&
	      !strcmp(r.error, "org.gsh.NoSuchSandbox"));
	client_reply_free(&r);
	CHECK(!client_call(d, "org.gsh.Daemon.Nope", NULL, NULL, 0, &r) &&
	      !strcmp(r.error, "org.varlink.service.MethodNotFound"));
	client_reply_free(&r);
	client_close(d);
	test_case("life bad names and methods are refused");
}

static void case_run(void)
{
	struct client *b = box("default", false);
	char text[64] = "";
	int out;

	CHECK(run(b, ARGV("echo", "hello", "there"), &out));
	CHECK(finish(b) == 0);
	CHECK(read(out, text, sizeof(text) - 1) == 12 && !strcmp(text, "hello there\n"));
	close(out);
	CHECK(run(b, ARGV("exit", "3"), &out));
	CHECK(finish(b) == 3 << 8);
	close(out);
	test_case("life programs run and their status comes back");

	struct client_reply r;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fds[3] = { null, null, null };
	CHECK(!client_call(b, "org.gsh.Box.Run", run_params(ARGV("nonesuch"), false), fds, 3, &r));
	CHECK(!strcmp(r.error, "org.gsh.ExecFailed") && json_int(r.params, "errno", 0) == ENOENT);
	client_reply_free(&r);
	int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fds[0] = dir;
	CHECK(!client_call(b, "org.gsh.Box.Run", run_params(ARGV("echo"), false), fds, 3, &r));
	CHECK(!strcmp(r.error, "org.gsh.BadRequest"));
	client_reply_free(&r);
	CHECK(!client_call(b, "org.gsh.Box.Run", run_params(ARGV("echo"), false), fds, 2, &r));
	CHECK(!strcmp(r.error, "org.gsh.BadRequest"));
	client_reply_free(&r);
	close(dir);
	close(null);
	test_case("life what cannot run says so; a directory is not handed in");

	struct json_object *p = run_params(ARGV("echo", "big"), false),
			   *env = json_object_new_array();
	char *large = malloc(300001);
	memset(large, 'x', 300000);
	large[300000] = '\0';
	json_object_array_add(env, json_object_new_string(large));
	free(large);
	json_object_object_add(p, "env", env);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[0] = fds[1] = fds[2] = null;
	CHECK(!client_call(b, "org.gsh.Box.Run", p, fds, 3, &r) && !r.error[0] &&
	      json_int(r.params, "status", -1) == 0);
	client_reply_free(&r);
	close(null);
	client_close(b);
	test_case("life a large environment goes by memfd");
}

static void case_terminal(void)
{
	struct frame_reader reader = { 0 }, second = { 0 };
	struct client *b = box("default", false), *c = box("default", false);
	struct client_reply r;
	char text[256];
	uint32_t status;
	int64_t session;
	int fd = run_tty(b, ARGV("size"), &reader, &session);

	CHECK(fd >= 0);
	read_frames(fd, &reader, text, sizeof(text), &status);
	CHECK(!strcmp(text, "size 31 97 0\r\n") && status == 0);
	close(fd);
	test_case("life the window's size is known from the first moment");

	b = box("default", false);
	reader.have = reader.used = 0;
	fd = run_tty(b, ARGV("cat"), &reader, &session);
	CHECK(!frame_write(fd, FRAME_DATA, "abc\n", 4));
	nap(200);
	CHECK(!frame_write(fd, FRAME_DETACH, NULL, 0));
	CHECK(read_frames(fd, &reader, text, sizeof(text), &status) == 10 && status == ~0u);
	close(fd);
	struct json_object *p = json_object_new_object();
	json_put_int(p, "session", session);
	CHECK(!client_send(c, "org.gsh.Box.Attach", p, CLIENT_UPGRADE, NULL, 0) &&
	      !client_receive(c, &r) && !r.error[0]);
	client_reply_free(&r);
	fd = client_upgrade(c, &second);
	CHECK(!frame_write(fd, FRAME_DATA, "\003", 1));
	CHECK(read_frames(fd, &second, text, sizeof(text), &status) == 12 && status == SIGINT);
	close(fd);
	test_case("life detach, attach, ^C");
}

static void case_flood(void)
{
	static struct frame_reader reader;
	struct client *b = box("default", false), *c = box("default", false);
	char text[64];
	uint32_t status;
	int64_t session;

	reader.have = reader.used = 0;
	int fd = run_tty(b, ARGV("flood", "300"), &reader, &session);
	nap(500); /* nobody reads: it must be held back */
	struct client_reply r;
	CHECK(call(c, "org.gsh.Box.Sessions", NULL, &r));
	struct json_object *items = json_get(r.params, "items", json_type_array);
	CHECK(items && !json_flag(json_object_array_get_idx(items, 0), "exited", true));
	client_reply_free(&r);
	CHECK(read_frames(fd, &reader, text, sizeof(text), &status) == 300 * 65536 + 11 &&
	      status == 0);
	close(fd);
	client_close(c);
	test_case("life a flood is held back, and all of it arrives");
}

static void case_proc(void)
{
	struct client *b = box("default", false);
	struct client_reply r;
	struct json_object *p = json_object_new_object();

	json_put_str(p, "path", "uptime");
	CHECK(call(b, "org.gsh.Box.ProcRead", p, &r) &&
	      !strcmp(json_str(r.params, "data_b64", ""), "MTIuMyA0NS42Cg=="));
	client_reply_free(&r);
	CHECK(call(b, "org.gsh.Box.Processes", NULL, &r));
	client_reply_free(&r);
	p = json_object_new_object();
	json_put_str(p, "path", "none");
	CHECK(!client_call(b, "org.gsh.Box.ProcStat", p, NULL, 0, &r) &&
	      !strcmp(r.error, "org.gsh.Errno") && json_int(r.params, "errno", 0) == ENOENT);
	client_reply_free(&r);
	client_close(b);
	test_case("life the sandbox's /proc is asked of the leader");
}

static void case_requests(void)
{
	struct client *b = box("default", false);
	char text[512] = "";
	size_t have = 0;
	ssize_t n;
	int out;

	CHECK(run(b, ARGV("tty"), &out) && finish(b) == 0);
	while ((n = read(out, text + have, sizeof(text) - 1 - have)) > 0)
		have += (size_t)n;
	close(out);
	CHECK(!strcmp(text, "new 0\nread 3\ngetattr 0\nopen 0\nopen none 2\nlist 0\n"));
	test_case("life terminals are brokered");

	have = 0;
	memset(text, 0, sizeof(text));
	CHECK(run(b, ARGV("setattr"), &out) && finish(b) == 0);
	while ((n = read(out, text + have, sizeof(text) - 1 - have)) > 0)
		have += (size_t)n;
	close(out);
	client_close(b);
	if (rung == 'B')
		CHECK(strstr(text, "chmod 0\nmode 416\ntimes 0\nmtime 2\nsetx 0\nsetx bad 22\nbase "
				   "1\nimage 1\n"));
	else
		CHECK(strstr(text, "chmod 95\n") && strstr(text, "base 95\n"));
	test_case("life attributes are changed for the sandbox's own files only");
}

static bool box_gone(int unused)
{
	struct client *d = daemon_client();
	struct client_reply r;
	bool gone = false;

	(void)unused;
	if (d && call(d, "org.gsh.Daemon.List", NULL, &r)) {
		struct json_object *items = json_get(r.params, "items", json_type_array);
		gone = items && json_object_array_length(items) == 1 &&
		       !strcmp(json_str(json_object_array_get_idx(items, 0), "state", ""),
			       "stopped");
	}
	client_reply_free(&r);
	client_close(d);
	return gone;
}

static void case_killed(void)
{
	struct client *b = box("default", false), *c = box("default", false);
	int out, out2;
	int64_t pid = box_int(b, "pid");

	CHECK(run(b, ARGV("sleep"), &out) && run(c, ARGV("orphan"), &out2) && finish(c) == 0);
	CHECK(picoprocesses() >= 3);
	kill((pid_t)pid, SIGKILL);
	CHECK(until(no_picoprocess, 0));
	CHECK(finish(b) == -1);
	client_close(b);
	client_close(c);
	close(out);
	close(out2);
	test_case("life the monitor killed: nothing of the sandbox is left");

	b = box("default", false);
	CHECK(run(b, ARGV("sleep"), &out));
	kill((pid_t)box_int(c = box("default", false), "leader"), SIGKILL);
	CHECK(finish(b) == SIGKILL);
	client_close(b);
	client_close(c);
	close(out);
	CHECK(until(box_gone, 0) && no_picoprocess(0));
	test_case("life the leader killed: its sessions end, the box is stopped");

	b = box("default", false);
	CHECK(run(b, ARGV("sleep"), &out));
	struct client *d = daemon_client();
	struct client_reply r;
	CHECK(call(d, "org.gsh.Daemon.GetInfo", NULL, &r));
	pid_t gshd = (pid_t)json_int(r.params, "pid", 0);
	client_reply_free(&r);
	client_close(d);
	kill(gshd, SIGKILL);
	CHECK(until(is_dead, gshd));
	pid = box_int(c = box("default", false), "pid"); /* a new gshd finds it running */
	struct json_object *p = json_object_new_object();
	json_put_int(p, "pid", -1);
	json_put_int(p, "signal", SIGTERM);
	CHECK(pid > 1 && call(c, "org.gsh.Box.Signal", p, &r));
	client_reply_free(&r);
	CHECK(finish(b) == SIGTERM);
	client_close(b);
	client_close(c);
	close(out);
	test_case("life gshd killed: the sandbox goes on, a new one finds it");
}

static void case_violation(void)
{
	struct client *b = box("default", false);
	char command[PATH_MAX];
	int out;

	CHECK(!run(b, ARGV("violate"), &out));
	close(out);
	client_close(b);
	CHECK(until(box_gone, 0) && no_picoprocess(0));
	snprintf(command, sizeof(command),
		 "grep -q 'broke the protocol' %s/store/boxes/default/log", scratch);
	CHECK(system(command) == 0);
	test_case("life a violation ends the sandbox with a line in its log");
}

/* Noise from inside: the sandbox may end by it, the monitor may not fall. */
static void case_babble(void)
{
	char seed[16], command[PATH_MAX];
	int out;

	for (int i = 0; i < 60; i++) {
		struct client *b = box("default", false);
		snprintf(seed, sizeof(seed), "%d", i);
		if (run(b, i % 2 ? ARGV("babble", seed) : ARGV("babble-control", seed), &out))
			finish(b);
		close(out);
		client_close(b);
	}
	struct client *b = box("default", false);
	CHECK(box_int(b, "leader") > 1);
	client_close(b);
	snprintf(command, sizeof(command), "! grep -q -e Sanitizer -e 'runtime error' %s/store/boxes/default/log", scratch);
	CHECK(system(command) == 0);
	test_case("life noise from inside ends the sandbox at most");
}

static void case_garbage(void)
{
	struct client *b = box("default", false), *g;
	char socket[PATH_MAX], bytes[512], *large;
	unsigned seed = 7;

	snprintf(socket, sizeof(socket), "%s/run/box/default.sock", scratch);
	for (int i = 0; i < 300; i++) {
		if (client_open(&g, socket))
			continue;
		for (size_t k = 0; k < sizeof(bytes); k++)
			bytes[k] = (char)rand_r(&seed);
		bytes[(unsigned)rand_r(&seed) % sizeof(bytes)] = '\0';
		(void)!send(client_fd(g), bytes, sizeof(bytes), MSG_NOSIGNAL);
		client_close(g);
	}
	large = malloc(2 << 20);
	memset(large, '[', 2 << 20);
	CHECK(!client_open(&g, socket));
	(void)!send(client_fd(g), large, 2 << 20, MSG_NOSIGNAL);
	client_close(g);
	free(large);
	CHECK(box_int(b, "leader") > 1);
	client_close(b);
	test_case("life garbage harms nobody");
}

static void case_ephemeral(void)
{
	struct client *b = box("", true);
	char path[PATH_MAX];
	int out;

	CHECK(run(b, ARGV("exit", "7"), &out) && finish(b) == 7 << 8);
	close(out);
	client_close(b);
	for (int i = 0; i < 300; i++) {
		snprintf(path, sizeof(path), "test \"$(ls %s/store/boxes)\" = default", scratch);
		if (system(path) == 0)
			break;
		nap(10);
	}
	CHECK(system(path) == 0);
	test_case("life a throwaway sandbox is gone after its command");
}

static void case_stop(void)
{
	struct client *b = box("default", false), *d = daemon_client();
	struct client_reply r;
	int out;

	CHECK(run(b, ARGV("sleep"), &out));
	CHECK(!client_call(d, "org.gsh.Daemon.Remove", named("default"), NULL, 0, &r) &&
	      !strcmp(r.error, "org.gsh.Conflict"));
	client_reply_free(&r);
	CHECK(call(d, "org.gsh.Daemon.Stop", named("default"), &r));
	client_reply_free(&r);
	CHECK(finish(b) > 0 && no_picoprocess(0));
	close(out);
	client_close(b);
	CHECK(call(d, "org.gsh.Daemon.Stop", named("default"), &r)); /* twice is fine */
	client_reply_free(&r);
	CHECK(call(d, "org.gsh.Daemon.Remove", named("default"), &r));
	client_reply_free(&r);
	CHECK(!client_call(d, "org.gsh.Daemon.Remove", named("default"), NULL, 0, &r) &&
	      !strcmp(r.error, "org.gsh.NoSuchSandbox"));
	client_reply_free(&r);
	CHECK(call(d, "org.gsh.Daemon.Shutdown", NULL, &r));
	client_reply_free(&r);
	client_close(d);
	test_case("life stop, remove, shut down");
}

static void one_rung(const char *which)
{
	struct confine_note note;

	if (confine_probe((enum grant_rung) * which, &note)) {
		printf("ok life on rung %s # SKIP %s\n", which, note.text);
		return;
	}
	printf("# rung %s\n", which);
	setenv("GSH_RUNG", which, 1);
	case_race();
	case_names();
	case_run();
	CHECK(rung == *which);
	test_case("life the rung asked for is the one taken");
	case_terminal();
	case_flood();
	case_proc();
	case_requests();
	case_killed();
	case_violation();
	case_garbage();
	case_babble();
	case_ephemeral();
	case_stop();
	nap(200); /* the daemon ends after its answer */
}

static void set(const char *name, const char *tail)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", scratch, tail);
	setenv(name, path, 1);
}

int main(void)
{
	char path[2 * PATH_MAX], command[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", bin, sizeof(bin) - 1);

	/* build/tests/unit/gshd_life -> build */
	bin[n > 0 ? n : 0] = '\0';
	for (int i = 0; i < 3; i++)
		*strrchr(bin, '/') = '\0';
	snprintf(path, sizeof(path), "%s/tests/fake_leader", bin);
	setenv("GSH_PICOPROCESS", path, 1);
	snprintf(path, sizeof(path), "%s/bin:%s", bin, getenv("PATH"));
	setenv("PATH", path, 1);
	if (!mkdtemp(scratch))
		return 1;
	set("GSH_STORE", "store");
	set("GSH_RUNTIME", "run");
	set("GSH_MOUNT", "mnt");
	set("GSH_CONFIG", "none");
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	one_rung("A");
	one_rung("B");
	CHECK(no_picoprocess(0));
	snprintf(command, sizeof(command),
		 "test -z \"$(ls %s/store/boxes %s/run/box | grep -v :)\"", scratch, scratch);
	CHECK(system(command) == 0);
	test_case("life nothing is left behind");
	snprintf(command, sizeof(command), "rm -rf %s", scratch);
	CHECK(system(command) == 0);
	return test_end();
}
