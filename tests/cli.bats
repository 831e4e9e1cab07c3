#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# gsh alone: its words, its answers, its exit statuses, what it sends. The daemon is a fake that runs commands on the
# host (tools/fake-gshd), so this suite needs no confinement and tests none.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert

setup() {
	ROOT=$BATS_TEST_DIRNAME/..
	DIR=$(mktemp -d "${TMPDIR:-/tmp}/gsh-cli.XXXXXX")
	mkdir "$DIR/bin"
	cp "${BUILD:-$ROOT/build}/bin/gsh" "$DIR/bin/gsh"
	cp "$ROOT/tests/tools/fake-gshd" "$DIR/bin/gshd"
	export GSH_RUNTIME=$DIR/run GSH_STORE=$DIR/store GSH_MOUNT=$DIR/mnt GSH_CONFIG=$DIR/gsh.conf
	PATH=$DIR/bin:$PATH
	unset GSH_SANDBOX
}

teardown() {
	if [ -e "$GSH_RUNTIME/pid" ]; then
		kill "$(cat "$GSH_RUNTIME/pid")" 2>/dev/null || true
	fi
	rm -rf "$DIR"
}

# The parameter of the last call of a method, as JSON.
sent() {
	python3 - "$GSH_RUNTIME/calls" "$1" "$2" <<-'END'
		import json, sys
		calls = [c for c in map(json.loads, open(sys.argv[1])) if c["method"].endswith("." + sys.argv[2])]
		print(json.dumps(calls[-1]["parameters"][sys.argv[3]]))
	END
}

# ---- words ----

@test "help names every verb in at most 24 lines, and each verb in a line" {
	run gsh -h
	assert_success
	[ "${#lines[@]}" -le 24 ]
	short=$output
	gsh help >"$DIR/long"
	gsh __complete line '' | cut -f 1 >"$DIR/verbs"
	[ "$(wc -l <"$DIR/verbs")" -ge 18 ]
	while read -r verb; do
		run grep -qw -e "$verb" <<<"$short"
		assert_success
		run grep -c "^  $verb  *[a-z]" "$DIR/long"
		assert_output 1
		run gsh help "$verb"
		assert_success
		assert_line --index 0 --partial "usage: gsh $verb"
		run gsh "$verb" --help
		assert_success
	done <"$DIR/verbs"
}

@test "trace wants a command" {
	run gsh trace
	assert_failure 125
	run gsh trace --coord
	assert_failure 125
}

@test "a sandbox that cannot be watched runs nothing" {
	run gsh trace --coord -- touch "$DIR/made"
	assert_failure 125
	assert_output --partial "gsh: default: it cannot be watched"
	[ ! -e "$DIR/made" ]
}

@test "a misspelt verb is a usage error with a suggestion" {
	run gsh stauts
	assert_failure 2
	assert_line --index 0 "gsh: stauts: no such verb [E_USAGE]"
	assert_line --index 1 --partial 'did you mean "gsh status"?'
	[ "${#lines[@]}" -eq 2 ]
}

@test "what resembles no verb suggests none, and a long usage line is no hint" {
	run gsh foo
	assert_line --index 1 "hint: to run a command: gsh run -- foo ; verbs: gsh help"
	run gsh lgo
	assert_line --index 1 --partial 'did you mean "gsh log"?'
	run gsh try
	assert_failure
	assert_line --index 1 "hint: gsh help try says how"
	run gsh rename a
	assert_line --index 1 "hint: gsh rename NAME NEW"
	run gsh --vers
	assert_line --index 0 "gsh: unknown option --vers (did you mean --version?) [E_USAGE]"
	assert_line --index 1 "hint: gsh --help says how"
}

@test "the beginning of a verb suggests the verb, and help suggests help" {
	run gsh stat
	assert_line --index 1 --partial 'did you mean "gsh status"?'
	run gsh help stauts
	assert_failure 2
	assert_line --index 1 'hint: did you mean "gsh help status"? gsh help lists them'
	run gsh help frobnicate
	assert_line --index 1 "hint: gsh help lists them"
}

