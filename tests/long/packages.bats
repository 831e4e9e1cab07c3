#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# Third-party packages from source: fetched from wherever this machine gets its packages, configured, built with make -j2
# and tested inside; the programs that come out equal those of a native build in the same place, byte for byte.

bats_require_minimum_version 1.5.0
load sources.bash

export SOURCE_DATE_EPOCH=1700000000

# package NAME FILES...: source into work/NAME, build here and inside with the functions configure_ and test_, compare.
package() {
	local name=$1
	shift
	source_of "$name" || return
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
