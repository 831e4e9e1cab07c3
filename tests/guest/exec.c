// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * execve: what survives it and what does not, scripts, bad files, and how big the arguments may be.
 */
#include "lib/t.h"

#include <elf.h>
#include <sys/auxv.h>
#include <sys/resource.h>

extern char **environ;

static void nop(int sig)
{
}

static const char *run(const char *path, char *const argv[], char *const envp[])
{
	static char text[64];
	pid_t pid = must(fork());

	if (pid == 0) {
		execve(path, argv, envp);
		_exit(errno == ENOENT ? 127 : errno);
	}
	snprintf(text, sizeof(text), "%s", t_wait(pid));
	return text;
}

static const char *self(char *what, char *arg)
{
	char *argv[] = { "me", "helper", what, arg, NULL };

	return run(t_self, argv, environ);
}

static int helper(int argc, char **argv)
{
	const char *what = argv[2];
	sigset_t set;
	struct sigaction sa;

	if (!strcmp(what, "args")) {
		for (int i = 0; i < argc; i++)
			say("argv[%d] = %s", i, argv[i]);
		for (char **e = environ; *e; e++)
			say("env %s", *e);
		return argv[argc] == NULL ? 0 : 1;
	}
	if (!strcmp(what, "count")) {
		size_t bytes = 0;
		for (int i = 0; i < argc; i++)
			bytes += strlen(argv[i]) + 1;
		say("%d arguments, %zu bytes", argc, bytes);
		return 0;
	}
	if (!strcmp(what, "wait")) {
		char c;
		return read(0, &c, 1) != 0;
	}
	if (!strcmp(what, "fds")) {
		say("descriptor %s: %s", argv[3], fcntl(atoi(argv[3]), F_GETFD) == -1 ? "closed" : "open");
		return 0;
	}
	if (!strcmp(what, "state")) {
		sigaction(SIGUSR1, NULL, &sa);
		say("handler: %s", sa.sa_handler == SIG_DFL ? "default" : "other");
		sigaction(SIGUSR2, NULL, &sa);
		say("ignored: %s", sa.sa_handler == SIG_IGN ? "ignored" : "other");
		sigprocmask(SIG_BLOCK, NULL, &set);
		say("mask: USR2 %d TERM %d", sigismember(&set, SIGUSR2), sigismember(&set, SIGTERM));
		sigpending(&set);
		say("pending: TERM %d", sigismember(&set, SIGTERM));
		stack_t ss;
		sigaltstack(NULL, &ss);
		say("altstack: %s", ss.ss_flags & SS_DISABLE ? "none" : "set");
		say("umask: %03o", umask(0));
		say("alarm: %s", alarm(0) > 50 ? "kept" : "lost");
		struct rlimit rl;
		getrlimit(RLIMIT_NOFILE, &rl);
		say("nofile: %d", (int)rl.rlim_cur);
		say("pid: %s", getpid() == atoi(argv[3]) ? "kept" : "changed");
		char name[16] = "";
		FILE *f = fopen("/proc/self/comm", "r");
		if (f && fgets(name, sizeof(name), f))
			say("comm: %s", strtok(name, "\n"));
		return 0;
	}
	return 99;
}

static void arguments(void)
{
	char *argv[] = { "zero", "helper", "args", "", "two words", "tab\there", "ünï", NULL };
	char *envp[] = { "A=1", "EMPTY=", "NOEQUALS", "A=2", NULL };
	char *none[] = { NULL };

	eqs(run(t_self, argv, envp), "exit 0");
	eqs(run(t_self, argv, none), "exit 0");
	eqs(run(t_self, argv, NULL), "exit 0");
	/* Since 5.18 an empty argv becomes one empty string. */
	pid_t pid = must(fork());
	if (pid == 0) {
		syscall(SYS_execve, "/bin/true", NULL, NULL);
		_exit(errno);
	}
	eqs(t_wait(pid), "exit 0");
}

static void survives(void)
{
	char pid_text[16];
	sigset_t set;
	struct rlimit rl;
	static char alt[65536];
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) };
	pid_t pid = must(fork());

	if (pid == 0) {
		signal(SIGUSR1, nop);
		signal(SIGUSR2, SIG_IGN);
		sigemptyset(&set);
		sigaddset(&set, SIGTERM);
		sigprocmask(SIG_BLOCK, &set, NULL);
		raise(SIGTERM);
		sigaltstack(&ss, NULL);
		umask(031);
		alarm(100);
		getrlimit(RLIMIT_NOFILE, &rl);
		rl.rlim_cur = 77;
		setrlimit(RLIMIT_NOFILE, &rl);
		snprintf(pid_text, sizeof(pid_text), "%d", getpid());
		execl(t_self, "me", "helper", "state", pid_text, NULL);
		_exit(127);
	}
	eqs(t_wait(pid), "exit 0");
}

