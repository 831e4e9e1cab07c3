/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * No capability, now or ever again.
 *
 * In a user namespace of our own we hold all of them. A user id 0 would get them back at the next
 * exec; securebits and an empty bounding set see that it does not, no_new_privs that no set-id file
 * or file capability brings any.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "pal/confine/impl.h"

static int bounding_empty(struct confine_state *st)
{
	/* PR_CAPBSET_READ ends with EINVAL above the kernel's last capability. */
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0))
			return confine_say(st, -errno, "bounding set");
	return 0;
}

int caps_drop(struct confine_state *st)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2];
	unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
			     SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
			     SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
	/* On rung B we usually hold nothing, and then need nothing dropped; root on rung B drops
	 * like rung A. */
	bool privileged = st->spec->rung == GRANT_RUNG_A ||
			  (st->spec->rung == GRANT_RUNG_B && geteuid() == 0);

	if (privileged) {
		int err = bounding_empty(st);
		if (err)
			return err;
		if (prctl(PR_SET_SECUREBITS, bits, 0, 0, 0))
			return confine_say(st, -errno, "securebits");
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
		return confine_say(st, -errno, "ambient set");
	if (st->spec->rung != GRANT_RUNG_NONE) {
		memset(none, 0, sizeof(none));
		if (syscall(SYS_capset, &head, none))
			return confine_say(st, -errno, "capset");
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return confine_say(st, -errno, "no_new_privs");
	return 0;
}
