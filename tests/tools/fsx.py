#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-3.0-or-later
"""Random work on one file from both sides in turn, compared with a model.

    fsx.py serve DIR               do what standard input says, a line each, and answer with a line
    fsx.py drive SEED STEPS DIR -- COMMAND...
                                   the driver's side: works in DIR itself, and has COMMAND (a "serve") work for the other

Each side keeps descriptors and a map over steps; after each step the file is read whole by the side that did not do it.
Says the seed and the steps up to a difference, else "fine".
"""
import fcntl
import mmap
import os
import random
import subprocess
import sys

SIZE = 300000
PUNCH, KEEP, ZERO = 2, 1, 16


class Side:
    """One that works: descriptors by number, kept open."""

    def __init__(self, where):
        self.where, self.fds, self.maps = where, {}, {}

    def fd(self, slot):
        if slot not in self.fds:
            flags = [os.O_RDWR, os.O_RDWR, os.O_RDWR | os.O_APPEND][slot]
            self.fds[slot] = os.open(os.path.join(self.where, "f"), flags | os.O_CREAT, 0o644)
        return self.fds[slot]

    def locked(self, on):
        fcntl.lockf(self.fd(0), fcntl.LOCK_EX if on else fcntl.LOCK_UN)

    def map(self):
        size = os.fstat(self.fd(0)).st_size
        if "m" in self.maps and len(self.maps["m"]) != size:
            self.maps.pop("m").close()
        if "m" not in self.maps and size:
            self.maps["m"] = mmap.mmap(self.fd(0), size)
        return self.maps.get("m")

    def drop(self):
        if "m" in self.maps:
            self.maps.pop("m").close()

    def do(self, op, a, b, c):
        text = bytes([c]) * b
        if op == "write":
            os.pwrite(self.fd(0), text, a)
        elif op == "append":
            os.write(self.fd(2), text)
        elif op == "mwrite":
            self.map()[a:a + b] = text
        elif op == "cut":
            self.drop()
            os.ftruncate(self.fd(1), a)
        elif op == "cutname":
            self.drop()
            os.truncate(os.path.join(self.where, "f"), a)
        elif op in ("punch", "zero"):
            fallocate(self.fd(1), PUNCH | KEEP if op == "punch" else ZERO | KEEP, a, b)
        elif op == "copy":
            left = b
            while left:
                n = os.copy_file_range(self.fd(0), self.fd(1), left, a + b - left, c * 1000 + b - left)
                if not n:
                    break
                left -= n
        elif op == "close":
            self.drop()
            for fd in self.fds.values():
                os.close(fd)
            self.fds = {}
        elif op == "sync":
            os.fsync(self.fd(1))
        elif op == "rename":
            os.rename(os.path.join(self.where, "f"), os.path.join(self.where, "g"))
            os.rename(os.path.join(self.where, "g"), os.path.join(self.where, "f"))

    def read(self, how):
        if how == 0:
            with open(os.path.join(self.where, "f"), "rb") as f:
                return f.read()
        if how == 1:
            size = os.fstat(self.fd(0)).st_size
            return os.pread(self.fd(0), size + 1, 0)
        m = self.map()
        return m[:] if m else b""


def fallocate(fd, mode, at, size):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.fallocate(fd, mode, ctypes.c_long(at), ctypes.c_long(size)):
        raise OSError(ctypes.get_errno(), "fallocate")


def sum_of(data):
    import zlib
    return "%d %d" % (len(data), zlib.crc32(data))


def serve(where):
    side = Side(where)
    for line in sys.stdin:
        word, *rest = line.split()
        numbers = [int(x) for x in rest]
        side.locked(True)
        try:
            if word == "read":
                data = side.read(*numbers)
                answer = sum_of(data)
            else:
                side.do(word, *numbers)
                answer = "done"
        except OSError as e:
            answer = "error %d" % e.errno
        if word != "close":
            side.locked(False)
        print(answer, flush=True)


def change(model, op, a, b, c):
    text = bytes([c]) * b
    if op == "append":
        a, op = len(model), "write"
    if op in ("write", "mwrite"):
        if len(model) < a:
            model.extend(bytes(a - len(model)))
        model[a:a + b] = text
    elif op in ("cut", "cutname"):
        del model[a:]
        model.extend(bytes(a - len(model)))
    elif op in ("punch", "zero"):
        n = min(b, max(0, len(model) - a))
        model[a:a + n] = bytes(n)
    elif op == "copy":
        part, to = bytes(model[a:a + b]), c * 1000
        if part:
            if len(model) < to:
                model.extend(bytes(to - len(model)))
            model[to:to + len(part)] = part


def choose(rng, size):
    op = rng.choice(["write"] * 4 + ["mwrite"] * 4 + ["append", "cut", "cutname", "punch", "zero", "copy", "close",
                                                      "sync", "rename"])
    a = rng.randrange(SIZE // (1 if rng.random() < 0.3 else 20))
    b = rng.randrange(1, 20000 if rng.random() < 0.5 else 300)
    c = rng.randrange(1, 256)
    if op == "mwrite":
        if not size:
            op = "write"
        else:
            a = rng.randrange(size)
            b = min(b, size - a)
    if op == "append" and size > SIZE:
        op, a = "cut", 100
    # Ranges that overlap are refused.
    if op == "copy" and (a + b > size or a < c * 1000 + b and c * 1000 < a + b):
        op = "write"
    return op, a, b, c


def drive(seed, steps, where, command):
    rng, own, model, log = random.Random(seed), Side(where), bytearray(), []
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(*words):
        other.stdin.write(" ".join(map(str, words)) + "\n")
        other.stdin.flush()
        return other.stdout.readline().strip()

    for step in range(steps):
        op, a, b, c = choose(rng, len(model))
        mine, how = rng.random() < 0.5, rng.randrange(3)
        log.append("%d: %s %s %d %d %d, read %d" % (step, "own" if mine else "other", op, a, b, c, how))
        if mine:
            own.locked(True)
            own.do(op, a, b, c)
            if op != "close":
                own.locked(False)
            answer = "done"
        else:
            answer = ask(op, a, b, c)
        change(model, op, a, b, c)
        own.locked(True)
        seen = sum_of(own.read(how)) if not mine else ""
        own.locked(False)
        if mine:
            seen = ask("read", how)
        if answer != "done" or seen != sum_of(model):
            print("seed", seed, *log[-40:], "%s: %s instead of %s" % (answer, seen, sum_of(model)), sep="\n")
            sys.exit(1)
    other.stdin.close()
    other.wait()
    print("fine")


if sys.argv[1] == "serve":
    serve(sys.argv[2])
else:
    drive(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[sys.argv.index("--") + 1:])
