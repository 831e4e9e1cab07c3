#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# Programs that trace others inside: the leak checker of -fsanitize=address, strace, gdb. What they say is what they say on the
# host, but for addresses and ids. The requests one by one: tests/guest/ptrace.c.

bats_require_minimum_version 1.5.0
load lib.bash

setup_file() {
	box_setup
	export BOX BOX_BEFORE
}

teardown_file() {
	box_teardown
}

setup() {
	mkdir -p "$BOX/work/$BATS_TEST_NUMBER"
	cd "$BOX/work/$BATS_TEST_NUMBER" || return 1
}

inside() {
	box trace "$@"
}

@test "a leak is found at the end of a program, with threads and without" {
	cat >leak.c <<-'EOF'
		#include <pthread.h>
		#include <stdlib.h>
		#include <string.h>
		#include <unistd.h>
		void *volatile p;
		static void *sleeper(void *x) { for (;;) pause(); return x; }
		int main(int c, char **v)
		{
			pthread_t t;
			char junk[4096];
			(void)v;
			if (c > 2) pthread_create(&t, 0, sleeper, 0);
			p = malloc(77);
			if (c > 1) p = 0;
			memset(junk, 0, sizeof(junk));
			return junk[c];
		}
	EOF
	gcc -g -fsanitize=address -pthread -o leak leak.c || skip "no address sanitizer on this host"
	run -0 inside ./leak
	[ -z "$output" ]
	for args in 1 "1 2"; do
		run -23 inside env LSAN_OPTIONS=exitcode=23 ASAN_OPTIONS= ./leak $args
		[[ $output = *"77 byte(s) leaked in 1 allocation(s)"* ]]
	done
}

@test "strace follows forks, execs and signals" {
	command -v strace >/dev/null || skip "no strace on this host"
	run -138 inside strace -f -o log sh -c '/bin/true; cat /nowhere 2>/dev/null; kill -USR1 $$'
	inside grep -q 'execve("/bin/true", ' log
	inside grep -q 'openat(AT_FDCWD, "/nowhere", O_RDONLY) *= -1 ENOENT' log
	inside grep -q -- '--- SIGCHLD .*si_code=CLD_EXITED' log
	inside grep -q '+++ killed by SIGUSR1 +++' log
	[ "$(inside grep -c '+++ exited with' log)" = 2 ]
	run ! inside grep -E 'ptrace_syscall_info|syscall_0x' log
}

@test "gdb: a breakpoint, a step, the stack, the end" {
	command -v gdb >/dev/null || skip "no gdb on this host"
	cat >d.c <<-'EOF'
		#include <stdio.h>
		int g;
		static int add(int a, int b)
		{
			int c = a + b;
			g = c;
			return c;
		}
		int main(void)
		{
			printf("%d\n", add(20, 22));
			return 3;
		}
	EOF
	gcc -g -O0 -o d d.c
	run -0 inside gdb -batch -nx -ex 'break add' -ex run -ex bt -ex next -ex 'print c' -ex delete -ex 'print add(1, 2)' -ex finish \
		-ex continue ./d
	[[ $output = *"#0  add (a=20, b=22)"*"#1 "*" main ()"* ]]
	[[ $output = *"g = c;"*" = 42"* ]]
	[[ $output = *"Value returned is "*" = 42"* ]]
	[[ $output = *"exited with code 03"* ]]
}
