# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash disable=SC2154 # what run has
# The attacks, a part each: run names them. Each leaves the sandbox that it attacked from running, or dead; and the victim as
# $dir, $pid, $address, $port, $path, $abstract and $outsider say.

PARTS='files processes sockets kernel given opened past reach bound live nat peer channel device terminals attached asked root traps races'

part_files() {
	attack files 100 "$dir"
}

part_processes() {
	attack processes 20 "$pid" "$address"
}

part_sockets() {
	attack sockets 9 "$port" "$path" "$abstract" "$BOX/run/gshd.sock"
}

part_kernel() {
	attack kernel 60
}

part_given() {
	local handed=$dir/handed what
	attack given 6 "$path.letters"
	echo "handed in" >"$handed"
	chmod 640 "$handed"
	"$bin/given" handed <>"$handed" >"$BOX/attack.log" 2>&1
	for what in mode times attribute owner; do
		grep -q "^$what of the input raw: escaped" "$BOX/attack.log"
		result $? "control: without walls the $what of a file that was handed in can be changed" "$(cat "$BOX/attack.log")"
	done
	grep -q '^asynchronous input raw: escaped' "$BOX/attack.log"
	result $? "control: it can be made to signal" "$(cat "$BOX/attack.log")"
	rm -f "$handed"
	echo "handed in" >"$handed"
	chmod 640 "$handed"
	touch -d @1000000000 "$handed"
	input=$handed attack given.handed 10 handed
	[ "$(stat -c '%a %Y' "$handed")" = '640 1000000000' ] && [ "$(python3 -c 'import os, sys; print(os.listxattr(sys.argv[1]))' "$handed")" = '[]' ]
	result $? "given: what was handed in is as it was" "$(stat "$handed")"
	rm -f "$handed"
}

part_opened() {
	mkfifo "$BOX/work/fifo"
	attack opened 24 "$dir/victim" "$BOX/store" "$BOX/store/VERSION" "$BOX/run" "$BOX/run/gshd.sock" "$BOX/mnt" "$HOME/.ssh" "$HOME/.ssh/id" "$HOME/.netrc" /proc "/proc/$pid/environ" \
		/dev /dev/null /run "$BOX/work/fifo"
	if [ "${GSH_RUNG-}" = B ]; then
		grep -q '^granted file pal: done' "$BOX/attack.log"
		result $? "opened: what may be read is granted" "$(head -3 "$BOX/attack.log")"
	else
		grep -q '^readable file pal: done' "$BOX/attack.log"
		result $? "opened: what may be read is read" "$(head -3 "$BOX/attack.log")"
	fi
	# On rung B a hidden file can be looked up, and held while the host replaces it.
	if [ "${GSH_RUNG-}" = B ]; then
		(
			wait_until 100 compgen -G "$BOX/store/boxes/escape-opened/tree/top/*$BOX/work/pinned" >"$BOX/pinned"
			echo another >"$HOME/.netrc.new"
			mv "$HOME/.netrc.new" "$HOME/.netrc"
		) &
		attack opened 1 -r "$HOME/.netrc" "$BOX/work/pinned"
		wait $!
		grep -q 'it was replaced' "$BOX/attack.log"
		result $? "opened: the host replaced the file" "$(cat "$BOX/attack.log")"
	fi
}

# Its own past: what an op that is over left. The second op's layer is the top.
part_past() {
	timeout 30 "$GSH" run -s escape-past -- sh -c "echo past >'$BOX/work/past'" 2>&1 | sed 's/^/# /'
	attack past 11 "layers/0001$BOX/work/past" top/0002
	[ "$(grep -cE '^(read|write in the top) pal: done' "$BOX/attack.log")" = 2 ]
	result $? "past: what is sealed may be read, and the top written" "$(head -3 "$BOX/attack.log")"
}

