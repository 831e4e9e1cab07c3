#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# Locks and shared memory between programs of the host, through the mount, and programs inside.

bats_require_minimum_version 1.5.0
load lib.bash
load mounted.bash

# Three files: of the base, of an earlier op, and of the op that is the top. In b, e, and t.
three_files() {
	command -v python3 >/dev/null || skip "python3 is not installed"
	cp "$TESTS/tools/locker.py" "$TESTS/tools/sharer.py" .
	echo base >b
	gsh -s s -c 'echo earlier >e; sleep 300 &'
	gsh -s s -c 'echo top >t'
	gsh mount
	v=$(view s)
	echo begun >"$v/begun"
	cp "$v/t" "$v/w"
	mv "$v/w" "$v/t"
}

# A map that bypasses the kernel's cache: since 6.6.
shares() {
	[ "$(printf '%s\n' 6.6 "$(uname -r)" | sort -V | head -1)" = 6.6 ]
}

@test "a lock that is taken through the mount is met inside, and one taken inside through the mount" {
	three_files
	for kind in flock posix ofd; do
		for f in b e t; do
			rm -f "$v/$f.enough" "$v/$f.held"
			python3 locker.py hold $kind "$v/$f" 3>&- >&- 2>&- &
			job=$!
			wait_until 100 test -e "$v/$f.held"
			[ "$kind $f $(gsh -s s -c "python3 locker.py try $kind $f") $(python3 locker.py try $kind "$v/$f")" = "$kind $f busy busy" ]
			[ $kind = flock ] || [ "$(gsh -s s -c "python3 locker.py get $kind $f") $(python3 locker.py get $kind "$v/$f")" = '5+10 5+10' ]
			gsh -s s -c "python3 locker.py wait $kind $f >waited" &
			waits=$!
			sleep 0.3
			[ ! -s "$v/waited" ]
			touch "$v/$f.enough"
			wait $job $waits
			[ "$(cat "$v/waited")" = got ]

			rm -f "$v/$f.enough" "$v/$f.held" "$v/waited"
			gsh -s s -c "python3 locker.py hold $kind $f" 3>&- &
			job=$!
			wait_until 100 test -e "$v/$f.held"
			[ "$kind $f $(python3 locker.py try $kind "$v/$f") $(gsh -s s -c "python3 locker.py try $kind $f")" = "$kind $f busy busy" ]
			[ $kind = flock ] || [ "$(python3 locker.py get $kind "$v/$f")" = 5+10 ]
			python3 locker.py wait $kind "$v/$f" >waited &
			waits=$!
			sleep 0.3
			[ ! -s waited ]
			touch "$v/$f.enough"
			wait $job $waits
			[ "$(cat waited)" = got ]
		done
	done
	# The base's own file is nobody's to lock.
	[ "$(python3 locker.py try posix b)" = got ]
}

@test "a lock ends with its holder, by any death, and a wait for one by a signal" {
	three_files
	for kind in flock posix ofd; do
		rm -f "$v/e.held"
		python3 locker.py hold $kind "$v/e" 3>&- >&- 2>&- &
		job=$!
		wait_until 100 test -e "$v/e.held"
		timeout -s INT 1 python3 locker.py wait $kind "$v/e" 2>/dev/null && false
		[ "$(python3 locker.py try $kind "$v/e")" = busy ]
		kill -KILL $job
		wait $job || true
		wait_until 20 sh -c "[ \"\$(python3 locker.py try $kind '$v/e')\" = got ]"
		[ "$(gsh -s s -c "python3 locker.py try $kind e")" = got ]
	done
}

