/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A way out of the sandbox's own network (rung A), by pasta(1): a process outside that reads packets from an
 * interface inside and speaks for them by plain sockets of the user's. The guest's sockets are the kernel's, in its
 * own network.
 *
 * pasta makes the interface and confines itself (it needs no file, no other process, and says so to the kernel). All
 * that it offers beyond is off: nothing of the host's loopback, no port in either direction. It lives below a keeper
 * (keeper.c) and ends with the lifeline that the caller gets.
 *
 * What must not be reached is closed here, in the sandbox's network, whose routes the sandbox cannot change: by
 * local routes *of that interface*. They turn what is sent there back into the sandbox, where nobody listens. A
 * route that prohibits would not do: the kernel takes a datagram with an interface asked for (IP_PKTINFO,
 * IP_UNICAST_IF), for which it finds no route, to be on the link, and sends it. The interface goes up with all that
 * is closed in place, and only then comes the default route. What no route decides is multicast: a datagram to a
 * group leaves, for one hop.
 *
 * IPv4 only: an IPv6 interface of its own would need the same for rules that its routes do not know.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "pal/confine/impl.h"

#define LINK "eth0"
#define TRIES 2500 /* of 2 ms each, for pasta to make the interface */

/* Two addresses of a network that is for examples only (RFC 5737); alone, without the network, so that nobody's way
 * changes by it. */
#define OWN "203.0.113.1"
#define GATEWAY "203.0.113.2"
static const uint8_t own[4] = { 203, 0, 113, 1 }, gateway[4] = { 203, 0, 113, 2 };

/* ---- pasta ---- */

/* GSH_PASTA for tests. */
static const char *program_name(void)
{
	const char *set = getenv("GSH_PASTA");

	return set && *set ? set : "pasta";
}

bool confine_nat_program(void)
{
	const char *name = program_name(), *path = getenv("PATH");
	char at[PATH_MAX];

	if (strchr(name, '/'))
		return !access(name, X_OK);
	for (; path && *path; path += *path == ':') {
		size_t n = strcspn(path, ":");

		if (snprintf(at, sizeof(at), "%.*s/%s", (int)n, path, name) < (int)sizeof(at) && !access(at, X_OK))
			return true;
		path += n;
	}
	return false;
}

static void exec_pasta(pid_t leader, int null, int errors)
{
	char target[16], *const envp[] = { NULL };
	const char *const argv[] = {
		"pasta", "--foreground", "--quiet", "--ipv4-only", "--ns-ifname", LINK, "--address", OWN,
		"--gateway", GATEWAY, "--netmask", "32", "--no-map-gw", "--tcp-ports", "none", "--udp-ports", "none",
		"--tcp-ns", "none", "--udp-ns", "none", "--no-dhcp", "--no-dhcpv6", "--no-ndp", "--no-ra", "--no-icmp",
		"--runas", "0", target, NULL
	};
	const char *without[sizeof(argv) / sizeof(argv[0])];
	struct rlimit none = { 0 };
	size_t n = 0;

	/* As root it would become nobody, who may not enter root's namespaces. */
	for (size_t i = 0; argv[i]; i++)
		if (geteuid() == 0 || (strcmp(argv[i], "--runas") != 0 && strcmp(argv[i], "0") != 0))
			without[n++] = argv[i];
	without[n] = NULL;
	snprintf(target, sizeof(target), "%d", leader);
	setrlimit(RLIMIT_CORE, &none);
	if (dup2(null, 0) >= 0 && dup2(null, 1) >= 0 && dup2(errors, 2) >= 0 && !close_range(3, ~0u, 0))
		execvpe(program_name(), (char *const *)without, envp);
	dprintf(2, "%s\n", errno == ENOENT ? "it is not installed" : strerror(errno));
	_exit(127);
}

/* Nothing of ours stays open in it but the lifeline. */
static void run_keeper(pid_t leader, int lifeline, int errors)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;
	pid_t pid;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (null < 0 || setsid() < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1))
		_exit(126);
	pid = fork();
	if (pid == 0)
		exec_pasta(leader, null, errors);
	_exit(pid < 0 ? 126 : keeper_run(lifeline, pid, true));
}

