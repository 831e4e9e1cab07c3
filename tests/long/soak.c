// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * A soak: forks, execs, signals, pipes, shared memory, files and terminals, mixed, for some time, with invariants checked.
 *
 *   soak SECONDS [SEED [JOB]]
 *
 * Four workers take one job after the other at random, or always the one named. A job that finds something wrong says so in a line and ends all with
 * status 1; one that hangs is ended by the alarm, which says which it was. In the end there is no child, and no process
 * more in /proc than at the beginning. Runs on the host as well: there it must pass too.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 4
#define JOB_SECONDS 120 /* far more than any job takes, on a machine with much to do */

static const char *job_name;
static char **the_argv;
extern char **environ;

#define CHECK(what)                                                                            \
	do {                                                                                   \
		if (!(what)) {                                                                 \
			printf("soak: %s: line %d: %s (%s)\n", job_name, __LINE__, #what, strerror(errno)); \
			fflush(stdout);                                                        \
			exit(1);                                                               \
		}                                                                              \
	} while (0)

static void too_long(int sig)
{
	(void)sig;
	(void)!write(1, "soak: hangs in ", 15);
	(void)!write(1, job_name, strlen(job_name));
	(void)!write(1, "\n", 1);
	_exit(2);
}

/* ---- statuses: children of several threads end in all ways, and each is told as it ended ---- */

static void *forker(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	for (int i = 0; i < 40; i++) {
		int code = rand_r(&seed) % 256, st;
		bool by_signal = code % 4 == 0;
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (!pid) {
			if (by_signal)
				raise(SIGKILL);
			_exit(code);
		}
		CHECK(waitpid(pid, &st, 0) == pid);
		CHECK(by_signal ? WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL : WIFEXITED(st) && WEXITSTATUS(st) == code);
	}
	return NULL;
}

static void statuses(void)
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		CHECK(!pthread_create(&t[i], NULL, forker, (void *)(uintptr_t)rand()));
	for (int i = 0; i < 4; i++)
		CHECK(!pthread_join(t[i], NULL));
}

/* ---- execs: spawned, by vfork, and with the descriptors and arguments meant ---- */

static void execs(void)
{
	for (int i = 0; i < 10; i++) {
		char code[8], *argv[] = { the_argv[0], "exit", code, NULL };
		int want = rand() % 256, st;
		pid_t pid;

		snprintf(code, sizeof(code), "%d", want);
		CHECK(!posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ));
		CHECK(waitpid(pid, &st, 0) == pid);
		if (!WIFEXITED(st) || WEXITSTATUS(st) != want)
			printf("soak: execs: status %x instead of exit %d's\n", st, want);
		CHECK(WIFEXITED(st) && WEXITSTATUS(st) == want);
	}
}

/* ---- pipes: what goes in at one end comes out at the end of a chain ---- */

static void pipes(void)
{
	int in[2], out[2], st;
	char sent[20000], got[sizeof(sent)];
	size_t n = 0;
	pid_t relay, writer;

	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (char)rand();
	CHECK(!pipe(in) && !pipe(out));
	relay = fork();
	CHECK(relay >= 0);
	if (!relay) {
		char b[777];
		ssize_t r;

		close(in[1]);
		while ((r = read(in[0], b, sizeof(b))) > 0)
			CHECK(write(out[1], b, (size_t)r) == r);
		_exit(0);
	}
	writer = fork();
	CHECK(writer >= 0);
	if (!writer)
		_exit(write(in[1], sent, sizeof(sent)) != sizeof(sent));
	close(in[0]), close(in[1]), close(out[1]);
	for (ssize_t r; (r = read(out[0], got + n, sizeof(got) - n)) > 0;)
		n += (size_t)r;
	close(out[0]);
	CHECK(n == sizeof(sent) && !memcmp(sent, got, n));
	CHECK(waitpid(relay, &st, 0) == relay && !st);
	CHECK(waitpid(writer, &st, 0) == writer && !st);
}

/* ---- memory: counters under a mutex that processes share ---- */

static void memory(void)
{
	struct both {
		pthread_mutex_t m;
		long count;
	} *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t a;
	pid_t pid[4];

	CHECK(s != MAP_FAILED);
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&s->m, &a);
	for (int i = 0; i < 4; i++) {
		pid[i] = fork();
		CHECK(pid[i] >= 0);
		if (pid[i])
			continue;
		for (int k = 0; k < 2000; k++) {
			pthread_mutex_lock(&s->m);
			s->count++;
			pthread_mutex_unlock(&s->m);
		}
		_exit(0);
	}
	for (int i = 0; i < 4; i++)
		CHECK(waitpid(pid[i], NULL, 0) == pid[i]);
	CHECK(s->count == 8000);
	munmap(s, sizeof(*s));
}

/* ---- signals: queued ones arrive all, in order; stop and continue are seen ---- */

/* The host counts all of its user's queued signals together, so that others may have filled the queue for a while. */
static int queue_one(pid_t to, int value)
{
	int r;

	do
		r = sigqueue(to, SIGRTMIN + 1, (union sigval){ .sival_int = value });
	while (r && errno == EAGAIN && !sched_yield());
	return r;
}

