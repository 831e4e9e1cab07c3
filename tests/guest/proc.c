// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * /proc as bash, ps, top and gcc read it: of oneself and of others.
 */
#include "lib/t.h"

#include <ctype.h>
#include <dirent.h>
#include <sys/prctl.h>

static const char *proc(pid_t pid, const char *what)
{
	static char name[64];

	snprintf(name, sizeof(name), "/proc/%d/%s", pid, what);
	return name;
}

/* The value of a "Key:\tvalue" line; static buffer. */
static const char *field(const char *text, const char *key)
{
	static char v[256];
	const char *p = text;
	size_t n = strlen(key);

	while (p && strncmp(p, key, n))
		p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL;
	if (!p || !*p)
		return "(none)";
	p += n;
	while (*p == ' ' || *p == '\t')
		p++;
	snprintf(v, sizeof(v), "%.*s", (int)strcspn(p, "\n"), p);
	return v;
}

static void links(void)
{
	char b[4096], here[4096], name[64];
	ssize_t n;

	n = readlink("/proc/self/exe", b, sizeof(b) - 1);
	b[n > 0 ? n : 0] = 0;
	eqs(b, t_self);
	must(getcwd(here, sizeof(here)) ? 0 : -1);
	n = readlink("/proc/self/cwd", b, sizeof(b) - 1);
	b[n > 0 ? n : 0] = 0;
	ok(!strcmp(b, here));
	n = readlink("/proc/self/root", b, sizeof(b) - 1);
	b[n > 0 ? n : 0] = 0;
	eqs(b, "/");
	n = readlink("/proc/self", b, sizeof(b) - 1);
	b[n > 0 ? n : 0] = 0;
	eq(atoi(b) == getpid(), 1);
	n = readlink("/proc/thread-self", b, sizeof(b) - 1);
	b[n > 0 ? n : 0] = 0;
	snprintf(name, sizeof(name), "%d/task/%d", getpid(), getpid());
	ok(!strcmp(b, name));
	t_write_file("f", "contents");
	int fd = must(open("f", O_RDONLY));
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, b, sizeof(b) - 1);
	b[n > 0 ? n : 0] = 0;
	ok(!strncmp(b, here, strlen(here)) && !strcmp(b + strlen(here), "/f"));
	must(rename("f", "g"));
	n = readlink(name, b, sizeof(b) - 1);
	b[n > 0 ? n : 0] = 0;
	eqs(strrchr(b, '/'), "/g");
	must(unlink("g"));
	n = readlink(name, b, sizeof(b) - 1);
	b[n > 0 ? n : 0] = 0;
	eqs(strrchr(b, '/'), "/g (deleted)");
	eqs(t_read_file(name), "contents");
	fails(readlink("/proc/self/fd/999", b, sizeof(b)), ENOENT);
	struct stat st, st2;
	must(stat(name, &st));
	must(fstat(fd, &st2));
	ok(st.st_ino == st2.st_ino);
	must(lstat(name, &st));
	eq(st.st_mode, S_IFLNK | 0500);
	must(chdir("/proc/self"));
	eq(access("status", R_OK), 0);
	must(chdir("/proc/self/cwd"));
}

