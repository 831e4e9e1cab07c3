#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# gsh discard: the sandbox is as the host again, in whole or in part, stopped or running.

bats_require_minimum_version 1.5.0
load lib.bash

setup() {
	box_setup
	mkdir w
	cd w || return 1
}

teardown() {
	chmod -R u+rwX "$BOX" 2>/dev/null || true
	box_teardown
}

gsh() {
	timeout -k 5 "${BOX_TIMEOUT:-60}" "$GSH" "$@"
}

fill() {
	mkdir d del tof
	echo one >one
	echo two >two
	ln -s a link
	echo x >del/x
	echo y >d/y
	chmod 700 two
	touch -d @1000000000 two
	echo 1 >tod
	echo 2 >tof/2
	echo odd >"$(printf 'a\tb\n\377')"
	python3 -c 'import os; os.setxattr("one", "user.k", b"v")'
	gsh -s s -c 'echo ONE >one; rm two; chmod 711 d; ln -sfn b link; rm -r del; mkdir -p n/e/w; echo new >n/e/w/f
		chmod 555 n/e/w n/e; mkfifo n/p; rm tod; mkdir tod; echo in >tod/in; rm -r tof; echo f >tof; echo changed >a*; mv d moved'
}

inside() {
	gsh -s s -c 'find . \( -type f -printf "%p %m " -exec sha256sum {} \; \) -o -printf "%p %y %m %l\n" | LC_ALL=C sort'
}

outside() {
	find . \( -type f -printf '%p %m ' -exec sha256sum {} \; \) -o -printf '%p %y %m %l\n' | LC_ALL=C sort
}

@test "all of it" {
	fill
	before=$(outside)
	gsh stop -s s
	run gsh discard -s s -f
	[ "$status" -eq 0 ]
	diff <(outside) <(inside)
	[ -z "$(gsh diff -s s)" ]
	run gsh -s s -c 'stat -c %Y two; python3 -c "import os; print(os.getxattr(\"one\", \"user.k\"))"'
	[ "$output" = $'1000000000\nb\'v\'' ]
	[ "$before" = "$(outside)" ]
	run gsh discard -s s -f
	[ "$status" -eq 1 ]
}

@test "paths choose; -n, --json and nobody to ask change nothing" {
	fill
	before=$(inside)
	run gsh discard -s s -n one tof
	[ "$status" -eq 0 ]
	[ "$output" = $'M\t'"$PWD/one"$'\nT\t'"$PWD/tof"$'\nD\t'"$PWD/tof/2" ]
	gsh discard -s s -n --json one | python3 -c 'import json, sys; assert json.load(sys.stdin)["schema"] == "gsh.discard/1"'
	run gsh discard -s s one </dev/null
	[ "$status" -eq 1 ]
	run gsh discard
	[ "$status" -eq 2 ]
	run gsh discard -s nobody -f
	[ "$status" -eq 3 ]
	[ "$before" = "$(inside)" ]
	gsh discard -s s -f -- one tof n
	run gsh -s s -c 'cat one tof/2; ls; cat two'
	[ "${lines[0]}" = one ]
	[ "${lines[1]}" = 2 ]
	[[ "$output" != *$'\nn\n'* ]]
	[[ "$output" == *"two: No such file"* ]]
}

@test "while processes run: open files stay theirs, names are the host's at once" {
	echo host >f
	gsh -s s -c 'echo mine >f; mkfifo go; (exec 3>>f 4<f; cat go; echo more >&3; cat f >seen; cat <&4 >own) >/dev/null 2>&1 &'
	gsh discard -s s -f -- f
	[ "$(gsh cat s:f)" = host ]
	gsh -s s -c 'echo >go; for i in $(seq 50); do [ -s own ] && break; sleep 0.1; done; cat seen own'
	[ "$(gsh cat s:seen)" = host ]
	[ "$(gsh cat s:own)" = $'mine\nmore' ]
}

@test "an empty path, or a relative one where there is no directory, is no order to discard everything" {
	gsh -s s -c 'echo mine >kept'
	for verb in "discard -f -s s" "commit -y -s s" "restore -s s base" "diff -s s"; do
		# shellcheck disable=SC2086
		run gsh $verb -- ""
		[ "$status" -eq 2 ]
		[ "$output" = 'gsh: "": a path is empty [E_USAGE]' ]
	done
	mkdir gone
	cd gone
	rmdir ../gone
	run gsh discard -f -s s -- .
	[ "$status" -eq 2 ]
	cd ..
	[ "$(gsh cat s:kept)" = mine ]
}
