#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# Everyday programs inside: git, python3, perl, tar, find, grep, sed, gcc, busybox and others. Each says by its output that
# it worked; most are compared with the same command on the host.

bats_require_minimum_version 1.5.0
load lib.bash

setup_file() {
	box_setup
	export BOX BOX_BEFORE
	export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a \
		GIT_COMMITTER_EMAIL=a@example.org GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'
}

teardown_file() {
	box_teardown
}

setup() {
	mkdir -p "$BOX/work/$BATS_TEST_NUMBER"
	cd "$BOX/work/$BATS_TEST_NUMBER" || return 1
}

inside() {
	box programs "$@"
}

# The same command on the host and inside, in equal places, must agree in output and status.
same() {
	local here=$PWD host in hs=0 is=0
	cp -a "$here" "$here.host"
	host=$(cd "$here.host" && "$@" 2>&1 </dev/null) || hs=$?
	in=$(inside "$@" 2>&1 </dev/null) || is=$?
	rm -rf "$here.host"
	if [ "$host" != "$in" ] || [ $hs != $is ]; then
		echo "status on the host $hs, inside $is"
		diff <(echo "$host") <(echo "$in") | head -30
		return 1
	fi
}

@test "busybox sh, static" {
	same busybox sh -c 'for i in 1 2 3; do echo $i; done | busybox sort -r | busybox head -2; exit 4'
}

@test "coreutils" {
	same sh -c 'mkdir -p a/b; echo x > a/b/c; cp -a a d; ln a/b/c e; ln -s e f; ls -R1 .; cat f; mv d g; wc -c g/b/c
		chmod 600 e; stat -c "%a %h %s %n" e f g; rm -r g; ls; readlink f; du -s --apparent-size a | cut -f1 >/dev/null; seq 100 | shuf -n 100 | sort -n | md5sum
		touch -d @1000000000 t; stat -c %Y t; date -u -r t; truncate -s 1M big; split -b 300k big p.; cat p.* | cmp - big; dd if=big bs=64k count=3 status=none | wc -c
		echo abc | tee q | tr a-z A-Z; paste -d, q q; test -s q; expr 3 + 4; basename /x/y.c .c; env -i A=1 env; nproc; timeout 0.2 sleep 5; echo $?'
}

@test "find, xargs, grep -r, sed -i, awk, diff, sort" {
	mkdir -p tree/{a,b,c}/{1,2,3}
	for f in tree/*/*; do seq 50 >"$f/list"; echo "needle in $f" >>"$f/text"; done
	same sh -c 'find tree -type f | sort; find tree -name text -print0 | xargs -0 grep -h needle | sort
		grep -rl needle tree | wc -l; grep -rn 42 tree | sort | head -3; sed -i s/needle/pin/ tree/*/*/text; grep -rc pin tree | grep -c :1
		awk "{s += \$1} END {print s}" tree/*/*/list; diff -r tree/a tree/b | grep -c ^diff; find tree -delete; ls'
}

@test "tar, gzip, xz and cmp" {
	mkdir src
	cp /usr/include/std*.h src/
	ln -s stdio.h src/link
	ln src/stdio.h src/hard
	same sh -c 'tar -C . -cf t.tar --sort=name --mtime=@0 --owner=0 --group=0 src; sha256sum t.tar; mkdir out; tar -C out -xf t.tar; diff -r src out/src && echo same
		gzip -9n <t.tar | gunzip | cmp - t.tar; xz -T1 <t.tar | xz -d | cmp - t.tar; stat -c %h out/src/hard; tar -tzf /dev/null; echo $?'
}

@test "gcc: hello, preprocessed, assembled, linked, run" {
	cat >hello.c <<-'END'
	#include <math.h>
	#include <stdio.h>
	#include <stdlib.h>
	int main(int argc, char **argv) { printf("hello %.6f %d\n", sqrt(argc + 1), atoi(argv[1])); return 3; }
	END
	same sh -c 'gcc -O2 -Wall -o hello hello.c -lm && ./hello 42; echo $?; gcc -static -pipe -o hs hello.c -lm && ./hs 7; gcc -save-temps -c hello.c && ls; sha256sum hello hs hello.o; gcc -c missing.c; echo $?'
}

