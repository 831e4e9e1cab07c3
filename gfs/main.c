// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * gfs: mount the sandboxes.
 *
 *	gfs [-f] [MOUNTPOINT]
 *
 * Goes to the background once the file system answers, so that whoever started it may use it when
 * it returns; -f stays. A service manager that listens (NOTIFY_SOCKET) is told. One gfs for each
 * mount point: a lock in the runtime directory. SIGTERM, SIGINT and SIGHUP unmount and end it; so
 * does "gsh umount".
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "gfs/gfs.h"
#include "gfs/mount.h"
#include "gshd/client/mounts.h"

#define THREADS_MAX 32

struct gfs gfs;

static int fail(const char *what)
{
	fprintf(stderr, "gfs: %s\n", what);
	return 1;
}

/* What a base must not show: the store, the runtime directory, and our own mount. */
static void hide(const char *path)
{
	gfs.nhidden += tree_hide(&gfs.hidden[gfs.nhidden], path);
}

/* Held for as long as we live; -1 with a sentence said if another gfs serves this user. */
static int take_lock(void)
{
	char path[PATH_MAX + 16];
	int fd;

	snprintf(path, sizeof(path), "%s/gfs.lock", gfs.paths.runtime);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		fprintf(stderr, "gfs: %s: %s\n", path, strerror(errno));
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		fprintf(stderr, "gfs: another gfs is running (%s is locked)\n", path);
		close(fd);
		return -1;
	}
	return fd;
}

static int prepare(const char *wanted)
{
	char why[PATH_MAX + 256];

	if (paths_find(&gfs.paths, why, sizeof(why)) ||
	    paths_make_runtime(&gfs.paths, why, sizeof(why)))
		return fail(why);
	if (mount_check_device(why, sizeof(why)))
		return fail(why);
	if (mount_prepare(wanted ? wanted : gfs.paths.mount, gfs.mount, why, sizeof(why)))
		return fail(why);
	gfs.uid = geteuid();
	gfs.gid = getegid();
	clock_gettime(CLOCK_REALTIME, &gfs.started);
	hide(gfs.paths.store);
	hide(gfs.paths.runtime);
	hide(gfs.mount);
	return 0;
}

static int mount_it(void)
{
	char *argv[] = {"gfs", "-o", "nosuid,nodev,default_permissions,fsname=gfs,subtype=gfs",
			NULL};
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);

	gfs.session = fuse_session_new(&args, &gfs_ops, sizeof(gfs_ops), NULL);
	fuse_opt_free_args(&args);
	if (!gfs.session)
		return fail("cannot make a FUSE session");
	if (fuse_set_signal_handlers(gfs.session) || fuse_session_mount(gfs.session, gfs.mount))
		return fail("cannot mount");
	if (mounts_fuse(gfs.mount, &gfs.dev) <= 0) {
		fuse_session_unmount(gfs.session);
		return fail("the mount is not to be found in /proc/self/mountinfo");
	}
	if (greet()) {
		fuse_session_unmount(gfs.session);
		return fail("the kernel does not take our answer");
	}
	locks_begin();
	share_begin();
	return 0;
}

/* sd_notify(3): one datagram to the socket that is named; "@" stands for the abstract space. */
static void notify_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET"), text[] = "READY=1";
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd;

	if (!path || (*path != '/' && *path != '@') || strlen(path) >= sizeof(addr.sun_path))
		return;
	strcpy(addr.sun_path, path);
	if (*path == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, text, sizeof(text) - 1, MSG_NOSIGNAL, (struct sockaddr *)&addr,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))) < 0)
		perror("gfs: NOTIFY_SOCKET");
	close(fd);
}

/* The parent waits for a byte, and ends as the child says; the child goes on in a session of its
 * own. */
static int go_background(int *ready)
{
	int fds[2];
	char byte;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return fail(strerror(errno));
	pid = fork();
	if (pid < 0)
		return fail(strerror(errno));
	if (pid) {
		close(fds[1]);
		exit(read(fds[0], &byte, 1) == 1 ? 0 : 1);
	}
	close(fds[0]);
	setsid();
	*ready = fds[1];
	return 0;
}

static void tell_ready(int ready)
{
	int null;

	notify_ready();
	if (ready < 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 3 && null >= 0; i++)
		dup2(null, i);
	if (write(ready, "", 1) != 1)
		_exit(1);
	close(ready);
}

/* Every object that is looked at is a descriptor, for each layer; open files come on top. */
static void raise_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r))
		return;
	r.rlim_cur = r.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &r);
}

/* FUSE says that a mount is gone when its last copy is, and a sandbox that was started meanwhile
 * has copies of all mounts, hidden, in a namespace of its own. So the table of mounts is watched:
 * poll(2) reports its changes as errors (proc(5)). Whatever has files open here then gets ENOTCONN,
 * as after any end of ours. */
static void *watch_mount(void *arg)
{
	struct pollfd p = {.fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)};
	dev_t dev;

	(void)arg;
	while (p.fd >= 0 && mounts_fuse(gfs.mount, &dev) > 0 && dev == gfs.dev)
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return NULL;
	if (p.fd >= 0)
		_exit(0);
	return NULL;
}

static int serve(int ready)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	pthread_t watcher;
	int err;

	if (!config)
		return fail(strerror(ENOMEM));
	fuse_loop_cfg_set_max_threads(config, THREADS_MAX);
	if (chdir("/"))
		perror("gfs: /");
	if (!pthread_create(&watcher, NULL, watch_mount, NULL))
		pthread_detach(watcher);
	tell_ready(ready);
	err = fuse_session_loop_mt(gfs.session, config);
	fuse_loop_cfg_destroy(config);
	fuse_session_unmount(gfs.session);
	fuse_remove_signal_handlers(gfs.session);
	return err < 0;
}

int main(int argc, char **argv)
{
	bool foreground = false;
	int c, ready = -1;

	while ((c = getopt(argc, argv, "f")) != -1) {
		if (c != 'f') {
			fprintf(stderr, "usage: gfs [-f] [MOUNTPOINT]\n");
			return 2;
		}
		foreground = true;
	}
	if (argc - optind > 1) {
		fprintf(stderr, "usage: gfs [-f] [MOUNTPOINT]\n");
		return 2;
	}
	umask(077);
	if (prepare(argv[optind]) || take_lock() < 0)
		return 1;
	if (boxes_init())
		return 1;
	if (!foreground && go_background(&ready))
		return 1;
	raise_limit();
	/* The kernel has taken it off already where a file is made through the mount. */
	umask(0);
	if (mount_it())
		return 1;
	return serve(ready);
}