static void descriptors(void)
{
	int a = must(open("/dev/null", O_RDONLY)), n = 0;
	bool self = false;
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;

	must(dup2(a, 40));
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		int fd = atoi(e->d_name);
		if (fd == dirfd(d)) {
			self = true;
			continue;
		}
		if (fcntl(fd, F_GETFD) == -1)
			say("listed but closed");
		n += fd == 0 || fd == 1 || fd == 2 || fd == a || fd == 40;
	}
	closedir(d);
	ok(self);
	eq(n, 5);
	int f = must(open("f", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
	must(write(f, "12345", 5));
	char name[64];
	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", f);
	const char *text = t_read_file(name);
	eqs(field(text, "pos:"), "5");
	eqs(field(text, "flags:"), "02102002");
}

static void status(void)
{
	char text[65536], v[64];

	must(prctl(PR_SET_NAME, "a name"));
	snprintf(text, sizeof(text), "%s", t_read_file("/proc/self/status"));
	eqs(field(text, "Name:"), "a name");
	ok(field(text, "State:")[0] == 'R');
	ok(atoi(field(text, "Pid:")) == getpid());
	ok(atoi(field(text, "PPid:")) == getppid());
	ok(atoi(field(text, "Tgid:")) == getpid());
	ok(atoi(field(text, "Uid:")) == (int)getuid());
	ok(atoi(field(text, "Gid:")) == (int)getgid());
	eqs(field(text, "Threads:"), "1");
	ok(atoi(field(text, "VmSize:")) > 100 && atoi(field(text, "VmRSS:")) > 10);
	ok(strlen(field(text, "SigBlk:")) == 16 && strlen(field(text, "SigCgt:")) == 16);
	eqs(t_read_file("/proc/self/comm"), "a name\n");
	int fd = must(open("/proc/self/comm", O_WRONLY));
	must(write(fd, "other", 5));
	prctl(PR_GET_NAME, v);
	eqs(v, "other");
	snprintf(text, sizeof(text), "%s", t_read_file("/proc/self/stat"));
	char *p = strrchr(text, ')');
	ok(atoi(text) == getpid() && !strncmp(strchr(text, '('), "(other)", 7));
	char state = 0;
	int ppid = 0, pgrp = 0, session = 0, fields = 0;
	ok(sscanf(p + 2, "%c %d %d %d", &state, &ppid, &pgrp, &session) == 4);
	ok(state == 'R' && ppid == getppid() && pgrp == getpgrp() && session == getsid(0));
	for (char *q = p + 2; *q; q++)
		fields += *q == ' ';
	eq(fields, 49); /* 52 fields in all */
	long v1 = 0;
	eq(sscanf(t_read_file("/proc/self/statm"), "%ld", &v1), 1);
	ok(v1 > 10);
}

static void words(void)
{
	pid_t pid = must(fork());
	char text[8192];
	size_t n = 0;

	if (pid == 0) {
		char *argv[] = { "own name", "helper", "", "last", NULL };
		char *envp[] = { "ONE=1", "TWO=2", NULL };
		execve(t_self, argv, envp);
		_exit(127);
	}
	for (int i = 0; i < 3000 && n == 0; i++) {
		t_sleep_ms(1);
		FILE *f = fopen(proc(pid, "cmdline"), "r");
		if (f) {
			n = fread(text, 1, sizeof(text), f);
			if (n < 8 || strcmp(text, "own name"))
				n = 0;
			fclose(f);
		}
	}
	eq(n, 22);
	ok(!memcmp(text, "own name\0helper\0\0last\0", 22));
	FILE *f = fopen(proc(pid, "environ"), "r");
	n = f ? fread(text, 1, sizeof(text), f) : 0;
	eq(n, 12);
	ok(!memcmp(text, "ONE=1\0TWO=2\0", 12));
	char b[4096] = "";
	must(readlink(proc(pid, "exe"), b, sizeof(b) - 1));
	eqs(b, t_self);
	char here[4096];
	must(getcwd(here, sizeof(here)) ? 0 : -1);
	memset(b, 0, sizeof(b));
	must(readlink(proc(pid, "cwd"), b, sizeof(b) - 1));
	ok(!strcmp(b, here));
	snprintf(text, sizeof(text), "%s", t_read_file(proc(pid, "status")));
	ok(atoi(field(text, "PPid:")) == getpid());
	for (int i = 0; i < 2000 && field(text, "State:")[0] != 'S'; i++) {
		t_sleep_ms(1);
		snprintf(text, sizeof(text), "%s", t_read_file(proc(pid, "status")));
	}
	ok(field(text, "State:")[0] == 'S');
	kill(pid, SIGSTOP);
	waitpid(pid, NULL, WUNTRACED);
	snprintf(text, sizeof(text), "%s", t_read_file(proc(pid, "status")));
	ok(field(text, "State:")[0] == 'T');
	kill(pid, SIGKILL);
	siginfo_t si;
	must(waitid(P_PID, pid, &si, WEXITED | WNOWAIT));
	snprintf(text, sizeof(text), "%s", t_read_file(proc(pid, "status")));
	ok(field(text, "State:")[0] == 'Z');
	eqs(t_read_file(proc(pid, "cmdline")), "");
	eqs(t_wait(pid), "killed by SIGKILL");
	fails(access(proc(pid, "status"), F_OK), ENOENT);
	fails(access("/proc/999999999", F_OK), ENOENT);
}

static void listed(void)
{
	bool me = false, child = false, one = false;
	pid_t pid = must(fork());

	if (pid == 0)
		for (;;)
			pause();
	DIR *d = opendir("/proc");
	struct dirent *e;
	while ((e = readdir(d))) {
		me = me || (isdigit((unsigned char)e->d_name[0]) && atoi(e->d_name) == getpid());
		child = child || atoi(e->d_name) == pid;
		one = one || !strcmp(e->d_name, "1");
	}
	closedir(d);
	ok(me && child && one);
	kill(pid, SIGKILL);
	t_wait(pid);
	d = opendir("/proc");
	child = false;
	while ((e = readdir(d)))
		child = child || atoi(e->d_name) == pid;
	closedir(d);
	ok(!child);
	char text[256];
	snprintf(text, sizeof(text), "ps -o pid= -p %d | grep -q %d", getpid(), getpid());
	eqs(t_status(system(text)), "exit 0");
	eqs(t_status(system("ps -ef >/dev/null && ps aux >/dev/null && pgrep -x sh >/dev/null")), "exit 0");
}

static void maps(void)
{
	char line[4096];
	bool exe = false, stack = false, mine = false, sorted = true;
	char *m = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long a, b, last = 0;
	char perm[5];

	must(mprotect(m + 4096, 4096, PROT_READ | PROT_WRITE));
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if (sscanf(line, "%lx-%lx %4s", &a, &b, perm) != 3) {
			say("odd line");
			continue;
		}
		sorted = sorted && a >= last && b > a;
		last = b;
		exe = exe || (strstr(line, t_self) && perm[2] == 'x');
		stack = stack || ((unsigned long)&a >= a && (unsigned long)&a < b && perm[1] == 'w');
		mine = mine || (a <= (unsigned long)m + 4096 && b >= (unsigned long)m + 8192 && !strcmp(perm, "rw-p"));
	}
	ok(sorted);
	ok(exe);
	ok(stack);
	ok(mine);
}

