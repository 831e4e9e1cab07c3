#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# Ops: what each command changed, undo and redo, while processes run and after crashes; snapshots; the store's format.

bats_require_minimum_version 1.5.0
load lib.bash
load here.bash

# until_true SECONDS COMMAND...
until_true() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

layers() {
	find "$BOX"/store/boxes/s/tree/layers "$BOX"/store/boxes/s/tree/top -mindepth 1 -maxdepth 1 | wc -l
}

@test "log tells commands and what each changed; one that changes nothing leaves no layer" {
	in_box 'mkdir d; for i in 1 2 3; do echo $i >d/$i; done'
	in_box 'echo more >>d/1; rm d/2; exit 3' || [ $? = 3 ]
	in_box 'cat d/*' >"$BOX/out"
	in_box true
	[ "$(layers)" = 3 ]
	gsh log s >"$BOX/log"
	[ "$(wc -l <"$BOX/log")" = 4 ]
	[ "$(cut -f 1 "$BOX/log" | tr '\n' ' ')" = '4 3 2 1 ' ]
	sed -n 1p "$BOX/log" | grep -q "no changes	true$"
	sed -n 3p "$BOX/log" | grep -q "	3	1 changed in $PWD/d, 1 removed	echo more"
	sed -n 4p "$BOX/log" | grep -q "	0	+3 files in $PWD/d	mkdir d; for"
	gsh log -n 1 s | cut -f 1 | grep -qx 4
	gsh log --json s | jq -e '.schema == "gsh.log/1" and (.items | length) == 4 and .items[2].removed == 1' >/dev/null
	gsh show -s s 2 >"$BOX/show"
	grep -qx "A.*" "$BOX/show" && false
	grep -q "^D	f	2	$PWD/d/2$" "$BOX/show"
	grep -q "^M	f	7	$PWD/d/1$" "$BOX/show"
	run -3 gsh show -s s 77
	run -2 gsh show -s s seven
}

# Removes one file after another, and has another process change the directory in between.
# shellcheck disable=SC2016 # python's
EMPTY='
import os, subprocess, sys
def gone(path):
	try:
		os.unlink(path)
		return "removed"
	except OSError as e:
		return e.strerror
os.chdir(sys.argv[1])
fd = os.open(".", os.O_RDONLY)
print([gone("f%d" % i) for i in range(8)])
subprocess.run(["sh", "-c", "rm f10 f11 f12 f13 f14; echo new >f11; mkdir f12; ln -s f9 f13; rm f15; mv f16 f17"], check=True)
print([gone("f%d" % i) for i in (0, 10, 11, 12, 13, 14, 15, 16, 17, 18, 18, 99)])
print(sorted(os.listdir(".")))
'

@test "a directory is emptied file by file while another process changes it: of the base, and of an op before" {
	mkdir d twin
	touch d/f{0..30} twin/f{0..30}
	python3 -c "$EMPTY" twin >"$BOX/want"
	grep -q "Is a directory" "$BOX/want"
	in_box "cp -r d e"
	for dir in d e; do
		in_box "python3 -c '$EMPTY' $dir" >"$BOX/got"
		diff "$BOX/want" "$BOX/got"
	done
	gsh undo -s s
	[ "$(in_box 'ls e | wc -l')" = 31 ]
	in_box "rm -r d e; mkdir d; ls d" >"$BOX/got"
	[ ! -s "$BOX/got" ]
	[ "$(echo d/f*)" = "$(echo d/f{0..30} | tr ' ' '\n' | LC_ALL=C sort | paste -sd' ')" ]
}

