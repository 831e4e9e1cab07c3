// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * /proc of other processes and threads: times, states, names, what may be written, what is left of those that ended.
 */
#include "lib/t.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/xattr.h>
#include <sys/socket.h>
#include <sys/xattr.h>

static const char *file_of(pid_t pid, const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return path;
}

/* Field n of a stat file, as proc(5) counts them; 0 if it can't be read. */
static unsigned long long stat_field(const char *path, int n)
{
	char text[1024];
	int fd = open(path, O_RDONLY);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	char *at;

	if (fd >= 0)
		close(fd);
	if (got <= 0)
		return 0;
	text[got] = 0;
	at = strrchr(text, ')') + 2;
	for (int i = 3; i < n; i++)
		at = strchr(at, ' ') + 1;
	return n == 3 ? (unsigned char)*at : strtoull(at, NULL, 10);
}

/* The state letter once it is one of those wanted, else what it is after a while. */
static char state_comes(const char *path, const char *want)
{
	for (int i = 0; i < 200 && !strchr(want, (char)stat_field(path, 3)); i++)
		t_sleep_ms(25);
	return (char)stat_field(path, 3);
}

/* Ticks of processor time come to be at least n. */
static bool runs(const char *path, unsigned long long n)
{
	for (int i = 0; i < 400 && stat_field(path, 14) + stat_field(path, 15) < n; i++)
		t_sleep_ms(25);
	return stat_field(path, 14) + stat_field(path, 15) >= n;
}

static int sleeper(void *arg)
{
	for (;;)
		pause();
	return 0;
}

