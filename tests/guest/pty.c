// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Terminals: pairs, sessions, the keys that signal, window size, job control's refusals.
 */
#include "lib/t.h"

#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <utmp.h>

static volatile sig_atomic_t got_winch;

static void on_winch(int sig)
{
	got_winch++;
}

/* What comes out of the master within the time, or until text is seen. */
static const char *from_master(int fd, const char *until)
{
	static char b[4096];
	size_t n = 0;
	struct pollfd p = { fd, POLLIN, 0 };

	b[0] = 0;
	while (n < sizeof(b) - 1 && poll(&p, 1, until ? 3000 : 200) == 1) {
		ssize_t k = read(fd, b + n, sizeof(b) - 1 - n);
		if (k <= 0)
			break;
		n += k;
		b[n] = 0;
		if (until && strstr(b, until))
			break;
	}
	for (size_t i = 0; i < n; i++)
		if (b[i] == '\r')
			b[i] = '~';
	return b;
}

/* What is written to the master reaches the line discipline a moment later. */
static void wait_input(int fd, int want)
{
	int n = 0;

	for (int i = 0; i < 2000 && n < want; i++) {
		must(ioctl(fd, FIONREAD, &n));
		if (n < want)
			t_sleep_ms(1);
	}
}

static void pair(void)
{
	int m = must(posix_openpt(O_RDWR | O_NOCTTY));
	struct termios t;
	struct winsize ws = { 25, 81, 3, 4 }, ws2;

	eq(grantpt(m), 0);
	eq(unlockpt(m), 0);
	char *name = ptsname(m);
	ok(name && !strncmp(name, "/dev/pts/", 9));
	int s = must(open(name, O_RDWR | O_NOCTTY));
	eq(isatty(m), 1);
	eq(isatty(s), 1);
	ok(!strcmp(ttyname(s), name));
	must(tcgetattr(s, &t));
	eq((t.c_lflag & (ECHO | ICANON | ISIG)) == (ECHO | ICANON | ISIG), 1);
	eq(t.c_cc[VINTR], 3);
	eq(t.c_cc[VSUSP], 26);
	eq(t.c_cc[VEOF], 4);
	struct { /* struct termio, which musl has not */
		unsigned short c_iflag, c_oflag, c_cflag, c_lflag;
		unsigned char c_line, c_cc[8];
	} old;
	eq(ioctl(s, TCGETA, &old), 0);
	eq(old.c_lflag == (unsigned short)t.c_lflag && old.c_cc[VINTR] == 3, 1);
	old.c_lflag &= (unsigned short)~ECHO;
	old.c_cc[VINTR] = 7;
	eq(ioctl(s, TCSETA, &old), 0);
	eq(ioctl(s, TCSETAW, &old), 0);
	struct termios now;
	must(tcgetattr(s, &now));
	eq(now.c_lflag == (t.c_lflag & ~(tcflag_t)ECHO) && now.c_cc[VINTR] == 7 && now.c_cc[VEOF] == 4, 1);
	eq(now.c_cflag == t.c_cflag, 1);
	must(tcsetattr(s, TCSANOW, &t));
	struct termios locked;
	memset(&locked, 1, sizeof(locked));
	eq(ioctl(s, TIOCGLCKTRMIOS, &locked), 0);
	eq(locked.c_lflag, 0);
	must(write(m, "typed\n", 6));
	char b[64] = "";
	eq(read(s, b, 63), 6);
	eqs(b, "typed\n");
	eqs(from_master(m, NULL), "typed~\n");
	must(write(s, "printed\n", 8));
	eqs(from_master(m, "\n"), "printed~\n");
	eq(ioctl(m, TIOCSWINSZ, &ws), 0);
	eq(ioctl(s, TIOCGWINSZ, &ws2), 0);
	eq(ws2.ws_row * 1000 + ws2.ws_col, 25081);
	t.c_lflag &= ~(ECHO | ICANON);
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	must(tcsetattr(s, TCSANOW, &t));
	must(write(m, "xy", 2));
	eq(read(s, b, 63), 2);
	int n;
	must(write(m, "abc", 3));
	wait_input(s, 3);
	eq(ioctl(s, FIONREAD, &n), 0);
	eq(n, 3);
	eq(tcflush(s, TCIFLUSH), 0);
	eq(ioctl(s, FIONREAD, &n), 0);
	eq(n, 0);
	t.c_cc[VMIN] = 0;
	t.c_cc[VTIME] = 1;
	must(tcsetattr(s, TCSANOW, &t));
	eq(read(s, b, 1), 0);
	cfmakeraw(&t);
	must(tcsetattr(s, TCSANOW, &t));
	must(write(m, "\003\032", 2));
	eq(read(s, b, 2), 2);
	ok(b[0] == 3 && b[1] == 26);
	close(s);
	fails(read(m, b, 1), EIO);
	close(m);
	int p[2];
	must(pipe(p));
	fails(tcgetattr(p[0], &t), ENOTTY);
	fails(ioctl(p[0], TIOCGWINSZ, &ws), ENOTTY);
	fails(isatty(p[0]) ? 0 : -1, ENOTTY);
}

