/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A Varlink server on a unix socket, for gshd and for the monitor: gshd/PROTOCOL.
 *
 * A connection has one call at a time; the next message is looked at when that is answered and the
 * answer is written. A call may be answered later: it stays valid, and answering it harmless, when
 * its peer has gone meanwhile. Everything a peer sends is bounded (WIRE_*); a peer that breaks a
 * bound is told why, if it can be, and disconnected.
 */
#ifndef GSHD_WIRE_H
#define GSHD_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WIRE_MESSAGE_MAX (1u << 20)
#define WIRE_DEPTH_MAX 64
#define WIRE_FDS_MAX 16
#define WIRE_CONNS_MAX 256
#define WIRE_BACKLOG_MAX (4u << 20) /* unread by the peer; above it the peer is disconnected */

struct event_base;
struct evbuffer;
struct json_object;
struct wire_conn;
struct wire_call;

/* One row of an interface. */
struct wire_method {
	const char *name; /* without the interface */
	unsigned flags;	  /* WIRE_*; which forms of call it takes */
	void (*answer)(struct wire_call *call);
};
#define WIRE_MORE 0x1u	  /* may be asked for more than one answer */
#define WIRE_UPGRADE 0x2u /* may take the connection over */

struct wire_interface {
	const char *name; /* "org.gsh.Box" */
	const char *vendor, *product;
	const struct wire_method *methods;
	size_t count;
};

struct wire_server {
	struct event_base *base;
	const struct wire_interface *interface;
	void *context;				     /* the answering functions' own */
	void (*changed)(struct wire_server *server); /* a connection came or went; may be NULL */
	/* Set by wire.c. */
	int listener;
	struct event *accepting;
	struct wire_conn *conns;
	unsigned nconns;
};

struct wire_call {
	struct wire_server *server;
	struct wire_conn *conn; /* NULL: the peer has gone */
	const struct wire_method *method;
	struct json_object *params; /* an object; never NULL */
	int fds[WIRE_FDS_MAX];	    /* the call's to close unless taken (set to -1) */
	unsigned nfds;
	bool more, oneway, upgrade;
	bool over; /* wire_call.c: answered, or the peer has gone, while its method was at it */
	void (*gone)(
		struct wire_call
			*call); /* set by the answerer: the peer has gone before the last answer */
	void *data;		/* the answerer's own */
};

/* Serve connections of a listening socket. -errno on failure. */
int wire_serve(struct wire_server *server, int listener) __attribute__((warn_unused_result));
/* Close the listener; each connection when what is to be written is written. */
void wire_shutdown(struct wire_server *server);
/* Close the listener and all connections. */
void wire_close(struct wire_server *server);

/* The last answer; params may be NULL (empty) and is consumed. Ends the call: it is there until its method returns. */
void wire_reply(struct wire_call *call, struct json_object *params);
/* One answer of several. False: the peer has gone, or does not read; stop. */
bool wire_reply_more(struct wire_call *call, struct json_object *params);
/* An error as the last answer. params is consumed. */
void wire_error(struct wire_call *call, const char *name, struct json_object *params);
/* The common ones, with what went wrong, why, and what to do about it (or NULL). */
void wire_fail(struct wire_call *call, const char *name, const char *what, const char *why,
	       const char *hint);

/* After an upgrade: plain bytes both ways. What bytes() does not drain stays, and reading stops at
 * WIRE_RAW_MAX of it. */
#define WIRE_RAW_MAX (256u << 10)
struct wire_raw {
	void (*bytes)(struct wire_conn *conn, struct evbuffer *in,
		      void *arg); /* drain what can be used */
	void (*drained)(struct wire_conn *conn,
			void *arg);			 /* the backlog was written; may be NULL */
	void (*gone)(struct wire_conn *conn, void *arg); /* last call; conn is invalid after it */
};
/* Answer and take the connection over. Ends the call; NULL if the peer has gone. */
struct wire_conn *wire_upgrade(struct wire_call *call, struct json_object *params,
			       const struct wire_raw *raw, void *arg);
/* Queue bytes. -EPIPE: the peer has gone; the connection is closed soon and gone() called. */
void wire_write(struct wire_conn *conn, const void *data, size_t size);
size_t wire_backlog(const struct wire_conn *conn);
/* bytes() left something behind and could use it now: it is called again, and reading goes on. */
void wire_again(struct wire_conn *conn);
/* Close when the backlog is written; gone() is not called. conn is invalid after this. */
void wire_finish(struct wire_conn *conn);

/* Hand a call to a child process, which answers it there with the functions above and then exits
 * with 0. In the child returns 0; in the parent the child's pid, and the connection rests until
 * wire_resume; or -errno. */
pid_t wire_fork(struct wire_call *call);
/* The child of wire_fork ended. ok: it has answered. */
void wire_resume(struct wire_server *server, pid_t pid, bool ok);

#endif
