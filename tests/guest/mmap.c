// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Memory: private and shared mappings, faults and their siginfo, growth, and the edges of the address space.
 */
#include "lib/t.h"

#include <setjmp.h>
#include <sys/resource.h>

#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static long page;
static sigjmp_buf back;
static volatile sig_atomic_t fault_code, fault_sig;
static void *volatile fault_addr;

static void on_fault(int sig, siginfo_t *si, void *ctx)
{
	fault_sig = sig;
	fault_code = si->si_code;
	fault_addr = si->si_addr;
	siglongjmp(back, 1);
}

static void catch_faults(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	page = sysconf(_SC_PAGESIZE);
	must(sigaction(SIGSEGV, &sa, NULL));
	must(sigaction(SIGBUS, &sa, NULL));
}

/* What touching p does: "read ok", or the signal, its code and whether the address was told. */
static void touch(const char *label, volatile char *p, bool write)
{
	if (sigsetjmp(back, 1) == 0) {
		if (write)
			*p = 1;
		else
			(void)*p;
		say("%s: %s ok", label, write ? "write" : "read");
		return;
	}
	say("%s: %s gives %s code %d, address %s", label, write ? "write" : "read", t_signame(fault_sig),
	    (int)fault_code, fault_addr == p ? "right" : "wrong");
}

static char *map(size_t n, int prot, int flags, int fd, off_t off)
{
	char *m = mmap(NULL, n, prot, flags, fd, off);

	if (m == MAP_FAILED)
		t_must("mmap", errno, 0);
	return m;
}