static void lines(void)
{
	int m, s;
	char b[64];

	must(openpty(&m, &s, NULL, NULL, NULL));
	must(write(m, "wrung\177\177\177ong!\n", 13));
	memset(b, 0, sizeof(b));
	eq(read(s, b, 63), 7);
	eqs(b, "wrong!\n");
	must(write(m, "kill this\025line\n", 15));
	memset(b, 0, sizeof(b));
	eq(read(s, b, 63), 5);
	eqs(b, "line\n");
	must(write(m, "two\nlines\n", 10));
	memset(b, 0, sizeof(b));
	eq(read(s, b, 63), 4);
	memset(b, 0, sizeof(b));
	eq(read(s, b, 3), 3);
	eqs(b, "lin");
	memset(b, 0, sizeof(b));
	eq(read(s, b, 63), 3);
	must(write(m, "\004", 1));
	eq(read(s, b, 63), 0);
	must(write(m, "no newline\004", 11));
	memset(b, 0, sizeof(b));
	eq(read(s, b, 63), 10);
}

/* A child with its own session on the slave; gives its pid. */
static pid_t on_tty(int m, int s, void (*fn)(void))
{
	pid_t pid = must(fork());

	if (pid == 0) {
		close(m);
		if (login_tty(s) != 0)
			_exit(90);
		fn();
		_exit(0);
	}
	return pid;
}

static void print_facts(void)
{
	char b[64];
	int n = snprintf(b, sizeof(b), "leader %d fg %d tty %d", getsid(0) == getpid(), tcgetpgrp(0) == getpid(),
			 open("/dev/tty", O_RDWR) >= 0);

	must(write(1, b, n));
	must(write(1, " end\n", 5));
}

static void session(void)
{
	int m, s;

	must(openpty(&m, &s, NULL, NULL, NULL));
	pid_t pid = on_tty(m, s, print_facts);
	eqs(from_master(m, "end"), "leader 1 fg 1 tty 1 end~\n");
	eqs(t_wait(pid), "exit 0");
	fails(tcgetpgrp(s), ENOTTY);
	fails(tcsetpgrp(s, getpgrp()), ENOTTY);
}

static void wait_here(void)
{
	must(write(1, "ready\n", 6));
	for (;;)
		pause();
}

static void keys(void)
{
	int m, s;
	static const struct {
		const char *name, *key;
	} list[] = { { "^C", "\003" }, { "^\\", "\034" } };

	for (size_t i = 0; i < 2; i++) {
		must(openpty(&m, &s, NULL, NULL, NULL));
		pid_t pid = on_tty(m, s, wait_here);
		close(s);
		from_master(m, "ready");
		must(write(m, list[i].key, 1));
		say("%s: %s", list[i].name, t_wait(pid));
		close(m);
	}
}

