// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Locks in memory that processes share, and what becomes of them when their holder ends: by itself, by exec, by SIGKILL.
 */
#include "lib/t.h"

#include <pthread.h>
#include <semaphore.h>

enum { LOCK_PI = 6, UNLOCK_PI = 7, TRYLOCK_PI = 8, LOCK_PI2 = 13 };

struct shared {
	pthread_mutex_t m, n;
	pthread_cond_t c;
	pthread_barrier_t b;
	pthread_rwlock_t rw;
	sem_t s;
	volatile int stage, count;
	uint32_t word, word2;
	volatile pid_t pid;
};

static struct shared *sh;

static void mutex_init(pthread_mutex_t *m, int robust, int protocol)
{
	pthread_mutexattr_t a;

	zero(pthread_mutexattr_init(&a));
	zero(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED));
	zero(pthread_mutexattr_setrobust(&a, robust));
	zero(pthread_mutexattr_setprotocol(&a, protocol));
	zero(pthread_mutex_init(m, &a));
}

static void share(int protocol)
{
	pthread_condattr_t ca;
	pthread_barrierattr_t ba;
	pthread_rwlockattr_t ra;

	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ok(sh != MAP_FAILED);
	mutex_init(&sh->m, PTHREAD_MUTEX_ROBUST, protocol);
	mutex_init(&sh->n, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
	zero(pthread_condattr_init(&ca));
	zero(pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED));
	zero(pthread_cond_init(&sh->c, &ca));
	zero(pthread_barrierattr_init(&ba));
	zero(pthread_barrierattr_setpshared(&ba, PTHREAD_PROCESS_SHARED));
	zero(pthread_barrier_init(&sh->b, &ba, 4));
	zero(pthread_rwlockattr_init(&ra));
	zero(pthread_rwlockattr_setpshared(&ra, PTHREAD_PROCESS_SHARED));
	zero(pthread_rwlock_init(&sh->rw, &ra));
	must(sem_init(&sh->s, 1, 0));
}

static void reach(int stage)
{
	for (int i = 0; sh->stage < stage && i < 20000; i++)
		t_sleep_ms(1);
	ok(sh->stage >= stage);
}

static int hold_and_wait(void *arg)
{
	if (pthread_mutex_lock(&sh->m))
		return 1;
	sh->stage = 1;
	for (;;)
		pause();
}

static int hold_and_exit(void *arg)
{
	if (pthread_mutex_lock(&sh->m))
		return 1;
	sh->stage = 1;
	t_sleep_ms(100);
	_exit(7);
}

static int hold_and_exec(void *arg)
{
	if (pthread_mutex_lock(&sh->m))
		return 1;
	sh->stage = 1;
	t_sleep_ms(100);
	execl(t_self, t_self, "helper", (char *)NULL);
	return 1;
}

static int helper(int argc, char **argv)
{
	t_sleep_ms(2000);
	return 3;
}

static void after_death(void)
{
	eq(pthread_mutex_lock(&sh->m), EOWNERDEAD);
	eq(pthread_mutex_consistent(&sh->m), 0);
	eq(pthread_mutex_unlock(&sh->m), 0);
	eq(pthread_mutex_lock(&sh->m), 0);
	eq(pthread_mutex_unlock(&sh->m), 0);
}

/* Killed while others wait: each kind of waiting ends, in turn. */
static int waiter(void *arg)
{
	int r = pthread_mutex_lock(&sh->m);

	if (r != EOWNERDEAD && r != 0)
		return 100;
	if (r == EOWNERDEAD)
		pthread_mutex_consistent(&sh->m);
	__atomic_add_fetch(&sh->count, 1, __ATOMIC_SEQ_CST);
	return pthread_mutex_unlock(&sh->m) ? 101 : r == EOWNERDEAD;
}

