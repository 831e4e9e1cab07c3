// SPDX-License-Identifier: LGPL-3.0-or-later
/* See pack.h. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>
#include "gshd/tree/pack.h"
#include "gshd/tree/sha256.h"

#define BLOCK 65536
#define DEPTH_MAX 512
#define VALUE_MAX 65536

/* Names of files that have several. */
struct seen {
	dev_t dev;
	ino_t ino;
	char *path;
};

struct packer {
	const struct pack *p;
	struct archive *a;
	struct seen *seen;
	size_t nseen, room;
	char path[TREE_PATH_ROOM]; /* of the entry: without a slash ahead */
	char gone[TREE_PATH_ROOM]; /* the directory that was removed last, as a whole */
	bool lost;
	/* OCI: what becomes of the bytes of the tar */
	struct archive *raw;
	struct sha256 plain, packed;
	uint64_t size;
	int spool;
};

static bool stopped(const struct packer *k)
{
	return k->p->c->stop && *k->p->c->stop;
}

static int lost(struct packer *k, int err)
{
	k->lost = true;
	if (k->p->c->lost)
		k->p->c->lost(k->path, err, k->p->c->arg);
	return 0;
}

static int archive_err(struct archive *a)
{
	return archive_errno(a) > 0 ? -archive_errno(a) : -EIO;
}

static void put_xattrs(const struct spot *s, struct archive_entry *e)
{
	char *names = NULL, *value = malloc(VALUE_MAX);
	ssize_t n = value ? spot_xattrs(s, &names) : -1;

	for (char *q = names; n > 0 && q < names + n; q += strlen(q) + 1) {
		ssize_t m = spot_xattr(s, q, value, VALUE_MAX);

		if (m >= 0)
			archive_entry_xattr_add_entry(e, q, value, (size_t)m);
	}
	free(names);
	free(value);
}

static const char *seen_before(struct packer *k, const struct stat *st)
{
	for (size_t i = 0; i < k->nseen; i++)
		if (k->seen[i].ino == st->st_ino && k->seen[i].dev == st->st_dev)
			return k->seen[i].path;
	return NULL;
}

static int remember(struct packer *k, const struct stat *st)
{
	if (k->nseen == k->room) {
		struct seen *more = reallocarray(k->seen, k->room * 2 + 64, sizeof(*more));

		if (!more)
			return -ENOMEM;
		k->seen = more;
		k->room = k->room * 2 + 64;
	}
	k->seen[k->nseen] = (struct seen){ st->st_dev, st->st_ino, strdup(k->path) };
	return k->seen[k->nseen++].path ? 0 : -ENOMEM;
}

/* As many bytes as the header said, whatever becomes of the file meanwhile. */
static int put_data(struct packer *k, int fd, off_t size)
{
	static char block[BLOCK];
	int err = 0;

	for (off_t at = 0; at < size && !err;) {
		size_t want = size - at < BLOCK ? (size_t)(size - at) : BLOCK;
		ssize_t n = pread(fd, block, want, at);

		if (n <= 0) {
			memset(block, 0, want);
			n = (ssize_t)want;
		}
		if (archive_write_data(k->a, block, (size_t)n) != n)
			err = archive_err(k->a);
		else if (stopped(k))
			err = -EINTR;
		else if (k->p->c->step)
			k->p->c->step(0, (uint64_t)n, k->p->c->arg);
		at += n;
	}
	return err;
}

