// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * gsh export: a version of a sandbox as an archive.
 *
 * A file is made beside its place and takes it when it is whole, so that an interrupt leaves what was there.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gshd/tree/pack.h"
#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	{ 'o', "output", "FILE", "where it goes; without, or with -, the standard output", WORDS_FILE },
	{ OPT_FORMAT, "format", "HOW", "tar (default) or oci", WORDS_NONE },
	{ OPT_CHANGES, "changes", NULL, "only what differs from the base, with whiteouts for what is gone",
	  WORDS_NONE },
	OPT_ROW_PROGRESS,
	OPT_ROW_END,
};

struct target {
	const char *file; /* NULL: the standard output */
	char made[PATH_MAX + 16];
	int out, spool;
};

static void lost(const char *path, int err, void *arg)
{
	(void)arg;
	progress_clear();
	fail(FAIL_NO, path, "cannot be read: %s", strerror(-err));
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
}

static enum pack_filter filter_of(const char *file, bool oci)
{
	if (file && (ends_with(file, ".zst") || ends_with(file, ".tzst") || ends_with(file, ".zstd")))
		return PACK_ZSTD;
	if (oci || (file && (ends_with(file, ".gz") || ends_with(file, ".tgz"))))
		return PACK_GZIP;
	return PACK_PLAIN;
}

/* Without a name until it is needed; on file systems that cannot, with one that goes at once. */
static int open_spool(const char *file)
{
	const char *slash = file ? strrchr(file, '/') : NULL, *tmp = getenv("TMPDIR");
	char dir[PATH_MAX];
	int fd;

	if (file)
		snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - file) + 1 : 1, slash ? file : ".");
	else
		snprintf(dir, sizeof(dir), "%s", tmp && *tmp ? tmp : "/tmp");
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EOPNOTSUPP) {
		size_t n = strlen(dir);

		snprintf(dir + n, sizeof(dir) - n, "/.gsh-XXXXXX");
		fd = mkostemp(dir, O_CLOEXEC);
		if (fd >= 0)
			unlink(dir);
	}
	return fd < 0 ? fail(FAIL_NO, dir, "%s", strerror(errno)) : fd;
}

static int open_target(struct target *t, const char *file, bool oci)
{
	t->file = file && strcmp(file, "-") != 0 ? file : NULL;
	t->out = 1;
	t->spool = -1;
	if (!t->file && isatty(1)) {
		fail(FAIL_USAGE, "export", "an archive is nothing for a terminal");
		hint("-o FILE");
		return -FAIL_USAGE;
	}
	if (oci) {
		t->spool = open_spool(t->file);
		if (t->spool < 0)
			return t->spool;
	}
	if (!t->file)
		return 0;
	snprintf(t->made, sizeof(t->made), "%s.XXXXXX", t->file);
	t->out = mkostemp(t->made, O_CLOEXEC);
	if (t->out < 0)
		return fail(FAIL_NO, t->file, "%s", strerror(errno));
	return 0;
}

/* As open(2) would have made it. */
static int settle(struct target *t)
{
	mode_t mask = umask(0);

	umask(mask);
	if (fchmod(t->out, 0666 & ~mask) || fsync(t->out) || rename(t->made, t->file))
		return -errno;
	return 0;
}

struct versions {
	const struct version *now, *base; /* base: NULL, or only what differs from it */
};

static int add_found(const struct diff_found *f, void *arg)
{
	struct total *t = arg;

	t->files++;
	if (f->b && S_ISREG(f->is.mode))
		t->bytes += (uint64_t)f->b->st.st_size;
	return 0;
}

static void not_counted(const char *path, int err, void *arg)
{
	(void)path;
	(void)err;
	(void)arg;
}

static void count(struct total *t, void *arg)
{
	const struct versions *v = arg;
	const struct diff_scope all = { 0 };
	const struct diff_calls calls = { add_found, not_counted, t };
	cleanup_spot struct spot root = { .n = 0 };

	if (v->base)
		(void)!tree_diff(&v->base->tree, &v->now->tree, &all, &calls);
	else if (spot_find(&v->now->tree, "", &root) == 0)
		total_spot(&root, 0, t);
}

static int write_out(const struct call *call, struct target *t, const struct version *now, const struct version *base)
{
	const struct copy copy = { .step = progress_step, .lost = lost, .stop = &stage_stop };
	struct pack p = { .c = &copy, .oci = t->spool >= 0, .filter = filter_of(t->file, t->spool >= 0) };
	struct versions versions = { now, base };
	pack_fn *pack = packer_load();
	int err;

	(void)call;
	/* Only a file has anything to take back. */
	if (t->file)
		stage_catch_signals();
	progress_count(count, &versions);
	err = pack ? pack(&p, &now->tree, base ? &base->tree : NULL, t->out, t->spool) : -ENOEXEC;
	if (t->file && (!err || err == -ENODATA)) {
		int r = settle(t);

		err = r ? r : err;
	} else if (t->file) {
		(void)unlink(t->made);
	}
	progress_clear();
	if (err == -EINTR && stage_stop) {
		fail(FAIL_NO, t->file, "it was ended; nothing was written");
		return -(128 + stage_stop);
	}
	if (err == -ENODATA)
		return fail(FAIL_NO, "export", "what could not be read is missing in it");
	return err ? fail(FAIL_NO, t->file ? t->file : "export", "%s", strerror(-err)) : 0;
}

static int export(const struct call *call, const char *sandbox, const char *word, bool oci)
{
	bool changes = opt_given(call, OPT_CHANGES);
	struct version now, base;
	struct target t;
	int result = version_open_word(&now, sandbox, word);

	if (result)
		return result;
	if (changes)
		result = version_open(&base, sandbox, "base");
	if (!result) {
		result = open_target(&t, opt_value(call, 'o'), oci);
		if (!result) {
			result = write_out(call, &t, &now, changes ? &base : NULL);
			if (t.file)
				close(t.out);
		}
		if (t.spool >= 0)
			close(t.spool);
		if (changes)
			version_close(&base);
	}
	version_close(&now);
	return result;
}

static int exec(const struct call *call)
{
	const char *sandbox = opt_value(call, 's'), *format = opt_value(call, OPT_FORMAT), *word = "now";
	int at = 0, result;

	if (!sandbox)
		sandbox = call->argc ? call->argv[at++] : DEFAULT_SANDBOX;
	if (at < call->argc)
		word = call->argv[at++];
	if (at < call->argc)
		return usage_fail(call->cmd, "a sandbox and a version at most");
	if (format && strcmp(format, "tar") != 0 && strcmp(format, "oci") != 0)
		return usage_fail(call->cmd, "--format is tar or oci");
	result = sandbox_name_check(sandbox);
	if (!result)
		result = progress_start("export", opt_value(call, OPT_PROGRESS));
	if (!result)
		result = export(call, sandbox, word, format && strcmp(format, "oci") == 0);
	progress_end(result);
	return result;
}

const struct cmd cmd_export = {
	.name = "export",
	.args = "[NAME [VERSION]]",
	.summary = "write a sandbox's files as an archive or an OCI image",
	.help = "All of them, or with --changes what differs from the base. A FILE that ends in .gz or .zst is "
		"compressed so;\n"
		"with --format=oci it is a tar with an image layout, whose one layer is compressed by gzip, or by "
		"zstd\n"
		"for a FILE that ends in .zst. FILE is written when it is whole.",
	.opts = opts,
	.max = 2,
	.words = WORDS_EXPORT,
	.group = GROUP_SHAPE,
	.exec = exec,
};
