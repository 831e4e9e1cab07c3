#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# What a sandbox may use up: the errno inside, what the monitor ends when a libOS is not honest, and what a user sees. All
# attempts are bounded, far below what would trouble a host; that they get as far as that without a sandbox is shown first.

bats_require_minimum_version 1.5.0
load lib.bash

setup() {
	box_setup
}

teardown() {
	box_teardown
}

gsh() {
	timeout -k 5 "${BOX_TIMEOUT:-60}" "$GSH" "$@"
}

EXHAUST=$TREE/build/tests/escape/exhaust

# The number that a line "what N" of the attacker's ended with.
reached() {
	awk -v what="$1" '$1 == what { n = $2 } END { print n + 0 }' out
}

# What the attacker's kind reaches on the bare host, where nothing holds it.
control() {
	mkdir -p "$BOX/bare"
	timeout 60 "$EXHAUST" "$1" "$2" "$BOX/bare" >out
	grep -q '^by raw$' out
	grep -q '^finished$' out
	[ "$(reached "$1")" = "$2" ]
	rm -rf "$BOX/bare"
}

why_ended() {
	gsh info h | sed -n 's/^ended\t//p'
}

@test "control: without a sandbox everything can be used up" {
	control tasks 300
	control memory 200
	control disk 60
	control inodes 3000
}

# ---- an honest libOS: the errno that Linux gives ----

@test "memory: an allocation beyond it gets ENOMEM" {
	run -0 gsh run -s m --memory 64M -- python3 -c '
try:
	b = bytearray(200 << 20); print("got it")
except MemoryError:
	print("ENOMEM")
b = bytearray(20 << 20); print("some is left")'
	[ "$output" = $'ENOMEM\nsome is left' ]
	run -0 gsh run -s m -- python3 -c '
import ctypes, mmap
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
def map(size, flags):
	r = libc.mmap(None, ctypes.c_size_t(size), 3, flags, -1, 0)
	return ctypes.get_errno() if r == ctypes.c_void_p(-1).value else 0
print(map(80 << 20, 0x22), map(80 << 20, 0x21), map(8 << 20, 0x22), map(1 << 34, 0x4022))'
	[ "$output" = "12 12 0 0" ]
}

@test "memory: what several use together ends the largest of them, and is told of" {
	run -0 gsh run -s m --memory 96M -- python3 -c '
import os, time
def hog(mb):
	b = bytearray(mb << 20)
	for i in range(0, len(b), 4096): b[i] = 1
	time.sleep(2)
	os._exit(0)
small = os.fork()
if not small:
	time.sleep(3); os._exit(5)
kids = {}
for mb in (40, 60):
	p = os.fork()
	if not p: hog(mb)
	kids[p] = mb
for p, mb in kids.items():
	print(mb, os.waitpid(p, 0)[1])
print("small", os.waitstatus_to_exitcode(os.waitpid(small, 0)[1]))'
	[ "${lines[1]}" = "60 9" ]
	[ "${lines[2]}" = "small 5" ]
	gsh info m | grep -q $'^last_kill\tout of memory: .* of MemoryMax=96M were used; killed python3'
	gsh info m | grep -q '^MemoryMax.*[1-9] killed'
	grep -q 'out of memory' "$GSH_STORE/boxes/m/log"
	# What is shared is counted once: four children of a process with 50 MB are no 250.
	run -0 gsh run -s m2 --memory 120M -- python3 -c '
import os, time
b = bytearray(50 << 20)
kids = [os.fork() for _ in range(1)]
for _ in range(3):
	if kids[-1]: kids.append(os.fork())
if 0 in kids:
	time.sleep(1); os._exit(0)
print([os.waitpid(k, 0)[1] for k in kids])'
	[ "$output" = "[0, 0, 0, 0]" ]
}

@test "pids: one more is EAGAIN, a thread too" {
	run -0 gsh run -s p --pids 30 -- python3 -c '
import errno, os, signal, threading
kids = []
try:
	while True:
		p = os.fork()
		if not p: signal.pause()
		kids.append(p)
except OSError as e:
	print(errno.errorcode[e.errno], 20 < len(kids) < 30)
try:
	threading.Thread(target=lambda: None).start(); print("a thread")
except RuntimeError as e: print("no thread")
for p in kids: os.kill(p, 9); os.waitpid(p, 0)
if os.fork() == 0: os._exit(0)
print(os.wait()[1])'
	[ "$output" = $'EAGAIN True\nno thread\n0' ]
}

