/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * MON_START, in the child: session and terminal, descriptors 0 to 2, cwd, umask, the program by PATH. What fails is
 * told through the outcome pipe; what succeeds closes it (task/exec.c).
 */
#include "libos/coord/leader.h"
#include "libos/fs/kinds.h"
#include "libos/fs/tty.h"
#include "libos/vfs/vfs.h"

#define STRINGS_MAX (8u << 20) /* of a memfd: beyond what exec takes anyway */
#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

struct command {
	struct mon_start head;
	char *strings;	/* cwd, arguments, environment */
	size_t size;
	char **argv, **envp;
};

static unsigned fds_wanted(const struct mon_start *s)
{
	return 3 + !!(s->flags & MON_START_SESSION) + !!(s->flags & MON_START_BIG);
}

bool start_valid(const struct order *o)
{
	struct mon_start s;

	if (o->head.len < sizeof(s))
		return false;
	memcpy(&s, o->payload, sizeof(s));
	return s.argc && s.argc < STRINGS_MAX && s.envc < STRINGS_MAX && o->nfds == fds_wanted(&s);
}

static int read_strings(struct command *c, const struct order *o)
{
	const u8 *tail = o->payload + sizeof(c->head);
	struct stat st;
	ssize_t n = 0;
	int fd = o->fds[o->nfds - 1];

	c->size = o->head.len - sizeof(c->head);
	if (c->head.flags & MON_START_BIG) {
		int err = pal_fstat(fd, &st);

		if (err)
			return err;
		if (st.st_size > STRINGS_MAX)
			return -E2BIG;
		c->size = (size_t)st.st_size;
	}
	c->strings = base_zalloc(c->size + 1);
	if (!c->strings)
		return -ENOMEM;
	if (!(c->head.flags & MON_START_BIG)) {
		memcpy(c->strings, tail, c->size);
		return 0;
	}
	for (size_t done = 0; done < c->size; done += (size_t)n) {
		n = pal_pread(fd, c->strings + done, c->size - done, done);
		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
	}
	return 0;
}

/* Pointers to the strings; each count must be met within the bytes there are. */
static int split_strings(struct command *c)
{
	char *s = c->strings, *end = s + c->size;
	size_t total = 1 + (size_t)c->head.argc + c->head.envc;

	c->argv = base_zalloc((c->head.argc + 1) * sizeof(char *));
	c->envp = base_zalloc((c->head.envc + 1) * sizeof(char *));
	if (!c->argv || !c->envp)
		return -ENOMEM;
	for (size_t i = 0; i < total; i++, s += strlen(s) + 1) {
		if (s >= end)
			return -EINVAL;
		if (i > c->head.argc)
			c->envp[i - 1 - c->head.argc] = s;
		else if (i)
			c->argv[i - 1] = s;
	}
	return 0;
}

static int set_session(struct process *p, const struct order *o)
{
	int r = task_setsid();

	if (r < 0 || !(((const struct mon_start *)o->payload)->flags & MON_START_SESSION))
		return MIN(r, 0);
	return tty_set_controlling(p, o->fds[3]);
}

static int set_files(struct order *o)
{
	for (int i = 0; i < 3; i++) {
		struct file *f = file_from_host(o->fds[i]);
		int err;

		o->fds[i] = -1;
		if (IS_ERR(f))
			return PTR_ERR(f);
		err = fdtab_set(i, f, false);
		if (err < 0)
			return err;
	}
	return 0;
}

/* A directory that the sandbox does not have must not keep a command from running: it starts at the root, as a login
 * without a home does. Unless somebody named it: what is meant for one directory may do harm in another. */
static int set_place(const struct command *c)
{
	struct process *p = this_process();
	struct walk w;
	int err;

	p->fs->umask = c->head.umask & 0777;
	err = path_walk(AT_FDCWD, c->strings, WALK_FOLLOW | WALK_DIRECTORY, &w);
	if (!err) {
		err = vfs_permission(path_node(&w.path), 1) ?: fs_set_cwd(&w.path);
		path_put(&w.path);
	}
	return err && c->head.flags & MON_START_THERE ? -(-err | MON_STARTED_PLACE) : 0;
}

static const char *search_path(char **envp)
{
	for (; *envp; envp++)
		if (!strncmp(*envp, "PATH=", 5))
			return *envp + 5;
	return DEFAULT_PATH;
}

/* execvp(3): the first directory that has it; a file that may not be executed is remembered, not final. */
static int exec_by_path(char **argv, char **envp)
{
	const char *dir = search_path(envp);
	char path[PATH_MAX_LEN];
	int err = -ENOENT;

	if (!argv[0][0])
		return -ENOENT;
	if (strchr(argv[0], '/'))
		return (int)task_exec_kernel(argv[0], argv, envp);
	for (;;) {
		const char *colon = strchr(dir, ':');
		int len = (int)(colon ? (size_t)(colon - dir) : strlen(dir)), r;

		r = base_snprintf(path, sizeof(path), "%.*s%s%s", len, dir, len ? "/" : "", argv[0]);
		r = r < (int)sizeof(path) ? (int)task_exec_kernel(path, argv, envp) : -ENAMETOOLONG;
		if (r == -EACCES)
			err = r;
		else if (r != -ENOENT && r != -ENOTDIR && r != -ENAMETOOLONG)
			return r;
		if (!colon)
			return err;
		dir = colon + 1;
	}
}

static int become(struct order *o, struct command *c)
{
	struct process *p = this_process();
	int err;

	memcpy(&c->head, o->payload, sizeof(c->head));
	err = read_strings(c, o);
	if (!err)
		err = split_strings(c);
	if (!err)
		err = set_session(p, o);
	if (!err)
		err = set_files(o);
	if (!err)
		err = set_place(c);
	order_close(o);
	return err ?: exec_by_path(c->argv, c->envp);
}

void start_command(struct order *o, int outcome)
{
	struct thread *t = current();
	struct command c = { 0 };
	s32 error;

	t->sig.blocked = 0;
	t->proc->start_fd = outcome;
	error = -become(o, &c);
	while (pal_write(outcome, &error, sizeof(error)) == -EINTR)
		atomic_store(&t->tcb.pending, 0);
	task_exit_group(W_EXIT(127));
}
