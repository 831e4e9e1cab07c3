// SPDX-License-Identifier: LGPL-3.0-or-later
/* The monitor's side of screen.h: the child, how it is confined, and what goes to and fro. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "gshd/client/frames.h"
#include "gshd/log.h"
#include "gshd/session/screen.h"

#define BEHIND (256u << 10)
#define PATIENCE_S 5		/* without any progress the child is given up */
#define MEMORY_MAX (1ull << 30) /* of address space, the monitor's included */
#define CHILD_FD 3

struct screen {
	struct bufferevent *be; /* NULL: the child is gone */
	const struct screen_ops *ops;
	void *arg;
	bool drawing;
};

/* ---- the child ---- */

static int forbid(void)
{
	static const int calls[] = { SCMP_SYS(read),   SCMP_SYS(write),	    SCMP_SYS(brk),
				     SCMP_SYS(munmap), SCMP_SYS(mremap),    SCMP_SYS(poll),
				     SCMP_SYS(exit),   SCMP_SYS(exit_group) };
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err = ctx ? 0 : -ENOMEM;

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && !err; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	/* Memory that is never executable. */
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, 4, 0));
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(madvise), 0);
	if (!err)
		err = seccomp_load(ctx);
	if (ctx)
		seccomp_release(ctx);
	return err;
}

static int limit(int what, rlim_t value)
{
	struct rlimit r = { value, value };

	return setrlimit(what, &r);
}

static void child(int fd, uint16_t rows, uint16_t cols) __attribute__((noreturn));
static void child(int fd, uint16_t rows, uint16_t cols)
{
	sigset_t none;
	int high = fcntl(fd, F_DUPFD, 16);

	sigemptyset(&none);
	/* None of the monitor's handlers: they write to its loop. */
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, sig == SIGPIPE || sig == SIGINT || sig == SIGHUP || sig == SIGTERM
				    ? SIG_IGN
				    : SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (high < 0 || dup2(high, CHILD_FD) < 0 || syscall(SYS_close_range, CHILD_FD + 1, ~0u, 0))
		_exit(1);
	for (int i = 0; i < CHILD_FD; i++)
		close(i);
	prctl(PR_SET_NAME, "gsh-screen");
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_DUMPABLE, 0) || limit(RLIMIT_AS, MEMORY_MAX) || limit(RLIMIT_CORE, 0) ||
	    forbid())
		_exit(1);
	screen_model(CHILD_FD, rows, cols);
	_exit(0);
}

/* ---- the monitor ---- */

static void give_up(struct screen *s)
{
	bool drawing = s->drawing;

	if (!s->be)
		return;
	bufferevent_free(s->be);
	s->be = NULL;
	s->drawing = false;
	if (drawing)
		s->ops->drawn(s->arg, false);
	else
		s->ops->room(s->arg);
}

/* Frames from the child, which hostile bytes may have taken over: it can draw what it likes on the
 * terminal of its own session, and answer what it likes to the program; as that program could. */
static void on_read(struct bufferevent *be, void *arg)
{
	struct screen *s = arg;
	struct evbuffer *in = bufferevent_get_input(be);
	uint8_t *p;
	size_t size;

	while (s->be && (p = evbuffer_pullup(in, FRAME_HEAD))) {
		size = p[1] | (size_t)p[2] << 8 | (size_t)p[3] << 16;
		if (size > FRAME_MAX || (p[0] != 'a' && !s->drawing)) {
			log_line("the child that keeps a screen broke its protocol");
			give_up(s);
			return;
		}
		p = evbuffer_pullup(in, (ssize_t)(FRAME_HEAD + size));
		if (!p)
			return;
		if (p[0] == 'a')
			s->ops->answer(s->arg, p + FRAME_HEAD, size);
		else if (p[0] == 'd')
			s->ops->piece(s->arg, p + FRAME_HEAD, size);
		if (p[0] == 'e')
			s->drawing = false;
		bool whole = p[0] == 'e';
		evbuffer_drain(in, FRAME_HEAD + size);
		if (whole)
			s->ops->drawn(s->arg, true); /* may close the screen */
		if (whole)
			return;
	}
}

static void on_written(struct bufferevent *be, void *arg)
{
	struct screen *s = arg;

	s->ops->room(s->arg);
}

static void on_event(struct bufferevent *be, short what, void *arg)
{
	struct screen *s = arg;

	/* Nothing is owed when it is not drawing: silence is no fault. */
	if (what == (BEV_EVENT_READING | BEV_EVENT_TIMEOUT) && !s->drawing) {
		bufferevent_enable(be, EV_READ);
		return;
	}
	log_line("the child that keeps a screen %s",
		 what & BEV_EVENT_TIMEOUT ? "does not keep up" : "ended");
	give_up(s);
}

struct screen *screen_open(struct event_base *base, uint16_t rows, uint16_t cols,
			   const struct screen_ops *ops, void *arg)
{
	struct timeval patience = { PATIENCE_S, 0 };
	struct screen *s = calloc(1, sizeof(*s));
	int pair[2];
	pid_t pid;

	if (!s || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
		free(s);
		return NULL;
	}
	pid = fork();
	if (pid == 0)
		child(pair[1], rows, cols);
	close(pair[1]);
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	s->be = pid < 0 ? NULL : bufferevent_socket_new(base, pair[0], BEV_OPT_CLOSE_ON_FREE);
	if (!s->be) {
		close(pair[0]); /* a child ends with it */
		free(s);
		return NULL;
	}
	s->ops = ops;
	s->arg = arg;
	bufferevent_setcb(s->be, on_read, on_written, on_event, s);
	bufferevent_setwatermark(s->be, EV_WRITE, BEHIND / 2, 0);
	bufferevent_set_timeouts(s->be, &patience, &patience);
	bufferevent_enable(s->be, EV_READ | EV_WRITE);
	return s;
}

static void send_frame(struct screen *s, uint8_t type, const void *data, size_t size)
{
	uint8_t head[FRAME_HEAD];

	if (!s || !s->be)
		return;
	frame_head(head, type, size);
	if (bufferevent_write(s->be, head, sizeof(head)) ||
	    (size && bufferevent_write(s->be, data, size)))
		give_up(s);
}

void screen_feed(struct screen *s, const void *data, size_t size)
{
	send_frame(s, 'd', data, size);
}

void screen_resize(struct screen *s, uint16_t rows, uint16_t cols)
{
	struct frame_winsize w = { .rows = rows, .cols = cols };
	uint8_t data[8];

	frame_put_winsize(data, &w);
	send_frame(s, 'w', data, sizeof(data));
}

void screen_viewed(struct screen *s, bool viewed)
{
	uint8_t byte = viewed;

	send_frame(s, 'v', &byte, 1);
}

bool screen_behind(const struct screen *s)
{
	return s && s->be && evbuffer_get_length(bufferevent_get_output(s->be)) > BEHIND;
}

bool screen_draw(struct screen *s)
{
	if (!s || !s->be || s->drawing)
		return false;
	s->drawing = true;
	send_frame(s, 'r', NULL, 0);
	return s->be != NULL;
}

void screen_close(struct screen *s)
{
	if (!s)
		return;
	if (s->be)
		bufferevent_free(s->be);
	free(s);
}
