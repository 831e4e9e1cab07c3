// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * gsh cp: files into a sandbox and out of it.
 *
 * Out: read from the layers, so it works on a sandbox that is stopped and on every version of it;
 * what comes out is created on the host with no link followed and no set-ID bit kept. In: as a
 * stream that tar(1) unpacks inside, so that whatever links, limits and owners a sandbox has are
 * its own business, running processes see the files at once, and nothing that it holds can lead the
 * copy to the host.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gshd/client/delete.h"
#include "gshd/tree/copy.h"
#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	{ 'r', "recursive", NULL, "folders with all that is in them", WORDS_NONE },
	{ 'a', "archive", NULL, "-r, and keep modes, times and user.* attributes", WORDS_NONE },
	OPT_ROW_PROGRESS,
	OPT_ROW_END,
};

struct cp {
	const struct call *call;
	bool recursive, keep;
	int nsrc;
	struct place *src, dst;
	char **made; /* names that this call has made in the target: owned */
	size_t nmade;
};

static bool is_stream(const struct place *p)
{
	return !p->sandbox[0] && strcmp(p->path, "-") == 0;
}

/* The last name of a path, without slashes at its end; "." for one that ends with a dot. Into buf.
 */
static const char *last_name(const char *path, char *buf, size_t size)
{
	size_t end = strlen(path), begin;

	while (end > 1 && path[end - 1] == '/')
		end--;
	for (begin = end; begin > 0 && path[begin - 1] != '/';)
		begin--;
	snprintf(buf, size, "%.*s", (int)(end - begin), path + begin);
	if (!*buf || strcmp(buf, "/") == 0 || strcmp(buf, "..") == 0)
		snprintf(buf, size, ".");
	return buf;
}

/* ---- out of a sandbox ---- */

static void lost(const char *name, int err, void *arg)
{
	(void)arg;
	progress_clear();
	if (err == -ENODEV)
		note("%s: a device or a socket, left out", name);
	else if (err == -EDEADLK)
		fail(FAIL_NO, copy_is_stage_name(name) ? "the folder that is copied to" : name,
		     "it is not copied into itself");
	else
		fail(FAIL_NO, name, "%s", strerror(-err));
}

