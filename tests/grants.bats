#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# What a sandbox is granted beside its layers: profiles, directories of the host, places of the network, variables; asked
# for while it runs, and taken back.
bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
load lib.bash

setup() { box_setup; }
teardown() { box_teardown; }

setting() { # NAME KEY: what holds for a sandbox
	timeout 20 "$GSH" config show -s "$1" | sed -n "s/^$2	//p"
}

@test "a profile is a set of settings by name, kept with the sandbox that it was given to" {
	mkdir profiles
	mv profiles "$BOX/profiles"
	printf '[Limits]\nTasksMax=64\n[Sandbox]\nHostname=little\n' >"$BOX/profiles/tiny.conf"
	run gsh run -s p --profile tiny -- hostname
	assert_output little
	run gsh config show -s p --origin
	assert_line "Limits.TasksMax	64	$BOX/profiles/tiny.conf:2"
	assert_line "Sandbox.Profile	tiny	$BOX/store/boxes/p/gsh.conf:2"
	# Said again it is nothing new; another one is not for a sandbox that runs.
	gsh run -s p --profile tiny -- true
	run gsh run -s p --profile default -- true
	assert_failure 125
	assert_output --partial "it runs, with other settings"
	gsh stop p
	gsh run -s p --profile default -- true
	assert_equal "$(setting p Limits.TasksMax)" 4096
	# Of the settings for all, what stands beside the name of a profile differs from it; for one sandbox it comes after them.
	printf '[Sandbox]\nProfile=tiny\n[Limits]\nTasksMax=99\n' >"$GSH_CONFIG"
	run gsh config show
	assert_line "Limits.TasksMax	99"
	assert_line "Sandbox.Hostname	little"
	run gsh run -x --profile tiny -- hostname
	assert_output little
	gsh create q --profile=tiny
	assert_equal "$(setting q Limits.TasksMax)" 64
	run gsh create q
	assert_failure 4
	run gsh doctor --policy -s q
	assert_line --partial "profile	tiny"
}

@test "what holds for a sandbox holds for its clone, and under another name" {
	gsh create c --profile offline
	gsh run -s c --bind-ro "$PWD" -- true
	gsh stop c
	gsh clone c d
	gsh rename c e
	for name in d e; do
		assert_equal "$(setting $name Sandbox.Profile) $(setting $name Network.Access) $(setting $name Files.BindReadOnly)" \
			"offline none $PWD"
		run gsh run -s $name -- sh -c 'echo x >f'
		assert_output --partial "Read-only file system"
	done
	# Limits that are read anew while it runs are still those of its profile, but for the one that was set.
	mkdir "$BOX/profiles"
	printf '[Limits]\nLimitNOFILE=100\n' >"$BOX/profiles/few.conf"
	gsh run -s g --profile few -- true
	gsh set g RuntimeMaxSec=1h
	run gsh run -s g -- sh -c 'ulimit -n'
	assert_output 100
}

@test "an unknown profile is an error that knows a better name, and makes nothing" {
	run gsh run -s n --profile defualt -- true
	assert_failure 125
	assert_output --partial "there is no profile 'defualt', did you mean 'default'?"
	run gsh create n --profile ../x
	assert_failure 2
	run gsh ls
	refute_output --partial n
	printf '[Sandbox]\nProfile=nonesuch\n' >"$GSH_CONFIG"
	run gsh run -s n -- true
	assert_failure 125
	assert_output --partial "there is no profile 'nonesuch'"
	mkdir "$BOX/profiles"
	printf '[Sandbox]\nProfile=default\n' >"$BOX/profiles/loop.conf"
	run gsh create n --profile loop
	assert_failure 2
	rm "$GSH_CONFIG"
	run gsh create n --profile loop
	assert_failure 2
	assert_output --partial "a profile cannot have a profile"
	run gsh __complete line create --profile lo
	assert_output loop
}

@test "a bound directory is the host's as it is, both ways; what is bound read-only is not to be written" {
	mkdir rw ro
	echo one >rw/f
	echo two >ro/g
	run box b true
	gsh stop b
	run gsh run -s b --bind "$PWD/rw" --bind-ro "$PWD/ro:/opt/deep/ro" -- sh -c 'cd rw; cat f; echo more >>f; mkdir d; echo x >d/y
		mv d e; ln f h; ln -s f l; mkfifo p; chmod 640 f; touch -d @1000 f; rm h p; cat /opt/deep/ro/g
		for i in "echo x >/opt/deep/ro/g" "rm /opt/deep/ro/g" "touch /opt/deep/ro/n" "chmod 600 /opt/deep/ro/g"; do
			sh -c "$i" 2>&1 | grep -o "Read-only file system"
		done; rmdir /opt/deep/ro 2>&1 | grep -o busy; grep " bind " /proc/mounts'
	assert_output "one
two
Read-only file system
Read-only file system
Read-only file system
Read-only file system
busy
bind $PWD/rw bind rw,nosuid,nodev,relatime 0 0
bind /opt/deep/ro bind ro,nosuid,nodev,relatime 0 0"
	assert_equal "$(cat rw/f)" "one
more"
	assert_equal "$(stat -c '%a %Y' rw/f) $(cat rw/e/y) $(readlink rw/l) $(ls rw | tr '\n' ' ')" "640 1000 x f e f l "
	assert_equal "$(cat ro/g) $(ls ro)" "two g"
	# Another process of the host's changes it meanwhile; a vfork child sees it as its parent does.
	run box b bash -c "echo go; exec 3<rw/f; read -r <&3; $(declare -f wait_until); wait_until 50 test -e rw/new; cat rw/new rw/f
		/usr/bin/python3 -c 'import subprocess; print(subprocess.run([\"cat\", \"rw/new\"], capture_output=True).stdout)'" &
	echo late >rw/new
	wait
	run box b cat rw/new
	assert_output late
	rm rw/new
	wait_until 30 box b test ! -e rw/new
	box b test ! -e rw/new
	# None of it is a change of the sandbox's; what was made to lead there is.
	run gsh status -s b
	assert_output "A	d	0	/opt/deep"
	run gsh doctor --policy -s b
	assert_line "files	has the host's $PWD/rw as it is, and may write there"
	assert_line "files	has the host's $PWD/ro as it is, at /opt/deep/ro, to read"
}

