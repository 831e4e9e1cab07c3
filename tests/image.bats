#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# Sandboxes made of images, and images made of sandboxes.

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

# A small system, of Debian's static busybox, in directory $1.
make_root() {
	mkdir -p "$1/bin" "$1/etc" "$1/home/u" "$1/tmp" "$1/closed" "$1/usr"
	cp /bin/busybox "$1/bin/busybox"
	local a
	for a in sh ls cat echo rm mkdir stat readlink id mknod touch find sort; do ln -s busybox "$1/bin/$a"; done
	ln -s ../bin "$1/usr/bin"
	echo 'u:x:0:0:u:/home/u:/bin/sh' >"$1/etc/passwd"
	echo image >"$1/etc/issue"
	echo secret >"$1/closed/f"
	ln "$1/etc/issue" "$1/etc/issue.net"
	chmod 555 "$1/closed"
	chmod 1777 "$1/tmp"
}

# hostile NAME-OF-CASE: a tar that tries something.
hostile() {
	python3 - "$1" "$BOX/$1.tar" <<'END'
import io, sys, tarfile
case, out = sys.argv[1:]
t = tarfile.open(out, "w", format=tarfile.PAX_FORMAT)
def add(name, kind=tarfile.REGTYPE, link="", data=b"x"):
    i = tarfile.TarInfo(name); i.type = kind; i.linkname = link; i.mode = 0o644
    i.size = len(data) if kind == tarfile.REGTYPE else 0
    t.addfile(i, io.BytesIO(data) if kind == tarfile.REGTYPE else None)
if case == "dots": add("a/../../evil")
elif case == "absolute": add("/tmp/evil")
elif case == "below": add("l", tarfile.SYMTYPE, "/tmp"); add("l/evil")
elif case == "hard": add("l", tarfile.SYMTYPE, "/etc"); add("h", tarfile.LNKTYPE, "l/passwd")
elif case == "hardout": add("h", tarfile.LNKTYPE, "../../../spec.json")
elif case == "odd": add("new\nline"); add("esc\x1b[31m"); add("dir/fine")
t.close()
if case == "cut": open(out, "wb").write(b"\x1f\x8b" + bytes(range(256)))
END
}

@test "a sandbox of a tar has that tree and no other" {
	make_root r
	tar -C r --owner=33 --group=44 -czf r.tar.gz .
	gsh import r.tar.gz i
	gsh -s i -c 'cat /etc/issue; ls /; test ! -e /work' >out
	grep -qx image out
	grep -qx closed out
	grep -qx root out && false
	gsh -s i -c 'stat -c "%a %u %g" /closed /tmp /etc/issue; stat -c %h /etc/issue; readlink /usr/bin' | paste -sd' ' |
		grep -qx '555 33 44 1777 33 44 644 33 44 2 ../bin'
	gsh status i | grep -q . && false
	gsh -s i -c 'mkdir -p /tmp/d; echo 1 >/tmp/d/f'
	gsh status i | grep -q '^A.*/tmp/d/f$'
	gsh diff --name-status -s i | cut -f 2 | paste -sd' ' | grep -qx '/tmp/d /tmp/d/f'
	gsh undo -s i
	gsh -s i -c 'test ! -e /tmp/d; cat /etc/issue' | grep -qx image
	run -1 gsh undo -s i
	run -5 gsh commit -s i
	run -4 gsh import r.tar.gz i
	gsh clone i j
	gsh rm -f i
	gsh -s j -c 'cat /etc/issue.net' | grep -qx image
	[ -z "$(find "$BOX/store/boxes" -maxdepth 1 -name '.making-*')" ]
}

@test "a sandbox of a directory; gc leaves the image alone" {
	make_root r
	gsh create i --image r
	for n in 1 2 3; do gsh -s i -c "echo $n >/tmp/$n"; done
	gsh stop i
	printf '[Store]\nKeepOps=1\n' >"$BOX/gsh.conf"
	gsh gc i
	gsh status i | cut -f 2,3 | grep -c . | grep -qx 3
	gsh -s i -c 'cat /tmp/1 /tmp/2 /tmp/3 /closed/f' | paste -sd' ' | grep -qx '1 2 3 secret'
	run -2 gsh create k --image dir --base /
}

@test "hostile archives are refused, and nothing of them is left" {
	for c in dots absolute below hard hardout; do
		hostile "$c"
		run -5 gsh import "$BOX/$c.tar" "$c"
		[[ "$output" == *"nothing was made"* ]]
	done
	hostile cut
	run -1 gsh import "$BOX/cut.tar" cut
	run -1 gsh import /nowhere cut
	[ ! -e /tmp/evil ] && [ ! -e "$BOX/store/evil" ]
	[ -z "$(ls -A "$BOX/store/boxes")" ]
	hostile odd
	gsh import "$BOX/odd.tar" odd
	gsh rm odd
}

