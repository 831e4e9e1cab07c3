#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# stress-ng's stressors of processes, signals, IPC, memory, sockets and files, each for a few seconds with --verify. One
# that fails inside is run on the host: what fails there too, or is not in that stress-ng, is no fault of ours.
#
# Left out: what needs ptrace (ptrace, vm-segv); what the host alone has (dnotify, file handles, kernel modules, landlock,
# userfaultfd); what eats the machine (mmapfork, the many- and -flood kinds).

bats_require_minimum_version 1.5.0
load ../lib.bash

SECONDS_EACH=3

setup_file() {
	command -v stress-ng >/dev/null || skip "no stress-ng on this host"
	box_setup
	export BOX BOX_BEFORE
}

teardown_file() {
	[ -z "${BOX-}" ] || box_teardown
}

# stress_one PREFIX... NAME: complains on standard output; the status is stress-ng's, 2 as well if it saw a failure.
stress_one() {
	local name=${*: -1} out
	set -- "${@:1:$#-1}"
	out=$(timeout -k 5 $((SECONDS_EACH + 60)) "$@" stress-ng --verify --temp-path . --timeout ${SECONDS_EACH}s \
		"--$name" 1 2>&1 </dev/null) && ! grep -qE 'stress-ng: (fail|error):' <<<"$out" && return 0
	echo "$name: $(grep -E 'stress-ng: (fail|error):' <<<"$out" | head -3)"
	return 2
}

stress() {
	local name bad=0 what
	cd "$BOX/work" || return
	for name; do
		what=$(stress_one "$GSH" run -- "$name") && continue
		if stress_one "$name" >/dev/null; then
			echo "fails inside only: $what"
			bad=1
		fi
		timeout 30 "$GSH" stop >/dev/null 2>&1
	done
	return $bad
}

@test "processes" {
	stress affinity clone close context daemon exec exit-group fcntl getdent kill nice personality pidfd prctl prio-inv \
		procfs pthread resched rlimit schedmix schedpolicy session set spawn switch sysinfo unshare vfork vm-rw wait yield zombie
}

@test "signals and timers" {
	stress alarm itimer sigabrt sigbus sigchld sigfd sigfpe sigio signal signest sigpending sigpipe sigq sigrt sigsegv \
		sigsuspend sigtrap sigxcpu sigxfsz nanosleep sleep timer timerfd timermix
}

@test "IPC and locks" {
	stress dup dup3 epoll eventfd fifo flock futex lockf lockofd lockmix mq msg mutex pipe pipeherd poll sem sem-sysv \
		shm shm-sysv splice tee
}

@test "memory" {
	stress madvise memfd mincore mlock mmap mmapaddr mmapfixed mprotect mremap msync pagemove pkey remap seal stack vm \
		vm-addr vm-splice
}

@test "sockets" {
	stress sock sockabuse sockdiag sockfd sockmany sockpair udp
}

@test "files" {
	stress access aio chdir chmod chown copy-file dentry dev-shm dir dirdeep fallocate fault filename fpunch fstat full \
		hdd inotify io lease link locka loop metamix mknod null open pty rename seek sendfile symlink sync-file \
		tmpfs touch utime xattr
}
