// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Who asks? A sandbox must not look into this view: it would see the other sandboxes, itself again
 * below itself, and its own proc/, whose answer it would have to give while it waits for it.
 *
 * Rung A covers the mount. Rung B cannot: Landlock lets the names of a directory be listed where
 * something below it may be. But FUSE says which process asks, and a picoprocess is known by what
 * it cannot take off: a seccomp filter, no_new_privs, and an executable that is not to be looked
 * at or is the picoprocess image. Verdicts are remembered for a moment, as questions come in rows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "gfs/gfs.h"

#define SLOTS 64
#define FRESH_NS 100000000ll
#define IMAGE "/picoprocess"

struct verdict {
	pid_t pid;
	bool refused;
	long long until; /* CLOCK_MONOTONIC, nanoseconds */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards slots */
static struct verdict slots[SLOTS];

/* proc_pid_status(5): readable whatever the process has done to itself. */
static bool is_confined(pid_t pid)
{
	char path[40], text[4096];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return strstr(text, "\nNoNewPrivs:\t1\n") && strstr(text, "\nSeccomp:\t2\n");
}

static bool is_picoprocess(pid_t pid)
{
	char path[40], exe[PATH_MAX], *name;
	ssize_t n;

	if (!is_confined(pid))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n < 0)
		return errno == EACCES || errno == EPERM;
	exe[n] = '\0';
	name = strrchr(exe, '/');
	return name && !strncmp(name, IMAGE, strlen(IMAGE));
}

bool asker_refused(fuse_req_t req)
{
	pid_t pid = fuse_req_ctx(req)->pid;
	struct verdict *v = &slots[(unsigned)pid % SLOTS];
	long long now = now_ns();
	bool known, refused;

	/* The kernel itself. */
	if (pid <= 0)
		return false;
	pthread_mutex_lock(&lock);
	known = v->pid == pid && v->until > now;
	refused = v->refused;
	pthread_mutex_unlock(&lock);
	if (known)
		return refused;
	refused = is_picoprocess(pid);
	pthread_mutex_lock(&lock);
	*v = (struct verdict){.pid = pid, .refused = refused, .until = now + FRESH_NS};
	pthread_mutex_unlock(&lock);
	return refused;
}
