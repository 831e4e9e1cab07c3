/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * pico: run one command in a sandbox of its own without a daemon. A developer's tool.
 *
 *	pico [--rung A|B|N] [--top DIR] [--base DIR] [--image FILE] [--cache DIR] [-v] -- CMD
 *      ARGS...
 *
 * Rung N (the default) applies the trap filter only, so gdb and strace work as on any program; A
 * and B confine as the monitor does. --cache rewrites system calls by a cache of patched images in
 * DIR. --top keeps the changes in DIR (DIR/layers/0001, DIR/work); else they go to a scratch
 * directory that is removed. stdin, stdout and stderr are passed through; the exit status is the
 * command's. It serves the request port as far as terminals go and answers ENOSYS to the rest.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "gshd/rewrite/rewrite.h"
#include "pal/confine/confine.h"
#include "pal/monitor.h"

#define AREA_SIZE (64 << 20)
#define PTYS_MAX 64

extern char **environ;

struct pico {
	struct confine_spec spec;
	struct confine_child child;
	char tree[256], shm[64], base[4096], image[4096];
	bool scratch, verbose;
	int control, port, signals;
	struct image_cache images;
	int ptys[PTYS_MAX]; /* masters by number; -1: none */
	int pid;	    /* guest pid of the command, 0: not started */
	int status;	    /* as wait4 gives it, valid once done */
	bool done;
};

static void die(const char *what, int err)
{
	fprintf(stderr, "pico: %s: %s\n", what, strerror(err));
	exit(125);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)ftw;
	return type == FTW_DP ? rmdir(path) : unlink(path);
}

static void remove_tree(const char *path)
{
	if (*path)
		nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

static void make_trees(struct pico *p)
{
	char path[PATH_MAX];

	if (p->scratch)
		snprintf(p->tree, sizeof(p->tree), "/tmp/pico-XXXXXX");
	if (p->scratch ? !mkdtemp(p->tree) : mkdir(p->tree, 0700) && errno != EEXIST)
		die(p->tree, errno);
	static const char *const dirs[] = { "layers", "layers/0001", "work" };
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", p->tree, dirs[i]);
		if (mkdir(path, 0755) && errno != EEXIST)
			die(path, errno);
	}
	if (!realpath(p->tree, path))
		die(p->tree, errno);
	snprintf(p->tree, sizeof(p->tree), "%.250s", path);
	p->spec.tree = p->tree;
	if (p->spec.rung != GRANT_RUNG_A) {
		snprintf(p->shm, sizeof(p->shm), "/dev/shm/pico-XXXXXX");
		if (!mkdtemp(p->shm))
			die(p->shm, errno);
		p->spec.shm = p->shm;
	}
}

static int make_grant(struct pico *p)
{
	struct grant g = { .rung = p->spec.rung,
			   .nlayers = p->spec.nlayers + 1,
			   .uid = getuid(),
			   .gid = getgid() };
	struct confine_range range;
	struct sock_filter *prog;
	struct timespec now;
	uint32_t count;
	gid_t groups[GRANT_GROUPS_MAX];
	int err, n = getgroups(GRANT_GROUPS_MAX, groups);

	for (int i = 0; i < n; i++)
		g.groups[g.ngroups++] = groups[i];
	g.flags = confine_flags(p->spec.rung, false) & ~GRANT_BROKER_OPEN; /* nobody is there to open */
	clock_gettime(CLOCK_BOOTTIME, &now);
	g.boot_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	if (getrandom(g.random, sizeof(g.random), 0) != (ssize_t)sizeof(g.random))
		die("getrandom", errno);
	strcpy(g.sandbox, "pico");
	strcpy(g.hostname, "pico");
	err = confine_image_range(p->spec.image, &range);
	if (err)
		die(p->image, -err);
	err = confine_filter(p->spec.rung, g.flags, &range, &prog, &count);
	if (err)
		die("seccomp filter", -err);
	err = confine_grant_fd(&g, prog, count, NULL);
	free(prog);
	if (err < 0)
		die("grant", -err);
	return err;
}

