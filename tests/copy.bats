#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# gsh cat, cp, edit: files of a sandbox from the host and back, and what a hostile one cannot make them do.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
load lib.bash

setup() {
	box_setup
}

teardown() {
	chmod -R u+rwX "$BOX" 2>/dev/null || true
	box_teardown
}

gsh() {
	timeout -k 5 "${BOX_TIMEOUT:-60}" "$GSH" "$@"
}

tree() {
	(cd "$1" && find . \( -type f -printf '%p %m ' -exec sha256sum {} \; \) -o -printf '%p %y %m %l\n' | LC_ALL=C sort)
}

@test "cat: by name, through links, of a stopped sandbox and of the base" {
	echo old >f
	gsh -s s -c 'echo new >f; ln -s "$PWD" l; mkdir d; mkfifo p'
	gsh stop -s s
	[ "$(gsh cat "s:$PWD/f")" = new ]
	[ "$(gsh cat -s s l/l/f d/../f)" = $'new\nnew' ]
	[ "$(gsh cat s@base:f)" = old ]
	[ "$(gsh ls | cut -f 2)" = stopped ]
	run gsh cat s:none
	[ "$status" -eq 3 ]
	run gsh cat nobody:f
	[ "$status" -eq 3 ]
	run gsh cat s@never:f
	[ "$status" -eq 3 ]
	for odd in d p; do
		run gsh cat "s:$odd"
		[ "$status" -eq 1 ]
	done
}

@test "cat follows links as the sandbox does, not as the host would" {
	mkdir in
	echo host >secret
	gsh -s s -c 'rm secret; echo mine >secret; ln -s ../../../../../../../../..'"$PWD"'/secret in/up; ln -s loop in/loop'
	[ "$(gsh cat s:in/up)" = mine ]
	run gsh cat s:in/loop
	[ "$status" -eq 3 ]
}

@test "cp out: files, folders, patterns, attributes" {
	gsh -s s -c 'mkdir -p a/b; echo 1 >a/1.txt; echo 2 >a/2.txt; echo 3 >a/b/3; ln -s 1.txt a/l; ln -s /nowhere a/dead; mkfifo a/p
		chmod 751 a/1.txt; truncate -s 1M a/hole; touch -d @1000000000 a/2.txt
		python3 -c "import os; os.setxattr(\"a/1.txt\", \"user.k\", b\"v\")"'
	gsh -s s -c 'cd a; find . \( -type f -printf "%p %m " -exec sha256sum {} \; \) -o -printf "%p %y %m %l\n" | LC_ALL=C sort' >want
	gsh cp -a s:a out
	tree out | diff want -
	[ "$(stat -c %Y out/2.txt)" = 1000000000 ]
	[ "$(python3 -c 'import os; print(os.getxattr("out/1.txt", "user.k").decode())')" = v ]
	[ "$(stat -c %b out/hole)" -eq 0 ]
	mkdir to
	gsh cp 's:a/*.txt' to
	[ "$(ls to)" = $'1.txt\n2.txt' ]
	gsh cp s:a/1.txt to/renamed
	gsh cp s:a/l to/followed
	[ "$(cat to/renamed to/followed)" = $'1\n1' ]
	[ "$(stat -c %F to/followed)" = "regular file" ]
	gsh cp -r s:a/. to
	[ "$(cat to/b/3)" = 3 ]
	gsh cp -r s:a s@base:/etc/hostname to
	[ "$(cat to/a/b/3)" = 3 ]
	cmp to/hostname /etc/hostname
}

@test "cp out: what fails says so and leaves the rest" {
	gsh -s s -c 'mkdir d; echo x >f; echo y >d/y'
	mkdir to to/f
	run gsh cp s:d to
	[ "$status" -eq 1 ]
	run gsh cp s:none to
	[ "$status" -eq 3 ]
	run gsh cp 's:*.none' to
	[ "$status" -eq 3 ]
	run gsh cp s:f s:d/y to/new
	[ "$status" -eq 1 ]
	run gsh cp s:f none/f
	[ "$status" -eq 1 ]
	run gsh cp s:f to
	[ "$status" -eq 1 ]
	[ -d to/f ]
	[ -z "$(find to -name '.gsh-*')" ]
	gsh -s s -c 'mkdir e; echo e >e/y'
	run gsh cp s:d/y s:e/y to
	[ "$status" -eq 1 ]
	assert_output --partial "/e/y: it would overwrite the y that is copied with it"
	run gsh cp 's:[de]/y' to
	[ "$status" -eq 1 ]
	[ "$(cat to/y)" = y ]
	run gsh cp f g
	[ "$status" -eq 2 ]
	run gsh cp s:f s:g
	[ "$status" -eq 2 ]
	run gsh cp f
	[ "$status" -eq 2 ]
}