@test "a misspelt option is a usage error with a suggestion" {
	run gsh ls --jsno
	assert_failure 2
	assert_line --index 0 "gsh: ls: unknown option --jsno (did you mean --json?) [E_USAGE]"
	run gsh ls -y
	assert_failure 2
}

@test "long options are never abbreviated" {
	run gsh ls --jso
	assert_failure 2
}

@test "options may stand before or after the verb, joined or apart" {
	for words in '-s one start' 'start -s one' 'start -sone' 'start --sandbox one' 'start --sandbox=one' 'start one'; do
		# shellcheck disable=SC2086
		run gsh $words
		assert_success
		assert_equal "$(sent Start name)" '"one"'
	done
}

@test "an option that a verb does not have is refused before it too" {
	run gsh -x ls
	assert_failure 2
	assert_output --partial "--throwaway does not concern it"
}

@test "two names are refused" {
	run gsh start -s one two
	assert_failure 2
	for verb in ps top why events log status; do
		run gsh "$verb" -s one two
		assert_failure 2
		assert_output --partial "two names: one and two"
	done
}

@test "impossible names are refused with a sentence, and nothing is started" {
	for name in a/b ../x '' . .hidden -x $'a\nb' "$(printf 'n%.0s' {1..64})"; do
		run gsh start "--sandbox=$name"
		assert_failure 2
		assert_output --partial "the name of a sandbox"
		run gsh -s "$name" -c true
		assert_failure
		assert [ "$status" -ge 2 ]
	done
	assert [ ! -e "$GSH_RUNTIME" ]
}

@test "a command's words are untouched" {
	run gsh run -- printf '<%s>' 'a b' '' -s -- $'\xff' '*' "it's"
	assert_success
	assert_output $'<a b><><-s><--><\xff><*><it\'s>'
	run gsh run printf '<%s>' -s x --help
	assert_output '<-s><x><--help>'
}

@test "words after -c STRING become its arguments" {
	run gsh -c 'echo "$0 $1 $#"' zero one two
	assert_output "zero one 2"
}

@test "gsh run without a command is a failure of gsh" {
	run gsh run
	assert_failure 125
	run gsh run -s
	assert_failure 125
}

# ---- statuses ----

@test "the command's exit status is that of gsh" {
	for n in 0 1 42 124 125 255; do
		run gsh -c "exit $n" </dev/null
		assert_equal "$status" "$n"
	done
}

@test "a command ended by a signal gives 128 and its number" {
	for n in 1 9 15; do
		run gsh run -- sh -c "kill -$n \$\$" </dev/null
		assert_equal "$status" $((128 + n))
	done
}

@test "not found is 127, not executable is 126" {
	run -127 gsh run -- /no/such/program
	assert_output "gsh: /no/such/program: not found [E_NOTFOUND]"
	run gsh run -- /etc/passwd
	assert_failure 126
	assert_output --partial "gsh: /etc/passwd: cannot execute: Permission denied [E_NOEXEC]"
	run gsh run -- /
	assert_failure 126
}

@test "failures of gsh are 125 when it runs a command, their own number elsewhere" {
	export FAKE_START=lacks
	run gsh -c true
	assert_failure 125
	assert_line --index 0 "gsh: cannot confine: no Landlock [E_HOST]"
	assert_line --index 1 "hint: boot with lsm=landlock"
	run gsh start
	assert_failure 6
}

@test "no such sandbox is 3, a conflict is 4" {
	run gsh stop nope
	assert_failure 3
	run gsh ps nope
	assert_failure 3
	run gsh info nope
	assert_failure 3
	assert_line --index 1 "hint: gsh ls lists them; any command with -s nope creates it"
	gsh start it
	gsh start builder
	run gsh stop bulider
	assert_failure 3
	assert_line --index 1 "hint: did you mean builder? Any command with -s bulider creates that one"
	gsh rm -f builder
	run gsh rm it
	assert_failure 4
	run gsh rm -f it
	assert_success
}

