// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Of what layers a sandbox is made, as the daemon says; remembered for as long as that holds.
 *
 * Layers come and go by renames in two directories of the store (gsh-store(5)), whose change times tell: two looks at
 * the host, and the daemon is asked again only when something changed. While it does not run, what it said last stands.
 * The layers of a version change where they lie and little else: of those, what is remembered is good for a while.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "gfs/gfs.h"
#include "gshd/client/client.h"

#define LAYERS_TRIES 20
#define RACY_NS 10000000 /* two changes within a tick of the host's clock may have one time */

void stack_put_locked(struct stack *s)
{
	if (!s || --s->refs)
		return;
	tree_close(&s->tree);
	if (s->box >= 0)
		close(s->box);
	if (s->work >= 0)
		close(s->work);
	if (s->pens >= 0)
		close(s->pens);
	free(s->text);
	free(s->hidden);
	free(s);
}

struct stack *stack_get(struct stack *s)
{
	pthread_mutex_lock(&boxes_lock);
	s->refs++;
	pthread_mutex_unlock(&boxes_lock);
	return s;
}

void stack_put(struct stack *s)
{
	pthread_mutex_lock(&boxes_lock);
	stack_put_locked(s);
	pthread_mutex_unlock(&boxes_lock);
}

/* ---- has anything changed? ---- */

static bool is_old(const struct timespec *t, const struct timespec *now)
{
	return (now->tv_sec - t->tv_sec) * 1000000000ll + (now->tv_nsec - t->tv_nsec) > RACY_NS;
}

static bool seal_read(int box, struct seal *s)
{
	struct stat layers, top;
	struct timespec now;

	*s = (struct seal){ .sure = false };
	if (box < 0 || fstatat(box, "tree/layers", &layers, AT_SYMLINK_NOFOLLOW) ||
	    fstatat(box, "tree/top", &top, AT_SYMLINK_NOFOLLOW))
		return false;
	clock_gettime(CLOCK_REALTIME, &now);
	*s = (struct seal){ layers.st_ctim, top.st_ctim, layers.st_nlink, top.st_nlink,
			    is_old(&layers.st_ctim, &now) && is_old(&top.st_ctim, &now) };
	return true;
}

static bool seal_same(const struct seal *a, const struct seal *b)
{
	return same_time(&a->layers, &b->layers) && same_time(&a->top, &b->top) && a->nlayers == b->nlayers &&
	       a->ntop == b->ntop;
}

bool stack_holds(const struct stack *s)
{
	struct seal then, now;

	pthread_mutex_lock(&boxes_lock);
	then = s->seal;
	pthread_mutex_unlock(&boxes_lock);
	return then.sure && seal_read(s->box, &now) && seal_same(&then, &now);
}

/* ---- asking ---- */

static uint32_t number_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (uint32_t)strtoul(slash + 1, NULL, 10) : 0;
}

/* An empty directory in the base's stead: it has no name, so nothing comes into it. */
static int leave_base(struct tree *tree, bool image)
{
	char path[PATH_MAX + 16];
	int fd;

	snprintf(path, sizeof(path), "%s/empty.XXXXXX", gfs.paths.runtime);
	if (!mkdtemp(path))
		return -errno;
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	rmdir(path);
	if (fd < 0)
		return -ENOENT;
	close(tree->fd[0]);
	tree->fd[0] = fd;
	/* Of an image the lowest layer is the base. */
	if (image && tree->n > 1) {
		close(tree->fd[1]);
		tree->n--;
		memmove(tree->fd + 1, tree->fd + 2, (tree->n - 1) * sizeof(tree->fd[0]));
	}
	return 0;
}

static int hide_more(struct stack *s, struct json_object *params)
{
	struct json_object *list = NULL;
	size_t n = json_object_object_get_ex(params, "hidden", &list) ? json_object_array_length(list) : 0;

	s->hidden = calloc(s->tree.nhidden + n + 1, sizeof(*s->hidden));
	if (!s->hidden)
		return -ENOMEM;
	memcpy(s->hidden, s->tree.hidden, s->tree.nhidden * sizeof(*s->hidden));
	s->writes = s->tree;
	s->writes.hidden = s->hidden;
	for (size_t i = 0; i < n; i++)
		s->writes.nhidden += tree_hide(&s->hidden[s->writes.nhidden],
					       json_object_get_string(json_object_array_get_idx(list, i)));
	s->tree.hidden = s->hidden;
	s->tree.nled = s->writes.nled = s->writes.nhidden;
	return 0;
}

static struct stack *stack_open(const struct box *b, struct json_object *params)
{
	struct stack *s = calloc(1, sizeof(*s));
	struct json_object *v, *last;

