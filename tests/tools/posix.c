// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * What a file system does, one line a case: to be compared with what the host's own does.
 *
 *   posix prepare CASES DIR             make what the cases find there
 *   posix check [OPTION...] CASES DIR   carry them out there
 *   posix serve DIR                     carry out steps of standard input, used by check
 *
 *	-1 CMD, -2 CMD	who carries out the steps of the two sides (by default two processes, and the first all steps
 *			that do not say): with both given, steps alternate
 *	-e N/M		of those made from sets only the ones whose number leaves N when divided by M
 *	-o CMD		done before each step
 *	-n PATTERN	only cases whose name has PATTERN in it
 *
 * A case of the file is "NAME: STEP; STEP...". A step is a call and its arguments, with "1:" or "2:" before it if it
 * matters which process makes it. What it needs is made of itself: the first component of a word may be the name of a row of
 * fixtures[]. A case "*SET NAME: ..." is one for each path of "SET = PATH..." which stands for its @. In a word, {N} is a
 * name of N letters, {N/} N times "./", and '' the empty word. Open files and maps are called by one letter; a step with
 * one goes to the process that opened it. A case whose name begins with ! is done by one process throughout.
 *
 * Long because it is a function for each call, of a few lines.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define WORDS 12
#define LINE  (64 << 10)
#define BIG   (4 << 20) // holes: not read through

#define OWN_FDS 100 // from here on, what is open is no case's

/* ---- what a case finds ---- */

static void put(const char *name, const char *text, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fchmod(fd, mode))
		err(3, "%s", name);
	close(fd);
}

static void dir_with(const char *name, const char *file, mode_t mode)
{
	char path[64];

	if (mkdir(name, 0700))
		err(3, "%s", name);
	if (file) {
		snprintf(path, sizeof(path), "%s/%s", name, file);
		put(path, "inner\n", 0644);
	}
	if (chmod(name, mode))
		err(3, "%s", name);
}

static void make_file(const char *name)
{
	put(name, "hello world\n", 0644);
}

static void make_read_only(const char *name)
{
	put(name, "read me\n", 0444);
}

static void make_write_only(const char *name)
{
	put(name, "unread\n", 0222);
}

static void make_closed(const char *name)
{
	put(name, "closed\n", 0);
}

static void make_setuid(const char *name)
{
	put(name, "special\n", 06755);
}

static void make_script(const char *name)
{
	put(name, "#!/bin/sh\nexit 7\n", 0755);
}

static void make_linked(const char *name)
{
	put(name, "linked\n", 0644);
	if (link(name, "h2") || link(name, "h3"))
		err(3, "h2");
}

static void make_dir(const char *name)
{
	dir_with(name, "a", 0755);
	if (mkdir("d/b", 0755) || symlink("a", "d/l"))
		err(3, "d/b");
	put("d/b/c", "deep\n", 0644);
}

static void make_empty_dir(const char *name)
{
	dir_with(name, NULL, 0755);
}

static void make_other_dir(const char *name)
{
	dir_with(name, "z", 0755);
}

static void make_closed_dir(const char *name)
{
	dir_with(name, "a", 0);
}

static void make_read_only_dir(const char *name)
{
	dir_with(name, "a", 0555);
}

static void make_unlisted_dir(const char *name)
{
	dir_with(name, "a", 0333);
}

static void make_sticky_dir(const char *name)
{
	dir_with(name, "a", 01777);
}

static void make_setgid_dir(const char *name)
{
	dir_with(name, "a", 02755);
}

static void make_many(const char *name)
{
	char path[64];

	dir_with(name, NULL, 0755);
	for (int i = 0; i < 300; i++) {
		snprintf(path, sizeof(path), "%s/file-%03d", name, i);
		put(path, "", 0644);
	}
}

static void make_fifo(const char *name)
{
	if (mkfifo(name, 0644))
		err(3, "%s", name);
}

static void make_sparse(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0644);

	if (fd < 0 || ftruncate(fd, 1 << 20) || pwrite(fd, "middle", 6, 512 << 10) != 6)
		err(3, "%s", name);
	close(fd);
}

static void make_attributed(const char *name)
{
	put(name, "attributed\n", 0644);
	if (setxattr(name, "user.k", "value", 5, 0) || setxattr(name, "user.second", "", 0, 0))
		err(3, "%s", name);
}

static void make_program(const char *name)
{
	char buf[4096];
	int in = open("/bin/sleep", O_RDONLY), out = open(name, O_WRONLY | O_CREAT | O_EXCL, 0755);
	ssize_t n;

	while ((n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, n) != n)
			err(3, "%s", name);
	close(in);
	close(out);
}

static const char *const link_to[][2] = {
	{ "l", "f" }, { "ld", "d" }, { "dang", "nowhere" }, { "loop", "loop" }, { "ll", "l" },
};

static void make_link(const char *name)
{
	for (size_t i = 0; i < sizeof(link_to) / sizeof(*link_to); i++)
		if (!strcmp(link_to[i][0], name) && symlink(link_to[i][1], name))
			err(3, "%s", name);
}

