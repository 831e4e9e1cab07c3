// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * One process's memory in another's hands: process_vm_readv and process_vm_writev between processes, with what lies
 * across a hole, what may not be touched, and who may ask.
 */
#include "lib/t.h"

#include <sys/prctl.h>
#include <sys/uio.h>

#define SIZE (100 * 1024 + 123)

struct target {
	pid_t pid;
	int go, back;	/* pipes: to it, from it */
	char *mem;	/* the same address there and here */
};

static char pattern(size_t i)
{
	return (char)(i * 7 + i / 4096);
}

/* A child that shows what is written to its memory, once it is told to; it sleeps in a call, or runs. */
static struct target start(bool busy)
{
	struct target t;
	int to[2], from[2];
	char b;

	must(pipe(to));
	must(pipe(from));
	t.mem = mmap(NULL, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ok(t.mem != MAP_FAILED);
	t.pid = must(fork());
	if (t.pid == 0) {
		close(to[1]);
		for (size_t i = 0; i < SIZE; i++)
			t.mem[i] = pattern(i);
		must(munmap(t.mem + 40 * 4096, 4096));
		must(mprotect(t.mem + 50 * 4096, 4096, PROT_READ));
		must(mprotect(t.mem + 51 * 4096, 4096, PROT_NONE));
		must(write(from[1], "r", 1));
		while (busy && !((volatile char *)t.mem)[60 * 4096])
			;
		_exit(read(to[0], &b, 1) == 1 ? b + (t.mem[5] == 'w') : 99);
	}
	close(to[0]);
	close(from[1]);
	t.go = to[1];
	t.back = from[0];
	must(read(t.back, &b, 1));
	return t;
}

static void finish(struct target *t, const char *how)
{
	must(write(t->go, "\2", 1));
	eqs(t_wait(t->pid), how);
	close(t->go);
	close(t->back);
	must(munmap(t->mem, 64 * 4096));
}

static void reading(void)
{
	struct target t = start(false);
	static char buf[SIZE];
	struct iovec l[3] = { { buf, 1 }, { buf + 1, 50000 }, { buf + 50001, SIZE - 50001 } };
	struct iovec r[2] = { { t.mem, 70000 }, { t.mem + 70000, SIZE - 70000 } };

	eq(process_vm_readv(t.pid, l, 3, r, 2, 0), SIZE);
	size_t bad = 0;
	for (size_t i = 0; i < SIZE; i++)
		bad += buf[i] != pattern(i);
	eq(bad, 0);
	/* Less here than there, and the other way round. */
	l[0] = (struct iovec){ buf, 10 };
	eq(process_vm_readv(t.pid, l, 1, r, 2, 0), 10);
	r[0] = (struct iovec){ t.mem, 3 };
	l[0].iov_len = SIZE;
	eq(process_vm_readv(t.pid, l, 1, r, 1, 0), 3);
	eq(process_vm_readv(t.pid, NULL, 0, r, 1, 0), 0);
	eq(process_vm_readv(t.pid, l, 1, NULL, 0, 0), 0);
	/* Up to the hole, and nothing from within it. */
	r[0] = (struct iovec){ t.mem + 39 * 4096, 3 * 4096 };
	eq(process_vm_readv(t.pid, l, 1, r, 1, 0), 4096);
	r[0] = (struct iovec){ t.mem + 40 * 4096, 10 };
	fails(process_vm_readv(t.pid, l, 1, r, 1, 0), EFAULT);
	r[0] = (struct iovec){ t.mem + 51 * 4096, 10 };
	fails(process_vm_readv(t.pid, l, 1, r, 1, 0), EFAULT);
	r[0] = (struct iovec){ t.mem + 50 * 4096, 10 };
	eq(process_vm_readv(t.pid, l, 1, r, 1, 0), 10);
	fails(process_vm_readv(t.pid, l, 1, r, 1, 1), EINVAL);
	fails(process_vm_readv(t.pid, l, 2000, r, 1, 0), EINVAL);
	fails(process_vm_readv(0x7ffffff, l, 1, r, 1, 0), ESRCH);
	finish(&t, "exit 2");
	fails(process_vm_readv(t.pid, l, 1, r, 1, 0), ESRCH);
}

static void writing(void)
{
	struct target t = start(true);
	static char buf[SIZE], again[SIZE];
	struct iovec l = { buf, SIZE }, r = { t.mem, SIZE }, back = { again, SIZE };

	memset(buf, 'w', SIZE);
	eq(process_vm_writev(t.pid, &l, 1, &r, 1, 0), SIZE);
	eq(process_vm_readv(t.pid, &back, 1, &r, 1, 0), SIZE);
	eq(memcmp(buf, again, SIZE), 0);
	/* Ours is untouched: it is the child's memory that was written. */
	eq(t.mem[0], 0);
	r = (struct iovec){ t.mem + 50 * 4096, 10 };
	fails(process_vm_writev(t.pid, &l, 1, &r, 1, 0), EFAULT);
	r = (struct iovec){ t.mem + 49 * 4096, 2 * 4096 };
	eq(process_vm_writev(t.pid, &l, 1, &r, 1, 0), 4096);
	r = (struct iovec){ t.mem + 60 * 4096, 1 };
	eq(process_vm_writev(t.pid, &l, 1, &r, 1, 0), 1);
	finish(&t, "exit 3");
}

/* One that is not dumpable is nobody's to look into, but root's. */
static void hidden(void)
{
	struct target t;
	char b = 0, mine = 'm';
	struct iovec l = { &b, 1 }, r;

	prctl(PR_SET_DUMPABLE, 0);
	t = start(false);
	prctl(PR_SET_DUMPABLE, 1);
	r = (struct iovec){ t.mem, 1 };
	if (geteuid())
		fails(process_vm_readv(t.pid, &l, 1, &r, 1, 0), EPERM);
	else
		say("ok   process_vm_readv(t.pid, &l, 1, &r, 1, 0): EPERM");
	finish(&t, "exit 2");
	r = (struct iovec){ &mine, 1 };
	eq(process_vm_readv(getpid(), &l, 1, &r, 1, 0), 1);
	eq(b, 'm');
}

T_MAIN(T(reading), T(writing), T(hidden))
