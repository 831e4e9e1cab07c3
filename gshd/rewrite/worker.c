// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * The worker: a child that reads one executable, writes one file, and can do nothing else.
 *
 * The executable was chosen by a sandbox, and decoders are parsers: whatever it may make of them
 * must stay in here. The child keeps two descriptors, is bounded in time, memory and output, and a
 * seccomp list of a dozen calls with no way to open anything takes effect before the first byte is
 * read. Its result is looked at by rewrite_verify.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "gshd/rewrite/rewrite.h"

#define SECONDS_MAX 10
#define MEMORY_MAX (3ull << 30)
#define WORKER_IN 3
#define WORKER_OUT 4

int rewrite_build(int fd, const struct image_key *key, int out)
{
	struct image img;
	int err = image_read(&img, fd);

	if (!err)
		err = image_find_sites(&img);
	if (!err)
		err = image_plan(&img);
	if (!err)
		err = image_write(&img, key, out);
	image_free(&img);
	return err;
}

static int limit(int what, u64 value)
{
	struct rlimit r = {value, value};

	return setrlimit(what, &r);
}

/* sysinfo is qsort's, which asks how much memory there is. */
static int forbid(void)
{
	static const int calls[] = {SCMP_SYS(read),	 SCMP_SYS(pread64),   SCMP_SYS(pwrite64),
				    SCMP_SYS(ftruncate), SCMP_SYS(fstat),     SCMP_SYS(brk),
				    SCMP_SYS(munmap),	 SCMP_SYS(mremap),    SCMP_SYS(exit_group),
				    SCMP_SYS(exit),	 SCMP_SYS(getrandom), SCMP_SYS(sysinfo)};
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err = ctx ? 0 : -ENOMEM;

	for (size_t i = 0; i < ARRAY_SIZE(calls) && !err; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	/* fstat as libc makes it; memory that is never executable. */
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
				       SCMP_A3(SCMP_CMP_EQ, AT_EMPTY_PATH));
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, 4, 0));
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, 4, 0));
	if (!err)
		err = seccomp_load(ctx);
	if (ctx)
		seccomp_release(ctx);
	return err;
}

static int worker_confine(int fd, int out)
{
	int in = fcntl(fd, F_DUPFD, 16), to = fcntl(out, F_DUPFD, 16);

	if (in < 0 || to < 0 || dup2(in, WORKER_IN) < 0 || dup2(to, WORKER_OUT) < 0)
		return -errno;
	if (syscall(SYS_close_range, WORKER_OUT + 1, ~0u, 0))
		return -errno;
	for (int i = 0; i < WORKER_IN; i++)
		close(i);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_DUMPABLE, 0) || limit(RLIMIT_CPU, SECONDS_MAX) ||
	    limit(RLIMIT_AS, MEMORY_MAX) || limit(RLIMIT_CORE, 0) ||
	    limit(RLIMIT_FSIZE, REWRITE_TEXT_MAX + (64u << 20)))
		return -errno;
	signal(SIGXFSZ, SIG_IGN);
	return forbid();
}

static void worker(int fd, const struct image_key *key, int out)
{
	int err = worker_confine(fd, out);

	if (!err)
		err = rewrite_build(WORKER_IN, key, WORKER_OUT);
	/* An errno in eight bits; those above are none of ours. */
	_exit(err ? (-err & 0x7f) : 0);
}

static int status_error(int status)
{
	if (!WIFEXITED(status))
		return -EIO;
	return WEXITSTATUS(status) ? -WEXITSTATUS(status) : 0;
}

int rewrite_run(int fd, const struct image_key *key, int out)
{
	struct pollfd p = {.events = POLLIN};
	pid_t pid = fork();
	int status, n;

	if (pid < 0)
		return -errno;
	if (!pid)
		worker(fd, key, out);
	p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	do
		n = poll(&p, p.fd >= 0, SECONDS_MAX * 1000);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		kill(pid, SIGKILL);
	if (p.fd >= 0)
		close(p.fd);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return n == 0 ? -ETIMEDOUT : status_error(status);
}
