// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Shared mappings: of files and of nothing, over fork and between strangers, over copy-up, truncation, remapping, advice.
 */
#include "lib/t.h"

#include <setjmp.h>
#include <sys/resource.h>
#include <sys/sendfile.h>

#define PAGE 4096

static sigjmp_buf out;
static volatile int caught, code;

static void on_fault(int sig, siginfo_t *si, void *ctx)
{
	caught = sig;
	code = si->si_code;
	siglongjmp(out, 1);
}

/* Touch p; the signal, or 0. */
static int touch(volatile char *p, bool write)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	caught = 0;
	if (!sigsetjmp(out, 1)) {
		if (write)
			*p = 1;
		else
			(void)*p;
	}
	return caught;
}

static char *map(int fd, size_t len, int prot)
{
	char *p = mmap(NULL, len, prot, MAP_SHARED, fd, 0);

	ok(p != MAP_FAILED);
	return p;
}

static char seen_by(const char *path)
{
	char c = '?';
	int fd = open(path, O_RDONLY);

	pread(fd, &c, 1, 0);
	close(fd);
	return c;
}

static void own_file(void)
{
	int fd = must(open("f", O_RDWR | O_CREAT, 0644));
	char *a, *b, *c;
	pid_t pid;

	must(ftruncate(fd, 3 * PAGE));
	a = map(fd, 3 * PAGE, PROT_READ | PROT_WRITE);
	b = map(fd, 3 * PAGE, PROT_READ);
	a[0] = 'x';
	eq(b[0], 'x');
	eq(seen_by("f"), 'x');
	must(pwrite(fd, "y", 1, 0));
	eq(a[0], 'y');
	pid = must(fork());
	if (pid == 0) {
		int own = open("f", O_RDWR);
		char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, own, 0);

		p[1] = 'z';
		a[2] = 'w';
		_exit(0);
	}
	eqs(t_wait(pid), "exit 0");
	eq(b[1], 'z');
	eq(b[2], 'w');
	/* Cut under the mapping. */
	must(ftruncate(fd, PAGE));
	eq(touch(a + PAGE, false), SIGBUS);
	eq(code, BUS_ADRERR);
	eq(touch(a, true), 0);
	must(ftruncate(fd, 2 * PAGE));
	eq(touch(a + PAGE, true), 0);
	eq(touch(a + 2 * PAGE, true), SIGBUS);
	must(truncate("f", 0));
	eq(touch(a, false), SIGBUS);
	must(truncate("f", 3 * PAGE));
	/* Moving, growing, duplicating. */
	c = mremap(a, 3 * PAGE, 5 * PAGE, MREMAP_MAYMOVE);
	ok(c != MAP_FAILED);
	eq(touch(c + 4 * PAGE, false), SIGBUS);
	c[0] = 'q';
	eq(b[0], 'q');
	a = mremap(c, 0, 3 * PAGE, MREMAP_MAYMOVE);
	ok(a != MAP_FAILED && a != c);
	a[0] = 'r';
	eq(c[0], 'r');
	eq(munmap(c, 5 * PAGE), 0);
	eq(a[0], 'r');
	eq(unlink("f"), 0);
	a[0] = 's';
	eq(b[0], 's');
	eq(close(fd), 0);
	eq(b[0], 's');
	eq(msync(a, 3 * PAGE, MS_SYNC), 0);
	eq(msync(a, 3 * PAGE, MS_ASYNC), 0);
	fails(msync(a, 3 * PAGE, MS_SYNC | MS_ASYNC), EINVAL);
	fails(msync(a, 3 * PAGE, 64), EINVAL);
	fails(msync(a + 1, PAGE, MS_SYNC), EINVAL);
	must(munmap(b, 3 * PAGE));
	fails(msync(b, 3 * PAGE, MS_SYNC), ENOMEM);
}

