#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# Very many processes, and processes that do not want to end: always under a limit. What is asked of the sandbox in the
# middle of it is done, and its end leaves nothing.

bats_require_minimum_version 1.5.0
load lib.bash

setup() {
	box_setup
	printf '[Limits]\nTasksMax=150\n' >"$GSH_CONFIG"
}

teardown() {
	box_teardown
}

gsh() {
	timeout -k 5 "${BOX_TIMEOUT:-60}" "$GSH" "$@"
}

# A program that forks as long as it may, each child handing over to the next; deaf to what asks it to end. Its first
# process stays.
STORM='
import os, signal, time
for s in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT): signal.signal(s, signal.SIG_IGN)
if os.fork():
	print("begun", flush=True)
	while True: time.sleep(1)
while True:
	try:
		if os.fork():
			time.sleep(0.05)
			os._exit(0)
		try: os.fork()
		except OSError: pass
	except OSError:
		time.sleep(0.01)
'

# A persistent sandbox's name, or -x.
begin_storm() {
	"$GSH" run "$@" -- /usr/bin/python3 -c "$STORM" >begun 2>err &
	wait_until 200 grep -q begun begun
}

gone() {
	wait_until 200 sh -c "[ -z \"\$('$GSH' ls 2>/dev/null)\" ]"
	wait_until 200 sh -c "[ -z \"\$(ls -A '$BOX/store/boxes')\" ]"
}

@test "stop ends a storm that does not listen" {
	gsh -s s -c 'echo kept > f'
	begin_storm -s s
	gsh stop -s s
	[ -z "$(gsh ls)" ] || gsh ls | grep -q stopped
	[ "$(gsh -s s -c 'cat f; ps -e -o comm= | grep -c python')" = $'kept\n0' ]
}

@test "kill -9 --all leaves an empty sandbox, whatever was being born" {
	begin_storm -s s
	gsh kill -s s -9 --all
	run gsh -s s -c 'ps -e -o comm= | sort | uniq -c | grep -c python; echo fine'
	[ "${lines[0]}" = 0 ]
	[ "${lines[1]}" = fine ]
}

@test "at the limit forks fail as on Linux, and the limit holds" {
	run gsh run -s s -- /usr/bin/python3 -c '
import os, errno, signal
n = 0
try:
	while n < 1000:
		pid = os.fork()
		if not pid:
			signal.pause()
		n += 1
except OSError as e:
	print(errno.errorcode[e.errno], 100 < n < 150, flush=True)
os.killpg(0, signal.SIGKILL)'
	[ "$output" = "EAGAIN True" ]
	[ "$(gsh -s s -c 'echo fine')" = fine ]
}

@test "ps among processes that come and go" {
	"$GSH" run -s s -- sh -c 'echo begun; while :; do for i in 1 2 3 4 5 6 7 8; do sleep 0.0$i & done; wait; done' >begun &
	wait_until 100 grep -q begun begun
	gsh run -s s -- sh -c 'for i in 1 2 3 4 5 6 7 8 9 10; do ps -ef >ps.out 2>ps.err || exit; test -s ps.err && exit 1; grep -q "[s]h -c" ps.out || exit; done; echo fine' >out
	[ "$(cat out)" = fine ]
	for i in 1 2 3 4 5; do gsh ps -s s | grep -q 'sh -c'; done
	gsh stop -s s
}

@test "-x: a client that is killed hangs up, and nothing is left" {
	"$GSH" run -x -- sh -c 'trap "echo told; exit" HUP; echo begun; while :; do sleep 1 & wait $!; done' >begun &
	job=$!
	wait_until 100 grep -q begun begun
	kill -KILL $job
	gone
	grep -q told begun
}

@test "-x: what does not listen ends with its client too" {
	begin_storm -x
	kill -KILL $!
	gone
	"$GSH" run -x -- sh -c 'trap "" HUP TERM; echo begun; while :; do sleep 1; done' >begun &
	job=$!
	wait_until 100 grep -q begun begun
	kill -KILL $job
	gone
}

@test "-x: another client keeps the sandbox, and hears the end of its own command" {
	"$GSH" run -x -- sh -c 'echo begun; sleep 1000' >begun &
	job=$!
	wait_until 100 grep -q begun begun
	name=$(basename "$(echo "$BOX"/store/boxes/*)")
	"$GSH" run -s "$name" -- sh -c 'echo begun; read -r x; echo "got $x"; exit 7' >second < <(sleep 3; echo line) &
	other=$!
	wait_until 100 grep -q begun second
	kill -KILL $job
	status=0
	wait $other || status=$?
	[ "$status" -eq 7 ]
	grep -q 'got line' second
	gone
}

@test "a sandbox that is kept goes on without its client" {
	"$GSH" run -s s -- sh -c 'echo begun; sleep 1; echo on >> f; sleep 1000' >begun &
	job=$!
	wait_until 100 grep -q begun begun
	kill -KILL $job
	wait_until 100 sh -c "[ \"\$('$GSH' -s s -c 'cat f' 2>/dev/null)\" = on ]"
	gsh ps -s s | grep -q 'sleep 1000'
	gsh stop -s s
}
