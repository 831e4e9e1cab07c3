/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a sandbox's layers take on the disk, and what may be added to them.
 *
 * A child process walks the tree, so that nothing waits for it; a picoprocess that asks (MON_QUOTA) is answered with
 * what the next walk that begins finds. One walk at a time, however many ask. A libOS that does not ask is hostile, and
 * a sandbox that is well over its limit is ended: so the tree is walked too when the file system's free space has
 * shrunk by a part of what is left to the sandbox, whoever took it, and every half minute. How soon an excess is seen
 * depends on how long a walk takes: a twentieth of the time at most is spent walking. Walks that were asked for begin
 * at once, but a sandbox that asks without end has a sixth of the time (CREDIT_*): it is the host's.
 *
 * Not seen: files that have no name any more and are kept open.
 */
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#include "gshd/monitor/limits.h"
#include "gshd/log.h"
#include "gshd/monitor/monitor.h"

#define WAITING_MAX 64
#define DEPTH_MAX 1024 /* deeper ones are looked at by who made them: names below are not counted */
#define LOOK_MS 250
#define LONGEST_MS 30000
#define CREDIT_MOST_MS 2000 /* of walking, in a row */
#define CREDIT_PART 5 /* so many times a walk's own time until the next */
#define WALK_LEAST_MS 2 /* a process comes and goes */
/* Over which a libOS is hostile. */
#define BYTES_ROOM(limit) ((limit) / 8 + (16 << 20))
#define INODES_ROOM(limit) ((limit) / 8 + 1024)