static int burn(void *arg)
{
	for (;;)
		;
	return 0;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void states(void)
{
	pid_t busy = t_fork(burn, NULL), idle = t_fork(sleeper, NULL);
	char path[64];

	snprintf(path, sizeof(path), "%s", file_of(idle, "stat"));
	eq(state_comes(path, "S"), 'S');
	eq(stat_field(path, 4) == (unsigned)getpid(), 1);
	kill(idle, SIGSTOP);
	eq(state_comes(path, "T"), 'T');
	kill(idle, SIGCONT);
	eq(state_comes(path, "S"), 'S');
	ok(stat_field(path, 14) + stat_field(path, 15) < 5);
	ok(stat_field(path, 23) > 0);
	kill(idle, SIGKILL);
	eq(state_comes(path, "Z"), 'Z');
	eq(stat_field(path, 23), 0);
	waitpid(idle, NULL, 0);
	snprintf(path, sizeof(path), "%s", file_of(busy, "stat"));
	eq(state_comes(path, "R"), 'R');
	ok(runs(path, 5));
	end(busy);
}

static void *spin(void *arg)
{
	prctl(PR_SET_NAME, "spinner");
	for (;;)
		;
	return NULL;
}

static void *doze(void *arg)
{
	prctl(PR_SET_NAME, "dozer");
	for (;;)
		pause();
	return NULL;
}

static int threaded(void *arg)
{
	pthread_t t;

	pthread_create(&t, NULL, spin, NULL);
	pthread_create(&t, NULL, doze, NULL);
	for (;;)
		pause();
	return 0;
}

static void threads(void)
{
	pid_t pid = t_fork(threaded, NULL);
	struct dirent *e;
	char path[300];
	int n = 0;
	DIR *d;

	for (int i = 0; i < 200 && stat_field(file_of(pid, "stat"), 20) != 3; i++)
		t_sleep_ms(25);
	eq(stat_field(file_of(pid, "stat"), 20), 3);
	t_sleep_ms(50);
	d = opendir(file_of(pid, "task"));
	while (d && (e = readdir(d))) {
		const char *name;

		if (e->d_name[0] == '.')
			continue;
		n++;
		snprintf(path, sizeof(path), "/proc/%d/task/%.30s/comm", pid, e->d_name);
		name = t_read_file(path);
		snprintf(path, sizeof(path), "/proc/%d/task/%.30s/stat", pid, e->d_name);
		if (!strcmp(name, "spinner\n")) {
			say("a spinner");
			ok(runs(path, 5));
		} else if (!strcmp(name, "dozer\n")) {
			say("a dozer");
			ok(stat_field(path, 14) + stat_field(path, 15) < 5);
		}
	}
	if (d)
		closedir(d);
	eq(n, 3);
	end(pid);
}

static void names(void)
{
	int fd = open("/proc/self/comm", O_WRONLY);
	pid_t pid = t_fork(sleeper, NULL);

	eq(write(fd, "a new name\n", 11), 11);
	eqs(t_read_file("/proc/self/comm"), "a new name\n\n"); /* what is written, whole */
	close(fd);
	fd = open(file_of(pid, "comm"), O_WRONLY);
	fails(write(fd, "x", 1), EINVAL);
	close(fd);
	end(pid);
}

/* A program that changes its title is seen under the new one. */
static int helper(int argc, char **argv)
{
	size_t room = strlen(argv[1]) + strlen(argv[2]) + 2;

	memset(argv[1], 0, room);
	memcpy(argv[1], "other", 5);
	must(write(4, "x", 1));
	pause();
	return 0;
}

static void titles(void)
{
	int fds[2], got;
	char text[4096], c;
	pid_t pid;

	must(pipe(fds));
	pid = must(fork());
	if (!pid) {
		dup2(fds[1], 4);
		execl(t_self, "title", "helper", "some words to be overwritten", NULL);
		_exit(127);
	}
	must(read(fds[0], &c, 1));
	int fd = open(file_of(pid, "cmdline"), O_RDONLY);
	got = (int)read(fd, text, sizeof(text));
	ok(got > 12 && !memcmp(text, "title\0other\0", 12));
	end(pid);
}

static void set_text(const char *path, const char *text, int want)
{
	int fd = (int)must(open(path, O_WRONLY));
	ssize_t n = write(fd, text, strlen(text));

	if (want)
		fails(n < 0 ? -1 : 0, errno == want ? want : errno);
	else
		eq(n, strlen(text));
	close(fd);
}

static void oom(void)
{
	pid_t pid = t_fork(sleeper, NULL);
	char path[64];

	snprintf(path, sizeof(path), "%s", file_of(pid, "oom_score_adj"));
	eqs(t_read_file(path), "0\n");
	set_text(path, "500\n", 0);
	eqs(t_read_file(path), "500\n");
	eqs(t_read_file(file_of(pid, "oom_adj")), "8\n");
	int fd = (int)must(open(path, O_WRONLY));
	fails(write(fd, "1001", 4), EINVAL);
	fails(write(fd, "x", 1), EINVAL);
	if (!t_root())
		fails(write(fd, "-5", 2), EACCES);
	close(fd);
	snprintf(path, sizeof(path), "/proc/self/oom_score_adj");
	set_text(path, "300", 0);
	pid_t child = must(fork());
	if (!child) {
		eqs(t_read_file("/proc/self/oom_score_adj"), "300\n");
		_exit(0);
	}
	eqs(t_wait(child), "exit 0");
	end(pid);
}

static void the_dead(void)
{
	pid_t pid = t_fork(sleeper, NULL);
	char text[64], path[64];
	int dir, fd;

	fd = (int)must(open(file_of(pid, "stat"), O_RDONLY));
	dir = (int)must(open(file_of(pid, ""), O_RDONLY | O_DIRECTORY));
	kill(pid, SIGKILL);
	snprintf(path, sizeof(path), "%s", file_of(pid, "stat"));
	eq(state_comes(path, "Z"), 'Z');
	fails(readlink(file_of(pid, "exe"), text, sizeof(text)), ENOENT);
	fails(readlink(file_of(pid, "cwd"), text, sizeof(text)), ENOENT);
	eqs(t_read_file(file_of(pid, "maps")), "");
	eqs(t_read_file(file_of(pid, "cmdline")), "");
	waitpid(pid, NULL, 0);
	fails(read(fd, text, sizeof(text)), ESRCH);
	eq(openat(dir, "stat", O_RDONLY), -1);
	fails(open(path, O_RDONLY), ENOENT);
}

static void files_of_others(void)
{
	char path[64], text[64] = { 0 };
	struct stat st;
	int fds[2], fd;
	pid_t pid;

	must(pipe(fds));
	pid = t_fork(sleeper, NULL);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fds[1]);
	eq(stat(path, &st), 0);
	ok(S_ISFIFO(st.st_mode));
	fd = (int)must(open(path, O_WRONLY));
	eq(write(fd, "hello", 5), 5);
	eq(read(fds[0], text, sizeof(text)), 5);
	eqs(text, "hello");
	snprintf(path, sizeof(path), "/proc/%d/fd/999", pid);
	fails(stat(path, &st), ENOENT);
	end(pid);
}