part_reach() {
	# Peers outside: the policy has anybody but the host itself. Where it names the host's port, outside sees who comes.
	grants=(--net "127.0.0.1:$port")
	timeout -k 5 60 "$GSH" run -s granted "${grants[@]}" -- "$bin/reach" granted "$port" >"$BOX/attack.log" 2>&1
	grep -q '^granted peer pal: done' "$BOX/attack.log" && wait_until 20 grep -q 'connection: tcp' "$dir/touched"
	result $? "reach: outside sees the peer that was granted" "$(cat "$BOX/attack.log" "$dir/touched")"
	kill -KILL "$outsider"
	wait "$outsider" 2>/dev/null
	rm -rf "$dir"
	victim "$dir"
	# The same where it is taken back while the sandbox runs.
	grants=()
	timeout 30 "$GSH" run -s escape-reach.revoked -- true
	timeout 20 "$GSH" allow -s escape-reach.revoked net "127.0.0.1:$port" >"$BOX/allow.log" 2>&1
	timeout -k 5 60 "$GSH" run -s escape-reach.revoked -- "$bin/reach" granted "$port" >"$BOX/attack.log" 2>&1
	grep -q '^granted peer pal: done' "$BOX/attack.log" && wait_until 20 grep -q 'connection: tcp' "$dir/touched"
	result $? "reach: what the running sandbox is allowed is reached" "$(cat "$BOX/allow.log" "$BOX/attack.log")"
	timeout 20 "$GSH" allow -s escape-reach.revoked --revoke net "127.0.0.1:$port" >"$BOX/allow.log" 2>&1
	: >"$dir/touched"
	attack reach.revoked 1 revoked "$port"
	grants=(--net host)
	attack reach 30 "$port"
	timeout 20 "$GSH" stop escape-reach
	grants=(--net '*:*')
	attack reach 8 names "$port"
	grants=()
}

# A directory bound for writing, with what leads out of it.
part_bound() {
	bound=$BOX/outside/bound
	mkdir -p "$bound/in"
	ln -s .. "$bound/up"
	ln -s "$dir/victim" "$bound/abs"
	echo f >"$bound/f"
	grants=(--bind "$bound")
	attack bound 20 "$bound" "$dir/victim"
	grep -q '^bound directory pal: done' "$BOX/attack.log"
	result $? "bound: the directory itself is written" "$(head -3 "$BOX/attack.log")"
	[ -z "$(find "$bound" -perm /6000 -o -type c)" ] && [ -d "$bound/in" ]
	result $? "bound: nothing in it that may not be" "$(ls -la "$bound")"
	grants=()
}

part_peer() {
	# Another sandbox: a program there has one of each thing that has a key, a name, a number or a path.
	PEER_VICTIM=yes timeout 300 "$GSH" run -s bystander -e PEER_VICTIM -- "$bin/peer" victim "$BOX/work" "escape-peer-$$" >"$BOX/peer" 2>&1 &
	peer=$!
	wait_until 50 test -s "$BOX/peer"
	read -r peer_pid peer_at peer_port <"$BOX/peer"
	peer_host=$(pgrep -u "$(id -u)" -x peer | head -1)
	[ -n "$peer_port" ] && [ -n "$peer_host" ]
	result $? "peer: the victim runs" "$(cat "$BOX/peer")"
	timeout 20 "$GSH" mount >"$BOX/mount.log" 2>&1
	set -- "$BOX/work" "escape-peer-$$" "$peer_pid" "$peer_at" "$peer_port"
	timeout -k 5 100 "$GSH" run -s bystander -- "$bin/peer" "$@" 0 / / >"$BOX/attack.log" 2>&1
	for what in 'shared memory' semaphores 'message queue' 'posix queue' 'named memory' file 'abstract socket' socket port memory environment; do
		grep -q "^$what libc: escaped" "$BOX/attack.log"
		result $? "control: within one sandbox a peer's $what is reached" "$(grep "^$what" "$BOX/attack.log")"
	done
	# Where the host has it: the command above has sealed its layer.
	peer_layer=$(find "$BOX/store/boxes/bystander/tree" -path "*$BOX/work/secret" | head -1)
	[ -s "$peer_layer" ] && cmp -s "$peer_layer" "$BOX/mnt/bystander/root$BOX/work/secret"
	result $? "control: the host sees the peer's file, in its layer and by the mount" "$peer_layer $(ls "$BOX/mnt" 2>&1)"
	attack peer 16 "$@" "$peer_host" "${peer_layer%"$BOX/work/secret"}" "$BOX/mnt/bystander/root"
	[ "$(cat "$BOX/peer")" = "$peer_pid $peer_at $peer_port" ] && kill -0 "$peer" && [ "$(pgrep -u "$(id -u)" -x peer | head -1)" = "$peer_host" ]
	result $? "peer: the victim heard nothing" "$(cat "$BOX/peer")"
	timeout 20 "$GSH" stop bystander
	wait "$peer" 2>/dev/null
}

