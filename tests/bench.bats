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

@test "what a run found goes into README and ARCHITECTURE, with the reasons of what was missed" {
	mkdir -p tree/tests
	cp -r "$BENCH" tree/tests/
	cp "$TREE/README.md" "$TREE/ARCHITECTURE.md" tree/
	chmod -R u+w tree
	python3 - >bench.json <<-'PY'
	import json
	def row(name, what, budget, by, form, value, missed, unit='ns'):
	    return dict(name=name, what=what, budget=budget, by=by, form=form, unit=unit, skipped=None, failed=None, results={
	        'native': {k: {'median': 2e6, 'mad': 0} for k in ('first', 'second')},
	        'gsh-A': dict(value=value, noise=0.5, pairs=7, missed=missed)})
	print(json.dumps(dict(schema='gsh.bench/1', sides=['native', 'gsh-A'],
	    facts=dict(date='2031-02-03 04:05', load=[0.25, 1], cpus=9, cpu='a processor', memory_gib=8, kernel='9.9', minutes='12.0', rounds=7, files=20),
	    rows=[row('getppid', 'getppid', 0.15, 'cpu', 'ratio', 0.07, False), row('open-close', 'open and close a base file', 1.3, 'cpu', 'ratio', 9, True),
	          row('start-warm', 'gsh -c true in a running sandbox', 3, 'wall', 'start', 4.5, 'perhaps'), row('new', 'a new row', 1, 'cpu', 'ratio', 2, True)])))
	PY
	tree/tests/bench/publish bench.json
	cp tree/README.md once.md
	tree/tests/bench/publish bench.json
	cmp once.md tree/README.md
	grep -xF '| getppid | 2 ms | 0.07 | 0.15 | cpu |' tree/README.md
	grep -xF '| gsh -c true in a running sandbox | 2 ms | +4.5 ms ? | 3.0 ms | wall | 0.5 ms | 7 |' tree/ARCHITECTURE.md
	grep -xF -- '- a new row: why is not known.' tree/ARCHITECTURE.md
	grep -q '^- open and close a base file: Landlock' tree/ARCHITECTURE.md
	grep -q '^Taken 2031-02-03 with load 0.25,' tree/ARCHITECTURE.md
	# All else is as it was.
	run diff <(grep -v '^|\|^- \|^Taken\|^private. Taken' "$TREE/ARCHITECTURE.md") <(grep -v '^|\|^- \|^Taken\|^private. Taken' tree/ARCHITECTURE.md)
	assert_success
}
