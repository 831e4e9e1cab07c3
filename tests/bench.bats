#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# The benchmark's harness: rows, choice, verdicts, files. That it measures at all, not what: no figure is asserted.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
load lib.bash

setup() { box_setup; }
teardown() { box_teardown; }

BENCH=$BATS_TEST_DIRNAME/bench

@test "names of rows are unique, and chosen by pattern or family" {
	run "$BENCH/run" --list
	assert_success
	assert_equal "$(awk '{print $1}' <<<"$output" | sort | uniq -d)" ""
	refute_line --regexp '^make-bash '
	run "$BENCH/run" --list 'fork-*' ram make-bash
	assert_success
	assert_line --regexp '^fork-64 '
	assert_line --regexp '^ram-100 '
	assert_line --regexp '^make-bash '
	refute_line --regexp '^vfork'
	run "$BENCH/run" no-such-row
	assert_failure 1
	assert_output --partial "no such row"
}

@test "every operation of micro runs" {
	local name
	for name in $("$TREE/build/tests/bench/micro" list | cut -f 1 | grep -v -e -512 -e -tree); do
		run timeout 60 "$TREE/build/tests/bench/micro" "$name" 1 "$BOX/work"
		assert_success
		assert_output --regexp '^[0-9.]+ [0-9.]+$'
	done
	assert_equal "$(ls "$BOX/work")" ""
}

@test "a run writes a table and JSON, and leaves nothing" {
	run timeout 120 "$BENCH/run" --quick --out "$BOX/out" getppid loop-fork start-warm
	assert_success
	assert_output --partial "| getppid |"
	python3 - "$BOX/out/bench.json" <<-'PY'
	import json, sys
	b = json.load(open(sys.argv[1]))
	assert b['schema'] == 'gsh.bench/1' and b['sides'] == ['native', 'gsh-A'], b
	assert [r['name'] for r in b['rows']] == ['getppid', 'start-warm', 'loop-fork'], b
	for r in b['rows']:
	    assert r['failed'] is None and r['skipped'] is None, r
	    ours = r['results']['gsh-A']
	    assert ours['pairs'] >= 1 and ours['noise'] >= 0 and ours['value'] and ours['missed'] in (True, False, 'perhaps'), r
	    assert r['results']['native']['first']['median'] > 0, r
	PY
	cmp <(sed '$d' "$BOX/out/bench.md") <(head -n "$(($(wc -l <"$BOX/out/bench.md") - 1))" <<<"$output")
}

@test "a verdict is by the row's clock and says when noise is larger than the miss" {
	python3 - "$BENCH" <<-'PY'
	import sys
	sys.dont_write_bytecode = True
	sys.path.insert(0, sys.argv[1])
	import report, rows
	def verdict(by, budget, ours, kind='micro'):
	    r = report.Result(rows.Row('x', 'f', 'x', budget, by, kind, 'x'))
	    for i, sample in enumerate(ours):
	        r.add('native', i, (100.0, 10.0))
	        r.add('gsh-A', i, sample)
	    return r.summary('gsh-A')
	v = verdict('cpu', 1.2, [(500, 11), (500, 12), (500, 10)])
	assert abs(v['value'] - 1.1) < 1e-9 and v['missed'] is False and v['other'] == 5, v
	v = verdict('wall', 1.2, [(500, 11), (510, 12), (490, 10)])
	assert v['value'] == 5 and v['missed'] is True and abs(v['noise'] - 0.1) < 1e-9, v
	assert verdict('wall', 1.2, [(130, 0), (110, 0), (150, 0)])['missed'] == 'perhaps'
	assert verdict('wall', None, [(900, 0)])['missed'] is False
	assert verdict('wall', 3, [(4e6 + 100, 0)], 'start')['value'] == 4
	assert verdict('private', 600, [(800, 0)], 'ram')['value'] == 700
	PY
}