@test "a bound directory keeps no notes of the libOS: sticky and set-group bits are the host's, owners are not given away" {
	mkdir -p given/sticky given/group
	chmod 1777 given/sticky
	chmod 2755 given/group
	for root in '' --root; do
		[ "$(id -u)" != 0 ] || [ -z "$root" ] || continue
		rm -rf given/own given/group/* given/mode
		run gsh run -x $root --bind "$BOX/work/given:/srv/given" --bind-ro /usr/share:/srv/share -- sh -c '
			cd /srv/given
			stat -c "%a %n" sticky group
			mkdir group/sub; echo x >own; echo x >mode; chmod 400 mode
			stat -c "%a %n" group/sub mode; stat -c "%U %n" own /srv/share
			chmod 1755 sticky; chmod 6755 own; chown 4711 own; chown $(stat -c %u own) own; echo $?'
		assert_output - <<OUT
1777 sticky
2755 group
2755 group/sub
400 mode
$(id -un) own
root /srv/share
chmod: changing permissions of 'own': Operation not permitted
chown: changing ownership of 'own': Operation not permitted
0
OUT
		assert_equal "$(stat -c '%a %n' given/*)" "$(printf '%s\n' '2755 given/group' '400 given/mode' '644 given/own' '1755 given/sticky')"
		assert_equal "$(/usr/bin/python3 -c 'import os,sys; print([os.listxattr(f) for f in sys.argv[1:]])' given/*)" "[[], [], [], []]"
		chmod 1777 given/sticky
	done
}

@test "a bound file, over one that is there and where none is" {
	echo h >hosts
	echo r >res
	echo base >over
	run gsh run -s f --bind "$PWD/hosts:$PWD/over" --bind-ro "$PWD/res:/opt/new/res" -- sh -c 'cat over /opt/new/res
		echo more >>over; mv over x 2>&1 | grep -o busy; rm over 2>&1 | grep -o busy; ls -l /opt/new | wc -l
		{ echo no >/opt/new/res; } 2>/dev/null'
	assert_output "h
r
busy
busy
2"
	assert_equal "$(cat hosts)" "h
more"
}

@test "a bind leads nowhere else: links, dots, what the host moves away" {
	mkdir rw out
	echo secret >out/s
	ln -s ../out rw/up
	ln -s "$PWD/out/s" rw/abs
	run gsh run -s e --bind "$PWD/rw" -- sh -c 'echo bad >rw/up/s; echo bad >rw/abs; echo bad >rw/../out/t; ln out/s rw/hard
		mv out/s rw/moved; cd rw; mkdir in; cd in; echo here >f; echo ready; read x; echo bad >../../bad; echo bad >../bad2; echo still >f'  \
		< <(wait_until 100 test -e rw/in/f; mv rw/in out/in; echo go)
	# Whatever the host has got now, it got through rw.
	assert_equal "$(cat out/s)" secret
	assert [ ! -e out/t ]
	assert [ ! -e bad ]
	assert [ ! -e out/bad ]
	assert [ ! -e out/bad2 ]
	assert_equal "$(stat -c %h out/s)" 1
	assert_equal "$(ls)" "out
rw"
}

@test "a link that a sandbox left where something is bound is not followed: not to what is hidden, nor to what is beside" {
	mkdir -p home/.ssh home/p/sub home/beside
	export HOME=$PWD/home
	echo key >home/.ssh/k
	echo mine >home/beside/f
	ln -s "$HOME" far
	# What it does when nobody has laid a trap, also by a link of the user's that nobody else may change.
	# shellcheck disable=SC2088 # gsh expands it
	run gsh run -x --bind '~/p' --bind-ro "$PWD/far/beside:/srv/b" -- cat /srv/b/f
	assert_output mine
	# It swaps what will be bound at the next start.
	# shellcheck disable=SC2088
	gsh run -s t --bind '~/p' -- sh -c 'cd ~/p && rmdir sub && ln -s ../.ssh sub && ln -s ../beside next && ln -s ../.ssh/k file'
	gsh stop -s t
	[ -L home/p/sub ] && cat home/p/file
	# shellcheck disable=SC2088
	for bad in '--bind ~/p/sub' '--bind ~/p/sub:/srv/s' '--bind-ro ~/p/next:/srv/s' '--bind-ro ~/p/file:/srv/s' \
		'--bind ~/p/sub:cow'; do
		# shellcheck disable=SC2086
		run gsh run -x $bad --bind '~/p' -- sh -c 'cat /srv/s /srv/s/* ~/.ssh/k; echo bad >/srv/s/f'
		assert_failure 125
		assert_output --partial "a link on the way may be a sandbox's: $HOME/p/"
	done
	# What is hidden is asked for by its own name, even where that sandbox could not have made the link.
	for bad in '--bind-ro ~/p/file:/srv/s' '--bind ~/p/sub:cow' '--bind ~/p/sub:/srv/s'; do
		# shellcheck disable=SC2086
		run gsh run -x $bad -- sh -c 'cat /srv/s /srv/s/* ~/.ssh/k'
		assert_failure 125
		assert_output --partial "a link on the way may be a sandbox's: $HOME/p/"
	done
	# And while it runs.
	gsh run -s t -- true
	for bad in bind 'bind --once'; do
		[ "${RUNG-A}" = A ] || [ "$bad" = bind ] || continue
		# shellcheck disable=SC2086,SC2088
		run gsh $bad -s t '~/p/sub:/srv/s'
		assert_failure
		assert_output --partial "a link on the way may be a sandbox's: $HOME/p/sub"
	done
	assert_equal "$(cat home/.ssh/* home/beside/*)" "key
mine"
}

@test "what cannot be bound is refused, and why" {
	mkdir -p home/.ssh home/p
	export HOME=$PWD/home
	for bad in "$PWD/none No such file" "$HOME hidden: $HOME/.ssh" "$GSH_STORE gsh's own" "$BOX gsh's own\|hidden: " \
		"$GSH_STORE/boxes gsh's own" "/proc the kernel's" "/:/mnt hidden" "$(dirname "$GSH") its own rules" "/dev/null neither"; do
		run gsh run -s r --bind "${bad%% *}" -- true
		assert_failure 125
		grep -q "${bad#* }" <<<"$output" || fail "$bad: $output"
	done
	for bad in x: :/x relative /a:/b:/c /a:/ /a/../b "/a:/b/.." '/a
Profile=x'; do
		run gsh create r --bind "$bad"
		assert_failure 2
	done
	run gsh ls
	refute_output --partial "r "
	# What is hidden may be asked for by its own name.
	echo key >home/.ssh/k
	# shellcheck disable=SC2088 # gsh expands it
	run gsh run -s k --bind-ro '~/.ssh' -- cat "$HOME/.ssh/k"
	assert_output key
	# Two projects, one below the other, each where the host has it.
	mkdir -p home/p/q
	echo q >home/p/q/q
	# shellcheck disable=SC2088 # gsh expands it
	run gsh run -s k2 --bind '~/p' --bind-ro '~/p/q:/srv/q' -- sh -c 'cat ~/p/q/q /srv/q/q; echo n >~/p/q/n; cat /srv/q/n; echo no >/srv/q/q'
	assert_line --index 2 n
	assert_equal "$(cat home/p/q/q home/p/q/n)" "q
n"
}

# A host of the network that is this host: an address that is not special. Empty if there is none.
own_address() {
	hostname -I 2>/dev/null | tr ' ' '\n' | grep -E '^[0-9.]+$' | grep -v '^169\.254\.' | head -1
}

# serve ADDRESS: TCP and UDP servers of the host, whose port is in the file "port": each says what it got in capitals, TCP
# until the end of file; "gone" ends a connection at once, "count" tells how many there were.
serve() {
	cat >serve.py <<-'PY'
	import socket, sys, threading
	t = socket.create_server((sys.argv[1], 0))
	u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	u.bind(t.getsockname())
	count = 0
	def talk(c):
	    while True:
	        got = c.recv(65536)
	        if not got or got == b"gone": break
	        c.sendall(str(count).encode() if got == b"count" else got.upper())
	    c.sendall(b"end") if not got else None
	    c.close()
	def udp():
	    while True:
	        got, who = u.recvfrom(65536)
	        u.sendto(got.upper(), who)
	threading.Thread(target=udp, daemon=True).start()
	open("port.new", "w").write(str(t.getsockname()[1]))
	__import__("os").rename("port.new", "port")
	while True:
	    c, _ = t.accept()
	    count += 1
	    threading.Thread(target=talk, args=(c,), daemon=True).start()
	PY
	rm -f port
	/usr/bin/python3 serve.py "$1" 3>&- &
	SERVER=$!
	wait_until 100 test -e port
	PORT=$(cat port)
}

say='import socket, sys
def say(to, what=b"hello"):
    try:
        c = socket.create_connection(to, timeout=20)
        c.sendall(what)
        return c.recv(100).decode()
    except OSError as e:
        return e.strerror'

@test "who is named is reached, by TCP and by UDP; nobody else is, as where there is no way" {
	a=$(own_address)
	[ -n "$a" ] || skip "this host has no address but its loopback"
	serve "$a"
	cat >talk.py <<-PY
	$say
	import asyncio, os, select
	there = ("$a", $PORT)
	print(say(there), say(("$a", $((PORT ^ 1)))), say(("198.51.100.7", 80)), say(("169.254.169.254", 80)))
	c = socket.create_connection(there)
	print(c.getpeername() == there, c.family.name, c.type.name, c.proto, c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
	c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
	# Much, both ways; the end of one direction is not that of the other; a fork has it too.
	if os.fork() == 0:
	    for i in range(200): c.sendall(b"x" * 10000)
	    c.shutdown(socket.SHUT_WR)
	    os._exit(0)
	n = b""
	while True:
	    got = c.recv(65536)
	    if not got: break
	    n += got
	print(len(n), n[-4:], set(n[:-3]) == {88})
	try: c.connect(there)
	except OSError as e: print(e.strerror)
	print(say(there, b"gone") == "")
	async def main():
	    r, w = await asyncio.open_connection(*there)
	    w.write(b"async"); print(await r.read(100)); w.close()
	    try: await asyncio.open_connection("198.51.100.7", 81)
	    except OSError as e: print(e.strerror)
	asyncio.run(main())
	u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	u.settimeout(20)
	u.connect(there); u.send(b"udp"); print(u.recv(100), u.getpeername() == there)
	u.sendmsg([b"two ", b"parts"]); print(u.recvfrom(100)[0], select.select([u], [], [], 0)[0])
	v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	v.settimeout(20)
	v.sendto(b"", there); print(v.recvfrom(100) == (b"", there))
	v.sendto(b"to", there); print(v.recvfrom(100) == (b"TO", there))
	try: v.sendto(b"x", ("198.51.100.7", 5000))
	except OSError as e: print(e.strerror)
	# A connect asks for a way only, and is no attempt.
	w = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	w.connect(("198.51.100.8", 5000))
	# What is inside stays inside.
	i = socket.create_server(("127.0.0.1", 0))
	j = socket.create_connection(i.getsockname()); k, _ = i.accept(); k.send(b"in"); print(j.recv(9))
	x, y = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "xy"); x.bind(("127.0.0.1", 0))
	y.sendto(b"in", x.getsockname()); print(x.recv(9))
	PY
	run gsh run -s n --net "$a:$PORT,$a:$PORT/udp" -- /usr/bin/python3 talk.py
	kill "$SERVER"
	assert_output "HELLO Network is unreachable Network is unreachable Network is unreachable
True AF_INET SOCK_STREAM 6 0
2000003 b'Xend' True
Transport endpoint is already connected
True
b'ASYNC'
Network is unreachable
b'UDP' True
b'TWO PARTS' []
True
True
Network is unreachable
b'in'
b'in'"
	run gsh denials n
	assert_equal "$(cut -f 3 <<<"$output" | sort)" "$(printf 'net %s\n' "$a:$((PORT ^ 1))" 169.254.169.254:80 198.51.100.7:5000/udp 198.51.100.7:80 198.51.100.7:81 | sort)"
	assert_line --partial "gsh allow -s n net '198.51.100.7:80'"
	gsh denials n --json | "$TESTS/tools/json-check"
	# Nobody listens there any more: that is heard, too.
	run box n /usr/bin/python3 -c "$say
print(say(('$a', $PORT)))"
	assert_output "Connection refused"
	gsh stop n
	run gsh denials n
	assert_line --partial "gsh allow -s n net '198.51.100.7:80'"
}

@test "what is asked for is allowed while the sandbox runs, once or for good, and taken back" {
	serve 127.0.0.1
	ask="$say
print(say(('127.0.0.1', $PORT)))"
	run box l /usr/bin/python3 -c "$ask"
	assert_output "Connection refused"
	gsh allow -s l net "127.0.0.1:$PORT" --once
	run gsh allow -s l --list
	assert_output "net	127.0.0.1:$PORT	once"
	gsh allow -s l --list --json | "$TESTS/tools/json-check"
	run box l /usr/bin/python3 -c "$ask"
	assert_output HELLO
	# A connection that stands ends with its rule.
	box l /usr/bin/python3 -c "import socket; c = socket.create_connection(('127.0.0.1', $PORT)); open('stands', 'w'); print(c.recv(1))" >got &
	wait_until 100 box l test -e stands
	gsh allow -s l --revoke net "127.0.0.1:$PORT"
	wait $!
	assert_equal "$(cat got)" "b''"
	run box l /usr/bin/python3 -c "$ask"
	assert_output "Connection refused"
	run gsh allow -s l --revoke net "127.0.0.1:$PORT"
	assert_failure
	gsh allow -s l net "127.0.0.1:$PORT"
	gsh stop l
	run box l /usr/bin/python3 -c "$ask"
	assert_output HELLO
	gsh stop l
	gsh allow -s l --revoke net "127.0.0.1:$PORT"
	gsh allow -s l net Some.Name.:80/udp
	run gsh allow -s l --list
	assert_output "net	some.name:80/udp	next"
	run box l /usr/bin/python3 -c "$ask"
	assert_output "Connection refused"
	kill "$SERVER"
	mkdir there
	run gsh allow -s l path -w there
	[ "${RUNG-A}" = A ] || assert_output --partial "from its next start on"
	run gsh allow -s l path -w "$GSH_STORE"
	assert_failure 5
	gsh stop l
	box l touch there/f
	assert [ -e there/f ]
	for bad in "net x" "net x:99999" "net :1" "net 1.2.3:4" "net a b" "path" "net a:1 -w" "path x -rw" "bad x:1" "net a:1 --list"; do
		run gsh allow -s l $bad
		assert_failure 2
	done
	run gsh allow -s none net a:1
	assert_failure 3
}

@test "names: those that are allowed are found, by the host's resolver; no name leads into the host" {
	printf '[Network]\nDeny=\n' >"$GSH_CONFIG" # the host itself plays the others
	a=$(own_address)
	[ -n "$a" ] || skip "this host has no address but its loopback"
	serve "$a"
	# A name that any resolver knows, whatever the network: getaddrinfo() takes it for an address in another form. Inside
	# it must be asked for as a name, so by hand.
	name() { /usr/bin/python3 -c 'import ipaddress, sys; print("0x%08x" % int(ipaddress.ip_address(sys.argv[1])))' "$1"; }
	cat >ask.py <<-PY
	$say
	import struct, os
	def ask(name, kind=1, where=("192.0.2.53", 53)):
	    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	    s.settimeout(20)
	    s.connect(where)
	    q = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + struct.pack(">BHH", 0, kind, 1)
	    os.write(s.fileno(), q)
	    r = s.recv(600)
	    assert r[:2] == q[:2] and r[12:len(q)] == q[12:]
	    n, at, out = struct.unpack(">H", r[6:8])[0], len(q), []
	    for i in range(n):
	        l = struct.unpack(">H", r[at + 10:at + 12])[0]
	        out.append(socket.inet_ntop(socket.AF_INET if l == 4 else socket.AF_INET6, r[at + 12:at + 12 + l]))
	        at += 12 + l
	    return r[3] & 15, out
	print(say(("$a", $PORT)))
	print(ask("$(name "$a")"), ask("$(name "$a")", 28)[0], ask("$(name "$a")", 16), ask("$(name "$a")", 1, ("127.0.0.53", 53)))
	print(say(("$a", $PORT)), say(("$a", $((PORT ^ 1)))))
	print(ask("$(name 127.0.0.1)"), ask("$(name 169.254.169.254)"), ask("localhost"), ask("nobody.invalid"))
	print(say(("127.0.0.1", $PORT)))
	for n in "localhost.", "nobody.invalid":
	    try: print(socket.getaddrinfo(n, 80, type=socket.SOCK_STREAM)[0][4])
	    except OSError as e: print(e)
	# No questions: no answer, and the next one is answered.
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(("1.1.1.1", 53)); s.settimeout(1)
	for bad in b"x", b"\0" * 12, b"\0\1\1\0\0\1" + b"\0" * 6 + b"\x3f", b"\0\1\1\0\0\1" + b"\0" * 6 + b"\xc0\x0c\0\1\0\1", b"\0\1\1\0\0\1" + b"\0" * 6 + b"\1/\0\0\1\0\1", b"\xff" * 1500:
	    try: s.send(bad); print(s.recv(9))
	    except TimeoutError: pass
	    except OSError: s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(("1.1.1.1", 53)); s.settimeout(1)
	print(ask("nobody.invalid")[0])
	PY
	run gsh run -s d --net "$(name "$a"):$PORT,$(name 127.0.0.1):$PORT,$(name 169.254.169.254):80,localhost:$PORT" -- /usr/bin/python3 ask.py
	kill "$SERVER"
	assert_output "Network is unreachable
(0, ['$a']) 0 (0, []) (0, ['$a'])
HELLO Network is unreachable
(0, []) (0, []) (0, []) (3, [])
Connection refused
[Errno -5] No address associated with hostname
[Errno -2] Name or service not known
3"
	run gsh denials d
	assert_line --partial "net nobody.invalid:443"
	# A refused port of a host that is known by a name is told by it.
	assert_line --partial "net $(name "$a"):$((PORT ^ 1))"
}

@test "no network, and that of profiles; host is anybody but the host itself" {
	serve 127.0.0.1
	a=$(own_address)
	run gsh run -s none --net none -- /usr/bin/python3 -c "$say
print(say(('198.51.100.7', 80)), say(('127.0.0.1', $PORT)))
try: socket.getaddrinfo('nobody.invalid', 80)
except OSError as e: print('no')
c = socket.create_server(('127.0.0.1', 0)); print(socket.create_connection(c.getsockname()).getpeername() == c.getsockname())"
	assert_output "Network is unreachable Connection refused
no
True"
	run gsh allow -s none net "127.0.0.1:$PORT"
	assert_failure 5
	run gsh denials none
	assert_output ""
	run gsh run -s host --net host -- /usr/bin/python3 -c "$say
print(say(('127.0.0.1', $PORT)), say(('169.254.169.254', 80)), say(('0.0.0.0', $PORT)), say(('::ffff:127.0.0.1', $PORT)))"
	assert_output "Connection refused Network is unreachable Connection refused Connection refused"
	kill "$SERVER"
	if [ -n "$a" ]; then
		serve "$a"
		run box host /usr/bin/python3 -c "$say
print(say(('$a', $PORT)))"
		assert_output "Network is unreachable"
		printf '[Network]\nDeny=\n' >"$GSH_CONFIG"
		run gsh run -s anybody --net host -- /usr/bin/python3 -c "$say
print(say(('$a', $PORT)))"
		assert_output HELLO
		printf '[Network]\nDeny=%s/24 private\n' "${a%.*}.0" >"$GSH_CONFIG"
		run gsh run -x --net host -- /usr/bin/python3 -c "$say
print(say(('$a', $PORT)), say(('10.9.8.7', 80)))"
		assert_output "Network is unreachable Network is unreachable"
		run gsh run -x --net "$a:$PORT" -- /usr/bin/python3 -c "$say
print(say(('$a', $PORT)))"
		kill "$SERVER"
		assert_output HELLO
		for bad in 10.0.0.0/33 10.0.0.1/8 10.0.0.0/ nobody ::/200 host,private; do
			printf '[Network]\nDeny=%s\n' "$bad" >"$GSH_CONFIG"
			run gsh config check
			assert_failure
		done
		rm "$GSH_CONFIG"
	fi
	gsh create strict --profile strict
	gsh create offline --profile offline
	gsh create build --profile build
	gsh create server --profile server
	assert_equal "$(setting strict Network.Access) $(setting offline Network.Access) $(setting build Network.Access)" "none none private"
	assert_equal "$(setting strict Confine.Calls) $(setting server Limits.TasksMax)" "lean 8192"
	for p in strict offline build server; do
		run box $p sh -c 'echo well; ls / >/dev/null'
		assert_output well
		gsh stop $p
	done
	run gsh doctor --policy -s build
	assert_line "network	may speak to pypi.org:443"
	run gsh doctor --policy -s offline
	assert_line --partial "nobody outside is reached, and nobody can be asked for it"
	run gsh doctor --policy -s host
	assert_line --partial "anybody outside but the host's loopback"
	for bad in nobody x:y 'a:1,,' none,host:1 ''; do
		run gsh run -x --net "$bad" -- true
		assert_failure 125
	done
}

@test "variables: what is held back, what the settings let in or hold back, what one command says; none of it by /proc" {
	export MY_TOKEN=secret1 SSH_AUTH_SOCK=secret2 DBUS_SESSION_BUS_ADDRESS=secret3 WAYLAND_DISPLAY=secret4 DEPLOY_SECRET=secret5
	export AWS_PROFILE=secret6 PLAIN=plain OTHER=other
	run gsh run -s v -- sh -c 'env; cat /proc/[0-9]*/environ | tr "\0" "\n"; tr "\0" "\n" </proc/1/environ'
	assert_line PLAIN=plain
	refute_output --partial secret
	run gsh run -s v -e MY_TOKEN -e NONE -e PLAIN=new -- env
	assert_line MY_TOKEN=secret1
	assert_line PLAIN=new
	refute_output --partial NONE
	refute_output --partial secret2
	printf '[Exec]\nPassEnvironment=SSH_* AWS_PROFILE\nPassEnvironment=NOTHING\nUnsetEnvironment=PLA?N\n' >"$GSH_CONFIG"
	run gsh run -s v -- env
	assert_line SSH_AUTH_SOCK=secret2
	assert_line AWS_PROFILE=secret6
	assert_line OTHER=other
	refute_output --partial PLAIN
	refute_output --partial secret1
	printf '[Exec]\nPassEnvironment=a-b\n' >"$GSH_CONFIG"
	run gsh config check
	assert_failure 2
	rm "$GSH_CONFIG"
	run gsh run -s w --profile strict -e MORE=1 -- env
	assert_line MORE=1
	assert_line --partial PATH=
	refute_output --partial OTHER
	# The processes of ours that the sandbox has outside know no more than it does of what must not leak.
	run gsh doctor --policy -s w
	assert_line --partial "variables	"
}