static void spawn(struct pico *p)
{
	static const char *const layers[] = { "layers/0001" };
	struct confine_note note;
	int control[2], port[2];

	p->spec.layers = layers;
	p->spec.nlayers = 1;
	p->spec.work = "work";
	p->spec.hostname = "pico";
	p->spec.cache = p->images.view;
	p->spec.cgroup = -1;
	p->spec.log = 2;
	make_trees(p);
	p->spec.image = open(p->image, O_RDONLY | O_CLOEXEC);
	if (p->spec.image < 0)
		die(p->image, errno);
	p->spec.grant = make_grant(p);
	p->spec.area = memfd_create("area", MFD_CLOEXEC);
	if (p->spec.area < 0 || ftruncate(p->spec.area, AREA_SIZE))
		die("sandbox area", errno);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, port))
		die("socketpair", errno);
	p->spec.control = control[1];
	p->spec.port = port[1];
	int err = confine_spawn(&p->spec, &p->child, &note);
	if (err) {
		fprintf(stderr, "pico: rung %c: %s (%s)\n", p->spec.rung, note.text,
			strerror(-err));
		remove_tree(p->shm);
		if (p->scratch)
			remove_tree(p->tree);
		exit(125);
	}
	close(control[1]);
	close(port[1]);
	p->control = control[0];
	p->port = port[0];
	if (p->verbose)
		fprintf(stderr, "pico: leader is host process %d, top layer %s/layers/0001\n",
			p->child.leader, p->tree);
}

static void send_msg(int sock, uint32_t type, uint64_t id, const void *data, size_t size,
		     const int *fds, int nfds)
{
	struct mon_msg head = { type, (uint32_t)size, id };
	struct iovec iov[2] = { { &head, sizeof(head) }, { (void *)data, size } };
	char buf[CMSG_SPACE(MON_FDS_MAX * sizeof(int))] = { 0 };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	if (nfds) {
		msg.msg_control = buf;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	if (sendmsg(sock, &msg, MSG_NOSIGNAL) < 0 && errno != EPIPE)
		die("sendmsg", errno);
}

/* The strings always go in a memfd, the third way besides: one path to test, and no size to think
 * of. */
static void start(struct pico *p, char **argv)
{
	struct mon_start s = { .flags = MON_START_BIG };
	int fds[4] = { 0, 1, 2, memfd_create("strings", MFD_CLOEXEC) };
	FILE *f = fdopen(dup(fds[3]), "w");
	char cwd[4096];

	s.umask = umask(0);
	umask(s.umask);
	fprintf(f, "%s", getcwd(cwd, sizeof(cwd)) ? cwd : "/");
	fputc('\0', f);
	for (; argv[s.argc]; s.argc++)
		fwrite(argv[s.argc], 1, strlen(argv[s.argc]) + 1, f);
	for (; environ[s.envc]; s.envc++)
		fwrite(environ[s.envc], 1, strlen(environ[s.envc]) + 1, f);
	if (fclose(f))
		die("memfd", errno);
	send_msg(p->control, MON_START, 1, &s, sizeof(s), fds, 4);
	close(fds[3]);
}

static ssize_t receive(int sock, void *buf, size_t size, int *fds, int *nfds)
{
	char cbuf[CMSG_SPACE(MON_FDS_MAX * sizeof(int))];
	struct iovec iov = { buf, size };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = cbuf,
			      .msg_controllen = sizeof(cbuf) };
	ssize_t n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);

	*nfds = 0;
	if (n < 0)
		return n;
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_type == SCM_RIGHTS) {
		*nfds = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), *nfds * sizeof(int));
	}
	return n;
}

static void hear_control(struct pico *p)
{
	static char buf[MON_MSG_MAX];
	struct mon_msg *m = (void *)buf;
	int fds[MON_FDS_MAX], nfds;
	ssize_t n = receive(p->control, buf, sizeof(buf), fds, &nfds);

	if (n < (ssize_t)sizeof(*m)) {
		p->done = true;
		p->status = 125 << 8;
		fprintf(stderr, "pico: the leader has gone\n");
		return;
	}
	if (m->type == MON_STARTED) {
		struct mon_started *s = (void *)(m + 1);
		p->pid = s->pid;
		if (p->verbose)
			fprintf(stderr, "pico: started, guest process %d, error %d\n", s->pid,
				s->error);
		if (s->error) {
			fprintf(stderr, "pico: cannot execute: %s\n", strerror(s->error));
			p->done = true;
			p->status = (s->error == ENOENT ? 127 : 126) << 8;
		}
	} else if (m->type == MON_EXITED) {
		struct mon_exited *e = (void *)(m + 1);
		if (e->pid == p->pid) {
			p->status = e->status;
			p->done = true;
		}
	} else if (p->verbose) {
		fprintf(stderr, "pico: message of type %u, %u bytes\n", m->type, m->len);
	}
}