@test "without gshd beside it gsh says so, with 6" {
	rm "$DIR/bin/gshd"
	run gsh ls
	assert_failure 6
	assert_line --index 0 --partial "gsh: cannot reach gshd: "
	run gsh -c true
	assert_failure 125
	run gsh doctor
	assert_failure 1
	run gsh version
	assert_success
}

@test "a stale socket is no obstacle" {
	mkdir -p "$GSH_RUNTIME/box"
	for name in gshd box/default; do
		python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$GSH_RUNTIME/$name.sock"
	done
	run gsh -c 'echo fine'
	assert_success
	assert_output fine
}

@test "ten clients at once start one daemon" {
	for i in 1 2 3 4 5 6 7 8 9 10; do
		gsh -c "exit $i" </dev/null &
		pids[i]=$!
	done
	for i in 1 2 3 4 5 6 7 8 9 10; do
		wait "${pids[i]}" && n=0 || n=$?
		assert_equal "$n" "$i"
	done
}

@test "rm without a name needs -f" {
	gsh start
	gsh stop
	run gsh rm
	assert_failure 2
}

# ---- answers ----

@test "lists are tab-separated without a head when piped, and names are escaped" {
	gsh start
	run gsh status
	assert_success
	assert_line --index 0 $'A\tf\t7\t/a\\tb\\n\\033[31m'
	assert_line --index 1 $'D\tf\t0\t/z'
	run gsh ls
	assert_output $'default\trunning\tB\t1\t2\t2023-11-14T22:13:20Z'
}

@test "lists with --json are one object with a schema" {
	gsh start
	for verb in ls ps status doctor info path version; do
		# shellcheck disable=SC2086
		gsh $verb --json 2>/dev/null | python3 -c '
import json, sys
text = sys.stdin.read()
o = json.loads(text)
assert text.count("\n") == 1
verb = sys.argv[1].split()[0]
assert list(o)[0] == "schema" and o["schema"] == f"gsh.{verb}/1", o
assert verb in ("info", "path", "version") or isinstance(o["items"], list)
' "$verb"
	done
}

@test "an answer that cannot be written is a failure" {
	run sh -c 'gsh version >/dev/full'
	assert_failure 1
}

@test "stop clears the runtime with the last sandbox, not before" {
	gsh start one
	gsh start two
	gsh stop one
	assert [ -S "$GSH_RUNTIME/gshd.sock" ]
	gsh stop two
	assert [ ! -e "$GSH_RUNTIME/gshd.sock" ]
}

# ---- what goes in ----

@test "variables enter but for those held back; -e passes one in spite of that" {
	run env -i PATH="$PATH" GSH_RUNTIME="$GSH_RUNTIME" GSH_STORE="$GSH_STORE" CC=clang MAKEFLAGS=-j2 PYTHONPATH=/p DEBIAN_FRONTEND=x LC_ALL=C \
		KEYMAP=k MONKEY=m LISTEN_PID=1 GITHUB_TOKEN=s aws_secret=s API_KEY=s SSH_AUTH_SOCK=/s DISPLAY=:0 LD_PRELOAD= \
		DB_PASSWORD=s XDG_RUNTIME_DIR=/run/user/1 \
		gsh run -e A=1 -e A=2 -e SSH_AUTH_SOCK=mine -- /usr/bin/env
	assert_success
	for has in CC=clang MAKEFLAGS=-j2 PYTHONPATH=/p DEBIAN_FRONTEND=x LC_ALL=C KEYMAP=k MONKEY=m A=2 \
		SSH_AUTH_SOCK=mine GSH_SANDBOX=default container=gsh; do
		assert_line "$has"
	done
	for lacks in TOKEN aws_secret API_KEY DISPLAY LD_PRELOAD PASSWORD RUNTIME LISTEN_PID debian_chroot A=1 GSH_STORE; do
		refute_output --partial "$lacks"
	done
}

@test "a variable without a name is refused before anything is started" {
	run gsh run -e =x -- true
	assert_failure 125
	run gsh run -e '' -- true
	assert_failure 125
	assert [ ! -e "$GSH_RUNTIME" ]
}