static const struct {
	const char *name, *needs;
	void (*make)(const char *name);
} fixtures[] = {
	{ "f", NULL, make_file }, { "g", NULL, make_file }, { "ro", NULL, make_read_only },
	{ "wo", NULL, make_write_only }, { "none", NULL, make_closed }, { "su", NULL, make_setuid },
	{ "sh", NULL, make_script }, { "bin", NULL, make_program }, { "h1", NULL, make_linked },
	{ "d", NULL, make_dir }, { "e", NULL, make_empty_dir }, { "o", NULL, make_other_dir },
	{ "nox", NULL, make_closed_dir }, { "rod", NULL, make_read_only_dir }, { "nor", NULL, make_unlisted_dir },
	{ "st", NULL, make_sticky_dir }, { "sg", NULL, make_setgid_dir }, { "many", NULL, make_many },
	{ "p", NULL, make_fifo }, { "big", NULL, make_sparse }, { "xa", NULL, make_attributed },
	{ "l", "f", make_link }, { "ld", "d", make_link }, { "dang", NULL, make_link },
	{ "loop", NULL, make_link }, { "ll", "l", make_link }, { "h2", "h1", NULL }, { "h3", "h1", NULL },
};
#define FIXTURES (sizeof(fixtures) / sizeof(*fixtures))

/* ---- steps ---- */

struct call {
	int n;
	char *arg[WORDS];
};

static char answer[LINE];
static size_t answered;
static int fds[128];
static DIR *dirs[128];
static long told[128];
static struct {
	char *at;
	size_t size;
} maps[128];
static pid_t child;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	int n = vsnprintf(answer + answered, sizeof(answer) - answered, format, ap);
	va_end(ap);
	if (n > 0)
		answered += (size_t)n < sizeof(answer) - answered ? (size_t)n : sizeof(answer) - answered - 1;
}

/* Of a call that gives 0 or a number that does not matter. */
static void done(long r)
{
	if (r < 0)
		say("%s", strerrorname_np(errno));
	else
		say("ok");
}

static void number(long r)
{
	if (r < 0)
		say("%s", strerrorname_np(errno));
	else
		say("%ld", r);
}

static const struct word {
	const char *name;
	long value;
} words[] = {
	{ "r", O_RDONLY }, { "w", O_WRONLY }, { "rw", O_RDWR }, { "creat", O_CREAT }, { "excl", O_EXCL },
	{ "trunc", O_TRUNC }, { "append", O_APPEND }, { "dir", O_DIRECTORY }, { "nofollow", O_NOFOLLOW },
	{ "path", O_PATH }, { "tmpfile", O_TMPFILE }, { "nonblock", O_NONBLOCK }, { "noatime", O_NOATIME },
	{ "sync", O_SYNC }, { "NOREPLACE", RENAME_NOREPLACE }, { "EXCHANGE", RENAME_EXCHANGE },
	{ "WHITEOUT", RENAME_WHITEOUT }, { "SET", SEEK_SET }, { "CUR", SEEK_CUR }, { "END", SEEK_END },
	{ "DATA", SEEK_DATA }, { "HOLE", SEEK_HOLE }, { "KEEP", FALLOC_FL_KEEP_SIZE },
	{ "PUNCH", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE }, { "ZERO", FALLOC_FL_ZERO_RANGE },
	{ "SHARED", LOCK_SH }, { "ALONE", LOCK_EX }, { "UNLOCK", LOCK_UN }, { "CREATE", XATTR_CREATE },
	{ "REPLACE", XATTR_REPLACE }, { "NOFOLLOW", AT_SYMLINK_NOFOLLOW }, { "FOLLOW", AT_SYMLINK_FOLLOW },
	{ "REMOVEDIR", AT_REMOVEDIR }, { "EACCESS", AT_EACCESS }, { "RD", F_RDLCK }, { "WR", F_WRLCK },
	{ "UN", F_UNLCK }, { "REG", S_IFREG }, { "FIFO", S_IFIFO }, { "SOCK", S_IFSOCK }, { "CHR", S_IFCHR },
	{ "BLK", S_IFBLK }, { "DIRTYPE", S_IFDIR }, { "NOW", UTIME_NOW }, { "OMIT", UTIME_OMIT },
};

/* The or of comma-separated words or numbers; argument @i, octal if it begins with 0; 0 if it is not there. */
static long value(struct call *c, int i)
{
	long r = 0;
	char copy[128], *save = NULL;

	if (i >= c->n)
		return 0;
	snprintf(copy, sizeof(copy), "%s", c->arg[i]);
	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		size_t k = 0;
		while (k < sizeof(words) / sizeof(*words) && strcmp(words[k].name, w))
			k++;
		if (k < sizeof(words) / sizeof(*words)) {
			r |= words[k].value;
			continue;
		}
		char *end;
		r |= strtol(w, &end, 0);
		if (*end)
			errx(3, "what is %s?", w);
	}
	return r;
}

static const char *arg(struct call *c, int i)
{
	return i < c->n ? c->arg[i] : "";
}

static int fd_of(struct call *c, int i)
{
	return fds[arg(c, i)[0] & 127];
}

static const char *proc_fd(struct call *c, int i)
{
	static char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd_of(c, i));
	return path;
}

static char kind(mode_t mode)
{
	return "?pc?d?b?-?l?s???"[(mode & S_IFMT) >> 12];
}

static void say_stat(const struct stat *st)
{
	say("%c%04o n%lu u%s g%s", kind(st->st_mode), st->st_mode & 07777, (unsigned long)st->st_nlink,
	    st->st_uid == getuid() ? "=" : "?", st->st_gid == getgid() ? "=" : "?");
	if (S_ISREG(st->st_mode) || S_ISLNK(st->st_mode))
		say(" s%lld", (long long)st->st_size);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		say(" %u:%u", major(st->st_rdev), minor(st->st_rdev));
}

static void do_open(struct call *c)
{
	int r = open(arg(c, 2), (int)value(c, 3), (mode_t)value(c, 4));

	done(r);
	fds[arg(c, 1)[0] & 127] = r;
}