struct measuring {
	struct event *pause_ev, *answer_ev;
	int pipe;	 /* of the walk that goes on; -1 */
	int64_t started, ended; /* monotonic milliseconds */
	int64_t took;
	int64_t credit, credited; /* milliseconds: of walks that may be asked for, and when that was counted */
	uint64_t free_bytes, free_inodes; /* of the file system when the walk began */
	struct waiting {
		int sock;
		uint64_t id;
	} now[WAITING_MAX], next[WAITING_MAX]; /* of the walk that goes on, and of the next */
	unsigned nnow, nnext;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- the walk ---- */

static void walk(int dir, struct measured *sum, unsigned depth)
{
	DIR *d = fdopendir(dir);
	struct dirent *e;
	struct stat st;

	if (!d)
		close(dir);
	while (d && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		sum->inodes++;
		/* A file of several names is counted in parts: they all lie in the tree. */
		sum->bytes += (uint64_t)st.st_blocks * 512 / (S_ISDIR(st.st_mode) || !st.st_nlink ? 1 : st.st_nlink);
		if (!S_ISDIR(st.st_mode) || depth >= DEPTH_MAX)
			continue;
		int below = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (below >= 0)
			walk(below, sum, depth + 1);
	}
	if (d)
		closedir(d);
}

void measure_tree(int dir, struct measured *sum)
{
	int own = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*sum = (struct measured){ 0 };
	if (own >= 0)
		walk(own, sum, 0);
}

static void walk_in_child(struct monitor *m, int out)
{
	int tree = open(m->tree, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct measured sum;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	setpriority(PRIO_PROCESS, 0, 10);
	measure_tree(tree, &sum);
	(void)!write(out, &sum, sizeof(sum));
	_exit(0);
}

/* ---- answers ---- */

static uint64_t left_of(uint64_t limit, uint64_t used)
{
	return limit == LIMIT_NONE ? UINT64_MAX : limit > used ? limit - used : 0;
}

static void reply(struct monitor *m, const struct waiting *w)
{
	struct mon_quota left = {
		.bytes = left_of(m->limits.value[LIMIT_DISK], m->disk.bytes),
		.inodes = left_of(m->limits.value[LIMIT_INODES], m->disk.inodes),
	};
	struct request r = { .sock = w->sock, .id = w->id };

	r.reply.nmore = (sizeof(left) - sizeof(left.head)) / sizeof(r.reply.more[0]);
	memcpy(r.reply.more, (char *)&left + sizeof(left.head), sizeof(left) - sizeof(left.head));
	port_reply(&r);
	close(w->sock);
}

static void judge(struct monitor *m)
{
	uint64_t bytes = m->limits.value[LIMIT_DISK], inodes = m->limits.value[LIMIT_INODES];
	char buf[LIMIT_TEXT_MAX];

	if (bytes != LIMIT_NONE && m->disk.bytes > bytes + BYTES_ROOM(bytes) && m->disk.bytes > m->disk_before)
		snprintf(m->why, sizeof(m->why), "its changes took %" PRIu64 "M on the disk, DiskMax is %s",
			 m->disk.bytes >> 20, limit_text(LIMIT_DISK, bytes, buf));
	else if (inodes != LIMIT_NONE && m->disk.inodes > inodes + INODES_ROOM(inodes) &&
		 m->disk.inodes > m->inodes_before)
		snprintf(m->why, sizeof(m->why), "its changes held %" PRIu64 " files, InodesMax is %s", m->disk.inodes,
			 limit_text(LIMIT_INODES, inodes, buf));
	else
		return;
	log_line("sandbox %s is ended: %s", m->spec.name, m->why);
	monitor_kill(m);
}

static bool wanted(const struct monitor *m)
{
	return m->state != BOX_ENDED &&
	       (m->limits.value[LIMIT_DISK] != LIMIT_NONE || m->limits.value[LIMIT_INODES] != LIMIT_NONE);
}

static void begin(struct monitor *m);

static void look_in(struct measuring *q, int ms)
{
	struct timeval t = { ms / 1000, ms % 1000 * 1000 };

	event_add(q->pause_ev, &t);
}

static void answer_next(struct monitor *m)
{
	struct measuring *q = m->measuring;

	for (unsigned i = 0; i < q->nnext; i++)
		reply(m, &q->next[i]);
	q->nnext = 0;
}

/* Somebody waits for the next walk. */
static void begin_asked(struct monitor *m)
{
	struct measuring *q = m->measuring;
	int64_t now = now_ms(), since = now - q->credited;

	if (!wanted(m)) {
		answer_next(m);
		return;
	}
	q->credit += since / CREDIT_PART;
	q->credited = now - since % CREDIT_PART;
	if (q->credit > CREDIT_MOST_MS)
		q->credit = CREDIT_MOST_MS;
	if (q->credit > 0)
		begin(m);
	else
		look_in(q, (int)(1 - q->credit) * CREDIT_PART);
}

static void walked(struct monitor *m)
{
	struct measuring *q = m->measuring;

	q->ended = now_ms();
	q->took = q->ended - q->started;
	q->credit -= q->took > WALK_LEAST_MS ? q->took : WALK_LEAST_MS;
	for (unsigned i = 0; i < q->nnow; i++)
		reply(m, &q->now[i]);
	q->nnow = 0;
	if (m->disk_known && wanted(m))
		judge(m);
	if (q->nnext)
		begin_asked(m);
	else if (wanted(m))
		look_in(q, LOOK_MS);
}

static void free_space(struct monitor *m, uint64_t *bytes, uint64_t *inodes)
{
	struct statvfs fs;

	if (fstatvfs(m->store, &fs))
		memset(&fs, 0, sizeof(fs));
	*bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	*inodes = fs.f_favail;
}

/* Did so much go that a walk might find too much? */
static bool shrunk(uint64_t before, uint64_t now, uint64_t limit, uint64_t room, uint64_t used)
{
	uint64_t left = limit == LIMIT_NONE ? UINT64_MAX : limit + room > used ? limit + room - used : 0;

	return before > now && before - now > left / 4;
}

static bool time_to_walk(struct monitor *m)
{
	struct measuring *q = m->measuring;
	uint64_t bytes, inodes, most = m->limits.value[LIMIT_DISK], names = m->limits.value[LIMIT_INODES];
	int64_t since = now_ms() - q->ended;

	if (since < 20 * q->took)
		return false;
	free_space(m, &bytes, &inodes);
	return since > LONGEST_MS || shrunk(q->free_bytes, bytes, most, BYTES_ROOM(most), m->disk.bytes) ||
	       shrunk(q->free_inodes, inodes, names, INODES_ROOM(names), m->disk.inodes);
}

static void on_answer(evutil_socket_t fd, short what, void *arg)
{
	struct monitor *m = arg;
	struct measuring *q = m->measuring;
	struct measured sum;
	ssize_t n = read(fd, &sum, sizeof(sum));

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	event_free(q->answer_ev);
	q->answer_ev = NULL;
	close(q->pipe);
	q->pipe = -1;
	if (n == sizeof(sum)) {
		m->disk_before = m->disk_known ? m->disk.bytes : sum.bytes;
		m->inodes_before = m->disk_known ? m->disk.inodes : sum.inodes;
		m->disk = sum;
		m->disk_known = true;
	}
	walked(m);
}

static void begin(struct monitor *m)
{
	struct measuring *q = m->measuring;
	int ends[2];
	pid_t pid;

	memcpy(q->now, q->next, q->nnext * sizeof(q->now[0]));
	q->nnow = q->nnext;
	q->nnext = 0;
	q->started = now_ms();
	free_space(m, &q->free_bytes, &q->free_inodes);
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK)) {
		walked(m);
		return;
	}
	pid = fork();
	if (!pid)
		walk_in_child(m, ends[1]);
	close(ends[1]);
	q->pipe = ends[0];
	q->answer_ev = pid < 0 ? NULL : event_new(m->base, ends[0], EV_READ | EV_PERSIST, on_answer, m);
	if (!q->answer_ev || event_add(q->answer_ev, NULL)) {
		close(q->pipe);
		q->pipe = -1;
		walked(m);
	}
}

