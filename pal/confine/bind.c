/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Binds of a sandbox that runs (rung A): mounts that come and go below /bind of its root (mounts.c).
 *
 * Two children do it, since nobody has power over both worlds. One makes a user namespace of its own, in which it
 * may copy the place as a mount that is nowhere yet; its descriptor goes by the caller to the other, which enters
 * the sandbox's namespaces and attaches it. The sandbox's Landlock domain, which nobody can change any more, has a
 * rule for what lies below /bind/ro and /bind/rw; what is taken away there is below nothing, and held by it no file
 * of it can be opened.
 *
 * The place is opened without following any link, so that it is the one whose path was checked.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "pal/confine/impl.h"

struct work {
	const struct confine_child *child;
	const struct confine_bind *bind;
	unsigned slot;
	int ns[2];   /* of the sandbox: user, mounts */
	int channel; /* where the first child sends the mount */
	int mount;   /* what the second attaches; -1: it takes away */
};

static int copy_place(struct work *w)
{
	int err, mnt;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return -errno;
	err = mounts_copy_bind(w->bind, &mnt);
	return err ? err : confine_send_fd(w->channel, mnt);
}

static int change(struct work *w)
{
	char at[32];

	if (setns(w->ns[0], CLONE_NEWUSER) || setns(w->ns[1], CLONE_NEWNS))
		return -errno;
	mounts_bind_at(w->bind, w->slot, at);
	return w->mount >= 0 ? mounts_attach(w->mount, at) : mounts_detach(at);
}

/* What a child comes to: 0 or -errno. */
static int in_child(int (*run)(struct work *w), struct work *w)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(-run(w));
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

static int copy(struct work *w)
{
	int ends[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	w->channel = ends[1];
	err = in_child(copy_place, w);
	w->mount = err ? err : confine_take_fd(ends[0]);
	close(ends[0]);
	close(ends[1]);
	return w->mount < 0 ? w->mount : 0;
}

static int enter(struct work *w)
{
	int err;

	w->ns[0] = confine_open_ns(w->child->leader, "user");
	w->ns[1] = confine_open_ns(w->child->leader, "mnt");
	err = w->ns[0] < 0 ? w->ns[0] : w->ns[1] < 0 ? w->ns[1] : confine_leads(w->child) ? 0 : -ESRCH;
	if (!err)
		err = in_child(change, w);
	for (int i = 0; i < 2; i++)
		if (w->ns[i] >= 0)
			close(w->ns[i]);
	return err;
}

int confine_bind(const struct confine_child *child, const struct confine_bind *bind, unsigned slot, uint64_t *mount)
{
	struct work w = { .child = child, .bind = bind, .slot = slot };
	int err = copy(&w);

	if (err)
		return err;
	err = enter(&w);
	if (!err)
		err = mounts_id(w.mount, mount);
	close(w.mount);
	return err;
}

int confine_unbind(const struct confine_child *child, const struct confine_bind *bind, unsigned slot)
{
	struct work w = { .child = child, .bind = bind, .slot = slot, .mount = -1 };

	return enter(&w);
}
