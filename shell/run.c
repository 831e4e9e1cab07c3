// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * One command in a sandbox, from the words to the exit status.
 *
 * The three standard descriptors are handed over as they are. If one of them is a terminal the
 * monitor puts a terminal of its own in its place, and relay.c joins the two; otherwise gsh has
 * nothing to do but to pass signals on and wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/conf.h"
#include "gshd/client/frames.h"
#include "gshd/client/paths.h"
#include "shell/client.h"
#include "shell/cmd.h"
#include "shell/edit.h"

extern char **environ;

static int status_to_exit(int status)
{
	return WIFSIGNALED(status) ? EXIT_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

/* A command that was killed may have been so with all of its sandbox. */
static int told_status(struct box *box, int status)
{
	struct json_object *list = NULL;

	box->ended = true;
	report_exited(status);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !ask_daemon("List", NULL, &list))
		note_ended(list, box->name);
	json_object_put(list);
	return status_to_exit(status);
}

/* The folder to start in. */
struct start_dir {
	char path[PATH_MAX];
	bool named; /* by the user: there or nowhere */
};

static int find_start(const char *wanted, struct start_dir *place)
{
	char *buf = place->path, here[PATH_MAX];
	size_t size = sizeof(place->path);
	int n;

	place->named = wanted;
	if (wanted && *wanted == '/') {
		n = snprintf(buf, size, "%s", wanted);
	} else if (!getcwd(here, sizeof(here))) {
		fail(FAIL_NO, "cannot tell the current directory", "%s", strerror(errno));
		hint("start somewhere else: -C DIR");
		return -FAIL_NO;
	} else {
		n = snprintf(buf, size, "%s%s%s", here, wanted ? "/" : "", wanted ? wanted : "");
	}
	return n < 0 || (size_t)n >= size ? fail(FAIL_NO, "-C", "%s", strerror(ENAMETOOLONG)) : 0;
}

/* -e K: as it is here, if it is. */
static int env_pass(struct env *env, const char *name)
{
	const char *value = getenv(name);
	char *assignment;
	int err;

	if (!value)
		return 0;
	if (asprintf(&assignment, "%s=%s", name, value) < 0)
		return -ENOMEM;
	err = env_set(env, assignment);
	free(assignment);
	return err;
}

/* Is dir one of the places of PATH? */
static bool in_path(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	for (; path; path = strchr(path, ':'), path += path != NULL)
		if (strncmp(path, dir, n) == 0 && (path[n] == ':' || !path[n]))
			return true;
	return false;
}

/* Root's PATH: with the programs that only root has use for, and before all the sudo that asks for nothing. */
static int add_root_path(struct env *env)
{
	static const char *const dirs[] = {"/usr/local/sbin", "/usr/sbin", "/sbin"};
	const char *path = env_get(env, "PATH");
	char own[PATH_MAX], *text = NULL;
	size_t i, size;
	FILE *f = open_memstream(&text, &size);
	int err;

	if (!f)
		return -ENOMEM;
	if (paths_beside("../libexec/gsh/root", own, sizeof(own)))
		snprintf(own, sizeof(own), "%s/root", GSH_LIBEXEC);
	path = path ? path : "/usr/local/bin:/usr/bin:/bin";
	fprintf(f, "PATH=%s:%s", own, path);
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (!in_path(path, dirs[i]))
			fprintf(f, ":%s", dirs[i]);
	err = fclose(f) ? -ENOMEM : env_set(env, text);
	free(text);
	return err;
}

/* The settings of here, then of the sandbox: one for all, since it is large, and a start touches no page in vain. */
static struct conf conf;

/* Variables: the host's but for what is held back, then where one is, then -e. Reads the sandbox's settings. */
static int make_env(struct env *env, const struct run *run, const char *sandbox, const char *cwd)
{
	char text[PATH_MAX + 16];
	char *const *set;
	int err = settings_of(sandbox, &conf);

	if (err)
		return err;
	err = env_collect(env, environ, &conf);

	if (!err && env_get(env, "PWD")) {
		snprintf(text, sizeof(text), "PWD=%s", cwd);
		err = env_set(env, text);
	}
	if (!err && strcmp(conf.user, "root") == 0)
		err = add_root_path(env);
	snprintf(text, sizeof(text), "GSH_SANDBOX=%s", sandbox);
	if (!err)
		err = env_set(env, text);
	if (!err)
		err = env_set(env, "container=gsh");
	/* Debian's bashrc shows it in the prompt; a script that is fed to a shell has none. */
	snprintf(text, sizeof(text), "debian_chroot=gsh:%s", sandbox);
	if (!err && run->shell && isatty(0))
		err = env_set(env, text);
	for (set = run->set; set && *set && !err; set++)
		err = strchr(*set, '=') ? env_set(env, *set) : env_pass(env, *set);
	return err ? fail(FAIL_NO, "out of memory", NULL) : 0;
}

