/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* System V shared memory: attaching, counting over fork, exec, exit and kill, removal while attached, control, limits. */
#include "lib/t.h"
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/resource.h>

#ifndef SHM_STAT_ANY
#define SHM_STAT_ANY 15
#endif

#define SIZE 10000

static int make(size_t size)
{
	return (int)must(shmget(IPC_PRIVATE, size, 0600 | IPC_CREAT));
}

static void drop(int id)
{
	must(shmctl(id, IPC_RMID, NULL));
}

static char *attach(int id, int flags)
{
	char *p = shmat(id, NULL, flags);

	must(p == (void *)-1 ? -1 : 0);
	return p;
}

static long count(int id)
{
	struct shmid_ds ds;

	return shmctl(id, IPC_STAT, &ds) ? -errno : (long)ds.shm_nattch;
}

static void keys(void)
{
	key_t key = 0x60000000 | (getpid() & 0xffffff);
	int id;

	fails(shmget(key, 100, 0600), ENOENT);
	fails(shmget(key, 0, 0600 | IPC_CREAT), EINVAL);
	fails(shmget(key, (size_t)-1, 0600 | IPC_CREAT), EINVAL);
	fails(shmget(key, 1ul << 62, 0600 | IPC_CREAT), ENOMEM);
	id = (int)must(shmget(key, 100, 0600 | IPC_CREAT));
	ok(shmget(key, 0, 0) == id);
	ok(shmget(key, 100, 0600) == id);
	fails(shmget(key, 101, 0600), EINVAL);
	fails(shmget(key, 100, 0600 | IPC_CREAT | IPC_EXCL), EEXIST);
	if (!t_root())
		fails(shmget(key, 100, 0700), EACCES);
	drop(id);
	fails(shmget(key, 100, 0600), ENOENT);
	ok(shmat(id, NULL, 0) == (void *)-1 && errno == EINVAL);
	fails(shmctl(id, IPC_RMID, NULL), EINVAL);
}

static void contents(void)
{
	int id = make(SIZE);
	char *a = attach(id, 0), *b = attach(id, 0);

	ok(a != b);
	ok(a[0] == 0 && a[SIZE - 1] == 0);
	strcpy(a, "one");
	strcpy(a + 8192, "two");
	eqs(b, "one");
	eqs(b + 8192, "two");
	eq(count(id), 2);
	eq(shmdt(a), 0);
	eq(count(id), 1);
	fails(shmdt(a), EINVAL);
	fails(shmdt(b + 1), EINVAL);
	fails(shmdt(b + 4096), EINVAL);
	eqs(b, "one");
	eq(shmdt(b), 0);
	eq(count(id), 0);
	a = attach(id, 0);
	eqs(a, "one");
	drop(id);
	eqs(a, "one");
	must(shmdt(a));
	/* A fresh one is empty, whatever lay in the one before. */
	for (int i = 0; i < 200; i++) {
		id = make(SIZE);
		a = attach(id, 0);
		if (a[0] || a[8192])
			say("FAIL: remains at %d", i);
		a[0] = a[8192] = 1;
		drop(id);
		must(shmdt(a));
	}
}

static void at_addresses(void)
{
	int id = make(SIZE);
	char *hole = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *p;

	munmap(hole, 65536);
	ok(shmat(id, hole + 4096, 0) == hole + 4096);
	ok(shmat(id, hole + 4096, 0) == (void *)-1 && errno == EINVAL);
	ok(shmat(id, hole + 8192 + 5, 0) == (void *)-1 && errno == EINVAL);
	ok(shmat(id, hole + 8192 + 5, SHM_RND) == (void *)-1 && errno == EINVAL);
	ok(shmat(id, hole + 32768 + 5, SHM_RND) == hole + 32768);
	eq(count(id), 2);
	strcpy(hole + 4096, "here");
	ok(shmat(id, NULL, SHM_REMAP) == (void *)-1 && errno == EINVAL);
	p = shmat(id, hole + 32768, SHM_REMAP);
	ok(p == hole + 32768);
	eqs(p, "here");
	eq(count(id), 2);
	ok(shmat(-1, NULL, 0) == (void *)-1 && errno == EINVAL);
	eq(shmdt(hole + 4096), 0);
	/* Parts: what lies in between may be gone. */
	must(munmap(hole + 32768 + 4096, 4096));
	eq(count(id) > 0, 1);
	eq(shmdt(hole + 32768), 0);
	eq(count(id), 0);
	p = attach(id, 0);
	must(munmap(p, SIZE));
	eq(count(id), 0);
	drop(id);
}

