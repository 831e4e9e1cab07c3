/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Can this host give a rung? Found out by taking it.
 *
 * Versions and sysctls say little: AppArmor lets a user namespace be made and then forbids all in
 * it, containers filter single calls. So a child goes through the very steps of confine.c, on
 * scratch trees, and "executes" an image that is none: to come as far as the failure of that exec
 * is to have the rung.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "pal/confine/impl.h"

static const char *const names[] = { "layer" };

static int try_rung(enum grant_rung rung, const char *dir, int image, struct confine_note *note)
{
	struct confine_spec spec = {
		.rung = rung,
		.base = "/",
		.tree = dir,
		.layers = names,
		.nlayers = 1,
		.work = "work",
		.shm = dir,
		.hostname = "probe",
		.image = image,
		.grant = -1,
		.port = -1,
		.control = -1,
		.area = -1,
		.cache = -1,
		.cgroup = -1,
		.log = -1,
	};
	struct confine_child child;
	int err = confine_spawn(&spec, &child, note);

	/* An empty file cannot be executed; all before that was done. */
	if (err == -ENOEXEC) {
		memset(note, 0, sizeof(*note));
		return 0;
	}
	if (!err) {
		kill(child.pid, SIGKILL);
		while (waitpid(child.pid, NULL, 0) < 0 && errno == EINTR)
			;
		err = -EPROTO;
	}
	return err;
}

int confine_probe(enum grant_rung rung, struct confine_note *note)
{
	char dir[] = "/tmp/gsh-probe-XXXXXX";
	int image = -1, at = -1, err;

	memset(note, 0, sizeof(*note));
	if (!mkdtemp(dir))
		return -errno;
	at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = at < 0 || mkdirat(at, "layer", 0700) || mkdirat(at, "work", 0700) ? -errno : 0;
	if (!err) {
		image = openat(at, "image", O_RDONLY | O_CREAT | O_CLOEXEC, 0700);
		err = image < 0 ? -errno : 0;
	}
	if (!err)
		err = try_rung(rung, dir, image, note);
	if (image >= 0)
		close(image);
	if (at >= 0) {
		unlinkat(at, "image", 0);
		unlinkat(at, "layer", AT_REMOVEDIR);
		unlinkat(at, "work", AT_REMOVEDIR);
		close(at);
	}
	rmdir(dir);
	return err;
}
