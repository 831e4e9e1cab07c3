/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Sending host signals. Where nothing in the kernel bounds whom a picoprocess can signal (rung B before Landlock's
 * scopes) the calls are not listed, for oneself neither, since a filter does not know who that is; the monitor sends
 * them, and makes sure that it is to one of the sandbox. The signal has been sent when it answers.
 */
#include "pal/impl.h"
#include "pal/monitor.h"

static int by_monitor(int pid, int tid, int sig, const struct siginfo *info)
{
	struct mon_kick k = { .pid = pid, .tid = tid, .sig = sig };
	struct mon_reply reply;
	int r;

	_Static_assert(sizeof(struct pal_kick) <= sizeof(k.fields) &&
			       offsetof(struct siginfo, _sifields) + sizeof(k.fields) <= sizeof(*info),
		       "what a kick carries is taken along");
	memcpy(k.fields, (const char *)info + offsetof(struct siginfo, _sifields), sizeof(k.fields));
	r = pal_monitor(MON_KICK, &k, sizeof(k), NULL, 0, &reply, sizeof(reply), NULL, NULL);
	return MIN(r, 0);
}

int pal_signal_send(int host_pid, int host_tid, int sig, const struct siginfo *info)
{
	if (unlikely(pal_grant()->flags & GRANT_BROKER_SIGNAL))
		return by_monitor(host_pid, host_tid, sig, info);
	return host_tid ? HOST(4, rt_tgsigqueueinfo, host_pid, host_tid, sig, info)
			: HOST(3, rt_sigqueueinfo, host_pid, sig, info);
}
