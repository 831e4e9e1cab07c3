/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Guest memory: range check, then a copy that survives faults (entry/user_x86_64.S). */
#include "libos/sys/user.h"
#include "pal/base/heap.h"
#include "libos/mm/mm.h"
#include "libos/vfs/vfs.h"

size_t guest_copy(void *dst, const void *src, size_t n);
size_t guest_zero(void *dst, size_t n);
ssize_t guest_string(char *dst, const char *src, size_t n);
int guest_cmpxchg(u32 *p, u32 old, u32 val, u32 *seen);

int user_read(void *dst, const void *guest, size_t n)
{
	return guest_range(guest, n) && !guest_copy(dst, guest, n) ? 0 : -EFAULT;
}

int user_write(void *guest, const void *src, size_t n)
{
	return guest_range(guest, n) && !guest_copy(guest, src, n) ? 0 : -EFAULT;
}

int user_zero(void *guest, size_t n)
{
	return guest_range(guest, n) && !guest_zero(guest, n) ? 0 : -EFAULT;
}

ssize_t user_string(char *dst, const char *guest, size_t size)
{
	ssize_t n;

	if (!guest_range(guest, 1))
		return -EFAULT;
	/* A string that begins below the image cannot run into it: nothing is mapped just below. */
	n = guest_string(dst, guest, size);
	if (n < 0)
		return -EFAULT;
	return (size_t)n == size ? -ENAMETOOLONG : n;
}

char *user_path(const char *guest)
{
	char tmp[256], *path;
	ssize_t n = user_string(tmp, guest, sizeof(tmp));

	if (n >= 0) {
		path = base_alloc(n + 1);
		if (!path)
			return ERR_PTR(-ENOMEM);
		memcpy(path, tmp, n + 1);
		return path;
	}
	if (n != -ENAMETOOLONG)
		return ERR_PTR(n);
	path = base_alloc(PATH_MAX_LEN);
	if (!path)
		return ERR_PTR(-ENOMEM);
	n = user_string(path, guest, PATH_MAX_LEN);
	if (n < 0) {
		base_free(path);
		return ERR_PTR(n);
	}
	return path;
}

int user_read_u64(u64 *v, const u64 *guest)
{
	return user_read(v, guest, sizeof(*v));
}

int user_write_u32(u32 *guest, u32 v)
{
	return user_write(guest, &v, sizeof(v));
}

int user_cmpxchg_u32(u32 *guest, u32 old, u32 val, u32 *seen)
{
	if (!guest_range(guest, 4))
		return -EFAULT;
	return guest_cmpxchg(guest, old, val, seen);
}

void user_free_p(void *p)
{
	void *q = *(void **)p;

	if (!IS_ERR(q))
		base_free(q);
}