static int pty_new(struct pico *p)
{
	char path[64];
	int unlock = 0, number, master, pts = p->child.pts;

	master = pts >= 0 ? openat(pts, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
			  : open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0)
		return -errno;
	if (ioctl(master, TIOCSPTLCK, &unlock) || ioctl(master, TIOCGPTN, &number) ||
	    number >= PTYS_MAX)
		return -EIO;
	if (p->ptys[number] >= 0)
		close(p->ptys[number]);
	/* Holds neither end open, so that both sides see the other hang up. */
	snprintf(path, sizeof(path), "%s%d", pts >= 0 ? "" : "/dev/pts/", number);
	p->ptys[number] = openat(pts, path, O_PATH | O_CLOEXEC);
	return master;
}

static int image(struct pico *p, int fd)
{
	struct image_key key;
	int err = image_cache_find(&p->images, fd, &key);

	if (err != -ENOENT)
		return err;
	err = image_cache_build(&p->images, fd, &key);
	return err ? err : image_cache_keep(&p->images, &key);
}

/* The cache belongs to the sandbox "pico" of a store of its own. */
static void open_cache(struct pico *p, const char *dir)
{
	char path[PATH_MAX];
	int store, err;

	if (mkdir(dir, 0700) && errno != EEXIST)
		die(dir, errno);
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/boxes%s", dir, i ? "/pico" : "");
		if (mkdir(path, 0700) && errno != EEXIST)
			die(path, errno);
	}
	store = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = store < 0 ? -errno : image_cache_open(&p->images, store, "pico");
	if (err)
		die(dir, -err);
}

static void hear_port(struct pico *p)
{
	static char buf[MON_MSG_MAX];
	struct mon_msg *m = (void *)buf;
	struct {
		struct mon_reply r;
		uint32_t more[PTYS_MAX];
	} answer = { .r.error = ENOSYS };
	struct mon_reply r = answer.r;
	unsigned nmore = 0;
	int fds[MON_FDS_MAX], nfds, out[1], nout = 0;
	ssize_t n = receive(p->port, buf, sizeof(buf), fds, &nfds);

	if (n < (ssize_t)sizeof(*m) || nfds < 1)
		return;
	struct mon_pty *q = (void *)(m + 1);
	if (m->type == MON_PTY && q->op == MON_PTY_NEW) {
		out[0] = pty_new(p);
		r.error = out[0] < 0 ? -out[0] : 0;
		nout = out[0] >= 0;
		if (nout)
			ioctl(out[0], TIOCGPTN, &r.value);
	} else if (m->type == MON_PTY && q->op == MON_PTY_OPEN) {
		char path[64];
		snprintf(path, sizeof(path), "/proc/self/fd/%d",
			 q->number < PTYS_MAX ? p->ptys[q->number] : -1);
		out[0] = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
		r.error = out[0] < 0 ? EIO : 0;
		nout = out[0] >= 0;
	} else if (m->type == MON_PTY && q->op == MON_PTY_LIST) {
		for (unsigned i = 0; i < PTYS_MAX; i++)
			if (p->ptys[i] >= 0)
				answer.more[nmore++] = i;
		r.error = 0;
	}
	if (m->type == MON_IMAGE && nfds == 2 && p->images.view >= 0)
		r.error = -image(p, fds[1]);
	if (p->verbose)
		fprintf(stderr, "pico: request %u: %s\n", m->type,
			r.error ? strerror(r.error) : "done");
	answer.r = r;
	send_msg(fds[0], MON_REPLY, m->id, &answer, sizeof(r) + nmore * sizeof(uint32_t), out,
		 nout);
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	for (int i = 0; i < nout; i++)
		close(out[i]);
}