@test "disk: ENOSPC after what fits, and room again after rm" {
	run -0 gsh run -s d --disk 8M -- sh -c '
		dd if=/dev/zero of=big bs=1M count=20 2>&1 | grep -o "No space left on device"
		[ $(stat -c %s big) -gt 4000000 ] && [ $(stat -c %s big) -le 8388608 ] && echo most of it
		truncate -s 1G sparse && echo sparse
		fallocate -l 6M solid 2>&1 | grep -o "No space left on device"
		rm big sparse
		for i in 1 2 3 4 5 6; do dd if=/dev/zero of=again bs=1M count=6 conv=notrunc status=none || exit 1; done
		echo written over and over
		cp again copy 2>&1 | grep -o "No space left on device"'
	[ "$output" = $'No space left on device\nmost of it\nsparse\nNo space left on device\nwritten over and over\nNo space left on device' ]
	# Copying up takes space, too; /dev/shm is memory and none of it.
	head -c 6000000 /dev/zero >"$BOX/work/large"
	run -0 gsh run -s d -- sh -c "rm -f again copy solid; head -c 5000000 /dev/zero >here
		echo more >>'$BOX/work/large' || echo not copied up
		head -c 9000000 /dev/zero >/dev/shm/x && echo memory; rm /dev/shm/x"
	[[ "$output" == *"not copied up"* ]]
	[[ "$output" == *memory ]]
	[ "$(stat -c %s "$BOX/work/large")" = 6000000 ]
}

@test "inodes: ENOSPC for one more, and room again after rm" {
	run -0 gsh run -s i --inodes 60 -- python3 -c '
import errno, os
n = 0
try:
	while n < 200:
		open("f%d" % n, "w").close(); n += 1
except OSError as e: print(errno.errorcode[e.errno], 20 < n < 60)
for what in (lambda: os.mkdir("d"), lambda: os.symlink("x", "l"), lambda: os.mkfifo("p")):
	try: what(); print("made")
	except OSError as e: print(errno.errorcode[e.errno])
os.remove("f0"); os.remove("f1")
os.mkdir("d"); print("room")'
	[ "$output" = $'ENOSPC True\nENOSPC\nENOSPC\nENOSPC\nroom' ]
}

@test "open files: EMFILE, and no way to raise it" {
	run -0 gsh run -s n --nofile 100 -- python3 -c '
import errno, os, resource
fds = []
try:
	while True: fds.append(os.open("/dev/null", 0))
except OSError as e: print(errno.errorcode[e.errno], 90 < len(fds) < 100)
os.close(fds[0]); os.close(fds[1])
print(resource.getrlimit(resource.RLIMIT_NOFILE))
try: resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
except ValueError as e: print("refused")'
	[ "${lines[0]}" = "EMFILE True" ]
	[ "${lines[1]}" = "(100, 100)" ]
}

@test "of queued signals and locked memory the host's programs keep a part" {
	for what in SIGPENDING MEMLOCK; do
		most=$(python3 -c "import resource; print(resource.getrlimit(resource.RLIMIT_$what)[1])")
		[ "$most" != -1 ] || continue
		[ "$(gsh run -s k -- python3 -c "import resource; print(resource.getrlimit(resource.RLIMIT_$what)[1])")" = $((most - most / 8)) ]
		# What the kernel holds it to, whatever the libOS says.
		grep -q "^Max $([ $what = MEMLOCK ] && echo locked memory || echo pending signals) .* $((most - most / 8)) " \
			"/proc/$(pgrep -u "$(id -u)" -n picoprocess)/limits"
	done
}

