#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# gsh commit: changes of a sandbox brought home, all or none; conflicts, refusals, undo, sudden deaths, hostile layers.

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

tree() {
	find . \( -type f -printf '%p %m ' -exec sha256sum {} \; \) -o -printf '%p %y %m %l\n' | LC_ALL=C sort
}

# A tree, and in sandbox s a change of every kind that a commit knows. What it makes of the tree is in $BOX/want.
fill() {
	mkdir d del tof
	echo one >one
	echo two >two
	echo three >three
	ln -s a link
	echo x >del/x
	echo y >d/y
	chmod 700 two
	echo 1 >tod
	echo 2 >tof/2
	echo kept >kept
	sleep 0.05 # what is made in the same tick as the first touch counts as later
	tree >"$BOX/before"
	gsh -s s -c 'echo ONE >one; rm two; chmod 711 three; ln -sfn b link; rm -r del; mkdir -p n/e/w; echo new >n/e/w/f
		chmod 555 n/e; mkfifo n/p; rm tod; mkdir tod; echo in >tod/in; rm -r tof; echo f >tof; mv d moved
		echo "odd name" >"$(printf "a\tb\n\377")"; touch kept'
	gsh -s s -c 'find . \( -type f -printf "%p %m " -exec sha256sum {} \; \) -o -printf "%p %y %m %l\n" | LC_ALL=C sort' >"$BOX/want"
}

nothing_left() {
	[ -z "$(find . -name '.gsh-*')" ]
}

# What is kept of the host's text is kept a moment after the op.
common_kept() {
	local f
	for f; do wait_until 100 grep -rqF "\"path\":\"$PWD/$f\"" "$BOX/store/boxes/s/common"; done
}

@test "all of it, and back" {
	fill
	gsh commit -s s -y
	tree | diff "$BOX/want" -
	nothing_left
	[ -z "$(gsh diff -s s -- .)" ]
	run gsh commit -s s -y
	[ "$status" -eq 1 ]
	[[ "$output" == *"nothing to commit"* ]]
	# Inside nothing is lost with what went on the host.
	gsh -s s -c 'find . \( -type f -printf "%p %m " -exec sha256sum {} \; \) -o -printf "%p %y %m %l\n" | LC_ALL=C sort' | diff "$BOX/want" -
	gsh commit -s s --undo
	tree | diff "$BOX/before" -
	nothing_left
	run gsh commit -s s --undo
	[ "$status" -eq 3 ]
	gsh commit -s s -y
	tree | diff "$BOX/want" -
}

@test "paths choose; -n shows and does nothing; nobody to ask is a no" {
	fill
	run gsh commit -s s -n -- one del
	[ "$status" -eq 0 ]
	[ "$output" = "$(printf 'commit\tD\t%s\t-\n' "$PWD/del" "$PWD/del/x")"$'\n'"$(printf 'commit\tM\t%s\t-' "$PWD/one")" ]
	run gsh commit -s s </dev/null
	[ "$status" -eq 1 ]
	tree | diff "$BOX/before" -
	gsh commit -s s -y -- one del
	[ "$(cat one)" = ONE ]
	[ ! -e del ]
	[ -e two ]
	gsh commit -s s --json -n -- two | python3 -c '
import json, sys
o = json.load(sys.stdin)
assert o["schema"] == "gsh.commit/1", o
assert [(i["do"], i["change"]) for i in o["items"]] == [("commit", "D")], o'
	run gsh commit -s nobody -y
	[ "$status" -eq 3 ]
	run gsh commit -s s -y --take=both one
	[ "$status" -eq 2 ]
}

@test "-i asks about each, and a folder stays if something in it does" {
	mkdir d
	echo a >d/a
	echo b >d/b
	echo c >c
	gsh -s s -c 'rm -r d; echo C >c; echo new >new'
	# c, d, d/a, d/b, new
	gsh commit -s s -i -- . <<<$'d\ny\ny\ny\nn\nq' 2>err
	grep -q '^+C$' err
	[ "$(cat c)" = C ]
	[ "$(ls d)" = b ]
	[ ! -e new ]
	gsh commit -s s -i -- . <<<a
	[ ! -e d ]
	[ "$(cat new)" = new ]
}

