// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The lines of before, and those that are meant for gsh.
 *
 * What was typed to a sandbox's shell is kept beside its files in the store, where nothing inside can read it.
 * What other programs asked for is remembered until gsh ends and never written. A line that begins with a
 * blank is not kept.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "gshd/client/paths.h"
#include "shell/edit.h"

#define KEPT_MAX 5000

static char file[PATH_MAX]; /* "": nowhere to keep them */
static bool unwritten;	    /* the newest entry may still grow */

void edit_past_open(const char *sandbox)
{
	struct paths paths;
	char why[512];
	int fd;

	using_history();
	history_comment_char = '#';
	history_write_timestamps = 1;
	history_multiline_entries = 1;
	stifle_history(KEPT_MAX);
	if (paths_find(&paths, why, sizeof(why)) ||
	    snprintf(file, sizeof(file), "%s/boxes/%s/typed", paths.store, sandbox) >= (int)sizeof(file)) {
		file[0] = '\0';
		return;
	}
	fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		file[0] = '\0';
		return;
	}
	close(fd);
	read_history(file);
	if (history_length >= KEPT_MAX)
		history_truncate_file(file, KEPT_MAX / 2);
}

static const char *last(void)
{
	HIST_ENTRY *h = history_length ? history_get(history_base + history_length - 1) : NULL;

	return h ? h->line : NULL;
}

/* A line of a compound command: one entry with those before. */
static void join(const char *line)
{
	char *whole = NULL;
	const char *before = last();
	HIST_ENTRY *old;

	if (!before || asprintf(&whole, "%s\n%s", before, line) < 0)
		return;
	old = remove_history(history_length - 1);
	if (old)
		free_history_entry(old);
	add_history(whole);
	free(whole);
}

void edit_past_write(void)
{
	if (unwritten && file[0])
		append_history(1, file);
	unwritten = false;
}

void edit_past_add(const char *line, bool keep, bool continued)
{
	const char *before = last();

	if (continued && unwritten) {
		join(line);
		return;
	}
	edit_past_write();
	if (*line == ' ' || (before && strcmp(before, line) == 0))
		return;
	add_history(line);
	unwritten = keep;
}

/* ---- lines for gsh ---- */

static const struct {
	const char *word, *verb, *what;
} own[] = {
	{"undo", "undo", "take the last command back"},
	{"redo", "redo", "and forth again"},
	{"diff", "diff", "what was changed here"},
	{"log", "log", "the commands that changed something"},
	{"snap", "snapshot", "keep this state under a name: :snap NAME"},
	{"why", "why", "why the last command failed"},
	{"help", NULL, "this"},
};

static void help(void)
{
	puts("Lines that gsh itself carries out:");
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		printf("  :%-6s %s\n", own[i].word, own[i].what);
	puts("^] three times within a second detaches; gsh attach comes back.");
	fflush(stdout);
}

/* At most `room` words, cut at blanks, in place. */
static int split(char *text, char **words, int room)
{
	char *word;
	int n = 0;

	while (n < room && (word = strsep(&text, " \t\n")))
		if (*word)
			words[n++] = word;
	return n;
}

#define WORDS_MAX 32
static void carry_out(const char *sandbox, const char *verb, char *rest)
{
	char *argv[WORDS_MAX + 5] = {(char *)"gsh", (char *)verb, (char *)"-s", (char *)sandbox};
	pid_t pid;

	split(rest, argv + 4, WORDS_MAX);
	pid = fork();
	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* The row, or the end of the table. */
static size_t find_own(const char *line)
{
	size_t n = strcspn(line, " \t\n"), i = 0;

	if (*line != ':')
		return sizeof(own) / sizeof(own[0]);
	while (i < sizeof(own) / sizeof(own[0]) &&
	       (n != strlen(own[i].word) + 1 || strncmp(line + 1, own[i].word, n - 1) != 0))
		i++;
	return i;
}

bool edit_is_own(const char *line)
{
	return find_own(line) < sizeof(own) / sizeof(own[0]);
}

void edit_own(struct tty *t, const char *sandbox, const char *line)
{
	size_t row = find_own(line);
	char *rest = strdup(line + strcspn(line, " \t\n"));

	tty_restore(t);
	if (!own[row].verb)
		help();
	else if (rest)
		carry_out(sandbox, own[row].verb, rest);
	free(rest);
	if (tty_raw(t) < 0)
		note("the terminal cannot be set");
}
