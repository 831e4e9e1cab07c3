/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Why a sandbox ended, if nobody asked it to: one line in boxes/NAME/ended, written by its monitor
 * before any client hears of the end, gone with the next start. A monitor that was killed could not
 * write it, but leaves the text of its lock file, which it empties at any other end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "gshd/store/ended.h"
#include "gshd/log.h"

static int open_ended(int store, const char *name, int flags)
{
	char path[128];

	snprintf(path, sizeof(path), "boxes/%s/ended", name);
	return openat(store, path, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
}

void ended_write(int store, const char *name, const char *why)
{
	int fd = open_ended(store, name, O_WRONLY | O_CREAT | O_TRUNC);

	if (fd < 0 || write(fd, why, strlen(why)) < 0)
		log_line("cannot note why the sandbox ended: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

void ended_clear(int store, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "boxes/%s/ended", name);
	unlinkat(store, path, 0);
}

bool ended_read(int store, const char *name, char *why, size_t size)
{
	char lock[256];
	int fd = open_ended(store, name, O_RDONLY | O_NONBLOCK);
	ssize_t n = fd < 0 ? 0 : read(fd, why, size - 1);

	if (fd >= 0)
		close(fd);
	why[n > 0 ? n : 0] = '\0';
	store_lock_text(store, name, lock, sizeof(lock));
	if (!*why && *lock && store_locked(store, name) == 0)
		snprintf(why, size, "its monitor was killed");
	return *why;
}

void ended_by_itself(char *why, size_t size, int status, const char *last_words)
{
	/* The keeper speaks as a shell does of what it waited for. */
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);

	if (code > 128)
		snprintf(why, size, "its first process was killed by signal %d (%s)", code - 128,
			 strsignal(code - 128));
	else if (!code) /* its streams closed before its status was there: it never leaves by itself */
		snprintf(why, size, "its first process was killed");
	else
		snprintf(why, size, "its first process ended with status %d%s%s", code,
			 *last_words ? ": " : "", last_words);
}
