// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Completion: what the last word of a command line may become, worked out from the entries.
 *
 * The scripts for bash, zsh and fish (contrib/completions) know nothing of gsh's verbs: each asks
 * "gsh __complete line WORD..." and translates the answer, so a new verb or option is completed at
 * once by all. A line of the answer is a whole word, TAB, what it means; or one that the shell does
 * better itself:
 *
 *	:files, :dirs	names of the host
 *	:command N	from the N-th word on it is somebody else's command line
 *
 * A word that ends with "=", ":" or "/" is not finished. Nothing here starts gshd, and the whole is bounded in
 * time: a key press must have no effect and no delay.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "conf/conf.h"
#include "shell/client.h"
#include "shell/cmd.h"

#define TIME_MAX_US 500000

struct line {
	const struct cmd *cmd;
	const struct opt *wants; /* the option whose value comes next, or NULL */
	const char *sandbox;	 /* as -s says so far */
	const char *first;	 /* the first word after the options */
	int words;		 /* how many there are */
	int command;		 /* where somebody else's command line begins, or 0 */
	bool only_words;	 /* "--" was seen */
};

void complete_offer(const char *word, const char *typed, const char *what)
{
	if (strncmp(word, typed, strlen(typed)) != 0)
		return;
	for (const char *p = word; *p; p++)
		if ((unsigned char)*p < 32 || *p == 127)
			return;
	printf("%s%s%s\n", word, what ? "\t" : "", what ? what : "");
}

static void offer(const char *prefix, const char *word, const char *ending, const char *typed,
		  const char *what)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "%s%s%s", prefix, word, ending);
	complete_offer(whole, typed, what);
}

/* ---- what has been typed before ---- */

static void value_of(struct line *l, const struct opt *o, const char *value)
{
	if (o->id == 's')
		l->sandbox = value;
}

static void letters(struct line *l, const char *p)
{
	for (; *p; p++) {
		const struct opt *o = opt_by_letter(l->cmd, *p);

		if (!o || !o->arg)
			continue;
		if (p[1])
			value_of(l, o, p + 1);
		else
			l->wants = o;
		return;
	}
}

static void take_word(struct line *l, const char *word, int at)
{
	const char *eq = strchrnul(word, '=');
	const struct opt *o;

	if (l->command)
		return;
	if (l->wants) {
		value_of(l, l->wants, word);
		l->wants = NULL;
	} else if (!l->only_words && strcmp(word, "--") == 0) {
		l->only_words = true;
		if (l->cmd->flags & CMD_ARGV && *l->cmd->name)
			l->command = at + 1;
	} else if (!l->only_words && word[0] == '-' && word[1] == '-') {
		o = opt_by_name(l->cmd, word + 2, (size_t)(eq - word) - 2);
		if (o && o->arg && !*eq)
			l->wants = o;
		else if (o && o->arg)
			value_of(l, o, eq + 1);
	} else if (!l->only_words && word[0] == '-' && word[1]) {
		letters(l, word + 1);
	} else if (!*l->cmd->name && cmd_find(word)) {
		l->cmd = cmd_find(word);
	} else if (l->cmd->flags & CMD_ARGV) {
		l->command = at;
	} else {
		if (!l->words++)
			l->first = word;
	}
}

/* ---- what may come now ---- */

static void offer_rows(struct json_object *items, const char *key, const char *what,
		       const char *prefix, const char *ending, const char *typed)
{
	size_t i;

	for (i = 0; i < json_object_array_length(items); i++) {
		struct json_object *item = json_object_array_get_idx(items, i);
		char word[128], meaning[128];

		/* Fields that come out of a sandbox must not drive the terminal. */
		offer(prefix, show_field(item, key, word, sizeof(word)), ending, typed,
		      show_field(item, what, meaning, sizeof(meaning)));
	}
}

static void offer_sandboxes(const char *prefix, const char *ending, const char *typed)
{
	struct json_object *reply = NULL;

	if (daemon_runs() && ask_daemon("List", NULL, &reply) == 0)
		offer_rows(reply_items(reply), "name", "state", prefix, ending, typed);
	json_object_put(reply);
}

/* Rows that a monitor has, if it runs. */
static void offer_of_box(const struct line *l, const char *method, const char *key,
			 const char *what, const char *prefix, const char *typed)
{
	const char *sandbox = l->sandbox ? l->sandbox : DEFAULT_SANDBOX;
	struct json_object *reply = NULL;

	if (daemon_runs() && ask_box(sandbox, method, NULL, &reply) == 0) {
		show_words(reply_items(reply), "argv", NULL);
		show_words(reply_items(reply), "cmdline", "comm");
		offer_rows(reply_items(reply), key, what, prefix, "", typed);
	}
	json_object_put(reply);
}

static void offer_verbs(const char *prefix, const char *typed)
{
	size_t i;

	for (i = 0; cmd_list[i]; i++)
		if (*cmd_list[i]->name && !(cmd_list[i]->flags & CMD_HIDDEN))
			offer(prefix, cmd_list[i]->name, "", typed, cmd_list[i]->summary);
}

static void offer_list(const char *const *list, const char *prefix, const char *typed)
{
	for (; *list; list++)
		offer(prefix, *list, "", typed, NULL);
}

struct offered {
	const char *prefix, *typed;
};

static void offer_profile(const char *name, void *arg)
{
	const struct offered *o = arg;

	offer(o->prefix, name, "", o->typed, NULL);
}

