// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Names of unix sockets.
 *
 * The host must not resolve a path for a guest (it might reach a service of the host), so a socket
 * file is only a file: bind makes it in the guest's tree and binds the host socket to an abstract
 * name of the sandbox's own network namespace that says which file it is (device, inode, birth).
 * connect walks the guest path, checks what Linux checks, and makes the same name from what it
 * finds. Renamed and hard-linked socket files go on working; a file whose server is gone, or is a
 * host's, answers ECONNREFUSED.
 *
 * To show a peer's path, the path is noted under that name as a symlink on the sandbox's tmpfs.
 */
#include "libos/fs/sock.h"
#include "libos/task/task.h"
#include "pal/grant.h"

#define NAME_MAGIC "gsh:"
#define NAME_LEN (sizeof(NAME_MAGIC) - 1 + 16)
#define UN_HEAD offsetof(struct sockaddr_un, sun_path)

/* A path, as against abstract and unnamed addresses. */
static bool has_path(const struct sock_addr *a)
{
	return a->family == AF_UNIX && a->len > UN_HEAD && a->un.sun_path[0];
}

static void path_of(const struct sock_addr *a, char path[sizeof(a->un.sun_path) + 1])
{
	size_t n = strnlen(a->un.sun_path, MIN(a->len - UN_HEAD, sizeof(a->un.sun_path)));

	memcpy(path, a->un.sun_path, n);
	path[n] = '\0';
}

static void name_for(const struct attr *at, struct sock_addr *out)
{
	struct {
		u64 dev, ino;
		s64 sec, nsec;
	} id = { at->dev, at->ino, at->btime.tv_sec, at->btime.tv_nsec };
	u32 low = base_hash(&id, sizeof(id)), high;

	id.dev ^= 0x9e3779b97f4a7c15ull;
	high = base_hash(&id, sizeof(id));
	memset(out, 0, sizeof(*out));
	out->family = AF_UNIX;
	base_snprintf(out->un.sun_path + 1, sizeof(out->un.sun_path) - 1, NAME_MAGIC "%08x%08x",
		      high, low);
	out->len = UN_HEAD + 1 + NAME_LEN;
}

static bool is_ours(const struct sock_addr *a)
{
	return a->family == AF_UNIX && a->len == UN_HEAD + 1 + NAME_LEN && !a->un.sun_path[0] &&
	       !memcmp(a->un.sun_path + 1, NAME_MAGIC, sizeof(NAME_MAGIC) - 1);
}

/* The note's file name: not a name that a guest file system on the same tmpfs would use. */
static void note_name(const struct sock_addr *host, char name[NAME_LEN + 8])
{
	base_snprintf(name, NAME_LEN + 8, ".gsh-%.*s", 16,
		      host->un.sun_path + 1 + sizeof(NAME_MAGIC) - 1);
}

static void note_path(const struct sock_addr *host, const char *path)
{
	char name[NAME_LEN + 8];
	int r;

	note_name(host, name);
	r = pal_symlinkat(path, GRANT_FD_SHM, name);
	if (r == -EEXIST && pal_unlinkat(GRANT_FD_SHM, name, 0) == 0)
		r = pal_symlinkat(path, GRANT_FD_SHM, name);
	(void)r; /* without it peers see no name, as with an unnamed socket */
}

int sock_unix_bind(struct file *f, const struct sock_addr *guest)
{
	struct sock_addr host;
	char path[sizeof(guest->un.sun_path) + 1];
	struct attr at;
	char *copy;
	int r;

	if (!has_path(guest))
		return sock_bind(f, guest->bytes, guest->len);
	r = sock_getsockname(f, &host);
	if (r < 0 || host.len > UN_HEAD)
		return r < 0 ? r : -EINVAL; /* bound already */
	path_of(guest, path);
	copy = base_strdup(path);
	if (!copy)
		return -ENOMEM;
	r = vfs_mknod(AT_FDCWD, path, S_IFSOCK | (0777 & ~this_process()->fs->umask), 0);
	if (r < 0) {
		base_free(copy);
		return r == -EEXIST ? -EADDRINUSE : r;
	}
	r = vfs_stat(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, &at);
	if (r == 0) {
		name_for(&at, &host);
		r = sock_bind(f, host.bytes, host.len);
	}
	if (r < 0) {
		if (vfs_unlink(AT_FDCWD, path, 0) < 0)
			pal_log("sock: %s stays behind", path);
		base_free(copy);
		return r;
	}
	note_path(&host, path);
	to_sock(f)->path = copy;
	return 0;
}

int sock_addr_to_host(const struct file *f, struct sock_addr *a)
{
	char path[sizeof(a->un.sun_path) + 1];
	struct attr at;
	int r;

	if (to_sock(f)->domain != AF_UNIX || a->len < sizeof(u16) || !has_path(a))
		return 0;
	path_of(a, path);
	r = vfs_stat(AT_FDCWD, path, 0, &at);
	if (r < 0)
		return r;
	r = vfs_access(AT_FDCWD, path, W_OK, AT_EACCESS);
	if (r < 0)
		return r;
	if (!S_ISSOCK(at.mode))
		return -ECONNREFUSED;
	name_for(&at, a);
	return 0;
}

void sock_addr_to_guest(const struct file *f, struct sock_addr *a)
{
	sock_name_to_guest(a);
}

void sock_name_to_guest(struct sock_addr *a)
{
	char name[NAME_LEN + 8], path[sizeof(a->un.sun_path)];
	ssize_t n;

	if (a->len < sizeof(u16) || !is_ours(a))
		return;
	note_name(a, name);
	n = pal_readlinkat(GRANT_FD_SHM, name, path, sizeof(path) - 1);
	a->len = UN_HEAD;
	if (n <= 0)
		return;
	path[n] = '\0';
	memcpy(a->un.sun_path, path, (size_t)n + 1);
	a->len += (unsigned)n + 1;
}