@test "descriptors that are never taken out of sockets keep nobody from starting a command" {
	ulimit -Sn 1024
	cat >passing.py <<-'PYTHON'
		import array, resource, socket, sys, time
		s, n = [], 0
		resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
		try:
		    while n < 16000:
		        s.append(socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
		        for _ in range(4):
		            s[-1][0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * 200))])
		            n += 200
		except OSError:
		    pass
		open("passing", "w").write(str(n))
		time.sleep(60)
	PYTHON
	"$GSH" run -s d -- python3 passing.py &
	client=$!
	wait_until 200 sh -c "timeout 5 '$GSH' cat 'd:$PWD/passing' 2>/dev/null | grep -q ."
	# Positive control: others of the user's pass none meanwhile.
	run ! python3 -c 'import array, socket
socket.socketpair()[0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))])'
	[ "$(gsh run -s other -- echo well)" = well ]
	[ "$(gsh run -s d -- echo well)" = well ]
	gsh stop d
	wait "$client" || true
}

@test "time: RuntimeMaxSec ends a command with 124, also when its gsh is gone" {
	gsh start t
	gsh set t RuntimeMaxSec=1s
	run gsh run -s t -- sleep 30
	[ "$status" = 124 ]
	run gsh run -s t -- sh -c 'exit 3'
	[ "$status" = 3 ]
	"$GSH" run -s t -- sh -c 'echo begun; exec sleep 40' >begun &
	client=$!
	wait_until 50 grep -q begun begun
	kill -9 "$client"
	wait_until 100 sh -c "! '$GSH' ps -s t | grep -q 'sleep'"
}

# ---- a libOS that is not honest ----

@test "a process that goes around its libOS for memory is killed" {
	run -137 gsh run -s h --memory 64M -- "$EXHAUST" memory 1000
	printf '%s\n' "$output" >out
	grep -q '^by pal$' out
	[ "$(reached memory)" -lt 300 ]
	gsh info h | grep -q '^last_kill.*out of memory.*exhaust'
	[ "$(gsh -s h -c 'echo well')" = well ]
}

@test "a storm of processes around the libOS ends the sandbox" {
	gsh run -s h --pids 100 -- "$EXHAUST" tasks 2500 >out 2>&1 || true
	grep -q '^by pal$' out
	[[ "$(why_ended)" =~ ^'it had '[0-9]+' processes and threads, TasksMax is 100'$ ]]
	[ "$(gsh -s h -c 'echo well')" = well ]
}

@test "files written around the libOS end the sandbox, well before they fill the disk" {
	gsh run -s h --disk 16M -- "$EXHAUST" disk 300 >out 2>&1 || true
	grep -q '^by pal$' out
	[[ "$(why_ended)" =~ 'on the disk, DiskMax is 16M'$ ]]
	[ "$(reached disk)" -lt 250 ]
}

@test "who asks without end what is left has the layers walked some of the time only" {
	gsh run -s h --disk 64M -- "$EXHAUST" asks 6 >out 2>&1
	grep -q '^by pal$' out
	# Each takes 2 ms of what there is: 2 s, and a fifth of the 6.
	[ "$(reached asks)" -gt 10 ] && [ "$(reached asks)" -lt 2200 ]
	[ "$(gsh -s h -c 'echo well >well; cat well')" = well ]
}

@test "names made around the libOS end the sandbox" {
	gsh run -s h --inodes 300 -- "$EXHAUST" inodes 60000 >out 2>&1 || true
	grep -q '^by pal$' out
	[[ "$(why_ended)" =~ 'files, InodesMax is 300'$ ]]
	[ "$(reached inodes)" -lt 50000 ]
}

# ---- what a user sees and changes ----

@test "set changes a sandbox that runs, keeps it, and says by what means it holds" {
	gsh run -s s -- true
	gsh set s TasksMax=40 MemoryMax=100M
	gsh set -s s | grep -q $'^TasksMax\t40 (libOS, monitor'
	wait_until 10 sh -c "'$GSH' info s | grep -q '^MemoryMax.100M, .* used (libOS, monitor)'"
	run gsh run -s s -- sh -c 'for i in $(seq 60); do sleep 3 & done'
	[ "$status" != 0 ]
	[[ "$output" == *"fork"* ]]
	gsh set s TasksMax=200
	run -0 gsh run -s s -- sh -c 'for i in $(seq 60); do sleep 0.1 & done; wait; echo all'
	[ "$output" = all ]
	gsh stop s
	gsh info s | grep -q $'^MemoryMax\t100M$'
	run -0 gsh run -s s -- python3 -c '
try: bytearray(150 << 20)
except MemoryError: print("kept")'
	[ "$output" = kept ]
	gsh set s MemoryMax=
	gsh set s | grep -q $'^MemoryMax\tinfinity'
	[ "$(gsh run -s s -- python3 -c 'print(len(bytearray(150 << 20)) >> 20)')" = 150 ]
	gsh set s --json | "$TESTS/tools/json-check"
}

