#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# Test suites that programs bring with them, from Debian's sources, run with the programs that this host has installed:
# on the host and inside, in equal places, with the same result test by test.

bats_require_minimum_version 1.5.0
load sources.bash

need() {
	command -v "$1" >/dev/null || skip "$1 is not installed"
}

# suite PACKAGE SCRIPT LINES: the script runs in the source and prints a line a test, the same here and inside, and more
# than so many.
suite() {
	local name=$1
	source_of "$name" || return
	cp -a source pristine
	cd source || return
	timeout 1500 bash -c "$2" </dev/null >"$BOX/$name.native" 2>"$BOX/$name.native.err"
	cd ..
	rm -rf source
	mv pristine source
	cd source || return
	BOX_TIMEOUT=1500 box "$name" bash -c "$2" </dev/null >"$BOX/$name.inside" 2>"$BOX/$name.inside.err"
	wc -l <"$BOX/$name.native"
	diff "$BOX/$name.native" "$BOX/$name.inside"
	[ "$(wc -l <"$BOX/$name.native")" -gt "$3" ]
}

@test "redis: its own tests of persistence, protocol, introspection, shutdown" {
	need redis-server
	need tclsh
	suite redis 'for b in server cli benchmark check-aof check-rdb sentinel; do
			ln -s "$(command -v redis-$b)" src/
		done
		tclsh tests/test_helper.tcl --clients 3 $(printf " --single %s" unit/aofrw unit/other unit/protocol \
			unit/introspection integration/rdb integration/aof integration/redis-cli \
			integration/logging integration/shutdown) |
		sed "s/\x1b\[[0-9;]*m//g; s/ ([0-9]* ms)//" | grep -E "^\[(ok|err|exception)" | sort' 100
}

@test "ruby: its own tests of terminals, signals, pipes, directories and sockets" {
	need ruby
	suite "ruby$(ruby -e 'puts RUBY_VERSION[/\d+\.\d+/]')" 'cd test
		for t in ruby/test_pipe ruby/test_signal ruby/test_dir test_pty io/console/test_io_console \
			socket/test_unix socket/test_basicsocket socket/test_sockopt socket/test_udp etc/test_etc \
			test_tempfile test_open3; do
			ruby -I../tool/lib ../tool/test/runner.rb -v $t.rb 2>&1 |
				grep -E "^[0-9]+ tests" | sed "s|^|$t: |"
		done' 10
}

@test "dash: busybox' tests of shells" {
	need dash
	# Not those that depend on who is faster, nor one that waits for its own line numbers without end.
	suite busybox 'for fd in {3..255}; do eval "exec $fd>&-"; done
		export THIS_SH=$(command -v dash) PATH=$PWD:$PATH
		for p in printenv recho zecho; do gcc -w -o "$p" "shell/ash_test/$p.c" || exit; done
		for t in shell/{ash,hush}_test/*/*.tests; do
			case $t in *-signals/*|*-z_slow/*|*trap*|*/var_LINENO1.tests) continue;; esac
			(cd "${t%/*}" && timeout 60 dash "./${t##*/}" 2>&1 | sed "s|^|${t##*/}: |")
		done' 1500
}
