/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the filter lets through, asked beforehand. A host call that fits no row of pal/confine/seccomp.def ends the
 * process; where an argument stems from the guest (an ioctl's number, a flag that is young or odd) it must get an errno
 * instead. The rows are the filter's own, so the two cannot differ. With the call's number constant, the compiler drops
 * all rows but that call's.
 */
#ifndef PAL_ALLOWED_H
#define PAL_ALLOWED_H

#include "pal/impl.h"
#include "pal/boundary.h"

#define CLONE_OK 0ul /* the PAL makes up clone's flags by itself */
#define EQ(i, v) (arg[i] == (u64)(v))
#define LE(i, v) (arg[i] <= (u64)(v))
#define BITS(i, m) (!(arg[i] & ~(u64)(m)))
#define FIELD(i, m, v) ((arg[i] & ~(u64)(m)) == (u64)(v))
#define FD(i) LE(i, 0x7fffffff)
#define AND_PICK(a, b, c, d, e, name, ...) name
#define AND5(a, b, c, d, e) (a && b && c && d && e)
#define AND4(a, b, c, d) (a && b && c && d)
#define AND3(a, b, c) (a && b && c)
#define AND2(a, b) (a && b)
#define AND1(a) (a)
#define AND(...) AND_PICK(__VA_ARGS__, AND5, AND4, AND3, AND2, AND1)(__VA_ARGS__)
#define CALL(...)
#define ALLOW(...)
#define GUARD(call, i, op, v)                                                                       \
	if (nr == __NR_##call && (arg[i] op (u64)(v)))                                              \
		guarded = true;

static inline __attribute__((always_inline)) bool allowed_guard(long nr, const u64 *arg)
{
	bool guarded = false;

#include "pal/confine/seccomp.def"
	return guarded;
}

#undef ALLOW
#define ALLOW(class, call, ...)                                                                     \
	if (nr == __NR_##call && boundary_in_force(BOUNDARY_##class, flags) && AND(true, ##__VA_ARGS__)) \
		return true;
#undef GUARD
#define GUARD(...)

static inline __attribute__((always_inline)) bool allowed_row(long nr, u32 flags, const u64 *arg)
{
#include "pal/confine/seccomp.def"
	return false;
}

#undef ALLOW
#undef GUARD
#undef CALL
#undef AND
#undef EQ
#undef LE
#undef BITS
#undef FIELD
#undef FD

#define ALLOWED(n, name, ...)                                                                       \
	({                                                                                          \
		const u64 allowed_arg[6] = { HOST_A##n(__VA_ARGS__) };                              \
		const u32 allowed_flags = pal_grant()->flags;                                       \
                                                                                                    \
		!allowed_guard(__NR_##name, allowed_arg) &&                                         \
			allowed_row(__NR_##name, allowed_flags, allowed_arg);                       \
	})
/* HOST and CP, but `err` for what the filter would answer by ending the process. */
#define HOST_OR(err, n, name, ...) (ALLOWED(n, name, __VA_ARGS__) ? HOST(n, name, __VA_ARGS__) : (err))
#define CP_OR(err, n, name, ...) (ALLOWED(n, name, __VA_ARGS__) ? CP(n, name, __VA_ARGS__) : (err))

#endif