static void refusals(void)
{
	int ro = must(open("../base/keep", O_RDONLY)), wo = must(open("../base/keep", O_WRONLY)), dir = must(open(".", O_RDONLY));
	char *p;

#define tried(...) ({ errno = 0; p = mmap(__VA_ARGS__); p == MAP_FAILED ? -1 : 0; })
	fails(tried(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0), EACCES);
	fails(tried(NULL, PAGE, PROT_READ, MAP_SHARED, wo, 0), EACCES);
	fails(tried(NULL, PAGE, PROT_WRITE, MAP_SHARED, wo, 0), EACCES);
	fails(tried(NULL, PAGE, PROT_READ, MAP_PRIVATE, wo, 0), EACCES);
	fails(tried(NULL, PAGE, PROT_READ, MAP_SHARED, dir, 0), ENODEV);
	fails(tried(NULL, 0, PROT_READ, MAP_SHARED, ro, 0), EINVAL);
	fails(tried(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 5), EINVAL);
	fails(tried(NULL, PAGE, PROT_READ, 0, ro, 0), EINVAL);
	fails(tried(NULL, PAGE, PROT_READ, MAP_SHARED, 300, 0), EBADF);
	fails(tried(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, ro, 0), EOPNOTSUPP);
	eq(tried(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE, ro, 0), 0);
	eq(tried(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0), 0);
	/* What was mapped from a descriptor that can't write never becomes writable. */
	fails(mprotect(p, PAGE, PROT_READ | PROT_WRITE), EACCES);
	eq(tried(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, ro, 0), 0);
	p[0] = 'K';
	eq(seen_by("../base/keep"), 'k');
}

/* A file of the base, mapped for reading, then written by this process, by another, and mapped for writing. */
static void over_copy_up(void)
{
	int ro = must(open("../base/dir/f", O_RDONLY)), rw;
	char *a = map(ro, PAGE, PROT_READ), *b, *w;
	pid_t pid;

	eq(a[0], 'f');
	rw = must(open("../base/dir/f", O_RDWR));
	must(pwrite(rw, "1", 1, 0));
	b = map(rw, PAGE, PROT_READ | PROT_WRITE);
	eq(b[0], '1');
	b[0] = '2';
	eq(seen_by("../base/dir/f"), '2');
	pid = must(fork());
	if (pid == 0) {
		int own = open("../base/dir/f", O_RDWR);

		w = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, own, 0);
		w[1] = '3';
		_exit(b[0] == '2' ? 0 : 1);
	}
	eqs(t_wait(pid), "exit 0");
	eq(b[1], '3');
	w = map(rw, PAGE, PROT_READ);
	eq(w[1], '3');
}

/* The same between two processes, one of which mapped it for writing before the other opened it. */
static void strangers(void)
{
	int fd = must(open("../base/dir/sub/g", O_RDWR));
	volatile char *p = map(fd, PAGE, PROT_READ | PROT_WRITE);
	pid_t pid = must(fork());

	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "printf D | dd of=../base/dir/sub/g bs=1 conv=notrunc 2>/dev/null", (char *)NULL);
		_exit(127);
	}
	eqs(t_wait(pid), "exit 0");
	eq(p[0], 'D');
	p[0] = 'E';
	eqs(t_status(system("test \"$(head -c 1 ../base/dir/sub/g)\" = E")), "exit 0");
}