@test "-p takes parts of a text" {
	seq 1 60 >text
	printf 'a\nb' >end
	head -c 10 /dev/zero >bin
	cp text host
	sleep 0.05
	gsh -s s -c 'sed -i -e 2s/.*/two/ -e "20a\\
		new" -e 40d -e 58s/.*/last/ text; chmod 700 text; printf "A\nb\nc" >end; echo >>bin'
	# bin whole; end: one part; text: no, yes, no, yes
	gsh commit -s s -p -- . <<<$'n\ny\nn\ny\nn\ny' 2>err
	[ "$(grep -c '@@ -' err)" -eq 5 ]
	printf 'A\nb\nc' | cmp - end
	[ "$(stat -c '%s' bin)" -eq 10 ]
	diff <(sed -e '20a\
		new' -e 58s/.*/last/ host) text
	[ "$(stat -c %a text)" = 700 ]
	run gsh commit -s s -p -- text <<<d
	[ "$status" -eq 1 ]
	gsh commit -s s -p -- text <<<a
	diff <(gsh cat s:text) text
	for i in 1 2; do gsh commit -s s --undo; done
	cmp text host
}

@test "a conflict: 4, nothing written, both sides shown; then a side is taken" {
	fill
	common_kept one
	echo host >>one
	echo host >>del/x
	echo host >n
	tree >"$BOX/now"
	run gsh commit -s s -y
	[ "$status" -eq 4 ]
	[[ "$output" == *"gsh: $PWD/one: changed on the host since the sandbox first touched it"* ]]
	# Text of both: the lines in question. Of what cannot be merged both sides.
	[[ "$output" == *$'<<<<<<< sandbox\nONE\n=======\none\nhost\n>>>>>>> host\n'* ]]
	[[ "$output" == *$'deleted file mode 100644\n'*$'\n-x\n-host\n'* ]]
	tree | diff "$BOX/now" -
	gsh commit -s s -y -- link
	[ "$(readlink link)" = b ]
	# The same change on both sides is none.
	echo ONE >one
	run gsh commit -s s -y -- one
	[ "$status" -eq 1 ]
	echo other >one
	gsh commit -s s -y --take=sandbox -- one
	[ "$(cat one)" = ONE ]
	run gsh commit -s s -y --take=host -- del
	[ "$status" -eq 1 ]
	[ "$(cat del/x)" = $'x\nhost' ]
}

@test "text that both changed is merged, shown before, and undone" {
	seq 1 30 >f
	seq 1 30 >g
	chmod 444 g
	sleep 0.05
	# In place, and by a rename as most editors do.
	gsh -s s -c 'sed -i s/^3$/three/ f; chmod u+w g; sed s/^3$/three/ g >h; cat h >g; rm h; chmod 540 g'
	common_kept f g
	sed -i 's/^20$/twenty/' f
	chmod u+w g; sed -i 's/^20$/twenty/' g; chmod 444 g
	tree >"$BOX/host"
	run gsh commit -s s -n
	[ "$status" -eq 0 ]
	[[ "$output" == *"$(printf 'merge\tM\t%s\twith what the host changed, too' "$PWD/f")"* ]]
	tree | diff "$BOX/host" -
	gsh commit -s s -i -- f <<<$'d\nn' 2>err || true
	grep -qx -- '-3' err
	grep -qx -- '+three' err
	refuses grep -q twenty err
	tree | grep -v ' f \| ./err' | diff <(grep -v ' f ' "$BOX/host") -
	rm err
	gsh commit -s s -y
	for i in f g; do diff <(seq 1 30 | sed 's/^3$/three/;s/^20$/twenty/') $i; done
	[ "$(stat -c %a g)" = 540 ]
	nothing_left
	# The sandbox has not got the host's lines, and takes them back neither now ...
	run gsh commit -s s -y
	[ "$status" -eq 1 ]
	[[ "$output" == *"nothing to commit"* ]]
	# ... nor with what it changes next.
	gsh -s s -c 'sed -i s/^10$/ten/ f'
	gsh commit -s s -y
	diff <(seq 1 30 | sed 's/^3$/three/;s/^20$/twenty/;s/^10$/ten/') f
	gsh commit -s s --undo
	gsh commit -s s --undo
	tree | diff "$BOX/host" -
	# An undo leaves what the host had changed a change of the host's.
	gsh commit -s s -y
	diff <(seq 1 30 | sed 's/^3$/three/;s/^20$/twenty/;s/^10$/ten/') f
}

