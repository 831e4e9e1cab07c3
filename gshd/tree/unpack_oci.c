// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * An OCI image layout: index.json names a manifest (or a list of them, by platform), the manifest names layers, all by
 * digest. Runs confined; see unpack.h. Source: the OCI image specification, 1.1.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "gshd/tree/sha256.h"
#include "gshd/tree/unpack.h"

#define JSON_MAX (8u << 20)
#define NESTED_MAX 4
#define LAYERS_MAX 512
#define BLOBS "blobs/sha256/"

struct layout {
	struct unpacker *p;
	int dir;   /* index.json, and blobs in BLOBS; of a tar all in one directory */
	bool flat;
};

static int bad(struct layout *l, const char *what)
{
	return unpack_say(l->p, -EBADMSG, "", what);
}

/* "sha256:" and 64 hexadecimal digits. */
static bool digest_ok(const char *digest)
{
	return digest && strlen(digest) == 71 && !strncmp(digest, "sha256:", 7) &&
	       strspn(digest + 7, "0123456789abcdef") == 64;
}

/* A blob, after a look whether it is what its name says. */
static int open_blob(struct layout *l, const char *digest)
{
	char path[96], text[65], *block = malloc(65536);
	struct sha256 sum;
	ssize_t n = -1;
	int fd = -EBADMSG;

	if (!block || !digest_ok(digest)) {
		free(block);
		return bad(l, "a digest in the image is none of sha256");
	}
	snprintf(path, sizeof(path), "%s%s", l->flat ? "" : BLOBS, digest + 7);
	fd = openat(l->dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	sha256_init(&sum);
	while (fd >= 0 && (n = read(fd, block, 65536)) > 0)
		sha256_add(&sum, block, (size_t)n);
	free(block);
	sha256_end(&sum, text);
	if (fd >= 0 && !n && !strcmp(text, digest + 7) && !lseek(fd, 0, SEEK_SET))
		return fd;
	if (fd < 0)
		return bad(l, "a part of the image is missing");
	close(fd);
	return bad(l, "a part of the image is not what its digest says");
}

static struct json_object *read_json(struct layout *l, int fd)
{
	struct json_object *o = NULL;
	char *text = malloc(JSON_MAX);
	ssize_t n = 0, have = 0;

	while (text && have < (ssize_t)JSON_MAX - 1 && (n = read(fd, text + have, JSON_MAX - 1 - (size_t)have)) > 0)
		have += n;
	if (text && !n) {
		text[have] = '\0';
		o = json_tokener_parse(text);
	}
	free(text);
	if (!json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		o = NULL;
		(void)bad(l, "an index or manifest of the image is damaged");
	}
	return o;
}

static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string)
		       ? json_object_get_string(v)
		       : NULL;
}

static struct json_object *list_of(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_array) ? v : NULL;
}

/* Of several manifests the one for us; of those that do not say, the first. */
static struct json_object *choose(struct json_object *manifests)
{
	size_t n = json_object_array_length(manifests);

	for (size_t i = 0; i < n; i++) {
		struct json_object *m = json_object_array_get_idx(manifests, i), *platform = NULL;
		const char *machine;

		if (!json_object_object_get_ex(m, "platform", &platform))
			return m;
		machine = text_of(platform, "architecture");
		if (machine && !strcmp(machine, "amd64"))
			return m;
	}
	return NULL;
}

static int put_layer(struct layout *l, struct json_object *layer, bool first)
{
	int fd = open_blob(l, text_of(layer, "digest")), err = fd < 0 ? fd : 0;

	/* What it removes is what layers below it brought, so that comes first. */
	if (!err && !first)
		err = unpack_tar(l->p, fd, true);
	if (!err && lseek(fd, 0, SEEK_SET))
		err = -errno;
	if (!err)
		err = unpack_tar(l->p, fd, false);
	if (fd >= 0)
		close(fd);
	return err;
}

static int put_manifest(struct layout *l, struct json_object *o, unsigned depth)
{
	struct json_object *manifests = list_of(o, "manifests"), *layers = list_of(o, "layers"), *one, *next;
	int fd, err = 0;

	if (!manifests) {
		if (!layers || json_object_array_length(layers) > LAYERS_MAX)
			return bad(l, "the image's manifest lists no layers, or too many");
		for (size_t i = 0; i < json_object_array_length(layers) && !err; i++)
			err = put_layer(l, json_object_array_get_idx(layers, i), i == 0);
		return err;
	}
	one = depth < NESTED_MAX ? choose(manifests) : NULL;
	if (!one)
		return bad(l, "the image has no part for this machine (amd64)");
	fd = open_blob(l, text_of(one, "digest"));
	if (fd < 0)
		return fd;
	next = read_json(l, fd);
	close(fd);
	err = next ? put_manifest(l, next, depth + 1) : -EBADMSG;
	json_object_put(next);
	return err;
}

static int put_layout(struct layout *l)
{
	int fd = openat(l->dir, "index.json", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), err;
	struct json_object *o;

	if (fd < 0)
		return bad(l, "it has no index.json, so it is no OCI image");
	o = read_json(l, fd);
	close(fd);
	err = o ? put_manifest(l, o, 0) : -EBADMSG;
	json_object_put(o);
	return err;
}

/* ---- a tar of a layout ---- */

/* The file name that a name of the tar gets, or NULL: it is not needed. */
static const char *flat_name(const char *path)
{
	if (!path)
		return NULL;
	if (!strncmp(path, "./", 2))
		path += 2;
	if (!strcmp(path, "index.json"))
		return path;
	if (strncmp(path, BLOBS, sizeof(BLOBS) - 1) || strlen(path) != sizeof(BLOBS) - 1 + 64 ||
	    strspn(path + sizeof(BLOBS) - 1, "0123456789abcdef") != 64)
		return NULL;
	return path + sizeof(BLOBS) - 1;
}

static int keep(struct unpacker *p, struct archive *a, const char *name)
{
	int fd = openat(p->u->blobs, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600), err = 0;
	char *block = malloc(65536);
	la_ssize_t n = 0;

	if (fd < 0 || !block)
		err = fd < 0 ? -errno : -ENOMEM;
	while (!err && (n = archive_read_data(a, block, 65536)) > 0) {
		if (write(fd, block, (size_t)n) != n)
			err = -ENOSPC;
		if (!err)
			err = unpack_step(p, 0, (uint64_t)n);
	}
	if (!err && n < 0)
		err = -EBADMSG;
	free(block);
	if (fd >= 0)
		close(fd);
	return err;
}

static int spread(struct unpacker *p, int from)
{
	struct archive *a = unpack_open(p, from);
	struct archive_entry *e;
	int r, err = a ? 0 : -EINVAL;

	while (!err && (r = archive_read_next_header(a, &e)) != ARCHIVE_EOF) {
		const char *name = r < ARCHIVE_WARN ? NULL : flat_name(archive_entry_pathname(e));

		if (r < ARCHIVE_WARN)
			err = unpack_say(p, -EBADMSG, "", "it is damaged");
		else if (name && S_ISREG(archive_entry_mode(e)))
			err = keep(p, a, name);
	}
	archive_read_free(a);
	return err;
}

int unpack_oci(struct unpacker *p, int from, bool is_dir)
{
	struct layout l = { .p = p, .dir = is_dir ? from : p->u->blobs, .flat = !is_dir };
	int err = is_dir ? 0 : spread(p, from);

	return err ? err : put_layout(&l);
}
