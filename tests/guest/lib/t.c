// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * What every guest program shares: see t.h.
 */
#include "t.h"

#include <stdarg.h>
#include <sys/time.h>

enum { TEST_SECONDS = 25 };

char t_self[4096];
static int failures; /* of this process; the runner counts the FAIL lines of all */

void say(const char *fmt, ...)
{
	char line[8192];
	va_list ap;
	int saved = errno;

	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (write(1, line, n) != n)
		_exit(99);
	errno = saved;
}

static void fail(int line, const char *text, const char *detail)
{
	failures++;
	say("FAIL line %d: %s: %s", line, text, detail);
}

void t_eq(const char *text, long long got, long long want, int line)
{
	int err = errno;

	if (got == want) {
		say("ok   %s", text);
		return;
	}
	char detail[128];
	snprintf(detail, sizeof(detail), "got %lld (%s), want %lld", got, got == -1 ? t_errname(err) : "-", want);
	fail(line, text, detail);
}

void t_fails(const char *text, long long got, int err, int want, int line)
{
	if (got == -1 && err == want) {
		say("ok   %s: %s", text, t_errname(want));
		return;
	}
	char detail[128];
	snprintf(detail, sizeof(detail), "got %lld %s, want %s", got, t_errname(err), t_errname(want));
	fail(line, text, detail);
}

void t_ok(const char *text, bool good, int line)
{
	if (good)
		say("ok   %s", text);
	else
		fail(line, text, "is false");
}

void t_eqs(const char *text, const char *got, const char *want, int line)
{
	if (got && !strcmp(got, want)) {
		say("ok   %s: %s", text, want);
		return;
	}
	char detail[2048];
	snprintf(detail, sizeof(detail), "got \"%.900s\", want \"%.900s\"", got ? got : "(null)", want);
	fail(line, text, detail);
}

void t_must(const char *text, int err, int line)
{
	fail(line, text, t_errname(err));
	_exit(98);
}

void t_show(const char *label, long long got, int err)
{
	if (got == -1)
		say("%s: %s", label, t_errname(err));
	else
		say("%s: %lld", label, got);
}

const char *t_errname(int err)
{
	static const struct {
		int value;
		const char *name;
	} names[] = {
#define E(x) { x, #x }
		E(EPERM), E(ENOENT), E(ESRCH), E(EINTR), E(EIO), E(ENXIO), E(E2BIG), E(ENOEXEC), E(EBADF),
		E(ECHILD), E(EAGAIN), E(ENOMEM), E(EACCES), E(EFAULT), E(ENOTBLK), E(EBUSY), E(EEXIST), E(EXDEV),
		E(ENODEV), E(ENOTDIR), E(EISDIR), E(EINVAL), E(ENFILE), E(EMFILE), E(ENOTTY), E(ETXTBSY), E(EFBIG),
		E(ENOSPC), E(ESPIPE), E(EROFS), E(EMLINK), E(EPIPE), E(EDOM), E(ERANGE), E(EDEADLK),
		E(ENAMETOOLONG), E(ENOLCK), E(ENOSYS), E(ENOTEMPTY), E(ELOOP), E(ENODATA), E(ENOMSG), E(EIDRM), E(EOVERFLOW), E(EILSEQ),
		E(ENOTSOCK), E(EDESTADDRREQ), E(EMSGSIZE), E(EPROTOTYPE), E(ENOPROTOOPT), E(EPROTONOSUPPORT),
		E(EOPNOTSUPP), E(EAFNOSUPPORT), E(EADDRINUSE), E(EADDRNOTAVAIL), E(ECONNRESET), E(EISCONN),
		E(ENOTCONN), E(ETIMEDOUT), E(ECONNREFUSED), E(EALREADY), E(EINPROGRESS), E(ESTALE), E(ECANCELED),
		E(EOWNERDEAD), E(ENOTRECOVERABLE), E(EUSERS), E(EDQUOT), E(EBADFD), E(ESOCKTNOSUPPORT),
#undef E
	};
	static char other[32];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].value == err)
			return names[i].name;
	snprintf(other, sizeof(other), "errno %d", err);
	return other;
}

const char *t_signame(int sig)
{
	static const char *const names[] = {
		"0", "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL",
		"SIGUSR1", "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT",
		"SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF",
		"SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS",
	};
	static char other[32];

	if (sig >= 0 && sig < (int)(sizeof(names) / sizeof(names[0])))
		return names[sig];
	snprintf(other, sizeof(other), "signal %d", sig);
	return other;
}

