#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# What is done with sandboxes as a whole and with their past: restore, clone, rename, gc.

bats_require_minimum_version 1.5.0
load lib.bash
load here.bash

# What there is below a directory inside: types, modes, links and contents.
listing() {
	gsh -s "$1" -c "cd $PWD && find . -printf '%y %m %n %p %l\n' | sort && find . -type f | sort | xargs -r cat"
}

@test "restore brings paths back as they were, as an op that undo takes back" {
	echo host >base; mkdir hd; echo 1 >hd/f
	in_box 'mkdir d; echo one >d/1; echo two >d/2; ln -s 1 d/l; chmod 555 d; echo a >a; chmod 4711 a; echo x >base'
	gsh snapshot -s s good
	in_box 'chmod 755 d; rm d/1; echo other >d/2; echo new >d/3; mkdir d/sub; rm d/l; rm a; mkdir a; echo in >a/in; rm -r hd; echo y >base'
	in_box true
	run -0 gsh restore -s s -n good -- d
	[ "${lines[*]}" = "M	$PWD/d D	$PWD/d/3 D	$PWD/d/l D	$PWD/d/sub" ] || [[ "$output" == *"A	$PWD/d/1"* ]]
	in_box 'cat d/3' | grep -qx new
	gsh restore -s s good -- d a hd
	in_box 'cat d/1 d/2 a hd/f; readlink d/l; stat -c %a d a; ls d; cat base' | paste -sd' ' |
		grep -qx 'one two a 1 1 555 4711 1 2 l y'
	gsh log s | grep -q "gsh restore -s s good -- d a hd"
	gsh undo -s s
	in_box 'cat d/2 d/3 a/in; test ! -e d/1 && test ! -e hd; stat -c %a d' | paste -sd' ' | grep -qx 'other new in 755'
	gsh redo -s s
	in_box 'cat d/1; test ! -e d/3; cat a' | paste -sd' ' | grep -qx 'one a'
	gsh undo -s s 2
	in_box 'cat d/1 base' | paste -sd' ' | grep -qx 'one x'
	gsh restore -s s base -- base
	in_box 'cat base' | grep -qx host
	run -1 gsh restore -s s base -- base
	run -3 gsh restore -s s 99 -- base
	run -2 gsh restore -s s good
	gsh restore -s s --json 1 -- base >"$BOX/json"
	jq -e '.items[0].change == "M"' "$BOX/json" >/dev/null
	"$TESTS/tools/json-check" <"$BOX/json"
}

@test "restore in a stopped sandbox, and under a process that stands in what comes back" {
	in_box 'mkdir d; echo 1 >d/f'
	in_box 'echo 2 >d/f; echo 3 >d/g'
	gsh stop s
	gsh restore -s s 1 -- d
	in_box 'cat d/*' | grep -qx 1
	in_box '(cd d; exec 5<f; touch ../ready; while [ ! -e ../go ]; do sleep 0.05; done; cat f <&5 >../seen; cat <&5 >>../seen; : >../ended) >/dev/null 2>&1 &'
	until in_box 'test -e ready'; do sleep 0.1; done
	gsh restore -s s 2 -- d
	in_box 'touch go'
	for _ in {1..100}; do in_box 'test -e ended' && break; sleep 0.1; done
	in_box 'cat seen' | paste -sd' ' | grep -qx '2 1'
	in_box 'cat d/g' | grep -qx 3
	[ -z "$(find "$BOX"/store/boxes/s -maxdepth 1 -name '.made-*')" ]
}

@test "restore is given up by an interrupt, and nothing of it is left" {
	in_box 'mkdir d; for i in $(seq 3000); do echo $i >d/$i; done'
	in_box 'rm -r d'
	"$GSH" restore -s s --progress=json 1 -- d 2>"$BOX/err" &
	local pid=$! i
	for i in {1..200}; do
		[ -z "$(find "$BOX"/store/boxes/s -maxdepth 1 -name '.made-*')" ] || break
		sleep 0.01
	done
	kill -TERM "$pid"
	wait "$pid" || true
	if grep -q 'nothing was changed' "$BOX/err"; then
		in_box 'test ! -e d'
	fi
	[ -z "$(find "$BOX"/store/boxes/s -maxdepth 1 -name '.made-*')" ]
}

@test "a clone has files, ops and snapshots, and stands by itself" {
	echo host >base
	in_box 'mkdir d; echo 1 >d/1; ln d/1 d/one; mkfifo p; ln -s d l; rm base; chmod 2750 d'
	gsh snapshot -s s first
	in_box 'echo 2 >>d/1; mv d e'
	in_box 'sleep 1000 >/dev/null 2>&1 & echo running >r'
	listing s >"$BOX/want"
	gsh clone s t
	listing t | diff "$BOX/want" -
	gsh ls --json | jq -e '[.items[].name] == ["s", "t"]' >/dev/null
	gsh -s t -c 'echo clone >>e/1; cat e/one' | paste -sd' ' | grep -qx '1 2 clone'
	in_box 'cat e/1' | paste -sd' ' | grep -qx '1 2'
	gsh log t | grep -q 'mv d e'
	gsh undo -s t 3
	gsh -s t -c 'cat d/one' | grep -qx 1
	gsh diff -s t first -- "$PWD" | grep -q . && false
	gsh rm -f s
	gsh restore -s t base -- base
	gsh -s t -c 'cat base' | grep -qx host
	gsh stop t
	gsh clone t u
	gsh -s u -c 'cat d/1 base' | paste -sd' ' | grep -qx '1 host'
	run -4 gsh clone t u
	run -3 gsh clone nobody v
	run -2 gsh clone t ../v
	[ -z "$(find "$BOX"/store/boxes -maxdepth 1 -name '.making-*')" ]
}