static void job(void)
{
	/* A shell in miniature: a job of its own group in the foreground, stopped by ^Z, taken back, continued. */
	pid_t pid = fork();
	int st;

	signal(SIGTTOU, SIG_IGN);
	if (pid == 0) {
		setpgid(0, 0);
		signal(SIGTTOU, SIG_IGN);
		tcsetpgrp(0, getpid());
		signal(SIGTTOU, SIG_DFL);
		must(write(1, "job\n", 4));
		for (;;)
			pause();
	}
	setpgid(pid, pid);
	if (waitpid(pid, &st, WUNTRACED) != pid || !WIFSTOPPED(st) || WSTOPSIG(st) != SIGTSTP)
		_exit(1);
	if (tcgetpgrp(0) != pid || tcsetpgrp(0, getpgrp()) != 0 || tcgetpgrp(0) != getpgrp())
		_exit(2);
	must(write(1, "stopped\n", 8));
	tcsetpgrp(0, pid);
	kill(-pid, SIGCONT);
	if (waitpid(pid, &st, WCONTINUED) != pid || !WIFCONTINUED(st))
		_exit(3);
	must(write(1, "running\n", 8));
	if (waitpid(pid, &st, WUNTRACED) != pid || !WIFSIGNALED(st) || WTERMSIG(st) != SIGINT)
		_exit(4);
	tcsetpgrp(0, getpgrp());
	must(write(1, "over\n", 5));
}

static void suspend(void)
{
	int m, s;

	must(openpty(&m, &s, NULL, NULL, NULL));
	pid_t pid = on_tty(m, s, job);
	ok(strstr(from_master(m, "job"), "job"));
	must(write(m, "\032", 1));
	ok(strstr(from_master(m, "running"), "stopped~\nrunning"));
	must(write(m, "\003", 1));
	ok(strstr(from_master(m, "over"), "over"));
	eqs(t_wait(pid), "exit 0");
}

static void background(void)
{
	/* A background job that reads is stopped by SIGTTIN; one that writes under TOSTOP by SIGTTOU. */
	pid_t pid = fork();
	int st;
	struct termios t;

	if (pid == 0) {
		char c;
		setpgid(0, 0);
		while (tcgetpgrp(0) == getpgrp())
			;
		ssize_t n = read(0, &c, 1);
		_exit(n == 1 ? 5 : 6);
	}
	setpgid(pid, pid);
	if (waitpid(pid, &st, WUNTRACED) != pid || !WIFSTOPPED(st) || WSTOPSIG(st) != SIGTTIN)
		_exit(1);
	must(write(1, "ttin\n", 5));
	kill(pid, SIGKILL);
	waitpid(pid, &st, 0);
	tcgetattr(0, &t);
	t.c_lflag |= TOSTOP;
	tcsetattr(0, TCSANOW, &t);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		_exit(write(1, "never\n", 6) == 6 ? 5 : 6);
	}
	setpgid(pid, pid);
	if (waitpid(pid, &st, WUNTRACED) != pid || !WIFSTOPPED(st) || WSTOPSIG(st) != SIGTTOU)
		_exit(2);
	must(write(1, "ttou\n", 5));
	kill(pid, SIGKILL);
	waitpid(pid, &st, 0);
	/* With SIGTTIN ignored the read fails. */
	pid = fork();
	if (pid == 0) {
		char c;
		setpgid(0, 0);
		signal(SIGTTIN, SIG_IGN);
		ssize_t n = read(0, &c, 1);
		_exit(n == -1 && errno == EIO ? 7 : 8);
	}
	setpgid(pid, pid);
	if (waitpid(pid, &st, 0) != pid || !WIFEXITED(st) || WEXITSTATUS(st) != 7)
		_exit(3);
	must(write(1, "eio\n", 4));
}

static void background_io(void)
{
	int m, s;

	must(openpty(&m, &s, NULL, NULL, NULL));
	pid_t pid = on_tty(m, s, background);
	eqs(from_master(m, "eio~\n"), "ttin~\nttou~\neio~\n");
	eqs(t_wait(pid), "exit 0");
}