static int write_to(void *arg)
{
	*(volatile char *)arg = 1;
	return 0;
}

static void rights(void)
{
	int id = make(SIZE);
	char *p = attach(id, SHM_RDONLY);
	struct shmid_ds ds;

	eq(p[0], 0);
	say("%s", t_wait(t_fork(write_to, p)));
	fails(mprotect(p, 4096, PROT_READ | PROT_WRITE), EACCES);
	must(shmdt(p));
	if (!t_root())
		ok(shmat(id, NULL, SHM_EXEC) == (void *)-1 && errno == EACCES);
	must(shmctl(id, IPC_STAT, &ds));
	ds.shm_perm.mode = 0400;
	must(shmctl(id, IPC_SET, &ds));
	if (!t_root()) {
		ok(shmat(id, NULL, 0) == (void *)-1 && errno == EACCES);
		ok(shmat(id, NULL, SHM_RDONLY | SHM_EXEC) == (void *)-1 && errno == EACCES);
	}
	p = attach(id, SHM_RDONLY);
	must(shmdt(p));
	drop(id);
}

struct family {
	int id;
	struct gate up, go;
};

static int sleepy(void *arg)
{
	struct family *f = arg;

	gate_open(&f->up);
	gate_wait(&f->go);
	return 0;
}

static int sleepy_exec(void *arg)
{
	(void)arg;
	execl(t_self, t_self, "helper", (char *)NULL);
	return 1;
}

static void counting(void)
{
	struct family f = { .id = make(SIZE) };
	char *p = attach(f.id, 0);
	struct shmid_ds ds;
	pid_t c;

	gate_init(&f.up);
	gate_init(&f.go);
	c = t_fork(sleepy, &f);
	gate_wait(&f.up);
	eq(count(f.id), 2);
	kill(c, SIGKILL);
	say("%s", t_wait(c));
	eq(count(f.id), 1);
	must(shmctl(f.id, IPC_STAT, &ds));
	ok(ds.shm_lpid == c);
	ok(ds.shm_cpid == getpid());
	ok(ds.shm_dtime > 0);
	/* exec and exit. */
	c = t_fork(sleepy_exec, &f);
	say("%s", t_wait(c));
	eq(count(f.id), 1);
	c = vfork();
	if (!c) {
		execl(t_self, t_self, "helper", (char *)NULL);
		_exit(1);
	}
	eq(count(f.id), 1);
	say("%s", t_wait(c));
	eq(count(f.id), 1);
	c = vfork();
	if (!c)
		_exit(3);
	say("%s", t_wait(c));
	eq(count(f.id), 1);
	/* The removed one lives as long as somebody holds it. */
	c = t_fork(sleepy, &f);
	drop(f.id);
	must(shmctl(f.id, IPC_STAT, &ds));
	say("mode %o key %d", ds.shm_perm.mode, ds.shm_perm.__key);
	strcpy(p, "still");
	char *q = attach(f.id, 0);
	eqs(q, "still");
	must(shmdt(q));
	must(shmdt(p));
	eq(count(f.id), 1);
	kill(c, SIGKILL);
	say("%s", t_wait(c));
	eq(count(f.id), -EINVAL);
}

static void removed_key(void)
{
	key_t key = 0x61000000 | (getpid() & 0xffffff);
	int a = (int)must(shmget(key, 100, 0600 | IPC_CREAT)), b;
	char *p = attach(a, 0);

	drop(a);
	fails(shmget(key, 100, 0600), ENOENT);
	b = (int)must(shmget(key, 100, 0600 | IPC_CREAT | IPC_EXCL));
	ok(a != b);
	must(shmdt(p));
	drop(b);
}

