/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Doctor: does this host offer what gsh needs? One function a check, each found out by trying, each
 * with a remedy.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "gshd/daemon.h"
#include "gshd/store/check.h"
#include "gshd/store/history.h"
#include "gshd/wire/json.h"
#include "pal/confine/confine.h"

struct finding {
	const char *level; /* ok, warn, fail */
	char text[512];
	char hint[320];
};

static void find(struct finding *f, const char *level, const char *text, const char *hint)
{
	f->level = level;
	snprintf(f->text, sizeof(f->text), "%s", text);
	snprintf(f->hint, sizeof(f->hint), "%s", hint ? hint : "");
}

static void check_kernel(const struct daemon *d, struct finding *f)
{
	struct utsname u;

	(void)d;
	if (uname(&u))
		find(f, "warn", "uname fails", NULL);
	else if (strcmp(u.machine, "x86_64"))
		find(f, "fail", u.machine, "gsh is for x86-64");
	else
		find(f, "ok", u.release, NULL);
}

static void check_rung(struct finding *f, enum grant_rung rung, const char *level)
{
	struct confine_note note;

	if (!confine_probe(rung, &note))
		find(f, "ok", "available", NULL);
	else
		find(f, level, note.text[0] ? note.text : strerror(note.err), note.hint);
}

static void check_rung_a(const struct daemon *d, struct finding *f)
{
	(void)d;
	check_rung(f, GRANT_RUNG_A, "warn");
}

static void check_rung_b(const struct daemon *d, struct finding *f)
{
	(void)d;
	check_rung(f, GRANT_RUNG_B, "warn");
}

static void check_landlock(const struct daemon *d, struct finding *f)
{
	int abi = confine_landlock_abi();

	(void)d;
	f->level = abi >= 2 ? "ok" : "fail";
	snprintf(f->text, sizeof(f->text), abi ? "ABI %d" : "not available", abi);
	snprintf(f->hint, sizeof(f->hint), "%s",
		 abi >= 2 ? ""
			  : "boot Linux 5.19 or later with Landlock enabled (lsm=landlock,...)");
}

/* A quota, or a disk that fails, shows in no number: a file says it. */
static int try_writing(int store)
{
	static const char block[4096] = "gsh doctor\n";
	int fd = openat(store, ".doctor", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600), err = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, block, sizeof(block));
	if (n != sizeof(block))
		err = n < 0 ? -errno : -ENOSPC;
	if (!err && fsync(fd))
		err = -errno;
	close(fd);
	unlinkat(store, ".doctor", 0);
	return err;
}

static void check_store(const struct daemon *d, struct finding *f)
{
	struct statvfs v;
	int err;

	if (fstatvfs(d->store, &v)) {
		find(f, "fail", strerror(errno), NULL);
	} else if (v.f_flag & ST_RDONLY) {
		find(f, "fail", "the store's file system is mounted read-only: sandboxes can be looked at, but neither "
		     "started nor changed", "remount it read-write: mount -o remount,rw");
	} else if ((err = try_writing(d->store))) {
		f->level = "fail";
		snprintf(f->text, sizeof(f->text), "cannot write to the store %.300s: %s", d->paths.store,
			 strerror(-err));
		snprintf(f->hint, sizeof(f->hint), "%s",
			 err == -ENOSPC || err == -EDQUOT ?
				 "free some space: gsh gc, gsh discard and gsh rm still work" :
				 "look at the disk and its owner");
	} else if (v.f_flag & ST_NOEXEC) {
		find(f, "fail",
		     "the store's file system is mounted noexec: programs made inside could not "
		     "run",
		     "set GSH_STORE or [Store] Path= to a directory elsewhere");
	} else {
		snprintf(f->text, sizeof(f->text), "%.300s, %llu MiB free", d->paths.store,
			 (unsigned long long)v.f_bavail * v.f_frsize >> 20);
		f->level = "ok";
		if ((unsigned long long)v.f_bavail * v.f_frsize >= HISTORY_ROOM_LEAST)
			return;
		f->level = "warn";
		snprintf(f->hint, sizeof(f->hint),
			 "free some space (gsh gc, gsh rm): with less than 32 MiB commands share a layer, and "
			 "are undone together");
	}
}