@test "cp out: a folder that is copied to is not copied into itself, and the log says what was typed" {
	mkdir -p d/out
	echo a >d/a
	gsh -s s -c 'echo b >d/b; echo c >d/out/c'
	cd d
	run -1 gsh cp -r "s:$PWD" new
	[[ "$output" == *'the folder that is copied to: it is not copied into itself'* ]]
	[ "$(find new -type f | sort | tr '\n' ' ')" = 'new/a new/b new/out/c ' ]
	rm -r new
	run -1 gsh cp -r "s:$PWD/." out
	[[ "$output" == *'out: it is not copied into itself'* ]]
	[ "$(find . -type f | sort | tr '\n' ' ')" = './a ./out/a ./out/b ' ]
	cd ..
	gsh cp d/a s:"$PWD/e f"
	gsh log -s s | grep -qF "gsh cp d/a 's:$PWD/e f'"
}

@test "cp out: links on neither side lead anywhere, set-ID bits and devices stay inside" {
	mkdir to victim
	echo safe >victim/f
	gsh -s s -c 'mkdir d; echo evil >d/f; chmod 6755 d/f; echo evil >file'
	ln -s ../victim to/d
	ln -s ../victim/f to/file
	# A folder is not copied into what a link leads to; a file takes the link's place.
	run gsh cp -a s:d to
	[ "$status" -eq 1 ]
	gsh cp s:file to
	[ "$(cat victim/f)" = safe ]
	[ ! -L to/file ]
	rm to/d
	gsh cp -a s:d to
	[ "$(stat -c %a to/d/f)" = 755 ]
	# A layer made by hand: a folder that is a link by the time, a device by attribute.
	gsh stop -s s
	top=$(gsh path -s s)$PWD
	ln -s /etc "$top/link"
	python3 - "$top/dev" <<-'END'
		import os, sys
		open(sys.argv[1], "w").write("x")
		os.chmod(sys.argv[1], 0o1644)
		os.setxattr(sys.argv[1], "user.gsh.attr", b"20666 0 0 103")
	END
	gsh cp -r s:link to
	[ -L to/link ]
	run gsh cp s:dev to
	[ "$status" -eq 5 ]
	[ ! -e to/dev ]
}

@test "cp in: files, folders, names, attributes; into a running sandbox and a stopped one" {
	mkdir -p src/d
	echo 1 >src/1
	echo 2 >'src/t w o'
	ln -s 1 src/l
	echo 3 >src/d/3
	chmod 555 src/d
	chmod 711 src/1
	touch -d @1000000000 src/1
	python3 -c 'import os; os.setxattr("src/1", "user.k", b"v")'
	gsh -s s -c 'mkdir in; ln -s in alias; sleep 300 &'
	for state in running stopped; do
		gsh cp -a src s:in/
		gsh cp -a src s:in/copy
		gsh -s s -c 'cd in/src; find . \( -type f -printf "%p %m " -exec sha256sum {} \; \) -o -printf "%p %y %m %l\n" | LC_ALL=C sort' |
			diff <(tree src) -
		run gsh -s s -c 'cat in/copy/d/3; stat -c %Y in/copy/1; python3 -c "import os; print(os.getxattr(\"in/copy/1\", \"user.k\"))"'
		[ "$output" = $'3\n1000000000\nb\'v\'' ]
		gsh cp src/1 'src/t w o' s:alias
		gsh cp src/1 s:alias/renamed
		gsh cp src/l s:in/followed
		gsh cp -r src/. s:in/contents
		run gsh -s s -c 'cat in/1 in/t*o in/renamed in/followed in/contents/1; stat -c %F in/followed; ls -A in/*/ | grep -c gsh-'
		[ "${lines[*]}" = "1 2 1 1 1 regular file 0" ]
		gsh -s s -c 'chmod -R u+w in; rm -rf in/*'
		gsh stop -s s
	done
	[ ! -e in ]
}

@test "cp in: what fails says so" {
	echo x >f
	mkdir d
	gsh -s s -c 'mkdir in'
	run gsh cp f s:none/f
	[ "$status" -eq 1 ]
	run gsh cp none s:in
	[ "$status" -eq 3 ]
	run gsh cp d s:in
	[ "$status" -eq 1 ]
	run gsh cp f f s:in/new
	[ "$status" -eq 1 ]
	cp f d/f
	run gsh cp f d/f s:in
	[ "$status" -eq 1 ]
	assert_output --partial "gsh: d/f: it would overwrite the f that is copied with it"
	run -1 gsh run -s s -- test -e in/f
	run gsh cp f s@base:in
	[ "$status" -eq 5 ]
	run gsh cp f nobody:in
	[ "$status" -eq 3 ]
	[ "$(gsh ls | wc -l)" -eq 1 ]
}

@test "cp in: what lies inside cannot lead it to the host" {
	mkdir keep
	echo x >f
	gsh -s s -c 'ln -s '"$PWD"'/keep out; ln -s ../../../../../../../../etc up'
	gsh cp f s:out/
	gsh cp f s:up/ || true
	[ -z "$(ls keep)" ]
	[ ! -e /etc/f ]
	gsh -s s -c 'cat keep/f' | grep -qx x
}