@test "set: wrong names and values are said, and change nothing" {
	gsh start s
	run -2 gsh set s MemoryMaxx=1G
	[[ "$output" == *"there is no limit 'MemoryMaxx'"*"did you mean MemoryMax="* ]]
	run -2 gsh set s frob=1
	[[ "$output" == *"hint: gsh help set names them" ]]
	run -2 gsh set s memroy=1G
	[[ "$output" == *"hint: did you mean memory=1G?" ]]
	gsh set s memory=1G
	gsh set s | grep -q $'^MemoryMax\t1G'
	gsh set s MemoryMax=
	run -2 gsh set s MemoryMax=lots
	[[ "$output" == *"at least 16M"* ]]
	run -2 gsh set s t
	run -125 gsh run -s s --memory 3 -- true
	[[ "$output" == *"--memory"*"at least 16M"* ]]
	run -3 gsh set nosuch MemoryMax=1G
	gsh set s | grep -q $'^MemoryMax\tinfinity'
}

@test "the settings hold for every sandbox, and what is asked for one beats them" {
	printf '[Limits]\nMemoryMax=64M\nLimitNOFILE=128\nDiskMax=32M\n' >"$GSH_CONFIG"
	[ "$(gsh -x -c 'ulimit -n')" = 128 ]
	[ "$(gsh run -x -- python3 -c '
try: bytearray(100 << 20)
except MemoryError: print("ENOMEM")')" = ENOMEM ]
	[ "$(gsh run -x --memory 300M -- python3 -c 'print(len(bytearray(100 << 20)) >> 20)')" = 100 ]
	printf '[Limits]\nMemoryMax=few\n' >"$GSH_CONFIG"
	run -125 gsh run -x -- true
	[[ "$output" == *"gsh.conf:2: bad value for 'MemoryMax'"* ]]
}

# The kernel's files, played by plain ones: what is written where. GSH_CGROUP names a place that is delegated.
@test "a cgroup that is delegated is used, and says so" {
	mkdir -p "$BOX/cg/gsh-c" "$BOX/cg/gsh.host"
	touch "$BOX"/cg/cgroup.{procs,subtree_control} "$BOX"/cg/gsh-c/{cgroup.procs,memory.max,pids.max,cpu.max}
	printf 'low 0\noom_kill 3\n' >"$BOX/cg/gsh-c/memory.events"
	echo 1234567 >"$BOX/cg/gsh-c/memory.current"
	export GSH_CGROUP=$BOX/cg
	gsh run -s c --memory 64M --cpu 50% --pids 100 -- true
	[ "$(cat "$BOX/cg/gsh-c/memory.max")" = 67108864 ]
	[ "$(cat "$BOX/cg/gsh-c/pids.max")" = 100 ]
	[ "$(cat "$BOX/cg/gsh-c/cpu.max")" = "50000 100000" ]
	[ "$(cat "$BOX/cg/gsh-c/cgroup.procs")" = 0 ]
	gsh set c | grep -q $'^CPUQuota\t50% (cgroup)'
	wait_until 30 sh -c "'$GSH' set c | grep -q '^MemoryMax.64M, 1.2M used, 3 killed (cgroup)'"
	gsh set c CPUQuota=infinity
	[ "$(head -c 3 "$BOX/cg/gsh-c/cpu.max")" = max ]
}

@test "without a cgroup a share of the processor is not promised" {
	gsh run -s c --cpu 50% -- true
	gsh set c | grep -q $'^CPUQuota\t50% (not in force: no cgroup is delegated)'
}
