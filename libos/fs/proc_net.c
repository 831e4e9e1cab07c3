// SPDX-License-Identifier: LGPL-3.0-or-later
/* /proc/net: a network with a loopback interface and the sandbox's sockets on it (net/list.c). */
#include "libos/fs/proc.h"
#include "libos/net/list.h"

#define UNIX_HEAD "Num       RefCount Protocol Flags    Type St Inode Path\n"
#define TCP_HEAD                                                                                           \
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode" \
	"                                                     \n"
#define TCP6_HEAD                                                                                       \
	"  sl  local_address                         remote_address                        st tx_queue" \
	" rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
#define UDP_HEAD                                                                                            \
	"   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode" \
	" ref pointer drops             \n"
#define UDP6_HEAD                                                                                       \
	"  sl  local_address                         remote_address                        st tx_queue" \
	" rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n"

static int show_tcp(struct pseudo_node *n, struct buf *b)
{
	base_buf_puts(b, TCP_HEAD);
	return net_list_inet(b, AF_INET, SOCK_STREAM);
}

static int show_tcp6(struct pseudo_node *n, struct buf *b)
{
	base_buf_puts(b, TCP6_HEAD);
	return net_list_inet(b, AF_INET6, SOCK_STREAM);
}

static int show_udp(struct pseudo_node *n, struct buf *b)
{
	base_buf_puts(b, UDP_HEAD);
	return net_list_inet(b, AF_INET, SOCK_DGRAM);
}

static int show_udp6(struct pseudo_node *n, struct buf *b)
{
	base_buf_puts(b, UDP6_HEAD);
	return net_list_inet(b, AF_INET6, SOCK_DGRAM);
}

static int show_unix(struct pseudo_node *n, struct buf *b)
{
	base_buf_puts(b, UNIX_HEAD);
	return net_list_unix(b);
}

const struct pseudo_desc proc_net_rows[] = {
	PSEUDO_CONST(
		"arp",
		"IP address       HW type     Flags       HW address            Mask     Device\n"),
	PSEUDO_CONST(
		"dev",
		"Inter-|   Receive                                                |  Transmit\n"
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop"
		" fifo colls carrier compressed\n"
		"    lo:       0       0    0    0    0     0          0         0        0       0    0    0"
		"    0     0       0          0\n"),
	PSEUDO_CONST("dev_mcast", ""),
	PSEUDO_CONST("if_inet6", "00000000000000000000000000000001 01 80 10 80       lo\n"),
	PSEUDO_CONST("igmp", "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n"),
	PSEUDO_CONST("ipv6_route", ""),
	PSEUDO_CONST(
		"netlink",
		"sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n"),
	PSEUDO_CONST("packet", "sk       RefCnt Type Proto  Iface R Rmem   User   Inode\n"),
	PSEUDO_CONST("raw", UDP_HEAD),
	PSEUDO_CONST("raw6", UDP6_HEAD),
	PSEUDO_CONST(
		"route",
		"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
		"                                                       \n"),
	PSEUDO_CONST(
		"sockstat",
		"sockets: used 0\nTCP: inuse 0 orphan 0 tw 0 alloc 0 mem 0\nUDP: inuse 0 mem 0\n"
		"UDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n"),
	PSEUDO_TEXT("tcp", show_tcp),
	PSEUDO_TEXT("tcp6", show_tcp6),
	PSEUDO_TEXT("udp", show_udp),
	PSEUDO_TEXT("udp6", show_udp6),
	PSEUDO_TEXT("unix", show_unix),
	PSEUDO_CONST(
		"wireless",
		"Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE\n"
		" face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22\n"),
	PSEUDO_END,
};