# check_layout DIR: is it a valid OCI layout? Prints the names in its layers.
check_layout() {
	python3 - "$1" <<'END'
import gzip, hashlib, io, json, os, subprocess, sys, tarfile
root = sys.argv[1]
def blob(d, kind=None):
    algo, hexa = d["digest"].split(":")
    assert algo == "sha256"
    data = open(os.path.join(root, "blobs/sha256", hexa), "rb").read()
    assert hashlib.sha256(data).hexdigest() == hexa and len(data) == d["size"]
    return data
assert json.load(open(os.path.join(root, "oci-layout"))) == {"imageLayoutVersion": "1.0.0"}
index = json.load(open(os.path.join(root, "index.json")))
assert index["schemaVersion"] == 2 and len(index["manifests"]) == 1
m = json.loads(blob(index["manifests"][0]))
assert m["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
config = json.loads(blob(m["config"]))
assert config["os"] == "linux" and config["rootfs"]["type"] == "layers"
assert len(config["rootfs"]["diff_ids"]) == len(m["layers"]) == 1
for diff, layer in zip(config["rootfs"]["diff_ids"], m["layers"]):
    data = blob(layer)
    assert layer["mediaType"].endswith(".tar+gzip")
    data = gzip.decompress(data)
    assert "sha256:" + hashlib.sha256(data).hexdigest() == diff
    for name in tarfile.open(fileobj=io.BytesIO(data)).getnames():
        print(name)
END
}

# What a sandbox's image is: types, modes, owners, links, contents.
describe() {
	gsh -s "$1" -c 'cd / && find bin etc home tmp closed usr -exec stat -c "%n %f %u %g %s %h" {} + | grep -v " 4[0-9a-f]* .* [0-9]*$" | sort; cat etc/* closed/f; readlink usr/bin; stat -c "%a %u %Y" closed tmp'
}

@test "export as tar and as OCI image, import again, and it is the same" {
	make_root r
	chmod 777 r/etc
	# The times of what cannot be opened, too.
	mkdir r/etc/late && ln -s ../gone r/etc/late/l && mkfifo r/etc/late/p
	touch -h -d @1000000000 r/etc/late/l && touch -d @1100000000 r/etc/late/p
	tar -C r --owner=33 --group=44 -cf r.tar .
	gsh import r.tar i
	gsh -s i -c 'stat -c "%n %Y %F" /etc/late/*' | paste -sd';' |
		grep -qx '/etc/late/l 1000000000 symbolic link;/etc/late/p 1100000000 fifo'
	gsh -s i -c 'echo more >/tmp/more; rm /etc/issue.net'
	describe i >want
	gsh export i -o o.tar.gz
	gsh export i --format=oci -o o.oci
	gsh export i --format=oci -o o.zst
	file o.tar.gz | grep -q gzip
	mkdir l && tar -C l -xf o.oci
	check_layout l >names
	grep -qx tmp/more names
	grep -qx closed/f names
	gsh import o.tar.gz a
	gsh import o.oci b
	gsh import l c
	gsh create d --image o.zst
	for n in a b c d; do describe $n | diff want - || return 1; done
	gsh export i base | tar -tf - | grep -qx etc/issue.net
	gsh export i --changes | tar -tf - | sort | paste -sd' ' | grep -q 'etc/.wh.issue.net.* tmp/more$'
	printf x >>"$(find l/blobs -size +20k -type f)"
	run -1 gsh import l e
	[[ "$output" == *"digest"* ]]
	run -3 gsh export nobody -o x
	run -2 gsh export i --format=zip -o x
	[ ! -e x ] && [ -z "$(find . -name 'x.*')" ]
}

@test "layers of an image: later ones replace and remove what earlier ones brought" {
	python3 - <<'END'
import hashlib, io, json, os, tarfile
os.makedirs("l/blobs/sha256")
def blob(data):
    h = hashlib.sha256(data).hexdigest()
    open("l/blobs/sha256/" + h, "wb").write(data)
    return {"digest": "sha256:" + h, "size": len(data)}
def layer(files):
    b = io.BytesIO(); t = tarfile.open(fileobj=b, mode="w")
    for name, data in files:
        i = tarfile.TarInfo(name); i.size = len(data or b""); i.mode = 0o755
        if data is None: i.type = tarfile.DIRTYPE
        t.addfile(i, io.BytesIO(data) if data is not None else None)
    t.close()
    return blob(b.getvalue()) | {"mediaType": "application/vnd.oci.image.layer.v1.tar"}
box = open("/bin/busybox", "rb").read()
layers = [layer([("bin/sh", box), ("bin/cat", box), ("bin/ls", box), ("a/1", b"1\n"), ("a/2", b"2\n"), ("o/old", b"o"), ("f", b"file")]),
          layer([("o/new", b"n"), ("o/.wh..wh..opq", b""), ("a/.wh.1", b""), ("a/3", b"3\n"), ("f", None), ("f/in", b"in\n")])]
m = blob(json.dumps({"schemaVersion": 2, "config": blob(b"{}"), "layers": layers}).encode())
json.dump({"schemaVersion": 2, "manifests": [m]}, open("l/index.json", "w"))
json.dump({"imageLayoutVersion": "1.0.0"}, open("l/oci-layout", "w"))
END
	gsh import l i
	gsh -s i -c 'ls /a /o; cat /a/3 /f/in' | paste -sd' ' | grep -qx '/a: 2 3  /o: new 3 in'
}

@test "an export that is interrupted leaves what was there; one to a pipe and progress as JSON" {
	make_root r
	gsh import r i
	head -c 60000000 /dev/zero | gsh -s i -c 'cat >/tmp/big'
	echo old >o.tar
	"$GSH" export i --progress=json -o o.tar.gz 2>err &
	local pid=$!
	for _ in {1..200}; do [ -z "$(find . -name 'o.tar.gz.*' -size +0)" ] || break; sleep 0.01; done
	kill -TERM "$pid"
	wait "$pid" || true
	[ -z "$(find . -name 'o.tar.gz.*')" ]
	gsh export i --progress=json -o o.tar 2>err
	tail -1 err | jq -e '.schema == "gsh.progress/1" and .done and .bytes > 60000000' >/dev/null
	gsh export i 2>/dev/null | tar -tf - | grep -qx tmp/big
}