static void killed_with_waiters(void)
{
	pid_t holder, w[4];
	int died = 0;

	share(PTHREAD_PRIO_NONE);
	holder = t_fork(hold_and_wait, NULL);
	reach(1);
	for (int i = 0; i < 4; i++)
		w[i] = t_fork(waiter, NULL);
	t_sleep_ms(150);
	eq(sh->count, 0);
	must(kill(holder, SIGKILL));
	/* Nobody has waited for the holder yet. */
	for (int i = 0; i < 4; i++) {
		int status;

		must(waitpid(w[i], &status, 0));
		ok(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
		died += WEXITSTATUS(status);
	}
	eq(died, 1);
	eq(sh->count, 4);
	eqs(t_wait(holder), "killed by SIGKILL");
}

static void killed_before(void)
{
	pid_t holder;

	share(PTHREAD_PRIO_NONE);
	holder = t_fork(hold_and_wait, NULL);
	reach(1);
	must(kill(holder, SIGKILL));
	eqs(t_wait(holder), "killed by SIGKILL");
	after_death();
}

/* The holder's parent is stopped, so that nobody waits for it or hears of its death. */
static int parent_of_holder(void *arg)
{
	sh->pid = t_fork(hold_and_wait, NULL);
	return pause();
}

static void killed_under_a_stopped_parent(void)
{
	pid_t parent;
	int status;

	share(PTHREAD_PRIO_NONE);
	parent = t_fork(parent_of_holder, NULL);
	reach(1);
	while (!sh->pid)
		t_sleep_ms(1);
	must(kill(parent, SIGSTOP));
	must(waitpid(parent, &status, WUNTRACED));
	must(kill(sh->pid, SIGKILL));
	after_death();
	must(kill(parent, SIGKILL));
	eqs(t_wait(parent), "killed by SIGKILL");
}

static void ended(void)
{
	pid_t pid;

	share(PTHREAD_PRIO_NONE);
	pid = t_fork(hold_and_exit, NULL);
	reach(1);
	after_death();
	eqs(t_wait(pid), "exit 7");
	sh->stage = 0;
	pid = t_fork(hold_and_exec, NULL);
	reach(1);
	after_death();
	eqs(t_wait(pid), "exit 3");
}

static int hold_in_thread_body;

static void *hold_in_thread(void *arg)
{
	hold_in_thread_body = pthread_mutex_lock(&sh->m);
	sh->stage = 1;
	pause();
	return NULL;
}

static int thread_holder(void *arg)
{
	pthread_t t;

	if (pthread_create(&t, NULL, hold_in_thread, NULL))
		return 1;
	for (;;)
		pause();
}

static void *leave_locked(void *arg)
{
	return (void *)(intptr_t)pthread_mutex_lock(&sh->m);
}

static void threads(void)
{
	pthread_t t;
	pid_t pid;

	share(PTHREAD_PRIO_NONE);
	zero(pthread_create(&t, NULL, leave_locked, NULL));
	zero(pthread_join(t, NULL));
	after_death();
	pid = t_fork(thread_holder, NULL);
	reach(1);
	must(kill(pid, SIGKILL));
	after_death();
	eqs(t_wait(pid), "killed by SIGKILL");
}

static void not_recoverable(void)
{
	pid_t holder, w;

	share(PTHREAD_PRIO_NONE);
	holder = t_fork(hold_and_wait, NULL);
	reach(1);
	must(kill(holder, SIGKILL));
	eq(pthread_mutex_lock(&sh->m), EOWNERDEAD);
	eq(pthread_mutex_unlock(&sh->m), 0);
	eq(pthread_mutex_lock(&sh->m), ENOTRECOVERABLE);
	w = t_fork(waiter, NULL);
	eqs(t_wait(w), "exit 100");
	eqs(t_wait(holder), "killed by SIGKILL");
}

static void timed(void)
{
	struct timespec ts;
	pid_t holder;

	share(PTHREAD_PRIO_NONE);
	holder = t_fork(hold_and_wait, NULL);
	reach(1);
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += 150000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	eq(pthread_mutex_timedlock(&sh->m, &ts), ETIMEDOUT);
	eq(pthread_mutex_trylock(&sh->m), EBUSY);
	ts.tv_sec += 20;
	must(kill(holder, SIGKILL));
	eq(pthread_mutex_timedlock(&sh->m, &ts), EOWNERDEAD);
	eq(pthread_mutex_unlock(&sh->m), 0);
	eqs(t_wait(holder), "killed by SIGKILL");
}

/* Killed at any moment of locking and unlocking: no waiter may hang. */
static int busy(void *arg)
{
	for (;;) {
		int r = pthread_mutex_lock(&sh->m);

		if (r == EOWNERDEAD)
			pthread_mutex_consistent(&sh->m);
		else if (r)
			return 9;
		sh->count++;
		if (pthread_mutex_unlock(&sh->m))
			return 8;
	}
}

static void killed_at_any_moment(void)
{
	share(PTHREAD_PRIO_NONE);
	for (int i = 0; i < 40; i++) {
		pid_t a = t_fork(busy, NULL), b = t_fork(busy, NULL);
		int before, r;

		for (int j = 0; j < 4 + i % 4; j++)
			t_sleep_ms(1);
		must(kill(a, SIGKILL));
		before = sh->count;
		for (int j = 0; j < 10000 && sh->count == before; j++)
			t_sleep_ms(1);
		ok(sh->count != before);
		must(kill(b, SIGKILL));
		r = pthread_mutex_lock(&sh->m);
		ok(r == 0 || r == EOWNERDEAD);
		if (r == EOWNERDEAD)
			zero(pthread_mutex_consistent(&sh->m));
		zero(pthread_mutex_unlock(&sh->m));
		eqs(t_wait(a), "killed by SIGKILL");
		eqs(t_wait(b), "killed by SIGKILL");
	}
}

static int worker(void *arg)
{
	int id = (int)(intptr_t)arg;

	for (int i = 0; i < 500; i++) {
		pthread_mutex_lock(&sh->n);
		sh->count++;
		pthread_mutex_unlock(&sh->n);
		pthread_rwlock_wrlock(&sh->rw);
		sh->word++;
		pthread_rwlock_unlock(&sh->rw);
		pthread_rwlock_rdlock(&sh->rw);
		pthread_rwlock_unlock(&sh->rw);
	}
	for (int i = 0; i < 50; i++)
		pthread_barrier_wait(&sh->b);
	pthread_mutex_lock(&sh->n);
	while (sh->stage <= id)
		pthread_cond_wait(&sh->c, &sh->n);
	pthread_mutex_unlock(&sh->n);
	return sem_wait(&sh->s) ? 1 : 0;
}

static void all_kinds(void)
{
	pid_t pid[4];

	share(PTHREAD_PRIO_NONE);
	for (int i = 0; i < 4; i++)
		pid[i] = t_fork(worker, (void *)(intptr_t)i);
	for (int i = 0; i < 4; i++) {
		t_sleep_ms(20);
		pthread_mutex_lock(&sh->n);
		sh->stage = i + 1;
		pthread_cond_broadcast(&sh->c);
		pthread_mutex_unlock(&sh->n);
	}
	for (int i = 0; i < 4; i++)
		must(sem_post(&sh->s));
	for (int i = 0; i < 4; i++)
		eqs(t_wait(pid[i]), "exit 0");
	eq(sh->count, 2000);
	eq(sh->word, 2000);
}

static void inheriting(void)
{
	pid_t holder;

	share(PTHREAD_PRIO_INHERIT);
	holder = t_fork(hold_and_wait, NULL);
	reach(1);
	eq(pthread_mutex_trylock(&sh->m), EBUSY);
	must(kill(holder, SIGKILL));
	eqs(t_wait(holder), "killed by SIGKILL");
	after_death();
	sh->stage = 0;
	holder = t_fork(hold_and_exit, NULL);
	reach(1);
	after_death();
	eqs(t_wait(holder), "exit 7");
}

static long pi(uint32_t *w, int op, void *ts)
{
	return syscall(SYS_futex, w, op, 0, ts, NULL, 0);
}

/* Without a robust list: the lock goes to whoever waits; nobody is found by those who come later. */
static int pi_hold(void *arg)
{
	if (pi(&sh->word, LOCK_PI, NULL))
		return 1;
	sh->stage = 1;
	t_sleep_ms(200);
	return 5;
}

static void inheriting_raw(void)
{
	uint32_t me = syscall(SYS_gettid);
	struct timespec ts = { 1, 0 };
	pid_t pid;

	share(PTHREAD_PRIO_NONE);
	pid = t_fork(pi_hold, NULL);
	reach(1);
	fails(pi(&sh->word, TRYLOCK_PI, NULL), EAGAIN);
	fails(pi(&sh->word, UNLOCK_PI, NULL), EPERM);
	fails(pi(&sh->word, LOCK_PI, &ts), ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec = 0;
	fails(pi(&sh->word, LOCK_PI2, &ts), ETIMEDOUT);
	eq(pi(&sh->word, LOCK_PI, NULL), 0);
	ok((sh->word & 0x3fffffff) == me);
	ok(sh->word & 0x40000000);
	eq(pi(&sh->word, UNLOCK_PI, NULL), 0);
	eqs(t_wait(pid), "exit 5");
	sh->word = 0;
	sh->stage = 0;
	pid = t_fork(pi_hold, NULL);
	reach(1);
	eqs(t_wait(pid), "exit 5");
	fails(pi(&sh->word, LOCK_PI, NULL), ESRCH);
	fails(pi(&sh->word, TRYLOCK_PI, NULL), ESRCH);
}

static int ring(void *arg)
{
	if (pi(&sh->word2, LOCK_PI, NULL))
		return 1;
	sh->stage = 1;
	if (pi(&sh->word, LOCK_PI, NULL))
		return 2;
	return pi(&sh->word, UNLOCK_PI, NULL) || pi(&sh->word2, UNLOCK_PI, NULL) ? 3 : 0;
}

static void deadlock(void)
{
	pid_t pid;

	share(PTHREAD_PRIO_NONE);
	eq(pi(&sh->word, LOCK_PI, NULL), 0);
	pid = t_fork(ring, NULL);
	reach(1);
	t_sleep_ms(100);
	fails(pi(&sh->word2, LOCK_PI, NULL), EDEADLK);
	eq(pi(&sh->word, UNLOCK_PI, NULL), 0);
	eqs(t_wait(pid), "exit 0");
	eq(sh->word & 0x3fffffff, 0);
}

static int wait_requeue(void *arg)
{
	if (syscall(SYS_futex, &sh->word, 11, 0, NULL, &sh->word2, 0))
		return 1;
	if ((sh->word2 & 0x3fffffff) != (uint32_t)syscall(SYS_gettid))
		return 2;
	sh->count++;
	return pi(&sh->word2, UNLOCK_PI, NULL) ? 3 : 0;
}

static void requeue_pi(void)
{
	struct timespec past = { 1, 0 };
	pid_t pid[3];

	share(PTHREAD_PRIO_NONE);
	fails(syscall(SYS_futex, &sh->word, 11, 1, NULL, &sh->word2, 0), EAGAIN);
	fails(syscall(SYS_futex, &sh->word, 11, 0, &past, &sh->word2, 0), ETIMEDOUT);
	fails(syscall(SYS_futex, &sh->word, 11, 0, NULL, &sh->word, 0), EINVAL);
	fails(syscall(SYS_futex, &sh->word, 12, 2, (void *)1, &sh->word2, 0), EINVAL);
	fails(syscall(SYS_futex, &sh->word, 12, 1, (void *)1, &sh->word2, 3), EAGAIN);
	fails(syscall(SYS_futex, &sh->word, 12, 1, (void *)1, &sh->word, 0), EINVAL);
	eq(syscall(SYS_futex, &sh->word, 12, 1, (void *)1, &sh->word2, 0), 0);
	for (int i = 0; i < 3; i++)
		pid[i] = t_fork(wait_requeue, NULL);
	t_sleep_ms(200);
	eq(pi(&sh->word2, LOCK_PI, NULL), 0);
	eq(syscall(SYS_futex, &sh->word, 12, 1, (void *)INT32_MAX, &sh->word2, 0), 3);
	t_sleep_ms(50);
	eq(sh->count, 0);
	eq(pi(&sh->word2, UNLOCK_PI, NULL), 0);
	for (int i = 0; i < 3; i++)
		eqs(t_wait(pid[i]), "exit 0");
	eq(sh->count, 3);
}

static void lists(void)
{
	void *mine = NULL, *theirs = NULL;
	size_t len = 0;
	pid_t pid;

	share(PTHREAD_PRIO_NONE);
	pid = t_fork(hold_and_wait, NULL);
	reach(1);
	eq(syscall(SYS_get_robust_list, 0, &mine, &len), 0);
	eq(syscall(SYS_get_robust_list, pid, &theirs, &len), 0);
	eq(len, 24);
	ok(theirs != NULL);
	fails(syscall(SYS_get_robust_list, 99999999, &theirs, &len), ESRCH);
	must(kill(pid, SIGKILL));
	t_wait(pid);
}

T_MAIN_HELPER(helper, T(killed_with_waiters), T(killed_before), T(killed_under_a_stopped_parent), T(ended), T(threads),
	      T(not_recoverable), T(timed), T(killed_at_any_moment), T(all_kinds), T(inheriting), T(inheriting_raw),
	      T(deadlock), T(requeue_pi), T(lists))
