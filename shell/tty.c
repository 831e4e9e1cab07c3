// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The user's own terminal.
 *
 * While a session runs, the terminal inside does the work of a terminal, and this one is raw: every
 * key passes. It is given back as it was found when the session ends, is detached or is stopped.
 * Should the client be killed in a way that it cannot see, a small child, the watchdog, notices the
 * end of a pipe and gives the terminal back in its place.
 *
 * The watchdog must not fight with a shell that has reaped the client and set the terminal for its
 * own line editor: it restores only if it finds the very settings that the client made.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "gshd/client/frames.h"
#include "shell/shell.h"

struct tty_shared {
	struct modes modes; /* written by the client only */
	bool raw;
};

void tty_find(struct tty *t)
{
	*t = (struct tty){.in = -1, .out = -1, .alive = -1};
	if (isatty(0))
		t->in = 0;
	t->out = isatty(1) ? 1 : isatty(2) ? 2 : t->in;
	/* "< /dev/tty" cannot be written to; the terminal behind it can. */
	if (t->out == 0 && (fcntl(0, F_GETFL) & O_ACCMODE) == O_RDONLY) {
		t->out = open("/dev/tty", O_WRONLY | O_NOCTTY | O_CLOEXEC);
		t->own_out = t->out >= 0;
	}
}

bool tty_foreground(int fd)
{
	pid_t group = tcgetpgrp(fd);

	return group < 0 || group == getpgrp();
}

void tty_size(const struct tty *t, uint16_t size[4])
{
	struct winsize ws = {0};

	if (t->out >= 0 && ioctl(t->out, TIOCGWINSZ, &ws) < 0)
		ws = (struct winsize){0};
	size[0] = ws.ws_row;
	size[1] = ws.ws_col;
	size[2] = ws.ws_xpixel;
	size[3] = ws.ws_ypixel;
}

/* Setting a terminal from the background raises SIGTTOU unless that is blocked. */
static int set_attr(int fd, int when, const struct termios *attr)
{
	sigset_t set, old;
	int err = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGTTOU);
	sigprocmask(SIG_BLOCK, &set, &old);
	while (tcsetattr(fd, when, attr) < 0) {
		if (errno == EINTR)
			continue;
		err = -errno;
		break;
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	return err;
}

static bool same_attr(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
	       a->c_lflag == b->c_lflag && memcmp(a->c_cc, b->c_cc, sizeof(a->c_cc)) == 0;
}

/* Bring to rest what programs inside have switched on. Best effort: the terminal may be gone. */
static void rest_modes(int fd, struct modes *m)
{
	char bytes[MODES_MAX * 12];
	size_t len = modes_reset(m, bytes, sizeof(bytes));

	if (len && write(fd, bytes, len) == (ssize_t)len)
		m->on = 0;
}

static void leave(int fd, const struct tty *t)
{
	if (t->leave_size)
		(void)!write(fd, t->leave, t->leave_size);
}

void tty_enter(struct tty *t, const char *sandbox, int session)
{
	char text[CONTEXT_MAX];
	size_t n;

	if (t->in < 0 || t->out < 0 || !context_speaks() || !tty_foreground(t->out))
		return;
	context_mounted(&t->here, sandbox);
	n = context_enter(text, sizeof(text), sandbox, session);
	if (n && write(t->out, text, n) == (ssize_t)n)
		t->leave_size = context_leave(t->leave, sizeof(t->leave), sandbox, session);
}

static void watchdog(const struct tty *t, int death) __attribute__((noreturn));
static void watchdog(const struct tty *t, int death)
{
	static const int ignored[] = {SIGINT,  SIGQUIT, SIGHUP,	 SIGTERM,
				      SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE};
	struct termios now;
	size_t i;
	char byte;
	ssize_t n;

	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	/* Out of the group that a shell signals, and of the name that killall(1) is told; only the
	 * terminal and the pipe stay open, so nobody waits for us. */
	setpgid(0, 0);
	prctl(PR_SET_NAME, "tty-keeper");
	if (dup2(t->in, 0) < 0 || dup2(t->out, 1) < 0 || dup2(death, 2) < 0)
		_exit(1);
	close_range(3, ~0u, 0);
	do
		n = read(2, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 0 && t->shared->raw) {
		if (tcgetattr(0, &now) == 0 && same_attr(&now, &t->worked))
			set_attr(0, TCSANOW, &t->saved);
		rest_modes(1, &t->shared->modes);
		leave(1, t);
	}
	_exit(0);
}

