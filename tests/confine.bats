#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# What a picoprocess asks of the host, seen from the host: with strace on the whole tree, no host execve follows the start
# but of the picoprocess image itself, and the calls are those that pal/confine/seccomp.def lists.

bats_require_minimum_version 1.5.0
load lib.bash

setup_file() {
	command -v strace >/dev/null || skip "strace is not installed"
	box_setup
	export BOX BOX_BEFORE
	trace=$BOX/trace
	mkdir "$trace"
	strace -ff -qq -s 200 --decode-pids=pidns -o "$trace/t" "$TREE/build/bin/gshd" --foreground >"$BOX/gshd.log" 2>&1 &
	echo $! >"$BOX/tracer"
	wait_until 100 test -S "$BOX/run/gshd.sock" || { cat "$BOX/gshd.log"; return 1; }
	cat >work.sh <<-'END'
	# A bit of everything: pipes, forks, execs, builds, signals, files, locks, threads, scripts.
	set -e
	mkdir -p d/e; echo x > d/f; ln d/f d/g; ln -s f d/l; mv d/e d/h; chmod 600 d/f; touch -d @1000 d/f; cp -a d c; rm -r c
	seq 1000 | sort -rn | head -3 | wc -l
	(exit 3) || true
	sleep 100 & kill $!; wait $! || true
	flock d/f true
	for i in 1 2 3; do /bin/true; done
	printf 'int main(void) { return 0; }\n' > m.c; gcc -o m m.c; ./m
	printf 'all: a b\na b:\n\t@echo $@\n' > Makefile; make -s -j2
	python3 -c 'import subprocess, threading, multiprocessing as m; t = threading.Thread(target=print, args=(1,)); t.start(); t.join(); subprocess.run(["true"]); p = m.Process(target=print, args=(2,)); p.start(); p.join()'
	perl -e 'if (!fork) { exit 3 } wait; print "$?\n"'
	git init -q r; find / -maxdepth 2 -name passwd >/dev/null 2>&1 || true; tar cf t.tar d; df . >/dev/null; ps -ef >/dev/null; date >/dev/null
	echo finished
	END
	BOX_TIMEOUT=300 box traced bash work.sh >"$BOX/out.log" 2>&1 || true
	for name in open rw vfork mmap events pty sockets; do
		mkdir -p "guest/$name"
		(cd "guest/$name" && BOX_TIMEOUT=100 box traced "$TREE/build/tests/guest/dyn/$name" >/dev/null 2>&1) || true
	done
	timeout 60 "$GSH" stop --all >>"$BOX/out.log" 2>&1 || true
	tracer=$(cat "$BOX/tracer")
	wait_until 100 sh -c "! kill -0 $tracer" || kill "$tracer" 2>/dev/null || true
}

teardown_file() {
	[ -z "${BOX-}" ] || box_teardown
}

# The host calls of picoprocesses: of all that executed the image, from there on, and of all their descendants. A call that
# the filter turned into SIGSYS was the guest's own and never reached the host.
picoprocesses() {
	/usr/bin/python3 - "$BOX/trace" <<-'END'
	import os, re, sys
	d = sys.argv[1]
	traces = {int(f.split(".")[1]): open(os.path.join(d, f), errors="replace").read().split("\n") for f in os.listdir(d)}
	found = {}
	def add(pid, begin):
	    if pid in found or pid not in traces:
	        return
	    found[pid] = begin
	    for line in traces[pid][begin:]:
	        m = re.match(r"^(?:clone|clone3|fork|vfork)\(.*\) += (\d+)(?: /\* (\d+) in strace's PID NS \*/)?", line)
	        if m:
	            add(int(m[2] or m[1]), 0)
	for pid, lines in traces.items():
	    for n, line in enumerate(lines):
	        if line.startswith("execveat(") and '["picoprocess", "grant"]' in line:
	            add(pid, n + 1)
	            break
	for pid, begin in found.items():
	    lines = traces[pid][begin:] + [""]
	    for line, after in zip(lines, lines[1:]):
	        if line and not line.startswith(("+++", "---", "<")) and not after.startswith("--- SIGSYS"):
	            print(pid, line)
	END
}