@test "undo takes changes back, redo puts them back, until something else is done" {
	echo base >b
	in_box 'echo 1 >a; echo inside >b; mkdir d; echo x >d/x'
	in_box 'mv d e; rm b; chmod 600 a'
	in_box 'echo 3 >a'
	in_box true
	gsh undo -s s
	in_box 'cat a; stat -c %a a' | paste -sd' ' | grep -qx '1 600'
	gsh undo -s s
	in_box 'cat a b d/x; test ! -e e' | paste -sd' ' | grep -qx '1 inside x'
	gsh redo -s s 2
	in_box 'cat a e/x; test ! -e b && test ! -e d' | paste -sd' ' | grep -qx '3 x'
	gsh undo -s s 9 2>"$BOX/err"
	grep -q 'there were only 3' "$BOX/err"
	in_box 'ls; cat b' | paste -sd' ' | grep -qx 'b base'
	run -1 gsh undo -s s
	in_box 'echo other >c'
	run -4 gsh redo -s s
	in_box true
	run -1 gsh redo -s s
	in_box 'ls' | paste -sd' ' | grep -qx 'b c'
	gsh log s | grep -q 'dropped.*	echo 3 >a$'
	run -2 gsh undo -s s 0
	run -3 gsh undo -s nobody
}

@test "of a stopped sandbox, too; and after its monitor and gshd were killed" {
	in_box 'echo 1 >a'
	in_box 'echo 2 >a'
	gsh stop s
	gsh undo -s s
	in_box 'cat a' | grep -qx 1
	gsh redo -s s
	in_box 'echo 3 >>a'
	monitor=$(gsh ls --json | jq '.items[0].pid')
	kill -9 "$monitor"
	until_true 10 eval '! kill -0 "$monitor" 2>/dev/null'
	in_box 'cat a' | paste -sd' ' | grep -qx '2 3'
	gsh undo -s s
	in_box 'cat a' | grep -qx 2
	[ "$(gsh log s | wc -l)" = 6 ]
}

@test "processes that run see each new layer, and keep what they have open through undo" {
	in_box 'exec 3>log; (i=0; while [ ! -e stop ]; do i=$((i+1)); echo $i >&3; sleep 0.05; done; echo end >&3) >/dev/null 2>&1 &'
	in_box 'mkdir d; echo kept >d/f'
	in_box '(cd d; exec 4<f; touch ../ready; while [ ! -e ../go ]; do sleep 0.05; done
		cat <&4 >../got; ls >../listed 2>&1; ls .. >../outside; : >../ended) >/dev/null 2>&1 &'
	until_true 20 in_box 'test -e ready'
	# The log goes to the file as it was opened, in a layer that is sealed by now: everybody reads on in it.
	in_box 'wc -l <log' >"$BOX/n"
	until_true 20 in_box "test \$(wc -l <log) -gt $(cat "$BOX/n")"
	in_box 'cat log' | sort -n | uniq -d >"$BOX/twice"
	[ ! -s "$BOX/twice" ]
	in_box 'touch go'
	until_true 20 in_box 'test -e ended'
	in_box 'cat got' | grep -qx kept
	in_box 'echo f' | diff - <(in_box 'cat listed')
	in_box 'touch stop'
	until_true 20 in_box 'grep -qx end log'
}

@test "undo under a process whose directory goes" {
	in_box 'mkdir -p d/sub; echo kept >d/sub/f'
	in_box 'echo made >fresh'
	mkfifo "$BOX/keys"
	gsh -s s -c 'cd d/sub; exec 4<f; echo up; read -r x; cat <&4; cat f 2>/dev/null || echo gone; read -r x
		test -e '"$PWD"'/after && echo there' <"$BOX/keys" >"$BOX/out" 2>&1 &
	local job=$!
	exec 8>"$BOX/keys"
	until_true 20 grep -q up "$BOX/out"
	gsh undo -s s 2
	echo >&8
	until_true 20 grep -q gone "$BOX/out"
	in_box 'touch after'
	echo >&8
	exec 8>&-
	wait "$job"
	[ "$(paste -sd' ' "$BOX/out")" = 'up kept gone there' ]
}

@test "what was undone is no part of the ops that come after" {
	in_box 'echo 1 >a'
	in_box 'echo 2 >a; echo gone >b'
	gsh undo -s s
	in_box true
	in_box 'echo 3 >c'
	gsh log s -n 1 | grep -q '+1 file in '"$PWD"'	echo 3 >c$'
	gsh show -s s 4 | grep -qx "A	f	2	$PWD/c"
	gsh diff -s s --name-status 3 4 | grep -q "^A.*$PWD/c$"
	[ "$(gsh diff -s s --name-status 3 4 | wc -l)" = 1 ]
	# The other way: what was undone together was one after the other.
	in_box true
	in_box 'echo 4 >c'
	gsh undo -s s 2
	gsh diff -s s --name-status 1 5 | grep -q "^A.*$PWD/c$"
	[ -z "$(gsh diff -s s --name-status 4 5)" ]
	run -0 gsh diff -s s --name-status 5 6
	[[ $output == M*c ]]
}

