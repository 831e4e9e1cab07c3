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

# ---- gsh split ----

# A command that waits for lines at a fifo and runs them, in the background; $pid.
start_worker() {
	mkdir d
	mkfifo d/in
	inside "echo \$\$ >pid; cd d; exec bash -c 'exec 9<>in; echo up >out; while read -r -u 9 line; do eval \"\$line\" >out 2>&1; echo done >>out; done'" 3>&- &
	await grep -q up d/out
	pid=$(inside 'cat pid')
}

# Whether something holds, asked inside.
await() {
	local i
	for ((i = 0; i < 50; i++)); do
		! inside "$* 2>/dev/null" || return 0
		sleep 0.1
	done
	return 1
}

# Have the worker do something; its output.
worker() {
	inside "echo '$*' >d/in"
	await grep -q 'done' d/out
	inside 'sed "\$d" d/out'
}

@test "gsh split takes files and network away from a process that runs" {
	mkdir e
	echo secret >e/f
	start_worker
	echo own >d/f
	run worker 'read -r x <../e/f; echo $x; exec 8<../e/f'
	[ "$output" = secret ]
	run "$GSH" split -s s "$pid" --files="$PWD/d" --files=/usr:ro --no-network
	echo "$output"
	[ "$status" = 0 ]
	[ -z "$output" ]
	run worker 'read -r x <f; echo $x; read -r x <../e/f; echo got $x; read -r x <&8; echo $x >new'
	echo "$output"
	[ "${lines[0]}" = own ]
	grep -q 'e/f: Permission denied' <<<"$output"
	refuses grep -q secret <<<"$output"
	run inside "cat d/new"
	[ "$output" = own ]
	run worker 'exec 3<>/dev/tcp/127.0.0.1/1'
	grep -q denied <<<"$output"
	"$GSH" kill -s s -9 "$pid"
	wait
}

@test "gsh split breaks into whatever the process waits in, and it goes on" {
	cat >waits.py <<-'END'
		import os, select, signal, sys, time
		r, w = os.pipe()
		how = {'sleep': lambda: time.sleep(3), 'poll': lambda: select.poll().poll(3000), 'read': lambda: os.read(r, 1),
			'spin': lambda: [1 for i in iter(lambda: time.monotonic() < end, False)], 'suspend': signal.pause}[sys.argv[1]]
		signal.signal(signal.SIGALRM, lambda *a: os.write(w, b'x'))
		signal.alarm(3)
		end = time.monotonic() + 3
		open('ready', 'w').close()
		how()
		print(open('/proc/self/sandbox').read().split('\n')[0], time.monotonic() - end > -0.1, os.getppid())
	END
	for how in sleep poll read spin suspend; do
		inside 'rm -f ready'
		inside "echo \$\$ >pid; exec python3 waits.py $how >out" 3>&- &
		await test -e ready
		run "$GSH" split -s s "$(inside 'cat pid')" --files="$PWD" --files=/usr:ro
		echo "$how: $output"
		[ "$status" = 0 ]
		wait
		run inside 'cat out'
		echo "$how: $output"
		[ "$output" = "files $PWD rw True 0" ]
	done
}

@test "gsh split says why it cannot, and then nothing has changed" {
	run "$GSH" split -s s 5
	[ "$status" = 2 ]
	run "$GSH" split -s s 5 --no-network
	echo "$output"
	[ "$status" = 3 ]
	inside true
	for words in '' 'x --no-network' '5 --files=relative' '5 --keep=1' '5 --policy=p --no-network' '5 --policy=/dev/null' '5 --keep=z --no-network'; do
		# shellcheck disable=SC2086 # words
		run "$GSH" split -s s $words
		echo "$words: $output"
		[ "$status" = 2 ]
	done
	inside 'sleep 100 & echo $! >pid; echo $$ >parent; wait' 3>&- &
	await test -s parent
	pid=$(inside 'cat pid')
	case_is() {
		local status_is=$1 words=$2
		shift 2
		run "$GSH" split -s s "$@" <<<"${policy-}"
		echo "$output"
		[ "$status" = "$status_is" ]
		grep -q "$words" <<<"$output"
	}
	case_is 3 'no such process' 30000 --no-network
	case_is 4 'one thread and no children' 1 --no-network
	case_is 4 'one thread and no children' "$(inside 'cat parent')" --no-network
	case_is 1 'line 1 of the policy: No such file' "$pid" --files=/nowhere
	policy=$'# it\nfiles / rw\nfoo' case_is 2 'line 3 of the policy: it is not understood' "$pid" --policy=-
	inside "kill -STOP $pid"
	case_is 4 'is stopped' "$pid" --no-network
	inside "kill -CONT $pid; grep 'network keep' /proc/$pid/sandbox"
	policy='files / ro' case_is 0 '' "$pid" --policy=-
	case_is 4 'split off already' "$pid" --no-network
	inside "kill $pid"
	wait
}
