/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What every guest program shares.
 *
 * A guest program is a table of tests. It prints what it sees; the runner runs it on the host and in a picoprocess and
 * compares output and exit status, so the host kernel is the oracle. Each test also states what Linux does (eq, fails,
 * ok), so that a test that misunderstands Linux fails on the host first.
 *
 * Each test runs in a child of its own, in a directory of its own, in a process group of its own, under an alarm: one
 * that crashes or hangs costs only itself. Every line is one write(2), so that lines of several processes never mix and
 * nothing is printed twice after fork. Nothing that changes from run to run may be printed: no addresses, pids, times.
 */
#ifndef TESTS_GUEST_LIB_T_H
#define TESTS_GUEST_LIB_T_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct t_test {
	const char *name;
	void (*run)(void);
};

#define T(fn) { #fn, fn }
#define T_MAIN(...)                                                                                \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		static const struct t_test tests[] = { __VA_ARGS__ };                              \
		return t_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]), NULL);          \
	}
/* helper(argc, argv) is called when the program was started as "program helper ...": for tests of exec. */
#define T_MAIN_HELPER(helper, ...)                                                                 \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		static const struct t_test tests[] = { __VA_ARGS__ };                              \
		return t_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]), helper);        \
	}

int t_main(int argc, char **argv, const struct t_test *tests, size_t count, int (*helper)(int, char **));

/* This program's own file, absolute; for tests that exec themselves. */
extern char t_self[4096];

/* One line (a newline is added), one write. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* expr == want, both as long long. */
#define eq(expr, want) t_eq(#expr, (long long)(expr), (long long)(want), __LINE__)
/* expr is -1 and errno is err. */
#define fails(expr, err)                                                                           \
	({                                                                                         \
		errno = 0;                                                                         \
		long long t_r = (long long)(expr);                                                 \
		t_fails(#expr, t_r, errno, err, __LINE__);                                         \
	})
#define ok(cond) t_ok(#cond, !!(cond), __LINE__)
#define eqs(expr, want) t_eqs(#expr, expr, want, __LINE__)
/* A step that the test rests on: when it fails, the test ends here. Gives expr's value. */
#define must(expr)                                                                                 \
	({                                                                                         \
		long long t_r = (long long)(expr);                                                 \
		if (t_r == -1)                                                                     \
			t_must(#expr, errno, __LINE__);                                            \
		t_r;                                                                               \
	})
/* The same for calls that return an error number, as pthread's do. */
#define zero(expr)                                                                                 \
	({                                                                                         \
		int t_e = (expr);                                                                  \
		if (t_e)                                                                           \
			t_must(#expr, t_e, __LINE__);                                              \
	})
/* Print what a call gives, without an opinion: "label: 0" or "label: ENOENT". */
#define show(label, expr)                                                                          \
	({                                                                                         \
		errno = 0;                                                                         \
		long long t_r = (long long)(expr);                                                 \
		t_show(label, t_r, errno);                                                         \
		t_r;                                                                               \
	})

void t_eq(const char *text, long long got, long long want, int line);
void t_fails(const char *text, long long got, int err, int want, int line);
void t_ok(const char *text, bool good, int line);
void t_eqs(const char *text, const char *got, const char *want, int line);
void t_must(const char *text, int err, int line) __attribute__((noreturn));
void t_show(const char *label, long long got, int err);

const char *t_errname(int err);
const char *t_signame(int sig);
/* "exit 3", "killed by SIGSEGV", "stopped by SIGTSTP", "continued". Static buffer. */
const char *t_status(int status);
/* Fork; the child runs fn(arg) and exits with its result. */
pid_t t_fork(int (*fn)(void *), void *arg);
/* Wait for pid and give its status as t_status does. */
const char *t_wait(pid_t pid);

void t_write_file(const char *path, const char *text);
/* The file's text; static buffer of 64 KiB, NUL-terminated; "(ERRNO)" if it can't be read. */
const char *t_read_file(const char *path);
void t_sleep_ms(int ms);
/* Give a child this time, and then until it sleeps (or 5 s): beside others a few ms may be no time at all. */
void t_asleep(pid_t pid, int ms);
long long t_now_ms(void); /* CLOCK_MONOTONIC */
bool t_root(void);	  /* effective uid 0 */

/* A gate: one process opens it, another waits for that. Works across fork. */
struct gate {
	int fd[2];
};
void gate_init(struct gate *g);
void gate_open(struct gate *g);
/* false if nobody is left who could open it */
bool gate_wait(struct gate *g);

#endif