@test "undo offers to end the processes that the undone command started, and no others" {
	in_box 'echo 1 >a; sleep 1001 >/dev/null 2>&1 &'
	in_box 'sleep 1002 >/dev/null 2>&1 &'
	in_box 'echo 2 >a; sh -c "sleep 1003 & sleep 1004 & wait" >/dev/null 2>&1 & setsid sh -c "echo >up; exec sleep 1005" >/dev/null 2>&1 &
		until [ -e up ]; do sleep 0.01; done'
	running() { gsh ps s --json | jq -r '.items[].cmdline | join(" ")' | grep -o '^sleep 100.$' | sort | paste -sd' '; }
	run -2 gsh undo -s s --end --keep
	# Nobody to ask: named, and left.
	gsh undo -s s </dev/null 2>"$BOX/err"
	grep -q '4 processes that it started still run' "$BOX/err"
	grep -q 'sleep 1005' "$BOX/err"
	grep -q 'sleep 100[12]' "$BOX/err" && false
	[ "$(running)" = 'sleep 1001 sleep 1002 sleep 1003 sleep 1004 sleep 1005' ]
	gsh redo -s s
	gsh undo -s s --keep 2>"$BOX/err"
	grep -q process "$BOX/err" && false
	gsh redo -s s
	# At a terminal: asked; no is the default.
	echo | script -qec "$GSH undo -s s" /dev/null >"$BOX/out"
	grep -q 'End them first' "$BOX/out"
	[ "$(running)" = 'sleep 1001 sleep 1002 sleep 1003 sleep 1004 sleep 1005' ]
	gsh redo -s s
	echo y | script -qec "$GSH undo -s s" /dev/null >"$BOX/out"
	[ "$(running)" = 'sleep 1001 sleep 1002' ]
	in_box 'cat a' | grep -qx 1
	# One that ends on no word; of the op before, which is the next to be undone.
	in_box 'echo 3 >a; (trap "" TERM; echo >deaf; exec sleep 1006) >/dev/null 2>&1 &
		until [ -e deaf ]; do sleep 0.01; done'
	gsh undo -s s --end 2>"$BOX/err"
	grep -q 'ended 1 process$' "$BOX/err"
	gsh undo -s s -e 2>"$BOX/err"
	grep -q 'ended 1 process$' "$BOX/err"
	[ "$(running)" = 'sleep 1002' ]
	in_box 'test ! -e a'
}

@test "threads, forks and spawned programs go on while layers come, go and come back" {
	cat >work.py <<-'PY'
	import os, subprocess, sys, threading
	bad = []
	def files(k):
	    d = 't%d' % k
	    os.makedirs(d, exist_ok=True)
	    for i in range(150):
	        p, q = '%s/%d' % (d, i), '%s/r%d' % (d, i)
	        with open(p, 'w') as f: f.write(str(i))
	        os.rename(p, q)
	        if open(q).read() != str(i): bad.append(q)
	        if i % 3 == 0: os.unlink(q)
	        elif i % 3 == 1: os.link(q, p)
	def programs():
	    for i in range(25):
	        r = subprocess.run(['/bin/sh', '-c', 'echo %d >s%d; cat s%d' % (i, i, i)], stdout=subprocess.PIPE)
	        if r.stdout != b'%d\n' % i: bad.append(r)
	def forks():
	    for i in range(25):
	        pid = os.fork()
	        if not pid:
	            open('f%d' % i, 'w').write('x')
	            os._exit(0 if os.path.exists('f%d' % i) else 1)
	        if os.waitpid(pid, 0)[1]: bad.append(i)
	ts = [threading.Thread(target=files, args=(k,)) for k in range(3)] + [threading.Thread(target=programs)]
	[t.start() for t in ts]; [t.join() for t in ts]
	forks()
	print(len(bad), bad[:3], sum(len(os.listdir('t%d' % k)) for k in range(3)), len([n for n in os.listdir('.') if n[0] in 'sf']))
	PY
	gsh -s s -c 'python3 work.py' >"$BOX/out" 2>&1 &
	local job=$! i=0
	while kill -0 $job 2>/dev/null && [ $i -lt 25 ]; do
		i=$((i + 1))
		in_box "echo $i >n$i"
		[ $((i % 5)) != 0 ] || { in_box 'echo x >nspare'; gsh snapshot -s s "at$i" >/dev/null; }
	done
	wait $job || true
	cat "$BOX/out"
	[ "$(cat "$BOX/out")" = "0 [] 450 50" ]
	in_box 'ls t0 | wc -l; ls n[0-9]* | wc -l' | paste -sd' ' | grep -qx "150 $i"
}