@test "rename: of a stopped sandbox, refused with the cause while it runs" {
	in_box 'echo 1 >f'
	run -4 gsh rename s t
	[[ "$output" == *"it is running"* ]]
	gsh stop s
	gsh rename s t
	gsh -s t -c 'cat f; hostname' | paste -sd' ' | grep -qx '1 t'
	run -3 gsh rename s u
	in_box true
	gsh stop t
	run -4 gsh rename t s
	[[ "$output" == *"there is a sandbox of that name"* ]]
	run -2 gsh rename t -- ..
	jq -e '.name == "t"' "$BOX/store/boxes/t/spec.json" >/dev/null
}

@test "gc joins old ops as far as the settings say, sweeps, and says what it freed" {
	printf '[Store]\nKeepOps=3\n' >"$BOX/gsh.conf"
	for i in 1 2 3 4 5 6; do in_box "echo $i >f$i; head -c 100000 /dev/zero >big"; done
	listing s >"$BOX/want"
	gsh gc >"$BOX/out"
	grep -qx 's	0	0' "$BOX/out"
	gsh stop s
	gsh gc --json >"$BOX/out"
	"$TESTS/tools/json-check" <"$BOX/out"
	jq -e '.items[0].joined == 2 and .items[0].freed >= 200000' "$BOX/out" >/dev/null
	[ "$(find "$BOX"/store/boxes/s/tree/layers "$BOX"/store/boxes/s/tree/top -mindepth 1 -maxdepth 1 | wc -l)" = 5 ]
	[ -z "$(ls "$BOX/store/boxes/s/trash")" ]
	listing s | diff "$BOX/want" -
	gsh undo -s s 3
	in_box 'ls f?' | paste -sd' ' | grep -qx 'f1 f2 f3'
	run -3 gsh gc nobody
	mkdir "$BOX/store/boxes/s/trash/0099" "$BOX/store/boxes/.making-0123abcd"
	# While it runs, not what has just been put there.
	touch -d '1 minute ago' "$BOX/store/boxes/s/trash"
	gsh gc s
	[ ! -e "$BOX/store/boxes/s/trash/0099" ]
	gsh gc
	[ ! -e "$BOX/store/boxes/.making-0123abcd" ]
	printf '[Store]\nKeepOps=0\n' >"$BOX/gsh.conf"
	run -2 gsh config check "$BOX/gsh.conf"
}

# increasing FILE: its lines are numbers, each once and in order.
increasing() {
	! grep -vqE '^[0-9]+$' "$1" && sort -n -u "$1" | cmp -s - "$1"
}

@test "clients at work on one sandbox at once, and a gshd too many, spoil nothing of each other" {
	in_box true
	local w v pids=()
	for w in 1 2 3; do
		(for i in $(seq 8); do gsh -s s -c "echo $i >>f$w" || exit 1; done) 2>"$BOX/err.$w" &
		pids+=($!)
	done
	for v in 'log s' 'diff -s s' 'status s' 'gc s' 'ls' 'info s'; do
		# shellcheck disable=SC2086 # words
		(for i in 1 2 3; do gsh $v >/dev/null || exit 1; done) 2>"$BOX/err.${v%% *}" &
		pids+=($!)
	done
	(for i in 1 2 3; do gsh snapshot -s s "n$i" && gsh clone s "c$i" || exit 1; done) >/dev/null 2>"$BOX/err.clone" &
	pids+=($!)
	run timeout 20 "$TREE/build/bin/gshd" --foreground
	[ "$status" != 0 ] && [ "$status" != 124 ]
	for p in "${pids[@]}"; do wait "$p" || { grep . "$BOX"/err.*; false; }; done
	for w in 1 2 3; do
		[ "$(in_box "cat f$w" | paste -sd' ')" = '1 2 3 4 5 6 7 8' ]
		in_box "cat f$w" >"$BOX/f"
		# A clone has what there was when it was made, and no half of it.
		gsh -s c2 -c "cat f$w 2>/dev/null || true" >"$BOX/c"
		[ ! -s "$BOX/c" ] || { increasing "$BOX/c" && cmp -s "$BOX/c" <(head -c "$(stat -c %s "$BOX/c")" "$BOX/f"); }
	done
	# Undo takes ops of others away, and nothing but what an op wrote.
	pids=()
	for w in 4 5; do
		(for i in $(seq 8); do gsh -s s -c "echo $i >>f$w" || exit 1; done) 2>"$BOX/err.$w" &
		pids+=($!)
	done
	for v in undo redo undo; do
		(for i in $(seq 6); do
			st=0
			gsh $v -s s || st=$?
			case $st in 0 | 1 | 4) ;; *) exit 1 ;; esac
		done) 2>"$BOX/err.$v" &
		pids+=($!)
	done
	for p in "${pids[@]}"; do wait "$p" || { grep . "$BOX"/err.*; false; }; done
	for w in 4 5; do
		in_box "cat f$w 2>/dev/null || true" >"$BOX/f"
		increasing "$BOX/f"
	done
	gsh log --json s | jq -e '[.items[] | select(.state == "running")] | length == 0' >/dev/null
	gsh stop s
	in_box 'cat f4 2>/dev/null || true' >"$BOX/f"
	increasing "$BOX/f"
}