static void close_on_exec(void)
{
	t_write_file("f", "x");
	int a = must(open("f", O_RDONLY));
	int b = must(open("f", O_RDONLY | O_CLOEXEC));
	must(dup2(a, 50));
	must(dup3(a, 51, O_CLOEXEC));
	must(fcntl(b, F_DUPFD, 52));
	must(dup2(a, 53));
	must(fcntl(53, F_SETFD, FD_CLOEXEC));
	must(dup2(b, 54));
	for (int fd = 50; fd <= 54; fd++) {
		char text[8];
		snprintf(text, sizeof(text), "%d", fd);
		eqs(self("fds", text), "exit 0");
	}
	eq(fcntl(51, F_GETFD), FD_CLOEXEC);
	/* A failed exec closes nothing. */
	pid_t pid = must(fork());
	if (pid == 0) {
		char *argv[] = { "x", NULL };
		execve("/gone", argv, environ);
		_exit(fcntl(51, F_GETFD) == FD_CLOEXEC ? 0 : 1);
	}
	eqs(t_wait(pid), "exit 0");
}

static void make_script(const char *path, const char *text)
{
	t_write_file(path, text);
	must(chmod(path, 0755));
}

static void scripts(void)
{
	char *argv[] = { "name-given", "a b", "c", NULL };
	char text[5000];

	make_script("s1", "#!/bin/sh\necho s1 \"$0\" $#: \"$@\"\nexit 3\n");
	eqs(run("./s1", argv, environ), "exit 3");
	make_script("s2", "#! /bin/sh -e  \necho s2 \"$0\" $#; false; echo not here\n");
	eqs(run("./s2", argv, environ), "exit 1");
	char *envp[] = { "E=1", NULL };
	make_script("s3", "#!/bin/echo one two  three \n");
	eqs(run("./s3", argv, envp), "exit 0");
	make_script("s4", "#!./s3\n");
	eqs(run("./s4", argv, envp), "exit 0");
	make_script("s5", "#!/bin/sh");
	eqs(run("./s5", argv, environ), "exit 0");
	make_script("missing", "#!/no/such/interpreter\n");
	eqs(run("./missing", argv, environ), "exit 127");
	make_script("empty", "#!\n");
	say("empty #!: %s", run("./empty", argv, environ));
	make_script("blank", "#!   \n");
	say("blank #!: %s", run("./blank", argv, environ));
	make_script("unended", "#!");
	say("unended #!: %s", run("./unended", argv, environ));
	make_script("unended_blank", "#!  ");
	say("unended blank #!: %s", run("./unended_blank", argv, environ));
	make_script("itself", "#!./itself\n");
	say("script of itself: %s", run("./itself", argv, environ));
	make_script("n0", "#!/bin/echo n0\n");
	for (int i = 1; i <= 6; i++) {
		char name[8];
		snprintf(name, sizeof(name), "n%d", i);
		snprintf(text, sizeof(text), "#!./n%d arg%d\n", i - 1, i);
		make_script(name, text);
	}
	say("nested 4: %s", run("./n4", argv, environ));
	say("nested 5: %s", run("./n5", argv, environ));
	say("nested 6: %s", run("./n6", argv, environ));
	memset(text, 'x', sizeof(text));
	memcpy(text, "#!/bin/echo ", 12);
	strcpy(text + 400, "\n");
	make_script("long", text);
	say("long line: %s", run("./long", argv, environ));
	memset(text, '/', 300);
	memcpy(text, "#!", 2);
	strcpy(text + 300, "bin/echo\n");
	make_script("longpath", text);
	say("long interpreter: %s", run("./longpath", argv, environ));
	make_script("dir", "#!/tmp\n");
	say("interpreter is a directory: %s", run("./dir", argv, environ));
	t_write_file("notx", "");
	make_script("noexec", "#!./notx\n");
	say("interpreter not executable: %s", run("./noexec", argv, environ));
	must(symlink("s1", "link"));
	eqs(run("./link", argv, environ), "exit 3");
	/* $0 of a script is its path, not argv[0]; through the PATH too. */
	must(mkdir("bin", 0755));
	make_script("bin/inpath", "#!/bin/sh\necho \"${0##*/}\"\n");
	pid_t pid = must(fork());
	if (pid == 0) {
		setenv("PATH", "bin:/bin", 1);
		execlp("inpath", "x", NULL);
		_exit(1);
	}
	eqs(t_wait(pid), "exit 0");
#ifdef __GLIBC__
	/* glibc's execlp falls back to sh for a file without #!. */
	make_script("bin/plain", "echo plain $#\n");
	pid = must(fork());
	if (pid == 0) {
		setenv("PATH", "bin:/bin", 1);
		execlp("plain", "x", "1", "2", NULL);
		_exit(1);
	}
	eqs(t_wait(pid), "exit 0");
#endif
}

