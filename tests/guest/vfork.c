// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * vfork and posix_spawn: the child borrows the parent's memory until it executes or ends, and the parent waits for that.
 * glibc reports errors of posix_spawn through that shared memory, so a fork in disguise is not enough.
 */
#include "lib/t.h"

#include <sched.h>
#include <spawn.h>
#include <sys/resource.h>

extern char **environ;

static volatile int shared;

static void memory_is_shared(void)
{
	shared = 1;
	pid_t pid = vfork();
	if (pid == 0) {
		shared = 2;
		_exit(6);
	}
	eq(shared, 2);
	eqs(t_wait(pid), "exit 6");
	volatile int on_stack = 1;
	pid = vfork();
	if (pid == 0) {
		on_stack = 77;
		execl("/bin/true", "true", NULL);
		_exit(127);
	}
	eq(on_stack, 77);
	eqs(t_wait(pid), "exit 0");
}

static void parent_waits(void)
{
	int p[2];

	must(pipe(p));
	shared = 0;
	pid_t pid = vfork();
	if (pid == 0) {
		struct timespec ts = { 0, 200000000 };
		syscall(SYS_nanosleep, &ts, NULL);
		shared = 5;
		_exit(0);
	}
	eq(shared, 5);
	eqs(t_wait(pid), "exit 0");
	/* A child that is killed releases it too. */
	pid = vfork();
	if (pid == 0) {
		shared = 6;
		syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
		_exit(0);
	}
	eq(shared, 6);
	eqs(t_wait(pid), "killed by SIGKILL");
	/* After the exec the parent runs while the child does. */
	pid = vfork();
	if (pid == 0) {
		dup2(p[0], 0);
		close(p[1]);
		execl("/bin/cat", "cat", NULL);
		_exit(127);
	}
	close(p[0]);
	eq(waitpid(pid, NULL, WNOHANG), 0);
	close(p[1]);
	eqs(t_wait(pid), "exit 0");
}

static void tables_are_copied(void)
{
	/* Memory is shared, but descriptors, directory, mask, handlers are the child's own. */
	sigset_t set;
	struct stat a, b;
	int fd = must(open("f", O_CREAT | O_RDWR, 0644));

	must(stat(".", &a));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pid_t pid = vfork();
	if (pid == 0) {
		close(fd);
		if (chdir("/"))
			_exit(1);
		umask(0);
		sigprocmask(SIG_BLOCK, &set, NULL);
		signal(SIGUSR2, SIG_IGN);
		_exit(0);
	}
	eqs(t_wait(pid), "exit 0");
	eq(fcntl(fd, F_GETFD), 0);
	must(stat(".", &b));
	ok(a.st_ino == b.st_ino);
	eq(umask(022), 022);
	sigprocmask(SIG_BLOCK, NULL, &set);
	eq(sigismember(&set, SIGUSR1), 0);
	struct sigaction sa;
	sigaction(SIGUSR2, NULL, &sa);
	ok(sa.sa_handler == SIG_DFL);
}

static void exec_fails(void)
{
	volatile int err = 0;
	pid_t pid = vfork();

	if (pid == 0) {
		execl("/gone", "gone", NULL);
		err = errno;
		_exit(127);
	}
	eqs(t_wait(pid), "exit 127");
	eq(err, ENOENT);
	t_write_file("text", "just text\n");
	pid = vfork();
	if (pid == 0) {
		execl("./text", "text", NULL);
		err = errno;
		_exit(126);
	}
	eqs(t_wait(pid), "exit 126");
	eq(err, EACCES);
	must(chmod("text", 0755));
	pid = vfork();
	if (pid == 0) {
		execl("./text", "text", NULL);
		err = errno;
		_exit(126);
	}
	eqs(t_wait(pid), "exit 126");
	eq(err, ENOEXEC);
}

static int spawn_error(const char *path)
{
	pid_t pid = -7;
	char *argv[] = { (char *)path, NULL };
	int e = posix_spawn(&pid, path, NULL, NULL, argv, environ);

	if (e == 0)
		t_wait(pid);
	return e;
}

