#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Random work on equal trees must give the same results and the same tree on the host and in a sandbox whose base holds
# the tree; the base must stay as it is; and the kernel's overlayfs, mounted over base and top, must show that tree, too.
#
#   union_trees [SEEDS] [FIRST]
#
# The kernel is asked as root with redirects (their attributes copied to the names that root's mounts read), as anybody
# else in a user namespace, without renames of directories.
set -u
cd "$(dirname "$0")/../../.." || exit 1
seeds=${1:-6} first=${2:-1}
ops=$PWD/build/tests/union_ops pico=$PWD/build/tests/pico image=$PWD/build/libexec/gsh/picoprocess
work=$(mktemp -d) failed=0
trap 'rm -rf "$work"' EXIT

for f in "$ops" "$pico" "$image"; do
	[ -x "$f" ] || { echo "no $f"; exit 1; }
done

make_tree() {
	local x y
	mkdir -p "$1"
	for x in a b c; do
		for y in a b d; do
			mkdir -p "$1/$x/$y"
			echo "$x$y" >"$1/$x/$y/c"
			echo "$y$x" >"$1/$x/$y/e"
			ln -s ../a "$1/$x/$y/b"
		done
		echo "file $x" >"$1/$x/e"
	done
	echo top >"$1/d"
	ln -s a "$1/e"
}

same() { # WHAT EXPECTED FOUND
	cmp -s "$2" "$3" && return
	failed=1
	echo "seed $seed: $1 differs:"
	diff "$2" "$3" | head -8
}

as_root() {
	python3 - "$work/top/layers/0001" <<-'PY'
	import os, sys
	for d, _, _ in os.walk(sys.argv[1]):
	    for x in ("opaque", "redirect"):
	        try:
	            os.setxattr(d, "trusted.overlay." + x, os.getxattr(d, "user.overlay." + x))
	        except OSError:
	            pass
	PY
	unshare -m sh -c "mount -t overlay overlay -o redirect_dir=on,$1 '$work/m' && PLAIN=1 '$ops' '$work/m/t' 1 0"
}

as_user() {
	unshare -rm sh -c "mount -t overlay overlay -o userxattr,$1 '$work/m' && PLAIN=1 '$ops' '$work/m/t' 1 0"
}

one() { # WORKERS
	rm -rf "${work:?}"/*
	mkdir -p "$work/base/bin" "$work/m" "$work/w"
	make_tree "$work/host/t"
	make_tree "$work/base/t"
	cp "$ops" "$work/base/bin"
	find "$work/base" -ls >"$work/before"
	"$ops" "$work/host/t" "$seed" 300 $1 >"$work/expected" 2>&1
	timeout 60 "$pico" --image "$image" --rung "${RUNG:-N}" --base "$work/base" --top "$work/top" -- \
		/bin/union_ops /t "$seed" 300 $1 >"$work/found" 2>&1
	same "what was seen inside" "$work/expected" "$work/found"
	find "$work/base" -ls >"$work/after"
	same "the base" "$work/before" "$work/after"
	PLAIN=1 "$ops" "$work/host/t" 1 0 >"$work/expected"
	local layers="lowerdir=$work/base,upperdir=$work/top/layers/0001,workdir=$work/w"
	if [ "$(id -u)" = 0 ]; then
		as_root "$layers" >"$work/found" 2>"$work/why" || { echo "# kernel not asked: $(cat "$work/why")"; return; }
	elif [ -n "${STILL-}" ]; then
		as_user "$layers" >"$work/found" 2>"$work/why" || { echo "# kernel not asked: $(cat "$work/why")"; return; }
	else
		return
	fi
	same "what the kernel sees" "$work/expected" "$work/found"
}

for ((seed = first; seed < first + seeds; seed++)); do
	one ""
	one 4
	[ "$(id -u)" = 0 ] || STILL=1 one ""
done
exit $failed