@test "after a commit both merge with what it left, and conflicts are in the lines that both changed" {
	seq 1 30 >f
	sleep 0.05
	gsh -s s -c 'sed -i s/^3$/three/ f'
	gsh commit -s s -y
	common_kept f
	# Back to what it was, which the host must not take for no change.
	gsh -s s -c 'sed -i "s/^three$/3/; s/^8$/eight/" f'
	sed -i 's/^20$/twenty/' f
	gsh commit -s s -y
	diff <(seq 1 30 | sed 's/^8$/eight/;s/^20$/twenty/') f
	gsh -s s -c 'sed -i "s/^15$/inside/; s/^28$/end/" f'
	sed -i 's/^15$/outside/' f
	cp f before
	run gsh commit -s s -y -- f
	[ "$status" -eq 4 ]
	[[ "$output" == *"in the same lines"*$'<<<<<<< sandbox\ninside\n=======\noutside\n>>>>>>> host\n'* ]]
	[[ "$output" != *28* ]]
	cmp f before
	run gsh commit -s s -n --json -- f
	[ "$status" -eq 4 ]
	[[ "$output" == *'"do":"conflict"'* || "$output" == *'"do": "conflict"'* ]]
}

@test "what is no text, was not kept, or has another mode on both sides, is a conflict" {
	printf 'a\0b\n' >bin
	seq 1 9 >mode
	seq 1 9 >late
	sleep 0.05
	gsh -s s -c 'printf "a\0B\n" >bin; sed -i s/1/one/ mode; chmod 600 mode; sed -i s/1/one/ late; sleep 2' &
	until [ "$(gsh cat s:late 2>/dev/null | head -1)" = one ]; do sleep 0.1; done
	# While the command goes on nothing is kept yet.
	echo 10 >>late
	wait $!
	common_kept mode
	printf 'A\0b\n' >bin
	echo 10 >>mode
	chmod 755 mode
	for i in bin:'not text' mode:'its mode, on both sides' late:'not kept'; do
		run gsh commit -s s -y -- "${i%%:*}"
		[ "$status" -eq 4 ]
		[[ "$output" == *"${i#*:}"* ]]
	done
	[ "$(tail -1 late)" = 10 ]
	gsh commit -s s -y --take=sandbox -- late
	[ "$(head -1 late)" = one ]
	[ "$(tail -1 late)" = 9 ]
}

@test "a clone knows what the host changed before it was made, and merges with it" {
	seq 1 30 >f
	echo 1 >g
	sleep 0.05
	gsh -s s -c 'sed -i s/^3$/three/ f; echo 2 >g; chmod 700 g; printf "\0" >>g'
	common_kept f
	sed -i 's/^20$/twenty/' f
	echo host >g
	gsh clone s t
	run gsh commit -s t -y -- g
	[ "$status" -eq 4 ]
	gsh commit -s t -y -- f
	diff <(seq 1 30 | sed 's/^3$/three/;s/^20$/twenty/') f
	# What no layer needs any more is swept.
	gsh commit -s t --undo
	gsh undo -s s
	gsh -s s -c 'echo other >h'
	gsh stop -s s
	gsh gc s
	[ -z "$(ls "$BOX/store/boxes/s/common")" ]
	[ -n "$(ls "$BOX/store/boxes/t/common")" ]
}

@test "what the host changed between two ops is seen after these were joined" {
	printf '[Store]\nKeepOps=1\n' >"$BOX/gsh.conf"
	mkdir d
	for i in f gone d/x; do echo 1 >$i; done
	sleep 0.05
	gsh -s s -c 'echo 2 >f; rm gone; echo 2 >d/x'
	for i in f gone d/x; do echo host >>$i; done
	sleep 0.05
	gsh -s s -c 'echo 3 >new; mv new f; rm -r d; mkdir d; echo 4 >d/x'
	for i in 1 2 3; do gsh -s s -c "echo $i >other"; done
	gsh stop -s s
	gsh gc s
	[ "$(ls "$BOX/store/boxes/s/tree/layers" | wc -l)" -le 2 ]
	for i in f gone d/x; do
		run gsh commit -s s -y -- $i
		[ "$status" -eq 4 ]
	done
}

@test "what a commit wrote is no change of the host's" {
	echo 1 >f
	sleep 0.05
	gsh -s s -c 'echo 2 >f'
	gsh commit -s s -y
	gsh -s s -c 'echo 3 >>f; chmod 700 f'
	gsh commit -s s -y
	[ "$(cat f)" = $'2\n3' ]
	gsh -s s -c 'rm f'
	gsh commit -s s -y
	[ ! -e f ]
	for want in $'2\n3' 2 1; do
		gsh commit -s s --undo
		[ "$(cat f)" = "$want" ]
	done
	run gsh commit -s s --undo
	[ "$status" -eq 3 ]
}

