/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Capabilities: the three sets of the caller, and of others by what their ids say. */
#include "libos/sys/sys.h"
#include "libos/coord/area.h"

struct cap_header {
	u32 version;
	s32 pid;
};

struct cap_data {
	u32 effective, permitted, inheritable;
};

/* How many words of data this version has; an unknown one is answered with the one we prefer. */
static int words(void *guest, struct cap_header *h)
{
	static const u32 preferred = _LINUX_CAPABILITY_VERSION_3;

	if (user_read(h, guest, sizeof(*h)))
		return -EFAULT;
	switch (h->version) {
	case _LINUX_CAPABILITY_VERSION_1:
		return _LINUX_CAPABILITY_U32S_1;
	case _LINUX_CAPABILITY_VERSION_2:
	case _LINUX_CAPABILITY_VERSION_3:
		return _LINUX_CAPABILITY_U32S_3;
	}
	return user_write_u32(guest, preferred) ?: -EINVAL;
}

static void split(struct cap_data *d, u64 effective, u64 permitted, u64 inheritable)
{
	for (int i = 0; i < 2; i++)
		d[i] = (struct cap_data){ (u32)(effective >> 32 * i), (u32)(permitted >> 32 * i),
					  (u32)(inheritable >> 32 * i) };
}

long sys_capget(void *hdr, void *data)
{
	struct process *p = this_process();
	struct cap_data d[2];
	struct cap_header h;
	int n = words(hdr, &h);

	if (n == -EINVAL && !data)
		return 0;
	if (n < 0)
		return n;
	if (h.pid < 0)
		return -EINVAL;
	if (!h.pid || h.pid == p->pid || h.pid == current()->tid) {
		lock(&p->lock);
		split(d, p->cred.cap_effective, p->cred.cap_permitted, p->cred.cap_inheritable);
		unlock(&p->lock);
	} else {
		struct area_slot *s = area_process(h.pid);
		u64 all = (1ull << (CAP_LAST_CAP + 1)) - 1;

		if (!s)
			return -ESRCH;
		split(d, s->euid ? 0 : all, s->euid && s->ruid ? 0 : all, 0);
	}
	return user_write(data, d, (size_t)n * sizeof(d[0]));
}

long sys_capset(void *hdr, const void *data)
{
	struct process *p = this_process();
	struct cap_data d[2] = { 0 };
	u64 effective, permitted, inheritable;
	struct cap_header h;
	int n = words(hdr, &h), err = 0;

	if (n < 0)
		return n;
	if (h.pid && h.pid != current()->tid)
		return -EPERM;
	if (user_read(d, data, (size_t)n * sizeof(d[0])))
		return -EFAULT;
	effective = d[0].effective | (u64)d[1].effective << 32;
	permitted = d[0].permitted | (u64)d[1].permitted << 32;
	inheritable = d[0].inheritable | (u64)d[1].inheritable << 32;
	lock(&p->lock);
	/* security/commoncap.c, cap_capset. */
	if (permitted & ~p->cred.cap_permitted || effective & ~permitted ||
	    inheritable & ~(p->cred.cap_inheritable | p->cred.cap_permitted)) {
		err = -EPERM;
	} else {
		p->cred.cap_effective = effective;
		p->cred.cap_permitted = permitted;
		p->cred.cap_inheritable = inheritable;
	}
	unlock(&p->lock);
	return err;
}