static void offer_kind(const struct line *l, enum words kind, const char *prefix, const char *typed)
{
	static const char *const signals[] = { "HUP",  "INT",  "QUIT", "KILL", "USR1",	"USR2",
					       "TERM", "CONT", "STOP", "TSTP", "WINCH", NULL };
	static const char *const config[] = {"show", "check", "trust", NULL};
	static const char *const daemon[] = {"show", "restart", "stop", NULL};
	static const char *const edit[] = {"auto", "host", "native", NULL};
	static const char *const grants[] = { "net", "path", "device", NULL };
	static const char *const nets[] = { "none", "private", "host", "nat", NULL };
	static const char *const when[] = { "always", "auto", "never", NULL };

	switch (kind) {
	case WORDS_SANDBOX:
		offer_sandboxes(prefix, "", typed);
		break;
	case WORDS_VERB:
		offer_verbs(prefix, typed);
		break;
	case WORDS_SIGNAL:
		offer_list(signals, prefix, typed);
		break;
	case WORDS_WHEN:
		offer_list(when, prefix, typed);
		break;
	case WORDS_DAEMON:
		offer_list(daemon, prefix, typed);
		break;
	case WORDS_EDIT:
		offer_list(edit, prefix, typed);
		break;
	case WORDS_CONFIG:
		if (l->words)
			puts(":files");
		else
			offer_list(config, prefix, typed);
		break;
	case WORDS_GRANT:
		if (l->words)
			puts(":files");
		else
			offer_list(grants, prefix, typed);
		break;
	case WORDS_NET:
		offer_list(nets, prefix, typed);
		break;
	case WORDS_PROFILE:
		conf_profiles(offer_profile, (void *)&(struct offered){ prefix, typed });
		break;
	case WORDS_SESSION:
		offer_of_box(l, "Sessions", "id", "argv", prefix, typed);
		break;
	case WORDS_PID:
		offer_of_box(l, "Processes", "pid", "cmdline", prefix, typed);
		break;
	case WORDS_RESTORE:
		if (!l->words)
			complete_versions(l->sandbox, typed, false);
		else
			complete_paths(l->sandbox, typed);
		break;
	case WORDS_VERSIONS:
		if (l->only_words)
			complete_paths(l->sandbox, typed);
		else
			complete_versions(l->sandbox, typed, false);
		break;
	case WORDS_EXPORT:
		if (!l->words)
			offer_sandboxes(prefix, "", typed);
		else
			complete_versions(l->first, typed, false);
		break;
	case WORDS_OP:
		complete_versions(l->sandbox, typed, true);
		break;
	case WORDS_PLACE:
		if (!complete_is_place(typed)) {
			puts(":files");
			if (!strchr(typed, '/'))
				offer_sandboxes(prefix, ":", typed);
			break;
		}
		/* fall through */
	case WORDS_INSIDE:
		complete_paths(l->sandbox, typed);
		break;
	case WORDS_DIR:
		puts(":dirs");
		break;
	case WORDS_FILE:
		puts(":files");
		break;
	case WORDS_COMMAND:
	case WORDS_NONE:
		break;
	}
}

static void offer_option(const struct opt *o, const char *typed)
{
	char letter[2] = { (char)o->id, '\0' };

	/* Letters once "-" alone is there; a long name says more. */
	if (o->id < 256 && strcmp(typed, "-") == 0)
		offer("-", letter, "", typed, o->help);
	offer("--", o->name, o->arg ? "=" : "", typed, o->help);
}

static void offer_options(const struct cmd *cmd, const char *typed)
{
	const struct opt *o;

	for (o = cmd->opts; o && o->id; o++)
		offer_option(o, typed);
	for (o = common_opts; o->id; o++)
		if (opt_common_for(cmd, o))
			offer_option(o, typed);
}

/* "--name=" and what may follow it. */
static void offer_long_value(const struct line *l, const char *typed)
{
	size_t len = (size_t)(strchrnul(typed, '=') - typed);
	const struct opt *o = opt_by_name(l->cmd, typed + 2, len - 2);
	char prefix[128];

	if (!o || !o->arg || len + 2 > sizeof(prefix))
		return;
	snprintf(prefix, sizeof(prefix), "%.*s=", (int)len, typed);
	offer_kind(l, o->words, prefix, typed);
}

/* Whatever does not answer in time is not waited for. */
static void limit_time(void)
{
	struct itimerval limit = { .it_value = { .tv_usec = TIME_MAX_US } };

	setitimer(ITIMER_REAL, &limit, NULL);
}

int complete_line(int argc, char **argv)
{
	struct line l = { .cmd = &cmd_shell };
	const char *typed = argc ? argv[argc - 1] : "";
	int i;

	limit_time();
	/* Who presses a key wants no complaint for it. */
	if (!freopen("/dev/null", "w", stderr))
		return -FAIL_NO;
	for (i = 0; i + 1 < argc; i++)
		take_word(&l, argv[i], i + 1);
	if (!l.command && !l.wants && l.cmd->words == WORDS_COMMAND && *typed != '-')
		l.command = argc ? argc : 1;
	if (l.command)
		printf(":command %d\n", l.command);
	else if (l.wants)
		offer_kind(&l, l.wants->words, "", typed);
	else if (!l.only_words && strncmp(typed, "--", 2) == 0 && strchr(typed, '='))
		offer_long_value(&l, typed);
	else if (!l.only_words && *typed == '-')
		offer_options(l.cmd, typed);
	else if (l.cmd->max < 0 || l.words < l.cmd->max)
		offer_kind(&l, l.cmd->words, "", typed);
	return show_done();
}