/* Where to: a folder, and "" for each thing's own name in it. A descriptor or a failure. */
static int open_target(const struct cp *cp, char name[256])
{
	const char *path = cp->dst.path;
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *parent, *slash;

	*name = '\0';
	if (dir >= 0)
		return dir;
	if (errno != ENOENT && errno != ENOTDIR)
		return fail(FAIL_NO, path, "%s", strerror(errno));
	if (cp->nsrc > 1 || (*path && path[strlen(path) - 1] == '/'))
		return fail(FAIL_NO, path, "it is no folder");
	last_name(path, name, 256);
	parent = strdup(path);
	if (!parent)
		return fail(FAIL_NO, "out of memory", NULL);
	slash = strrchr(parent, '/');
	if (slash)
		slash[slash == parent] = '\0';
	dir = open(slash ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		dir = fail(FAIL_NO, slash ? parent : ".", "%s", strerror(errno));
	free(parent);
	return dir;
}

static void count_out(struct total *t, void *arg)
{
	total_spot(arg, 0, t);
}

/* A folder that is not there yet is made beside its place, so that ^C can take all of it back. */
static int copy_folder(const struct copy *c, const struct spot *s, int dir, const char *name)
{
	char made[32];
	int err;

	copy_stage_name(made);
	err = copy_spot(c, s, dir, made);
	if ((!err || err == -EIO) && renameat2(dir, made, dir, name, RENAME_NOREPLACE)) {
		/* Not every file system can say no. */
		if (errno != EINVAL || renameat(dir, made, dir, name))
			err = -errno;
	}
	if (err && err != -EIO)
		(void)store_delete_tree(dir, made);
	return err;
}

static int not_twice(const char *source, const char *name)
{
	int result = fail(FAIL_NO, source, "it would overwrite the %s that is copied with it", name);

	hint("copy them one after the other, or to names of their own");
	return result;
}

/* A name that this call makes in its target: as with cp(1), no second source may take it. 0 or a failure. */
static int take_name(struct cp *cp, const char *source, const char *name)
{
	char **more;

	if (strcmp(name, ".") == 0)
		return 0;
	for (size_t i = 0; i < cp->nmade; i++)
		if (strcmp(cp->made[i], name) == 0)
			return not_twice(source, name);
	more = realloc(cp->made, (cp->nmade + 1) * sizeof(*more));
	if (!more)
		return fail(FAIL_NO, "out of memory", NULL);
	cp->made = more;
	cp->made[cp->nmade] = strdup(name);
	return cp->made[cp->nmade++] ? 0 : fail(FAIL_NO, "out of memory", NULL);
}

static int copy_path(struct cp *cp, const struct tree *tree, const char *path, int dir,
		     const char *as)
{
	const struct copy c = {
		.flags = (cp->recursive ? COPY_RECURSIVE : 0u) | (cp->keep ? COPY_ATTRS : 0u),
		.step = progress_step,
		.lost = lost,
		.stop = &stage_stop,
	};
	cleanup_spot struct spot s = { .n = 0 };
	char name[256];
	struct stat st;
	int err = spot_resolve(tree, path, !cp->recursive, &s, NULL);

	if (err)
		return fail(err == -ENOENT ? FAIL_NOSUCH : FAIL_NO, path, "%s", strerror(-err));
	if (!*as)
		as = last_name(path, name, sizeof(name));
	err = take_name(cp, path, as);
	if (err)
		return err;
	progress_count(count_out, &s);
	if (cp->recursive && S_ISDIR(s.st.st_mode) && fstatat(dir, as, &st, AT_SYMLINK_NOFOLLOW) && errno == ENOENT)
		err = copy_folder(&c, &s, dir, as);
	else
		err = copy_spot(&c, &s, dir, as);
	progress_count(NULL, NULL);
	progress_clear();
	if (err == -EINTR && stage_stop) {
		fail(FAIL_NO, path, "it was ended; it is not copied");
		return -(128 + stage_stop);
	}
	if (err == -EISDIR && !cp->recursive)
		return fail(FAIL_NO, path, "it is a folder: say -r");
	if (err == -ENODEV)
		return fail(FAIL_REFUSED, path, "devices and sockets stay inside");
	/* What could not be copied below it has been said. */
	return err == -EIO ? -FAIL_NO : err ? fail(FAIL_NO, path, "%s", strerror(-err)) : 0;
}

static int copy_out(struct cp *cp, const struct place *src, int dir, const char *as)
{
	cleanup_spot struct spot s = { .n = 0 };
	struct version v;
	char **paths = NULL;
	size_t n = 0;
	int result = version_open(&v, src->sandbox, src->version), err = 0;

	if (result)
		return result;
	/* A file whose very name is a pattern comes first. */
	if (!strpbrk(src->path, "*?[") || spot_resolve(&v.tree, src->path, false, &s, NULL) == 0) {
		result = copy_path(cp, &v.tree, src->path, dir, as);
	} else {
		err = tree_glob(&v.tree, src->path, &paths, &n);
		if (err)
			result = fail(err == -ENOENT ? FAIL_NOSUCH : FAIL_NO, src->path, "%s",
				      err == -ENOENT ? "nothing fits" : strerror(-err));
		else if (n > 1 && *as)
			result = fail(FAIL_NO, cp->dst.path, "it is no folder");
		for (size_t i = 0; i < n && !(result && n > 1 && *as) && !stage_stop; i++) {
			int r = copy_path(cp, &v.tree, paths[i], dir, as);

			result = r ? r : result;
		}
		if (!err)
			tree_glob_free(paths, n);
	}
	version_close(&v);
	return result;
}

static int all_out(struct cp *cp)
{
	char name[256];
	int dir = open_target(cp, name), result = 0;

	if (dir < 0)
		return dir;
	stage_catch_signals();
	for (int i = 0; i < cp->nsrc && !stage_stop; i++) {
		int r = copy_out(cp, &cp->src[i], dir, name);

		result = r ? r : result;
	}
	close(dir);
	return result;
}

/* ---- into a sandbox ---- */

/* $1: where to; $2: keep attributes; $3: a name for what is made; the rest: the names that come, none for a stream.
 *
 * What goes into no folder that is there is unpacked beside its place and moved, so that a copy that is ended leaves
 * nothing: the status then is 64 and the signal. */
static const char unpack[] =
	"set -ef\n"
	"t=\n"
	"trap '[ ! \"$t\" ] || rm -rf \"$t\"' EXIT\n"
	"trap 'exit 65' HUP\n"
	"trap 'exit 66' INT\n"
	"trap 'exit 79' TERM\n"
	"case $(tar --version 2>/dev/null) in\n"
	"*GNU*) [ \"$2\" ] && o='-p --xattrs --xattrs-include=user.*' || o='-m --no-same-owner "
	"--no-same-permissions' ;;\n"
	"*) [ \"$2\" ] && o=-p || o=-m ;;\n"
	"esac\n"
	"to=$1 made=$3 into=\n"
	"shift 3\n"
	"[ -d \"$to\" ] || [ \"$*\" != . ] || mkdir \"$to\"\n"
	"if [ -d \"$to\" ]; then\n"
	"	into=${to%/}/\n"
	"	[ $# != 0 ] || exec tar -x $o -f - -C \"$to\"\n"
	"	for n; do\n"
	"		[ ! -d \"$into$n\" ] || exec tar -x $o -f - -C \"$to\"\n"
	"	done\n"
	"else\n"
	"	case $#:$to in 1:*[!/]) ;; *) echo \"$to: it is no folder\" >&2; exit 1 ;; esac\n"
	"fi\n"
	"t=${into:-${to%/*}/}$made\n"
	"mkdir -m 700 \"$t\"\n"
	"tar -x $o -f - -C \"$t\"\n"
	"trap '' HUP INT TERM\n"
	"if [ \"$into\" ]; then for n; do mv -f \"$t/$n\" \"$to\"; done; else mv -f \"$t/$1\" \"$to\"; fi\n";

/* names: nsrc of them, or NULL. */
static int unpack_from(const struct cp *cp, int in, char (*names)[256])
{
	char **argv = calloc((size_t)cp->nsrc + 8, sizeof(*argv)), made[32];
	size_t n = 0;
	int result;

	if (!argv)
		return fail(FAIL_NO, "out of memory", NULL);
	argv[n++] = "sh";
	argv[n++] = "-c";
	argv[n++] = (char *)unpack;
	argv[n++] = "cp";
	argv[n++] = cp->dst.path;
	argv[n++] = cp->keep ? "1" : "";
	copy_stage_name(made);
	argv[n++] = made;
	for (int i = 0; names && i < cp->nsrc; i++)
		argv[n++] = names[i];
	result = run_helper(cp->dst.sandbox, argv, in, -1);
	free(argv);
	return result;
}

/* What came of it, said after those who carried it have said theirs. */
static int unpacked(const struct cp *cp, int result)
{
	if (result > 64 && result < 96) {
		fail(FAIL_NO, cp->dst.path, "it was ended; nothing was copied");
		return -(result + 64);
	}
	if (result > 128) {
		fail(FAIL_NO, cp->dst.path, "it was ended; in what was there already, a part may be copied");
		return -result;
	}
	return result > 0 ? -FAIL_NO : result;
}

/* As a stream of tar(1), which has a block for each name and fills up the last one of a file. */
static void count_in(struct total *t, void *arg)
{
	const struct cp *cp = arg;
	struct total held = { 0 };

	for (int i = 0; i < cp->nsrc; i++)
		total_path(AT_FDCWD, cp->src[i].path, cp->recursive ? AT_SYMLINK_NOFOLLOW : 0, 0, &held);
	t->bytes = held.bytes + held.files * 768;
}

/* The child that carries the stream and shows how it goes. ^C is for what unpacks, whose end ends the rest. */
static void pump(const struct cp *cp, int from, int to)
{
	static char buf[65536];
	ssize_t n;

	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	progress_count(count_in, (void *)cp);
	while ((n = read(from, buf, sizeof(buf))) > 0) {
		for (ssize_t done = 0, m; done < n; done += m) {
			m = write(to, buf + done, (size_t)(n - done));
			if (m < 0) {
				progress_end(1);
				fflush(stderr);
				_exit(1);
			}
		}
		progress_add(0, (uint64_t)n);
	}
	progress_end(n < 0);
	fflush(stderr);
	_exit(n < 0);
}

static int reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* tar(1) of the host packs, one folder's name after another. */
static pid_t pack(const struct cp *cp, int out)
{
	char **argv = calloc((size_t)cp->nsrc * 3 + 12, sizeof(*argv));
	size_t n = 0;
	pid_t pid;

	if (!argv)
		return -1;
	argv[n++] = "tar";
	argv[n++] = "-cf";
	argv[n++] = "-";
	if (!cp->recursive)
		argv[n++] = "-h";
	if (cp->keep) {
		argv[n++] = "--xattrs";
		argv[n++] = "--xattrs-include=user.*";
	}
	argv[n++] = "--warning=no-file-changed";
	for (int i = 0; i < cp->nsrc; i++) {
		char name[256], *dir = realpath(cp->src[i].path, NULL), *member = NULL;
		const char *last = last_name(cp->src[i].path, name, sizeof(name)), *end;

		/* The folder that holds it: of a link its own, not its target's. */
		if (strcmp(last, ".") != 0) {
			free(dir);
			end = cp->src[i].path + strlen(cp->src[i].path);
			while (end > cp->src[i].path && end[-1] == '/')
				end--;
			dir = strndup(cp->src[i].path,
				      (size_t)(end - cp->src[i].path) - strlen(last));
			if (dir && !*dir) {
				free(dir);
				dir = strdup(".");
			}
		}
		if (!dir || asprintf(&member, "./%s", last) < 0)
			return -1;
		argv[n++] = "-C";
		argv[n++] = *dir == '/' ? dir : realpath(dir, NULL);
		argv[n++] = member;
	}
	pid = fork();
	if (pid)
		return pid;
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_DFL); /* without a word */
	if (dup2(out, 1) < 0)
		_exit(1);
	execvp("tar", argv);
	_exit(127);
}

