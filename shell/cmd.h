/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A command describes itself: name, arguments, options, help and what it does are one entry in one
 * file, and the parser, `gsh help`, the usage line, "did you mean" and shell completion are all
 * made from it. cmd.c holds the list.
 */
#ifndef SHELL_CMD_H
#define SHELL_CMD_H

#include "conf/limits.h"
#include <signal.h>
#include <stdio.h>

#include "gshd/tree/tree.h"
#include "shell/shell.h"

/* What a word may be completed with (complete.c). */
enum words {
	WORDS_NONE,
	WORDS_SANDBOX,
	WORDS_DIR,
	WORDS_COMMAND,
	WORDS_VERB,
	WORDS_SIGNAL,
	WORDS_FILE,
	WORDS_SESSION, /* of the sandbox that -s names */
	WORDS_PID,     /* likewise */
	WORDS_WHEN,
	WORDS_EDIT,
	WORDS_DAEMON,
	WORDS_CONFIG, /* show, check or trust, then a file */
	WORDS_PROFILE,
	WORDS_NET,
	WORDS_GRANT, /* net or path, then what */
	WORDS_INSIDE, /* a path inside; perhaps SANDBOX[@VERSION]: before it */
	WORDS_PLACE,  /* a path of the host, or with SANDBOX: one inside */
	WORDS_OP,
	WORDS_VERSIONS, /* and, behind "--", paths inside */
	WORDS_RESTORE,	/* a version, then paths inside */
	WORDS_EXPORT,	/* a sandbox, then a version of it */
};

/* Under which head the help lists a verb. */
enum group { GROUP_MORE, GROUP_USE, GROUP_SEE, GROUP_BACK, GROUP_SHAPE, GROUP_HOST, GROUPS };

/* Options with a letter are known by it; the others by these. */
enum opt_id {
	OPT_JSON = 256,
	OPT_ALL,
	OPT_NAME_STATUS,
	OPT_BASE,
	OPT_WORK,
	OPT_MOUNT,
	OPT_STORE,
	OPT_VERSION,
	OPT_COORD,
	OPT_ENV,
	OPT_STAT,
	OPT_EXIT_CODE,
	OPT_PROGRESS,
	OPT_UNDO,
	OPT_TAKE,
	OPT_POLICY,
	OPT_REPAIR,
	OPT_IMAGE,
	OPT_FORMAT,
	OPT_CHANGES,
};

struct opt {
	int id;		  /* letter or enum opt_id; 0 ends a table */
	const char *name; /* long name */
	const char *arg;  /* name of its argument, or NULL */
	const char *help; /* one line */
	enum words words;
};

/* clang-format off */
#define OPT_ROW_SANDBOX \
	{ 's', "sandbox", "NAME", "the sandbox (default: " DEFAULT_SANDBOX ")", WORDS_SANDBOX }
#define OPT_ROW_PUBLISH \
	{ 'p', "publish", "[ADDR:]HOST:IN", "let a host port lead to TCP port IN inside; may be repeated", WORDS_NONE }
#define OPT_ROWS_RUN \
	{ OPT_TIMEOUT, "timeout", "TIME", "end it after so many seconds (or 2m, 1h)", WORDS_NONE }, \
	{ OPT_STATUS_FD, "status-fd", "N", "say how it fared in lines of JSON on descriptor N", WORDS_NONE }
#define OPT_ROWS_LIMITS \
	{ OPT_LIMIT + LIMIT_MEMORY, "memory", "SIZE", "let the sandbox use so much memory, as 512M (see gsh set)", WORDS_NONE }, \
	{ OPT_LIMIT + LIMIT_TASKS, "pids", "N", "so many processes and threads", WORDS_NONE }, \
	{ OPT_LIMIT + LIMIT_CPU, "cpu", "SHARE", "such a share of one processor, as 50%", WORDS_NONE }, \
	{ OPT_LIMIT + LIMIT_FILES, "nofile", "N", "so many descriptors a process", WORDS_NONE }, \
	{ OPT_LIMIT + LIMIT_DISK, "disk", "SIZE", "so much disk space for its changes, as 2G", WORDS_NONE }, \
	{ OPT_LIMIT + LIMIT_INODES, "inodes", "N", "so many files, directories and links of its own", WORDS_NONE }
#define OPT_ROW_EDIT \
	{ OPT_EDIT, "edit", "HOW", "who edits lines: auto, host (gsh), native (what reads them)", WORDS_EDIT }
