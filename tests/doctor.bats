#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# What gsh doctor finds in a store and round it, and what --repair does about it; store.bats has what a crash leaves.

bats_require_minimum_version 1.5.0
load lib.bash
load here.bash

# doctor's findings in $1: a line each of LEVEL, CHECK, whether it was repaired, and the text.
findings() {
	"$TESTS/tools/json-check" <"$1"
	jq -r '.items[] | "\(.level) \(.check) \(.repaired // "-") \(.text)"' "$1"
}

@test "a sandbox that cannot be locked is not looked at, let alone repaired" {
	in_box 'echo 1 >f; sleep 1000 >/dev/null 2>&1 &'
	mkdir "$GSH_STORE/boxes/s/making"
	chmod 0 "$GSH_STORE/boxes/s/lock"
	run -1 gsh doctor
	[[ "$output" == *"s: lock has a mode (0000) that shuts out its owner"* ]]
	[[ "$output" != *"begun and never finished"* ]]
	gsh doctor --repair --json >"$BOX/json"
	findings "$BOX/json" >found
	grep -qx 'ok sandbox true s: lock has a mode (0000) that shuts out its owner; its owner may use it again' found
	# It runs, and what its monitor may be making stays.
	[ -d "$GSH_STORE/boxes/s/making" ]
	in_box 'cat f' | grep -qx 1
	gsh doctor | grep -q 'nothing is wrong with 0 sandboxes; 1 that runs was not looked at'
}

@test "what is in the place of a lock, or shuts out its owner, is put right" {
	local n box=$GSH_STORE/boxes
	for n in dir link shut spec; do gsh -s $n -c "echo $n >f"; done
	gsh stop --all
	rm "$box/dir/lock" "$box/link/lock"
	mkdir "$box/dir/lock"
	ln -s /etc/passwd "$box/link/lock"
	chmod 0 "$box/spec/spec.json" "$box/shut"
	run -1 gsh doctor
	echo "$output" >found
	grep -q 'dir: lock is no file' found
	grep -q 'link: lock is no file' found
	grep -q 'shut: boxes/shut has a mode (0000) that shuts out its owner' found
	grep -q 'spec: spec.json has a mode (0000) that shuts out its owner' found
	gsh doctor --repair
	gsh doctor | grep -q 'nothing is wrong with 4 sandboxes'
	for n in dir link shut spec; do gsh -s $n -c 'cat f' | grep -qx $n; done
	[ -L "$box/link/damaged/lock" ]
	# What was only shut is what it was.
	[ ! -e "$box/spec/damaged" ]
	gsh stop --all
	# And it can be given up as it is.
	rm "$box/dir/lock"
	mkdir "$box/dir/lock"
	gsh rm dir
	chmod 0 "$box/link/lock"
	run -1 gsh rm link
	[[ "$output" == *"gsh doctor --repair"* ]]
	[ -d "$box/link" ]
}

@test "one sandbox alone, and names of none" {
	in_box 'echo 1 >f'
	gsh -s t -c true
	gsh stop t
	echo junk >"$GSH_STORE/boxes/t/spec.json"
	gsh doctor -s s | grep -q 'nothing is wrong with 0 sandboxes; 1 that runs was not looked at'
	run -1 gsh doctor -s t --json
	jq -e '.items | length == 1 and .[0].level == "fail" and (.[0].text | startswith("t: spec.json"))' <<<"$output" >/dev/null
	gsh stop s
	run -0 gsh doctor -s s --json
	jq -e '.items | length == 1 and .[0].level == "ok"' <<<"$output" >/dev/null
	run -3 gsh doctor -s nobody
	run -3 gsh doctor -s nobody --repair --json
	run -2 gsh doctor -s a/b
	run -2 gsh doctor -s ''
	gsh doctor -s t --repair --json >"$BOX/json"
	findings "$BOX/json" | grep -q '^ok sandbox true t: spec.json'
}

@test "the socket that a killed monitor left is told, and removed by --repair" {
	in_box true
	local pid
	pid=$(jq .pid "$GSH_STORE/boxes/s/lock")
	kill -KILL "$pid"
	wait_until 100 sh -c "! kill -0 $pid"
	[ -S "$GSH_RUNTIME/box/s.sock" ]
	# A lock is of a process: what is left in the file holds nobody up.
	gsh doctor --json >"$BOX/json"
	findings "$BOX/json" >found
	grep -qx 'warn sockets - 1 sandbox left a socket behind, for the monitor was killed' found
	grep -qx 'ok sandboxes - nothing is wrong with 1 sandbox' found
	gsh doctor --repair --json >"$BOX/json"
	findings "$BOX/json" | grep -qx 'ok sockets true 1 sandbox left a socket behind, for the monitor was killed; it was removed'
	[ ! -e "$GSH_RUNTIME/box/s.sock" ]
	gsh doctor >found
	refuses grep -q sockets found
	in_box 'echo again' | grep -qx again
}

@test "a store that is another version's, or another user's, is said to be" {
	in_box true
	gsh stop --all
	gsh daemon stop
	echo 'gsh-store 3' >"$GSH_STORE/VERSION"
	run -125 gsh -s s -c true
	[[ "$output" == *"'gsh-store 3'"* ]]
	run -1 --separate-stderr gsh doctor --json
	echo "$output" >"$BOX/json"
	findings "$BOX/json" >found
	grep -q "^fail store - $GSH_STORE was made by another version of gsh: its VERSION says 'gsh-store 3', this gsh knows 'gsh-store 2'" found
	grep -q '^fail daemon' found
	run -6 gsh doctor -s s
	run -1 gsh doctor --repair
	[ "$(cat "$GSH_STORE/VERSION")" = 'gsh-store 3' ]
	echo 'gsh-store 2' >"$GSH_STORE/VERSION"
	gsh doctor >/dev/null
	gsh daemon stop
	run -1 --separate-stderr env GSH_STORE=/usr/lib gsh doctor --json
	jq -r '.items[] | "\(.level) \(.check) \(.text)"' <<<"$output" | grep -qx 'fail store /usr/lib belongs to another user (0)'
}
