// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Faults of the host for hosted programs: loaded before libc (LD_PRELOAD), it counts the calls that look at or change
 * files, and has one of them, or all from one on, fail or end the process.
 *
 * Which is told by a file that the tester maps, too (GSH_FAULTS names it), so that programs that run already, a monitor
 * or the mount's, are reached, and none needs to be traced. What is counted is a call of libc's; a call that libc makes
 * for a stream of its own is not seen.
 *
 * A call counts if its process has one of the wanted parts, its kind is wanted, and it concerns a file, not a socket or a
 * pipe, nor what every program opens: /proc, /dev, libraries, settings of the host.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum part { PART_GSH = 1, PART_GSHD = 2, PART_MONITOR = 4, PART_GFS = 8 };
enum what { WHAT_WRITES = 1, WHAT_READS = 2, WHAT_DATA = 4 /* of write and the like: may be short */ };

/* As tests/tools/store-faults has it. */
struct control {
	uint32_t on;	 /* 0: nothing counts */
	uint32_t parts;	 /* enum part */
	uint32_t what;	 /* enum what */
	uint32_t when;	 /* the call that fails, from 1; 0: none */
	uint32_t stays;	 /* so do all after it */
	int32_t err;	 /* errno; 0: SIGKILL; -1: half of what is to be written is */
	uint32_t count;	 /* calls until now */
	uint32_t hits;
	char last[160];	 /* what the first that failed was */
	uint32_t nnames; /* calls that were written down */
	char name[4096][12];
};

static struct control *control;
static uint32_t part;