@test "closing a file gives a process's locks up, and a child has none of them" {
	three_files
	run python3 - "$v/e" <<-'END'
		import fcntl, os, sys
		path = sys.argv[1]
		def free():
		    pid = os.fork()
		    if not pid:
		        try:
		            fd = os.open(path, os.O_RDWR)
		            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
		        except OSError:
		            os._exit(1)
		        os._exit(0)
		    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
		a, b = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)
		fcntl.lockf(a, fcntl.LOCK_EX)
		assert not free()
		os.close(b)
		assert free()
		fcntl.lockf(a, fcntl.LOCK_EX)
		os.close(os.open(path, os.O_RDONLY))
		assert free()
		fcntl.lockf(a, fcntl.LOCK_EX, 10)
		fcntl.lockf(a, fcntl.LOCK_UN, 4, 2)
		pid = os.fork()
		if not pid:
		    b = os.open(path, os.O_RDWR)
		    fcntl.lockf(b, fcntl.LOCK_EX | fcntl.LOCK_NB, 4, 2)
		    for at in (1, 6):
		        try:
		            fcntl.lockf(b, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, at)
		            os._exit(at + 1)
		        except OSError:
		            pass
		    os._exit(0)
		assert os.waitpid(pid, 0)[1] == 0
		print('fine')
	END
	echo "$output"
	[ "$output" = fine ]
}

@test "a lock that is held while the sandbox is started, or stopped, is met afterwards" {
	three_files
	gsh -s keep -c 'sleep 300 &'
	gsh stop s
	for kind in flock posix; do
		rm -f "$v/e.held" "$v/e.enough"
		python3 locker.py hold $kind "$v/e" 3>&- >&- 2>&- &
		job=$!
		wait_until 100 test -e "$v/e.held"
		gsh -s s -c 'sleep 300 &'
		wait_until 30 sh -c "[ \"\$('$GSH' -s s -c 'python3 locker.py try $kind e')\" = busy ]"
		gsh stop s
		[ "$(python3 locker.py try $kind "$v/e")" = busy ]
		touch "$v/e.enough"
		wait $job
		[ "$(python3 locker.py try $kind "$v/e")" = got ]
	done
}

@test "two programs that map a file, one inside and one through the mount, see what the other writes" {
	shares || skip "maps are not shared before Linux 6.6"
	three_files
	gsh -s s -c 'head -c 8192 /dev/zero >m'
	python3 sharer.py count "$v/m" 0 20 >out &
	job=$!
	run gsh -s s -c 'python3 sharer.py count m 1 20'
	wait $job
	[ "$output$(cat out)" = '1 200 20' ]
}

@test "of a page that both sides write each word is what its side wrote last" {
	shares || skip "maps are not shared before Linux 6.6"
	three_files
	gsh -s s -c 'head -c 8192 /dev/zero >m'
	python3 sharer.py mingle "$v/m" 0 3000 >out &
	job=$!
	gsh -s s -c 'python3 sharer.py mingle m 1 4000'
	wait $job
	[ "$(od -An -v -tu2 -w64 "$v/m" | awk '{ print $1, $2 }' | sort -u)" = '3000 4000' ]
	[ "$(gsh -s s -c 'cksum <m')" = "$(cksum <"$v/m")" ]
}

@test "what is changed under a lock in a map is whole, whoever changes it" {
	shares || skip "maps are not shared before Linux 6.6"
	three_files
	gsh -s s -c 'head -c 8192 /dev/zero >m'
	python3 sharer.py bank "$v/m" 0 200 >out &
	job=$!
	gsh -s s -c 'python3 sharer.py bank m 1 300 & python3 sharer.py bank m 2 100; wait'
	wait $job
	[ "$(od -An -v -tu4 -w4 -j4096 -N4 "$v/m" | tr -d ' ')" = 600 ]
	[ "$(od -An -v -tu4 -w12 -j4 -N12 "$v/m" | xargs)" = '200 300 100' ]
}

