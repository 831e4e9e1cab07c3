/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Landlock's ABI as far as it is used, for the monitor that builds a sandbox (pal/confine/landlock.c) and for the
 * picoprocess that confines itself further (pal/walls.c). Constants are the kernel's (include/uapi/linux/landlock.h of
 * 6.15): the build host's headers are older. Fixed-width types only.
 */
#ifndef PAL_LANDLOCK_ABI_H
#define PAL_LANDLOCK_ABI_H

#ifdef __STDC_HOSTED__
#include <stdint.h>
#endif

#define FS_EXECUTE (1ull << 0)
#define FS_WRITE_FILE (1ull << 1)
#define FS_READ_FILE (1ull << 2)
#define FS_READ_DIR (1ull << 3)
#define FS_REMOVE_DIR (1ull << 4)
#define FS_REMOVE_FILE (1ull << 5)
#define FS_MAKE_CHAR (1ull << 6)
#define FS_MAKE_DIR (1ull << 7)
#define FS_MAKE_REG (1ull << 8)
#define FS_MAKE_SOCK (1ull << 9)
#define FS_MAKE_FIFO (1ull << 10)
#define FS_MAKE_BLOCK (1ull << 11)
#define FS_MAKE_SYM (1ull << 12)
#define FS_REFER (1ull << 13)	  /* ABI 2, Linux 5.19 */
#define FS_TRUNCATE (1ull << 14)  /* ABI 3, Linux 6.2 */
#define FS_IOCTL_DEV (1ull << 15) /* ABI 5, Linux 6.10 */
#define NET_BIND_TCP (1ull << 0)  /* ABI 4, Linux 6.7 */
#define NET_CONNECT_TCP (1ull << 1)
#define SCOPE_ABSTRACT_UNIX (1ull << 0) /* ABI 6, Linux 6.12 */
#define SCOPE_SIGNAL (1ull << 1)

#define LANDLOCK_ABI_REFER 2
#define LANDLOCK_ABI_TRUNCATE 3
#define LANDLOCK_ABI_NET 4
#define LANDLOCK_ABI_IOCTL 5
#define LANDLOCK_ABI_SCOPES 6

#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH 1

/* The rights that a rule on a file, not a directory, may name: the kernel refuses others. */
#define FS_OF_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

/* Reading a tree; and having it: everything but making block devices (a whiteout is a character device 0/0) and
 * executing. */
#define FS_READ (FS_READ_FILE | FS_READ_DIR)
#define FS_OWN                                                                                   \
	(FS_READ | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_CHAR | FS_MAKE_DIR | \
	 FS_MAKE_REG | FS_MAKE_SOCK | FS_MAKE_FIFO | FS_MAKE_SYM | FS_REFER | FS_TRUNCATE)

struct ruleset_attr {
	uint64_t fs, net, scoped;
};

struct path_beneath {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

#endif
