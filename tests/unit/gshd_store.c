/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The store: sandboxes appear and disappear whole, what a sandbox may leave is deleted whatever it
 * is, damage and an unwritable place give a sentence; the ring; names; socket paths of any length.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "gshd/store/chain.h"
#include "gshd/session/ring.h"
#include "gshd/monitor/shm.h"
#include "gshd/store/store.h"
#include "tests/unit/gshd_test.h"

static char scratch[] = "/tmp/gsh-store-XXXXXX", why[STORE_WHY];

static void path_of(char *to, const char *tail)
{
	snprintf(to, PATH_MAX, "%s/%s", scratch, tail);
}

static bool exists(const char *tail)
{
	char path[PATH_MAX];
	struct stat st;

	path_of(path, tail);
	return !lstat(path, &st);
}

static void shell(const char *command)
{
	char line[PATH_MAX];

	snprintf(line, sizeof(line), "cd %s && { %s\n}", scratch, command);
	CHECK(system(line) == 0);
}

/* Folder in folder; by descriptor, since a name this long is none. */
static void make_deep(const char *tail, int levels)
{
	char path[PATH_MAX];
	int at, next;

	path_of(path, tail);
	at = open(path, O_RDONLY | O_DIRECTORY);
	CHECK(at >= 0);
	for (int i = 0; i < levels; i++) {
		CHECK(!mkdirat(at, "d", 0700));
		next = openat(at, "d", O_RDONLY | O_DIRECTORY);
		CHECK(next >= 0);
		close(at);
		at = next;
	}
	close(at);
}

static struct box_spec spec_of(const char *name)
{
	struct box_spec s = {
		.base = "/", .created = 12
	};

	snprintf(s.name, sizeof(s.name), "%s", name);
	return s;
}

static int count_one(const char *name, void *arg)
{
	(void)name;
	++*(int *)arg;
	return 0;
}

static void case_life(int store)
{
	struct box_spec s = spec_of("one"), back;
	int n = 0;

	CHECK(!store_create(store, &s, why));
	CHECK(store_create(store, &s, why) == -EEXIST);
	CHECK(!store_read_spec(store, "one", &back, why) && !strcmp(back.base, "/") &&
	      back.created == 12 && back.nlayers == 1);
	CHECK(store_read_spec(store, "two", &back, why) == -ENOENT);
	CHECK(store_read_spec(store, "../one", &back, why) == -EINVAL);
	CHECK(exists("store/boxes/one/tree/top/0001") && exists("store/boxes/one/tree/work"));
	CHECK(store_each(store, count_one, &n) == 0 && n == 1);
	test_case("store create, read, list");
	int lock = store_lock(store, "one");
	CHECK(lock >= 0 && store_locked(store, "one") == 1 && store_lock(store, "one") == -EAGAIN);
	close(lock);
	CHECK(store_locked(store, "one") == 0);
	test_case("store the lock");
	CHECK(!store_remove(store, "one", why) && !exists("store/boxes/one"));
	CHECK(store_remove(store, "one", why) == -ENOENT &&
	      strstr(why, "cannot remove sandbox one"));
	test_case("store remove");
}

static void case_chain(int store)
{
	static struct chain c;
	struct box_spec s = spec_of("chained");
	struct stat layer, found;
	char path[PATH_MAX];

	CHECK(!store_create(store, &s, why));
	CHECK(!chain_open(store, "chained", "now", &c, why) && c.n == 1 && c.now && c.base >= 0 &&
	      c.layer[0].number == 1 && !strcmp(c.base_path, "/"));
	path_of(path, "store/boxes/chained/");
	snprintf(path + strlen(path), sizeof(path) - strlen(path), "%s", c.layer[0].path);
	CHECK(!stat(path, &layer) && !fstat(c.layer[0].fd, &found) && layer.st_ino == found.st_ino);
	chain_close(&c);
	CHECK(!chain_open(store, "chained", "base", &c, why) && c.n == 0 && !c.now && c.base >= 0);
	chain_close(&c);
	CHECK(chain_open(store, "chained", "7", &c, why) == -ENOENT && strstr(why, "no op"));
	CHECK(chain_open(store, "nobody", "now", &c, why) == -ENOENT);
	CHECK(chain_word_ok("now") && chain_word_ok("12") && chain_word_ok("before-lunch") &&
	      !chain_word_ok("../12") && !chain_word_ok(""));
	CHECK(!store_remove(store, "chained", why));
	test_case("store versions as chains of layers");
}

