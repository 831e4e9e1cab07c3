# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where a benchmark works: a scratch place, the user who works there, the sides to be compared, and how to run on one.

Started as root, everything measured runs as an ordinary user made for it: root has privileges that others pay for. That
user has no other processes, so all that it has are ours to count and, at the end, to end.
"""
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import prompt

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATH = '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin'
PEERS = {
    'bwrap': ['bwrap', '--dev-bind', '/', '/', '--unshare-pid', '--proc', '/proc', '--'],
    'proot': ['proot', '-r', '/'],
    'runsc': ['runsc', '--rootless', '--network=none', '--ignore-cgroups', 'do', '--'],
}
SANDBOX = 'bench'


class Failed(Exception):
    """A measurement that could not be made; says why."""


class Late(Exception):
    """The time for all is over."""


class Side:
    """What a row runs on: the native host, gsh by a rung, or a peer; wrap is put before a command's words."""

    def __init__(self, name, wrap, env, top):
        self.name, self.wrap, self.env = name, wrap, env
        self.ours = name.startswith('gsh')
        self.words = {'src': '%s/src/%s' % (top, name), 'work': '%s/work/%s' % (top, name), 'tree': top + '/src/tree'}


def end_of(p):
    """Kill a process group. What it prints is not read to its end: processes in a sandbox may hold that still."""
    os.killpg(p.pid, signal.SIGKILL)
    for pipe in p.stdout, p.stderr:
        if pipe:
            pipe.close()
    p.wait()


class Place:
    def __init__(self, deadline):
        self.deadline = deadline  # of time.monotonic()
        self.top = tempfile.mkdtemp(prefix='gb.', dir='/tmp')
        os.chmod(self.top, 0o755)
        self.bin = os.path.join(self.top, 'bin')
        self.gsh, self.micro = os.path.join(self.bin, 'gsh'), os.path.join(self.bin, 'micro')
        self.user, self.sides = None, []

    def set_up(self, rungs, peers):
        for part in 'bin', 'libexec':
            shutil.copytree(os.path.join(TREE, 'build', part), os.path.join(self.top, part))
        for tool in 'build/tests/bench/micro', 'tests/bench/servers', 'tests/bench/trees', 'tests/bench/push', 'tests/project/generate', \
                    'tests/tools/fetch-source':
            shutil.copy(os.path.join(TREE, tool), self.bin)
        if os.geteuid() == 0:
            self.user = 'gshbench%d' % os.getpid()
            subprocess.run(['useradd', '-M', '-d', '/nonexistent', self.user], check=True)
            pw = pwd.getpwnam(self.user)
            self.who = {'user': pw.pw_uid, 'group': pw.pw_gid, 'extra_groups': []}
        else:
            self.who = {}
        for name in 'src', 'work', 'home':
            self.make(name)
        prompt.prepare(self.top + '/home')
        self.sides = [Side('native', [], self.env('-'), self.top)]
        for rung in rungs:
            # A daemon each, which knows of one rung only.
            for name in 'store', 'run', 'mnt':
                self.make(name + rung)
            self.sides.append(Side('gsh-' + rung, [self.gsh, 'run', '-s', SANDBOX, '--'], self.env(rung), self.top))
        for name in peers:
            self.sides.append(Side(name, PEERS[name], self.env('-'), self.top))
        for side in self.sides:
            os.chmod(self.make('work/' + side.name), 0o700)

    def make(self, name):
        path = os.path.join(self.top, name)
        os.mkdir(path, 0o700)
        if self.who:
            os.chown(path, self.who['user'], self.who['group'])
        return path

    def make_apt(self):
        """Package lists of our own, once; the directory that they are in."""
        path = os.path.join(self.top, 'apt')
        if not os.path.isdir(path):
            self.make('apt')
            try:
                self.call(self.sides[0], [self.bin + '/fetch-source', path])
            except Failed as e:
                print('bench: no package lists: %s' % e, file=sys.stderr)
        return path

    def env(self, rung):
        env = {'PATH': PATH, 'HOME': self.top + '/home', 'LC_ALL': 'C', 'TZ': 'UTC0', 'GIT_CONFIG_NOSYSTEM': '1',
               'GSH_CONFIG': self.top + '/gsh.conf'}
        if rung != '-':
            env.update(GSH_RUNG=rung, GSH_STORE=self.top + '/store' + rung, GSH_RUNTIME=self.top + '/run' + rung,
                       GSH_MOUNT=self.top + '/mnt' + rung)
        return env

    # ---- running ----

    def start(self, side, argv, **more):
        how = {'env': side.env, 'stdin': subprocess.DEVNULL, **more}
        return subprocess.Popen(argv, cwd=side.words['work'], start_new_session=True, text=True, **self.who, **how)

    def call(self, side, argv, timeout=600):
        """Run words as the user; what they print. The side's wrap is the caller's to put before them."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise Late
        p = self.start(side, argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = p.communicate(timeout=min(timeout, left))
        except subprocess.TimeoutExpired:
            end_of(p)
            raise Late if left < timeout else Failed('no end after %d s' % timeout) from None
        if p.returncode:
            raise Failed('status %d: %s' % (p.returncode, err.strip()[-200:]))
        return out

    def numbers(self, side, argv):
        """Call; the lines of numbers that it prints."""
        lines = [[float(word) for word in line.split()] for line in self.call(side, argv).splitlines()]
        if not lines:
            raise Failed('it printed no number')
        return lines

    # ---- processes ----

    def processes(self):
        """Pid and name of each of the user's processes; of nobody's without a user of our own."""
        if not self.user:
            return {}
        out = subprocess.run(['ps', '-o', 'pid=,stat=,comm=', '-u', self.user], capture_output=True, text=True,
                             check=False).stdout
        return {int(line.split()[0]): line.split(None, 2)[2] for line in out.splitlines() if line.split()[1][0] != 'Z'}

    def stop(self):
        """End all sandboxes and their daemons. A process inside that nobody ended by name ends with them."""
        for side in self.sides:
            if side.ours:
                try:
                    self.call(side, [self.gsh, 'stop', '--all'], timeout=60)
                except Failed as e:
                    print('bench: gsh stop --all: %s' % e, file=sys.stderr)
        for _ in range(50):
            if not self.processes():
                return
            time.sleep(0.1)

    def tear_down(self):
        self.deadline = time.monotonic() + 120
        self.stop()
        if self.user:
            for pid, name in self.processes().items():
                print('bench: left behind and ended: %s' % name, file=sys.stderr)
                os.kill(pid, signal.SIGKILL)
            subprocess.run(['userdel', self.user], check=False, stderr=subprocess.DEVNULL)
        for path, dirs, _ in os.walk(self.top):
            for d in dirs:
                if not os.path.islink(os.path.join(path, d)):
                    os.chmod(os.path.join(path, d), 0o700)
        shutil.rmtree(self.top, ignore_errors=True)