@test "tar streams both ways" {
	mkdir -p d/e
	echo 1 >d/e/1
	gsh -s s -c 'mkdir in'
	tar -cf - d | gsh cp - s:in
	gsh cp s:in - | tar -xf - -C "$BOX"
	[ "$(cat "$BOX/in/d/e/1")" = 1 ]
	gsh cp s:in/d/e/1 - | tar -xOf - | grep -qx 1
	run gsh cp s:none - >/dev/null
	[ "$status" -eq 1 ]
}

@test "edit changes the file that is there, keeps what cannot be put back" {
	echo one >f
	gsh -s s -c 'echo two >f; chmod 751 f; ln f g'
	EDITOR='sed -i s/two/three/' gsh edit s:f
	run gsh -s s -c 'cat g; stat -c %a f'
	[ "$output" = $'three\n751' ]
	[ "$(cat f)" = one ]
	run env EDITOR=true "$GSH" edit s:f
	[ "$status" -eq 0 ]
	[[ "$output" == *"not changed"* ]]
	run env EDITOR=false "$GSH" edit s:f
	[ "$status" -eq 1 ]
	VISUAL='sh -c "echo made >\"\$1\"" x' gsh edit s:new
	[ "$(gsh cat s:new)" = made ]
	run env TMPDIR="$BOX" EDITOR="sh -c \"echo mine >\\\"\\\$1\\\"; $GSH -s s -c 'echo theirs >f'\" x" "$GSH" edit s:f
	[ "$status" -eq 4 ]
	[ "$(cat "$BOX"/gsh-edit.*/f)" = mine ]
	[ "$(gsh cat s:f)" = theirs ]
}

@test "--progress=json tells on stderr" {
	head -c 3000000 /dev/zero >big
	gsh -s s -c 'mkdir in'
	gsh cp --progress=json big s:in 2>err
	gsh cp --progress=json s:in/big out 2>>err
	python3 - err <<-'END'
		import json, sys
		lines = [json.loads(l) for l in open(sys.argv[1])]
		assert lines and all(l["schema"] == "gsh.progress/1" and l["what"] == "cp" for l in lines), lines
		ends = [l for l in lines if l["done"]]
		assert len(ends) == 2 and all(l["bytes"] >= 3000000 for l in ends), lines
	END
	cmp big out
}

@test "TAB completes paths inside, of versions too, and versions" {
	"$GSH" -s box -c 'mkdir -p dd/sub; touch "dd/one two" dd/uno dd/.hidden; ln -s sub dd/way; touch dd/$(printf "a\\033b")'
	"$GSH" snapshot -s box first
	"$GSH" -s box -c 'rm dd/uno'
	"$GSH" start another # gshd stays, then
	"$GSH" stop box
	mkdir host
	touch boxfile
	complete() {
		"$GSH" __complete line "$@" | cut -f 1
	}
	run complete -s box cat dd/
	assert_output "$(printf 'dd/%s\n' 'one two' sub/ way/)"
	run complete cat box@first:dd/u
	assert_output box@first:dd/uno
	run complete cat "box:$PWD/dd/."
	assert_output "box:$PWD/dd/.hidden"
	run complete cat box:/usr/bin/bas
	assert_line box:/usr/bin/bash
	run complete -s box cp :dd/s
	assert_output :dd/sub/
	run complete cp bo
	assert_output $':files\nbox:'
	run complete -s box restore f
	assert_output first
	run complete -s box restore first dd/s
	assert_output dd/sub/
	run complete -s box diff ''
	assert_output $'first\nnow\nbase\n2\n1'
	run complete -s box diff first -- dd/w
	assert_output dd/way/
	run complete -s box show ''
	assert_output $'2\n1'
	run complete export box "fi"
	assert_output first
	for words in 'nothing:dd/' 'box@none:dd/' 'box:/no/such/' 'box:dd/uno/'; do
		run complete cat "$words"
		assert_output ""
	done
	# It asks gshd and nobody else: what was stopped stays so.
	run "$GSH" ls
	assert_output --partial $'box\tstopped'
	run "$TESTS/tools/shell-complete" bash "$TREE/contrib/completions/gsh.bash" 'gsh cat box:dd/o' 'gsh -s box cat dd/s' \
		'gsh cp bo' 'gsh cp box:dd/w' 'gsh cp hos' 'gsh cp boxf' 'gsh ls --color=al'
	assert_success
	assert_output "$(printf 'gsh %s\n' 'cat box:dd/one\ two|' '-s box cat dd/sub/' 'cp box' 'cp box:dd/way/' 'cp host/' \
		'cp boxfile|' 'ls --color=always|')"
	command -v zsh >/dev/null || skip "zsh is not installed"
	run "$TESTS/tools/shell-complete" zsh "$TREE/contrib/completions" 'gsh cat box:dd/o' 'gsh -s box cat dd/s' 'gsh cp box:dd/w'
	assert_output "$(printf 'gsh %s\n' 'cat box:dd/one\ two|' '-s box cat dd/sub/' 'cp box:dd/way/')"
}