static void anonymous(void)
{
	volatile char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), *q;
	volatile char *z;
	int fd = open("/dev/zero", O_RDWR);
	pid_t pid;

	z = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ok(z != MAP_FAILED);
	p[0] = 1;
	pid = must(fork());
	if (pid == 0) {
		char *hole = mmap(NULL, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		volatile char *bigger = mremap((void *)p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, hole);

		p = bigger == MAP_FAILED ? p : bigger;
		p[1] = 2;
		z[0] = 9;
		p[3 * PAGE] = 4;
		_exit(bigger == MAP_FAILED);
	}
	eqs(t_wait(pid), "exit 0");
	eq(p[1], 2);
	eq(z[0], 9);
	eq(p[3 * PAGE], 4);
	/* Beyond the object's end. */
	q = mremap((void *)p, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
	ok(q != MAP_FAILED);
	eq(touch(q + 5 * PAGE, true), SIGBUS);
	eq(madvise((void *)q, PAGE, MADV_REMOVE), 0);
	eq(q[1], 0);
	q[0] = 7;
	eq(madvise((void *)q, PAGE, MADV_DONTNEED), 0);
	eq(q[0], 7);
	/* The same pages a second time. */
	p = mremap((void *)q, 0, 4 * PAGE, MREMAP_MAYMOVE);
	ok(p != MAP_FAILED);
	p[0] = 8;
	eq(q[0], 8);
}

static void advice(void)
{
	volatile char *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile char *s = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = must(open("f", O_RDWR | O_CREAT, 0644));
	char *f;
	pid_t pid;

	must(ftruncate(fd, PAGE));
	f = map(fd, PAGE, PROT_READ | PROT_WRITE);
	p[0] = p[PAGE] = p[2 * PAGE] = 5;
	eq(madvise((void *)p, PAGE, MADV_DONTFORK), 0);
	eq(madvise((void *)p + PAGE, PAGE, MADV_WIPEONFORK), 0);
	eq(madvise((void *)s, PAGE, MADV_DONTFORK), 0);
	fails(madvise((void *)s, PAGE, MADV_WIPEONFORK), EINVAL);
	fails(madvise((void *)f, PAGE, MADV_WIPEONFORK), EINVAL);
	fails(madvise((void *)p, PAGE, MADV_REMOVE), EINVAL);
	fails(madvise((void *)s, PAGE, MADV_FREE), EINVAL);
	f[0] = 6;
	show("remove of a file's page", madvise(f, PAGE, MADV_REMOVE));
	pid = must(fork());
	if (pid == 0) {
		eq(touch(p, false), SIGSEGV);
		eq(touch(s, false), SIGSEGV);
		eq(p[PAGE], 0);
		eq(p[2 * PAGE], 5);
		_exit(0);
	}
	eqs(t_wait(pid), "exit 0");
	eq(p[0] + p[PAGE], 10);
	eq(madvise((void *)p, PAGE, MADV_DOFORK), 0);
	eq(madvise((void *)p + PAGE, PAGE, MADV_KEEPONFORK), 0);
	pid = must(fork());
	if (pid == 0)
		_exit(p[0] + p[PAGE]);
	eqs(t_wait(pid), "exit 10");
}

static int exec_peer(int argc, char **argv)
{
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[2]), 0);

	if (p == MAP_FAILED || strcmp(p, "from the parent"))
		return 1;
	strcpy(p, "from the peer");
	return 0;
}