part_channel() {
	for kind in 0 1 2 3 4 6 7; do attack channel 0 $kind; done
	attack channel 1 5
	[ "$(timeout 20 "$GSH" run -s escape-channel -- echo up)" = up ] && ! "$GSH" info -s escape-channel | grep -q 'broke the protocol'
	result $? "channel: who asks for what may be asked is borne, and answered afterwards" "$(timeout 20 "$GSH" info escape-channel)"
}

# The same of one that a running sandbox is given (rung A), and of what it keeps once that was taken back. On rung B nothing
# comes before the next start.
part_live() {
	local live=$BOX/outside/live
	mkdir -p "$live/in"
	ln -s .. "$live/up"
	ln -s "$dir/victim" "$live/abs"
	echo f >"$live/f"
	timeout 30 "$GSH" run -s escape-bound.live -- true
	if [ "${GSH_RUNG-}" = B ]; then
		timeout 20 "$GSH" allow -s escape-bound.live write "$live" >"$BOX/live.log" 2>&1
		timeout 60 "$GSH" run -s escape-bound.live -- "$bin/bound" "$live" "$dir/victim" >"$BOX/attack.log" 2>&1
		grep -q '^bound directory pal: ' "$BOX/attack.log" && ! grep -qE '^bound directory pal: done|: escaped' "$BOX/attack.log"
		result $? "live: what is allowed for the next start is not there before" "$(head -3 "$BOX/attack.log")"
		return
	fi
	timeout 20 "$GSH" bind -s escape-bound.live "$live" >"$BOX/live.log" 2>&1
	result $? "live: a directory is bound to a running sandbox" "$(cat "$BOX/live.log")"
	attack bound.live 20 "$live" "$dir/victim"
	grep -q '^bound directory pal: done' "$BOX/attack.log"
	result $? "live: the directory itself is written" "$(head -3 "$BOX/attack.log")"
	[ -z "$(find "$live" -perm /6000 -o -type c)" ] && [ -d "$live/in" ]
	result $? "live: nothing in it that may not be" "$(ls -la "$live")"
	timeout 20 "$GSH" bind -s escape-bound.live --remove "$live" >"$BOX/live.log" 2>&1
	result $? "live: it is taken back" "$(cat "$BOX/live.log")"
	rm -f "$live/written"
	attack bound.live 20 "$live" "$dir/victim"
	grep -q '^bound directory pal: ' "$BOX/attack.log" && [ ! -e "$live/written" ]
	result $? "live: what was taken back is not written" "$(head -3 "$BOX/attack.log")"
	# What the sandbox put there for a directory is no way to have its aim bound.
	ln -s "$HOME/.ssh" "$live/planted"
	! timeout 20 "$GSH" bind -s escape-bound.live "$live/planted" >"$BOX/live.log" 2>&1
	result $? "live: a link to what is hidden is not bound" "$(cat "$BOX/live.log")"
}