static void system_wide(void)
{
	static const char *const files[] = { "meminfo", "cpuinfo", "stat", "uptime", "loadavg", "version", "mounts",
					     "filesystems", "sys/kernel/pid_max", "sys/kernel/hostname",
					     "sys/kernel/osrelease", "sys/vm/overcommit_memory", "self/mounts",
					     "self/mountinfo", "self/limits", "self/cgroup", "self/oom_score_adj",
					     "self/auxv", "self/task" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char name[64];
		snprintf(name, sizeof(name), "/proc/%s", files[i]);
		say("%s: %s", files[i], access(name, R_OK) ? t_errname(errno) : "readable");
	}
	ok(atol(field(t_read_file("/proc/meminfo"), "MemTotal:")) > 1000);
	ok(strstr(t_read_file("/proc/cpuinfo"), "processor\t: 0") != NULL);
	ok(strstr(t_read_file("/proc/stat"), "btime ") != NULL);
	double up = 0, idle = 0;
	eq(sscanf(t_read_file("/proc/uptime"), "%lf %lf", &up, &idle), 2);
	ok(up > 0);
	eq(sscanf(t_read_file("/proc/loadavg"), "%lf", &up), 1);
	ok(strstr(t_read_file("/proc/mounts"), " / ") != NULL);
	ok(sysconf(_SC_NPROCESSORS_ONLN) >= 1);
	struct stat st;
	must(stat("/proc/self/status", &st));
	eq(st.st_size, 0);
	eq(st.st_mode, S_IFREG | 0444);
	if (geteuid()) /* root may open it, and gets an error from write */
		fails(open("/proc/self/status", O_WRONLY), EACCES);
	fails(open("/proc/newfile", O_CREAT | O_WRONLY, 0644), ENOENT);
	fails(mkdir("/proc/newdir", 0755), ENOENT);
	fails(unlink("/proc/self/status"), EPERM);
}

static int helper(int argc, char **argv)
{
	for (;;)
		pause();
	return argc;
}

T_MAIN_HELPER(helper, T(links), T(descriptors), T(status), T(words), T(listed), T(maps), T(system_wide))