@test "the folder is here, or what -C says; the umask goes along" {
	cd /usr
	run gsh run -- sh -c 'pwd; echo $PWD'
	assert_output $'/usr\n/usr'
	run gsh run -C lib -- sh -c 'pwd; echo $PWD'
	assert_output $'/usr/lib\n/usr/lib'
	run gsh run -C /etc -- pwd
	assert_output /etc
	umask 027
	run gsh -c umask
	assert_output 0027
}

@test "input, output and error are passed through, each by itself" {
	run bash -c 'printf "in\n" | gsh -c "cat; echo err >&2" 2>'"$DIR"'/err >'"$DIR/out"
	assert_success
	assert_equal "$(cat "$DIR/out")" in
	assert_equal "$(cat "$DIR/err")" err
	assert_equal "$(sent Run tty)" false
}

@test "closed descriptors are no obstacle" {
	run bash -c 'gsh -c "echo x" <&- 2>&-'
	assert_output x
}

@test "without a terminal a plain gsh reads its commands from stdin" {
	export SHELL=/no/such/shell
	run bash -c "echo 'echo \$0 \$SHELL' | gsh"
	assert_success
	assert_output "/bin/bash /bin/bash"
}

@test "bytes that are no UTF-8 and a 100,000-byte argument arrive whole" {
	run gsh run -- sh -c 'printf %s "$1" | wc -c' sh "$(head -c 100000 /dev/zero | tr '\0' x)"
	assert_success
	assert_output 100000
}

@test "more words than a message holds: 126, as exec(2) would" {
	printf 'x%.0s' {1..120000} >"$DIR/big"
	b=$(cat "$DIR/big")
	run gsh run -- true "$b" "$b" "$b" "$b" "$b" "$b" "$b" "$b" "$b" "$b"
	assert_failure 126
	assert_output --partial "Argument list too long"
}

# ---- signals without a terminal ----

@test "signals are passed on, and gsh waits for what becomes of the command" {
	gsh -c 'trap "echo caught; exit 7" TERM; echo ready; while :; do sleep 0.05; done' >"$DIR/out" </dev/null &
	pid=$!
	until grep -q ready "$DIR/out"; do sleep 0.02; done
	kill -TERM "$pid"
	wait "$pid" && n=0 || n=$?
	assert_equal "$n" 7
	assert_equal "$(tail -n 1 "$DIR/out")" caught
}

@test "a client that is killed leaves the command running" {
	gsh -c 'echo $$; while [ ! -e "'"$DIR"'/go" ]; do sleep 0.05; done; touch "'"$DIR"'/done"' >"$DIR/out" </dev/null &
	pid=$!
	until [ -s "$DIR/out" ]; do sleep 0.02; done
	kill -9 "$pid"
	touch "$DIR/go"
	for _ in $(seq 100); do
		[ -e "$DIR/done" ] && break
		sleep 0.05
	done
	assert [ -e "$DIR/done" ]
}

@test "a lost monitor is said, with 125" {
	gsh -c 'echo ready; sleep 30 & echo $! >'"$DIR"'/sleeper; wait' >"$DIR/out" 2>"$DIR/err" </dev/null &
	pid=$!
	until [ -s "$DIR/sleeper" ]; do sleep 0.02; done
	kill -9 "$(cat "$GSH_RUNTIME/pid")"
	wait "$pid" && n=0 || n=$?
	kill "$(cat "$DIR/sleeper")"
	assert_equal "$n" 125
	run cat "$DIR/err"
	assert_output "gsh: default: the sandbox ended while a command ran in it [E_FAILED]"
}

@test "kill takes signals by name and number" {
	gsh -c 'trap "exit 9" USR1; echo ready; while :; do sleep 0.05; done' >"$DIR/out" </dev/null &
	pid=$!
	until grep -q ready "$DIR/out"; do sleep 0.02; done
	inner=$(python3 -c 'import json,sys; print(json.loads(sys.argv[1])["sessions"][0]["pid"])' "$(gsh info --json)")
	run gsh kill -USR1 "$inner"
	assert_success
	wait "$pid" && n=0 || n=$?
	assert_equal "$n" 9
	run gsh kill -BOGUS 1
	assert_failure 2
	assert_line --index 0 "gsh: kill: -BOGUS is neither an option nor a signal [E_USAGE]"
	run gsh kill 999999
	assert_failure 3
	assert_line --index 0 "gsh: 999999: no such process [E_NOSUCH]"
	assert_line --index 1 "hint: gsh ps -s default lists them"
	run gsh kill 0
	assert_failure 2
	run gsh kill
	assert_failure 2
}