# A network of its own that leads outside by pasta(1): to everybody but the host.
part_nat() {
	local own
	[ "${GSH_RUNG-}" != B ] && [ -w /dev/net/tun ] && command -v pasta >/dev/null || return 0
	own=$(ip -4 -o addr show scope global 2>/dev/null | awk '{ sub("/.*", "", $4); print $4; exit }')
	[ -n "$own" ] || return 0
	/usr/bin/python3 - "$dir/touched" "$BOX/nat.port" <<-'PYTHON' &
		import os, select, socket, sys
		t = socket.socket(); t.bind(("0.0.0.0", 0)); t.listen()
		u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("0.0.0.0", t.getsockname()[1]))
		open(sys.argv[2], "w").write(str(t.getsockname()[1]))
		while os.path.exists(sys.argv[2]):
		    for s in select.select([t, u], [], [], 0.2)[0]:
		        s.accept()[0].close() if s is t else s.recv(100)
		        open(sys.argv[1], "a").write("connection: by nat\n")
	PYTHON
	wait_until 50 test -s "$BOX/nat.port"
	"$bin/nat" "$(cat "$BOX/nat.port")" "$own" >"$BOX/attack.log" 2>&1
	grep -q '^connect .* libc: escaped' "$BOX/attack.log" && wait_until 20 grep -q 'connection: by nat' "$dir/touched"
	result $? "control: without walls the host is reached by its own address" "$(cat "$BOX/attack.log")"
	: >"$dir/touched"
	grants=(--net nat)
	attack nat 10 "$(cat "$BOX/nat.port")" "$own"
	grants=()
	rm -f "$BOX/nat.port"
	timeout 20 "$GSH" stop escape-nat
}

# One device of the host's that everybody may read is granted; its driver answers to more than reading.
part_device() {
	"$bin/device" urandom >"$BOX/attack.log" 2>&1
	grep -q '^RNDGETENTCNT raw: escaped' "$BOX/attack.log"
	result $? "control: the driver answers on the host" "$(cat "$BOX/attack.log")"
	timeout 30 "$GSH" run -s escape-device -- true
	timeout 20 "$GSH" allow -s escape-device device '/dev/urandom r' >"$BOX/allow.log" 2>&1
	attack device 100 urandom full kmsg fuse loop-control net/tun tty
	grep -q '^read what is granted pal: done' "$BOX/attack.log"
	result $? "device: what is granted is read" "$(cat "$BOX/allow.log" "$BOX/attack.log")"
	timeout 20 "$GSH" allow -s escape-device --revoke device '/dev/urandom r' >"$BOX/allow.log" 2>&1
	timeout -k 5 100 "$GSH" run -s escape-device -- "$bin/device" urandom >"$BOX/attack.log" 2>&1
	grep -q '^read what is granted pal: refused' "$BOX/attack.log"
	result $? "device: what was taken back is not read" "$(cat "$BOX/allow.log"; head -5 "$BOX/attack.log")"
}

# A terminal of the host's with a line that somebody typed, and one of another sandbox's session.
part_terminals() {
	local number other
	/usr/bin/python3 - "$BOX/pty" <<-'PYTHON' &
		import os, select, sys
		m, s = os.openpty()
		os.write(m, b"secret line\n")
		open(sys.argv[1] + ".new", "w").write(os.ttyname(s).split("/")[-1])
		os.rename(sys.argv[1] + ".new", sys.argv[1])
		os.read(m, 100)
		while os.path.exists(sys.argv[1]):
		    if select.select([m], [], [], 0.2)[0]:
		        open(sys.argv[1] + ".came", "ab").write(os.read(m, 1000))
		        os.write(m, b"secret line\n")
		        os.read(m, 100)
	PYTHON
	wait_until 50 test -s "$BOX/pty"
	number=$(cat "$BOX/pty")
	"$bin/terminals" "$number" 99999 >"$BOX/attack.log" 2>&1
	grep -q '^read by name raw: escaped' "$BOX/attack.log" && wait_until 20 grep -q escape-mark "$BOX/pty.came"
	result $? "control: without walls a terminal of the host's is read and written" "$(cat "$BOX/attack.log")"
	: >"$BOX/pty.came"
	# shellcheck disable=SC2016 # for sh
	script -qefc "timeout --foreground 300 $GSH run -s bystander -- sh -c 'tty >$BOX/work/tty; read -r line; echo \"got \$line\"'" "$BOX/typescript" \
		>/dev/null 2>&1 < <(wait_until 400 test -e "$BOX/pty.done"; printf 'end\r'; wait_until 100 grep -q 'got end' "$BOX/typescript") &
	wait_until 100 sh -c "timeout 10 '$GSH' cat 'bystander:$BOX/work/tty' >'$BOX/tty'; test -s '$BOX/tty'"
	other=$(sed -n 's|^/dev/pts/||p' "$BOX/tty")
	[ -n "$other" ]
	result $? "terminals: another sandbox has one" "$(cat "$BOX/tty")"
	attack terminals 15 "$number" "${other:-0}"
	touch "$BOX/pty.done"
	wait $!
	[ ! -s "$BOX/pty.came" ]
	result $? "terminals: nothing came to the host's" "$(cat -v "$BOX/pty.came")"
	grep -q 'got end' "$BOX/typescript" && ! grep -q escape-mark "$BOX/typescript"
	result $? "terminals: nothing came to the other sandbox's" "$(cat -v "$BOX/typescript")"
	rm -f "$BOX/pty"
}

