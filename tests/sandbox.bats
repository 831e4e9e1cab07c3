#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# A sandbox's life: what stays, what the host keeps, what is passed through, sudden deaths, bad input, full disks.

bats_require_minimum_version 1.5.0
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

# The pid of this place's gshd, or of its gsh-monitor NAME.
pid_of() {
	local pid
	for pid in $(pgrep -u "$(id -u)" -x "$1"); do
		grep -qzF "$BOX" "/proc/$pid/environ" 2>/dev/null || continue
		[ -z "${2-}" ] || grep -qzx -- "$2" "/proc/$pid/cmdline" || continue
		echo "$pid"
		return 0
	done
	return 1
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

# ---- what stays, and what the host keeps ----

@test "the host's files are as they were, whatever is done inside" {
	mkdir -p t/a t/b
	echo one >t/a/one
	ln t/a/one t/b/hard
	ln -s ../a/one t/b/soft
	before=$(tree_hash "$BOX/work"; tree_hash /etc/default/useradd /etc/skel)
	gsh -s s -c 'cd t; echo changed > a/one; rm b/soft; mv a c; mkdir new; chmod 700 b; touch -d @0 b; ln c/one new/l; rm -rf b
		echo x >> /etc/default/useradd; find . -delete; true' || true
	[ "$before" = "$(tree_hash "$BOX/work"; tree_hash /etc/default/useradd /etc/skel)" ]
}

@test "files stay over stop and start, and over the death of gshd" {
	gsh -s s -c 'echo kept > f; mkdir d; mv d e; ln f g'
	gsh stop -s s
	run gsh -s s -c 'cat f; ls -d e; stat -c %h g'
	[ "$output" = $'kept\ne\n2' ]
	kill -KILL "$(pid_of gshd)"
	run gsh -s s -c 'cat f'
	[ "$output" = kept ]
}

@test "two sandboxes know nothing of each other" {
	gsh -s a -c 'echo a > f; sleep 300 & echo $! > /dev/shm/pid'
	run gsh -s b -c 'ls f /dev/shm/pid; ps -ef | grep -c "[s]leep 300"'
	[[ "$output" == *"cannot access 'f'"* ]]
	[[ "$output" == *"cannot access '/dev/shm/pid'"* ]]
	[ "${lines[-1]}" = 0 ]
	gsh -s b -c 'echo b > f'
	run gsh -s a -c 'cat f'
	[ "$output" = a ]
}

@test "-x leaves nothing" {
	run gsh run -x -- sh -c 'echo x > f; cat f; exit 9'
	[ "$status" -eq 9 ]
	[ "$output" = x ]
	[ ! -e f ]
	wait_until 30 sh -c "[ -z \"\$('$GSH' ls 2>/dev/null)\" ]"
	wait_until 30 sh -c "[ -z \"\$(ls -A '$BOX/store/boxes')\" ]"
}

@test "rm removes a sandbox and its files; a running one only by force" {
	gsh -s s -c 'echo x > f'
	gsh stop -s s
	gsh rm -s s
	[ ! -e "$BOX/store/boxes/s" ]
	run gsh -s s -c 'cat f'
	[ "$status" -eq 1 ]
	gsh -s s -c 'sleep 200 &'
	run gsh rm -s s
	[ "$status" -eq 4 ]
	gsh -s s -c true
}

# ---- passing through ----

@test "bytes pass unchanged through standard input and output" {
	head -c 3000000 /dev/urandom >in
	gsh run -s s -- cat <in | cmp - in
	gsh run -s s -- sh -c 'cat >&2' <in 2>&1 >/dev/null | cmp - in
	gsh run -s s -- cat in | cmp - in
	gsh run -s s -- tee out <in | cmp - in
	gsh run -s s -- cat out | cmp - in
}

@test "arguments, environment, directory, umask pass untouched" {
	run gsh run -s s -- printf '<%s>' 'two words' '' "a
b" '*' '$x' '--' -x
	[ "$output" = "<two words><><a
b><*><\$x><--><-x>" ]
	mkdir -p "deep/er dir"
	cd "deep/er dir"
	run gsh run -s s -- pwd
	[ "$output" = "$BOX/work/deep/er dir" ]
	umask 027
	run gsh run -s s -- sh -c umask
	[ "$output" = 0027 ]
	run gsh run -s s -e 'A=x y' -- sh -c 'echo "$A"'
	[ "$output" = 'x y' ]
}

@test "a megabyte of arguments and of environment" {
	args=()
	for ((i = 0; i < 10000; i++)); do args+=("argument-number-$i-with-some-length-to-it-0123456789012345678901234567890123456789"); done
	run gsh run -s s -- sh -c 'echo $# "${10000}"' x "${args[@]}"
	[ "$output" = "10000 ${args[9999]}" ]
}

@test "exit codes" {
	for code in 0 1 2 77 124 125 126 127 128 200 255; do
		run gsh run -s s -- sh -c "exit $code"
		[ "$status" -eq "$code" ]
	done
	for sig in 1 2 9 11 15; do
		run gsh run -s s -- sh -c "kill -$sig \$\$"
		[ "$status" -eq $((128 + sig)) ]
	done
	run gsh run -s s -- no-such-command
	[ "$status" -eq 127 ]
	run gsh run -s s -- /etc/passwd
	[ "$status" -eq 126 ]
	run gsh run -s s -- /etc
	[ "$status" -eq 126 ]
	run gsh -s s -c 'no-such-command'
	[ "$status" -eq 127 ]
	run gsh stop -s nobody
	[ "$status" -eq 3 ]
	run gsh no-such-verb
	[ "$status" -eq 2 ]
	run gsh run -s s --no-such-option -- true
	[ "$status" -eq 125 ] || [ "$status" -eq 2 ]
}

@test "descriptors: three and no more" {
	exec 7</dev/null
	run gsh run -s s -- sh -c 'ls /proc/self/fd | wc -l'
	exec 7<&-
	[ "$output" -le 4 ]
	# With standard input closed, a command still runs, and reads nothing.
	run bash -c "'$GSH' run -s s -- sh -c 'cat; echo ran' <&- 2>/dev/null"
	[ "${lines[-1]}" = ran ]
}

@test "^C of a script's terminal is not needed: a signal to gsh reaches the command" {
	gsh run -s s -- true
	timeout -s TERM 1 "$GSH" run -s s -- sleep 100 && false || status=$?
	wait_until 30 sh -c "! '$GSH' ps -s s | grep -q 'sleep 100'"
}

# ---- sudden deaths ----

start_long_job() {
	gsh run -s s -- sh -c 'for i in $(seq 60); do echo $i >> progress; sleep 0.05; done; echo done >> progress' &
	job=$!
	wait_until 60 sh -c "'$GSH' run -s s -- test -s progress"
}

job_is_whole() {
	wait_until 150 sh -c "'$GSH' run -s s -- grep -q done progress"
	run gsh run -s s -- sh -c 'wc -l < progress; sort -n progress | uniq -d | wc -l'
	[ "$output" = $'61\n0' ]
}

@test "kill -9 of gshd: the command goes on, a new gshd finds the sandbox" {
	start_long_job
	old=$(pid_of gshd)
	kill -KILL "$old"
	run gsh ls
	[ "$status" -eq 0 ]
	[[ "$output" == *s*running* ]]
	[ "$(pid_of gshd)" != "$old" ]
	run gsh ps -s s
	[[ "$output" == *progress* ]]
	job_is_whole
	wait "$job"
}

@test "kill -9 of gsh: the command goes on" {
	start_long_job
	pkill -KILL -P "$job" 2>/dev/null || kill -KILL "$job"
	wait "$job" 2>/dev/null || true
	job_is_whole
}

@test "kill -9 of gsh and gshd at once" {
	start_long_job
	pkill -KILL -P "$job" 2>/dev/null || true
	kill -KILL "$(pid_of gshd)"
	wait "$job" 2>/dev/null || true
	job_is_whole
}

@test "kill -9 of a monitor: its processes end, its files stay, the next command starts it anew" {
	gsh -s s -c 'echo kept > f; sleep 321 & sleep 0.1'
	monitor=$(pid_of gsh-monitor s)
	kill -KILL "$monitor"
	wait_until 50 gone "$monitor"
	run gsh -s s -c 'cat f; ps -ef | grep -c "[s]leep 321"'
	[ "${lines[0]}" = kept ]
	[ "${lines[1]}" = 0 ]
}

@test "kill -9 of the sandbox's first process is told as a death, and mends" {
	gsh -s s -c 'echo kept > f'
	leader=$(gsh info -s s --json | sed -n 's/.*"leader" *: *\([0-9]*\).*/\1/p')
	kill -KILL "$leader"
	wait_until 50 gone "$leader"
	BOX_TIMEOUT=20 run gsh -s s -c 'cat f'
	[ "$output" = kept ]
}

@test "who is killed together with the parent that waits for it is gone, too" {
	cat >"$BOX/both" <<-'EOF'
		for i in 1 2 3 4 5 6 7 8 9 10; do
			(while :; do sleep 0.1; done) & parent=$!
			sleep 0.15
			kill -KILL $parent $(ps -o pid= --ppid $parent)
		done 2>/dev/null
		wait
		for ((i = 0; i < 50; i++)); do
			pgrep -x sleep >/dev/null || exit 0
			sleep 0.1 & wait $!
		done
		ps -ef
		exit 1
	EOF
	gsh run -s s -- bash "$BOX/both"
}

@test "signals get through when the host's queue for them is full" {
	(
		ulimit -i 0 # for all that this gsh starts
		output=$("$GSH" run -s s -- python3 -c '
import os, signal, threading, time
got = []
signal.signal(signal.SIGUSR1, lambda s, f: got.append(s))
child = os.fork()
if not child:
    time.sleep(100)
    os._exit(1)
time.sleep(0.2)
os.kill(child, signal.SIGTERM)
print(os.waitpid(child, 0)[1], flush=True)
child = os.fork()
if not child:
    os.kill(os.getppid(), signal.SIGUSR1)
    os._exit(0)
os.waitpid(child, 0)
t = threading.Thread(target=lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1))
t.start()
t.join()
time.sleep(0.01)
print(got, flush=True)
threading.Thread(target=threading.Event().wait, daemon=True).start()
os._exit(0)')
		echo "$output"
		[ "$output" = $'15\n[10, 10]' ]
	)
}

@test "what the user makes outside while it runs can be read inside" {
	gsh -s s -c 'ls >/dev/null'
	mkdir late
	echo new >late/f
	# Beside the store, where Landlock has no rule for the directory as a whole.
	echo newer >"$BOX/late"
	mv "$BOX/late" "$BOX/later"
	run gsh -s s -c "cat late/f '$BOX/later'; ls '$BOX/work/late'; cp '$BOX/later' copy && cat copy; echo own >>'$BOX/later' && cat '$BOX/later'"
	[ "$output" = $'new\nnewer\nf\nnewer\nnewer\nown' ]
	[ "$(cat "$BOX/later")" = newer ]
	run gsh -s s -c "cat '$BOX/store/VERSION'"
	[ "$status" -ne 0 ]
	[[ "$output" != *gsh-store* ]]
}

@test "a crash of one program inside disturbs no other" {
	gsh -s s -c 'sleep 2; echo survived > f' &
	for i in 1 2 3; do gsh -s s -c 'kill -SEGV $$' || true; done
	wait $!
	[ "$(gsh -s s -c 'cat f')" = survived ]
}

# ---- sockets, daemons, names ----

@test "a stale socket of gshd is replaced" {
	gsh -s s -c true
	gsh stop --all
	/usr/bin/python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$BOX/run/gshd.sock"
	/usr/bin/python3 -c 'import os, socket, sys; os.makedirs(os.path.dirname(sys.argv[1]), exist_ok=True); socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$BOX/run/box/s.sock"
	run gsh -s s -c 'echo fine'
	[ "$output" = fine ]
}

@test "a file where the socket should be is not destroyed silently" {
	echo precious >"$BOX/run/gshd.sock"
	run gsh -s s -c 'echo fine'
	if [ "$status" -eq 0 ]; then
		[ "$output" = fine ]
	else
		[[ "$output" == *gshd.sock* ]]
	fi
}

@test "a second gshd says so and leaves the first alone" {
	gsh -s s -c true
	first=$(pid_of gshd)
	run timeout 10 "$TREE/build/bin/gshd" --foreground
	[ "$status" -eq 1 ]
	[[ "$output" == *already* || "$output" == *another* || "$output" == *runs* ]]
	[ "$(pid_of gshd)" = "$first" ]
	gsh -s s -c true
}

@test "twenty first commands at once start one gshd" {
	pids=()
	for i in $(seq 20); do gsh run -s "s$((i % 4))" -- sh -c "echo $i" >"out.$i" & pids+=($!); done
	for p in "${pids[@]}"; do wait "$p"; done
	for i in $(seq 20); do [ "$(cat "out.$i")" = "$i" ]; done
	[ "$(for p in $(pgrep -u "$(id -u)" -x gshd); do grep -qzF "$BOX" "/proc/$p/environ" 2>/dev/null && echo "$p"; done | wc -l)" = 1 ]
}

@test "names that are none" {
	long=$(printf 'n%.0s' $(seq 300))
	for name in a/b .. . '' -x "$long" $'a\nb' 'a b' ../../etc 'ä'; do
		run gsh run -s "$name" -- true
		[ "$status" -eq 125 ] || [ "$status" -eq 2 ]
		[ -n "$output" ]
		run gsh start -s "$name"
		[ "$status" -eq 2 ]
	done
	[ -z "$(ls -A "$BOX/store/boxes" 2>/dev/null)" ]
}

# ---- bad input and want ----

@test "paths of 5,000 bytes" {
	path=$(printf '/%.0sx' $(seq 2500))
	run gsh run -s s -- cat "$path"
	[ "$status" -eq 1 ]
	[[ "$output" == *"File name too long"* ]]
	run gsh run -s s -C "$path" -- true
	[ "$status" -eq 125 ]
	run gsh run -s s -- "$path"
	[ "$status" -eq 126 ] || [ "$status" -eq 127 ]
}

@test "a directory that was named and is not there: nothing runs anywhere else" {
	run gsh run -s s -C /nowhere -- touch /elsewhere
	[ "$status" -eq 125 ]
	[[ "$output" == *"/nowhere: the sandbox cannot start there: No such file or directory"* ]]
	run gsh -s s -C /etc/passwd -c 'touch /elsewhere'
	[ "$status" -eq 125 ]
	[[ "$output" == *"Not a directory"* ]]
	run gsh run -s s -- test -e /elsewhere
	[ "$status" -eq 1 ]
}

@test "files that are no programs" {
	head -c 4096 /dev/urandom >noise
	head -c 300 /bin/true >cut.short
	: >empty
	cp /bin/true arm
	printf '\xb7' | dd of=arm bs=1 seek=18 conv=notrunc status=none
	cp /bin/true hidden
	chmod +x noise cut.short empty arm
	chmod 0 hidden
	for f in noise cut.short arm; do
		run gsh run -s s -- "./$f"
		[ "$status" -eq 126 ]
		[[ "$output" == *"xec format error"* || "$output" == *"annot execute"* ]]
	done
	run gsh run -s s -- ./hidden
	[ "$status" -eq 126 ]
	run gsh run -s s -- cat hidden
	[ "$(id -u)" = 0 ] || [[ "$output" == *"Permission denied"* ]]
	gsh run -s s -- true
}

@test "a store that can't be written, or is of another kind, is refused in a sentence" {
	echo "no directory" >file
	GSH_STORE=$PWD/file/store run gsh -s s -c true
	[ "$status" -eq 125 ]
	[[ "$output" == *"$PWD/file"* ]]
	gsh stop --all || true
	gsh -s s -c 'echo kept > f'
	gsh stop --all
	cp "$BOX/store/VERSION" version.kept
	echo 'written by a later age 99' >"$BOX/store/VERSION"
	run gsh -s s -c true
	[ "$status" -eq 125 ]
	[[ "$output" == *VERSION* ]]
	cp version.kept "$BOX/store/VERSION"
	[ "$(gsh -s s -c 'cat f')" = kept ]
}

@test "a damaged description of one sandbox disturbs no other" {
	gsh -s good -c 'echo g > f'
	gsh -s bad -c true
	gsh stop --all
	echo '{ "rubbish' >"$BOX/store/boxes/bad/spec.json"
	run gsh -s bad -c true
	[ "$status" -ne 0 ]
	[ -n "$output" ]
	[ "$(gsh -s good -c 'cat f')" = g ]
	run gsh ls
	[[ "$output" == *good* ]]
}

# A whole gsh whose store lies on a file system of 24 MB. As an ordinary user that takes a user namespace.
on_small_disk() {
	cat >small <<-'END'
	mount -t tmpfs -o size=24m,mode=700 none "$GSH_STORE" || exit 77
	"$GSH" -s s -c 'echo before > kept; sync'
	"$GSH" -s s -c 'dd if=/dev/zero of=big bs=1M count=100 2>&1 | grep -c "No space left"; echo also > second 2>/dev/null; cat kept; mkdir dir 2>/dev/null; true'
	"$GSH" -s s -c 'rm big; echo after > third; cat kept third; ls'
	"$GSH" -s other -c 'echo other'
	"$GSH" stop --all
	END
	export GSH
	if [ "$(id -u)" = 0 ]; then
		timeout 100 unshare -m bash small
	else
		timeout 100 unshare --map-current-user --keep-caps -m bash small
	fi
}

@test "a full disk: ENOSPC inside, nothing lost, room again after rm" {
	run on_small_disk
	[ "$status" -ne 77 ] || skip "no mount here"
	case $output in *unshare*) skip "no user namespace here" ;; esac
	echo "$output"
	[ "${lines[0]}" = 1 ]
	[[ "$output" == *before*before* ]]
	[[ "$output" == *after* ]]
	[ "${lines[-1]}" = other ]
}

@test "few descriptors and little memory end in an error, not in a hang" {
	run bash -c "ulimit -n 12; exec timeout 20 '$GSH' run -s s -- echo fine"
	[ "$status" -eq 0 ] || [ "$status" -eq 125 ]
	gsh stop --all 2>/dev/null || true
	# A sanitiser reserves terabytes before main.
	[ -n "${SAN-}" ] || run bash -c "ulimit -v 60000; exec timeout 20 '$GSH' run -s s -- echo fine"
	[ "$status" -eq 0 ] || [ "$status" -eq 125 ]
	gsh stop --all 2>/dev/null || true
	run gsh run -s s -- echo fine
	[ "$output" = fine ]
}

# ---- what gsh says ----

@test "ls, ps, info, status, doctor, version speak, and --json is one object" {
	gsh -s s -c 'echo x > made; sleep 100 &'
	for verb in ls ps info status doctor version; do
		case $verb in ps | info | status) args=(-s s) ;; *) args=() ;; esac
		gsh $verb "${args[@]}" >text
		[ -s text ]
		case $verb in version) continue ;; esac
		gsh $verb "${args[@]}" --json | /usr/bin/python3 -c 'import json, sys; d = json.load(sys.stdin); assert d["schema"].startswith("gsh."), d; assert d["schema"].endswith("/1")'
	done
	gsh status -s s | grep -q "^A.*$BOX/work/made"
	gsh ps -s s | grep -q 'sleep 100'
}

