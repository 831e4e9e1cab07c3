// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Reading and writing: offsets, vectors, holes, sizes, copies between descriptors.
 */
#include "lib/t.h"

#include <limits.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

static void positions(void)
{
	char b[16] = "";
	int fd = must(open("f", O_RDWR | O_CREAT, 0644));

	eq(write(fd, "0123456789", 10), 10);
	eq(lseek(fd, 0, SEEK_CUR), 10);
	eq(lseek(fd, -4, SEEK_END), 6);
	eq(read(fd, b, 2), 2);
	eqs(b, "67");
	eq(pread(fd, b, 3, 1), 3);
	eqs(b, "123");
	eq(lseek(fd, 0, SEEK_CUR), 8);
	eq(pwrite(fd, "xy", 2, 0), 2);
	eq(lseek(fd, 0, SEEK_CUR), 8);
	fails(lseek(fd, -1, SEEK_SET), EINVAL);
	fails(lseek(fd, 0, 77), EINVAL);
	fails(pread(fd, b, 1, -1), EINVAL);
	fails(pwrite(fd, b, 1, -1), EINVAL);
	eq(lseek(fd, 100, SEEK_SET), 100);
	eq(read(fd, b, 1), 0);
	eq(write(fd, "!", 1), 1);
	struct stat st;
	must(fstat(fd, &st));
	eq(st.st_size, 101);
	eq(pread(fd, b, 4, 50), 4);
	ok(!memcmp(b, "\0\0\0\0", 4));
	eq(pread(fd, b, 4, 1000), 0);
	int p[2];
	must(pipe(p));
	fails(lseek(p[0], 0, SEEK_CUR), ESPIPE);
	fails(pread(p[0], b, 1, 0), ESPIPE);
	fails(pwrite(p[1], b, 1, 0), ESPIPE);
}

static void vectors(void)
{
	char a[4] = "", b[8] = "", c[16] = "";
	struct iovec out[3] = { { "one", 3 }, { "", 0 }, { "twothree", 8 } };
	struct iovec in[3] = { { a, 3 }, { b, 3 }, { c, 15 } };
	int fd = must(open("f", O_RDWR | O_CREAT, 0644));

	eq(writev(fd, out, 3), 11);
	eq(lseek(fd, 0, SEEK_SET), 0);
	eq(readv(fd, in, 3), 11);
	eqs(a, "one");
	eqs(b, "two");
	eqs(c, "three");
	eq(readv(fd, in, 3), 0);
	eq(readv(fd, in, 0), 0);
	fails(readv(fd, in, -1), EINVAL);
	fails(readv(fd, in, 1025), EINVAL);
	struct iovec bad = { a, (size_t)-1 };
	fails(readv(fd, &bad, 1), EINVAL);
	fails(writev(fd, NULL, 2), EFAULT);
	eq(preadv(fd, in, 2, 3), 6);
	eqs(a, "two");
	eqs(b, "thr");
	eq(pwritev(fd, out, 1, 8), 3);
	eq(lseek(fd, 0, SEEK_CUR), 11);
	fails(preadv(fd, in, 2, -5), EINVAL);
	eq(syscall(SYS_preadv2, fd, in, 1, 0L, 0L, 0), 3);
	eqs(a, "one");
	must(lseek(fd, 3, SEEK_SET));
	eq(syscall(SYS_preadv2, fd, in, 1, -1L, 0L, 0), 3);
	eq(lseek(fd, 0, SEEK_CUR), 6);
	eq(syscall(SYS_pwritev2, fd, out, 1, 0L, 0L, 0x10 /* RWF_APPEND */), 3);
	eqs(t_read_file("f") + 11, "one");
	fails(syscall(SYS_preadv2, fd, in, 1, 0L, 0L, 0x40000000), EOPNOTSUPP);
	struct iovec half[2] = { { a, 3 }, { (void *)16, 3 } };
	must(lseek(fd, 0, SEEK_SET));
	eq(readv(fd, half, 2), 3);
}