/* No two for one name; all of them or none is copied. */
static int take_names(struct cp *cp, char (*names)[256])
{
	int result = 0;

	for (int i = 0; i < cp->nsrc && !result; i++) {
		last_name(cp->src[i].path, names[i], sizeof(names[i]));
		result = take_name(cp, cp->src[i].path, names[i]);
	}
	return result;
}

static int check_sources(const struct cp *cp)
{
	struct stat st;

	for (int i = 0; i < cp->nsrc; i++) {
		if (cp->recursive ? lstat(cp->src[i].path, &st) : stat(cp->src[i].path, &st))
			return fail(errno == ENOENT ? FAIL_NOSUCH : FAIL_NO, cp->src[i].path, "%s",
				    strerror(errno));
		if (S_ISDIR(st.st_mode) && !cp->recursive)
			return fail(FAIL_NO, cp->src[i].path, "it is a folder: say -r");
	}
	return 0;
}

static int all_in(struct cp *cp)
{
	int packed[2], carried[2], result = check_sources(cp);
	char (*names)[256] = result ? NULL : calloc((size_t)cp->nsrc, sizeof(*names));
	pid_t packer, carrier;

	if (result)
		return result;
	if (!names)
		return fail(FAIL_NO, "out of memory", NULL);
	result = take_names(cp, names);
	if (result) {
		free(names);
		return result;
	}
	if (pipe2(packed, O_CLOEXEC) || pipe2(carried, O_CLOEXEC)) {
		free(names);
		return fail(FAIL_NO, "cp", "%s", strerror(errno));
	}
	packer = pack(cp, packed[1]);
	close(packed[1]);
	carrier = packer < 0 ? -1 : fork();
	if (carrier == 0) {
		close(carried[0]);
		pump(cp, packed[0], carried[1]);
	}
	close(packed[0]);
	close(carried[1]);
	progress_hand_over();
	if (carrier < 0)
		result = fail(FAIL_NO, "cp", "cannot begin to pack");
	else
		result = unpack_from(cp, carried[0], names);
	free(names);
	close(carried[0]);
	if (carrier > 0)
		(void)!reap(carrier);
	/* tar has said what it could not read. */
	if (packer > 0 && reap(packer) && !result)
		result = -FAIL_NO;
	return unpacked(cp, result);
}