static void signals(void)
{
	sigset_t set;
	int st, p[2];
	char c;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	CHECK(!pipe(p));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		siginfo_t info;

		(void)!write(p[1], "r", 1);
		for (int i = 0; i < 50; i++)
			if (sigwaitinfo(&set, &info) < 0 || info.si_value.sival_int != i)
				_exit(1);
		for (;;)
			pause();
	}
	CHECK(read(p[0], &c, 1) == 1);
	close(p[0]), close(p[1]);
	for (int i = 0; i < 50; i++)
		CHECK(!queue_one(pid, i));
	for (int i = 0; i < 10; i++) {
		CHECK(!kill(pid, SIGSTOP));
		CHECK(waitpid(pid, &st, WUNTRACED) == pid && WIFSTOPPED(st));
		CHECK(!kill(pid, SIGCONT));
		CHECK(waitpid(pid, &st, WCONTINUED) == pid && WIFCONTINUED(st));
	}
	kill(pid, SIGTERM);
	CHECK(waitpid(pid, &st, 0) == pid && WIFSIGNALED(st) && WTERMSIG(st) == SIGTERM);
}

/* ---- files: lines appended by several processes stay whole ---- */

static void files(void)
{
	char name[64], line[64];
	int n = 0;
	FILE *f;

	snprintf(name, sizeof(name), "soak.%d", getpid());
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();
		int fd;

		CHECK(pid >= 0);
		if (pid)
			continue;
		fd = open(name, O_WRONLY | O_APPEND | O_CREAT, 0600);
		for (int k = 0; k < 100; k++)
			if (write(fd, "a line that is whole\n", 21) != 21)
				_exit(1);
		_exit(0);
	}
	for (int i = 0, st; i < 3; i++)
		CHECK(wait(&st) > 0 && !st);
	f = fopen(name, "r");
	CHECK(f);
	for (; fgets(line, sizeof(line), f); n++)
		CHECK(!strcmp(line, "a line that is whole\n"));
	fclose(f);
	CHECK(n == 300);
	CHECK(!unlink(name));
}

/* ---- terminals: what is typed is echoed, and ^C ends who is in front ---- */

static void terminals(void)
{
	int st, master = posix_openpt(O_RDWR | O_NOCTTY);
	char b[64];
	size_t n = 0;
	pid_t pid;

	CHECK(master >= 0 && !grantpt(master) && !unlockpt(master));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		setsid();
		int fd = open(ptsname(master), O_RDWR);
		(void)!write(fd, "up", 2);
		for (;;)
			pause();
	}
	while (n < 2) {
		ssize_t r = read(master, b + n, sizeof(b) - n);
		CHECK(r > 0);
		n += (size_t)r;
	}
	CHECK(write(master, "\003", 1) == 1);
	CHECK(waitpid(pid, &st, 0) == pid);
	if (!WIFSIGNALED(st) || WTERMSIG(st) != SIGINT)
		printf("soak: terminals: status %x instead of SIGINT's\n", st);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGINT);
	close(master);
}

static const struct {
	const char *name;
	void (*run)(void);
} jobs[] = { { "statuses", statuses }, { "execs", execs },     { "pipes", pipes },	  { "memory", memory },
	     { "signals", signals },   { "files", files },     { "terminals", terminals } };

static int processes(void)
{
	DIR *d = opendir("/proc");
	int n = 0;

	for (struct dirent *e; d && (e = readdir(d));)
		n += !!isdigit((unsigned char)e->d_name[0]);
	if (d)
		closedir(d);
	return n;
}

static int work(time_t end, const char *only)
{
	long rounds = 0;

	signal(SIGALRM, too_long);
	for (; time(NULL) < end; rounds++) {
		size_t i;

		do
			i = (size_t)rand() % (sizeof(jobs) / sizeof(jobs[0]));
		while (only && strcmp(jobs[i].name, only));
		job_name = jobs[i].name;
		alarm(JOB_SECONDS);
		jobs[i].run();
		CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	}
	printf("soak: %ld jobs\n", rounds);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned seed = argc > 2 ? (unsigned)atoi(argv[2]) : (unsigned)time(NULL);
	int before = processes(), bad = 0, st;
	time_t end;

	the_argv = argv;
	if (argc > 2 && !strcmp(argv[1], "exit"))
		return atoi(argv[2]);
	end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 600);
	for (unsigned i = 0; i < WORKERS; i++) {
		if (fork())
			continue;
		srand(seed + i);
		exit(work(end, argc > 3 ? argv[3] : NULL));
	}
	while (wait(&st) > 0)
		bad |= st;
	/* On the host others come and go. */
	if (getenv("GSH_SANDBOX") && processes() > before) {
		printf("soak: %d processes are left\n", processes() - before);
		bad = 1;
	}
	printf("soak: %s, seed %u\n", bad ? "violated" : "all well", seed);
	return !!bad;
}
