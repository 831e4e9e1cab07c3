// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh inside: what somebody in a sandbox asks of gsh, answered on the host. See inside.h; the
 * monitor starts it. */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shell/cmd.h"
#include "shell/inside.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	OPT_ROW_END,
};

enum allowed_words { NO_WORDS, ONE_NUMBER, ONE_NAME, VERSIONS };

/* What looks, or changes nothing but the sandbox's own files and names for them. Options: long
 * names, each between blanks; those of all verbs are harmless. */
static const struct {
	const char *verb, *options;
	enum allowed_words words;
} allowed[] = {
	{ "status", " json ", NO_WORDS },
	{ "diff", " json name-status stat exit-code ", VERSIONS },
	{ "log", " json number ", NO_WORDS },
	{ "show", " json ", ONE_NUMBER },
	{ "why", " json all ", NO_WORDS },
	{ "denials", " json ", NO_WORDS },
	{ "snapshot", " ", ONE_NAME },
	{ "undo", " end keep ", ONE_NUMBER },
	{ "redo", " ", ONE_NUMBER },
};

static bool is_made_of(const char *word, const char *chars)
{
	return *word && !word[strspn(word, chars)];
}

static bool word_is_allowed(const struct call *call, int i, enum allowed_words words)
{
	const char *word = call->argv[i];

	switch (words) {
	case ONE_NUMBER:
		return is_made_of(word, "0123456789");
	case ONE_NAME:
	case VERSIONS:
		if (words == VERSIONS && i >= call->dash)
			return *word == '/';
		/* No '@': another sandbox. */
		return *word != '-' &&
		       is_made_of(
			       word,
			       "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-");
	case NO_WORDS:
		break;
	}
	return false;
}

static bool option_is_allowed(const struct opt *opt, const char *names)
{
	char name[64];
	const struct opt *o;

	for (o = common_opts; o->id; o++)
		if (o->id == opt->id)
			return true;
	snprintf(name, sizeof(name), " %s ", opt->name);
	return strstr(names, name) != NULL;
}

static const char *asker; /* the sandbox */

/* May this be done for somebody inside? Then it is about that sandbox, as it sees itself. */
static int admit(struct call *call)
{
	size_t k, i;
	int w;

	for (k = 0; k < sizeof(allowed) / sizeof(allowed[0]); k++)
		if (strcmp(call->cmd->name, allowed[k].verb) == 0)
			break;
	if (k == sizeof(allowed) / sizeof(allowed[0])) {
		(void)fail(FAIL_REFUSED, call->cmd->name, "not from inside a sandbox");
		hint("it is for the host: gsh %s -s %s", call->cmd->name, asker);
		return -FAIL_REFUSED;
	}
	for (i = 0; i < call->ngiven; i++)
		if (!option_is_allowed(call->given[i].opt, allowed[k].options))
			return fail(FAIL_REFUSED, call->cmd->name,
				    "--%s is not for inside a sandbox", call->given[i].opt->name);
	for (w = 0; w < call->argc; w++)
		if (!word_is_allowed(call, w, allowed[k].words))
			return fail(FAIL_REFUSED, call->cmd->name, "%s is not for inside a sandbox",
				    call->argv[w]);
	if (call->ngiven == CALL_OPTS_MAX)
		return fail(FAIL_USAGE, call->cmd->name, "too many options");
	call->given[call->ngiven++] = (struct given){ opt_by_letter(call->cmd, 's'), asker };
	versions_as_inside();
	return 0;
}

/* The words of the request behind gsh's own name. NULL: it was none. */
static char **take_request(int *argc)
{
	static char text[INSIDE_REQUEST_MAX + 1], *words[INSIDE_WORDS_MAX + 4];
	uint32_t size;
	char *at = text;

	if (inside_read(0, &size, sizeof(size)) || le32toh(size) > INSIDE_REQUEST_MAX ||
	    inside_read(0, text, le32toh(size)))
		return NULL;
	size = le32toh(size);
	*argc = 0;
	words[(*argc)++] = "gsh";
	if (strncmp(at, INSIDE_READER, strlen(INSIDE_READER)) == 0) {
		ui_reader((unsigned int)atoi(at + strlen(INSIDE_READER)));
		at += strlen(at) + 1;
	}
	for (; at < text + size && *argc < INSIDE_WORDS_MAX; at += strlen(at) + 1)
		words[(*argc)++] = at;
	words[*argc] = NULL;
	return at < text + size ? NULL : words;
}

static int send_frame(char kind, const void *data, size_t size)
{
	unsigned char head[5] = { (unsigned char)kind };
	uint32_t length = htole32((uint32_t)size);

	memcpy(head + 1, &length, sizeof(length));
	return inside_write(1, head, sizeof(head)) || inside_write(1, data, size) ? -1 : 0;
}

/* Until both are at their end. */
static void carry(const int *from)
{
	struct pollfd p[2] = { { .fd = from[0], .events = POLLIN },
			       { .fd = from[1], .events = POLLIN } };
	char buf[8192];
	int i;

	while (p[0].fd >= 0 || p[1].fd >= 0) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return;
		for (i = 0; i < 2; i++) {
			ssize_t n = p[i].revents ? read(p[i].fd, buf, sizeof(buf)) : -1;

			if (n == 0)
				p[i].fd = -1;
			if (n > 0 && send_frame((char)('1' + i), buf, (size_t)n))
				return;
			p[i].revents = 0;
		}
	}
}

/* The command, in a child whose output is ours to carry. */
static int answer(int argc, char **argv)
{
	int out[2], err[2], from[2], status = 0;
	unsigned char said;
	pid_t pid;

	if (pipe(out) || pipe(err))
		return -FAIL_NO;
	pid = fork();
	if (pid < 0)
		return -FAIL_NO;
	if (pid == 0) {
		alarm(INSIDE_SECONDS);
		dup2(out[1], 1);
		dup2(err[1], 2);
		close(0);
		for (int i = 0; i < 2; i++) {
			close(out[i]);
			close(err[i]);
		}
		exit(gsh_main(argc, argv, admit));
	}
	close(out[1]);
	close(err[1]);
	from[0] = out[0];
	from[1] = err[0];
	carry(from);
	kill(pid, SIGKILL); /* if nobody took what it had to say */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	said = WIFEXITED(status) ? (unsigned char)WEXITSTATUS(status) : EXIT_SELF;
	return send_frame('s', &said, 1) ? -FAIL_NO : 0;
}

static int exec(const struct call *call)
{
	char **argv;
	int argc;

	asker = opt_value(call, 's');
	if (!asker || sandbox_name_check(asker))
		return usage_fail(call->cmd, "-s is missing");
	/* Who asks and does not listen is not waited for. */
	alarm(INSIDE_SECONDS);
	signal(SIGPIPE, SIG_IGN);
	argv = take_request(&argc);
	return argv ? answer(argc, argv) : -FAIL_NO;
}

const struct cmd cmd_inside = {
	.name = "inside",
	.summary = "answer what gsh inside a sandbox asks",
	.opts = opts,
	.flags = CMD_HIDDEN,
	.exec = exec,
};