/* Without a watchdog all works but the rescue, so its failures are not reported. */
static void start_watchdog(struct tty *t)
{
	int pipefd[2];
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return;
	pid = fork();
	if (pid == 0) {
		close(pipefd[1]);
		watchdog(t, pipefd[0]);
	}
	close(pipefd[0]);
	if (pid < 0)
		close(pipefd[1]);
	else
		t->alive = pipefd[1];
}

int tty_raw(struct tty *t)
{
	bool first = !t->shared;
	void *shared;
	int err;

	if (t->in < 0 || t->raw)
		return 0;
	if (first) {
		shared = mmap(NULL, sizeof(*t->shared), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (shared == MAP_FAILED)
			return -errno;
		t->shared = shared;
	}
	/* Taken anew each time: a shell may have changed its mind while we were stopped. */
	if (tcgetattr(t->in, &t->saved) < 0)
		return -errno;
	t->worked = t->saved;
	cfmakeraw(&t->worked);
	t->worked.c_cc[VMIN] = 1;
	t->worked.c_cc[VTIME] = 0;
	err = set_attr(t->in, TCSADRAIN, &t->worked);
	if (err)
		return err;
	/* What the terminal made of our wish is what the watchdog will find. */
	if (tcgetattr(t->in, &t->worked) < 0)
		return -errno;
	t->raw = true;
	t->shared->raw = true;
	if (first)
		start_watchdog(t);
	return 0;
}

void tty_restore(struct tty *t)
{
	if (!t->raw || !t->shared)
		return;
	set_attr(t->in, TCSADRAIN, &t->saved);
	t->raw = false;
	t->shared->raw = false;
}

void tty_again(struct tty *t)
{
	if (t->raw)
		set_attr(t->in, TCSADRAIN, &t->worked);
}

void tty_forget(struct tty *t)
{
	if (!t->raw || !t->shared)
		return;
	t->raw = false;
	t->shared->raw = false;
}

static int write_all(int fd, const unsigned char *bytes, size_t len)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	ssize_t n;

	while (len) {
		n = write(fd, bytes, len);
		if (n < 0 && errno == EAGAIN) { /* somebody else made the terminal non-blocking */
			if (poll(&p, 1, -1) < 0 && errno != EINTR)
				return -errno;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The inner terminal has made "\r\n" of a newline; an outer one that is not raw would do so once
 * more. */
static int write_lines(int fd, const unsigned char *bytes, size_t len)
{
	const unsigned char *cr;
	int err;

	while ((cr = memmem(bytes, len, "\r\n", 2))) {
		err = write_all(fd, bytes, (size_t)(cr - bytes));
		if (err)
			return err;
		len -= (size_t)(cr + 1 - bytes);
		bytes = cr + 1;
	}
	return write_all(fd, bytes, len);
}

int tty_paint(struct tty *t, const unsigned char *bytes, size_t len)
{
	static unsigned char allowed[FRAME_MAX + CLIPBOARD_HELD];
	static unsigned char placed[sizeof(allowed) + HERE_MAX * HERE_TIMES];
	struct termios now;

	len = context_here(&t->here, allowed, clipboard_guard(&t->clipboard, bytes, len, allowed), placed);
	bytes = placed;
	if (t->shared)
		modes_feed(&t->shared->modes, bytes, len);
	if (t->out < 0)
		return 0;
	if (!t->raw && tcgetattr(t->out, &now) == 0 && (now.c_oflag & OPOST) &&
	    (now.c_oflag & ONLCR))
		return write_lines(t->out, bytes, len);
	return write_all(t->out, bytes, len);
}

void tty_close(struct tty *t, bool rest)
{
	if (rest && t->shared)
		rest_modes(t->out, &t->shared->modes);
	tty_restore(t);
	leave(t->out, t);
	t->leave_size = 0;
	if (t->alive >= 0) {
		(void)!write(t->alive, "k", 1); /* fails if the watchdog is gone: as well */
		close(t->alive);
		t->alive = -1;
	}
	if (t->shared)
		munmap(t->shared, sizeof(*t->shared));
	t->shared = NULL;
	if (t->own_out)
		close(t->out);
}