descendants() {
	local p
	for p in $(pgrep -P "$1"); do
		echo "$p"
		descendants "$p"
	done
}

# host_calls BOX: of 20 programs that are started in it, one after the other.
host_calls() {
	local tracer p pids=()
	for p in $(descendants "$(gsh ls --json | jq '.items[] | select(.name == "'"$1"'").pid')"); do
		pids+=(-p "$p")
	done
	strace -f -qq -o "$BOX/trace" "${pids[@]}" 2>/dev/null &
	tracer=$!
	sleep 0.5
	gsh -s "$1" -c 'i=0; while [ $i -lt 20 ]; do /bin/true; i=$((i + 1)); done' >/dev/null
	kill "$tracer"
	wait "$tracer" || true
	grep -cE '^[0-9]+ +[a-z0-9_]+\(' "$BOX/trace"
}

@test "with 30 layers, what runs makes hardly more host calls than with one" {
	strace -f -o /dev/null true 2>/dev/null || skip "this host does not let strace trace (ptrace)"
	gsh -s few -c true
	for i in $(seq 30); do in_box "echo $i >f$i"; done
	[ "$(layers)" -ge 30 ]
	sleep 3 # what lies in sealed layers is told a second after the last
	few=$(host_calls few)
	many=$(host_calls s)
	echo "one layer: $few, 30 layers: $many"
	[ "$many" -le $((few + few / 4)) ]
}

@test "--json answers fit their schemas" {
	in_box 'echo 1 >a; mkdir d; ln -s a d/l'
	in_box 'rm a; false' || true
	in_box true
	gsh undo -s s
	gsh log -s s --json | "$BATS_TEST_DIRNAME/tools/json-check"
	gsh show -s s 1 --json | "$BATS_TEST_DIRNAME/tools/json-check"
	gsh show -s s 3 --json | "$BATS_TEST_DIRNAME/tools/json-check"
}

@test "fifos, hard links, locks and open files are one over ops" {
	in_box 'mkfifo p; echo 1 >a; ln a b; mkdir d; ln a d/c; touch l'
	in_box 'setsid sh -c "cat p >got" </dev/null >/dev/null 2>&1 &'
	in_box 'echo through >p'
	in_box 'echo 2 >>a; ls -i a b d/c | awk "{print \$1}" | sort -u | wc -l; stat -c %h b' >"$BOX/links"
	[ "$(paste -sd' ' "$BOX/links")" = "1 3" ]
	[ "$(in_box 'cat b; cat d/c')" = $'1\n2\n1\n2' ]
	until_true 10 eval '[ "$(gsh cat s:got)" = through ]'
	# A server that goes on writing, and one that holds a lock.
	in_box 'setsid sh -c "exec 3>>log 4>l; flock 4; touch ready; until [ -e end ]; do sleep 0.1; done; echo last >&3" </dev/null >/dev/null 2>&1 &
		until [ -e ready ]; do sleep 0.1; done'
	in_box 'echo first >>log'
	run -1 in_box 'flock -n l true'
	in_box 'touch end; until flock -n l true; do sleep 0.1; done'
	[ "$(gsh cat s:log)" = $'first\nlast' ]
	gsh undo -s s 99
	[ "$(in_box 'ls | wc -l')" = 0 ]
}

