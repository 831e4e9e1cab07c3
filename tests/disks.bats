#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# A store on other file systems than the tests' own, full ones and read-only ones: gsh works, or says why not. They are
# mounted in a mount namespace of an ordinary user's.

bats_require_minimum_version 1.5.0
load lib.bash
load here.bash

# mounted MOUNT-COMMANDS...: each a shell script; between them what stands on standard input up to a line `---`, without
# privileges, with everything about gsh in one namespace. What it prints is $output.
mounted() {
	local part=0 script line
	: >"$BOX/outer"
	while IFS= read -r line || [ -n "$line" ]; do
		if [ "$line" = --- ]; then part=$((part + 1)); else echo "$line" >>"$BOX/part.$part"; fi
	done
	for ((line = 0; line <= part; line++)); do
		script=${1:-:}
		[ $# = 0 ] || shift
		printf '{ %s; } || exit 77\n' "$script" >>"$BOX/outer"
		echo "setpriv --ambient-caps=-all --inh-caps=-all bash -u '$BOX/part.$line'" >>"$BOX/outer"
		printf 'gsh stop --all; gsh daemon stop\n' >>"$BOX/part.$line"
	done
	run timeout -k 5 120 unshare --map-current-user --keep-caps --mount bash "$BOX/outer"
	[ "$status" != 77 ] || skip "this cannot be mounted by an ordinary user here: ${output:0:200}"
	echo "$output"
}

can_unshare() {
	unshare --map-current-user --keep-caps --mount true 2>/dev/null || skip "there are no user namespaces here"
}

has() {
	grep -qxF -- "$1" <<<"$output" || { echo "not said: $1"; return 1; }
}

@test "a tmpfs, full and read-only: what was there stays, and what cannot be is said" {
	can_unshare
	echo host >f
	mounted "mount -t tmpfs -o size=40m none '$GSH_STORE' && chmod 700 '$GSH_STORE'" "mount -o remount,ro '$GSH_STORE'" <<-'EOS'
		gsh -s s -c 'echo 1 >f; mkdir d; ln f d/hard; ln -s f d/soft; setfattr -n user.x -v y f 2>/dev/null; rm -f none'
		gsh snapshot -s s one
		gsh -s s -c 'rm f'
		gsh undo -s s
		echo "undone $(gsh -s s -c 'cat f d/hard' | xargs)"
		head -c 100000000 /dev/zero >$GSH_STORE/fill
		gsh doctor | grep -qF 'No space left on device' && echo 'doctor says that it is full'
		gsh create t || echo "create $?"
		gsh -s s -c 'head -c 100000 /dev/zero >g' || echo "command $?"
		gsh snapshot -s s two || echo "snapshot $?"
		echo "there $(gsh -s s -c 'cat f')"
		gsh -s s -c 'rm f'
		rm $GSH_STORE/fill
		gsh -s s -c 'ls f' || echo "removed"
		gsh create t && gsh rm t && echo "again"
		gsh -s s -c 'echo 2 >f'
		gsh stop s
		gsh gc s
		gsh doctor -s s
		---
		gsh doctor | grep -qF 'mounted read-only' && echo 'doctor says that it is read-only'
		gsh doctor >/dev/null || echo "doctor $?"
		echo "read $(gsh cat s:$PWD/f) $(gsh cat s@one:$PWD/f)"
		gsh log s | grep -c . >/dev/null && echo "log"
		for words in 'undo -s s' 'create t' 'rm -f s' 'snapshot -s s x' 'rename s t' 'gc s' 'clone s t'; do
			gsh $words || echo "$words: $?"
		done
		gsh -s s -c true || echo "run $?"
		gsh ls | cut -f 1
	EOS
	has 'undone 1 1'
	has 'doctor says that it is full'
	has 'create 1'
	has 'command 1'
	has 'there 1'
	has 'removed'
	has 'again'
	grep -qF 'nothing is wrong with 1 sandbox' <<<"$output"
	has 'doctor says that it is read-only'
	has 'doctor 1'
	has 'read 2 1'
	has 'log'
	local words
	for words in 'undo -s s' 'create t' 'rm -f s' 'snapshot -s s x' 'rename s t' 'gc s' 'clone s t'; do has "$words: 1"; done
	has 'run 125'
	has 's'
	[ "$(grep -c 'Read-only file system' <<<"$output")" -ge 8 ]
}

@test "an overlay holds no whiteouts: a sandbox is refused, with why" {
	can_unshare
	mkdir "$BOX/low" "$BOX/up" "$BOX/wrk"
	mounted "mount -t overlay -o userxattr,lowerdir=$BOX/low,upperdir=$BOX/up,workdir=$BOX/wrk none '$GSH_STORE'" <<-'EOS'
		gsh -s s -c true || echo "run $?"
		gsh create t || echo "create $?"
		echo "left $(ls -A $GSH_STORE/boxes)"
	EOS
	has 'run 125'
	has 'create 1'
	has 'left '
	grep -qF "the store's file system cannot hold whiteouts (device 0/0)" <<<"$output"
}