@test "trace --coord shows messages and signals between processes" {
	run --separate-stderr gsh trace --coord -s s -- sh -c 'sleep 5 & ps -ef; kill $!; exit 7'
	[ "$status" -eq 7 ]
	[[ $output == *"sleep 5"* ]]
	[[ $output != *QUERY* ]]
	for what in QUERY ANSWER KICK SIGTERM; do
		grep -Eq "^ +[0-9]+\.[0-9]{6} +[0-9]+ -> [0-9]+ +$what +[0-9]+" <<<"$stderr"
	done
	# The same of a throwaway sandbox, whose end comes with the command's; as JSON, and all of many.
	run gsh trace --coord --json -o out -x -- bash -c 'sleep 5 & for ((i = 0; i < 5000; i++)); do kill -CONT $!; done; kill -9 $!'
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	/usr/bin/python3 -c 'import json; l = [json.loads(s)["name"] for s in open("out")]; l = [n for n in l if n != "KICK"]; assert l.count("SIGCONT") == 5000, len(l); assert l[-1] == "SIGKILL", l[-1]'
	# The ring is not written while nobody reads it.
	run gsh -s s -c 'f=/proc/gsh/coord/9223372036854775807; cat $f; sleep 4; sleep 5 & kill $!; cat $f; sleep 5 & kill $!; cat $f'
	read -r a b c < <(awk '/^first/ {printf "%s ", $4} END {print ""}' <<<"$output")
	[ "$b" -eq "$a" ]
	[ "$c" -eq "$((b + 1))" ]
}