static void winch(void)
{
	struct winsize ws;
	char b[64];
	sigset_t s, none;

	sigemptyset(&none);
	sigemptyset(&s);
	sigaddset(&s, SIGWINCH);
	sigprocmask(SIG_BLOCK, &s, NULL);
	signal(SIGWINCH, on_winch);
	must(write(1, "ready\n", 6));
	while (!got_winch)
		sigsuspend(&none);
	must(ioctl(0, TIOCGWINSZ, &ws));
	must(write(1, b, snprintf(b, sizeof(b), "size %dx%d\n", ws.ws_row, ws.ws_col)));
}

static void window_size(void)
{
	int m, s;
	struct winsize ws = { 10, 20, 0, 0 };

	must(openpty(&m, &s, NULL, NULL, &ws));
	pid_t pid = on_tty(m, s, winch);
	from_master(m, "ready");
	ws.ws_row = 50;
	ws.ws_col = 132;
	must(ioctl(m, TIOCSWINSZ, &ws));
	ok(strstr(from_master(m, "size"), "size"));
	eqs(t_wait(pid), "exit 0");
}

static void hang_up(void)
{
	int m, s;

	must(openpty(&m, &s, NULL, NULL, NULL));
	pid_t pid = on_tty(m, s, wait_here);
	close(s);
	from_master(m, "ready");
	close(m);
	eqs(t_wait(pid), "killed by SIGHUP");
	/* When the session leader ends, its foreground group is hung up and the terminal is free. */
	must(openpty(&m, &s, NULL, NULL, NULL));
	int p[2];
	must(pipe(p));
	pid = must(fork());
	if (pid == 0) {
		close(m);
		if (login_tty(s) != 0)
			_exit(90);
		pid_t inner = fork();
		if (inner == 0) {
			setpgid(0, 0);
			signal(SIGTTOU, SIG_IGN);
			tcsetpgrp(0, getpid());
			must(write(p[1], "f", 1));
			sigset_t set;
			int sig;
			sigemptyset(&set);
			sigaddset(&set, SIGHUP);
			sigprocmask(SIG_BLOCK, &set, NULL);
			sigwait(&set, &sig);
			must(write(p[1], "h", 1));
			_exit(0);
		}
		char c;
		must(read(p[0], &c, 1));
		t_sleep_ms(50);
		_exit(0);
	}
	eqs(t_wait(pid), "exit 0");
	char c = 0;
	struct pollfd pf = { p[0], POLLIN, 0 };
	eq(poll(&pf, 1, 3000), 1);
	must(read(p[0], &c, 1));
	eq(c, 'h');
}

static void controlling(void)
{
	int m, s;

	must(openpty(&m, &s, NULL, NULL, NULL));
	pid_t pid = must(fork());
	if (pid == 0) {
		fails(ioctl(s, TIOCSCTTY, 0), EPERM); /* not a session leader */
		if (fork() == 0) {
			must(setsid());
			fails(open("/dev/tty", O_RDWR), ENXIO);
			eq(ioctl(s, TIOCSCTTY, 0), 0);
			eq(open("/dev/tty", O_RDWR) >= 0, 1);
			ok(tcgetpgrp(s) == getpid() && tcgetsid(s) == getpid());
			fails(tcsetpgrp(s, 0x7ffffff0), ESRCH);
			fails(tcsetpgrp(s, -1), EINVAL);
			signal(SIGHUP, SIG_IGN);
			eq(ioctl(s, TIOCNOTTY), 0);
			fails(open("/dev/tty", O_RDWR), ENXIO);
			_exit(0);
		}
		int st;
		wait(&st);
		_exit(st ? 1 : 0);
	}
	eqs(t_wait(pid), "exit 0");
	/* Opening a terminal as session leader makes it the controlling one, but for O_NOCTTY. */
	pid = must(fork());
	if (pid == 0) {
		must(setsid());
		int fd = must(open(ptsname(m), O_RDWR | O_NOCTTY));
		fails(open("/dev/tty", O_RDWR), ENXIO);
		close(fd);
		must(open(ptsname(m), O_RDWR));
		eq(open("/dev/tty", O_RDWR) >= 0, 1);
		_exit(0);
	}
	eqs(t_wait(pid), "exit 0");
}