static void do_openat(struct call *c)
{
	int r = openat(fd_of(c, 2), arg(c, 3), (int)value(c, 4), (mode_t)value(c, 5));

	done(r);
	fds[arg(c, 1)[0] & 127] = r;
}

static void do_dup(struct call *c)
{
	int r = dup(fd_of(c, 1));

	done(r);
	fds[arg(c, 2)[0] & 127] = r;
}

static void do_close(struct call *c)
{
	done(close(fd_of(c, 1)));
}

static void do_mkdir(struct call *c)
{
	done(mkdir(arg(c, 1), (mode_t)value(c, 2)));
}

static void do_rmdir(struct call *c)
{
	done(rmdir(arg(c, 1)));
}

static void do_unlink(struct call *c)
{
	done(unlink(arg(c, 1)));
}

static void do_link(struct call *c)
{
	done(linkat(AT_FDCWD, arg(c, 1), AT_FDCWD, arg(c, 2), (int)value(c, 3)));
}

static void do_linkfd(struct call *c)
{
	done(linkat(AT_FDCWD, proc_fd(c, 1), AT_FDCWD, arg(c, 2), AT_SYMLINK_FOLLOW));
}

static void do_symlink(struct call *c)
{
	done(symlink(arg(c, 1), arg(c, 2)));
}

static void do_readlink(struct call *c)
{
	char buf[PATH_MAX];
	ssize_t n = readlink(arg(c, 1), buf, sizeof(buf));

	if (n < 0)
		done(n);
	else
		say("%zd:%.*s", n, n > 40 ? 40 : (int)n, buf);
}

static void do_rename(struct call *c)
{
	done(renameat2(AT_FDCWD, arg(c, 1), AT_FDCWD, arg(c, 2), (unsigned)value(c, 3)));
}

static void do_mknod(struct call *c)
{
	done(mknod(arg(c, 1), (mode_t)value(c, 2), (dev_t)value(c, 3)));
}

static void do_bind(struct call *c)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", arg(c, 1));
	done(bind(s, (struct sockaddr *)&a, sizeof(a)));
	close(s);
}

static void do_chmod(struct call *c)
{
	done(chmod(arg(c, 1), (mode_t)value(c, 2)));
}

static void do_fchmod(struct call *c)
{
	done(fchmod(fd_of(c, 1), (mode_t)value(c, 2)));
}

static long id(const char *word, long own)
{
	return !strcmp(word, "own") ? own : strtol(word, NULL, 0);
}

static void do_chown(struct call *c)
{
	done(fchownat(AT_FDCWD, arg(c, 1), (uid_t)id(arg(c, 2), getuid()), (gid_t)id(arg(c, 3), getgid()),
		      (int)value(c, 4)));
}

static void do_fchown(struct call *c)
{
	done(fchown(fd_of(c, 1), (uid_t)id(arg(c, 2), getuid()), (gid_t)id(arg(c, 3), getgid())));
}

static void do_truncate(struct call *c)
{
	done(truncate(arg(c, 1), value(c, 2)));
}

static void do_ftruncate(struct call *c)
{
	done(ftruncate(fd_of(c, 1), value(c, 2)));
}

/* utimens PATH ATIME MTIME [FLAGS]: seconds, to which some nanoseconds are added, or NOW, OMIT. */
static struct timespec time_of(struct call *c, int i)
{
	long v = value(c, i);

	return v == UTIME_NOW || v == UTIME_OMIT ? (struct timespec){ .tv_nsec = v } :
						   (struct timespec){ .tv_sec = v, .tv_nsec = 123456789 };
}

static void do_utimens(struct call *c)
{
	struct timespec t[2] = { time_of(c, 2), time_of(c, 3) };

	done(utimensat(AT_FDCWD, arg(c, 1), t, (int)value(c, 4)));
}

static void do_futimens(struct call *c)
{
	struct timespec t[2] = { time_of(c, 2), time_of(c, 3) };

	done(futimens(fd_of(c, 1), t));
}

