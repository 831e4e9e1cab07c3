#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# gsh inside a sandbox: a few verbs about that sandbox, answered by the host's gsh through /dev/gsh; and what nobody inside
# may have by it.
# shellcheck disable=SC2154 # stderr: of run --separate-stderr

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
load lib.bash

setup() {
	box_setup
	cat >ask.py <<-'PY'
	import errno, os, struct, sys, time
	# What a program of its own asks: words, or bytes as they stand.
	def ask(words=None, raw=None):
	    for i in range(200):
	        try:
	            fd = os.open('/dev/gsh', os.O_RDWR)
	            break
	        except OSError as e:
	            assert e.errno == errno.EBUSY, e
	            time.sleep(0.05)
	    blob = b''.join(w.encode() + b'\0' for w in words) if raw is None else b''
	    try:
	        os.write(fd, struct.pack('<I', len(blob)) + blob if raw is None else raw)
	    except OSError as e:
	        print('write:', e.strerror)
	    out = {'1': b'', '2': b'', 's': b''}
	    left = b''
	    while True:
	        try:
	            data = os.read(fd, 65536)
	        except OSError as e:
	            print('read:', e.strerror)
	            break
	        if not data:
	            break
	        left += data
	    os.close(fd)
	    while len(left) >= 5:
	        kind, n = chr(left[0]), struct.unpack('<I', left[1:5])[0]
	        out[kind] += left[5:5 + n]
	        left = left[5 + n:]
	    return out['s'][0] if out['s'] else None, (out['1'] + out['2']).decode()
	PY
}

teardown() {
	cd / || return 1
	box_teardown
}

gsh() {
	timeout 60 "$GSH" "$@"
}