# ---- try ----

@test "try says what was changed, and discards it where nobody can be asked" {
	run gsh try -- sh -c 'exit 4'
	assert_failure 4
	assert_output 'gsh: 1 added, 0 modified, 1 deleted
  A /a\tb\n\033[31m
  D /z
gsh: discarded'
	run gsh ls -q
	assert_output ""
	run gsh -q try -- true
	assert_success
	assert_output ""
	run gsh try --keep -- printf '<%s>' 'a b' '*'
	assert_line --index 0 --partial '<a b><*>'
	run gsh ls -q
	assert_output --regexp '^try-[0-9a-f]{8}$'
}

@test "try keeps by a new name only, and leaves nothing of a command that is not there" {
	gsh start one
	run gsh try --keep-as one -- touch "$DIR/made"
	assert_failure 125
	assert_output "gsh: one: there is a sandbox by this name already [E_CONFLICT]"
	run gsh try --keep-as two --discard -- touch "$DIR/made"
	assert_failure 125
	run gsh -s one try -- touch "$DIR/made"
	assert_failure 125
	assert [ ! -e "$DIR/made" ]
	run -127 gsh try -- /no/such
	run gsh ls -q
	assert_output one
}

# ---- time and status ----

@test "--timeout ends a command, at last with SIGKILL, and says 124" {
	run gsh run --timeout 100ms -- sleep 60
	assert_failure 124
	run gsh --timeout=60 -c 'exit 7'
	assert_failure 7
	run gsh run --timeout .2s --status-fd 3 -- sh -c 'trap "" TERM; while :; do sleep 0.1; done' 3>"$DIR/status"
	assert_failure 124
	run python3 -c 'import json, sys
print(*((e["event"], e.get("signal")) for e in map(json.loads, open(sys.argv[1]))))' "$DIR/status"
	assert_output "('started', None) ('timeout', 'TERM') ('timeout', 'KILL') ('exited', 9)"
	for wrong in 0 -1 x 1x 0x10 nan '' 1y; do
		run gsh run "--timeout=$wrong" -- touch "$DIR/made"
		assert_failure 125
		assert_output --partial "--timeout"
	done
	assert [ ! -e "$DIR/made" ]
}

@test "--status-fd tells a command's 125 from gsh's" {
	run bash -c 'FAKE_START=lacks gsh --status-fd 3 -c true 3>&1 2>/dev/null'
	assert_failure 125
	assert_output '{"event":"failed","origin":"gsh","code":125}'
	kill "$(cat "$GSH_RUNTIME/pid")"
	rm -rf "$GSH_RUNTIME"
	run bash -c 'gsh --status-fd 3 -c "exit 125" 3>&1'
	assert_failure 125
	assert_line --index 0 --regexp '^\{"event":"started","sandbox":"default","session":[0-9]+,"pid":[0-9]+\}$'
	assert_line --index 1 '{"event":"exited","origin":"command","code":125}'
	run bash -c 'gsh run --status-fd 3 /no/such 3>&1 2>/dev/null'
	assert_failure 127
	assert_output '{"event":"failed","origin":"gsh","code":127}'
	run bash -c 'gsh --status-fd 3 -c "kill -9 \$\$" 3>&1 2>/dev/null'
	assert_failure 137
	assert_line --index 1 '{"event":"exited","origin":"command","code":137,"signal":9}'
}

@test "a descriptor that is not open is refused before anything runs, a reader that left is not missed" {
	for fd in 77 x -1 '' 99999999999; do
		run gsh run "--status-fd=$fd" -- touch "$DIR/made"
		assert_failure 125
		assert_output --partial "--status-fd"
	done
	assert [ ! -e "$DIR/made" ]
	run bash -c 'gsh run --status-fd 3 -- sh -c "sleep 0.2; exit 5" 3> >(exit)'
	assert_failure 5
}

# ---- completion ----

@test "completion knows verbs, options and sandboxes, and never starts gshd" {
	complete_line() {
		bash --norc -c '
			. '"$ROOT"'/contrib/completions/gsh.bash
			COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
			COMP_LINE="$*"; COMP_LINE=${COMP_LINE/ = /=}; COMP_POINT=${#COMP_LINE}
			compopt() { :; }
			_gsh; printf "%s\n" "${COMPREPLY[@]}"' - "$@"
	}
	run complete_line gsh st
	assert_equal "$(sort <<<"$output")" $'start\nstatus\nstop'
	run complete_line gsh diff --name
	assert_output "--name-status"
	run complete_line gsh start d
	refute_output --partial d
	assert [ ! -e "$GSH_RUNTIME" ]
	gsh start dora
	run complete_line gsh -s d
	assert_output dora
	run complete_line gsh kill -n US
	assert_output $'USR1\nUSR2'
	run complete_line gsh ls --sandbox = d # as bash takes it apart; ls has no such option
	assert_output ""
	run complete_line gsh rm --sandbox = d
	assert_output dora
	run complete_line gsh stop dor
	assert_output dora
	run complete_line gsh stop dora ""
	assert_output ""
	run complete_line gsh ls --color = al
	assert_output always
	mkdir "$DIR/folder" "$DIR/work"
	run complete_line gsh run -C "$DIR/fol"
	assert_output "$DIR/folder"
	run complete_line gsh run -s dora -- tru
	assert_line true
}

@test "completion offers sessions and processes of the sandbox that is named" {
	gsh -s dora -c 'echo ready; read x' >"$DIR/out" < <(sleep 30 & echo $! >"$DIR/sleeper"; wait) &
	pid=$!
	until grep -q ready "$DIR/out"; do sleep 0.02; done
	run gsh __complete line -s dora kill ''
	assert_line --partial $'1\t'
	run gsh __complete line attach --sandbox=dora ''
	assert_output --partial 'sh -c'
	kill "$(cat "$DIR/sleeper")"
	wait "$pid" || true
}

@test "completion of zsh and fish is gsh's own" {
	if command -v fish >/dev/null; then
		run fish --no-config -c "source $ROOT/contrib/completions/gsh.fish; complete -C 'gsh sta'; complete -C 'gsh ls --j'"
		assert_success
		assert_line --partial $'start\tstart a sandbox'
		assert_line --partial $'--json\tone JSON'
		run fish --no-config -c "source $ROOT/contrib/completions/gsh.fish; complete -C 'gsh run --chdir=$DIR/b'; complete -C 'gsh run -C $DIR/b'"
		assert_output "--chdir=$DIR/bin/"$'\n'"$DIR/bin/"
		run fish --no-config -c "source $ROOT/contrib/completions/gsh.fish; complete -C 'gsh run -- tru'"
		assert_line --partial true
	fi
	command -v zsh >/dev/null || skip "zsh is not installed"
	run "$ROOT/tests/tools/shell-complete" zsh "$ROOT/contrib/completions" 'gsh sto' 'gsh ls --js' "gsh run --chdir=$DIR/bi" \
		"gsh run -- cat $DIR/bi"
	assert_success
	assert_line --index 0 'gsh stop|'
	assert_line --index 1 'gsh ls --json|'
	assert_line --index 2 --regexp "gsh run --chdir=$DIR/bin/?"
	assert_line --index 3 --regexp "gsh run -- cat $DIR/bin/?"
}

@test "every error has a code that the manual explains, and -q leaves hints out" {
	codes=$(grep -oh '"E_[A-Z]*"' "$ROOT/shell/fail.c" | tr -d '"' | sort -u)
	[ "$(wc -w <<<"$codes")" -ge 8 ]
	for code in $codes; do
		grep -q "^\.It $code " "$ROOT/contrib/man/gsh-errors.7" || { echo "$code is not explained" >&2; false; }
	done
	run gsh -q -s nobody ps
	assert_failure 3
	assert_output "gsh: nobody: no such sandbox [E_NOSUCH]"
	run gsh ps -s nobody
	[ "${#lines[@]}" -eq 2 ]
}

@test "colour is for terminals, and for who asks" {
	run gsh stauts
	refute_output --partial $'\033'
	run env CLICOLOR_FORCE=1 gsh stauts
	assert_output --partial $'\033[1;31mgsh:\033[0m stauts'
	run env CLICOLOR_FORCE=1 NO_COLOR=1 gsh stauts
	refute_output --partial $'\033'
	run gsh --color=always ls -s x
	assert_failure 2
	run gsh ls --color=sometimes
	assert_failure 2
	assert_output --partial "always, never or auto"
}

@test "-q lists names alone, -z ends them by NUL and escapes nothing" {
	export FAKE_BOXES='one two'
	run gsh ls -q
	assert_output $'one\ntwo'
	assert_equal "$(gsh -z -q ls | od -An -c | tr -d ' \n')" 'one\0two\0'
	assert_equal "$(gsh status -qz one | od -An -c | tr -d ' \n')" '/a\tb\n033[31m\0/z\0'
	run gsh start -z three
	assert_failure 2
}

@test "--json answers fit their schemas" {
	gsh start one
	gsh -s one -c 'echo ready; read x' >"$DIR/out" < <(sleep 30 & echo $! >"$DIR/sleeper"; wait) &
	pid=$!
	until grep -q ready "$DIR/out"; do sleep 0.02; done
	for words in ls 'ps -s one' 'info one' 'status one' 'path one' doctor version; do
		# shellcheck disable=SC2086
		gsh $words --json | "$ROOT/tests/tools/json-check" || { echo "of: gsh $words --json" >&2; false; }
	done
	kill "$(cat "$DIR/sleeper")"
	wait "$pid" || true
	run "$ROOT/tests/tools/json-check" <<<'{"schema":"gsh.version/1"}'
	assert_failure
}

@test "the reference page names every verb, and mandoc takes it" {
	gsh __complete man >"$DIR/gsh-verbs.1"
	for verb in $(gsh __complete line '' | cut -f 1); do
		grep -q "^\.Ss gsh $verb\$" "$DIR/gsh-verbs.1"
	done
	command -v mandoc >/dev/null || skip "mandoc is not installed"
	run mandoc -T lint -W warning "$DIR/gsh-verbs.1"
	assert_output ""
}

@test "the page of the protocols describes every method, frame and message, and mandoc takes it" {
	local page=$ROOT/build/man/gsh-protocol.7 name n
	for source in daemon:org.gsh.Daemon monitor/box:org.gsh.Box; do
		sed -n "/^\.Ss ${source#*:}\$/,/^\.S[sh] /p" "$page" | sed -n 's/^\.Ic //p' | sort >"$DIR/described"
		sed -n '/^static const struct wire_method methods/,/^};/p' "$ROOT/gshd/${source%:*}.c" |
			grep -o '{ "[A-Za-z]*"' | tr -dc 'A-Za-z\n' | sort >"$DIR/there"
		[ "$(wc -l <"$DIR/there")" -gt 15 ]
		run comm -13 "$DIR/described" "$DIR/there"
		assert_output ""
		run comm -23 "$DIR/described" "$DIR/there"
		assert_output ""
	done
	for n in $(sed -n "s/^\tFRAME_[A-Z_]* = '\(.\)',/\1/p" "$ROOT/gshd/client/frames.h"); do
		grep -qx ".It Sq $n" "$page"
	done
	for name in $(sed -n '/^enum mon_type/,/^}/s/^\t\(MON_[A-Z_]*\).*/\1/p' "$ROOT/pal/monitor.h"); do
		grep -q "^$name " "$page"
	done
	for name in $(grep -roh --include='*.c' '"org\.gsh\.[A-Z][A-Za-z]*"' "$ROOT/gshd" | tr -d '"' | sort -u); do
		grep -qw "$name" "$page" || { echo "$name is missing" >&2; false; }
	done
	command -v mandoc >/dev/null || skip "mandoc is not installed"
	run mandoc -T lint -W warning "$page"
	assert_output ""
}

@test "the manual names every verb and option" {
	for verb in $(gsh __complete line '' | cut -f 1); do
		grep -q "^\.It Cm $verb\$" "$ROOT/contrib/man/gsh.1"
		gsh help "$verb" | sed -n 's/^ .*--\([a-z-]*\).*/\1/p' | while read -r opt; do
			grep -q -e "-$opt\b" "$ROOT/contrib/man/gsh.1" || { echo "$verb --$opt is missing" >&2; exit 1; }
		done
	done
}

@test "config shows every setting and where it comes from" {
	printf '# first\n[Shell]\nProgram=/bin/dash\n\n[Limits]\nTasksMax=99\n' >"$GSH_CONFIG"
	run gsh config show --origin
	assert_success
	assert_equal "${#lines[@]}" "$(grep -c '^KEY(\|^LIST(' "$ROOT/conf/keys.def")"
	assert_line $'Shell.Program\t/bin/dash\t'"$GSH_CONFIG:3"
	assert_line $'Limits.TasksMax\t99\t'"$GSH_CONFIG:6"
	assert_line $'Confine.MinimumRung\tB\tdefault'
	assert_line $'Store.Path\t'"$GSH_STORE"$'\tGSH_STORE'
	run gsh config show
	assert_line $'Limits.TasksMax\t99'
	gsh config show --json | "$ROOT/tests/tools/json-check"
	mkdir -p "$DIR/xdg/gsh/gsh.conf.d"
	printf '[Limits]\nTasksMax=100\n' >"$DIR/xdg/gsh/gsh.conf"
	printf '[Limits]\nTasksMax=101\n' >"$DIR/xdg/gsh/gsh.conf.d/50-more.conf"
	run env -u GSH_CONFIG "XDG_CONFIG_HOME=$DIR/xdg" gsh config show --origin
	assert_line $'Limits.TasksMax\t101\t'"$DIR/xdg/gsh/gsh.conf.d/50-more.conf:2"
	run gsh __complete line config ''
	assert_output $'show\ncheck\ntrust'
}

@test "config check is silent, or names file and line" {
	run gsh config check
	assert_success
	assert_output ""
	printf '[Shell]\nProgramm=/bin/dash\n' >"$DIR/wrong.conf"
	run gsh config check "$DIR/wrong.conf"
	assert_failure 2
	assert_line --index 0 --partial "$DIR/wrong.conf:2: unknown key 'Programm', did you mean 'Program'? [E_USAGE]"
	cp "$DIR/wrong.conf" "$GSH_CONFIG"
	for words in check show; do
		run gsh config "$words"
		assert_failure 2
		assert_output --partial "$GSH_CONFIG:2"
	done
	run gsh config check "$DIR/none.conf"
	assert_failure 3
	for words in '' 'chekc' 'show x' 'check --json' 'check a b'; do
		# shellcheck disable=SC2086
		run gsh config $words
		assert_failure 2
	done
	assert [ ! -e "$GSH_RUNTIME" ]
}

@test "the manual names every setting" {
	sed -n 's/^KEY(\([A-Za-z]*\), *\([A-Za-z]*\),.*/\1 \2/p' "$ROOT/conf/keys.def" | while read -r section key; do
		grep -q "^\.Ss Section $section\$" "$ROOT/contrib/man/gsh.conf.5"
		grep -q "^\.It Cm $key\$" "$ROOT/contrib/man/gsh.conf.5"
	done
}

@test "the configured shell is tried first; wrong settings are said with file and line" {
	printf '[Shell]\nProgram=/bin/dash\n' >"$GSH_CONFIG"
	run bash -c "echo 'echo \$0' | gsh"
	assert_output /bin/dash
	printf '[Shell]\nProgramm=/bin/dash\n' >"$GSH_CONFIG"
	run bash -c "echo true | gsh"
	assert_failure 125
	assert_output --partial "$GSH_CONFIG:2"
}