/* ---- the interface, in the sandbox's network ---- */

struct request {
	struct nlmsghdr head;
	char data[128];
};

static void put(struct request *q, const void *data, size_t size)
{
	memcpy((char *)q + q->head.nlmsg_len, data, size);
	q->head.nlmsg_len += NLMSG_ALIGN(size);
}

static void put_attr(struct request *q, uint16_t type, const void *data, size_t size)
{
	struct rtattr a = { .rta_type = type, .rta_len = (uint16_t)RTA_LENGTH(size) };

	put(q, &a, sizeof(a));
	put(q, data, size);
}

static struct request begin(uint16_t type, uint16_t flags, const void *head, size_t size)
{
	struct request q = { .head = { .nlmsg_len = NLMSG_HDRLEN,
				       .nlmsg_type = type,
				       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags } };

	put(&q, head, size);
	return q;
}

static int ask(int netlink, const struct request *q)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr err;
		char asked[sizeof(*q)];
	} answer;

	if (send(netlink, q, q->head.nlmsg_len, 0) < 0 ||
	    recv(netlink, &answer, sizeof(answer), 0) < (ssize_t)(sizeof(answer.head) + sizeof(answer.err.error)))
		return -errno;
	return answer.head.nlmsg_type == NLMSG_ERROR ? answer.err.error : -EPROTO;
}

static int add_address(int netlink, int link)
{
	struct ifaddrmsg head = { .ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = (unsigned)link };
	struct request q = begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));

	put_attr(&q, IFA_LOCAL, own, sizeof(own));
	put_attr(&q, IFA_ADDRESS, own, sizeof(own));
	return ask(netlink, &q);
}

static int raise_link(int netlink, int link)
{
	struct ifinfomsg head = { .ifi_index = link, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct request q = begin(RTM_NEWLINK, 0, &head, sizeof(head));

	return ask(netlink, &q);
}

/* The kernel's own routes for the loopback's addresses lead elsewhere, so the metric tells these apart. */
static int close_prefix(int netlink, int link, const struct confine_prefix *p)
{
	static const uint32_t metric = 7;
	struct rtmsg head = { .rtm_family = AF_INET,
			      .rtm_dst_len = p->bits,
			      .rtm_table = RT_TABLE_LOCAL,
			      .rtm_protocol = RTPROT_STATIC,
			      .rtm_scope = RT_SCOPE_HOST,
			      .rtm_type = RTN_LOCAL };
	struct request q = begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));

	put_attr(&q, RTA_DST, p->addr, sizeof(p->addr));
	put_attr(&q, RTA_OIF, &link, sizeof(link));
	put_attr(&q, RTA_PRIORITY, &metric, sizeof(metric));
	return ask(netlink, &q);
}

static int open_way(int netlink, int link)
{
	struct rtmsg head = { .rtm_family = AF_INET,
			      .rtm_table = RT_TABLE_MAIN,
			      .rtm_protocol = RTPROT_STATIC,
			      .rtm_scope = RT_SCOPE_UNIVERSE,
			      .rtm_type = RTN_UNICAST,
			      .rtm_flags = RTNH_F_ONLINK };
	struct request q = begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));

	put_attr(&q, RTA_GATEWAY, gateway, sizeof(gateway));
	put_attr(&q, RTA_OIF, &link, sizeof(link));
	return ask(netlink, &q);
}

static int set_up(int netlink, const struct confine_prefix *closed, unsigned n)
{
	static const struct timespec pause = { .tv_nsec = 2000000 };
	int link = 0, err;

	for (int i = 0; i < TRIES && !link; i++) {
		link = (int)if_nametoindex(LINK);
		if (!link)
			nanosleep(&pause, NULL);
	}
	if (!link)
		return -ETIMEDOUT;
	err = add_address(netlink, link);
	if (!err)
		err = raise_link(netlink, link);
	for (unsigned i = 0; i < n && !err; i++)
		err = close_prefix(netlink, link, &closed[i]);
	return err ? err : open_way(netlink, link);
}

