/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The client side of the wire, for gsh and gfs: find or start gshd, call it, call a monitor, take a
 * connection over for frames. Blocking; one call at a time on a connection. The protocol is in
 * gshd/PROTOCOL.
 *
 *	struct client *c;
 *	struct client_reply r;
 *	err = client_daemon(&c, CLIENT_START, why, sizeof(why));
 *	err = client_call(c, "org.gsh.Daemon.Start", params, NULL, 0, &r);
 *	if (!err && !r.error[0])
 *		... json_object of r.params ...
 *	client_reply_free(&r);
 *	client_close(c);
 */
#ifndef GSHD_CLIENT_CLIENT_H
#define GSHD_CLIENT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include "gshd/client/frames.h"
#include "gshd/client/paths.h"

struct client;
struct json_object;

/* An answer: error is "" or the error's name; params is always an object. */
struct client_reply {
	char error[128];
	struct json_object *params;
	bool continues;
};

#define CLIENT_START 0x1u /* start gshd if it does not run */

/* Connect to gshd. 0, or -errno with a sentence in why. -ENOENT or -ECONNREFUSED without
 * CLIENT_START: it does not run. */
int client_daemon(struct client **c, unsigned flags, char *why, size_t size)
	__attribute__((warn_unused_result));
/* Connect to a socket by path: a monitor's, as org.gsh.Daemon.Start told. */
int client_open(struct client **c, const char *path) __attribute__((warn_unused_result));
void client_close(struct client *c); /* NULL is fine */
int client_fd(const struct client *c);
/* Is a whole answer there without reading? (poll says nothing about those.) */
bool client_ready(const struct client *c);

/* Send a call; params (may be NULL) is consumed; "fds" is added to it when nfds is not 0. The
 * descriptors stay the caller's. 0 or -errno. */
#define CLIENT_MORE 0x1u
#define CLIENT_UPGRADE 0x2u
#define CLIENT_ONEWAY 0x4u
int client_send(struct client *c, const char *method, struct json_object *params, unsigned flags,
		const int *fds, unsigned nfds) __attribute__((warn_unused_result));
/* Wait for the next answer. 0, -EPIPE if the other side has gone, or -errno. */
int client_receive(struct client *c, struct client_reply *reply)
	__attribute__((warn_unused_result));
/* The two of them. */
int client_call(struct client *c, const char *method, struct json_object *params, const int *fds,
		unsigned nfds, struct client_reply *reply) __attribute__((warn_unused_result));
void client_reply_free(struct client_reply *reply);

/* An error reply as a sentence: what: why; hint apart (may be ""). */
void client_explain(const struct client_reply *reply, char *text, size_t size, char *hint,
		    size_t hint_size);

/* Bytes written to out, which has room for three quarters of len. What is no digit ends it. */
size_t client_unbase64(const char *text, size_t len, char *out);
/* The other way: NUL-terminated, on the heap. NULL: no memory. */
char *client_base64(const char *bytes, size_t size);

/* After the answer to an upgrade: the descriptor, with the bytes that came behind the answer
 * already in the reader. The client is closed; the descriptor is the caller's. */
int client_upgrade(struct client *c, struct frame_reader *reader);

#endif
