// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * futex(2), raw: waits, wakes, requeues, bit sets, time-outs, priority inheritance, between threads and processes.
 */
#include "lib/t.h"

#include <pthread.h>

enum { WAIT, WAKE, FD, REQUEUE, CMP_REQUEUE, WAKE_OP, LOCK_PI, UNLOCK_PI, TRYLOCK_PI, WAIT_BITSET, WAKE_BITSET };
#define PRIVATE 128
#define REALTIME 256

static uint32_t *word;

static long futex(uint32_t *a, int op, uint32_t val, void *timeout, uint32_t *b, uint32_t val3)
{
	return syscall(SYS_futex, a, op, val, timeout, b, val3);
}

static void refusals(void)
{
	struct timespec ts = { 0, 30000000 }, bad = { 0, 2000000000 };
	uint32_t w = 5;

	fails(futex(&w, WAIT, 4, NULL, NULL, 0), EAGAIN);
	fails(futex(&w, WAIT, 5, &ts, NULL, 0), ETIMEDOUT);
	fails(futex(&w, WAIT | PRIVATE, 5, &ts, NULL, 0), ETIMEDOUT);
	fails(futex(&w, WAIT, 5, &bad, NULL, 0), EINVAL);
	fails(futex((uint32_t *)((char *)&w + 1), WAIT, 5, NULL, NULL, 0), EINVAL);
	fails(futex((uint32_t *)8, WAIT, 5, NULL, NULL, 0), EFAULT);
	fails(futex(&w, 77, 5, NULL, NULL, 0), ENOSYS);
	fails(futex(&w, WAIT_BITSET, 5, NULL, NULL, 0), EINVAL);
	fails(futex(&w, WAKE_BITSET, 5, NULL, NULL, 0), EINVAL);
	eq(futex(&w, WAKE, 1, NULL, NULL, 0), 0);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	fails(futex(&w, WAIT_BITSET, 5, &ts, NULL, -1), ETIMEDOUT);
	clock_gettime(CLOCK_REALTIME, &ts);
	fails(futex(&w, WAIT_BITSET | REALTIME, 5, &ts, NULL, -1), ETIMEDOUT);
	fails(futex(&w, CMP_REQUEUE, 1, (void *)1, &w, 6), EAGAIN);
}

static void *wait_once(void *arg)
{
	return (void *)futex(word, WAIT | PRIVATE, 1, NULL, NULL, 0);
}

static void *wait_bits(void *arg)
{
	return (void *)futex(word, WAIT_BITSET | PRIVATE, 1, NULL, NULL, (uint32_t)(uintptr_t)arg);
}

/* Wake until n were woken in all; threads need a moment to fall asleep. */
static int wake_all(uint32_t *a, int op, int n, uint32_t bits)
{
	int woken = 0;

	for (int i = 0; i < 3000 && woken < n; i++) {
		woken += futex(a, op | PRIVATE, n - woken, NULL, NULL, bits);
		t_sleep_ms(1);
	}
	return woken;
}

static void threads(void)
{
	pthread_t t[6];
	uint32_t w = 1, other = 0;

	word = &w;
	for (int i = 0; i < 6; i++)
		zero(pthread_create(&t[i], NULL, wait_once, NULL));
	eq(wake_all(&w, WAKE, 6, 0), 6);
	for (int i = 0; i < 6; i++)
		zero(pthread_join(t[i], NULL));
	zero(pthread_create(&t[0], NULL, wait_bits, (void *)1));
	zero(pthread_create(&t[1], NULL, wait_bits, (void *)2));
	t_sleep_ms(50);
	eq(futex(&w, WAKE_BITSET | PRIVATE, 10, NULL, NULL, 4), 0);
	eq(wake_all(&w, WAKE_BITSET, 1, 2), 1);
	zero(pthread_join(t[1], NULL));
	eq(wake_all(&w, WAKE_BITSET, 1, 1), 1);
	zero(pthread_join(t[0], NULL));
	for (int i = 0; i < 4; i++)
		zero(pthread_create(&t[i], NULL, wait_once, NULL));
	t_sleep_ms(100);
	eq(futex(&w, CMP_REQUEUE | PRIVATE, 1, (void *)2, &other, 1), 3);
	eq(futex(&other, WAKE | PRIVATE, 10, NULL, NULL, 0), 2);
	eq(futex(&w, WAKE | PRIVATE, 10, NULL, NULL, 0), 1);
	for (int i = 0; i < 4; i++)
		zero(pthread_join(t[i], NULL));
	/* WAKE_OP: other += 7, and wake waiters of other if it was 0. */
	zero(pthread_create(&t[0], NULL, wait_once, NULL));
	t_sleep_ms(50);
	eq(futex(&w, WAKE_OP | PRIVATE, 1, (void *)1, &other, (1u << 28) | (7 << 12)), 1);
	eq(other, 7);
	zero(pthread_join(t[0], NULL));
}

