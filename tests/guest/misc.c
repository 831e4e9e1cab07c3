// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * What belongs nowhere else: uname, sysinfo, prctl, calls that do not exist, bad pointers everywhere.
 */
#include "lib/t.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

static void names(void)
{
	struct utsname u;
	char b[256];

	eq(uname(&u), 0);
	eqs(u.sysname, "Linux");
	eqs(u.machine, "x86_64");
	ok(u.release[0] >= '3' && u.release[0] <= '9' && strlen(u.version) > 0);
	fails(syscall(SYS_uname, 8), EFAULT);
	eq(gethostname(b, sizeof(b)), 0);
	ok(!strcmp(b, u.nodename));
	if (!t_root())
		fails(sethostname("x", 1), EPERM);
}

static void numbers(void)
{
	struct sysinfo si;
	unsigned cpu = 999, node = 999;

	eq(sysinfo(&si), 0);
	ok(si.uptime > 0 && si.totalram > 0 && si.freeram <= si.totalram && si.procs > 0 && si.mem_unit > 0);
	eq(syscall(SYS_getcpu, &cpu, &node, NULL), 0);
	ok(cpu < 1024 && node < 64);
	eq(sysconf(_SC_PAGESIZE), 4096);
	ok(sysconf(_SC_PHYS_PAGES) > 100);
	ok(sysconf(_SC_NPROCESSORS_CONF) >= sysconf(_SC_NPROCESSORS_ONLN));
	eq(getpagesize(), 4096);
	eq(syscall(SYS_personality, 0xffffffff), 0);
}

static void processes(void)
{
	char name[17] = "";
	int v = -1;

	eq(prctl(PR_SET_NAME, "a rather long thread name"), 0);
	eq(prctl(PR_GET_NAME, name), 0);
	eqs(name, "a rather long t");
	eq(prctl(PR_GET_DUMPABLE), 1);
	eq(prctl(PR_SET_DUMPABLE, 0), 0);
	eq(prctl(PR_GET_DUMPABLE), 0);
	fails(prctl(PR_SET_DUMPABLE, 7), EINVAL);
	prctl(PR_SET_DUMPABLE, 1);
	eq(prctl(PR_SET_PDEATHSIG, SIGTERM), 0);
	eq(prctl(PR_GET_PDEATHSIG, &v), 0);
	eq(v, SIGTERM);
	fails(prctl(PR_SET_PDEATHSIG, 99), EINVAL);
	fails(prctl(99999), EINVAL);
	eq(prctl(PR_SET_KEEPCAPS, 0), 0);
	eq(prctl(PR_GET_KEEPCAPS), 0);
	eq(prctl(PR_GET_TIMERSLACK) > 0, 1);
	/* The parent's death is told. */
	struct gate g;
	int p[2];
	char c = 0;
	gate_init(&g);
	must(pipe(p));
	pid_t pid = must(fork());
	if (pid == 0) {
		if (fork() == 0) {
			sigset_t s;
			int sig;
			sigemptyset(&s);
			sigaddset(&s, SIGUSR1);
			sigprocmask(SIG_BLOCK, &s, NULL);
			prctl(PR_SET_PDEATHSIG, SIGUSR1);
			gate_open(&g);
			sigwait(&s, &sig);
			must(write(p[1], "d", 1));
			_exit(0);
		}
		gate_wait(&g);
		_exit(0);
	}
	t_wait(pid);
	must(read(p[0], &c, 1));
	eq(c, 'd');
	/* A subreaper adopts what its children leave. */
	eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	pid = must(fork());
	if (pid == 0) {
		if (fork() == 0) {
			t_sleep_ms(50);
			_exit(9);
		}
		_exit(0);
	}
	eqs(t_wait(pid), "exit 0");
	int st;
	ok(wait(&st) > 0);
	eqs(t_status(st), "exit 9");
	eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	eq(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
}

static void no_such_call(void)
{
	fails(syscall(999), ENOSYS);
	fails(syscall(5000), ENOSYS);
	fails(syscall(-1), ENOSYS);
	fails(syscall(0x7fffffff), ENOSYS);
	fails(syscall(SYS_tuxcall), ENOSYS);
	fails(syscall(SYS_create_module), ENOSYS);
	/* Of a call's number half the register counts. */
	eq(syscall(1ul << 32 | SYS_getppid), getppid());
	eq(syscall(~0ul << 32 | SYS_getppid), getppid());
}

/* How many processors there are does not depend on which the caller may use. */
static void processors(void)
{
	cpu_set_t all, one;
	char *text, *there = strdup(t_read_file("/sys/devices/system/cpu/online"));
	int shown = 0, first = 0;

	must(sched_getaffinity(0, sizeof(all), &all));
	while (!CPU_ISSET(first, &all))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	must(sched_setaffinity(0, sizeof(one), &one));
	ok(!strcmp(t_read_file("/sys/devices/system/cpu/online"), there));
	free(there);
	text = strdup(t_read_file("/proc/stat"));
	for (const char *at = text; (at = strstr(at, "\ncpu")); at++)
		shown++;
	ok(shown >= CPU_COUNT(&all));
	free(text);
	must(sched_setaffinity(0, sizeof(all), &all));
}

static void bad_pointers(void)
{
	void *bad = (void *)0x123000;
	char *last = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(munmap(last + 4096, 4096));
	memset(last, 'x', 4096);
	fails(syscall(SYS_open, bad, O_RDONLY), EFAULT);
	fails(syscall(SYS_open, last + 4000, O_RDONLY), EFAULT); /* runs off the page unended */
	fails(syscall(SYS_stat, "/", bad), EFAULT);
	fails(syscall(SYS_pipe, bad), EFAULT);
	fails(syscall(SYS_getcwd, bad, 4096), EFAULT);
	fails(syscall(SYS_readlink, "/proc/self", bad, 100), EFAULT);
	fails(syscall(SYS_gettimeofday, bad, NULL), EFAULT);
	fails(syscall(SYS_nanosleep, bad, NULL), EFAULT);
	fails(syscall(SYS_poll, bad, 3, 0), EFAULT);
	fails(syscall(SYS_select, 3, bad, NULL, NULL, NULL), EFAULT);
	fails(syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad, NULL, 8), EFAULT);
	fails(syscall(SYS_getrlimit, 0, bad), EFAULT);
	fails(syscall(SYS_getrusage, 0, bad), EFAULT);
	fails(syscall(SYS_times, bad), EFAULT);
	fails(syscall(SYS_sysinfo, bad), EFAULT);
	fails(syscall(SYS_mkdir, bad, 0755), EFAULT);
	fails(syscall(SYS_rename, "x", bad), EFAULT);
	fails(syscall(SYS_utimensat, AT_FDCWD, "/", bad, 0), EFAULT);
	fails(syscall(SYS_writev, 1, bad, 1), EFAULT);
	fails(syscall(SYS_prctl, PR_SET_NAME, bad), EFAULT);
	fails(syscall(SYS_clock_gettime, 0, 0xffffffff81000000), EFAULT);
	fails(syscall(SYS_read, open("/dev/zero", O_RDONLY), 0xffffffff81000000, 8), EFAULT);
	fails(syscall(SYS_stat, 0xffffffff81000000, last), EFAULT);
	fails(syscall(SYS_write, 1, 0x8000000000000000, 8), EFAULT);
	fails(syscall(SYS_futex, bad, 0, 0, NULL, NULL, 0), EFAULT);
	fails(syscall(SYS_execve, bad, NULL, NULL), EFAULT);
	fails(syscall(SYS_sched_getaffinity, 0, 8, bad), EFAULT);
	/* A read that ends exactly at the hole is fine, one byte more is cut. */
	int z = must(open("/dev/zero", O_RDONLY));
	eq(read(z, last + 4086, 10), 10);
	ok(syscall(SYS_read, z, last + 4086, 11) <= 10);
}

