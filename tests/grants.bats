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
	run gsh run -s k --bind-ro '~/.ssh' -- cat "$HOME/.ssh/k"
	assert_output key
	# Two projects, one below the other, each where the host has it.
	mkdir -p home/p/q
	echo q >home/p/q/q
	run gsh run -s k2 --bind '~/p' --bind-ro '~/p/q:/srv/q' -- sh -c 'cat ~/p/q/q /srv/q/q; echo n >~/p/q/n; cat /srv/q/n; echo no >/srv/q/q'
	assert_line --index 2 n
	assert_equal "$(cat home/p/q/q home/p/q/n)" "q
n"
}