@test "a directory moved several times keeps what earlier layers have of it" {
	mkdir -p d p/in
	echo a | tee d/f >p/in/f
	gsh -s s -c 'touch first'
	gsh -s s -c 'touch second; mv p q'
	gsh -s s -c 'mv d x; mv x y; mv q/in z; mv z w; touch third'
	run gsh -s s -c 'cat y/f w/f; mv y v; mv v d; touch fourth'
	[ "$output" = $'a\na' ]
	run gsh -s s -c 'cat d/f w/f'
	[ "$output" = $'a\na' ]
}

@test "a snapshot keeps what later ops and undo change" {
	in_box 'echo 1 >a; mkdir d; echo x >d/x'
	[ "$(gsh snapshot -s s first)" = first ]
	run -4 gsh snapshot -s s first
	run -2 gsh snapshot -s s 12
	run -2 gsh snapshot -s s now
	in_box 'echo 2 >a; rm -r d'
	gsh diff -s s --name-status first now | sort >"$BOX/diff"
	grep -q "^D	$PWD/d/x" "$BOX/diff"
	grep -q "^M	$PWD/a" "$BOX/diff"
	gsh undo -s s 2
	in_box 'echo 3 >b'
	in_box 'echo 4 >>b'
	gsh diff -s s --name-status first now >"$BOX/diff"
	grep -q "^D	$PWD/a" "$BOX/diff"
	gsh log --json s | jq -e '.items | length == 4' >/dev/null
}

@test "a store of the first format goes on, its files below the first op" {
	echo base >b
	in_box 'echo old >a'
	gsh stop --all
	cd "$BOX/store/boxes/s"
	mv tree/top/0001 tree/layers/0001
	rmdir tree/top undone kept trash snapshots
	rm journal
	jq '.schema = "gsh.box/1" | .layers = ["layers/0001"]' spec.json >new && mv new spec.json
	echo 'gsh-store 1' >"$BOX/store/VERSION"
	cd "$BOX/work/h"
	in_box 'cat a' | grep -qx old
	in_box 'echo new >a'
	gsh undo -s s
	in_box 'cat a b' | paste -sd' ' | grep -qx 'old base'
	run -1 gsh undo -s s
	grep -qx 'gsh-store 2' "$BOX/store/VERSION"
}

@test "a change of layers that a crash interrupted is carried through at the next start" {
	for i in 1 2 3; do in_box "echo $i >a$i"; done
	gsh stop --all
	cd "$BOX/store/boxes/s"
	# Undo of two, of which one was done; an op whose seal is missing; a torn line of the journal.
	mv tree/layers/0002 undone/ 2>/dev/null || mv tree/top/0002 undone/
	echo '{"do":"undo","layers":[3,2]}' >pending
	mkdir tree/top/0004
	printf '{"op":9,"lay' >>journal
	cd "$BOX/work/h"
	in_box 'ls' | paste -sd' ' | grep -qx 'a1'
	[ ! -e "$BOX/store/boxes/s/pending" ]
	[ "$(ls "$BOX/store/boxes/s/tree/top")" = 0004 ]
	gsh redo -s s 2
	in_box 'ls' | paste -sd' ' | grep -qx 'a1 a2 a3'
	gsh log s | tail -1 | grep -q 'echo 1 >a1$'
}

# What the tree below this directory holds, by whoever looks at it.
listing() {
	(cd "$1" && find . -mindepth 1 \( -type f -printf '%p %m ' -exec sha256sum {} \; \) -o -type l -printf '%p %l\n' -o \
		-type d -printf '%p %m/\n' | LC_ALL=C sort)
}

inside() {
	in_box "find . -mindepth 1 \\( -type f -printf '%p %m ' -exec sha256sum {} \\; \\) -o -type l -printf '%p %l\\n' -o \
		-type d -printf '%p %m/\\n' | LC_ALL=C sort"
}

