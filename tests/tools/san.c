/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * How the sanitisers behave in hosted programs built with SAN=1. What they find goes to files that tests/run looks for:
 * a daemon's standard error is read by nobody. Memory that is still held at the end is none of their business, for a
 * command's end frees it.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

const char *__asan_default_options(void);
const char *__asan_default_suppressions(void);
const char *__ubsan_default_options(void);
int seccomp_load(void *filter);

#define REPORT "log_path=/tmp/gsh-san-report:log_exe_name=1"
#define SCMP_ACT_ALLOW 0x7fff0000u

const char *__asan_default_options(void)
{
	return REPORT ":detect_leaks=0:allocator_may_return_null=1";
}

/* The buffers of a writev() are looked at behind it, too: by then who read a file of gfs may have closed it. */
const char *__asan_default_suppressions(void)
{
	return "interceptor_via_lib:libfuse3\n";
}

const char *__ubsan_default_options(void)
{
	return REPORT ":print_stacktrace=1";
}

/* They lay out terabytes of addresses, so confined workers go without that one limit. */
int setrlimit(__rlimit_resource_t what, const struct rlimit *r)
{
	return what == RLIMIT_AS ? 0 : (int)syscall(SYS_prlimit64, 0, what, r, NULL);
}

/* And what they ask of the kernel themselves, workers may ask, too. What is listed twice is no error that counts. */
int seccomp_load(void *filter)
{
	static const int theirs[] = { SYS_madvise, SYS_sigaltstack, SYS_gettid, SYS_sched_yield };
	void *library = dlopen("libseccomp.so.2", RTLD_LAZY | RTLD_NOLOAD);
	int (*add)(void *, uint32_t, int, unsigned, ...) = dlsym(library, "seccomp_rule_add");
	int (*load)(void *) = dlsym(library, "seccomp_load");

	for (unsigned i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
		(void)add(filter, SCMP_ACT_ALLOW, theirs[i], 0);
	return load(filter);
}
