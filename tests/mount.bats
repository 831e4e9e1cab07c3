#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# The host's view of sandboxes through the mount: while they work, when they stop, when something dies.

bats_require_minimum_version 1.5.0
load lib.bash
load mounted.bash

# The kernel is older than FUSE 7.44: names are remembered for a moment only.
lacks_epochs() {
	[ "$(printf '%s\n' 6.16 "$(uname -r)" | sort -V | head -1)" != 6.16 ]
}

@test "mount says where, lists sandboxes, and goes cleanly" {
	gsh -s one -c true
	run gsh mount
	[ "$status" -eq 0 ]
	[ "$output" = "$GSH_MOUNT" ]
	[ -d "$GSH_MOUNT/one/root" ] && [ -d "$GSH_MOUNT/one/proc" ]
	gsh -s two -c true
	wait_until 20 sh -c "ls '$GSH_MOUNT' | grep -qx two"
	gsh mount
	[ "$(box_mounts | wc -l)" = 1 ]
	gsh umount
	[ -z "$(box_mounts)" ]
	[ -z "$(gfs_pid)" ]
}

@test "root shows what the sandbox sees: added, changed, removed, renamed" {
	mkdir -p d/sub
	echo base >d/base
	echo old >d/changed
	echo gone >d/gone
	echo deep >d/sub/deep
	gsh -s s -c 'cd d; echo new > changed; rm gone; echo added > added; mv sub moved; ln -s moved/deep link; ln added hard; chmod 600 added; touch -d @1000 base'
	gsh mount
	v=$(view s)/d
	[ "$(cat "$v/changed" "$v/added" "$v/base" "$v/moved/deep" "$v/link")" = $'new\nadded\nbase\ndeep\ndeep' ]
	[ ! -e "$v/gone" ] && [ ! -e "$v/sub" ]
	[ "$(stat -c '%a %h' "$v/hard")" = '600 2' ]
	[ "$(stat -c %i "$v/hard")" = "$(stat -c %i "$v/added")" ]
	[ "$(stat -c %Y "$v/base")" = 1000 ]
	[ "$(readlink "$v/link")" = moved/deep ]
	diff <(cd "$v" && find . -printf '%P %y %m %s\n' | sort) <(gsh -s s -c 'cd d; find . -printf "%P %y %m %s\n"' | sort)
	[ "$(cat d/changed d/gone)" = $'old\ngone' ]
}

@test "it is live: what is written inside is seen at once, and what grows, and what goes" {
	gsh -s s -c true
	gsh mount
	v=$(view s)
	for i in 1 2 3 4 5; do
		gsh -s s -c "echo $i > f; echo x >> log"
		[ "$(cat "$v/f")" = "$i" ]
		[ "$(wc -l <"$v/log")" = "$i" ]
	done
	gsh -s s -c 'rm f; mkdir f; echo in > f/in'
	[ "$(cat "$v/f/in")" = in ]
	gsh -s s -c 'rm -r f'
	[ ! -e "$v/f" ]
}

