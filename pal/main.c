/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Start of a picoprocess: look at the host, read the grant, seal the door, enter the libOS.
 *
 * The grant is copied and checked before a byte of it is believed: a picoprocess that executes the
 * image again may have put anything at its descriptor. Whatever does not fit ends the process with
 * status 125 and a sentence. Until the libOS adopts a control block, GS points at pal_boot_tcb, so
 * that locks and handlers need no special case.
 */
#include "pal/impl.h"
#include "pal/grant.h"
#include "pal/base/str.h"

#define AUXV_MAX 48
#define BPF_MAX 4096 /* BPF_MAXINSNS */
#define BOOT_STACK_ROOM (512ul << 10)

static struct grant grant PAL_SPARSE; /* immutable after start */
static struct {
	u64 type, value;
} auxv[AUXV_MAX] PAL_SPARSE; /* immutable after start; ends with AT_NULL */
static char platform[16], random_bytes[16];
static char *exec_text; /* immutable after start */
static uintptr_t boot_stack, boot_stack_top; /* the host's first stack: pointer at start, end; 0: it is gone */

#define START_PAGES 13 /* of tables and heap that a start has written to when its program has been linked */

const struct grant *pal_grant(void)
{
	return &grant;
}

int pal_fd_free(void)
{
	/* More may come where there is a place for them. */
	return GRANT_FD_LAYER + (int)(grant.nlayers + (grant.rung == GRANT_RUNG_A ? GRANT_BINDS_MAX : grant.nbinds));
}

int pal_grant_bind(unsigned i, struct grant_bind *b)
{
	u64 at = sizeof(grant) + grant.bpf_count * sizeof(struct sock_filter) + i * sizeof(*b);
	ssize_t n = i < grant.nbinds ? pal_pread(GRANT_FD_GRANT, b, sizeof(*b), at) : -ENOENT;

	if (n != sizeof(*b))
		return n < 0 ? (int)n : -EPROTO;
	b->name[sizeof(b->name) - 1] = b->at[sizeof(b->at) - 1] = '\0';
	return GRANT_FD_LAYER + (int)(grant.nlayers + i);
}

u64 pal_auxv(u64 type)
{
	for (unsigned i = 0; i < AUXV_MAX && auxv[i].type != AT_NULL; i++)
		if (auxv[i].type == type)
			return auxv[i].value;
	return 0;
}

void pal_refuse(const char *fmt, ...)
{
	char line[512];
	int n = base_snprintf(line, sizeof(line), "picoprocess: ");
	va_list ap;

	va_start(ap, fmt);
	n += base_vsnprintf(line + n, sizeof(line) - n, fmt, ap);
	va_end(ap);
	n = MIN(n, (int)sizeof(line) - 1);
	HOST(3, write, 2, line, n);
	pal_exit(125);
}

/* Keep what auxv says, and the strings it points at: the host's first stack is not ours to keep. */
static void auxv_read(const u64 *stack)
{
	const u64 *p = stack + 1 + stack[0] + 1; /* argc, argv, NULL */
	unsigned n = 0;

	while (*p)
		p++;
	for (p++; p[0] != AT_NULL && n < AUXV_MAX - 1; p += 2, n++) {
		auxv[n].type = p[0];
		auxv[n].value = p[1];
		if (p[0] == AT_PLATFORM) {
			base_strlcpy(platform, (const char *)p[1], sizeof(platform));
			auxv[n].value = (u64)platform;
		} else if (p[0] == AT_RANDOM) {
			memcpy(random_bytes, (const void *)p[1], sizeof(random_bytes));
			auxv[n].value = (u64)random_bytes;
		}
	}
}

/* The host's first stack serves the leader only; in others it is ten pages, and page tables of
 * their own, to copy at every fork. What lies below it is a gap of the host's making. */
void pal_boot_stack_drop(void)
{
	uintptr_t low = PAGE_DOWN(boot_stack) - BOOT_STACK_ROOM, high = boot_stack_top;
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	if (!boot_stack || (here >= low && here < high))
		return;
	boot_stack = 0;
	BUG_ON(pal_munmap(low, high - low) < 0);
}

/* The host puts the name of the executed file behind the last string (fs/exec.c): that tells its length. */
char *pal_exec_text(size_t *size)
{
	const char *end = (const char *)pal_auxv(AT_EXECFN) - 1;

	if (exec_text)
		*size = end > exec_text && !*end ? (size_t)(end - exec_text) : strlen(exec_text);
	return exec_text;
}

static void host_check(void)
{
	u64 need = pal_auxv(AT_MINSIGSTKSZ);

	/*
	 * A fault may arrive inside the handler of a kick: two frames, and the handlers' own needs.
	 */
	if (2 * need + 8192 > PAL_ALTSTACK_SIZE)
		pal_refuse("signal frames of %lu bytes do not fit the alternate stack\n", need);
}

static void bases_check(void)
{
	pal_bases_by_call = !!(grant.flags & GRANT_BASES);
	if (!pal_bases_by_call && !(pal_auxv(AT_HWCAP2) & HWCAP2_FSGSBASE))
		pal_refuse("the grant is of a machine that lets programs set the GS base (FSGSBASE), and this one "
			   "does not\n");
}

/* True if the field holds a NUL. */
static bool terminated(const char *s, size_t size)
{
	return strnlen(s, size) < size;
}