	if (!s)
		return NULL;
	s->refs = 1;
	s->box = s->work = s->pens = -1;
	s->text = strdup(json_object_to_json_string_ext(params, JSON_C_TO_STRING_PLAIN));
	if (!s->text || tree_open_layers(&s->tree, params)) {
		stack_put_locked(s);
		return NULL;
	}
	if (!strcmp(b->version, VERSION_CHANGES) &&
	    leave_base(&s->tree, json_object_object_get_ex(params, "image", &v) && json_object_get_boolean(v))) {
		stack_put_locked(s);
		return NULL;
	}
	s->tree.skip = gfs.dev;
	s->tree.hidden = gfs.hidden;
	s->tree.nhidden = gfs.nhidden;
	if (hide_more(s, params)) {
		stack_put_locked(s);
		return NULL;
	}
	if (json_object_object_get_ex(params, "work", &v))
		s->work = open(json_object_get_string(v), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (json_object_object_get_ex(params, "top", &v))
		s->top = number_of(json_object_get_string(v));
	if (json_object_object_get_ex(params, "layers", &v) && json_object_array_length(v)) {
		last = json_object_array_get_idx(v, json_object_array_length(v) - 1);
		s->highest = number_of(json_object_get_string(last));
	}
	return s;
}

/* Takes the descriptor of the sandbox's directory. false: a layer is not where it was told to be. */
static bool take_layers(struct box *b, struct json_object *params, const struct seal *seal, int dir)
{
	struct stack *s;

	if (b->stack &&
	    !strcmp(b->stack->text, json_object_to_json_string_ext(params, JSON_C_TO_STRING_PLAIN))) {
		b->stack->seal = *seal;
		close(dir);
		return true;
	}
	s = stack_open(b, params);
	if (!s) {
		close(dir);
		return false;
	}
	s->seal = *seal;
	s->box = dir;
	/* Now: to open it later would end a lease. */
	if (s->top)
		s->pens = openat(dir, "pens", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	stack_put_locked(b->stack);
	b->stack = s;
	return true;
}

static bool is_live(const struct box *b)
{
	return !b->version[0] || b->version[0] == ':';
}

static int open_box(const struct box *b)
{
	char path[PATH_MAX + 80];

	snprintf(path, sizeof(path), "%s/boxes/%s", gfs.paths.store, b->name);
	return open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* false: to be asked again. */
static bool ask_layers(struct box *b, unsigned flags)
{
	struct json_object *params;
	struct client_reply r = {0};
	struct seal seal;
	bool taken = true;
	/* First the seal: what changes between the two is seen the next time. */
	int dir = open_box(b), err;

	(void)!seal_read(dir, &seal);
	params = json_object_new_object();
	json_object_object_add(params, "name", json_object_new_string(b->name));
	if (!is_live(b))
		json_object_object_add(params, "version", json_object_new_string(b->version));
	err = dir < 0 ? -errno : boxes_ask(flags, "org.gsh.Daemon.Layers", params, &r);
	if (!err) {
		pthread_mutex_lock(&boxes_lock);
		taken = take_layers(b, r.params, &seal, dir);
		pthread_mutex_unlock(&boxes_lock);
		client_reply_free(&r);
	} else if (dir >= 0) {
		close(dir);
	} else {
		json_object_put(params);
	}
	return taken;
}

static void refresh(struct box *b, unsigned flags, bool now)
{
	if (!boxes_asking(&b->asked, now))
		return;
	/* A layer that was told of is elsewhere once an op began, or was taken back. */
	for (int tries = 0; tries < LAYERS_TRIES && !ask_layers(b, flags); tries++)
		continue;
	pthread_mutex_lock(&boxes_lock);
	boxes_asked(&b->asked);
	pthread_mutex_unlock(&boxes_lock);
}

static struct stack *known(struct box *b)
{
	struct stack *s;

	pthread_mutex_lock(&boxes_lock);
	s = b->listed ? b->stack : NULL;
	if (s)
		s->refs++;
	pthread_mutex_unlock(&boxes_lock);
	return s;
}

struct stack *box_stack(struct box *b)
{
	struct stack *s = known(b);

	if (s && is_live(b) && stack_holds(s))
		return s;
	refresh(b, 0, s && is_live(b));
	if (s)
		stack_put(s);
	return known(b);
}

struct stack *box_stack_now(struct box *b)
{
	struct stack *s = known(b);

	if (s && stack_holds(s))
		return s;
	if (s)
		stack_put(s);
	refresh(b, CLIENT_START, true);
	s = known(b);
	if (s && !stack_holds(s)) {
		stack_put(s);
		s = NULL;
	}
	return s;
}
