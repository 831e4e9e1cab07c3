#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# System V IPC and message queues as users meet them: ipcs, ipcmk, ipcrm, lsipc, /dev/mqueue; two sandboxes; stop.

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

python() {
	gsh run -s "$1" -- /usr/bin/python3 -c "$2"
}

@test "ipcmk makes what ipcs shows and ipcrm removes" {
	run gsh -s one -c '
		ipcmk -M 12345 -p 0640; ipcmk -S 3; ipcmk -Q
		ipcs; ipcs -l; ipcs -u; ipcs -t; ipcs -p; ipcs -c
		m=$(ipcs -m | awk "/^0x/ {print \$2}") s=$(ipcs -s | awk "/^0x/ {print \$2}") q=$(ipcs -q | awk "/^0x/ {print \$2}")
		ipcs -m -i $m; ipcs -s -i $s; ipcs -q -i $q
		ipcrm -m $m -s $s -q $q && echo removed
		ipcs | grep -c ^0x'
	echo "$output"
	[[ $output == *"Shared memory id:"*"Semaphore id:"*"Message queue id:"* ]]
	[[ $output == *" 640        12345      0 "* ]]
	[[ $output == *"max number of arrays = 32000"* ]]
	[[ $output == *"allocated semaphores = 3"* ]]
	[[ $output == *"mode=0640"*"bytes=12345"* ]]
	[[ $output == *"semnum     value      ncount     zcount     pid"* ]]
	[[ $output == *$'removed\n0' ]]
}

@test "lsipc shows limits and objects" {
	run gsh -s one -c 'ipcmk -M 4096 >/dev/null; ipcmk -Q >/dev/null; lsipc; lsipc -m; lsipc -q; lsipc -s'
	echo "$output"
	[[ $output == *"MSGMNI"*"Number of message queues"*"32000"* ]]
	[[ $output == *"SHMMNI"* ]]
	[[ $output == *"NATTCH"* ]]
}

@test "objects survive their maker and go when the sandbox stops" {
	gsh -s one -c 'ipcmk -M 4096; ipcmk -S 1; ipcmk -Q'
	python one 'import os; os.open("/dev/mqueue/kept", os.O_CREAT | os.O_RDWR, 0o600)'
	run gsh -s one -c 'ipcs | grep -c ^0x; ls /dev/mqueue; cat /dev/mqueue/kept'
	echo "$output"
	[[ $output == $'3\nkept\nQSIZE:0'* ]]
	gsh stop one
	run gsh -s one -c 'ipcs | grep -c ^0x; ls /dev/mqueue'
	[ "$output" = 0 ]
}

@test "two sandboxes with the same keys and names never meet" {
	local make='
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
id = libc.shmget(0x4711, 4096, 0o1600)
p = libc.shmat(id, None, 0)
old = ctypes.string_at(p)
ctypes.memmove(p, b"%s", 3)
q = libc.msgget(0x4711, 0o1600)
libc.msgsnd(q, (1).to_bytes(8, "little") + b"%s", 3, 0)
s = libc.semget(0x4711, 1, 0o1600)
libc.semctl(s, 0, 16, %d)
m = os.open("/dev/mqueue/same", os.O_CREAT | os.O_RDWR, 0o600)
print(old.decode() or "fresh")
'
	run python one "$(printf "$make" one one 1)"
	[ "$output" = fresh ]
	run python two "$(printf "$make" two two 2)"
	[ "$output" = fresh ]
	local look='
import ctypes
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
b = ctypes.create_string_buffer(16)
n = libc.msgrcv(libc.msgget(0x4711, 0), b, 8, 0, 0o4000)
print(ctypes.string_at(libc.shmat(libc.shmget(0x4711, 0, 0), None, 0)).decode(), b.raw[8:8 + n].decode(),
	libc.semctl(libc.semget(0x4711, 0, 0), 0, 12), libc.msgrcv(libc.msgget(0x4711, 0), b, 8, 0, 0o4000))
'
	run python one "$look"
	[ "$output" = "one one 1 -1" ]
	run python two "$look"
	[ "$output" = "two two 2 -1" ]
	# Nothing of it is the host's.
	! ipcs | grep -q 0x00004711
}

@test "/dev/mqueue is a mount whose files are queues" {
	run gsh -s one -c '
		grep mqueue /proc/mounts; stat -c "%A %F" /dev/mqueue
		: >/dev/mqueue/a; ls /dev/mqueue; stat -c "%a %s" /dev/mqueue/a; chmod 640 /dev/mqueue/a; stat -c %a /dev/mqueue/a
		rm /dev/mqueue/a; ls /dev/mqueue; mkdir /dev/mqueue/d || echo no directories'
	echo "$output"
	[[ $output == *"mqueue /dev/mqueue mqueue rw,"* ]]
	[[ $output == *"drwxrwxrwt directory"*$'\na\n'*" 80"*$'\n640\n'*"no directories" ]]
}

@test "a killed process's semaphores are undone, its attachments not counted" {
	gsh -s one -c 'ipcmk -M 4096; ipcmk -S 1' >/dev/null
	run python one '
import ctypes, os, signal, time
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
def line(kind): return open("/proc/sysvipc/" + kind).read().split("\n")[1].split()
s, m = int(line("sem")[1]), int(line("shm")[1])
r, w = os.pipe()
pid = os.fork()
if not pid:
	libc.shmat(m, None, 0)
	libc.semop(s, b"\0\0\3\0\0\x10", 1)
	os.write(w, b"x")
	time.sleep(100)
os.read(r, 1)
print(libc.semctl(s, 0, 12), line("shm")[6])
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
print(libc.semctl(s, 0, 12), line("shm")[6])
'
	echo "$output"
	[ "$output" = $'3 1\n0 0' ]
}

@test "locks on files of the host are the sandbox's own: they hold up neither the host nor another sandbox" {
	echo base >f
	box one sh -c 'flock -x f sh -c "echo held >held; sleep 20"' 3>&- &
	holder=$!
	for _ in $(seq 100); do box one test -e held && break; sleep 0.1; done
	run box one flock -n f echo got
	[ "$status" = 1 ]
	run box one flock -n -x f true # opened to be written, too: a copy
	[ "$status" = 1 ]
	run box one sh -c 'exec 9>>f; flock -n 9'
	[ "$status" = 1 ]
	[ "$(box two flock -n f echo got)" = got ]
	[ "$(flock -n f echo got)" = got ]
	"$GSH" stop -s one
	wait "$holder" || true
	# And the host's do not hold up a sandbox.
	exec 8<f
	flock -x 8
	[ "$(box one flock -n f echo got)" = got ]
	exec 8<&-
}
