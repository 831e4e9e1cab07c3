/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The daemon and its monitors through the client library, with the fake leader: start, run,
 * terminals, detaching, flooding, stopping. On each rung that the host offers.
 */
#include <pty.h>
#include "tests/unit/gshd_box.h"

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
	int64_t session = -1;
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
	nap(200);
	CHECK(!frame_write(fd, FRAME_DATA, "\003", 1));
	/* The screen as it was, drawn anew, and what came since. */
	CHECK(read_frames(fd, &second, text, sizeof(text), &status) > 12 && status == SIGINT);
	CHECK(!strcmp(text, "^C"));
	close(fd);
	test_case("life detach, attach, ^C");
}

static void case_flood(void)
{
	static struct frame_reader reader;
	struct client *b = box("default", false), *c = box("default", false);
	char text[64];
	uint32_t status;
	int64_t session = -1;

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
	CHECK(!strcmp(text, "new 0\nopen 0\nread 3\ngetattr 0\nopen none 2\nlist 0\n"));
	test_case("life terminals are brokered");

	have = 0;
	memset(text, 0, sizeof(text));
	CHECK(run(b, ARGV("setattr"), &out) && finish(b) == 0);
	while ((n = read(out, text + have, sizeof(text) - 1 - have)) > 0)
		have += (size_t)n;
	close(out);
	client_close(b);
	CHECK(strstr(text, "chmod 0\nmode 416\ntimes 0\nmtime 2\nsetx 0\nsetx bad 22\nbase 1\nimage 1\n"));
	test_case("life attributes are changed for the sandbox's own files only");
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

static void cases(void)
{
	case_race();
	case_names();
	case_run();
	CHECK(rung == *getenv("GSH_RUNG"));
	test_case("life the rung asked for is the one taken");
	case_terminal();
	case_flood();
	case_proc();
	case_requests();
	case_stop();
}

int main(void)
{
	world_begin();
	world_rungs("life", cases);
	return world_end("life nothing is left behind");
}