# Random changes below the current directory, by a program: the same ones for the same seed. perl's own rand is seeded.
changer() {
	cat <<-'PERL'
	use strict; no warnings; use File::Path qw(make_path remove_tree);
	my ($seed, $n) = @ARGV; srand($seed);
	sub clear { my $p = shift; if (-d $p && !-l $p) { remove_tree($p) } else { unlink $p } }
	sub put { my ($p, $t) = @_; open my $f, '>', $p or return; print $f $t; close $f }
	for my $i (1 .. $n) {
		my ($d, $e) = map { 'd' . int(rand 4) } 1, 2;
		my ($f, $g) = map { $_ . '/' . substr('abcdef', int(rand 6), 1) } $d, $e;
		my $k = int(rand 11);
		if ($k < 3) { make_path($d); clear($f); put($f, "$seed.$i\n") }
		elsif ($k == 3) { if (-f $f) { open my $h, '>>', $f; print $h "more\n"; close $h } }
		elsif ($k == 4) { clear($f) }
		elsif ($k == 5) { clear($d) if rand() < 0.3 }
		elsif ($k == 6) { if (-f $f) { make_path($e); clear($g) if $f ne $g; rename $f, $g } }
		elsif ($k == 7) { make_path($d); clear($f); symlink $e, $f }
		elsif ($k == 8) { chmod((rand() < 0.5 ? 0600 : 0755), $f) if -f $f && !-l $f }
		elsif ($k == 9) { make_path($d); clear($f); make_path("$f/s/t"); put("$f/s/t/u", "$i\n") }
		else { if (-f $f && !-l $f && $f ne $g) { make_path($e); clear($g); open my $h, '<', $f; put($g, join '', <$h>) } }
	}
	PERL
}

few_layers() {
	[ "$(layers)" -le 35 ]
}

@test "old ops are joined while processes run in their files, and nobody notices" {
	cat >"$BOX/watch.py" <<-'PY'
	import mmap, os, sys, time
	os.chdir("old/sub")
	f, m = open("f"), mmap.mmap(os.open("m", os.O_RDONLY), 0, prot=mmap.PROT_READ)
	d = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
	was = [(os.stat(p).st_ino, os.stat(p).st_mtime_ns, os.stat(p).st_mode) for p in (".", "..", "f", "m", "../up", "both")]
	listed = sorted(os.listdir("."))
	open("../../ready", "w").close()
	n = 0
	while not os.path.exists("../../stop"):
	    n += 1
	    assert was == [(os.stat(p).st_ino, os.stat(p).st_mtime_ns, os.stat(p).st_mode) for p in (".", "..", "f", "m", "../up", "both")], n
	    assert sorted(os.listdir(".")) == sorted(os.listdir(d)) == listed, n
	    assert open("f").read() == "text\n" and open("both/new").read() == "2\n" and not os.path.exists("gone"), n
	    assert m[:3] == b"map" and os.fstat(f.fileno()).st_ino == was[2][0], n
	    e = {x.name: x.inode() for x in os.scandir(".")}
	    assert e["f"] == was[2][0] and e["both"] == was[5][0], (e, was)
	f.seek(0)
	open("../up/done", "w").write(f"{f.read()}{os.getcwd()}\n{n > 1}\n")
	PY
	in_box 'mkdir -p old/sub/both old/up; echo text >old/sub/f; echo map >old/sub/m; echo 1 >old/sub/both/new; echo x >old/sub/gone'
	in_box 'chmod 711 old/sub/both; rm old/sub/gone; echo 2 >old/sub/both/new'
	in_box "exec python3 - <<'EOF' >/dev/shm/log 2>&1 &
$(cat "$BOX/watch.py")
EOF"
	until_true 50 in_box 'test -e ready' || { in_box 'cat /dev/shm/log'; false; }
	for i in $(seq 45); do in_box "echo $i >f$i; rm -f f$((i - 3))"; done
	until_true 90 few_layers
	grep -q joined "$BOX/store/boxes/s/pending" 2>/dev/null || [ ! -e "$BOX/store/boxes/s/pending" ]
	gsh log s | grep -q squashed
	in_box 'touch stop'
	until_true 30 in_box 'test -e old/up/done' || { in_box 'cat /dev/shm/log'; false; }
	in_box 'cat old/up/done /dev/shm/log' | diff - <(printf 'text\n%s\nTrue\n' "$PWD/old/sub")
	[ "$(in_box 'ls f*' | wc -w)" = 3 ]
	# What is left can be undone, what was joined cannot.
	gsh undo -s s 2
	run gsh undo -s s 60
	[ "$(in_box 'cat old/sub/both/new')" = 2 ]
	# They are deleted some time after, but for as long as somebody may be stopped in the middle of something.
	[ -n "$(ls "$BOX/store/boxes/s/trash")" ]
	in_box 'sleep 1000 >/dev/null 2>&1 & kill -STOP $!; echo $!' >"$BOX/stopped"
	touch -d '1 minute ago' "$BOX/store/boxes/s/trash"
	gsh gc s
	[ -n "$(ls "$BOX/store/boxes/s/trash")" ]
	in_box "kill -KILL $(cat "$BOX/stopped")"
	gsh gc s
	[ -z "$(ls "$BOX/store/boxes/s/trash")" ]
	in_box 'test -e old/sub/f'
}