static int put_entry(struct packer *k, const struct spot *s, struct archive_entry *e)
{
	char target[PATH_MAX];
	struct union_attr a;
	int fd = -1, err = 0;

	spot_attr_inside(s, &a);
	archive_entry_set_mode(e, a.mode);
	archive_entry_set_uid(e, a.uid);
	archive_entry_set_gid(e, a.gid);
	archive_entry_set_mtime(e, s->st.st_mtim.tv_sec, s->st.st_mtim.tv_nsec);
	if (S_ISCHR(a.mode) || S_ISBLK(a.mode)) {
		archive_entry_set_rdevmajor(e, major(a.rdev));
		archive_entry_set_rdevminor(e, minor(a.rdev));
	}
	if (S_ISLNK(a.mode)) {
		ssize_t n = spot_readlink(s, target, sizeof(target));

		if (n < 0)
			return lost(k, (int)n);
		archive_entry_set_symlink(e, target);
	}
	if (!S_ISDIR(a.mode) && s->st.st_nlink > 1) {
		const char *first = seen_before(k, &s->st);

		if (first)
			archive_entry_set_hardlink(e, first);
		else
			err = remember(k, &s->st);
	}
	if (err)
		return err;
	if (S_ISREG(a.mode) && !archive_entry_hardlink(e)) {
		fd = spot_open(s, O_RDONLY);
		if (fd < 0)
			return lost(k, fd);
		archive_entry_set_size(e, s->st.st_size);
	}
	put_xattrs(s, e);
	if (archive_write_header(k->a, e) < ARCHIVE_WARN)
		err = archive_err(k->a);
	if (!err && fd >= 0)
		err = put_data(k, fd, s->st.st_size);
	if (fd >= 0)
		close(fd);
	if (!err && k->p->c->step)
		k->p->c->step(1, 0, k->p->c->arg);
	return err;
}

/* k->path is its name. */
static int put(struct packer *k, const struct spot *s)
{
	struct archive_entry *e;
	int err;

	if (stopped(k))
		return -EINTR;
	if (S_ISSOCK(s->st.st_mode))
		return 0;
	e = archive_entry_new();
	if (!e)
		return -ENOMEM;
	archive_entry_set_pathname(e, *k->path ? k->path : "./");
	err = put_entry(k, s, e);
	archive_entry_free(e);
	return err;
}

/* ---- all of a tree ---- */

static int put_all(struct packer *k, const struct spot *s, unsigned depth)
{
	struct union_list list = { 0 };
	size_t len = strlen(k->path);
	int err = put(k, s);

	if (err || !S_ISDIR(s->st.st_mode))
		return err;
	if (depth > DEPTH_MAX)
		return lost(k, -ENAMETOOLONG);
	for (unsigned i = 0; i < s->n && !err; i++) {
		err = spot_list(s, i, &list);
		if (err && err != -ENOMEM)
			err = lost(k, err);
	}
	for (uint32_t i = 0; i < list.count && !err; i++) {
		cleanup_spot struct spot child = { .n = 0 };
		const char *name = union_list_text(&list, &list.names[i]);

		if (list.names[i].hidden || len + strlen(name) + 2 > sizeof(k->path))
			continue;
		snprintf(k->path + len, sizeof(k->path) - len, "%s%s", len ? "/" : "", name);
		err = spot_step(s, name, &child);
		if (!err)
			err = put_all(k, &child, depth + 1);
		else if (err != -EMFILE && err != -ENFILE && err != -ENOMEM)
			err = err == -ENOENT ? 0 : lost(k, err);
		k->path[len] = '\0';
	}
	union_list_free(&list);
	return err;
}

/* ---- what changed ---- */

static int put_whiteout(struct packer *k, const char *path)
{
	struct archive_entry *e = archive_entry_new();
	const char *slash = strrchr(path, '/');
	int n = slash ? (int)(slash - path) + 1 : 0, err = 0;

	if (!e)
		return -ENOMEM;
	if ((size_t)snprintf(k->path, sizeof(k->path), "%.*s.wh.%s", n, path, path + n) >= sizeof(k->path))
		err = -ENAMETOOLONG;
	archive_entry_set_pathname(e, k->path);
	archive_entry_set_mode(e, S_IFREG | 0600);
	archive_entry_set_size(e, 0);
	if (!err && archive_write_header(k->a, e) < ARCHIVE_WARN)
		err = archive_err(k->a);
	archive_entry_free(e);
	return err;
}

static int put_found(const struct diff_found *f, void *arg)
{
	struct packer *k = arg;
	const char *path = f->path + 1;
	size_t n = strlen(k->gone);
	int err = 0;

	if (n && !strncmp(path, k->gone, n) && path[n] == '/' && !f->b)
		return 0;
	if (!f->b || f->what & DIFF_TYPE) {
		err = put_whiteout(k, path);
		snprintf(k->gone, sizeof(k->gone), "%s", path);
	}
	if (err || !f->b)
		return err;
	snprintf(k->path, sizeof(k->path), "%s", path);
	return put(k, f->b);
}

static void diff_lost(const char *path, int err, void *arg)
{
	struct packer *k = arg;

	snprintf(k->path, sizeof(k->path), "%s", path + 1);
	(void)lost(k, err);
}

