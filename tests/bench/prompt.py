# SPDX-License-Identifier: LGPL-3.0-or-later
"""An interactive bash at a terminal: from its start to its prompt, and from a key to its echo."""
import fcntl
import os
import pty
import select
import statistics
import struct
import termios
import time

PROMPT = 'bench> '
KEYS = 20
WAIT = 30  # s


def prepare(home):
    """The prompt of the user who measures, on the host and so inside."""
    with open(os.path.join(home, '.bashrc'), 'w', encoding='utf8') as f:
        f.write("PS1='%s'\n" % PROMPT)


def until(master, what, failed):
    """Read up to these bytes; when they came, in nanoseconds."""
    got = b''
    while what not in got:
        if not select.select([master], [], [], WAIT)[0]:
            raise failed('no %r after %d s: %r' % (what, WAIT, got[-100:]))
        got += os.read(master, 65536)
    return time.monotonic_ns()


def measure(start, argv, failed):
    """Nanoseconds to the prompt, and the median of those to an echo. start: runs words, with what Popen takes."""
    master, slave = pty.openpty()
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
    begun, echoes = time.monotonic_ns(), []
    p = start(argv, stdin=slave, stdout=slave, stderr=slave, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(slave)
    try:
        prompt = until(master, PROMPT.encode(), failed) - begun
        time.sleep(0.05)  # what comes behind a prompt
        while select.select([master], [], [], 0)[0]:
            os.read(master, 65536)
        for _ in range(KEYS):
            typed = time.monotonic_ns()
            os.write(master, b'x')
            echoes.append(until(master, b'x', failed) - typed)
        os.write(master, b'\x15exit\r')
        while select.select([master], [], [], WAIT)[0]:
            os.read(master, 65536)
    except OSError:
        pass  # EIO: it has ended
    finally:
        os.close(master)
        p.wait()
    if len(echoes) < KEYS:
        raise failed('it ended')
    return prompt, statistics.median(echoes)
