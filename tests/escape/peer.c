// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * From one sandbox into another: what a program there holds by a key, a name, a number or a path, asked for from here.
 *
 *   peer victim DIR NAME            make one of each, say "PID ADDRESS PORT", and wait
 *   peer DIR NAME PID ADDRESS PORT HOSTPID STORE MOUNT    STORE, MOUNT: the victim's layer and its view on the host
 *
 * In one sandbox all of it is reached, by libc: that is the control, with a host's pid of 0, for which none is asked.
 */
#include "way.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "pal/grant.h"

#define KEY 0x67736850
#define SECRET "escape-mark of a peer"

static char secret[64] = SECRET; /* where process_vm_readv looks */
static const char *dir, *name, *store, *mount;
static int victim_pid, victim_host, port;
static uintptr_t address; /* of the victim's secret */

/* ---- the victim ---- */

static char *in_dir(const char *what)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, what);
	return path;
}

static void put_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);

	if (fd < 0 || write(fd, secret, strlen(secret)) < 0)
		exit(3);
	close(fd);
}

static socklen_t unix_name(struct sockaddr_un *to, bool abstract)
{
	*to = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (abstract)
		return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				   (size_t)snprintf(to->sun_path + 1, sizeof(to->sun_path) - 1, "%s", name));
	snprintf(to->sun_path, sizeof(to->sun_path), "%s", in_dir("peer.sock"));
	return sizeof(*to);
}

static int listen_at(bool abstract)
{
	struct sockaddr_un to;
	socklen_t len = unix_name(&to, abstract);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (void *)&to, len) || listen(fd, 100))
		exit(4);
	return fd;
}

static void on_signal(int sig)
{
	(void)sig;
	static const char line[] = "signalled\n";

	(void)!write(1, line, sizeof(line) - 1);
}

static int victim(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	struct {
		long type;
		char text[32];
	} m = { 1, "a word" };
	char path[PATH_MAX], *shared;
	int tcp = socket(AF_INET, SOCK_STREAM, 0);

	signal(SIGUSR1, on_signal);
	shared = shmat(shmget(KEY, 4096, IPC_CREAT | 0666), NULL, 0);
	if (shared == (void *)-1 || semget(KEY, 1, IPC_CREAT | 0666) < 0 ||
	    msgsnd(msgget(KEY, IPC_CREAT | 0666), &m, sizeof(m.text), 0))
		return 5;
	strcpy(shared, secret);
	snprintf(path, sizeof(path), "/%s", name);
	if (mq_open(path, O_CREAT | O_RDWR, 0666, NULL) < 0)
		return 6;
	snprintf(path, sizeof(path), "/dev/shm/%s", name);
	put_file(path);
	put_file(in_dir("secret"));
	unlink(in_dir("peer.sock"));
	listen_at(true);
	listen_at(false);
	if (tcp < 0 || bind(tcp, (void *)&in, len) || listen(tcp, 100) || getsockname(tcp, (void *)&in, &len))
		return 7;
	printf("%d %#lx %d\n", getpid(), (unsigned long)secret, ntohs(in.sin_port));
	fflush(stdout);
	for (;;)
		pause();
}

/* ---- the attacker ---- */

/* The PAL has no paths but below a directory: the host's root is one that it has. */
static long open_path(enum way w, const char *path, int flags)
{
	return w == PAL ? call(w, SYS_openat, GRANT_FD_LAYER, path + 1, flags)
			: call(w, SYS_openat, AT_FDCWD, path, flags);
}

static enum verdict reads(enum way w, const char *path)
{
	long fd = open_path(w, path, O_RDONLY);
	char text[64] = "";

	if (fd < 0 || call(w, SYS_read, fd, text, sizeof(text) - 1) < 0)
		return REFUSED;
	return strcmp(text, SECRET) ? DONE : ESCAPED;
}

static enum verdict shared_memory(enum way w, void *arg)
{
	long id = call(w, SYS_shmget, KEY, 4096, 0), at = id < 0 ? id : call(w, SYS_shmat, id, 0, 0);

	(void)arg;
	return at < 0 && at > -4096 ? REFUSED : strcmp((char *)at, SECRET) ? DONE : ESCAPED;
}

static enum verdict semaphores(enum way w, void *arg)
{
	(void)arg;
	return must_fail(call(w, SYS_semget, KEY, 1, 0));
}

static enum verdict messages(enum way w, void *arg)
{
	char m[sizeof(long) + 64];
	long id = call(w, SYS_msgget, KEY, 0);

	(void)arg;
	return id < 0 ? REFUSED : must_fail(call(w, SYS_msgrcv, id, m, 64, 0, IPC_NOWAIT | MSG_NOERROR | 040000));
}

