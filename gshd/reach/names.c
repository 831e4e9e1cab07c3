/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Names for sandboxes: what answers there at port 53, whatever the address of the resolver.
 *
 * A question for the addresses of a name that the policy has is answered by our own getaddrinfo(), so from the
 * host's files and resolvers alike; any other name does not exist, and is noted as refused. Nothing of the sandbox's
 * bytes goes on to a resolver of the host's but the name itself. An address that no name may have (reach_special) is
 * left out of the answer, so that a name's owner cannot point into the host.
 *
 * The sandbox's own name has an address whatever the policy: 127.0.1.1, which Debian writes into /etc/hosts for the
 * host's. There it would be a change that shows in diff and would be committed; a resolver may know its host without
 * one.
 *
 * getaddrinfo() waits, so a child makes each question; their number is bounded.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "gshd/log.h"
#include "gshd/monitor/monitor.h"
#include "gshd/reach/reach.h"

#define CLIENTS_MAX 128
#define LOOKUPS_MAX 16
#define LOOKUP_S 15
#define IDLE_S 60
#define QUESTION_MAX 512
#define ADDRESSES_MAX 16
#define TTL 60
#define HEAD 12

enum { TYPE_A = 1, TYPE_AAAA = 28, CLASS_IN = 1, NO_ERROR = 0, SERVER = 2, NO_NAME = 3 };

struct question {
	unsigned char raw[QUESTION_MAX];
	size_t size;	/* of header and question */
	char name[256]; /* small letters, no dot at the end */
	unsigned type;
};

/* A socket of the sandbox's at port 53. */
struct names_client {
	struct names_client *next;
	struct monitor *m;
	int fd;
	struct event *ev;
};

struct lookup {
	struct lookup *next;
	struct monitor *m;
	int to;	  /* where the answer goes */
	int pipe; /* from the child */
	struct event *ev;
	struct question q;
	unsigned char got[ADDRESSES_MAX * 16];
	size_t size;
};

/* ---- questions and answers ---- */

/* One question of plain form: anything else is not for us. */
static int parse(const unsigned char *msg, size_t size, struct question *q)
{
	size_t at = HEAD, n = 0;

	if (size < HEAD || size > sizeof(q->raw) || msg[2] & 0xf8 || msg[4] || msg[5] != 1)
		return -EBADMSG;
	while (at < size && msg[at]) {
		size_t label = msg[at++];

		if (label > 63 || at + label > size || n + label + 1 >= sizeof(q->name))
			return -EBADMSG;
		for (size_t i = 0; i < label; i++) {
			unsigned char c = msg[at + i];

			if (!isalnum(c) && c != '-' && c != '_')
				return -EBADMSG;
			q->name[n++] = (char)tolower(c);
		}
		q->name[n++] = '.';
		at += label;
	}
	if (at + 5 > size || !n)
		return -EBADMSG;
	q->name[n - 1] = '\0';
	q->type = (unsigned)(msg[at + 1] << 8 | msg[at + 2]);
	if ((msg[at + 3] << 8 | msg[at + 4]) != CLASS_IN)
		return -EBADMSG;
	q->size = at + 5;
	memcpy(q->raw, msg, q->size);
	return 0;
}

static void reply(int fd, const struct question *q, unsigned code, const unsigned char *addrs, unsigned n)
{
	unsigned char out[QUESTION_MAX + ADDRESSES_MAX * 28];
	unsigned len = q->type == TYPE_A ? 4 : 16;
	size_t at = q->size;

	memcpy(out, q->raw, q->size);
	out[2] = (unsigned char)(0x80 | (q->raw[2] & 1)); /* an answer; recursion desired, as asked */
	out[3] = (unsigned char)(0x80 | code);
	out[6] = 0;
	out[7] = (unsigned char)n;
	memset(out + 8, 0, 4);
	for (unsigned i = 0; i < n; i++) {
		const unsigned char head[12] = { 0xc0, HEAD, 0, (unsigned char)q->type, 0, CLASS_IN, 0, 0, 0, TTL,
						 0, (unsigned char)len };

		memcpy(out + at, head, sizeof(head));
		memcpy(out + at + sizeof(head), addrs + i * 16 + 16 - len, len);
		at += sizeof(head) + len;
	}
	(void)!send(fd, out, at, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* ---- looking up ---- */

static void lookup_free(struct lookup *l)
{
	struct lookup **p = &l->m->lookups;

	while (*p != l)
		p = &(*p)->next;
	*p = l->next;
	l->m->nlookups--;
	if (l->ev)
		event_free(l->ev);
	if (l->pipe >= 0)
		close(l->pipe);
	if (l->to >= 0)
		close(l->to);
	free(l);
}

/* In a child: the addresses, 16 bytes each, go into the pipe. None: status 1 tells "no such name" from trouble. */
static int find(const struct question *q, int to)
{
	struct addrinfo want = { .ai_family = q->type == TYPE_A ? AF_INET : AF_INET6, .ai_socktype = SOCK_STREAM },
			*list = NULL;
	struct rlimit none = { 0 };

	if (dup2(to, 3) < 0 || close_range(4, ~0u, 0))
		return 2;
	prctl(PR_SET_NAME, "gsh-names");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &none);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	alarm(LOOKUP_S);
	if (getaddrinfo(q->name, NULL, &want, &list))
		return 1;
	for (struct addrinfo *a = list; a; a = a->ai_next) {
		unsigned char addr[16] = { [10] = 0xff, [11] = 0xff };

		if (a->ai_family == AF_INET)
			memcpy(addr + 12, &((struct sockaddr_in *)(void *)a->ai_addr)->sin_addr, 4);
		else
			memcpy(addr, &((struct sockaddr_in6 *)(void *)a->ai_addr)->sin6_addr, 16);
		if (write(3, addr, sizeof(addr)) != sizeof(addr))
			break;
	}
	return 0;
}

static void on_found(evutil_socket_t fd, short what, void *arg)
{
	struct lookup *l = arg;
	ssize_t n = what & EV_TIMEOUT ? 0 : read(fd, l->got + l->size, sizeof(l->got) - l->size);
	unsigned kept = 0;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0 && (l->size += (size_t)n) < sizeof(l->got))
		return;
	for (size_t i = 0; i + 16 <= l->size; i += 16)
		if (reach_pin(l->m->reach, l->q.name, l->got + i))
			memmove(l->got + kept++ * 16, l->got + i, 16);
	if (l->size && !kept)
		log_line("the name %s has only addresses that no name may have", l->q.name);
	/* That a name has none of this kind is no error: it may have some of the other. */
	reply(l->to, &l->q, NO_ERROR, l->got, kept);
	lookup_free(l);
}

