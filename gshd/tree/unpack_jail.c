// SPDX-License-Identifier: LGPL-3.0-or-later
/* The child that unpacks, what it may do, and what it says; see unpack.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <locale.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "gshd/tree/patch.h"
#include "gshd/tree/unpack.h"

#define MEMORY_MAX (1ull << 30)
#define READS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* All of ABI 2 but to execute and to make block devices. */
#define ALL ((1ull << 14) - 1)
#define WRITES \
	(ALL & \
	 ~(uint64_t)(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SOCK))

static int allow(int rules, int dir, uint64_t what)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = what, .parent_fd = dir };

	return dir >= 0 && syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) ? -errno : 0;
}

static int bind_files(const struct unpack *u, int layout)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = ALL };
	int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0), err = rules < 0 ? -errno : 0;

	if (!err)
		err = allow(rules, u->dir, WRITES);
	if (!err)
		err = allow(rules, u->blobs, WRITES);
	if (!err)
		err = allow(rules, layout, READS);
	if (!err && syscall(SYS_landlock_restrict_self, rules, 0))
		err = -errno;
	if (rules >= 0)
		close(rules);
	return err;
}

static int forbid(void)
{
	static const int calls[] = {
		SCMP_SYS(read),	      SCMP_SYS(pread64),      SCMP_SYS(write),	      SCMP_SYS(pwrite64),
		SCMP_SYS(lseek),      SCMP_SYS(close),	      SCMP_SYS(openat),	      SCMP_SYS(fstat),
		SCMP_SYS(newfstatat), SCMP_SYS(fstatfs),      SCMP_SYS(getdents64),   SCMP_SYS(fcntl),
		SCMP_SYS(ftruncate),  SCMP_SYS(fsetxattr),    SCMP_SYS(fgetxattr),    SCMP_SYS(fchmod),
		SCMP_SYS(mkdirat),    SCMP_SYS(mknodat),      SCMP_SYS(linkat),	      SCMP_SYS(symlinkat),
		SCMP_SYS(unlinkat),   SCMP_SYS(brk),	      SCMP_SYS(munmap),	      SCMP_SYS(mremap),
		SCMP_SYS(madvise),    SCMP_SYS(futex),	      SCMP_SYS(getrandom),    SCMP_SYS(sysinfo),
		SCMP_SYS(geteuid),    SCMP_SYS(getegid),      SCMP_SYS(getpid),	      SCMP_SYS(exit),
		SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn), SCMP_SYS(clock_gettime)
	};
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err = ctx ? 0 : -ENOMEM;

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && !err; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	/* Landlock does not mind what is done to modes, times and the like: only of what is open. */
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(utimensat), 1, SCMP_A1(SCMP_CMP_EQ, 0));
	/* Memory that is never executable. */
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, 4, 0));
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, 4, 0));
	/* What a library asks for in passing is refused, not punished. */
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), 0);
	if (!err)
		err = seccomp_load(ctx);
	if (ctx)
		seccomp_release(ctx);
	return err;
}

static int confine(const struct unpack *u, int from, bool is_dir)
{
	struct rlimit memory = { MEMORY_MAX, MEMORY_MAX }, none = { 0, 0 };
	int err;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0) ||
	    setrlimit(RLIMIT_AS, &memory) || setrlimit(RLIMIT_CORE, &none))
		return -errno;
	err = bind_files(u, is_dir ? from : -1);
	return err ? err : forbid();
}

static bool is_oci(int from)
{
	char name[256];

	unpack_first_name(from, name, sizeof(name));
	if (lseek(from, 0, SEEK_SET))
		return false;
	return !strcmp(name, "oci-layout") || !strcmp(name, "index.json") || !strcmp(name, "manifest.json") ||
	       !strcmp(name, "blobs") || !strncmp(name, "blobs/", 6);
}

static int work(struct unpacker *p, int from, bool is_dir)
{
	int err;

	if (is_dir || is_oci(from))
		err = unpack_oci(p, from, is_dir);
	else
		err = unpack_tar(p, from, false);
	return err ? err : unpack_times(p);
}

static void child(const struct unpack *u, int from, bool is_dir, int progress, int words, int late)
{
	static char why[UNPACK_WHY];
	struct unpacker p = { .u = u, .why = why, .out = progress, .late = late };
	int err;

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_IGN);
	umask(0);
	setlocale(LC_CTYPE, "C.UTF-8");
	err = confine(u, from, is_dir);
	if (err)
		snprintf(why, sizeof(why), "what reads the archive cannot be confined: %s", strerror(-err));
	else
		err = work(&p, from, is_dir);
	if (err && !*why)
		snprintf(why, sizeof(why), "%s", strerror(-err));
	if (err)
		(void)!write(words, why, strlen(why));
	_exit(err ? (-err & 0x7f) : 0);
}

/* Pass on what it says of its progress until it ends or is to end. */
static void listen_to(const struct unpack *u, int progress)
{
	uint64_t had[2] = { 0, 0 }, now[2];
	struct pollfd p = { .fd = progress, .events = POLLIN };

	while (!(u->stop && *u->stop)) {
		if (poll(&p, 1, 200) <= 0)
			continue;
		if (read(progress, now, sizeof(now)) != (ssize_t)sizeof(now))
			return;
		if (u->step)
			u->step(now[0] - had[0], now[1] - had[1], u->arg);
		memcpy(had, now, sizeof(had));
	}
}

/* Its words are as trusted as itself: shown without what drives a terminal. */
static void take_words(int words, char *why)
{
	ssize_t n = read(words, why, UNPACK_WHY - 1);

	why[n > 0 ? n : 0] = '\0';
	for (char *c = why, *end = why + strlen(why); c < end;) {
		size_t whole = quote_utf8(c, end);

		if (!whole)
			*c = '?';
		c += whole ? whole : 1;
	}
}

int unpack_run(const struct unpack *u, int from, char *why)
{
	int progress[2] = { -1, -1 }, words[2] = { -1, -1 }, status = 0, err = 0;
	struct stat st;
	int late = unpack_late_file();
	pid_t pid = -1;

	*why = '\0';
	if (late < 0)
		err = late;
	else if (fstat(from, &st) || pipe2(progress, O_CLOEXEC) || pipe2(words, O_CLOEXEC))
		err = -errno;
	if (!err) {
		pid = fork();
		err = pid < 0 ? -errno : 0;
	}
	if (!pid)
		child(u, from, S_ISDIR(st.st_mode), progress[1], words[1], late);
	close(progress[1]);
	close(words[1]);
	if (!err) {
		listen_to(u, progress[0]);
		if (u->stop && *u->stop)
			kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (u->stop && *u->stop)
			err = -EINTR;
		else if (!WIFEXITED(status))
			err = -EIO;
		else
			err = -WEXITSTATUS(status);
		if (err && err != -EINTR)
			take_words(words[0], why);
		if (err == -EIO && !*why)
			snprintf(why, UNPACK_WHY, "what read the archive was killed (signal %d)", WTERMSIG(status));
	}
	if (!err)
		unpack_late_set(late, u->dir);
	close(progress[0]);
	close(words[0]);
	if (late >= 0)
		close(late);
	if (err && err != -EINTR && !*why)
		snprintf(why, UNPACK_WHY, "%s", strerror(-err));
	return err;
}