static int put_tree(struct packer *k, const struct tree *now, const struct tree *base)
{
	const struct diff_calls calls = { put_found, diff_lost, k };
	cleanup_spot struct spot root = { .n = 0 };
	int err;

	if (base)
		return tree_diff(base, now, NULL, &calls);
	err = spot_find(now, "", &root);
	if (err)
		return err;
	root.root = true;
	return put_all(k, &root, 0);
}

/* ---- where it goes ---- */

static int open_tar(struct archive *a)
{
	if (!a || archive_write_set_format_pax_restricted(a))
		return -ENOMEM;
	archive_write_set_options(a, "hdrcharset=BINARY");
	archive_write_set_bytes_in_last_block(a, 1);
	return 0;
}

static int add_filter(struct archive *a, enum pack_filter filter)
{
	int r = filter == PACK_GZIP ? archive_write_add_filter_gzip(a)
		: filter == PACK_ZSTD ? archive_write_add_filter_zstd(a)
				      : archive_write_add_filter_none(a);

	/* The time of day is no part of an image. */
	if (filter == PACK_GZIP)
		archive_write_set_options(a, "gzip:!timestamp");
	return r < ARCHIVE_WARN ? -ENOSYS : 0;
}

static la_ssize_t take_plain(struct archive *a, void *arg, const void *bytes, size_t size)
{
	struct packer *k = arg;

	sha256_add(&k->plain, bytes, size);
	if (archive_write_data(k->raw, bytes, size) == (la_ssize_t)size)
		return (la_ssize_t)size;
	archive_set_error(a, archive_errno(k->raw), "%s", archive_error_string(k->raw));
	return -1;
}

static la_ssize_t take_packed(struct archive *a, void *arg, const void *bytes, size_t size)
{
	struct packer *k = arg;
	ssize_t n = write(k->spool, bytes, size);

	if (n < 0) {
		archive_set_error(a, errno, "%s", strerror(errno));
		return -1;
	}
	sha256_add(&k->packed, bytes, (size_t)n);
	k->size += (uint64_t)n;
	return n;
}

/* The tar, by way of the filter, to the spool, with both digests. */
static int spool_layer(struct packer *k, const struct tree *now, const struct tree *base)
{
	struct archive_entry *e = archive_entry_new();
	int err;

	k->raw = archive_write_new();
	k->a = archive_write_new();
	sha256_init(&k->plain);
	sha256_init(&k->packed);
	err = k->raw && e && !archive_write_set_format_raw(k->raw) ? add_filter(k->raw, k->p->filter) : -ENOMEM;
	if (!err && archive_write_set_bytes_in_last_block(k->raw, 1))
		err = -EIO;
	if (!err && archive_write_open(k->raw, k, NULL, take_packed, NULL))
		err = archive_err(k->raw);
	if (!err) {
		archive_entry_set_mode(e, S_IFREG | 0600);
		archive_entry_set_pathname(e, "layer");
		if (archive_write_header(k->raw, e) < ARCHIVE_WARN)
			err = archive_err(k->raw);
	}
	if (!err)
		err = open_tar(k->a);
	if (!err && archive_write_open(k->a, k, NULL, take_plain, NULL))
		err = archive_err(k->a);
	if (!err)
		err = put_tree(k, now, base);
	if (!err && archive_write_close(k->a) < ARCHIVE_WARN)
		err = archive_err(k->a);
	if (!err && archive_write_close(k->raw) < ARCHIVE_WARN)
		err = archive_err(k->raw);
	archive_entry_free(e);
	archive_write_free(k->a);
	archive_write_free(k->raw);
	k->a = k->raw = NULL;
	return err;
}

static int put_text(struct archive *a, const char *path, const char *text)
{
	struct archive_entry *e = archive_entry_new();
	size_t n = strlen(text);
	int err = 0;

	if (!e)
		return -ENOMEM;
	archive_entry_set_pathname(e, path);
	archive_entry_set_mode(e, S_IFREG | 0644);
	archive_entry_set_size(e, (la_int64_t)n);
	if (archive_write_header(a, e) < ARCHIVE_WARN || archive_write_data(a, text, n) != (la_ssize_t)n)
		err = archive_err(a);
	archive_entry_free(e);
	return err;
}