static const char *grant_fault(u64 file_size)
{
	if (grant.magic != GRANT_MAGIC)
		return "magic number";
	if (grant.version != GRANT_VERSION)
		return "version";
	if (grant.size != sizeof(grant))
		return "size";
	if (grant.bpf_count > BPF_MAX || grant.nbinds > GRANT_BINDS_MAX ||
	    file_size != sizeof(grant) + grant.bpf_count * sizeof(struct sock_filter) +
				 grant.nbinds * sizeof(struct grant_bind))
		return "filter size";
	if (grant.rung != GRANT_RUNG_A && grant.rung != GRANT_RUNG_B &&
	    grant.rung != GRANT_RUNG_NONE)
		return "rung";
	if (grant.bpf_count == 0 && grant.rung != GRANT_RUNG_NONE)
		return "missing filter";
	if (grant.flags & ~GRANT_FLAGS)
		return "flags";
	if (grant.nlayers < 1 || grant.nlayers > GRANT_LAYERS_MAX)
		return "number of layers";
	if (grant.ngroups > GRANT_GROUPS_MAX)
		return "number of groups";
	if (!terminated(grant.sandbox, sizeof(grant.sandbox)) ||
	    !terminated(grant.hostname, sizeof(grant.hostname)) ||
	    !terminated(grant.release, sizeof(grant.release)) ||
	    !terminated(grant.version_text, sizeof(grant.version_text)))
		return "name";
	return NULL;
}

static void grant_read(void)
{
	const struct iovec iov = { &grant, sizeof(grant) };
	struct stat st = { 0 };
	const char *fault;
	long n = pal_fstat(GRANT_FD_GRANT, &st);

	if (n < 0)
		pal_refuse(
			"no grant on descriptor %d: this program is started by gshd, not by hand\n",
			GRANT_FD_GRANT);
	n = HOST(6, preadv2, GRANT_FD_GRANT, &iov, 1, 0, 0, 0);
	if (n != sizeof(grant))
		pal_refuse("the grant is too short\n");
	fault = grant_fault(st.st_size);
	if (fault)
		pal_refuse("the grant does not fit this program: %s\n", fault);
}

/*
 * From here on the kernel holds us to the list. Nothing is undone if it fails: there is nothing
 * yet.
 */
static void seal(void)
{
	struct sock_filter code[BPF_MAX];
	struct sock_fprog prog = { .len = grant.bpf_count, .filter = code };
	long size = grant.bpf_count * sizeof(code[0]), err;

	if (!grant.bpf_count)
		return;
	if (pal_pread(GRANT_FD_GRANT, code, size, sizeof(grant)) != size)
		pal_refuse("the filter is too short\n");
	err = HOST(5, prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (!err)
		err = HOST(5, prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);
	if (err)
		pal_refuse("the host refuses the seccomp filter (error %ld)\n", -err);
}

/*
 * Occupy every descriptor number below pal_fd_free() that is not in use, so that the host
 * gives out none of them: what is opened need not be moved out of the way, and a dup3 onto one of
 * the numbers with a meaning cannot hit a descriptor that another thread has just been given. No
 * more than that: each is counted at a fork and given back at the child's end. The
 * placeholders survive an exec of the image; holes are then left by what was close-on-exec: the
 * instance's own ends of streams.
 */
static void descriptors_fill(bool first)
{
	int start = first ? 0 : GRANT_FD_LEADER_READ, end = first ? pal_fd_free() : GRANT_FD_LIFE + 1;

	for (int fd = start; fd < end; fd++)
		if (fd != GRANT_FD_IMAGE && HOST(3, fcntl, fd, F_GETFD, 0) < 0 &&
		    HOST(3, dup3, GRANT_FD_GRANT, fd, 0) < 0)
			pal_refuse("no descriptors left\n");
}

/*
 * The pages that each start touches, by two calls instead of some sixteen faults: text and constants, and the tables
 * and the beginning of the heap. A fault costs 0.5 us more than its page where the processor has page tables for
 * virtual machines, and 40 us where the host keeps them. Linux before 5.14 cannot, and then they come one by one.
 */
static void populate(void)
{
	uintptr_t text = (uintptr_t)pal_hostcall_start, data = (uintptr_t)pal_first_written;

	(void)HOST(3, madvise, text, PAGE_UP(pal_hot_end) - text, MADV_POPULATE_READ);
	(void)HOST(3, madvise, data, START_PAGES * PAGE_SIZE, MADV_POPULATE_WRITE);
}

void pal_main(u64 *stack)
{
	char **argv = (char **)(stack + 1);
	bool first;

	populate();
	auxv_read(stack);
	boot_stack = pal_auxv(AT_EXECFN) ? (uintptr_t)stack : 0;
	/* The name of the file is what the host puts there first; the vDSO may follow at once. */
	boot_stack_top = PAGE_UP(pal_auxv(AT_EXECFN) + 1);
	host_check();
	if (stack[0] != 2)
		pal_refuse("this program is started by gshd, not by hand\n");
	grant_read();
	bases_check();
	pal_set_gs(&pal_boot_tcb);
	first = !strcmp(argv[1], "grant");
	descriptors_fill(first);
	pal_clock_init();
	pal_trap_init(first);
	if (first) {
		seal();
		libos_start_leader();
	} else if (!strcmp(argv[1], "exec")) {
		exec_text = argv[3];
		libos_start_exec();
	} else if (!strcmp(argv[1], "lead")) {
		libos_start_split_leader();
	}
	pal_refuse("unknown way to start\n");
}