static void check_open(struct finding *f, const char *path, const char *hint)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0) {
		close(fd);
		find(f, "ok", path, NULL);
	} else {
		f->level = "warn";
		snprintf(f->text, sizeof(f->text), "cannot open %s: %s", path, strerror(errno));
		snprintf(f->hint, sizeof(f->hint), "%s", hint);
	}
}

static void check_fuse(const struct daemon *d, struct finding *f)
{
	(void)d;
	check_open(f, "/dev/fuse",
		   "the view of sandboxes at the mount point needs it: chmod 0666 /dev/fuse, as "
		   "udev does");
}

static void check_ptmx(const struct daemon *d, struct finding *f)
{
	(void)d;
	check_open(f, "/dev/ptmx",
		   "terminals on rung B need it: chmod 0666 /dev/ptmx, as udev does");
}

/* Only --net nat needs it. */
static void check_nat(const struct daemon *d, struct finding *f)
{
	(void)d;
	if (!confine_nat_program())
		find(f, "warn", "pasta is not installed", "--net nat needs it: apt install passt");
	else
		check_open(f, "/dev/net/tun", "--net nat needs it: chmod 0666 /dev/net/tun, as udev does");
}

static const struct {
	const char *name;
	void (*run)(const struct daemon *d, struct finding *f);
} checks[] = {
	{ "kernel", check_kernel }, { "landlock", check_landlock }, { "rung-a", check_rung_a },
	{ "rung-b", check_rung_b }, { "store", check_store },	    { "terminals", check_ptmx },
	{ "fuse", check_fuse },	    { "nat", check_nat },
};

static struct json_object *add(struct json_object *items, const char *check, const struct finding *f)
{
	struct json_object *o = json_object_new_object();

	json_put_str(o, "check", check);
	json_put_str(o, "level", f->level);
	json_put_str(o, "text", f->text);
	if (f->hint[0])
		json_put_str(o, "hint", f->hint);
	json_object_array_add(items, o);
	return o;
}

/* Nobody is disturbed by them but who wonders. */
static void check_sockets(const struct daemon *d, bool repair, struct json_object *items)
{
	struct finding f = { .level = repair ? "ok" : "warn" };
	struct json_object *o;
	unsigned n;
	int err = 0;

	n = boxes_dead_sockets(d, repair, &err);
	if (!n)
		return;
	snprintf(f.text, sizeof(f.text), "%u sandbox%s left a socket behind, for the monitor was killed%s", n,
		 n == 1 ? "" : "es", !repair ? "" : err ? "; this could not be put right" : "; it was removed");
	if (!repair)
		snprintf(f.hint, sizeof(f.hint), "gsh doctor --repair");
	o = add(items, "sockets", &f);
	if (repair)
		json_put_bool(o, "repaired", !err);
}

void doctor_answer(struct wire_call *call)
{
	const struct daemon *d = call->server->context;
	struct json_object *p = json_object_new_object(), *items = json_object_new_array();
	const char *only = json_str(call->params, "name", NULL);
	bool repair = json_flag(call->params, "repair", false);

	if (only && !daemon_name(call)) {
		json_object_put(p);
		json_object_put(items);
		return;
	}
	for (size_t i = 0; !only && i < sizeof(checks) / sizeof(checks[0]); i++) {
		struct finding f = { .level = "ok" };

		checks[i].run(call->server->context, &f);
		add(items, checks[i].name, &f);
	}
	if (!only)
		check_sockets(d, repair, items);
	if (check_sandboxes(d->store, only, repair, items)) {
		json_put_str(p, "name", only);
		json_object_put(items);
		wire_error(call, "org.gsh.NoSuchSandbox", p);
		return;
	}
	json_object_object_add(p, "items", items);
	wire_reply(call, p);
}