static void control(void)
{
	struct shmid_ds ds = { 0 };
	time_t now = time(NULL);
	int id = make(SIZE);

	eq(shmctl(id, IPC_STAT, &ds), 0);
	say("mode %o size %zu nattch %lu atime %ld dtime %ld lpid %d", ds.shm_perm.mode, ds.shm_segsz, (unsigned long)ds.shm_nattch,
	    (long)ds.shm_atime, (long)ds.shm_dtime, ds.shm_lpid);
	ok(ds.shm_ctime >= now - 1);
	ok(ds.shm_perm.uid == geteuid() && ds.shm_perm.cgid == getegid());
	must(shmdt(attach(id, 0)));
	eq(shmctl(id, IPC_STAT, &ds), 0);
	ok(ds.shm_atime >= now - 1 && ds.shm_dtime >= ds.shm_atime && ds.shm_lpid == getpid());
	ok(shmctl(id & 0x7fff, SHM_STAT, &ds) == id);
	ok(shmctl(id & 0x7fff, SHM_STAT_ANY, &ds) == id);
	eq(shmctl(id, SHM_LOCK, NULL), 0);
	must(shmctl(id, IPC_STAT, &ds));
	say("mode %o", ds.shm_perm.mode);
	eq(shmctl(id, SHM_UNLOCK, NULL), 0);
	fails(shmctl(id, 99, &ds), EINVAL);
	fails(shmctl(-1, IPC_STAT, &ds), EINVAL);
	fails(shmctl(id, IPC_STAT, NULL), EFAULT);
	ds.shm_perm.mode = 0;
	eq(shmctl(id, IPC_SET, &ds), 0);
	if (!t_root()) {
		fails(shmctl(id, IPC_STAT, &ds), EACCES);
		fails(shmctl(id & 0x7fff, SHM_STAT, &ds), EACCES);
	}
	ok(shmctl(id & 0x7fff, SHM_STAT_ANY, &ds) == id);
	drop(id);
}

static void limits(void)
{
	unsigned long lim[8] = { 0 };
	struct {
		int used;
		unsigned long tot, rss, swp, a, b;
	} info = { 0 };
	int id;
	char *p;

	ok(shmctl(0, IPC_INFO, (struct shmid_ds *)lim) >= 0);
	say("max %lu min %lu mni %lu seg %lu all %lu", lim[0], lim[1], lim[2], lim[3], lim[4]);
	id = make(100000);
	p = attach(id, 0);
	memset(p, 1, 50000);
	ok(shmctl(0, 14, (struct shmid_ds *)&info) >= 0);
	ok(info.used >= 1 && info.tot >= 25 && info.rss >= 13);
	drop(id);
	must(shmdt(p));
	say("%s", t_read_file("/proc/sys/kernel/shmmax"));
	say("%s", t_read_file("/proc/sys/kernel/shmall"));
	say("%s", t_read_file("/proc/sys/kernel/shmmni"));
	say("%s", t_read_file("/proc/sys/kernel/shm_rmid_forced"));
}

/* The table may be as long as the host's users made it: line by line. */
static bool in_table(const char *want)
{
	char line[512];
	bool found = false;
	FILE *f = fopen("/proc/sysvipc/shm", "r");

	must(f ? 0 : -1);
	while (!found && fgets(line, sizeof(line), f))
		found = strncmp(line, want, strlen(want)) == 0;
	fclose(f);
	return found;
}

static void in_maps(void)
{
	char want[64];
	int id = make(SIZE);
	char *p = attach(id, 0);

	snprintf(want, sizeof(want), "/SYSV%08x (deleted)", 0);
	ok(strstr(t_read_file("/proc/self/maps"), want) != NULL);
	snprintf(want, sizeof(want), "%10d %10d  %4o %21d", 0, id, 0600, SIZE);
	ok(in_table(want));
	must(shmdt(p));
	ok(strstr(t_read_file("/proc/self/maps"), "/SYSV") == NULL);
	drop(id);
}

static int touch(void *arg)
{
	for (int i = 0; i < 1000; i++)
		__atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static void shared_by_many(void)
{
	int id = make(SIZE);
	int *n = (int *)attach(id, 0);
	pid_t pid[8];

	for (int i = 0; i < 8; i++)
		pid[i] = t_fork(touch, n);
	for (int i = 0; i < 8; i++)
		say("%s", t_wait(pid[i]));
	eq(*n, 8000);
	eq(count(id), 1);
	drop(id);
}

static int helper(int argc, char **argv)
{
	(void)argc, (void)argv;
	return 0;
}

T_MAIN_HELPER(helper, T(keys), T(contents), T(at_addresses), T(rights), T(counting), T(removed_key), T(control), T(limits),
	      T(in_maps), T(shared_by_many))
