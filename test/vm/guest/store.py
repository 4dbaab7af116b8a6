# SPDX-License-Identifier: BSD-3-Clause
"""Stores four bytes into the mapped file PATH at OFFSET, and tells whether they are there afterwards; with a third
argument, only prints the four bytes."""
import mmap
import os
import sys

path, offset = sys.argv[1], int(sys.argv[2])
fd = os.open(path, os.O_RDWR)
with mmap.mmap(fd, os.fstat(fd).st_size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE) as memory:
    if len(sys.argv) > 3:
        print(memory[offset : offset + 4].hex())
    else:
        memory[offset : offset + 4] = b"vpci"
        print("stored, changed" if memory[offset : offset + 4] == b"vpci" else "stored, unchanged")
