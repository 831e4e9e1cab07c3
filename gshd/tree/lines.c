// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Hunks of a unified diff.
 *
 * The comparing is done by diff(1), in a process of its own with a bound to its memory: a file that
 * a sandbox made to exhaust it costs a sentence. Of a file that is there on one side only there is
 * nothing to compare: its lines are passed on as they are read, however many.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "gshd/tree/patch.h"

#define CHUNK 65536
#define LOOK 8000			  /* as git does: a NUL in here means binary */
#define COMPARE_MAX ((off_t)64 << 20)	  /* larger ones are not compared line by line */
#define IN_MAX 3
#define CHILD_MEMORY ((rlim_t)1536 << 20) /* diff(1) keeps both files and a record a line */

int lines_binary(int fd)
{
	char buf[LOOK];
	ssize_t n = fd < 0 ? 0 : pread(fd, buf, sizeof(buf), 0);

	return n < 0 ? -errno : memchr(buf, '\0', (size_t)n) != NULL;
}

/* ---- one side only ---- */

static ssize_t read_at(int fd, char *buf, off_t at)
{
	ssize_t n = pread(fd, buf, CHUNK, at);

	return n < 0 ? -errno : n;
}

/* How many lines, the last one's end missing or not. */
static int64_t count_lines(int fd, char *buf)
{
	int64_t lines = 0;
	off_t at = 0;
	bool open = false;
	ssize_t n;

	while ((n = read_at(fd, buf, at)) > 0) {
		for (char *p = buf; (p = memchr(p, '\n', (size_t)(buf + n - p))); p++)
			lines++;
		open = buf[n - 1] != '\n';
		at += n;
	}
	return n < 0 ? n : lines + open;
}

static int put_text(const struct patch_sink *sink, enum patch_kind kind, const char *text)
{
	return sink->put(sink->arg, kind, text, strlen(text));
}

/* The first `left` lines, each with its sign: the file may be longer by now. */
static int put_lines(int fd, const struct patch_sink *sink, enum patch_kind kind, int64_t left,
		     char *buf)
{
	bool begin = true;
	off_t at = 0;
	ssize_t n = 0;
	int r = 0;

	while (!r && left > 0 && (n = read_at(fd, buf, at)) > 0) {
		char *p = buf, *end = buf + n;

		while (!r && p < end && left > 0) {
			char *stop = memchr(p, '\n', (size_t)(end - p)),
			     *next = stop ? stop + 1 : end;

			if (begin)
				r = put_text(sink, kind, kind == PATCH_ADD ? "+" : "-");
			if (!r)
				r = sink->put(sink->arg, kind, p, (size_t)(next - p));
			begin = stop != NULL;
			left -= begin;
			p = next;
		}
		at += n;
	}
	if (!r && n >= 0 && !begin)
		r = put_text(sink, PATCH_CONTEXT, "\n\\ No newline at end of file\n");
	return n < 0 ? (int)n : r;
}

static int one_side(int fd, bool added, const struct patch_sink *sink, struct patch_count *count)
{
	char *buf = malloc(CHUNK), head[64], range[32];
	int64_t lines = buf ? count_lines(fd, buf) : -ENOMEM;
	int r = (int)(lines < 0 ? lines : 0);

	if (lines > 0) {
		snprintf(range, sizeof(range), lines == 1 ? "1" : "1,%lld", (long long)lines);
		snprintf(head, sizeof(head), added ? "@@ -0,0 +%s @@\n" : "@@ -%s +0,0 @@\n",
			 range);
		if (count && added)
			count->added += (uint64_t)lines;
		else if (count)
			count->deleted += (uint64_t)lines;
		r = put_text(sink, PATCH_HUNK, head);
		if (!r)
			r = put_lines(fd, sink, added ? PATCH_ADD : PATCH_DELETE, lines, buf);
	}
	free(buf);
	return r;
}

/* ---- both: diff(1) ---- */