static void processes(void)
{
	volatile uint32_t *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint32_t *turn = (uint32_t *)m;
	int rounds = 0;
	pid_t pid = must(fork());

	if (pid == 0) {
		for (int i = 0; i < 1000; i++) {
			while (__atomic_load_n(turn, __ATOMIC_ACQUIRE) != 1)
				futex(turn, WAIT, 0, NULL, NULL, 0);
			__atomic_store_n(turn, 0, __ATOMIC_RELEASE);
			futex(turn, WAKE, 1, NULL, NULL, 0);
		}
		_exit(0);
	}
	for (int i = 0; i < 1000; i++) {
		__atomic_store_n(turn, 1, __ATOMIC_RELEASE);
		futex(turn, WAKE, 1, NULL, NULL, 0);
		while (__atomic_load_n(turn, __ATOMIC_ACQUIRE) != 0)
			futex(turn, WAIT, 1, NULL, NULL, 0);
		rounds++;
	}
	eq(rounds, 1000);
	eqs(t_wait(pid), "exit 0");
	/* Through a file mapped at two addresses. */
	int fd = must(open("f", O_RDWR | O_CREAT, 0644));
	must(ftruncate(fd, 4096));
	uint32_t *a = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	uint32_t *b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	pid = must(fork());
	if (pid == 0) {
		struct timespec ts = { 5, 0 };
		_exit(futex(a, WAIT, 0, &ts, NULL, 0) == 0 ? 0 : 1);
	}
	int woken = 0;
	for (int i = 0; i < 3000 && !woken; i++) {
		woken = futex(b, WAKE, 1, NULL, NULL, 0);
		t_sleep_ms(1);
	}
	eq(woken, 1);
	eqs(t_wait(pid), "exit 0");
	/* A private wait is not woken by a shared wake of another process: only times out. */
	struct timespec ts = { 0, 50000000 };
	fails(futex(a, WAIT, 0, &ts, NULL, 0), ETIMEDOUT);
}

static volatile sig_atomic_t got;

static void record(int sig)
{
	got++;
}

static void interrupted(void)
{
	uint32_t w = 0;
	struct sigaction sa = { .sa_handler = record };
	struct timespec ts = { 5, 0 };

	must(sigaction(SIGALRM, &sa, NULL));
	alarm(1);
	fails(futex(&w, WAIT, 0, &ts, NULL, 0), EINTR);
	eq(got, 1);
	alarm(20);
}

static uint32_t held;

static void *pi_holder(void *arg)
{
	uint32_t *w = arg;
	int tid = syscall(SYS_gettid);

	if (futex(w, LOCK_PI | PRIVATE, 0, NULL, NULL, 0))
		return (void *)1;
	if ((*w & 0x3fffffff) != (uint32_t)tid)
		return (void *)2;
	__atomic_store_n(&held, 1, __ATOMIC_RELEASE);
	t_sleep_ms(50);
	if (futex(w, UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0))
		return (void *)3;
	return NULL;
}

static void priority(void)
{
	uint32_t w = 0;
	pthread_t t;
	void *r;
	uint32_t me = syscall(SYS_gettid);

	eq(futex(&w, LOCK_PI | PRIVATE, 0, NULL, NULL, 0), 0);
	ok((w & 0x3fffffff) == me);
	fails(futex(&w, LOCK_PI | PRIVATE, 0, NULL, NULL, 0), EDEADLK);
	fails(futex(&w, TRYLOCK_PI | PRIVATE, 0, NULL, NULL, 0), EDEADLK);
	eq(futex(&w, UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0), 0);
	eq(w, 0);
	fails(futex(&w, UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0), EPERM);
	zero(pthread_create(&t, NULL, pi_holder, &w));
	/* Not until the word says so: on a busy machine it may have been given back by then. */
	while (!__atomic_load_n(&held, __ATOMIC_ACQUIRE))
		t_sleep_ms(1);
	eq(futex(&w, LOCK_PI | PRIVATE, 0, NULL, NULL, 0), 0);
	ok((w & 0x3fffffff) == me);
	eq(futex(&w, UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0), 0);
	zero(pthread_join(t, &r));
	ok(r == NULL);
	fails(futex(&w, UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0), EPERM);
}

static void tid_word(void)
{
	/* set_tid_address: cleared and woken at a thread's end. pthread_join rests on it. */
	void *head = NULL;
	size_t len = 0;

	ok(syscall(SYS_set_tid_address, &len) == syscall(SYS_gettid));
	eq(syscall(SYS_get_robust_list, 0, &head, &len), 0);
	eq(len, 24);
	fails(syscall(SYS_set_robust_list, head, 23), EINVAL);
}

T_MAIN(T(refusals), T(threads), T(processes), T(interrupted), T(priority), T(tid_word))
