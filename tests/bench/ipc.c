/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Two processes that answer each other, on one processor, by each way there is; and System V IPC
 * within one process.
 */
#include "tests/bench/micro.h"

#include <arpa/inet.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- bytes ---- */

/* A partner that returns each byte: we write to fds[1] and read from fds[0], it reads from in and
 * writes to out. */
static void echo_partner(int in, int out)
{
	char c;

	keep_to_one_cpu();
	if (fork_partner())
		return;
	close(fds[0]);
	close(fds[1]);
	while (read(in, &c, 1) == 1)
		must(write(out, &c, 1) == 1, "pong");
	_exit(0);
}

static void do_pingpong(void)
{
	char c = 0;

	must(write(fds[1], &c, 1) == 1 && read(fds[0], &c, 1) == 1, "ping");
}

static void pipe_setup(void)
{
	int there[2], back[2];

	must(!pipe(there) && !pipe(back), "pipe");
	fds[0] = back[0];
	fds[1] = there[1];
	echo_partner(there[0], back[1]);
}

/* One descriptor for both ways, twice so that the partner can close what it does not use. */
static void socket_partner(int ours, int theirs)
{
	fds[0] = ours;
	fds[1] = dup(ours);
	echo_partner(theirs, theirs);
}

static void unix_setup(void)
{
	int pair[2];

	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
	socket_partner(pair[0], pair[1]);
}