static void spawn_errors(void)
{
	t_write_file("text", "just text\n");
	must(mkdir("d", 0755));
	eq(spawn_error("/bin/true"), 0);
	eq(spawn_error("/gone"), ENOENT);
	eq(spawn_error("./text"), EACCES);
	eq(spawn_error("./d"), EACCES);
	eq(spawn_error("text/x"), ENOTDIR);
	must(chmod("text", 0755));
	eq(spawn_error("./text"), ENOEXEC);
	eq(spawn_error(""), ENOENT);
	must(symlink("loop", "loop"));
	eq(spawn_error("loop"), ELOOP);
	pid_t pid;
	char *argv[] = { "no-such-program", NULL };
	eq(posix_spawnp(&pid, "no-such-program", NULL, NULL, argv, environ), ENOENT);
	fails(wait(NULL), ECHILD);
}

static void spawn_actions(void)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t a;
	pid_t pid;
	sigset_t set;
	char *argv[] = { "sh", "-c", "echo out; echo err >&2; cat", NULL };

	t_write_file("in", "input\n");
	zero(posix_spawn_file_actions_init(&fa));
	zero(posix_spawn_file_actions_addopen(&fa, 0, "in", O_RDONLY, 0));
	zero(posix_spawn_file_actions_addopen(&fa, 1, "out", O_WRONLY | O_CREAT | O_TRUNC, 0644));
	zero(posix_spawn_file_actions_adddup2(&fa, 1, 2));
	eq(posix_spawn(&pid, "/bin/sh", &fa, NULL, argv, environ), 0);
	eqs(t_wait(pid), "exit 0");
	eqs(t_read_file("out"), "out\nerr\ninput\n");
	zero(posix_spawn_file_actions_addopen(&fa, 5, "gone/x", O_RDONLY, 0));
	eq(posix_spawn(&pid, "/bin/sh", &fa, NULL, argv, environ), ENOENT);

	zero(posix_spawnattr_init(&a));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigemptyset(&set);
	zero(posix_spawnattr_setsigmask(&a, &set));
	sigaddset(&set, SIGINT);
	signal(SIGINT, SIG_IGN);
	zero(posix_spawnattr_setsigdefault(&a, &set));
	zero(posix_spawnattr_setflags(&a, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP));
	char *kill_me[] = { "sh", "-c", "kill -INT $$; echo survived", NULL };
	eq(posix_spawn(&pid, "/bin/sh", NULL, &a, kill_me, environ), 0);
	eqs(t_wait(pid), "killed by SIGINT");
	char *group[] = { "sh", "-c", "test $(ps -o pgid= -p $$) = $$", NULL };
	eq(posix_spawn(&pid, "/bin/sh", NULL, &a, group, environ), 0);
	eqs(t_wait(pid), "exit 0");
}

static void many_spawns(void)
{
	int good = 0;
	char *argv[] = { "true", NULL };

	for (int i = 0; i < 100; i++) {
		pid_t pid, waited;
		int st = -1;
		int error = posix_spawn(&pid, i % 10 ? "/bin/true" : "/gone", NULL, NULL, argv, environ);

		if (error && (error != ENOENT || i % 10))
			eqs(strerror(error), "good");
		if (error)
			continue;
		waited = waitpid(pid, &st, 0);
		if (waited == pid && st == 0) {
			good++;
			continue;
		}
		eq(waited, pid);
		eq(st, 0);
	}
	eq(good, 90);
}

/* What is too long for one string of the host's, and what is just not. */
static void big_environments(void)
{
	static char one[40000], two[60000], three[100000];
	char *argv[] = { "sh", "-c", "exit $((${#ONE} / 4000 + ${#TWO} / 4000 + ${#THREE} / 4000))", NULL };
	char *env[] = { "PATH=/usr/bin:/bin", one, two, three, NULL };
	static const char *const want[] = { "exit 0", "exit 9", "exit 23", "exit 47" };

	memset(one, 'a', sizeof(one) - 1);
	memset(two, 'b', sizeof(two) - 1);
	memset(three, 'c', sizeof(three) - 1);
	memcpy(one, "ONE=", 4);
	memcpy(two, "TWO=", 4);
	memcpy(three, "THREE=", 6);
	for (int i = 0; i < 4; i++) {
		char *some[] = { env[0], i > 0 ? env[1] : NULL, i > 1 ? env[2] : NULL, i > 2 ? env[3] : NULL, NULL };
		pid_t pid;

		eq(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, some), 0);
		eqs(t_wait(pid), want[i]);
	}
}