# What a terminal shows comes to the client in frames: bytes like those of frames are shown, and nothing else is done. Each
# forged one would end the client, detach it, or have it edit and send lines.
part_attached() {
	local kind status
	cat >"$BOX/forge" <<-'EOF'
		for kind in x q s e a g k p l w; do
			for n in 0 4 8; do
				printf "$kind\\$(printf %03o "$n")\\000\\000"
				printf 'c\000\000\000mark' | head -c "$n"
				sleep 0.02
			done
			echo "<$kind shown>"
		done
		exit 7
	EOF
	# As the client's reader would take them, without the lines between.
	sh "$BOX/forge" | /usr/bin/python3 -c '
import re, sys
b, seen = re.sub(rb"<.*>\n", b"", sys.stdin.buffer.read()), []
while len(b) >= 4:
    n = int.from_bytes(b[1:4], "little")
    seen.append((chr(b[0]), n))
    b = b[4 + n:]
sys.exit(0 if seen == [(k, n) for k in "xqseagkplw" for n in (0, 4, 8)] else str(seen))' 2>"$BOX/attack.log"
	result $? "control: what is printed are frames" "$(cat "$BOX/attack.log"; sh "$BOX/forge" | head -c 100 | od -c)"
	timeout 100 script -qefc "timeout --foreground 60 '$GSH' run -s escape-attached -- sh '$BOX/forge'" "$BOX/typescript" >/dev/null 2>&1 </dev/null
	status=$?
	[ "$status" = 7 ]
	result $? "attached: the client ends with the command's own status" "$status; $(head -c 500 "$BOX/typescript" | cat -v)"
	for kind in x q s e a g k p l w; do
		echo "frame $kind pal: $(grep -qF "<$kind shown>" "$BOX/typescript" && echo "done" || echo escaped)"
	done >"$BOX/attack.log"
	! grep -q escaped "$BOX/attack.log"
	result $? "attached: all of it is shown" "$(cat "$BOX/attack.log")"
	tally attached "$BOX/attack.log"
	timeout 20 "$GSH" stop escape-attached
}

# The host's gsh, asked from inside. What the bystander and the host have by these names must not be told.
part_asked() {
	echo key >"$HOME/.ssh/escape-hidden"
	attack asked 60 bystander "$HOME/.ssh"
	for how in libc pal; do
		grep -q "^log $how: done" "$BOX/attack.log"
		result $? "asked: what is for somebody inside is answered ($how)" "$(head -3 "$BOX/attack.log")"
	done
	timeout 20 "$GSH" stop escape-asked
}

# Root in name: the attacks again, and those of its own.
part_root() {
	grants=(--root)
	attack files.root 100 "$dir"
	attack processes.root 20 "$pid" "$address"
	attack sockets.root 9 "$port" "$path" "$abstract" "$BOX/run/gshd.sock"
	attack kernel.root 60
	attack root 60 "$dir" "$pid"
	grants=()
	[ "$(find "$BOX/store" "$BOX/run" ! -user "$(id -un)" | wc -l)" = 0 ]
	result $? "root: all that it made is the user's" "$(find "$BOX/store" "$BOX/run" ! -user "$(id -un)" | head)"
}

