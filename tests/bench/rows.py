# SPDX-License-Identifier: LGPL-3.0-or-later
"""The rows of the benchmark that are not operations of micro: whole commands, start-up, memory.

A row is a line. A command is a line of sh, run by `micro run`, which takes its time on the spot; `says` is one that
prints nanoseconds itself. `prepare` is run before each time and not measured; it may find what an earlier one left. Words:

    {src}   this side's own copy of the repository and the packages, on the host: of the base, for a sandbox
    {tree}  the tree of small files, of the base, shared by all sides; nobody writes there
    {work}  this side's own empty directory to write in

Needs name programs, or packages by "src:", without which a row is left out with a word. Slow: "yes", not for --quick;
"named", only if asked for by name.
"""
from collections import namedtuple

Row = namedtuple('Row', 'name family what budget by kind command prepare needs slow runs',
                 defaults=['', '', '', 1])

LOOP = 'i=0; while [ $i -lt 100 ]; do %s; i=$((i+1)); done'
FRESH = 'cd {src}/%s && {{ [ -e Makefile ] || ./configure; }} >/dev/null && make clean >/dev/null'
MAKE = 'make -s -j2 -C {src}/%s %s >/dev/null 2>&1'


def run(name, family, what, budget, command, **more):
    return Row(name, family, what, budget, 'cpu', 'run', command, **more)


def build(package, target='', slow='yes'):
    """Two rows: clean and no-op make of a package."""
    needs, command = 'make gcc src:' + package, MAKE % (package, target)
    return [run('make-' + package, 'build', 'make -j2 of ' + package, 1.05, command, prepare=FRESH % package,
                needs=needs, slow=slow),
            run('noop-' + package, 'build', 'make -j2 of ' + package + ', nothing to do', 1.05, command,
                prepare=command, needs=needs, slow=slow)]


ROWS = [
    # Started from the host; the result is milliseconds more than sh -c true.
    Row('start-cold', 'start', 'gsh -c true, all to be started but for rewritten images', 60, 'wall', 'start', 'cold'),
    Row('start-warm', 'start', 'gsh -c true in a running sandbox', 3, 'wall', 'start', 'warm'),
    Row('start-new', 'start', 'gsh -x -c true, a sandbox made and thrown away', None, 'wall', 'start', 'new'),

    # At a terminal, an interactive bash; the result is milliseconds more than the user's own.
    Row('prompt-cold', 'start', 'gsh, all to be started, to its prompt', 100, 'wall', 'start', 'prompt-cold'),
    Row('prompt-warm', 'start', 'gsh in a running sandbox, to its prompt', 30, 'wall', 'start', 'prompt'),
    Row('echo', 'start', 'a key at a prompt, to its echo', None, 'wall', 'start', 'echo'),

    # An op begins under 20 processes with open files; natively it is nothing.
    Row('push', 'start', 'a layer put on top of 20 processes', 2, 'wall', 'push', '20'),

    run('loop-fork', 'shell', '100 x $(echo)', 1.2, LOOP % 'x=$(echo $i)', runs=3),
    run('loop-exec', 'shell', '100 x $(/bin/echo)', 1.0, LOOP % 'x=$(/bin/echo $i)', runs=3),
    run('loop-pipe', 'shell', '100 x a pipeline of three', 1.0, LOOP % 'echo $i | cat | /bin/cat', runs=3),
    run('bash', 'shell', 'bash -c "a function, here-documents, globs"', 1.1,
        'bash -c \'f() {{ read -r x <<<"$1"; set -- /usr/bin/*; }}; for i in {{1..20}}; do f $i; done\'', needs='bash', runs=3),

    run('configure', 'build', './configure of hello', 1.05, 'cd {src}/hello && ./configure', needs='gcc make src:hello',
        prepare='cd {src}/hello && {{ [ ! -e Makefile ] || make distclean; }} >/dev/null', slow='yes'),
    run('make-33', 'build', 'make -j2 of 33 C files', 1.05, MAKE % ('project', ''), prepare='make -s -C {src}/project clean',
        needs='make gcc'),
    *build('bzip2', 'libbz2.a bzip2 bzip2recover'), *build('sed'), *build('lua5.4', 'linux'), *build('bash', slow='named'),

    # Before it, one that notes what a copied tree looks like.
    run('git-status', 'git', 'git status', 1.1, 'git -C {src}/git status', prepare='git -C {src}/git status >/dev/null',
        needs='git', runs=3),
    run('git-clone', 'git', 'git clone', 1.1, 'git clone -q {src}/git {work}/clone', prepare='rm -rf {work}/clone', needs='git'),
    run('git-checkout', 'git', 'git checkout of another branch, and back', 1.1,
        'cd {src}/git && git checkout -q other && git checkout -q main', needs='git'),

    run('find', 'tree', 'find -name', 1.1, 'find {tree} -name "*7.c"', runs=3),
    run('grep', 'tree', 'grep -r', 1.1, 'grep -r "no such words" {tree}; [ $? = 1 ]', runs=3),
    run('tar', 'tree', 'tar c', 1.1, 'tar cf - -C {tree} . | cat', runs=3),
    run('untar', 'tree', 'tar x', 1.1, 'tar xf {work}/t.tar -C {work}/untar',
        prepare='rm -rf {work}/untar; mkdir {work}/untar; [ -e {work}/t.tar ] || tar cf {work}/t.tar -C {tree} .', runs=3),
    run('cp', 'tree', 'cp -r', 1.1, 'cp -r {tree} {work}/cp', prepare='rm -rf {work}/cp'),
    run('rm', 'tree', 'rm -rf', 1.1, 'rm -rf {work}/rm', prepare='cp -r {tree} {work}/rm'),
    run('du', 'tree', 'du -s', 1.1, 'du -s {tree}', runs=3),

    # Through the mount, of a stopped sandbox; native is the other mount. Of both what others do for them counts, too.
    Row('view-overlay', 'view', 'a tree read through the mount, by the kernel\'s overlayfs', 1.5, 'wall', 'view', 'overlay',
        needs='unshare tar'),
    Row('view-fuse', 'view', 'a tree read through the mount, by fuse-overlayfs', 1.0, 'wall', 'view', 'fuse',
        needs='fuse-overlayfs fusermount3 tar'),

    run('python', 'programs', 'python3 -c "import json, subprocess, asyncio"', 1.1,
        'python3 -c "import json, subprocess, asyncio"', needs='python3', runs=3),
    run('perl', 'programs', 'perl -MPOSIX -e 1', 1.1, 'perl -MPOSIX -e 1', needs='perl', runs=5),
    run('cc', 'programs', 'cc of a small file', 1.05, 'cc -O1 -o {work}/a.out {src}/project/app/main.c -c -I{src}/project/gen -I{src}/project',
        needs='cc', runs=2),

    Row('redis', 'servers', 'redis: a request of set or get, 20 clients', None, 'wall', 'says', 'redis {work}',
        needs='redis-server redis-benchmark', slow='yes'),
    Row('nginx', 'servers', 'nginx: a request for 4 KiB, 10 clients', None, 'wall', 'says', 'nginx {work}',
        needs='nginx ab', slow='yes'),

    # Kibibytes; for processes that sleep, of one, above native.
    Row('ram-idle', 'ram', 'an idle sandbox', 4096, 'private', 'ram', 0),
    Row('ram-1', 'ram', 'a sleeping process: of 1', 600, 'private', 'ram', 1),
    Row('ram-10', 'ram', 'a sleeping process: of 10', 600, 'private', 'ram', 10),
    Row('ram-100', 'ram', 'a sleeping process: of 100', 600, 'private', 'ram', 100),
]
