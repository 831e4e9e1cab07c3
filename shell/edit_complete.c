// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What a word may become: a bash inside the sandbox is asked, for only there are its commands and its files.
 *
 * It is started by the first TAB and then serves until gsh ends: a question is the directory of who reads, the
 * line up to the cursor and the word; the answer is words, each ended by a NUL, an empty one last. It is as
 * little trusted as anything inside: what it says is bounded in time and size, and what would drive a terminal
 * is dropped.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <readline/readline.h>

#include "conf/conf.h"
#include "gshd/tree/patch.h"
#include "shell/cmd.h"
#include "shell/edit.h"

#define ANSWER_MS 250
#define FIRST_MS 1500 /* with its start */
#define ANSWER_MAX (1u << 20)

extern char **environ;

/* $d directory, $l line up to the cursor, $w word. Names of directories end with a slash. */
static const char script[] =
	"shopt -s extglob nullglob progcomp 2>/dev/null; set +m\n"
	"for f in /usr/share/bash-completion/bash_completion /etc/bash_completion; do\n"
	"	[ -r $f ] && { . $f; break; } </dev/null >/dev/null 2>&1\n"
	"done\n"
	"files() {\n"
	"	local f\n"
	"	while IFS= read -r f; do\n"
	"		[ -d \"${f/#\\~/$HOME}\" ] && f=${f%/}/\n"
	"		printf '%s\\0' \"$f\"\n"
	"	done < <(compgen -f -- \"$w\")\n"
	"}\n"
	"words() { while IFS= read -r f; do printf '%s\\0' \"$f\"; done < <(compgen \"$@\" -- \"$w\"); }\n"
	"targets() {\n"
	"	words -W \"$(make -npq : 2>/dev/null | awk -F: '/^# Not a target/ {getline; next}\n"
	"		/^[A-Za-z0-9_][^$#%= \\t]*:([^=]|$)/ {print $1}')\"\n"
	"}\n"
	"branches() {\n"
	"	words -W \"$(git for-each-ref --format='%(refname:short)' 2>/dev/null)\"\n"
	"}\n"
	"loaded() {\n"
	"	local spec fn COMPREPLY=() i\n"
	"	COMP_LINE=$l COMP_POINT=${#l} COMP_TYPE=9 COMP_KEY=9\n"
	"	COMP_WORDS=($l)\n"
	"	[ -n \"$w\" ] || COMP_WORDS+=('')\n"
	"	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
	"	complete -p \"$c\" >/dev/null 2>&1 || _completion_loader \"$c\" >/dev/null 2>&1\n"
	"	spec=$(complete -p \"$c\" 2>/dev/null) || return 1\n"
	"	case $spec in *' -F '*) ;; *) return 1 ;; esac\n"
	"	fn=${spec##* -F } fn=${fn%% *}\n"
	"	\"$fn\" \"$c\" \"$w\" \"${COMP_WORDS[COMP_CWORD - 1]}\" >/dev/null 2>&1\n"
	"	[ ${#COMPREPLY[@]} -gt 0 ] || return 1\n"
	"	for i in \"${COMPREPLY[@]}\"; do\n"
	"		case $i in */ | *=) ;; *) [ -d \"$i\" ] && i=$i/ ;; esac\n"
	"		printf '%s\\0' \"${i%\"${i##*[! ]}\"}\"\n"
	"	done\n"
	"}\n"
	"answer() {\n"
	"	local head=${l%\"$w\"} c v\n"
	"	head=${head##*[;&|(]}\n"
	"	read -r c v _ <<<\"$head\"\n"
	"	if [ -z \"$c\" ]; then\n"
	"		case $w in */*) files ;; *) words -c ;; esac\n"
	"		return\n"
	"	fi\n"
	"	case $w in */*) ;; *)\n"
	"		case $c.$v in\n"
	"		make.*) targets; files; return ;;\n"
	"		git.checkout | git.switch | git.merge | git.rebase | git.branch | git.log | \\\n"
	"		git.diff | git.show | git.push | git.pull)\n"
	"			branches\n"
	"			case $v in checkout | log | diff | show) files ;; esac\n"
	"			return ;;\n"
	"		cd.* | rmdir.*) words -d -S /; return ;;\n"
	"		esac ;;\n"
	"	esac\n"
	"	case $w in '$'*) w=${w#?}; compgen -v -P '$' -- \"$w\" | tr '\\n' '\\0'; return ;; esac\n"
	"	loaded || files\n"
	"}\n"
	"while IFS= read -r -d '' d && IFS= read -r -d '' l && IFS= read -r -d '' w; do\n"
	"	cd -- \"$d\" 2>/dev/null\n"
	"	answer </dev/null 2>/dev/null\n"
	"	printf '\\0'\n"
	"done\n";

static struct {
	struct box box;
	int to, from; /* pipes of the helper; to is -1 without one */
	bool failed;
	char *answer;
	size_t size, at;
} h = {.to = -1, .from = -1};

void edit_complete_end(void)
{
	if (h.to < 0)
		return;
	close(h.to); /* its end of file, and its end */
	close(h.from);
	box_close(&h.box);
	h.to = h.from = -1;
}

static struct json_object *strings(char *const *list)
{
	struct json_object *array = json_object_new_array();

	for (; *list; list++)
		json_object_array_add(array, json_object_new_string(*list));
	return array;
}