@test "status, diff, log, show, why and snapshot are about the sandbox that one is in" {
	gsh run -s b -- sh -c 'mkdir d; echo 1 >d/a'
	gsh run -s b -- sh -c 'echo 2 >d/a; echo b >b'
	run -0 gsh run -s b -- sh -c 'gsh -q status; gsh diff --name-status 1 2; cd d; gsh diff -- a | tail -1; gsh log -q -n 2
		gsh show 2 | sed -n 2p; gsh snapshot kept; gsh diff --exit-code kept now; echo $?
		gsh status --json | cut -c 1-20; gsh version | cut -c 1-3; gsh help status | head -1'
	assert_output - <<OUT
$BOX/work/b
$BOX/work/d
$BOX/work/d/a
A	$BOX/work/b
M	$BOX/work/d/a
+2
3
2
command    echo 2 >d/a; echo b >b
kept
0
{"schema":"gsh.statu
gsh
usage: gsh status [-s NAME] [--json] [NAME]
OUT
	run gsh diff -s b kept now
	assert_success
	assert_output ""
	# The output is a program's, not a terminal's.
	run -0 gsh run -s b -- sh -c 'gsh status --color=always -h >/dev/null; gsh status | grep -c /b'
	assert_output 1
}

@test "undo and redo from inside: files are back for those who run, and the log tells" {
	gsh run -s b -- sh -c 'echo 1 >a'
	gsh run -s b -- sh -c 'echo 2 >a; echo b >b'
	run -0 gsh run -s b -- bash -c 'for i in 1 2 3 4 5; do gsh -q undo; cat a b; gsh -q redo; cat a b; done 2>&1'
	assert_equal "$(sort <<<"$output" | uniq -c | awk '{ $1 = $1; print }')" "5 1
5 2
5 b
5 cat: b: No such file or directory"
	run -0 gsh run -s b -- bash -c 'gsh undo; gsh log -n 3 | cut -f 5'
	assert_line --partial "undone: +1 file"
}

@test "what is for the host, or about another sandbox, is refused, and nothing of it is done" {
	gsh run -s other -- sh -c 'echo secret >s'
	gsh run -s b -- sh -c 'echo x >x'
	run -0 gsh run -s b -- sh -c 'for words in "commit -y" "stop" "rm other" "run -- id" "allow net example.org:443" "bind /" "export -o f" "cp :x /tmp/y" \
			"config show" "ls" "info" "attach" "mount" "daemon stop" "inside -s other" "restore -s 1 -- x" "kill 1" "set --memory=1M" \
			"status other" "status -s other" "-s other status" "diff other@" "diff base other@now" "diff --progress=json" "log other" \
			"show 1 2" "snapshot a/b" "snapshot -x" "undo 1x" "denials other" "trace ls" "try ls" "gc" "clone b c" "edit x" "doctor"; do
		gsh $words >out 2>&1; echo "$? $(head -n 1 out)"
	done'
	assert_equal "$(grep -vc '^[25] gsh: .*\(not from inside\|is not for inside\|takes\|unknown option\|is missing\|E_USAGE\)' <<<"$output")" 0
	refute_output --partial secret
	assert_line "5 gsh: commit: not from inside a sandbox [E_REFUSED]"
	[ ! -e x ]
	run -0 gsh ls -q
	assert_output $'b\nother'
	run -4 gsh run -s b -- gsh
	assert_output --partial "gsh: b: this is inside of it already"
}

@test "what is hidden inside is not shown by the host's gsh either" {
	export HOME=$BOX/home
	mkdir -p "$HOME/.ssh"
	echo "the key" >"$HOME/.ssh/id"
	run gsh run -s b -- sh -c "rm -rf '$HOME/.ssh'; mkdir -p '$HOME/.ssh'; echo mine >'$HOME/.ssh/id'; gsh diff; gsh diff base now -- '$HOME/.ssh/id'; gsh diff now base"
	refute_output --partial "the key"
	assert_output --partial mine
}

@test "who asks for something else than a question gets nothing, and is in nobody's way" {
	cat >>ask.py <<-'PY'
	print('begin')
	print(ask(raw=struct.pack('<I', 1 << 30)))
	print(ask(raw=struct.pack('<I', 65536) + b'\0' * 65536))
	print(ask(raw=struct.pack('<I', 4) + b'abcd')[0])
	print(ask(words=['status'] + ['--json'] * 190)[0] in (0, 2, 5))
	print(ask(words=['diff', '--', '../../etc/passwd', '-s', '\x1b]0;x\x07']))
	print(ask(words=['status', '--color=always\n', '\x1b[2J'])[0])
	# Few at a time: who opens and says nothing has them all.
	held = []
	try:
	    while len(held) < 100:
	        held.append(os.open('/dev/gsh', os.O_RDWR))
	except OSError as e:
	    print(0 < len(held) < 5, e.strerror)
	for fd in held:
	    os.close(fd)
	print(ask(words=['status', '-q']))
	PY
	run -0 gsh run -s b -- /usr/bin/python3 ask.py
	assert_line --index 0 begin
	assert_line --index 1 "(None, '')"
	assert_line --index 2 "(None, '')"
	assert_line --index 3 2
	assert_line --index 4 True
	assert_line --index 5 --partial "(5, "
	refute_output --partial $'\e'
	assert_line "True Device or resource busy"
	assert_line "(0, '')"
	run -0 gsh run -s b -- sh -c 'ls -l /dev/gsh | cut -c 1-10; ls /dev | grep -x gsh'
	assert_output $'crw-rw-rw-\ngsh'
}

@test "at a terminal inside, lists are tables with a head and a patch has colours" {
	gsh run -s b -- sh -c 'echo 1 >a'
	run -0 gsh run -s b -e TERM=xterm -- python3 -c 'import pty; pty.spawn(["gsh", "status"])'
	assert_line --partial "CHANGE"
	assert_output --partial $'\033[1m'
	assert_line --regexp "A +f +2  $BOX/work/a"
	run -0 gsh run -s b -e TERM=xterm -e NO_COLOR=1 -- python3 -c 'import pty; pty.spawn(["gsh", "status"])'
	assert_line --partial "CHANGE"
	refute_output --partial $'\033['
	run -0 gsh run -s b -e TERM=xterm -- python3 -c 'import pty; pty.spawn(["gsh", "diff"])'
	assert_output --partial $'\033[32m+1'
	# Not a terminal: lines for scripts.
	run -0 gsh run -s b -- sh -c 'gsh status'
	assert_output "$(printf 'A\tf\t2\t%s' "$BOX/work/a")"
	# What the words say is no more than that.
	gsh run -s b -- tee ask.py <ask.py >ask.out
	run -0 gsh run -s b -- python3 -c 'from ask import ask; print(*ask(["--reader=7", "status"])); print(*ask(["--reader=x"])); print(*ask(["--reader=7", "--reader=7", "status"]))'
	assert_line --partial "CHANGE"
	assert_line --partial "--reader"
}
