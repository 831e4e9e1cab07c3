/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Guest memory, as libos/sys (and code that fills guest buffers by hand) may touch it: every access is range-checked
 * against the image's own part of the address space and survives a fault with -EFAULT (exception table).
 */
#ifndef LIBOS_SYS_USER_H
#define LIBOS_SYS_USER_H

#include "pal/base/types.h"
#include "pal/base/errno.h"

int must_check user_read(void *dst, const void *guest, size_t n);  /* 0 or -EFAULT */
int must_check user_write(void *guest, const void *src, size_t n);
int must_check user_zero(void *guest, size_t n);
/* Copy a string into dst; its length, -EFAULT, or -ENAMETOOLONG when it does not fit (dst then is not terminated). */
ssize_t must_check user_string(char *dst, const char *guest, size_t size);
/* Path argument: heap copy of a guest string up to PATH_MAX; ERR_PTR. Freed with base_free (cleanup_free). */
char *must_check user_path(const char *guest);
int must_check user_read_u64(u64 *v, const u64 *guest);
int must_check user_write_u32(u32 *guest, u32 v);
int must_check user_cmpxchg_u32(u32 *guest, u32 old, u32 val, u32 *seen);

#define cleanup_free __attribute__((cleanup(user_free_p)))
void user_free_p(void *p); /* base_free(*(void **)p) unless ERR_PTR */

#endif