@test "snapshots and ops: trees as they were, and what was done" {
	gsh -s s -c 'mkdir d; echo 1 >d/f'
	gsh snapshot -s s first
	gsh -s s -c 'echo 2 >d/f; ln -s /etc abs; exit 3' || true
	gsh -s s -c 'rm -r d'
	gsh mount
	m=$GSH_MOUNT/s
	[ "$(ls "$m/snapshots")" = first ]
	[ "$(ls "$m/ops" | sort -n | paste -sd' ')" = '1 2 3' ]
	[ "$(cat "$m/snapshots/first$PWD/d/f")" = 1 ]
	[ "$(cat "$m/ops/1/root$PWD/d/f" "$m/ops/2/root$PWD/d/f")" = $'1\n2' ]
	[ ! -e "$m/ops/3/root$PWD/d" ] && [ ! -e "$(view s)/d" ]
	[ "$(cat "$m/ops/3/cmd" "$m/ops/2/status")" = $'rm -r d\n3' ]
	grep -Eq '^20[0-9]{2}-.*Z$' "$m/ops/1/when"
	[ "$(ls "$m/ops/2/root$PWD" | paste -sd' ')" = 'abs d' ]
	case $(readlink "$m/ops/2/root$PWD/abs") in ../*) ;; *) false ;; esac
	[ ! -e "$m/ops/9" ] && [ ! -e "$m/ops/01" ] && [ ! -e "$m/snapshots/second" ] && [ ! -e "$m/snapshots/now" ]
	refuses touch "$m/snapshots/first$PWD/x" 2>err
	gsh undo -s s
	[ "$(cat "$(view s)/d/f")" = 2 ]
	gsh snapshot -s s second
	[ "$(ls "$m/snapshots" | paste -sd' ')" = 'first second' ]
	[ "$(cat "$m/snapshots/second$PWD/d/f")" = 2 ]
	gsh rm -f s
	until_gone=$((SECONDS + 10))
	while [ -e "$m/snapshots" ] && [ "$SECONDS" -lt "$until_gone" ]; do sleep 0.1; done
	[ ! -e "$m/snapshots" ]
}

@test "changes, patches, base and times: what became of what" {
	mkdir d
	printf 'one\ntwo\n' >d/f
	echo gone >d/gone
	printf 'odd\n' >"d/odd
name"
	gsh -s s -c "printf 'one\nTWO\n' >d/f; rm d/odd*"
	sleep 1.1
	between=$(date -u +%FT%TZ)
	sleep 1.1
	gsh -s s -c 'rm d/gone; echo new >d/new; ln -s new d/l'
	gsh mount
	m=$GSH_MOUNT/s
	[ "$(ls "$m" | paste -sd' ')" = 'at base changes info.json ops proc root snapshots' ]
	# As gsh diff prints it, which patch(1) takes.
	diff "$m/changes/patch" <(gsh diff -s s)
	diff "$m/ops/2/patch" <(gsh diff -s s 1 2)
	diff "$m/ops/1/patch" <(gsh diff -s s base 1)
	grep -q '^+TWO' "$m/ops/1/patch"
	[ "$(cat "$m/changes/deleted")" = "$PWD/d/gone"$'\n'"\"$PWD/d/odd\\nname\"" ]
	[ "$(cd "$m/changes/tree" && find . -not -type d | sort | paste -sd' ')" = ".$PWD/d/f .$PWD/d/l .$PWD/d/new" ]
	[ "$(cat "$m/base$PWD/d/gone" "$m/base$PWD/d/f")" = $'gone\none\ntwo' ]
	[ "$(cat "$m/at/$between$PWD/d/f")" = $'one\nTWO' ] && [ -e "$m/at/$between$PWD/d/gone" ]
	[ ! -e "$m/at/2020-01-01$PWD/d/new" ] && [ "$(cat "$m/at/2020-01-01$PWD/d/f")" = $'one\ntwo' ]
	[ -e "$m/at/2199-01-01T00:00Z$PWD/d/new" ] && [ ! -e "$m/at/yesterday" ] && [ ! -e "$m/at/2020-13-01" ]
	[ "$(ls "$m/at" | wc -l)" = 2 ]
	[ -e "$m/at/$(ls "$m/at" | tail -1)$PWD/d/new" ]
	# Live, too.
	gsh -s s -c 'echo more >d/more'
	[ -e "$m/changes/tree$PWD/d/more" ] && grep -q '^+more' "$m/changes/patch"
	refuses touch "$m/base$PWD/x" 2>err
	grep -q 'Read-only' err
	refuses touch "$m/changes/tree$PWD/x" 2>err
	refuses touch "$m/at/$between$PWD/x" 2>err
	[ "$(grep -c "$m" /proc/self/mountinfo)" = 0 ]
}

@test "ops are listed without reading their layers again" {
	for i in 1 2 3; do gsh -s s -c "mkdir -p d$i; seq 50 | xargs -I@ touch d$i/@"; done
	gsh mount
	command -v strace >/dev/null || skip "strace is not installed"
	strace -qq -o /dev/null true || skip "nothing can be traced here"
	pid=$(pgrep -u "$(id -u)" -x gshd | while read -r p; do grep -qzF "$BOX" /proc/$p/environ && echo $p; done | head -1)
	cat "$GSH_MOUNT"/s/ops/*/cmd >/dev/null
	strace -f -qq -e trace=getdents64,accept4 -o trace -p "$pid" &
	tracer=$!
	wait_until 20 grep -qs TracerPid:.*[1-9] "/proc/$pid/status"
	for i in 1 2 3 4 5; do cat "$GSH_MOUNT"/s/ops/*/cmd "$GSH_MOUNT"/s/ops/*/status >/dev/null; done
	kill "$tracer"
	wait "$tracer" || true
	# One question for the list of sandboxes now and then; none for the log.
	[ "$(grep -c getdents trace)" -lt 40 ]
}

