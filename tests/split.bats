#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# Processes that split off: what they answer, what they keep, and what they can do to those they left.

bats_require_minimum_version 1.5.0
load lib.bash

bin=$TREE/build/tests/split

setup() {
	box_setup
}

teardown() {
	box_teardown
}

inside() {
	timeout -k 5 "${BOX_TIMEOUT:-60}" "$GSH" -s s -c "$@"
}

# Something for hostile to go for.
prey() {
	mkdir -p p/mine/dir p/ro p/other
	echo 'SECRET of another' >p/other/secret
	echo x >p/ro/f
	echo own >p/mine/own
	ln -s ../other/secret p/mine/link
	ln -s ../.. p/mine/dir/up
}

@test "what is not a policy, or not less, is refused; what is, holds" {
	mkdir -p q/a q/a-b
	ln -s a q/l
	echo 1 | tee q/a/f q/a/g >q/a-b/f
	run inside "$bin/rules q"
	echo "$output"
	[ "$status" = 0 ]
	[ "$(grep -c '^ok' <<<"$output")" = 17 ]
	refuses grep FAIL <<<"$output"
}

@test "the attacks succeed where nothing was split off" {
	prey
	run inside "$bin/hostile p whole"
	echo "$output"
	for what in read openat2 write write-ro list old-descriptors attributes make bring signal; do
		grep -qx "$what libc: escaped" <<<"$output"
	done
	for what in read openat2 write-ro list old-descriptors make bring signal; do
		grep -qx "$what pal: escaped" <<<"$output"
	done
	for what in 'shared memory' 'the pipe' 'the counter' 'a signal' 'the file'; do
		grep -q "^sibling: $what.*escaped" <<<"$output"
	done
}

@test "a hostile split process reaches nothing of what it left" {
	prey
	run inside "$bin/hostile p"
	echo "$output"
	[ "$status" = 0 ]
	refuses grep escaped <<<"$output"
	grep -qx 'sibling unharmed' <<<"$output"
	grep -qx 'attacks made' <<<"$output"
	grep -qx 'old-descriptors pal: refused' <<<"$output"
	grep -qx 'widen libc: refused' <<<"$output"
	# What is its own the monitor does change for it.
	grep -qx 'monitor-own pal: done' <<<"$output"
	# The sandbox is the same still, and well.
	run inside 'cat p/other/secret; ls p/other; stat -c %a p/ro/f p/other/secret; [ ! -e p/mine/got ]'
	[ "$output" = $'SECRET of another\nsecret\n644\n644' ]
}

@test "a server's worker, taken over, has its user's files only" {
	mkdir -p srv/home/alice srv/home/bob
	printf 'alice a\nbob b\n' >srv/users
	echo 'mail for bob' >srv/home/bob/mail
	echo 'mail for alice' >srv/home/alice/mail
	cat >alice <<-'END'
	echo login alice a; echo get mail; echo put note hello; echo get note; echo get ../bob/mail; echo get ../../users
	echo 'run cat ../bob/mail; ls ..; cat /etc/passwd; echo x > ../bob/new; rm -f ../bob/mail; ln ../bob/mail m'
	echo 'run chmod 600 note && cp -p note n2 && mkdir d && mv n2 d && rm mail && mkdir mail && ls d; kill -9 -1'
	echo quit
	cat >alice.out
	END
	printf 'echo login bob wrong; cat >mallory.out\n' >mallory
	printf 'printf "login bob b\\nget mail\\nquit\\n"; cat >bob.out\n' >bob
	run inside "$bin/split-server srv 'sh alice' 'sh mallory' 'sh bob'; cat *.out"
	echo "$output"
	for line in 'welcome alice' 'mail for alice' stored hello '../bob/mail: Permission denied' '../../users: Permission denied' \
		'cat: ../bob/mail: Permission denied' 'cat: /etc/passwd: Permission denied' n2 no 'welcome bob'; do
		grep -qxF "$line" <<<"$output"
	done
	[ "$(grep -cx 'mail for bob' <<<"$output")" = 1 ]
	refuses grep -q root: <<<"$output"
	run inside 'cat srv/home/bob/mail; ls srv/home/bob srv/home/alice; stat -c %a srv/home/alice/note'
	[ "$output" = $'mail for bob\nsrv/home/alice:\nd\nmail\nnote\n\nsrv/home/bob:\nmail\n600' ]
}