/* ---- streams ---- */

/* tar(1) inside writes to our standard output: of what there is now, /dev and all. */
static int stream_out(const struct cp *cp)
{
	static char *const script = "cd \"${1%/*}/\" && exec tar -cf - -- \"./${1##*/}\"";
	char *argv[] = { "sh", "-c", script, "cp", cp->src[0].path, NULL };
	int result;

	if (cp->nsrc > 1)
		return usage_fail(cp->call->cmd, "a stream has one source");
	if (isatty(1))
		return fail(FAIL_USAGE, "cp", "no stream is written to a terminal");
	if (strcmp(cp->src[0].version, "now") != 0)
		return fail(FAIL_USAGE, "cp",
			    "a stream is of what there is now; copy another version to a folder");
	result = run_helper(cp->src[0].sandbox, argv, -1, 1);
	return result > 0 ? -FAIL_NO : result;
}

static int stream_in(const struct cp *cp)
{
	if (cp->nsrc > 1)
		return usage_fail(cp->call->cmd, "a stream is the only source");
	return isatty(0) ? fail(FAIL_USAGE, "cp", "no stream is read from a terminal")
			 : unpacked(cp, unpack_from(cp, 0, NULL));
}

/* ---- which of them ---- */

static int copy(struct cp *cp)
{
	int inside = 0;

	for (int i = 0; i < cp->nsrc; i++)
		inside += cp->src[i].sandbox[0] != '\0';
	if (inside && inside < cp->nsrc)
		return usage_fail(cp->call->cmd, "sources on both sides");
	if (inside && cp->dst.sandbox[0])
		return usage_fail(cp->call->cmd, "both sides are inside: copy to the host first, "
						 "or within a sandbox by its own cp");
	if (!inside && !cp->dst.sandbox[0])
		return usage_fail(cp->call->cmd,
				  "both sides are on the host: SANDBOX:PATH is inside");
	if (cp->dst.sandbox[0] && strcmp(cp->dst.version, "now") != 0)
		return fail(FAIL_REFUSED, cp->dst.version, "versions that are past do not change");
	if (cp->dst.sandbox[0]) {
		int result = ask_row(cp->dst.sandbox, NULL);

		if (result)
			return result;
		return is_stream(&cp->src[0]) ? stream_in(cp) : all_in(cp);
	}
	return is_stream(&cp->dst) ? stream_out(cp) : all_out(cp);
}

