/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* System V message queues: types in all their forms, sleepers on both sides, limits, control. */
#include "lib/t.h"
#include <limits.h>
#include <sys/ipc.h>
#include <sys/msg.h>

#ifndef MSG_COPY
#define MSG_COPY 040000
#endif
#ifndef MSG_STAT_ANY
#define MSG_STAT_ANY 13
#endif

struct message {
	long type;
	char text[9000];
};

static int make(void)
{
	return (int)must(msgget(IPC_PRIVATE, 0600 | IPC_CREAT));
}

static void drop(int q)
{
	must(msgctl(q, IPC_RMID, NULL));
}

static int put(int q, long type, const char *text, int flags)
{
	struct message m = { .type = type };

	strcpy(m.text, text);
	return msgsnd(q, &m, strlen(text) + 1, flags);
}

/* What comes, or the error's name. */
static const char *take(int q, long type, size_t size, int flags)
{
	static struct message m;
	static char out[200];
	ssize_t n = msgrcv(q, &m, size, type, flags);

	if (n < 0)
		snprintf(out, sizeof(out), "%s", t_errname(errno));
	else
		snprintf(out, sizeof(out), "%ld %zd %.*s", m.type, n, (int)n, m.text);
	return out;
}

static void keys(void)
{
	key_t key = 0x5f000000 | (getpid() & 0xffffff);
	int q;

	fails(msgget(key, 0600), ENOENT);
	q = (int)must(msgget(key, 0640 | IPC_CREAT));
	ok(msgget(key, 0) == q);
	ok(msgget(key, 0600 | IPC_CREAT) == q);
	fails(msgget(key, 0600 | IPC_CREAT | IPC_EXCL), EEXIST);
	if (!t_root())
		fails(msgget(key, 0700), EACCES);
	drop(q);
	fails(msgget(key, 0600), ENOENT);
	fails(put(q, 1, "x", 0), EINVAL);
	fails(msgctl(q, IPC_RMID, NULL), EINVAL);
}

static void types(void)
{
	static const int order[] = { 3, 1, 2, 1, 5, 3 };
	char text[8];
	int q = make();

	for (int i = 0; i < 6; i++) {
		snprintf(text, sizeof(text), "m%d", i);
		eq(put(q, order[i], text, 0), 0);
	}
	say("%s", take(q, 1, 100, 0));
	say("%s", take(q, -2, 100, 0));
	say("%s", take(q, 3, 100, MSG_EXCEPT));
	say("%s", take(q, 7, 100, IPC_NOWAIT));
	say("%s", take(q, -10, 100, 0));
	say("%s", take(q, 0, 100, 0));
	say("%s", take(q, LONG_MIN, 100, 0));
	say("%s", take(q, 0, 100, IPC_NOWAIT));
	drop(q);
}

static void sizes(void)
{
	struct message m = { .type = 1 };
	int q = make();

	eq(put(q, 1, "hello world", 0), 0);
	say("%s", take(q, 0, 5, 0));
	say("%s", take(q, 0, 5, MSG_NOERROR));
	say("%s", take(q, 0, 5, IPC_NOWAIT));
	fails(msgsnd(q, &m, 8193, 0), EINVAL);
	fails(msgsnd(q, &m, (size_t)-1, 0), EINVAL);
	m.type = 0;
	fails(msgsnd(q, &m, 1, 0), EINVAL);
	m.type = -3;
	fails(msgsnd(q, &m, 1, 0), EINVAL);
	m.type = 1;
	fails(msgsnd(q, NULL, 1, 0), EFAULT);
	fails(msgsnd(-1, &m, 1, 0), EINVAL);
	fails(msgrcv(q, &m, (size_t)-1, 0, IPC_NOWAIT), EINVAL);
	for (size_t i = 0; i < 8192; i++)
		m.text[i] = (char)(i * 7);
	eq(msgsnd(q, &m, 8192, 0), 0);
	memset(m.text, 0, sizeof(m.text));
	eq(msgrcv(q, &m, 8192, 0, 0), 8192);
	bool same = true;
	for (size_t i = 0; i < 8192; i++)
		same &= m.text[i] == (char)(i * 7);
	ok(same);
	eq(msgsnd(q, &m, 0, 0), 0);
	eq(msgrcv(q, &m, 0, 0, 0), 0);
	/* A message whose receiver's buffer is bad is gone. */
	eq(put(q, 1, "x", 0), 0);
	fails(msgrcv(q, NULL, 10, 0, 0), EFAULT);
	say("%s", take(q, 0, 10, IPC_NOWAIT));
	drop(q);
}