@test "programs run in a split as ever" {
	mkdir d
	for i in 1 2 3; do echo "$i" >"d/$i"; done
	run inside "$bin/split-run 'files $PWD/d rw
files /usr ro' sh -c '
		cd d; tar cf ../t.tar . 2>/dev/null || echo no
		tar cf t.tar 1 2 3; mkdir x; tar xf t.tar -C x; cmp 1 x/1; rm 1; mv 2 4; ls; find . | wc -l
		sort [34] | tr \"\\n\" \" \"; (sleep 0.2; exit 4) & wait \$!; echo \$?; cat /proc/self/sandbox'"
	echo "$output"
	[ "$output" = "no
3
4
t.tar
x
8
2 3 4
files $PWD/d rw
files /usr ro
network none
streams none" ]
}

@test "a split of a split is less again" {
	mkdir -p d/e
	echo 1 >d/f
	echo 2 >d/e/f
	cp "$bin/split-run" .
	run inside "$bin/split-run 'files $PWD ro
files /usr ro' ./split-run 'files $PWD/d/e rw
files /usr ro
files $PWD/split-run ro' cat d/e/f d/f"
	[ "$output" = $'split-run: split: Operation not permitted' ]
	run inside "$bin/split-run 'files $PWD rw
files /usr ro' ./split-run 'files $PWD/d/e rw
files /usr ro' sh -c 'cat d/e/f d/f; chmod 600 d/e/f; chmod 600 d/f; stat -c %a d/e/f'"
	echo "$output"
	[ "${lines[0]}" = 2 ]
	[ "${lines[1]}" = 'cat: d/f: Permission denied' ]
	grep -q "chmod: changing permissions of 'd/f'" <<<"$output"
	[ "${lines[-1]}" = 600 ]
}

@test "what leads to the allowed files may be opaque or renamed" {
	mkdir -p old/sub gone/x
	echo deep >old/sub/f
	echo base >gone/x/base
	run inside "mv old new; rm -r gone; mkdir -p gone/x; echo top > gone/x/top
		$bin/split-run 'files $PWD/new/sub rw
files $PWD/gone/x rw
files /usr ro' sh -c 'cat new/sub/f; echo more >> new/sub/f; ls gone/x; cat gone/x/top'; cat new/sub/f"
	echo "$output"
	[ "$output" = $'deep\ntop\ntop\ndeep\nmore' ]
}

@test "the parent waits for a split child, killed or not; others go on; nothing stays" {
	run inside "$bin/split-run 'files /usr ro' sh -c 'exit 7'; echo \$?
		$bin/split-run 'files /usr ro' sh -c 'kill -9 \$\$'; echo \$?
		$bin/split-run 'files /usr ro' sleep 100 & pid=\$!; sleep 0.5; kill -9 \$pid; wait \$pid; echo \$?
		$bin/split-run 'files /usr ro' sh -c 'for i in 1 2; do sleep 100 </dev/null >/dev/null 2>&1 & done; exit 3'; echo \$?; ps -e | grep -c split-run"
	echo "$output"
	[ "$(grep -v Killed <<<"$output" | tr '\n' ' ')" = '7 137 137 3 0 ' ]
	run inside 'echo well'
	[ "$output" = well ]
	# Directories of worlds that ended are swept by the next.
	for _ in 1 2 3 4 5 6; do inside "$bin/split-run 'files /usr ro' true"; done
	[ "$(find "$BOX/store/boxes/s/tree/work" -maxdepth 1 -name 'split-*' | wc -l)" -le 3 ]
}
