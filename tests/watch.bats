#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# Looking at a sandbox that runs: why something failed, the busiest processes, what happens.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
load lib.bash

setup() {
	box_setup
}

teardown() {
	box_teardown
}

in_box() {
	timeout 60 "$GSH" -s s "$@"
}

@test "why names the call that failed, the file, and whose doing it is" {
	run "$GSH" why -s s
	assert_failure 3
	in_box -c true
	run "$GSH" why -s s
	assert_failure 1
	assert_output --partial "nothing was refused"
	run in_box -c 'cat /not/there; exit 5'
	assert_failure 5
	run "$GSH" why -s s
	assert_success
	# The child's failure, not that of the shell which passed it on.
	assert_line --regexp '^cat \(pid [0-9]+\) ended with status 1$'
	assert_line "  openat /not/there: No such file or directory"
	# What every program misses is left out.
	refute_output --partial ld.so
	run "$GSH" why -s s -a
	assert_output --partial "ld.so"
	run "$GSH" why -s s -x
	assert_failure 2
}

@test "why tells what the sandbox has to do with it" {
	run in_box -c "python3 -c 'import socket; socket.create_connection((\"192.0.2.1\", 80))'"
	assert_failure
	run "$GSH" why -s s
	assert_line "  connect 192.0.2.1 port 80: Network is unreachable"
	assert_line "    the network of a sandbox is its own loopback"
	echo there >"$BOX/work/file"
	in_box -c "rm $BOX/work/file"
	run in_box -c "cat $BOX/work/file"
	assert_failure
	run "$GSH" why -s s
	assert_line --partial "openat $BOX/work/file: No such file or directory"
	assert_line "    the host has it: it is removed or hidden in the sandbox"
}

@test "why tells a signal, names that hold anything, and JSON" {
	run in_box -c "python3 -c 'import os
try: open(\"a\\nb \\x1b[31m\\\\\")
except OSError: os.kill(os.getpid(), 11)'"
	run "$GSH" why -s s
	assert_line --regexp '^python3 \(pid [0-9]+\) was ended by SIGSEGV$'
	assert_line --partial 'a\nb \033[31m\\: No such file'
	"$GSH" why -s s --json >"$BOX/why.json"
	"$TESTS/tools/json-check" <"$BOX/why.json"
	python3 - "$BOX/why.json" <<'END'
import json, sys
item = json.load(open(sys.argv[1]))["items"][0]
assert item["signal"] == 11 and item["command"] == "python3", item
assert item["calls"][-1]["path"] == "a\nb \x1b[31m\\" and item["calls"][-1]["errno"] == "ENOENT", item
END
	"$GSH" stop -s s
	run "$GSH" why -s s
	assert_failure 1
	assert_output --partial "it does not run"
}

@test "what was refused before exec or fork is not counted against who comes after" {
	run in_box -c 'cat /a/first; exec sh -c "exit 3"'
	assert_failure 3
	run "$GSH" why -s s --json
	refute_output --partial '"command":"sh","time":"never"'
	run python3 -c "
import json, sys
items = json.loads(sys.argv[1])['items']
assert all(c['path'] != '/a/first' for i in items if i['command'] == 'sh' for c in i['calls']), items" "$output"
	assert_success
}

@test "top shows what uses the processor" {
	run "$GSH" top -s none
	assert_failure 3
	"$GSH" run -s s -- sh -c 'while :; do :; done' &
	busy=$!
	"$GSH" run -s s -- sleep 60 &
	wait_until 100 sh -c "'$GSH' ps -s s | grep -q 'sleep 60'"
	run "$GSH" top -s s -n 1 -d 1
	assert_success
	assert_line --index 0 --regexp 'while :; do :; done'
	assert_line --regexp $'\tsleep 60$'
	"$GSH" top -s s --json -d 0.5 | "$TESTS/tools/json-check"
	run bash -c "'$GSH' top -s s --json -d 1 | python3 -c 'import json, sys
i = json.load(sys.stdin)[\"items\"]
assert i[0][\"cpu\"] > 5 and i[-1][\"cpu\"] < 5, i'"
	assert_success
	for words in '-d 0' '-d x' '-n 0' 'word'; do
		# shellcheck disable=SC2086
		run "$GSH" top -s s $words
		assert_failure 2
	done
	"$GSH" stop -s s
	wait "$busy" || true
	run "$GSH" top -s s
	assert_failure
}

@test "events tell of sessions as they come and go, and of what failed" {
	run "$GSH" events -s none
	assert_failure 3
	"$GSH" run -s s -- sleep 60 &
	wait_until 100 sh -c "'$GSH' ps -s s | grep -q 'sleep 60'"
	"$GSH" events -s s --jsonl >"$BOX/events" &
	follower=$!
	"$GSH" events -s s --count 1 >"$BOX/one" &
	one=$!
	sleep 0.5
	run in_box -c 'cat /not/there'
	wait_until 50 grep -q '"failed"' "$BOX/events"
	wait "$one"
	run cat "$BOX/one"
	assert_output --regexp '^[0-9:.]{12} start    session 2 pid [0-9]+  sh -c cat /not/there$'
	"$GSH" stop -s s
	wait "$follower"
	python3 - "$BOX/events" <<'END'
import json, sys
events = [json.loads(line) for line in open(sys.argv[1])]
kinds = [e["event"] for e in events]
assert kinds[0] == "start" and events[0]["argv"] == ["sh", "-c", "cat /not/there"], events
assert {"exit", "failed", "stopping", "ended"} <= set(kinds) and kinds[-1] == "ended", kinds
exit = next(e for e in events if e["event"] == "exit")
assert exit["status"] == 256 and exit["session"] == 2, exit
failed = next(e for e in events if e["event"] == "failed")
assert failed["path"] == "/not/there" and failed["command"] == "cat", failed
assert all(e["sandbox"] == "s" and e["ms"] > 1.7e12 for e in events)
END
	for words in '--count 0' '--count x' 'word' '--json'; do
		# shellcheck disable=SC2086
		run "$GSH" events -s s $words
		assert_failure 2
	done
}