/* What a sandbox may do: settings.c. */
#define OPT_ROWS_POLICY \
	{ OPT_PROFILE, "profile", "NAME", "settings by name: default, build, offline, server, strict", WORDS_PROFILE }, \
	{ OPT_ROOT, "root", NULL, "programs inside are root there (on the host they remain you)", WORDS_NONE }, \
	{ OPT_BIND, "bind", "HOST[:INSIDE]", "have a directory or file of the host as it is, to write", WORDS_DIR }, \
	{ OPT_NET, "net", "WHOM", "whom it reaches: none, private, host, nat, or HOST:PORT,...", WORDS_NET }, \
	{ OPT_BIND_RO, "bind-ro", "HOST[:INSIDE]", "the same, to read only", WORDS_DIR }
#define OPT_ROW_JSON { OPT_JSON, "json", NULL, "one JSON object instead of text", WORDS_NONE }
#define OPT_ROW_PROGRESS \
	{ OPT_PROGRESS, "progress", "HOW", "how to show progress: auto, none, json (default: auto)", WORDS_NONE }
#define OPT_ROW_END { 0, NULL, NULL, NULL, WORDS_NONE }
/* clang-format on */

/* Of verbs that run a command. */
enum run_opt { OPT_TIMEOUT = 640, OPT_STATUS_FD, OPT_EDIT };
/* And which limit. */
#define OPT_LIMIT 700
enum follow_opt { OPT_COUNT = 760 };
/* Of verbs that may make a sandbox. */
enum policy_opt { OPT_PROFILE = 720, OPT_BIND, OPT_BIND_RO, OPT_NET, OPT_ROOT };
/* Options that every verb has, unless it has one of its own by that name. */
enum common_opt { OPT_QUIET = 'q', OPT_NULL = 'z', OPT_COLOR = 512, OPT_NO_PAGER };

struct given {
	const struct opt *opt;
	const char *value;
};

#define CALL_OPTS_MAX 256
/* A command line, parsed. */
struct call {
	const struct cmd *cmd;
	struct given given[CALL_OPTS_MAX];
	size_t ngiven;
	int argc; /* what is left after the options */
	char **argv;
	int dash; /* how many of these words stood before "--"; argc without one */
};

enum cmd_flags {
	CMD_RUNS = 1,	 /* runs a command: failures of gsh are 125 */
	CMD_ARGV = 2,	 /* the first word that is no option ends gsh's own words */
	CMD_HIDDEN = 4,	 /* not in lists */
	CMD_SIGNALS = 8, /* takes -TERM and -15 as kill does: given as option 'n' */
};

struct cmd {
	const char *name;
	const char *args;    /* for the usage line */
	const char *summary; /* for the list */
	const char *help;    /* what the summary does not say; or NULL */
	const struct opt *opts;
	unsigned int flags;
	int min, max; /* words after the options; max -1 = any */
	enum words words;
	enum group group;
	int (*exec)(const struct call *call);
};

/* ---- cmd.c ---- */
extern const struct cmd *const cmd_list[]; /* in the order of the help; NULL-terminated */
const struct cmd *cmd_find(const char *name) MUST_CHECK;

/* ---- main.c ---- */
/* A command line; admit, unless it is NULL, may refuse or complete what was parsed (0, or a failure that it said). The exit
 * status. */
struct json_object *own_words(void); /* what this gsh was called with, "gsh" first: for the log */
int gsh_main(int argc, char **argv, int (*admit)(struct call *call));

/* ---- parse.c ---- */

/* The options that every verb has; -h among them. */
extern const struct opt common_opts[];
/* The option of a command by its letter or long name, the common ones included; or NULL. */
const struct opt *opt_by_letter(const struct cmd *cmd, char letter) MUST_CHECK;
const struct opt *opt_by_name(const struct cmd *cmd, const char *name, size_t len) MUST_CHECK;
/* Does this common option concern the command, and is it not one of its own? */
bool opt_common_for(const struct cmd *cmd, const struct opt *opt) MUST_CHECK;

/* Parse the words after the verb. 0, or a failure. Options of `before` (given ahead of the verb)
 * are taken over if the command has them, refused if not; before may be NULL. */
int parse_call(struct call *call, const struct cmd *cmd, int argc, char **argv,
	       const struct call *before) MUST_CHECK;
bool opt_given(const struct call *call, int id) MUST_CHECK;
/* The last value given, or NULL. */
const char *opt_value(const struct call *call, int id) MUST_CHECK;

