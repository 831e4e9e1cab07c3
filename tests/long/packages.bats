#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# Third-party packages from source: fetched from wherever this machine gets its packages, configured, built with make -j2
# and tested inside; the programs that come out equal those of a native build in the same place, byte for byte.

bats_require_minimum_version 1.5.0
load ../lib.bash

setup_file() {
	command -v apt-get >/dev/null || skip "no apt on this host"
	box_setup
	export BOX BOX_BEFORE SOURCE_DATE_EPOCH=1700000000
	fetch_lists || { echo "the package lists cannot be fetched:"; tail -5 "$BOX/apt.log"; return 1; }
}

teardown_file() {
	[ -z "${BOX-}" ] || box_teardown
}

# A source list of our own, made of the binary lists that the machine's apt is set up with, in either of their formats.
fetch_lists() {
	mkdir -p "$BOX/apt/lists/partial" "$BOX/apt/cache/archives/partial"
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
		awk '$3 == "main" {print "deb-src " $0}' | sort -u >"$BOX/apt/sources.list"
	# Only archives that carry what is asked for: a vendor's own need not have sources.
	grep -E '/debian(-security)?/? ' "$BOX/apt/sources.list" >"$BOX/apt/debian.list" &&
		mv "$BOX/apt/debian.list" "$BOX/apt/sources.list"
	[ -s "$BOX/apt/sources.list" ] && apt_own update >"$BOX/apt.log" 2>&1
}

apt_own() {
	apt-get -o Dir::Etc::sourcelist="$BOX/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State::lists="$BOX/apt/lists" -o Dir::Cache="$BOX/apt/cache" -o APT::Sandbox::User= \
		-o Debug::NoLocking=1 "$@"
}

# By all lists together, else by one after the other: an index may name what its own pool has dropped.
fetch() {
	local n
	apt_own source -qq --download-only --only-source "$1" && return
	for ((n = 1; n <= $(wc -l <"$BOX/apt/sources.list"); n++)); do
		rm -f ./*.dsc ./*.tar.*
		sed -n "${n}p" "$BOX/apt/sources.list" >"$BOX/apt/one.list"
		apt_own -o Dir::Etc::sourcelist="$BOX/apt/one.list" source -qq --download-only --only-source "$1" && return
	done
	return 1
}

# package NAME FILES...: source into work/NAME, build here and inside with the functions configure_ and test_, compare.
package() {
	local name=$1
	shift
	mkdir -p "$BOX/work/$name"
	cd "$BOX/work/$name" || return
	# As upstream wrote it: some distributors' patches ask for tools of their own.
	{ fetch "$name" && dpkg-source --skip-patches -x ./*.dsc source; } \
		>"$BOX/$name.apt.log" 2>&1 || { tail -5 "$BOX/$name.apt.log"; return 1; }
	local src=source
	cp -a "$src" "$BOX/pristine-$name"
	cd "$src" || return
	bash -e -c "$BUILD" >"$BOX/$name.native.log" 2>&1 || { echo "fails on the host:"; tail -20 "$BOX/$name.native.log"; return 1; }
	sha256sum "$@" >"$BOX/$name.native.sums"
	cd .. || return
	rm -rf "$src"
	cp -a "$BOX/pristine-$name" "$src"
	cd "$src" || return
	local before
	before=$(tree_hash .)
	BOX_TIMEOUT=1500 box packages bash -e -c "$BUILD" >"$BOX/$name.inside.log" 2>&1 || {
		tail -40 "$BOX/$name.inside.log"
		return 1
	}
	box packages sha256sum "$@" >"$BOX/$name.inside.sums"
	diff "$BOX/$name.native.sums" "$BOX/$name.inside.sums"
	[ "$(tree_hash .)" = "$before" ]
}

@test "bzip2: make -j2, its test, the same programs" {
	BUILD='make -j2 libbz2.a bzip2 bzip2recover; make test' package bzip2 bzip2 bzip2recover libbz2.a
}

@test "lua5.4: make -j2, a test run, the same programs" {
	BUILD='make -j2 linux; src/lua -v; echo "print(string.rep(\"x\", 3), 2^53 // 1, #arg)" > t.lua; src/lua t.lua; src/luac -o t.luac t.lua; src/lua t.luac' \
		package lua5.4 src/lua src/luac src/liblua.a
}

@test "zlib: configure, make -j2, make test, the same libraries" {
	BUILD='./configure; make -j2; make test' package zlib libz.a minigzip example
}

@test "hello: configure, make -j2, make check, the same program" {
	BUILD='./configure --disable-dependency-tracking; make -j2; make check' package hello hello
}