static void tcp_setup(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), ours = socket(AF_INET, SOCK_STREAM, 0),
	    theirs, yes = 1;
	socklen_t size = sizeof(a);

	must(!bind(listener, (struct sockaddr *)&a, size) && !listen(listener, 1), "listen");
	must(!getsockname(listener, (struct sockaddr *)&a, &size), "getsockname");
	must(!connect(ours, (struct sockaddr *)&a, size), "connect");
	theirs = accept(listener, NULL, NULL);
	must(theirs >= 0, "accept");
	setsockopt(ours, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	setsockopt(theirs, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	socket_partner(ours, theirs);
}

/* ---- a word in shared memory, and futex ---- */

static uint32_t *turn;

static void turn_await(uint32_t whose)
{
	uint32_t seen;

	while ((seen = __atomic_load_n(turn, __ATOMIC_ACQUIRE)) != whose)
		syscall(SYS_futex, turn, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static void turn_give(uint32_t whose)
{
	__atomic_store_n(turn, whose, __ATOMIC_RELEASE);
	syscall(SYS_futex, turn, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void turn_partner(void)
{
	keep_to_one_cpu();
	if (fork_partner())
		return;
	for (;;) {
		turn_await(1);
		turn_give(0);
	}
}

static void do_turn(void)
{
	turn_give(1);
	turn_await(0);
}

static void futex_setup(void)
{
	turn = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(turn != MAP_FAILED, "shared memory");
	turn_partner();
}

static void shm_setup(void)
{
	int id = shmget(IPC_PRIVATE, 4096, 0600);

	must(id >= 0, "shmget");
	turn = shmat(id, NULL, 0);
	must(turn != (void *)-1 && !shmctl(id, IPC_RMID, NULL), "shmat");
	turn_partner();
}

/* ---- signals ---- */

static pid_t partner;
static sigset_t open_mask;

static void on_signal(int sig)
{
}

static void signal_setup(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	pid_t parent = getpid();
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	must(!sigaction(SIGUSR1, &sa, NULL) && !sigprocmask(SIG_BLOCK, &set, &open_mask), "signal");
	sigdelset(&open_mask, SIGUSR1);
	keep_to_one_cpu();
	partner = fork_partner();
	while (!partner) {
		sigsuspend(&open_mask);
		must(!kill(parent, SIGUSR1), "kill");
	}
}

static void do_signal(void)
{
	must(!kill(partner, SIGUSR1), "kill");
	sigsuspend(&open_mask);
}

/* ---- System V IPC and message queues; on the host they outlive us unless they are removed ---- */

static int msg = -1, sem = -1;
static mqd_t there, back;

struct message {
	long type;
	char text[16];
};

/* A child that sleeps on them ends by this. */
static void remove_ipc(void)
{
	if (msg >= 0)
		msgctl(msg, IPC_RMID, NULL);
	if (sem >= 0)
		semctl(sem, 0, IPC_RMID);
}

static void make_ipc(void)
{
	msg = msgget(IPC_PRIVATE, 0600);
	sem = semget(IPC_PRIVATE, 2, 0600);
	must(msg >= 0 && sem >= 0 && !atexit(remove_ipc), "objects");
}

static bool message(long out, long in)
{
	struct message m = { .type = out };

	return !msgsnd(msg, &m, sizeof(m.text), 0) &&
	       msgrcv(msg, &m, sizeof(m.text), in, 0) == sizeof(m.text);
}

static void do_msg(void)
{
	must(message(1, 1), "message");
}

static void msg_setup(void)
{
	struct message m;

	make_ipc();
	keep_to_one_cpu();
	if (fork_partner())
		return;
	while (msgrcv(msg, &m, sizeof(m.text), 1, 0) == sizeof(m.text)) {
		m.type = 2;
		if (msgsnd(msg, &m, sizeof(m.text), 0))
			break;
	}
	_exit(0);
}

static void do_msg_pingpong(void)
{
	must(message(1, 2), "message");
}

static bool change(int first, int by_first, int second, int by_second)
{
	struct sembuf a = { (unsigned short)first, (short)by_first, 0 },
		      b = { (unsigned short)second, (short)by_second, 0 };

	return !semop(sem, &a, 1) && !semop(sem, &b, 1);
}

static void do_sem(void)
{
	must(change(0, 1, 0, -1), "semop");
}

static void sem_setup(void)
{
	make_ipc();
	keep_to_one_cpu();
	if (fork_partner())
		return;
	while (change(0, -1, 1, 1))
		;
	_exit(0);
}

static void do_sem_pingpong(void)
{
	must(change(0, 1, 1, -1), "semop");
}

static mqd_t make_queue(void)
{
	struct mq_attr a = { .mq_maxmsg = 4, .mq_msgsize = 16 };
	char name[32];
	mqd_t mq;

	snprintf(name, sizeof(name), "/micro-%d", (int)getpid());
	mq = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &a);
	must(mq >= 0 && !mq_unlink(name), "mq_open");
	return mq;
}

static void mq_setup(void)
{
	char c[16];

	there = make_queue();
	back = make_queue();
	keep_to_one_cpu();
	if (fork_partner())
		return;
	while (mq_receive(there, c, sizeof(c), NULL) == sizeof(c))
		must(!mq_send(back, c, sizeof(c), 0), "mq_send");
	_exit(0);
}

static void do_mq_pingpong(void)
{
	char c[16] = "";

	must(!mq_send(there, c, sizeof(c), 0) && mq_receive(back, c, sizeof(c), NULL) == sizeof(c),
	     "message");
}

/* clang-format off */
const struct row ipc_rows[] = {
	{ "pingpong-pipe", 1.15, WALL, "pipe ping-pong", pipe_setup, do_pingpong },
	{ "pingpong-unix", 1.15, WALL, "unix socket ping-pong", unix_setup, do_pingpong },
	{ "pingpong-tcp", 1.15, WALL, "TCP loopback ping-pong", tcp_setup, do_pingpong },
	{ "pingpong-futex", 1.15, WALL, "futex ping-pong, anonymous memory", futex_setup, do_turn },
	{ "pingpong-shm", 1.15, WALL, "futex ping-pong, System V memory", shm_setup, do_turn },
	{ "pingpong-signal", 0, WALL, "signal round trip: kill, sigsuspend", signal_setup, do_signal },
	{ "pingpong-msg", 1.3, WALL, "msgsnd, msgrcv ping-pong", msg_setup, do_msg_pingpong },
	{ "pingpong-sem", 1.3, WALL, "semop ping-pong", sem_setup, do_sem_pingpong },
	{ "pingpong-mq", 1.3, WALL, "mq_send, mq_receive ping-pong", mq_setup, do_mq_pingpong },
	{ "msg", 1.3, CPU, "msgsnd and msgrcv", make_ipc, do_msg },
	{ "sem", 1.3, CPU, "semop up and down", make_ipc, do_sem },
	{ NULL, 0, NULL, NULL, NULL, NULL },
};