# What the host offers nobody can make up: pasta, the device that it reads packets from, a route, another address.
needs_nat() {
	[ -w /dev/net/tun ] || skip "/dev/net/tun may not be opened"
	a=$(own_address)
	[ -n "$a" ] || skip "this host has no address but its loopback"
	[ -z "${RUNG-}" ] || [ "$RUNG" = A ] || skip "nat is of rung A"
}

# Who has passt has a name of its own.
pastas() {
	ps -o comm= -u "$(id -u)" | grep -c '^past\|^passt' || :
}

pastas_are() {
	[ "$(pastas)" = "$1" ]
}

@test "nat: sockets of its own lead outside, and to nothing that is closed; pasta ends with the sandbox" {
	needs_nat
	local had i
	had=$(pastas)
	serve 0.0.0.0
	cat >nat.py <<-PY
	$say
	import struct, sys
	outer = ("$a", $PORT)
	def gram(to, by_link=False):
	    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	    u.settimeout(1 if by_link else 10)
	    try:
	        # The interface that is asked for is the second, wherever the routes lead.
	        info = [(socket.IPPROTO_IP, 8, struct.pack("i8x", 2))] if by_link else []
	        u.sendmsg([b"gram"], info, 0, to)
	        return u.recv(100).decode()
	    except OSError as e:
	        return e.strerror or "nothing"
	if sys.argv[1] == "open":
	    c = socket.create_connection(outer)
	    print(say(outer), gram(outer), gram(outer, True), c.getsockname()[0], c.getpeername() == outer)
	    c.setblocking(False)
	    n = socket.socket(); n.setblocking(False)
	    import errno, select
	    print(errno.errorcode[n.connect_ex(outer)], select.select([], [n], [], 10)[1] == [n], n.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
	else:
	    print(say(outer), gram(outer), gram(outer, True))
	print(say(("127.0.0.1", $PORT)), say(("203.0.113.2", $PORT)) not in ("HELLO",), gram(("127.0.0.1", $PORT), True), say(("169.254.169.254", 80)), say(("0.0.0.0", $PORT)))
	PY
	sed -i 's/timeout=20/timeout=2/' nat.py
	# Open to all: what the host has at its outer address is reached, its loopback not.
	printf '[Network]\nDeny=\n' >"$GSH_CONFIG"
	run gsh run -s open --net nat -- /usr/bin/python3 nat.py open
	assert_output "HELLO GRAM GRAM 203.0.113.1 True
EINPROGRESS True 0
Connection refused True nothing Connection refused Connection refused"
	[ "$(pastas)" = $((had + 1)) ]
	# As the settings are: not this host. What is asked for is told, and to be had by the monitor.
	rm "$GSH_CONFIG"
	run gsh run -s shut --net nat -- /usr/bin/python3 nat.py shut
	assert_output "Connection refused nothing nothing
Connection refused True nothing Connection refused Connection refused"
	run gsh denials shut
	assert_line --partial "gsh allow -s shut net '$a:$PORT'"
	gsh allow -s shut net "$a:$PORT"
	run gsh run -s shut -- /usr/bin/python3 -c "$say
print(say(('$a', $PORT)), say(('127.0.0.1', $PORT)))"
	assert_output "HELLO Connection refused"
	# A networks' worth of addresses.
	printf '[Network]\nDeny=%s/24\n' "${a%.*}.0" >"$GSH_CONFIG"
	run gsh run -x --net nat -- /usr/bin/python3 nat.py shut
	assert_line --index 0 "Connection refused nothing nothing"
	run gsh doctor --policy -s shut
	assert_line --partial "through pasta(1)"
	assert_line --partial "[Network] Deny="
	# pasta goes with the sandbox, also where its monitor is killed.
	gsh stop open
	wait_until 50 pastas_are $((had + 1))
	i=$(gsh info shut --json | /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])')
	kill -KILL "$i"
	for ((i = 0; i < 50; i++)); do [ "$(pastas)" != "$had" ] || break; sleep 0.1; done
	kill "$SERVER"
	rm "$BOX/run/box/shut.sock" # the next start would
	assert_equal "$(pastas)" "$had"
}