/* The program argv[0] with these as 3, 4, ..., and its output to out. */
static void exec_bounded(char *const argv[], const int *in, int n, int out)
{
	static char *const envp[] = { "PATH=/usr/bin:/bin", "LC_ALL=C", NULL };
	struct rlimit memory = { CHILD_MEMORY, CHILD_MEMORY };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), high[IN_MAX];
	char path[64];

	/* Out of the way of the numbers that they shall have. */
	for (int i = 0; i < n; i++)
		high[i] = fcntl(in[i], F_DUPFD_CLOEXEC, 10);
	out = fcntl(out, F_DUPFD_CLOEXEC, 10);
	if (setrlimit(RLIMIT_AS, &memory) || dup2(null, 0) < 0 || dup2(out, 1) < 0 ||
	    dup2(null, 2) < 0)
		_exit(2);
	for (int i = 0; i < n; i++)
		if (dup2(high[i], 3 + i) < 0)
			_exit(2);
	snprintf(path, sizeof(path), "/usr/bin/%s", argv[0]);
	execve(path, argv, envp);
	execve(path + strlen("/usr"), argv, envp);
	_exit(127);
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

int lines_run(char *const argv[], const int *in, int n, int out)
{
	pid_t pid = n > IN_MAX ? -1 : fork();

	if (pid == 0)
		exec_bounded(argv, in, n, out);
	return pid < 0 ? -EAGAIN : wait_for(pid);
}

static enum patch_kind kind_of(char first)
{
	switch (first) {
	case '+':
		return PATCH_ADD;
	case '-':
		return PATCH_DELETE;
	case '@':
		return PATCH_HUNK;
	default:
		return PATCH_CONTEXT;
	}
}

/* What diff(1) says, but its first two lines, which name the files. */
static int pass_on(int from, const struct patch_sink *sink, struct patch_count *count)
{
	char *buf = malloc(CHUNK);
	enum patch_kind kind = PATCH_CONTEXT;
	unsigned skip = 2;
	bool begin = true;
	ssize_t n = 0;
	int r = buf ? 0 : -ENOMEM;

	while (!r && ((n = read(from, buf, CHUNK)) > 0 || (n < 0 && errno == EINTR))) {
		for (char *p = buf, *next; !r && n > 0 && p < buf + n; p = next) {
			char *stop = memchr(p, '\n', (size_t)(buf + n - p));

			next = stop ? stop + 1 : buf + n;
			if (begin && !skip) {
				kind = kind_of(*p);
				if (count && kind == PATCH_ADD)
					count->added++;
				if (count && kind == PATCH_DELETE)
					count->deleted++;
			}
			if (!skip)
				r = sink->put(sink->arg, kind, p, (size_t)(next - p));
			begin = stop != NULL;
			if (skip && stop)
				skip--;
		}
	}
	free(buf);
	return n < 0 && !r ? -errno : r;
}

static int both_sides(int a, int b, const struct patch_sink *sink, struct patch_count *count)
{
	static char *const argv[] = { "diff",	 "-a", "-u",	    "--label",	 "a",
				      "--label", "b",  "/dev/fd/3", "/dev/fd/4", NULL };
	const int in[] = { a, b };
	int ends[2], status, r;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid == 0)
		exec_bounded(argv, in, 2, ends[1]);
	close(ends[1]);
	r = pid < 0 ? -EAGAIN : pass_on(ends[0], sink, count);
	close(ends[0]);
	if (pid < 0)
		return r;
	status = wait_for(pid);
	if (r || status < 0)
		return r ? r : status;
	return status == 127 ? -ENOPKG : status <= 1 ? 0 : -EFBIG;
}

int lines_diff(int a, int b, const struct patch_sink *sink, struct patch_count *count)
{
	off_t x = a < 0 ? 0 : lseek(a, 0, SEEK_END), y = b < 0 ? 0 : lseek(b, 0, SEEK_END);

	if (x < 0 || y < 0)
		return -errno;
	if (!x && !y)
		return 0;
	if (!x || !y)
		return one_side(x ? a : b, !x, sink, count);
	if (x > COMPARE_MAX || y > COMPARE_MAX)
		return -EFBIG;
	return both_sides(a, b, sink, count);
}