static void copies(void)
{
	int q = make();

	eq(put(q, 4, "first", 0), 0);
	eq(put(q, 2, "second", 0), 0);
	say("%s", take(q, 1, 100, MSG_COPY | IPC_NOWAIT));
	say("%s", take(q, 0, 100, MSG_COPY | IPC_NOWAIT));
	say("%s", take(q, 2, 100, MSG_COPY | IPC_NOWAIT));
	say("%s", take(q, 0, 2, MSG_COPY | IPC_NOWAIT));
	say("%s", take(q, 0, 100, MSG_COPY));
	say("%s", take(q, 0, 100, MSG_COPY | IPC_NOWAIT | MSG_EXCEPT));
	say("%s", take(q, 0, 100, 0));
	drop(q);
}

static void full(void)
{
	struct message m = { .type = 1 };
	struct msqid_ds ds;
	int q = make(), n = 0;

	eq(msgsnd(q, &m, 8192, 0), 0);
	eq(msgsnd(q, &m, 8192, 0), 0);
	fails(msgsnd(q, &m, 1, IPC_NOWAIT), EAGAIN);
	eq(msgsnd(q, &m, 0, IPC_NOWAIT), 0);
	must(msgctl(q, IPC_STAT, &ds));
	say("qnum %ld cbytes %ld qbytes %ld", (long)ds.msg_qnum, (long)ds.msg_cbytes, (long)ds.msg_qbytes);
	drop(q);
	q = make();
	while (!msgsnd(q, &m, 0, IPC_NOWAIT))
		n++;
	say("%d messages of nothing", n);
	drop(q);
	/* Blocks are used again. */
	q = make();
	for (int i = 0; i < 20000; i++)
		if (msgsnd(q, &m, (size_t)(i % 3000), IPC_NOWAIT) || msgrcv(q, &m, 8192, 0, IPC_NOWAIT) != i % 3000)
			say("FAIL at %d", i);
	drop(q);
}

struct job {
	int q;
	long type;
	int flags;
	const char *name;
	size_t size;
};

/* Ends with the message's length, or 100 and the error. */
static int receiver(void *arg)
{
	struct job *j = arg;
	struct message m;
	ssize_t n = msgrcv(j->q, &m, j->size ? j->size : 90, j->type, j->flags);

	return n < 0 ? 100 + errno : (int)n;
}

static int sender(void *arg)
{
	struct job *j = arg;
	struct message m = { .type = j->type };

	return msgsnd(j->q, &m, j->size, 0) ? 100 + errno : 0;
}

static void receivers(void)
{
	int q = make();
	struct job jobs[] = { { q, 2, 0, "two", 0 }, { q, 0, 0, "any", 0 }, { q, 2, MSG_EXCEPT, "not two", 0 },
			      { q, 0, 0, "small", 3 }, { q, -5, 0, "up to five", 0 } };
	pid_t pid[5];

	for (int i = 0; i < 5; i++) {
		pid[i] = t_fork(receiver, &jobs[i]);
		t_asleep(pid[i], 40);
	}
	eq(put(q, 2, "for two", 0), 0);
	say("%s", t_wait(pid[0]));
	eq(put(q, 2, "for any", 0), 0);
	say("%s", t_wait(pid[1]));
	eq(put(q, 9, "nine", 0), 0);
	say("%s", t_wait(pid[2]));
	/* Too long for the one who is next: he learns so, and the one behind him gets it. */
	eq(put(q, 4, "long one", 0), 0);
	say("%s", t_wait(pid[3]));
	say("%s", t_wait(pid[4]));
	say("%s", take(q, 0, 10, IPC_NOWAIT));
	drop(q);
}

static void senders(void)
{
	struct message m = { .type = 1 };
	int q = make();
	struct job job = { q, 1, 0, "sender", 8000 };
	pid_t p;

	eq(msgsnd(q, &m, 8192, 0), 0);
	eq(msgsnd(q, &m, 8000, 0), 0);
	p = t_fork(sender, &job);
	t_asleep(p, 50);
	eq(msgrcv(q, &m, 8192, 0, 0), 8192);
	say("%s", t_wait(p));
	p = t_fork(sender, &job);
	t_asleep(p, 50);
	drop(q);
	say("%s", t_wait(p));
}

static void removal_wakes(void)
{
	int q = make();
	struct job job = { q, 3, 0, "receiver", 0 };
	pid_t p = t_fork(receiver, &job);

	t_asleep(p, 50);
	drop(q);
	say("%s", t_wait(p));
}

static void on_signal(int sig)
{
	(void)sig;
}

static int poke(void *arg)
{
	t_sleep_ms(60);
	kill(*(pid_t *)arg, SIGUSR1);
	return 0;
}