static int check_set(char *const *set)
{
	for (; set && *set; set++)
		if (**set == '=' || !**set)
			return fail(FAIL_USAGE, "-e", "%s is not of the form K=V or K", *set);
	return 0;
}

static struct json_object *string_array(char *const *list)
{
	struct json_object *array = json_object_new_array();

	for (; *list; list++)
		json_object_array_add(array, json_object_new_string(*list));
	return array;
}

static struct json_object *run_params(char *const *argv, const struct env *env, const struct start_dir *place,
				      const struct tty *t, bool tty, bool edit, bool lines)
{
	struct json_object *p = json_object_new_object();
	mode_t mask = umask(022);
	uint16_t size[4] = {0};

	umask(mask);
	if (tty && t)
		tty_size(t, size);
	json_object_object_add(p, "argv", string_array(argv));
	json_object_object_add(p, "env", string_array(env->vars));
	json_object_object_add(p, "cwd", json_object_new_string(place->path));
	json_object_object_add(p, "there", json_object_new_boolean(place->named));
	json_object_object_add(p, "umask", json_object_new_int((int)mask));
	json_object_object_add(p, "tty", json_object_new_boolean(tty));
	json_object_object_add(p, "edit", json_object_new_boolean(edit));
	json_object_object_add(p, "lines", json_object_new_boolean(lines));
	json_object_object_add(p, "rows", json_object_new_int(size[0]));
	json_object_object_add(p, "cols", json_object_new_int(size[1]));
	return p;
}

/* Exec failed with this errno. */
static int exec_failed(int err, const char *argv0)
{
	if (err == ENOENT)
		fail(FAIL_NOTFOUND, argv0, "not found");
	else
		fail(FAIL_NOEXEC, argv0, "cannot execute: %s", strerror(err));
	report_failed(err == ENOENT ? EXIT_NOTFOUND : EXIT_NOEXEC);
	return err == ENOENT ? EXIT_NOTFOUND : EXIT_NOEXEC;
}

/* Pass a signal on. */
static void pass_on(const struct box *box, int sig)
{
	if (sig == SIGWINCH)
		return;
	/* SIGTSTP would not stop a process group that is orphaned, as this one is inside. If the
	 * command has just ended the signal cannot be sent; then its end is what is learnt next. */
	if (box_signal(box, sig == SIGTSTP ? SIGSTOP : sig) == 0 && sig == SIGTSTP)
		signals_stop_self();
}

/* Without a terminal: pass signals on and wait. */
static int wait_for(struct box *box, int sigfd, struct deadline *deadline)
{
	struct pollfd p[3] = {{.fd = box_fd(box), .events = POLLIN},
			      {.fd = sigfd, .events = POLLIN},
			      {.fd = deadline->fd, .events = POLLIN}};
	int sig, status, result = 0;

	while (!result && !p[0].revents && !box_ready(box)) {
		if (poll(p, 3, -1) < 0 && errno != EINTR)
			result = fail(FAIL_NO, "poll", "%s", strerror(errno));
		while ((sig = signals_next(p[1].fd)))
			pass_on(box, sig);
		if (p[2].revents)
			deadline_passed(deadline, box);
	}
	if (!result)
		result = box_ended(box, &status);
	return result ? result : told_status(box, status);
}

static void say_detached(const struct box *box)
{
	report_detached(box->session);
	fputs("\r\n", stderr);
	if (strcmp(box->name, DEFAULT_SANDBOX) == 0)
		note("detached from session %d; return with: gsh attach %d", box->session,
		     box->session);
	else
		note("detached from session %d; return with: gsh attach -s %s %d", box->session,
		     box->name, box->session);
}

struct timed {
	struct deadline *deadline;
	const struct box *box;
};

static void time_is_up(void *arg)
{
	struct timed *timed = arg;

	deadline_passed(timed->deadline, timed->box);
}

/* With a terminal. */
static int join_terminal(struct box *box, struct tty *t, bool throwaway, bool title, bool edit,
			 struct deadline *deadline)
{
	static struct frame_reader reader;
	struct timed timed = {deadline, box};
	struct relay_also also = {deadline->fd, time_is_up, &timed};
	struct relay_end end = {0};
	int fd = box_upgrade(box, &reader), err;

