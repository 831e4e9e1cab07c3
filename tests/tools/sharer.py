#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-3.0-or-later
"""One side of a test of shared memory: sharer.py {count|mingle|bank} FILE SIDE TIMES

count: two sides (0 and 1) count in turn in one page, each in a word of its own.
mingle: each side writes its half of each word of two pages again and again, without a lock.
bank: each side adds to a sum in the map under a lock, and to its own; "SIDE TIMES" is printed when all was there.
"""
import fcntl
import mmap
import os
import struct
import sys
import time

LIMIT = 60


def wait_for(m, at, value):
    end = time.time() + LIMIT
    while struct.unpack_from("<I", m, at)[0] < value:
        if time.time() > end:
            sys.exit("%d did not come" % value)
        time.sleep(0.001)


def main():
    what, path, side, times = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    fd = os.open(path, os.O_RDWR)
    m = mmap.mmap(fd, 8192)
    for i in range(1, times + 1):
        if what == "count":
            if side:
                wait_for(m, 0, i)
            struct.pack_into("<I", m, 8 * side, i)
            if not side:
                wait_for(m, 8, i)
        elif what == "mingle":
            for at in range(0, 8192, 64):
                struct.pack_into("<H", m, at + 2 * side, i)
        else:
            fcntl.lockf(fd, fcntl.LOCK_EX)
            total, own = struct.unpack_from("<I", m, 4096)[0], struct.unpack_from("<I", m, 4 + 4 * side)[0]
            struct.pack_into("<I", m, 4096, total + 1)
            struct.pack_into("<I", m, 4 + 4 * side, own + 1)
            fcntl.lockf(fd, fcntl.LOCK_UN)
            time.sleep(0.001)
    print(side, times)


main()
