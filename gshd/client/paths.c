/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Where things lie, and sockets by path: see paths.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "conf/conf.h"
#include "gshd/client/paths.h"

static const char *env(const char *name)
{
	const char *v = getenv(name);

	return v && *v ? v : NULL;
}

/* An environment variable that holds a directory; it must be absolute, or it would mean another one
 * in each program. */
static int from_env(const char *name, char *to, char *why, size_t size)
{
	const char *v = env(name);

	if (!v)
		return 0;
	if (*v != '/' || strlen(v) >= PATH_MAX - 64) {
		snprintf(why, size, "%s must be an absolute path", name);
		return -EINVAL;
	}
	strcpy(to, v);
	while (strlen(to) > 1 && to[strlen(to) - 1] == '/')
		to[strlen(to) - 1] = '\0';
	return 1;
}

static int find_store(struct paths *p, char *why, size_t size)
{
	static struct conf conf;
	static bool loaded;
	int err = from_env("GSH_STORE", p->store, why, size);

	if (err)
		return err < 0 ? err : 0;
	err = loaded ? 0 : conf_load(&conf, why, size);
	if (err)
		return err;
	loaded = true; /* gsh asks several times in its life of milliseconds */
	if (conf.store_path[0])
		snprintf(p->store, sizeof(p->store), "%s", conf.store_path);
	else if (env("XDG_DATA_HOME") && *env("XDG_DATA_HOME") == '/')
		snprintf(p->store, sizeof(p->store), "%s/gsh", env("XDG_DATA_HOME"));
	else if (env("HOME") && *env("HOME") == '/')
		snprintf(p->store, sizeof(p->store), "%s/.local/share/gsh", env("HOME"));
	else {
		snprintf(why, size, "neither GSH_STORE nor HOME is set: nowhere to keep sandboxes");
		return -ENOENT;
	}
	return 0;
}

int paths_find(struct paths *p, char *why, size_t size)
{
	const char *xdg = env("XDG_RUNTIME_DIR");
	int err = find_store(p, why, size);

	if (err)
		return err;
	if (xdg && *xdg != '/')
		xdg = NULL;
	err = from_env("GSH_RUNTIME", p->runtime, why, size);
	if (err < 0)
		return err;
	if (!err && xdg)
		snprintf(p->runtime, sizeof(p->runtime), "%s/gsh", xdg);
	else if (!err)
		snprintf(p->runtime, sizeof(p->runtime), "/tmp/gsh-%u", geteuid());
	err = from_env("GSH_MOUNT", p->mount, why, size);
	if (err < 0)
		return err;
	if (!err && xdg)
		snprintf(p->mount, sizeof(p->mount), "%s/gfs", xdg);
	else if (!err)
		snprintf(p->mount, sizeof(p->mount), "/tmp/gsh-%u/gfs", geteuid());
	return 0;
}

/* A directory that nobody else can have put there or can look into. */
static int make_private(const char *path, char *why, size_t size)
{
	struct stat st;

	if (mkdir(path, 0700) && errno != EEXIST) {
		int err = errno;
		snprintf(why, size, "cannot make %s: %s", path, strerror(err));
		return -err;
	}
	if (lstat(path, &st)) {
		snprintf(why, size, "cannot look at %s: %s", path, strerror(errno));
		return -EIO;
	}
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid()) {
		snprintf(why, size, "%s is not a directory of yours; remove it or set GSH_RUNTIME",
			 path);
		return -EPERM;
	}
	if ((st.st_mode & 077) && chmod(path, 0700)) {
		snprintf(why, size, "%s is open to others and cannot be closed: %s", path,
			 strerror(errno));
		return -EPERM;
	}
	return 0;
}

int paths_make_runtime(const struct paths *p, char *why, size_t size)
{
	static const char *const parts[] = { "", "/box", "/log" };
	char path[PATH_MAX + 8];

	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s%s", p->runtime, parts[i]);
		int err = make_private(path, why, size);
		if (err)
			return err;
	}
	return 0;
}

int paths_address(const char *path, struct sockaddr_un *addr, int *dir)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX];
	int n;

	*dir = -1;
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	if (!slash || strlen(path) >= PATH_MAX)
		return -EINVAL;
	if (strlen(path) < sizeof(addr->sun_path)) {
		strcpy(addr->sun_path, path);
		return sizeof(*addr);
	}
	snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
	*dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*dir < 0)
		return -errno;
	n = snprintf(addr->sun_path, sizeof(addr->sun_path), "/proc/self/fd/%d%s", *dir, slash);
	if (n >= (int)sizeof(addr->sun_path)) {
		close(*dir);
		return -ENAMETOOLONG;
	}
	return sizeof(*addr);
}

/* A socket that is connected to, or listens at, path. */
static int socket_at(const char *path, bool listening)
{
	struct sockaddr_un addr;
	int dir, fd, err = 0;
	int size = paths_address(path, &addr, &dir);

	if (size < 0)
		return size;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (listening ? SOCK_NONBLOCK : 0), 0);
	if (fd < 0)
		err = -errno;
	else if (listening ? bind(fd, (struct sockaddr *)&addr, (socklen_t)size) ||
				     chmod(path, 0600) || listen(fd, SOMAXCONN)
			   : connect(fd, (struct sockaddr *)&addr, (socklen_t)size))
		err = -errno;
	if (dir >= 0)
		close(dir);
	if (err && fd >= 0)
		close(fd);
	return err ? err : fd;
}

int paths_connect(const char *path)
{
	return socket_at(path, false);
}

int paths_listen(const char *path)
{
	return socket_at(path, true);
}

bool paths_name_ok(const char *name)
{
	size_t n = strlen(name);

	return n >= 1 && n <= 63 && name[0] != '.' && name[0] != '-' &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
		       n;
}

int paths_beside(const char *name, char *buf, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", buf, size - 1);
	char *slash;

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	slash = strrchr(buf, '/');
	if (!slash || (size_t)(slash - buf) + 1 + strlen(name) >= size)
		return -ENAMETOOLONG;
	strcpy(slash + 1, name);
	return access(buf, X_OK) < 0 ? -errno : 0;
}