# What a layer says was laid; then the host's side walks it.
part_traps() {
	local out=$BOX/outside/out where=$BOX/work/traps c=$BOX/work/traps-control name
	mkdir -p "$out" "$where/pub" "$c"
	echo "the host's own" >"$out/victim"
	touch -d @1000000000 "$out/victim"
	echo f >"$where/pub/f"
	echo two >"$where/one"
	ln "$where/one" "$where/twice"
	echo "escape-key" | tee "$HOME/.ssh/id" >"$HOME/.netrc"
	"$bin/traps" "$c" '' "$out" "$HOME/.ssh" >"$BOX/attack.log" 2>&1
	[ "$(grep -c ': done' "$BOX/attack.log")" -ge 20 ]
	result $? "control: on the host all traps are laid" "$(grep -v ': done' "$BOX/attack.log")"
	for name in 'find -perm /6000' 'grep -rl escape-key tree/to-hidden' 'cat pub/victim' 'ls --show-control-chars tree'; do
		# shellcheck disable=SC2086 # words
		[ -n "$(cd "$c" && $name 2>/dev/null)" ]
		result $? "control: $name falls into one there"
	done
	chmod -R u+rwX "$c"
	rm -rf "$c"
	attack traps 15 "$where" top/0001 "$out" "$HOME/.ssh"
	[ "$(grep -c ': done' "$BOX/attack.log")" -ge 16 ]
	result $? "traps: they are laid" "$(cat "$BOX/attack.log")"
	host_tools "$where" "$out"
}

# tool NAME COMMAND...: of the host's, which writes to $walk if anywhere. What came of it is judged by what is there then.
tool() {
	local name=$1 bad='' control
	shift
	rm -rf "$walk"
	mkdir -p "$walk"
	timeout -k 5 60 "$@" >"$BOX/tool.out" 2>"$BOX/tool.err" </dev/null
	[ $? -lt 124 ] || bad="it did not end; "
	grep -qF escape-key "$BOX/tool.out" "$BOX/tool.err" && bad+="it told what is hidden; "
	grep -rqF escape-key "$walk" 2>/dev/null && bad+="it brought what is hidden; "
	[ -z "$(find "$walk" \( -type b -o -type c -o -perm /6000 \) 2>/dev/null)" ] || bad+="a device, or a set-id program; "
	[ "$(cat "$tools_out/victim")" = "the host's own" ] && [ "$(ls "$tools_out")" = victim ] && [ "$(stat -c %Y "$tools_out/victim")" = 1000000000 ] ||
		bad+="a link was followed; "
	control=$(LC_ALL=C grep -c $'[\x01-\x08\x0b-\x1f\x7f]' <(cat "$BOX/tool.err"; [ "${listing-}" = no ] || cat "$BOX/tool.out"))
	[ "$control" = 0 ] || bad+="control characters in $control lines; "
	[ "${listing-}" = no ] || ! grep -q '^A[[:space:]]f[[:space:]]1[[:space:]]*/*forged' "$BOX/tool.out" || bad+="a line was forged; "
	echo "$name pal: $([ -z "$bad" ] && echo "done" || echo escaped)" >>"$BOX/tools.log"
	[ -z "$bad" ]
	result $? "tools: $name" "$bad$(head -c 600 "$BOX/tool.err" | cat -v)"
	chmod -R u+rwX "$walk" 2>/dev/null
}

