/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Launching a leader: the image, the grant, the trees, and the best rung of confinement that the
 * host and the settings allow.
 *
 * The rung is found by taking it. Only a failure that says "this host does not offer it"
 * (note.host_lacks) leads to the next one down, never below the configured minimum, and never
 * silently: the rung is in the log, in the lock file and in every GetInfo.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "conf/conf.h"
#include "gshd/log.h"
#include "gshd/monitor/monitor.h"
#include "gshd/reach/reach.h"
#include "gshd/settings.h"
#include "gshd/monitor/shm.h"

#define AREA_SIZE (96 << 20)

struct launch {
	struct monitor *m;
	struct confine_spec spec;
	struct confine_range range;
	const char *layers[GRANT_LAYERS_MAX];
	struct confine_bind binds[GRANT_BINDS_MAX];
	int control[2], port[2], log[2];
	bool lean;
	bool root; /* programs inside are, and we are not */
	uint32_t files;
	uint64_t memory;
};

static int refuse(struct confine_note *note, int err, const char *text, const char *hint)
{
	snprintf(note->text, sizeof(note->text), "%s", text);
	snprintf(note->hint, sizeof(note->hint), "%s", hint ? hint : "");
	note->err = -err;
	return err;
}

/* The same with an object and the errno's own words. */
static int say(struct confine_note *note, int err, const char *text, const char *arg,
	       const char *hint)
{
	char what[sizeof(note->text)];
	size_t n;

	snprintf(what, sizeof(what), text, arg);
	refuse(note, err, what, hint);
	n = strlen(note->text);
	snprintf(note->text + n, sizeof(note->text) - n, ": %s", strerror(-err));
	return err;
}

/* Beside our own executable (../libexec/gsh), else where it is installed; GSH_PICOPROCESS for
 * tests. */
