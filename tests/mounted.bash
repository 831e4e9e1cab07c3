# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
# For suites that look through the mount: load after lib.bash.

setup() {
	{ [ -r /dev/fuse ] && [ -w /dev/fuse ]; } || skip "/dev/fuse is not for ordinary users here"
	box_setup
}

teardown() {
	[ -z "${BOX-}" ] || box_teardown
}

gsh() {
	timeout -k 5 "${BOX_TIMEOUT:-60}" "$GSH" "$@"
}

view() { # the place of this directory in the view of sandbox $1
	echo "$GSH_MOUNT/$1/root$PWD"
}

gfs_pid() {
	local p
	for p in $(pgrep -u "$(id -u)" -x gfs); do grep -qzF "$BOX" "/proc/$p/environ" 2>/dev/null && echo "$p"; done
	return 0 # another's may have ended meanwhile
}
