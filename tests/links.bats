#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# Files of the base that have several names: they are one file inside, through ops, undo, restore, joins and the mount.

bats_require_minimum_version 1.5.0
load lib.bash
load here.bash

# One file of several names, and some of two.
base() {
	mkdir -p "$1/d/deep"
	(cd "$1" && echo one >a && ln a b && ln a c && ln a d/e && ln a d/deep/f && echo pair >p && ln p d/q &&
		echo alone >z && echo other >o && ln o d/o2)
}

# Which names are one file, and what is in it: no numbers, so that a host's tree and a sandbox's can be compared.
# shellcheck disable=SC2016 # for sh
LIST='for f in $(find . -type f | sort); do set -- $(stat -c "%i %a" $f)
	case " $seen " in *" $1="*) one=${seen#*" $1="}; one=${one%% *} ;; *) one=$f; seen="$seen $1=$f" ;; esac
	echo "$f $one $2 $(cksum <$f)"; done'

# same COMMAND: done in sandbox s and in the directory ../twin, it gives the same, and leaves the same.
same() {
	(cd ../twin && sh -c "$1" 2>&1) >"$BOX/want" || true
	in_box "$1" >"$BOX/got" 2>&1 || true
	diff "$BOX/want" "$BOX/got"
	(cd ../twin && sh -c "$LIST") >"$BOX/want"
	in_box "$LIST" >"$BOX/got"
	diff "$BOX/want" "$BOX/got"
}

@test "git clones a repository of the base whose objects have several links" {
	command -v git >/dev/null || skip "no git"
	export HOME=$BOX GIT_CONFIG_NOSYSTEM=1
	git init -q r
	(cd r && git config user.email a@b && git config user.name n && echo 1 >f && git add f && git commit -qm one)
	git clone -q r r2
	in_box 'git clone -q r r3 && git clone -q r2 r4 && cat r3/f r4/f && git -C r4 fsck' 2>"$BOX/err"
	run ! grep -q 'hardlink different' "$BOX/err"
	in_box 'for f in $(cd r/.git/objects && find . -type f); do [ r/.git/objects/$f -ef r4/.git/objects/$f ] || echo $f; done' |
		diff /dev/null -
}

@test "whatever is done under one name is done under all" {
	base .
	base ../twin
	same 'echo two >>b; cat a d/e'
	same 'chmod 640 d/deep/f; stat -c %a a b'
	same 'ln c x; ln x d/y; [ x -ef a ] && echo one'
	same 'mv d/e moved; echo three >moved; cat a'
	same 'mv a b; ls; cat a'
	same 'rm b; cat c'
	same ': >c; wc -c x d/deep/f; echo four >x'
	same 'mv p d/q; echo q >>p; cat d/q'
	same 'mv z p; cat p d/q'
	same 'mv -f o d/deep/f; cat d/o2; echo again >>d/deep/f; cat d/o2 c'
	same 'rm -r d; cat a; echo five >>c; mkdir d; cp c d/c2'
	same 'touch -d 2001-01-01 a; stat -c %y c x'
	same 'if ls -a / | grep -x .gsh.links; then echo seen; fi; ls -f | sort'
	gsh diff -s s >"$BOX/diff"
	run ! grep gsh.links "$BOX/diff"
	gsh status s >"$BOX/status"
	run ! grep gsh.links "$BOX/status"
	gsh show -s s 1 >"$BOX/show"
	run ! grep gsh.links "$BOX/show"
}

@test "they go on as one through undo, redo, restore, a stop and a join of layers" {
	base .
	in_box 'echo 1 >>a'
	in_box 'echo 2 >>d/e; ln b x'
	in_box 'cat c d/deep/f' | paste -sd' ' | grep -qx 'one 1 2 one 1 2'
	gsh undo -s s
	in_box 'cat b d/deep/f; [ a -ef c ]' | paste -sd' ' | grep -qx 'one 1 one 1'
	gsh undo -s s
	in_box 'cat b; [ a -ef d/e ]' | grep -qx one
	gsh redo -s s 2
	in_box 'cat c x; [ x -ef d/deep/f ]' | paste -sd' ' | grep -qx 'one 1 2 one 1 2'
	gsh stop s
	gsh snapshot -s s two
	in_box 'echo 3 >>x; cat d/deep/f; [ a -ef x ]' | paste -sd' ' | grep -qx 'one 1 2 3'
	for i in 1 2 3 4 5 6 7 8 9 10; do in_box "echo $i >f$i"; done
	gsh stop s
	in_box 'cat a d/deep/f; [ c -ef x ] && [ b -ef d/deep/f ]' | paste -sd' ' | grep -qx 'one 1 2 3 one 1 2 3'
	gsh restore -s s two .
	in_box 'cat a b d/deep/f x; [ c -ef x ] && [ b -ef d/deep/f ] && [ b -ef x ]' | paste -sd' ' |
		grep -qx 'one 1 2 one 1 2 one 1 2 one 1 2'
	gsh restore -s s base a
	in_box 'cat a d/deep/f' | paste -sd' ' | grep -qx 'one one'
	gsh clone s t
	gsh -s t -c 'echo t >>a; cat d/deep/f' | paste -sd' ' | grep -qx 'one t'
}

@test "what one process does to a name, one that knows another sees" {
	base .
	mkfifo "$BOX/in" "$BOX/out"
	"$GSH" run -s s -- bash <"$BOX/in" >"$BOX/out" 2>&1 &
	exec 8>"$BOX/in" 9<"$BOX/out"
	ask() {
		echo "$1" >&8
		read -r -t 20 line <&9
		echo "$line"
	}
	[ "$(ask 'read -r l <d/e; echo $l; stat -c %s b >/dev/null')" = one ]
	gsh -s s -c 'echo 1 >a; ln c x'
	[ "$(ask 'read -r l <d/e; echo $l')" = 1 ]
	gsh -s s -c 'echo 2 >d/deep/f'
	[ "$(ask 'read -r l <d/e; echo $l')" = 2 ]
	[ "$(ask 'echo 3 >d/e; read -r l <x; echo $l')" = 3 ]
	gsh -s s -c 'cat b d/deep/f' | paste -sd' ' | grep -qx '3 3'
	exec 8>&- 9<&-
	wait
}

@test "through the mount they are one, too" {
	{ [ -r /dev/fuse ] && [ -w /dev/fuse ]; } || skip "/dev/fuse is not for ordinary users here"
	base .
	in_box 'echo 1 >>a'
	gsh mount
	v=$GSH_MOUNT/s/root$PWD
	paste -sd' ' "$v/b" "$v/d/e" | paste -sd' ' | grep -qx 'one 1 one 1'
	[ "$(stat -c %i "$v/a")" = "$(stat -c %i "$v/d/e")" ]
	echo 2 >>"$v/d/deep/f"
	in_box 'cat a c' | paste -sd' ' | grep -qx 'one 1 2 one 1 2'
	# And what is copied up through the mount first.
	echo p2 >>"$v/p"
	cat "$v/d/q" | paste -sd' ' | grep -qx 'pair p2'
	in_box 'cat d/q; [ p -ef d/q ] && echo in >>d/q' | paste -sd' ' | grep -qx 'pair p2'
	paste -sd' ' "$v/p" | grep -qx 'pair p2 in'
	ln "$v/d/o2" "$v/o3"
	echo o >>"$v/o3"
	in_box 'cat o; [ o -ef o3 ]' | paste -sd' ' | grep -qx 'other o'
	mv "$v/b" "$v/b2"
	rm "$v/c"
	echo 4 >>"$v/b2"
	in_box 'tail -n 1 a; [ a -ef b2 ] && [ d/e -ef b2 ]; ls' | paste -sd' ' | grep -qx '4 a b2 d o o3 p z'
	gsh umount
}