static void partial_fault(void)
{
	long page = sysconf(_SC_PAGESIZE);
	char *m = mmap(NULL, page * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(munmap(m + page, page));
	memset(m, 'z', page);
	int fd = must(open("f", O_RDWR | O_CREAT, 0644));
	fails(write(fd, m + page, 10), EFAULT);
	eq(write(fd, m + page - 10, 10), 10);
	int p[2];
	must(pipe(p));
	fails(write(p[1], m + page, 1), EFAULT);
	fails(pread(fd, m + page, 10, 0), EFAULT);
	struct stat *st = (struct stat *)(m + page);
	fails(syscall(SYS_stat, "f", st), EFAULT);
	fails(syscall(SYS_pipe2, m + page, 0), EFAULT);
}

static void append(void)
{
	enum { WRITERS = 4, LINES = 200 };
	pid_t pid[WRITERS];
	struct stat st;
	int seen[WRITERS] = { 0 };
	bool whole = true;

	for (int i = 0; i < WRITERS; i++) {
		pid[i] = must(fork());
		if (pid[i] == 0) {
			int fd = must(open("log", O_WRONLY | O_CREAT | O_APPEND, 0644));
			char line[32];
			for (int n = 0; n < LINES; n++) {
				snprintf(line, sizeof(line), "writer %d line %06d .....\n", i, n);
				if (write(fd, line, 27) != 27)
					_exit(1);
			}
			_exit(0);
		}
	}
	for (int i = 0; i < WRITERS; i++)
		eqs(t_wait(pid[i]), "exit 0");
	must(stat("log", &st));
	eq(st.st_size, WRITERS * LINES * 27);
	FILE *f = fopen("log", "r");
	char line[64];
	while (fgets(line, sizeof(line), f)) {
		int w, n;
		if (sscanf(line, "writer %d line %d", &w, &n) != 2 || w < 0 || w >= WRITERS || seen[w] != n)
			whole = false;
		else
			seen[w]++;
	}
	ok(whole);
	int fd = must(open("log", O_RDWR | O_APPEND));
	must(lseek(fd, 0, SEEK_SET));
	eq(write(fd, "tail", 4), 4);
	eq(lseek(fd, 0, SEEK_CUR), st.st_size + 4);
	/* On Linux O_APPEND makes pwrite append, whatever the offset. */
	eq(pwrite(fd, "TAIL", 4, 0), 4);
	must(fstat(fd, &st));
	eq(st.st_size, WRITERS * LINES * 27 + 8);
}

static void holes(void)
{
	enum { MB = 1 << 20 };
	struct stat st;
	int fd = must(open("sparse", O_RDWR | O_CREAT, 0644));

	eq(pwrite(fd, "start", 5, 0), 5);
	eq(pwrite(fd, "mid", 3, 4 * MB), 3);
	must(ftruncate(fd, 8 * MB));
	must(fstat(fd, &st));
	eq(st.st_size, 8 * MB);
	ok(st.st_blocks * 512 < MB);
	eq(lseek(fd, 0, SEEK_DATA), 0);
	off_t hole = lseek(fd, 0, SEEK_HOLE);
	ok(hole > 0 && hole <= MB);
	eq(lseek(fd, hole, SEEK_DATA), 4 * MB);
	ok(lseek(fd, 4 * MB, SEEK_HOLE) <= 4 * MB + MB);
	fails(lseek(fd, 5 * MB, SEEK_DATA), ENXIO);
	eq(lseek(fd, 5 * MB, SEEK_HOLE), 5 * MB);
	fails(lseek(fd, 8 * MB, SEEK_DATA), ENXIO);
	fails(lseek(fd, 8 * MB, SEEK_HOLE), ENXIO);
	char z[64];
	memset(z, 1, sizeof(z));
	eq(pread(fd, z, 64, 2 * MB), 64);
	bool zero = true;
	for (int i = 0; i < 64; i++)
		zero = zero && !z[i];
	ok(zero);
}

static void sizes(void)
{
	struct stat st;
	int fd = must(open("f", O_RDWR | O_CREAT, 0644)), p[2], s[2];

	eq(write(fd, "0123456789", 10), 10);
	eq(ftruncate(fd, 4), 0);
	eqs(t_read_file("f"), "0123");
	eq(ftruncate(fd, 6), 0);
	char b[8];
	eq(pread(fd, b, 8, 0), 6);
	ok(!memcmp(b, "0123\0\0", 6));
	eq(lseek(fd, 0, SEEK_CUR), 10);
	fails(ftruncate(fd, -1), EINVAL);
	eq(truncate("f", 2), 0);
	must(fstat(fd, &st));
	eq(st.st_size, 2);
	fails(truncate("absent", 2), ENOENT);
	fails(truncate(".", 2), EISDIR);
	fails(truncate("f/x", 2), ENOTDIR);
	eq(fallocate(fd, 0, 0, 8192), 0);
	must(fstat(fd, &st));
	eq(st.st_size, 8192);
	ok(st.st_blocks >= 16);
	eq(fallocate(fd, 1 /* KEEP_SIZE */, 8192, 8192), 0);
	must(fstat(fd, &st));
	eq(st.st_size, 8192);
	fails(fallocate(fd, 0, -1, 10), EINVAL);
	fails(fallocate(fd, 0, 0, 0), EINVAL);
	must(pwrite(fd, "hole me", 7, 0));
	eq(fallocate(fd, 3 /* PUNCH_HOLE|KEEP_SIZE */, 0, 4096), 0);
	eq(pread(fd, b, 4, 0), 4);
	ok(!memcmp(b, "\0\0\0\0", 4));
	eq(posix_fallocate(fd, 0, 10000), 0);
	must(fstat(fd, &st));
	eq(st.st_size, 10000);
	int r = must(open("f", O_RDONLY));
	fails(fallocate(r, 0, 0, 10), EBADF);
	eq(fsync(fd), 0);
	eq(fdatasync(fd), 0);
	eq(sync_file_range(fd, 0, 0, 0), 0);
	eq(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL), 0);
	eq(posix_fadvise(fd, 0, 0, 77), EINVAL);
	eq(posix_fadvise(fd, 0, -1, POSIX_FADV_DONTNEED), EINVAL);
	must(pipe(p));
	eq(posix_fadvise(p[0], 0, 0, POSIX_FADV_NORMAL), ESPIPE);
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	eq(posix_fadvise(s[0], 0, 0, POSIX_FADV_NORMAL), 0);
}

