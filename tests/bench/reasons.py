# SPDX-License-Identifier: LGPL-3.0-or-later
"""Why a row is over its budget, as far as it was found out: one sentence for each, with what it was found by.

A row whose reason no longer holds goes from here; ARCHITECTURE.md ("Where the time goes") has the figures.
"""
FILTER = 'a call that the host must answer passes the seccomp filter (30 to 80 ns, by a picoprocess with and without it)'
LANDLOCK = 'Landlock walks from the file up to a rule, on rung B to the root'
FAULTS = 'pages of the libOS that the new process writes (faults counted by tests/calls.bats)'
EXEC = ('the host executes the image, then the libOS maps the program: twice the host calls of a native exec (counted by '
        'tests/calls.bats), each through the filter')
OPEN = 'each file is opened and read: ' + LANDLOCK
COPY = 'what is changed is first made in the layer (inodes by strace; the host is slow to find free ones)'

REASONS = {
    'open-close': LANDLOCK,
    'pipe': FILTER, 'pingpong-pipe': FILTER, 'pingpong-unix': FILTER, 'pingpong-shm': FILTER,
    'fork-1': FAULTS, 'fork-64': FAULTS, 'fork-tree': FAULTS, 'loop-fork': FAULTS,
    'fork-exec': EXEC, 'vfork-exec': EXEC, 'spawn': EXEC, 'loop-exec': EXEC, 'loop-pipe': EXEC, 'perl': EXEC, 'cc': EXEC,
    'make-33': EXEC, 'python': EXEC,
    'start-warm': 'gsh asks gshd, and the monitor starts a session: six changes of process before the program runs',
    'push': 'the monitor looks in /proc who, of those that ran since, holds a file of the top open for writing (strace)',
    'git-status': "a host call for each file, as natively, and the libOS's own look-up, a fifth of its time and flat (perf)",
    'git-clone': COPY, 'git-checkout': COPY,
    'find': FILTER, 'du': FILTER, 'grep': OPEN, 'tar': OPEN, 'untar': FILTER, 'cp': FILTER,
    'rm': 'a name of a lower layer is removed by a whiteout, which is made and removed again with its directory',
    'view-overlay': 'a file costs two questions of the kernel to gfs, each two changes of process: OPEN, and RELEASE, which nobody waits for (counted by the fuse tracepoints)',
}
