#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# Every verb, by walking the list that gsh itself gives: its good path, its errors, its --json, its completion, its help.
# A verb that is new fails here until it has its rows. What a verb does is tested in the suite of its subject.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
load lib.bash
load here.bash

# What must succeed, in this order, in a directory with files a and b; sandbox s has changed both. VERB@SUITE TITLE: it
# wants a terminal, and that test has it.
GOOD='
run -s s -- true
try -- true
trace -s s -o t -- true
attach@session ^] three times detaches, puts modes back, and attach returns
ls
ps -s s
top -s s -n 1
info s
denials s
status s
diff -s s
why -s s
events@watch events tell of sessions as they come and go, and of what failed
cat s:a
cp s:a copy
edit@edit ^X^E takes the line to the user
log s
show -s s 1
snapshot -s s kept
undo -s s
redo -s s
create made
allow -s made net 192.0.2.1:80
start made
bind -s made --once .
restore -s s base b
commit -s s -y a
run -s s -- touch c
discard -s s -f
start s
kill -s s --all
split@split
set s
export --changes s -o s.tar
import small.tar imported
clone s other
rename other third
stop s
gc s
path s
mount
umount
rm third
config show
doctor
daemon
version
help log
'

# The status, and words that must fail with it.
WRONG='
125 run
125 try
125 trace
125 attach -s none
2 ls x
3 ps -s none
3 top -s none
3 info none
3 denials none
3 status none
3 diff -s none
3 why -s none
3 events -s none
3 cat none:/etc/passwd
3 cp none:/a b
3 edit none:/a
3 commit -s none
3 discard -s none
3 log none
2 show x
2 undo x
3 redo -s none
3 snapshot -s none a
4 create s
2 allow net
3 bind -s none .
2 restore -s s @0
2 start a/b
3 stop none
2 kill
2 split 1
3 set none
2 import
3 export none
2 clone
2 rename s
2 rm
3 gc none
3 path none
2 mount x
2 umount x
2 config nosuch
2 doctor x
2 daemon nosuch
2 version x
2 help nosuch
'

# What answers in JSON. LINES SCHEMA: an object a line.
JSON='
ls
ps -s s
top -s s -n 1
info s
denials s
status s
diff -s s
diff --stat -s s
why -s s
log s
show -s s 1
set s
path s
allow -s s --list
bind -s s
restore -n -s s base b
commit -n -s s
commit -y -s s a
discard -n -s s
discard -f -s s
gc s
config show
config show -s s
config trust --list
doctor
doctor --policy -s s
daemon
version
LINES trace trace -s s -- sh -c "true; kill -9 \$\$"
LINES trace trace -c -s s -- true
LINES trace trace --coord -s s -- bash -c "sleep 5 & kill -CONT \$!; kill -9 \$!"
LINES event events -s s --count=2
LINES progress clone --progress=json s other
'

setup() {
	box_setup
	mkdir h
	cd h || return 1
	echo 1 >a
	echo 2 >b
	tar -cf small.tar a
	gsh -s s -c 'echo 3 >a; rm b; cat /not/there' 2>/dev/null || true
}

# Are these all verbs? Lines of VERB... on standard input.
are_all() {
	run diff <(gsh __complete line '' | cut -f 1 | sort) <(sed 's/[ @].*//' | grep . | sort -u)
	assert_output ""
}

@test "each verb does what it is for" {
	are_all <<<"$GOOD"
	while read -r verb rest; do
		[ -n "$verb" ] || continue
		if [[ $verb = *@* ]]; then
			grep -qF "@test \"$rest" "$TESTS/${verb#*@}.bats" || { echo "no test for $verb"; false; }
			continue
		fi
		# shellcheck disable=SC2086
		run gsh "$verb" $rest </dev/null
		[ "$status" = 0 ] || { echo "gsh $verb $rest: $status: $output"; false; }
	done <<<"$GOOD"
}

@test "each verb refuses what it cannot do: status, what, why and a code" {
	sed 's/^[0-9]* //' <<<"$WRONG" | are_all
	while read -r expected words; do
		[ -n "$words" ] || continue
		# shellcheck disable=SC2086
		run gsh $words </dev/null
		[ "$status" = "$expected" ] || { echo "gsh $words: $status, not $expected: $output"; false; }
		assert_line --index 0 --regexp '^gsh: .*: .* \[E_[A-Z]+\]$'
	done <<<"$WRONG"
}

@test "each option --json gives what a schema says" {
	for verb in $(gsh __complete line '' | cut -f 1); do
		gsh __complete line "$verb" - | grep -q '^--jsonl\?	' || continue
		grep -qE "^(LINES [a-z]+ )?$verb( |\$)" <<<"$JSON" || { echo "no row for $verb --json"; false; }
	done
	while read -r words; do
		local lines=() json=--json
		if [[ $words = LINES* ]]; then
			lines=(--lines "gsh.$(cut -d ' ' -f 2 <<<"$words")")
			words=${words#LINES * }
		fi
		[ -n "$words" ] || continue
		eval "set -- $words"
		case $1 in
		events) json=--jsonl; (until gsh -s s -c true; do :; done; gsh -s s -c 'exit 3' || true) >/dev/null & ;;
		clone) json= ;;
		esac
		gsh "$1" $json "${@:2}" >out 2>err </dev/null || [ "$1" = trace ] || { cat err; false; }
		case $1 in trace | clone) grep '^{' err >out || cat err ;; esac
		"$TESTS/tools/json-check" "${lines[@]}" <out || { echo "of: gsh $words"; head -3 out; false; }
	done <<<"$JSON"
	# And each name of a schema that is in the programs is that of a file.
	for name in $(sed -n 's/.*show_\(json\|list\)([^"]*"\([a-z]*\)".*/\2/p' "$TREE"/shell/cmd-*.c | sort -u); do
		case $name in sessions) continue ;; esac # never as JSON
		[ -e "$TREE/contrib/schemas/gsh.$name.json" ] || { echo "no schema $name"; false; }
	done
}

@test "--status-fd says lines that fit their schema" {
	gsh run -s s --status-fd 5 -- sh -c 'kill -9 $$' 5>out || true
	gsh run -s s --status-fd 5 -- /not/there 5>>out 2>/dev/null || true
	gsh run -s s --timeout 0.1 --status-fd 5 -- sleep 9 5>>out || true
	"$TESTS/tools/json-check" --lines gsh.report <out
	assert_equal "$(jq -r .event out | sort -u | xargs)" "exited failed started timeout"
}

@test "each verb completes its options, tells its usage, and suggests the option that was meant" {
	for verb in $(gsh __complete line '' | cut -f 1); do
		run gsh "$verb" --help
		assert_success
		assert_line --index 0 --partial "gsh $verb"
		run gsh help "$verb"
		assert_success
		run gsh __complete line "$verb" -
		assert_success
		assert_line --regexp $'^--quiet\t.'
		refute_line --regexp $'^[^\t]+\t?$'
		run gsh "$verb" --quite
		assert_failure
		assert_output --partial "did you mean --quiet"
		run gsh "${verb}x"
		assert_failure 2
	done
}
