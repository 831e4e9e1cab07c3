// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * gsh split: have a process leave its sandbox for a smaller one.
 *
 * Options take away: what none of them is about stays. They become the text of a policy (gsh-split(7)), which the
 * process itself carries out; --policy gives such a text as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shell/client.h"
#include "shell/cmd.h"

#define POLICY_MAX 4095 /* bytes; the process takes no more */

enum { OPT_FILES = 660, OPT_NO_NETWORK, OPT_NO_STREAMS, OPT_KEEP_FD };

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	{OPT_FILES, "files", "PATH[:ro]", "of all files only this one, or what is below; may be repeated", WORDS_FILE},
	{OPT_NO_NETWORK, "no-network", NULL, "no sockets but pairs", WORDS_NONE},
	{OPT_NO_STREAMS, "no-streams", NULL, "close open pipes, sockets, terminals, shared memory", WORDS_NONE},
	{OPT_KEEP_FD, "keep", "N", "descriptor N stays open in any case; may be repeated", WORDS_NONE},
	{OPT_POLICY, "policy", "FILE", "these lines say what stays, as in gsh-split(7); - is stdin", WORDS_FILE},
	OPT_ROW_END,
};

struct text {
	char bytes[POLICY_MAX + 1];
	size_t size;
	bool full;
};

static void put(struct text *t, const char *format, const char *a, const char *b)
	__attribute__((format(printf, 2, 0)));
static void put(struct text *t, const char *format, const char *a, const char *b)
{
	int n = snprintf(t->bytes + t->size, sizeof(t->bytes) - t->size, format, a, b);

	t->full |= n < 0 || (size_t)n >= sizeof(t->bytes) - t->size;
	if (!t->full)
		t->size += (size_t)n;
}

/* PATH, PATH:ro or PATH:rw. 0 or a failure. */
static int put_files(struct text *t, const struct call *call, const char *word)
{
	size_t n = strlen(word);
	const char *mode = n > 3 && strcmp(word + n - 3, ":ro") == 0 ? "ro" : "rw";
	char *path;

	if (n > 3 && (strcmp(word + n - 3, ":ro") == 0 || strcmp(word + n - 3, ":rw") == 0))
		n -= 3;
	path = strndup(word, n);
	if (!path || *path != '/' || strchr(path, '\n')) {
		free(path);
		return usage_fail(call->cmd, "%s is not the absolute path of a file inside", word);
	}
	put(t, "files %s %s\n", path, mode);
	free(path);
	return 0;
}

static int put_descriptor(struct text *t, const struct call *call, const char *word)
{
	if (!*word || strlen(word) > 9 || strspn(word, "0123456789") != strlen(word))
		return usage_fail(call->cmd, "%s is no descriptor", word);
	put(t, "keep %s%s\n", word, "");
	return 0;
}

static int from_options(struct text *t, const struct call *call)
{
	int result = 0;

	for (size_t i = 0; i < call->ngiven && !result; i++) {
		if (call->given[i].opt->id == OPT_FILES)
			result = put_files(t, call, call->given[i].value);
		else if (call->given[i].opt->id == OPT_KEEP_FD)
			result = put_descriptor(t, call, call->given[i].value);
	}
	/* /dev/shm is mounted: not a part of "/". */
	if (!opt_given(call, OPT_FILES))
		put(t, "files %s rw\nfiles %s rw\n", "/", "/dev/shm");
	put(t, "network %s\nstreams %s\n", opt_given(call, OPT_NO_NETWORK) ? "none" : "keep",
	    opt_given(call, OPT_NO_STREAMS) ? "none" : "keep");
	return result;
}

static int from_file(struct text *t, const char *name)
{
	int fd = strcmp(name, "-") == 0 ? 0 : open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : 1;
	int err;

	while (n > 0 && t->size < sizeof(t->bytes)) {
		n = read(fd, t->bytes + t->size, sizeof(t->bytes) - t->size);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			t->size += (size_t)n;
	}
	err = errno;
	if (fd > 0)
		close(fd);
	if (n < 0)
		return fail(FAIL_NO, name, "%s", strerror(err));
	if (memchr(t->bytes, '\0', t->size))
		return fail(FAIL_USAGE, name, "a policy is text");
	t->full = t->size == sizeof(t->bytes);
	if (!t->full)
		t->bytes[t->size] = '\0';
	return 0;
}

static int make(struct text *t, const struct call *call)
{
	bool options = opt_given(call, OPT_FILES) || opt_given(call, OPT_NO_NETWORK) || opt_given(call, OPT_NO_STREAMS);
	const char *file = opt_value(call, OPT_POLICY);
	int result;

	if (file && (options || opt_given(call, OPT_KEEP_FD)))
		return usage_fail(call->cmd, "with --policy all is said in the file");
	if (!file && !options)
		return usage_fail(call->cmd, "needs to be told what to take away");
	result = file ? from_file(t, file) : from_options(t, call);
	if (!result && (t->full || !t->size))
		result = fail(FAIL_USAGE, "the policy", "it has 1 to %d bytes", POLICY_MAX);
	return result;
}

static int exec(const struct call *call)
{
	const char *sandbox = call_sandbox(call);
	struct json_object *params;
	struct text t = {.size = 0};
	char *stop;
	long pid;
	int result;

	if (!sandbox)
		return -FAIL_USAGE;
	errno = 0;
	pid = strtol(call->argv[0], &stop, 10);
	if (*stop || stop == call->argv[0] || errno || pid < 1 || pid > 0x7fffffff)
		return usage_fail(call->cmd, "%s is no number of a process", call->argv[0]);
	result = make(&t, call);
	if (result)
		return result;
	params = json_object_new_object();
	json_object_object_add(params, "pid", json_object_new_int64(pid));
	json_object_object_add(params, "policy", json_object_new_string(t.bytes));
	result = ask_box(sandbox, "Split", params, NULL);
	return result > 0 ? fail(FAIL_NOSUCH, sandbox, "this sandbox does not run, so there is nothing to split")
			  : result;
}

const struct cmd cmd_split = {
	.name = "split",
	.args = "PID",
	.summary = "confine a process to a part of its sandbox, for good",
	.help = "The process, which must have one thread and no children, and what it starts from now on keep what "
		"the\n"
		"options leave: the files named (all, if none is), network and open streams unless taken away. "
		"There is\n"
		"no way back. What is taken away is closed; what the kernel then holds is told in gsh-split(7).",
	.opts = opts,
	.group = GROUP_SHAPE,
	.min = 1,
	.max = 1,
	.words = WORDS_PID,
	.exec = exec,
};
