// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * /proc/PID/mem: of oneself, of a traced child, of another process; what may not be touched otherwise; after its end. And
 * what a tracer sees beside it: the state of what it has stopped, and the end of who gives all of its memory back.
 */
#include "lib/t.h"

#include <sys/ptrace.h>

#define PAGE 4096

static char word[] = "word";

static int open_mem(pid_t pid, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	return open(path, flags);
}

static off_t at(const volatile void *p)
{
	return (off_t)(uintptr_t)p;
}

static void own(void)
{
	int fd = must(open("/proc/self/mem", O_RDWR));
	char buf[8] = { 0 };

	eq(pread(fd, buf, 5, at(word)), 5);
	eqs(buf, "word");
	eq(pwrite(fd, "lord", 4, at(word)), 4);
	eqs(word, "lord");
	eq(pread(fd, buf, 0, at(word)), 0);
	fails(pread(fd, buf, 4, 16), EIO);
	fails(pwrite(fd, buf, 4, 16), EIO);
	fails(pread(fd, (void *)16, 4, at(word)), EFAULT);
	fails(pwrite(fd, (void *)16, 4, at(word)), EFAULT);
	ok(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED);
	eq(errno, ENODEV);
	eq(ftruncate(fd, 0), 0);
}

/* What the program may not touch itself a debugger may. */
static void forced(void)
{
	char *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = must(open("/proc/self/mem", O_RDWR));
	char buf[PAGE] = { 0 };

	strcpy(p, "nobody");
	must(mprotect(p, PAGE, PROT_NONE));
	eq(pread(fd, buf, 7, at(p)), 7);
	eqs(buf, "nobody");
	eq(pwrite(fd, "some", 4, at(p)), 4);
	must(mprotect(p, PAGE, PROT_READ));
	eqs(p, "somedy");
	eq(pwrite(fd, "any", 3, at(p)), 3);
	eqs(p, "anyedy");
	must(mprotect(shared, PAGE, PROT_READ));
	fails(pwrite(fd, "x", 1, at(shared)), EIO);
	/* Up to a hole. */
	must(munmap(p + 2 * PAGE, PAGE));
	eq(pread(fd, buf, PAGE, at(p + PAGE + 100)), PAGE - 100);
	fails(pread(fd, buf, 1, at(p + 2 * PAGE)), EIO);
}

static void positions(void)
{
	int fd = must(open("/proc/self/mem", O_RDONLY));
	char buf[4] = { 0 };

	eq(lseek(fd, at(word), SEEK_SET) == at(word), 1);
	eq(read(fd, buf, 2), 2);
	eqs(buf, "wo");
	eq(read(fd, buf, 2), 2);
	eqs(buf, "rd");
	eq(lseek(fd, 0, SEEK_CUR) == at(word) + 4, 1);
	fails(lseek(fd, 0, SEEK_END), EINVAL);
	fails(write(fd, "x", 1), EBADF);
}

static int traced(void *arg)
{
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	return word[0] == 'f' ? 7 : 1;
}

static const char *state_of(pid_t pid)
{
	static char line[64];
	char path[64];
	const char *text, *s;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	text = t_read_file(path);
	s = strstr(text, "State:");
	snprintf(line, sizeof(line), "%.*s", s ? (int)strcspn(s, "\n") : 0, s ? s : "");
	return line;
}

static void of_traced(void)
{
	pid_t pid = t_fork(traced, NULL);
	char buf[8] = { 0 };
	int fd, status;

	must(waitpid(pid, &status, 0));
	eqs(state_of(pid), "State:\tt (tracing stop)");
	fd = must(open_mem(pid, O_RDWR));
	eq(pread(fd, buf, 5, at(word)), 5);
	eqs(buf, "word");
	eq(pwrite(fd, "f", 1, at(word)), 1);
	fails(pread(fd, buf, 1, 16), EIO);
	eqs(word, "word");
	must(ptrace(PTRACE_CONT, pid, 0, 0));
	eqs(t_wait(pid), "exit 7");
	eq(pread(fd, buf, 5, at(word)), 0);
	eq(pwrite(fd, buf, 5, at(word)), 0);
}

static int waits(void *arg)
{
	while (word[0] != 'f')
		t_sleep_ms(5);
	return 5;
}

static void of_other(void)
{
	pid_t pid = t_fork(waits, NULL);
	int fd = must(open_mem(pid, O_RDWR));
	char buf[8] = { 0 };

	eq(pread(fd, buf, 5, at(word)), 5);
	eqs(buf, "word");
	fails(pread(fd, buf, 5, 16), EIO);
	eq(pwrite(fd, "f", 1, at(word)), 1);
	eqs(t_wait(pid), "exit 5");
	fails(open_mem(pid, O_RDONLY), ENOENT);
	if (!t_root())
		fails(open("/proc/1/mem", O_RDONLY), EACCES);
}

/* Who inherits the descriptor has the memory of who opened it. */
static int heir(void *arg)
{
	char buf[8] = { 0 };

	word[0] = 'h';
	return pread(*(int *)arg, buf, 5, at(word)) == 5 && !strcmp(buf, "word") ? 3 : 1;
}

static void inherited(void)
{
	int fd = must(open("/proc/self/mem", O_RDONLY));

	eqs(t_wait(t_fork(heir, &fd)), "exit 3");
}

static int gives_all(void *arg)
{
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	syscall(SYS_munmap, 0, 0x7fffffffe000);
	return 1;
}

/* The host's word of restartable sequences goes with the rest: the tracer sees the fault before it ends anything. */
static void gone(void)
{
	pid_t pid = t_fork(gives_all, NULL);
	int status;

	must(waitpid(pid, &status, 0));
	say("%s", t_status(status));
	eq(WIFSTOPPED(status), 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

T_MAIN(T(own), T(forced), T(positions), T(of_traced), T(of_other), T(inherited), T(gone))
