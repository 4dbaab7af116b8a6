# SPDX-License-Identifier: BSD-3-Clause
"""steady.py IFACE FILE: until killed, sends a numbered frame every 20 ms, whether or not it comes back, and keeps
in FILE "SENT LAST BAD": the number of frames sent, the number of the last frame that came back, and how many
came back with other bytes."""
import os
import select
import socket
import struct
import sys
import time

ETHERTYPE = 0x88B5  # IEEE 802, local experimental
PAUSE = 0.02
BYTES = 200

interface, file = sys.argv[1:3]
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
link.bind((interface, ETHERTYPE))
link.setblocking(False)
mine = link.getsockname()[4]
other = bytes.fromhex("525400000001")


def payload(number):
    return struct.pack("!I", number) + bytes((number + i) & 0xFF for i in range(BYTES))


sent, last, bad = 0, -1, 0
next_time = time.monotonic()
while True:
    if time.monotonic() >= next_time:
        try:
            link.send(other + mine + struct.pack("!H", ETHERTYPE) + payload(sent))
            sent += 1
        except OSError:
            pass  # No driver takes the frames now, and the queue is full.
        next_time = time.monotonic() + PAUSE
    ready, _, _ = select.select([link], [], [], max(0.0, next_time - time.monotonic()))
    if ready:
        frame = link.recv(65536)
        (number,) = struct.unpack("!I", frame[14:18])
        bad += frame[14:] != payload(number) or frame[:12] != mine + other
        last = max(last, number)
    with open(file + ".new", "w") as state:
        state.write(f"{sent} {last} {bad}\n")
    os.replace(file + ".new", file)