@test "nat: names are found, and none leads to what is closed" {
	needs_nat
	run gsh run -x --net nat -- /usr/bin/python3 -c 'import socket
try: print(socket.gethostbyname("localhost.nothing.invalid"))
except OSError as e: print(e.strerror)'
	assert_output --regexp "not known|No address|failure"
}

@test "nat: refused with cause and remedy where it cannot be had" {
	GSH_RUNG='' GSH_PASTA=/nonexistent/pasta run gsh run -s none --net nat -- true
	assert_failure 125
	if [ "${RUNG-A}" = A ]; then
		assert_output --partial "pasta does not give it: it is not installed"
		assert_output --partial "apt install passt"
	fi
	gsh stop --all
	GSH_RUNG=B run gsh run -s b --net nat -- true
	assert_failure 125
	assert_output --partial "its network is nat, for which there is neither rung B"
	assert_output --partial "--net host"
	printf '[Confine]\nCalls=lean\n' >"$GSH_CONFIG"
	run gsh run -s lean --net nat -- true
	assert_failure 125
	assert_output --partial "Calls=lean"
}

@test "bind modes: :ro is read only, :rw is the host's, :cow shows what is hidden and keeps changes inside" {

	export HOME=$PWD/home
	mkdir -p home/.aws home/.ssh d
	echo key >home/.aws/credentials
	echo id >home/.ssh/id
	echo d >d/f
	run gsh run -s m -- cat "$HOME/.aws/credentials"
	assert_failure
	gsh stop m
	# shellcheck disable=SC2088 # gsh expands it
	gsh run -s m --bind '~/.aws:cow' -- sh -c 'cd ~/.aws; cat credentials; echo more >>credentials; echo n >n; cat ~/.ssh/id 2>/dev/null' >out 2>&1 || :
	assert_equal "$(cat out)" key
	assert_equal "$(cat home/.aws/credentials) $(ls home/.aws)" "key credentials"
	run gsh diff -s m --name-status
	assert_output --partial "home/.aws/credentials"
	assert_output --partial "home/.aws/n"
	run gsh doctor --policy -s m
	assert_line --partial "$HOME/.aws though it may be hidden"
	gsh commit -s m -y -- "$HOME/.aws/n"
	assert_equal "$(cat home/.aws/n)" n
	run gsh run -x --bind "$PWD/d:ro" -- sh -c 'cat d/f; echo x >d/f'
	assert_output --partial "Read-only file system"
	gsh run -x --bind "$PWD/d:/srv/d:rw" -- sh -c 'echo x >/srv/d/f'
	assert_equal "$(cat d/f)" x
	for bad in "$PWD/d:/srv/d:cow" "$PWD/d:wx" "$PWD/d:/a:/b:ro" "$PWD/d:"; do
		run gsh run -x --bind "$bad" -- true
		assert_failure 125
	done
	run gsh run -x --bind-ro "$PWD/d:cow" -- true
	assert_failure 125
	assert_output --partial "it is to be read only"
	# Not a part of what is hidden, not what holds some of it, not gsh's own.
	run gsh run -x --bind "$HOME/.aws/credentials:cow" -- true
	assert_failure 125
	assert_output --partial "all of what hides it must be named: $HOME/.aws"
	run gsh run -x --bind "$GSH_STORE:cow" -- true
	assert_failure 125
	assert_output --partial "of gsh's own"
}