static int put_blob(struct archive *a, const char *text, char digest[65])
{
	char path[96];
	struct sha256 s;

	sha256_init(&s);
	sha256_add(&s, text, strlen(text));
	sha256_end(&s, digest);
	snprintf(path, sizeof(path), "blobs/sha256/%s", digest);
	return put_text(a, path, text);
}

static int put_spool(struct packer *k, const char *digest)
{
	struct archive_entry *e = archive_entry_new();
	char path[96];
	int err = e ? 0 : -ENOMEM;

	if (err)
		return err;
	snprintf(path, sizeof(path), "blobs/sha256/%s", digest);
	archive_entry_set_pathname(e, path);
	archive_entry_set_mode(e, S_IFREG | 0644);
	archive_entry_set_size(e, (la_int64_t)k->size);
	if (archive_write_header(k->a, e) < ARCHIVE_WARN)
		err = archive_err(k->a);
	if (!err)
		err = put_data(k, k->spool, (off_t)k->size);
	archive_entry_free(e);
	return err;
}

/* Source: the OCI image specification, 1.1: image-layout, index, manifest and config. */
static int put_layout(struct packer *k)
{
	static const char *const suffix[] = { "", "+gzip", "+zstd" };
	char plain[65], packed[65], config[65] = "", manifest[65] = "";
	char created[32] = "1970-01-01T00:00:00Z", text[2048];
	time_t now = time(NULL);
	size_t config_size;
	struct tm tm;
	int err;

	sha256_end(&k->plain, plain);
	sha256_end(&k->packed, packed);
	if (gmtime_r(&now, &tm))
		strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &tm);
	err = put_text(k->a, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
	if (!err)
		err = put_spool(k, packed);
	snprintf(text, sizeof(text),
		 "{\"created\":\"%s\",\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{},\"rootfs\":{"
		 "\"type\":\"layers\","
		 "\"diff_ids\":[\"sha256:%s\"]},\"history\":[{\"created\":\"%s\",\"created_by\":\"gsh export\"}]}",
		 created, plain, created);
	config_size = strlen(text);
	if (!err)
		err = put_blob(k->a, text, config);
	snprintf(text, sizeof(text),
		 "{\"schemaVersion\":2,\"mediaType\":\"application/"
		 "vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":"
		 "\"application/"
		 "vnd.oci.image.config.v1+json\",\"digest\":\"sha256:%s\",\"size\":%zu},\"layers\":[{\"mediaType\":"
		 "\"application/vnd.oci.image.layer.v1.tar%s\",\"digest\":\"sha256:%s\",\"size\":%llu}]}",
		 config, config_size, suffix[k->p->filter], packed, (unsigned long long)k->size);
	config_size = strlen(text);
	if (!err)
		err = put_blob(k->a, text, manifest);
	snprintf(
		text, sizeof(text),
		"{\"schemaVersion\":2,\"mediaType\":\"application/"
		"vnd.oci.image.index.v1+json\",\"manifests\":[{\"mediaType\":"
		"\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"sha256:%s\",\"size\":%zu,\"platform\":{"
		"\"architecture\":\"amd64\",\"os\":\"linux\"}}]}",
		manifest, config_size);
	return err ? err : put_text(k->a, "index.json", text);
}

int pack_tree(const struct pack *p, const struct tree *now, const struct tree *base, int out, int spool)
{
	struct packer *k = calloc(1, sizeof(*k));
	int err = 0;

	if (!k)
		return -ENOMEM;
	k->p = p;
	k->spool = spool;
	if (p->oci)
		err = spool_layer(k, now, base);
	k->a = archive_write_new();
	if (!err)
		err = open_tar(k->a);
	if (!err)
		err = add_filter(k->a, p->oci ? PACK_PLAIN : p->filter);
	if (!err && archive_write_open_fd(k->a, out))
		err = archive_err(k->a);
	if (!err)
		err = p->oci ? put_layout(k) : put_tree(k, now, base);
	if (!err && archive_write_close(k->a) < ARCHIVE_WARN)
		err = archive_err(k->a);
	archive_write_free(k->a);
	if (!err && k->lost)
		err = -ENODATA;
	for (size_t i = 0; i < k->nseen; i++)
		free(k->seen[i].path);
	free(k->seen);
	free(k);
	return err;
}