const char *t_status(int status)
{
	static char text[64];

	if (WIFEXITED(status))
		snprintf(text, sizeof(text), "exit %d", WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "killed by %s", t_signame(WTERMSIG(status)));
	else if (WIFSTOPPED(status))
		snprintf(text, sizeof(text), "stopped by %s", t_signame(WSTOPSIG(status)));
	else if (WIFCONTINUED(status))
		snprintf(text, sizeof(text), "continued");
	else
		snprintf(text, sizeof(text), "status 0x%x", status);
	return text;
}

pid_t t_fork(int (*fn)(void *), void *arg)
{
	pid_t pid = must(fork());

	if (pid == 0)
		_exit(fn(arg));
	return pid;
}

const char *t_wait(pid_t pid)
{
	int status = 0;
	pid_t got;

	do
		got = waitpid(pid, &status, 0);
	while (got == -1 && errno == EINTR);
	if (got != pid)
		return got == -1 ? t_errname(errno) : "some other child";
	return t_status(status);
}

void t_write_file(const char *path, const char *text)
{
	int fd = must(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
	size_t n = strlen(text);

	if (write(fd, text, n) != (ssize_t)n)
		t_must("write", errno, 0);
	close(fd);
}

const char *t_read_file(const char *path)
{
	static char text[65536];
	size_t have = 0;
	ssize_t n;
	int fd = open(path, O_RDONLY);

	if (fd < 0) {
		snprintf(text, sizeof(text), "(%s)", t_errname(errno));
		return text;
	}
	while ((n = read(fd, text + have, sizeof(text) - 1 - have)) > 0)
		have += n;
	close(fd);
	text[have] = 0;
	return text;
}

void t_sleep_ms(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&ts, &ts) == -1 && errno == EINTR)
		;
}

void t_asleep(pid_t pid, int ms)
{
	char path[40], line[512], *state;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	t_sleep_ms(ms);
	for (int i = 0; i < 500; i++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

		close(fd);
		if (n <= 0)
			return;
		line[n] = 0;
		state = strrchr(line, ')');
		if (!state || state[2] != 'R')
			return;
		t_sleep_ms(10);
	}
}

long long t_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

bool t_root(void)
{
	return geteuid() == 0;
}

void gate_init(struct gate *g)
{
	must(pipe2(g->fd, O_CLOEXEC));
}

void gate_open(struct gate *g)
{
	if (write(g->fd[1], "g", 1) != 1)
		t_must("gate_open", errno, __LINE__);
}

bool gate_wait(struct gate *g)
{
	char c;
	ssize_t n;

	do
		n = read(g->fd[0], &c, 1);
	while (n == -1 && errno == EINTR);
	return n == 1;
}

static int run_one(const struct t_test *test)
{
	say("== %s", test->name);
	if (mkdir(test->name, 0777) != 0) {
		say("FAIL mkdir %s: %s", test->name, t_errname(errno));
		return 1;
	}
	pid_t pid = fork();
	if (pid == -1) {
		say("FAIL fork: %s", t_errname(errno));
		return 1;
	}
	if (pid == 0) {
		setpgid(0, 0);
		if (chdir(test->name) != 0)
			_exit(97);
		alarm(TEST_SECONDS);
		failures = 0;
		test->run();
		_exit(failures ? 1 : 0);
	}
	setpgid(pid, pid);
	int status = 0;
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	kill(-pid, SIGKILL);
	say("-- %s: %s", test->name, t_status(status));
	return status ? 1 : 0;
}

int t_main(int argc, char **argv, const struct t_test *tests, size_t count, int (*helper)(int, char **))
{
	if (argc > 1 && !strcmp(argv[1], "helper") && helper)
		return helper(argc, argv);
	if (!realpath(argv[0], t_self))
		snprintf(t_self, sizeof(t_self), "%s", argv[0]);
	umask(022);
	signal(SIGPIPE, SIG_DFL);

	int bad = 0;
	for (size_t i = 0; i < count; i++)
		if (argc < 2 || !strcmp(argv[1], tests[i].name))
			bad += run_one(&tests[i]);
	say("%s", bad ? "some tests failed" : "all tests passed");
	return bad ? 1 : 0;
}
