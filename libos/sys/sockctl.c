// SPDX-License-Identifier: LGPL-3.0-or-later
/* Control messages: SCM_RIGHTS and SCM_CREDENTIALS between the guest's numbers and the host's. See
 * sockmsg.h. */
#include "libos/sys/sys.h"
#include "libos/fs/sock.h"
#include "libos/sys/sockmsg.h"
#include "libos/ckpt/cursor.h"
#include "libos/fs/kinds.h"
#include "pal/grant.h"

static int rights_to_host(int *fds, unsigned n, struct control_files *held)
{
	if (held->files + n > SCM_MAX_FD)
		return -EINVAL;
	for (unsigned i = 0; i < n; i++) {
		struct file *f = fdtab_get_path(fds[i]);
		bool made;
		int fd;

		if (IS_ERR(f))
			return PTR_ERR(f);
		held->file[held->files++] = f;
		if (f->ops == &sock_file_ops)
			to_sock(f)->passed = true;
		fd = file_to_host(f, &made);
		if (fd < 0)
			return fd;
		if (made)
			held->made[held->carriers++] = fd;
		fds[i] = fd;
	}
	return 0;
}

/* Behind all goes the manifest (fs/manifest.c); the host makes one list of what stands in several control messages. */
static int manifest_to_host(struct msghdr *m, struct control_files *held)
{
	struct cmsghdr *c = (struct cmsghdr *)((char *)m->msg_control + CMSG_ALIGN(m->msg_controllen));
	int fd;

	if (!held->files || held->files == SCM_MAX_FD)
		return 0;
	fd = manifest_make(held->file, held->files);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	BUG_ON(!m->msg_control); /* the files were in it */
	held->made[held->carriers++] = fd;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	*(int *)CMSG_DATA(c) = fd;
	m->msg_controllen = CMSG_ALIGN(m->msg_controllen) + CMSG_SPACE(sizeof(int));
	return 0;
}

/* A process may speak for itself only; for whom that is on the host, the host knows better. */
static int credentials_to_host(struct ucred *c)
{
	struct process *p = this_process();
	struct cred *me = &p->cred;

	if (!capable(p)) {
		if ((s32)c->pid != p->pid)
			return -EPERM;
		if (c->uid != me->ruid && c->uid != me->euid && c->uid != me->suid)
			return -EPERM;
		if (c->gid != me->rgid && c->gid != me->egid && c->gid != me->sgid)
			return -EPERM;
	}
	*c = (struct ucred){ .pid = (u32)pal_getpid(),
			     .uid = pal_grant()->uid,
			     .gid = pal_grant()->gid };
	return 0;
}

int control_to_host(struct msghdr *m, struct control_files *held)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t n;
		int r = 0;

		if (!CMSG_OK(m, c))
			return -EINVAL;
		n = c->cmsg_len - sizeof(*c);
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_RIGHTS)
			r = rights_to_host(CMSG_DATA(c), (unsigned)(n / sizeof(int)), held);
		else if (c->cmsg_type == SCM_CREDENTIALS)
			r = n == sizeof(struct ucred) ? credentials_to_host(CMSG_DATA(c)) : -EINVAL;
		if (r < 0)
			return r;
	}
	return manifest_to_host(m, held);
}

void control_files_put(struct control_files *held)
{
	for (unsigned i = 0; i < held->files; i++)
		file_put(held->file[i]);
	for (unsigned i = 0; i < held->carriers; i++)
		pal_close(held->made[i]);
}

/* How many of n descriptors found a number. c: their manifest, or NULL. */
static unsigned rights_to_guest(int *fds, unsigned n, struct cursor *c, bool cloexec)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		struct file *f = c ? manifest_file(c, fds[i]) : file_from_host(fds[i]);
		int fd = IS_ERR(f) ? PTR_ERR(f) : fdtab_add(f, 0, cloexec);

		if (fd < 0)
			break;
		fds[i] = fd;
	}
	for (unsigned k = i + 1; k < n; k++)
		pal_close(fds[k]);
	return i;
}

/* The descriptors in c, of which the guest has room for `room`. How many it gets; *n: how many came for it. */
static unsigned take_rights(struct cmsghdr *c, unsigned room, bool cloexec, unsigned *n)
{
	int *fds = CMSG_DATA(c);
	struct cursor manifest;
	unsigned kept;
	bool told;

	*n = (unsigned)((c->cmsg_len - sizeof(*c)) / sizeof(int));
	told = *n > 1 && manifest_open(fds[*n - 1], *n - 1, &manifest);
	if (told)
		pal_close(fds[--*n]);
	for (unsigned i = room; i < *n; i++)
		pal_close(fds[i]);
	kept = rights_to_guest(fds, MIN(room, *n), told ? &manifest : NULL, cloexec);
	if (told)
		manifest_close(&manifest);
	return kept;
}

/* What stands in the room that only the host was told of, the guest does not get: net/core/scm.c, put_cmsg. */
static void clip(struct msghdr *m, size_t size, struct cmsghdr *c, size_t at)
{
	m->msg_flags |= MSG_CTRUNC;
	m->msg_controllen = size;
	if (size < at + sizeof(*c))
		m->msg_controllen = at;
	else
		c->cmsg_len = size - at;
}

void control_to_guest(struct msghdr *m, size_t size, bool cloexec)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c && CMSG_OK(m, c); c = CMSG_NXTHDR(m, c)) {
		size_t n = c->cmsg_len - sizeof(*c), at = (size_t)((char *)c - (char *)m->msg_control), room;
		unsigned came, kept;

		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS && n >= sizeof(struct ucred))
			ucred_to_guest(CMSG_DATA(c));
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
			if (at + c->cmsg_len <= size)
				continue;
			clip(m, size, c, at);
			return;
		}
		/* It is the last that the host writes. */
		room = size > at + sizeof(*c) ? (size - at - sizeof(*c)) / sizeof(int) : 0;
		kept = take_rights(c, (unsigned)MIN(room, (size_t)SCM_MAX_FD), cloexec, &came);
		if (kept < came)
			m->msg_flags |= MSG_CTRUNC;
		c->cmsg_len = CMSG_LEN(kept * sizeof(int));
		m->msg_controllen = kept ? MIN(at + CMSG_SPACE(kept * sizeof(int)), size) : at;
		return;
	}
}
