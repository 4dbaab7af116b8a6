# SPDX-License-Identifier: BSD-3-Clause
# A FUSE file system with one file, using the protocol of linux/fuse.h on /dev/fuse:
# silent-fuse.py MOUNTPOINT BYTES [SILENCE...]
# The file reads as zeros and discards writes. The operations named are never answered: statfs, getattr,
# flush, or read=OFFSET for reads from that offset on. Prints "mounted", then each silence once when it
# begins; exits when its stdin is closed.
import ctypes
import os
import select
import struct
import sys

mountpoint, size = sys.argv[1], int(sys.argv[2])
silences = dict((word.split('=') + ['0'])[:2] for word in sys.argv[3:])
LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, WRITE, STATFS, RELEASE = 1, 2, 3, 4, 14, 15, 16, 17, 18
FLUSH, INIT, ACCESS, INTERRUPT, BATCH_FORGET = 25, 26, 34, 36, 42
NAMES = {STATFS: 'statfs', GETATTR: 'getattr', FLUSH: 'flush', READ: 'read'}
ENOSYS = 38


def attributes(node):
    mode = 0o40755 if node == 1 else 0o100666
    return struct.pack('<QQQQQQIIIIIIIIII', node, 0 if node == 1 else size, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def answer(opcode, node, body):
    if opcode == INIT:
        major, minor, _, flags = struct.unpack('<IIII', body[:16])
        # No readahead: a page is requested when it is touched.
        return struct.pack('<IIIIHHIIHHI7I', 7, 31, 0, 0, 12, 9, 1 << 17, 1, 32, 0, 0, *[0] * 7)
    if opcode == LOOKUP:
        return struct.pack('<QQQQII', 2, 1, 0, 0, 0, 0) + attributes(2)
    if opcode in (GETATTR, SETATTR):
        return struct.pack('<QII', 0, 0, 0) + attributes(node)
    if opcode == OPEN:
        return struct.pack('<QII', 0, 0, 0)
    if opcode == READ:
        return bytes(struct.unpack('<QQI', body[:20])[2])
    if opcode == WRITE:
        return struct.pack('<II', struct.unpack('<QQI', body[:20])[2], 0)
    if opcode == STATFS:
        return struct.pack('<QQQQQIIII6I', 0, 0, 0, 0, 0, 4096, 255, 4096, 0, *[0] * 6)
    if opcode in (FLUSH, RELEASE, ACCESS):
        return b''
    return None


def silent(opcode, body):
    name = NAMES.get(opcode)
    if name not in silences:
        return False
    return opcode != READ or sum(struct.unpack('<QQI', body[:20])[1:]) > int(silences[name])


device = os.open('/dev/fuse', os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
options = f'fd={device},rootmode=40000,user_id=0,group_id=0'.encode()
if libc.mount(b'silent', mountpoint.encode(), b'fuse', 0, options) != 0:
    sys.exit(f'mount: {os.strerror(ctypes.get_errno())}')
print('mounted', flush=True)
reported = set()
while True:
    readable, _, _ = select.select([device, sys.stdin], [], [])
    if sys.stdin in readable:
        break
    request = os.read(device, 1 << 18)
    _, opcode, unique, node = struct.unpack('<IIQQ', request[:24])
    body = request[40:]
    if opcode in (FORGET, INTERRUPT, BATCH_FORGET):
        continue
    if silent(opcode, body):
        if opcode not in reported:
            print('silent', NAMES[opcode], flush=True)
        reported.add(opcode)
        continue
    data = answer(opcode, node, body)
    error = -ENOSYS if data is None else 0
    os.write(device, struct.pack('<IiQ', 16 + len(data or b''), error, unique) + (data or b''))
# Closing the descriptor ends the connection and releases all waiting threads.
libc.umount2(mountpoint.encode(), 2)