@test "a folder that was removed and made anew is no conflict" {
	mkdir d e
	echo x >d/x
	echo y >e/y
	sleep 0.05
	gsh -s s -c 'rm -r d; mkdir d; echo new >d/new; rm -r e; mv d e; mkdir d'
	gsh commit -s s -y
	[ "$(find . -type f | sort)" = ./e/new ]
	[ -d d ]
}

@test "undo takes back nothing of what changed since" {
	fill
	gsh commit -s s -y
	echo more >>tof
	tree >"$BOX/now"
	run gsh commit -s s --undo
	[ "$status" -eq 4 ]
	tree | diff "$BOX/now" -
	nothing_left
}

@test "refused: set-ID bits, places outside, gsh's own, the kernel's" {
	mkdir "$BOX/outside" home
	gsh -s s -c 'echo x >suid; chmod 4755 suid; echo y >plain; echo z >'"$BOX"'/outside/f'
	export HOME=$PWD/home
	run gsh commit -s s -y
	[ "$status" -eq 5 ]
	[[ "$output" == *"$PWD/suid: it has a set-ID bit"* ]]
	[[ "$output" == *"$BOX/outside/f: it is outside"* ]]
	[ ! -e plain ]
	run gsh commit -s s -y -- .
	[ "$status" -eq 5 ]
	gsh commit -s s -y -- plain suid "$BOX/outside"
	[ "$(stat -c %a suid)" = 4755 ]
	[ "$(cat "$BOX/outside/f")" = z ]
	# A layer made by hand claims to change the store.
	gsh stop -s s
	top=$(gsh path -s s)
	mkdir -p "$top$BOX/store/boxes/evil" "$top/proc/sys"
	echo x >"$top$BOX/store/boxes/evil/spec.json"
	echo x >"$top/proc/sys/f"
	for p in "$BOX/store" /proc; do
		run gsh commit -s s -y -- "$p"
		[ "$status" -eq 5 ]
	done
	[ ! -e "$BOX/store/boxes/evil" ]
}

@test "a folder that one op renamed and a later one changed has what it had, and is committed" {
	mkdir -p proj/sub
	echo deep >proj/sub/deep
	timeout 30 "$GSH" run -- mv proj moved
	timeout 30 "$GSH" run -- touch moved moved/sub
	[ "$(timeout 30 "$GSH" run -- cat moved/sub/deep)" = deep ]
	timeout 30 "$GSH" commit -y
	[ "$(cat moved/sub/deep)" = deep ] && [ ! -e proj ]
}

@test "what is hidden inside stays when the folder that it lies in was moved, and is not written to" {
	mkdir -p proj/sub
	echo key >proj/sub/key
	echo x >proj/x
	printf '[Files]\nInaccessible=%s\n' "$PWD/proj/sub/key" >"$GSH_CONFIG"
	timeout 30 "$GSH" run -- sh -c 'mv proj moved; echo y >moved/x'
	run timeout 30 "$GSH" commit -y
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" == *"leave"*"proj/sub/key"*"it is hidden inside"* ]]
	[ "$(cat proj/sub/key)" = key ] && [ ! -e proj/x ] && [ "$(cat moved/x)" = y ] && [ -z "$(ls -A moved/sub)" ]
	timeout 30 "$GSH" commit --undo
	[ "$(cat proj/sub/key proj/x)" = "$(printf 'key\nx')" ]
	timeout 30 "$GSH" run -- sh -c 'mkdir -p proj/sub; echo planted >proj/sub/key'
	run timeout 30 "$GSH" commit -y -- proj
	[ "$status" = 5 ] && [[ "$output" == *"hidden inside"* ]]
	[ "$(cat proj/sub/key)" = key ]
	timeout 30 "$GSH" commit -y --take=sandbox -- proj/sub/key
	[ "$(cat proj/sub/key)" = planted ]
}

@test "links in the way are followed on neither side" {
	mkdir victim d
	echo safe >victim/f
	echo mine >d/f
	sleep 0.05
	gsh -s s -c 'echo evil >d/f; echo evil >d/g'
	mv d real
	ln -s victim d
	run gsh commit -s s -y
	[ "$status" -ne 0 ]
	[ "$(cat victim/f)" = safe ]
	[ ! -e victim/g ]
	rm d
	mv real d
	gsh stop -s s
	top=$(gsh path -s s)$PWD
	rm -r "$top/d"
	ln -s "$BOX/store" "$top/d"
	before=$(ls -A "$BOX/store")
	gsh commit -s s -y --take=sandbox -- d
	[ "$(readlink d)" = "$BOX/store" ]
	[ "$(ls -A "$BOX/store")" = "$before" ]
	nothing_left
}

