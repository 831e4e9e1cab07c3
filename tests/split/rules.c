// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * What a split answers, and what it leaves. Every check runs in a process of its own, made by fork, since most end split.
 *
 *   rules DIR      DIR holds a/f, a-b/f, l (a link to a), both files
 *
 * A line for each check; the status is 1 if one failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SPLIT_OK 0

static char dir[PATH_MAX];

static int split(const char *fmt, const char *arg)
{
	char text[4096 + 16];
	int fd = open("/proc/self/sandbox", O_WRONLY | O_CLOEXEC), r;

	if (fd < 0)
		return errno;
	snprintf(text, sizeof(text) - 16, fmt, dir, arg, arg);
	strcat(text, "\nkeep 1\n"); /* to tell what went wrong */
	r = write(fd, text, strlen(text)) < 0 ? errno : 0;
	close(fd);
	return r;
}

static int opens(const char *name, int flags)
{
	char path[2 * PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

#define EXPECT(what, value)                                                             \
	do {                                                                            \
		int got_ = (what);                                                      \
		if (got_ != (value)) {                                                  \
			printf("# %s: %s is %d, not %d\n", __func__, #what, got_, value); \
			return 1;                                                       \
		}                                                                       \
	} while (0)

/* ---- what is not a policy, and what is not less ---- */

static int malformed(void)
{
	static const char *const bad[] = {
		"files", "files a ro", "files %s/a", "files %s/a wo", "network", "network maybe", "network none none",
		"streams all", "keep x", "keep -1", "keep 99999999999", "grant all", "files /proc ro", "files /dev/null rw",
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		EXPECT(split(bad[i], ""), EINVAL);
	EXPECT(split("files %s/none ro", ""), ENOENT);
	/* Nothing has come of all that. */
	EXPECT(opens("a-b/f", O_RDWR), 0);
	return 0;
}

static int subset(void)
{
	EXPECT(split("files %s/a ro\nfiles %1$s/a-b ro", ""), 0);
	EXPECT(split("files %s rw", ""), EPERM);
	EXPECT(split("files %s ro", ""), EPERM);
	EXPECT(split("files / ro", ""), EPERM);
	EXPECT(split("files %s/a/.. ro", ""), EPERM);
	EXPECT(split("files %s/a/../a/../ ro", ""), EPERM);
	EXPECT(split("files %s/a rw", ""), EPERM);
	EXPECT(split("files %s/a/f rw", ""), EPERM);
	EXPECT(split("network keep", ""), EPERM);
	EXPECT(split("files %s/a ro\nfiles /etc ro", ""), EPERM);
	/* Still as it was; and less of it goes, again and again. */
	EXPECT(opens("a-b/f", O_RDONLY), 0);
	EXPECT(split("files %s/l ro", ""), 0);
	EXPECT(opens("a/f", O_RDONLY), 0);
	EXPECT(opens("l/f", O_RDONLY), 0);
	EXPECT(opens("a-b/f", O_RDONLY), EACCES);
	EXPECT(split("files %s/a-b ro", ""), EPERM);
	EXPECT(split("files %s/a/f ro", ""), 0);
	EXPECT(opens("a/f", O_RDONLY), 0);
	EXPECT(opens("a/g", O_RDONLY), EACCES);
	EXPECT(split("", ""), 0);
	EXPECT(opens("a/f", O_RDONLY), EACCES);
	return 0;
}

/* "alice" is not the beginning of "alice-b", and slashes are nothing. */
static int prefixes(void)
{
	EXPECT(split("files %s//a/// rw # not a comment here", ""), EINVAL);
	EXPECT(split("# a comment\n\n  files\t%s//a///\trw\t\n", ""), 0);
	EXPECT(opens("a/f", O_RDWR), 0);
	EXPECT(opens("a/new", O_RDWR | O_CREAT), 0);
	EXPECT(opens("a-b/f", O_RDONLY), EACCES);
	EXPECT(opens("a/../a-b/f", O_RDONLY), EACCES);
	return 0;
}

static int one_file(void)
{
	EXPECT(split("files %s/a/f rw", ""), 0);
	EXPECT(opens("a/f", O_RDWR | O_TRUNC), 0);
	EXPECT(opens("a/other", O_RDWR | O_CREAT), EACCES);
	return 0;
}

/* ---- who may ----*/

static void *idle(void *arg)
{
	(void)arg;
	pause();
	return NULL;
}

static int threads(void)
{
	pthread_t t;

	pthread_create(&t, NULL, idle, NULL);
	EXPECT(split("", ""), EBUSY);
	return 0;
}

static int children(void)
{
	pid_t pid = fork();

	if (pid == 0)
		pause();
	EXPECT(split("", ""), EBUSY);
	kill(pid, SIGKILL);
	usleep(50000);
	EXPECT(split("", ""), EBUSY); /* not waited for */
	waitpid(pid, NULL, 0);
	EXPECT(split("", ""), 0);
	return 0;
}

static int borrower(void)
{
	volatile int got = -1;

	if (vfork() == 0) {
		got = split("", "");
		_exit(0);
	}
	EXPECT(got, EBUSY);
	return 0;
}

static int another(void)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/sandbox", getppid());
	fd = open(path, O_WRONLY);
	EXPECT(fd < 0 ? errno : (write(fd, "network none\n", 13) < 0 ? errno : 0), EPERM);
	return 0;
}

/* ---- what is left open ---- */

static int is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static int descriptors(void)
{
	int p[2], q[2], s[2], e = eventfd(0, 0), in, out, dup_q;
	char path[2 * PATH_MAX], keep[64];

	snprintf(path, sizeof(path), "%s/a/f", dir);
	in = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "%s/a-b/f", dir);
	out = open(path, O_RDONLY);
	if (pipe(p) || pipe(q) || socketpair(AF_UNIX, SOCK_STREAM, 0, s) || in < 0 || out < 0)
		return 1;
	dup_q = dup(q[1]);
	snprintf(keep, sizeof(keep), "%d 1 2", q[1]);
	EXPECT(split("files %s/a ro\nkeep %s\n", keep), 0);
	EXPECT(is_open(in), 1);
	EXPECT(is_open(out), 0);
	EXPECT(is_open(p[0]) + is_open(p[1]) + is_open(s[0]) + is_open(s[1]) + is_open(e) + is_open(q[0]), 0);
	EXPECT(is_open(q[1]), 1);
	EXPECT(is_open(dup_q), 1);
	return 0;
}

/* Open for writing, allowed for reading: closed. */
static int writers(void)
{
	char path[2 * PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/a/f", dir);
	fd = open(path, O_RDWR);
	EXPECT(split("files %s/a ro\nkeep 1\n", ""), 0);
	EXPECT(is_open(fd), 0);
	return 0;
}

static int memory(void)
{
	int *shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), status;
	pid_t pid;

	shared[0] = 1;
	shared[1024] = 2;
	pid = fork();
	if (pid == 0) {
		if (split("keep 1", ""))
			_exit(1);
		if (shared[0] != 1 || shared[1024] != 2)
			_exit(2);
		shared[0] = 9;
		_exit(shared[0] == 9 ? 0 : 3);
	}
	waitpid(pid, &status, 0);
	EXPECT(status, 0);
	EXPECT(shared[0], 1);
	return 0;
}

/* ---- life afterwards ---- */

static int attributes(void)
{
	char path[2 * PATH_MAX], v[8];
	struct timespec times[2] = { { 1, 0 }, { 2, 0 } };
	struct stat st;

	EXPECT(split("files %s/a rw\nfiles %1$s/a-b ro\nkeep 1\n", ""), 0);
	snprintf(path, sizeof(path), "%s/a/f", dir);
	EXPECT(chmod(path, 0640), 0);
	EXPECT(utimensat(AT_FDCWD, path, times, 0), 0);
	EXPECT(setxattr(path, "user.k", "v", 1, 0), 0);
	EXPECT((int)getxattr(path, "user.k", v, sizeof(v)), 1);
	EXPECT(stat(path, &st), 0);
	EXPECT((int)(st.st_mode & 07777), 0640);
	EXPECT((int)st.st_mtime, 2);
	snprintf(path, sizeof(path), "%s/a/d", dir);
	EXPECT(mkdir(path, 0755) || rmdir(path) || mkdir(path, 0751), 0);
	EXPECT(stat(path, &st), 0);
	EXPECT((int)(st.st_mode & 07777), 0751);
	snprintf(path, sizeof(path), "%s/a-b/f", dir);
	EXPECT(chmod(path, 0600), -1);
	return 0;
}

static int family(void)
{
	pid_t self, pid;
	int status;

	self = getpid();
	EXPECT(split("keep 1\nfiles /usr ro", ""), 0);
	EXPECT(getpid() == self, 1);
	EXPECT(getppid(), 0);
	EXPECT(kill(1, 0), 0);
	pid = fork();
	if (pid == 0) {
		execl("/usr/bin/true", "true", NULL);
		_exit(1);
	}
	EXPECT(waitpid(pid, &status, 0) == pid && status == 0, 1);
	EXPECT(wait(&status) < 0 ? errno : 0, ECHILD);
	EXPECT(system("exit 3"), 3 << 8);
	return 0;
}

static volatile sig_atomic_t heard;

static void on_usr1(int sig)
{
	(void)sig;
	heard = 1;
}

/* The old parent signals, stops, and waits as before. */
static int from_outside(void)
{
	int ready[2], status;
	pid_t pid;
	char c;

	if (pipe(ready))
		return 1;
	pid = fork();
	if (pid == 0) {
		char keep[16];

		signal(SIGUSR1, on_usr1);
		snprintf(keep, sizeof(keep), "%d", ready[1]);
		if (split("#%.1s\nkeep %s", keep) || write(ready[1], "x", 1) != 1)
			_exit(1);
		while (!heard)
			usleep(1000);
		pause();
		_exit(2);
	}
	EXPECT((int)read(ready[0], &c, 1), 1);
	EXPECT(kill(pid, SIGSTOP), 0);
	EXPECT(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status), 1);
	EXPECT(kill(pid, SIGCONT), 0);
	EXPECT(kill(pid, SIGUSR1), 0);
	usleep(100000);
	EXPECT(waitpid(pid, &status, WNOHANG), 0);
	EXPECT(kill(pid, SIGTERM), 0);
	EXPECT(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, 1);
	return 0;
}

/* What one side changes the other sees, within a second. */
static int both_see(void)
{
	char path[2 * PATH_MAX];
	int status, i;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/a/seen", dir);
	EXPECT(opens("a/seen", O_RDONLY), ENOENT);
	pid = fork();
	if (pid == 0)
		_exit(split("files %s/a rw\nkeep 1", "") || opens("a/seen", O_WRONLY | O_CREAT));
	EXPECT(waitpid(pid, &status, 0) == pid && status == 0, 1);
	for (i = 0; i < 20 && opens("a/seen", O_RDONLY); i++)
		usleep(100000);
	EXPECT(i < 20, 1);
	return 0;
}

/* /dev/shm is another's. */
static int shm(void)
{
	int status, fd = shm_open("/split-rules", O_CREAT | O_RDWR, 0600);
	pid_t pid = fork();

	if (pid == 0) {
		int other;

		if (split("keep 1", ""))
			_exit(1);
		if (shm_open("/split-rules", O_RDWR, 0600) >= 0)
			_exit(2);
		other = shm_open("/split-other", O_CREAT | O_RDWR, 0600);
		_exit(other < 0 || ftruncate(other, 4096) || shm_open("/split-other", O_RDWR, 0) < 0 ? 3 : 0);
	}
	EXPECT(waitpid(pid, &status, 0) == pid ? status : -1, 0);
	EXPECT(fd >= 0, 1);
	EXPECT(shm_open("/split-other", O_RDWR, 0) < 0 ? errno : 0, ENOENT);
	shm_unlink("/split-rules");
	return 0;
}

static int network(void)
{
	int p[2];

	EXPECT(split("keep 1", ""), 0);
	EXPECT(socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0, EACCES);
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(void);
} checks[] = {
	{ "malformed", malformed }, { "subset", subset },   { "prefixes", prefixes },	    { "one file", one_file },
	{ "threads", threads },	    { "children", children }, { "vfork child", borrower },  { "another", another },
	{ "descriptors", descriptors }, { "writers", writers }, { "memory", memory },	    { "attributes", attributes },
	{ "family", family },	    { "from outside", from_outside }, { "both see", both_see }, { "shm", shm },
	{ "network", network },
};

int main(int argc, char **argv)
{
	int failed = 0, status;

	if (argc < 2 || !realpath(argv[1], dir))
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		pid_t pid;

		if (argc > 2 && strcmp(argv[2], checks[i].name))
			continue;
		pid = fork();
		if (pid == 0) {
			alarm(20);
			exit(checks[i].run());
		}
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (status)
			printf("FAIL %s (status %#x)\n", checks[i].name, (unsigned)status);
		else
			printf("ok %s\n", checks[i].name);
		failed |= status;
	}
	return failed != 0;
}