static enum verdict queue(enum way w, void *arg)
{
	(void)arg;
	return must_fail(call(w, SYS_mq_open, name, O_RDWR, 0, 0));
}

static enum verdict named_memory(enum way w, void *arg)
{
	char path[PATH_MAX];

	(void)arg;
	snprintf(path, sizeof(path), "/dev/shm/%s", name);
	return reads(w, path);
}

static enum verdict file(enum way w, void *arg)
{
	(void)arg;
	return reads(w, in_dir("secret"));
}

static enum verdict by_store(enum way w, void *arg)
{
	char path[2 * PATH_MAX];

	(void)arg;
	snprintf(path, sizeof(path), "%s%s", store, in_dir("secret"));
	return reads(w, path);
}

static enum verdict by_mount(enum way w, void *arg)
{
	char path[2 * PATH_MAX];

	(void)arg;
	snprintf(path, sizeof(path), "%s%s", mount, in_dir("secret"));
	return reads(w, path);
}

static enum verdict by_socket(enum way w, void *arg)
{
	struct sockaddr_un to;
	socklen_t len = unix_name(&to, *(bool *)arg);
	long fd = call(w, SYS_socket, AF_UNIX, SOCK_STREAM, 0);

	return fd < 0 ? REFUSED : must_fail(call(w, SYS_connect, fd, &to, len));
}

static enum verdict by_port(enum way w, void *arg)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons((uint16_t)port) };
	long fd = call(w, SYS_socket, AF_INET, SOCK_STREAM, 0);

	(void)arg;
	return fd < 0 ? REFUSED : must_fail(call(w, SYS_connect, fd, &to, sizeof(to)));
}

/* By its own number, and by the host's. */
static enum verdict memory(enum way w, void *arg)
{
	char text[sizeof(secret)] = "";
	struct iovec here = { text, sizeof(text) }, there = { (void *)address, sizeof(secret) };

	call(w, SYS_process_vm_readv, *(int *)arg, &here, 1, &there, 1, 0);
	return strcmp(text, SECRET) ? REFUSED : ESCAPED;
}

static enum verdict maps(enum way w, void *arg)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/environ", *(int *)arg);
	/* Somebody of ours may have that number: who the victim is, its environment tells. */
	long fd = open_path(w, path, O_RDONLY);
	static char text[65536];
	long n = fd < 0 ? fd : call(w, SYS_read, fd, text, sizeof(text) - 1);

	return n > 0 && memmem(text, (size_t)n, "PEER_VICTIM=", 12) ? ESCAPED : REFUSED;
}

/* Whether it arrives, the victim tells. */
static enum verdict kick(enum way w, void *arg)
{
	siginfo_t info = { .si_signo = SIGUSR1, .si_code = SI_QUEUE };
	long r = w == PAL ? call(w, SYS_rt_sigqueueinfo, *(int *)arg, SIGUSR1, &info)
			  : call(w, SYS_kill, *(int *)arg, 0);

	return w == PAL ? must_fail(r) : REFUSED;
}

int main(int argc, char **argv)
{
	static const bool abstract = true, named = false;
	static const struct {
		const char *name;
		enum verdict (*fn)(enum way, void *);
		const void *arg;
	} rows[] = {
		{ "shared memory", shared_memory, NULL },
		{ "semaphores", semaphores, NULL },
		{ "message queue", messages, NULL },
		{ "posix queue", queue, NULL },
		{ "named memory", named_memory, NULL },
		{ "file", file, NULL },
		{ "layer", by_store, NULL },
		{ "mount", by_mount, NULL },
		{ "abstract socket", by_socket, &abstract },
		{ "socket", by_socket, &named },
		{ "port", by_port, NULL },
		{ "memory", memory, &victim_pid },
		{ "memory by the host's number", memory, &victim_host },
		{ "environment", maps, &victim_pid },
		{ "environment by the host's number", maps, &victim_host },
		{ "signal by the host's number", kick, &victim_host },
	};
	int escaped = 0;

	if (argc == 4 && !strcmp(argv[1], "victim")) {
		dir = argv[2];
		name = argv[3];
		return victim();
	}
	if (argc != 9)
		return 2;
	dir = argv[1];
	name = argv[2];
	victim_pid = atoi(argv[3]);
	address = strtoul(argv[4], NULL, 0);
	port = atoi(argv[5]);
	victim_host = atoi(argv[6]);
	store = argv[7];
	mount = argv[8];
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (enum way w = LIBC; w < WAYS; w++)
			if ((w != PAL || way_pal()) && (rows[i].arg != &victim_host || victim_host))
				escaped += attempt(rows[i].name, w, rows[i].fn, (void *)rows[i].arg);
	return escaped ? 1 : 0;
}
