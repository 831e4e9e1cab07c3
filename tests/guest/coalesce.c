// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Standard signals are pending once, however often and by however many they were sent; what they tell is what the first
 * sender told. Stopped, blocked, asleep in vfork or by tgkill: it makes no difference.
 */
#include "lib/t.h"


#define MANY 700 /* more than a receiver takes in at one go */

static volatile sig_atomic_t handled, value;

static void on_signal(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)uc;
	handled++;
	value = si->si_value.sival_int;
}

static void catch(void)
{
	struct sigaction a = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	must(sigaction(SIGUSR1, &a, NULL));
}

static void mask(int how)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	must(sigprocmask(how, &s, NULL));
}

static void send_many(pid_t to)
{
	for (int i = 1; i <= MANY; i++)
		must(sigqueue(to, SIGUSR1, (union sigval){ .sival_int = i }));
}

/* Tells when it may be sent to; then waits for the word that all is sent, and says what it saw by its status. */
static int receiver(void *arg)
{
	int *p = arg;
	char c;

	catch();
	if (p[4])
		mask(SIG_BLOCK);
	if (write(p[1], "r", 1) != 1)
		return 99;
	while (read(p[2], &c, 1) != 1)
		;
	if (p[4])
		mask(SIG_UNBLOCK);
	return handled == 1 && value == 1 ? 1 : handled > 50 ? 50 : 10 + handled;
}

static int sent(bool stopped, bool blocked)
{
	int p[5] = { [4] = blocked }, status;
	pid_t pid;
	char c;

	must(pipe(p));
	must(pipe(p + 2));
	pid = t_fork(receiver, p);
	must(read(p[0], &c, 1));
	if (stopped) {
		must(kill(pid, SIGSTOP));
		must(waitpid(pid, &status, WUNTRACED));
	}
	send_many(pid);
	if (stopped)
		must(kill(pid, SIGCONT));
	must(write(p[3], "g", 1));
	must(waitpid(pid, &status, 0));
	for (int i = 0; i < 4; i++)
		close(p[i]);
	return WEXITSTATUS(status);
}

static void stopped(void)
{
	eq(sent(true, false), 1);
}

static void blocked(void)
{
	eq(sent(false, true), 1);
}

static void stopped_and_blocked(void)
{
	eq(sent(true, true), 1);
}

/* The senders are many, and one of them is first. */
static void many_senders(void)
{
	int status;

	catch();
	mask(SIG_BLOCK);
	for (int i = 0; i < 8; i++) {
		pid_t pid = fork();

		if (!pid) {
			for (int j = 0; j < MANY / 8; j++)
				kill(getppid(), SIGUSR1);
			_exit(0);
		}
	}
	for (int i = 0; i < 8; i++)
		must(wait(&status));
	mask(SIG_UNBLOCK);
	eq(handled, 1);
}

static void in_vfork(void)
{
	pid_t pid, self = getpid();

	catch();
	pid = vfork();
	if (!pid) {
		for (int i = 1; i <= MANY; i++)
			sigqueue(self, SIGUSR1, (union sigval){ .sival_int = i });
		_exit(0);
	}
	eq(handled, 1);
	eq(value, 1);
	must(waitpid(pid, NULL, 0));
}

static void to_a_thread(void)
{
	int status;
	pid_t self = getpid(), pid;

	catch();
	mask(SIG_BLOCK);
	pid = fork();
	if (!pid) {
		for (int i = 0; i < MANY; i++)
			syscall(SYS_tgkill, self, self, SIGUSR1);
		_exit(0);
	}
	must(waitpid(pid, &status, 0));
	mask(SIG_UNBLOCK);
	eq(handled, 1);
	/* One for the thread, one for the process: two. */
	mask(SIG_BLOCK);
	must(kill(self, SIGUSR1));
	must(kill(self, SIGUSR1));
	must(syscall(SYS_tgkill, self, self, SIGUSR1));
	must(syscall(SYS_tgkill, self, self, SIGUSR1));
	mask(SIG_UNBLOCK);
	eq(handled, 3);
}

T_MAIN(T(stopped), T(blocked), T(stopped_and_blocked), T(many_senders), T(in_vfork), T(to_a_thread))