# A journal of a commit that was cut short, as no commit writes it: ACTION, others as JSON.
lie() {
	python3 - "$BOX/store/boxes/s/commits/1/journal.json" "$1" <<-'END'
		import json, os, sys
		action = {"do": "add", "path": os.getcwd() + "/new", "stage": os.getcwd() + "/.gsh-0123456789abcdef", "id": 0,
		          "mode_old": 0, "mode_new": 0, "was": [0] * 5, "is": [0] * 5}
		action.update(json.loads(sys.argv[2]))
		action = {k: v for k, v in action.items() if v is not None}
		os.makedirs(os.path.dirname(sys.argv[1]) + "/old", exist_ok=True)
		whole = {"schema": "gsh.commit/1", "state": "applying", "root": "/", "actions": [action]}
		open(sys.argv[1], "w").write(json.dumps(whole))
	END
}

@test "a journal that no commit wrote moves and removes nothing" {
	local l
	echo safe >victim
	gsh -s s -c 'echo 1 >one'
	gsh commit -s s -y
	gsh -s s -c 'echo 2 >one'
	# The form itself is right: what was staged goes.
	echo x >.gsh-0123456789abcdef
	lie '{}'
	run gsh commit -s s -n -y
	[ ! -e .gsh-0123456789abcdef ]
	for l in "{\"stage\": \"${PWD#/}/victim\"}" "{\"stage\": \"$PWD/victim\"}" "{\"stage\": \"$PWD/d/../victim\"}" \
		'{"stage": null}' '{"do": "delete", "stage": null}' '{"do": "put", "stage": null}' '{"path": "new"}' \
		"{\"do\": \"rmdir\", \"path\": \"$PWD/..\", \"stage\": null}" '{"do": "chmod", "path": "/", "stage": null}' \
		"{\"do\": \"chmod\", \"path\": \"$PWD/victim/\", \"stage\": null}"; do
		lie "$l"
		run gsh commit -s s -y
		[ "$status" -eq 1 ] || { echo "$l: $status $output"; return 1; }
		[[ "$output" == *"cannot be put right"* ]]
		[ "$(cat victim)" = safe ]
	done
	# One that is no object at all never was whole.
	echo '[1]' >"$BOX/store/boxes/s/commits/1/journal.json"
	gsh commit -s s -y --take=sandbox -- one
	[ "$(cat one)" = 2 ]
}

@test "all or none when something stands in the way in the middle" {
	fill
	mkdir locked
	echo a >locked/a
	chmod 555 locked
	sleep 0.05
	gsh -s s -c 'chmod 755 locked; echo b >locked/b'
	tree >"$BOX/now"
	if [ "$(id -u)" != 0 ]; then
		run gsh commit -s s -y
		[ "$status" -eq 5 ]
		tree | diff "$BOX/now" -
		nothing_left
	fi
	chmod 755 locked
	gsh commit -s s -y
	[ "$(cat locked/b)" = b ]
}

# Kill commit at its n'th call of one kind; it is all there or not at all, at the latest after the next commit's start.
killed_at() {
	local call=$1 n=$2
	timeout 60 strace -f -o /dev/null -e trace=none -e "inject=$call:signal=KILL:when=$n" -- "$GSH" "${@:3}" >/dev/null 2>&1
}

@test "killed at every rename, fsync and unlink: all or nothing" {
	command -v strace >/dev/null || skip "strace is not installed"
	fill
	gsh commit -s s -y
	gsh commit -s s --undo
	for call in renameat2 renameat fsync syncfs mkdirat unlinkat; do
		for n in 1 2 3 5 8 12; do
			killed_at "$call" "$n" commit -s s -y || true
			# It puts right what it finds, and has nothing to do.
			gsh commit -s s -n -- /nowhere >/dev/null 2>&1 || true
			if tree | cmp -s "$BOX/want" -; then
				gsh commit -s s --undo
			fi
			tree | diff "$BOX/before" - || { echo "killed at $call $n"; return 1; }
		done
	done
	gsh commit -s s -y
	tree | diff "$BOX/want" -
}