/* ---- settings.c ---- */
/* The settings that the options of OPT_ROWS_POLICY stand for, as the text of a file: NULL if none was given. To be freed.
 * 0 or a failure. */
int settings_given(const struct call *call, char **text) MUST_CHECK;

/* What holds for a sandbox, its own settings included; NULL: for all. 0 or a failure. */
int settings_of(const char *sandbox, struct conf *conf) MUST_CHECK;

/* ---- names.c ---- */
/* The sandbox the call is about: -s, else the only word, else the default; NULL after a failure was
 * said (two names, or an impossible one). */
const char *call_sandbox(const struct call *call) MUST_CHECK;
/* Could a sandbox have this name? Says why not. 0 or a failure. */
int sandbox_name_check(const char *name) MUST_CHECK;
/* Where a verb has taken a word for something else: if it names a sandbox, a hint says so. */
bool hint_sandbox(const char *word);

/* ---- limits.c ---- */
struct json_object;
/* The options of OPT_ROWS_LIMITS that were given, as {KEY: VALUE}; NULL if none was. 0 or a failure. */
int limits_of_options(const struct call *call, struct json_object **changes) MUST_CHECK;
/* A word of the form KEY=VALUE, into changes. 0 or a failure. */
int limits_of_word(const char *word, struct json_object *changes) MUST_CHECK;
/* As rows of text; all: those that are infinity too. */
void limits_print(struct json_object *limits, bool all);

/* ---- changes.c ---- */
/* What a sandbox has changed, sorted by path: a new array. 0 or a failure. */
int changes_ask(const char *sandbox, struct json_object **items) MUST_CHECK;
/* The whole of a command that shows a sandbox's changes, sorted by path. */
int changes_show(const struct call *call, const char *schema, const struct column *columns,
		 size_t ncolumns) MUST_CHECK;

/* ---- versions.c: the trees a call compares or reads ---- */

#define VERSION_HIDDEN 128

struct version {
	struct tree tree;
	struct tree_hidden hidden[VERSION_HIDDEN];
	unsigned nhidden; /* of these the first are hidden from the tree; all: version_as_inside() */
	char base[4096]; /* where the base lies on the host */
	bool image;	 /* the base is an image's, and below it is nothing */
	struct json_object *inaccessible; /* what of the host's is hidden inside: paths there; NULL: not asked */
};

/* Open a version of a sandbox: "now", "base" or what gshd knows. 0 or a failure. */
int version_open(struct version *v, const char *sandbox, const char *word) MUST_CHECK;
/* The same for a word of a command line, which may name another sandbox: OTHER@ or OTHER@VERSION. */
int version_open_word(struct version *v, const char *sandbox, const char *word) MUST_CHECK;
void version_close(struct version *v);
/* Which of the host's hidden things path is, or lies in: its path there, or NULL. */
const char *version_hidden_at(const struct version *v, const char *path) MUST_CHECK;
/* From now on nothing is seen of the host's that is hidden inside: for what is brought into a layer. */
void version_as_inside(struct version *v);
/* The same for all that this process opens: what it has to say goes inside. */
void versions_as_inside(void);
/* A path, on the host or in a version of a sandbox: PATH, SANDBOX:PATH, SANDBOX@VERSION:PATH, or :PATH in the sandbox of
 * the call. What has a slash ahead of the colon is the host's. */
struct place {
	char sandbox[64]; /* "": on the host */
	char version[80];
	char *path; /* of the host: as given; inside: absolute */
};
/* inside: a plain PATH is one in the sandbox of the call. 0 or a failure. */
int version_place(struct place *place, const struct call *call, const char *word, bool inside) MUST_CHECK;
void version_place_free(struct place *place);
/* The path that a word names inside a sandbox, seen from the current directory, on the heap: absolute and without
 * dots. NULL: it is empty, or relative where the current directory has no path (told). */
char *version_path(const char *word) MUST_CHECK;

/* ---- grants.c ---- */
struct grant {
	const char *kind, *key, *section; /* as gshd calls it; the setting that keeps it */
	char *what;			  /* its value */
	bool once, revoke;
};
int grant_change(const char *sandbox, const struct grant *w) MUST_CHECK;
/* paths: those only. */
int grant_list(const char *sandbox, bool paths, bool json) MUST_CHECK;
/* HOST[:...] with an absolute path in front, on the heap. */
int grant_path(const char *what, char **value) MUST_CHECK;


/* ---- stage.c: what a verb makes in the store before gshd gives it its place ---- */