@test "old layers are joined under who stands in a directory where names change" {
	# Its directory lies in the uppermost layers, whose places are empty once those below are one.
	in_box 'echo >n0'
	while [ "$(layers)" -lt 37 ]; do in_box "echo >n$((++n))"; done
	gsh run -s s -- "$TREE/build/tests/renames" in &
	job=$!
	until_true 20 in_box 'test -e in/f'
	while [ "$(layers)" -lt 40 ]; do in_box "echo >n$((++n))"; done
	# With the next there are too many, and its beginning begins the joining.
	in_box 'echo >begin; sleep 1'
	until_true 90 few_layers
	in_box 'sleep 0.5; echo >end'
	wait $job
}

@test "thousands of random changes, with undo, redo and joining, are those of a plain directory and of the kernel's overlay" {
	mkdir -p d0/s d1
	echo base >d0/a
	echo base >d1/b
	echo base >d0/s/x
	chmod 640 d1/b
	cp -a . "$BOX/model"
	mkdir "$BOX/was"
	changer >"$BOX/changer"
	local i
	for i in $(seq 1 44); do
		cp -a "$BOX/model" "$BOX/was/$((i - 1))"
		(cd "$BOX/model" && perl "$BOX/changer" "$i" 60 && echo "$i" >op)
		gsh run -s s -- sh -c "perl - $i 60 && echo $i >op" <"$BOX/changer"
		if [ $((i % 11)) = 0 ]; then
			diff <(listing "$BOX/model") <(inside)
			gsh undo -s s 3
			diff <(listing "$BOX/was/$((i - 3))") <(inside)
			gsh redo -s s 3
			diff <(listing "$BOX/model") <(inside)
		fi
		[ "$i" != 20 ] || gsh snapshot -s s twenty
	done
	# Those beyond are joined while it runs.
	until_true 90 few_layers
	diff <(listing "$BOX/model") <(inside)
	gsh stop --all
	overlay
	diff <(listing "$BOX/model") <(inside)
	[ "$(layers)" -le 35 ]
	gsh log s | grep -q 'squashed'
	gsh undo -s s 4
	diff <(listing "$BOX/was/40") <(inside)
	gsh redo -s s 4
	run -0 gsh diff -s s --name-status twenty now
	gsh stop --all
	overlay
}

# The view of the stopped sandbox that overlayfs has, where a user may mount one.
overlay() {
	local kind status
	for kind in kernel fuse; do
		status=0
		"$TESTS/tools/overlaid" $kind "$BOX/store/boxes/s" "$PWD" "$BOX/mnt" "find . -mindepth 1 \\( -type f -printf '%p ' -exec sha256sum {} \\; \\) -o \
			-type l -printf '%p %l\\n' -o -type d -printf '%p/\\n' | LC_ALL=C sort" >"$BOX/seen" || status=$?
		[ $status != 77 ] || { echo "# no overlayfs of the $kind's is to be mounted here" >&3; continue; }
		[ $status = 0 ]
		diff <(listing "$BOX/model" | sed -E 's/^(.*) [0-7]+ ([0-9a-f]{64})/\1 \2/; s| [0-7]+/$|/|') "$BOX/seen"
	done
}
