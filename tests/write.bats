#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# root/ of the mount, written to by the host's programs: POSIX, both ways at once, as ops, through kills.

bats_require_minimum_version 1.5.0
load lib.bash
load mounted.bash

# What a directory holds: link counts of directories and times of now left out.
describe() {
	# shellcheck disable=SC2016 # for sh
	local what='find . -type d -printf "%P d %m\n" -o -type l -printf "%P l %l\n" -o -printf "%P %y %m %s %n\n" | LC_ALL=C sort
		find . -type f -perm -u+r -exec cksum {} + | LC_ALL=C sort'
	if [ $# = 2 ]; then gsh -s "$2" -c "cd '$1' && $what"; else (cd "$1" && sh -c "$what"); fi
}

# A shell that goes on inside: what it remembers of names is what a long-lived program remembers.
inside_start() {
	mkfifo "$BOX/in" "$BOX/out"
	"$GSH" run -s s -- bash <"$BOX/in" >"$BOX/out" 2>&1 &
	exec 8>"$BOX/in" 9<"$BOX/out"
}

inside() { # what it says to a command, one line
	local line
	echo "$1" >&8
	read -r -t 20 line <&9
	echo "$line"
}

inside_end() {
	exec 8>&- 9<&-
	wait
}

@test "what is hidden inside is brought in neither by restore nor by the mount" {
	export HOME=$BOX/home
	mkdir -p "$HOME/.ssh"
	echo the-key >"$HOME/.ssh/id"
	echo the-token >"$HOME/.netrc"
	gsh -s s -c 'echo mine >~/.netrc; rm -rf ~/.ssh; mkdir -p ~/.ssh; echo mine >~/.ssh/id; echo x >~/other; true' 2>/dev/null
	gsh restore -s s base -- "$HOME"
	run gsh -s s -c 'cat ~/.netrc ~/.ssh/id ~/other'
	refuses grep -e the-key -e the-token <<<"$output"
	gsh mount
	gsh -s t -c true
	refuses sh -c "echo more >>'$GSH_MOUNT/t/root$HOME/.netrc'"
	refuses sh -c "chmod 600 '$GSH_MOUNT/t/root$HOME/.ssh/id'"
	echo also >"$GSH_MOUNT/t/root$HOME/also"
	run gsh -s t -c 'cat ~/also ~/.netrc ~/.ssh/id'
	refuses grep -e the-key -e the-token <<<"$output"
	grep -qx also <<<"$output"
}

@test "no link or redirect of a sandbox's leads the host's side to what is hidden inside" {
	export HOME=$BOX/home
	mkdir -p "$HOME/.ssh" "$HOME/plain"
	echo the-key | tee "$HOME/.ssh/id" >"$HOME/.netrc"
	echo plain >"$HOME/plain/f"
	gsh -s s -c 'ln -s ~/.ssh/id link; ln -s ~ home; ln -s ~/plain/f seen'
	gsh stop -s s
	top=$(gsh path -s s)$PWD
	mkdir "$top/moved" "$top/all"
	for at in "moved $HOME/.ssh" "all $HOME"; do
		python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.overlay.redirect", sys.argv[2].encode())' \
			"$top/${at%% *}" "${at#* }"
	done
	gsh cp -r s:all s:moved "$BOX"
	[ "$(cat "$BOX/all/plain/f")" = plain ]
	[ "$(gsh cat s:seen)" = plain ]
	for f in link home/.ssh/id home/.netrc moved/id all/.ssh/id all/.netrc; do
		run gsh cp "s:$f" "$BOX/got"
		[ "$status" -ne 0 ]
	done
	gsh commit -s s -y -- all moved
	[ "$(cat all/plain/f)" = plain ]
	gsh mount
	cp -r "$GSH_MOUNT/s/root$PWD/all" "$BOX/by-mount"
	[ "$(cat "$BOX/by-mount/plain/f")" = plain ]
	refuses grep -r the-key all moved "$BOX/all" "$BOX/moved" "$BOX/by-mount"
	refuses sh -c "'$GSH' diff -s s | grep the-key"
}

@test "the same operations natively, inside and through the mount" {
	for i in native inside mount; do
		mkdir $i
		"$TESTS/tools/fs-ops" $i prepare
	done
	"$TESTS/tools/fs-ops" native run >../native
	[ "$(wc -l <../native)" -gt 500 ]
	gsh -s in -c "'$TESTS/tools/fs-ops' inside run" >../inside
	diff ../native ../inside
	gsh -s s -c true
	gsh mount
	"$TESTS/tools/fs-ops" "$(view s)/mount" run >../mount
	diff ../native ../mount
	# The tree that came of it: from inside, through the mount, and when the sandbox is stopped.
	describe native >../tree
	diff ../tree <(describe "$PWD/mount" s)
	diff ../tree <(describe "$(view s)/mount")
	gsh stop -s s # the other one goes on, and the mount with it
	diff ../tree <(describe "$(view s)/mount")
	# The host's own files are as they were.
	mkdir again
	"$TESTS/tools/fs-ops" again prepare
	diff <(describe again) <(describe mount)
}

@test "a reader that was there before sees what a writer writes to the base's file" {
	echo base >f
	gsh -s s -c true
	gsh mount
	exec 5<"$(view s)/f"
	echo news >"$(view s)/f"
	[ "$(cat <&5)" = news ]
	exec 5<&-
	[ "$(cat f)" = base ]
}

@test "in a stopped sandbox, too" {
	mkdir d
	echo base >d/f
	gsh create s
	gsh -s other -c 'sleep 200 &' # what stops last takes the mount along
	gsh mount
	v=$(view s)
	echo more >>"$v/d/f"
	mkdir "$v/d/new"
	mv "$v/d" "$v/e"
	[ "$(gsh ls --json | grep -c '"running"')" = 1 ]
	[ "$(gsh -s s -c 'cat e/f; ls e')" = $'base\nmore\nf\nnew' ]
	gsh stop -s s
	rm -r "$v/e"
	[ "$(gsh -s s -c 'ls')" = '' ]
	[ "$(ls d)" = f ]
}

@test "who runs inside sees each change at once" {
	mkdir d
	echo base >d/f
	gsh -s s -c true
	gsh mount
	v=$(view s)
	inside_start
	# Asked twice each time: the first answer is remembered.
	for i in 1 2 3 4 5 6 7 8; do
		[ "$(inside "[ -e n$i ]; [ -e n$i ]; echo \$?")" = 1 ]
		echo $i >"$v/n$i"
		[ "$(inside "[ -e n$i ]; echo \$?")" = 0 ]
		rm "$v/n$i"
		[ "$(inside "[ -e n$i ]; echo \$?")" = 1 ]
	done
	[ "$(inside 'cat d/f; :')" = base ]
	echo changed >"$v/d/f"
	[ "$(inside 'cat d/f')" = changed ]
	[ "$(inside '[ -x d/f ]; echo $?')" = 1 ]
	chmod 755 "$v/d/f"
	[ "$(inside '[ -x d/f ]; echo $?')" = 0 ]
	chmod 500 "$v/d"
	[ "$(inside 'stat -c %a d')" = 500 ]
	chmod 755 "$v/d"
	# It stands in a directory that moves.
	[ "$(inside 'cd d && mkdir in && cd in && pwd')" = "$PWD/d/in" ]
	mv "$v/d" "$v/moved"
	[ "$(inside 'echo here >here; cat ../f')" = changed ]
	[ "$(cat "$v/moved/in/here")" = here ]
	[ "$(inside "[ -e '$PWD/d' ]; echo \$?")" = 1 ]
	mv "$v/moved/f" "$v/g"
	[ "$(inside '[ -e ../f ]; echo $?')" = 1 ]
	# And the other way.
	[ "$(inside 'rm here; echo x >../new; echo done')" = 'done' ]
	[ ! -e "$v/moved/in/here" ] && [ "$(cat "$v/moved/new")" = x ]
	inside_end
}

@test "two sides write to one file and append to another" {
	gsh -s s -c ': >log; : >both'
	gsh mount
	v=$(view s)
	gsh run -s s -- sh -c 'for i in $(seq 200); do echo "in $i" >>log; done' &
	for i in $(seq 200); do echo "out $i" >>"$v/log"; done
	wait
	[ "$(wc -l <"$v/log")" = 400 ]
	[ "$(grep -c '^in' "$v/log")" = 200 ] && [ "$(grep -c '^out' "$v/log")" = 200 ]
	[ "$(gsh -s s -c 'cksum <log')" = "$(cksum <"$v/log")" ]
}

@test "what is written is an op of its own, and undo undoes it" {
	echo base >f
	gsh -s s -c 'echo 1 >one'
	gsh mount
	v=$(view s)
	echo 2 >"$v/two"
	echo new >"$v/f"
	rm "$v/one"
	gsh log -s s >../log
	[ "$(grep -c 'through the mount' ../log)" = 1 ]
	gsh -s s -c 'echo 3 >three'
	echo 4 >"$v/four"
	gsh log -s s >../log
	[ "$(grep -c 'through the mount' ../log)" = 2 ]
	[ "$(cat "$GSH_MOUNT/s/ops/2/cmd")" = 'written through the mount' ]
	[ "$(ls "$GSH_MOUNT/s/ops/2/root$PWD")" = $'f\ntwo' ]
	gsh undo -s s
	[ ! -e "$v/four" ] && [ -e "$v/three" ]
	gsh undo -s s 2
	[ "$(ls "$v")" = $'f\none' ] && [ "$(cat "$v/f")" = base ]
	gsh redo -s s 2
	[ "$(ls "$v")" = $'f\nthree\ntwo' ] && [ "$(cat "$v/f")" = new ]
}

@test "a file that is open over ops: each write belongs to the op that is" {
	echo base >f
	gsh -s s -c true
	gsh mount
	v=$(view s)
	exec 5>>"$v/f" 6>"$v/made"
	echo first >&5
	echo made >&6
	gsh -s s -c 'echo x >x'
	echo second >&5
	gsh -s s -c 'cat f >seen; echo y >y'
	echo third >&5
	echo more >&6
	[ "$(cat "$v/f")" = $'base\nfirst\nsecond\nthird' ] && [ "$(gsh -s s -c 'cat f')" = $'base\nfirst\nsecond\nthird' ]
	[ "$(cat "$v/seen")" = $'base\nfirst\nsecond' ]
	[ "$(cat "$GSH_MOUNT/s/ops/2/root$PWD/f")" = $'base\nfirst' ]
	[ "$(cat "$GSH_MOUNT/s/ops/2/root$PWD/made")" = made ]
	# What is undone under them: a file that is there goes on as it is now, of one that is not nothing is written.
	gsh undo -s s 9
	[ "$(cat "$v/f")" = base ] && [ ! -e "$v/made" ]
	echo again >&5
	refuses sh -c 'echo lost >&6' 2>/dev/null
	[ "$(cat "$v/f")" = $'base\nagain' ] && [ ! -e "$v/made" ]
	exec 5>&- 6>&-
}

@test "links that lead out of the sandbox lead to its own files" {
	mkdir host
	gsh -s s -c "ln -s '$PWD/host' abs; ln -s ../../../../../../../../../../../../..'$PWD/host' up; ln -s '$PWD/host/deep' dangling"
	gsh mount
	v=$(view s)
	echo 1 >"$v/abs/one"
	echo 2 >"$v/up/two"
	echo 3 >"$v/dangling"
	[ -z "$(ls host)" ]
	[ "$(gsh -s s -c 'cat host/one host/two host/deep')" = $'1\n2\n3' ]
}

@test "git, rsync, tar, sed -i and make work in it" {
	export GIT_CONFIG_COUNT=3 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' GIT_CONFIG_KEY_1=user.name GIT_CONFIG_VALUE_1=a \
		GIT_CONFIG_KEY_2=user.email GIT_CONFIG_VALUE_2=a@b
	"$TESTS/project/generate" "$BOX/work/project"
	git -C project init -q
	git -C project add .
	git -C project commit -q -m first
	gsh -s s -c true
	gsh mount
	v=$(view s)
	git clone -q project "$v/clone"
	echo more >>"$v/clone/Makefile"
	[ "$(git -C "$v/clone" status --short)" = ' M Makefile' ]
	git -C "$v/clone" commit -q -a -m second
	git -C "$v/clone" gc -q
	git -C "$v/clone" fsck --strict
	[ -z "$(git -C "$v/clone" status --short)" ]
	git -C "$v/clone" checkout -q HEAD^
	[ "$(gsh -s s -c 'cd clone && git log --oneline --all | wc -l && git status --short | wc -l')" = $'2\n0' ]
	# The base's repository, used where it lies: refs, index and objects are copied up.
	echo x >"$v/project/x"
	git -C "$v/project" add x
	git -C "$v/project" commit -q -m inside
	[ "$(git -C "$v/project" rev-list --count HEAD)" = 2 ] && [ "$(git -C project rev-list --count HEAD)" = 1 ]
	tar -cf - project | tar -xf - -C "$v" --transform s/project/untarred/
	diff -r project "$v/untarred"
	sed -i 's/more/less/' "$v/untarred/Makefile"
	make -s -C "$v/untarred" >/dev/null
	[ -x "$v/untarred/program" ]
	gsh -s s -c 'cd untarred && make -s && make -q' >/dev/null
	if command -v rsync >/dev/null; then
		rsync -a project/ "$v/synced/"
		[ -z "$(rsync -ain --delete project/ "$v/synced/")" ]
		rsync -a "$v/untarred/" back/
		diff -r back "$v/untarred"
		[ -z "$(rsync -ain --delete "$v/untarred/" back/)" ]
	fi
	if command -v vim >/dev/null; then
		vim -es -u NONE -c 'normal Go# vim' -c wq "$v/untarred/Makefile" || true
		[ "$(gsh -s s -c 'grep -c vim untarred/Makefile')" -gt 0 ]
	fi
}

@test "kill -9 of gfs while it writes: nothing half done is seen, the sandbox goes on" {
	mkdir from
	for i in $(seq 40); do head -c 300000 /dev/urandom >from/$i; done
	cp -r from base
	gsh -s s -c true
	for round in 1 2 3 4 5; do
		gsh mount
		v=$(view s)
		(for i in $(seq 40); do
			# Copy-up of a whole file for one byte; a rename of a directory of the base; a removal.
			printf x >>"$v/base/$i" && mv "$v/base" "$v/b2" && mv "$v/b2" "$v/base" && cp "from/$i" "$v/new$i" && rm "$v/new$i" || exit
		done) 2>/dev/null &
		sleep "0.$round"
		kill -KILL "$(gfs_pid)"
		wait $! || true
		gsh -s s -c '[ -e base ] || mv b2 base; rm -f new*; cd base && ls | wc -l && cat * | wc -c >/dev/null' >../count
		[ "$(cat ../count)" = 40 ]
		for i in $(seq 40); do
			# As it was, or with the bytes that were appended: never cut short.
			gsh -s s -c "head -c 300000 base/$i | cmp - from/$i"
		done
		gsh -s s -c 'rm -rf base'
		gsh undo -s s 99 >/dev/null
	done
	[ "$(find from -type f | wc -l)" = 40 ]
	diff -r from base
}

@test "writing through the mount takes set-id bits away, as writing does" {
	gsh -s s -c 'touch b c d e k; chmod 6755 b c d e k; stat -c %a b' | grep -qx 6755
	gsh mount
	v=$(view s)
	echo x >>"$v/b"
	: >"$v/c"
	truncate -s 3 "$v/d"
	chown ":$(id -g)" "$v/e"
	ln "$v/k" "$v/l"
	stat -c %a "$v"/[bcdek] | paste -sd' ' | grep -qx '755 755 755 755 6755'
	gsh -s s -c 'stat -c %a b c d e k' | paste -sd' ' | grep -qx '755 755 755 755 6755'
	gsh umount
}
