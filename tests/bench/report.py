# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a benchmark found: numbers, the table, the JSON file, the plots.

bench.json is one object:

    schema  "gsh.bench/1"
    facts   when, commit, machine, how busy it was (fractions of all processors' time), rounds
    sides   names, "native" first, then ours, then peers
    rows    each: name, family, what, budget (or null), by ("cpu", "wall", "private"), unit ("ns" or "KiB"), form ("ratio";
            "start", "ram": a difference), skipped or failed (words, or null), and results: for each side measured
                first, second   {median, mad}: wall and cpu in ns, or private and proportional in KiB
                value           of ours and peers: the median of the pairs, side by native, in the row's terms: a ratio,
                                or milliseconds or KiB more than native
                noise           the median deviation of the pairs from it, in the same terms
                pairs           how many
                missed          true if value is over the budget; "perhaps" if by less than the noise
"""
import json
import os
import shutil
import statistics
import subprocess
import time

from reasons import REASONS

NOISY = 0.1  # noise by value above this is marked
OTHERS = {'wall': 'cpu', 'cpu': 'wall', 'private': 'PSS'}


def memory(pids):
    """KiB of some processes: private, and with a share of what is shared."""
    private = proportional = 0
    for pid in pids:
        try:
            with open('/proc/%d/smaps_rollup' % pid, encoding='ascii') as f:
                for line in f:
                    if line.startswith(('Private_Clean:', 'Private_Dirty:')):
                        private += int(line.split()[1])
                    elif line.startswith('Pss:'):
                        proportional += int(line.split()[1])
        except OSError:
            continue  # it has just ended
    return private, proportional


def spread(values):
    """Median, and the median deviation from it."""
    middle = statistics.median(values)
    return middle, statistics.median(abs(v - middle) for v in values)


class Result:
    def __init__(self, row):
        self.row, self.samples, self.cannot = row, {}, {}
        self.failed = self.skipped = None
        self.spent = 0
        self.judged = 1 if row.by == 'cpu' else 0  # which of a sample's two numbers

    def add(self, side, number, sample):
        self.samples.setdefault(side, {})[number] = sample

    def note_failure(self, side, why):
        if side.ours or not side.wrap:
            self.failed = '%s: %s' % (side.name, ' '.join(why.split()))
        else:
            self.cannot[side.name] = why

    def pairs(self, side='gsh'):
        return min((len(s) for name, s in self.samples.items() if name.startswith(side)), default=0)

    def compare(self, side, which):
        """Each pair in the row's terms."""
        for number, sample in self.samples.get(side, {}).items():
            native = self.samples.get('native', {}).get(number)
            if native is None:
                continue
            if self.row.kind in ('start', 'push'):
                yield (sample[which] - native[which]) / 1e6
            elif self.row.kind == 'ram':
                yield sample[which] - native[which]
            elif native[which] > 0:
                yield sample[which] / native[which]

    def summary(self, side):
        """The side's numbers, or None where it has none."""
        samples = list(self.samples.get(side, {}).values())
        if not samples:
            return None
        out = {key: dict(zip(('median', 'mad'), spread([s[i] for s in samples if len(s) > i])))
               for i, key in enumerate(('first', 'second')) if len(samples[0]) > i}
        if side == 'native':
            return out
        peer = not side.startswith('gsh')
        pairs = list(self.compare(side, 0 if peer else self.judged))
        if pairs:
            value, noise = spread(pairs)
            over = self.row.budget is not None and not peer and value > self.row.budget
            out.update(value=value, noise=noise, pairs=len(pairs),
                       missed='perhaps' if over and value - noise <= self.row.budget else over)
        if not peer and len(samples[0]) > 1:
            others = list(self.compare(side, 1 - self.judged))
            if others:
                out['other'] = statistics.median(others)
        return out

    def plain(self, sides):
        r = self.row
        return {'name': r.name, 'family': r.family, 'what': r.what, 'budget': r.budget, 'by': r.by,
                'unit': 'KiB' if r.kind == 'ram' else 'ns', 'form': {'start': 'start', 'push': 'start', 'ram': 'ram'}.get(r.kind, 'ratio'),
                'skipped': self.skipped, 'failed': None if self.skipped else self.failed,
                'results': {s: x for s in sides for x in [self.summary(s)] if x}}


class Watch:
    """How busy the machine was from here on."""

    def __init__(self):
        self.begun, self.load, self.ticks = time.time(), os.getloadavg()[0], self.read()

    @staticmethod
    def read():
        with open('/proc/stat', encoding='ascii') as f:
            return [int(word) for word in f.readline().split()[1:9]]

    def facts(self, tree, rounds, files, ordinary):
        ticks = [b - a for a, b in zip(self.ticks, self.read())]
        with open('/proc/cpuinfo', encoding='utf-8') as f:
            cpu = next((line.split(':')[1].strip() for line in f if line.startswith('model name')), 'unknown')
        with open('/proc/meminfo', encoding='utf-8') as f:
            gib = int(f.readline().split()[1]) / (1 << 20)
        commit = subprocess.run(['git', '-C', tree, 'describe', '--always', '--dirty'], capture_output=True, text=True,
                                check=False).stdout.strip()
        return {'date': time.strftime('%F %H:%M', time.gmtime(self.begun)),
                'minutes': round((time.time() - self.begun) / 60, 1), 'commit': commit, 'kernel': os.uname().release, 'cpu': cpu, 'cpus': len(os.sched_getaffinity(0)),
                'memory_gib': round(gib), 'rounds': rounds, 'files': files, 'user': 'ordinary user' if ordinary else 'root',
                'load': [round(self.load, 1), round(os.getloadavg()[0], 1)],
                'idle': round(ticks[3] / sum(ticks), 2), 'stolen': round(ticks[7] / sum(ticks), 2)}


# ---- the table ----

def amount(unit, value):
    if unit == 'KiB':
        return '%.0f KiB' % value
    for name, size in ('s', 1e9), ('ms', 1e6), ('us', 1e3):
        if value >= size:
            return '%.3g %s' % (value / size, name)
    return '%.3g ns' % value


FORMS = {'ratio': '%.2f', 'start': '+%.1f ms', 'ram': '+%.0f KiB'}


def table(rows, sides):
    ours = [s for s in sides if s.startswith('gsh')]
    peers = sides[1 + len(ours):]
    head = ['work', 'native'] + [c for s in ours for c in (s, 'noise', 'other')] + ['budget', 'by', ''] + peers
    yield '| ' + ' | '.join(head) + ' |'
    yield '|---' * len(head) + '|'
    for row in rows:
        results, form = row['results'], FORMS[row['form']]
        first = 'second' if row['by'] == 'cpu' else 'first'
        cells = [row['what'], amount(row['unit'], results['native'][first]['median']) if 'native' in results else '']
        marks = []
        for side in ours:
            r = results.get(side, {})
            if 'value' not in r:
                cells += ['', '', '']
                continue
            cells += [form % r['value'], (form % r['noise']).replace('+', ''),
                      form % r['other'] if 'other' in r else '']
            marks += [{True: 'MISS', 'perhaps': 'miss?', False: ''}[r['missed']],
                      'noisy' if r['noise'] > NOISY * abs(r['value']) or r['pairs'] < 2 else '']
        cells += ['' if row['budget'] is None else form.replace('+', '') % row['budget'], row['by']]
        if row['failed']:
            marks.append('not measured: ' + row['failed'])
        cells.append(' '.join(dict.fromkeys(m for m in marks if m)))
        cells += [form % results[p]['value'] if 'value' in results.get(p, {}) else '' for p in peers]
        yield '| ' + ' | '.join(cells).replace('  ', ' ') + ' |'


def misses(rows):
    """What is over its budget by more than the noise, together by the reason."""
    why = {}
    for r in rows:
        if any(x.get('missed') is True for x in r['results'].values()):
            why.setdefault(REASONS.get(r['name'], 'why is not known'), []).append(r['what'])
    yield 'Budgets missed:%s' % ('' if why else ' none.')
    for reason, missed in why.items():
        yield '- %s: %s.' % ('; '.join(missed), reason)
    yield ''


def markdown(facts, rows, sides, absent):
    yield '# Benchmarks'
    yield ''
    yield '%(date)s UTC, commit %(commit)s, Linux %(kernel)s; %(cpu)s, %(cpus)d processors, %(memory_gib)d GiB.' % facts
    yield 'Measured in %(minutes)s minutes, up to %(rounds)d rounds, as %(user)s; trees of %(files)d files.' % facts
    yield 'The machine: load %s at first, %s at the end; idle %d %%, stolen %d %% of the time.' % (
        *facts['load'], 100 * facts['idle'], 100 * facts['stolen'])
    yield ''
    yield 'A result is ours by native, or ours less native where it has a unit: the median of the pairs, by processor'
    yield 'time (cpu) or by the clock (wall) as the row says; "other" is by the other one, or PSS beside private memory.'
    yield 'Noise is the median deviation of the pairs. Peers are by the clock. "MISS": over the budget; "miss?": by less'
    yield 'than the noise.'
    skipped = [r for r in rows if r['skipped']]
    yield ''
    yield from table([r for r in rows if not r['skipped']], sides)
    yield ''
    yield from misses(rows)
    if absent:
        yield 'Peers not installed, left out: %s.' % ', '.join(absent)
    if skipped:
        yield 'Rows left out: %s.' % '; '.join('%s (%s)' % (r['name'], r['skipped']) for r in skipped)


# ---- the plots ----

PLOT = '''set terminal svg size 900,%(height)d font "sans,11" background "white"
set output "%(name)s.svg"
set title "%(title)s"
set xlabel "%(label)s"
%(scale)s
set grid xtics
set key outside bottom center horizontal
set yrange [%(last)s:-0.5]
set ytics (%(tics)s)
set arrow from 1, graph 0 to 1, graph 1 nohead dt 2 lc "gray40"
plot %(parts)s
'''
MARKS = {'gsh-A': 'pt 7 ps 0.9 lc "#1f77b4"', 'gsh-B': 'pt 5 ps 0.8 lc "#17becf"', 'bwrap': 'pt 4 ps 0.8 lc "#2ca02c"',
         'proot': 'pt 8 ps 0.9 lc "#ff7f0e"', 'runsc': 'pt 12 ps 0.9 lc "#d62728"'}


def plot(out, name, title, label, scale, rows, sides):
    """One chart: a line for each row, a point for each side, a bar where the budget is."""
    if not rows:
        return
    series = {s: [(r['results'][s]['value'], i) for i, r in enumerate(rows)
                  if r['results'].get(s, {}).get('value', 0) > 0] for s in sides[1:]}
    series['budget'] = [(r['budget'], i) for i, r in enumerate(rows) if r['budget']]
    series = {s: points for s, points in series.items() if points}
    blocks = ['$%s << END\n%s\nEND\n' % (s.replace('-', '_'), '\n'.join('%g %d' % p for p in points))
              for s, points in series.items()]
    parts = ', '.join('$%s using 1:2 with points %s title "%s"' % (
        s.replace('-', '_'), MARKS.get(s, 'pt 2 ps 1 lc "black"'), s) for s in series)
    tics = ', '.join('"%s" %d' % (r['name'], i) for i, r in enumerate(rows))
    script = PLOT % {'height': 120 + 17 * len(rows), 'name': name, 'title': title, 'label': label, 'scale': scale,
                     'last': len(rows) - 0.5, 'tics': tics, 'parts': parts}
    path = os.path.join(out, name + '.gp')
    with open(path, 'w', encoding='utf-8') as f:
        f.write(''.join(blocks) + script)
    subprocess.run(['gnuplot', name + '.gp'], cwd=out, check=False)


def plots(out, facts, rows, sides):
    if not shutil.which('gnuplot'):
        print('bench: gnuplot is not installed: no plots')
        return
    log = 'set logscale x 2'
    ratio = [r for r in rows if r['form'] == 'ratio' and r['results']]
    small = ('calls', 'files', 'memory', 'events', 'ipc', 'process')
    when = ' (%(date)s, %(commit)s)' % facts
    plot(out, 'operations', 'One operation, by native' + when, 'ratio', log,
         [r for r in ratio if r['family'] in small], sides)
    plot(out, 'commands', 'Whole commands, by native' + when, 'ratio', log,
         [r for r in ratio if r['family'] not in small], sides)
    for form, what, unit in ('start', 'Start-up', 'ms'), ('ram', 'Memory', 'KiB'):
        plot(out, form, what + ', above native' + when, unit, 'set logscale x 10',
             [r for r in rows if r['form'] == form and r['results']], sides)


def write(out, facts, results, sides, absent):
    os.makedirs(out, exist_ok=True)
    rows = [r.plain(sides) for r in results]
    text = '\n'.join(markdown(facts, rows, sides, absent)) + '\n'
    with open(os.path.join(out, 'bench.md'), 'w', encoding='utf-8') as f:
        f.write(text)
    with open(os.path.join(out, 'bench.json'), 'w', encoding='utf-8') as f:
        json.dump({'schema': 'gsh.bench/1', 'facts': facts, 'sides': sides, 'rows': rows}, f, indent=1)
        f.write('\n')
    print(text, end='')
    plots(out, facts, rows, sides)
