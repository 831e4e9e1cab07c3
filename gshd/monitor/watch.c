/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Looking at what a sandbox's processes use, where no cgroup counts it.
 *
 * Now and then, the more often the nearer a limit, the monitor walks the tree of its descendants and reads what the
 * kernel says of each. Nothing that the sandbox says is used. Memory is first counted so that it is never too little:
 * private pages and those of memory files, what processes share once for each. Only if that is too much, it is counted
 * well (smaps_rollup: what is shared, in parts), where the kernel lets us look. Over the limit, the process with most
 * of it is killed, as Linux would; who waits for it inside sees SIGKILL. The first process is never chosen: with nobody
 * else to kill, the sandbox ends.
 *
 * More processes than the libOS would ever let there be are the sign of a hostile one: then the sandbox is ended.
 *
 * Not seen: what lies in memory files that nobody maps (rung A's /dev/shm is bounded by its size instead).
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
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "gshd/monitor/limits.h"
#include "gshd/log.h"
#include "gshd/monitor/monitor.h"

#define TASKS_ROOM 64	/* more than the libOS grants: what comes and goes while we look */
#define PROCESSES_MAX 65536
#define QUICKEST_MS 20
#define SLOWEST_MS 500

struct seen {
	pid_t pid;
	uint64_t memory;
	char name[20];
};

struct look {
	struct seen *items;
	size_t count, room;
	unsigned tasks;
	uint64_t memory;
};

/* ---- reading /proc ---- */

static ssize_t read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n;
}

/* "Key:   12 kB" in such a file, in its unit. */
static uint64_t number_of(const char *text, const char *key)
{
	const char *p = strstr(text, key);

	return p ? strtoull(p + strlen(key), NULL, 10) : 0;
}

static void add_child(struct look *l, pid_t pid)
{
	if (l->count == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct seen *more = room > PROCESSES_MAX ? NULL : realloc(l->items, room * sizeof(*more));

		if (!more)
			return;
		l->items = more;
		l->room = room;
	}
	l->items[l->count++] = (struct seen){ .pid = pid };
}

static void add_children_of(struct look *l, pid_t pid)
{
	char path[64], *text = NULL;
	size_t room = 0;
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		FILE *f;
		int child;

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/children", pid, e->d_name);
		f = fopen(path, "re");
		if (f && getline(&text, &room, f) > 0)
			for (char *p = text, *end; (child = (int)strtol(p, &end, 10)) > 0 && end != p; p = end)
				add_child(l, child);
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	free(text);
}

