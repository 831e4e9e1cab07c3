# SPDX-License-Identifier: LGPL-3.0-or-later
"""Reading a tree of a stopped sandbox: through gsh's mount, and as overlayfs mounts its layers.

The sandbox is made of the tree of small files, with some of them changed in a second layer. Each time the mount is new, so
that neither names nor data are known to it; what the host's own page cache has is the same for all.
"""
import os

from place import Failed

NAME = 'view'
READ = 'cd %s && tar cf - . | cat >/dev/null'


class View:
    def __init__(self, place):
        self.place, self.layers = place, {}

    def make(self, side):
        """Once: the sandbox; another that stays lets the mount stay when the first is stopped."""
        p, store = self.place, side.env['GSH_STORE']
        p.call(side, [p.gsh, 'create', NAME, '--image', side.words['tree']])
        mount = p.call(side, [p.gsh, 'mount']).strip()
        script = 'cd %s/%s/root && for d in */; do echo changed >"$d/new"; rm -f "$d"*/*7.c; done'
        p.call(side, ['sh', '-c', script % (mount, NAME)])
        p.call(side, [p.gsh, 'umount'])
        tree = '%s/boxes/%s/tree' % (store, NAME)
        found = p.call(side, ['sh', '-c', 'ls -d %s/layers/* %s/top/*' % (tree, tree)]).split()
        found.sort(key=lambda path: -int(os.path.basename(path)))
        return ':'.join(found)

    def measure(self, side, how, runs):
        """side: whose sandbox it is; how: gfs, overlay or fuse."""
        p = self.place
        if side.name not in self.layers:
            self.layers[side.name] = self.make(side)
        read = [p.micro, 'run', str(runs), 'sh', '-c']
        if how == 'gfs':
            mount = p.call(side, [p.gsh, 'mount']).strip()
            try:
                return p.numbers(side, read + [READ % ('%s/%s/root' % (mount, NAME))])
            finally:
                p.call(side, [p.gsh, 'umount'])
        at = side.words['work'] + '/view'
        p.call(side, ['mkdir', '-p', at])
        options = 'lowerdir=' + self.layers[side.name]
        if how == 'overlay':
            mount = 'mount -t overlay -o userxattr,%s overlay %s || exit; exec "$@"' % (options, at)
            return p.numbers(side, ['unshare', '-Urm', 'sh', '-c', mount, 'sh'] + read + [READ % at])
        p.call(side, ['fuse-overlayfs', '-o', options, at])
        try:
            return p.numbers(side, read + [READ % at])
        finally:
            p.call(side, ['fusermount3', '-u', at])


def measure(place, row, side):
    """The native side of a row is the other mount, of the same sandbox."""
    if not hasattr(place, 'view'):
        place.view = View(place)
    ours = next(s for s in place.sides if s.ours)
    if side.wrap and not side.ours:
        raise Failed('it has no layers')
    return place.view.measure(side if side.ours else ours, 'gfs' if side.ours else row.command, 1)[0]