@test "g++ with exceptions and threads" {
	command -v g++ >/dev/null || skip "no g++ on this host"
	cat >x.cc <<-'END'
	#include <iostream>
	#include <map>
	#include <string>
	#include <thread>
	#include <vector>
	int main() {
		std::map<std::string, int> m{{"a", 1}, {"b", 2}};
		try { m.at("c"); } catch (const std::out_of_range &) { std::cout << "caught\n"; }
		std::vector<std::thread> t;
		std::vector<int> r(4);
		for (int i = 0; i < 4; i++) t.emplace_back([&r, i] { r[i] = i * i; });
		for (auto &x : t) x.join();
		std::cout << r[0] + r[1] + r[2] + r[3] << std::endl;
	}
	END
	same sh -c 'g++ -O1 -pthread -o x x.cc && ./x'
}

@test "git: init, commit, log, branch, merge, clone, gc, fsck" {
	same sh -c 'git init -q -b main r && cd r && for i in 1 2 3; do echo $i > f$i; git add .; git commit -q -m "commit $i"; done
		git log --oneline; git checkout -q -b side HEAD~1; echo s > s; git add s; git commit -q -m side; git checkout -q main; git merge -q --no-edit side
		git log --oneline --graph; cd ..; git clone -q r c; cd c; git log -1 --format=%H; git status --short; echo x >> f1; git status --short; git diff
		git stash -q; git status --short; git gc -q; git fsck --full 2>&1; git rev-list --count HEAD; git grep -n 2; git tag v1; git describe'
}

@test "python3: files, subprocess, multiprocessing, threads" {
	cat >p.py <<-'END'
	import multiprocessing, os, signal, subprocess, sys, tempfile, threading
	def square(x):
	    return x * x
	def main():
	    print(subprocess.run(["sh", "-c", "echo sub; exit 3"], capture_output=True, text=True))
	    print(subprocess.check_output("tr a-z A-Z", input=b"piped", shell=True))
	    try:
	        subprocess.run(["/no/such"])
	    except FileNotFoundError as e:
	        print(e.errno, e.filename)
	    with multiprocessing.Pool(3) as pool:
	        print(pool.map(square, range(20)))
	    q = multiprocessing.Queue()
	    w = multiprocessing.Process(target=q.put, args=("queued",))
	    w.start(); print(q.get()); w.join(); print(w.exitcode)
	    total = []
	    lock = threading.Lock()
	    def add(n):
	        with lock: total.append(n)
	    ts = [threading.Thread(target=add, args=(i,)) for i in range(10)]
	    [t.start() for t in ts]; [t.join() for t in ts]; print(sum(total))
	    with tempfile.TemporaryDirectory() as d:
	        p = os.path.join(d, "f"); open(p, "w").write("x" * 1000); print(os.stat(p).st_size, sorted(os.listdir(d)))
	    signal.signal(signal.SIGALRM, lambda *a: print("alarm")); signal.setitimer(signal.ITIMER_REAL, 0.05); signal.pause()
	    pid = os.fork()
	    if pid == 0: os._exit(7)
	    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	    p = subprocess.Popen(["sleep", "100"]); p.send_signal(signal.SIGTERM); print(p.wait())
	if __name__ == "__main__":
	    main()
	END
	same /usr/bin/python3 p.py
}

