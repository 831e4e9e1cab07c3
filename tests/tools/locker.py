#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-3.0-or-later
"""One side of a test of locks: locker.py {hold|try|wait|get} {flock|posix|ofd} FILE

hold: takes the lock, says so in FILE.held, and gives it up by ending once FILE.enough is there, or a test has failed and
FILE with it.
try, wait, get: what became of it, as a word.
"""
import fcntl
import os
import struct
import sys
import time

OFD_SETLK, OFD_SETLKW = 37, 38
FORM = "hhqqi4x"


def lock(kind, fd, wait):
    if kind == "flock":
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    elif kind == "ofd":
        fcntl.fcntl(fd, OFD_SETLKW if wait else OFD_SETLK, struct.pack(FORM, fcntl.F_WRLCK, 0, 5, 10, 0))
    else:
        fcntl.lockf(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 10, 5)


def main():
    what, kind, path = sys.argv[1:]
    fd = os.open(path, os.O_RDWR)
    if what == "hold":
        lock(kind, fd, False)
        open(path + ".held", "w").close()
        while os.path.exists(path + ".held") and not os.path.exists(path + ".enough"):
            time.sleep(0.02)
        return
    try:
        if what == "get":
            found = struct.unpack(FORM, fcntl.fcntl(fd, fcntl.F_GETLK, struct.pack(FORM, fcntl.F_WRLCK, 0, 0, 0, 0)))
            print("free" if found[0] == fcntl.F_UNLCK else "%d+%d" % found[2:4])
        else:
            lock(kind, fd, what == "wait")
            print("got")
    except BlockingIOError:
        print("busy")


main()