@test "trace shows system calls, those of children too" {
	run --separate-stderr gsh trace -s s -- sh -c 'cat /no/such; : >"$(printf "/tmp/a\\033b")"; exit 3'
	[ "$status" -eq 3 ]
	grep -Eq '^[0-9]+ openat\(AT_FDCWD, "/no/such", O_RDONLY\) = -1 ENOENT \(No such file or directory\)$' <<<"$stderr"
	grep -Fq '"/tmp/a\33b", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3' <<<"$stderr"
	grep -Eq '^[0-9]+ exit_group\(3\) = \?$' <<<"$stderr"
	[ "$(grep -oE '^[0-9]+ [a-z]' <<<"$stderr" | cut -d' ' -f1 | sort -u | wc -l)" -ge 2 ]
	grep -Eq '^[0-9]+ \+\+\+ exited with 1 \+\+\+$' <<<"$stderr"
	# Some only: a class, names, all but.
	gsh trace -e file,getppid -o some -s s -- python3 -c 'import os; os.getppid(); os.kill(os.getpid(), 0); os.path.exists("/no/such")'
	grep -q 'getppid()' some && grep -q '"/no/such"' some
	refuses grep -qE ' (kill|mmap|read|close)\(' some
	gsh trace -e '!file,memory' -o some -s s -- cat /dev/null
	grep -q ' read(' some
	refuses grep -qE ' (openat|mmap|brk|execve)\(' some
	run -125 gsh trace -e 'rm -rf' -s s -- true
	# More than the ring has room for: who calls waits for the reader, so nothing is lost and all is in order.
	run gsh trace --json -o calls -x -- bash -c 'for ((i = 0; i < 10000; i++)); do [ -e /no/$i ]; done; kill -9 $$'
	[ "$status" -eq 137 ]
	[ -z "$output" ]
	/usr/bin/python3 -c 'import json, re; l = [json.loads(s) for s in open("calls")]; n = [int(m[1]) for c in l if (m := re.search("\"/no/([0-9]+)\"", c.get("call", "")))]; assert n == list(range(10000)), len(n)'
}