static void family(void)
{
	pid_t a = t_fork(sleeper, NULL), b = t_fork(sleeper, NULL);
	char path[64], want[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	snprintf(want, sizeof(want), "%d %d ", a, b);
	ok(!strcmp(t_read_file(path), want));
	end(a);
	end(b);
	eqs(t_read_file(path), "");
}

/* Links of another process's descriptors: how each is open, and where it leads. */
static void fd_links(void)
{
	int ready[2], pair[2], fds[10], n = 0;
	struct stat link, far;
	char path[64], text[64];
	ssize_t got;
	pid_t pid;

	must(symlink("nowhere", "link"));
	must(pipe(ready));
	pid = must(fork());
	if (!pid) {
		fds[n++] = open(".", O_RDONLY | O_DIRECTORY);
		fds[n++] = open("f", O_RDWR | O_CREAT, 0600);
		fds[n++] = open("f", O_WRONLY | O_APPEND);
		fds[n++] = open("f", O_RDONLY);
		fds[n++] = open("f", O_PATH);
		fds[n++] = open("link", O_PATH | O_NOFOLLOW);
		fds[n++] = dup(ready[0]);
		fds[n++] = dup(ready[1]);
		socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
		fds[n++] = pair[0];
		fds[n++] = socket(AF_UNIX, SOCK_DGRAM, 0);
		must(write(ready[1], fds, sizeof(fds)));
		for (;;)
			pause();
	}
	eq(read(ready[0], fds, sizeof(fds)), sizeof(fds));
	for (n = 0; n < 10; n++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fds[n]);
		must(lstat(path, &link));
		must(stat(path, &far));
		memset(text, 0, sizeof(text));
		got = getxattr(path, "system.sockprotoname", text, sizeof(text));
		say("%d: link %o, file %o, protocol %s", n, link.st_mode, far.st_mode & S_IFMT,
		    got < 0 ? strerror(errno) : text);
	}
	end(pid);
}

/* The one attribute that a socket has. */
static void socket_attributes(void)
{
	int fd = must(socket(AF_INET6, SOCK_STREAM, 0));
	char text[32], path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	eq(getxattr(path, "system.sockprotoname", NULL, 0), 6);
	eq(fgetxattr(fd, "system.sockprotoname", NULL, 0), 6);
	fails(fgetxattr(fd, "system.sockprotoname", text, 5), ERANGE);
	eq(fgetxattr(fd, "system.sockprotoname", text, sizeof(text)), 6);
	eqs(text, "TCPv6");
	eq(flistxattr(fd, text, sizeof(text)), 21);
	eqs(text, "system.sockprotoname");
	fails(fsetxattr(fd, "system.sockprotoname", "x", 1, 0), EOPNOTSUPP);
	fails(fgetxattr(fd, "user.x", text, sizeof(text)), ENODATA);
	fails(getxattr(".", "system.sockprotoname", text, sizeof(text)), EOPNOTSUPP);
}

T_MAIN_HELPER(helper, T(states), T(threads), T(names), T(titles), T(oom), T(the_dead), T(files_of_others), T(family),
	      T(fd_links), T(socket_attributes))