@test "devices: what is named is there, with its rights, at once; nothing else is, and it is told" {
	local line
	[ -w /dev/fuse ] || skip "/dev/fuse may not be opened"
	run gsh run -s d -- sh -c 'ls /dev; cat /dev/fuse; test -e /dev/mem || echo none'
	refute_line fuse
	assert_line --partial "No such file"
	assert_line none
	run gsh denials d
	assert_line --partial "gsh allow -s d device '/dev/fuse'"
	refute_output --partial /dev/mem
	gsh allow -s d device /dev/fuse
	sleep 1.1 # names are good for a second
	run gsh run -s d -- /usr/bin/python3 -c "import os, stat
st = os.stat('/dev/fuse')
print('fuse' in os.listdir('/dev'), stat.S_ISCHR(st.st_mode), oct(st.st_mode & 0o777), os.major(st.st_rdev), os.minor(st.st_rdev))
fd = os.open('/dev/fuse', os.O_RDWR | os.O_NONBLOCK)
try: os.read(fd, 65536)
except OSError as e: print(e.strerror)
print(os.fstat(fd).st_rdev == st.st_rdev, os.readlink('/proc/self/fd/%d' % fd))"
	assert_output "True True 0o666 10 229
Operation not permitted
True /dev/fuse"
	run gsh denials d
	refute_output --partial /dev/fuse
	run gsh allow -s d --list
	assert_output "device	/dev/fuse	kept"
	# Taken back, and to be read only.
	gsh allow -s d --revoke device /dev/fuse
	sleep 1.1
	run box d test -e /dev/fuse
	assert_failure 1
	gsh allow -s d -r device /dev/fuse
	sleep 1.1
	run box d sh -c 'exec 3</dev/fuse && echo read; exec 4>/dev/fuse'
	assert_output --partial "read"
	assert_output --partial "Permission denied"
	run gsh doctor --policy -s d
	assert_line --partial "has the host's device /dev/fuse r"
	# The next start has it, too; what is never to be had is not there.
	gsh stop d
	printf '[Files]\nDeviceAllow=/dev/mem\nDeviceAllow=/dev/ptmx rw\nDeviceAllow=/dev/loop-control\n' >"$GSH_CONFIG"
	run box d sh -c 'test -r /dev/fuse && echo fuse; test -e /dev/mem || echo no mem'
	assert_output "fuse
no mem"
	for line in /dev/a/b dev/x /dev/../x /dev/.. "/dev/fuse rwm" /etc/passwd; do
		printf '[Files]\nDeviceAllow=%s\n' "$line" >"$GSH_CONFIG"
		run gsh config check
		assert_failure
	done
}

