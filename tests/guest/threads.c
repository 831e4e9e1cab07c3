// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Threads: creation, thread-local storage, locks, cancellation, and what fork, exec and exit do among them.
 */
#include "lib/t.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

enum { MANY = 32 };

static _Thread_local int tls = 7;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static long counter;
static int turn;

static void *add(void *arg)
{
	tls += (int)(intptr_t)arg;
	for (int i = 0; i < 5000; i++) {
		pthread_mutex_lock(&lock);
		counter++;
		pthread_mutex_unlock(&lock);
	}
	return (void *)(intptr_t)tls;
}

static void create_join(void)
{
	pthread_t t[MANY];
	bool good = true;
	void *r;

	for (intptr_t i = 0; i < MANY; i++)
		zero(pthread_create(&t[i], NULL, add, (void *)i));
	for (intptr_t i = 0; i < MANY; i++) {
		zero(pthread_join(t[i], &r));
		good = good && (intptr_t)r == 7 + i;
	}
	ok(good);
	eq(counter, MANY * 5000);
	eq(tls, 7);
	for (intptr_t i = 0; i < 500; i++) {
		pthread_t one;
		zero(pthread_create(&one, NULL, add, (void *)1));
		zero(pthread_join(one, NULL));
	}
	eq(counter, MANY * 5000 + 500 * 5000);
}

static void *ping(void *arg)
{
	int me = (int)(intptr_t)arg;

	for (int i = 0; i < 1000; i++) {
		pthread_mutex_lock(&lock);
		while (turn != me)
			pthread_cond_wait(&cond, &lock);
		turn = !me;
		counter++;
		pthread_cond_signal(&cond);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void *meet(void *arg)
{
	int serial = 0;

	for (int i = 0; i < 50; i++)
		serial += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
	return (void *)(intptr_t)serial;
}

static void conditions(void)
{
	pthread_t t[4];
	void *r;
	int serial = 0;

	counter = 0;
	turn = 0;
	for (intptr_t i = 0; i < 2; i++)
		zero(pthread_create(&t[i], NULL, ping, (void *)i));
	for (int i = 0; i < 2; i++)
		zero(pthread_join(t[i], NULL));
	eq(counter, 2000);
	zero(pthread_barrier_init(&barrier, NULL, 4));
	for (int i = 0; i < 4; i++)
		zero(pthread_create(&t[i], NULL, meet, NULL));
	for (int i = 0; i < 4; i++) {
		zero(pthread_join(t[i], &r));
		serial += (intptr_t)r;
	}
	eq(serial, 50);
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += 50000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&lock);
	eq(pthread_cond_timedwait(&cond, &lock, &ts), ETIMEDOUT);
	eq(pthread_mutex_trylock(&lock), EBUSY);
	pthread_mutex_unlock(&lock);
	pthread_mutexattr_t a;
	pthread_mutex_t m;
	zero(pthread_mutexattr_init(&a));
	zero(pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK));
	zero(pthread_mutex_init(&m, &a));
	eq(pthread_mutex_unlock(&m), EPERM);
	zero(pthread_mutex_lock(&m));
	eq(pthread_mutex_lock(&m), EDEADLK);
	sem_t sem;
	must(sem_init(&sem, 0, 2));
	eq(sem_wait(&sem), 0);
	eq(sem_trywait(&sem), 0);
	fails(sem_trywait(&sem), EAGAIN);
	fails(sem_timedwait(&sem, &ts), ETIMEDOUT);
}

static volatile int cleaned;

static void clean(void *arg)
{
	cleaned++;
}

static void *cancel_me(void *arg)
{
	pthread_cleanup_push(clean, NULL);
	if (arg) {
		pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
		for (;;)
			;
	}
	for (;;)
		pause();
	pthread_cleanup_pop(0);
	return NULL;
}

static void *cancel_read(void *arg)
{
	char c;

	pthread_cleanup_push(clean, NULL);
	while (read(*(int *)arg, &c, 1) >= 0)
		;
	pthread_cleanup_pop(0);
	return NULL;
}