static void copies(void)
{
	char data[10000];

	for (int i = 0; i < 10000; i++)
		data[i] = 'a' + i % 26;
	int in = must(open("in", O_RDWR | O_CREAT, 0644));
	must(write(in, data, sizeof(data)));
	int out = must(open("out", O_RDWR | O_CREAT, 0644));
	off_t off = 100;
	eq(sendfile(out, in, &off, 200), 200);
	eq(off, 300);
	eq(lseek(in, 0, SEEK_CUR), 10000);
	must(lseek(in, 9990, SEEK_SET));
	eq(sendfile(out, in, NULL, 200), 10);
	eq(lseek(out, 0, SEEK_CUR), 210);
	eq(sendfile(out, in, NULL, 200), 0);
	off = 0;
	loff_t o2 = 5000;
	eq(copy_file_range(in, &off, out, &o2, 1000, 0), 1000);
	eq(o2, 6000);
	struct stat st;
	must(fstat(out, &st));
	eq(st.st_size, 6000);
	char b[1000];
	eq(pread(out, b, 1000, 5000), 1000);
	ok(!memcmp(b, data, 1000));
	fails(copy_file_range(in, NULL, out, NULL, 10, 1), EINVAL);
	int p[2];
	must(pipe(p));
	fails(copy_file_range(in, NULL, p[1], NULL, 10, 0), EINVAL);
	off = 26;
	eq(sendfile(p[1], in, &off, 26), 26);
	eq(read(p[0], b, 100), 26);
	ok(!memcmp(b, "abcdefghijklmnopqrstuvwxyz", 26));
	int ap = must(open("out", O_WRONLY | O_APPEND));
	fails(sendfile(ap, in, NULL, 10), EINVAL);
	fails(sendfile(out, p[0], NULL, 10), EINVAL);
	loff_t so = 0;
	eq(splice(in, &so, p[1], NULL, 500, 0), 500);
	eq(splice(p[0], NULL, out, &so, 500, 0), 500);
	int q[2];
	must(pipe(q));
	must(write(p[1], "tee", 3));
	eq(tee(p[0], q[1], 3, 0), 3);
	eq(read(q[0], b, 9), 3);
	eq(read(p[0], b, 9), 3);
	fails(tee(p[0], p[1], 3, 0), EINVAL);
}

static void shared_offsets(void)
{
	char b[8] = "";

	t_write_file("f", "abcdefghij");
	int fd = must(open("f", O_RDONLY));
	int d = must(dup(fd));
	int other = must(open("f", O_RDONLY));
	must(read(fd, b, 2));
	eq(lseek(d, 0, SEEK_CUR), 2);
	eq(lseek(other, 0, SEEK_CUR), 0);
	pid_t pid = must(fork());
	if (pid == 0) {
		must(read(d, b, 3));
		_exit(memcmp(b, "cde", 3) != 0);
	}
	eqs(t_wait(pid), "exit 0");
	eq(lseek(fd, 0, SEEK_CUR), 5);
	must(read(fd, b, 2));
	eqs(b, "fg");
	int w = must(open("w", O_WRONLY | O_CREAT, 0644));
	for (int i = 0; i < 3; i++) {
		pid = must(fork());
		if (pid == 0)
			_exit(write(w, "child\n", 6) != 6);
		t_wait(pid);
	}
	must(write(w, "parent\n", 7));
	eqs(t_read_file("w"), "child\nchild\nchild\nparent\n");
	/* The status flags belong to the open file too; FD_CLOEXEC does not. */
	pid = must(fork());
	if (pid == 0) {
		fcntl(fd, F_SETFL, O_NONBLOCK);
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		_exit(0);
	}
	t_wait(pid);
	eq(fcntl(d, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	eq(fcntl(fd, F_GETFD), 0);
}

static void big_offsets(void)
{
	struct stat st;
	int fd = must(open("big", O_RDWR | O_CREAT, 0644));
	off_t far = 5LL << 30;
	char c = 0;

	eq(pwrite(fd, "!", 1, far), 1);
	must(fstat(fd, &st));
	eq(st.st_size, far + 1);
	eq(lseek(fd, 0, SEEK_END), far + 1);
	eq(pread(fd, &c, 1, far), 1);
	eq(c, '!');
	fails(lseek(fd, LLONG_MIN, SEEK_CUR), EINVAL);
	fails(lseek(fd, LLONG_MAX, SEEK_CUR), EINVAL);
}

T_MAIN(T(positions), T(vectors), T(partial_fault), T(append), T(holes), T(sizes), T(copies), T(shared_offsets),
       T(big_offsets))