@test "sqlite writes to one database from both sides at once, with a journal and with a log" {
	shares || skip "maps are not shared before Linux 6.6"
	three_files
	cat >bank.py <<-'END'
		import sqlite3, sys, time
		c = sqlite3.connect(sys.argv[1], timeout=50, isolation_level=None)
		for i in range(int(sys.argv[3])):
		    c.execute('begin immediate')
		    n, top = c.execute('select count(*), coalesce(max(total), 0) from t').fetchone()
		    assert n == top, (n, top)
		    c.execute('insert into t values(?, ?)', (sys.argv[2], top + 1))
		    c.execute('commit')
		    time.sleep(0.003)
	END
	cat >new.py <<-'END'
		import sqlite3, sys
		c = sqlite3.connect(sys.argv[1])
		c.execute('pragma journal_mode=' + sys.argv[1])
		c.execute('create table t(who, total)')
	END
	cat >look.py <<-'END'
		import sqlite3, sys
		c = sqlite3.connect(sys.argv[1])
		print(*c.execute('select count(*), max(total), count(distinct total) from t').fetchone(),
		      *c.execute('pragma integrity_check').fetchone())
	END
	for mode in delete wal; do
		gsh -s s -c "python3 new.py $mode"
		python3 bank.py "$v/$mode" host 60 &
		job=$!
		gsh -s s -c "python3 bank.py $mode inside 80 & python3 bank.py $mode more 60; wait"
		wait $job
		[ "$(python3 look.py "$v/$mode")" = '200 200 200 ok' ]
		[ "$(gsh -s s -c "python3 look.py $mode")" = '200 200 200 ok' ]
	done
}

@test "a map that is only read shows what is written inside, within a second" {
	three_files
	run timeout 50 python3 - "$v/e" "$GSH" <<-'END'
		import mmap, os, subprocess, sys, time
		m = mmap.mmap(os.open(sys.argv[1], os.O_RDONLY), 0, prot=mmap.PROT_READ)
		assert m[:7] == b'earlier'
		for text in (b'another', b'anotha!'):
		    subprocess.run([sys.argv[2], '-s', 's', '-c', 'printf %s | dd of=e conv=notrunc 2>/dev/null' % text.decode()], check=True)
		    end = time.time() + 10
		    while m[:7] != text and time.time() < end:
		        time.sleep(0.05)
		    assert m[:7] == text, m[:7]
		print('fine')
	END
	echo "$output"
	[ "$output" = fine ]
}

@test "a file that is open through the mount is read as it is after later ops wrote to it" {
	three_files
	for f in b e t; do
		for mode in rb r+b; do
			run timeout 50 python3 - "$v/$f" "$GSH" $f $mode <<-'END'
				import subprocess, sys
				path, gsh, name, mode = sys.argv[1:]
				f = open(path, mode, buffering=0)
				text = f.read()
				for i in range(3):
				    subprocess.run([gsh, '-s', 's', '-c', 'echo more >>%s' % name], check=True)
				    assert f.read() == b'more\n', i
				if mode == 'r+b':
				    f.write(b'own\n')
				    subprocess.run([gsh, '-s', 's', '-c', 'echo last >>%s' % name], check=True)
				    assert f.read() == b'last\n'
				f.seek(0)
				assert f.read().startswith(text + b'more\nmore\nmore\n')
				print('fine')
			END
			echo "$f $mode $output"
			[ "$output" = fine ]
		done
	done
	[ "$(cat "$v/e")" = "$(gsh -s s -c 'cat e')" ]
}

# FSX_SEEDS and FSX_STEPS: other ones, or more. The sides take turns under a lock; each reads what the other did.
@test "random writes, cuts, holes, copies and maps of one file from both sides are what a model says" {
	shares || skip "maps are not shared before Linux 6.6"
	three_files
	cp "$TESTS/tools/fsx.py" .
	mkdir native
	[ "$(python3 fsx.py drive 1 500 native -- python3 fsx.py serve native)" = fine ]
	for seed in ${FSX_SEEDS:-1 2}; do
		gsh -s s -c 'rm -rf fx; mkdir fx'
		(while sleep 2; do gsh -s s -c true; done) 3>&- &
		ops=$!
		run timeout 600 python3 fsx.py drive "$seed" "${FSX_STEPS:-200}" "$v/fx" -- "$GSH" run -s s -- python3 fsx.py serve fx
		kill "$ops"
		echo "$output"
		[ "$output" = fine ]
	done
}