static int look_up(struct monitor *m, int client, const struct question *q)
{
	static const struct timeval limit = { .tv_sec = LOOKUP_S + 1 };
	struct lookup *l = m->nlookups < LOOKUPS_MAX ? calloc(1, sizeof(*l)) : NULL;
	int ends[2] = { -1, -1 };
	pid_t pid = -1;

	if (!l)
		return -EAGAIN;
	l->m = m;
	l->q = *q;
	l->next = m->lookups;
	m->lookups = l;
	m->nlookups++;
	l->pipe = -1;
	l->to = fcntl(client, F_DUPFD_CLOEXEC, 0);
	if (l->to >= 0 && !pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		pid = fork();
	if (pid == 0)
		_exit(find(q, ends[1]));
	l->pipe = ends[0];
	if (ends[1] >= 0)
		close(ends[1]);
	l->ev = pid > 0 ? event_new(m->base, l->pipe, EV_READ | EV_PERSIST, on_found, l) : NULL;
	if (!l->ev || event_add(l->ev, &limit)) {
		lookup_free(l);
		return -EAGAIN;
	}
	return 0;
}

/* ---- clients ---- */

static void client_free(struct names_client *c)
{
	struct names_client **p = &c->m->names;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	c->m->nnames--;
	if (c->ev)
		event_free(c->ev);
	close(c->fd);
	free(c);
}

static void on_question(evutil_socket_t fd, short what, void *arg)
{
	static const unsigned char own[16] = { [10] = 0xff, 0xff, 127, 0, 1, 1 };
	struct names_client *c = arg;
	unsigned char msg[QUESTION_MAX * 2];
	char rule[320];
	struct question q;
	ssize_t n = what & EV_TIMEOUT ? 0 : recv(fd, msg, sizeof(msg), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		client_free(c);
		return;
	}
	if (parse(msg, (size_t)n, &q))
		return; /* no answer: it was no question */
	if (!strcasecmp(q.name, c->m->spec.hostname)) {
		reply(fd, &q, NO_ERROR, own, q.type == TYPE_A);
	} else if (!reach_knows(c->m->reach, q.name)) {
		snprintf(rule, sizeof(rule), "%s:443", q.name);
		if (q.type == TYPE_A || q.type == TYPE_AAAA)
			denial_note(c->m, "net", rule);
		reply(fd, &q, NO_NAME, NULL, 0);
	} else if (q.type != TYPE_A && q.type != TYPE_AAAA) {
		reply(fd, &q, NO_ERROR, NULL, 0);
	} else if (look_up(c->m, fd, &q)) {
		reply(fd, &q, SERVER, NULL, 0);
	}
}

int names_serve(struct monitor *m, struct request *r)
{
	static const struct timeval idle = { .tv_sec = IDLE_S };
	struct names_client *c = m->nnames < CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;
	int ends[2];

	if (!c)
		return -EADDRNOTAVAIL;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
		free(c);
		return -errno;
	}
	c->m = m;
	c->fd = ends[0];
	c->next = m->names;
	m->names = c;
	m->nnames++;
	c->ev = event_new(m->base, c->fd, EV_READ | EV_PERSIST, on_question, c);
	if (!c->ev || event_add(c->ev, &idle)) {
		client_free(c);
		close(ends[1]);
		return -ENOMEM;
	}
	r->reply.fds[r->reply.nfds++] = ends[1];
	return 0;
}

void names_close_all(struct monitor *m)
{
	while (m->names)
		client_free(m->names);
	while (m->lookups)
		lookup_free(m->lookups);
}