listed() {
	grep -oE '^ALLOW\([A-Z_]+, [a-z0-9_]+' "$TREE/pal/confine/seccomp.def" | sed 's/.*, //' | sort -u
}

@test "the work was done, under the trace" {
	tail -5 "$BOX/out.log"
	grep -qx finished "$BOX/out.log"
	picoprocesses >"$BOX/calls"
	# A bit of everything makes some hundred processes and tens of thousands of calls.
	[ "$(cut -d ' ' -f 1 "$BOX/calls" | sort -u | wc -l)" -ge 30 ]
	[ "$(wc -l <"$BOX/calls")" -ge 5000 ]
}

@test "positive control: a native program's calls are found outside the list" {
	strace -f -qq -o native.trace sh -c '/bin/true' 2>/dev/null
	comm -13 <(listed) <(sed -nE 's/^[0-9]+ +([a-z0-9_]+)\(.*/\1/p' native.trace | sort -u) | grep -qx execve
}

@test "no host execve follows the start, but of the image itself" {
	grep -E '^[0-9]+ execve' "$BOX/calls" | grep -vE 'execveat\(3, "", \["picoprocess", "exec"\]' >bad || true
	cat bad
	[ ! -s bad ]
}

@test "every call is in the allow list" {
	# An older strace knows setxattrat and getxattrat by their numbers.
	sed -nE 's/^[0-9]+ ([a-z0-9_]+)\(.*/\1/p' "$BOX/calls" | sed 's/^syscall_0x1cf$/setxattrat/; s/^syscall_0x1d0$/getxattrat/' | sort -u >made
	listed >list
	[ "$(wc -l <list)" -ge 50 ]
	# seccomp is how the filter is put on; restart_syscall is the kernel's own.
	comm -23 made list | grep -vxE 'seccomp|restart_syscall' >outside || true
	cat outside
	[ ! -s outside ]
}

@test "nobody was ended by the filter" {
	refuses grep -l 'killed by SIGSYS' "$BOX"/trace/*
}

@test "each picoprocess runs under the filter, without new privileges" {
	box look sh -c 'sleep 100 & sleep 0.3' || true
	timeout 20 "$GSH" run -s look -- true
	n=0
	for p in $(pgrep -u "$(id -u)" -x picoprocess) $(pgrep -u "$(id -u)" -x sleep); do
		[ "$(awk '/^Seccomp:/{print $2}' "/proc/$p/status" 2>/dev/null)" = 2 ] || continue
		for t in /proc/"$p"/task/*/status; do
			[ "$(awk '/^Seccomp:/{print $2}' "$t")" = 2 ]
			[ "$(awk '/^NoNewPrivs:/{print $2}' "$t")" = 1 ]
			[ "$(awk '/^CapEff:/{print $2}' "$t")" = 0000000000000000 ]
		done
		n=$((n + 1))
	done
	[ "$n" -ge 1 ]
	pgrep -u "$(id -u)" -x picoprocess >/dev/null
}

@test "rung A: own namespaces; rung B: the host's" {
	[ -n "${RUNG-}" ] || skip "no rung was asked for"
	timeout 20 "$GSH" run -s look -- true
	p=$(timeout 20 "$GSH" info -s look --json | sed -n 's/.*"leader" *: *\([0-9]*\).*/\1/p')
	[ -n "$p" ]
	own=$(for n in user mnt pid net ipc uts; do
		[ "$(readlink "/proc/$p/ns/$n" 2>/dev/null)" = "$(readlink "/proc/$$/ns/$n")" ] || printf '%s ' $n
	done)
	# An undumpable process hides its namespaces from its own user; the status tells at least the pid's depth.
	depth=$(awk '/^NSpid:/{print NF - 1}' "/proc/$p/status")
	echo "own: $own, depth $depth"
	if [ "$RUNG" = A ]; then
		[ "$depth" -ge 2 ]
	else
		[ "$depth" -eq "$(awk '/^NSpid:/{print NF - 1}' /proc/$$/status)" ]
	fi
}