static void interrupted(void)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct message m = { .type = 1 };
	pid_t self = getpid(), p;
	int q = make();

	must(sigaction(SIGUSR1, &sa, NULL));
	p = t_fork(poke, &self);
	say("%s", take(q, 0, 100, 0));
	say("%s", t_wait(p));
	eq(msgsnd(q, &m, 8192, 0), 0);
	eq(msgsnd(q, &m, 8192, 0), 0);
	p = t_fork(poke, &self);
	fails(msgsnd(q, &m, 8192, 0), EINTR);
	say("%s", t_wait(p));
	/* Who was interrupted waits no more: the next message stays. */
	eq(msgrcv(q, &m, 8192, 0, 0), 8192);
	eq(msgrcv(q, &m, 8192, 0, 0), 8192);
	eq(put(q, 1, "stays", 0), 0);
	say("%s", take(q, 0, 100, IPC_NOWAIT));
	drop(q);
}

static int quiet_sender(void *arg)
{
	return put(*(int *)arg, 1, "hi", 0);
}

static void control(void)
{
	struct msqid_ds ds = { 0 };
	time_t now = time(NULL);
	int q = make();
	pid_t p;

	eq(msgctl(q, IPC_STAT, &ds), 0);
	say("mode %o qnum %ld qbytes %ld stime %ld rtime %ld lspid %d lrpid %d", ds.msg_perm.mode, (long)ds.msg_qnum,
	    (long)ds.msg_qbytes, (long)ds.msg_stime, (long)ds.msg_rtime, ds.msg_lspid, ds.msg_lrpid);
	p = t_fork(quiet_sender, &q);
	say("%s", t_wait(p));
	say("%s", take(q, 0, 100, 0));
	eq(msgctl(q, IPC_STAT, &ds), 0);
	ok(ds.msg_lspid == p && ds.msg_lrpid == getpid());
	ok(ds.msg_stime >= now - 1 && ds.msg_rtime >= ds.msg_stime);
	ds.msg_perm.mode = 0400;
	ds.msg_qbytes = 100;
	eq(msgctl(q, IPC_SET, &ds), 0);
	if (!t_root()) {
		fails(put(q, 1, "x", 0), EACCES);
		ds.msg_qbytes = 20000;
		fails(msgctl(q, IPC_SET, &ds), EPERM);
	}
	ds.msg_perm.mode = 0600;
	ds.msg_qbytes = 10;
	eq(msgctl(q, IPC_SET, &ds), 0);
	fails(put(q, 1, "more than ten", IPC_NOWAIT), EAGAIN);
	eq(put(q, 1, "not ten", IPC_NOWAIT), 0);
	ok(msgctl(q & 0x7fff, MSG_STAT, &ds) == q);
	ok(msgctl(q & 0x7fff, MSG_STAT_ANY, &ds) == q);
	eq(ds.msg_cbytes, 8);
	fails(msgctl(q, 99, &ds), EINVAL);
	fails(msgctl(q, IPC_STAT, NULL), EFAULT);
	drop(q);
}

static void limits(void)
{
	struct msginfo i = { 0 };

	ok(msgctl(0, IPC_INFO, (struct msqid_ds *)&i) >= 0);
	say("pool %d map %d max %d mnb %d mni %d ssz %d tql %d seg %d", i.msgpool, i.msgmap, i.msgmax, i.msgmnb, i.msgmni, i.msgssz,
	    i.msgtql, i.msgseg);
	int q = make();
	eq(put(q, 1, "123", 0), 0);
	ok(msgctl(0, MSG_INFO, (struct msqid_ds *)&i) >= 0);
	ok(i.msgpool >= 1 && i.msgmap >= 1 && i.msgtql >= 4);
	drop(q);
	say("%s", t_read_file("/proc/sys/kernel/msgmax"));
	say("%s", t_read_file("/proc/sys/kernel/msgmnb"));
	say("%s", t_read_file("/proc/sys/kernel/msgmni"));
}

static void in_proc(void)
{
	char want[64];
	int q = make();

	snprintf(want, sizeof(want), "%10d %10d  %4o", 0, q, 0600);
	ok(strstr(t_read_file("/proc/sysvipc/msg"), want) != NULL);
	drop(q);
	ok(strstr(t_read_file("/proc/sysvipc/msg"), want) == NULL);
	say("%.120s", t_read_file("/proc/sysvipc/msg"));
}

T_MAIN(T(keys), T(types), T(sizes), T(copies), T(full), T(receivers), T(senders), T(removal_wakes), T(interrupted), T(control),
       T(limits), T(in_proc))
