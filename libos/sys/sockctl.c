// SPDX-License-Identifier: LGPL-3.0-or-later
/* Control messages: SCM_RIGHTS and SCM_CREDENTIALS between the guest's numbers and the host's. See
 * sockmsg.h. */
#include "libos/sys/sys.h"
#include "libos/sys/sockmsg.h"
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
		fd = file_to_host(f, &made);
		if (fd < 0)
			return fd;
		if (made)
			held->made[held->carriers++] = fd;
		fds[i] = fd;
	}
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
	return 0;
}

void control_files_put(struct control_files *held)
{
	for (unsigned i = 0; i < held->files; i++)
		file_put(held->file[i]);
	for (unsigned i = 0; i < held->carriers; i++)
		pal_close(held->made[i]);
}

/* How many of n descriptors found a number. */
static unsigned rights_to_guest(int *fds, unsigned n, bool cloexec)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		struct file *f = file_from_host(fds[i]);
		int fd = IS_ERR(f) ? PTR_ERR(f) : fdtab_add(f, 0, cloexec);

		if (fd < 0)
			break;
		fds[i] = fd;
	}
	for (unsigned k = i + 1; k < n; k++)
		pal_close(fds[k]);
	return i;
}

void control_to_guest(struct msghdr *m, bool cloexec)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c && CMSG_OK(m, c); c = CMSG_NXTHDR(m, c)) {
		size_t n = c->cmsg_len - sizeof(*c);

		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS && n >= sizeof(struct ucred)) {
			ucred_to_guest(CMSG_DATA(c));
		} else if (c->cmsg_type == SCM_RIGHTS) {
			unsigned count = (unsigned)(n / sizeof(int));
			unsigned kept = rights_to_guest(CMSG_DATA(c), count, cloexec);

			if (kept < count) {
				m->msg_flags |= MSG_CTRUNC;
				c->cmsg_len = CMSG_LEN(kept * sizeof(int));
				m->msg_controllen =
					kept ? (size_t)((char *)c - (char *)m->msg_control) +
							c->cmsg_len
					     : (size_t)((char *)c - (char *)m->msg_control);
				return;
			}
		}
	}
}