# gsh's own commands, then others of the host's, in the mount and in the layer itself.
host_tools() {
	local where=$1 s=escape-traps walk=$BOX/walk tools_out=$2 listing='' layer root
	: >"$BOX/tools.log"
	tool status "$GSH" status -s $s
	tool 'status --json' "$GSH" status -s $s --json
	listing=no # contents are shown as they are
	tool diff "$GSH" diff -s $s
	listing=
	tool 'diff --stat' "$GSH" diff -s $s --stat
	tool 'diff --name-status' "$GSH" diff -s $s --name-status
	tool log "$GSH" log -s $s
	tool show "$GSH" show -s $s 1
	tool why "$GSH" why -s $s "$where/tree/to-hidden"
	tool cp "$GSH" cp -r "$s:$where/tree" "$walk/tree"
	tool 'cp -a' "$GSH" cp -a "$s:$where/tree" "$walk/tree"
	tool 'cp of a link' "$GSH" cp "$s:$where/tree/to-hidden" "$walk/got"
	tool 'cp by a link' "$GSH" cp "$s:$where/pub/victim" "$walk/got"
	tool 'cp in by a link' "$GSH" cp "$where/one" "$s:$where/pub/victim"
	tool 'cat of a link' "$GSH" cat "$s:$where/tree/to-hidden"
	tool 'cat of a redirect' "$GSH" cat "$s:$where/tree/moved0/id"
	tool 'commit of all, looked at' "$GSH" commit -s $s --dry-run
	tool 'commit of all' "$GSH" commit -s $s -y
	[ -d "$where/pub" ] && [ ! -e "$where/tree" ]
	result $? "tools: devices and set-id programs refuse a commit" "$(ls -la "$where")"
	tool 'commit of names' "$GSH" commit -s $s -y -- "$where/tree/moved0" "$where/tree/to-hidden" "$where/tree/device"
	tool 'commit of a device' "$GSH" commit -s $s -y -- "$where/tree/device" "$where/tree/disk"
	tool 'commit of redirects' "$GSH" commit -s $s -y -- "$where/tree/moved0" "$where/tree/moved4" "$where/tree/moved5"
	tool 'commit of a link for a directory' "$GSH" commit -s $s -y -- "$where/pub"
	! grep -rqsF escape-key "$where" --exclude-dir=to-hidden && [ -z "$(find "$where" -type b -o -type c -o -perm /6000)" ]
	result $? "tools: commits brought nothing of it" "$(find "$where" | head -20 | cat -v)"
	tool 'snapshot' "$GSH" snapshot -s $s trapped
	tool 'clone' "$GSH" clone $s escape-cloned
	timeout 20 "$GSH" stop $s >/dev/null 2>&1
	tool 'undo' "$GSH" undo -s $s
	tool 'redo' "$GSH" redo -s $s
	timeout 20 "$GSH" mount >/dev/null 2>&1
	root=$BOX/mnt/$s/root$where
	wait_until 50 test -e "$root/seed"
	listing=no
	tool 'find in the mount' find "$root" -xdev -print0
	tool 'tar of the mount' tar --exclude=moved\* -cf "$walk/t.tar" -C "$root" .
	tool 'grep -r in the mount' grep -rF escape-key "$root/tree/moved0" "$root/tree/moved1/.ssh" "$root/tree/moved1/.netrc"
	tool 'git add in the mount' sh -c 'git init -q --bare "$1" && git --git-dir="$1" --work-tree="$2" add -A .; true' sh "$walk/git" "$root"
	if command -v rsync >/dev/null; then tool 'rsync of the mount' rsync -rlt --exclude='moved*' "$root/" "$walk/to"; fi
	tool 'writing by a link in the mount' sh -c 'echo x >"$1/pub/victim"' sh "$root"
	tool 'mkdir by a link in the mount' mkdir "$root/pub/escape-mark-dir"
	tool 'rm -rf in the mount' rm -rf "$root/tree"
	layer=$(dirname "$(find "$BOX/store/boxes/$s/tree" -path "*$where/seed" 2>/dev/null | head -1)")
	[ -d "$layer/tree" ] || layer=$(dirname "$(find "$BOX/store/boxes/escape-cloned/tree" -path "*$where/seed" 2>/dev/null | head -1)")
	tool 'find in the layer' find "$layer" -xdev -print0
	tool 'tar of the layer' tar -cf "$walk/t.tar" -C "$layer" .
	tool 'cp -a of the layer' cp -a "$layer" "$walk/to"
	if command -v rsync >/dev/null; then tool 'rsync of the layer' rsync -rlt "$layer/" "$walk/to"; fi
	tool 'git add in the layer' sh -c 'git init -q --bare "$1" && git --git-dir="$1" --work-tree="$2" add -A .; true' sh "$walk/git" "$layer"
	tool 'rm of the sandbox' "$GSH" rm -f $s
	[ ! -e "$BOX/store/boxes/$s" ]
	result $? "tools: what is to be removed is" "$(find "$BOX/store/boxes/$s" 2>&1 | head -5)"
	tally tools "$BOX/tools.log"
}