static int enter_and_set_up(const int ns[2], const struct confine_prefix *closed, unsigned n)
{
	int netlink;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setns(ns[0], CLONE_NEWUSER) || setns(ns[1], CLONE_NEWNET))
		return errno;
	netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	return netlink < 0 ? errno : -set_up(netlink, closed, n);
}

/* ---- together ---- */

/* Wait for the one that sets up, unless the keeper ends before. */
static int wait_set_up(pid_t helper, pid_t keeper)
{
	static const struct timespec pause = { .tv_nsec = 1000000 };
	siginfo_t gone = { 0 };
	int status = 0;

	while (!waitpid(helper, &status, WNOHANG)) {
		if (!waitid(P_PID, (id_t)keeper, &gone, WEXITED | WNOHANG | WNOWAIT) && gone.si_pid == keeper) {
			kill(helper, SIGKILL);
			waitpid(helper, &status, 0);
			return -ECHILD;
		}
		nanosleep(&pause, NULL);
	}
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

static void say(struct confine_note *note, int err, int errors)
{
	char text[160] = "";
	ssize_t n = read(errors, text, sizeof(text) - 1);
	char *line = text, *end;

	text[n > 0 ? n : 0] = '\0';
	while ((end = strchr(line, '\n')) && end[1] && !strncmp(line, "Failed to send", 14))
		line = end + 1; /* to the system's log */
	line[strcspn(line, "\n")] = '\0';
	snprintf(note->text, sizeof(note->text), "its network is nat, and pasta does not give it: %s",
		 *line ? line : strerror(-err));
	snprintf(note->hint, sizeof(note->hint),
		 "install it (Debian: apt install passt), see that /dev/net/tun may be opened and that the host has a "
		 "default route; or --net host, which needs none of it");
	note->err = -err;
}

static int start(const struct confine_child *child, const int ns[2], const struct confine_prefix *closed, unsigned n,
		 struct confine_nat *nat, const int life[2], const int errors[2])
{
	pid_t helper;
	int err;

	nat->keeper = fork();
	if (nat->keeper == 0)
		run_keeper(child->leader, life[0], errors[1]);
	if (nat->keeper < 0)
		return -errno;
	helper = fork();
	if (helper == 0)
		_exit(enter_and_set_up(ns, closed, n));
	err = helper < 0 ? -errno : wait_set_up(helper, nat->keeper);
	/* By its number pasta was told whose network it is: was it the leader's all the time? */
	return !err && !confine_leads(child) ? -ESRCH : err;
}

int confine_nat(const struct confine_child *child, const struct confine_prefix *closed, unsigned n,
		struct confine_nat *nat, struct confine_note *note)
{
	int ns[2] = { -1, -1 }, life[2] = { -1, -1 }, errors[2] = { -1, -1 };
	int err = confine_namespaces(child, ns);

	*nat = (struct confine_nat){ .keeper = -1, .lifeline = -1 };
	/* Nobody reads it once all is well: what is written then must neither wait nor be kept. */
	if (!err && (pipe2(life, O_CLOEXEC) || pipe2(errors, O_CLOEXEC | O_NONBLOCK)))
		err = -errno;
	if (!err)
		err = start(child, ns, closed, n, nat, life, errors);
	if (err) {
		say(note, err, errors[0]);
	} else {
		nat->lifeline = life[1];
		life[1] = -1;
	}
	for (int i = 0; i < 2; i++) {
		if (ns[i] >= 0)
			close(ns[i]);
		if (life[i] >= 0)
			close(life[i]);
		if (errors[i] >= 0)
			close(errors[i]);
	}
	if (err && nat->keeper > 0) {
		waitpid(nat->keeper, NULL, 0); /* its lifeline is closed */
		nat->keeper = -1;
	}
	return err;
}