# NAME what doctor says of it, with what is done about it and without
found_out() {
	grep -qF -- "$1: $2" found || { echo "doctor does not say: $1: $2"; return 1; }
	grep -qF -- "$1: $2; $3" mended || { echo "nor does --repair: $1: $2; $3"; return 1; }
}

@test "doctor finds what is damaged, --repair puts it right and throws nothing away" {
	local boxes=$GSH_STORE/boxes n
	for n in spec log snap cut shut gone half lost; do gsh -s $n -c "echo $n >f"; done
	gsh snapshot -s snap one
	gsh -s snap -c 'echo 2 >g'
	gsh stop --all
	gsh doctor --json | python3 -c 'import json, sys
found = [i for i in json.load(sys.stdin)["items"] if i["check"].startswith("sandbox")]
assert [(i["level"], i["text"]) for i in found] == [("ok", "nothing is wrong with 8 sandboxes")], found'

	echo junk >"$boxes/spec/spec.json"
	sed -i '1i what' "$boxes/log/journal"
	printf '[1]\n{"op":' >>"$boxes/log/journal"
	rm -r "$boxes/snap/tree/layers/0001"
	mkdir "$boxes/cut/making" "$boxes/cut/.made-12ab" "$boxes/cut/trash/0009" "$boxes/.removing-1234"
	echo '{"do":"undo","layers":[7]}' >"$boxes/cut/pending"
	chmod 0 "$boxes/shut/tree/top/0001"
	rm -r "$boxes/gone/tree"
	echo garbage >"$boxes/half/pending"
	rm "$boxes/lost/spec.json"
	mkdir -p "$boxes/lost/commits/3"
	echo '{"schema":"gsh.commit/1","state":"applying","root":"/","actions":[]}' >"$boxes/lost/commits/3/journal.json"
	for n in spec gone half lost; do
		run -125 gsh -s $n -c true
		[[ "$output" == *"gsh doctor --repair"* ]]
	done
	mkdir "$boxes/no name"

	run -1 gsh doctor
	echo "$output" >found
	gsh doctor --repair >mended
	found_out spec 'spec.json, what it was made with, is missing or damaged' "it was written anew, with the host's / as its base"
	found_out log '2 lines of its journal cannot be read; `gsh log` lacks them' 'what can be read was written anew'
	found_out snap 'the snapshot one is damaged, or layers of it are missing' 'it is in damaged now'
	found_out cut 'a change of several layers was cut short; the next command carries it through' 'it was carried through'
	found_out cut '2 layers were begun and never finished' 'no version has it, and it was deleted'
	found_out cut 'layers of no version wait to be deleted' 'they were'
	found_out shut 'tree/top/0001 has a mode (0000) that shuts out its owner' 'its owner may use it again'
	found_out gone 'it has no layer any more: what was changed in it is not where it was' 'it begins anew with an empty one'
	found_out half 'what says how far a change of layers came is damaged' 'it is in damaged now'
	found_out lost 'spec.json, what it was made with, is missing or damaged' 'it was written anew'
	grep -qF 'lost: commit 3 was cut short' mended
	grep -qF '1 sandbox is half made or half removed; what was left was deleted' mended
	grep -qF 'boxes/no name has no name that a sandbox can have' mended

	for n in spec log cut shut half lost; do [ "$(gsh -s $n -c 'cat f')" = $n ]; done
	[ "$(gsh -s snap -c 'cat g')" = 2 ]
	[ "$(gsh -s gone -c 'ls f 2>/dev/null || echo empty')" = empty ]
	gsh log -s log | grep -qF 'echo log >f'
	[ "$(cat "$boxes/spec/damaged/spec.json")" = junk ]
	[ "$(head -1 "$boxes/log/damaged/journal")" = what ]
	[ -e "$boxes/snap/damaged/one" ]
	gsh stop --all
	# A commit that was cut short is the client's to end; what is nobody's stays where it is.
	gsh commit -n -s lost >/dev/null || true
	rmdir "$boxes/no name"
	gsh doctor >found
	grep -q 'nothing is wrong with 8 sandboxes' found
}