static void do_times(struct call *c)
{
	struct stat st;

	if (lstat(arg(c, 1), &st))
		done(-1);
	else
		say("%lld.%09ld %lld.%09ld", (long long)st.st_atim.tv_sec, st.st_atim.tv_nsec,
		    (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static void do_access(struct call *c)
{
	done(faccessat(AT_FDCWD, arg(c, 1), (int)value(c, 2), (int)value(c, 3)));
}

static void do_stat(struct call *c)
{
	struct stat st;

	if (fstatat(AT_FDCWD, arg(c, 1), &st, (int)value(c, 2)))
		done(-1);
	else
		say_stat(&st);
}

static void do_fstat(struct call *c)
{
	struct stat st;

	if (fstat(fd_of(c, 1), &st))
		done(-1);
	else
		say_stat(&st);
}

static void do_statx(struct call *c)
{
	struct statx x;

	if (statx(AT_FDCWD, arg(c, 1), (int)value(c, 2), STATX_BASIC_STATS, &x))
		done(-1);
	else
		say("%c%04o n%u s%lld %s", kind(x.stx_mode), x.stx_mode & 07777, x.stx_nlink,
		    S_ISDIR(x.stx_mode) ? 0LL : (long long)x.stx_size,
		    (x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS ? "all" : "some");
}

/* Is what is not stored told? */
static void do_blocks(struct call *c)
{
	struct stat st;

	if (stat(arg(c, 1), &st))
		done(-1);
	else
		say("%s", !st.st_blocks			    ? "none" :
			  st.st_blocks * 512 < st.st_size ? "sparse" : "full");
}

static void do_statfs(struct call *c)
{
	struct statfs s;

	if (statfs(arg(c, 1), &s))
		done(-1);
	else
		say("%ld %s", (long)s.f_namelen, s.f_blocks ? "blocks" : "nothing");
}

static void do_setxattr(struct call *c)
{
	done(setxattr(arg(c, 1), arg(c, 2), arg(c, 3), strlen(arg(c, 3)), (int)value(c, 4)));
}

static void do_lsetxattr(struct call *c)
{
	done(lsetxattr(arg(c, 1), arg(c, 2), arg(c, 3), strlen(arg(c, 3)), (int)value(c, 4)));
}

static void do_fsetxattr(struct call *c)
{
	done(fsetxattr(fd_of(c, 1), arg(c, 2), arg(c, 3), strlen(arg(c, 3)), (int)value(c, 4)));
}

static void do_getxattr(struct call *c)
{
	char buf[256];
	size_t size = c->n > 3 ? (size_t)value(c, 3) : sizeof(buf);
	ssize_t n = getxattr(arg(c, 1), arg(c, 2), buf, size);

	if (n < 0 || !size)
		number(n);
	else
		say("%zd:%.*s", n, (int)n, buf);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void say_xattrs(const char *path, bool alone)
{
	char buf[4096], *names[64];
	ssize_t n = llistxattr(path, buf, sizeof(buf));
	size_t count = 0;

	if (n < 0 && alone)
		done(n);
	for (char *p = buf; p < buf + n && count < 64; p += strlen(p) + 1)
		if (!strncmp(p, "user.", 5))
			names[count++] = p;
	qsort(names, count, sizeof(*names), by_name);
	if (alone && n >= 0)
		say("%zu", count);
	for (size_t i = 0; i < count; i++)
		say(" %s", names[i]);
}

static void do_listxattr(struct call *c)
{
	say_xattrs(arg(c, 1), true);
}

static void do_removexattr(struct call *c)
{
	done(removexattr(arg(c, 1), arg(c, 2)));
}

static void do_write(struct call *c)
{
	number(write(fd_of(c, 1), arg(c, 2), strlen(arg(c, 2))));
}

static void do_pwrite(struct call *c)
{
	number(pwrite(fd_of(c, 1), arg(c, 2), strlen(arg(c, 2)), value(c, 3)));
}

static void say_bytes(const char *p, ssize_t n)
{
	if (n < 0) {
		done(n);
		return;
	}
	say("%zd:", n);
	for (ssize_t i = 0; i < n; i++)
		say(p[i] > ' ' && p[i] < 127 ? "%c" : p[i] ? "_" : "0", p[i]);
}

static void do_read(struct call *c)
{
	char buf[512];

	say_bytes(buf, read(fd_of(c, 1), buf, (size_t)value(c, 2) % sizeof(buf)));
}

static void do_pread(struct call *c)
{
	char buf[512];

	say_bytes(buf, pread(fd_of(c, 1), buf, (size_t)value(c, 2) % sizeof(buf), value(c, 3)));
}

static void do_cat(struct call *c)
{
	char buf[512];
	int fd = open(arg(c, 1), O_RDONLY | O_NONBLOCK);

	if (fd < 0) {
		done(-1);
		return;
	}
	say_bytes(buf, read(fd, buf, sizeof(buf) - 1));
	close(fd);
}

static void do_seek(struct call *c)
{
	number(lseek(fd_of(c, 1), value(c, 2), (int)value(c, 3)));
}

static void do_fallocate(struct call *c)
{
	done(fallocate(fd_of(c, 1), (int)value(c, 2), value(c, 3), value(c, 4)));
}

/* copy FROM OFFSET TO OFFSET LENGTH */
static void do_copy(struct call *c)
{
	off_t from = value(c, 2), to = value(c, 4);

	number(copy_file_range(fd_of(c, 1), &from, fd_of(c, 3), &to, (size_t)value(c, 5), 0));
}

static void do_fsync(struct call *c)
{
	done(fsync(fd_of(c, 1)));
}

static void do_flock(struct call *c)
{
	done(flock(fd_of(c, 1), (int)value(c, 2) | LOCK_NB));
}

/* lock FD TYPE START LENGTH, olock: of the open file. */
static void do_lock(struct call *c)
{
	struct flock l = { .l_type = (short)value(c, 2), .l_start = value(c, 3), .l_len = value(c, 4) };

	done(fcntl(fd_of(c, 1), c->arg[0][0] == 'o' ? F_OFD_SETLK : F_SETLK, &l));
}

static void do_getlock(struct call *c)
{
	struct flock l = { .l_type = (short)value(c, 2), .l_start = value(c, 3), .l_len = value(c, 4) };

	if (fcntl(fd_of(c, 1), F_GETLK, &l))
		done(-1);
	else if (l.l_type == F_UNLCK)
		say("free");
	else
		say("%s %ld+%ld", l.l_type == F_RDLCK ? "RD" : "WR", (long)l.l_start, (long)l.l_len);
}

/* map MAP FD SIZE, then mread, mwrite MAP OFFSET. */
static void do_map(struct call *c)
{
	int k = arg(c, 1)[0] & 127;
	int prot = (fcntl(fd_of(c, 2), F_GETFL) & O_ACCMODE) == O_RDONLY ? PROT_READ : PROT_READ | PROT_WRITE;

	maps[k].size = (size_t)value(c, 3);
	maps[k].at = mmap(NULL, maps[k].size, prot, MAP_SHARED, fd_of(c, 2), 0);
	done(maps[k].at == MAP_FAILED ? -1 : 0);
}

static bool mapped(int k)
{
	if (maps[k].at && maps[k].at != MAP_FAILED)
		return true;
	say("no map");
	return false;
}

static void do_mread(struct call *c)
{
	int k = arg(c, 1)[0] & 127;

	if (mapped(k))
		say_bytes(maps[k].at + value(c, 2), value(c, 3));
}

static void do_mwrite(struct call *c)
{
	int k = arg(c, 1)[0] & 127;

	if (!mapped(k))
		return;
	memcpy(maps[k].at + value(c, 2), arg(c, 3), strlen(arg(c, 3)));
	say("ok");
}

static void do_msync(struct call *c)
{
	int k = arg(c, 1)[0] & 127;

	done(msync(maps[k].at, maps[k].size, MS_SYNC));
}

static void do_unmap(struct call *c)
{
	int k = arg(c, 1)[0] & 127;

	done(munmap(maps[k].at, maps[k].size));
}

static void do_ls(struct call *c)
{
	DIR *d = opendir(arg(c, 1));
	char *names[512];
	size_t n = 0;

	if (!d) {
		done(-1);
		return;
	}
	for (struct dirent *e; n < 512 && (e = readdir(d));)
		if (e->d_name[0] != '.')
			names[n++] = strdup(e->d_name);
	closedir(d);
	qsort(names, n, sizeof(*names), by_name);
	say("%zu", n);
	for (size_t i = 0; i < n; i++) {
		if (n <= 12)
			say(" %.16s", names[i]);
		free(names[i]);
	}
}

static void do_opendir(struct call *c)
{
	DIR *d = opendir(arg(c, 2));

	dirs[arg(c, 1)[0] & 127] = d;
	done(d ? 0 : -1);
}

static DIR *dir_of(struct call *c)
{
	DIR *d = dirs[arg(c, 1)[0] & 127];

	if (!d)
		say("not open");
	return d;
}

/* readdir DIR N: how many came, at most N; "." and ".." included. */
static void do_readdir(struct call *c)
{
	DIR *d = dir_of(c);
	long n = 0;

	if (!d)
		return;
	while (n < value(c, 2) && readdir(d))
		n++;
	say("%ld", n);
}

static void do_telldir(struct call *c)
{
	DIR *d = dir_of(c);

	if (!d)
		return;
	told[arg(c, 1)[0] & 127] = telldir(d);
	say("ok");
}

static void do_seekdir(struct call *c)
{
	DIR *d = dir_of(c);

	if (!d)
		return;
	seekdir(d, told[arg(c, 1)[0] & 127]);
	say("ok");
}

static void do_rewinddir(struct call *c)
{
	DIR *d = dir_of(c);

	if (!d)
		return;
	rewinddir(d);
	say("ok");
}

/* emptydir DIR PATH: unlink what is read, as rm -r does; how many. */
static void do_emptydir(struct call *c)
{
	DIR *d = dir_of(c);
	long n = 0;

	if (!d)
		return;
	for (struct dirent *e; (e = readdir(d));)
		n += !unlinkat(dirfd(d), e->d_name, 0);
	say("%ld", n);
}

static void end_child(void)
{
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	child = 0;
}

static void do_exec(struct call *c)
{
	int pipe_fds[2], e = 0;

	if (pipe2(pipe_fds, O_CLOEXEC))
		err(3, "pipe");
	end_child();
	child = fork();
	if (!child) {
		int out = open("/dev/null", O_RDWR);
		dup2(out, 0);
		dup2(out, 1);
		execl(arg(c, 1), "bin", "30", NULL);
		e = errno;
		if (write(pipe_fds[1], &e, sizeof(e)) < 0)
			_exit(3);
		_exit(127);
	}
	close(pipe_fds[1]);
	if (read(pipe_fds[0], &e, sizeof(e)) <= 0)
		e = 0;
	close(pipe_fds[0]);
	say("%s", e ? strerrorname_np(e) : "ok");
	if (e)
		end_child();
}

static void do_reap(struct call *c)
{
	(void)c;
	end_child();
	say("ok");
}

static void do_chdir(struct call *c)
{
	done(chdir(arg(c, 1)));
}

static void do_umask(struct call *c)
{
	umask((mode_t)value(c, 1));
	say("ok");
}

/* For the driver: times and number, to be compared. */
static void do_mark(struct call *c)
{
	struct stat st;

	if (lstat(arg(c, 1), &st))
		done(-1);
	else
		say("%lld.%09ld %lld.%09ld %lld.%09ld %llu", (long long)st.st_atim.tv_sec, st.st_atim.tv_nsec,
		    (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (long long)st.st_ctim.tv_sec,
		    st.st_ctim.tv_nsec, (unsigned long long)st.st_ino);
	usleep(12000); // the clock of files has ticks
}

static void do_moved(struct call *c)
{
	struct stat st;

	if (lstat(arg(c, 1), &st))
		done(-1);
	else
		say("%lld.%09ld %lld.%09ld %lld.%09ld %llu", (long long)st.st_atim.tv_sec, st.st_atim.tv_nsec,
		    (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (long long)st.st_ctim.tv_sec,
		    st.st_ctim.tv_nsec, (unsigned long long)st.st_ino);
}

static void say_tree(const char *path)
{
	char inner[PATH_MAX], buf[4096], *names[512];
	struct stat st;
	size_t n = 0;

	if (!strncmp(path, "./many/", 7)) // too many to be read
		return;
	if (strcmp(path, ".")) {
		say(" [%.24s ", path + 2);
		if (lstat(path, &st))
			done(-1);
		else
			say_stat(&st);
		say_xattrs(path, false);
		if (S_ISREG(st.st_mode) && st.st_size <= BIG) {
			int fd = open(path, O_RDONLY);
			uint64_t sum = 14695981039346656037u;
			ssize_t r;
			while ((r = read(fd, buf, sizeof(buf))) > 0)
				for (ssize_t i = 0; i < r; i++)
					sum = (sum ^ (unsigned char)buf[i]) * 1099511628211u;
			if (fd < 0 || r < 0)
				say(" %s", strerrorname_np(errno));
			else
				say(" %04x", (unsigned)(sum ^ sum >> 32) & 0xffff);
			if (fd >= 0)
				close(fd);
		}
		say("]");
		if (!S_ISDIR(st.st_mode))
			return;
	}
	DIR *d = opendir(path);
	if (!d) {
		say(" (%s)", strerrorname_np(errno));
		return;
	}
	for (struct dirent *e; n < 512 && (e = readdir(d));)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			names[n++] = strdup(e->d_name);
	closedir(d);
	qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++) {
		snprintf(inner, sizeof(inner), "%s/%s", path, names[i]);
		say_tree(inner);
		free(names[i]);
	}
}

static void do_tree(struct call *c)
{
	(void)c;
	say_tree(".");
}

/* A call, and how many of its first arguments name what a process has open. */
static const struct {
	const char *name;
	void (*f)(struct call *c);
	char uses, makes; // which argument is a letter of the process's own, 0: none
} calls[] = {
	{ "open", do_open, 0, 1 }, { "openat", do_openat, 2, 1 }, { "dup", do_dup, 1, 2 }, { "close", do_close, 1, 0 },
	{ "mkdir", do_mkdir, 0, 0 }, { "rmdir", do_rmdir, 0, 0 }, { "unlink", do_unlink, 0, 0 },
	{ "link", do_link, 0, 0 }, { "linkfd", do_linkfd, 1, 0 }, { "symlink", do_symlink, 0, 0 },
	{ "readlink", do_readlink, 0, 0 }, { "rename", do_rename, 0, 0 }, { "mknod", do_mknod, 0, 0 },
	{ "bind", do_bind, 0, 0 }, { "chmod", do_chmod, 0, 0 }, { "fchmod", do_fchmod, 1, 0 },
	{ "chown", do_chown, 0, 0 }, { "fchown", do_fchown, 1, 0 }, { "truncate", do_truncate, 0, 0 },
	{ "ftruncate", do_ftruncate, 1, 0 }, { "utimens", do_utimens, 0, 0 }, { "futimens", do_futimens, 1, 0 },
	{ "times", do_times, 0, 0 }, { "access", do_access, 0, 0 }, { "stat", do_stat, 0, 0 },
	{ "fstat", do_fstat, 1, 0 }, { "statx", do_statx, 0, 0 }, { "blocks", do_blocks, 0, 0 },
	{ "statfs", do_statfs, 0, 0 }, { "setxattr", do_setxattr, 0, 0 }, { "lsetxattr", do_lsetxattr, 0, 0 },
	{ "fsetxattr", do_fsetxattr, 1, 0 }, { "getxattr", do_getxattr, 0, 0 }, { "listxattr", do_listxattr, 0, 0 },
	{ "removexattr", do_removexattr, 0, 0 }, { "write", do_write, 1, 0 }, { "pwrite", do_pwrite, 1, 0 },
	{ "read", do_read, 1, 0 }, { "pread", do_pread, 1, 0 }, { "cat", do_cat, 0, 0 }, { "seek", do_seek, 1, 0 },
	{ "fallocate", do_fallocate, 1, 0 }, { "copy", do_copy, 1, 0 }, { "fsync", do_fsync, 1, 0 },
	{ "flock", do_flock, 1, 0 }, { "lock", do_lock, 1, 0 }, { "olock", do_lock, 1, 0 },
	{ "getlock", do_getlock, 1, 0 }, { "map", do_map, 2, 1 }, { "mread", do_mread, 1, 0 },
	{ "mwrite", do_mwrite, 1, 0 }, { "msync", do_msync, 1, 0 }, { "unmap", do_unmap, 1, 0 },
	{ "ls", do_ls, 0, 0 }, { "opendir", do_opendir, 0, 1 }, { "readdir", do_readdir, 1, 0 },
	{ "telldir", do_telldir, 1, 0 }, { "seekdir", do_seekdir, 1, 0 }, { "rewinddir", do_rewinddir, 1, 0 },
	{ "emptydir", do_emptydir, 1, 0 }, { "exec", do_exec, 0, 0 }, { "reap", do_reap, 0, 0 },
	{ "chdir", do_chdir, 0, 0 }, { "umask", do_umask, 0, 0 }, { "mark", do_mark, 0, 0 },
	{ "moved", do_moved, 0, 0 }, { "tree", do_tree, 0, 0 },
};

static size_t call_named(const char *name)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (!strcmp(calls[i].name, name))
			return i;
	errx(3, "no call %s", name);
}

/* What {N}, {N/} and '' stand for. */
static char *expand(const char *word)
{
	static char out[4][LINE / 4];
	static unsigned turn;
	char *to = out[turn++ % 4];
	size_t n = 0;

	if (!strcmp(word, "''"))
		word = "";
	while (*word && n < LINE / 4 - 1) {
		char *end;
		long count = *word == '{' ? strtol(word + 1, &end, 10) : 0;
		if (count <= 0) {
			to[n++] = *word++;
			continue;
		}
		for (long i = 0; i < count && n < LINE / 4 - 3; i++)
			n += (size_t)sprintf(to + n, "%s", *end == '/' ? "./" : "n");
		word = end + 1 + (*end == '/');
	}
	to[n] = 0;
	return to;
}

static void split(struct call *c, char *line)
{
	char *save = NULL;

	c->n = 0;
	for (char *w = strtok_r(line, " ", &save); w && c->n < WORDS; w = strtok_r(NULL, " ", &save))
		c->arg[c->n++] = w;
}

/* A new case: nothing of the last one is open. */
static void forget(void)
{
	for (int i = 0; i < 128; i++) {
		if (dirs[i])
			closedir(dirs[i]);
		if (maps[i].at && maps[i].at != MAP_FAILED)
			munmap(maps[i].at, maps[i].size);
	}
	end_child();
	close_range(3, OWN_FDS - 1, 0);
	memset(dirs, 0, sizeof(dirs));
	memset(maps, 0, sizeof(maps));
	for (int i = 0; i < 128; i++)
		fds[i] = -1;
	umask(022);
}

static char *carry_out(const char *dir, const char *step)
{
	static char copy[LINE], path[LINE];
	struct call c;

	snprintf(copy, sizeof(copy), "%s", step);
	split(&c, copy);
	answered = 0;
	answer[0] = 0;
	if (!strcmp(c.arg[0], "case")) {
		forget();
		snprintf(path, sizeof(path), "%s/%s", dir, c.arg[1]);
		done(chdir(path));
	} else {
		for (int i = 1; i < c.n && i < 4; i++)
			c.arg[i] = expand(c.arg[i]);
		calls[call_named(c.arg[0])].f(&c);
	}
	return answer;
}

static int serve(const char *dir)
{
	static char line[LINE];

	setvbuf(stdout, NULL, _IOLBF, LINE);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		puts(carry_out(dir, line));
	}
	end_child();
	return 0;
}

/* ---- cases ---- */

struct side {
	FILE *to, *from;
};

static struct side sides[2];
static bool alternate;
static const char *between, *only;
static int part_n, part_m = 1;
static const char *work_dir;

static void start_side(struct side *s, const char *command, const char *dir)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		err(3, "pipe");
	if (!fork()) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		if (command) {
			execl("/bin/sh", "sh", "-c", command, NULL);
			err(3, "sh");
		}
		close_range(3, ~0u, 0); /* the driver's end among them, which is to be the only one */
		exit(serve(dir));
	}
	close(in[0]);
	close(out[1]);
	s->to = fdopen(fcntl(in[1], F_DUPFD_CLOEXEC, OWN_FDS), "w");
	s->from = fdopen(fcntl(out[0], F_DUPFD_CLOEXEC, OWN_FDS), "r");
	close(in[1]);
	close(out[0]);
}

static char *ask(int side, const char *step)
{
	static char line[2][LINE];

	if (!sides[side].to) // the driver is that side
		return carry_out(work_dir, step);
	fprintf(sides[side].to, "%s\n", step);
	fflush(sides[side].to);
	if (!fgets(line[side], LINE, sides[side].from))
		errx(3, "side %d ended at: %s", side + 1, step);
	line[side][strcspn(line[side], "\n")] = 0;
	return line[side];
}

/* Which of access, modification, change time and number are others than at the mark. */
static void compare(const char *before, const char *now)
{
	char a[4][40], b[4][40];

	if (sscanf(before, "%39s %39s %39s %39s", a[0], a[1], a[2], a[3]) != 4 ||
	    sscanf(now, "%39s %39s %39s %39s", b[0], b[1], b[2], b[3]) != 4) {
		printf("%s", now);
		return;
	}
	for (int i = 0; i < 4; i++)
		if (strcmp(a[i], b[i]))
			putchar("amci"[i]);
}

static void check_case(const char *name, const char *steps)
{
	static char all[LINE], step[LINE], first[LINE], marked[LINE];
	char *save = NULL, owner[128] = { 0 };
	bool one = name[0] == '!';
	int turn = 0;

	snprintf(step, sizeof(step), "case %s", name + one);
	bool both = alternate || strstr(steps, "2:");
	for (int i = 0; i <= both; i++)
		if (strcmp(ask(i, step), "ok"))
			errx(3, "%s: no directory for side %d", name, i + 1);
	printf("%s:", name + one);
	snprintf(all, sizeof(all), "%s", steps);
	for (char *s = strtok_r(all, ";", &save); s; s = strtok_r(NULL, ";", &save)) {
		struct call c;
		int side = alternate && !one ? turn++ & 1 : 0;
		s += strspn(s, " ");
		if (!*s)
			continue;
		if (between && system(between))
			errx(3, "%s", between);
		bool forced = (s[0] == '1' || s[0] == '2') && s[1] == ':';
		if (forced) {
			side = s[0] - '1';
			s += 2;
		}
		snprintf(step, sizeof(step), "%s", s);
		split(&c, step);
		size_t k = call_named(c.arg[0]);
		if (calls[k].uses && !forced)
			side = owner[c.arg[(int)calls[k].uses][0] & 127];
		if (both && (!strcmp(c.arg[0], "chdir") || !strcmp(c.arg[0], "umask"))) // of both
			ask(!side, s);
		if (!strcmp(c.arg[0], "exec"))
			owner[0] = (char)side;
		if (!strcmp(c.arg[0], "reap"))
			side = owner[0];
		if (calls[k].makes)
			owner[c.arg[(int)calls[k].makes][0] & 127] = (char)side;
		char *said = ask(side, s);
		printf(" %s=", c.arg[0]);
		if (!strcmp(c.arg[0], "mark"))
			snprintf(marked, sizeof(marked), "%s", said);
		else if (!strcmp(c.arg[0], "moved"))
			compare(marked, said);
		else
			printf("%s", said);
	}
	snprintf(first, sizeof(first), "%s", ask(0, "tree"));
	printf(" ->%s", first);
	char *second = both ? ask(1, "tree") : first;
	if (strcmp(first, second))
		printf(" BUT THE OTHER SEES%s", second);
	putchar('\n');
}

static void prepare_case(const char *dir, const char *name, const char *steps)
{
	static char all[LINE], path[LINE];
	bool made[FIXTURES] = { 0 }, again = true;
	char *save = NULL;

	snprintf(path, sizeof(path), "%s/%s", dir, name + (name[0] == '!'));
	if (mkdir(path, 0755) || chdir(path))
		err(3, "%s", path);
	snprintf(all, sizeof(all), "%s", steps);
	for (char *w = strtok_r(all, " ;", &save); w; w = strtok_r(NULL, " ;", &save)) {
		size_t n = strcspn(w, "/");
		for (size_t i = 0; i < FIXTURES; i++)
			if (strlen(fixtures[i].name) == n && !memcmp(fixtures[i].name, w, n))
				made[i] = true;
	}
	while (again) {
		again = false;
		for (size_t i = 0; i < FIXTURES; i++)
			for (size_t k = 0; made[i] && fixtures[i].needs && k < FIXTURES; k++)
				if (!strcmp(fixtures[k].name, fixtures[i].needs) && !made[k])
					made[k] = again = true;
	}
	for (size_t i = 0; i < FIXTURES; i++)
		if (made[i] && fixtures[i].make)
			fixtures[i].make(fixtures[i].name);
	if (chdir(dir))
		err(3, "%s", dir);
}

static bool preparing;
static unsigned counted;

static void one_case(const char *name, const char *steps, bool of_set)
{
	if ((of_set && (int)(counted++ % (unsigned)part_m) != part_n) || (only && !strstr(name, only)))
		return;
	if (preparing)
		prepare_case(work_dir, name, steps);
	else
		check_case(name, steps);
}

struct set {
	char name[32], paths[2048];
};

static void all_cases(FILE *f)
{
	static struct set sets[16];
	static char line[LINE], steps[LINE], full[2 * LINE];
	size_t n = 0;

	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if (!line[0] || line[0] == '#')
			continue;
		char *colon = strchr(line, ':'), *equal = strstr(line, " = ");
		if (equal && (!colon || equal < colon)) {
			snprintf(sets[n].name, sizeof(sets[n].name), "%.*s", (int)(equal - line), line);
			snprintf(sets[n++].paths, sizeof(sets[0].paths), "%s", equal + 3);
			continue;
		}
		if (!colon)
			errx(3, "not a case: %s", line);
		*colon++ = 0;
		if (line[0] != '*') {
			one_case(line, colon, false);
			continue;
		}
		char *name = strchr(line, ' '), *save = NULL, paths[2048];
		*name++ = 0;
		size_t i = 0;
		while (i < n && strcmp(sets[i].name, line + 1))
			i++;
		if (i == n)
			errx(3, "no set %s", line + 1);
		snprintf(paths, sizeof(paths), "%s", sets[i].paths);
		int number = 0;
		for (char *p = strtok_r(paths, " ", &save); p; p = strtok_r(NULL, " ", &save)) {
			size_t to = 0;
			for (const char *s = colon; *s && to < sizeof(steps) - 128; s++)
				if (*s == '@')
					to += (size_t)sprintf(steps + to, "%s", p);
				else
					steps[to++] = *s;
			steps[to] = 0;
			snprintf(full, sizeof(full), "%s-%s-%d", name, line + 1, ++number);
			one_case(full, steps, true);
		}
	}
}

int main(int argc, char **argv)
{
	const char *command[2] = { NULL, NULL };
	int opt;

	setvbuf(stdout, NULL, _IOFBF, 0);
	signal(SIGPIPE, SIG_IGN);
	umask(022);
	if (argc > 2 && !strcmp(argv[1], "serve"))
		return serve(argv[2]);
	if (argc < 4)
		errx(2, "usage: posix prepare|check|serve ...");
	preparing = !strcmp(argv[1], "prepare");
	optind = 2;
	while ((opt = getopt(argc, argv, "1:2:e:o:n:")) > 0)
		switch (opt) {
		case '1':
		case '2': command[opt - '1'] = optarg; break;
		case 'o': between = optarg; break;
		case 'n': only = optarg; break;
		case 'e':
			if (sscanf(optarg, "%d/%d", &part_n, &part_m) == 2 && part_m > 0)
				break;
			/* fallthrough */
		default: errx(2, "usage: see the head of posix.c");
		}
	FILE *f = fopen(argv[optind], "re");
	work_dir = argv[optind + 1];
	if (f && dup3(fileno(f), OWN_FDS, O_CLOEXEC) == OWN_FDS) { // a case has the low numbers
		fclose(f);
		f = fdopen(OWN_FDS, "r");
	}
	if (!f || !work_dir || chdir(work_dir))
		err(2, "%s", argv[optind]);
	alternate = command[0] && command[1];
	if (!preparing)
		for (int i = 0; i < 2; i++)
			if (command[i] || i)
				start_side(&sides[i], command[i], work_dir);
	all_cases(f);
	fflush(stdout);
	return 0;
}
