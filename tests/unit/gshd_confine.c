/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Confinement from inside: a fake leader on each rung tries what it may and what it may not
 * (fake_leader.c, "try"), each by its own system call instruction in the host-call page, as a
 * taken-over picoprocess would.
 *
 * Runs build/tests/pico and build/tests/fake_leader, which lie beside this program's directory.
 */
#include <dirent.h>
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
#include <unistd.h>
#include "pal/confine/confine.h"
#include "tests/unit/gshd_test.h"

#define KILLED (128 + SIGSYS)
#define WORKS (-1000000)
#define FAILS (-1000001) /* with whatever errno */

static char here[PATH_MAX], outside[64], host_socket[64];

struct outcome {
	int status;
	long result; /* the number that the call gave */
};

/* Run `try ARG...` on a rung. */
static struct outcome try(char rung, const char *const *args)
{
	struct outcome o = { -1, 0 };
	char pico[PATH_MAX + 16], image[PATH_MAX + 16], r[2] = { rung, 0 }, text[4096];
	const char *argv[24] = { pico, "--rung", r, "--image", image, "--", "try" };
	int out[2], n = 7;
	size_t have = 0;
	ssize_t got;

	snprintf(pico, sizeof(pico), "%s/pico", here);
	snprintf(image, sizeof(image), "%s/fake_leader", here);
	while (*args)
		argv[n++] = *args++;
	if (pipe2(out, O_CLOEXEC))
		return o;
	pid_t pid = fork();
	if (pid == 0) {
		dup2(open("/dev/null", O_RDONLY), 0);
		dup2(out[1], 1);
		execv(pico, (char **)argv);
		_exit(124);
	}
	close(out[1]);
	while ((got = read(out[0], text + have, sizeof(text) - 1 - have)) > 0)
		have += (size_t)got;
	close(out[0]);
	text[have] = '\0';
	waitpid(pid, &o.status, 0);
	o.status = WEXITSTATUS(o.status);
	char *space = strrchr(text, ' ');
	o.result = space ? atol(space) : 0;
	return o;
}

static const struct {
	const char *args[3];
	long a, b; /* WORKS, FAILS, KILLED or -errno */
} tries[] = {
	{ { "read", "etc/passwd" }, WORKS, WORKS },
	{ { "absolute" }, -ENOENT, WORKS /* but Landlock decides, as below the base */ },
	{ { "write", "etc/passwd" }, FAILS, FAILS },
	{ { "create", "tmp/gsh-escape" }, FAILS, FAILS },
	{ { "list", "proc/1" }, FAILS, FAILS },
	{ { "list", "sys/kernel" }, FAILS, FAILS },
	{ { "list", "sys/devices/system/cpu" }, WORKS, WORKS },
	{ { "list", "run/lock" }, FAILS, FAILS },
	{ { "read", "dev/null" }, FAILS, FAILS },
	{ { "own" }, WORKS, WORKS },
	{ { "whiteout" }, 0, 0 },
	{ { "rename" }, 0, 0 },
	{ { "shm" }, WORKS, WORKS },
	{ { "pid" }, WORKS, WORKS },
	{ { "device" }, KILLED, KILLED },
	{ { "block" }, KILLED, KILLED },
	{ { "cwd" }, KILLED, KILLED },
	{ { "close-image" }, KILLED, KILLED },
	{ { "close-image-high" }, KILLED, KILLED },
	{ { "dup-image" }, KILLED, KILLED },
	{ { "close-range" }, KILLED, KILLED },
	{ { "execve" }, KILLED, KILLED },
	{ { "execveat" }, KILLED, KILLED },
	{ { "netlink" }, KILLED, KILLED },
	{ { "socket" }, WORKS, KILLED },
	{ { "bind" }, 0, KILLED },
	{ { "connect", host_socket }, -ENOENT, KILLED },
	{ { "fchdir" }, KILLED, KILLED },
	{ { "unshare" }, KILLED, KILLED },
	{ { "clone-ns" }, KILLED, KILLED },
	{ { "setuid-bit" }, KILLED, KILLED },
	{ { "ptrace" }, KILLED, KILLED },
	{ { "sti" }, KILLED, KILLED },
	{ { "libc" }, KILLED, KILLED }, /* traps, and the fake leader has no handler */
	{ { "kill", outside }, FAILS, FAILS },
	{ { "kill-all" }, KILLED, KILLED },
};

static void check_one(char rung, const char *const *args, long expect)
{
	struct outcome o = try(rung, args);
	char name[128];
	bool fits;

	if (expect == KILLED)
		fits = o.status == KILLED;
	else if (expect == WORKS)
		fits = o.status == 0 && o.result >= 0;
	else if (expect == FAILS)
		fits = o.status == 0 && o.result < 0 && o.result > -1000;
	else
		fits = o.status == 0 && o.result == expect;
	if (!fits)
		printf("# status %d, result %ld\n", o.status, o.result);
	CHECK(fits);
	snprintf(name, sizeof(name), "confine %c %s %.60s", rung, args[0], args[1] ? args[1] : "");
	test_case(name);
}

/* A service of the host's, reachable by path to whoever can name it. */
static int host_service(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(host_socket, sizeof(host_socket), "/tmp/gsh-test-%d.sock", getpid());
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", host_socket);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 1))
		return -1;
	return fd;
}

int main(void)
{
	static const char rungs[] = "AB";
	struct confine_note note;
	ssize_t n = readlink("/proc/self/exe", here, sizeof(here) - 1);
	struct stat st;
	int fd;

	here[n > 0 ? n : 0] = '\0';
	*strrchr(here, '/') = '\0';
	*strrchr(here, '/') = '\0';
	fd = host_service();
	pid_t sleeper = fork();
	if (sleeper == 0)
		for (;;)
			pause();
	snprintf(outside, sizeof(outside), "%d", sleeper);
	for (int r = 0; rungs[r]; r++) {
		if (confine_probe((enum grant_rung)rungs[r], &note)) {
			printf("ok confine %c # SKIP %s\n", rungs[r], note.text);
			continue;
		}
		for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++)
			check_one(rungs[r], tries[i].args,
				  rungs[r] == 'A' ? tries[i].a : tries[i].b);
	}
	CHECK(stat("/tmp/gsh-escape", &st) && errno == ENOENT);
	CHECK(!kill(sleeper, 0));
	test_case("confine the host is untouched");
	kill(sleeper, SIGKILL);
	waitpid(sleeper, NULL, 0);
	close(fd);
	unlink(host_socket);
	return test_end();
}