static void on_pause(evutil_socket_t fd, short what, void *arg)
{
	struct monitor *m = arg;

	(void)fd, (void)what;
	if (m->measuring->pipe >= 0)
		return;
	if (m->measuring->nnext)
		begin_asked(m);
	else if (!wanted(m))
		return;
	else if (time_to_walk(m))
		begin(m);
	else
		look_in(m->measuring, LOOK_MS);
}

void answer_quota(struct monitor *m, struct request *r)
{
	struct measuring *q = m->measuring;
	int sock;

	r->reply.head.error = EAGAIN;
	if (q->nnext == WAITING_MAX)
		return;
	sock = fcntl(r->sock, F_DUPFD_CLOEXEC, 0);
	if (sock < 0)
		return;
	q->next[q->nnext++] = (struct waiting){ sock, r->id };
	r->later = true;
	if (q->pipe < 0)
		begin_asked(m);
}

int measure_start(struct monitor *m)
{
	struct measuring *q = calloc(1, sizeof(*q));

	m->measuring = q;
	if (!q)
		return -ENOMEM;
	q->pipe = -1;
	q->credit = CREDIT_MOST_MS;
	q->credited = now_ms();
	q->pause_ev = event_new(m->base, -1, 0, on_pause, m);
	if (!q->pause_ev)
		return -ENOMEM;
	measure_again(m);
	return 0;
}

void measure_again(struct monitor *m)
{
	if (m->measuring && m->measuring->pipe < 0 && wanted(m))
		begin(m);
}

void measure_close(struct monitor *m)
{
	struct measuring *q = m->measuring;

	m->measuring = NULL;
	if (!q)
		return;
	if (q->answer_ev)
		event_free(q->answer_ev);
	if (q->pause_ev)
		event_free(q->pause_ev);
	if (q->pipe >= 0)
		close(q->pipe);
	for (unsigned i = 0; i < q->nnow; i++)
		close(q->now[i].sock);
	for (unsigned i = 0; i < q->nnext; i++)
		close(q->next[i].sock);
	free(q);
}