static int exec(const struct call *call)
{
	struct cp cp = { .call = call, .keep = opt_given(call, 'a'), .nsrc = call->argc - 1 };
	int result = 0;

	cp.recursive = cp.keep || opt_given(call, 'r');
	cp.src = calloc((size_t)cp.nsrc, sizeof(*cp.src));
	if (!cp.src)
		return fail(FAIL_NO, "out of memory", NULL);
	for (int i = 0; i < cp.nsrc && !result; i++)
		result = version_place(&cp.src[i], call, call->argv[i], false);
	if (!result)
		result = version_place(&cp.dst, call, call->argv[cp.nsrc], false);
	if (!result)
		result = progress_start("cp", opt_value(call, OPT_PROGRESS));
	if (!result) {
		result = copy(&cp);
		progress_end(result);
	}
	for (int i = 0; i < cp.nsrc; i++)
		version_place_free(&cp.src[i]);
	version_place_free(&cp.dst);
	free(cp.src);
	for (size_t i = 0; i < cp.nmade; i++)
		free(cp.made[i]);
	free(cp.made);
	return result;
}

const struct cmd cmd_cp = {
	.name = "cp",
	.args = "SOURCE... TARGET",
	.summary = "copy files into a sandbox and out of it",
	.help = "SANDBOX:PATH is inside, SANDBOX@VERSION:PATH in one of its versions, :PATH in\n"
		"that of -s, any other PATH on the host (./a:b, too). Patterns in quotes are\n"
		"looked for inside. \"-\" is a tar stream: all of it, or one source, and a target\n"
		"that is a folder.",
	.opts = opts,
	.min = 2,
	.max = -1,
	.words = WORDS_PLACE,
	.group = GROUP_USE,
	.exec = exec,
};