static void hear_signal(struct pico *p)
{
	struct signalfd_siginfo si;

	if (read(p->signals, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return;
	if (si.ssi_signo == SIGCHLD) {
		int status;
		if (waitpid(p->child.pid, &status, WNOHANG) == p->child.pid) {
			fprintf(stderr, "pico: the leader ended, %s %d\n",
				WIFSIGNALED(status) ? "killed by signal" : "with status",
				WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
			p->child.pid = -1;
			p->done = true;
			p->status = 125 << 8;
		}
	} else if (p->pid) {
		struct mon_signal s = { p->pid, (int)si.ssi_signo };
		send_msg(p->control, MON_SIGNAL, 0, &s, sizeof(s), NULL, 0);
	}
}

static void end(struct pico *p)
{
	struct timespec pause = { .tv_nsec = 10000000 };

	if (p->child.pid > 0)
		send_msg(p->control, MON_SHUTDOWN, 0, NULL, 0, NULL, 0);
	for (int i = 0; i < 200 && p->child.pid > 0; i++) {
		if (waitpid(p->child.pid, NULL, WNOHANG) == p->child.pid)
			p->child.pid = -1;
		else
			nanosleep(&pause, NULL);
	}
	if (p->child.pid > 0) {
		fprintf(stderr, "pico: the leader does not end; killing it\n");
		kill(p->child.leader, SIGKILL);
		waitpid(p->child.pid, NULL, 0);
	}
	remove_tree(p->shm);
	if (p->scratch)
		remove_tree(p->tree);
}

static void loop(struct pico *p)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	p->signals = signalfd(-1, &set, SFD_CLOEXEC);
	struct pollfd fds[] = { { p->control, POLLIN, 0 },
				{ p->port, POLLIN, 0 },
				{ p->signals, POLLIN, 0 } };
	while (!p->done) {
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			die("poll", errno);
		if (fds[0].revents)
			hear_control(p);
		if (fds[1].revents & POLLIN)
			hear_port(p);
		else if (fds[1].revents)
			fds[1].fd = -1;
		if (fds[2].revents)
			hear_signal(p);
	}
}

static void usage(void)
{
	fprintf(stderr, "usage: pico [--rung A|B|N] [--top DIR] [--base DIR] [--image FILE] "
			"[--cache DIR] [-v] -- CMD ARGS...\n");
	exit(2);
}

static void image_beside(char *image, size_t size)
{
	char self[3800];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		die("/proc/self/exe", errno);
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(image, size, "%s/../libexec/gsh/picoprocess", self);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "rung", 1, NULL, 'r' },  { "top", 1, NULL, 't' },   { "base", 1, NULL, 'b' },
		{ "image", 1, NULL, 'i' }, { "cache", 1, NULL, 'c' }, { "verbose", 0, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	static struct pico p = { .spec = { .rung = GRANT_RUNG_NONE, .base = "/" },
				 .images.view = -1,
				 .scratch = true };
	int c;

	for (int i = 0; i < PTYS_MAX; i++)
		p.ptys[i] = -1;
	image_beside(p.image, sizeof(p.image));
	while ((c = getopt_long(argc, argv, "+v", options, NULL)) != -1) {
		if (c == 'r' && strlen(optarg) == 1 && strchr("ABN", *optarg)) {
			p.spec.rung = (enum grant_rung) * optarg;
		} else if (c == 't') {
			p.scratch = false;
			snprintf(p.tree, sizeof(p.tree), "%s", optarg);
		} else if (c == 'b') {
			if (!realpath(optarg, p.base))
				die(optarg, errno);
			p.spec.base = p.base;
		} else if (c == 'i') {
			snprintf(p.image, sizeof(p.image), "%s", optarg);
		} else if (c == 'c') {
			open_cache(&p, optarg);
		} else if (c == 'v') {
			p.verbose = true;
		} else {
			usage();
		}
	}
	if (optind >= argc)
		usage();
	spawn(&p);
	start(&p, argv + optind);
	loop(&p);
	end(&p);
	return WIFSIGNALED(p.status) ? 128 + WTERMSIG(p.status) : WEXITSTATUS(p.status);
}