static void write_bytes(const char *path, const void *p, size_t n)
{
	int fd = must(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755));

	must(write(fd, p, n));
	close(fd);
}

static void bad_files(void)
{
	static char image[8 << 20];
	char *argv[] = { "x", NULL };
	int fd = must(open(t_self, O_RDONLY));
	ssize_t n = read(fd, image, sizeof(image));
	Elf64_Ehdr *eh = (Elf64_Ehdr *)image, good = *eh;

	ok(n > 4096);
	make_script("text", "hello\n");
	say("text: %s", run("./text", argv, environ));
	write_bytes("zero", "", 0);
	say("empty: %s", run("./zero", argv, environ));
	write_bytes("short", image, 10);
	say("10 bytes: %s", run("./short", argv, environ));
	write_bytes("header", image, 64);
	say("header only: %s", run("./header", argv, environ));
	eh->e_machine = EM_AARCH64;
	write_bytes("arm", image, n);
	say("other machine: %s", run("./arm", argv, environ));
	*eh = good;
	eh->e_type = ET_REL;
	write_bytes("rel", image, n);
	say("object file: %s", run("./rel", argv, environ));
	*eh = good;
	eh->e_phnum = 0;
	write_bytes("noph", image, n);
	say("no program headers: %s", run("./noph", argv, environ));
	*eh = good;
	eh->e_phentsize = 1;
	write_bytes("phsize", image, n);
	say("odd header size: %s", run("./phsize", argv, environ));
	*eh = good;
	eh->e_ident[1] = 'X';
	write_bytes("magic", image, n);
	say("wrong magic: %s", run("./magic", argv, environ));
	*eh = good;
	eh->e_phoff = 1UL << 40;
	write_bytes("phoff", image, n);
	say("headers beyond the end: %s", run("./phoff", argv, environ));
	*eh = good;
	t_write_file("noexec", "x");
	say("no x bit: %s", run("./noexec", argv, environ));
	must(mkdir("d", 0755));
	say("directory: %s", run("./d", argv, environ));
	must(mkfifo("fifo", 0755));
	say("fifo: %s", run("./fifo", argv, environ));
	say("device: %s", run("/dev/null", argv, environ));
	write_bytes("unreadable", image, n);
	must(chmod("unreadable", 0111));
	char *help[] = { "x", "helper", "count", NULL };
	say("x bit without r: %s", run("./unreadable", help, environ));
	write_bytes("busy", image, n);
	int w = must(open("busy", O_WRONLY | O_APPEND));
	say("open for writing: %s", run("./busy", help, environ));
	close(w);
	say("then closed: %s", run("./busy", help, environ));
	say("long path: %s", run(memset(image, 'a', 5000), help, environ));
}

static void running_file_is_busy(void)
{
	int fd = must(open(t_self, O_RDONLY));
	int out = must(open("copy", O_WRONLY | O_CREAT, 0755));
	char b[65536];
	ssize_t n;
	while ((n = read(fd, b, sizeof(b))) > 0)
		must(write(out, b, n));
	close(out);
	close(fd);
	int p[2];
	must(pipe(p));
	pid_t pid = must(fork());
	if (pid == 0) {
		dup2(p[0], 0);
		close(p[1]);
		/* The parent, trying, may have it open for writing just now. */
		do
			execl("./copy", "copy", "helper", "wait", NULL);
		while (errno == ETXTBSY);
		_exit(127);
	}
	close(p[0]);
	/* Once it has executed, the text is busy. */
	bool busy = false;
	for (int i = 0; i < 2000 && !busy; i++) {
		int w = open("copy", O_WRONLY);
		busy = w < 0 && errno == ETXTBSY;
		if (w >= 0)
			close(w);
		t_sleep_ms(1);
	}
	ok(busy);
	fails(truncate("copy", 10), ETXTBSY);
	/* Unlinking and replacing a program that runs is fine. */
	eq(unlink("copy"), 0);
	eq(open("copy", O_WRONLY | O_CREAT, 0755) >= 0, 1);
	close(p[1]);
	eqs(t_wait(pid), "exit 0");
}