static int begin_helper(const char *sandbox, const int fds[3])
{
	char *argv[] = {(char *)"bash", (char *)"--noprofile", (char *)"--norc", (char *)"-c", (char *)script, NULL};
	struct json_object *p = json_object_new_object();
	struct env env = {0};
	static struct conf conf;
	int result = settings_of(sandbox, &conf);

	if (!result)
		result = box_open_running(&h.box, sandbox);
	if (result || env_collect(&env, environ, &conf)) {
		json_object_put(p);
		return -1;
	}
	json_object_object_add(p, "argv", strings(argv));
	json_object_object_add(p, "env", strings(env.vars));
	json_object_object_add(p, "cwd", json_object_new_string("/"));
	json_object_object_add(p, "tty", json_object_new_boolean(false));
	json_object_object_add(p, "op", json_object_new_boolean(false)); /* it changes nothing */
	env_free(&env);
	result = box_begin(&h.box, "Run", p, false, fds, 3);
	if (result)
		box_close(&h.box);
	return result ? -1 : 0;
}

static bool start_helper(const char *sandbox)
{
	int to[2] = {-1, -1}, from[2] = {-1, -1}, null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (h.to >= 0)
		return true;
	if (h.failed || null < 0 || pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		h.failed = true;
	if (!h.failed) {
		const int fds[3] = {to[0], from[1], null};

		h.failed = begin_helper(sandbox, fds) != 0;
	}
	close(null);
	close(to[0]);
	close(from[1]);
	if (h.failed) {
		close(to[1]);
		close(from[0]);
		return false;
	}
	h.to = to[1];
	h.from = from[0];
	fcntl(h.to, F_SETFL, O_NONBLOCK);
	return true;
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Is the answer whole: two NULs, or the one NUL of no words? */
static bool whole(void)
{
	return h.size && !h.answer[h.size - 1] && (h.size == 1 || !h.answer[h.size - 2]);
}

static bool take_answer(int ms)
{
	long until = now_ms() + ms;
	struct pollfd p = {.fd = h.from, .events = POLLIN};

	h.size = h.at = 0;
	while (!whole()) {
		long left = until - now_ms();
		ssize_t n;

		if (left < 0 || poll(&p, 1, (int)left) <= 0 || h.size + 4096 > ANSWER_MAX)
			return false;
		if (!h.answer && !(h.answer = malloc(ANSWER_MAX)))
			return false;
		n = read(h.from, h.answer + h.size, ANSWER_MAX - h.size);
		if (n <= 0)
			return false;
		h.size += (size_t)n;
	}
	return true;
}

/* The current directory of who reads. */
static void find_directory(const struct box *box, int pid, char *dir, size_t size)
{
	struct json_object *p = json_object_new_object(), *answer = NULL;
	char path[32];

	snprintf(path, sizeof(path), "%d/cwd", pid);
	json_object_object_add(p, "path", json_object_new_string(path));
	snprintf(dir, size, "/");
	if (box_ask(box, "ProcLink", p, &answer) == 0)
		snprintf(dir, size, "%s", reply_string(answer, "target"));
	json_object_put(answer);
}

static bool ask(const struct box *box, int pid, const char *line, const char *word, int end)
{
	bool first = h.to < 0, sent;
	char dir[4096], *text = NULL;
	int n;

	if (!start_helper(box->name))
		return false;
	find_directory(box, pid, dir, sizeof(dir));
	n = asprintf(&text, "%s%c%.*s%c%s%c", dir, 0, end, line, 0, word, 0);
	sent = n > 0 && n < 65536 && write(h.to, text, (size_t)n) == n;
	if (n >= 0)
		free(text);
	if (sent && take_answer(first ? FIRST_MS : ANSWER_MS))
		return true;
	edit_complete_end(); /* the next TAB starts another one */
	return false;
}

/* ---- readline's side ---- */

/* With what the shell would take for more than a name behind a backslash. */
static char *quoted(const char *name)
{
	char *out = malloc(2 * strlen(name) + 1), *p = out;

	for (; out && *name; name++) {
		if (strchr(" \t\"'\\$`&|;<>()*?[]{}!#", *name) && !(p == out && *name == '$'))
			*p++ = '\\';
		*p++ = *name;
	}
	if (out)
		*p = '\0';
	return out;
}

static bool harmless(const char *word)
{
	const char *end = word + strlen(word);
	size_t whole = 1;

	for (; word < end && whole; word += whole)
		whole = quote_utf8(word, end);
	return whole > 0;
}

/* One word of the answer at each call. */
static char *next_word(const char *typed, int state)
{
	size_t n = strlen(typed);

	(void)state;
	while (h.at < h.size) {
		const char *word = h.answer + h.at;

		h.at += strlen(word) + 1;
		if (*word && harmless(word) && strncmp(word, typed, n) == 0)
			return quoted(word);
	}
	return NULL;
}

/* Of paths the last part says enough. */
static void show_matches(char **matches, int n, int longest)
{
	char **names = calloc((size_t)n + 2, sizeof(*names));

	longest = 0;
	for (int i = 0; names && i <= n; i++) {
		size_t len = strlen(matches[i]);
		char *p = matches[i] + len;

		while (p > matches[i] && (p[-1] != '/' || !*p))
			p--;
		names[i] = p;
		if ((int)strlen(p) > longest)
			longest = (int)strlen(p);
	}
	if (names)
		rl_display_match_list(names, n, longest);
	free(names);
	rl_forced_update_display();
}

char **edit_complete(const struct box *box, int pid, const char *line, const char *word, int start, int end)
{
	char **matches;

	(void)start;
	rl_completion_display_matches_hook = show_matches;
	if (!ask(box, pid, line, word, end))
		return NULL;
	matches = rl_completion_matches(word, next_word);
	if (matches && !matches[1]) {
		size_t n = strlen(matches[0]);

		rl_completion_suppress_append = n && strchr("/=", matches[0][n - 1]);
	}
	return matches;
}