static void cancellation(void)
{
	pthread_t t;
	void *r;
	int p[2];

	must(pipe(p));
	zero(pthread_create(&t, NULL, cancel_me, NULL));
	t_sleep_ms(20);
	zero(pthread_cancel(t));
	zero(pthread_join(t, &r));
	ok(r == PTHREAD_CANCELED);
	eq(cleaned, 1);
	zero(pthread_create(&t, NULL, cancel_read, &p[0]));
	t_sleep_ms(20);
	zero(pthread_cancel(t));
	zero(pthread_join(t, &r));
	ok(r == PTHREAD_CANCELED);
	eq(cleaned, 2);
	zero(pthread_create(&t, NULL, cancel_me, (void *)1));
	t_sleep_ms(20);
	zero(pthread_cancel(t));
	zero(pthread_join(t, &r));
	ok(r == PTHREAD_CANCELED);
	eq(cleaned, 3);
	/* Cancelled before it begins to wait. */
	for (int i = 0; i < 50; i++) {
		zero(pthread_create(&t, NULL, cancel_read, &p[0]));
		zero(pthread_cancel(t));
		zero(pthread_join(t, &r));
		if (r != PTHREAD_CANCELED)
			say("FAIL not cancelled");
	}
}

static pthread_mutex_t robust;

static void *die_holding(void *arg)
{
	pthread_mutex_lock(&robust);
	return NULL;
}

static void robust_locks(void)
{
	pthread_mutexattr_t a;
	pthread_t t;

	zero(pthread_mutexattr_init(&a));
	zero(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST));
	zero(pthread_mutex_init(&robust, &a));
	zero(pthread_create(&t, NULL, die_holding, NULL));
	zero(pthread_join(t, NULL));
	eq(pthread_mutex_lock(&robust), EOWNERDEAD);
	eq(pthread_mutex_consistent(&robust), 0);
	eq(pthread_mutex_unlock(&robust), 0);
	eq(pthread_mutex_lock(&robust), 0);
	eq(pthread_mutex_unlock(&robust), 0);
	/* Between processes: the owner is killed. */
	pthread_mutex_t *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	zero(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED));
	zero(pthread_mutex_init(m, &a));
	pid_t pid = must(fork());
	if (pid == 0) {
		pthread_mutex_lock(m);
		raise(SIGKILL);
	}
	eqs(t_wait(pid), "killed by SIGKILL");
	eq(pthread_mutex_lock(m), EOWNERDEAD);
	eq(pthread_mutex_unlock(m), 0);
	eq(pthread_mutex_lock(m), ENOTRECOVERABLE);
	/* A waiter is woken when the owner dies. */
	zero(pthread_mutex_init(m, &a));
	struct gate g;
	gate_init(&g);
	pid = must(fork());
	if (pid == 0) {
		pthread_mutex_lock(m);
		gate_open(&g);
		t_sleep_ms(100);
		_exit(0);
	}
	gate_wait(&g);
	eq(pthread_mutex_lock(m), EOWNERDEAD);
	t_wait(pid);
	/* With priority inheritance. */
	zero(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT));
	zero(pthread_mutex_init(m, &a));
	eq(pthread_mutex_lock(m), 0);
	pid = must(fork());
	if (pid == 0)
		_exit(pthread_mutex_trylock(m) == EBUSY ? 0 : 1);
	eqs(t_wait(pid), "exit 0");
	pid = must(fork());
	if (pid == 0)
		_exit(pthread_mutex_lock(m) == 0 && pthread_mutex_unlock(m) == 0 ? 0 : 1);
	t_sleep_ms(50);
	eq(pthread_mutex_unlock(m), 0);
	eqs(t_wait(pid), "exit 0");
}

static void *fork_inside(void *arg)
{
	pid_t pid = fork();

	if (pid == 0) {
		/* Only this thread lives on here. */
		pthread_t t;
		void *r = NULL;
		if (syscall(SYS_gettid) != getpid())
			_exit(1);
		if (pthread_create(&t, NULL, add, (void *)3) || pthread_join(t, &r) || (intptr_t)r != 10)
			_exit(2);
		_exit(0);
	}
	int st = -1;
	waitpid(pid, &st, 0);
	return (void *)(intptr_t)st;
}

static volatile int spinning = 1;

static void *spin(void *arg)
{
	while (spinning)
		counter++;
	return NULL;
}

static void forks(void)
{
	pthread_t t, s[2];
	void *r;

	for (int i = 0; i < 2; i++)
		zero(pthread_create(&s[i], NULL, spin, NULL));
	for (int i = 0; i < 20; i++) {
		zero(pthread_create(&t, NULL, fork_inside, NULL));
		zero(pthread_join(t, &r));
		if (r)
			say("FAIL fork in a thread: %s", t_status((intptr_t)r));
	}
	spinning = 0;
	for (int i = 0; i < 2; i++)
		zero(pthread_join(s[i], NULL));
	eq(system("exit 6") >> 8, 6);
	say("done");
}