static void sizes(void)
{
	static char *argv[40000];
	static char big[140000];
	int n = 3;

	argv[0] = "x";
	argv[1] = "helper";
	argv[2] = "count";
	memset(big, 'b', sizeof(big));
	big[131071] = 0; /* MAX_ARG_STRLEN counts the final byte */
	argv[3] = big;
	argv[4] = NULL;
	eqs(run(t_self, argv, environ), "exit 0");
	big[131071] = 'b';
	big[131072] = 0;
	eq(run(t_self, argv, environ)[5] == '7', 1); /* E2BIG is 7 */
	static char fifty[51];
	memset(fifty, 'f', 50);
	while (n < 20000)
		argv[n++] = fifty;
	argv[n] = NULL;
	char *none[] = { NULL };
	eqs(run(t_self, argv, none), "exit 0");
	/* A quarter of the stack limit, pointers included: 8 MiB give 2 MiB. */
	pid_t pid = must(fork());
	if (pid == 0) {
		struct rlimit rl;
		getrlimit(RLIMIT_STACK, &rl);
		rl.rlim_cur = 1 << 20;
		setrlimit(RLIMIT_STACK, &rl);
		execve(t_self, argv, none);
		_exit(errno);
	}
	say("with a small stack: %s", t_wait(pid));
	fails(execve(t_self, (char **)8, none), EFAULT);
	fails(execve((char *)8, argv, none), EFAULT);
	char *bad[] = { "x", (char *)8, NULL };
	fails(execve(t_self, bad, none), EFAULT);
}

/* Whatever else lies in the upper part of the address space is not in the way of a stack, be it half a terabyte. */
static void huge_stack(void)
{
	char *argv[] = { "true", NULL };
	struct rlimit old, rl;

	must(getrlimit(RLIMIT_STACK, &old));
	rl = old;
	for (int i = 0; i < 12; i++) {
		rl.rlim_cur = 1UL << (37 + i % 4);
		must(setrlimit(RLIMIT_STACK, &rl));
		eqs(run("/bin/true", argv, environ), "exit 0");
	}
	must(setrlimit(RLIMIT_STACK, &old));
}

static void by_descriptor(void)
{
	char *argv[] = { "x", "helper", "count", NULL };
	char *sh[] = { "x", "a", NULL };

	pid_t pid = must(fork());
	if (pid == 0) {
		int fd = open(t_self, O_RDONLY | O_CLOEXEC);
		fexecve(fd, argv, environ);
		_exit(errno);
	}
	eqs(t_wait(pid), "exit 0");
	pid = must(fork());
	if (pid == 0) {
		int fd = open("/bin", O_PATH);
		syscall(SYS_execveat, fd, "true", sh, environ, 0);
		_exit(errno);
	}
	eqs(t_wait(pid), "exit 0");
	pid = must(fork());
	if (pid == 0) {
		int fd = open(t_self, O_PATH | O_CLOEXEC);
		syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
		_exit(errno);
	}
	eqs(t_wait(pid), "exit 0");
	must(symlink("/bin/true", "l"));
	pid = must(fork());
	if (pid == 0) {
		syscall(SYS_execveat, AT_FDCWD, "l", sh, environ, AT_SYMLINK_NOFOLLOW);
		_exit(errno == ELOOP ? 40 : 1);
	}
	eqs(t_wait(pid), "exit 40");
}

static void auxv(void)
{
	char *vars[] = { "HOME", "PATH" };

	eq(getauxval(AT_PAGESZ), 4096);
	eq(getauxval(AT_CLKTCK), 100);
	eq(getauxval(AT_SECURE), 0);
	ok(getauxval(AT_UID) == getuid() && getauxval(AT_EUID) == geteuid());
	ok(getauxval(AT_GID) == getgid() && getauxval(AT_EGID) == getegid());
	ok(getauxval(AT_RANDOM) != 0);
	ok(getauxval(AT_PHDR) != 0);
	ok(getauxval(AT_PHNUM) > 2 && getauxval(AT_PHENT) == 56);
	ok(getauxval(AT_ENTRY) != 0);
	eqs((char *)getauxval(AT_EXECFN), t_self);
	eqs((char *)getauxval(AT_PLATFORM), "x86_64");
	ok(getauxval(AT_SYSINFO_EHDR) != 0);
	ok(!memcmp((void *)getauxval(AT_SYSINFO_EHDR), ELFMAG, 4));
	ok(((uintptr_t)&vars & 7) == 0);
	ok(getauxval(AT_HWCAP) != 0);
}

T_MAIN_HELPER(helper, T(arguments), T(survives), T(close_on_exec), T(scripts), T(bad_files), T(running_file_is_busy),
	      T(sizes), T(huge_stack), T(by_descriptor), T(auxv))
