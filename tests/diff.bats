#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# gsh diff: what patch(1) and git make of it, what it says of odd files and odd names, hostile layers.

bats_require_minimum_version 1.5.0
load lib.bash
load here.bash

# A tree with some of everything that a patch can carry, and changes of all kinds inside.
fill() {
	seq 1 20 >seq
	echo x >mode
	printf 'a\nb' >nonl
	echo del >'del me'
	: >delempty
	ln -s x link
	mkdir dir deldir
	echo f >dir/f
	echo q >deldir/q
	echo big >tofile
	ln -s a tolink
	echo tab >"$(printf 'odd\t"n\\ame\nx\033[31m')"
}

change() {
	gsh -s s -c 'sed -i s/^7/seven/ seq; chmod 711 mode; printf "a\nb\nc" >nonl; rm "del me" delempty; ln -sfn y link
		mv dir dir2; echo more >>dir2/f; rm tofile; ln -s q tofile; rm tolink; echo file >tolink; chmod 700 dir2
		rm -r deldir; chmod 640 seq; echo "a b" >"new name"; : >empty; printf "no end" >noend; mkdir -p e/f
		echo changed >odd*; head -c 100000 /dev/zero | tr "\0" x >longline; seq 1 100000 >many'
}

# What a tree holds: kinds, modes of files, links, contents.
tree() {
	(cd "$1" && find . \( -type f -printf '%p %m ' -exec sha256sum {} \; \) -o -type l -printf '%p %l\n' | LC_ALL=C sort)
}

same_after() {
	gsh -s s -c 'find . \( -type f -printf "%p %m " -exec sha256sum {} \; \) -o \
		-type l -printf "%p %l\n" | LC_ALL=C sort' >"$BOX/want"
	tree . | diff "$BOX/want" -
}

@test "patch -p1 makes of the base what is inside" {
	fill
	change
	gsh diff -s s -- . >"$BOX/patch"
	patch -s -d / -p1 <"$BOX/patch"
	same_after
}

@test "git apply makes of the base what is inside" {
	fill
	change
	gsh diff -s s -- . >"$BOX/patch"
	# git keeps the execute bit alone.
	git -C / apply --unsafe-paths -p1 "$BOX/patch" || git apply "-p$(($(tr -cd / <<<"$PWD" | wc -c) + 1))" "$BOX/patch"
	chmod 640 seq
	chmod 711 mode
	same_after
}

@test "the other way round takes it back" {
	fill
	before=$(tree .)
	change
	gsh diff -s s -- . >"$BOX/there"
	gsh diff -s s now base -- . >"$BOX/back"
	patch -s -d / -p1 <"$BOX/there"
	patch -s -d / -p1 <"$BOX/back"
	[ "$before" = "$(tree .)" ]
}

@test "what a patch cannot carry is said" {
	echo x >attr
	head -c 100 /dev/zero >bin
	mkdir dir
	echo x >owned
	gsh -s s -c 'echo y >>owned; echo >>bin; mkfifo fifo; chmod 700 dir; mkdir more; head -c 9 /dev/zero >newbin
		python3 -c "import os; os.setxattr(\"attr\", \"user.a\", b\"v\\n\")"'
	run gsh diff -s s -- .
	[ "$status" -eq 0 ]
	[[ "$output" == *"Binary files a$PWD/bin and b$PWD/bin differ"* ]]
	[[ "$output" == *"Binary files /dev/null and b$PWD/newbin differ"* ]]
	[[ "$output" == *"# fifo added: $PWD/fifo, mode 0644"* ]]
	[[ "$output" == *"# mode: $PWD/dir, 0755 -> 0700"* ]]
	[[ "$output" == *"# directory added: $PWD/more, mode 0755"* ]]
	[[ "$output" == *"# attribute added: $PWD/attr, \"user.a\" = \"v\\n\""* ]]
	# Nothing of that disturbs who applies it.
	gsh diff -s s -- . | patch -s -d / -p1
	gsh diff -s s -- . | git apply --allow-empty --check
}

@test "a file copied up and not changed is no difference; nor is one that was put back" {
	echo x >f
	echo y >g
	gsh -s s -c 'touch f; echo more >>g; echo y >g'
	run gsh diff -s s --exit-code -- .
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	gsh -s s -c 'echo >>f'
	run gsh diff -s s --exit-code -- .
	[ "$status" -eq 1 ]
}

@test "paths choose, versions are checked" {
	mkdir d
	gsh -s s -c 'echo 1 >one; echo 2 >two; echo 3 >d/three; echo 4 >done'
	run gsh diff -s s --name-status -- one d
	[ "$output" = $'A\t'"$PWD/d/three"$'\nA\t'"$PWD/one" ]
	run gsh diff -s s --name-status ./d/../two
	[ "$output" = $'A\t'"$PWD/two" ]
	run gsh diff -s s nothing
	[ "$status" -eq 3 ]
	run gsh diff -s nobody
	[ "$status" -eq 3 ]
	run gsh diff -s s a b c
	[ "$status" -eq 2 ]
	run gsh diff -s s base base
	[ -z "$output" ]
	run gsh diff -s s --progress=loud
	[ "$status" -eq 2 ]
}

@test "another sandbox" {
	gsh -s a -c 'echo 1 >one; echo same >both'
	gsh -s b -c 'echo 2 >two; echo same >both'
	run gsh diff -s a now b@ --name-status -- .
	[ "$output" = $'D\t'"$PWD/one"$'\nA\t'"$PWD/two" ]
}

@test "--stat counts, --json tells, names that are not UTF-8 come whole" {
	seq 1 10 >f
	gsh -s s -c 'sed -i -e 1d -e s/5/five/ f; head -c 9 /dev/zero >bin; echo x >"$(printf "a\377b")"'
	run gsh diff -s s --stat -- .
	[ "$status" -eq 0 ]
	[[ "$output" == *"M $PWD/f | 3 +--"* ]]
	[[ "$output" == *"A $PWD/bin | Bin 0 -> 9 bytes"* ]]
	[[ "${lines[-1]}" == "3 changed, 2 lines added, 2 deleted" ]]
	gsh diff -s s --json --stat -- . | python3 -c '
import base64, json, os, sys
o = json.load(sys.stdin)
assert o["schema"] == "gsh.diff/1"
items = {os.path.basename(i["path"]): i for i in o["items"]}
assert items["f"]["change"] == "M" and items["f"]["differs"] == ["data"], items
assert (items["f"]["added"], items["f"]["deleted"], items["f"]["binary"]) == (1, 2, False)
assert items["bin"]["binary"] and items["bin"]["is"]["size"] == 9
assert base64.b64decode(items["a?b"]["path_b64"]).endswith(b"/a\xffb")
'
	gsh diff -s s base base --json | python3 -c 'import json, sys; assert json.load(sys.stdin)["items"] == []'
}

@test "on a terminal nothing of a file or a name drives it" {
	gsh -s s -c 'printf "\033]0;owned\007 \233 \302\233\n" >f; echo x >"$(printf "n\033[2Jm")"'
	run script -qec "NO_COLOR=1 '$GSH' diff -s s -- ." /dev/null
	[ "$status" -eq 0 ]
	refuses grep -q $'\033\|\007\|\233' <<<"$output"
	[[ "$output" == *'+^[]0;owned^G <9b>'* ]]
	# Nor in lists, nor in what is said of it.
	gsh -s s -c 'echo x >"$(printf "c\302\2332J\233")"'
	run script -qec "NO_COLOR=1 '$GSH' show -s s 2" /dev/null
	[ "$status" -eq 0 ]
	refuses grep -q $'\033\|\302\233\|\233' <<<"$output"
	[[ "$output" == *'c\302\2332J\233'* ]]
	run gsh cat $'s:/c\302\2332J\233'
	[[ "$output" == *'/c??2J?: '* ]]
	# A pipe gets the bytes.
	gsh diff -s s -- f | grep -q $'\033]0;owned\007'
}

@test "huge and sparse files, and what makes diff(1) give up, cost a sentence" {
	truncate -s 3G sparse
	tr '\0' '\n' </dev/zero | head -c 30000000 >lines
	echo x >>lines
	gsh -s s -c 'truncate -s 3G new; truncate -s 4G sparse; sed -i s/x/y/ lines; tr "\0" "\n" </dev/zero | head -c 10000000 >more'
	# The sanitisers lay out more, and diff(1) has then no limit either.
	([ -n "${SAN-}" ] || ulimit -v 400000; gsh diff -s s -- .) >"$BOX/patch"
	grep -Fqx "Binary files a$PWD/sparse and b$PWD/sparse differ" "$BOX/patch"
	[ -n "${SAN-}" ] || grep -Fqx "# too large to be compared by lines: $PWD/lines" "$BOX/patch"
	[ "$(grep -c '^+$' "$BOX/patch")" -eq 10000000 ]
}

@test "layers of a hostile hand: links, fifos, deep trees, false attributes" {
	echo x >f
	gsh -s s -c 'echo y >f'
	gsh stop -s s
	top=$(gsh path -s s)
	d=$top$PWD
	ln -s /etc "$d/etc"
	mkfifo "$d/fifo"
	ln -sfn ../../../../../../../../etc/passwd "$d/f"
	mkdir "$d/loop"
	python3 - "$d" <<-'END'
		import os, sys
		os.setxattr(sys.argv[1] + "/loop", "user.overlay.redirect", b"/../../etc")
		os.chdir(sys.argv[1])
		for i in range(700):
		    os.mkdir("dddddddddddddddd")
		    os.chdir("dddddddddddddddd")
	END
	run gsh diff -s s -- .
	[ "$status" -eq 1 ]
	[[ "$output" == *"new file mode 120000"* ]]
	refuses grep -q root: <<<"$output"
	[[ "$output" == *"cannot be looked into"* ]]
}
