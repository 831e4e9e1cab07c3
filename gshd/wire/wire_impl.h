/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Private to wire.c (connections) and wire_call.c (messages, answers, workers). */
#ifndef GSHD_WIRE_IMPL_H
#define GSHD_WIRE_IMPL_H

#include <unistd.h>
#include "gshd/wire/wire.h"

struct wire_conn {
	struct wire_server *server;
	struct wire_conn *next, *prev; /* the server's; the first has no prev */
	int fd;
	struct event *reading, *writing;
	struct evbuffer *in, *out;
	size_t scanned;	       /* bytes of `in` known to hold no NUL */
	int fds[WIRE_FDS_MAX]; /* received, not yet claimed by a message */
	unsigned nfds;
	struct wire_call *call;	    /* being answered */
	pid_t worker;		    /* answers it; 0: we do */
	const struct wire_raw *raw; /* upgraded */
	void *raw_arg;
	bool finishing; /* close once `out` is empty */
	bool blocking;	/* in a worker: answers are written at once */
};

/* ---- wire.c ---- */
void wire_conn_free(struct wire_conn *c);
/* Watch for what is wanted now: more input, room for output. */
void wire_conn_want(struct wire_conn *c);
/* Queue bytes, or write them at once in a worker. False: the connection cannot take them. */
bool wire_conn_send(struct wire_conn *c, const void *data, size_t size);

/* ---- wire_call.c ---- */
/* Start to answer the next message if nothing is in its way. */
void wire_conn_work(struct wire_conn *c);
void wire_call_free(struct wire_call *call);

static inline void wire_close_fds(int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

#endif