/* What it uses, never too little; the name without what could drive a terminal. */
static void look_at(struct seen *s, unsigned *tasks)
{
	char path[64], text[4096];
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/status", s->pid);
	if (read_text(path, text, sizeof(text)) <= 0)
		return;
	*tasks += (unsigned)number_of(text, "\nThreads:");
	s->memory = (number_of(text, "\nRssAnon:") + number_of(text, "\nRssShmem:")) << 10;
	if (strncmp(text, "Name:\t", 6))
		return;
	n = strcspn(text + 6, "\n");
	snprintf(s->name, sizeof(s->name), "%.*s", (int)n, text + 6);
	for (char *p = s->name; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
}

static void look_around(struct monitor *m, struct look *l)
{
	add_children_of(l, m->child.pid);
	for (size_t i = 0; i < l->count; i++) {
		look_at(&l->items[i], &l->tasks);
		l->memory += l->items[i].memory;
		add_children_of(l, l->items[i].pid);
	}
}

/* Count again what counted too much, where the kernel lets us. */
static void look_closely(struct look *l)
{
	char path[64], text[4096];

	l->memory = 0;
	for (size_t i = 0; i < l->count; i++) {
		struct seen *s = &l->items[i];

		snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", s->pid);
		if (read_text(path, text, sizeof(text)) > 0)
			s->memory = (number_of(text, "\nPss_Anon:") + number_of(text, "\nPss_Shmem:")) << 10;
		l->memory += s->memory;
	}
}

/* ---- acting ---- */

static void end_sandbox(struct monitor *m, const char *why)
{
	log_line("sandbox %s is ended: %s", m->spec.name, why);
	if (!m->why[0])
		snprintf(m->why, sizeof(m->why), "%s", why);
	monitor_kill(m);
}

/* The process with most memory that is not the first one and was not killed in this round. */
static struct seen *largest_of(const struct monitor *m, struct look *l)
{
	struct seen *largest = NULL;

	for (size_t i = 0; i < l->count; i++) {
		struct seen *s = &l->items[i];

		if (s->pid != m->child.leader && s->memory && (!largest || s->memory > largest->memory))
			largest = s;
	}
	return largest;
}

/* As many as it takes; what is left then. */
static uint64_t kill_largest(struct monitor *m, struct look *l)
{
	char used[LIMIT_TEXT_MAX], most[LIMIT_TEXT_MAX], why[200];
	uint64_t left = l->memory, limit = m->limits.value[LIMIT_MEMORY];
	struct seen *s;

	limit_text(LIMIT_MEMORY, l->memory >> 20 << 20, used);
	limit_text(LIMIT_MEMORY, limit, most);
	while (left > limit && (s = largest_of(m, l))) {
		m->oom_kills++;
		snprintf(m->last_kill, sizeof(m->last_kill),
			 "out of memory: %s of MemoryMax=%s were used; killed %s, which used %" PRIu64 "M",
			 used, most, s->name, s->memory >> 20);
		log_line("%s", m->last_kill);
		/* It is our descendant still, or gone: its number is not given to another within these microseconds
		 * unless all others were meanwhile. */
		kill(s->pid, SIGKILL);
		left -= s->memory < left ? s->memory : left;
		s->memory = 0;
	}
	if (left <= limit)
		return left;
	snprintf(why, sizeof(why), "its first process used %s of memory, MemoryMax is %s", used, most);
	end_sandbox(m, why);
	return left;
}

static void judge_memory(struct monitor *m, struct look *l)
{
	uint64_t most = m->limits.value[LIMIT_MEMORY], told = m->memory_told, before = m->memory_used, step = most / 64;
	uint64_t now;
	bool over;

	if (l->memory > most)
		look_closely(l);
	over = l->memory > most;
	m->memory_used = now = l->memory;
	if (over && !m->waits_for_kill)
		now = kill_largest(m, l); /* who forks in the next moment must not pay for the dead */
	/* What was killed needs a moment to be gone. */
	m->waits_for_kill = over && !m->waits_for_kill;
	if (now > told + step || now + step < told || (now > most) != (told > most)) {
		m->memory_told = now;
		limits_tell(m, true);
	}
	if (over || l->memory > before + step)
		m->watch_ms = QUICKEST_MS;
}

static void judge_tasks(struct monitor *m, const struct look *l)
{
	uint64_t most = m->limits.value[LIMIT_TASKS];
	char why[160];

	if (most != LIMIT_NONE && l->tasks > most + TASKS_ROOM && l->tasks > m->tasks_seen) {
		snprintf(why, sizeof(why), "it had %u processes and threads, TasksMax is %" PRIu64, l->tasks, most);
		end_sandbox(m, why);
	}
	if (l->tasks > m->tasks_seen + 8)
		m->watch_ms = QUICKEST_MS;
	m->tasks_seen = l->tasks;
}

/* ---- when to look ---- */

static bool by_looking(const struct monitor *m, enum limit which)
{
	return m->limits.value[which] != LIMIT_NONE && !cgroup_keeps(m->cgroup, which);
}

/* Milliseconds to the next look: soon where something grows, later and later where nothing does. A twentieth of the
 * time is spent looking, a fifth where it matters. */
static int pause_of(struct monitor *m, int64_t took_us)
{
	int least = (int)(took_us / 50), ms = m->watch_ms ? m->watch_ms : QUICKEST_MS;
	int most = by_looking(m, LIMIT_MEMORY) ? SLOWEST_MS : 2 * SLOWEST_MS;

	if (by_looking(m, LIMIT_MEMORY) && m->memory_used > m->limits.value[LIMIT_MEMORY] / 2) {
		most = 4 * QUICKEST_MS;
		least /= 4;
	}
	if (by_looking(m, LIMIT_TASKS) && m->tasks_seen > m->limits.value[LIMIT_TASKS])
		most = 4 * QUICKEST_MS;
	ms = ms < most ? ms : most;
	m->watch_ms = 2 * ms;
	return ms > least ? ms : least;
}

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void look_again_in(struct monitor *m, int ms)
{
	struct timeval t = { ms / 1000, ms % 1000 * 1000 };

	event_add(m->watch_ev, &t);
}

static void hear_cgroup(struct monitor *m)
{
	uint64_t killed = cgroup_killed(m->cgroup);

	m->memory_used = cgroup_memory(m->cgroup);
	if (killed > m->oom_kills) {
		snprintf(m->last_kill, sizeof(m->last_kill),
			 "out of memory: the kernel killed %" PRIu64 " of its processes", killed);
		log_line("%s", m->last_kill);
	}
	m->oom_kills = (unsigned)killed;
}

static bool watch_wanted(const struct monitor *m)
{
	/* On rung A the kernel counts processes itself, if not so well (pal/confine/limits.c). */
	bool tasks = by_looking(m, LIMIT_TASKS) &&
		     (m->rung == GRANT_RUNG_B || m->limits.value[LIMIT_TASKS] < CONFINE_TASKS_LEAST);

	return m->watch_ev && m->state != BOX_ENDED && (tasks || m->limits.value[LIMIT_MEMORY] != LIMIT_NONE);
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
	struct monitor *m = arg;
	struct look l = { 0 };
	int64_t start = now_us();

	(void)fd, (void)what;
	if (m->state == BOX_ENDED || m->child.pid <= 0)
		return;
	if (cgroup_keeps(m->cgroup, LIMIT_MEMORY) && m->limits.value[LIMIT_MEMORY] != LIMIT_NONE)
		hear_cgroup(m);
	if (by_looking(m, LIMIT_MEMORY) || by_looking(m, LIMIT_TASKS)) {
		look_around(m, &l);
		if (by_looking(m, LIMIT_MEMORY))
			judge_memory(m, &l);
		if (by_looking(m, LIMIT_TASKS))
			judge_tasks(m, &l);
		free(l.items);
	}
	if (watch_wanted(m))
		look_again_in(m, pause_of(m, now_us() - start));
}

void watch_again(struct monitor *m)
{
	m->watch_ms = 0;
	if (watch_wanted(m))
		look_again_in(m, 10);
}

int watch_start(struct monitor *m)
{
	m->watch_ev = event_new(m->base, -1, 0, on_watch, m);
	if (!m->watch_ev)
		return -ENOMEM;
	watch_again(m);
	return 0;
}

void watch_close(struct monitor *m)
{
	if (m->watch_ev)
		event_free(m->watch_ev);
	m->watch_ev = NULL;
}
