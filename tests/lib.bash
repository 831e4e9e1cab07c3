# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
# What the suites share: a hermetic place to run gsh in, and the proof that nothing is left behind.
#
# box_setup makes a scratch place and points gsh's four variables into it; box_teardown stops everything and complains of
# whatever remains. Nothing is ever ended but by a pid of this place: those whose environment or working directory names
# it, and, for the user that the runner made, those that began after the suite did.

TESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TREE=$(dirname "$TESTS")
GSH=$TREE/build/bin/gsh

# Short paths: a unix socket's name has 108 bytes.
box_setup() {
	BOX=$(mktemp -d "${TMPDIR:-/tmp}/gt.XXXXXX")
	mkdir -m 700 "$BOX/store" "$BOX/run" "$BOX/mnt" "$BOX/work"
	export GSH_STORE=$BOX/store GSH_RUNTIME=$BOX/run GSH_MOUNT=$BOX/mnt GSH_CONFIG=$BOX/gsh.conf
	export HOME=${HOME:-/} LC_ALL=C TZ=UTC0
	unset GSH_SANDBOX
	# A small fixed PATH: the developer's own shims and wrappers are no part of the test.
	PATH=$TREE/build/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
	BOX_BEFORE=$(my_pids)
	cd "$BOX/work" || return 1
}

# Processes of this user, one pid a line.
my_pids() {
	ps -o pid= -u "$(id -u)" | tr -d ' ' | sort
}

# Pids that belong to this place. A picoprocess can't be looked into, even by its owner; a user made for the tests
# (GSH_TEST_ALONE) has no other processes, so all that are new count.
box_pids() {
	local pid now
	now=$(my_pids)
	for pid in $(comm -13 <(echo "$BOX_BEFORE") <(echo "$now")); do
		[ "$pid" != $$ ] && [ "$pid" != "$BASHPID" ] || continue
		case $(cut -d ' ' -f 3 "/proc/$pid/stat" 2>/dev/null) in Z | '') continue ;; esac
		if grep -qzF "$BOX" "/proc/$pid/environ" 2>/dev/null || grep -qzF "$BOX" "/proc/$pid/cmdline" 2>/dev/null; then
			is_kin "$pid" || echo "$pid"
		elif [ -n "${GSH_TEST_ALONE-}" ]; then
			case $(cat "/proc/$pid/comm" 2>/dev/null) in
			gshd | gsh | gfs | gsh-monitor | gsh-keeper | gsh-dialer | gsh-screen | picoprocess) echo "$pid" ;;
			esac
		fi
	done
}

# Is this one of the test's own processes: ourselves, an ancestor, or a child that has not been waited for?
is_kin() {
	local up=$BASHPID
	while [ "$up" -gt 1 ] 2>/dev/null; do
		[ "$up" != "$1" ] || return 0
		up=$(awk '/^PPid:/{print $2}' "/proc/$up/status" 2>/dev/null)
	done
	case $(readlink "/proc/$1/exe" 2>/dev/null) in
	*/gsh | */gshd | */gfs | */picoprocess) return 1 ;;
	esac
	up=$1
	while [ "$up" -gt 1 ] 2>/dev/null; do
		[ "$up" != $$ ] || return 0
		up=$(awk '/^PPid:/{print $2}' "/proc/$up/status" 2>/dev/null)
	done
	return 1
}

box_mounts() {
	awk -v box="$BOX" 'index($5, box) == 1 {print $5}' /proc/self/mountinfo
}

# Stop all; then list on standard output what is left: processes, mounts, sockets.
box_stop() {
	local i pid left
	timeout 30 "$GSH" stop --all >"$BOX/stop.log" 2>&1 || echo "gsh stop --all failed: $(cat "$BOX/stop.log")"
	for ((i = 0; i < 30; i++)); do
		left=$(box_pids)
		[ -n "$left" ] || break
		sleep 0.1
	done
	for pid in $left; do
		echo "process left: $pid $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) ($(cat "/proc/$pid/comm" 2>/dev/null))"
		kill -KILL "$pid" 2>/dev/null
	done
	for i in $(box_mounts); do
		echo "mount left: $i"
		fusermount3 -u -z "$i" 2>/dev/null || umount -l "$i" 2>/dev/null
	done
	find "$BOX/run" -type s 2>/dev/null | sed 's/^/socket left: /'
}

# The last line of every suite that calls box_setup: stops, complains, cleans. Fails if anything was left.
box_teardown() {
	local left
	cd / || return 1
	left=$(box_stop)
	if [ -n "${GSH_TEST_LOGS-}" ]; then
		find "$BOX" -maxdepth 2 -name '*.log' -size +0 -exec cp -t "$GSH_TEST_LOGS" {} + 2>/dev/null
	fi
	chmod -R u+rwX "$BOX" 2>/dev/null
	rm -rf "$BOX"
	[ -z "$left" ] || { echo "left behind:"; echo "$left"; return 1; } >&2
}

# gsh, bounded in time; -s names the sandbox. box NAME CMD...: run CMD there.
box() {
	local name=$1
	shift
	timeout -k 5 "${BOX_TIMEOUT:-60}" "$GSH" run -s "$name" -- "$@"
}

# A hash of names, kinds, modes, sizes, times and contents of trees on the host.
tree_hash() {
	find "$@" -xdev \( -type f -printf '%p %m %s %T@ ' -exec sha256sum {} \; -o -printf '%p %y %m %l %T@\n' \) 2>/dev/null |
		LC_ALL=C sort | sha256sum
}

# Wait until a command succeeds, at most $1 tenths of a second.
wait_until() {
	local n=$1
	shift
	for ((; n > 0; n--)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	return 1
}

# A command that must fail. (bats does not look at the result of a line that begins with "!".)
refuses() {
	! "$@"
}
