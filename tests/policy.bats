#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# What a sandbox is allowed, said and kept: the policy in words, the few host calls of a lean one, and the ladder on hosts
# that refuse something.

bats_require_minimum_version 1.5.0
load lib.bash

setup() {
	box_setup
	unset GSH_RUNG GSH_LANDLOCK_ABI
	DENY=$TREE/build/tests/deny
}

teardown() {
	box_teardown
}

# The same daemon would answer for another host.
new_daemon() {
	timeout 20 "$GSH" stop --all >/dev/null 2>&1 || true
	for p in $(box_pids); do
		[ "$(cat "/proc/$p/comm" 2>/dev/null)" = gshd ] && kill "$p"
	done
	wait_until 50 sh -c "! timeout 1 python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])' \
		'$GSH_RUNTIME/gshd.sock' 2>/dev/null"
}

rung() {
	timeout 20 "$GSH" info -s "$1" --json | sed -n 's/.*"rung" *: *"\([AB]\)".*/\1/p'
}

# Can this host do the rung at all? gsh says.
need() {
	"$GSH" doctor --json | python3 -c 'import json, sys
for i in json.load(sys.stdin)["items"]:
    if i["check"] == sys.argv[1]: sys.exit(i["level"] != "ok")' "rung-$1" || skip "no rung $1 here"
	new_daemon
}

