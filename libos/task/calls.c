/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The ring of system calls, and its text: /proc/gsh/calls/N is what was called from record N on.
 * See calls.h.
 *
 * The first line is that of /proc/gsh/coord. Then a line a record: number, time, process, result
 * ("?": none), name and arguments, and "<ns>", how long it took. What an argument is, is read off
 * its handler's prototype in sys/syscalls.def. For a signal it is number, time, process, signal,
 * "-CODE A B C" (calls_note_signal); for an end number, time, process, status and "+".
 */
#include "libos/task/calls.h"
#include "libos/coord/ring.h"
#include "libos/sys/sys.h"
#include "libos/sys/user.h"
#include "libos/task/task.h"
#include "pal/pal.h"

#define CALLS_WAIT_NS 1000000

_Static_assert(!(AREA_CALLS & (AREA_CALLS - 1)), "numbers wrap where the ring does");

static bool starts(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

/* The parameter behind this one, or NULL. */
static const char *next_parameter(const char *at)
{
	while (*at && *at != ',')
		at++;
	return *at ? at + 2 : NULL;
}

static const char *first_parameter(u64 nr)
{
	const char *prototype = syscall_prototype((unsigned)nr);

	return prototype && !starts(prototype, "(void)") ? prototype + 1 : NULL;
}

static void copy_paths(struct area_call *c)
{
	const char *at = first_parameter(c->nr);
	unsigned n = 0;

	for (unsigned i = 0; at && i < ARRAY_SIZE(c->arg) && n < ARRAY_SIZE(c->path); i++, at = next_parameter(at)) {
		if (!starts(at, "const char *"))
			continue;
		if (user_string(c->path[n], (const char *)c->arg[i], sizeof(c->path[n])) == -EFAULT)
			c->path[n][0] = '\0';
		c->has_path |= (u8)(1u << i);
		c->path[n++][CALL_PATH - 1] = '\0';
	}
}

/* The reader takes what is there; false: there is none any more. */
static bool wait_for_room(u64 number)
{
	const struct timespec pause = { .tv_nsec = CALLS_WAIT_NS };
	u32 seen;

	for (;;) {
		u64 until = atomic_load(&the_area->calls_until);

		seen = atomic_load(&the_area->calls_turn);
		if (number < atomic_load(&the_area->calls_read) + AREA_CALLS)
			return true;
		if (ring_now() >= until)
			return false;
		(void)pal_futex_plain(&the_area->calls_turn, FUTEX_WAIT, seen, &pause, NULL, 0);
	}
}

static void record(const struct area_call *c)
{
	u64 until = atomic_load(&the_area->calls_until), now = ring_now(), number;
	struct area_call *to;

	if (now >= until) {
		(void)atomic_cas(&the_area->calls_until, until, 0);
		return;
	}
	number = atomic_add(&the_area->calls, 1);
	if (!wait_for_room(number))
		return;
	to = &the_area->call[number % AREA_CALLS];
	atomic_store(&to->number, 0);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	memcpy((char *)to + sizeof(to->number), (const char *)c + sizeof(c->number), sizeof(*c) - sizeof(c->number));
	to->time_ns = now;
	atomic_store(&to->number, number);
}

static bool may_not_return(u64 nr)
{
	return nr == __NR_exit || nr == __NR_exit_group || nr == __NR_execve || nr == __NR_execveat ||
	       nr == __NR_rt_sigreturn;
}

long calls_run(struct pal_regs *regs, long (*run)(struct pal_regs *regs))
{
	struct area_call c = { .nr = (u32)regs->orig_rax, .pid = this_process()->pid,
			       .began_ns = ring_now(),
			       .arg = { regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9 } };
	long r;

	copy_paths(&c);
	if (may_not_return(c.nr)) {
		c.endless = 1;
		record(&c);
	}
	r = run(regs);
	if (c.endless && r >= 0)
		return r;
	c.endless = 0;
	c.result = r;
	c.pid = this_process()->pid; /* a child of fork is another */
	record(&c);
	return r;
}

void calls_note_signal(const struct siginfo *info)
{
	struct area_call c = { .kind = CALL_SIGNAL, .pid = this_process()->pid, .result = info->si_signo };

	if (!calls_watched())
		return;
	c.arg[0] = (u64)(s64)info->si_code;
	if (info->si_code > 0 && info->si_signo != SIGCHLD) {
		c.arg[1] = (u64)info->si_addr;
	} else {
		c.arg[1] = (u64)(s64)info->si_pid;
		c.arg[2] = info->si_uid;
		c.arg[3] = (u64)(s64)(info->si_signo == SIGCHLD ? info->si_status : 0);
	}
	record(&c);
}

void calls_note_end(s32 pid, int status)
{
	struct area_call c = { .kind = CALL_END, .pid = pid, .result = status };

	if (calls_watched())
		record(&c);
}

/* Printable ASCII but for quote and backslash as it is, the rest as \ooo: a name must not drive a terminal. */
static void put_quoted(struct buf *b, const char *text, size_t room)
{
	base_buf_printf(b, "\"");
	for (size_t i = 0; i < room && text[i]; i++) {
		u8 c = (u8)text[i];

		if (c < ' ' || c >= 127 || c == '\\' || c == '"')
			base_buf_printf(b, "\\%u%u%u", c >> 6, c >> 3 & 7, c & 7);
		else
			base_buf_put(b, &text[i], 1);
	}
	base_buf_printf(b, "\"%s", strnlen(text, room) >= room - 1 ? "..." : "");
}

/* The name of the parameter at `at` begins so, and it is all of it. */
static bool named(const char *at, const char *name)
{
	while (*at && *at != ',' && *at != ')') {
		if (*at == ' ' && starts(at + 1, name)) {
			char end = at[1 + strlen(name)];

			return end == ',' || end == ')';
		}
		at++;
	}
	return false;
}

static bool is_pointer(const char *at)
{
	if (starts(at, "uintptr_t"))
		return true;
	while (*at && *at != ',' && *at != ')' && *at != '*')
		at++;
	return *at == '*';
}

static void put_argument(struct buf *b, const char *at, u64 v)
{
	if (is_pointer(at))
		base_buf_printf(b, v ? "0x%lx" : "NULL", v);
	else if (named(at, "mode"))
		base_buf_printf(b, "0%u%u%u%u", (u32)v >> 9 & 7, (u32)v >> 6 & 7, (u32)v >> 3 & 7, (u32)v & 7);
	else if ((named(at, "dfd") || named(at, "dirfd") || named(at, "at")) && (s32)v == AT_FDCWD)
		base_buf_printf(b, "AT_FDCWD");
	else if (named(at, "flags") || named(at, "prot") || named(at, "cmd"))
		base_buf_printf(b, "0x%lx", v & UINT32_MAX);
	else if (starts(at, "int ") || starts(at, "s32 "))
		base_buf_printf(b, "%d", (s32)v);
	else if (starts(at, "unsigned ") || starts(at, "u32 "))
		base_buf_printf(b, "%u", (u32)v);
	else
		base_buf_printf(b, "%ld", (s64)v);
}

static void put_call(struct buf *b, const struct area_call *c)
{
	const char *at = first_parameter(c->nr), *name = syscall_name(c->nr);
	unsigned path = 0;

	base_buf_printf(b, "%lu %lu %d ", c->number, c->time_ns, c->pid);
	if (c->kind == CALL_SIGNAL) {
		base_buf_printf(b, "%ld -%ld %lu %lu %ld\n", c->result, (s64)c->arg[0], c->arg[1], c->arg[2],
				(s64)c->arg[3]);
		return;
	}
	if (c->kind == CALL_END) {
		base_buf_printf(b, "%ld +\n", c->result);
		return;
	}
	if (c->endless)
		base_buf_printf(b, "? ");
	else
		base_buf_printf(b, "%ld ", c->result);
	if (name)
		base_buf_printf(b, "%s(", name);
	else
		base_buf_printf(b, "syscall_%u(", c->nr);
	for (unsigned i = 0; at && i < ARRAY_SIZE(c->arg); i++, at = next_parameter(at)) {
		if (i)
			base_buf_printf(b, ", ");
		if (c->has_path >> i & 1 && path < ARRAY_SIZE(c->path) && c->arg[i])
			put_quoted(b, c->path[path++], CALL_PATH);
		else
			put_argument(b, at, c->arg[i]);
	}
	base_buf_printf(b, ")");
	if (!c->endless && c->time_ns >= c->began_ns)
		base_buf_printf(b, " <%lu>", c->time_ns - c->began_ns);
	base_buf_printf(b, "\n");
}

static int show_calls(struct pseudo_node *n, struct buf *b)
{
	struct buf lines = { 0 };
	struct area_call c;
	u64 now = ring_now(), read = atomic_load(&the_area->calls_read), end, first, at;

	/* Numbers from `read` on that have a record have it still; who waits for room has taken one beyond the ring. */
	end = atomic_load(&the_area->calls) + 1;
	first = MIN(MAX((u64)n->key, read > AREA_CALLS ? read - AREA_CALLS : 1), end);
	/* What lies before it was read: there is room again. */
	atomic_store(&the_area->calls_read, first);
	atomic_store(&the_area->calls_until, now + RING_WATCHED_NS);
	(void)atomic_add(&the_area->calls_turn, 1);
	(void)pal_futex_plain(&the_area->calls_turn, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
	for (at = first; at < end && lines.size < RING_TEXT_MAX; at++)
		if (ring_copy(at, &c, &the_area->call[at % AREA_CALLS], sizeof(c)))
			put_call(&lines, &c);
	return ring_put(b, &lines, first, at, end, now);
}

static const struct pseudo_desc calls_from = PSEUDO_TEXT("", show_calls);

int calls_find(struct pseudo_node *dir, const char *name, struct pseudo_ref *ref)
{
	return ring_find(&calls_from, name, ref);
}
