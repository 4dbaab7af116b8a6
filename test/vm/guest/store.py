# SPDX-License-Identifier: BSD-3-Clause
"""Stores four bytes into the mapped file PATH at OFFSET, and tells whether they are there afterwards; with a third
argument, only prints the four bytes. PATH@ADDRESS, for /dev/mem: OFFSET counts from there."""
import mmap
import os
import sys

(path, _, address), offset = sys.argv[1].partition("@"), int(sys.argv[2])
fd = os.open(path, os.O_RDWR | os.O_SYNC)
length = os.fstat(fd).st_size or (offset // mmap.PAGESIZE + 1) * mmap.PAGESIZE
start = int(address or "0", 16)
with mmap.mmap(fd, length, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=start) as memory:
    if len(sys.argv) > 3:
        print(memory[offset : offset + 4].hex())
    else:
        memory[offset : offset + 4] = b"vpci"
        print("stored, changed" if memory[offset : offset + 4] == b"vpci" else "stored, unchanged")