static int open_image(struct confine_note *note)
{
	const char *set = getenv("GSH_PICOPROCESS");
	char path[PATH_MAX + 40];
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
	int fd = -1;

	if (set && *set) {
		snprintf(path, sizeof(path), "%s", set);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	} else {
		if (n > 0) {
			path[n] = '\0';
			strcpy(strrchr(path, '/'), "/../libexec/gsh/picoprocess");
			fd = open(path, O_RDONLY | O_CLOEXEC);
		}
		if (fd < 0)
			fd = open(GSH_LIBEXEC "/picoprocess", O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0)
		return say(note, -errno, "cannot open the picoprocess image %s", path,
			   "is gsh installed whole?");
	return fd;
}

static int make_area(void)
{
	int fd = memfd_create("area", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, AREA_SIZE) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		int err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int make_grant(struct launch *l, enum grant_rung rung)
{
	struct monitor *m = l->m;
	struct grant g = {
		.rung = rung, .nlayers = m->spec.nlayers + 1, .uid = geteuid(), .gid = getegid(),
		.pids = l->spec.pids, .files = l->files, .memory = l->memory,
	};
	gid_t groups[NGROUPS_MAX];
	static struct grant_bind binds[GRANT_BINDS_MAX];
	struct sock_filter *prog;
	struct timespec now;
	struct rlimit core;
	uint32_t count;
	int err, n = getgroups(NGROUPS_MAX, groups);

	if (l->root)
		g.uid = g.gid = 0;
	for (int i = 0; !l->root && i < n && g.ngroups < GRANT_GROUPS_MAX; i++)
		g.groups[g.ngroups++] = groups[i];
	g.flags = m->grant_flags = confine_flags(rung, l->lean) | (m->reach->none ? 0 : GRANT_DIAL) |
			     (m->reach->nat ? GRANT_NAT : 0) | (l->root ? GRANT_FAKE_ROOT : 0);
	if (!getrlimit(RLIMIT_CORE, &core)) {
		g.core_soft = core.rlim_cur;
		g.core_hard = core.rlim_max;
	}
	if (m->limits.value[LIMIT_DISK] != LIMIT_NONE || m->limits.value[LIMIT_INODES] != LIMIT_NONE)
		g.flags |= GRANT_QUOTA;
	clock_gettime(CLOCK_BOOTTIME, &now);
	g.boot_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	if (getrandom(g.random, sizeof(g.random), 0) != (ssize_t)sizeof(g.random))
		return -EIO;
	snprintf(g.sandbox, sizeof(g.sandbox), "%s", m->spec.name);
	snprintf(g.hostname, sizeof(g.hostname), "%s", m->spec.hostname);
	err = confine_filter(rung, g.flags, &l->range, &prog, &count);
	if (err)
		return err;
	g.nbinds = m->nbinds;
	for (unsigned i = 0; i < m->nbinds; i++)
		bind_describe(&m->binds[i], rung, &binds[i]);
	err = confine_grant_fd(&g, prog, count, binds);
	free(prog);
	return err;
}

static int try_rung(struct launch *l, enum grant_rung rung, struct confine_note *note)
{
	struct monitor *m = l->m;
	int err = rung == GRANT_RUNG_B ? shm_make(m->paths.runtime, m->spec.name, m->shm) : 0;

	if (err)
		return say(note, err, "cannot make a directory for shared memory%s", "", NULL);
	l->spec.rung = rung;
	l->spec.shm = m->shm;
	l->spec.grant = make_grant(l, rung);
	if (l->spec.grant < 0)
		return say(note, l->spec.grant, "cannot make the seccomp filter%s", "", NULL);
	err = confine_spawn(&l->spec, &m->child, note);
	close(l->spec.grant);
	if (err && m->shm[0]) {
		shm_remove(m->shm);
		m->shm[0] = '\0';
	}
	if (!err)
		m->rung = rung;
	return err;
}

/* What the grant and the kernel are told; the monitor looks after the rest. */
static void take_limits(struct launch *l)
{
	const uint64_t *v = l->m->limits.value;

	l->spec.pids = v[LIMIT_TASKS] == LIMIT_NONE ? 0 : (unsigned)v[LIMIT_TASKS];
	l->files = v[LIMIT_FILES] == LIMIT_NONE ? 0 : (uint32_t)v[LIMIT_FILES];
	l->memory = l->spec.memory = v[LIMIT_MEMORY] == LIMIT_NONE ? 0 : v[LIMIT_MEMORY];
	l->spec.cgroup = l->m->cgroup = cgroup_open(l->m->spec.name);
	cgroup_set(l->m->cgroup, &l->m->limits);
}

static int rung_settings(struct launch *l, char *only, char *least,
			 struct confine_note *note)
{
	const char *env = getenv("GSH_RUNG");
	struct monitor *m = l->m;
	static struct conf conf;
	int err = settings_load(&m->paths, m->spec.name, NULL, &conf, note->text, sizeof(note->text));

	if (err)
		return err;
	err = hidden_find(m, conf.inaccessible);
	if (err)
		return say(note, err, "cannot list what is hidden%s", "",
			   "[Files] Inaccessible= may name 60 paths beside the default");
	if (!m->spec.hostname[0])
		snprintf(m->spec.hostname, sizeof(m->spec.hostname), "%.64s",
			 conf.hostname[0] ? conf.hostname : m->spec.name);
	l->spec.hostname = m->spec.hostname;
	m->reach = calloc(1, sizeof(*m->reach));
	if (!m->reach)
		return -ENOMEM;
	reach_set(m->reach, &conf);
	err = devices_find(m, &conf);
	if (err)
		return say(note, err, "cannot list devices%s", "", "[Files] DeviceAllow= may be given 32 times");
	err = binds_find(m, &conf, note);
	if (err)
		return err;
	l->spec.hidden = m->hidden;
	l->spec.nhidden = m->nhidden;
	l->spec.home = getenv("HOME");
	for (unsigned i = 0; i < m->nbinds; i++)
		l->binds[i] = (struct confine_bind){ m->binds[i].from, m->binds[i].file, m->binds[i].readonly };
	l->spec.binds = l->binds;
	l->spec.nbinds = m->nbinds;
	err = limits_load(m->store, m->spec.name, &conf, &m->limits, note->text, sizeof(note->text));
	if (err)
		return err;
	take_limits(l);
	l->lean = !strcmp(conf.calls, "lean");
	l->root = !strcmp(conf.user, "root") && geteuid() != 0;
	*least = conf.minimum_rung[0];
	*only = env && *env ? *env : m->spec.rung;
	if (*only && ((*only != 'A' && *only != 'B') || (env && *env && env[1])))
		return refuse(note, -EINVAL, "the rung that is asked for is neither A nor B",
			      "GSH_RUNG=A or GSH_RUNG=B, or leave it unset");
	if (m->reach->nat && (*only == 'B' || l->lean))
		return refuse(note, -EPERM,
			      "its network is nat, for which there is neither rung B nor [Confine] Calls=lean",
			      "they have no sockets of a network; --net host has the monitor carry what is said");
	if (*only == 'B' && *least == 'A')
		return refuse(note, -EPERM, "rung B is asked for, but the settings demand rung A",
			      "change [Confine] MinimumRung=, or do not force the rung");
	return 0;
}

static int climb(struct launch *l, struct confine_note *note)
{
	struct confine_note first;
	char only = 0, least = 'B';
	int err = rung_settings(l, &only, &least, note);

	if (err)
		return err;
	if (only)
		return try_rung(l, (enum grant_rung)only, note);
	err = try_rung(l, GRANT_RUNG_A, note);
	if (!err || !note->host_lacks)
		return err;
	log_line("rung A is not to be had: %s", note->text);
	if (l->m->reach->nat) {
		snprintf(note->hint + strlen(note->hint), sizeof(note->hint) - strlen(note->hint),
			 "%sits network is nat, which needs this rung: --net host does not",
			 note->hint[0] ? "; or " : "");
		return err;
	}
	if (least == 'A') {
		snprintf(note->hint + strlen(note->hint), sizeof(note->hint) - strlen(note->hint),
			 "%s[Confine] MinimumRung=B accepts less", note->hint[0] ? "; or " : "");
		return err;
	}
	first = *note;
	err = try_rung(l, GRANT_RUNG_B, note);
	if (err && note->host_lacks) {
		struct confine_note second = *note;
		snprintf(note->text, sizeof(note->text), "rung A: %.140s; rung B: %.140s",
			 first.text, second.text);
		snprintf(note->hint, sizeof(note->hint), "%s",
			 first.hint[0] ? first.hint : second.hint);
	}
	return err;
}

static int make_channels(struct launch *l)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, l->control) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, l->port) ||
	    pipe2(l->log, O_CLOEXEC))
		return -errno;
	l->spec.area = make_area();
	return l->spec.area < 0 ? l->spec.area : ops_start(l->m, l->spec.area);
}