# What overlayfs and the mount show of a tree: without link counts of directories, and without the sticky bit, which marks
# what has attributes of its own (gsh-store(5)).
listed() {
	(cd "$1" && find . \( -type d -printf '%P d %m\n' -o -type l -printf '%P l\n' -o -printf '%P %y %m %s\n' \) |
		sed 's/ 1\([0-7]\{3\}\)\( [0-9]*\)*$/ \1\2/' | sort &&
		find . -type f -exec cksum {} + | sort)
}

@test "overlayfs, the kernel's and fuse-overlayfs, show a stopped sandbox as the mount does" {
	mkdir -p image/d/sub image/e
	for i in 1 2 3 4 5; do echo $i >image/d/$i; echo $i >image/d/sub/$i; done
	gsh create s --image image
	gsh -s keep -c 'sleep 200 &'
	gsh mount
	v=$GSH_MOUNT/s/root
	# Of each kind of change, in two ops: the first, and what is done to its layer by the second. Directories that are
	# renamed and have parts below are left out: as an ordinary user the kernel follows no redirects.
	rm "$v/d/1" && echo more >>"$v/d/2" && rm -r "$v/d/sub" && mkdir "$v/d/sub" "$v/made" && echo new >"$v/d/sub/new" &&
		ln -s 2 "$v/d/l" && echo 5 >"$v/made/5" && mv "$v/made" "$v/moved" && mv "$v/d/4" "$v/e/4"
	gsh snapshot s -s s
	rm -r "$v/moved" && echo x >"$v/moved" && chmod 640 "$v/d/3" && rm "$v/d/sub/new" && mv "$v/e/4" "$v/d/sub/4" &&
		rmdir "$v/e" && mkdir "$v/e" && echo 5 >"$v/e/5" && ln "$v/e/5" "$v/d/five"
	gsh stop -s s
	listed "$v" >../ours
	grep -q '^d/sub/4 f 644' ../ours
	layers=$(ls -d "$GSH_STORE"/boxes/s/tree/layers/* "$GSH_STORE"/boxes/s/tree/top/* | awk -F/ '{print $NF, $0}' | sort -r | cut -d' ' -f2 | paste -sd:)
	mkdir m
	tried=
	if unshare -Urm sh -c "mount -t overlay -o userxattr,lowerdir=$layers o m" 2>/dev/null; then
		tried=yes
		export -f listed
		unshare -Urm bash -c "mount -t overlay -o userxattr,lowerdir=$layers o m && listed m" >../kernel
		diff ../ours ../kernel
	fi
	if command -v fuse-overlayfs >/dev/null; then
		tried=yes
		fuse-overlayfs -o "lowerdir=$layers" m
		listed m >../fuse || true
		fusermount3 -u m
		diff ../ours ../fuse
	fi
	[ "$tried" ] || skip "neither overlayfs can be mounted here"
}

@test "all but root/ is read-only" {
	gsh -s s -c 'echo x > f; mkdir d'
	gsh snapshot -s s snap
	gsh mount
	m=$GSH_MOUNT/s
	for v in "$m/snapshots/snap$PWD" "$m/ops/1/root$PWD"; do
		refuses touch "$v/new" 2>err
		grep -q 'Read-only' err
		for c in "rm $v/f" "mkdir $v/x" "mv $v/f $v/g" "chmod 777 $v/f" "ln $v/f $v/l" "ln -s a $v/s" "rmdir $v/d" "truncate -s 0 $v/f" \
			"mv $v/f $(view s)/moved"; do
			refuses $c 2>err
		done
		refuses sh -c "echo y > '$v/f'" 2>err
		[ "$(cat "$v/f")" = x ]
	done
	for c in "touch $m/new" "rm $m/README" "mkdir $m/ops/9" "rm $m/ops/1/cmd" "touch $m/proc/x" "mkdir $GSH_MOUNT/new" "rmdir $m"; do
		refuses $c 2>err
	done
}

@test "an absolute link leads to the sandbox's file, not the host's" {
	echo host >target
	ln -s "$PWD/target" abs
	gsh -s s -c 'echo inside > target; ln -s "$PWD/target" abs2'
	gsh mount
	[ "$(cat "$(view s)/abs2")" = inside ]
	[ "$(cat "$(view s)/abs")" = inside ]
}

@test "names of all kinds, many files, big and sparse ones" {
	gsh -s s -c 'touch "two words" "$(printf "new\nline")" "$(printf "\377\376")" -- -dash; mkdir many; cd many; for i in $(seq 2000); do : > $i; done
		cd ..; head -c 20000000 /dev/urandom > big; truncate -s 3G sparse; echo end >> sparse'
	gsh mount
	v=$(view s)
	[ "$(ls "$v/many" | wc -l)" = 2000 ]
	[ -e "$v/two words" ] && [ -e "$v/"$'new\nline' ] && [ -e "$v/"$'\377\376' ] && [ -e "$v/-dash" ]
	[ "$(sha256sum <"$v/big")" = "$(gsh -s s -c 'sha256sum < big')" ]
	[ "$(stat -c %s "$v/sparse")" = $((3 * 1024 * 1024 * 1024 + 4)) ]
	[ "$(tail -c 4 "$v/sparse")" = end ]
	[ "$(stat -c %b "$v/sparse")" -lt 100000 ]
}

# System calls of gfs that read: each question of the kernel is one, and one is the file itself. Names are remembered for
# a moment only, so some are asked for again; a question for what is in the file, and one for its attributes, make it 6.
@test "a small file is read with two questions to gfs: to open it, and to close it" {
	mkdir many
	for i in $(seq 400); do echo "$i" >many/$i; done
	gsh -s s -c 'cd many; for i in $(seq 200); do echo "changed $i" >$i; done'
	gsh stop s
	gsh mount
	v=$(view s)
	[ -d "$v/many" ]
	io=/proc/$(gfs_pid)/io
	before=$(awk '/^syscr/ { print $2 }' "$io")
	tar cf copy -C "$v" many
	after=$(awk '/^syscr/ { print $2 }' "$io")
	echo "$before $after"
	[ $((after - before)) -le $((400 * 4 + 100)) ]
	mkdir out
	tar xf copy -C out
	[ "$(cat out/many/{1..400} | sha256sum)" = "$({ seq -f 'changed %.0f' 200; seq 201 400; } | sha256sum)" ]
}

@test "what does not run is asked about once, and again when somebody starts it, undoes or restores" {
	gsh -s keep -c 'sleep 300 &'
	gsh -s s -c 'mkdir d; cd d; for i in $(seq 300); do echo 0 >$i; done'
	gsh stop -s s
	gsh mount
	v=$(view s)/d
	reads() { awk '/^syscr/ { print $2 }' "/proc/$(gfs_pid)/io"; }
	find "$v" -size 2c | wc -l
	before=$(reads)
	sleep 0.3
	find "$v" -newer /etc/passwd -size 1c | wc -l
	after=$(reads)
	echo "$before $after"
	[ $((after - before)) -le 200 ] || lacks_epochs
	for i in 1 2 3 4; do
		[ "$(stat -c %s "$v/1")" = 2 ]
		gsh -s s -c "cd d; echo longer >1; rm 2; echo $i >new; mkdir dir"
		[ "$(stat -c %s "$v/1")" = 7 ]
		[ ! -e "$v/2" ]
		[ "$(cat "$v/new")" = $i ]
		[ -d "$v/dir" ]
		gsh stop -s s
		[ "$(stat -c %s "$v/1")" = 7 ]
		[ ! -e "$v/2" ]
		gsh undo -s s
		[ "$(stat -c %s "$v/1")" = 2 ]
		[ -e "$v/2" ]
		[ ! -e "$v/new" ]
		[ ! -e "$v/dir" ]
	done
	echo written >"$v/1"
	[ "$(stat -c %s "$v/1")" = 8 ]
	ln "$v/1" "$v/other"
	[ "$(stat -c %h "$v/1")" = 2 ]
	echo "more than that" >"$v/other"
	sleep 0.1
	[ "$(stat -c %s "$v/1")" = 15 ]
	[ "$(cat "$v/1")" = "more than that" ]
}

@test "a gfs that hangs keeps no sandbox from starting" {
	gsh mount
	pid=$(gfs_pid)
	kill -STOP "$pid"
	run timeout 30 gsh run -x -- echo started
	kill -CONT "$pid"
	[ "$status:$output" = 0:started ]
}

# What the kernel was given of files must never be older than what was written since.
@test "files that two processes of the host open, read, write and cut at once are never seen as they were" {
	gsh -s s -c 'echo 0 >f'
	gsh stop s
	gsh mount
	v=$(view s)
	run timeout 60 python3 - "$v/f" <<-'END'
		import os, sys
		path = sys.argv[1]
		ours = os.getpid()
		if not os.fork():
		    while os.getppid() == ours:
		        try:
		            with open(path, 'rb') as f:
		                f.read()
		        except OSError:
		            pass
		    os._exit(0)
		for i in range(1500):
		    text = b'%d\n' % i * (i % 7 + 1)
		    if i % 3 == 0:
		        with open(path, 'wb') as f:
		            f.write(text)
		    elif i % 3 == 1:
		        os.truncate(path, 0)
		        fd = os.open(path, os.O_WRONLY)
		        os.write(fd, text)
		        os.close(fd)
		    else:
		        with open(path + '.new', 'wb') as f:
		            f.write(text)
		        os.rename(path + '.new', path)
		    with open(path, 'rb') as f:
		        got = f.read()
		    if got != text:
		        print(i, text, got)
		        break
		else:
		    print('fine')
	END
	echo "$output"
	[ "$output" = fine ]
}

@test "who names a file that is replaced again and again always finds one" {
	gsh -s s -c 'mkdir d; sleep 300 &'
	gsh mount
	run timeout 60 python3 - "$(view s)/d/f" <<-'END'
		import os, sys, time
		path, end = sys.argv[1], time.time() + 10
		open(path, 'w').close()
		if not os.fork():
		    while time.time() < end:
		        with open(path + '.new', 'w') as f:
		            f.write('new')
		        os.rename(path + '.new', path)
		    os._exit(0)
		while time.time() < end:
		    open(path).close()
		    open(path, 'r+').close()
		    os.stat(path)
		    os.chmod(path, 0o644)
		    os.truncate(path, 1)
		    os.listxattr(path)
		print('fine')
	END
	echo "$output"
	[ "$output" = fine ]
}

# What gfs(5) says of inotify(7).
@test "a watcher hears of what is done through the mount, and finds by looking what is done inside" {
	gsh -s s -c 'mkdir d; sleep 300 &'
	gsh mount
	run timeout 50 python3 - "$(view s)/d" "$GSH" <<-'END'
		import ctypes, os, struct, subprocess, sys
		CREATE, MOVED_TO = 0x100, 0x80
		libc, path = ctypes.CDLL(None), sys.argv[1]
		fd = libc.inotify_init1(os.O_NONBLOCK)
		libc.inotify_add_watch(fd, path.encode(), CREATE | MOVED_TO)
		subprocess.run([sys.argv[2], '-s', 's', '-c', 'touch d/inside'], check=True)
		assert os.listdir(path) == ['inside']
		open(path + '/a', 'w').close()
		os.rename(path + '/a', path + '/b')
		text, at, heard = os.read(fd, 65536), 0, []
		while at < len(text):
		    mask, _, size = struct.unpack_from('III', text, at + 4)
		    heard.append((mask, text[at + 16:at + 16 + size].rstrip(b'\0').decode()))
		    at += 16 + size
		assert heard == [(CREATE, 'a'), (MOVED_TO, 'b')], heard
		print('fine')
	END
	echo "$output"
	[ "$output" = fine ]
}

@test "proc shows the processes, and forgets those that end" {
	gsh run -s s -- bash -c 'sleep 4321 & echo $! > pid; (exec -a "own name" sleep 4322) & sleep 0.2'
	gsh mount
	p=$GSH_MOUNT/s/proc
	pid=$(cat "$(view s)/pid")
	tr '\0' ' ' <"$p/$pid/cmdline" | grep -qx 'sleep 4321 '
	grep -q '^Name:.sleep' "$p/$pid/status"
	# As in root/, an absolute link is shown so that it stays in the sandbox.
	[ "$(readlink -f "$p/$pid/exe")" = "$(readlink -f "$GSH_MOUNT/s/root$(gsh -s s -c "readlink /proc/$pid/exe")")" ]
	cat "$p"/[0-9]*/cmdline | tr '\0' ' ' | grep -q 'own name 4322'
	[ -s "$p/meminfo" ] && [ -s "$p/uptime" ]
	gsh -s s -c "kill $pid"
	wait_until 30 test ! -e "$p/$pid"
	ls -R "$p" >/dev/null 2>&1 || true
}

build_in_background() {
	"$TESTS/project/generate" "$BOX/work/project"
	# With a repository of its own, so that git has something to say.
	(cd project && git init -q && git -c user.name=a -c user.email=a@b add . && git -c user.name=a -c user.email=a@b commit -q -m all)
	gsh run -s build -- sh -c 'cd project; for i in 1 2 3; do make -j2 && make check && { [ $i = 3 ] || make clean; }; done' >build.log 2>&1 &
	job=$!
	wait_until 100 sh -c "'$GSH' run -s build -- test -e project/gen/config.h"
}

@test "during a build: ls, cat, find, git status, and proc shows the compilers" {
	export GIT_OPTIONAL_LOCKS=0 GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
	BOX_TIMEOUT=150 build_in_background
	gsh mount
	v=$(view build)/project
	# A compiler lives for a moment: looked for without the waits of what follows.
	(while kill -0 $job 2>/dev/null; do
		cat "$GSH_MOUNT"/build/proc/*/cmdline 2>/dev/null | tr '\0' ' ' | grep -q 'cc1\|gcc\|cc -O2' && touch seen
	done) &
	watcher=$!
	while kill -0 $job 2>/dev/null; do
		# What make clean takes away between two looks is no fault.
		ls -l "$v" "$v/lib/alpha" >/dev/null 2>&1 || true
		cat "$v/Makefile" "$v"/lib/*/*.c | cmp - <(cat project/Makefile project/lib/*/*.c)
		find "$v" -name '*.o' >/dev/null 2>&1 || true
		git -C "$v" status --short >status.txt
	done
	wait $job
	wait $watcher || true
	[ -e seen ]
	grep -q '?? program' status.txt || git -C "$v" status --short | grep -q '?? program'
	cmp "$v/program.out" <(gsh run -s build -- cat project/program.out)
	[ ! -e project/program ]
}

@test "kill -9 of gfs during a build: the build goes on, mount mends the view" {
	BOX_TIMEOUT=150 build_in_background
	gsh mount
	ls "$(view build)" >/dev/null
	kill -KILL "$(gfs_pid)"
	gsh mount
	[ -e "$(view build)/project/Makefile" ]
	wait $job
	[ -e "$(view build)/project/program" ]
}

@test "the view outlives a stop, a start, and goes with the sandbox" {
	gsh -s s -c 'echo kept > f'
	gsh -s keep -c 'sleep 200 &'
	gsh mount
	gsh stop -s s
	[ "$(cat "$(view s)/f")" = kept ]
	[ -z "$(find "$GSH_MOUNT/s/proc" -mindepth 1 -maxdepth 1 -name '[0-9]*')" ]
	gsh -s s -c 'echo again > f'
	[ "$(cat "$(view s)/f")" = again ]
	gsh stop -s s
	gsh rm -s s
	wait_until 30 test ! -e "$GSH_MOUNT/s"
	[ -d "$GSH_MOUNT/keep/root" ]
}

@test "kill -9 of a monitor leaves the view standing" {
	gsh -s s -c 'echo x > f'
	gsh mount
	for p in $(pgrep -u "$(id -u)" -x gsh-monitor); do
		grep -qzF "$BOX" "/proc/$p/environ" 2>/dev/null && kill -KILL "$p"
	done
	[ "$(cat "$(view s)/f")" = x ]
	timeout 10 ls "$GSH_MOUNT/s/proc" >/dev/null || true
	gsh -s s -c true
}

@test "inside, the mount shows no loop" {
	gsh -s s -c true
	gsh mount
	run timeout 20 "$GSH" run -s s -- sh -c "ls '$GSH_MOUNT' | wc -l"
	[ "$status" -ne 124 ]
	run timeout 60 "$GSH" run -s s -- find "$BOX" -xdev -name nothing
	[ "$status" -ne 124 ]
}

@test "gshd goes and comes, gfs is killed: the view and what is written go on; a dead mount holds up no start" {
	gsh -s s -c 'echo x >f'
	gsh -s keep -c 'sleep 300 &'
	gsh mount
	v=$(view s)
	grep -F " $GSH_MOUNT " /proc/self/mountinfo >mounted
	grep -q nosuid mounted && grep -q nodev mounted
	refuses grep -q allow_other mounted
	exec 5>>"$v/f"
	gsh daemon restart
	echo restarted >&5
	for p in $(pgrep -u "$(id -u)" -x gshd); do
		grep -qzF "$BOX" "/proc/$p/environ" 2>/dev/null && kill -KILL "$p"
	done
	echo killed >&5
	echo new >"$v/new"
	exec 5>&-
	[ "$(gsh -s s -c 'cat f new')" = $'x\nrestarted\nkilled\nnew' ]
	kill -KILL "$(gfs_pid)"
	refuses ls "$v" 2>err
	gsh stop -s s
	[ "$(gsh -s s -c 'echo y >f; cat f')" = y ]
	gsh mount
	[ "$(cat "$v/f")" = y ]
	[ "$(box_mounts | wc -l)" = 1 ]
}
