#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# A project's settings: nothing of .gsh.conf holds before it was trusted, and nothing of a changed one; it opens nothing.
# shellcheck disable=SC2154 # stderr: of run --separate-stderr

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
load lib.bash

setup() {
	box_setup
	export HOME=$BOX/home GSH_CONFIG=$BOX/conf/gsh.conf
	mkdir -p "$HOME/p/sub/deep" "$BOX/conf"
	cd "$HOME/p" || return 1
	printf '[Sandbox]\nHostname=project\n[Files]\nBindReadOnly=/usr/share:/srv/here\n' >.gsh.conf
}

teardown() {
	cd / || return 1
	box_teardown
}

hostname_said() {
	"$GSH" config show 2>/dev/null | sed -n 's/^Sandbox.Hostname	//p'
}

@test "an untrusted file is told and does not hold; a trusted one holds below it, until a byte of it changes" {
	run --separate-stderr "$GSH" config show
	assert_success
	refute_line $'Sandbox.Hostname\tproject'
	assert_equal "$stderr" "gsh: $HOME/p/.gsh.conf is not used: it is not trusted (gsh config trust)"
	run --separate-stderr "$GSH" config trust --widen
	assert_failure 1
	assert_line $'Files.BindReadOnly\t/usr/share:/srv/here\twidens what sandboxes may ('"$HOME/p/.gsh.conf:4)"
	[[ $stderr == *"nobody can be asked"* ]]
	assert_equal "$(hostname_said)" -

	cd sub/deep
	run "$GSH" config trust --widen -y
	assert_success
	run --separate-stderr "$GSH" config show --origin
	assert_success
	assert_equal "$stderr" ""
	assert_line $'Sandbox.Hostname\tproject\t'"$HOME/p/.gsh.conf:2"
	echo '[Sandbox]' >"$GSH_CONFIG"
	echo 'Hostname=user' >>"$GSH_CONFIG"
	assert_equal "$(hostname_said)" project

	echo '# more' >>"$HOME/p/.gsh.conf"
	assert_equal "$(hostname_said)" user
	run "$GSH" config trust --list
	assert_output "$HOME/p/.gsh.conf"$'\tchanged'
}

@test "trust is listed, forgotten, and of one path only" {
	"$GSH" config trust --widen -y .gsh.conf >/dev/null
	"$GSH" config trust --list --json | "$TREE/tests/tools/json-check"
	run "$GSH" config trust --list
	assert_output "$HOME/p/.gsh.conf"$'\ttrusted, may widen'
	printf '[Sandbox]\nHostname=project\n' >.gsh.conf
	"$GSH" config trust -y --widen .gsh.conf >/dev/null
	run "$GSH" config trust --list
	assert_output "$HOME/p/.gsh.conf"$'\ttrusted'
	mkdir ../copy
	cp .gsh.conf ../copy/
	cd ../copy
	assert_equal "$(hostname_said)" -
	run "$GSH" config trust --forget .
	assert_failure 3
	run "$GSH" config trust --forget ../p
	assert_success
	cd ../p
	assert_equal "$(hostname_said)" -
	"$GSH" config trust -y . >/dev/null
	rm .gsh.conf
	run "$GSH" config trust --list
	assert_output "$HOME/p/.gsh.conf"$'\tmissing'
	run "$GSH" config trust --forget .gsh.conf
	assert_success
	run "$GSH" config trust --list
	assert_output ""
}

@test "what is no plain file of the user's own, too large, or at the home, is not used and cannot be trusted" {
	mv .gsh.conf real
	ln -s real .gsh.conf
	run "$GSH" config trust -y
	assert_failure 5
	assert_output --partial "it is a symbolic link"
	rm .gsh.conf
	mkfifo .gsh.conf
	run timeout 5 "$GSH" config trust -y
	assert_failure 5
	rm .gsh.conf
	cp real .gsh.conf
	chmod 666 .gsh.conf
	run "$GSH" config trust -y
	assert_failure 5
	assert_output --partial "everybody may write it"
	chmod 644 .gsh.conf
	head -c 40000 /dev/zero | tr '\0' '#' >>.gsh.conf
	run "$GSH" config trust -y
	assert_failure 5
	assert_output --partial "too large"
	printf '[Sandbox]\nHostname=x\0y\n' >.gsh.conf
	run "$GSH" config trust -y
	assert_failure 5
	mv real "$HOME/.gsh.conf"
	rm .gsh.conf
	run "$GSH" config trust -y
	assert_failure 3
}