/* The child's last steps are made in its parent's memory, and leave nothing there. */
static void nothing_left(void)
{
	static char big[40000];
	char *argv[] = { "true", NULL }, *env[] = { big, NULL };
	struct rusage before, after;

	memset(big, 'b', sizeof(big) - 1);
	for (int i = 0; i < 160; i++) {
		pid_t pid;

		if (i == 10)
			must(getrusage(RUSAGE_SELF, &before));
		eq(posix_spawn(&pid, "/bin/true", NULL, NULL, argv, env), 0);
		if (strcmp(t_wait(pid), "exit 0"))
			say("a child failed");
	}
	must(getrusage(RUSAGE_SELF, &after));
	eq(after.ru_maxrss - before.ru_maxrss < 4096, 1);
}

static void nested(void)
{
	/* A vfork child that itself vforks before it executes. */
	volatile int level = 0;
	pid_t pid = vfork();

	if (pid == 0) {
		level = 1;
		pid_t inner = vfork();
		if (inner == 0) {
			level = 2;
			_exit(3);
		}
		int st;
		if (level != 2 || waitpid(inner, &st, 0) != inner || WEXITSTATUS(st) != 3)
			_exit(1);
		level = 3;
		execl("/bin/sh", "sh", "-c", "exit 4", NULL);
		_exit(127);
	}
	eq(level, 3);
	eqs(t_wait(pid), "exit 4");
}

static int thread_like(void *arg)
{
	*(int *)arg = 9;
	return 11;
}

static void clone_vm(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	int word = 0;
	int pid = must(clone(thread_like, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &word));

	eq(word, 9);
	eqs(t_wait(pid), "exit 11");
	word = 0;
	pid = must(clone(thread_like, stack + sizeof(stack), SIGCHLD, &word));
	eqs(t_wait(pid), "exit 11");
	eq(word, 0);
	word = 0;
	pid = must(clone(thread_like, stack + sizeof(stack), CLONE_VM | SIGCHLD, &word));
	eqs(t_wait(pid), "exit 11");
	eq(word, 9);
}

static void system_and_popen(void)
{
	eq(WEXITSTATUS(system("exit 3")), 3);
	eqs(t_status(system("kill -9 $$")), "killed by SIGKILL");
	eq(WEXITSTATUS(system("no-such-command 2>/dev/null")), 127);
	FILE *f = popen("echo one; echo two", "r");
	char line[32];
	while (fgets(line, sizeof(line), f))
		say("popen: %.3s", line);
	eqs(t_status(pclose(f)), "exit 0");
	f = popen("cat > popened; exit 5", "w");
	fprintf(f, "written\n");
	eqs(t_status(pclose(f)), "exit 5");
	eqs(t_read_file("popened"), "written\n");
}

/* A program that is started in a removed directory is still there, and nowhere else. */
static void removed_place(void)
{
	char *argv[] = { "sh", "-c",
			 "ls; ls -a; stat -c '%F %h' . .. /proc/self/cwd/; true >x; mkdir y; ls ..; readlink /proc/self/cwd |"
			 "sed 's|.*/a|a|'; mkdir ../../a; ls ..; cd ../..; ls",
			 NULL };
	pid_t pid;

	for (int deep = 0; deep < 2; deep++) {
		must(mkdir("a", 0755));
		must(mkdir("a/b", 0700));
		must(chdir("a/b"));
		must(rmdir("../b"));
		if (deep)
			must(rmdir("../../a"));
		eq(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ), 0);
		say("%d: %s", deep, t_wait(pid));
		must(chdir("../.."));
		must(rmdir("a"));
	}
}

T_MAIN(T(memory_is_shared), T(parent_waits), T(tables_are_copied), T(exec_fails), T(spawn_errors), T(spawn_actions),
       T(many_spawns), T(big_environments), T(nothing_left), T(nested), T(clone_vm), T(system_and_popen), T(removed_place))