static void memfd(void)
{
	int fd = must(memfd_create("shared", MFD_ALLOW_SEALING)), ro;
	char *p, num[16], link[64];
	pid_t pid;

	must(ftruncate(fd, PAGE));
	p = map(fd, PAGE, PROT_READ | PROT_WRITE);
	strcpy(p, "from the parent");
	snprintf(num, sizeof(num), "%d", fd);
	pid = must(fork());
	if (pid == 0) {
		execl(t_self, t_self, "helper", num, (char *)NULL);
		_exit(127);
	}
	eqs(t_wait(pid), "exit 0");
	eqs(p, "from the peer");
	fails(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	eq(fcntl(fd, F_ADD_SEALS, 0x10), 0); /* F_SEAL_FUTURE_WRITE */
	fails(write(fd, "x", 1), EPERM);
	p[0] = 'F';
	errno = 0;
	ok(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EPERM);
	ok(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
	ok(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) != MAP_FAILED);
	eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	fails(ftruncate(fd, 0), EPERM);
	fails(ftruncate(fd, 2 * PAGE), EPERM);
	eq(munmap(p, PAGE), 0);
	eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), 0);
	fails(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), EPERM);
	eq(fcntl(fd, F_GET_SEALS), 0x1f);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ro = must(open(link, O_RDONLY));
	eq(fcntl(ro, F_GET_SEALS), 0x1f);
	fails(fcntl(ro, F_ADD_SEALS, 0), EPERM);
	fd = must(memfd_create("plain", 0));
	eq(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
	fails(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
	fails(memfd_create("x", 0x1000), EINVAL);
	fd = must(open("f", O_RDWR | O_CREAT, 0644));
	fails(fcntl(fd, F_GET_SEALS), EINVAL);
	fails(fcntl(fd, F_ADD_SEALS, 0), EINVAL);
	fd = syscall(SYS_memfd_create, "noexec", 8 /* MFD_NOEXEC_SEAL */);
	if (fd >= 0) {
		struct stat st;

		eq(fcntl(fd, F_GET_SEALS), 0x20);
		must(fstat(fd, &st));
		eq(st.st_mode & 0777, 0666);
	}
	fails(syscall(SYS_memfd_create, "both", 8 | 16), EINVAL);
}

static void run_memfd(void)
{
	int fd = must(memfd_create("prog", MFD_CLOEXEC)), self = must(open("/bin/true", O_RDONLY));
	char *argv[] = { "true", NULL }, *env[] = { NULL };
	struct stat st;
	pid_t pid;

	must(fstat(self, &st));
	for (off_t left = st.st_size; left > 0;) {
		ssize_t n = must(sendfile(fd, self, NULL, left));

		left -= n;
	}
	pid = must(fork());
	if (pid == 0) {
		fexecve(fd, argv, env);
		_exit(100 + errno);
	}
	eqs(t_wait(pid), "exit 0");
	pid = must(fork());
	if (pid == 0) {
		syscall(SYS_execveat, fd, "", argv, env, AT_EMPTY_PATH);
		_exit(100 + errno);
	}
	eqs(t_wait(pid), "exit 0");
}

/* Uses more of the stack. */
static int deep(int n)
{
	volatile char room[4096];

	room[0] = (char)n;
	return n ? deep(n - 1) + room[0] : room[0];
}

static void residence(void)
{
	struct rlimit limit;
	char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned char v[8] = { 0 };

	p[PAGE] = 1;
	eq(mincore(p, 4 * PAGE, v), 0);
	eq(v[0] & 1, 0);
	eq(v[1] & 1, 1);
	fails(mincore(p + 1, PAGE, v), EINVAL);
	fails(mincore(p, 4 * PAGE, (void *)8), EFAULT);
	eq(mlock(p, 4 * PAGE), 0);
	eq(mincore(p, 4 * PAGE, v), 0);
	eq(v[0] & v[2] & v[3] & 1, 1);
	eq(munlock(p, 4 * PAGE), 0);
	must(munmap(p + PAGE, PAGE));
	fails(mincore(p, 4 * PAGE, v), ENOMEM);
	fails(mlock(p, 4 * PAGE), ENOMEM);
	fails(munlock(p, 4 * PAGE), ENOMEM);
	fails(syscall(SYS_mlock2, p, PAGE, 2), EINVAL);
	eq(syscall(SYS_mlock2, p, PAGE, 1), 0);
	fails(mlockall(0), EINVAL);
	fails(mlockall(8), EINVAL);
	eq(munlockall(), 0);
	/* Of the stack only what was used is locked, and counts against the usual 8 MiB. */
	must(getrlimit(RLIMIT_MEMLOCK, &limit));
	eq(limit.rlim_cur < (8 << 20) || !mlockall(MCL_CURRENT), 1);
	deep(64);
	eq(munlockall(), 0);
	fails(mprotect(p, 4 * PAGE, PROT_READ), ENOMEM);
	fails(madvise(p, 4 * PAGE, MADV_NORMAL), ENOMEM);
	fails(madvise(p, PAGE, 4711), EINVAL);
}

T_MAIN_HELPER(exec_peer, T(own_file), T(refusals), T(over_copy_up), T(strangers), T(anonymous), T(advice), T(memfd),
	      T(run_memfd), T(residence))
