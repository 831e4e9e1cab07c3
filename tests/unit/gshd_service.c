/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * gshd under a service manager, and in odd places: it takes a socket that is passed, says when it
 * is ready, ends when idle, takes over a dead one's socket; bad settings and places that are not
 * its own give a sentence.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "gshd/client/client.h"
#include "gshd/wire/json.h"
#include "tests/unit/gshd_test.h"

static char scratch[] = "/tmp/gsh-service-XXXXXX", gshd[PATH_MAX], said[1024];

static void in_scratch(char *to, const char *tail)
{
	snprintf(to, PATH_MAX, "%s/%s", scratch, tail);
}

/* Run gshd in the foreground, with a passed socket (or -1), its standard error in a pipe. */
static pid_t launch(int listener, const char *idle, int *err)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC))
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		char number[16];
		dup2(p[1], 2);
		if (listener >= 0) {
			dup2(listener, 3);
			fcntl(3, F_SETFD, 0);
			snprintf(number, sizeof(number), "%d", getpid());
			setenv("LISTEN_PID", number, 1);
			setenv("LISTEN_FDS", "1", 1);
		}
		execl(gshd, "gshd", "--foreground", idle ? "--idle-exit" : NULL, idle,
		      (char *)NULL);
		_exit(127);
	}
	close(p[1]);
	*err = p[0];
	return pid;
}

/* Its exit status, within 5 seconds, and what it said. */
static int finish(pid_t pid, int err)
{
	struct timespec t = { 0, 10000000 };
	int status = -1;

	for (int i = 0; i < 500 && waitpid(pid, &status, WNOHANG) == 0; i++)
		nanosleep(&t, NULL);
	ssize_t n = read(err, said, sizeof(said) - 1);
	said[n > 0 ? n : 0] = '\0';
	close(err);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Start it where it should refuse. */
static int refused(void)
{
	int err = -1;
	pid_t pid = launch(-1, NULL, &err);

	return finish(pid, err);
}

static bool answers(void)
{
	struct client_reply r = { .params = NULL };
	struct client *c = NULL;
	char why[512];
	bool ok = !client_daemon(&c, 0, why, sizeof(why)) &&
		  !client_call(c, "org.gsh.Daemon.GetInfo", NULL, NULL, 0, &r) && !r.error[0];

	client_reply_free(&r);
	client_close(c);
	return ok;
}

static void case_manager(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char path[PATH_MAX], text[64] = "";
	int err = -1, notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd p = { .fd = notify, .events = POLLIN };
	struct stat st;

	in_scratch(path, "run");
	mkdir(path, 0700);
	in_scratch(path, "notify");
	snprintf(a.sun_path, sizeof(a.sun_path), "%.100s", path);
	CHECK(!bind(notify, (struct sockaddr *)&a, sizeof(a)));
	setenv("NOTIFY_SOCKET", path, 1);
	in_scratch(path, "run/gshd.sock");
	int listener = paths_listen(path);
	pid_t pid = launch(listener, NULL, &err);
	CHECK(poll(&p, 1, 5000) == 1 && recv(notify, text, sizeof(text) - 1, 0) > 0 &&
	      !strcmp(text, "READY=1"));
	CHECK(answers());
	kill(pid, SIGTERM);
	CHECK(finish(pid, err) == 0);
	CHECK(!stat(path, &st)); /* it is the manager's */
	close(listener);
	close(notify);
	unsetenv("NOTIFY_SOCKET");
	test_case("service a passed socket, READY=1, SIGTERM");
}

static void case_stale(void)
{
	struct timespec t = { 0, 10000000 };
	bool ok = false;
	int err = -1;

	/* The socket of the case before is nobody's now. */
	CHECK(!answers());
	pid_t pid = launch(-1, "1", &err);
	for (int i = 0; i < 500 && !ok; i++) {
		nanosleep(&t, NULL);
		ok = answers();
	}
	CHECK(ok);
	test_case("service a stale socket is replaced");
	CHECK(finish(pid, err) == 0);
	CHECK(!answers());
	test_case("service it ends when idle");
}

static void case_refused(void)
{
	char path[PATH_MAX];
	int fd;

	in_scratch(path, "conf");
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	CHECK(write(fd, "[Store]\nPaht=/x\n", 16) == 16);
	close(fd);
	setenv("GSH_CONFIG", path, 1);
	CHECK(refused() == 1);
	CHECK(strstr(said, "conf:2: unknown key 'Paht', did you mean 'Path'?"));
	in_scratch(path, "none");
	setenv("GSH_CONFIG", path, 1);
	test_case("service bad settings are told with file and line");

	in_scratch(path, "run2");
	CHECK(!symlink("/tmp", path));
	setenv("GSH_RUNTIME", path, 1);
	CHECK(refused() == 1);
	CHECK(strstr(said, "is not a directory of yours"));
	setenv("GSH_RUNTIME", "relative", 1);
	CHECK(refused() == 1);
	CHECK(strstr(said, "GSH_RUNTIME must be an absolute path"));
	in_scratch(path, "run");
	setenv("GSH_RUNTIME", path, 1);
	setenv("GSH_STORE", "/proc/nowhere", 1);
	CHECK(refused() == 1);
	CHECK(strstr(said, "cannot make the store /proc/nowhere"));
	in_scratch(path, "store");
	setenv("GSH_STORE", path, 1);
	test_case("service places that are not ours are refused in a sentence");
}

int main(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", gshd, sizeof(gshd) - 16);

	gshd[n > 0 ? n : 0] = '\0';
	for (int i = 0; i < 3; i++)
		*strrchr(gshd, '/') = '\0';
	strcat(gshd, "/bin/gshd");
	if (!mkdtemp(scratch))
		return 1;
	in_scratch(path, "store");
	setenv("GSH_STORE", path, 1);
	in_scratch(path, "run");
	setenv("GSH_RUNTIME", path, 1);
	in_scratch(path, "mnt");
	setenv("GSH_MOUNT", path, 1);
	in_scratch(path, "none");
	setenv("GSH_CONFIG", path, 1);
	signal(SIGPIPE, SIG_IGN);
	case_manager();
	case_stale();
	case_refused();
	snprintf(path, sizeof(path), "rm -rf %s", scratch);
	CHECK(system(path) == 0);
	return test_end();
}