static void shell(void)
{
	int m, s;

	must(openpty(&m, &s, NULL, NULL, NULL));
	struct termios t;
	must(tcgetattr(s, &t));
	t.c_lflag &= ~ECHO;
	must(tcsetattr(s, TCSANOW, &t));
	pid_t pid = must(fork());
	if (pid == 0) {
		close(m);
		if (login_tty(s) != 0)
			_exit(90);
		setenv("PS1", "$ ", 1);
		setenv("ENV", "", 1);
		execl("/bin/sh", "sh", "-i", NULL);
		_exit(91);
	}
	close(s);
	must(write(m, "echo a''b\n", 10));
	ok(strstr(from_master(m, "ab"), "ab"));
	must(write(m, "sleep 100\n", 10));
	t_sleep_ms(200);
	must(write(m, "\003", 1));
	must(write(m, "echo int $?''.\n", 15));
	ok(strstr(from_master(m, "int 130."), "int 130."));
	must(write(m, "exit 4\n", 7));
	eqs(t_wait(pid), "exit 4");
}

/* As mesg(1), screen(1) and whoever makes a terminal private do. */
static void attributes(void)
{
	char name[64];
	struct stat st, by_name;
	int m, s;

	must(openpty(&m, &s, name, NULL, NULL));
	eq(chmod(name, 0602), 0);
	must(fstat(s, &st));
	must(stat(name, &by_name));
	say("chmod: %o, %o", st.st_mode, by_name.st_mode);
	eq(fchmod(s, 0620), 0);
	must(stat(name, &st));
	say("fchmod: %o", st.st_mode);
	eq(chown(name, getuid(), getgid()), 0);
	must(fstat(s, &st));
	eq(st.st_gid, getgid());
	eq(st.st_mode, S_IFCHR | 0620);
	if (fork() == 0) {
		must(fchmod(s, 0600));
		_exit(0);
	}
	wait(NULL);
	must(stat(name, &st));
	eq(st.st_mode, S_IFCHR | 0600);
	if (getuid()) {
		fails(fchown(s, 0, -1), EPERM);
		fails(fchmod(m, 0600), EPERM);
	}
	close(s);
	close(m);
	must(openpty(&m, &s, name, NULL, NULL));
	must(fstat(s, &st));
	eq(st.st_mode & 0602, 0600);
}

/* The slave is opened by a child alone, as zsh's zpty does: the master waits until it is, and reads as hung up once it is
 * closed, though others have the master. */
static void child_alone(void)
{
	int m = must(open("/dev/ptmx", O_RDWR | O_NOCTTY));
	struct pollfd p = { m, POLLIN, 0 };
	char b[16];
	int fd;
	pid_t pid;

	must(grantpt(m));
	must(unlockpt(m));
	eq(poll(&p, 1, 0), 0);
	pid = must(fork());
	if (!pid) {
		int s;

		setsid();
		s = must(open(ptsname(m), O_RDWR));
		must(write(s, "x", 1));
		eq(poll(&p, 1, 0) == 1 ? p.revents : -1, POLLIN);
		_exit(0);
	}
	eqs(t_wait(pid), "exit 0");
	eq(read(m, b, sizeof(b)), 1);
	fails(read(m, b, sizeof(b)), EIO);
	eq(poll(&p, 1, 0) == 1 ? p.revents : -1, POLLHUP);
	fd = must(open(ptsname(m), O_RDWR | O_NOCTTY));
	eq(poll(&p, 1, 0), 0);
	close(fd);
	fails(read(m, b, sizeof(b)), EIO);
}

T_MAIN(T(pair), T(child_alone), T(attributes), T(lines), T(session), T(keys), T(suspend), T(background_io), T(window_size), T(hang_up),
       T(controlling), T(shell))