static void anonymous(void)
{
	catch_faults();
	char *m = map(3 * page, PROT_READ | PROT_WRITE, ANON, -1, 0);
	bool zero = true;
	for (long i = 0; i < 3 * page; i++)
		zero = zero && !m[i];
	ok(zero);
	eq(munmap(m + page, page), 0);
	touch("first page", m, true);
	touch("hole", m + page, false);
	touch("hole", m + page + 100, true);
	touch("last page", m + 2 * page, true);
	eq(munmap(m, 3 * page), 0);
	eq(munmap(m, 3 * page), 0);
	touch("after munmap", m, false);
	fails(munmap(m + 1, page), EINVAL);
	fails(munmap(m, 0), EINVAL);
	ok(mmap(NULL, 0, PROT_READ, ANON, -1, 0) == MAP_FAILED && errno == EINVAL);
	ok(mmap(NULL, page, PROT_READ, MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
	ok(mmap(NULL, page, PROT_READ, MAP_PRIVATE, -1, 0) == MAP_FAILED && errno == EBADF);
	ok(mmap(NULL, page, PROT_READ, MAP_PRIVATE, 0, 1) == MAP_FAILED && errno == EINVAL);
	ok(mmap((void *)(page + 1), page, PROT_READ, ANON | MAP_FIXED, -1, 0) == MAP_FAILED && errno == EINVAL);
	ok(mmap(NULL, 1UL << 60, PROT_READ, ANON, -1, 0) == MAP_FAILED && errno == ENOMEM);
	ok(mmap((void *)(1UL << 62), page, PROT_READ, ANON | MAP_FIXED, -1, 0) == MAP_FAILED && errno == ENOMEM);
	char *hint = map(page, PROT_READ, ANON, -1, 0);
	munmap(hint, page);
	ok(mmap(hint, page, PROT_READ, ANON, -1, 0) == hint);
}

static void protection(void)
{
	catch_faults();
	char *m = map(4 * page, PROT_READ | PROT_WRITE, ANON, -1, 0);
	m[0] = m[page] = m[2 * page] = 7;
	eq(mprotect(m + page, page, PROT_READ), 0);
	touch("read-only", m + page, false);
	touch("read-only", m + page, true);
	eq(mprotect(m + 2 * page, page, PROT_NONE), 0);
	touch("none", m + 2 * page, false);
	touch("none", m + 2 * page, true);
	eq(mprotect(m, 4 * page, PROT_READ | PROT_WRITE), 0);
	touch("again", m + 2 * page, true);
	eq(m[page], 7);
	fails(syscall(SYS_mprotect, m + 1, page, PROT_READ), EINVAL);
	munmap(m + 3 * page, page);
	fails(mprotect(m, 4 * page, PROT_READ), ENOMEM);
	fails(mprotect(m, page, 0x80), EINVAL);
	eq(mprotect(m, 0, PROT_READ), 0);
	touch("null", NULL, false);
	touch("page 0", (char *)100, true);
	touch("text", (char *)(uintptr_t)&catch_faults, true);
	/* A store to a non-canonical address is a general protection fault: SI_KERNEL, address 0. */
	if (sigsetjmp(back, 1) == 0) {
		*(volatile char *)0x8000000000000000UL = 1;
		say("non-canonical: ok?");
	} else {
		say("non-canonical: %s code %d address %s", t_signame(fault_sig), (int)fault_code,
		    fault_addr ? "given" : "null");
	}
}

static void run_code(void)
{
	catch_faults();
	unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 }; /* mov $42,%eax; ret */
	char *m = map(page, PROT_READ | PROT_WRITE, ANON, -1, 0);
	memcpy(m, code, sizeof(code));
	int (*fn)(void) = (int (*)(void))(uintptr_t)m;
	if (sigsetjmp(back, 1) == 0)
		fn();
	else
		say("not executable: %s code %d address %s", t_signame(fault_sig), (int)fault_code,
		    fault_addr == m ? "right" : "wrong");
	eq(mprotect(m, page, PROT_READ | PROT_EXEC), 0);
	eq(fn(), 42);
	eq(mprotect(m, page, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	m[1] = 43;
	eq(fn(), 43);
	char *x = map(page, PROT_READ | PROT_WRITE | PROT_EXEC, ANON, -1, 0);
	memcpy(x, code, sizeof(code));
	eq(((int (*)(void))(uintptr_t)x)(), 42);
}

static void shared_file(void)
{
	struct stat st;
	int fd = must(open("f", O_RDWR | O_CREAT, 0644));

	catch_faults();
	must(ftruncate(fd, 2 * page));
	char *a = map(2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *b = map(page, PROT_READ, MAP_SHARED, fd, page);
	char *p = map(2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	strcpy(a, "via a");
	strcpy(a + page, "second");
	eqs(b, "second");
	eqs(p, "via a");
	strcpy(p, "private");
	eqs(a, "via a");
	char r[16] = "";
	must(pread(fd, r, 15, 0));
	eqs(r, "via a");
	must(pwrite(fd, "WRITTEN", 8, page));
	eqs(b, "WRITTEN");
	eqs(p + page, "WRITTEN");
	pid_t pid = must(fork());
	if (pid == 0) {
		strcpy(a, "by child");
		strcpy(p, "child's");
		_exit(0);
	}
	eqs(t_wait(pid), "exit 0");
	eqs(a, "by child");
	eqs(p, "private");
	eq(msync(a, page, MS_SYNC), 0);
	eq(msync(a, page, MS_ASYNC), 0);
	fails(msync(a + 1, page, MS_SYNC), EINVAL);
	fails(msync(a, page, MS_SYNC | MS_ASYNC), EINVAL);
	close(fd);
	strcpy(a, "after close");
	ok(!strncmp(t_read_file("f"), "after close", 11));
	must(truncate("f", page));
	touch("cut off", a + page, false);
	touch("cut off", a + page, true);
	touch("still there", a, true);
	munmap(a, 2 * page);
	must(stat("f", &st));
	eq(st.st_size, page);
	int ro = must(open("f", O_RDONLY));
	ok(mmap(NULL, page, PROT_WRITE, MAP_SHARED, ro, 0) == MAP_FAILED && errno == EACCES);
	ok(mmap(NULL, page, PROT_WRITE, MAP_PRIVATE, ro, 0) != MAP_FAILED);
	char *up = map(page, PROT_READ, MAP_SHARED, ro, 0);
	fails(mprotect(up, page, PROT_READ | PROT_WRITE), EACCES);
	int wo = must(open("f", O_WRONLY));
	ok(mmap(NULL, page, PROT_READ, MAP_SHARED, wo, 0) == MAP_FAILED && errno == EACCES);
	int dir = must(open(".", O_RDONLY));
	ok(mmap(NULL, page, PROT_READ, MAP_PRIVATE, dir, 0) == MAP_FAILED && errno == ENODEV);
	ok(mmap(NULL, page, PROT_READ, MAP_PRIVATE, ro, 123) == MAP_FAILED && errno == EINVAL);
}

static void end_of_file(void)
{
	catch_faults();
	t_write_file("f", "short");
	int fd = must(open("f", O_RDWR));
	char *m = map(3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	eqs(m, "short");
	eq(m[page - 1], 0);
	touch("beyond the last page", m + page, false);
	touch("beyond the last page", m + page, true);
	must(ftruncate(fd, 2 * page));
	touch("grown", m + page, false);
	touch("not yet", m + 2 * page, false);
	char *s = map(page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	m[0] = 'S';
	eq(s[0], 's');
	s[1] = 'H';
	char b[8] = "";
	must(pread(fd, b, 5, 0));
	eqs(b, "sHort");
}

static void shared_anonymous(void)
{
	page = sysconf(_SC_PAGESIZE);
	volatile int *m = (int *)map(page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int *priv = (int *)map(page, PROT_READ | PROT_WRITE, ANON, -1, 0);
	pid_t pid[4];

	priv[0] = 5;
	for (int i = 0; i < 4; i++) {
		pid[i] = must(fork());
		if (pid[i] == 0) {
			for (int n = 0; n < 10000; n++)
				__atomic_add_fetch(&m[0], 1, __ATOMIC_SEQ_CST);
			m[1 + i] = priv[0]++ + i;
			pid_t inner = fork();
			if (inner == 0)
				_exit((m[10 + i] = 1) == 0);
			t_wait(inner);
			_exit(0);
		}
	}
	for (int i = 0; i < 4; i++)
		eqs(t_wait(pid[i]), "exit 0");
	eq(m[0], 40000);
	for (int i = 0; i < 4; i++)
		eq(m[1 + i], 5 + i);
	eq(m[10] + m[11] + m[12] + m[13], 4);
	eq(priv[0], 5);
}

static void fixed(void)
{
	catch_faults();
	char *m = map(4 * page, PROT_READ | PROT_WRITE, ANON, -1, 0);
	strcpy(m + page, "below");
	ok(mmap(m + page, page, PROT_READ | PROT_WRITE, ANON | MAP_FIXED, -1, 0) == m + page);
	eqs(m + page, "");
	ok(mmap(m + page, page, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED && errno == EEXIST);
	must(munmap(m + 2 * page, page));
	ok(mmap(m + 2 * page, page, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0) == m + 2 * page);
	t_write_file("f", "file");
	int fd = must(open("f", O_RDONLY));
	ok(mmap(m, page, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == m);
	eqs(m, "file");
	touch("file page", m, true);
	ok(mmap(m, 4 * page, PROT_NONE, ANON | MAP_FIXED | MAP_NORESERVE, -1, 0) == m);
	touch("reserved", m, false);
	char *low = mmap((void *)0x10000000, page, PROT_READ | PROT_WRITE, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	ok(low == (char *)0x10000000);
	touch("low", low, true);
	char *b32 = mmap(NULL, page, PROT_READ, ANON | 0x40 /* MAP_32BIT */, -1, 0);
	ok(b32 != MAP_FAILED && (uintptr_t)b32 < (1UL << 31));
}

static void remap(void)
{
	catch_faults();
	char *m = map(2 * page, PROT_READ | PROT_WRITE, ANON, -1, 0);
	strcpy(m, "kept");
	char *n = mremap(m, 2 * page, 64 * page, MREMAP_MAYMOVE);
	ok(n != MAP_FAILED);
	eqs(n, "kept");
	touch("grown end", n + 63 * page, true);
	char *s = mremap(n, 64 * page, page, 0);
	ok(s == n);
	touch("shrunk", n + page, false);
	eqs(s, "kept");
	char *to = map(page, PROT_NONE, ANON, -1, 0);
	ok(mremap(s, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	eqs(to, "kept");
	touch("left", s, false);
	ok(mremap(to, page, page, MREMAP_FIXED, s) == MAP_FAILED && errno == EINVAL);
	ok(mremap(to + 1, page, page, MREMAP_MAYMOVE) == MAP_FAILED && errno == EINVAL);
	ok(mremap(to, page, 0, MREMAP_MAYMOVE) == MAP_FAILED && errno == EINVAL);
	ok(mremap(s, page, 2 * page, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT);
	char *sh = map(page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sh[0] = 'A';
	pid_t pid = must(fork());
	if (pid == 0) {
		char *moved = mremap(sh, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, to);
		moved[0] = 'B';
		_exit(0);
	}
	t_wait(pid);
	eq(sh[0], 'B');
	int fd = must(open("f", O_RDWR | O_CREAT, 0644));
	must(ftruncate(fd, 4 * page));
	must(pwrite(fd, "four", 4, 3 * page));
	char *f = map(page, PROT_READ, MAP_SHARED, fd, 0);
	f = mremap(f, page, 4 * page, MREMAP_MAYMOVE);
	ok(!memcmp(f + 3 * page, "four", 4));
}

static void advice(void)
{
	page = sysconf(_SC_PAGESIZE);
	char *m = map(4 * page, PROT_READ | PROT_WRITE, ANON, -1, 0);

	memset(m, 'x', 4 * page);
	eq(madvise(m + page, page, MADV_DONTNEED), 0);
	eq(m[0], 'x');
	eq(m[page], 0);
	eq(m[2 * page], 'x');
	fails(madvise(m + 1, page, MADV_DONTNEED), EINVAL);
	fails(madvise(m, page, 9999), EINVAL);
	eq(madvise(m, 4 * page, MADV_NORMAL), 0);
	eq(madvise(m, 4 * page, MADV_WILLNEED), 0);
	eq(madvise(m, page, MADV_FREE), 0);
	eq(madvise(m, page, MADV_WIPEONFORK), 0);
	m[0] = 'w';
	eq(madvise(m + page, page, MADV_DONTFORK), 0);
	pid_t pid = must(fork());
	if (pid == 0) {
		say("in the child: wiped page %d", m[0]);
		catch_faults();
		touch("page not inherited", m + page, false);
		_exit(0);
	}
	eqs(t_wait(pid), "exit 0");
	munmap(m + 3 * page, page);
	fails(madvise(m, 4 * page, MADV_DONTNEED), ENOMEM);
	unsigned char vec[4];
	fails(mincore(m, 4 * page, vec), ENOMEM);
	m[2 * page] = 1;
	eq(mincore(m + 2 * page, page, vec), 0);
	eq(vec[0] & 1, 1);
	eq(mlock(m, page), 0);
	eq(munlock(m, page), 0);
	fails(mlock(m, 4 * page), ENOMEM);
}

static void large(void)
{
	size_t big = 8UL << 30;
	catch_faults();
	char *m = map(big, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
	touch("reserved", m + big / 2, false);
	eq(mprotect(m + big / 2, 16 * page, PROT_READ | PROT_WRITE), 0);
	touch("committed", m + big / 2 + 15 * page, true);
	touch("beside", m + big / 2 + 16 * page, true);
	pid_t pid = must(fork());
	if (pid == 0)
		_exit(m[big / 2 + 15 * page] != 1);
	eqs(t_wait(pid), "exit 0");
	eq(munmap(m, big), 0);
	char *many[2000];
	for (int i = 0; i < 2000; i++) {
		many[i] = map(page, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE, ANON, -1, 0);
	}
	for (int i = 0; i < 2000; i++)
		must(munmap(many[i], page));
	char *p = malloc(64 << 20);
	memset(p, 1, 64 << 20);
	free(p);
	say("done");
}

/* Pages of a file out of order, and what that call refuses. */
static void shuffled(void)
{
	int fd = must(open("pages", O_RDWR | O_CREAT, 0600));

	must(ftruncate(fd, 4 * 4096));
	for (int shared = 0; shared < 2; shared++) {
		char *p = shared ? mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
				 : mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		ok(p != MAP_FAILED);
		for (int i = 0; i < 4; i++)
			p[i * 4096] = (char)('a' + i);
		for (int i = 0; i < 4; i++)
			eq(remap_file_pages(p + i * 4096, 4096, 0, 3 - i, 0), 0);
		say("%c%c%c%c", p[0], p[4096], p[2 * 4096], p[3 * 4096]);
		p[0] = 'z';
		eq(remap_file_pages(p + 4096, 4096, 0, 3, 0), 0);
		say("%c", p[4096]);
		fails(remap_file_pages(p, 4096, PROT_READ, 0, 0), EINVAL);
		fails(remap_file_pages(p, 0, 0, 0, 0), EINVAL);
		must(munmap(p, 4 * 4096));
	}
	char *q = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fails(remap_file_pages(q, 4096, 0, 0, 0), EINVAL);
	close(fd);
}

/* A child that gives all of its memory back dies of it. Often: glibc's rseq area goes, too, and the kernel may notice at
 * any instruction after that. */
static void everything(void)
{
	for (int i = 0; i < 500; i++) {
		pid_t pid = must(fork());

		if (pid == 0) {
			munmap(NULL, 0x7ffffffff000);
			_exit(3);
		}
		eqs(t_wait(pid), "killed by SIGSEGV");
	}
	fails(munmap(NULL, 0x800000000000), EINVAL);
}

/* What /proc says of a page that is locked, and its limit: all that is mapped counts, and nothing that is not seen. */
static void locked(void)
{
	char *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, ANON, -1, 0);
	char line[512], flags[64] = "", amount[64] = "";
	unsigned long from, to, all = 0;
	struct rlimit limit;
	bool here = false;
	FILE *f;

	pages[4096] = 1;
	must(mlock(pages + 4096, 4096));
	ok(strstr(t_read_file("/proc/self/status"), "\nVmLck:\t       4 kB\n") != NULL);
	f = fopen("/proc/self/smaps", "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
			here = from == (unsigned long)pages + 4096 && to == from + 4096;
			all += strstr(line, "[stack]") ? 256 << 10 : to - from;
		}
		if (here && !strncmp(line, "Locked:", 7))
			snprintf(amount, sizeof(amount), "%.60s", line);
		if (here && !strncmp(line, "VmFlags:", 8))
			snprintf(flags, sizeof(flags), "%.60s", line);
	}
	fclose(f);
	eqs(amount, "Locked:                4 kB\n");
	eqs(flags, "VmFlags: rd wr mr mw me lo ac \n");
	must(getrlimit(RLIMIT_MEMLOCK, &limit));
	if (limit.rlim_cur > all + (512 << 10))
		limit.rlim_cur = all + (512 << 10);
	must(setrlimit(RLIMIT_MEMLOCK, &limit));
	zero(mlockall(MCL_CURRENT));
	zero(munlockall());
}

T_MAIN(T(anonymous), T(protection), T(run_code), T(shared_file), T(end_of_file), T(shared_anonymous), T(fixed),
       T(remap), T(advice), T(large), T(shuffled), T(locked), T(everything))
