/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Every party killed with SIGKILL in turn, noise from inside and from outside, throwaway sandboxes:
 * what must survive does, what must end leaves nothing. On each rung that the host offers.
 */
#include "tests/unit/gshd_box.h"

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
	test_case("faults the monitor killed: nothing of the sandbox is left");

	b = box("default", false);
	CHECK(run(b, ARGV("sleep"), &out));
	kill((pid_t)box_int(c = box("default", false), "leader"), SIGKILL);
	CHECK(finish(b) == SIGKILL);
	client_close(b);
	client_close(c);
	close(out);
	CHECK(until(box_gone, 0) && no_picoprocess(0));
	test_case("faults the leader killed: its sessions end, the box is stopped");

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
	test_case("faults gshd killed: the sandbox goes on, a new one finds it");
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
	test_case("faults a violation ends the sandbox with a line in its log");
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
	snprintf(command, sizeof(command),
		 "! grep -q -e Sanitizer -e 'runtime error' %s/store/boxes/default/log", scratch);
	CHECK(system(command) == 0);
	test_case("faults noise from inside ends the sandbox at most");
}

static int open_in(int64_t pid)
{
	char path[64];
	int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	d = opendir(path);
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static void case_ports(void)
{
	struct client *b = box("default", false), *c = box("default", false);
	int out, before = open_in(box_int(b, "pid"));

	CHECK(run(c, ARGV("ports", "100"), &out) && finish(c) == 0);
	CHECK(before > 2 && open_in(box_int(b, "pid")) <= before + 8);
	close(out);
	client_close(b);
	client_close(c);
	test_case("faults ports of splits leave nothing open in the monitor");
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
	test_case("faults garbage harms nobody");
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
	test_case("faults a throwaway sandbox is gone after its command");
}

static void cases(void)
{
	case_killed();
	case_violation();
	case_ports();
	case_garbage();
	case_babble();
	case_ephemeral();
	world_stop();
}

int main(void)
{
	world_begin();
	world_rungs("faults", cases);
	return world_end("faults nothing is left behind");
}