@test "a wrong key, a store of its own: refused with file and line; a terminal is not driven" {
	printf '[Sandbox]\nHostnam=x\n' >.gsh.conf
	for words in check 'trust -y'; do
		# shellcheck disable=SC2086
		run "$GSH" config $words
		assert_failure 2
		assert_output --partial "$HOME/p/.gsh.conf:2: unknown key 'Hostnam'"
	done
	printf '[Store]\nPath=/tmp/x\n' >.gsh.conf
	run "$GSH" config trust -y
	assert_failure 2
	assert_output --partial "a project cannot set [Store] Path="
	printf '[Files]\nBind=/tmp/\033[2J\n' >.gsh.conf
	run "$GSH" config trust -y
	refute_output --partial $'\033'
}

@test "what lets a sandbox do more than the user's settings is trusted with --widen only, and what they close stays closed" {
	local line
	cat >"$GSH_CONFIG" <<-'EOF'
		[Limits]
		MemoryMax=1G
		[Network]
		Deny=host private
		Allow=example.org:443
		[Files]
		Inaccessible=default ~/x
		Bind=/usr/share:/srv/cover
		[Exec]
		UnsetEnvironment=AA BB
		[Confine]
		Calls=lean
	EOF
	for line in Limits:MemoryMax=2G Limits:MemoryMax=infinity Network:Deny=host Network:Deny= Network:Access=host \
		Network:Access=nat Network:Allow='*:80' Files:Inaccessible=default Files:Inaccessible='~/x' \
		Files:Bind=/tmp Files:Bind= Files:BindReadOnly=/etc:/srv/x Files:DeviceAllow=/dev/kvm \
		Exec:PassEnvironment=SSH_AUTH_SOCK Exec:UnsetEnvironment= Confine:Calls=full Sandbox:Profile=server; do
		printf '[%s]\n%s\n' "${line%%:*}" "${line#*:}" >.gsh.conf
		run --separate-stderr "$GSH" config trust -y
		assert_failure 1
		assert_output --partial "widens what sandboxes may"
		[[ $stderr == *"lets sandboxes do more than your settings do; it is not trusted"* ]]
		run "$GSH" config trust --list
		assert_output ""
	done
	for line in Limits:MemoryMax=512M Limits:TasksMax=64 Network:Deny='host private 192.0.2.0/24' \
		Network:Access=none Network:Allow= Files:Inaccessible='~/x ~/y default' \
		Confine:MinimumRung=A Sandbox:Hostname=h Sandbox:User=root Shell:Program=/bin/dash; do
		printf '[%s]\n%s\n' "${line%%:*}" "${line#*:}" >.gsh.conf
		run --separate-stderr "$GSH" config trust -y
		assert_success
		refute_output --partial widens
		run --separate-stderr "$GSH" config show --origin
		assert_line --partial "$HOME/p/.gsh.conf:2"
		assert_equal "$stderr" ""
	done
	printf '[Limits]\nMemoryMax=512M\n' >.gsh.conf
	"$GSH" config trust -y >/dev/null
	printf '[Limits]\nMemoryMax=256M\n' >"$GSH_CONFIG"
	run --separate-stderr "$GSH" config show
	assert_line $'Limits.MemoryMax\t256M'
	[[ $stderr == *"is not used: its [Limits] MemoryMax= lets sandboxes do more"* ]]
	"$GSH" config trust --widen -y >/dev/null
	run --separate-stderr "$GSH" config show
	assert_line $'Limits.MemoryMax\t512M'
	assert_equal "$stderr" ""
}

@test "a sandbox has the settings of the project that it is started in; its own are stronger" {
	"$GSH" config trust --widen -y >/dev/null
	run "$GSH" run -s a -- sh -c 'uname -n; test -d /srv/here/doc && echo bound'
	assert_success
	assert_output $'project\nbound'
	# It goes on as it was begun, which is said where that is not what the project says now.
	printf '[Sandbox]\nHostname=later\n' >.gsh.conf
	"$GSH" config trust -y >/dev/null
	run --separate-stderr "$GSH" run -s a -- uname -n
	assert_output project
	[[ $stderr == *"sandbox a was not started with $HOME/p/.gsh.conf"* ]]
	"$GSH" stop -s a
	run --separate-stderr "$GSH" run -s a -- sh -c 'uname -n; ls -d /srv/here'
	assert_line later
	refute_line /srv/here
	"$GSH" stop -s a
	cd "$HOME"
	run "$GSH" run -s a -- uname -n
	assert_output a
	"$GSH" stop -s a
	cd p
	printf '[Sandbox]\nHostname=own\n' >"$GSH_STORE/boxes/a/gsh.conf"
	run "$GSH" run -s a -- uname -n
	assert_output own
}