	if (title)
		tty_enter(t, box->name, box->session);
	err = fd < 0 ? fd : relay(fd, &reader, t, throwaway, edit ? box : NULL, &also, &end);

	tty_close(t, err || end.detached || end.hung_up);
	if (fd >= 0)
		close(fd);
	if (err == -EPIPE || err == -ECONNRESET)
		return fail(FAIL_NO, box->name, "the sandbox ended while a command ran in it");
	if (err)
		return fail(FAIL_NO, box->name, "session %d: %s", box->session, strerror(-err));
	if (end.hung_up) {
		report_detached(box->session);
		return EXIT_SIGNAL + SIGHUP;
	}
	if (!end.detached)
		return told_status(box, end.status);
	say_detached(box);
	return 0;
}

int edit_word_check(const char *word)
{
	if (!word || strcmp(word, "auto") == 0 || strcmp(word, "host") == 0 || strcmp(word, "native") == 0)
		return 0;
	return fail(FAIL_USAGE, "--edit", "%s is none of auto, host, native", word);
}

#define SHELLS_MAX 4
/* The programs to try as interactive shell, best first; a failure if the settings cannot be read.
 */
static int shell_candidates(const char *list[SHELLS_MAX])
{
	const char *shell = getenv("SHELL");
	int n = 0;

	if (conf.shell_program[0])
		list[n++] = conf.shell_program;
	if (shell && *shell == '/')
		list[n++] = shell;
	list[n++] = "/bin/bash";
	list[n++] = "/bin/sh";
	return n;
}

static int begin(struct box *box, char *const *argv, const struct env *env, const struct start_dir *place,
		 const struct tty *t, bool tty, bool edit, bool lines)
{
	static const int fds[3] = {0, 1, 2};

	return box_begin(box, "Run", run_params(argv, env, place, t, tty, edit, lines), tty, fds, 3);
}

/* Does gsh edit lines? Only at a terminal that is the user's alone and can move its cursor. */
static bool edits(const struct tty *t, const char *how)
{
	const char *term = getenv("TERM");

	return t->in >= 0 && isatty(1) && term && strcmp(term, "dumb") != 0 && strcmp(how, "native") != 0 &&
	       editor_load();
}

/* What keeps this shell from editing lines itself, or NULL. */
static const char *no_editing(const char *shell)
{
	const char *name = strrchr(shell, '/');

	name = name ? name + 1 : shell;
	return strcmp(name, "bash") == 0 ? "--noediting" : strcmp(name, "zsh") == 0 ? "+Z" : NULL;
}

/* The first shell that there is; as begin(). */
static int begin_shell(struct box *box, struct env *env, const struct start_dir *place, const struct tty *t,
		       bool tty, const char *edit)
{
	char text[PATH_MAX + 8], *words[3] = {NULL, NULL, NULL};
	const char *shells[SHELLS_MAX];
	int n = shell_candidates(shells), i, result = ENOENT;

	for (i = 0; i < n && result == ENOENT; i++) {
		words[0] = (char *)shells[i];
		snprintf(text, sizeof(text), "SHELL=%s", shells[i]);
		if (env_set(env, text))
			return fail(FAIL_NO, "out of memory", NULL);
		words[1] = strcmp(edit, "host") == 0 && edits(t, edit) ? (char *)no_editing(shells[i]) : NULL;
		result = begin(box, words, env, place, t, tty, tty && edits(t, edit), tty);
	}
	return result > 0 ? exec_failed(result, words[0]) : result;
}