static uint32_t find_part(void)
{
	char line[4096];
	int fd = (int)syscall(2 /* open */, "/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, line, sizeof(line) - 1);
	const char *slash, *name;

	if (fd >= 0)
		close(fd);
	line[n > 0 ? n : 0] = '\0';
	slash = strrchr(line, '/');
	name = slash ? slash + 1 : line;
	if (!strcmp(name, "gsh"))
		return PART_GSH;
	if (!strcmp(name, "gfs"))
		return PART_GFS;
	if (strcmp(name, "gshd"))
		return 0;
	return memmem(line, (size_t)(n > 0 ? n : 0), "--monitor", 9) ? PART_MONITOR : PART_GSHD;
}

static void __attribute__((constructor)) begin(void)
{
	const char *path = getenv("GSH_FAULTS");
	int fd = path ? (int)syscall(2, path, O_RDWR | O_CLOEXEC) : -1;
	void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	part = find_part();
	if (p != MAP_FAILED)
		control = p;
}

static bool counts(uint32_t what)
{
	return control && control->on && (control->parts & part) && (control->what & what);
}

static bool is_file(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

static bool is_ours(const char *path)
{
	static const char *const others[] = { "/proc", "/dev", "/etc", "/usr", "/sys", "/lib", "/run" };

	for (unsigned i = 0; path && i < sizeof(others) / sizeof(others[0]); i++)
		if (!strncmp(path, others[i], strlen(others[i])))
			return false;
	return true;
}

/* Does this call fail? Then errno is set, or *half is. */
static bool fails(uint32_t what, const char *call, const char *path, bool *half)
{
	int before = errno;
	uint32_t n;

	if (!counts(what) || !is_ours(path))
		return false;
	n = __atomic_add_fetch(&control->count, 1, __ATOMIC_SEQ_CST);
	if (n <= 4096 && !control->when) {
		strncpy(control->name[n - 1], call, sizeof(control->name[0]) - 1);
		control->nnames = n;
	}
	errno = before;
	if (!control->when || n < control->when || (n > control->when && !control->stays))
		return false;
	if (__atomic_fetch_add(&control->hits, 1, __ATOMIC_SEQ_CST) == 0)
		snprintf(control->last, sizeof(control->last), "%s %.120s", call, path ? path : "");
	errno = before;
	if (control->err == 0) {
		kill(getpid(), SIGKILL);
		_exit(128 + SIGKILL); /* the first of a PID namespace does not kill itself */
	}
	if (control->err < 0) {
		*half = true;
		return false;
	}
	errno = control->err;
	return true;
}

static bool path_fails(uint32_t what, const char *call, const char *path)
{
	bool half;

	return fails(what, call, path, &half);
}

static bool fd_fails(uint32_t what, const char *call, int fd)
{
	return counts(what) && is_file(fd) && path_fails(what, call, NULL);
}

static void *real(const char *name)
{
	void *p = dlsym(RTLD_NEXT, name);

	if (!p)
		abort();
	return p;
}

/* ---- by name ---- */

#define OR_FAIL(type, name, fails, params, args)	\
	type name params				\
	{						\
		static type (*next) params;		\
							\
		if (!next)				\
			*(void **)&next = real(#name);	\
		if (fails)				\
			return -1;			\
		return next args;			\
	}
#define BY_NAME(type, name, path, params, args) OR_FAIL(type, name, path_fails(WHAT_WRITES, #name, path), params, args)
#define BY_FD(type, name, params, args) OR_FAIL(type, name, fd_fails(WHAT_WRITES, #name, fd), params, args)

BY_NAME(int, mkdirat, p, (int at, const char *p, mode_t m), (at, p, m))
BY_NAME(int, mkdir, p, (const char *p, mode_t m), (p, m))
BY_NAME(int, mknodat, p, (int at, const char *p, mode_t m, dev_t d), (at, p, m, d))
BY_NAME(int, mkfifoat, p, (int at, const char *p, mode_t m), (at, p, m))
BY_NAME(int, symlinkat, p, (const char *t, int at, const char *p), (t, at, p))
BY_NAME(int, linkat, q, (int a, const char *p, int b, const char *q, int f), (a, p, b, q, f))
BY_NAME(int, renameat, q, (int a, const char *p, int b, const char *q), (a, p, b, q))
BY_NAME(int, renameat2, q, (int a, const char *p, int b, const char *q, unsigned f), (a, p, b, q, f))
BY_NAME(int, rename, q, (const char *p, const char *q), (p, q))
BY_NAME(int, unlinkat, p, (int at, const char *p, int f), (at, p, f))
BY_NAME(int, unlink, p, (const char *p), (p))
BY_NAME(int, rmdir, p, (const char *p), (p))
BY_NAME(int, fchmodat, p, (int at, const char *p, mode_t m, int f), (at, p, m, f))
BY_NAME(int, chmod, p, (const char *p, mode_t m), (p, m))
BY_NAME(int, utimensat, p, (int at, const char *p, const struct timespec t[2], int f), (at, p, t, f))
BY_NAME(int, setxattr, p, (const char *p, const char *n, const void *v, size_t s, int f), (p, n, v, s, f))
BY_NAME(int, lsetxattr, p, (const char *p, const char *n, const void *v, size_t s, int f), (p, n, v, s, f))
BY_NAME(int, removexattr, p, (const char *p, const char *n), (p, n))
BY_NAME(int, lremovexattr, p, (const char *p, const char *n), (p, n))

/* ---- by descriptor ---- */

BY_FD(int, fsync, (int fd), (fd))
BY_FD(int, fdatasync, (int fd), (fd))
BY_FD(int, syncfs, (int fd), (fd))
BY_FD(int, ftruncate, (int fd, off_t n), (fd, n))
BY_FD(int, ftruncate64, (int fd, off_t n), (fd, n))
BY_FD(int, fchmod, (int fd, mode_t m), (fd, m))
BY_FD(int, futimens, (int fd, const struct timespec t[2]), (fd, t))
BY_FD(int, fsetxattr, (int fd, const char *n, const void *v, size_t s, int f), (fd, n, v, s, f))
BY_FD(int, fremovexattr, (int fd, const char *n), (fd, n))
BY_FD(int, fallocate, (int fd, int m, off_t a, off_t n), (fd, m, a, n))

/* ---- data ---- */

ssize_t write(int fd, const void *data, size_t size)
{
	static ssize_t (*next)(int, const void *, size_t);
	bool half = false;

	if (!next)
		*(void **)&next = real("write");
	if (counts(WHAT_WRITES | WHAT_DATA) && is_file(fd) && fails(WHAT_WRITES | WHAT_DATA, "write", NULL, &half))
		return -1;
	return next(fd, data, half ? (size + 1) / 2 : size);
}

#define PWRITE(name)										\
	ssize_t name(int fd, const void *data, size_t size, off_t at)				\
	{											\
		static ssize_t (*next)(int, const void *, size_t, off_t);			\
		bool half = false;								\
												\
		if (!next)									\
			*(void **)&next = real(#name);						\
		if (counts(WHAT_WRITES | WHAT_DATA) && is_file(fd) &&				\
		    fails(WHAT_WRITES | WHAT_DATA, #name, NULL, &half))				\
			return -1;								\
		return next(fd, data, half ? (size + 1) / 2 : size, at);			\
	}

PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t copy_file_range(int fd, off_t *a, int to, off_t *b, size_t size, unsigned flags)
{
	static ssize_t (*next)(int, off_t *, int, off_t *, size_t, unsigned);
	bool half = false;

	if (!next)
		*(void **)&next = real("copy_file_range");
	if (counts(WHAT_WRITES | WHAT_DATA) && is_file(to) && fails(WHAT_WRITES | WHAT_DATA, "copy_range", NULL, &half))
		return -1;
	return next(fd, a, to, b, half ? (size + 1) / 2 : size, flags);
}

/* ---- opening: what may make a file changes something ---- */

#define OPEN_MODE(flags)						\
	mode_t mode = 0;						\
									\
	if ((flags) & (O_CREAT | O_TMPFILE)) {				\
		va_list ap;						\
									\
		va_start(ap, flags);					\
		mode = va_arg(ap, mode_t);				\
		va_end(ap);						\
	}

#define OPENAT(name)											\
	int name(int at, const char *path, int flags, ...)						\
	{												\
		static int (*next)(int, const char *, int, ...);					\
		OPEN_MODE(flags)									\
													\
		if (!next)										\
			*(void **)&next = real(#name);							\
		if (path_fails(flags & O_CREAT ? WHAT_WRITES : WHAT_READS, flags & O_CREAT ? "creat" : "openat", path)) \
			return -1;									\
		return next(at, path, flags, mode);							\
	}

#define OPEN(name)											\
	int name(const char *path, int flags, ...)							\
	{												\
		static int (*next)(const char *, int, ...);						\
		OPEN_MODE(flags)									\
													\
		if (!next)										\
			*(void **)&next = real(#name);							\
		if (path_fails(flags & O_CREAT ? WHAT_WRITES : WHAT_READS, flags & O_CREAT ? "creat" : "open", path)) \
			return -1;									\
		return next(path, flags, mode);								\
	}

OPENAT(openat)
OPENAT(openat64)
OPEN(open)
OPEN(open64)

/* ---- reading ---- */

ssize_t read(int fd, void *data, size_t size)
{
	static ssize_t (*next)(int, void *, size_t);

	if (!next)
		*(void **)&next = real("read");
	if (fd_fails(WHAT_READS, "read", fd))
		return -1;
	return next(fd, data, size);
}

#define PREAD(name)							\
	ssize_t name(int fd, void *data, size_t size, off_t at)		\
	{								\
		static ssize_t (*next)(int, void *, size_t, off_t);	\
									\
		if (!next)						\
			*(void **)&next = real(#name);			\
		if (fd_fails(WHAT_READS, #name, fd))			\
			return -1;					\
		return next(fd, data, size, at);			\
	}

PREAD(pread)
PREAD(pread64)

#define READDIR(name, type)				\
	struct type *name(DIR *d)			\
	{						\
		static struct type *(*next)(DIR *);	\
							\
		if (!next)				\
			*(void **)&next = real(#name);	\
		if (path_fails(WHAT_READS, #name, NULL)) \
			return NULL;			\
		return next(d);				\
	}

READDIR(readdir, dirent)
READDIR(readdir64, dirent64)