static void *exec_inside(void *arg)
{
	execl("/bin/sh", "sh", "-c", "test $$ = $0 && exit 3", arg, NULL);
	_exit(99);
}

static void *exit_inside(void *arg)
{
	exit(5);
}

static void *sleep_long(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void run_once(void)
{
	counter++;
}

static void *call_once(void *arg)
{
	pthread_once(&once, run_once);
	return NULL;
}

static void *outlive(void *arg)
{
	t_sleep_ms(50);
	_exit(kill(getpid(), 0) ? 5 : 4);
}

static void leaving(void)
{
	pthread_t t;
	char text[16];
	pid_t pid = must(fork());

	if (pid == 0) {
		spinning = 1;
		pthread_create(&t, NULL, sleep_long, NULL);
		pthread_create(&t, NULL, spin, NULL);
		snprintf(text, sizeof(text), "%d", getpid());
		pthread_create(&t, NULL, exec_inside, text);
		sleep_long(NULL);
	}
	eqs(t_wait(pid), "exit 3");
	pid = must(fork());
	if (pid == 0) {
		pthread_create(&t, NULL, exit_inside, NULL);
		sleep_long(NULL);
	}
	eqs(t_wait(pid), "exit 5");
	/* The first thread leaves, the process lives until the last one does. */
	pid = must(fork());
	if (pid == 0) {
		pthread_create(&t, NULL, outlive, NULL);
		pthread_exit(NULL);
	}
	eqs(t_wait(pid), "exit 4");
#ifdef __GLIBC__ /* musl 1.2.3 hangs here on any kernel */
	pid = must(fork());
	if (pid == 0) {
		pthread_create(&t, NULL, call_once, NULL);
		pthread_exit(NULL);
	}
	eqs(t_wait(pid), "exit 0");
#endif
	pid = must(fork());
	if (pid == 0) {
		spinning = 1;
		for (int i = 0; i < 4; i++)
			pthread_create(&t, NULL, i % 2 ? sleep_long : spin, NULL);
		t_sleep_ms(20);
		raise(SIGTERM);
		sleep_long(NULL);
	}
	eqs(t_wait(pid), "killed by SIGTERM");
	pid = must(fork());
	if (pid == 0) {
		pthread_create(&t, NULL, sleep_long, NULL);
		t_sleep_ms(10);
		syscall(SYS_exit_group, 6);
	}
	eqs(t_wait(pid), "exit 6");
}

static pthread_key_t key;
static int destroyed;

static void destroy(void *p)
{
	destroyed++;
}

static void *use_key(void *arg)
{
	if (pthread_getspecific(key))
		return (void *)1;
	pthread_setspecific(key, &key);
	return NULL;
}

static void misc(void)
{
	pthread_t t[8];
	pthread_attr_t a;
	size_t size;

	zero(pthread_key_create(&key, destroy));
	for (int i = 0; i < 8; i++)
		zero(pthread_create(&t[i], NULL, use_key, NULL));
	for (int i = 0; i < 8; i++)
		zero(pthread_join(t[i], NULL));
	eq(destroyed, 8);
	counter = 0;
	for (int i = 0; i < 8; i++)
		zero(pthread_create(&t[i], NULL, call_once, NULL));
	for (int i = 0; i < 8; i++)
		zero(pthread_join(t[i], NULL));
	eq(counter, 1);
	zero(pthread_attr_init(&a));
	zero(pthread_attr_setstacksize(&a, 1 << 20));
	zero(pthread_attr_getstacksize(&a, &size));
	eq(size, 1 << 20);
	zero(pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED));
	for (int i = 0; i < 50; i++)
		zero(pthread_create(&t[0], &a, call_once, NULL));
	pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
	eq(pthread_rwlock_rdlock(&rw), 0);
	eq(pthread_rwlock_tryrdlock(&rw), 0);
	eq(pthread_rwlock_trywrlock(&rw), EBUSY);
	cpu_set_t cpus;
	eq(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	ok(CPU_COUNT(&cpus) >= 1 && CPU_COUNT(&cpus) == sysconf(_SC_NPROCESSORS_ONLN));
	eq(sched_yield(), 0);
}

T_MAIN(T(create_join), T(conditions), T(cancellation), T(robust_locks), T(forks), T(leaving), T(misc))