static void case_ugly(int store)
{
	struct box_spec s = spec_of("ugly");

	CHECK(!store_create(store, &s, why));
	shell("cd store/boxes/ugly/tree/top/0001 && mkdir -p a/b/c closed/inner && touch "
	      "a/b/c/f closed/inner/f &&"
	      "ln -s /etc link && ln -s a dirlink && mknod gone c 0 0 && mkfifo pipe &&"
	      "touch \"$(printf 'new\\nline')\" && chmod 0 closed/inner && chmod 0 closed && chmod "
	      "0 a/b");
	/* Deeper than there are descriptors, and than a path may be long. */
	make_deep("store/boxes/ugly/tree/top/0001", 3000);
	CHECK(!store_remove(store, "ugly", why));
	CHECK(!exists("store/boxes/ugly") && exists("store/boxes"));
	shell("test -z \"$(ls -A store/boxes)\" && test -d /etc");
	test_case("store a tree of closed, deep and odd things is removed");
}

static void case_sweep(int store)
{
	struct box_spec s = spec_of("kept");

	CHECK(!store_create(store, &s, why));
	shell("mkdir -p store/boxes/.making-1/tree store/boxes/.removing-2/x/y; touch "
	      "store/boxes/.removing-2/x/y/z");
	store_sweep(store);
	shell("test \"$(ls -A store/boxes)\" = kept");
	shell("echo left > store/boxes/kept/tree/work/stage && mkdir -p "
	      "store/boxes/kept/tree/work/d/e");
	int tree = openat(store, "boxes/kept/tree", O_RDONLY | O_DIRECTORY);
	CHECK(!store_empty(tree, "work"));
	close(tree);
	shell("test -z \"$(ls -A store/boxes/kept/tree/work)\"");
	test_case("store what crashes left is swept, what is whole stays");

	/* Made and removed while somebody sweeps without a pause. */
	pid_t sweeper = fork();
	if (sweeper == 0)
		for (;;)
			store_sweep(store);
	/* Each makes its files durable several times over: a busy disk takes its time. */
	for (int i = 0; i < 12; i++) {
		struct box_spec t = spec_of("brief");
		CHECK(!store_create(store, &t, why) && !store_remove(store, "brief", why));
	}
	kill(sweeper, SIGKILL);
	waitpid(sweeper, NULL, 0);
	test_case("store a sweep leaves alone what is being made or removed");
}

static void case_damage(int store)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"{\"schema\":\"gsh.box/9\"}",
		"{\"schema\":\"gsh.box/3\",\"base\":\"/\"}",
		"{\"schema\":\"gsh.box/1\",\"base\":\"etc\",\"layers\":[\"layers/0001\"]}",
		"{\"schema\":\"gsh.box/2\",\"base\":7}"
	};
	struct box_spec back;
	char path[PATH_MAX];

	path_of(path, "store/boxes/kept/spec.json");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int fd = open(path, O_WRONLY | O_TRUNC);
		CHECK(write(fd, bad[i], strlen(bad[i])) == (ssize_t)strlen(bad[i]));
		close(fd);
		CHECK(store_read_spec(store, "kept", &back, why) == -EPROTO);
	}
	CHECK(strstr(why, "missing or damaged"));
	unlink(path);
	CHECK(store_read_spec(store, "kept", &back, why) == -EPROTO);
	CHECK(!store_remove(store, "kept", why));
	test_case("store a damaged specification is told, and can be removed");
}

static void case_places(void)
{
	char path[PATH_MAX];
	int fd;

	path_of(path, "store/VERSION");
	fd = open(path, O_WRONLY | O_TRUNC);
	CHECK(write(fd, "gsh-store 99\n", 13) == 13);
	close(fd);
	path_of(path, "store");
	CHECK(store_open(path, why) < 0 && strstr(why, "gsh-store 99"));
	path_of(path, "file");
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	close(fd);
	path_of(path, "file/store");
	CHECK(store_open(path, why) < 0 && strstr(why, "cannot make the store"));
	CHECK(store_open("/proc/store", why) < 0 && *why);
	test_case("store a wrong place gives a sentence");
}

