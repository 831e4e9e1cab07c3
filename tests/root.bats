#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# Sandboxes whose programs are root (--root): identities, owners and modes are theirs to change, package managers and
# installers work, and to the host all of it is the user's doing.
# shellcheck disable=SC2154 # stderr: of run --separate-stderr

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
load lib.bash

setup() {
	[ "$(id -u)" != 0 ] || skip "root is root inside anyway"
	box_setup
}

teardown() {
	[ -n "${BOX-}" ] || return 0
	cd / || return 1
	box_teardown
}

gsh() {
	timeout 120 "$GSH" "$@"
}

@test "programs are root: owners, modes, identities and devices are recorded; the host has the user's" {
	run -0 --separate-stderr gsh run --root -- sh -c '
		id -u; id -G
		touch f; stat -c "%u:%g" f
		chown 33:44 f; chmod 6755 f; stat -c "%u:%g %a" f
		mknod d c 1 3; stat -c "%F %t,%T" d
		echo new >/etc/gsh-root; stat -c "%U %n" /etc/gsh-root
		setpriv --reuid 1234 --regid 1234 --clear-groups -- sh -c "id -u; chown 0 f; echo no >/etc/gsh-root; chmod 777 /etc"
		stat -c %u:%g f'
	assert_output - <<'OUT'
0
0
0:0
33:44 6755
character special file 1,3
root /etc/gsh-root
1234
33:44
OUT
	assert_equal "$(grep -c 'not permitted\|ermission denied' <<<"$stderr")" 3
	[ ! -e /etc/gsh-root ]
	run -0 gsh run -- stat -c %u "$BOX/work"
	assert_output "$(id -u)"
	# It is the sandbox that says so: its files are the user's, and none has a bit that the host would heed.
	assert_equal "$(find "$BOX/store" ! -user "$(id -un)")" ""
	assert_equal "$(find "$BOX/store" -perm /6000 -type f)" ""
	run -0 gsh run -- sh -c 'id -u; stat -c "%u:%g %a" f'
	assert_output $'0\n33:44 6755'
	# What came from the base as root's has not changed hands.
	gsh run -- sh -c 'echo "# more" >>/etc/profile; mkdir new; echo n >new/n'
	run -0 gsh diff -- /etc/profile
	refute_output --partial owner
	run -0 gsh export --changes -o tar
	run -0 --separate-stderr tar --numeric-owner -tvf tar "${BOX#/}/work/new/n" etc/gsh-root "${BOX#/}/work/f"
	assert_equal "$(awk '{ print $2 }' <<<"$output" | sort | uniq -c | awk '{ print $1, $2 }')" $'2 0/0\n1 33/44'
}

@test "what root made is brought home as the user's own" {
	gsh run --root -- sh -c 'echo new >made; echo "#!/bin/sh" >tool; chmod 4755 tool; echo w >www; chown www-data www'
	run gsh commit -y -- made
	assert_success
	assert_equal "$(stat -c %u:%a made) $(cat made)" "$(id -u):644 new"
	run -5 gsh commit -y
	assert_output --partial "tool: it has a set-ID bit"
	run -0 gsh commit -y -- www
	assert_equal "$(stat -c %u www)" "$(id -u)"
}

@test "what the host keeps from the user is no root's either; written it begins empty" {
	[ ! -r /etc/shadow ] && [ ! -x /root ] || skip "this user reads what is root's"
	run gsh run --root -- sh -c 'cat /etc/shadow; ls -A /root; cat /root/.bashrc; echo "$?"; mkdir -p /root/a/b && echo x >/root/a/b/c &&
		find /root -mindepth 1 | sort; stat -c %a /root /etc/shadow; : <>/etc/shadow && wc -c </etc/shadow; echo me:x >>/etc/shadow; cat /etc/shadow'
	assert_output - <<'OUT'
cat: /etc/shadow: Permission denied
cat: /root/.bashrc: No such file or directory
1
/root/a
/root/a/b
/root/a/b/c
700
640
0
me:x
OUT
	run -0 gsh run -s other -- sh -c 'cat /etc/shadow; ls /root; id -u'
	assert_output --partial "cat: /etc/shadow: Permission denied"
	assert_output --partial "cannot open directory '/root'"
}

@test "users are added, and a package with a maintainer's script is installed and purged" {
	mkdir -p pkg/DEBIAN pkg/var/lib/gshtest pkg/usr/local/bin
	printf 'Package: gshtest\nVersion: 1\nArchitecture: all\nMaintainer: t <t@example.org>\nDescription: t\n' >pkg/DEBIAN/control
	printf '#!/bin/sh\nset -e\nuseradd --system gshtest\nchown -R gshtest: /var/lib/gshtest\nldconfig\n' >pkg/DEBIAN/postinst
	chmod 755 pkg/DEBIAN pkg/DEBIAN/postinst
	echo 'echo it works' >pkg/usr/local/bin/gshtest
	chmod 4755 pkg/usr/local/bin/gshtest
	run -0 gsh run --root -- sh -c '
		exec 2>errors
		dpkg-deb --root-owner-group -b pkg p.deb >/dev/null && dpkg -i p.deb >/dev/null || cat errors
		dpkg-query -W gshtest; stat -c %U /var/lib/gshtest; stat -c "%U %a" /usr/local/bin/gshtest
		su gshtest -s /bin/sh -c "id -un; gshtest"
		dpkg -P gshtest >/dev/null || cat errors
		test -e /var/lib/gshtest; echo $?'
	assert_output - <<OUT
gshtest	1
gshtest
root 4755
gshtest
it works
1
OUT
	run ! getent passwd gshtest
	run -0 gsh undo
	run -0 gsh run -- sh -c 'getent passwd gshtest || echo undone'
	assert_output undone
}

@test "scripts that call sudo work, and only where programs are root" {
	run -0 gsh run --root -- sh -c '
		sudo id -u; sudo -n -E A=b sh -c "echo \$A \$SUDO_USER" | sed "s/ .*//"
		sudo -u nobody -- id -un; sudo -unobody id -un; sudo --user=nobody sh -c "echo x >/etc/x" 2>&1 | grep -c denied
		sudo -i pwd; sudo -s "echo" "a  b"; sudo -v; echo $?; sudo -u no-such-user id; echo $?
		sudo sh -c "exit 7"; echo $?; sudo -u nobody sh -c "sudo id"; echo $?'
	assert_output - <<'OUT'
0
b
nobody
nobody
1
/root
a  b
0
sudo: unknown user no-such-user
1
7
sudo: nobody is not in the sudoers file.
1
OUT
	run -0 gsh run -s plain -- sh -c 'id -u; case $PATH in */gsh/root*) echo sudo ;; esac'
	assert_output "$(id -u)"
}

@test "the setting is kept with the sandbox, checked, shown, and told by doctor --policy" {
	gsh create r --root
	run -0 gsh config show -s r
	assert_line $'Sandbox.User\troot'
	run -0 gsh doctor --policy -s r
	assert_output --partial "are root inside, in name"
	gsh create plain
	run -0 gsh doctor --policy -s plain
	refute_output --partial "are root inside"
	printf '[Sandbox]\nUser=admin\n' >"$GSH_CONFIG"
	run gsh config check
	assert_failure
	assert_output --partial "it must be self or root"
}
