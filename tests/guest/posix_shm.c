/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* shm_open and sem_open: names below /dev/shm, and what processes share through them. */
#include "lib/t.h"
#include <pthread.h>
#include <semaphore.h>

static char name[40];

static const char *fresh(void)
{
	snprintf(name, sizeof(name), "/t%d", getpid());
	shm_unlink(name);
	sem_unlink(name);
	return name;
}

/* ---- shared memory ---- */

static void memory(void)
{
	int fd, other;
	struct stat st;
	char *p, *q;

	fails(shm_open(fresh(), O_RDWR, 0600), ENOENT);
	fd = (int)must(shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0640));
	fails(shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	ok(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	eq(ftruncate(fd, 10000), 0);
	must(fstat(fd, &st));
	say("%o %ld", st.st_mode, (long)st.st_size);
	p = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ok(p != MAP_FAILED);
	other = (int)must(shm_open(name, O_RDONLY, 0));
	q = mmap(NULL, 10000, PROT_READ, MAP_SHARED, other, 0);
	ok(q != MAP_FAILED);
	ok(mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0) == MAP_FAILED && errno == EACCES);
	strcpy(p + 5000, "shared");
	eqs(q + 5000, "shared");
	eq(shm_unlink(name), 0);
	fails(shm_unlink(name), ENOENT);
	fails(shm_open(name, O_RDWR, 0600), ENOENT);
	strcpy(p + 5000, "still");
	eqs(q + 5000, "still");
	close(fd);
	close(other);
	eqs(q + 5000, "still");
}

struct shared {
	pthread_mutex_t mutex, robust;
	pthread_cond_t cond;
	pthread_barrier_t barrier;
	pthread_rwlock_t rw;
	sem_t sem;
	int count, turn;
};

/* By its name, as unrelated processes do it. */
static struct shared *map(int flags)
{
	int fd = (int)must(shm_open(name, O_RDWR | flags, 0600));
	struct shared *s;

	if (flags)
		must(ftruncate(fd, sizeof(*s)));
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(s == MAP_FAILED ? -1 : 0);
	close(fd);
	return s;
}

static struct shared *make(void)
{
	pthread_mutexattr_t m;
	pthread_condattr_t c;
	pthread_barrierattr_t b;
	pthread_rwlockattr_t r;
	struct shared *s;

	fresh();
	s = map(O_CREAT | O_EXCL);
	zero(pthread_mutexattr_init(&m));
	zero(pthread_mutexattr_setpshared(&m, PTHREAD_PROCESS_SHARED));
	zero(pthread_mutex_init(&s->mutex, &m));
	zero(pthread_mutexattr_setrobust(&m, PTHREAD_MUTEX_ROBUST));
	zero(pthread_mutex_init(&s->robust, &m));
	zero(pthread_condattr_init(&c));
	zero(pthread_condattr_setpshared(&c, PTHREAD_PROCESS_SHARED));
	zero(pthread_cond_init(&s->cond, &c));
	zero(pthread_barrierattr_init(&b));
	zero(pthread_barrierattr_setpshared(&b, PTHREAD_PROCESS_SHARED));
	zero(pthread_barrier_init(&s->barrier, &b, 4));
	zero(pthread_rwlockattr_init(&r));
	zero(pthread_rwlockattr_setpshared(&r, PTHREAD_PROCESS_SHARED));
	zero(pthread_rwlock_init(&s->rw, &r));
	must(sem_init(&s->sem, 1, 0));
	return s;
}

static int member(void *arg)
{
	int me = (int)(long)arg;
	struct shared *s = map(0);

	pthread_barrier_wait(&s->barrier);
	for (int i = 0; i < 2000; i++) {
		pthread_mutex_lock(&s->mutex);
		s->count++;
		pthread_mutex_unlock(&s->mutex);
	}
	/* In turn. */
	pthread_mutex_lock(&s->mutex);
	while (s->turn != me)
		pthread_cond_wait(&s->cond, &s->mutex);
	say("turn of %d", me);
	s->turn++;
	pthread_cond_broadcast(&s->cond);
	pthread_mutex_unlock(&s->mutex);
	pthread_rwlock_wrlock(&s->rw);
	s->count++;
	pthread_rwlock_unlock(&s->rw);
	return sem_post(&s->sem);
}

