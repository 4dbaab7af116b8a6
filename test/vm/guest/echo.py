# SPDX-License-Identifier: BSD-3-Clause
"""echo.py IFACE COUNT: sends COUNT frames of all sizes and receives those that come back with swapped addresses.
Prints "sent S received R bad B": bad frames came back with other bytes than they were sent with, or twice. If
some did not come back, the next line has their numbers, and the exit status is 1."""
import random
import socket
import struct
import sys
import time

ETHERTYPE = 0x88B5  # IEEE 802, local experimental
WINDOW = 32
SILENCE = 60.0  # seconds: a busy machine may take many to set everything in motion

interface, count = sys.argv[1], int(sys.argv[2])
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
link.bind((interface, ETHERTYPE))
link.settimeout(0.2)
mine = link.getsockname()[4]
other = bytes.fromhex("525400000001")
random.seed(1)


def payload(number):
    size = 46 + random.randrange(1455)
    return struct.pack("!I", number) + random.randbytes(size - 4)


waiting, sent, received, bad = {}, 0, 0, 0
last = time.monotonic()
while received + bad < count and time.monotonic() - last < SILENCE:
    while sent < count and len(waiting) < WINDOW:
        waiting[sent] = payload(sent)
        link.send(other + mine + struct.pack("!H", ETHERTYPE) + waiting[sent])
        sent += 1
    try:
        frame, address = link.recvfrom(65536)
    except TimeoutError:
        continue
    if address[2] == socket.PACKET_OUTGOING:
        continue
    last = time.monotonic()
    (number,) = struct.unpack("!I", frame[14:18])
    if waiting.pop(number, None) == frame[14:] and frame[:12] == mine + other:
        received += 1
    else:
        bad += 1
print(f"sent {sent} received {received} bad {bad}")
if waiting:
    print("missing", *sorted(waiting))
    sys.exit(1)
