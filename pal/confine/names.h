/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Names that seccomp.def uses and the build host's headers may lack. */
#ifndef PAL_CONFINE_NAMES_H
#define PAL_CONFINE_NAMES_H

#include <sched.h>

/* Kernel include/uapi/linux/prctl.h; newer than the build host's headers in places. */
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

/* No namespaces, no ptrace, no other parent, no pidfd. */
#define CLONE_OK                                                                            \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | \
	 CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID |   \
	 CLONE_VFORK)

#endif
