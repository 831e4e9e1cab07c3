// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * A server for several users, one worker a connection. A worker that has seen who is there splits off: from then on it
 * has that user's files, the programs in /usr and its connection, and nothing can bring it more; not even a client that
 * takes it over (`run`, the hole of this server, does just that). For inside of gsh; see gsh-split(7).
 *
 *   split-server ROOT CLIENT...
 *
 * ROOT holds `users`, a line "name password" for each, and home/NAME. A CLIENT is a shell command whose standard input
 * and output are its connection, a pair of sockets here, so that the example runs on every rung. What is said on it:
 *
 *   login NAME PASSWORD      first; then any of
 *   get FILE  put FILE TEXT  in the user's home
 *   run COMMAND              by sh
 *   quit
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

static const char *root;

/* Both sides speak in lines; the rest of one that is too long is the next. */
static bool next_line(FILE *in, char *line)
{
	if (!fgets(line, LINE_MAX_BYTES, in))
		return false;
	line[strcspn(line, "\r\n")] = '\0';
	return true;
}

static bool known(const char *name, const char *password)
{
	char path[PATH_MAX], line[LINE_MAX_BYTES], want[LINE_MAX_BYTES];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/users", root);
	snprintf(want, sizeof(want), "%s %s", name, password);
	f = fopen(path, "re");
	while (f && !found && next_line(f, line))
		found = !strcmp(line, want);
	if (f)
		fclose(f);
	return found;
}

/* The point of it all. */
static int become(const char *name, int conn)
{
	char text[PATH_MAX + 128];
	int fd = open("/proc/self/sandbox", O_WRONLY | O_CLOEXEC), n, r;

	if (fd < 0)
		return -1;
	n = snprintf(text, sizeof(text), "files %s/home/%s rw\nfiles /usr ro\nnetwork none\nstreams none\nkeep %d\n", root,
		     name, conn);
	r = n < (int)sizeof(text) && write(fd, text, (size_t)n) == n ? 0 : -1;
	close(fd);
	return r;
}

static void get(FILE *out, const char *name)
{
	char buf[4096];
	size_t n;
	FILE *f = fopen(name, "re");

	if (!f) {
		fprintf(out, "%s: %s\n", name, strerror(errno));
		return;
	}
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		fwrite(buf, 1, n, out);
	fclose(f);
}

static void put(FILE *out, char *rest)
{
	char *text = strchr(rest, ' ');
	FILE *f;

	if (text)
		*text++ = '\0';
	f = fopen(rest, "we");
	if (!f || fprintf(f, "%s\n", text ? text : "") < 0 || fclose(f))
		fprintf(out, "%s: %s\n", rest, strerror(errno));
	else
		fprintf(out, "stored\n");
}

static void run(FILE *out, const char *command)
{
	int status;
	pid_t pid;

	fflush(out);
	pid = fork();
	if (pid == 0) {
		dup2(fileno(out), 1);
		dup2(fileno(out), 2);
		execl("/usr/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}

static void serve(FILE *in, FILE *out, const char *name)
{
	char path[PATH_MAX], line[LINE_MAX_BYTES];

	snprintf(path, sizeof(path), "%s/home/%s", root, name);
	if (chdir(path))
		return;
	fprintf(out, "welcome %s\n", name);
	fflush(out);
	while (next_line(in, line) && strcmp(line, "quit")) {
		if (!strncmp(line, "get ", 4))
			get(out, line + 4);
		else if (!strncmp(line, "put ", 4))
			put(out, line + 4);
		else if (!strncmp(line, "run ", 4))
			run(out, line + 4);
		else
			fprintf(out, "what?\n");
		fflush(out);
	}
}

static int worker(int conn)
{
	char line[LINE_MAX_BYTES], name[64], password[64];
	FILE *in = fdopen(conn, "r"), *out = fdopen(dup(conn), "w");

	if (!in || !out || !next_line(in, line) || sscanf(line, "login %63s %63s", name, password) != 2 ||
	    strchr(name, '/') || name[0] == '.' || !known(name, password)) {
		if (out)
			fprintf(out, "no\n");
		return 1;
	}
	if (become(name, conn)) {
		fprintf(out, "cannot split off: %s\n", strerror(errno));
		return 1;
	}
	serve(in, out, name);
	return 0;
}

static void connect_client(const char *command)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		err(1, "connection");
	if (fork() == 0) {
		dup2(ends[1], 0);
		dup2(ends[1], 1);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	close(ends[1]);
	if (fork() == 0)
		exit(worker(ends[0]));
	close(ends[0]);
}

int main(int argc, char **argv)
{
	static char real[PATH_MAX];
	int failed = 0, status;

	if (argc < 3 || !realpath(argv[1], real)) {
		fprintf(stderr, "usage: split-server ROOT CLIENT...\n");
		return 2;
	}
	root = real;
	for (int i = 2; i < argc; i++)
		connect_client(argv[i]);
	while (wait(&status) > 0)
		failed |= status;
	return failed != 0;
}