work='set -e; mkdir d; cd d; echo one >f; chmod 600 f; touch -d @1000 f; ln -s f l; touch -h -d @5 l; cp -a f g; cmp f g
stat -c "%a %Y" f; seq 100000 | sort -rn | head -1; git init -q r; ls -d r/.git
python3 -c "
import os, shutil, socket
a, b = socket.socketpair(); a.send(b\"pair\"); print(b.recv(9))
s = socket.socket(); s.bind((\"127.0.0.1\", 0)); s.listen(); c = socket.create_connection(s.getsockname())
d, _ = s.accept(); c.sendall(b\"tcp\"); print(d.recv(9))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind((\"127.0.0.1\", 0))
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b\"udp\", u.getsockname()); print(u.recvfrom(9)[0])
shutil.copyfile(\"f\", \"h\"); f = open(\"h\", \"r+b\"); print(os.pread(f.fileno(), 2, 1), os.pwrite(f.fileno(), b\"X\", 0))
os.fdatasync(f.fileno()); os.posix_fadvise(f.fileno(), 0, 0, 3); os.setxattr(\"h\", \"user.a\", b\"1\"); print(os.listxattr(\"h\"))
os.removexattr(\"h\", \"user.a\"); print(open(\"h\").read().strip())
r, w = os.pipe(); print(os.sendfile(w, f.fileno(), 0, 4), os.read(r, 9))
"'
did="600 1000
100000
r/.git
b'pair'
b'tcp'
b'udp'
b'ne' 1
['user.a']
Xne
4 b'Xne\\n'"

# Calls that are not needed, and the errno of a split, in a child.
odd='python3 -c "
import ctypes, errno, os
c = ctypes.CDLL(None, use_errno=True)
r, w = os.pipe(); p, q = os.pipe(); os.write(w, b\"x\")
page = ctypes.create_string_buffer(4096)
mask = ctypes.c_long(-1)
print(\"tee\", c.tee(r, q, 1, 0))
print(\"membarrier\", min(c.syscall(324, 0, 0, 0), 0))
print(\"affinity\", c.syscall(203, 0, 8, ctypes.byref(mask)))
print(\"mlock\", c.mlock(page, 16))
pid = os.fork()
if not pid:
    try: os.write(os.open(\"/proc/self/sandbox\", os.O_WRONLY), b\"files / ro\\n\")
    except OSError as e: os._exit(e.errno)
    os._exit(0)
print(\"split\", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"'

lean() {
	need "$1"
	printf '[Confine]\nCalls=lean\n' >"$GSH_CONFIG"
	export GSH_RUNG=$1
	[ "$(timeout 100 "$GSH" -s lean -c "$work" 2>&1)" = "$did" ]
	[ "$(rung lean)" = "$1" ]
	# arch_prctl stands beside them where no instruction sets the bases of FS and GS.
	[ "$(timeout 20 "$GSH" doctor --policy -s lean --json | python3 -c 'import json, sys; print(sum(i["topic"] == "call" and "arch_prctl" not in str(i) for i in json.load(sys.stdin)["items"]))')" = 75 ]
	# What was left out fails as on a kernel that lacks it, and nobody dies of it.
	[ "$(timeout 60 "$GSH" -s lean -c "$odd" 2>&1)" = "tee -1
membarrier -1
affinity -1
mlock -1
split 95" ]
}

@test "rung A, lean: work is done with 75 host calls" {
	lean A
}

@test "rung B, lean: the same" {
	lean B
}

@test "positive control: with all calls, what lean refuses is done" {
	[ "$(timeout 60 "$GSH" -c "$odd" 2>&1)" = "tee 1
membarrier 0
affinity 0
mlock 0
split 0" ]
}

@test "the policy is said in words, of a sandbox that runs and of one that does not" {
	timeout 60 "$GSH" -s words -c true
	timeout 20 "$GSH" doctor --policy -s words >said
	for topic in rung calls files network processes terminal splits; do
		grep -q "^$topic	" said
	done
	grep -q "^rung	it runs on rung $(rung words):" said
	grep -qF "the store ($GSH_STORE)" said
	timeout 20 "$GSH" stop -s words
	timeout 20 "$GSH" doctor --policy -s words | grep -q '^rung	it does not run; a start would take rung'
	run ! timeout 20 "$GSH" doctor --policy -s nobody
	[ "$status" = 3 ]
	# The settings are heard.
	printf '[Confine]\nMinimumRung=A\n[Limits]\nTasksMax=99\n' >"$GSH_CONFIG"
	timeout 20 "$GSH" doctor --policy -s words >said
	grep -q '^rung	the settings accept rung A only' said
	grep -q '^processes	at most 99 ' said
}

# A home with secrets, and what is seen of them inside.
secrets() {
	export HOME=$BOX/home
	mkdir -p "$HOME/.ssh" "$HOME/.config/gh" "$HOME/own"
	for f in .ssh/id .netrc .config/gh/hosts.yml own/key notes; do echo "secret of $f" >"$HOME/$f"; done
}

seen='cd; for f in .ssh/id .netrc .config/gh/hosts.yml own/key notes; do grep -s secret $f; done'

hidden() {
	need "$1"
	secrets
	export GSH_RUNG=$1
	[ "$(timeout 60 "$GSH" -s some -c "$seen")" = "$(printf 'secret of own/key\nsecret of notes')" ]
	# What is made there inside is the sandbox's own; the host's stays.
	[ "$(timeout 60 "$GSH" -s some -c 'cd; echo mine >.ssh/known && cat .ssh/known')" = mine ]
	[ "$(ls -A "$HOME/.ssh")" = id ]
	timeout 20 "$GSH" stop -s some
	printf '[Files]\nInaccessible=default ~/own %s/notes\n' "$HOME" >"$GSH_CONFIG"
	[ -z "$(timeout 60 "$GSH" -s some -c "$seen")" ]
	timeout 20 "$GSH" doctor --policy -s some | grep -q '^files	.*: default ~/own '
	# Positive control: nothing is hidden if nothing is to be.
	timeout 20 "$GSH" stop -s some
	printf '[Files]\nInaccessible=\n' >"$GSH_CONFIG"
	[ "$(timeout 60 "$GSH" -s some -c "$seen" | wc -l)" = 5 ]
}

@test "rung A: keys and tokens of the home are not to be read, nor what the settings name" {
	hidden A
}

@test "rung B: the same" {
	hidden B
}

# on WHAT NAME [CONF]: a first command in a sandbox on such a host.
on() {
	"$DENY" "$1" timeout 60 "$GSH" -s "$2" -c 'echo inside' 2>&1
}

@test "namespaces refused, as in a container: rung B, and it is said" {
	need B
	[ "$(on userns a)" = inside ]
	[ "$(rung a)" = B ]
	"$GSH" doctor --policy -s a | grep -q 'it runs on rung B'
}

@test "namespaces given without capabilities, as on Ubuntu 24.04: rung B" {
	need B
	[ "$(on caps a)" = inside ]
	[ "$(rung a)" = B ]
}

@test "the same where rung A is the least that is accepted: refused, with cause and remedy" {
	printf '[Confine]\nMinimumRung=A\n' >"$GSH_CONFIG"
	for what in userns caps; do
		run on $what "$what"
		[ "$status" = 125 ]
		refuses grep -qx inside <<<"$output"
		grep -q 'apparmor_restrict_unprivileged_userns' <<<"$output"
		grep -qF 'MinimumRung=B' <<<"$output"
		new_daemon
	done
}

@test "no Landlock: nothing is started, on either rung" {
	run on landlock a
	[ "$status" = 125 ]
	refuses grep -qx inside <<<"$output"
	grep -q 'Landlock' <<<"$output"
}

@test "Landlock of Debian 12 (ABI 2): rung A works" {
	need A
	export GSH_LANDLOCK_ABI=2
	[ "$(timeout 60 "$GSH" -s a -c 'echo x >f; mv f g; echo inside')" = inside ]
	[ "$(rung a)" = A ]
	[ ! -e g ]
}

# What people do all day: jobs, signals to one, to a group and to oneself, builds, git, files cut by opening them.
everyday='set -e; mkdir e; cd e
echo longer >f; echo new >f; cat f; : >f; wc -c <f; python3 -c "import os; os.close(os.open(\"f\", os.O_RDONLY | os.O_TRUNC))"
for i in 1 2 3 4; do echo "int f$i(void) { return $i; }" >f$i.c; done
printf "all: f1.o f2.o f3.o f4.o\n%%.o: %%.c\n\tcc -c \$<\n" >Makefile
make -s -j4; ls ./*.o | wc -l; git init -q r; (cd r; git config user.name a; git config user.email b; git commit -q --allow-empty -m c; git log --oneline | wc -l)
bash -c "trap \"echo usr1\" USR1; kill -USR1 \$\$; set -m; sleep 100 & kill -STOP %1; sleep 0.3; jobs | grep -c Stopped; kill -CONT %1; kill %1; wait %1 || echo \$?" 2>/dev/null
python3 -c "import os, signal, subprocess
p = subprocess.Popen([\"sh\", \"-c\", \"sleep 100 & sleep 100\"], start_new_session=True); os.killpg(p.pid, 9); print(p.wait(), flush=True)
os.kill(os.getpid(), signal.SIGTERM)" 2>/dev/null || echo $?'
lived="new
0
4
1
usr1
1
143
-9
143"

# older ABI: rung B on such a kernel, as far as it is used.
older() {
	need B
	export GSH_LANDLOCK_ABI=$1
	[ "$("$DENY" userns timeout 100 "$GSH" -s b -c "exec 2>err; $everyday")" = "$lived" ]
	[ "$(rung b)" = B ]
	"$GSH" doctor --policy -s b >said
	"$GSH" doctor --policy -s b --json >calls
	if [ "$1" -lt 6 ]; then
		grep -q '^rung	Landlock here does not bound signals' said
		refuses grep -q rt_sigqueueinfo calls
		# A split has walls that this kernel lacks.
		[ "$("$GSH" -s b -c 'echo "files / ro" 2>&1 >/proc/self/sandbox || true')" != "" ]
	else
		refuses grep -q '^rung	Landlock here does not bound signals' said
		grep -q rt_sigqueueinfo calls
	fi
	timeout 20 "$GSH" stop -s b
}

@test "Landlock of Debian 12 (ABI 2) without namespaces: rung B works, and the monitor sends the signals" {
	older 2
}

# Threads that take turns on a processor, signals in the midst of them, processes: what would lose a base that is not kept.
@test "FS and GS bases that only calls set (no FSGSBASE): everything works, and arch_prctl is of the list" {
	local r

	export GSH_FSGSBASE=no
	for r in A B; do
		GSH_RUNG=$r need "$r"
		[ "$(GSH_RUNG=$r timeout 100 "$GSH" -s "$r" -c "exec 2>err; $everyday")" = "$lived" ]
		[ "$(GSH_RUNG=$r timeout 100 "$GSH" -s "$r" -c 'python3 -c "
import os, signal, threading, time
hits = []
signal.signal(signal.SIGALRM, lambda *a: hits.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
def work():
    for i in range(200): os.getppid(), sum(range(2000)), os.stat(\"/\")
t = [threading.Thread(target=work) for i in range(8)]
[x.start() for x in t]; [x.join() for x in t]
while not hits: time.sleep(0.01)
print(\"worked\")"')" = worked ]
		"$GSH" doctor --policy -s "$r" --json | grep -q arch_prctl
		timeout 20 "$GSH" stop -s "$r"
	done
}

@test "Landlock of Ubuntu 24.04 (ABI 4) without namespaces: the same" {
	older 4
}

@test "positive control: with Landlock's scopes the sandbox sends them itself" {
	older 6
}

@test "Landlock too old to move files (ABI 1): refused, with cause and remedy" {
	export GSH_LANDLOCK_ABI=1
	run on userns b
	[ "$status" = 125 ]
	refuses grep -qx inside <<<"$output"
	grep -q "Landlock ABI 1, 2 is needed" <<<"$output"
	grep -q 'namespaces' <<<"$output"
}

@test "positive control: the ABI in the environment can only take away" {
	need B
	export GSH_LANDLOCK_ABI=99
	[ "$(on userns a)" = inside ]
	[ "$(rung a)" = B ]
}