# Of a process that began before: what a file in the directory "d" says, again and again, into "seen".
watcher='import os, time
h = os.open("d", os.O_RDONLY)
def look(what):
    try: return what()
    except OSError as e: return e.strerror
while not os.path.exists("end"):
    with open("seen.new", "w") as f:
        print(look(lambda: open("/srv/x/f").read().strip()), look(lambda: open("/srv/x/new", "w").close() or "written"), file=f)
    os.rename("seen.new", "seen")
    time.sleep(0.05)'

@test "a path is there at once on rung A, in processes that run, and taken back as fast; on rung B with the next start" {
	mkdir d d/in secret home
	echo host >d/f
	echo file >one
	ln -s secret d/in/link
	mkdir w
	gsh run -s p --bind "$PWD/w" -- true
	(cd w && exec timeout 60 "$GSH" run -s p -- /usr/bin/python3 -c "${watcher/h = os.open*O_RDONLY)/}") 3>&- &
	wait_until 50 test -e w/seen
	assert_equal "$(cat w/seen)" "No such file or directory No such file or directory"
	run gsh allow -s p path -r "$PWD/d:/srv/x"
	if [ "${RUNG-A}" = B ]; then
		assert_output --partial "that holds from its next start on"
		run gsh allow -s p --once path -r "$PWD/d:/srv/y"
		assert_failure 5
		touch w/end
		wait
		gsh stop p
		run box p cat /srv/x/f
		assert_output host
		return
	fi
	assert_output ""
	wait_until 50 grep -q '^host Read-only file system' w/seen
	# In what is begun now, by fork, vfork and exec; from inside nothing leads out of it.
	run box p /usr/bin/python3 -c 'import os, subprocess
print(subprocess.run(["cat", "/srv/x/f"], capture_output=True, text=True).stdout.strip())
print(sorted(os.listdir("/srv/x")), os.path.realpath("/srv/x/.."), os.stat("/srv/x/..").st_dev == os.stat("/srv").st_dev)
print([l.split()[2:4] for l in open("/proc/mounts") if "/srv/x" in l][0][1][:2])'
	assert_output "host
['f', 'in'] /srv True
ro"
	run gsh allow -s p --list
	assert_line "read	$PWD/d:/srv/x	kept"
	# A file, to write, for once; the same again is nothing new.
	gsh allow -s p --once -w path "$PWD/one:/srv/one"
	gsh allow -s p --once -w path "$PWD/one:/srv/one"
	run gsh allow -s p --list
	assert_line "write	$PWD/one:/srv/one	once"
	assert_equal "$(grep -c /srv/one <<<"$output")" 1
	run box p sh -c 'cat /srv/one; echo more >>/srv/one; chmod 600 /srv/one'
	assert_output file
	assert_equal "$(cat one | tr '\n' ' ')$(stat -c %a one)" "file more 600"
	# A directory that is held does not outlive the grant.
	run box p sh -c 'cd /srv/x; cat f; touch w; exec 3<f; cd /; echo done'
	assert_line "done"
	(cd w && exec timeout 60 "$GSH" run -s p -- /usr/bin/python3 -c 'import os, time
h = os.open("/srv/x", os.O_RDONLY)
open("held", "w").close()
while not os.path.exists("gone"): time.sleep(0.05)
for name in "f", "../f", "in/../../home":
    try: print(os.open(name, os.O_RDONLY, dir_fd=h))
    except OSError as e: print(e.strerror)' >held.out 2>&1) 3>&- &
	wait_until 100 test -e w/held
	gsh allow -s p --revoke path -r "$PWD/d:/srv/x"
	touch w/gone
	wait_until 50 grep -qv '^host' w/seen
	wait_until 100 test -s w/held.out
	sleep 0.5
	assert_equal "$(head -1 w/held.out)" "Permission denied"
	refuses grep -q '^[0-9]' w/held.out
	run gsh allow -s p --list
	refute_output --partial /srv/x
	# What cannot be bound cannot be so either, and no link is followed that came since.
	run gsh allow -s p path "$GSH_STORE"
	assert_failure 5
	assert_output --partial "of gsh's own"
	run gsh allow -s p path "$PWD/nothing"
	assert_failure
	touch w/end
	wait
}

@test "gsh bind: what a sandbox has of the host, changed while it runs" {
	mkdir d
	echo f >d/f
	gsh run -s v -- true
	gsh bind -s v d:/srv/d
	run gsh bind -s v
	assert_output --partial "$PWD/d:/srv/d	"
	[ "${RUNG-A}" = A ] || gsh stop v
	box v sh -c 'cat /srv/d/f; echo x >/srv/d/f'
	assert_equal "$(cat d/f)" x
	gsh bind -s v --remove d:/srv/d
	gsh bind -s v d:/srv/e:ro
	run gsh bind -s v --json
	assert_output --partial '"read"'
	"$TESTS/tools/json-check" <<<"$output"
	[ "${RUNG-A}" = A ] || gsh stop v
	run box v sh -c 'cat /srv/e/f; cat /srv/d/f; echo x >/srv/e/f'
	assert_line --index 0 x
	assert_output --partial "Read-only file system"
	assert_equal "$(cat d/f)" x
	run gsh bind -s v --remove
	assert_failure 2
	run gsh bind -s v d:/srv/d:never
	assert_failure
}

@test "what is hidden and looked for is told, with the line that allows it; and that line does" {
	export HOME=$PWD/home
	mkdir -p home/.ssh home/.config/gh
	echo private >home/.ssh/id_rsa
	echo machine >home/.netrc
	echo x >"home/.ssh/a'b"
	run gsh run -s h -- sh -c 'cat ~/.ssh/id_rsa ~/.ssh/none ~/.netrc "$HOME/.ssh/a'"'"'b"; cat ~/.ssh/id_rsa; ls ~/.ssh' 2>&1
	refute_line private
	refute_line machine
	run gsh denials h
	assert_line --partial "gsh allow -s h path '$HOME/.ssh/id_rsa'"
	assert_line --partial "gsh allow -s h path '$HOME/.netrc'"
	refute_output --partial none
	refute_output --partial "a'b"
	assert_equal "$(wc -l <<<"$output")" 2
	eval "timeout 20 $(gsh denials h | grep -o "gsh allow -s h path '.*id_rsa'")"
	[ "${RUNG-A}" = A ] || gsh stop h
	run box h cat "$HOME/.ssh/id_rsa"
	assert_output private
	run gsh denials h
	refute_output --partial id_rsa
	# Who writes to what covers does so in the sandbox, as ever.
	run box h sh -c 'echo mine >~/.netrc; cat ~/.netrc; mkdir -p ~/.ssh/d; echo k >~/.ssh/d/k; cat ~/.ssh/d/k'
	[ "${RUNG-A}" = B ] || assert_output "mine
k"
	assert_equal "$(cat home/.netrc)" machine
}

@test "a connect with O_NONBLOCK to a peer outside does not wait: poll, SO_ERROR and a second connect tell how it went" {
	a=$(own_address)
	[ -n "$a" ] || skip "this host has no address but its loopback"
	serve "$a"
	# A listener whose queue is full answers nobody: a connect to it stays under way.
	/usr/bin/python3 -c "import os, socket, time
s = socket.socket(); s.bind(('$a', 0)); s.listen(0)
held = [socket.socket() for i in range(4)]
for h in held: h.setblocking(False); h.connect_ex(s.getsockname())
open('full.new', 'w').write(str(s.getsockname()[1])); os.rename('full.new', 'full')
time.sleep(60)" 3>&- &
	FULL=$!
	wait_until 100 test -s full
	cat >now.py <<-PY
	import asyncio, errno, select, socket, time
	def begin(port):
	    s = socket.socket(); s.setblocking(False)
	    t = time.time()
	    r = s.connect_ex(("$a", port))
	    assert time.time() - t < 5
	    return s, errno.errorcode.get(r, r)
	def told(s):
	    e = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
	    return errno.errorcode.get(e, e)
	s, r = begin($PORT)
	ready = select.select([], [s], [], 20)[1] == [s]
	print(r, ready, told(s), s.getpeername() == ("$a", $PORT))
	# Nothing is there to be read that nobody sent, and what is sent arrives whole.
	try: s.recv(10)
	except BlockingIOError: print("nothing")
	s.setblocking(True)
	s.sendall(b"x" * 500000); s.shutdown(socket.SHUT_WR)
	got = b""
	while (b := s.recv(65536)): got += b
	print(len(got), set(got[:-3]) == {88})
	# Nobody listens there.
	s, r = begin($((PORT ^ 1)))
	p = select.poll(); p.register(s, select.POLLOUT)
	print(r, bool(p.poll(20000)[0][1] & select.POLLERR), told(s), told(s))
	# Nobody answers: it is not writable, sends nothing, and a second connect says that it is under way.
	s, r = begin($(cat full))
	print(r, select.select([], [s], [], 0.3)[1], told(s), errno.errorcode[s.connect_ex(("$a", $(cat full)))])
	try: s.send(b"x")
	except BlockingIOError: print("not yet")
	# Who waited for it before it was connected goes on waiting, by any number; a failed one may try again.
	w = select.epoll(); s = socket.socket(); s.setblocking(False); d = s.dup()
	w.register(s, select.EPOLLIN); w.register(d, select.EPOLLOUT); w.modify(s, select.EPOLLOUT | select.EPOLLIN)
	r = s.connect_ex(("$a", $((PORT ^ 1))))
	print(errno.errorcode[r], {n for n, e in w.poll(20)} >= {s.fileno()}, told(s))
	r = s.connect_ex(("$a", $PORT))
	print(errno.errorcode.get(r, r), select.select([], [s], [], 20)[1] == [s], told(s))
	print(sorted(w.poll(20)) == sorted([(s.fileno(), select.EPOLLOUT), (d.fileno(), select.EPOLLOUT)]))
	s.send(b"again"); w.unregister(d); w.modify(s, select.EPOLLIN)
	print(w.poll(20) == [(s.fileno(), select.EPOLLIN)], s.recv(9), errno.errorcode[s.connect_ex(("$a", $PORT))])
	# An event loop goes on meanwhile.
	async def main():
	    slow = asyncio.ensure_future(asyncio.open_connection("$a", $(cat full)))
	    r, w = await asyncio.open_connection("$a", $PORT)
	    w.write(b"loop"); print(await r.read(100)); w.close()
	    print(slow.done()); slow.cancel()
	    try: await asyncio.open_connection("$a", $((PORT ^ 1)))
	    except OSError as e: print(errno.errorcode[e.errno])
	asyncio.run(main())
	PY
	run gsh run -s now --net "$a:*" -- /usr/bin/python3 now.py
	kill "$SERVER" "$FULL"
	assert_output "EINPROGRESS True 0 True
nothing
500003 True
EINPROGRESS True ECONNREFUSED 0
EINPROGRESS [] 0 EALREADY
not yet
EINPROGRESS True ECONNREFUSED
EINPROGRESS True 0
True
True b'AGAIN' EISCONN
b'LOOP'
False
ECONNREFUSED"
}

@test "curl and git fetch from a server outside, by the monitor and, on rung A, by nat" {
	a=$(own_address)
	[ -n "$a" ] || skip "this host has no address but its loopback"
	command -v curl >/dev/null || skip "no curl"
	local way
	git init -q -b main src
	git -C src -c user.name=n -c user.email=e commit -q --allow-empty -m first
	git clone -q --bare src repo.git
	git -C repo.git update-server-info
	head -c 3000000 /dev/zero >big
	/usr/bin/python3 -c "import http.server, os
s = http.server.ThreadingHTTPServer(('$a', 0), http.server.SimpleHTTPRequestHandler)
open('port.new', 'w').write(str(s.server_address[1])); os.rename('port.new', 'port'); s.serve_forever()" >/dev/null 2>&1 3>&- &
	SERVER=$!
	wait_until 100 test -s port
	PORT=$(cat port)
	printf '[Network]\nDeny=\n' >"$GSH_CONFIG"
	for way in "$a:$PORT" nat; do
		[ "$way" != nat ] || { [ "${RUNG-A}" = A ] && [ -w /dev/net/tun ]; } || continue
		run gsh run -x --net "$way" -- sh -c "curl -sS http://$a:$PORT/big | wc -c
			git clone -q http://$a:$PORT/repo.git got && git -C got log --format=%s"
		assert_output "3000000
first"
	done
	kill "$SERVER"
}