static void threads_things(void)
{
	struct shared *s = make();
	pid_t pid[4];

	for (long i = 0; i < 4; i++)
		pid[i] = t_fork(member, (void *)i);
	for (int i = 0; i < 4; i++)
		must(sem_wait(&s->sem));
	for (int i = 0; i < 4; i++)
		say("%s", t_wait(pid[i]));
	eq(s->count, 8004);
	shm_unlink(name);
}

static int hold(void *arg)
{
	(void)arg;
	struct shared *s = map(0);

	pthread_mutex_lock(&s->robust);
	sem_post(&s->sem);
	pause();
	return 0;
}

static void robust(void)
{
	struct shared *s = make();
	pid_t p = t_fork(hold, NULL);

	must(sem_wait(&s->sem));
	eq(pthread_mutex_trylock(&s->robust), EBUSY);
	kill(p, SIGKILL);
	say("%s", t_wait(p));
	eq(pthread_mutex_lock(&s->robust), EOWNERDEAD);
	eq(pthread_mutex_consistent(&s->robust), 0);
	eq(pthread_mutex_unlock(&s->robust), 0);
	eq(pthread_mutex_lock(&s->robust), 0);
	shm_unlink(name);
}

/* ---- named semaphores ---- */

static int wait_by_name(void *arg)
{
	sem_t *s = sem_open((const char *)arg, 0);

	return s == SEM_FAILED ? errno : sem_wait(s);
}

static void semaphores(void)
{
	struct timespec ts;
	sem_t *s, *again;
	int value;
	pid_t p;

	fresh();
	ok(sem_open(name, 0) == SEM_FAILED && errno == ENOENT);
	s = sem_open(name, O_CREAT | O_EXCL, 0600, 2);
	ok(s != SEM_FAILED);
	ok(sem_open(name, O_CREAT | O_EXCL, 0600, 1) == SEM_FAILED && errno == EEXIST);
	again = sem_open(name, O_CREAT, 0600, 9);
	ok(again == s);
	must(sem_getvalue(s, &value));
	eq(value, 2);
	eq(sem_wait(s), 0);
	eq(sem_trywait(s), 0);
	fails(sem_trywait(s), EAGAIN);
	clock_gettime(CLOCK_REALTIME, &ts);
	fails(sem_timedwait(s, &ts), ETIMEDOUT);
	p = t_fork(wait_by_name, name);
	t_asleep(p, 50);
	eq(waitpid(p, NULL, WNOHANG), 0);
	eq(sem_post(s), 0);
	say("%s", t_wait(p));
	must(sem_getvalue(s, &value));
	eq(value, 0);
	eq(sem_unlink(name), 0);
	fails(sem_unlink(name), ENOENT);
	eq(sem_post(s), 0);
	eq(sem_wait(again), 0);
	eq(sem_close(s), 0);
	eq(sem_close(again), 0);
}

static int helper(int argc, char **argv)
{
	(void)argc;
	sem_t *a = sem_open(argv[2], 0), *b = sem_open(argv[3], 0);

	for (int i = 0; i < 500; i++)
		if (sem_wait(a) || sem_post(b))
			return 1;
	return 0;
}

/* With a program of its own. */
static void over_exec(void)
{
	char other[48];
	sem_t *a, *b;
	pid_t p;

	snprintf(other, sizeof(other), "%s-b", fresh());
	sem_unlink(other);
	a = sem_open(name, O_CREAT, 0600, 0);
	b = sem_open(other, O_CREAT, 0600, 0);
	ok(a != SEM_FAILED && b != SEM_FAILED);
	p = fork();
	if (!p) {
		execl(t_self, t_self, "helper", name, other, (char *)NULL);
		_exit(9);
	}
	for (int i = 0; i < 500; i++) {
		must(sem_post(a));
		must(sem_wait(b));
	}
	say("%s", t_wait(p));
	sem_unlink(name);
	sem_unlink(other);
}

T_MAIN_HELPER(helper, T(memory), T(threads_things), T(robust), T(semaphores), T(over_exec))