static int run_it(const struct run *run)
{
	struct env env = {0};
	struct deadline deadline;
	struct box box;
	struct tty t;
	struct start_dir place;
	const char *edit = "native";
	bool tty;
	int result, sigfd = -1;

	/* All that can be wrong with the words is found before a sandbox is made for them. */
	result = deadline_set(&deadline, run->timeout);
	if (!result)
		result = check_set(run->set);
	if (!result)
		result = ports_check(run->ports);
	if (!result)
		result = find_start(run->cwd, &place);
	if (!result)
		result = settings_of(NULL, &conf);
	if (result)
		return result;
	if (run->edit)
		edit = run->edit;
	else if (run->shell)
		edit = conf.edit;
	result = box_open_with(&box, run->sandbox, run->limits, run->settings);
	if (result)
		return result;
	result = ports_publish(&box, run->ports);
	if (!result && run->trace)
		result = trace_start(run->trace, &box);
	if (result) {
		if (run->throwaway)
			box_discard(&box);
		box_close(&box);
		return result;
	}
	tty_find(&t);
	tty = t.in >= 0 || t.out >= 0;
	result = make_env(&env, run, box.name, place.path);
	/* Before the command can be seen to run: what is sent to gsh from then on is for it. */
	if (!result && !tty && (sigfd = signals_open()) < 0)
		result = fail(FAIL_NO, "signals", "%s", strerror(-sigfd));
	if (!result && run->shell)
		result = begin_shell(&box, &env, &place, &t, tty, edit);
	else if (!result && (result = begin(&box, run->argv, &env, &place, &t, tty, tty && edits(&t, edit), false)) > 0)
		result = exec_failed(result, run->argv[0]);
	if (result && run->throwaway)
		box_discard(&box);
	if (!result) {
		if (run->began)
			*run->began = true;
		report_started(box.name, box.session, box.pid);
		deadline_at_most(&deadline, box.runtime_max);
		result = deadline_start(&deadline);
	}
	if (!result)
		result = tty ? join_terminal(&box, &t, run->throwaway, run->shell, edits(&t, edit), &deadline)
			     : wait_for(&box, sigfd, &deadline);
	if (deadline.passed && result >= 0)
		result = EXIT_TIMEOUT;
	deadline_close(&deadline);
	if (run->ended)
		*run->ended = box.ended;
	if (run->trace)
		trace_finish(run->trace);
	if (sigfd >= 0)
		close(sigfd);
	env_free(&env);
	box_close(&box);
	return result;
}

int run_command(const struct run *run)
{
	int result = run->status_fd ? report_open(run->status_fd) : 0;

	if (!result)
		result = run_it(run);
	if (result < 0)
		report_failed(EXIT_SELF);
	return result;
}

/* What a helper inside complained of, in gsh's name. */
static void say_complaints(int fd, const char *what)
{
	char text[2048], *line, *rest = text;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
	while ((line = strsep(&rest, "\n")))
		if (*line)
			note("%s: %s", what, line);
}

int run_helper(const char *sandbox, char *const *argv, int in, int out)
{
	const struct run run = {.sandbox = sandbox};
	const struct start_dir root = {.path = "/"};
	int fds[3] = {in, out, memfd_create("errors", MFD_CLOEXEC)}, null = -1, sigfd, result;
	struct deadline none = {.fd = -1};
	struct json_object *params;
	struct env env = {0};
	struct box box;

	if (fds[2] < 0 || (null = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0)
		return fail(FAIL_NO, sandbox, "%s", strerror(errno));
	for (int i = 0; i < 2; i++)
		if (fds[i] < 0)
			fds[i] = null;
	result = box_open(&box, sandbox);
	if (!result) {
		sigfd = signals_open();
		result = make_env(&env, &run, box.name, "/");
		if (!result)
			result = env_set(&env, "LC_ALL=C");
		if (!result) {
			params = run_params(argv, &env, &root, NULL, false, false, false);
			if (out < 0)
				json_object_object_add(params, "said", own_words());
			else
				json_object_object_add(params, "op", json_object_new_boolean(false));
			result = box_begin(&box, "Run", params, false, fds, 3);
		}
		if (result > 0)
			result = exec_failed(result, argv[0]);
		else if (!result)
			result = wait_for(&box, sigfd, &none);
		if (sigfd >= 0)
			close(sigfd);
		say_complaints(fds[2], sandbox);
		env_free(&env);
		box_close(&box);
	}
	close(fds[2]);
	close(null);
	return result;
}

int run_attach(const char *sandbox, int session, const char *edit)
{
	struct json_object *params;
	struct deadline none = {.fd = -1};
	uint16_t size[4];
	struct box box;
	struct tty t;
	int result;

	tty_find(&t);
	if (t.in < 0 || t.out < 0)
		return fail(FAIL_NO, "attach", "standard input is no terminal");
	result = edit ? 0 : settings_of(sandbox, &conf);
	if (!result)
		result = box_open_running(&box, sandbox);
	if (result)
		return result;
	if (!edit)
		edit = conf.edit;
	tty_size(&t, size);
	params = json_object_new_object();
	json_object_object_add(params, "session", json_object_new_int(session));
	json_object_object_add(params, "rows", json_object_new_int(size[0]));
	json_object_object_add(params, "cols", json_object_new_int(size[1]));
	json_object_object_add(params, "edit", json_object_new_boolean(edits(&t, edit)));
	result = box_begin(&box, "Attach", params, true, NULL, 0);
	if (!result)
		result = join_terminal(&box, &t, false, true, edits(&t, edit), &none);
	box_close(&box);
	return result;
}