struct stage {
	int parent, dir; /* owned; the directory that is filled is locked */
	char name[32];	 /* in parent, as gshd is told */
};

/* Make one in the directory of a sandbox, or, if box is NULL, beside the sandboxes. From now on ^C and the like only set
 * stage_stop. 0 or a failure. */
int stage_make(struct stage *s, const char *box) MUST_CHECK;
/* The same of the signals alone, for what has something else to take back. */
void stage_catch_signals(void);
/* Is there no sandbox of this name yet? gshd looks once more. 0 or a failure. */
int stage_free_name(const char *name) MUST_CHECK;
/* Gone unless gshd took it; what is left of it is deleted. */
void stage_end(struct stage *s);
extern volatile sig_atomic_t stage_stop;
/* A failure of a verb that was at it: said, or that the user ended it. */
int stage_fail(const char *verb, int err);
/* A directory, never by a link: a descriptor or -errno. */
int stage_open_dir(int at, const char *name) MUST_CHECK;
/* A copy's or an archive's step (gshd/tree/layer.h), shown as progress. */
void progress_step(uint64_t files, uint64_t bytes, void *arg);

/* ---- totals.c: what a tree holds, added to *t; depth: of what is looked at, 0 ---- */
struct spot;
void total_spot(const struct spot *s, unsigned int depth, struct total *t);
/* The same of what lies in a directory of the host; flags: as of fstatat(2), for the name itself. */
void total_path(int at, const char *name, int flags, unsigned int depth, struct total *t);

/* ---- cmd-import.c ---- */
/* Make sandbox `name` of the image `file`; settings (settings_given) go with it, or NULL. 0 or a failure, told. */
int import_run(const struct call *call, const char *file, const char *name, const char *settings) MUST_CHECK;

/* ---- module.c: gshd/tree/unpack.h and pack.h, loaded when wanted; NULL, told: they are not there ---- */
struct unpack;
struct pack;
struct tree;
typedef int unpack_fn(const struct unpack *u, int from, char *why);
typedef int pack_fn(const struct pack *p, const struct tree *now, const struct tree *base, int out, int spool);
unpack_fn *unpacker_load(void) MUST_CHECK;
pack_fn *packer_load(void) MUST_CHECK;

/* ---- borrowed.c ---- */
/* Let the sandbox keep what it sees under other names than the host has it. 0 or a failure. */
int borrowed_own(const struct tree *base, const struct tree *now, const char *sandbox) MUST_CHECK;

/* ---- home.c: what may be committed unasked ---- */

struct home {
	char *roots[2]; /* the home and the current directory; may be NULL; owned */
	char *own[3];	/* gsh's places; owned */
};

/* 0 or a failure; to be freed in both cases. */
int home_find(struct home *home) MUST_CHECK;
/* Why this is refused if the given paths do not name it, or NULL. */
const char *home_refusal(const struct home *home, const struct diff_scope *given, const struct diff_found *f) MUST_CHECK;
bool home_named(const struct diff_scope *given, const char *dir) MUST_CHECK; /* is a path given at dir or below it? */
bool home_below(const char *path, const char *dir) MUST_CHECK; /* at it, too; dir may be NULL */
void home_free(struct home *home);

/* ---- hunks.c: parts of a change ---- */

struct hunk_asker {
	/* About one hunk: y, n, a (and the rest), d (no more of this file), q (no more at all). */
	int (*ask)(const char *path, const char *text, size_t size, void *arg);
	void *arg;
};
/* HUNKS_WHOLE: it is no text, or not in parts; nothing was asked. HUNKS_SOME: *content is a descriptor, the caller's, of
 * the host's file with what was chosen. Or a failure. */
enum { HUNKS_NONE, HUNKS_ALL, HUNKS_SOME, HUNKS_WHOLE };
int hunks_choose(const struct diff_found *f, const struct hunk_asker *asker, int *content) MUST_CHECK;

/* ---- sides.c: the two sides of a change ---- */

/* Writes to f; to a terminal only what cannot drive it. */
struct patch_sink sides_sink(FILE *f);
void sides_show(const struct diff_found *f, FILE *to);

enum merged_result { MERGED_CONFLICT, MERGED_CLEAN, MERGED_HOST /* the host has all of it */ };
struct merged {
	enum merged_result result;
	int content; /* -1, or owned; of a conflict with marks */
	uint32_t mode;
	const char *why; /* a sentence */
};
struct commit;
/* What both made of a file that the host has changed since the sandbox first touched it. To be freed. */
void sides_merge(const struct commit *c, const struct tree *now, const struct diff_found *f, struct merged *m);
void merged_show(const struct diff_found *f, const struct merged *m, FILE *to);
void merged_free(struct merged *m);