static void scheduling(void)
{
	cpu_set_t all, one;
	unsigned long raw[16] = { 0 };

	eq(sched_getaffinity(0, sizeof(all), &all), 0);
	int n = CPU_COUNT(&all);
	ok(n >= 1);
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &all)) {
			CPU_SET(i, &one);
			break;
		}
	eq(sched_setaffinity(0, sizeof(one), &one), 0);
	eq(sched_getaffinity(0, sizeof(all), &all), 0);
	eq(CPU_COUNT(&all), 1);
	pid_t pid = must(fork());
	if (pid == 0) {
		sched_getaffinity(0, sizeof(all), &all);
		_exit(CPU_COUNT(&all));
	}
	eqs(t_wait(pid), "exit 1");
	ok(syscall(SYS_sched_getaffinity, 0, sizeof(raw), raw) >= 8);
	fails(syscall(SYS_sched_getaffinity, 0, 3, raw), EINVAL);
	CPU_ZERO(&one);
	fails(sched_setaffinity(0, sizeof(one), &one), EINVAL);
	fails(sched_getaffinity(0x7ffffff0, sizeof(one), &one), ESRCH);
	struct timespec ts;
	eq(syscall(SYS_sched_rr_get_interval, 0, &ts), 0);
}

/* Calls that an ordinary user may make but is refused, as sandboxed programs see them too. */
static void refused(void)
{
	if (t_root())
		return;
	fails(syscall(SYS_mount, "none", ".", "tmpfs", 0, NULL), EPERM);
	fails(syscall(SYS_umount2, "/", 0), EPERM);
	fails(syscall(SYS_pivot_root, ".", "."), EPERM);
	fails(syscall(SYS_chroot, "."), EPERM);
	fails(syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL), EPERM);
	fails(syscall(SYS_swapon, "f", 0), EPERM);
	fails(syscall(SYS_mknod, "dev", S_IFCHR | 0600, 0x103), EPERM);
	eq(syscall(SYS_mknod, "file", S_IFREG | 0600, 0), 0);
	eq(syscall(SYS_mknod, "fifo", S_IFIFO | 0600, 0), 0);
	fails(syscall(SYS_mknod, "dir", S_IFDIR | 0600, 0), EPERM);
	fails(syscall(SYS_mknod, "odd", 0070000 | 0600, 0), EINVAL);
	fails(syscall(SYS_acct, "x"), EPERM);
	fails(syscall(SYS_setdomainname, "x", 1), EPERM);
}

T_MAIN(T(names), T(numbers), T(processes), T(no_such_call), T(processors), T(bad_pointers), T(scheduling), T(refused))