/* A tmpfs of a few pages, in a mount namespace of its own; skipped where that cannot be had. */
static void case_full(void)
{
	char command[2 * PATH_MAX], self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int status;

	self[n > 0 ? n : 0] = '\0';
	snprintf(command, sizeof(command),
		 "mkdir %s/small; unshare -rm mount -t tmpfs -o size=4k,nr_inodes=6 x %s/small "
		 "2>/dev/null",
		 scratch, scratch);
	if (system(command)) {
		printf("ok store a full disk # SKIP no mount namespace\n");
		return;
	}
	snprintf(command, sizeof(command),
		 "unshare -rm sh -c 'mount -t tmpfs -o size=4k,nr_inodes=6 x %s/small && exec %s "
		 "full %s/small'",
		 scratch, self, scratch);
	status = system(command);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	test_case("store a full disk gives a sentence and leaves nothing half made");
}

static int full_main(const char *path)
{
	struct box_spec s = spec_of("big");
	int store = store_open(path, why);
	bool said;

	if (store >= 0)
		said = store_create(store, &s, why) == -ENOSPC && strstr(why, "No space left");
	else
		said = store == -ENOSPC && strstr(why, "No space left");
	if (!said)
		printf("# %d %s\n", store, why);
	return !said;
}

static void case_ring(void)
{
	static struct ring r;
	static char data[RING_SIZE + 100], seen[RING_SIZE];
	size_t n0, n1;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7 + i / 251);
	for (size_t at = 0; at < sizeof(data); at += 1000)
		ring_put(&r, data + at, at + 1000 < sizeof(data) ? 1000 : sizeof(data) - at);
	const char *a = ring_piece(&r, 0, &n0), *b = ring_piece(&r, 1, &n1);
	CHECK(n0 + n1 == RING_SIZE);
	memcpy(seen, a, n0);
	memcpy(seen + n0, b, n1);
	CHECK(!memcmp(seen, data + 100, RING_SIZE));
	ring_put(&r, data, sizeof(data));
	a = ring_piece(&r, 0, &n0);
	b = ring_piece(&r, 1, &n1);
	memcpy(seen, a, n0);
	memcpy(seen + n0, b, n1);
	CHECK(n0 + n1 == RING_SIZE && !memcmp(seen, data + 100, RING_SIZE));
	test_case("ring keeps the last bytes in order");
}

static void case_paths(void)
{
	char longer[PATH_MAX] = "", path[PATH_MAX + 8];

	path_of(longer, "");
	for (int i = 0; i < 5; i++) {
		strcat(longer, "a-directory-with-a-long-name-indeed/");
		CHECK(!mkdir(longer, 0700));
	}
	snprintf(path, sizeof(path), "%ssocket", longer);
	int listener = paths_listen(path), fd = paths_connect(path);
	CHECK(listener >= 0 && fd >= 0);
	close(listener);
	close(fd);
	CHECK(paths_connect(path) == -ECONNREFUSED);
	unlink(path);
	CHECK(paths_connect(path) == -ENOENT);
	test_case("paths of sockets may be long");

	CHECK(!shm_make(scratch, "n", path));
	shm_sweep(scratch);
	CHECK(!access(path, F_OK));
	shm_remove(path);
	CHECK(access(path, F_OK));
	test_case("shm a held directory is not swept");
}

int main(int argc, char **argv)
{
	char path[PATH_MAX];

	if (argc == 3 && !strcmp(argv[1], "full"))
		return full_main(argv[2]);
	if (!mkdtemp(scratch))
		return 1;
	path_of(path, "store");
	int store = store_open(path, why);
	CHECK(store >= 0);
	test_case("store open");
	case_life(store);
	case_chain(store);
	case_ugly(store);
	case_sweep(store);
	case_damage(store);
	case_places();
	case_full();
	case_ring();
	case_paths();
	snprintf(path, sizeof(path), "rm -rf %s", scratch);
	CHECK(system(path) == 0);
	return test_end();
}