/* ---- cmd-log.c ---- */
/* Add to an op of gshd's what people read: "when", "took", "result", and its state to "effects". */
void op_describe(struct json_object *op);

/* ---- cmd-why.c ---- */
/* The processes that ended badly, oldest first, with the calls that were refused them; all: with what nearly every program
 * misses. NULL: it does not run, or cannot be asked. */
struct json_object *why_list(const char *sandbox, bool all) MUST_CHECK;

/* ---- cmd-shell.c ---- */
/* Fill in what the options -s, -x, -C and -e of a call say, and run. */
int cmd_run_in(const struct call *call, struct run *run) MUST_CHECK;

/* ---- usage.c ---- */
void usage_line(const struct cmd *cmd, char *buf, size_t size);
/* A usage error of this command: says it and how it goes. Returns -FAIL_USAGE. */
int usage_fail(const struct cmd *cmd, const char *why, ...) __attribute__((format(printf, 2, 3)));
int usage_help(const struct cmd *cmd) MUST_CHECK; /* of one command, on stdout */
int usage_overview(void) MUST_CHECK;		  /* of gsh, on stdout: a screenful */
int usage_verbs(void) MUST_CHECK;		  /* of gsh, with a line for each verb */
/* The candidate nearest to a misspelt word, or NULL. */
const char *nearest(const char *word, const char *const *candidates) MUST_CHECK;
int usage_unknown_verb(const char *word) MUST_CHECK;
int usage_no_help(const char *word) MUST_CHECK; /* gsh help was asked for what is no verb */

/* ---- manual.c ---- */
int manual_page(void) MUST_CHECK; /* gsh-verbs(1), on stdout */

/* ---- complete.c ---- */
/* What the last of these words, which follow "gsh" on a command line, may become. */
int complete_line(int argc, char **argv) MUST_CHECK;
/* A line of the answer, if the word continues what was typed and harms no terminal. */
void complete_offer(const char *word, const char *typed, const char *what);

/* ---- complete_inside.c; sandbox NULL: the default ---- */
/* Does what was typed name a place inside, with a colon ahead of all slashes? */
bool complete_is_place(const char *typed) MUST_CHECK;
void complete_paths(const char *sandbox, const char *typed);
void complete_versions(const char *sandbox, const char *typed, bool ops_only);

extern const struct cmd cmd_shell; /* gsh without a verb */
extern const struct cmd cmd_allow;
extern const struct cmd cmd_bind;
extern const struct cmd cmd_attach;
extern const struct cmd cmd_cat;
extern const struct cmd cmd_clone;
extern const struct cmd cmd_commit;
extern const struct cmd cmd_complete;
extern const struct cmd cmd_config;
extern const struct cmd cmd_cp;
extern const struct cmd cmd_create;
extern const struct cmd cmd_denials;
extern const struct cmd cmd_daemon;
extern const struct cmd cmd_diff;
extern const struct cmd cmd_discard;
extern const struct cmd cmd_doctor;
extern const struct cmd cmd_edit;
extern const struct cmd cmd_events;
extern const struct cmd cmd_export;
extern const struct cmd cmd_gc;
extern const struct cmd cmd_help;
extern const struct cmd cmd_import;
extern const struct cmd cmd_info;
extern const struct cmd cmd_inside;
extern const struct cmd cmd_kill;
extern const struct cmd cmd_log;
extern const struct cmd cmd_ls;
extern const struct cmd cmd_mount;
extern const struct cmd cmd_path;
extern const struct cmd cmd_ps;
extern const struct cmd cmd_redo;
extern const struct cmd cmd_rename;
extern const struct cmd cmd_restore;
extern const struct cmd cmd_rm;
extern const struct cmd cmd_run;
extern const struct cmd cmd_set;
extern const struct cmd cmd_show;
extern const struct cmd cmd_snapshot;
extern const struct cmd cmd_split;
extern const struct cmd cmd_start;
extern const struct cmd cmd_status;
extern const struct cmd cmd_stop;
extern const struct cmd cmd_top;
extern const struct cmd cmd_trace;
extern const struct cmd cmd_try;
extern const struct cmd cmd_umount;
extern const struct cmd cmd_undo;
extern const struct cmd cmd_version;
extern const struct cmd cmd_why;

#endif