# What the host's tools do, over and over, where directories are links every other moment. $1: the place.
race_tools() {
	local at=$1 until=$((SECONDS + ${2:-4}))
	while [ $SECONDS -lt "$until" ]; do
		{
			echo x >"$at/d/victim"
			echo x >>"$at/l/sub/victim"
			echo x >"$at/d/sub/made-$RANDOM"
			mkdir "$at/d/sub/dir" && rmdir "$at/d/sub/dir"
			chmod 600 "$at/d/victim" "$at/l/sub/victim"
			touch -d @0 "$at/l/victim"
			cp -r "$at/d" "$BOX/walk/to"
			rm -rf "$at/d/sub/x" "$BOX/walk/to"
			ln -f "$at/swaps" "$at/d/sub/linked"
			mv -T "$at/swaps" "$at/d/victim" && echo again >"$at/swaps"
		} 2>/dev/null
		[ -z "${3-}" ] || "$3"
	done
}

race_gsh() {
	"$GSH" cp -r "escape-races:$races/d" "$BOX/walk/by-gsh"
	"$GSH" cp "$BOX/walk/in" "escape-races:$races/d/victim"
	"$GSH" commit -s escape-races -y -- "$races/d"
	"$GSH" diff -s escape-races -- "$races"
	rm -rf "$BOX/walk/by-gsh" "$races/d" "$races/l"
} >>"$BOX/races.log" 2>&1

part_races() {
	local out=$BOX/outside/aim races=$BOX/work/races c=$BOX/work/races-control swapper
	mkdir -p "$races" "$c" "$BOX/walk"
	echo x >"$BOX/walk/in"
	aim() {
		rm -rf "$out"
		mkdir -p "$out"
		echo "the host's own" >"$out/victim"
		chmod 640 "$out/victim"
		touch -d @1000000000 "$out/victim"
	}
	aim
	"$bin/swap" "$c" "$out" >"$BOX/attack.log" 2>&1 &
	swapper=$!
	wait_until 50 test -e "$c/swaps"
	race_tools "$c" 2
	touch "$c/stop"
	wait $swapper
	[ "$(cat "$out/victim" 2>/dev/null)" != "the host's own" ] || [ "$(ls "$out")" != victim ]
	result $? "control: on the host tools are led outside by what is swapped" "$(ls -la "$out")"
	rm -rf "$c"
	aim
	timeout 100 "$GSH" run -s escape-races -- "$bin/swap" "$races" "$out" >"$BOX/attack.log" 2>&1 &
	swapper=$!
	timeout 20 "$GSH" mount >/dev/null 2>&1
	wait_until 100 test -e "$BOX/mnt/escape-races/root$races/swaps"
	race_tools "$BOX/mnt/escape-races/root$races" 6 race_gsh
	touch "$BOX/mnt/escape-races/root$races/stop"
	wait $swapper
	grep -q '^swapped [1-9][0-9]' "$BOX/attack.log"
	result $? "races: the sandbox swapped them meanwhile" "$(cat "$BOX/attack.log")"
	[ "$(cat "$out/victim")" = "the host's own" ] && [ "$(ls "$out")" = victim ] && [ "$(stat -c '%a %Y %h' "$out/victim")" = "640 1000000000 1" ]
	result $? "races: neither the host's tools nor gsh's were led outside" "$(ls -la "$out"; tail -3 "$BOX/races.log")"
	echo "swapped directories pal: $([ "$(ls "$out")" = victim ] && echo "done" || echo "escaped")" >"$BOX/tools.log"
	tally tools "$BOX/tools.log"
}