static void close_ours(struct launch *l)
{
	int fds[] = { l->control[1], l->port[1], l->log[1], l->spec.area, l->spec.image };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static int way_out(struct monitor *m, struct confine_note *note)
{
	static struct confine_prefix closed[CONFINE_CLOSED_MAX];

	return confine_nat(&m->child, closed, reach_closed(m->reach, closed, CONFINE_CLOSED_MAX), &m->nat, note);
}

int launch(struct monitor *m, struct confine_note *note)
{
	static struct launch l;
	int err;

	l = (struct launch){ .m = m, .control = { -1, -1 }, .port = { -1, -1 }, .log = { -1, -1 } };
	l.spec = (struct confine_spec){ .base = m->spec.base,
					.tree = m->tree,
					.layers = l.layers,
					.cache = -1,
					.nlayers = m->spec.nlayers,
					.work = "work",
					.area = -1 };
	for (unsigned i = 0; i < m->spec.nlayers; i++)
		l.layers[i] = m->spec.layers[i];
	/* Without the cache system calls trap, which is slow and nothing else. */
	err = image_cache_open(&m->images, m->store, m->spec.name);
	if (err)
		log_line("no cache of rewritten images: %s", strerror(-err));
	l.spec.cache = m->images.view;
	l.spec.image = open_image(note);
	if (l.spec.image < 0)
		return l.spec.image;
	err = confine_image_range(l.spec.image, &l.range);
	if (err)
		say(note, err, "the picoprocess image is damaged%s", "",
		    "build or install gsh again");
	if (!err) {
		err = make_channels(&l);
		if (err)
			say(note, err, "cannot make the sandbox's streams%s", "", NULL);
	}
	l.spec.control = l.control[1];
	l.spec.port = l.port[1];
	l.spec.log = l.log[1];
	if (!err)
		err = climb(&l, note);
	if (!err && m->reach->nat)
		err = way_out(m, note);
	m->control = l.control[0];
	m->port = l.port[0];
	m->log_pipe = l.log[0];
	close_ours(&l);
	return err;
}