@test "trace shows signals and ends, names, times, or a table, as strace does" {
	cat >job.py <<-'END'
		import mmap, os, signal, socket, subprocess, sys
		signal.signal(signal.SIGUSR1, lambda *a: None)
		os.kill(os.getpid(), signal.SIGUSR1)
		subprocess.run(["sh", "-c", "kill -9 $$"])
		subprocess.run(["sh", "-c", "kill -TERM $$"])
		open("a\nb\0331\"", "w").close()
		os.close(os.open("d", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o440))
		os.close(os.open("d", os.O_RDONLY))
		os.access("none", os.R_OK | os.W_OK)
		os.access("d", os.F_OK)
		os.mkdir("e", 0o2750)
		os.pipe2(os.O_NONBLOCK)
		socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
		mmap.mmap(-1, 8192, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
		os._exit(3)
	END
	run -3 gsh trace -f -o out -s s -- python3 job.py
	me=$(grep -oE '^[0-9]+' out | head -n 1)
	for line in ' --- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER, si_pid='"$me"', si_uid='"$(id -u)"'} ---' \
		' +++ killed by SIGKILL +++' ' --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER' ' +++ killed by SIGTERM +++' \
		'openat(AT_FDCWD, "a\nb\0331\"", O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0666) = 3' \
		', "d", O_RDWR|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC, 0440) = 3' ', "d", O_RDONLY|O_CLOEXEC) = 3' \
		'access("none", R_OK|W_OK) = -1 ENOENT (No such file or directory)' 'access("d", F_OK) = 0' 'mkdir("e", 02750) = 0' \
		', O_NONBLOCK) = 0' 'socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, 0) = ' \
		'mmap(NULL, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x' 'exit_group(3) = ?'; do
		grep -Fq -- "$line" out || { echo "$line is not in:"; tail -n 60 out; return 1; }
	done
	[ "$(grep -c '^[0-9]* +++' out)" -eq 3 ]
	[ "$(tail -n 1 out)" = "$me +++ exited with 3 +++" ]
	rm -rf a* d e
	# When: of the day, since the line before; how long.
	gsh trace -t -T -o out -x -- sleep 0.2
	grep -qE '^[0-9]+ ([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6} clock_nanosleep\(CLOCK_REALTIME, .* = 0 <0\.[2-9][0-9]{5}>$' out
	refuses grep -q 'exit_group.*<' out
	gsh trace -r -o out -x -- sleep 0.2
	grep -qE '^[0-9]+ +0\.[2-9][0-9]{5} clock_nanosleep\(' out
	# A table.
	gsh trace -c -o out -x -- sh -c 'cat /no/such; cat /no/such' || true
	awk '$NF == "execve" {n = $(NF - 1)} $NF == "total" {t = $4} $NF != "total" && $4 ~ /^[0-9]+$/ {s += $4} END {exit !(n > 0 && t == s && t > 50)}' out
	refuses grep -q '(' out
	gsh trace -c --json -e file -o out -x -- true
	/usr/bin/python3 -c 'import json; l = [json.loads(s) for s in open("out")]; assert {"call", "calls", "errors", "seconds"} == set(l[0]); assert "openat" in [c["call"] for c in l] and "read" not in [c["call"] for c in l]'
	run -125 gsh trace --coord -c -s s -- true
	[[ $output == *E_USAGE* ]]
}

@test "the rung asked for is the rung reached" {
	gsh -s s -c true
	[ -z "${RUNG-}" ] || gsh ls --json | grep -q "\"rung\" *: *\"$RUNG\""
}

@test "stop ends everything: processes, mounts, sockets" {
	gsh -s a -c 'sleep 300 & setsid sleep 301 & (trap "" TERM HUP; sleep 302) & sleep 0.1'
	gsh -s b -c 'sleep 300 &'
	gsh mount
	gsh stop --all
	[ -z "$(box_pids)" ]
	[ -z "$(box_mounts)" ]
	[ -z "$(find "$BOX/run" -type s)" ]
}