@test "python3: asyncio, sqlite, socket pairs, shared memory" {
	cat >p.py <<-'END'
	import asyncio, mmap, os, socket, sqlite3
	from multiprocessing import shared_memory
	async def main():
	    p = await asyncio.create_subprocess_exec("sh", "-c", "read x; echo got $x", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
	    print(await p.communicate(b"line\n"))
	    await asyncio.gather(*[asyncio.sleep(0.01) for _ in range(50)])
	asyncio.run(main())
	db = sqlite3.connect("d.db")
	db.execute("create table t (a integer, b text)")
	with db: db.executemany("insert into t values (?, ?)", [(i, str(i) * 3) for i in range(1000)])
	print(db.execute("select count(*), sum(a), max(b) from t").fetchone()); db.execute("vacuum"); db.close()
	a, b = socket.socketpair(); a.sendall(b"pair"); print(b.recv(10))
	m = shared_memory.SharedMemory(create=True, size=4096)
	if os.fork() == 0: m.buf[0] = 99; os._exit(0)
	os.wait(); print(m.buf[0]); m.close(); m.unlink()
	END
	same /usr/bin/python3 p.py
}

@test "python3: servers on unix and TCP sockets" {
	cat >p.py <<-'END'
	import asyncio, multiprocessing
	async def serve(r, w):
	    w.write((await r.read(100)).upper()); await w.drain(); w.close()
	async def main():
	    s = await asyncio.start_unix_server(serve, "sock")
	    r, w = await asyncio.open_unix_connection("sock")
	    w.write(b"shout"); w.write_eof(); print(await r.read()); s.close()
	    s = await asyncio.start_server(serve, "127.0.0.1", 0)
	    r, w = await asyncio.open_connection(*s.sockets[0].getsockname())
	    w.write(b"loud"); w.write_eof(); print(await r.read()); s.close()
	if __name__ == "__main__":
	    asyncio.run(main())
	    with multiprocessing.Manager() as m:
	        d = m.dict(); d["k"] = 5; print(dict(d))
	END
	same /usr/bin/python3 p.py
}

@test "perl: fork, pipes, signals, system, -i" {
	echo "one two" >f
	same perl -e '$| = 1; my $pid = fork; if (!$pid) { exit 5 } waitpid $pid, 0; print $? >> 8, "\n";
		open my $p, "-|", "echo piped; exit 2" or die; print <$p>; close $p; print $? >> 8, "\n"; print `echo back`;
		$SIG{USR1} = sub { print "usr1\n" }; kill USR1 => $$; print system("exit 3") >> 8, "\n";
		system q(perl -pi -e "s/one/1/" f); open F, "f"; print <F>; my @s = stat "f"; print $s[7], "\n";
		pipe R, W; if (!fork) { close R; print W "child\n"; exit } close W; print <R>; wait; printf "%s\n", join ",", sort glob("*"); die "end\n"'
}

@test "make, by itself: parallel, -k, failing, touched" {
	printf 'all: a b c\na b c:\n\t@sleep 0.1; echo $@\nbad:\n\tfalse\nx: y\n\techo made > x\n' >Makefile
	same sh -c 'make -j3 -O | sort; make bad 2>/dev/null; echo $?; touch -d @1000 y; make x; make x; sleep 0.1; touch y; sleep 0.1; make x; make -n x; make -q x; echo $?'
}

@test "dpkg, apt-cache and their like read the system" {
	same sh -c 'dpkg -l | wc -l; dpkg -S /bin/ls; dpkg-query -W -f "\${Version}\n" bash; getent passwd root; id -un; hostname >/dev/null; locale 2>/dev/null | head -1'
}

@test "ps, top, free, uptime, lsof's like run" {
	run inside ps -ef
	[ "$status" -eq 0 ]
	grep -q 'ps -ef' <<<"$output"
	run inside top -b -n 1
	[ "$status" -eq 0 ]
	[[ "$output" == *PID*COMMAND* ]]
	inside free -m
	inside uptime
	inside sh -c 'sleep 50 & pgrep -x sleep && pkill -x sleep; wait $!; test $? = 143'
}

@test "the tools of procps, psmisc and util-linux see and change other processes" {
	cat >look.sh <<-'END'
		(while :; do :; done) & busy=$!
		sleep 77 & idle=$!
		sleep 77 | cat & wait_for() { for i in $(seq 100); do "$@" && return; sleep .1; done; echo "no: $*"; }
		running() { [ "$(ps -o cputimes= -p $busy)" -ge 1 ]; }
		wait_for running
		ps -o stat= -p $busy | cut -c 1
		ps -o stat= -p $idle | cut -c 1
		kill -STOP $busy
		stopped() { [ "$(ps -o stat= -p $busy | cut -c 1)" = T ]; }
		wait_for stopped
		[ "$(ps -o cputimes= -p $busy)" -ge 1 ] && echo "time kept"
		top -b -n 1 -p $idle | tail -1 | awk '{ print $NF }'
		renice -n 7 -p $idle >/dev/null; ps -o ni= -p $idle | tr -d ' '
		chrt -b -p 0 $idle; chrt -p $idle | sed -n 's/.*policy: //p'
		taskset -cp 0 $idle >/dev/null; taskset -cp $idle | sed 's/.*: //'
		prlimit --pid $idle --nofile=77:99; prlimit --pid $idle --nofile --noheadings -o SOFT,HARD
		ionice -c 3 -p $idle; ionice -p $idle
		pwdx $idle | sed 's/.*: //'
		pmap $idle | grep -c 'sleep$' >/dev/null && echo mapped
		pstree -p $$ | grep -c "sleep($idle)"
		pgrep -P $$ -x sleep | grep -cx $idle
		cat 5</etc/passwd </dev/zero >/dev/null & reader=$!
		readers() { fuser /etc/passwd 2>/dev/null | grep -qw $reader; }
		wait_for readers
		(exec -a "other title" sleep 77) & wait_for pgrep -xf "other title 77" >/dev/null
		echo 400 >/proc/$idle/oom_score_adj; cat /proc/$idle/oom_score_adj
		kill -KILL $busy $reader; pkill -f 'sleep 77|other title'
		wait; echo done
	END
	inside bash look.sh >out
	sed -i "s|$PWD|HERE|" out
	diff - out <<-'END'
		R
		S
		time kept
		sleep
		7
		SCHED_BATCH
		0
		  77   99
		idle
		HERE
		mapped
		1
		1
		400
		done
	END
}

@test "python3: asyncio's children, and os.pidfd_open" {
	same python3 -c '
import asyncio, os, select, signal
async def main():
    kids = [await asyncio.create_subprocess_exec("sh", "-c", f"exit {n}") for n in range(5)]
    print([await k.wait() for k in kids])
asyncio.run(main(), debug=False)
pid = os.fork()
if not pid:
    signal.pause()
fd = os.pidfd_open(pid)
print(select.select([fd], [], [], 0)[0])
signal.pidfd_send_signal(fd, signal.SIGTERM)
print(select.select([fd], [], [], 10)[0] == [fd])
print(os.waitid(os.P_PIDFD, fd, os.WEXITED).si_status)
'
}

@test "bash scripts: traps, arrays, process substitution, here-documents" {
	cat >s.sh <<-'END'
	set -u
	trap 'echo exit trap' EXIT
	trap 'echo usr1' USR1
	kill -USR1 $$
	a=(x "y z"); echo "${#a[@]} ${a[1]}"
	diff <(seq 3) <(seq 4) | tail -1
	while read -r l; do echo "got $l"; done < <(printf '1\n2\n')
	cat <<-EOT
	here $((6 * 7))
	EOT
	cat <<<"string"
	coproc cat; echo co >&"${COPROC[1]}"; read -r l <&"${COPROC[0]}"; echo "$l"; eval "exec ${COPROC[1]}>&-"
	(exit 3) || echo "status $?"
	sleep 0.1 & wait $!; echo "waited $?"
	false | true; echo "${PIPESTATUS[@]}"
	exec 5>out; echo five >&5; exec 5>&-; cat out
	f() { local x=1; return 9; }; f; echo $?
	ulimit -n 100; ulimit -n
	mkfifo p; (echo fifo >p) & cat p; wait
	( trap "" TERM; kill -TERM $BASHPID; echo alive )
	timeout 0.1 sleep 9; echo $?
	{ kill -9 $BASHPID & wait $!; echo $?; } 2>/dev/null
	END
	same bash s.sh
}

@test "a script without #! is run by sh; env -S and nested interpreters" {
	printf 'echo plain\n' >plain
	printf '#!/usr/bin/env -S bash -e\nfalse\necho no\n' >envs
	chmod +x plain envs
	same sh -c './plain; ./envs; echo $?'
}

@test "ldd, file and binutils" {
	same sh -c 'ldd /bin/ls | sed "s/ (0x.*//"; file -b /bin/sh | cut -c1-20; readelf -h /bin/ls | grep Type; objdump -f /bin/ls | tail -2 | head -1; nm -D /bin/ls | wc -l; strings /bin/true | grep -c GLIBC'
}

@test "a static musl program and a non-PIE one" {
	command -v musl-gcc >/dev/null || skip "no musl-gcc on this host"
	printf '#include <stdio.h>\nint main(void) { FILE *f = popen("echo musl", "r"); char b[9]; puts(fgets(b, 9, f)); return pclose(f); }\n' >m.c
	musl-gcc -static -o m m.c
	musl-gcc -o md m.c
	gcc -no-pie -o np m.c
	gcc -static-pie -o sp m.c
	same sh -c './m; ./md; ./np; ./sp'
}

@test "many processes: a thousand forks and execs in a shell" {
	same bash -c 'for ((i = 0; i < 300; i++)); do /bin/true; (:); x=$(echo $i); done; echo $x'
}
